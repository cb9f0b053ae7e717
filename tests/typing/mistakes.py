"""What type checkers have to find: every line with "# wrong", and no other."""

from typing import Any

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn, optim

x = tg.ones(2, 3)
layer = nn.Linear(3, 4)

tg.reluu(x)  # wrong
tg.nn.Linearr(3, 4)  # wrong
nn.ReLu()  # wrong
F.cros_entropy(x, x)  # wrong
tg.linalg.qrr(x)  # wrong
tg.special.expitt(x)  # wrong
optim.Adamm(layer.parameters())  # wrong
optim.lr_scheduler.StepLRR  # wrong
tg.distributions.Normall(0.0, 1.0)  # wrong
tg.func.gradd  # wrong
x.rehsape(3, 2)  # wrong
x.sum().itemm()  # wrong
layer(x).summ()  # wrong
x.max(1).value  # wrong
tg.linalg.svd(x).V  # wrong

nn.Linear("3", 4)  # wrong
nn.Linear()  # wrong
nn.Linear(3, 4, biass=True)  # wrong
layer("x")  # wrong
layer(x, x)  # wrong
F.relu("x")  # wrong
F.cross_entropy(x, x, reductions="sum")  # wrong
tg.sum(x, keepdims="yes")  # wrong
tg.ones(2, dtype=32)  # wrong
tg.ones(2, requires_grad="yes")  # wrong
tg.add(x)  # wrong
tg.matmul(x, 3.0)  # wrong
tg.stack(x)  # wrong
x + "1"  # wrong
x @ [1.0]  # wrong
x.backward(retain_graph=True, create_graphs=True)  # wrong
x.transpose(0)  # wrong
x.mul_()  # wrong
x.requires_grad = "yes"  # wrong
x.grad.zero_()  # wrong
y: int = x.sum()  # wrong
z: str = layer(x)  # wrong
names: list[str] = x.shape  # wrong
values, places, more = tg.sort(x)  # wrong

nn.LSTM(3, 4, layers=2)  # wrong
nn.LSTM(3, 4)(x)[0].summ()  # wrong
nn.GRU(3, 4)(x)[1].summ()  # wrong

right: tg.Tensor = layer(x)
also: tg.Tensor = tg.nn.Sequential(layer, nn.ReLU())(x)
size: int = x.size(0)
sizes: tg.Size = x.size()
best: tg.Tensor = x.max(1).values
most: tg.Tensor = x.max()


class Doubled(nn.Module):
    def forward(self, x: tg.Tensor, times: int = 2) -> tg.Tensor:
        return x * times


Doubled()(x, times="2")  # wrong
Doubled()(x, 2).relu()
Doubled()(x, 2).reluu()  # wrong


@tg.no_grad()
def half(x: tg.Tensor) -> tg.Tensor:
    return x / 2


half(2)  # wrong
with tg.no_grad(), tg.inference_mode(), tg.enable_grad(), tg.set_grad_enabled(True):
    half(x).summ()  # wrong


def use(net: nn.Module, data: Any) -> tg.Tensor:
    net.train().evaluate = net.eval
    out: tg.Tensor = net(data)
    return out


use(x, x)  # wrong
