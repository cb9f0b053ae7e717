"""Distributions of whole numbers, of classes and of counts."""

from __future__ import annotations

from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.distribution import ByProbability, Distribution, broadcast_all
from tensorgrad.nn import functional as F

ODDS: dict[str, Constraint] = {"probs": constraints.unit_interval, "logits": constraints.real}


class _OfTries(ByProbability):
    """One of tries that succeed with probability `probs`, or the sigmoid of `logits`."""

    arg_constraints: ClassVar[dict[str, Constraint]] = ODDS

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        (value,) = broadcast_all(self._given(probs, logits))
        self.__dict__[self._said] = value
        super().__init__(value.shape, (), validate_args)

    def _chances(self, sample_shape):
        return self.probs.detach().expand(self._extended_shape(sample_shape))


class Bernoulli(_OfTries):
    """1 with probability `probs`, else 0.

    >>> from tensorgrad.distributions import Bernoulli
    >>> Bernoulli(0.25).log_prob(tg.tensor(1.0)).exp()
    tensor(0.2500)
    """

    has_enumerate_support = True
    support = constraints.boolean

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return mode.masked_fill(self.probs == 0.5, float("nan"))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return tg.bernoulli(self._chances(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = tg.arange(2, dtype=self.probs.dtype).view(-1, *[1] * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class Geometric(_OfTries):
    """How many tries fail before the first that succeeds, each with probability `probs`.

    >>> from tensorgrad.distributions import Geometric
    >>> Geometric(0.5).log_prob(tg.tensor(1.0)).exp()
    tensor(0.2500)
    """

    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(probs, logits, validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            raise ValueError(f"Expected parameter probs of distribution {self!r} to be positive")

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return tg.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        probs = self._chances(sample_shape)
        drawn = tg.rand(probs.shape, dtype=probs.dtype).clamp(min=tg.finfo(probs.dtype).tiny)
        return (drawn.log() / (-probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        fails = probs.masked_fill((probs == 1) & (value == 0), 0)
        return value * (-fails).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Binomial(ByProbability):
    """How many of `total_count` tries succeed, each with probability `probs` or the sigmoid of `logits`.

    >>> from tensorgrad.distributions import Binomial
    >>> Binomial(2, 0.5).log_prob(tg.tensor(1.0)).exp()
    tensor(0.5000)
    """

    has_enumerate_support = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "total_count": constraints.nonnegative_integer, **ODDS
    }  # fmt: skip

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        value = self._given(probs, logits)
        self.total_count, self.__dict__[self._said] = broadcast_all(total_count, value)
        self.total_count = self.total_count.to(self.__dict__[self._said].dtype)
        super().__init__(self.total_count.shape, (), validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with tg.no_grad():
            return tg.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        ways = (self.total_count + 1).lgamma() - (value + 1).lgamma()
        ways = ways - (self.total_count - value + 1).lgamma()
        return value * self.logits + self.total_count * F.logsigmoid(-self.logits) + ways

    def enumerate_support(self, expand: bool = True) -> Tensor:
        most = int(self.total_count.max())
        if not (self.total_count == most).all():
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = tg.arange(1 + most, dtype=self.total_count.dtype).view(-1, *[1] * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values

    def entropy(self) -> Tensor:
        log = self.log_prob(self.enumerate_support(False))
        return -(log.exp() * log).sum(0)


class Poisson(Distribution):
    """How often something happens that happens `rate` times in the mean.

    >>> from tensorgrad.distributions import Poisson
    >>> Poisson(1.0).log_prob(tg.tensor(0.0))
    tensor(-1.)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with tg.no_grad():
            return tg.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()


class Categorical(ByProbability):
    """One of the classes 0, 1, ..., with the probabilities `probs` of the last dimension, which are divided
    by their sum, or the softmax of `logits`.

    >>> from tensorgrad.distributions import Categorical
    >>> Categorical(tg.tensor([1.0, 3.0])).log_prob(tg.tensor(1)).exp()
    tensor(0.7500)
    """

    binary = False
    has_enumerate_support = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.simplex, "logits": constraints.real_vector
    }  # fmt: skip

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        value = self._given(probs, logits)
        if value.ndim < 1:
            raise ValueError(f"`{self._said}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.__dict__["probs"] = value / value.sum(-1, keepdim=True)
        else:
            self.__dict__["logits"] = value - value.logsumexp(-1, keepdim=True)
        self._num_events = value.shape[-1]
        super().__init__(value.shape[:-1], (), validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        return self.probs.new_full(self.batch_shape, float("nan"))

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return self.probs.new_full(self.batch_shape, float("nan"))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        count = 1
        for n in sample_shape:
            count *= n
        rows = self.probs.detach().reshape(-1, self._num_events)
        drawn = tg.multinomial(rows, count, True).t()
        return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        value, logits = tg.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        return -(self.logits.clamp(min=tg.finfo(self.logits.dtype).min) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = tg.arange(self._num_events).view(-1, *[1] * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class OfCategories(Distribution):
    """One that is given by `probs` or `logits` of categories; an event has an element for each."""

    arg_constraints: ClassVar[dict[str, Constraint]] = Categorical.arg_constraints

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @property
    def probs(self) -> Tensor:
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        return self._categorical.param_shape

    def _parameters(self):
        return self._categorical._parameters()


class OneHotCategorical(OfCategories):
    """`Categorical`, whose values are vectors with a 1 in the place of the class and zeros elsewhere.

    >>> from tensorgrad.distributions import OneHotCategorical
    >>> OneHotCategorical(tg.tensor([1.0, 3.0])).log_prob(tg.tensor([0.0, 1.0])).exp()
    tensor(0.7500)
    """

    has_enumerate_support = True
    support = constraints.one_hot

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return F.one_hot(self.probs.argmax(-1), self.event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return F.one_hot(self._categorical.sample(sample_shape), self.event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        n = self.event_shape[0]
        values = tg.eye(n, dtype=self.probs.dtype).view(n, *[1] * len(self.batch_shape), n)
        return values.expand(n, *self.batch_shape, n) if expand else values

    def expand(self, batch_shape: Any) -> Any:
        inner = self._categorical.expand(batch_shape)
        return self._checking(OneHotCategorical(**inner._parameters(), validate_args=False))
