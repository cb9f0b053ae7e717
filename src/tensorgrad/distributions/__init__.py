"""Probability distributions under torch.distributions' names: draws, densities, entropies and divergences.

Draws are those of PyTorch for the same seed.
"""

from typing import TYPE_CHECKING

from tensorgrad.core.names import missing as _missing
from tensorgrad.distributions import (  # noqa: F401 - modules that programs name, and crossed's formulas
    constraint_registry,
    constraints,
    crossed,
    transforms,
    utils,
)
from tensorgrad.distributions.constraint_registry import biject_to, transform_to
from tensorgrad.distributions.continuous import (
    Cauchy,
    Exponential,
    GeneralizedPareto,
    Laplace,
    MultivariateNormal,
    Normal,
    Uniform,
)
from tensorgrad.distributions.counts import Multinomial, NegativeBinomial
from tensorgrad.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    OneHotCategorical,
    Poisson,
)
from tensorgrad.distributions.distribution import Distribution, ExponentialFamily, Independent
from tensorgrad.distributions.divergence import kl_divergence, register_kl
from tensorgrad.distributions.gammas import (
    Beta,
    Chi2,
    Dirichlet,
    FisherSnedecor,
    Gamma,
    InverseGamma,
    StudentT,
)
from tensorgrad.distributions.matrices import LKJCholesky, Wishart
from tensorgrad.distributions.mixture import LowRankMultivariateNormal, MixtureSameFamily, VonMises
from tensorgrad.distributions.relaxed import (
    ContinuousBernoulli,
    OneHotCategoricalStraightThrough,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from tensorgrad.distributions.transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Kumaraswamy,
    LogisticNormal,
    LogNormal,
    Pareto,
    TransformedDistribution,
    Weibull,
)
from tensorgrad.distributions.transforms import *  # noqa: F403 - the names are in its __all__

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "constraint_registry",
    "constraints",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "transforms",
    *transforms.__all__,
]


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.distributions'", name, globals())
