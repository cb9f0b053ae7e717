"""XOR by hand: the smallest network worth training, once as a plain NumPy loop and once on the tape.

Two inputs, two hidden units, one output, sigmoids, no biases. The loop is what a beginner writes, with the
chain rule worked out by hand; the tape is given only the forward pass and a loss. Both make the same 10,000
steps.
"""

from functools import cache
from itertools import islice
from typing import NamedTuple

import numpy as np

import tensorgrad as tg

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
EPOCHS = 10_000
RATE = 0.5


class Epoch(NamedTuple):
    """All that one epoch sees and computes, as arrays, before it changes the weights."""

    w1: np.ndarray
    w2: np.ndarray
    hidden: np.ndarray
    output: np.ndarray
    d_output: np.ndarray  # error term of the output layer
    d_hidden: np.ndarray  # error term of the hidden layer
    update1: np.ndarray  # what is added to w1
    update2: np.ndarray


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def start(seed=42):
    """The first weights: 2x2 into the hidden layer, 2x1 out of it."""
    np.random.seed(seed)
    return np.random.randn(2, 2), np.random.randn(2, 1)


def by_hand(w1, w2):
    """Trains for ever with the gradient worked out on paper, and yields each epoch."""
    while True:
        hidden = sigmoid(X @ w1)
        output = sigmoid(hidden @ w2)
        error = Y - output
        d_output = error * output * (1 - output)
        d_hidden = d_output @ w2.T * hidden * (1 - hidden)
        update1, update2 = RATE * X.T @ d_hidden, RATE * hidden.T @ d_output
        yield Epoch(w1, w2, hidden, output, d_output, d_hidden, update1, update2)
        w1, w2 = w1 + update1, w2 + update2


def on_tape(w1, w2):
    """The same without any derivative: half the squared error has the gradient `-(Y - output)`.

    The error terms are what the tape finds for the inputs of the two sigmoids, with the other sign: the loop
    adds what lowers the error, a gradient points to where it grows.
    """
    x, y = tg.tensor(X), tg.tensor(Y)
    w1, w2 = tg.tensor(w1, requires_grad=True), tg.tensor(w2, requires_grad=True)
    optimizer = tg.optim.SGD([w1, w2], lr=RATE)
    while True:
        into_hidden = x @ w1
        hidden = into_hidden.sigmoid()
        into_output = hidden @ w2
        output = into_output.sigmoid()
        into_hidden.retain_grad()
        into_output.retain_grad()
        loss = ((y - output) ** 2).sum() / 2
        optimizer.zero_grad()
        loss.backward()
        terms = [-into_output.grad, -into_hidden.grad, -RATE * w1.grad, -RATE * w2.grad]
        yield Epoch(*(tensor.detach().numpy().copy() for tensor in [w1, w2, hidden, output, *terms]))
        optimizer.step()


@cache
def largest_difference(epochs=EPOCHS):
    """Over all epochs and all that they compute: how far the tape ever is from the loop."""
    pairs = zip(islice(by_hand(*start()), epochs + 1), on_tape(*start()))
    return max(abs(ours - theirs).max() for pair in pairs for ours, theirs in zip(*pair))


def last(epochs=EPOCHS, seed=42):
    """The loop's epoch after `epochs` updates."""
    return next(islice(by_hand(*start(seed)), epochs, None))


def best_shared_sum():
    """The sum s of the two output weights that serves three rows best, found by trying a million values.
    (0, 0) has hidden (.5, .5), so its output is sigmoid(s / 2), always. Here both hidden units come to be
    fully on for (0, 1) and for (1, 1), which makes both outputs sigmoid(s). Three answers hang on one
    number.
    """
    s = np.linspace(-5, 5, 1_000_001)
    error = sigmoid(s / 2) ** 2 + (1 - sigmoid(s)) ** 2 + sigmoid(s) ** 2
    return s[error.argmin()]


def with_biases(epochs=EPOCHS, seed=42):
    """Outputs of the same network with biases, drawn layer by layer, trained on the tape."""
    np.random.seed(seed)
    shapes = (2, 2), (2,), (2, 1), (1,)
    parameters = [tg.tensor(np.random.randn(*shape), requires_grad=True) for shape in shapes]
    w1, b1, w2, b2 = parameters
    x, y = tg.tensor(X), tg.tensor(Y)
    optimizer = tg.optim.SGD(parameters, lr=RATE)
    for _ in range(epochs):
        output = ((x @ w1 + b1).sigmoid() @ w2 + b2).sigmoid()
        loss = ((y - output) ** 2).sum() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ((x @ w1 + b1).sigmoid() @ w2 + b2).sigmoid().detach().numpy()


def is_xor(output):
    return bool(((output > 0.5) == (Y > 0.5)).all())


@cache
def how_many_learn(seeds=range(42, 52)):
    """How many of the seeds come to XOR without biases, and with them."""
    without = sum(is_xor(last(seed=seed).output) for seed in seeds)
    return without, sum(is_xor(with_biases(seed=seed)) for seed in seeds)


def main():
    first = next(on_tape(*start()))
    print("Epoch 0, read off the tape:")
    for name in "output", "d_output", "d_hidden", "update1", "update2":
        print(f"  {name:<9}", np.array2string(getattr(first, name), precision=5, prefix=" " * 12))
    print(f"\nOver {EPOCHS:,} epochs tape and loop never differ by more than {largest_difference():.1e}.\n")

    end = last()
    print("  input   hidden         output   wanted")
    for (a, b), hidden, output, wanted in zip(X, end.hidden, end.output, Y):
        print(f"  {a:.0f}  {b:.0f}    {hidden[0]:.3f}  {hidden[1]:.3f}   {output[0]:.4f}   {wanted[0]:.0f}")
    s = best_shared_sum()
    print("\nThis is not XOR. Without biases (0, 0) has hidden (.5, .5), whatever the weights, so its")
    print("output depends only on the sum s of the two output weights. Here (0, 1) and (1, 1), where both")
    print("hidden units are fully on, have come to depend on it alone, too. Three answers, one number:")
    print(f"s = {s:.3f} serves them best, with outputs of {sigmoid(s / 2):.3f}, {sigmoid(s):.3f},", end=" ")
    print(f"{sigmoid(s):.3f}. This network has s = {end.w2.sum():.3f}.")

    print("\nWith biases, drawn layer by layer from the same seed:", with_biases().ravel().round(3))
    without, mended = how_many_learn()
    print(f"Of the seeds 42 to 51, {without} learn XOR without biases and {mended} with them.")


if __name__ == "__main__":
    main()
