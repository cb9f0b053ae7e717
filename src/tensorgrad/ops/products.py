"""Matrix products."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import case, composite, fused, normal, primitive
from tensorgrad.ops import shaping


def _matmul_input(g, input, other, input_shape):
    """The gradient with respect to the first factor."""
    if input.ndim == 1 and other.ndim == 1:
        return g * other
    if other.ndim == 1:
        return _core._sum_to(shaping.unsqueeze(g, -1) * other, input_shape)
    if input.ndim == 1:
        return _core._sum_to(matmul(shaping.unsqueeze(g, -2), other.mT).squeeze(-2), input_shape)
    return _core._sum_to(matmul(g, other.mT), input_shape)


def _matmul_other(g, input, other):
    """The gradient with respect to the second factor."""
    if input.ndim == 1 and other.ndim == 1:
        return g * input
    if other.ndim == 1:
        return _core._sum_to(matmul(input.mT, shaping.unsqueeze(g, -1)).squeeze(-1), other.shape)
    if input.ndim == 1:
        return _core._sum_to(shaping.unsqueeze(input, -1) * shaping.unsqueeze(g, -2), other.shape)
    return _core._sum_to(matmul(input.mT, g), other.shape)


def _check_matmul(input, other):
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    if input.dtype != other.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {input.dtype} != {other.dtype}")
    inner = other.shape[-2] if other.ndim > 1 else other.shape[0]
    if input.shape[-1] != inner:
        hint = ""
        if other.ndim > 1 and other.shape[-1] == input.shape[-1]:
            hint = f" Did you mean {tuple(input.shape)} @ {tuple(other.shape)}.mT?"
        raise RuntimeError(
            f"matmul: mat1 and mat2 shapes cannot be multiplied ({tuple(input.shape)} @ {tuple(other.shape)}): the inner sizes "
            f"{input.shape[-1]} and {inner} differ.{hint}"
        )


@primitive(
    vjp=dict(input=_matmul_input, other=_matmul_other),
    method=True,
    grad_name="MmBackward0",
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


@fused(
    tensors=("input", "weight", "bias"),
    at="tensorgrad.nn.functional",
    grad_name="AddmmBackward0",
    samples=lambda: [
        case(normal(5, 3), normal(4, 3), normal(4), name="bias"),
        case(normal(5, 3), normal(4, 3), name="plain"),
        case(normal(2, 5, 3), normal(4, 3), normal(4), name="stack"),
        case(normal(3), normal(4, 3), normal(4), name="vector"),
    ],
)
def linear(input, weight, bias=None):
    r"""An affine map of the last dimension: :math:`y = x W^T + b`.

    Shapes: input (*, in), weight (out, in) or (in), bias (out) or (); output (*, out).

    >>> F.linear(tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0, 4.0]]), tg.tensor([0.5]))
    tensor([[11.5000]])
    """
    product = matmul(input, shaping.transpose(weight, 0, 1) if weight.ndim == 2 else weight)
    return product if bias is None else product + bias
