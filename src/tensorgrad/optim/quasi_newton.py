"""LBFGS: steps that know the curvature, estimated from the last gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, enable_grad, no_grad

from .optimizer import Optimizer, check_lr, number, settings_of

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Newton's method with the curvature read off the last `history_size` steps, for losses without noise.

    `step` needs a closure that computes the loss and its gradients anew, and calls it up to `max_eval` times.
    With `line_search_fn="strong_wolfe"` the length of a step is searched for, else it is `lr`. Nocedal and
    Wright, chapter 7. All parameters are in one group, and what is remembered stands under the first of them.

    >>> x = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((x - 3) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure); x
    tensor([3.0000, 3.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        if max_eval is None:
            settings["max_eval"] = max_iter * 5 // 4
        super().__init__(params, settings)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @no_grad()
    def step(self, closure: Callable) -> Any:  # type: ignore[override]
        """Up to `max_iter` steps; gives the loss that the closure computed first."""
        group = self.param_groups[0]
        params, lr = group["params"], number(group["lr"])
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        closure = enable_grad()(closure)
        state = self.state[params[0]]
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)

        first_loss = closure()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        grad = _flat_grad(params)
        if grad.abs().max() <= group["tolerance_grad"]:
            return first_loss

        history = _History(state, group["history_size"])
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = history.direction(grad)
            loss_before, length = loss, lr
            if state["n_iter"] == 1:
                length = min(1.0, 1.0 / grad.abs().sum().item()) * lr
            slope = grad.dot(direction).item()
            history.moved(direction, length, grad, loss_before)
            if slope > -group["tolerance_change"]:
                break
            calls = 0
            if group["line_search_fn"] is not None:
                start = [param.clone() for param in params]

                def probe(length, direction=direction, start=start):
                    _move(params, length, direction)
                    value, at = float(closure()), _flat_grad(params)
                    for param, values in zip(params, start):
                        param.copy_(values)
                    return value, at

                loss, grad, length, calls = _strong_wolfe(
                    probe, length, direction, loss, grad, slope, group["max_eval"] - evaluations
                )
                history.moved(direction, length, None, loss_before)
                _move(params, length, direction)
            else:
                _move(params, length, direction)
                if iteration != group["max_iter"]:
                    loss, grad, calls = float(closure()), _flat_grad(params), 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or grad.abs().max() <= group["tolerance_grad"]
                or (direction * length).abs().max() <= group["tolerance_change"]
                or abs(loss - loss_before) < group["tolerance_change"]
            ):
                break
        return first_loss


class _History:
    """The last steps and how the gradient changed on them, in the optimizer's state by PyTorch's names."""

    def __init__(self, state: Any, size: int) -> None:
        self.state, self.size = state, size

    def direction(self, grad: Tensor) -> Tensor:
        """Minus the gradient times the estimated inverse of the curvature."""
        state = self.state
        if "d" not in state or state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -grad
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = grad - state["prev_flat_grad"], state["d"] * state["t"]
        product = change.dot(step).item()
        if product > 1e-10:
            if len(changes) == self.size:
                for queue in (changes, steps, ro):
                    queue.pop(0)
            changes.append(change)
            steps.append(step)
            ro.append(1.0 / product)
            state["H_diag"] = product / change.dot(change).item()
        result, weights = -grad, []
        for change, step, r in zip(reversed(changes), reversed(steps), reversed(ro)):
            weights.append(step.dot(result).item() * r)
            result = result - weights[-1] * change
        result = result * state["H_diag"]
        for change, step, r, weight in zip(changes, steps, ro, reversed(weights)):
            result = result + (weight - change.dot(result).item() * r) * step
        return result

    def moved(self, direction: Tensor, length: float, grad: Tensor | None, loss: float) -> None:
        """Remembers the step about to be made, and the gradient and loss before it."""
        self.state.update(d=direction, t=length, prev_loss=loss)
        if grad is not None:
            self.state["prev_flat_grad"] = grad.clone()


def _flat_grad(params: list[Tensor]) -> Tensor:
    """All gradients in one row, zeros for those that are not there."""
    return tg.cat(
        [tg.zeros(p.numel(), dtype=p.dtype) if p.grad is None else p.grad.reshape(-1) for p in params]
    )


def _move(params: list[Tensor], length: float, direction: Tensor) -> None:
    offset = 0
    for param in params:
        param.add_(direction[offset : offset + param.numel()].reshape(param.shape), alpha=length)
        offset += param.numel()


def _cubic_minimum(x1, f1, g1, x2, f2, g2, low=None, high=None) -> float:
    """Where a cubic with these two values and slopes is smallest, held between the bounds (the two points, if
    none).
    """
    if low is None:
        low, high = min(x1, x2), max(x1, x2)
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2
    if x1 > x2:
        x1, g1, x2, g2 = x2, g2, x1, g1
    d2 = square**0.5
    below = g2 - g1 + 2 * d2
    best = x2 - (x2 - x1) * ((g2 + d2 - d1) / below) if below else float("nan")
    return min(max(best, low), high)


class _Point:
    """A length tried on the line, with the loss, the gradient and the slope there."""

    def __init__(self, length: Any, loss: Any, grad: Any, slope: Any) -> None:
        self.length, self.loss, self.grad, self.slope = length, loss, grad, slope


def _strong_wolfe(probe, length, direction, loss, grad, slope, most, c1=1e-4, c2=0.9, smallest=1e-9):
    """(loss, gradient, length, calls): a length whose loss is low enough and whose slope is flat enough.

    Nocedal and Wright, algorithms 3.5 (bracket) and 3.6 (zoom).
    """

    def at(length):
        value, there = probe(length)
        return _Point(length, value, there, there.dot(direction).item())

    def too_high(point):
        return point.loss > loss + c1 * point.length * slope

    def flat(point):
        return abs(point.slope) <= -c2 * slope

    start = _Point(0.0, loss, grad, slope)
    before, now, rounds, calls = start, at(length), 0, 1
    bracket = None
    while rounds < most:
        if too_high(now) or (rounds > 1 and now.loss >= before.loss):
            bracket = [before, now]
            break
        if flat(now):
            return now.loss, now.grad, now.length, calls
        if now.slope >= 0:
            bracket = [before, now]
            break
        length = _cubic_minimum(
            before.length,
            before.loss,
            before.slope,
            now.length,
            now.loss,
            now.slope,
            now.length + 0.01 * (now.length - before.length),
            now.length * 10,
        )
        before, now = now, at(length)
        rounds += 1
        calls += 1
    if bracket is None:
        bracket = [start, now]

    reach, stuck = direction.abs().max().item(), False
    best = 0 if bracket[0].loss <= bracket[1].loss else 1
    while rounds < most:
        a, b = bracket
        if abs(b.length - a.length) * reach < smallest:
            break
        length = _cubic_minimum(a.length, a.loss, a.slope, b.length, b.loss, b.slope)
        low, high = min(a.length, b.length), max(a.length, b.length)
        margin = 0.1 * (high - low)
        if min(high - length, length - low) < margin:  # too near an end: once is allowed, then a tenth inside
            if stuck or length >= high or length <= low:
                length = high - margin if abs(length - high) < abs(length - low) else low + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = at(length)
        rounds += 1
        calls += 1
        if too_high(now) or now.loss >= bracket[best].loss:
            bracket[1 - best] = now
            best = 0 if bracket[0].loss <= bracket[1].loss else 1
        else:
            done = flat(now)
            if not done and now.slope * (bracket[1 - best].length - bracket[best].length) >= 0:
                bracket[1 - best] = bracket[best]
            bracket[best] = now
            if done:
                break
    point = bracket[best]
    return point.loss, point.grad, point.length, calls
