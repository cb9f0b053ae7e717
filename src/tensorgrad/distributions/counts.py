"""Counts of several classes, and of failures."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.discrete import Binomial, OfCategories
from tensorgrad.distributions.distribution import ByProbability, broadcast_all
from tensorgrad.distributions.gammas import Gamma
from tensorgrad.nn import functional as F


class Multinomial(OfCategories):
    """How often each class comes in `total_count` draws with the probabilities `probs` of the last dimension,
    which are divided by their sum, or the softmax of `logits`.

    >>> from tensorgrad.distributions import Multinomial
    >>> Multinomial(4, tg.tensor([1.0, 3.0])).mean
    tensor([1., 3.])
    """

    total_count: int

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        if total_count < 0:
            raise ValueError(f"total_count is {total_count}, and must be at least 0")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = tg.zeros(self._extended_shape(sample_shape), dtype=self.probs.dtype)
        return counts.scatter_add(-1, drawn, tg.ones(drawn.shape, dtype=counts.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -math.inf), 0)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        n = self.total_count
        counts = tg.arange(1, n + 1, dtype=self.probs.dtype).view(-1, *[1] * self.probs.ndim)
        chances = Binomial(n, self.probs, validate_args=False).log_prob(counts).exp()
        spread = (chances * (counts + 1).lgamma()).sum((0, -1))
        return n * self._categorical.entropy() - math.lgamma(n + 1) + spread

    def expand(self, batch_shape: Any) -> Any:
        inner = self._categorical.expand(batch_shape)
        return self._checking(Multinomial(self.total_count, **inner._parameters(), validate_args=False))


class NegativeBinomial(ByProbability):
    """How many tries succeed, each with probability `probs` or the sigmoid of `logits`, before `total_count`
    have failed; `total_count` may be any positive number.

    >>> from tensorgrad.distributions import NegativeBinomial
    >>> NegativeBinomial(3.0, 0.5).mean
    tensor(3.)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }  # fmt: skip
    support = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        value = self._given(probs, logits)
        self.total_count, self.__dict__[self._said] = broadcast_all(total_count, value)
        self.total_count = self.total_count.to(self.__dict__[self._said].dtype)
        super().__init__(self.total_count.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with tg.no_grad():
            rates = Gamma(self.total_count, (-self.logits).exp(), validate_args=False)
            return tg.poisson(rates.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n = self.total_count
        ways = (n + value).lgamma() - (1 + value).lgamma() - n.lgamma()
        ways = ways.masked_fill(n + value == 0, 0)
        return n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits) + ways
