"""Sorting, searching, distinct elements, and running sums: what the table of samples can't know."""

import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.autograd import gradcheck, gradgradcheck

NAN, INF = float("nan"), float("inf")


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def both_backends(request):
    with tg.backend(request.param):
        yield


def leaf(values):
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


# ---------------------------------------------------------------------------- sort and topk


@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_keep_their_order(descending):
    x = np.random.default_rng(0).integers(0, 4, (3, 50))
    indices = tg.sort(tg.tensor(x), 1, descending).indices.numpy()
    expected = np.argsort(-x if descending else x, 1, kind="stable")
    assert (indices == expected).all()
    assert (tg.argsort(tg.tensor(x), 1, descending).numpy() == expected).all()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
def test_many_floats_among_them_equal_ones_and_nan_keep_their_order(dim, descending):
    x = np.random.default_rng(0).standard_normal((40, 60)).astype(np.float32)
    x[3, 5:20], x[7, 30], x[9, ::7] = 1.5, NAN, NAN
    found = tg.sort(tg.tensor(x), dim, descending).indices.numpy()
    key = np.flip(x, dim) if descending else x
    expected = np.argsort(key, dim, kind="stable")
    assert (found == (x.shape[dim] - 1 - np.flip(expected, dim) if descending else expected)).all()


def test_nan_is_sorted_as_the_largest():
    x = tg.tensor([2.0, NAN, INF, 1.0])
    assert tg.sort(x).indices.tolist() == [3, 0, 2, 1]
    assert tg.sort(x, descending=True).indices.tolist() == [1, 2, 0, 3]
    assert tg.topk(x, 2).indices.tolist() == [1, 2]
    assert tg.topk(x, 2, largest=False).indices.tolist() == [3, 0]


def test_the_forms_of_sort():
    x = tg.tensor([[3, 1], [2, 4]])
    assert tg.sort(x, stable=True, dim=0).values.tolist() == [[2, 1], [3, 4]]
    assert (
        x.sort(0, True)[0].tolist() == tg.sort(x, axis=0, descending=True).values.tolist() == [[3, 4], [2, 1]]
    )
    assert tg.msort(x).tolist() == [[2, 1], [3, 4]]
    assert tg.sort(tg.tensor([True, False])).values.tolist() == [False, True]
    assert tg.sort(tg.tensor(2.0)).indices.item() == 0
    with pytest.raises(TypeError):
        tg.sort(x, True)
    with pytest.raises(IndexError):
        tg.sort(x, 2)


def test_sorted_values_send_their_gradients_home():
    x = tg.tensor([3.0, 1.0, 2.0], requires_grad=True)
    (tg.sort(x).values * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [0, 1, 3, 20])
def test_topk_is_the_head_of_the_sorted(k, largest):
    x = np.random.default_rng(0).permutation(60).reshape(3, 20).astype(np.float32)
    for dim, array in ((1, x), (0, x.T)):
        found = tg.topk(tg.tensor(array), k, dim, largest)
        expected = tg.sort(tg.tensor(array), dim, largest)
        assert found.values.tolist() == expected.values.narrow(dim, 0, k).tolist()
        assert found.indices.tolist() == expected.indices.narrow(dim, 0, k).tolist()


def test_topk_refuses_more_than_there_are():
    for k in (-1, 4):
        with pytest.raises(RuntimeError, match="out of range"):
            tg.topk(tg.ones(3), k)


# ---------------------------------------------------------------------------- distinct elements


def test_unique_with_inverse_and_counts():
    x = tg.tensor([[3, 1], [3, 2]])
    values, inverse, counts = tg.unique(x, return_inverse=True, return_counts=True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 3], [[2, 0], [2, 1]], [1, 1, 2])
    values, counts = tg.unique(x, return_counts=True)
    assert counts.tolist() == [1, 1, 2]
    assert isinstance(tg.unique(x), tg.Tensor)


def test_every_nan_is_one_of_its_own():
    assert len(tg.unique(tg.tensor([NAN, 1.0, NAN]))) == 3
    assert len(tg.unique_consecutive(tg.tensor([NAN, NAN, 1.0, 1.0]))) == 3


def test_unique_rows_and_columns():
    x = tg.tensor([[1, 2, 1], [0, 5, 0], [1, 2, 1]])
    rows, inverse = tg.unique(x, dim=0, return_inverse=True)
    assert rows.tolist() == [[0, 5, 0], [1, 2, 1]] and inverse.tolist() == [1, 0, 1]
    assert tg.unique(x, dim=1).tolist() == [[1, 2], [0, 5], [1, 2]]


def test_runs():
    values, inverse, counts = tg.unique_consecutive(
        tg.tensor([1, 1, 2, 1]), return_inverse=True, return_counts=True
    )
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 1], [0, 0, 1, 2], [2, 1, 1])
    assert tg.unique_consecutive(tg.tensor([[1, 2], [1, 2], [3, 4]]), dim=0).tolist() == [[1, 2], [3, 4]]
    assert tg.unique_consecutive(tg.zeros(0)).shape == (0,)


# ---------------------------------------------------------------------------- search


def test_search_left_and_right():
    rows, x = tg.tensor([1, 3, 3, 5]), tg.tensor([[0, 3], [4, 9]])
    assert tg.searchsorted(rows, x).tolist() == [[0, 1], [3, 4]]
    assert (
        tg.searchsorted(rows, x, right=True).tolist()
        == tg.searchsorted(rows, x, side="right").tolist()
        == [[0, 3], [3, 4]]
    )
    assert tg.searchsorted(rows, 3).item() == 1
    assert tg.searchsorted(rows, 3.5).item() == 3
    assert tg.searchsorted(rows, x, out_int32=True).dtype is tg.int32
    assert tg.bucketize(x, rows).tolist() == [[0, 1], [3, 4]]


def test_search_row_by_row_and_by_a_sorter():
    rows, x = tg.tensor([[1, 3, 5], [2, 4, 6]]), tg.tensor([[3, 6], [3, 6]])
    assert tg.searchsorted(rows, x).tolist() == [[1, 3], [1, 2]]
    mixed = tg.tensor([5, 1, 3])
    assert tg.searchsorted(mixed, tg.tensor([3]), sorter=tg.argsort(mixed)).tolist() == [1]


def test_nan_belongs_behind_everything():
    assert tg.searchsorted(tg.tensor([1.0, 2.0]), tg.tensor([NAN])).tolist() == [2]


@pytest.mark.parametrize(
    "settings",
    [
        dict(side="middle"),
        dict(side="left", right=True),
        dict(sorter=tg.tensor([0, 1])),
        dict(sorter=tg.tensor([0.0, 1.0, 2.0])),
        dict(sorter=tg.tensor([0, 1, 3])),
    ],
    ids=["side", "contradiction", "short", "floats", "range"],
)
def test_search_refuses_what_contradicts_itself(settings):
    with pytest.raises(RuntimeError):
        tg.searchsorted(tg.tensor([1, 3, 5]), tg.tensor([3]), **settings)


# ---------------------------------------------------------------------------- scans


def test_running_sums_of_small_integers_are_int64():
    assert tg.cumsum(tg.tensor([100, 100], dtype=tg.int8), 0).tolist() == [100, 200]
    assert tg.cumsum(tg.tensor([True, True]), 0).dtype is tg.int64
    assert tg.cumsum(tg.tensor([100, 100]), 0, dtype=tg.int8).dtype is tg.int8
    assert tg.cumprod(tg.tensor([2, 3]), 0, dtype=tg.float64).tolist() == [2.0, 6.0]


def test_running_sum_in_place():
    x = tg.tensor([1.0, 2.0, 3.0])
    assert x.cumsum_(0) is x and x.tolist() == [1.0, 3.0, 6.0]


@pytest.mark.parametrize(
    "values", [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0, 5.0], [0.0, 3.0, 0.0, 2.0]], ids=["none", "one", "two"]
)
def test_gradient_of_running_products_with_zeros(values):
    assert gradcheck(lambda x: tg.cumprod(x, 0), leaf(values))
    assert gradgradcheck(lambda x: tg.cumprod(x, 0), leaf(values))


def test_gradient_of_running_products_along_any_dimension_with_zeros():
    x = leaf([[1.0, 0.0, 3.0], [0.0, 5.0, 0.0], [1.0, 2.0, 3.0]])
    for dim in (0, 1):
        assert gradcheck(lambda t, dim=dim: tg.cumprod(t, dim), x)
        assert gradgradcheck(lambda t, dim=dim: tg.cumprod(t, dim), x)


def test_the_last_of_several_running_extremes_is_named():
    values, indices = tg.cummax(tg.tensor([1.0, 2.0, 2.0, 1.0]), 0)
    assert values.tolist() == [1.0, 2.0, 2.0, 2.0] and indices.tolist() == [0, 1, 2, 2]
    assert tg.cummin(tg.tensor([1.0, 1.0, 2.0, 1.0]), 0).indices.tolist() == [0, 1, 1, 3]


def test_nan_stays_the_running_extreme():
    values, indices = tg.cummax(tg.tensor([1.0, NAN, 5.0]), 0)
    assert math.isnan(values[2].item()) and indices.tolist() == [0, 1, 1]


def test_running_extremes_add_up_the_gradients_of_one_element():
    x = tg.tensor([1.0, 3.0, 2.0], requires_grad=True)
    tg.cummax(x, 0).values.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 0.0]


def test_logcumsumexp_without_overflow():
    x = tg.tensor([1000.0, 1000.0, -INF], dtype=tg.float64, requires_grad=True)
    found = tg.logcumsumexp(x, 0)
    assert found.tolist() == pytest.approx([1000.0, 1000.0 + math.log(2), 1000.0 + math.log(2)])
    found[1].backward()
    assert x.grad.tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert tg.logcumsumexp(tg.tensor([-INF, -INF]), 0).tolist() == [-INF, -INF]


def test_differences():
    assert tg.diff(tg.tensor([1, 4, 2]), 5).shape == (0,)
    assert tg.diff(tg.tensor([1, 4, 2]), prepend=tg.tensor([0])).tolist() == [1, 3, -2]
    assert tg.diff(tg.tensor([True, False, False])).tolist() == [True, False]
    assert tg.diff(tg.tensor([[1, 4], [2, 8]]), dim=0).tolist() == [[1, 4]]
    with pytest.raises(RuntimeError, match="one-dimensional"):
        tg.diff(tg.tensor(1))
    with pytest.raises(RuntimeError, match="non-negative"):
        tg.diff(tg.tensor([1, 2]), -1)


def test_areas():
    y, x = tg.tensor([1.0, 4.0, 2.0]), tg.tensor([0.0, 1.0, 3.0])
    assert tg.trapezoid(y).item() == tg.trapz(y).item() == 5.5
    assert tg.trapezoid(y, x).item() == 8.5
    assert tg.cumulative_trapezoid(y, x).tolist() == [2.5, 8.5]
    assert tg.trapezoid(y, dx=2.0).item() == 11.0
    assert tg.trapezoid(tg.zeros(0)).item() == 0.0
    with pytest.raises(TypeError):
        tg.trapezoid(y, x, dx=1.0)


@pytest.mark.parametrize("dtype", [tg.uint8, tg.int8, tg.int16, tg.int32, tg.int64])
def test_numbers_past_the_dtype_are_searched_for_all_the_same(dtype):
    rows = tg.tensor([1, 5], dtype=dtype)
    for number, place in ((2**63 - 1, 2), (300, 2), (-1, 0), (-300, 0), (-(2**63), 0), (1.5, 1), (1e300, 2)):
        assert tg.searchsorted(rows, number).item() == place
        assert tg.bucketize(number, rows).item() == place


@pytest.mark.parametrize("count", [0, 1])
def test_the_gradient_of_a_product_of_one_needs_no_product(count):
    x = tg.ones(count, dtype=tg.float64, requires_grad=True)
    products = x.cumprod(0)
    (slope,) = tg.autograd.grad(products.sum(), x, create_graph=True)
    total = (slope * x).sum()
    products *= 2
    assert tg.autograd.grad(total, x)[0].tolist() == [1.0] * count
