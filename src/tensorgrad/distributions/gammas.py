"""The gamma distribution and what is made of its draws: Beta, Dirichlet, Student's t and their kin.

Draws are by Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); their gradients by
implicit reparameterisation, Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients" (2018).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

import tensorgrad as tg
from tensorgrad.autograd import Function, once_differentiable
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.continuous import standard_normal
from tensorgrad.distributions.distribution import Distribution, broadcast_all
from tensorgrad.distributions.transformed import Named
from tensorgrad.distributions.transforms import PowerTransform
from tensorgrad.nn import functional as F

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2   # over [0, 1]
_FAR = 40.0                                         # e^-40 of an integrand is nothing in float64
_ROWS = 8192                                        # integrals at a time, to bound their memory


def gamma_slope(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    r"""How a gamma number grows with its concentration while its :math:`P(a, x)` stays, in float64.

    That is :math:`-\partial_a P / \partial_x P = \int (\psi(a) - \ln t) (t / x)^{a-1} e^{x-t} dt` over t from
    0 to x, or minus the same from x on, as both together are 0. With :math:`t = x e^s` the exponent
    :math:`a s - x (e^s - 1)` is concave; on the side where it falls from s = 0 on, Gauss and Legendre's rule
    as far as it is above -40 gives the digits, from tiny concentrations to huge ones.
    """
    a, x = a.reshape(-1, 1), x.reshape(-1, 1)
    mean_log = tg.from_numpy(a).digamma().numpy()
    found = np.empty(len(a))
    for start in range(0, len(a), _ROWS):
        rows = slice(start, start + _ROWS)
        found[rows] = _slope_integral(a[rows], x[rows], mean_log[rows])
    return found


def _slope_integral(a: np.ndarray, x: np.ndarray, mean_log: np.ndarray) -> np.ndarray:
    below = x < a
    with np.errstate(all="ignore"):
        # Where the exponent is below -40 for sure; from there Newton's steps on a concave curve stay outside.
        right = np.minimum(np.sqrt(2 * _FAR / x), np.maximum(1.3, np.log1p(2 * _FAR / x)))
        end = np.where(below, -(_FAR + x) / a, right)
        for _ in range(20):
            grown = np.expm1(end)
            end = end - (a * end - x * grown + _FAR) / (a - x * (grown + 1))
        s = end * _NODES
        weighed = np.exp(a * s - x * np.expm1(s)) * (mean_log - np.log(x) - s)
        return -(weighed @ _WEIGHTS) * end[:, 0] * x[:, 0]


class _StandardGamma(Function):
    """Gamma numbers of scale 1, in the shape and dtype of their concentrations."""

    @staticmethod
    def forward(ctx: Any, concentration: Any) -> Tensor:
        single = concentration.dtype is not tg.float64
        drawn = tg.default_generator.gamma(concentration.detach().double().numpy(), single)
        value = tg.from_numpy(drawn).to(concentration.dtype)
        value = value.clamp(min=tg.finfo(concentration.dtype).tiny)
        ctx.save_for_backward(concentration, value)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Any) -> Any:
        a, x = (each.detach().double().numpy() for each in ctx.saved_tensors)
        slope = tg.from_numpy(gamma_slope(a, x).reshape(a.shape)).to(grad.dtype)
        return grad * slope


def standard_gamma(concentration: Tensor) -> Tensor:
    """Gamma numbers of scale 1, with their gradients to the concentrations."""
    return _StandardGamma.apply(concentration)


class Gamma(Distribution):
    r"""Sums of waiting times: :math:`p(x) \propto x^{concentration - 1} \exp(-rate\,x)`.

    >>> from tensorgrad.distributions import Gamma
    >>> Gamma(3.0, 2.0).mean
    tensor(1.5000)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": constraints.positive, "rate": constraints.positive
    }  # fmt: skip
    support = constraints.nonnegative

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        drawn = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape)))
        return (drawn / self.rate).clamp(min=tg.finfo(drawn.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value = tg.as_tensor(value, dtype=self.rate.dtype)
        self._validate_sample(value)
        a = self.concentration
        return a.xlogy(self.rate) + (a - 1).xlogy(value) - self.rate * value - a.lgamma()

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return tg.special.gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1 - a) * a.digamma()


class Chi2(Gamma):
    """The sum of the squares of `df` standard normal numbers.

    >>> from tensorgrad.distributions import Chi2
    >>> Chi2(3.0).variance
    tensor(6.)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (self.df,) = broadcast_all(df)
        super().__init__(0.5 * self.df, 0.5, validate_args)


class InverseGamma(Named):
    r"""The reciprocal of a gamma number: :math:`p(x) \propto x^{-concentration - 1} \exp(-rate / x)`.

    >>> from tensorgrad.distributions import InverseGamma
    >>> InverseGamma(3.0, 2.0).mean
    tensor(1.)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = Gamma.arg_constraints
    support = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args)
        self.concentration, self.rate = base.concentration, base.rate
        super().__init__(base, PowerTransform(-self.rate.new_ones(())), validate_args)

    @property
    def mean(self) -> Tensor:
        found = self.rate / (self.concentration - 1)
        return found.masked_fill(self.concentration <= 1, math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return (self.rate**2 / ((a - 1) ** 2 * (a - 2))).masked_fill(a <= 2, math.inf)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Dirichlet(Distribution):
    r"""Shares that add up to 1: :math:`p(x) \propto \prod_i x_i^{concentration_i - 1}`.

    >>> from tensorgrad.distributions import Dirichlet
    >>> Dirichlet(tg.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        more = (self.concentration - 1).clamp(min=0)
        corner = F.one_hot((more / more.sum(-1, keepdim=True)).argmax(-1), more.shape[-1]).to(more.dtype)
        in_a_corner = (self.concentration < 1).all(-1, keepdim=True)
        return corner.where(in_a_corner, more / more.sum(-1, keepdim=True))

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        a = self.concentration.expand(self._extended_shape(sample_shape))
        drawn, limits = standard_gamma(a.double()), tg.finfo(a.dtype)
        shares = (drawn / drawn.sum(-1, keepdim=True)).to(a.dtype)
        return shares.clamp(limits.tiny, 1 - limits.eps / 2)  # an end itself has no density

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        a = self.concentration
        return (a - 1).xlogy(value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self) -> Tensor:
        a, n = self.concentration, self.event_shape[0]
        total = a.sum(-1)
        spread = a.lgamma().sum(-1) - total.lgamma() - (n - total) * total.digamma()
        return spread - ((a - 1) * a.digamma()).sum(-1)


class Beta(Distribution):
    r"""A share: :math:`p(x) \propto x^{concentration1 - 1} (1 - x)^{concentration0 - 1}`.

    >>> from tensorgrad.distributions import Beta
    >>> Beta(1.0, 3.0).mean
    tensor(0.2500)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration1": constraints.positive, "concentration0": constraints.positive
    }  # fmt: skip
    support = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        both = tg.stack([self.concentration1, self.concentration0], -1)
        self._dirichlet = Dirichlet(both, validate_args)
        super().__init__(self.concentration1.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        return self._dirichlet.variance[..., 0]

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self._dirichlet.log_prob(tg.stack([value, 1.0 - value], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()


class StudentT(Distribution):
    r"""A normal number over the root of a chi-squared: :math:`p(x) \propto (1 + z^2/df)^{-(df + 1)/2}`
    with :math:`z = (x - loc) / scale`.

    >>> from tensorgrad.distributions import StudentT
    >>> StudentT(4.0).variance
    tensor(2.)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "df": constraints.positive, "loc": constraints.real, "scale": constraints.positive
    }  # fmt: skip
    support = constraints.real

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df, validate_args)
        super().__init__(self.df.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        found = self.scale**2 * self.df / (self.df - 2)
        return found.masked_fill(self.df <= 2, math.inf).masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        normal = standard_normal(self._extended_shape(sample_shape), self.df)
        return self.loc + self.scale * normal * (self._chi2.rsample(sample_shape) / self.df).rsqrt()

    def _log_beta(self):
        return (0.5 * self.df).lgamma() + 0.5 * math.log(math.pi) - (0.5 * (self.df + 1)).lgamma()

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        z = (value - self.loc) / self.scale
        scale = self.scale.log() + 0.5 * self.df.log() + self._log_beta()
        return -0.5 * (self.df + 1) * (z**2 / self.df).log1p() - scale

    def entropy(self) -> Tensor:
        half = 0.5 * (self.df + 1)
        curve = half * (half.digamma() - (0.5 * self.df).digamma())
        return self.scale.log() + curve + 0.5 * self.df.log() + self._log_beta()


class FisherSnedecor(Distribution):
    """The ratio of two chi-squared numbers, of `df1` and of `df2`, each over its own.

    >>> from tensorgrad.distributions import FisherSnedecor
    >>> FisherSnedecor(2.0, 4.0).mean
    tensor(2.)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "df1": constraints.positive, "df2": constraints.positive
    }  # fmt: skip
    support = constraints.positive

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._above = Gamma(0.5 * self.df1, self.df1, validate_args)
        self._below = Gamma(0.5 * self.df2, self.df2, validate_args)
        super().__init__(self.df1.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return (self.df2 / (self.df2 - 2)).masked_fill(self.df2 <= 2, math.nan)

    @property
    def mode(self) -> Tensor:
        found = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return found.masked_fill(self.df1 <= 2, math.nan)

    @property
    def variance(self) -> Tensor:
        m, n = self.df1, self.df2
        return (2 * n**2 * (m + n - 2) / (m * (n - 2) ** 2 * (n - 4))).masked_fill(n <= 4, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        above, below = self._above.rsample(sample_shape), self._below.rsample(sample_shape)
        return (above / below).clamp(min=tg.finfo(below.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        m, n, ratio = 0.5 * self.df1, 0.5 * self.df2, self.df1 / self.df2
        scale = (m + n).lgamma() - m.lgamma() - n.lgamma() + m * ratio.log()
        return scale + (m - 1) * value.log() - (m + n) * (ratio * value).log1p()
