"""Times attention and its way back against PyTorch's, taking turns in one process.

    python benchmarks/attention.py                   one thread
    python benchmarks/attention.py --threads 2
    python benchmarks/attention.py --only "8x4x64"   batch, heads, length, size of a head
    python benchmarks/attention.py --double

A row gives microseconds and PyTorch's time over ours (above 1 we are faster), the median of the rounds:
forward, forward and backward; then the same of causal attention.
"""

from __future__ import annotations

import numpy as np
from racing import Works, options_of, race_all

# batch, heads, length, size of a head
SHAPES = [(8, 4, 64, 16), (4, 8, 128, 64), (1, 8, 512, 64), (2, 4, 1024, 32), (1, 1, 2000, 64), (1, 2, 8, 8)]


def works(lib, shape: tuple[int, ...], dtype: str, causal: bool) -> Works:
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


def both_works(lib, shape: tuple[int, ...], dtype: str) -> Works:
    """Of plain attention, and of causal."""
    return works(lib, shape, dtype, False) + works(lib, shape, dtype, True)


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--double", action="store_true")
    options = parser.parse_args()
    dtype = "f8" if options.double else "f4"
    rows = [("x".join(map(str, shape)), (shape, dtype)) for shape in SHAPES]
    race_all(options, rows, both_works, 12)


if __name__ == "__main__":
    main()
