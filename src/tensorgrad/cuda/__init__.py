"""torch.cuda's questions, whose answers are all no: tensorgrad computes on the CPU.

Programs that empty the cache of a GPU mean the memory they are short of, so `empty_cache` is that of the CPU.
"""

from __future__ import annotations

from typing import Any

from tensorgrad.core import AllocationError as OutOfMemoryError
from tensorgrad.core import empty_cache
from tensorgrad.cuda import amp

__all__ = [
    "OutOfMemoryError",
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device",
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


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no device that could."""
    return False


def manual_seed(seed: int) -> None:
    """Does nothing, as in PyTorch where there is no such device."""


def manual_seed_all(seed: int) -> None:
    """Does nothing, as in PyTorch where there is no such device."""


def memory_allocated(device: Any = None) -> int:
    """0: what tensors hold here is told by `tensorgrad.memory_allocated`."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """0: what they hold and keep for others is told by `tensorgrad.memory_reserved`."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Does nothing."""


def _none(*args: Any, **settings: Any) -> Any:
    """Raises RuntimeError: there is no such device."""
    raise RuntimeError("there is no CUDA device here: tensorgrad computes on the CPU only")


max_memory_allocated, max_memory_reserved = memory_allocated, memory_reserved
current_device = synchronize = set_device = mem_get_info = _none
get_device_name = get_device_capability = get_device_properties = _none
