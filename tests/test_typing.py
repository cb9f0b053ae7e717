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
