"""Times attention on heads cut from a projection, as layers do it, against PyTorch's. It takes the
options of `python -m tensorgrad bench`:

    python benchmarks/attention.py                   one thread
    python benchmarks/attention.py --threads 2
    python benchmarks/attention.py --only "8x4x64"   batch, heads, length, size of a head
    python benchmarks/attention.py --only float64
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

import numpy as np

from tensorgrad.__main__ import bench_options
from tensorgrad.bench.calls import named
from tensorgrad.bench.commands import command
from tensorgrad.bench.racing import Row, Work, there_and_back

# batch, heads, length, size of a head
SHAPES = [(8, 4, 64, 16), (4, 8, 128, 64), (1, 8, 512, 64), (2, 4, 1024, 32), (1, 1, 2000, 64), (1, 2, 8, 8)]


def attention(shape: tuple[int, ...], dtype: str, causal: bool, backward: bool, lib) -> Work:
    batch, heads, length, size = shape
    attend = lib.nn.functional.scaled_dot_product_attention
    random = np.random.default_rng(0)
    x = lib.tensor(random.standard_normal((3, batch, length, heads, size)).astype(dtype))
    q, k, v = (each.transpose(1, 2).detach() for each in x)
    leaves = [each.requires_grad_(backward) for each in (q, k, v)]
    forward = partial(attend, q, k, v, is_causal=causal)
    return there_and_back(forward, leaves, lib) if backward else forward


def rows() -> list[Row]:
    return [
        Row(
            f"{'Causal attention' if causal else 'Attention'}, {dtype}",
            named("x".join(map(str, shape)), backward),
            partial(attention, shape, dtype, causal, backward),
        )
        for dtype in ("float32", "float64")
        for causal in (False, True)
        for shape in SHAPES
        for backward in (False, True)
    ]


if __name__ == "__main__":
    options = bench_options(argparse.ArgumentParser(description=__doc__.splitlines()[0])).parse_args()
    sys.exit(command(rows(), options, ("torch",)))
