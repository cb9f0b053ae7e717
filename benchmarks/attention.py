"""Times attention and its way back against PyTorch's, taking turns in one process.

    python benchmarks/attention.py                   one thread
    python benchmarks/attention.py --threads 2
    python benchmarks/attention.py --only "8x4x64"   batch, heads, length, size of a head
    python benchmarks/attention.py --double

A row gives microseconds and PyTorch's time over ours (above 1 we are faster), the median of the rounds:
forward, forward and backward; then the same of causal attention.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

# batch, heads, length, size of a head
SHAPES = [(8, 4, 64, 16), (4, 8, 128, 64), (1, 8, 512, 64), (2, 4, 1024, 32), (1, 1, 2000, 64), (1, 2, 8, 8)]


def works(lib, shape: tuple[int, ...], dtype: str, causal: bool) -> list[Callable[[], object]]:
    """Forward; forward and backward. Heads are cut from a projection, as layers do it."""
    batch, heads, length, size = shape
    attend = lib.nn.functional.scaled_dot_product_attention
    random = np.random.default_rng(0)
    x = lib.tensor(random.standard_normal((3, batch, length, heads, size)).astype(dtype))
    plain = [each.transpose(1, 2) for each in x]
    leaves = [each.transpose(1, 2).detach().requires_grad_() for each in x]
    gradient = lib.tensor(random.standard_normal((batch, heads, length, size)).astype(dtype))

    def forward():
        with lib.no_grad():
            return attend(*plain, is_causal=causal)

    def both():
        for leaf in leaves:
            leaf.grad = None
        attend(*leaves, is_causal=causal).backward(gradient)

    return [forward, both]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="")
    parser.add_argument("--double", action="store_true")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["TENSORGRAD_NUM_THREADS"] = str(options.threads)
    import torch

    import tensorgrad

    torch.set_num_threads(options.threads)
    logs = []
    for shape in SHAPES:
        name = "x".join(map(str, shape))
        if not name.startswith(options.only):
            continue
        found = []
        for causal in (False, True):
            settings = (shape, "f8" if options.double else "f4", causal)
            pairs = zip(works(tensorgrad, *settings), works(torch, *settings), strict=True)
            found += [race(*pair, options.rounds) for pair in pairs]
        logs += [math.log(ratio) for _, ratio in found]
        print(f"{name:12s}" + " ".join(f"{1e6 * t:9.1f} {ratio:5.2f}" for t, ratio in found), flush=True)
    print(f"geometric mean {math.exp(statistics.mean(logs)):.2f}")


if __name__ == "__main__":
    main()
