"""The tables of what `python -m tensorgrad bench --json docs/benchmarks.json` has measured."""

from __future__ import annotations

import json
from typing import Any

from sitemaking.pages import ROOT

FILE = ROOT / "docs" / "benchmarks.json"
TRAINING = "Training steps"


def read() -> dict[str, Any]:
    """What the file holds; nothing if there is none."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"rows": []}


def head(found: dict[str, Any], option: str) -> str:
    """How, when and where it was measured."""
    return (
        f"`python -m tensorgrad bench {option}` on {found['date'][:10]}: {found['machine']}, CPU level "
        f"{found['level']}, threads: {found['threads']}. Microseconds of the kernels, and the others' time "
        f"by theirs, median and range of {found['rounds']} rounds in turns: above 1 ours is the faster.\n\n"
    )


def table(found: dict[str, Any], group: str) -> str:
    """The rows of a group: the kernels' time, and the others' by it."""
    titles = {"numpy": "NumPy path", "torch": f"PyTorch {found['torch']}".partition("+")[0]}
    others = [other for other in titles if other in found["means"]]
    rows = [[group, "µs", *(titles[other] for other in others)], ["---", *["--:"] * (1 + len(others))]]
    for row in found["rows"]:
        if row["group"] == group and not row["error"]:
            own = figure(row["seconds"]["kernels"] * 1e6)
            ratios = (row["ratios"].get(other) for other in others)
            rows.append([row["name"], own, *(ratio(found) if found else "" for found in ratios)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def figure(value: float) -> str:
    """Three digits that count, without an exponent."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def ratio(found: dict[str, float]) -> str:
    return f"{figure(found['median'])} ({figure(found['low'])}-{figure(found['high'])})"


def all_tables() -> str:
    """Every group of rows, for the page of the benchmarks."""
    found = read()
    groups = dict.fromkeys(row["group"] for row in found["rows"])
    tables = "\n".join(f"## {group}\n\n{table(found, group)}" for group in groups)
    if not groups:
        return "`python -m tensorgrad bench --json docs/benchmarks.json` puts its figures here.\n"
    return head(found, "--json docs/benchmarks.json") + tables


def training_steps() -> str:
    """The training steps alone, for the first page."""
    found = read()
    return table(found, TRAINING) + "\n" + head(found, "--only training") if found["rows"] else ""
