"""torch.distributed where it is not built: it says so, and programs that ask go on with one process."""

from __future__ import annotations

import enum
from typing import Any

from tensorgrad.core.names import refusing

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "barrier", "broadcast", "destroy_process_group", "gather",
    "get_backend", "get_rank", "get_world_size", "group", "init_process_group", "is_available",
    "is_gloo_available", "is_initialized",
    "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "new_group", "recv", "reduce",
    "reduce_scatter", "scatter", "send",
]  # fmt: skip


def is_available() -> bool:
    """False: training on several machines or processes is not here.

    >>> tg.distributed.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """False.

    >>> tg.distributed.is_initialized()
    False
    """
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


class ReduceOp(enum.Enum):
    """The ways to join what processes have, by name.

    >>> tg.distributed.ReduceOp.SUM.name
    'SUM'
    """

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = range(8)


class group:
    """The group of all processes, which was not made."""

    WORLD = None


def _without_group(name: str) -> Any:
    text = f"{name}: Default process group has not been initialized: there is only this process"
    return refusing(name, ValueError, text, "no group of processes was made")


get_rank, get_world_size, get_backend = map(_without_group, ("get_rank", "get_world_size", "get_backend"))
new_group, destroy_process_group = map(_without_group, ("new_group", "destroy_process_group"))
all_gather, all_reduce, barrier, broadcast, gather, recv, reduce, reduce_scatter, scatter, send = map(
    _without_group,
    (
        "all_gather", "all_reduce", "barrier", "broadcast", "gather", "recv", "reduce", "reduce_scatter",
        "scatter", "send",
    ),
)  # fmt: skip
