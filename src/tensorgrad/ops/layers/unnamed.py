"""Layers' functions as `tensorgrad` itself has them: with PyTorch's other order of arguments, and a
reduction as a number.
"""

from __future__ import annotations

from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.core.declare import alias, registry
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.layers import (
    aligning,
    classifying,
    grids,
    losses,
    margins,
    normalizing,
)
from tensorgrad.ops.layers import dropout as drops
from tensorgrad.ops.layers import embedding as tables


def _word(name: str, reduction: Any) -> Any:
    """A reduction's number as its word."""
    if isinstance(reduction, str) or type(reduction) is bool:
        raise TypeError(f"{name}(): argument 'reduction' must be int, not {type(reduction).__name__}")
    if reduction not in (0, 1, 2):
        raise RuntimeError(f"{name}: reduction must be 0 (none), 1 (mean) or 2 (sum), not {reduction}")
    return losses.REDUCTIONS[reduction]    # the default is 0, whatever PyTorch's schemas say


# ---- dropout


def _dropout_of(name: str, of_channels: bool, alpha: bool):
    """A dropout, and its form in place, of `(input, p, train)`."""

    def dropped(input: Tensor, p: float, train: bool) -> Tensor:
        want_tensors(name, input=input)
        return drops._dropped(name, input, p, train, False, channels=of_channels, alpha=alpha)

    def dropped_in_place(input: Tensor, p: float, train: bool) -> Tensor:
        want_tensors(name + "_", input=input)
        return drops._dropped(name, input, p, train, True, channels=of_channels, alpha=alpha)

    what = "Whole channels" if of_channels else "Elements"
    value = "the value that SELU tends to" if alpha else "0"
    argument = "tg.ones(2, 3)"
    dropped.__doc__ = f"""{what} become {value}, each with probability ``p``, where ``train`` says so.

    >>> tg.{name}({argument}, 0.5, False).shape
    tensorgrad.Size([2, 3])
    """
    dropped_in_place.__doc__ = f"``{name}``, written into the first argument, which is returned."
    for function, own in ((dropped, name), (dropped_in_place, name + "_")):
        function.__name__ = function.__qualname__ = own
    return dropped, dropped_in_place


DROPOUTS = tuple(
    function
    for name, settings in {
        "dropout": (False, False),
        "feature_dropout": (True, False),
        "alpha_dropout": (False, True),
        "feature_alpha_dropout": (True, True),
    }.items()
    for function in _dropout_of(name, *settings)
)


# ---- norms and tables


def batch_norm(
    input: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: Any, momentum: Any,
    eps: Any, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.batch_norm`, the weights first.

    >>> tg.batch_norm(tg.ones(2, 3), None, None, tg.zeros(3), tg.ones(3), False, 0.1, 0.0, False)[0]
    tensor([1., 1., 1.])
    """
    return normalizing.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: Any,
    momentum: Any, eps: Any, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.instance_norm`, the weights first.

    >>> tg.instance_norm(tg.ones(1, 2, 3), None, None, None, None, True, 0.1, 1e-5, False).sum()
    tensor(0.)
    """
    return normalizing.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def embedding(
    weight: Any, indices: Any, padding_idx: Any = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """`nn.functional.embedding`, the table first; a ``padding_idx`` of -1 is none.

    >>> tg.embedding(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1]))
    tensor([[3., 4.]])
    """
    padding_idx = None if padding_idx is None or padding_idx < 0 else padding_idx
    return tables.embedding(
        indices, weight, padding_idx, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )


def affine_grid_generator(theta: Any, size: Any, align_corners: Any) -> Tensor:
    """`nn.functional.affine_grid`.

    >>> tg.affine_grid_generator(tg.eye(2, 3)[None], (1, 1, 2, 2), True).shape
    tensorgrad.Size([1, 2, 2, 2])
    """
    return grids.affine_grid(theta, size, align_corners)


# ---- losses


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Any = None, pos_weight: Tensor | None = None, reduction: Any = 0
) -> Tensor:
    """`nn.functional.binary_cross_entropy_with_logits`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.binary_cross_entropy_with_logits(tg.zeros(2), tg.ones(2))
    tensor([0.6931, 0.6931])
    """
    word = _word("binary_cross_entropy_with_logits", reduction)
    return classifying.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=word
    )


def kl_div(input: Tensor, target: Tensor, reduction: Any = 0, *, log_target: bool = False) -> Tensor:
    """`nn.functional.kl_div`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.kl_div(tg.zeros(2), tg.ones(2), 2)
    tensor(0.)
    """
    word = _word("kl_div", reduction)
    return losses.reduce_loss(losses.kl_div(input, target, reduction="none", log_target=log_target), word)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: Any, full: Any, eps: Any, reduction: Any
) -> Tensor:
    """`nn.functional.poisson_nll_loss`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.poisson_nll_loss(tg.zeros(2), tg.ones(2), True, False, 1e-8, 2)
    tensor(2.)
    """
    return losses.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_word("poisson_nll_loss", reduction)
    )


def ctc_loss(
    log_probs: Tensor, targets: Any, input_lengths: Any, target_lengths: Any, blank: Any = 0,
    reduction: Any = 0, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.ctc_loss`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.ctc_loss(tg.zeros(3, 1, 2), tg.tensor([[1]]), (3,), (1,))
    tensor([-1.7918])
    """
    word = _word("ctc_loss", reduction)
    return aligning.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, word, zero_infinity)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: Any = 0
) -> Tensor:
    """`nn.functional.cosine_embedding_loss`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.cosine_embedding_loss(tg.ones(1, 2), tg.ones(1, 2), tg.tensor([-1.0]))
    tensor([1.])
    """
    return margins.cosine_embedding_loss(
        input1, input2, target, margin, reduction=_word("cosine_embedding_loss", reduction)
    )


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Any = 0) -> Tensor:
    """`nn.functional.hinge_embedding_loss`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.hinge_embedding_loss(tg.tensor([0.25]), tg.tensor([-1.0]))
    tensor([0.7500])
    """
    return margins.hinge_embedding_loss(
        input, target, margin, reduction=_word("hinge_embedding_loss", reduction)
    )


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: Any = 0
) -> Tensor:
    """`nn.functional.margin_ranking_loss`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.margin_ranking_loss(tg.tensor([1.0]), tg.tensor([3.0]), tg.tensor([1.0]))
    tensor([2.])
    """
    return margins.margin_ranking_loss(
        input1, input2, target, margin, reduction=_word("margin_ranking_loss", reduction)
    )


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: Any = 0,
) -> Tensor:  # fmt: skip
    """`nn.functional.triplet_margin_loss`, with ``reduction`` 0 (none), 1 (mean) or 2 (sum).

    >>> tg.triplet_margin_loss(tg.zeros(1, 2), tg.zeros(1, 2), tg.zeros(1, 2))
    tensor([1.])
    """
    return margins.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_word("triplet_margin_loss", reduction)
    )


alias("bilinear", registry["bilinear"], at="tensorgrad", method=False)
alias("native_channel_shuffle", registry["channel_shuffle"], at="tensorgrad", method=False)

PUBLIC = {
    "tensorgrad": (
        *DROPOUTS, batch_norm, instance_norm, embedding, affine_grid_generator,
        binary_cross_entropy_with_logits, kl_div, poisson_nll_loss, ctc_loss, cosine_embedding_loss,
        hinge_embedding_loss, margin_ranking_loss, triplet_margin_loss,
    ),
}  # fmt: skip
