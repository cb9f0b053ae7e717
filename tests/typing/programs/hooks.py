"""Hooks on tensors, modules and optimizers."""

from typing import Any

import tensorgrad as tg
from tensorgrad import nn

seen: dict[str, tg.Tensor] = {}


def remember(name: str) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: tg.Tensor) -> None:
        seen[name] = output.detach()

    return hook


net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
handles = [layer.register_forward_hook(remember(name)) for name, layer in net.named_children()]


def halve(grad: tg.Tensor) -> tg.Tensor:
    return grad / 2


x = tg.ones(4, 2, requires_grad=True)
handle = x.register_hook(halve)
hidden = net[0](x)
hidden.retain_grad()
net[2](net[1](hidden)).mean().backward()
print(hidden.grad is not None, x.grad)
handle.remove()
for each in handles:
    each.remove()

optimizer = tg.optim.Adagrad(net.parameters())
optimizer.register_step_post_hook(lambda optimizer, args, kwargs: print("a step"))
optimizer.step()
net.register_full_backward_hook(lambda module, grad_input, grad_output: None)
for parameter in net.parameters():
    parameter.register_post_accumulate_grad_hook(lambda p: None)
net(x).sum().backward()
print({name: value.shape for name, value in seen.items()})
