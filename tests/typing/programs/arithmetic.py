"""Numbers and tensors in all places of an expression, dtypes and reductions."""

import math

import tensorgrad as tg
from tensorgrad import Tensor


def swish(x: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    return x * tg.sigmoid(beta * x)


def stable(logits: Tensor, dim: int = -1) -> Tensor:
    shifted = logits - logits.amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


x = tg.rand(2, 3)
y = 1 + x - 2 * x / 3 ** (-x) + x // 1 % 2 @ tg.eye(3)
mask = (x > 0.5) & ~(y <= 0) | (x == y) ^ (x != 1)
print(swish(x, 2), stable(y), mask.any(), mask.sum().item(), -abs(y), 2**x, True + x)
print(x.sum(), x.mean(0), x.var(dim=1, correction=0), x.std(), x.prod(-1), x.logsumexp(1), x.argmin().item())
print(
    x.to(tg.float64).dtype, x.double() + x.half().float(), x.int().type(tg.uint8), x.long().bool(),
    x.to("cpu")
)
print(
    tg.full((2,), math.pi, dtype=tg.float64), tg.float32.itemsize, tg.finfo(tg.float32).eps,
    tg.iinfo(tg.int8).max
)
print(tg.maximum(x, y), tg.minimum(x, tg.tensor(0.5)), tg.clamp(y, 0, 1), tg.lerp(x, y, 0.5), tg.atan2(x, y))
print(
    tg.median(x), tg.median(x, dim=1).values, x.cummax(0).indices, tg.var_mean(x), x.quantile(0.5),
    tg.isclose(x, y)
)
print(x.shape[0] * x.shape[-1] == x.numel(), x.ndim, tuple(x.shape), x.device, x.layout, f"{x.mean():.2f}")
lowest, highest = tg.aminmax(x)
mantissa, exponent = tg.frexp(x)
assert tg.is_tensor(x) and isinstance(lowest, Tensor) and highest.dtype == x.dtype
print(tg.special.expit(x), tg.special.logit(x, eps=1e-6), tg.pow(x, 2), tg.pow(2, x), mantissa * 2**exponent)
