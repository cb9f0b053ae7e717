"""Losses of margins: scores and distances that are to lie apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, int64, result_type
from tensorgrad.core.declare import between, case, composite, distinct, fused, integers, normal
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import activations, choosing
from tensorgrad.ops.layers.losses import F_, REDUCTIONS, _floats, reduce_loss, reduction_of
from tensorgrad.ops.making import creation
from tensorgrad.ops.matrices import distances
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping


@fused(
    tensors=("input", "target"),
    single=False,
    at=F_,
    samples=lambda: [
        case(distinct(3, 4), integers(0, 2, 3, 4), name="mean", margin=1.3),
        case(distinct(3, 4), integers(-1, 1, 3, 4), reduction="none", margin=1.3, name="none"),
    ],
)
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    r"""The input where the target is 1; where it is -1, what is missing to the margin: :math:`\max(0, m -
    x)`.

    >>> F.hinge_embedding_loss(tg.tensor([0.25, 0.25]), tg.tensor([1.0, -1.0]))
    tensor(0.5000)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("hinge_embedding_loss", input=input, target=target)
    return _hinge_embedding(input, target, _core._fitting(margin, input.dtype), reduction)


def _hinge_embedding_in_single(input, target, margin, reduction):
    missing = choosing.where(target != 1, (creation.full_like(input, margin) - input).clamp(min=0), 0)
    return reduce_loss(missing + choosing.where(target != -1, input, 0), reduction)


_hinge_embedding: Any = _core.InSingle(_hinge_embedding_in_single)


@fused(
    tensors=("input1", "input2", "target"),
    at=F_,
    samples=lambda: [
        case(distinct(3, 4), normal(3, 4), distinct(3, 4), name="mean", margin=0.3),
        case(distinct(3, 4), normal(3, 4), distinct(3, 4), reduction="none", name="none"),
    ],
)
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    r"""How far the first is from being ``margin`` larger than the second (target 1) or smaller (-1).

    :math:`\max(0, -y (x_1 - x_2) + m)`

    >>> F.margin_ranking_loss(tg.tensor([1.0]), tg.tensor([3.0]), tg.tensor([1.0]))
    tensor(2.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("margin_ranking_loss", input1=input1, input2=input2, target=target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)}"
        )
    if target.dtype is not bool_:  # whose negation is refused
        target = shaping._cast(target, result_type(target, input1, input2))
    return reduce_loss((-target * (input1 - input2) + float(margin)).clamp(min=0), reduction)


@composite(
    single=True,
    at=F_,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), integers(1, 2, 3), name="same"),
        case(normal(3, 4), normal(3, 4), integers(-1, 0, 3), margin=-0.9, reduction="none", name="other"),
        case(normal(4), normal(4), integers(1, 2), name="vectors"),
    ],
)
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    r""":math:`1 - \cos(x_1, x_2)` where the target is 1; where it is -1, :math:`\max(0, \cos(x_1, x_2) - m)`.

    Shapes: inputs (N, D) with target (N), or (D) with ().

    >>> F.cosine_embedding_loss(tg.ones(1, 2), tg.ones(1, 2), tg.tensor([-1.0]))
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    if target.ndim > 1:
        raise RuntimeError(
            f"0D or 1D target tensor expected, multi-target not supported; got {tuple(target.shape)}"
        )
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with "
            f"sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    small = 1e-12
    length1 = reductions.sum(input1 * input1, -1) + small
    length2 = reductions.sum(input2 * input2, -1) + small
    cosine = reductions.sum(input1 * input2, -1) / (length1 * length2).sqrt()
    near = choosing.where(target == 1, 1 - cosine, 0)
    return reduce_loss(
        near + choosing.where(target == -1, (cosine - float(margin)).clamp(min=0), 0), reduction
    )


def _check_rows(name: str, input: Tensor) -> None:
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )


@composite(
    single=True,
    at=F_,
    samples=lambda: [
        case(normal(3, 4), integers(0, 4, 3), name="mean"),
        case(
            distinct(3, 4), integers(0, 4, 3), 2, 0.7, between(0.5, 2.0, 4), reduction="none", name="square"
        ),
        case(distinct(4), integers(0, 4, 1), name="single"),
    ],
)
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    r"""How far the right class's score is from being ``margin`` above each other class's.

    :math:`\sum_i w_y \max(0, m - x_y + x_i)^p / C` over the classes :math:`i \ne y`.

    >>> F.multi_margin_loss(tg.tensor([[0.0, 1.0]]), tg.tensor([0]))
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("multi_margin_loss", input=input, target=target)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, got {weight.ndim} dimensions")
    _check_rows("multi_margin_loss", input)
    _floats("multi_margin_loss", input)
    rows = shaping.reshape(input, (1, max(input.numel(), 1))) if input.ndim < 2 else input
    count, classes = rows.shape
    if target.ndim > 1 or target.numel() != count:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of rows. Expected "
            f"target size [{count}], but got {list(target.shape)}"
        )
    if target.dtype is not int64:
        raise RuntimeError(f"multi_margin_loss: expected scalar type Long but found {target.dtype.name}")
    if weight is not None and weight.shape[0] != classes:
        raise RuntimeError(
            f"multi_margin_loss: inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    numbers = _core._array_of(target).reshape(count)
    if ((numbers < 0) | (numbers >= classes)).any():
        raise RuntimeError(f"multi_margin_loss: target out of range, there are {classes} classes")
    column = shaping.reshape(target, (count, 1))
    itself = _core.from_numpy(np.arange(classes) == numbers[:, None])
    margin = _core._fitting(float(margin), input.dtype)
    missing = activations.relu(margin - rows.gather(1, column) + rows).masked_fill(itself, 0)
    if p == 2:
        missing = missing * missing
    loss = reductions.sum(missing, 1) / classes
    if weight is not None:
        loss = loss * weight.index_select(0, shaping.reshape(target, (count,)))
    return reduce_loss(shaping.reshape(loss, target.shape if input.ndim < 2 else (count,)), reduction)


@composite(
    single=True,
    at=F_,
    samples=lambda: [
        case(normal(3, 4), integers(-1, 4, 3, 4), name="mean"),
        case(normal(4), integers(0, 3, 4), reduction="none", name="single"),
    ],
)
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    r""":math:`\sum_{ij} \max(0, 1 - (x_{y_j} - x_i)) / C` over the right classes :math:`y_j` and all others
    :math:`i`.

    A row of the target lists the right classes; the first -1 ends it.

    >>> F.multilabel_margin_loss(tg.tensor([[0.0, 1.0]]), tg.tensor([[0, -1]]))
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    want_tensors("multilabel_margin_loss", input=input, target=target)
    _check_rows("multilabel_margin_loss", input)
    fits = (
        target.shape == input.shape
        if input.ndim == 2
        else target.ndim <= 1 and target.numel() == input.numel()
    )
    if not fits:
        raise RuntimeError(
            f"multilabel_margin_loss: inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}"
        )
    if target.dtype is not int64:
        raise RuntimeError(f"multilabel_margin_loss: expected scalar type Long but found {target.dtype.name}")
    shape = tuple(input.shape) if input.ndim == 2 else (1, input.numel())
    rows = shaping.reshape(input, shape)
    numbers = _core._array_of(target).reshape(shape)
    if ((numbers < -1) | (numbers >= shape[1])).any():
        raise RuntimeError(
            f"multilabel_margin_loss: argument 'target' is out of range, there are {shape[1]} classes"
        )
    listed = np.logical_and.accumulate(numbers >= 0, axis=1)
    longest = int(listed.sum(1).max(initial=0))
    numbers, listed = np.where(listed, numbers, 0)[:, :longest], listed[:, :longest]
    right = np.zeros(shape, bool)
    right[np.nonzero(listed)[0], numbers[listed]] = True
    no_pair = _core.from_numpy(~listed[:, :, None] | right[:, None, :])
    scores = shaping.unsqueeze(rows.gather(1, _core.from_numpy(np.ascontiguousarray(numbers))), 2)
    missing = activations.relu(1 - scores + shaping.unsqueeze(rows, 1)).masked_fill(no_pair, 0)
    loss = reductions.sum(missing, (1, 2)) / shape[1]
    return reduce_loss(loss if input.ndim == 2 else shaping.reshape(loss, ()), reduction)


def _triplet(name, anchor, positive, negative, distance, margin, swap, reduction):
    want_tensors(name, anchor=anchor, positive=positive, negative=negative)
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; use 'none', 'mean' or 'sum'")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = choosing.minimum(far, distance(positive, negative))
    return reduce_loss((float(margin) + near - far).clamp(min=0), reduction)


@composite(
    single=True,
    at=F_,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), normal(3, 4), margin=3.0, name="mean"),
        case(
            normal(3, 4),
            normal(3, 4),
            normal(3, 4),
            p=1.0,
            margin=5.0,
            swap=True,
            reduction="none",
            name="swap",
        ),
    ],
)
def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    r"""How far the anchor is from being nearer by ``margin`` to the positive than to the negative example.

    :math:`\max(0, d(a, p) - d(a, n) + m)`, :math:`d` being the ``p``-norm of the difference. With ``swap``
    the negative's distance is the smaller one of those from the anchor and the positive.

    >>> F.triplet_margin_loss(tg.zeros(1, 1), tg.ones(1, 1), tg.ones(1, 1), eps=0.0)
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)

    def distance(x, y):
        return distances.pairwise_distance(x, y, p, eps)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


@composite(
    at=F_,
    samples=lambda: [
        case(normal(3, 4), normal(3, 4), normal(3, 4), margin=3.0, name="mean"),
        case(normal(3, 4), normal(3, 4), normal(3, 4), margin=5.0, swap=True, reduction="none", name="swap"),
    ],
)
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """``triplet_margin_loss`` with a distance of one's own (else ``pairwise_distance``).

    >>> far = lambda a, b: (a - b).abs().sum(-1)
    >>> x, y = tg.zeros(1, 1), tg.ones(1, 1)
    >>> F.triplet_margin_with_distance_loss(x, y, y, distance_function=far)
    tensor(1.)
    """
    distance = distances.pairwise_distance if distance_function is None else distance_function
    return _triplet(
        "triplet_margin_with_distance_loss", anchor, positive, negative, distance, margin, swap, reduction
    )
