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
from collections.abc import Callable
from typing import Any

import numpy as np

STEPS = 12
RUNS = 3


def step_of(lib: Any, model: Any, optimizer: Any, x: Any, y: Any) -> Callable[[], None]:
    def step() -> None:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def mlp(lib: Any, tiny: bool) -> Callable[[], None]:
    """784-1024-1024-10, batches of 256, Adam."""
    nn, rng = lib.nn, np.random.default_rng(0)
    inputs, hidden, batch = (4, 5, 3) if tiny else (784, 1024, 256)
    layers = [
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    ]
    model = nn.Sequential(*layers)
    x = lib.tensor(rng.standard_normal((batch, inputs)).astype("float32"))
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    return step_of(lib, model, optimizer, x, lib.tensor(rng.integers(0, 10, batch)))


def gpt(lib: Any, tiny: bool) -> Callable[[], None]:
    """Four blocks of width 128 with 4 heads over 65 characters, batches of 12 texts of 64, AdamW."""
    nn, functional, rng = lib.nn, lib.nn.functional, np.random.default_rng(0)
    width, heads, length, letters, batch, blocks = (8, 2, 4, 5, 2, 1) if tiny else (128, 4, 64, 65, 12, 4)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.mixed, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            parts = self.mixed(self.before(x)).split(width, 2)
            q, k, v = (z.view(batch, length, heads, width // heads).transpose(1, 2) for z in parts)
            seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.joined(seen.transpose(1, 2).reshape(batch, length, width))
            return x + self.narrow(functional.gelu(self.wide(self.between(x))))

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(length, width)
            self.blocks = nn.ModuleList([Block() for _ in range(blocks)])
            self.last, self.head = nn.LayerNorm(width), nn.Linear(width, letters, bias=False)

        def forward(self, text: Any) -> Any:
            x = self.letter(text) + self.place(lib.arange(length))
            for block in self.blocks:
                x = block(x)
            return self.head(self.last(x)).flatten(0, 1)

    model = Gpt()
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    text, following = rng.integers(0, letters, (batch, length)), rng.integers(0, letters, batch * length)
    return step_of(lib, model, optimizer, lib.tensor(text), lib.tensor(following))


NETWORKS = {"mlp": mlp, "gpt": gpt}


def status(key: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def measure(library: str, network: str, warm: bool) -> int:
    """In a process of its own: the bytes that a few steps take at their peak."""
    lib = importlib.import_module(library)
    if warm:
        tiny = NETWORKS[network](lib, True)
        for _ in range(3):
            tiny()
        del tiny
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # VmHWM starts anew
    before = status("VmRSS")
    step = NETWORKS[network](lib, False)
    for _ in range(STEPS):
        step()
    return status("VmHWM") - before


def measured(library: str, network: str, warm: bool, threads: int) -> float:
    names = ("TENSORGRAD_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
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
