"""The matrix product against float64: shapes around every edge of its tiles, all layouts, all epilogues."""

import itertools

import numpy as np
import pytest
from kernel_calls import Guarded, run

ACCUMULATE, BIAS, RELU = 1, 2, 4
F32 = 7


def operand(rng, rows, columns, transposed, padding=0):
    """A matrix of which one stride is one element; `padding` elements lie between its lines."""
    shape = (columns, rows + padding) if transposed else (rows, columns + padding)
    whole = rng.standard_normal(shape).astype(np.float32)
    return whole[:, :rows].T if transposed else whole[:, :columns]


def product(a, b, c, bias=None, flags=0):
    m, k = a.shape
    n = b.shape[1]
    run("matmul", F32, [a, b, bias, c], (m, n, k, 1), [a.strides, b.strides, (), c.strides[:1]], (), flags)


def hold(m, k, n, layout=(False, False), padding=0, seed=0):
    """One product with each epilogue; nothing outside C may be touched."""
    rng = np.random.default_rng(seed)
    a, b = operand(rng, m, k, layout[0], padding), operand(rng, k, n, layout[1], padding)
    bias = rng.standard_normal(n).astype(np.float32)
    exact = a.astype("f8") @ b.astype("f8")
    for flags in (0, BIAS | RELU, ACCUMULATE, ACCUMULATE | BIAS):
        c = Guarded((m, n + padding), np.float32)
        view = c.array[:, :n]
        view[...] = 2.0
        if padding:
            c.array[:, n:] = 77.0
        product(a, b, view, bias if flags & BIAS else None, flags)
        expected = exact + (2.0 if flags & ACCUMULATE else 0.0) + (bias if flags & BIAS else 0.0)
        expected = np.maximum(expected, 0) if flags & RELU else expected
        scale = (
            np.sqrt(k + 1) * 1e-5
        )  # rounding walks at random: about sqrt(k) times a unit of the running sum
        np.testing.assert_allclose(
            view, expected, rtol=0, atol=scale, err_msg=f"{m}x{k}x{n} {layout} flags {flags}"
        )
        assert (c.array[:, n:] == 77.0).all()
        c.check()


LAYOUTS = tuple(itertools.product((False, True), repeat=2))
NAMES = {(False, False): "NN", (False, True): "NT", (True, False): "TN", (True, True): "TT"}
layouts = pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES.get)


@layouts
def test_products_around_the_edges_of_a_tile(layout):
    for m, k, n in itertools.product(
        (1, 2, 6, 7, 14, 15), (1, 2, 5, 16, 17, 40), (1, 3, 4, 8, 15, 16, 17, 31, 32, 33)
    ):
        hold(m, k, n, layout)


@layouts
def test_products_of_random_shapes(layout):
    rng = np.random.default_rng(LAYOUTS.index(layout))
    for seed in range(40):
        hold(*rng.integers(1, 140, 3), layout, padding=int(rng.integers(0, 3)), seed=seed)


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
def test_products_that_are_blocked_and_packed(shape, layout):
    hold(*shape, layout)


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (3, 0, 40), (20, 0, 1)])
def test_an_extent_of_zero(shape):
    m, k, n = shape
    for layout in LAYOUTS:
        rng = np.random.default_rng(0)
        a, b, bias = (
            operand(rng, m, k, layout[0]),
            operand(rng, k, n, layout[1]),
            np.full(n, -1.0, np.float32),
        )
        for flags, value in (
            (0, 0.0),
            (BIAS, -1.0),
            (BIAS | RELU, 0.0),
            (ACCUMULATE, 5.0),
            (ACCUMULATE | BIAS, 4.0),
        ):
            c = np.full((m, n), 5.0, np.float32)
            product(a, b, c, bias, flags)
            assert (c == value).all()


def test_the_stride_along_an_extent_of_one_does_not_matter():
    rng = np.random.default_rng(0)
    for m, k, n in ((1, 40, 30), (40, 1, 30), (40, 30, 1), (1, 1, 1), (1, 50, 1), (100, 64, 1)):
        a, b = rng.standard_normal((m, k)).astype("f4"), rng.standard_normal((k, n)).astype("f4")
        exact = a.astype("f8") @ b
        for odd in (4, 12, 4096):
            a_strides = [odd if m == 1 else a.strides[0], odd if k == 1 else a.strides[1]]
            b_strides = [odd if k == 1 else b.strides[0], odd if n == 1 else b.strides[1]]
            c = np.empty((m, n), np.float32)
            run("matmul", F32, [a, b, None, c], (m, n, k, 1), [a_strides, b_strides, (), c.strides[:1]])
            np.testing.assert_allclose(c, exact, atol=2e-5)


def test_a_strided_vector_times_a_matrix():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1, 120)).astype("f4")[:, ::3], rng.standard_normal((40, 50)).astype("f4")
    c = np.empty((1, 50), np.float32)
    product(a, b, c)
    np.testing.assert_allclose(c, a.astype("f8") @ b, atol=2e-5)


def test_batches_and_a_shared_operand():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((5, 20, 30)).astype("f4")
    for b in (
        rng.standard_normal((5, 30, 17)).astype("f4"),
        np.broadcast_to(rng.standard_normal((30, 17)).astype("f4"), (5, 30, 17)),
    ):
        c = np.full((6, 20, 17), 3.0, np.float32)
        strides = [(x.strides[1], x.strides[2], x.strides[0]) for x in (a, b)]
        strides += [(), (c.strides[1], 0, c.strides[0])]
        run("matmul", F32, [a, b, None, c], (20, 17, 30, 5), strides)
        np.testing.assert_allclose(c[:5], a.astype("f8") @ b, atol=2e-5)
        assert (c[5] == 3.0).all()


def test_a_matrix_whose_rows_overlap():
    """A sliding window, as `unfold` of one dimension makes it: both strides are one element."""
    rng = np.random.default_rng(0)
    line = rng.standard_normal(200).astype("f4")
    a = np.lib.stride_tricks.sliding_window_view(line, 40)
    for n in (3, 20):
        b = rng.standard_normal((40, n)).astype("f4")
        c = np.empty((a.shape[0], n), np.float32)
        product(a, b, c)
        np.testing.assert_allclose(c, a.astype("f8") @ b, atol=2e-5)


@pytest.mark.parametrize("shape", [(4, 3, 5), (40, 70, 9), (64, 40, 48)])
def test_nan_and_infinity_pass_through(shape):
    m, k, n = shape
    a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    a[1, 2], b[0, 1] = np.nan, np.inf
    c = np.empty((m, n), np.float32)
    product(a, b, c, np.zeros(n, np.float32), BIAS | RELU)
    assert np.isnan(c[1]).all()
    assert np.isposinf(c[0, 1])
    assert np.isfinite(np.delete(c, 1, 0)[:, [0, 2]]).all()
