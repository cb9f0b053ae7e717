"""What the compiled modules need of the interpreter and the installation: imported first, this refuses."""

from __future__ import annotations

import importlib
import os
import sys

# PyPI's distribution `tensorgrad` puts a package of the same name into the same folder.
OTHERS = ("tensor.py", "simplify.py")

MIXED = """tensorgrad: another distribution, `tensorgrad` on PyPI, is installed into the folder of this one,
`tensorgrad-cpu`: {folder}
Both have a package of that name, and their files lie mixed now. Remove both, then install what is wanted:
  pip uninstall --yes tensorgrad tensorgrad-cpu
  pip install tensorgrad-cpu"""

NO_LOCK = """tensorgrad: this Python runs without its global lock (GIL), on which the compiled tape
relies. Start it with `python -X gil=1`, or with PYTHON_GIL=1 in the environment, or use the ordinary build
of Python."""

SUBINTERPRETER = """tensorgrad: this is a sub-interpreter, and the compiled modules, like NumPy's, keep
state once for the whole process. Import it in the main interpreter, and use threads or processes instead."""


def refuse_what_is_unfit() -> None:
    """Raises an ImportError that says what to do where the compiled modules would not work, or not safely."""
    folder = os.path.dirname(os.path.abspath(__file__))
    if all(os.path.exists(os.path.join(folder, name)) for name in OTHERS):
        raise ImportError(MIXED.format(folder=folder))
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise ImportError(NO_LOCK)
    if not in_main_interpreter():
        raise ImportError(SUBINTERPRETER)


def in_main_interpreter() -> bool:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    try:
        current = importlib.import_module(name).get_current()
    except ImportError:  # a Python built without them
        return True
    return int(current[0] if isinstance(current, tuple) else current) == 0


refuse_what_is_unfit()
