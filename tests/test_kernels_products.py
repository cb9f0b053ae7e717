"""The matrix product of both float types: shapes around every edge of its tiles, all layouts, all epilogues.

Most operands are small whole numbers, so that every sum is exact and results are compared for equality.
"""

import itertools
import math

import numpy as np
import pytest
from kernel_calls import F32, F64, Guarded, run

from tensorgrad import _kernels

ACCUMULATE, BIAS, RELU = 1, 2, 4
CODES = {np.float32: F32, np.float64: F64}
types = pytest.mark.parametrize("dtype", CODES, ids=("f32", "f64"))


def operand(rng, rows, columns, transposed, dtype, padding=0):
    """A matrix of which one stride is one element; `padding` elements lie between its lines."""
    shape = (columns, rows + padding) if transposed else (rows, columns + padding)
    whole = rng.integers(-8, 9, shape).astype(dtype)
    return whole[:, :rows].T if transposed else whole[:, :columns]


def product(a, b, c, bias=None, flags=0):
    m, k = a.shape
    n = b.shape[1]
    strides = [a.strides, b.strides, (), c.strides[:1]]
    run("matmul", CODES[c.dtype.type], [a, b, bias, c], (m, n, k, 1), strides, (), flags)


def hold(m, k, n, dtype, layout=(False, False), padding=0, seed=0):
    """One product with each epilogue; nothing outside C may be touched."""
    rng = np.random.default_rng(seed)
    a = operand(rng, m, k, layout[0], dtype, padding)
    b = operand(rng, k, n, layout[1], dtype, padding)
    bias = rng.integers(-8, 9, n).astype(dtype)
    exact = a.astype("f8") @ b.astype("f8")
    for flags in (0, BIAS | RELU, ACCUMULATE, ACCUMULATE | BIAS):
        c = Guarded((m, n + padding), dtype)
        view = c.array[:, :n]
        view[...] = 2.0
        if padding:
            c.array[:, n:] = 77.0
        product(a, b, view, bias if flags & BIAS else None, flags)
        expected = exact + (2.0 if flags & ACCUMULATE else 0.0) + (bias if flags & BIAS else 0.0)
        expected = np.maximum(expected, 0) if flags & RELU else expected
        np.testing.assert_array_equal(view, expected, err_msg=f"{m}x{k}x{n} {layout} flags {flags}")
        assert (c.array[:, n:] == 77.0).all()
        c.check()


@pytest.fixture
def any_threads():
    """Numbers of threads to try; afterwards it is what it was."""
    before = _kernels.threads()
    yield (1, 2, 3, 8)
    _kernels.set_threads(before)


LAYOUTS = tuple(itertools.product((False, True), repeat=2))
NAMES = {(False, False): "NN", (False, True): "NT", (True, False): "TN", (True, True): "TT"}
layouts = pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES.get)


@types
@layouts
def test_products_around_the_edges_of_a_tile(layout, dtype):
    for m, k, n in itertools.product(
        (1, 2, 6, 7, 14, 15), (1, 2, 5, 16, 17, 40), (1, 3, 4, 8, 15, 16, 17, 31, 32, 33)
    ):
        hold(m, k, n, dtype, layout)


@types
@layouts
def test_products_of_random_shapes(layout, dtype):
    rng = np.random.default_rng(LAYOUTS.index(layout))
    for seed in range(40):
        hold(*rng.integers(1, 140, 3), dtype, layout, padding=int(rng.integers(0, 3)), seed=seed)


@types
@layouts
@pytest.mark.parametrize(
    "shape",
    [
        (3, 1, 2500),
        (2500, 1, 3),
        (1, 37, 2500),
        (2500, 37, 1),
        (1, 2500, 37),
        (1, 999, 1),
        (37, 2500, 1),
        (70, 400, 2),
        (3, 400, 70),
        (11, 500, 70),
        (16, 601, 70),
    ],
    ids=lambda s: "x".join(map(str, s)),
)
def test_thin_products_read_each_operand_once_and_right(shape, layout, dtype):
    hold(*shape, dtype, layout, padding=1)


@types
@layouts
@pytest.mark.parametrize(
    "shape",
    [
        (4, 2, 2),
        (32, 64, 32),
        (64, 256, 10),
        (64, 784, 128),
        (128, 784, 300),
        (300, 600, 1100),
        (37, 1500, 70),
        (257, 1024, 96),
        (460, 1030, 530),
        (20, 1024, 1030),
        (1, 300, 17),
        (1000, 40, 1),
        (1, 1, 1000),
        (16, 32, 500),
    ],
    ids=lambda s: "x".join(map(str, s)),
)
def test_products_that_are_blocked_and_packed(shape, layout, dtype):
    hold(*shape, dtype, layout)


@layouts
@types
@pytest.mark.parametrize(
    "shape",
    [(64, 784, 128), (40, 3000, 30), (1, 3000, 40), (40, 3000, 1), (300, 1000, 7)],
    ids=lambda s: "x".join(map(str, s)),
)
def test_rounding_errors_grow_with_the_root_of_the_depth(shape, dtype, layout):
    """Against long double (or float64, for float32), by the size of what was added up."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    wide = np.longdouble if dtype is np.float64 else np.float64
    a = rng.standard_normal((k, m) if layout[0] else (m, k)).astype(dtype)
    b = rng.standard_normal((n, k) if layout[1] else (k, n)).astype(dtype)
    a, b = a.T if layout[0] else a, b.T if layout[1] else b
    c = np.empty((m, n), dtype)
    product(a, b, c)
    exact = a.astype(wide) @ b.astype(wide)
    size = np.sqrt(np.square(a.astype(wide)) @ np.square(b.astype(wide)))
    error = np.abs(c - exact) / size
    # The running sum grows like the root of k, and so does the number of its roundings that add up.
    assert error.max() < np.sqrt(k) * np.finfo(dtype).eps


@types
def test_a_long_dot_product_is_as_good_as_the_sum_of_the_exact_products(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1, 100_001)).astype(dtype), rng.standard_normal((100_001, 1)).astype(dtype)
    c = np.empty((1, 1), dtype)
    product(a, b, c)
    exact = math.fsum(float(x) * float(y) for x, y in zip(a[0], b[:, 0], strict=True))
    assert abs(c[0, 0] - exact) < 100 * np.sqrt(100_001) * np.finfo(dtype).eps


@types
@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (3, 0, 40), (20, 0, 1)])
def test_an_extent_of_zero(shape, dtype):
    m, k, n = shape
    for layout in LAYOUTS:
        rng = np.random.default_rng(0)
        a, b, bias = (
            operand(rng, m, k, layout[0], dtype),
            operand(rng, k, n, layout[1], dtype),
            np.full(n, -1.0, dtype),
        )
        for flags, value in (
            (0, 0.0),
            (BIAS, -1.0),
            (BIAS | RELU, 0.0),
            (ACCUMULATE, 5.0),
            (ACCUMULATE | BIAS, 4.0),
        ):
            c = np.full((m, n), 5.0, dtype)
            product(a, b, c, bias, flags)
            assert (c == value).all()


@types
def test_the_stride_along_an_extent_of_one_does_not_matter(dtype):
    rng = np.random.default_rng(0)
    for m, k, n in ((1, 40, 30), (40, 1, 30), (40, 30, 1), (1, 1, 1), (1, 50, 1), (100, 64, 1)):
        a, b = operand(rng, m, k, False, dtype), operand(rng, k, n, False, dtype)
        exact = a.astype("f8") @ b
        for odd in (a.itemsize, 3 * a.itemsize, 4096):
            a_strides = [odd if m == 1 else a.strides[0], odd if k == 1 else a.strides[1]]
            b_strides = [odd if k == 1 else b.strides[0], odd if n == 1 else b.strides[1]]
            c = np.empty((m, n), dtype)
            strides = [a_strides, b_strides, (), c.strides[:1]]
            run("matmul", CODES[dtype], [a, b, None, c], (m, n, k, 1), strides)
            np.testing.assert_array_equal(c, exact)


@types
def test_a_strided_vector_times_a_matrix(dtype):
    rng = np.random.default_rng(0)
    vector, matrix = operand(rng, 1, 120, False, dtype)[:, ::3], operand(rng, 40, 50, False, dtype)
    c = np.empty((1, 50), dtype)
    product(vector, matrix, c)
    np.testing.assert_array_equal(c, vector.astype("f8") @ matrix)
    for turned in (matrix.T, matrix.T.copy()):
        c = np.empty((50, 1), dtype)
        product(turned, vector.T, c)
        np.testing.assert_array_equal(c, turned.astype("f8") @ vector.T)


@types
def test_a_column_of_a_wider_matrix_is_written(dtype):
    rng = np.random.default_rng(0)
    for layout in LAYOUTS:
        a, b = operand(rng, 90, 70, layout[0], dtype), operand(rng, 70, 1, layout[1], dtype)
        c = np.full((90, 3), 5.0, dtype)
        product(a, b, c[:, 1:2])
        np.testing.assert_array_equal(c[:, 1], (a.astype("f8") @ b)[:, 0])
        assert (c[:, ::2] == 5.0).all()


@types
def test_batches_and_a_shared_operand(dtype):
    rng = np.random.default_rng(0)
    a = rng.integers(-8, 9, (5, 20, 30)).astype(dtype)
    for b in (
        rng.integers(-8, 9, (5, 30, 17)).astype(dtype),
        np.broadcast_to(rng.integers(-8, 9, (30, 17)).astype(dtype), (5, 30, 17)),
    ):
        c = np.full((6, 20, 17), 3.0, dtype)
        strides = [(x.strides[1], x.strides[2], x.strides[0]) for x in (a, b)]
        strides += [(), (c.strides[1], 0, c.strides[0])]
        run("matmul", CODES[dtype], [a, b, None, c], (20, 17, 30, 5), strides)
        np.testing.assert_array_equal(c[:5], a.astype("f8") @ b)
        assert (c[5] == 3.0).all()


@types
def test_a_batch_may_have_three_dimensions_with_any_strides(dtype):
    """As the heads of attention lie: (batch, time, heads, size), looked at with time and heads swapped."""
    rng = np.random.default_rng(0)
    a = rng.integers(-8, 9, (2, 9, 4, 3, 8)).astype(dtype).transpose(0, 2, 3, 1, 4)
    b = np.broadcast_to(rng.integers(-8, 9, (4, 1, 5, 8)).astype(dtype), (2, 4, 3, 5, 8)).swapaxes(-1, -2)
    c = np.empty((2, 4, 3, 9, 5), dtype)
    strides = [(*x.strides[3:], *x.strides[:3]) for x in (a, b, c)]
    strides.insert(2, ())
    run("matmul", CODES[dtype], [a, b, None, c], (9, 5, 8, 2, 4, 3), strides)
    np.testing.assert_array_equal(c, a.astype("f8") @ b)


@types
def test_a_matrix_whose_rows_overlap(dtype):
    """A sliding window, as `unfold` of one dimension makes it: both strides are one element."""
    rng = np.random.default_rng(0)
    line = rng.integers(-8, 9, 200).astype(dtype)
    a = np.lib.stride_tricks.sliding_window_view(line, 40)
    for n in (1, 3, 20):
        b = operand(rng, 40, n, False, dtype)
        c = np.empty((a.shape[0], n), dtype)
        product(a, b, c)
        np.testing.assert_array_equal(c, a.astype("f8") @ b)


@types
@layouts
@pytest.mark.parametrize("shape", [(4, 3, 5), (40, 70, 9), (64, 40, 48), (2, 3, 1), (2, 300, 3), (70, 5, 3)])
def test_nan_and_infinity_pass_through(shape, layout, dtype):
    m, k, n = shape
    a, b = np.ones((k, m) if layout[0] else (m, k), dtype), np.ones((n, k) if layout[1] else (k, n), dtype)
    a, b = a.T if layout[0] else a, b.T if layout[1] else b
    a[1, 2], b[0, n - 1] = np.nan, np.inf
    c = np.empty((m, n), dtype)
    product(a, b, c, np.zeros(n, dtype), BIAS | RELU)
    assert np.isnan(c[1]).all()
    assert np.isposinf(np.delete(c, 1, 0)[:, n - 1]).all()
    assert (np.delete(c, 1, 0)[:, : n - 1] == k).all()


@types
@layouts
@pytest.mark.parametrize(
    "shape",
    [
        (301, 300, 310),
        (700, 1300, 9),
        (9, 1300, 700),
        (37, 1500, 570),
        (1, 3000, 3001),
        (3001, 3000, 1),
        (2001, 1, 3003),
        (14, 5000, 200),
        (2000, 700, 17),
    ],
    ids=lambda s: "x".join(map(str, s)),
)
def test_an_element_has_the_same_bits_wherever_the_product_is_cut(shape, layout, dtype, any_threads):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((k, m) if layout[0] else (m, k)).astype(dtype)
    b = rng.standard_normal((n, k) if layout[1] else (k, n)).astype(dtype)
    a, b = a.T if layout[0] else a, b.T if layout[1] else b
    bias, before = rng.standard_normal(n).astype(dtype), rng.standard_normal((m, n)).astype(dtype)
    for flags in (0, ACCUMULATE | BIAS | RELU):
        results = set()
        for number in any_threads:
            _kernels.set_threads(number)
            c = before.copy()
            product(a, b, c, bias if flags else None, flags)
            results.add(c.tobytes())
        assert len(results) == 1
