"""Padding: more (or, by negative sizes, fewer) elements at the ends of the last dimensions."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import _core
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops._kinds import stored
from tensorgrad.ops._tools import is_sequence
from tensorgrad.ops.indices import indexing

F_ = "tensorgrad.nn.functional"


def _sequence(pad) -> tuple:
    if not is_sequence(pad):
        raise TypeError(f"pad(): argument 'pad' must be tuple of ints, not {type(pad).__name__}")
    return tuple(pad)


def _sides(pad, ndim: int) -> list[tuple[int, int]]:
    """(before, after) of every dimension; ``pad`` names them from the last dimension backwards."""
    sides = [(0, 0)] * ndim
    for i in range(len(pad) // 2):
        sides[ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    return sides


@primitive(
    vjp=dict(input=lambda g, pad: _pad_constant(g, tuple([-n for n in pad]), 0.0)),
    at=(),
    grad_name="ConstantPadNdBackward0",
    samples=lambda: [case(normal(2, 3), (1, -1, 0, 2), 1.5, name="plain")],
)
def _pad_constant(input, pad, value):
    """``constant_pad_nd`` after its checks."""
    sides = _sides(pad, input.ndim)
    inner = input[
        tuple(
            [
                slice(max(0, -low), n - max(0, -high))
                for n, (low, high) in zip(input.shape, sides, strict=True)
            ]
        )
    ]
    if all(low <= 0 and high <= 0 for low, high in sides):
        return np.array(inner)
    out = np.full(
        [n + low + high for n, (low, high) in zip(input.shape, sides, strict=True)],
        stored(value, input),
        input.dtype,
    )
    out[
        tuple([slice(max(0, low), max(0, low) + n) for n, (low, _) in zip(inner.shape, sides, strict=True)])
    ] = inner
    return out


@composite(
    samples=lambda: [
        case(normal(2, 3), (1, 2), name="last"),
        case(normal(2, 3), (1, -1, 0, 2), 1.5, name="both"),
    ]
)
def constant_pad_nd(input, pad, value=0):
    """``input`` with ``value`` around it; ``pad`` gives (before, after) from the last dimension backwards,
    negative ones cut off.

    >>> tg.constant_pad_nd(tg.tensor([1, 2]), (1, 0), 7)
    tensor([7, 1, 2])
    """
    pad = tuple(int(n) for n in _sequence(pad))
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has {input.ndim} dimensions."
        )
    for d, (low, high) in enumerate(_sides(pad, input.ndim)):
        if input.shape[d] + low + high < 0:
            raise RuntimeError(
                f"The input size {input.shape[d]}, plus negative padding {low} and {high} resulted in a "
                f"negative output size, which is invalid. Check dimension {d} of your input."
            )
    value = _core._fitting(value, input.dtype)
    return _pad_constant(input, pad, value) if any(pad) else input.clone()


def _source(mode: str, extent: int, low: int, high: int) -> np.ndarray:
    """The index that every position of a padded dimension shows."""
    if mode == "circular":  # what negative sizes cut off is no part of the ring
        ring = np.arange(max(0, -low), extent - max(0, -high))
        return ring[np.arange(-max(0, low), ring.size + max(0, high)) % ring.size]
    index = np.arange(-low, extent + high)
    if mode == "replicate":
        return index.clip(0, extent - 1)
    index = np.abs(index)
    return np.where(index >= extent, 2 * (extent - 1) - index, index)


@composite(
    at=F_,
    samples=lambda: [
        case(normal(2, 3), (1, 1), value=2.0, name="constant"),
        case(normal(1, 2, 4), (2, 1), "reflect", name="reflect"),
        case(normal(1, 2, 3), (3, 0), "replicate", name="replicate"),
        case(normal(1, 1, 3, 3), (1, 2, 0, 1), "circular", name="circular"),
    ],
)
def pad(input, pad, mode="constant", value=None):
    """``input`` with more elements around its last dimensions; ``pad`` gives (before, after) from the last
    dimension backwards.

    ``mode``: "constant" (``value``), "reflect" (mirrored at the edge), "replicate" (the edge), "circular"
    (from the other end).

    >>> F.pad(tg.tensor([[1.0, 2.0, 3.0]]), (1, 1), mode="reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    pad = _sequence(pad)
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(pad)} and input of dimension {input.ndim}"
        )
    if mode == "constant":
        value = 0 if value is None else value
        # A float in PyTorch, which does not wrap round in uint8.
        if isinstance(value, int) and not 0 <= value < 1 << 63:
            _core._fitting(float(value), input.dtype)
            value = float(value) if input.is_floating_point() else value
        return constant_pad_nd(input, pad, value)
    if value is not None and value != 0:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    spatial = len(pad) // 2
    if input.ndim not in (spatial + 1, spatial + 2) or spatial > 3:
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: the padding of the "
            "last dimension of a 2D or 3D input, of the last two of a 3D or 4D one, of the last three of a "
            "4D or 5D one"
        )
    for d in range(input.ndim - 1, input.ndim - 1 - spatial, -1):
        low, high = _sides(pad, input.ndim)[d]
        extent = input.shape[d]
        if mode == "reflect" and max(low, high) >= extent:
            raise RuntimeError(
                "Padding size should be less than the corresponding input dimension, but got: padding "
                f"({low}, {high}) at dimension {d} of input {list(input.shape)}"
            )
        if mode == "circular" and max(low, high) > extent:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if extent + low + high <= 0 or (extent == 0 and (low or high)):
            raise RuntimeError(
                f"The input size {extent}, plus padding {low} and {high} resulted in an output size of "
                f"{extent + low + high}; it has to be positive, at dimension {d}"
            )
        if extent + low + high >= 2**60:  # np.arange adds up in float64 and gives none of them
            size = extent + low + high
            raise RuntimeError(f"pad(): the size {size} of dimension {d} is more than memory can hold")
        if low or high:
            input = indexing.pick(input, d, _source(mode, extent, low, high))
    return input
