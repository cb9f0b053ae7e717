"""Copies of a tensor's elements in another order: repeated, turned, on diagonals, as triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, int32, int64
from tensorgrad.core.declare import case, composite, integers, normal, primitive
from tensorgrad.ops._tools import is_sequence, near_matrix, wrap_dim
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.shapes import shaping, slicing

# ---- repeated


def _repeat_vjp(g, repeats, input_shape):
    shape = (1,) * (len(repeats) - len(input_shape)) + tuple(input_shape)
    split = shaping.reshape(g, [n for pair in zip(repeats, shape, strict=True) for n in pair])
    again = tuple([2 * d for d, n in enumerate(repeats) if n != 1])
    return shaping.reshape(split.sum(again) if again else split, input_shape)


@primitive(
    vjp=dict(input=_repeat_vjp),
    variadic="repeats",
    at=(),
    method=True,
    samples=lambda: [
        case(normal(2, 3), (2, 1, 2), name="plain"),
        case(normal(2), (0,), name="none"),
        case(normal(), (3,), name="0-d"),
    ],
)
def repeat(input, repeats):
    """The tensor laid side by side ``repeats`` times in every dimension.

    Raises RuntimeError for fewer counts than dimensions.

    >>> tg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    shape = (1,) * (len(repeats) - input.ndim) + input.shape
    if any(n < 0 for n in repeats):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension: "
            f"{[n * r for n, r in zip(shape, repeats, strict=True)]}"
        )
    return np.tile(input, repeats)


@composite(
    method=True,
    samples=lambda: [case(normal(2, 3), (2,), name="short"), case(normal(2), (2, 2), name="long")],
)
def tile(input, *sizes, dims=None):
    """The tensor laid side by side, counted from the last dimension: ``repeat`` for any number of counts.

    >>> tg.tile(tg.tensor([[1, 2]]), (2,))
    tensor([[1, 2, 1, 2]])
    """
    if dims is not None and sizes:
        raise TypeError("tile() got multiple values for argument 'dims'")
    dims = _numbers(shaping.sizes_of(sizes) if dims is None else dims)
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


@composite(
    method=True,
    samples=lambda: [
        case(normal(2, 3), 2, name="flat"),
        case(normal(2, 3), 2, 1, name="dim"),
        case(normal(3, 2), integers(0, 3, 3), 0, name="tensor"),
    ],
)
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Every element (or every index of ``dim``) repeated in place: a number of times, or as ``repeats`` says
    for each.

    Of one tensor: every index as often as its element says.

    >>> tg.repeat_interleave(tg.tensor([5, 6]), tg.tensor([1, 2]))
    tensor([5, 6, 6])
    """
    if repeats is None:
        return _core._copy_of_array(np.repeat(np.arange(input.numel()), _counts(input)))
    if dim is None:
        input, dim = shaping.reshape(input, (input.numel(),)), 0
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, input.ndim)
    extent = input.shape[dim]
    counts = _counts(repeats) if isinstance(repeats, Tensor) else None
    if counts is None or counts.size == 1:
        times = int(repeats)
        if times < 0:
            raise RuntimeError("Repeats must be non-negative")
        wide = (*input.shape[: dim + 1], times, *input.shape[dim + 1 :])
        found = shaping.reshape(
            shaping.expand(input.unsqueeze(dim + 1), wide), (*wide[:dim], extent * times, *wide[dim + 2 :])
        )
        found = found.clone() if times == 1 else found
    else:
        if counts.size != extent:
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{counts.size} and input.size({dim}) = {extent}"
            )
        found = indexing.pick(input, dim, np.repeat(np.arange(extent), counts))
    if output_size is not None and found.shape[dim] != output_size:
        raise RuntimeError(
            f"repeat_interleave: output_size is {output_size}, but the repeats add up to {found.shape[dim]}"
        )
    return found


def _counts(repeats: Tensor) -> np.ndarray:
    if repeats.dtype not in (int64, int32):
        raise RuntimeError(f"repeats has to be Long or Int tensor, not {repeats.dtype}")
    if repeats.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    counts = _core._array_of(repeats).reshape(-1)
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return counts


# ---- turned


@primitive(
    vjp=dict(input=lambda g, dims: flip(g, dims)),
    variadic="dims",
    method=True,
    samples=lambda: [case(normal(2, 3), (0, -1), name="plain"), case(normal(3), (0,), name="1-d")],
)
def flip(input, dims):
    """The elements in reverse order along ``dims``, as a copy.

    >>> tg.flip(tg.tensor([1, 2, 3]), [0])
    tensor([3, 2, 1])
    """
    dims = [wrap_dim(d, input.ndim) for d in dims]
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return np.flip(input, tuple(dims) if input.ndim else ())


@composite(method=True, samples=lambda: [case(normal(2, 3), name="plain")])
def fliplr(input):
    """The columns in reverse order. Raises RuntimeError for fewer than two dimensions.

    >>> tg.fliplr(tg.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


@composite(method=True, samples=lambda: [case(normal(2, 3), name="plain")])
def flipud(input):
    """The rows in reverse order. Raises RuntimeError for a 0-d tensor.

    >>> tg.flipud(tg.tensor([1, 2]))
    tensor([2, 1])
    """
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, (0,))


@composite(
    method=True,
    samples=lambda: [case(normal(2, 3), 1, (0, 1), name="once"), case(normal(2, 3), -1, (1, 0), name="back")],
)
def rot90(input, k=1, dims=(0, 1)):
    """Turned by ``k`` quarter turns in the plane of two dimensions, from the first towards the second.

    >>> tg.rot90(tg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    first, second = wrap_dim(dims[0], input.ndim), wrap_dim(dims[1], input.ndim)
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return flip(input, (first, second))
    return shaping.transpose(flip(input, (second if k == 1 else first,)), first, second)


def _numbers(value) -> tuple[int, ...]:
    if isinstance(value, Tensor):
        return (value.__index__(),)
    return tuple(value) if is_sequence(value) else (value,)


@primitive(
    vjp=dict(input=lambda g, shifts, dims: _roll(g, tuple([-s for s in shifts]), dims)),
    at=(),
    grad_name="RollBackward0",
    samples=lambda: [case(normal(2, 3), (1, -1), (0, 1), name="plain")],
)
def _roll(input, shifts, dims):
    """``roll`` along given dimensions."""
    return np.roll(input, shifts, dims)


@composite(
    method=True,
    samples=lambda: [case(normal(2, 3), 1, name="flat"), case(normal(2, 3), (1, -1), (0, 1), name="dims")],
)
def roll(input, shifts, dims=()):
    """The elements moved on by ``shifts`` along ``dims``, those that leave at the end coming back at the
    start.

    Without ``dims`` the flattened tensor is rolled.

    >>> tg.roll(tg.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    shifts, dims = _numbers(shifts), _numbers(() if dims is None else dims)
    if not shifts:
        raise RuntimeError("`shifts` required")
    if not dims and len(shifts) == 1:
        return shaping.reshape(_roll(shaping.reshape(input, (input.numel(),)), shifts, (0,)), input.shape)
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    if not input.numel():
        return input.clone()
    return _roll(input, shifts, tuple([wrap_dim(d, input.ndim) for d in dims]))


# ---- triangles and diagonals


def _matrix(input, who: str):
    if input.ndim < 2:
        raise RuntimeError(f"{who}: input tensor must have at least 2 dimensions")


@primitive(
    vjp=dict(input=lambda g, diagonal: tril(g, diagonal)),
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), name="plain"),
        case(normal(2, 3, 3), 1, name="above"),
        case(normal(3, 3), -1, name="below"),
    ],
)
def tril(input, diagonal=0):
    """The lower triangle of the matrices, zeros above the diagonal; a positive ``diagonal`` keeps more.

    >>> tg.tril(tg.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    _matrix(input, "tril")
    return np.tril(input, near_matrix(diagonal, *input.shape[-2:]))


@primitive(
    vjp=dict(input=lambda g, diagonal: triu(g, diagonal)),
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), name="plain"),
        case(normal(2, 3, 3), 1, name="above"),
        case(normal(3, 3), -1, name="below"),
    ],
)
def triu(input, diagonal=0):
    """The upper triangle of the matrices, zeros below the diagonal; a positive ``diagonal`` keeps less.

    >>> tg.triu(tg.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    _matrix(input, "triu")
    return np.triu(input, near_matrix(diagonal, *input.shape[-2:]))


def _triangle(indices_of, row: int, col: int, offset: int, dtype) -> Tensor:
    for name, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{name} must be non-negative, got{size}")
    if row * col >= 2**60:  # np.arange adds up in float64 and gives none of them
        raise RuntimeError(f"a matrix of {row} rows and {col} columns has more than memory can hold")
    found = indices_of(row, near_matrix(offset, row, col), col)
    indices = _core._copy_of_array(np.stack(found).astype(np.int64))
    return indices if dtype is None else indices.to(dtype)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """The rows and columns of the lower triangle of a matrix of that size, as two rows of int64.

    >>> tg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle(np.tril_indices, row, col, offset, dtype)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """The rows and columns of the upper triangle of a matrix of that size, as two rows of int64.

    >>> tg.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle(np.triu_indices, row, col, offset, dtype)


@composite(
    method=True,
    samples=lambda: [
        case(normal(2, 3), name="plain"),
        case(normal(2, 3), 1, 0, 2, name="offset"),
        case(normal(2), -1, name="below"),
    ],
)
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices, in the dimensions ``dim1`` and ``dim2`` of the result, with the last dimension on a diagonal
    and zeros elsewhere.

    >>> tg.diag_embed(tg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 0:
        raise RuntimeError("diag_embed(): input must have at least 1 dimension")
    count = input.ndim + 1
    first, second = wrap_dim(dim1, count), wrap_dim(dim2, count)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple([size if d in (first, second) else next(rest) for d in range(count)])
    return slicing._diagonal_backward(input, shape, offset, first, second)


@composite(
    method=True, samples=lambda: [case(normal(3), 1, name="make"), case(normal(3, 4), -1, name="take")]
)
def diag(input, diagonal=0):
    """A matrix with a vector on its diagonal; of a matrix, a copy of its diagonal.

    >>> tg.diag(tg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return slicing.diagonal(input, diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


@composite(method=True, samples=lambda: [case(normal(2, 2), 1, name="plain"), case(normal(), name="0-d")])
def diagflat(input, offset=0):
    """A matrix with all elements on its diagonal.

    >>> tg.diagflat(tg.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(shaping.reshape(input, (input.numel(),)), offset)


PUBLIC = {"tensorgrad": (tril_indices, triu_indices)}
