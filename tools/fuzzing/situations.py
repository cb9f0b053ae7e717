"""A difference between a program's two runs, and the questions that the list of differences asks about it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from fuzzing.comparing import EPS, Difference, gap, largest
from fuzzing.running import Raised, Seen
from tensorgrad.core.declare import registry


@dataclass(frozen=True)
class Situation:
    """A difference, the lines that led to it (the last is to blame) and the reference's variables."""

    difference: Difference
    lines: list[str]
    values: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.difference.kind

    @property
    def line(self) -> str:
        return self.lines[-1]

    def calls(self, *names: str) -> bool:
        """Whether one of these ops is called, in place or not."""
        return any(re.search(rf"\b{name}_?\(", line) for name in names for line in self.lines)

    def refused(self, *texts: str) -> bool:
        """Whether the reference refuses, with one of these texts, what is done here."""
        wanted = self.difference.wanted
        if self.kind != "accepted" or not isinstance(wanted, Raised):
            return False
        return any(t in wanted.text for t in texts)

    def only_refused_here(self, *texts: str) -> bool:
        """Whether it is refused here alone, with one of these texts."""
        found = self.difference.found
        return self.kind == "error" and isinstance(found, Raised) and any(t in found.text for t in texts)

    def apart(self) -> float:
        """How far apart values are, as a share of the largest; NaN if they can't be compared."""
        found, wanted = self.difference.found, self.difference.wanted
        if self.kind != "value" or not isinstance(found, Seen) or wanted.array.dtype.kind != "f":
            return np.nan
        with np.errstate(all="ignore"):
            return float(np.max(gap(found.array, wanted.array)) / largest(wanted.array))

    def within(self, roundings: int) -> bool:
        """Whether values are so few roundings of their dtype apart; False if they can't be compared."""
        apart = self.apart()
        return not np.isnan(apart) and apart < roundings * EPS.get(self.difference.wanted.dtype, 0.0)

    def slope(self, *names: str) -> bool:
        """Whether a gradient's value differs, in a program that calls one of these ops."""
        where = self.difference.where
        gradient = where[0] in "gh" or ".grad" in where or "autograd.grad" in defined(self)
        return self.kind == "value" and gradient and (not names or self.calls(*names))

    def holds(self, *numbers: str) -> bool:
        """Whether one of these numbers stands in the program, or comes up in it."""
        lines = "\n".join(self.lines)
        return any(re.search(rf"(?<![\w.]){n}\b", lines) for n in numbers)

    def seen(self, kind: str = "f") -> list[Seen]:
        """The reference's tensors of these kinds of dtype."""
        return [v for v in self.values.values() if isinstance(v, Seen) and v.array.dtype.kind in kind]


NONSENSE = (
    "'two'",
    "''",
    "object()",
    "b'x'",
    "lambda",
    "{}",
    "slice(",
    "...",
    "1j",
    "range",
    "None",
    "[None]",
)
LINEAR_ALGEBRA = ("solving", "determinants", "factorizing", "orthogonal", "spectra", "exponentials")
LAPACK = ["matrix_power"] + [name for name, op in registry.items() if op.facts.family in LINEAR_ALGEBRA]
# Their kernels keep the inputs, as PyTorch's do; the definitions that the NumPy path runs may keep less.
FUSED = ("mse_loss", "layer_norm", "cross_entropy")
PICKS = ("topk", "kthvalue", "median", "nanmedian", "mode", "sort", "argsort", "msort")
TURNS = ("transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "adjoint", "t", "rot90")
FLATS = (
    "Flat.apply",
    "ravel",
    "reshape",
    "flatten",
    "view",
    "contiguous",
    "detach_",
    "unflatten",
    "reshape_as",
    "view_as",
)
FILLS = (
    "uniform",
    "random",
    "normal",
    "bernoulli",
    "exponential",
    "cauchy",
    "geometric",
    "log_normal",
    r"rand\w*_like",
)
# Whose results lie in another order than PyTorch's, where their operands are turned.
IN_ANOTHER_ORDER = (
    "logsigmoid", "rrelu", "mvlgamma", "renorm", r"flip\w*", "rot90", r"(arg|m)?sort", "index_fill",
    "kl_div", "binary_cross_entropy_with_logits", "sum", "mean", "prod", "amax", "amin", "std", "var", "norm",
    "index_put", "logsumexp",
)  # fmt: skip
# In float64 PyTorch computes these with a setting that it has rounded to float32.
ROUNDED_SETTING = (
    "celu",
    "elu",
    "selu",
    "softplus",
    "hardshrink",
    "softshrink",
    "leaky_relu",
    "threshold",
    "hardsigmoid",
    "hardswish",
    "binary_cross_entropy",
)


def calls_in(line: str) -> list[ast.Call]:
    """The calls in a line."""
    return [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)]


def blamed(s: Situation) -> str:
    """The text of the argument that the reference's error names, or the whole line where it names none."""
    named = re.search(r"argument '(\w+)'(?: \(position (\d+)\))?", s.difference.wanted.text)
    if named is None:
        return s.line
    for call in calls_in(s.line):
        words = {k.arg: k.value for k in call.keywords}
        if named[1] in words:
            return ast.unparse(words[named[1]])
    place = int(named[2] or 0) - 1
    given = calls_in(s.line)[0].args
    return ast.unparse(given[place]) if 0 <= place < len(given) else s.line


def operands(s: Situation, op: str) -> list[Seen | None]:
    """The tensors that the last call of an op has for its positional arguments, None in another's place."""
    for line in reversed(s.lines):
        for call in calls_in(line):
            if isinstance(call.func, ast.Attribute) and call.func.attr.rstrip("_") == op:
                owner = ast.unparse(call.func.value)
                given = [*([owner] if owner.isidentifier() and owner not in "TF" else []), *call.args]
                found = [s.values.get(a if isinstance(a, str) else ast.unparse(a)) for a in given]
                return [each if isinstance(each, Seen) else None for each in found]
    return []


def writes_in_place(s: Situation) -> bool:
    """Something is written into a tensor that is there."""
    return any(re.search(r"\w_\(|[-+*/]= |\] = |Dirty\.apply", line) for line in s.lines)


def hooked_and_written(s: Situation) -> bool:
    """A tensor gets a hook and is written in place."""
    text = "\n".join(s.lines)
    hooked = re.findall(r"(\w+)\.register_hook", text)
    return any(
        re.search(rf"\b{name}(\.\w+_\(| [-+*/]= |\[.*\] [-+*/]?= )", text) for name in hooked
    ) or ("no_grad()" in text and bool(hooked))


def where_apart(s: Situation) -> np.ndarray:
    """The reference's numbers at the places that differ by more than rounding does."""
    found, wanted = s.difference.found.array, s.difference.wanted.array
    return wanted[gap(found, wanted) > 1e-5 * largest(wanted)]


def where_apart_at(s: Situation) -> np.ndarray:
    """Which places differ."""
    return gap(s.difference.found.array, s.difference.wanted.array) > 0


def zero_meets_infinity(s: Situation) -> bool:
    """A tensor has both a zero and what is not finite."""
    return any(bool((v.array == 0).any()) and not np.isfinite(v.array).all() for v in s.seen())


def cut_off(s: Situation) -> bool:
    """A tensor of integers has exponents of 2 that give no integer of its dtype."""
    return any(
        bool((v.array < 0).any() or (v.array >= 8 * v.array.dtype.itemsize - 1).any()) for v in s.seen("iu")
    )


def longer_source(s: Situation) -> bool:
    """The source of `scatter_reduce` has more than the index reaches."""
    _, _, index, source, *_ = [*operands(s, "scatter_reduce"), None, None, None, None]
    return index is not None and source is not None and index.array.shape != source.array.shape


def failed(s: Situation) -> bool:
    """An op that gives an ``info`` says that it did not succeed."""
    results = [v for v in s.values.values() if isinstance(v, list) and v and isinstance(v[-1], Seen)]
    return s.calls(r"\w*_ex") and any(v[-1].dtype == "int32" and bool(v[-1].array.any()) for v in results)


def of_degree(s: Situation) -> bool:
    """A polynomial of NaN, or of a degree past 2**31."""
    shown = (s.difference.found, s.difference.wanted)
    great = s.holds(r"2 ?\*\* ?(31|63|70)", r"\d{10,}", r"\de\d\d") or any(
        largest(v.array.astype(np.float64)) >= 2**31 for v in s.seen("fiu")
    )
    return s.calls(r"\w*_polynomial_\w+") and (
        great or any(isinstance(v, Seen) and bool(np.isnan(v.array).any()) for v in shown)
    )


def laid_out(s: Situation) -> bool:
    """What depends on strides, in a program that turns dimensions and then asks for a flat view."""
    if not (turned(s) and s.calls(*FLATS)):
        return False
    if s.kind == "value":
        return writes_in_place(s) or permuted(s)
    texts = ("view size is not compatible", "inplace operation", "view and is being modified", "in-place")
    return s.refused(*texts) or s.only_refused_here(*texts)


def lenient(s: Situation) -> bool:
    """A number or a tuple of another kind than the argument wants, or None for what may be left out; never
    text or an object.
    """
    texts = (
        "must be ", "invalid combination of arguments", "positional argument", "too big", "Overflow",
        "can't convert negative int", "is_contiguous(memory_format)", "view size is not compatible",
        "of a 0-d tensor", "over a 0-d array", "Boolean alpha", "Boolean beta", "negative output size",
        "keyword argument 'inplace'", "'NoneType' has no len()", "len() of unsized object",
        "has no len()", "expected Tensor as element 0 in argument 1, but got int",
    )  # fmt: skip
    if not s.refused(*texts):
        return False
    said = blamed(s).replace("range=", "")
    if s.refused("not range", "(range)", ", range)"):
        said = said.replace("range(", "(")  # a sequence of ints
    if s.refused("NoneType"):
        said = said.replace("None", "")
    return not any(word in said for word in NONSENSE)


def not_finite(s: Situation) -> bool:
    """A matrix that holds NaN or infinity, or numbers whose squares do, is given to LAPACK."""
    big = any(
        isinstance(v, Seen) and v.array.dtype.kind == "f" and not (np.abs(v.array) < 1e15).all()
        for v in s.values.values()
    )
    return big and s.calls(*LAPACK)


def constant_gradient(s: Situation) -> bool:
    """A second derivative of a constant gradient is asked: the reference has zeros, here it is unrecorded."""
    given = s.values.get("h") or []
    answer = [v for v in ([given] if isinstance(given, Seen) else given) if isinstance(v, Seen)]
    refused = s.only_refused_here(
        "does not require grad", "requires_grad=False", "'NoneType' object is not iterable"
    )
    return (refused or s.refused("'NoneType' object is not iterable")) and not any(
        v.array.any() for v in answer
    )


def constant_where_recorded(s: Situation) -> bool:
    """Whether a gradient is recorded differs, and it is empty, zeros or of an op of constant slope."""
    found = s.difference.found
    return s.kind == "requires_grad" and isinstance(found, Seen) and (
        not found.array.any()
        or any(v.array.size == 0 for v in s.seen())
        or (writes_in_place(s) and "create_graph=True" in "".join(s.lines))
        or s.calls("pad", r"(cum)?prod", "det", r"var\w*", r"std\w*", r"\w*norm", "square", "pow", "prelu")
        or s.calls(r"\w*_pool[123]d\w*", "interpolate", r"upsample\w*", r"conv\w*")
        or "(0,)" in s.lines[0]
    )  # fmt: skip


def defined(s: Situation) -> str:
    """The line that gave the variable that differs."""
    name = re.escape(s.difference.where.split("[")[0].split(".")[0])
    return next((line for line in reversed(s.lines) if re.match(rf"({name}|.*\b{name},.*) = ", line)), "")


def of_equals(s: Situation) -> bool:
    """The index of one of several equal elements differs, or an index of NaN, whose order is open."""
    picks = re.search(rf"\.({'|'.join(PICKS)})\(", defined(s))
    found = s.difference.found
    return s.kind == "value" and picks is not None and isinstance(found, Seen) and found.dtype == "int64"


def turned(s: Situation) -> bool:
    """Dimensions are in another order somewhere."""
    return s.calls(*TURNS) or bool(re.search(r"\bv\d+\.(T|mT|H|mH)\b", " ".join(s.lines)))


def equal_elements(s: Situation) -> bool:
    """Some tensor has elements that are equal."""
    floats = [v.array for v in s.values.values() if isinstance(v, Seen) and v.array.dtype.kind == "f"]
    return any(len(np.unique(a)) < a.size for a in floats)


def writes_nothing(s: Situation) -> bool:
    """The line is about a tensor without elements."""
    names = re.findall(r"\b[a-z]\d*\b", s.line)
    return any(v.array.size == 0 for v in map(s.values.get, names) if isinstance(v, Seen))


def overlapping_write(s: Situation) -> bool:
    """Something was written through a view whose elements share memory."""
    views = [line.split(" = ")[0] for line in s.lines if re.search(r"\.(as_strided|unfold|expand)\(", line)]
    return s.kind == "value" and any(
        re.search(rf"\b{v}(\.data)?(\.\w+_\(| [-+*/]=|\[)", line) or "Dirty.apply(" in line
        for v in views
        for line in s.lines
    )


def permuted(s: Situation) -> bool:
    """The same numbers at other places."""
    found, wanted = s.difference.found, s.difference.wanted
    return isinstance(found, Seen) and s.kind == "value" and np.array_equal(
        np.sort(found.array, axis=None), np.sort(wanted.array, axis=None), equal_nan=True
    )  # fmt: skip


def cancelled(s: Situation) -> bool:
    """Values differ by some roundings of the largest number that there is."""
    if s.kind != "value" or s.difference.wanted.dtype not in EPS:
        return False
    size = max((largest(v.array) for v in s.seen()), default=0.0)
    apart = gap(s.difference.found.array, s.difference.wanted.array)
    return bool((apart <= 256 * EPS[s.difference.wanted.dtype] * size).all())


def squares_overflow(s: Situation) -> bool:
    """A float32 is too large for its square."""
    return any(v.dtype == "float32" and largest(v.array) > 1e19 for v in s.seen())


def overflowed(s: Situation) -> bool:
    """Values differ only where one is not finite, and there were numbers near the largest."""
    found, wanted = s.difference.found, s.difference.wanted
    if s.kind != "value" or not isinstance(found, Seen) or wanted.dtype not in EPS:
        return False
    finite = np.isfinite(found.array) & np.isfinite(wanted.array)
    brink = any(
        isinstance(v, Seen) and v.dtype in EPS and largest(v.array) > np.finfo(v.dtype).max / 1024
        for v in s.values.values()
    )
    brink |= s.calls(r"\w*norm") and (s.holds("inf", "nan") or any(largest(v.array) > 1e19 for v in s.seen()))
    ours, theirs = (each.array[finite].astype(np.float64) for each in (found, wanted))
    size = max(largest(found.array), largest(wanted.array))
    near = 1e-3 * np.abs(theirs) + 1e-6 * size + 16 * EPS[wanted.dtype]  # some roundings of a 1
    return brink and not finite.all() and bool((np.abs(ours - theirs) <= near).all())


def mirrored(s: Situation) -> bool:
    """The same vectors, columns or rows, but for their signs."""
    found, wanted = s.difference.found, s.difference.wanted
    if s.kind != "value" or not isinstance(found, Seen) or wanted.array.ndim < 2 or wanted.dtype not in EPS:
        return False
    f, w = found.array.astype(np.float64), wanted.array.astype(np.float64)
    allowed = 64 * EPS[wanted.dtype] * max(largest(w), 1.0)
    return any(
        bool((np.minimum(np.abs(f - w).max(axis), np.abs(f + w).max(axis)) <= allowed).all())
        for axis in (-2, -1)
    )


def singular(s: Situation) -> bool:
    """LAPACK is given a matrix that has not its full rank, or whose triangles have not."""
    stacks = [v.array.astype(np.float64) for v in s.seen() if v.array.ndim >= 2 and v.array.size]
    return s.calls(*LAPACK) and any(
        bool((np.linalg.matrix_rank(part(a), rtol=1e-6) < min(a.shape[-2:])).any())
        for a in stacks
        for part in (np.asarray, np.triu, np.tril)
        if np.isfinite(a).all()
    )


def degenerate(s: Situation) -> bool:
    """What a matrix without its full rank makes of LAPACK: an error, infinities, NaN, vectors and solutions
    that it may choose.
    """
    if not singular(s):
        return False
    if s.kind == "value":
        shown = [v for v in (s.difference.found, s.difference.wanted) if isinstance(v, Seen)]
        chosen = ("geqrf", "qr", "svd", "logdet", "slogdet", r"\w*solve\w*", r"inv\w*", "lstsq")
        return s.calls(*chosen) or any(
            not np.isfinite(v.array).all() for v in shown
        )
    return s.refused("is singular") or s.only_refused_here("U has a zero", "singular")


def unsorted(s: Situation) -> bool:
    """A sequence that is searched does not rise."""
    return s.calls("searchsorted", "bucketize") and any(
        isinstance(v, Seen) and v.array.ndim > 0 and bool((v.array[..., 1:] < v.array[..., :-1]).any())
        for v in s.values.values()
    )
