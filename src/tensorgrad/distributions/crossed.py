r"""Divergences between distributions of two kinds: :math:`-H(p) - E_p \log q`.

What a kind adds is told once: as `q` its expected log-density, which asks `p` for a few means, and as `p` the
means that are known. A pair has a formula where all that is asked for is known, and is infinite where `p`
reaches further than `q`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.distributions import continuous, discrete, gammas, relaxed, transformed
from tensorgrad.distributions.divergence import register_kl

_INFINITE = math.inf

# From where to where values of each kind reach: numbers, or the names of parameters.
_REACH: dict[type, tuple[Any, Any]] = {
    gammas.Beta: (0.0, 1.0),
    relaxed.ContinuousBernoulli: (0.0, 1.0),
    continuous.Exponential: (0.0, _INFINITE),
    gammas.Gamma: (0.0, _INFINITE),
    transformed.Pareto: ("scale", _INFINITE),
    continuous.Uniform: ("low", "high"),
    transformed.Gumbel: (-_INFINITE, _INFINITE),
    continuous.Laplace: (-_INFINITE, _INFINITE),
    continuous.Normal: (-_INFINITE, _INFINITE),
}


def _over_uniform(integral: Callable[[Tensor], Tensor]) -> Callable[[Any], Tensor]:
    """The mean over a uniform distribution of what has this integral."""
    return lambda p: (integral(p.high) - integral(p.low)) / (p.high - p.low)


def _log_integral(x: Tensor) -> Tensor:
    return x.xlogy(x) - x


# The mean of log X.
_LOG: dict[type, Callable[[Any], Tensor]] = {
    gammas.Beta: lambda p: p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma(),
    continuous.Exponential: lambda p: -p.rate.log() - np.euler_gamma,
    gammas.Gamma: lambda p: p.concentration.digamma() - p.rate.log(),
    transformed.Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    continuous.Uniform: _over_uniform(_log_integral),
}

# The mean of log(1 - X).
_LOG_REST: dict[type, Callable[[Any], Tensor]] = {
    continuous.Uniform: _over_uniform(lambda x: -_log_integral(1 - x)),
}

# The mean of exp(-X / s).
_DECAY: dict[type, Callable[[Any, Tensor], Tensor]] = {
    continuous.Exponential: lambda p, s: p.rate * s / (p.rate * s + 1),
    gammas.Gamma: lambda p, s: (1 + 1 / (p.rate * s)) ** -p.concentration,
    transformed.Gumbel: lambda p, s: (-p.loc / s + (1 + p.scale / s).lgamma()).exp(),
    continuous.Normal: lambda p, s: (-p.loc / s + 0.5 * (p.scale / s) ** 2).exp(),
    continuous.Uniform: lambda p, s: s * ((-p.low / s).exp() - (-p.high / s).exp()) / (p.high - p.low),
}


def _beta(p, q, log, log_rest):
    a, b = q.concentration1, q.concentration0
    return (a - 1) * log + (b - 1) * log_rest + (a + b).lgamma() - a.lgamma() - b.lgamma()


def _continuous_bernoulli(p, q):
    return p.mean * q.logits + (-q.probs).log1p() + q.log_scale()


def _exponential(p, q):
    return q.rate.log() - q.rate * p.mean


def _gamma(p, q, log):
    a = q.concentration
    return a * q.rate.log() - a.lgamma() + (a - 1) * log - q.rate * p.mean


def _gumbel(p, q, decay):
    return (q.loc - p.mean) / q.scale - (q.loc / q.scale).exp() * decay - q.scale.log()


def _normal(p, q):
    square = (p.mean - q.loc) ** 2 + p.variance
    return -0.5 * (square / q.scale**2 + math.log(2 * math.pi)) - q.scale.log()


def _pareto(p, q, log):
    return q.alpha.log() + q.alpha * q.scale.log() - (q.alpha + 1) * log


def _uniform(p, q):
    return -(q.high - q.low).log()


# The mean of log q, and the tables of means it asks for.
_ASKS: dict[type, tuple[Callable[..., Tensor], tuple[dict, ...]]] = {
    gammas.Beta: (_beta, (_LOG, _LOG_REST)),
    relaxed.ContinuousBernoulli: (_continuous_bernoulli, ()),
    continuous.Exponential: (_exponential, ()),
    gammas.Gamma: (_gamma, (_LOG,)),
    transformed.Gumbel: (_gumbel, (_DECAY,)),
    continuous.Normal: (_normal, ()),
    transformed.Pareto: (_pareto, (_LOG,)),
    continuous.Uniform: (_uniform, ()),
}


def _end(distribution: Any, end: Any) -> Any:
    return getattr(distribution, end) if isinstance(end, str) else end


def _always_outside(p: type, q: type) -> bool:
    """Whether values of one kind reach further than those of another, whatever the parameters are."""
    (p_low, p_high), (q_low, q_high) = _REACH[p], _REACH[q]
    if p_low == -_INFINITE != q_low or p_high == _INFINITE != q_high:
        return True
    if isinstance(p_low, str) or q_low == "low":
        return False
    return q_low == "scale" or p_low < q_low        # a scale is above 0


def _formula(p_kind: type, q_kind: type) -> Callable[[Any, Any], Tensor] | None:
    if _always_outside(p_kind, q_kind):
        return lambda p, q: tg.full_like(p.mean + q.mean, _INFINITE)
    expected_log, tables = _ASKS[q_kind]
    if not all(p_kind in table for table in tables):
        return None
    means = [table[p_kind] for table in tables]

    def divergence(p, q):
        asked = [mean(p, q.scale) if table is _DECAY else mean(p) for table, mean in zip(tables, means)]
        found = -p.entropy() - expected_log(p, q, *asked)
        (p_low, p_high), (q_low, q_high) = _REACH[p_kind], _REACH[q_kind]
        for inner, outer, sign in ((p_low, q_low, 1), (p_high, q_high, -1)):
            if not isinstance(inner, str) and not isinstance(outer, str):
                continue
            outside = tg.as_tensor(sign * (_end(p, inner) - _end(q, outer)) < 0)
            found = found.masked_fill(outside, _INFINITE)
        return found

    return divergence


for _p in _REACH:
    for _q in _ASKS:
        _found = _formula(_p, _q) if _p is not _q else None
        if _found is not None:
            register_kl(_p, _q)(_found)


@register_kl(continuous.Normal, continuous.Laplace)
def _normal_laplace(p, q):
    away = (p.loc - q.loc) / p.scale
    mean_distance = p.scale * math.sqrt(2 / math.pi) * (-0.5 * away**2).exp()
    mean_distance = mean_distance + (p.loc - q.loc) * (away / math.sqrt(2)).erf()
    return (2 * q.scale).log() + mean_distance / q.scale - p.entropy()


@register_kl(discrete.Bernoulli, discrete.Poisson)
def _bernoulli_poisson(p, q):
    return q.rate - p.probs * q.rate.log() - p.entropy()


@register_kl(discrete.Poisson, discrete.Bernoulli)
@register_kl(discrete.Poisson, discrete.Binomial)
def _poisson_bounded(p, q):
    return tg.full_like(p.rate + q.probs, _INFINITE)
