"""Operations with gradients of their own, and a check of them."""

from typing import Any

import tensorgrad as tg
from tensorgrad.autograd import Function, gradcheck
from tensorgrad.autograd.function import FunctionCtx


class Cube(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: tg.Tensor) -> tg.Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: FunctionCtx, grad: tg.Tensor) -> tg.Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad


class Straight(Function):
    """Rounds; the gradient passes as if it did not."""

    @staticmethod
    def forward(x: tg.Tensor, steps: int) -> tg.Tensor:
        return (x * steps).round() / steps

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.steps = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: tg.Tensor) -> tuple[tg.Tensor, None]:
        return grads[0], None


x = tg.tensor([0.3, 1.2], dtype=tg.float64, requires_grad=True)
y: tg.Tensor = Cube.apply(x) + Straight.apply(x, 4)
y.sum().backward()
assert x.grad is not None
print(x.grad.tolist(), gradcheck(Cube.apply, (x,)))

(first,) = tg.autograd.grad((x**4).sum(), x, create_graph=True)
(second,) = tg.autograd.grad(first.sum(), x)
print(second.shape)
with tg.autograd.set_detect_anomaly(True), tg.enable_grad():
    (x.log().sum() * 2).backward()
