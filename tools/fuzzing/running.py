"""Runs a program, a list of Python lines in terms of a library `T`, and keeps what can be seen of it.

The same lines run under tensorgrad and under PyTorch, for the names are the same. A program ends at the first
line that raises.
"""

from __future__ import annotations

import gc
import math
import re
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

# What programs may call beside the library; printed in front of a find that uses it.
HELPERS = {
    "total": '''\
def total(r):
    """Adds up a result's floats, each with a weight of its own."""
    if isinstance(r, T.Tensor):
        if not r.requires_grad:
            return None
        return (r * (T.arange(r.numel(), dtype=r.dtype).reshape(r.shape) % 5 - 1.5)).sum()
    parts = [p for p in map(total, r) if p is not None] if isinstance(r, (tuple, list)) else []
    return sum(parts[1:], parts[0].double()) if parts else None
''',
    "Double": """\
class Double(T.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return 2 * x * g
""",
    "Dirty": """\
class Dirty(T.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x
    @staticmethod
    def backward(ctx, g):
        return g * 2
""",
    "Flat": """\
class Flat(T.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.view(-1)
    @staticmethod
    def backward(ctx, g):
        return g.reshape(ctx.shape)
""",
}


@dataclass(frozen=True)
class Raised:
    """An exception, as it is compared."""

    name: str
    kinds: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:200]}"


@dataclass(frozen=True, eq=False)
class Seen:
    """A tensor, as it is compared."""

    dtype: str
    array: np.ndarray
    requires_grad: bool
    grad: Any

    def __str__(self) -> str:
        with np.printoptions(threshold=20, precision=17, floatmode="unique", linewidth=100):
            text = np.array2string(self.array, separator=", ")
        more = ", requires_grad" if self.requires_grad else ""
        return f"{self.dtype} {self.array.shape}{more} {text}" + (
            f"\n  .grad {self.grad}" if self.grad else ""
        )


@dataclass
class Outcome:
    """How a program went: how many lines ran, what the next one raised, and its variables at the end."""

    done: int
    raised: Raised | None
    values: dict[str, Any] = field(default_factory=dict)
    leaked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Library:
    """A module to run programs with. ``enter`` gives the context they run in."""

    name: str
    module: Any
    enter: Callable[[], Any]


@lru_cache(maxsize=4096)
def compiled(line: str):
    return compile(line, "<program>", "exec")


@lru_cache(maxsize=4096)
def written(line: str) -> str:
    """The variable that a line binds or writes to: the first name in it that is not the library's."""
    for word in re.findall(r"(?<![\w.])[a-z]\w*", line):
        if word not in ("with", "for", "in", "if", "not") and not word.startswith("T."):
            return word
    return ""


def namespace(library: Library, lines: list[str]) -> dict[str, Any]:
    """The names that a program starts with."""
    T = library.module
    space = {"T": T, "F": T.nn.functional, "np": np, "nan": float("nan"), "inf": float("inf")}
    text = "\n".join(lines)
    for name, source in HELPERS.items():
        if re.search(rf"\b{name}\b", text):
            exec(compiled(source), space)
    return space


STARTS = ("T", "F", "np", "nan", "inf", "__builtins__", *HELPERS)


LARGEST_SEEN = 2**24  # elements; an expanded tensor may have more than memory holds


def see(value: Any, T: Any, depth: int = 0) -> Any:
    """A value as plain data that two libraries can be compared by."""
    try:
        return seen(value, T, depth)
    except RuntimeError as error:
        return "not to be looked at" + (", one of multiple views" if "multiple views" in str(error) else "")


def array_of(tensor: Any) -> np.ndarray:
    """A tensor's numbers, also those that PyTorch has only promised."""
    tensor = tensor.detach()
    if getattr(tensor, "is_sparse", False):
        tensor = tensor.to_dense()
    return tensor.numpy(force=True) if hasattr(tensor, "resolve_neg") else tensor.numpy()


def seen(value: Any, T: Any, depth: int) -> Any:
    if isinstance(value, T.Tensor):
        dtype = str(value.dtype).rsplit(".", 1)[-1]
        if dtype.startswith(("complex", "bfloat")):
            return f"a {dtype} tensor"
        if math.prod(max(size, 1) for size in value.shape) > LARGEST_SEEN:  # so NumPy counts
            return f"a {dtype} tensor of size {tuple(value.shape)}"
        grad = value.grad if value.requires_grad and value.is_leaf and depth == 0 else None
        return Seen(
            dtype, array_of(value).copy(), value.requires_grad, None if grad is None else see(grad, T, 1)
        )
    if value is None or isinstance(value, (bool, int, float, str, complex)):
        return value
    if isinstance(value, T.dtype):
        return str(value).rsplit(".", 1)[-1]
    if isinstance(value, (tuple, list)):
        return [see(v, T, depth + 1) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return Seen(str(value.dtype), np.array(value), False, None)
    return "an object"


def raised(error: BaseException) -> Raised:
    kinds = tuple(k.__name__ for k in type(error).__mro__)
    return Raised(type(error).__name__, kinds, str(error))


def run(
    lines: list[str], library: Library, after: Callable[[Any, str], None] | None = None, watch: bool = False
) -> Outcome:
    """Runs a program. ``after`` is shown each line's result; ``watch`` looks for tensors that stay behind."""
    space = namespace(library, lines)
    error, done = None, 0
    with warnings.catch_warnings(), np.errstate(all="ignore"), library.enter():
        warnings.simplefilter("ignore")
        library.module.manual_seed(0)
        for line in lines:
            try:
                exec(compiled(line), space)
            except Exception as problem:
                error = raised(problem)
                break
            done += 1
            if after is not None:
                after(space.get(written(line)), line)
        names = [n for n in space if n not in STARTS and not n.startswith("_")]
        values = {n: see(space[n], library.module) for n in names}
    leaked: tuple[str, ...] = ()
    if watch:
        held = {n: weakref.ref(space[n]) for n in names if isinstance(space[n], library.module.Tensor)}
        space.clear()
        leaked = tuple(n for n, r in held.items() if r() is not None)
        if leaked and error is not None:
            gc.collect()  # a traceback's frames may hold them a while
            leaked = tuple(n for n, r in held.items() if r() is not None)
    return Outcome(done, error, values, leaked)
