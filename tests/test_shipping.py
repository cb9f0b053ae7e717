"""What is shipped: wheels as the check from outside sees them, the check-list, and what importing refuses."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import check_wheel
import pytest

import tensorgrad as tg
from tensorgrad import _fitness

ROOT = Path(__file__).resolve().parent.parent
METADATA = """Metadata-Version: 2.4
Name: tensorgrad-cpu
Summary: it
Author: we
License-Expression: Apache-2.0
Project-URL: Homepage, https://example.org
Requires-Dist: numpy>=1.26
Requires-Dist: pytest>=8; extra == "test"

See [this](https://example.org/a) and [that](#there).
"""
BINARIES = ["tensorgrad." + module.replace("/", ".") for module in check_wheel.MODULES]


def binary(module: str) -> bytes:
    return Path(importlib.util.find_spec(module).origin).read_bytes()


def wheel(folder: Path, **changes: bytes | None) -> Path:
    """A small wheel as it should be, but for some files: other contents, or not there."""
    files: dict[str, bytes | None] = dict.fromkeys(check_wheel.NEEDED, b"")
    files |= {f"tensorgrad/{module}.cpython-399-some.so": b"binary" for module in check_wheel.MODULES}
    files |= {"a.dist-info/METADATA": METADATA.encode(), "a.dist-info/licenses/LICENSE": b""}
    files |= changes
    path = folder / "a.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tensorgrad/", b"")  # some tools write folders down
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def test_a_wheel_as_it_should_be_has_no_faults(tmp_path):
    assert list(check_wheel.faults_of(wheel(tmp_path))) == []


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({"tensorgrad/py.typed": None}, "tensorgrad/py.typed: missing"),
        ({"tensorgrad/core/_core.cpython-399-some.so": None}, "tensorgrad/core/_core: 0 binaries"),
        ({"a.dist-info/licenses/LICENSE": None}, "LICENSE: missing"),
        ({"tensorgrad/kernels/map.c": b""}, "tensorgrad/kernels/map.c: not a file for users"),
        ({"tests/test_a.py": b""}, "tests/test_a.py: not the package's"),
        ({"tensorgrad/_kernels.cpython-399-some.so": b"\0/home/a/map.c\0"}, "names a folder"),
        ({"a.dist-info/METADATA": METADATA.replace("#there", "docs/a").encode()}, "links to docs/a"),
        ({"a.dist-info/METADATA": METADATA.replace("; extra", "; other").encode()}, "numpy alone"),
        ({"tensorgrad/a.py": b"0" * check_wheel.LARGEST}, "bytes, of at most"),
    ],
    ids=["stub", "module", "licence", "source", "tests", "folder", "link", "requirement", "size"],
)
def test_a_wheel_with_one_fault_is_told_that_one(tmp_path, changes, fault):
    (found,) = check_wheel.faults_of(wheel(tmp_path, **changes))
    assert fault in found


@pytest.mark.skipif(sys.platform != "linux", reason="ELF files are Linux's")
@pytest.mark.parametrize("name", BINARIES)
def test_binaries_ask_for_no_symbol_younger_than_glibc_2_28(name):
    faults = [fault for fault in check_wheel.faults_of_binary(binary(name)) if "needs" in fault]
    # Builds with the sanitizers, and not they alone, need libraries of their own.
    assert [f for f in faults if "san.so" not in f] == []


@pytest.mark.skipif(sys.platform != "linux", reason="ELF files are Linux's")
def test_versions_and_libraries_are_read_from_a_binary():
    libraries, versions = check_wheel.read_elf(binary("tensorgrad._kernels"))
    assert any(re.match(r"lib[\w.-]*\.so", library) for library in libraries)
    assert all(re.fullmatch(r"[A-Z]+_[\d.]+", version) for version in versions)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the check-list needs tomllib")
def test_the_check_list_knows_what_a_release_lacks(tmp_path):
    import release_check

    faults = list(release_check.faults_of_source("v0.0.0"))
    assert any(fault.startswith("the tag is v0.0.0") for fault in faults)
    assert not any(fault.startswith(("README.md", "pyproject.toml")) for fault in faults)
    (tmp_path / "stray.txt").touch()
    faults = list(release_check.faults_of_files(tmp_path))
    wheels = [fault for fault in faults if ": 0 wheels for cp3" in fault]
    assert len(wheels) == len(release_check.pythons()) * len(release_check.SYSTEMS)
    assert any("tar.gz is missing" in fault for fault in faults)
    assert any("stray.txt does not belong" in fault for fault in faults)


def test_two_distributions_in_one_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_fitness, "__file__", str(tmp_path / "_fitness.py"))
    _fitness.refuse_what_is_unfit()
    for name in _fitness.OTHERS:
        assert not (Path(tg.__file__).parent / name).exists()
        (tmp_path / name).touch()
    with pytest.raises(ImportError, match="pip uninstall --yes tensorgrad tensorgrad-cpu"):
        _fitness.refuse_what_is_unfit()


def test_python_without_its_global_lock_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(ImportError, match="python -X gil=1"):
        _fitness.refuse_what_is_unfit()


def test_a_sub_interpreter_is_refused_and_the_main_one_goes_on():
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    pytest.importorskip(name)
    code = f"""
import {name} as interpreters
refused = "try:\\n import tensorgrad\\nexcept ImportError as error: print(error, flush=True)"
run = interpreters.run_string
run(interpreters.create(), refused)
import tensorgrad
print(tensorgrad.ones(2).sum().item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "this is a sub-interpreter" in done.stdout and done.stdout.endswith("2.0\n")
