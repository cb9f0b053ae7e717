"""Writes in place, and tensors that share memory."""

import tensorgrad as tg
from tensorgrad import Tensor


def ema(average: Tensor, value: Tensor, decay: float = 0.9) -> Tensor:
    return average.mul_(decay).add_(value, alpha=1 - decay)


x = tg.zeros(3)
x += 1
x *= tg.tensor([1.0, 2.0, 3.0])
x.clamp_(max=2).sub_(0.5).relu_().neg_()
print(ema(x, tg.ones(3)), x.fill_(2).zero_().copy_(tg.ones(3)), x.uniform_(0, 1).normal_(0.0, 0.1).shape)
x.data.mul_(0)
x.requires_grad_()
with tg.no_grad():
    x -= 0.1 * tg.ones(3)
y = x.clone()
y[0].mul_(2)
y.sum().backward()
assert x.grad is not None
x.grad.zero_()
x.grad = None
view = x.detach().view(1, 3)
view.squeeze_(0).unsqueeze_(1).transpose_(0, 1)
print(view.shape, x.data_ptr() == view.data_ptr(), x.is_leaf, y.grad_fn, view._version)
print(tg.sigmoid_(tg.zeros(2)), tg.add(view, 1, out=tg.empty(1, 3)), x.detach().masked_fill_(x > 0, 0.0))
