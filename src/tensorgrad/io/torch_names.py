"""What the names in PyTorch's files stand for here, and how ours are called there."""

from __future__ import annotations

import codecs
import importlib
import re
import sys
from collections import Counter, OrderedDict
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Size, Tensor, all_dtypes, dtype
from tensorgrad.nn.parameter import Buffer, Parameter

from .container import MOST_DIMS, LoadError
from .safe import named as admitted
from .unpickling import check_key

__all__ = [
    "INERT", "STORAGES", "TRUSTED", "Storage", "StorageType", "counterpart", "torch_name", "weights_only",
]  # fmt: skip


class StorageType(NamedTuple):
    """What a file calls a storage: the dtype of its elements."""

    name: str
    dtype: dtype


class Storage(NamedTuple):
    """A block of memory that tensors of a file share, as bytes, and the dtype that the file gives it."""

    octets: Tensor
    type: StorageType

    def of(self, kind: dtype) -> Tensor:
        """The whole of it as elements of a dtype."""
        whole = self.octets.numel() // kind.itemsize * kind.itemsize
        return self.octets[:whole].view(kind)


STORAGES = {
    d: StorageType(f"{word}Storage", d)
    for d, word in {
        tg.core.bool_: "Bool", tg.uint8: "Byte", tg.int8: "Char", tg.int16: "Short", tg.int32: "Int",
        tg.int64: "Long", tg.float16: "Half", tg.bfloat16: "BFloat16", tg.float32: "Float",
        tg.float64: "Double",
    }.items()
}  # fmt: skip


# ---------------------------------------------------------------------------- what makes tensors


def _tensor(
    storage: Any, kind: dtype | None, offset: Any, size: Any, stride: Any, requires_grad: Any
) -> Tensor:
    """The tensor of a dtype, or of its storage's."""
    if not isinstance(storage, Storage):
        raise LoadError("a tensor has no storage")
    kind = kind or storage.type.dtype
    size, stride = tuple(size), tuple(stride)
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > MOST_DIMS:
        raise LoadError(f"a tensor has the shape {str(size)[:80]} and the strides {str(stride)[:80]}")
    if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers):
        raise LoadError(f"a tensor has the shape, strides or offset {str(numbers)[:80]}")
    whole = storage.of(kind)
    empty = 0 in size
    end = offset if empty else offset + 1 + sum((count - 1) * step for count, step in zip(size, stride))
    if end > whole.numel():
        raise LoadError(
            f"a tensor of shape {size} and strides {stride} that begins at element {offset} needs {end} "
            f"elements, and its storage has {whole.numel()}"
        )
    count = itemsize = kind.itemsize
    for extent in size:
        count *= extent or 1
    if count // itemsize >= 1 << 60:
        raise LoadError(f"a tensor has the shape {size}, which is too large for any memory")
    tensor = whole.as_strided(size, stride, whole.storage_offset() + offset).detach()
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_tensor(storage, offset, size, stride):
    return _tensor(storage, None, offset, size, stride, False)


def _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata=None):
    return _tensor(storage, None, offset, size, stride, requires_grad)


def _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, kind, metadata=None):
    if not isinstance(kind, dtype):
        raise LoadError("a tensor has no dtype")
    return _tensor(storage, kind, offset, size, stride, requires_grad)


def _rebuild_parameter(data, requires_grad, hooks):
    return Parameter(data, bool(requires_grad))


def _rebuild_parameter_with_state(data, requires_grad, hooks, state):
    return _with_state(Parameter(data, bool(requires_grad)), state)


def _rebuild_from_admitted_type(function, kind, args, state):
    if function not in REBUILDING or kind not in (Tensor, Parameter, Buffer, *admitted().values()):
        raise LoadError("a tensor is made in a way that is not admitted")
    return rebuild_from_type(function, kind, args, state)


def rebuild_from_type(function, kind, args, state):
    """A tensor of any class, with the attributes that were given to it."""
    made = function(*args)
    if type(state) is dict and state.get("_is_buffer") is True and kind is Tensor:
        return Buffer(made, persistent=state.get("persistent") is not False)
    if kind is not type(made):
        made = made.as_subclass(kind)
    return _with_state(made, state)


def _with_state(made: Tensor, state: Any) -> Tensor:
    if type(state) is tuple and len(state) == 2:
        state = {**(state[0] or {}), **(state[1] or {})}
    if type(state) is not dict:
        raise LoadError("a tensor has a state that is no dictionary")
    for name, value in state.items():
        if type(name) is not str or hasattr(type(made), name):
            raise LoadError(f"a tensor has the attribute {name!r}, which its class keeps for itself")
        setattr(made, name, value)
    return made


REBUILDING = [
    _rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter,
    _rebuild_parameter_with_state,
]  # fmt: skip


# ---------------------------------------------------------------------------- other data


def _set_of(items=()):
    for item in items:
        check_key(item)
    return set(items)


def _frozenset_of(items=()):
    return frozenset(_set_of(items))


def _bytearray_of(*args):
    if len(args) == 2:
        return bytearray(_encode(*args))
    if args and type(args[0]) is not bytes:  # a number would ask for so much memory
        raise LoadError("a bytearray is made of no bytes")
    return bytearray(*args)


def _encode(text, encoding="utf-8"):
    if type(text) is not str or encoding not in ("latin1", "latin-1", "utf-8"):
        raise LoadError(f"bytes are made of a {type(text).__name__} by {str(encoding)[:40]!r}")
    return codecs.encode(text, encoding)


def _layout(name):
    if name != "torch.strided":
        raise LoadError(f"it names the layout {str(name)[:80]}, and there is only torch.strided here")
    return tg.strided


def _size(items=()):
    return Size(items)


def _numpy_dtype(name, align=False, copy=True):
    if type(name) is not str or len(name) > 12:
        raise LoadError("a NumPy dtype has no name")
    found = np.dtype(name.lstrip("<>|="))
    if found.kind not in "biufcSU" or found.itemsize == 0:
        raise LoadError(f"it has a NumPy array of dtype {found}; those of numbers and of text are read")
    return np.dtype(found, copy=True)  # another object each time, for its byte order comes later


def _numpy_scalar(kind, data):
    if type(data) is str:
        data = data.encode("latin1")
    if not isinstance(kind, np.dtype) or type(data) is not bytes or len(data) != kind.itemsize:
        raise LoadError("a NumPy number does not have the bytes of its dtype")
    return np.frombuffer(data, kind)[0]


def _numpy_array(kind, shape, code):
    return np.empty(0, np.uint8)


def _numpy_from_buffer(data, kind, shape, order):
    if not isinstance(kind, np.dtype) or order not in ("C", "F"):
        raise LoadError("a NumPy array has no dtype or order")
    return np.frombuffer(data, kind).reshape(shape, order=order).copy(order)


NUMPY = {
    **{
        f"numpy.{core}.multiarray.{name}": value
        for core in ("core", "_core")
        for name, value in (("scalar", _numpy_scalar), ("_reconstruct", _numpy_array))
    },
    "numpy.core.numeric._frombuffer": _numpy_from_buffer,
    "numpy._core.numeric._frombuffer": _numpy_from_buffer,
    "numpy.dtype": _numpy_dtype,
    "numpy.ndarray": np.ndarray,
}
TORCH = {
    **{f"torch.{d.name}": d for d in all_dtypes},
    **{f"torch.{kind.name}": kind for kind in STORAGES.values()},
    **{f"torch.cuda.{kind.name}": kind for kind in STORAGES.values()},
    "torch.storage.UntypedStorage": StorageType("UntypedStorage", tg.uint8),
    **{f"torch._utils.{function.__name__}": function for function in REBUILDING},
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_admitted_type,
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.nn.parameter.Buffer": Buffer,
    "torch.Size": _size,
    "torch.device": tg.device,
    "torch.serialization._get_layout": _layout,
}
DATA = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "builtins.set": _set_of,
    "builtins.frozenset": _frozenset_of,
    "builtins.bytearray": _bytearray_of,
    "builtins.complex": complex,
    "_codecs.encode": _encode,
}
ALWAYS = {**TORCH, **NUMPY, **DATA}
INERT = (Tensor, Parameter, Buffer, np.ndarray)  # told to what makes tensors and arrays, and never called
TRUSTED = {**TORCH, "torch._tensor._rebuild_from_type_v2": rebuild_from_type}
FORMERLY = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # modules as Python 2 called them

NOT_HERE = re.compile(  # dtypes and kinds of tensors
    r"torch\.((cuda\.)?\w+Storage|_utils\._rebuild_\w+|(u?int|float|complex|bits|quint|qint)\d\w*)"
)
NOT_ADMITTED = """\
Weights only load failed: it names {name}, which is not admitted, for a name may do harm. If \
you trust the class, admit it: with tensorgrad.serialization.safe_globals([{short}]): load(...). \
If you trust the whole file, load(..., weights_only=False) makes all that it names, and runs what it says"""


def weights_only(module: str, name: str) -> Any:
    """What a name stands for where only data is admitted, and what `safe_globals` adds."""
    module = FORMERLY.get(module, module)
    full = f"{module}.{name}"
    if full in ALWAYS:
        return ALWAYS[full]
    extra = admitted()
    if full in extra:
        return extra[full]
    if full.startswith("torch."):
        found = counterpart(module, name, importing=False)
        if found is not None and any(found is what for what in extra.values()):
            return found
        if NOT_HERE.fullmatch(full):
            raise LoadError(f"it has {full}, a dtype or a kind of tensor that is not here")
    raise LoadError(NOT_ADMITTED.format(name=full, short=name.rpartition(".")[2]))


# ---------------------------------------------------------------------------- classes


def counterpart(module: str, name: str, importing: bool) -> Any:
    """What torch's `module.name` is here, or None. The module may be one whose folder has the name: not every
    file is called what it is there. Where nothing is to be imported only what is already there is found.
    """
    if module == "torch._C._nn":  # where PyTorch's own code has some of the functions
        module = "torch.nn.functional"
    address = "tensorgrad" + module.removeprefix("torch")
    for place in (address, address.rpartition(".")[0]):
        owner: Any = _module(place, importing)
        if owner is None or place == "tensorgrad" != address:
            continue
        try:
            for part in name.split("."):
                owner = getattr(owner, part)
            return owner
        except AttributeError:
            continue
    return None


def _module(address: str, importing: bool) -> ModuleType | None:
    if not importing:
        return sys.modules.get(address)
    try:
        return importlib.import_module(address)
    except ModuleNotFoundError:
        return None


def torch_name(obj: Any, module: str, name: str) -> tuple[str, str]:
    """Under which of PyTorch's addresses something of ours is found; what has none keeps its own."""
    for place in ("", ".nn.parameter", ".nn", ".nn.functional", ".optim"):
        if getattr(sys.modules.get(f"tensorgrad{place}"), name, None) is obj:
            return f"torch{place}", name
    if module.startswith(("tensorgrad.nn.", "tensorgrad.optim.")):
        return "torch" + module.removeprefix("tensorgrad"), name
    return module, name
