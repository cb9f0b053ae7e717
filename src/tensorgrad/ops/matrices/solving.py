"""Inverses and linear systems, triangular ones as well; the checks that all linear algebra shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, float32, float64
from tensorgrad.core.declare import alias, between, case, composite, normal, primitive
from tensorgrad.ops._kinds import truth, want_tensors
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.reducing.reductions import named
from tensorgrad.ops.shapes import arranging, shaping

LINALG = "tensorgrad.linalg"
BOTH = ("tensorgrad", LINALG)


class LinAlgError(RuntimeError):
    """What is raised for a matrix that a factorization or a solver can do nothing with."""


LinAlgError.__module__ = LINALG
PUBLIC = {LINALG: (LinAlgError,)}


# ---------------------------------------------------------------------------- what all share


def check_matrices(
    name: str, A: Any, *, square: bool = False, argument: str = "A", narrow: bool = False
) -> None:
    """Raises unless ``A`` is a stack of float matrices (of square ones, of narrow floats too)."""
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
    if not narrow and A.dtype not in (float32, float64):
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {A.dtype.name}; convert with .float()"
        )


def same_dtypes(name: str, A: Tensor, B: Tensor) -> None:
    """Raises for tensors of two dtypes."""
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {A.dtype.name} and B of "
            f"type {B.dtype.name} instead"
        )


def by_matrix(function: Any, *stacks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function of matrices applied to each of a stack: the results, NaN where it failed, and where
    that was."""
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


def _singular(name: str, info: Tensor, what: str) -> None:
    """Raises for the first matrix with an order in ``info``; ``what`` may tell its ``{order}``."""
    orders = _core._array_of(info)
    if orders.any():
        at = tuple(int(i) for i in np.argwhere(orders)[0])
        where = f" (batch element {at})" if at else ""
        raise LinAlgError(f"{name}{where}: {what.format(order=orders[at])}")


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
        info,
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
        _singular("linalg.inv_ex", info, "The input matrix is singular.")
    return InvEx(made, info)


# ---------------------------------------------------------------------------- linear systems


def _solve_both(g_0, A, B_shape, factors, output_0):
    """Both gradients by one more system, whose matrix is the transpose."""
    grad = _solve(A.mT, g_0, factors)[0]
    left = _core._sum_to(-matmul(grad, output_0.mT), A.shape) if A.requires_grad else None
    return left, _core._sum_to(grad, B_shape)


def _numpy_solve(A, B):
    """``A @ X = B`` by NumPy, to which a B with one dimension less means vectors before NumPy 2."""
    return np.linalg.solve(A, B.reshape((1,) * (A.ndim - B.ndim) + B.shape))


@primitive(
    vjp={("A", "B"): _solve_both},
    at=(),
    grad_name="LinalgSolveExBackward0",
    samples=lambda: [
        case(normal(3, 3), normal(3, 2), name="plain"),
        case(normal(2, 2, 2), normal(2, 1), name="broadcast"),
    ],
)
def _solve(A, B, factors=None):
    """The solutions of ``A @ X = B``, NaN where A is singular, and an int32 that is not 0 there.

    ``factors``, which only kernels look at, are those of ``A`` or of its transpose, from the way forward.
    """
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
            f"({A.shape[-2]}x{A.shape[-1]} and {matrix.shape[-2]}x{matrix.shape[-1]})"
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
    _singular("linalg.solve", info, "The solver failed because the input matrix is singular.")
    return made


@composite(at=LINALG, samples=lambda: [case(normal(3, 3), normal(3, 2), name="matrix")])
def solve_ex(A, B, *, left=True, check_errors=False):
    """The solution, and an ``info`` that is not 0 where ``A`` is singular, instead of an error.

    >>> tg.linalg.solve_ex(tg.ones(2, 2), tg.ones(2)).info > 0
    tensor(True)
    """
    made, info = _solution("linalg.solve_ex", A, B, left)
    if check_errors:
        _singular("linalg.solve_ex", info, "The input matrix is singular.")
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
    upper = truth("linalg.solve_triangular", "upper", upper)
    B = shaping._cast(B, A.dtype)
    check_matrices("linalg.solve_triangular", B, argument="B")
    inner = B.shape[-2] if left else B.shape[-1]
    if inner != A.shape[-1]:
        raise RuntimeError(
            "linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX' if left else 'XA'} = B ({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    if left:
        return _solve_triangular(A, B, upper, bool(unitriangular))
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
            "linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {n} != {math.prod(first)}"
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
