"""torch.cuda's questions, whose answers are all no: tensorgrad computes on the CPU."""

from __future__ import annotations

from typing import Any

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """False.

    >>> tg.cuda.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Does nothing, as in PyTorch where there is no such device."""


def manual_seed_all(seed: int) -> None:
    """Does nothing, as in PyTorch where there is no such device."""


def empty_cache() -> None:
    """Does nothing: there is no memory of a device to give back."""


def _none(*args: Any) -> Any:
    raise RuntimeError("there is no CUDA device here: tensorgrad computes on the CPU only")


current_device = synchronize = _none
