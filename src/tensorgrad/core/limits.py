"""What a dtype can hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import _core


class finfo:
    """The limits of a float dtype: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``smallest_normal``,
    ``resolution``, ``dtype``.

    >>> tg.finfo(tg.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: Any = None) -> None:
        wanted = _core.get_default_dtype() if type is None else type
        if not isinstance(wanted, _core.dtype) or not wanted.is_floating_point:
            raise TypeError(
                f"tensorgrad.finfo() requires a floating point input type, not {wanted!r}. Use iinfo for "
                "integers."
            )
        self.bits = wanted.itemsize * 8
        bias = 2 ** (self.bits - wanted.digits - 1) - 1  # of the exponent
        self.eps = 2.0 ** (1 - wanted.digits)
        self.max = wanted.largest
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - bias)
        self.resolution = 10.0 ** -math.floor((wanted.digits - 1) * math.log10(2))
        self.dtype = wanted.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype: ``bits``, ``max``, ``min``, ``dtype``.

    >>> tg.iinfo(tg.int8).max
    127
    """

    def __init__(self, type: Any) -> None:
        if not isinstance(type, _core.dtype) or type.is_floating_point or type.name == "bool":
            raise TypeError(
                f"tensorgrad.iinfo() requires an integer input type, not {type!r}. Use finfo for floats."
            )
        limits = np.iinfo(type.numpy_dtype)
        self.bits, self.max, self.min, self.dtype = (
            int(limits.bits),
            int(limits.max),
            int(limits.min),
            type.name,
        )

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
