"""Other dtypes, and values written into existing tensors."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, dtype, float64
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.core.device import check_device
from tensorgrad.core.legacy import as_dtype
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping
from tensorgrad.ops.shapes.shaping import _cast


@composite(
    others=("dtype",),
    method=True,
    at=(),
    samples=lambda: [case(normal(2, 3), float64, name="dtype"), case(normal(2, 3), "cpu", name="device")],
)
def to(input, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None, other=None):
    """The values in another dtype (a dtype, or that of another tensor); the same tensor when nothing changes.

    >>> tg.ones(2).to(tg.int64)
    tensor([1, 1])
    """
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif type(value) is _core.dtype or isinstance(value, (type, np.dtype)):
            dtype = value
        elif isinstance(value, builtins.bool) and value is args[0] and len(args) == 1:
            dtype = bool_
        elif isinstance(value, builtins.bool):
            non_blocking, copy = (
                (value, copy) if len(args) > 1 and value is args[1] else (non_blocking, value)
            )
        elif isinstance(value, builtins.float):     # as PyTorch has it, whatever the number
            dtype = float64
        elif value is not None:
            check_device(value)
    check_device(device)
    if other is not None:
        dtype = other.dtype
    wanted = input.dtype if dtype is None else as_dtype(dtype)
    if wanted is not input.dtype:
        input = _cast(input, wanted)
    elif copy:
        input = shaping.clone(input)
    return input if creation.keeps_order(memory_format) else shaping.contiguous(input)


def _conversion(name: str, wanted: dtype):
    def convert(input, memory_format=None):
        made = _cast(input, wanted)
        return made if creation.keeps_order(memory_format) else shaping.contiguous(made)

    convert.__name__ = name
    convert.__doc__ = f"""The values as {wanted.name}.

    >>> tg.ones(1).{name}().dtype
    tensorgrad.{wanted.name}
    """
    convert.__module__ = __name__
    # A finite difference of the rounded values says nothing, except in double.
    return composite(
        method=True, at=(), samples=lambda: [case(normal(2, 3), name="plain")], smooth=wanted is float64
    )(convert)


CONVERSIONS = [_conversion(each.title.lower(), each) for each in _core.all_dtypes]


@composite(method=True, at=(), samples=lambda: [case(normal(2), normal(3), name="plain")])
def type_as(input, other):
    """The values in the dtype of ``other``.

    >>> tg.ones(1).type_as(tg.tensor([1]))
    tensor([1])
    """
    return _cast(input, other.dtype)


@composite(
    others=("dtype",),
    method=True,
    at=(),
    samples=lambda: [case(normal(2), float64, name="plain")],
    name="type",
)
def type_(input, dtype=None, non_blocking=False):
    """The values in another dtype; without one, the name of the tensor's type.

    >>> tg.ones(1).type()
    'tensorgrad.FloatTensor'
    """
    if dtype is None:
        return f"{_core._library()}.{input.dtype.title}Tensor"
    return _cast(input, as_dtype(dtype))


@composite(method=True, at=(), samples=lambda: [case(normal(2), name="plain")])
def cpu(input, memory_format=None):
    """The tensor itself: it is on the CPU.

    >>> tg.ones(1).cpu()
    tensor([1.])
    """
    return input


def cuda(
    self: Any, device: Any = None, non_blocking: builtins.bool = False, memory_format: Any = None
) -> Tensor:
    """Raises RuntimeError: there is no such device."""
    raise RuntimeError("there is no device 'cuda' here: tensorgrad computes on the CPU only")


def pin_memory(self: Any, device: Any = None) -> Tensor:
    """The tensor itself: memory of the CPU needs no pinning."""
    return self


def copy_(self: Any, src: Tensor, non_blocking: builtins.bool = False) -> Tensor:
    """Writes ``src``, broadcast and converted, into the tensor.

    >>> tg.zeros(2).copy_(tg.tensor([1, 2]))
    tensor([1., 2.])
    """
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    src = _cast(src, self.dtype)
    replaced = self.requires_grad and not self.is_leaf
    return _core._write(self, _filled(self, src.expand(self.shape)) if replaced else src)


def fill_(self: Any, value: Any) -> Tensor:
    """Sets every element to ``value``, a number or a 0-d tensor.

    >>> tg.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            )
        return _core._write(self, _cast(value, self.dtype))
    return _core._fill_in_place(self, _core._fitting(value, self.dtype) if value is None else value)


def zero_(self: Any) -> Tensor:
    """Sets every element to 0.

    >>> tg.ones(2).zero_()
    tensor([0., 0.])
    """
    return _core._fill_in_place(self, 0)


@primitive(
    vjp=dict(input=lambda g: creation.zeros_like(g), values=lambda g: g),
    at=(),
    grad_name="FillBackward0",
    samples=lambda: [case(normal(2, 3), normal(2, 3), name="plain")],
    smooth=False,
)
def _filled(input, values):
    """The values that replaced those of ``input``, which gets a gradient of zero."""
    return values


@composite(samples=lambda: [case(normal(2, 3), 2.0, name="number")], at="tensorgrad")
def fill(input, value):
    """A tensor like ``input`` with every element set to ``value``.

    >>> tg.fill(tg.zeros(2), 3.0)
    tensor([3., 3.])
    """
    return fill_(shaping.clone(input), value)


def fill_diagonal_(self: Any, fill_value: Any, wrap: builtins.bool = False) -> Tensor:
    """Sets the elements whose indices are all the same to ``fill_value``, a number.

    With ``wrap`` the diagonal of a matrix that is higher than wide starts again below, after a row that it
    leaves out. Raises RuntimeError for a vector, and for more than two dimensions unless their sizes are the
    same.

    >>> tg.zeros(2, 3).fill_diagonal_(5)
    tensor([[5., 0., 0.],
            [0., 5., 0.]])
    """
    _core._fitting(fill_value, self.dtype)
    shape = self.shape
    if self.ndim < 2:
        raise RuntimeError(
            f"fill_diagonal_: dimensions must larger than 1, got a tensor of shape {list(shape)}"
        )
    if self.ndim > 2 and len(set(shape)) > 1:
        raise RuntimeError(
            f"fill_diagonal_: all dimensions of input must be of equal length, got {list(shape)}"
        )
    if wrap and self.ndim == 2 and shape[0] > shape[1] + 1 and shape[1]:
        rows, columns = np.divmod(np.arange(0, self.numel(), shape[1] + 1), shape[1])
        self[_core.from_numpy(rows), _core.from_numpy(columns)] = fill_value
        return self
    diagonal = self
    for _ in range(self.ndim - 1):
        diagonal = diagonal.diagonal(0, -1, -2)
    fill_(diagonal, fill_value)
    return self


def share_memory_(self: Any) -> Tensor:
    """The tensor itself: tensors are not moved to shared memory.

    >>> tg.ones(2).share_memory_().is_shared()
    False
    """
    return self


def is_shared(self: Any) -> bool:
    """False: tensors are not in shared memory.

    >>> tg.ones(2).is_shared()
    False
    """
    return False


def is_same_size(self: Any, other: Any) -> bool:
    """Whether both have the same shape.

    >>> tg.ones(2).is_same_size(tg.zeros(2))
    True
    """
    want_tensors("is_same_size", self=self, other=other)
    return self.shape == other.shape


for _method in (
    cuda,
    pin_memory,
    copy_,
    fill_,
    zero_,
    fill_diagonal_,
    share_memory_,
    is_shared,
    is_same_size,
):
    _core._add_method(_method.__name__, _method)
