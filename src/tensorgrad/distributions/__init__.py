"""Probability distributions under torch.distributions' names: draws, densities, entropies and divergences.

Draws are those of PyTorch for the same seed.
"""

from tensorgrad.core.names import missing as _missing
from tensorgrad.distributions import constraints
from tensorgrad.distributions.continuous import (
    Cauchy,
    Exponential,
    Laplace,
    MultivariateNormal,
    Normal,
    Uniform,
)
from tensorgrad.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    OneHotCategorical,
    Poisson,
)
from tensorgrad.distributions.distribution import Distribution, Independent
from tensorgrad.distributions.divergence import kl_divergence, register_kl

__all__ = [
    "Bernoulli",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Distribution",
    "Exponential",
    "Geometric",
    "Independent",
    "Laplace",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
]


def __getattr__(name: str):
    raise _missing("module 'tensorgrad.distributions'", name, globals())
