"""Whose memory a gradient has: what only a backward holds becomes `.grad`, what others hold stays."""

import pytest

import tensorgrad as tg
from tensorgrad import profiler

x0 = [1.0, 2.0, 3.0]


def leaf():
    return tg.tensor(x0, requires_grad=True)


def test_a_gradient_that_a_hook_kept_stays_as_it_was():
    for where in ("leaf", "inner"):
        x, kept = leaf(), []
        inner = x * 2
        (x if where == "leaf" else inner).register_hook(lambda g, kept=kept: kept.append(g))
        (inner * 3).sum().backward()
        before = kept[0].clone()
        (x * 5).sum().backward()
        x.grad.zero_()
        assert tg.equal(kept[0], before)


def test_gradients_that_a_nodes_hooks_kept_stay_as_they_were():
    x, kept = leaf(), []
    y = x.exp()
    y.grad_fn.register_hook(lambda inputs, outputs: kept.extend((*inputs, *outputs)))
    y.grad_fn.register_prehook(lambda outputs: kept.extend(outputs))
    (y * 3 + y * 4).sum().backward()
    before = [each.clone() for each in kept]
    (x * 5).sum().backward()
    x.grad.mul_(0)
    assert len(kept) == 3 and all(tg.equal(a, b) for a, b in zip(kept, before, strict=True))


class Cached(tg.autograd.Function):
    """Gives the same tensor as its gradient every time."""

    kept = None

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        Cached.kept = tg.full((3,), 7.0) if Cached.kept is None else Cached.kept
        return Cached.kept


def test_a_gradient_that_a_function_kept_stays_as_it_was():
    Cached.kept = None
    x = leaf()
    for _ in range(3):
        (Cached.apply(x) + Cached.apply(x)).sum().backward()
    assert Cached.kept.tolist() == [7.0] * 3
    assert x.grad.tolist() == [42.0] * 3


def test_the_gradient_that_a_caller_gave_stays_as_it_was():
    given = tg.tensor([1.0, 1.0, 1.0])
    for make in (lambda x: x + 0, lambda x: x + x, lambda x: x.view(3), lambda x: x.clone(), lambda x: x - x):
        x = leaf()
        make(x).backward(given)
        x.grad.add_(10)
        (x * 2).sum().backward()
        assert given.tolist() == [1.0] * 3


@pytest.mark.parametrize("make", [lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x.view(3) + y.view(3)])
def test_two_leaves_do_not_get_the_same_gradient(make):
    x, y = leaf(), leaf()
    (make(x, y) * 2).sum().backward()
    was = y.grad.clone()
    x.grad.zero_()
    assert tg.equal(y.grad, was)


def test_gradients_that_were_asked_for_are_the_callers():
    x = leaf()
    y = x * 2
    first, second = tg.autograd.grad((y * y).sum(), (x, y))
    before = first.clone(), second.clone()
    (x * 3).sum().backward()
    x.grad.zero_()
    assert tg.equal(first, before[0]) and tg.equal(second, before[1])


def events_of(step):
    with tg.backend("kernels"):
        step()
        with profiler.profile() as found:
            step()
    return [each.name for each in found.events()]


def test_what_only_the_backward_holds_is_not_copied():
    x = tg.rand(50, 40).requires_grad_()
    w, b = tg.rand(40, 30).requires_grad_(), tg.rand(30).requires_grad_()

    def step():
        x.grad = w.grad = b.grad = None
        y = (x @ w + b).relu()
        (y * 2 + y * 3).sum().backward()

    assert not [name for name in events_of(step) if "copy" in name]
