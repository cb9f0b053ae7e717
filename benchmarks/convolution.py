"""Times convolutions, and the gradients to input and weight each by itself, against PyTorch's. It takes the
options of `python -m tensorgrad bench`:

    python benchmarks/convolution.py                 one thread
    python benchmarks/convolution.py --threads 2
    python benchmarks/convolution.py --only depthwise
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

import numpy as np

from tensorgrad.__main__ import bench_options
from tensorgrad.bench.commands import command
from tensorgrad.bench.racing import Row, Work

# images, channels, height, width (1: one dimension), filters, kernel, stride, padding, dilation, groups
SHAPES = {
    "digits 1-32 28x28 b64": (64, 1, 28, 28, 32, 3, 1, 1, 1, 1),
    "digits 32-64 14x14 b64": (64, 32, 14, 14, 64, 3, 1, 1, 1, 1),
    "digits 32-64 28x28 b64": (64, 32, 28, 28, 64, 3, 1, 1, 1, 1),
    "resnet 3-16 32x32 b32": (32, 3, 32, 32, 16, 3, 1, 1, 1, 1),
    "resnet 16-16 32x32 b32": (32, 16, 32, 32, 16, 3, 1, 1, 1, 1),
    "resnet 16-32 s2 32x32 b32": (32, 16, 32, 32, 32, 3, 2, 1, 1, 1),
    "resnet 32-32 16x16 b32": (32, 32, 16, 16, 32, 3, 1, 1, 1, 1),
    "resnet 64-64 8x8 b32": (32, 64, 8, 8, 64, 3, 1, 1, 1, 1),
    "resnet 1x1 s2 16-32 b32": (32, 16, 32, 32, 32, 1, 2, 0, 1, 1),
    "wide 64-128 16x16 b16": (16, 64, 16, 16, 128, 3, 1, 1, 1, 1),
    "depthwise 64 32x32 b8": (8, 64, 32, 32, 64, 3, 1, 1, 1, 64),
    "depthwise 64 s2 32x32 b8": (8, 64, 32, 32, 64, 3, 2, 1, 1, 64),
    "5x5 16-32 14x14 b32": (32, 16, 14, 14, 32, 5, 1, 2, 1, 1),
    "1x1 128-128 14x14 b16": (16, 128, 14, 14, 128, 1, 1, 0, 1, 1),
    "dilated 32-32 16x16 b16": (16, 32, 16, 16, 32, 3, 1, 2, 2, 1),
    "odd 7-10 13x17 b8": (8, 7, 13, 17, 10, 3, 1, 1, 1, 1),
    "1d 32-64 128 k5 b16": (16, 32, 1, 128, 64, 5, 1, 2, 1, 1),
    "one 64-64 56x56": (1, 64, 56, 56, 64, 3, 1, 1, 1, 1),
    "one 512-512 7x7": (1, 512, 7, 7, 512, 3, 1, 1, 1, 1),
    "7x7 s2 3-64 112x112 b2": (2, 3, 112, 112, 64, 7, 2, 3, 1, 1),
    "4 groups 32-64 16x16 b16": (16, 32, 16, 16, 64, 3, 1, 1, 1, 4),
    "tiny 1-4 8x8": (1, 1, 8, 8, 4, 3, 1, 1, 1, 1),
}


WAYS = {"forward": None, "to the input": 0, "to the weight": 1}


def convolution(shape: tuple[int, ...], wanted: int | None, lib) -> Work:
    """The convolution, or the gradient of the wanted operand alone."""
    images, channels, height, width, filters, kernel, *settings, groups = shape
    flat = height == 1
    random = np.random.default_rng(0)
    size, taps = ((width,), (kernel,)) if flat else ((height, width), (kernel, kernel))
    operands = [
        lib.tensor(random.standard_normal(each).astype("f4"))
        for each in ((images, channels, *size), (filters, channels // groups, *taps))
    ]
    convolve = lib.conv1d if flat else lib.conv2d
    if wanted is None:
        return lambda: convolve(*operands, None, *settings, groups)
    leaf = operands[wanted].requires_grad_()
    out = convolve(*operands, None, *settings, groups)
    gradient = lib.ones_like(out.detach())

    def back():
        leaf.grad = None
        out.backward(gradient, retain_graph=True)
        return leaf.grad

    return back


def rows() -> list[Row]:
    return [
        Row(name, way, partial(convolution, shape, wanted))
        for name, shape in SHAPES.items()
        for way, wanted in WAYS.items()
    ]


if __name__ == "__main__":
    options = bench_options(argparse.ArgumentParser(description=__doc__.splitlines()[0])).parse_args()
    sys.exit(command(rows(), options, ("torch",)))
