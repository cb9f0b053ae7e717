"""Reading PyTorch's files: the zip archives since 1.6, and the pickles one after the other of before."""

from __future__ import annotations

import mmap as mapping
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor, _core, dtype

from .container import LoadError, read_into
from .torch_names import INERT, TRUSTED, Storage, StorageType, counterpart, weights_only
from .unpickling import Input, Unpickler

__all__ = ["is_legacy", "read_archive", "read_legacy"]

MAGIC = 0x1950A86A20F9469CFC6C
MAGIC_BYTES = MAGIC.to_bytes(10, "little")
PROTOCOL = 1001
LARGEST_ITEM = 8  # bytes of an element: what is mapped lies at a multiple of it
ZIP_HEADER = 30  # bytes before a member's name


def is_legacy(start: bytes) -> bool:
    """Whether a file that begins so is one of PyTorch's before 1.6."""
    return start[:1] == pickle.PROTO and MAGIC_BYTES in start[:40]


# ---------------------------------------------------------------------------- pickles


def _unpickle(
    source: Input, load_persistent: Callable[[Any], Any], only_weights: bool, pickle_module: Any
) -> Any:
    if only_weights:
        return Unpickler(source, weights_only, load_persistent, INERT).load()

    class Trusting(pickle_module.Unpickler):
        def find_class(self, module, name):
            full = f"{module}.{name}"
            if full in TRUSTED:
                return TRUSTED[full]
            if module == "torch" or module.startswith("torch."):
                found = counterpart(module, name, importing=True)
                if found is None:
                    raise LoadError(f"it names {full}, which tensorgrad does not have")
                return found
            return super().find_class(module, name)

        def persistent_load(self, pid):
            return load_persistent(pid)

    try:
        return Trusting(source).load()
    except (pickle.UnpicklingError, EOFError) as error:
        if isinstance(error, LoadError):
            raise
        raise LoadError(f"its pickle is damaged: {error}") from error


class _Storages:
    """The storages of one file, each made once, and together no larger than the file."""

    def __init__(self, room: int):
        self.room = room
        self.made: dict[str, Storage] = {}

    def take(self, pid: Any, make: Callable[[str, int], Tensor]) -> Storage:
        """The storage that a pickle's persistent id means; `make` gives its bytes."""
        if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage":
            raise LoadError(f"it keeps {str(pid)[:80]!r} outside of its pickle, and only storages are read")
        _, kind, key, _, count, *view = pid
        if not isinstance(kind, StorageType) or type(count) is not int or count < 0:
            raise LoadError(f"the storage {str(key)[:80]} has no type, or {str(count)[:80]} elements")
        if type(key) not in (str, int):
            raise LoadError("a storage has no name")
        nbytes = count * kind.dtype.itemsize
        if key not in self.made:
            self.room -= nbytes
            if self.room < 0:
                raise LoadError(
                    f"storage {str(key)[:80]} of {count} elements takes {nbytes} bytes, and there are "
                    f"{self.room + nbytes}: the file is cut short or damaged"
                )
            self.made[key] = Storage(make(str(key), nbytes), kind)
        storage = self.made[key]
        if nbytes != storage.octets.numel():
            raise LoadError(f"storage {key} has {storage.octets.numel()} bytes, and elsewhere {nbytes}")
        if view and view[0] is not None:  # of an older PyTorch, whose storages could be parts of others
            _, start, size = view[0]
            if not (type(start) is int and type(size) is int and 0 <= start <= start + size <= count):
                raise LoadError(f"a part of storage {key} is not within it")
            step = kind.dtype.itemsize
            return Storage(storage.octets[start * step : (start + size) * step], kind)
        return storage


def _new_octets(nbytes: int) -> Tensor:
    return tg.empty(nbytes, dtype=tg.uint8)


def _settle(octets: Tensor, kind: dtype, swapped: bool = False) -> None:
    """What other programs may write otherwise: numbers in another byte order, and any byte as a True."""
    array = _core._memory_of(octets)
    if swapped and kind.itemsize > 1:
        array.view(f"u{kind.itemsize}").byteswap(inplace=True)
    if kind is tg.bool:
        np.not_equal(array, 0, out=array.view(np.bool_))


# ---------------------------------------------------------------------------- zip archives


def read_archive(
    file: BinaryIO, size: int, only_weights: bool, pickle_module: Any, mapped: bool
) -> tuple[bool, Any]:
    """Whether an archive is PyTorch's, and what is in it."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error) as error:
        raise LoadError(f"it is a damaged zip archive, or cut short: {error}") from None
    pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        return False, None
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        raise LoadError("it is a TorchScript archive, which is a program; save a state_dict() instead")

    def find(name: str) -> tuple[int, int]:
        """Where a member's bytes begin in the file, and how many there are."""
        member = members.get(folder + name)
        if member is None:
            raise LoadError(f"it has no {folder + name}")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise LoadError(f"its {member.filename} is compressed or encrypted; PyTorch writes neither")
        if not 0 <= member.header_offset <= file_end:
            raise LoadError(f"{member.filename} should begin at byte {member.header_offset}")
        file.seek(member.header_offset)
        header = bytearray(ZIP_HEADER)
        read_into(file, header, f"the header of {member.filename}")
        if header[:4] != b"PK\x03\x04":
            raise LoadError(f"there is no {member.filename} where its table of contents says")
        begin = member.header_offset + ZIP_HEADER + sum(struct.unpack("<HH", header[26:30]))
        if begin + member.file_size > file_end:
            raise LoadError(
                f"{member.filename} should have {member.file_size} bytes, and there are {file_end - begin}"
            )
        return begin, member.file_size

    def content(name: str) -> bytes:
        begin, length = find(name)
        file.seek(begin)
        data = bytearray(length)
        read_into(file, data, f"{folder}{name}")
        return bytes(data)

    file_end = file.seek(0, 2)
    order = content("byteorder").decode("latin1") if f"{folder}byteorder" in members else "little"
    if order not in ("little", "big"):
        raise LoadError(f"its byte order is {order[:20]!r}, and there are 'little' and 'big'")
    memory = mapping.mmap(file.fileno(), 0, access=mapping.ACCESS_COPY) if mapped else None
    storages = _Storages(size)

    def make(key: str, nbytes: int) -> Tensor:
        begin, length = find(f"data/{key}")
        if nbytes != length:
            raise LoadError(f"storage {key} should have {nbytes} bytes, and there are {length}")
        if memory is not None and length and begin % LARGEST_ITEM == 0:
            return tg.from_numpy(np.frombuffer(memory, np.uint8, length, begin))
        octets = _new_octets(length)
        file.seek(begin)
        if length:
            read_into(file, _core._memory_of(octets), f"storage {key}")
        return octets

    def load_persistent(pid: Any) -> Storage:
        new = len(storages.made)
        storage = storages.take(pid, make)
        if len(storages.made) > new:
            _settle(storage.octets, storage.type.dtype, order != sys.byteorder)
        return storage

    source = content("data.pkl")
    pickled = Input(BytesIO(source), len(source))
    return True, _unpickle(pickled, load_persistent, only_weights, pickle_module)


# ---------------------------------------------------------------------------- legacy files


def read_legacy(file: BinaryIO, size: int, only_weights: bool, pickle_module: Any) -> Any:
    """A file of PyTorch before 1.6: a number that tells it, its version, what machine wrote it, the object,
    the keys of its storages, and these.
    """
    source = Input(file, size)
    storages = _Storages(size)

    def plain() -> Any:
        return Unpickler(source, weights_only, lambda pid: storages.take(pid, None)).load()  # type: ignore[arg-type]

    if plain() != MAGIC:
        raise LoadError("it does not begin as a PyTorch file does")
    version, machine = plain(), plain()
    if version != PROTOCOL:
        raise LoadError(f"it is a PyTorch file of version {str(version)[:40]}, and {PROTOCOL} is read")
    little = not isinstance(machine, dict) or machine.get("little_endian") is not False

    def load_persistent(pid: Any) -> Any:
        if type(pid) is tuple and len(pid) == 4 and pid[0] == "module":  # a class, beside its source
            return pid[1]
        return storages.take(pid, lambda key, nbytes: _new_octets(nbytes))

    storages.room = source.left
    found = _unpickle(source, load_persistent, only_weights, pickle_module)
    keys = plain()
    if type(keys) is not list or set(keys) != set(storages.made):
        raise LoadError("the storages that its list names are not those of its tensors")
    for key in keys:
        octets, (_, kind) = storages.made[key]
        (count,) = struct.unpack("<q", source.read(8))
        if count * kind.itemsize != octets.numel() or octets.numel() > source.left:
            raise LoadError(
                f"storage {str(key)[:80]} should have {octets.numel()} bytes, and says {count} elements with "
                f"{source.left} bytes left"
            )
        if octets.numel():
            read_into(file, _core._memory_of(octets), f"storage {str(key)[:80]}")
            source.left -= octets.numel()
        _settle(octets, kind, little != (sys.byteorder == "little"))
    return found
