"""What was recorded, as a list of steps: the op of each, what it was called on, and where that came from."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import tensorgrad as tg
from tensorgrad.core import AccumulateGrad, Size, Tensor

PACKAGE = str(Path(tg.__file__).parent)
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@", "_product": "@"}


@dataclass
class Source:
    """An input of a step: the parameter it was passed for, and what made it."""

    parameter: str
    step: Step | None           # None of a leaf, and of a constant
    number: int                 # which output of the step
    leaf: Tensor | None


@dataclass
class Step:
    """One node of the tape."""

    node: Any
    sources: list[Source] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)     # of its outputs
    grads: list[Tensor | None] = field(default_factory=list)        # of its outputs, where they are known
    passed: list[Tensor | None] = field(default_factory=list)       # and what it made of them, by source
    shapes: list[Size] = field(default_factory=list)                # of those that are there

    @property
    def op(self) -> Any:
        return self.node._op

    @property
    def title(self) -> str:
        """The op's name as users know it."""
        if self.op is None:
            return self.node.name().removesuffix("Backward")
        return self.op.__name__.lstrip("_")

    @property
    def line(self) -> tuple[str, str] | None:
        """File and number of the user's line that made it, and its text, where these were remembered: by
        anomaly detection, the trap for NaN, or the doctor.
        """
        for entry in reversed(self.node.metadata.get("traceback_", ())):
            place, _, text = entry.strip().partition("\n")
            file, number, *_ = place.removeprefix("File ").split(", ")
            if not file.strip('"').startswith(PACKAGE):
                return f"{Path(file.strip(chr(34))).name}:{number.removeprefix('line ')}", text.strip()
        if self.node._place is not None:
            file, line, _ = self.node._place
            return f"{Path(file).name}:{line}", linecache.getline(file, line).strip()
        return None

    def settings(self) -> dict[str, Any]:
        """The arguments that are no tensors and not what they are by default."""
        if self.op is None:
            return {}
        defaults = dict(zip(self.op.params, self.op.defaults))
        return {
            name: value
            for name, value in self.node._settings.items()
            if name not in self.op.tensor_params and value is not None and value != defaults[name]
            and not (name == "dim" and self.over_all)
        }

    @property
    def over_all(self) -> bool:
        """Whether it is a reduction of all elements, which the tape keeps as one over all dimensions."""
        return self.op.kind_name == "reduction" and not any(self.shapes)


def sources_of(node: Any) -> list[tuple[str, Any, int]]:
    """The parameters that a gradient can go to, with the nodes that they came from."""
    found = node.next_functions
    op = node._op
    if op is None:
        names = [f"input {i}" for i in range(len(found))]
    else:
        names = [
            name
            for name, formula in zip(op.tensor_params, op.formulas)
            if formula is not None or op.kind_name == "composite"
        ]
        if len(names) == 1 and len(found) > 1:
            names = [f"{names[0]}[{i}]" for i in range(len(found))]
    return [(name, source, number) for name, (source, number) in zip(names, found)]


def recorded(root: Tensor) -> list[Step]:
    """The steps that a tensor came from, each before those it is made of."""
    first = root.grad_fn
    if first is None:
        raise RuntimeError(
            "nothing was recorded: this tensor is a leaf, or was computed under no_grad(), or of nothing "
            "that requires a gradient"
        )
    steps: dict[Any, Step] = {first: Step(first)}
    left = [first]
    uses: dict[Any, int] = {}
    while left:
        node = left.pop()
        for name, source, number in sources_of(node):
            leaf = source.variable if isinstance(source, AccumulateGrad) else None
            if source is not None and leaf is None:
                if source not in steps:
                    steps[source] = Step(source)
                    left.append(source)
                uses[source] = uses.get(source, 0) + 1
            steps[node].sources.append(
                Source(name, steps[source] if source is not None and leaf is None else None, number, leaf)
            )
    order, ready = [], [steps[first]]
    while ready:
        step = ready.pop()
        order.append(step)
        for each in step.sources:
            if each.step is not None:
                uses[each.step.node] -= 1
                if not uses[each.step.node]:
                    ready.append(each.step)
    return order


def leaves_of(steps: list[Step]) -> list[Tensor]:
    """The leaves that steps came from, each once, the ones nearest to the first op first."""
    found = {id(s.leaf): s.leaf for step in reversed(steps) for s in step.sources if s.leaf is not None}
    return list(found.values())


def note_shapes(step: Step, inputs: tuple, outputs: tuple) -> None:
    """What a step gave, as the gradients say that arrive there."""
    step.shapes = [g.shape for g in outputs if g is not None]


def listen(steps: list[Step], note: Callable[[Step, tuple, tuple], None]) -> list[Any]:
    """Has ``note`` told of every step that a backward takes: what it passes on, and what arrived. Gives what
    ends that.
    """
    return [step.node.register_hook(functools.partial(note, step)) for step in steps]


def measure(root: Tensor, steps: list[Step], weight: Tensor | None = None) -> dict[int, Tensor]:
    """Runs a backward that changes nothing, and notes what passes each step. Gives the gradients of leaves by
    id.
    """
    leaves = leaves_of(steps)

    def note(step: Step, inputs: tuple, outputs: tuple) -> None:
        step.passed, step.grads = list(inputs), list(outputs)
        note_shapes(step, inputs, outputs)

    handles = listen(steps, note)
    try:
        found = tg.autograd.grad(root, leaves, weight, retain_graph=True, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return {id(leaf): g for leaf, g in zip(leaves, found) if g is not None}


# ---------------------------------------------------------------------------- names


def tensors_around(frame: FrameType | None) -> Iterator[tuple[str, Tensor]]:
    """The tensors that a frame's variables hold, with how one would write them: of modules the parameters
    first.
    """
    if frame is None:
        return
    variables = {**frame.f_globals, **frame.f_locals}
    plain = {name: value for name, value in variables.items() if not name.startswith("_")}
    for name, value in plain.items():
        if isinstance(value, tg.nn.Module):
            yield from ((f"{name}.{path}", p) for path, p in value.named_parameters())
    for name, value in plain.items():
        if isinstance(value, Tensor):
            yield name, value


def key_of(tensor: Tensor) -> tuple[int, int]:
    """What tells a tensor on the tape from others: the node that made it and which output it is, or
    itself.
    """
    node = tensor.grad_fn
    return (id(tensor), 0) if node is None else (id(node), tensor.output_nr)


def name_all(root: Tensor, steps: list[Step], around: list[tuple[str, Tensor]], title: str) -> dict[int, str]:
    """Gives every output of the steps a name: that of the variable which holds it, else t1, t2, ... in the
    order of the ops. Gives the names of leaves by id.
    """
    known: dict[tuple[int, int], str] = {}
    for name, tensor in around:
        known.setdefault(key_of(tensor), name)
    known.setdefault(key_of(root), title)
    taken = set(known.values())
    count = 0

    def fresh(letter: str) -> str:
        nonlocal count
        count += 1
        while f"{letter}{count}" in taken:
            count += 1
        return f"{letter}{count}"

    wanted: dict[int, set[int]] = {id(steps[0].node): {root.output_nr}}
    for step in steps:
        for source in step.sources:
            if source.step is not None:
                wanted.setdefault(id(source.step.node), set()).add(source.number)
    for step in reversed(steps):
        for number in sorted(wanted[id(step.node)]):
            step.names[number] = known.get((id(step.node), number)) or fresh("t")
    count = 0
    return {id(leaf): known.get((id(leaf), 0)) or fresh("leaf") for leaf in leaves_of(steps)}


def written(step: Step, leaf_names: dict[int, str], others: dict[int, str]) -> str:
    """The step as one would write it: ``t1 @ w``. ``others`` names constants by the id of a tensor."""
    operands = {s.parameter: name_of(s, leaf_names) for s in step.sources if s.step or s.leaf is not None}
    if step.op is None:
        return f"{step.title}({', '.join(operands.values())})"
    texts = []
    values = step.node._settings
    for name in step.op.tensor_params:
        several = [text for each, text in operands.items() if each.startswith(f"{name}[")]
        if several:
            texts.append(f"[{', '.join(several)}]")
        elif name in operands:
            texts.append(operands[name])
        elif isinstance(values.get(name), (int, float)):
            texts.append(f"{values[name]:g}")
        else:
            kept = saved(step, name)
            if kept is not None or step.op.defaults[step.op.params.index(name)] is not None:
                texts.append(others.get(id(kept), "constant" if name in ("input", "other") else name))
    if step.op.__name__ in OPERATORS and len(texts) == 2:
        return f"{texts[0]} {OPERATORS[step.op.__name__]} {texts[1]}"
    texts += [f"{name}={short(value)}" for name, value in step.settings().items()]
    return f"{step.title}({', '.join(texts)})"


def name_of(source: Source, leaf_names: dict[int, str]) -> str:
    if source.step is not None:
        return source.step.names[source.number]
    return leaf_names[id(source.leaf)] if source.leaf is not None else source.parameter


def saved(step: Step, parameter: Any) -> Tensor | None:
    """The tensor that was kept of an argument or output, if one was and is still there."""
    try:
        return step.node._kept.get(parameter)
    except RuntimeError:            # a backward let it go, or it was changed since
        return None


def short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 30 else text[:27] + "..."
