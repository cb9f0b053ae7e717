"""PyTorch's old names for a tensor of a dtype: `FloatTensor([1, 2])`, `x.type(LongTensor)`, `isinstance(x,
ByteTensor)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, bool_, float64, int64
from ._core import Tensor, all_dtypes
from .device import strided

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor", "set_default_tensor_type",
]  # fmt: skip


class TensorType(type):
    """The type of such names: to call one makes a tensor, to ask for an instance asks for the dtype."""

    dtype: _core.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return Tensor(*args, dtype=cls.dtype, device=device)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype and value.layout is strided

    def __repr__(cls) -> str:
        return f"<class '{_core._library()}.{cls.__name__}'>"


def _named(name: str, dtype: _core.dtype) -> TensorType:
    about = f"""A tensor of {dtype.name}: of data, or not set, of sizes.

    >>> isinstance(tg.{name}([1, 0]), tg.{name})
    True
    """
    return TensorType(name, (), {"dtype": dtype, "__doc__": about, "__module__": "tensorgrad"})


(
    BoolTensor, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, HalfTensor, BFloat16Tensor,
    FloatTensor, DoubleTensor
) = (_named(f"{dtype.title}Tensor", dtype) for dtype in all_dtypes)  # fmt: skip


class ElsewhereType(TensorType):
    """The type of such names of another device: they can be named and asked, not called."""

    def __call__(cls, *args: Any, **settings: Any) -> Tensor:
        raise TypeError(f"type {cls!r} not available: tensorgrad computes on the CPU only")

    def __instancecheck__(cls, value: Any) -> bool:
        return False

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def types_on(module: str) -> dict[str, TensorType]:
    """The names of all dtypes' tensors, for a device that is not here."""
    about = "A tensor on a device that is not here: raises TypeError when called, and no tensor is one."
    return {
        name: ElsewhereType(name, (), {"dtype": dtype, "__doc__": about, "__module__": module})
        for name, dtype in _OF_NAME.items()
    }


PYTHON_TYPES = {bool: bool_, int: int64, float: float64}
_OF_NAME = {f"{d.title}Tensor": d for d in all_dtypes}


def as_dtype(wanted: Any) -> _core.dtype:
    """A dtype argument: a dtype, Python's bool, int or float, or a name such as ``"torch.FloatTensor"``."""
    if type(wanted) is _core.dtype:
        return wanted
    if isinstance(wanted, str) and wanted.rsplit(".", 1)[-1] in _OF_NAME:
        return _OF_NAME[wanted.rsplit(".", 1)[-1]]
    if isinstance(wanted, type) and wanted in PYTHON_TYPES:
        return PYTHON_TYPES[wanted]
    if isinstance(wanted, ElsewhereType):
        wanted()
    if isinstance(wanted, TensorType):
        return wanted.dtype
    hint = ""
    if isinstance(wanted, (str, type, np.dtype)):
        try:
            same = str(np.dtype(wanted))
        except TypeError:
            same = ""
        hint = f"; write tensorgrad.{same}" if any(d.name == same for d in all_dtypes) else ""
    raise TypeError(f"argument 'dtype' must be tensorgrad.dtype, not {wanted!r}{hint}")


def set_default_tensor_type(t: Any) -> None:
    """Makes the dtype of ``FloatTensor``, ``DoubleTensor`` or their name the default one.

    >>> tg.set_default_tensor_type(tg.FloatTensor)
    """
    _core.set_default_dtype(as_dtype(t))
