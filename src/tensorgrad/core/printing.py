"""The text of a tensor: what `print(t)` and `repr(t)` show, in PyTorch's layout.

Works on a NumPy array and a few words about it and knows nothing of `Tensor`, so it can be tested alone. The
layout in short: all shown numbers get one common notation and one common width; a tensor above `threshold`
elements is cut to the first and last `edgeitems` of every dimension; what does not fit into `linewidth` goes
to the next line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

__all__ = ["format_tensor", "get_printoptions", "printoptions", "set_printoptions"]


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()
MAX_PRECISION = 1074        # no float64 has more digits after the point


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors are printed; what is not given stays as it was, but `sci_mode` goes back to automatic.

    Args:
        precision: digits after the point.
        threshold: a tensor with more elements than this is summarised.
        edgeitems: how many items a summary keeps at each end of a dimension.
        linewidth: columns of a line.
        profile: `"default"`, `"short"` (2 digits, 2 edge items) or `"full"` (never summarised); the other
            arguments win over it.
        sci_mode: True or False to force scientific notation on or off, None to let the numbers decide.

    >>> tg.set_printoptions(precision=2)
    >>> tg.tensor([1.23456])
    tensor([1.23])
    >>> tg.set_printoptions(profile="default")
    """
    global _options
    for option, value, highest in (
        ("precision", precision, MAX_PRECISION),
        ("edgeitems", edgeitems, math.inf),
        ("linewidth", linewidth, math.inf),
    ):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise TypeError(f"set_printoptions: {option} must be an int, not {type(value).__name__}")
        if value is not None and not 0 <= value <= highest:
            raise ValueError(f"set_printoptions: {option} must be from 0 to {highest}, not {value}")
    if threshold is not None and not isinstance(threshold, (int, float)):
        raise TypeError(f"set_printoptions: threshold must be a number, not {type(threshold).__name__}")
    if threshold is not None and math.isnan(threshold):
        raise ValueError("set_printoptions: threshold must be a number, not nan")
    if sci_mode is not None and not isinstance(sci_mode, (bool, int)):
        raise TypeError(f"set_printoptions: sci_mode must be a bool or None, not {type(sci_mode).__name__}")
    if profile is not None and not isinstance(profile, str):
        raise TypeError(f"set_printoptions: profile must be a str, not {type(profile).__name__}")
    if profile is not None and profile not in _PROFILES:
        names = ", ".join(_PROFILES)
        raise ValueError(f"set_printoptions: there is no profile {profile!r}; choose from {names}.")
    base = _options if profile is None else _PROFILES[profile]
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    changes: dict[str, Any] = {option: value for option, value in given.items() if value is not None}
    _options = replace(base, sci_mode=sci_mode, **changes)


def get_printoptions() -> dict[str, Any]:
    """The current print settings, as a dictionary that `set_printoptions(**...)` takes back.

    >>> from tensorgrad.core.printing import get_printoptions
    >>> get_printoptions()["precision"]
    4
    """
    return asdict(_options)


@contextmanager
def printoptions(**settings: Any) -> Iterator[None]:
    """Print settings for the length of a `with` block, after which the old ones return.

    >>> from tensorgrad.core.printing import printoptions
    >>> with printoptions(precision=1):
    ...     print(tg.tensor([0.25, 0.5]))
    tensor([0.2, 0.5])
    """
    before = get_printoptions()
    set_printoptions(**settings)
    try:
        yield
    finally:
        set_printoptions(**before)


def format_tensor(
    array: np.ndarray,
    *,
    dtype: Any,
    default_dtype: Any,
    grad_fn: str | None = None,
    requires_grad: bool = False,
    name: str = "tensor",
) -> str:
    """The text of a tensor: its numbers, then whatever its reader could not guess from them.

    Args:
        array: the values.
        dtype: what `dtype=` shows, if it is shown: not for the default float type, nor for int64 and bool,
            which the numbers give away (an empty tensor has none, so there all but the default are shown).
        default_dtype: the float type that needs no mention, compared with `dtype`.
        grad_fn: name of the op that recorded the tensor, such as `"MulBackward0"`; None for a leaf.
        requires_grad: whether a leaf asks for a gradient.
        name: the word before the bracket, for subclasses.
    """
    indent = len(name) + 1
    extras = []
    if (array.size == 0 and array.ndim != 1) or (array.size and not _options.edgeitems):
        extras.append(f"size={tuple(array.shape)}")
    told_by_values = array.size > 0 and array.dtype in (np.int64, np.bool_)
    if dtype != default_dtype and not told_by_values:
        extras.append(f"dtype={dtype}")
    if grad_fn is not None:
        extras.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        extras.append("requires_grad=True")
    return _append(f"{name}({_numbers(array, indent)}", extras, indent) + ")"


def format_sparse(parts: dict[str, np.ndarray], extras: list[str], *, apart: bool) -> str:
    """The text of a sparse tensor: arrays by name, each from a line of its own, then ``extras``, which begin
    a new line if ``apart``.
    """
    indent = len("tensor(")
    shown = []
    for name, array in parts.items():
        start = f"{name}=tensor("
        size = "" if array.size else f", size={tuple(array.shape)}"
        shown.append(start + _numbers(array, indent + len(start)) + size + ")")
    return _append("tensor(" + (",\n" + " " * indent).join(shown), extras, indent, apart) + ")"


def _numbers(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    edge = _options.edgeitems
    cut = [array.size > _options.threshold and n > 2 * edge for n in array.shape]
    if any(cut):
        if not edge:
            return "[...]"
        ends = [np.r_[:edge, n - edge : n] if c else np.arange(n) for n, c in zip(array.shape, cut)]
        array = array[np.ix_(*ends)]
    write, width = _notation(array)
    per_line = max(1, (_options.linewidth - indent - (array.ndim - 1)) // (width + 2))

    def block(values: Any, depth: int) -> str:
        if depth == array.ndim:
            return write(values).rjust(width)
        parts = [block(value, depth + 1) for value in values]
        margin = " " * (indent + depth + 1)
        innermost = depth == array.ndim - 1
        if cut[depth]:
            parts.insert(edge, " ..." if innermost else "...")
        if not innermost:
            return "[" + ("," + "\n" * (array.ndim - depth - 1) + margin).join(parts) + "]"
        lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
        return "[" + (",\n" + margin).join(lines) + "]"

    return block(array.tolist(), 0)


def _notation(array: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """How one element of `array` is written, and the width all of them get.

    Zeros, infinities and NaN have no say in either: they are written like the others and may stick out.
    """
    if array.dtype.kind != "f":
        return str, max(len(str(value)) for value in array.ravel().tolist())
    deciding = [value for value in array.ravel().tolist() if value != 0 and math.isfinite(value)]
    write: Callable[[float], str]
    if not deciding:
        return _whole, 1
    precision, scientific = _options.precision, _options.sci_mode
    if scientific is None:
        largest, smallest = max(map(abs, deciding)), min(map(abs, deciding))
        scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
    if scientific:
        write = f"{{:.{precision}e}}".format
    elif all(value.is_integer() for value in deciding):
        write = _whole
    else:
        write = f"{{:.{precision}f}}".format
    return write, max(len(write(value)) for value in deciding)


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _append(text: str, extras: list[str], indent: int, apart: bool = False) -> str:
    """`text` with the extras behind it, each on the same line if it fits; the first never does if `apart`."""
    column = len(text) - text.rfind("\n") + 1  # PyTorch's count, two more than the columns in use
    for extra in extras:
        if apart or column + len(extra) + 2 > _options.linewidth:
            apart = False
            text += ",\n" + " " * indent + extra
            column = indent + len(extra)
        else:
            text += ", " + extra
            column += len(extra) + 2
    return text
