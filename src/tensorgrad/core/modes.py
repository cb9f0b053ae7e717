"""Context managers, which are also decorators, for what a thread records and which path the maths takes."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from tensorgrad.core import _core

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound="_Mode")


class _Mode:
    """A context that is entered by `with`, or around every call of a function it decorates."""

    before: tuple               # the modes as they were, to be put back

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any):
                inner = function(*args, **kwargs)
                send: Any = None
                while True:
                    with self.clone():
                        try:
                            value = inner.send(send)
                        except StopIteration as stop:
                            return stop.value
                    try:
                        send = yield value
                    except GeneratorExit:
                        inner.close()
                        raise

            return cast(F, generator)
        if inspect.isclass(function):
            raise TypeError(f"{type(self).__name__} decorates functions, not classes; decorate the methods")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any):
            with self.clone():
                return function(*args, **kwargs)

        return cast(F, call)

    def clone(self: M) -> M:
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exc: Any) -> None:
        grad, inference, *_ = self.before
        _core._set_modes(grad=grad, inference=inference)


class _BareMode(_Mode):
    """A mode that decorates without parentheses too."""

    @overload
    def __new__(cls: type[M], function: None = None) -> M: ...

    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]  # no instance: what it decorates

    def __new__(cls, function: Any = None) -> Any:
        mode = super().__new__(cls)
        if function is None:
            return mode
        return mode(function)


class no_grad(_BareMode):
    """Nothing is recorded inside: results need no gradient.

    >>> with tg.no_grad():
    ...     (tg.ones(1, requires_grad=True) * 2).requires_grad
    False
    """

    def __enter__(self) -> None:
        self.before = _core._set_modes(grad=False)


class enable_grad(_BareMode):
    """Operations are recorded inside, also within ``no_grad``.

    >>> with tg.no_grad(), tg.enable_grad():
    ...     (tg.ones(1, requires_grad=True) * 2).requires_grad
    True
    """

    def __enter__(self) -> None:
        self.before = _core._set_modes(grad=True)


class set_grad_enabled(_Mode):
    """Switches recording on or off: at once, and back when left as a context.

    >>> with tg.set_grad_enabled(False):
    ...     tg.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.before = _core._set_modes(grad=self.mode)

    def __call__(self, function: F) -> F:
        _core._set_modes(grad=self.before[0])
        return super().__call__(function)

    def clone(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        _core._set_modes(grad=self.mode)


class inference_mode(_Mode):
    """Like ``no_grad``, and tensors made inside can never be part of a graph.

    >>> with tg.inference_mode():
    ...     tg.ones(1).is_inference()
    True
    """

    @overload
    def __new__(cls: type[M], mode: bool = True) -> M: ...

    @overload
    def __new__(cls, mode: F) -> F: ...  # type: ignore[misc]  # no instance: what it decorates

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.mode = True
        return made(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def clone(self) -> inference_mode:
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        self.before = (
            _core._set_modes(grad=False, inference=True)
            if self.mode
            else _core._set_modes(grad=True, inference=False)
        )


class backend(_Mode):
    """The maths takes this path inside: ``"kernels"`` or ``"numpy"``.

    >>> with tg.backend("numpy"):
    ...     tg.get_backend()
    'numpy'
    """

    def __init__(self, name: str) -> None:
        if name not in ("kernels", "numpy"):
            raise ValueError(f"backend(): no backend {name!r}; there are 'kernels' and 'numpy'")
        self.name = name

    def clone(self) -> backend:
        return backend(self.name)

    def __enter__(self) -> None:
        self.outer = _core.get_backend()
        _core.set_backend(self.name)

    def __exit__(self, *exc: Any) -> None:
        _core.set_backend(self.outer)


class _Anomaly(_Mode):
    """Remembers the forward line of every op, and stops at the first gradient that is NaN."""

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self.mode, self.check_nan = mode, check_nan
        self.before = _core._set_modes(anomaly=mode, check_nan=check_nan)

    def clone(self) -> _Anomaly:
        return _Anomaly(self.mode, self.check_nan)

    def __enter__(self) -> None:
        _core._set_modes(anomaly=self.mode, check_nan=self.check_nan)

    def __exit__(self, *exc: Any) -> None:
        _core._set_modes(anomaly=self.before[2], check_nan=self.before[3])


class trap_nan(_Mode):
    """Inside, the first computation that makes a NaN or an infinity of finite numbers raises NonFiniteError.

    An op, a step of a backward, or an optimizer's step of one parameter is looked at as a whole, in all
    threads: whether what comes out is finite, and if not, whether what went in was. The error names it, the
    first places, the ranges of what went in and the line of the program; out of a backward also the line of
    the forward call, as does every other error that comes out of one. An infinity that was asked for
    (``masked_fill`` with ``-inf``, ``full``) passes, and infinities that come of such; a NaN that comes of
    infinities does not. An optimizer's step is found out when the parameter was written; writes by index
    (``x[i] = y``) are not looked at.

    The environment variable ``TENSORGRAD_TRAP_NAN=1`` sets it for a whole program.

    >>> with tg.autograd.trap_nan():
    ...     tg.log(tg.tensor([1.0, -1.0]))
    Traceback (most recent call last):
    tensorgrad.autograd.NonFiniteError: log: 1 of 2 numbers of the result is not finite, ...: nan at [1]...
    """

    def __enter__(self) -> None:
        _core._set_trap(True)

    def __exit__(self, *exc: Any) -> None:
        _core._set_trap(False)


def start_trap() -> None:
    """Sets the trap for the whole program if the environment variable TENSORGRAD_TRAP_NAN asks for it."""
    asked = os.environ.get("TENSORGRAD_TRAP_NAN", "")
    if asked not in ("", "0", "1"):
        raise ImportError(f"TENSORGRAD_TRAP_NAN is {asked!r}; it can be 1 or 0, or be unset")
    if asked == "1":
        _core._set_trap(True)


def start_backend() -> None:
    """Takes the path that the environment variable TENSORGRAD_BACKEND names."""
    name = os.environ.get("TENSORGRAD_BACKEND", "")
    if name:
        if name not in ("kernels", "numpy"):
            raise ImportError(f"TENSORGRAD_BACKEND is {name!r}; it can be 'kernels' or 'numpy', or be unset")
        _core.set_backend(name)
