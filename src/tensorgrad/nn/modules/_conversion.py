"""A module's conversions: all parameters and buffers to another dtype, to another device, to new memory."""

from __future__ import annotations

from typing import Any, TypeVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import _module as compiled

T = TypeVar("T", bound="Converted")


class Converted(compiled.ModuleBase):
    """What a Module has of conversions; each changes the module itself."""

    def _apply(self, fn, recurse=True):
        """Replaces the values of all parameters, their gradients, and buffers by `fn` of them.
        Parameters stay the same objects.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        with tg.no_grad():
            for parameter in self._parameters.values():
                if parameter is None:
                    continue
                grad = parameter.grad
                value = fn(parameter)
                if grad is not None:
                    grad = fn(grad)
                    parameter.grad = None  # which would not fit for a moment
                if value is not parameter:
                    parameter.data = value
                if grad is not None:
                    parameter.grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self: T, *args: Any, **kwargs: Any) -> T:
        """Converts floating point parameters and buffers: `to(dtype)`, `to(device, dtype)` or
        `to(tensor)`. In place.
        """
        device, dtype = _parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

        def convert(tensor):
            if device is not None:
                tensor = tensor.to(device)
            return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor

        return self._apply(convert)

    def to_empty(self: T, *, device: Any, recurse: bool = True) -> T:
        """Gives every parameter and buffer new memory, with whatever values are in it."""
        return self._apply(lambda tensor: tg.empty_like(tensor, device=device), recurse=recurse)

    def type(self: T, dst_type: Any) -> T:
        """Converts all parameters and buffers, integers too, to `dst_type`."""
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self: T) -> T:
        """Converts floating point parameters and buffers to float32."""
        return _convert(self, tg.float32)

    def double(self: T) -> T:
        """Converts floating point parameters and buffers to float64.

        >>> nn.Linear(2, 2).double().weight.dtype
        tensorgrad.float64
        """
        return _convert(self, tg.float64)

    def half(self: T) -> T:
        """Converts floating point parameters and buffers to float16."""
        return _convert(self, tg.float16)

    def bfloat16(self: T) -> T:
        """Converts floating point parameters and buffers to bfloat16."""
        return _convert(self, tg.bfloat16)

    def cpu(self: T) -> T:
        """The module itself: everything is on the CPU."""
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self: T, device: Any = None) -> T:
        """RuntimeError: there is no other device than the CPU."""
        return self.to("cuda" if device is None else device)

    def share_memory(self: T) -> T:
        """The module itself. Processes made by fork share its memory until one of them writes."""
        return self


def _convert(module, dtype):
    return module._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def _parse_to(*args, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    """(device or None, dtype or None) of the many ways to call `to`."""
    for arg in args:
        if isinstance(arg, Tensor):
            device, dtype = arg.device, arg.dtype
        elif isinstance(arg, tg.dtype):
            dtype = arg
        elif isinstance(arg, (str, int, tg.device)) and not isinstance(arg, bool):
            device = arg
        elif arg is not None and not isinstance(arg, bool):
            raise TypeError(
                f"to() received an invalid argument: {arg!r}. Give it a device, a dtype or a tensor."
            )
    return None if device is None else tg.device(device), dtype
