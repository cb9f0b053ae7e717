"""Times ops on several threads against one, taking turns in one process.

    python benchmarks/threads.py                 as many threads as there are cores
    python benchmarks/threads.py --threads 4     or so many
    python benchmarks/threads.py --only gelu     rows that begin so
    python benchmarks/threads.py --busy          while another process keeps a core busy

A row gives the microseconds on one thread and the ratio of several to one, median and range of the
rounds: below 1 the threads gain. First for calls back to back, then for single calls with a rest before
each, in which workers fall asleep.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.bench.racing import Ratio, ratio_of, timed, timed_in_turns

COUNTS = {"4k": 4096, "16k": 16384, "64k": 65536, "256k": 2**18, "1M": 2**20, "4M": 2**22}
PRODUCTS = [(32, 64, 32), (64, 128, 128), (64, 784, 128), (256, 256, 256), (512, 512, 512)]
REST = 0.002
BURNER = "while True: pass"


def rows() -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    for label, count in COUNTS.items():
        x, y = tg.randn(count), tg.randn(count)
        table = tg.randn(count // 256, 256)
        found[f"add {label}"] = lambda x=x, y=y: x + y
        found[f"relu {label}"] = lambda x=x: F.relu(x)
        found[f"gelu {label}"] = lambda x=x: F.gelu(x)
        found[f"sum {label}"] = lambda x=x: x.sum()
        found[f"softmax {label}"] = lambda table=table: F.softmax(table, -1)
    for m, k, n in PRODUCTS:
        a, b = tg.randn(m, k), tg.randn(k, n)
        found[f"matmul {m}x{k}x{n}"] = lambda a=a, b=b: a @ b
    return found


def rested(work: Callable[[], object], count: int) -> float:
    took = []
    for _ in range(min(count, 10)):
        time.sleep(REST)
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def race(work: Callable, measure: Callable, threads: int, rounds: int) -> tuple[float, Ratio]:
    """Median seconds on one thread, and what several take by it."""

    def on(number: int, count: int) -> float:
        tg.set_num_threads(number)
        return measure(work, count)

    took = timed_in_turns({"one": partial(on, 1), "several": partial(on, threads)}, rounds, 0.02)
    return statistics.median(took["one"]), ratio_of(took["several"], took["one"])


def shown(ratio: Ratio) -> str:
    return f"{ratio.median:5.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--only", default="")
    parser.add_argument("--threads", type=int, default=tg.get_num_threads())
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args()
    neighbour = subprocess.Popen([sys.executable, "-c", BURNER]) if given.busy else None
    try:
        print(f"{given.threads} threads\n{'':<22}{'one, us':>10}   {'back to back':<22}after a rest")
        for name, work in rows().items():
            if name.startswith(given.only):
                alone, at_once = race(work, timed, given.threads, given.rounds)
                _, after = race(work, rested, given.threads, given.rounds)
                print(f"{name:<22}{alone * 1e6:>10.1f}   {shown(at_once):<22}{shown(after)}", flush=True)
    finally:
        if neighbour:
            neighbour.kill()


if __name__ == "__main__":
    main()
