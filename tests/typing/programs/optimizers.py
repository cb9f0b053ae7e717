"""An optimizer and a module of one's own, groups of parameters, and mixed precision."""

from collections.abc import Iterable
from typing import Any

import tensorgrad as tg
from tensorgrad import Tensor, nn
from tensorgrad.optim import Optimizer


class Signed(Optimizer):
    def __init__(self, params: Iterable[Any], lr: float = 1e-2) -> None:
        super().__init__(params, {"lr": lr})

    @tg.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["steps"] = state.get("steps", 0) + 1
                    p.add_(p.grad.sign(), alpha=-group["lr"])


class Scale(nn.Module):
    running: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(tg.ones(size))
        self.bias = nn.Parameter(tg.zeros(size), requires_grad=True)
        self.register_buffer("running", tg.zeros(size), persistent=False)
        self.register_parameter("extra", None)
        self.powers = nn.ParameterList([nn.Parameter(tg.ones(1)) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.running.lerp_(x.detach().mean(0), 0.1)
        return x * self.weight + self.bias - self.running

    def extra_repr(self) -> str:
        return f"size={self.weight.numel()}"


model = nn.Sequential(Scale(3), nn.Linear(3, 1))
optimizer = Signed([{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1].parameters()}])
optimizer.add_param_group({"params": [nn.Parameter(tg.ones(1))]})
scaler = tg.GradScaler("cpu", enabled=False)
with tg.autocast("cpu", dtype=tg.bfloat16, enabled=False):
    loss = model(tg.randn(5, 3)).abs().mean()
scaler.scale(loss).backward()
scaler.step(optimizer)
scaler.update()
for group in optimizer.param_groups:
    group["lr"] *= 0.5
print(model, sum(1 for _ in model.buffers()))
