"""Distributions to be held against PyTorch's: by name, the parameters of one and of another.

Where there is no other, no divergence is asked for.
"""

from __future__ import annotations

import numpy as np

_rng = np.random.default_rng(0)


def _real(*shape):
    return _rng.standard_normal(shape)


def _positive(*shape):
    return _rng.uniform(0.2, 2.0, shape)


def _chance(*shape):
    return _rng.uniform(0.1, 0.9, shape)


_root = _real(3, 3)
COVARIANCE = _root @ _root.T + np.eye(3)
COUNTS = np.array([3.0, 10.0, 50.0, 200.0])

CASES = {
    "Normal": [{"loc": _real(4), "scale": _positive(4)} for _ in range(2)],
    "Laplace": [{"loc": _real(4), "scale": _positive(4)} for _ in range(2)],
    "Cauchy": [{"loc": _real(4), "scale": _positive(4)} for _ in range(2)],
    "Uniform": [{"low": _real(4) - width, "high": _real(4) + width} for width in (3.0, 9.0)],
    "Exponential": [{"rate": _positive(4)} for _ in range(2)],
    "Bernoulli": [{"probs": _chance(4)}, {"logits": _real(4)}],
    "Geometric": [{"probs": _chance(4)}, {"logits": _real(4)}],
    "Poisson": [{"rate": _positive(4) * 5} for _ in range(2)],
    "Categorical": [{"probs": _positive(2, 5)}, {"logits": _real(2, 5)}],
    "OneHotCategorical": [{"logits": _real(2, 5)}, {"probs": _positive(2, 5)}],
    "Binomial": [{"total_count": COUNTS, "probs": _chance(4)}, None],
    "MultivariateNormal": [
        {"loc": _real(2, 3), "covariance_matrix": COVARIANCE},
        {"loc": _real(3), "precision_matrix": COVARIANCE + np.eye(3)},
    ],
    "LogNormal": [{"loc": _real(4), "scale": _positive(4)} for _ in range(2)],
    "HalfNormal": [{"scale": _positive(4)} for _ in range(2)],
    "HalfCauchy": [{"scale": _positive(4)}, None],
    "Gumbel": [{"loc": _real(4), "scale": _positive(4)}, None],
    "Weibull": [{"scale": _positive(4), "concentration": _positive(4) + 1}, None],
    "Pareto": [{"scale": _positive(4), "alpha": _positive(4) * 2}, None],
    "Kumaraswamy": [{"concentration1": _positive(4) * 2, "concentration0": _positive(4) * 2}, None],
    "LogisticNormal": [{"loc": _real(2, 3), "scale": _positive(2, 3)}, None],
    "Gamma": [{"concentration": _positive(4) * 3, "rate": _positive(4)} for _ in range(2)],
    "Chi2": [{"df": _positive(4) * 5} for _ in range(2)],
    "InverseGamma": [{"concentration": _positive(4) * 3, "rate": _positive(4)} for _ in range(2)],
    "Dirichlet": [{"concentration": _positive(2, 3) * 2} for _ in range(2)],
    "Beta": [{"concentration1": _positive(4) * 2, "concentration0": _positive(4) * 2} for _ in range(2)],
    "StudentT": [{"df": _positive(4) * 3, "loc": _real(4), "scale": _positive(4)}, None],
    "FisherSnedecor": [{"df1": _positive(4) * 9, "df2": _positive(4) * 9}, None],
    "LowRankMultivariateNormal": [
        {"loc": _real(2, 3), "cov_factor": _real(3, 2), "cov_diag": _positive(3)} for _ in range(2)
    ],
    "Multinomial": [{"probs": _positive(2, 3)}, None],
    "NegativeBinomial": [{"total_count": _positive(4) * 5, "logits": _real(4)}, None],
    "RelaxedBernoulli": [{"temperature": _positive(1) + 0.5, "logits": _real(4)}, None],
    "RelaxedOneHotCategorical": [{"temperature": _positive(1) + 0.5, "probs": _positive(2, 3)}, None],
    "OneHotCategoricalStraightThrough": [{"logits": _real(2, 5)}, {"probs": _positive(2, 5)}],
    "ContinuousBernoulli": [{"probs": np.array([0.1, 0.4995, 0.5, 0.9])}, {"logits": _real(4)}],
    "VonMises": [{"loc": _real(4), "concentration": np.array([1e-3, 0.7, 3.0, 40.0])}, None],
    "MixtureSameFamily": [
        {"probs": _positive(4, 3), "loc": _real(4, 3), "scale": _positive(4, 3)}, None
    ],
}  # fmt: skip
# Their draws' gradients are other estimates of the same, so they are not compared draw by draw.
OTHER_GRADIENTS = {"Beta", "Dirichlet"}
SHAPES = [(), (3, 2)]


def built(name, dists, given, **options):
    """A case's distribution of its parameters."""
    if name == "MixtureSameFamily":
        parts = dists.Categorical(given["probs"]), dists.Normal(given["loc"], given["scale"])
        return dists.MixtureSameFamily(*parts, **options)
    if name == "Multinomial":
        options["total_count"] = 7
    return getattr(dists, name)(**given, **options)


def findings(name, lib, dists, to_array):
    """What a library finds of a case, each as an array by name."""
    found = {}

    def made(parameters):
        given = {key: lib.tensor(value.copy()).requires_grad_() for key, value in parameters.items()}
        return given, built(name, dists, given)

    first, second = CASES[name]
    given, distribution = made(first)
    for shape in SHAPES:
        lib.manual_seed(5)
        value = distribution.sample(shape)
        log_prob = distribution.log_prob(value)
        grads = lib.autograd.grad(log_prob.sum(), list(given.values()), retain_graph=True, allow_unused=True)
        found[f"sample{shape}"], found[f"log_prob{shape}"] = to_array(value), to_array(log_prob)
        for key, grad in zip(given, grads):
            if grad is not None:
                found[f"gradient{shape} {key}"] = to_array(grad)
    if distribution.has_rsample and name not in OTHER_GRADIENTS:
        lib.manual_seed(5)
        drawn = distribution.rsample((2,))
        grads = lib.autograd.grad((drawn * drawn).sum(), list(given.values()), retain_graph=True)
        found.update({f"pathwise {key}": to_array(grad) for key, grad in zip(given, grads)})
    for each in ("mean", "mode", "variance", "stddev", "entropy", "cdf", "icdf"):
        argument = {"cdf": value, "icdf": lib.full((4,), 0.3).double()}.get(each)
        try:
            asked = getattr(distribution, each)
            if callable(asked) and not isinstance(asked, lib.Tensor):
                asked = asked() if argument is None else asked(argument)
            found[each] = to_array(asked)
        except NotImplementedError:
            pass
    if second is not None:
        found["divergence"] = to_array(dists.kl_divergence(distribution, made(second)[1]))
    return found
