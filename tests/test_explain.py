"""`explain` tells the chain rule: of scalars as on paper, of tensors by norms, and where it breaks."""

import math

import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.core.declare import registry
from tensorgrad.inside.formulas import text_of


def told(capsys, result):
    """What explain prints, line by line."""
    tg.explain(result)
    return capsys.readouterr().out.splitlines()


def test_a_chain_of_scalars_reads_as_on_paper(capsys):
    x = tg.tensor(0.8, dtype=tg.float64, requires_grad=True)
    y = tg.sin(x**2)
    z = tg.exp(y)
    tg.explain(z)
    e, c = math.exp(math.sin(0.64)), math.cos(0.64)
    assert capsys.readouterr().out.splitlines() == [
        f"z = exp(y) = {e:.6g}",
        f"    dz/dy = z = {e:.6g}",
        f"y = sin(t1) = {math.sin(0.64):.6g}",
        f"    dz/dt1 = dz/dy * cos(t1) = {e:.6g} * {c:.6g} = {e * c:.6g}",
        "t1 = x ** 2 = 0.64",
        f"    dz/dx = dz/dt1 * 2 * x = {e * c:.6g} * 1.6 = {e * c * 1.6:.6g}",
        "",
        "What arrives",
        f"    x    {e * c * 1.6:.6g}",
    ]
    assert x.grad is None


def test_tensors_show_shape_norm_and_gain(capsys):
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    w = tg.tensor([[1.0], [1.0]], requires_grad=True)
    h = x @ w
    loss = h.sum()
    tg.explain(loss)
    out = capsys.readouterr().out
    assert "h = x @ w\n" in out
    assert "    dloss/dw = x.mT @ dloss/dh    [2, 1], norm 7.2111, " in out
    assert "5.1 times what came" in out         # sqrt(52) of sqrt(2)


def test_parameters_are_called_by_their_module(capsys):
    model = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.Linear(3, 1))
    loss = model(tg.ones(4, 2)).sum()
    tg.explain(loss)
    out = capsys.readouterr().out
    assert "linear(t1, model.1.weight, model.1.bias)" in out
    assert "    model.0.weight  [3, 2]  norm " in out


def test_the_users_line_is_told_where_anomaly_detection_saw_it(capsys):
    x = tg.tensor(2.0, requires_grad=True)
    with tg.autograd.detect_anomaly():
        y = x.sin()
    z = y * 3
    tg.explain(z)
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("y = sin(x)")).endswith("y = x.sin()")
    assert "test_explain.py:" in lines[2] and "test_explain.py:" not in lines[0]


@pytest.mark.parametrize(
    "squeeze, mark, remark",
    [
        (lambda h: F.relu(h - 1000), "<- ZERO", "nothing passes relu on to"),
        (lambda h: h * 1e-3, "<- SHRINKS", "shrinks to 0.001 of it in mul"),
        (lambda h: h * 1e3, "<- EXPLODES", "grows 1e+03 times, in mul"),
        (lambda h: (h * 0).sqrt(), "<- NOT FINITE", "is not finite: it breaks in sqrt"),
    ],
    ids=["dead", "shrinks", "explodes", "breaks"],
)
def test_where_a_gradient_goes_wrong_is_said(capsys, squeeze, mark, remark):
    w = tg.ones(3, requires_grad=True)
    result = squeeze(w.exp()).exp().sum() if mark == "<- ZERO" else squeeze(w).sum()
    out = "\n".join(told(capsys, result))
    assert out.count(mark) == 1
    assert remark in out.partition("To notice")[2]


def test_a_sound_chain_has_no_remarks(capsys):
    w = tg.ones(3, requires_grad=True)
    assert "To notice" not in "\n".join(told(capsys, (w * 0.5).tanh().sum()))


def test_what_is_cut_off_is_said(capsys):
    w = tg.ones(3, requires_grad=True)
    lost = tg.ones(3, requires_grad=True)
    result = (w * lost.detach()).sum()
    tg.explain(result)
    noticed = capsys.readouterr().out.partition("To notice")[2]
    assert "no gradient reaches lost: result does not come from there" in noticed
    assert "lost goes into mul detached: no gradient flows back there" in noticed


def test_a_module_that_is_cut_off_whole_is_named_once(capsys):
    encoder, decoder = tg.nn.Linear(2, 3), tg.nn.Sequential(tg.nn.Linear(3, 3), tg.nn.Linear(3, 1))
    result = decoder[1](encoder(tg.ones(4, 2)).detach()).sum()
    tg.explain(result)
    noticed = capsys.readouterr().out.partition("To notice")[2]
    assert "no gradient reaches any parameter of encoder, decoder.0.weight, decoder.0.bias: result" in noticed


def test_a_long_chain_of_scalars_is_told_to_its_end(capsys):
    x = tg.tensor(1.0, requires_grad=True)
    h = x
    for _ in range(2000):
        h = h * 1.0
    tg.explain(h)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "h = t1999 * 1 = 1" and lines[-1] == "    x    1"


def test_leaves_far_apart_are_noticed(capsys):
    first, last = tg.ones(1, requires_grad=True), tg.ones(1, requires_grad=True)
    h = first
    for _ in range(6):
        h = (h * 2).sigmoid() * 0.5
    loss = (h * last).sum()
    tg.explain(loss)
    noticed = capsys.readouterr().out.partition("To notice")[2]
    assert "the gradient of first is" in noticed and "times smaller than that of last" in noticed


def test_explaining_keeps_graph_and_gradients():
    w = tg.ones(3, requires_grad=True)
    loss = (w * w).sum()
    w.grad = tg.zeros(3)
    tg.explain(loss)
    assert w.grad.tolist() == [0, 0, 0]
    loss.backward()
    assert w.grad.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="second time"):
        tg.explain(loss)


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        tg.explain(tg.ones(1, requires_grad=True))
    with pytest.raises(RuntimeError, match="scalar outputs"):
        tg.explain(tg.ones(2, requires_grad=True) * 2)
    with pytest.raises(TypeError, match="must be Tensor"):
        tg.explain(3.0)


def test_a_function_of_ones_own_is_a_step(capsys):
    class Double(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = tg.tensor(3.0, requires_grad=True)
    y = Double.apply(x)
    z = y * y
    tg.explain(z)
    out = capsys.readouterr().out
    assert "y = Double(x)" in out and "dz/dx = Double.backward(dz/dy)" in out and "x    24" in out


FORMULAS = [
    (op.__name__, name, formula)
    for op in registry.values()
    for name, formula in zip(op.tensor_params, op.formulas)
    if formula is not None
]


@pytest.mark.parametrize("op, name, formula", FORMULAS, ids=[f"{op}-{name}" for op, name, _ in FORMULAS])
def test_every_formula_can_be_told(op, name, formula):
    text = text_of(formula, {"g": "dL/dy", "input": "x", "other": "z", "output": "y"}, {})
    assert text and "lambda" not in text and "name_" not in text


def test_formulas_say_what_they_compute():
    def told(op, parameter, values=None, **names):
        formula = registry[op].formulas[registry[op].tensor_params.index(parameter)]
        return text_of(formula, {"g": "g", **names}, values or {})

    assert told("mul", "input", other="y") == "g * y"
    assert told("relu", "input", output="y") == "g * (y > 0)"
    assert told("tanh", "input", output="y") == "g * (1 - y * y)"
    assert told("pow", "input", input="x", exponent="3") == "g * 3 * x ** 2"
    assert told("matmul", "other", input="x") == "x.mT @ g"
    assert told("add", "other", {"alpha": 1}, alpha="1") == "g"
    assert told("add", "other", {"alpha": 2}, alpha="2") == "g * 2"
