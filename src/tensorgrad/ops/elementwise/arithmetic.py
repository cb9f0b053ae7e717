"""Sums, products, quotients and their kin, element by element."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import _core, bool_, is_grad_enabled
from tensorgrad.core.declare import (
    alias,
    between,
    binary,
    case,
    composite,
    integers,
    normal,
    primitive,
    truths,
    unary,
)
from tensorgrad.ops._kinds import integers_only, not_bool, stored, want_tensors
from tensorgrad.ops._tools import Tensor

# ---------------------------------------------------------------------------- parts of formulas


@unary(rule="same", at=(), method=False, inplace=False)
def _zero(input):
    """Zeros of the same shape: the gradient of what moves in steps."""
    return np.zeros_like(input)


@primitive(
    vjp=dict(input=lambda g, mask: _keep(g, mask)),
    nograd=("mask",),
    at=(),
    samples=lambda: [
        case(normal(2, 3), truths(2, 3), name="plain"),
        case(normal(2, 3), truths(3), name="broadcast"),
    ],
    elementwise=True,
)
def _keep(input, mask):
    """The input where ``mask``, else 0 even of infinities and NaN. The mask broadcasts to the input."""
    return np.where(mask, input, input.dtype.type(0))


@primitive(
    vjp=dict(input=lambda g: g, source=lambda g: _zero(g)),
    at=(),
    samples=lambda: [case(normal(2, 3), normal(2, 3), name="plain")],
    elementwise=True,
)
def _in_steps(input, source):
    """``input``, which ``source`` has a part in that moves in steps: the derivative is 0, not none."""
    return input.copy()


def _stepwise(g, source):
    """The gradient through straight pieces. Where PyTorch lets it be differentiated again by the tensor that
    chose the pieces, it gives zeros."""
    return _in_steps(g, source) if is_grad_enabled() and source.requires_grad else g


# ---------------------------------------------------------------------------- sums and differences


def _times_alpha(name, other, alpha, sign=1):
    """``sign * alpha * other``, after torch's rules of which alpha goes with which dtype."""
    if (isinstance(alpha, Tensor) and not alpha.ndim) or isinstance(alpha, np.generic):
        alpha = alpha.item()
    if alpha is True or alpha is False:
        if other.dtype.kind != "b":
            raise RuntimeError(
                f"{name}: Boolean alpha only supported for Boolean results, not {other.dtype}."
            )
    elif other.dtype.kind in "iub" and not isinstance(alpha, int):
        raise RuntimeError(
            f"{name}: For integral input tensors, argument alpha must not be a floating point number: {alpha}"
        )
    factor = sign * alpha
    if factor == 1 << 63 and other.dtype == np.int64:
        factor = -factor  # what PyTorch's int64 makes of -(-2**63)
    return other if factor == 1 else other * stored(factor, other)


@binary(
    vjp=dict(input=lambda g: g, other=lambda g, alpha: g if alpha == 1 else mul(g, alpha)),
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="plain"),
        case(normal(3, 1), normal(4), name="broadcast"),
        case(normal(2, 3), 1.5, name="number"),
        case(normal(2, 3), normal(2, 3), alpha=2.5, name="alpha"),
    ],
)
def add(input, other, *, alpha=1):
    """Sum of two tensors, element by element, with broadcasting: ``input + alpha * other``.

    >>> tg.add(tg.tensor([2.0, 3.0]), 4.0)
    tensor([6., 7.])
    """
    return np.add(input, _times_alpha("add", other, alpha))


def _no_bool_operand(input, other, alpha=1):
    """Differences with bool are refused: what was meant is most often a negated mask."""
    kinds = [isinstance(each, bool) or getattr(each, "dtype", None) is bool_ for each in (input, other)]
    if all(kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if any(kinds):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )


@binary(
    vjp=dict(input=lambda g: g, other=lambda g, alpha: neg(g) if alpha == 1 else mul(g, -alpha)),
    rule="no bool",
    checks=_no_bool_operand,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="plain"),
        case(normal(3, 1), normal(4), name="broadcast"),
        case(normal(2, 3), 1.5, name="number"),
        case(normal(2, 3), normal(2, 3), alpha=2.5, name="alpha"),
    ],
)
def sub(input, other, *, alpha=1):
    """Difference of two tensors, element by element, with broadcasting: ``input - alpha * other``.

    >>> tg.sub(tg.tensor([2.0, 3.0]), 4.0)
    tensor([-2., -1.])
    """
    if type(alpha) is int and alpha == 1:
        return np.subtract(input, other)
    return np.add(input, _times_alpha("sub", other, alpha, -1))  # what has to fit is -alpha


@composite(
    others=("other",),
    method=True,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="plain"),
        case(normal(2, 3), 1.5, alpha=2.0, name="number"),
    ],
)
def rsub(input, other, *, alpha=1):
    """``other - alpha * input``, the difference the other way round.

    >>> tg.rsub(tg.tensor([2.0, 3.0]), 4.0)
    tensor([2., 1.])
    """
    want_tensors("rsub", input=input)
    return sub(other, input, alpha=alpha)


@unary(vjp=dict(input=lambda g: neg(g)), rule="no bool")
def neg(input, *, out=None):
    """The negative of every element.

    >>> tg.neg(tg.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return np.negative(input, out=out)


@composite(method=True, samples=lambda: [case(normal(3), name="plain")])
def positive(input):
    """The tensor itself, as the operator ``+x``; raises RuntimeError for bool.

    >>> tg.positive(tg.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if isinstance(input, Tensor) and input.dtype.name == "bool":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    want_tensors("positive", input=input)
    return input


# ---------------------------------------------------------------------------- products and quotients


@binary(vjp=dict(input=lambda g, other: mul(g, other), other=lambda g, input: mul(g, input)))
def mul(input, other, *, out=None):
    """Product of two tensors, element by element, with broadcasting.

    >>> tg.mul(tg.tensor([2.0, 3.0]), 4.0)
    tensor([ 8., 12.])
    """
    return np.multiply(input, other, out=out)


def _rounded_quotient(input, other, rounding_mode=None):
    """Quotients that are rounded keep integers integers: ops of their own."""
    if rounding_mode is None:
        return None
    if rounding_mode == "floor":
        return _div_floor(input, other)
    if rounding_mode == "trunc":
        return _div_trunc(input, other)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
    )


@binary(
    vjp=dict(
        input=lambda g, other: div(g, other),
        other=lambda g, input, other: neg(mul(g, div(div(input, other), other))),
    ),
    rule="float",
    checks=_rounded_quotient,
    samples=lambda: [
        case(normal(3, 4), between(0.5, 2.0, 3, 4), name="plain"),
        case(normal(3, 1), between(0.5, 2.0, 4), name="broadcast"),
        case(normal(2, 3), 1.5, name="number"),
        case(between(1.1, 1.9, 2, 3), 0.5, rounding_mode="floor", name="floor"),
        case(between(-1.9, -1.1, 2, 3), 0.5, rounding_mode="trunc", name="trunc"),
    ],
)
def div(input, other, *, rounding_mode=None):
    """Quotient of two tensors, element by element, with broadcasting; integers give floats.

    ``rounding_mode`` "floor" rounds down, "trunc" towards zero; both keep integers, with gradient 0.

    >>> tg.div(tg.tensor([7.0, -7.0]), 2, rounding_mode="trunc")
    tensor([ 3., -3.])
    """
    return np.divide(input, other)


def _divisible(input, other):
    if input.size and other.dtype.kind in "iu" and not other.all():
        raise RuntimeError("ZeroDivisionError: an integer was divided by 0")


def _floored(name, input, other):
    not_bool(name, input)
    _divisible(input, other)
    return np.floor_divide(input, other)


_quotients = lambda: [
    case(between(1.1, 1.9, 2, 3), 0.5, name="number"),
    case(integers(-9, 9, 4), integers(1, 5, 4), name="ints"),
]


@binary(
    vjp=dict(input=lambda g: _zero(g), other=lambda g: _zero(g)),
    at=(),
    method=False,
    inplace=False,
    samples=_quotients,
)
def _div_floor(input, other):
    """The quotient rounded down, with gradient 0."""
    return _floored("div", input, other)


@binary(
    vjp=dict(input=lambda g: _zero(g), other=lambda g: _zero(g)),
    at=(),
    method=False,
    inplace=False,
    samples=_quotients,
)
def _div_trunc(input, other):
    """The quotient rounded towards 0, with gradient 0."""
    not_bool("div", input)
    _divisible(input, other)
    if input.dtype.kind == "f":
        return np.trunc(np.divide(input, other))
    quotient = np.floor_divide(input, other)
    return quotient + ((quotient < 0) & (quotient * other != input)).astype(quotient.dtype)


@binary(numbers="other", samples=_quotients, smooth=False)
def floor_divide(input, other):
    """The quotient rounded down, which integers keep as integers. No gradient flows.

    >>> tg.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return _floored("floor_divide", input, other)


@binary(
    vjp=dict(input=lambda g: g, other=lambda g, input, other: neg(mul(g, _div_floor(input, other)))),
    samples=lambda: [
        case(between(1.1, 1.4, 2, 3), between(0.8, 1.0, 2, 3), name="plain"),
        case(between(-1.4, -1.1, 2, 3), 0.9, name="negative"),
        case(integers(-9, 9, 5), integers(1, 4, 5), name="ints"),
    ],
)
def remainder(input, other):
    """What is left of a division rounded down, as the operator ``%``: it has the sign of ``other``.

    >>> tg.remainder(tg.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    not_bool("remainder", input)
    _divisible(input, other)
    if input.dtype.kind != "f":
        return np.remainder(input, other)
    rest = np.fmod(input, other)
    return np.where((rest != 0) & ((rest < 0) != (other < 0)), rest + other, rest)


@binary(
    numbers="other",
    vjp=dict(input=lambda g: g, other=lambda g, input, other: neg(mul(g, _div_trunc(input, other)))),
    samples=lambda: [
        case(between(1.1, 1.4, 2, 3), between(0.8, 1.0, 2, 3), name="plain"),
        case(between(-1.4, -1.1, 2, 3), 0.9, name="negative"),
        case(integers(-9, 9, 5), integers(1, 4, 5), name="ints"),
    ],
)
def fmod(input, other, *, out=None):
    """What is left of a division rounded towards zero: it has the sign of ``input``.

    >>> tg.fmod(tg.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """
    not_bool("fmod", input)
    _divisible(input, other)
    return np.fmod(input, other, out=out)


# ---------------------------------------------------------------------------- size and sign


@unary(
    vjp=dict(input=lambda g, input: mul(g, sign(input))),
    rule="same",
    samples=lambda: [
        case(between(0.2, 2.0, 3, 4), name="positive"),
        case(between(-2.0, -0.2, 3), name="negative"),
    ],
)
def abs(input, *, out=None):
    """The size of every element; its gradient at 0 is 0.

    >>> tg.abs(tg.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    not_bool("abs", input)
    return np.abs(input, out=out)


def _sign(input):
    if input.dtype.kind == "b":
        return input.copy()
    return np.greater(input, 0).astype(input.dtype) - np.less(input, 0).astype(input.dtype)


@unary(vjp=dict(input=lambda g: _zero(g)), rule="same", domain=(0.2, 2.0))
def sign(input):
    """-1, 0 or 1, as each element is negative, zero (or NaN) or positive.

    >>> tg.sign(tg.tensor([0.5, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return _sign(input)


@unary(vjp=dict(input=lambda g: _zero(g)), rule="same", domain=(0.2, 2.0))
def sgn(input):
    """The sign of every element, as `sign`.

    >>> tg.sgn(tg.tensor([0.5, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return _sign(input)


@unary(rule="bool", inplace=False, smooth=False)
def signbit(input):
    """Whether the sign of every element is minus; true of -0.0 too.

    >>> tg.signbit(tg.tensor([1.0, -0.0]))
    tensor([False,  True])
    """
    return np.signbit(input) if input.dtype.kind == "f" else np.less(input, 0)


@binary(
    numbers="other",
    vjp=dict(
        input=lambda g, input, output: mul(g, _keep(div(output, input), input != 0)),
        other=lambda g: _zero(g),
    ),
    rule="float",
    domain=(0.2, 2.0),
)
def copysign(input, other, *, out=None):
    """The size of ``input`` with the sign of ``other``.

    >>> tg.copysign(tg.tensor([1.0, -2.0]), tg.tensor([-1.0, 1.0]))
    tensor([-1.,  2.])
    """
    return np.copysign(input, other, out=out)


@unary(vjp=dict(input=lambda g, input: mul(g, mul(input, 2))), rule="free", grad_name="PowBackward0")
def square(input):
    """Every element times itself.

    >>> tg.square(tg.tensor([3.0, -2.0]))
    tensor([9., 4.])
    """
    return np.square(input.astype(np.int64) if input.dtype.kind == "b" else input)


# ---------------------------------------------------------------------------- whole numbers


@binary(
    numbers="none",
    samples=lambda: [case(integers(-30, 30, 3, 4), integers(-30, 30, 4), name="plain")],
    smooth=False,
)
def gcd(input, other, *, out=None):
    """The greatest common divisor of two tensors of integers, element by element.

    >>> tg.gcd(tg.tensor([12, 7]), tg.tensor([18, 21]))
    tensor([6, 7])
    """
    integers_only("gcd", input)
    return np.gcd(input, other, out=out)


@binary(
    numbers="none",
    samples=lambda: [case(integers(-30, 30, 3, 4), integers(-30, 30, 4), name="plain")],
    smooth=False,
)
def lcm(input, other):
    """The least common multiple of two tensors of integers, element by element.

    >>> tg.lcm(tg.tensor([4, 7]), tg.tensor([6, 3]))
    tensor([12, 21])
    """
    integers_only("lcm", input)
    return np.abs(np.lcm(input, other))  # also of one that wrapped round


for _name, _op in {
    "subtract": sub, "multiply": mul, "divide": div, "true_divide": div, "negative": neg, "absolute": abs,
}.items():  # fmt: skip
    alias(_name, _op)

for _name, _operator in {
    "__div__": "__truediv__",
    "__rdiv__": "__rtruediv__",
    "__idiv__": "__itruediv__",
}.items():
    _core._add_method(_name, getattr(Tensor, _operator))  # Python 2's names, which PyTorch keeps
