"""Factorizations with an orthogonal factor: QR, and the reflections it is made of."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, float32, float64
from tensorgrad.core.declare import alias, case, composite, integers, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.matrices.solving import LINALG, _solve_triangular, check_matrices, identity, same_dtypes
from tensorgrad.ops.reducing.reductions import named
from tensorgrad.ops.shapes import arranging, joining, shaping

# ---------------------------------------------------------------------------- QR


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
    """Householder's reflections ``1 - tau v v'`` of the columns v of ``A``, from the left, the first one
    last if ``backwards``."""
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
