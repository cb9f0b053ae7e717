"""Runs type checkers over `tests/typing`: programs have no errors, mistakes have theirs, line by line.

    python tools/check_types.py                mypy --strict, and basedpyright or pyright, whichever is there
    python tools/check_types.py --only mypy    one of them
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "tests" / "typing"
MARK = "# wrong"

Found = dict[tuple[str, int], str]  # what is wrong, by file and line


def expected() -> set[tuple[str, int]]:
    """The lines that are marked."""
    lines = (PLACE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    return {("mistakes.py", i) for i, line in enumerate(lines, 1) if line.endswith(MARK)}


def by_mypy() -> Found:
    run = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--hide-error-context"]
    files = [str(path) for path in (*sorted((PLACE / "programs").glob("*.py")), PLACE / "mistakes.py")]
    done = subprocess.run([*run, *files], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    hits = re.findall(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return {(Path(path).name, int(line)): text for path, line, text in hits}


def by_pyright() -> Found:
    command = shutil.which("basedpyright") or shutil.which("pyright")
    if command is None:
        raise SystemExit("neither basedpyright nor pyright is there: pip install '.[types]'")
    settings = {
        "include": [str(PLACE)],
        "typeCheckingMode": "standard",
        "reportUnusedExpression": False,  # a mistake may be nothing but an expression
    }
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "pyrightconfig.json"
        project.write_text(json.dumps(settings), encoding="utf-8")
        run = [command, "--outputjson", "--pythonpath", sys.executable, "-p", str(project)]
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    report = json.loads(done.stdout)
    if report["summary"]["filesAnalyzed"] == 0:
        raise SystemExit(done.stdout + done.stderr)
    errors = [each for each in report["generalDiagnostics"] if each["severity"] == "error"]
    return {(Path(e["file"]).name, e["range"]["start"]["line"] + 1): e["message"] for e in errors}


CHECKERS: dict[str, Callable[[], Found]] = {"mypy": by_mypy, "pyright": by_pyright}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=CHECKERS)
    only = parser.parse_args().only
    wanted, failed = expected(), False
    for name, check in CHECKERS.items():
        if only not in (None, name):
            continue
        found = check()
        for file, line in sorted(found.keys() - wanted):
            print(f"{name}: {file}:{line}: {found[file, line]}")
        for file, line in sorted(wanted - found.keys()):
            print(f"{name}: {file}:{line}: finds no error")
        failed |= found.keys() != wanted
        print(f"{name}: {len(wanted & found.keys())} of {len(wanted)} mistakes found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
