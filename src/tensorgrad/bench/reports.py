"""What is told of the rows: lines for a terminal of 80 columns, JSON, and a page with bars."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import sys
import textwrap
from html import escape
from typing import Any

import numpy as np

from tensorgrad import _kernels
from tensorgrad.inside.pages import page, table
from tensorgrad.io.files import write_text

from .racing import OURS, Ratio, Result

TITLES = {"numpy": "NumPy path", "torch": "PyTorch"}
LEGEND = (
    "Microseconds of the kernels; others' time by theirs, median and range of the",
    "rounds: above 1 the kernels are ahead. With 'back' a row goes forward and back.",
)
NAME, OWN, CELL = 38, 10, 15  # columns: 80 in all with two others
WIDTH, LEFT, RIGHT, BAR = 640, 252, 46, 13  # of a figure, in its own units


def figure(value: float) -> str:
    """Three digits that count, without an exponent."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if 0 < value < 100 else f"{value:.0f}"


def _cell(ratio: Ratio) -> str:
    """Median, low and high."""
    low, high = (factor(each) for each in ratio[1:])
    return f"{factor(ratio.median)} {low + '-' + high:>9}"


def factor(value: float) -> str:
    """A ratio, to two places below 10 and none from 100."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


class Report:
    """Rows as they come, of sides with these versions."""

    def __init__(self, versions: dict[str, str], threads: int, rounds: int) -> None:
        self.others = [name for name in versions if name != OURS]
        self.results: list[Result] = []
        self.facts: dict[str, Any] = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "tensorgrad": versions[OURS],
            "numpy": np.__version__,
            "torch": versions.get("torch"),
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {sys.platform}",
            "level": _kernels.level(),
            "threads": threads,
            "rounds": rounds,
        }

    @property
    def errors(self) -> list[Result]:
        """The rows that failed."""
        return [each for each in self.results if each.error is not None]

    def mean(self, name: str) -> float | None:
        """The geometric mean of the ratios to a side; None where no row has one."""
        logs = [math.log(each.ratios[name].median) for each in self.results if name in each.ratios]
        return math.exp(sum(logs) / len(logs)) if logs else None

    # ------------------------------------------------------------------------ text

    def heading(self) -> str:
        """What stands above the rows."""
        titles = "".join(f" {TITLES[name]:>{CELL}}" for name in self.others)
        head = f"{'':{NAME}}{'kernels µs':>{OWN}}{titles}"
        return "\n".join([*textwrap.wrap(self._told(), 80), *LEGEND, "", head])

    def _told(self) -> str:
        torch = f", PyTorch {self.facts['torch']}" if self.facts["torch"] else ""
        return (
            f"tensorgrad {self.facts['tensorgrad']} (CPU level {self.facts['level']}), "
            f"NumPy {self.facts['numpy']}{torch}; {_count(self.facts['threads'], 'thread')}, "
            f"{_count(self.facts['rounds'], 'round')}."
        )

    def add(self, result: Result) -> str:
        """Takes a row, and gives its lines."""
        new = not self.results or self.results[-1].row.group != result.row.group
        self.results.append(result)
        lines = ["", result.row.group] if new and len(self.results) > 1 else [result.row.group] if new else []
        if result.error is not None:
            return "\n".join([*lines, f"  {result.row.name}", f"    FAILED {result.error}"])
        cells = "".join(f" {_cell(result.ratios[name]):>{CELL}}" for name in self.others)
        own = figure(result.seconds[OURS] * 1e6)
        return "\n".join([*lines, f"  {result.row.name:{NAME - 2}}{own:>{OWN}}{cells}"])

    def summary(self) -> str:
        """What stands below the rows."""
        means = (self.mean(name) for name in self.others)
        cells = "".join(f" {factor(mean) + ' ' * 10 if mean else '-':>{CELL}}" for mean in means)
        text = f"\n{'geometric mean':{NAME + OWN}}{cells}".rstrip()
        return f"{text}\n{_count(len(self.errors), 'row')} failed" if self.errors else text

    # ------------------------------------------------------------------------ files

    def as_dict(self) -> dict[str, Any]:
        """Facts, rows and means, ready for JSON."""
        rows = [
            {
                "group": each.row.group,
                "name": each.row.name,
                "seconds": each.seconds,
                "ratios": {name: ratio._asdict() for name, ratio in each.ratios.items()},
                "error": each.error,
            }
            for each in self.results
        ]
        return {**self.facts, "rows": rows, "means": {name: self.mean(name) for name in self.others}}

    def write_json(self, path: str | os.PathLike) -> None:
        write_text(path, json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n")

    def write_html(self, path: str | os.PathLike) -> None:
        write_text(path, self.page())

    def page(self) -> str:
        """A page with bars and tables, group by group."""
        groups: dict[str, list[Result]] = {}
        for each in self.results:
            groups.setdefault(each.row.group, []).append(each)
        sections = [("means", "Means", self._means())]
        for number, (group, results) in enumerate(groups.items()):
            content = self._bars(group, results) + self._table(f"figures{number}", group, results)
            sections.append((f"group{number}", group, content))
        facts = self.facts
        lead = f"{self._told()} {facts['machine']}, Python {facts['python']}, {facts['date']}."
        return page("tensorgrad bench", "What the kernels take, and others by them", lead, sections)

    def _means(self) -> str:
        said = [f"{TITLES[name]} {factor(mean)}" for name in self.others if (mean := self.mean(name))]
        failed = f"<p>{_count(len(self.errors), 'row')} failed.</p>" if self.errors else ""
        means = f"Geometric means: {', '.join(said)}." if said else "No row has a ratio."
        return f"<p>{escape(' '.join(LEGEND))} {means}</p>{failed}"

    def _table(self, name: str, group: str, results: list[Result]) -> str:
        titles = ["row", "kernels µs", *(f"{TITLES[each]}, range" for each in self.others)]
        rows = [
            [each.row.name, each.error, *("-" for _ in self.others)]
            if each.error is not None
            else [
                each.row.name,
                figure(each.seconds[OURS] * 1e6),
                *(_cell(each.ratios[other]) for other in self.others),
            ]
            for each in results
        ]
        return table(name, f"Figures of {group}", "Microseconds of the kernels, and ratios.", titles, rows)

    def _bars(self, group: str, results: list[Result]) -> str:
        """Bars of the ratios from 1, to the right where the kernels are ahead, on a logarithmic scale."""
        ratios = [ratio for each in results for ratio in each.ratios.values()]
        if not ratios:
            return ""
        low = math.log(min(1.0, *(each.low for each in ratios)))
        high = math.log(max(2.0, *(each.high for each in ratios)))

        def across(value: float) -> float:
            return LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

        parts, said, top = [], [], 18
        for each in results:
            told = []
            parts.append(f'<text x="0" y="{top + 11}">{escape(each.row.name)}</text>')
            for place, name in enumerate(self.others):
                if name not in each.ratios:
                    continue
                ratio = each.ratios[name]
                start, end = sorted((across(1.0), across(ratio.median)))
                kind = "bar other" if place else "bar"
                middle = top + BAR / 2 - 1
                parts.append(
                    f'<rect class="{kind}" x="{start:.1f}" y="{top}" width="{max(end - start, 0.5):.1f}" '
                    f'height="{BAR - 3}"/><line class="range" x1="{across(ratio.low):.1f}" y1="{middle}" '
                    f'x2="{across(ratio.high):.1f}" y2="{middle}"/>'
                    f'<text x="{WIDTH}" y="{top + 10}" text-anchor="end">{factor(ratio.median)}</text>'
                )
                told.append(f"{TITLES[name]} {factor(ratio.median)}")
                top += BAR
            said.append(f"{each.row.name}: {', '.join(told) or 'failed'}")
            top += 6 if told else BAR + 6
        key = ": " + ", below it ".join(TITLES[name] for name in self.others)
        label = f"{group}. {'; '.join(said)}."
        return (
            f"<figure><figcaption>Their time by ours, logarithmic{key}</figcaption>"
            f'<svg viewBox="0 0 {WIDTH} {top + 4}" role="img" aria-label="{escape(label)}">'
            f'<text x="{across(1.0):.1f}" y="11" text-anchor="middle">1</text>'
            f'<line class="axis" x1="{across(1.0):.1f}" y1="15" x2="{across(1.0):.1f}" y2="{top}"/>'
            f"{''.join(parts)}</svg></figure>"
        )


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
