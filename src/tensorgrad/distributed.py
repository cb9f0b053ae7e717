"""torch.distributed where it is not built: it says so, and programs that ask go on with one process."""

from __future__ import annotations

import enum
from typing import Any

from tensorgrad.core.names import refusing

__all__ = [
    "Backend", "DeviceMesh", "FileStore", "GroupMember", "HashStore", "P2POp", "PrefixStore", "ProcessGroup",
    "ReduceOp", "Store", "TCPStore", "Work", "all_gather", "all_gather_into_tensor", "all_gather_object",
    "all_reduce", "all_to_all", "all_to_all_single", "barrier", "batch_isend_irecv", "broadcast",
    "broadcast_object_list", "destroy_process_group", "gather", "gather_object", "get_backend",
    "get_default_backend_for_device", "get_global_rank", "get_process_group_ranks", "get_rank",
    "get_world_size", "group", "init_device_mesh", "init_process_group", "irecv", "is_available",
    "is_gloo_available", "is_initialized", "is_mpi_available", "is_nccl_available",
    "is_torchelastic_launched", "is_xccl_available", "isend", "monitored_barrier", "new_group", "recv",
    "reduce", "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
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


def is_xccl_available() -> bool:
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
new_group, destroy_process_group, get_global_rank, get_process_group_ranks = map(
    _without_group, ("new_group", "destroy_process_group", "get_global_rank", "get_process_group_ranks")
)
all_gather, all_gather_into_tensor, all_gather_object, all_reduce, all_to_all, all_to_all_single = map(
    _without_group,
    (
        "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all",
        "all_to_all_single",
    ),
)  # fmt: skip
barrier, batch_isend_irecv, broadcast, broadcast_object_list, gather, gather_object, monitored_barrier = map(
    _without_group,
    (
        "barrier", "batch_isend_irecv", "broadcast", "broadcast_object_list", "gather", "gather_object",
        "monitored_barrier",
    ),
)  # fmt: skip
irecv, isend, recv, reduce, reduce_scatter, reduce_scatter_tensor, scatter, scatter_object_list, send = map(
    _without_group,
    (
        "irecv", "isend", "recv", "reduce", "reduce_scatter", "reduce_scatter_tensor", "scatter",
        "scatter_object_list", "send",
    ),
)  # fmt: skip


def _rank_not_in_group(group: Any) -> bool:
    return False


def get_default_backend_for_device(device: Any) -> str:
    """`gloo`, PyTorch's for the CPU."""
    return "gloo"


class Backend(str):
    """The name of a backend, in small letters.

    >>> tg.distributed.Backend("GLOO")
    'gloo'
    """

    UNDEFINED, GLOO, NCCL, UCC, MPI, XCCL = "undefined", "gloo", "nccl", "ucc", "mpi", "xccl"

    def __new__(cls, name: str) -> Any:
        return str.__new__(cls, name.lower())


class ProcessGroup:
    """Raises RuntimeError when made: there is one process, which needs no group."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        init_process_group()


class Work(ProcessGroup):
    """What processes are at: there is none."""


class Store(ProcessGroup):
    """What processes keep together: there is none."""


class TCPStore(Store):
    """A store behind a socket: there is none."""


class FileStore(Store):
    """A store in a file: there is none."""


class HashStore(Store):
    """A store in memory: there is none."""


class PrefixStore(Store):
    """A part of a store: there is none."""


class P2POp(ProcessGroup):
    """A message between processes: there is none."""


class DeviceMesh(ProcessGroup):
    """Devices in rows: there are none."""


class GroupMember:
    """The group of all processes, which was not made."""

    WORLD = None
    NON_GROUP_MEMBER = -100


def init_device_mesh(*args: Any, **settings: Any) -> None:
    """Raises RuntimeError: there is one device."""
    init_process_group()
