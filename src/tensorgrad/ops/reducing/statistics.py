"""Spread, quantiles and frequencies of samples."""

from __future__ import annotations

import numbers

import numpy as np

from tensorgrad.core import Tensor, _core, float32, promote_types
from tensorgrad.core.declare import between, case, composite, distinct, integers, normal, primitive
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.matrices import products
from tensorgrad.ops.reducing import reductions, sorting
from tensorgrad.ops.reducing.reductions import (
    added_up,
    all_dims,
    cast,
    check_extent,
    check_tensor,
    kept,
    named,
    pick,
    place,
)
from tensorgrad.ops.shapes import shaping

Median = named("median", "values", "indices")
Nanmedian = named("nanmedian", "values", "indices")
Mode = named("mode", "values", "indices")
Kthvalue = named("kthvalue", "values", "indices")


# ---------------------------------------------------------------------------- variance


def _deviation(input, dim):
    return input - reductions.mean(input, dim, True)


def _var_input(g, input, dim, correction, keepdim, input_shape):
    free = reductions._count(dim, input_shape) - correction
    deviation = _deviation(input, dim)
    g = kept(g, dim, keepdim, input_shape)
    if free <= 0 and len(dim) == len(input_shape):
        return g * (deviation * float("inf"))
    return g * (2.0 / free if free else float("inf")) * deviation


def _variance(input, dim, correction, keepdim):
    """In float64, so that neither a mean far from zero nor a square past the ends of float32 matters."""
    count = reductions._count(dim, input.shape)
    deviation = np.asarray(input - added_up(input, dim, True) / np.float64(count))
    total = np.sum(np.square(deviation, out=deviation), axis=dim, keepdims=keepdim)
    return total / np.float64(max(count - correction, 0))


@primitive(
    vjp=dict(input=_var_input),
    at=(),
    grad_name="VarBackward0",
    samples=lambda: [
        case(normal(3, 4), (0,), 1, False, name="plain"),
        case(normal(3, 4), (0, 1), 0, True, name="keep"),
    ],
)
def _var(input, dim, correction, keepdim):
    """The sum of squared distances from the mean, divided by the count less ``correction``."""
    return _variance(input, dim, correction, keepdim).astype(input.dtype)


@primitive(
    vjp=dict(
        input=lambda g, input, output, dim, correction, keepdim, input_shape: _var_input(
            (g / (output * 2)).masked_fill(output == 0, 0), input, dim, correction, keepdim, input_shape
        )
    ),
    at=(),
    grad_name="StdBackward0",
    samples=lambda: [
        case(normal(3, 4), (0,), 1, False, name="plain"),
        case(normal(3, 4), (0, 1), 0, True, name="keep"),
    ],
)
def _std(input, dim, correction, keepdim):
    """The square root of the variance."""
    return np.sqrt(_variance(input, dim, correction, keepdim)).astype(input.dtype)


def _spread(name, form, input, dim, unbiased, keepdim, correction):
    """The overloads of ``var`` and ``std``: ``(unbiased)``, ``(dim, unbiased, keepdim)`` and ``(dim, *,
    correction)``."""
    check_tensor(name, input)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}() takes either unbiased or correction, not both")
    if not input.is_floating_point():
        raise RuntimeError(
            f"{name}: std and var only support floating point and complex dtypes, not {input.dtype}"
        )
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return form(input, all_dims(dim, input.ndim), correction, bool(keepdim))


def _spread_samples():
    return [
        case(normal(3, 4), name="all"),
        case(normal(2, 3, 4), 1, name="dim1"),
        case(normal(2, 3, 4), (0, 2), False, True, name="biased-keep"),
        case(normal(3, 4), 1, correction=0, name="correction0"),
    ]


@composite(samples=_spread_samples, method=True)
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance over ``dim`` (everything if None), divided by the count less ``correction``, which is 1
    if not given.

    >>> tg.var(tg.tensor([1.0, 2.0, 6.0]))
    tensor(7.)
    """
    return _spread("var", _var, input, dim, unbiased, keepdim, correction)


@composite(samples=_spread_samples, method=True)
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation over ``dim`` (everything if None), divided by the count less ``correction``,
    which is 1 if not given.

    >>> tg.std(tg.tensor([1.0, 3.0, 5.0]))
    tensor(2.)
    """
    return _spread("std", _std, input, dim, unbiased, keepdim, correction)


@composite(samples=_spread_samples)
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The pair (variance, mean) over ``dim``.

    >>> tg.var_mean(tg.tensor([1.0, 2.0, 6.0]))
    (tensor(7.), tensor(3.))
    """
    spread = _spread("var_mean", _var, input, dim, unbiased, keepdim, correction)
    return spread, reductions.mean(input, None if isinstance(dim, bool) else dim, bool(keepdim))


@composite(samples=_spread_samples)
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The pair (standard deviation, mean) over ``dim``.

    >>> tg.std_mean(tg.tensor([1.0, 3.0, 5.0]))
    (tensor(2.), tensor(3.))
    """
    spread = _spread("std_mean", _std, input, dim, unbiased, keepdim, correction)
    return spread, reductions.mean(input, None if isinstance(dim, bool) else dim, bool(keepdim))


def _weights(name, weights, count):
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {weights.ndim} dimensions"
        )
    if weights.numel() != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.numel()} != {count}"
        )
    if count and not weights.min().item() >= 0:
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 5), name="rows"),
        case(normal(5), correction=0, name="vector"),
        case(normal(3, 5), fweights=integers(1, 4, 5), aweights=between(0.5, 2.0, 5), name="weights"),
    ],
    method=True,
)
def cov(input, *, correction=1, fweights=None, aweights=None):
    """How the rows (variables) vary together over the columns (observations), as a matrix.

    ``fweights`` says how often each observation was made, ``aweights`` how much it counts.

    >>> tg.cov(tg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    check_tensor("cov", input)
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} "
            f"dimensions"
        )
    if input.dtype.name == "bool":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = shaping.reshape(input, (1, -1)) if input.ndim < 2 else input
    count = rows.shape[1]
    weights = None
    if fweights is not None:
        if fweights.is_floating_point() or fweights.dtype.name == "bool":
            raise RuntimeError(
                "cov(): expected fweights to have integral dtype but got fweights with " + str(fweights.dtype)
            )
        _weights("fweights", fweights, count)
        weights = fweights
    if aweights is not None:
        if not aweights.is_floating_point():
            raise RuntimeError(
                "cov(): expected aweights to have floating point dtype but got aweights with "
                + str(aweights.dtype)
            )
        _weights("aweights", aweights, count)
        aweights = cast(aweights, promote_types(aweights.dtype, rows.dtype))
        weights = aweights if weights is None else weights * aweights
    if weights is None:
        total, free = count, count - correction
        mean = reductions.sum(rows, 1, True) / (count or float("nan"))
    else:
        total = reductions.sum(weights)
        if count and total.item() == 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = reductions.sum(rows * weights, 1, True) / total
        if aweights is None or correction == 0:
            free = total - correction
        else:
            free = total - correction * reductions.sum(weights * aweights) / total
        if free.item() <= 0:
            free = 0
    centred = rows - mean
    weighted = centred if weights is None else centred * weights
    product = products.matmul(centred, shaping.transpose(weighted, 0, 1))
    if not isinstance(free, Tensor) and free <= 0:
        return shaping.squeeze(product * float("inf"))
    return shaping.squeeze(product / free)


@composite(
    single=True,
    samples=lambda: [case(normal(3, 5), name="rows"), case(normal(5), name="vector")],
    method=True,
)
def corrcoef(input):
    """The correlation coefficients of the rows (variables) over the columns (observations), as a matrix.

    >>> tg.corrcoef(tg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    check_tensor("corrcoef", input)
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    found = cov(input)
    if found.ndim == 0:
        return found / found
    deviation = found.diag().sqrt()
    return (found / deviation.unsqueeze(1) / deviation).clip(-1, 1)


# ---------------------------------------------------------------------------- the k-th of a sorted sample


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
    if isinstance(rank, int):  # one rank for all: no need to sort the rest
        at = np.take(np.argpartition(input, rank, axis=dim), [rank], axis=dim)
    else:
        at = np.take_along_axis(np.argsort(input, axis=dim, kind="stable"), rank, dim)
    return result(*pick(input, at, dim, keepdim))


def _picked(g, output_1, dim, keepdim, input_shape):
    return place(g, dim, output_1, keepdim, input_shape)


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
    k = shaping._whole_number(k, "k")
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


# ---------------------------------------------------------------------------- frequencies


@primitive(
    nograd=("input", "weights"),
    method=True,
    samples=lambda: [
        case(integers(0, 5, 8), name="plain"),
        case(integers(0, 5, 8), normal(8), 7, name="weights"),
    ],
)
def bincount(input, weights=None, minlength=0):
    """How often each of the numbers 0, 1, 2 … comes, or the sum of the weights that came with it.

    >>> tg.bincount(tg.tensor([1, 2, 2]))
    tensor([0, 1, 2])
    """
    if input.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount_cpu" not implemented for {input.dtype}')
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.ndim != 1 or (input.size and input.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if input.size and input.max() == 2**63 - 1:  # NumPy adds 1
        raise RuntimeError("maximum value of input overflowed: it should be below 2**63 - 1")
    if weights is None:
        return np.bincount(input, minlength=minlength)
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    single = _core.dtype_in_body(weights) is float32
    return np.bincount(input, weights, minlength).astype(np.float32 if single else np.float64)


@primitive(
    nograd=("input",),
    method=True,
    samples=lambda: [
        case(normal(8), 4, name="range"),
        case(normal(8), 4, -1, 1, name="given"),
    ],
)
def histc(input, bins=100, min=0, max=0):
    """How many elements fall into each of ``bins`` equal parts of [min, max]; both 0 means the range of the
    elements.

    >>> tg.histc(tg.tensor([1.0, 2.0, 3.0]), 3, 0, 3)
    tensor([0., 1., 2.])
    """
    if input.dtype.kind != "f":
        raise NotImplementedError(f'"histogram_cpu" not implemented for {input.dtype}')
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    low, high = float(min), float(max)
    if low == high and input.size:
        low, high = float(input.min()), float(input.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    inside = input[(input >= low) & (input <= high)]
    kind = input.dtype.type
    if not np.isfinite(bins * (high - low)):  # past float64: all of it smaller, by a power of two
        low, high, inside = low * SMALLER, high * SMALLER, inside * SMALLER
    if kind(high) == kind(low):  # so large that one more is the same number: they lie in the middle
        at = np.full(inside.shape, bins // 2)
    else:
        with np.errstate(over="ignore"):
            kind = kind if np.isfinite(kind(bins) * kind(high - low)) else np.float64
        at = ((inside.astype(kind) - kind(low)) * kind(bins) / kind(high - low)).astype(np.int64)
    return np.bincount(np.minimum(at, bins - 1), minlength=bins).astype(input.dtype)
