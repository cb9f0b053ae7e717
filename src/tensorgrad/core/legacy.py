"""PyTorch's old names for a tensor of a dtype: `FloatTensor([1, 2])`, `x.type(LongTensor)`, `isinstance(x,
ByteTensor)`.
"""

from __future__ import annotations

from typing import Any

from . import _core
from ._core import Tensor, all_dtypes

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
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'tensorgrad.{cls.__name__}'>"


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


def set_default_tensor_type(t: Any) -> None:
    """Makes the dtype of ``FloatTensor``, ``DoubleTensor`` or their name the default one.

    >>> tg.set_default_tensor_type(tg.FloatTensor)
    """
    from tensorgrad.ops.conversion import as_dtype

    _core.set_default_dtype(as_dtype(t))
