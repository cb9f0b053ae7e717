"""Sides that take turns: each runs the same work with its library in a process of its own, whose environment
says the number of threads before anything is loaded, and waits while another is timed.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

Work = Callable[[], Any]

OURS = "kernels"
LIBRARIES = {OURS: "tensorgrad", "numpy": "tensorgrad", "torch": "torch"}
THREADS = ("TENSORGRAD_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# OpenBLAS picks its kernels by these, and slower ones than the CPU's if they are set.
MISLEADING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# Of the largest number of a result: float32 whose sums were added up in another order.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Row:
    """Something to time. `make` gets a library (tensorgrad or torch) and gives the work, a function without
    arguments, whose result is that of `steps` calls one after the other when sides are compared. It goes to
    another process, so it is a function of a module, or a `functools.partial` of one.
    """

    group: str
    name: str
    make: Callable[[Any], Work]
    steps: int = 1


class Ratio(NamedTuple):
    """Their time by ours: median and range of the rounds. Above 1, ours is the faster."""

    median: float
    low: float
    high: float


@dataclass
class Result:
    """What was found of a row: seconds of each side, the others' ratios; or the error that stopped it."""

    row: Row
    seconds: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)
    error: str | None = None


# ---------------------------------------------------------------------------- works and their time


def there_and_back(forward: Work, leaves: list[Any], lib: Any) -> Work:
    """Forward and backward: the result and the gradients of the leaves."""
    shape = tuple(forward().shape)
    # Not ones, which the way back of a softmax or a norm sends to zero.
    gradient = lib.tensor(np.random.default_rng(1).standard_normal(shape).astype(np.float32))

    def work() -> list[Any]:
        for leaf in leaves:
            leaf.grad = None
        out = forward()
        out.backward(gradient)
        return [out, *(leaf.grad for leaf in leaves)]

    return work


def timed(work: Work, count: int) -> float:
    """Seconds a call; of several, after one that fills the caches again."""
    if count > 1:
        work()
    start = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - start) / count


def timed_in_turns(
    timers: dict[str, Callable[[int], float]], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """The seconds a call of each side, round by round. A timer takes a number of calls; each gets so many
    as fill the seconds of a round."""
    counts = {name: max(1, int(seconds / max(timer(1), 1e-8))) for name, timer in timers.items()}
    took: dict[str, list[float]] = {name: [] for name in timers}
    for round in range(rounds):
        for name in list(timers) if round % 2 == 0 else list(timers)[::-1]:
            took[name].append(timers[name](counts[name]))
    return took


def ratio_of(theirs: list[float], ours: list[float]) -> Ratio:
    """Their time by ours, of rounds in which both were timed."""
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


# ---------------------------------------------------------------------------- processes


def arrays_of(result: Any) -> list[np.ndarray]:
    """The numbers of each tensor in a result, which may be nested."""
    if isinstance(result, (list, tuple)):
        return [array for each in result for array in arrays_of(each)]
    return [np.array(result.detach().double().numpy())]  # of bfloat16 there is no array


def _serve(pipe: Connection, library: str, threads: int) -> None:
    """What the process of a side does: it answers until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asker's to answer
    work: Work = list
    while True:
        try:
            what, argument = pipe.recv()
        except EOFError:
            return
        try:
            answer: Any
            if what == "import":
                lib = importlib.import_module(library)
                lib.set_num_threads(threads)
                answer = lib.__version__
            elif what == "make":
                lib.manual_seed(0)
                work = argument.make(lib)
                answer = arrays_of([work() for _ in range(argument.steps)])
            else:
                answer = timed(work, argument)
        except Exception as error:
            pipe.send((False, f"{type(error).__name__}: {error}"))
        else:
            pipe.send((True, answer))


class Refused(Exception):
    """An error in the process of a side, which lives on."""


class Side:
    """A library in a process of its own."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        changed = {**dict.fromkeys(THREADS, str(threads)), **dict.fromkeys(MISLEADING)}
        if LIBRARIES[name] == "tensorgrad":
            changed["TENSORGRAD_BACKEND"] = name
        fresh = multiprocessing.get_context("spawn")
        self.pipe, theirs = fresh.Pipe()
        arguments = (theirs, LIBRARIES[name], threads)
        self.process = fresh.Process(target=_serve, args=arguments, daemon=True)
        with _environment(changed):
            self.process.start()
        theirs.close()

    def ask(self, what: str, argument: Any = None) -> Any:
        """The answer. Refused if there was an error, RuntimeError if the process has ended."""
        try:
            self.pipe.send((what, argument))
            done, answer = self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join(5)
            code = self.process.exitcode
            raise RuntimeError(f"the process of {self.name} ended with code {code}") from None
        if not done:
            raise Refused(answer)
        return answer

    def timer(self, count: int) -> float:
        return self.ask("time", count)

    def close(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


@contextlib.contextmanager
def _environment(changed: dict[str, str | None]) -> Iterator[None]:
    """Variables as a new process shall find them; None takes one away."""
    before = dict(os.environ)
    try:
        for name, value in changed.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def running(names: tuple[str, ...], threads: int) -> Iterator[tuple[list[Side], dict[str, str]]]:
    """The sides, ours first, and their libraries' versions; without PyTorch where it is not installed."""
    sides: list[Side] = []
    versions: dict[str, str] = {}
    try:
        sides.extend(Side(name, threads) for name in (OURS, *names))
        for side in list(sides):
            try:
                versions[side.name] = side.ask("import")
            except Refused as error:
                if side.name != "torch" or "No module named 'torch'" not in str(error):
                    raise RuntimeError(f"bench: {LIBRARIES[side.name]} can't be imported: {error}") from None
                sides.remove(side)
                side.close()
        yield sides, versions
    finally:
        for side in sides:
            side.close()


# ---------------------------------------------------------------------------- a row


def difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> str | None:
    """In what two results differ by more than rounding; None if they do not."""
    if [each.shape for each in ours] != [each.shape for each in theirs]:
        return f"shapes are {[each.shape for each in ours]} and {[each.shape for each in theirs]}"
    for mine, other in zip(ours, theirs):
        if not np.array_equal(np.isfinite(mine), np.isfinite(other)):
            return "other numbers are not finite"
        a, b = (np.nan_to_num(each, posinf=0.0, neginf=0.0) for each in (mine, other))
        far, most = np.max(np.abs(a - b), initial=0.0), np.max(np.abs(b), initial=0.0)
        if far > TOLERANCE * most:
            return f"numbers of up to {most:.3g} are {far:.3g} apart"
    return None


def measure(row: Row, sides: list[Side], rounds: int, seconds: float) -> Result:
    """Compares the results of all sides with ours, and times them if they agree."""
    result = Result(row)
    found: dict[str, list[np.ndarray]] = {}
    for side in sides:
        try:
            found[side.name] = side.ask("make", row)
        except Refused as error:
            result.error = f"{side.name}: {error}"
            return result
        if (apart := difference(found[OURS], found[side.name])) is not None:
            result.error = f"{OURS} and {side.name} differ: {apart}"
            return result
    took = timed_in_turns({side.name: side.timer for side in sides}, rounds, seconds)
    result.seconds = {name: statistics.median(times) for name, times in took.items()}
    result.ratios = {name: ratio_of(took[name], took[OURS]) for name in took if name != OURS}
    return result
