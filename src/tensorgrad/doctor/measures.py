"""The measures of the field: trends against noise, signal to noise of gradients, whether labels follow
inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trend:
    """How a loss went: at the very first step, at first, at last and at best (medians), and how it jumps at
    last.
    """

    begin: float
    first: float
    last: float
    best: float
    noise: float
    count: int
    drift: float = 0.0  # share of the first quarter's mean that is gone in the last; 0 within the noise

    @property
    def fell(self) -> float:
        """The share of the first loss that is gone; negative when it rose, -inf when it is not finite any
        more.
        """
        if not np.isfinite(self.last):
            return -np.inf
        return (self.first - self.last) / max(abs(self.first), 1e-12)


def trend(losses: list[float]) -> Trend:
    """Of the losses of a run."""
    values = np.asarray(losses, np.float64)
    if not len(values):
        return Trend(0.0, 0.0, 0.0, 0.0, 0.0, 0)
    part = max(1, min(len(values) // 8, 200))
    head = values[: max(1, min(5, part))]
    tail = values[-max(part, min(len(values), 5)) :]
    with np.errstate(all="ignore"):
        chunks = np.array_split(values, max(1, len(values) // part))
        finite = [float(np.median(each)) for each in chunks if np.isfinite(each).all()]
        last = float(np.median(tail)) if np.isfinite(tail).mean() > 0.5 else float("nan")
        first = float(np.median(head[np.isfinite(head)])) if np.isfinite(head).any() else float("nan")
        noise = float(tail.std()) if np.isfinite(tail).all() else float("inf")
        quarter = max(1, len(values) // 4)
        early, late = values[:quarter], values[-quarter:]
        error = float(np.hypot(early.std(), late.std())) / quarter**0.5
        gap = float(early.mean() - late.mean())
        drift = 0.0 if abs(gap) < 2 * error else gap / max(abs(float(early.mean())), 1e-12)
    return Trend(float(values[0]), first, last, min(finite, default=float("nan")), noise, len(values), drift)


def signal_to_noise(sketches: list[np.ndarray]) -> float:
    """The size of the mean gradient over steps by the size of what varies; some 1/sqrt(steps) where it is
    all noise, infinite where nothing varies.
    """
    if len(sketches) < 2:
        return float("nan")
    all_of_them = np.stack(sketches)
    with np.errstate(all="ignore"):
        mean, spread = all_of_them.mean(0), all_of_them.std(0)
        size, noise = float(np.linalg.norm(mean)), float(np.linalg.norm(spread))
        return size / noise if noise > 1e-6 * size else math.inf if size else math.nan


def neighbours(rows: np.ndarray, wanted: np.ndarray, classes: bool) -> tuple[int, float, float, float]:
    """Do rows that lie near each other want the same? Over a batch: how many pairs of a row and its nearest
    other, how often (or how much) they agree, what chance would give, and the variance of that.
    """
    count = len(rows)
    if count < 4 or len(wanted) != count:
        return 0, 0.0, 0.0, 0.0
    with np.errstate(all="ignore"):
        rows = rows.astype(np.float64)
        scale = rows.std(0)
        rows = rows[:, scale > 1e-12] / scale[scale > 1e-12]
        if not rows.shape[1]:
            return 0, 0.0, 0.0, 0.0
        squares = (rows**2).sum(1)
        gaps = squares[:, None] + squares[None] - 2 * rows @ rows.T
        np.fill_diagonal(gaps, np.inf)
    if not np.isfinite(squares).all():
        return 0, 0.0, 0.0, 0.0
    nearest = gaps.argmin(1)
    if classes:
        _, counts = np.unique(wanted, return_counts=True)
        chance = float(((counts / count) * (counts - 1) / (count - 1)).sum())
        return count, float((wanted == wanted[nearest]).sum()), chance * count, chance * (1 - chance) * count
    spread = wanted.std()
    if spread < 1e-12:
        return 0, 0.0, 0.0, 0.0
    scaled = np.clip((wanted - wanted.mean()) / spread, -3, 3)
    return count, float((scaled * scaled[nearest]).sum()), -count / (count - 1), float(count)


def products(rows: np.ndarray, wanted: np.ndarray, classes: bool) -> dict[float, np.ndarray]:
    """For each class, or of values under 0: the sums over a batch of each column times what is wanted, both
    of mean 0 and spread 1, so that by chance alone their squares are about the number of rows.
    """
    if len(rows) < 4:
        return {}
    with np.errstate(all="ignore"):
        scaled = (rows - rows.mean(0)) / rows.std(0)
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
    kinds = {float(kind): wanted == kind for kind in np.unique(wanted)[:32]} if classes else {0.0: wanted}
    found = {}
    for kind, column in kinds.items():
        spread = column.std()
        if spread > 1e-12:
            found[kind] = ((column - column.mean()) / spread) @ scaled
    return found


def mixing(runs: list[tuple[str, np.ndarray]]) -> float:
    """How mixed batches are: what varies within them by what varies over all. 1 in shuffled data, 0 if each
    batch holds one class or one value.
    """
    if len(runs) < 2:
        return 1.0
    whole = np.concatenate([values.astype(np.float64) for _, values in runs])
    sizes = np.array([len(values) for _, values in runs], np.float64)
    if runs[0][0] == "class":
        def spread(values: np.ndarray) -> float:
            _, counts = np.unique(values, return_counts=True)
            return 1.0 - float(((counts / len(values)) ** 2).sum())
    else:
        def spread(values: np.ndarray) -> float:
            return float(values.var())
    total = spread(whole)
    if total < 1e-12:
        return 1.0
    within = sum(spread(values) * len(values) for _, values in runs) / sizes.sum()
    return within / total / max(1e-9, 1.0 - len(runs) / sizes.sum())


def effective_rank(values: np.ndarray) -> float:
    """How many directions the rows of activations use: the exponential of the entropy of their singular
    values.
    """
    with np.errstate(all="ignore"):
        centred = values - values.mean(0)
        if not np.isfinite(centred).all() or not centred.any():
            return 0.0
        singular = np.linalg.svd(centred, compute_uv=False)
    shares = singular / singular.sum()
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
