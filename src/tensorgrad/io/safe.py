"""Which classes and functions a file may name when only its weights are loaded, beside the usual ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "named", "safe_globals"]

Named = Callable | tuple[Callable, str]
_admitted: list[Named] = []


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Admits these classes and functions in files that are loaded with `weights_only=True`.

    A class that a file names may be made and given any state, a function called with any arguments: admit
    what does no harm then. A pair `(class, "module.Name")` admits a class under another name.

    Errors: `ValueError` for a tuple that is no pair, `TypeError` for what can't be named.

    >>> from fractions import Fraction
    >>> tg.serialization.add_safe_globals([Fraction])
    >>> tg.serialization.get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> tg.serialization.clear_safe_globals()
    """
    admitted = list(safe_globals)
    for what in admitted:
        name_of(what)
    _admitted.extend(what for what in admitted if what not in _admitted)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has admitted.

    >>> tg.serialization.get_safe_globals()
    []
    """
    return list(_admitted)


def clear_safe_globals() -> None:
    """Admits nothing any more but what always is.

    >>> tg.serialization.clear_safe_globals()
    """
    _admitted.clear()


class safe_globals:
    """Admits these classes and functions within a `with`, as `add_safe_globals` does.

    >>> from fractions import Fraction
    >>> import io
    >>> file = io.BytesIO()
    >>> tg.save({"ratio": Fraction(1, 3)}, file); _ = file.seek(0)
    >>> with tg.serialization.safe_globals([Fraction]):
    ...     tg.load(file)
    {'ratio': Fraction(1, 3)}
    """

    def __init__(self, safe_globals: Sequence[Any]):
        self.safe_globals = list(safe_globals)
        self.before: list[list[Named]] = []

    def __enter__(self) -> None:
        self.before.append(get_safe_globals())
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc: Any) -> None:
        _admitted[:] = self.before.pop()


def name_of(what: Any) -> str:
    """The full name under which a file names it."""
    if isinstance(what, tuple):
        if len(what) != 2:
            raise ValueError(f"add_safe_globals: a tuple of {len(what)} is no pair (class, 'module.Name')")
        if not isinstance(what[1], str):
            raise TypeError(f"add_safe_globals: a name is a str, not {type(what[1]).__name__}")
        return what[1]
    module, name = getattr(what, "__module__", None), getattr(what, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(f"add_safe_globals: {what!r} is neither a class nor a function")
    return f"{module}.{name}"


def named() -> dict[str, Any]:
    """What is admitted, by full name."""
    return {name_of(what): what[0] if isinstance(what, tuple) else what for what in _admitted}
