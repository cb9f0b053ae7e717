"""How far one distribution is from another: Kullback and Leibler's divergence, a formula for two classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import continuous, discrete, gammas, mixture, relaxed, transformed
from tensorgrad.distributions.distribution import Distribution, Independent, summed
from tensorgrad.nn.functional import logsigmoid

_FORMULAS: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable], Callable]:
    """Makes a function of both distributions the divergence of two classes.

    >>> from tensorgrad.distributions import Normal, register_kl
    >>> class Mine(Normal): pass
    >>> @register_kl(Mine, Normal)
    ... def divergence(p, q): return p.loc - q.loc
    """
    for each in (type_p, type_q):
        if not isinstance(each, type):
            raise TypeError(f"expected a class of distributions, but got {each!r}")

    def keep(formula: Callable) -> Callable:
        _FORMULAS[type_p, type_q] = formula
        return formula

    return keep


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    r"""The divergence :math:`\int p \log (p / q)` for each of the batch.

    Raises NotImplementedError where no formula is known for both classes, or classes that they come from.

    >>> from tensorgrad.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    for of_p in type(p).__mro__:
        for of_q in type(q).__mro__:
            formula = _FORMULAS.get((of_p, of_q))
            if formula is not None:
                return formula(p, q)
    raise NotImplementedError(
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
    )


@register_kl(continuous.Normal, continuous.Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(continuous.Laplace, continuous.Laplace)
def _laplace(p, q):
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * (-away / p.scale).exp() - 1


@register_kl(continuous.Cauchy, continuous.Cauchy)
def _cauchy(p, q):
    apart = ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log()
    return apart - (4 * p.scale * q.scale).log()


@register_kl(continuous.Uniform, continuous.Uniform)
def _uniform(p, q):
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return found.masked_fill((q.low > p.low) | (q.high < p.high), float("inf"))


@register_kl(continuous.Exponential, continuous.Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(continuous.MultivariateNormal, continuous.MultivariateNormal)
@register_kl(continuous.MultivariateNormal, mixture.LowRankMultivariateNormal)
@register_kl(mixture.LowRankMultivariateNormal, continuous.MultivariateNormal)
@register_kl(mixture.LowRankMultivariateNormal, mixture.LowRankMultivariateNormal)
def _multivariate_normal(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError("KL-divergence between two Multivariate Normals with different event shapes")
    roots = tg.broadcast_tensors(q.scale_tril, p.scale_tril)
    ratio = tg.linalg.solve_triangular(*roots, upper=False).pow(2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (ratio + q._squares(p.loc) - p.event_shape[0])


@register_kl(discrete.Bernoulli, discrete.Bernoulli)
def _bernoulli(p, q):
    yes = p.probs * (logsigmoid(p.logits) - logsigmoid(q.logits))
    no = (1 - p.probs) * (logsigmoid(-p.logits) - logsigmoid(-q.logits))
    yes = yes.masked_fill(q.probs == 0, float("inf")).masked_fill(p.probs == 0, 0)
    no = no.masked_fill(q.probs == 1, float("inf")).masked_fill(p.probs == 1, 0)
    return yes + no


@register_kl(discrete.Binomial, discrete.Binomial)
def _binomial(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials of which the second has the larger total_count")
    once = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return (p.total_count * once).masked_fill(p.total_count > q.total_count, float("inf"))


@register_kl(relaxed.ContinuousBernoulli, relaxed.ContinuousBernoulli)
def _continuous_bernoulli(p, q):
    scales = p.log_scale() + (-p.probs).log1p() - q.log_scale() - (-q.probs).log1p()
    return p.mean * (p.logits - q.logits) + scales


@register_kl(discrete.Categorical, discrete.Categorical)
def _categorical(p, q):
    found = p.probs * (p.logits - q.logits)
    zeros = (q.probs == 0).expand_as(found)
    found = found.masked_fill(zeros, float("inf"))
    return found.masked_fill((p.probs == 0).expand_as(found), 0).sum(-1)


@register_kl(discrete.OneHotCategorical, discrete.OneHotCategorical)
def _one_hot_categorical(p, q):
    return _categorical(p._categorical, q._categorical)


@register_kl(discrete.Poisson, discrete.Poisson)
def _poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(discrete.Geometric, discrete.Geometric)
def _geometric(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(transformed.TransformedDistribution, transformed.TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL between distributions by different transforms")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(transformed.Gumbel, transformed.Gumbel)
def _gumbel(p, q):
    ratio, away = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -ratio.log() - away + (away + (1 + ratio).lgamma()).exp() + (ratio - 1) * np.euler_gamma - 1


@register_kl(transformed.Pareto, transformed.Pareto)
def _pareto(p, q):
    ratio = q.alpha / p.alpha
    found = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return found.masked_fill(p.scale < q.scale, float("inf"))


@register_kl(transformed.HalfNormal, transformed.HalfNormal)
def _half_normal(p, q):
    return _normal(p.base_dist, q.base_dist)


@register_kl(gammas.Gamma, gammas.Gamma)
def _gamma(p, q):
    a, b = p.concentration, q.concentration
    apart = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return apart + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(gammas.Dirichlet, gammas.Dirichlet)
def _dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    scales = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return scales + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(gammas.Beta, gammas.Beta)
def _beta(p, q):
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("two Independent of different reinterpreted_batch_ndims")
    return summed(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
