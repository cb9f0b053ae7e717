"""Other shapes on the same elements: views where the strides allow it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tensorgrad.core import Size, Tensor, _core, bool_, float64
from tensorgrad.core.declare import alias, case, composite, normal, primitive, registry
from tensorgrad.core.declare import view as declare_view
from tensorgrad.ops._tools import is_sequence, near_matrix, wrap_dim


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
    return input[(*_at(input, dim, int(index)), ...)]


def _at(array, dim, index):
    """The NumPy index that is ``index`` in one dimension."""
    return (slice(None),) * wrap_dim(dim, array.ndim) + (index,)


def _put(full, where, g):
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
    return _put(full, _at(full, dim, int(index)), g)


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
    return _put(full, _at(full, dim, slice(start, start + length * step, step)), g)


@primitive(vjp=dict(input=lambda g: g), method=True, samples=lambda: [case(normal(2, 3), name="plain")])
def clone(input, *, memory_format=None):
    """A copy with memory of its own, on the tape.

    >>> tg.ones(2).clone()
    tensor([1., 1.])
    """
    return np.array(input)


@primitive(
    vjp=dict(input=lambda g: g), at=(), method=True, samples=lambda: [case(normal(2, 3), name="plain")]
)
def contiguous(input, memory_format=None):
    """The tensor itself if its elements lie in the order of its indices, else a copy in which they do.

    >>> tg.ones(2, 3).t().contiguous().is_contiguous()
    True
    """
    return np.array(input)


@primitive(
    vjp=dict(input=lambda g: g),
    at=(),
    grad_name="ToCopyBackward0",
    samples=lambda: [case(normal(2, 3), float64, name="plain")],
)
def _cast(input, dtype):
    """The values in another dtype; the engine casts the gradient back."""
    return input.astype(dtype.numpy_dtype)


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


# Names for reshapes and permutations.


@declare_view(
    vjp=dict(input=lambda g: t(g)),
    samples=lambda: [
        case(normal(2, 3), name="plain"),
        case(normal(3), name="1-d"),
        case(normal(), name="0-d"),
    ],
)
def t(input):
    """A matrix with rows and columns swapped, as a view; of fewer dimensions a view of the whole.

    Raises RuntimeError for more than two dimensions.

    >>> tg.tensor([[1, 2, 3]]).t().shape
    tensorgrad.Size([3, 1])
    """
    return input.T


@composite(
    at=(),
    samples=lambda: [
        case(normal(2, 3), name="plain"),
        case(normal(2, 3, 4), name="3-d"),
        case(normal(), name="0-d"),
    ]
)
def T(input):
    """All dimensions in reverse order, as a view: ``x.T``.

    >>> tg.ones(2, 3).T.shape
    tensorgrad.Size([3, 2])
    """
    return permute(input, tuple(range(input.ndim - 1, -1, -1)))


@composite(at=(), samples=lambda: [case(normal(2, 3), name="plain"), case(normal(2, 3, 4), name="batch")])
def mT(input):
    """The last two dimensions swapped, as a view: ``x.mT``. A 0-d tensor is given back; raises RuntimeError
    for one dimension.

    >>> tg.ones(5, 2, 3).mT.shape
    tensorgrad.Size([5, 3, 2])
    """
    if input.ndim == 0:
        return input
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return transpose(input, -2, -1)


@composite(at=(), samples=lambda: [case(normal(2, 3), name="plain"), case(normal(), name="0-d")])
def H(input):
    """A matrix transposed (there are no complex numbers to conjugate): ``x.H``. Raises RuntimeError for
    other than 2 dimensions.

    >>> tg.ones(2, 3).H.shape
    tensorgrad.Size([3, 2])
    """
    if input.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor."
        )
    return t(input)


@composite(at=(), samples=lambda: [case(normal(2, 3), name="plain"), case(normal(2, 3, 4), name="batch")])
def mH(input):
    """The last two dimensions swapped (there are no complex numbers to conjugate): ``x.mH``.

    >>> tg.ones(5, 2, 3).mH.shape
    tensorgrad.Size([5, 3, 2])
    """
    if input.ndim < 2 and input.ndim:
        raise RuntimeError(
            f"tensor.mH is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return transpose(input, -2, -1) if input.ndim else input


for _name in ("T", "mT", "H", "mH"):
    _core._add_method(_name, property(registry[_name].body, doc=registry[_name].__doc__))
alias("adjoint", mH, method=True, at="tensorgrad")


@composite(method=True, at=(), samples=lambda: [case(normal(2, 6), normal(3, 4), name="plain")])
def view_as(input, other):
    """The same memory in the shape of ``other``.

    >>> tg.arange(4).view_as(tg.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return view(input, other.shape)


@composite(method=True, at=(), samples=lambda: [case(normal(2, 6), normal(3, 4), name="plain")])
def reshape_as(input, other):
    """The same elements in the shape of ``other``, a view where possible.

    >>> tg.arange(4).reshape_as(tg.ones(2, 2)).shape
    tensorgrad.Size([2, 2])
    """
    return reshape(input, other.shape)


@composite(method=True, at=(), samples=lambda: [case(normal(3, 1), normal(2, 3, 4), name="plain")])
def expand_as(input, other):
    """Dimensions of size 1 repeated to the shape of ``other``, without copying.

    >>> tg.ones(2, 1).expand_as(tg.ones(2, 3)).shape
    tensorgrad.Size([2, 3])
    """
    return expand(input, other.shape)


def sizes_of(given: tuple) -> tuple:
    """The sizes of ``f(x, 2, 3)`` or ``f(x, (2, 3))``."""
    return tuple(given[0]) if len(given) == 1 and is_sequence(given[0]) else given


@composite(method=True, samples=lambda: [case(normal(3, 1), (2, 3, 4), name="plain")])
def broadcast_to(input, size):
    """Dimensions of size 1 repeated to ``size``, without copying.

    >>> tg.broadcast_to(tg.arange(2), (2, 2))
    tensor([[0, 1],
            [0, 1]])
    """
    return expand(input, size)


@composite(samples=lambda: [case(normal(3, 1), normal(4), name="plain")])
def broadcast_tensors(*tensors):
    """All tensors expanded to the shape they broadcast to together, as views.

    >>> [a.shape for a in tg.broadcast_tensors(tg.ones(3, 1), tg.ones(2))]
    [tensorgrad.Size([3, 2]), tensorgrad.Size([3, 2])]
    """
    if len(tensors) == 1 and isinstance(tensors[0], Sequence):
        tensors = tuple(tensors[0])
    for i, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}")
    shape = broadcast_shapes(*[each.shape for each in tensors])
    return tuple([expand(each, shape) for each in tensors])


def broadcast_shapes(*shapes) -> Size:
    """The shape that these shapes broadcast to; an int stands for a shape of one size.

    Raises RuntimeError when they don't.

    >>> tg.broadcast_shapes((3, 1), (2,))
    tensorgrad.Size([3, 2])
    """
    shapes = [(each,) if isinstance(each, int) else tuple(each) for each in shapes]
    together = [1] * max((len(each) for each in shapes), default=0)
    for shape in shapes:
        for back, extent in enumerate(reversed(shape), 1):
            if extent < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({extent}): ({extent})")
            if together[-back] == 1:
                together[-back] = extent
            elif extent not in (1, together[-back]):
                raise RuntimeError(
                    f"The size of tensor a ({together[-back]}) must match the size of tensor b ({extent}) at "
                    f"non-singleton "
                    f"dimension {len(together) - back}; the shapes are {[list(each) for each in shapes]}"
                )
    return Size(together)


@composite(
    method=True,
    samples=lambda: [
        case(normal(2, 3, 4), name="all"),
        case(normal(2, 3, 4), 1, name="from 1"),
        case(normal(), name="0-d"),
    ],
)
def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions from ``start_dim`` to ``end_dim`` as one, a view where possible.

    >>> tg.ones(2, 3, 4).flatten(1).shape
    tensorgrad.Size([2, 12])
    """
    shape = input.shape
    if not shape:
        wrap_dim(start_dim, 0), wrap_dim(end_dim, 0)
        return reshape(input, (1,))
    first, last = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return input
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composite(method=True, samples=lambda: [case(normal(2, 12), 1, (3, -1), name="plain")])
def unflatten(input, dim, sizes):
    """One dimension split into several; one of ``sizes`` may be -1.

    >>> tg.ones(2, 12).unflatten(1, (3, -1)).shape
    tensorgrad.Size([2, 3, 4])
    """
    sizes = tuple(sizes) if is_sequence(sizes) else (sizes,)
    dim = wrap_dim(dim, input.ndim)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    extent = input.shape[dim]
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if (extent % known if known else extent) if -1 in sizes else known != extent:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({extent}) "
            f"in the input tensor"
        )
    sizes = [extent // known if size == -1 and known else size for size in sizes]
    return reshape(input, (*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))


@composite(method=True, samples=lambda: [case(normal(2, 3), name="plain"), case(normal(), name="0-d")])
def ravel(input):
    """All elements in one dimension: a view of a contiguous tensor, a copy of any other.

    >>> tg.ones(2, 3).ravel().shape
    tensorgrad.Size([6])
    """
    return reshape(contiguous(input), (input.numel(),))


@composite(method=True, samples=lambda: [case(normal(2, 3, 4), 0, 2, name="plain")])
def swapaxes(input, axis0, axis1):
    """Two dimensions swapped, as a view.

    >>> tg.ones(2, 3).swapaxes(0, 1).shape
    tensorgrad.Size([3, 2])
    """
    return transpose(input, axis0, axis1)


@composite(method=True, samples=lambda: [case(normal(2, 3, 4), 0, 2, name="plain")])
def swapdims(input, dim0, dim1):
    """Two dimensions swapped, as a view.

    >>> tg.ones(2, 3).swapdims(0, 1).shape
    tensorgrad.Size([3, 2])
    """
    return transpose(input, dim0, dim1)


def _moved(dims, ndim: int, which: str) -> list[int]:
    given = list(dims) if is_sequence(dims) else [dims]
    wrapped = [wrap_dim(d, ndim) for d in given]
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"movedim: repeated dim in `{which}` ({given})")
    return wrapped


@composite(
    others=("source",),
    method=True,
    samples=lambda: [
        case(normal(2, 3, 4), 0, 2, name="one"),
        case(normal(2, 3, 4), (0, 1), (-1, 0), name="two"),
    ],
)
def movedim(input, source, destination):
    """Some dimensions moved to other places, as a view; the rest keep their order.

    >>> tg.ones(2, 3, 4).movedim(0, -1).shape
    tensorgrad.Size([3, 4, 2])
    """
    count = [len(d) if is_sequence(d) else 1 for d in (source, destination)]
    if count[0] != count[1]:
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({source} dims) should contain the same "
            f"number of dims as "
            f"destination ({destination} dims)"
        )
    places = dict(
        zip(_moved(destination, input.ndim, "destination"), _moved(source, input.ndim, "source"), strict=True)
    )
    rest = (d for d in range(input.ndim) if d not in set(places.values()))
    return permute(input, tuple([places[d] if d in places else next(rest) for d in range(input.ndim)]))


alias("moveaxis", movedim)


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


PUBLIC = {"tensorgrad": (broadcast_shapes,)}
