"""Powers, roots, exponentials and logarithms, element by element."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, float16, float64
from tensorgrad.core.declare import between, binary, case, composite, integers, normal, unary
from tensorgrad.ops._kinds import floats_only
from tensorgrad.ops.elementwise import arithmetic
from tensorgrad.ops.elementwise.arithmetic import _keep, div, mul, neg
from tensorgrad.ops.elementwise.comparison import logical_and, logical_not
from tensorgrad.ops.shapes import shaping

LOG2, LOG10 = math.log(2.0), math.log(10.0)
SPECIAL = ("tensorgrad", "tensorgrad.special")

# ---------------------------------------------------------------------------- roots


@unary(vjp=dict(input=lambda g, output: div(g, mul(output, 2))), domain=(0.3, 2.0))
def sqrt(input, *, out=None):
    """The square root; NaN of negative numbers.

    >>> tg.sqrt(tg.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return np.sqrt(input, out=out)


@unary(
    vjp=dict(input=lambda g, output: mul(mul(g, -0.5), mul(output, mul(output, output)))), domain=(0.5, 2.0)
)
def rsqrt(input):
    """One over the square root.

    >>> tg.rsqrt(tg.tensor([4.0, 0.25]))
    tensor([0.5000, 2.0000])
    """
    return 1 / np.sqrt(input)


@unary(vjp=dict(input=lambda g, output: mul(neg(g), mul(output, output))), domain=(0.5, 2.0))
def reciprocal(input):
    """One over every element.

    >>> tg.reciprocal(tg.tensor([4.0, 0.5]))
    tensor([0.2500, 2.0000])
    """
    return 1 / input


# ---------------------------------------------------------------------------- powers


def _nonzero_exponent(exponent, g):
    """The gradient, but 0 where the exponent is: ``x ** 0`` is 1 at 0 too, where the formula is 0 / 0."""
    if isinstance(exponent, Tensor):
        return _keep(g, exponent != 0)
    return g if exponent != 0 else arithmetic._zero(g)


def _pow_input(g, input, exponent):
    less = exponent - 1 if isinstance(exponent, Tensor) else float(exponent) - 1
    return _nonzero_exponent(exponent, mul(g, mul(pow(input, less), exponent)))


def _pow_exponent(g, input, exponent, output):
    if not isinstance(input, Tensor):
        if input == 0:
            return mul(g, _keep(mul(output, -math.inf), ~(exponent >= 0)))
        return mul(g, mul(output, math.log(input) if input > 0 else math.nan))
    flat = logical_and(input == 0, exponent >= 0)
    return mul(g, _keep(mul(output, log(shaping._cast(input, output.dtype))), logical_not(flat)))


def _allowed_exponent(input, exponent):
    if not isinstance(exponent, Tensor):
        whole = isinstance(exponent, (int, np.integer)) and not input.dtype.is_floating_point
        if whole and exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        if input.dtype is float16 or (whole and input.dtype is not bool_):
            _core._fitting(exponent, input.dtype)
    if getattr(input, "dtype", None) is bool_ and getattr(exponent, "dtype", None) is bool_:
        raise NotImplementedError("pow: not implemented for two bool tensors")


def _pow_name(node):
    """PyTorch has one for a number as exponent, one for tensors alone, one for a number as base."""
    if node._settings["exponent"] is not None:
        return "PowBackward0"
    return "PowBackward1" if node._settings["input"] is None else "PowBackward2"


@binary(
    vjp=dict(input=_pow_input, exponent=_pow_exponent),
    grad_name=_pow_name,
    checks=_allowed_exponent,
    samples=lambda: [
        case(between(0.5, 2.0, 3, 4), normal(4), name="plain"),
        case(normal(2, 3), 3, name="number"),
        case(normal(2, 3), 2, name="square"),
        case(between(0.5, 2.0, 2, 3), -0.5, name="negative"),
        case(normal(3), 0, name="zero"),
        case(2.5, normal(3), name="base"),
        case(integers(-3, 4, 5), integers(-2, 4, 5), name="ints"),
    ],
)
def pow(input, exponent):
    """``input ** exponent``, element by element; either may be a number.

    Raises RuntimeError for integers to a negative number.

    >>> tg.pow(tg.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """
    if input.dtype.kind == "b":
        return np.logical_or(input, np.logical_not(exponent))
    if input.dtype.kind == "f":
        if exponent.ndim == 0 and abs(exponent) == 0.5:  # a root's, of -0.0 and -inf too, as the kernel's
            return np.sqrt(input) if exponent > 0 else rsqrt.body(input)
        return np.power(input, exponent)
    if input.dtype.kind == "u" or not np.less(exponent, 0).any():
        return np.power(input, exponent)
    odd = np.where(exponent % 2 == 0, 1, input)
    below = np.where(input == 1, 1, np.where(input == -1, odd, 0))
    return np.where(exponent < 0, below, np.power(input, np.maximum(exponent, 0))).astype(input.dtype)


@composite(
    others=("input", "exponent"),
    method=True,
    inplace=True,
    samples=lambda: [
        case(between(0.5, 2.0, 3, 4), normal(4), name="plain"),
        case(normal(2, 3), 2, name="number"),
    ],
)
def float_power(input, exponent):
    """``input ** exponent`` in float64.

    >>> tg.float_power(tg.tensor([2, 4]), -1).tolist()
    [0.5, 0.25]
    """
    if not (isinstance(input, Tensor) or isinstance(exponent, Tensor)):
        raise TypeError(
            "float_power(): argument 'input' (position 1) must be Tensor, not " + type(input).__name__
        )
    wide = lambda value: shaping._cast(value, float64) if isinstance(value, Tensor) else float(value)
    return pow(wide(input), wide(exponent))


# ---------------------------------------------------------------------------- exponentials


@unary(vjp=dict(input=lambda g, output: mul(g, output)))
def exp(input, *, out=None):
    """e to the power of every element.

    >>> tg.exp(tg.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return np.exp(input, out=out)


@unary(vjp=dict(input=lambda g, output: mul(g, mul(output, LOG2))), at=SPECIAL)
def exp2(input, *, out=None):
    """2 to the power of every element.

    >>> tg.exp2(tg.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """
    return np.exp2(input, out=out)


@unary(vjp=dict(input=lambda g, output: mul(g, output + 1)), at=SPECIAL)
def expm1(input, *, out=None):
    """``exp(input) - 1``, exact also for small elements.

    >>> tg.expm1(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """
    return np.expm1(input, out=out)


# ---------------------------------------------------------------------------- logarithms


@unary(vjp=dict(input=lambda g, input: div(g, input)), domain=(0.3, 2.0))
def log(input, *, out=None):
    """The natural logarithm; -inf of 0, NaN of negative numbers.

    >>> tg.log(tg.tensor([1.0, 2.0]))
    tensor([0.0000, 0.6931])
    """
    return np.log(input, out=out)


@unary(
    vjp=dict(input=lambda g, input: div(g, input + 1)), at=SPECIAL, domain=(-0.6, 2.0),
    grad_name="Log1PBackward0",
)  # fmt: skip
def log1p(input, *, out=None):
    """``log(1 + input)``, exact also for small elements.

    >>> tg.log1p(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    return np.log1p(input, out=out)


@unary(vjp=dict(input=lambda g, input: div(g, mul(input, LOG2))), domain=(0.3, 2.0))
def log2(input, *, out=None):
    """The logarithm to base 2.

    >>> tg.log2(tg.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return np.log2(input, out=out)


@unary(vjp=dict(input=lambda g, input: div(g, mul(input, LOG10))), domain=(0.3, 2.0))
def log10(input, *, out=None):
    """The logarithm to base 10.

    >>> tg.log10(tg.tensor([1.0, 10.0]))
    tensor([0., 1.])
    """
    return np.log10(input, out=out)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: mul(g, arithmetic.sub(input, other).sigmoid()),
        other=lambda g, input, other: mul(g, arithmetic.sub(other, input).sigmoid()),
    ),
)
def logaddexp(input, other, *, out=None):
    """``log(exp(input) + exp(other))``, which can't overflow on the way.

    >>> tg.logaddexp(tg.tensor([0.0, 1000.0]), tg.tensor([0.0, 1000.0]))
    tensor([6.9315e-01, 1.0007e+03])
    """
    floats_only("logaddexp", input)
    return np.logaddexp(input, other, out=out)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: div(g, exp2(arithmetic.sub(other, input)) + 1),
        other=lambda g, input, other: div(g, exp2(arithmetic.sub(input, other)) + 1),
    ),
)
def logaddexp2(input, other, *, out=None):
    """``log2(2 ** input + 2 ** other)``, which can't overflow on the way.

    >>> tg.logaddexp2(tg.tensor([0.0, 2.0]), tg.tensor([0.0, 2.0]))
    tensor([1., 3.])
    """
    floats_only("logaddexp2", input)
    return np.logaddexp2(input, other, out=out)


@binary(
    vjp=dict(
        input=lambda g, input, other: _keep(xlogy(g, other), ~((input == 0) & (other <= 0))),
        other=lambda g, input, other: div(mul(g, input), other),
    ),
    rule="float",
    at=SPECIAL,
    domain=(0.5, 2.0),
)
def xlogy(input, other):
    """``input * log(other)``, which is 0 where ``input`` is 0, unless ``other`` is NaN.

    >>> tg.xlogy(tg.tensor([0.0, 2.0]), tg.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    return np.where((input == 0) & ~np.isnan(other), input.dtype.type(0), input * np.log(other))
