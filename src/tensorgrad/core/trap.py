"""What the trap for numbers that are not finite says, and lines that are added to the errors of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tensorgrad.core import _core

PLACES = 3  # that a message names
DEEPEST = 8  # list within lists that is looked into: one may hold itself


class NonFiniteError(FloatingPointError, RuntimeError):
    """Finite numbers went in, and a NaN or an infinity came out: what `trap_nan` raises.

    ``op`` is the name of what computed it, ``phase`` is "forward", "backward" or "step", ``positions`` are
    the first indices, ``place`` is (file, line, function) of the call, and ``forward_place`` that of the
    forward call that a backward belongs to, or None.

    >>> issubclass(tg.autograd.NonFiniteError, FloatingPointError)
    True
    """

    __module__ = "tensorgrad.autograd"

    op: str
    phase: str
    positions: list[tuple[int, ...]]
    place: tuple | None
    forward_place: tuple | None


def shown(place: tuple | None) -> str:
    """A place in a program, as tracebacks show it."""
    import linecache

    if place is None:
        return ""
    file, line, function = place
    source = linecache.getline(file, line).strip()
    return f'\n  File "{file}", line {line}, in {function}' + (f"\n    {source}" if source else "")


def add_line(error: BaseException, line: str) -> None:
    """Adds a line to the end of an error's message, if that is all that its arguments are."""
    if len(error.args) == 1 and type(error.args[0]) is str and str(error) == error.args[0]:
        error.args = (f"{error.args[0]}\n{line}",)


def blame(error: Exception, name: str, place: tuple) -> None:
    """Tells an error that comes out of a backward the line of the forward call."""
    where = shown(place)
    if where.strip() not in str(error):
        add_line(error, f"in {name}, whose forward was called here:{where}")


def _flat(operands: Iterable[tuple[str, Any]], depth: int = 0) -> Iterable[tuple[str, Any]]:
    """The float tensors, arrays and numbers among what went in, and in lists of it, each with its name."""
    for name, value in operands:
        if isinstance(value, _core.Tensor):
            if value.is_floating_point():
                yield name, value
        elif isinstance(value, np.ndarray):
            if value.dtype.kind == "f":
                yield name, value
        elif isinstance(value, (float, np.floating)) or (type(value) is int and value.bit_length() < 64):
            yield name, float(value)
        elif isinstance(value, (tuple, list)) and depth < DEEPEST:
            yield from _flat(((name, each) for each in value), depth + 1)


def _numbers(value: Any) -> Any:
    """What went in, for NumPy."""
    return _core._array_of(value) if isinstance(value, _core.Tensor) else value


def _range(value: Any) -> str:
    """The dtype, shape and extremes of a tensor; a number as it is."""
    if isinstance(value, float):
        return f"{value:g}"
    numbers = _numbers(value)
    finite = numbers[np.isfinite(numbers)]
    kind = f"{value.dtype.name}{list(value.shape)}"
    extent = f", from {finite.min():g} to {finite.max():g}" if finite.size else ""
    bad = numbers.size - finite.size
    return f"{kind}{extent}, {f'{bad} of {numbers.size} not finite' if bad else 'all finite'}"


def judge(
    phase: str,
    op: str,
    operands: Iterable[tuple[str, Any]],
    label: str,
    result: Any,
    place: tuple | None,
    forward_place: tuple | None,
) -> NonFiniteError | None:
    """The error for a result that is not finite, or None where what went in is no better.

    A NaN is excused by a NaN that went in, an infinity by whatever was not finite; numbers count as tensors
    do.
    """
    values = _core._array_of(result)
    nan = np.isnan(values)
    born_nan = bool(nan.any())
    given = list(_flat(operands))
    arrays = [_numbers(value) for _, value in given]
    finite = all(np.isfinite(each).all() for each in arrays)
    if any(np.isnan(each).any() for each in arrays) if born_nan else not finite:
        return None
    bad = ~np.isfinite(values)
    first = np.argwhere(bad if finite else nan)[:PLACES]
    positions = [tuple(int(i) for i in index) for index in first]
    named = [f"{values[index]:g} at {list(index)}" if index else f"{values[()]:g}" for index in positions]
    count = int(bad.sum())
    verb = "is" if count == 1 else "are"
    cause = "what went in was" if finite else "no NaN went in"
    more = ", ..." if count > len(named) else ""
    lines = [
        f"{op}: {count} of {values.size} numbers of {label} {verb} not finite, and {cause}: "
        f"{', '.join(named)}{more}"
    ]
    lines += [f"  {name}: {_range(value)}" for name, value in given]
    lines.append(f"  {label.removeprefix('the ')}: {_range(result)}")
    text = "\n".join(lines) + shown(place)
    if forward_place is not None:
        text += f"\nwhose forward was called here:{shown(forward_place)}"
    error = NonFiniteError(text)
    error.op, error.phase, error.positions = op, phase, positions
    error.place, error.forward_place = place, forward_place
    return error
