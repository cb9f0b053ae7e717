"""PyTorch's switches for the whole program, of which there is one position here.

Every run gives the same bits, products of float32 are computed in float32, and tensors are made on the CPU. A
program that asks for this is served; one that asks for something else is told.
"""

from __future__ import annotations

from typing import Any

from . import _core, bfloat16, dtype, float16
from .device import CPU, check_device, device

__all__ = [
    "are_deterministic_algorithms_enabled", "get_autocast_cpu_dtype", "get_autocast_dtype",
    "get_autocast_gpu_dtype", "get_default_device", "get_float32_matmul_precision",
    "get_num_interop_threads", "is_autocast_cpu_enabled", "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled", "set_default_device", "set_float32_matmul_precision",
    "set_deterministic", "set_flush_denormal", "set_num_interop_threads", "use_deterministic_algorithms",
]  # fmt: skip

_chosen: dict[str, Any] = {"deterministic": False, "warn_only": False, "precision": "highest"}


def _assert(condition: Any, message: str) -> None:
    """Python's `assert`, by PyTorch's name for programs that it traces."""
    assert condition, message


def set_deterministic(d: bool) -> None:
    """`use_deterministic_algorithms` by the name that it had in PyTorch 1.7.

    >>> tg.set_deterministic(True)
    >>> tg.are_deterministic_algorithms_enabled()
    True
    >>> tg.set_deterministic(False)
    """
    use_deterministic_algorithms(d)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Changes nothing but what `are_deterministic_algorithms_enabled` says: all algorithms are deterministic.

    >>> tg.use_deterministic_algorithms(True)
    """
    _chosen.update(deterministic=bool(mode), warn_only=bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told; False at first.

    >>> tg.use_deterministic_algorithms(False)
    >>> tg.are_deterministic_algorithms_enabled()
    False
    """
    return _chosen["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told to only warn of; False at first.

    >>> tg.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return _chosen["warn_only"]


def set_float32_matmul_precision(precision: str) -> None:
    """Changes nothing but what `get_float32_matmul_precision` says: lower precisions than "highest" are
    leave, not command.

    Raises ValueError unless ``precision`` is "highest", "high" or "medium".

    >>> tg.set_float32_matmul_precision("highest")
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"precision must be 'highest', 'high' or 'medium', not {precision!r}")
    _chosen["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was last told; "highest" at first.

    >>> tg.get_float32_matmul_precision()
    'highest'
    """
    return _chosen["precision"]


def set_default_device(device: Any) -> None:
    """Does nothing for the CPU (or None), and raises RuntimeError for every other device.

    >>> tg.set_default_device("cpu")
    """
    check_device(device)


def get_default_device() -> device:
    """The CPU.

    >>> tg.get_default_device()
    device(type='cpu')
    """
    return CPU


def get_autocast_dtype(device_type: str) -> dtype:
    """The low dtype of mixed precision: that of the `autocast` around it, else PyTorch's for the device.

    >>> tg.get_autocast_dtype("cpu")
    tensorgrad.bfloat16
    """
    return (_core._autocast_dtype() or bfloat16) if device_type == "cpu" else float16


def get_autocast_cpu_dtype() -> dtype:
    """`get_autocast_dtype` of the CPU."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> dtype:
    """float16."""
    return float16


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether this is inside an `autocast` of that device, which has an effect on "cpu".

    >>> with tg.autocast("cpu"):
    ...     tg.is_autocast_enabled("cpu"), tg.is_autocast_enabled()
    (True, False)
    """
    return device_type == "cpu" and _core._autocast_dtype() is not None


def is_autocast_cpu_enabled() -> bool:
    """Whether this is inside `autocast("cpu")`.

    >>> tg.is_autocast_cpu_enabled()
    False
    """
    return is_autocast_enabled("cpu")


def get_num_interop_threads() -> int:
    """1: ops do not run side by side, each is cut among threads.

    >>> tg.get_num_interop_threads()
    1
    """
    return 1


def set_num_interop_threads(num_threads: int) -> None:
    """Changes nothing. Raises RuntimeError for a number that is not positive.

    >>> tg.set_num_interop_threads(1)
    """
    if not isinstance(num_threads, int) or num_threads < 1:
        raise RuntimeError(f"set_num_interop_threads expects a positive integer, not {num_threads!r}")


def set_flush_denormal(mode: bool) -> bool:
    """False: the smallest numbers are always kept.

    >>> tg.set_flush_denormal(True)
    False
    """
    return False
