"""Recurrent layers, cells and packed sequences: PyTorch's numbers, and what no table of samples knows."""

import copy
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn.utils import rnn

TORCH = np.load(Path(__file__).parent / "fixtures" / "recurrent.npz")
SHAPES = {"batch": (4, 3, 3), "packed": (4, 3, 3), "single": (4, 3), "cell": (3, 3), "one": (3,)}
LENGTHS = [2, 4, 1]
LAYERS = (nn.RNN, nn.LSTM, nn.GRU)
backends = pytest.mark.parametrize("backend", ["kernels", "numpy"])


def tensors(value):
    return [value] if isinstance(value, tg.Tensor) else [t for v in value for t in tensors(v)]


@backends
@pytest.mark.parametrize("case", TORCH.files)
def test_results_and_gradients_are_torchs(case, backend):
    name, options, form, given = json.loads(case)
    tg.manual_seed(5)
    layer = getattr(nn, name)(3, 4, **options)
    shape = SHAPES[form]
    if options.get("batch_first") and form != "single":
        shape = (shape[1], shape[0], shape[2])
    x = tg.randn(shape, requires_grad=True)
    states = []
    if given:
        layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
        lead = {"single": (layers,), "cell": (3,), "one": ()}.get(form, (layers, 3))
        states = [tg.randn(*lead, options.get("proj_size", 4), requires_grad=True)]
        states += [tg.randn(*lead, 4, requires_grad=True)] if "LSTM" in name else []
    hx = (tuple(states) if "LSTM" in name else states[0]) if given else None
    data = x
    if form == "packed":
        data = rnn.pack_padded_sequence(x, LENGTHS, options.get("batch_first", False), enforce_sorted=False)
    with tg.backend(backend):
        results = layer(data, hx)
        if form == "packed":
            results = results[0].data, results[1]
        results = tensors(results)
        weighted = sum((tg.linspace(-1, 1, r.numel()) * r.flatten()).sum() for r in results)
        grads = tg.autograd.grad(weighted, [x, *layer.parameters(), *states])
    found = tg.cat([t.detach().flatten() for t in (*results, *grads)]).numpy()
    np.testing.assert_allclose(found, TORCH[case], rtol=2e-5, atol=2e-6)


# ---------------------------------------------------------------------------- by hand


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@backends
def test_steps_worked_out_in_numpy(backend):
    """With one hidden unit, where every product is a number times a number."""
    x, h, c = 0.5, -0.25, 0.75
    w = np.array([0.1, -0.2, 0.3, 0.4])
    u = np.array([1.0, 2.0, -1.0, 0.5])
    i, f, g, o = w * x + u * h
    cell = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    one = [[x]], [[h]], [[c]]
    input, hidden, before = map(tg.tensor, one)

    def weights(count):
        return tg.tensor(w[:count, None]).float(), tg.tensor(u[:count, None]).float()

    with tg.backend(backend):
        found = [t.item() for t in tg.lstm_cell(input, (hidden, before), *weights(4))]
        np.testing.assert_allclose(found, [sigmoid(o) * np.tanh(cell), cell], rtol=1e-6)
        r, z = sigmoid(i), sigmoid(f)
        n = np.tanh(w[2] * x + r * u[2] * h)
        gru = tg.gru_cell(input, hidden, *weights(3)).item()
        np.testing.assert_allclose(gru, (1 - z) * n + z * h, rtol=1e-6)
        plain = tg.rnn_tanh_cell(input, hidden, *weights(1)).item()
        np.testing.assert_allclose(plain, np.tanh(w[0] * x + u[0] * h), rtol=1e-6)
        assert tg.rnn_relu_cell(input, hidden, *weights(1)).item() == 0


@backends
@pytest.mark.parametrize("cell, layer", [(nn.RNNCell, nn.RNN), (nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU)])
def test_a_layer_is_its_cell_step_by_step(cell, layer, backend):
    one, whole = cell(5, 7), layer(5, 7)
    whole.load_state_dict({f"{name}_l0": value for name, value in one.state_dict().items()})
    x = tg.randn(6, 40, 5)
    with tg.backend(backend):
        output, last = whole(x)
        state = None
        for step, now in zip(x, output):
            state = one(step, state)
            np.testing.assert_allclose(tensors(state)[0].detach(), now.detach(), rtol=1e-5, atol=1e-6)
    for a, b in zip(tensors(state), tensors(last), strict=True):
        np.testing.assert_allclose(a.detach(), b[0].detach(), rtol=1e-5, atol=1e-6)


@backends
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("reverse", [False, True])
def test_packed_sequences_are_what_each_gives_alone(layer, reverse, backend):
    model = layer(3, 20, num_layers=2, bidirectional=reverse)
    parts = [tg.randn(n, 3) for n in (1, 5, 3, 3, 2)]
    with tg.backend(backend):
        packed, last = model(rnn.pack_sequence(parts, enforce_sorted=False))
        for k, (part, found) in enumerate(zip(parts, rnn.unpack_sequence(packed), strict=True)):
            output, alone = model(part)
            np.testing.assert_allclose(found.detach(), output.detach(), rtol=1e-5, atol=1e-6)
            for a, b in zip(tensors(last), tensors(alone), strict=True):
                np.testing.assert_allclose(a[:, k].detach(), b.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_derivatives_of_derivatives(layer):
    model = layer(2, 3, bidirectional=True, dtype=tg.float64)
    x = tg.randn(3, 2, dtype=tg.float64, requires_grad=True)
    (first,) = tg.autograd.grad((model(x)[0] ** 2).sum(), x, create_graph=True)
    (second,) = tg.autograd.grad((first**2).sum(), x)

    def slope(values):
        values = values.detach().requires_grad_()
        (found,) = tg.autograd.grad((model(values)[0] ** 2).sum(), values)
        return (found**2).sum().item()

    for k in range(x.numel()):
        step = tg.zeros(6, dtype=tg.float64)
        step[k] = 1e-5
        step = step.view(3, 2)
        estimate = (slope(x + step) - slope(x - step)) / 2e-5
        np.testing.assert_allclose(second.flatten()[k].item(), estimate, rtol=1e-5, atol=1e-7)


@backends
def test_what_needs_no_gradient_gets_none(backend):
    model = nn.GRU(3, 4)
    model.weight_ih_l0.requires_grad_(False)
    x = tg.randn(2, 3, 3)
    with tg.backend(backend):
        output, _ = model(x)
        output.sum().backward()
    assert model.weight_ih_l0.grad is None and model.weight_hh_l0.grad is not None
    with tg.no_grad():
        assert not model(x)[0].requires_grad


def test_narrow_floats_are_close_to_single():
    model = nn.LSTM(3, 4, num_layers=2)
    x = tg.randn(3, 2, 3)
    expected = model(x)[0]
    for dtype, off in ((tg.float16, 4e-3), (tg.bfloat16, 3e-2)):
        narrow = copy.deepcopy(model).to(dtype)
        output, (h, c) = narrow(x.to(dtype))
        assert output.dtype is h.dtype is c.dtype is dtype
        np.testing.assert_allclose(output.float().detach(), expected.detach(), atol=off)
        output.float().sum().backward()
        assert narrow.weight_hh_l0.grad.dtype is dtype


@pytest.mark.parametrize("layer", LAYERS)
def test_a_batch_of_nothing(layer):
    output, _ = layer(3, 4)(tg.zeros(5, 0, 3))
    assert output.shape == (5, 0, 4)
    output.sum().backward()


def test_dropout_between_layers_in_training_alone():
    model = nn.RNN(3, 4, num_layers=2, dropout=0.9)
    x = tg.randn(5, 2, 3)
    assert not tg.equal(model(x)[0], model(x)[0])
    model.eval()
    assert tg.equal(model(x)[0], model(x)[0])


# ---------------------------------------------------------------------------- modules


def test_names_shapes_and_text():
    model = nn.LSTM(3, 5, num_layers=2, bias=False, bidirectional=True, proj_size=2)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert shapes == {
        "weight_ih_l0": (20, 3), "weight_hh_l0": (20, 2), "weight_hr_l0": (2, 5),
        "weight_ih_l0_reverse": (20, 3), "weight_hh_l0_reverse": (20, 2), "weight_hr_l0_reverse": (2, 5),
        "weight_ih_l1": (20, 4), "weight_hh_l1": (20, 2), "weight_hr_l1": (2, 5),
        "weight_ih_l1_reverse": (20, 4), "weight_hh_l1_reverse": (20, 2), "weight_hr_l1_reverse": (2, 5),
    }  # fmt: skip
    assert [[tuple(p.shape) for p in each] for each in model.all_weights] == [
        [(20, 3), (20, 2), (2, 5)]] * 2 + [[(20, 4), (20, 2), (2, 5)]] * 2  # fmt: skip
    assert repr(model) == "LSTM(3, 5, proj_size=2, num_layers=2, bias=False, bidirectional=True)"
    assert repr(nn.GRU(3, 5, batch_first=True, num_layers=2, dropout=0.5)) == (
        "GRU(3, 5, num_layers=2, batch_first=True, dropout=0.5)"
    )
    assert repr(nn.RNNCell(3, 4, False, "relu")) == "RNNCell(3, 4, bias=False, nonlinearity=relu)"
    assert nn.RNN(3, 4, 1, "relu").nonlinearity == "relu"
    assert model.flatten_parameters() is None
    again = pickle.loads(pickle.dumps(model))
    x = tg.randn(4, 2, 3)
    assert tg.equal(again(x)[0], model(x)[0])


def test_first_values_lie_within_their_bound():
    for p in nn.GRU(50, 25).parameters():
        assert 0.19 < p.abs().max() <= 0.2


REFUSED = {
    "dropout": (lambda: nn.RNN(3, 4, 2, dropout=1.5), ValueError, "dropout"),
    "dropout is bool": (lambda: nn.RNN(3, 4, 2, dropout=True), ValueError, "dropout"),
    "bias": (lambda: nn.GRU(3, 4, bias=1), TypeError, "bias"),
    "batch_first": (lambda: nn.GRU(3, 4, batch_first=0), TypeError, "batch_first"),
    "size": (lambda: nn.LSTM(3.0, 4), TypeError, "input_size"),
    "no units": (lambda: nn.LSTM(3, 0), ValueError, "hidden_size"),
    "no layers": (lambda: nn.LSTM(3, 4, 0), ValueError, "num_layers"),
    "projection": (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size"),
    "projection of gru": (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "LSTM"),
    "mode": (lambda: nn.RNNBase("x", 3, 4), ValueError, "mode"),
    "curve": (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "nonlinearity"),
    "curve of cell": (lambda: nn.RNNCell(3, 4, True, "x")(tg.ones(1, 3)), RuntimeError, "nonlinearity"),
    "dimensions": (lambda: nn.LSTM(3, 4)(tg.ones(3)), ValueError, "2D or 3D"),
    "features": (lambda: nn.LSTM(3, 4)(tg.ones(2, 2)), RuntimeError, "input_size"),
    "dtype": (lambda: nn.LSTM(3, 4)(tg.ones(2, 3, dtype=tg.int64)), ValueError, "dtype"),
    "steps": (lambda: nn.LSTM(3, 4)(tg.ones(0, 2, 3)), RuntimeError, "larger than 0"),
    "state": (lambda: nn.GRU(3, 4)(tg.ones(2, 2, 3), tg.ones(1, 3, 4)), RuntimeError, "hidden size"),
    "state of one": (lambda: nn.GRU(3, 4)(tg.ones(2, 3), tg.ones(1, 1, 4)), RuntimeError, "2-D"),
    "cell": (
        lambda: nn.LSTM(3, 4)(tg.ones(2, 3), (tg.ones(1, 4), tg.ones(1, 3))), RuntimeError, r"hidden\[1\]"
    ),
    "cell input": (lambda: nn.GRUCell(3, 4)(tg.ones(2, 2, 3)), ValueError, "1D or 2D"),
    "cell features": (lambda: nn.GRUCell(3, 4)(tg.ones(2, 2)), RuntimeError, "weight_ih"),
    "cell batch": (lambda: nn.GRUCell(3, 4)(tg.ones(2, 3), tg.ones(3, 4)), RuntimeError, "batch"),
    "cell state": (
        lambda: tg.lstm_cell(tg.ones(2, 3), tg.ones(2, 4), tg.ones(16, 3), tg.ones(16, 4)), TypeError, "tuple"
    ),
    "params": (
        lambda: tg.gru(
            tg.ones(2, 2, 3), tg.ones(1, 2, 4), [tg.ones(12, 3)], False, 1, 0.0, False, False, False
        ),
        RuntimeError, "2 params",
    ),
    "steps grow": (
        lambda: tg.rnn_tanh(
            tg.ones(3, 3), tg.tensor([1, 2]), tg.ones(1, 1, 4), [tg.ones(4, 3), tg.ones(4, 4)], False, 1, 0.0,
            False, False,
        ),
        RuntimeError, "batch_sizes",
    ),
    "mixed dtypes": (
        lambda: tg.gru_cell(tg.ones(2, 3), tg.ones(2, 4), tg.ones(12, 3).double(), tg.ones(12, 4)),
        RuntimeError, "float64",
    ),
}  # fmt: skip


@backends
@pytest.mark.parametrize("what", REFUSED)
def test_bad_calls_are_refused(what, backend):
    call, error, says = REFUSED[what]
    with tg.backend(backend), pytest.raises(error, match=says):
        call()


def test_dropout_of_one_layer_warns():
    with pytest.warns(UserWarning, match="one layer"):
        nn.RNN(3, 4, dropout=0.5)


# ---------------------------------------------------------------------------- packed sequences


def test_packing_there_and_back():
    x = tg.arange(24.0).view(4, 3, 2)
    for batch_first in (False, True):
        given = x.transpose(0, 1) if batch_first else x
        packed = rnn.pack_padded_sequence(given, tg.tensor(LENGTHS), batch_first, enforce_sorted=False)
        assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
        assert packed.sorted_indices.tolist() == [1, 0, 2] and packed.unsorted_indices.tolist() == [1, 0, 2]
        assert packed.data[:, 0].tolist() == [2, 0, 4, 8, 6, 14, 20]
        padded, lengths = rnn.pad_packed_sequence(packed, batch_first, padding_value=-1.0, total_length=5)
        assert lengths.tolist() == LENGTHS
        rows = padded if batch_first else padded.transpose(0, 1)
        assert rows[:, :, 1].tolist() == [[1, 7, -1, -1, -1], [3, 9, 15, 21, -1], [5, -1, -1, -1, -1]]


def test_gradients_go_through_packing():
    parts = [tg.ones(2, requires_grad=True), tg.ones(3, requires_grad=True)]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    padded, _ = rnn.pad_packed_sequence(packed, True)
    (padded * tg.tensor([[1.0, 2, 3], [4, 5, 6]])).sum().backward()
    assert [part.grad.tolist() for part in parts] == [[1, 2], [4, 5, 6]]
    assert [part.tolist() for part in rnn.unpack_sequence(packed)] == [[1, 1], [1, 1, 1]]


def test_a_packed_sequence_is_a_tuple_and_converts():
    packed = rnn.pack_sequence([tg.tensor([1.0, 2.0]), tg.tensor([3.0])])
    data, sizes, in_order, back = packed
    assert data is packed.data and sizes.tolist() == [2, 1] and in_order is back is None
    assert packed._fields == ("data", "batch_sizes", "sorted_indices", "unsorted_indices")
    assert packed.to(tg.float32) is packed.float() is packed.cpu() is packed
    for name, dtype in dict(double=tg.float64, half=tg.float16, long=tg.int64, int=tg.int32, short=tg.int16,
                            char=tg.int8, byte=tg.uint8).items():  # fmt: skip
        other = getattr(packed, name)()
        assert type(other) is rnn.PackedSequence and other.data.dtype is dtype and other.batch_sizes is sizes
    assert not packed.is_cuda and not packed.is_pinned()
    again = rnn.PackedSequence((data, sizes), sorted_indices=tg.tensor([1, 0]))
    assert again.unsorted_indices.tolist() == [1, 0]
    assert repr(packed).startswith("PackedSequence(data=tensor([1., 3., 2.]), batch_sizes=tensor([2, 1])")
    with pytest.raises(AssertionError):
        rnn.PackedSequence(data)
    with pytest.raises(RuntimeError):
        packed.cuda()


@pytest.mark.parametrize(
    "pack, error, says",
    [
        (lambda: rnn.pack_padded_sequence(tg.ones(3, 2), [1, 2]), RuntimeError, "enforce_sorted"),
        (lambda: rnn.pack_padded_sequence(tg.ones(3, 2), [2, 0]), RuntimeError, "from 1 to the 3"),
        (lambda: rnn.pack_padded_sequence(tg.ones(3, 2), [4, 1]), RuntimeError, "from 1 to the 3"),
        (lambda: rnn.pack_padded_sequence(tg.ones(3, 2), [3]), RuntimeError, "batch of 2"),
        (lambda: rnn.pack_padded_sequence(tg.ones(3), [3]), IndexError, "2 dimensions"),
        (lambda: rnn.pack_padded_sequence(tg.ones(3, 2), tg.tensor([[3, 2]])), RuntimeError, "vector"),
        (
            lambda: rnn.pad_packed_sequence(rnn.pack_sequence([tg.ones(3)]), total_length=2),
            ValueError, "total_length",
        ),
        (lambda: rnn.pad_sequence(5), RuntimeError, "several"),
    ],
)  # fmt: skip
def test_bad_packing_is_refused(pack, error, says):
    with pytest.raises(error, match=says):
        pack()


@pytest.mark.parametrize("recorded", [False, True])
def test_the_gradient_of_a_rectified_nan_passes(backend, recorded):
    x = tg.tensor([[1.0, 2.0]], requires_grad=True)
    weight, state = tg.tensor([[math.nan, 1.0], [1.0, -3.0]]), tg.zeros(1, 2)
    out = tg.rnn_relu_cell(x, state, weight, weight)        # NaN and a negative sum
    (found,) = tg.autograd.grad(out, x, tg.tensor([[2.0, math.inf]]), create_graph=recorded)
    assert str(found.tolist()) == "[[nan, 2.0]]"


@pytest.mark.parametrize("name, gates", [("lstm", 4), ("gru", 3), ("rnn_tanh", 1)])
def test_states_are_of_the_dtype_of_the_input(name, gates, backend):
    one, whole = tg.ones(1, 1), tg.ones(1, 1).long()
    weights = [tg.ones(gates, 1), tg.ones(gates, 1)]
    for state in ((one, whole), (whole, one)) if name == "lstm" else (whole,):
        with pytest.raises(RuntimeError, match="is int64, but the input is float32"):
            getattr(tg, f"{name}_cell")(one, state, *weights)
        layers = tuple(s.unsqueeze(0) for s in state) if name == "lstm" else state.unsqueeze(0)
        with pytest.raises(RuntimeError, match="is int64, but the input is float32"):
            getattr(tg, name)(one.unsqueeze(0), layers, weights, False, 1, 0.0, False, False, False)
