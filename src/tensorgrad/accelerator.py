"""torch.accelerator's questions: there is none, tensorgrad computes on the CPU."""

from __future__ import annotations

from typing import Any

from tensorgrad.core.names import refusing
from tensorgrad.cuda import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_peak_memory_stats,
)

__all__ = [
    "current_accelerator", "current_device_index", "current_stream", "device_count", "device_index",
    "empty_cache", "is_available", "max_memory_allocated", "max_memory_reserved", "memory_allocated",
    "memory_reserved", "memory_stats", "reset_peak_memory_stats", "set_device_index", "set_stream",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False.

    >>> tg.accelerator.is_available()
    False
    """
    return False


def device_count() -> int:
    """0.

    >>> tg.accelerator.device_count()
    0
    """
    return 0


def current_accelerator(check_available: bool = False) -> Any:
    """None.

    >>> tg.accelerator.current_accelerator() is None
    True
    """
    return None


def _refuses(name: str) -> Any:
    text = f"accelerator.{name}: there is none, tensorgrad computes on the CPU only"
    return refusing(name, RuntimeError, text, "there is none")


current_device_index, set_device_index = map(_refuses, ("current_device_index", "set_device_index"))
current_stream, set_stream, synchronize = map(_refuses, ("current_stream", "set_stream", "synchronize"))


class device_index:
    """In a `with` block, the accelerator of that number; None for no change.

    Errors: `RuntimeError` on entering with a number, for there is none.

    >>> with tg.accelerator.device_index(None):
    ...     tg.accelerator.device_count()
    0
    """

    def __init__(self, device: int | None) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            set_device_index(self.idx)

    def __exit__(self, *error: Any) -> None:
        pass
