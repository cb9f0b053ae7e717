"""Holds recorded gradients against numeric derivatives, where there is no PyTorch to ask.

A line `g = T.autograd.grad(total(...), [leaves], ...)` says what to look at: the total is computed again with
the leaves moved a little along a random direction. Where there is a kink the slopes ahead and behind are
others, and steps of two sizes show curvature: only where all agree is the number a derivative.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from fuzzing.comparing import Difference
from fuzzing.running import Library, Outcome, Seen, run

# Cut a value from what it was computed of, on purpose: the slope does not know.
CUTS = (
    "detach",
    ".data",
    "no_grad",
    "hook",
    ".grad =",
    "backward(",
    "numpy()",
    "tolist",
    "round",
    "requires_grad_(",
)
# These read one triangle of a matrix that is meant to be symmetric; their gradients are symmetric.
HALVES = ("eigh", "eigvalsh", "cholesky")
ASKED = re.compile(r"(\w+)(?:, \*_)? = T\.autograd\.grad\((total\(.*\)), \[([\w, ]+)\]")
LEAF = re.compile(r"(\w+) = T\.tensor\(.*dtype=T\.float64, requires_grad=True\)$")
STEPS = (1e-5, 4e-6)
LARGE = 1e4  # where a step is no longer small beside the rounding
SAME, WRONG = 1e-4, 1e-3  # shares of the height: slopes that agree, and a slope that is another


def wrong_slope(lines: list[str], library: Library) -> Difference | None:
    """The first recorded gradient in a float64 program that numeric derivatives contradict."""
    text = "\n".join(lines)
    if "float32" in text or "float16" in text or any(word in text for word in CUTS + HALVES):
        return None
    leaves = {m[1] for m in map(LEAF.match, lines) if m}
    for number, line in enumerate(lines):
        asked = ASKED.match(line)
        if asked is None:
            continue
        names = asked[3].split(", ")
        if not set(names) <= leaves or len(set(names)) < len(names):
            continue
        outcome = run([*lines[:number], f"slopes = {line.split(' = ', 1)[1]}"], library)
        if outcome.raised is not None or not isinstance(outcome.values.get("slopes"), list):
            continue
        found = check([*lines[:number], f"height = {asked[2]}"], names, outcome, library)
        if found is not None:
            return Difference("slope", asked[1], *found)
    return None


def check(
    lines: list[str], names: list[str], outcome: Outcome, library: Library
) -> tuple[float, float] | None:
    """The recorded and the numeric slope along a direction, if they differ."""
    rng = np.random.default_rng(0)
    gradients = outcome.values["slopes"]
    directions = {
        name: rng.uniform(0.5, 1.5, g.array.shape) * rng.choice((-1, 1))
        for name, g in zip(names, gradients, strict=True)
        if isinstance(g, Seen)
    }
    recorded = sum(
        float((g.array * directions[name]).sum())
        for name, g in zip(names, gradients, strict=True)
        if name in directions
    )

    if any(not np.all(np.abs(v.array) < LARGE) for n, v in outcome.values.items() if n in directions):
        return None

    def height(step: float) -> float:
        def move(value: Any, line: str) -> None:
            name = line.split(" = ")[0]
            if name in directions and LEAF.match(line):
                value.detach().numpy()[...] += step * directions[name]

        value = run(lines, library, after=move).values.get("height")
        return float(value.array) if isinstance(value, Seen) and value.array.size == 1 else np.nan

    here = height(0.0)
    slopes = [(height(s * side) - here) / (s * side) for s in STEPS for side in (1, -1)]
    slope = float(np.mean(slopes))
    spread = float(np.ptp(slopes))
    size = max(abs(slope), abs(here), 1.0)
    if not np.isfinite([slope, recorded, here]).all() or spread > SAME * size:
        return None
    return (recorded, slope) if abs(slope - recorded) > WRONG * size else None
