"""The mathematics of vmath.h and activations.h: errors over floats of every size, held to the comments."""

import math

import numpy as np
import pytest
from kernel_calls import all_floats, run_map, ulps

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


def test_powers_at_their_ends():
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
    x, y = (v.ravel().astype(np.float32) for v in np.meshgrid(ends, ends))
    exact = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    result = run_map("pow", [x, y], np.empty_like(x))
    np.testing.assert_allclose(result, exact, rtol=2e-7)
    np.testing.assert_array_equal(np.signbit(result[~np.isnan(exact)]), np.signbit(exact[~np.isnan(exact)]))


def test_logaddexp_is_right_to_the_last_bits_of_the_larger():
    rng = np.random.default_rng(0)
    x, y = ((rng.standard_normal(200_003) * 20).astype(np.float32) for _ in range(2))
    exact = np.logaddexp(x.astype(np.float64), y.astype(np.float64))
    unit = np.spacing(np.maximum(np.maximum(np.abs(x), np.abs(y)), np.float32(0.5)))
    assert (np.abs(run_map("logaddexp", [x, y], np.empty_like(x)) - exact) / unit).max() < 2.0


def test_angles_too_large_to_reduce_are_still_right():
    x = np.array([1e6, 2e6, 1e10, 3.4e38, -1e22, 1.0, np.inf, np.nan] * 5, np.float32)
    for name, reference in (("sin", np.sin), ("cos", np.cos), ("tan", np.tan)):
        assert ulps(run_map(name, [x], np.empty_like(x)), reference(x.astype(np.float64))).max() <= 3.5


@pytest.mark.parametrize("name", ["exp", "expm1", "tanh", "sigmoid", "log", "sin", "gelu", "erf"])
def test_an_element_does_not_depend_on_its_neighbours_or_its_place(name):
    x = np.random.default_rng(0).uniform(0.1, 5, 97).astype(np.float32)
    whole = run_map(name, [x], np.empty_like(x))
    alone = np.concatenate([run_map(name, [x[i : i + 1]], np.empty(1, np.float32)) for i in range(x.size)])
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(run_map(name, [x[::-1]], np.empty_like(x))[::-1], whole)


def remainder(x, y):
    """NumPy's, but that a zero has the sign of x, as PyTorch's has."""
    rest = np.fmod(x, y)
    return np.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)


QUOTIENTS = {"fmod": np.fmod, "remainder": remainder, "floor_divide": np.floor_divide}


@pytest.mark.parametrize("name", QUOTIENTS)
def test_divisions_with_a_rest_are_numpys_to_the_last_bit(name):
    """Of all magnitudes, whole quotients, huge ones, zeros, infinities and NaN: the rest is exact."""
    rng = np.random.default_rng(0)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-45, 3e38, 0.1, 3, 7], np.float32)
    whole = rng.integers(-50, 50, 4096).astype(np.float32)
    wide = (rng.standard_normal(4096) * 10.0 ** rng.integers(-30, 30, 4096)).astype(np.float32)
    near = (rng.standard_normal(4096) * 10.0 ** rng.integers(-3, 4, 4096)).astype(np.float32)
    for x, y in [
        *([np.repeat(special, len(special)), np.tile(special, len(special))],),
        (whole, rng.permutation(whole)),
        (whole * np.float32(0.1), np.full(4096, 0.1, np.float32)),
        (wide, rng.permutation(wide)),
        (near, rng.permutation(near)),
    ]:
        with np.errstate(all="ignore"):
            expected = QUOTIENTS[name](x, y)
        found = run_map(name, [x, y], np.empty_like(x))
        same = (found == expected) & (np.signbit(found) == np.signbit(expected))
        assert (same | (np.isnan(found) & np.isnan(expected))).all()
