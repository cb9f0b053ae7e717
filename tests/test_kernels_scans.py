"""The kernels cumsum, reversed_cumsum, cumprod, logcumsumexp: against NumPy in float64, in guarded memory."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, same_by_any_threads

from tensorgrad import _kernels

ROWS = [(1, 1, 1), (3, 5, 1), (8, 40, 1), (17, 9, 1)]
SHAPES = [*ROWS, (4, 3, 1), (1, 5, 3), (2, 7, 64), (3, 4, 65), (2, 3, 150), (0, 4, 2)]
REFERENCES = {
    "cumsum": lambda x: np.cumsum(x, 1),
    "reversed_cumsum": lambda x: np.cumsum(x[:, ::-1], 1)[:, ::-1],
    "cumprod": lambda x: np.cumprod(x, 1),
}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", REFERENCES)
def test_scans_round_each_sum_once(name, shape, dtype):
    x = np.random.default_rng(0).uniform(-2, 2, shape).astype(dtype)
    out = Guarded(shape, dtype)
    _kernels.apply(name, input=x, out=out.array)
    np.testing.assert_array_equal(out.array, REFERENCES[name](x.astype("f8")).astype(dtype))
    out.check()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_logarithms_of_running_sums_of_exponentials(shape, dtype):
    rng = np.random.default_rng(2)
    x = rng.uniform(-90, 90, shape).astype(dtype)
    x = np.where(rng.random(shape) < 0.2, rng.choice([-np.inf, 0.0, 300.0], shape), x).astype(dtype)
    out = Guarded(shape, dtype)
    _kernels.apply("logcumsumexp", input=x, out=out.array)
    exact = np.logaddexp.accumulate(x.astype("f8"), axis=1)
    np.testing.assert_allclose(out.array, exact, rtol=2e-7 if dtype == "f4" else 1e-14, atol=1e-13)
    out.check()
    x = np.array([1, np.inf, 2, np.inf, -np.inf, np.nan, 1], dtype).reshape(1, -1, 1)
    found = _kernels.apply("logcumsumexp", input=x)[0, :, 0]
    np.testing.assert_array_equal(found, [1, np.inf, np.inf, np.inf, np.inf, np.nan, np.nan])


@pytest.mark.parametrize("name", [*REFERENCES, "logcumsumexp"])
def test_any_number_of_threads_gives_the_same_bytes(name):
    rng = np.random.default_rng(1)
    for shape in ((700, 300, 1), (2, 300, 700)):
        x = rng.uniform(0.9, 1.1, shape).astype("f4")
        same_by_any_threads(lambda x=x: [_kernels.apply(name, input=x)])
