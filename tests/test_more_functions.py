"""Functions that programs call by PyTorch's rarer names: expected values are from paper or NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F

# ---- gradient: the slope of sampled values


def test_gradient_of_a_parabola_is_exact_inside_and_with_three_points_everywhere(backend):
    x = tg.tensor([0.0, 1.0, 3.0, 4.0, 7.0], dtype=tg.float64)
    wanted = (2 * x).tolist()
    assert tg.gradient(x**2, spacing=(x,))[0][1:-1].tolist() == pytest.approx(wanted[1:-1])
    assert tg.gradient(x**2, spacing=(x,), edge_order=2)[0].tolist() == pytest.approx(wanted)
    even = tg.arange(5.0) * 0.5
    assert tg.gradient(even**2, spacing=0.5, edge_order=2)[0].tolist() == (2 * even).tolist()


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient_is_numpys(edge_order, backend):
    values = np.random.default_rng(0).normal(size=(4, 5, 3))
    places = np.array([0.0, 0.5, 2.0, 2.25, 4.0])
    found = tg.gradient(tg.tensor(values), spacing=[2.0, 0.5, 3.0], edge_order=edge_order)
    for ours, theirs in zip(found, np.gradient(values, 2.0, 0.5, 3.0, edge_order=edge_order), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    (found,) = tg.gradient(tg.tensor(values), spacing=(tg.tensor(places),), dim=1, edge_order=edge_order)
    np.testing.assert_allclose(
        found, np.gradient(values, places, axis=1, edge_order=edge_order), rtol=1e-12, atol=1e-12
    )


def test_gradient_of_coordinates_has_its_own_derivative():
    x = (tg.arange(4) + tg.rand(4) / 2).double().requires_grad_()
    y = tg.rand(4, dtype=tg.float64).requires_grad_()
    slope = lambda x, y: tg.gradient(y, spacing=(x,), edge_order=2)[0]
    assert tg.autograd.gradcheck(slope, (x, y)) and tg.autograd.gradgradcheck(slope, (x, y))


GRADIENT_REFUSED = {
    "one point": lambda: tg.gradient(tg.ones(1)),
    "two points for three": lambda: tg.gradient(tg.ones(2), edge_order=2),
    "another order": lambda: tg.gradient(tg.ones(5), edge_order=3),
    "bytes": lambda: tg.gradient(tg.ones(5, dtype=tg.uint8)),
    "a dimension twice": lambda: tg.gradient(tg.ones(5, 5), dim=(0, 0)),
    "too few distances": lambda: tg.gradient(tg.ones(5, 5), spacing=[1.0]),
    "too few coordinates": lambda: tg.gradient(tg.ones(5), spacing=(tg.arange(4.0),)),
    "a matrix of coordinates": lambda: tg.gradient(tg.ones(5), spacing=(tg.ones(5, 5),)),
}


@pytest.mark.parametrize("call", GRADIENT_REFUSED.values(), ids=GRADIENT_REFUSED)
def test_gradient_refuses(call):
    with pytest.raises(RuntimeError):
        call()


# ---- sum_to_size


def test_sum_to_size_undoes_a_broadcast():
    x = tg.arange(24.0).reshape(2, 3, 4).requires_grad_()
    assert x.sum_to_size(3, 1).tolist() == x.detach().sum(0).sum(-1, keepdim=True).tolist()
    assert tg.equal(x.sum_to_size((2, 3, 4)), x) and x.sum_to_size(()).item() == 276
    x.sum_to_size(4).mul(tg.arange(4.0)).sum().backward()
    assert tg.equal(x.grad, tg.arange(4.0).expand(2, 3, 4))
    for size in ((2, 4), (1, 1, 1, 1), (5,)):
        with pytest.raises(RuntimeError, match="not expandable"):
            x.sum_to_size(size)


# ---- histograms


def test_histogram_is_numpys(backend):
    values, weights = np.random.default_rng(0).normal(size=(2, 200))
    for how in ({}, {"range": (-1.0, 2.0)}, {"range": (-1.0, 2.0), "density": True}):
        found = tg.histogram(tg.tensor(values), 7, **how)
        hist, edges = np.histogram(values, 7, **how)
        np.testing.assert_allclose(found.hist, hist)
        np.testing.assert_allclose(found.bin_edges, edges, rtol=1e-12, atol=1e-12)
    found = tg.tensor(values).histogram(tg.tensor([-1.0, 0.0, 0.25, 2.0]).double(), weight=tg.tensor(weights))
    np.testing.assert_allclose(found.hist, np.histogram(values, [-1, 0, 0.25, 2], weights=weights)[0])


def test_histogram_of_a_plane_is_numpys(backend):
    points = np.random.default_rng(0).uniform(size=(100, 2))
    found = tg.histogramdd(tg.tensor(points), [3, 4], range=(0.0, 1.0, 0.0, 0.5), density=True)
    hist, edges = np.histogramdd(points, [3, 4], range=[(0, 1), (0, 0.5)], density=True)
    np.testing.assert_allclose(found.hist, hist)
    for ours, theirs in zip(found.bin_edges, edges, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_numbers_of_parts_may_be_numpys_or_tensors(backend):
    points = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    wanted = tg.histogramdd(points, 2).hist
    for bins in (np.int64(2), tg.tensor(2), [tg.tensor(2), np.int64(2)]):
        assert tg.equal(tg.histogramdd(points, bins).hist, wanted)
    assert tg.histogram(points, np.int64(2)).hist.tolist() == [2, 2]
    for bins in (tg.tensor(2.0), tg.tensor(True)):
        with pytest.raises(TypeError):
            tg.histogramdd(points, bins)


def test_what_lies_on_an_edge_belongs_to_the_part_behind_it_and_the_last_has_both():
    edges = tg.linspace(0, 1, 11)
    assert tg.histogram(edges, 10).hist.tolist() == [1.0] * 9 + [2.0]
    found = tg.histogram(tg.tensor([float("nan"), -1.0, 0.5, 2.0]), 2, range=(0, 1))
    assert found.hist.tolist() == [0.0, 1.0]
    assert tg.histogram(tg.ones(3), 2).bin_edges.tolist() == [0.5, 1.0, 1.5]
    assert tg.histogram(tg.empty(0), 2).bin_edges.tolist() == [0.0, 0.5, 1.0]


HISTOGRAM_REFUSED = {
    "no parts": lambda: tg.histogram(tg.ones(3), 0),
    "a range that is turned": lambda: tg.histogram(tg.ones(3), 2, range=(1, 0)),
    "a range without end": lambda: tg.histogram(tg.ones(3), 2, range=(0, float("inf"))),
    "NaN": lambda: tg.histogram(tg.tensor([float("nan")]), 2),
    "integers": lambda: tg.histogram(tg.tensor([1, 2]), 2),
    "edges of another dtype": lambda: tg.histogram(tg.ones(3), tg.tensor([0.0, 1.0]).double()),
    "weights of another dtype": lambda: tg.histogram(tg.ones(3), 2, weight=tg.ones(3).double()),
    "too few weights": lambda: tg.histogram(tg.ones(3), 2, weight=tg.ones(2)),
    "points without a dimension": lambda: tg.histogramdd(tg.ones(3), [2]),
    "too few sequences": lambda: tg.histogramdd(tg.ones(3, 2), [2]),
}


@pytest.mark.parametrize("call", HISTOGRAM_REFUSED.values(), ids=HISTOGRAM_REFUSED)
def test_histogram_refuses(call):
    with pytest.raises(RuntimeError):
        call()


# ---- tensors on memory of others


def test_frombuffer_shows_the_memory_of_others():
    memory = bytearray(range(8))
    t = tg.frombuffer(memory, dtype=tg.int16, offset=2, count=2)
    assert t.tolist() == [0x0302, 0x0504]
    memory[2] = 255
    t[1] = -1
    assert t[0].item() == 0x03FF and memory[4:6] == b"\xff\xff"
    assert tg.frombuffer(memory, dtype=tg.bfloat16).shape == (4,)
    assert tg.frombuffer(bytearray(4), dtype=tg.float32, requires_grad=True).requires_grad


def test_memory_that_must_not_be_written_stays_as_it_is():
    t = tg.frombuffer(b"ab", dtype=tg.uint8)
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)


@pytest.mark.parametrize(
    "how",
    [{"count": 5}, {"count": 0}, {"offset": 8}, {"offset": -1}, {"offset": 1}],
    ids=["too many", "none", "past the end", "before", "a part of one"],
)
def test_frombuffer_refuses(how):
    with pytest.raises(ValueError):
        tg.frombuffer(bytearray(8), dtype=tg.int16, **how)


# ---- windows


def test_windows_are_numpys():
    for ours, theirs in (
        (tg.hann_window, np.hanning), (tg.hamming_window, np.hamming), (tg.blackman_window, np.blackman),
        (tg.bartlett_window, np.bartlett),
    ):  # fmt: skip
        for size in (1, 2, 9):
            np.testing.assert_allclose(ours(size, False, dtype=tg.float64), theirs(size), atol=1e-15)
        np.testing.assert_allclose(ours(8, dtype=tg.float64), theirs(9)[:-1], atol=1e-15)
        assert ours(0).shape == (0,)
    np.testing.assert_allclose(tg.kaiser_window(9, False, 5.0, dtype=tg.float64), np.kaiser(9, 5.0))
    with pytest.raises(RuntimeError):
        tg.hann_window(-1)
    with pytest.raises(RuntimeError):
        tg.hann_window(3, dtype=tg.int64)


# ---- forms without a module


def test_forms_of_losses_by_number():
    x, y = tg.rand(3, 2).double(), tg.rand(3, 2).double()
    sign = tg.tensor([1.0, -1.0, 1.0]).double()
    calls = {
        "margin_ranking_loss": (x, y, y.sign(), 0.5),
        "hinge_embedding_loss": (x, y.sign(), 2.0),
        "cosine_embedding_loss": (x, y, sign, 0.1),
        "kl_div": (x, y),
    }
    for name, args in calls.items():
        for number, word in enumerate(("none", "mean", "sum")):
            assert tg.equal(getattr(tg, name)(*args, number), getattr(F, name)(*args, reduction=word))
    found = tg.poisson_nll_loss(x, y, True, True, 1e-8, 1)
    assert tg.equal(found, F.poisson_nll_loss(x, y, full=True))
    assert tg.equal(tg.kl_div(x, y), tg.kl_div(x, y, 0))


def test_dropout_by_position_draws_what_the_layer_draws():
    x = tg.rand(4, 3, 2)
    for ours, theirs in ((tg.dropout, F.dropout), (tg.alpha_dropout, F.alpha_dropout)):
        tg.manual_seed(1)
        wanted = theirs(x, 0.4, True)
        tg.manual_seed(1)
        assert tg.equal(ours(x, 0.4, True), wanted)
        assert tg.equal(ours(x, 0.4, False), x)
    y = x.clone()
    assert tg.dropout_(y, 1.0, True) is y and not y.any()


# ---- in place, element by element


def test_a_python_function_changes_elements():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.t().apply_(lambda v: v * 10).tolist() == [[10.0, 30.0], [20.0, 40.0]]
    assert x.map_(tg.tensor([1.0, 2.0]), lambda a, b: a + b).tolist() == [[11.0, 22.0], [31.0, 42.0]]
    with pytest.raises(RuntimeError, match="requires grad"):
        tg.ones(2, requires_grad=True).apply_(abs)


def test_methods_as_functions():
    x = tg.ones(2, 2)
    assert tg.zero_(x) is x and not x.any()
    assert tg.fill_(x, 2) is x and x.sum() == 8
    assert tg.index_put_(x, (tg.tensor([0]),), tg.tensor(5.0)) is x and x[0].tolist() == [5.0, 5.0]
    assert [row.tolist() for row in reversed(x)] == [[2.0, 2.0], [5.0, 5.0]]
    y = x.detach()
    assert x.is_set_to(y) and not x.is_set_to(y.clone()) and not x.is_set_to(y.view(4))
    with pytest.raises(TypeError):
        tg.zero_(3)
