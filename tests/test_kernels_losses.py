"""Kernels of losses by element and of class scores: against NumPy in float64, slopes against differences."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, events, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels

BOTH = pytest.mark.parametrize("dtype", ["f4", "f8"])


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def turned(x, y, turn):
    return np.where(abs(x - y) < turn, (x - y) ** 2 / 2, turn * (abs(x - y) - turn / 2))


# name: the formula of (x, y, z), where these lie, settings
LOSSES = {
    "l1_loss": (lambda x, y, z: abs(x - y), (-2, 2), (-2, 2), None, {}),
    "smooth_l1_loss": (lambda x, y, z: turned(x, y, 0.75) / 0.75, (-2, 2), (-2, 2), None, {"beta": 0.75}),
    "huber_loss": (lambda x, y, z: turned(x, y, 0.75), (-2, 2), (-2, 2), None, {"delta": 0.75}),
    "binary_cross_entropy": (
        lambda x, y, z: (y - 1) * np.log1p(-x) - y * np.log(x), (0.1, 0.9), (0.1, 0.9), None, {},
    ),
    "binary_cross_entropy_with_logits": (
        lambda x, y, z: (1 - y) * x - log_sigmoid(x), (-5, 5), (0, 1), None, {},
    ),
    "binary_cross_entropy_with_logits_pos_weight": (
        lambda x, y, z: (1 - y) * x - ((z - 1) * y + 1) * log_sigmoid(x), (-5, 5), (0, 1), (0.5, 2), {},
    ),
    "soft_margin_loss": (lambda x, y, z: np.log1p(np.exp(-y * x)), (-3, 3), (-1, 1), None, {}),
    "kl_div": (lambda x, y, z: y * np.log(y) - y * x, (-3, 0), (0.1, 1), None, {}),
    "kl_div_log_target": (lambda x, y, z: np.exp(y) * (y - x), (-3, 0), (-3, 0), None, {}),
    "poisson_nll_loss": (lambda x, y, z: np.exp(x) - y * x, (-2, 2), (0, 4), None, {}),
    "poisson_nll_loss_rate": (lambda x, y, z: x - y * np.log(x + 0.5), (0.1, 4), (0, 4), None, {"eps": 0.5}),
    "gaussian_nll_loss": (
        lambda x, y, z: 0.5 * (np.log(z) + (x - y) ** 2 / z) + 0.25,
        (-2, 2), (-2, 2), (0.5, 2), {"eps": 0.1, "constant": 0.25},
    ),
    "hinge_embedding_loss": (
        lambda x, y, z: np.where(y != 1, np.maximum(0, 0.5 - x), 0) + np.where(y != -1, x, 0),
        (-2, 2), (-1, 1), None, {"margin": 0.5},
    ),
    "margin_ranking_loss": (
        lambda x, y, z: np.maximum(0, -z * (x - y) + 0.5), (-2, 2), (-2, 2), (-1, 1), {"margin": 0.5},
    ),
}  # fmt: skip


SLOPES = {
    "l1_loss_backward": "l1_loss",
    "smooth_l1_loss_backward": "smooth_l1_loss",
    "huber_loss_backward": "huber_loss",
    "binary_cross_entropy_backward": "binary_cross_entropy",
    "binary_cross_entropy_with_logits_backward": "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_pos_weight_backward": "binary_cross_entropy_with_logits_pos_weight",
    "soft_margin_loss_backward": "soft_margin_loss",
    "kl_div_backward": "kl_div",
    "kl_div_log_target_backward": "kl_div_log_target",
    "poisson_nll_loss_backward": "poisson_nll_loss",
    "poisson_nll_loss_rate_backward": "poisson_nll_loss_rate",
    "gaussian_nll_loss_backward": "gaussian_nll_loss",
    "hinge_embedding_loss_backward": "hinge_embedding_loss",
    "margin_ranking_loss_backward": "margin_ranking_loss",
}


def operands(name, count, dtype):
    formula, *spans, settings = LOSSES[name]
    rng = np.random.default_rng(count)
    made = [None if span is None else rng.uniform(*span, count).astype(dtype) for span in spans]
    if name == "hinge_embedding_loss":
        made[1] = rng.integers(-1, 2, count).astype(dtype)
    return formula, made, settings


def near(found, expected, dtype):
    scale = np.abs(expected).max(initial=1e-3)
    np.testing.assert_allclose(found, expected, **(
        dict(rtol=1e-5, atol=3e-6 * scale) if dtype == "f4" else dict(rtol=1e-12, atol=1e-12 * scale)
    ))  # fmt: skip


@BOTH
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_sums(name, dtype):
    for count in (1, 7, 16, 100, 1500, 70_000):
        formula, (x, y, z), settings = operands(name, count, dtype)
        weight = np.random.default_rng(1).uniform(0.5, 2, count).astype(dtype)
        wide = [None if each is None else each.astype("f8") for each in (x, y, z)]
        for factor in (None, weight):
            losses = Guarded((count,), dtype)
            _, loss, wrong = _kernels.apply(
                name, input=x, target=y, other=z, weight=factor, losses=losses.array, divisor=3, **settings
            )
            expected = formula(*wide) * (1 if factor is None else factor.astype("f8"))
            near(losses.array, expected, dtype)
            near(loss, expected.sum() / 3, dtype)
            assert wrong == 0
            losses.check()


@BOTH
@pytest.mark.parametrize("kernel", SLOPES)
def test_slopes_of_losses(kernel, dtype):
    name = SLOPES[kernel]
    for count in (1, 7, 600, 40_000):
        formula, arrays, settings = operands(name, count, dtype)
        wide = [None if each is None else each.astype("f8") for each in arrays]
        g = np.random.default_rng(2).uniform(0.5, 2, count).astype(dtype)
        step = 1e-6
        slopes = []
        smooth = np.ones(count, bool)
        for k, each in enumerate(wide):
            if each is None or (name == "hinge_embedding_loss" and k == 1):
                slopes.append(None)
                continue
            up, down = (formula(*wide[:k], each + s, *wide[k + 1 :]) for s in (step, -step))
            slopes.append((up - down) / (2 * step))
            smooth &= abs(up - 2 * formula(*wide) + down) < 1e-9
        for grads, grad in ((g, None), (None, g[:1].reshape(()))):
            found = _kernels.apply(
                kernel, input=arrays[0], target=arrays[1], other=arrays[2], grads=grads, grad=grad,
                divisor=4, **settings,
            )  # fmt: skip
            for slope, of_one in zip(slopes, found, strict=True):
                if slope is not None:
                    wanted = slope * (g.astype("f8") if grad is None else float(grad) / 4)
                    tolerance = 1e-5 if dtype == "f4" else 1e-7
                    np.testing.assert_allclose(of_one[smooth], wanted[smooth], rtol=tolerance, atol=tolerance)


@BOTH
def test_probabilities_outside_are_told(dtype):
    x, y = np.full(40_000, 0.5, dtype), np.full(40_000, 0.5, dtype)
    for place, value in ((0, 1.5), (39_999, -0.1), (35_000, np.nan)):
        for bad in (x, y):
            bad[place] = value
            assert _kernels.apply("binary_cross_entropy", input=x, target=y, divisor=1)[2] == 1
            bad[place] = 0.5


@BOTH
def test_an_infinite_gradient_stays_in_its_place(dtype):
    for kernel, name in SLOPES.items():
        _, (x, y, z), settings = operands(name, 50, dtype)
        g = np.ones(50, dtype)
        g[7] = np.inf
        found = _kernels.apply(
            kernel, input=x, target=y, other=z, grads=g, grad=None, divisor=1, **settings
        )
        assert all(np.isfinite(np.delete(each, 7)).all() for each in found)


def classes_case(shape, dtype):
    rng = np.random.default_rng(3)
    n, classes, places = shape
    x = rng.normal(size=shape).astype(dtype)
    target = rng.integers(0, classes, (n, places))
    target[rng.random((n, places)) < 0.2] = -7
    return x, target, rng.uniform(0.5, 2, classes).astype(dtype), rng.normal(size=(n, places)).astype(dtype)


@BOTH
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 1), (70, 1000, 1), (3, 4, 5), (2, 3, 40_000)])
def test_nll_and_its_backward(shape, dtype):
    x, target, weight, g = classes_case(shape, dtype)
    n, _, places = shape
    target[0, 0] = 0
    row, place = np.indices(target.shape)
    kept = target != -7
    for given in (None, weight):
        factor = np.where(kept, 1.0 if given is None else given.astype("f8")[target * kept], 0)
        expected = -x.astype("f8")[row, target * kept, place] * factor
        for mean in (0, 1):
            losses = Guarded((n, places), dtype)
            _, loss, wrong = _kernels.apply(
                "nll", input=x, target=target, weight=given, losses=losses.array, mean=mean, ignore_index=-7,
                wrong=np.array([-1, 0]),
            )  # fmt: skip
            near(losses.array, expected, dtype)
            near(loss, expected.sum() / (factor.sum() if mean else 1), dtype)
            assert wrong[0] == -1
            losses.check()
        for of_each in (True, False):
            out = Guarded(shape, dtype)
            weights = weight * 0 + 1 if given is None else given
            _kernels.apply(
                "nll_backward", target=target, weight=weights, grads=g if of_each else None,
                grad=None if of_each else g[:1, :1].reshape(()), out=out.array, mean=1, ignore_index=-7,
            )  # fmt: skip
            slope = np.zeros(shape)
            slope[row, target * kept, place] = -factor * (g if of_each else g[0, 0] / factor.sum())
            near(out.array, slope, dtype)
            out.check()


@BOTH
def test_nll_says_which_row_names_no_class(dtype):
    x, target, weight, g = classes_case((6, 10, 1), dtype)
    for bad in (10, -1, 2**62):
        target[3] = bad
        wrong = np.array([-1, 0])
        _kernels.apply("nll", input=x, target=target, mean=1, ignore_index=-7, wrong=wrong)
        assert wrong.tolist() == [3, bad]
        wrong = np.array([-1, 0])
        _kernels.apply(
            "nll_backward", target=target, weight=weight, grads=g, mean=1, ignore_index=-7, wrong=wrong
        )
        assert wrong.tolist() == [3, bad]


@pytest.mark.parametrize("name", ["binary_cross_entropy_with_logits", "huber_loss"])
def test_threads_change_no_bit(name):
    _, (x, y, _), settings = operands(name, 300_000, "f4")

    def work():
        given = {"input": x, "target": y, "divisor": 7, **settings}
        yield from _kernels.apply(name, **given)
        yield from _kernels.apply(f"{name}_backward", grads=x, grad=None, **given)

    same_by_any_threads(work)


SERVED = {
    "l1_loss": {}, "smooth_l1_loss": {}, "huber_loss": {}, "binary_cross_entropy": {},
    "binary_cross_entropy_with_logits": {}, "soft_margin_loss": {}, "kl_div": {"reduction": "batchmean"},
    "poisson_nll_loss": {}, "hinge_embedding_loss": {}, "nll_loss": {},
    "gaussian_nll_loss": {"var": tg.ones(4, 3)}, "margin_ranking_loss": {"target": tg.ones(4, 3)},
}  # fmt: skip


@pytest.mark.parametrize("name", SERVED)
def test_a_loss_with_its_defaults_is_one_kernel(name):
    x = tg.rand(4, 3)
    y = tg.tensor([0, 1, 2, 0]) if name == "nll_loss" else tg.rand(4, 3)
    *checks, last = events(lambda: getattr(tg.nn.functional, name)(x, y, **SERVED[name]))
    assert checks == (["lt", "any"] if name == "gaussian_nll_loss" else [])  # of negative variances
    assert name.removesuffix("_loss") in last


def test_slopes_at_infinity_are_those_of_the_body():
    x, y = tg.tensor([0.7], requires_grad=True), tg.tensor([0.0])
    for target in (float("inf"), float("nan")):
        loss = tg.nn.functional.margin_ranking_loss(x, y, tg.tensor([target]), reduction="sum")
        assert tg.autograd.grad(loss, x)[0].isnan().all()
    var = tg.tensor([float("inf"), 1.0])
    found = tg.nn.functional.gaussian_nll_loss(tg.zeros(2), tg.zeros(2), var, reduction="none")
    assert found.tolist() == [float("inf"), 0.0]


def test_a_target_of_another_rank_is_refused():
    x = tg.ones(1, 4)
    with pytest.raises(RuntimeError, match="same dimension"):
        tg.nn.functional.margin_ranking_loss(x, x, tg.ones(4))
