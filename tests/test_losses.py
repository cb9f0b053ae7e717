"""Losses: numbers worked out on paper, extremes, PyTorch's old arguments, and what is refused."""

import itertools
import math

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)
LN2 = math.log(2)


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def either_path(request):
    with tg.backend(request.param):
        yield


def near(found, expected, **tolerance):
    np.testing.assert_allclose(found.detach().numpy(), expected, **{"rtol": 1e-6, "atol": 1e-7, **tolerance})


def log_softmax(x, axis=-1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


# ---------------------------------------------------------------------------- reductions


def test_reductions():
    x, y = tg.tensor([1.0, 2.0, 3.0]), tg.tensor([1.0, 4.0, 7.0])
    near(F.mse_loss(x, y), 20 / 3)
    near(F.mse_loss(x, y, reduction="sum"), 20)
    near(F.mse_loss(x, y, reduction="none"), [0, 4, 16])
    for loss in (
        F.mse_loss,
        F.l1_loss,
        F.smooth_l1_loss,
        F.huber_loss,
        F.soft_margin_loss,
        F.hinge_embedding_loss,
    ):
        with pytest.raises(ValueError, match="abc is not a valid value for reduction"):
            loss(x, y, reduction="abc")


@pytest.mark.parametrize(
    "old, word",
    [
        (dict(size_average=False), "sum"),
        (dict(size_average=True), "mean"),
        (dict(reduce=False), "none"),
        (dict(size_average=False, reduce=False), "none"),
        (dict(reduce=True), "mean"),
    ],
)
def test_the_two_old_flags_still_name_a_reduction(old, word):
    x, y = tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss):
        with pytest.warns(UserWarning, match=f"reduction='{word}'"):
            found = loss(x, y, **old)
        near(found, loss(x, y, reduction=word).numpy())


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
def test_unequal_shapes_are_warned_of(loss):
    with pytest.warns(UserWarning, match="different to the input size"):
        found = loss(tg.ones(2, 3), tg.zeros(3), reduction="none")
    assert found.shape == (2, 3)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError):
        loss(tg.ones(2, 3), tg.zeros(2))


def test_weights_of_elements():
    x, y, w = tg.zeros(2, 3), tg.full((2, 3), 2.0), tg.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    near(F.mse_loss(x, y, weight=w), 4)
    near(F.mse_loss(x, y, weight=w, reduction="sum"), 48)
    near(F.l1_loss(x, y, weight=w), 2)
    near(F.huber_loss(x, y, weight=w), 3)
    with pytest.raises(ValueError, match="same size"):
        F.mse_loss(x, y, weight=w[0])


def test_nothing_has_the_mean_nan_and_the_sum_zero():
    empty = tg.ones(0)
    assert math.isnan(F.mse_loss(empty, empty).item())
    assert F.mse_loss(empty, empty, reduction="sum").item() == 0
    rows, numbers = tg.ones(0, 3), tg.ones(0, dtype=tg.int64)
    assert math.isnan(F.cross_entropy(rows, numbers).item())
    assert F.cross_entropy(rows, numbers, reduction="sum").item() == 0
    assert math.isnan(F.cross_entropy(rows, rows).item())


# ---------------------------------------------------------------------------- cross entropy


def test_cross_entropy_of_even_scores_is_the_logarithm_of_their_number():
    near(F.cross_entropy(tg.zeros(3, 4), tg.tensor([0, 1, 2])), math.log(4))
    near(
        F.cross_entropy(tg.zeros(5, 4, 2), tg.zeros(5, 2, dtype=tg.int64), reduction="none"),
        np.full((5, 2), math.log(4)),
    )
    near(F.cross_entropy(tg.zeros(4), tg.tensor(2)), math.log(4))


def test_cross_entropy_survives_huge_scores():
    x = tg.tensor([[1e4, -1e4], [1e4, -1e4]], requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor([0, 1]), reduction="none")
    near(loss, [0, 2e4])
    loss.sum().backward()
    near(x.grad, [[0, 0], [1, -1]])


def test_cross_entropy_with_weights_and_smoothing_by_its_formula():
    x, t, w = rng.standard_normal((6, 4)), np.array([0, 3, 1, 1, -100, 2]), np.array([0.5, 1.0, 2.0, 3.0])
    logs, kept = log_softmax(x), t >= 0
    right = -logs[np.arange(6), np.where(kept, t, 0)] * w[np.where(kept, t, 0)] * kept
    every = -(logs * w).sum(1) * kept
    total = (w[np.where(kept, t, 0)] * kept).sum()
    smoothed = 0.7 * right + 0.3 / 4 * every
    arguments = tg.tensor(x), tg.tensor(t), tg.tensor(w)
    near(F.cross_entropy(*arguments), right.sum() / total)
    near(F.cross_entropy(*arguments, label_smoothing=0.3), smoothed.sum() / total)
    near(F.cross_entropy(*arguments, label_smoothing=0.3, reduction="none"), smoothed)


def test_class_numbers_and_their_probabilities_say_the_same():
    x, t = rng.standard_normal((5, 4, 3)), rng.integers(0, 4, (5, 3))
    sure = np.moveaxis(np.eye(4)[t], -1, 1)
    for settings in ({}, {"reduction": "sum"}, {"label_smoothing": 0.2, "reduction": "sum"}):
        numbers = F.cross_entropy(tg.tensor(x), tg.tensor(t), **settings)
        probabilities = F.cross_entropy(tg.tensor(x), tg.tensor(sure), **settings)
        near(numbers, probabilities.numpy())


def test_ignored_targets_count_for_nothing():
    x = tg.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor([1, -100, 2]))
    near(loss, F.cross_entropy(x[[0, 2]], tg.tensor([1, 2])).detach().numpy())
    loss.backward()
    assert (x.grad.numpy()[1] == 0).all()
    near(F.cross_entropy(x, tg.tensor([1, 0, 2]), ignore_index=0), loss.detach().numpy())
    assert math.isnan(F.cross_entropy(x, tg.tensor([-100] * 3)).item())
    assert F.cross_entropy(x, tg.tensor([-100] * 3), reduction="sum").item() == 0


@pytest.mark.parametrize("bad", [4, -1, 1000, -101])
def test_a_target_that_is_no_class_is_refused(bad):
    t = tg.tensor([0, bad, 2])
    for loss in (F.cross_entropy, F.nll_loss):
        for x in (tg.ones(3, 4), tg.ones(3, 4).double()):
            with pytest.raises(IndexError, match=f"Target {bad} is out of bounds"):
                loss(x, t)
    with pytest.raises(IndexError):
        F.cross_entropy(tg.ones(1, 4, 3), t[None])


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: F.cross_entropy(tg.ones(2, 3), tg.tensor([1, 1, 1])), ValueError, "batch_size"),
        (lambda: F.cross_entropy(tg.ones(2, 3), tg.ones(2)), RuntimeError, "dtype"),
        (
            lambda: F.cross_entropy(tg.ones(2, 3), tg.ones(2, 3, dtype=tg.int64)),
            RuntimeError,
            "probabilities",
        ),
        (lambda: F.cross_entropy(tg.ones(2, 3), tg.ones(2, 3), ignore_index=1), RuntimeError, "ignore_index"),
        (
            lambda: F.cross_entropy(tg.ones(2, 3), tg.tensor([1, 1]), tg.ones(2)),
            RuntimeError,
            "all 3 classes",
        ),
        (
            lambda: F.cross_entropy(tg.ones(2, 3), tg.tensor([1, 1]), label_smoothing=2.0),
            RuntimeError,
            "between",
        ),
        (lambda: F.nll_loss(tg.ones(2, 3, 4), tg.ones(2, 5, dtype=tg.int64)), RuntimeError, "target size"),
        (lambda: F.nll_loss(tg.ones(2, 3), tg.ones(2, 1, dtype=tg.int64)), RuntimeError, "multi-target"),
        (lambda: F.binary_cross_entropy(tg.ones(2), tg.ones(3)), ValueError, "size"),
        (lambda: F.binary_cross_entropy(tg.full((2,), 1.5), tg.ones(2)), RuntimeError, "between 0 and 1"),
        (
            lambda: F.binary_cross_entropy(tg.full((2,), float("nan")), tg.ones(2)),
            RuntimeError,
            "between 0 and 1",
        ),
        (lambda: F.binary_cross_entropy_with_logits(tg.ones(2), tg.ones(3)), ValueError, "size"),
        (lambda: F.smooth_l1_loss(tg.ones(2), tg.ones(2), beta=-1), RuntimeError, "beta"),
        (lambda: F.huber_loss(tg.ones(2), tg.ones(2), delta=0), RuntimeError, "delta"),
        (lambda: F.gaussian_nll_loss(tg.ones(2), tg.ones(2), -tg.ones(2)), ValueError, "negative"),
        (lambda: F.gaussian_nll_loss(tg.ones(2, 3), tg.ones(2, 3), tg.ones(3)), ValueError, "incorrect size"),
        (lambda: F.multi_margin_loss(tg.ones(2, 3), tg.tensor([1, 3])), RuntimeError, "out of range"),
        (lambda: F.multi_margin_loss(tg.ones(2, 3), tg.tensor([1, 2]), p=3), ValueError, "p == 1"),
        (lambda: F.triplet_margin_loss(tg.ones(2), tg.ones(2), tg.ones(2), margin=0), ValueError, "margin"),
        (lambda: F.kl_div(tg.tensor([1]), tg.tensor([1]), reduction="sum"), RuntimeError, "Integral"),
        (lambda: F.mse_loss(tg.tensor([1]), tg.tensor([1])), RuntimeError, "int64"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_cross_entropy_differentiates_twice():
    t = tg.tensor([0, 3, 1])
    for settings in ({}, {"reduction": "sum", "ignore_index": 3}, {"label_smoothing": 0.1}):
        x = tg.tensor(rng.standard_normal((3, 4)), requires_grad=True)
        assert gradcheck(lambda x, s=settings: F.cross_entropy(x, t, **s), [x])
        assert gradgradcheck(lambda x, s=settings: F.cross_entropy(x, t, **s), [x])


def test_cross_entropy_of_a_strided_input_is_that_of_its_copy():
    wide = tg.tensor(rng.standard_normal((6, 8)).astype("f4"))
    x, t = wide[::2, ::2], tg.tensor([0, 3, 1])
    near(F.cross_entropy(x, t), F.cross_entropy(x.contiguous(), t).numpy())


# ---------------------------------------------------------------------------- the others


def test_binary_cross_entropy_has_its_least_logarithm():
    near(F.binary_cross_entropy(tg.tensor([1.0, 0.0]), tg.tensor([0.0, 1.0]), reduction="none"), [100, 100])
    near(F.binary_cross_entropy(tg.tensor([0.5]), tg.tensor([0.3])), LN2)


def test_binary_cross_entropy_with_logits_survives_huge_scores():
    x = tg.tensor([1e4, -1e4, 0.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, tg.tensor([0.0, 0.0, 1.0]), reduction="none")
    near(loss, [1e4, 0, LN2])
    loss.sum().backward()
    near(x.grad, [1, 0, -0.5])


def test_pos_weight_counts_yes_more():
    x, y = tg.tensor([0.3, -0.7], dtype=tg.float64), tg.tensor([1.0, 0.0], dtype=tg.float64)
    plain = F.binary_cross_entropy_with_logits(x, y, reduction="none").numpy()
    weighted = F.binary_cross_entropy_with_logits(x, y, pos_weight=tg.tensor(3.0).double(), reduction="none")
    near(weighted, plain * [3, 1])


def test_smooth_losses_change_over_at_their_turning_points():
    d = tg.tensor([0.5, 1.0, 2.0], requires_grad=True)
    zero = tg.zeros(3)
    near(F.smooth_l1_loss(d, zero, reduction="none"), [0.125, 0.5, 1.5])
    near(F.smooth_l1_loss(d, zero, reduction="none", beta=0.0), [0.5, 1, 2])
    near(F.huber_loss(d, zero, reduction="none", delta=0.5), [0.125, 0.375, 0.875])
    F.smooth_l1_loss(d, zero, reduction="sum").backward()
    near(d.grad, [0.5, 1, 1])


def test_divergence_of_a_distribution_from_itself_is_zero():
    p = np.array([[0.2, 0.8], [0.0, 1.0]])
    with np.errstate(divide="ignore"):
        near(F.kl_div(tg.tensor(np.log(p.clip(1e-300))), tg.tensor(p), reduction="batchmean"), 0)
    x, y = tg.tensor([[0.0, -1.0]]), tg.tensor([[0.5, 0.5]])
    near(F.kl_div(x, y, reduction="sum"), F.kl_div(x, y.log(), reduction="sum", log_target=True).numpy())
    with pytest.warns(UserWarning, match="batch"):
        near(F.kl_div(x, y), (math.log(0.5) + 0.5) / 2)


def test_likelihoods_of_counts_and_of_normal_numbers():
    near(F.poisson_nll_loss(tg.tensor([0.5]), tg.tensor([2.0])), math.exp(0.5) - 1)
    stirling = 2 * math.log(2) - 2 + 0.5 * math.log(4 * math.pi)
    near(F.poisson_nll_loss(tg.tensor([0.5]), tg.tensor([2.0]), full=True), math.exp(0.5) - 1 + stirling)
    near(F.poisson_nll_loss(tg.tensor([0.5]), tg.tensor([1.0]), full=True), math.exp(0.5) - 0.5)
    var = tg.tensor([[0.0], [4.0]], requires_grad=True)
    loss = F.gaussian_nll_loss(tg.zeros(2, 1), tg.full((2, 1), 2.0), var, reduction="none", full=True)
    constant = 0.5 * math.log(2 * math.pi)
    near(loss, [[0.5 * (math.log(1e-6) + 4e6) + constant], [0.5 * (math.log(4) + 1) + constant]])
    loss.sum().backward()
    near(var.grad, [[0.5 * (1e6 - 4e12)], [0.0]], atol=1e-6)
    near(F.gaussian_nll_loss(tg.zeros(2, 3), tg.ones(2, 3), tg.ones(2)), 0.5)


def test_margins():
    x = tg.tensor([[0.1, 0.2, 0.4, 0.8]])
    near(F.multi_margin_loss(x, tg.tensor([3])), (0.3 + 0.4 + 0.6) / 4)
    near(F.multi_margin_loss(x, tg.tensor([3]), p=2), (0.09 + 0.16 + 0.36) / 4)
    # torch's documentation: 0.25 * ((1-(0.1-0.2)) + (1-(0.1-0.4)) + (1-(0.8-0.2)) + (1-(0.8-0.4)))
    near(F.multilabel_margin_loss(x, tg.tensor([[3, 0, -1, 1]])), 0.85)
    near(F.multilabel_margin_loss(x, tg.tensor([[-1, 0, 0, 0]])), 0)
    near(F.multilabel_soft_margin_loss(tg.zeros(2, 3), tg.ones(2, 3), reduction="none"), [LN2, LN2])
    near(
        F.hinge_embedding_loss(tg.tensor([0.3, 0.3, 2.0]), tg.tensor([1, -1, -1]), reduction="none"),
        [0.3, 0.7, 0],
    )
    near(F.margin_ranking_loss(tg.tensor([1.0]), tg.tensor([3.0]), tg.tensor([-1]), margin=0.5), 0)
    near(F.soft_margin_loss(tg.tensor([0.0]), tg.tensor([1.0])), LN2)


def test_cosine_embedding():
    x, y = tg.tensor([[3.0, 4.0], [1.0, 0.0]]), tg.tensor([[3.0, 4.0], [1.0, 1.0]])
    near(F.cosine_embedding_loss(x, y, tg.tensor([1, -1]), reduction="none"), [0, math.sqrt(0.5)], atol=1e-6)
    near(F.cosine_embedding_loss(x, y, tg.tensor([-1, -1]), 0.9, reduction="none"), [0.1, 0], atol=1e-6)
    with pytest.raises(RuntimeError, match="1D"):
        F.cosine_embedding_loss(x, y, tg.tensor(1))


def test_triplets():
    a, p, n = tg.tensor([[0.0, 0.0]]), tg.tensor([[3.0, 4.0]]), tg.tensor([[0.0, 1.0]])
    near(F.triplet_margin_loss(a, p, n, eps=0), 1 + 5 - 1)
    near(F.triplet_margin_loss(a, n, p, eps=0), 0)
    near(F.triplet_margin_loss(a, p, n, margin=2, swap=True, p=1, eps=0), 2 + 7 - 1)
    city = F.triplet_margin_with_distance_loss(a, p, n, distance_function=lambda x, y: (x - y).abs().sum(-1))
    near(city, 1 + 7 - 1)


def test_gradient_at_a_margin_that_is_just_kept_is_torchs():
    x = tg.tensor([[0.0, 1.0]], requires_grad=True)
    F.multi_margin_loss(x, tg.tensor([1])).backward()
    assert x.grad.tolist() == [[0, 0]]
    y = tg.tensor([1.0], requires_grad=True)
    F.margin_ranking_loss(y, tg.tensor([1.0]), tg.tensor([1.0])).backward()
    assert y.grad.tolist() == [-1]


# ---------------------------------------------------------------------------- tables


def test_embedding_gathers_rows_and_adds_gradients_up():
    w = tg.tensor(rng.standard_normal((5, 3)), requires_grad=True)
    index = tg.tensor([[1, 1], [4, 1]])
    y = F.embedding(index, w, padding_idx=4)
    near(y, w.detach().numpy()[index.numpy()])
    y.sum().backward()
    near(w.grad, [[0] * 3, [3] * 3, [0] * 3, [0] * 3, [0] * 3])
    w.grad = None
    F.embedding(index, w, scale_grad_by_freq=True).sum().backward()
    near(w.grad, [[0] * 3, [1] * 3, [0] * 3, [0] * 3, [1] * 3])


def test_embedding_shortens_long_rows_in_place():
    w = tg.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], requires_grad=True)
    F.embedding(tg.tensor([0, 1]), w, max_norm=1.0)
    near(w.detach(), [[0.6, 0.8], [0.3, 0.4], [6, 8]], atol=1e-6)


@pytest.mark.parametrize("bad", [5, -1])
def test_embedding_refuses_what_is_no_row(bad):
    with pytest.raises(IndexError, match="out of range"):
        F.embedding(tg.tensor([0, bad]), tg.ones(5, 2))
    with pytest.raises(RuntimeError, match="Long"):
        F.embedding(tg.ones(2), tg.ones(5, 2))
    with pytest.raises(RuntimeError, match="2-D"):
        F.embedding(tg.tensor([0]), tg.ones(5))


@pytest.mark.parametrize("mode, reduce", [("sum", np.sum), ("mean", np.mean), ("max", np.max)])
def test_bags(mode, reduce):
    w = tg.tensor(rng.standard_normal((6, 3)), requires_grad=True)
    table, index, offsets = w.detach().numpy(), [1, 2, 2, 5, 0], [0, 2, 2]
    y = F.embedding_bag(tg.tensor(index), w, tg.tensor(offsets), mode=mode)
    near(y, [reduce(table[[1, 2]], 0), np.zeros(3), reduce(table[[2, 5, 0]], 0)])
    assert gradcheck(lambda w: F.embedding_bag(tg.tensor(index), w, tg.tensor(offsets), mode=mode), [w])
    last = F.embedding_bag(tg.tensor(index), w, tg.tensor([0, 2, 5]), mode=mode, include_last_offset=True)
    near(last, [reduce(table[[1, 2]], 0), reduce(table[[2, 5, 0]], 0)])
    without = F.embedding_bag(tg.tensor([index]), w, mode=mode, padding_idx=2)
    near(without, [reduce(table[[1, 5, 0]], 0)])


def test_bags_refuse():
    w, flat, rows = tg.ones(6, 3), tg.tensor([1, 2]), tg.tensor([[1, 2]])
    for arguments, settings, error in (
        ((rows, w, tg.tensor([0])), {}, ValueError),
        ((flat, w), {}, ValueError),
        ((flat, w, tg.tensor([1])), {}, RuntimeError),
        ((flat, w, tg.tensor([0, 3])), {}, RuntimeError),
        ((rows, w), {"mode": "median"}, ValueError),
        ((rows, w), {"mode": "max", "scale_grad_by_freq": True}, ValueError),
        ((rows, w), {"per_sample_weights": tg.ones(1, 2)}, NotImplementedError),
        ((rows, w), {"mode": "sum", "per_sample_weights": tg.ones(2)}, ValueError),
    ):
        with pytest.raises(error) as caught:
            F.embedding_bag(*arguments, **settings)
        assert str(caught.value)


# ---------------------------------------------------------------------------- sequences


def read_off(path, blank):
    """What a path of classes says: equal neighbours are one, blanks are nothing."""
    return tuple(c for c, before in zip(path, (None, *path), strict=False) if c != before and c != blank)


@pytest.mark.parametrize("label", [(), (1,), (1, 2), (1, 1), (2, 1, 2)], ids=str)
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc_adds_up_all_paths_that_read_so(label, blank):
    logs = log_softmax(rng.standard_normal((4, 1, 4)))
    total = sum(
        math.exp(sum(logs[t, 0, c] for t, c in enumerate(path)))
        for path in itertools.product(range(4), repeat=4)
        if read_off(path, blank) == label
    )
    padded = tg.tensor([[*label, *[1] * (4 - len(label))]])
    near(F.ctc_loss(tg.tensor(logs), padded, (4,), (len(label),), blank, "sum"), -math.log(total))


def test_ctc_of_a_target_too_long_for_its_input():
    logs = tg.zeros(2, 2, 3).log_softmax(-1).requires_grad_()
    targets, lengths = tg.tensor([[1, 1], [1, 2]]), (2, 2)
    near(F.ctc_loss(logs, targets, (2, 2), lengths, reduction="none"), [math.inf, 2 * math.log(3)])
    loss = F.ctc_loss(logs, targets, (2, 2), lengths, zero_infinity=True)
    near(loss, math.log(3) / 2)
    loss.backward()
    assert np.isfinite(logs.grad.numpy()).all()
    assert (logs.grad.numpy()[:, 0] == 0).all()


def test_ctc_takes_targets_in_one_row_and_single_inputs():
    logs = tg.tensor(log_softmax(rng.standard_normal((5, 2, 4))))
    rows = F.ctc_loss(logs, tg.tensor([[1, 2], [3, 0]]), (5, 4), (2, 1), reduction="none")
    near(
        F.ctc_loss(logs, tg.tensor([1, 2, 3]), tg.tensor([5, 4]), tg.tensor([2, 1]), reduction="none"),
        rows.numpy(),
    )
    near(F.ctc_loss(logs[:, 0], tg.tensor([1, 2]), (5,), (2,), reduction="none"), rows.numpy()[0])
    for bad in (((6, 5), (2, 1)), ((5, 5), (3, 1)), ((5,), (2, 1)), ((5.0, 5.0), (2, 1))):
        with pytest.raises(RuntimeError) as caught:
            F.ctc_loss(logs, tg.tensor([[1, 2], [3, 0]]), *bad)
        assert "length" in str(caught.value)


def test_ctc_differentiates_twice_behind_log_softmax():
    x = tg.tensor(rng.standard_normal((4, 2, 3)), requires_grad=True)

    def function(x):
        return F.ctc_loss(x.log_softmax(-1), tg.tensor([[1, 1], [2, 0]]), (4, 3), (2, 1))

    assert gradcheck(function, [x])
    assert gradgradcheck(function, [x])


def test_gaussian_nll_loss_of_integers_keeps_the_fraction_of_its_variance():
    found = F.gaussian_nll_loss(tg.tensor([1, 1]), tg.tensor([1, 2]), 0.7)
    np.testing.assert_allclose(found.item(), 0.5 * math.log(0.7) + 0.25 / 0.7, rtol=1e-6)


@pytest.mark.parametrize("loss", [F.mse_loss, F.huber_loss, F.smooth_l1_loss])
def test_losses_count_truths_as_numbers(loss):
    x, truths = tg.tensor([0.5, 3.0]), tg.tensor([True, False])
    assert loss(x, truths).item() == loss(x, truths.float()).item()
    assert loss(truths, x).item() == loss(truths.float(), x).item()


def test_a_weighted_mean_of_one_element_is_divided_by_its_weight():
    one, weight = tg.tensor([1.0]), tg.tensor([4.0])
    for loss in (F.l1_loss, F.mse_loss):
        assert loss(one, one + 1, weight=weight).item() == 1.0
        assert loss(one, one + 1, weight=weight, reduction="sum").item() == 4.0
    assert F.huber_loss(one, one + 1, weight=weight).item() == 2.0      # a mean of what was weighted


@pytest.mark.parametrize("weights", [dict(pos_weight=tg.ones(3, 2)), dict(weight=tg.ones(1, 2))])
def test_weights_of_answers_do_not_make_the_loss_larger(weights):
    with pytest.raises(RuntimeError):
        F.binary_cross_entropy_with_logits(tg.zeros(2), tg.ones(2), **weights)


def test_a_target_that_is_the_blank_may_follow_another_label():
    scores = tg.ones(2, 1, 2)       # in two steps: label 1, then the blank as a label
    assert F.ctc_loss(scores, tg.tensor([[1, 0]]), (2,), (2,)).item() == -1.0


def test_counts_of_truths_are_computed_in_floats():
    found = F.poisson_nll_loss(tg.tensor([True]), tg.tensor([1.0], dtype=tg.float64))
    assert found.dtype is tg.float64
    assert found.item() == pytest.approx(math.e - 1, abs=1e-6)


def test_differences_of_truths_are_refused_in_poisson_nll_loss():
    truths, rates = tg.tensor([True, False]), tg.tensor([1.5, 2.5])
    for bad in (
        lambda: F.poisson_nll_loss(truths, truths),
        lambda: F.poisson_nll_loss(truths, rates, log_input=False),
        lambda: F.poisson_nll_loss(rates, truths, full=True),
    ):
        with pytest.raises(RuntimeError):
            bad()
    near(F.poisson_nll_loss(rates, truths, log_input=False, reduction="sum"), 4 - math.log(1.5))


def test_truths_are_no_variances():
    with pytest.raises(RuntimeError):
        F.gaussian_nll_loss(tg.zeros(2), tg.zeros(2), tg.tensor([True, True]))


@pytest.mark.parametrize("loss", [F.smooth_l1_loss, F.huber_loss])
@pytest.mark.parametrize(("point", "curvature"), [(math.nan, 0), (1, 0), (-1, 0), (math.inf, 0), (0.5, 1)])
def test_only_the_square_part_of_a_loss_is_curved(loss, point, curvature):
    x = tg.tensor([float(point), 0.25], requires_grad=True)
    (slope,) = tg.autograd.grad(loss(x, tg.zeros(2), reduction="sum"), x, create_graph=True)
    near(slope, [max(-1.0, min(point, 1.0)) if point == point else math.nan, 0.25])
    near(tg.autograd.grad(slope.sum(), x)[0], [curvature, 1])


@pytest.mark.parametrize("far", [math.inf, 1e38, math.nan])
def test_what_no_way_reads_does_not_count_in_ctc_loss(far):
    scores = tg.tensor([[[far, -1.0]]])         # in one step to label 1: not by way of the blank
    near(F.ctc_loss(scores, tg.tensor([[1]]), (1,), (1,), reduction="sum"), 1.0)
    scores = tg.tensor([[[far, -2.0]], [[-0.5, far]], [[far, -0.25]]])
    near(F.ctc_loss(scores, tg.tensor([[1, 1]]), (3,), (2,), reduction="sum"), 2.75)


def test_ctc_of_unlikely_labels_is_large_and_not_infinite():
    scores = tg.tensor([[[-1.0, -1e35]]])
    near(F.ctc_loss(scores, tg.tensor([[1]]), (1,), (1,)), 1e35)
    assert F.ctc_loss(scores, tg.tensor([[1, 1]]), (1,), (2,)).item() == math.inf
