"""Numbers at even distances: from a start by steps, or between two ends."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, dtype, float32, float64, get_default_dtype, int64
from tensorgrad.core.device import check_device
from tensorgrad.ops.making.creation import _default, _finish


def _number(name: str, argument: str, value: Any) -> Any:
    """A setting that is a number or a 0-d tensor, as Python's number."""
    if type(value) is builtins.int and -(1 << 62) < value < 1 << 62:
        return value
    if isinstance(value, (Tensor, np.generic)) and not value.ndim:
        value = value.item()
    if not isinstance(value, (builtins.int, builtins.float)):
        raise TypeError(f"{name}(): argument '{argument}' must be Number, not {type(value).__name__}")
    if isinstance(value, builtins.int) and not -(1 << 63) <= value < 1 << 64:
        raise OverflowError(f"int too big to convert: {value} does not fit in 64 bits")
    return value


def _wanted(name: str, dtype: Any, out: Any) -> dtype:
    """The dtype that was asked for, by itself or by ``out``."""
    if dtype is not None and out is not None and dtype is not out.dtype:
        raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    found = _default(dtype if dtype is not None or out is None else out.dtype)
    if found is bool_:
        raise NotImplementedError(f"{name}: not implemented for bool")
    return found


def _whole(start: Any, end: Any, step: Any) -> builtins.bool:
    whole = builtins.int
    return isinstance(start, whole) and isinstance(end, whole) and isinstance(step, whole)


def _cut(number: Any) -> builtins.int:
    """The number as int64 has it."""
    return builtins.int(_core._fitting(number, int64))


def _steps(name: str, start: Any, end: Any, step: Any, wanted: dtype, inclusive: builtins.bool) -> Tensor:
    """``start + i * step`` for ``arange`` and ``range``.

    Integers are counted in integers: the dtype cuts the fractions of ``start`` and ``step`` off (for int64
    before the numbers are counted, as in PyTorch).
    """
    if not (step > 0 or step < 0):
        raise RuntimeError("step must be nonzero")
    if wanted is int64 and not inclusive:
        start, end, step = _cut(start), _cut(end), _cut(step)
    if (wanted is int64 or (inclusive and not wanted.is_floating_point)) and -1 < step < 1:
        raise ValueError(f"step must be nonzero: {wanted.name} cuts its fraction off")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (start > end) if step > 0 else (start < end):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if inclusive:
        count = math.floor((end - start) / step) + 1
    elif _whole(start, end, step):
        count = -((start - end) // step)
    else:
        count = math.ceil((end - start) / step)
    if count > 1 << 60:
        raise RuntimeError(
            f"invalid size, possible overflow: {name}({start}, {end}, {step}) has {count} elements"
        )
    made = _core._empty((count,), wanted.code)
    if not wanted.is_floating_point:
        first, by = _cut(start), _cut(step)
        if _core._count_up(made, first, by):
            return made
        values = np.int64(first) + np.arange(count, dtype=np.int64) * np.int64(by)
    else:
        if _core._count_up(made, start, step):
            return made
        values = np.float64(start) + np.arange(count, dtype=np.float64) * np.float64(step)
    _core._write_array(made, values)
    return made


def arange(
    start: Any = None, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: builtins.bool = False,
    requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` (0) up to but without ``end``, in steps of ``step``.

    >>> tg.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    check_device(device)
    if end is None:
        start, end = 0, start
    elif start is None:
        start = 0
    start, end = _number("arange", "start", start), _number("arange", "end", end)
    step = _number("arange", "step", step)
    if dtype is None and out is None:
        dtype = int64 if _whole(start, end, step) else get_default_dtype()
    made = _steps("arange", start, end, step, _wanted("arange", dtype, out), False)
    return _finish(made, out, requires_grad)


def range(
    start: Any, end: Any, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` to ``end``, both included, in steps of ``step``.

    >>> tg.range(0, 1, 0.5)
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_device(device)
    start, end, step = (
        _number("range", argument, each)
        for argument, each in (("start", start), ("end", end), ("step", step))
    )
    made = _steps("range", start, end, step, _wanted("range", dtype, out), True)
    return _finish(made, out, requires_grad)


def _count(name: str, steps: Any) -> builtins.int:
    """How many numbers are wanted."""
    steps = _number(name, "steps", steps)
    if isinstance(steps, builtins.float):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return steps


def linspace(
    start: Any, end: Any, steps: Any, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: builtins.bool = False, requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers from ``start`` to ``end``, evenly spaced.

    >>> tg.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    check_device(device)
    wanted = _wanted("linspace", dtype, out)
    start, end = (
        _core._fitting(_number("linspace", *each), wanted) for each in (("start", start), ("end", end))
    )
    steps = _count("linspace", steps)
    if steps == 1:
        values = np.array([start])
    elif wanted.is_floating_point:
        kind: Any = np.float32 if wanted is float32 else np.float64
        first, last, index = kind(start), kind(end), np.arange(steps, dtype=kind)
        with np.errstate(all="ignore"):
            step = (last - first) / kind(max(steps - 1, 1))
            values = np.where(
                index < steps // 2, first + step * index, last - step * (kind(steps - 1) - index)
            )
    else:
        first, last = (int(np.int64(int(each)).astype(wanted.numpy_dtype)) for each in (start, end))
        step, index = (last - first) / max(steps - 1, 1), np.arange(steps)
        values = np.where(index < steps // 2, first + step * index, last - step * (steps - 1 - index))
    made = _core._empty((steps,), wanted.code)
    _core._write_array(made, values)
    return _finish(made, out, requires_grad)


def logspace(
    start: Any, end: Any, steps: Any, base: float = 10.0, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: builtins.bool = False,
    requires_grad: builtins.bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` powers of ``base`` whose exponents are evenly spaced from ``start`` to ``end``.

    >>> tg.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    wanted = _wanted("logspace", dtype, out)
    exponents = _core._array_of(linspace(start, end, steps, dtype=float64, device=device))
    made = _core._empty((exponents.size,), wanted.code)
    with np.errstate(all="ignore"):
        _core._write_array(made, np.power(base, exponents))
    return _finish(made, out, requires_grad)


PUBLIC = {"tensorgrad": (arange, range, linspace, logspace)}
