"""Sums, products, extremes and counts: ops over some dimensions."""

from __future__ import annotations

import builtins
import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, is_grad_enabled
from tensorgrad.core.declare import between, case, composite, distinct, normal, primitive, reduction, truths
from tensorgrad.ops._tools import wrap_dim, wrap_dims
from tensorgrad.ops.elementwise import arithmetic
from tensorgrad.ops.elementwise.comparison import reaches
from tensorgrad.ops.indices import scattering
from tensorgrad.ops.shapes import shaping


def named(name: str, *fields: str) -> Any:
    """The type of an op's several answers: a tuple with names for its places, printed as PyTorch prints it.
    """
    make: Any = namedtuple
    plain = make(name, fields)

    def represent(self) -> str:
        parts = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self, strict=True))
        return f"{_core._library()}.return_types.{name}(\n{parts})"

    return type(
        name, (plain,), {"__slots__": (), "__repr__": represent, "__module__": "tensorgrad.return_types"}
    )


Max = named("max", "values", "indices")
Min = named("min", "values", "indices")
Aminmax = named("aminmax", "min", "max")


# ---------------------------------------------------------------------------- shared by all


def kept(reduced, dim, keepdim, input_shape):
    """A reduction's result with the reduced dimensions as 1."""
    if keepdim or not input_shape:
        return reduced
    return shaping.reshape(reduced, [1 if d in dim else n for d, n in enumerate(input_shape)])


def expanded_gradient(g, dim, keepdim, input_shape):
    """The gradient of a reduction over the elements that it reduced."""
    return shaping.expand(kept(g, dim, keepdim, input_shape), input_shape)


def picked_gradient(g, dim, index, keepdim, input_shape):
    """The gradient of elements that were picked along ``dim``, each in its place among zeros."""
    if not input_shape:
        return shaping.reshape(g, ())
    if not keepdim:
        g, index = shaping.unsqueeze(g, dim), shaping.unsqueeze(index, dim)
    return scattering._ungather(g, input_shape, dim, index)


def pick(array, index, dim, keepdim):
    """The elements of an array at ``index`` along ``dim``, and the index, without that dimension unless it
    is kept."""
    values = np.take_along_axis(array, index, dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


def all_dims(dim, ndim):
    """The dimensions that ``dim`` names; None and the empty tuple name all. A 0-d tensor has none, under any
    name."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    named = wrap_dims(dim, ndim)
    return named if ndim else ()


def added_up(array, dim, keepdims=False):
    """The sum over some dimensions; floats are added up in float64, in which what many roundings lose does
    not show."""
    return np.sum(array, axis=dim, keepdims=keepdims, dtype=np.float64 if array.dtype.kind == "f" else None)


def cast(input, dtype):
    """The tensor in another dtype, or itself."""
    return input if dtype is None or dtype is input.dtype else shaping._cast(input, dtype)


def check_extent(name, input, dim):
    """Raises IndexError when there is nothing to choose from along ``dim``."""
    if input.ndim and input.shape[dim] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


def check_tensor(name, input):
    """Raises TypeError for what is no tensor."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


def _count(dim, shape):
    return math.prod(shape[d] for d in dim)


# ---------------------------------------------------------------------------- sums and products


def _by_dims(title):
    """The name of a node in two forms, as PyTorch has them: over everything, and over some dimensions."""
    return lambda node: f"{title}Backward{int(len(node._settings['dim']) < len(node._input_shape))}"


@reduction(vjp=dict(input=expanded_gradient), rule="wide", grad_name=_by_dims("Sum"))
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over ``dim`` (everything if None); integers are added up in int64.

    >>> tg.sum(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    return added_up(input, dim, keepdim)


@composite(
    at=(),
    method=True,
    samples=lambda: [case(normal(2, 3, 4), 3, 1, name="sizes"), case(normal(2, 3), (2, 3), name="same")],
)
def sum_to_size(input, *sizes, size=None):
    """The sum over the dimensions that broadcasting from ``size`` to the input's shape would make.

    >>> tg.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    size = shaping.sizes_of(sizes if size is None else (*sizes, size))
    new = input.ndim - len(size)
    if new < 0 or builtins.any(wanted not in (1, n) for wanted, n in zip(size, input.shape[new:])):
        raise RuntimeError(f"size {list(size)} is not expandable to size {list(input.shape)}.")
    stretched = [new + i for i, wanted in enumerate(size) if wanted == 1 != input.shape[new + i]]
    dims = [*range(new), *stretched]
    return shaping.reshape(sum(input, dims, True), size) if dims else shaping.view(input, size)


@reduction(
    vjp=dict(
        input=lambda g, dim, keepdim, input_shape: expanded_gradient(
            arithmetic.mul(g, 1.0 / (_count(dim, input_shape) or 1)), dim, keepdim, input_shape
        )
    ),
    rule="float",
    grad_name=_by_dims("Mean"),
)
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over ``dim`` (everything if None); NaN of no elements. Integers are refused.

    >>> tg.mean(tg.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    return added_up(input, dim, keepdim) / np.float64(_count(dim, input.shape))


def without_one(rows):
    """Rows of n as (..., n, n): row k has a 1 in place of its k-th element."""
    n = rows.shape[-1]
    diagonal = rows.new_ones((n,)).diag() == 1
    return shaping.expand(shaping.unsqueeze(rows, -2), (*rows.shape[:-1], n, n)).masked_fill(diagonal, 1)


def _prod_input(g, input, output, dim, keepdim, input_shape):
    """Each element's gradient is the product of the others. Where a zero forbids to get that by dividing,
    the others are multiplied out; that is also what must be differentiated again then."""
    if not input_shape:
        return g
    zero = input == 0
    if not zero.any().item():
        return kept(g, dim, keepdim, input_shape) * (kept(output, dim, keepdim, input_shape) / input)
    g = kept(g, dim, keepdim, input_shape)
    rest = [d for d in range(len(input_shape)) if d not in dim]
    order = (*rest, *dim)
    moved = shaping.permute(input, order)
    rows = shaping.reshape(moved, (*moved.shape[: len(rest)], _count(dim, input_shape)))
    others = prod(without_one(rows), -1) if is_grad_enabled() else _product_of_others(rows)
    back = [order.index(d) for d in range(len(order))]
    return g * shaping.permute(shaping.reshape(others, moved.shape), back)


@primitive(nograd=("rows",), at=(), samples=lambda: [case(normal(2, 3), name="plain")])
def _product_of_others(rows):
    """For every element of the last dimension the product of those before and of those behind it."""
    before, behind = np.ones((2, *rows.shape), np.float64)
    np.cumprod(rows[..., :-1], -1, np.float64, before[..., 1:])
    np.cumprod(rows[..., :0:-1], -1, np.float64, behind[..., -2::-1])
    return (before * behind).astype(rows.dtype)


@reduction(
    vjp=dict(input=_prod_input), rule="wide", draw=lambda *shape: between(0.5, 1.5, *shape),
    grad_name=_by_dims("Prod"),
)  # fmt: skip
def prod(input, dim=None, keepdim=False, *, dtype=None):
    """The product over ``dim`` (everything if None), 1 of no elements; integers are multiplied in int64.

    >>> tg.prod(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([ 2., 12.])
    """
    return np.prod(input, axis=dim, keepdims=keepdim, dtype=np.float64 if input.dtype.kind == "f" else None)


@reduction(
    vjp=dict(
        input=lambda g, input, dim, keepdim, input_shape: arithmetic._keep(
            expanded_gradient(g, dim, keepdim, input_shape), input == input
        )
    ),
    rule="wide",
)
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over ``dim`` of what is not NaN.

    >>> tg.nansum(tg.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    return added_up(np.where(input == input, input, input.dtype.type(0)), dim, keepdim)


@composite(
    single=True,
    samples=lambda: [case(normal(3, 4), name="all"), case(normal(2, 3, 4), (0, 2), True, name="dims-keep")],
    method=True,
)
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over ``dim`` of what is not NaN; NaN where nothing is left. Integers are refused.

    >>> tg.nanmean(tg.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    check_tensor("nanmean", input)
    if not input.is_floating_point():
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype}"
        )
    if dtype is not None and not dtype.is_floating_point:
        raise RuntimeError(f"nanmean(): could not infer output dtype: {dtype.name} has no fractions")
    return nansum(input, dim, keepdim, dtype=dtype) / sum(input == input, dim, keepdim)


def _logsumexp_input(g, input, output, dim, keepdim, input_shape):
    output = kept(output, dim, keepdim, input_shape)
    return kept(g, dim, keepdim, input_shape) * (input - output).exp()


@reduction(
    vjp=dict(input=_logsumexp_input),
    rule="free",
    at=("tensorgrad", "tensorgrad.special"),
    samples=lambda: [
        case(normal(2, 3), 1, name="last"),
        case(normal(2, 3, 4), 1, name="dim1"),
        case(normal(2, 3, 4), (0, 2), True, name="dims-keep"),
        case(normal(), 0, name="0-d"),
    ],
)
def logsumexp(input, dim, keepdim=False):
    r"""The logarithm of a sum of exponentials, :math:`\log \sum_i e^{x_i}`, without overflow; minus infinity
    of no elements.

    >>> tg.logsumexp(tg.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    x = input if input.dtype.kind == "f" else input.astype(np.float32)
    high = np.max(x, axis=dim, keepdims=True, initial=-np.inf)
    high = np.where(np.isfinite(high), high, 0)
    total = np.log(added_up(np.exp(x - high), dim, True)) + high
    return (total if keepdim else total.squeeze(dim)).astype(x.dtype)


# ---------------------------------------------------------------------------- extremes


def shared(g, reached, dim):
    """A gradient in equal parts to the elements that reached an extreme over ``dim``, and to no others."""
    return arithmetic._keep(shaping.expand(g / sum(reached, dim, True), reached.shape), reached)


def _shared(g, input, output, dim, keepdim, input_shape):
    reached = reaches(input, kept(output, dim, keepdim, input_shape))
    return shared(kept(g, dim, keepdim, input_shape), reached, dim)


def _check_reduced(name):
    def check(input, dim):
        for d in dim:
            check_extent(name, input, d)

    return check


@reduction(vjp=dict(input=_shared), checks=_check_reduced("amax"), draw=distinct)
def amax(input, dim=None, keepdim=False):
    """The largest element over ``dim`` (everything if None); NaN if there is one. Elements that tie share
    the gradient.

    Raises IndexError where there is nothing to choose from.

    >>> tg.amax(tg.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([5., 7.])
    """
    return np.amax(input, axis=dim, keepdims=keepdim)


@reduction(vjp=dict(input=_shared), checks=_check_reduced("amin"), draw=distinct)
def amin(input, dim=None, keepdim=False):
    """The smallest element over ``dim`` (everything if None); NaN if there is one. Elements that tie share
    the gradient.

    Raises IndexError where there is nothing to choose from.

    >>> tg.amin(tg.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    tensor([1., 3.])
    """
    return np.amin(input, axis=dim, keepdims=keepdim)


def _extreme(result, argument, input, dim, keepdim):
    """An extreme along one dimension and the first index where it is."""
    if input.ndim == 0:
        return result(np.array(input), np.zeros((), np.int64))
    return result(*pick(input, argument(input, axis=dim, keepdims=True), dim, keepdim))


_DIM_SAMPLES = [
    case(distinct(3, 4), 1, name="dim1"),
    case(distinct(2, 3, 4), -2, True, name="keep"),
    case(distinct(), 0, name="0-d"),
]


def _picked(g, output_1, dim, keepdim, input_shape):
    return picked_gradient(g, dim, output_1, keepdim, input_shape)


@primitive(vjp=dict(input=_picked), at=(), grad_name="MaxBackward0", samples=lambda: _DIM_SAMPLES)
def _max_along(input, dim, keepdim=False):
    """The largest elements along one dimension, and where they are."""
    return _extreme(Max, np.argmax, input, dim, keepdim)


@primitive(vjp=dict(input=_picked), at=(), grad_name="MinBackward0", samples=lambda: _DIM_SAMPLES)
def _min_along(input, dim, keepdim=False):
    """The smallest elements along one dimension, and where they are."""
    return _extreme(Min, np.argmin, input, dim, keepdim)


_max_along.answer, _min_along.answer = Max, Min  # what a hot path makes of the two


def _overloaded(name, along, whole, pairwise, input, dim, keepdim, other):
    """``max`` and ``min``: of everything, along one dimension, or of two tensors element by element."""
    check_tensor(name, input)
    if isinstance(dim, Tensor) and other is None:
        dim, other = None, dim
    if other is not None and dim is not None:
        raise TypeError(f"{name}() takes a dim or another tensor, not both")
    if other is not None:
        return getattr(input, pairwise)(other)
    if dim is not None:
        dim = wrap_dim(dim, input.ndim)
        check_extent(name, input, dim)
        return along(input, dim, builtins.bool(keepdim))
    if input.numel() == 0:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            "dim with the 'dim' argument."
        )
    return whole(input)


@composite(
    samples=lambda: [
        case(distinct(3, 4), name="all"),
        *_DIM_SAMPLES,
        case(normal(2, 3), distinct(2, 3), name="two"),
    ],
    method=True,
)
def max(input, dim=None, keepdim=False, *, other=None):
    """The largest element; with ``dim`` the pair (values, indices) along it; with another tensor the larger
    of the two, element by element. NaN counts as the largest.

    >>> tg.max(tg.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1).indices
    tensor([1, 0])
    """
    return _overloaded("max", _max_along, amax, "maximum", input, dim, keepdim, other)


@composite(
    samples=lambda: [
        case(distinct(3, 4), name="all"),
        *_DIM_SAMPLES,
        case(normal(2, 3), distinct(2, 3), name="two"),
    ],
    method=True,
)
def min(input, dim=None, keepdim=False, *, other=None):
    """The smallest element; with ``dim`` the pair (values, indices) along it; with another tensor the
    smaller of the two, element by element. NaN counts as the smallest.

    >>> tg.min(tg.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1).values
    tensor([1., 3.])
    """
    return _overloaded("min", _min_along, amin, "minimum", input, dim, keepdim, other)


@composite(samples=lambda: [case(distinct(3, 4), None, False, name="all")], at=())
def _aminmax(input, dim, keepdim):
    """Both extremes, of arguments that were checked."""
    return Aminmax(amin(input, dim, keepdim), amax(input, dim, keepdim))


@composite(
    others=("out",), method=True,
    samples=lambda: [case(distinct(3, 4), name="all"), case(distinct(3, 4), dim=0, name="dim0")],
)  # fmt: skip
def aminmax(input, *, dim=None, keepdim=False, out=None):
    """The pair (min, max) of everything, or along ``dim``.

    >>> tg.aminmax(tg.tensor([3, 1, 2])).max
    tensor(3)
    """
    check_tensor("aminmax", input)
    if dim is not None:
        dim = wrap_dim(dim, input.ndim)
        check_extent("aminmax", input, dim)
    elif input.numel() == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    if out is None:
        return _aminmax(input, dim, keepdim)
    if not isinstance(out, Sequence) or [isinstance(each, Tensor) for each in out] != [True, True]:
        raise TypeError("aminmax(): argument 'out' must be tuple of 2 Tensors")
    for each in out:
        if each.dtype is not input.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {input.dtype}, but got {each.dtype} instead"
            )
    return _aminmax(input, dim, keepdim, out=out)


def _argument(name, find, input, dim, keepdim):
    if input.dtype == np.bool_:
        raise RuntimeError(f"{name}(): does not support bool input")
    if dim is None:
        if input.size == 0:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        return np.reshape(find(input), [1] * input.ndim if keepdim else [])
    dim = wrap_dim(dim, input.ndim)
    check_extent(name, input, dim)
    return find(input, axis=dim, keepdims=keepdim) if input.ndim else np.zeros((), np.int64)


@primitive(
    nograd=("input",),
    method=True,
    samples=lambda: [
        case(distinct(3, 4), name="all"),
        case(distinct(3, 4), 1, name="dim1"),
        case(distinct(3, 4), 0, True, name="keep"),
    ],
)
def argmax(input, dim=None, keepdim=False):
    """Where the largest element is: its index along ``dim``, or in the flattened tensor. NaN counts as the
    largest.

    >>> tg.argmax(tg.tensor([[1, 5], [7, 3]]), dim=1)
    tensor([1, 0])
    """
    return _argument("argmax", np.argmax, input, dim, keepdim)


@primitive(
    nograd=("input",),
    method=True,
    samples=lambda: [
        case(distinct(3, 4), name="all"),
        case(distinct(3, 4), 1, name="dim1"),
        case(distinct(3, 4), 0, True, name="keep"),
    ],
)
def argmin(input, dim=None, keepdim=False):
    """Where the smallest element is: its index along ``dim``, or in the flattened tensor. NaN counts as the
    smallest.

    >>> tg.argmin(tg.tensor([[1, 5], [7, 3]]), dim=0)
    tensor([0, 1])
    """
    return _argument("argmin", np.argmin, input, dim, keepdim)


# ---------------------------------------------------------------------------- truth and counts


@reduction(rule="bool", draw=truths)
def all(input, dim=None, keepdim=False):
    """Whether every element over ``dim`` is true (not 0); True of no elements.

    >>> tg.all(tg.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return np.all(input, axis=dim, keepdims=keepdim)


@reduction(rule="bool", draw=truths)
def any(input, dim=None, keepdim=False):
    """Whether some element over ``dim`` is true (not 0); False of no elements.

    >>> tg.any(tg.tensor([[True, False], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return np.any(input, axis=dim, keepdims=keepdim)


@primitive(
    nograd=("input",),
    method=True,
    samples=lambda: [
        case(normal(3, 4), name="all"),
        case(truths(2, 3, 4), (0, 2), name="dims"),
    ],
)
def count_nonzero(input, dim=None):
    """How many elements over ``dim`` are not 0.

    >>> tg.count_nonzero(tg.tensor([[1, 0], [2, 3]]), dim=0)
    tensor([2, 1])
    """
    return np.asarray(np.count_nonzero(input, axis=all_dims(dim, input.ndim)), np.int64)
