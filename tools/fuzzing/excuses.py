"""What differs from the reference on purpose: the one list. Each entry names its line in docs/differences.md.

An entry is as narrow as its reason: it looks at the program, at what was found and at what was wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fuzzing.comparing import Difference
from fuzzing.running import Raised


@dataclass(frozen=True)
class Excuse:
    """``line`` stands in docs/differences.md; ``holds`` says whether it covers a difference of a program."""

    line: str
    holds: Callable[[Difference, str], bool]


def wanted_error(*texts: str) -> Callable[[Difference, str], bool]:
    """The reference refuses, with one of these texts, what is done here."""

    def holds(difference: Difference, line: str) -> bool:
        wanted = difference.wanted
        return (
            difference.kind == "accepted"
            and isinstance(wanted, Raised)
            and any(t in wanted.text for t in texts)
        )

    return holds


def lenient(difference: Difference, line: str) -> bool:
    """A number or a tuple of another kind than the argument wants; never text, None or an object."""
    return wanted_error("must be ", "invalid combination of arguments", "takes ", "missing ")(
        difference, line
    ) and not any(
        word in line
        for word in ("'two'", "''", "object()", "b'x'", "lambda", "{}", "slice", "...", "1j", "range")
    )


def empty_answer(difference: Difference, line: str) -> bool:
    return difference.kind == "error" and "out of bounds" in str(difference.found) and "[" in line


def missing(difference: Difference, line: str) -> bool:
    return (
        isinstance(difference.found, Raised)
        and "has no attribute" in difference.found.text
        and (
            difference.kind == "error"
            and difference.found.name == "AttributeError"
            and ".Tensor'" in difference.found.text
        )
    )


EXCUSES = [
    Excuse(
        "Where PyTorch refuses a write because the result overlaps its operand",
        wanted_error(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer",
            "unsupported operation: more than one element of the written-to tensor refers to a single memory",
        ),
    ),
    Excuse("more programs run backward that", wanted_error("has been modified by an inplace operation")),
    Excuse(
        "The outputs of `unbind` and `split` may be written in place",
        lambda d, line: "returns multiple views" in str(d.wanted),
    ),
    Excuse(
        "A second walk is refused where something that it needs was freed",
        wanted_error("Trying to backward through the graph a second time"),
    ),
    Excuse("An index out of range is refused though nothing would be read", empty_answer),
    Excuse("Dtypes that PyTorch has no loop for", wanted_error("not implemented for '")),
    Excuse("Derivatives that PyTorch has not", wanted_error("derivative for '", "derivative for aten::")),
    Excuse(
        "Operands of several dtypes are promoted",
        wanted_error("expected scalar type", "to have the same dtype", "expected m1 and m2", "same dtype"),
    ),
    Excuse("A name that is missing raises AttributeError", missing),
    Excuse("A number is read as the kind that an argument has", lenient),
]


def excused(difference: Difference, line: str) -> Excuse | None:
    """The entry that covers a difference, if there is one."""
    return next((e for e in EXCUSES if e.holds(difference, line)), None)
