"""Softmax and layer norms: what the table of samples can't know."""

import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.autograd import gradcheck, gradgradcheck

F = tg.nn.functional
INF = float("inf")


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def both_backends(request):
    with tg.backend(request.param):
        yield


def floats(*shape):
    return tg.tensor(np.random.default_rng(0).standard_normal(shape))


# ---------------------------------------------------------------------------- softmax


def test_softmax_of_large_numbers():
    assert tg.softmax(tg.tensor([1e30, 1e30]), 0).tolist() == [0.5, 0.5]
    assert tg.softmax(tg.tensor([-INF, 0.0]), 0).tolist() == [0.0, 1.0]
    assert tg.log_softmax(tg.tensor([0.0, -1e30]), 0).tolist() == [0.0, -np.float32(1e30)]
    assert math.isnan(tg.softmax(tg.tensor([-INF, -INF]), 0)[0].item())


def test_softmax_adds_up_along_every_dimension():
    x = floats(2, 3, 4)
    for dim in range(-3, 3):
        np.testing.assert_allclose(tg.softmax(x, dim).sum(dim).numpy(), 1.0, rtol=1e-12)
        np.testing.assert_allclose(
            tg.log_softmax(x, dim).exp().numpy(), tg.softmax(x, dim).numpy(), rtol=1e-12
        )
        np.testing.assert_allclose(F.softmin(x, dim).numpy(), tg.softmax(-x, dim).numpy(), rtol=1e-12)


def test_softmax_in_another_dtype():
    assert tg.softmax(tg.tensor([1, 1]), 0, dtype=tg.float64).tolist() == [0.5, 0.5]
    assert F.log_softmax(tg.ones(2), 0, dtype=tg.float64).dtype is tg.float64
    with pytest.raises(NotImplementedError):
        tg.softmax(tg.tensor([1, 1]), 0)


def test_the_old_choice_of_the_dimension_warns():
    with pytest.warns(UserWarning, match="dim"):
        assert F.softmax(tg.zeros(2, 4)).tolist() == [[0.25] * 4] * 2
    with pytest.warns(UserWarning, match="dim"):
        assert F.softmax(tg.zeros(2)).tolist() == [0.5, 0.5]


def test_softmax_of_nothing_and_of_one_number():
    assert tg.softmax(tg.zeros(0, 3), 0).shape == tg.log_softmax(tg.zeros(3, 0), 1).T.shape == (0, 3)
    assert tg.softmax(tg.tensor(3.0), 0).item() == 1.0
    with pytest.raises(IndexError):
        tg.softmax(tg.ones(2), 1)


# ---------------------------------------------------------------------------- norms of layers


def test_layer_norm_by_its_formula():
    x, w, b = floats(2, 3, 4), floats(3, 4), floats(3, 4) + 1
    a = x.numpy()
    mean, var = a.mean((1, 2), keepdims=True), a.var((1, 2), keepdims=True)
    expected = (a - mean) / np.sqrt(var + 0.1) * w.numpy() + b.numpy()
    np.testing.assert_allclose(F.layer_norm(x, (3, 4), w, b, 0.1).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(
        F.layer_norm(x, [3, 4], weight=w, eps=0.1).numpy(), expected - b.numpy(), atol=1e-12
    )


def test_layer_norm_far_from_zero_keeps_its_digits():
    x = np.random.default_rng(0).standard_normal((2, 64)) + 1000
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    found = F.layer_norm(tg.tensor(x.astype(np.float32)), (64,))
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("norm", [F.layer_norm, F.rms_norm], ids=lambda f: f.__name__)
def test_the_normalized_shape_has_to_fit(norm):
    for shape in ((3,), (2, 3), (4, 2)):
        with pytest.raises(RuntimeError, match="normalized_shape"):
            norm(tg.ones(2, 4), shape)
    with pytest.raises(RuntimeError, match="weight"):
        norm(tg.ones(2, 4), (4,), tg.ones(3))


def test_rms_norm_adds_the_smallest_difference_unless_told():
    assert F.rms_norm(tg.zeros(1, 2), (2,)).tolist() == [[0.0, 0.0]]
    x = tg.tensor([[3.0, 4.0]], dtype=tg.float64)
    np.testing.assert_allclose(F.rms_norm(x, (2,), eps=0.5).numpy(), x.numpy() / np.sqrt(13.0), rtol=1e-12)


def test_group_norm_is_between_layer_norm_and_instance_norm():
    x = floats(2, 4, 5)
    np.testing.assert_allclose(F.group_norm(x, 1).numpy(), F.layer_norm(x, (4, 5)).numpy(), rtol=1e-10)
    np.testing.assert_allclose(F.group_norm(x, 4).numpy(), F.instance_norm(x).numpy(), rtol=1e-10)
    with pytest.raises(RuntimeError, match="divisible"):
        F.group_norm(x, 3)


def test_batch_norm_remembers_with_the_unbiased_variance():
    x = floats(6, 2, 3)
    mean, var = tg.zeros(2, dtype=tg.float64), tg.ones(2, dtype=tg.float64)
    found = F.batch_norm(x, mean, var, training=True, momentum=0.25)
    a = x.numpy()
    np.testing.assert_allclose(mean.numpy(), 0.25 * a.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * a.var((0, 2), ddof=1), rtol=1e-12)
    np.testing.assert_allclose(found.mean((0, 2)).numpy(), 0.0, atol=1e-12)


def test_batch_norm_outside_training_uses_what_it_remembers():
    x, mean, var = (
        floats(4, 2),
        tg.tensor([1.0, 2.0], dtype=tg.float64),
        tg.tensor([4.0, 9.0], dtype=tg.float64),
    )
    found = F.batch_norm(x, mean, var, eps=0.0)
    np.testing.assert_allclose(found.numpy(), (x.numpy() - [1.0, 2.0]) / [2.0, 3.0], rtol=1e-12)
    assert mean.tolist() == [1.0, 2.0]


def test_remembering_is_not_on_the_tape():
    x = floats(4, 2).requires_grad_()
    mean, var = tg.zeros(2, dtype=tg.float64), tg.ones(2, dtype=tg.float64)
    F.batch_norm(x, mean, var, training=True).sum().backward()
    assert not mean.requires_grad and not var.requires_grad
    assert x.grad is not None


def test_norms_of_a_single_value_are_refused_in_training():
    with pytest.raises(ValueError, match="more than 1 value"):
        F.batch_norm(tg.ones(1, 3), None, None, training=True)
    with pytest.raises(ValueError, match="spatial"):
        F.instance_norm(tg.ones(2, 3, 1))
    with pytest.raises(RuntimeError, match="evaluation"):
        F.batch_norm(tg.ones(2, 3), None, None)
    with pytest.raises(RuntimeError, match="running_mean"):
        F.batch_norm(tg.ones(2, 3), tg.ones(2), tg.ones(3))


@pytest.mark.parametrize("dims", [(1,), (0, 2), (0, 1, 2)], ids=str)
def test_standardizing_is_differentiable_twice_with_its_statistics(dims):
    x = floats(3, 4, 2).requires_grad_()
    assert gradcheck(lambda t: tg.ops._standardize(t, dims, 0.1), x)
    assert gradgradcheck(lambda t: tg.ops._standardize(t, dims, 0.1), x)


def test_instance_norm_remembers_the_mean_of_the_batch():
    x = floats(3, 2, 5)
    mean, var = tg.zeros(2, dtype=tg.float64), tg.zeros(2, dtype=tg.float64)
    F.instance_norm(x, mean, var, momentum=1.0)
    np.testing.assert_allclose(mean.numpy(), x.numpy().mean((0, 2)), rtol=1e-10)
    np.testing.assert_allclose(var.numpy(), x.numpy().var(2, ddof=1).mean(0), rtol=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_local_response_norm_by_its_formula(size):
    x = floats(2, 5, 3)
    a = x.numpy()
    near = np.zeros_like(a)
    for c in range(5):
        low, high = max(0, c - size // 2), min(5, c + (size - 1) // 2 + 1)
        near[:, c] = (a[:, low:high] ** 2).sum(1)
    expected = a / (2.0 + 0.5 * near / size) ** 0.7
    np.testing.assert_allclose(F.local_response_norm(x, size, 0.5, 0.7, 2.0).numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("size, neighbours", [(1, 0), (2, 0), (3, 1), (4, 1), (9, 4)])
def test_cross_map_lrn_looks_as_far_to_both_sides(size, neighbours):
    x = floats(2, 5, 3, 1)
    a = x.numpy()
    near = [(a[:, max(0, c - neighbours) : c + neighbours + 1] ** 2).sum(1) for c in range(5)]
    expected = a / (2.0 + 0.5 * np.stack(near, 1) / size) ** 0.7
    np.testing.assert_allclose(tg.nn.CrossMapLRN2d(size, 0.5, 0.7, 2)(x).numpy(), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="3-D"):
        tg.nn.CrossMapLRN2d(size)(x[0])


def test_native_group_norm_takes_the_sizes_that_it_is_given():
    x, weight = tg.arange(24.0).reshape(1, 2, 4, 3), tg.arange(4.0)
    found = tg.native_group_norm(x, weight, weight, 2, 4, 3, 2, 1e-5)[0]
    assert found.shape == x.shape
    wanted = F.group_norm(x.reshape(2, 4, 3), 2, weight, weight)
    np.testing.assert_array_equal(found.reshape(2, 4, 3), wanted)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tg.rand(1, 64, 20)[:, :4],
        lambda: tg.rand(6)[::6],
        lambda: tg.from_numpy(np.ones(5, "f4")[:, None]),
        lambda: tg.rand(3).expand(1, 3).t(),
        lambda: tg.rand(3, 200)[:1, :100],
        lambda: tg.rand(4, 5, 64)[:, 1:2],
        lambda: tg.rand(2, 30, 40).transpose(0, 1),
    ],
)
def test_softmax_over_a_dimension_of_one_whatever_its_stride(make):
    """Such a dimension may have any stride, and the tensor counts as contiguous."""
    for dim in range(make().ndim):
        for op in (F.softmax, F.log_softmax):
            x = make().detach().requires_grad_()
            with tg.backend("numpy"):
                expected = op(x, dim)
                g = tg.rand(*[3 * n for n in x.shape])[tuple(slice(n) for n in x.shape)]
                (slope,) = tg.autograd.grad(expected, x, g)
            found = op(x, dim)
            tg.testing.assert_close(found, expected)
            tg.testing.assert_close(tg.autograd.grad(found, x, g)[0], slope)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_softmax_of_columns_keeps_what_is_not_finite_in_its_column(bad):
    x = tg.rand(5, 70)
    x[2, 3] = bad
    x[:, 8] = bad
    for op in (F.softmax, F.log_softmax):
        with tg.backend("numpy"):
            expected = op(x, 0)
        tg.testing.assert_close(op(x, 0), expected, equal_nan=True)


def test_what_is_less_than_the_least_number_is_nothing():
    x = tg.tensor([0.0, -87.0, -103.0, -104.5, -200.0, -INF, 0.5] * 5)
    wide = np.exp(np.array(x.tolist()) - 0.5)
    for length in (7, 16, 35):
        shares = tg.softmax(x[:length], 0).tolist()
        np.testing.assert_allclose(shares, wide[:length] / wide[:length].sum(), rtol=2e-6, atol=2e-45)
        assert shares[4] == shares[5] == 0


@pytest.mark.parametrize("layout", ["turned", "every second", "expanded"])
def test_layer_norm_of_any_layout_is_that_of_a_copy(layout):
    whole = tg.randn(6, 8)
    weight, bias = tg.randn(4, requires_grad=True), tg.randn(4, requires_grad=True)

    def results(copied):
        x = whole.clone().requires_grad_()
        view = {"turned": x[:4].t(), "every second": x[:, ::2], "expanded": x[:1, :4].expand(6, 4)}[layout]
        y = F.layer_norm(view.contiguous() if copied else view, (4,), weight, bias)
        return [y, *tg.autograd.grad((y * y).sum(), (x, weight, bias))]

    for found, wanted in zip(results(False), results(True), strict=True):
        tg.testing.assert_close(found, wanted)
