"""The kernels that read and write by indices: against NumPy, in guarded memory; indices that name nothing."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels

rng = np.random.default_rng(0)
# outer, indices, inner, extent
SHAPES = [
    (1, 5, 1, 7), (3, 40, 1, 9), (2, 3, 4, 5), (1, 6, 300, 4), (700, 9, 1, 5), (5, 3, 257, 2), (2, 0, 3, 4)
]  # fmt: skip
PUTS = ("index_copy", "scatter")
SUMS = ("index_reduce", "scatter_reduce")
MODES = {"sum": 0, "prod": 1, "amax": 2, "amin": 3, "mean": 4}


def drawn(shape, dtype):
    return np.asarray(rng.integers(-9, 9, shape)).astype(dtype)


def indices(name, a, b, c, d):
    """One index for all lines, or one for every element."""
    shared = name.startswith("index")
    return rng.integers(-d if shared else 0, d, (b,) if shared else (a, b, c))


def spread(index, a, b, c, d):
    """The index of every element, counted from 0."""
    wide = np.broadcast_to(index[:, None], (a, b, c)) if index.ndim == 1 else index
    return np.where(wide < 0, wide + d, wide)


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["index_select", "gather"])
def test_elements_are_picked(name, shape, dtype):
    a, b, c, d = shape
    extra = (0, 0) if name == "index_select" else (2, 0 if c > 1 and a > 1 else 1)  # lines that no index has
    table = drawn((a + extra[0], d, c + extra[1]), dtype)
    index, out = indices(name, *shape), Guarded((a, b, c), dtype)
    _, wrong = _kernels.apply(name, table=table, index=index, out=out.array, from_end=int(index.ndim == 1))
    expected = np.take_along_axis(table[:a, :, :c], spread(index, *shape), 1)
    np.testing.assert_array_equal(out.array, expected)
    assert not wrong
    out.check()


@pytest.mark.parametrize("dtype", ["?", "i2", "i4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PUTS)
def test_the_last_of_several_elements_for_a_place_stays(name, shape, dtype):
    a, b, c, d = shape
    source, index = drawn((a, b, c), dtype), indices(name, *shape)
    table = Guarded((a, d, c), dtype)
    table.array[...] = 1
    expected, wide = np.ones((a, d, c), dtype), spread(index, *shape)
    for r in range(b):
        np.put_along_axis(expected, wide[:, r : r + 1], source[:, r : r + 1], 1)
    from_end = int(index.ndim == 1)
    _, wrong = _kernels.apply(name, source=source, index=index, table=table.array, from_end=from_end)
    np.testing.assert_array_equal(table.array, expected)
    assert not wrong
    table.check()


@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["i8", "f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SUMS)
def test_what_comes_for_a_place_is_put_together(name, shape, dtype, mode, include):
    a, b, c, d = shape
    source, index = drawn((a, b, c), dtype), indices(name, *shape)
    before = drawn((a, d, c), dtype)
    table = Guarded((a, d, c), dtype)
    table.array[...] = before
    expected, wide = before.copy(), spread(index, *shape)
    for o, r, i in np.ndindex(a, d, c):
        found = source[o, wide[o, :, i] == r, i]
        found = np.append(before[o, r, i], found) if include else found
        if len(found) > include:
            expected[o, r, i] = {
                "sum": np.sum, "prod": np.prod, "amax": np.max, "amin": np.min,
                "mean": np.mean if dtype[0] == "f" else lambda values: values.sum() // values.size,
            }[mode](found)  # fmt: skip
    _, wrong = _kernels.apply(
        name, source=source, index=index, table=table.array, from_end=int(index.ndim == 1), mode=MODES[mode],
        include=include,
    )  # fmt: skip
    np.testing.assert_allclose(table.array, expected, 1e-6)
    assert not wrong
    table.check()


@pytest.mark.parametrize("bad", [4, -5, 2**62, -(2**63)])
@pytest.mark.parametrize("name", ["index_select", "gather", *PUTS, *SUMS])
def test_an_index_that_names_nothing_is_told(name, bad):
    for shape in ((2, 3, 1, 4), (3, 3, 5, 4), (1, 5000, 1, 4), (3, 2, 600, 4)):
        a, b, c, d = shape
        index = np.zeros((b,) if name.startswith("index") else (a, b, c), np.int64)
        index.flat[index.size // 2] = bad
        table, out = Guarded((a, d, c), "f4"), Guarded((a, b, c), "f4")
        settings = {"from_end": 1, **({"mode": 0, "include": 1} if name in SUMS else {})}
        reads = name in ("index_select", "gather")
        operands = {"out": out.array} if reads else {"source": np.ones((a, b, c), "f4")}
        *_, wrong = _kernels.apply(name, table=table.array, index=index, **operands, **settings)
        assert wrong == 1
        table.check()
        out.check()


@pytest.mark.parametrize("name", ["index_select", "gather", *PUTS, *SUMS])
def test_any_number_of_threads_gives_the_same_bytes(name):
    settings = {"from_end": 1, **({"mode": 0, "include": 1} if name in SUMS else {})}
    for shape in ((600, 300, 1, 50), (3, 50, 900, 40), (1, 90000, 1, 7)):
        a, b, c, d = shape
        settings["index"] = indices(name, *shape)
        table, source = (rng.standard_normal((a, n, c)).astype("f4") for n in (d, b))
        given = {} if name in ("index_select", "gather") else {"source": source}

        def work(table=table, given=given):
            return _kernels.apply(name, table=table.copy(), **given, **settings)[:1]

        same_by_any_threads(work)


@pytest.mark.parametrize("rows, classes", [(1, 1), (5, 7), (3000, 4), (2, 9000)])
def test_one_hot_rows(rows, classes):
    index, out = rng.integers(0, classes, rows), Guarded((rows, classes), "i8")
    _, wrong = _kernels.apply("one_hot", classes=index, out=out.array)
    np.testing.assert_array_equal(out.array, np.eye(classes, dtype=int)[index])
    assert not wrong
    for bad in (classes, -1):
        index[rows // 2] = bad
        assert _kernels.apply("one_hot", classes=index, out=out.array)[1] == 1
    out.check()


@pytest.mark.parametrize("share", [0, 0.3, 1])
@pytest.mark.parametrize("count", [1, 7, 5000])
def test_the_places_where_a_mask_is_true(count, share):
    mask, out = rng.random(count) < share, Guarded((count,), "i8")
    _, number = _kernels.apply("positions", mask=mask, out=out.array)
    np.testing.assert_array_equal(out.array[: number[0]], np.flatnonzero(mask))
    out.check()


def test_calls_by_names_are_refused_that_would_leave_the_table():
    index, values = np.zeros((2, 3, 4), int), np.ones((2, 3, 4), "f4")
    small, sums = np.ones((1, 5, 4), "f4"), {"mode": 0, "include": 1}
    for name, given in (
        ("gather", {"out": values}),
        ("scatter", {"source": values}),
        ("scatter_reduce", {"source": values, **sums}),
    ):
        with pytest.raises(ValueError, match="fewer lines"):
            _kernels.apply(name, table=small, index=index, from_end=0, **given)
    with pytest.raises(ValueError, match="no such mode"):
        _kernels.apply(
            "index_reduce", source=values, index=index[0, :, 0], table=np.ones((2, 5, 4), "f4"),
            from_end=0, mode=9, include=1,
        )  # fmt: skip


# ---- the ops, where the table of samples does not go


def both(call):
    """What a call gives by kernels and by NumPy bodies."""
    before, found = tg.get_backend(), []
    for backend in ("kernels", "numpy"):
        tg.set_backend(backend)
        try:
            found.append(call())
        finally:
            tg.set_backend(before)
    return found


@pytest.mark.parametrize("wide", [(6, 5, 4), (2, 5, 4), (6, 5, 2), (3, 2, 2)])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_an_index_may_be_smaller_than_the_tensor(wide, dim):
    shape = (6, 5, 4)
    x, index = tg.rand(shape), tg.randint(0, shape[dim], wide)
    src = tg.rand(wide)
    for call in (
        lambda: x.gather(dim, index),
        lambda: x.transpose(0, 1).contiguous().transpose(0, 1).gather(dim, index),
        lambda: x.scatter_add(dim, index, src),
        lambda: x.scatter_reduce(dim, index, src, "amax", include_self=False),
        lambda: x.scatter_reduce(dim, index, src, "mean"),
        lambda: x.gather(dim, index.int()),
    ):
        kernel, body = both(call)
        assert tg.allclose(kernel, body)


def test_an_index_expanded_over_rows_is_one_of_whole_rows():
    x, index = tg.rand(5, 3), tg.tensor([4, 0, 4])[:, None].expand(3, 3)
    assert x.gather(0, index).equal(x[index[:, 0]])
    added = tg.zeros(5, 3).scatter_add(0, index, tg.ones(3, 3))
    assert added.equal(tg.zeros(5, 3).index_add(0, index[:, 0], tg.ones(3, 3)))


def test_an_index_of_one_tensor_among_plain_parts():
    array = np.arange(120.0).reshape(2, 3, 4, 5)
    x, i = tg.tensor(array), np.array([2, 0, -1])
    t = tg.tensor(i)
    for ours, numpy in (
        (x[:, t], array[:, i]),
        (x[1, t], array[1, i]),
        (x[..., t, :], array[..., i, :]),
        (x[0, ..., t], array[0][..., i]),
        (x[:, 1:, t.int()], array[:, 1:, i]),
        (x[None, :, t, 1:2], array[None][:, :, i, 1:2]),
        (x[:, t[:, None]], array[:, i[:, None]]),
        (x[:, t, 0], array[:, :, 0][:, i]),
    ):
        np.testing.assert_array_equal(ours.numpy(), numpy)
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 1 with size 3"):
        x[:, tg.tensor([3])]
    with pytest.raises(IndexError, match="too many indices"):
        x[0, 0, 0, 0, t]


def test_gradients_of_negative_indices_go_home():
    x = tg.zeros(3, 4, requires_grad=True)
    x[:, tg.tensor([-1, 0, -1])].sum().backward()
    assert x.grad.tolist() == [[1, 0, 0, 2]] * 3


def test_masks_choose_and_are_written_at():
    array = rng.standard_normal((3, 4, 5))
    x = tg.tensor(array, requires_grad=True)
    for mask in (array > 0, array[:, :, 0] > 0, array[:, 0, 0] > 0, np.zeros((3, 4), bool)):
        found = x[tg.tensor(mask)]
        np.testing.assert_array_equal(found.detach().numpy(), array[mask])
        x.grad = None
        (found * found).sum().backward()
        wide = mask.reshape(mask.shape + (1,) * (3 - mask.ndim))
        np.testing.assert_array_equal(x.grad.numpy(), np.where(wide, 2 * array, 0))
    turned, mask = x.detach().transpose(0, 2), tg.tensor(array > 0).transpose(0, 2)
    flipped = array.transpose(2, 1, 0)
    np.testing.assert_array_equal(turned[mask].numpy(), flipped[flipped > 0])
    assert turned.masked_select(mask).equal(turned[mask])
    with pytest.raises(IndexError, match="does not match"):
        x[tg.ones(3, 5, dtype=tg.bool)]
    y = x.detach().clone()
    y[y > 0] = 7
    np.testing.assert_array_equal(y.numpy(), np.where(array > 0, 7, array))


@pytest.mark.parametrize("dtype", [tg.bool, tg.int32, tg.int64, tg.bfloat16, tg.float32], ids=str)
def test_writes_at_indices_are_those_of_numpy(dtype):
    array = rng.integers(0, 2, (4, 5, 6))
    i, j = np.array([2, 0, -1, 2]), np.array([1, 1, 4, 0])
    whole = slice(None)
    for index in ((i,), (whole, i), (i, j), (whole, i, j), (..., i), (0, i), (slice(None, None, 2), i)):
        x = tg.tensor(array).to(dtype)
        expected = array.copy()
        value = rng.integers(0, 2, expected[index].shape)
        value[...] = value[:1] if index[0] is i else value  # of equal places either may stay
        ours = tuple(tg.tensor(each) if isinstance(each, np.ndarray) else each for each in index)
        version = x._version
        x[ours] = tg.tensor(value).to(dtype)
        expected[index] = value
        np.testing.assert_array_equal(x.long().numpy(), expected)
        assert x._version > version
        x[ours] = 1
        expected[index] = 1
        np.testing.assert_array_equal(x.long().numpy(), expected)
    x = tg.zeros(5, dtype=dtype)
    x.index_put_((tg.tensor([1, 1, 3]),), tg.ones(3, dtype=dtype), accumulate=True)
    assert x.long().tolist() == [0, 1 if dtype is tg.bool else 2, 0, 1, 0]


def test_a_write_of_what_lies_in_the_tensor_itself():
    x = tg.arange(6.0)
    x[tg.tensor([0, 1, 2, 3, 4])] = x[1:]
    assert x.tolist() == [1, 2, 3, 4, 5, 5]


def test_a_number_is_scattered_and_not_added():
    x, index = tg.zeros(2, 3), tg.tensor([[0], [1]])
    assert x.scatter(1, index, 2.0).sum() == 4.0
    with pytest.raises(TypeError):
        x.scatter_add(1, index, 2.0)
