"""Elements taken from, put at and added to a list of positions, of one dimension or of all."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor, _core, int64
from tensorgrad.core.declare import case, composite, integers, normal
from tensorgrad.ops._kinds import as_tensor
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.indices.indexing import INDEX_TYPES, into_out, pick, positions
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping


def _vector(index, who: str, types=INDEX_TYPES):
    if not isinstance(index, Tensor):
        raise TypeError(f"{who}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.ndim > 1:
        raise IndexError(f"{who}(): Index is supposed to be a vector, but it has {index.ndim} dimensions")
    if index.dtype not in types:
        names = " or ".join(each.name for each in types)
        raise RuntimeError(f"{who}(): Expected dtype {names} for index, but got {index.dtype}")
    return np.array(_core._array_of(index), np.int64).reshape(-1)


def _one_dim(input):
    """A number as a vector of one."""
    return input if input.ndim else shaping.reshape(input, (1,))


@composite(
    method=True,
    samples=lambda: [
        case(normal(3, 4), 1, integers(0, 4, 3), name="plain"),
        case(normal(), 0, integers(0, 1, 1), name="0-d"),
    ],
)
def index_select(input, dim, index, *, out=None):
    """The positions ``index``, a vector, of one dimension.

    >>> tg.index_select(tg.tensor([5, 6, 7]), 0, tg.tensor([2, 0, 2]))
    tensor([7, 5, 7])
    """
    dim = wrap_dim(dim, input.ndim)
    where = _vector(index, "index_select")
    where = positions(where, input.shape[dim] if input.ndim else 1, dim, negative=False)
    if input.ndim:
        return into_out(pick(input, dim, where), out, input, index)
    if where.size != 1:
        raise RuntimeError(
            f"index_select(): Index to scalar can have only 1 value, got {where.size} value(s)"
        )
    return into_out(input.clone(), out, input, index)


def _check_source(who: str, input, dim: int, where, source):
    """The source in the shape that ``input`` has with ``len(index)`` in ``dim``; raises RuntimeError when it
    does not fit.
    """
    if not isinstance(source, Tensor):
        raise TypeError(f"{who}(): argument 'source' must be Tensor, not {type(source).__name__}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"{who}(): self ({input.dtype}) and source ({source.dtype}) must have the same dtype"
        )
    shape = tuple(input.shape) or (1,)
    wanted = (*shape[:dim], where.size, *shape[dim + 1 :])
    if tuple(source.shape) != wanted:
        if (
            source.numel() != math.prod(wanted)
            or (source.ndim and input.ndim)
            or source.ndim > 1
        ):
            raise (IndexError if source.ndim <= 1 and dim == 0 else RuntimeError)(
                f"{who}(): Number of indices ({where.size}) should be equal to source.size(dim) and the "
                f"other sizes of source {list(source.shape)} to those of self {list(input.shape)}, at dim "
                f"{dim}"
            )
        source = shaping.reshape(source, wanted)
    return source


def _put_vector(who: str, input, dim: int, index, source, accumulate: bool):
    dim = wrap_dim(dim, input.ndim)
    where = positions(_vector(index, who), input.shape[dim] if input.ndim else 1, dim, negative=False)
    source = _check_source(who, input, dim, where, source)
    done = indexing.put(_one_dim(input), dim, where, source, accumulate)
    return done if input.ndim else shaping.reshape(done, ())


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), 1, integers(0, 4, 3), normal(3, 3), name="plain"),
        case(normal(3), 0, integers(0, 3, 4), normal(4), alpha=2.0, name="alpha"),
    ],
)
def index_add(input, dim, index, source, *, alpha=1):
    """``input`` with ``alpha * source`` added at the positions ``index``, a vector, of one dimension;
    repeated ones add up.

    >>> tg.index_add(tg.zeros(3), 0, tg.tensor([0, 0, 2]), tg.ones(3))
    tensor([2., 0., 1.])
    """
    if isinstance(source, Tensor) and source.ndim != input.ndim:
        raise RuntimeError(
            f"index_add(): source must have as many dimensions as self: the shapes are {list(source.shape)} "
            f"and {list(input.shape)}"
        )
    scaled = source if alpha == 1 else source * as_tensor(alpha, source.dtype)
    return _put_vector("index_add", input, dim, index, scaled, True)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [case(normal(3, 4), 1, creation.tensor([2, 0, 3, 1]), normal(3, 4), name="plain")],
)
def index_copy(input, dim, index, source):
    """``input`` with ``source`` at the positions ``index``, a vector, of one dimension.

    >>> tg.index_copy(tg.zeros(3), 0, tg.tensor([2, 0]), tg.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    return _put_vector("index_copy", input, dim, index, source, False)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), 1, integers(0, 4, 2), 5.0, name="number"),
        case(normal(3), 0, integers(0, 3, 2), normal(), name="tensor"),
    ],
)
def index_fill(input, dim, index, value):
    """``input`` with a number (or a 0-d tensor) at the positions ``index``, a vector, of one dimension.

    >>> tg.index_fill(tg.zeros(3), 0, tg.tensor([0, 2]), 5.0)
    tensor([5., 0., 5.])
    """
    dim = wrap_dim(dim, input.ndim)
    where = positions(_vector(index, "index_fill", (int64,)), input.shape[dim] if input.ndim else 1, dim)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"index_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
                f"dimension(s)."
            )
        _core._fitting(value, input.dtype)
        value = value.to(input.dtype)
        where = np.unique(where)
    else:
        value = _core._number_tensor(value, input.dtype)
    x = _one_dim(input)
    shape = (*x.shape[:dim], where.size, *x.shape[dim + 1 :])
    done = indexing.put(x, dim, where, shaping.expand(value, shape), False)
    return done if input.ndim else shaping.reshape(done, ())


@composite(method=True, samples=lambda: [case(normal(3, 4), integers(0, 12, 2, 2), name="plain")])
def take(input, index, *, out=None):
    """The elements at ``index`` of the tensor seen as a vector, in the shape of ``index``.

    >>> tg.take(tg.tensor([[4, 3], [2, 1]]), tg.tensor([0, 3]))
    tensor([4, 1])
    """
    if index.dtype is not int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    if input.numel() == 0 and index.numel():
        raise IndexError("take(): tried to take from an empty tensor")
    where = np.array(_core._array_of(index))
    extent = input.numel()
    if where.size and not (-extent <= where.min() and where.max() < extent):
        raise IndexError(
            f"out of range: tried to access index {where.max() if where.max() >= extent else where.min()} on "
            f"a tensor of {extent} elements."
        )
    return into_out(
        pick(shaping.reshape(input, (extent,)), 0, positions(where, extent, 0)), out, input, index
    )


@composite(
    method=True,
    inplace=True,
    samples=lambda: [case(normal(3, 4), integers(0, 12, 2), normal(2), True, name="accumulate")],
)
def put(input, index, source, accumulate=False):
    """``input`` with ``source`` at the positions ``index`` of the tensor seen as a vector, or added there.

    >>> tg.put(tg.zeros(2, 2), tg.tensor([0, 3]), tg.tensor([5.0, 6.0]))
    tensor([[5., 0.],
            [0., 6.]])
    """
    if index.dtype is not int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {input.dtype} and "
            f"{source.dtype}"
        )
    if source.numel() != index.numel():
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, but got "
            f"{source.numel()} and {index.numel()}"
        )
    extent = input.numel()
    if extent == 0 and index.numel():
        raise IndexError("put_(): Expected self to be non-empty when index is")
    where = positions(np.array(_core._array_of(index)).reshape(-1), extent, 0)
    done = indexing.put(
        shaping.reshape(input, (extent,)), 0, where, shaping.reshape(source, (where.size,)), accumulate
    )
    return shaping.reshape(done, input.shape)
