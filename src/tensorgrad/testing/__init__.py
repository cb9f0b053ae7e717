"""Comparing tensors in tests, under torch.testing's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor, _core

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

_TOLERANCE = {
    "bfloat16": (1.6e-2, 1e-5), "float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
}  # fmt: skip


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return tg.tensor(value)
    if isinstance(value, (bool, int, float)):
        return tg.tensor(value, dtype=tg.float64 if isinstance(value, float) else None)
    return None


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere, in
    sequences and mappings too.

    The default tolerances go by dtype: 1.6e-2, 1e-3, 1.3e-6 and 1e-7 relative for bfloat16, float16, float32
    and float64.

    >>> tg.testing.assert_close(tg.tensor([1.0]), tg.tensor([1.0 + 1e-7]))
    """
    same: dict[str, Any] = dict(
        rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, check_stride=check_stride, msg=msg
    )

    def fail(text: str) -> None:
        raise AssertionError(msg(text) if callable(msg) else msg or text)

    if (rtol is None) != (atol is None):
        raise ValueError(
            f"rtol and atol must both be given or both be left out, not rtol={rtol} and atol={atol}"
        )
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if actual.keys() != expected.keys():
            fail(
                f"The keys of the mappings do not match: {sorted(map(str, actual))} and "
                f"{sorted(map(str, expected))}"
            )
        for key in actual:
            assert_close(actual[key], expected[key], **same)
        return
    if isinstance(actual, Sequence) and isinstance(expected, Sequence) and not isinstance(actual, str):
        if len(actual) != len(expected):
            fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, **same)
        return
    a, e = _tensor(actual), _tensor(expected)
    if a is None or e is None:
        if actual is None and expected is None:
            return
        raise TypeError(f"No comparison of {type(actual)} with {type(expected)} is available.")
    if a.shape != e.shape:
        fail(f"The values for attribute 'shape' do not match: {a.shape} != {e.shape}.")
    if check_dtype and a.dtype is not e.dtype:
        fail(f"The values for attribute 'dtype' do not match: {a.dtype} != {e.dtype}.")
    if check_stride and a.stride() != e.stride():
        fail(f"The values for attribute 'stride()' do not match: {a.stride()} != {e.stride()}.")
    x, y = _core._array_of(a).astype(np.float64), _core._array_of(e).astype(np.float64)
    tolerances = [_TOLERANCE.get(t.dtype.name, (0.0, 0.0)) for t in (a, e)]
    relative = max(t[0] for t in tolerances) if rtol is None else rtol
    absolute = max(t[1] for t in tolerances) if atol is None else atol
    close = np.isclose(x, y, rtol=relative, atol=absolute, equal_nan=equal_nan)
    if not close.all():
        with np.errstate(all="ignore"):
            difference = np.where(close, -1, np.abs(x - y))
        at = (
            np.unravel_index(
                np.nanargmax(np.where(np.isnan(difference), np.inf, difference)), difference.shape
            )
            if x.ndim
            else ()
        )
        fail(
            f"Tensor-likes are not close!\n\nMismatched elements: {int((~close).sum())} / "
            f"{close.size}\nGreatest absolute difference: {abs(x[at] - y[at])} at index "
            f"{tuple(int(i) for i in at)} ({x[at]} and {y[at]}; up to {absolute} absolute and {relative} "
            "relative allowed)"
        )


def make_tensor(
    *shape: Any, dtype: Any, device: Any = "cpu", low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of uniform random values in [low, high): by default [-9, 9), whole numbers in [-9, 10), or
    truth values.

    >>> tg.testing.make_tensor(2, 3, dtype=tg.float32).shape
    tensorgrad.Size([2, 3])
    """
    size = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if dtype is tg.bool:
        made = tg.randint(0, 2, size, dtype=tg.int64).to(tg.bool)
    elif dtype.is_floating_point:
        bottom, top = (-9.0 if low is None else low), (9.0 if high is None else high)
        made = (tg.rand(size, dtype=tg.float64) * (top - bottom) + bottom).to(dtype)
    else:
        bottom, top = (
            (-9 if dtype.is_signed else 0) if low is None else int(low),
            10 if high is None else int(high),
        )
        made = tg.randint(bottom, top, size, dtype=tg.int64).to(dtype)
    if exclude_zero:
        made = tg.where(made == 0, tg.ones_like(made), made)
    if noncontiguous and made.numel() > 1:
        made = tg.stack([made, made], -1)[..., 0]
    return made.requires_grad_(requires_grad)


# Of the older function, which is more forgiving.
_OLD_TOLERANCE = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """`assert_close` by an older name: NaN equals NaN, dtypes may differ, and tolerances are larger.

    >>> tg.testing.assert_allclose(tg.tensor([1.0]), [1.00005])
    """
    actual, expected = (x if isinstance(x, Tensor) else tg.tensor(x) for x in (actual, expected))
    if rtol is None and atol is None:
        allowed = [_OLD_TOLERANCE.get(x.dtype.name, (0.0, 0.0)) for x in (actual, expected)]
        rtol, atol = (max(each) for each in zip(*allowed, strict=True))
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg)
