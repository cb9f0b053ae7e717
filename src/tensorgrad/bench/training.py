"""The rows of training steps: gradients to zero, forward, loss, backward, and the optimizer's step."""

from __future__ import annotations

from typing import Any

import numpy as np

from .racing import Row, Work

GROUP = "Training steps"


def step_of(lib: Any, model: Any, optimizer: Any, x: Any, y: Any, loss: str = "cross_entropy") -> Work:
    """A step, which gives its loss."""
    measured = getattr(lib.nn.functional, loss)

    def step() -> Any:
        optimizer.zero_grad()
        found = measured(model(x), y)
        found.backward()
        optimizer.step()
        return found

    return step


def xor(lib: Any) -> Work:
    """The four rows of XOR."""
    nn = lib.nn
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid())
    x = lib.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = lib.tensor([[0.0], [1.0], [1.0], [0.0]])
    return step_of(lib, model, lib.optim.SGD(model.parameters(), lr=0.5), x, y, "mse_loss")


def mlp(lib: Any, sizes: tuple[int, ...] = (784, 1024, 256)) -> Work:
    """Inputs, two hidden layers of a width, 10 outputs; batches of a size; Adam."""
    nn, rng = lib.nn, np.random.default_rng(0)
    inputs, hidden, batch = sizes
    layers = [
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    ]
    model = nn.Sequential(*layers)
    x = lib.tensor(rng.standard_normal((batch, inputs)).astype("float32"))
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    return step_of(lib, model, optimizer, x, lib.tensor(rng.integers(0, 10, batch)))


def conv_net(lib: Any) -> Work:
    """Two convolutions with batch norm and pools, on 32 images of 28x28, SGD with momentum."""
    nn, rng = lib.nn, np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip
    x = lib.tensor(rng.standard_normal((32, 1, 28, 28)).astype("float32"))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return step_of(lib, model, optimizer, x, lib.tensor(rng.integers(0, 10, 32)))


def lstm(lib: Any) -> Work:
    """An LSTM of 128 units reads 32 sequences of 28 times 28 numbers, Adam."""
    nn, rng = lib.nn, np.random.default_rng(0)
    Module: Any = nn.Module

    class Reader(Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(28, 128, batch_first=True), nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    model = Reader()
    x = lib.tensor(rng.standard_normal((32, 28, 28)).astype("float32"))
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    return step_of(lib, model, optimizer, x, lib.tensor(rng.integers(0, 10, 32)))


def gpt(lib: Any, sizes: tuple[int, ...] = (2, 128, 4, 65, 8, 32)) -> Work:
    """Blocks of a width with heads over an alphabet, batches of texts of a length, AdamW."""
    nn, functional, rng = lib.nn, lib.nn.functional, np.random.default_rng(0)
    blocks, width, heads, letters, batch, length = sizes
    Module: Any = nn.Module

    class Block(Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.mixed, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            parts = self.mixed(self.before(x)).split(width, 2)
            q, k, v = (z.view(batch, length, heads, width // heads).transpose(1, 2) for z in parts)
            seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.joined(seen.transpose(1, 2).reshape(batch, length, width))
            return x + self.narrow(functional.gelu(self.wide(self.between(x))))

    class Gpt(Module):
        def __init__(self) -> None:
            super().__init__()
            self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(length, width)
            self.blocks = nn.ModuleList([Block() for _ in range(blocks)])
            self.last, self.head = nn.LayerNorm(width), nn.Linear(width, letters, bias=False)

        def forward(self, text: Any) -> Any:
            x = self.letter(text) + self.place(lib.arange(length))
            for block in self.blocks:
                x = block(x)
            return self.head(self.last(x)).flatten(0, 1)

    model = Gpt()
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    text, following = rng.integers(0, letters, (batch, length)), rng.integers(0, letters, batch * length)
    return step_of(lib, model, optimizer, lib.tensor(text), lib.tensor(following))


def rows() -> list[Row]:
    """A row of each network; three steps are compared."""
    return [
        Row(GROUP, "XOR 2-2-1, 4 rows, SGD", xor, 3),
        Row(GROUP, "MLP 784-1024-1024-10, 256 rows, Adam", mlp, 3),
        Row(GROUP, "conv net 1-16-32, 32 of 28x28, SGD", conv_net, 3),
        Row(GROUP, "LSTM 28-128, 32 of 28 steps, Adam", lstm, 3),
        Row(GROUP, "GPT 2x128, 8 texts of 32, AdamW", gpt, 3),
    ]
