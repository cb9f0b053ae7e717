"""torch.jit's wrappers, which hand back what they are given: a program is not compiled, and runs as it is.

What would have to give something else (`load`, `save`, `fork`) is not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tensorgrad.nn import Module as ScriptModule

__all__ = [
    "Final", "ScriptModule", "annotate", "export", "freeze", "ignore", "is_scripting", "is_tracing",
    "optimize_for_inference", "script", "script_if_tracing", "script_method", "trace", "trace_module",
    "unused",
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
