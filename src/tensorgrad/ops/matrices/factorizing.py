"""Factorizations of matrices: LU, QR, eigenvalues of symmetric matrices, singular values, and what "
"follows from them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, float32, float64, int32, int64
from tensorgrad.core.declare import alias, between, case, composite, distinct, integers, normal, primitive
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.making import creation, randomness
from tensorgrad.ops.matrices import distances
from tensorgrad.ops.matrices.linalg import (
    LINALG,
    LinAlgError,
    _singular,
    _solve_triangular,
    check_matrices,
    identity,
    inv,
    same_dtypes,
)
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.reducing.reductions import named
from tensorgrad.ops.shapes import arranging, joining, shaping


def _refuse(g, why):
    raise RuntimeError(why)


@primitive(
    vjp=dict(source=_refuse),
    nograd=("value",),
    at=(),
    smooth=False,
    samples=lambda: [case(integers(0, 9, 3), integers(0, 9, 2), "no gradient", name="plain")],
)
def _unlinked(value, source, why):
    """``value``, which was made of ``source`` by what has no gradient: to ask for it is an error."""
    return value.copy()


def _diagonal(x: Tensor) -> Tensor:
    return x.diagonal(0, -2, -1)


def _scaled(x: Tensor, factors: Tensor) -> Tensor:
    """The columns of ``x`` times ``factors``."""
    return x * shaping.unsqueeze(factors, -2)


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
    """L and U in one matrix, the rows that were swapped (counted from 1), and an int32 that is not 0 for "
    "a 0 in U."""
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
        _singular("linalg.lu_factor_ex", _core._array_of(made.info) != 0, "U has a zero on its diagonal.")
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
        _core._array_of(info) != 0,
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
            f"linalg.lu_solve: Incompatible shapes of A and B for the equation AX = B "
            f"({LU.shape[-2]}x{LU.shape[-1]} and "
            f"{B.shape[-2]}x{B.shape[-1]})"
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


# ---------------------------------------------------------------------------- QR


def _qr_A(g_0, g_1, output_0, output_1):
    """Walter and Lehmann, Algorithmic differentiation of linear algebra functions, 2018."""
    inner = arranging.triu(matmul(g_1, output_1.mT) - matmul(output_0.mT, g_0))
    inner = inner + inner.mT - arranging.diag_embed(_diagonal(inner))
    return _solve_triangular(output_1, (g_0 + matmul(output_0, inner)).mT, True, False).mT


@primitive(
    vjp=dict(A=_qr_A),
    at=(),
    grad_name="LinalgQrBackward0",
    samples=lambda: [case(normal(3, 2), name="tall"), case(normal(2, 2, 2), name="stack")],
)
def _qr(A):
    """Q and R of matrices that are not wide."""
    return tuple(np.linalg.qr(A))


@primitive(
    nograd=("A",),
    at=(),
    samples=lambda: [case(normal(3, 2), name="tall")],
)
def _qr_complete(A):
    """All columns of Q, and R."""
    return tuple(np.linalg.qr(A, mode="complete"))


Qr = named("linalg_qr", "Q", "R")


@composite(
    at=(),
    samples=lambda: [
        case(normal(3, 2), name="tall"),
        case(normal(2, 3), name="wide"),
        case(normal(2, 2, 2), name="stack"),
    ],
)
def linalg_qr(A, mode="reduced"):
    """The orthonormal ``Q`` and the upper triangular ``R`` with ``Q @ R = A``.

    The ``mode`` "complete" makes ``Q`` square, "r" leaves it out; neither has a gradient then.

    >>> tg.linalg.qr(tg.tensor([[0.0, 2.0], [3.0, 0.0]])).R.abs()
    tensor([[3., 0.],
            [0., 2.]])
    """
    check_matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
            "'complete'"
        )
    m, n = A.shape[-2:]
    why = f"linalg.qr with mode={mode!r} has no gradient; use mode='reduced'"
    if mode == "r":
        return Qr(A.new_empty((0,)), _unlinked(_qr_complete(A)[1][..., : min(m, n), :], A, why))
    if mode == "complete" and m > n:
        return Qr(*(_unlinked(each, A, why) for each in _qr_complete(A)))
    if m >= n:
        return Qr(*_qr(A))
    Q, R = _qr(A[..., :, :m])
    return Qr(Q, joining.cat([R, matmul(Q.mT, A[..., :, m:])], -1))


alias("qr", linalg_qr, at=LINALG, method=False)


@composite(method=True, samples=lambda: [case(normal(3, 2), name="tall")])
def qr(input, some=True):
    """The old form of ``linalg.qr``: ``some`` is the mode "reduced", else "complete".

    >>> tg.qr(tg.tensor([[0.0, 2.0], [3.0, 0.0]])).R.abs()
    tensor([[3., 0.],
            [0., 2.]])
    """
    return linalg_qr(input, "reduced" if some else "complete")


# ---------------------------------------------------------------------------- reflections


def _check_reflections(name: str, A: Tensor, tau: Tensor) -> None:
    check_matrices(name, A, argument="input")
    want_tensors(name, input=A, tau=tau)
    if tau.shape[:-1] != A.shape[:-2] or tau.shape[-1] > A.shape[-1]:
        raise RuntimeError(
            f"{name}: tau of shape {tuple(tau.shape)} does not fit an input of shape {tuple(A.shape)}"
        )
    same_dtypes(name, A, tau)


def _reflected(A: Tensor, tau: Tensor, x: Tensor, backwards: bool) -> Tensor:
    """Householder's reflections ``1 - tau v v'`` of the columns v of ``A``, from the left, the first one "
    "last if ``backwards``."""
    vectors = arranging.tril(A, -1) + identity(A.shape[-2], A.shape[-1], A)
    count = tau.shape[-1]
    for i in reversed(range(count)) if backwards else range(count):
        v = vectors[..., :, i : i + 1]
        x = x - tau[..., i : i + 1, None] * matmul(v, matmul(v.mT, x))
    return x


@composite(at=LINALG, samples=lambda: [case(normal(4, 2), normal(2), name="plain")])
def householder_product(A, tau):
    """The first columns of the product of reflections ``1 - tau[i] v v'``.

    ``v`` is column i of ``A``, with a 1 on the diagonal and zeros above.

    >>> tg.linalg.householder_product(tg.zeros(2, 1), tg.tensor([0.0]))
    tensor([[1.],
            [0.]])
    """
    _check_reflections("linalg.householder_product", A, tau)
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(
            f"linalg.householder_product: input.shape[-2] must be greater than or equal to "
            f"input.shape[-1], got {tuple(A.shape)}"
        )
    first = shaping.expand(identity(A.shape[-2], A.shape[-1], A), A.shape)
    if not tau.shape[-1]:  # a constant, which is still on the tape
        return choosing.where(creation.ones((), dtype=bool_), first, A)
    return _reflected(A, tau, first, True)


alias("orgqr", householder_product, at="tensorgrad", method=True)


@composite(method=True, samples=lambda: [case(normal(4, 2), normal(2), normal(4, 3), name="plain")])
def ormqr(input, tau, other, left=True, transpose=False):
    """``Q @ other`` (``other @ Q`` if not ``left``) of the square ``Q`` that the reflections make.

    ``input`` and ``tau`` are those of ``geqrf``; ``transpose`` takes that of ``Q``.

    >>> tg.ormqr(tg.zeros(2, 1), tg.tensor([0.0]), tg.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    want_tensors("ormqr", input=input, tau=tau, other=other)
    if input.ndim < 2:
        raise RuntimeError("ormqr: input must have at least 2 dimensions.")
    if other.ndim < 2:
        raise RuntimeError("ormqr: other must have at least 2 dimensions.")
    if other.ndim != input.ndim:
        raise RuntimeError(
            f"ormqr: other must have the number of dimensions of input, {input.ndim}, but it has {other.ndim}"
        )
    side = other.shape[-2] if left else other.shape[-1]
    if tau.shape[-1] > side:
        raise RuntimeError(
            f"ormqr: other.shape[{-2 if left else -1}] must be greater than or equal to tau.shape[-1]"
        )
    if tau.shape[-1] != min(side, input.shape[-1]):
        raise RuntimeError(
            f"ormqr: tau.shape[-1] must be equal to min(other.shape[{-2 if left else -1}], input.shape[-1])"
        )
    if side != input.shape[-2]:
        raise RuntimeError(f"ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]")
    _check_reflections("ormqr", input, tau)
    if left:
        return _reflected(input, tau, other, not transpose)
    return _reflected(input, tau, other.mT, transpose).mT


Geqrf = named("geqrf", "a", "tau")


@primitive(nograd=("input",), method=True, samples=lambda: [case(normal(3, 2), name="tall")])
def geqrf(input):
    """The reflections and the triangle of a QR factorization, in LAPACK's layout, off the tape.

    >>> tg.geqrf(tg.tensor([[0.0], [3.0]])).a.shape
    tensorgrad.Size([2, 1])
    """
    if input.ndim < 2:
        raise RuntimeError("geqrf: input must have at least 2 dimensions.")
    own = _core.dtype_in_body(input)
    if own not in (float32, float64):
        raise RuntimeError(f"geqrf: Expected a floating point or complex tensor as input. Got {own.name}")
    packed, tau = np.linalg.qr(input, mode="raw")
    return Geqrf(np.ascontiguousarray(packed.swapaxes(-1, -2)), tau)


# ---------------------------------------------------------------------------- eigenvalues


def _apart(values: Tensor) -> Tensor:
    """``values[j] - values[i]``; infinite where that is 0, so that a quotient is 0."""
    gap = shaping.unsqueeze(values, -2) - shaping.unsqueeze(values, -1)
    return gap.masked_fill(gap == 0, math.inf)


def _eigh_A(g_0, g_1, output_0, output_1):
    inner = matmul(output_1.mT, g_1) / _apart(output_0) + arranging.diag_embed(g_0)
    made = matmul(matmul(output_1, inner), output_1.mT)
    return (made + made.mT) * 0.5


Eigh = named("linalg_eigh", "eigenvalues", "eigenvectors")


@primitive(
    vjp=dict(A=_eigh_A),
    at=(),
    grad_name="LinalgEighBackward0",
    smooth=False,
    samples=lambda: [case(distinct(3, 3), "L", name="plain")],
)
def _eigh(A, UPLO):
    """The eigenvalues and eigenvectors of symmetric matrices, of which one triangle is read."""
    return Eigh(*np.linalg.eigh(A, UPLO))


def _check_eigh(name: str, A: Tensor, UPLO: str) -> str:
    check_matrices(name, A, square=True)
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"{name}: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


@composite(at=LINALG, smooth=False, samples=lambda: [case(distinct(3, 3), name="plain")])
def eigh(A, UPLO="L"):
    """The eigenvalues, in ascending order, and the eigenvectors (columns) of a symmetric matrix.

    Only the lower triangle is read (``UPLO`` "U": the upper one).

    >>> tg.linalg.eigh(tg.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    return _eigh(A, _check_eigh("linalg.eigh", A, UPLO))


@composite(at=LINALG, smooth=False, samples=lambda: [case(distinct(3, 3), name="plain")])
def eigvalsh(A, UPLO="L"):
    """The eigenvalues of a symmetric matrix, in ascending order.

    >>> tg.linalg.eigvalsh(tg.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    return _eigh(A, _check_eigh("linalg.eigvalsh", A, UPLO))[0]


# ---------------------------------------------------------------------------- singular values


def _absent(g: Tensor) -> bool:
    """Whether an output's gradient is the zeros that stand for none."""
    return not g.requires_grad and not _core._array_of(g).any()


def _svd_A(g_0, g_1, g_2, output_0, output_1, output_2):
    """Townsend, Differentiating the singular value decomposition, 2016. Of the singular values alone the
    gradient exists also where some are equal, or 0.
    """
    k = output_1.shape[-1]
    U, S, Vh = output_0[..., :, :k], output_1, output_2[..., :k, :]
    if _absent(g_0) and _absent(g_2):
        return matmul(_scaled(U, g_1), Vh)
    g_U, g_Vh = g_0[..., :, :k], g_2[..., :k, :]
    gaps = _apart(S * S)
    turn_U, turn_V = matmul(U.mT, g_U), matmul(Vh, g_Vh.mT)
    inner = _scaled((turn_U - turn_U.mT) / gaps, S) + shaping.unsqueeze(S, -1) * ((turn_V - turn_V.mT) / gaps)
    inner = inner + arranging.diag_embed(g_1)
    left = matmul(U, inner)
    if U.shape[-2] > k:
        left = left + (g_U - matmul(U, turn_U)) / shaping.unsqueeze(S, -2)
    made = matmul(left, Vh)
    if Vh.shape[-1] > k:
        made = made + matmul(U / shaping.unsqueeze(S, -2), g_Vh - matmul(turn_V.mT, Vh))
    return made


Svd = named("linalg_svd", "U", "S", "Vh")
OldSvd = named("svd", "U", "S", "V")


@primitive(
    vjp=dict(A=_svd_A),
    at=(),
    grad_name="LinalgSvdBackward0",
    samples=lambda: [case(normal(3, 2), False, name="tall"), case(normal(2, 3), False, name="wide")],
)
def _svd(A, full_matrices):
    """The singular value decomposition."""
    return Svd(*_finite_svd(A, full_matrices))


def _finite_svd(A, full_matrices):
    """NumPy's, which may never come to an end where a number is not finite: that is refused."""
    if not np.isfinite(A).all():
        raise LinAlgError("linalg.svd: the input matrix contains non-finite values")
    return np.linalg.svd(A, full_matrices)


@composite(
    at=(),
    samples=lambda: [
        case(normal(3, 2), full_matrices=False, name="tall"),
        case(normal(2, 2, 2), name="stack"),
    ],
)
def linalg_svd(A, full_matrices=True, *, driver=None):
    """The orthonormal ``U`` and ``Vh`` and the falling numbers ``S`` with ``U @ diag(S) @ Vh = A``.

    >>> tg.linalg.svd(tg.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check_matrices("linalg.svd", A)
    _no_driver("linalg.svd", driver)
    return _svd(A, bool(full_matrices))


alias("svd", linalg_svd, at=LINALG, method=False)


def _no_driver(who: str, driver: Any) -> None:
    if driver is not None:
        raise RuntimeError(f"{who}: there is no choice of a `driver` on the CPU")


@composite(method=True, samples=lambda: [case(normal(3, 2), name="tall")])
def svd(input, some=True, compute_uv=True):
    """The old form of ``linalg.svd``: it gives V, not its transpose, and is reduced where ``some``.

    >>> tg.svd(tg.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check_matrices("svd", input)
    if not compute_uv:
        m, n = input.shape[-2:]
        batch = tuple(input.shape[:-2])
        return OldSvd(input.new_zeros((*batch, m, m)), svdvals(input), input.new_zeros((*batch, n, n)))
    U, S, Vh = _svd(input, not some)
    return OldSvd(U, S, Vh.mT)


@composite(at=LINALG, samples=lambda: [case(normal(3, 2), name="tall"), case(normal(2, 2, 3), name="stack")])
def svdvals(A, *, driver=None):
    """The singular values of a matrix, in falling order.

    >>> tg.linalg.svdvals(tg.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.])
    """
    check_matrices("linalg.svdvals", A)
    _no_driver("linalg.svdvals", driver)
    return _svd(A, False)[1]


# ---------------------------------------------------------------------------- pseudo-inverses


def _pinv_A(g, A, output):
    """Golub and Pereyra, 1973: the derivative where the rank does not change."""
    made = -matmul(matmul(output.mT, g), output.mT)
    across = matmul(matmul(g.mT, output), output.mT)
    made = made + across - matmul(A, matmul(output, across))
    along = matmul(output.mT, matmul(output, g.mT))
    return made + along - matmul(matmul(along, output), A)


def _least(values: np.ndarray, shape: tuple, atol: Any, rtol: Any) -> np.ndarray:
    """How large singular values have to be to count."""
    if rtol is None:
        any_atol = atol is not None and np.any(np.asarray(atol) > 0)
        rtol = 0.0 if any_atol else max(shape[-2:]) * np.finfo(values.dtype).eps
    largest = values.max(-1, initial=0)
    return np.maximum(0 if atol is None else atol, np.asarray(rtol) * largest)[..., None]


@primitive(
    vjp=dict(A=_pinv_A),
    at=(),
    grad_name="LinalgPinvBackward0",
    samples=lambda: [
        case(normal(3, 2), None, None, False, name="tall"),
        case(normal(2, 3), None, None, False, name="wide"),
    ],
)
def _pinv(A, atol, rtol, hermitian):
    """The pseudo-inverses."""
    if not A.size:
        return np.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    if hermitian:
        values, u = np.linalg.eigh(A)
        sizes, vh = np.abs(values), u.swapaxes(-1, -2)
    else:
        u, values, vh = _finite_svd(A, False)
        sizes = values
    counts = sizes > _least(sizes, A.shape, atol, rtol)
    inverse = np.where(counts, 1 / np.where(counts, values, 1), 0).astype(A.dtype)
    return (vh.swapaxes(-1, -2) * inverse[..., None, :]) @ u.swapaxes(-1, -2)


def _number(value: Any) -> Any:
    return _core._array_of(value) if isinstance(value, Tensor) else value


@composite(at=LINALG, samples=lambda: [case(normal(3, 2), name="tall"), case(normal(2, 2, 3), name="wide")])
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The pseudo-inverse; singular values up to ``atol``, or ``rtol`` times the largest, count as 0.

    >>> tg.linalg.pinv(tg.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    check_matrices("linalg.pinv", A, square=hermitian)
    return _pinv(A, _number(atol), _number(rcond if rtol is None else rtol), bool(hermitian))


@composite(method=True, samples=lambda: [case(normal(3, 2), name="tall")])
def pinverse(input, rcond=1e-15):
    """The old form of ``linalg.pinv``.

    >>> tg.pinverse(tg.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return pinv(input, rcond)


@composite(at=LINALG, smooth=False, samples=lambda: [case(normal(3, 2), name="tall")])
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values are above ``atol`` (or ``tol``) and above ``rtol`` times the largest.

    >>> tg.linalg.matrix_rank(tg.ones(3, 3))
    tensor(1)
    """
    check_matrices("linalg.matrix_rank", A, square=hermitian)
    A = A.detach()
    sizes = (eigvalsh(A).abs() if hermitian else svdvals(A)).numpy()
    if tol is not None:
        atol, rtol = tol, 0.0
    counts = sizes > _least(sizes, A.shape, _number(atol), _number(rtol))
    return _core._copy_of_array(counts.sum(-1))


LstSq = named("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


@composite(
    at=LINALG,
    samples=lambda: [
        case(normal(4, 2), normal(4, 1), name="tall"),
        case(normal(2, 3), normal(2, 2), name="wide"),
    ],
)
def lstsq(A, B, rcond=None, *, driver=None):
    """The ``X`` for which ``A @ X`` comes nearest to ``B``.

    With it come the squared distances, the rank and the singular values; ``driver`` says, as in PyTorch,
    which of
    them are computed, and the others are empty.

    >>> tg.linalg.lstsq(tg.tensor([[2.0]]), tg.tensor([[3.0]])).solution
    tensor([[1.5000]])
    """
    want_tensors("linalg.lstsq", A=A, B=B)
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    check_matrices("linalg.lstsq", A)
    same_dtypes("linalg.lstsq", A, B)
    driver = "gelsy" if driver is None else driver
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver!r}"
        )
    if B.ndim < 1:
        raise RuntimeError("linalg.lstsq: other must have at least 1 dimension.")
    vector = B.ndim == A.ndim - 1
    matrix = shaping.unsqueeze(B, -1) if vector else B
    m, n = A.shape[-2:]
    if matrix.shape[-2] != m:
        raise RuntimeError(
            f"linalg.lstsq: input.size(-2) should match other.size({-1 if vector else -2}): {m} and "
            f"{matrix.shape[-2]}"
        )
    limit = finfo(A.dtype).eps * max(m, n) if rcond is None else rcond
    made = matmul(_pinv(A, 0.0, limit if driver != "gels" else 0.0, False), matrix)
    rank, values = A.new_empty((0,)).to(int64), A.new_empty((0,))
    if driver != "gels":
        rank = matrix_rank(A, rtol=limit)
    if driver in ("gelsd", "gelss"):
        values = svdvals(A.detach())
    residuals = shaping.reshape(made[..., :0], (0,)).clone()
    if m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all())):
        miss = matmul(A, made) - matrix
        residuals = reductions.sum(miss * miss, -2)
    return LstSq(shaping.squeeze(made, -1) if vector else made, residuals, rank, values)


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), name="2"), case(normal(3, 3), 1, name="1")])
def cond(A, p=None):
    """How much a matrix can magnify relative errors: its norm ``p`` (2) times that of its inverse.

    >>> tg.linalg.cond(tg.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    if p is not None and not isinstance(p, (int, float, str)):
        raise TypeError(f"linalg.cond(): argument 'p' must be Number or str, not {type(p).__name__}")
    if A.numel() == 0 and A.ndim >= 2 and A.is_floating_point():
        return A.new_zeros(A.shape[:-2])
    check_matrices("linalg.cond", A)
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        values = svdvals(A)
        largest, least = values[..., 0], values[..., -1]
        return least / largest if p == -2 else largest / least
    check_matrices(f"linalg.cond({p})", A, square=True)
    norm = distances.matrix_norm
    return norm(A, p) * norm(inv(A), p)


# ---------------------------------------------------------------------------- low rank


def _range_of(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """An orthonormal basis near the range of ``A - M``: Halko and others, Finding structure with "
    "randomness, 2009."""

    def times(x: Tensor, turned: bool) -> Tensor:
        made = matmul(A.mT if turned else A, x)
        return made if M is None else made - matmul(M.mT if turned else M, x)

    Q = linalg_qr(times(randomness.randn((A.shape[-1], q), dtype=A.dtype), False))[0]
    for _ in range(niter):
        Q = linalg_qr(times(Q, True))[0]
        Q = linalg_qr(times(Q, False))[0]
    return Q


def svd_lowrank(A, q=6, niter=2, M=None):
    """The ``q`` largest singular values and vectors of ``A`` (less ``M``), found at random: U, S and V.

    >>> tg.svd_lowrank(tg.ones(8, 7), q=2)[1].shape
    tensorgrad.Size([2])
    """
    check_matrices("svd_lowrank", A)
    M = None if M is None else shaping.expand(M, A.shape)
    turned = A.shape[-2] < A.shape[-1]
    if turned:
        A, M = A.mT, None if M is None else M.mT
    Q = _range_of(A, q, niter, M)
    B = matmul(Q.mT, A) if M is None else matmul(Q.mT, A) - matmul(Q.mT, M)
    U, S, Vh = _svd(B, False)
    U, V = matmul(Q, U), Vh.mT
    return (V, S, U) if turned else (U, S, V)


def pca_lowrank(A, q=None, center=True, niter=2):
    """The ``q`` first principal components of the rows of ``A``, found at random: U, S and V.

    >>> tg.pca_lowrank(tg.ones(8, 7), q=2)[2].shape
    tensorgrad.Size([7, 2])
    """
    check_matrices("pca_lowrank", A)
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - reductions.mean(A, -2, True) if center else A, q, niter)


PUBLIC = {"tensorgrad": (svd_lowrank, pca_lowrank)}
