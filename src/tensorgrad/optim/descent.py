"""Optimizers that go down the gradient by a step of one size: SGD, ASGD, Rprop, Muon."""

from __future__ import annotations

import math
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor

from .optimizer import Optimizer, check_at_least, check_lr, settings_of

__all__ = ["ASGD", "SGD", "Muon", "Rprop"]


class SGD(Optimizer):
    r"""Gradient descent, with a momentum that remembers past gradients.

    .. math:: v \leftarrow \mu v + (1 - \tau) g, \qquad p \leftarrow p - \eta v

    where :math:`\mu` is `momentum`, :math:`\tau` `dampening` and :math:`\eta` `lr`; the first gradient
    becomes :math:`v` as it is. With `nesterov` the step is along :math:`g + \mu v`. `maximize` goes up
    instead of down.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.8000], requires_grad=True)
    """

    slots = ("momentum_buffer",)
    kernel = "sgd"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(0.0, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, settings)

    def needs(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self.slots if group["momentum"] else ()

    def start(self, name: Any, param: Tensor, group: dict[str, Any]) -> Any:
        # the first gradient becomes the buffer, whole
        return None if group["dampening"] else super().start(name, param, group)

    def rule(
        self, param: Tensor, grad: Tensor, state: Any, lr: Any, momentum: Any, dampening: Any, nesterov: Any
    ) -> Any:
        if momentum:
            if state.momentum_buffer is None:
                state.momentum_buffer = grad.clone()
            else:
                state.momentum_buffer = momentum * state.momentum_buffer + (1 - dampening) * grad
            grad = grad + momentum * state.momentum_buffer if nesterov else state.momentum_buffer
        return param - lr * grad


class ASGD(Optimizer):
    r"""Gradient descent whose mean of all positions since step `t0`, `state["ax"]`, is the better answer.

    .. math:: p \leftarrow (1 - \lambda \eta_t) p - \eta_t g, \qquad
              \eta_{t+1} = \eta / (1 + \lambda \eta t)^\alpha

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.ASGD([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.8000], requires_grad=True)
    """

    slots = ("step", "eta", "mu", "ax")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        check_at_least(0.0, weight_decay=weight_decay)
        super().__init__(params, settings)

    def start(self, name: Any, param: Tensor, group: dict[str, Any]) -> Any:
        if name == "eta":
            return tg.tensor(float(group["lr"]))
        if name == "mu":
            return tg.tensor(1.0)
        return super().start(name, param, group)

    def rule(self, param: Tensor, grad: Tensor, state: Any, lr: Any, lambd: Any, alpha: Any, t0: Any) -> Any:
        eta, mu, step = state.eta.item(), state.mu.item(), state.step.item()
        param = param * (1 - lambd * eta) - eta * grad
        state.ax = param if mu == 1 else state.ax + mu * (param - state.ax)
        state.eta.fill_(lr / (1 + lambd * lr * step) ** alpha)
        state.mu.fill_(1 / max(1, step - t0))
        return param


class Rprop(Optimizer):
    """Steps by the sign of the gradient: a weight's step grows while it stays and shrinks when it turns.

    Made for whole data sets; the noise of small batches turns signs at random.

    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> optimizer = tg.optim.Rprop([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step(); x
    tensor([0.9000], requires_grad=True)
    """

    slots = ("step", "prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = settings_of(locals())
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, settings)

    def start(self, name: Any, param: Tensor, group: dict[str, Any]) -> Any:
        return (
            tg.full_like(param, float(group["lr"]))
            if name == "step_size"
            else super().start(name, param, group)
        )

    def rule(self, param: Tensor, grad: Tensor, state: Any, etas: Any, step_sizes: Any) -> Any:
        shrink, grow = etas
        turned = grad * state.prev
        size = state.step_size
        state.step_size = tg.where(turned > 0, grow * size, tg.where(turned < 0, shrink * size, size)).clamp(
            *step_sizes
        )
        grad = tg.where(turned < 0, tg.zeros_like(grad), grad)  # after a turn this weight rests for one step
        state.prev = grad
        return param - grad.sign() * state.step_size


class Muon(Optimizer):
    r"""Momentum whose step, a matrix, is turned into the nearest orthogonal one.

    So every direction is walked as far. Five rounds of Newton and Schulz do the turning, in bfloat16,
    :math:`X \leftarrow aX + (bA + cA^2)X` with :math:`A = XX^T`. For the matrices of hidden layers; biases
    and embeddings are better off with AdamW. Keller Jordan's Muon.

    >>> w = tg.eye(2, requires_grad=True)
    >>> optimizer = tg.optim.Muon([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step(); w.shape
    tensorgrad.Size([2, 2])
    """

    slots = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        settings = settings_of(locals())
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        if ns_steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        super().__init__(params, settings)
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{param.shape}"
                    )

    def rule(
        self,
        param: Tensor,
        grad: Tensor,
        state: Any,
        lr: Any,
        weight_decay: Any,
        momentum: Any,
        nesterov: Any,
        ns_coefficients: Any,
        eps: Any,
        ns_steps: Any,
        adjust_lr_fn: Any,
    ) -> Any:
        state.momentum_buffer = state.momentum_buffer.lerp(grad, 1 - momentum)
        step = grad.lerp(state.momentum_buffer, momentum) if nesterov else state.momentum_buffer
        rows, columns = param.shape
        scale = (
            0.2 * math.sqrt(max(rows, columns))
            if adjust_lr_fn == "match_rms_adamw"
            else math.sqrt(max(1, rows / columns))
        )
        turned = _orthogonal(step, ns_coefficients, ns_steps, eps).double()
        factor = tg.tensor(-lr * scale, dtype=tg.promote_types(param.dtype, tg.float32)).double()
        # Rounded once, as PyTorch's addition of a multiple is.
        return ((param * (1 - lr * weight_decay)).double() + factor * turned).to(param.dtype)


def _orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], rounds: int, eps: float) -> Tensor:
    """About the nearest matrix whose singular values are all one, in bfloat16."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.bfloat16()
    x = x.mT if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(rounds):
        gram = x @ x.mT
        x = tg.addmm(x, tg.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
