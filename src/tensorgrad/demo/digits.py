"""Reads handwritten digits: one hidden layer, trained on 1,438 images, tested on 359 others."""

from __future__ import annotations

import time

import numpy as np

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F

from ..datasets import digits
from .progress import Progress

HELD_OUT = 359
BATCH = 64
SHADES = " .:-=+*#@"


def network() -> nn.Sequential:
    """64 pixels in, 128 hidden units, ten scores out: the largest one is the digit read."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def pixels_and_labels() -> tuple[tg.Tensor, tg.Tensor]:
    """All images as rows of 64 numbers from 0 to 1, and what they show."""
    images, labels = digits()
    return images.reshape(-1, 64).to(tg.float32) / 16, labels


def random_split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training and for the test, at random but always the same: every writer is in both."""
    order = np.random.default_rng(0).permutation(count)
    return order[HELD_OUT:], order[:HELD_OUT]


def train(x: tg.Tensor, y: tg.Tensor, epochs: int, seed: int, quiet: bool = False) -> nn.Sequential:
    """A network that was shown `x` and `y` `epochs` times, in a new order each time."""
    progress = Progress(epochs, "epoch")
    tg.manual_seed(seed)
    model = network()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    scheduler = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(1, epochs + 1):
        loss_sum, right = 0.0, 0
        for batch in tg.randperm(len(x)).split(BATCH):
            scores, wanted = model(x[batch]), y[batch]
            loss = F.cross_entropy(scores, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(batch)
            right += int((scores.argmax(1) == wanted).sum())
        scheduler.step()
        if not quiet:
            progress.show(epoch, f"loss {loss_sum / len(x):.4f}  accuracy {100 * right / len(x):5.1f} %")
    return model


def read(model: nn.Module, x: tg.Tensor) -> tg.Tensor:
    """The digit that the model sees in each row of `x`."""
    with tg.no_grad():
        return model(x).argmax(1)


def score(model: nn.Module, x: tg.Tensor, y: tg.Tensor) -> str:
    """How much of `x` the model reads right, as text."""
    right = int((read(model, x) == y).sum())
    return f"{100 * right / len(y):.2f} % ({right} of {len(y)})"


def picture(images: list[np.ndarray]) -> str:
    """Images with pixels from 0 to 1 as text, side by side, two characters a pixel."""
    rows = []
    for lines in zip(*images):
        rows.append("   ".join("".join(SHADES[round(8 * pixel)] * 2 for pixel in line) for line in lines))
    return "\n".join(row.rstrip() for row in rows)


def run(epochs: int, seed: int, path: str) -> None:
    """The whole demo: train, save, test, test on unseen writers, show what was misread."""
    x, y = pixels_and_labels()
    learn, test = random_split(len(x))
    weights = sum(p.numel() for p in network().parameters())
    print(f"Handwritten digits: {len(learn):,} images of 8x8 pixels train {weights:,} weights (64-128-10).")
    start = time.perf_counter()
    model = train(x[learn], y[learn], epochs, seed)
    seconds = time.perf_counter() - start
    tg.save(model.state_dict(), path)
    print(f"Trained in {seconds:.1f} s.", end=" ")
    print(f"Test on {HELD_OUT} other images, drawn at random: {score(model, x[test], y[test])}.\n")

    seen = len(x) - HELD_OUT
    print(f"Once more, on the first {seen:,} rows of the file, for a test on the last {HELD_OUT}:")
    strict = train(x[:seen], y[:seen], epochs, seed)
    print(f"Test on the last {HELD_OUT} rows: {score(strict, x[seen:], y[seen:])}.")
    print("This is lower because the file goes writer by writer: its last rows are by people of")
    print("whom the training saw nothing, while a random draw puts every hand on both sides.")
    print("Digits written by a stranger are the harder test.\n")

    answers = read(model, x[test])
    wrong = (answers != y[test]).numpy().nonzero()[0][:4].tolist()
    if wrong:
        print("Misread in the first test: " + ", ".join(f"{y[test][i]} as {answers[i]}" for i in wrong))
        print(picture([x[test][i].reshape(8, 8).numpy() for i in wrong]) + "\n")
    print(f"The first network is saved in {path}. Load it and score it again:")
    print(f"  python -m tensorgrad score digits {path}")


def score_file(path: str) -> None:
    """Loads a saved network and repeats the first test."""
    model = network()
    state = tg.load(path)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{path} does not hold the 64-128-10 network that demo digits saves") from error
    x, y = pixels_and_labels()
    _, test = random_split(len(x))
    print(f"{path} reads {score(model, x[test], y[test])} of the test images right.")
