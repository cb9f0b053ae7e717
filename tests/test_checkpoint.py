"""Checkpoints: the same gradients with less kept, each draw twice, each hook once, and bad input."""

import contextlib
import weakref

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
)

BOTH = pytest.mark.parametrize("reentrant", [True, False])


def model():
    tg.manual_seed(0)
    first = nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh()
    return nn.Sequential(*first, nn.Linear(4, 3), nn.Dropout(0.5), nn.Tanh())


def trained(call):
    """What `call(model, x)` gives, all gradients, and the next random number."""
    net = model()
    x = tg.randn(5, 3, requires_grad=True)
    y = call(net, x)
    y.square().sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in net.parameters()), tg.rand(1)]


@BOTH
@pytest.mark.parametrize(
    "call",
    [
        lambda net, x, r: checkpoint(net, x, use_reentrant=r),
        lambda net, x, r: checkpoint_sequential(net, 3, x, use_reentrant=r),
        lambda net, x, r: checkpoint_sequential(list(net), 1, x, use_reentrant=r),
        lambda net, x, r: checkpoint(lambda x: checkpoint(net, x * 1, use_reentrant=r), x, use_reentrant=r),
    ],
    ids=["whole", "segments", "one segment", "nested"],
)
def test_gradients_are_those_without(call, reentrant):
    wanted = trained(lambda net, x: net(x))
    found = trained(lambda net, x: call(net, x, reentrant))
    for a, b in zip(found, wanted, strict=True):
        assert tg.equal(a, b)


@BOTH
def test_what_is_computed_on_the_way_is_not_kept(reentrant):
    seen = []

    def function(x):
        y = x.exp()
        seen.append(weakref.ref(y))
        return y.exp()

    x = tg.ones(2, requires_grad=True)
    out = checkpoint(function, x, use_reentrant=reentrant)
    assert [ref() for ref in seen] == [None]
    out.sum().backward()
    assert len(seen) == 2


def test_gradients_of_gradients_and_grad():
    layer = nn.Linear(3, 3).double()
    x = tg.randn(2, 3).double().requires_grad_()

    def function(x):
        return layer(x).tanh() * x

    assert tg.autograd.gradcheck(lambda x: checkpoint(function, x, use_reentrant=False), (x,))
    assert tg.autograd.gradgradcheck(lambda x: checkpoint(function, x, use_reentrant=False), (x,))
    found = tg.autograd.grad(checkpoint(function, x, use_reentrant=False).sum(), [x, layer.weight])
    wanted = tg.autograd.grad(function(x).sum(), [x, layer.weight])
    assert all(tg.allclose(a, b) for a, b in zip(found, wanted))
    assert layer.weight.grad is None


def test_parameters_get_gradients_though_no_argument_needs_one():
    layer = nn.Linear(3, 2)
    checkpoint(layer, tg.ones(1, 3), use_reentrant=False).sum().backward()
    assert layer.weight.grad.tolist() == [[1] * 3] * 2
    with pytest.warns(UserWarning, match="None of the inputs"):
        out = checkpoint(layer, tg.ones(1, 3), use_reentrant=True)
    assert not out.requires_grad


def test_nests_go_in_and_come_out():
    x, scale = tg.tensor([2.0], requires_grad=True), tg.tensor([3.0], requires_grad=True)

    def function(parts, *, scale):
        return {"product": parts["x"] * scale, "place": [parts["x"].argmax()], "same": 5}

    out = checkpoint(function, {"x": x}, scale=scale, use_reentrant=False)
    assert out["same"] == 5 and not out["place"][0].requires_grad
    out["product"].backward()
    assert x.grad.tolist() == [3] and scale.grad.tolist() == [2]


def test_hooks_see_each_gradient_once():
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.register_hook(lambda g: 2 * g)
    x = tg.ones(1, 2, requires_grad=True)
    x.register_hook(lambda g: 3 * g)
    checkpoint(layer, x, use_reentrant=False).sum().backward()
    assert layer.weight.grad.tolist() == [[2, 2], [2, 2]]
    assert tg.allclose(x.grad, 3 * layer.weight.detach().sum(0))


def test_what_has_a_history_is_an_argument():
    x = tg.ones(2, requires_grad=True)
    other = x * 2
    with pytest.raises(CheckpointError, match="MulBackward0 gave"):
        checkpoint(lambda x: x * other, x, use_reentrant=False)
    checkpoint(lambda x, other: x * other, x, other, use_reentrant=False).sum().backward()
    assert x.grad.tolist() == [4, 4]
    with pytest.raises(CheckpointError, match="MulBackward0 gave"):  # in a checkpoint within another too
        checkpoint(
            lambda x: (lambda y: checkpoint(lambda x: x * y, x, use_reentrant=False))(x * 2),
            x,
            use_reentrant=False,
        )


@pytest.mark.parametrize("preserve", [True, False])
def test_random_numbers_are_drawn_again(preserve):
    x = tg.ones(100, requires_grad=True)
    drop = lambda x: nn.functional.dropout(x, 0.5)
    y = checkpoint(drop, x, use_reentrant=False, preserve_rng_state=preserve)
    before = tg.get_rng_state()
    y.sum().backward()
    assert tg.equal(x.grad, y.detach()) == preserve
    assert tg.equal(before, tg.get_rng_state()) == preserve


def test_contexts_for_both_calls():
    seen = []

    @contextlib.contextmanager
    def noting(word):
        seen.append(word)
        yield

    x = tg.ones(2, requires_grad=True)
    contexts = lambda: (noting("first"), noting("again"))
    checkpoint(tg.exp, x, use_reentrant=False, context_fn=contexts).sum().backward()
    assert seen == ["first", "again"]


def changing(*results):
    """A function that gives something else each time."""
    calls = iter(results)
    return lambda x: next(calls)(x)


def test_a_second_result_that_is_another_is_noticed():
    a, b = (tg.ones(2, requires_grad=True) for _ in range(2))
    x = tg.ones(2, requires_grad=True)
    out = checkpoint(changing(lambda x: x * 2, lambda x: x[:1]), x, use_reentrant=False)
    with pytest.raises(CheckpointError, match=r"\(2,\).*\(1,\)"):
        out.sum().backward()
    out = checkpoint(changing(lambda x: x * a, lambda x: x * b), x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="other parameters"):
        out.sum().backward()
    out = checkpoint(
        changing(lambda x: x * a, lambda x: x * b), x, use_reentrant=False, determinism_check="none"
    )
    out.sum().backward()
    assert x.grad.tolist() == [1, 1] and a.grad is None


def test_an_argument_that_was_changed_is_noticed():
    x = tg.ones(2, requires_grad=True)
    y = x * 1
    out = checkpoint(tg.exp, y, use_reentrant=False)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_nothing_is_recorded_where_nothing_is_asked():
    x = tg.ones(2, requires_grad=True)
    with tg.no_grad():
        assert not checkpoint(tg.exp, x, use_reentrant=False).requires_grad
    assert checkpoint(lambda x: x.argmax(), x, use_reentrant=False).item() == 0
    out = checkpoint(tg.exp, x, use_reentrant=False).sum()
    out.backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()


def test_anomaly_detection_goes_on_inside():
    x = tg.zeros(1, requires_grad=True)
    with tg.autograd.detect_anomaly():
        out = checkpoint(lambda x: x.sqrt() * 0, x, use_reentrant=False)
        assert tg.is_anomaly_enabled()
        with pytest.raises(RuntimeError, match="nan"):
            out.sum().backward()
    assert not tg.is_anomaly_enabled()


@pytest.mark.parametrize(
    "do, error, says",
    [
        (lambda x: checkpoint(tg.exp, x, use_reentrant=True, scale=1), ValueError, "scale"),
        (lambda x: checkpoint(tg.exp, x, use_reentrant=True, debug=True), ValueError, "debug"),
        (
            lambda x: checkpoint(tg.exp, x, use_reentrant=False, determinism_check="all"),
            ValueError, "'none', not 'all'",
        ),
        (lambda x: checkpoint_sequential([tg.exp], 1, x, use_reentrant=False, debug=1), ValueError, "debug"),
        (lambda x: checkpoint(lambda x: 1 / 0, x, use_reentrant=False), ZeroDivisionError, "zero"),
        (lambda x: detach_variable([x]), RuntimeError, "a tuple, not list"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(do, error, says):
    with pytest.raises(error, match=says):
        do(tg.ones(2, requires_grad=True))


def test_which_of_both_is_to_be_said():
    x = tg.ones(2, requires_grad=True)
    for do in (lambda: checkpoint(tg.exp, x), lambda: checkpoint_sequential([tg.exp], 1, x)):
        with pytest.warns(UserWarning, match="use_reentrant"):
            do()
