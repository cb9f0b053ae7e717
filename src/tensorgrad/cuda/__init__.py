"""torch.cuda's questions, whose answers are all no: tensorgrad computes on the CPU.

Programs that empty the cache of a GPU mean the memory they are short of, so `empty_cache` is that of the CPU.
"""

from __future__ import annotations

import collections
from typing import Any

from tensorgrad.core import AllocationError as OutOfMemoryError
from tensorgrad.core import empty_cache
from tensorgrad.core.legacy import types_on
from tensorgrad.core.names import refusing
from tensorgrad.cuda import amp

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "Event", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "OutOfMemoryError", "ShortTensor", "Stream", "amp",
    "can_device_access_peer", "current_device", "current_stream", "default_stream", "device", "device_count",
    "device_of", "empty_cache", "get_arch_list", "get_device_capability", "get_device_name",
    "get_device_properties", "get_rng_state", "get_rng_state_all", "init", "initial_seed", "ipc_collect",
    "is_available", "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_cached", "max_memory_reserved",
    "mem_get_info", "memory_allocated", "memory_cached", "memory_reserved", "memory_stats", "memory_summary",
    "nvtx", "reset_max_memory_allocated", "reset_max_memory_cached", "reset_peak_memory_stats", "seed",
    "seed_all", "set_device", "set_per_process_memory_fraction", "set_rng_state", "set_rng_state_all",
    "set_stream", "stream", "synchronize", "utilization",
]  # fmt: skip


_initialized = False


def is_available() -> bool:
    """False.

    >>> tg.cuda.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """False.

    >>> tg.cuda.is_initialized()
    False
    """
    return False


def device_count() -> int:
    """0.

    >>> tg.cuda.device_count()
    0
    """
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no device that could.

    >>> tg.cuda.is_bf16_supported()
    False
    """
    return False


def manual_seed(seed: int) -> None:
    """Does nothing, as in PyTorch where there is no such device.

    >>> tg.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Does nothing, as in PyTorch where there is no such device.

    >>> tg.cuda.manual_seed_all(0)
    """


def memory_allocated(device: Any = None) -> int:
    """0: what tensors hold here is told by `tensorgrad.memory_allocated`.

    >>> tg.cuda.max_memory_allocated()
    0
    """
    return 0


def memory_reserved(device: Any = None) -> int:
    """0: what they hold and keep for others is told by `tensorgrad.memory_reserved`."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Does nothing."""


def memory_stats(device: Any = None) -> dict[str, Any]:
    """An empty dict.

    >>> dict(tg.cuda.memory_stats())
    {}
    """
    return collections.OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A sentence that says that there is nothing to report."""
    return "there is no CUDA device here, and no memory of one"


def get_arch_list() -> list[str]:
    """An empty list.

    >>> tg.cuda.get_arch_list()
    []
    """
    return []


def get_rng_state_all() -> list[Any]:
    """An empty list: one state for each device."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Takes one state for each device, of which there is none."""
    for state in new_states:
        set_rng_state(state)


def seed() -> None:
    """Does nothing, as in PyTorch where there is no such device."""


def seed_all() -> None:
    """Does nothing, as in PyTorch where there is no such device."""


def is_current_stream_capturing() -> bool:
    """False."""
    return False


def is_tf32_supported() -> bool:
    """False."""
    return False


def _refuses(name: str) -> Any:
    text = "there is no CUDA device here: tensorgrad computes on the CPU only"
    return refusing(name, RuntimeError, text, "there is no such device")


_refuse = _refuses("_refuse")

max_memory_allocated, max_memory_reserved = memory_allocated, memory_reserved
max_memory_cached = memory_cached = memory_reserved
reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
current_device, synchronize, set_device = map(_refuses, ("current_device", "synchronize", "set_device"))
get_device_name, get_device_capability, get_device_properties = map(
    _refuses, ("get_device_name", "get_device_capability", "get_device_properties")
)
current_stream, default_stream, set_stream = map(
    _refuses, ("current_stream", "default_stream", "set_stream")
)
get_rng_state, set_rng_state, initial_seed = map(_refuses, ("get_rng_state", "set_rng_state", "initial_seed"))
init, ipc_collect, utilization = map(_refuses, ("init", "ipc_collect", "utilization"))
can_device_access_peer, set_per_process_memory_fraction, mem_get_info = map(
    _refuses, ("can_device_access_peer", "set_per_process_memory_fraction", "mem_get_info")
)


class Event:
    """Raises RuntimeError when made: there is no such device."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        _refuse()


class Stream:
    """Raises RuntimeError when made: there is no such device."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        _refuse()


class device:
    """In a `with` block, the device of that number; None or a negative one for no change.

    Errors: `RuntimeError` on entering with a number, for there is no such device.

    >>> with tg.cuda.device(None):
    ...     tg.cuda.device_count()
    0
    """

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None and not (isinstance(self.idx, int) and self.idx < 0):
            _refuse()

    def __exit__(self, *error: Any) -> None:
        pass


class device_of(device):
    """In a `with` block, the device of a tensor: no change for one of the CPU.

    >>> with tg.cuda.device_of(tg.ones(1)):
    ...     tg.cuda.device_count()
    0
    """

    def __init__(self, obj: Any) -> None:
        super().__init__(None)


class stream(device):
    """In a `with` block, work on a stream; None for no change, and no stream can be made here.

    >>> with tg.cuda.stream(None):
    ...     tg.cuda.device_count()
    0
    """


class nvtx:
    """Marks for a profiler of such devices: all raise RuntimeError."""

    range_push, range_pop, mark, range = map(_refuses, ("range_push", "range_pop", "mark", "range"))


globals().update(types_on("tensorgrad.cuda"))
