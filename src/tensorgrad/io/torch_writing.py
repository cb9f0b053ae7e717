"""Writing PyTorch's zip archives: a pickle in which tensors have PyTorch's names, and their memory."""

from __future__ import annotations

import pickle
import sys
import zipfile
from collections import OrderedDict
from io import BytesIO
from types import FunctionType
from typing import Any, BinaryIO, cast

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Op, Size, Tensor, _core, dtype
from tensorgrad.nn import Module
from tensorgrad.nn.parameter import Buffer, Parameter, is_lazy
from tensorgrad.ops.sparse.tensors import is_sparse_tensor, refuse

from .container import write_all
from .torch_names import STORAGES, torch_name

__all__ = ["write_archive"]

FOLDER = "archive"
ALIGNMENT = 64  # of the storages in the file, so that a mapped file can be computed with
PROTOCOL = 2  # of the pickle: the one that torch.load(weights_only=True) reads whole
ZIP_HEADER, ZIP64_EXTRA = 30, 20  # bytes before a member's name, and of the field for sizes past 4 GB
PADDING = 0x4246  # the kind of extra field that PyTorch aligns with

PythonsPickler: Any = pickle._Pickler


class _Name:
    """One of PyTorch's functions or classes, written by name."""

    def __init__(self, module: str, name: str):
        self.line = f"c{module}\n{name}\n".encode()


class _Block:
    """Memory that tensors share, under the dtype of the first of them."""

    def __init__(self, key: str, whole: Tensor):
        self.key = key
        self.whole = whole


class _Pickler(PythonsPickler):
    """Python's pickler, which can be told how each type is written; the compiled one can't."""

    def __init__(self, file: BinaryIO, protocol: int):
        super().__init__(file, protocol)
        self.blocks: dict[tuple[int, int], _Block] = {}
        self.names: dict[tuple[str, str], _Name] = {}

    def name(self, module: str, name: str) -> _Name:
        """The same object for the same name, which is then written once."""
        return self.names.setdefault((module, name), _Name(module, name))

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is not _Block:
            return None
        kind = self.name("torch", STORAGES[obj.whole.dtype].name)
        return ("storage", kind, obj.key, "cpu", obj.whole.numel())

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Module):
            found = obj.__reduce_ex__(max(self.proto, 2))
            if type(found) is tuple and len(found) > 2 and type(found[2]) is dict:
                state = found[2] | obj._state_for_torch()
                state.pop("_hooks_by_kind", None)  # which PyTorch has by name
                return (*found[:2], state, *found[3:])
            return found
        return NotImplemented

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if is_sparse_tensor(obj):
            raise refuse("save")
        if isinstance(obj, Tensor) and not is_lazy(obj) and id(obj) not in self.memo:
            self.save_tensor(obj)
        else:
            super().save(obj, save_persistent_id)

    def save_call(self, function: _Name, *args: Any, obj: Any) -> None:
        self.save(function)
        self.save(args)
        self.write(pickle.REDUCE)
        self.memoize(obj)

    # -- tensors

    def save_tensor(self, t: Tensor) -> None:
        kind, state = type(t), vars(t)
        function, args = self.parts(t)
        if kind is Parameter:
            hooks: OrderedDict[int, Any] = OrderedDict()
            data = _Plain(function, args)
            if state:
                rebuild = self.name("torch._utils", "_rebuild_parameter_with_state")
                self.save_call(rebuild, data, t.requires_grad, hooks, dict(state), obj=t)
            else:
                rebuild = self.name("torch._utils", "_rebuild_parameter")
                self.save_call(rebuild, data, t.requires_grad, hooks, obj=t)
        elif kind is Tensor and not state:
            self.save_call(function, *args, obj=t)
        else:
            cls: Any = kind
            if kind is Buffer:  # PyTorch's are plain tensors that say so
                cls, state = Tensor, {"_is_buffer": True, **state}
            rebuild = self.name("torch._tensor", "_rebuild_from_type_v2")
            self.save_call(rebuild, function, cls, args, dict(state), obj=t)

    def parts(self, t: Tensor) -> tuple[_Name, tuple]:
        """The function that makes a tensor, and its arguments."""
        block, offset = self.block_of(t)
        hooks: OrderedDict[int, Any] = OrderedDict()
        args = (block, offset, tuple(t.shape), tuple(t.stride()), bool(t.requires_grad), hooks)
        if t.dtype is block.whole.dtype:
            return self.name("torch._utils", "_rebuild_tensor_v2"), args
        return self.name("torch._utils", "_rebuild_tensor_v3"), (*args, t.dtype)

    def block_of(self, t: Tensor) -> tuple[_Block, int]:
        """The memory that a tensor shows, and where in it the tensor begins."""
        before, behind = _core._room_of(t) if t.numel() else (0, 0)
        plain = t.detach()
        whole = plain.as_strided((before + behind,), (1,), plain.storage_offset() - before)
        key = whole.data_ptr(), whole.nbytes
        if not whole.nbytes:
            key = id(t), 0
        if key not in self.blocks:
            self.blocks[key] = _Block(str(len(self.blocks)), whole)
        return self.blocks[key], before

    # -- what has a name

    def save_name(self, obj: _Name) -> None:
        self.write(obj.line)
        self.memoize(obj)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        name = name or getattr(obj, "__qualname__", None) or obj.__name__
        module = pickle.whichmodule(obj, name)  # type: ignore[attr-defined]
        if module.partition(".")[0] == "tensorgrad":
            address, called = torch_name(obj, module, name)
            if address != module:
                self.write(_Name(address, called).line)
                self.memoize(obj)
                return
        super().save_global(obj, name)

    def save_plain(self, obj: _Plain) -> None:
        self.save(obj.function)
        self.save(obj.args)
        self.write(pickle.REDUCE)

    def save_dtype(self, obj: dtype) -> None:
        self.save(self.name("torch", obj.name))

    def save_size(self, obj: Size) -> None:
        self.save_call(self.name("torch", "Size"), tuple(obj), obj=obj)

    def save_device(self, obj: Any) -> None:
        self.save_call(self.name("torch", "device"), *str(obj).split(":", 1)[:1], obj=obj)

    dispatch: dict[type, Any] = {
        **PythonsPickler.dispatch,
        FunctionType: save_global,
        Op: save_global,
        _Name: save_name,
        dtype: save_dtype,
        Size: save_size,
        tg.device: save_device,
    }


class _Plain:
    """The plain tensor inside of a parameter, which nothing else refers to."""

    def __init__(self, function: _Name, args: tuple):
        self.function = function
        self.args = args


_Pickler.dispatch[_Plain] = _Pickler.save_plain


class _Stream:
    """A file object of which zipfile expects nothing but that it takes bytes, and how many it took."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.count = 0

    def write(self, data: Any) -> int:
        write_all(self.file, data)
        length = memoryview(data).nbytes
        self.count += length
        return length

    def flush(self) -> None:
        pass


def write_archive(obj: Any, file: BinaryIO, protocol: int | None) -> None:
    """Writes `obj` as a zip archive of PyTorch's; nothing is written of what can't be pickled."""
    pickled = BytesIO()
    pickler = _Pickler(pickled, PROTOCOL if protocol is None else protocol)
    pickler.dump(obj)
    stream = _Stream(file)
    with zipfile.ZipFile(cast(BinaryIO, stream), "w") as archive:

        def put(name: str, data: Any) -> None:
            info = zipfile.ZipInfo(f"{FOLDER}/{name}")
            size = memoryview(data).nbytes
            large = size > zipfile.ZIP64_LIMIT
            begin = stream.count + ZIP_HEADER + len(info.filename) + ZIP64_EXTRA * large + 4
            padding = -begin % ALIGNMENT
            info.extra = PADDING.to_bytes(2, "little") + padding.to_bytes(2, "little") + b"Z" * padding
            with archive.open(info, "w", force_zip64=large) as member:
                write_all(cast(BinaryIO, member), data)

        put("data.pkl", pickled.getbuffer())
        put("byteorder", sys.byteorder.encode())
        for block in pickler.blocks.values():
            put(f"data/{block.key}", _core._memory_of(block.whole).view(np.uint8))
        put("version", b"3\n")
