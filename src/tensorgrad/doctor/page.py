"""The report as one page that needs nothing else: findings, the loss, charts by layer, the source with
marked lines.
"""

from __future__ import annotations

import linecache
import os
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from tensorgrad.doctor.reports import COLUMNS, figure
from tensorgrad.doctor.rules import Finding
from tensorgrad.inside.pages import page, table

if TYPE_CHECKING:
    from tensorgrad.doctor.reports import Report

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 200, 62, 26
POINTS = 300  # of a curve; more would only be drawn on top of each other
BOXES = 400  # of a graph; more take seconds to lay out, and nobody reads them


def page_of(report: Report) -> str:
    """The page, as HTML."""
    title = os.path.basename(report.script) if report.script else "a run"
    counts = [sum(each.severity == kind for each in report.findings) for kind in ("error", "warning", "info")]
    summary = f"{_many(counts[0], 'error')}, {_many(counts[1], 'warning')}, {_many(counts[2], 'remark')}"
    log = report.log
    return page(
        f"{title}: {summary}",
        f"What the doctor saw of {title}",
        f"{summary}. {log.steps} steps, {log.walks} backward passes, {log.looks} steps looked at closely.",
        [
            ("findings", "Findings", _findings(report)),
            ("loss", "Loss", _losses(report)),
            ("layers", "Layers", _table(report) + _layers(report)),
            ("graph", "Graph", _graph(report)),
            ("source", "Source", _sources(report)),
        ],
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _anchor(finding: Finding, files: list[str]) -> str:
    return f"file{files.index(finding.place.file)}-{finding.place.line}" if finding.place else ""


def _files(report: Report) -> list[str]:
    """The files that are shown: those of findings."""
    return sorted({each.place.file for each in report.findings if each.place is not None})


def _findings(report: Report) -> str:
    files = _files(report)
    if not report.findings:
        return "<p>None.</p>"
    parts = []
    for each in report.findings:
        where = ""
        if each.place is not None:
            name = f"{escape(os.path.basename(each.place.file))}, line {each.place.line}"
            where = f' at <a href="#{_anchor(each, files)}">{name}</a>'
        module = f" ({escape(each.module)})" if each.module else ""
        parts.append(
            f'<article class="{each.severity}"><h3><span class="kind">{each.severity}</span> {each.code}'
            f"{where}{module}</h3><p>{escape(each.message)}</p><p>{escape(each.why)}</p>"
            f"<p><strong>To do:</strong> {escape(each.remedy)}</p></article>"
        )
    return "\n".join(parts)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = max(1, len(points) // POINTS)
    return points[::step]


def chart(title: str, points: list[tuple[float, float]], log: bool = False) -> str:
    """A curve with its two axes, and a sentence for who cannot see it; nothing where there is no curve."""
    points = [(x, y) for x, y in points if np.isfinite(y) and (y > 0 or not log)]
    if len(points) < 2:
        return ""
    xs, ys = np.array([x for x, _ in points]), np.array([y for _, y in points], np.float64)
    said = f"from {ys[0]:.3g} to {ys[-1]:.3g}, lowest {ys.min():.3g}, highest {ys.max():.3g}"
    heights = np.log10(ys) if log else ys
    low, high = float(heights.min()), float(heights.max())
    high = high if high > low else low + 1.0
    right = float(xs.max()) if xs.max() > xs.min() else float(xs.min()) + 1.0
    across = LEFT + (xs - xs.min()) / (right - xs.min()) * (WIDTH - LEFT - 10)
    down = HEIGHT - BOTTOM - (heights - low) / (high - low) * (HEIGHT - BOTTOM - 12)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in _thinned(list(zip(across.tolist(), down.tolist()))))
    base = HEIGHT - BOTTOM
    top, bottom = (f"{10**each:.2g}" if log else f"{each:.3g}" for each in (high, low))
    scale = ", logarithmic" if log else ""
    return (
        f"<figure><figcaption>{escape(title)}{scale}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}: {said}.">'
        f'<line class="axis" x1="{LEFT}" y1="8" x2="{LEFT}" y2="{base}"/>'
        f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH - 10}" y2="{base}"/>'
        f'<text x="{LEFT - 6}" y="18" text-anchor="end">{top}</text>'
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">{bottom}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">step {xs.min():.0f}</text>'
        f'<text x="{WIDTH - 10}" y="{HEIGHT - 8}" text-anchor="end">{xs.max():.0f}</text>'
        f'<polyline class="curve" points="{path}"/></svg></figure>'
    )


def _losses(report: Report) -> str:
    parts = []
    for site in report.log.walk_sites.values():
        where = f"line {site.place.line}" if site.place else "elsewhere"
        parts.append(chart(f"Loss of backward() at {where}", list(zip(site.steps, site.losses))))
    return "\n".join(parts) or "<p>No loss went backward.</p>"


def _table(report: Report) -> str:
    rows = report.rows()
    if not rows:
        return "<p>No layer was seen to learn.</p>"
    about = (
        "The middle of all looks: mean, spread and rank of what came out, share of units asleep, norm of the "
        "gradient, its signal to noise, size of a step by the size of the weights."
    )
    cells = ([row["layer"], *(figure(row.get(key), key) for key in COLUMNS)] for row in rows)
    return table("figures", "Figures by layer", about, ["layer", *COLUMNS.values()], cells)


def _layers(report: Report) -> str:
    parts = []
    for layer in report.log.layers:
        if not layer.grads or not layer.is_weight:
            continue
        inside = chart("Norm of the gradient", list(enumerate(layer.grads)), log=True)
        inside += chart("Size of a step by size of the weights", list(enumerate(layer.ratios)), log=True)
        inside += chart("Norm of the weights", list(enumerate(layer.norms)))
        if inside:
            parts.append(f"<details><summary>{escape(layer.name)}, {layer.shape}</summary>{inside}</details>")
    return "\n".join(parts)


def _graph(report: Report) -> str:
    drawing = report.log.graph
    if drawing is None:
        return "<p>No loss with a way back to parameters was seen.</p>"
    if len(drawing.boxes) > BOXES:
        return f"<p>It has {len(drawing.boxes)} boxes, too many for a picture.</p>"
    below: list[list[str]] = [[] for _ in drawing.boxes]
    for source, target in drawing.edges:
        below[source].append(str(target + 1))
    items = (
        escape(", ".join(box.lines)) + (f"; goes into {', '.join(into)}" if into else "")
        for box, into in zip(drawing.boxes, below)
    )
    return (
        "<p>What the first loss that went backward was computed of, read from above: shapes, what each op "
        "keeps for backward, and the norms of the gradients that arrived.</p>"
        '<div class="wide drawing" tabindex="0" role="region" aria-label="Picture of the graph">'
        f"{drawing.svg()}</div><details><summary>The graph as a list</summary><ol>"
        f"{''.join(f'<li>{item}</li>' for item in items)}</ol></details>"
    )


def _sources(report: Report) -> str:
    files = _files(report)
    if not files:
        return "<p>No finding names a line.</p>"
    parts = []
    for number, file in enumerate(files):
        told: dict[int, list[str]] = {}
        for each in report.findings:
            if each.place is not None and each.place.file == file:
                told.setdefault(each.place.line, []).append(each.code)
        rows = []
        for line, text in enumerate(linecache.getlines(file), start=1):
            text = escape(text.rstrip("\n")) or " "
            if line in told:
                codes = ", ".join(told[line])
                text = f'<mark id="file{number}-{line}" tabindex="-1">{text} <small>({codes})</small></mark>'
            rows.append(f"<li>{text}</li>")
        name = escape(os.path.basename(file))
        parts.append(
            f'<h3>{name}</h3><div class="wide" tabindex="0" role="region" aria-label="Source of {name}">'
            f"<pre><ol>{''.join(rows)}</ol></pre></div>"
        )
    return "\n".join(parts)
