"""Losses: how far an answer is from what was wanted."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor
from tensorgrad.core.declare import case, composite, fused, integers, normal, primitive
from tensorgrad.ops import arithmetic, reductions

F_ = "tensorgrad.nn.functional"


def reduce_loss(loss, reduction):
    """The loss as it is, its mean or its sum."""
    if reduction == "mean":
        return reductions.mean(loss)
    if reduction == "sum":
        return reductions.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'")


@fused(
    tensors=("input", "target"),
    at=F_,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="mean"),
        case(normal(3, 4), normal(3, 4), reduction="sum", name="sum"),
        case(normal(3, 4), normal(3, 4), reduction="none", name="none"),
    ],
)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    r"""The squared error :math:`(x - y)^2`, reduced as ``reduction`` says.

    >>> F.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    difference = input - target
    loss = difference * difference
    return reduce_loss(loss if weight is None else loss * weight, reduction)
