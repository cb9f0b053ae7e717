"""torch.multiprocessing: Python's own, with PyTorch's names for how memory is shared."""

from __future__ import annotations

import multiprocessing as _own
from multiprocessing import *  # noqa: F403 - the names are in its __all__
from typing import Any

__all__ = [*_own.__all__, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]


def get_all_sharing_strategies() -> set[str]:
    """The ways to hand tensors to another process: by file, as copies.

    >>> tg.multiprocessing.get_all_sharing_strategies()
    {'file_system'}
    """
    return {"file_system"}


def get_sharing_strategy() -> str:
    """`file_system`."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Takes PyTorch's names, which change nothing here. Raises ValueError for others.

    >>> tg.multiprocessing.set_sharing_strategy("file_system")
    """
    if new_strategy not in ("file_system", "file_descriptor"):
        raise ValueError(
            f"set_sharing_strategy: {new_strategy!r} is neither 'file_system' nor 'file_descriptor'"
        )


def __getattr__(name: str) -> Any:
    return getattr(_own, name)
