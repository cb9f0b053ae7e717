"""The tape in plain Python: to read, and to step through in a debugger.

It is what `tensorgrad.core` compiles, without its speed. A `Tensor` holds an array; an op that meets a
tensor which needs a gradient leaves a `Node`; `backward` walks the nodes. What an op computes and what its
gradient is stands nowhere here: both are read from the declarations in `tensorgrad.ops`, whose NumPy bodies
get arrays, and whose composites and gradient formulas, written in ops, get tensors of this module.

To read it, begin with `Node`, `Tensor`, `call` and `backward`: these are the tape, some 200 lines without
their docstrings. The rest has every op of the registry run on it: arguments by name, dtypes, indices, and
declarations that mean compiled tensors and are given plain ones.

Numbers are float32, float64, integers or truth values; a tensor is a value, which nothing is written into.
``plain.listen = print`` has it say what it does.

>>> from tensorgrad import plain
>>> x = plain.tensor(3.0, requires_grad=True)
>>> y = plain.sin(x * x)
>>> y.backward()
>>> x.grad, y.grad_fn
(tensor(-5.4668), <SinBackward0>)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from tensorgrad import core
from tensorgrad.core import Op, _core
from tensorgrad.core.declare import registry
from tensorgrad.core.translation import NOTHING, Translation

listen: Callable[[str], Any] | None = None  # is told, in words, of every op that is recorded or walked back


class Node:
    """One op that was recorded: what it got, what came out, and where its inputs came from.

    >>> from tensorgrad import plain
    >>> x = plain.tensor(2.0, requires_grad=True)
    >>> (x * x).grad_fn.inputs
    [tensor(2., requires_grad=True), tensor(2., requires_grad=True)]
    """

    def __init__(self, op: Op, values: dict[str, Any], inputs: list, outputs: list[np.ndarray]) -> None:
        self.op = op
        self.values = values            # the arguments, by parameter
        self.inputs = inputs            # the tensors among them
        self.outputs = outputs
        self.edges = [t.edge() if isinstance(t, Tensor) else None for t in inputs]

    def __repr__(self) -> str:
        return f"<{self.op.grad_name}>"

    def output(self, number: int) -> Tensor:
        """One of its outputs as a tensor, which belongs to the node while ops leave some."""
        array = self.outputs[number]
        own = core.is_grad_enabled() and array.dtype.kind == "f"
        return Tensor(array, node=self if own else None, number=number)

    def gradients(self, arrived: list[Tensor | None]) -> list[Tensor | None]:
        """The gradients of its inputs from those of its outputs, by the declared formulas."""
        grads = [Tensor(np.zeros_like(out)) if g is None else g for g, out in zip(arrived, self.outputs)]

        def value_of(name: str) -> Any:
            """What a parameter of a formula stands for: its name says what the formula wants to see."""
            head, _, number = name.rpartition("_")
            if name == "g":
                return next(g for g, out in zip(grads, self.outputs) if out.dtype.kind == "f")
            if name == "grads":
                return grads
            if number.isdigit() and head in ("g", "output"):
                return grads[int(number)] if head == "g" else self.output(int(number))
            if name == "output":
                return self.output(0)
            if name in self.values:
                return self.values[name]
            return self.values[head if head in self.values else self.op.params[0]].shape       # `input_shape`

        def ask(formula: Callable) -> Any:
            names = formula.__code__.co_varnames[: formula.__code__.co_argcount]
            return in_plain(formula)(*map(value_of, names))

        if len(self.op.tensor_params) < len(self.inputs):       # a list of tensors: one formula gives a list
            return list(ask(self.op.formulas[0]))
        found: list[Tensor | None] = []
        for i, (formula, source) in enumerate(zip(self.op.formulas, self.inputs)):
            g = None if formula is None or self.edges[i] is None else ask(formula)
            if isinstance(g, tuple):                            # one formula for several arguments
                g = g[i]
            if g is not None and self.op.kind_name == "binary":
                g = sum_to(g, source.shape)                     # what broadcasting has spread
            found.append(g)
        return found


class Tensor:
    """An array, and where it came from.

    >>> from tensorgrad import plain
    >>> plain.Tensor([1.0, 2.0]) * 2
    tensor([2., 4.], dtype=tensorgrad.float64)
    """

    __hash__ = object.__hash__

    def __init__(
        self, array: Any, requires_grad: bool = False, node: Node | None = None, number: int = 0
    ) -> None:
        self.array = np.asarray(array)
        self.requires_grad = requires_grad or node is not None
        self.grad_fn = node
        self.number = number            # which of the node's outputs it is
        self.grad: Tensor | None = None
        self.retains_grad = False

    shape = property(lambda self: core.Size(self.array.shape))
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: core.dtype_of_numpy(self.array.dtype))

    def edge(self) -> Node | Tensor | None:
        """Where its gradient goes: to the node it came from, to itself if it is a leaf, or nowhere."""
        return (self.grad_fn or self) if self.requires_grad else None

    def backward(self, gradient: Tensor | None = None, create_graph: bool = False) -> None:
        """Adds to the `.grad` of every leaf how this number changes with it."""
        backward(self, gradient, create_graph)

    def detach(self) -> Tensor:
        """The same numbers, off the tape."""
        return Tensor(self.array)

    def retain_grad(self) -> None:
        """Keeps in `.grad` what arrives here, though this is no leaf."""
        self.retains_grad = True

    def numpy(self) -> np.ndarray:
        return self.array

    def __repr__(self) -> str:
        return repr(compiled(self).requires_grad_(self.requires_grad))

    def __getattr__(self, name: str) -> Any:
        """Every method of `tensorgrad.Tensor`: a declared op, or what it says of numbers and shapes."""
        if writes(name):
            return refuse_writing
        if name in ("stride", "storage_offset") and not self.array.flags.c_contiguous:
            raise NotImplementedError("a plain tensor is a value, whose place in memory means nothing")
        found = getattr(core.Tensor, name)
        if isinstance(found, (_core.Method, _core.Attribute)):      # which ask subclasses of Tensor first
            found = found.__wrapped__
        if isinstance(found, (Op, FunctionType)):
            return functools.partial(in_plain(found), self)
        if isinstance(found, property):
            return in_plain(found.fget)(self)
        value = getattr(compiled(self), name)
        return by_compiled(value) if callable(value) else in_plain(value)

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        if isinstance(index, Tensor) and index.ndim and self.ndim and index.dtype in (core.int32, core.int64):
            return call(registry["_gather_rows"], self, index)
        if all(_core._is_plain(compiled(part)) for part in parts):
            return view_at(self, parts)
        return call(registry["_index"], self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        refuse_writing()

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)


def _give_operators() -> None:
    def operator(op: Op) -> Callable:
        return lambda *operands: call(op, *operands)

    def swapped(op: Op) -> Callable:
        return lambda self, other: call(op, other, self)

    names = """add:add sub:sub mul:mul truediv:div pow:pow matmul:matmul floordiv:floor_divide mod:remainder
        and:bitwise_and or:bitwise_or xor:bitwise_xor lshift:bitwise_left_shift rshift:bitwise_right_shift
        neg:neg pos:positive abs:abs invert:bitwise_not lt:lt le:le eq:eq ne:ne gt:gt ge:ge"""
    for symbol, name in (each.split(":") for each in names.split()):
        setattr(Tensor, f"__{symbol}__", operator(registry[name]))
        setattr(Tensor, f"__r{symbol}__", swapped(registry[name]))


_give_operators()


# ---------------------------------------------------------------------------- forward


def call(op: Op, *args: Any, **kwargs: Any) -> Any:
    """Runs an op, and leaves a node if one of its tensors needs a gradient that a formula gives.

    >>> from tensorgrad import plain
    >>> plain.call(tg.mul, plain.tensor(2.0), 3.0)
    tensor(6.)
    """
    if op.kind_name == "composite":                 # written in ops, which leave nodes of theirs
        return in_plain(op.definition)(*args, **kwargs)
    if op.kind_name == "inplace":
        refuse_writing()
    values = bound(op, args, kwargs)
    inputs = [t for name in op.tensor_params for t in (
        values[name] if isinstance(values[name], (list, tuple)) else [values[name]])]
    if op.kind_name == "binary" and op.check is not None:
        instead = in_plain(op.check)(*values.values())
        if instead is not None:
            return instead
    result = computed(op, values)
    several = isinstance(result, (list, tuple))
    outputs = [np.asarray(each) for each in (result if several else [result])]
    found = [Tensor(array) for array in outputs]
    formulas = op.formulas * (len(inputs) if len(op.formulas) == 1 else 1)
    asked = any(f and isinstance(t, Tensor) and t.requires_grad for f, t in zip(formulas, inputs))
    if asked and core.is_grad_enabled():
        node = Node(op, values, inputs, outputs)
        found = [node.output(i) for i in range(len(outputs))]
        say(op.__name__, inputs, found)
    if not several:
        return found[0]
    return type(result)(*found) if hasattr(result, "_fields") else tuple(found)


def bound(op: Op, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by parameter, with plain tensors in the place of compiled ones."""
    at = op.variadic_index
    if 0 <= at < len(args):
        rest = args[at:]
        args = (*args[:at], tuple(rest[0]) if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else rest)
    values = dict(zip(op.params, (*args, *op.defaults[len(args) :])))
    for name, value in kwargs.items():
        values[name if name in values else _core.ALIASES.get(name, name)] = value
    return {name: in_plain(v) if isinstance(v, core.Tensor) else v for name, v in values.items()}


def computed(op: Op, values: dict[str, Any]) -> Any:
    """What the op's NumPy body makes of arrays. Elementwise ops and reductions have a rule for the dtype."""
    kind, rule, first = op.kind_name, op.rule_name, op.params[0]
    operands = op.params[: {"unary": 1, "binary": 2}.get(kind, 0)]
    wanted: Any = None
    if kind == "binary":
        wanted = core.result_type(*[compiled(values[name]) for name in operands])
    elif kind in ("unary", "reduction"):
        wanted = values[first].dtype
    if kind == "reduction":
        if values.get("dtype") is not None:
            wanted = values["dtype"]
            values[first], values["dtype"] = call(registry["_cast"], values[first], wanted), None
        values["dim"] = dims(values["dim"], values[first].ndim)
        if op.check is not None:
            in_plain(op.check)(values[first], values["dim"])
    if rule == "float" and not wanted.is_floating_point:
        wanted = core.get_default_dtype()
    arrays = [array_of(value, wanted if name in operands else None) for name, value in values.items()]
    if op.double:
        arrays = [a.astype(np.float64) if getattr(a, "dtype", None) == np.float32 else a for a in arrays]
    if rule == "bool":
        wanted = core.bool_
    elif rule == "wide" and not wanted.is_floating_point:
        wanted = core.int64
    with np.errstate(all="ignore"):
        result = op.body(*arrays)
        return result if rule == "free" else np.asarray(result).astype(wanted.numpy_dtype, copy=False)


def array_of(value: Any, dtype: Any = None) -> Any:
    """The array of a tensor or a list of tensors, in a dtype on request, which makes one of a number too.

    >>> from tensorgrad import plain
    >>> plain.array_of(plain.tensor([1.0, 2.0]))
    array([1., 2.], dtype=float32)
    """
    if isinstance(value, Tensor):
        value = value.array
    elif isinstance(value, (list, tuple)) and any(isinstance(each, Tensor) for each in value):
        return [each.array for each in value]
    return value if dtype is None else np.asarray(value, dtype.numpy_dtype)


def dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions that a reduction is over, counted from the front.

    >>> from tensorgrad import plain
    >>> plain.dims(-1, 3), plain.dims(None, 2)
    ((2,), (0, 1))
    """
    several = dim if isinstance(dim, (tuple, list)) else () if dim is None else (dim,)
    return tuple(sorted(int(d) % ndim for d in several or range(ndim))) if ndim else ()


def sum_to(g: Tensor, shape: Any) -> Tensor:
    """A gradient summed over what a broadcast from ``shape`` had spread.

    >>> from tensorgrad import plain
    >>> plain.sum_to(plain.tensor([[1.0, 2.0], [3.0, 4.0]]), (2,))
    tensor([4., 6.])
    """
    shape, lead = tuple(shape), g.ndim - len(shape)
    if tuple(g.shape) == shape:
        return g
    over = tuple(i for i in range(g.ndim) if i < lead or (shape[i - lead] == 1 and g.shape[i] != 1))
    return call(registry["reshape"], call(registry["sum"], g, over, True) if over else g, shape)


def view_at(x: Tensor, parts: tuple) -> Tensor:
    """``x[parts]``, where they are ints, slices, None and Ellipsis.

    >>> from tensorgrad import plain
    >>> plain.view_at(plain.tensor([1.0, 2.0, 3.0]), (slice(1, None),))
    tensor([2., 3.])
    """
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if used > x.ndim:
        raise IndexError(f"too many indices for tensor of dimension {x.ndim}")
    out, dim, skipped = x, 0, x.ndim - used
    for part in parts:
        if part is Ellipsis:
            dim += skipped
        elif part is None:
            out, dim = call(registry["unsqueeze"], out, dim), dim + 1
        elif isinstance(part, slice):
            if part != slice(None):
                start, stop, step = part.indices(out.shape[dim])
                out = call(registry["_slice"], out, dim, start, len(range(start, stop, step)), step)
            dim += 1
        else:
            out = call(registry["select"], out, dim, int(part))
    return out


# What of the core does that, beside the ops.
WRITERS = frozenset(
    "_become _enter_inplace _fill_in_place _put_in_place _resize _set_memory _write _write_by".split()
)


def writes(name: str) -> bool:
    """Whether what has that name works in place.

    >>> from tensorgrad import plain
    >>> plain.writes("add_"), plain.writes("add")
    (True, False)
    """
    return (name.endswith("_") and not name.endswith("__")) or name in WRITERS


def refuse_writing(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError, in the place of ops that write."""
    raise NotImplementedError("a plain tensor is a value, which nothing is written into")


# ---------------------------------------------------------------------------- backward


def backward(root: Tensor, gradient: Tensor | None = None, create_graph: bool = False) -> None:
    """Walks the tape from ``root`` to the leaves. A node's turn comes when the gradients of all that was made
    of it have arrived. With ``create_graph`` what the formulas compute is recorded, and can be differentiated
    in turn.

    >>> from tensorgrad import plain
    >>> x = plain.tensor(2.0, requires_grad=True)
    >>> plain.backward(x * x); x.grad
    tensor(4.)
    """
    if not root.requires_grad:
        raise RuntimeError("this tensor does not require grad and does not have a grad_fn")
    if gradient is None:
        if root.array.size != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs, not for {list(root.shape)}"
            )
        gradient = Tensor(np.ones_like(root.array))
    with core.set_grad_enabled(create_graph):
        waiting = uses_below(root.grad_fn)
        arrived: dict[Node, list[Tensor | None]] = {}
        deliver(root, gradient, arrived)
        ready = [root.grad_fn] if root.grad_fn else []
        while ready:
            node = ready.pop()
            if node in arrived:                 # else some formula had no gradient to give
                grads = arrived.pop(node)
                found = node.gradients(grads)
                say(repr(node), grads, found)
                for source, g in zip(node.inputs, found):
                    if g is not None and isinstance(source, Tensor) and source.requires_grad:
                        deliver(source, g, arrived)
            for edge in node.edges:
                if isinstance(edge, Node):
                    waiting[edge] -= 1
                    if not waiting[edge]:
                        ready.append(edge)


def uses_below(root: Node | None) -> dict[Node, int]:
    """For every node that ``root`` comes from: how many inputs came from it.

    >>> from tensorgrad import plain
    >>> x = plain.tensor(2.0, requires_grad=True)
    >>> y = x * x
    >>> list(plain.uses_below((y + y).grad_fn).items())
    [(<MulBackward0>, 2)]
    """
    counts: dict[Node, int] = {}
    left = [root] if root else []
    while left:
        for edge in left.pop().edges:
            if isinstance(edge, Node):
                if edge not in counts:
                    left.append(edge)
                counts[edge] = counts.get(edge, 0) + 1
    return counts


def deliver(source: Tensor, g: Tensor, arrived: dict[Node, list[Tensor | None]]) -> None:
    """Adds a gradient to what arrived at the node that made ``source``, or to the `.grad` of a leaf."""
    if g.dtype is not source.dtype:
        g = call(registry["_cast"], g, source.dtype)
    if source.grad_fn is None:
        source.grad = added(source.grad, g)
        return
    slots = arrived.setdefault(source.grad_fn, [None] * len(source.grad_fn.outputs))
    slots[source.number] = added(slots[source.number], g)
    if source.retains_grad:
        source.grad = slots[source.number]


def added(sum: Tensor | None, g: Tensor) -> Tensor:
    """The sum of a gradient and what arrived before, if something did.

    >>> from tensorgrad import plain
    >>> plain.added(None, plain.tensor(1.0)), plain.added(plain.tensor(1.0), plain.tensor(2.0))
    (tensor(1.), tensor(3.))
    """
    return g if sum is None else call(registry["add"], sum, g)


def say(what: str, came: list, went: list) -> None:
    """Tells whoever listens of one step: shapes in, shapes out."""
    if listen is not None:
        before, after = (
            ", ".join(str(list(t.shape)) if isinstance(t, Tensor) else str(t) for t in side)
            for side in (came, went)
        )
        listen(f"{what}: {before} -> {after}")


# ---------------------------------------------------------------------------- declarations, for these tensors

# Families whose functions make tensors of numbers: no gradient goes through them, and the compiled ones do.
MAKERS = tuple(
    f"tensorgrad.ops.making.{family}" for family in ("creation", "randomness", "spacing", "windows")
)


def _replacement(value: Any) -> Any:
    """What a declaration means, that is an op, a tensor or a function of the core."""
    if isinstance(value, core.Tensor):
        return Tensor(value.detach().numpy())
    if isinstance(value, Op):
        return functools.partial(call, value)
    if isinstance(value, _core.InSingle):           # there are no narrow floats here
        return in_plain(value.__wrapped__)
    where = getattr(value, "__module__", None) or ""
    if isinstance(value, FunctionType):
        return by_compiled(value) if where.startswith(MAKERS) else NOTHING
    if callable(value) and not isinstance(value, type) and where == "tensorgrad.core._core":
        return refuse_writing if writes(value.__name__) else by_compiled(value)
    return NOTHING


in_plain = Translation(_replacement)
in_plain.keep(core.Tensor, Tensor)
in_plain.keep(_core._sum_to, sum_to)
in_plain.keep(_core._array_of, array_of)
in_plain.keep(_core._basic_index, view_at)


def compiled(value: Any) -> Any:
    """A compiled tensor of the same numbers, also within tuples and lists; anything else as it is."""
    if isinstance(value, Tensor):
        return core.from_numpy(np.array(value.array, order="C"))
    if type(value) in (tuple, list):
        return type(value)(map(compiled, value))
    return value


def by_compiled(function: Callable) -> Callable:
    """A function of compiled tensors that no gradient goes through, as one of plain tensors."""
    return lambda *args, **kwargs: in_plain(
        function(*compiled(args), **{name: compiled(value) for name, value in kwargs.items()})
    )


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the same numbers; Python's floats become the default float.

    >>> from tensorgrad import plain
    >>> plain.tensor([1.0, 2.0]).array.dtype
    dtype('float32')
    """
    import tensorgrad

    return Tensor(tensorgrad.tensor(compiled(data), dtype=dtype).numpy(), requires_grad)


class SGD:
    """Plain gradient descent: every step takes ``lr`` times the gradient off.

    >>> from tensorgrad import plain
    >>> x = plain.tensor(2.0, requires_grad=True)
    >>> optimizer = plain.SGD([x], lr=0.1)
    >>> (x * x).backward(); optimizer.step(); x
    tensor(1.6000, requires_grad=True)
    """

    def __init__(self, params: Any, lr: float) -> None:
        self.params, self.lr = list(params), lr

    def zero_grad(self) -> None:
        for param in self.params:
            param.grad = None

    def step(self) -> None:
        for param in self.params:
            if param.grad is not None:
                param.array = param.array - self.lr * param.grad.array


optim = SimpleNamespace(SGD=SGD)


def __getattr__(name: str) -> Any:
    """Whatever `tensorgrad` offers, for tensors of this module."""
    import tensorgrad

    return in_plain(getattr(tensorgrad, name))
