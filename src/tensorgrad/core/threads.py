"""How many threads a kernel may use: what the user says, else the environment, else our cores."""

from __future__ import annotations

import atexit
import math
import os
import sys

import numpy as np

from tensorgrad._kernels import set_threads, stop_workers, threads


def get_num_threads() -> int:
    """How many threads a kernel may use. Small work stays on one, and results do not depend on the number.

    At first it is what the environment says, TENSORGRAD_NUM_THREADS or else OMP_NUM_THREADS; where neither
    is set, the cores that affinity and control groups leave to this process.

    >>> tg.get_num_threads() >= 1
    True
    """
    return threads()


def set_num_threads(number: int) -> None:
    """Lets kernels use that many threads, from the next one on.

    >>> tg.set_num_threads(tg.get_num_threads())
    """
    if not isinstance(number, (int, np.integer)) or isinstance(number, bool):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, not {number}")
    if number > 2**31 - 1:
        raise ValueError(f"set_num_threads expects an int of 32 bits, not {number}")
    set_threads(int(number))


def _from_environment() -> int | None:
    """The number that a variable asks for. What OpenMP can't read in its own it ignores, and so do we."""
    ours = os.environ.get("TENSORGRAD_NUM_THREADS", "")
    if ours:
        if not ours.isdecimal() or not 0 < int(ours) < 2**31:
            rule = "it can be a whole number of at least 1, or be unset"
            raise ImportError(f"TENSORGRAD_NUM_THREADS is {ours!r}; {rule}")
        return int(ours)
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # the others are for nested teams
    return int(first) if first.isdecimal() and 0 < int(first) < 2**31 else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _limit(folder: str, version: int) -> float:
    """How many cores one control group allows."""
    names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    words = " ".join(_read(f"{folder}/{name}") for name in names).split()
    numbers = [int(word) for word in words if word.isdecimal()]  # no limit is "max", in version 1 -1
    return numbers[0] / numbers[1] if len(numbers) == 2 and all(numbers) else math.inf


def cores(root: str = "") -> int:
    """The cores that affinity and the control groups of Linux leave to this process, at least 1.

    A quota is rounded down: threads that are held back cost more than one thread less. `root` is the folder
    in which proc and sys are looked for.
    """
    allowed: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        version = 1 if controllers else 2
        for name in ("/cpu", "/cpu,cpuacct") if controllers else ("", "/unified"):
            mount = f"{root}/sys/fs/cgroup{name}"
            names = group.split("/")[1:] if group != "/" and os.path.isdir(mount) else []
            for depth in range(len(names) + 1):  # a group is held to the limits of those above it
                allowed = min(allowed, _limit("/".join([mount, *names[:depth]]), version))
    return max(1, int(allowed))


set_threads(_from_environment() or cores())

# Python warns of a fork while there are threads. Windows, at exit, ends threads whatever they are doing.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=stop_workers)
if sys.platform == "win32":
    atexit.register(stop_workers)
