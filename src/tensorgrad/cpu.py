"""torch.cpu: questions about the device that everything here is on."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

__all__ = [
    "Stream", "current_device", "current_stream", "device_count", "is_available", "is_initialized",
    "set_device", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """True.

    >>> tg.cpu.is_available()
    True
    """
    return True


def is_initialized() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1.

    >>> tg.cpu.device_count()
    1
    """
    return 1


def current_device() -> str:
    """`cpu`."""
    return "cpu"


def set_device(device: Any) -> None:
    """Does nothing: there is one."""


def synchronize(device: Any = None) -> None:
    """Does nothing: what was called has run."""


class Stream:
    """Work in the order of the calls, which all work here is.

    >>> tg.cpu.Stream().wait_stream(tg.cpu.current_stream())
    """

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Does nothing."""


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return Stream()


def stream(stream: Any) -> Any:
    """A `with` block in which nothing changes."""
    return nullcontext()
