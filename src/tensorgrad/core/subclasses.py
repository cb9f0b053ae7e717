"""Subclasses of Tensor: PyTorch's `__torch_function__`, by which results of ops on them are of that class."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from tensorgrad.core import Tensor, _core

F = TypeVar("F", bound=Callable[..., Any])

# Attributes whose values are tensors by themselves, and stay what they are.
_KEPT = (Tensor.__dict__["_base"], Tensor.__dict__["grad"])


def _as_subclass(self: Tensor, cls: type) -> Any:
    """The tensor as an instance of ``cls``, a subclass of Tensor: a view with the same values and history.

    >>> class Marked(tg.Tensor):
    ...     pass
    >>> x = tg.ones(2).as_subclass(Marked)
    >>> x + 1, type(x.sum()).__name__
    (Marked([2., 2.]), 'Marked')
    """
    return _core._as_subclass(self, cls)


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """An instance of ``cls``, a subclass of Tensor, on the memory of ``data`` and without its history."""
    return _core._make_subclass(cls, data, require_grad)


def _torch_function(cls: type, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """What calls on instances of a subclass give: the tensors among their results are of the subclass."""
    if not all(issubclass(cls, each) for each in types):
        return NotImplemented
    with _core.Apart():
        result = func(*args, **({} if kwargs is None else kwargs))
    if getattr(getattr(func, "__self__", None), "__wrapped__", None) in _KEPT:
        return result
    return _dressed(result, cls)


def _dressed(result: Any, cls: type) -> Any:
    if cls is Tensor:
        return result
    if issubclass(type(result), Tensor) and not isinstance(result, cls):
        return _core._as_subclass(result, cls)
    if isinstance(result, (tuple, list)):
        each = [_dressed(part, cls) for part in result]
        return type(result)(*each) if hasattr(result, "_fields") else type(result)(each)
    return result


def answerable(function: F) -> F:
    """Decorates a function that is no op so that a subclass of Tensor, as its first argument, answers it."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else kwargs.get("input")
        if type(first) is not Tensor and _core._takes_over(first):
            return _core._hand_over(call, args, kwargs)
        return function(*args, **kwargs)

    return cast(F, call)


def _init_subclass(cls: type, **settings: Any) -> None:
    super(Tensor, cls).__init_subclass__(**settings)  # type: ignore[misc]
    if cls.__torch_function__ is not _core._disabled_torch_function_impl:  # type: ignore[attr-defined]
        _core._ask_subclasses()


def install() -> None:
    """Gives Tensor what its subclasses have of it."""
    _core._add_method("as_subclass", _as_subclass)
    _core._add_method("_make_subclass", staticmethod(_make_subclass))
    _core._add_method("__torch_function__", classmethod(_torch_function))
    _core._add_method("__init_subclass__", classmethod(_init_subclass))
