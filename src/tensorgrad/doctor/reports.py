"""The report: findings and figures by layer, as text, JSON or a page."""

from __future__ import annotations

import json
import os
import textwrap
from typing import Any

import numpy as np

from tensorgrad.doctor.places import source_line
from tensorgrad.doctor.recording import Log
from tensorgrad.doctor.rules import Finding, diagnose
from tensorgrad.io.files import write_text

WIDTH = 80  # of a terminal
COLUMNS = {  # of the table by layer: what rows call them, and their titles
    "mean": "mean", "spread": "spread", "rank": "rank", "asleep": "asleep", "gradient": "gradient",
    "signal": "signal/noise", "step": "step/weight",
}  # fmt: skip


class Report:
    """What was seen of a run.

    `findings` are sorted, errors first; `ok` says that there is no error among them. It prints as the text
    for a terminal.

    >>> report = tg.doctor.Report()
    >>> report.ok, report.findings
    (True, [])
    """

    def __init__(self, log: Log | None = None, script: str | None = None) -> None:
        self.log = log or Log()
        self.script = script
        self.findings: list[Finding] = diagnose(self.log) if log is not None else []

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(each.severity == "error" for each in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The findings, ready for JSON."""
        return {"findings": [each.as_dict() for each in self.findings]}

    def write_json(self, path: str | os.PathLike) -> None:
        """Writes the findings into a file."""
        write_text(path, json.dumps(_plain(self.as_dict()), indent=1, allow_nan=False) + "\n")

    def write_html(self, path: str | os.PathLike) -> None:
        """Writes a page to look at, which needs no network."""
        from tensorgrad.doctor.page import page_of

        write_text(path, page_of(self))

    def rows(self) -> list[dict[str, Any]]:
        """Figures by layer: mean and spread of what came out, share asleep, norm of the gradient, size of a
        step.
        """
        asleep = {}
        for site in self.log.sites.values():
            if site.kind == "relu" and site.weight >= 0:
                asleep[_module_of(self.log.layers[site.weight].name)] = site.asleep()
        found: dict[str, dict[str, Any]] = {}
        for name, seen in self.log.table.items():
            means, spreads = [each[1] for each in seen], [each[2] for each in seen]
            ranks = self.log.ranks.get(name, [])
            found[name] = {"mean": _middle(means), "spread": _middle(spreads), "rank": _middle(ranks)}
        for layer in self.log.layers:
            name = _module_of(layer.name)
            if name in found and layer.grads:
                row = found[name]
                row["gradient"] = float(np.hypot(row.get("gradient", 0.0), _middle(layer.grads)))
                if layer.is_weight:
                    row["step"] = _middle(layer.ratios)
                    if layer.count > 4:
                        row["signal"] = _signal(layer)
        learned = {name: row for name, row in found.items() if "gradient" in row}
        return [{"layer": name, "asleep": asleep.get(name), **row} for name, row in learned.items()]

    def __str__(self) -> str:
        return "\n".join([*self._table(), *self._findings(), *self._troubles()])

    __repr__ = __str__  # what a notebook shows

    def _table(self) -> list[str]:
        rows = self.rows()
        log = self.log
        lines = [f"{log.steps} steps, {log.walks} backward passes, {log.looks} steps looked at closely"]
        if not rows:
            return lines
        titles = ["layer", *COLUMNS.values()]
        cells = [[row["layer"], *(figure(row.get(key), key) for key in COLUMNS)] for row in rows]
        widths = [max(len(line[i]) for line in [titles, *cells]) for i in range(len(titles))]
        widths[0] = min(widths[0], max(8, WIDTH - sum(each + 2 for each in widths[1:])))
        for line in [titles, *cells]:
            rest = (text.rjust(width) for text, width in zip(line[1:], widths[1:]))
            lines.append("  ".join([_end_of(line[0], widths[0]).ljust(widths[0]), *rest]))
        return lines

    def _troubles(self) -> list[str]:
        """What the doctor itself could not do, so that something may be missing above."""
        return ["", *(f"The doctor: {each}" for each in self.log.troubles)] if self.log.troubles else []

    def _findings(self) -> list[str]:
        if not self.findings:
            return ["", "No findings."]
        lines = []
        for each in self.findings:
            where = f"{os.path.basename(each.place.file)}:{each.place.line}" if each.place else "the run"
            module = f", {each.module}" if each.module else ""
            lines += ["", f"{each.severity.upper()} {each.code} at {where}{module}"]
            if each.place is not None and (text := source_line(each.place)):
                lines.append("    " + textwrap.shorten(f"> {text}", WIDTH - 4, placeholder=" ..."))
            for text in (each.message, each.why, "To do: " + each.remedy):
                lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")
        return lines


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: these become text."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (np.floating, np.integer)):
        value = value.item()
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def _module_of(name: str) -> str:
    return name.rpartition(".")[0] or name


def _middle(values: list[float]) -> float:
    finite = [each for each in values if np.isfinite(each)]
    return float(np.median(finite)) if finite else float("nan")


def _signal(layer: Any) -> float:
    from tensorgrad.doctor.measures import signal_to_noise

    return signal_to_noise(layer.sketches)


def _end_of(name: str, width: int) -> str:
    """A path within so many letters; its end says most."""
    return name if len(name) <= width else "..." + name[3 - width :]


def figure(value: float | None, column: str) -> str:
    """A cell of the table."""
    if value is None or not np.isfinite(value):
        return "-"
    return f"{100 * value:.0f} %" if column == "asleep" else f"{value:.3g}"
