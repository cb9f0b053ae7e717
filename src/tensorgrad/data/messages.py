"""What a loader and its worker processes tell each other: numbered messages through a socket, large ones by
memory that both see.

A value is pickled with its arrays and tensors apart from it. What is short goes through the socket. The rest
is written into a file without a name, whose descriptor the socket hands over, and the reader maps it: no name
in /dev/shm is left by a process that dies, and the room there is no limit.
"""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import socket
import struct
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.core._core import MappedFile

__all__ = ["Channel", "Message", "receive", "send"]

HEADER = struct.Struct("<qBBI")  # the number, the kind, whether a file has the parts, how many there are
SHORT = 32 << 10  # bytes: up to here a file costs more than copies; and a process may have 65,530 mappings
ALIGNMENT = 64
CHUNK = 1 << 20
FILES = hasattr(socket, "send_fds")  # not on Windows, where all goes through the socket
CLOSED = (BrokenPipeError, ConnectionResetError)


class Message:
    """A number, a kind, and the parts that a value was pickled to."""

    def __init__(self, number: int, kind: int, parts: Sequence[Any]):
        self.number, self.kind, self.parts = number, kind, parts

    @classmethod
    def of(cls, number: int, kind: int, value: Any) -> Message:
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
        return cls(number, kind, [file.getbuffer(), *(buffer.raw() for buffer in buffers)])

    def value(self) -> Any:
        return pickle.loads(self.parts[0], buffers=self.parts[1:])

    def head(self, in_file: bool) -> bytes:
        sizes = [len(part) for part in self.parts]
        header = HEADER.pack(self.number, self.kind, in_file, len(sizes))
        return header + struct.pack(f"<{len(sizes)}Q", *sizes)


# ---------------------------------------------------------------------------- tensors in a pickle


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return NotImplemented
        if value.requires_grad and not value.is_leaf:
            raise RuntimeError(
                "a tensor with a grad_fn can't go from a DataLoader worker to another process, where its "
                "history is not; return it without: tensor.detach()"
            )
        return _received, value.__reduce_ex__(5)[1]


def _received(
    cls: type[Tensor],
    requires_grad: bool,
    attributes: dict,
    array: np.ndarray,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: Any = None,
) -> Tensor:
    """The tensor on the memory of the array, from the parts that tensors are pickled as."""
    if dtype is None:
        flat = tg.from_numpy(array)
    else:  # bits of a dtype that NumPy does not have
        flat = tg.from_numpy(array.view(f"i{dtype.itemsize}")).view(dtype)
    made = flat.as_strided(shape, strides)
    if cls is not Tensor:
        made, values = cls.__new__(cls), made
        made.data = values
    for name, value in attributes.items():
        setattr(made, name, value)
    return made.requires_grad_(requires_grad)


# ---------------------------------------------------------------------------- files without a name


def _open_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tensorgrad batch", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _places(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where in a file parts of these sizes begin, and where the last ends."""
    starts, end = [], 0
    for size in sizes:
        starts.append(-(-end // ALIGNMENT) * ALIGNMENT)
        end = starts[-1] + size
    return starts, end


def _write_file(parts: Sequence[Any]) -> int:
    """The descriptor of a new file with the parts. Where there is no room it is an OSError, not a crash."""
    fd = _open_file()
    try:
        starts, end = _places([len(part) for part in parts])
        os.ftruncate(fd, end)
        for start, part in zip(starts, parts):
            rest = memoryview(part)
            while rest:
                written = os.pwrite(fd, rest, start)
                start, rest = start + written, rest[written:]
    except BaseException:
        os.close(fd)
        raise
    return fd


def _map_file(fd: int, sizes: Sequence[int]) -> list[memoryview]:
    starts, end = _places(sizes)
    memory = memoryview(MappedFile(fd, end))
    return [memory[start : start + size] for start, size in zip(starts, sizes)]


# ---------------------------------------------------------------------------- the worker's end: waits


def send(end: socket.socket, message: Message) -> None:
    """Sends all of it."""
    if not FILES or sum(map(len, message.parts)) <= SHORT:
        end.sendall(b"".join([message.head(False), *message.parts]))
        return
    head = message.head(True)
    fd = _write_file(message.parts)
    try:
        sent = socket.send_fds(end, [head], [fd])
    finally:
        os.close(fd)
    end.sendall(head[sent:])


def receive(end: socket.socket) -> Message | None:
    """The next message, as bytes; None when the other end is closed."""
    try:
        number, kind, _, count = HEADER.unpack(_read(end, HEADER.size))
        sizes = struct.unpack(f"<{count}Q", _read(end, 8 * count))
        return Message(number, kind, [_read(end, size) for size in sizes])
    except (EOFError, *CLOSED):
        return None


def _read(end: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = end.recv_into(rest)
        if count == 0:
            raise EOFError
        rest = rest[count:]
    return data


# ---------------------------------------------------------------------------- the loader's end: never


class Channel:
    """The loader's end of a socket. Neither side ever waits for the other to read: what the socket does not
    take is kept here and sent when it does.
    """

    def __init__(self, end: socket.socket):
        end.setblocking(False)
        self.end = end
        self.unsent = bytearray()
        self.unread = bytearray()
        self.files: collections.deque[int] = collections.deque()

    def fileno(self) -> int:
        return self.end.fileno()

    def send(self, message: Message) -> None:
        self.unsent += b"".join([message.head(False), *message.parts])
        self.flush()

    def flush(self) -> None:
        """Sends as much as the socket takes; nothing when the worker is gone, which reading will tell."""
        with contextlib.suppress(BlockingIOError, *CLOSED):
            while self.unsent:
                sent = self.end.send(self.unsent[:CHUNK])
                del self.unsent[:sent]

    def receive(self) -> list[Message] | None:
        """The messages that have arrived whole; None when the worker is gone."""
        try:
            if FILES:
                flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
                data, files, _, _ = socket.recv_fds(self.end, CHUNK, 16, flags)
                self.files.extend(files)
            else:
                data = self.end.recv(CHUNK)
        except BlockingIOError:
            return []
        except CLOSED:
            return None
        self.unread += data
        return list(self._whole()) if data else None

    def _whole(self) -> Iterator[Message]:
        while len(self.unread) >= HEADER.size:
            number, kind, in_file, count = HEADER.unpack_from(self.unread)
            end = HEADER.size + 8 * count
            if len(self.unread) < end:
                return
            sizes = struct.unpack_from(f"<{count}Q", self.unread, HEADER.size)
            parts: list[Any] = []
            if in_file:
                parts = self._from_file(sizes)
            elif len(self.unread) < end + sum(sizes):
                return
            else:
                for size in sizes:  # each on its own: aligned, and writable
                    parts.append(self.unread[end : end + size])
                    end += size
            del self.unread[:end]
            yield Message(number, kind, parts)

    def _from_file(self, sizes: Sequence[int]) -> list[memoryview]:
        if not self.files:
            raise RuntimeError(
                "a batch from a DataLoader worker did not arrive: this process has too many open files; "
                "raise the limit (ulimit -n) or close some"
            )
        fd = self.files.popleft()
        try:
            return _map_file(fd, sizes)
        finally:
            os.close(fd)

    def close(self) -> None:
        self.end.close()
        while self.files:
            os.close(self.files.popleft())
