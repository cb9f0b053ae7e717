"""`onnx.export`: what onnxruntime computes of a written model is what the module computes."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from onnx_calls import CALLS, kept

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def session(path):
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def flat(result):
    if isinstance(result, tg.Tensor):
        return [result.detach().numpy()]
    parts = result.values() if isinstance(result, dict) else result
    return [array for each in parts for array in flat(each)]


def hold(model, args, path, axes=None, others=(), **settings):
    """Exports, and compares what onnxruntime and the module make of the arguments, and of others."""
    args = args if isinstance(args, tuple) else (args,)
    names = [f"x{i}" for i in range(len(args))]
    tg.onnx.export(model, args, path, input_names=names, dynamic_axes=axes, **settings)
    run = session(path)
    model.eval()
    for each in (args, *others):
        each = each if isinstance(each, tuple) else (each,)
        with tg.no_grad():
            wanted = flat(model(*each))
        found = run.run(None, {name: tensor.numpy() for name, tensor in zip(names, each)})
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    return onnx.load(path)


class Residual(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(outside), nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.skip = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x):
        out = F.relu(self.norm1(self.first(x)), inplace=True)
        out = self.norm2(self.second(out))
        out += self.skip(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Residual(3, 8, 1), Residual(8, 16, 2), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(tg.flatten(self.body(x), 1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU())
        self.down2 = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.InstanceNorm2d(16), nn.LeakyReLU(0.1))
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.last = nn.Conv2d(24, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = F.interpolate(b[:, :8], scale_factor=2, mode="bilinear", align_corners=False)
        return self.last(tg.cat([a, self.up(b), c], dim=1))


class Reader(nn.Module):
    def __init__(self, kind, **settings):
        super().__init__()
        self.letters = nn.Embedding(20, 6)
        self.layer = getattr(nn, kind)(6, 8, batch_first=True, **settings)
        self.head = nn.Linear(16 if settings.get("bidirectional") else 8, 3)

    def forward(self, text):
        out, _ = self.layer(self.letters(text))
        return self.head(out[:, -1]), out.mean(1)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.mixed(self.before(x)).split(width, 2)
        q, k, v = (z.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for z in parts)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.joined(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.narrow(F.gelu(self.wide(self.between(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.letter, self.place = nn.Embedding(11, 16), nn.Embedding(6, 16)
        self.blocks = nn.ModuleList([Block(16, 4) for _ in range(2)])
        self.last, self.head = nn.LayerNorm(16), nn.Linear(16, 11, bias=False)

    def forward(self, text):
        x = self.letter(text) + self.place(tg.arange(text.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.last(x))


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.coder, self.decoder = nn.Linear(12, 8), nn.Sequential(nn.Linear(4, 12), nn.Sigmoid())

    def forward(self, x):
        mean, log_variance = self.coder(x).chunk(2, dim=-1)
        code = mean + (0.5 * log_variance).exp()
        distance = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(-1)
        return self.decoder(code), distance


class Patches(nn.Module):
    """A small vision transformer, whose class token is expanded to the batch."""

    def __init__(self):
        super().__init__()
        self.cut = nn.Conv2d(3, 8, 4, 4)
        self.token, self.place = nn.Parameter(tg.randn(1, 1, 8)), nn.Parameter(tg.randn(1, 5, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")

    def forward(self, x):
        rows = self.cut(x).flatten(2).transpose(1, 2)
        rows = tg.cat([self.token.expand(x.shape[0], -1, -1), rows], 1) + self.place
        return self.block(rows)[:, 0]


class Steps(nn.Module):
    """Cells that begin with zeros for each row of the batch."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.LSTMCell(4, 5), nn.GRUCell(5, 5), nn.RNNCell(5, 5)

    def forward(self, x):
        a, b, c, d = (tg.zeros(x.shape[0], 5) for _ in range(4))
        for step in x.unbind(1):
            a, b = self.first(step, (a, b))
            c = self.second(a, c)
            d = self.third(c, d)
        return d, b


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True, norm_first=True)
        self.layers = nn.TransformerDecoder(layer, 2)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.layers(x, x * 2, tgt_mask=mask)


def mobile():
    def part(inside, outside, stride):
        return nn.Sequential(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside), nn.BatchNorm2d(inside), nn.Hardswish(),
            nn.Conv2d(inside, outside, 1), nn.BatchNorm2d(outside), nn.ReLU6(),
        )  # fmt: skip

    return nn.Sequential(
        part(3, 8, 2), part(8, 12, 1), nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 5),
        nn.LogSoftmax(-1),
    )  # fmt: skip


def conv_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, bias=False), nn.ELU(), nn.Flatten(), nn.Linear(6 * 9, 10), nn.Softmax(1),
    )  # fmt: skip


def mlp():
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3))


def encoder():
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def text(high):
    return lambda batch: tg.randint(0, high, (batch, 6))


def images(*shape):
    return lambda batch: tg.randn(batch, *shape)


NETS = {
    "mlp": (mlp, images(5)),
    "conv net": (conv_net, images(1, 16, 16)),
    "resnet": (ResNet, images(3, 8, 8)),
    "u-net": (UNet, images(1, 8, 8)),
    "lstm": (lambda: Reader("LSTM", num_layers=2), text(20)),
    "both ways gru": (lambda: Reader("GRU", bidirectional=True, num_layers=2), text(20)),
    "rnn": (lambda: Reader("RNN", nonlinearity="relu"), text(20)),
    "gpt": (Gpt, text(11)),
    "encoder": (encoder, images(6, 16)),
    "vae": (Vae, images(12)),
    "patches": (Patches, images(3, 8, 8)),
    "steps": (Steps, images(3, 4)),
    "decoder": (Decoder, images(5, 8)),
    "mobile": (mobile, images(3, 8, 8)),
}


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("name", NETS)
def test_net_gives_the_same_at_any_batch(name, opset, tmp_path):
    tg.manual_seed(0)
    make, inputs = NETS[name]
    model = make()
    for norm in model.modules():  # running statistics that are no zeros and ones
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
    others = [inputs(5), inputs(1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a longer batch is the same graph
        axes = {"x0": {0: "batch"}}
        proto = hold(model, inputs(3), tmp_path / "net.onnx", axes, others, opset_version=opset)
    named = {each.name for each in proto.graph.initializer}
    if name not in ("gpt", "patches", "decoder"):  # which compute constants from parameters
        assert named >= {name for name, _ in model.named_parameters()}
    assert model.training is False  # as `hold` left it


# ---------------------------------------------------------------------------- single ops


class Only(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, *args, **kwargs):
        return self.call(*args, **kwargs)


@pytest.mark.parametrize("name", CALLS)
def test_call_gives_the_same(name, tmp_path):
    tg.manual_seed(0)
    call, shape = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a pass on other numbers is the same graph
        hold(Only(call), kept(shape), tmp_path / "call.onnx", others=[kept(shape)])


# ---------------------------------------------------------------------------- what can't be said


def refused(call, *args, **settings):
    """The error of an export whose file is not written."""
    with pytest.raises(tg.onnx.OnnxExporterError) as caught:
        tg.onnx.export(Only(call), args or kept(), "never.onnx", **settings)
    return str(caught.value)


def test_an_op_without_rule_is_named_with_its_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = Only(tg.special.digamma)

        def forward(self, x):
            return self.inside(x)

    with pytest.raises(tg.onnx.OnnxExporterError, match=r"digamma in inside \(Only\) has no rule"):
        tg.onnx.export(Outer(), kept(), "never.onnx")
    assert not list(tmp_path.iterdir())


def test_writes_that_were_not_seen_are_refused_where_they_matter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def part(x):
        x = x * 1
        x[:, 0] = 0
        return x

    def through_view(x):
        x = x * 1
        x[0].mul_(2)
        return x + 1

    def zeroed(x):
        x = x * 1
        x.zero_()
        return x + 1

    def changed_constant(x):
        shift = tg.ones(6)
        y = x + shift
        shift.add_(1)
        return y + shift

    assert "writes a part of a tensor" in refused(part)
    assert "written in place in a way that was not seen" in refused(through_view)
    assert "written in place in a way that was not seen" in refused(zeroed)
    assert "a constant that was written in place later" in refused(changed_constant)
    assert "add in Only writes into a constant" in refused(lambda x: tg.zeros(4, 6).add_(x))
    assert "reads memory of a tensor" in refused(lambda x: tg.from_numpy(x.numpy()[1:]) * 2)
    hold(Only(lambda x: tg.from_numpy(x.numpy()) * 2), kept(), tmp_path / "same.onnx")  # all of it


def test_random_numbers_and_statistics_of_a_batch_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = {"training": tg.onnx.TrainingMode.TRAINING}
    with pytest.raises(tg.onnx.OnnxExporterError, match=r"dropout in Dropout draws random numbers"):
        tg.onnx.export(nn.Dropout(), kept(), "never.onnx", **training)
    with pytest.raises(tg.onnx.OnnxExporterError, match=r"batch_norm in BatchNorm1d takes mean and variance"):
        tg.onnx.export(nn.BatchNorm1d(6), kept(), "never.onnx", **training)
    assert "chooses by truth values" in refused(lambda x: x[x > 1])
    assert "chooses by truth values" in refused(lambda x: x[[True, False, True, False]])
    assert "gives indices" in refused(lambda x: F.max_pool1d(x, 2, return_indices=True))


def test_what_would_be_other_numbers_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tg.ones(5, 3) * 9
    assert "shortens the rows" in refused(lambda i: F.embedding(i, table, max_norm=1.0), tg.tensor([0, 1]))
    assert "bytes of a tensor as another dtype" in refused(lambda x: x.view(tg.int32).float())
    assert "circular pad" in refused(lambda x: F.pad(x, (-1, 2), mode="circular"), tg.rand(1, 2, 5))
    assert "300, which tensorgrad.uint8 can't hold" in refused(lambda x: x.byte() > 300)
    assert "not valid ONNX" in refused(lambda x: (x > 1).sort(1))

    def emptied(x, layer=nn.GRU(6, 3), state=tg.ones(1, 3)):  # noqa: B008 - one for both passes
        out, _ = layer(x, state)
        state.zero_()
        return out

    assert "gru in Only reads a constant that was written in place later" in refused(emptied)
    assert not list(tmp_path.iterdir())


def test_a_tensor_that_is_given_twice_is_two_inputs(tmp_path):
    same, other = kept(), (kept(), kept())
    hold(Only(lambda a, b: a - 2 * b), (same, same), tmp_path / "twice.onnx", others=[other])
    layer = nn.Linear(6, 6)
    hold(layer, layer.weight.detach(), tmp_path / "own.onnx", others=[kept((6, 6))])


def test_arguments_that_the_module_writes_are_as_they_were(tmp_path):
    given = tg.ones(2, 3)
    tg.onnx.export(Only(lambda x: x.add_(1)), given, tmp_path / "it.onnx")
    assert (given == 1).all()


def test_a_pass_on_other_numbers_or_sizes_warns_where_it_is_another_graph(tmp_path):
    path, axes = tmp_path / "it.onnx", {"x": {0: "batch"}}
    with pytest.warns(UserWarning, match=r"another graph, first in mul in Only\. "):
        tg.onnx.export(Only(lambda x: x * x.max().item()), tg.arange(6.0), path)
    with pytest.warns(UserWarning, match="another graph"):
        tg.onnx.export(Only(lambda x: x.exp() if x[0] > 1 else x), tg.tensor([2.0, 0.0]), path)
    with pytest.warns(UserWarning, match="another graph, first in add in Only"):
        tg.onnx.export(Only(lambda x: x + x.shape[0]), kept(), path, input_names=["x"], dynamic_axes=axes)
    with pytest.warns(UserWarning, match="raises RuntimeError: .*size"):
        tg.onnx.export(Only(lambda x: x + tg.ones(4, 6)), kept(), path, input_names=["x"], dynamic_axes=axes)


def test_modes_hooks_and_gradients_are_as_they_were(tmp_path):
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(), nn.BatchNorm1d(3))
    model[2].eval()
    seen, state = [], {name: value.clone() for name, value in model.state_dict().items()}
    model[0].register_forward_hook(lambda *args: seen.append(1))
    tg.onnx.export(model, kept(), tmp_path / "it.onnx")
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert len(seen) == 2 and len(model[0]._forward_hooks) == 1 and not model[1]._forward_hooks
    assert all(tg.equal(value, model.state_dict()[name]) for name, value in state.items())
    assert model[0].weight.grad is None and model(kept()).requires_grad


def test_a_pass_that_fails_leaves_nothing_listening(tmp_path):
    from tensorgrad import _kernels

    with pytest.raises(RuntimeError, match="size"):
        tg.onnx.export(Only(lambda x: x @ x), kept(), tmp_path / "it.onnx")
    assert _kernels.begin_range("nobody listens") is None and not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------- the file


def test_names_axes_and_several_arguments(tmp_path):
    path = tmp_path / "it.onnx"
    model = Only(lambda x, pair, *, scale: {"sum": x + pair[0] * scale, "rest": pair[1].sum()})
    tg.onnx.export(
        model, (kept(), [kept(), tg.arange(3)], {"scale": tg.tensor(2.0)}), path, input_names=["a", "b"],
        output_names=["c"], dynamic_axes={"a": [0], "b": {0: "rows"}, "c": {-1: "wide"}}, opset_version=18,
    )  # fmt: skip
    graph = onnx.load(path).graph

    def sizes(value):
        return [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]

    assert {each.name: sizes(each) for each in graph.input} == {
        "a": ["a_0", 6], "b": ["rows", 6], "input_2": [3], "input_3": []
    }  # fmt: skip
    assert {each.name: sizes(each) for each in graph.output} == {"c": [4, "wide"], "output_1": []}
    assert onnx.load(path).opset_import[0].version == 18 and onnx.load(path).producer_name == "tensorgrad"
    tg.onnx.export(nn.Linear(6, 2), kept(), path, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    assert sizes(onnx.load(path).graph.output[0]) == ["output_0_0", 2]  # seen to be another length


def test_parameters_can_be_inputs_too(tmp_path):
    path = tmp_path / "it.onnx"
    tg.onnx.export(nn.Linear(6, 2), kept(), path, input_names=["x"], keep_initializers_as_inputs=True)
    assert [each.name for each in onnx.load(path).graph.input] == ["x", "weight", "bias"]
    weight = np.zeros((2, 6), np.float32)
    found = session(path).run(None, {"x": kept().numpy(), "weight": weight, "bias": np.ones(2, np.float32)})
    assert (found[0] == 1).all()


def test_a_file_object_gets_the_model(tmp_path):
    with open(tmp_path / "it.onnx", "wb") as file:
        tg.onnx.export(nn.ReLU(), kept() - 1, file)
    assert [node.op_type for node in onnx.load(tmp_path / "it.onnx").graph.node] == ["Relu", "Identity"]


def test_recurrent_layers_take_states_and_single_sequences(tmp_path):
    for number, kind in enumerate(("LSTM", "GRU", "RNN")):
        layer = getattr(nn, kind)(6, 5, num_layers=2, bidirectional=True, bias=number != 1)
        state = tg.randn(4, 3, 5)
        states = (state, state * 2) if kind == "LSTM" else state
        given = Only(lambda x, layer=layer, states=states: layer(x, states))
        hold(given, tg.randn(4, 3, 6), tmp_path / "a.onnx")
        hold(layer, tg.randn(4, 6), tmp_path / "b.onnx")


def test_double_precision_goes_through(tmp_path):
    model = nn.Sequential(nn.Linear(6, 4), nn.SiLU(), nn.LayerNorm(4)).double()
    hold(model, tg.randn(3, 6, dtype=tg.float64), tmp_path / "it.onnx")


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"dynamo": True}, NotImplementedError, "dynamo=True compiles a program"),
        ({"export_params": False}, NotImplementedError, "only the default of export_params"),
        ({"custom_opsets": {"mine": 1}}, NotImplementedError, "only the default of custom_opsets"),
        ({"opset_version": 9}, ValueError, "opset_version is 9, and 17 to 20"),
        ({"input_names": ["a", "b"]}, ValueError, "2 input_names for 1 inputs"),
        ({"output_names": ["a", "b"]}, ValueError, "2 output_names for 1 outputs"),
        ({"input_names": ["slope"]}, ValueError, "'slope' is the name of a parameter or buffer"),
        ({"output_names": ["slope"]}, ValueError, "'slope' is the name of a parameter or buffer"),
        ({"dynamic_axes": {"y": [0]}}, ValueError, "dynamic_axes names 'y'"),
        ({"input_names": ["x"], "dynamic_axes": {"x": [2]}}, ValueError, "axis 2 of 'x' of 2 axes"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, error, says, tmp_path):
    model = nn.ReLU()
    model.register_buffer("slope", tg.ones(1))
    with pytest.raises(error, match=says):
        tg.onnx.export(model, kept(), tmp_path / "it.onnx", **settings)
    assert not list(tmp_path.iterdir())


def test_arguments_are_looked_at(tmp_path):
    with pytest.raises(TypeError, match="must be a Module, not function"):
        tg.onnx.export(refused, kept(), tmp_path / "it.onnx")
    with pytest.raises(ValueError, match="no tensor among the arguments"):
        tg.onnx.export(nn.ReLU(), (3,), tmp_path / "it.onnx")


def test_a_module_knows_that_it_is_exported(tmp_path):
    class Asks(nn.Module):
        def forward(self, x):
            return x + 1 if tg.onnx.is_in_onnx_export() else x - 1

    tg.onnx.export(Asks(), kept(), tmp_path / "it.onnx")
    assert not tg.onnx.is_in_onnx_export()
    assert [node.op_type for node in onnx.load(tmp_path / "it.onnx").graph.node][0] == "Add"


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tensorgrad-cpu\[onnx\]'"):
        tg.onnx.export(nn.ReLU(), kept(), tmp_path / "it.onnx")
    assert not list(tmp_path.iterdir())


def test_a_program_of_pytorchs_exports(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import torch, torch.onnx\n"
        "torch.onnx.export(torch.nn.Linear(3, 2), torch.randn(4, 3), 'line.onnx', verbose=False,\n"
        "                  input_names=['x'], opset_version=17, do_constant_folding=True)\n"
    )
    line = [sys.executable, "-m", "tensorgrad", "run", str(script)]
    run = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert [node.op_type for node in onnx.load(tmp_path / "line.onnx").graph.node] == ["Gemm", "Identity"]
