"""The kernels cholesky, solve_triangular, solve and inv, and arange: against NumPy, in guarded memory."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels

SIZES = [(1, 1, 1), (2, 3, 2), (3, 8, 64), (1, 17, 65), (2, 40, 130), (0, 3, 2), (1, 130, 7)]


def matrices(count, n, dtype, seed=0):
    """Matrices that are far from singular, though their largest elements are not on the diagonal."""
    x = np.random.default_rng(seed).uniform(-1, 1, (count, n, n))
    x[:, range(n), range(n)] *= 0.1
    return (x + 2 * np.eye(n)[:, ::-1] * n**0.5).astype(dtype)


def sides(count, n, m, dtype):
    return np.random.default_rng(1).uniform(-1, 1, (count, n, m)).astype(dtype)


def close(found, exact, dtype):
    assert found.dtype == dtype
    limit = {"f4": 1e-5, "f8": 1e-13}[dtype]
    np.testing.assert_allclose(found, exact, rtol=0, atol=limit * max(1, np.abs(exact).max(initial=0)))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("count, n, m", SIZES)
def test_a_factor_reads_the_lower_triangle_and_is_nan_where_there_is_none(count, n, m, dtype):
    x = matrices(count, n, "f8")
    x = (x @ x.swapaxes(1, 2) + np.eye(n)).astype(dtype)
    given = x + np.triu(np.full((n, n), np.nan, dtype), 1)
    out, order = Guarded((count, n, n), dtype), Guarded((count,), "i4")
    _kernels.apply("cholesky", input=given, out=out.array, order=order.array)
    close(out.array, np.linalg.cholesky(x.astype("f8")), dtype)
    assert not order.array.any()
    out.check()
    order.check()
    for k in range(n) if count else ():
        broken = x.copy()
        broken[0, k, k] = -1
        made, order = _kernels.apply("cholesky", input=broken)
        assert np.isnan(made[0]).all() and not np.isnan(made[1:]).any()
        assert order.tolist() == [k + 1] + [0] * (count - 1)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("count, n, m", SIZES)
def test_a_triangular_system_reads_one_triangle(count, n, m, dtype, upper, unit):
    x = np.random.default_rng(2).uniform(-1, 1, (count, n, n)).astype(dtype) / n
    x[:, range(n), range(n)] = 2
    triangle = np.triu(x) if upper else np.tril(x)
    if unit:
        triangle[:, range(n), range(n)] = 1
        x[:, range(n), range(n)] = np.nan
    x[triangle == 0] = np.nan
    b, found = sides(count, n, m, dtype), Guarded((count, n, m), dtype)
    found.array[...] = b
    _kernels.apply("solve_triangular", matrix=x, solution=found.array, upper=upper, unit=unit)
    close(found.array, np.linalg.solve(triangle.astype("f8"), b.astype("f8")), dtype)
    found.check()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("count, n, m", SIZES)
def test_elimination_takes_the_largest_first(count, n, m, dtype):
    x, b = matrices(count, n, dtype), sides(count, n, m, dtype)
    used, found = Guarded(x.shape, dtype), Guarded(b.shape, dtype)
    used.array[...], found.array[...] = x, b
    order = _kernels.apply("solve", matrix=used.array, solution=found.array)
    close(found.array, np.linalg.solve(x.astype("f8"), b.astype("f8")), dtype)
    assert order.tolist() == [0] * count
    used.check()
    found.check()
    used.array[...] = x
    made, order = _kernels.apply("inv", matrix=used.array)
    close(made, np.linalg.inv(x.astype("f8")), dtype)
    assert order.tolist() == [0] * count


@pytest.mark.parametrize("name", ["solve", "inv"])
def test_a_singular_matrix_has_an_order_and_its_neighbours_have_solutions(name):
    x = np.stack([np.eye(3), np.outer([1, 2, 3], [1, 2, 4]), np.eye(3) * np.nan, np.eye(3)]).astype("f4")
    given = dict(solution=np.ones((4, 3, 2), "f4")) if name == "solve" else {}
    made = _kernels.apply(name, matrix=x, **given)
    values, order = (given["solution"], made) if given else made
    assert order.tolist() == [0, 3, 0, 0]  # NaN is no reason to call a matrix singular
    assert np.isnan(values[1:3]).all() and not np.isnan(values[[0, 3]]).any()


@pytest.mark.parametrize("name", ["cholesky", "solve_triangular", "solve", "inv"])
def test_any_number_of_threads_gives_the_same_bytes(name):
    x = matrices(40, 30, "f4")
    x = x @ x.swapaxes(1, 2) + np.eye(30, dtype="f4")

    def work():
        if name == "cholesky":
            return _kernels.apply(name, input=x)
        if name == "inv":
            return _kernels.apply(name, matrix=x.copy())
        made, more = sides(40, 30, 200, "f4"), dict(upper=1, unit=0) if "_" in name else {}
        _kernels.apply(name, matrix=x.copy(), solution=made, **more)
        return [made]

    same_by_any_threads(work)


@pytest.mark.parametrize("n", [1, 4, 255, 257])
def test_ops_on_kernels_are_those_of_lapack(n):
    """Above 256 rows they are LAPACK's themselves."""
    x = matrices(2, n, "f8")
    A = x @ x.swapaxes(1, 2) / n + np.eye(n)
    B = sides(2, n, 3, "f8")
    given = [tg.tensor(A), tg.tensor(np.asarray(B.swapaxes(1, 2), order="C")).mT]
    assert not given[1].is_contiguous() or n == 1
    close(tg.linalg.solve(*given).numpy(), np.linalg.solve(A, B), "f8")
    close(tg.linalg.inv(given[0].mT).numpy(), np.linalg.inv(A), "f8")
    close(tg.linalg.cholesky(given[0]).numpy(), np.linalg.cholesky(A), "f8")
    close(tg.linalg.cholesky(given[0], upper=True).numpy(), np.linalg.cholesky(A).swapaxes(1, 2), "f8")
    upper = tg.linalg.solve_triangular(given[0].mT, given[1], upper=True)
    close(upper.numpy(), np.linalg.solve(np.triu(A.swapaxes(1, 2)), B), "f8")


def test_errors_tell_the_matrix_and_its_order():
    broken = tg.stack([tg.eye(2), tg.tensor([[1.0, 2.0], [2.0, 1.0]])])
    with pytest.raises(tg.linalg.LinAlgError, match=r"batch element \(1,\).* order 2 is not positive"):
        tg.linalg.cholesky(broken)
    with pytest.raises(tg.linalg.LinAlgError, match="singular"):
        tg.linalg.inv(tg.ones(2, 2))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_arange_is_rounded_as_numpy_rounds_it(dtype):
    exact = np.float64 if dtype != "i8" else np.int64
    for start, step in ((0, 1), (3, -2), (0.1, 0.7), (-1e9, 1 / 3)):
        start, step = exact(start), exact(step) or exact(1)
        for count in (1, 7, 255, 256, 1000, 100003):
            out = Guarded((count,), dtype)
            _kernels.apply("arange", out=out.array, start=start, step=step)
            wanted = start + np.arange(count, dtype=exact) * step
            np.testing.assert_array_equal(out.array, wanted.astype(dtype))
            out.check()
