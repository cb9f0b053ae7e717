"""The answer to a name that is not there: what is not in yet, or else which name is nearest, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from os.path import commonprefix
from typing import Any

# Families of PyTorch's names that have no nearest name here, because the whole family is not in yet.
NOT_YET = [
    (
        r"(complex(32|64|128)|complex\w+(tensor|storage)|c(half|float|double)|fft|linalg_eig(vals)?)",
        "complex numbers are",
    ),
    (r"float8_.*", "8-bit floats are"),
    (r"u?int(1|2|3|4|5|6|7|16|32|64)|q(u?int\w+)|quantiz.*|dequantize", "that dtype is"),
    (r"(sparse|hs|ss)(_.*|embedding|mm|addmm)|to_sparse_.*", "that of sparse tensors is"),
    (r"(export|fx|_inductor)", "compiling a program is"),
    (r"(forward_ad|linearize)", "forward-mode derivatives are"),
]

# Where a name may be that is looked for somewhere else, the likeliest first.
HOMES = (
    "nn.functional", "nn", "", "optim", "optim.lr_scheduler", "linalg", "special", "utils.data", "func",
    "distributions", "autograd", "autograd.functional", "nn.init", "nn.utils", "nn.utils.rnn",
    "nn.utils.parametrizations", "utils.checkpoint", "random", "profiler",
)  # fmt: skip


class MissingName(AttributeError):
    """An AttributeError whose hint is looked for when somebody reads it: `hasattr` does not."""

    def __init__(self, start: str, owner: str, name: str, names: Iterable[str]) -> None:
        super().__init__(start)
        self.search = owner, name, names

    def __str__(self) -> str:
        return f"{self.args[0]}{hint(*self.search)}"

    def __reduce__(self) -> tuple:
        return AttributeError, (str(self),)


# What a traceback calls it; it is no other kind of error to anybody.
MissingName.__module__, MissingName.__qualname__ = "builtins", "AttributeError"


def missing(owner: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for ``owner.name``, where ``names`` are those that exist."""
    start = f"{owner} has no attribute {name!r}"
    for pattern, what in NOT_YET:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return AttributeError(f"{start}: {what} not in tensorgrad yet")
    return MissingName(start, owner, name, names)


def refusing(name: str, kind: type[Exception], text: str, about: str = "") -> Callable[..., Any]:
    """A function of that name for what is not here: called with anything, it raises the error."""

    def refuse(*args: Any, **settings: Any) -> Any:
        raise kind(text)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Raises {kind.__name__}: {about or text}."
    return refuse


def hint(owner: str, name: str, names: Iterable[str]) -> str:
    """What stands behind the message: the nearest name that the owner has, or where else there is one."""
    if name.startswith("_"):
        return ""
    names = public(names)
    spelled = [each for each in names if flat(each) == flat(name)]
    elsewhere = next((home for home, there in homes_but(owner) if name in there), None)
    near = spelled or ([] if elsewhere else nearest(name, names))
    found = [f"the nearest name that it has is {near[0]!r}"] if near else []
    if elsewhere:
        found.append(f"there is {elsewhere}.{name}")
    elif not near:
        for home, there in homes_but(owner):
            found += [f"there is {home}.{each}" for each in there if flat(each) == flat(name)]
        del found[1:]
    return "".join(f"; {each}" for each in found)


def homes_but(owner: str) -> Iterator[tuple[str, list[str]]]:
    """The modules that names may come from, with their names; not the owner itself, nor Tensor's methods."""
    for home in HOMES:
        address = f"tensorgrad.{home}".rstrip(".")
        if f"'{address}'" != owner.rpartition(" ")[2]:
            module = import_module(address)
            yield address, public(getattr(module, "__all__", None) or dir(module))
    from tensorgrad.core import Tensor

    yield "tensorgrad.Tensor", public(dir(Tensor))


def public(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith("_")]


def flat(name: str) -> str:
    """A name but for its capitals and underscores."""
    return name.replace("_", "").lower()


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The names that are a slip for every four letters away, at most two; the nearest first, and of these
    those that begin and end alike.
    """
    most = min(2, len(flat(name)) // 4)
    found = []
    for each in names:
        count = slips(flat(name), flat(each), most)
        if count <= most:
            found.append((count, -len(commonprefix((name, each))), each[-1] != name[-1], each))
    return [each for *_, each in sorted(found)]


def slips(a: str, b: str, most: int) -> int:
    """Letters that are missing, too many, wrong or swapped with their neighbour between two words (Damerau,
    1964), or more than ``most``.
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a):
        row = [i + 1]
        for j, y in enumerate(b):
            best = min(last[j] + (x != y), last[j + 1] + 1, row[j] + 1)
            if i and j and x == b[j - 1] and y == a[i - 1]:
                best = min(best, before[j - 1] + 1)
            row.append(best)
        before, last = last, row
        if min(row) > most:
            return most + 1
    return last[-1]
