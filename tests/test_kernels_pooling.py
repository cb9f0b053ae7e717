"""The kernels of pools and of resampling, each held against loops over single outputs."""

import itertools

import numpy as np
import pytest
from kernel_calls import Guarded, code, run

import tensorgrad as tg
from tensorgrad import _kernels

FLOATS = (np.float32, np.float64)
IDS = ("f32", "f64")

# extents of the planes, kernel, stride, padding, dilation: of each dimension, or of all
CASES = {
    "2x2": ((1, 28, 28), 2, 2, 0, 1),
    "2x2 of odd extents": ((1, 13, 17), 2, 2, 0, 1),
    "3x3 apart": ((1, 15, 40), 3, 2, (0, 1, 1), 1),
    "3x3 at every place": ((1, 9, 37), 3, 1, (0, 1, 1), 1),
    "1x1": ((1, 3, 5), 1, 1, 0, 1),
    "a row of one block": ((1, 1, 32), (1, 1, 2), 2, 0, 1),
    "short rows": ((1, 6, 3), (1, 3, 3), (1, 1, 1), (0, 1, 1), 1),
    "wide": ((1, 8, 70), (1, 5, 4), (1, 3, 1), (0, 2, 2), 1),
    "far apart": ((1, 20, 64), (1, 2, 2), (1, 7, 3), 0, 1),
    "dilated": ((1, 12, 50), (1, 2, 3), (1, 1, 2), (0, 1, 2), (1, 2, 3)),
    "volume": ((6, 5, 20), 3, 2, 1, 1),
    "deep": ((4, 1, 1), (2, 1, 1), 1, 0, 1),
    "all at once": ((3, 7, 9), (3, 7, 9), 1, 0, 1),
    "even parts": ((1, 11, 30), 0, 1, 0, 1),
}


def each(value):
    return value if isinstance(value, tuple) else (value,) * 3


def windows_of(case):
    """The kernel's table, and for each dimension the positions in each window, and how many count with
    padding.
    """
    extents, *settings = CASES[case]
    table, windows, counted = [], [], []
    for extent, k, s, p, d in zip(extents, *map(each, settings), strict=True):
        if extent == 1:
            k, s, p, d = 1, 1, 0, 1
        if k == 0:
            outputs = min(extent, 4)
            bounds = [(j * extent // outputs, -(-(j + 1) * extent // outputs)) for j in range(outputs)]
            windows.append([list(range(a, b)) for a, b in bounds])
            counted.append([b - a for a, b in bounds])
        else:
            outputs = (extent + 2 * p - d * (k - 1) - 1) // s + 1
            starts = [j * s - p for j in range(outputs)]
            windows.append([[a + i * d for i in range(k) if 0 <= a + i * d < extent] for a in starts])
            counted.append([min(a + k, extent + p) - a for a in starts])
        table.append([extent, outputs, k, s, p, d])
    return np.array(table), windows, counted


def outputs_of(windows):
    return itertools.product(*(range(len(w)) for w in windows))


def planes(extents, dtype, count=3):
    """With ties, and sums that are exact."""
    x = np.random.default_rng(0).integers(-40, 40, (count, *extents)).astype(dtype) / 8
    x.reshape(-1)[::29] = np.nan
    return x


def sizes(x, table):
    counts = [int(np.prod(table[:, column])) for column in (1, 2, 0)]
    return [len(x), counts[0], max(counts[1], 1), counts[2]], tuple(table[:, 1])


@pytest.mark.parametrize("dtype", FLOATS, ids=IDS)
@pytest.mark.parametrize("case", CASES)
def test_max_pool(case, dtype):
    table, windows, _ = windows_of(case)
    x = planes(CASES[case][0], dtype)
    size, shape = sizes(x, table)
    out, where = Guarded((len(x), *shape), dtype), Guarded((len(x), *shape), np.int64)
    run("max_pool", code(x), [x, table, out.array, where.array], size)
    values, indices = out.array.copy(), where.array.copy()
    out.check()
    where.check()
    flat = np.arange(size[3]).reshape(x.shape[1:])
    for n, at in itertools.product(range(len(x)), outputs_of(windows)):
        window = np.ix_(*(w[j] for w, j in zip(windows, at, strict=True)))
        found, places = x[n][window].reshape(-1), flat[window].reshape(-1)
        nans = np.flatnonzero(np.isnan(found))
        best = nans[-1] if nans.size else found.argmax()
        np.testing.assert_array_equal(values[n][at], found[best])
        assert indices[n][at] == places[best]


@pytest.mark.parametrize("dtype", FLOATS, ids=IDS)
def test_max_pool_backward(dtype):
    rng = np.random.default_rng(1)
    g, indices = rng.integers(-9, 9, (5, 12)).astype(dtype), rng.integers(0, 7, (5, 12))
    out, wrong = Guarded((5, 7), dtype), np.full(1, 7)
    run("max_pool_backward", code(g), [g, indices, out.array, wrong], [5, 12, 0, 7])
    expected = np.zeros((5, 7), dtype)
    np.add.at(expected, (np.arange(5)[:, None], indices), g)
    np.testing.assert_array_equal(out.array, expected)
    out.check()
    assert wrong == 0
    for bad in (-1, 7, 2**40):
        indices[3, 4] = bad
        run("max_pool_backward", code(g), [g, indices, out.array, wrong], [5, 12, 0, 7])
        out.check()
        assert wrong == 1


@pytest.mark.parametrize("include, divisor", [(1, 0), (0, 0), (0, 3)], ids=["padding", "own", "divisor"])
@pytest.mark.parametrize("dtype", FLOATS, ids=IDS)
@pytest.mark.parametrize("case", [case for case in CASES if case != "dilated"])
def test_avg_pool_and_its_adjoint(case, dtype, include, divisor):
    table, windows, counted = windows_of(case)
    x = planes(CASES[case][0], dtype)
    size, shape = sizes(x, table)
    out = Guarded((len(x), *shape), dtype)
    run("avg_pool", code(x), [x, table, out.array], size, integer=(include, divisor))
    means = out.array.copy()
    out.check()
    g = np.random.default_rng(2).integers(-9, 9, means.shape).astype(dtype)
    back = Guarded(x.shape, dtype)
    run("avg_pool_backward", code(x), [g, table, back.array], size, integer=(include, divisor))
    expected = np.zeros(x.shape)
    for n, at in itertools.product(range(len(x)), outputs_of(windows)):
        window = np.ix_(*(w[j] for w, j in zip(windows, at, strict=True)))
        share = divisor or (
            np.prod([c[j] for c, j in zip(counted, at, strict=True)]) if include else x[n][window].size
        )
        wanted = x[n][window].astype(np.float64).sum() / share
        np.testing.assert_allclose(means[n][at], wanted, rtol=2e-7 if dtype == np.float32 else 1e-15)
        expected[n][window] += g[n][at] / share
    np.testing.assert_allclose(back.array, expected, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-5)
    back.check()


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("inner", [1, 5, 40])
@pytest.mark.parametrize("dtype", FLOATS, ids=IDS)
def test_resample(dtype, inner, weighted):
    rng = np.random.default_rng(3)
    for taps in (1, 2, 3, 4, 5):
        x = rng.integers(-9, 9, (3, 6, inner)).astype(dtype)
        x[0, 0, 0] = np.inf     # no output has it: a tap that is not there is not multiplied by 0
        at = rng.integers(1, 6, (taps, 19))
        at[np.arange(taps)[:, None] >= rng.integers(0, taps + 1, 19)] = -1
        weight = rng.integers(-4, 5, at.shape).astype(dtype) if weighted else None
        out = Guarded((3, 19, inner), dtype)
        run("resample", code(x), [x, at, weight, out.array], [3, 19, taps, inner, 6])
        expected = np.zeros((3, 19, inner), dtype)
        for k, j in itertools.product(range(taps), range(19)):
            if at[k, j] >= 0:
                expected[:, j] += x[:, at[k, j]] * (weight[k, j] if weighted else 1)
        np.testing.assert_array_equal(out.array, expected)
        out.check()


def test_threads_change_no_bit():
    x = np.random.default_rng(4).standard_normal((16, 8, 33, 47)).astype(np.float32)
    functional = tg.nn.functional
    calls = [
        lambda t: functional.max_pool2d(t, 3, 2, 1),
        lambda t: functional.avg_pool2d(t, 3, 1, 1),
        lambda t: functional.adaptive_avg_pool2d(t, 5),
        lambda t: functional.adaptive_avg_pool2d(t, 1),
        lambda t: functional.interpolate(t, (60, 50), None, "bilinear"),
    ]
    before = _kernels.threads()
    found = []
    try:
        for threads in (1, 2, 3):
            _kernels.set_threads(threads)
            for call in calls:
                t = tg.tensor(x, requires_grad=True)
                y = call(t)
                (y * y).sum().backward()
                found.append((y.detach().numpy().tobytes(), t.grad.numpy().tobytes()))
    finally:
        _kernels.set_threads(before)
    assert found[:5] == found[5:10] == found[10:]


@pytest.mark.parametrize("place, value", [
    ((1, 0), 12), ((2, 1), 10), ((1, 1), 0), ((2, 2), -1), ((1, 3), 0), ((2, 4), -1), ((2, 5), 0),
    ((2, 3), 2**40), ((2, 4), 9), ((1, 3), 7),
])  # fmt: skip
def test_windows_that_do_not_belong_to_the_planes_are_refused(place, value):
    x = np.zeros((2, 13 * 17), np.float32)
    table = windows_of("2x2 of odd extents")[0].astype(np.int64)
    outputs = int(np.prod(table[:, 1]))
    out, indices = np.zeros((2, outputs), np.float32), np.zeros((2, outputs), np.int64)
    _kernels.apply("max_pool", input=x, windows=table, out=out, indices=indices)
    table[place] = value
    with pytest.raises(ValueError, match="windows|window lies"):
        _kernels.apply("max_pool", input=x, windows=table, out=out, indices=indices)
    with pytest.raises(ValueError, match="windows|window lies"):
        _kernels.apply("avg_pool", input=x, windows=table, out=out, include_pad=1, divisor=0)
    with pytest.raises(ValueError, match="windows|window lies"):
        _kernels.apply("avg_pool_backward", grad=out, windows=table, out=x, include_pad=1, divisor=0)


def test_a_table_that_reads_past_its_dimension_is_refused():
    x = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    at = np.array([[0, 5, -1]])
    assert _kernels.apply("resample", input=x, at=at).ravel().tolist() == [0, 5, 0]
    for wrong in (6, -2):
        with pytest.raises(ValueError, match="not in the dimension"):
            _kernels.apply("resample", input=x, at=np.array([[0, wrong, 1]]))
