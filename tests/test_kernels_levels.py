"""The same tests on the levels of older CPUs, and how a level is chosen."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_calls import F32

from tensorgrad import _kernels

HERE = Path(__file__).parent
ORDER = ("v2", "v3", "v4")


def python(level, *arguments):
    environment = {**os.environ, "TENSORGRAD_CPU": level}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, cwd=HERE.parent
    )


@pytest.mark.skipif(_kernels.level() == "baseline", reason="one level here")
@pytest.mark.skipif(bool(os.environ.get("TENSORGRAD_CPU")), reason="a level is already asked for")
@pytest.mark.parametrize("level", ["v2", "v3"])
def test_an_older_level_passes_the_same_tests(level):
    if ORDER.index(level) >= ORDER.index(_kernels.level()):
        pytest.skip("this CPU has no higher level")
    parts = ("", "_convolution", "_copies", "_math", "_pooling", "_products", "_recurrent", "_rows", "_scans")
    files = [str(HERE / f"test_kernels{part}.py") for part in parts]
    show = "from tensorgrad import _kernels; print(_kernels.level())"
    assert python(level, "-c", show).stdout.strip() == level
    run = python(level, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files)
    assert run.returncode == 0, run.stdout[-4000:]


def test_an_unknown_level_is_refused():
    run = python("v9", "-c", "import tensorgrad._kernels")
    assert run.returncode != 0
    if _kernels.level() != "baseline":
        assert "TENSORGRAD_CPU is 'v9'; it can be v2, v3 or v4, or be unset" in run.stderr


def test_a_kernel_that_is_not_there_is_said_so():
    assert not _kernels.has("nonesuch", F32)
    with pytest.raises(KeyError, match=f"there is no kernel 'nonesuch' for element type {F32}"):
        _kernels.call("nonesuch", F32, [], (1,), [])


SOURCES = HERE.parent / "src" / "tensorgrad" / "kernels"


def compiles(*command: str, without: tuple[str, ...] = ()) -> None:
    files = sorted(str(path) for path in SOURCES.glob("*.c") if path.name not in without)
    done = subprocess.run([*command, "-fsyntax-only", f"-I{SOURCES}", *files], capture_output=True, text=True)
    assert files and done.returncode == 0, done.stderr


@pytest.mark.skipif(not (shutil.which("cc") and SOURCES.exists()), reason="needs a compiler and the sources")
def test_kernels_compile_where_compilers_have_no_vector_types():
    """As with Microsoft's: plain C stands beside what needs them."""
    compiles("cc", "-DPLAIN_C", "-std=c11", "-pedantic", "-Wall", "-Werror")


@pytest.mark.skipif(not (shutil.which("clang") and SOURCES.exists()), reason="needs clang and the sources")
@pytest.mark.parametrize("target", ["x86_64-pc-windows-msvc", "arm64-apple-macos11", "x86_64-apple-macos11"])
def test_kernels_compile_for_other_systems(target):
    """With headers that stand for theirs: all but the pool, which is made of the system's own functions."""
    headers = f"-isystem{HERE / 'headers'}"
    compiles("clang", f"--target={target}", "-ffreestanding", headers, without=("pool.c",))
