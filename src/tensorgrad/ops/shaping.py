"""Other shapes on the same elements: views where the strides allow it."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.core.declare import view as declare_view


@declare_view(
    vjp=dict(input=lambda g, input_shape: reshape(g, input_shape)),
    variadic="shape",
    samples=lambda: [
        case(normal(2, 6), (3, 4), name="plain"),
        case(normal(2, 6), (-1,), name="infer"),
        case(normal(1), (), name="0-d"),
    ],
)
def reshape(input, shape):
    """The same elements in another shape, a view where possible; one size may be -1.

    >>> tg.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return np.reshape(input, shape)


@declare_view(
    vjp=dict(input=lambda g, input_shape: reshape(g, input_shape)),
    variadic="shape",
    at=(),
    grad_name="ViewBackward0",
    samples=lambda: [case(normal(2, 6), (3, 4), name="plain"), case(normal(2, 6), (-1,), name="infer")],
)
def view(input, shape):  # the method
    """The same memory in another shape; raises RuntimeError where that would take a copy.

    >>> tg.arange(4).view(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    return np.reshape(input, shape)


def _inverse(order):
    back = [0] * len(order)
    for i, d in enumerate(order):
        back[d] = i
    return tuple(back)


@declare_view(
    vjp=dict(input=lambda g, dims: permute(g, _inverse([d % max(g.ndim, 1) for d in dims]))),
    variadic="dims",
    samples=lambda: [case(normal(2, 3, 4), (2, 0, 1), name="plain")],
)
def permute(input, dims):
    """The dimensions in another order, as a view.

    >>> tg.ones(2, 3, 4).permute(2, 0, 1).shape
    tensorgrad.Size([4, 2, 3])
    """
    return np.transpose(input, dims)


@declare_view(
    vjp=dict(input=lambda g, dim0, dim1: transpose(g, dim0, dim1)),
    samples=lambda: [case(normal(2, 3, 4), 0, 2, name="plain")],
)
def transpose(input, dim0, dim1):
    """Two dimensions swapped, as a view.

    >>> tg.ones(2, 3).transpose(0, 1).shape
    tensorgrad.Size([3, 2])
    """
    return np.swapaxes(input, dim0, dim1)


@declare_view(
    vjp=dict(input=lambda g, input_shape: _core._sum_to(g, input_shape)),
    variadic="size",
    samples=lambda: [case(normal(3, 1), (2, 3, 4), name="plain")],
    at=(),
)
def expand(input, size):
    """Dimensions of size 1 repeated, without copying; -1 keeps a size.

    >>> tg.ones(2, 1).expand(2, 3).shape
    tensorgrad.Size([2, 3])
    """
    return np.broadcast_to(input, size)


@declare_view(
    vjp=dict(input=lambda g, input_shape: reshape(g, input_shape)),
    samples=lambda: [case(normal(2, 3), 1, name="plain")],
)
def unsqueeze(input, dim):
    """With a new dimension of size 1 at ``dim``, as a view.

    >>> tg.ones(2, 3).unsqueeze(1).shape
    tensorgrad.Size([2, 1, 3])
    """
    return np.expand_dims(input, dim)


@declare_view(
    vjp=dict(input=lambda g, input_shape: reshape(g, input_shape)),
    samples=lambda: [case(normal(2, 1, 3, 1), name="all"), case(normal(2, 1, 3, 1), 1, name="dim")],
)
def squeeze(input, dim=None):
    """Without the dimensions of size 1 (those among ``dim``), as a view.

    >>> tg.ones(2, 1, 3).squeeze().shape
    tensorgrad.Size([2, 3])
    """
    return np.squeeze(input) if dim is None else np.squeeze(input, dim)


@declare_view(
    vjp=dict(input=lambda g, dim, index, input_shape: _select_backward(g, input_shape, dim, index)),
    samples=lambda: [case(normal(3, 4), 1, 2, name="plain")],
)
def select(input, dim, index):
    """One index of one dimension, which goes, as a view.

    >>> tg.arange(6).reshape(2, 3).select(1, 2)
    tensor([2, 5])
    """
    return input[(slice(None),) * dim + (index,)]


@primitive(
    vjp=dict(g=lambda g, dim, index: select(g, dim, index)),
    at=(),
    samples=lambda: [case(normal(3), (3, 4), 1, 2, name="plain")],
)
def _select_backward(g, shape, dim, index):
    """Zeros of ``shape`` with ``g`` at one index of one dimension."""
    full = np.zeros(shape, g.dtype)
    full[(slice(None),) * dim + (index,)] = g
    return full


@declare_view(
    vjp=dict(
        input=lambda g, dim, start, length, step, input_shape: _slice_backward(g, input_shape, dim, start, length, step)
    ),
    at=(),
    method=False,
    grad_name="SliceBackward0",
    samples=lambda: [case(normal(3, 7), 1, 1, 3, 2, name="plain")],
)
def _slice(input, dim, start, length, step):
    """``length`` indices of one dimension from ``start``, every ``step``-th, as a view."""
    return input[(slice(None),) * dim + (slice(start, start + length * step, step),)]


@primitive(
    vjp=dict(g=lambda g, dim, start, length, step: _slice(g, dim, start, length, step)),
    at=(),
    samples=lambda: [case(normal(3, 3), (3, 7), 1, 1, 3, 2, name="plain")],
)
def _slice_backward(g, shape, dim, start, length, step):
    """Zeros of ``shape`` with ``g`` in the place of a slice."""
    full = np.zeros(shape, g.dtype)
    full[(slice(None),) * dim + (slice(start, start + length * step, step),)] = g
    return full


@primitive(vjp=dict(input=lambda g: g), method=True, samples=lambda: [case(normal(2, 3), name="plain")])
def clone(input, *, memory_format=None):
    """A copy with memory of its own, on the tape.

    >>> tg.ones(2).clone()
    tensor([1., 1.])
    """
    return np.array(input)


@primitive(vjp=dict(input=lambda g: g), at=(), method=True, samples=lambda: [case(normal(2, 3), name="plain")])
def contiguous(input, memory_format=None):
    """The tensor itself if its elements lie in the order of its indices, else a copy in which they do.

    >>> tg.ones(2, 3).t().contiguous().is_contiguous()
    True
    """
    return np.array(input)


@primitive(vjp=dict(input=lambda g: g), at=(), grad_name="ToCopyBackward0")
def _cast(input, dtype):
    """The values in another dtype; the engine casts the gradient back."""
    return input.astype(dtype.numpy_dtype)


# What an in-place write to a view does to its base, and what the view then is: see core/README.md.


def _flat(shape, strides, offset, flat):
    """The flat indices of a view's elements in its (contiguous) base."""
    if flat is not None:
        return flat
    index = np.full(shape, offset, np.int64)
    for d, (extent, step) in enumerate(zip(shape, strides, strict=True)):
        index += (np.arange(extent) * step).reshape((-1,) + (1,) * (len(shape) - d - 1))
    return index


@primitive(
    vjp=dict(
        base=lambda g, place: _view_scatter(g, g.new_zeros(place[0]), place),
        value=lambda g, place: _view_gather(g.contiguous(), place),
    ),
    at=(),
    grad_name="CopySlices",
)
def _view_scatter(base, value, place):
    """``base`` with ``value`` in the place of a view of it."""
    full = np.array(base, order="C")
    full.reshape(-1)[_flat(*place).reshape(-1)] = np.broadcast_to(value, place[0]).reshape(-1)
    return full


@primitive(
    vjp=dict(base=lambda g, place, input_shape: _view_scatter(g.new_zeros(input_shape), g, place)),
    at=(),
    grad_name="AsStridedBackward0",
)
def _view_gather(base, place):
    """The elements of ``base`` that a view of it shows."""
    return np.ascontiguousarray(base).reshape(-1)[_flat(*place)]
