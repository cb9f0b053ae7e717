"""Weights in another order of memory, of which nothing is seen here but the names."""

from __future__ import annotations

from typing import Any

from tensorgrad.core.device import memory_format as MemoryFormat
from tensorgrad.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _refuse_other(name: str, memory_format: Any) -> None:
    if not isinstance(memory_format, MemoryFormat):
        raise TypeError(f"{name}(): memory_format must be memory_format, not {type(memory_format).__name__}")


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module as it is: kernels read weights in one order, whatever memory format is asked for.

    >>> nn.utils.convert_conv2d_weight_memory_format(nn.Conv2d(3, 4, 3), tg.channels_last)
    Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1))
    """
    _refuse_other("convert_conv2d_weight_memory_format", memory_format)
    return module


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """The module as it is: kernels read weights in one order, whatever memory format is asked for.

    >>> layer = nn.Conv3d(1, 1, 3)
    >>> nn.utils.convert_conv3d_weight_memory_format(layer, tg.channels_last_3d) is layer
    True
    """
    _refuse_other("convert_conv3d_weight_memory_format", memory_format)
    return module
