"""Kernels along lines (variance, logsumexp and their ways back), positions of extremes in columns, sums
without NaN, and kernels of three operands: against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, code, run_map, run_reduce, same_by_any_threads

from tensorgrad import _kernels

BOTH = pytest.mark.parametrize("dtype", ["f4", "f8"])
SHAPES = [(1, 1, 1), (3, 5, 1), (2, 100, 1), (2, 5000, 1), (1, 3, 7), (3, 17, 64), (2, 9, 150), (1, 1000, 70)]


def sample(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(3, 2, shape).astype(dtype)


def near(found, expected, dtype):
    scale = np.abs(expected).max(initial=1e-3)
    tolerance = 1e-6 if dtype == "f4" else 1e-13
    np.testing.assert_allclose(found, expected, rtol=4 * tolerance, atol=tolerance * scale)


@BOTH
@pytest.mark.parametrize("shape", SHAPES)
def test_variance_and_its_slope(shape, dtype):
    x = sample(shape, dtype)
    wide = x.astype("f8")
    cells = shape[0], shape[2]
    g = sample(cells, dtype, 1)
    for correction in (0, 0.5):
        for root in (0, 1):
            out, mean = Guarded(cells, dtype), Guarded(cells, dtype)
            _kernels.apply("var", input=x, out=out.array, mean=mean.array, correction=correction, root=root)
            variance = ((wide - wide.mean(1, keepdims=True)) ** 2).sum(1) / (shape[1] - correction)
            near(out.array, np.sqrt(variance) if root else variance, dtype)
            near(mean.array, wide.mean(1), dtype)
            slope = Guarded(shape, dtype)
            _kernels.apply(
                "var_backward", grad=g, input=x, deviation=out.array.copy() if root else None,
                out=slope.array, correction=correction,
            )  # fmt: skip
            factor = g.astype("f8") * 2 / (shape[1] - correction)
            if root:
                factor = np.where(out.array == 0, 0, factor / np.maximum(2 * out.array.astype("f8"), 1e-300))
            near(slope.array, factor[:, None] * (wide - wide.mean(1, keepdims=True)), dtype)
            for each in (out, mean, slope):
                each.check()


@BOTH
def test_variance_far_from_zero_and_past_the_squares_of_float32(dtype):
    x = (1e6 + np.arange(12).reshape(1, 12, 1)).astype(dtype)
    assert _kernels.apply("var", input=x, correction=1, root=0)[0].item() == 13
    x = np.array([[1e30, 3e30]], dtype).reshape(1, 2, 1).repeat(3, 2)
    near(_kernels.apply("var", input=x, correction=0, root=1)[0], np.full((1, 3), 1e30), dtype)


@BOTH
@pytest.mark.parametrize("shape", SHAPES)
def test_logsumexp_and_its_slope(shape, dtype):
    x = 20 * sample(shape, dtype)
    wide = x.astype("f8")
    top = wide.max(1, keepdims=True)
    total = np.log(np.exp(wide - top).sum(1)) + top[:, 0]
    out, slope = Guarded((shape[0], shape[2]), dtype), Guarded(shape, dtype)
    _kernels.apply("logsumexp", input=x, out=out.array)
    near(out.array, total, dtype)
    g = sample((shape[0], shape[2]), dtype, 1)
    _kernels.apply("logsumexp_backward", grad=g, input=x, output=out.array.copy(), out=slope.array)
    expected = g[:, None].astype("f8") * np.exp(wide - out.array[:, None].astype("f8"))
    np.testing.assert_allclose(slope.array, expected, rtol=1e-5 if dtype == "f4" else 1e-12, atol=1e-12)
    out.check()
    slope.check()


@BOTH
@pytest.mark.parametrize("inner", [1, 3, 70])
def test_logsumexp_of_infinities_and_nan(inner, dtype):
    inf, nan = np.inf, np.nan
    for line, expected in (
        ([-inf, -inf], -inf), ([-inf, 2.0], 2.0), ([inf, 1.0], inf), ([inf, inf], inf), ([inf, -inf], inf),
        ([nan, 1.0], nan), ([1.0, nan], nan), ([inf, nan], nan), ([nan, inf], nan), ([-inf, nan], nan),
        ([nan, -inf], nan),
    ):  # fmt: skip
        for length in (2, 40):
            x = np.full(length, -np.inf, dtype)
            x[0], x[-1] = line
            x = x.reshape(1, length, 1).repeat(inner, 2)
            found = _kernels.apply("logsumexp", input=x)
            np.testing.assert_array_equal(found, np.full((1, inner), expected, dtype))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_in_columns(name, dtype):
    find = getattr(np, name)
    rng = np.random.default_rng(0)
    for shape in ((2, 1, 8), (3, 50, 9), (1, 700, 64), (2, 33, 200)):
        x = rng.integers(-9, 9, shape).astype(dtype)
        kinds = [x]
        if dtype != "i8":
            holes = x.copy()
            holes[rng.random(shape) < 0.1] = np.nan
            kinds += [holes, np.full(shape, np.inf, dtype), np.full(shape, -np.inf, dtype)]
        for each in kinds:
            at, value = _kernels.apply(name, input=each)
            np.testing.assert_array_equal(at, find(each, 1))
            np.testing.assert_array_equal(value, np.take_along_axis(each, find(each, 1)[:, None], 1)[:, 0])
            turned = np.ascontiguousarray(each.transpose(2, 1, 0)).transpose(2, 1, 0)
            np.testing.assert_array_equal(_kernels.apply(name, input=turned)[0], at)


@BOTH
def test_nansum_leaves_nan_out(dtype):
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 1), (3, 500, 1), (2, 70, 90), (1, 100_000, 1)):
        x = rng.uniform(0.5, 1, shape).astype(dtype)
        x[rng.random(shape) < 0.3] = np.nan
        near(run_reduce("nansum", x, dtype), np.nansum(x.astype("f8"), 1), dtype)
        turned = np.ascontiguousarray(x.transpose(2, 1, 0)).transpose(2, 1, 0)
        near(run_reduce("nansum", turned, dtype), np.nansum(x.astype("f8"), 1), dtype)


THREE = {
    "addcmul": (lambda x, y, z, s: x + s * y * z, 2.5),
    "addcdiv": (lambda x, y, z, s: x + s * y / z, 2.5),
    "lerp": (lambda x, y, z, s: x + z * (y - x), None),
    "clamp_tensors": (lambda x, y, z, s: np.minimum(np.maximum(x, y), z), None),
    "glu_backward": (lambda x, y, z, s: z * x / (1 + np.exp(y)) / (1 + np.exp(-y)), None),
}


@BOTH
@pytest.mark.parametrize("name", THREE)
def test_three_operands(name, dtype):
    formula, setting = THREE[name]
    for shape in ((1,), (7,), (33, 70), (5, 1000)):
        x, y, z = (sample(shape, dtype, seed) for seed in range(3))
        wide = [each.astype("f8") for each in (x, y, z)]
        for given in ([x, y, z], [x, y[..., :1], z], [x, y, z[:1]]):
            if name == "addcdiv":
                given[2] = abs(given[2]) + 1
            wide = [np.broadcast_to(each, shape).astype("f8") for each in given]
            out = Guarded(shape, dtype)
            run_map(name, given, out.array, () if setting is None else (setting,))
            near(out.array, formula(*wide, setting), dtype)
            out.check()


@BOTH
def test_bounds_that_cross_or_are_nan(dtype):
    x, low, high = (
        np.array(each, dtype)
        for each in ([1, 1, np.nan, 1, 1, -0.0], [3, np.nan, 0, 0, 0, 0.0], [2, 2, 1, np.nan, 0.5, 0.0])
    )
    out = run_map("clamp_tensors", [x, low, high], np.empty_like(x))
    np.testing.assert_array_equal(out, np.array([2, np.nan, np.nan, np.nan, 0.5, -0.0], dtype))
    assert np.signbit(out[-1])


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "i2", "i4", "f2"])
def test_where_moves_elements_of_any_width(dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2 if dtype == "?" else 99, 700).astype(dtype) for _ in range(2))
    condition = rng.random(700) < 0.5
    out = run_map("where", [condition, x, y], np.empty_like(x), dtype=code(x))
    np.testing.assert_array_equal(out, np.where(condition, x, y))


@BOTH
@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, np.inf])
def test_cdist(p, dtype):
    shapes = ((1, 1, 1, 1), (2, 9, 70, 3), (1, 20, 64, 100), (3, 8, 5, 33), (2, 131, 2, 1), (1, 3, 600, 40))
    for stack, rows, others, length in shapes:
        x = sample((stack, rows, length), dtype)
        y = sample((stack, others, length), dtype, 1)
        x[0, 0] = y[0, 0]
        apart = abs(x[:, :, None].astype("f8") - y[:, None].astype("f8"))
        if p in (0, np.inf):
            expected = (apart != 0).sum(-1) if p == 0 else apart.max(-1)
        else:
            expected = (apart**p).sum(-1) ** (1 / p)
        out = Guarded((stack, rows, others), dtype)
        _kernels.apply("cdist", x1=x, x2=y, out=out.array, p=p)
        near(out.array, expected, dtype)
        assert out.array[0, 0, 0] == 0
        out.check()
        if p == 2:
            out = Guarded((stack, rows, others), dtype)
            _kernels.apply("euclidean", x1=x, x2=y, out=out.array)
            near(out.array, expected, dtype)
            assert out.array[0, 0, 0] == 0
            out.check()
    x = np.array([[[1.0], [np.nan]]], dtype)
    assert np.isnan(_kernels.apply("cdist", x1=x, x2=x[:, :1], p=p)[0, 1, 0]) == (p != 0)
    assert np.isnan(_kernels.apply("euclidean", x1=x, x2=x[:, :1])[0, 1, 0])


def test_threads_change_no_bit():
    x = sample((300, 700, 1), "f4")

    def work():
        for shape in ((300, 700, 1), (3, 100, 700)):
            view = x.reshape(shape)
            yield from _kernels.apply("var", input=view, correction=1, root=0)
            yield _kernels.apply("logsumexp", input=view)
            yield from _kernels.apply("argmax", input=view)

    same_by_any_threads(work)
