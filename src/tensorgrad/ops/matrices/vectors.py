"""Products of vectors: dot, outer, Kronecker and vector products."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import _core, bool_
from tensorgrad.core.declare import alias, case, composite, normal, primitive
from tensorgrad.ops._kinds import not_bool, together, want_tensors
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.matrices.products import _fitting, _fitting_factor, _one_dtype, _without, matmul
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping


@primitive(
    vjp=dict(input=lambda g, tensor: g * tensor, tensor=lambda g, input: g * input),
    method=True,
    samples=lambda: [case(normal(4), normal(4), name="plain")],
)
def dot(input, tensor):
    """The sum of the products of two vectors' elements.

    >>> tg.dot(tg.tensor([2, 3]), tg.tensor([2, 1]))
    tensor(7)
    """
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"dot: 1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.dtype != tensor.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {_core.dtype_in_body(input).name} "
            f"and {_core.dtype_in_body(tensor).name}"
        )
    if input.shape != tensor.shape:
        raise RuntimeError(
            f"dot: inconsistent tensor size, expected both vectors to have the same number of elements, "
            f"but got {input.size} and {tensor.size}"
        )
    not_bool("dot", input)
    if input.dtype.kind != "f":
        return np.dot(input, tensor)
    return reductions.added_up(input * tensor, (0,), False).astype(input.dtype)


@composite(method=True, samples=lambda: [case(normal(4), normal(4), name="plain")])
def vdot(input, other):
    """``dot``: no dtype here has a conjugate to take.

    >>> tg.vdot(tg.tensor([2.0, 3.0]), tg.tensor([2.0, 1.0]))
    tensor(7.)
    """
    return dot(input, other)


@composite(
    method=True,
    samples=lambda: [
        case(normal(2, 4), normal(3, 4), name="matrices"),
        case(normal(4), normal(4), name="vectors"),
    ],
)
def inner(input, other):
    """The sums of products over the last dimension of both; with a 0-d tensor the plain product.

    >>> tg.inner(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    want_tensors("inner", input=input, other=other)
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    _one_dtype("inner", input, other)
    if other.ndim == 1:
        return matmul(input, other)
    columns = shaping.transpose(
        shaping.reshape(other, (-1, other.shape[-1])) if other.shape[-1] else other.flatten(0, -2), 0, 1
    )
    return shaping.reshape(matmul(input, columns), (*input.shape[:-1], *other.shape[:-1]))


@composite(method=True, samples=lambda: [case(normal(3), normal(4), name="plain")])
def outer(input, vec2):
    """The products of every element of one vector with every element of another.

    >>> tg.outer(tg.tensor([1, 2]), tg.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    want_tensors("outer", input=input, vec2=vec2)
    for name, vector in (("self", input), ("vec2", vec2)):
        if vector.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {vector.ndim}-D")
    return shaping.unsqueeze(input, 1) * vec2


alias("ger", outer)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), normal(3), normal(4), name="plain"),
        case(normal(4), normal(3), normal(4), beta=0.5, alpha=2.0, name="blend"),
    ],
)
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """``beta * input + alpha * outer(vec1, vec2)``; ``input`` is broadcast to the product.

    >>> tg.addr(tg.zeros(2, 2), tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    want_tensors("addr", input=input, vec1=vec1, vec2=vec2)
    for name, vector in (("vec1", vec1), ("vec2", vec2)):
        if vector.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {vector.ndim}-D")
    product = outer(vec1, vec2)
    if not (product.is_floating_point() or input.is_floating_point()):
        for name, factor in (("beta", beta), ("alpha", alpha)):
            if isinstance(factor, float):
                raise RuntimeError(
                    f"addr: for integral input tensors, argument {name} must not be a floating point number"
                )
    if input.dtype is bool_ and product.dtype is bool_:
        beta, alpha = bool(beta), bool(alpha)
    else:
        dtype = _core.result_type(input, product)
        input, product = shaping._cast(input, dtype), shaping._cast(product, dtype)
    input = _fitting(input, product)
    if alpha != 1:
        product = product * _fitting_factor(alpha, product)
    if not beta:
        return _without(input, product)
    return product + input * _fitting_factor(beta, product)


@composite(
    method=True,
    samples=lambda: [
        case(normal(2, 3), normal(3, 2), name="matrices"),
        case(normal(3), normal(2, 2), name="ndim"),
        case(normal(), normal(2, 2), name="0-d"),
    ],
)
def kron(input, other):
    """The Kronecker product: every element of ``input`` times the whole of ``other``, as blocks.

    >>> tg.kron(tg.tensor([1, 2]), tg.tensor([1, 10]))
    tensor([ 1, 10,  2, 20])
    """
    want_tensors("kron", input=input, other=other)
    ndim = max(input.ndim, other.ndim)
    left = (1,) * (ndim - input.ndim) + tuple(input.shape)
    right = (1,) * (ndim - other.ndim) + tuple(other.shape)
    spread = shaping.reshape(input, [n for size in left for n in (size, 1)]).clone()
    blocks = shaping.reshape(other, [n for size in right for n in (1, size)]).clone()
    return shaping.reshape(spread * blocks, [a * b for a, b in zip(left, right, strict=True)])


@primitive(
    vjp=dict(
        input=lambda g, other, dim: _cross(other, g, dim),
        other=lambda g, input, dim: _cross(g, input, dim),
    ),
    at=(),
    grad_name="LinalgCrossBackward0",
    samples=lambda: [case(normal(2, 3), normal(2, 3), 1, name="plain")],
)
def _cross(input, other, dim):
    """The vector products along ``dim`` of two tensors of one shape."""
    a, b = np.moveaxis(input, dim, 0), np.moveaxis(other, dim, 0)
    made = np.empty(a.shape, a.dtype)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        plus, minus = (_core.rounded_in_body(x * y, input) for x, y in ((a[j], b[k]), (a[k], b[j])))
        made[i] = plus - minus  # rounded one by one, as PyTorch does
    return np.moveaxis(made, 0, dim)


@composite(
    at=(),
    samples=lambda: [
        case(normal(2, 3), normal(2, 3), name="plain"),
        case(normal(3, 1), normal(3, 4), dim=0, name="broadcast"),
    ],
)
def linalg_cross(input, other, *, dim=-1):
    """The vector product of three-dimensional vectors along ``dim``; other dimensions broadcast.

    >>> tg.linalg.cross(tg.tensor([1.0, 0.0, 0.0]), tg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    want_tensors("linalg.cross", input=input, other=other)
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if input.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    where = wrap_dim(dim, input.ndim)
    if input.shape[where] != 3 or other.shape[where] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[where]} and "
            f"{other.shape[where]}"
        )
    _one_dtype("linalg.cross", input, other)
    if input.dtype is bool_:
        raise NotImplementedError("linalg.cross: not implemented for bool; convert with .to(dtype)")
    return _cross(*together("linalg.cross", input, other), where)


alias("cross", linalg_cross, at="tensorgrad.linalg", method=False)


@composite(
    method=True,
    samples=lambda: [
        case(normal(2, 3), normal(2, 3), 1, name="dim"),
        case(normal(3, 2), normal(3, 2), name="default"),
    ],
)
def cross(input, other, dim=None):
    """The vector product along ``dim``; without one, along the first dimension of size 3.

    >>> tg.cross(tg.tensor([1.0, 0.0, 0.0]), tg.tensor([0.0, 1.0, 0.0]), dim=0)
    tensor([0., 0., 1.])
    """
    want_tensors("cross", input=input, other=other)
    if dim is None:
        if 3 not in input.shape:
            raise RuntimeError(f"cross: no dimension of size 3 in input, whose shape is {tuple(input.shape)}")
        dim = tuple(input.shape).index(3)
    return linalg_cross(input, other, dim=dim)


@composite(
    at=(),
    samples=lambda: [
        case(normal(2, 3), normal(2, 3), name="plain"),
        case(normal(2, 3), normal(3), dim=0, name="broadcast"),
    ],
)
def linalg_vecdot(x, y, *, dim=-1):
    """The dot products of the vectors along ``dim``; other dimensions broadcast.

    >>> tg.linalg.vecdot(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    want_tensors("linalg.vecdot", x=x, y=y)
    if not x.is_floating_point():
        raise RuntimeError(
            f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {x.dtype.name}"
        )
    _one_dtype("linalg.vecdot", x, y)
    return (x * y).sum(dim)


alias("vecdot", linalg_vecdot, at="tensorgrad.linalg", method=False)
