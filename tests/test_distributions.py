"""Distributions, held against what torch 2.13 drew and found (fixtures/make_distributions.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from distribution_cases import CASES, COVARIANCE, built, findings

import tensorgrad as tg
from tensorgrad import distributions as D

# Where PyTorch approximates: gradients of gamma numbers have three digits, its Bessel functions seven, and
# one logarithm of a factorial is of float32.
ROUGH = {
    **{(name, "pathwise"): 2e-3 for name in ("Gamma", "Chi2", "InverseGamma", "StudentT", "FisherSnedecor")},
    **{("VonMises", key): 1e-4 for key in ("log_prob", "gradient", "variance", "stddev")},
    ("FisherSnedecor", "pathwise"): 3e-2,      # where two of them almost cancel
    ("Multinomial", "entropy"): 1e-6,
}
FIXTURE = np.load(Path(__file__).parent / "fixtures" / "distributions.npz")


@pytest.mark.parametrize("name", CASES)
def test_draws_and_densities_are_pytorchs(name, backend):
    found = findings(name, tg, D, lambda t: t.detach().numpy())
    wanted = {key.removeprefix(name + " "): FIXTURE[key] for key in FIXTURE if key.startswith(name + " ")}
    assert set(wanted) == set(found)
    for key, array in wanted.items():
        assert found[key].dtype == array.dtype, key
        rtol = ROUGH.get((name, key.split(" ")[0].split("(")[0]), 1e-9)
        np.testing.assert_allclose(found[key], array, rtol=rtol, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", CASES)
def test_density_has_its_gradient_and_a_batch_grows(name):
    given = {key: tg.tensor(value) for key, value in CASES[name][0].items()}
    distribution = built(name, D, given)
    value = distribution.sample()
    wide = distribution.expand((3, *distribution.batch_shape))
    assert wide.batch_shape == (3, *distribution.batch_shape) and wide.event_shape == distribution.event_shape
    assert tg.allclose(wide.log_prob(value)[1], distribution.log_prob(value))
    if name in ("MultivariateNormal", "Wishart"):
        return      # a covariance that is changed in one place is none
    leaves = {key: t.requires_grad_() for key, t in given.items() if key != "total_count"}
    fixed = {key: t for key, t in given.items() if key not in leaves}

    def density(*values):
        return built(name, D, {**fixed, **dict(zip(leaves, values))}, validate_args=False).log_prob(value)

    assert tg.autograd.gradcheck(density, tuple(leaves.values()))


def test_independent_adds_up():
    base = D.Normal(tg.zeros(2, 3), tg.ones(2, 3))
    both = D.Independent(base, 1)
    assert both.batch_shape == (2,) and both.event_shape == (3,) and both.has_rsample
    x = both.sample((4,))
    assert tg.allclose(both.log_prob(x), base.log_prob(x).sum(-1))
    other = D.Independent(D.Normal(tg.ones(2, 3), tg.ones(2, 3)), 1)
    assert tg.allclose(D.kl_divergence(both, other), tg.full((2,), 1.5))
    plain = D.MultivariateNormal(tg.zeros(2, 3), tg.eye(3))
    assert tg.allclose(both.log_prob(x), plain.log_prob(x)) and tg.allclose(both.entropy(), plain.entropy())


def test_the_three_matrices_of_a_normal_distribution_say_the_same():
    covariance = tg.tensor(COVARIANCE)
    loc, x = tg.zeros(3).double(), tg.rand(5, 3).double()
    ways = [
        D.MultivariateNormal(loc, covariance),
        D.MultivariateNormal(loc, precision_matrix=covariance.inverse()),
        D.MultivariateNormal(loc, scale_tril=tg.linalg.cholesky(covariance)),
    ]
    for each in ways:
        assert tg.allclose(each.log_prob(x), ways[0].log_prob(x))
        assert tg.allclose(each.covariance_matrix, covariance)
        assert tg.allclose(each.precision_matrix, covariance.inverse())


def test_the_score_of_a_choice_trains_a_policy():
    """REINFORCE on two levers, of which one pays."""
    logits = tg.zeros(2, requires_grad=True)
    optimizer = tg.optim.SGD([logits], lr=0.5)
    for _ in range(60):
        choice = D.Categorical(logits=logits).sample((16,))
        loss = -(D.Categorical(logits=logits).log_prob(choice) * (choice == 1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert D.Categorical(logits=logits).probs[1] > 0.95


REFUSED = {
    "a scale of 0": lambda: D.Normal(0.0, 0.0),
    "NaN": lambda: D.Normal(float("nan"), 1.0),
    "a probability past 1": lambda: D.Bernoulli(1.5),
    "both": lambda: D.Bernoulli(0.5, 0.0),
    "neither": lambda: D.Categorical(),
    "a negative rate": lambda: D.Exponential(-1.0),
    "a turned interval": lambda: D.Uniform(1.0, 0.0),
    "a number for classes": lambda: D.Categorical(tg.tensor(0.5)),
    "no covariance": lambda: D.MultivariateNormal(tg.zeros(2), tg.tensor([[1.0, 2.0], [2.0, 1.0]])),
    "two matrices": lambda: D.MultivariateNormal(tg.zeros(2), tg.eye(2), tg.eye(2)),
    "a value outside": lambda: D.Uniform(0.0, 1.0).log_prob(tg.tensor(2.0)),
    "a value between": lambda: D.Poisson(1.0).log_prob(tg.tensor(0.5)),
    "no tensor": lambda: D.Normal(0.0, 1.0).log_prob(1.0),
    "another shape": lambda: D.Normal(tg.zeros(2), 1.0).log_prob(tg.zeros(3)),
    "a text": lambda: D.Normal("0", 1.0),
    "too many dimensions": lambda: D.Independent(D.Normal(0.0, 1.0), 1),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_what_no_distribution_has_is_refused(call):
    with pytest.raises(ValueError):
        call()


def test_checks_can_be_left_out():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Uniform(0.0, 1.0).log_prob(tg.tensor(2.0)) == -float("inf")
    finally:
        D.Distribution.set_default_validate_args(True)


def test_what_is_not_known_says_so():
    with pytest.raises(NotImplementedError, match="Normal"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0))
    with pytest.raises(NotImplementedError):
        D.Bernoulli(0.5).rsample()
    with pytest.raises(AttributeError, match="nearest"):
        D.Norma  # noqa: B018
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"


def test_a_grown_distribution_checks_as_the_one_it_came_from():
    with pytest.raises(ValueError):
        D.Exponential(1.0).expand((2,)).log_prob(tg.tensor(-1.0))
    with pytest.raises(ValueError):
        D.Independent(D.Uniform(tg.zeros(1), tg.ones(1)), 1).expand((2,)).log_prob(tg.full((1,), 2.0))
    grown = D.Exponential(1.0, validate_args=False).expand((2,))
    assert grown.log_prob(tg.tensor(-1.0)).tolist() == [1.0, 1.0]


def test_extreme_logits_grow_as_they_are():
    grown = D.OneHotCategorical(logits=tg.tensor([-100.0, 0.0])).expand((2,))
    assert grown.log_prob(tg.tensor([1.0, 0.0])).tolist() == [-100.0, -100.0]


def test_a_support_is_named_when_it_is_asked_for():
    assert repr(D.Uniform(0.0, 2.0).support) == "Interval(lower_bound=0.0, upper_bound=2.0)"
