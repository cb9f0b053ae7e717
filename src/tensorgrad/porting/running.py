"""Running a PyTorch program that nobody changed."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from tensorgrad.porting.addresses import as_torch


def run_script(path: str, arguments: Sequence[str] = ()) -> None:
    """Runs a script as `python path arguments` would, with tensorgrad for torch.

    Errors: `FileNotFoundError` if there is no such file; what the script raises goes on.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(2, "there is no such script", path)
    as_torch()
    sys.argv = [path, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    runpy.run_path(path, run_name="__main__")


def run_module(name: str, arguments: Sequence[str] = ()) -> None:
    """Runs a module as `python -m name arguments` would, with tensorgrad for torch."""
    as_torch()
    sys.argv = [name, *arguments]
    sys.path[0] = os.getcwd()
    runpy.run_module(name, run_name="__main__", alter_sys=True)
