"""Whole numbers near each element, what is left beside them, and the parts that floats are stored in."""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from tensorgrad.core import _core, bfloat16, float64, result_type
from tensorgrad.core.declare import alias, between, binary, case, composite, normal, primitive, unary
from tensorgrad.ops._kinds import floats_only, not_bool, want_tensors
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.elementwise.arithmetic import _keep, _zero, mul
from tensorgrad.ops.reducing.reductions import cast

Frexp = namedtuple("frexp", ["mantissa", "exponent"])

_between_whole = lambda: [case(between(1.1, 1.4, 3, 4), name="plain"), case(between(-1.4, -1.1), name="0-d")]


def _rounded(name, how, input):
    not_bool(name, input)
    return how(input) if input.dtype.kind == "f" else input.copy()


@unary(vjp=dict(input=lambda g: _zero(g)), rule="same", samples=_between_whole)
def floor(input):
    """The greatest whole number that is not above each element; its gradient is 0.

    >>> tg.floor(tg.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return _rounded("floor", np.floor, input)


@unary(vjp=dict(input=lambda g: _zero(g)), rule="same", samples=_between_whole)
def ceil(input):
    """The smallest whole number that is not below each element; its gradient is 0.

    >>> tg.ceil(tg.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return _rounded("ceil", np.ceil, input)


@unary(vjp=dict(input=lambda g: _zero(g)), rule="same", samples=_between_whole)
def trunc(input):
    """Each element without its fraction, towards zero; its gradient is 0.

    >>> tg.trunc(tg.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return _rounded("trunc", np.trunc, input)


alias("fix", trunc)


@unary(
    vjp=dict(input=lambda g: _zero(g)),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="RoundBackward0",
    samples=_between_whole,
)
def _round(input):
    """The nearest whole number; halves go to the even one."""
    return _rounded("round", np.rint, input)


@unary(
    vjp=dict(input=lambda g: _zero(g)),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="RoundBackward1",
    samples=lambda: [
        case(between(0.111, 0.113, 3), 2, name="plain"),
        case(between(111.0, 113.0, 3), -1, name="tens"),
    ],
)
def _round_decimals(input, decimals):
    """The nearest number of so many decimals."""
    floats_only("round", input)
    scale = input.dtype.type(10.0 ** np.abs(decimals))
    return np.rint(input * scale) / scale if decimals > 0 else np.rint(input / scale) * scale


@composite(
    at=("tensorgrad", "tensorgrad.special"),
    method=True,
    inplace=True,
    samples=lambda: [
        case(between(1.1, 1.4, 3), name="plain"),
        case(between(0.111, 0.113, 3), decimals=2, name="decimals"),
    ],
)
def round(input, *, decimals=0):
    """The nearest whole number, halves to the even one, or of so many ``decimals``; its gradient is 0.

    >>> tg.round(tg.tensor([0.5, 1.5, 2.6]))
    tensor([0., 2., 3.])
    """
    want_tensors("round", input=input)
    return _round_decimals(input, decimals) if decimals else _round(input)


@unary(vjp=dict(input=lambda g: g), rule="same", samples=_between_whole)
def frac(input):
    """The fraction of each element, with its sign: ``input - trunc(input)``.

    >>> tg.frac(tg.tensor([1.5, -1.25]))
    tensor([ 0.5000, -0.2500])
    """
    floats_only("frac", input)
    return input - np.trunc(input)


# ---------------------------------------------------------------------------- how floats are stored


@primitive(
    vjp=dict(input=lambda g_0, output_1: mul(g_0, (-output_1).to(g_0.dtype).exp2())),
    at=(),
    grad_name="FrexpBackward0",
    samples=lambda: [case(between(1.1, 1.9, 3, 4), name="plain")],
    elementwise=True,
)
def _frexp(input):
    """Mantissa and exponent, as a pair."""
    floats_only("frexp", input)
    mantissa, exponent = np.frexp(input)
    return mantissa, np.where(np.isfinite(input), exponent, 0).astype(np.int32)


@composite(method=True, samples=lambda: [case(between(1.1, 1.9, 3, 4), name="plain")])
def frexp(input):
    """Mantissa, of size 0.5 to 1, and int32 exponent of every float: ``input = mantissa * 2 ** exponent``.

    >>> tg.frexp(tg.tensor([3.5])).exponent.item()
    2
    """
    want_tensors("frexp", input=input)
    return Frexp(*_frexp(input))


@composite(
    method=True,
    inplace=True,
    samples=lambda: [case(normal(3, 4), between(-2.0, 2.0, 4), name="plain")],
)
def ldexp(input, other):
    """``input * 2 ** other``, element by element. A power that no float64 holds is taken in steps.

    >>> tg.ldexp(tg.tensor([1.0, 3.0]), tg.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """
    want_tensors("ldexp", input=input, other=other)
    if other.dtype.is_floating_point or not input.dtype.is_floating_point:
        dtype = result_type(input, other, 1.0)
    else:
        dtype = input.dtype
    found, other = cast(input, float64), cast(other, float64)
    for _ in range(3 if dtype is float64 else 1):
        step = choosing.where((other.abs() > 1000) & other.isfinite(), other.clamp(-1000, 1000), other)
        found, other = mul(found, 2.0**step), (other - step).masked_fill(other.isinf(), 0)
    return cast(found, dtype)


@binary(
    vjp=dict(input=lambda g, input, other: _keep(g, input != other), other=lambda g: _zero(g)),
    numbers="none",
    rule="free",
    samples=lambda: [case(normal(3, 4), normal(4), name="plain")],
)
def nextafter(input, other):
    """The float next to ``input`` on the way to ``other``.

    >>> tg.nextafter(tg.tensor([1.0]), tg.tensor([2.0])) > 1
    tensor([True])
    """
    floats_only("nextafter", input)
    own = _core.dtype_in_body(input)
    if own is bfloat16:  # the upper half of a float32: counted there, and away from 0 by size
        bits, step = input.view(np.float32).view(np.int32), np.int32(1 << 16)
        next_to = (bits + np.where((other > input) == (bits >= 0), step, -step)).view(np.float32)
        next_to = np.where(input == 0, np.copysign(np.float32(2.0**-133), other), next_to)
        next_to = np.where(np.isnan(input) | np.isnan(other), input + other, next_to)
        return np.where(input == other, other, next_to)
    return np.asarray(np.nextafter(input.astype(own.numpy_dtype), other.astype(own.numpy_dtype)))
