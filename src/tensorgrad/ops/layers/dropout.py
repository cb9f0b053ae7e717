"""Dropout: parts of an input forgotten at random. The masks are those that torch draws, bit for bit."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, float64
from tensorgrad.core.declare import case, composite, normal, primitive, truths
from tensorgrad.ops._kinds import as_tensor, want_tensors
from tensorgrad.ops.making.randomness import default_generator
from tensorgrad.ops.shapes import shaping

F_ = "tensorgrad.nn.functional"
SELU_LIMIT = 1.7580993408473766  # minus the value that SELU tends to: its scale times its alpha


def _samples():
    """Calls that draw nothing, so that they can be repeated."""
    return [
        case(normal(3, 4, 2, 2), 0.5, False, name="off"),
        case(normal(3, 4, 2, 2), 0.0, True, name="none"),
        case(normal(3, 4, 2, 2), 1.0, True, name="all"),
    ]


@primitive(
    vjp=dict(input=lambda g, kept, scale: _dropout(g, kept, scale)),
    nograd=("kept",),
    at=(),
    grad_name="MulBackward0",
    samples=lambda: [
        case(normal(3, 4), truths(3, 4), 2.0, name="plain"),
        case(normal(3, 4, 2), truths(3, 4, 1), 2.0, name="channels"),
    ],
    elementwise=True,
)
def _dropout(input, kept, scale):
    """``input`` times ``scale`` where it is kept, times 0 elsewhere."""
    return np.multiply(input, kept.astype(input.dtype) * input.dtype.type(scale))


def _drawn(input: Tensor, p: float, channels: bool) -> np.ndarray:
    """Ones, each with probability 1 - ``p``, and zeros, to be multiplied with ``input`` or its channels.

    They are drawn in the order of memory in which a copy of the input would lie.
    """
    array, kind = _core._memory_of(input), input.dtype.array_dtype
    if channels:
        mask = np.empty(array.shape[:2] + (1,) * (array.ndim - 2), kind)
        default_generator.fill_bernoulli(mask, 1 - p)
        return mask
    strides = _core._empty_as(input, input.dtype.code).stride()
    order = sorted(range(array.ndim), key=lambda d: -strides[d])
    mask = np.empty([array.shape[d] for d in order], kind)
    default_generator.fill_bernoulli(mask, 1 - p)
    return mask.transpose(np.argsort(order)) if mask.ndim > 1 else mask


def _times(input: Tensor, factor: Any, inplace: bool) -> Tensor:
    return input.mul_(factor) if inplace else input * factor


def _check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _dropped(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, *, channels: bool, alpha: bool
) -> Tensor:
    want_tensors(name, input=input)
    _check_probability(p)
    if p == 0 or not training or not input.numel():
        return input
    if p == 1:
        return _times(input, as_tensor(0, input.dtype), inplace)
    if not input.is_floating_point():
        raise RuntimeError(f"{name}: result type Float can't be cast to the input's type {input.dtype.name}")
    if channels and input.ndim < 2:
        raise RuntimeError(
            f"{name}: Feature dropout requires at least 2 dimensions in the input, got {input.ndim}"
        )
    mask = _drawn(input, p, channels)
    # A setting as arithmetic sees it, where narrow floats are computed in float32, and as it is stored.
    seen: Any = (np.float64 if input.dtype is float64 else np.float32)
    held = lambda value: seen(_core._number_tensor(float(value), input.dtype, False).item())
    if not alpha:
        scale = held(seen(1) / seen(1 - p))
        if not inplace:
            return _dropout(input, _core.from_numpy(mask.astype(bool)), float(scale))
        return _times(input, _core._tensor_of(mask * mask.dtype.type(scale), input.dtype), inplace)
    a = 1 / math.sqrt((SELU_LIMIT * SELU_LIMIT * p + 1) * (1 - p))
    high = held(seen(SELU_LIMIT * a * p))
    low = held(held(-seen(SELU_LIMIT * a)) + seen(SELU_LIMIT * a * p))
    shift = _core._tensor_of(np.where(mask != 0, high, low), input.dtype)
    factor = _core._tensor_of(mask * mask.dtype.type(held(seen(a))), input.dtype)
    scaled = _times(input, factor, inplace)
    return scaled.add_(shift) if inplace else scaled + shift


@composite(at=F_, samples=_samples)
def dropout(input, p=0.5, training=True, inplace=False):
    """In training each element is 0 with probability ``p``, and the others are divided by 1 - ``p``.

    Without ``training`` the input itself. Raises ValueError for a ``p`` that is no probability.

    >>> F.dropout(tg.ones(4), training=False)
    tensor([1., 1., 1., 1.])
    """
    return _dropped("dropout", input, p, training, inplace, channels=False, alpha=False)


@composite(at=F_, samples=_samples)
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout to the value that SELU tends to, scaled and shifted to keep mean and variance.

    See Klambauer and others, Self-Normalizing Neural Networks, 2017.

    >>> F.alpha_dropout(tg.ones(2))
    tensor([1., 1.])
    """
    return _dropped("alpha_dropout", input, p, training, inplace, channels=False, alpha=True)


@composite(at=F_, samples=_samples)
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """``alpha_dropout`` of whole channels, which are dimension 1.

    >>> F.feature_alpha_dropout(tg.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    return _dropped("feature_alpha_dropout", input, p, training, inplace, channels=True, alpha=True)


def _of_channels(
    name: str, input: Tensor, p: float, training: bool, inplace: bool, unbatched: bool
) -> Tensor:
    if not unbatched:
        return _dropped(name, input, p, training, inplace, channels=True, alpha=False)
    made = _dropped(name, shaping.unsqueeze(input, 0), p, training, inplace, channels=True, alpha=False)
    return input if inplace else shaping.squeeze(made, 0)


def _unusual(name: str, ndim: int, usual: str) -> None:
    warnings.warn(
        f"{name}: received a {ndim}-D input, which is deprecated; {name} drops whole channels of {usual}. To "
        "drop single elements use dropout.",
        stacklevel=3,
    )


@composite(
    at=F_,
    samples=lambda: [
        case(normal(3, 4, 2), 0.5, False, name="off"),
        case(normal(4, 2), 1.0, True, name="unbatched"),
    ],
)
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of an input (N, C, L) or (C, L).

    >>> F.dropout1d(tg.ones(1, 2, 1), training=False).shape
    tensorgrad.Size([1, 2, 1])
    """
    want_tensors("dropout1d", input=input)
    _check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: it drops whole "
            "channels of (N, C, L) or (C, L)"
        )
    return _of_channels("dropout1d", input, p, training, inplace, input.ndim == 2)


@composite(at=F_, samples=_samples)
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of an input (N, C, H, W); a 3-D input is taken as (N, C, L).

    >>> F.dropout2d(tg.ones(1, 2, 1, 1), training=False).shape
    tensorgrad.Size([1, 2, 1, 1])
    """
    want_tensors("dropout2d", input=input)
    _check_probability(p)
    if input.ndim not in (3, 4):
        _unusual("dropout2d", input.ndim, "(N, C, H, W)")
    elif input.ndim == 3:
        warnings.warn(
            "dropout2d: received a 3-D input, which is interpreted as (N, C, L), with the channels in "
            "dimension 1. For (C, H, W) add a batch dimension; for (N, C, L) dropout1d says it plainly.",
            stacklevel=2,
        )
    return _of_channels("dropout2d", input, p, training, inplace, False)


@composite(
    at=F_,
    samples=lambda: [
        case(normal(3, 4, 2, 2, 2), 0.5, False, name="off"),
        case(normal(4, 2, 2, 2), 1.0, True, name="unbatched"),
    ],
)
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of an input (N, C, D, H, W) or (C, D, H, W).

    >>> F.dropout3d(tg.ones(2, 1, 1, 1), training=False).shape
    tensorgrad.Size([2, 1, 1, 1])
    """
    want_tensors("dropout3d", input=input)
    _check_probability(p)
    if input.ndim not in (4, 5):
        _unusual("dropout3d", input.ndim, "(N, C, D, H, W) or (C, D, H, W)")
    return _of_channels("dropout3d", input, p, training, inplace, input.ndim != 5)
