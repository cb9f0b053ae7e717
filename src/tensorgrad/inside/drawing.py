"""The computational graph as a picture."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Size, Tensor

from .folding import folded
from .layout import lay_out
from .tape import (
    Step,
    leaves_of,
    listen,
    name_all,
    note_shapes,
    recorded,
    saved,
    short,
    tensors_around,
)  # fmt: skip

__all__ = ["Drawing", "draw"]

# Boxes that one takes in at a glance, beyond which modules that repeat others are folded; and that one still
# reads, beyond which other modules are.
FEW, MOST = 24, 48
KEEPS = "keeps"         # how a line begins that says what is kept for backward


def draw(result: Tensor, module: tg.nn.Module | None = None) -> Drawing:
    """The graph that ``result`` came from, as a picture that a notebook shows: parameters and other leaves
    with their shapes and gradients, ops with the shape of what they made and what they kept for backward.

    ``.save("graph.svg")`` writes it, ``.svg()``, ``.dot()`` and ``.mermaid()`` give it as text. Tensors are
    called as the caller's variables are. A large graph is folded by the modules whose parameters it uses:
    those of ``module``, or of the modules among the caller's variables. For the shapes a backward runs, hooks
    and all, which touches no ``.grad``; none does where an earlier one let the saved tensors go.

    Raises RuntimeError where nothing was recorded.

    >>> w = tg.ones(2, requires_grad=True)
    >>> print(tg.draw((w * 3).sum()).mermaid())
    flowchart TD
        n0["w<br>[2]"]:::leaf
        n1["mul<br>3<br>[2]"]
        n2["sum"]
        n3["result"]:::result
        n0 --> n1
        n1 --> n2
        n2 --> n3
        classDef leaf fill:#d9f0d3
        classDef module fill:#e6e0f3
        classDef result fill:#fde0c5
    """
    if not isinstance(result, Tensor):
        raise TypeError(f"draw(): argument 'result' must be Tensor, not {type(result).__name__}")
    around = list(tensors_around(sys._getframe(1)))
    if module is not None:
        around = [*module.named_parameters(), *around]
    sketch = Sketch(result, around)
    weight = None if result.numel() == 1 else tg.ones_like(result)
    leaves = leaves_of(sketch.steps)
    try:
        tg.autograd.grad(result, leaves, weight, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "second time" not in str(error):         # else shapes stay unknown
            sketch.end()
            raise
    return sketch.drawing()


@dataclass
class Box:
    """A node of the picture: its text, its kind (op, leaf, module or result), which nodes it shows."""

    kind: str
    lines: list[str]
    note: str = ""              # shown where the pointer rests
    size: int = 0               # of a leaf: its elements
    moves: bool = False         # an op that computes nothing


class Sketch:
    """A graph before its backward: what it keeps is there, and shapes are noted as gradients pass.

    ``around`` has names of tensors. Nothing of it may be kept longer than the graph itself.
    """

    def __init__(self, result: Tensor, around: list[tuple[str, Tensor]]) -> None:
        self.result = result
        self.steps = recorded(result)
        self.names = name_all(result, self.steps, around, "result")
        self.kept = {id(step): _kept(step) for step in self.steps}
        self.handles = listen(self.steps, note_shapes)

    def end(self) -> None:
        """Notes no more shapes."""
        for handle in self.handles:
            handle.remove()

    def drawing(self) -> Drawing:
        """The picture, as far as a backward has gone."""
        self.end()
        boxes: list[Box] = []
        edges: list[tuple[int, int]] = []
        at: dict[int, int] = {}
        for leaf in leaves_of(self.steps):
            at[id(leaf)] = len(boxes)
            lines = [self.names[id(leaf)], shape_text(leaf.shape)]
            if leaf.grad is not None:
                lines.append(f"grad {leaf.grad.double().norm().item():.3g}")
            boxes.append(Box("leaf", [line for line in lines if line], size=leaf.numel()))
        for step in reversed(self.steps):
            at[id(step)] = len(boxes)
            for source in step.sources:
                origin = source.step if source.step is not None else source.leaf
                if origin is not None:
                    edges.append((at[id(origin)], at[id(step)]))
            moves = step.op is not None and step.op.kind_name == "view"
            kept = self.kept[id(step)]
            boxes.append(Box("op", _op_lines(step, kept), note=_note(step, kept), moves=moves))
        title = self.steps[0].names[self.result.output_nr]
        boxes.append(Box("result", [title, *filter(None, [shape_text(self.result.shape)])]))
        edges.append((at[id(self.steps[0])], len(boxes) - 1))
        edges = list(dict.fromkeys(edges))
        return Drawing(*((boxes, edges) if len(boxes) <= FEW else folded(boxes, edges, MOST)))


def _kept(step: Step) -> list[tuple[str, Size]]:
    """What was kept of a step for its backward, by its shape."""
    names = () if step.op is None else (*step.op.tensor_params, "output")
    found = [(name, saved(step, name)) for name in names]
    return [(name, tensor.shape) for name, tensor in found if isinstance(tensor, Tensor)]


def _op_lines(step: Step, kept: list[tuple[str, Size]]) -> list[str]:
    lines = [step.title]
    if step.op is not None:
        given = [step.node._settings[name] for name in step.op.tensor_params]
        numbers = [value for value in given if isinstance(value, (int, float))]
        settings = [f"{name}={short(value)}" for name, value in step.settings().items()]
        if numbers or settings:
            lines.append(short(", ".join([*map(short, numbers), *settings])))
    if step.shapes and step.shapes[0]:
        lines.append(", ".join(shape_text(shape) for shape in step.shapes))
    if kept:
        lines.append(f"{KEEPS} {', '.join(name for name, _ in kept)}")
    return lines


def _note(step: Step, kept: list[tuple[str, Size]]) -> str:
    """What was kept for backward with its shapes, and the user's line."""
    text = ", ".join(f"{name} {shape_text(shape) or 'scalar'}" for name, shape in kept)
    notes = [step.node.name(), f"{KEEPS} {text}" if text else f"{KEEPS} nothing"]
    return "; ".join(notes + ([f"{step.line[0]}: {step.line[1]}"] if step.line else []))


def shape_text(shape: Size) -> str:
    return str(list(shape)) if shape else ""


# ---------------------------------------------------------------------------- as text

COLOURS = {"op": "#ffffff", "leaf": "#d9f0d3", "module": "#e6e0f3", "result": "#fde0c5"}
MEANINGS = {
    "leaf": "parameter or other leaf", "op": "op: what it gives, what it keeps", "module": "ops of a module",
    "result": "result",
}  # fmt: skip
LINE, CHARACTER, BOLD, MARGIN = 15, 6.4, 7.6, 16        # of the type, 12 px


class Drawing:
    """A graph as boxes and arrows; a notebook shows it.

    >>> drawing = tg.draw(tg.ones(1, requires_grad=True) * 2)
    >>> drawing._repr_svg_().startswith("<svg")
    True
    """

    def __init__(self, boxes: list[Box], edges: list[tuple[int, int]]) -> None:
        self.boxes, self.edges = boxes, edges

    def __repr__(self) -> str:
        return f"<Drawing of {len(self.boxes)} boxes: save() writes it, svg(), dot() and mermaid() give it>"

    def _repr_svg_(self) -> str:
        return self.svg()

    def save(self, path: str | Path) -> None:
        """Writes a file, as ``.svg``, ``.dot`` or ``.mmd`` (Mermaid) by its ending."""
        kinds: dict[str, Any] = {".svg": self.svg, ".dot": self.dot, ".gv": self.dot, ".mmd": self.mermaid}
        kind = Path(path).suffix
        if kind not in kinds:
            raise ValueError(f"save(): no format for {str(path)!r}; it may end in {', '.join(kinds)}")
        Path(path).write_text(kinds[kind](), encoding="utf-8")

    def mermaid(self) -> str:
        """As a Mermaid flowchart."""
        lines = ["flowchart TD"]
        for i, box in enumerate(self.boxes):
            text = "<br>".join(box.lines).replace('"', "#quot;")
            lines.append(f'    n{i}["{text}"]' + ("" if box.kind == "op" else f":::{box.kind}"))
        lines += [f"    n{source} --> n{target}" for source, target in self.edges]
        lines += [f"    classDef {kind} fill:{colour}" for kind, colour in COLOURS.items() if kind != "op"]
        return "\n".join(lines)

    def dot(self) -> str:
        """As a graph for Graphviz."""
        lines = ["digraph {", '    node [shape=box, style="rounded,filled", fontname="sans-serif"]']
        for i, box in enumerate(self.boxes):
            text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in box.lines)
            lines.append(f'    n{i} [label="{text}", fillcolor="{COLOURS[box.kind]}"]')
        return "\n".join([*lines, *(f"    n{source} -> n{target}" for source, target in self.edges), "}"])

    def svg(self) -> str:
        """As a picture."""
        sizes = [(_width(box), 12.0 + LINE * len(box.lines)) for box in self.boxes]
        places, routes, (width, height) = lay_out(sizes, self.edges)
        kinds = [kind for kind in MEANINGS if any(box.kind == kind for box in self.boxes)]
        legend = round(height) + MARGIN
        texts = (24 + CHARACTER * len(MEANINGS[kind]) for kind in kinds)
        wide = round(max(width, *texts)) + 2 * MARGIN
        tall = legend + LINE * len(kinds) + 2 * MARGIN
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} {wide} {tall}" '
            f'width="{wide}" height="{tall}" font-family="Helvetica, Arial, sans-serif" '
            'font-size="12" role="img">',
            "<title>Computational graph</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0,0.5 L8,4 L0,7.5 z" fill="#667"/></marker></defs>',
            f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{wide}" height="{tall}" fill="#fff"/>',
            '<g fill="none" stroke="#667" stroke-width="1.2">',
        ]
        for route in routes:
            x, y = route[0].x, route[0].y + route[0].height / 2
            path = f"M{x:.1f},{y:.1f}"
            for place in route[1:]:
                top = place.y - place.height / 2
                half = f"{(y + top) / 2:.1f}"
                path += f" C{x:.1f},{half} {place.x:.1f},{half} {place.x:.1f},{top:.1f}"
                x, y = place.x, place.y + place.height / 2
            lines.append(f'<path d="{path}" marker-end="url(#tip)"/>')
        lines.append('</g><g stroke="#445">')
        for box, place in zip(self.boxes, places):
            left, top = place.x - place.width / 2, place.y - place.height / 2
            round_ = 3 if box.kind == "leaf" else 9
            lines.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" '
                f'rx="{round_}" fill="{COLOURS[box.kind]}">'
                f"<title>{escape(box.note or box.lines[0])}</title></rect>"
            )
        lines.append('</g><g text-anchor="middle" fill="#223" pointer-events="none">')
        for box, place in zip(self.boxes, places):
            top = place.y - LINE * (len(box.lines) - 1) / 2 + 4
            for i, line in enumerate(box.lines):
                style = ' font-weight="bold"' if i == 0 else ' fill="#556" font-size="11"'
                lines.append(f'<text x="{place.x:.1f}" y="{top + i * LINE:.1f}"{style}>{escape(line)}</text>')
        lines.append('</g><g fill="#556" font-size="11">')
        for i, kind in enumerate(kinds):
            top = legend + LINE * i
            lines.append(
                f'<rect x="0" y="{top}" width="16" height="10" fill="{COLOURS[kind]}" stroke="#445"/>'
                f'<text x="24" y="{top + 9}">{MEANINGS[kind]}</text>'
            )
        return "\n".join([*lines, "</g></svg>"])


def _width(box: Box) -> float:
    return 20 + max(BOLD * len(box.lines[0]), *[CHARACTER * len(line) for line in box.lines])
