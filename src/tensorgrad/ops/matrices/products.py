"""Products of matrices with matrices and vectors, added to something on request."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, is_grad_enabled
from tensorgrad.core.declare import alias, case, composite, normal, primitive
from tensorgrad.ops._kinds import as_tensor, want_tensors
from tensorgrad.ops.elementwise import arithmetic
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping


def _matmul_input(g, other, input_shape):
    """The gradient with respect to the first factor."""
    ndim = len(input_shape)
    if ndim == 1 and other.ndim == 1:
        return g * other
    if other.ndim == 1:
        return _core._sum_to(shaping.unsqueeze(g, -1) * other, input_shape)
    if ndim == 1:
        return _core._sum_to(matmul(shaping.unsqueeze(g, -2), other.mT).squeeze(-2), input_shape)
    return _core._sum_to(matmul(g, other.mT), input_shape)


def _matmul_other(g, input, other_shape):
    """The gradient with respect to the second factor."""
    ndim = len(other_shape)
    if input.ndim == 1 and ndim == 1:
        return g * input
    if ndim == 1:
        return _core._sum_to(matmul(input.mT, shaping.unsqueeze(g, -1)).squeeze(-1), other_shape)
    if input.ndim == 1:
        return _core._sum_to(shaping.unsqueeze(input, -1) * shaping.unsqueeze(g, -2), other_shape)
    return _core._sum_to(matmul(input.mT, g), other_shape)


def _product_name(node: Any) -> str:
    """What PyTorch calls a product, by the dimensions of a factor that was kept."""
    try:
        factor = next(iter(node._kept.values()))
    except RuntimeError:  # a backward let it go
        return "MmBackward0"
    return "BmmBackward0" if factor.ndim > 2 else "MmBackward0"


@primitive(
    vjp=dict(
        input=lambda g, other: _product(g, other.mT),
        other=lambda g, input: _product(input.mT, g),
    ),
    at=(),
    grad_name=_product_name,
    samples=lambda: [
        case(normal(3, 4), normal(4, 2), name="matrices"),
        case(normal(2, 3, 4), normal(2, 4, 2), name="stacks"),
    ],
)
def _product(input, other):
    """The product of matrices, or of stacks of matrices with equal leading sizes: nothing is broadcast."""
    return np.matmul(input, other)


def _check_matmul(input, other, name="matmul"):
    """Raises unless these arrays or tensors have a product."""
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError(
            f"both arguments to {name} need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"{name}: expected m1 and m2 to have the same dtype, but got: {input.dtype} != {other.dtype}; "
            "convert one with .to(dtype)"
        )
    if input.dtype in (bool_, np.bool_):
        raise NotImplementedError(f"{name}: not implemented for bool; convert with .to(dtype)")
    inner = other.shape[-2] if other.ndim > 1 else other.shape[0]
    if input.shape[-1] != inner:
        hint = ""
        if other.ndim > 1 and other.shape[-1] == input.shape[-1]:
            hint = f" Did you mean {tuple(input.shape)} @ {tuple(other.shape)}.mT?"
        raise RuntimeError(
            f"{name}: mat1 and mat2 shapes cannot be multiplied ({tuple(input.shape)} @ "
            f"{tuple(other.shape)}): the inner sizes {input.shape[-1]} and {inner} differ.{hint}"
        )
    for a, b in zip(input.shape[-3::-1], other.shape[-3::-1], strict=False):
        if a != b and a != 1 and b != 1:
            raise RuntimeError(
                f"{name}: the stacks {tuple(input.shape[:-2])} and {tuple(other.shape[:-2])} of "
                f"{tuple(input.shape)} @ {tuple(other.shape)} do not broadcast together"
            )


@primitive(
    vjp=dict(input=_matmul_input, other=_matmul_other),
    at=("tensorgrad", "tensorgrad.linalg"),
    method=True,
    grad_name=_product_name,
    samples=lambda: [
        case(normal(3, 4), normal(4, 2), name="matrices"),
        case(normal(4), normal(4), name="vectors"),
        case(normal(3, 4), normal(4), name="matrix-vector"),
        case(normal(4), normal(4, 2), name="vector-matrix"),
        case(normal(2, 3, 4), normal(2, 4, 2), name="stacks"),
        case(normal(2, 1, 3, 4), normal(5, 4, 2), name="broadcast"),
        case(normal(2, 3, 4), normal(4), name="stack-vector"),
        case(normal(4), normal(2, 4, 3), name="vector-stack"),
    ],
)
def matmul(input, other):
    """The matrix product; 1-D arguments count as a row or a column, leading dimensions broadcast.

    Raises RuntimeError when the inner sizes differ.

    >>> tg.matmul(tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    _check_matmul(input, other)
    return np.matmul(input, other)


def _want(name: str, ndim: int, **arguments: Any) -> None:
    """Raises unless every argument is a tensor of so many dimensions, and all are of one dtype."""
    want_tensors(name, **arguments)
    kind = {1: "a vector", 2: "a matrix", 3: "a 3D tensor"}[ndim]
    for argument, value in arguments.items():
        if value.ndim != ndim:
            raise RuntimeError(
                f"{name}: {argument} must be {kind}, got a {value.ndim}-D tensor of shape "
                f"{tuple(value.shape)}"
            )


def _one_dtype(name: str, *tensors: Tensor) -> None:
    if any(t.dtype is not tensors[0].dtype for t in tensors):
        found = ", ".join(t.dtype.name for t in tensors)
        raise RuntimeError(
            f"{name}: the tensors must have the same dtype, but got {found}; convert one with .to(dtype)"
        )


def _fitting(input: Tensor, like: Tensor) -> Tensor:
    """``input``, once it is sure to broadcast to the shape of ``like`` and not beyond."""
    return input if input.shape == like.shape else shaping.expand(input, like.shape)


def _fitting_factor(factor: Any, like: Tensor) -> Any:
    """A number, once it is sure to fit the dtype of ``like``; raises RuntimeError where it does not."""
    as_tensor(factor, like.dtype)
    return factor


def _without(input: Tensor, product: Tensor) -> Tensor:
    """The product alone, with zeros for the gradient of the input that it leaves out."""
    if not (is_grad_enabled() and input.requires_grad):
        return product
    return product + input.masked_fill(input.new_ones((), dtype=bool_), 0)


def _blend(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """``beta * input + alpha * product``; a ``beta`` of 0 leaves out the input, NaNs and all."""
    input = _fitting(input, product)
    if not product.is_floating_point():
        beta, alpha = int(beta), int(alpha)
    if alpha != 1:
        product = product * _fitting_factor(alpha, product)
    if beta == 0:
        return _without(input, product)
    return product + (input if beta == 1 else input * _fitting_factor(beta, product))


@composite(method=True, samples=lambda: [case(normal(3, 4), normal(4, 2), name="plain")])
def mm(input, mat2):
    """The product of two matrices; unlike ``matmul`` it takes nothing else.

    >>> tg.mm(tg.ones(2, 3), tg.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    _want("mm", 2, input=input, mat2=mat2)
    return matmul(input, mat2)


alias("spmm", mm, at="tensorgrad", method=False)     # of dense matrices, as there are no others


@composite(method=True, samples=lambda: [case(normal(2, 3, 4), normal(2, 4, 2), name="plain")])
def bmm(input, mat2):
    """The products of two stacks of matrices, pair by pair, without broadcasting.

    >>> tg.bmm(tg.ones(5, 2, 3), tg.ones(5, 3, 4)).shape
    tensorgrad.Size([5, 2, 4])
    """
    _want("bmm", 3, batch1=input, batch2=mat2)
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise RuntimeError(
            "bmm: expected size for first two dimensions of batch2 tensor to be "
            f"{[input.shape[0], input.shape[2]]} but got {[mat2.shape[0], mat2.shape[1]]}"
        )
    return matmul(input, mat2)


def _check_mv(name, mat, vec):
    want_tensors(name, mat=mat, vec=vec)
    if mat.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"{name}: matrix @ vector expected, got {mat.ndim}-D @ {vec.ndim}-D")
    _one_dtype(name, mat, vec)
    if mat.shape[1] != vec.shape[0]:
        raise RuntimeError(f"{name}: size mismatch, got mat {tuple(mat.shape)}, vec {tuple(vec.shape)}")


@composite(method=True, samples=lambda: [case(normal(3, 4), normal(4), name="plain")])
def mv(input, vec):
    """The product of a matrix and a vector.

    >>> tg.mv(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    _check_mv("mv", input, vec)
    return matmul(input, vec)


@composite(
    single=True,
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 2), normal(3, 4), normal(4, 2), name="plain"),
        case(normal(2), normal(3, 4), normal(4, 2), beta=0.5, alpha=2.0, name="blend"),
    ],
)
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """``beta * input + alpha * (mat1 @ mat2)`` of matrices; ``input`` is broadcast to the product.

    >>> tg.addmm(tg.tensor([10.0]), tg.ones(1, 2), tg.ones(2, 2), alpha=3)
    tensor([[16., 16.]])
    """
    _want("addmm", 2, mat1=mat1, mat2=mat2)
    want_tensors("addmm", input=input)
    _one_dtype("addmm", input, mat1, mat2)
    return _blend(input, matmul(mat1, mat2), beta, alpha)


@composite(
    single=True,
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3), normal(3, 4), normal(4), name="plain"),
        case(normal(1), normal(3, 4), normal(4), beta=0.5, alpha=2.0, name="blend"),
    ],
)
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """``beta * input + alpha * (mat @ vec)``; ``input`` is broadcast to the product.

    >>> tg.addmv(tg.tensor([10.0]), tg.ones(1, 2), tg.ones(2))
    tensor([12.])
    """
    _check_mv("addmv", mat, vec)
    want_tensors("addmv", input=input)
    _one_dtype("addmv", input, mat)
    return _blend(input, matmul(mat, vec), beta, alpha)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), normal(2, 3, 5), normal(2, 5, 4), name="plain"),
        case(normal(4), normal(2, 3, 5), normal(2, 5, 4), beta=0.5, alpha=2.0, name="blend"),
    ],
)
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """``beta * input + alpha * sum(batch1[i] @ batch2[i])``; ``input`` is broadcast to the sum.

    >>> tg.addbmm(tg.tensor([10.0]), tg.ones(2, 1, 3), tg.ones(2, 3, 1))
    tensor([[16.]])
    """
    _want("addbmm", 3, batch1=batch1, batch2=batch2)
    want_tensors("addbmm", input=input)
    _one_dtype("addbmm", input, batch1, batch2)
    if batch1.shape[0] != batch2.shape[0] or batch1.shape[2] != batch2.shape[1]:
        raise RuntimeError(
            f"addbmm: incompatible matrix sizes, got batch1 {tuple(batch1.shape)} and batch2 "
            f"{tuple(batch2.shape)}"
        )
    count, rows, inner_size = batch1.shape
    # One product over the matrices side by side adds them up by itself.
    beside = shaping.reshape(shaping.permute(batch1, (1, 0, 2)), (rows, count * inner_size))
    below = shaping.reshape(batch2, (count * inner_size, batch2.shape[2]))
    return _blend(input, matmul(beside, below), beta, alpha)


@composite(
    single=True,
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(2, 3, 4), normal(2, 3, 5), normal(2, 5, 4), name="plain"),
        case(normal(3, 1), normal(2, 3, 5), normal(2, 5, 4), beta=0.5, alpha=2.0, name="blend"),
    ],
)
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """``beta * input + alpha * (batch1[i] @ batch2[i])`` for every i; ``input`` is broadcast to the products.

    >>> tg.baddbmm(tg.tensor([10.0]), tg.ones(1, 1, 3), tg.ones(1, 3, 2))
    tensor([[[13., 13.]]])
    """
    _want("baddbmm", 3, batch1=batch1, batch2=batch2)
    want_tensors("baddbmm", input=input)
    _one_dtype("baddbmm", input, batch1, batch2)
    return _blend(input, bmm(batch1, batch2), beta, alpha)


@primitive(
    vjp=dict(
        input=lambda g, input_shape: arithmetic._keep(
            shaping.expand(g, input_shape), creation.eye(*input_shape, dtype=bool_)
        )
    ),
    method=True,
    samples=lambda: [case(normal(3, 3), name="square"), case(normal(2, 4), name="wide")],
)
def trace(input):
    """The sum of a matrix's diagonal; integers are added up in int64.

    >>> tg.trace(tg.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    if input.dtype == np.bool_:
        raise NotImplementedError("trace: not implemented for bool; convert with .to(dtype)")
    return np.trace(input, dtype=input.dtype if input.dtype.kind == "f" else np.int64)


def _rows(x: Tensor) -> Tensor:
    """All dimensions but the last as one."""
    return x if x.ndim == 2 else shaping.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_weight(g, input):
    if g.ndim < input.ndim:  # the weight is a vector
        return shaping.reshape(matmul(shaping.reshape(g, (1, g.numel())), _rows(input)), (input.shape[-1],))
    return matmul(_rows(g).mT, _rows(input))


def _linear_bias(g, bias_shape):
    if g.ndim == 1 and len(bias_shape) == 2:
        return shaping.unsqueeze(g, 0)
    return _core._sum_to(g, bias_shape)


@primitive(
    vjp=dict(
        input=lambda g, weight: matmul(g, weight) if weight.ndim == 2 else shaping.unsqueeze(g, -1) * weight,
        weight=_linear_weight,
        bias=_linear_bias,
    ),
    at="tensorgrad.nn.functional",
    grad_name=lambda node: "AddmmBackward0" if node._inputs == 3 else "MmBackward0",
    samples=lambda: [
        case(normal(5, 3), normal(4, 3), normal(4), name="bias"),
        case(normal(5, 3), normal(4, 3), name="plain"),
        case(normal(2, 5, 3), normal(4, 3), normal(4), name="stack"),
        case(normal(3), normal(4, 3), normal(4), name="vector"),
        case(normal(2, 3), normal(4, 3), normal(2, 1), name="wide-bias"),
        case(normal(3), normal(3), normal(), name="vectors"),
        case(normal(3), normal(4, 3), normal(1, 4), name="row-bias"),
    ],
)
def linear(input, weight, bias=None):
    r"""An affine map of the last dimension: :math:`y = x W^T + b`.

    Shapes: input (*, in), weight (out, in) or (in), bias (out), or what broadcasts to the output; output
    (*, out).
    Raises RuntimeError when the sizes do not fit.

    >>> F.linear(tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0, 4.0]]), tg.tensor([0.5]))
    tensor([[11.5000]])
    """
    if weight.ndim > 2:
        raise RuntimeError(
            f"linear: the weight has to be a matrix or a vector, but it has {weight.ndim} dimensions"
        )
    if input.ndim == 0 or weight.ndim == 0:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D"
        )
    _check_matmul(input, weight.T)
    made = np.matmul(input, weight.T)
    if bias is None:
        return made
    if made.ndim == bias.ndim == 0:
        return made + bias.astype(made.dtype)
    if bias.dtype != made.dtype:
        raise RuntimeError(
            f"linear: the bias must have the dtype of the input, but got {bias.dtype} and {made.dtype}"
        )
    if bias.shape == (1, *made.shape) and made.ndim == 1:
        return made + bias[0]
    try:
        return made + np.broadcast_to(bias, made.shape)
    except ValueError:
        raise RuntimeError(
            f"linear: a bias of shape {bias.shape} does not fit an output of shape {made.shape}"
        ) from None
