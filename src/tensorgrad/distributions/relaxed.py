"""Choices made smooth, so that gradients pass.

They are of Maddison, Mnih and Teh, "The Concrete distribution" (2017), and of Jang, Gu and Poole,
"Categorical reparameterization with Gumbel-softmax" (2017).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.discrete import ODDS, Categorical, OfCategories, OneHotCategorical
from tensorgrad.distributions.distribution import ByProbability, Distribution, broadcast_all, clamp_probs
from tensorgrad.distributions.transformed import TransformedDistribution
from tensorgrad.distributions.transforms import ExpTransform, SigmoidTransform
from tensorgrad.nn import functional as F


def _uniform(shape: Any, like: Tensor) -> Tensor:
    """Numbers between 0 and 1, without both."""
    return clamp_probs(tg.rand(shape, dtype=like.dtype))


class LogitRelaxedBernoulli(ByProbability):
    """The logits of `RelaxedBernoulli`.

    >>> from tensorgrad.distributions.relaxed import LogitRelaxedBernoulli
    >>> LogitRelaxedBernoulli(1.0, 0.5).log_prob(tg.tensor(0.0)).exp()
    tensor(0.2500)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = ODDS
    support = constraints.real

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        (value,) = broadcast_all(self._given(probs, logits))
        self.__dict__[self._said] = value
        self.temperature = tg.as_tensor(temperature, dtype=value.dtype)
        super().__init__(value.shape, (), validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        probs, drawn = clamp_probs(self.probs.expand(shape)), _uniform(shape, self.probs)
        return (drawn.log() - (-drawn).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        away = logits - value * self.temperature
        return self.temperature.log() + away - 2 * F.softplus(away)

    def expand(self, batch_shape: Any) -> Any:
        found = {name: value.expand(*batch_shape) for name, value in self._parameters().items()}
        return self._checking(LogitRelaxedBernoulli(self.temperature, **found, validate_args=False))


class _Relaxed(TransformedDistribution):
    """A relaxed choice, by the transform of the distribution of its logits."""

    logits_class: Any
    base_dist: Any
    onto: Any

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = self.logits_class(temperature, probs, logits, validate_args)
        super().__init__(base, self.onto(), validate_args)

    @property
    def temperature(self) -> Tensor:
        return self.base_dist.temperature

    @property
    def probs(self) -> Tensor:
        return self.base_dist.probs

    @property
    def logits(self) -> Tensor:
        return self.base_dist.logits

    def expand(self, batch_shape: Any) -> Any:
        base = self.base_dist.expand(batch_shape)
        return self._checking(type(self)(base.temperature, **base._parameters(), validate_args=False))

    def _parameters(self):
        return self.base_dist._parameters()

    __repr__ = Distribution.__repr__


class RelaxedBernoulli(_Relaxed):
    """A number between 0 and 1, the nearer to one of them the lower the `temperature`: the sigmoid of logit
    and logistic noise over the temperature.

    >>> from tensorgrad.distributions import RelaxedBernoulli
    >>> RelaxedBernoulli(0.5, tg.tensor([0.1, 0.9])).rsample().shape
    tensorgrad.Size([2])
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = ODDS
    support = constraints.unit_interval
    logits_class, onto = LogitRelaxedBernoulli, SigmoidTransform


class ExpRelaxedCategorical(OfCategories):
    """The logarithms of `RelaxedOneHotCategorical`.

    >>> from tensorgrad.distributions.relaxed import ExpRelaxedCategorical
    >>> ExpRelaxedCategorical(1.0, tg.ones(3)).rsample().shape
    tensorgrad.Size([3])
    """

    has_rsample = True
    support = constraints.real_vector

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)
        self.temperature = tg.as_tensor(temperature, dtype=self.logits.dtype)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        gumbel = -(-_uniform(self._extended_shape(sample_shape), self.logits).log()).log()
        return ((self.logits + gumbel) / self.temperature).log_softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n = self.event_shape[0]
        logits, value = broadcast_all(self.logits, value)
        scores = (logits - value * self.temperature).log_softmax(-1).sum(-1)
        return scores + math.lgamma(n) + (n - 1) * self.temperature.log()

    def expand(self, batch_shape: Any) -> Any:
        inner = self._categorical.expand(batch_shape)
        made = ExpRelaxedCategorical(self.temperature, **inner._parameters(), validate_args=False)
        return self._checking(made)


class RelaxedOneHotCategorical(_Relaxed):
    """A point of the simplex, the nearer to a corner the lower the `temperature`: the softmax of logits and
    Gumbel noise over the temperature.

    >>> from tensorgrad.distributions import RelaxedOneHotCategorical
    >>> RelaxedOneHotCategorical(0.5, tg.ones(3)).rsample().shape
    tensorgrad.Size([3])
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = Categorical.arg_constraints
    support = constraints.simplex
    logits_class, onto = ExpRelaxedCategorical, ExpTransform


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical`, whose draws hand their gradients straight through to `probs` (Bengio, Leonard and
    Courville, "Estimating or propagating gradients through stochastic neurons", 2013).

    >>> from tensorgrad.distributions import OneHotCategoricalStraightThrough
    >>> OneHotCategoricalStraightThrough(tg.ones(3)).rsample().sum()
    tensor(1.)
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class ContinuousBernoulli(ByProbability):
    r"""Numbers from 0 to 1, :math:`p(x) \propto probs^x (1 - probs)^{1 - x}` (Loaiza-Ganem and Cunningham,
    "The continuous Bernoulli", 2019). Between `lims`, around 1/2, a Taylor series replaces the formulas,
    which are 0/0 there.

    >>> from tensorgrad.distributions import ContinuousBernoulli
    >>> ContinuousBernoulli(0.5).mean
    tensor(0.5000)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = ODDS
    support = constraints.unit_interval

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        (value,) = broadcast_all(self._given(probs, logits))
        self.__dict__[self._said], self._lims = value, lims
        super().__init__(value.shape, (), validate_args)
        given = value if self._said == "probs" else value.sigmoid()
        self.__dict__["probs"] = clamp_probs(given)

    def _either(self, formula: Tensor, series: Tensor) -> Tensor:
        return formula.where(self._far, series)

    @property
    def _far(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    @property
    def _cut(self) -> Tensor:
        """`probs` where the formulas hold, else a number where they do."""
        return self.probs.where(self._far, tg.full_like(self.probs, self._lims[0]))

    def log_scale(self) -> Tensor:
        """The logarithm of what makes the density add up to 1."""
        p, x = self._cut, (self.probs - 0.5) ** 2
        formula = ((-p).log1p() - p.log()).abs().log() - (1 - 2 * p).abs().log()
        return self._either(formula, math.log(2.0) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Tensor:
        p, x = self._cut, self.probs - 0.5
        formula = p / (2 * p - 1) + 1 / ((-p).log1p() - p.log())
        return self._either(formula, 0.5 + (1 / 3 + 16 / 45 * x**2) * x)

    @property
    def variance(self) -> Tensor:
        p, x = self._cut, (self.probs - 0.5) ** 2
        formula = p * (p - 1) / (1 - 2 * p) ** 2 + 1 / ((-p).log1p() - p.log()) ** 2
        return self._either(formula, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(tg.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return self.log_scale() - F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        p = self._cut
        formula = (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1)
        return self._either(formula, value).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        p = self._cut
        formula = ((-p + value * (2 * p - 1)).log1p() - (-p).log1p()) / (p.log() - (-p).log1p())
        return self._either(formula, value)

    def entropy(self) -> Tensor:
        no, yes = (-self.probs).log1p(), self.probs.log()
        return self.mean * (no - yes) - self.log_scale() - no

    def expand(self, batch_shape: Any) -> Any:
        found = {name: value.expand(*batch_shape) for name, value in self._parameters().items()}
        return self._checking(ContinuousBernoulli(**found, lims=self._lims, validate_args=False))
