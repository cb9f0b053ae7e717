"""What the races against PyTorch share: both sides take turns in one process."""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

Works = list[Callable[[], object]]


def timed(work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - start) / count


def race(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Our median seconds, and the median over the rounds of theirs over ours."""
    theirs()
    ours()
    count = max(1, int(0.01 / timed(ours, 1)))
    pairs = [(timed(ours, count), timed(theirs, count)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b / a for a, b in pairs)


def options_of(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="")
    return parser


def race_all(
    options: Any, rows: Iterable[tuple[str, tuple[Any, ...]]], works: Callable[..., Works], width: int
) -> None:
    """A line for each row whose name begins as ``--only`` says: of each of its ``works`` our microseconds,
    and PyTorch's time over ours."""
    os.environ["OMP_NUM_THREADS"] = os.environ["TENSORGRAD_NUM_THREADS"] = str(options.threads)
    import torch

    import tensorgrad

    torch.set_num_threads(options.threads)
    logs = []
    for name, settings in rows:
        if not name.startswith(options.only):
            continue
        pairs = zip(works(tensorgrad, *settings), works(torch, *settings), strict=True)
        found = [race(*pair, options.rounds) for pair in pairs]
        logs += [math.log(ratio) for _, ratio in found]
        print(f"{name:{width}s}" + " ".join(f"{1e6 * t:9.1f} {ratio:5.2f}" for t, ratio in found), flush=True)
    print(f"geometric mean {math.exp(statistics.mean(logs)):.2f}")
