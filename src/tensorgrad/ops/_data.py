"""Data as arrays: which dtype nested sequences have, and which numbers an integer dtype can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, dtype, get_default_dtype, int64, promote_types, uint8

_PYTHON = {bool, int, float}
_OF_PYTHON = {bool: bool_, int: int64}


def tensor_of(data: Any, wanted: dtype | None) -> Tensor:
    """A new tensor of any data: of the wanted dtype, or of the one that PyTorch infers.

    Arrays and tensors are converted as they are; single numbers and those in sequences have to fit.
    """
    if isinstance(data, Tensor):
        return _core._tensor_of(_core._array_of(data), data.dtype if wanted is None else wanted)
    if isinstance(data, np.ndarray):
        return _core._tensor_of(data, wanted)
    return _tensor_of_numbers(data, wanted)


def _tensor_of_numbers(data: Any, wanted: dtype | None) -> Tensor:
    found: set = {type(data)}
    tensors = False
    if not found <= _PYTHON:
        found = set()
        tensors = _collect([data], found, 0)
    if wanted is None:
        wanted = _promoted(found)
    plain = _without_tensors(data) if tensors else data
    try:
        array = np.array(plain)
        if array.dtype.kind == "f" and found & {int, int64} and not wanted.is_floating_point:
            array = np.array(plain, dtype=object)  # a float would round the integers beside it
    except ValueError as error:
        if len(_depths(plain)) > 1:
            raise TypeError("a number stands where others have a sequence: not a sequence") from None
        raise ValueError(f"the nested sequences have different lengths: {error}") from None
    return _core._tensor_of(_fitted(array, wanted), wanted)


def _collect(data: Any, found: set, depth: int) -> bool:
    """Adds the dtypes of the numbers in nested sequences to ``found``, those of Python's as bool, int and
    float; tells whether there are tensors among them.
    """
    if depth > 65:
        raise ValueError("too many dimensions in the nested sequences")
    kinds = set(map(type, data))
    found |= kinds & _PYTHON
    if kinds <= _PYTHON:
        return False
    tensors = False
    for each in data:
        if isinstance(each, (list, tuple)):
            tensors |= _collect(each, found, depth + 1)
        elif isinstance(each, Tensor):
            if each.numel() != 1:
                raise ValueError("only one element tensors can be converted to Python scalars")
            found.add(each.dtype)
            tensors = True
        elif isinstance(each, (np.ndarray, np.generic)):
            found.add(_of_numpy(each.dtype))
        elif isinstance(each, str) and depth:
            if each is not data[0]:
                raise TypeError("can't make a tensor of str, which stands beside what is none")
            raise ValueError("too many dimensions 'str'")
        elif isinstance(each, Sequence) and not isinstance(each, (str, bytes)):
            tensors |= _collect(each, found, depth + 1)
        elif isinstance(each, (bool, int, float)):
            found.add(next(kind for kind in (bool, int, float) if isinstance(each, kind)))
        elif hasattr(each, "__array__"):
            found.add(_of_numpy(np.asarray(each).dtype))
        elif isinstance(each, (str, bytes, complex)):
            why = ": complex numbers are not in tensorgrad yet" if isinstance(each, complex) else ""
            raise TypeError(f"can't make a tensor of {type(each).__name__}{why}")
        else:
            raise RuntimeError(_no_number(each))
    return tensors


def _depths(data: Any) -> set[int]:
    """How many sequences the numbers of nested ones lie in."""
    if isinstance(data, np.ndarray):
        return {data.ndim}
    if not isinstance(data, Sequence):
        return {0}
    return {depth + 1 for each in data for depth in _depths(each)} or {1}


def _no_number(value: Any) -> str:
    """Why data with such a value in it can be no tensor."""
    hint = ""
    if value is None:
        hint = ": None is no number; leave it out, or put float('nan') where a number is missing"
    elif isinstance(value, dict):
        hint = ": give its numbers, as in tensor(list(values.values()))"
    return f"Could not infer dtype of {type(value).__name__}{hint}"


def _of_numpy(kind: np.dtype) -> dtype:
    found = _core.dtype_of_numpy(kind)
    if found is None:
        names = ", ".join(d.name for d in _core.all_dtypes)
        raise TypeError(
            f"can't make a tensor of elements of type {kind}. The only supported types are: {names}."
        )
    return found


def _promoted(found: set) -> dtype:
    together: Any = None
    for each in found or (float,):
        each = get_default_dtype() if each is float else _OF_PYTHON.get(each, each)
        together = each if together is None else promote_types(together, each)
    return together


def _without_tensors(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.item()
    if isinstance(data, (list, tuple)):
        return [_without_tensors(each) for each in data]
    return data


def _fitted(array: np.ndarray, wanted: dtype) -> np.ndarray:
    """Numbers as an array for a dtype. Raises RuntimeError for one that an integer dtype can't hold,
    ValueError for one beyond 64 bits.
    """
    kind, own = array.dtype.kind, wanted.array_dtype
    if array.dtype == own:
        return array
    if wanted is bool_ or kind == "b":
        return array.astype(own, copy=False)
    if wanted.is_floating_point:
        array = array.astype(np.float64) if kind == "O" else array
        with np.errstate(over="ignore"):
            return array.astype(own, copy=False)
    if kind in "Ou":
        numbers = array.reshape(-1).tolist()
        if any(isinstance(each, int) and not -(1 << 63) <= each < 1 << 63 for each in numbers):
            raise ValueError("Overflow when unpacking long long: an integer does not fit in 64 bits")
        for each in numbers:
            _core._fitting(each, wanted)
        return array.astype(np.int64).astype(wanted.numpy_dtype, copy=False)
    limits = np.iinfo(wanted.numpy_dtype)
    least = -255 if wanted is uint8 and kind == "i" else limits.min  # negative integers wrap round there
    high = array < 2.0**63 if kind == "f" and wanted is int64 else array <= limits.max
    fits = high & (array >= least)
    if not fits.all():
        raise RuntimeError(
            f"value cannot be converted to type {wanted.name} without overflow: {array[~fits][0]}"
        )
    return array.astype(wanted.numpy_dtype, copy=False)
