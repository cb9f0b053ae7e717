"""save and load: files that are written whole or not at all, and that run nothing when they are read."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor, _core

from .container import Entry, LoadError, parse_json, read_into, read_table, table_bytes, write_all
from .torch_reading import is_legacy, read_archive, read_legacy
from .torch_writing import write_archive
from .tree import Saved, decode, encode

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["load", "save"]

TREE = "tensorgrad"  # the metadata key under which the nested state stands
VERSION = 1
A_WHILE = 3600  # seconds after which an unfinished file is a dead saver's, where files can't be locked
LONGEST_START = 64  # bytes that tell what a file is
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def save(
    obj: Any,
    f: str | os.PathLike | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: Any = None,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Writes tensors, and dicts, lists, numbers and text around them, to a file or file object.

    A name that ends in `.pt` or `.pth`, and a file object without a name, get PyTorch's layout, which
    `torch.load` reads: a zip archive of a pickle and the memory of the tensors, of which the parts that share
    it go on sharing. Everything that pickle takes can be written, a module too, though reading that takes
    `weights_only=False`, and its class under the same name.

    Any other name gets a safetensors file, in which other programs find the tensors by their place, such as
    `model.0.weight`; a view is written as its own values. It raises TypeError for a module, optimizer or any
    other object of code: save its `state_dict()`.

    A path is written under another name beside it, synced and renamed, so that it always holds the old state
    or the new one, whatever happens. `_use_new_zipfile_serialization` changes nothing: PyTorch's layout is
    that of 1.6 and later. Raises ValueError for a `pickle_module` other than Python's.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> tg.save({"weight": tg.ones(2), "epoch": 3}, path)
    >>> tg.load(path)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if pickle_module is not None and pickle_module is not pickle:
        raise ValueError("save: only Python's own pickle is used; leave pickle_module out")
    if _is_for_torch(f):
        with writing(f) as file:
            write_archive(obj, file, pickle_protocol)
        return
    tree, saved = encode(obj)
    # The largest elements first, so that every tensor lies at a multiple of its element size.
    saved.sort(key=lambda item: -item.array.itemsize)
    entries, offset = {}, 0
    for name, array, dtype in saved:
        entries[name] = Entry(dtype, array.shape, offset, offset + array.nbytes)
        offset += array.nbytes
    description = json.dumps({"version": VERSION, "tree": tree}, separators=(",", ":"), allow_nan=False)
    start = table_bytes(entries, {TREE: description})
    with writing(f) as file:
        _write(file, start, saved)


def load(
    f: str | os.PathLike | BinaryIO,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """Reads what `save` wrote, a file of PyTorch's (any since 1.0), or a safetensors file, which gives a dict
    from names to tensors. What a file is its content tells, not its name.

    With `weights_only`, the default, nothing in a file is run: it may name tensors, parameters, containers,
    numbers, NumPy's too, dtypes and sizes, and what `serialization.safe_globals` admits. **With
    `weights_only=False` a file of PyTorch's makes whatever it names and runs what it says, so a stranger's
    file may do anything that you may:** load so only what you trust. It is how a whole module is read, with
    torch's classes as tensorgrad's; `pickle_module` may then be another than Python's.

    `mmap=True` shows the memory of a file of PyTorch's, which is read when it is looked at and never written.
    All tensors come to the CPU, wherever they were: `map_location` has no other.

    Raises LoadError, a RuntimeError and a pickle.UnpicklingError, for a file that is damaged or of another
    kind or that names more, and says what; no memory is asked for that the file does not fill.

    >>> import io
    >>> file = io.BytesIO()
    >>> tg.save([tg.arange(3)], file); _ = file.seek(0)
    >>> tg.load(file)
    [tensor([0, 1, 2])]
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError(
            "load: a pickle_module makes whatever a file names, so it takes weights_only=False"
        )
    _check_location(map_location)
    how = _How(bool(weights_only), pickle_module or pickle, bool(mmap))
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("load: mmap=True takes the path of a file, not a file object")
        return _read(cast(BinaryIO, f), str(getattr(f, "name", type(f).__name__)), how)
    path = os.fspath(f)
    with open(path, "rb") as file:
        return _read(file, os.fsdecode(path), how)


class _How(NamedTuple):
    """How a file of PyTorch's is to be read."""

    weights_only: bool
    pickle_module: ModuleType
    mmap: bool


def _check_location(location: Any) -> None:
    places: Sequence[Any] = [location]
    if isinstance(location, dict):
        places = list(location.values())
    for place in places:
        if place is not None and not callable(place) and tg.device(place).type != "cpu":
            raise RuntimeError(f"load: map_location={location!r}, and there is only the CPU")


# ---------------------------------------------------------------------------- writing


def _is_for_torch(f: Any) -> bool:
    """Whether a path or file object gets PyTorch's layout."""
    name = getattr(f, "name", "") if hasattr(f, "write") else os.fspath(f)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if not isinstance(name, str) or not name:
        return True
    return name.endswith((".pt", ".pth"))


@contextmanager
def writing(f: Any) -> Iterator[BinaryIO]:
    """A file object as it is, or one that takes the place of a path's file."""
    if hasattr(f, "write"):
        yield cast(BinaryIO, f)
    else:
        with _replacing(os.fspath(f)) as file:
            yield file


def _write(file: BinaryIO, start: bytes, saved: list[Saved]) -> None:
    write_all(file, start)
    for _, array, _ in saved:
        if array.nbytes:
            write_all(file, np.ascontiguousarray(array).reshape(-1).view(np.uint8))


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with _replacing(os.fspath(path)) as file:
        write_all(file, text.encode())


@contextmanager
def _replacing(path: str | bytes) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well, and is gone when not."""
    path = os.path.realpath(path)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):  # a pipe or a device: nothing to keep, nothing to rename
        with open(path, "wb") as file:
            yield file
        return
    if mode is not None and not (mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError(errno.EACCES, "save: the file is read-only", os.fsdecode(path))
    folder, name = os.path.split(os.fsdecode(path))
    _clear(folder)
    try:
        temporary, descriptor = _temporary(folder, name, 0o666 if mode is None else mode & 0o777)
    except OSError as error:
        what = f"save: a file can't be made there: {error.strerror}"
        raise type(error)(error.errno, what, os.fsdecode(path)) from None
    try:
        with open(descriptor, "wb", buffering=0) as file:
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            yield file
            os.fsync(file.fileno())
            if fcntl is not None:  # as long as it is locked
                os.replace(temporary, path)
        if fcntl is None:
            os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            was = "is as it was" if mode is not None else "was not made"
            raise type(error)(error.errno, f"save: {error.strerror}; {os.fsdecode(path)} {was}") from error
        raise
    _sync_folder(folder)


def _temporary(folder: str, name: str, mode: int) -> tuple[str, int]:
    """A new file beside a target, open and locked: as long as it is, its saver lives."""
    while True:
        path = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(6)}.tmp")
        descriptor = os.open(path, NEW_FILE, mode)
        if _lock(descriptor) is not False and os.path.exists(path):
            return path, descriptor
        os.close(descriptor)  # another saver took it for a dead one's before it was locked


def _clear(folder: str) -> None:
    """Takes away what savers left behind that were killed; what can't be is left there."""
    with suppress(OSError):
        for name in filter(TEMPORARY.fullmatch, os.listdir(folder)):
            with suppress(OSError):
                _clear_one(os.path.join(folder, name))


def _clear_one(path: str) -> None:
    if fcntl is None:  # Windows does not take an open file away
        if time.time() - os.stat(path).st_mtime > A_WHILE:
            os.unlink(path)
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _lock(descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Whether the file is ours alone now; None where files can't be locked."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sync_folder(folder: str) -> None:
    """Makes the renaming itself last; there is no such call on Windows, which does it without."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# ---------------------------------------------------------------------------- reading


def _read(file: BinaryIO, path: str, how: _How) -> Any:
    try:
        size = _bytes_left(file)
        if size is None:  # a stream tells its size only by being read
            content = file.read()
            file, size = BytesIO(content), len(content)
        here = file.tell()
        start = bytearray(min(size, LONGEST_START))
        read_into(file, start, "its first bytes")
        file.seek(here)
        if start[:4] == b"PK\3\4":
            is_torch, found = read_archive(file, size, how.weights_only, how.pickle_module, how.mmap)
            if is_torch:
                return found
            file.seek(here)
        if is_legacy(bytes(start)):
            if how.mmap:
                raise LoadError("it was written as before PyTorch 1.6, and so can't be mapped: mmap=False")
            return read_legacy(file, size, how.weights_only, how.pickle_module)
        entries, metadata = read_table(file, size, path)
        tree = _tree(metadata, entries)
        tensors = {
            name: _read_tensor(file, name, entry)
            for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end))
        }

        def read(name: str) -> Tensor:
            if name not in tensors:
                raise LoadError(f"the description of its contents names a tensor {name!r} that is not there")
            return tensors[name]

        return decode(tree, read)
    except LoadError as error:
        raise LoadError(f"load: {path} can't be read: {error}") from error.__cause__


def _bytes_left(file: BinaryIO) -> int | None:
    """How many bytes a file object has from here to its end; None when it can't tell."""
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (AttributeError, OSError):
        return None
    return end - here


def _tree(metadata: dict[str, str], entries: dict[str, Entry]) -> Any:
    """The description of the nested state; of a file that has none, a dict of its tensors."""
    if TREE not in metadata:
        return {"dict": {name: {"tensor": name} for name in entries}}
    description = parse_json(metadata[TREE], "description of its contents")
    if not isinstance(description, dict) or set(description) != {"version", "tree"}:
        raise LoadError("the description of its contents does not have the keys version and tree")
    if description["version"] != VERSION:
        raise LoadError(
            f"the description of its contents is of version {description['version']!r}, and this tensorgrad "
            f"reads version {VERSION}: load it with a newer one"
        )
    return description["tree"]


def _read_tensor(file: BinaryIO, name: str, entry: Entry) -> Tensor:
    tensor = tg.empty(entry.shape, dtype=entry.dtype)
    array = _core._memory_of(tensor)
    if array.nbytes:
        octets = array.reshape(-1).view(np.uint8)
        read_into(file, octets, f"tensor {name!r}")
        if entry.dtype is tg.bool:  # another program's True may be any byte
            np.not_equal(octets, 0, out=octets.view(np.bool_))
    return tensor
