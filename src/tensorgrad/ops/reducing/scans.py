"""Running sums, products and extremes, differences, and areas under a curve."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import (
    Tensor,
    bool_,
    float32,
    float64,
    get_default_dtype,
    is_grad_enabled,
    promote_types,
    uint8,
)
from tensorgrad.core.declare import between, case, composite, distinct, normal, primitive
from tensorgrad.core.limits import finfo
from tensorgrad.ops._tools import is_sequence, wrap_dim, wrap_dims
from tensorgrad.ops.elementwise import arithmetic, choosing
from tensorgrad.ops.indices import scattering
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.reducing.reductions import cast, check_tensor, named, without_one
from tensorgrad.ops.shapes import joining, shaping

Cummax = named("cummax", "values", "indices")
Cummin = named("cummin", "values", "indices")


def _scan_samples(draw):
    return lambda: [
        case(draw(5), 0, name="vector"),
        case(draw(3, 4), 1, name="last"),
        case(draw(2, 3, 4), 1, name="middle"),
    ]


# ---------------------------------------------------------------------------- sums and products


def _accumulated(accumulate, input, dim):
    """A running sum or product; integers as int64, floats through float64."""
    if input.ndim == 0:
        return np.array(input) if input.dtype.kind == "f" else input.astype(np.int64)
    if input.dtype.kind != "f":
        return accumulate(input, axis=dim, dtype=np.int64)
    return accumulate(input, axis=dim, dtype=np.float64).astype(input.dtype, copy=False)


@primitive(
    vjp=dict(input=lambda g, dim: _reversed_cumsum(g, dim)),
    at=(),
    grad_name="CumsumBackward0",
    samples=_scan_samples(normal),
)
def _cumsum(input, dim):
    """Running sums from the start."""
    return _accumulated(np.cumsum, input, dim)


@primitive(vjp=dict(input=lambda g, dim: _cumsum(g, dim)), at=(), samples=_scan_samples(normal))
def _reversed_cumsum(input, dim):
    """Running sums from the end."""
    return (
        _accumulated(np.cumsum, np.flip(input, dim), dim)[_backwards(dim)] if input.ndim else np.array(input)
    )


def _backwards(dim):
    return (slice(None),) * dim + (slice(None, None, -1),)


@composite(samples=_scan_samples(normal), method=True, inplace=True)
def cumsum(input, dim, *, dtype=None):
    """The sums of the elements so far along ``dim``; integers are added up in int64.

    >>> tg.cumsum(tg.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    check_tensor("cumsum", input)
    return cast(_cumsum(cast(input, dtype), wrap_dim(dim, input.ndim)), dtype)


def _cumprod_input(g, input, output, dim, input_shape):
    """By division where no element is zero; else see `_cumprod_through_zeros`."""
    if math.prod(input_shape) <= 1:
        return g
    if not (input == 0).any().item():
        return _reversed_cumsum(g * output, dim) / input
    rows = [d for d in range(len(input_shape)) if d != dim] + [dim]
    back = tuple(rows.index(d) for d in range(len(rows)))
    through = _cumprod_through_zeros_again if is_grad_enabled() else _cumprod_through_zeros
    found = through(*(shaping.permute(each, tuple(rows)) for each in (g, input, output)))
    return shaping.permute(found, back)


def _cumprod_through_zeros(g, input, output):
    """Before the first zero of a row as ever; at the zero the products with 1 in its place; nothing behind
    it."""
    zero = input == 0
    seen = _cumsum(zero, input.ndim - 1)
    first = zero & (seen == 1)
    filled = _cumprod(input.masked_fill(first, 1), input.ndim - 1)
    before, at = (
        _reversed_cumsum((g * products).masked_fill(elsewhere, 0), input.ndim - 1)
        for products, elsewhere in ((output, seen > 0), (filled, seen != 1))
    )
    return (before / input).masked_fill(seen > 0, 0) + at.masked_fill(~first, 0)


def _cumprod_through_zeros_again(g, input, output):
    """The same in a form that can be differentiated at zeros: every product that lacks one element,
    multiplied out."""
    running = _cumprod(without_one(input), input.ndim)  # (..., element left out, position)
    return reductions.sum((running * shaping.unsqueeze(g, -2)).triu(), -1)


@primitive(
    vjp=dict(input=_cumprod_input),
    at=(),
    grad_name="CumprodBackward0",
    samples=_scan_samples(lambda *shape: between(0.5, 1.5, *shape)),
)
def _cumprod(input, dim):
    """Running products from the start."""
    return _accumulated(np.cumprod, input, dim)


@composite(samples=_scan_samples(lambda *shape: between(0.5, 1.5, *shape)), method=True, inplace=True)
def cumprod(input, dim, *, dtype=None):
    """The products of the elements so far along ``dim``; integers are multiplied in int64.

    >>> tg.cumprod(tg.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    check_tensor("cumprod", input)
    return cast(_cumprod(cast(input, dtype), wrap_dim(dim, input.ndim)), dtype)


def _logcumsumexp_input(g, input, output, dim):
    """A positive and a negative part, each summed as exponentials of logarithms, so that nothing
    overflows."""
    if not input.ndim:
        return g
    lowest = finfo(g.dtype).min
    size = g.abs().log()

    def part(sign):
        logs = choosing.where(sign, size, lowest) - output
        return (_logcumsumexp(logs.flip(dim), dim).flip(dim) + input).exp()

    return part(~(g <= 0)) - part(g < 0)


@primitive(
    vjp=dict(input=_logcumsumexp_input),
    at=(),
    grad_name="LogcumsumexpBackward0",
    samples=_scan_samples(normal),
)
def _logcumsumexp(input, dim):
    """Logarithms of running sums of exponentials."""
    if input.ndim == 0:
        return np.array(input)
    return np.logaddexp.accumulate(input, axis=dim, dtype=np.float64).astype(input.dtype, copy=False)


@composite(samples=_scan_samples(normal), method=True)
def logcumsumexp(input, dim):
    r"""The logarithm of the running sum of exponentials, :math:`\log \sum_{j \le i} e^{x_j}`, without
    overflow.

    >>> tg.logcumsumexp(tg.tensor([0.0, 0.0]), 0)
    tensor([0.0000, 0.6931])
    """
    check_tensor("logcumsumexp", input)
    if not input.is_floating_point():
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for {input.dtype}')
    return _logcumsumexp(input, wrap_dim(dim, input.ndim))


# ---------------------------------------------------------------------------- extremes


def _gather_back(g, output_1, dim, input_shape):
    if not input_shape:
        return g
    return scattering._ungather(g, input_shape, dim, output_1)


def _running(result, extreme, input, dim):
    """Running extremes, and the last index so far where each was met."""
    if input.ndim == 0:
        return result(np.array(input), np.zeros((), np.int64))
    values = extreme.accumulate(input, axis=dim)
    met = (input == values) | (input != input)
    steps = np.arange(input.shape[dim]).reshape((-1,) + (1,) * (input.ndim - dim - 1))
    return result(values, np.maximum.accumulate(np.where(met, steps, 0), axis=dim))


@primitive(vjp=dict(input=_gather_back), at=(), grad_name="CummaxBackward0", samples=_scan_samples(distinct))
def _cummax(input, dim):
    """Running maxima and where they are."""
    return _running(Cummax, np.maximum, input, dim)


@primitive(vjp=dict(input=_gather_back), at=(), grad_name="CumminBackward0", samples=_scan_samples(distinct))
def _cummin(input, dim):
    """Running minima and where they are."""
    return _running(Cummin, np.minimum, input, dim)


_cummax.answer, _cummin.answer = Cummax, Cummin  # what a hot path makes of the two


@composite(samples=_scan_samples(distinct), method=True)
def cummax(input, dim):
    """The pair (values, indices) of the largest element so far along ``dim``, the last of several.

    >>> tg.cummax(tg.tensor([1, 3, 2]), 0).values
    tensor([1, 3, 3])
    """
    check_tensor("cummax", input)
    return _cummax(input, wrap_dim(dim, input.ndim))


@composite(samples=_scan_samples(distinct), method=True)
def cummin(input, dim):
    """The pair (values, indices) of the smallest element so far along ``dim``, the last of several.

    >>> tg.cummin(tg.tensor([2, 3, 1]), 0).indices
    tensor([0, 0, 2])
    """
    check_tensor("cummin", input)
    return _cummin(input, wrap_dim(dim, input.ndim))


# ---------------------------------------------------------------------------- differences and areas


def _ends(input, dim, n):
    """Everything but the first, and everything but the last ``n`` along ``dim``."""
    left = max(input.shape[dim] - n, 0)
    return input.narrow(dim, min(n, input.shape[dim]), left), input.narrow(dim, 0, left)


@composite(
    samples=lambda: [
        case(normal(5), name="vector"),
        case(normal(3, 4), 2, 0, name="twice"),
        case(normal(3, 4), prepend=normal(3, 1), append=normal(3, 2), name="longer"),
    ],
    method=True,
)
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """The differences of neighbours along ``dim``, taken ``n`` times; of truth values, where they change.

    >>> tg.diff(tg.tensor([1, 4, 2]))
    tensor([ 3, -2])
    """
    check_tensor("diff", input)
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, input.ndim)
    for each in (prepend, append):
        if each is not None and each.ndim != input.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        if each is not None and [s for d, s in enumerate(each.shape) if d != dim] != [
            s for d, s in enumerate(input.shape) if d != dim
        ]:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along "
                f"the differencing dimension {dim}; input.size() = {list(input.shape)}, but got "
                f"{list(each.shape)}"
            )
    if n == 0:
        return shaping.clone(input)
    if prepend is not None or append is not None:
        whole = joining.cat([each for each in (prepend, input, append) if each is not None], dim)
    else:
        whole = input
    for _ in range(min(n, whole.shape[dim])):
        later, earlier = _ends(whole, dim, 1)
        whole = later.logical_xor(earlier) if whole.dtype.name == "bool" else arithmetic.sub(later, earlier)
    return whole


def _spacings(spacing, dim, ndim):
    """What `gradient` was told of its dimensions: their numbers, and for each a distance or coordinates."""
    dims = list(wrap_dims(range(ndim) if dim is None else dim, ndim))
    if isinstance(spacing, Tensor) and spacing.ndim == 0:
        spacing = spacing.item()
    if spacing is None or isinstance(spacing, (int, float)):
        return dims, [1 if spacing is None else spacing] * len(dims)
    if not is_sequence(spacing):
        raise TypeError(
            "gradient(): argument 'spacing' must be a number, a list of numbers or a list of tensors, not "
            f"{type(spacing).__name__}"
        )
    given = list(spacing)
    if len(given) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or a list with one element for each "
            f"of the {len(dims)} dimensions, but got a list of length {len(given)}"
        )
    for each in given:
        if isinstance(each, Tensor) and each.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an element "
                f"with {each.ndim} dimensions!"
            )
    return dims, given


def _weighted(points, dim, start, length, weights):
    """The sum of the pieces of ``points`` that begin at ``start`` and after, each times its weight."""
    total = None
    for shift, weight in enumerate(weights):
        piece = points.narrow(dim, start + shift, length) * weight
        total = piece if total is None else total + piece
    return total


def _slope(points, dim, step, edge_order):
    """The derivative along one dimension, from both neighbours and at the ends from 2 or 3 points.

    Of coordinates, the second-order formulas for uneven steps of B. Fornberg, "Generation of Finite
    Difference Formulas on Arbitrarily Spaced Grids" (1988).
    """
    n = points.shape[dim]
    if isinstance(step, Tensor):
        steps = diff(_roomy(step))
        if steps.shape[0] != n - 1:
            raise RuntimeError(
                f"torch.gradient: there are {step.shape[0]} coordinates for dimension {dim} of size {n}"
            )
        first, second = steps[:-1], steps[1:]
        both = first + second
        middle = (-second / (first * both), (second - first) / (first * second), first / (second * both))
        shape = [-1 if d == dim else 1 for d in range(points.ndim)]
        centre = _weighted(points, dim, 0, n - 2, [shaping.reshape(each, shape) for each in middle])
        begin, end = steps[0], steps[-1]
    else:
        centre = (points.narrow(dim, 2, n - 2) - points.narrow(dim, 0, n - 2)) / step / 2
        begin = end = step
    if edge_order == 1:
        left = (points.narrow(dim, 1, 1) - points.narrow(dim, 0, 1)) / begin
        right = (points.narrow(dim, n - 1, 1) - points.narrow(dim, n - 2, 1)) / end
    elif isinstance(step, Tensor):
        a, b = first[0], second[0]
        left = _weighted(
            points, dim, 0, 1, (-(2 * a + b) / (a * (a + b)), (a + b) / (a * b), -a / (b * (a + b)))
        )
        a, b = first[-1], second[-1]
        right = _weighted(
            points, dim, n - 3, 1, (b / (a * (a + b)), -(a + b) / (a * b), (2 * b + a) / (b * (a + b)))
        )
    else:
        left = _weighted(points, dim, 0, 1, (-1.5, 2.0, -0.5)) / step
        right = _weighted(points, dim, n - 3, 1, (0.5, -2.0, 1.5)) / step
    return joining.cat([left, centre, right], dim)


@composite(
    samples=lambda: [
        case(normal(5), name="vector"),
        case(normal(4, 5), spacing=0.5, name="matrix"),
        case(normal(4, 5), spacing=(2.0, 0.5), dim=(1, 0), edge_order=2, name="three points"),
    ],
)
def gradient(input, *, spacing=None, dim=None, edge_order=1):
    """The derivative of the function that ``input`` holds the values of, along each of the dimensions ``dim``
    (all if None), as a tuple.

    The values are ``spacing`` apart: a number for all, a list of a number for each dimension, or one of a
    vector with the coordinates for each. Inside it is found from both neighbours, at the ends from two
    points, or from three with an ``edge_order`` of 2. Raises RuntimeError for a dimension of fewer points.

    >>> tg.gradient(tg.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    check_tensor("gradient", input)
    if input.dtype is uint8 or input.dtype is bool_:
        raise RuntimeError(f"torch.gradient does not support {input.dtype.name} input.")
    if type(edge_order) is bool or edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims, steps = _spacings(spacing, dim, input.ndim)
    for d in dims:
        if input.ndim == 0 or input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    points = cast(input, promote_types(input.dtype, float32)) if input.is_floating_point() else _roomy(input)
    found = []
    for d, step in zip(dims, steps, strict=True):
        slope = _slope(points, d, step, edge_order)
        found.append(shaping._cast(slope, _area_dtype(input, step if isinstance(step, Tensor) else None)))
    return tuple(found)


def _panels(name, y, x, dx, dim):
    """Twice the area of every strip under the curve."""
    check_tensor(name, y)
    if y.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, y.ndim)
    if y.dtype.name == "bool":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    later, earlier = _ends(_roomy(y), dim, 1)
    if x is None:
        return (later + earlier) * dx, dim
    if x.dtype.name == "bool":
        raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"{name}: There must be one `x` value for each sample point; got {x.shape[0]} for "
                f"{y.shape[dim]}"
            )
        x = shaping.reshape(x, [-1 if d == dim else 1 for d in range(y.ndim)])
    else:
        x = shaping.reshape(x, [1] * (y.ndim - x.ndim) + list(x.shape))
    to, since = _ends(_roomy(x), dim, 1)
    return (later + earlier) * (to - since), dim


def _roomy(points):
    """Integers as float64: two may add up to more than their dtype holds."""
    return points if points.is_floating_point() else points.to(float64)


def _area_dtype(y, x):
    """The dtype of an area: that of the floats among the points, or the default one."""
    wanted = y.dtype if x is None else promote_types(y.dtype, x.dtype)
    return wanted if wanted.is_floating_point else get_default_dtype()


def _dx(name, x, dx):
    if x is not None and dx is not None:
        raise TypeError(f"{name}() takes either x or dx, not both")
    if isinstance(dx, bool):
        raise RuntimeError(f"{name}: Currently, we only support dx as a real number.")
    return 1 if dx is None else dx


_CURVES = lambda: [  # noqa: E731
    case(normal(5), name="unit"),
    case(normal(3, 4), normal(4), name="x"),
    case(normal(3, 4), dx=0.5, dim=0, name="dx"),
]


@composite(single=True, samples=_CURVES)
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The area under the points ``y`` along ``dim``, joined by straight lines, ``dx`` (1) apart or at ``x``.

    >>> tg.trapezoid(tg.tensor([1.0, 4.0, 2.0]))
    tensor(5.5000)
    """
    strips, dim = _panels("trapezoid", y, x, _dx("trapezoid", x, dx), dim)
    if y.shape[dim] == 0:
        return reductions.sum(y, dim, dtype=y.dtype)
    return shaping._cast(reductions.sum(strips, dim) / 2, _area_dtype(y, x))


@composite(single=True, samples=_CURVES)
def trapz(y, x=None, *, dx=None, dim=-1):
    """The area under the points ``y``: `trapezoid` by its older name.

    >>> tg.trapz(tg.tensor([1.0, 4.0, 2.0]))
    tensor(5.5000)
    """
    return trapezoid(y, x, dx=float(dx) if isinstance(dx, int) else dx, dim=dim)


@composite(single=True, samples=_CURVES)
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The area under the points ``y`` up to each but the first: the running `trapezoid`.

    >>> tg.cumulative_trapezoid(tg.tensor([1.0, 4.0, 2.0]))
    tensor([2.5000, 5.5000])
    """
    strips, dim = _panels("cumulative_trapezoid", y, x, _dx("cumulative_trapezoid", x, dx), dim)
    return shaping._cast(cumsum(strips, dim) / 2, _area_dtype(y, x))
