"""torch.distributions.utils: what distributions of one's own are written with."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor
from tensorgrad.distributions.distribution import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
    summed,
)
from tensorgrad.ops.making.randomness import randn

__all__ = [
    "broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs", "probs_to_logits",
]  # fmt: skip

euler_constant = np.euler_gamma
_sum_rightmost = summed


def _standard_normal(shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers from the standard normal distribution."""
    return randn(shape, dtype=dtype, device=device)
