"""The kernels sort, kthvalue, mode, cummax, cummin, searchsorted, triangle: against NumPy, guarded."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels

rng = np.random.default_rng(0)
TYPES = ["?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
# outer, length, inner
SHAPES = [
    (1, 1, 1), (3, 2, 1), (40, 7, 1), (2, 39, 1), (2, 41, 1), (5, 300, 1), (1, 3000, 1),
    (2, 50, 3), (2, 7, 17), (1, 300, 40),
]  # fmt: skip
SPECIAL = [0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1.0, -1.0, 1e-40, -1e-40]


def drawn(shape, dtype, many=True):
    """Elements of which many are equal; some floats are special, and some integers are the extremes."""
    if dtype[0] == "f":
        values = rng.standard_normal(shape).astype(dtype)
        few = rng.choice(np.array(SPECIAL).astype(dtype), shape)
        return np.where(rng.random(shape) < (0.5 if many else 0.02), few, values)
    if dtype == "?":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    few = rng.choice(np.array([info.min, info.max, 0, 1], dtype), shape)
    return np.where(rng.random(shape) < (0.5 if many else 0.02), few, values)


def in_order(x, descending=False):
    """The stable order along the middle, NaN the largest, by Python's own sort."""
    order = np.empty(x.shape, np.int64)
    for o, i in np.ndindex(x.shape[0], x.shape[2]):
        line = x[o, :, i].tolist()
        keys = [(value != value, 0 if value != value else value) for value in line]
        order[o, :, i] = sorted(range(len(line)), key=keys.__getitem__, reverse=descending)
    return order


def same(found, x, order):
    values, indices = found
    np.testing.assert_array_equal(indices, order)
    expected = np.take_along_axis(x, order, 1)
    assert np.ascontiguousarray(values).tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_lines_are_sorted_and_the_first_few_found(shape, dtype, many):
    x = drawn(shape, dtype, many)
    a, b, c = shape
    for descending in (0, 1):
        order = in_order(x, bool(descending))
        for wanted in sorted({b, 1, min(b, 5), min(b, 33), min(b, 140), b // 2, b - 1}):
            values, indices = Guarded((a, wanted, c), dtype), Guarded((a, wanted, c), "i8")
            _kernels.apply("sort", input=x, values=values.array, indices=indices.array, descending=descending)
            same((values.array, indices.array), x, order[:, :wanted])
            values.check()
            indices.check()


@pytest.mark.parametrize("dtype", TYPES[1:])
@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_and_medians(shape, dtype):
    x = drawn(shape, dtype)
    b = shape[1]
    order = in_order(x)
    nans = (x != x).sum(1, keepdims=True)
    ranks = {rank: np.full_like(nans, rank) for rank in {0, b - 1, b // 2, min(b - 1, 40)}}
    ranks[-1] = np.where(nans > 0, b - nans, (b - 1) // 2)
    ranks[-2] = np.maximum((b - nans - 1) // 2, 0)
    for rank, at in ranks.items():
        values, indices = _kernels.apply("kthvalue", input=x, rank=rank)
        same((values[:, None], indices[:, None]), x, np.take_along_axis(order, at, 1))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_smallest_of_the_most_frequent_elements_where_it_stands_last(shape, dtype):
    x = drawn(shape, dtype)
    values, indices = _kernels.apply("mode", input=x)
    for o, i in np.ndindex(shape[0], shape[2]):
        line = x[o, :, i]
        counts = [(line == each).sum() if each == each else 1 for each in line]
        most = line[np.array(counts) == max(counts)]
        smallest = np.sort(most)[0]
        assert values[o, i] == smallest or (smallest != smallest and values[o, i] != values[o, i])
        if smallest == smallest:
            assert indices[o, i] == np.flatnonzero(line == smallest)[-1]


@pytest.mark.parametrize("dtype", ["i8", "f4", "f8"])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 4, 64), (2, 5, 65), (2, 3, 150)])
@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_running_extremes(name, shape, dtype):
    x = drawn(shape, dtype)
    values, indices = Guarded(shape, dtype), Guarded(shape, "i8")
    _kernels.apply(name, input=x, values=values.array, indices=indices.array)
    running = (np.maximum if name == "cummax" else np.minimum).accumulate(x, axis=1)
    np.testing.assert_array_equal(values.array, running)
    steps = np.arange(shape[1])[:, None]
    met = np.maximum.accumulate(np.where((x == running) | (x != x), steps, 0), axis=1)
    np.testing.assert_array_equal(indices.array, met)
    values.check()
    indices.check()


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("dtype", ["i8", "f4", "f8"])
@pytest.mark.parametrize("rows, each, length", [(1, 1, 1), (1, 700, 9), (3, 500, 64), (2, 5, 0), (4, 3, 999)])
def test_search(rows, each, length, dtype, right):
    sequence = np.sort(drawn((rows, length), dtype), axis=1)
    values = drawn((rows, each), dtype)
    out = Guarded((rows, each), "i8")
    _kernels.apply("searchsorted", sorted_sequence=sequence, input=values, out=out.array, right=right)
    for r in range(rows):
        expected = np.searchsorted(sequence[r], values[r], "right" if right else "left")
        np.testing.assert_array_equal(out.array[r], np.where(values[r] != values[r], length, expected))
    out.check()


@pytest.mark.parametrize("dtype", ["?", "i2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (3, 4, 9), (1, 40, 50), (2, 3, 0)])
def test_triangles(shape, dtype):
    x = drawn(shape, dtype)
    for diagonal in (0, 1, -2, 100, -100):
        for upper, cut in ((0, np.tril), (1, np.triu)):
            out = Guarded(shape, dtype)
            _kernels.apply("triangle", input=x, out=out.array, diagonal=diagonal, upper=upper)
            np.testing.assert_array_equal(out.array, cut(x, diagonal))
            out.check()
    same_memory = x.copy()
    _kernels.apply("triangle", input=same_memory, out=same_memory, diagonal=0, upper=0)
    np.testing.assert_array_equal(same_memory, np.tril(x))


def test_any_number_of_threads_gives_the_same_bytes():
    calls = {
        "sort": {"descending": 1}, "kthvalue": {"rank": -1}, "mode": {}, "cummax": {}, "cummin": {},
    }  # fmt: skip
    for shape in ((600, 300, 1), (3, 200, 90), (20000, 3, 1)):
        x = drawn(shape, "f4")

        def work(x=x):
            for name, settings in calls.items():
                made = {"values": np.empty_like(x), "indices": np.empty(x.shape, "i8")}
                given = {**(made if name == "sort" else {}), **settings}
                yield from _kernels.apply(name, input=x, **given)

        same_by_any_threads(work)
    sequence, values = np.sort(rng.standard_normal((3, 1000))), rng.standard_normal((3, 40000))
    same_by_any_threads(
        lambda: [_kernels.apply("searchsorted", sorted_sequence=sequence, input=values, right=0)]
    )


def test_calls_by_names_are_refused_that_ask_for_what_is_not_there():
    x, few = np.ones((1, 3, 1), "f4"), np.ones((1, 4, 1), "f4")
    with pytest.raises(ValueError, match="more elements are wanted"):
        _kernels.apply("sort", input=x, values=few, indices=np.ones((1, 4, 1), "i8"), descending=0)
    for rank in (3, -3):
        with pytest.raises(ValueError, match="no element of that rank"):
            _kernels.apply("kthvalue", input=x, rank=rank)
    with pytest.raises(ValueError, match="no element"):
        _kernels.apply("mode", input=x[:, :0])
    with pytest.raises(ValueError, match="too far away"):
        _kernels.apply("triangle", input=x, diagonal=2**62, upper=0)


# ---- the ops, where the table of samples does not go


def both(call, *args):
    """What a call gives by kernels and by NumPy bodies."""
    before, found = tg.get_backend(), []
    for backend in ("kernels", "numpy"):
        tg.set_backend(backend)
        try:
            found.append(call(*args))
        finally:
            tg.set_backend(before)
    return found


CALLS = {
    "sort": lambda x, dim: x.sort(dim),
    "down": lambda x, dim: x.sort(dim, True),
    "argsort": lambda x, dim: (x.argsort(dim),),
    "topk": lambda x, dim: x.topk(2, dim),
    "smallest": lambda x, dim: x.topk(x.shape[dim], dim, False),
    "median": lambda x, dim: x.median(dim),
    "nanmedian": lambda x, dim: x.nanmedian(dim, True),
    "all": lambda x, dim: (x.median(), x.nanmedian()),
    "kthvalue": lambda x, dim: x.kthvalue(2, dim, True),
    "mode": lambda x, dim: x.mode(dim),
    "cummax": lambda x, dim: x.cummax(dim),
    "cummin": lambda x, dim: x.cummin(dim),
}


ORDERED = [tg.int8, tg.int64, tg.float16, tg.bfloat16, tg.float32, tg.float64]


@pytest.mark.parametrize("dtype", ORDERED, ids=str)
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", CALLS)
def test_kernels_and_bodies_agree_on_equal_elements_and_nan(name, dim, dtype):
    array = rng.choice(np.array([0.0, 1, 2, 3, -1, -2, -3]), (5, 4, 45))
    if dtype.is_floating_point:
        array[rng.random(array.shape) < 0.1] = np.nan
    x = tg.tensor(array, dtype=dtype).transpose(0, 1)
    kernel, body = both(CALLS[name], x, dim)
    assert type(kernel) is type(body)
    for one, other in zip(kernel, body, strict=True):
        assert one.dtype is other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(one.double().numpy(), other.double().numpy())


def test_search_of_bounds_and_bodies_agree():
    rows, values = tg.randn(3, 20).sort()[0], tg.randn(3, 7)
    for call in (
        lambda: tg.searchsorted(rows, values),
        lambda: tg.searchsorted(rows, values, right=True, out_int32=True),
        lambda: tg.searchsorted(rows[0], values),
        lambda: tg.bucketize(values, rows[1], right=True),
        lambda: tg.searchsorted(rows.double(), values),
        lambda: tg.searchsorted(rows.t().contiguous().t(), values.t().contiguous().t()),
        lambda: tg.searchsorted(rows[:, :0], values),
    ):
        kernel, body = both(call)
        assert kernel.dtype is body.dtype and kernel.equal(body)


@pytest.mark.parametrize("dtype", [tg.bool, tg.int16, tg.int64, tg.bfloat16, tg.float32, tg.float64], ids=str)
def test_moves_by_kernels_and_bodies_agree(dtype):
    x = (tg.arange(120).reshape(4, 5, 6) % 7).to(dtype)
    pad = tg.nn.functional.pad
    calls = (
        lambda x: x.flip(0), lambda x: x.flip(-1, 0), lambda x: x.flip((0, 1, 2)),
        lambda x: x.roll(1, 0), lambda x: x.roll(-2, -1), lambda x: x.roll(7),
        lambda x: x.roll((1, 2), (0, 1)),
        lambda x: x.repeat(2, 1, 3), lambda x: x.repeat(2, 1, 1, 2), lambda x: x.tile((2,)),
        lambda x: x.tril(), lambda x: x.triu(1), lambda x: x.tril(-3), lambda x: x.triu(-100),
        lambda x: pad(x, (1, 2)), lambda x: pad(x, (0, 0, 3, -1)),
        lambda x: pad(x, (-1, 1, 1, 0, 2, 2), value=1),
    )  # fmt: skip
    for each in (x, x.transpose(0, 2), x[:, ::2, 1:], x[:1].expand(3, 5, 6)):
        for call in calls:
            kernel, body = both(call, each)
            assert kernel.dtype is body.dtype and kernel.equal(body)


@pytest.mark.parametrize("wanted", [1, 31, 32, 33])
def test_lines_that_run_the_wrong_way_are_sorted_as_others(wanted):
    line = np.arange(3000, dtype="f4")
    for x in (line, line[::-1].copy()):
        for descending in (0, 1):
            made = {"values": np.empty((1, wanted, 1), "f4"), "indices": np.empty((1, wanted, 1), "i8")}
            _kernels.apply("sort", input=x.reshape(1, -1, 1), descending=descending, **made)
            order = np.sort(x)[::-1] if descending else np.sort(x)
            assert made["values"].ravel().tolist() == order[:wanted].tolist()
            assert x[made["indices"].ravel()].tolist() == order[:wanted].tolist()


def test_what_is_no_truth_value_is_refused_on_either_path():
    x = tg.rand(2, 3)
    for call in (tg.sort, tg.argsort):
        with pytest.raises(TypeError):
            call(x, 1, True, "a")
    assert tg.sort(tg.ones(4, 1), descending=True).indices.tolist() == [[0]] * 4
