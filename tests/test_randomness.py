"""Random tensors: what the functions promise beyond the generator's streams."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg


def test_seed_gives_pytorchs_numbers():
    tg.manual_seed(0)
    assert tg.rand(3).tolist() == pytest.approx(
        [0.49625658988952637, 0.7682217955589294, 0.08847743272781372], abs=0
    )
    tg.manual_seed(0)
    assert tg.randint(10, (5,)).tolist() == [4, 9, 3, 0, 3]
    tg.manual_seed(0)
    assert tg.randperm(5).tolist() == [4, 0, 1, 3, 2]
    tg.manual_seed(0)
    np.testing.assert_allclose(tg.randn(2).numpy(), [1.5409961, -0.2934289], rtol=3e-7)


def test_generators_have_streams_of_their_own():
    a, b = tg.Generator().manual_seed(5), tg.Generator().manual_seed(5)
    tg.manual_seed(1)
    before = tg.get_rng_state()
    assert tg.rand(4, generator=a).tolist() == tg.rand(4, generator=b).tolist()
    assert (tg.get_rng_state() == before).all()


def test_state_continues_the_stream():
    tg.manual_seed(3)
    tg.rand(7)
    state = tg.get_rng_state()
    first = tg.randn(9).tolist()
    tg.set_rng_state(state)
    assert tg.randn(9).tolist() == first


@pytest.mark.parametrize("shape", [(), (0,), (3, 4)])
def test_every_shape_can_be_drawn(shape):
    p = tg.full(shape, 1.0)
    assert tg.bernoulli(p).shape == shape
    assert (tg.bernoulli(p) == 1).all()
    assert (tg.empty(shape).bernoulli_(p) == 1).all()
    assert tg.rand(shape).shape == tg.randn(shape).shape == shape
    assert tg.normal(p, 1.0).shape == shape


def test_strided_tensors_are_filled_in_place():
    x = tg.zeros(4, 6)
    x[:, ::2].uniform_(1, 2)
    assert (x[:, ::2] >= 1).all()
    assert (x[:, 1::2] == 0).all()


def test_what_can_not_be_drawn_is_refused():
    with pytest.raises(RuntimeError, match="less than"):
        tg.randint(3, 3, (2,))
    with pytest.raises(RuntimeError, match="std"):
        tg.normal(0.0, -1.0, (2,))
    with pytest.raises(RuntimeError, match="float"):
        tg.rand(2, dtype=tg.int64)
    with pytest.raises(RuntimeError, match="p"):
        tg.empty(2).bernoulli_(1.5)
    with pytest.raises(TypeError, match="Generator"):
        tg.rand(2, generator=3)
    with pytest.raises(RuntimeError, match="leaf"):
        tg.ones(2, requires_grad=True).uniform_()
    with pytest.raises(RuntimeError):
        tg.multinomial(tg.tensor([1.0, -1.0]), 1)
    with pytest.raises(RuntimeError, match="without replacement"):
        tg.multinomial(tg.ones(2), 3)


def test_multinomial_follows_the_weights():
    tg.manual_seed(0)
    drawn = tg.multinomial(tg.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]), 4000, replacement=True)
    assert (drawn[0] == 1).all()
    assert set(drawn[1].tolist()) == {0, 2}
    assert (drawn[1] == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


DRAWS = {
    "uniform_": lambda t: t.uniform_(),
    "normal_": lambda t: t.normal_(),
    "random_": lambda t: t.random_(0, 100),
    "bernoulli_": lambda t: t.bernoulli_(0.5),
    "bernoulli_ of a tensor": lambda t: t.bernoulli_(tg.full(t.shape, 0.5)),
    "exponential_": lambda t: t.exponential_(),
    "geometric_": lambda t: t.geometric_(0.5),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_permuted_tensor_is_filled_in_the_order_of_its_memory(draw):
    tg.manual_seed(0)
    wanted = draw(tg.zeros(2, 3, 2)).permute(2, 0, 1)
    tg.manual_seed(0)
    assert draw(tg.zeros(2, 3, 2).permute(2, 0, 1)).tolist() == wanted.tolist()


@pytest.mark.parametrize("like", [tg.rand_like, tg.randn_like, lambda t: tg.randint_like(t, 9)])
def test_numbers_like_a_permuted_tensor_lie_as_it_does(like):
    tg.manual_seed(0)
    wanted = like(tg.zeros(2, 3)).t()
    tg.manual_seed(0)
    found = like(tg.zeros(2, 3).t())
    assert found.tolist() == wanted.tolist() and found.stride() == (1, 3)


def test_poisson_and_binomial_follow_their_laws():
    tg.manual_seed(0)
    for rate in (0.5, 7.0, 40.0):
        drawn = tg.poisson(tg.full((20000,), rate, dtype=tg.float64))
        assert drawn.mean().item() == pytest.approx(rate, rel=0.03)
        assert drawn.var().item() == pytest.approx(rate, rel=0.06)
    for count, p in ((10.0, 0.2), (100.0, 0.3), (100.0, 0.9)):
        drawn = tg.binomial(tg.full((20000,), count, dtype=tg.float64), tg.tensor(p, dtype=tg.float64))
        assert drawn.mean().item() == pytest.approx(count * p, rel=0.02)
        assert drawn.var().item() == pytest.approx(count * p * (1 - p), rel=0.06)


def test_poisson_and_binomial_at_their_ends():
    assert tg.poisson(tg.tensor([0.0, float("inf")])).tolist() == [0.0, float("inf")]
    nan = float("nan")
    found = tg.binomial(tg.tensor([5.0, 5.0, -1.0, 5.0, nan]), tg.tensor([0.0, 1.0, 0.5, nan, 0.5]))
    np.testing.assert_array_equal(found, [0.0, 5.0, 0.0, nan, nan])
    for call in (lambda: tg.poisson(tg.tensor([1.0, -1.0])), lambda: tg.poisson(tg.tensor([nan]))):
        state = tg.get_rng_state()
        with pytest.raises(RuntimeError, match="non-negative"):
            call()
        assert tg.equal(state, tg.get_rng_state())
    with pytest.raises(NotImplementedError):
        tg.poisson(tg.tensor([1]))
    with pytest.raises(ValueError):
        tg.binomial(tg.tensor([1]), tg.tensor([0.5]))
    with pytest.raises(RuntimeError):
        tg.binomial(tg.tensor([1.0]), tg.tensor([0.5]).double())


def test_what_counts_are_drawn_from_gets_a_gradient_of_zero():
    rate, count, p = (tg.full((3,), v, requires_grad=True) for v in (4.0, 9.0, 0.5))
    (tg.poisson(rate) + tg.binomial(count, p)).sum().backward()
    assert not any(t.grad.any() for t in (rate, count, p))
