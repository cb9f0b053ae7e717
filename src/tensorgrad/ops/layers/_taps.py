"""Of which elements an output is made: lists of positions along each dimension, and the windows of pools.

A list of taps is an array (outputs, most): row j has the positions along one dimension that output j is made
of, and -1 behind the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.core import Tensor
from tensorgrad.core.declare import composite
from tensorgrad.ops._kinds import want_room, want_tensors
from tensorgrad.ops._tools import is_sequence
from tensorgrad.ops.indices.indexing import add_at

F_ = "tensorgrad.nn.functional"
TOP = "tensorgrad"
EXTENTS = {1: "L", 2: "H, W", 3: "D, H, W"}


class Window(NamedTuple):
    """What a pool does along one dimension; a kernel of 0 means that the windows part it evenly."""

    extent: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def pack(windows: Sequence[Window]) -> bytes:
    """Windows as what a tape may keep, and kernels read: six integers a dimension."""
    return np.array(windows, np.int64).tobytes()


def unpack(packed: bytes) -> list[Window]:
    """The windows that were packed."""
    return [Window(*map(int, row)) for row in np.frombuffer(packed, np.int64).reshape(-1, 6)]


def taps_from(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The taps of windows that begin at some positions and end before others."""
    most = int((ends - starts).max(initial=0))
    found = starts[..., None] + np.arange(most)
    return np.where(found < ends[..., None], found, -1)


def taps_of(window: Window) -> np.ndarray:
    """The positions in each window that are not padding, in order."""
    j = np.arange(window.outputs)
    if not window.kernel:
        return taps_from(j * window.extent // window.outputs, -((-(j + 1) * window.extent) // window.outputs))
    found = (j * window.stride - window.padding)[:, None] + np.arange(window.kernel) * window.dilation
    inside = (found >= 0) & (found < window.extent)
    order = np.argsort(~inside, axis=1, kind="stable")
    return np.take_along_axis(np.where(inside, found, -1), order, 1)


def counts_of(window: Window, include_pad: bool) -> np.ndarray:
    """How many positions each window of an average counts: with ``include_pad`` those of padding too."""
    if not include_pad or not window.kernel:
        return (taps_of(window) >= 0).sum(1)
    starts = np.arange(window.outputs) * window.stride - window.padding
    return np.minimum(starts + window.kernel, window.extent + window.padding) - starts


def gathered(array: np.ndarray, dim: int, at: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Along one dimension sums of taps, each times its weight."""
    lines = np.moveaxis(array, dim, 0)
    found = np.zeros((len(at), *lines.shape[1:]), array.dtype)
    for k in range(at.shape[1]):
        rows = np.flatnonzero(at[:, k] >= 0)
        part = lines[at[rows, k]]
        if weight is not None:
            part = part * weight[rows, k].astype(array.dtype).reshape(-1, *[1] * (array.ndim - 1))
        found[rows] += part
    return np.moveaxis(found, 0, dim)


def spread(array: np.ndarray, dim: int, at: np.ndarray, weight: np.ndarray | None, extent: int) -> np.ndarray:
    """The adjoint of `gathered`: outputs added up at their taps in a dimension of ``extent``."""
    lines = np.moveaxis(array, dim, 0)
    found = np.zeros((extent, *lines.shape[1:]), array.dtype)
    for k in range(at.shape[1]):
        rows = np.flatnonzero(at[:, k] >= 0)
        part = lines[rows]
        if weight is not None:
            part = part * weight[rows, k].astype(array.dtype).reshape(-1, *[1] * (array.ndim - 1))
        found += add_at(found.shape, 0, at[rows, k], np.ascontiguousarray(part))
    return np.moveaxis(found, 0, dim)


# ---------------------------------------------------------------------------- what may be asked for


def of_dims(who: str, name: str, value: Any, n: int) -> tuple[int, ...]:
    """A setting for each of ``n`` dimensions, given as one number for all or as that many."""
    given = tuple(value) if is_sequence(value) else (value,)
    for each in given:
        if isinstance(each, (bool, float)) or not hasattr(each, "__index__"):
            raise TypeError(f"{who}(): argument '{name}' must be int or tuple of {n} ints, not {value!r}")
    if len(given) not in (1, n):
        raise RuntimeError(f"{who}: {name} must be an int or a tuple of {n} ints, got {len(given)} of them")
    numbers = tuple(map(int, given))
    return numbers * n if len(numbers) == 1 else numbers


def want_planes(who: str, input: Any, n: int, full: int | None = None) -> None:
    """Raises RuntimeError unless there are channels and ``n`` dimensions behind a batch, which may be
    missing; of them the last ``full`` may not be empty: all but the batch, unless it is given.
    """
    want_tensors(who, input=input)
    shape = tuple(input.shape)
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-(n + 1 if full is None else full) :]:
        raise RuntimeError(
            f"{who}: Expected {n + 1}D or {n + 2}D input, whose batch alone may be empty, got {list(shape)}"
        )


def _outputs(extent: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    room = extent + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= extent + padding:   # it would begin in the padding behind
        count -= 1
    return count


def windows_of(
    who: str, input: Tensor, n: int, kernel_size, stride, padding, dilation=1, ceil_mode=False
) -> list[Window]:
    """The windows of a pool along the last ``n`` dimensions; raises RuntimeError for what can't be."""
    kernels = of_dims(who, "kernel_size", kernel_size, n)
    strides = kernels if stride is None or (is_sequence(stride) and not stride) else (
        of_dims(who, "stride", stride, n))
    paddings, dilations = of_dims(who, "padding", padding, n), of_dims(who, "dilation", dilation, n)
    for name, values in (("kernel_size", kernels), ("stride", strides), ("dilation", dilations)):
        if min(values) < 1:
            raise RuntimeError(f"{who}: {name} should be greater than zero, got {values}")
    found = []
    want_planes(who, input, n)
    for extent, *row in zip(input.shape[-n:], kernels, strides, paddings, dilations):
        k, s, p, d = row
        if p < 0 or p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"{who}: padding must be from 0 to half of what the kernel reaches, got {p} with kernel_size "
                f"{k} and dilation {d}"
            )
        count = _outputs(extent, k, s, p, d, ceil_mode)
        if count < 1:
            raise RuntimeError(
                f"{who}: an input {list(input.shape)} with kernel_size {kernels}, stride {strides}, padding "
                f"{paddings} has an output of size {count}"
            )
        found.append(Window(extent, count, *row))
    return found


def even_windows(who: str, input: Tensor, n: int, output_size, full: int) -> list[Window]:
    """The windows that part each dimension into so many of nearly one size; None keeps a dimension."""
    want_tensors(who, input=input)
    given = tuple(output_size) if is_sequence(output_size) else (output_size,) * n
    if n > 1 and is_sequence(output_size) and len(given) >= input.ndim:
        raise ValueError(f"{who}: output_size has {len(given)} numbers, the input {input.ndim} dimensions")
    want_planes(who, input, n, full)
    if len(given) != n:
        raise RuntimeError(f"{who}: output_size must have {n} numbers, got {len(given)}")
    extents = tuple(input.shape[-n:])
    sizes = of_dims(who, "output_size", [e if s is None else s for e, s in zip(extents, given)], n)
    if min(sizes) < 0:
        raise RuntimeError(f"{who}: elements of output_size must be greater than or equal to 0, got {sizes}")
    want_room(who, (*input.shape[:-n], *sizes))
    return [Window(extent, size, 0) for extent, size in zip(extents, sizes)]


def flat_taps(taps: Sequence[np.ndarray], extents: Sequence[int]) -> np.ndarray:
    """The taps (outputs, most) of several dimensions together, as positions in all of them seen as one.

    Lists may have dimensions in front, which broadcast: they differ by plane there.
    """
    n = len(taps)
    flat: Any = 0
    inside: Any = True
    for d, (each, extent) in enumerate(zip(taps, extents)):
        before, behind = (1,) * d, (1,) * (n - 1 - d)
        outputs, most = each.shape[-2:]
        each = each.reshape(*each.shape[:-2], *before, outputs, *behind, *before, most, *behind)
        flat = flat * extent + each
        inside = inside & (each >= 0)
    flat = np.where(inside, flat, -1)
    split = flat.ndim - n
    outputs, most = math.prod(flat.shape[split - n : split]), math.prod(flat.shape[split:])
    return flat.reshape(*flat.shape[: split - n], outputs, most)


# ---------------------------------------------------------------------------- families


def ones(n: int, *lead: int) -> str:
    """A tensor of ones for an example, as its call is written."""
    return f"tg.ones({', '.join(map(str, (*lead, *(4,) * n)))})"


def family(n: int, name: str, at: Any, example: str, others: tuple[str, ...], samples: Callable):
    """Declares a function as the op ``name`` of ``n`` dimensions, whose names and number stand in its
    docstring for ``{shape}`` and ``{n}``; the example is put behind.
    """

    def declare(body: Callable):
        text = cleandoc(body.__doc__ or "").format(shape=EXTENTS[n], n=n)
        body.__name__ = name
        body.__doc__ = f"{text}\n\n{example}\n"
        return composite(name=name, at=at, others=others, samples=samples)(body)

    return declare


WINDOWED = ("padding", "dilation")     # parameters that are a number, or one for each dimension
