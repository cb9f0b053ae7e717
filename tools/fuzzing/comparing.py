"""Says whether two outcomes of a program are the same, up to rounding.

What rounding may do is measured: the reference runs again with every result moved by one place
in the last digit, and a difference counts when it is well beyond what that moved. If a program has a jump
(a tie, a floor) short numbers such as 0.5 stay as they are, so that exact ties are held to the same answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fuzzing.running import Library, Outcome, Raised, Seen, run
from tensorgrad.core.declare import registry

EPS = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
FLOATS = tuple(EPS)
OWN = 4  # places that one op's own formula may be off, beside what its operands' last places do to it
REACH = 4  # how much more than one moved place an op may gather inside: it has several roundings
NOISY_RUNS = 6
# What these give is rounded, also where the result is as short as 1.
ROUNDED = re.compile(
    r"\.(exp|sin|cos|tan|a?tanh?|a?sinh?|a?cosh?|sigmoid|erf\w*|expm1|log\w*|r?sqrt|r?softmax|hypot|atan2|std|var"
    r"|mean|norm|cdist|pow|reciprocal)\(| / |\*\*"
)
JUMP = 1e-3  # what one place moves by this share of the program's largest number jumped


@dataclass
class Difference:
    """What differs: ``kind`` is one word, the rest is for the reader and for excuses."""

    kind: str
    where: str
    found: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.kind} of {self.where}:\n  found  {self.found}\n  wanted {self.wanted}"


# Which of two wrong things a call names first is nobody's promise: any of these is a refusal.
CLEAN = (
    "TypeError",
    "ValueError",
    "RuntimeError",
    "IndexError",
    "OverflowError",
    "NotImplementedError",
    "AllocationError",
    "LinAlgError",
    "ZeroDivisionError",
)


def classes_agree(found: Raised, wanted: Raised) -> bool:
    """Whether an exception is one that docs/differences.md allows for PyTorch's."""
    return bool(found.text.strip()) and (found.name in CLEAN or wanted.name in found.kinds)


def flat(value: Any, where: str) -> list[tuple[str, Any]]:
    """The leaves of a nested value, each with the words that lead to it."""
    if isinstance(value, list):
        return [(f"{where}[]", len(value))] + [
            leaf for i, v in enumerate(value) for leaf in flat(v, f"{where}[{i}]")
        ]
    if isinstance(value, Seen):
        rest = [] if value.grad is None else flat(value.grad, f"{where}.grad")
        return [(where, value), (f"{where}.grad is None", value.grad is None), *rest]
    return [(where, value)]


class Tolerance:
    """What rounding moves in the results of one program, by name."""

    def __init__(self, lines: list[str], reference: Library, wanted: Outcome):
        self.lines, self.reference, self.wanted = lines, reference, wanted
        self.moved = self.measure(short=True)
        if self.jumped:
            self.moved = self.measure(short=False)

    def measure(self, short: bool) -> dict[str, np.ndarray]:
        self.jumped = False
        moved: dict[str, np.ndarray] = {}
        base = dict(leaf for n, v in self.wanted.values.items() for leaf in flat(v, n))
        size = max((largest(v.array) for v in base.values() if isinstance(v, Seen)), default=0.0)
        for number in range(NOISY_RUNS):
            got = run(self.lines, self.reference, after=Noise(number, self.reference.module, short))
            leaves = dict(leaf for n, v in got.values.items() for leaf in flat(v, n))
            if got.done != self.wanted.done or not base.keys() <= leaves.keys():
                self.jumped = True
                continue
            for name, value in base.items():
                other = leaves[name]
                if not isinstance(value, Seen):
                    if isinstance(value, float):
                        change = np.asarray(
                            abs(other - value) if other == other else np.inf * (value == value)
                        )
                    else:
                        self.jumped |= other != value
                        continue
                elif other.array.shape != value.array.shape or other.dtype != value.dtype:
                    self.jumped = True
                    continue
                else:
                    change = gap(other.array, value.array)
                    self.jumped |= bool((change > max(JUMP, 64 * EPS.get(value.dtype, 0.0)) * size).any())
                moved[name] = np.maximum(moved.get(name, 0.0), change)
        return moved


class Noise:
    """Moves each new float result by one place up or down."""

    def __init__(self, seed: int, T: Any, short: bool):
        self.rng, self.T, self.short = np.random.default_rng(seed), T, short

    def __call__(self, value: Any, line: str) -> None:
        T = self.T
        if isinstance(value, (tuple, list)):
            for each in value:
                self(each, line)
            return
        if not isinstance(value, T.Tensor) or not value.is_floating_point() or not value.numel():
            return
        if any(stride == 0 and size > 1 for size, stride in zip(value.shape, value.stride())):
            return
        if hasattr(value, "_is_zerotensor") and value._is_zerotensor():
            return
        array = value.detach().numpy()
        sign = self.rng.integers(0, 2, array.shape) * 2 - 1
        if not self.short and not ROUNDED.search(line):
            sign = sign * long(array)
        with np.errstate(all="ignore"):
            array *= (1 + sign * EPS[str(value.dtype).rsplit(".", 1)[-1]]).astype(array.dtype)


def largest(array: np.ndarray) -> float:
    """The size of the largest finite number."""
    if array.dtype.kind != "f":
        return 0.0
    sizes = np.abs(array.astype(np.float64))
    return float(np.max(sizes, initial=0, where=np.isfinite(sizes)))


def long(array: np.ndarray) -> np.ndarray:
    """Where a number has more than eight binary digits: it was rounded, or drawn without thought of ties."""
    mantissa = np.frexp(array.astype(np.float64))[0] * 256
    return mantissa != np.rint(mantissa)


def gap(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Distance of two arrays, 0 where both are the same NaN or infinity and infinite where only one is."""
    if found.dtype.kind != "f":
        return np.where(found != wanted, np.inf, 0.0)
    f, w = found.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(all="ignore"):
        distance = np.abs(f - w)
    same = (f == w) | (np.isnan(f) & np.isnan(w))
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def close(found: Seen, wanted: Seen, moved: Any, scale: float, eps: float) -> bool:
    """Whether values agree. ``scale``: the size of what was added up, which measures an error; 0 for an op
    that computes each element from its own operands. ``eps``: the last place of the coarsest float there.
    """
    distance = gap(found.array, wanted.array)
    if not distance.any():
        return True
    if wanted.dtype not in EPS:
        return bool((distance <= moved).all())
    with np.errstate(all="ignore"):
        size = np.abs(wanted.array.astype(np.float64))
        size = np.maximum(size, scale)
        info = np.finfo(wanted.dtype)
        allowed = OWN * (max(eps, EPS[wanted.dtype]) * size + float(info.smallest_subnormal)) + REACH * moved
    return bool(((distance == 0) | (distance <= allowed)).all())


def wider(lines: list[str], reference: Library) -> dict[str, Any]:
    """What the reference gives when it computes in float64, from the same numbers: its float32 is not always
    right.
    """
    wide = {line.replace("float32", "float64").replace("float16", "float64"): line for line in lines}
    T = reference.module

    def as_given(value: Any, line: str) -> None:
        given = wide[line]
        if " = T.tensor(" in given and "float64" not in given and value.is_floating_point():
            array = value.detach().numpy()
            array[...] = array.astype(np.float16 if "float16" in given else np.float32)

    default = T.get_default_dtype()
    T.set_default_dtype(T.float64)
    try:
        outcome = run(list(wide), reference, after=as_given)
    finally:
        T.set_default_dtype(default)
    return dict(leaf for n, v in outcome.values.items() for leaf in flat(v, n))


def right_by_itself(found: Seen, answer: Any) -> bool:
    """Whether a narrow result is the rounded answer, element by element."""
    if not isinstance(answer, Seen) or answer.array.shape != found.array.shape or found.dtype == "float64":
        return False
    with np.errstate(all="ignore"):
        return close(
            found, replace(answer, array=answer.array.astype(found.array.dtype), dtype=found.dtype), 0, 0, 0
        )


def nearer(found: Seen, wanted: Seen, answer: Any) -> bool:
    """Whether a narrow result is much nearer to the answer than the reference's."""
    if not isinstance(answer, Seen) or answer.array.shape != found.array.shape or found.dtype == "float64":
        return False
    ours, theirs = (float(np.max(gap(each.array, answer.array), initial=0)) for each in (found, wanted))
    return ours < theirs / 4 < np.inf


def elementwise(lines: list[str]) -> set[str]:
    """The variables that an elementwise op made of numbers that stand in the program, which are exact; not of
    `x - tanh(x)`, whose parts are larger than it.
    """
    names: set[str] = set()
    exact = {line.split(" = ")[0] for line in lines if " = T.tensor(" in line}
    for line in lines:
        call = re.fullmatch(r"(\w+) = ([\w.]+?)\.(\w+)\((.*)\)", line)
        if call is None or call[3] == "tanhshrink" or call[3] not in registry:
            continue
        operands = set(re.findall(r"\b[a-z]\d*\b", f"{call[2]} {call[4]}"))
        if registry[call[3]].kind_name in ("unary", "binary") and operands <= exact:
            names.add(call[1])
    return names


def compare(lines: list[str], found: Outcome, wanted: Outcome, reference: Library) -> Difference | None:
    """The first difference of two outcomes of a program, if there is one."""
    if found.done != wanted.done:
        at = min(found.done, wanted.done)
        return Difference(
            "error" if found.done < wanted.done else "accepted", lines[at], found.raised, wanted.raised
        )
    if found.raised is not None and wanted.raised is not None:
        if not classes_agree(found.raised, wanted.raised):
            return Difference("class", lines[found.done], found.raised, wanted.raised)
        # What the line names may be written in part, where PyTorch stops half-way.
        named = set(re.findall(r"\w+", lines[found.done]))
        wanted = replace(wanted, values={n: v for n, v in wanted.values.items() if n not in named})
        if "backward" in lines[found.done] or "grad(" in lines[found.done]:
            return None  # what a broken walk has reached by then is nobody's promise
    tolerance: Tolerance | None = None
    leaves = [leaf for n, v in wanted.values.items() for leaf in flat(v, n)]
    scale = max((largest(v.array) for _, v in leaves if isinstance(v, Seen)), default=0.0)
    eps = max((EPS.get(v.dtype, 0.0) for _, v in leaves if isinstance(v, Seen)), default=0.0)
    alone = elementwise(lines)
    for name, want in wanted.values.items():
        fs, ws = flat(found.values.get(name), name), flat(want, name)
        for (where, f), (_, w) in zip(fs, ws):
            if isinstance(f, Seen) and isinstance(w, Seen):
                if f.dtype != w.dtype:
                    return Difference("dtype", where, f, w)
                if f.array.shape != w.array.shape:
                    return Difference("shape", where, f, w)
                if f.requires_grad != w.requires_grad:
                    return Difference("requires_grad", where, f, w)
                size = 0.0 if where in alone else scale
                if not close(f, w, 0.0, size, eps):
                    tolerance = tolerance or Tolerance(lines, reference, wanted)
                    near = close(f, w, tolerance.moved.get(where, 0.0), size, eps)
                    wide = None if near else wider(lines, reference).get(where)
                    if not near and not right_by_itself(f, wide) and not nearer(f, w, wide):
                        return Difference("value", where, f, w)
            elif type(f) is not type(w):
                return Difference("type", where, f, w)
            elif isinstance(f, float) and isinstance(w, float):
                if f != w and not (f != f and w != w):
                    tolerance = tolerance or Tolerance(lines, reference, wanted)
                    allowed = REACH * float(tolerance.moved.get(where, 0.0)) + OWN * EPS["float32"] * abs(w)
                    if not abs(f - w) <= allowed:
                        return Difference("value", where, f, w)
            elif f != w:
                return Difference("value", where, f, w)
    return None
