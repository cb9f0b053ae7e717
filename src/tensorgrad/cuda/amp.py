"""torch.cuda.amp's older names: there is no such device, so mixed precision stays off, with a warning."""

from __future__ import annotations

from typing import Any

from tensorgrad import amp
from tensorgrad.amp import custom_bwd, custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """`tensorgrad.amp.autocast` for "cuda".

    >>> with tg.cuda.amp.autocast(enabled=False):
    ...     tg.ones(2).dtype
    tensorgrad.float32
    """

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`tensorgrad.amp.GradScaler` for "cuda".

    >>> tg.cuda.amp.GradScaler(enabled=False).is_enabled()
    False
    """

    def __init__(
        self, init_scale: float = 65536.0, growth_factor: float = 2.0, backoff_factor: float = 0.5,
        growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
