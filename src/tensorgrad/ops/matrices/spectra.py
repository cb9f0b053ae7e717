"""Eigenvalues and singular values, and what they give: pseudo-inverses, ranks, least squares, low-rank
approximations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, int64, is_grad_enabled
from tensorgrad.core.declare import alias, case, composite, distinct, normal, primitive
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.making import randomness
from tensorgrad.ops.matrices import distances
from tensorgrad.ops.matrices.orthogonal import linalg_qr
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.matrices.solving import LINALG, LinAlgError, check_matrices, inv, same_dtypes
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.reducing.reductions import named
from tensorgrad.ops.shapes import arranging, shaping

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


def _columns_times(x: Tensor, factors: Tensor) -> Tensor:
    """The columns of ``x`` times ``factors``."""
    return x * shaping.unsqueeze(factors, -2)


def _svd_A(g_0, g_1, g_2, output_0, output_1, output_2):
    """Townsend, Differentiating the singular value decomposition, 2016. Of the singular values alone the
    gradient exists also where some are equal, or 0.
    """
    k = output_1.shape[-1]
    U, S, Vh = output_0[..., :, :k], output_1, output_2[..., :k, :]
    if _absent(g_0) and _absent(g_2):
        return matmul(_columns_times(U, g_1), Vh)
    g_U, g_Vh = g_0[..., :, :k], g_2[..., :k, :]
    gaps = _apart(S * S)
    turn_U, turn_V = matmul(U.mT, g_U), matmul(Vh, g_Vh.mT)
    inner = _columns_times((turn_U - turn_U.mT) / gaps, S)
    inner = inner + shaping.unsqueeze(S, -1) * ((turn_V - turn_V.mT) / gaps) + arranging.diag_embed(g_1)
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


def _refuse_endless(A):
    """LAPACK may never come to an end where a number is not finite."""
    if not np.isfinite(A).all():
        raise LinAlgError("linalg.svd: the input matrix contains non-finite values")


MANY = 64  # rows and columns from which the eigenvectors of a product are found sooner than singular vectors


def _product(A):
    """Large float32 matrices, or their transposes if those are taller, in float64, and ``A.T @ A`` of them;
    None for others.

    Its eigenvalues are the squares of the singular values. Their roots are off by 1e-8 of the largest, about,
    which is less than float32 can hold.
    """
    if A.dtype != np.float32 or min(A.shape[-2:]) < MANY:
        return None, None
    tall = (A if A.shape[-2] >= A.shape[-1] else A.swapaxes(-1, -2)).astype(np.float64)
    return tall, tall.swapaxes(-1, -2) @ tall


def _finite_svd(A, full_matrices):
    """By eigenvectors of a product where no singular value is so small that what they give would not be
    orthonormal, else LAPACK's.
    """
    _refuse_endless(A)
    tall, product = _product(A) if not full_matrices or A.shape[-2] == A.shape[-1] else (None, None)
    if product is not None:
        squares, right = (x[..., ::-1] for x in np.linalg.eigh(product))
        if (squares[..., -1] > 1e-8 * squares[..., 0]).all():
            values = np.sqrt(squares)
            left = tall @ right / values[..., None, :]
            if A.shape[-2] < A.shape[-1]:
                left, right = right, left
            return tuple(x.astype(A.dtype, order="C") for x in (left, values, right.swapaxes(-1, -2)))
    return np.linalg.svd(A, full_matrices)


@primitive(
    nograd=("A",),
    at=(),
    samples=lambda: [case(normal(3, 2), name="tall"), case(normal(2, 2, 3), name="stack")],
)
def _svdvals(A):
    """The singular values without the vectors that a gradient takes."""
    _refuse_endless(A)
    product = _product(A)[1]
    if product is None:
        return np.linalg.svd(A, compute_uv=False)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(product)[..., ::-1], 0)).astype(A.dtype)


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
    return _svd(A, False)[1] if is_grad_enabled() and A.requires_grad else _svdvals(A)


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
    which of them are computed, and the others are empty.

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
    vector = tuple(B.shape) == tuple(A.shape[:-1])
    if not 0 <= A.ndim - B.ndim <= 1:
        raise RuntimeError(
            "linalg.lstsq: other has to have as many dimensions as input or one less, got "
            f"{B.ndim} and {A.ndim}"
        )
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
    """An orthonormal basis near the range of ``A - M``: Halko and others, Finding structure with
    randomness, 2009."""

    def times(x: Tensor, turned: bool) -> Tensor:
        made = matmul(A.mT if turned else A, x)
        return made if M is None else made - matmul(M.mT if turned else M, x)

    Q = linalg_qr(times(randomness.randn((A.shape[-1], q), dtype=A.dtype), False))[0]
    for _ in range(niter):
        Q = linalg_qr(times(Q, True))[0]
        Q = linalg_qr(times(Q, False))[0]
    return Q


def svd_lowrank(A: Any, q: Any = 6, niter: Any = 2, M: Any = None) -> tuple[Tensor, Tensor, Tensor]:
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


def pca_lowrank(A: Any, q: Any = None, center: bool = True, niter: Any = 2) -> tuple[Tensor, Tensor, Tensor]:
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
