"""Reading pickles without running them: the opcodes that data needs, and a list of what may be named.

A pickle is a program for a small stack machine. This one knows the opcodes that build numbers, text and
containers, calls nothing but what `find` has handed out, and reads no length that the input does not have.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

import numpy as np

from .container import LoadError

__all__ = ["Input", "Unpickler", "check_key"]

LARGEST_KEY = 1000  # parts of one dictionary key, which are visited each time that it is hashed
LONGEST_NAME = 1000
MOST_COPIES = 4  # of a pickle's length: what Python 2 called text is decoded, then becomes an array
SMALL = 64  # parts that are less than the opcodes that copy them, or about as much
OPCODES = {
    ord(value): name
    for name, value in vars(pickle).items()
    if name.isupper() and isinstance(value, bytes) and len(value) == 1
}


class Input:
    """The next `size` bytes of a file, of which no more is asked for than there are."""

    def __init__(self, file: BinaryIO, size: int):
        self.file = file
        self.left = size

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            count = self.left
        if count > self.left:
            raise LoadError(f"it is cut short: {count} bytes should follow, and there are {self.left}")
        data = self.file.read(count)
        while len(data) < count:  # of a file object that gives less at a time
            more = self.file.read(count - len(data))
            if not more:
                raise LoadError(f"it ended while it was being read; {count - len(data)} bytes are missing")
            data += more
        self.left -= count
        return data

    def readline(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.read(1)
            if len(line) > LONGEST_NAME:
                raise LoadError(f"it has a name of more than {LONGEST_NAME} characters")
        return bytes(line)


def check_key(key: Any) -> None:
    """Refuses a key so large that hashing it would take very long, or more of the stack than it has."""
    if not isinstance(key, (tuple, frozenset)):
        return
    parts, seen = [key], 0
    while parts:
        for part in parts.pop():
            seen += 1
            if seen > LARGEST_KEY:
                raise LoadError("a key of a dictionary has too many parts")
            if isinstance(part, (tuple, frozenset)):
                parts.append(part)


class Unpickler:
    """Reads one pickle.

    `find(module, name)` gives what a name stands for, or raises LoadError; of what it gives, callables may be
    called and classes made and filled, but for those that are `inert`. `load_persistent(id)` gives what is
    kept outside of the pickle. What Python 2 called text is decoded by `encoding`.
    """

    def __init__(
        self,
        source: Input,
        find: Callable[[str, str], Any],
        load_persistent: Callable[[Any], Any],
        inert: tuple[type, ...] = (),
        encoding: str = "utf-8",
    ):
        self.source = source
        self.inert = inert
        self.encoding = encoding
        self.may_copy = MOST_COPIES * source.left
        self.find = find
        self.load_persistent = load_persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.found: dict[int, Any] = {}  # what `find` gave, by id

    def load(self) -> Any:
        read, steps = self.source.read, STEPS
        try:
            while True:
                opcode = read(1)[0]
                if opcode == ord(pickle.STOP):
                    return self.stack.pop()
                step = steps.get(opcode)
                if step is None:
                    name = OPCODES.get(opcode, hex(opcode))
                    raise LoadError(f"its pickle has the opcode {name}, which is not read here")
                step(self)
        except LoadError:
            raise
        except Exception as error:  # whatever the damaged parts did to what was made of them
            raise LoadError(f"its pickle is damaged: {type(error).__name__}: {error}") from error

    # -- what the opcodes share

    def number(self, form: str) -> Any:
        (value,) = struct.unpack(form, self.source.read(struct.calcsize(form)))
        return value

    def pop(self) -> Any:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise LoadError("its pickle is damaged: it takes more than it has put there")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def fill(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter) and not self.was_found(type(target)):
            self.refuse("has items set in", target)
        for key, value in zip(pairs[::2], pairs[1::2]):
            check_key(key)
            target[key] = value

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        elif self.was_found(type(target)):
            for item in items:
                target.append(item)
        else:
            self.refuse("appends to", target)

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def named(self, module: str, name: str) -> None:
        found = self.find(module, name)
        if not any(found is kind for kind in self.inert):
            self.found[id(found)] = found
        self.stack.append(found)

    def was_found(self, value: Any) -> bool:
        return id(value) in self.found

    def refuse(self, what: str, value: Any) -> NoReturn:
        kind = value if isinstance(value, type) else type(value)
        raise LoadError(f"its pickle {what} a {kind.__module__}.{kind.__qualname__}, which is not admitted")

    def make(self, cls: Any, args: tuple, kwargs: Mapping[str, Any] = MappingProxyType({})) -> None:
        if not isinstance(cls, type) or not self.was_found(cls):
            self.refuse("makes", cls)
        self.stack.append(cls.__new__(cls, *args, **kwargs))

    def call(self) -> None:
        args = self.pop()
        function = self.pop()
        if not callable(function) or not self.was_found(function):
            self.refuse("calls", function)
        if type(args) is not tuple:
            raise LoadError("its pickle is damaged: it calls something with no tuple of arguments")
        if function in (OrderedDict, Counter):  # of pairs, a pair being a tuple or a list
            for pair in args[0] if args else ():
                check_key(pair[0] if type(pair) is list else pair)
        self.count_copies(args)
        self.stack.append(function(*args))

    def count_copies(self, parts: tuple) -> None:
        """Refuses to copy more than a file has: a few bytes may ask for the same data time and again."""
        for part in parts:
            if isinstance(part, (bytes, bytearray, str, list, tuple, dict, set)) and len(part) > SMALL:
                self.may_copy -= len(part)
        if self.may_copy < 0:
            raise LoadError("its pickle copies the same data too often")

    def build(self) -> None:
        """Gives an object the state that was written apart from it."""
        state = self.pop()
        target = self.stack[-1]
        kind = type(target)
        if kind is OrderedDict:
            vars(target).update(_attributes(state))
        elif kind is np.ndarray:
            self.count_copies(state)
            _fill_array(target, state)
        elif isinstance(target, np.dtype):
            self.order_dtype(target, state)
        elif not self.was_found(kind):
            self.refuse("sets the state of", target)
        elif hasattr(target, "__setstate__"):
            target.__setstate__(state)
        else:
            slots = None
            if isinstance(state, tuple) and len(state) == 2:
                state, slots = state
            if state:
                vars(target).update(_attributes(state))
            for name, value in _attributes(slots or {}).items():
                setattr(target, name, value)

    def order_dtype(self, target: np.dtype, state: Any) -> None:
        """A dtype of another byte order takes the place of the one that was made without."""
        fitting = type(state) is tuple and len(state) >= 8 and state[1] in ("<", ">", "|", "=")
        if not fitting or any(state[2:5]):
            raise LoadError("its pickle is damaged: a NumPy dtype has a state that no number has")
        if state[1] in "<>":
            ordered = target.newbyteorder(state[1])
            self.stack[-1] = ordered
            for index in [index for index, value in self.memo.items() if value is target]:
                self.memo[index] = ordered


def _attributes(state: Any) -> dict[str, Any]:
    if type(state) is not dict or not all(type(name) is str for name in state):
        raise LoadError("its pickle is damaged: the state of an object is no dictionary of names")
    return state


def _fill_array(target: np.ndarray, state: Any) -> None:
    version, shape, dtype, by_columns, data = state
    if type(data) is str:  # as Python 2 wrote it
        data = data.encode("latin1")
    if version != 1 or not isinstance(dtype, np.dtype) or dtype.hasobject or type(data) is not bytes:
        raise LoadError("its pickle is damaged: an array has a state that no array of numbers has")
    count = 1
    for size in shape:
        if type(size) is not int or size < 0:
            raise LoadError(f"an array has the shape {str(shape)[:80]}")
        count *= size
    if count * dtype.itemsize != len(data):
        raise LoadError(f"an array of shape {str(shape)[:80]} and {dtype} has {len(data)} bytes")
    target.__setstate__((1, tuple(shape), dtype, bool(by_columns), data))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- the opcodes


def _text(machine: Unpickler, form: str) -> str:
    return machine.source.read(machine.number(form)).decode("utf-8", "surrogatepass")


def _old_text(machine: Unpickler, form: str) -> str:
    return machine.source.read(machine.number(form)).decode(machine.encoding, "surrogatepass")


def _octets(machine: Unpickler, form: str) -> bytes:
    return machine.source.read(machine.number(form))


def _long(machine: Unpickler, form: str) -> int:
    return int.from_bytes(_octets(machine, form), "little", signed=True)


def _last(machine: Unpickler, count: int) -> tuple:
    return tuple([machine.pop() for _ in range(count)][::-1])


def _set(machine: Unpickler, kind: type) -> Any:
    items = machine.pop_to_mark()
    for item in items:
        check_key(item)
    return kind(items)


def _dict(machine: Unpickler) -> None:
    items = machine.pop_to_mark()
    machine.stack.append({})
    machine.fill(items)


def _add_items(machine: Unpickler) -> None:
    items = _set(machine, list)
    if type(machine.stack[-1]) is not set:
        machine.refuse("adds to", machine.stack[-1])
    machine.stack[-1].update(items)


def _named_by_lines(machine: Unpickler) -> None:
    module, name = (machine.source.readline()[:-1].decode() for _ in range(2))
    machine.named(module, name)


def _named_by_stack(machine: Unpickler) -> None:
    module, name = _last(machine, 2)
    if type(module) is not str or type(name) is not str:
        raise LoadError("its pickle is damaged: a name is no text")
    machine.named(module, name)


def _get(machine: Unpickler, form: str) -> Any:
    index = machine.number(form)
    if index not in machine.memo:
        raise LoadError(f"its pickle is damaged: there is no object number {index} yet")
    return machine.memo[index]


# Those that put a value on the stack, and those that do something else.
VALUES: dict[bytes, Callable[[Unpickler], Any]] = {
    pickle.NONE: lambda m: None,
    pickle.NEWTRUE: lambda m: True,
    pickle.NEWFALSE: lambda m: False,
    pickle.BININT: lambda m: m.number("<i"),
    pickle.BININT1: lambda m: m.number("<B"),
    pickle.BININT2: lambda m: m.number("<H"),
    pickle.LONG1: lambda m: _long(m, "<B"),
    pickle.LONG4: lambda m: _long(m, "<I"),
    pickle.BINFLOAT: lambda m: m.number(">d"),
    pickle.BINSTRING: lambda m: _old_text(m, "<I"),
    pickle.SHORT_BINSTRING: lambda m: _old_text(m, "<B"),
    pickle.BINUNICODE: lambda m: _text(m, "<I"),
    pickle.SHORT_BINUNICODE: lambda m: _text(m, "<B"),
    pickle.BINUNICODE8: lambda m: _text(m, "<Q"),
    pickle.BINBYTES: lambda m: _octets(m, "<I"),
    pickle.SHORT_BINBYTES: lambda m: _octets(m, "<B"),
    pickle.BINBYTES8: lambda m: _octets(m, "<Q"),
    pickle.BYTEARRAY8: lambda m: bytearray(_octets(m, "<Q")),
    pickle.EMPTY_LIST: lambda m: [],
    pickle.LIST: lambda m: m.pop_to_mark(),
    pickle.EMPTY_TUPLE: lambda m: (),
    pickle.TUPLE: lambda m: tuple(m.pop_to_mark()),
    pickle.TUPLE1: lambda m: _last(m, 1),
    pickle.TUPLE2: lambda m: _last(m, 2),
    pickle.TUPLE3: lambda m: _last(m, 3),
    pickle.EMPTY_DICT: lambda m: {},
    pickle.EMPTY_SET: lambda m: set(),
    pickle.FROZENSET: lambda m: _set(m, frozenset),
    pickle.BINGET: lambda m: _get(m, "<B"),
    pickle.LONG_BINGET: lambda m: _get(m, "<I"),
    pickle.BINPERSID: lambda m: m.load_persistent(m.pop()),
}
ACTIONS: dict[bytes, Callable[[Unpickler], Any]] = {
    pickle.PROTO: lambda m: m.number("<B"),
    pickle.FRAME: lambda m: m.number("<Q"),
    pickle.MARK: lambda m: m.marks.append(len(m.stack)),
    pickle.POP: lambda m: m.pop(),
    pickle.POP_MARK: lambda m: m.pop_to_mark(),
    pickle.DICT: _dict,
    pickle.SETITEM: lambda m: m.fill(list(_last(m, 2))),
    pickle.SETITEMS: lambda m: m.fill(m.pop_to_mark()),
    pickle.ADDITEMS: _add_items,
    pickle.APPEND: lambda m: m.extend([m.pop()]),
    pickle.APPENDS: lambda m: m.extend(m.pop_to_mark()),
    pickle.BINPUT: lambda m: m.put(m.number("<B")),
    pickle.LONG_BINPUT: lambda m: m.put(m.number("<I")),
    pickle.MEMOIZE: lambda m: m.put(len(m.memo)),
    pickle.GLOBAL: _named_by_lines,
    pickle.STACK_GLOBAL: _named_by_stack,
    pickle.REDUCE: lambda m: m.call(),
    pickle.NEWOBJ: lambda m: m.make(*_last(m, 2)),
    pickle.NEWOBJ_EX: lambda m: m.make(*_last(m, 3)),
    pickle.BUILD: lambda m: m.build(),
}


def _pushing(value: Callable[[Unpickler], Any]) -> Callable[[Unpickler], None]:
    def push(machine: Unpickler) -> None:
        made = value(machine)
        machine.stack.append(made)

    return push


STEPS = {ord(code): _pushing(value) for code, value in VALUES.items()}
STEPS |= {ord(code): action for code, action in ACTIONS.items()}
