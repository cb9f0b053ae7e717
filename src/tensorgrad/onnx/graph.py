"""The graph that is written: values by the tensors that they are, nodes, and constants."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor, dtype
from tensorgrad.core.declare import registry

from .recording import Call, record, tensors_in

# An op's node or nodes: gets the graph and the op's arguments, and gives the name of each result, in order;
# None says that it can't, and the calls that the op made itself are written in its place.
Writer = Callable[..., Any]
AnyWriter = TypeVar("AnyWriter", bound=Writer)
WRITERS: dict[str, Writer] = {}

# The numbers of ONNX's element types.
NUMBERS = {
    tg.float32: 1, tg.uint8: 2, tg.int8: 3, tg.int16: 5, tg.int32: 6, tg.int64: 7, tg.bool: 9, tg.float16: 10,
    tg.float64: 11, tg.bfloat16: 16,
}  # fmt: skip


class OnnxExporterError(RuntimeError):
    """Something of the model that ONNX, or this export, can't say."""


def writes(*names: str) -> Callable[[AnyWriter], AnyWriter]:
    """Makes a function the writer of ops."""

    def declare(writer: AnyWriter) -> AnyWriter:
        WRITERS.update(dict.fromkeys(names, writer))
        return writer

    return declare


class Node:
    """A node before it is a message."""

    def __init__(
        self, kind: str, inputs: list[str], outputs: list[str], attributes: dict[str, Any], where: str
    ) -> None:
        self.kind, self.inputs, self.outputs, self.attributes = kind, inputs, outputs, attributes
        self.where = where  # the op, and the module that called it


class Graph:
    """Nodes in the order in which they run. `names` are those of parameters and buffers by their id."""

    def __init__(self, named: dict[str, Tensor], opset: int) -> None:
        self.opset = opset
        self.named = {id(tensor): name for name, tensor in named.items()}
        self.parameters = set(self.named)
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.numbers: dict[tuple, str] = {}
        # Of tensors that depend on an input: the value that each was at which version, by where they lie, as
        # others share memory with them.
        self.values: dict[tuple, tuple[str, int]] = {}
        self.blocks: set[int] = set()
        self.kept: list[Tensor] = []  # so that no id is another's
        self.taken: set[str] = set(named)
        self.counts: Counter[str] = Counter()  # of the names that begin so
        self.result: Any = None
        self.call: Call | None = None

    # ------------------------------------------------------------------------ values

    def fresh(self, start: str) -> str:
        """A name that nothing has."""
        name = start
        while name in self.taken:
            self.counts[start] += 1
            name = f"{start}_{self.counts[start]}"
        self.taken.add(name)
        return name

    def bind(self, tensor: Tensor, name: str, version: int) -> None:
        """From now on the tensor, at that version, is that value."""
        self.values[_place(tensor)] = (name, version)
        self.blocks.add(tensor.untyped_storage().data_ptr())
        self.kept.append(tensor)

    def depends(self, tensor: Tensor) -> bool:
        """Whether a tensor was seen to depend on an input."""
        return _place(tensor) in self.values

    def touches(self, tensor: Tensor) -> bool:
        """Whether a tensor depends on an input, or shares memory with what does."""
        return self.depends(tensor) or tensor.untyped_storage().data_ptr() in self.blocks

    def name(self, value: Any, like: dtype | None = None) -> str:
        """The value's name: of a tensor, or of a number of a dtype; with `like` a tensor is cast to it."""
        if isinstance(value, str):
            return value
        if not isinstance(value, Tensor):
            return self.constant(value, like)
        name, version = self.values.get(_place(value), (None, 0))
        if name is not None and self.version(value) != version and not self.writing_into(value):
            self.refuse("reads a tensor that was written in place in a way that was not seen, or in part")
        if name is None:
            if self.writing_into(value):
                self.refuse("writes into a constant, whose numbers are lost; use the op that is not in place")
            self.settled(value)
            if value.untyped_storage().data_ptr() in self.blocks:
                self.refuse("reads memory of a tensor in a way that was not seen; write it with an op")
            if like is not None and value.dtype is not like and not value.ndim:
                return self.constant(value.item(), like)
            name = self._constant_of(value)
        return name if like is None or value.dtype is like else self.cast(name, like)

    def version(self, tensor: Tensor) -> int:
        """That of a tensor when the call in hand had ended."""
        return tensor._version if self.call is None else self.call.versions.get(id(tensor), tensor._version)

    def settled(self, constant: Tensor) -> None:
        """Refuses a constant that has other numbers now than when it was read."""
        if self.version(constant) != constant._version:
            self.refuse("reads a constant that was written in place later")

    def _constant_of(self, tensor: Tensor) -> str:
        known = self.named.get(id(tensor))
        name = known or self.fresh("constant")
        if tensor.dtype is tg.bfloat16:
            self.refuse("has a constant of bfloat16, which NumPy has not")
        if known is None or known not in self.constants:
            self.constants[name] = np.array(tensor.detach().numpy())
        self.named[id(tensor)] = name
        self.kept.append(tensor)
        return name

    def spread(self, value: Any) -> tuple[str, list[int]] | None:
        """Of a constant that was computed: the name of the part that says it all, of size 1 in the axes along
        which it repeats, and these axes; None of anything else. A batch's zeros so fit one of any length."""
        if not isinstance(value, Tensor) or self.touches(value) or not value.numel():
            return None
        if id(value) in self.parameters or value.dtype is tg.bfloat16:
            return None
        self.settled(value)
        array = value.detach().numpy()
        axes: list[int] = []
        for axis, size in enumerate(array.shape):
            one = array.take([0], axis)
            if size > 1 and (array == one).all():
                array, axes = one, [*axes, axis]
        return (self.constant(array, value.dtype), axes) if axes else None

    def constant(self, value: Any, like: dtype | None = None) -> str:
        """The name of numbers, of int64 where no dtype is said."""
        like = tg.int64 if like is None else like
        if like is tg.bfloat16:
            self.refuse("has a constant of bfloat16, which NumPy has not")
        try:
            array = np.asarray(value, like.numpy_dtype)
        except OverflowError:
            self.refuse(f"has the number {value}, which {like} can't hold")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.numbers:
            self.numbers[key] = self.fresh("number")
            self.constants[self.numbers[key]] = array
        return self.numbers[key]

    # ------------------------------------------------------------------------ nodes

    def node(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node, and gives the name of its output, or names if there are several."""
        names = ["" if each is None else self.name(each) for each in inputs]
        while names and not names[-1]:
            names.pop()
        made = [self.fresh(f"{kind.lower()}") for _ in range(outputs)]
        kept = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(Node(kind, names, made, kept, self.where()))
        return made[0] if outputs == 1 else made

    def _write_body(self, call: Call, result: list[Tensor]) -> None:
        """What C answered at once, as the ops in which it is declared."""
        op = registry.get(call.name)
        if op is None or op.kind_name != "composite":
            return
        bound = inspect.signature(op.body).bind_partial()
        bound.arguments.update(call.arguments)
        calls, found = record(None, lambda: op.body(*bound.args, **bound.kwargs))
        for each in calls:
            each.module = call.module
            self.write(each)
        for tensor, made in zip(result, tensors_in(found), strict=True):
            self.call = call
            if self.depends(made):
                self.bind(tensor, self.name(made), call.versions[id(tensor)])

    def finish(self, tensor: Tensor, name: str) -> None:
        """Makes a tensor an output of that name."""
        self.nodes.append(Node("Identity", [self.name(tensor)], [name], {}, self.where()))

    def cast(self, name: str, to: dtype) -> str:
        return self.node("Cast", name, to=NUMBERS[to])

    def shape(self, value: Any) -> str:
        return self.node("Shape", value)

    def writing_into(self, tensor: Tensor) -> bool:
        """Whether the call in hand changes the tensor, so that it reads what that was before."""
        return self.call is not None and self.call.in_place and self.call.result is tensor

    def refuse(self, what: str) -> Any:
        raise OnnxExporterError(f"onnx.export: {self.where()} {what}")

    def where(self) -> str:
        """The call that is being written."""
        if self.call is None:
            return "the model"
        return f"{self.call.name} in {self.call.module}" if self.call.module else self.call.name

    def differs(self, other: Graph) -> str | None:
        """The first node in which another graph is another, with the module that made it; None if none is."""
        for mine, its in zip(self.nodes, other.nodes):
            if (mine.kind, mine.inputs, mine.attributes) != (its.kind, its.inputs, its.attributes):
                return mine.where
            for name in mine.inputs:
                if _bytes(self.constants.get(name)) != _bytes(other.constants.get(name)):
                    return mine.where
        return None if len(self.nodes) == len(other.nodes) else "its length"

    # ------------------------------------------------------------------------ calls

    def write(self, call: Call) -> None:
        """The nodes of a call: its writer's, or else those of the calls that it made."""
        if not any(self.touches(tensor) for tensor in tensors_in(list(call.arguments.values()))):
            return  # a constant
        before, result = (self.call, self.result), list(tensors_in(call.result))
        if not result and not call.in_place:
            return  # for Python alone
        self.call, self.result = call, call.result
        writer = WRITERS.get(call.name)
        here = len(self.nodes)
        names = None if writer is None else writer(self, **call.arguments)
        if names is not None:
            names = [names] if isinstance(names, str) else list(names)
            for tensor, name in zip(result, names, strict=True):
                self.bind(tensor, name, call.versions[id(tensor)])
        else:
            del self.nodes[here:]
            if call.name == "__setitem__":
                self.refuse("writes a part of a tensor, for which there is no rule: use where() or cat()")
            if call.in_place:
                self.refuse("writes in place, and there is no rule for the op")
            if not call.inner:
                self._write_body(call, result)
            for each in call.inner:
                self.write(each)
            if not all(self.depends(tensor) for tensor in result):
                self.refuse("has no rule that writes it as ONNX")
        self.call, self.result = before


def _bytes(array: np.ndarray | None) -> tuple | None:
    return None if array is None else (array.dtype, array.shape, array.tobytes())


def _place(tensor: Tensor) -> tuple:
    return (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)
