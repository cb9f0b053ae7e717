"""The programs of `tests/typing`, which type checkers pass (`tools/check_types.py`), run too."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import pytest

import tensorgrad as tg

PROGRAMS = sorted((Path(__file__).parent / "typing" / "programs").glob("*.py"))


@pytest.fixture
def as_before():
    """What a program sets, put back."""
    threads, state = tg.get_num_threads(), tg.get_rng_state()
    printing = tg.get_printoptions()
    yield
    tg.set_num_threads(threads)
    tg.set_rng_state(state)
    tg.set_printoptions(**printing)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_program_that_type_checkers_pass_runs(path, as_before, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a nested tensor layout, a scheduler without steps
        runpy.run_path(str(path))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x.su", "sum"),
        ("tg.relu(x).su", "sum"),
        ("(x + 1)[0].su", "sum"),
        ("x.max(1).val", "values"),
        ("tg.linalg.qr(x).Q", "Q"),
        ("tg.nn.Lin", "Linear"),
        ("layer.wei", "weight"),
        ("tg.nn.functional.cross_e", "cross_entropy"),
        ("tg.optim.lr_scheduler.Step", "StepLR"),
        ("tg.utils.data.DataL", "DataLoader"),
    ],
)
def test_an_editor_completes_names(text, name):
    jedi = pytest.importorskip("jedi")
    head = "import tensorgrad as tg\nx = tg.ones(2, 2)\nlayer = tg.nn.Linear(2, 3)\n"
    package = Path(tg.__file__).parent.parent
    project = jedi.Project(str(Path(__file__).parent), added_sys_path=[str(package)])
    found = jedi.Script(head + text, project=project).complete(4, len(text))
    assert name in [each.name for each in found]
