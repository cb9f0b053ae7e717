"""New tensors: from data, or filled."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Size, Tensor, _core, dtype, get_default_dtype
from tensorgrad.core.device import check_device


def _numpy_data(data: Any, wanted: dtype | None) -> np.ndarray:
    """Any data as an array of a dtype that tensors have."""
    if isinstance(data, Tensor):
        array = _core._array_of(data)
        return array if wanted is None else array.astype(wanted.numpy_dtype, copy=False)
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    else:
        if isinstance(data, (list, tuple)) and any(isinstance(each, Tensor) for each in data):
            data = [each.tolist() if isinstance(each, Tensor) else each for each in data]
        try:
            array = np.array(data)
        except ValueError as error:
            raise ValueError(f"the nested sequences have different lengths: {error}") from None
        except OverflowError:
            raise RuntimeError("Overflow when unpacking long: an integer does not fit in 64 bits") from None
        if array.dtype == np.float64:
            array = array.astype(get_default_dtype().numpy_dtype) if wanted is None else array
        elif array.dtype.kind == "i":
            array = array.astype(np.int64)
        elif array.size == 0 and wanted is None:
            array = array.astype(get_default_dtype().numpy_dtype)
    if array.dtype.kind in "OUSV":
        raise TypeError(f"can't make a tensor of {type(data).__name__} with elements of type {array.dtype}")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1 and not isinstance(data, np.ndarray):
        raise RuntimeError("Overflow when unpacking long: an integer does not fit in 64 bits")
    return array if wanted is None else array.astype(wanted.numpy_dtype, copy=False)


def tensor(data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False):
    """A new tensor with a copy of ``data``: a number, nested lists, or an array.

    >>> tg.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    check_device(device)
    made = _core._copy_of_array(_numpy_data(data, dtype))
    if requires_grad:
        made.requires_grad_()
    return made


def _size(size: tuple) -> tuple:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size


def _filled(size: tuple, value: Any, dtype: dtype | None, requires_grad: bool):
    dtype = get_default_dtype() if dtype is None else dtype
    made = _core._empty(_size(size), dtype.code)
    if value is not None:
        _core._array_of(made)[...] = value
    if requires_grad:
        made.requires_grad_()
    return made


def zeros(*size: Any, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A tensor of zeros.

    >>> tg.zeros(2)
    tensor([0., 0.])
    """
    check_device(device)
    return _filled(size, 0, dtype, requires_grad)


def ones(*size: Any, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    """A tensor of ones.

    >>> tg.ones(2)
    tensor([1., 1.])
    """
    check_device(device)
    return _filled(size, 1, dtype, requires_grad)


def legacy_constructor(args: tuple, dtype: dtype | None):
    """What ``Tensor(...)`` makes: of sizes an uninitialised tensor, of data a float tensor."""
    if len(args) == 1 and not isinstance(args[0], int):
        data = args[0]
        if isinstance(data, Size):
            return _filled(tuple(data), None, dtype, False)
        return tensor(data, dtype=dtype or get_default_dtype())
    return _filled(args, None, dtype, False) if args else _filled((0,), None, dtype, False)


PUBLIC = {"tensorgrad": (tensor, zeros, ones)}
