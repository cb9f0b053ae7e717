"""Holds one program against the reference on each backend."""

from __future__ import annotations

from dataclasses import dataclass

from fuzzing.comparing import Difference, compare
from fuzzing.excuses import excused
from fuzzing.running import HELPERS, Library, Outcome, run
from fuzzing.situations import Situation
from fuzzing.slopes import wrong_slope

START, END = "# The program.\n", "\n# What it gave.\n"


def lines_of(script: str) -> list[str]:
    """The program in a script that `Find.script` wrote."""
    return script.split(START)[1].split(END)[0].split("\n")


@dataclass
class Find:
    """A program that shows a fault, and what is wrong."""

    lines: list[str]
    backend: str
    kind: str
    text: str
    signature: str

    def script(self, seed: str, level: str) -> str:
        """A file that shows the fault when it is run with Python."""
        helpers = "\n".join(
            source for name, source in HELPERS.items() if any(name in line for line in self.lines)
        )
        backend = self.backend.split(", ")[-1]
        comment = "\n".join(
            "# " + part for part in f"{seed}, {level}, {self.backend}\n{self.text}".splitlines()
        )
        names = sorted({n for line in self.lines for n in [line.split(" = ")[0]] if n.isidentifier()})
        return (
            f"{comment}\n# Run with the word torch behind it to see PyTorch's answer.\n"
            "import sys\n"
            "import numpy as np\n"
            "if 'torch' in sys.argv:\n    import torch as T\nelse:\n    import tensorgrad as T\n"
            f"    T.set_backend({backend!r})\n"
            "F, nan, inf = T.nn.functional, float('nan'), float('inf')\n"
            f"T.manual_seed(0)\n{helpers}\n{START}" + "\n".join(self.lines) + END
            + "".join(f"print({n!r}, {n}, getattr({n}, 'grad', None))\n" for n in names)
        )  # fmt: skip


class Judge:
    """Runs programs under a reference and the libraries held against it."""

    def __init__(self, reference: Library, subjects: list[Library]):
        self.reference, self.subjects = reference, subjects

    def __call__(self, lines: list[str], wanted: Outcome | None = None) -> tuple[Library, Difference] | None:
        """The first difference that nothing excuses. An excused one ends the program before its line."""
        wanted = wanted or run(lines, self.reference, watch=True)
        for subject in self.subjects:
            cut, right = lines, wanted
            while cut:
                found = run(cut, subject, watch=True)
                difference = compare(cut, found, right, self.reference)
                if difference is None and self.reference.name != "torch":
                    difference = wrong_slope(cut, subject)
                # What a walk that failed has let go depends on the order it went in.
                stopped = found.raised is not None and ".backward(" in cut[found.done]
                left = set() if stopped else set(found.leaked) - set(right.leaked)
                if difference is None and left:
                    difference = Difference("leak", min(left), "still there", "gone")
                if difference is None:
                    break
                at = min(found.done, right.done)
                if excused(Situation(difference, cut[: at + 1], right.values)) is None:
                    return subject, difference
                if at == len(cut):
                    break
                cut = cut[:at]
                right = run(cut, self.reference, watch=True)
        return None
