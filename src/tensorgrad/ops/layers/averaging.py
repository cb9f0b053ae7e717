"""Averages of windows, of one to three dimensions: each element has a share of those that it is in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core.declare import between, case, normal, primitive
from tensorgrad.ops._kinds import not_bool
from tensorgrad.ops.elementwise import activations
from tensorgrad.ops.layers._taps import (
    F_,
    TOP,
    WINDOWED,
    Window,
    counts_of,
    even_windows,
    family,
    gathered,
    of_dims,
    ones,
    pack,
    spread,
    taps_of,
    unpack,
    windows_of,
)
from tensorgrad.ops.layers.pooling import MAX_POOLS


def _shares(windows: list[Window], include_pad: bool, divisor: int) -> np.ndarray:
    """What the sum of each window is divided by."""
    if divisor:
        return np.full([window.outputs for window in windows], divisor)
    shares = np.ones((), np.int64)
    for window in windows:
        shares = np.multiply.outer(shares, np.maximum(counts_of(window, include_pad), 1))
    return shares


PLAIN, EVEN = pack([Window(5, 3, 2, 2, 1)]), pack([Window(3, 2, 0), Window(4, 3, 0)])


@primitive(
    vjp=dict(input=lambda g, packed, include_pad, divisor: _avg_spread(g, packed, include_pad, divisor)),
    at=(),
    grad_name=lambda node: f"AvgPool{len(unpack(node._settings['packed']))}DBackward0",
    samples=lambda: [
        case(normal(2, 5), PLAIN, True, 0, name="windows"),
        case(normal(2, 3, 4), EVEN, False, 0, name="even"),
        case(normal(2, 5), PLAIN, True, 3, name="divisor"),
    ],
)
def _avg_pool(input, packed, include_pad, divisor):
    """The sums of windows along the last dimensions, each divided by ``divisor``, or where that is 0 by the
    number of what it counts.
    """
    not_bool("average pooling", input)
    windows = unpack(packed)
    for d, window in enumerate(windows):
        input = gathered(input, d - len(windows), taps_of(window), None)
    shares = _shares(windows, include_pad, divisor).astype(input.dtype)
    if input.dtype.kind == "f":
        return input / shares
    down = input // shares
    return down + ((down * shares != input) & ((input < 0) != (shares < 0)))    # towards 0


@primitive(
    vjp=dict(input=lambda g, packed, include_pad, divisor: _avg_pool(g, packed, include_pad, divisor)),
    at=(),
    samples=lambda: [case(normal(2, 3), PLAIN, True, 0, name="windows")],
)
def _avg_spread(input, packed, include_pad, divisor):
    """The adjoint of ``_avg_pool``: each value's share added to every element of its window."""
    windows = unpack(packed)
    input = input / _shares(windows, include_pad, divisor).astype(input.dtype)
    for d, window in enumerate(windows):
        input = spread(input, d - len(windows), taps_of(window), None, window.extent)
    return input


AVERAGE = """The mean of each window of an input (N, C, {shape}) or (C, {shape}).

        Windows are ``stride`` apart (``kernel_size``, unless given). ``padding`` counts as zeros with
        ``count_include_pad``, and else not at all; ``ceil_mode`` keeps a last window that is not full.
        Raises RuntimeError for windows that do not fit.
        """


def _declare_avg(n: int):
    def samples():
        shape = (2, 2) + (5,) * n if n < 3 else (1, 1, 4, 4, 4)
        return [
            case(normal(*shape), 2, name="plain"),
            case(normal(*shape[1:]), 3, 2, 1, name="padding"),
            case(normal(*shape), 3, 2, 1, True, False, name="without padding"),
        ] + ([case(normal(*shape), 2, divisor_override=3, name="divisor")] if n > 1 else [])

    def averaged(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        who = f"avg_pool{n}d"
        if divisor_override is not None and divisor_override == 0:
            raise RuntimeError(f"{who}: divisor must be not zero")
        windows = windows_of(who, input, n, kernel_size, stride, padding, 1, ceil_mode)
        return _avg_pool(input, pack(windows), bool(count_include_pad), int(divisor_override or 0))

    def function(
        input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
        divisor_override=None,
    ):  # fmt: skip
        return averaged(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def line(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        return averaged(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)

    line.__doc__ = AVERAGE
    function.__doc__ = AVERAGE + "``divisor_override`` is what sums are divided by instead."
    example = f">>> F.avg_pool{n}d({ones(n, 1)}, 2).shape\ntensorgrad.Size({[1] + [2] * n})"
    places: Any = (TOP, F_) if n == 1 else F_
    return family(n, f"avg_pool{n}d", places, example, WINDOWED, samples)(line if n == 1 else function)


def _declare_adaptive_avg(n: int):
    def samples():
        return [
            case(normal(2, 1, 5, *(4,) * (n - 1)), 2, name="plain"),
            case(normal(1, *(4,) * n), (3,) * n, name="overlapping"),
            case(normal(2, *(3,) * n), 1, name="all"),
        ]

    def function(input, output_size):
        """The mean of each of ``output_size`` parts of the dimensions of an input (N, C, {shape}) or
        (C, {shape}).

        Part j of an extent is from ``floor(j * extent / parts)`` to ``ceil((j + 1) * extent / parts)``; None
        keeps a dimension.
        """
        who = f"adaptive_avg_pool{n}d"
        windows = even_windows(who, input, n, output_size, n)
        if not input.is_floating_point():
            raise NotImplementedError(f"{who}: not implemented for {input.dtype}; convert it to a float")
        return _avg_pool(input, pack(windows), False, 0)

    line = f">>> F.adaptive_avg_pool{n}d({ones(n, 1)}, 3).shape\ntensorgrad.Size({[1] + [3] * n})"
    places: Any = (TOP, F_) if n == 1 else F_
    return family(n, f"adaptive_avg_pool{n}d", places, line, (), samples)(function)


def _declare_lp(n: int):
    def samples():
        shape = (1, 2) + (4,) * n
        return [
            case(between(0.5, 2.0, *shape), 2.0, 2, name="plain"),
            case(between(0.5, 2.0, *shape), 3.0, (3,) * n, 2, True, name="ceil"),
        ]

    def function(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        """The ``p``-norm of each window of an input (N, C, {shape}) or (C, {shape}), ``p`` being
        ``norm_type``: ``sum(x ** p) ** (1 / p)``, of a sum below 0 the root of its size, negative.
        """
        if norm_type in (math.inf, -math.inf):
            sign = math.copysign(1.0, norm_type)
            return MAX_POOLS[n](input.abs() * sign, kernel_size, stride, 0, 1, ceil_mode) * sign
        means = AVERAGES[n](input ** norm_type, kernel_size, stride, 0, ceil_mode)
        size = math.prod(of_dims(f"lp_pool{n}d", "kernel_size", kernel_size, n))
        # Of a sum of 0 the root is infinitely steep; relu passes none of that on.
        return (means.sign() * activations.relu(means.abs()) * size) ** (1.0 / norm_type)

    line = f">>> F.lp_pool{n}d({ones(n, 1)}, 1.0, 4).flatten()\ntensor([{4 ** n}.])"
    return family(n, f"lp_pool{n}d", F_, line, (), samples)(function)


AVERAGES = {_n: _declare_avg(_n) for _n in (1, 2, 3)}
ADAPTIVE_AVERAGES = {_n: _declare_adaptive_avg(_n) for _n in AVERAGES}
for _n in AVERAGES:
    _declare_lp(_n)
