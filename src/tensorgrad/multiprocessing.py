"""torch.multiprocessing: Python's own, with PyTorch's names for how memory is shared."""

from __future__ import annotations

import multiprocessing as _own
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403 - the names are in its __all__
from multiprocessing import connection
from typing import Any

__all__ = [
    *_own.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException", "SpawnContext",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip


def get_all_sharing_strategies() -> set[str]:
    """The ways to hand tensors to another process: by file, as copies.

    >>> tg.multiprocessing.get_all_sharing_strategies()
    {'file_system'}
    """
    return {"file_system"}


def get_sharing_strategy() -> str:
    """`file_system`."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Takes PyTorch's names, which change nothing here. Raises ValueError for others.

    >>> tg.multiprocessing.set_sharing_strategy("file_system")
    """
    if new_strategy not in ("file_system", "file_descriptor"):
        raise ValueError(
            f"set_sharing_strategy: {new_strategy!r} is neither 'file_system' nor 'file_descriptor'"
        )


class ProcessException(Exception):
    """A process that `spawn` started did not end well.

    Args:
        msg: what happened.
        error_index: the number of the process, from 0.
        pid: its number to the system.
    """

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """It raised an exception, whose traceback the message has."""


class ProcessExitedException(ProcessException):
    """It ended with an exit code, or by a signal."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def _work(fn: Callable, index: int, args: tuple, errors: Any) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.send(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """Processes that `start_processes` started: `processes`, and what waits for them.

    >>> issubclass(tg.multiprocessing.SpawnContext, tg.multiprocessing.ProcessContext)
    True
    """

    def __init__(self, processes: list, errors: list) -> None:
        self.processes = processes
        self._errors = errors

    def pids(self) -> list[int]:
        """The processes' numbers to the system."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits until a process ends; gives whether all have. If one failed, the others are ended and its
        failure is raised: `ProcessRaisedException` or `ProcessExitedException`.
        """
        alive = [process for process in self.processes if process.exitcode is None]
        ended = connection.wait([process.sentinel for process in alive], timeout) if alive else []
        for process in alive:
            if process.sentinel in ended:
                process.join()
        for index, process in enumerate(self.processes):
            if process.exitcode is not None and process.exitcode != 0:
                self._end(grace_period)
                self._fail(index, process)
        if any(process.exitcode is None for process in self.processes):
            return False
        for process in self.processes:
            process.join()
        return True

    def _end(self, grace_period: float | None) -> None:
        for process in self.processes:
            if process.exitcode is None and grace_period is None:
                process.terminate()
        for process in self.processes:
            process.join(grace_period)
            if process.exitcode is None:
                process.kill()
                process.join()

    def _fail(self, index: int, process: Any) -> None:
        try:
            found = self._errors[index].recv() if self._errors[index].poll() else None
        except EOFError:  # it ended without a word
            found = None
        if found is not None:
            text = f"\n\n-- Process {index} terminated with the following error:\n"
            raise ProcessRaisedException(text + found, index, process.pid)
        code = process.exitcode
        if code < 0:
            name = signal.Signals(-code).name
            text = f"process {index} terminated with signal {name}"
            raise ProcessExitedException(text, index, process.pid, code, name)
        text = f"process {index} terminated with exit code {code}"
        raise ProcessExitedException(text, index, process.pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs ``fn(i, *args)`` in `nprocs` processes, and waits for them unless `join` is False: then it gives a
    `ProcessContext`, whose ``join`` does.

    Errors: as `ProcessContext.join`.

    >>> tg.multiprocessing.start_processes(print, nprocs=0)
    """
    context: Any = _own.get_context(start_method)
    processes, errors = [], []
    for index in range(nprocs):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(fn, index, args, theirs), daemon=daemon)
        process.start()
        theirs.close()
        processes.append(process)
        errors.append(mine)
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes`, in processes that begin anew.

    >>> tg.multiprocessing.spawn(print, nprocs=0)
    """
    return start_processes(fn, args, nprocs, join, daemon, "spawn")


def __getattr__(name: str) -> Any:
    return getattr(_own, name)
