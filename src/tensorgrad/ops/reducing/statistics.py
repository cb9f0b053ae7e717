"""Spread of samples, how they vary together, and frequencies."""

from __future__ import annotations

import builtins
import math
import operator

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, float32, promote_types
from tensorgrad.core.declare import between, case, composite, integers, normal, primitive
from tensorgrad.ops.making import spacing
from tensorgrad.ops.matrices import products
from tensorgrad.ops.reducing import reductions, scans
from tensorgrad.ops.reducing.quantiles import SMALLER
from tensorgrad.ops.reducing.reductions import added_up, all_dims, cast, check_tensor, kept, named
from tensorgrad.ops.shapes import joining, shaping

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
    if weights is None or (input.ndim == 1 and not input.size):  # PyTorch's zeros have no weight's dtype
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


Histogram = named("histogram", "hist", "bin_edges")
Histogramdd = named("histogramdd", "hist", "bin_edges")


@primitive(
    nograd=("input", "edges", "weight"),
    at=(),
    samples=lambda: [
        case(normal(9, 1), between(-1, 1, 1), (1,), name="no cells"),
        case(between(0, 1, 9, 2), between(0, 1, 4), (2, 2), between(0, 1, 9), name="weights"),
    ],
)
def _cells(input, edges, sizes, weight=None):
    """How many of the points that are the rows of ``input`` lie in each cell of a grid, or the sum of their
    weights; ``sizes`` says how many of the ``edges`` belong to each dimension.
    """
    inside = np.ones(len(input), bool)
    at = np.zeros(len(input), np.int64)
    start = 0
    for d, size in enumerate(sizes):
        lines, x = edges[start : start + size], input[:, d]
        inside &= (x >= lines[0]) & (x <= lines[-1])
        place = np.searchsorted(lines, x, "right") - 1
        at = at * (size - 1) + np.minimum(place, size - 2)  # the last part has its right end too
        start += size
    shape = tuple(size - 1 for size in sizes)
    if not shape or 0 in shape:
        return np.zeros(shape, input.dtype)
    weight = None if weight is None else weight[inside]
    found = np.bincount(at[inside], weight, int(np.prod(shape)))
    return found.reshape(shape).astype(input.dtype)


def _even_edges(points, bins, range):
    """The edges of as many equal parts as ``bins`` says of each dimension, in ``range`` or the points'."""
    dims = points.shape[1]
    if range is None:
        low, high = [0.0] * dims, [1.0] * dims
        if points.numel():
            low, high = (each.tolist() for each in reductions.aminmax(points, dim=0))
    elif len(range) != 2 * dims:
        raise RuntimeError(
            f"torch.histogramdd: for a {dims}-dimensional histogram range should have {2 * dims} elements, "
            f"but got {len(range)}"
        )
    else:
        low, high = list(map(float, range[::2])), list(map(float, range[1::2]))
    found = []
    for d, (least, most, count) in enumerate(zip(low, high, bins, strict=True)):
        if not (math.isfinite(least) and math.isfinite(most)):
            raise RuntimeError(f"torch.histogramdd: dimension {d}'s range [{least}, {most}] is not finite")
        if least > most:
            raise RuntimeError(
                f"torch.histogramdd: min should not exceed max, but got min {least} max {most} for dimension "
                f"{d}"
            )
        if count <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {count} for dimension {d}")
        if least == most:
            least, most = least - 0.5, most + 0.5
        found.append(spacing.linspace(least, most, count + 1, dtype=points.dtype))
    return found


def _count_of_bins(bins):
    """A tensor without dimensions that holds an integer as that number; anything else as it is."""
    count = isinstance(bins, Tensor) and bins.ndim == 0 and bins.dtype is not bool_
    return bins.item() if count and not bins.is_floating_point() else bins


def _histogram(points, bins, range, weight, density):
    """The histogram of the rows of a matrix, and the edges of its parts in each dimension."""
    if not points.is_floating_point():
        raise NotImplementedError(f'"histogramdd" not implemented for {points.dtype}')
    dims = points.shape[1]
    bins = [bins] * dims if isinstance(bins, (int, np.integer)) else list(bins)
    if len(bins) != dims:
        raise RuntimeError(
            f"torch.histogramdd: expected {dims} sequences of bin edges for a {dims}-dimensional histogram "
            f"but got {len(bins)}"
        )
    if weight is not None and weight.dtype is not points.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the "
            f"same dtype, but got input({points.dtype}), and weight({weight.dtype})"
        )
    if any(isinstance(each, Tensor) for each in bins):
        if range is not None:
            raise TypeError("histogram: a range goes with numbers of bins, not with their edges")
        edges = []
        for d, each in enumerate(bins):
            if not isinstance(each, Tensor) or each.dtype is not points.dtype:
                raise RuntimeError(
                    "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got "
                    f"input with dtype {points.dtype} and bins for dimension {d} with dtype "
                    f"{getattr(each, 'dtype', type(each).__name__)}"
                )
            if each.ndim != 1 or each.numel() < 2:
                raise RuntimeError(
                    "torch.histogramdd: bins tensor should have one dimension and more than one element, but "
                    f"got the shape {list(each.shape)} for dimension {d}"
                )
            edges.append(shaping.clone(each.detach()))
    else:
        edges = _even_edges(points, list(map(operator.index, bins)), range)
    lines = joining.cat(edges or [points.new_zeros(0)])
    found = _cells(points, lines, tuple([len(each) for each in edges]), weight)
    if density:
        found = found / reductions.sum(found)
        for d, each in enumerate(edges):
            shape = [-1 if k == d else 1 for k in builtins.range(dims)]
            found = found / shaping.reshape(scans.diff(each), shape)
    return found, tuple(edges)


@composite(
    method=True,
    others=("bins",),
    smooth=False,
    samples=lambda: [
        case(normal(8), 4, name="even"),
        case(normal(2, 4), 3, range=(-1, 1), weight=between(0.5, 1, 2, 4), density=True, name="weights"),
    ],
)
def histogram(input, bins=100, *, range=None, weight=None, density=False):
    """The pair (hist, bin_edges): how many elements lie in each of ``bins`` equal parts of ``range`` (that of
    the elements if None), or in the parts between the edges that a vector ``bins`` holds.

    Each part has its left end, the last one its right end too. With ``weight`` these are added up in place of
    the elements' number. With ``density`` the sum is divided by the whole and by each part's width.

    >>> tg.histogram(tg.tensor([1.0, 2.0, 1.5]), 2, range=(0.0, 2.0)).hist
    tensor([0., 3.])
    """
    check_tensor("histogram", input)
    weight = None if weight is None else shaping.reshape(weight, (-1,))
    if weight is not None and weight.numel() != input.numel():
        raise RuntimeError(
            "torch.histogram: if weight tensor is provided it should have the same shape as the input, "
            f"but got {list(input.shape)} and {weight.numel()} weights"
        )
    points = shaping.reshape(input, (-1, 1))
    found, edges = _histogram(points, [bins] if isinstance(bins, Tensor) else bins, range, weight, density)
    return Histogram(found, edges[0])


@composite(
    others=("bins",),
    smooth=False,
    samples=lambda: [
        case(normal(8, 2), [2, 3], name="even"),
        case(normal(8, 2), 2, range=(-1, 1, -2, 2), weight=between(0.5, 1, 8), density=True, name="weights"),
    ],
)
def histogramdd(input, bins, range=None, weight=None, density=False):
    """The pair (hist, bin_edges) of points, whose coordinates the last dimension of ``input`` holds: how many
    lie in each cell of a grid. ``bins`` says how many parts each dimension has, or is a list of vectors with
    their edges; ``range`` holds both ends of the first dimension, of the second and so on.

    The rest is that of `histogram`.

    >>> tg.histogramdd(tg.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), bins=[2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    check_tensor("histogramdd", input)
    if input.ndim < 2:
        raise RuntimeError(
            f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {input.ndim}"
        )
    if weight is not None and tuple(weight.shape or (1,)) != tuple(input.shape[:-1]):
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input "
            f"excluding its innermost dimension, but got input with shape {list(input.shape)} and weight "
            f"with shape {list(weight.shape)}"
        )
    weight = None if weight is None else shaping.reshape(weight, (-1,))
    points = shaping.reshape(input, (math.prod(input.shape[:-1]), input.shape[-1]))
    bins = list(map(_count_of_bins, bins)) if isinstance(bins, (list, tuple)) else _count_of_bins(bins)
    return Histogramdd(*_histogram(points, bins, range, weight, density))
