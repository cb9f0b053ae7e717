"""The chain rule along a tape, in words and numbers."""

from __future__ import annotations

import math
import sys
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor

from .formulas import text_of
from .tape import (
    Source,
    Step,
    leaves_of,
    measure,
    name_all,
    name_of,
    recorded,
    saved,
    tensors_around,
    written,
)  # fmt: skip

__all__ = ["explain"]

LARGE = 10.0        # a step that changes the norm so much: seven of them use up float32's digits
SPREAD = 1e3        # leaves that far apart: what moves one leaves the other as good as where it is


def explain(result: Tensor) -> None:
    """Prints the chain rule from ``result``, a scalar, back to the leaves: each op as it was called, each
    factor with its formula, shape and norm, and where the gradient shrinks, explodes or is cut off.

    Of scalars the numbers themselves are shown. Tensors are called as the caller's variables are. The lines
    where ops were called are told where the forward pass had them remembered, inside of
    ``tensorgrad.autograd.detect_anomaly()``, ``trap_nan()`` or ``doctor.watch()``. A backward runs for it,
    hooks and all, but touches no ``.grad`` and keeps the graph.

    Raises RuntimeError where nothing was recorded, or a backward has let the saved tensors go.

    >>> x = tg.tensor(1.0, requires_grad=True)
    >>> z = tg.exp(x ** 2)
    >>> tg.explain(z)
    z = exp(t1) = 2.71828
        dz/dt1 = z = 2.71828
    t1 = x ** 2 = 1
        dz/dx = dz/dt1 * 2 * x = 2.71828 * 2 = 5.43656
    <BLANKLINE>
    What arrives
        x    5.43656
    """
    if not isinstance(result, Tensor):
        raise TypeError(f"explain(): argument 'result' must be Tensor, not {type(result).__name__}")
    around = list(tensors_around(sys._getframe(1)))
    print("\n".join(Explanation(result, around).lines()))


class Explanation:
    """What `explain` prints."""

    def __init__(self, result: Tensor, around: list[tuple[str, Tensor]]) -> None:
        self.result = result
        self.around = around
        self.steps = recorded(result)
        self.leaf_names = name_all(result, self.steps, around, "result")
        self.arrived = measure(result, self.steps)
        self.constants = {id(tensor): name for name, tensor in reversed(around)}
        self.title = self.steps[0].names[result.output_nr]
        self.remarks: list[str] = []
        self.numbers: dict[int, float | None] = {}
        for step in reversed(self.steps):           # each after those that it is computed of
            self.numbers[id(step)] = self.number(step)

    def lines(self) -> list[str]:
        found = []
        for step in self.steps:
            found += self.step(step)
        found += ["", "What arrives", *self.leaves()]
        remarks = list(dict.fromkeys([*self.remarks, *self.spread(), *self.cut()]))
        if remarks:
            found += ["", "To notice", *(f"  - {remark}" for remark in remarks)]
        return found

    def step(self, step: Step) -> list[str]:
        """One op, and below it what it passes on."""
        names = ", ".join(step.names[i] for i in sorted(step.names))
        head = f"{names} = {written(step, self.leaf_names, self.constants)}"
        value = self.numbers[id(step)]
        if value is not None:
            head += f" = {digits(value)}"
        if step.line is not None:
            head += f"        {step.line[0]}: {step.line[1]}"
        lines = [head]
        for source, g in zip(step.sources, step.passed):
            if g is not None and (source.step is not None or source.leaf is not None):
                lines.append("    " + self.factor(step, source, g))
        return lines

    def factor(self, step: Step, source: Source, g: Tensor) -> str:
        """What one input gets."""
        name = name_of(source, self.leaf_names)
        text = f"d{self.title}/d{name} = {self.formula(step, source)}"
        outer = [each for each in step.grads if each is not None]
        before, after = math.hypot(*map(norm, outer)), norm(g)
        scalar = g.numel() == 1 and all(each.numel() == 1 for each in outer)
        if scalar:
            value = g.item()
            if before and step is not self.steps[0]:
                text += f" = {digits(outer[0].item())} * {digits(value / outer[0].item())}"
            text += f" = {digits(value)}"
        else:
            text += f"    {list(g.shape)}, norm {digits(after)}"
            if before:
                text += f", {after / before:.3g} times what came"
        return text + self.remark(step, source, name, before, after)

    def remark(self, step: Step, source: Source, name: str, before: float, after: float) -> str:
        """What is wrong with a factor, which is said again at the end."""
        at = f"{step.title}, {step.line[0]}" if step.line else step.title
        if not math.isfinite(after):
            if not math.isfinite(before):
                return ""
            self.remarks.append(f"the gradient of {name} is not finite: it breaks in {at}")
            return "   <- NOT FINITE"
        if before and not after:
            self.remarks.append(f"nothing passes {at} on to {name}: every element of its gradient is zero")
            return "   <- ZERO"
        if not before or step is self.steps[0] and math.isclose(after, before):
            return ""
        if after * LARGE < before:
            self.remarks.append(f"the gradient of {name} shrinks to {after / before:.3g} of it in {at}")
            return "   <- SHRINKS"
        if after > LARGE * before:
            self.remarks.append(f"the gradient of {name} grows {after / before:.3g} times, in {at}")
            return "   <- EXPLODES"
        return ""

    def formula(self, step: Step, source: Source) -> str:
        """The declared formula with the names of this call in it."""
        op = step.op
        arriving = f"d{self.title}/d{step.names[min(step.names)]}"
        if op is None:
            return f"{step.title}.backward({arriving})"
        parameter = source.parameter.partition("[")[0]
        formula = op.formulas[op.tensor_params.index(parameter)] if op.formulas else None
        if formula is None:
            through = f"{arriving} through {step.title}"
            return f"the slope of {step.title}" if step is self.steps[0] else through
        names = {"g": arriving, "output": step.names[min(step.names)]}
        for number, name in step.names.items():
            names |= {f"g_{number}": f"d{self.title}/d{name}", f"output_{number}": name}
        for each in step.sources:
            names[each.parameter] = name_of(each, self.leaf_names)
        for name in op.tensor_params:
            kept = saved(step, name)
            if name not in names or names[name] == name:
                names[name] = self.constants.get(id(kept), name)
        for name, value in step.node._settings.items():
            if value is not None and names.get(name, name) == name:
                names[name] = str(value)
        values = {**step.node._settings, **step.node._kept}
        for each, g in zip(step.sources, step.passed):
            if g is not None:
                names[f"{each.parameter}_shape"] = str(list(g.shape))
        text = text_of(formula, names, values)
        if step is self.steps[0]:                       # where dz/dz is 1
            text = text.removeprefix(f"{arriving} * ").removesuffix(f" * {arriving}")
        return text

    def number(self, step: Step) -> float | None:
        """What the step computed, if it is one number: as it was kept, or computed again."""
        if step is self.steps[0]:
            return self.result.item()
        if any(g is None or g.numel() != 1 for g in step.grads) or len(step.grads) != 1 or step.op is None:
            return None
        kept = saved(step, "output") if step.op.kind_name != "composite" else None
        if kept is not None and kept.numel() == 1:
            return kept.item()
        operands: dict[str, Any] = {name: saved(step, name) for name in step.op.tensor_params}
        for source in step.sources:
            value = source.leaf if source.leaf is not None else operands[source.parameter]
            if value is None and source.step is not None:
                inner = self.numbers[id(source.step)]
                value = None if inner is None else tg.tensor(inner, dtype=tg.float64)
            operands[source.parameter] = value
        known = {name: value for name, value in operands.items() if value is not None}
        values = {**step.node._settings, **known}
        if any(values[name] is None for name in step.op.tensor_params):
            return None
        with tg.no_grad():
            found = step.op.body(*values.values()) if step.op.kind_name == "composite" else step.op(**values)
        return found.item() if isinstance(found, Tensor) and found.numel() == 1 else None

    def leaves(self) -> list[str]:
        """What the leaves get."""
        rows = []
        for leaf in leaves_of(self.steps):
            g = self.arrived.get(id(leaf))
            name = self.leaf_names[id(leaf)]
            if g is None:
                rows.append((name, "", "nothing"))
            elif g.numel() == 1:
                rows.append((name, "", digits(g.item())))
            else:
                rows.append((name, str(list(g.shape)), f"norm {digits(norm(g))}"))
        wide = [max(len(row[i]) for row in rows) for i in (0, 1)]
        return [f"    {name:<{wide[0]}}  {shape:<{wide[1]}}  {text}".rstrip() for name, shape, text in rows]

    def spread(self) -> list[str]:
        """Leaves whose gradients are far apart."""
        norms = {self.leaf_names[key]: norm(g) for key, g in self.arrived.items()}
        norms = {name: value for name, value in norms.items() if value and math.isfinite(value)}
        if len(norms) < 2:
            return []
        least, most = min(norms, key=norms.__getitem__), max(norms, key=norms.__getitem__)
        if norms[most] < SPREAD * norms[least]:
            return []
        return [
            f"the gradient of {least} is {norms[most] / norms[least]:.3g} times smaller than that of {most}: "
            "on the way it vanishes, or explodes"
        ]

    def cut(self) -> list[str]:
        """What requires a gradient and gets none, and what was detached from what does."""
        found = []
        lost: dict[int, str] = {}
        for name, tensor in self.around:
            if tensor.requires_grad and tensor.is_leaf and id(tensor) not in self.leaf_names:
                lost.setdefault(id(tensor), name)
        if lost:
            names = ", ".join(self.shortened(list(lost.values())))
            found.append(
                f"no gradient reaches {names}: {self.title} does not come from there, or "
                "by a way that is not recorded (detach(), .data, no_grad(), NumPy, integers)"
            )
        wanting = {t.data_ptr(): name for name, t in reversed(self.around) if t.requires_grad and t.numel()}
        for step in self.steps:
            for name in () if step.op is None else step.op.tensor_params:
                kept = saved(step, name)
                source = wanting.get(kept.data_ptr()) if isinstance(kept, Tensor) and kept.numel() else None
                if source is not None and not kept.requires_grad:       # type: ignore[union-attr]
                    found.append(f"{source} goes into {step.title} detached: no gradient flows back there")
        return found


    def shortened(self, lost: list[str]) -> list[str]:
        """Names of leaves, where a module's are all among them its own."""
        reached = {name.partition(".")[0] for name in self.leaf_names.values()}
        found = []
        for name in lost:
            root, dot, _ = name.partition(".")
            found.append(f"any parameter of {root}" if dot and root not in reached else name)
        return list(dict.fromkeys(found))


def norm(t: Tensor) -> float:
    return float(t.detach().double().norm().item())


def digits(value: float) -> str:
    """A number, to as many digits as one reads."""
    text = f"{value:.6g}"
    return text if len(text) <= 8 else f"{value:.3e}" if "e" in text else f"{value:.3f}"
