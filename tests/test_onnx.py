"""`onnx.export`: what onnxruntime computes of a written model is what the module computes."""

from __future__ import annotations

import numpy as np
import pytest

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
    return [array for each in result for array in flat(each)]


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
    proto = hold(model, inputs(3), tmp_path / "net.onnx", {"x0": {0: "batch"}}, others, opset_version=opset)
    named = {each.name for each in proto.graph.initializer}
    assert named >= {name for name, _ in model.named_parameters()} - {"place.weight"}  # which is folded
    assert model.training is False  # as `hold` left it
