"""The kernels of linear systems, and arange: against NumPy, in guarded memory."""

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


def triangles(factors):
    """L and U of the matrix in which both lie."""
    return np.tril(factors, -1) + np.eye(factors.shape[-1]), np.triu(factors)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("count, n, m", SIZES)
def test_elimination_takes_the_largest_first(count, n, m, dtype):
    x, b = matrices(count, n, dtype), sides(count, n, m, dtype)
    factors, pivots = Guarded(x.shape, dtype), Guarded((count, n), "i4")
    factors.array[...] = x
    order = np.ones(count, "i4")
    _kernels.apply("eliminate", matrix=factors.array, pivots=pivots.array, order=order)
    assert order.tolist() == [0] * count
    lower, upper = triangles(factors.array.astype("f8"))
    assert abs(lower).max(initial=0) <= 1
    swapped = x.astype("f8")
    for one, rows in zip(swapped, pivots.array, strict=True):
        for k, row in enumerate(rows):
            one[[k, row - 1]] = one[[row - 1, k]]
    close((lower @ upper).astype(dtype), swapped, dtype)
    for transposed in (False, True):
        found = Guarded(b.shape, dtype)
        found.array[...] = b
        _kernels.apply(
            "substitute",
            factors=factors.array,
            pivots=pivots.array,
            order=order,
            solution=found.array,
            transposed=transposed,
        )
        whole = x.astype("f8").swapaxes(1, 2) if transposed else x.astype("f8")
        close(found.array, np.linalg.solve(whole, b.astype("f8")), dtype)
        found.check()
    factors.check()
    pivots.check()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_first_of_equal_pivots_is_taken_and_a_column_of_zeros_is_passed(dtype):
    x = np.array([[[0, 1, -2], [0, 2, 5], [0, -2, 7]]], dtype)
    pivots, order = _kernels.apply("eliminate", matrix=x)
    assert pivots.tolist() == [[1, 2, 3]] and order.tolist() == [1]
    np.testing.assert_array_equal(x, [[[0, 1, -2], [0, 2, 5], [0, -1, 12]]])


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n", [2, 9, 40])
def test_no_zero_of_a_solution_is_negative(n, transposed):
    for scale in (2, -2):
        x = np.eye(n, dtype="f4")[None] * np.float32(scale)
        whole, half = np.eye(n, dtype="f4")[None].copy(), np.eye(n, dtype="f4")[None].copy()
        _kernels.apply("solve_triangular", matrix=x, solution=half, upper=transposed, unit=False)
        pivots, order = _kernels.apply("eliminate", matrix=x)
        more = dict(pivots=pivots, order=order, transposed=transposed)
        _kernels.apply("substitute", factors=x, solution=whole, **more)
        for made in (half, whole):
            np.testing.assert_array_equal(made[0], np.eye(n) / scale)
            assert not np.signbit(made[made == 0]).any()


def test_a_singular_matrix_has_an_order_and_its_neighbours_have_solutions():
    x = np.stack([np.eye(3), np.outer([1, 2, 4], [1, 2, 4]), np.eye(3) * np.nan, np.eye(3)]).astype("f4")
    pivots, order = _kernels.apply("eliminate", matrix=x)
    assert order.tolist() == [0, 2, 0, 0]  # NaN is no reason to call a matrix singular
    values = np.ones((4, 3, 2), "f4")
    _kernels.apply("substitute", factors=x, pivots=pivots, order=order, solution=values, transposed=False)
    assert np.isnan(values[1:3]).all() and not np.isnan(values[[0, 3]]).any()


@pytest.mark.parametrize("pivot", [0, -3, 4, 2**31 - 1, -(2**31)])
def test_solutions_are_nan_where_a_pivot_names_no_row(pivot):
    pivots, order = np.array([[1, 2, 3], [1, pivot, 3]], "i4"), np.zeros(2, "i4")
    found = Guarded((2, 3, 2), "f4")
    found.array[...] = 1
    factors = np.stack([np.eye(3, dtype="f4")] * 2)
    _kernels.apply(
        "substitute", factors=factors, pivots=pivots, order=order, solution=found.array, transposed=False
    )
    assert (found.array[0] == 1).all() and np.isnan(found.array[1]).all()
    found.check()


@pytest.mark.parametrize("wrong", ["dtype", "length", "matrix"])
def test_factors_of_another_system_are_not_taken(wrong):
    x, b = tg.eye(4) * 2, tg.ones(4, 3)
    pivots = tg.arange(1, 5, dtype=tg.int64 if wrong == "dtype" else tg.int32)
    matrix = tg.eye(3) if wrong == "matrix" else tg.eye(4)
    factors = (matrix, pivots[:2] if wrong == "length" else pivots, tg.zeros(1, dtype=tg.int32)[0], False)
    found = tg.ops.matrices.solving._solve(x, b, factors)[0]
    assert (found == 0.5).all()


@pytest.mark.parametrize("name", ["cholesky", "solve_triangular", "eliminate"])
def test_any_number_of_threads_gives_the_same_bytes(name):
    x = matrices(40, 30, "f4")
    x = x @ x.swapaxes(1, 2) + np.eye(30, dtype="f4")

    def work():
        if name == "cholesky":
            return _kernels.apply(name, input=x)
        made, used = sides(40, 30, 200, "f4"), x.copy()
        if name == "eliminate":
            pivots, order = _kernels.apply(name, matrix=used)
            more = dict(factors=used, pivots=pivots, order=order, transposed=False)
            _kernels.apply("substitute", solution=made, **more)
            return [used, pivots, order, made]
        _kernels.apply(name, matrix=used, solution=made, upper=1, unit=0)
        return [made]

    same_by_any_threads(work)


@pytest.mark.parametrize("way", ["solve", "inv", "lu_factor"])
@pytest.mark.parametrize("n", [3, 40])
def test_gradients_of_systems_are_those_of_numbers_next_to_them(n, way):
    """Of both sides, at the first and the second order: on the way back the factors are used again."""
    x = tg.tensor(matrices(2, n, "f8")[:, :, ::-1].copy(), requires_grad=True)
    b = tg.tensor(sides(2, n, 2, "f8"), requires_grad=True)
    weights = tg.tensor(sides(2, n, n, "f8")[:, :, ::-1].copy())

    def value(x, b):
        if way == "inv":
            return (tg.linalg.inv(x) * weights).sum()
        if way == "lu_factor":
            return (tg.linalg.lu_factor(x).LU * weights).sum()
        return (tg.linalg.solve(x, b) * weights[..., :2]).square().sum()

    def slope(x, b):
        grads = tg.autograd.grad(value(x, b), [x, b] if way == "solve" else [x], create_graph=True)
        return sum((g * g).sum() for g in grads)

    rng = np.random.default_rng(3)
    steps = [tg.tensor(rng.uniform(-1, 1, t.shape)) for t in (x, b)]
    for function in (value, slope):
        grads = tg.autograd.grad(function(x, b), [x, b], allow_unused=True)
        found = sum((g * step).sum().item() for g, step in zip(grads, steps, strict=True) if g is not None)
        ahead, behind = ([t + s * h for t, s in zip((x, b), steps, strict=True)] for h in (1e-5, -1e-5))
        exact = (function(*ahead).item() - function(*behind).item()) / 2e-5
        assert abs(found - exact) < 1e-5 * max(1, abs(exact))


def test_a_side_that_needs_no_gradient_gets_none():
    x, b = tg.tensor(matrices(1, 5, "f8")[0]), tg.tensor(sides(1, 5, 2, "f8")[0], requires_grad=True)
    tg.linalg.solve(x, b).sum().backward()
    exact = np.linalg.solve(x.numpy().T, np.ones((5, 2)))
    close(b.grad.numpy(), exact, "f8")
    assert x.grad is None


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
