"""Runs the programs of a seed in forked children, so that a crash or a hang is a find like any other."""

from __future__ import annotations

import faulthandler
import os
import pickle
import re
import resource
import select
import signal
import struct
from collections.abc import Callable, Iterator
from typing import Any

from fuzzing.comparing import Difference
from fuzzing.judging import Find, Judge
from fuzzing.running import Library, run
from fuzzing.shrinking import shrink

BATCH = 200  # programs a child; each child starts with nothing remembered
BUSY, WALL = 5, 60  # seconds of a processor, and by the clock, after which a program hangs
MEMORY = 6 << 30  # bytes a child may have


class Child:
    """A forked process that sends pickled messages."""

    def __init__(self, work: Callable[[Callable[[Any], None]], None], limits: bool):
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(read)
                faulthandler.disable()  # a crash is expected here
                quiet = os.open(os.devnull, os.O_WRONLY)
                os.dup2(quiet, 1)  # LAPACK prints there
                if limits:
                    os.dup2(quiet, 2)
                    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

                def send(message: Any) -> None:
                    data = pickle.dumps(message)
                    os.write(write, struct.pack("q", len(data)) + data)

                work(send)
            except BaseException as error:
                if not isinstance(error, SystemExit):
                    import traceback

                    send(("broken", traceback.format_exc()))
            finally:
                os._exit(0)
        os.close(write)
        self.pipe = read

    def messages(self, patience: float) -> Iterator[Any]:
        """What the child sends; ("died", how) at last, if it did not end well."""
        buffer = b""
        hung = False
        while True:
            ready, _, _ = select.select([self.pipe], [], [], WALL * patience)
            if not ready:
                hung = True
                os.kill(self.pid, signal.SIGKILL)
            data = os.read(self.pipe, 1 << 16)
            if not data:
                break
            buffer += data
            while len(buffer) >= 8:
                (size,) = struct.unpack("q", buffer[:8])
                if len(buffer) < 8 + size:
                    break
                yield pickle.loads(buffer[8 : 8 + size])
                buffer = buffer[8 + size :]
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        if hung:
            yield ("died", "hang")
        elif os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            yield ("died", "hang" if name == "SIGPROF" else f"crash, {name}")


def clock(seconds: float) -> None:
    """Ends this process when it has worked so long from now."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def fate(lines: list[str], library: Library, patience: float, limits: bool) -> str:
    """How a program ends in a process of its own under one library: "fine", "hang" or "crash, SIGNAL"."""

    def work(send: Callable[[Any], None]) -> None:
        clock(BUSY * patience)
        run(lines, library, watch=True)

    return next((m[1] for m in Child(work, limits).messages(patience) if m[0] == "died"), "fine")


def died(lines: list[str], judge: Judge, patience: float, limits: bool) -> Find | None:
    """The find that a program is which ended its process, shrunk; none if the reference ends there too."""
    if fate(lines, judge.reference, patience, limits) != "fine" and judge.reference.name == "torch":
        return None
    for subject in judge.subjects:
        how = fate(lines, subject, patience, limits)
        if how != "fine":

            def shows(candidate: list[str], subject: Library = subject, how: str = how) -> bool:
                return fate(candidate, subject, patience, limits) == how

            small = shrink(lines, shows, 60)
            return find(small, subject.name, how.split(",")[0], how)
    return None


def smallest(
    program: list[str], verdict: tuple[Library, Difference], reference: Library, seconds: float
) -> tuple[list[str], tuple[Library, Difference]]:
    """A program that shows the same kind of difference, shrunk, and what is said of it."""
    alone = Judge(reference, [verdict[0]])

    def shows(candidate: list[str]) -> bool:
        got = alone(candidate)
        return got is not None and got[1].kind == verdict[1].kind

    small = shrink(program, shows, seconds)
    return small, alone(small) or verdict


def find(lines: list[str], backend: str, kind: str, text: str) -> Find:
    """A find, signed with what tells it from others: its kind and the names it calls."""
    names = sorted(set(re.findall(r"\.([a-z_]\w*)\(", "\n".join(lines))) - {"tensor"})
    errors = sorted(set(re.findall(r"\b(\w+(?:Error|Exception))\b", text)))
    return Find(lines, backend, kind, text, " ".join([kind, *names, *errors]))


def rough(lines: list[str], kind: str, text: str) -> str:
    """What tells a call's find from others before it is shrunk; a program of many lines is its own."""
    return find([line for line in lines if line.startswith("r = ")] or lines, "", kind, text).signature


def explore(
    make: Callable[[int], list[str]], numbers: list[int], judge: Judge, patience: float, limits: bool,
    known: set[str],
) -> Iterator[tuple[int, Find | None, int]]:  # fmt: skip
    """Tries the programs of these numbers: each number with what was found, and how many lines ran."""
    position = 0
    while position < len(numbers):
        batch = numbers[position : position + BATCH]
        current, lines, pending = batch[0], [], None

        def work(send: Callable[[Any], None], batch: list[int] = batch) -> None:
            for number in batch:
                clock(BUSY * patience)
                send(("start", number))
                program = make(number)
                send(("lines", program))
                verdict = judge(program)
                if verdict is None:
                    send(("done", number, None, len(program)))
                    continue
                clock(30 * patience)
                subject, difference = verdict
                send(("found", find(program, subject.name, difference.kind, str(difference))))
                if rough(program, difference.kind, str(difference)) in known:
                    send(("done", number, None, len(program)))
                    continue
                known.add(rough(program, difference.kind, str(difference)))
                small, last = smallest(program, verdict, judge.reference, 10 * patience)
                send(("done", number, find(small, subject.name, last[1].kind, str(last[1])), len(program)))

        over = False
        for message in Child(work, limits).messages(patience):
            if message[0] == "start":
                current, lines, pending = message[1], [], None
            elif message[0] == "lines":
                lines = message[1]
            elif message[0] == "found":
                pending = message[1]
            elif message[0] == "done":
                position += 1
                if message[2] is not None:
                    known.add(rough(lines, message[2].kind, message[2].text))
                yield message[1:]
            elif message[0] == "broken":
                raise RuntimeError(f"program {current}:\n{message[1]}")
            elif message[0] == "died":
                over = True
                position += 1
                if not lines and judge.reference.name != "torch":
                    pending = find(
                        [], judge.reference.name, "crash", f"{message[1]}, while a program was made"
                    )
                yield current, pending or died(lines, judge, patience, limits), len(lines)
        if not over and position < len(numbers) and numbers[position] in batch:
            raise RuntimeError(f"the child stopped at program {numbers[position]}")
