"""One forward pass, heard: which ops were called by name or operator, on what, inside of which, by whom."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tensorgrad import _kernels
from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import registry
from tensorgrad.nn import Module


@dataclass
class Call:
    """A call of an op: its arguments by parameter, what it gave, and the calls that it made itself."""

    name: str
    arguments: dict[str, Any]
    result: Any
    in_place: bool
    versions: dict[int, int]  # of its tensors when it had ended, by id
    module: str  # the path of the innermost module that made it
    inner: list[Call] = field(default_factory=list)


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors among some values, and in lists, tuples and dicts of them."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        for each in values.values():
            yield from tensors_in(each)
    elif isinstance(values, (list, tuple)):
        for each in values:
            yield from tensors_in(each)


def record(model: Module | None, run: Callable[[], Any]) -> tuple[list[Call], Any]:
    """The outermost calls of a run, in order, with the modules of the model that made them; what it gave."""
    found: list[tuple[int, Call]] = []  # when each began, and the call
    path: list[str] = []

    def hear(event: Any) -> None:
        if event.kind != "op" or event.call is None:
            return
        first = len(found)
        while first and found[first - 1][0] >= event.start:
            first -= 1
        inner = [call for _, call in found[first:]]
        del found[first:]
        given, words, result = event.call
        name, arguments, in_place = _bound(event.name, given, words)
        versions = {id(tensor): tensor._version for tensor in tensors_in([given, result])}
        call = Call(name, arguments, result, in_place, versions, path[-1] if path else "", inner)
        found.append((event.start, call))

    with _paths(model, path):
        _kernels.listen(hear, True)
        try:
            result = run()
        finally:
            _kernels.unlisten(hear)
    return [call for _, call in found], result


def _bound(name: str, given: tuple, words: tuple) -> tuple[str, dict[str, Any], bool]:
    """An op's name, its arguments by parameter, and whether it writes what it computes in place."""
    if name in ("__getitem__", "__setitem__"):
        return name, dict(zip(("input", "index", "value"), given)), name == "__setitem__"
    op = registry[name]
    in_place = op.kind_name == "inplace"
    if in_place:
        name, op = name.removesuffix("_"), op.target
    signature = inspect.signature(op.body)
    count = len(given) - len(words)
    meant = {word if word in signature.parameters else _core.ALIASES.get(word, word): value
             for word, value in zip(words, given[count:])}  # fmt: skip
    positional = list(given[:count])
    if op.variadic_index >= 0 and count > op.variadic_index and not _is_variadic(signature):
        rest = positional[op.variadic_index :]
        whole = rest[0] if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else tuple(rest)
        positional = [*positional[: op.variadic_index], whole]
    if len(positional) > len(signature.parameters) and op.takes_inplace:
        meant["inplace"] = positional.pop()
    in_place = in_place or bool(meant.get("inplace"))
    for word in ("inplace", "out"):
        if word not in signature.parameters:
            meant.pop(word, None)
    bound = signature.bind(*positional, **meant)
    bound.apply_defaults()
    return name, dict(bound.arguments), in_place


def _is_variadic(signature: inspect.Signature) -> bool:
    return any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in signature.parameters.values())


@contextlib.contextmanager
def _paths(model: Module | None, path: list[str]) -> Iterator[None]:
    """Keeps in `path` the names of the modules that are running, the innermost last."""
    handles = []
    for name, module in [] if model is None else model.named_modules():
        title = f"{name} ({type(module).__name__})" if name else type(module).__name__

        def enter(module: Module, args: Any, title: str = title) -> None:
            path.append(title)

        def leave(module: Module, args: Any, result: Any) -> None:
            path.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
