"""Sums, means, extremes: ops over some dimensions."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor
from tensorgrad.core.declare import case, composite, distinct, normal, primitive, reduction
from tensorgrad.ops import arithmetic, shaping


def spread(g, dim, keepdim, input_shape):
    """The gradient of a reduction over the elements that it reduced."""
    if not keepdim and g.ndim:
        g = shaping.reshape(g, [1 if d in dim else n for d, n in enumerate(input_shape)])
    return shaping.expand(g, input_shape)


@reduction(vjp=dict(input=lambda g, dim, keepdim, input_shape: spread(g, dim, keepdim, input_shape)), rule="wide")
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over ``dim`` (everything if None); integers are added up in int64.

    >>> tg.sum(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    return np.sum(input, axis=dim, keepdims=keepdim)


def _count(dim, shape):
    return math.prod(shape[d] for d in dim)


@reduction(
    vjp=dict(
        input=lambda g, dim, keepdim, input_shape: spread(
            arithmetic.mul(g, 1.0 / max(_count(dim, input_shape), 1)), dim, keepdim, input_shape
        )
    ),
    rule="float",
)
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over ``dim`` (everything if None); NaN of no elements. Integers are refused.

    >>> tg.mean(tg.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    return np.sum(input, axis=dim, keepdims=keepdim) / input.dtype.type(_count(dim, input.shape))
