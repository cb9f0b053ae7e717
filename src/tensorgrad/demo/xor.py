"""Learns XOR, the smallest task that a network without a hidden layer cannot learn."""

from __future__ import annotations

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F

from .progress import Progress


def network(hidden: int) -> nn.Sequential:
    """Two inputs, `hidden` sigmoid units, one output between 0 and 1."""
    return nn.Sequential(nn.Linear(2, hidden), nn.Sigmoid(), nn.Linear(hidden, 1), nn.Sigmoid())


def train(hidden: int, steps: int, seed: int, quiet: bool = False) -> tuple[nn.Sequential, float]:
    """A trained network and its last loss."""
    progress = Progress(steps, "step")
    x, y = table()
    tg.manual_seed(seed)
    model = network(hidden)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)
    for step in range(1, steps + 1):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not quiet:
            progress.show(step, f"loss {loss.item():.5f}")
    return model, loss.item()


def table() -> tuple[tg.Tensor, tg.Tensor]:
    """The four inputs and their XOR."""
    x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return x, tg.tensor([[0.0], [1.0], [1.0], [0.0]])


def learned(model: nn.Module) -> bool:
    """Whether every prediction is on the right side of 0.5."""
    x, y = table()
    return bool(((model(x) > 0.5) == (y > 0.5)).all())


def run(hidden: int, steps: int, seed: int) -> None:
    """The whole demo: train, print each prediction, say whether it worked."""
    print(f"XOR with a 2-{hidden}-1 network, {steps:,} steps of Adam.")
    model, _ = train(hidden, steps, seed)
    x, y = table()
    print("\n  input   prediction   wanted")
    for (a, b), (prediction,), (wanted,) in zip(x.tolist(), model(x).tolist(), y.tolist()):
        print(f"  {a:.0f}  {b:.0f}    {prediction:8.4f}      {wanted:.0f}")
    if learned(model):
        print("\nEvery prediction is on the right side of 0.5: XOR is learned.")
    else:
        print("\nNot learned: the training came to rest in a flat place, as small networks often do.")
        print("Another --seed, more --steps or a larger --hidden can help.")
