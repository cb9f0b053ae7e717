"""The softmax over parts of many classes: probabilities, their loss, and bad input."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn


def layer(**settings):
    tg.manual_seed(0)
    return nn.AdaptiveLogSoftmaxWithLoss(16, 10, [3, 6], **settings).double()


@pytest.mark.parametrize("settings", [{}, {"div_value": 2.0}, {"head_bias": True}], ids=str)
@pytest.mark.parametrize("target", [[0, 5, 9, 2, 3, 7], [0, 1], [9, 9], 4, 0], ids=str)
def test_the_output_is_the_targets_part_of_all_probabilities(settings, target):
    softmax = layer(**settings)
    target = tg.tensor(target)
    x = tg.randn(*target.shape, 16).double().requires_grad_()
    rows = x.reshape(-1, 16)
    everything = softmax.log_prob(rows)
    np.testing.assert_allclose(everything.exp().sum(1).detach().numpy(), 1)
    output, loss = softmax(x, target)
    wanted = everything.gather(1, target.reshape(-1, 1)).reshape(target.shape)
    assert output.shape == target.shape and tg.allclose(output, wanted)
    assert tg.allclose(loss, -wanted.mean())
    found, wanted = tg.autograd.grad(loss, x), tg.autograd.grad(-wanted.mean(), x)
    assert tg.allclose(found[0], wanted[0])


def test_the_probabilities_by_hand():
    softmax = layer()
    x = tg.randn(2, 16).double()
    head = x @ softmax.head.weight.mT
    head = head - head.exp().sum(1, keepdim=True).log()
    first = x @ softmax.tail[0][0].weight.mT @ softmax.tail[0][1].weight.mT
    first = first - first.exp().sum(1, keepdim=True).log() + head[:, 3:4]
    assert softmax.tail[1][0].weight.shape == (1, 16)
    assert tg.allclose(softmax.log_prob(x)[:, :6], tg.cat([head[:, :3], first], 1))


def test_the_most_probable_class_is_predicted():
    softmax = layer(head_bias=True)
    x = 5 * tg.randn(40, 16).double()
    best = softmax.log_prob(x).argmax(1)
    assert tg.equal(softmax.predict(x), best)
    assert len(set(best.tolist())) > 4
    with tg.no_grad():
        softmax.head.bias[:3] += 1000
    assert softmax.predict(x).max() < 3


def test_first_values_are_drawn_anew():
    softmax = layer()
    before = [p.detach().clone() for p in softmax.parameters()]
    softmax.reset_parameters()
    assert not any(tg.equal(a, b) for a, b in zip(before, softmax.parameters()))


@pytest.mark.parametrize("cutoffs", [[], [0, 2], [3, 2], [3, 3], [3, 10], [2.5]], ids=str)
def test_cutoffs_part_the_classes(cutoffs):
    with pytest.raises(ValueError, match="cutoffs"):
        nn.AdaptiveLogSoftmaxWithLoss(16, 10, cutoffs)


@pytest.mark.parametrize(
    "shape, target, says",
    [
        ((2, 16), [0, 10], "from 0 to 9, not from 0 to 10"),
        ((2, 16), [0, -1], "not from -1 to 0"),
        ((2, 16), [0], r"there are \(1,\), not \(2, 16\)"),
        ((2, 16), 0, r"there are \(\), not \(2, 16\)"),
        ((2, 16), [[0, 1]], r"\(N\) or \(\), not \(1, 2\)"),
    ],
)
def test_targets_fit_the_input(shape, target, says):
    with pytest.raises(RuntimeError, match=says):
        layer()(tg.ones(*shape).double(), tg.tensor(target))
