"""The rows of single calls, at sizes that training has: forward, and forward with backward."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tensorgrad.core.declare import Draw, normal
from tensorgrad.testing.samples import draw

from .racing import Row, Work, there_and_back

# Of a library, the function that is called on tensors. The names say what a row does.
CALLS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "x + y": lambda lib: operator.add,
    "x * y": lambda lib: operator.mul,
    "x + row": lambda lib: operator.add,
    "exp": lambda lib: lib.exp,
    "tanh": lambda lib: lib.tanh,
    "sigmoid": lambda lib: lib.sigmoid,
    "relu": lambda lib: lib.relu,
    "gelu": lambda lib: lib.nn.functional.gelu,
    "reshape": lambda lib: lambda x: x.reshape(2, -1),
    "transposed copy": lambda lib: lambda x: x.t().contiguous(),
    "sum": lambda lib: lib.sum,
    "sum of columns": lambda lib: lambda x: x.sum(0),
    "var of rows": lambda lib: lambda x: x.var(1),
    "max of rows": lambda lib: lambda x: x.max(1).values,
    "cumsum of rows": lambda lib: lambda x: x.cumsum(1),
    "sort of rows": lambda lib: lambda x: x.sort(1).values,
    "softmax": lambda lib: lambda x: lib.softmax(x, -1),
    "layer_norm": lambda lib: lambda x, w, b: lib.nn.functional.layer_norm(x, w.shape, w, b),
    "batch_norm": lambda lib: lambda x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True),
    "cross_entropy": lambda lib: lib.nn.functional.cross_entropy,
    "mse_loss": lambda lib: lib.nn.functional.mse_loss,
    "embedding": lambda lib: lambda table, index: lib.nn.functional.embedding(index, table),
    "matmul": lambda lib: operator.matmul,
    "linear": lambda lib: lib.nn.functional.linear,
    "linear + relu": lambda lib: lambda x, w, b: lib.relu(lib.nn.functional.linear(x, w, b)),
    "attention": lambda lib: lib.nn.functional.scaled_dot_product_attention,
    "causal attention": lambda lib: partial(lib.nn.functional.scaled_dot_product_attention, is_causal=True),
    "conv2d": lambda lib: partial(lib.conv2d, padding=1),
    "depthwise conv2d": lambda lib: lambda x, w, b: lib.conv2d(x, w, b, padding=1, groups=x.shape[1]),
    "max_pool2d": lambda lib: lambda x: lib.nn.functional.max_pool2d(x, 2),
    "100 sigmoids": lambda lib: partial(hundred, lib.sigmoid),
}


def hundred(function: Callable[[Any], Any], x: Any) -> Any:
    for _ in range(100):
        x = function(x)
    return x


def called(name: str, draws: tuple[Draw, ...], backward: bool, lib: Any) -> Work:
    """A call on float32 tensors, which gives its result, and gradients behind it if it is to go back."""
    random = np.random.default_rng(0)
    tensors = [lib.tensor(draw(each, random, np.float32)) for each in draws]
    leaves = [t.requires_grad_(backward) for t, each in zip(tensors, draws) if each.kind == "float"]
    forward = partial(CALLS[name](lib), *tensors)
    return there_and_back(forward, leaves, lib) if backward else forward


def recurrent(kind: str, backward: bool, lib: Any) -> Work:
    """32 sequences of 32 steps of 64 numbers through 128 units."""
    layer = getattr(lib.nn, kind)(64, 128).requires_grad_(backward)
    x = lib.tensor(np.random.default_rng(0).standard_normal((32, 32, 64)).astype(np.float32))

    def forward() -> Any:
        return layer(x)[0]

    return there_and_back(forward, list(layer.parameters()), lib) if backward else forward


def integers(high: int, *shape: int) -> Draw:
    return Draw(shape, kind="int", low=0, high=high)


# name of the call, tensors, what the row's name adds, and which ways: f forward, b forward and backward
Spec = tuple[str, tuple[Draw, ...], str, str]

HEADS = (normal(4, 8, 128, 64),) * 3
IMAGES = (normal(64, 32, 14, 14), normal(64, 32, 3, 3), normal(64))
DEPTHWISE = (normal(8, 64, 32, 32), normal(64, 1, 3, 3), normal(64))
COUNTS = {"1,000": 1000, "10,000": 10_000, "100,000": 100_000, "1,000,000": 1_000_000}
TABLE = normal(256, 1024)

SPECS: dict[str, list[Spec]] = {
    "What a call costs": [
        ("x + y", (normal(4),) * 2, "of 4", "fb"),
        ("sigmoid", (normal(4),), "of 4", "fb"),
        ("reshape", (normal(4),), "of 4", "f"),
        ("mse_loss", (normal(4),) * 2, "of 4", "fb"),
        ("matmul", (normal(4, 2), normal(2, 2)), "4x2x2", "fb"),
        ("100 sigmoids", (normal(4),), "of 4", "b"),
    ],
    "Element by element": [
        *(("x + y", (normal(count),) * 2, f"of {label}", "f") for label, count in COUNTS.items()),
        *(("exp", (normal(count),), f"of {label}", "f") for label, count in COUNTS.items()),
        ("x * y", (normal(100_000),) * 2, "of 100,000", "b"),
        ("x + row", (TABLE, normal(1024)), "256x1024", "fb"),
        *((name, (TABLE,), "256x1024", "fb") for name in ("relu", "tanh", "sigmoid", "gelu")),
        ("transposed copy", (normal(1024, 1024),), "1024x1024", "f"),
    ],
    "Reductions, rows and losses": [
        ("sum", (normal(1_000_000),), "of 1,000,000", "f"),
        ("sum of columns", (normal(1024, 1024),), "1024x1024", "f"),
        ("var of rows", (TABLE,), "256x1024", "f"),
        ("max of rows", (TABLE,), "256x1024", "f"),
        ("cumsum of rows", (TABLE,), "256x1024", "f"),
        ("sort of rows", (TABLE,), "256x1024", "f"),
        ("softmax", (TABLE,), "256x1024", "fb"),
        ("layer_norm", (TABLE, normal(1024), normal(1024)), "256x1024", "fb"),
        ("cross_entropy", (normal(256, 1000), integers(1000, 256)), "256x1000", "fb"),
        ("mse_loss", (TABLE, TABLE), "256x1024", "fb"),
        ("embedding", (normal(5000, 128), integers(5000, 1024)), "1024 of 5000x128", "fb"),
    ],
    "Products": [
        *(("matmul", (normal(n, n),) * 2, f"{n}x{n}", "f") for n in (64, 128, 256, 512, 1024)),
        ("matmul", (normal(32, 64, 64),) * 2, "32 of 64x64", "fb"),
        ("linear", (normal(128, 784), normal(256, 784), normal(256)), "128x784-256", "fb"),
        ("linear + relu", (normal(128, 784), normal(256, 784), normal(256)), "128x784-256", "fb"),
    ],
    "Layers": [
        ("attention", HEADS, "4x8x128x64", "fb"),
        ("causal attention", HEADS, "4x8x128x64", "fb"),
        ("conv2d", IMAGES, "64x32x14x14-64", "fb"),
        ("depthwise conv2d", DEPTHWISE, "8x64x32x32", "fb"),
        ("max_pool2d", (normal(64, 32, 28, 28),), "64x32x28x28", "fb"),
        ("batch_norm", (normal(64, 32, 14, 14), normal(32), normal(32)), "64x32x14x14", "fb"),
    ],
}


def named(text: str, backward: bool) -> str:
    return f"{text}, back" if backward else text


def rows() -> list[Row]:
    """A row of each way of each call."""
    found = [
        Row(group, named(f"{name} {size}", way == "b"), partial(called, name, draws, way == "b"))
        for group, specs in SPECS.items()
        for name, draws, size, ways in specs
        for way in ways
    ]
    for kind in ("LSTM", "GRU"):
        for backward in (False, True):
            text = named(f"{kind} 64-128, 32 of 32", backward)
            found.append(Row("Layers", text, partial(recurrent, kind, backward)))
    return found
