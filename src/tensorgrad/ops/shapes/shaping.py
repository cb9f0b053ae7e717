"""Other shapes on the same elements: views where the strides allow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Size, Tensor, _core, float64
from tensorgrad.core.declare import alias, case, composite, normal, primitive, registry
from tensorgrad.core.declare import view as declare_view
from tensorgrad.ops._tools import is_sequence, wrap_dim


@declare_view(
    vjp=dict(input=lambda g, input_shape: reshape(g, input_shape)),
    variadic="shape",
    grad_name="ViewBackward0",
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


@declare_view(
    vjp=dict(input=lambda g: g),
    at=(),
    method=False,
    grad_name="AliasBackward0",
    samples=lambda: [case(normal(2, 3), name="plain")],
)
def _alias(input):
    """The same elements again, as a view."""
    return input[...]


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
    if len(tensors) == 1 and is_sequence(tensors[0]) and tensors[0]:
        tensors = tuple(tensors[0])
    for i, each in enumerate(tensors):
        if not isinstance(each, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}")
    shape = broadcast_shapes(*[each.shape for each in tensors])
    return tuple([expand(each, shape) for each in tensors])


def broadcast_shapes(*shapes: Any) -> Size:
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
                    f"non-singleton dimension {len(together) - back}; the shapes are "
                    f"{[list(each) for each in shapes]}"
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
            f"number of dims as destination ({destination} dims)"
        )
    places = dict(
        zip(_moved(destination, input.ndim, "destination"), _moved(source, input.ndim, "source"), strict=True)
    )
    rest = (d for d in range(input.ndim) if d not in set(places.values()))
    return permute(input, tuple([places[d] if d in places else next(rest) for d in range(input.ndim)]))


alias("moveaxis", movedim)


PUBLIC = {"tensorgrad": (broadcast_shapes,)}
