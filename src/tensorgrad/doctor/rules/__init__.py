"""From what was seen to findings. Each rule is a function of a `Case`; families of rules have a file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tensorgrad.doctor.codes import CODES
from tensorgrad.doctor.measures import Trend, trend
from tensorgrad.doctor.places import Place
from tensorgrad.doctor.recording import Layer, Log, OptimizerLog, WalkSite

LOUD = ("error", "warning")


@dataclass
class Finding:
    """Something that was found: what (`code`, `message`, `evidence`), where, why it hurts, what to do.

    >>> tg.doctor.Finding("lr-zero", "the rate is 0").severity
    'error'
    """

    code: str
    message: str
    module: str | None = None
    place: Place | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    severity: str = ""

    def __post_init__(self) -> None:
        self.severity = self.severity or CODES[self.code].severity

    @property
    def why(self) -> str:
        """Why that stops learning."""
        return CODES[self.code].why

    @property
    def remedy(self) -> str:
        """What to change."""
        return CODES[self.code].remedy

    def as_dict(self) -> dict[str, Any]:
        """What a file says of it."""
        return {
            "code": self.code, "severity": self.severity, "module": self.module,
            "file": self.place.file if self.place else None, "line": self.place.line if self.place else None,
            "message": self.message, "why": self.why, "evidence": self.evidence, "remedy": self.remedy,
        }  # fmt: skip


class Case:
    """A log with what many rules ask."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.main: WalkSite | None = max(log.walk_sites.values(), key=lambda site: site.count, default=None)
        self.trend: Trend = trend(self.main.losses) if self.main else trend([])
        self.findings: list[Finding] = []

    def found(self, *codes: str) -> bool:
        """Whether one of these was found, as an alarm."""
        return any(each.code in codes and each.severity in LOUD for each in self.findings)

    @property
    def alarmed(self) -> bool:
        return any(each.severity in LOUD for each in self.findings)

    @property
    def level(self) -> float | None:
        """The loss of one who knows only how often each class is wanted; None where that is not known."""
        for answers in self.log.answer_sites.values():
            level = answers.level
            if level is not None and self.main is not None and not self.main.is_sum:
                return level
        return None

    def learned(self, share: float) -> bool:
        """Whether the loss lost more than a share of what it was, and fell below what frequencies give."""
        return self.trend.fell > share and (self.level is None or self.trend.last < 0.97 * self.level)

    @property
    def in_optimizers(self) -> set[int]:
        return {number for optimizer in self.log.optimizers for number in optimizer.numbers}

    @property
    def stepping(self) -> list[OptimizerLog]:
        """Optimizers that have stepped."""
        return [each for each in self.log.optimizers if each.steps]

    @property
    def weights(self) -> list[Layer]:
        """Matrices that were used and had gradients, in the order in which they were first used."""
        layers = self.log.layers
        first = [layers[number] for number in self.log.depth if number < len(layers)]
        return [each for each in first if each.is_weight and each.grads]

    def maker(self, *layers: Layer) -> OptimizerLog | None:
        """The optimizer that has a layer, or else the busiest."""
        numbers = {each.number for each in layers}
        for optimizer in self.stepping:
            if numbers.intersection(optimizer.numbers):
                return optimizer
        return max(self.stepping, key=lambda each: each.steps, default=None)


def median(values: list[float]) -> float:
    """The middle value; NaN of none."""
    return float(np.median(values)) if values else float("nan")


# What follows from other faults: a remark where one of these was found.
FOLLOWS = {
    "dead-relu": {
        "symmetric-init", "constant-input", "nan-in-data", "nan-birth", "exploding-gradient", "lr-too-high",
        "wrong-reduction", "missing-zero-grad", "bad-clip", "input-scale", "eval-left-on", "not-shuffled",
        "weight-decay-too-strong", "batch-of-one-norm", "detached-loss", "missing-backward",
        "labels-unrelated", "dropout-too-strong", "broadcast-loss", "train-left-on",
    },
    "saturated": {
        "lr-too-high", "exploding-gradient", "nan-birth", "wrong-reduction", "missing-zero-grad", "bad-clip",
        "symmetric-init", "constant-input", "labels-unrelated",
    },
    "vanishing-gradient": {
        "dead-relu", "exploding-gradient", "symmetric-init", "lr-too-high", "nan-birth", "nan-in-data",
        "wrong-reduction", "bad-clip", "missing-zero-grad", "constant-input", "lr-zero",
    },
    "lr-too-high": {
        "exploding-gradient", "wrong-reduction", "missing-zero-grad", "bad-clip", "input-scale", "nan-birth",
        "nan-in-data", "eval-left-on", "not-shuffled", "batch-of-one-norm", "labels-unrelated",
        "broadcast-loss", "dropout-too-strong", "constant-input", "softmax-wrong-dim", "train-left-on",
    },
    "lr-too-low": {
        "vanishing-gradient", "dead-relu", "clipped-to-nothing", "lr-zero", "symmetric-init", "frozen",
        "saturated",
    },
    "exploding-gradient": {"input-scale", "nan-in-data", "batch-of-one-norm"},
    "input-scale": {"constant-input", "nan-in-data", "exploding-gradient", "eval-left-on"},
    "not-shuffled": {"nan-in-data"},
    "not-in-optimizer": {"missing-backward"},
    "nan-birth": {"exploding-gradient"},
    "graph-kept": {"hidden-state-not-detached"},
}  # fmt: skip


def diagnose(log: Log) -> list[Finding]:
    """All findings, the loudest first. What only follows from another is toned down to a remark."""
    from tensorgrad.doctor.rules import data, layers, loop, losses, stepping

    case = Case(log)
    families = loop, losses, data, layers, stepping
    for family in (*(each.RULES for each in families), data.LATER, loop.LATER):
        for rule in family:
            try:
                case.findings += list(rule(case))
            except Exception as error:  # the others may still say what is wrong
                log.note_trouble(f"the rule {rule.__name__}", error)
        loud = {each.code for each in case.findings if each.severity in LOUD}
        for each in case.findings:
            if each.severity in LOUD and FOLLOWS.get(each.code, set()) & (loud - {each.code}):
                each.severity = "info"
    ranks = {"error": 0, "warning": 1, "info": 2}
    return sorted(case.findings, key=lambda each: ranks[each.severity])
