"""Programs of one call: an op of the registry, with good, odd and hostile arguments, and its derivatives."""

from __future__ import annotations

import random
from typing import Any

from fuzzing import values
from tensorgrad.core.declare import Case, Draw, registry, signature_of

# Give memory as it happens to be, or say what only this library can say.
NOT_COMPARED = ("cpu", "type", "contiguous")


def public(reference: Any) -> list[str]:
    """The ops that users can call, and the reference has too."""
    found = []
    for name, op in registry.items():
        if name.startswith("_") or name in NOT_COMPARED:
            continue
        if any(owner(reference, place, name) for place in op.facts.places) or (
            op.facts.method and hasattr(reference.Tensor, name)
        ):
            found.append(name)
    return sorted(found)


def owner(T: Any, place: str, name: str) -> bool:
    for part in place.split(".")[1:]:
        T = getattr(T, part, None)
    return callable(getattr(T, name, None))


def sample_of(op: Any, rng: random.Random) -> Case | None:
    facts = op.facts if op.facts.samples else registry[op.__name__.rstrip("_")].facts
    return rng.choice(facts.samples() or [None]) if facts.samples else None


class Call:
    """Writes one call, its tensors and its derivatives as lines."""

    def __init__(self, rng: random.Random, reference: Any, names: list[str]):
        self.rng, self.T = rng, reference
        self.name = rng.choice(names)
        self.op = registry[self.name]
        self.lines: list[str] = []
        self.floats: list[str] = []
        self.tensors = 0

    def one_in(self, n: float) -> bool:
        return self.rng.random() < 1 / n

    def draw(self, wanted: Draw) -> str:
        """The lines that make a tensor, and its name."""
        rng, name = self.rng, "abcdefghij"[self.tensors % 10]
        self.tensors += 1
        shape = wanted.shape
        if self.shape is not None:
            shape = self.shape
        if self.one_in(12):
            shape = rng.choice(
                (values.shape(rng), shape[1:], (1, *shape), (*shape[:-1], 1)[: len(shape) or None])
            )
        dtype = {"bool": "bool", "int": "int64"}.get(wanted.kind, self.dtype)
        if self.one_in(15):
            dtype = rng.choice(values.DTYPES)
        wish = self.gradient and dtype in values.FLOATS
        if wanted.kind == "int" and dtype == "int64" and not self.one_in(12) and 0 not in shape:
            items = [
                str(rng.randrange(int(wanted.low), int(wanted.high))) for _ in range(values.count(shape))
            ]
            text = f"T.tensor({values.nested(items, shape)}, dtype=T.int64)"
        elif wanted.distinct and dtype in values.FLOATS and self.style == "plain" and 0 not in shape:
            text = values.tensor(rng, shape, dtype, "plain", -2, 2, wish)
        else:
            text = values.tensor(rng, shape, dtype, self.style, wanted.low, wanted.high, wish)
        self.lines.append(f"{name} = {text}")
        if wish:
            self.floats.append(name)
        layout = values.laid_out(rng, name, shape) if self.layouts else None
        if layout:
            if wish:
                layout = layout.replace(name, name + "1", 1)
            self.lines.append(layout)
            return name + "1" if wish else name
        if wish and self.name.endswith("_"):
            self.lines.append(f"{name}1 = {name} * 1")
            return name + "1"
        return name

    def text(self, value: Any) -> str:
        if isinstance(value, Draw):
            return self.draw(value)
        if isinstance(value, (tuple, list)) and not isinstance(value, str):
            inner = ", ".join(map(self.text, value))
            return f"[{inner}]" if isinstance(value, list) else f"({inner},)" if value else "()"
        return values.literal(value)

    def write(self) -> list[str]:
        rng = self.rng
        sample = sample_of(self.op, rng)
        if sample is None:
            sample = Case((Draw((2, 3)),))
        self.dtype = rng.choice(("float32",) * 6 + ("float64",) * 6 + values.DTYPES)
        self.style = rng.choice(("plain", "plain", "short", "special", "extreme"))
        self.shape = values.shape(rng) if self.one_in(6) else None
        self.gradient = self.dtype in values.FLOATS and rng.random() < 0.6
        self.layouts = self.one_in(3)
        args = [self.text(a) for a in sample.args]
        kwargs = {k: self.text(v) for k, v in sample.kwargs.items()}
        self.disturb(args, kwargs)
        self.lines.append("r = " + self.call(args, kwargs))
        if self.floats and self.gradient:
            self.derive()
        return self.lines

    def disturb(self, args: list[str], kwargs: dict[str, str]) -> None:
        """Now and then makes one argument strange."""
        rng = self.rng
        if self.one_in(4) and (args or kwargs):
            place = rng.randrange(len(args) + len(kwargs))
            if place < len(args):
                if place or self.one_in(4):
                    args[place] = values.hostile(rng)
            else:
                kwargs[sorted(kwargs)[place - len(args)]] = values.hostile(rng)
        elif self.one_in(10):
            unused = [
                p
                for p in list(signature_of(self.op).parameters)[len(args) :]
                if p not in kwargs and p[0] != "_"
            ]
            if unused:
                kwargs[rng.choice(unused)] = values.hostile(rng)
        elif self.one_in(40) and args:
            args.pop()

    def call(self, args: list[str], kwargs: dict[str, str]) -> str:
        """The call in one of the forms that there are."""
        T, facts = self.T, self.op.facts
        forms = [p for p in facts.places if owner(T, p, self.name)]
        if facts.method and callable(getattr(T.Tensor, self.name, None)) and args and args[0].isidentifier():
            forms += ["method", "method"]
        form = self.rng.choice(forms or ["method"])
        settings = [f"{k}={v}" for k, v in kwargs.items()]
        if form == "method":
            return f"{args[0] if args else 'T.ones(2)'}.{self.name}({', '.join(args[1:] + settings)})"
        place = form.replace("tensorgrad.nn.functional", "F").replace("tensorgrad", "T")
        if self.one_in(25) and not self.name.endswith("_") and not self.gradient:
            settings.append(f"out=T.empty(0, dtype=T.{self.dtype})")
        return f"{place}.{self.name}({', '.join(args + settings)})"

    def derive(self) -> None:
        """First and, half the time, second derivatives."""
        leaves = "[" + ", ".join(self.floats) + "]"
        twice = self.one_in(2)
        more = ", create_graph=True" if twice else ""
        self.lines.append(f"g = T.autograd.grad(total(r), {leaves}{more}, allow_unused=True)")
        if twice:
            self.lines.append(f"h = T.autograd.grad(total(g), {leaves}, allow_unused=True)")
