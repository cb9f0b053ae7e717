"""Every example in a docstring of the installed package runs and prints what it says; so do the README's."""

import doctest
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn as nn
import tensorgrad.nn.functional as F
from tensorgrad.core.printing import get_printoptions, set_printoptions

ROOT = Path(__file__).parents[1]
GUIDE = sorted(f"docs/guide/{path.name}" for path in (ROOT / "docs/guide").glob("*.md"))
LEAST = 1290  # docstrings with examples; raise it as the package grows, so that none goes missing unseen


def modules():
    """The package and all that is in it, except what runs when imported."""
    yield tg
    for found in pkgutil.walk_packages(tg.__path__, "tensorgrad."):
        needs = ("tensorboard", "PIL") if found.name == "tensorgrad.utils.tensorboard" else ()
        if not found.name.endswith("__main__") and all(map(find_spec, needs)):
            yield importlib.import_module(found.name)


def documented(module):
    """All in a module that is the package's own: functions, ops, classes and their members."""
    yield module.__name__, module
    for name, value in vars(module).items():
        home = str(getattr(value, "__module__", ""))
        if isinstance(value, ModuleType) or not home.startswith("tensorgrad"):
            continue
        yield f"{module.__name__}.{name}", value
        if isinstance(value, type):
            for member, inner in vars(value).items():
                yield f"{module.__name__}.{name}.{member}", inner


def collect():
    """Docstrings with examples, each once, with the name it was first met under."""
    found = {}
    for module in modules():
        for name, value in documented(module):
            text = getattr(value, "__doc__", None)
            if isinstance(text, str) and ">>> " in text:
                found.setdefault(text, name)
    return [(name, text) for text, name in found.items()]


EXAMPLES = collect()


@pytest.fixture(autouse=True)
def fresh_state():
    before = get_printoptions()
    tg.manual_seed(0)
    yield
    set_printoptions(**before)
    tg.core._core._call_library("tensorgrad")  # examples call as_torch, and types print as torch's then


def run(name, text):
    given = {"tg": tg, "np": np, "nn": nn, "F": F, "__name__": "example"}
    if name.startswith("tensorgrad._kernels."):  # functions over arrays, shown by their bare names
        given |= vars(tg._kernels)
    test = doctest.DocTestParser().get_doctest(text, given, name, None, 0)
    report = []
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    assert outcome.attempted
    assert not outcome.failed, "".join(report)


@pytest.mark.parametrize("name, text", EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example_prints_what_it_says(name, text):
    run(name, text)


def test_examples_have_not_gone_missing():
    assert len(EXAMPLES) >= LEAST


def test_a_wrong_example_would_be_noticed():
    with pytest.raises(AssertionError, match=r"Expected:\n.*tensor\(3\)"):
        run("wrong", ">>> tg.tensor(1) + 1\ntensor(3)\n")


def test_the_readme_runs_by_itself():
    failed, count = doctest.testfile(str(ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert failed == 0 and count > 20


@pytest.mark.parametrize("page", ["README.md", "docs/home.md", "docs/index.md", "docs/doctor.md", *GUIDE])
def test_python_on_the_page_runs(page):
    parts = (ROOT / page).read_text(encoding="utf-8").split("```")[1::2]
    examples = [part.removeprefix("python\n") for part in parts if part.startswith("python\n>>>")]
    assert examples
    run(page, "\n".join(examples))
