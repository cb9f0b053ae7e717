"""The memory behind a tensor, as PyTorch's storages show it: `x.untyped_storage()` and `x.storage()`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _core, uint8
from ._core import Tensor

__all__ = ["TypedStorage", "UntypedStorage"]


class _Storage:
    """A block of memory as a row of elements, which tensors share."""

    def __init__(self, whole: Tensor) -> None:
        self._whole = whole

    def __len__(self) -> int:
        return self._whole.numel()

    def __getitem__(self, index: Any) -> Any:
        found = self._whole[index]
        return type(self)(found) if isinstance(index, slice) else found.item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._whole[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tolist()})"

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    @property
    def device(self) -> Any:
        return self._whole.device

    def size(self) -> int:
        """How many elements it holds."""
        return len(self)

    def nbytes(self) -> int:
        """How many bytes it holds."""
        return len(self) * self.element_size()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._whole.element_size()

    def data_ptr(self) -> int:
        """The address of its first byte, the same for all tensors that share it."""
        return self._whole.data_ptr()

    def tolist(self) -> list:
        """Its elements as Python numbers."""
        return self._whole.tolist()

    def fill_(self, value: Any) -> Any:
        """Sets every element."""
        self._whole.fill_(value)
        return self

    def copy_(self, source: Any) -> Any:
        """Takes the elements of another one of its size."""
        self._whole.copy_(source._whole)
        return self

    def clone(self) -> Any:
        """A copy, which no tensor shares."""
        return type(self)(self._whole.clone())

    def cpu(self) -> Any:
        """The storage itself."""
        return self


class UntypedStorage(_Storage):
    """The bytes of a tensor's memory, also those that the tensor does not show.

    >>> x = tg.ones(4)
    >>> len(x[1:].untyped_storage()), x[1:].untyped_storage().data_ptr() == x.data_ptr()
    (16, True)
    """


class TypedStorage(_Storage):
    """The same memory as elements of the tensor's dtype.

    >>> tg.arange(4)[2:].storage().tolist()
    [0, 1, 2, 3]
    """

    @property
    def dtype(self) -> Any:
        return self._whole.dtype

    def untyped(self) -> UntypedStorage:
        """Its bytes."""
        return UntypedStorage(self._whole.view(uint8))


def _whole_of(self: Tensor) -> Tensor:
    plain = self.detach()
    before, behind = _core._room_of(self) if self.numel() else (0, 0)
    return plain.as_strided((before + behind,), (1,), plain.storage_offset() - before)


def untyped_storage(self):
    """The tensor's memory as bytes, with what other tensors show of it.

    >>> tg.zeros(3, dtype=tg.int64).untyped_storage().nbytes()
    24
    """
    return UntypedStorage(_whole_of(self).view(uint8))


def storage(self):
    """The tensor's memory as elements of its dtype, with what other tensors show of it.

    >>> tg.zeros(2, 3).t().storage().size()
    6
    """
    return TypedStorage(_whole_of(self))


for _method in (untyped_storage, storage):
    _core._add_method(_method.__name__, _method)
