"""Declarations read anew: functions with the same code whose names mean something else.

What an op computes, and what its gradient is, is written in ops, as functions of tensors. Another engine than
the compiled one runs these very functions: in a `Translation` the ops and tensors they look up are its own.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
from collections.abc import Callable
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

NOTHING = object()
METHODS = (FunctionType, property)


class Translation:
    """Gives for a value of the declarations what stands for it: what ``replace`` says, or where that is
    `NOTHING` the same function, class or table with all that it refers to translated; anything from elsewhere
    as it is.
    """

    def __init__(self, replace: Callable[[Any], Any]) -> None:
        self.replace = replace
        # By number: the original, which so stays alive, and what stands for it.
        self.done: dict[int, tuple[Any, Any]] = {}

    def __call__(self, value: Any) -> Any:
        if id(value) in self.done:
            return self.done[id(value)][1]
        found = self.replace(value)
        if found is not NOTHING:
            return found
        if type(value) in (tuple, list):
            return type(value)(map(self, value))
        if type(value) is dict:
            return {key: self(each) for key, each in value.items()}
        if isinstance(value, property):
            return property(self(value.fget))
        if isinstance(value, functools.partial):
            return functools.partial(self(value.func), *value.args, **value.keywords)
        where = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if not isinstance(where, str) or not where.startswith("tensorgrad."):
            return value
        if isinstance(value, ModuleType):
            return self.keep(value, _Room(value, self))
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type) and where.startswith("tensorgrad.ops."):
            own = {name: self(each) for name, each in vars(value).items() if isinstance(each, METHODS)}
            return self.keep(value, type(value.__name__, (value,), {**own, "__slots__": ()}))
        if hasattr(value, "cache_info"):
            return self.keep(value, functools.cache(self(value.__wrapped__)))
        return value

    def keep(self, value: Any, meaning: Any) -> Any:
        """From now on ``meaning`` stands for ``value``."""
        self.done[id(value)] = value, meaning
        return meaning

    def _function(self, function: FunctionType) -> Callable:
        """A function with the same code, whose globals and closure are translated."""
        world: dict[str, Any] = {"__builtins__": builtins, "__name__": function.__module__}
        cells = tuple(CellType() for _ in function.__closure__ or ())
        code, defaults = function.__code__, self(function.__defaults__)
        made = FunctionType(code.replace(), world, function.__name__, defaults, cells)
        made.__kwdefaults__ = self(function.__kwdefaults__)
        self.keep(function, made)           # before its names: it may call itself
        for name in _names(code):
            if name in function.__globals__:
                world[name] = self(function.__globals__[name])
        for cell, own in zip(function.__closure__ or (), cells):
            with contextlib.suppress(ValueError):       # a name that is not bound yet
                own.cell_contents = self(cell.cell_contents)
        return made


class _Room:
    """A module seen through a translation."""

    def __init__(self, module: ModuleType, translation: Translation) -> None:
        self._module, self._translation = module, translation

    def __getattr__(self, name: str) -> Any:
        return self._translation(getattr(self._module, name))


def _names(code: CodeType) -> set[str]:
    """The names that a function, and what is defined inside it, may look up."""
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)
