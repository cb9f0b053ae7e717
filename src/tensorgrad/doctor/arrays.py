"""What lies in memory that an event names, as an array; nothing is copied and nothing kept."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

_TYPES = {
    "f32": np.float32, "f64": np.float64, "f16": np.float16, "i8": np.int8, "i16": np.int16, "i32": np.int32,
    "i64": np.int64, "u8": np.uint8, "bool": np.bool_,
}  # fmt: skip
_by_code: dict[int, Any] = {}
FLOATS = (np.float32, np.float64, np.float16)


def type_of(operand: Any) -> Any:
    """NumPy's type of an operand's elements, None where it has none."""
    code = operand.dtype
    if code not in _by_code:
        _by_code[code] = _TYPES.get(repr(operand).partition("[")[0])
    return _by_code[code]


def view(operand: Any) -> np.ndarray | None:
    """The elements of an operand, as long as its event is being told; None where that cannot be said."""
    kind = type_of(operand)
    if kind is None or not operand.address:
        return None
    size = operand.itemsize
    for extent, stride in zip(operand.shape, operand.strides):
        if stride < 0:
            return None
        if extent == 0:
            return np.empty(operand.shape, kind)
        size += (extent - 1) * stride
    memory = (ctypes.c_char * size).from_address(operand.address)
    return np.ndarray(operand.shape, kind, memory, strides=operand.strides)


def is_finite(array: np.ndarray) -> bool:
    """Whether no element is NaN or infinite. A sum tells, and only where it overflows are the elements
    asked.
    """
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def some(array: np.ndarray, most: int = 8192) -> np.ndarray:
    """At most so many of an array's elements, evenly taken along its first dimensions."""
    while array.size > most and array.ndim:
        longest = int(np.argmax(array.shape))
        step = -(-array.size // most)
        if array.shape[longest] < 2 * step:
            step = max(2, array.shape[longest] // 2)
        every = [slice(None)] * array.ndim
        every[longest] = slice(None, None, step)
        array = array[tuple(every)]
    return array


def rms(array: np.ndarray) -> float:
    """The root of the mean square; of large arrays, of some of their elements."""
    if not array.size:
        return 0.0
    flat = some(array).ravel()
    with np.errstate(all="ignore"):
        total = float(np.dot(flat, flat)) if flat.dtype in FLOATS[:2] else float("inf")
        if not math.isfinite(total):  # too large for the type, it may be
            total = float((flat.astype(np.float64) ** 2).sum())
        return math.sqrt(total / flat.size) if total == total else total


def norm(array: np.ndarray) -> float:
    """The root of the sum of squares, as `rms` sees it."""
    return rms(array) * math.sqrt(array.size)
