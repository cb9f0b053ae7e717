"""torch.types: names for what annotations of PyTorch programs say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias, Union

from tensorgrad.core import Size, Tensor
from tensorgrad.core.device import device as _device
from tensorgrad.core.storages import TypedStorage, UntypedStorage

__all__ = ["Device", "FileLike", "Number", "Storage", "SymBool", "SymFloat", "SymInt"]

_int, _float, _bool, _str, _bytes = int, float, bool, str, bytes
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_symsize: TypeAlias = Size | Sequence[int]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]

Number: TypeAlias = int | float | bool
Device: TypeAlias = Union[_device, str, int, None]  # noqa: UP007 - a name that annotations quote
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = TypedStorage | UntypedStorage


class SymInt:
    """A number that PyTorch's compiler does not know yet: no number here is one, and none can be made.

    >>> isinstance(tg.ones(2).shape[0], (int, tg.SymInt)), isinstance(2, tg.SymInt)
    (True, False)
    """

    def __init__(self, node: Any = None) -> None:
        raise NotImplementedError(f"{type(self).__name__}: compiling a program is not in tensorgrad yet")


class SymFloat(SymInt):
    """The same of a float."""


class SymBool(SymInt):
    """The same of a truth value."""


def __getattr__(name: str) -> Any:
    from tensorgrad.core.names import missing

    raise missing("module 'tensorgrad.types'", name, globals())
