#!/usr/bin/env python3
"""The check-list of a release: looks at the tree, the finished files and the tag. Ends with 1 if not ready.

    python tools/release_check.py                              before the tag is set
    python tools/release_check.py --dist FOLDER --tag v1.2.3   what is about to be published

What `.ci/run` holds (tests, linters, stubs) is not repeated here. Needs Python 3.11 and git.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import check_wheel
import tomllib

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = {
    "manylinux x86_64": r"manylinux\w*_2_28_x86_64", "manylinux aarch64": r"manylinux\w*_2_28_aarch64",
    "musllinux x86_64": r"musllinux_1_2_x86_64", "musllinux aarch64": r"musllinux_1_2_aarch64",
    "macOS x86_64": r"macosx_\d+_\d+_x86_64", "macOS arm64": r"macosx_\d+_\d+_arm64",
    "Windows": "win_amd64",
}  # fmt: skip
IN_SDIST = (
    "setup.py", "LICENSE", "README.md", "CHANGELOG.md", "src/tensorgrad/_kernels.pyx",
    "src/tensorgrad/kernels/kernel.h", "src/tensorgrad/kernels/dispatch.c", "tests/conftest.py",
)  # fmt: skip


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def version() -> str:
    found = re.search(r'^__version__ = "(.+)"$', read("src/tensorgrad/version.py"), re.MULTILINE)
    assert found, "src/tensorgrad/version.py has no __version__"
    return found[1]


def pythons() -> list[str]:
    """The tags of the Pythons that wheels are built for."""
    settings = tomllib.loads(read("pyproject.toml"))["tool"]["cibuildwheel"]
    return [pattern.removesuffix("-*") for pattern in settings["build"].split()]


def faults_of_source(tag: str | None) -> Iterator[str]:
    if tag is not None and tag != f"v{version()}":
        yield f"the tag is {tag}, and src/tensorgrad/version.py says {version()}"
    heading = re.search(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    if heading is None or not re.fullmatch(rf"{re.escape(version())}, \d{{4}}-\d\d-\d\d", heading[1]):
        found = heading[1] if heading else "nothing"
        yield f'CHANGELOG.md begins with "{found}": it should be "{version()}, " and the day (2030-12-31)'
    for link in re.findall(r"(?:\]\(|^\[\w+\]: )((?!https?://|#)[^)\s]+)", read("README.md"), re.MULTILINE):
        yield f"README.md links to {link}, which PyPI's page would not find: make it absolute"
    project = tomllib.loads(read("pyproject.toml"))["project"]
    named = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)]
    built = [f"3.{tag.removeprefix('cp3')}" for tag in pythons()]
    if named != built:
        yield f"pyproject.toml: classifiers are of {', '.join(named)}, wheels of {', '.join(built)}"
    if project["requires-python"] != f">={built[0]}":
        yield f"pyproject.toml: requires-python is {project['requires-python']}, wheels begin with {built[0]}"
    yield from faults_of_tree()


def faults_of_tree() -> Iterator[str]:
    try:
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        changed = None
    if changed is None or changed.returncode != 0:
        yield "git: not there, or this is no clone, so whether all is committed is not known"
        return
    for line in changed.stdout.splitlines():
        if not line.startswith("?? dist"):
            yield f"git: not committed: {line[3:]}"


def faults_of_files(folder: Path) -> Iterator[str]:
    """Of a folder that should hold all wheels and the source distribution, and nothing else."""
    left = sorted(path.name for path in folder.iterdir())
    stem = f"tensorgrad_cpu-{version()}"
    for python in pythons():
        for system, pattern in SYSTEMS.items():
            wheel = re.compile(rf"{re.escape(stem)}-{python}-{python}-([\w.]+\.)?{pattern}(\.\w+)*\.whl")
            found = [name for name in left if wheel.fullmatch(name)]
            if len(found) != 1:
                yield f"{folder}: {len(found)} wheels for {python} on {system}"
            for name in found:
                left.remove(name)
                for fault in check_wheel.faults_of(folder / name):
                    yield f"{name}: {fault}"
    archive = f"{stem}.tar.gz"
    if archive in left:
        left.remove(archive)
        with tarfile.open(folder / archive) as files:
            names = set(files.getnames())
        for name in IN_SDIST:
            if f"{stem}/{name}" not in names:
                yield f"{archive}: {name} is missing"
    else:
        yield f"{folder}: {archive} is missing"
    for name in left:
        yield f"{folder}: {name} does not belong to {version()}"


def main(arguments: list[str]) -> int:
    about, _, _ = (__doc__ or "").partition("\n")
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--dist", type=Path, metavar="FOLDER", help="files that are to be published")
    options.add_argument("--tag", help="the tag that is set")
    given = options.parse_args(arguments)
    faults = list(faults_of_source(given.tag))
    if given.dist is not None:
        faults += faults_of_files(given.dist)
    for fault in faults:
        print(fault)
    print(f"tensorgrad-cpu {version()}: " + (f"{len(faults)} things are missing" if faults else "ready"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
