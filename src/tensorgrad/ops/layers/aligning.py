"""The loss of sequences whose places in the input are not known: connectionist temporal classification."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import case, composite, integers, normal
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import choosing, powers
from tensorgrad.ops.layers.losses import F_, reduce_loss, reduction_of
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import joining, shaping


def _lengths(name: str, lengths: Any, count: int, most: int) -> np.ndarray:
    array = _core._array_of(lengths) if isinstance(lengths, Tensor) else np.asarray(lengths)
    if array.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss: {name} must be integral, got {array.dtype}")
    array = array.reshape(-1).astype(np.int64)
    if array.size != count:
        raise RuntimeError(f"ctc_loss: {name} must be of size batch_size {count}, got {array.size}")
    if array.size and array.min() < 0:
        raise RuntimeError(f"ctc_loss: Expected {name} to have value at least 0, but got value {array.min()}")
    if array.size and array.max() > most:
        raise RuntimeError(
            f"ctc_loss: Expected {name} to have value at most {most}, but got value {array.max()}"
        )
    return array


def _padded(targets: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The targets in rows; a 1-D list of them is cut by their lengths."""
    if targets.ndim == 2:
        return targets
    if targets.size != lengths.sum():
        raise RuntimeError(
            "ctc_loss: Expected 1-D targets to have as many elements as target_lengths add up to, "
            f"{lengths.sum()}, but got {targets.size}"
        )
    rows = np.zeros((lengths.size, lengths.max(initial=0)), np.int64)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = targets
    return rows


def _likelihood(
    logs: Tensor, rows: np.ndarray, steps: np.ndarray, lengths: np.ndarray, blank: int
) -> tuple[Tensor, np.ndarray]:
    """Minus the log-probability of each row, and whether any way leads to it: the forward recursion over
    blank, first label, blank, ...

    (Graves and others, Connectionist Temporal Classification, 2006, section 4.1.)
    """
    count = rows.shape[0]
    path = np.full((count, 2 * rows.shape[1] + 1), blank, np.int64)
    path[:, 1::2] = rows
    states = path.shape[1]
    # A label may follow a label without the blank between, unless they are equal; the first may be the first
    # of all. What is reached by a step is known beforehand, whatever the probabilities.
    skips = np.zeros(path.shape, bool)
    skips[:, 2:] = path[:, 2:] != path[:, :-2]
    skips[:, 1:2] = True
    length = logs.shape[0]
    reach = np.zeros((length + 1, count, states + 2), bool)
    reach[0, :, 1] = True  # the place before the start
    for t in range(length):
        reach[t + 1, :, 2:] = reach[t, :, 2:] | reach[t, :, 1:-1] | (reach[t, :, :-2] & skips)
    dtype = logs.dtype
    never = finfo(dtype).min / 2  # in place of -inf, so that its gradient is 0 and not NaN
    first = np.where(reach[0], 0.0, never)
    skip, reached = _core.from_numpy(skips), _core.from_numpy(first).to(dtype)
    before = logs.new_full((count, 2), never)
    index = _core.from_numpy(np.ascontiguousarray(np.broadcast_to(path, (length, *path.shape))))
    emitted = choosing.where(_core.from_numpy(reach[1:, :, 2:]), logs.gather(2, index), 0.0)
    for t in range(int(steps.max(initial=0))):
        stay, step = reached[:, 2:], reached[:, 1:-1]
        jump = choosing.where(skip, reached[:, :-2], never)
        came = powers.logaddexp(powers.logaddexp(stay, step), jump)
        now = joining.cat([before, came + emitted[t]], 1)
        if (steps > t).all():
            reached = now
        else:
            reached = choosing.where(_core.from_numpy((steps > t)[:, None]), now, reached)
    # The ends are the last label and the blank after it; with no step at all, the place before the start.
    last = np.stack([2 * lengths + 2, np.where(lengths > 0, 2 * lengths + 1, 2 * lengths + 2)], 1)
    last[steps == 0] = np.where(lengths[steps == 0, None] == 0, 1, 0)
    ends = reached.gather(1, _core.from_numpy(last))
    single = _core.from_numpy(last[:, 0] == last[:, 1])
    both = powers.logaddexp(ends[:, 0], ends[:, 1])
    possible = np.asarray(np.take_along_axis(reach[steps, np.arange(count)], last, 1).any(1))
    return -choosing.where(single, ends[:, 0], both), possible


@composite(
    at=F_,
    smooth=False,
    samples=lambda: [
        case(normal(5, 2, 4), integers(1, 3, 2, 2), (5, 4), (2, 1), name="mean"),
        case(normal(5, 2, 4), integers(1, 3, 2, 2), (5, 4), (2, 1), 3, "none", name="blank"),
    ],
)
def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False
):
    """Minus the log-probability that a sequence of labels is read off the input, at places left open.

    Shapes: log_probs (T, N, C) or (T, C) of ``log_softmax``; targets (N, S), or all labels in one row;
    input_lengths and target_lengths (N). The class ``blank`` stands for no label. "mean" divides by the
    targets' lengths first; ``zero_infinity`` turns the infinite loss of targets too long for their input into
    0. As in PyTorch the first gradient is that with respect to the scores before ``log_softmax``, which is
    the same for inputs that come from there.

    >>> scores = tg.zeros(2, 1, 3).log_softmax(-1)
    >>> F.ctc_loss(scores, tg.tensor([[1]]), (2,), (1,), reduction="sum")  # -log(3 / 9)
    tensor(1.0986)
    """
    reduction = reduction_of(None, None, reduction)
    want_tensors("ctc_loss", log_probs=log_probs, targets=targets)
    if log_probs.dtype.name not in ("float32", "float64"):
        raise NotImplementedError(f"ctc_loss: not implemented for {log_probs.dtype.name}")
    if log_probs.ndim not in (2, 3):
        raise RuntimeError(
            f"ctc_loss: log_probs must be (T, N, C) or (T, C), got {log_probs.ndim} dimensions"
        )
    single = log_probs.ndim == 2
    logs = shaping.unsqueeze(log_probs, 1) if single else log_probs
    length, count, classes = logs.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range [0, {classes}), got {blank}")
    wanted = _core._array_of(targets).astype(np.int64)
    wanted = wanted.reshape(1, -1) if single and wanted.ndim == 1 else wanted
    steps = _lengths("input_lengths", input_lengths, count, length)
    lengths = _lengths(
        "target_lengths", target_lengths, count, wanted.shape[1] if wanted.ndim == 2 else wanted.size
    )
    rows = _padded(wanted, lengths)[:, : lengths.max(initial=0)]
    inside = np.arange(rows.shape[1]) < lengths[:, None]
    if ((rows < 0) | (rows >= classes))[inside].any():
        raise RuntimeError(f"ctc_loss: a target is out of the label range [0, {classes})")
    loss, possible = _likelihood(logs, np.where(inside, rows, blank), steps, lengths, blank)
    # Of value 0, with the gradient of log_softmax's normalisation.
    read = shaping.unsqueeze(_core.from_numpy(np.arange(length)[:, None] < steps), 2)
    read = read & powers.exp(logs.detach()).isfinite()
    mass = reductions.sum(powers.exp(logs.masked_fill(~read, -math.inf)), (0, 2))
    loss = loss + (mass - mass.detach()).masked_fill(~mass.isfinite(), 0)
    endless = (loss.detach() == math.inf) | ~_core.from_numpy(possible)
    loss = loss.masked_fill(endless, 0 if zero_infinity else math.inf)
    if reduction == "mean":
        loss = loss / _core.from_numpy(np.maximum(lengths, 1)).to(logs.dtype)
    return reduce_loss(shaping.reshape(loss, ()) if single and reduction == "none" else loss, reduction)
