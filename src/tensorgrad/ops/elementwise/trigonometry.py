"""Sines and their kin, circular and hyperbolic, their inverses, and angles."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import _core
from tensorgrad.core.declare import alias, between, binary, case, composite, distinct, normal, unary
from tensorgrad.ops._kinds import floats_only, want_tensors
from tensorgrad.ops.elementwise import _curves
from tensorgrad.ops.elementwise.arithmetic import _keep, _zero, div, mul, neg, square
from tensorgrad.ops.elementwise.powers import rsqrt

# ---------------------------------------------------------------------------- circular


@unary(vjp=dict(input=lambda g, input: mul(g, cos(input))))
def sin(input, *, out=None):
    """The sine of every element, in radians.

    >>> tg.sin(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """
    return np.sin(input, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, neg(sin(input)))))
def cos(input, *, out=None):
    """The cosine of every element, in radians.

    >>> tg.cos(tg.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """
    return np.cos(input, out=out)


@unary(vjp=dict(input=lambda g, output: mul(g, square(output) + 1)), domain=(-1.2, 1.2))
def tan(input, *, out=None):
    """The tangent of every element, in radians.

    >>> tg.tan(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """
    return np.tan(input, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, rsqrt(1 - square(input)))), domain=(-0.8, 0.8))
def asin(input, *, out=None):
    """The angle, from -pi/2 to pi/2, whose sine is the element.

    >>> tg.asin(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    return np.arcsin(input, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, neg(rsqrt(1 - square(input))))), domain=(-0.8, 0.8))
def acos(input, *, out=None):
    """The angle, from 0 to pi, whose cosine is the element.

    >>> tg.acos(tg.tensor([1.0, 0.0]))
    tensor([0.0000, 1.5708])
    """
    return np.arccos(input, out=out)


@unary(vjp=dict(input=lambda g, input: div(g, square(input) + 1)))
def atan(input, *, out=None):
    """The angle, from -pi/2 to pi/2, whose tangent is the element.

    >>> tg.atan(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    return np.arctan(input, out=out)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: mul(g, _over_squares(other, input, other)),
        other=lambda g, input, other: mul(g, _over_squares(neg(input), input, other)),
    ),
    rule="float",
    samples=lambda: [
        case(between(0.5, 2.0, 3, 4), normal(3, 4), name="plain"),
        case(between(-2.0, -0.5, 3, 1), normal(4), name="broadcast"),
    ],
)
def atan2(input, other, *, out=None):
    """The angle, from -pi to pi, of the point with height ``input`` and breadth ``other``.

    >>> tg.atan2(tg.tensor([1.0, 0.0]), tg.tensor([1.0, -1.0]))
    tensor([0.7854, 3.1416])
    """
    return np.arctan2(input, other, out=out)


def _over_squares(top, input, other):
    """A coordinate over the squared distance from the origin; 0 at the origin itself."""
    squares = square(input) + square(other)
    return _keep(div(top, squares), squares != 0)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, output: mul(g, div(input, output)),
        other=lambda g, other, output: mul(g, div(other, output)),
    ),
    domain=(0.5, 2.0),
)
def hypot(input, other, *, out=None):
    """The distance of (input, other) from the origin, ``sqrt(input ** 2 + other ** 2)``, without overflow.

    >>> tg.hypot(tg.tensor([3.0]), tg.tensor([4.0]))
    tensor([5.])
    """
    floats_only("hypot", input)
    return np.hypot(input, other, out=out)


# ---------------------------------------------------------------------------- hyperbolic (tanh: activations)


@unary(vjp=dict(input=lambda g, input: mul(g, cosh(input))))
def sinh(input, *, out=None):
    """The hyperbolic sine of every element.

    >>> tg.sinh(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    return np.sinh(input, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, sinh(input))))
def cosh(input, *, out=None):
    """The hyperbolic cosine of every element.

    >>> tg.cosh(tg.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    return np.cosh(input, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, rsqrt(square(input) + 1))))
def asinh(input, *, out=None):
    """The number whose hyperbolic sine is the element.

    >>> tg.asinh(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """
    return np.arcsinh(input, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, rsqrt(square(input) - 1))), domain=(1.3, 3.0))
def acosh(input, *, out=None):
    """The number, at least 0, whose hyperbolic cosine is the element; NaN below 1.

    >>> tg.acosh(tg.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """
    return np.arccosh(input, out=out)


@unary(vjp=dict(input=lambda g, input: div(g, 1 - square(input))), domain=(-0.8, 0.8))
def atanh(input, *, out=None):
    """The number whose hyperbolic tangent is the element.

    >>> tg.atanh(tg.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """
    return np.arctanh(input, out=out)


# ---------------------------------------------------------------------------- angles


@unary(vjp=dict(input=lambda g: mul(g, math.pi / 180)))
def deg2rad(input):
    """Degrees as radians.

    >>> tg.deg2rad(tg.tensor([180.0, 90.0]))
    tensor([3.1416, 1.5708])
    """
    return input * input.dtype.type(math.pi / 180)


@unary(vjp=dict(input=lambda g: mul(g, 180 / math.pi)))
def rad2deg(input):
    """Radians as degrees.

    >>> tg.rad2deg(tg.tensor([3.1415927, 0.0]))
    tensor([180.,   0.])
    """
    return input * input.dtype.type(180 / math.pi)


@unary(
    vjp=dict(input=lambda g: _zero(g)), inplace=False, samples=lambda: [case(distinct(3, 4), name="plain")]
)
def angle(input):
    """The angle of real numbers in the plane: 0, or pi for negative ones.

    >>> tg.angle(tg.tensor([1.0, -1.0]))
    tensor([0.0000, 3.1416])
    """
    return np.where(np.isnan(input), input, np.where(input < 0, math.pi, 0.0))


@composite(samples=lambda: [case(normal(3), name="plain")])
def real(input):
    """The tensor itself: there are no complex dtypes.

    >>> tg.real(tg.tensor([1.0]))
    tensor([1.])
    """
    want_tensors("real", input=input)
    return input


for _name in ("conj", "conj_physical", "resolve_conj", "resolve_neg"):
    alias(_name, real, method=True)
_core._add_method("real", property(real.body, doc=real.__doc__))


@unary(
    vjp=dict(input=lambda g, input, order: mul(g, _sinc_derivative(input, order + 1))),
    at=(),
    method=False,
    inplace=False,
    samples=lambda: [
        case(between(-2.0, 2.0, 3, 4), 1, name="first"),
        case(between(-4.0, 4.0, 5), 2, name="second"),
    ],
)
def _sinc_derivative(input, order):
    """The derivative of `sinc` of some order, exact also near 0."""
    return _curves.sinc_derivative(input.astype(np.float64), int(order)).astype(input.dtype)


@unary(
    vjp=dict(input=lambda g, input: mul(g, _sinc_derivative(input, 1))),
    at=("tensorgrad", "tensorgrad.special"),
    samples=lambda: [case(between(0.3, 2.0, 3, 4), name="plain"), case(between(-2.0, -0.3), name="0-d")],
)
def sinc(input):
    """``sin(pi * input) / (pi * input)``, and 1 at 0.

    >>> tg.sinc(tg.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    turned = input * input.dtype.type(math.pi)
    return np.where(input == 0, input.dtype.type(1), np.sin(turned) / turned)


for _name, _op in {
    "arcsin": asin, "arccos": acos, "arctan": atan, "arctan2": atan2,
    "arcsinh": asinh, "arccosh": acosh, "arctanh": atanh,
}.items():  # fmt: skip
    alias(_name, _op)
