"""The declarations of all ops, by family."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tensorgrad.core import _core
from tensorgrad.core.declare import aliases, registry

# Importing a family declares its ops.
FAMILIES = tuple(
    import_module(f"tensorgrad.ops.{name}")
    for name in """
        elementwise.activations elementwise.arithmetic elementwise.bessel elementwise.choosing
        elementwise.comparison elementwise.powers elementwise.rounding elementwise.special
        elementwise.trigonometry
        reducing.quantiles reducing.reductions reducing.scans reducing.sorting reducing.statistics
        shapes.arranging shapes.combining shapes.joining shapes.padding shapes.patches shapes.shaping
        shapes.slicing shapes.striding
        indices.indexing indices.scattering indices.selecting indices.taking
        matrices.contractions matrices.determinants matrices.distances matrices.exponentials
        matrices.factorizing matrices.orthogonal matrices.products matrices.solving matrices.spectra
        matrices.vectors
        layers.aligning layers.attention layers.classifying layers.dropout layers.embedding
        layers.gating layers.losses layers.margins layers.normalizing
        making.conversion making.creation making.randomness making.spacing
    """.split()
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
