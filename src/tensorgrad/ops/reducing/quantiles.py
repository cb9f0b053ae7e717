"""The k-th of sorted samples: medians, quantiles, and the value that comes most often."""

from __future__ import annotations

import numbers

import numpy as np

from tensorgrad.core.declare import between, case, composite, distinct, primitive
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.reducing import reductions, sorting
from tensorgrad.ops.reducing.reductions import check_extent, check_tensor, named, pick, picked_gradient
from tensorgrad.ops.shapes import shaping, slicing

Median = named("median", "values", "indices")
Nanmedian = named("nanmedian", "values", "indices")
Mode = named("mode", "values", "indices")
Kthvalue = named("kthvalue", "values", "indices")


def _nan_count(array, dim):
    return (
        np.sum(np.isnan(array), axis=dim, keepdims=True)
        if array.dtype.kind == "f"
        else np.zeros((), np.int64)
    )


@primitive(
    vjp=dict(
        input=lambda g, input, output: reductions.shared(
            g, reductions.reaches(input, output), tuple(range(input.ndim))
        )
    ),
    at=(),
    grad_name="MedianBackward0",
    samples=lambda: [case(distinct(3, 4), False, name="all")],
)
def _median_of_all(input, ignore_nan):
    """The lower median of all elements."""
    flat = input.reshape(-1)
    nans = int(_nan_count(flat, 0).sum())
    if flat.size == 0 or nans == flat.size or (nans and not ignore_nan):
        return np.full((), np.nan, input.dtype) if input.dtype.kind == "f" else np.zeros((), input.dtype)
    at = (flat.size - nans - 1) // 2
    return np.partition(flat, at)[at]


def _ranked(result, input, rank, dim, keepdim):
    """The elements of a given rank along ``dim``, NaN ranking highest, and where they are."""
    if input.ndim == 0:
        return result(np.array(input), np.zeros((), np.int64))
    order = np.argsort(input, axis=dim, kind="stable")
    at = np.take(order, [rank], axis=dim) if isinstance(rank, int) else np.take_along_axis(order, rank, dim)
    return result(*pick(input, at, dim, keepdim))


def _picked(g, output_1, dim, keepdim, input_shape):
    return picked_gradient(g, dim, output_1, keepdim, input_shape)


@primitive(
    vjp=dict(input=_picked),
    at=(),
    grad_name="MedianBackward1",
    samples=lambda: [case(distinct(3, 4), 1, False, name="dim1")],
)
def _median_along(input, dim, keepdim):
    """The lower median along one dimension, NaN where there is one."""
    size = input.shape[dim] if input.ndim else 1
    nans = _nan_count(input, dim)
    rank = np.where(nans > 0, size - nans, (size - 1) // 2) if nans.any() else (size - 1) // 2
    return _ranked(Median, input, rank, dim, keepdim)


@primitive(
    vjp=dict(input=_picked),
    at=(),
    grad_name="NanmedianBackward1",
    samples=lambda: [case(distinct(3, 4), 1, False, name="dim1")],
)
def _nanmedian_along(input, dim, keepdim):
    """The lower median of what is not NaN along one dimension."""
    size = input.shape[dim] if input.ndim else 1
    nans = _nan_count(input, dim)
    rank = np.maximum((size - nans - 1) // 2, 0) if nans.any() else (size - 1) // 2
    return _ranked(Nanmedian, input, rank, dim, keepdim)


def _no_bool(name, input):
    check_tensor(name, input)
    if input.dtype.name == "bool":
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}')


def _chosen(name, along, input, dim, *settings):
    check_tensor(name, input)
    dim = wrap_dim(dim, input.ndim)
    check_extent(name, input, dim)
    return along(input, dim, *settings)


def _median_samples():
    return [
        case(distinct(3, 5), name="all"),
        case(distinct(3, 4), 1, name="dim1"),
        case(distinct(3, 4), -2, True, name="keep"),
    ]


@composite(samples=_median_samples, method=True)
def median(input, dim=None, keepdim=False):
    """The middle element, the lower of two; with ``dim`` the pair (values, indices) along it. NaN where
    there is one.

    >>> tg.median(tg.tensor([3, 1, 2, 4]))
    tensor(2)
    """
    _no_bool("median", input)
    return (
        _median_of_all(input, False)
        if dim is None
        else _chosen("median", _median_along, input, dim, bool(keepdim))
    )


@composite(samples=_median_samples, method=True)
def nanmedian(input, dim=None, keepdim=False):
    """The middle of the elements that are not NaN; with ``dim`` the pair (values, indices) along it.

    >>> tg.nanmedian(tg.tensor([3.0, 1.0, float("nan")]))
    tensor(1.)
    """
    _no_bool("nanmedian", input)
    return (
        _median_of_all(input, True)
        if dim is None
        else _chosen("nanmedian", _nanmedian_along, input, dim, bool(keepdim))
    )


@primitive(
    vjp=dict(input=_picked),
    at=(),
    grad_name="KthvalueBackward0",
    samples=lambda: [case(distinct(3, 4), 1, False, 2, name="dim1")],
)
def _kth_along(input, dim, keepdim, k):
    """The k-th smallest element along one dimension, and where it is."""
    return _ranked(Kthvalue, input, k - 1, dim, keepdim)


@composite(
    samples=lambda: [case(distinct(3, 4), 2, name="last"), case(distinct(3, 4), 1, 0, True, name="keep")],
    method=True,
)
def kthvalue(input, k, dim=-1, keepdim=False):
    """The pair (values, indices) of the k-th smallest elements along ``dim``, counted from 1. NaN counts as
    the largest.

    >>> tg.kthvalue(tg.tensor([5, 1, 3]), 2).values
    tensor(3)
    """
    _no_bool("kthvalue", input)
    dim = wrap_dim(dim, input.ndim)
    check_extent("kthvalue", input, dim)
    k = slicing._whole_number(k, "k")
    if not 1 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    return _kth_along(input, dim, bool(keepdim), k)


@primitive(
    vjp=dict(input=_picked),
    at=(),
    grad_name="ModeBackward0",
    samples=lambda: [case(distinct(3, 4), 1, False, name="dim1")],
)
def _mode_along(input, dim, keepdim):
    """The most frequent elements along one dimension, and where each stands last."""
    if input.ndim == 0:
        return Mode(np.array(input), np.zeros((), np.int64))
    rows = np.moveaxis(input, dim, -1)
    order = np.argsort(rows, axis=-1, kind="stable")
    ordered = np.take_along_axis(rows, order, -1)
    steps = np.arange(rows.shape[-1])
    starts = np.concatenate([np.ones((*rows.shape[:-1], 1), bool), ordered[..., 1:] != ordered[..., :-1]], -1)
    run = steps - np.maximum.accumulate(np.where(starts, steps, 0), axis=-1)
    at = np.take_along_axis(order, np.argmax(run, axis=-1, keepdims=True), -1)
    return Mode(*pick(input, np.moveaxis(at, -1, dim), dim, keepdim))


@composite(
    samples=lambda: [case(distinct(3, 4), name="last"), case(distinct(3, 4), 0, True, name="keep")],
    method=True,
)
def mode(input, dim=-1, keepdim=False):
    """The pair (values, indices) of the most frequent elements along ``dim``, the smallest of several.

    >>> tg.mode(tg.tensor([2, 1, 2, 3])).values
    tensor(2)
    """
    return _chosen("mode", _mode_along, input, dim, bool(keepdim))


# What a hot path makes of the two.
_median_along.answer, _nanmedian_along.answer = Median, Nanmedian
_kth_along.answer, _mode_along.answer = Kthvalue, Mode


SMALLER = 2.0**-80  # whatever float64 holds is far from its end when multiplied with this

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name, input, q, dim, keepdim, interpolation, ignore_nan):
    check_tensor(name, input)
    if isinstance(q, numbers.Real):
        if not 0 <= float(q) <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = input.new_full((), float(q))
    check_tensor(name, q)
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if input.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if q.numel() and not (0 <= q.detach().min().item() and q.detach().max().item() <= 1):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    ndim = input.ndim
    if dim is None:
        rows = shaping.reshape(input, (-1,))
    else:
        dim = wrap_dim(dim, ndim)
        rows = input.movedim(dim, -1) if ndim else shaping.reshape(input, (1,))
    ordered = sorting.sort(rows, -1)[0]
    high = rows.shape[-1] - 1
    nans = reductions.sum(rows != rows, -1, True)
    # A row's ranks: (..., number of q). NaN stands last, so that the last rank finds it.
    if ignore_nan:
        ranks = (q * (high - nans)).masked_fill(nans > high, 0)
    else:
        ranks = (q * high).masked_fill(nans > 0, high)
    ranks = ranks.expand((*rows.shape[:-1], max(q.numel(), 0)))
    lower = interpolation == "lower"
    if lower or interpolation == "higher" or interpolation == "nearest":
        ranks = ranks.floor() if lower else ranks.ceil() if interpolation == "higher" else ranks.round()
        found = ordered.gather(-1, ranks.long())
    else:
        below = ranks.floor()
        weight = below.new_full((), 0.5) if interpolation == "midpoint" else ranks - below
        found = ordered.gather(-1, below.long()).lerp(ordered.gather(-1, ranks.ceil().long()), weight)
    found = found.movedim(-1, 0)  # (number of q, ...)
    if keepdim:
        found = (
            shaping.reshape(found, (found.shape[0], *([1] * ndim)))
            if dim is None
            else found.unsqueeze(dim + 1 if ndim else 1)
        )
        found = found if ndim else shaping.reshape(found, (found.shape[0],))
    return found.squeeze(0) if q.ndim == 0 else found


def _quantile_samples():
    return [
        case(distinct(3, 4), 0.3, name="number"),
        case(distinct(3, 4), between(0.1, 0.9, 3), 1, name="several"),
        case(distinct(3, 4), 0.5, 0, True, interpolation="midpoint", name="midpoint-keep"),
        case(distinct(3, 4), 0.4, 1, interpolation="nearest", name="nearest"),
    ]


@composite(others=("q",), samples=_quantile_samples, method=True, smooth=False)
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The value below which the share ``q`` of the elements along ``dim`` lies; several ``q`` give a new
    first dimension.

    >>> tg.quantile(tg.tensor([3.0, 1.0, 2.0]), 0.25)
    tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite(others=("q",), samples=_quantile_samples, method=True, smooth=False)
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The quantile of what is not NaN.

    >>> tg.nanquantile(tg.tensor([3.0, 1.0, float("nan")]), 0.5)
    tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
