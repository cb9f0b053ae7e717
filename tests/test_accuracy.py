"""Values at sizes and ends where rounding, overflow or a lost sign would show. What is right is from paper,
from NumPy's float64, from mpmath or from PyTorch."""

import math

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F

NAN, INF = math.nan, math.inf
EPS32 = float(np.finfo(np.float32).eps)
TEN_MILLION = 10_000_000


def signs(x):
    return np.signbit(x.numpy()).tolist()


def relative(found, right):
    return float(np.max(np.abs(np.asarray(found, np.float64) / right - 1)))


@pytest.fixture(scope="module")
def tenths():
    return np.full(TEN_MILLION, 0.1, np.float32)


@pytest.fixture(scope="module")
def columns():
    return (np.random.default_rng(0).random((500_000, 3)) * 0.01 + 100).astype(np.float32)


# ---------------------------------------------------------------------------- sums of many

LAYOUTS = {
    "row": lambda x: (x, 0),
    "column": lambda x: (x.reshape(-1, 1), 0),
    "columns": lambda x: (x.reshape(-1, 4), 0),
    "transposed": lambda x: (x.reshape(4, -1).T, 0),
    "strided": lambda x: (x[::2], 0),
    "strided-columns": lambda x: (x.reshape(-1, 4)[:, ::2], 0),
    "two-dims": lambda x: (x.reshape(1000, 2, -1), (0, 2)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["sum", "mean", "norm", "logsumexp"])
def test_what_is_made_of_ten_million_numbers_is_right_to_a_few_last_places(name, layout, tenths):
    array, dim = LAYOUTS[layout](tenths)
    x = tg.from_numpy(array)
    found = getattr(x, name)(dim=dim)
    count = x.numel() // found.numel()
    tenth = float(np.float32(0.1))
    right = {
        "sum": count * tenth,
        "mean": tenth,
        "norm": math.sqrt(count) * tenth,
        "logsumexp": tenth + math.log(count),
    }[name]
    assert relative(found.numpy(), right) < 40 * EPS32


def test_ones_are_counted_past_the_integers_of_float32():
    ones = tg.ones(20_000_000)
    assert ones.sum().item() == 2e7
    assert ones.cumsum(0)[-1].item() == 2e7
    assert ones.reshape(-1, 2).sum(0).tolist() == [1e7, 1e7]
    assert ones.norm(1).item() == 2e7


def test_the_spread_of_columns_far_from_zero_is_right(columns):
    x, exact = tg.from_numpy(columns), columns.astype(np.float64)
    assert relative(x.var(0).numpy(), exact.var(0, ddof=1)) < 10 * EPS32
    assert relative(x.std(0, correction=0).numpy(), exact.std(0)) < 10 * EPS32
    spread, mean = tg.var_mean(x, 0)
    assert relative(spread.numpy(), exact.var(0, ddof=1)) < 10 * EPS32
    assert relative(mean.numpy(), exact.mean(0)) < 10 * EPS32
    turned = tg.from_numpy(np.ascontiguousarray(columns.T))
    assert relative(turned.var(1).numpy(), exact.var(0, ddof=1)) < 10 * EPS32


def test_running_statistics_far_from_zero_are_right(columns):
    exact = columns.astype(np.float64)
    for layer, x in (
        (nn.BatchNorm1d(3, momentum=1.0), columns),
        (nn.InstanceNorm1d(3, momentum=1.0, track_running_stats=True), columns.T[None].copy()),
    ):
        layer(tg.from_numpy(x))
        assert relative(layer.running_mean.numpy(), exact.mean(0)) < 10 * EPS32
        assert relative(layer.running_var.numpy(), exact.var(0, ddof=1)) < 1e-4


def test_batch_norm_far_from_zero_has_mean_0_and_variance_1(columns):
    out = tg.native_batch_norm(tg.from_numpy(columns), None, None, None, None, True, 0.1, 0.0)[0]
    out = out.numpy().astype(np.float64)
    assert np.abs(out.mean(0)).max() < 1e-5
    assert relative(out.var(0), 1.0) < 1e-4


def test_a_long_row_is_normalized_right(columns):
    row = columns[:, 0]
    exact = row.astype(np.float64)
    exact = (exact - exact.mean()) / math.sqrt(exact.var() + 1e-5)
    assert np.abs(F.layer_norm(tg.from_numpy(row), row.shape).numpy() - exact).max() < 2e-3


def test_softmax_and_losses_of_many_add_up_right(tenths):
    x = tg.from_numpy(tenths)
    assert relative(tg.softmax(x, 0)[:3].numpy(), 1e-7) < 40 * EPS32
    assert relative(tg.log_softmax(x, 0)[:3].numpy(), -math.log(1e7)) < 40 * EPS32
    square = float(np.float32(0.1)) ** 2
    assert relative(F.mse_loss(x, tg.zeros_like(x), reduction="sum").item(), 1e7 * square) < 40 * EPS32
    assert relative(F.l1_loss(x, tg.zeros_like(x)).item(), float(np.float32(0.1))) < 40 * EPS32


def test_gradients_that_add_up_many_rows_are_right():
    rows = 2_000_000
    x = tg.full((rows, 2), 1.0)
    weight, bias = tg.ones(2, requires_grad=True), tg.zeros(2, requires_grad=True)
    g = np.float32(0.1)
    (tg.full((rows, 2), 3.0) * weight + bias).backward(tg.full((rows, 2), float(g)))
    assert relative(weight.grad.numpy(), rows * 3.0 * float(g)) < 40 * EPS32
    assert relative(bias.grad.numpy(), rows * float(g)) < 40 * EPS32
    scale, shift = tg.ones(2, requires_grad=True), tg.zeros(2, requires_grad=True)
    x = tg.tensor([[0.0, 2.0]]).expand(rows, 2).contiguous()
    F.layer_norm(x, (2,), scale, shift, eps=0.0).backward(tg.full((rows, 2), float(g)))
    assert relative(shift.grad.numpy(), rows * float(g)) < 40 * EPS32
    assert relative(scale.grad.numpy(), [-rows * float(g), rows * float(g)]) < 40 * EPS32


# ---------------------------------------------------------------------------- running sums, products


def test_the_last_of_ten_million_running_sums_is_right(tenths):
    x, tenth = tg.from_numpy(tenths), float(np.float32(0.1))
    assert relative(x.cumsum(0)[-1].item(), 1e7 * tenth) < EPS32
    assert relative(x.reshape(-1, 2).cumsum(0)[-1].numpy(), 5e6 * tenth) < EPS32


def test_running_products_do_not_drift():
    x = np.full(100_000, 1.00001, np.float32)
    right = float(x[0]) ** np.arange(1, 100_001)
    assert relative(tg.from_numpy(x).cumprod(0).numpy(), right) < 2 * EPS32
    assert relative(tg.from_numpy(x).prod().item(), right[-1]) < 2 * EPS32
    assert relative(tg.from_numpy(x.reshape(-1, 2)).prod(0).numpy(), right[49_999]) < 2 * EPS32


def test_running_logsumexp_does_not_drift():
    found = tg.zeros(1_000_000).logcumsumexp(0)[-1].item()
    assert relative(found, math.log(1e6)) < 2 * EPS32


def test_areas_of_many_strips_add_up_right(tenths):
    x = tg.from_numpy(tenths)
    assert relative(tg.trapezoid(x).item(), (1e7 - 1) * float(np.float32(0.1))) < 40 * EPS32
    assert relative(tg.cumulative_trapezoid(x)[-1].item(), (1e7 - 1) * float(np.float32(0.1))) < 2 * EPS32


# ---------------------------------------------------------------------------- the ends of the range


def test_spreads_and_norms_neither_overflow_nor_vanish():
    assert relative(tg.tensor([2e20, 1e20, 3e20]).std().item(), 1e20) < 1e-6
    assert relative(tg.tensor([2e-30, 1e-30, 3e-30]).std().item(), 1e-30) < 1e-6
    assert relative(tg.tensor([3e30, 4e30]).norm().item(), 5e30) < 1e-6
    assert relative(tg.tensor([[3e-30, 4e-30]]).norm(dim=1).item(), 5e-30) < 1e-6
    assert relative(tg.linalg.vector_norm(tg.tensor([1e30, 1e30]), 3).item(), 1e30 * 2 ** (1 / 3)) < 1e-6


def test_float16_computes_in_float32_and_rounds_once():
    half = lambda *values: tg.tensor(values, dtype=tg.float16)
    assert F.rms_norm(half(300.0, -300.0, 0.0), (3,)).tolist() == [1.224609375, -1.224609375, 0.0]
    assert half(300.0, -300.0).std().item() == 424.25
    assert tg.ldexp(half(6e-8), tg.tensor([30])).tolist() == [64.0]
    assert tg.ldexp(half(1.0), tg.tensor([3])).dtype is tg.float16
    assert half(300.0, 400.0).norm().item() == 500.0
    assert F.normalize(half(300.0, 400.0), dim=0).tolist() == [0.60009765625, 0.7998046875]
    assert F.mse_loss(half(300.0, 1.0), half(0.0, 1.0)).item() == 44992.0
    assert tg.addcmul(half(-60000.0), half(300.0), half(300.0)).tolist() == [30000.0]
    assert tg.full((4096,), 0.1, dtype=tg.float16).cumsum(0)[-1].item() == 409.5
    assert tg.cdist(half(300.0).reshape(1, 1), half(0.0).reshape(1, 1)).tolist() == [[300.0]]


# ---------------------------------------------------------------------------- values


def test_ldexp_of_powers_past_the_range():
    assert relative(tg.ldexp(tg.tensor([1e-38]), tg.tensor([200])).item(), 1.606938e22) < 1e-6
    assert tg.ldexp(tg.tensor([0.0]), tg.tensor([200])).item() == 0.0
    assert tg.ldexp(tg.tensor([1.0]), tg.tensor([128])).item() == INF
    assert tg.ldexp(tg.tensor([1.0]), tg.tensor([-149])).item() == 2.0**-149
    wide = tg.ldexp(tg.tensor([0.0, 5e-324, 1.5], dtype=tg.float64), tg.tensor([5000, 2000, -1074]))
    assert wide.tolist() == [0.0, 2.0**926, 1e-323]


IGAMMA = [  # a, x, lower, upper: by mpmath
    (1e6, 1e6, 0.5001329807608726, 0.4998670192391274),
    (1e12, 1e12, 0.5000001329807601, 0.49999986701923987),
    (1e4, 9.9e3, 0.1586511921823505, 0.8413488078176495),
    (20.0, 25.0, 0.8664251659143496, 0.1335748340856504),
    (1.0, 1.0, 0.6321205588285577, 0.36787944117144233),
    (0.5, 1e-10, 1.1283791670578999e-05, 0.9999887162083294),
    (1e-10, 0.5, 0.9999999999440227, 5.597735948054988e-11),
]


@pytest.mark.parametrize("a, x, lower, upper", IGAMMA)
def test_incomplete_gamma_functions_of_any_size(a, x, lower, upper):
    given = (tg.tensor(a, dtype=tg.float64), tg.tensor(x, dtype=tg.float64))
    assert relative(tg.special.gammainc(*given).item(), lower) < 1e-7
    assert relative(tg.special.gammaincc(*given).item(), upper) < 1e-7


def test_incomplete_gamma_functions_at_the_ends():
    a = tg.tensor([1.0, 1.0, 0.0, 0.0, INF, INF, -1.0, NAN])
    x = tg.tensor([0.0, INF, 1.0, 0.0, 1.0, INF, 1.0, 1.0])
    np.testing.assert_equal(tg.igamma(a, x).numpy(), np.float32([0, 1, 1, NAN, 0, NAN, NAN, NAN]))
    np.testing.assert_equal(tg.igammac(a, x).numpy(), np.float32([1, 0, 0, NAN, 1, NAN, NAN, NAN]))


def test_special_functions_at_the_ends_of_float64():
    wide = lambda *values: tg.tensor(values, dtype=tg.float64)
    assert tg.lgamma(wide(5e-324, -5e-324)).tolist() == [744.4400719213812] * 2
    assert relative(tg.lgamma(wide(1 - 2.0**-53)).item(), 6.408381213480008e-17) < 1e-12
    assert relative(tg.special.erfcx(wide(1.7e308)).item(), 3.318762256163272e-309) < 1e-6
    assert tg.special.zeta(wide(INF, INF, INF), wide(1.0, 0.5, 2.0)).tolist() == [1.0, INF, 0.0]
    assert relative(tg.polygamma(2, wide(-21896.25)).item(), 124.02510671911363) < 1e-6


# ---------------------------------------------------------------------------- NaN and infinity

BOUNDS = {
    "clamp-min": lambda x: x.clamp(min=NAN),
    "clamp-max": lambda x: x.clamp(max=NAN),
    "clamp-both": lambda x: tg.clamp(x, 0.0, NAN),
    "clip": lambda x: x.clip(NAN, 1.0),
    "clamp-tensor": lambda x: x.clamp(min=tg.tensor(NAN, dtype=x.dtype)),
    "clamp_min": lambda x: x.clamp_min(NAN),
    "clamp_max": lambda x: x.clamp_max(NAN),
    "clamp_": lambda x: x.clone().clamp_(min=NAN),
    "hardtanh": lambda x: F.hardtanh(x, NAN, 1.0),
    "hardtanh-max": lambda x: F.hardtanh(x, -1.0, NAN),
    "maximum": lambda x: tg.maximum(x, tg.tensor(NAN, dtype=x.dtype)),
}


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_that_is_nan_makes_nan(name, dtype):
    assert BOUNDS[name](tg.linspace(-2, 2, 37).to(dtype)).isnan().all().item()


def test_integers_between_nan_are_nan():
    assert tg.tensor([1, 2]).clamp(min=NAN).isnan().all().item()


def test_the_softmax_family_of_nan_and_infinity():
    every = (tg.softmax, tg.log_softmax, F.softmin, tg.logsumexp, tg.logcumsumexp)
    at = lambda *values: [f(tg.tensor(*values), 0).tolist() for f in every]
    np.testing.assert_equal(at(NAN), [NAN] * 5)
    np.testing.assert_equal(at(INF), [NAN, NAN, NAN, INF, INF])
    np.testing.assert_equal(at(-INF), [NAN, NAN, NAN, -INF, -INF])
    assert at(0.0) == [1.0, 0.0, 1.0, 0.0, 0.0]
    none = [NAN, NAN]
    for values, right in (
        ([-INF, -INF], [none, none, none, -INF, [-INF, -INF]]),
        ([INF, 1.0], [none, none, [0.0, 1.0], INF, [INF, INF]]),
        ([-INF, 1.0], [[0.0, 1.0], [-INF, 0.0], none, 1.0, [-INF, 1.0]]),
    ):
        for found, wanted in zip(at(values), right, strict=True):
            np.testing.assert_equal(found, wanted)


# ---------------------------------------------------------------------------- signs of zero

ODD = (
    "sin tan sinh tanh asin atan asinh atanh erf erfinv expm1 log1p sqrt round trunc floor ceil neg deg2rad "
    "rad2deg relu nan_to_num"
).split()


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
@pytest.mark.parametrize("name", ODD)
def test_functions_keep_the_sign_of_zero(name, dtype):
    for count in (1, 2, 7, 40):
        x = tg.tensor([-0.0, 0.0] * count, dtype=dtype)[:count]
        wanted = signs(-x) if name == "neg" else signs(x)
        assert signs(getattr(tg, name)(x)) == wanted


ACTIVATIONS = "relu6 elu selu celu silu gelu mish hardswish softsign leaky_relu".split()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_the_sign_of_zero(name):
    for dtype in (tg.float16, tg.float32, tg.float64):
        assert signs(getattr(F, name)(tg.tensor([-0.0, 0.0], dtype=dtype))) == [True, False]


def test_of_two_zeros_comparisons_give_the_first():
    x, y = tg.tensor([-0.0, 0.0]), tg.tensor([0.0, -0.0])
    for found in (tg.fmax(x, y), tg.fmin(x, y), x.clamp(min=0.0), x.clamp(max=-0.0), tg.fmod(x, 1.0)):
        assert signs(found) == [True, False]
    assert signs(tg.remainder(tg.tensor([-0.0, -1.0, 0.0]), 1.0)) == [True, True, False]
    assert signs(tg.remainder(tg.tensor([0.0, 2.0, -0.0]), -1.0)) == [False, False, True]


def test_sums_of_negative_zero_are_zero():
    x = tg.tensor([-0.0, -0.0])
    for found in (x.sum(), x.mean(), x.reshape(1, 2).sum(0), x[:1].sum()):
        assert not np.any(signs(found))
