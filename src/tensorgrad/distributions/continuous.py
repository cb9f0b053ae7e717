"""Distributions of real numbers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.distribution import Distribution, broadcast_all, lazy_property


def standard_normal(shape: Any, like: Tensor) -> Tensor:
    """Numbers of the standard normal distribution in the dtype of another tensor."""
    return tg.randn(shape, dtype=like.dtype)


class _Located(Distribution):
    """A distribution that is moved to `loc` and stretched by `scale`."""

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real, "scale": constraints.positive
    }  # fmt: skip
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    def _standardized(self, value):
        self._validate_sample(value)
        return (value - self.loc) / self.scale


class Normal(_Located):
    r"""The normal distribution: :math:`p(x) \propto \exp(-(x - loc)^2 / (2\,scale^2))`.

    >>> from tensorgrad.distributions import Normal
    >>> Normal(0.0, 1.0).log_prob(tg.tensor(0.0))
    tensor(-0.9189)
    """

    @property
    def variance(self) -> Tensor:
        return self.scale**2

    @property
    def stddev(self) -> Tensor:
        return self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + standard_normal(self._extended_shape(sample_shape), self.loc) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._standardized(value)
        return -(z**2) / 2 - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        return 0.5 * (1 + (self._standardized(value) / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Laplace(_Located):
    r"""Two exponential distributions back to back: :math:`p(x) \propto \exp(-|x - loc| / scale)`.

    >>> from tensorgrad.distributions import Laplace
    >>> Laplace(0.0, 1.0).log_prob(tg.tensor(0.0))
    tensor(-0.6931)
    """

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = tg.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        u.uniform_(tg.finfo(u.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def log_prob(self, value: Tensor) -> Tensor:
        return -(2 * self.scale).log() - self._standardized(value).abs()

    def cdf(self, value: Tensor) -> Tensor:
        z = self._standardized(value)
        return 0.5 - 0.5 * z.sign() * (-z.abs()).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * term.sign() * (-2 * term.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()


class Cauchy(_Located):
    r"""The Cauchy distribution, which has no mean: :math:`p(x) \propto 1 / (1 + ((x - loc) / scale)^2)`.

    >>> from tensorgrad.distributions import Cauchy
    >>> Cauchy(0.0, 1.0).log_prob(tg.tensor(0.0))
    tensor(-1.1447)
    """

    @property
    def mean(self) -> Tensor:
        return tg.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        return tg.full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn = tg.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).cauchy_()
        return self.loc + drawn * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        return -math.log(math.pi) - self.scale.log() - (self._standardized(value) ** 2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return self._standardized(value).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()


class Uniform(Distribution):
    """Any number from `low` up to `high` is as likely.

    >>> from tensorgrad.distributions import Uniform
    >>> Uniform(0.0, 4.0).log_prob(tg.tensor(1.0)).exp()
    tensor(0.2500)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {"low": constraints.real, "high": constraints.real}

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate_args and not (self.low < self.high).all():
            raise ValueError("Uniform is not defined when low>= high")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn = tg.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + drawn * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        inside = (self.low <= value) & (value < self.high)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()


class Exponential(Distribution):
    r"""Waiting times of what happens `rate` times in the mean: :math:`p(x) = rate\,\exp(-rate\,x)`.

    >>> from tensorgrad.distributions import Exponential
    >>> Exponential(2.0).mean
    tensor(0.5000)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {"rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return tg.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate**-2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn = tg.empty(self._extended_shape(sample_shape), dtype=self.rate.dtype).exponential_()
        return drawn / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - self.rate.log()


class GeneralizedPareto(Distribution):
    r"""What is left above a high threshold `loc`: :math:`P(X > x) = (1 + k z)^{-1/k}` with
    :math:`z = (x - loc) / scale` and :math:`k` the `concentration`, which is :math:`e^{-z}` where k is 0.

    >>> from tensorgrad.distributions import GeneralizedPareto
    >>> GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real
    }  # fmt: skip

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, end.masked_fill(self.concentration >= 0, math.inf))

    @property
    def _flat(self) -> tuple[Tensor, Tensor]:
        """Where k counts as 0, and k with another number there."""
        flat = self.concentration.detach().abs() <= 1e-8
        return flat, self.concentration.masked_fill(flat, 1.0)

    @property
    def mean(self) -> Tensor:
        k = self.concentration
        return (self.loc + self.scale / (1 - k)).masked_fill(k >= 1, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        k = self.concentration
        return (self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k))).masked_fill(k >= 0.5, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(tg.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        z, (flat, k) = (value - self.loc) / self.scale, self._flat
        return -self.scale.log() - z.where(flat, tg.special.xlog1py(1 / k + 1, k * z))

    def log_survival_function(self, value: Any) -> Tensor:
        """The logarithm of the probability of a larger value."""
        self._validate_sample(value)
        z, (flat, k) = (value - self.loc) / self.scale, self._flat
        return (-z).where(flat, -(k * z).log1p() / k)

    def log_cdf(self, value: Any) -> Tensor:
        """The logarithm of `cdf`."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return -self.log_survival_function(value).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        left, (flat, k) = (-value).log1p(), self._flat
        return self.loc + self.scale * (-left).where(flat, (-k * left).expm1() / k)

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1


class MultivariateNormal(Distribution):
    r"""The normal distribution of vectors, given by `loc` and one of `covariance_matrix`, its inverse
    `precision_matrix`, or `scale_tril`, its triangular root:
    :math:`p(x) \propto \exp(-(x - \mu)^T \Sigma^{-1} (x - \mu) / 2)`.

    >>> from tensorgrad.distributions import MultivariateNormal
    >>> MultivariateNormal(tg.zeros(2), tg.eye(2)).log_prob(tg.zeros(2))
    tensor(-1.8379)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    support = constraints.real_vector

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }  # fmt: skip
        named = [(name, value) for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        name, matrix = named[0]
        if matrix.ndim < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with batch dimensions in front")
        batch = tg.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        matrix = matrix.expand(*batch, *matrix.shape[-2:])
        self.loc = loc.expand(*batch, loc.shape[-1])
        self.__dict__[name] = matrix
        super().__init__(batch, self.loc.shape[-1:], validate_args)
        if name == "covariance_matrix":
            self._root = tg.linalg.cholesky(matrix)
        elif name == "precision_matrix":
            turned = tg.linalg.cholesky(matrix.flip(-2, -1)).flip(-2, -1).mT
            eye = tg.eye(loc.shape[-1], dtype=loc.dtype)
            self._root = tg.linalg.solve_triangular(turned, eye, upper=False)
        else:
            self._root = matrix

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._root

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        return self._root @ self._root.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        return tg.cholesky_inverse(self._root)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self._root.pow(2).sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self._root @ drawn.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self):
        return self._root.diagonal(0, -2, -1).log().sum(-1)

    def _squares(self, value):
        """The squared distance from `loc`, in units of the deviations."""
        away = (value - self.loc).unsqueeze(-1)
        root = self._root.expand(*away.shape[:-2], *self._root.shape[-2:])
        return tg.linalg.solve_triangular(root, away, upper=False).squeeze(-1).pow(2).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        constant = self.event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + self._squares(value)) - self._half_log_det()

    def entropy(self) -> Tensor:
        return 0.5 * self.event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()

    def expand(self, batch_shape: Any) -> Any:
        root = self._root.expand(*batch_shape, *self._root.shape[-2:])
        loc = self.loc.expand(*batch_shape, *self.event_shape)
        return self._checking(MultivariateNormal(loc, scale_tril=root, validate_args=False))
