"""torch.utils.benchmark: how long statements take."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import tensorgrad
from tensorgrad.core.threads import get_num_threads, set_num_threads

__all__ = ["Compare", "Measurement", "Timer", "timer"]

timer = perf_counter
UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


def _in_unit(seconds: float) -> tuple[float, str]:
    """Seconds as a number of the largest unit of which they are one or more."""
    unit, size = next((u for u in UNITS if seconds >= u[1]), UNITS[-1])
    return seconds / size, unit


class Measurement:
    """The times of runs of one statement: `times` in seconds, `median`, `mean` and `iqr` of them.

    >>> from tensorgrad.utils.benchmark import Measurement
    >>> runs = Measurement(2, [2.0, 4.0, 6.0])
    >>> runs.median, runs.mean, runs.iqr
    (2.0, 2.0, 1.0)
    """

    def __init__(
        self, number_per_run: int, raw_times: list[float], label: str = "", about: Any = None
    ) -> None:
        self.number_per_run = number_per_run
        self.raw_times = raw_times
        self.title = label
        self.task_spec = about

    @property
    def times(self) -> list[float]:
        """Seconds of one call, for each run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        """The middle one of the times."""
        return statistics.median(self.times)

    @property
    def mean(self) -> float:
        """The mean of the times."""
        return statistics.fmean(self.times)

    @property
    def iqr(self) -> float:
        """How far the middle half of the times reaches."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    def __repr__(self) -> str:
        median, unit = _in_unit(self.median)
        runs = f"{len(self.times)} measurement{'s' if len(self.times) > 1 else ''}"
        threads = getattr(self.task_spec, "num_threads", 1)
        return (
            f"{self.title}\n  Median: {median:.2f} {unit}\n"
            f"  {runs}, {self.number_per_run} runs per measurement, "
            f"{threads} thread{'s' if threads > 1 else ''}"
        )


class Timer:
    """Measures a statement, as Python's `timeit.Timer` does, with a number of threads for ops.

    >>> runs = tg.utils.benchmark.Timer("x.sum()", globals={"x": tg.ones(8)}).timeit(10)
    >>> runs.number_per_run, runs.mean > 0
    (10, True)
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "",
        timer: Callable[[], float] = timer, globals: dict[str, Any] | None = None, label: str | None = None,
        sub_label: str | None = None, description: str | None = None, env: str | None = None,
        num_threads: int = 1, language: Any = "python",
    ) -> None:  # fmt: skip
        if str(getattr(language, "name", language)).lower() not in ("python", "py"):
            raise NotImplementedError(f"Timer measures Python, not {language!r}")
        if global_setup:
            raise ValueError("Timer: global_setup is for C++ only; give the statements as setup")
        names = {"torch": tensorgrad, **(globals or {})}
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self.num_threads = num_threads
        self.label, self.sub_label, self.description = label, sub_label, description
        self._title = ": ".join(t for t in (label or stmt, sub_label) if t)

    def _run(self, number: int) -> float:
        before = get_num_threads()
        set_num_threads(self.num_threads)
        try:
            return self._timer.timeit(number)
        finally:
            set_num_threads(before)

    def timeit(self, number: int = 1000000) -> Measurement:
        """One run of that many calls."""
        self._run(max(number // 100, 2))
        return Measurement(number, [self._run(number)], self._title, self)

    def _number(self, least: float) -> int:
        """How many calls take that many seconds, three times in turn: one may have been disturbed, and of too
        few calls there would be more runs than can be looked through.
        """
        number = 1
        while any(self._run(number) < least for _ in range(3)):
            number *= 10 if number < 1000 else 2
        return number

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Runs of a thousandth of `min_run_time` or more, until they have taken that many seconds."""
        number = self._number(min_run_time / 1000)
        times: list[float] = []
        spent = 0.0
        while spent < min_run_time:
            times.append(self._run(number))
            spent += times[-1]
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._title, self)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Any = None,
    ) -> Measurement:  # fmt: skip
        """Runs of a thousandth of `max_run_time` or more, until the middle half of the times is no wider than
        `threshold` of the median.
        """
        number = self._number(max_run_time / 1000)
        times: list[float] = []
        while True:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
            found = Measurement(number, times, self._title, self)
            spent = sum(times)
            if spent >= max_run_time or (
                spent >= min_run_time and len(times) > 3 and found.iqr < threshold * found.median
            ):
                return found


class Compare:
    """Measurements side by side: `print` writes a line for each.

    >>> tg.utils.benchmark.Compare([tg.utils.benchmark.Measurement(1, [2.0], "x + 1")]).print()
    x + 1: 2 s
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More of them."""
        self._results += results

    def __str__(self) -> str:
        lines = []
        for each in self._results:
            median, unit = _in_unit(each.median)
            described = getattr(each.task_spec, "description", None)
            title = f"{each.title}: {described}" if described else each.title
            lines.append(f"{title}: {median:.4g} {unit}")
        return "\n".join(lines)

    def print(self) -> None:
        """Writes them."""
        print(self)
