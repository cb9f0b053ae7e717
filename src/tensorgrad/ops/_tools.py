"""What the declarations share: small checks and shapes, nothing that is itself an op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorgrad.core import Size, Tensor, dtype, get_default_dtype
from tensorgrad.core._core import wrap_dim

__all__ = [
    "Size",
    "Tensor",
    "dtype",
    "get_default_dtype",
    "is_sequence",
    "near_matrix",
    "wrap_dim",
    "wrap_dims",
]


def is_sequence(value: Any) -> bool:
    """Whether a value is several others: a list, a tuple, a range, but not text or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def near_matrix(offset: int, rows: int, columns: int) -> int:
    """The number of a diagonal, one just outside the matrix for any further away: NumPy negates an int of
    32 bits.
    """
    return max(-rows, min(offset, columns))


def wrap_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    """Several dimensions' numbers; raises RuntimeError when one comes twice."""
    wrapped = tuple(wrap_dim(d, ndim) for d in (dims if is_sequence(dims) else (dims,)))
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"a dim appears multiple times in the list of dims {tuple(dims)}")
    return wrapped
