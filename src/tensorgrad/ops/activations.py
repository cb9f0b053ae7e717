"""Activations: squashing and bending, element by element."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor
from tensorgrad.core.declare import case, composite, normal, primitive, unary
from tensorgrad.ops.arithmetic import mul

BOTH = ("tensorgrad", "tensorgrad.nn.functional")


@unary(vjp=dict(input=lambda g, output: g * output * (1 - output)), at=BOTH, domain=(-4.0, 4.0))
def sigmoid(input):
    r"""The logistic function :math:`1 / (1 + e^{-x})`, between 0 and 1.

    >>> tg.sigmoid(tg.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    e = np.exp(-np.abs(input))
    return np.where(input >= 0, 1 / (1 + e), e / (1 + e))


@unary(vjp=dict(input=lambda g, output: g * (1 - output * output)), at=BOTH)
def tanh(input):
    """The hyperbolic tangent, between -1 and 1.

    >>> tg.tanh(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return np.tanh(input)


@unary(vjp=dict(input=lambda g, output: mul(g, output > 0)), rule="same", smooth=False, domain=(0.2, 2.0))
def relu(input):
    """The positive part ``max(x, 0)``; its gradient at 0 is 0.

    >>> tg.relu(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return np.maximum(input, input.dtype.type(0))
