"""Trains that come late, from a table in a CSV file: words in some of its columns, numbers in the others.

Each word gets a point of its own that is learned with the network (an embedding), so that words which mean
the same for the answer come to lie together; numbers are brought to mean 0 and deviation 1. The table is made
up by a rule that the network is not told: weather makes trains late, but not on the lines that run
underground, and the more kilometres, the more so; at the hours when all go to work or home, any train. One
answer in twenty is turned around, so 95 % are all that can be known.
"""

import csv
import random
import tempfile
from pathlib import Path

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import functional as F
from tensorgrad.utils.data import DataLoader

ROWS, HELD_OUT, EPOCHS, BATCH = 4000, 1000, 12, 64
LINES = {f"S{n}": n in (3, 5, 8) for n in range(1, 11)}  # whether it runs underground
WEATHER = {"sun": 0.0, "cloud": 0.2, "rain": 1.2, "snow": 3.0, "storm": 3.4}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def trip(chance):
    """One row: what is known of a trip, and whether the train was late."""
    line, weather, day = chance.choice(list(LINES)), chance.choice(list(WEATHER)), chance.choice(DAYS)
    hour, kilometres = chance.randrange(5, 24), round(chance.uniform(4, 60), 1)
    delay = 0.0 if LINES[line] else WEATHER[weather] * kilometres / 30
    if hour in (7, 8, 16, 17) and day not in ("Sat", "Sun"):
        delay += 2.5
    late = (delay > 1.6) != (chance.random() < 0.05)
    return [line, weather, day, hour, kilometres, chance.randrange(3, 9), "yes" if late else "no"]


def write_tables(folder, rows=ROWS, held_out=HELD_OUT, seed=0):
    """A table to learn from, and one of other trips."""
    chance = random.Random(seed)
    for name, count in (("known.csv", rows - held_out), ("other.csv", held_out)):
        with open(folder / name, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "weather", "day", "hour", "kilometres", "wagons", "late"])
            writer.writerows(trip(chance) for _ in range(count))


class Guess(nn.Module):
    """Whether a train is late, as a logit, of the numbers and words in rows of a table like the given one."""

    def __init__(self, table, width=4):
        super().__init__()
        self.register_buffer("mean", table.numbers.mean(0))
        self.register_buffer("deviation", table.numbers.std(0))
        # Place 0 is for words that the table does not have.
        self.points = nn.ModuleList(nn.Embedding(len(words) + 1, width) for words in table.words.values())
        for each in self.points:
            nn.init.normal_(each.weight, std=0.1)  # near to each other, until something tells them apart
        self.network = nn.Sequential(
            nn.Linear(width * len(self.points) + len(self.mean), 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
            nn.Linear(32, 1),
        )  # fmt: skip

    def forward(self, numbers, words):
        points = [each(column) for each, column in zip(self.points, words.unbind(1))]
        return self.network(tg.cat([*points, (numbers - self.mean) / self.deviation], 1)).squeeze(1)


@tg.no_grad()
def share_right(model, table):
    """Of the trips in a table, how many the model guesses right."""
    return ((model(table.numbers, table.categories) > 0) == table.target.bool()).float().mean().item()


def train(folder, words=("line", "weather", "day", "hour"), epochs=EPOCHS, seed=0):
    """The model, the table it learned from, and the shares of known and other rows that it guesses right."""
    tg.manual_seed(seed)
    numbers = ["kilometres", "wagons"]
    known = tg.datasets.csv(folder / "known.csv", target="late", categorical=words, numeric=numbers)
    other = tg.datasets.csv(folder / "other.csv", like=known)
    model = Guess(known)
    optimizer = tg.optim.AdamW(model.parameters(), lr=0.01)
    schedule = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    batches = DataLoader(known, BATCH, shuffle=True)
    for _ in range(epochs):
        for *row, late in batches:
            loss = F.binary_cross_entropy_with_logits(model(*row), late.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model, known, share_right(model, known), share_right(model, other)


def main():
    with tempfile.TemporaryDirectory() as name:
        write_tables(Path(name))
        model, table, known, other = train(Path(name))
        _, _, _, by_weather = train(Path(name), words=("weather",))
    print(f"of the trips that it learned from, {100 * known:.1f} % are guessed right")
    print(f"of {HELD_OUT} others {100 * other:.1f} %; by weather and numbers alone {100 * by_weather:.1f} %")
    weather = dict(zip(table.words["weather"], model.points[1].weight.detach()[1:]))
    print("\nhow far the weathers came to lie from the sun:")
    for word, point in weather.items():
        print(f"  {word:6} {(point - weather['sun']).norm():.1f}")


if __name__ == "__main__":
    main()
