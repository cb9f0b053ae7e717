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


def write_table(path, rows=ROWS, seed=0):
    chance = random.Random(seed)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "weather", "day", "hour", "kilometres", "wagons", "late"])
        writer.writerows(trip(chance) for _ in range(rows))


def read_table(path, words, numbers, answer):
    """The columns of words as lists, those of numbers as a matrix, and the answers as 0 and 1."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [[row[name] for row in rows] for name in words]
    matrix = tg.tensor([[float(row[name]) for name in numbers] for row in rows])
    return columns, matrix, tg.tensor([float(row[answer] == "yes") for row in rows])


class Reader:
    """What the training rows say of the columns: which words there are, and how numbers are spread."""

    def __init__(self, columns, matrix):
        self.places = [{word: n for n, word in enumerate(sorted(set(column)), 1)} for column in columns]
        self.mean, self.deviation = matrix.mean(0), matrix.std(0)

    def __call__(self, columns, matrix):
        """Each word's place in its column, 0 for one that training did not have, and the numbers scaled."""
        found = [[places.get(word, 0) for word in column] for places, column in zip(self.places, columns)]
        return tg.tensor(found).t(), (matrix - self.mean) / self.deviation


class Guess(nn.Module):
    def __init__(self, places, numbers, width=4):
        super().__init__()
        self.points = nn.ModuleList(nn.Embedding(len(each) + 1, width) for each in places)
        for each in self.points:
            nn.init.normal_(each.weight, std=0.1)  # near to each other, until something tells them apart
        self.network = nn.Sequential(
            nn.Linear(width * len(places) + numbers, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
            nn.Linear(32, 1),
        )  # fmt: skip

    def forward(self, words, numbers):
        points = [each(column) for each, column in zip(self.points, words.unbind(1))]
        return self.network(tg.cat([*points, numbers], 1)).squeeze(1)


@tg.no_grad()
def share_right(model, words, numbers, late):
    """Of the trips, how many the model guesses right."""
    return ((model(words, numbers) > 0) == (late > 0.5)).float().mean().item()


def train(path, words=("line", "weather", "day", "hour"), epochs=EPOCHS, seed=0):
    """The model, what reads rows for it, and the shares of known and of held-out rows that it guesses right.
    """
    tg.manual_seed(seed)
    columns, matrix, late = read_table(path, words, ("kilometres", "wagons"), "late")
    split = len(late) - HELD_OUT
    read = Reader([column[:split] for column in columns], matrix[:split])
    known = (*read([column[:split] for column in columns], matrix[:split]), late[:split])
    other = (*read([column[split:] for column in columns], matrix[split:]), late[split:])
    model = Guess(read.places, matrix.shape[1])
    optimizer = tg.optim.AdamW(model.parameters(), lr=0.01)
    schedule = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in tg.randperm(split).split(BATCH):
            rows = [each[batch] for each in known]
            loss = F.binary_cross_entropy_with_logits(model(*rows[:2]), rows[2])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model, read, share_right(model, *known), share_right(model, *other)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trains.csv"
        write_table(path)
        model, read, known, other = train(path)
        _, _, _, by_weather = train(path, words=("weather",))
    print(f"of the trips that it learned from, {100 * known:.1f} % are guessed right")
    print(f"of {HELD_OUT} others {100 * other:.1f} %; by weather and numbers alone {100 * by_weather:.1f} %")
    weather = model.points[1].weight.detach()
    print("\nhow far the weathers came to lie from the sun:")
    for word, place in read.places[1].items():
        print(f"  {word:6} {(weather[place] - weather[read.places[1]['sun']]).norm():.1f}")


if __name__ == "__main__":
    main()
