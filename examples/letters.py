"""A model that writes letter by letter: an LSTM that reads Python's own help texts and guesses the next one.

Loss is in bits a letter. Guessing by how often each letter comes costs about 4.8; a model that has read a
small part of the text needs less than 3, and writes words that look like the help, and mean nothing.
"""

import textwrap
from pydoc_data.topics import topics

import tensorgrad as tg
from tensorgrad import nn

TEXT = "".join(topics[name] for name in sorted(topics))
LETTERS = sorted(set(TEXT))
BATCH, LENGTH, STEPS = 32, 50, 200


class Writer(nn.Module):
    def __init__(self, units=96):
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), 32)
        self.memory = nn.LSTM(32, units, batch_first=True)
        self.guess = nn.Linear(units, len(LETTERS))

    def forward(self, text, state=None):
        output, state = self.memory(self.letters(text), state)
        return self.guess(output), state


def numbers(text):
    place = {letter: k for k, letter in enumerate(LETTERS)}
    return tg.tensor([place[letter] for letter in text])


def pieces(text, count, length):
    """So many pieces of the text, each of so many letters and the one behind them, from anywhere."""
    return text[tg.randint(0, len(text) - length, (count, 1)) + tg.arange(length + 1)]


def train(steps=STEPS, seed=0):
    """The model, and the loss of each step in bits a letter."""
    tg.manual_seed(seed)
    model = Writer()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    text = numbers(TEXT)
    losses = []
    for _ in range(steps):
        piece = pieces(text, BATCH, LENGTH)
        guess, _ = model(piece[:, :-1])
        loss = nn.functional.cross_entropy(guess.flatten(0, 1), piece[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item() / 0.6931471805599453)
    return model, losses


@tg.no_grad()
def write(model, start="The ", length=300):
    """A text that begins so, each further letter drawn by the model; the state stands for all before it."""
    text = start
    guess, state = model(numbers(text)[None])
    for _ in range(length):
        share = (guess[0, -1] / 0.7).softmax(0)
        letter = LETTERS[tg.multinomial(share, 1).item()]
        text += letter
        guess, state = model(numbers(letter)[None], state)
    return text


def main():
    model, losses = train()
    for step in range(0, STEPS, 50):
        print(f"step {step:3}  {sum(losses[step : step + 10]) / 10:.2f} bits a letter")
    print(f"at the end {sum(losses[-10:]) / 10:.2f}\n")
    for line in write(model).splitlines():
        print(textwrap.fill(line, 80))


if __name__ == "__main__":
    main()
