"""The file format: one block of bytes for each tensor behind a JSON table of contents.

It is the layout of safetensors: eight bytes with the length of the table, the table, the data. Other programs
read our tensors and we read theirs. Nothing in a file is ever run, and nothing is believed: every number in
the table is checked against the size of the file before any memory is asked for.
"""

from __future__ import annotations

import json
import math
import pickle
import struct
from typing import Any, BinaryIO, NamedTuple

from tensorgrad.core import all_dtypes, dtype

__all__ = ["Entry", "LoadError", "parse_json", "read_into", "read_table", "table_bytes", "write_all"]

DTYPE_OF = {d.short.upper(): d for d in all_dtypes}
ALIGNMENT = 64  # of the data in the file, so that a mapped file can be computed with
LARGEST_TABLE = 100_000_000  # bytes; the limit of the safetensors package too
MOST_DIMS = 64
CHUNK = 1 << 22  # bytes read at once
LARGEST_WRITE = 1 << 24  # bytes handed to the system at once

NUMPY_FILE = """\
it is {kind}: read it with numpy.load({path!r}) and make tensors of the arrays with tensorgrad.from_numpy"""
ZIP_FILE = "it is a zip archive, neither of PyTorch's nor of NumPy's"
STARTS = {  # of files of other kinds
    b"\x93NUMPY": NUMPY_FILE.replace("{kind}", "a NumPy array"),
    b"PK\x05\x06": ZIP_FILE,
    b"\x80": "it is a pickle, and none of PyTorch's: pickle.load reads it, if you trust who wrote it",
    b"\x1f\x8b": "it is compressed by gzip: unpack it first",
    b"BZh": "it is compressed by bzip2: unpack it first",
    b"\xfd7zXZ": "it is compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd: unpack it first",
    b"\x89HDF": "it is an HDF5 file",
    b"GGUF": "it is a GGUF file",
}


class LoadError(RuntimeError, pickle.UnpicklingError):
    """A file that is not what it should be; the text names the file and what is wrong with it.

    >>> import io
    >>> tg.load(io.BytesIO(b"no such format"))
    Traceback (most recent call last):
    tensorgrad.io.container.LoadError: load: BytesIO can't be read: ...
    """


class Entry(NamedTuple):
    """Where a tensor's bytes are, counted from the end of the table."""

    dtype: dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def table_bytes(entries: dict[str, Entry], metadata: dict[str, str]) -> bytes:
    """The beginning of a file, up to the data."""
    table: dict[str, Any] = {"__metadata__": metadata}
    for name, entry in entries.items():
        table[name] = {
            "dtype": entry.dtype.short.upper(),
            "shape": list(entry.shape),
            "data_offsets": [entry.begin, entry.end],
        }
    text = json.dumps(table, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > LARGEST_TABLE:
        raise ValueError(
            f"save: the table of contents would take {len(text)} bytes, and no reader takes more than "
            f"{LARGEST_TABLE}; put lists of numbers into tensors"
        )
    return struct.pack("<Q", len(text)) + text


def read_table(file: BinaryIO, size: int, path: str) -> tuple[dict[str, Entry], dict[str, str]]:
    """The entries in the order of their data, and the metadata, of a file of `size` bytes, read up to the
    data.

    Raises LoadError unless the entries cover the rest of the file exactly.
    """
    start = bytearray(min(8, size))
    read_into(file, start, "its first bytes")
    if len(start) < 8:
        raise LoadError(f"it ends after {len(start)} of the first 8 bytes" if start else "it is empty")
    (length,) = struct.unpack("<Q", start)
    text = bytearray(min(length, size - 8, 1000))
    read_into(file, text, "its table of contents")
    if text[:1] != b"{":
        kind = _other_kind(bytes(start + text))
        if kind is not None:
            raise LoadError(kind.format(path=path))
    if length > LARGEST_TABLE:
        raise LoadError(
            f"its first 8 bytes announce a table of contents of {length} bytes, more than the "
            f"{LARGEST_TABLE} allowed: it was not written by tensorgrad or safetensors, or is damaged"
        )
    if length > size - 8:
        raise LoadError(
            f"it is cut short: the table of contents should have {length} bytes, and {size - 8} are there"
        )
    rest = bytearray(length - len(text))
    read_into(file, rest, "its table of contents")
    table = parse_json(text + rest, "table of contents")
    if not isinstance(table, dict):
        raise LoadError("its table of contents is not a JSON object")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise LoadError("the metadata in its table of contents is not a JSON object of strings")
    entries = {name: _entry(name, what) for name, what in table.items()}
    data, covered = size - 8 - length, 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.end > data:
            raise LoadError(
                f"tensor {name!r} should end at byte {entry.end} of the data, and there are {data}: the file "
                "is cut short or damaged"
            )
        if entry.begin != covered:
            what = "overlaps the one before it" if entry.begin < covered else "leaves a gap before it"
            raise LoadError(
                f"tensor {name!r} begins at byte {entry.begin} of the data, and the one before it ends at "
                f"{covered}: it {what}"
            )
        covered = entry.end
    if covered != data:
        raise LoadError(f"its tensors take {covered} bytes, and there are {data}")
    return entries, metadata


def _other_kind(start: bytes) -> str | None:
    """What the first bytes of a file that is none of ours say it is; None when they do not tell."""
    if start[:4] == b"PK\x03\x04":
        name = start[30 : 30 + int.from_bytes(start[26:28], "little")]  # of the archive's first member
        if name.endswith(b".npy"):
            return NUMPY_FILE.replace("{kind}", "a NumPy archive")
        return ZIP_FILE
    return next((kind for magic, kind in STARTS.items() if start.startswith(magic)), None)


def read_into(file: BinaryIO, target: Any, what: str) -> None:
    """Fills a buffer from a file; LoadError when the file ends before."""
    view = memoryview(target)
    while view:
        chunk = file.read(min(len(view), CHUNK))
        if not chunk:
            raise LoadError(f"it ended while {what} was being read; {len(view)} bytes are missing")
        view[: len(chunk)] = chunk
        view = view[len(chunk) :]


def write_all(file: BinaryIO, data: Any) -> None:
    """Writes a buffer to a file object, which may take less at a time."""
    view = memoryview(data)
    while view:
        count = file.write(view[:LARGEST_WRITE])
        if count is None or not 0 < count <= len(view):  # a pipe that does not wait, or a broken object
            raise OSError(f"save: the file object took {count} of {min(LARGEST_WRITE, len(view))} bytes")
        view = view[count:]


def parse_json(text: bytes | bytearray | str, what: str) -> Any:
    """JSON as Python values; LoadError where it is none, has a key twice in one object, or is nested too deep
    to read.
    """

    def unique(pairs):
        made = dict(pairs)
        if len(made) != len(pairs):
            raise LoadError(f"its {what} has a name twice")
        return made

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise LoadError(f"its {what} is nested too deep") from None
    except ValueError as error:
        raise LoadError(f"its {what} is not JSON: {error}") from None


def _entry(name: str, what: Any) -> Entry:
    if not isinstance(what, dict) or set(what) != {"dtype", "shape", "data_offsets"}:
        raise LoadError(f"the entry of tensor {name!r} does not have the keys dtype, shape and data_offsets")
    dtype, shape, offsets = what["dtype"], what["shape"], what["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_OF:
        raise LoadError(f"tensor {name!r} has the dtype {dtype!r}; there are {', '.join(DTYPE_OF)}")
    if not _naturals(shape) or len(shape) > MOST_DIMS:
        raise LoadError(
            f"tensor {name!r} has the shape {str(shape)[:80]}, which is no list of up to {MOST_DIMS} sizes"
        )
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise LoadError(
            f"tensor {name!r} has the offsets {str(offsets)[:80]}, which are no beginning and end"
        )
    itemsize = DTYPE_OF[dtype].itemsize
    if math.prod(extent or 1 for extent in shape) * itemsize >= 1 << 63:
        raise LoadError(f"tensor {name!r} has the shape {str(shape)[:80]}, which is too large for any memory")
    wanted, got = math.prod(shape) * itemsize, offsets[1] - offsets[0]
    if wanted != got:
        raise LoadError(
            f"tensor {name!r} of dtype {dtype} and shape {shape} takes {wanted} bytes, and its offsets "
            f"leave it {got}"
        )
    return Entry(DTYPE_OF[dtype], tuple(shape), *offsets)


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(x) is int and 0 <= x < 1 << 63 for x in value)
