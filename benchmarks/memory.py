"""How much memory training steps take: tensorgrad against PyTorch, each in processes of its own.

    python benchmarks/memory.py                  both networks, one thread
    python benchmarks/memory.py --threads 2

A figure is the most that the process ever held in memory (VmHWM of /proc/self/status, so this runs on
Linux alone) over what it held before the model was built, after some training steps. `first` counts all
that building the first model brings in, the library's own code too; `after another` trains a tiny model of
the same layers before, so that what is left is tensors and what the library keeps for them. A ratio above 1:
PyTorch takes more.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys

from tensorgrad.bench import training
from tensorgrad.bench.racing import THREADS

STEPS = 12
RUNS = 3


# What is measured, and a tiny one of the same layers.
NETWORKS = {
    "mlp": (training.mlp, (784, 1024, 256), (4, 5, 3)),
    "gpt": (training.gpt, (4, 128, 4, 65, 12, 64), (1, 8, 2, 5, 2, 4)),
}


def status(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def measure(library: str, network: str, warm: bool) -> int:
    """In a process of its own: the bytes that a few steps take at their peak."""
    lib = importlib.import_module(library)
    make, sizes, tiny_sizes = NETWORKS[network]
    if warm:
        tiny = make(lib, tiny_sizes)
        for _ in range(3):
            tiny()
        del tiny
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # VmHWM starts anew
    before = status("VmRSS")
    step = make(lib, sizes)
    for _ in range(STEPS):
        step()
    return status("VmHWM") - before


def measured(library: str, network: str, warm: bool, threads: int) -> float:
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    call = [sys.executable, __file__, "--measure", library, network, "warm" if warm else "cold"]
    runs = [subprocess.run(call, env=environment, check=True, stdout=subprocess.PIPE) for _ in range(RUNS)]
    return statistics.median(int(run.stdout) for run in runs) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        library, network, warm = args.measure
        print(measure(library, network, warm == "warm"))
        return
    print(f"{'peak of training, MB':32} {'tensorgrad':>10} {'torch':>8} {'ratio':>7}")
    for network in NETWORKS:
        for warm, when in ((False, "first"), (True, "after another")):
            ours, theirs = (
                measured(library, network, warm, args.threads) for library in ("tensorgrad", "torch")
            )
            print(f"{network + ', ' + when:32} {ours:10.1f} {theirs:8.1f} {theirs / ours:7.2f}", flush=True)


if __name__ == "__main__":
    main()
