"""What an op says to dtypes and sizes that it has no answer for, and tensors brought to one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.core import AllocationError, Tensor, _core
from tensorgrad.ops.shapes import shaping


def floats_only(name: str, *arrays: np.ndarray) -> None:
    """Raises NotImplementedError unless every array holds floats."""
    for array in arrays:
        if array.dtype.kind != "f":
            raise NotImplementedError(
                f"{name}: not implemented for {array.dtype}; convert with .to(tensorgrad.float32) first"
            )


def integers_only(name: str, *arrays: np.ndarray, bool_too: bool = False) -> None:
    """Raises NotImplementedError unless every array holds integers."""
    for array in arrays:
        if array.dtype.kind not in ("iub" if bool_too else "iu"):
            wanted = "integers and bool" if bool_too else "integers"
            raise NotImplementedError(f"{name}: not implemented for {array.dtype}, only for {wanted}")


def not_bool(name: str, *arrays: np.ndarray) -> None:
    """Raises NotImplementedError for arrays of truth values."""
    for array in arrays:
        if array.dtype.kind == "b":
            raise NotImplementedError(
                f"{name}: not implemented for bool; use the logical_ ops, or convert with .to(dtype)"
            )


def want_tensors(name: str, **arguments: Any) -> None:
    """Raises TypeError for an argument that is not a Tensor."""
    for position, (argument, value) in enumerate(arguments.items()):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}(): argument '{argument}' (position {position + 1}) must be Tensor, not "
                f"{type(value).__name__}"
            )


def truth(name: str, argument: str, value: Any) -> bool:
    """What a truth value says, where None says no; raises TypeError for what is none."""
    if value is not None and not isinstance(value, (bool, int, np.bool_)):
        raise TypeError(f"{name}(): argument '{argument}' must be bool, not {type(value).__name__}")
    return bool(value)


def want_room(name: str, shape: Sequence[int]) -> None:
    """Raises AllocationError for a result of so many elements that no memory has them."""
    if math.prod(shape) >= 1 << 60:
        raise AllocationError(f"{name}: Storage size calculation overflowed with sizes={list(shape)}")


def together(name: str, *tensors: Tensor) -> list[Tensor]:
    """The tensors expanded to the shape that they broadcast to."""
    shapes = [tuple(t.shape) for t in tensors]
    if shapes.count(shapes[0]) == len(shapes):
        return list(tensors)
    shape = [1] * max(map(len, shapes))
    for each in shapes:
        for k, extent in enumerate(each, len(shape) - len(each)):
            if extent != 1 and extent != shape[k]:
                if shape[k] != 1:
                    text = ", ".join(str(list(s)) for s in shapes)
                    raise RuntimeError(f"{name}: the shapes {text} do not broadcast together")
                shape[k] = extent
    whole = tuple(shape)
    return [t if own == whole else shaping.expand(t, whole) for t, own in zip(tensors, shapes)]


def as_tensor(value: Any, dtype: Any, half: bool = True) -> Tensor:
    """A tensor or a number as a tensor of that dtype; raises RuntimeError for a number that does not fit.

    ``half``: whether float16 has bounds too; where PyTorch first makes a 0-d tensor of a number, it has none.
    """
    if isinstance(value, Tensor):
        return value if value.dtype is dtype else shaping._cast(value, dtype)
    return _core._number_tensor(value, dtype, half)


def stored(value: Any, input: np.ndarray) -> np.ndarray:
    """A number as the dtype that an array stands for holds it; raises RuntimeError where it does not fit."""
    return _core._array_of(_core._number_tensor(value, _core.dtype_in_body(input)))
