"""torch.futures: a result that comes later, from another thread."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A value that is set once, and can be waited for.

    Errors: `RuntimeError` if it is set twice, or if `value` is asked for too early.

    >>> later = tg.futures.Future()
    >>> twice = later.then(lambda done: 2 * done.value())
    >>> later.set_result(4)
    >>> twice.wait()
    8
    """

    def __init__(self, *, devices: Sequence[Any] | None = None) -> None:
        self._held: concurrent.futures.Future[T] = concurrent.futures.Future()

    def done(self) -> bool:
        """Whether the value, or an error in its place, is there."""
        return self._held.done()

    def wait(self) -> T:
        """The value, once it is there. Raises the error that was set in its place."""
        return self._held.result()

    def value(self) -> T:
        """The value, which has to be there."""
        if not self.done():
            raise RuntimeError("Future.value(): it is not completed yet; wait() waits for it")
        return self._held.result()

    def set_result(self, result: T) -> None:
        """Sets the value, and calls what waits for it."""
        self._set(self._held.set_result, result)

    def set_exception(self, result: BaseException) -> None:
        """Sets an error, which `wait` and `value` raise."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result!r} is of type {type(result)}, not an Exception.")
        self._set(self._held.set_exception, result)

    @staticmethod
    def _set(how: Callable, value: Any) -> None:
        try:
            how(value)
        except concurrent.futures.InvalidStateError:
            raise RuntimeError("Future: it is completed already, and is set only once") from None

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Has it called with this future once the value is there, at once if it is."""
        self._held.add_done_callback(lambda held: callback(self))

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """A future of what `callback` gives of this one; of its error, if it raises one."""
        following: Future[Any] = Future()

        def run(this: Future[T]) -> None:
            try:
                found = callback(this)
            except Exception as error:
                following.set_exception(error)
            else:
                following.set_result(found)

        self.add_done_callback(run)
        return following


def collect_all(futures: Sequence[Future]) -> Future[list[Future]]:
    """A future of all of them, as a list, which is there when each is.

    >>> tg.futures.collect_all([]).wait()
    []
    """
    together: Future[list[Future]] = Future()
    waiting = len(futures)
    lock = threading.Lock()

    def arrived(_: Future) -> None:
        nonlocal waiting
        with lock:
            waiting -= 1
            is_last = not waiting
        if is_last:
            together.set_result(list(futures))

    if not futures:
        together.set_result([])
    for each in futures:
        each.add_done_callback(arrived)
    return together


def wait_all(futures: Sequence[Future]) -> list[Any]:
    """The values of all, once all are there. Raises the first one's error.

    >>> one = tg.futures.Future(); one.set_result(1)
    >>> tg.futures.wait_all([one])
    [1]
    """
    return [each.value() for each in collect_all(futures).wait()]
