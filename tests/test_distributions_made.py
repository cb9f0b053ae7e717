"""Transforms and what is made of them, gamma numbers' gradients, divergences between kinds, constraints."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from distribution_cases import divergences, transformed, transforms

import tensorgrad as tg
from tensorgrad import distributions as D
from tensorgrad.distributions import constraints
from tensorgrad.distributions.gammas import gamma_slope

FIXTURE = np.load(Path(__file__).parent / "fixtures" / "distributions.npz")

TRANSFORMS = transforms(tg, D)


def same_as_pytorch(found, prefix):
    wanted = {key: FIXTURE[key] for key in FIXTURE if key.startswith(prefix)}
    assert wanted and set(wanted) == set(found)
    for key, array in wanted.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-9, atol=1e-12, err_msg=key)


def test_transforms_are_pytorchs(backend):
    same_as_pytorch(transformed(tg, D, lambda t: t.numpy()), "transform ")


def test_divergences_between_kinds_are_pytorchs(backend):
    same_as_pytorch(divergences(tg, D, lambda t: t.numpy()), "divergence ")


BATCHED = ("power", "affine", "cat", "stack")  # their parts stand along a batch dimension


@pytest.mark.parametrize("name", [n for n in TRANSFORMS if TRANSFORMS[n][0].bijective and n not in BATCHED])
def test_a_jacobian_is_that_of_autograd(name):
    transform, x = TRANSFORMS[name]
    x = x[0] if transform.domain.event_dim else x[0, 0]
    y = transform(x)
    jacobian = tg.autograd.functional.jacobian(transform, x).reshape(y.numel(), x.numel())
    if name == "correlation":
        jacobian = jacobian[np.flatnonzero(np.tril(np.ones(y.shape), -1))]
    elif name in ("stick", "compose"):
        jacobian = jacobian[:-1]
    wanted = jacobian.det().abs().log()
    assert tg.allclose(transform.log_abs_det_jacobian(x, y).sum(), wanted)


def test_a_cache_finds_back_to_the_very_tensor():
    transform, x = D.TanhTransform(cache_size=1), tg.tensor([30.0])
    assert transform.inv(transform(x)) is x
    assert D.TanhTransform().inv(D.TanhTransform()(x)).item() == math.inf
    kept = D.ComposeTransform([D.TanhTransform(), D.AffineTransform(0.0, 2.0)]).with_cache()
    assert kept.inv(kept(x)) is x
    assert transform.with_cache(1) is transform and transform.with_cache(0)._cache_size == 0
    with pytest.raises(ValueError):
        D.ExpTransform(cache_size=2)


def test_transforms_that_do_the_same_are_equal():
    assert D.ExpTransform() == D.ExpTransform() != D.TanhTransform()
    one = D.AffineTransform(0.0, tg.ones(2))
    assert one == D.AffineTransform(0.0, tg.ones(2)) != D.AffineTransform(1.0, 1.0)
    assert D.ExpTransform().inv == D.ExpTransform().inv and D.ExpTransform().inv.inv == D.ExpTransform()
    assert D.ComposeTransform([D.ExpTransform()]) == D.ComposeTransform([D.ExpTransform()])


def test_a_transformed_distribution_has_the_shapes_that_its_transforms_make():
    base = D.Normal(tg.zeros(4, 3), tg.ones(4, 3))
    steps = [D.AffineTransform(tg.zeros(2, 1, 1), 1.0), D.StickBreakingTransform()]
    made = D.TransformedDistribution(base, steps)
    assert made.batch_shape == (2, 4) and made.event_shape == (4,)
    x = made.rsample((5,))
    assert x.shape == (5, 2, 4, 4) and made.log_prob(x).shape == (5, 2, 4)
    assert made.support.event_dim == 1 and made.support.check(x.double()).shape == (5, 2, 4)
    assert made.expand((3, 2, 4)).sample().shape == (3, 2, 4, 4)
    with pytest.raises(ValueError):
        D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform())
    with pytest.raises(ValueError):
        D.TransformedDistribution(base, "exp")


def test_a_falling_transform_turns_chances_around():
    turned = D.TransformedDistribution(D.Exponential(tg.tensor(2.0)), D.AffineTransform(0.0, -1.0))
    x = tg.tensor(-0.4)
    assert tg.allclose(turned.cdf(x), tg.tensor(math.exp(-0.8)))
    assert tg.allclose(turned.icdf(turned.cdf(x)), x)


@pytest.mark.parametrize("to", [D.biject_to, D.transform_to], ids=["biject_to", "transform_to"])
@pytest.mark.parametrize(
    "constraint",
    [
        constraints.real, constraints.positive, constraints.nonnegative, constraints.greater_than(2.0),
        constraints.less_than(-1.0), constraints.interval(-1.0, 3.0), constraints.unit_interval,
        constraints.half_open_interval(1.0, 2.0), constraints.simplex, constraints.corr_cholesky,
        constraints.independent(constraints.positive, 1), constraints.real_vector,
        constraints.cat([constraints.positive, constraints.less_than(0.0)], -1, [2, 4]),
        constraints.stack([constraints.positive, constraints.unit_interval], -2),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_registry_gives_meets_the_constraint_and_leads_back(to, constraint):
    x = tg.tensor(np.random.default_rng(0).standard_normal((2, 6)))
    transform = to(constraint)
    y = transform(x)
    assert constraint.check(y).all()
    if transform.bijective:
        assert tg.allclose(transform.inv(y), x)
    assert tg.allclose(transform(transform.inv(y)), y)


def test_a_constraint_that_no_transform_leads_to_is_refused():
    with pytest.raises(NotImplementedError, match="Boolean"):
        D.biject_to(constraints.boolean)
    with pytest.raises(TypeError):
        D.biject_to.register("positive", lambda constraint: D.ExpTransform())

    class Odd(constraints.Constraint):
        pass

    @D.transform_to.register(Odd)
    def lead(constraint):
        return D.identity_transform

    assert D.transform_to(Odd()) is D.identity_transform


def test_constraints_say_what_they_admit():
    eye = tg.eye(2)
    turned = tg.tensor([[1.0, 2.0], [2.0, 1.0]])
    assert constraints.positive_semidefinite.check(2 * eye)
    assert not constraints.positive_semidefinite.check(turned)
    assert constraints.lower_triangular.check(eye) and not constraints.lower_triangular.check(turned)
    assert constraints.symmetric.check(turned) and not constraints.symmetric.check(turned.tril())
    assert constraints.square.check(eye) and not constraints.square.check(tg.ones(2, 3))
    assert constraints.positive_definite.check(eye) and not constraints.positive_definite.check(tg.ones(2, 3))
    assert constraints.corr_cholesky.check(eye) and not constraints.corr_cholesky.check(2 * eye)
    assert constraints.multinomial(3).check(tg.tensor([1.0, 2.0]))
    assert not constraints.multinomial(2).check(tg.tensor([1.0, 2.0]))
    assert constraints.positive_integer.check(tg.tensor([1.0, 0.0, 1.5])).tolist() == [True, False, False]
    assert constraints.is_dependent(constraints.dependent) and not constraints.is_dependent(constraints.real)
    with pytest.raises(ValueError):
        constraints.dependent.check(eye)
    with pytest.raises(ValueError):
        constraints.independent(constraints.real, 2).check(tg.ones(2))


@pytest.mark.parametrize("a", [1e-3, 0.05, 0.5, 1.0, 3.0, 30.0, 500.0, 1e4])
def test_a_gamma_number_moves_as_its_distribution_function_says(a):
    """-dP/da over dP/dx, with differences of the incomplete gamma function."""
    x = np.maximum(np.random.default_rng(1).gamma(a, size=40), 1e-290)
    step = 1e-4 * a

    def chance(shift):
        return tg.special.gammainc(tg.full((40,), a + shift * step, dtype=tg.float64), tg.tensor(x)).numpy()

    slope = (8 * (chance(1) - chance(-1)) - (chance(2) - chance(-2))) / (12 * step)
    density = np.exp((a - 1) * np.log(x) - x - math.lgamma(a))
    np.testing.assert_allclose(gamma_slope(np.full(40, a), x), -slope / density, rtol=1e-6)


@pytest.mark.parametrize("name", ["Beta", "Dirichlet", "Wishart"])
def test_gradients_of_draws_are_right_in_the_mean(name):
    """The mean of the square is known, and so is how it changes."""
    tg.manual_seed(0)
    a = tg.tensor([1.5, 0.6, 2.0], dtype=tg.float64, requires_grad=True)
    if name == "Beta":
        made = D.Beta(a[0], a[1])
    elif name == "Dirichlet":
        made = D.Dirichlet(a)
    else:
        made = D.Wishart(a[0] + a[1] + a[2], tg.eye(2).double())
    wanted = made.variance + made.mean**2
    weight = tg.arange(1, 1 + wanted.numel()).reshape(wanted.shape).double()
    (exact,) = tg.autograd.grad((wanted * weight).sum(), a)
    (found,) = tg.autograd.grad(((made.rsample((40000,)) ** 2).mean(0) * weight).sum(), a)
    assert exact.abs().max() > 0.05 and tg.allclose(found, exact, rtol=0.04, atol=0.01)


@pytest.mark.parametrize(
    "made",
    [
        D.Gamma(tg.tensor([0.3, 1.0, 20.0]), 2.0), D.Beta(tg.tensor([0.4, 3.0]), 2.0),
        D.StudentT(tg.tensor(9.0)),
        D.FisherSnedecor(tg.tensor(5.0), 20.0), D.Dirichlet(tg.tensor([0.4, 3.0])),
        D.NegativeBinomial(tg.tensor(3.0), tg.tensor([0.2, 0.6])), D.Multinomial(7, tg.tensor([1.0, 3.0])),
        D.Wishart(tg.tensor(6.0), tg.tensor([[2.0, 0.5], [0.5, 1.0]])), D.Kumaraswamy(tg.tensor(2.0), 3.0),
        D.InverseGamma(tg.tensor(9.0), 2.0), D.Weibull(tg.tensor(2.0), 1.5), D.Gumbel(tg.tensor(2.0), 1.5),
        D.MixtureSameFamily(
            D.Categorical(tg.tensor([[1.0, 2.0], [1.0, 1.0]])),
            D.Independent(D.Normal(tg.tensor([[[0.0], [3.0]], [[-2.0], [2.0]]]), tg.ones(2, 2, 1)), 1),
        ),
    ],
    ids=lambda made: type(made).__name__,
)  # fmt: skip
def test_draws_have_the_mean_and_variance_that_are_told(made):
    tg.manual_seed(0)
    drawn = made.sample((20000,))
    assert drawn.dtype is tg.float32 and drawn.shape == (20000, *made.batch_shape, *made.event_shape)
    near = 5 * made.stddev.max() / math.sqrt(20000)
    assert (drawn.mean(0) - made.mean).abs().max() < near
    assert tg.allclose(drawn.var(0), made.variance, rtol=0.15, atol=0.01)


def test_float32_gamma_numbers_are_pytorchs():
    """Drawn by torch 2.13: manual_seed(3), _standard_gamma of these."""
    tg.manual_seed(3)
    found = D.Gamma(tg.tensor([0.3, 0.9, 1.0, 4.7, 150.0]), 1.0).sample()
    assert found.tolist() == FIXTURE["float32 gamma"].tolist()


def test_roots_of_correlations_and_of_covariances():
    tg.manual_seed(0)
    root = D.LKJCholesky(4, tg.tensor([0.5, 3.0]).double()).sample((50,))
    assert root.shape == (50, 2, 4, 4) and constraints.corr_cholesky.check(root).all()
    assert D.LKJCholesky(2, 1.0).log_prob(tg.eye(2)).item() == pytest.approx(math.log(0.5))    # r is uniform
    drawn = D.Wishart(tg.tensor(4.5), tg.eye(3)).rsample((10,))
    assert constraints.positive_definite.check(drawn).all()
    for low in (1.0, 2.0):
        with pytest.raises(ValueError):
            D.Wishart(low, tg.eye(3))
    with pytest.raises(AssertionError):
        D.Wishart(4.0)


def test_a_low_rank_normal_distribution_is_the_whole_one():
    rng = np.random.default_rng(0)
    factor, diagonal = tg.tensor(rng.standard_normal((3, 2))), tg.tensor(rng.uniform(0.5, 2, 3))
    low = D.LowRankMultivariateNormal(tg.zeros(3).double(), factor, diagonal)
    whole = D.MultivariateNormal(tg.zeros(3).double(), low.covariance_matrix)
    x = tg.tensor(rng.standard_normal((5, 3)))
    assert tg.allclose(low.log_prob(x), whole.log_prob(x)) and tg.allclose(low.entropy(), whole.entropy())
    assert tg.allclose(low.precision_matrix, whole.precision_matrix)
    assert tg.allclose(low.scale_tril @ low.scale_tril.mT, whole.covariance_matrix)
    other = D.MultivariateNormal(tg.ones(3).double(), 2 * tg.eye(3).double())
    assert tg.allclose(D.kl_divergence(low, other), D.kl_divergence(whole, other))
    assert tg.allclose(D.kl_divergence(other, low), D.kl_divergence(other, whole))


@pytest.mark.parametrize("k", [0.0, -1.0, 0.4])
def test_a_generalized_pareto_distribution_is_one_of_three(k):
    """Exponential, uniform, or Pareto's, moved to `loc`."""
    loc, scale, k = (tg.tensor(number, dtype=tg.float64) for number in (0.5, 2.0, k))
    made = D.GeneralizedPareto(loc, scale, k, validate_args=False)
    if k == 0:
        known, away = D.Exponential(1 / scale), -loc
    elif k == -1:
        known, away = D.Uniform(tg.zeros_like(scale), scale), -loc
    else:
        known, away = D.Pareto(scale / k, 1 / k), scale / k - loc
    x = loc + tg.tensor([0.25, 1.0, 1.75]).double()
    assert tg.allclose(made.log_prob(x), known.log_prob(x + away))
    assert tg.allclose(made.cdf(x), known.cdf(x + away)) and tg.allclose(made.icdf(made.cdf(x)), x)
    assert tg.allclose(made.log_cdf(x), made.cdf(x).log())
    assert tg.allclose(made.mean, known.mean - away) and tg.allclose(made.variance, known.variance)
    assert tg.allclose(made.entropy(), known.entropy())
    assert made.support.check(made.expand((100,)).sample()).all()


def test_what_is_first_asked_for_without_a_gradient_has_one_later():
    logits = tg.zeros(2, requires_grad=True)
    made = D.Binomial(3, logits=logits)
    made.sample()
    made.mean.sum().backward()
    assert logits.grad.tolist() == [0.75, 0.75]


REFUSED = {
    "a negative concentration": (ValueError, lambda: D.Gamma(-1.0, 1.0)),
    "a number for shares": (ValueError, lambda: D.Dirichlet(tg.tensor(1.0))),
    "shares that don't add up": (ValueError, lambda: D.Dirichlet(tg.ones(2)).log_prob(tg.ones(2))),
    "two counts": (NotImplementedError, lambda: D.Multinomial(tg.tensor([1, 2]), tg.ones(2, 2))),
    "too many": (ValueError, lambda: D.Multinomial(2, tg.ones(2)).log_prob(tg.tensor([2.0, 1.0]))),
    "a sure failure": (ValueError, lambda: D.NegativeBinomial(1.0, 1.0)),
    "other components": (
        ValueError, lambda: D.MixtureSameFamily(D.Categorical(tg.ones(3)), D.Normal(tg.zeros(2), 1.0))
    ),
    "no choice": (ValueError, lambda: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(tg.zeros(2), 1.0))),
    "below the least": (ValueError, lambda: D.Pareto(1.0, 1.0).log_prob(tg.tensor(0.5))),
    "another length": (
        ValueError, lambda: D.LowRankMultivariateNormal(tg.zeros(3), tg.zeros(2, 1), tg.ones(3))
    ),
    "one dimension": (ValueError, lambda: D.LKJCholesky(1)),
    "other shapes": (ValueError, lambda: D.ReshapeTransform((4,), (3,))),
    "no triangle": (ValueError, lambda: D.CorrCholeskyTransform()(tg.zeros(2))),
    "unequal lengths": (AssertionError, lambda: D.CatTransform([D.ExpTransform()], lengths=[1, 2])),
}  # fmt: skip


@pytest.mark.parametrize("error, call", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused(error, call):
    with pytest.raises(error):
        call()


def test_draws_stay_inside_and_end():
    shares = D.Beta(0.02, 0.02).sample((2000,))
    assert 0 < shares.min().item() and shares.max().item() < 1
    assert D.VonMises(0.25, 1e16).sample().item() == pytest.approx(0.25, abs=1e-6)
    with pytest.raises(ValueError, match="total_count is -1"):
        D.Multinomial(-1, tg.ones(2))


def test_what_is_known_of_a_support_beforehand():
    constraints = D.constraints
    for kind in (D.Uniform, D.Binomial, D.Categorical, D.Multinomial, D.Pareto, D.TransformedDistribution):
        assert constraints.is_dependent(kind.support)
    assert D.Categorical.support.is_discrete and not D.Uniform.support.is_discrete
    assert D.Multinomial.support.event_dim == 1
    assert constraints.dependent(is_discrete=True, event_dim=1).event_dim == 1
    assert not constraints.is_dependent(D.Uniform(0.0, 1.0).support)


def test_a_transform_may_be_a_module_too():
    """As flows are written; the parts are made by `super().__init__()` alone, and found by either's rules."""

    class Shift(D.transforms.Transform, tg.nn.Module):
        domain = codomain = constraints.real
        bijective = True

        def __init__(self):
            super().__init__(cache_size=1)
            self.by = tg.nn.Parameter(tg.tensor(2.0))

        def _call(self, x):
            return x + self.by

        def _inverse(self, y):
            return y - self.by

        def log_abs_det_jacobian(self, x, y):
            return tg.zeros_like(x)

    shift = Shift()
    made = D.TransformedDistribution(D.Normal(0.0, 1.0), [shift])
    made.log_prob(tg.tensor(3.0)).backward()
    assert shift(tg.tensor(1.0)) == 3 and list(tg.nn.ModuleList([shift]).parameters()) == [shift.by]
    assert shift.by.grad == 1  # of -(3 - 2) ** 2 / 2
    with pytest.raises(NotImplementedError, match="has no sign"):
        _ = shift.sign
    with pytest.raises(AttributeError, match="'Shift' object has no attribute 'nothing'"):
        _ = shift.nothing
