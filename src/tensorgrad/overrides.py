"""torch.overrides' questions: of types that are no tensors, `__torch_function__` answers calls of ops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tensorgrad.core import Tensor, _core

__all__ = [
    "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like",
]  # fmt: skip


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor.

    >>> tg.overrides.is_tensor_like(tg.ones(1)), tg.overrides.is_tensor_like([1.0])
    (True, False)
    """
    return isinstance(inp, Tensor)


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether the type of one of the arguments, which is no tensor, takes functions over.

    >>> class Mine:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return func.__name__
    >>> tg.overrides.has_torch_function((tg.ones(1), Mine())), tg.add(tg.ones(1), Mine())
    (True, 'add')
    """
    return any(map(_core._takes_over, relevant_args))


def has_torch_function_unary(obj: Any) -> bool:
    """Whether its type does.

    >>> tg.overrides.has_torch_function_unary(tg.ones(1))
    False
    """
    return _core._takes_over(obj)


def has_torch_function_variadic(*args: Any) -> bool:
    """Whether the type of one of the arguments does.

    >>> tg.overrides.has_torch_function_variadic(tg.ones(1), tg.ones(1))
    False
    """
    return has_torch_function(args)


def handle_torch_function(public_api: Callable, relevant_args: Iterable, *args: Any, **kwargs: Any) -> Any:
    """What the types that take the function over make of the call: those of `args` and `kwargs` are asked.
    Raises TypeError if none does.
    """
    return _core._hand_over(public_api, args, kwargs)
