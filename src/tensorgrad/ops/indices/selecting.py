"""Elements chosen by truth values, where they are, and copies with one part replaced."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor, _core, bool_
from tensorgrad.core.declare import case, composite, integers, normal, primitive, truths
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.indices.indexing import into_out, pick, put
from tensorgrad.ops.shapes import shaping, slicing, striding

# ---- masks


def _mask_of(mask, who: str):
    if not isinstance(mask, Tensor):
        raise TypeError(f"{who}(): argument 'mask' must be Tensor, not {type(mask).__name__}")
    if mask.dtype is not bool_:
        raise RuntimeError(f"{who}: expected BoolTensor for mask, but got {mask.dtype}")
    return mask


@composite(
    method=True,
    samples=lambda: [
        case(normal(3, 4), truths(3, 4), name="plain"),
        case(normal(3, 1), truths(4), name="broadcast"),
    ],
)
def masked_select(input, mask, *, out=None):
    """The elements where ``mask`` is true, as a vector; the two are broadcast.

    >>> tg.masked_select(tg.tensor([1, 2, 3]), tg.tensor([True, False, True]))
    tensor([1, 3])
    """
    shape = shaping.broadcast_shapes(input.shape, _mask_of(mask, "masked_select").shape)
    where = np.flatnonzero(np.broadcast_to(_core._array_of(mask), shape))
    return into_out(
        pick(shaping.reshape(shaping.expand(input, shape), (math.prod(shape),)), 0, where), out, input, mask
    )


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), truths(3, 4), normal(12), name="plain"),
        case(normal(3, 1), truths(4), normal(12), name="broadcast"),
    ],
)
def masked_scatter(input, mask, source):
    """``input`` with the elements of ``source``, in order, where ``mask`` is true; the mask is broadcast.

    >>> tg.masked_scatter(tg.zeros(3), tg.tensor([True, False, True]), tg.tensor([5.0, 6.0]))
    tensor([5., 0., 6.])
    """
    shape = shaping.broadcast_shapes(input.shape, _mask_of(mask, "masked_scatter_").shape)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"masked_scatter_: expected self and source to have same dtypes but got {input.dtype} and "
            f"{source.dtype}"
        )
    where = np.flatnonzero(np.broadcast_to(_core._array_of(mask), shape))
    if source.numel() < where.size:
        raise RuntimeError(
            f"masked_scatter_: expected source to have at least {where.size} elements, the number of true "
            f"values; it has {source.numel()}"
        )
    flat = shaping.reshape(shaping.expand(input, shape), (math.prod(shape),))
    values = slicing.narrow(shaping.reshape(source, (source.numel(),)), 0, 0, where.size)
    return shaping.reshape(put(flat, 0, where, values, False), shape)


@primitive(
    nograd=("input",),
    method=True,
    samples=lambda: [case(integers(0, 2, 3, 2), name="plain"), case(normal(), name="0-d")],
)
def argwhere(input):
    """The indices of the elements that are not zero, a row for each.

    >>> tg.argwhere(tg.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    return np.argwhere(input) if input.ndim else np.zeros((int(input != 0), 0), np.int64)


@composite(
    method=True,
    samples=lambda: [
        case(integers(0, 2, 3, 2), name="rows"),
        case(integers(0, 2, 3), as_tuple=True, name="tuple"),
    ],
)
def nonzero(input, *, as_tuple=False):
    """The indices of the elements that are not zero: a row for each, or a tuple with a vector for every
    dimension.

    >>> tg.nonzero(tg.tensor([0, 3, 4]), as_tuple=True)
    (tensor([1, 2]),)
    """
    if not as_tuple:
        return argwhere(input)
    return tuple([_core._copy_of_array(each) for each in np.nonzero(np.atleast_1d(_core._array_of(input)))])


@composite(method=True, samples=lambda: [case(integers(0, 2, 3, 2), size=4, name="plain")])
def nonzero_static(input, *, size, fill_value=-1):
    """``nonzero`` with exactly ``size`` rows: the first ones, or filled up with ``fill_value``.

    >>> tg.nonzero_static(tg.tensor([0, 3]), size=2)
    tensor([[ 1],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = argwhere(input)
    out = found.new_full((size, input.ndim), fill_value)
    count = min(size, found.shape[0])
    out[:count] = found[:count]
    return out


# ---- a copy with one part replaced


def _replaced(input, src, part):
    """A copy of ``input`` with ``src`` in the place that ``part`` shows of it."""
    out = input.clone()
    place = part(out)
    _check_size(src, place)
    _core._write(place, shaping._cast(src, input.dtype))
    return out


def _check_size(src, place):
    if place.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice "
            f"size = {list(place.shape)}"
        )


@composite(
    others=("index",),
    method=True,
    samples=lambda: [case(normal(3, 4), normal(3), 1, 2, name="plain")],
)
def select_scatter(input, src, dim, index):
    """A copy of ``input`` with ``src`` at one index of one dimension.

    >>> tg.select_scatter(tg.zeros(2, 2), tg.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    return _replaced(input, src, lambda x: slicing.select(x, dim, index))


@composite(
    others=("end",),
    method=True,
    samples=lambda: [case(normal(5, 2), normal(2, 2), 0, 1, 4, 2, name="plain")],
)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of ``input`` with ``src`` at the indices ``start:end:step`` of one dimension.

    >>> tg.slice_scatter(tg.zeros(4), tg.ones(2), 0, 1, 3)
    tensor([0., 1., 1., 0.])
    """
    return _replaced(input, src, lambda x: slicing.slice_(x, dim, start, end, step))


@composite(
    method=True,
    samples=lambda: [
        case(normal(3, 4), normal(3), name="plain"),
        case(normal(3, 4), normal(3), 1, name="offset"),
    ],
)
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of ``input`` with ``src`` on the diagonal of two dimensions.

    >>> tg.diagonal_scatter(tg.zeros(2, 2), tg.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _replaced(input, src, lambda x: slicing.diagonal(x, offset, dim1, dim2))


@composite(method=True, samples=lambda: [case(normal(6), normal(2), (2,), (2,), 1, name="plain")])
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of ``input`` with ``src`` in the place of ``as_strided(input, ...)``.

    What of that place ``input`` does not show is left out.

    >>> tg.as_strided_scatter(tg.zeros(4), tg.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    if any(step == 0 and extent > 1 for extent, step in zip(input.shape, input.stride(), strict=True)):
        input = input.clone()
    place = striding.as_strided(input, size, stride, storage_offset)
    _check_size(src, place)
    views = ((x.shape, x.stride(), x.storage_offset()) for x in (place, input))
    to, own, reach = striding.both_places(*views)
    if not to.size:
        return input.clone()
    last = np.full(reach, -1)
    last[to.reshape(-1)] = np.arange(to.size)
    come = last[own]
    taken = shaping.reshape(src, (-1,)).take(_core.from_numpy(np.maximum(come, 0))).to(input.dtype)
    return choosing.where(_core.from_numpy(come >= 0), taken, input)
