"""Devices, of which there is one, the CPU, and layouts."""

from __future__ import annotations

from typing import Any

from tensorgrad.core import _core


class device:
    """Where a tensor's memory is: always the CPU.

    Raises RuntimeError for any other device.

    >>> tg.device("cpu")
    device(type='cpu')
    """

    __slots__ = ("index", "type")
    type: str
    index: Any

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, not {type.__class__.__name__}")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None or not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        if name != "cpu":
            raise RuntimeError(
                f"there is no device {type!r} here: tensorgrad computes on the CPU only, use device='cpu'"
            )
        self.type = name
        self.index = index

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')"
            if self.index is None
            else f"device(type='{self.type}', index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def __reduce__(self):
        return device, (self.type, self.index)


class layout:
    """How a tensor lies in memory: ``strided``, but for sparse ones.

    >>> tg.ones(2).layout
    tensorgrad.strided
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{_core._library()}.{self.name}"

    def __reduce__(self):
        return self.name  # there is one of each


class memory_format(layout):
    """An order of a tensor's dimensions in memory, which is taken where PyTorch takes it.

    >>> tg.channels_last
    tensorgrad.channels_last
    """


_core._know_memory_format(memory_format)


CPU = device("cpu")
strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc, sparse_bsr, sparse_bsc, jagged = map(layout, ("sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"))
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def check_device(where: Any) -> None:
    """Raises RuntimeError unless ``where`` is None or the CPU."""
    if where is not None:
        device(where)
