"""Hooks that compute a parameter before each forward: which ones a module has, and how one ends."""

from __future__ import annotations

from typing import Any

from tensorgrad.nn.modules.module import Module


def hooks_on(module: Module, kind: type, name: str) -> dict[int, Any]:
    """The hooks of a kind that compute the module's tensor of that name, by their numbers."""
    return {
        number: hook
        for number, hook in module._forward_pre_hooks.items()
        if isinstance(hook, kind) and hook.name == name  # type: ignore[attr-defined]
    }


def refuse_second(module: Module, kind: type, name: str) -> None:
    """Raises RuntimeError if there is such a hook already."""
    if hooks_on(module, kind, name):
        raise RuntimeError(f"{name!r} of {type(module).__name__} has a {kind.__name__} already")


def take_out(module: Module, kind: type, name: str) -> Module:
    """Removes a hook and has it leave the parameter as it was; gives back the module."""
    found = hooks_on(module, kind, name)
    if not found:
        raise ValueError(f"{name!r} of {type(module).__name__} has no {kind.__name__}")
    return end_first(module, found)


def end_first(module: Module, found: dict[int, Any]) -> Module:
    """Has the first of some hooks leave its parameter as it was, and removes it; gives back the module."""
    number, hook = next(iter(found.items()))
    hook.remove(module)
    del module._forward_pre_hooks[number]
    return module
