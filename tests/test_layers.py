"""Imports point one way: kernels, core, ops, autograd, nn, then optim, data and io, then what is built from
them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tensorgrad as tg

ROOT = Path(tg.__file__).parent
ORDER = [
    {"_fitness", "_kernels", "version"},
    {"core"},
    {"ops"},
    {"autograd", "func", "linalg", "special", "random", "accelerator", "amp", "backends", "cuda"}
    | {"__config__", "compiler", "cpu", "distributed", "futures", "multiprocessing", "overrides", "sparse"}
    | {"types"},
    {"nn"},
    {"optim", "data", "distributions", "hub", "io", "jit", "onnx", "serialization", "utils", "testing"},
    {"bench", "datasets", "demo", "doctor", "inside", "plain", "porting", "profiler", "torch_version"}
    | {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
# core/text.py installs the functions of Python that the compiled core calls, one of which is declared in ops.
# PyTorch has its profiler at an address under autograd too, which is asked for late.
ALLOWED = {("core/text.py", "ops"), ("autograd/__init__.py", "profiler")}


def imported(path: Path):
    """The parts of the package that a file imports, at once or inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(ROOT.parent).with_suffix("").parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level]) if node.level else []
            parts = base + (node.module.split(".") if node.module else [])
            if parts[:1] == ["tensorgrad"]:
                if len(parts) > 1:
                    yield parts[1]
                else:
                    yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "tensorgrad" and len(parts) > 1:
                    yield parts[1]


FILES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("name", FILES)
def test_imports_point_one_way(name):
    own = RANK[name.split("/")[0].removesuffix(".py")]
    for other in imported(ROOT / name):
        if other in RANK and (name, other) not in ALLOWED:
            assert RANK[other] <= own, f"{name} imports {other}, which is built on it"


def test_importing_loads_neither_layers_nor_optimizers():
    code = "import sys, tensorgrad; print(sorted(m for m in sys.modules if m.startswith('tensorgrad.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in (
        "tensorgrad.nn",
        "tensorgrad.optim",
        "tensorgrad.autograd",
        "tensorgrad.data",
        "tensorgrad.datasets",
    ):
        assert f"'{heavy}'" not in loaded


def test_run_time_needs_numpy_alone():
    code = (
        "import sys, numpy; had = set(sys.modules); import tensorgrad as tg; tg.nn, tg.optim, tg.autograd, "
        "tg.data, tg.io; print(sorted({m.split('.')[0] for m in set(sys.modules) - had} - "
        "set(sys.stdlib_module_names)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    # Python's own: multiprocessing gives the main module a second name; sub-interpreters, which are refused.
    own = ("__mp_main__", "_xxsubinterpreters")
    others = {name for name in ast.literal_eval(found) if "cython" not in name and name not in own}
    assert others <= {"tensorgrad", "numpy"}


def test_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match="no attribute 'sigmod'.*'sigmoid'"):
        tg.sigmod  # noqa: B018


def test_no_file_is_longer_than_a_reader_takes_in_at_once():
    """At most 600 lines, by subject: a longer file is two subjects. Fixtures are data."""
    root = Path(__file__).parent.parent
    sources = [
        path
        for folder in ("src", "tests", "tools", "benchmarks", "examples")
        for path in (root / folder).rglob("*")
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi", ".c", ".h") and "fixtures" not in path.parts
    ]
    lengths = {path: len(path.read_bytes().splitlines()) for path in sources}
    long = {str(path.relative_to(root)): lines for path, lines in lengths.items() if lines > 600}
    assert sources and not long, f"files of more than 600 lines: {long}"
