"""Times every declared op: kernels against the NumPy path, in one process, taking turns.

    python benchmarks/run.py                 every op, its sample calls at small and large sizes
    python benchmarks/run.py --only relu,sum
    python benchmarks/run.py --core          what one op costs: the figures of core/README.md
    python benchmarks/run.py --quick         a short run for continuous integration: fails if the kernels lost
    their lead

A row gives the median microseconds of both paths and the ratio NumPy / kernels, median and range over the
rounds: above 1 the kernels are ahead. Forward, and forward with backward where the op has a gradient.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import tensorgrad as tg
from tensorgrad.core.declare import Case, Draw, registry
from tensorgrad.testing.samples import materialize, tensors_in

SIZES = {"small": (4, 8), "large": (256, 1024)}


def sized(op, sample: Case, shape: tuple[int, ...]) -> Case | None:
    """The sample call on tensors of that shape, for kinds whose tensors may have any."""
    if op.kind_name not in ("unary", "binary", "reduction"):
        return None
    if not all(isinstance(a, (Draw, int, float)) for a in sample.args):
        return None
    return replace(
        sample, args=tuple(replace(a, shape=shape) if isinstance(a, Draw) else a for a in sample.args)
    )


def work_of(op, sample: Case, backward: bool) -> Callable[[], None]:
    """A call of the op on float32 tensors."""
    args, kwargs, leaves = materialize(sample, dtype=tg.float32, requires_grad=backward)
    if not backward:
        return lambda: op(*args, **kwargs)
    weights = [tg.ones_like(t) for t in tensors_in(op(*args, **kwargs)) if t.requires_grad]

    def step() -> None:
        outputs = [t for t in tensors_in(op(*args, **kwargs)) if t.requires_grad]
        tg.autograd.backward(outputs, weights)
        for leaf in leaves:
            leaf.grad = None

    return step if weights else (lambda: op(*args, **kwargs))


def spend(work: Callable[[], None], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - start) / count


def race(work: Callable[[], None], rounds: int, seconds: float) -> tuple[float, float, list[float]]:
    """Median seconds on both paths and the ratios of each round, the paths taking turns."""
    took: dict[str, list[float]] = {"kernels": [], "numpy": []}
    count = {}
    for name in took:
        with tg.backend(name):
            work()
            count[name] = max(1, int(seconds / max(spend(work, 2), 1e-7)))
    for _ in range(rounds):
        for name, times in took.items():
            with tg.backend(name):
                times.append(spend(work, count[name]))
    ratios = [n / k for n, k in zip(took["numpy"], took["kernels"], strict=True)]
    return statistics.median(took["kernels"]), statistics.median(took["numpy"]), sorted(ratios)


def ops(only: str, rounds: int, seconds: float, quick: bool) -> int:
    wanted = set(only.split(",")) if only else None
    logs = []
    print(f"{'op':34s} {'size':12s} {'way':9s} {'kernels µs':>11s} {'numpy µs':>11s}  numpy / kernels")
    for name, op in registry.items():
        if op.kind_name == "inplace" or op.facts.samples is None or name.startswith("_"):
            continue
        if wanted is not None and name not in wanted:
            continue
        if quick and not op.has_hot_path:
            continue
        sample = op.facts.samples()[0]
        scaled = {size: sized(op, sample, shape) for size, shape in SIZES.items()}
        runs = {size: s for size, s in scaled.items() if s is not None} or {sample.name: sample}
        if quick:
            runs = dict(list(runs.items())[:1])
        for size, each in runs.items():
            for way in ("forward", "backward") if op.differentiable and not quick else ("forward",):
                try:
                    work = work_of(op, each, way == "backward")
                    k, n, ratios = race(work, rounds, seconds)
                except (RuntimeError, TypeError, ValueError) as error:
                    print(f"{name:34s} {size:12s} {way:9s} refused: {error}")
                    continue
                middle = statistics.median(ratios)
                logs.append(math.log(middle))
                print(
                    f"{name:34s} {size:12s} {way:9s} {k * 1e6:11.2f} {n * 1e6:11.2f}  {middle:.2f} "
                    f"({ratios[0]:.2f}-{ratios[-1]:.2f})",
                    flush=True,
                )
    if not logs:
        print("no such op")
        return 1
    mean = math.exp(sum(logs) / len(logs))
    print(f"geometric mean over {len(logs)} rows: {mean:.2f}")
    if quick and mean < 1.5:
        print("the kernels have lost their lead over the NumPy path", file=sys.stderr)
        return 1
    return 0


def best(work: Callable[[], object], count: int = 300, rounds: int = 15) -> float:
    """Nanoseconds of the quickest round."""
    work()
    return min(spend(work, count) for _ in range(rounds)) * 1e9


def core() -> int:
    """What one op costs, on tensors of 4 floats."""
    x, y = tg.randn(4), tg.randn(4)
    w = tg.randn(4, requires_grad=True)

    def chain() -> None:
        w.grad = None
        z = w
        for _ in range(100):
            z = tg.sigmoid(z)
        z.sum().backward()

    nn, F = tg.nn, tg.nn.functional
    inputs = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    wanted = tg.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid())
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)

    def xor() -> None:
        optimizer.zero_grad()
        F.mse_loss(model(inputs), wanted).backward()
        optimizer.step()

    rows = {
        "an empty Python call": (lambda: None, 2000),
        "sigmoid": (lambda: tg.sigmoid(x), 2000),
        "sigmoid, recorded": (lambda: tg.sigmoid(w), 2000),
        "x + y": (lambda: x + y, 2000),
        "x * y, recorded": (lambda: w * y, 2000),
        "a view (reshape)": (lambda: x.reshape(2, 2), 2000),
        "100 recorded sigmoids, forward and backward": (chain, 50),
        "a training step of XOR (2-2-1, 4 rows, SGD)": (xor, 300),
    }
    for name, (work, count) in rows.items():
        print(f"{name:48s} {best(work, count):10.0f} ns")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names of ops, with commas between")
    parser.add_argument(
        "--quick", action="store_true", help="a short run that fails when the kernels lost their lead"
    )
    parser.add_argument("--core", action="store_true", help="what one op costs")
    parser.add_argument("--rounds", type=int, default=7)
    a = parser.parse_args()
    if a.core:
        return core()
    return ops(a.only, 3 if a.quick else a.rounds, 0.002 if a.quick else 0.02, a.quick)


if __name__ == "__main__":
    sys.exit(main())
