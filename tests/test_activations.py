"""Activations: kinks, saturation, writing in place, settings that make no sense, numbers from elsewhere."""

import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.nn import functional as F

INF = math.inf
BACKENDS = pytest.mark.parametrize("backend", ["kernels", "numpy"])


def slopes(function, points):
    x = tg.tensor(points, dtype=tg.float64, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


@BACKENDS
@pytest.mark.parametrize(
    "function, points, expected",
    [
        (F.relu, [-1, 0, 1], [0, 0, 1]),
        (F.relu6, [-1, 0, 3, 6, 7], [0, 0, 1, 0, 0]),
        (F.leaky_relu, [-1, 0, 1], [0.01, 0.01, 1]),
        (F.elu, [0, 1], [1, 1]),
        (lambda x: F.elu(x, 0.5), [0, 1], [0.5, 1]),
        (lambda x: F.celu(x, 2.0), [0, 1], [1, 1]),
        (lambda x: F.threshold(x, 1.0, 5.0), [0, 1, 2], [0, 0, 1]),
        (F.hardtanh, [-2, -1, 0, 1, 2], [0, 0, 1, 0, 0]),
        (F.hardshrink, [-1, -0.5, 0, 0.5, 1], [1, 0, 0, 0, 1]),
        (F.softshrink, [-1, -0.5, 0, 0.5, 1], [1, 0, 0, 0, 1]),
        (F.hardsigmoid, [-3, 0, 3], [0, 1 / 6, 0]),
        (F.hardswish, [-3, 0, 3, 4], [0, 0.5, 1, 1]),
        (F.softsign, [-1, 0, 1], [0.25, 1, 0.25]),
    ],
)
def test_slopes_at_kinks(function, points, expected, backend):
    with tg.backend(backend):
        assert slopes(function, [float(p) for p in points]) == pytest.approx(expected, rel=1e-6)


@BACKENDS
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64], ids=["f32", "f64"])
@pytest.mark.parametrize(
    "function, low, high",
    [
        (tg.sigmoid, 0.0, 1.0),
        (tg.tanh, -1.0, 1.0),
        (F.logsigmoid, -1000.0, 0.0),
        (F.softplus, 0.0, 1000.0),
        (F.silu, 0.0, 1000.0),
        (F.mish, 0.0, 1000.0),
        (F.gelu, 0.0, 1000.0),
        (lambda x: F.gelu(x, approximate="tanh"), 0.0, 1000.0),
        (F.elu, -1.0, 1000.0),
        (F.selu, -1.7580993408473766, 1050.7009873554805),
        (lambda x: F.celu(x, 0.5), -0.5, 1000.0),
        (F.softsign, -1000 / 1001, 1000 / 1001),
    ],
)
def test_far_out_nothing_overflows(function, low, high, dtype, backend):
    with tg.backend(backend):
        x = tg.tensor([-1000.0, 1000.0], dtype=dtype, requires_grad=True)
        y = function(x)
        y.sum().backward()
        assert y.tolist() == pytest.approx([low, high], rel=1e-6, abs=1e-30)
        assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    "name, settings",
    [
        ("relu", ()), ("relu6", ()), ("leaky_relu", (0.1,)), ("elu", (0.7,)), ("selu", ()), ("celu", (0.7,)),
        ("silu", ()), ("mish", ()), ("hardsigmoid", ()), ("hardswish", ()), ("hardtanh", (-0.5, 0.5)),
        ("threshold", (0.1, 7.0)), ("rrelu", ()),
    ],
)  # fmt: skip
def test_in_place_forms(name, settings):
    function = getattr(F, name)
    start = [-1.5, -0.25, 0.0, 0.375, 2.0]
    expected = function(tg.tensor(start), *settings).tolist()
    x = tg.tensor(start)
    assert function(x, *settings, inplace=True) is x
    assert x.tolist() == expected
    untouched = tg.tensor(start)
    assert function(untouched, *settings, inplace=False).tolist() == expected
    assert untouched.tolist() == start
    if name != "rrelu":
        assert function(untouched, *settings, False).tolist() == expected
        assert function(untouched, *settings, True) is untouched

    leaf = tg.tensor(start, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        function(leaf, *settings, inplace=True)
    function(leaf * 1, *settings, inplace=True).sum().backward()
    plain = tg.tensor(start, requires_grad=True)
    function(plain, *settings).sum().backward()
    assert leaf.grad.tolist() == plain.grad.tolist()


def test_in_place_methods():
    x = tg.tensor([-1.0, 4.0])
    assert x.relu_() is x and x.tolist() == [0.0, 4.0]
    assert tg.relu_(x) is x
    assert x.sigmoid_().tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-4))])


@BACKENDS
def test_gelu_by_the_error_function_and_by_tanh(backend):
    points = [-3.0, -1.0, -0.1, 0.0, 0.5, 2.0, 6.0]
    exact = [p * 0.5 * (1 + math.erf(p / math.sqrt(2))) for p in points]
    bent = [p * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (p + 0.044715 * p**3))) for p in points]
    with tg.backend(backend):
        x = tg.tensor(points, dtype=tg.float64)
        assert F.gelu(x).tolist() == pytest.approx(exact, rel=1e-12, abs=1e-15)
        assert F.gelu(x, approximate="tanh").tolist() == pytest.approx(bent, rel=1e-11, abs=1e-15)


def test_softplus_is_the_input_above_its_threshold():
    x = tg.tensor([0.0, 2.0, 3.0], dtype=tg.float64)
    expected = [math.log(2) / 2, math.log1p(math.exp(4)) / 2, 3.0]
    assert F.softplus(x, beta=2.0, threshold=5.0).tolist() == pytest.approx(expected)


def test_prelu_shares_a_slope_by_channel():
    x = tg.tensor([[-1.0, -2.0], [3.0, -4.0]], requires_grad=True)
    weight = tg.tensor([0.5, 0.25], requires_grad=True)
    y = F.prelu(x, weight)
    assert y.tolist() == [[-0.5, -0.5], [3.0, -1.0]]
    y.sum().backward()
    assert weight.grad.tolist() == [-1.0, -6.0]
    assert x.grad.tolist() == [[0.5, 0.25], [1.0, 0.25]]


def test_rrelu_draws_slopes_only_in_training():
    x = tg.tensor(np.linspace(-1, 1, 200))
    assert F.rrelu(x, 0.2, 0.4).tolist() == pytest.approx(F.leaky_relu(x, 0.3).tolist())
    drawn = F.rrelu(x, 0.2, 0.4, training=True)
    ratio = (drawn / x).numpy()
    assert (ratio[x.numpy() > 0] == 1).all()
    below = ratio[x.numpy() < 0]
    assert 0.2 <= below.min() < 0.25 and 0.35 < below.max() <= 0.4


def test_softmin_favours_the_smallest():
    found = F.softmin(tg.tensor([1.0, 2.0]), dim=0)
    assert found.tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x: F.gelu(x, approximate="fast"), RuntimeError, "none or tanh"),
        (lambda x: F.hardtanh(x, 2.0, 1.0), ValueError, "min_val"),
        (lambda x: F.softshrink(x, -1.0), RuntimeError, "lambda"),
        (lambda x: F.celu(x, 0.0), RuntimeError, "alpha cannot be 0"),
        (lambda x: F.glu(x), RuntimeError, "even"),
        (lambda x: F.prelu(x, tg.ones(2)), RuntimeError, "channel size"),
        (lambda x: F.prelu(x, tg.ones(1, dtype=tg.float64)), RuntimeError, "float64"),
        (lambda x: F.rrelu(x, 0.5, 0.1), RuntimeError, "Lower bound"),
        (lambda x: F.threshold(x, "a", 1.0), TypeError, "must be Number"),
        (lambda x: F.relu("x"), TypeError, "must be Tensor"),
        (lambda x: F.relu(x, inplac=True), TypeError, "inplac"),
        (lambda x: F.silu(x.to(tg.int64)), NotImplementedError, "int64"),
        (lambda x: F.leaky_relu(x > 0), NotImplementedError, "bool"),
        (lambda x: F.relu(x > 0), RuntimeError, "Boolean"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(tg.ones(2, 3))


def test_integers_stay_integers_where_torch_lets_them():
    x = tg.tensor([-3, 0, 9])
    assert F.relu(x).tolist() == [0, 0, 9]
    assert F.relu6(x).tolist() == [0, 0, 6]
    assert F.hardtanh(x).tolist() == [-1, 0, 1]
    assert F.threshold(x, 1, 5).dtype is tg.int64
