"""Mixtures, and distributions of vectors and of angles."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import constraints
from tensorgrad.distributions.constraints import Constraint
from tensorgrad.distributions.continuous import MultivariateNormal, standard_normal
from tensorgrad.distributions.discrete import Categorical
from tensorgrad.distributions.distribution import Distribution, broadcast_all, lazy_property


class MixtureSameFamily(Distribution):
    """Values of one of the distributions along the last batch dimension of `component_distribution`, chosen
    by `mixture_distribution`, a `Categorical`.

    >>> from tensorgrad.distributions import Categorical, MixtureSameFamily, Normal
    >>> mixture = MixtureSameFamily(Categorical(tg.ones(2)), Normal(tg.tensor([-1.0, 1.0]), tg.ones(2)))
    >>> mixture.mean, mixture.variance
    (tensor(0.), tensor(2.))
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of Distribution")
        batch = component_distribution.batch_shape[:-1]
        for mine, its in zip(reversed(mixture_distribution.batch_shape), reversed(batch)):
            if mine != 1 and its != 1 and mine != its:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture_distribution.batch_shape}) is not "
                    f"compatible with `component_distribution.batch_shape`({batch})"
                )
        count, components = mixture_distribution._num_events, component_distribution.batch_shape[-1]
        if count != components:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({components})"
            )
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(batch, component_distribution.event_shape, validate_args)

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self.component_distribution.support)

    @property
    def _place(self) -> int:
        """The dimension of the components."""
        return -1 - len(self.event_shape)

    def _mixed(self, of_components: Tensor) -> Tensor:
        weights = self.mixture_distribution.probs
        weights = weights.reshape(*weights.shape, *[1] * len(self.event_shape))
        return (weights * of_components).sum(self._place)

    @property
    def mean(self) -> Tensor:
        return self._mixed(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        apart = self.component_distribution.mean - self.mean.unsqueeze(self._place)
        return self._mixed(self.component_distribution.variance) + self._mixed(apart**2)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with tg.no_grad():
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            shape = (*sample_shape, *self.batch_shape, 1, *self.event_shape)
            chosen = chosen.reshape(*chosen.shape, 1, *[1] * len(self.event_shape)).expand(shape)
            return drawn.gather(self._place, chosen).squeeze(self._place)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        log = self.component_distribution.log_prob(value.unsqueeze(self._place))
        return (log + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def cdf(self, value: Tensor) -> Tensor:
        found = self.component_distribution.cdf(value.unsqueeze(self._place))
        return (found * self.mixture_distribution.probs).sum(-1)

    def expand(self, batch_shape: Any) -> Any:
        components = self.component_distribution.expand((*batch_shape, self.mixture_distribution._num_events))
        mixture: Any = self.mixture_distribution.expand(batch_shape)
        return self._checking(MixtureSameFamily(mixture, components, validate_args=False))

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"


class LowRankMultivariateNormal(Distribution):
    r"""The normal distribution of vectors of the covariance :math:`W W^T + D`, `W` the `cov_factor` and `D`
    of the diagonal `cov_diag`. By Woodbury's formula only a matrix of the rank of `W` is factorized.

    >>> from tensorgrad.distributions import LowRankMultivariateNormal
    >>> LowRankMultivariateNormal(tg.zeros(2), tg.zeros(2, 1), tg.ones(2)).log_prob(tg.zeros(2))
    tensor(-1.8379)
    """

    has_rsample = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip
    support = constraints.real_vector

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.ndim < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with batch dimensions in front")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if cov_diag.shape[-1:] != (n,):
            raise ValueError(f"cov_diag must be a batch of vectors with shape ({n},)")
        try:
            batch = tg.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag "
                f"{cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = loc.expand(*batch, n), cov_diag.expand(*batch, n)
        self.cov_factor = cov_factor.expand(*batch, *cov_factor.shape[-2:])
        super().__init__(batch, (n,), validate_args)

    @lazy_property
    def _scaled(self) -> Tensor:
        """The transposed factor over the diagonal."""
        return self.cov_factor.mT / self.cov_diag.unsqueeze(-2)

    @lazy_property
    def _capacitance_root(self) -> Tensor:
        """The triangular root of the matrix of the rank's size, :math:`1 + W^T D^{-1} W`."""
        eye = tg.eye(self.cov_factor.shape[-1], dtype=self.loc.dtype)
        return tg.linalg.cholesky(self._scaled @ self.cov_factor + eye)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        return (self.cov_factor**2).sum(-1) + self.cov_diag

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        return self.cov_factor @ self.cov_factor.mT + self.cov_diag.diag_embed()

    @lazy_property
    def scale_tril(self) -> Tensor:
        # Its diagonal taken out, the matrix has no eigenvalue below 1.
        deviation = self.cov_diag.sqrt().unsqueeze(-1)
        factor = self.cov_factor / deviation
        eye = tg.eye(factor.shape[-2], dtype=factor.dtype)
        return deviation * tg.linalg.cholesky(factor @ factor.mT + eye)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        half = tg.linalg.solve_triangular(self._capacitance_root, self._scaled, upper=False)
        return self.cov_diag.reciprocal().diag_embed() - half.mT @ half

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        along = standard_normal((*shape[:-1], self.cov_factor.shape[-1]), self.loc)
        own = standard_normal(shape, self.loc)
        return self.loc + (self.cov_factor @ along.unsqueeze(-1)).squeeze(-1) + self.cov_diag.sqrt() * own

    def _half_log_det(self):
        root = self._capacitance_root.diagonal(0, -2, -1).log().sum(-1)
        return root + 0.5 * self.cov_diag.log().sum(-1)

    def _squares(self, value):
        """The squared distance from `loc`, in units of the deviations."""
        away = value - self.loc
        along = self._scaled @ away.unsqueeze(-1)
        root = self._capacitance_root.expand(*along.shape[:-2], *self._capacitance_root.shape[-2:])
        inside = tg.linalg.solve_triangular(root, along, upper=False).squeeze(-1).pow(2).sum(-1)
        return (away.pow(2) / self.cov_diag).sum(-1) - inside

    log_prob = MultivariateNormal.log_prob
    entropy = MultivariateNormal.entropy


class VonMises(Distribution):
    r"""Angles around `loc`: :math:`p(x) \propto \exp(concentration \cos(x - loc))`. The variance is the
    circular one.

    Draws are by Best and Fisher, "Efficient simulation of the von Mises distribution" (1979), in float64.

    >>> from tensorgrad.distributions import VonMises
    >>> VonMises(0.0, 1.0).log_prob(tg.tensor(0.0))
    tensor(-1.0738)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real, "concentration": constraints.positive
    }  # fmt: skip
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 1 - tg.special.i1e(self.concentration) / tg.special.i0e(self.concentration)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        k = self.concentration
        return k * ((value - self.loc).cos() - 1) - math.log(2 * math.pi) - tg.special.i0e(k).log()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with tg.no_grad():
            k = self.concentration.double()
            tau = 1 + (1 + 4 * k**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * k)
            r = ((1 + rho**2) / (2 * rho)).where(k >= 1e-5, 1 / k + k)   # the first is 0/0 at 0
            angle, missing = tg.zeros(shape, dtype=tg.float64), tg.ones(shape, dtype=tg.bool)
            while missing.any():
                turn, u, side = tg.rand(3, *shape, dtype=tg.float64).unbind()
                z = (math.pi * turn).cos()
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accepted = (c * (2 - c) > u) | ((c / u).log() + 1 - c >= 0)
                accepted = accepted | ~(r > 1)      # so narrow that all is at loc, or NaN
                angle = ((side - 0.5).sign() * f.acos()).where(accepted, angle)
                missing = missing & ~accepted
            drawn = (angle + math.pi + self.loc.double()) % (2 * math.pi) - math.pi
            return drawn.to(self.loc.dtype)
