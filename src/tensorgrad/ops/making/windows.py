"""Windows: what a stretch of a signal is multiplied with, so that it begins and ends softly."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.core.device import check_device
from tensorgrad.ops.making.creation import _default, _finish


def _window(name: str, length: Any, periodic: Any, curve: Any, dtype: Any, device: Any, requires_grad: Any):
    """The curve of numbers from 0 to 1, the ends of one period; without the last of them where it repeats."""
    check_device(device)
    if isinstance(length, (bool, float)) or not hasattr(length, "__index__"):
        raise TypeError(f"{name}(): argument 'window_length' must be int, not {type(length).__name__}")
    wanted = _default(dtype)
    if not wanted.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {wanted.name}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    made = _core._empty((length,), wanted.code)
    last = length if periodic else length - 1
    _core._write_array(made, curve(np.arange(length) / last) if length > 1 else np.ones(length))
    return _finish(made, None, requires_grad)


def bartlett_window(
    window_length: Any, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle: from 0 up to 1 and down again. ``periodic`` leaves out the last element, which is the first
    of the next window.

    >>> tg.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    curve = lambda x: 1 - np.abs(2 * x - 1)
    return _window("bartlett_window", window_length, periodic, curve, dtype, device, requires_grad)


def hann_window(
    window_length: Any, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The square of half a sine. ``periodic`` leaves out the last element, which is the first of the next.

    >>> tg.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    curve = lambda x: np.sin(np.pi * x) ** 2
    return _window("hann_window", window_length, periodic, curve, dtype, device, requires_grad)


def hamming_window(
    window_length: Any, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A raised cosine: ``alpha`` less ``beta`` times the cosine of one turn. ``periodic`` leaves out the last
    element, which is the first of the next.

    >>> tg.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    curve = lambda x: alpha - beta * np.cos(2 * np.pi * x)
    return _window("hamming_window", window_length, periodic, curve, dtype, device, requires_grad)


def blackman_window(
    window_length: Any, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Three cosines that together begin and end flat. ``periodic`` leaves out the last element, which is the
    first of the next.

    >>> tg.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    curve = lambda x: 0.42 - 0.5 * np.cos(2 * np.pi * x) + 0.08 * np.cos(4 * np.pi * x)
    return _window("blackman_window", window_length, periodic, curve, dtype, device, requires_grad)


def kaiser_window(
    window_length: Any, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A Bessel function of the height of half a circle, steeper the larger ``beta`` is (Kaiser, 1974).
    ``periodic`` leaves out the last element, which is the first of the next.

    >>> tg.kaiser_window(4, beta=0.0)
    tensor([1., 1., 1., 1.])
    """
    curve = lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta)
    return _window("kaiser_window", window_length, periodic, curve, dtype, device, requires_grad)


PUBLIC = {"tensorgrad": (bartlett_window, hann_window, hamming_window, blackman_window, kaiser_window)}
