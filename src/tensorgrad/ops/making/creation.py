"""New tensors: from data, or filled."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.core import Size, Tensor, _core, bfloat16, bool_, dtype, get_default_dtype, int64
from tensorgrad.core.declare import registry
from tensorgrad.core.device import check_device, contiguous_format, strided
from tensorgrad.core.legacy import PYTHON_TYPES
from tensorgrad.ops import _data


def tensor(
    data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: builtins.bool = False,
    pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A new tensor with a copy of ``data``: a number, nested lists, or an array.

    >>> tg.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    check_device(device)
    made = _data.tensor_of(data, dtype)
    if requires_grad:
        made.requires_grad_()
    return made


def as_tensor(data: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """``data`` as a tensor; a tensor, or an array of the right dtype, keeps its memory.

    >>> tg.as_tensor([1.0])
    tensor([1.])
    """
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype is dtype else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtype.array_dtype):
        return _core.from_numpy(data)
    return tensor(data, dtype=dtype)


def asarray(
    obj: Any, *, dtype: dtype | None = None, device: Any = None, copy: bool | None = None,
    requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """``obj`` as a tensor; ``copy`` says whether memory must (True) or must not (False) be copied.

    >>> tg.asarray([1, 2])
    tensor([1, 2])
    """
    check_device(device)
    shares = isinstance(obj, (Tensor, np.ndarray)) and dtype in (None, dtype_of(obj))
    if copy is False and not shares:
        raise ValueError("can't alias the data of obj without a copy: it has another dtype or is no array")
    if isinstance(obj, Tensor):
        made = obj.detach() if obj.requires_grad or requires_grad else obj
        made = made if dtype is None else made.to(dtype)
        made = made.clone() if copy and shares else made
    else:
        made = as_tensor(obj, dtype=dtype)
        made = made.clone() if copy and shares else made
    return made.requires_grad_() if requires_grad else made


def frombuffer(
    buffer: Any, *, dtype: dtype, count: builtins.int = -1, offset: builtins.int = 0,
    requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A vector on the memory of an object that shows it (bytearray, array, mmap), read as ``dtype`` from byte
    ``offset`` on: ``count`` elements, or all. A write to one is a write to the other.

    Raises ValueError where the memory ends before, or does not hold a whole number of elements, RuntimeError
    where its elements are not one after the other. Memory that must not be written (bytes) makes a tensor
    that must not be either.

    >>> tg.frombuffer(bytearray([1, 0, 2, 0]), dtype=tg.int16)
    tensor([1, 2], dtype=tensorgrad.int16)
    """
    wanted = _default(dtype) if dtype is not None else _no_dtype(dtype)
    try:
        memory = memoryview(buffer)
    except TypeError:
        raise ValueError(f"{type(buffer).__name__} does not implement Python buffer protocol.") from None
    if not memory.c_contiguous:
        raise RuntimeError("frombuffer: the elements of the buffer do not lie one after the other")
    size, room = wanted.itemsize, memory.nbytes - offset
    if memory.nbytes == 0 or count == 0:
        raise ValueError(
            f"both buffer length ({memory.nbytes}) and count ({count}) must not be 0"
        )
    if not 0 <= offset < memory.nbytes:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({memory.nbytes} bytes) minus 1"
        )
    if count < 0 and room % size:
        raise ValueError(
            f"buffer length ({room} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({size})"
        )
    count = room // size if count < 0 else count
    if count * size > room:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({memory.nbytes} bytes)"
        )
    bits = np.frombuffer(memory, np.uint8, count * size, offset)
    if wanted is bfloat16:
        made = _core._from_bits(bits.view(np.uint16))
    else:
        made = _core.from_numpy(bits.view(wanted.numpy_dtype))
    return made.requires_grad_() if requires_grad else made


def dtype_of(obj: Any) -> dtype | None:
    """The dtype that an array or a tensor has."""
    return obj.dtype if isinstance(obj, Tensor) else _core.dtype_of_numpy(obj.dtype)


def scalar_tensor(
    s: Any, *, dtype: dtype | None = None, layout: Any = None, device: Any = None,
    pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor of a number, of the default float dtype unless told.

    >>> tg.scalar_tensor(3)
    tensor(3.)
    """
    check_device(device)
    return _finish(_core._number_tensor(s, _default(dtype), False), None, requires_grad)


def _size(name: str, sizes: tuple, size: Any = None) -> tuple:
    """The sizes of a factory's call: one by one, as a sequence, or as a sequence by the name ``size``."""
    if size is not None:
        if sizes:
            raise TypeError(f"{name}() got multiple values for argument 'size'")
        return _sequence(name, size)
    if not sizes:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    if len(sizes) == 1 and (
        isinstance(sizes[0], (tuple, list)) or (isinstance(sizes[0], np.ndarray) and sizes[0].ndim == 1)
    ):
        return tuple(sizes[0])
    return sizes


def _sequence(name: str, size: Any) -> tuple:
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not {type(size).__name__}")
    return tuple(size)


def _default(dtype: Any) -> dtype:
    if dtype is None:
        return get_default_dtype()
    if type(dtype) is not _core.dtype:
        return PYTHON_TYPES[dtype] if dtype in PYTHON_TYPES else _no_dtype(dtype)
    return dtype


def _no_dtype(dtype: Any):
    raise TypeError(f"argument 'dtype' must be tensorgrad.dtype, not {type(dtype).__name__}")


_UNSET: Any = object()


def _new(shape: tuple, fill: Any, dtype: Any, requires_grad: bool, out: Any = None, device: Any = None):
    """A tensor of one value (not set at all if that is _UNSET)."""
    check_device(device)
    if out is not None:
        dtype = out.dtype if dtype is None else dtype
        if dtype is not out.dtype:
            raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    made = _core._empty(shape, _default(dtype).code)
    if fill is not _UNSET and made.numel():
        _core._fill(made, fill)
    return _finish(made, out, requires_grad)


def _finish(made: Tensor, out: Any, requires_grad: bool):
    """What every factory ends with."""
    if out is not None:
        return _core._write_out(out, made)
    return made.requires_grad_() if requires_grad else made


def empty(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor whose values are not set.

    >>> tg.empty(2, 3).shape
    tensorgrad.Size([2, 3])
    """
    return _new(_size("empty", sizes, size), _UNSET, dtype, requires_grad, out, device)


def zeros(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of zeros.

    >>> tg.zeros(2)
    tensor([0., 0.])
    """
    return _new(_size("zeros", sizes, size), 0, dtype, requires_grad, out, device)


def ones(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones.

    >>> tg.ones(2)
    tensor([1., 1.])
    """
    return _new(_size("ones", sizes, size), 1, dtype, requires_grad, out, device)


def _dtype_of_value(value: Any) -> dtype:
    if isinstance(value, Tensor) and not value.ndim:
        value = value.item()
    if isinstance(value, (bool, np.bool_)):
        return bool_
    return int64 if isinstance(value, (builtins.int, np.integer)) else get_default_dtype()


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one value, whose type gives the dtype unless told.

    >>> tg.full((2,), 7)
    tensor([7, 7])
    """
    if dtype is None and out is None:
        dtype = _dtype_of_value(fill_value)
    return _new(_sequence("full", size), fill_value, dtype, requires_grad, out, device)


def keeps_order(memory_format: Any) -> builtins.bool:
    """Whether a copy in that format has its dimensions in the order of the original's."""
    return memory_format is not contiguous_format


def laid_out_as(input: Tensor, dtype: Any, device: Any, memory_format: Any = None):
    """A tensor whose values are not set, in the shape of ``input`` and laid out as a copy of it."""
    check_device(device)
    code = _default(input.dtype if dtype is None else dtype).code
    if keeps_order(memory_format):
        return _core._empty_as(input, code)
    return _core._empty(tuple(input.shape), code)


def _like(
    function: Callable, input: Tensor, fill: Any, dtype: Any, requires_grad: bool, device: Any,
    memory_format: Any,
) -> Tensor:  # fmt: skip
    """What the function gives that was called, unless the type of its input answers it."""
    if type(input) is not Tensor and _core._takes_over(input):
        given = dict(dtype=dtype, requires_grad=requires_grad, device=device, memory_format=memory_format)
        named = {word: value for word, value in given.items() if value not in (None, False)}
        return _core._hand_over(function, (input, fill) if function is full_like else (input,), named)
    if not isinstance(input, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if input.layout is not strided:
        raise NotImplementedError(
            "zeros_like, ones_like, full_like and empty_like: there is no such thing for sparse tensors in "
            "tensorgrad yet"
        )
    made = laid_out_as(input, dtype, device, memory_format)
    if fill is not _UNSET and made.numel():
        _core._fill(made, fill)
    return _finish(made, None, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of the shape and dtype of ``input`` whose values are not set.

    >>> tg.empty_like(tg.ones(2, 3)).shape
    tensorgrad.Size([2, 3])
    """
    return _like(empty_like, input, _UNSET, dtype, requires_grad, device, memory_format)


def zeros_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape and dtype of ``input``.

    >>> tg.zeros_like(tg.ones(2))
    tensor([0., 0.])
    """
    return _like(zeros_like, input, 0, dtype, requires_grad, device, memory_format)


def ones_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Ones of the shape and dtype of ``input``.

    >>> tg.ones_like(tg.zeros(2))
    tensor([1., 1.])
    """
    return _like(ones_like, input, 1, dtype, requires_grad, device, memory_format)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """One value, in the shape and dtype of ``input``.

    >>> tg.full_like(tg.ones(2), 5)
    tensor([5., 5.])
    """
    return _like(full_like, input, fill_value, dtype, requires_grad, device, memory_format)


def new_tensor(
    self: Any, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: builtins.bool = False
) -> Tensor:
    """A copy of ``data`` in this tensor's dtype.

    >>> tg.ones(1).new_tensor([2, 3])
    tensor([2., 3.])
    """
    return tensor(
        data, dtype=self.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad
    )


def new_empty(
    self: Any, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, layout: Any = None, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of this dtype whose values are not set.

    >>> tg.ones(1).new_empty(2).shape
    tensorgrad.Size([2])
    """
    return _new(
        _size("new_empty", sizes, size),
        _UNSET,
        self.dtype if dtype is None else dtype,
        requires_grad,
        None,
        device,
    )


def new_zeros(
    self: Any, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, layout: Any = None, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of this dtype.

    >>> tg.ones(1).new_zeros(2)
    tensor([0., 0.])
    """
    return _new(
        _size("new_zeros", sizes, size),
        0,
        self.dtype if dtype is None else dtype,
        requires_grad,
        None,
        device,
    )


def new_ones(
    self: Any, *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, layout: Any = None, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Ones of this dtype.

    >>> tg.zeros(1).new_ones(2)
    tensor([1., 1.])
    """
    return _new(
        _size("new_ones", sizes, size), 1, self.dtype if dtype is None else dtype, requires_grad, None, device
    )


def new_empty_strided(
    self: Any, size: Any, stride: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, layout: Any = None, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of this dtype whose values are not set, with these strides in elements.

    >>> tg.ones(1).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    wanted = self.dtype if dtype is None else dtype
    return empty_strided(size, stride, dtype=wanted, device=device, requires_grad=requires_grad)


def new_full(
    self: Any, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, layout: Any = None, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """One value, in this dtype.

    >>> tg.zeros(1).new_full((2,), 3)
    tensor([3., 3.])
    """
    return _new(
        _sequence("new_full", size),
        fill_value,
        self.dtype if dtype is None else dtype,
        requires_grad,
        None,
        device,
    )


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor whose values are not set, with these strides in elements.

    >>> tg.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    reach = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if 0 not in size else 0
    made = empty(reach, dtype=dtype, device=device).as_strided(size, stride)
    return made.detach().requires_grad_() if requires_grad else made.detach()


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: builtins.bool = False, pin_memory: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """A tensor whose values are not set, whose dimensions lie in memory in the order that
    ``physical_layout`` says, the first outermost.

    >>> tg.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    size = _sequence("empty_permuted", size)
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(f"{list(physical_layout)} is no order of {len(size)} dimensions")
    made = empty([size[d] for d in physical_layout], dtype=dtype, device=device)
    made = made.permute([physical_layout.index(d) for d in range(len(size))]).detach()
    return made.requires_grad_() if requires_grad else made


def eye(
    n: Any, m: Any = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """The identity matrix: ones on the diagonal, zeros elsewhere.

    >>> tg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}, {m}")
    made = _new((n, m), 0, dtype if dtype is not None or out is None else out.dtype, False, None, device)
    _core._fill(made.diagonal(), 1)
    return _finish(made, out, requires_grad)


def legacy_constructor(args: tuple, dtype: dtype | None = None, device: Any = None):
    """What ``Tensor(...)`` makes: of sizes an uninitialised tensor, of data a float tensor."""
    if len(args) == 1 and not isinstance(args[0], (builtins.int, np.integer)):
        data = args[0]
        if isinstance(data, Tensor) and dtype in (None, data.dtype):
            return registry["_alias"](data)
        if isinstance(data, Size):
            return _new(tuple(data), _UNSET, dtype, False)
        if not isinstance(data, (Tensor, np.ndarray, Sequence)):
            raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
        return tensor(data, dtype=dtype or get_default_dtype())
    return _new(args if args else (0,), _UNSET, dtype, False)


def is_tensor(obj: Any) -> builtins.bool:
    """Whether ``obj`` is a Tensor.

    >>> tg.is_tensor([1.0])
    False
    """
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> builtins.bool:
    """Whether the elements are floats.

    >>> tg.is_floating_point(tg.ones(1))
    True
    """
    return input.is_floating_point()


def is_complex(input: Tensor) -> builtins.bool:
    """False: there are no complex dtypes.

    >>> tg.is_complex(tg.ones(1))
    False
    """
    return input.is_complex()


def numel(input: Tensor) -> builtins.int:
    """How many elements there are.

    >>> tg.numel(tg.ones(2, 3))
    6
    """
    return input.numel()


PUBLIC = {
    "tensorgrad": (
        tensor, as_tensor, asarray, frombuffer, scalar_tensor,
        empty, zeros, ones, full, empty_like, zeros_like,
        ones_like, full_like, empty_strided, empty_permuted, eye, is_tensor, is_floating_point,
        is_complex, numel,
    ),
}  # fmt: skip
METHODS = (new_tensor, new_empty, new_empty_strided, new_zeros, new_ones, new_full)
for _method in METHODS:
    _core._add_method(_method.__name__, _method)
