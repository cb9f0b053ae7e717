"""`as_strided`, any view of the memory; shapes changed in place; views under torch's names for their
copies; what a write to a view does to its base.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, enable_grad
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.core.declare import view as declare_view
from tensorgrad.core.storages import TypedStorage, UntypedStorage
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.shapes.shaping import (
    expand,
    permute,
    sizes_of,
    squeeze,
    swapaxes,
    swapdims,
    t,
    transpose,
    unsqueeze,
    view,
)
from tensorgrad.ops.shapes.slicing import diagonal, narrow, select, slice_, unfold

# as_strided: any view of the memory. Its gradient takes a detour over the memory itself.


def _storage(shape, strides, offset, low=0):
    """Positions in a storage that starts at ``low``."""
    index = np.full(shape, offset - low, np.int64)
    for d, (extent, step) in enumerate(zip(shape, strides, strict=True)):
        index += (np.arange(extent) * step).reshape((-1,) + (1,) * (len(shape) - d - 1))
    return index


def both_places(view, source):
    """Positions of a view's and its source's elements in the memory that the two span, and how much that
    is.
    """
    a, b = _storage(*view), _storage(*source)
    low = min(a.min(initial=0), b.min(initial=0))
    return a - low, b - low, int(max(a.max(initial=0), b.max(initial=0)) - low + 1)


@declare_view(
    vjp=dict(
        input=lambda g, size, stride, storage_offset, source: _strided_backward(
            g, (size, stride, storage_offset), source
        )
    ),
    at=(),
    method=False,
    grad_name="AsStridedBackward0",
    samples=lambda: [case(normal(2, 3), (2, 2), (1, 2), 1, ((2, 3), (3, 1), 0), name="overlap")],
)
def _as_strided(input, size, stride, storage_offset, source):
    """``as_strided`` with everything known; ``source`` is the place of ``input`` in the memory: (shape,
    strides, offset).
    """
    away = storage_offset - source[2]
    step = input.itemsize if away >= 0 else -input.itemsize
    flat = np.lib.stride_tricks.as_strided(input, (abs(away) + 1,), (step,))[abs(away) :]
    return np.lib.stride_tricks.as_strided(flat, size, [s * input.itemsize for s in stride])


@primitive(
    vjp=dict(g=lambda g, view, source: _strided_forward(g, view, source)),
    at=(),
    samples=lambda: [case(normal(3, 2), ((3, 2), (1, 1), 1), ((2, 3), (3, 1), 0), name="overlap")],
)
def _strided_backward(g, view, source):
    """The gradient of the memory's elements, added up over a view, where a source shows them; shared equally
    among equals.
    """
    to, back, reach = both_places(view, source)
    memory = np.bincount(to.reshape(-1), weights=np.ascontiguousarray(g).reshape(-1), minlength=reach)
    shares = np.bincount(back.reshape(-1), minlength=reach)
    return (memory / np.maximum(shares, 1))[back].astype(g.dtype)


@primitive(
    vjp=dict(g=lambda g, view, source: _strided_backward(g, view, source)),
    at=(),
    samples=lambda: [case(normal(2, 3), ((3, 2), (1, 1), 1), ((2, 3), (3, 1), 0), name="overlap")],
)
def _strided_forward(g, view, source):
    """The values that a view shows of a memory into which a source's values are written, the mean of those
    that meet.
    """
    to, back, reach = both_places(view, source)
    memory = np.bincount(back.reshape(-1), weights=np.ascontiguousarray(g).reshape(-1), minlength=reach)
    shares = np.bincount(back.reshape(-1), minlength=reach)
    return (memory / np.maximum(shares, 1))[to].astype(g.dtype)


@composite(
    method=True,
    samples=lambda: [
        case(normal(6), (2, 3), (1, 2), name="overlap"),
        case(normal(6), (2,), (2,), 1, name="offset"),
    ],
)
def as_strided(input, size, stride, storage_offset=None):
    """Any view of the tensor's memory, by sizes, strides and offset in elements.

    Raises RuntimeError for a view that would leave the memory.

    >>> tg.arange(4).as_strided((3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    size, stride = tuple(size), tuple(stride)
    own = input.storage_offset()
    offset = own if storage_offset is None else storage_offset
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
        )
    if any(s < 0 for s in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    if math.prod(size) >= 2**63:
        raise RuntimeError("numel: integer multiplication overflow")
    reach = 0 if 0 in size else offset + 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    before, behind = _core._room_of(input)
    if reach > before + behind:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{input.itemsize} requiring a storage size of {reach * input.itemsize} are out of bounds for "
            f"storage of size {(before + behind) * input.itemsize}"
        )
    return _as_strided(input, size, stride, offset, (tuple(input.shape), input.stride(), own))


# In-place forms: the tensor itself takes another shape.


def _in_place(name: str, op):
    def change(self, *args, **kwargs):
        if self.grad_fn is None:
            return _core._become(self, op(self, *args, **kwargs))
        with enable_grad():                 # recorded or not, gradients arrive in the new shape
            view = op(self, *args, **kwargs)
        return _core._become(self, view)

    change.__name__ = change.__qualname__ = name
    change.__wrapped__ = op.definition  # type: ignore[attr-defined]  # for its signature
    change.__doc__ = f"``{op.__name__}``, in place: the tensor itself takes the new shape, and is returned."
    _core._add_method(name, change)


for _op in (t, transpose, swapaxes, swapdims, squeeze, unsqueeze, as_strided):
    _in_place(_op.__name__ + "_", _op)


def resize_(self: Any, *sizes: Any, size: Any = None, memory_format: Any = None) -> Tensor:
    """Another shape, in place, with as many of the elements as fit; what is added is not set.

    >>> tg.arange(4).resize_(2)
    tensor([0, 1])
    """
    return _core._resize(self, sizes_of(sizes if size is None else (size,)))


def resize_as_(self: Any, the_template: Any, memory_format: Any = None) -> Tensor:
    """``resize_`` to the shape of another tensor.

    >>> tg.ones(4).resize_as_(tg.ones(2, 2)).shape
    tensorgrad.Size([2, 2])
    """
    want_tensors("resize_as_", self=self, the_template=the_template)
    return _core._resize(self, tuple(the_template.shape))


def set_(
    self: Any, source: Any = None, storage_offset: Any = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Makes the tensor show the memory of ``source``, a tensor of its dtype or a storage; without one it
    becomes empty.

    With a ``size``, that of it which begins ``storage_offset`` elements after the first of ``source``.

    >>> x = tg.ones(2)
    >>> x.set_(tg.zeros(3))
    tensor([0., 0., 0.])
    """
    if isinstance(source, UntypedStorage):
        source = source._whole.view(self.dtype)
    elif isinstance(source, TypedStorage):
        source = source._whole
    if source is None:
        source = self.new_empty(0)
    elif size is None and storage_offset:
        raise TypeError("set_(): a storage_offset goes only with a size")
    if size is not None:
        if not source.is_contiguous():
            raise RuntimeError("set_(): passed in tensor to be used as storage must be contiguous")
        offset = source.storage_offset() + storage_offset
        source = as_strided(source.detach(), size, stride or contiguous_strides(size), offset)
    return _core._set_memory(self, source)


def contiguous_strides(size) -> tuple[int, ...]:
    """The strides, in elements, of a contiguous tensor of that shape."""
    return tuple(math.prod(max(n, 1) for n in size[d + 1 :]) for d in range(len(size)))


for _function in (resize_, resize_as_, set_):
    _core._add_method(_function.__name__, _function)


# Copies of the views, under torch's names for them.


def copying(op, example: str, shape: str, method: bool = False):
    """``op`` with copies for views; ``example`` are the arguments after a 2 by 3 tensor, ``shape`` what
    comes out.
    """

    def copy(input, *args, **kwargs):
        found = op(input, *args, **kwargs)
        return tuple([each.clone() for each in found]) if isinstance(found, tuple) else found.clone()

    name = op.__name__ + "_copy"
    copy.__name__ = copy.__qualname__ = name
    copy.__wrapped__ = op.definition  # type: ignore[attr-defined]  # for its signature
    copy.__doc__ = f"""``{op.__name__}`` with memory of its own instead of a view.

    >>> tg.{name}(tg.ones(2, 3){example}).shape
    tensorgrad.Size({shape})
    """
    if "(" in shape:
        copy.__doc__ = copy.__doc__.replace(f"tensorgrad.Size({shape})", shape).replace(".shape", "")
    return composite(name=name, method=method, samples=op.facts.samples)(copy)


for _op, _example, _shape in (
    (as_strided, ", (2, 2), (1, 2)", "[2, 2]"),
    (diagonal, "", "[2]"),
    (expand, ", (4, 2, 3)", "[4, 2, 3]"),
    (permute, ", (1, 0)", "[3, 2]"),
    (select, ", 0, 1", "[3]"),
    (slice_, ", 1, 0, 2", "[2, 2]"),
    (squeeze, "", "[2, 3]"),
    (t, "", "[3, 2]"),
    (transpose, ", 0, 1", "[3, 2]"),
    (unfold, ", 1, 2, 1", "[2, 2, 2]"),
    (unsqueeze, ", 0", "[1, 2, 3]"),
    (view, ", (6,)", "[6]"),
):
    copying(_op, _example, _shape)
narrow_copy = copying(narrow, ", 1, 0, 2", "[2, 2]", method=True)


@composite(samples=lambda: [case(normal(2, 3), name="plain")])
def alias_copy(input):
    """A copy with memory of its own.

    >>> tg.alias_copy(tg.ones(2))
    tensor([1., 1.])
    """
    return input.clone()


# What an in-place write to a view does to its base, and what the view then is: see core/README.md.


def _window(flat, shape, strides, offset):
    """The view of a flat array that shape, strides and offset, in elements, tell."""
    flat = flat if math.prod(shape) == 0 else flat[offset:]
    return np.lib.stride_tricks.as_strided(flat, shape, [step * flat.itemsize for step in strides])


@primitive(
    vjp=dict(
        base=lambda g, place: _view_scatter(g, g.new_zeros(place[0]), place),
        value=lambda g, place: _kept_gradient(_view_gather(g.contiguous(), place), place),
    ),
    at=(),
    grad_name="CopySlices",
    samples=lambda: [case(normal(3, 4), normal(2, 2), ((2, 2), (4, 2), 1, None), name="plain")],
)
def _view_scatter(base, value, place):
    """``base`` with ``value`` in the place of a view of it: (shape, strides, offset) in elements, or the
    flat indices.
    """
    full = np.array(base, order="C")
    shape, strides, offset, flat = place
    if flat is None:
        _window(full.reshape(-1), shape, strides, offset)[...] = value
    else:
        full.reshape(-1)[flat.reshape(-1)] = np.broadcast_to(value, shape).reshape(-1)
    return full


def _positions(place):
    """The flat indices, in the base, of a view's elements."""
    shape, strides, offset, flat = place
    if flat is not None:
        return flat
    index = np.full(shape, offset)
    for d, (extent, step) in enumerate(zip(shape, strides)):
        index += (np.arange(extent) * step).reshape((-1,) + (1,) * (len(shape) - d - 1))
    return index


def _overlaps(place):
    """Whether some elements of a view may share a place in the base."""
    shape, strides, _, flat = place
    if 0 in shape:
        return False
    if flat is not None:
        return np.unique(flat).size < flat.size
    reach = 0
    for step, extent in sorted((step, extent) for step, extent in zip(strides, shape) if extent > 1):
        if step <= reach:
            return True
        reach += step * (extent - 1)
    return False


@composite(at=())
def _written_last(x, value):
    """``value`` for a view ``x`` whose elements may share memory: each the last of those that share its place
    and differ from what is there.
    """
    old, new = _core._array_of(x), _core._array_of(value)
    order = np.arange(x.numel()) + x.numel() * (old != new).reshape(-1)
    where = _positions((tuple(x.shape), x.stride(), 0, None)).reshape(-1)
    _, place = np.unique(where, return_inverse=True)
    last = np.full(place.max() + 1, -1)
    np.maximum.at(last, place, order)
    source = _core._copy_of_array(last[place] % x.numel())
    return value.reshape(-1)[source].reshape(x.shape)


def _kept_gradient(g, place):
    """The gradient of what was written to a view: of elements that share a place only the last is kept."""
    if not _overlaps(place):
        return g
    where = _positions(place).reshape(-1)
    _, last = np.unique(where[::-1], return_index=True)
    lost = np.ones(where.size, bool)
    lost[where.size - 1 - last] = False
    return g.masked_fill(_core._copy_of_array(lost.reshape(place[0])), 0.0)


@primitive(
    vjp=dict(g=lambda g, place: _view_gather(g, place)),
    at=(),
    samples=lambda: [case(normal(2, 3), (3, 4), ((2, 3), (0, 2), 1, None), name="repeated")],
)
def _view_sum(g, shape, place):
    """Zeros of ``shape`` to which ``g`` is added in the place of a view, whose elements may repeat."""
    where = _positions(place).reshape(-1)
    total = np.bincount(where, weights=g.reshape(-1), minlength=math.prod(shape))
    return total.astype(g.dtype).reshape(shape)


@primitive(
    vjp=dict(base=lambda g, place, input_shape: _view_sum(g, input_shape, place)),
    at=(),
    grad_name="AsStridedBackward0",
    samples=lambda: [case(normal(3, 4), ((2, 2), (4, 2), 1, None), name="plain")],
)
def _view_gather(base, place):
    """The elements of ``base`` that a view of it shows."""
    base = np.ascontiguousarray(base).reshape(-1)
    shape, strides, offset, flat = place
    return np.array(_window(base, shape, strides, offset)) if flat is None else base[flat]
