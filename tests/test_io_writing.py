"""Files: an old file survives a failure to write a new one."""

import io
import os
import stat
import subprocess
import sys
import textwrap

import pytest
from comparing import same
from file_parts import Named, Strange, posix

import tensorgrad as tg
from tensorgrad import io as files

if os.name == "posix":
    import resource

# ---------------------------------------------------------------------------- failures while saving


@pytest.fixture
def old(tmp_path):
    """A file with an old state; at the end it must still be there, alone."""
    path = tmp_path / "model.tg"
    tg.save({"x": tg.ones(3), "epoch": 1}, path)
    yield path
    same(tg.load(path), {"x": tg.ones(3), "epoch": 1})
    assert os.listdir(tmp_path) == ["model.tg"]


@posix
def test_old_file_survives_a_full_disk(old):
    code = f"""
        import resource
        import tensorgrad as tg
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            tg.save({{"x": tg.zeros(1_000_000)}}, {str(old)!r})
        except OSError as error:
            print(error)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert "model.tg is as it was" in run.stdout, run.stdout + run.stderr


@posix
def test_full_disk_leaves_no_new_file(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(OSError, match="was not made"):
            tg.save(tg.zeros(1_000_000), tmp_path / "new.tg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_old_file_survives_a_failing_system_call(old, monkeypatch, call):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        tg.save(2, old)
    monkeypatch.undo()


def test_old_file_survives_an_interruption(old, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tg.save({"x": tg.zeros(100)}, old)
    monkeypatch.undo()


def test_old_file_survives_an_object_that_can_not_be_written(old):
    with pytest.raises(TypeError):
        tg.save({"x": tg.zeros(3), "y": Strange()}, old)


def test_old_file_survives_a_killed_process(old):
    code = f"""
        import os
        import tensorgrad as tg
        os.fsync = lambda descriptor: os._exit(9)
        tg.save({{"x": tg.zeros(1000)}}, {str(old)!r})
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 9
    (left,) = old.parent.glob(".model.tg.*.tmp")  # nobody was left to take it away
    tg.save({"x": tg.ones(3), "epoch": 1}, old)
    assert not left.exists()


@posix
def test_a_save_leaves_the_unfinished_file_of_a_living_saver_and_any_other_alone(tmp_path):
    others = tmp_path / ".notes.tmp", tmp_path / ".model.tg.0123456789abcdef.tmp"
    for other in others:
        other.touch()
    tg.save(1, tmp_path / "first.tg")
    with files.files._replacing(str(tmp_path / "slow.tg")) as file:
        file.write(b"half")
        tg.save(2, tmp_path / "second.tg")
    assert all(other.exists() for other in others)
    assert (tmp_path / "slow.tg").read_bytes() == b"half"


@posix
@pytest.mark.parametrize("mode", [None, 0o600, 0o640, 0o666])
def test_a_file_being_written_was_never_open_to_more_than_its_target(tmp_path, monkeypatch, mode):
    path, modes = tmp_path / "model.tg", []
    if mode is not None:
        path.touch()
        path.chmod(mode)
    real = os.open

    def opened(*args):
        descriptor = real(*args)
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "open", opened)
        tg.save(tg.ones(3), path)
    finally:
        os.umask(before)
    wanted = 0o640 if mode is None else mode
    assert modes[0] & ~wanted == 0 and stat.S_IMODE(path.stat().st_mode) == wanted


def test_a_read_only_file_is_refused_and_as_it_was(old):
    old.chmod(0o444)
    with pytest.raises(PermissionError, match="read-only"):
        tg.save(2, old)
    old.chmod(0o644)


@posix
def test_the_new_file_is_synced_before_it_takes_the_old_ones_place(old, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    tg.save({"x": tg.ones(3), "epoch": 1}, old)
    assert calls == ["fsync", "replace", "fsync"]


class Failing(io.BytesIO):
    """A file object whose disk is full after some bytes."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, data):
        if self.tell() + len(data) > self.room:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, 1000])
def test_failing_file_object_raises_its_own_error(old, room):
    state = {"x": tg.ones(1000)}
    with pytest.raises(OSError, match="No space left"):
        tg.save(state, Failing(room))
    same(state, {"x": tg.ones(1000)})


def test_file_object_that_takes_nothing_is_named():
    class Stuck(io.RawIOBase):
        def write(self, data):
            return 0

    with pytest.raises(OSError, match="took 0 of"):
        tg.save(1, Stuck())


def test_unknown_object_leaves_a_file_object_untouched():
    file = Named()
    with pytest.raises(TypeError):
        tg.save([tg.ones(3), Strange()], file)
    assert file.getvalue() == b""
