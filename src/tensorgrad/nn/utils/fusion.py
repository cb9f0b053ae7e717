"""Layers that do, in evaluation, what they and the batch norm behind them do."""

from __future__ import annotations

import copy
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _fused(layer: Any, norm: Any, *where: bool) -> Any:
    """A copy of a layer with the weights that `fuse_conv_bn_weights` makes of both."""
    if layer.training or norm.training:
        raise AssertionError("a layer and a batch norm become one in evaluation only: call eval() on both")
    if norm.running_mean is None or norm.running_var is None:
        raise AssertionError("the batch norm has no running mean and variance")
    found = copy.deepcopy(layer)
    running = norm.running_mean, norm.running_var, norm.eps
    found.weight, found.bias = fuse_conv_bn_weights(
        layer.weight, layer.bias, *running, norm.weight, norm.bias, *where
    )
    return found


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution (with `transpose` a transposed one) that gives what `bn(conv(x))` gives in evaluation.

    >>> conv, norm = nn.Conv2d(3, 8, 3).eval(), nn.BatchNorm2d(8).eval()
    >>> x = tg.rand(1, 3, 5, 5)
    >>> tg.allclose(nn.utils.fuse_conv_bn_eval(conv, norm)(x), norm(conv(x)), atol=1e-6)
    True
    """
    return _fused(conv, bn, transpose)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and the offset of `fuse_conv_bn_eval`.

    >>> one = tg.ones(2)
    >>> weight, bias = nn.utils.fuse_conv_bn_weights(tg.ones(2, 1, 1), None, one, one * 4, 0.0, one, one)
    >>> weight.flatten(), bias
    (tensor([0.5000, 0.5000]), Parameter containing:
    tensor([0.5000, 0.5000]))
    """
    offset = tg.zeros_like(bn_rm) if conv_b is None else conv_b
    with tg.no_grad():
        factor = tg.rsqrt(bn_rv + bn_eps)
        factor = factor if bn_w is None else factor * bn_w
        shape = [1] * conv_w.ndim
        shape[1 if transpose else 0] = -1
        weight = conv_w * factor.reshape(shape)
        moved = (offset - bn_rm) * factor
        moved = moved if bn_b is None else moved + bn_b
    dtype = conv_w.dtype if conv_b is None else conv_b.dtype
    return (
        Parameter(weight.to(conv_w.dtype), conv_w.requires_grad),
        Parameter(moved.to(dtype), offset.requires_grad),
    )


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that gives what `bn(linear(x))` gives in evaluation.

    >>> linear, norm = nn.Linear(2, 3).eval(), nn.BatchNorm1d(3).eval()
    >>> x = tg.randn(4, 2)
    >>> tg.allclose(nn.utils.fuse_linear_bn_eval(linear, norm)(x), norm(linear(x)), atol=1e-6)
    True
    """
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            f"the batch norm is of {bn.num_features} features, and the layer has {linear.out_features}"
        )
    return _fused(linear, bn)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """The weight and the offset of `fuse_linear_bn_eval`.

    >>> one = tg.ones(2)
    >>> weight, bias = nn.utils.fuse_linear_bn_weights(tg.ones(2, 1), one, one, one * 4, 0.0, one, one)
    >>> weight.flatten(), bias
    (tensor([0.5000, 0.5000]), Parameter containing:
    tensor([1., 1.]))
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
