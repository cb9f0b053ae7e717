"""Attention layers and transformers: PyTorch's values for the same seed, what masks promise, bad input."""

import copy
from pathlib import Path

import numpy as np
import pytest
from attention_cases import ATTENTION, TRANSFORMERS, run_attention, run_transformer

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import nn

TORCH = np.load(Path(__file__).parent / "fixtures" / "attention.npz")
CASES = [(run_attention, name) for name in ATTENTION] + [(run_transformer, name) for name in TRANSFORMERS]


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
@pytest.mark.parametrize("run, name", CASES, ids=[name for _, name in CASES])
def test_values_and_gradients_are_pytorchs_for_the_same_seed(run, name, backend):
    tg.set_backend(backend)
    found = run(tg, name)
    assert sum(key.split("|")[0] == name for key in TORCH.files) == len(found)
    for i, value in enumerate(found):
        np.testing.assert_allclose(value.detach().numpy(), TORCH[f"{name}|{i}"], rtol=2e-4, atol=2e-5)


def softmax(scores):
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def test_attention_by_hand():
    layer = nn.MultiheadAttention(4, 2).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    query, memory = tg.randn(3, 1, 4).double(), tg.randn(5, 1, 4).double()
    output, weights = layer(query, memory, memory, average_attn_weights=False)
    matrices = np.split(layer.in_proj_weight.detach().numpy(), 3)
    offsets = np.split(layer.in_proj_bias.detach().numpy(), 3)
    inputs = [x.numpy()[:, 0] for x in (query, memory, memory)]
    q, k, v = (x @ m.T + b for x, m, b in zip(inputs, matrices, offsets))
    heads = []
    for head, part in enumerate((slice(0, 2), slice(2, 4))):
        wanted = softmax(q[:, part] @ k[:, part].T / np.sqrt(2))
        np.testing.assert_allclose(weights[0, head].detach().numpy(), wanted)
        heads.append(wanted @ v[:, part])
    joined = np.concatenate(heads, -1) @ layer.out_proj.weight.detach().numpy().T
    wanted = joined + layer.out_proj.bias.detach().numpy()
    np.testing.assert_allclose(output[:, 0].detach().numpy(), wanted)


def near(a, b):
    return tg.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_hidden_key_is_as_none(need_weights):
    layer = nn.MultiheadAttention(6, 3, batch_first=True)
    query, memory = tg.randn(2, 3, 6), tg.randn(2, 5, 6)
    mask = tg.tensor([[False, False, False, True, True]]).expand(2, 5)
    short = layer(query, memory[:, :3], memory[:, :3], need_weights=need_weights)[0]
    assert near(layer(query, memory, memory, mask, need_weights)[0], short)
    everywhere = mask[0].expand(3, 5)
    assert near(layer(query, memory, memory, attn_mask=everywhere, need_weights=need_weights)[0], short)
    added = tg.zeros(2, 5).masked_fill(mask, -tg.inf)
    assert near(layer(query, memory, memory, added, need_weights)[0], short)


def test_static_keys_and_values_stand_for_the_projected_ones():
    layer = nn.MultiheadAttention(4, 2)
    x = tg.randn(3, 1, 4)
    settings = (4, 2, layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0)
    out = layer.out_proj.weight, layer.out_proj.bias
    _, k, v = (
        part.reshape(3, 2, 2).transpose(0, 1)
        for part in F.linear(x, layer.in_proj_weight, layer.in_proj_bias).chunk(3, -1)
    )
    wanted = F.multi_head_attention_forward(x, x, x, *settings, *out)
    nothing = tg.zeros(3, 1, 4)
    given = (x, nothing, nothing, *settings, *out)
    found = F.multi_head_attention_forward(*given, static_k=k, static_v=v)
    assert near(found[0], wanted[0])


def test_a_query_that_sees_nothing_gets_nothing():
    x = tg.randn(1, 2, 4).requires_grad_()
    mask = tg.zeros(2, 2)
    mask[0] = -tg.inf
    output = F.scaled_dot_product_attention(x, x, x, mask)
    assert output[0, 0].tolist() == [0, 0, 0, 0]
    output.sum().backward()
    assert x.grad.isfinite().all()


def test_a_causal_layer_does_not_see_what_comes():
    layer = nn.TransformerEncoderLayer(4, 2, 8).eval()
    x = tg.randn(5, 1, 4)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    changed = tg.cat([x[:3], tg.randn(2, 1, 4)])
    for settings in (dict(), dict(is_causal=True)):
        before, after = layer(x, mask, **settings), layer(changed, mask, **settings)
        assert tg.equal(before[:3], after[:3])
        assert not near(before[3:], after[3:])


@pytest.mark.parametrize("norm_first", [False, True])
def test_batch_first_is_the_same_turned(norm_first):
    model = nn.Transformer(4, 2, 1, 1, 8, norm_first=norm_first).eval()
    turned = nn.Transformer(4, 2, 1, 1, 8, norm_first=norm_first, batch_first=True).eval()
    turned.load_state_dict(model.state_dict())
    src, tgt = tg.randn(5, 3, 4), tg.randn(2, 3, 4)
    wanted = model(src, tgt)
    assert near(turned(src.transpose(0, 1), tgt.transpose(0, 1)), wanted.transpose(0, 1))
    assert near(model(src[:, 0], tgt[:, 0]), wanted[:, 0])


def test_second_derivatives():
    layer = nn.TransformerEncoderLayer(4, 2, 4, 0.0, F.silu).double()
    x = tg.randn(2, 1, 4).double().requires_grad_()
    assert tg.autograd.gradgradcheck(layer, (x,))


def test_an_activation_may_be_a_module_of_its_own():
    layer = nn.TransformerDecoderLayer(4, 2, 8, activation=nn.Tanh())
    assert isinstance(copy.deepcopy(layer).activation, nn.Tanh)
    assert nn.TransformerEncoderLayer(4, 2, activation="gelu").activation is F.gelu


def test_names_and_looks():
    layer = nn.TransformerDecoderLayer(4, 2, 8, bias=False)
    attention = ["in_proj_weight", "out_proj.weight"]
    assert list(layer.state_dict()) == [
        *[f"{part}.{name}" for part in ("self_attn", "multihead_attn") for name in attention],
        "linear1.weight", "linear2.weight", "norm1.weight", "norm2.weight", "norm3.weight",
    ]  # fmt: skip
    names = list(nn.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True).state_dict())
    assert names == [
        "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v",
        "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip
    assert repr(nn.MultiheadAttention(4, 2)) == (
        "MultiheadAttention(\n"
        "  (out_proj): NonDynamicallyQuantizableLinear(in_features=4, out_features=4, bias=True)\n)"
    )


@pytest.mark.parametrize("choice", [nn.attention.SDPBackend.MATH, [*nn.attention.SDPBackend]])
def test_every_implementation_is_the_one(choice):
    x = tg.randn(1, 3, 4)
    with nn.attention.sdpa_kernel(choice):
        assert tg.equal(F.scaled_dot_product_attention(x, x, x), F.scaled_dot_product_attention(x, x, x))
    with pytest.raises(AssertionError, match="str"):
        nn.attention.sdpa_kernel("math").__enter__()


def attend(*shapes, **masks):
    heads = masks.pop("heads", 2)
    return nn.MultiheadAttention(4, heads)(*[tg.ones(*shape) for shape in shapes], **masks)


THREE = [(3, 1, 4)] * 3


@pytest.mark.parametrize(
    "do, error, says",
    [
        (lambda: nn.MultiheadAttention(0, 1), ValueError, "positive, not 0 and 1"),
        (lambda: nn.MultiheadAttention(5, 2), AssertionError, "multiple of num_heads 2"),
        (lambda: attend((4,), (4,), (4,)), AssertionError, r"query has to be \(L, E\)"),
        (lambda: attend((3, 1, 4), (3, 4), (3, 1, 4)), AssertionError, "3-D as query is"),
        (lambda: attend(*[(3, 1, 5)] * 3), AssertionError, "4 features, not 5"),
        (lambda: attend((3, 1, 4), (3, 1, 4), (2, 1, 4)), AssertionError, "of one shape"),
        (lambda: attend(*THREE, attn_mask=tg.ones(3)), AssertionError, "2-D or 3-D"),
        (lambda: attend(*THREE, attn_mask=tg.ones(3, 2)), RuntimeError, r"has to be \(3, 3\)"),
        (lambda: attend(*THREE, attn_mask=tg.ones(3, 3, 3)), RuntimeError, r"has to be \(2, 3, 3\)"),
        (lambda: attend(*THREE, attn_mask=tg.ones(3, 3).long()), AssertionError, "bool or floating.*int64"),
        (lambda: attend(*THREE, key_padding_mask=tg.ones(3)), AssertionError, "2-D"),
        (lambda: attend(*THREE, key_padding_mask=tg.ones(2, 3)), AssertionError, r"has to be \(1, 3\)"),
        (lambda: attend(*THREE, is_causal=True), RuntimeError, "generate_square_subsequent_mask"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), RuntimeError, "'tanh'"),
        (lambda: nn.Transformer(4, 2, 1, 1)(tg.ones(3, 1, 4), tg.ones(3, 2, 4)), RuntimeError, "1 and 2 seq"),
        (lambda: nn.Transformer(4, 2, 1, 1)(tg.ones(3, 1, 4), tg.ones(3, 1, 5)), RuntimeError, "tgt has 5"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(do, error, says):
    with pytest.raises(error, match=says):
        do()


def test_masks_of_two_dtypes_are_warned_of():
    with pytest.warns(UserWarning, match="bool.*float32"):
        attend(*THREE, attn_mask=tg.zeros(3, 3), key_padding_mask=tg.zeros(1, 3, dtype=tg.bool))


def test_attention_is_of_rows(backend):
    with pytest.raises(RuntimeError, match="at least 2 dimensional"):
        tg.nn.functional.scaled_dot_product_attention(tg.ones(4), tg.ones(1, 4), tg.ones(1, 4))
