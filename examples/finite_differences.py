"""Two ways to a gradient: wiggle each weight and look, or one backward pass.

The loss is one layer, `mean((tanh(X w) - y)**2)` over 8 rows, whose gradient is known on paper, so that the
error of both ways can be measured. Wiggling costs two evaluations of the loss for every weight; the
backward pass costs about as much as a few evaluations, however many weights there are.
"""

from time import perf_counter
from typing import NamedTuple

import numpy as np

import tensorgrad as tg

SIZES = 10, 100, 1_000, 10_000, 100_000
ROWS = 8
TRIED = 200  # of a large number of weights only so many are wiggled, and the time is scaled up


class Row(NamedTuple):
    weights: int
    backward_error: float
    backward_seconds: float
    wiggle_error: float
    wiggle_seconds: float
    evaluations: int


def problem(weights):
    """X, y and w for that many weights, in float64."""
    rng = np.random.default_rng(weights)
    x = rng.standard_normal((ROWS, weights)) / np.sqrt(weights)
    return x, rng.standard_normal(ROWS), rng.standard_normal(weights)


def loss(x, y, w):
    return ((tg.tanh(x @ w) - y) ** 2).mean()


def on_paper(x, y, w):
    """The gradient by the formula: 2 / ROWS * X.T ((t - y) (1 - t**2)) with t = tanh(X w)."""
    t = np.tanh(x @ w)
    return 2 / ROWS * x.T @ ((t - y) * (1 - t**2))


def by_backward(x, y, w):
    """The gradient by one backward pass, with the seconds that it and its forward pass took."""
    x, y, w = tg.tensor(x), tg.tensor(y), tg.tensor(w, requires_grad=True)
    begin = perf_counter()
    loss(x, y, w).backward()
    return w.grad.numpy(), perf_counter() - begin


def by_wiggling(x, y, w, step=1e-5, which=None):
    """(loss(w + step) - loss(w - step)) / (2 step) for the weights `which`, with the seconds it took."""
    x, y, w = tg.tensor(x), tg.tensor(y), w.copy()
    which = range(len(w)) if which is None else which
    gradient = []
    begin = perf_counter()
    with tg.no_grad():
        for i in which:
            kept = w[i]
            w[i] = kept + step
            above = loss(x, y, tg.from_numpy(w)).item()
            w[i] = kept - step
            below = loss(x, y, tg.from_numpy(w)).item()
            w[i] = kept
            gradient.append((above - below) / (2 * step))
    return np.array(gradient), perf_counter() - begin


def relative_error(found, truth):
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def compare(weights):
    """Error and cost of both ways at one size."""
    data = problem(weights)
    truth = on_paper(*data)
    by_backward(*data)  # once to warm up
    gradient, seconds = min((by_backward(*data) for _ in range(5)), key=lambda pair: pair[1])
    which = np.unique(np.linspace(0, weights - 1, min(weights, TRIED)).astype(int))
    wiggled, wiggle_seconds = by_wiggling(*data, which=which)
    return Row(
        weights,
        relative_error(gradient, truth),
        seconds,
        relative_error(wiggled, truth[which]),
        wiggle_seconds * weights / len(which),
        2 * weights,
    )


def error_by_step(weights=100):
    """The error of wiggling for steps from 0.1 to 1e-12: first the curve bends, then the digits run out."""
    data = problem(weights)
    truth = on_paper(*data)
    steps = [10.0**-k for k in range(1, 13)]
    return {step: relative_error(by_wiggling(*data, step=step)[0], truth) for step in steps}


def main():
    print("              one backward pass          wiggling each weight, step 1e-5")
    print("   weights     error        time     error        time   evaluations    times slower")
    for size in SIZES:
        row = compare(size)
        ratio = row.wiggle_seconds / row.backward_seconds
        print(f"{row.weights:10,}   {row.backward_error:.0e} {row.backward_seconds * 1e6:8.0f} us   ", end="")
        print(f"{row.wiggle_error:.0e} {row.wiggle_seconds:8.4f} s    {row.evaluations:10,} {ratio:15,.0f}")
    print(f"(above {TRIED} weights, {TRIED} of them were wiggled and the time scaled up)")
    print("\nThe error of wiggling 100 weights, by step:")
    for step, error in error_by_step().items():
        print(f"  {step:.0e}  {error:.0e}")


if __name__ == "__main__":
    main()
