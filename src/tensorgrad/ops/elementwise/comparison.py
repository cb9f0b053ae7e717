"""Questions answered element by element with True and False, and the logic of such answers and of bits."""

from __future__ import annotations

import builtins

import numpy as np

from tensorgrad.core.declare import alias, binary, case, composite, integers, normal, primitive, truths, unary
from tensorgrad.ops._kinds import integers_only, want_tensors

_pairs = lambda: [
    case(integers(0, 3, 3, 4), integers(0, 3, 3, 4), name="ints"),
    case(normal(3, 1), normal(4), name="broadcast"),
    case(integers(0, 3, 5), 1, name="number"),
]


def reaches(input, output):
    """Where the elements are the output, NaN counting as itself."""
    return (input == output) | ((input != input) & (output != output))


@binary(numbers="other", rule="bool", samples=_pairs, smooth=False)
def eq(input, other, *, out=None):
    """Whether the elements are equal, as ``==``.

    >>> tg.eq(tg.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return np.equal(input, other, out=out)


@binary(numbers="other", rule="bool", samples=_pairs, smooth=False)
def ne(input, other, *, out=None):
    """Whether the elements differ, as ``!=``.

    >>> tg.ne(tg.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return np.not_equal(input, other, out=out)


@binary(numbers="other", rule="bool", samples=_pairs, smooth=False)
def lt(input, other, *, out=None):
    """Whether the elements of ``input`` are less, as ``<``.

    >>> tg.lt(tg.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return np.less(input, other, out=out)


@binary(numbers="other", rule="bool", samples=_pairs, smooth=False)
def le(input, other, *, out=None):
    """Whether the elements of ``input`` are less or equal, as ``<=``.

    >>> tg.le(tg.tensor([1, 3]), 2)
    tensor([ True, False])
    """
    return np.less_equal(input, other, out=out)


@binary(numbers="other", rule="bool", samples=_pairs, smooth=False)
def gt(input, other, *, out=None):
    """Whether the elements of ``input`` are greater, as ``>``.

    >>> tg.gt(tg.tensor([1, 3]), 2)
    tensor([False,  True])
    """
    return np.greater(input, other, out=out)


@binary(numbers="other", rule="bool", samples=_pairs, smooth=False)
def ge(input, other, *, out=None):
    """Whether the elements of ``input`` are greater or equal, as ``>=``.

    >>> tg.ge(tg.tensor([1, 3]), 2)
    tensor([False,  True])
    """
    return np.greater_equal(input, other, out=out)


# ---------------------------------------------------------------------------- all at once, or nearly


@primitive(
    nograd=("input", "other"),
    at=(),
    samples=lambda: [case(normal(3, 4), normal(4), 0.5, 0.5, True, name="plain")],
    smooth=False,
    elementwise=True,
)
def _isclose(input, other, rtol, atol, equal_nan):
    """The comparison behind `isclose`, in float64 for integers."""
    close = np.equal(input, other)
    if equal_nan:
        close |= np.not_equal(input, input) & np.not_equal(other, other)
    if rtol == 0 and atol == 0:
        return close
    if input.dtype.kind != "f":
        input, other = input.astype(np.float64), other.astype(np.float64)
    distance = np.abs(input - other)
    return close | (np.isfinite(distance) & (distance <= atol + np.abs(rtol * other)))


@composite(
    method=True,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="plain"),
        case(normal(3, 1), normal(4), 0.5, 0.5, True, name="wide"),
    ],
    smooth=False,
)
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether the elements are near each other: ``|input - other| <= atol + rtol * |other|``.

    Raises RuntimeError for different dtypes and for negative tolerances.

    >>> tg.isclose(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    want_tensors("isclose", input=input, other=other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose: {input.dtype.name} did not match {other.dtype.name}")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"isclose: {name} must be greater than or equal to zero, but got {tolerance}")
    return _isclose(input, other, rtol, atol, equal_nan)


@composite(method=True, samples=lambda: [case(normal(3), normal(3), name="plain")], smooth=False)
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are near each other, as a bool: see `isclose`.

    >>> tg.allclose(tg.ones(2), tg.ones(2) + 1e-9)
    True
    """
    return builtins.bool(isclose(input, other, rtol, atol, equal_nan).detach().numpy().all())


@composite(method=True, samples=lambda: [case(normal(3), normal(3), name="plain")], smooth=False)
def equal(input, other):
    """Whether two tensors have the same shape and the same values, as a bool.

    >>> tg.equal(tg.ones(2), tg.ones(3))
    False
    """
    want_tensors("equal", input=input, other=other)
    return input.shape == other.shape and builtins.bool(eq(input, other).numpy().all())


# ---------------------------------------------------------------------------- what kind of number

_numbers = lambda: [
    case(normal(3, 4), name="plain"),
    case(normal(), name="0-d"),
    case(integers(-2, 2, 3), name="ints"),
]


@unary(rule="bool", samples=_numbers, inplace=False, smooth=False)
def isnan(input, *, out=None):
    """Which elements are NaN.

    >>> tg.isnan(tg.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return np.isnan(input, out=out)


@unary(rule="bool", samples=_numbers, inplace=False, smooth=False)
def isinf(input, *, out=None):
    """Which elements are infinite, of either sign.

    >>> tg.isinf(tg.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """
    return np.isinf(input, out=out)


@unary(rule="bool", samples=_numbers, inplace=False, smooth=False)
def isfinite(input, *, out=None):
    """Which elements are neither infinite nor NaN.

    >>> tg.isfinite(tg.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    return np.isfinite(input, out=out)


@unary(rule="bool", samples=_numbers, inplace=False, smooth=False)
def isposinf(input):
    """Which elements are plus infinity.

    >>> tg.isposinf(tg.tensor([float("inf"), float("-inf")]))
    tensor([ True, False])
    """
    return np.equal(input, np.inf)


@unary(rule="bool", samples=_numbers, inplace=False, smooth=False)
def isneginf(input):
    """Which elements are minus infinity.

    >>> tg.isneginf(tg.tensor([float("inf"), float("-inf")]))
    tensor([False,  True])
    """
    return np.equal(input, -np.inf)


@unary(rule="bool", samples=_numbers, inplace=False, smooth=False)
def isreal(input):
    """True everywhere: there are no complex dtypes.

    >>> tg.isreal(tg.ones(2))
    tensor([True, True])
    """
    return np.ones(input.shape, np.bool_)


# ---------------------------------------------------------------------------- logic

_truth_pairs = lambda: [
    case(truths(3, 4), truths(4), name="plain"),
    case(integers(0, 2, 5), integers(0, 2, 5), name="ints"),
]


@binary(numbers="none", rule="bool", samples=_truth_pairs, smooth=False)
def logical_and(input, other, *, out=None):
    """Where both elements are not zero.

    >>> tg.logical_and(tg.tensor([0, 1, 2]), tg.tensor([1, 0, 4]))
    tensor([False, False,  True])
    """
    return np.logical_and(input, other, out=out)


@binary(numbers="none", rule="bool", samples=_truth_pairs, smooth=False)
def logical_or(input, other, *, out=None):
    """Where either element is not zero.

    >>> tg.logical_or(tg.tensor([0, 1, 0]), tg.tensor([0, 0, 4]))
    tensor([False,  True,  True])
    """
    return np.logical_or(input, other, out=out)


@binary(numbers="none", rule="bool", samples=_truth_pairs, smooth=False)
def logical_xor(input, other, *, out=None):
    """Where just one of the elements is not zero.

    >>> tg.logical_xor(tg.tensor([0, 1, 2]), tg.tensor([0, 0, 4]))
    tensor([False,  True, False])
    """
    return np.logical_xor(input, other, out=out)


@unary(rule="bool", samples=_numbers, smooth=False)
def logical_not(input, *, out=None):
    """Where the element is zero.

    >>> tg.logical_not(tg.tensor([0, 1, 2]))
    tensor([ True, False, False])
    """
    return np.logical_not(input, out=out)


_bit_pairs = lambda: [
    case(integers(-9, 9, 3, 4), integers(-9, 9, 4), name="ints"),
    case(truths(5), truths(5), name="bool"),
]


@binary(samples=_bit_pairs, smooth=False)
def bitwise_and(input, other, *, out=None):
    """The bits that both integers have, as ``&``; of bools, where both are True.

    >>> tg.tensor([6, 5]) & 3
    tensor([2, 1])
    """
    integers_only("bitwise_and", input, bool_too=True)
    return np.bitwise_and(input, other, out=out)


@binary(samples=_bit_pairs, smooth=False)
def bitwise_or(input, other, *, out=None):
    """The bits that either integer has, as ``|``; of bools, where either is True.

    >>> tg.tensor([6, 5]) | 3
    tensor([7, 7])
    """
    integers_only("bitwise_or", input, bool_too=True)
    return np.bitwise_or(input, other, out=out)


@binary(samples=_bit_pairs, smooth=False)
def bitwise_xor(input, other, *, out=None):
    """The bits that just one of the integers has, as ``^``; of bools, where they differ.

    >>> tg.tensor([6, 5]) ^ 3
    tensor([5, 6])
    """
    integers_only("bitwise_xor", input, bool_too=True)
    return np.bitwise_xor(input, other, out=out)


@unary(
    rule="same",
    samples=lambda: [case(integers(-9, 9, 3, 4), name="ints"), case(truths(5), name="bool")],
    smooth=False,
)
def bitwise_not(input, *, out=None):
    """Every bit turned round, as ``~``; of bools, the negation.

    >>> ~tg.tensor([True, False])
    tensor([False,  True])
    """
    integers_only("bitwise_not", input, bool_too=True)
    return np.invert(input, out=out)


_shift_pairs = lambda: [
    case(integers(-9, 9, 3, 4), integers(0, 5, 4), name="plain"),
    case(integers(0, 9, 4), 2, name="number"),
]


@binary(samples=_shift_pairs, smooth=False)
def bitwise_left_shift(input, other, *, out=None):
    """The bits moved ``other`` places up, as ``<<``; places that there are not give 0.

    >>> tg.tensor([1, 3]) << 2
    tensor([ 4, 12])
    """
    integers_only("bitwise_left_shift", input)
    return np.left_shift(input, other, out=out)


@binary(samples=_shift_pairs, smooth=False)
def bitwise_right_shift(input, other, *, out=None):
    """The bits moved ``other`` places down, as ``>>``; the sign stays.

    >>> tg.tensor([12, -8]) >> 2
    tensor([ 3, -2])
    """
    integers_only("bitwise_right_shift", input)
    return np.right_shift(input, other, out=out)


@composite(method=True, at=("tensorgrad",), samples=lambda: [case(normal(), name="0-d")], smooth=False)
def is_nonzero(input):
    """Whether the one element of a tensor is not zero, as a bool.

    >>> tg.is_nonzero(tg.tensor([2.0]))
    True
    """
    want_tensors("is_nonzero", input=input)
    return builtins.bool(input)


for _name, _op in {
    "not_equal": ne, "less": lt, "less_equal": le, "greater": gt, "greater_equal": ge,
}.items():  # fmt: skip
    alias(_name, _op)
