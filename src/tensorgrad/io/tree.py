"""Nested states as JSON and back: dicts, lists, numbers and text, with the tensors put aside.

JSON's own null, true, numbers, strings and arrays stand for themselves. Everything else is an object of one
key that says what it is: {"dict": ...}, {"tuple": ...}, {"tensor": its name in the table of contents} ...
"""

from __future__ import annotations

import base64
import collections
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Size, Tensor, _core, dtype
from tensorgrad.nn.parameter import Buffer, Parameter

from .container import LoadError

__all__ = ["Saved", "decode", "encode"]

DEEPEST = 200
DTYPES = {d.name: d for d in tg.core.all_dtypes}
ARRAY_DTYPE = re.compile(
    r"[<>|]([biufc]\d{1,2}|[SU]\d{1,9}|[mM]8(\[\w+\])?)"
)  # that mean the same everywhere
KINDS = {"dict": dict, "ordered": collections.OrderedDict, "counter": collections.Counter}
WHAT_CAN = (
    "save() takes dicts, lists, tuples, numbers, strings, bytes, None, tensors, arrays, dtypes and sizes; "
    "turn it into one of these"
)


class Saved(NamedTuple):
    """A tensor or array to write, what it is called in the file, and of which dtype it is there."""

    name: str
    array: np.ndarray
    dtype: dtype


def encode(obj: Any) -> tuple[Any, list[Saved]]:
    """`obj` as JSON values, and the arrays it refers to.

    Raises TypeError for what can't be written and ValueError for what contains itself, both with the place.
    """
    writer = _Writer()
    return writer.encode(obj, ()), writer.saved


class _Writer:
    def __init__(self):
        self.saved: list[Saved] = []
        self.names: set[str] = {"__metadata__"}
        self.memory: dict[tuple, str] = {}  # of each piece of memory written so far: its name
        self.objects: dict[int, int] = {}  # of each tensor met so far: its number, for the same one met again
        self.alive: list[Any] = []
        self.open: set[int] = set()  # the containers around the place where we are

    def encode(self, obj: Any, path: tuple) -> Any:
        kind = type(obj)
        if obj is None or kind in (bool, int, str):
            return obj
        if kind is float:
            return obj if math.isfinite(obj) else {"float": repr(obj)}
        if kind in (list, tuple, Size, *KINDS.values()):
            return self.container(obj, path)
        if kind in (Tensor, Parameter, Buffer):
            return self.tensor(obj, path)
        if kind in (bytes, bytearray):
            return {"bytes": base64.b64encode(obj).decode()}
        if kind is dtype:
            return {"dtype": obj.name}
        if kind is tg.device:
            return {"device": str(obj)}
        if isinstance(obj, np.generic) and _has_fixed_form(obj.dtype):
            return {"numpy": [obj.dtype.str, base64.b64encode(obj.tobytes()).decode()]}
        if kind is np.ndarray and _has_fixed_form(obj.dtype):
            return self.array(obj, path)
        place = _place(path)
        if isinstance(obj, (np.ndarray, np.generic)):
            what = f"{kind.__name__} of dtype {obj.dtype}"
            raise TypeError(
                f"save: {place} is a {what}, which can't be written: plain arrays can, of numbers, dates, or "
                "text of a fixed length"
            )
        if hasattr(obj, "state_dict"):
            raise TypeError(
                f"save: {place} is a {kind.__name__}, which is code as well as numbers, and code is not "
                "written to files. Save its state instead: save(x.state_dict(), path), and later "
                "x.load_state_dict(load(path))."
            )
        raise TypeError(
            f"save: {place} is a {kind.__module__}.{kind.__qualname__}, which can't be written. {WHAT_CAN}."
        )

    def container(self, obj: Any, path: tuple) -> Any:
        if id(obj) in self.open:
            raise ValueError(f"save: {_place(path)} is a {type(obj).__name__} that contains itself")
        if len(path) >= DEEPEST:
            raise ValueError(f"save: {_place(path[:4])}… is nested more than {DEEPEST} deep")
        self.open.add(id(obj))
        try:
            if isinstance(obj, dict):
                name = next(name for name, kind in KINDS.items() if kind is type(obj))
                entries = {key: self.encode(value, (*path, key)) for key, value in obj.items()}
                if all(type(key) is str for key in entries):
                    return {name: entries}
                return {name: [[self.encode(key, (*path, key)), value] for key, value in entries.items()]}
            values = [self.encode(value, (*path, i)) for i, value in enumerate(obj)]
            return values if type(obj) is list else {"size" if type(obj) is Size else "tuple": values}
        finally:
            self.open.discard(id(obj))

    def tensor(self, obj: Tensor, path: tuple) -> Any:
        if id(obj) in self.objects:
            return {"again": self.objects[id(obj)]}
        self.objects[id(obj)] = len(self.objects)
        self.alive.append(obj)
        what = "parameter" if type(obj) is Parameter else "tensor"
        name = self.put(_core._memory_of(obj), obj.dtype, path)
        return (
            {what: [name, obj.requires_grad]} if obj.requires_grad != (what == "parameter") else {what: name}
        )

    def array(self, obj: np.ndarray, path: tuple) -> Any:
        """An array, which for a dtype that no tensor has is bytes in the file."""
        if obj.dtype.name in DTYPES and obj.dtype.isnative:
            return {"array": self.put(obj, DTYPES[obj.dtype.name], path)}
        if obj.dtype.name in DTYPES:
            plain = obj.astype(obj.dtype.newbyteorder("="))
        else:
            plain = np.ascontiguousarray(obj).view(np.uint8).reshape(*obj.shape, obj.dtype.itemsize)
        return {"array": [self.put(plain, DTYPES[plain.dtype.name], path), obj.dtype.str]}

    def put(self, array: np.ndarray, kind: dtype, path: tuple) -> str:
        """The name of an array in the file; the same name for the same memory."""
        memory = (array.__array_interface__["data"][0], array.shape, array.strides, kind)
        if array.size and memory in self.memory:
            return self.memory[memory]
        name = ".".join(map(str, path)) or "tensor"
        while name in self.names:
            name += "_"
        self.names.add(name)
        self.memory[memory] = name
        self.saved.append(Saved(name, array, kind))
        return name


def _place(path: tuple) -> str:
    """Where in the saved object something is, as Python writes it."""
    return "the object" + "".join(f"[{key!r}]" for key in path)


def decode(tree: Any, read: Callable[[str], Tensor]) -> Any:
    """The object that `encode` made JSON of; `read` gives the tensor of a name. LoadError for JSON that it
    never makes.
    """
    reader = _Reader(read)
    try:
        return reader.decode(tree, 0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise LoadError(
            f"the description of its contents is damaged: {type(error).__name__}: {error}"
        ) from None


class _Reader:
    def __init__(self, read: Callable[[str], Tensor]):
        self.read = read
        self.memory: dict[str, Tensor] = {}
        self.objects: list[Tensor] = []

    def decode(self, tree: Any, depth: int) -> Any:
        if depth > DEEPEST + 1:
            raise ValueError(f"nested more than {DEEPEST} deep")
        if isinstance(tree, list):
            return [self.decode(value, depth + 1) for value in tree]
        if not isinstance(tree, dict):
            return tree
        ((kind, value),) = tree.items()
        if kind in KINDS:
            if isinstance(value, dict):
                return KINDS[kind]({key: self.decode(item, depth + 1) for key, item in value.items()})
            return KINDS[kind](
                {self.decode(key, depth + 1): self.decode(item, depth + 1) for key, item in value}
            )
        if kind in ("tuple", "size"):
            items = [self.decode(item, depth + 1) for item in _checked(value, list)]
            return tuple(items) if kind == "tuple" else Size(items)
        if kind in ("tensor", "parameter"):
            return self.tensor(kind, value)
        if kind == "again":
            if not 0 <= _checked(value, int) < len(self.objects):
                raise ValueError(f"there is no tensor number {value} yet")
            return self.objects[value]
        if kind == "array" and isinstance(value, str):
            return self.read(value).numpy().copy()
        if kind == "array":
            name, form = value
            dtype, plain = _dtype(form), self.read(_checked(name, str)).numpy()
            if dtype.newbyteorder("=") == plain.dtype:
                return plain.astype(dtype)
            return plain.view(dtype).reshape(plain.shape[:-1]).copy()
        if kind == "float":
            return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[_checked(value, str)]
        if kind == "bytes":
            return base64.b64decode(_checked(value, str), validate=True)
        if kind == "dtype":
            return DTYPES[_checked(value, str)]
        if kind == "device":
            if value != "cpu":
                raise ValueError(f"device {value!r}")
            return tg.device("cpu")
        if kind == "numpy":
            name, data = value
            (scalar,) = np.frombuffer(base64.b64decode(_checked(data, str), validate=True), _dtype(name))
            return scalar
        raise ValueError(f"what is {kind!r}? It may come from a newer tensorgrad")

    def tensor(self, kind: str, value: Any) -> Tensor:
        name, requires_grad = (value, kind == "parameter") if isinstance(value, str) else value
        if name not in self.memory:
            self.memory[_checked(name, str)] = self.read(name)
            tensor = self.memory[name]
        else:
            tensor = self.memory[name].detach()
        if _checked(requires_grad, bool) and not tensor.is_floating_point():
            raise ValueError(f"tensor {name!r} of {tensor.dtype} should need a gradient")
        if kind == "parameter":
            tensor = Parameter(tensor, requires_grad)
        elif requires_grad:
            tensor = tensor.detach().requires_grad_()
        self.objects.append(tensor)
        return tensor


def _has_fixed_form(dtype: np.dtype) -> bool:
    """Whether a dtype's name says all of it wherever it is read; not of objects, records, long doubles."""
    known = ARRAY_DTYPE.fullmatch(dtype.str) and dtype.names is None and dtype.itemsize > 0
    return bool(known) and dtype.str[1:] not in ("f12", "f16", "c24", "c32")


def _dtype(form: Any) -> np.dtype:
    if not ARRAY_DTYPE.fullmatch(_checked(form, str)) or not _has_fixed_form(np.dtype(form)):
        raise ValueError(f"there is no dtype {form!r}")
    return np.dtype(form)


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected, not {type(value).__name__}")
    return value
