"""Reductions of stretches of a dimension, each of its own length."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.indices.scattering import scatter_reduce
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping

# How `scatter_reduce` calls a reduction, and what it begins with.
_REDUCTIONS = {
    "sum": ("sum", 0.0), "mean": ("sum", 0.0), "max": ("amax", -np.inf), "min": ("amin", np.inf),
    "prod": ("prod", 1.0),
}  # fmt: skip


def _lengths_of(lengths: Tensor | None, offsets: Tensor | None) -> np.ndarray:
    given = lengths if lengths is not None else offsets
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if given.is_floating_point() or given.ndim == 0:
        raise RuntimeError("segment_reduce(): lengths and offsets are integers, of at least one dimension")
    found = given.detach().numpy().astype(np.int64)
    return found if lengths is not None else np.diff(found, axis=-1)


def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: Any = None,
) -> Tensor:  # fmt: skip
    """The "sum", "mean", "max", "min" or "prod" of each of the segments that ``data`` is cut into along
    ``axis``.

    ``lengths`` says how long the segments are, or ``offsets`` where they begin and the last one ends; along
    an axis behind the first they have the dimensions before it too. ``initial`` is what a reduction begins
    with, and what an empty segment gives.

    Shapes: data (A, N, B) with axis = 1 and lengths (A, S) gives (A, S, B).

    Errors: `RuntimeError` unless the lengths are not negative and add up to the size of the axis.

    >>> tg.segment_reduce(tg.tensor([1.0, 2.0, 3.0]), "mean", lengths=tg.tensor([1, 2]))
    tensor([1.0000, 2.5000])
    """
    want_tensors("segment_reduce", data=data)
    if reduce not in _REDUCTIONS:
        known = ", ".join(_REDUCTIONS)
        raise RuntimeError(f"segment_reduce(): there is no reduction {reduce!r}, but {known}")
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported; give lengths")
    counts = _lengths_of(lengths, offsets)
    if not 0 <= axis < data.ndim or axis != counts.ndim - 1 or counts.shape[:-1] != tuple(data.shape[:axis]):
        raise RuntimeError(
            f"segment_reduce(): lengths of shape {list(counts.shape)} do not go with the dimensions of "
            f"{list(data.shape)} before axis {axis}"
        )
    if (counts < 0).any() or (counts.sum(-1) != data.shape[axis]).any():
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            f"data.size({axis}), which is {data.shape[axis]}, and none to be negative"
        )
    rest = tuple(data.shape[axis + 1 :])
    flat = shaping.reshape(data, (int(counts.sum()), *rest))
    numbers = _core.from_numpy(np.repeat(np.arange(counts.size), counts.reshape(-1)))
    index = numbers.view(-1, *(1,) * len(rest)).expand(flat.shape)
    name, first = _REDUCTIONS[reduce]
    start = creation.full((counts.size, *rest), first if initial is None else initial, dtype=data.dtype)
    found = scatter_reduce(start, 0, index, flat, name)
    if reduce == "mean":
        divisor = counts.reshape(-1, *(1,) * len(rest)).astype(np.float64)
        if initial is not None:
            divisor = np.maximum(divisor, 1)
        found = found / _core._tensor_of(divisor.astype(data.dtype.array_dtype), data.dtype)
    return shaping.reshape(found, (*counts.shape, *rest))


PUBLIC = {"tensorgrad": [segment_reduce]}
