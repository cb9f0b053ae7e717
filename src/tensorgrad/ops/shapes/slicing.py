"""Parts of a tensor as views: one index, a slice, a diagonal, windows along a dimension."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, bool_
from tensorgrad.core.declare import alias, case, composite, normal, primitive
from tensorgrad.core.declare import view as declare_view
from tensorgrad.ops._tools import near_matrix, wrap_dim


@declare_view(
    vjp=dict(input=lambda g, dim, index, input_shape: _select_backward(g, input_shape, dim, index)),
    samples=lambda: [case(normal(3, 4), 1, 2, name="plain")],
)
def select(input, dim, index):
    """One index of one dimension, which goes, as a view.

    >>> tg.arange(6).reshape(2, 3).select(1, 2)
    tensor([2, 5])
    """
    return input[(*_at(input, dim, int(index)), ...)]


def _at(array, dim, index):
    """The NumPy index that is ``index`` in one dimension."""
    return (slice(None),) * wrap_dim(dim, array.ndim) + (index,)


def _with_part(full, where, g):
    """``full`` with ``g``, which must have just that shape, in one place."""
    if full[where].shape != g.shape:
        raise RuntimeError(
            f"a gradient of shape {list(g.shape)} arrived at a view of shape {list(full[where].shape)}: "
            f"was its .data replaced?"
        )
    full[where] = g
    return full


@primitive(
    vjp=dict(g=lambda g, dim, index: select(g, dim, index)),
    at=(),
    samples=lambda: [case(normal(3), (3, 4), 1, 2, name="plain")],
)
def _select_backward(g, shape, dim, index):
    """Zeros of ``shape`` with ``g`` at one index of one dimension."""
    full = np.zeros(shape, g.dtype)
    return _with_part(full, _at(full, dim, int(index)), g)


@declare_view(
    vjp=dict(
        input=lambda g, dim, start, length, step, input_shape: _slice_backward(
            g, input_shape, dim, start, length, step
        )
    ),
    at=(),
    method=False,
    grad_name="SliceBackward0",
    samples=lambda: [case(normal(3, 7), 1, 1, 3, 2, name="plain")],
)
def _slice(input, dim, start, length, step):
    """``length`` indices of one dimension from ``start``, every ``step``-th, as a view."""
    return input[_at(input, dim, slice(start, start + length * step, step))]


@primitive(
    vjp=dict(g=lambda g, dim, start, length, step: _slice(g, dim, start, length, step)),
    at=(),
    samples=lambda: [case(normal(3, 3), (3, 7), 1, 1, 3, 2, name="plain")],
)
def _slice_backward(g, shape, dim, start, length, step):
    """Zeros of ``shape`` with ``g`` in the place of a slice."""
    full = np.zeros(shape, g.dtype)
    return _with_part(full, _at(full, dim, slice(start, start + length * step, step)), g)


# Parts.


def _whole_number(value, name: str) -> int:
    """An int, or the value of an integer tensor of one element."""
    if not hasattr(value, "__index__"):
        raise TypeError(f"argument '{name}' must be int, not {type(value).__name__}")
    return value.__index__()


@composite(
    method=True,
    samples=lambda: [case(normal(3, 5), 1, 1, 3, name="plain"), case(normal(5), 0, -2, 2, name="negative")],
)
def narrow(input, dim, start, length):
    """``length`` indices of one dimension from ``start``, as a view.

    >>> tg.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Tensor) and (start.ndim or start.is_floating_point() or start.dtype is bool_):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    dim, start = wrap_dim(dim, input.ndim), _whole_number(start, "start")
    extent = input.shape[dim]
    if not -extent <= start <= extent:
        raise IndexError(
            f"start out of range (expected to be in range of [{-extent}, {extent}], but got {start})"
        )
    start = start + extent if start < 0 else start
    if start + length > extent:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({extent}).")
    return _slice(input, dim, start, length, 1)


def bounds(start, end, step, extent: int) -> tuple[int, int, int]:
    """``start:end:step`` of a dimension of that extent as (first, count, step). Raises RuntimeError for a
    step below 1.
    """
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    first, stop, step = slice(start, end, step).indices(extent)
    return first, max(0, -(-(stop - first) // step)), step


@composite(
    others=("end",),
    name="slice",
    at=(),
    samples=lambda: [case(normal(3, 7), 1, 1, 6, 2, name="plain"), case(normal(3), name="all")],
)
def slice_(input, dim=0, start=None, end=None, step=1):
    """The indices ``start:end:step`` of one dimension, as a view: what ``slice_copy`` copies."""
    if input.ndim == 0:
        raise RuntimeError("slice() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, input.ndim)
    return _slice(input, dim, *bounds(start, end, step, input.shape[dim]))


@declare_view(
    vjp=dict(
        input=lambda g, offset, dim1, dim2, input_shape: _diagonal_backward(
            g, input_shape, offset, dim1, dim2
        ),
    ),
    samples=lambda: [
        case(normal(3, 4), name="plain"),
        case(normal(2, 3, 4), 1, 0, 2, name="offset"),
        case(normal(3, 2), -1, name="below"),
    ],
)
def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonal of two dimensions as the last one, as a view; above the main one for a positive
    ``offset``.

    >>> tg.arange(6).reshape(2, 3).diagonal(1)
    tensor([1, 5])
    """
    wrapped = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
    if wrapped[0] == wrapped[1]:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    offset = near_matrix(offset, *[input.shape[d] for d in wrapped])
    found = np.diagonal(input, offset, *wrapped)
    return found if found.size else input[(slice(0, 0),) * input.ndim].reshape(found.shape)


@primitive(
    vjp=dict(g=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2)),
    at=(),
    samples=lambda: [case(normal(2, 2), (2, 3, 2), 0, 2, 1, name="plain")],
)
def _diagonal_backward(g, shape, offset, dim1, dim2):
    """Zeros of ``shape`` with ``g`` on a diagonal of two of its dimensions."""
    full = np.zeros(shape, g.dtype)
    line = np.diagonal(full, near_matrix(offset, shape[dim1], shape[dim2]), dim1, dim2)
    line.flags.writeable = True
    line[...] = g
    return full


@composite(
    at=(),
    samples=lambda: [
        case(normal(3, 4), name="plain"),
        case(normal(2, 3, 4), offset=1, dim1=0, dim2=2, name="dims"),
    ],
)
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of a stack of matrices, as a view: ``diagonal`` of the last two dimensions.

    >>> tg.linalg.diagonal(tg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return A.diagonal(offset, dim1, dim2)


alias("diagonal", linalg_diagonal, at="tensorgrad.linalg", method=False)


@declare_view(
    vjp=dict(
        input=lambda g, dimension, size, step, input_shape: _unfold_backward(
            g, input_shape, dimension, size, step
        )
    ),
    at=(),
    samples=lambda: [case(normal(7), 0, 3, 2, name="plain"), case(normal(2, 5, 2), 1, 2, 1, name="overlap")],
)
def unfold(input, dimension, size, step):
    """All windows of ``size`` along a dimension, ``step`` apart, as a view whose last dimension is the
    window.

    >>> tg.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    dim = wrap_dim(dimension, input.ndim)
    extent = input.shape[dim] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > extent:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {extent} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if input.ndim == 0:
        return input.reshape(1)[:size]
    shape, strides = list(input.shape), list(input.strides)
    shape[dim] = (extent - size) // step + 1
    strides[dim] *= step if shape[dim] > 1 else 1
    return np.lib.stride_tricks.as_strided(input, [*shape, size], [*strides, input.strides[dim]])


@primitive(
    vjp=dict(g=lambda g, dimension, size, step: unfold(g, dimension, size, step)),
    at=(),
    samples=lambda: [case(normal(2, 4, 2, 2), (2, 5, 2), 1, 2, 1, name="plain")],
)
def _unfold_backward(g, shape, dimension, size, step):
    """Zeros of ``shape`` to which the windows ``g`` are added where they were taken."""
    full = np.zeros(shape, g.dtype)
    if not shape:
        full[...] = g.sum()
        return full
    dim = wrap_dim(dimension, len(shape))
    lines, windows = np.moveaxis(full, dim, 0), np.moveaxis(g, dim, 0)
    for i in range(size):
        lines[i : i + step * (len(windows) - 1) + 1 : step] += windows[..., i]
    return full
