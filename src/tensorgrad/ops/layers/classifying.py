"""Losses of classes and of yes or no: cross entropies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, int64, uint8
from tensorgrad.core.declare import (
    between,
    binary,
    case,
    composite,
    distinct,
    fused,
    integers,
    normal,
    primitive,
)
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import activations, powers
from tensorgrad.ops.elementwise.arithmetic import _stepwise
from tensorgrad.ops.layers import normalizing
from tensorgrad.ops.layers.losses import F_, _floats, _per_element, reduce_loss, reduction_of
from tensorgrad.ops.matrices import products
from tensorgrad.ops.matrices.products import _fitting
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping


def _chosen(target: np.ndarray, ignore_index: int, classes: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The targets with the ignored ones replaced by class 0, and which are not ignored (None for all).

    Raises IndexError for what is no class.
    """
    target, kept = target.astype(np.int64, copy=False), None
    if target.size and (0 <= ignore_index < classes or target.min() < 0 or target.max() >= classes):
        kept = target != ignore_index
        bad = target[kept & ((target < 0) | (target >= classes))]
        if bad.size:
            raise IndexError(f"Target {bad[0]} is out of bounds: there are {classes} classes")
        target = np.where(kept, target, 0)
    return target, kept


def _factors(
    target: np.ndarray, kept: np.ndarray | None, weight: np.ndarray | None, dtype: Any
) -> np.ndarray:
    """What every target's score is multiplied with: minus the weight of its class, 0 where it is ignored."""
    factors = np.full(target.shape, -1, dtype) if weight is None else -weight[target]
    return factors if kept is None else np.where(kept, factors, dtype.type(0))


@primitive(
    vjp=dict(
        input=lambda g, input, target, weight, ignore_index, reduction: _stepwise(
            _nll_backward(g, target, weight, ignore_index, reduction, input.shape), input
        )
    ),
    nograd=("target", "weight"),
    at=(),
    grad_name="NllLossBackward0",
    samples=lambda: [
        case(normal(3, 4), integers(0, 4, 3), None, -100, "mean", name="plain"),
        case(normal(3, 4, 2), integers(0, 4, 3, 2), None, 1, "none", name="n-d"),
    ],
)
def _nll(input, target, weight=None, ignore_index=-100, reduction="none"):
    """Minus the weighted score of the target's class, along dimension 1 and 0 where it is ignored;
    reduced."""
    target, kept = _chosen(target, ignore_index, input.shape[1])
    factors = _factors(target, kept, weight, input.dtype)
    if not input.shape[1]:
        loss = factors
    elif input.ndim == 2:
        loss = input[np.arange(target.size), target] * factors
    else:
        loss = np.take_along_axis(input, np.expand_dims(target, 1), 1).squeeze(1) * factors
    if kept is not None:  # also of an infinite score
        loss = np.where(kept, loss, input.dtype.type(0))
    if reduction == "none":
        return loss
    return loss.sum() / -factors.sum() if reduction == "mean" else loss.sum()


@primitive(
    vjp=dict(
        g=lambda g, target, weight, ignore_index, reduction: _nll(g, target, weight, ignore_index, reduction)
    ),
    nograd=("target", "weight"),
    at=(),
    samples=lambda: [case(normal(3), integers(0, 4, 3), None, -100, "none", (3, 4), name="plain")],
)
def _nll_backward(g, target, weight=None, ignore_index=-100, reduction="none", shape=()):
    """Zeros of ``shape`` with what the gradient gives the score of the target's class."""
    made = np.zeros(shape, g.dtype)
    target, kept = _chosen(target, ignore_index, shape[1])
    if shape[1]:
        factors = _factors(target, kept, weight, g.dtype)
        value = g * (factors / -factors.sum() if reduction == "mean" else factors)
        if kept is not None:
            value = np.where(kept, value, g.dtype.type(0))
        if len(shape) == 2:
            made[np.arange(target.size), target] = value
        else:
            np.put_along_axis(made, np.expand_dims(target, 1), np.expand_dims(value, 1), 1)
    return made


@primitive(
    nograd=("input", "target", "weight"),
    at=(),
    samples=lambda: [case(normal(3, 4), integers(0, 4, 3), None, -100, name="plain")],
)
def _nll_total(input, target, weight=None, ignore_index=-100):
    """The sum of the weights of the targets' classes, in the dtype of ``input``."""
    target, kept = _chosen(target, ignore_index, input.shape[1])
    return -np.sum(_factors(target, kept, weight, input.dtype))


def _check_classes(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Raises where scores, class numbers and class weights do not fit."""
    classes = input.shape[1]
    if input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0] if target.ndim else 1})."
        )
    if target.ndim > 1 and input.ndim == 2:
        raise RuntimeError(
            f"{name}: 0D or 1D target tensor expected, multi-target not supported; got "
            f"{tuple(target.shape)}: give one class number a row, as target.squeeze(1) is if its size is 1"
        )
    if input.shape[2:] != target.shape[1:]:
        raise RuntimeError(
            f"{name}: Expected target size {[input.shape[0], *input.shape[2:]]}, got {list(target.shape)} "
            f"for an input of size {list(input.shape)}"
        )
    if target.dtype is not int64 and target.dtype is not uint8:
        instead = ", or give probabilities of the input's shape" if name == "cross_entropy" else ""
        raise RuntimeError(
            f"{name}: expected target dtype to be Long or Byte, but got {target.dtype.name}: "
            f"give class numbers, target.long(){instead}"
        )
    _check_class_weight(name, input, weight, classes)


def _check_class_weight(name: str, input: Tensor, weight: Tensor | None, classes: int) -> None:
    if weight is None:
        return
    if weight.ndim != 1 or weight.shape[0] != classes:
        raise RuntimeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}: expected weight of scalar type {input.dtype.name} but found {weight.dtype.name}"
        )


def _nll_reduced(name, input, target, weight, ignore_index, reduction):
    """nll_loss of inputs that are sure to be log-probabilities."""
    lone = input.ndim == 1
    if lone:
        input = shaping.unsqueeze(input, 0)
    if lone and target.ndim == 0:
        target = shaping.unsqueeze(target, 0)
    _check_classes(name, input, target, weight)
    loss = _nll(input, target, weight, ignore_index, reduction)
    return shaping.squeeze(loss, 0) if lone and reduction == "none" else loss


@composite(
    single=True,
    at=F_,
    samples=lambda: [
        case(normal(3, 4), integers(0, 4, 3), name="mean"),
        case(normal(3, 4), integers(0, 4, 3), reduction="sum", ignore_index=1, name="ignore"),
        case(normal(2, 4, 3), integers(0, 4, 2, 3), reduction="none", name="n-d"),
        case(normal(4), integers(0, 4), name="single"),
    ],
)
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Minus the log-probability of the right class; the mean is weighted by the classes' ``weight``.

    Shapes: input (N, C, *) or (C) of log-probabilities, target (N, *) or () of class numbers, weight (C).
    Raises IndexError for a target that is no class and not ``ignore_index``.

    >>> F.nll_loss(tg.tensor([[-1.0, -2.0]]), tg.tensor([1]))
    tensor(2.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("nll_loss", input=input, target=target)
    _floats("nll_loss", input)
    if input.ndim == 0:
        raise RuntimeError("nll_loss: input tensor should be 1D or more, got 0D")
    return _nll_reduced("nll_loss", input, target, weight, ignore_index, reduction)


def _along_classes(weight: Tensor, input: Tensor) -> Tensor:
    """The classes' weights in a shape that broadcasts over scores."""
    return (
        weight if input.ndim == 1 else shaping.reshape(weight, (1, weight.shape[0]) + (1,) * (input.ndim - 2))
    )


def _cross_entropy_of_probabilities(logs, target, weight, reduction, label_smoothing, dim):
    classes = logs.shape[dim]
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    product = logs * target
    if weight is not None:
        product = product * _along_classes(weight, logs)
    if reduction == "none":
        return -reductions.sum(product, dim)
    total = -reductions.sum(product)
    if reduction == "sum":
        return total
    rows = logs.numel() / classes if classes else 0
    return total / rows if rows else total * math.nan


def _smoothed_cross_entropy(logs, target, weight, ignore_index, reduction, label_smoothing, dim):
    """The part of label smoothing that falls on all classes alike."""
    every = -reductions.sum(logs if weight is None else logs * _along_classes(weight, logs), dim)
    every = every.masked_fill(target == ignore_index, 0)
    if reduction == "mean":
        scores = shaping.unsqueeze(logs, 0) if logs.ndim == 1 else logs
        numbers = shaping.reshape(target, (1,)) if logs.ndim == 1 else target
        every = reductions.sum(every) / _nll_total(scores, numbers, weight, ignore_index)
    elif reduction == "sum":
        every = reductions.sum(every)
    return every * (label_smoothing / logs.shape[dim])


@fused(
    tensors=("input", "target"),
    at=F_,
    grad_name="NllLossBackward0",
    samples=lambda: [
        case(normal(3, 4), integers(0, 4, 3), name="mean"),
        case(normal(3, 4), integers(0, 4, 3), reduction="sum", ignore_index=1, name="ignore"),
        case(normal(3, 4), integers(0, 4, 3), label_smoothing=0.2, name="smoothing"),
        case(normal(2, 4, 3), integers(0, 4, 2, 3), reduction="none", name="n-d"),
        case(normal(3, 4), between(0.1, 1.0, 3, 4), name="probabilities"),
        case(normal(4), integers(0, 4), name="single"),
    ],
)
def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """The cross entropy between the softmax of the input and the target: class numbers, or probabilities of
    the classes.

    Shapes: input (N, C, *) or (C) of scores, target (N, *) or () of class numbers, or like the input of
    probabilities; weight (C). ``label_smoothing`` shares a part of the target among all classes. Raises
    IndexError for a target that is no class and not ``ignore_index``.

    >>> F.cross_entropy(tg.zeros(3, 4), tg.tensor([0, 1, 2]))
    tensor(1.3863)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("cross_entropy", input=input, target=target)
    if weight is not None:
        want_tensors("cross_entropy", weight=weight)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target.is_floating_point() and not input.is_floating_point():
        raise NotImplementedError(
            f"cross_entropy: not implemented for an input of {input.dtype.name}: the scores come first, and "
            "then the target, as in cross_entropy(model(x), classes)"
        )
    _floats("cross_entropy", input)
    if input.ndim == 0:
        raise RuntimeError("cross_entropy: input tensor should be 1D or more, got 0D")
    dim = 0 if input.ndim == 1 else 1
    if target.shape == input.shape:
        if not target.is_floating_point():
            raise RuntimeError(
                f"cross_entropy: Expected floating point type for target with class probabilities, got "
                f"{target.dtype.name}"
            )
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
        _check_class_weight("cross_entropy", input, weight, input.shape[dim])
        logs = normalizing._log_softmax(input, dim)
        return _cross_entropy_of_probabilities(logs, target, weight, reduction, label_smoothing, dim)
    logs = normalizing._log_softmax(input, dim)
    loss = _nll_reduced("cross_entropy", logs, target, weight, ignore_index, reduction)
    if label_smoothing == 0:
        return loss
    every = _smoothed_cross_entropy(logs, target, weight, ignore_index, reduction, label_smoothing, dim)
    return loss * (1 - label_smoothing) + every


@composite(
    at=F_,
    samples=lambda: [
        case(normal(3, 2), normal(4, 2), integers(0, 4, 3), name="plain"),
        case(normal(3, 2), normal(4, 5, 2), integers(0, 4, 3, 5), linear_bias=normal(4, 5), name="n-d"),
    ],
)
def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
    label_smoothing=0.0, options=None,
):  # fmt: skip
    """``cross_entropy`` of the scores that a linear layer gives: ``input @ linear_weight.T + linear_bias``.

    Shapes: input (N, in) or (in), linear_weight (C, *, in), linear_bias (C, *), target as of
    ``cross_entropy``. ``options`` say how PyTorch cuts the work; here they change nothing.

    >>> F.linear_cross_entropy(tg.ones(3, 2), tg.ones(4, 2), tg.tensor([0, 1, 2]))
    tensor(1.3863)
    """
    want_tensors("linear_cross_entropy", input=input, linear_weight=linear_weight, target=target)
    if input.ndim not in (1, 2):
        raise RuntimeError(
            f"linear_cross_entropy: expected input with dimensionality 1 or 2, got {input.ndim}"
        )
    if linear_weight.ndim < 2:
        raise RuntimeError(
            f"linear_cross_entropy: expected linear_weight with dimensionality at least 2, got "
            f"{linear_weight.ndim}"
        )
    *outputs, features = linear_weight.shape
    if input.shape[-1] != features:
        raise RuntimeError(
            "linear_cross_entropy: expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {features}, respectively"
        )
    if len(outputs) > 1 and input.ndim == 1:
        raise RuntimeError(
            "linear_cross_entropy: K-dimensional loss defined by linear_weight shape "
            f"{tuple(linear_weight.shape)} requires batched input, (N, {features}), got unbatched input with "
            f"shape {tuple(input.shape)}"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != tuple(outputs):
        raise RuntimeError(
            f"linear_cross_entropy: expected linear_bias shape {tuple(outputs)}, got "
            f"{tuple(linear_bias.shape)}"
        )
    if target.is_floating_point() and ignore_index is not None:
        raise RuntimeError(
            "linear_cross_entropy: ignore_index cannot be specified when target contains probabilities"
        )
    flat = shaping.reshape(linear_weight, (math.prod(outputs), features))
    bias = None if linear_bias is None else shaping.reshape(linear_bias, (math.prod(outputs),))
    scores = shaping.reshape(products.linear(input, flat, bias), (*input.shape[:-1], *outputs))
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignored, None, reduction, label_smoothing)


# ---------------------------------------------------------------------------- yes or no


@binary(
    vjp=dict(
        input=lambda g, input, other: g * (input - other) / ((1 - input) * input).clamp(min=1e-12),
        other=lambda g, input: g * ((1 - input).log() - input.log()),
    ),
    rule="float",
    at=(),
    method=False,
    inplace=False,
    domain=(0.1, 0.9),
)
def _cross_entropy_of_chance(input, other):
    """The cross entropy of probabilities of yes, with logarithms of at least -100."""
    least = input.dtype.type(-100)
    return (other - 1) * np.maximum(np.log1p(-input), least) - other * np.maximum(np.log(input), least)


def _unit(name: str, x: Tensor) -> None:
    with np.errstate(invalid="ignore"):
        array = _core._array_of(x)
        if not ((array >= 0) & (array <= 1)).all():
            hint = (
                "; for scores before sigmoid(), use binary_cross_entropy_with_logits"
                if name == "input"
                else ""
            )
            raise RuntimeError(
                f"binary_cross_entropy: all elements of {name} should be between 0 and 1, "
                f"and they are from {array.min():g} to {array.max():g}{hint}"
            )


@fused(
    tensors=("input", "target", "weight"),
    at=F_,
    samples=lambda: [
        case(between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4), name="mean"),
        case(between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4), reduction="none", name="none"),
        case(between(0.1, 0.9, 3, 4), between(0.1, 0.9, 3, 4), weight=between(0.5, 2.0, 4), name="weight"),
    ],
)
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    r"""The cross entropy of probabilities of yes: :math:`-(y \ln x + (1 - y) \ln(1 - x))`, with logarithms
    of at least -100.

    Raises RuntimeError for probabilities outside of [0, 1].

    >>> F.binary_cross_entropy(tg.tensor([0.5]), tg.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("binary_cross_entropy", input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    _floats("binary_cross_entropy", input)
    if target.dtype is not input.dtype:
        raise RuntimeError(
            f"binary_cross_entropy: found dtype {target.dtype.name} but expected {input.dtype.name}: "
            "convert with .to(input.dtype)"
        )
    _unit("input", input)
    _unit("target", target)
    loss = _cross_entropy_of_chance(input, target)
    return reduce_loss(loss if weight is None else loss * shaping.expand(weight, target.shape), reduction)


@binary(
    vjp=dict(
        input=lambda g, input, other: g * (activations.sigmoid(input) - other),
        other=lambda g, input: -g * input,
    ),
    rule="float",
    at=(),
    method=False,
    inplace=False,
)
def _cross_entropy_of_score(input, other):
    """The cross entropy of the input's sigmoid, without overflow."""
    return (1 - other) * input - activations._log_sigmoid.body(input)


@fused(
    tensors=("input", "target", "weight", "pos_weight"),
    at=F_,
    samples=lambda: [
        case(normal(3, 4), between(0.1, 0.9, 3, 4), name="mean"),
        case(normal(3, 4), between(0.1, 0.9, 3, 4), reduction="none", name="none"),
        case(
            normal(3, 4),
            between(0.1, 0.9, 3, 4),
            weight=between(0.5, 2.0, 4),
            pos_weight=between(0.5, 2.0, 4),
            name="weights",
        ),
        case(normal(3, 4), between(0.1, 0.9, 3, 4), pos_weight=between(0.5, 2.0, 3, 4), name="pos-weight"),
    ],
)
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """``binary_cross_entropy`` of the input's sigmoid, safe for large inputs; ``pos_weight`` weights the
    cases of yes.

    >>> F.binary_cross_entropy_with_logits(tg.tensor([0.0]), tg.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("binary_cross_entropy_with_logits", input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    _floats("binary_cross_entropy_with_logits", input)
    for each in (weight, pos_weight):
        if each is not None:
            _fitting(each, input)
    if pos_weight is None:
        loss = _cross_entropy_of_score(input, target)
    else:
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * activations.logsigmoid(input)
    return reduce_loss(loss if weight is None else loss * weight, reduction)


@composite(
    single=True,
    at=F_,
    samples=lambda: [
        case(distinct(3, 4), integers(0, 2, 3, 4), name="mean"),
        case(
            distinct(3, 4), integers(0, 2, 3, 4), reduction="none", weight=between(0.5, 2.0, 4), name="weight"
        ),
    ],
)
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The mean over the classes (the last dimension) of ``binary_cross_entropy_with_logits``.

    >>> F.multilabel_soft_margin_loss(tg.zeros(1, 2), tg.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("multilabel_soft_margin_loss", input=input, target=target)
    if input.ndim == 0:
        raise IndexError(
            "multilabel_soft_margin_loss: Dimension specified as -1 but tensor has no dimensions"
        )
    loss = -(target * activations.logsigmoid(input) + (1 - target) * activations.logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduce_loss(reductions.sum(loss, input.ndim - 1) / input.shape[-1], reduction)


@fused(tensors=("input", "target"), at=F_, samples=_per_element())
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    r""":math:`\ln(1 + e^{-y x})` for targets of 1 and -1.

    >>> F.soft_margin_loss(tg.zeros(2), tg.tensor([1.0, -1.0]))
    tensor(0.6931)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("soft_margin_loss", input=input, target=target)
    _floats("soft_margin_loss", input)
    shape = shaping.broadcast_shapes(input.shape, target.shape)
    if shape != input.shape:
        raise RuntimeError(
            f"soft_margin_loss: output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(shape)}"
        )
    if target.dtype.name == "bool":
        raise RuntimeError("soft_margin_loss: targets are 1 and -1, which bool does not hold")
    target = shaping._cast(target, input.dtype)     # unsigned integers have no -1
    return reduce_loss(powers.log1p(powers.exp(-target * input)), reduction)
