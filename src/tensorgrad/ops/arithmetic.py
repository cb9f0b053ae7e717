"""Sums, products and their kin, element by element."""

from __future__ import annotations

import numpy as np

from tensorgrad.core.declare import binary, case, composite, normal, unary
from tensorgrad.ops._tools import Tensor


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
    return np.add(input, other if alpha == 1 else other * np.asarray(alpha, other.dtype))


@binary(
    vjp=dict(input=lambda g: g, other=lambda g, alpha: mul(g, -alpha)),
    rule="no bool",
)
def sub(input, other, *, alpha=1):
    """Difference of two tensors, element by element, with broadcasting: ``input - alpha * other``.

    >>> tg.sub(tg.tensor([2.0, 3.0]), 4.0)
    tensor([-2., -1.])
    """
    return np.subtract(input, other if alpha == 1 else other * np.asarray(alpha, other.dtype))


@binary(vjp=dict(input=lambda g, other: mul(g, other), other=lambda g, input: mul(g, input)))
def mul(input, other):
    """Product of two tensors, element by element, with broadcasting.

    >>> tg.mul(tg.tensor([2.0, 3.0]), 4.0)
    tensor([ 8., 12.])
    """
    return np.multiply(input, other)


@binary(
    vjp=dict(
        input=lambda g, other: div(g, other),
        other=lambda g, input, other: div(neg(mul(g, input)), mul(other, other)),
    ),
    rule="float",
    domain=(0.5, 2.0),
)
def div(input, other):
    """Quotient of two tensors, element by element, with broadcasting; integers give floats."""
    return np.divide(input, other)


@unary(vjp=dict(input=lambda g: neg(g)), rule="no bool")
def neg(input):
    """The negative of every element.

    >>> tg.neg(tg.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return np.negative(input)
