"""Spread of samples, how they vary together, and frequencies."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core, float32, promote_types
from tensorgrad.core.declare import between, case, composite, integers, normal, primitive
from tensorgrad.ops.matrices import products
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.reducing.quantiles import SMALLER
from tensorgrad.ops.reducing.reductions import added_up, all_dims, cast, check_tensor, kept
from tensorgrad.ops.shapes import shaping

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
