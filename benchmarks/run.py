"""Times every declared op by its sample call: kernels against the NumPy path. It takes the options of
`python -m tensorgrad bench`:

    python benchmarks/run.py                   every op, small and large where its tensors may have any size
    python benchmarks/run.py --only "relu *"   a name, and what comes behind it
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial

from tensorgrad.__main__ import bench_options
from tensorgrad.bench.calls import named
from tensorgrad.bench.commands import command
from tensorgrad.bench.racing import Row, Work
from tensorgrad.core.declare import Case, Draw, registry
from tensorgrad.testing.samples import materialize, tensors_in

SIZES = {"small": (4, 8), "large": (256, 1024)}
HALF_WAY_BACK = {"igamma", "igammac", "zeta"}  # not to the first operand


def sized(op, sample: Case, shape: tuple[int, ...]) -> Case | None:
    """The sample call on tensors of that shape, for kinds whose tensors may have any."""
    if op.kind_name not in ("unary", "binary", "reduction"):
        return None
    if not all(isinstance(a, (Draw, int, float)) for a in sample.args):
        return None
    return replace(
        sample, args=tuple(replace(a, shape=shape) if isinstance(a, Draw) else a for a in sample.args)
    )


def calls_of(op) -> dict[str, Case]:
    """Its first sample by size, or under the sample's own name."""
    sample = op.facts.samples()[0]
    scaled = {size: sized(op, sample, shape) for size, shape in SIZES.items()}
    return {size: each for size, each in scaled.items() if each is not None} or {sample.name: sample}


def declared(name: str, size: str, backward: bool, lib) -> Work:
    """The call on float32 tensors, and the way back from what has a gradient."""
    op = registry[name]
    args, kwargs, leaves = materialize(calls_of(op)[size], dtype=lib.float32, requires_grad=backward)
    call = partial(op, *args, **kwargs)
    learning = [t for t in tensors_in(call()) if t.requires_grad]
    if not learning:
        return lambda: tensors_in(call())
    weights = [lib.ones_like(t) for t in learning]

    def step():
        for leaf in leaves:
            leaf.grad = None
        outputs = tensors_in(call())
        lib.autograd.backward([t for t in outputs if t.requires_grad], weights)
        return outputs

    return step


def rows() -> list[Row]:
    return [
        Row(
            f"Ops, {op.kind_name}",
            named(f"{name} {size}", backward),
            partial(declared, name, size, backward),
        )
        for name, op in registry.items()
        if op.kind_name != "inplace" and op.facts.samples is not None and not name.startswith("_")
        for size in calls_of(op)
        for backward in ((False, True) if op.differentiable and name not in HALF_WAY_BACK else (False,))
    ]


if __name__ == "__main__":
    options = bench_options(argparse.ArgumentParser(description=__doc__.splitlines()[0])).parse_args()
    sys.exit(command(rows(), options, ("numpy",)))
