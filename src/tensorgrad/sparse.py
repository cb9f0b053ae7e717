"""Sparse matrices, under torch.sparse's names. What a sparse tensor can do stands in `ops.sparse`.

>>> tg.sparse.mm(tg.sparse_coo_tensor([[0], [1]], [2.0], (1, 2)), tg.ones(2, 1))
tensor([[2.]])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensorgrad.core import all_dtypes
from tensorgrad.core.legacy import TensorType
from tensorgrad.core.names import missing as _missing
from tensorgrad.ops.sparse.making import addmm, mm, sparse_coo_tensor, sum
from tensorgrad.ops.sparse.tensors import is_sparse_tensor

__all__ = [
    "BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
    "LongTensor", "ShortTensor", "addmm", "mm", "sum",
]  # fmt: skip


class _SparseType(TensorType):
    """The type of PyTorch's old names for a sparse tensor of a dtype."""

    def __call__(cls, *args: Any, device: Any = None) -> Any:
        if len(args) in (2, 3) and not isinstance(args[0], int):
            return sparse_coo_tensor(*args, dtype=getattr(args[1], "dtype", cls.dtype), device=device)
        size = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        return sparse_coo_tensor(size or (0,), dtype=cls.dtype, device=device)

    def __instancecheck__(cls, value: Any) -> bool:
        return is_sparse_tensor(value) and value.is_sparse and value.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'tensorgrad.sparse.{cls.__name__}'>"


def _named(dtype: Any) -> _SparseType:
    about = f"""A sparse tensor of {dtype.name}: of indices, values and a size, or of a size alone."""
    named = {"dtype": dtype, "__doc__": about, "__module__": "tensorgrad.sparse"}
    return _SparseType(f"{dtype.title}Tensor", (), named)


(
    _, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, HalfTensor, BFloat16Tensor, FloatTensor,
    DoubleTensor
) = map(_named, all_dtypes)  # fmt: skip


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.sparse'", name, globals())
