"""The mathematics of vmath.h, vmath64.h, activations.h and special.h: errors over floats of every size, held
to what the comments and kernels/README.md say."""

import math
from pathlib import Path

import numpy as np
import pytest
from kernel_calls import all_floats, run_map, ulps

import tensorgrad as tg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(x):
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))) / (1.0 + np.exp(-np.abs(x)))


def log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


# name: (reference, largest error in ULP)
ERRORS = {
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.2),
    "expm1": (np.expm1, 2.2),
    "log": (np.log, 1.0),
    "log1p": (np.log1p, 1.5),
    "log2": (np.log2, 1.5),
    "log10": (np.log10, 2.0),
    "sin": (np.sin, 1.6),
    "cos": (np.cos, 1.6),
    "tan": (np.tan, 3.5),
    "asin": (np.arcsin, 2.5),
    "acos": (np.arccos, 1.5),
    "atan": (np.arctan, 2.2),
    "sinh": (np.sinh, 2.5),
    "cosh": (np.cosh, 2.0),
    "tanh": (np.tanh, 2.8),
    "asinh": (np.arcsinh, 2.2),
    "acosh": (np.arccosh, 2.2),
    "atanh": (np.arctanh, 2.2),
    "erf": (erf, 1.5),
    "erfc": (erfc, 5.0),
    "sigmoid": (sigmoid, 2.5),
    "softplus_1": (lambda x: np.where(x > 20, x, np.log1p(np.exp(x))), 2.0),
    "log_sigmoid": (log_sigmoid, 2.0),
    "sqrt": (np.sqrt, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5),
}


@pytest.fixture(scope="module")
def exact_values():
    """What mpmath gives: arguments, results, and what a float64 leaves of them."""
    return np.load(Path(__file__).parent / "fixtures" / "functions.npz")


# name: largest error in ULP; past it the size below which it is one of that size: where a sum cancels
ERRORS_64 = {
    "exp": (1.0, 0),
    "exp2": (1.2, 0),
    "expm1": (1.5, 0),
    "log": (1.0, 0),
    "log1p": (1.5, 0),
    "log2": (1.5, 0),
    "log10": (2.0, 0),
    "sin": (1.0, 0),
    "cos": (1.0, 0),
    "tan": (2.5, 0),
    "asin": (1.8, 0),
    "acos": (1.2, 0),
    "atan": (2.3, 0),
    "sinh": (1.8, 0),
    "cosh": (1.5, 0),
    "tanh": (1.5, 0),
    "asinh": (2.0, 0),
    "acosh": (2.5, 0),
    "atanh": (2.2, 0),
    "erf": (1.5, 0),
    "erfc": (5.0, 0),
    "sigmoid": (2.5, 0),
    "log_sigmoid": (2.0, 0),
    "ndtr": (6.0, 0),
    "ndtri": (4.0, 0),
    "log_ndtr": (6.0, 0),
    "erfinv": (4.0, 0),
    "erfcx": (6.0, 0),
    "lgamma": (4.0, 0),
    "digamma": (6.0, 1),
    "polygamma": (6.0, 0),
    "i0": (5.0, 0),
    "i1": (8.0, 0),
    "i0e": (4.0, 0),
    "i1e": (7.0, 0),
}


@pytest.mark.parametrize("name", ERRORS_64)
def test_error_of_float64_stays_below_the_stated_bound(name, exact_values):
    bound, least = ERRORS_64[name]
    x, exact, rest = exact_values["trigamma" if name == "polygamma" else name]
    y = run_map(name, [x], np.empty_like(x), (1.0,))
    unit = np.spacing(np.maximum(np.abs(exact), max(least, 1e-307)))
    error = np.where(np.isinf(exact), np.where(y == exact, 0, np.inf), np.abs((y - exact) - rest) / unit)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r} is {error[worst]:.3g} ULP off"


# Those that go through double are rounded once.
ERRORS_OF_SPECIAL = {
    **dict.fromkeys(
        ("erfcx", "log_ndtr", "ndtri", "lgamma", "digamma", "polygamma", "i0", "i1", "i0e", "i1e"), 0.51
    ),
    "erfinv": 3.0,
    "ndtr": 6.0,
}


@pytest.mark.parametrize("name", ERRORS_OF_SPECIAL)
def test_error_of_special_functions_in_float32(name, exact_values):
    x, exact, _ = exact_values["trigamma" if name == "polygamma" else name]
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    here = (single == x) & (np.abs(exact) > 1e-36)
    error = ulps(run_map(name, [single[here]], np.empty(here.sum(), np.float32), (1.0,)), exact[here])
    assert error.max() <= ERRORS_OF_SPECIAL[name]


@pytest.mark.parametrize(
    ("name", "reference", "bound"),
    [("pow", np.power, 1.5), ("atan2", np.arctan2, 2.5), ("hypot", np.hypot, 1.5)],
)
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no float is longer than float64 here")
def test_error_of_two_arguments_in_float64(name, reference, bound):
    rng = np.random.default_rng(0)
    count = 20_003
    bits = [rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64) for _ in range(2)]
    near = [rng.standard_normal(count) * 9 for _ in range(2)]
    ones = [1 + rng.standard_normal(count) * 1e-5, 10 ** rng.uniform(0, 7, count)]
    for x, y in (
        bits,
        near,
        ones,
        [np.abs(near[0]), near[1] * 30],
        [bits[0], np.rint(near[1])],
        [10 ** rng.uniform(-300, 300, count), rng.uniform(-3, 3, count)],
    ):
        exact = reference(x.astype(np.longdouble), y.astype(np.longdouble))
        with np.errstate(all="ignore"):
            nearest = exact.astype(np.float64)
        inside = np.isfinite(nearest) & (np.abs(nearest) < 1e308)
        found = run_map(name, [x, y], np.empty_like(x))
        error = np.abs(found - exact) / np.spacing(np.maximum(np.abs(nearest), 1e-307))
        assert error[inside].max() <= bound
        np.testing.assert_array_equal(found[np.isnan(exact)], np.nan)
        far = np.abs(nearest) > 1.79e308
        np.testing.assert_allclose(found[far], nearest[far])


@pytest.mark.parametrize("name", ERRORS)
def test_error_stays_below_the_stated_bound(name):
    reference, bound = ERRORS[name]
    x = all_floats(40009 if name.startswith("erf") else 4099)
    y = run_map(name, [x], np.empty_like(x))
    error = ulps(y, reference(x.astype(np.float64)))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r} is {error[worst]:.3g} ULP off"


# x times a share: where the share is a denormal its bits are few, so results below 1e-36 are held to 1e-43.
SHARES = {
    "silu": (lambda x: x * sigmoid(x), 4.0),
    "gelu": (lambda x: x * 0.5 * erfc(-x / math.sqrt(2.0)), 6.0),
    "mish": (lambda x: np.where(x > 20, x, x * np.tanh(np.log1p(np.exp(x)))), 5.0),
}


@pytest.mark.parametrize("name", SHARES)
def test_error_of_activations_on_both_sides(name):
    reference, bound = SHARES[name]
    x = all_floats(40009)
    x = x[np.isfinite(x)]
    y = run_map(name, [x], np.empty_like(x))
    exact = reference(x.astype(np.float64))
    error = np.where(np.abs(exact) < 1e-36, np.abs(y - exact) / 1e-43, ulps(y, exact))
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r} is {error[worst]:.3g} ULP off"


def test_gelu_tanh_is_right_to_a_part_in_ten_million_of_its_range():
    x = np.linspace(-10, 10, 200_001).astype(np.float32)
    wide = x.astype(np.float64)
    exact = 0.5 * wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    assert np.abs(run_map("gelu_tanh", [x], np.empty_like(x)) - exact).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "reference", "bound"), [("atan2", np.arctan2, 3.0), ("hypot", np.hypot, 0.6)]
)
def test_error_of_two_arguments(name, reference, bound):
    rng = np.random.default_rng(0)
    bits = [rng.integers(0, 2**32, 200_003, dtype=np.uint32).view(np.float32) for _ in range(2)]
    near = [(rng.standard_normal(200_003) * 9).astype(np.float32) for _ in range(2)]
    small = [np.abs(near[0]), near[1]]
    for x, y in (bits, near, small, [small[0], bits[1]], [bits[0], np.rint(near[1])]):
        error = ulps(
            run_map(name, [x, y], np.empty_like(x)), reference(x.astype(np.float64), y.astype(np.float64))
        )
        assert error.max() <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_powers_at_their_ends(dtype):
    ends = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        -3.0,
        1e-40,
        3e38,
        np.inf,
        -np.inf,
        np.nan,
        16777217.0,
        0.3,
        -0.3,
    ]
    x, y = (v.ravel().astype(dtype) for v in np.meshgrid(ends, ends))
    exact = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    result = run_map("pow", [x, y], np.empty_like(x))
    np.testing.assert_allclose(result, exact, rtol=2e-7 if dtype == np.float32 else 1e-15)
    np.testing.assert_array_equal(np.signbit(result[~np.isnan(exact)]), np.signbit(exact[~np.isnan(exact)]))


def test_logaddexp_is_right_to_the_last_bits_of_the_larger():
    rng = np.random.default_rng(0)
    x, y = ((rng.standard_normal(200_003) * 20).astype(np.float32) for _ in range(2))
    exact = np.logaddexp(x.astype(np.float64), y.astype(np.float64))
    unit = np.spacing(np.maximum(np.maximum(np.abs(x), np.abs(y)), np.float32(0.5)))
    assert (np.abs(run_map("logaddexp", [x, y], np.empty_like(x)) - exact) / unit).max() < 2.0


def test_angles_too_large_to_reduce_are_still_right():
    x = np.array([1e6, 2e6, 1e10, 3.4e38, -1e22, 1.0, np.inf, np.nan] * 5, np.float32)
    wide = x.astype(np.float64)
    for name, reference in (("sin", np.sin), ("cos", np.cos), ("tan", np.tan)):
        assert ulps(run_map(name, [x], np.empty_like(x)), reference(wide)).max() <= 3.5
        np.testing.assert_allclose(run_map(name, [wide], np.empty_like(wide)), reference(wide), rtol=1e-15)


SIGNED = (
    *("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh"),
    *("erf", "erfinv", "expm1", "log1p", "i1", "i1e"),
)


@pytest.mark.parametrize("name", SIGNED)
def test_float64_near_0_and_at_its_ends(name):
    """Zeros keep their sign, denormals their value (all have a slope of about 1 there), NaN stays."""
    x = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-310, -1e-310, np.nan])
    y = run_map(name, [x], np.empty_like(x))
    root = math.sqrt(math.pi)
    slope = {"erf": 2 / root, "erfinv": root / 2, "i1": 0.5, "i1e": 0.5}.get(name, 1)
    np.testing.assert_array_equal(np.signbit(y[:6]), np.signbit(x[:6]))
    np.testing.assert_allclose(y[[0, 1, 4, 5, 6]], (x * slope)[[0, 1, 4, 5, 6]], rtol=1e-13)
    if slope == 1:
        np.testing.assert_array_equal(y[2:4], x[2:4])


@pytest.mark.parametrize(
    "name",
    [
        *("exp", "expm1", "tanh", "sigmoid", "log", "sin", "gelu", "erf"),
        *("pow_scalar", "lgamma", "i0e", "sinc"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_an_element_does_not_depend_on_its_neighbours_or_its_place(name, dtype):
    x = np.random.default_rng(0).uniform(0.1, 5, 97).astype(dtype)
    whole = run_map(name, [x], np.empty_like(x), (2.5,))
    alone = np.concatenate([run_map(name, [x[i : i + 1]], np.empty(1, dtype), (2.5,)) for i in range(x.size)])
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(run_map(name, [x[::-1]], np.empty_like(x), (2.5,))[::-1], whole)


# name: numbers that go another way, in the formula or to C's own function, and how far the others go
FAR = {
    "sin": ([3e8, 1e5, -4096.1], 4096),
    "cos": ([3e8, 1e5, -4096.1], 4096),
    "tan": ([3e8, 1e5, -4096.1], 4096),
    "sinc": ([3e8], 12),
    "lgamma": ([-2.5], 12),
    "digamma": ([-2.5], 12),
    "exp": ([87.5, -90.0, 1e9, -np.inf], 87),
    "log": ([1e-40, 0.0, np.inf], 1e30),
    "log2": ([1e-40, 0.0, np.inf], 1e30),
    "log10": ([1e-40, 0.0, np.inf], 1e30),
    "erf": ([8.75, -np.inf], 8.5),
    "ndtr": ([12.75, -15.0, np.inf], 12.5),
    "gelu": ([12.75, -15.0, np.inf], 12.5),
    "erfinv": ([0.998, -1.0], 0.9965),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", FAR)
def test_an_element_does_not_depend_on_neighbours_that_go_another_way(name, dtype):
    others, largest = FAR[name]
    x = np.random.default_rng(0).uniform(min(0.1, largest / 9), largest, 1999).astype(dtype)
    whole = run_map(name, [x], np.empty_like(x))
    for far in others:
        mixed = x.copy()
        mixed[5::700] = far
        for found in (run_map(name, [mixed], np.empty_like(x)), run_map(name, [mixed], mixed)):
            np.testing.assert_array_equal(np.delete(found, np.s_[5::700]), np.delete(whole, np.s_[5::700]))
            alone = run_map(name, [np.full(16, far, dtype)], np.empty(16, dtype))
            assert (found[5::700] == alone[0]).all()


@pytest.mark.parametrize("written_over", [None, 0, 1])
@pytest.mark.parametrize("name", ["gelu_backward", "sin_backward", "cos_backward"])
def test_a_slope_does_not_depend_on_neighbours_that_go_another_way(name, written_over):
    rng = np.random.default_rng(0)
    g, v = (rng.standard_normal(1999).astype(np.float32) for _ in range(2))
    whole = run_map(name, [g, v], np.empty_like(g))
    v[5::700] = 5e4
    operands = [g.copy(), v.copy()]
    found = run_map(name, operands, np.empty_like(g) if written_over is None else operands[written_over])
    np.testing.assert_array_equal(np.delete(found, np.s_[5::700]), np.delete(whole, np.s_[5::700]))
    alone = run_map(name, [g[5::700], v[5::700]], np.empty_like(g[5::700]))
    np.testing.assert_array_equal(found[5::700], alone)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_near_the_zeros_of_their_sines_are_right(name):
    x = (np.arange(1, 20_000) * (np.pi / 2)).astype(np.float32)
    x = np.concatenate([x, np.nextafter(x, np.float32(0)), np.nextafter(x, np.float32(1e9))])
    reference = {"sin": np.sin, "cos": np.cos, "tan": np.tan}[name]
    error = ulps(run_map(name, [x], np.empty_like(x)), reference(x.astype(np.float64)))
    assert error.max() <= (3.5 if name == "tan" else 1.6)


def remainder(x, y):
    """NumPy's, but that a zero has the sign of x, as PyTorch's has."""
    rest = np.fmod(x, y)
    return np.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)


QUOTIENTS = {"fmod": np.fmod, "remainder": remainder, "floor_divide": np.floor_divide}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", [*QUOTIENTS, "div_floor"])
def test_divisions_with_a_rest_are_numpys_to_the_last_bit(name, dtype):
    """Of all magnitudes, whole quotients, huge ones, zeros, infinities and NaN: the rest is exact."""
    rng = np.random.default_rng(0)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-45, 3e38, 0.1, 3, 7], dtype)
    whole = rng.integers(-50, 50, 4096).astype(dtype)
    wide = (rng.standard_normal(4096) * 10.0 ** rng.integers(-30, 30, 4096)).astype(dtype)
    near = (rng.standard_normal(4096) * 10.0 ** rng.integers(-3, 4, 4096)).astype(dtype)
    for x, y in [
        *([np.repeat(special, len(special)), np.tile(special, len(special))],),
        (whole, rng.permutation(whole)),
        (whole * dtype(0.1), np.full(4096, 0.1, dtype)),
        (wide, rng.permutation(wide)),
        (near, rng.permutation(near)),
        (near * dtype(1 / np.finfo(dtype).eps), rng.permutation(near)),
    ]:
        with np.errstate(all="ignore"):
            expected = QUOTIENTS["floor_divide" if name == "div_floor" else name](x, y)
        found = run_map(name, [x, y], np.empty_like(x))
        same = (found == expected) & (np.signbit(found) == np.signbit(expected))
        assert (same | (np.isnan(found) & np.isnan(expected))).all()


@pytest.mark.parametrize("dtype", [tg.float32, tg.float64])
def test_special_functions_near_their_ends(dtype):
    near = 1e-5 if dtype is tg.float32 else 1e-14
    far = tg.special.log_ndtr(tg.tensor([-1e16, -3e17], dtype=dtype))
    assert np.allclose(far.double().numpy(), [-5e31, -4.5e34], rtol=near, atol=0)
    small = tg.tensor([-1e-8, -1e-15], dtype=dtype)
    found = tg.special.zeta(tg.tensor(2.0, dtype=dtype), small).double()
    assert np.allclose(found.numpy(), small.double().numpy() ** -2, rtol=near, atol=0)
