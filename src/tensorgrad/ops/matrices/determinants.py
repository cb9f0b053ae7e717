"""Determinants, their logarithms, and the derivatives of both, also where a matrix is singular."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor, _core, is_grad_enabled
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices.factorizing import _lu, _row_order
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.matrices.solving import (
    BOTH,
    _inv,
    _solve_triangular,
    by_matrix,
    check_matrices,
    identity,
    inv,
)
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import joining, shaping


def _wide(x: Tensor) -> Tensor:
    """A number for every matrix, as a matrix of size 1 by 1."""
    return shaping.unsqueeze(shaping.unsqueeze(x, -1), -1)


# ---------------------------------------------------------------------------- cofactors


def _small_cofactors(A):
    """The cofactors of matrices that are small, or next to 0, by Faddeev and LeVerrier: sums and products
    alone, so right at every order of derivative whatever the rank.
    """
    n = A.shape[-1]
    one = made = shaping.expand(identity(n, n, A), A.shape)
    for k in range(1, n):
        made = matmul(A, made)
        made = made - _wide(reductions.sum(made.diagonal(0, -2, -1), -1)) / k * one
    return (made if n % 2 else -made).mT


def _cofactors_by_blocks(A, u, vh, sign, null):
    """The cofactors of matrices with ``null`` singular values next to 0.

    Turned by their singular vectors, which are constants here, the matrices are [[P, Q], [R, Z]] with a P
    that has an inverse; the determinant is that of P times that of ``Z - R @ inverse(P) @ Q``. This is how
    PyTorch's limit by perturbation is had without one, and at every order.
    """
    n = A.shape[-1]
    rank = n - null
    turned = matmul(matmul(u.mT, A), vh.mT)
    P, Q = turned[..., :rank, :rank], turned[..., :rank, rank:]
    R, Z = turned[..., rank:, :rank], turned[..., rank:, rank:]
    inverse = _inv(P)[0]
    left, right = matmul(R, inverse), matmul(inverse, Q)
    rest = Z - matmul(left, Q)
    small = _small_cofactors(rest)
    whole = _det(P)
    rest_det = reductions.sum(rest[..., 0, :] * small[..., 0, :], -1)
    across, down = -matmul(left.mT, small), -matmul(small, right.mT)
    first = _wide(rest_det) * inverse.mT - matmul(across, right.mT)
    made = joining.cat([joining.cat([first, across], -1), joining.cat([down, small], -1)], -2)
    return _wide(whole * sign) * matmul(matmul(u, made), vh)


def _cofactors(A):
    """The cofactors, which are the derivatives of the determinant: by the inverse where that is exact, else
    by blocks. Every matrix of a stack goes the way that is right for it.
    """
    array = _core._array_of(A)
    n = array.shape[-1]
    if array.size == 0:
        return creation.zeros_like(A)
    rows = array.reshape(-1, n, n)
    finite = np.isfinite(rows).all((-2, -1))
    u, s, vh = np.linalg.svd(np.where(finite[:, None, None], rows, np.eye(n, dtype=rows.dtype)))
    null = (s <= math.sqrt(np.finfo(s.dtype).eps) * s[:, :1]).sum(-1)
    stack = shaping.reshape(A, rows.shape)
    order, parts = [], []
    for k in np.unique(null):
        at = np.flatnonzero(null == k)
        some = stack[_core.from_numpy(at)]
        order.append(at)
        if k == 0:
            parts.append(_wide(_det(some)) * _inv(some)[0].mT)
        else:
            sign = _core.from_numpy(np.linalg.det(u[at]) * np.linalg.det(vh[at]))
            left, right = _core.from_numpy(u[at]), _core.from_numpy(vh[at])
            parts.append(_cofactors_by_blocks(some, left, right, sign, int(k)))
    back = _core.from_numpy(np.argsort(np.concatenate(order)))
    return shaping.reshape(joining.cat(parts)[back], A.shape)


# ---------------------------------------------------------------------------- determinants


@primitive(
    vjp=dict(A=lambda g, A: _wide(g) * _cofactors(A)),
    at=(),
    grad_name="LinalgDetBackward0",
    samples=lambda: [case(normal(3, 3), name="plain"), case(normal(2, 2, 2), name="stack")],
)
def _det(A):
    """The determinants."""
    return np.linalg.det(A)


@composite(
    at=BOTH,
    method=True,
    samples=lambda: [case(normal(3, 3), name="plain"), case(normal(2, 2, 2), name="stack")],
)
def det(A):
    """The determinant of a square matrix, or of each of a stack.

    >>> tg.linalg.det(tg.tensor([[2.0, 1.0], [1.0, 3.0]]))
    tensor(5.)
    """
    check_matrices("linalg.det", A, square=True)
    return _det(A)


SlogDet = reductions.named("linalg_slogdet", "sign", "logabsdet")


@primitive(
    nograd=("A",),
    at=(),
    samples=lambda: [case(normal(3, 3), name="plain")],
)
def _substituted_inverse(A):
    """The inverses; of singular matrices the infinities and NaN that substitution into L and U gives."""
    made, failed = by_matrix(np.linalg.inv, A)
    if failed.any():
        packed, pivots, _ = _lu.body(A[failed])
        swapped = np.eye(A.shape[-1], dtype=A.dtype)[_row_order(pivots, A.shape[-1])]
        made[failed] = _solve_triangular.body(
            packed, _solve_triangular.body(packed, swapped, False, True), True, False
        )
    return made


def _slogdet_input(g_1, A):
    """Where the gradient shall be differentiated again, a singular matrix is refused, as in PyTorch."""
    inverse = inv(A) if is_grad_enabled() else _substituted_inverse(A.mT).mT
    return _wide(g_1) * inverse.mT


@primitive(
    vjp=dict(A=_slogdet_input),
    at=(),
    grad_name="LinalgSlogdetBackward0",
    samples=lambda: [case(normal(3, 3), name="plain")],
)
def _slogdet(A):
    """The determinants' signs and the logarithms of their sizes."""
    sign, logs = np.linalg.slogdet(A)
    return SlogDet(sign.astype(A.dtype), logs.astype(A.dtype))


@composite(at=BOTH, method=True, samples=lambda: [case(normal(3, 3), name="plain")])
def slogdet(A):
    """The sign of the determinant and the logarithm of its size, which can't overflow.

    >>> tg.linalg.slogdet(tg.eye(2) * -3.0).logabsdet
    tensor(2.1972)
    """
    check_matrices("linalg.slogdet", A, square=True)
    return _slogdet(A)


@composite(method=True, samples=lambda: [case(normal(3, 3), name="plain")])
def logdet(input):
    """The logarithm of the determinant: NaN of a negative one, minus infinity of 0.

    >>> tg.logdet(tg.eye(2) * 3.0)
    tensor(2.1972)
    """
    check_matrices("logdet", input, square=True)
    sign, logs = _slogdet(input)
    return choosing.where(sign < 0, math.nan, logs)
