"""torch.overrides' questions: no type takes over functions here; no `__torch_function__` is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tensorgrad.core import Tensor

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
    """False.

    >>> tg.overrides.has_torch_function((tg.ones(1),))
    False
    """
    return False


def has_torch_function_unary(obj: Any) -> bool:
    """False.

    >>> tg.overrides.has_torch_function_unary(tg.ones(1))
    False
    """
    return False


def has_torch_function_variadic(*args: Any) -> bool:
    """False.

    >>> tg.overrides.has_torch_function_variadic(tg.ones(1), tg.ones(1))
    False
    """
    return False


def handle_torch_function(public_api: Callable, relevant_args: Iterable, *args: Any, **kwargs: Any) -> Any:
    """Raises TypeError, as PyTorch does where no argument takes the function over."""
    name = getattr(public_api, "__name__", public_api)
    raise TypeError(f"no implementation found for {name!r} on types that take over a function")
