"""Pools: what the table of samples can't know."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from recorded_calls import floats, hold, recorded, titles

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F

NAN, INF = math.nan, math.inf
RECORDED = recorded("pooling")


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def both_backends(request):
    with tg.backend(request.param):
        yield


@pytest.mark.parametrize("dtype", [tg.float32, tg.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("call, expected", RECORDED, ids=titles(RECORDED))
def test_answers_are_torchs(call, expected, dtype):
    if call[0].startswith("fractional") and dtype is tg.float32:
        dtype = tg.float64      # of which the numbers were drawn
    hold(call, expected, dtype)


# ---------------------------------------------------------------------------- the largest


def test_of_equal_ones_the_first_is_taken():
    values, indices = F.max_pool2d(tg.tensor([[[1.0, 2.0, 2.0], [2.0, 2.0, 1.0]]]), 2, 1, return_indices=True)
    assert values.tolist() == [[[2.0, 2.0]]]
    assert indices.tolist() == [[[1, 1]]]


def test_nan_passes_through_and_the_last_is_named():
    x = tg.tensor([[1.0, NAN, 3.0, NAN, 0.0, 5.0]])
    values, indices = F.max_pool1d(x, 2, return_indices=True)
    assert np.isnan(values.numpy()).tolist() == [[True, True, False]]
    assert indices.tolist() == [[1, 3, 5]]
    assert F.max_pool1d(x, 4, return_indices=True)[1].tolist() == [[3]]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_padding_is_never_the_largest(n):
    x = tg.full((1, *[3] * n), -INF)
    values, indices = getattr(F, f"max_pool{n}d")(x, 3, 2, 1, return_indices=True)
    assert (values.numpy() == -INF).all()
    assert indices.flatten()[0].item() == 0
    assert indices.flatten()[-1].item() == sum(3**d for d in range(n))   # the first that is no padding


def test_what_comes_after_may_change_the_result_in_place():
    net = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.AvgPool2d(2), nn.ReLU(inplace=True))
    x = floats(1, 2, 4, 4).requires_grad_()
    net(x).sum().backward()
    tops = x.detach().numpy().reshape(1, 2, 2, 2, 2, 2).max((3, 5))
    assert x.grad.sum().item() == (tops > 0).sum() / 4


def test_input_may_change_after_max_pooling():
    x = floats(1, 1, 4).requires_grad_()
    twice = x * 1
    y = F.max_pool1d(twice, 4)
    twice.zero_()
    y.sum().backward()
    assert x.grad.tolist() == [[[float(v == x.max()) for v in x[0, 0]]]]


def test_indices_changed_since_are_noticed():
    x = floats(1, 1, 4, 4).requires_grad_()
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    indices.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    indices.numpy()[...] = 99
    with pytest.raises(IndexError, match="plane"):
        values.sum().backward()


@pytest.mark.parametrize("dtype", [tg.uint8, tg.int32, tg.int64, tg.float16, tg.bfloat16], ids=str)
def test_max_pools_of_other_dtypes(dtype):
    x = np.arange(32).reshape(1, 2, 4, 4) * 7 % 31
    values, indices = F.max_pool2d(tg.tensor(x).to(dtype), 2, return_indices=True)
    assert values.dtype is dtype and indices.dtype is tg.int64
    assert values.tolist() == x.reshape(1, 2, 2, 2, 2, 2).max((3, 5)).tolist()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_batch_is_optional_and_may_be_empty(n):
    x = floats(3, 2, *[5] * n)
    for name in ("max_pool", "avg_pool"):
        pool = getattr(F, f"{name}{n}d")
        np.testing.assert_array_equal(pool(x, 2)[1].numpy(), pool(x[1], 2).numpy())
        assert pool(x[:0], 2).shape == (0, 2, *[2] * n)
    for name in ("adaptive_max_pool", "adaptive_avg_pool"):
        pool = getattr(F, f"{name}{n}d")
        np.testing.assert_array_equal(pool(x, 3)[1].numpy(), pool(x[1], 3).numpy())
        assert pool(x[:0], 3).shape == (0, 2, *[3] * n)
        assert pool(x, 0).shape == (3, 2, *[0] * n)


def test_strides_of_the_input_do_not_matter():
    x = floats(2, 6, 5, 3).permute(0, 3, 2, 1).requires_grad_()
    for pool in (lambda v: F.max_pool2d(v, 2, 1), lambda v: F.avg_pool2d(v, 3, 2, 1),
                 lambda v: F.adaptive_avg_pool2d(v, 1)):
        found, wanted = pool(x), pool(x.contiguous())
        np.testing.assert_array_equal(found.detach().numpy(), wanted.detach().numpy())
        (g,) = tg.autograd.grad((found**2).sum(), x)
        (w,) = tg.autograd.grad((wanted**2).sum(), x)
        np.testing.assert_array_equal(g.numpy(), w.numpy())


# ---------------------------------------------------------------------------- means


def test_integers_are_averaged_towards_zero():
    x = tg.tensor([[[-3, 0, 2], [-4, -1, 4]]])
    assert F.avg_pool2d(x, (2, 3)).tolist() == [[[0]]]
    assert F.avg_pool2d(x, (2, 1)).tolist() == [[[-3, 0, 3]]]
    assert F.avg_pool2d(x, (1, 3), divisor_override=-2).tolist() == [[[0], [0]]]
    least = tg.tensor([[[-(2**63)], [0]]])
    assert F.avg_pool2d(least, (2, 1)).tolist() == [[[-(2**62)]]]
    with pytest.raises(NotImplementedError):
        F.adaptive_avg_pool2d(x, 1)


def test_what_an_average_counts():
    x = tg.ones(1, 1, 3)
    assert F.avg_pool1d(x, 2, 2, 1).tolist() == [[[0.5, 1.0]]]
    assert F.avg_pool1d(x, 2, 2, 1, count_include_pad=False).tolist() == [[[1.0, 1.0]]]
    assert F.avg_pool1d(x, 2, 2, 0, ceil_mode=True).tolist() == [[[1.0, 1.0]]]
    assert F.avg_pool2d(tg.ones(1, 2, 2), 2, divisor_override=8).tolist() == [[[0.5]]]


@pytest.mark.parametrize("extents", [(1,), (3,), (4,), (2, 6), (3, 3), (1, 4)], ids=str)
def test_pools_of_small_planes_are_their_bodies(extents):
    """Windows as many as the plane's elements, larger than it, beside it, with every way to count."""
    n = len(extents)
    x = tg.randn(2, *extents)
    average, largest = getattr(F, f"avg_pool{n}d"), getattr(F, f"max_pool{n}d")
    ways = [*itertools.product(range(1, 5), repeat=n)]
    tried = 0
    for kernel, stride, padding, ceil in itertools.product(ways, [1, 3, 6], [0, 1, 2], [False, True]):
        calls = [partial(largest, x, kernel, stride, padding, ceil_mode=ceil)]
        calls += [partial(average, x, kernel, stride, padding, ceil, count) for count in (False, True)]
        for call in calls:
            try:
                with tg.backend("numpy"):
                    wanted = call()
            except RuntimeError:
                with pytest.raises(RuntimeError):
                    call()
                continue
            tg.testing.assert_close(call(), wanted)
            tried += 1
    assert tried > 20


def test_parts_of_a_dimension_overlap_where_they_must():
    x = tg.arange(5.0).reshape(1, 1, 5)
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[[0.5, 2.0, 3.5]]]
    assert F.adaptive_max_pool1d(x, 3, return_indices=True)[1].tolist() == [[[1, 3, 4]]]
    assert F.adaptive_avg_pool1d(x, 10).tolist() == [[[k // 2 * 1.0 for k in range(10)]]]
    assert F.adaptive_avg_pool2d(x[None], (None, 1)).shape == (1, 1, 1, 1)


def test_at_the_top_level_the_adaptive_one_gives_indices_too():
    values, indices = tg.adaptive_max_pool1d(tg.tensor([[1.0, 3.0, 2.0]]), 1)
    assert values.tolist() == [[3.0]] and indices.tolist() == [[1]]
    assert F.adaptive_max_pool1d(tg.tensor([[1.0, 3.0, 2.0]]), 1).tolist() == [[3.0]]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lp_pools_of_zeros_pass_no_gradient(rank):
    x = tg.zeros(1, *[2] * rank, requires_grad=True)
    pool = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[rank - 1]
    assert not tg.autograd.grad(pool(x, 2, 1).sum(), x)[0].any()


def test_lp_pools_are_norms():
    x = floats(2, 3, 4, 4).abs()
    blocks = x.numpy().reshape(2, 3, 2, 2, 2, 2)
    np.testing.assert_allclose(F.lp_pool2d(x, 2, 2).numpy(), np.sqrt((blocks**2).sum((3, 5))), rtol=1e-12)
    np.testing.assert_array_equal(F.lp_pool2d(-x, INF, 2).numpy(), blocks.max((3, 5)))
    np.testing.assert_array_equal(F.lp_pool2d(-x, -INF, 2).numpy(), blocks.min((3, 5)))


# ---------------------------------------------------------------------------- fractional, and back


def test_fractional_windows_are_where_the_given_numbers_say():
    x = tg.arange(7.0).reshape(1, 1, 7).expand(1, 7, 7)
    # Steps of (7 - 2) / (3 - 1): floor((j + 0.5) * 2.5) - floor(0.5 * 2.5), and the last at the end.
    samples = tg.full((1, 1, 2), 0.5)
    assert F.fractional_max_pool2d(x, 2, 3, _random_samples=samples)[0, 0].tolist() == [1.0, 3.0, 6.0]
    state = tg.get_rng_state()
    F.fractional_max_pool2d(x, 2, 3, _random_samples=samples)
    assert (state.numpy() == tg.get_rng_state().numpy()).all()


def test_unpooling_puts_each_where_it_was():
    x = floats(2, 3, 4, 6).abs() + 1
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    back = F.max_unpool2d(values, indices, 2)
    np.testing.assert_array_equal(back.numpy(), np.where(back.numpy() != 0, x.numpy(), 0))
    np.testing.assert_array_equal(F.max_pool2d(back, 2).numpy(), values.numpy())
    assert F.max_unpool2d(values, indices, 2, output_size=(5, 7)).shape == (2, 3, 5, 7)
    assert F.max_unpool2d(values, indices, 2, output_size=tg.Size((2, 3, 5, 7))).shape == (2, 3, 5, 7)


# ---------------------------------------------------------------------------- errors

X = tg.ones(1, 2, 4, 4)
WRONG = {
    "kernel 0": (lambda: F.max_pool2d(X, 0), RuntimeError),
    "stride 0": (lambda: F.avg_pool2d(X, 2, 0), RuntimeError),
    "dilation 0": (lambda: F.max_pool2d(X, 2, 1, 0, 0), RuntimeError),
    "padding past half": (lambda: F.max_pool2d(X, 2, 2, 2), RuntimeError),
    "padding below 0": (lambda: F.avg_pool2d(X, 2, 2, -1), RuntimeError),
    "kernel past the input": (lambda: F.max_pool2d(X, 5), RuntimeError),
    "three numbers": (lambda: F.max_pool2d(X, (2, 2, 2)), RuntimeError),
    "a fraction": (lambda: F.max_pool2d(X, 2.5), TypeError),
    "a truth": (lambda: F.avg_pool2d(X, True), TypeError),
    "text": (lambda: F.max_pool2d(X, "a"), TypeError),
    "no channels": (lambda: F.max_pool2d(X[:, :0], 2), RuntimeError),
    "five dimensions": (lambda: F.max_pool2d(X[None], 2), RuntimeError),
    "no tensor": (lambda: F.max_pool2d([1.0], 2), TypeError),
    "truths": (lambda: F.max_pool2d(X > 0, 2), NotImplementedError),
    "a window of padding": (lambda: F.max_pool1d(tg.ones(1, 1), 2, 1, 3, 5), RuntimeError),
    "divisor 0": (lambda: F.avg_pool2d(X, 2, divisor_override=0), RuntimeError),
    "output below 0": (lambda: F.adaptive_avg_pool2d(X, -1), RuntimeError),
    "outputs for three": (lambda: F.adaptive_max_pool2d(X, (1, 2, 3)), RuntimeError),
    "outputs for four": (lambda: F.adaptive_max_pool2d(X, (1, 2, 3, 4)), ValueError),
    "outputs past all memory": (lambda: F.adaptive_avg_pool2d(X, 2**63 - 1), RuntimeError),
    "more outputs than numbers": (lambda: F.adaptive_max_pool3d(X, (2**40, 2**40, 1)), RuntimeError),
    "neither size nor ratio": (lambda: F.fractional_max_pool2d(X, 2), ValueError),
    "samples of another shape": (
        lambda: F.fractional_max_pool2d(X, 2, 2, _random_samples=tg.rand(1, 2, 3)),
        RuntimeError,
    ),
    "samples that are none": (lambda: F.fractional_max_pool2d(X, 2, 2, _random_samples="a"), TypeError),
    "too many outputs": (lambda: F.fractional_max_pool2d(X, 2, 4), RuntimeError),
    "indices of another shape": (lambda: F.max_unpool2d(X, X[0].long(), 2), RuntimeError),
    "indices of floats": (lambda: F.max_unpool2d(X, X, 2), RuntimeError),
    "indices past the end": (lambda: F.max_unpool2d(X, X.long() * 64, 2), RuntimeError),
    "size out of range": (lambda: F.max_unpool2d(X, X.long(), 2, output_size=(11, 8)), ValueError),
    "size of three": (lambda: F.max_unpool2d(X, X.long(), 2, output_size=(8, 8, 8)), ValueError),
}


@pytest.mark.parametrize("ask, error", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(ask, error):
    with pytest.raises(error):
        ask()


# ---------------------------------------------------------------------------- layers

LAYERS = [
    (nn.MaxPool2d(3, 2, padding=1), "kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False",
     lambda x: F.max_pool2d(x, 3, 2, 1)),
    (nn.MaxPool1d(2, return_indices=True), "kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False",
     lambda x: F.max_pool1d(x[0], 2, return_indices=True)),
    (nn.AvgPool1d(2, padding=1), "kernel_size=(2,), stride=(2,), padding=(1,)",
     lambda x: F.avg_pool1d(x[0], 2, 2, 1)),
    (nn.AvgPool2d((2, 3), divisor_override=3), "kernel_size=(2, 3), stride=(2, 3), padding=0",
     lambda x: F.avg_pool2d(x, (2, 3), divisor_override=3)),
    (nn.AvgPool3d(2), "kernel_size=2, stride=2, padding=0", lambda x: F.avg_pool3d(x, 2)),
    (nn.LPPool2d(1.5, 2), "norm_type=1.5, kernel_size=2, stride=None, ceil_mode=False",
     lambda x: F.lp_pool2d(x, 1.5, 2)),
    (nn.AdaptiveMaxPool2d((None, 2), return_indices=True), "output_size=(None, 2)",
     lambda x: F.adaptive_max_pool2d(x, (None, 2), True)),
    (nn.AdaptiveAvgPool3d(2), "output_size=2", lambda x: F.adaptive_avg_pool3d(x, 2)),
]


@pytest.mark.parametrize("layer, settings, function", LAYERS, ids=lambda v: type(v).__name__)
def test_a_layer_is_its_function_with_the_settings_remembered(layer, settings, function):
    assert repr(layer) == f"{type(layer).__name__}({settings})"
    x = floats(2, 4, 6, 5).abs()
    found, wanted = layer(x[0] if "1d" in repr(layer) else x), function(x)
    if not isinstance(found, tuple):
        found, wanted = (found,), (wanted,)
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(f.numpy(), w.numpy())
    assert not layer.state_dict()


def test_unpooling_layers_and_fractional_ones():
    unpool = nn.MaxUnpool2d(2)
    assert repr(unpool) == "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    x = floats(1, 2, 4, 4)
    values, indices = nn.MaxPool2d(2, return_indices=True)(x)
    assert unpool(values, indices, output_size=[1, 2, 5, 5]).shape == (1, 2, 5, 5)
    samples = tg.rand(1, 2, 2, dtype=tg.float64)
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.5, _random_samples=samples)
    assert list(layer.state_dict()) == ["_random_samples"]
    np.testing.assert_array_equal(
        layer(x).numpy(), F.fractional_max_pool2d(x, 2, 2, _random_samples=samples).numpy()
    )
    for wrong in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 1.5}):
        with pytest.raises(ValueError):
            nn.FractionalMaxPool2d(2, **wrong)
    with pytest.raises(ValueError):
        nn.FractionalMaxPool3d((2, 0, 1), 2)
