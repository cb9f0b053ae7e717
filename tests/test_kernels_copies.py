"""Conversions, copies, gathered rows and reductions against NumPy in float64."""

import numpy as np
import pytest
from kernel_calls import Guarded, code, run, run_map, run_reduce
from kernel_samples import FLOATS, INF, NAN, REDUCTIONS, SHORT, TYPES, sample

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("to", TYPES)
@pytest.mark.parametrize("source", TYPES)
def test_conversion_agrees_with_numpy(source, to):
    rng = np.random.default_rng(0)
    kind = np.dtype(source)
    x = (
        rng.integers(0, 256, 1203 * kind.itemsize, dtype=np.uint8).view(kind)
        if source != "bool"
        else rng.random(1203) > 0.5
    )
    if kind.kind == "f":
        edges = [
            0.0,
            -0.0,
            np.inf,
            -np.inf,
            np.nan,
            1.5,
            -1.5,
            300,
            -300,
            70000,
            65519,
            65520,
            6e-8,
            2.98e-8,
            3e9,
            -3e9,
            1e19,
        ]
        x[: len(edges)] = np.array(edges).astype(kind)
        x[len(edges) : 600] = rng.standard_normal(600 - len(edges)) * 100
    with np.errstate(all="ignore"):
        expected = x.astype(to)
    for given, wanted in ((x, expected), (x[::-3], expected[::-3])):
        guarded = Guarded(given.shape, to)
        run_map("cast_" + SHORT[to], [given], guarded.array)
        np.testing.assert_array_equal(guarded.array, wanted)
        guarded.check()


@pytest.mark.parametrize("dtype", TYPES)
def test_copy_and_fill(dtype):
    x = np.arange(3 * 70 * 45).reshape(3, 70, 45).astype(dtype)
    views = (
        x,
        x[0],
        x[0].T,
        x[1, ::-1],
        x.transpose(2, 0, 1),
        x[:, ::2, ::5],
        x[0, :0],
        np.broadcast_to(x[0, :1], (9, 45)),
    )
    for view in views:
        guarded = Guarded(view.shape, dtype)
        run_map("copy", [view], guarded.array)
        np.testing.assert_array_equal(guarded.array, view)
        guarded.check()
    for shape, steps in (((70, 9), (1, 2)), ((1000,), None), ((0,), None), ((3, 4, 5), (1, -1, 1))):
        guarded = Guarded(shape, dtype, steps)
        run_map("fill", [], guarded.array, (3.0,), dtype=code(x))
        assert (guarded.array == np.array(3.0).astype(dtype)).all()
        guarded.check()


def test_rows_are_added_up_until_one_names_no_row_of_the_table():
    rng = np.random.default_rng(0)
    for dtype in FLOATS:
        index = np.array([3, 0, 10, 3], np.int64)
        grad = np.zeros((11, 7), dtype)
        rows = rng.standard_normal((4, 7)).astype(dtype)
        wrong = np.array([-1, 0])
        operands, strides = [rows, index, grad, wrong], [(), (), grad.strides[:1]]
        run("scatter_add_rows", code(rows), operands, (4, 7), strides, integer=(11, -1))
        expected = np.zeros_like(grad)
        np.add.at(expected, index, rows)
        np.testing.assert_allclose(grad, expected, rtol=1e-6)
        assert wrong[0] == -1
        for bad in (11, -1, 2**62, -(2**63)):
            index[2] = bad
            run("scatter_add_rows", code(rows), operands, (4, 7), strides, integer=(11, -1))
            assert wrong.tolist() == [2, bad]


def test_some_of_the_rows_are_added_nowhere_and_some_counted_from_the_end():
    for dtype in FLOATS:
        index = np.array([-1, 2, 0, -4, 2], np.int64)
        table, rows, wrong = np.zeros((4, 3), dtype), np.ones((5, 3), dtype), np.array([-1, 0])
        strides = [(), (), table.strides[:1]]
        run("scatter_add_rows", code(rows), [rows, index, table, wrong], (5, 3), strides, integer=(4, 2, 1))
        assert table[:, 0].tolist() == [2, 0, 0, 1] and wrong[0] == -1


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("count, width", [(0, 3), (5, 0), (5, 1), (7, 9), (6000, 1), (3000, 17)])
def test_rows_are_gathered_and_a_wrong_index_is_told(dtype, count, width):
    table = np.arange(40 * max(width, 1)).reshape(40, -1)[::2, :width].astype(dtype)
    index = np.arange(count, dtype=np.int64) * 7 % 20
    strides = [table.strides[:1]]
    for from_end in (0, 1):
        guarded, wrong = Guarded((count, width), dtype), np.zeros(1, np.int64)
        operands = [table, index - 20 * from_end, guarded.array, wrong]
        run("gather_rows", code(table), operands, (count, width), strides, integer=(20, from_end))
        np.testing.assert_array_equal(guarded.array, table[index])
        guarded.check()
        assert not wrong[0]
    for bad in (20, -1, 2**62, -(2**63)) if count else ():
        index[count // 2] = bad
        out = np.empty((count, width), dtype)
        run("gather_rows", code(table), [table, index, out, wrong], (count, width), strides, integer=(20, 0))
        assert wrong[0] == 1


@pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
def test_dropout_keeps_some_elements_and_multiplies_the_others_by_0(dtype):
    rng = np.random.default_rng(0)
    for shape, masked in (((1000,), (1000,)), ((7, 33), (7, 33)), ((5, 6, 4), (5, 6, 1))):
        x = sample(shape, (-2, 2), dtype)
        x[..., 0] = np.inf
        kept = rng.random(masked) < 0.5
        guarded = Guarded(shape, dtype)
        run_map("dropout", [x, kept], guarded.array, (1.25,))
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(guarded.array, x * (kept * dtype(1.25)))
        guarded.check()


REDUCED = {
    "one row": (1, 5000, 1),
    "tiny row": (1, 4, 1),
    "one element": (1, 1, 1),
    "rows of 10": (64, 10, 1),
    "rows of 64": (9, 64, 1),
    "rows of 77": (9, 77, 1),
    "columns": (1, 300, 70),
    "few columns": (1, 65, 10),
    "many columns": (1, 7, 1200),
    "middle": (3, 130, 33),
    "no outer": (0, 3, 2),
    "no inner": (2, 3, 0),
}


@pytest.mark.parametrize("layout", ["contiguous", "turned", "reversed", "stepped"])
@pytest.mark.parametrize("shape", REDUCED)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_agrees_with_numpy(name, shape, layout):
    reference, dtypes = REDUCTIONS[name]
    outer, count, inner = REDUCED[shape]
    for dtype in dtypes:
        span = (0.99, 1.01) if name == "prod" else (-1, 1)
        if layout == "turned":
            x = sample((inner, count, outer), span, dtype).transpose(2, 1, 0)
        elif layout == "stepped":
            x = sample((outer, count * 2, inner * 2), span, dtype)[:, ::2, ::2]
        else:
            x = sample((outer, count, inner), span, dtype)
        if layout == "reversed":
            x = x[:, ::-1, ::-1]
        result = run_reduce(name, x, dtype)
        if 0 in result.shape:
            continue
        scale = 1e-6 if dtype == np.float32 else 1e-14
        rtol = scale * 10 * (count if name == "prod" else 1)
        np.testing.assert_allclose(
            result, reference(x.astype(np.float64)), rtol=rtol, atol=scale * np.sqrt(count)
        )


def test_reductions_of_nothing():
    x = np.empty((2, 0, 3), np.float32)
    values = {"sum": 0, "prod": 1, "mean": NAN, "amax": -INF, "amin": INF, "vector_norm": 0}
    for name, value in values.items():
        np.testing.assert_array_equal(run_reduce(name, x, np.float32), np.full((2, 3), value, np.float32))


@pytest.mark.parametrize("at", [0, 5, 63, 64, 200, 999])
@pytest.mark.parametrize("name", ["amax", "amin", "argmax", "argmin", "sum", "prod"])
def test_nan_wins_a_reduction_wherever_it_stands(name, at):
    for inner in (1, 3):
        x = np.ones((1, 1000, inner), np.float32)
        x[0, at] = NAN
        if name.startswith("arg"):
            x[0, at + 1 :] = -INF if name == "argmin" else INF
            assert (run_reduce(name, x, np.int64) == at).all()
        else:
            assert np.isnan(run_reduce(name, x, np.float32)).all()


@pytest.mark.parametrize("dtype", (*FLOATS, np.int64), ids=("f32", "f64", "i64"))
def test_the_first_of_equal_extremes_is_reported(dtype):
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 1), (1, 4, 1), (5, 63, 1), (2, 200, 3), (1, 3000, 1), (1, 2500, 2)):
        x = rng.integers(-9, 9, shape).astype(dtype)
        for view in (x, x[:, ::-1]):
            np.testing.assert_array_equal(run_reduce("argmax", view, np.int64), view.argmax(1))
            np.testing.assert_array_equal(run_reduce("argmin", view, np.int64), view.argmin(1))
    full = np.full((1, 130, 1), -INF if dtype != np.int64 else -(2**63), dtype)
    assert run_reduce("argmax", full, np.int64) == 0


def test_reductions_of_integers_and_booleans():
    rng = np.random.default_rng(0)
    for shape in ((1, 1000, 1), (3, 7, 5), (2, 300, 600), (4, 3, 1)):
        x = rng.integers(-(2**40), 2**40, shape)
        np.testing.assert_array_equal(run_reduce("sum", x, np.int64), x.sum(1))
        np.testing.assert_array_equal(run_reduce("prod", x % 3 + 1, np.int64), (x % 3 + 1).prod(1))
        np.testing.assert_array_equal(run_reduce("amax", x[:, ::-1], np.int64), x.max(1))
        np.testing.assert_array_equal(run_reduce("amin", x, np.int64), x.min(1))
        for chance in (0.001, 0.5, 0.999):
            b = rng.random(shape) < chance
            np.testing.assert_array_equal(run_reduce("sum", b, np.int64), b.sum(1))
            np.testing.assert_array_equal(run_reduce("all", b, np.bool_), b.all(1))
            np.testing.assert_array_equal(run_reduce("any", b[:, ::-1], np.bool_), b.any(1))


def test_rounding_errors_of_a_long_sum_do_not_grow_with_its_length():
    x = sample((1, 3_000_000, 1), (0, 1), np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(run_reduce("sum", x, np.float32)[0, 0] - exact) < 4e-7 * exact
    columns = sample((1, 100_000, 3), (0, 1), np.float32)
    assert (
        abs(run_reduce("sum", columns, np.float32)[0] - columns.sum((0, 1), np.float64)) < 1e-5 * 50_000
    ).all()
