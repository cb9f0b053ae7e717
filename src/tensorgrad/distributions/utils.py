"""torch.distributions.utils: what distributions of one's own are written with."""

from __future__ import annotations

from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.distributions.distribution import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from tensorgrad.distributions.distribution import summed as _sum_rightmost  # noqa: F401
from tensorgrad.ops.making.randomness import randn

__all__ = [
    "broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs", "probs_to_logits",
]  # fmt: skip

euler_constant = 0.57721566490153286060


def _standard_normal(shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers from the standard normal distribution."""
    return randn(shape, dtype=dtype, device=device)
