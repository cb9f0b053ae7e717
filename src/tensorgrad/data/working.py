"""Worker processes of a loader: what they know of themselves and do, and a pass over what they fetch."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import random
import selectors
import signal
import socket
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any, NoReturn

import numpy as np

import tensorgrad as tg

from .messages import CLOSED, Channel, Message, receive, send
from .samplers import random_seed
from .sources import END, Source

__all__ = ["WorkerInfo", "WorkerIterator", "context_of", "get_worker_info"]

BATCH, NEW_PASS, ENDED, FAILED = range(4)  # kinds of messages
GRACE = 1.0  # seconds that a worker gets to finish what it is at, before it is ended
LOOK = 1.0  # seconds after which a loader that waits looks whether its workers live


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker process knows of itself: its number, how many there are, its seed, and its copy of the
    dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What this process is as a worker of a `DataLoader`; None elsewhere.

    >>> tg.utils.data.get_worker_info() is None
    True
    """
    return _info


# ---------------------------------------------------------------------------- in a worker process


@dataclass
class _Job:
    """What a worker process is told when it is started."""

    id: int
    num_workers: int
    seed: int
    numpy_seed: Any
    dataset: Any
    collate: Callable
    batched: bool
    drop_last: bool
    init: Callable[[int], None] | None

    def begin(self) -> None:
        """One thread, and random numbers of its own for all three generators."""
        global _info
        tg.set_num_threads(1)
        random.seed(self.seed)
        tg.manual_seed(self.seed)
        np.random.seed(self.numpy_seed)
        _info = WorkerInfo(self.id, self.num_workers, self.seed, self.dataset)
        if self.init is not None:
            self.init(self.id)

    def source(self) -> Source:
        return Source(self.dataset, self.collate, self.batched, self.drop_last)

    def failure(self, number: int, error: Exception) -> Message:
        """An error as a message: its pickled type, and the text with the traceback."""
        kind = type(error)
        story = "".join(traceback.format_exception(kind, error, error.__traceback__))
        text = f"Caught {kind.__name__} in DataLoader worker process {self.id}.\nOriginal {story}"
        try:
            pickled = pickle.dumps(kind)
        except Exception:  # a class inside a function
            pickled = pickle.dumps(RuntimeError)
        return Message.of(number, FAILED, (pickled, text))


def _work(end: socket.socket, job: _Job) -> None:
    """A worker process: answers one message after the other until the loader closes its end. An error is the
    answer to the message that it happened at.
    """
    with contextlib.suppress(KeyboardInterrupt, *CLOSED):  # the loader's process says what happened
        source = broken = None
        try:
            job.begin()
        except Exception as error:
            broken = error
        while (task := receive(end)) is not None:
            if task.kind == NEW_PASS:
                source = None
                continue
            if broken is not None:
                send(end, job.failure(task.number, broken))
                continue
            try:
                source = source or job.source()
                batch = source.take(task.value())
                kind, batch = (ENDED, None) if batch is END else (BATCH, batch)
                answer = Message.of(task.number, kind, batch)
            except Exception as error:
                answer = job.failure(task.number, error)
            send(end, answer)
            batch = answer = None  # not kept while the next is made


# ---------------------------------------------------------------------------- the processes, from outside


class _Crew:
    """The worker processes of one iterator, and the channels to them."""

    def __init__(self, loader: Any, seed: int):
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self.owner = os.getpid()
        self.processes: list[Any] = []
        self.channels: list[Channel] = []
        self.open = True
        _crews.add(self)
        try:
            for i in range(loader.num_workers):
                # By number and seed, mixed so that no two generators begin alike, as PyTorch mixes them.
                mixed = np.random.SeedSequence([i, seed & 0xFFFFFFFF, seed >> 32, 0]).generate_state(4)
                job = _Job(
                    i, loader.num_workers, seed + i, mixed, loader.dataset, loader.collate_fn,
                    loader.batch_sampler is not None, loader.drop_last, loader.worker_init_fn,
                )  # fmt: skip
                self._start(context, job)
        except BaseException:
            self.close(0)
            raise

    def _start(self, context: Any, job: _Job) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.channels.append(Channel(ours))
            process = context.Process(
                target=_work, args=(theirs, job), name=f"DataLoader worker {job.id}", daemon=True
            )
            try:
                process.start()
            except (TypeError, AttributeError, pickle.PicklingError):
                warnings.warn(
                    f"a DataLoader worker can't be started by {context.get_start_method()!r}, for which its "
                    "dataset, collate_fn and worker_init_fn must be pickled, as a lambda or what is defined "
                    "inside a function can't be; define them at the top of a module, or pass "
                    "multiprocessing_context='fork' where the system has fork",
                    stacklevel=6,
                )
                raise
            self.processes.append(process)

    def how_it_ended(self, worker: int) -> str:
        process = self.processes[worker]
        process.join(GRACE)
        text = f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly"
        code = process.exitcode
        if code is None:
            return text
        if code < 0:
            return f"{text}, killed by signal {-code} ({signal.strsignal(-code)})"
        return f"{text} with exit code {code}. With num_workers=0 an error of the dataset shows itself"

    def close(self, grace: float = GRACE) -> None:
        """Ends the workers: those that are at work after so many seconds, by force."""
        if not self.open or self.owner != os.getpid():
            return
        self.open = False
        for channel in self.channels:
            channel.close()
        end = time.monotonic() + grace
        for force in (None, "terminate", "kill"):
            for process in self.processes:
                if force and process.is_alive():
                    getattr(process, force)()
            for process in self.processes:
                process.join(max(0.0, end - time.monotonic()))
            end = time.monotonic() + GRACE

    def forget(self) -> None:
        """In a process that was forked: a worker must see the end of the one that it works for."""
        for channel in self.channels:
            channel.close()


_crews: weakref.WeakSet[_Crew] = weakref.WeakSet()


def _forget_all() -> None:
    for crew in list(_crews):
        crew.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def context_of(given: Any, num_workers: int) -> BaseContext | None:
    """The `multiprocessing` context that a user names or gives; None for the system's own."""
    if given is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )
    if isinstance(given, str):
        methods = multiprocessing.get_all_start_methods()
        if given not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {methods}, but got "
                f"multiprocessing_context={given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={given}"
        )
    return given


# ---------------------------------------------------------------------------- a pass


class WorkerIterator:
    """A pass with worker processes: batches are asked of them in turn, and given out in that order, or with
    `in_order=False` as they come.
    """

    def __init__(self, loader: Any):
        self.order = loader._numbers
        iter(self.order)  # PyTorch's random stream: some orders are drawn here, and for the pass once more
        seed = random_seed(loader.generator)
        self.ahead = loader.num_workers * loader.prefetch_factor
        self.timeout = loader.timeout
        self.in_order = loader.in_order
        self.persistent = loader.persistent_workers
        self.asked = 0
        self.crew = _Crew(loader, seed)
        weakref.finalize(self, self.crew.close)
        self._begin()

    def begin_again(self) -> None:
        """A new pass of the same workers, which forget the one before."""
        for channel in self.crew.channels:
            channel.send(Message.of(self.asked, NEW_PASS, None))
        self._begin()

    def _begin(self) -> None:
        count = len(self.crew.processes)
        self.numbers: Iterator = iter(self.order)
        self.tasks: dict[int, int] = {}  # worker by number, of what was asked and not yet given out
        self.answers: dict[int, Message] = {}
        self.loads = [0] * count
        self.finished: set[int] = set()
        self.gone: set[int] = set()
        self.turn = 0
        for _ in range(self.ahead):
            self._ask()

    def _ask(self) -> None:
        """Gives the next worker that still has something the next numbers."""
        numbers = next(self.numbers, END)
        worker = self._next_worker()
        if numbers is END or worker is None:
            return
        self.crew.channels[worker].send(Message.of(self.asked, BATCH, numbers))
        self.tasks[self.asked] = worker
        self.loads[worker] += 1
        self.asked += 1

    def _next_worker(self) -> int | None:
        count = len(self.loads)
        for _ in range(count):
            worker = self.turn
            self.turn = (worker + 1) % count
            if worker in self.finished:
                continue
            if self.in_order or self.loads[worker] < self.ahead // (count - len(self.finished)):
                return worker
        return None

    def __iter__(self) -> WorkerIterator:
        return self

    def __next__(self) -> Any:
        if self.crew.owner != os.getpid():
            raise RuntimeError(
                "this iterator of a DataLoader was made before the process was forked, and its workers are "
                "those of the other process; begin a new pass here: iter(loader)"
            )
        while self.tasks:
            try:
                number = self._arrived()
            except BaseException:
                self.close(0)
                raise
            worker, answer = self.tasks.pop(number), self.answers.pop(number)
            self.loads[worker] -= 1
            if answer.kind == ENDED:
                self.finished.add(worker)
            self._ask()
            if answer.kind == FAILED:
                _raise(*answer.value())
            if answer.kind == BATCH:
                return answer.value()
        if not self.persistent:
            self.close()
        raise StopIteration

    def _arrived(self) -> int:
        """The number of the next answer to give out, when it is there."""
        end = time.monotonic() + self.timeout
        while True:
            number = next(iter(self.tasks if self.in_order else self.answers or self.tasks))
            if number in self.answers:
                return number
            if self.tasks[number] in self.gone:
                raise RuntimeError(self.crew.how_it_ended(self.tasks[number]))
            left = end - time.monotonic() if self.timeout else LOOK
            if left <= 0:
                raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds")
            self._listen(min(left, LOOK))

    def _listen(self, seconds: float) -> None:
        """Waits until a worker says something or takes more of what it is told, and notes both."""
        channels = self.crew.channels
        with Selector() as selector:
            for worker, channel in enumerate(channels):
                if worker not in self.gone:
                    events = selectors.EVENT_WRITE if channel.unsent else 0
                    selector.register(channel, selectors.EVENT_READ | events, worker)
            ready = [(key.data, events) for key, events in selector.select(seconds)]
        dead = [] if ready else [i for i, process in enumerate(self.crew.processes) if not process.is_alive()]
        for worker, events in ready:
            if events & selectors.EVENT_WRITE:
                channels[worker].flush()
            if events & selectors.EVENT_READ:
                self._read(worker)
        for worker in dead:  # though its end is open: a process that it was copied to may have it
            self._read(worker)
            self.gone.add(worker)

    def _read(self, worker: int) -> None:
        messages = self.crew.channels[worker].receive()
        if messages is None:
            self.gone.add(worker)
        for message in messages or ():
            if message.number in self.tasks:  # not of a pass that was left
                self.answers[message.number] = message

    def close(self, grace: float = GRACE) -> None:
        """Ends the workers, and with them the pass."""
        self.tasks.clear()
        self.answers.clear()
        self.crew.close(grace)


Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)  # it knows descriptors above 1,024


class _Text(str):
    """The text of a KeyError, which shows its argument by repr."""

    def __repr__(self) -> str:
        return str(self)


def _raise(pickled: bytes, text: str) -> NoReturn:
    """Raises a worker's error again, of its type if that is known here and can be made from a text."""
    try:
        kind = pickle.loads(pickled)
    except Exception:
        kind = RuntimeError
    if issubclass(kind, KeyError):
        raise kind(_Text(text))
    if issubclass(kind, StopIteration):  # here it would be the end of the pass
        raise RuntimeError(text)
    try:
        error = kind(text)
    except Exception:
        error = RuntimeError(text)
    raise error
