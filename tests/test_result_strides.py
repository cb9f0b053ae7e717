"""In which order results lie in memory: that of their operands, as PyTorch has it.

Expected strides come from PyTorch (fixtures/make_result_strides.py) and from paper, values from the same ops
of contiguous operands.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from stride_cases import FAMILIES, calls, numbers, turned

import tensorgrad as tg
import tensorgrad.nn.functional as F

TABLE = json.loads((Path(__file__).parent / "fixtures" / "result_strides.json").read_text())
EXPECTED = {
    f"{op}/{layouts}": tuple(map(int, strides.split()))
    for layouts, rows in TABLE.items()
    for strides, ops in rows.items()
    for op in ops
}
CALLS = list(calls())


def test_every_call_has_its_strides_in_the_fixture():
    assert {name for name, *_ in CALLS} == set(EXPECTED)
    assert len(EXPECTED) > 1500


@pytest.mark.parametrize("family", [*FAMILIES, ""])
def test_results_have_pytorchs_strides(family, backend):
    wrong = {}
    for name, function, makers in CALLS:
        if name.rsplit("/", 1)[1].split(": ")[0] == family or (not family and ": " not in name):
            found = function(tg, *(make(tg) for make in makers))
            if found.stride() != EXPECTED[name]:
                wrong[name] = found.stride(), EXPECTED[name]
    assert not wrong


@pytest.mark.parametrize("family", [*FAMILIES, ""])
def test_values_do_not_hang_on_the_layout(family, backend):
    for name, function, makers in CALLS:
        if name.rsplit("/", 1)[1].split(": ")[0] == family or (not family and ": " not in name):
            found = function(tg, *(make(tg) for make in makers))
            plain = function(tg, *(make(tg).contiguous() for make in makers))
            assert np.array_equal(found.double().numpy(), plain.double().numpy()), name
            assert found.shape == plain.shape, name


def events_of(run, kind):
    """The events of one kind that a call makes, on the kernels."""
    found = []
    listener = found.append
    with tg.backend("kernels"):
        tg._kernels.listen(listener)
        try:
            run()
        finally:
            tg._kernels.unlisten(listener)
    return [event for event in found if event.kind == kind]


# ---- what leans on it


def test_view_of_a_turned_result_is_refused_and_reshape_copies(backend):
    x = numbers(tg, 3, 4)
    y = x.t() * 2
    assert not y.is_contiguous()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        y.view(-1)
    assert y.reshape(-1).tolist() == y.contiguous().view(-1).tolist()
    assert y.t().is_contiguous() and y.t().view(-1).data_ptr() == y.data_ptr()


def test_result_with_more_loops_than_a_kernel_takes_keeps_the_order(backend):
    shape, order = (2,) * 9, (8, 1, 6, 3, 4, 5, 2, 7, 0)
    x = turned(tg, (4,) + shape[1:], order)[::2]
    y = turned(tg, shape, order[::-1])
    for made, plain in ((x.exp(), x.contiguous().exp()), (x - y, x.contiguous() - y.contiguous())):
        assert tg.allclose(made, plain)
        assert made.stride() == turned(tg, shape, order).stride()


def test_in_place_writes_keep_the_strides_of_what_is_written(backend):
    x = numbers(tg, 4, 3).t()
    y = numbers(tg, 3, 4)
    expected = (x.contiguous() * y + 1).exp()
    x.mul_(y).add_(1).exp_()
    assert x.stride() == (1, 3)
    assert tg.allclose(x, expected)


def test_out_without_elements_takes_the_order_of_the_result(backend):
    x = numbers(tg, 4, 3).t()
    out = tg.empty(0)
    tg.add(x, x, out=out)
    assert out.stride() == (1, 3) and tg.equal(out, x + x)
    given = tg.empty(3, 4)
    tg.add(x, x, out=given)
    assert given.stride() == (4, 1) and tg.equal(given, x + x)


def test_draws_into_a_turned_result_come_in_the_order_of_its_memory(backend):
    x = turned(tg, (5, 7, 3), (2, 0, 1))
    tg.manual_seed(3)
    line = tg.empty(3, 5, 7).uniform_()
    tg.manual_seed(3)
    assert tg.equal(x.clone().uniform_(), line.permute(1, 2, 0))
    tg.manual_seed(3)
    kept = F.dropout(tg.ones(3, 5, 7), 0.5, True)
    tg.manual_seed(3)
    assert tg.equal(F.dropout(tg.ones_like(x), 0.5, True), kept.permute(1, 2, 0))


def test_dropout_in_place_of_a_turned_tensor_writes_it(backend):
    x = tg.ones(5, 40).t()
    tg.manual_seed(3)
    expected = F.dropout(x, 0.5, True)
    tg.manual_seed(3)
    assert F.dropout(x, 0.5, True, inplace=True) is x
    assert tg.equal(x, expected) and x.stride() == (1, 40)


# ---- gradients


def turned_leaf(*shape):
    return numbers(tg, *shape).t().clone().requires_grad_()


def test_grad_lies_as_a_dense_leaf(backend):
    x = turned_leaf(4, 3)
    (x.contiguous() * numbers(tg, 3, 4)).sum().backward()
    assert x.grad.stride() == x.stride() == (1, 3)
    assert tg.equal(x.grad, numbers(tg, 3, 4))
    (x * numbers(tg, 3, 4)).sum().backward()
    assert x.grad.stride() == (1, 3)
    assert tg.equal(x.grad, 2 * numbers(tg, 3, 4))


def test_grad_of_a_contiguous_leaf_is_contiguous(backend):
    x = numbers(tg, 3, 4).requires_grad_()
    (x * numbers(tg, 4, 3).t()).relu().backward(numbers(tg, 4, 3).t())
    assert x.grad.is_contiguous()
    assert tg.allclose(x.grad, numbers(tg, 4, 3).t() * numbers(tg, 4, 3).t())


def test_grad_of_a_leaf_with_gaps_is_contiguous(backend):
    x = numbers(tg, 8, 3).t()[:, ::2].requires_grad_()
    (x * 2).sum().backward()
    assert x.grad.stride() == (4, 1)


def test_grad_with_a_graph_lies_as_the_leaf_and_keeps_its_history(backend):
    x = turned_leaf(4, 3)
    y = numbers(tg, 3, 4)
    (x.contiguous() ** 3 * y).sum().backward(create_graph=True)
    assert x.grad.stride() == (1, 3)
    (again,) = tg.autograd.grad(x.grad.sum(), x)
    assert tg.allclose(again, 6 * x * y)


def test_retained_and_asked_for_gradients_keep_their_order(backend):
    x = turned_leaf(4, 3)
    y = x * 2
    y.retain_grad()
    y.exp().backward(tg.ones_like(y))
    assert y.grad.stride() == (1, 3)
    assert tg.allclose(y.grad, (2 * x).exp())


@pytest.mark.parametrize("layout", ["t", "stepped t", "columns", "windows"])
def test_gradients_through_mixed_layouts_are_those_of_contiguous_operands(layout, backend):
    from stride_cases import PLANES

    y = numbers(tg, 3, 4)

    def gradient(x):
        x = x.requires_grad_()
        made = (x.exp() * y + x.t().contiguous().t() / 2).where(x > 0.2, x * x)
        (grad,) = tg.autograd.grad((made.relu() * made).sum(), x)
        return grad

    assert tg.allclose(gradient(PLANES[layout](tg)), gradient(PLANES[layout](tg).contiguous()))


def test_writes_into_views_of_a_turned_result_are_followed(backend):
    x = numbers(tg, 4, 3).requires_grad_()
    y = x.t() * 3
    y[0] = y[1] * 2
    y[:, 1:3].mul_(x.t()[:, :2])
    z = (numbers(tg, 3, 4) * y).sum()
    (grad,) = tg.autograd.grad(z, x)

    xc = numbers(tg, 4, 3).requires_grad_()
    yc = (xc.t() * 3).contiguous()
    yc[0] = yc[1] * 2
    yc[:, 1:3].mul_(xc.t()[:, :2])
    (expected,) = tg.autograd.grad((numbers(tg, 3, 4) * yc).sum(), xc)
    assert tg.allclose(grad, expected)


# ---- layers, losses, steps


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, y: F.mse_loss(x, y),
        lambda x, y: F.mse_loss(x, y, reduction="sum"),
        lambda x, y: F.smooth_l1_loss(x, y, reduction="none").sum(),
        lambda x, y: F.binary_cross_entropy(x, y),
        lambda x, y: F.cross_entropy(x, tg.tensor([0, 3, 1])),
        lambda x, y: F.nll_loss(x.log(), tg.tensor([0, 3, 1])),
        lambda x, y: F.batch_norm(x, None, None, training=True).pow(3).sum(),
        lambda x, y: F.layer_norm(x, (4,)).pow(3).sum(),
        lambda x, y: F.softmax(x, 0).pow(2).sum(),
        lambda x, y: F.glu(x, 1).sum(),
        lambda x, y: F.glu(x * y, 1).pow(2).sum(),
    ],
    ids="mse mse-sum smooth bce cross nll batch layer softmax glu glu-mixed".split(),
)
def test_layers_and_losses_of_turned_operands(loss, backend):
    y = numbers(tg, 4, 3).t() * 0.5
    x = turned_leaf(4, 3)
    plain = x.detach().contiguous().requires_grad_()
    found, expected = loss(x, y), loss(plain, y.contiguous())
    found.backward()
    expected.backward()
    assert tg.allclose(found, expected)
    assert tg.allclose(x.grad, plain.grad, rtol=1e-4, atol=1e-6)


OPTIMIZERS = {
    "SGD": dict(lr=0.1, momentum=0.9),
    "Adam": dict(lr=0.1, amsgrad=True),
    "AdamW": dict(lr=0.1),
    "RMSprop": dict(lr=0.1, momentum=0.5, centered=True),
    "Adagrad": dict(lr=0.1),
    "NAdam": dict(lr=0.1),
    "Rprop": dict(lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_of_a_turned_parameter(name, backend):
    turned_param = tg.nn.Parameter(numbers(tg, 5, 3).t().clone())
    plain = tg.nn.Parameter(turned_param.detach().contiguous())
    factor = numbers(tg, 3, 5) - 0.5
    for param in (turned_param, plain):
        optimizer = getattr(tg.optim, name)([param], **OPTIMIZERS[name])
        for i in range(4):
            optimizer.zero_grad()
            ((param.contiguous() * factor).sum() ** 2 + (param**2).sum() * i).backward()
            optimizer.step()
        for value in optimizer.state[param].values():
            if isinstance(value, tg.Tensor) and value.shape == param.shape:
                assert value.stride() == param.stride()
    assert turned_param.stride() == (1, 3)
    assert tg.allclose(turned_param, plain, rtol=1e-5)


def test_step_of_a_turned_parameter_runs_in_the_kernel():
    param = tg.nn.Parameter(numbers(tg, 5, 3).t().clone())
    optimizer = tg.optim.Adam([param])
    param.grad = tg.ones(3, 5)
    optimizer.step()
    assert [event.name for event in events_of(optimizer.step, "kernel")][-1] == "adam"


@pytest.mark.parametrize("dtype", [tg.float32, tg.float16])
def test_a_softmax_of_a_turned_operand_is_contiguous(dtype, backend):
    x = tg.ones(5, 5, dtype=dtype).t()
    for function in (F.softmax, F.log_softmax, tg.cumsum, tg.logcumsumexp, tg.cummax):
        found = function(x, 0)
        assert (found if isinstance(found, tg.Tensor) else found[0]).stride() == (5, 1)


# ---- what it is for


def test_operands_of_one_order_run_as_one_loop():
    x = turned(tg, (2, 3, 4, 5), (0, 2, 3, 1))

    def run():
        (x * 2).relu() + x
        x.clone()

    assert [event.inputs[0].shape for event in events_of(run, "kernel")] == [(120,)] * 4
