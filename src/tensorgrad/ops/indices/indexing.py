"""`x[index]` with masks and integer arrays, and what all ops share that read and write along one dimension by
a list of positions.

Everything comes down to two adjoint primitives: `_pick` takes positions of one dimension, `_unpick` adds
values up at them. An index with several arrays is first made one array of positions in the dimensions it
covers, seen as one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bfloat16, bool_, int32, int64, uint8
from tensorgrad.core.declare import case, composite, integers, normal, primitive, truths
from tensorgrad.ops import _data
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping

INDEX_TYPES = (int64, int32)


def positions(
    index: np.ndarray, extent: int, dim: int, negative: bool = True, error: type = IndexError
) -> np.ndarray:
    """The index counted from 0, in int64, as a copy that nobody else writes to; raises IndexError (or another
    ``error``) when one is out of bounds.
    """
    index = index.astype(np.int64)
    if index.size:
        low, high = index.min(), index.max()
        if low < (-extent if negative else 0) or high >= extent:
            wrong = high if high >= extent else low
            raise error(f"index {wrong} is out of bounds for dimension {dim} with size {extent}")
        if low < 0:
            return np.where(index < 0, index + extent, index)
    return index


def add_at(shape, dim: int, index: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Zeros of ``shape`` to which ``g`` is added at the positions ``index`` of one dimension; ``index`` has
    any shape.
    """
    full = np.zeros(shape, g.dtype)
    extent, count = shape[dim], index.size
    if not g.size:
        return full
    before, after = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    index = index.reshape(-1)
    if before > 8:  # one long list of positions instead of many short ones
        index = (np.arange(before)[:, None] * extent + index).reshape(-1)
        before, extent, count = 1, before * extent, index.size
    g = g.reshape(before, count, after)
    lines = full.reshape(before, extent, after)
    if all(_core._add_rows(line, index, part) for line, part in zip(lines, g, strict=True)):
        return full
    if count == 1 or (count <= extent and np.bincount(index, minlength=extent).max() == 1):
        lines[:, index] = g
    elif g.dtype.kind != "f":
        places: Any = (slice(None), index)
        np.add.at(lines, places, g)
    elif after < 8:
        where = index if after == 1 else (index[:, None] * after + np.arange(after)).reshape(-1)
        for line, part in zip(lines, g, strict=True):
            line.reshape(-1)[...] = np.bincount(where, weights=part.reshape(-1), minlength=extent * after)
    else:  # equal positions side by side, then one sum per position
        order = np.argsort(index, kind="stable")
        index = index[order]
        starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
        for line, part in zip(lines, g, strict=True):
            line[index[starts]] = np.add.reduceat(part[order], starts, axis=0)
    return full


@primitive(
    vjp=dict(input=lambda g, dim, index, input_shape: _unpick(g, input_shape, dim, index)),
    nograd=("index",),
    at=(),
    grad_name="IndexBackward0",
    samples=lambda: [case(normal(2, 3), 1, integers(-3, 3, 2, 2), name="plain")],
)
def _pick(input, dim, index):
    """The positions ``index``, of any shape, of one dimension, in its place."""
    return np.take(input, positions(index, input.shape[dim], dim), dim, mode="clip")


@primitive(
    vjp=dict(g=lambda g, dim, index: _pick(g, dim, index)),
    nograd=("index",),
    at=(),
    samples=lambda: [case(normal(2, 2, 2), (2, 3), 1, integers(0, 3, 2, 2), name="plain")],
)
def _unpick(g, shape, dim, index):
    """Zeros of ``shape`` to which ``g`` is added at positions of one dimension."""
    return add_at(shape, dim, positions(index, shape[dim], dim), g)


@primitive(
    vjp=dict(
        input=lambda g, dim, index, accumulate: (
            g if accumulate else _put(g, dim, index, g.new_zeros(()), False)
        ),
        value=lambda g, dim, index: _pick(g, dim, index),
    ),
    nograd=("index",),
    at=(),
    grad_name="IndexPutBackward0",
    samples=lambda: [
        case(normal(2, 3), 1, creation.tensor([2, 0]), normal(2, 2), False, name="plain"),
        case(normal(2, 3), 1, integers(0, 3, 4), normal(2, 4), True, name="accumulate"),
    ],
)
def _put(input, dim, index, value, accumulate):
    """``input`` with ``value`` at positions of one dimension, or added there."""
    full = np.array(input, order="C")
    index = positions(index, full.shape[dim], dim)
    if accumulate:
        return full + add_at(full.shape, dim, index, value)
    full[(slice(None),) * dim + (index,)] = value
    return full


def pick(input: Tensor, dim: int, index: np.ndarray) -> Tensor:
    """``_pick`` by an array of positions."""
    return _pick(input, dim, _core.from_numpy(index))


def put(input: Tensor, dim: int, index: np.ndarray, value: Tensor, accumulate: bool) -> Tensor:
    """``_put`` by an array of positions."""
    return _put(input, dim, _core.from_numpy(index), value, accumulate)


@primitive(
    vjp=dict(input=lambda g, index, input_shape: _scatter_add_rows(g, index, input_shape[0])),
    nograd=("index",),
    at=(),
    grad_name="IndexBackward0",
    samples=lambda: [case(normal(4, 3), integers(-4, 4, 2, 3), name="plain")],
)
def _gather_rows(input, index):
    """The rows of ``input`` that ``index`` names; negative numbers count from the end."""
    return np.take(input, positions(index, input.shape[0], 0), 0, mode="clip")


@primitive(
    vjp=dict(rows=lambda g, index: _gather_rows(g, index)),
    nograd=("index",),
    at=(),
    grad_name="EmbeddingDenseBackward0",
    samples=lambda: [case(normal(2, 3, 2), integers(0, 4, 2, 3), 4, name="plain")],
)
def _scatter_add_rows(rows, index, count):
    """``count`` rows of sums: every row added up where its number in ``index`` says."""
    index = positions(index, count, 0)
    return add_at((count, *rows.shape[index.ndim :]), 0, index, np.ascontiguousarray(rows))


def into_out(found: Tensor, out: Tensor | None, *inputs: Tensor) -> Tensor:
    """A result, in ``out`` if one is given: it may not share memory with what was read, nor be of another
    dtype.
    """
    if out is None:
        return found
    if out.dtype is not found.dtype:
        raise RuntimeError(f"Expected out tensor to have dtype {found.dtype}, but got {out.dtype} instead")
    for each in inputs:
        if np.may_share_memory(_core._array_of(each), _core._array_of(out)):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to "
                "a single memory location. Please clone() the tensor before performing the operation."
            )
    return _core._write_out(out, found)


# ---- x[index]


def _as_index(part):
    """A part of an index as an array of integers or truth values."""
    if isinstance(part, Tensor):
        if part.dtype not in (int64, int32, uint8, bool_):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        array = _core._array_of(part)
        return array.astype(bool) if part.dtype is uint8 else array
    if isinstance(part, np.ndarray):
        array = part.astype(bool) if part.dtype == np.uint8 else part
        if array.size == 0 and array.dtype.kind == "f":
            array = array.astype(np.int64)
    elif isinstance(part, (Sequence, range)) and not isinstance(part, (str, bytes)):
        array = np.asarray([each.tolist() if isinstance(each, Tensor) else each for each in part])
        if array.size == 0:
            array = array.astype(np.int64)
    else:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
            f"indices (got {type(part).__name__})"
        )
    if array.dtype.kind not in "biu":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return array


def _as_part(part):
    """A part of an index as what gives a view, a truth value, or an array."""
    if _core._is_plain(part):
        return int(part) if isinstance(part, np.ndarray) else part
    return part if isinstance(part, (bool, np.bool_)) else _as_index(part)


def _is_tuple_in_disguise(index) -> bool:
    """PyTorch reads a list that holds slices, sequences or tensors as the tuple of them."""
    return (
        isinstance(index, list)
        and len(index) < 32
        and any(
            each is None or each is Ellipsis or isinstance(each, (slice, Tensor, np.ndarray, Sequence))
            for each in index
        )
    )


class Plan:
    """What an index with arrays comes down to: a view, and an array of positions in some neighbouring
    dimensions of it.

    ``view``: after the index's ints, slices and None, with the indexed dimensions moved together; ``dim``,
    ``span``: where they begin and how many they are; ``index``: int64 positions among them seen as one.
    """

    __slots__ = ("dim", "index", "span", "view")

    def __init__(self, x: Tensor, index):
        parts = index if isinstance(index, tuple) else (index,)
        plain: list = []  # what a plain index would do
        entries: list = []  # (dimension of the view, dimensions covered, array)
        shape, at, dim = x.shape, 0, 0  # at: the next dimension of x; dim: the next one of the view
        parts = [_as_part(each) for each in parts]
        dots = 0
        used = 0
        for each in parts:
            if each is Ellipsis:
                dots += 1
            elif isinstance(each, np.ndarray):
                used += each.ndim if each.dtype == bool else 1
            elif each is not None and not isinstance(each, (bool, np.bool_)):
                used += 1
        if dots > 1:
            raise IndexError("an index can only have a single ellipsis ('...')")
        if used > len(shape):
            raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
        for each in parts:
            if each is Ellipsis:
                plain += [slice(None)] * (len(shape) - used)
                at += len(shape) - used
                dim += len(shape) - used
            elif isinstance(each, (bool, np.bool_)) or (
                isinstance(each, np.ndarray) and each.ndim == 0 and each.dtype == bool
            ):
                plain.append(None)
                entries.append((dim, 1, np.zeros(int(bool(each)), np.int64)))
                dim += 1
            elif isinstance(each, np.ndarray):
                if each.dtype == bool:
                    covered = each.ndim
                    for d in range(covered):
                        if each.shape[d] != shape[at + d]:
                            raise IndexError(
                                f"The shape of the mask {list(each.shape)} at index {d} does not match the "
                                f"shape of the indexed tensor {list(shape)} at index {at + d}"
                            )
                    entries.append((dim, covered, np.flatnonzero(each)))
                else:
                    covered = 1
                    where = positions(each, shape[at], at)
                    entries.append((dim, 1, where.copy() if where is each else where))
                plain += [slice(None)] * covered
                at, dim = at + covered, dim + covered
            else:
                plain.append(each)
                if each is None:
                    dim += 1
                else:
                    at += 1
                    dim += isinstance(each, slice)
        trivial = all(isinstance(each, slice) and each == slice(None) for each in plain)
        view = x if trivial else _core._basic_index(x, tuple(plain))
        where = [d for first, covered, _ in entries for d in range(first, first + covered)]
        if where != list(range(where[0], where[0] + len(where))):
            view = shaping.permute(view, (*where, *[d for d in range(view.ndim) if d not in where]))
            where = list(range(len(where)))
        self.view, self.dim, self.span = view, where[0], len(where)
        if len(entries) == 1:
            self.index = entries[0][2]
            return
        try:
            arrays = np.broadcast_arrays(*[array for _, _, array in entries])
        except ValueError:
            shapes = ", ".join(str(list(array.shape)) for _, _, array in entries)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            ) from None
        total, d = arrays[0], self.dim + entries[0][1]
        for (_, covered, _), array in zip(entries[1:], arrays[1:], strict=True):
            total = total * math.prod(view.shape[d : d + covered]) + array
            d += covered
        self.index = np.ascontiguousarray(total)

    def merged(self, x: Tensor) -> Tensor:
        """``x``, of the view's shape, with the indexed dimensions as one."""
        if self.span == 1:
            return x
        shape = self.view.shape
        end = self.dim + self.span
        return shaping.reshape(x, (*shape[: self.dim], math.prod(shape[self.dim : end]), *shape[end:]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what the index picks."""
        shape = self.view.shape
        return (*shape[: self.dim], *self.index.shape, *shape[self.dim + self.span :])

    def numpy_index(self) -> tuple:
        """The index into the view's array."""
        found = (
            (self.index,)
            if self.span == 1
            else np.unravel_index(self.index, self.view.shape[self.dim : self.dim + self.span])
        )
        return (slice(None),) * self.dim + tuple(found)

    def fitted(self, value: Tensor) -> Tensor:
        """A value expanded to what the index picks; it may have more leading dimensions of size 1."""
        shape = self.shape
        if tuple(value.shape) == shape:
            return value
        own = list(value.shape)
        while len(own) > len(shape) and own[0] == 1:
            own.pop(0)
        back = len(shape) - len(own)
        if back < 0 or any(n not in (1, shape[back + d]) for d, n in enumerate(own)):
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing "
                f"result of shape {list(shape)}"
            )
        return shaping.expand(shaping.reshape(value, own) if len(own) != value.ndim else value, shape)


@composite(
    others=("index",),
    at=(),
    samples=lambda: [
        case(normal(3, 4), [2, 0], name="list"),
        case(normal(3, 4), (slice(1, None), [0, 3]), name="mixed"),
        case(normal(2, 3, 2), ([0, 1], slice(None), [1, 0]), name="apart"),
        case(normal(3), np.array([True, False, True]), name="mask"),
    ],
)
def _index(input, index):
    """``input[index]`` for an index with masks or integer arrays."""
    if _is_tuple_in_disguise(index):
        return input[tuple(index)]
    plan = Plan(input, index)
    return pick(plan.merged(plan.view), plan.dim, plan.index)


def _as_value(value, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float, np.generic)):
        return _core._number_tensor(value, like.dtype, False)
    if not isinstance(value, (np.ndarray, Sequence)) or isinstance(value, (str, bytes)):
        raise TypeError(f"can't assign a {type(value).__name__} to a tensor of {like.dtype}")
    return _data.tensor_of(value, like.dtype)


def _of_dtype(value: Tensor, like: Tensor, index) -> Tensor:
    """A value of the dtype it is put into: only one number for a mask is converted, as in masked_fill."""
    if value.dtype is like.dtype:
        return value
    if value.numel() != 1 or not _is_mask(index):
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {like.dtype} for the "
            f"destination and {value.dtype} for the source."
        )
    _core._fitting(shaping.reshape(value, ()), like.dtype)
    return shaping._cast(value, like.dtype)


def _is_mask(index) -> bool:
    """Whether an index is one array of truth values."""
    part = index[0] if isinstance(index, (tuple, list)) and len(index) == 1 else index
    return isinstance(part, (Tensor, np.ndarray)) and part.ndim > 0 and str(part.dtype).endswith("bool")


def _put_at(plan: Plan, x: Tensor, value: Tensor, accumulate: bool) -> Tensor:
    """``x``, of the plan's view's shape, with the value put in."""
    done = put(plan.merged(x), plan.dim, plan.index, plan.fitted(value), accumulate)
    return done if plan.span == 1 else shaping.reshape(done, plan.view.shape)


@composite(
    others=("index",),
    at=(),
    samples=lambda: [
        case(normal(3, 4), [2, 0], normal(4), name="plain"),
        case(normal(3, 4), (slice(1, None), [0, 0]), normal(2), True, name="accumulate"),
    ],
)
def _index_put(input, index, value, accumulate=False):
    """A copy of ``input`` with ``value`` at an index with masks or integer arrays, or added there."""
    out = input.clone()
    _index_put_(out, index, value, accumulate)
    return out


@composite(others=("index",), at=())
def _index_put_(x, index, value, accumulate=False):
    """``x[index] = value`` for an index with masks or integer arrays: what Tensor.__setitem__ calls."""
    if _is_tuple_in_disguise(index):
        x[tuple(index)] = value
        return x
    value = _as_value(value, x)
    if isinstance(index, (bool, np.bool_)):
        if index:
            x[None] = value
        return x
    if _core._is_plain_index(index):
        x[index] = value
        return x
    plan = Plan(x, index)
    value = _of_dtype(value, x, index)
    view = plan.view
    _core._enter_inplace(x)
    _core._enter_inplace(view)
    recorded = _core.is_grad_enabled() and (value.requires_grad or view.requires_grad or x.requires_grad)
    if recorded or (accumulate and x.dtype is bfloat16):  # NumPy can't add these
        _core._write(view, _put_at(plan, view, value, accumulate), True)
        return x
    fitted = plan.fitted(value)
    if _core._put_in_place(view, plan.dim, plan.span, _core.from_numpy(plan.index), fitted, accumulate):
        return x
    array, where = _core._memory_of(view), plan.numpy_index()
    values = _core._memory_of(value if value.ndim == 0 else plan.fitted(value))
    if np.may_share_memory(array, values):
        values = values.copy()

    def write(array):
        if accumulate:
            np.add.at(array, where, values)
        else:
            array[where] = values

    _core._write_by("index_put", view, write)
    _core._bump_version(x)
    return x


def _tensor_indices(indices):
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"index_put_(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    for i, each in enumerate(indices):
        if not isinstance(each, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}")
    return tuple(
        each if each.ndim or each.dtype is bool_ else shaping.reshape(each, (1,)) for each in indices
    )


def _put_values(input, indices, values):
    """The values, one number at a single 0-d truth in the input's dtype: `x[truth] =` does not convert it."""
    lone = len(indices) == 1 and indices[0].ndim == 0 and indices[0].dtype is bool_
    return values.to(input.dtype) if lone and isinstance(values, Tensor) and values.numel() == 1 else values


@composite(
    others=("indices",),
    method=True,
    samples=lambda: [
        case(normal(3, 4), (integers(0, 3, 2),), normal(2, 4), True, name="accumulate"),
        case(normal(3, 4), (truths(3, 4),), normal(), name="mask"),
    ],
)
def index_put(input, indices, values, accumulate=False):
    """A copy of ``input`` with ``values`` at ``input[indices]``, or added there.

    >>> tg.index_put(tg.zeros(3), (tg.tensor([0, 0]),), tg.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0., 0.])
    """
    plan = Plan(input, _tensor_indices(indices))
    values = _put_values(input, indices, values)
    if plan.view is input:
        return _put_at(plan, input, _of_dtype(_as_value(values, input), input, indices), accumulate)
    return _index_put(input, tuple(indices), values, accumulate)


def index_put_(self: Any, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """``self[indices] = values``, or ``+=`` if ``accumulate``, where repeated positions add up."""
    places = _tensor_indices(indices)
    return _index_put_(self, places, _put_values(self, indices, values), accumulate)


_core._add_method("index_put_", index_put_)
