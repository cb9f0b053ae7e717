"""The declarations of all ops, by family."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from tensorgrad.core import _core
from tensorgrad.core.declare import aliases, registry

ROOMS = ("elementwise", "reducing", "shapes", "indices", "matrices", "layers", "making", "sparse")

# Importing a family declares its ops: every module of a room is one, but those that begin with an underscore.
FAMILIES = tuple(
    import_module(f"{__name__}.{room}.{module.name}")
    for room in ROOMS
    for module in iter_modules([f"{__path__[0]}/{room}"])
    if not module.name.startswith("_")
)

_core._find_ops()


def public(place: str) -> dict[str, Any]:
    """What is offered at a public address, such as "tensorgrad" or "tensorgrad.nn.functional": ops declared
    for it, and the plain functions that a family lists in its PUBLIC dictionary under that address."""
    found: dict[str, Any] = {
        name: op for name, op in registry.items() if place in op.facts.places and not name.startswith("_")
    }
    found.update(aliases.get(place, {}))
    for family in FAMILIES:
        for function in getattr(family, "PUBLIC", {}).get(place, ()):
            found[function.__name__] = function
    return found


def __getattr__(name: str) -> Any:
    """Every op of the registry is an attribute: ``ops.relu``."""
    if name in registry:
        return registry[name]
    for family in FAMILIES:
        for functions in getattr(family, "PUBLIC", {}).values():
            for function in functions:
                if function.__name__ == name:
                    return function
    raise AttributeError(f"module 'tensorgrad.ops' has no op {name!r}")
