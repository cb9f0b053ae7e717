"""Powers and exponentials of matrices, and the powers of a vector's elements as a matrix."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import bool_, int64
from tensorgrad.core.declare import alias, between, case, composite, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import choosing
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.matrices.solving import BOTH, LINALG, check_matrices, identity, inv
from tensorgrad.ops.shapes import arranging, joining, shaping


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


@composite(single=True, at=BOTH, method=True, samples=lambda: [case(normal(3, 3), name="plain")])
def matrix_exp(A):
    """The exponential of a square matrix: the sum of ``A^k / k!``.

    >>> tg.linalg.matrix_exp(tg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_matrices("linalg.matrix_exp", A, square=True, narrow=True)
    return _matrix_exp(A)


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
