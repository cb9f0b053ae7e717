"""torch.compiler's questions and wrappers, where nothing is compiled: what is given comes back."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin",
    "disable", "disallow_in_graph", "graph_break", "is_compiling", "is_dynamo_compiling", "is_exporting",
    "list_backends", "mark_dynamic", "mark_static", "maybe_mark_dynamic", "reset", "set_stance",
    "substitute_in_graph",
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


disallow_in_graph = assume_constant_result = allow_in_graph


def substitute_in_graph(original_fn: Any, **settings: Any) -> Callable:
    """A decorator that gives the function itself."""
    return allow_in_graph


class set_stance:
    """A context, or a decorator, in which nothing changes.

    >>> with tg.compiler.set_stance("force_eager"):
    ...     tg.compiler.is_compiling()
    False
    """

    def __init__(self, stance: str = "default", **settings: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass

    def __call__(self, function: Any) -> Any:
        return function


class OptimizedModule:
    """What PyTorch compiles a module to: no module here is one."""


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """None: an empty list."""
    return []


def graph_break(msg: str = "") -> None:
    """Does nothing."""


def mark_dynamic(t: Any, index: Any, **settings: Any) -> None:
    """Does nothing: every size is read anew."""


def mark_static(t: Any, index: Any = None) -> None:
    """Does nothing."""


maybe_mark_dynamic = mark_dynamic


def is_exporting() -> bool:
    """False."""
    return False


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
