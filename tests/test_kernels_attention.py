"""The kernels of attention: against the body that they stand in for, over shapes, masks and strides."""

import numpy as np
import pytest
from kernel_calls import Guarded, events, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels, nn
from tensorgrad.core.declare import registry

NAMES = ("scaled_dot_product_attention", "scaled_dot_product_attention_backward")
OP = registry[NAMES[0]]
FLOATS = {"f4": dict(rtol=3e-5, atol=3e-6), "f8": dict(rtol=1e-12, atol=1e-13)}
types = pytest.mark.parametrize("dtype", FLOATS)
kernels_only = pytest.mark.skipif(tg.get_backend() != "kernels", reason="holds of kernels alone")

# batch, heads of queries and of keys, queries, keys, sizes of a key and of a value
SHAPES = [
    (1, 1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 300, 8, 8), (2, 3, 3, 5, 7, 3, 5), (1, 2, 2, 16, 16, 16, 16),
    (2, 1, 1, 63, 84, 24, 17), (1, 2, 2, 64, 85, 5, 40), (1, 1, 1, 65, 83, 64, 64), (1, 2, 1, 130, 9, 7, 1),
    (2, 4, 2, 9, 130, 33, 8), (1, 6, 2, 70, 260, 12, 20), (1, 1, 1, 200, 520, 16, 16),
    (1, 1, 1, 520, 200, 15, 9), (12, 1, 1, 3, 300, 2, 2), (1, 1, 1, 300, 1000, 4, 8),
]  # fmt: skip
shapes = pytest.mark.parametrize("shape", SHAPES, ids=["x".join(map(str, each)) for each in SHAPES])
SEEN = ("all", "causal", "mask", "keys", "bias", "slope", "turned")
sights = pytest.mark.parametrize("seen", SEEN)


def draws(dtype, *each, seed=0):
    rng = np.random.default_rng(seed)
    return [tg.tensor(rng.uniform(-2, 2, shape).astype(dtype)) for shape in each]


def operands(shape, dtype):
    batch, heads, own, queries, keys, depth, width = shape
    q, k, v = draws(
        dtype, (batch, heads, queries, depth), (batch, own, keys, depth), (batch, own, keys, width)
    )
    return q, k, v


def sight(shape, dtype, seen):
    """The settings that say which keys are seen."""
    batch, heads, _, queries, keys, *_ = shape
    rng = np.random.default_rng(1)
    if seen == "all":
        return {}
    if seen == "causal":
        return {"is_causal": True}
    if seen == "mask":  # some queries may see nothing
        mask = rng.random((batch, heads, queries, keys)) < 0.6
        mask[:, :, ::5] = False
        return {"attn_mask": tg.tensor(mask)}
    if seen == "keys":
        mask = rng.random((batch, 1, 1, keys)) < 0.7
        mask[..., 0] = True
        return {"attn_mask": tg.tensor(mask)}
    bias = rng.uniform(-2, 2, (heads, queries, keys)).astype(dtype)
    bias[rng.random(bias.shape) < 0.3] = -np.inf
    if seen == "bias":
        bias[:, 3::7] = -np.inf
        return {"attn_mask": tg.tensor(bias)}
    if seen == "slope":
        return {"attn_mask": tg.tensor(bias[0])}
    return {"attn_mask": tg.tensor(np.ascontiguousarray(bias.swapaxes(1, 2))).transpose(1, 2)}


def both_ways(function, given, settings, seed=2):
    """What comes out, and what the three operands get back."""
    leaves = [x.detach().requires_grad_() for x in given]
    out = function(*leaves, **settings)
    (grad,) = draws(out.detach().numpy().dtype, out.shape, seed=seed)
    return [out.detach(), *tg.autograd.grad(out, leaves, grad)]


def body(*operands, **settings):
    return OP.body(*operands, **settings)


def near(found, expected, dtype):
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f.numpy(), e.numpy(), **FLOATS[dtype])


@types
@shapes
@sights
def test_kernels_agree_with_the_body(shape, seen, dtype):
    given, settings = operands(shape, dtype), sight(shape, dtype, seen)
    if shape[1] != shape[2]:
        settings["enable_gqa"] = True
    near(both_ways(OP, given, settings), both_ways(body, given, settings), dtype)


@types
@pytest.mark.parametrize("scale", [0.0, 0.3, -0.5])
def test_the_scale_is_what_is_given(dtype, scale):
    given = operands((1, 2, 2, 20, 30, 8, 8), dtype)
    near(*(both_ways(each, given, {"scale": scale}) for each in (OP, body)), dtype)


@kernels_only
def test_there_and_back_are_one_launch_each():
    q, k, v = (x.requires_grad_() for x in operands((2, 3, 3, 200, 300, 16, 16), "f4"))
    out = []
    assert events(lambda: out.append(OP(q, k, v, is_causal=True))) == [NAMES[0]]
    grad = tg.ones_like(out[0])
    assert events(lambda: out[0].backward(grad)) == [NAMES[1]]


@types
def test_one_head_and_a_batch_of_heads_are_taken_too(dtype):
    given = operands((1, 3, 3, 20, 30, 8, 5), dtype)
    whole = both_ways(OP, given, {})
    near(both_ways(OP, [x[0] for x in given], {}), [x[0] for x in whole], dtype)
    alone = both_ways(OP, [x[0, 1] for x in given], {})
    near(alone[:1], [whole[0][0, 1]], dtype)
    mask = tg.tensor(np.arange(30) % 3 != 0)
    for some in (given, [x[0] for x in given], [x[0, 1] for x in given]):
        near(*(both_ways(each, some, {"attn_mask": mask}) for each in (OP, body)), dtype)


def layouts(x):
    """The same numbers, lying in other ways."""
    n, h, length, e = x.shape
    wide = tg.zeros(n, length, 3, h, e, dtype=x.dtype)
    wide[:, :, 1] = x.transpose(1, 2)
    long = tg.zeros(length, n, h * e, dtype=x.dtype)
    long.copy_(x.permute(2, 0, 1, 3).reshape(length, n, h * e))
    return {
        "projected": wide[:, :, 1].transpose(1, 2),
        "length first": long.reshape(length, n, h, e).permute(1, 2, 0, 3),
        "columns": x.transpose(2, 3).contiguous().transpose(2, 3),
        "stepped": x.repeat_interleave(2, 3)[..., ::2],
        "backwards": tg.tensor(x.numpy()[:, :, ::-1].copy()).flip(2),
    }


@types
@pytest.mark.parametrize("layout", ["projected", "length first", "columns", "stepped", "backwards"])
@pytest.mark.parametrize("seen", ["all", "causal", "bias"])
def test_where_operands_lie_changes_no_bit(layout, seen, dtype):
    shape = (2, 3, 3, 70, 90, 8, 12)
    given, settings = operands(shape, dtype), sight(shape, dtype, seen)
    moved = [layouts(x)[layout] for x in given]
    found = [both_ways(OP, each, settings) for each in (given, moved)]
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(*found, strict=True))


@kernels_only
def test_heads_cut_from_a_projection_are_joined_without_a_copy():
    x = tg.randn(2, 10, 24)
    q, k, v = (each.reshape(2, 10, 2, 4).transpose(1, 2) for each in x.chunk(3, -1))
    out = OP(q, k, v)
    assert out.transpose(1, 2).is_contiguous()
    assert OP(q.contiguous(), k, v).is_contiguous()


@kernels_only
def test_layers_that_give_no_weights_run_the_kernel():
    x = tg.randn(9, 2, 8)
    attention = nn.MultiheadAttention(8, 2)
    seen = nn.Transformer.generate_square_subsequent_mask(9)
    for work in (
        lambda: attention(x, x, x, need_weights=False),
        lambda: attention(x, x, x, need_weights=False, attn_mask=seen, is_causal=True),
        lambda: attention(x, x, x, tg.zeros(2, 9, dtype=tg.bool), need_weights=False, attn_mask=seen),
        lambda: nn.TransformerEncoderLayer(8, 2, 8, 0.0)(x),
    ):
        assert events(work).count(NAMES[0]) == 1
    assert events(lambda: nn.TransformerDecoderLayer(8, 2, 8, 0.0)(x, x)).count(NAMES[0]) == 2


def test_keys_that_are_repeated_get_all_their_gradients():
    q, k, v = operands((2, 2, 2, 7, 9, 4, 4), "f8")
    one = k[:, :1].detach().requires_grad_()
    OP(q, one.expand(2, 2, 9, 4), v).square().sum().backward()
    again = k[:, :1].detach().requires_grad_()
    body(q, again.expand(2, 2, 9, 4), v).square().sum().backward()
    near([one.grad], [again.grad], "f8")


@types
@pytest.mark.parametrize("shape", [(1, 1, 1, 700, 800, 8, 8), (3, 4, 2, 90, 100, 16, 8)])
@pytest.mark.parametrize("seen", ["all", "causal", "mask", "bias"])
def test_the_number_of_threads_changes_no_bit(shape, seen, dtype):
    given, settings = operands(shape, dtype), sight(shape, dtype, seen)
    settings["enable_gqa"] = True
    same_by_any_threads(lambda: [each.numpy() for each in both_ways(OP, given, settings)])


SPECIAL = {
    "value": (2, (..., 40, 1), np.nan),
    "infinite value": (2, (..., 40, 1), np.inf),
    "key": (1, (..., 40, 1), np.nan),
    "infinite key": (1, (..., 40, 1), -np.inf),
    "last key": (1, (..., -1, 1), np.inf),
    "last value": (2, (..., -1, 0), np.nan),
    "query": (0, (..., 9, 1), np.nan),
    "infinite query": (0, (..., 9, 1), np.inf),
    "huge": (0, (..., 9, slice(None)), 1e30),
}


@types
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("seen", ["all", "causal", "mask", "bias"])
def test_nan_and_infinity_go_where_the_body_has_them(special, seen, dtype):
    shape = (1, 2, 2, 100, 120, 4, 4)
    given, settings = list(operands(shape, dtype)), sight(shape, dtype, seen)
    which, where, number = SPECIAL[special]
    given[which][where] = number
    found, expected = (both_ways(each, given, settings) for each in (OP, body))
    near(found[:1], expected[:1], dtype)
    for f, e in zip(found[1:], expected[1:], strict=True):
        finite = np.isfinite(e.numpy())
        assert np.array_equal(np.isfinite(f.numpy()), finite)
        if special != "huge":  # whose sums cancel to what is left of their rounding
            near([f.masked_fill(tg.tensor(~finite), 0)], [e.masked_fill(tg.tensor(~finite), 0)], dtype)


@types
def test_a_gradient_of_nan_goes_where_the_body_has_it(dtype):
    given = operands((1, 1, 1, 100, 120, 4, 4), dtype)
    for settings in ({}, {"is_causal": True}):
        found = []
        for function in (OP, body):
            leaves = [x.detach().requires_grad_() for x in given]
            out = function(*leaves, **settings)
            grad = tg.ones_like(out).detach()
            grad[0, 0, 30, 2] = np.nan
            found.append([np.isnan(x.numpy()) for x in tg.autograd.grad(out, leaves, grad)])
        assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@types
def test_queries_that_see_nothing_get_0_and_give_0(dtype):
    q, k, v = (x.requires_grad_() for x in operands((1, 1, 1, 70, 90, 4, 4), dtype))
    seen = tg.ones(70, 90, dtype=tg.bool)
    seen[20:] = False
    added = tg.zeros(70, 90, dtype=q.dtype).masked_fill(~seen, -np.inf)
    for mask in (seen, added):
        out = OP(q, k, v, mask)
        assert out[..., 20:, :].abs().max() == 0 and out[..., :20, :].abs().min() > 0
        dq, dk, _ = tg.autograd.grad(out.square().sum(), (q, k, v))
        assert dq[..., 20:, :].abs().max() == 0 and dk.isfinite().all()
    q.data[..., 30, 0] = np.nan
    assert OP(q, k, v, added)[..., 20:, :].abs().max() == 0


@types
def test_the_right_gradients_arrive_where_only_some_are_wanted(dtype):
    given = operands((1, 2, 2, 70, 300, 8, 12), dtype)
    whole = both_ways(OP, given, {"is_causal": True})
    (grad,) = draws(dtype, whole[0].shape, seed=2)
    for i in range(3):
        leaves = [x.detach().requires_grad_(n == i) for n, x in enumerate(given)]
        (found,) = tg.autograd.grad(OP(*leaves, is_causal=True), leaves[i], grad)
        assert tg.equal(found, whole[i + 1])


@pytest.mark.parametrize("seen", ["all", "causal", "mask", "slope"])
def test_first_and_second_derivatives(seen):
    shape = (1, 2, 1, 3, 4, 2, 3)
    given, settings = operands(shape, "f8"), sight(shape, "f8", seen)
    given = [x.requires_grad_() for x in given]

    def attend(q, k, v):
        return OP(q, k, v, **settings, enable_gqa=True)

    assert tg.autograd.gradcheck(attend, given)
    assert tg.autograd.gradgradcheck(attend, given)


def test_a_mask_gets_its_gradient():
    q, k, v = operands((1, 2, 2, 5, 6, 4, 4), "f8")
    mask = tg.randn(5, 6, dtype=tg.float64).requires_grad_()
    assert tg.autograd.gradcheck(lambda m: OP(q, k, v, m), (mask,))


@kernels_only
def test_a_mask_that_changes_before_the_way_back_is_noticed():
    q, k, v = (x.requires_grad_() for x in operands((1, 1, 1, 5, 6, 4, 4), "f4"))
    mask = tg.zeros(5, 6)
    out = OP(q, k, v, mask)
    mask.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def apply_arrays(dtype):
    q, k, v = (x.numpy() for x in operands((2, 3, 3, 20, 90, 5, 7), dtype))
    return q[:, :, None], k, v


@types
def test_they_stay_in_their_memory(dtype):
    q, k, v = apply_arrays(dtype)
    out, stats = Guarded((2, 3, 1, 20, 7), dtype), Guarded((2, 2, 3, 1, 20), dtype)
    settings = dict(scale=0.4, causal=1)
    _kernels.apply(NAMES[0], query=q, key=k, value=v, out=out.array, stats=stats.array, **settings)
    grads = [Guarded(x.shape, dtype) for x in (q, k, v)]
    _kernels.apply(
        NAMES[1], grad=np.ones_like(out.array), query=q, key=k, value=v, out=out.array, stats=stats.array,
        of_query=grads[0].array, of_key=grads[1].array, of_value=grads[2].array, **settings,
    )  # fmt: skip
    for each in (out, stats, *grads):
        assert np.isfinite(each.array).all()
        each.check()


def test_calls_by_names_refuse_what_does_not_fit():
    q, k, v = apply_arrays("f4")

    def call(q, k, v, **more):
        return _kernels.apply(NAMES[0], query=q, key=k, value=v, scale=1.0, causal=0, **more)

    assert call(q, k, v)[0].shape == (2, 3, 1, 20, 7)
    for wrong in (
        lambda: call(q[..., :4], k, v),
        lambda: call(q, k[:, :2], v),
        lambda: call(q, k, v[:, :, 1:]),
        lambda: call(q, k[:, :, :0], v[:, :, :0]),
        lambda: call(q[:, :, :, :0], k, v),
        lambda: call(q, k, v, mask=np.ones((2, 3, 1, 20, 89), bool)),
        lambda: call(q, k, v, out=np.empty((2, 3, 1, 20, 6), "f4")),
        lambda: call(q, k, k, out=q),
        lambda: call(q, k.astype("f8"), v),
    ):
        with pytest.raises(ValueError, match=NAMES[0]):
            wrong()


def peak_of(work):
    """The most bytes that tensors had at the end of an event, over those before."""
    held = [before := tg.memory_allocated()]

    def listener(event):
        held.append(tg.memory_allocated())

    _kernels.listen(listener)
    try:
        work()
    finally:
        _kernels.unlisten(listener)
    return max(held) - before


@kernels_only
@pytest.mark.parametrize("seen", ["all", "causal", "keys"])
def test_memory_grows_with_the_length_alone(seen):
    """All scores would be 64 MB, and the body has them several times."""
    shape = (1, 4, 4, 2048, 2048, 16, 16)
    q, k, v = (x.requires_grad_() for x in operands(shape, "f4"))
    settings = sight(shape, "f4", seen)
    rows = 4 * 4 * 2048 * 16
    assert peak_of(lambda: OP(q, k, v, **settings).sum().backward()) < 8 * rows
    given = operands((1, 1, 1, 300, 300, 4, 4), "f4")
    assert peak_of(lambda: body(*given)) > 4 * 300 * 300


@types
def test_the_result_may_be_written_before_the_way_back(dtype):
    given = operands((1, 2, 2, 50, 60, 4, 4), dtype)
    found = []
    for function in (OP, body):
        leaves = [x.detach().requires_grad_() for x in given]
        function(*leaves, is_causal=True).mul_(2.0).sum().backward()
        found.append([x.grad for x in leaves])
    near(*found, dtype)
