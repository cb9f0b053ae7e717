"""A small GPT on the text that letters.py reads: no memory, but a look at all letters before.

Each block asks, at every place, which earlier letters matter (attention, causal: nothing of what is to be
guessed is seen), and then works on what it found. Loss is in bits a letter.
"""

import math

import letters
import tensorgrad as tg
from tensorgrad import nn

WIDTH, HEADS, BLOCKS, LENGTH, BATCH, STEPS = 64, 4, 2, 48, 24, 200


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_looking, self.before_thinking = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.look = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.think = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        y = self.before_looking(x)
        unseen = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        x = x + self.look(y, y, y, attn_mask=unseen, is_causal=True, need_weights=False)[0]
        return x + self.think(self.before_thinking(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(len(letters.LETTERS), WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)), nn.LayerNorm(WIDTH))
        self.guess = nn.Linear(WIDTH, len(letters.LETTERS))

    def forward(self, text):
        x = self.letters(text) + self.places(tg.arange(text.shape[1]))
        return self.guess(self.blocks(x))


def train(steps=STEPS, seed=0):
    """The model, and the loss of each step in bits a letter."""
    tg.manual_seed(seed)
    model = GPT()
    optimizer = tg.optim.AdamW(model.parameters(), lr=0.003)
    text = letters.numbers(letters.TEXT)
    losses = []
    for _ in range(steps):
        piece = letters.pieces(text, BATCH, LENGTH)
        guess = model(piece[:, :-1])
        loss = nn.functional.cross_entropy(guess.flatten(0, 1), piece[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / math.log(2))
    return model, losses


@tg.no_grad()
def write(model, start="The ", length=120):
    """A text that begins so, each further letter drawn by the model from the last that it can see."""
    text = start
    for _ in range(length):
        guess = model(letters.numbers(text[-LENGTH:])[None])
        share = (guess[0, -1] / 0.7).softmax(0)
        text += letters.LETTERS[tg.multinomial(share, 1).item()]
    return text


def main():
    model, losses = train()
    for step in range(0, STEPS, 50):
        print(f"step {step:3}  {sum(losses[step : step + 10]) / 10:.2f} bits a letter")
    print(f"at the end {sum(losses[-10:]) / 10:.2f}\n")
    print(" ".join(write(model).split())[:100])


if __name__ == "__main__":
    main()
