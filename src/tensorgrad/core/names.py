"""The answer to a name that is not there: which name is nearest."""

from __future__ import annotations

from collections.abc import Iterable


def missing(owner: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for ``owner.name``, where ``names`` are those that exist."""
    from difflib import get_close_matches

    near = get_close_matches(name, [n for n in names if not n.startswith("_")], n=1, cutoff=0.6)
    hint = f"; the nearest name that it has is {near[0]!r}" if near else ""
    return AttributeError(f"{owner} has no attribute {name!r}{hint}")
