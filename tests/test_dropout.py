"""Dropout: torch's masks bit for bit, and what draws nothing."""

from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F

TORCH = np.load(Path(__file__).parent / "fixtures" / "dropout.npz")
CHANNELS = [(F.dropout1d, (2, 3, 4)), (F.dropout2d, (2, 3, 4, 4)), (F.dropout3d, (2, 3, 2, 2, 2))]
ALL = [F.dropout, F.alpha_dropout, F.feature_alpha_dropout, F.dropout1d]


def numbers(key):
    name, p, dtype, shape, order = key.split("|")
    shape, order = [[int(d) for d in each.split(",")] for each in (shape, order)]
    laid = np.arange(1, np.prod(shape) + 1, dtype=dtype).reshape([shape[d] for d in order])
    return getattr(F, name), float(p), tg.tensor(laid).permute(tuple(np.argsort(order).tolist()))


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("key", [key for key in TORCH.files if not key.endswith(".next")])
def test_masks_are_torchs(key, backend):
    function, p, x = numbers(key)
    tg.set_backend(backend)
    tg.manual_seed(7)
    np.testing.assert_array_equal(function(x, p, True).numpy(), TORCH[key])
    np.testing.assert_array_equal(tg.rand(1).numpy(), TORCH[key + ".next"])


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)
@pytest.mark.parametrize("p, training", [(0.0, True), (1.0, True), (0.5, False)], ids=["none", "all", "off"])
def test_nothing_is_drawn_when_nothing_is_left_to_chance(function, p, training):
    before = tg.get_rng_state()
    y = function(tg.ones(3, 4), p, training)
    assert (y.numpy() == (0 if p == 1 else 1)).all()
    assert (tg.get_rng_state().numpy() == before.numpy()).all()


@pytest.mark.parametrize("function, shape", CHANNELS, ids=lambda v: getattr(v, "__name__", ""))
def test_channels_go_as_a_whole(function, shape):
    y = function(tg.ones(shape), 0.5).numpy().reshape(6, -1)
    assert ((y == 0).all(1) | (y == 2).all(1)).all()


def test_gradient_is_the_mask():
    x = tg.randn(50, requires_grad=True)
    y = F.dropout(x, 0.25)
    y.sum().backward()
    kept = y.detach().numpy() != 0
    np.testing.assert_array_equal(x.grad.numpy(), np.where(kept, np.float32(1 / 0.75), 0))


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)
def test_in_place_writes_into_the_input(function):
    x = tg.ones(4, 6)
    tg.manual_seed(1)
    expected = function(tg.ones(4, 6), 0.5, True)
    tg.manual_seed(1)
    found = function(x, 0.5, True, True)
    np.testing.assert_array_equal(x.numpy(), expected.numpy())
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert x._version


@pytest.mark.parametrize("p", [-0.1, 1.1])
@pytest.mark.parametrize("function", [*ALL, F.dropout2d, F.dropout3d], ids=lambda f: f.__name__)
def test_what_is_no_probability_is_refused(function, p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        function(tg.ones(2, 3), p)


def test_integers_are_refused_before_a_draw():
    before = tg.get_rng_state().numpy().copy()
    with pytest.raises(RuntimeError, match="int64"):
        F.dropout(tg.ones(3, dtype=tg.int64))
    assert (tg.get_rng_state().numpy() == before).all()
    assert F.dropout(tg.ones(3, dtype=tg.int64), 1.0).tolist() == [0, 0, 0]


def test_unusual_ranks_are_warned_of_or_refused():
    with pytest.raises(RuntimeError, match="2D or 3D"):
        F.dropout1d(tg.ones(3))
    with pytest.warns(UserWarning, match="dropout2d"):
        F.dropout2d(tg.ones(2, 3, 4))
    with pytest.warns(UserWarning, match="dropout3d"):
        F.dropout3d(tg.ones(2, 3))
    with pytest.raises(RuntimeError, match="2 dimensions"):
        F.feature_alpha_dropout(tg.ones(3), 0.5, True)


def test_mean_and_variance_survive_alpha_dropout():
    x = F.selu(tg.randn(20000))
    y = F.alpha_dropout(x, 0.2, True).numpy()
    assert abs(y.mean() - x.numpy().mean()) < 0.03
    assert abs(y.var() - x.numpy().var()) < 0.05
