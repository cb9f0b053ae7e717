"""What the declarations share: small checks and shapes, nothing that is itself an op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorgrad.core import Size, Tensor, dtype, get_default_dtype

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


def wrap_dim(dim: Any, ndim: int) -> int:
    """A dimension's number counted from 0; raises IndexError when there is none of that number."""
    if isinstance(dim, (bool, float, str)) or not hasattr(dim, "__index__"):
        raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
    count = max(ndim, 1)
    if not -count <= dim < count:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})"
        )
    return dim + count if dim < 0 else int(dim)


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
