"""torch.multiprocessing: Python's own, with PyTorch's names for how memory is shared."""

from __future__ import annotations

import multiprocessing as _own
import signal
import sys
import time
import traceback
import warnings
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
        self._told: dict[int, str | None] = {}  # the tracebacks that came; None where nothing will

    def pids(self) -> list[int]:
        """The processes' numbers to the system."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for a process, at most `timeout` seconds; gives whether all have ended. If one failed, the
        others are ended, of themselves within `grace_period` seconds or else by a signal, and its failure is
        raised: `ProcessRaisedException` or `ProcessExitedException`.
        """
        alive = {index: p for index, p in enumerate(self.processes) if p.exitcode is None}
        # What a process tells is read at once: one that tells more than a pipe holds can't end before.
        pipes = {index: self._errors[index] for index in alive if index not in self._told}
        waited = [*(process.sentinel for process in alive.values()), *pipes.values()]
        ready = connection.wait(waited, timeout) if alive else []
        for index, process in alive.items():
            if pipes.get(index) in ready:
                self._hear(index)
            if process.sentinel in ready:
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

    def _hear(self, index: int) -> None:
        try:
            self._told[index] = self._errors[index].recv()
        except (EOFError, OSError):  # it ended without a word, or in the middle of one
            self._told[index] = None

    def _end(self, grace_period: float | None) -> None:
        if grace_period is not None:
            self._wait(grace_period)
        for process in self.processes:
            if process.exitcode is None:
                process.terminate()
        self._wait(30.0 if grace_period is None else grace_period)
        for process in self.processes:
            if process.exitcode is None:
                process.kill()
            process.join()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))

    def _fail(self, index: int, process: Any) -> None:
        if index not in self._told and self._errors[index].poll():
            self._hear(index)
        found = self._told.get(index)
        if found is not None:
            text = f"\n\n-- Process {index} terminated with the following error:\n"
            raise ProcessRaisedException(text + found, index, process.pid)
        code = process.exitcode
        if code < 0:
            known = -code in {*signal.Signals}  # those of real time have no names
            name = signal.Signals(-code).name if known else f"<Unknown signal {-code}>"
            text = f"process {index} terminated with signal {name}"
            raise ProcessExitedException(text, index, process.pid, code, name)
        text = f"process {index} terminated with exit code {code}"
        raise ProcessExitedException(text, index, process.pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
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
    fn: Callable, args: tuple = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """`start_processes`, in processes that begin anew; warns that any other `start_method` is not taken.

    >>> tg.multiprocessing.spawn(print, nprocs=0)
    """
    if start_method != "spawn":
        text = f"spawn starts processes by 'spawn', not {start_method!r}: call start_processes for that"
        warnings.warn(text, FutureWarning, stacklevel=2)
    return start_processes(fn, args, nprocs, join, daemon, "spawn")


def __getattr__(name: str) -> Any:
    return getattr(_own, name)
