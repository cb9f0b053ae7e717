"""The kernels convolution, convolution_input, convolution_weight: against bodies, in guarded memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from kernel_calls import Guarded, same_by_any_threads

from tensorgrad import _kernels
from tensorgrad.core.declare import registry

types = pytest.mark.parametrize("dtype", ["f4", "f8"])

# images, groups, channels and filters of a group; size, kernel, stride, padding, dilation
CASES = [
    (1, 1, 1, 1, (3, 3), (3, 3), (1, 1), (0, 0), (1, 1)),
    (2, 1, 3, 5, (9, 17), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 3, 1, 1, (9, 40), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 3, 1, 2, (5, 6), (3, 3), (2, 2), (1, 1), (1, 1)),
    (3, 4, 1, 1, (8, 5), (5, 3), (3, 2), (2, 0), (1, 2)),
    (1, 2, 40, 30, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1)),
    (9, 1, 16, 16, (12, 12), (1, 1), (1, 1), (0, 0), (1, 1)),
    (1, 1, 200, 90, (5, 4), (3, 3), (1, 1), (1, 1), (1, 1)),  # by rows of the weights
    (1, 1, 8, 9, (200, 70), (3, 3), (2, 1), (1, 2), (1, 1)),  # by bands
    (40, 1, 2, 3, (4, 4), (2, 2), (2, 2), (1, 1), (1, 1)),  # several images a unit
    (2, 1, 60, 33, (3, 30), (1, 11), (1, 2), (0, 5), (1, 1)),  # several blocks of depth
    (1, 1, 3, 4, (33,), (4,), (5,), (2,), (1,)),
    (1, 2, 3, 4, (4, 5, 6), (3, 2, 3), (1, 2, 2), (1, 0, 1), (1, 1, 2)),
]


def windows_of(size, kernel, stride, padding, dilation):
    rows = [(1, 1, 1, 1, 0, 1)] * (3 - len(size))
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        rows.append((n, (n + 2 * p - d * (k - 1) - 1) // s + 1, k, s, p, d))
    return np.array(rows, "i8")


def operands(case, dtype):
    images, groups, channels, filters, size, kernel, *settings = case
    windows = windows_of(size, kernel, *settings)
    rng = np.random.default_rng(0)
    shapes = (
        (images, groups * channels, *size),
        (groups * filters, channels, *kernel),
        (images, groups * filters, *windows[3 - len(size) :, 1]),
    )
    return [rng.integers(-5, 6, shape).astype(dtype) for shape in shapes], windows, settings


def flat(input, weight, grad):
    """As the kernels see them: an image is one row, as is a filter."""
    return (
        input.reshape(len(input), -1),
        weight.reshape(len(weight), -1),
        grad.reshape(*grad.shape[:2], math.prod(grad.shape[2:])),
    )


@types
@pytest.mark.parametrize("case", CASES)
def test_they_agree_with_the_bodies_and_stay_in_their_memory(case, dtype):
    (input, weight, grad), windows, (stride, padding, dilation) = operands(case, dtype)
    groups = case[1]
    x, w, g = flat(input, weight, grad)
    filters, channels = (np.arange(n).astype(dtype) for n in (len(weight), input.shape[1]))
    bodies = [registry[name].body for name in ("_convolution", "_convolution_input", "_convolution_weight")]
    settings = (stride, padding, dilation, groups)
    expected = [
        bodies[0](input, weight, *settings, filters),
        bodies[1](grad, weight, input.shape[2:], *settings, channels),
        bodies[2](input, grad, weight.shape[2:], *settings),
    ]
    calls = [
        ("convolution", g, {"input": x, "weight": w, "bias": filters}),
        ("convolution_input", x, {"grad": g, "weight": w, "bias": channels}),
        ("convolution_weight", w, {"grad": g, "input": x}),
    ]
    for (name, like, given), exact in zip(calls, expected, strict=True):
        out = Guarded(like.shape, dtype)
        _kernels.apply(name, **given, windows=windows, out=out.array)
        np.testing.assert_array_equal(out.array.ravel(), exact.ravel(), err_msg=name)
        out.check()


@pytest.mark.parametrize("case", CASES)
def test_any_number_of_threads_gives_the_same_bytes(case):
    (input, weight, grad), windows, _ = operands(case, "f4")
    x, w, g = flat(*(each + np.float32(0.1) for each in (input, weight, grad)))
    calls = (
        ("convolution", g, {"input": x, "weight": w}),
        ("convolution_input", x, {"grad": g, "weight": w}),
        ("convolution_weight", w, {"grad": g, "input": x}),
    )
    same_by_any_threads(
        lambda: [
            _kernels.apply(name, **given, windows=windows, out=np.empty_like(like))
            for name, like, given in calls
        ]
    )


def test_what_lies_behind_a_line_is_not_read_into_a_sum():
    """Of one filter the sums run along lines, past whose end there may be anything: here infinity."""
    x = np.zeros((1, 2 * 4 * 5), "f4")
    x[0, 20:] = np.inf
    g = np.ones((1, 2, 20), "f4")
    windows = windows_of((4, 5), (1, 1), (1, 1), (0, 0), (1, 1))
    out = np.empty((2, 1), "f4")
    found = _kernels.apply("convolution_weight", grad=g, input=x, windows=windows, out=out)
    assert found.ravel().tolist() == [0, np.inf]


def test_windows_that_does_not_fit_is_refused():
    case = CASES[1]
    (input, weight, grad), windows, _ = operands(case, "f4")
    x, w, g = flat(input, weight, grad)
    for row, column, value in [
        (1, 0, 8), (2, 2, 2), (2, 3, 0), (1, 4, -1), (2, 5, 2), (1, 1, 10), (0, 0, 2), (2, 0, 2**40),
        (2, 3, 2**62), (1, 4, 2**62), (2, 2, 2**62), (0, 2, 2),
    ]:  # fmt: skip
        wrong = windows.copy()
        wrong[row, column] = value
        with pytest.raises(ValueError, match="windows"):
            _kernels.apply("convolution", input=x, weight=w, windows=wrong, out=np.empty_like(g))
        with pytest.raises(ValueError, match="windows"):
            _kernels.apply("convolution_input", grad=g, weight=w, windows=wrong, out=np.empty_like(x))
        with pytest.raises(ValueError, match="windows"):
            _kernels.apply("convolution_weight", grad=g, input=x, windows=wrong, out=np.empty_like(w))
    with pytest.raises(ValueError, match="bias"):
        bias = np.zeros(4, "f4")
        _kernels.apply("convolution_input", grad=g, weight=w, bias=bias, windows=windows, out=x)
