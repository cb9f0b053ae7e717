"""torch.overrides' questions: of types, subclasses of Tensor among them, whose `__torch_function__` answers
calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from tensorgrad.core import Tensor, _core

__all__ = [
    "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "wrap_torch_function",
]  # fmt: skip


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor, or of a type that takes functions over.

    >>> tg.overrides.is_tensor_like(tg.ones(1)), tg.overrides.is_tensor_like([1.0])
    (True, False)
    """
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether the type of one of the arguments, a subclass of Tensor or no tensor, takes functions over.

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


def wrap_torch_function(dispatcher: Callable[..., Iterable]) -> Callable[[Callable], Callable]:
    """Decorates a function so that types which take functions over answer it: ``dispatcher``, called with the
    same arguments, gives those that are asked.

    >>> @tg.overrides.wrap_torch_function(lambda x: (x,))
    ... def twice(x):
    ...     return x + x
    >>> twice(tg.ones(1))
    tensor([2.])
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if has_torch_function(dispatcher(*args, **kwargs)):
                return handle_torch_function(call, (), *args, **kwargs)
            return function(*args, **kwargs)

        return call

    return decorate
