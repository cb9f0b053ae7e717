"""Where the time goes: what ops, kernels and steps of a program took, as a table or a trace to look at."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tensorgrad._kernels import Event, begin_range, end_range, listen, unlisten
from tensorgrad.io.container import write_all
from tensorgrad.io.files import _replacing

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What is watched: the CPU, which is all there is. CUDA may be asked for too, and has no events.

    >>> tg.profiler.ProfilerActivity.CPU.name
    'CPU'
    """

    CPU = 0
    CUDA = 1


class ProfilerAction(enum.Enum):
    """What a profile does with a step: nothing, listen without keeping, keep, keep and then give the trace.

    >>> [action.name for action in tg.profiler.ProfilerAction]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The activities that can be watched.

    >>> tg.profiler.supported_activities() == {tg.profiler.ProfilerActivity.CPU}
    True
    """
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A function of the step's number: after `skip_first` steps, cycles of `wait`, `warmup`, `active` ones.

    After `repeat` cycles nothing is kept any more; 0 stands for no end. `skip_first_wait` leaves out the
    wait of the first cycle.

    Errors: `AssertionError` if a count is negative or `active` is 0.

    >>> plan = tg.profiler.schedule(wait=1, warmup=1, active=1)
    >>> [plan(step).name for step in range(4)]
    ['NONE', 'WARMUP', 'RECORD_AND_SAVE', 'NONE']
    """
    counts = {"wait": wait, "warmup": warmup, "repeat": repeat, "skip_first": skip_first}
    for name, value in counts.items():
        if value < 0:
            raise AssertionError(f"schedule: {name} is {value}, wanted 0 or more")
    if active < 1:
        raise AssertionError(f"schedule: active is {active}, wanted 1 or more")

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"step number must be non-negative. Got {step}.")
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if step < (wait if skip_first_wait else 0) or (repeat and step >= cycle * repeat):
            return ProfilerAction.NONE
        step %= cycle
        if step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if step < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """What writes each trace into a folder, as `worker.time.pt.trace.json`, for a profile's `on_trace_ready`.

    >>> handler = tg.profiler.tensorboard_trace_handler("traces")
    """

    def handle(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = "json.gz" if use_gzip else "json"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.{ending}"))

    return handle


class record_function(contextlib.ContextDecorator):
    """A stretch of the program under a name of its own, in the profiles that are taken meanwhile.

    >>> with tg.profiler.profile() as prof:
    ...     with tg.profiler.record_function("twice"):
    ...         _ = tg.ones(3) * 2
    >>> "twice" in [event.key for event in prof.key_averages()]
    True
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"record_function(): argument 'name' must be str, not {type(name).__name__}")
        self.name, self.args = name, args
        self._open = threading.local()

    def __enter__(self) -> record_function:
        self._open.events = [*getattr(self._open, "events", ()), begin_range(self.name)]
        return self

    def __exit__(self, *error: Any) -> None:
        end_range(self._open.events.pop())


def _time(microseconds: float) -> str:
    for unit, name in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= unit:
            return f"{microseconds / unit:.3f}{name}"
    return f"{microseconds:.3f}us"


@dataclass
class FunctionEventAvg:
    """All events of one name, in microseconds; `self_cpu_time_total` leaves out the events inside."""

    key: str
    count: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    nbytes: int = 0
    input_shapes: list = field(default_factory=list)

    @property
    def cpu_time(self) -> float:
        """The average of one."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_total_str(self) -> str:
        return _time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return _time(self.self_cpu_time_total)

    @property
    def cpu_time_str(self) -> str:
        return _time(self.cpu_time)


_SORTS = ("self_cpu_time_total", "cpu_time_total", "cpu_time", "count", "nbytes")


class EventList(list):
    """Averages of events, which can be shown as a table."""

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The events as text, a line each: share of the time, times, calls, bytes of operands and results.

        `sort_by` is one of self_cpu_time_total, cpu_time_total, cpu_time, count, nbytes; largest first.

        Errors: `ValueError` if `sort_by` is none of them.
        """
        rows = list(self)
        if sort_by is not None:
            if sort_by not in _SORTS:
                raise ValueError(f"table(): sort_by is {sort_by!r}, wanted one of {', '.join(_SORTS)}")
            rows.sort(key=lambda each: -getattr(each, sort_by))
        whole = sum(each.self_cpu_time_total for each in self)
        shaped = any(each.input_shapes for each in self)
        titles = ["Name", "Self CPU %", "Self CPU", "CPU total", "CPU time avg", "# of Calls", "Bytes"]
        lines = [titles + ["Input Shapes"] * shaped]
        for each in rows[: row_limit if row_limit >= 0 else None]:
            share = 100 * each.self_cpu_time_total / whole if whole else 0.0
            name, shapes = each.key, str(each.input_shapes)
            if len(name) > max_name_column_width >= 4:
                name = name[: max_name_column_width - 3] + "..."
            if len(shapes) > max_shapes_column_width >= 4:
                shapes = shapes[: max_shapes_column_width - 3] + "..."
            times = [each.self_cpu_time_total_str, each.cpu_time_total_str, each.cpu_time_str]
            cells = [name, f"{share:.2f}%", *times, str(each.count), str(each.nbytes)]
            lines.append(cells + [shapes] * shaped)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rule = "  ".join("-" * width for width in widths)
        padded = ([text.rjust(width) for text, width in zip(line, widths, strict=True)] for line in lines)
        shown = ["  ".join(line) for line in padded]
        top = [header, rule] if header else [rule]
        return "\n".join([*top, shown[0], rule, *shown[1:], rule, f"Self CPU time total: {_time(whole)}", ""])

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, in microseconds."""
        return sum(each.self_cpu_time_total for each in self)


class profile:
    """What ran while it was open, and for how long: ops, their kernels and bodies, steps back, optimizers.

    Stands in for PyTorch's as far as that serves a CPU: `key_averages().table(...)`, `events()`,
    `export_chrome_trace(path)`, `schedule` with `step()`, `on_trace_ready`. An op's own time is what it spent
    outside its kernels. `profile_memory`, `with_stack`, `with_flops` and `with_modules` are taken and change
    nothing. Nothing is slower while no profile is open.

    Errors: `RuntimeError` if a result is asked for before anything was recorded.

    >>> with tg.profiler.profile() as prof:
    ...     _ = tg.ones(64, 64) @ tg.ones(64, 64)
    >>> "matmul" in prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=5)
    True
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
    ) -> None:
        for each in activities or ():
            if not isinstance(each, ProfilerActivity):
                raise TypeError(f"profile(): an activity is {each!r}, wanted ProfilerActivity.CPU")
        for name, value in (("schedule", schedule), ("on_trace_ready", on_trace_ready)):
            if value is not None and not callable(value):
                kind = type(value).__name__
                raise TypeError(f"profile(): argument '{name}' must be a function, not {kind}")
        self.schedule, self.on_trace_ready, self.record_shapes = schedule, on_trace_ready, record_shapes
        self.step_num = 0
        self._events: list[Event] | None = None
        self._range: Event | None = None
        self._action = ProfilerAction.NONE
        self._named: dict[str, str] = {}
        self._heard = self._hear  # one object, by which listen and unlisten know it

    def _hear(self, event: Event) -> None:
        if self._action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self._events.append(event)  # type: ignore[union-attr]

    def _turn_to(self, action: ProfilerAction) -> None:
        """Ends what was done up to here, and begins the next."""
        before, self._action = self._action, action
        if before is ProfilerAction.RECORD_AND_SAVE and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        listening = before is not ProfilerAction.NONE
        if action is ProfilerAction.NONE:
            if listening:
                unlisten(self._heard)
            return
        if self._events is None or before in (ProfilerAction.NONE, ProfilerAction.RECORD_AND_SAVE):
            self._events = []
        if not listening:
            listen(self._heard)

    def _begin_step(self) -> None:
        if self.schedule is not None:
            self._turn_to(self.schedule(self.step_num))
            self._range = begin_range(f"ProfilerStep#{self.step_num}")
        else:
            self._turn_to(ProfilerAction.RECORD_AND_SAVE)

    def _end_step(self) -> None:
        end_range(self._range)
        self._range = None

    def start(self) -> None:
        """Begins to listen, as entering the `with` block does."""
        self._begin_step()

    def stop(self) -> None:
        """Ends; what was kept is handed to `on_trace_ready`."""
        self._end_step()
        if self._action is ProfilerAction.RECORD:
            self._action = ProfilerAction.RECORD_AND_SAVE  # a cycle that was cut short
        self._turn_to(ProfilerAction.NONE)

    def step(self) -> None:
        """Says that the next step of the schedule begins."""
        self._end_step()
        self.step_num += 1
        if self.schedule is not None:
            self._begin_step()

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def add_metadata(self, key: str, value: str) -> None:
        """A word of the user's own, written into the trace."""
        self._named[key] = value

    def events(self) -> list[Event]:
        """Every event, in the order in which they began."""
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running: nothing was recorded; call start() first")
        return sorted(self._events, key=lambda event: event.start)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The events by name, or by name and the shapes of their tensors, in the order of their first."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in self.events():
            shapes = [list(shape) for shape in event.shapes or ()] if group_by_input_shape else []
            new = FunctionEventAvg(event.name, input_shapes=shapes)
            each = found.setdefault((event.name, str(shapes)), new)
            each.count += 1
            each.cpu_time_total += event.duration / 1e3
            each.self_cpu_time_total += event.own / 1e3
            each.nbytes += event.nbytes
        return EventList(found.values())

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """Writes the events as JSON for chrome://tracing or Perfetto; compressed if the name ends in .gz."""
        process = os.getpid()
        events = []
        for event in self.events():
            more: dict[str, Any] = {"kind": event.kind}
            if self.record_shapes and event.shapes is not None:
                more["Input Dims"] = [list(shape) for shape in event.shapes]
            if event.sizes is not None:
                more["extents"] = list(event.sizes)
            events.append({
                "ph": "X", "cat": event.kind, "name": event.name, "pid": process, "tid": event.thread,
                "ts": event.start / 1e3, "dur": event.duration / 1e3, "args": more,
            })  # fmt: skip
        text = json.dumps({"schemaVersion": 1, **self._named, "traceEvents": events}).encode()
        path = os.fspath(path)
        if path.endswith(".gz"):
            import gzip

            text = gzip.compress(text)
        with _replacing(path) as file:
            write_all(file, text)
