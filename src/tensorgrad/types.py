"""torch.types: names for what annotations of PyTorch programs say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias, Union

from tensorgrad.core import Size, Tensor
from tensorgrad.core.device import device as _device
from tensorgrad.core.storages import TypedStorage, UntypedStorage

__all__ = ["Device", "FileLike", "Number", "Storage"]

_int, _float, _bool, _str, _bytes = int, float, bool, str, bytes
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_symsize: TypeAlias = Size | Sequence[int]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]

Number: TypeAlias = int | float | bool
Device: TypeAlias = Union[_device, str, int, None]  # noqa: UP007 - a name that annotations quote
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = TypedStorage | UntypedStorage


def __getattr__(name: str) -> Any:
    from tensorgrad.core.names import missing

    raise missing("module 'tensorgrad.types'", name, globals())
