"""Map kernels: each against NumPy in float64, over all kinds of layouts; every kernel is tested somewhere."""

import math
import pathlib
import re

import numpy as np
import pytest
from kernel_calls import F32, Guarded, code, run_map
from kernel_samples import FLOATS, INF, NAN, sample

from tensorgrad import _kernels
from tensorgrad.core import all_dtypes
from tensorgrad.ops.elementwise import _curves

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def bell(x):
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def below(x):
    return 0.5 * erfc(-x / np.sqrt(2.0))


def softplus(x):
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


INNER = np.sqrt(2 / np.pi)

# name: (reference in float64, where the inputs lie, settings)
UNARY = {
    "zero": (np.zeros_like, (-3, 3), ()),
    "neg": (np.negative, (-3, 3), ()),
    "abs": (np.abs, (-3, 3), ()),
    "sign": (np.sign, (-3, 3), ()),
    "square": (np.square, (-3, 3), ()),
    "sqrt": (np.sqrt, (0, 9), ()),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (0.1, 9), ()),
    "reciprocal": (lambda x: 1 / x, (0.1, 9), ()),
    "exp": (np.exp, (-9, 9), ()),
    "exp2": (np.exp2, (-9, 9), ()),
    "expm1": (np.expm1, (-9, 9), ()),
    "log": (np.log, (0.01, 9), ()),
    "log1p": (np.log1p, (-0.9, 9), ()),
    "log2": (np.log2, (0.01, 9), ()),
    "log10": (np.log10, (0.01, 9), ()),
    "sin": (np.sin, (-9, 9), ()),
    "cos": (np.cos, (-9, 9), ()),
    "tan": (np.tan, (-1.4, 1.4), ()),
    "asin": (np.arcsin, (-1, 1), ()),
    "acos": (np.arccos, (-1, 1), ()),
    "atan": (np.arctan, (-9, 9), ()),
    "sinh": (np.sinh, (-5, 5), ()),
    "cosh": (np.cosh, (-5, 5), ()),
    "tanh": (np.tanh, (-5, 5), ()),
    "asinh": (np.arcsinh, (-9, 9), ()),
    "acosh": (np.arccosh, (1, 9), ()),
    "atanh": (np.arctanh, (-0.99, 0.99), ()),
    "erf": (erf, (-3, 3), ()),
    "erfc": (erfc, (-3, 5), ()),
    "erfinv": (_curves.erfinv, (-0.99, 0.99), ()),
    "erfcx": (_curves.erfcx, (-2, 40), ()),
    "ndtr": (_curves.ndtr, (-4, 4), ()),
    "ndtri": (_curves.ndtri, (0.01, 0.99), ()),
    "log_ndtr": (_curves.log_ndtr, (-9, 3), ()),
    "entr": (lambda x: -x * np.log(x), (0.01, 3), ()),
    "sinc": (np.sinc, (-3, 3), ()),
    "logit": (lambda x: np.log(np.clip(x, 0.2, 0.8) / (1 - np.clip(x, 0.2, 0.8))), (0.01, 0.99), (0.2,)),
    "lgamma": (_curves.lgamma, (0.1, 20), ()),
    "digamma": (_curves.digamma, (0.1, 20), ()),
    "polygamma 1": (_curves.trigamma, (0.1, 20), (1.0,)),
    "polygamma 2": (lambda x: _curves.polygamma(2, x), (0.5, 20), (2.0,)),
    "polygamma 3": (lambda x: _curves.polygamma(3, x), (0.5, 20), (3.0,)),
    "i0": (_curves.i0, (-12, 12), ()),
    "i1": (_curves.i1, (-12, 12), ()),
    "i0e": (_curves.i0e, (-12, 12), ()),
    "i1e": (_curves.i1e, (-12, 12), ()),
    "nan_to_num": (np.positive, (-3, 3), (1.0, 2.0, 3.0)),
    "floor": (np.floor, (-9, 9), ()),
    "ceil": (np.ceil, (-9, 9), ()),
    "trunc": (np.trunc, (-9, 9), ()),
    "round": (np.rint, (-9, 9), ()),
    "frac": (lambda x: x - np.trunc(x), (-9, 9), ()),
    "sigmoid": (sigmoid, (-9, 9), ()),
    "relu": (lambda x: np.maximum(x, 0), (-3, 3), ()),
    "relu6": (lambda x: np.clip(x, 0, 6), (-3, 9), ()),
    "silu": (lambda x: x * sigmoid(x), (-9, 9), ()),
    "gelu": (lambda x: x * below(x), (-5, 5), ()),
    "gelu_tanh": (lambda x: 0.5 * x * (1 + np.tanh(INNER * (x + 0.044715 * x**3))), (-3, 5), ()),
    "softplus_1": (softplus, (-9, 25), ()),
    "log_sigmoid": (lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), (-9, 9), ()),
    "mish": (lambda x: x * np.tanh(softplus(x)), (-9, 25), ()),
    "hardsigmoid": (lambda x: np.clip(x + 3, 0, 6) / 6, (-5, 5), ()),
    "hardswish": (lambda x: x * np.clip(x + 3, 0, 6) / 6, (-5, 5), ()),
    "softsign": (lambda x: x / (1 + np.abs(x)), (-5, 5), ()),
    "tanhshrink": (lambda x: x - np.tanh(x), (0.5, 5), ()),
    "add_scalar": (lambda x: x + 2.5, (-5, 5), (2.5,)),
    "mul_scalar": (lambda x: x * 2.5, (-5, 5), (2.5,)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.125 * x), (-5, 5), (0.125,)),
    "elu": (lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0))), (-5, 5), (1.5,)),
    "celu": (lambda x: np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0) / 1.5)), (-5, 5), (1.5,)),
    "clamp": (lambda x: np.clip(x, -1, 2), (-5, 5), (-1.0, 2.0)),
    "hardtanh": (lambda x: np.clip(x, -1, 2), (-5, 5), (-1.0, 2.0)),
    "selu": (
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
        (-5, 5),
        (),
    ),
    "hardshrink": (lambda x: np.where(np.abs(x) > 0.5, x, 0), (-2, 2), (0.5,)),
    "softshrink": (lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), (-2, 2), (0.5,)),
    "threshold": (lambda x: np.where(x <= 0.5, 7.0, x), (-5, 5), (0.5, 7.0)),
}

BINARY = {
    "add": (np.add, (-3, 3), ()),
    "sub": (np.subtract, (-3, 3), ()),
    "mul": (np.multiply, (-3, 3), ()),
    "div": (np.divide, (0.5, 3), ()),
    "add_scaled": (lambda x, y: x + 2.5 * y, (0, 3), (2.5,)),
    "maximum": (np.maximum, (-3, 3), ()),
    "minimum": (np.minimum, (-3, 3), ()),
    "fmax": (np.fmax, (-3, 3), ()),
    "fmin": (np.fmin, (-3, 3), ()),
    "copysign": (np.copysign, (-3, 3), ()),
    "logaddexp": (np.logaddexp, (0, 5), ()),
    "atan2": (np.arctan2, (-3, 3), ()),
    "hypot": (np.hypot, (-3, 3), ()),
    "pow": (np.power, (0.1, 3), ()),
    "logaddexp2": (np.logaddexp2, (0, 5), ()),
    "xlogy": (lambda x, y: x * np.log(y), (0.1, 3), ()),
    "xlog1py": (lambda x, y: x * np.log1p(y), (-0.9, 3), ()),
    "glu": (lambda x, y: x * sigmoid(y), (-5, 5), ()),
    "zeta": (_curves.zeta, (1.1, 9), ()),
    "igamma": (lambda a, x: _curves.gammainc_pair(a, x)[0], (0.1, 40), ()),
    "igammac": (lambda a, x: _curves.gammainc_pair(a, x)[1], (0.1, 40), ()),
    "fmod": (np.fmod, (-9, 9), ()),
    "remainder": (np.remainder, (-9, 9), ()),
    "floor_divide": (np.floor_divide, (0.5, 9), ()),
    "div_floor": (np.floor_divide, (0.5, 9), ()),
    "div_trunc": (lambda x, y: np.trunc(x / y), (0.5, 9), ()),
    # Backward: of the gradient g and the saved value.
    "exp_backward": (lambda g, y: g * y, (-3, 3), ()),
    "sigmoid_backward": (lambda g, y: g * y * (1 - y), (0, 0.9), ()),
    "tanh_backward": (lambda g, y: g * (1 - y * y), (0, 0.9), ()),
    "sqrt_backward": (lambda g, y: g / (2 * y), (0.5, 3), ()),
    "rsqrt_backward": (lambda g, y: -0.5 * g * y**3, (0.5, 3), ()),
    "reciprocal_backward": (lambda g, y: -g * y * y, (0.5, 3), ()),
    "relu_backward": (lambda g, y: np.where(y > 0, g, 0), (-3, 3), ()),
    "log_backward": (lambda g, x: g / x, (0.5, 3), ()),
    "abs_backward": (lambda g, x: g * np.sign(x), (-3, 3), ()),
    "square_backward": (lambda g, x: 2 * g * x, (-3, 3), ()),
    "sin_backward": (lambda g, x: g * np.cos(x), (-3, 3), ()),
    "cos_backward": (lambda g, x: -g * np.sin(x), (-3, 3), ()),
    "erf_backward": (lambda g, x: g * 2 / np.sqrt(np.pi) * np.exp(-x * x), (-3, 3), ()),
    "erfc_backward": (lambda g, x: -g * 2 / np.sqrt(np.pi) * np.exp(-x * x), (-3, 3), ()),
    "erfinv_backward": (
        lambda g, x: g * np.sqrt(np.pi) / 2 * np.exp(_curves.erfinv(x) ** 2),
        (-0.9, 0.9),
        (),
    ),
    "erfcx_backward": (lambda g, x: g * (2 * x * _curves.erfcx(x) - 2 / np.sqrt(np.pi)), (-2, 3), ()),
    "ndtr_backward": (lambda g, x: g * bell(x), (-4, 4), ()),
    "ndtri_backward": (lambda g, y: g / bell(y), (-2, 2), ()),
    "log_ndtr_backward": (lambda g, x: g * bell(x) / below(x), (-4, 4), ()),
    "entr_backward": (lambda g, x: g * (-np.log(x) - 1), (0.01, 3), ()),
    "sinc_backward": (lambda g, x: g * _curves.sinc_derivative(x, 1), (-3, 3), ()),
    "logit_backward": (
        lambda g, x: np.where((x < 0.2) | (x > 0.8), 0, g / (x * (1 - x))),
        (0.05, 0.95),
        (0.2,),
    ),
    "lgamma_backward": (lambda g, x: g * _curves.digamma(x), (0.1, 20), ()),
    "digamma_backward": (lambda g, x: g * _curves.trigamma(x), (0.1, 20), ()),
    "i0_backward": (lambda g, x: g * _curves.i1(x), (-5, 5), ()),
    "i1_backward": (lambda g, x: g * (_curves.i0(x) - _curves.i1(x) / x), (0.1, 5), ()),
    "i0e_backward": (lambda g, x: g * (_curves.i1e(x) - _curves.i0e(x)), (0.1, 5), ()),
    "i1e_backward": (
        lambda g, x: g * (_curves.i0e(x) - _curves.i1e(x) - _curves.i1e(x) / x),
        (0.1, 5),
        (),
    ),
    "nan_to_num_backward": (lambda g, x: g, (-3, 3), ()),
    "silu_backward": (lambda g, x: g * sigmoid(x) * (1 + x * (1 - sigmoid(x))), (0, 5), ()),
    "gelu_backward": (lambda g, x: g * (below(x) + x * bell(x)), (0, 5), ()),
    "gelu_tanh_backward": (
        lambda g, x: (
            g
            * 0.5
            * (
                1
                + np.tanh(INNER * (x + 0.044715 * x**3))
                + x * (1 - np.tanh(INNER * (x + 0.044715 * x**3)) ** 2) * INNER * (1 + 3 * 0.044715 * x * x)
            )
        ),
        (0, 5),
        (),
    ),
    "log_sigmoid_backward": (lambda g, x: g * sigmoid(-x), (-5, 5), ()),
    "softplus_1_backward": (lambda g, x: g * np.where(x > 20, 1, sigmoid(x)), (-5, 25), ()),
    "mish_backward": (
        lambda g, x: g * (np.tanh(softplus(x)) + x * sigmoid(x) * (1 - np.tanh(softplus(x)) ** 2)),
        (0, 9),
        (),
    ),
    "relu6_backward": (lambda g, x: np.where((x > 0) & (x < 6), g, 0), (-3, 9), ()),
    "hardsigmoid_backward": (lambda g, x: np.where(np.abs(x) < 3, g / 6, 0), (-5, 5), ()),
    "hardswish_backward": (
        lambda g, x: g * np.where(np.abs(x) < 3, x / 3 + 0.5, (x > 0).astype(x.dtype)),
        (-5, 5),
        (),
    ),
    "selu_backward": (
        lambda g, x: 1.0507009873554805 * g * np.where(x > 0, 1, 1.6732632423543772 * np.exp(x)),
        (-5, 5),
        (),
    ),
    "hardshrink_backward": (lambda g, x: np.where(np.abs(x) > 0.5, g, 0), (-2, 2), (0.5,)),
    "softshrink_backward": (lambda g, x: np.where(np.abs(x) > 0.5, g, 0), (-2, 2), (0.5,)),
    "leaky_relu_backward": (lambda g, x: np.where(x > 0, g, 0.125 * g), (-5, 5), (0.125,)),
    "elu_backward": (lambda g, x: np.where(x > 0, g, 1.5 * g * np.exp(x)), (-5, 5), (1.5,)),
    "celu_backward": (lambda g, x: np.where(x > 0, g, g * np.exp(x / 1.5)), (-5, 5), (1.5,)),
    "clamp_backward": (lambda g, x: np.where((x >= -1) & (x <= 2), g, 0), (-5, 5), (-1.0, 2.0)),
    "hardtanh_backward": (lambda g, x: np.where((x > -1) & (x < 2), g, 0), (-5, 5), (-1.0, 2.0)),
}
for _e in (2.0, 3.0, 1.0, 0.5, -0.5, -1.0, -2.0, 0.0, 2.5):
    UNARY[f"pow_scalar {_e}"] = (lambda x, e=_e: x**e, (0.2, 3), (_e,))
    BINARY[f"pow_scalar_backward {_e}"] = (lambda g, x, e=_e: g * e * x ** (e - 1), (0.2, 3), (_e,))

# Slopes that vanish, or stop changing, far out: nothing there may be garbage or NaN.
FAR_OUT = [
    *(
        "sigmoid_backward",
        "tanh_backward",
        "erf_backward",
        "silu_backward",
        "gelu_backward",
        "gelu_tanh_backward",
    ),
    *("log_sigmoid_backward", "softplus_1_backward", "mish_backward", "elu_backward", "selu_backward"),
]


@pytest.mark.parametrize("name", FAR_OUT)
def test_slopes_far_out_agree_with_float64(name):
    x = np.concatenate([np.linspace(-150, 150, 30_001), [-3e38, 3e38, -1e6, 1e6]]).astype(np.float32)
    if name in ("sigmoid_backward", "tanh_backward"):
        x = np.linspace(-1, 1, 1001).astype(np.float32)
    g = np.full_like(x, 2.0)
    single = run_map(name, [g, x], np.empty_like(x), (1.0,))
    wide = run_map(name, [g.astype("f8"), x.astype("f8")], np.empty(x.shape), (1.0,))
    np.testing.assert_allclose(single, wide, rtol=1e-5, atol=2e-6)


COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
KINDS = {"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}
SIZES = (0, 1, 3, 4, 15, 16, 17, 33, 511, 512, 513, 1500)


def tolerance(dtype):
    return dict(rtol=2e-6, atol=1e-6) if dtype == np.float32 else dict(rtol=1e-13, atol=1e-13)


def hold(name, reference, inputs, scalar, out_dtype=None, steps=None):
    """Runs a kernel into guarded memory and holds it against the reference in float64."""
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    guarded = Guarded(shape, out_dtype or inputs[0].dtype, steps)
    run_map(name.split()[0], inputs, guarded.array, scalar)
    result = guarded.array.copy()
    guarded.check()
    wide = reference(*(x.astype(np.float64) for x in inputs))
    np.testing.assert_allclose(
        result, np.broadcast_to(wide, shape), **tolerance(inputs[0].dtype), err_msg=name
    )


@pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
@pytest.mark.parametrize("name", UNARY)
def test_unary_kernel_agrees_with_numpy(name, dtype):
    reference, span, scalar = UNARY[name]
    for size in SIZES:
        hold(name, reference, [sample(size, span, dtype)], scalar)


@pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
@pytest.mark.parametrize("name", BINARY)
def test_binary_kernel_agrees_with_numpy(name, dtype):
    reference, span, scalar = BINARY[name]
    for size in SIZES:
        hold(name, reference, [sample(size, span, dtype), sample(size, span, dtype, 1)], scalar)


LAYOUTS = {
    "transposed": lambda: (sample((70, 33), (-2, 2), "f4").T, sample((33, 70), (-2, 2), "f4", 1)),
    "reversed": lambda: (sample((7, 90), (-2, 2), "f4")[:, ::-1], sample((7, 90), (-2, 2), "f4", 1)[::-1]),
    "stepped": lambda: (sample((9, 1300), (-2, 2), "f4")[:, ::3], sample((27, 434), (-2, 2), "f4", 1)[::3]),
    "row over rows": lambda: (sample((64, 10), (-2, 2), "f4"), sample((1, 10), (-2, 2), "f4", 1)),
    "long row over rows": lambda: (sample((5, 777), (-2, 2), "f4"), sample((1, 777), (-2, 2), "f4", 1)),
    "column over columns": lambda: (sample((6, 600), (-2, 2), "f4"), sample((6, 1), (-2, 2), "f4", 1)),
    "one number": lambda: (sample((1000,), (-2, 2), "f4"), sample((1,), (-2, 2), "f4", 1)),
    "number on the left": lambda: (sample((1,), (-2, 2), "f4"), sample((1000,), (-2, 2), "f4", 1)),
    "column on the left": lambda: (sample((6, 1), (-2, 2), "f4"), sample((6, 600), (-2, 2), "f4", 1)),
    "both broadcast": lambda: (sample((40, 1), (-2, 2), "f4"), sample((1, 50), (-2, 2), "f4", 1)),
    "three dimensions": lambda: (
        sample((5, 4, 6), (-2, 2), "f4").transpose(2, 0, 1),
        sample((6, 5, 4), (-2, 2), "f4", 1),
    ),
    "six dimensions": lambda: (
        sample((2, 3, 2, 3, 2, 5), (-2, 2), "f4").transpose(5, 4, 3, 2, 1, 0),
        sample((5, 2, 3, 2, 3, 2), (-2, 2), "f4", 1),
    ),
    "empty row": lambda: (sample((5, 0), (-2, 2), "f4"), sample((5, 0), (-2, 2), "f4")),
    "no rows": lambda: (sample((0, 5), (-2, 2), "f4"), sample((0, 5), (-2, 2), "f4")),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_gives_the_same_numbers(layout, dtype):
    x, y = (
        v.astype(dtype, copy=False) if dtype == np.float32 else v.astype(dtype, order="K")
        for v in LAYOUTS[layout]()
    )
    hold("sub", np.subtract, [x, y], ())
    hold("logaddexp", np.logaddexp, [x, y], ())
    hold("lt", np.less, [x, y], (), out_dtype=np.bool_)
    hold("div", np.divide, [x, np.abs(y) + y.dtype.type(0.5)], ())
    hold("maximum", np.maximum, [x, y], ())
    hold("tanh", np.tanh, [x], ())
    hold("sin", np.sin, [x], ())
    hold("sub", np.subtract, [y, x], (), steps=tuple(-2 if i else 1 for i in range(max(x.ndim, y.ndim))))


@pytest.mark.parametrize("name", ["tanh", "add", "gelu", "sin", "where", "clamp_backward"])
def test_an_output_may_be_an_input(name):
    x = sample(1003, (-2, 2), np.float32)
    y = sample(1003, (-2, 2), np.float32, 1)
    inputs = {"where": [x > 0, x, y], "add": [x, y], "clamp_backward": [x, y]}.get(name, [x])
    apart = run_map(name, inputs, np.empty_like(x), (-1.0, 1.0), dtype=F32)
    shared = x.copy()
    inputs = [shared if v is x else v for v in inputs]
    np.testing.assert_array_equal(run_map(name, inputs, shared, (-1.0, 1.0), dtype=F32), apart)
    stepped = np.repeat(x, 2)[::2]
    inputs = [stepped if v is shared else v for v in inputs]
    np.testing.assert_array_equal(run_map(name, inputs, stepped, (-1.0, 1.0), dtype=F32), apart)


@pytest.mark.parametrize("dtype", (*FLOATS, np.int64), ids=("f32", "f64", "i64"))
@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_agree_with_numpy(name, dtype):
    rng = np.random.default_rng(0)
    for size in SIZES:
        x, y = (rng.integers(-3, 4, size).astype(dtype) for _ in range(2))
        if dtype != np.int64 and size:
            x[-1] = np.nan
        hold(name, COMPARISONS[name], [x, y], (), out_dtype=np.bool_)


@pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_numbers_agree_with_numpy(name, dtype):
    for size in SIZES:
        x = np.resize(np.array([0.0, NAN, 1.0, INF, -3.0, -INF, 5e-324, 1e308], dtype), size)
        hold(name, KINDS[name], [x], (), out_dtype=np.bool_)


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_integers_wrap_around(name):
    x = np.array([2**63 - 1, -(2**63), 5, -7], np.int64)
    y = np.array([1, -1, 2**62, 3], np.int64)
    expected = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name](x, y)
    np.testing.assert_array_equal(run_map(name, [x, y], np.empty_like(x)), expected)


@pytest.mark.parametrize("dtype", (*FLOATS, np.int64), ids=("f32", "f64", "i64"))
def test_where_moves_every_bit(dtype):
    x = np.arange(700).astype(dtype)
    y = -x
    if dtype != np.int64:
        x[3] = np.nan
        y[5] = -0.0
    condition = np.arange(700) % 3 == 0
    out = run_map("where", [condition, x, y], np.empty_like(x), dtype=code(x))
    np.testing.assert_array_equal(out.view(np.uint8), np.where(condition, x, y).view(np.uint8))


# Ends and ties, worked out by hand; where PyTorch had a choice, this is its choice.
ENDS = {
    "relu": ([-0.0, NAN, -INF, INF], (), [-0.0, NAN, 0, INF]),
    "relu6": ([NAN, -INF, INF], (), [NAN, 0, 6]),
    "clamp": ([NAN, -INF, INF, 0], (-1.0, INF), [NAN, -1, INF, 0]),
    "hardtanh": ([NAN, -INF, INF], (-1.0, 1.0), [NAN, -1, 1]),
    "threshold": ([NAN, 1, 1.5], (1.0, 7.0), [NAN, 7, 1.5]),
    "sign": ([-0.0, NAN, -INF], (), [0, 0, -1]),
    "round": ([0.5, 1.5, 2.5, -0.5], (), [0, 2, 2, -0.0]),
    "softplus_1": ([NAN, INF, -INF], (), [NAN, INF, 0]),
    "log_sigmoid": ([NAN, INF, -INF], (), [NAN, 0, -INF]),
    "gelu": ([NAN, INF], (), [NAN, INF]),
    "mish": ([NAN, INF], (), [NAN, INF]),
    "elu": ([NAN, INF, -INF], (1.0,), [NAN, INF, -1]),
    "leaky_relu": ([NAN, -0.0], (0.01,), [NAN, -0.0]),
    "pow_scalar": ([NAN, -2, 0], (0.0,), [1, 1, 1]),
    "erfinv": ([1, -1, 1.5, -0.0, NAN], (), [INF, -INF, NAN, -0.0, NAN]),
    "ndtri": ([0, 1, 0.5, -0.5, 2], (), [-INF, INF, 0, NAN, NAN]),
    "lgamma": ([0, -1, -2.5, INF, -INF, NAN, 1, 2], (), [INF, INF, -0.0562437164976741, INF, INF, NAN, 0, 0]),
    "digamma": ([0.0, -0.0, -1, INF, -INF, NAN], (), [-INF, INF, NAN, INF, NAN, NAN]),
    "polygamma": ([0, -1, INF, NAN], (1.0,), [INF, INF, 0, NAN]),
    "entr": ([0, -1, NAN, INF], (), [0, -INF, NAN, -INF]),
    "logit": ([0, 1, -1, 2, NAN], (-INF,), [-INF, INF, NAN, NAN, NAN]),
    "sinc": ([0, -0.0, NAN], (), [1, 1, NAN]),
    "nan_to_num": ([NAN, INF, -INF, -0.0], (1.0, 2.0, 3.0), [1, 2, 3, -0.0]),
    "erfcx": ([INF, -INF, NAN, -100], (), [0, INF, NAN, INF]),
    "log_ndtr": ([INF, -INF, NAN], (), [-0.0, -INF, NAN]),
}
TWO_ENDS = {
    "maximum": ([NAN, 1, INF, -INF], [1, NAN, 2, 3], (), [NAN, NAN, INF, 3]),
    "minimum": ([NAN, 1, INF, -INF], [1, NAN, 2, 3], (), [NAN, NAN, 2, -INF]),
    "fmax": ([NAN, 1, NAN], [1, NAN, NAN], (), [1, 1, NAN]),
    "fmin": ([NAN, 1, NAN], [1, NAN, NAN], (), [1, 1, NAN]),
    "atan2": (
        [0.0, -0.0, INF, -INF, 0.0, -0.0, NAN],
        [0.0, 0.0, INF, -INF, -0.0, -1, 1],
        (),
        [0, -0.0, np.pi / 4, -3 * np.pi / 4, np.pi, -np.pi, NAN],
    ),
    "hypot": ([INF, NAN, 3e38], [NAN, -INF, 0], (), [INF, INF, 3e38]),
    "logaddexp": ([-INF, INF, INF, NAN], [-INF, INF, -INF, 1], (), [-INF, INF, INF, NAN]),
    "remainder": ([5, -5, 5, 4, -0.0], [-3, 3, INF, 0, 3], (), [-1, 1, 5, NAN, -0.0]),
    "logaddexp2": ([-INF, INF, INF, NAN], [-INF, INF, -INF, 1], (), [-INF, INF, INF, NAN]),
    "xlogy": ([0, 0, 0, 2], [0, NAN, -1, 0], (), [0, NAN, 0, -INF]),
    "xlog1py": ([0, 0, 0, 2], [-1, NAN, -3, -1], (), [0, NAN, 0, -INF]),
    "nan_to_num_backward": ([1, 1, 1, 1], [0, NAN, INF, -INF], (), [1, 0, 0, 0]),
    "logit_backward": ([1, 1, 1], [-1, 0.5, 2], (-INF,), [NAN, 4, NAN]),
    "relu_backward": ([1, 1, 1], [0, NAN, -0.0], (), [0, 1, 0]),
    "abs_backward": ([2, 2, 2], [0, NAN, -3], (), [0, 0, -2]),
    "clamp_backward": ([1, 1, 1, 1], [-1, 2, NAN, 2.5], (-1.0, 2.0), [1, 1, 0, 0]),
    "hardtanh_backward": ([1, 1, 1, 1], [-1, 2, NAN, 1.5], (-1.0, 2.0), [0, 0, 1, 1]),
    "leaky_relu_backward": ([1, 1], [0, NAN], (0.25,), [0.25, 0.25]),
    "elu_backward": ([1, 1, 1], [0, NAN, -INF], (1.0,), [1, 1, 0]),
    "celu_backward": ([1, 1, 1], [0, NAN, -INF], (2.0,), [1, 1, 0]),
    "pow_scalar_backward": ([1, 1, 1], [0, NAN, INF], (0.0,), [0, 0, 0]),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))
@pytest.mark.parametrize("name", [*ENDS, *TWO_ENDS])
def test_ends_and_ties(name, dtype):
    *inputs, scalar, expected = ENDS.get(name) or TWO_ENDS[name]
    inputs = [np.array(x, dtype) for x in inputs]
    out = run_map(name, inputs, np.empty_like(inputs[0]), scalar)
    expected = np.array(expected, dtype)
    np.testing.assert_allclose(out, expected, **tolerance(dtype))
    if "_backward" not in name:
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(out[zero]), np.signbit(expected[zero]))


def test_every_kernel_of_the_table_is_tested_somewhere():
    """By its name in one of the files that test kernels (that some op runs it, test_events.py holds)."""
    text = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_kernels*.py"))
    named = {*re.findall(r"[\"'](\w+)", text), *re.findall(r"^def (\w+)\(", text, re.MULTILINE)}
    named |= {f"cast_{dtype.short}" for dtype in all_dtypes}
    assert {name for name, _ in _kernels.names()} - named == set()


def test_every_kernel_declares_what_it_takes():
    for each in _kernels.declarations():
        operands = len(each["operands"])
        assert operands == each["inputs"] + each["outputs"] <= 11 and each["cost"] > 0, each
        names = [*(operand.name for operand in each["operands"]), *each["settings"], *each["integers"]]
        assert len(set(names)) == len(names), each
        assert each["outputs"] or each["in_place"], each
        assert all(n < each["inputs"] for n in each["in_place"]), each
        assert len(each["settings"]) <= 8 and len(each["integers"]) <= 8, each
