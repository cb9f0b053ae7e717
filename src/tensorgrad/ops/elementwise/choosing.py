"""One of several values, element by element: by a condition, by size, or kept within bounds."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, result_type
from tensorgrad.core.declare import (
    alias,
    between,
    binary,
    case,
    composite,
    distinct,
    normal,
    primitive,
    truths,
    unary,
)
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import as_tensor, not_bool, together, want_tensors
from tensorgrad.ops.elementwise.arithmetic import _keep, mul
from tensorgrad.ops.elementwise.comparison import ge, isfinite, isnan, logical_and, logical_not, logical_or
from tensorgrad.ops.shapes import shaping

# ---------------------------------------------------------------------------- by a condition


@primitive(
    vjp=dict(
        input=lambda g, condition: _keep(g, condition),
        other=lambda g, condition: _keep(g, logical_not(condition)),
    ),
    nograd=("condition",),
    at=(),
    grad_name="WhereBackward0",
    samples=lambda: [case(truths(2, 3), normal(2, 3), normal(2, 3), name="plain")],
    elementwise=True,
)
def _where(condition, input, other):
    """The choice among tensors of one shape and dtype."""
    return np.where(condition, input, other)


@composite(
    others=("input", "other"),
    samples=lambda: [
        case(truths(2, 3), normal(2, 3), normal(2, 3), name="plain"),
        case(truths(2, 1), normal(3), 0.0, name="broadcast"),
    ]
)
def where(condition, input=None, other=None):
    """``input`` where the condition is True, ``other`` elsewhere, with broadcasting; either may be a number.

    With the condition alone: the indices where it holds, one tensor for each dimension.

    >>> tg.where(tg.tensor([True, False]), tg.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    want_tensors("where", condition=condition)
    if condition.dtype.name not in ("bool", "uint8"):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype.name}"
        )
    dtype = result_type(input, other)
    condition = condition if condition.dtype is bool_ else condition != 0
    return _where(
        *together("where", condition, as_tensor(input, dtype, False), as_tensor(other, dtype, False))
    )


@composite(others=("other",), at=(), samples=lambda: [case(normal(2, 3), truths(2, 3), 0.0, name="plain")])
def _self_where(input, condition, other):
    """``input`` where the condition is True, ``other`` elsewhere: the method.

    >>> tg.tensor([1.0, 2.0]).where(tg.tensor([True, False]), 0.0)
    tensor([1., 0.])
    """
    return where(condition, input, other)


_core._add_method("where", _self_where)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(2, 3), truths(2, 3), 1.5, name="number"),
        case(normal(2, 3), truths(3), normal(), name="tensor"),
    ],
)
def masked_fill(input, mask, value):
    """``input`` with ``value``, a number or a 0-d tensor, where the mask is True.

    >>> tg.tensor([1.0, 2.0]).masked_fill(tg.tensor([True, False]), 0)
    tensor([0., 2.])
    """
    want_tensors("masked_fill", input=input, mask=mask)
    if mask.dtype is not bool_:
        raise RuntimeError(
            f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype.name}"
        )
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    if isinstance(value, complex):
        raise RuntimeError(f"masked_fill: {value} cannot be converted to {input.dtype.name} without overflow")
    _core._fitting(value, input.dtype)
    input, mask = together("masked_fill", input, mask)
    filled = _where(mask, shaping.expand(as_tensor(value, input.dtype), input.shape), input)
    return shaping.contiguous(filled)


# ---------------------------------------------------------------------------- by size


def _share(g, wins, ties):
    """The gradient of the one that was chosen: all of it where it wins, half where both are equal."""
    return _where(ties, mul(g, 0.5), _keep(g, wins))


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: _share(g, logical_not(input < other), input == other),
        other=lambda g, input, other: _share(g, logical_not(input > other), input == other),
    ),
    samples=lambda: [
        case(distinct(3, 4), between(0.1, 0.2, 3, 4), name="plain"),
        case(distinct(3, 1), between(0.1, 0.2, 4), name="broadcast"),
    ],
)
def maximum(input, other, *, out=None):
    """The greater of two, element by element; NaN if either is. Equal ones share the gradient.

    >>> tg.maximum(tg.tensor([1.0, 5.0]), tg.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    return np.maximum(input, other, out=out)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: _share(g, logical_not(input > other), input == other),
        other=lambda g, input, other: _share(g, logical_not(input < other), input == other),
    ),
    samples=lambda: [
        case(distinct(3, 4), between(0.1, 0.2, 3, 4), name="plain"),
        case(distinct(3, 1), between(0.1, 0.2, 4), name="broadcast"),
    ],
)
def minimum(input, other, *, out=None):
    """The smaller of two, element by element; NaN if either is. Equal ones share the gradient.

    >>> tg.minimum(tg.tensor([1.0, 5.0]), tg.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return np.minimum(input, other, out=out)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: _keep(g, logical_or(ge(input, other), isnan(other))),
        other=lambda g, input, other: _keep(g, logical_not(logical_or(ge(input, other), isnan(other)))),
    ),
    samples=lambda: [case(distinct(3, 4), between(0.1, 0.2, 3, 4), name="plain")],
)
def fmax(input, other):
    """The greater of two, element by element; where one is NaN, the other.

    >>> tg.fmax(tg.tensor([1.0, float("nan")]), tg.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return np.where((input >= other) | (other != other), input, other)


@binary(
    numbers="none",
    vjp=dict(
        input=lambda g, input, other: _keep(g, logical_or(input <= other, isnan(other))),
        other=lambda g, input, other: _keep(g, logical_not(logical_or(input <= other, isnan(other)))),
    ),
    samples=lambda: [case(distinct(3, 4), between(0.1, 0.2, 3, 4), name="plain")],
)
def fmin(input, other):
    """The smaller of two, element by element; where one is NaN, the other.

    >>> tg.fmin(tg.tensor([1.0, float("nan")]), tg.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return np.where((input <= other) | (other != other), input, other)


def _same_dtype(input, values):
    if getattr(input, "dtype", None) is not getattr(values, "dtype", None):
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@binary(
    numbers="none",
    checks=_same_dtype,
    samples=lambda: [case(normal(3, 4), normal(4), name="plain")],
    smooth=False,
)
def heaviside(input, values):
    """0 for negative elements, 1 for positive ones and ``values`` at zero.

    >>> tg.heaviside(tg.tensor([-1.0, 0.0, 2.0]), tg.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return np.where(input == 0, values, np.greater(input, 0).astype(input.dtype))


# ---------------------------------------------------------------------------- within bounds


def _within(input, min, max):
    """Where the element lies between the bounds, ends included; a bound of None bounds nothing."""
    if min is None:
        return input <= max
    if max is None:
        return input >= min
    return logical_and(input >= min, input <= max)


@unary(
    vjp=dict(input=lambda g, input, min, max: _keep(g, _within(input, min, max))),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="ClampBackward1",
    samples=lambda: [case(distinct(3, 4), -0.55, 0.65, name="both")],
)
def _clamp(input, min, max):
    """`clamp` between numbers; where it meets a bound exactly, the gradient passes."""
    not_bool("clamp", input)
    bound = lambda value: None if value is None else np.asarray(value).astype(input.dtype)
    return kept_between(input, bound(min), bound(max))


def kept_between(array, low, high):
    """The array between two bounds of its dtype, either of which may be None. A NaN bound makes NaN; of two
    zeros the array's stays."""
    if low is not None:
        array = np.where((array < low) | (low != low), low, array)
    return array if high is None else np.where((array > high) | (high != high), high, array)


def _beyond(min, max, input):
    """Where the upper bound is what `clamp` gives."""
    return input > max if min is None else logical_or(input > max, max < min)


@primitive(
    vjp=dict(
        input=lambda g, input, min, max: _keep(g, _within(input, min, max)),
        min=lambda g, input, min, max: _keep(
            g, input < min if max is None else logical_and(input < min, min < max)
        ),
        max=lambda g, input, min, max: _keep(g, _beyond(min, max, input)),
    ),
    at=(),
    grad_name="ClampBackward0",
    samples=lambda: [
        case(distinct(3, 4), between(-0.55, -0.5, 3, 4), between(0.6, 0.65, 3, 4), name="both"),
        case(distinct(3, 4), None, between(0.6, 0.65, 3, 4), name="max"),
        case(distinct(3, 4), between(0.6, 0.65, 3, 4), name="min"),
    ],
    elementwise=True,
)
def _clamp_tensors(input, min=None, max=None):
    """`clamp` between tensors of the input's shape and dtype."""
    not_bool("clamp", input)
    return kept_between(input, min, max)


def _number_of(bound):
    """The number of a 0-d tensor, which may stand beside a number."""
    plain = isinstance(bound, Tensor) and bound.ndim == 0 and not bound.requires_grad
    return bound.item() if plain else bound


def _bounded(name, input, min, max):
    want_tensors(name, input=input)
    if isinstance(min, Tensor) is not isinstance(max, Tensor):
        min, max = _number_of(min), _number_of(max)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if not all(each is None or isinstance(each, Tensor) for each in (min, max)):
            raise TypeError(
                f"{name}(): min and max must both be tensors or both be numbers, got {type(min).__name__} "
                f"and {type(max).__name__}"
            )
        dtype = result_type(*(each for each in (input, min, max) if each is not None))
        given = [as_tensor(each, dtype) for each in (input, min, max) if each is not None]
        given = together(name, *given)
        return _clamp_tensors(
            given[0], given[1] if min is not None else None, given[-1] if max is not None else None
        )
    dtype = result_type(*(each for each in (input, min, max) if each is not None))
    for bound in (min, max):
        if bound is not None:
            _core._fitting(bound, dtype)
    if dtype is not input.dtype:
        input = shaping._cast(input, dtype)
    if dtype.is_floating_point:
        return _clamp(input, -np.inf if min is None else min, np.inf if max is None else max)
    return _clamp(input, min, max)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(distinct(3, 4), -0.55, 0.65, name="both"),
        case(distinct(3, 4), max=0.65, name="max"),
        case(distinct(3, 4), between(-0.55, -0.5, 4), between(0.6, 0.65, 3, 1), name="tensors"),
    ],
)
def clamp(input, min=None, max=None):
    """Every element kept between ``min`` and ``max``, numbers or tensors; where they cross, ``max``.

    The gradient passes where the element lies between the bounds, ends included.

    >>> tg.tensor([-2.0, 0.5, 3.0]).clamp(-1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    return _bounded("clamp", input, min, max)


@composite(method=True, inplace=True, samples=lambda: [case(distinct(3, 4), 0.65, name="number")])
def clamp_min(input, min):
    """Every element, or ``min`` where that is greater.

    >>> tg.tensor([-2.0, 0.5]).clamp_min(0)
    tensor([0.0000, 0.5000])
    """
    return _bounded("clamp_min", input, min, None)


@composite(method=True, inplace=True, samples=lambda: [case(distinct(3, 4), 0.65, name="number")])
def clamp_max(input, max):
    """Every element, or ``max`` where that is smaller.

    >>> tg.tensor([-2.0, 0.5]).clamp_max(0)
    tensor([-2.,  0.])
    """
    return _bounded("clamp_max", input, None, max)


alias("clip", clamp)


@unary(
    vjp=dict(input=lambda g, input: _keep(g, isfinite(input))),
    rule="free",
    samples=lambda: [case(normal(3, 4), name="plain"), case(normal(3), 1.0, 2.0, 3.0, name="all")],
)
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """NaN and the infinities replaced: by 0, the greatest and the smallest finite number by default.

    >>> tg.nan_to_num(tg.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    if input.dtype.kind != "f":
        return input.copy()
    edge = finfo(_core.dtype_in_body(input))
    value = lambda given, otherwise: input.dtype.type(otherwise if given is None else given)
    out = np.where(np.isnan(input), value(nan, 0), input)
    out = np.where(input == np.inf, value(posinf, edge.max), out)
    return np.where(input == -np.inf, value(neginf, edge.min), out)
