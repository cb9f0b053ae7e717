"""torch.distributed where it is not built: it says so, and programs that ask go on with one process."""

from __future__ import annotations

from typing import Any

__all__ = [
    "get_rank", "get_world_size", "init_process_group", "is_available", "is_gloo_available", "is_initialized",
    "is_mpi_available", "is_nccl_available", "is_torchelastic_launched",
]  # fmt: skip


def is_available() -> bool:
    """False: training on several machines or processes is not here.

    >>> tg.distributed.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


def is_gloo_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def init_process_group(*args: Any, **settings: Any) -> None:
    """Raises RuntimeError: there is one process, which needs no group.

    >>> tg.distributed.init_process_group("gloo")
    Traceback (most recent call last):
    RuntimeError: init_process_group: training on several machines or processes is not in tensorgrad ...
    """
    raise RuntimeError(
        "init_process_group: training on several machines or processes is not in tensorgrad yet; run without "
        "it where distributed.is_available() is False"
    )


def get_rank(group: Any = None) -> int:
    """Raises ValueError, as PyTorch does where no group was made."""
    raise ValueError("Default process group has not been initialized: there is only this process")


def get_world_size(group: Any = None) -> int:
    """Raises ValueError, as PyTorch does where no group was made."""
    raise ValueError("Default process group has not been initialized: there is only this process")
