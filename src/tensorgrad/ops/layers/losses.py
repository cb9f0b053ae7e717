"""Losses: how far an answer is from what was wanted."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, bool_, result_type
from tensorgrad.core.declare import between, case, composite, distinct, fused, normal, unary
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import arithmetic, powers
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping

F_ = "tensorgrad.nn.functional"
REDUCTIONS = ("none", "mean", "sum")


# ---------------------------------------------------------------------------- what losses share


def named_by_flags(size_average: Any, reduce: Any, reduction: str, stacklevel: int) -> str:
    """The reduction, which PyTorch's two old flags may still name; a warning says how to write it."""
    if size_average is None and reduce is None:
        return reduction
    return of_flags(size_average, reduce, stacklevel + 1)


def of_flags(size_average: Any, reduce: Any, stacklevel: int | None) -> str:
    """The reduction that the two flags name, of which None is True; no warning without a ``stacklevel``."""
    apart = reduce is not None and not reduce
    reduction = "none" if apart else "mean" if size_average is None or size_average else "sum"
    if stacklevel is not None:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=stacklevel,
        )
    return reduction


def reduction_of(size_average: Any, reduce: Any, reduction: str) -> str:
    """The same for a function, which refuses another word: raises ValueError."""
    reduction = named_by_flags(size_average, reduce, reduction, 4)
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'")
    return reduction


def reduce_loss(loss: Tensor, reduction: str) -> Tensor:
    """The loss as it is, its mean or its sum."""
    if reduction == "mean":
        return reductions.mean(loss)
    return reductions.sum(loss) if reduction == "sum" else loss


def _floats(name: str, *tensors: Tensor) -> None:
    """Raises unless the tensors' common dtype is one of floats."""
    dtype = result_type(tensors[0], *tensors)
    if not dtype.is_floating_point:
        raise NotImplementedError(
            f"{name}: not implemented for {dtype.name}; convert with .to(tensorgrad.float32) first"
        )


def _difference(input: Tensor, target: Tensor) -> Tensor:
    """``input - target``, in which truths count as numbers."""
    dtype = result_type(input, target)
    return shaping._cast(input, dtype) - shaping._cast(target, dtype)


def _compared(name: str, input: Any, target: Any, weight: Tensor | None = None) -> None:
    """Checks two tensors that are to be of one shape, and warns where they are not."""
    want_tensors(name, input=input, target=target)
    if weight is not None:
        want_tensors(name, weight=weight)
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This "
            "will likely lead to incorrect results due to broadcasting. Please ensure they have the same "
            "size.",
            stacklevel=3,
        )
    if weight is not None and weight.shape != input.shape:
        raise ValueError(
            f"{name}: weights and input must have the same size, but got {tuple(weight.shape)} and "
            f"{tuple(input.shape)}"
        )


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The reduced loss; a mean is the weighted mean."""
    if weight is None:
        return reduce_loss(loss, reduction)
    loss = loss * weight
    return (
        reductions.sum(loss) / reductions.sum(weight) if reduction == "mean" else reduce_loss(loss, reduction)
    )


def _per_element(**more):
    """Sample calls of a loss by element."""
    return lambda: [
        case(distinct(3, 4), normal(3, 4), name="mean", **more),
        case(normal(3, 4), normal(3, 4), reduction="sum", name="sum", **more),
        case(normal(3, 4), normal(3, 4), reduction="none", name="none", **more),
    ]


# ---------------------------------------------------------------------------- differences


@fused(
    tensors=("input", "target"),
    at=F_,
    samples=lambda: [
        *_per_element()(),
        case(normal(3, 4), normal(3, 4), weight=between(0.5, 2.0, 3, 4), name="weight"),
    ],
)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    r"""The squared error :math:`(x - y)^2`, reduced as ``reduction`` says; ``weight`` weights the elements.

    >>> F.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _compared("mse_loss", input, target, weight)
    if weight is None:
        _floats("mse_loss", input, target)
    difference = _difference(input, target)
    return _weighted(difference * difference, weight, reduction)


@fused(
    tensors=("input", "target", "weight"),
    at=F_,
    samples=lambda: [
        *_per_element()(),
        case(distinct(3, 4), normal(3, 4), weight=between(0.5, 2.0, 3, 4), name="weight"),
    ],
)
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    r"""The distance :math:`|x - y|`, reduced as ``reduction`` says; ``weight`` weights the elements.

    >>> F.l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _compared("l1_loss", input, target, weight)
    return _weighted((input - target).abs(), weight, reduction)


@unary(
    vjp=dict(input=lambda g, input, turn: arithmetic._keep(g, abs(input) < turn)),
    at=(),
    method=False,
    inplace=False,
    samples=lambda: [case(distinct(3, 4), 0.6, name="plain")],
)
def _kept_within(input, turn):
    """The input kept between -turn and turn. A NaN stays, and has no slope."""
    return np.clip(input, input.dtype.type(-turn), input.dtype.type(turn))


@unary(
    vjp=dict(input=lambda g, input, turn: g * _kept_within(input, turn)),
    at=(),
    method=False,
    inplace=False,
    samples=lambda: [case(distinct(3, 4), 0.6, name="plain")],
)
def _square_then_straight(input, turn):
    """Half the square of what is smaller than ``turn``, beyond it the line of that slope."""
    size, turn = np.abs(input), input.dtype.type(turn)
    return np.where(
        size < turn, input * input * input.dtype.type(0.5), turn * (size - turn * input.dtype.type(0.5))
    )


def _curve(input, turn):
    """The same; a turn past the largest number is never met."""
    return _square_then_straight(input, min(turn, finfo(input.dtype).max))


@fused(
    tensors=("input", "target"),
    at=F_,
    samples=lambda: [*_per_element()(), case(distinct(3, 4), normal(3, 4), beta=0.3, name="beta")],
)
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    r"""A loss that is square near 0 and straight further out: :math:`d^2 / 2\beta` for :math:`|d| < \beta`,
    else :math:`|d| - \beta / 2`.

    >>> F.smooth_l1_loss(tg.tensor([1.0, 5.0]), tg.tensor([1.0, 2.0]))
    tensor(1.2500)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _compared("smooth_l1_loss", input, target)
    _floats("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, but got {beta}")
    difference = _difference(input, target)
    if beta == 0:
        return reduce_loss(difference.abs(), reduction)
    return reduce_loss(_curve(difference, beta) / beta, reduction)


@fused(
    tensors=("input", "target", "weight"),
    at=F_,
    samples=lambda: [
        *_per_element()(),
        case(distinct(3, 4), normal(3, 4), delta=0.3, name="delta"),
        case(distinct(3, 4), normal(3, 4), weight=between(0.5, 2.0, 3, 4), name="weight"),
    ],
)
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    r"""Half the square of a difference up to :math:`\delta`, beyond it :math:`\delta (|d| - \delta / 2)`.

    >>> F.huber_loss(tg.tensor([1.0, 5.0]), tg.tensor([1.0, 2.0]))
    tensor(1.2500)
    """
    reduction = reduction_of(None, None, reduction)
    _compared("huber_loss", input, target, weight)
    _floats("huber_loss", input, target)
    if not delta > 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, but got {delta}")
    loss = _curve(_difference(input, target), delta)
    return reduce_loss(loss if weight is None else loss * weight, reduction)


# ---------------------------------------------------------------------------- distributions


@fused(
    tensors=("input", "target"),
    at=F_,
    samples=lambda: [
        case(normal(3, 4), between(0.1, 1.0, 3, 4), reduction="batchmean", name="batchmean"),
        case(normal(3, 4), between(0.1, 1.0, 3, 4), reduction="none", name="none"),
        case(normal(3, 4), normal(3, 4), reduction="sum", log_target=True, name="log-target"),
    ],
)
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    r"""The divergence of distributions :math:`y (\ln y - x)`, the input in logarithms, and with
    ``log_target`` the target too.

    "batchmean" divides the sum by the number of rows, as the definition has it; "mean" divides it by that of
    elements.

    >>> F.kl_div(tg.tensor([[0.5, 0.5]]).log(), tg.tensor([[0.5, 0.5]]), reduction="batchmean")
    tensor(0.)
    """
    want_tensors("kl_div", input=input, target=target)
    rows = input.shape[0] if reduction == "batchmean" and input.ndim else None
    if size_average is not None or reduce is not None or reduction != "batchmean":
        word = reduction_of(size_average, reduce, reduction)
        if word == "mean" and size_average is None and reduce is None:
            warnings.warn(
                "reduction: 'mean' divides the total loss by both the batch size and the support size. "
                "'batchmean' divides only by the batch size, as the definition of the divergence has it.",
                stacklevel=2,
            )
            if input.shape == target.shape and input.dtype is target.dtype and input.numel():
                return kl_div(input, target, reduction="sum", log_target=log_target) / input.numel()
    else:
        word = "sum"
    if not result_type(input, target).is_floating_point:
        raise RuntimeError("kl_div: Integral inputs not supported.")
    if log_target:
        loss = powers.exp(target) * (target - input)
    else:
        loss = powers.xlogy(target, target) - target * input
    loss = reduce_loss(loss, word)
    return loss if rows is None else loss / rows


@fused(
    tensors=("input", "target"),
    at=F_,
    samples=lambda: [
        case(normal(3, 4), between(1.2, 4.0, 3, 4), name="plain"),
        case(normal(3, 4), between(1.2, 4.0, 3, 4), full=True, name="full"),
        case(
            between(0.5, 3.0, 3, 4),
            between(0.5, 4.0, 3, 4),
            log_input=False,
            reduction="none",
            name="plain-input",
        ),
    ],
)
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    r"""Minus the log-probability of counts: :math:`e^x - y x`, or :math:`x - y \ln(x + \epsilon)` without
    ``log_input``.

    ``full`` adds Stirling's approximation of :math:`\ln y!` for targets above 1.

    >>> F.poisson_nll_loss(tg.zeros(2), tg.ones(2))
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("poisson_nll_loss", input=input, target=target)
    truths = target.dtype is bool_
    if (input.dtype is bool_ and (truths or not log_input)) or (full and truths):
        raise RuntimeError(
            "poisson_nll_loss: the `-` operator with a bool tensor is not supported; convert with .to(dtype)"
        )
    if not input.is_floating_point():
        input = shaping._cast(input, result_type(input, 1.0))
    loss = powers.exp(input) - target * input if log_input else input - target * powers.log(input + eps)
    if full:
        stirling = target * powers.log(target) - target + 0.5 * powers.log(2 * math.pi * target)
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduce_loss(loss, reduction)


@fused(
    tensors=("input", "target", "var"),
    at=(),
    grad_name="GaussianNllLossBackward0",
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), between(0.5, 2.0, 3, 4), False, 0.7, "mean", name="mean"),
        case(normal(3, 4), normal(3, 4), between(0.5, 2.0, 3, 4), True, 0.1, "none", name="full"),
    ],
)
def _gaussian_nll_loss(input, target, var, full, eps, reduction):
    """`gaussian_nll_loss` of arguments that were checked; ``var`` broadcasts to the input."""
    # Raised to eps off the tape: what is clamped still passes its gradient.
    raised = (eps - var.detach()).masked_fill(var.detach() >= eps, 0)
    var = var + raised
    loss = 0.5 * (powers.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduce_loss(loss, reduction)


@composite(
    others=("var",),
    single=True,
    at=F_,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), between(0.5, 2.0, 3, 4), name="mean"),
        case(normal(3, 4), normal(3, 4), between(0.5, 2.0, 3), full=True, reduction="none", name="row"),
        case(normal(3, 4), normal(3, 4), 0.7, reduction="sum", name="number"),
    ],
)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    r"""Minus the log-density of a normal distribution: :math:`\frac12 (\ln v + (x - y)^2 / v)`, with
    :math:`v` at least ``eps``.

    ``var`` is a number, or a tensor in the shape of the input or one that lacks its last dimension or has
    one of size 1 there. ``full`` adds the constant :math:`\frac12 \ln 2\pi`. Raises ValueError for a
    negative ``var``.

    >>> F.gaussian_nll_loss(tg.zeros(2), tg.ones(2), tg.ones(2))
    tensor(0.5000)
    """
    want_tensors("gaussian_nll_loss", input=input, target=target)
    if isinstance(var, float):
        if var < 0:
            raise ValueError(f"var has negative entry/entries: {var}")
        var = input.new_ones(input.shape) * var
    want_tensors("gaussian_nll_loss", input=input, target=target, var=var)
    if bool((var.detach() < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = shaping.unsqueeze(var, -1)
        elif not (
            input.ndim == var.ndim
            and [v for v, n in zip(var.shape, input.shape, strict=True) if v != n] == [1]
        ):
            raise ValueError(
                f"var is of incorrect size: {tuple(var.shape)} for an input of {tuple(input.shape)}"
            )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not valid: reduction is 'none', 'mean' or 'sum'")
    return _gaussian_nll_loss(input, target, var, full, eps, reduction)
