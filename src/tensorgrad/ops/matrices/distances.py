"""Norms, lengths and the distances between points."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, promote_types
from tensorgrad.core.declare import case, composite, normal, primitive, registry
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.elementwise import arithmetic, choosing
from tensorgrad.ops.matrices import products
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.reducing.reductions import added_up, all_dims, cast, check_tensor, kept
from tensorgrad.ops.shapes import shaping

F_ = "tensorgrad.nn.functional"
LINALG = "tensorgrad.linalg"


# ---------------------------------------------------------------------------- norms of vectors


def _vector_norm_input(g, input, output, ord, dim, keepdim, input_shape):
    """The gradient; at a norm of 0 it is 0, one of the values that are right there."""
    g, output = kept(g, dim, keepdim, input_shape), kept(output, dim, keepdim, input_shape)
    if ord == 0:
        return arithmetic._stepwise(arithmetic._zero(input), input)
    if ord == 1:
        return g * input.sgn()
    if ord == 2:
        return input * (g / output.masked_fill(output == 0, math.inf))
    size = input.abs()
    if math.isinf(ord):
        return input.sgn() * reductions.shared(g, reductions.reaches(size, output), dim)
    ord = float(ord)
    if ord < 1:
        return input.sgn() * size.pow(ord - 1).masked_fill(input == 0, 0) * g * output.pow(1 - ord)
    scale = (g / output.pow(ord - 1)).masked_fill(output == 0, 0)
    return (input.sgn() * size.pow(ord - 1) if ord < 2 else input * size.pow(ord - 2)) * scale


@primitive(
    vjp=dict(input=_vector_norm_input),
    at=(),
    grad_name="LinalgVectorNormBackward0",
    samples=lambda: [
        case(normal(3, 4), 2, (1,), False, name="2"),
        case(normal(3, 4), 3, (0, 1), True, name="3"),
        case(normal(3, 4), 1, (0,), False, name="1"),
        case(normal(3, 4), math.inf, (0,), False, name="inf"),
    ],
)
def _vector_norm(input, ord, dim, keepdim):
    """The norm over some dimensions."""
    x = input
    if not dim:
        found = np.abs(x) if ord else x != 0
    elif ord == 2:
        if len(dim) == x.ndim and x.flags.c_contiguous:
            found = np.sqrt(_sum_of_squares(x.reshape(-1))).reshape([1] * x.ndim if keepdim else [])
        else:
            found = np.sqrt(np.sum(np.square(x, dtype=np.float64), axis=dim, keepdims=keepdim))
    elif ord == 0:
        found = np.sum(x != 0, axis=dim, keepdims=keepdim)
    elif math.isinf(ord):
        found = (np.max if ord > 0 else np.min)(np.abs(x), axis=dim, keepdims=keepdim)
    elif ord == 1:
        found = added_up(np.abs(x), dim, keepdim)
    else:
        found = _sum_of_powers(np.abs(x).astype(np.float64), ord, dim)
        found = found if keepdim else found.squeeze(dim)
    return found.astype(input.dtype)


def _sum_of_powers(sizes, ord, dim):
    """The root of the sum of powers, of numbers brought near 1 before: no power is too large or too small."""
    edge = np.max(sizes, dim, keepdims=True, initial=0) if ord > 0 else np.min(sizes, dim, keepdims=True)
    edge = np.where((edge > 0) & np.isfinite(edge), edge, 1)
    return edge * np.power(np.sum(np.power(sizes / edge, ord), axis=dim, keepdims=True), 1 / ord)


def _sum_of_squares(flat):
    """In float64, by blocks that stay in the cache."""
    total = np.float64(0)
    for start in range(0, flat.size, 1 << 15):
        block = flat[start : start + (1 << 15)].astype(np.float64, copy=False)
        total += np.dot(block, block)
    return total


def _norm_dtype(name, input, dtype):
    """Raises RuntimeError for integers, and for a dtype that does not hold what ``input`` holds; gives the
    input to use."""
    if not input.is_floating_point():
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {input.dtype}")
    if dtype is not None:
        if not isinstance(dtype, _core.dtype):
            kind = type(dtype).__name__
            raise TypeError(f"{name}(): argument 'dtype' must be tensorgrad.dtype, not {kind}")
        if not dtype.is_floating_point:
            raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {dtype}")
        if dtype.itemsize < input.dtype.itemsize:
            raise RuntimeError(
                f"{name}: the dtype of the input ({input.dtype}) should be convertible without narrowing to "
                f"the specified dtype ({dtype})"
            )
    return cast(input, dtype)


@composite(
    samples=lambda: [
        case(normal(3, 4), name="all"),
        case(normal(3, 4), 3, 1, name="3-dim1"),
        case(normal(2, 3, 4), 1, (0, 2), True, name="1-keep"),
        case(normal(3, 4), math.inf, 0, name="inf"),
        case(normal(3, 4), 0.5, 0, name="half"),
    ],
    at=LINALG,
)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    r"""The length of a vector, :math:`(\sum_i |x_i|^p)^{1/p}` with p = ``ord``, over ``dim`` (everything if
    None); ``ord`` 0 counts what is not 0, infinity gives the largest size.

    >>> tg.linalg.vector_norm(tg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    check_tensor("linalg.vector_norm", x)
    if not isinstance(ord, numbers.Real):
        raise TypeError(f"linalg.vector_norm(): argument 'ord' must be Number, not {type(ord).__name__}")
    x = _norm_dtype("linalg.vector_norm", x, dtype)
    dim = all_dims(dim, x.ndim)
    if (ord < 0 or math.isinf(ord)) and x.numel() == 0:
        if len(dim) == x.ndim or any(x.shape[d] == 0 for d in dim):
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the "
                f"operation does not have an identity"
            )
    return _vector_norm(x, ord, dim, bool(keepdim))


# ---------------------------------------------------------------------------- norms of matrices


def _singular_values(x, dim, keepdim, reduce):
    svdvals = registry.get("svdvals")
    if svdvals is None:
        raise NotImplementedError(
            "linalg.matrix_norm: 'nuc', 2 and -2 need singular values, which there is no op for yet"
        )
    found = reduce(svdvals(x.movedim(dim, (-2, -1))))
    if keepdim:
        for d in sorted(d % x.ndim for d in dim):
            found = found.unsqueeze(d)
    return found


@composite(
    samples=lambda: [
        case(normal(3, 4), name="fro"),
        case(normal(2, 3, 4), 1, name="1"),
        case(normal(2, 3, 4), -math.inf, (0, 2), True, name="inf-keep"),
    ],
    at=LINALG,
)
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The size of a matrix, or of a stack of them: "fro" the root of the sum of squares, 1 the largest
    column sum of sizes, infinity the largest row sum, 2 the largest singular value, "nuc" their sum,
    negative numbers the smallest.

    >>> tg.linalg.matrix_norm(tg.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    check_tensor("linalg.matrix_norm", A)
    A = _norm_dtype("linalg.matrix_norm", A, dtype)
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    dim = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {', '.join(map(str, dim))}")
    rows, columns = (wrap_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord == "nuc":
        return _singular_values(A, (rows, columns), keepdim, lambda s: reductions.sum(s, -1))
    if not isinstance(ord, numbers.Real) or abs(float(ord)) not in (1, 2, math.inf):
        raise (RuntimeError if isinstance(ord, numbers.Real) else ValueError)(
            f"linalg.matrix_norm: Order {ord} not supported; use 'fro', 'nuc', or 1, 2, inf with either sign"
        )
    order = float(ord)
    extreme = reductions.amax if order > 0 else reductions.amin
    if abs(order) == 2:
        if order > 0 and 0 in (A.shape[rows], A.shape[columns]):
            extreme = reductions.sum  # sizes begin at 0
        return _singular_values(A, (rows, columns), keepdim, lambda s: extreme(s, -1))
    added, compared = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = vector_norm(A, 1, added, True)
    if sums.shape[compared] == 0 and order > 0:
        extreme = reductions.sum
    found = extreme(sums, compared, True)
    return found if keepdim else found.squeeze((rows, columns))


# torch names the function `linalg.norm`, and another one `norm`; the registry has one op of a name.
def _linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None
) -> Tensor:
    """The norm of a vector, of a matrix (two dimensions, and an ``ord``), or of all elements.

    >>> tg.linalg.norm(tg.tensor([[3.0, 4.0]]))
    tensor(5.)
    """
    check_tensor("linalg.norm", A)
    dims = dim if dim is None or isinstance(dim, (tuple, list)) else (dim,)
    if ord is None:
        found = vector_norm(A, 2, dims, keepdim, dtype=dtype)
    elif isinstance(ord, str):
        if dims is None and A.ndim != 2:
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
            )
        found = matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype)
    else:
        if dims is not None and len(dims) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
            )
        if dims is None and A.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
            )
        if (A.ndim if dims is None else len(dims)) == 1:
            found = vector_norm(A, ord, dims, keepdim, dtype=dtype)
        else:
            found = matrix_norm(A, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype)
    if out is None:
        return found
    return out.copy_(found) if out.shape == found.shape else out.resize_(found.shape).copy_(found)


_linalg_norm.__name__ = _linalg_norm.__qualname__ = "norm"
PUBLIC = {LINALG: (_linalg_norm,)}


@composite(
    samples=lambda: [
        case(normal(3, 4), name="all"),
        case(normal(3, 4), 3, 1, name="3-dim1"),
        case(normal(3, 4), math.inf, (0, 1), True, name="inf-keep"),
    ],
    method=True,
)
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm over ``dim`` (everything if None); "fro" and None are the 2-norm, "nuc" is the sum of a
    matrix's singular values.

    >>> tg.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    check_tensor("norm", input)
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid p-values are numbers, 'fro' and 'nuc', but got {p!r}")
    dim = dim if dim is None or isinstance(dim, (tuple, list)) else (dim,)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


@composite(
    samples=lambda: [
        case(normal(3, 4, 2), name="rows"),
        case(normal(3, 4), 1, 1, name="columns"),
        case(normal(3, 4), dim=-1, name="all"),
    ],
)
def norm_except_dim(v, pow=2, dim=0):
    """The norm, of the order ``pow``, of every slice along ``dim``; of everything if ``dim`` is -1.

    >>> tg.norm_except_dim(tg.tensor([[3.0, 4.0], [6.0, 8.0]]))
    tensor([[ 5.],
            [10.]])
    """
    check_tensor("norm_except_dim", v)
    if dim == -1:
        return vector_norm(v, pow)
    if v.ndim == 0:
        raise IndexError("norm_except_dim: Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, v.ndim)
    if v.ndim == 1:
        return vector_norm(shaping.unsqueeze(v, 1), pow, 1)
    return vector_norm(v, pow, tuple(d for d in range(v.ndim) if d != dim), True)


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 4), 2, 0, 1.0, name="rows"),
        case(normal(3, 4), 1, 1, 0.5, name="columns"),
    ],
    method=True,
    inplace=True,
)
def renorm(input, p, dim, maxnorm):
    """With every slice along ``dim`` whose p-norm is over ``maxnorm`` shrunk to it.

    >>> tg.renorm(tg.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    check_tensor("renorm", input)
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    if p <= 0:
        raise RuntimeError("renorm: non-positive norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    dim = wrap_dim(dim, input.ndim)
    size = vector_norm(input, p, tuple(d for d in range(input.ndim) if d != dim), True)
    factor = choosing.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return input * factor


@composite(
    single=True,
    others=("dim",),
    samples=lambda: [case(normal(2, 3), name="rows"), case(normal(2, 3, 2), 3.0, -1, name="3")],
    at=F_,
)
def normalize(input, p=2.0, dim=1, eps=1e-12):
    """Divided by the p-norm along ``dim``, or by ``eps`` where that is larger.

    >>> F.normalize(tg.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return input / norm(input, p, dim, True).clamp_min(eps)


# ---------------------------------------------------------------------------- distances


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="2"),
        case(normal(3, 4), normal(4), 3, name="broadcast"),
    ],
    method=True,
)
def dist(input, other, p=2):
    """The p-norm of the difference.

    >>> tg.dist(tg.tensor([1.0, 1.0]), tg.tensor([4.0, 5.0]))
    tensor(5.)
    """
    check_tensor("dist", input)
    return vector_norm(input - other, p)


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="rows"),
        case(normal(3, 4), normal(3, 4), 1, keepdim=True, name="1"),
    ],
    at=("tensorgrad", F_),
)
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    r"""The distances of rows, :math:`\|x_1 - x_2 + \epsilon\|_p` over the last dimension.

    >>> F.pairwise_distance(tg.tensor([[0.0, 0.0]]), tg.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), name="rows"),
        case(normal(3, 1, 4), normal(2, 4), -1, name="broadcast"),
    ],
    at=("tensorgrad", F_),
)
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    r"""The cosine of the angle between vectors along ``dim``: :math:`\frac{x_1 \cdot x_2}{\max(\|x_1\|,
    \epsilon) \max(\|x_2\|, \epsilon)}`.

    >>> F.cosine_similarity(tg.tensor([[1.0, 0.0]]), tg.tensor([[3.0, 4.0]]))
    tensor([0.6000])
    """
    check_tensor("cosine_similarity", x1)
    if not (x1.is_floating_point() or x2.is_floating_point()):
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {x1.dtype}")
    if not eps >= 0:
        raise RuntimeError(f"cosine_similarity: eps must be non-negative, got: {eps}")
    shape, dtype = np.broadcast_shapes(tuple(x1.shape), tuple(x2.shape)), promote_types(x1.dtype, x2.dtype)
    x1, x2 = (shaping.expand(shaping._cast(x, dtype), shape) for x in (x1, x2))
    sizes = [vector_norm(x, 2, dim, True).clamp_min(float(eps)) for x in (x1, x2)]
    return reductions.sum((x1 / sizes[0]) * (x2 / sizes[1]), dim)


def _cdist_input(g, x1, x2, output):
    """Both gradients: a point is pushed away from each other point, along the line between them."""
    pull = (g / output).masked_fill(output == 0, 0)
    first = x1 * reductions.sum(pull, -1, True) - products.matmul(pull, x2)
    back = pull.mT
    second = x2 * reductions.sum(back, -1, True) - products.matmul(back, x1)
    return _core._sum_to(first, tuple(x1.shape)), _core._sum_to(second, tuple(x2.shape))


@primitive(
    vjp={("x1", "x2"): _cdist_input},
    at=(),
    grad_name="CdistBackward0",
    samples=lambda: [
        case(normal(3, 2), normal(4, 2), name="plain"),
        case(normal(2, 3, 2), normal(4, 2), name="stack"),
    ],
)
def _cdist_by_product(x1, x2):
    r"""Euclidean distances of rows by one matrix product, :math:`|a|^2 + |b|^2 - 2 a \cdot b`: quick for many
    rows, and less exact for points that almost coincide, though computed in float64."""
    dtype = x1.dtype
    x1, x2 = (x.astype(np.float64, copy=False) for x in (x1, x2))
    squares = [np.einsum("...i,...i->...", x, x) for x in (x1, x2)]
    found = squares[0][..., :, None] + squares[1][..., None, :] - 2 * np.matmul(x1, np.swapaxes(x2, -1, -2))
    return np.sqrt(np.maximum(found, 0)).astype(dtype, copy=False)


@composite(
    single=True,
    samples=lambda: [
        case(normal(3, 2), normal(4, 2), name="2"),
        case(normal(2, 3, 2), normal(4, 2), 1.0, name="1-stack"),
        case(normal(3, 2), normal(4, 2), 3.0, name="3"),
    ],
)
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances of every row of ``x1`` (..., P, M) to every row of ``x2`` (..., R, M), as (...,
    P, R).

    >>> tg.cdist(tg.tensor([[0.0, 0.0]]), tg.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    for each, name in ((x1, "X1"), (x2, "X2")):
        check_tensor("cdist", each)
        if not each.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {each.dtype}")
        if each.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {each.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"{x1.shape[-1]} (X1's number of columns) and {x2.shape[-1]} (X2's) must be equal")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if compute_mode not in (
        "use_mm_for_euclid_dist_if_necessary",
        "use_mm_for_euclid_dist",
        "donot_use_mm_for_euclid_dist",
    ):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    many = max(x1.shape[-2], x2.shape[-2]) > 25 and compute_mode == "use_mm_for_euclid_dist_if_necessary"
    if p == 2 and (many or compute_mode == "use_mm_for_euclid_dist"):
        return _cdist_by_product(x1, x2)
    difference = shaping.unsqueeze(x1, -2) - shaping.unsqueeze(x2, -3)
    return reductions.sum(difference, -1) if difference.shape[-1] == 0 else vector_norm(difference, p, -1)


@composite(
    single=True,
    samples=lambda: [case(normal(4, 2), name="2"), case(normal(4, 2), 3.0, name="3")], at=("tensorgrad", F_)
)
def pdist(input, p=2.0):
    """The p-norm distances of every two rows: (0, 1), (0, 2), …, (1, 2), …

    >>> tg.pdist(tg.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    check_tensor("pdist", input)
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = (
        input.index_select(0, _core._copy_of_array(rows)) for rows in np.triu_indices(input.shape[0], 1)
    )
    difference = first - second
    return reductions.sum(difference, -1) if difference.numel() == 0 else vector_norm(difference, p, -1)
