"""torch.compiler's questions and wrappers, where nothing is compiled: what is given comes back."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__all__ = [
    "allow_in_graph", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "reset",
]  # fmt: skip


config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8)  # of torch._dynamo


def compile(model: Callable | None = None, **settings: Any) -> Any:
    """The function or module itself, which runs as it is; without it, a decorator.

    PyTorch's settings (``fullgraph``, ``dynamic``, ``backend``, ``mode``, ``options``, ``disable``) are taken
    and mean nothing here.

    >>> tg.compile(abs) is abs
    True
    """
    return (lambda given: given) if model is None else model


def disable(fn: Callable | None = None, recursive: bool = True, **settings: Any) -> Any:
    """The function itself, with or without arguments of the decorator.

    >>> tg.compiler.disable(abs) is abs
    True
    """
    return (lambda given: given) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """The function itself.

    >>> tg.compiler.allow_in_graph(abs) is abs
    True
    """
    return fn


def is_compiling() -> bool:
    """False.

    >>> tg.compiler.is_compiling()
    False
    """
    return False


def is_dynamo_compiling() -> bool:
    """False.

    >>> tg.compiler.is_dynamo_compiling()
    False
    """
    return False


def reset() -> None:
    """Does nothing: nothing was compiled.

    >>> tg.compiler.reset()
    """


def cudagraph_mark_step_begin() -> None:
    """Does nothing.

    >>> tg.compiler.cudagraph_mark_step_begin()
    """
