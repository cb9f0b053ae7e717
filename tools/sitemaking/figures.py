"""The tables of what `python -m tensorgrad bench --json docs/benchmarks.json` has measured."""

from __future__ import annotations

import json
from typing import Any

from sitemaking.pages import ROOT
from tensorgrad.bench.reports import TITLES, factor, figure

FILE = ROOT / "docs" / "benchmarks.json"
TRAINING = "Training steps"


def read() -> dict[str, Any]:
    """What the file holds."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def head(found: dict[str, Any], option: str) -> str:
    """How, when and where it was measured."""
    return (
        f"`python -m tensorgrad bench {option}` on {found['date'][:10]}: {found['machine']}, CPU level "
        f"{found['level']}, threads: {found['threads']}. Microseconds of the kernels, and the others' time "
        f"by theirs, median and range of {found['rounds']} rounds in turns: above 1 ours is the faster.\n\n"
    )


def table(found: dict[str, Any], group: str) -> str:
    """The rows of a group: the kernels' time, and the others' by it."""
    others = list(found["means"])
    versions = {"torch": f" {found['torch']}".partition("+")[0]}
    titles = [TITLES[other] + versions.get(other, "") for other in others]
    rows = [[group, "µs", *titles], ["---", *["--:"] * (1 + len(others))]]
    for row in found["rows"]:
        if row["group"] == group and not row["error"]:
            own = figure(row["seconds"]["kernels"] * 1e6)
            rows.append([row["name"], own, *(ratio(row["ratios"].get(other)) for other in others)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def ratio(measured: dict[str, float] | None) -> str:
    if measured is None:
        return ""
    return f"{factor(measured['median'])} ({factor(measured['low'])}-{factor(measured['high'])})"


def all_tables() -> str:
    """Every group of rows, for the page of the benchmarks."""
    found = read()
    groups = dict.fromkeys(row["group"] for row in found["rows"])
    tables = "\n".join(f"## {group}\n\n{table(found, group)}" for group in groups)
    return head(found, "--json docs/benchmarks.json") + tables


def training_steps() -> str:
    """The training steps alone, for the first page."""
    found = read()
    return f"{table(found, TRAINING)}\n{head(found, '--only training')}"
