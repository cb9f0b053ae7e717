"""What the networks in examples/ promise; tests/test_tutorial.py runs each script as a whole."""

import math

import numpy as np

import cart_pole
import digits_by_convolution
import digits_from_noise
import late_trains
import letters
import letters_by_attention
import tensorgrad as tg


def test_convolutions_read_more_digits_of_other_people():
    plain, convolutional = digits_by_convolution.compare(epochs=6)
    assert 0.8 < plain < convolutional
    assert convolutional > 0.92


def test_the_writer_learns_and_its_state_stands_for_what_it_has_read():
    model, losses = letters.train(steps=60)
    assert losses[0] > 6 and sum(losses[-10:]) / 10 < 4
    text = letters.numbers("The objects")[None]
    whole, _ = model(text)
    first, state = model(text[:, :5])
    second, _ = model(text[:, 5:], state)
    found = letters.tg.cat([first, second], 1).detach()
    np.testing.assert_allclose(found, whole.detach(), rtol=1e-4, atol=1e-5)
    assert letters.write(model, "In ", 20).startswith("In ") and len(letters.write(model, "In ", 20)) == 23


def test_the_gpt_learns_and_sees_nothing_of_what_it_guesses():
    model, losses = letters_by_attention.train(steps=30)
    assert losses[0] > 5 and sum(losses[-10:]) / 10 < 4.7
    text = letters.numbers("The objects in a")[None]
    changed = text.clone()
    changed[0, 10:] = 0
    before, after = model(text).detach(), model(changed).detach()
    np.testing.assert_allclose(before[0, :10], after[0, :10], rtol=1e-4, atol=1e-5)
    assert not tg.allclose(before[0, 10:], after[0, 10:])
    assert len(letters_by_attention.write(model, "In ", 60)) == 63


def test_a_cart_is_pushed_as_mechanics_say():
    still = tg.zeros(2, 4)
    state, over = cart_pole.push(still, tg.tensor([True, False]))
    assert tg.equal(state[0], -state[1]) and not over.any()
    assert state[0].tolist()[:1] == [0.0] and state[0, 1] > 0 > state[0, 3]
    # with the pole upright: (4/3 l - m l / M) turn = -F / M, and gain = (F - m l turn) / M
    turn = -(10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    assert math.isclose(state[0, 3].item(), 0.02 * turn, rel_tol=1e-5)
    assert math.isclose(state[0, 1].item(), 0.02 * (10 / 1.1 - 0.05 * turn / 1.1), rel_tol=1e-5)
    leaning = tg.tensor([[0.0, 0.0, 0.22, 0.0], [2.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.1, 0.0]])
    assert cart_pole.push(leaning, tg.tensor([True] * 3))[1].tolist() == [True, True, False]


def test_the_player_keeps_the_pole_up_longer_and_longer():
    _, lasted = cart_pole.learn(updates=120)
    tenth = len(lasted) // 10
    assert sum(lasted[-tenth:]) > 2 * sum(lasted[:tenth])
    assert max(lasted) <= cart_pole.LONGEST


def test_the_autoencoder_learns_and_its_drawings_have_ink():
    model, losses = digits_from_noise.train(epochs=6)
    assert losses[-1] < losses[0] - 4
    images = digits_from_noise.draw(model)
    assert images.shape == (5, 8, 8)
    assert 0 <= images.min() and images.max() <= 1
    assert images[:, :, 0].mean() < 0.1 < images.mean()  # ink is in the middle


def test_the_late_trains_are_guessed_by_a_rule_that_was_not_told(tmp_path):
    late_trains.write_tables(tmp_path)
    model, table, known, other = late_trains.train(tmp_path)
    assert len(table) == 3000 and set(table.words) == {"line", "weather", "day", "hour"}
    assert table.numbers.shape == (3000, 2) and table.classes == ["no", "yes"]
    assert 0.9 < other < 0.97 and known < 0.98  # one row in twenty is wrong, and not learned by heart
    assert late_trains.train(tmp_path, words=("weather",), epochs=5)[3] < 0.85
    lines = dict(zip(table.words["line"], model.points[0].weight.detach()[1:]))
    above, below = (
        tg.stack([lines[name] for name, tunnel in late_trains.LINES.items() if tunnel == side])
        for side in (False, True)
    )
    spread = tg.cat([above - above.mean(0), below - below.mean(0)]).norm(dim=1).mean()
    assert (above.mean(0) - below.mean(0)).norm() > 2 * spread
