"""Shared by all tests: each starts from the same state and leaves no setting behind."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import tensorgrad as tg

ROOT = Path(__file__).resolve().parent.parent


def pytest_report_header():
    return f"tensorgrad {tg.__version__}, backend {tg.get_backend()}, CPU level {tg._kernels.level()}"


def pytest_collection_modifyitems(config, items):
    """On the NumPy path what tries both anyway, or calls kernels by name, is left to the other run."""
    if os.environ.get("TENSORGRAD_BACKEND") == "numpy":
        done = [t for t in items if "backend" in t.fixturenames or t.path.name.startswith("test_kernels")]
        config.hook.pytest_deselected(items=done)
        left = set(items) - set(done)
        items[:] = [t for t in items if t in left]


@pytest.fixture(autouse=True)
def same_start():
    """The random state is fixed; dtype, backend, recording and threads are put back after the test."""
    dtype, backend, recording = tg.get_default_dtype(), tg.get_backend(), tg.is_grad_enabled()
    threads = tg.get_num_threads()
    tg.manual_seed(0)
    yield
    tg.set_default_dtype(dtype)
    tg.set_backend(backend)
    tg.set_grad_enabled(recording)
    tg.set_num_threads(threads)


@pytest.fixture(params=["kernels", "numpy"])
def backend(request):
    """For what has to hold with kernels and on the NumPy path alike."""
    with tg.backend(request.param):
        yield request.param


@pytest.fixture(scope="session")
def site():
    """The folder of the site's pages, made anew where something changed."""
    import make_site

    if not all(map(find_spec, make_site.NEEDED)):
        pytest.skip("the site needs the packages of the extra docs")
    folder = ROOT / "build" / f"site{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    command = [sys.executable, ROOT / "tools" / "make_site.py", "--folder", folder]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return folder / "html"
