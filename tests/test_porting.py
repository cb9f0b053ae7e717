"""Programs that were written for PyTorch: constants, old names, switches, and frequent mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import functional as F

LEGACY = {
    "BoolTensor": tg.bool, "ByteTensor": tg.uint8, "CharTensor": tg.int8, "ShortTensor": tg.int16,
    "IntTensor": tg.int32, "LongTensor": tg.int64, "HalfTensor": tg.float16,
    "FloatTensor": tg.float32, "DoubleTensor": tg.float64,
}  # fmt: skip


def test_constants():
    assert (tg.pi, tg.e, tg.inf, tg.newaxis) == (np.pi, np.e, np.inf, None)
    assert np.isnan(tg.nan)
    assert tg.zeros(3)[:, tg.newaxis].shape == (3, 1)


@pytest.mark.parametrize("name, dtype", LEGACY.items())
def test_old_names_of_tensor_types(name, dtype):
    old = getattr(tg, name)
    made = old([1, 0])
    assert made.dtype is dtype
    assert made.tolist() == [1, 0]
    assert old(2, 3).shape == (2, 3)
    assert isinstance(made, old)
    assert not isinstance([1, 0], old)
    assert tg.ones(2, dtype=tg.uint8).type(old).dtype is dtype
    assert tg.ones(1).type(made.type()).dtype is dtype
    assert [n for n in LEGACY if isinstance(made, getattr(tg, n))] == [name]


def test_old_types_take_arrays_of_other_dtypes():
    assert tg.FloatTensor(np.array([1.0, 2.0])).dtype is tg.float32
    assert tg.LongTensor(np.array([1, 2], np.int32)).dtype is tg.int64


def test_default_tensor_type():
    try:
        tg.set_default_tensor_type(tg.DoubleTensor)
        assert tg.ones(1).dtype is tg.float64
        tg.set_default_tensor_type("torch.FloatTensor")
        assert tg.ones(1).dtype is tg.float32
    finally:
        tg.set_default_dtype(tg.float32)


def test_variable_makes_a_leaf_that_shares_memory():
    data = tg.ones(2)
    v = tg.autograd.Variable(data, requires_grad=True)
    (v * 3).sum().backward()
    assert v.is_leaf
    assert v.grad.tolist() == [3, 3]
    assert not data.requires_grad
    assert v.data_ptr() == data.data_ptr()
    assert isinstance(data, tg.autograd.Variable)
    with pytest.raises(TypeError, match="list"):
        tg.autograd.Variable([1.0])


def test_settings_of_the_whole_program():
    tg.use_deterministic_algorithms(True)
    assert tg.are_deterministic_algorithms_enabled()
    tg.use_deterministic_algorithms(False)
    tg.set_float32_matmul_precision("high")
    assert tg.get_float32_matmul_precision() == "high"
    tg.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="medium"):
        tg.set_float32_matmul_precision("low")
    tg.set_default_device("cpu")
    assert tg.get_default_device() == tg.device("cpu")
    with pytest.raises(RuntimeError, match="CPU only"):
        tg.set_default_device("cuda")


def test_backends_are_not_there_and_take_switches():
    tg.backends.cudnn.deterministic = True
    tg.backends.cudnn.benchmark = False
    assert not tg.backends.mps.is_available()
    assert not tg.backends.cudnn.is_available()


def test_mixed_precision_switched_off():
    scaler = tg.amp.GradScaler("cpu", enabled=False)
    weight = tg.ones(1, requires_grad=True)
    optimizer = tg.optim.SGD([weight], lr=0.5)
    with tg.autocast("cpu", enabled=False):
        loss = weight.sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert weight.item() == 0.5
    with pytest.warns(UserWarning, match="cuda"), tg.autocast("cuda"):
        assert tg.autocast("cpu", enabled=False)(tg.ones)(2).dtype is tg.float32


# ---------------------------------------------------------------------------- torch.func


def test_functional_call_leaves_the_module_alone():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    own = dict(model.named_parameters())
    given = {"0.weight": tg.eye(2).requires_grad_(), "0.bias": tg.zeros(2), "1.running_mean": tg.ones(2)}
    model.eval()
    out = tg.func.functional_call(model, given, (tg.ones(1, 2),))
    assert out.tolist() == [[0, 0]]
    out.sum().backward()
    assert given["0.weight"].grad is not None
    assert all(model.get_parameter(name) is p for name, p in own.items())
    for name, t in model.state_dict().items():
        assert tg.equal(t, before[name])
    with pytest.raises(RuntimeError, match="0.bias"):
        tg.func.functional_call(model, {"0.weight": tg.eye(2)}, tg.ones(1, 2), strict=True)
    with pytest.raises(ZeroDivisionError):
        model.register_forward_hook(lambda *a: 1 / 0)
        tg.func.functional_call(model, given, tg.ones(1, 2))
    assert all(model.get_parameter(name) is p for name, p in own.items())


def test_functional_call_with_tied_weights():
    model = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    model["b"].weight = model["a"].weight
    model.forward = lambda x: model["b"](model["a"](x))
    x = tg.ones(1, 2)
    assert tg.func.functional_call(model, {"a.weight": 2 * tg.eye(2)}, x).tolist() == [[4, 4]]
    loose = tg.func.functional_call(model, {"a.weight": 2 * tg.eye(2)}, x, tie_weights=False)
    assert tg.equal(loose, model["b"](2 * x))


def test_gradients_as_functions():
    f = tg.func
    assert f.grad(f.grad(f.grad(lambda x: x**4)))(tg.tensor(2.0)).item() == 48
    both = f.grad_and_value(lambda p, x: (p["w"] * x).sum(), argnums=(0, 1))
    gradients, value = both({"w": tg.arange(2.0)}, tg.ones(2))
    assert gradients[0]["w"].tolist() == [1, 1]
    assert gradients[1].tolist() == [0, 1]
    assert value.item() == 1
    assert not value.requires_grad
    assert f.grad(lambda x: (x.sum(), "aux"), has_aux=True)(tg.ones(2))[1] == "aux"
    jacobian = f.jacrev(lambda x, y: x * y, argnums=1)(tg.tensor([2.0, 3.0]), tg.ones(2))
    assert jacobian.tolist() == [[2, 0], [0, 3]]
    assert f.hessian(lambda x: (x**3).sum())(tg.ones(2)).tolist() == [[6, 0], [0, 6]]
    with pytest.raises(RuntimeError, match="scalar"):
        f.grad(lambda x: x)(tg.ones(2))
    with pytest.raises(AttributeError, match="not in tensorgrad yet"):
        _ = f.linearize


# ---------------------------------------------------------------------------- averages of weights


def trained(steps, model, *averages):
    seen = []
    for n in range(steps):
        with tg.no_grad():
            for p in model.parameters():
                p.fill_(float(n))
        for average in averages:
            average.update_parameters(model)
        seen.append(float(n))
    return seen


def test_averaged_models():
    swa_utils = tg.optim.swa_utils
    model = nn.Linear(1, 1)
    mean = swa_utils.AveragedModel(model)
    lists = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    single = swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(0.5))
    trained(4, model, mean, lists, single)
    assert mean.module.weight.item() == 1.5
    assert lists.module.weight.item() == single.module.weight.item() == 2.125
    assert mean.n_averaged.item() == 4
    assert "n_averaged" in mean.state_dict()
    assert mean(tg.ones(1, 1)).item() == 3
    with pytest.raises(ValueError, match="1.5"):
        swa_utils.get_ema_avg_fn(1.5)


def test_update_bn_takes_the_mean_over_all_batches():
    model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    batches = [(tg.tensor([[0.0], [2.0]]), 0), (tg.tensor([[4.0], [6.0]]), 1)]
    tg.optim.swa_utils.update_bn(batches, model)
    assert model[0].running_mean.item() == 3
    assert model[0].running_var.item() == 2
    assert model[0].momentum == 0.1
    assert not model.training


@pytest.mark.parametrize("strategy, halfway", [("linear", 0.55), ("cos", 0.55)])
def test_swalr_ends_at_its_rate(strategy, halfway):
    optimizer = tg.optim.SGD([tg.zeros(1, requires_grad=True)], lr=1.0)
    schedule = tg.optim.swa_utils.SWALR(optimizer, swa_lr=0.1, anneal_epochs=4, anneal_strategy=strategy)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == 1.0
    assert rates[2] == pytest.approx(halfway)
    assert rates[4:] == pytest.approx([0.1, 0.1])


# ---------------------------------------------------------------------------- functions


def test_gumbel_softmax():
    logits = tg.randn(4, 3, requires_grad=True)
    shares = F.gumbel_softmax(logits, tau=0.7)
    assert tg.allclose(shares.sum(-1), tg.ones(4))
    hard = F.gumbel_softmax(logits, hard=True)
    assert sorted(hard.detach().round().flatten().tolist()) == [0.0] * 8 + [1.0] * 4
    (hard * tg.arange(3.0)).sum().backward()
    assert logits.grad.abs().sum() > 0
    assert F.gumbel_softmax(logits, hard=True, dim=0).sum(0).detach().round().tolist() == [1, 1, 1]


def test_gumbel_softmax_has_the_odds_of_the_softmax():
    tg.manual_seed(0)
    logits = tg.log(tg.tensor([0.2, 0.8])).expand(4000, 2)
    assert F.gumbel_softmax(logits, hard=True)[:, 1].mean().item() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (3, 3, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_fill_diagonal(shape, wrap):
    expected = np.zeros(shape, np.float32)
    np.fill_diagonal(expected, 7, wrap)
    found = tg.zeros(*shape)
    assert found.fill_diagonal_(7, wrap=wrap) is found
    assert np.array_equal(found.numpy(), expected)


def test_fill_diagonal_of_a_turned_matrix_and_its_gradient():
    x = tg.zeros(2, 3)
    x.t().fill_diagonal_(1)
    assert x.tolist() == [[1, 0, 0], [0, 1, 0]]
    x = tg.zeros(2, 2, requires_grad=True)
    y = x * 2
    y.fill_diagonal_(3.0)
    y.sum().backward()
    assert x.grad.tolist() == [[0, 2], [2, 0]]
    with pytest.raises(RuntimeError, match=r"\[3\]"):
        tg.zeros(3).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match=r"equal length.*\[2, 2, 3\]"):
        tg.zeros(2, 2, 3).fill_diagonal_(1)


def test_several_answers_are_printed_in_lines():
    found = tg.max(tg.tensor([[1.0, 5.0]]), dim=1)
    assert repr(found) == "tensorgrad.return_types.max(\nvalues=tensor([5.]),\nindices=tensor([1]))"
    values, indices = found
    assert found.values is values
    assert found._fields == ("values", "indices")


# ---------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda: tg.complex64, "complex numbers are not in"),
        (lambda: tg.float8_e5m2, "8-bit floats are not in"),
        (lambda: tg.export, "not in tensorgrad yet"),
        (lambda: tg.fx, "not in tensorgrad yet"),
        (lambda: nn.Liner, "nearest name that it has is 'Linear'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(ask, says):
    with pytest.raises(AttributeError, match=says):
        ask()


@pytest.mark.parametrize("ask", [
    lambda: tg.polar(tg.ones(1), tg.ones(1)), lambda: tg.complex(tg.ones(1), tg.ones(1)),
    lambda: tg.view_as_complex(tg.ones(1, 2)), lambda: tg.view_as_real(tg.ones(1)),
    lambda: tg.imag(tg.ones(1)), lambda: tg.stft(tg.ones(9), 4), lambda: tg.istft(tg.ones(1, 2), 4),
    lambda: tg.linalg.eig(tg.eye(2)), lambda: tg.linalg.eigvals(tg.eye(2)), lambda: tg.ones(1).cfloat(),
    lambda: tg.ones(1).stft(4), lambda: tg.tensor([1j]), lambda: tg.ones(1) * 1j, lambda: 1j + tg.ones(1),
])  # fmt: skip
def test_whoever_asks_for_complex_numbers_is_told_that_there_are_none(ask):
    with pytest.raises((NotImplementedError, TypeError), match="complex numbers are not in tensorgrad yet"):
        ask()


@pytest.mark.parametrize(
    "do, error, says",
    [
        (lambda: nn.CrossEntropyLoss(tg.randn(3, 4), tg.tensor([0, 1, 2])), RuntimeError, "first make it"),
        (lambda: nn.MSELoss(tg.ones(2), tg.ones(2)), RuntimeError, "first make it"),
        (lambda: F.cross_entropy(tg.randn(3, 4), tg.zeros(3)), RuntimeError, r"float32: .*target\.long\(\)"),
        (lambda: F.nll_loss(tg.randn(3, 4), tg.zeros(3)), RuntimeError, r"target\.long\(\)$"),
        (
            lambda: F.binary_cross_entropy(tg.tensor([-1.0, 2.5]), tg.ones(2)), RuntimeError,
            "from -1 to 2.5; .* binary_cross_entropy_with_logits",
        ),
        (
            lambda: nn.Linear(4, 2)(tg.ones(3, 4).double()), RuntimeError,
            r"float64 != float32; convert one with \.to\(dtype\)",
        ),
        (lambda: nn.Sequential(nn.Linear(2, 2), F.relu), TypeError, r"'relu'.*nn\.ReLU\(\)"),
        (lambda: nn.Sequential(nn.ReLU), TypeError, "'ReLU'.*instance"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"list.*\*layers"),
        (lambda: tg.ones(2).to(np.float32), TypeError, "write tensorgrad.float32"),
        (lambda: tg.ones(2).to(np.dtype("int64")), TypeError, "write tensorgrad.int64"),
        (lambda: tg.ones(2).type("float64"), TypeError, "write tensorgrad.float64"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(do, error, says):
    with pytest.raises(error, match=says):
        do()


# ---------------------------------------------------------------------------- attention, padding, membership


def attended(q, k, v, mask=None, scale=None):
    scores = q @ np.swapaxes(k, -1, -2) * (1 / np.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = weights / weights.sum(-1, keepdims=True)
    return np.nan_to_num(weights) @ v


def test_scaled_dot_product_attention():
    tg.manual_seed(0)
    q, k, v = tg.randn(2, 3, 5, 4).double(), tg.randn(2, 3, 6, 4).double(), tg.randn(2, 3, 6, 2).double()
    arrays = [x.numpy() for x in (q, k, v)]
    sdpa = F.scaled_dot_product_attention
    seen = np.tril(np.ones((5, 6), bool), -1)  # the first query sees nothing
    bias = np.linspace(-1, 1, 30).reshape(5, 6)
    np.testing.assert_allclose(sdpa(q, k, v).numpy(), attended(*arrays))
    np.testing.assert_allclose(sdpa(q, k, v, scale=0.1).numpy(), attended(*arrays, scale=0.1))
    np.testing.assert_allclose(sdpa(q, k, v, tg.from_numpy(seen)).numpy(), attended(*arrays, mask=seen))
    np.testing.assert_allclose(sdpa(q, k, v, tg.from_numpy(bias)).numpy(), attended(*arrays, mask=bias))
    causal = np.tril(np.ones((5, 6), bool))
    np.testing.assert_allclose(sdpa(q, k, v, is_causal=True).numpy(), attended(*arrays, mask=causal))
    assert sdpa(q, k, v, dropout_p=1.0).abs().sum() == 0
    grouped = sdpa(q.repeat(1, 2, 1, 1), k, v, enable_gqa=True)
    np.testing.assert_allclose(
        grouped.numpy(), sdpa(q.repeat(1, 2, 1, 1), *(x.repeat_interleave(2, 1) for x in (k, v))).numpy()
    )
    with pytest.raises(RuntimeError, match="not both"):
        sdpa(q, k, v, tg.from_numpy(seen), is_causal=True)
    with pytest.raises(RuntimeError, match="float64 key.dtype: .*float32"):
        sdpa(q, k.float(), v)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_sequence(batch_first, side):
    parts = [tg.arange(6.0).reshape(3, 2), tg.ones(1, 2, requires_grad=True)]
    padded = nn.utils.rnn.pad_sequence(parts, batch_first, -1.0, side)
    rows = padded if batch_first else padded.transpose(0, 1)
    assert rows[0].tolist() == parts[0].tolist()
    assert rows[1].tolist() == (
        [[1, 1], [-1, -1], [-1, -1]] if side == "right" else [[-1, -1], [-1, -1], [1, 1]]
    )
    padded.sum().backward()
    assert parts[1].grad.tolist() == [[1, 1]]
    if side == "right":
        again = nn.utils.rnn.unpad_sequence(padded, tg.tensor([3, 1]), batch_first)
        assert [tg.equal(a, b) for a, b in zip(again, parts, strict=True)] == [True, True]
    with pytest.raises(RuntimeError, match="empty"):
        nn.utils.rnn.pad_sequence([])


def test_isin():
    x = tg.tensor([[1, 2], [3, 1]])
    assert tg.isin(x, tg.tensor([1, 5])).tolist() == [[True, False], [False, True]]
    assert tg.isin(x, 3, invert=True).tolist() == [[True, True], [False, True]]
    assert tg.isin(3, x).item() is True
    with pytest.raises(TypeError, match="tensor"):
        tg.isin(1, 2)


def test_one_draw_without_replacement_is_the_first_of_several():
    weights = tg.rand(50, 7)
    tg.manual_seed(3)
    one = tg.multinomial(weights, 1)
    tg.manual_seed(3)
    assert tg.equal(one, tg.multinomial(weights, 4)[:, :1])
