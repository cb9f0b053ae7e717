"""Factorizations of matrices into triangular ones: LU, Cholesky."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core, int32, int64
from tensorgrad.core.declare import alias, between, case, composite, integers, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.matrices.solving import (
    BOTH,
    LINALG,
    _singular,
    _solve_triangular,
    by_matrix,
    check_matrices,
    identity,
    same_dtypes,
)
from tensorgrad.ops.reducing.reductions import named
from tensorgrad.ops.shapes import arranging, joining

# ---------------------------------------------------------------------------- LU


def _row_order(pivots: np.ndarray, rows: int) -> np.ndarray:
    """The order of the rows after the swaps that ``pivots`` (counted from 1) name."""
    order = np.broadcast_to(np.arange(rows), (*pivots.shape[:-1], rows)).copy()
    for j in range(pivots.shape[-1]):
        p = pivots[..., j : j + 1].astype(np.int64) - 1
        chosen = np.take_along_axis(order, p, -1)
        np.put_along_axis(order, p, order[..., j : j + 1], -1)
        order[..., j : j + 1] = chosen
    return order


def _permutation(pivots: Tensor, rows: int, like: Tensor) -> Tensor:
    """The matrix P with ``P @ L @ U = A``."""
    order = _row_order(_core._array_of(pivots), rows)
    return _core._tensor_of(np.arange(rows)[:, None] == order[..., None, :], like.dtype)


def _lu_input(g_0, output_0, output_1):
    m, n = output_0.shape[-2:]
    k = min(m, n)
    lower, upper = _lower(output_0, k), arranging.triu(output_0[..., :k, :])
    g_lower, g_upper = arranging.tril(g_0[..., :, :k], -1), arranging.triu(g_0[..., :k, :])
    first_lower, first_upper = lower[..., :k, :], upper[..., :, :k]
    rest = None
    if m < n:  # the columns beyond the square are L^-1 B
        rest = _solve_triangular(first_lower.mT, g_upper[..., :, k:], True, True)
        g_lower = g_lower - arranging.tril(matmul(rest, upper[..., :, k:].mT), -1)
    elif m > n:  # the rows beyond the square are B U^-1
        rest = _solve_triangular(first_upper, g_lower[..., k:, :].mT, True, False).mT
        g_upper = g_upper - arranging.triu(matmul(lower[..., k:, :].mT, rest))
    middle = arranging.tril(matmul(first_lower.mT, g_lower[..., :k, :]), -1)
    middle = middle + arranging.triu(matmul(g_upper[..., :, :k], first_upper.mT))
    left = _solve_triangular(first_lower.mT, middle, True, True)
    made = _solve_triangular(first_upper, left.mT, True, False).mT
    if rest is not None:
        made = joining.cat([made, rest], -1 if m < n else -2)
    return matmul(_permutation(output_1, m, output_0), made)


@primitive(
    vjp=dict(A=_lu_input),
    at=(),
    grad_name="LinalgLuFactorExBackward0",
    samples=lambda: [
        case(normal(3, 3), name="square"),
        case(normal(2, 3), name="wide"),
        case(normal(2, 3, 2), name="tall"),
    ],
)
def _lu(A):
    """L and U in one matrix, the rows that were swapped (counted from 1), and an int32 that is not 0 for
    a 0 in U."""
    packed = A.copy()
    m, n = A.shape[-2:]
    k = min(m, n)
    pivots = np.zeros((*A.shape[:-2], k), np.int32)
    info = np.zeros(A.shape[:-2], np.int32)
    for j in range(k):
        p = np.argmax(np.abs(packed[..., j:, j]), -1)[..., None] + j
        pivots[..., j] = p[..., 0] + 1
        row = np.take_along_axis(packed, p[..., None], -2)
        np.put_along_axis(packed, p[..., None], packed[..., j : j + 1, :].copy(), -2)
        packed[..., j : j + 1, :] = row
        pivot = packed[..., j, j]
        info = np.where((info == 0) & (pivot == 0), j + 1, info).astype(np.int32)
        packed[..., j + 1 :, j] /= np.where(pivot == 0, 1, pivot)[..., None]
        packed[..., j + 1 :, j + 1 :] -= packed[..., j + 1 :, j, None] * packed[..., j, None, j + 1 :]
    return packed, pivots, info


def _lower(packed: Tensor, k: int) -> Tensor:
    return arranging.tril(packed[..., :, :k], -1) + identity(packed.shape[-2], k, packed)


LuFactor = named("linalg_lu_factor", "LU", "pivots")
LuFactorEx = named("linalg_lu_factor_ex", "LU", "pivots", "info")
Lu = named("linalg_lu", "P", "L", "U")
LuUnpack = named("lu_unpack", "P", "L", "U")
LuWithInfo = named("_lu_with_info", "LU", "pivots", "info")


def _check_pivot(name: str, pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), name="square"), case(normal(2, 3), name="wide")])
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """``lu_factor`` with an ``info`` that is not 0 where ``U`` has a 0 on its diagonal, instead of an error.

    >>> tg.linalg.lu_factor_ex(tg.ones(2, 2)).info
    tensor(2, dtype=tensorgrad.int32)
    """
    check_matrices("linalg.lu_factor_ex", A)
    _check_pivot("linalg.lu_factor_ex", pivot)
    made = LuFactorEx(*_lu(A))
    if check_errors:
        _singular("linalg.lu_factor_ex", made.info, "U has a zero on its diagonal.")
    return made


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), name="square"), case(normal(3, 2), name="tall")])
def lu_factor(A, *, pivot=True):
    """``L`` (below the diagonal) and ``U`` of ``A = P @ L @ U`` in one matrix, and the rows swapped.

    The rows are counted from 1. Raises LinAlgError where ``U`` has a 0 on its diagonal.

    >>> tg.linalg.lu_factor(tg.tensor([[1.0, 2.0], [4.0, 4.0]])).pivots
    tensor([2, 2], dtype=tensorgrad.int32)
    """
    check_matrices("linalg.lu_factor", A)
    _check_pivot("linalg.lu_factor", pivot)
    packed, pivots, info = _lu(A)
    _singular(
        "linalg.lu_factor",
        info,
        "U has a zero on its diagonal and lu_solve would divide by it. linalg.lu and linalg.lu_factor_ex "
        "give it all the same.",
    )
    return LuFactor(packed, pivots)


def _unpacked(packed: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    k = min(packed.shape[-2:])
    return (
        _permutation(pivots, packed.shape[-2], packed),
        _lower(packed, k),
        arranging.triu(packed[..., :k, :]),
    )


@composite(at=(), samples=lambda: [case(normal(3, 3), name="square"), case(normal(2, 3), name="wide")])
def linalg_lu(A, *, pivot=True):
    """The ``P``, ``L`` and ``U`` with ``P @ L @ U = A``: a permutation, a lower and an upper triangle.

    >>> tg.linalg.lu(tg.tensor([[1.0, 2.0], [4.0, 4.0]])).U
    tensor([[4., 4.],
            [0., 1.]])
    """
    check_matrices("linalg.lu", A)
    _check_pivot("linalg.lu", pivot)
    packed, pivots, _ = _lu(A)
    return Lu(*_unpacked(packed, pivots))


alias("lu", linalg_lu, at=LINALG, method=False)


@composite(method=True, samples=lambda: [case(normal(3, 3), name="square")])
def lu(input, pivot=True, get_infos=False):
    """The old form of ``linalg.lu_factor``: the packed matrix, the pivots, and with ``get_infos`` their info.

    >>> tg.lu(tg.tensor([[1.0, 2.0], [4.0, 4.0]]))[0]
    tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]])
    """
    made = lu_factor_ex(input, pivot=pivot)
    return LuWithInfo(*made) if get_infos else (made.LU, made.pivots)


@composite(samples=lambda: [case(normal(3, 3), integers(3, 4, 3), name="square")])
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """The ``P``, ``L`` and ``U`` of what ``linalg.lu_factor`` gave.

    >>> tg.lu_unpack(*tg.linalg.lu_factor(tg.tensor([[1.0, 2.0], [4.0, 4.0]]))).P
    tensor([[0., 1.],
            [1., 0.]])
    """
    want_tensors("lu_unpack", LU_data=LU_data, LU_pivots=LU_pivots)
    empty = LU_data.new_empty((0,))
    P = _permutation(LU_pivots, LU_data.shape[-2], LU_data) if unpack_pivots else empty
    if not unpack_data:
        return LuUnpack(P, empty, empty)
    k = min(LU_data.shape[-2:])
    return LuUnpack(P, _lower(LU_data, k), arranging.triu(LU_data[..., :k, :]))


@composite(
    at=(), samples=lambda: [case(between(0.5, 2.0, 3, 3), integers(3, 4, 3), normal(3, 2), name="plain")]
)
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """The ``X`` with ``A @ X = B`` by the ``lu_factor`` of ``A``.

    With ``X @ A`` if not ``left``, and with the transpose of ``A`` if ``adjoint``.

    >>> LU, pivots = tg.linalg.lu_factor(tg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    >>> tg.linalg.lu_solve(LU, pivots, tg.tensor([[2.0], [2.0]]))
    tensor([[1.0000],
            [0.5000]])
    """
    check_matrices("linalg.lu_solve", LU, square=True, argument="LU")
    check_matrices("linalg.lu_solve", B, argument="B")
    same_dtypes("linalg.lu_solve", LU, B)
    if pivots.dtype is not int32 and pivots.dtype is not int64:
        raise RuntimeError(
            f"linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32, got {pivots.dtype.name}"
        )
    if not left:
        return linalg_lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    if B.shape[-2] != LU.shape[-1]:
        raise RuntimeError(
            "linalg.lu_solve: Incompatible shapes of A and B for the equation AX = B "
            f"({LU.shape[-2]}x{LU.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    P = _permutation(pivots, LU.shape[-2], LU)
    if adjoint:
        inner = _solve_triangular(LU.mT, B, False, False)
        return matmul(P, _solve_triangular(LU.mT, inner, True, True))
    inner = _solve_triangular(LU, matmul(P.mT, B), False, True)
    return _solve_triangular(LU, inner, True, False)


alias("lu_solve", linalg_lu_solve, at=LINALG, method=False)


@composite(
    method=True,
    samples=lambda: [case(normal(3, 2), between(0.5, 2.0, 3, 3), integers(3, 4, 3), name="plain")],
)
def lu_solve(input, LU_data, LU_pivots):
    """The old form of ``linalg.lu_solve``: the right side comes first.

    >>> tg.lu_solve(tg.tensor([[2.0]]), *tg.linalg.lu_factor(tg.tensor([[4.0]])))
    tensor([[0.5000]])
    """
    return linalg_lu_solve(LU_data, LU_pivots, input)


# ---------------------------------------------------------------------------- Cholesky


def _cholesky_A(g_0, output_0):
    """Murray, Differentiation of the Cholesky decomposition, 2016."""
    inner = matmul(output_0.mT, arranging.tril(g_0))
    inner = arranging.tril(inner, -1) + arranging.diag_embed(inner.diagonal(0, -2, -1) * 0.5)
    left = _solve_triangular(output_0.mT, inner, True, False)
    both = _solve_triangular(output_0.mT, left.mT, True, False)
    return (both + both.mT) * 0.5


@primitive(
    vjp=dict(A=_cholesky_A),
    at=(),
    grad_name="LinalgCholeskyExBackward0",
    samples=lambda: [case(between(0.5, 2.0, 2, 1, 1), name="stack")],
)
def _cholesky(A):
    """The lower factors, NaN where there is none, and an int32 that is not 0 there."""
    made, failed = by_matrix(np.linalg.cholesky, A)
    failed |= np.isnan(made).any((-2, -1))
    order = np.zeros(failed.shape, np.int32)
    for at in np.argwhere(failed):  # the first leading minor that is not positive
        matrix = A[tuple(at)]
        minors = (k + 1 for k in range(A.shape[-1]) if not np.linalg.slogdet(matrix[: k + 1, : k + 1])[0] > 0)
        order[tuple(at)] = next(minors, A.shape[-1])
    return made, order


def _factor(name: str, A: Tensor, upper: bool, check: bool) -> tuple[Tensor, Tensor]:
    check_matrices(name, A, square=True)
    made, info = _cholesky(A.mT if upper else A)
    if check:
        _singular(
            name,
            info,
            "The factorization could not be completed because the input is not positive-definite (the "
            "leading minor of order {order} is not positive-definite).",
        )
    return (made.mT if upper else made), info


@composite(at=BOTH, method=True, samples=lambda: [case(between(0.5, 2.0, 2, 1, 1), name="stack")])
def cholesky(A, upper=False):
    """The lower triangular ``L`` with ``L @ L.mT = A`` of a symmetric positive-definite matrix.

    Its transpose if ``upper``. Raises LinAlgError for a matrix that is not positive-definite.

    >>> tg.linalg.cholesky(tg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return _factor("linalg.cholesky", A, upper, True)[0]


CholeskyEx = named("linalg_cholesky_ex", "L", "info")


@composite(at=LINALG, samples=lambda: [case(between(0.5, 2.0, 2, 1, 1), name="stack")])
def cholesky_ex(A, *, upper=False, check_errors=False):
    """The factor, and an ``info`` that is not 0 where a matrix is not positive-definite.

    >>> tg.linalg.cholesky_ex(-tg.eye(2)).info
    tensor(1, dtype=tensorgrad.int32)
    """
    return CholeskyEx(*_factor("linalg.cholesky_ex", A, upper, check_errors))


def _from_factor(L: Tensor, change: Tensor, upper: bool) -> Tensor:
    """The gradient of a factor, from that of the product that it makes; as in PyTorch its zeros get one
    too."""
    change = change + change.mT
    return -matmul(L, change) if upper else -matmul(change, L)


@primitive(
    vjp=dict(
        B=lambda g, B, L, upper: _core._sum_to(_cholesky_solve(g, L, upper), B.shape),
        L=lambda g, L, upper, output: _core._sum_to(
            _from_factor(L, matmul(_cholesky_solve(g, L, upper), output.mT), upper), L.shape
        ),
    ),
    at=(),
    grad_name="CholeskySolveBackward0",
    samples=lambda: [case(normal(1, 2), between(0.5, 2.0, 2, 1, 1), False, name="small")],
)
def _cholesky_solve(B, L, upper):
    """The solutions of ``A @ X = B`` by the Cholesky factor of A."""
    lower = np.tril(L.swapaxes(-1, -2) if upper else L)
    solve = _solve_triangular.body
    return solve(lower.swapaxes(-1, -2), solve(lower, B, False, False), True, False)


@primitive(
    vjp=dict(L=lambda g, L, upper, output: _from_factor(L, matmul(matmul(output, g), output), upper)),
    at=(),
    grad_name="CholeskyInverseBackward0",
    samples=lambda: [case(between(0.5, 2.0, 2, 1, 1), False, name="small")],
)
def _cholesky_inverse(L, upper):
    """The inverses of the matrices whose Cholesky factors these are."""
    inverse = np.linalg.inv(np.tril(L.swapaxes(-1, -2) if upper else L))
    return inverse.swapaxes(-1, -2) @ inverse


@composite(method=True, samples=lambda: [case(normal(1, 2), between(0.5, 2.0, 2, 1, 1), name="small")])
def cholesky_solve(input, L, upper=False):
    """The ``X`` with ``A @ X = input`` by the Cholesky factor ``L`` of ``A``.

    >>> tg.cholesky_solve(tg.tensor([[8.0]]), tg.tensor([[2.0]]))
    tensor([[2.]])
    """
    check_matrices("cholesky_solve", L, square=True, argument="L")
    check_matrices("cholesky_solve", input, argument="input")
    same_dtypes("cholesky_solve", L, input)
    return _cholesky_solve(input, L, bool(upper))


@composite(method=True, samples=lambda: [case(between(0.5, 2.0, 2, 1, 1), name="small")])
def cholesky_inverse(L, upper=False):
    """The inverse of the matrix whose Cholesky factor is ``L``.

    >>> tg.cholesky_inverse(tg.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check_matrices("cholesky_inverse", L, square=True, argument="L")
    return _cholesky_inverse(L, bool(upper))
