"""What the scripts in examples/ promise. Each is also run as a whole."""

import importlib
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import chain_rule
import finite_differences
import first_gradient
import vanishing_gradient
import xor_by_hand
import xor_seeds

EXAMPLES = Path(__file__).parents[1] / "examples"

# What takes minutes without kernels; all else trains on both backends.
many_trainings = pytest.mark.skipif(
    os.environ.get("TENSORGRAD_BACKEND") == "numpy", reason="many steps, which kernels make in seconds"
)
LONG = {"xor_by_hand", "xor_seeds", "letters_by_attention"}
SCRIPTS = [
    pytest.param(path.stem, marks=many_trainings if path.stem in LONG else ())
    for path in sorted(EXAMPLES.glob("*.py"))
]


# 1. XOR by hand


def test_the_tape_follows_the_plain_loop_for_ten_thousand_epochs():
    assert xor_by_hand.EPOCHS == 10_000
    assert xor_by_hand.largest_difference() < 1e-9


def test_the_tape_trains_in_float64_from_the_seeded_weights():
    epoch = next(xor_by_hand.on_tape(*xor_by_hand.start()))
    assert {array.dtype for array in epoch} == {np.dtype("float64")}
    np.testing.assert_array_equal(epoch.w1.round(8), [[0.49671415, -0.1382643], [0.64768854, 1.52302986]])
    np.testing.assert_array_equal(epoch.w2.round(8), [[-0.23415337], [-0.23413696]])


def test_error_terms_on_the_tape_are_those_of_the_paper():
    epoch = next(xor_by_hand.on_tape(*xor_by_hand.start()))
    d_output = (xor_by_hand.Y - epoch.output) * epoch.output * (1 - epoch.output)
    d_hidden = d_output @ epoch.w2.T * epoch.hidden * (1 - epoch.hidden)
    np.testing.assert_allclose(epoch.d_output, d_output, rtol=1e-12)
    np.testing.assert_allclose(epoch.d_hidden, d_hidden, rtol=1e-12)
    np.testing.assert_allclose(epoch.update1, 0.5 * xor_by_hand.X.T @ d_hidden, rtol=1e-12)
    np.testing.assert_allclose(epoch.update2, 0.5 * epoch.hidden.T @ d_output, rtol=1e-12)


def test_the_loop_ends_near_the_four_known_outputs():
    np.testing.assert_allclose(xor_by_hand.last().output.ravel(), [0.44, 0.38, 0.98, 0.39], atol=0.006)


def test_without_biases_the_first_row_never_leaves_one_half():
    for epoch in islice(xor_by_hand.by_hand(*xor_by_hand.start()), 0, 5000, 500):
        assert epoch.hidden[0].tolist() == [0.5, 0.5]


def test_three_outputs_hang_on_the_sum_of_the_output_weights():
    s = xor_by_hand.best_shared_sum()
    assert abs(s - xor_by_hand.last().w2.sum()) < 0.01
    half, full = xor_by_hand.sigmoid(s / 2), xor_by_hand.sigmoid(s)
    rows = [(half, 0, 0.5), (full, 1, 1), (full, 0, 1)]  # output, wanted, slope of the sigmoid's input in s
    slope = sum(2 * (output - wanted) * output * (1 - output) * inner for output, wanted, inner in rows)
    assert abs(slope) < 1e-5  # the error of the three rows is at its lowest point


def test_biases_mend_it():
    output = xor_by_hand.with_biases()
    assert xor_by_hand.is_xor(output)
    assert abs(output - xor_by_hand.Y).max() < 0.02
    assert not xor_by_hand.is_xor(xor_by_hand.last().output)


@many_trainings
def test_more_starts_come_to_xor_with_biases_than_without():
    assert xor_by_hand.how_many_learn() == (2, 6)  # of 10 seeds


@many_trainings
def test_eight_hidden_units_learn_xor_from_every_start():
    results = xor_seeds.outcomes(8)
    assert [learned for learned, _ in results] == [True] * 20
    assert max(loss for _, loss in results) < 1e-4


@many_trainings
def test_two_hidden_units_learn_xor_from_the_nine_starts_that_pytorch_does():
    results = xor_seeds.outcomes(2)
    assert [seed for seed, (learned, _) in enumerate(results) if learned] == [1, 2, 3, 4, 5, 11, 12, 14, 16]
    stuck = np.array([loss for learned, loss in results if not learned])
    assert np.minimum(abs(stuck - 1 / 6), abs(stuck - 1 / 8)).max() < 1e-3


# 2. The chain rule


@pytest.mark.parametrize("x", [-1.3, 0.0, 0.8, 2.5])
def test_product_of_the_factors_is_the_gradient_of_the_chain(x):
    product = np.prod([slope for *_, slope in chain_rule.factors(chain_rule.CHAIN, x)])
    on_paper = np.exp(np.sin(x**2)) * np.cos(x**2) * 2 * x
    assert product == pytest.approx(on_paper, rel=1e-12)
    assert chain_rule.whole(chain_rule.CHAIN, x) == pytest.approx(on_paper, rel=1e-12)


def test_factors_go_in_where_the_one_before_came_out():
    rows = chain_rule.factors(chain_rule.CHAIN, 0.8)
    assert [row[1] for row in rows[1:]] == [row[2] for row in rows[:-1]]


# 3. Finite differences


@pytest.mark.parametrize("weights", finite_differences.SIZES)
def test_backward_is_exact_where_finite_differences_are_not(weights):
    row = finite_differences.compare(weights)
    assert row.backward_error < 1e-13
    assert 1e-12 < row.wiggle_error < 1e-6


def test_one_backward_pass_costs_less_than_wiggling_a_thousand_weights():
    row = finite_differences.compare(1000)
    assert row.evaluations == 2000
    assert row.wiggle_seconds > 20 * row.backward_seconds  # 300 and more; leaves room for a busy machine


def test_finite_differences_are_bad_with_large_steps_and_with_small_ones():
    errors = finite_differences.error_by_step()
    best = min(errors, key=errors.get)
    assert 1e-6 <= best <= 1e-4
    assert errors[0.1] > 1000 * errors[best] < errors[1e-12]


# 4. The vanishing gradient


def test_a_hundred_sigmoids_let_almost_nothing_through():
    gradients = np.array(vanishing_gradient.gradients(vanishing_gradient.tg.sigmoid))
    assert len(gradients) == 100
    shrinking = gradients[:-1] / gradients[1:]
    assert (0 < shrinking).all() and (shrinking <= 0.25).all()
    y = 0.5
    slopes = []
    for _ in range(100):
        y = 1 / (1 + np.exp(-y))
        slopes.append(y * (1 - y))
    expected = np.cumprod(slopes[::-1])[::-1]
    np.testing.assert_allclose(gradients, expected, rtol=1e-12)
    assert gradients[0] < 1e-60


def test_in_single_precision_the_gradient_is_plainly_zero():
    tg = vanishing_gradient.tg
    gradients = vanishing_gradient.gradients(tg.sigmoid, dtype=tg.float32)
    assert gradients[0] == 0 and gradients[99] > 0.2


def test_relu_lets_the_gradient_of_a_positive_number_through_unchanged():
    tg = vanishing_gradient.tg
    assert vanishing_gradient.gradients(tg.relu) == [1.0] * 100
    assert vanishing_gradient.gradients(tg.relu, start=-0.5) == [0.0] * 100


# 5. The first gradient


def test_the_first_gradient_prints_as_promised(capsys):
    first_gradient.main()
    assert capsys.readouterr().out == "tensor([2., 4.])\n"


# 6. Letters


# All of them


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_prints_something_worth_reading(name, capsys):
    importlib.import_module(name).main()
    out, err = capsys.readouterr()
    assert err == ""
    assert any(digit in out for digit in "123456789") and "nan" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_script_runs_on_its_own():
    line = [sys.executable, str(EXAMPLES / "first_gradient.py")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "tensor([2., 4.])\n", "")


def test_the_readme_of_the_examples_names_each_of_them():
    readme = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"python examples/{path.name}`" in readme
        assert importlib.import_module(path.stem).__doc__
