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
_numbers = _real(3, 6)
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
    "LKJCholesky": [{"concentration": _positive(2) + 0.5}, None],
    "Wishart": [{"df": _positive(2) + 4, "covariance_matrix": COVARIANCE}, None],
}  # fmt: skip
# Their draws' gradients are other estimates of the same, so they are not compared draw by draw.
OTHER_GRADIENTS = {"Beta", "Dirichlet", "Wishart"}
# PyTorch draws these anew some times; the densities are those of a matrix that is given.
VALUES = {"Wishart": COVARIANCE}
SHAPES = [(), (3, 2)]

# Two of each kind, by position of their parameters; they are met with those of every other.
ACROSS = {
    "Beta": ((1.3, 2.1), (2.3, 1.1)), "ContinuousBernoulli": ((0.3,), (0.6,)),
    "Exponential": ((1.4,), (0.4,)), "Gamma": ((2.2, 1.7), (1.2, 2.7)), "Gumbel": ((0.3, 1.6), (-0.3, 1.2)),
    "Laplace": ((0.2, 0.8), (0.6, 0.5)), "Normal": ((0.3, 1.1), (-0.3, 0.9)),
    "Pareto": ((0.4, 3.3), (0.05, 1.3)), "Uniform": ((0.1, 0.7), (-0.1, 1.7)), "Bernoulli": ((0.3,), (0.6,)),
    "Binomial": ((5.0, 0.4), (5.0, 0.7)), "Poisson": ((1.2,), (2.2,)),
}  # fmt: skip


def divergences(lib, dists, to_array):
    """The divergences between all kinds that a library has a formula for, both ways round."""
    found = {}
    for p, of_p in ACROSS.items():
        for q, of_q in ACROSS.items():
            for i in range(2):
                one, other = (
                    getattr(dists, name)(*(lib.tensor([x], dtype=lib.float64) for x in numbers))
                    for name, numbers in ((p, of_p[i]), (q, of_q[1 - i]))
                )
                try:
                    found[f"divergence {p} {q} {i}"] = to_array(dists.kl_divergence(one, other))
                except NotImplementedError:
                    pass
    return found


def transforms(lib, dists):
    """Transforms by name, each with what it is given."""
    number = lib.tensor(_numbers)
    t = dists.transforms
    return {
        "exp": (t.ExpTransform(), number),
        "power": (t.PowerTransform(lib.tensor(_numbers[0].copy())), number.exp()),
        "sigmoid": (t.SigmoidTransform(), number),
        "tanh": (t.TanhTransform(), number),
        "softplus": (t.SoftplusTransform(), number),
        "affine": (t.AffineTransform(0.5, lib.tensor(_numbers[0].copy())), number),
        "affine events": (t.AffineTransform(0.5, -2.0, event_dim=1), number),
        "softmax": (t.SoftmaxTransform(), number),
        "stick": (t.StickBreakingTransform(), number),
        "lower": (t.LowerCholeskyTransform(), number[:, :4].reshape(3, 2, 2)),
        "definite": (t.PositiveDefiniteTransform(), number[:, :4].reshape(3, 2, 2)),
        "correlation": (t.CorrCholeskyTransform(), number),
        "reshape": (t.ReshapeTransform((6,), (3, 2)), number),
        "independent": (t.IndependentTransform(t.ExpTransform(), 1), number),
        "cat": (t.CatTransform([t.ExpTransform(), t.TanhTransform()], 1, [2, 4]), number),
        "stack": (t.StackTransform([t.ExpTransform(), t.TanhTransform()], 0), number[:2]),
        "distribution": (t.CumulativeDistributionTransform(dists.Normal(0.5, 2.0)), number),
        "compose": (t.ComposeTransform([t.AffineTransform(1.0, 2.0), t.StickBreakingTransform()]), number),
    }  # fmt: skip


def transformed(lib, dists, to_array):
    """What transforms, and their ways back, give."""
    found = {}
    for name, (transform, x) in transforms(lib, dists).items():
        y = transform(x)
        found[f"transform {name} y"], found[f"transform {name} x"] = to_array(y), to_array(transform.inv(y))
        if transform.bijective:
            found[f"transform {name} log"] = to_array(transform.log_abs_det_jacobian(x, y))
        found[f"transform {name} shape"] = np.array(transform.forward_shape(x.shape))
        constraint = transform.codomain
        found[f"transform {name} codomain"] = to_array(constraint.check(y))
    return found


def built(name, dists, given, **options):
    """A case's distribution of its parameters."""
    if name == "MixtureSameFamily":
        parts = dists.Categorical(given["probs"]), dists.Normal(given["loc"], given["scale"])
        return dists.MixtureSameFamily(*parts, **options)
    if name == "Multinomial":
        options["total_count"] = 7
    if name == "LKJCholesky":
        options["dim"] = 3
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
        if name in VALUES:
            value = lib.tensor(VALUES[name]).expand(*shape, *distribution.batch_shape, -1, -1)
        else:
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
