"""torch.jit's wrappers, which hand back what they are given: a program is not compiled, and runs as it is.

What would have to give something else (`load`, `save`, `fork`) raises NotImplementedError.
"""

from __future__ import annotations

import builtins
import types
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from tensorgrad.core.names import refusing
from tensorgrad.nn import Module

__all__ = [
    "Attribute", "Error", "Final", "RecursiveScriptModule", "ScriptFunction", "ScriptModule",
    "ScriptWarning", "TopLevelTracedModule", "TracerWarning", "annotate", "enable_onednn_fusion", "export",
    "fork", "freeze", "fuser", "ignore", "interface", "is_scripting", "is_tracing", "isinstance", "load",
    "optimize_for_inference", "optimized_execution", "save", "script", "script_if_tracing", "script_method",
    "set_fusion_strategy", "trace", "trace_module", "unused", "wait",
]  # fmt: skip


def script(obj: Any, *args: Any, **settings: Any) -> Any:
    """The function, module or class itself.

    >>> tg.jit.script(abs) is abs
    True
    """
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **settings: Any) -> Any:
    """The function or module itself, without a call.

    >>> tg.jit.trace(abs, (tg.ones(1),)) is abs
    True
    """
    return func


def trace_module(mod: Any, inputs: Any, *args: Any, **settings: Any) -> Any:
    """The module itself.

    >>> layer = nn.Linear(2, 1)
    >>> tg.jit.trace_module(layer, {"forward": tg.ones(1, 2)}) is layer
    True
    """
    return mod


def ignore(drop: Any = False, **settings: Any) -> Any:
    """The function itself, with or without arguments of the decorator.

    >>> @tg.jit.ignore(drop=True)
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """
    return drop if callable(drop) else lambda fn: fn


def unused(fn: Any) -> Any:
    """The function itself.

    >>> tg.jit.unused(abs) is abs
    True
    """
    return fn


def export(fn: Callable) -> Callable:
    """The function itself.

    >>> tg.jit.export(abs) is abs
    True
    """
    return fn


def script_method(fn: Callable) -> Callable:
    """The function itself.

    >>> tg.jit.script_method(abs) is abs
    True
    """
    return fn


def script_if_tracing(fn: Callable) -> Callable:
    """The function itself.

    >>> tg.jit.script_if_tracing(abs) is abs
    True
    """
    return fn


def freeze(mod: Any, *args: Any, **settings: Any) -> Any:
    """The module itself.

    >>> layer = nn.Linear(2, 1)
    >>> tg.jit.freeze(layer) is layer
    True
    """
    return mod


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """The module itself.

    >>> layer = nn.Linear(2, 1)
    >>> tg.jit.optimize_for_inference(layer) is layer
    True
    """
    return mod


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value.

    >>> tg.jit.annotate(int, 3)
    3
    """
    return the_value


def is_scripting() -> bool:
    """False.

    >>> tg.jit.is_scripting()
    False
    """
    return False


def is_tracing() -> bool:
    """False.

    >>> tg.jit.is_tracing()
    False
    """
    return False


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether a value is of a type, or of one of a tuple of them: a list, tuple or dict with its members, as
    far as the type says what they are. An empty list or dict is of all types of its kind.

    >>> tg.jit.isinstance([1], list[int]), tg.jit.isinstance([1], list[str])
    (True, False)
    """
    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, kind) for kind in target_type)
    kind, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if kind is None:
        return builtins.isinstance(obj, target_type)
    if kind in (typing.Union, types.UnionType):
        return any(isinstance(obj, each) for each in inner)
    if not builtins.isinstance(obj, kind):
        return False
    if kind is dict and inner:
        return all(isinstance(key, inner[0]) and isinstance(value, inner[1]) for key, value in obj.items())
    if kind is tuple and inner:
        wanted = inner[:1] * len(obj) if inner[-1] is ... else inner
        return len(obj) == len(wanted) and all(map(isinstance, obj, wanted))
    return kind is not list or all(isinstance(member, each) for member in obj for each in inner)


def interface(obj: Any) -> Any:
    """The class itself."""
    return obj


_overload = _overload_method = interface


def optimized_execution(should_optimize: bool) -> AbstractContextManager:
    """A `with` block in which nothing changes."""
    return nullcontext()


fuser = optimized_execution


def enable_onednn_fusion(enabled: bool) -> None:
    """Does nothing."""


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> None:
    """Does nothing."""


class Attribute:
    """A value with the type that it is of: gives the value.

    >>> tg.jit.Attribute(3, int)
    3
    """

    def __new__(cls, value: Any, type: Any) -> Any:
        return value


class ScriptModule(Module):
    """The base class of modules that say themselves what PyTorch compiles: a Module, and no other is one.

    >>> isinstance(tg.jit.script(nn.ReLU()), tg.jit.ScriptModule)
    False
    """


class RecursiveScriptModule(ScriptModule):
    """What PyTorch compiles a module to: no module here is one."""


class TopLevelTracedModule(RecursiveScriptModule):
    """What PyTorch traces a module to: no module here is one."""


class ScriptFunction:
    """What PyTorch compiles a function to: no function here is one."""


class ScriptWarning(Warning):
    """PyTorch's warning of something that its compiler leaves out."""


class TracerWarning(Warning):
    """PyTorch's warning of something that a trace does not see."""


class Error(RuntimeError):
    """PyTorch's error in a compiled program."""


_WHY = "compiled programs are not in tensorgrad yet"
load, save, fork, wait = (
    refusing(name, NotImplementedError, f"jit.{name}: {_WHY}", _WHY)
    for name in ("load", "save", "fork", "wait")
)
