"""Sorting, the largest few, distinct elements, and search in sorted ones."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, float64, int64
from tensorgrad.core.declare import case, composite, distinct, integers, primitive
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.elementwise.comparison import eq, logical_not, ne
from tensorgrad.ops.reducing.reductions import check_tensor, named, pick, picked_gradient

Sort = named("sort", "values", "indices")
Topk = named("topk", "values", "indices")


# ---------------------------------------------------------------------------- order


def _ascending(array, dim):
    """The stable order of an array along ``dim``. NaN counts as the largest."""
    if array.dtype.kind != "f" or array.size < 500:
        return np.argsort(array, axis=dim, kind="stable")
    # The quick order is the stable one in rows without equal elements, as most rows of floats are.
    rows = np.moveaxis(array, dim, -1)
    order = np.argsort(rows, axis=-1)
    ordered = np.take_along_axis(rows, order, -1)
    tied = ~(ordered[..., 1:] > ordered[..., :-1]).all(-1)
    order[tied] = np.argsort(rows[tied], axis=-1, kind="stable")
    return np.moveaxis(order, -1, dim)


def _order(array, dim, descending):
    """The stable order of an array along ``dim``, up or down."""
    if not descending:
        return _ascending(array, dim)
    # Backwards there and back again, so that equal elements keep their order.
    return array.shape[dim] - 1 - np.flip(_ascending(np.flip(array, dim), dim), dim)


def _placed(g, output_1, dim, input_shape):
    return picked_gradient(g, dim, output_1, True, input_shape)


@primitive(
    vjp=dict(input=_placed),
    at=(),
    grad_name="SortBackward0",
    samples=lambda: [
        case(distinct(3, 4), 1, False, name="last"),
        case(distinct(3, 4), 0, True, name="descending"),
    ],
)
def _sort(input, dim, descending):
    """The sorted elements, and where they came from."""
    if input.ndim == 0:
        return Sort(np.array(input), np.zeros((), np.int64))
    return Sort(*pick(input, _order(input, dim, descending), dim, True))


_sort.answer = Sort  # what a hot path makes of the two


def _sort_settings(name, input, dim, descending, stable):
    """``(dim, descending)`` and ``(*, stable, dim, descending)``; the order is stable either way."""
    check_tensor(name, input)
    if dim is not None and isinstance(dim, bool):
        raise TypeError(f"{name}(): argument 'dim' must be int, not bool")
    if not isinstance(descending, (bool, np.bool_)):
        raise TypeError(f"{name}(): argument 'descending' must be bool, not {type(descending).__name__}")
    return wrap_dim(dim, input.ndim), bool(descending)


def _sort_samples():
    return [
        case(distinct(3, 4), name="last"),
        case(distinct(3, 4), 0, True, name="descending"),
        case(distinct(5), stable=True, name="stable"),
    ]


@composite(samples=_sort_samples, method=True, optional=("stable",))
def sort(input, dim=-1, descending=False, stable=False):
    """The pair (values, indices) of the elements in order along ``dim``. NaN counts as the largest; equal
    elements keep their order, asked for by ``stable`` or not.

    >>> tg.sort(tg.tensor([3, 1, 2])).values
    tensor([1, 2, 3])
    """
    return _sort(input, *_sort_settings("sort", input, dim, descending, stable))


@primitive(nograd=("input",), samples=_sort_samples, method=True)
def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that bring the elements along ``dim`` in order.

    >>> tg.argsort(tg.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    dim = wrap_dim(dim, input.ndim)
    return _order(input, dim, descending) if input.ndim else np.zeros((), np.int64)


@composite(samples=lambda: [case(distinct(4, 2), name="plain")], method=True)
def msort(input):
    """The elements in order along the first dimension.

    >>> tg.msort(tg.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return sort(input, 0)[0]


@primitive(
    vjp=dict(input=_placed),
    at=(),
    grad_name="TopkBackward0",
    samples=lambda: [
        case(distinct(3, 4), 2, 1, True, True, name="largest"),
        case(distinct(3, 4), 2, 0, False, True, name="smallest"),
    ],
)
def _topk(input, k, dim, largest, sorted):
    """The k largest or smallest elements, in order, and where they are."""
    if input.ndim == 0:
        return Topk(np.array(input), np.zeros((), np.int64))
    return Topk(*pick(input, np.take(_order(input, dim, largest), range(k), axis=dim), dim, True))


_topk.answer = Topk


@composite(
    samples=lambda: [
        case(distinct(3, 5), 2, name="largest"),
        case(distinct(3, 5), 2, 0, False, name="smallest"),
        case(distinct(4), 4, name="every"),
    ],
    method=True,
)
def topk(input, k, dim=-1, largest=True, sorted=True):
    """The pair (values, indices) of the k largest (or smallest) elements along ``dim``, in order.

    >>> tg.topk(tg.tensor([3, 1, 2]), 2).values
    tensor([3, 2])
    """
    check_tensor("topk", input)
    if input.dtype.name == "bool":
        raise RuntimeError("topk does not support bool dtypes on CPU")
    dim = wrap_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if input.ndim == 0 and k == 0:
        raise RuntimeError("selected index k out of range: a 0-d tensor has one element, and k is 0")
    return _topk(input, k, dim, bool(largest), bool(sorted))


# ---------------------------------------------------------------------------- distinct elements


def _answers(found, return_inverse, return_counts):
    values, inverse, counts = found
    answers = (values, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))
    return answers if len(answers) > 1 else values


@primitive(nograd=("input",), at=(), samples=lambda: [case(integers(0, 4, 3, 4), None, name="all")])
def _unique(input, dim):
    """The distinct elements or slices in order, which of them each is, and how often each comes."""
    if dim is None:
        values, inverse, counts = np.unique(input, return_inverse=True, return_counts=True, equal_nan=False)
        return values, inverse.reshape(input.shape), counts
    values, inverse, counts = np.unique(
        input, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    return values, inverse.reshape(-1), counts


def _check_slices(name, input, dim):
    dim = wrap_dim(dim, input.ndim)
    if input.ndim == 0:
        raise IndexError(f"{name}(): Dimension specified as {dim} but tensor has no dimensions")
    if input.numel() == 0 and input.ndim and any(n == 0 for d, n in enumerate(input.shape) if d != dim):
        raise RuntimeError(
            f"{name}(): there are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    return dim


@composite(
    others=("elements", "test_elements"),
    samples=lambda: [
        case(integers(0, 4, 3, 4), integers(0, 4, 2), name="plain"),
        case(integers(0, 4, 5), 2, invert=True, name="number"),
    ],
    smooth=False,
)
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each of ``elements`` is among ``test_elements``, or with ``invert`` is not. One of them may be
    a number.

    >>> tg.isin(tg.tensor([1, 2, 3]), tg.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin(): elements or test_elements must be a tensor, and both are numbers")
    if any(
        x.dtype is bool_ if isinstance(x, Tensor) else isinstance(x, bool) for x in (elements, test_elements)
    ):
        raise RuntimeError(
            "Unsupported input type encountered for isin(): Bool; convert with .to(tensorgrad.uint8)"
        )
    if not isinstance(test_elements, Tensor):
        return ne(elements, test_elements) if invert else eq(elements, test_elements)
    if not isinstance(elements, Tensor):
        found = eq(test_elements, elements).any()
        return logical_not(found) if invert else found
    among, wanted = (
        _core._array_of(x) for x in (elements, test_elements)
    )
    return _core._copy_of_array(
        np.asarray(np.isin(among, wanted, assume_unique=assume_unique, invert=invert))
    )


@composite(
    samples=lambda: [
        case(integers(0, 4, 3, 4), name="plain"),
        case(integers(0, 4, 8), return_inverse=True, return_counts=True, name="three"),
        case(integers(0, 2, 4, 2), dim=0, name="rows"),
    ],
    method=True,
    smooth=False,
)
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements (or slices along ``dim``) in order; on request also which of them each element
    is, and how often each comes. Every NaN is one of its own.

    >>> tg.unique(tg.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    check_tensor("unique", input)
    dim = dim if dim is None else _check_slices("unique", input, dim)
    return _answers(_unique(input, dim), return_inverse, return_counts)


@primitive(nograd=("input",), at=(), samples=lambda: [case(integers(0, 2, 8), None, name="all")])
def _unique_runs(input, dim):
    """The first element or slice of every run of equal ones, which run each is in, and how long each is."""
    rows = input.reshape(-1, 1) if dim is None else np.moveaxis(np.atleast_1d(input), dim, 0)
    flat = (
        rows.reshape(rows.shape[0], -1)
        if rows.size
        else rows.reshape(rows.shape[0], 1 if rows.shape[0] else 0)
    )
    starts = np.ones(len(rows), bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(1)
    first = np.flatnonzero(starts)
    inverse = np.cumsum(starts) - 1
    values = rows[first, 0] if dim is None else np.moveaxis(rows[first], 0, dim)
    counts = np.diff(np.append(first, len(rows)))
    return values, inverse.reshape(input.shape) if dim is None else inverse, counts


@composite(
    samples=lambda: [
        case(integers(0, 2, 8), name="plain"),
        case(integers(0, 2, 8), return_inverse=True, return_counts=True, name="three"),
        case(integers(0, 2, 4, 1), dim=0, name="rows"),
    ],
    method=True,
    smooth=False,
)
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The first of every run of equal elements (or slices along ``dim``); on request also which run each
    element is in, and how long the runs are.

    >>> tg.unique_consecutive(tg.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    check_tensor("unique_consecutive", input)
    dim = dim if dim is None else _check_slices("unique_consecutive", input, dim)
    return _answers(_unique_runs(input, dim), return_inverse, return_counts)


# ---------------------------------------------------------------------------- search


def _comparable(a, b):
    """Both arrays in the dtype in which they are compared."""
    common = np.result_type(a, b)
    return a.astype(common, copy=False), b.astype(common, copy=False)


@primitive(
    nograd=("sorted_sequence", "input", "sorter"),
    at=(),
    samples=lambda: [
        case(integers(1, 2, 4), distinct(3), None, False, False, name="plain"),
    ],
)
def _searchsorted(sorted_sequence, input, sorter=None, out_int32=False, right=False):
    """Where to insert each element of ``input`` into its row of the sorted sequence."""
    side: Any = "right" if right else "left"
    if sorter is not None and sorted_sequence.size:
        sorted_sequence = np.take_along_axis(sorted_sequence, sorter, -1)
    rows, values = _comparable(sorted_sequence, input)
    if rows.ndim == 1:
        found = np.asarray(np.searchsorted(rows, values, side))
    else:
        found = np.empty(values.shape, np.int64)
        for at in np.ndindex(rows.shape[:-1]):  # one search a row
            found[at] = np.searchsorted(rows[at], values[at], side)
    if values.dtype.kind == "f":
        found = np.where(np.isnan(values), rows.shape[-1], found)  # NaN is behind everything
    return np.asarray(found, np.int32 if out_int32 else np.int64)


def _as_tensor(value, like):
    """A number beside a tensor, in a dtype in which the two can be compared."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, (numbers.Real, np.generic)):
        raise TypeError(
            f"searchsorted(): argument 'input' must be Tensor or Number, not {type(value).__name__}"
        )
    if like.is_floating_point():
        return like.new_tensor(value)
    return like.new_tensor(value, dtype=int64 if isinstance(value, numbers.Integral) else float64)


@composite(
    others=("input",),
    samples=lambda: [
        case(integers(1, 2, 4), integers(0, 3, 5), name="plain"),
        case(integers(1, 2, 4), integers(0, 3, 5), right=True, out_int32=True, name="right"),
        case(integers(1, 2, 2, 4), integers(0, 3, 2, 5), name="rows"),
    ],
    method=False,
    smooth=False,
)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where each element of ``input`` belongs in the sorted last dimension: before its equals, or behind
    them if ``right``.

    >>> tg.searchsorted(tg.tensor([1, 3, 5]), tg.tensor([3, 6]))
    tensor([1, 3])
    """
    check_tensor("searchsorted", sorted_sequence)
    input = _as_tensor(input, sorted_sequence)
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right "
            "was True"
        )
    rows = sorted_sequence
    if input.ndim == 0 and rows.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, "
            f"but we got boundaries tensor dim({rows.ndim}) and input value's dim({input.ndim}) "
            f"numel({input.numel()})"
        )
    if rows.ndim == 0:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if rows.ndim != 1 and (rows.ndim != input.ndim or rows.shape[:-1] != input.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
            "boundaries tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(rows.shape)} and input value tensor {list(input.shape)}"
        )
    if sorter is not None:
        check_tensor("searchsorted", sorter)
        if sorter.shape != rows.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(rows.shape)} and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype.name != "int64":
            raise RuntimeError(
                f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}"
            )
        if sorter.numel() and (sorter.min().item() < 0 or sorter.max().item() >= rows.shape[-1]):
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
    return _searchsorted(rows, input, sorter, bool(out_int32), bool(right or side == "right"))


@composite(
    others=("input",),
    samples=lambda: [
        case(integers(0, 3, 5), integers(1, 2, 4), name="plain"),
        case(integers(0, 3, 2, 3), integers(1, 2, 4), right=True, name="right"),
    ],
    smooth=False,
)
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """Which of the intervals between sorted boundaries each element lies in; an element on a boundary
    belongs to the interval that it closes, or with ``right`` to the one that it opens.

    >>> tg.bucketize(tg.tensor([0, 3, 9]), tg.tensor([1, 3, 5]))
    tensor([0, 1, 3])
    """
    check_tensor("bucketize", boundaries)
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
