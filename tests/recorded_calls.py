"""Calls of functional's functions on images, with what PyTorch answered (tests/fixtures/make_images.py)."""

import json
from pathlib import Path

import numpy as np

import tensorgrad as tg
import tensorgrad.nn.functional as F

FIXTURES = Path(__file__).parent / "fixtures"


def recorded(name):
    """Each call (function, shape, args, kwargs) with the arrays that it gives, the input's gradient last."""
    with np.load(FIXTURES / f"{name}.npz") as file:
        calls, numbers = json.loads(str(file["calls"])), file["numbers"]
    found, at = [], 0
    for *call, shapes in calls:
        arrays = []
        for shape in shapes:
            count = int(np.prod(shape))
            arrays.append(numbers[at : at + count].reshape(shape))
            at += count
        found.append((call, arrays))
    assert at == len(numbers)
    return found


def titles(calls):
    return [f"{name}-{args}-{kwargs}".replace(" ", "") for (name, _, args, kwargs), _ in calls]


def fractions(shape):
    """The numbers that every recorded call got: on both sides of 0, some of them equal."""
    count = int(np.prod(shape))
    return (np.arange(count) * 37 % 23 / 8 - 1.25).reshape(shape)


def floats(*shape, seed=0):
    """A float64 tensor on both sides of 0."""
    return tg.tensor(np.random.default_rng(seed).standard_normal(shape))


def hold(call, expected, dtype):
    """Holds a call, and the gradient of 1, 2, 3, ..., to what was recorded."""
    name, shape, args, kwargs = call
    x = tg.tensor(fractions(shape), dtype=dtype, requires_grad=True)
    tg.manual_seed(5)
    result = getattr(F, name)(x, *args, **kwargs)
    values = result if isinstance(result, tuple) else (result,)
    weight = np.arange(1, values[0].numel() + 1).reshape(values[0].shape)
    (values[0] * tg.tensor(weight, dtype=dtype)).sum().backward()
    assert len(values) + 1 == len(expected)
    for found, wanted in zip((*values, x.grad), expected, strict=True):
        scale = np.abs(wanted).max(initial=1e-3)
        np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-5, atol=2e-6 * scale)
