#!/usr/bin/env python3
"""What an installed wheel must pass, on both backends; cibuildwheel runs it (pyproject.toml).

python tools/test_wheel.py [pytest's arguments]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> None:
    tests = ["pytest", "-q", "-n", "auto", f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}"]
    with tempfile.TemporaryDirectory() as empty:  # so that what is imported is the wheel
        for backend in ("kernels", "numpy"):
            # One BLAS thread a process: the processes are as many as the cores.
            environment = {**os.environ, "TENSORGRAD_BACKEND": backend, "OPENBLAS_NUM_THREADS": "1"}
            for command in (
                ["tensorgrad", "info"],
                ["tensorgrad", "demo", "xor"],
                [*tests, *(arguments or [str(ROOT / "tests")])],
            ):
                subprocess.run([sys.executable, "-m", *command], cwd=empty, env=environment, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
