"""Linear algebra: inverses, determinants, linear systems, triangular ones, powers and exponentials of "
"matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, float32, float64, int64
from tensorgrad.core.declare import alias, between, case, composite, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.reducing.reductions import named
from tensorgrad.ops.shapes import arranging, joining, shaping

LINALG = "tensorgrad.linalg"
BOTH = ("tensorgrad", LINALG)


class LinAlgError(RuntimeError):
    """What is raised for a matrix that a factorization or a solver can do nothing with."""


LinAlgError.__module__ = LINALG
PUBLIC = {LINALG: (LinAlgError,)}


# ---------------------------------------------------------------------------- what all share


def check_matrices(name: str, A: Any, *, square: bool = False, argument: str = "A") -> None:
    """Raises unless ``A`` is a stack of float matrices (of square ones)."""
    want_tensors(name, **{argument: A})
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")
    if square and A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )
    if not A.is_floating_point():
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {A.dtype.name}"
        )
    if A.dtype not in (float32, float64):
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {A.dtype.name}; convert with .float()"
        )


def same_dtypes(name: str, A: Tensor, B: Tensor) -> None:
    """Raises for tensors of two dtypes."""
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {A.dtype.name} and B of "
            "type "
            f"{B.dtype.name} instead"
        )


def by_matrix(function: Any, *stacks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function of matrices applied to each of a stack: the results, NaN where it failed, and where "
    "that was."""
    try:
        return function(*stacks), np.zeros(stacks[0].shape[:-2], bool)
    except np.linalg.LinAlgError:
        pass
    batch = np.broadcast_shapes(*(s.shape[:-2] for s in stacks))
    flat = [np.broadcast_to(s, batch + s.shape[-2:]).reshape((-1, *s.shape[-2:])) for s in stacks]
    made, failed = [], []
    for matrices in zip(*flat, strict=True):
        try:
            made.append(function(*matrices))
            failed.append(False)
        except np.linalg.LinAlgError:
            made.append(np.full(matrices[-1].shape, np.nan, matrices[-1].dtype))
            failed.append(True)
    return np.stack(made).reshape(batch + made[0].shape), np.array(failed).reshape(batch)


def _wide(x: Tensor) -> Tensor:
    """A number for every matrix, as a matrix of size 1 by 1."""
    return shaping.unsqueeze(shaping.unsqueeze(x, -1), -1)


def identity(n: int, m: int, like: Tensor) -> Tensor:
    """The identity matrix in the dtype of ``like``."""
    return creation.eye(n, m, dtype=like.dtype)


def _singular(name: str, failed: np.ndarray, what: str) -> None:
    if failed.any():
        where = f" (batch element {tuple(int(i) for i in np.argwhere(failed)[0])})" if failed.ndim else ""
        raise LinAlgError(f"{name}{where}: {what}")


# ---------------------------------------------------------------------------- inverses


@primitive(
    vjp=dict(A=lambda g_0, output_0: -matmul(matmul(output_0.mT, g_0), output_0.mT)),
    at=(),
    grad_name="LinalgInvExBackward0",
    samples=lambda: [case(normal(3, 3), name="plain"), case(normal(2, 2, 2), name="stack")],
)
def _inv(A):
    """The inverses, NaN for singular matrices, and an int32 that is not 0 for those."""
    made, failed = by_matrix(np.linalg.inv, A)
    return made, np.where(failed, A.shape[-1], 0).astype(np.int32)


InvEx = named("linalg_inv_ex", "inverse", "info")


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), name="plain"), case(normal(2, 2, 2), name="stack")])
def inv(A):
    """The inverse of a square matrix, or of each of a stack; raises LinAlgError for a singular one.

    >>> tg.linalg.inv(tg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_matrices("linalg.inv", A, square=True)
    made, info = _inv(A)
    _singular(
        "linalg.inv",
        _core._array_of(info) != 0,
        "The inversion could not be completed because the input matrix is singular.",
    )
    return made


alias("inverse", inv, at="tensorgrad", method=True)


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), name="plain")])
def inv_ex(A, *, check_errors=False):
    """The inverse, and an ``info`` that is not 0 where the matrix is singular, instead of an error.

    >>> tg.linalg.inv_ex(tg.ones(2, 2)).info > 0
    tensor(True)
    """
    check_matrices("linalg.inv_ex", A, square=True)
    made, info = _inv(A)
    if check_errors:
        _singular("linalg.inv_ex", _core._array_of(info) != 0, "The input matrix is singular.")
    return InvEx(made, info)


# ---------------------------------------------------------------------------- linear systems


def _solve_A(g_0, A, output_0):
    grad = _solve(A.mT, g_0)[0]
    return _core._sum_to(-matmul(grad, output_0.mT), A.shape)


def _numpy_solve(A, B):
    """``A @ X = B`` by NumPy, to which a B with one dimension less means vectors before NumPy 2."""
    return np.linalg.solve(A, B.reshape((1,) * (A.ndim - B.ndim) + B.shape))


@primitive(
    vjp=dict(A=_solve_A, B=lambda g_0, A, B: _core._sum_to(_solve(A.mT, g_0)[0], B.shape)),
    at=(),
    grad_name="LinalgSolveExBackward0",
    samples=lambda: [
        case(normal(3, 3), normal(3, 2), name="plain"),
        case(normal(2, 2, 2), normal(2, 1), name="broadcast"),
    ],
)
def _solve(A, B):
    """The solutions of ``A @ X = B``, NaN where A is singular, and an int32 that is not 0 there."""
    made, failed = by_matrix(_numpy_solve, A, B)
    return made, np.where(failed, A.shape[-1], 0).astype(np.int32)


def _solution(name: str, A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor]:
    check_matrices(name, A, square=True)
    want_tensors(name, A=A, B=B)
    same_dtypes(name, A, B)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    matrix = shaping.unsqueeze(B, -1) if vector else B
    if not left:
        matrix, A = matrix.mT, A.mT
    if matrix.shape[-2] != A.shape[-1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({A.shape[-2]}x{A.shape[-1]} "
            f"and {matrix.shape[-2]}x{matrix.shape[-1]})"
        )
    made, info = _solve(A, matrix)
    if not left:
        made = made.mT
    return shaping.squeeze(made, -1) if vector else made, info


SolveEx = named("linalg_solve_ex", "result", "info")


@composite(
    at=LINALG,
    samples=lambda: [
        case(normal(3, 3), normal(3, 2), name="matrix"),
        case(normal(3, 3), normal(3), name="vector"),
        case(normal(3, 3), normal(2, 3), left=False, name="right"),
    ],
)
def solve(A, B, *, left=True):
    """The ``X`` with ``A @ X = B``, or with ``X @ A = B`` if not ``left``.

    Raises LinAlgError for a singular ``A``.

    >>> tg.linalg.solve(tg.tensor([[2.0, 0.0], [0.0, 4.0]]), tg.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    made, info = _solution("linalg.solve", A, B, left)
    _singular(
        "linalg.solve", _core._array_of(info) != 0, "The solver failed because the input matrix is singular."
    )
    return made


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), normal(3, 2), name="matrix")])
def solve_ex(A, B, *, left=True, check_errors=False):
    """The solution, and an ``info`` that is not 0 where ``A`` is singular, instead of an error.

    >>> tg.linalg.solve_ex(tg.ones(2, 2), tg.ones(2)).info > 0
    tensor(True)
    """
    made, info = _solution("linalg.solve_ex", A, B, left)
    if check_errors:
        _singular("linalg.solve_ex", _core._array_of(info) != 0, "The input matrix is singular.")
    return SolveEx(made, info)


def _triangle(A: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    A = np.triu(A) if upper else np.tril(A)
    if unit:
        A[..., range(A.shape[-1]), range(A.shape[-1])] = 1
    return A


def _solve_triangular_A(g, A, upper, unit, output):
    grad = _core._sum_to(-matmul(_solve_triangular(A.mT, g, not upper, unit), output.mT), A.shape)
    return arranging.triu(grad, int(unit)) if upper else arranging.tril(grad, -int(unit))


@primitive(
    vjp=dict(
        A=_solve_triangular_A,
        B=lambda g, A, B, upper, unit: _core._sum_to(_solve_triangular(A.mT, g, not upper, unit), B.shape),
    ),
    at=(),
    grad_name="LinalgSolveTriangularBackward0",
    samples=lambda: [
        case(between(0.5, 2.0, 3, 3), normal(3, 2), True, False, name="upper"),
        case(between(0.5, 2.0, 3, 3), normal(2, 3, 2), False, True, name="unit"),
    ],
)
def _solve_triangular(A, B, upper, unit):
    """The solutions of ``A @ X = B`` for one triangle of A."""
    A = _triangle(A, upper, unit)
    try:
        return _numpy_solve(A, B)
    except np.linalg.LinAlgError:  # a 0 on the diagonal gives infinities, as substitution does
        shape = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
        made = np.array(np.broadcast_to(B, shape + B.shape[-2:]))
        n = A.shape[-1]
        for i in reversed(range(n)) if upper else range(n):
            made[..., i, :] /= A[..., i, i, None]
            rest = slice(0, i) if upper else slice(i + 1, n)
            made[..., rest, :] -= A[..., rest, i, None] * made[..., i, None, :]
        return made


@composite(
    at=LINALG,
    samples=lambda: [
        case(between(0.5, 2.0, 3, 3), normal(3, 2), upper=True, name="upper"),
        case(
            between(0.5, 2.0, 3, 3), normal(2, 3), upper=False, left=False, unitriangular=True, name="right"
        ),
    ],
)
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """The ``X`` with ``A @ X = B`` (``X @ A = B`` if not ``left``) of a triangular ``A``.

    The other triangle is not read; ``unitriangular`` takes the diagonal to be ones.

    >>> A = tg.tensor([[2.0, 9.0], [1.0, 4.0]])
    >>> tg.linalg.solve_triangular(A, tg.tensor([[2.0], [5.0]]), upper=False)
    tensor([[1.],
            [1.]])
    """
    check_matrices("linalg.solve_triangular", A, square=True)
    want_tensors("linalg.solve_triangular", A=A, B=B)
    B = shaping._cast(B, A.dtype)
    check_matrices("linalg.solve_triangular", B, argument="B")
    inner = B.shape[-2] if left else B.shape[-1]
    if inner != A.shape[-1]:
        raise RuntimeError(
            f"linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX' if left else 'XA'} = B "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    if left:
        return _solve_triangular(A, B, bool(upper), bool(unitriangular))
    return _solve_triangular(A.mT, B.mT, not upper, bool(unitriangular)).mT


TriangularSolve = named("triangular_solve", "solution", "cloned_coefficient")


@composite(method=True, samples=lambda: [case(normal(3, 2), between(0.5, 2.0, 3, 3), name="upper")])
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """The old form of ``linalg.solve_triangular``: the solution, and ``A`` again.

    >>> tg.triangular_solve(tg.tensor([[2.0]]), tg.tensor([[4.0]])).solution
    tensor([[0.5000]])
    """
    check_matrices("triangular_solve", A, square=True)
    check_matrices("triangular_solve", input, argument="b")
    same_dtypes("triangular_solve", A, input)
    if transpose:
        made = _solve_triangular(A.mT, input, not upper, bool(unitriangular))
    else:
        made = _solve_triangular(A, input, bool(upper), bool(unitriangular))
    return TriangularSolve(made, shaping.clone(shaping.expand(A, (*made.shape[:-2], *A.shape[-2:]))))


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
        minors = (k + 1 for k in range(A.shape[-1]) if np.linalg.slogdet(matrix[: k + 1, : k + 1])[0] <= 0)
        order[tuple(at)] = next(minors, A.shape[-1])
    return made, order


def _factor(name: str, A: Tensor, upper: bool, check: bool) -> tuple[Tensor, Tensor]:
    check_matrices(name, A, square=True)
    made, info = _cholesky(A.mT if upper else A)
    if check:
        orders = _core._array_of(info)
        _singular(
            name,
            orders != 0,
            f"The factorization could not be completed because the input is not positive-definite (the "
            "leading minor of order "
            f"{orders.max(initial=0)} is not positive-definite).",
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
    """The gradient of a factor, from that of the product that it makes; as in PyTorch its zeros get one "
    "too."""
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


# ---------------------------------------------------------------------------- powers and exponentials


@composite(
    at=BOTH,
    method=True,
    samples=lambda: [
        case(normal(3, 3), 3, name="3"),
        case(normal(2, 3, 3), 0, name="0"),
        case(normal(3, 3), -2, name="minus"),
    ],
)
def matrix_power(A, n):
    """The ``n``-th power of a matrix; for a negative ``n`` of the inverse, for 0 the identity.

    >>> tg.linalg.matrix_power(tg.tensor([[1, 1], [0, 1]]), 5)
    tensor([[1, 5],
            [0, 1]])
    """
    want_tensors("linalg.matrix_power", A=A)
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"matrix_power(): argument 'n' must be int, not {type(n).__name__}")
    if n == 0:
        return choosing.where(creation.ones((), dtype=bool_), identity(A.shape[-1], A.shape[-1], A), A)
    if n < 0:
        A, n = inv(A), -n
    made = None
    while n:
        if n & 1:
            made = A if made is None else matmul(made, A)
        n >>= 1
        A = matmul(A, A) if n else A
    return made.clone() if made is A else made


# Higham, The scaling and squaring method for the matrix exponential revisited, 2005: degree 13.
_PADE = [
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
]  # fmt: skip


def _matrix_exp_input(g, input):
    """The upper right block of ``exp([[A', g], [0, A']])``."""
    n = input.shape[-1]
    turned = input.mT
    upper = joining.cat([turned, g], -1)
    lower = joining.cat([turned * 0, turned], -1)
    return matrix_exp(joining.cat([upper, lower], -2))[..., :n, n:]


@primitive(
    vjp=dict(input=_matrix_exp_input),
    at=(),
    grad_name="LinalgMatrixExpBackward0",
    samples=lambda: [case(normal(3, 3), name="plain"), case(normal(2, 2, 2), name="stack")],
)
def _matrix_exp(input):
    """The exponentials of square matrices."""
    a = input.astype(np.float64)
    if not a.size:
        return input.copy()
    norms = np.abs(a).sum(-2).max(-1)
    with np.errstate(divide="ignore"):
        squarings = np.maximum(0, np.ceil(np.log2(norms / 5.371920351148152)))
    squarings = np.where(np.isfinite(squarings), squarings, 0).astype(int)
    a = a / (2.0**squarings)[..., None, None]
    square = a @ a
    power, even, odd = np.broadcast_to(np.eye(a.shape[-1]), a.shape), np.zeros(()), np.zeros(())
    for k in range(0, 14, 2):
        even = even + _PADE[k] * power
        odd = odd + _PADE[k + 1] * power
        power = power @ square
    odd = a @ odd
    made = np.linalg.solve(even - odd, even + odd)
    for k in range(int(squarings.max())):
        made = np.where((squarings > k)[..., None, None], made @ made, made)
    return made.astype(input.dtype)


@composite(at=BOTH, method=True, samples=lambda: [case(normal(3, 3), name="plain")])
def matrix_exp(A):
    """The exponential of a square matrix: the sum of ``A^k / k!``.

    >>> tg.linalg.matrix_exp(tg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_matrices("linalg.matrix_exp", A, square=True)
    return _matrix_exp(A)


# ---------------------------------------------------------------------------- the rest


@composite(
    at=(),
    samples=lambda: [
        case(normal(3, 4), name="plain"),
        case(normal(2, 3, 4), offset=1, dim1=0, dim2=2, name="dims"),
    ],
)
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of a stack of matrices, as a view: ``diagonal`` of the last two dimensions.

    >>> tg.linalg.diagonal(tg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return A.diagonal(offset, dim1, dim2)


alias("diagonal", linalg_diagonal, at=LINALG, method=False)


@composite(at=LINALG, samples=lambda: [case(normal(2, 3, 6), ind=2, name="plain")])
def tensorinv(A, ind=2):
    """The inverse of a tensor whose first ``ind`` dimensions have as many elements as the rest.

    >>> tg.linalg.tensorinv(tg.eye(6).reshape(2, 3, 6), ind=2).shape
    tensorgrad.Size([6, 2, 3])
    """
    want_tensors("linalg.tensorinv", A=A)
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', got {ind}")
    if ind > A.ndim:
        raise RuntimeError(f"linalg.tensorinv: 'ind' is {ind}, but the tensor has {A.ndim} dimensions")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n = math.prod(last)
    if math.prod(first) != n:
        raise RuntimeError(
            f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            "prod(self.shape[:ind]), but "
            f"got {n} != {math.prod(first)}"
        )
    return shaping.reshape(inv(shaping.reshape(A, (n, n))), last + first)


@composite(at=LINALG, samples=lambda: [case(normal(2, 3, 6), normal(2, 3), name="plain")])
def tensorsolve(A, B, dims=None):
    """The ``X`` with ``tensordot(A, X, X.ndim) = B``; ``dims`` are moved to the end of ``A`` first.

    >>> tg.linalg.tensorsolve(tg.eye(6).reshape(2, 3, 6), tg.ones(2, 3)).shape
    tensorgrad.Size([6])
    """
    want_tensors("linalg.tensorsolve", A=A, B=B)
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(-len(dims), 0)))
    last = tuple(A.shape[B.ndim :])
    n = math.prod(last)
    if n != B.numel() or n * n != A.numel():
        raise RuntimeError(
            f"linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {n} != {math.prod(A.shape[: B.ndim])}"
        )
    return shaping.reshape(solve(shaping.reshape(A, (n, n)), shaping.reshape(B, (n,))), last)


@composite(
    at=(),
    samples=lambda: [
        case(between(0.5, 2.0, 3), name="plain"),
        case(between(0.5, 2.0, 2, 3), N=4, name="wide"),
    ],
)
def linalg_vander(x, N=None):
    """The powers 0, 1, ... ``N`` - 1 of every element as rows (if not given, ``N`` is their number).

    >>> tg.linalg.vander(tg.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    want_tensors("linalg.vander", x=x)
    if x.ndim == 0:
        x = shaping.unsqueeze(x, 0)
    if N is None:
        N = x.shape[-1]
    elif N <= 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got {N}")
    first = creation.ones(tuple(x.shape) + (1,), dtype=x.dtype)
    if N == 1:
        return first
    steps = shaping.expand(shaping.unsqueeze(x, -1), (*x.shape, N - 1))
    return joining.cat([first, steps.cumprod(-1)], -1)


alias("vander", linalg_vander, at=LINALG, method=False)


@composite(samples=lambda: [case(between(0.5, 2.0, 3), name="plain")])
def vander(x, N=None, increasing=False):
    """The powers of a vector's elements as rows, the highest first unless ``increasing``.

    >>> tg.vander(tg.tensor([2, 3]), 3)
    tensor([[4, 2, 1],
            [9, 3, 1]])
    """
    want_tensors("vander", x=x)
    if x.ndim != 1:
        raise RuntimeError(f"vander: x must be a one-dimensional tensor, got {x.ndim} dimensions")
    N = x.shape[0] if N is None else N
    if not x.is_floating_point():
        x = x.to(int64)
    powers = linalg_vander(x, N) if N > 1 else creation.ones((x.shape[0], N), dtype=x.dtype)
    return powers if increasing else arranging.flip(powers, (1,))
