"""Linear algebra: what a factorization multiplies back to, gradients behind structured matrices, and
what is refused."""

import itertools
import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.autograd import gradcheck, gradgradcheck

LA = tg.linalg
rng = np.random.default_rng(0)


def matrix(*shape):
    return tg.tensor(rng.standard_normal(shape), requires_grad=True)


def near(found, expected, **tolerance):
    found, expected = (t.detach().numpy() if isinstance(t, tg.Tensor) else t for t in (found, expected))
    np.testing.assert_allclose(found, expected, **{"rtol": 1e-9, "atol": 1e-10, **tolerance})


def definite(x):
    return x @ x.mT + tg.eye(x.shape[-2], dtype=x.dtype)


def both(function, *leaves):
    assert gradcheck(function, leaves)
    assert gradgradcheck(function, leaves, atol=2e-5)


SHAPES = [(4, 4), (5, 3), (3, 5), (2, 3, 3), (2, 4, 3), (2, 3, 4)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_factors_multiply_back(shape):
    A = matrix(*shape)
    P, L, U = LA.lu(A)
    near(P @ L @ U, A)
    near(tg.lu_unpack(*LA.lu_factor(A))[1], L)
    Q, R = LA.qr(A)
    near(Q @ R, A)
    near(Q.mT @ Q, np.broadcast_to(np.eye(Q.shape[-1]), Q.mT.shape[:-1] + Q.shape[-1:]))
    near(LA.qr(A, mode="complete").Q.shape[-1], A.shape[-2])
    near(abs(LA.qr(A, mode="r").R), abs(R))
    U, S, Vh = LA.svd(A, full_matrices=False)
    near(U * S.unsqueeze(-2) @ Vh, A)
    near(S, LA.svdvals(A))
    near(S, tg.svd(A, compute_uv=False).S)
    near(LA.pinv(A), np.linalg.pinv(A.detach().numpy()))


@pytest.mark.parametrize("shape", [(2, 70, 70), (90, 64), (64, 200)])
@pytest.mark.parametrize("kind", ["plain", "graded", "deficient", "zeros"])
def test_large_singular_values_of_float32_are_those_of_float64(shape, kind):
    x = np.random.default_rng(0).standard_normal(shape)
    if kind == "graded":
        x = x * np.logspace(0, -12, shape[-1])
    elif kind == "deficient":
        x[..., ::2] = x[..., 1::2]
    elif kind == "zeros":
        x = np.zeros(shape)
    A = tg.tensor(x.astype("f4"))
    exact = np.linalg.svd(A.numpy().astype("f8"), compute_uv=False)
    limit = 3e-7 * max(exact.max(), 1e-30)
    assert np.abs(LA.svdvals(A).numpy() - exact).max() <= limit
    for full in (False, True):
        U, S, Vh = (t.numpy().astype("f8") for t in LA.svd(A, full_matrices=full))
        assert np.abs(S - exact).max() <= 5 * limit
        for square in (U.swapaxes(-1, -2) @ U, Vh @ Vh.swapaxes(-1, -2)):
            assert np.abs(square - np.eye(square.shape[-1])).max() < 1e-5
        k = S.shape[-1]
        assert np.abs(U[..., :k] * S[..., None, :] @ Vh[..., :k, :] - A.numpy()).max() <= 20 * limit


def test_factors_of_symmetric_matrices_multiply_back():
    A = definite(matrix(2, 4, 4))
    L = LA.cholesky(A)
    near(L @ L.mT, A)
    near(LA.cholesky(A, upper=True), L.mT)
    near(tg.cholesky_inverse(L) @ A, np.broadcast_to(np.eye(4), (2, 4, 4)))
    B = matrix(2, 4, 3)
    near(A @ tg.cholesky_solve(B, L), B)
    values, vectors = LA.eigh(A)
    near(vectors * values.unsqueeze(-2) @ vectors.mT, A)
    near(values, LA.eigvalsh(A, UPLO="U"))


def test_reflections_make_q():
    A = matrix(5, 3)
    a, tau = tg.geqrf(A)
    Q = LA.householder_product(a, tau)
    near(Q @ a[:3].triu(), A)
    near(tg.ormqr(a, tau, Q, transpose=True), np.eye(5)[:, :3])
    near(
        tg.ormqr(a, tau, tg.eye(5).double(), left=False)
        @ tg.ormqr(a, tau, tg.eye(5).double(), transpose=True),
        np.eye(5),
    )


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_solutions_solve(left, adjoint):
    A, B = matrix(2, 3, 3), matrix(2, 3, 4) if left else matrix(2, 4, 3)
    X = LA.solve(A, B, left=left)
    near(A @ X if left else X @ A, B)
    turned = A.mT if adjoint else A
    X = LA.lu_solve(*LA.lu_factor(A), B, left=left, adjoint=adjoint)
    near(turned @ X if left else X @ turned, B)
    T = A.triu() + 2 * tg.eye(3).double()
    X = LA.solve_triangular(T, B, upper=True, left=left)
    near(T @ X if left else X @ T, B)


def test_a_vector_on_the_right_is_solved_for():
    A, b = matrix(3, 3), matrix(3)
    near(A @ LA.solve(A, b), b)
    stack, rows = matrix(2, 3, 3), matrix(2, 3)
    near((stack @ LA.solve(stack, rows).unsqueeze(-1)).squeeze(-1), rows)


def test_gradients_behind_structured_matrices():
    x, b = matrix(3, 3), matrix(3, 2)
    both(lambda x: LA.cholesky(definite(x)), x)
    both(lambda x: LA.cholesky(definite(x), upper=True), x)
    both(lambda x, b: tg.cholesky_solve(b, LA.cholesky(definite(x))), x, b)
    both(lambda x: tg.cholesky_inverse(LA.cholesky(definite(x))), x)
    both(lambda x: LA.eigvalsh(definite(x)), x)
    both(lambda x: LA.eigh(definite(x)).eigenvectors.abs(), x)
    both(lambda x: tg.logdet(definite(x)), x)


def test_gradients_of_least_squares():
    both(lambda a, b: LA.lstsq(a, b).solution, matrix(4, 2), matrix(4, 1))
    near(
        LA.lstsq(a := matrix(5, 2), b := matrix(5, 1), driver="gelsd").residuals,
        [((a @ LA.pinv(a) @ b - b) ** 2).sum().item()],
    )


def test_gradient_of_the_determinant_of_a_singular_matrix():
    for A in ([[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 3.0]]):
        x = tg.tensor(A, dtype=tg.float64, requires_grad=True)
        LA.det(x).backward()
        near(x.grad, [[A[1][1], -A[1][0]], [-A[0][1], A[0][0]]])


def test_determinants_that_would_overflow():
    sign, logs = LA.slogdet(tg.eye(400) * -1e3)
    assert sign.item() == 1
    near(logs, 400 * math.log(1e3), rtol=1e-6)
    assert math.isnan(tg.logdet(-tg.eye(3)).item())
    assert tg.logdet(tg.zeros(2, 2)).item() == -math.inf


def test_powers_and_exponentials():
    A = matrix(3, 3)
    near(LA.matrix_power(A, 5), np.linalg.matrix_power(A.detach().numpy(), 5))
    near(LA.matrix_power(A, -2) @ A @ A, np.eye(3))
    near(LA.matrix_exp(A) @ LA.matrix_exp(-A), np.eye(3))
    turn = tg.tensor([[0.0, -2.0], [2.0, 0.0]])
    near(LA.matrix_exp(turn), [[math.cos(2), -math.sin(2)], [math.sin(2), math.cos(2)]], rtol=1e-6)
    big = tg.tensor([[0.0, 50.0], [0.0, 0.0]], dtype=tg.float64)
    near(LA.matrix_exp(big), [[1, 50], [0, 1]])
    assert LA.matrix_power(tg.tensor([[1, 1], [1, 0]]), 10).tolist() == [[89, 55], [55, 34]]


def test_triangles_are_all_that_is_read():
    A, B = tg.full((2, 2), math.nan), tg.ones(2, 1)
    A[0, 0] = A[1, 1] = A[0, 1] = 1.0
    assert LA.solve_triangular(A, B, upper=True).tolist() == [[0], [1]]
    A[0, 0] = A[1, 1] = math.nan
    assert LA.solve_triangular(A, B, upper=True, unitriangular=True).tolist() == [[0], [1]]
    with pytest.raises(TypeError, match="argument 'upper' must be bool, not function"):
        LA.solve_triangular(A, B, upper=lambda x: x)
    assert not np.isfinite(LA.solve_triangular(tg.zeros(2, 2), B, upper=True).numpy()).all()


def test_ranks_and_conditions():
    A = tg.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1e-9]])
    assert LA.matrix_rank(A).item() == 2
    assert LA.matrix_rank(A, atol=2.5).item() == 1
    assert LA.matrix_rank(A, hermitian=True, rtol=1e-12).item() == 3
    near(LA.cond(A[:2, :2]), 1.5)
    near(LA.cond(A[:2, :2], -2), 2 / 3, rtol=1e-6)
    near(LA.cond(A[:2, :2], 1), 1.5)


def test_low_rank_finds_what_has_low_rank():
    A = matrix(20, 3) @ matrix(3, 10)
    U, S, V = tg.svd_lowrank(A, q=5)
    near(U * S @ V.mT, A)
    U, S, V = tg.pca_lowrank(A, q=3)
    near(U * S @ V.mT, A - A.mean(0))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: LA.inv(tg.ones(2, 2)), "singular"),
        (lambda: LA.inv(tg.stack([tg.eye(2), tg.ones(2, 2)])), r"batch element \(1,\)"),
        (lambda: LA.solve(tg.ones(2, 2), tg.ones(2)), "singular"),
        (lambda: LA.cholesky(tg.diag(tg.tensor([1.0, -1.0]))), "leading minor of order 2"),
        (lambda: LA.lu_factor(tg.zeros(2, 2)), "zero"),
    ],
)
def test_matrices_that_can_not_be_done_with_raise_linalgerror(call, message):
    with pytest.raises(LA.LinAlgError, match=message):
        call()


def test_ex_forms_report_instead_of_raising():
    stack = tg.stack([tg.eye(2), tg.ones(2, 2)])
    inverse, info = LA.inv_ex(stack)
    assert (info.numpy() != 0).tolist() == [False, True]
    near(inverse[0], np.eye(2))
    assert (LA.cholesky_ex(-stack).info.numpy() != 0).all()
    assert (LA.solve_ex(stack, tg.ones(2, 2)).info.numpy() != 0).tolist() == [False, True]
    with pytest.raises(LA.LinAlgError):
        LA.inv_ex(stack, check_errors=True)


@pytest.mark.parametrize(
    "function", [LA.inv, LA.det, LA.cholesky, LA.eigh, LA.matrix_exp, LA.slogdet], ids=lambda f: f.__name__
)
def test_what_is_no_square_float_matrix_is_refused(function):
    for bad, message in (
        (tg.ones(2, 3), "square"),
        (tg.ones(3), "2 dimensions"),
        (tg.ones(2, 2, dtype=tg.int64), "floating point"),
        (tg.ones(2, 2).half(), "Low precision"),
    ):
        if function is LA.matrix_exp and bad.dtype is tg.float16:
            continue        # is computed
        with pytest.raises(RuntimeError, match=message):
            function(bad)


def test_modes_of_qr_without_a_gradient_say_so():
    for mode in ("r", "complete"):
        with pytest.raises(RuntimeError, match="no gradient"):
            LA.qr(matrix(3, 2), mode=mode).R.sum().backward()


def test_empty_stacks_and_matrices():
    for shape in ((0, 3, 3), (2, 0, 0), (0, 0)):
        A = tg.ones(shape, dtype=tg.float64)
        assert LA.inv(A).shape == shape
        assert LA.det(A).shape == shape[:-2]
        assert LA.svdvals(A).shape == shape[:-1]
        assert LA.matrix_exp(A).shape == shape
    assert LA.det(tg.ones(0, 0)).item() == 1


# ---------------------------------------------------------------------------- singular matrices


def by_leibniz(matrix, *taken):
    """The determinant's derivative by the elements taken, (row, column) each: the sum over the permutations
    that pass through them.
    """
    n, total = len(matrix), 0.0
    for order in itertools.permutations(range(n)):
        if all(order[row] == column for row, column in taken):
            turns = sum(order[a] > order[b] for a in range(n) for b in range(a + 1, n))
            rest = set(range(n)) - {row for row, _ in taken}
            total += (-1) ** turns * math.prod(matrix[row][order[row]] for row in rest)
    return total


MATRICES = {
    "2, rank 1": [[1.0, 2.0], [2.0, 4.0]],
    "2, rank 0": [[0.0, 0.0], [0.0, 0.0]],
    "3, rank 3": [[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]],
    "3, rank 2": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]],
    "3, rank 1": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]],
    "3, rank 0": [[0.0] * 3] * 3,
    "3, a zero row": [[1.0, 5.0, 3.0], [0.0, 2.0, 1.0], [0.0, 0.0, 0.0]],
    "4, rank 2": [[1.0 + i + j for j in range(4)] for i in range(4)],
    "1": [[0.0]],
}


@pytest.mark.parametrize("dtype, tolerance", [(tg.float64, 1e-10), (tg.float32, 2e-4)], ids=["f64", "f32"])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_det_has_first_and_second_derivatives_at_every_rank(matrix, dtype, tolerance):
    n = len(matrix)
    places = list(itertools.product(range(n), repeat=2))
    x = tg.tensor(matrix, dtype=dtype, requires_grad=True)
    first = tg.autograd.grad(LA.det(x), x, create_graph=True)[0]
    wanted = [by_leibniz(matrix, at) for at in places]
    plain = tg.autograd.grad(LA.det(x), x)[0]
    for found in (first.detach(), plain):
        np.testing.assert_allclose(found.numpy().reshape(-1), wanted, rtol=tolerance, atol=tolerance * 10)
    for at in places:
        second = tg.autograd.grad(first[at], x, retain_graph=True)[0]
        wanted = [
            by_leibniz(matrix, at, to) if to[0] != at[0] and to[1] != at[1] else 0.0 for to in places
        ]
        np.testing.assert_allclose(second.numpy().reshape(-1), wanted, rtol=tolerance, atol=tolerance * 10)


def test_det_of_a_stack_has_derivatives_where_some_are_singular():
    threes = [m for m in MATRICES.values() if len(m) == 3]
    x = tg.tensor(threes, dtype=tg.float64, requires_grad=True)
    weights = tg.tensor(np.random.default_rng(0).normal(size=x.shape))
    first = tg.autograd.grad(LA.det(x).sum(), x, create_graph=True)[0]
    second = tg.autograd.grad((first * weights).sum(), x)[0]
    for i, matrix in enumerate(threes):
        one = tg.tensor(matrix, dtype=tg.float64, requires_grad=True)
        first = tg.autograd.grad(LA.det(one), one, create_graph=True)[0]
        alone = tg.autograd.grad((first * weights[i]).sum(), one)[0]
        np.testing.assert_allclose(second[i].numpy(), alone.numpy(), rtol=1e-10, atol=1e-12)


def test_det_next_to_singular_has_the_derivatives_of_its_cofactors():
    matrix = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0 + 1e-14]]
    x = tg.tensor(matrix, dtype=tg.float64, requires_grad=True)
    first = tg.autograd.grad(LA.det(x), x, create_graph=True)[0]
    second = tg.autograd.grad(first[2, 2], x)[0]
    np.testing.assert_allclose(second[:2, :2].numpy(), [[5.0, -4.0], [-2.0, 1.0]], rtol=1e-10)


def test_third_derivative_of_det_of_a_singular_matrix():
    x = tg.zeros(3, 3, dtype=tg.float64, requires_grad=True)
    first = tg.autograd.grad(LA.det(x), x, create_graph=True)[0]
    second = tg.autograd.grad(first[0, 0], x, create_graph=True)[0]
    third = tg.autograd.grad(second[1, 1], x)[0]
    assert third.tolist() == [[0.0] * 3, [0.0] * 3, [0.0, 0.0, 1.0]]


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    "matrix, gradient",
    [
        ([[1.0, 2.0], [2.0, 4.0]], [[-INF, INF], [INF, -INF]]),
        ([[0.0, 0.0], [0.0, 0.0]], [[NAN, NAN], [NAN, INF]]),
        ([[0.0, 0.0], [0.0, 1.0]], [[INF, NAN], [0.0, 1.0]]),
        ([[0.0, 1.0], [0.0, 2.0]], [[-INF, NAN], [INF, NAN]]),
        (
            [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 1.0, 1.0]],
            [[INF, -INF, INF], [-INF, INF, -INF], [1.5, 0.0, -0.5]],
        ),
        ([[0.0]], [[INF]]),
    ],
)
def test_log_of_a_singular_determinant_has_infinite_gradients(matrix, gradient):
    for function in (tg.logdet, lambda x: LA.slogdet(x).logabsdet):
        x = tg.tensor(matrix, dtype=tg.float64, requires_grad=True)
        value = function(x)
        assert value.item() == -INF
        value.backward()
        np.testing.assert_allclose(x.grad.numpy(), gradient, atol=1e-14)
    both = tg.tensor([np.eye(len(matrix)).tolist(), matrix], dtype=tg.float64, requires_grad=True)
    tg.logdet(both).sum().backward()
    np.testing.assert_allclose(both.grad.numpy(), [np.eye(len(matrix)), gradient], atol=1e-14)


def test_singular_values_alone_have_a_gradient_where_they_are_equal_or_zero():
    for matrix in (tg.eye(3), tg.zeros(3, 2), -tg.eye(2)):
        x = matrix.clone().requires_grad_()
        LA.svdvals(x).sum().backward()
        assert np.isfinite(x.grad.numpy()).all()
    x = tg.eye(3, requires_grad=True)
    LA.matrix_norm(x, "nuc").backward()
    np.testing.assert_allclose(x.grad.numpy(), np.eye(3), atol=1e-6)


def test_cholesky_refuses_nan_and_solves_by_a_singular_factor():
    with pytest.raises(LA.LinAlgError):
        LA.cholesky(tg.tensor([[NAN]]))
    found = tg.cholesky_solve(tg.tensor([[1.0]]), tg.tensor([[0.0]]))
    assert found.item() == INF


def test_least_squares_of_a_vector_for_every_matrix(backend):
    A = tg.tensor([[[1.0], [1.0]], [[1.0], [2.0]], [[2.0], [0.0]]])
    tg.testing.assert_close(tg.linalg.lstsq(A, tg.ones(3, 2)).solution, tg.tensor([[1.0], [0.6], [0.5]]))
    assert tg.linalg.lstsq(A, tg.ones(2, 2)).solution.shape == (3, 1, 2)     # a matrix for all of them
    with pytest.raises(RuntimeError, match="or one less"):
        tg.linalg.lstsq(A, tg.ones(2))
