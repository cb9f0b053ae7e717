"""Losses and other comparisons of what a net says with what is wanted: what is said, what is wanted, do they
fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tensorgrad.core import from_numpy
from tensorgrad.doctor import arrays, measures
from tensorgrad.doctor.records import Record
from tensorgrad.nn import functional as F

if TYPE_CHECKING:
    from tensorgrad.doctor.listening import Ear

CLASSES = {"cross_entropy", "nll_loss"}
BINARY = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
DISTANCES = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
LOSSES = CLASSES | BINARY | DISTANCES
TARGETED = LOSSES | {"sub", "rsub"}  # ops that compare with what is wanted


class Targets(NamedTuple):
    """What is wanted of the rows of one call: classes as whole numbers, or values."""

    kind: str
    values: np.ndarray


def axis_of_ones(values: np.ndarray) -> int | None:
    """The one axis along which positive values add up to one."""
    found = []
    for axis in range(values.ndim):
        if values.shape[axis] > 1 and np.allclose(values.sum(axis), 1.0, atol=1e-3):
            found.append(axis)
    return found[0] if len(found) == 1 else None


def comparable(rows: np.ndarray) -> np.ndarray:
    """Rows of which distances mean something: numbers as they are, tokens as how often each is there."""
    if rows.dtype in arrays.FLOATS:
        return rows.astype(np.float64)
    counts = np.zeros((len(rows), 512))
    np.add.at(counts, (np.arange(len(rows))[:, None], rows.astype(np.int64) % 512), 1.0)
    return counts


def look(ear: Ear, record: Record, out: Any, inputs: list, made: list) -> None:
    """A loss, or the difference of a prediction and a target."""
    if len(inputs) < 2:
        return
    name = record.name
    if not record.params:
        return
    told, wanted = _sides(made)
    if told is None:
        return
    said, target = inputs[told], inputs[wanted]
    source = made[told]
    _check_shapes(ear, record, out, said, target, source, made[wanted])
    if name not in LOSSES:
        if name != "sub" and name != "rsub":
            return
        if not isinstance(source, Record) or said.shape != target.shape or not said.shape:
            return
        if isinstance(made[wanted], int) or said.shape[0] != ear.rows or not source.calls:
            return
    said_values, wanted_values = arrays.view(said), arrays.view(target)
    if said_values is None or wanted_values is None or not said_values.size:
        return
    if isinstance(source, Record):
        _check_given(ear, record, said_values, wanted_values, source)
    if name in LOSSES and out.shape == ():
        _check_sum(record, out, said_values, wanted_values)
    _note_answers(ear, record, said_values, wanted_values)


def _earlier(record: Record) -> Record | None:
    """What an op's first operand came from."""
    first = record.inputs[0] if record.inputs else None
    return first if isinstance(first, Record) else None


def _sides(made: list) -> tuple[int | None, int]:
    """Which of two operands is the net's, and which is the data's; None if both or none are."""
    depends = [isinstance(each, int) or bool(each is not None and each.params) for each in made[:2]]
    if depends == [True, False]:
        return 0, 1
    if depends == [False, True]:
        return 1, 0
    return (0, 1) if depends == [True, True] else (None, 1)


def _check_shapes(ear, record, out, said, target, source, other) -> None:
    """(N, 1) against (N,): an N by N table where N numbers were meant."""
    one, two = said.shape, target.shape
    if len(one) == len(two) or not one or not two:
        return
    count = int(np.prod(one))
    if count < 2 or int(np.prod(two)) != count or isinstance(source, int) or isinstance(other, int):
        return
    if other is not None and other.params and record.name not in LOSSES and not other.cuts:
        return
    whole = out.shape if out.shape != () else tuple(np.broadcast_shapes(one, two))
    if int(np.prod(whole)) > count:
        ear.log.broadcasts.setdefault((record.place, tuple(one), tuple(two), tuple(whole)), [0])[0] += 1


def _check_given(ear, record, said, wanted, source) -> None:
    """A loss of raw scores that is given probabilities."""
    name = record.name
    if said.dtype not in arrays.FLOATS or not np.isfinite(said).all():
        return
    inside = bool((said >= 0).all() and (said <= 1).all())
    if name in CLASSES and said.ndim > 1:
        sums = said.sum(1)
        adds_up = inside and bool(np.allclose(sums, 1.0, atol=1e-3))
        site = ear.log.loss(record.place, name)
        site.looks += 1
        site.probabilities += adds_up
        site.squashes += inside and source.squash == "sigmoid"
        if name == "nll_loss" and not adds_up and (source.squash == "log_softmax" or source.name == "log"):
            with np.errstate(all="ignore"):
                if not np.allclose(np.exp(said).sum(1), 1.0, atol=1e-2):
                    maker = source
                    while maker.name != "log_softmax" and (earlier := _earlier(maker)) is not None:
                        maker = earlier
                    ear.log.saw_axis(maker.place, None, "another axis than the classes", maker.shape)
    elif name == "binary_cross_entropy_with_logits":
        site = ear.log.loss(record.place, name)
        site.looks += 1
        site.squashes += inside and (source.squash in ("sigmoid", "softmax") or 0 < source.exped <= 4)


def _check_sum(record, out, said, wanted) -> None:
    """Whether a loss adds its elements up or takes their mean: it is called again with the settings that it
    has by default.
    """
    value = arrays.view(out)
    if value is None or not np.isfinite(value) or said.dtype not in arrays.FLOATS:
        return
    name = record.name
    if name not in CLASSES and said.shape != wanted.shape:
        return
    rows = said.size // said.shape[1] if name in CLASSES and said.ndim > 1 else said.size
    if rows < 4:
        return
    try:
        mean = float(getattr(F, name)(from_numpy(said), from_numpy(wanted)))
    except (IndexError, RuntimeError):  # classes that only the settings of this call allow
        return
    if mean > 0 and abs(float(value) / mean / rows - 1) < 0.2:
        record.summed = rows


def _note_answers(ear, record, said, wanted) -> None:
    """What was said and wanted of the rows, for the whole run; and whether near rows want alike."""
    rows = said.shape[0] if said.ndim else 0
    name = record.name
    if not rows or said.dtype not in arrays.FLOATS or not np.isfinite(wanted).all():
        return
    answers = ear.log.answers(record.place, name)
    if name in CLASSES and wanted.ndim == 1 and said.ndim == 2 and wanted.dtype not in arrays.FLOATS:
        kind, values, guess = "class", wanted.copy(), said.argmax(1)
        level = None
    elif name in BINARY or (name in CLASSES and wanted.shape == said.shape):
        if wanted.size != said.size:
            return
        kind = "class" if wanted.size == rows and np.isin(wanted, (0.0, 1.0)).all() else "value"
        values = wanted.reshape(rows, -1)[:, 0].copy()
        edge = 0.5 if name == "binary_cross_entropy" else 0.0
        guess = (said.reshape(rows, -1)[:, 0] > edge).astype(np.int64)
        if said.size != rows:
            kind = "value"
        level = said
    elif wanted.size == said.size and wanted.shape[:1] == (rows,) and wanted.dtype in arrays.FLOATS:
        kind, values, guess, level = "value", wanted.reshape(rows, -1)[:, 0].copy(), None, said
    else:
        return
    ear.targets.append(Targets(kind, values))
    if rows < 2:
        return
    if kind == "class" and guess is not None:
        answers.saw_classes(guess, values, ear.log.steps)
    elif level is not None and level.dtype in arrays.FLOATS:
        answers.saw_values(level.reshape(rows, -1), wanted.reshape(rows, -1))
    if ear.data is not None and len(ear.data) == min(rows, 96) and answers.pairs < 4000:
        beside = values[: len(ear.data)]
        answers.saw_neighbours(*measures.neighbours(ear.data, beside, kind == "class"))
        answers.saw_columns(ear.data, beside, kind == "class")
