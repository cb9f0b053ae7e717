"""Convolutions: against their definition in loops, PyTorch's layers, and what ties gradients to maps."""

from __future__ import annotations

import itertools
import json
import math
import pathlib

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.nn import functional as F

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
LAYERS = json.loads((pathlib.Path(__file__).parent / "fixtures" / "convolution.json").read_text())


def defined(x, w, b, stride, padding, dilation, groups):
    """The sum over channels and taps, one place after the other, in float64."""
    rank = x.ndim - 2
    padded = np.pad(x.astype("f8"), [(0, 0), (0, 0), *((p, p) for p in padding)])
    kernel = w.shape[2:]
    size = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    out = np.zeros((x.shape[0], w.shape[0], *size))
    filters, channels = w.shape[0] // groups, w.shape[1]
    for at in np.ndindex(*size):
        window = tuple(
            slice(a * s, a * s + d * (k - 1) + 1, d)
            for a, s, d, k in zip(at, stride, dilation, kernel, strict=True)
        )
        patch = padded[(slice(None), slice(None), *window)]
        for g in range(groups):
            part = patch[:, g * channels : (g + 1) * channels]
            some = slice(g * filters, (g + 1) * filters)
            found = np.tensordot(part, w[some].astype("f8"), (range(1, rank + 2),) * 2)
            out[(slice(None), some, *at)] = found
    return out if b is None else out + b.astype("f8").reshape(-1, *(1,) * rank)


def whole(rng, *shape, dtype="f4"):
    """Small whole numbers, of which all sums are exact."""
    return rng.integers(-4, 5, shape).astype(dtype)


# kernel, stride, padding, dilation, groups, size
SETTINGS = [
    ((3,), (1,), (1,), (1,), 1, (33,)),
    ((5,), (3,), (0,), (2,), 2, (40,)),
    ((1,), (2,), (3,), (1,), 1, (9,)),
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, (17, 19)),
    ((3, 3), (2, 2), (1, 1), (1, 1), 2, (16, 15)),
    ((1, 1), (1, 1), (0, 0), (1, 1), 1, (7, 9)),
    ((1, 1), (2, 3), (0, 0), (1, 1), 1, (8, 11)),
    ((5, 2), (1, 4), (4, 1), (1, 3), 1, (6, 23)),
    ((7, 7), (2, 2), (3, 3), (1, 1), 1, (30, 8)),
    ((2, 3), (3, 2), (0, 5), (2, 1), 3, (12, 1)),
    ((3, 3), (1, 1), (2, 2), (2, 2), 6, (9, 34)),
    ((2, 3, 2), (1, 2, 1), (0, 1, 1), (2, 1, 1), 1, (5, 7, 6)),
    ((3, 1, 3), (2, 1, 3), (1, 0, 2), (1, 1, 1), 2, (6, 3, 18)),
]
settings = pytest.mark.parametrize("kernel, stride, padding, dilation, groups, size", SETTINGS)
types = pytest.mark.parametrize("dtype", ["f4", "f8"])


def operands(rng, kernel, groups, size, dtype, images=3, channels=6, filters=12):
    x = whole(rng, images, channels, *size, dtype=dtype)
    w = whole(rng, filters, channels // groups, *kernel, dtype=dtype)
    return x, w, whole(rng, filters, dtype=dtype)


@types
@settings
def test_it_is_what_its_definition_says(kernel, stride, padding, dilation, groups, size, dtype):
    x, w, b = operands(np.random.default_rng(0), kernel, groups, size, dtype)
    found = CONV[len(kernel)](*map(tg.tensor, (x, w, b)), stride, padding, dilation, groups)
    assert found.dtype == tg.tensor(x).dtype
    np.testing.assert_array_equal(found.numpy(), defined(x, w, b, stride, padding, dilation, groups))


@types
@settings
def test_gradients_are_what_products_with_the_result_say(
    kernel, stride, padding, dilation, groups, size, dtype
):
    """The result is linear in both: its product with g is that of either operand with its gradient."""
    rng = np.random.default_rng(1)
    x, w, b = operands(rng, kernel, groups, size, dtype)
    conv = CONV[len(kernel)]
    leaves = [tg.tensor(each).requires_grad_() for each in (x, w, b)]
    out = conv(*leaves, stride, padding, dilation, groups)
    g = whole(rng, *out.shape, dtype=dtype)
    out.backward(tg.tensor(g))
    other = operands(rng, kernel, groups, size, dtype)
    along = defined(other[0], w, None, stride, padding, dilation, groups)
    assert np.sum(along * g) == np.sum(other[0].astype("f8") * leaves[0].grad.numpy())
    along = defined(x, other[1], None, stride, padding, dilation, groups)
    assert np.sum(along * g) == np.sum(other[1].astype("f8") * leaves[1].grad.numpy())
    np.testing.assert_array_equal(leaves[2].grad.numpy(), g.sum((0, *range(2, g.ndim)), dtype="f8"))


@types
@settings
def test_each_place_of_a_gradient_has_its_own_value(kernel, stride, padding, dilation, groups, size, dtype):
    """It is the product with g of what an operand gives that has a one there alone."""
    rng = np.random.default_rng(2)
    x, w, _ = operands(rng, kernel, groups, size, dtype, images=1)
    leaves = [tg.tensor(each).requires_grad_() for each in (x, w)]
    out = CONV[len(kernel)](*leaves, None, stride, padding, dilation, groups)
    g = whole(rng, *out.shape, dtype=dtype)
    out.backward(tg.tensor(g))
    for leaf, index in itertools.product((0, 1), range(8)):
        array = (x, w)[leaf]
        one = np.zeros_like(array)
        place = tuple(rng.integers(0, n) for n in array.shape)
        one[place] = 1
        both = (one, w) if leaf == 0 else (x, one)
        assert leaves[leaf].grad.numpy()[place] == np.sum(
            defined(*both, None, stride, padding, dilation, groups) * g
        ), index


@types
@settings
def test_the_transposed_one_is_the_gradient_for_the_input(
    kernel, stride, padding, dilation, groups, size, dtype
):
    rng = np.random.default_rng(3)
    x, w, _ = operands(rng, kernel, groups, size, dtype)
    leaf = tg.tensor(x).requires_grad_()
    out = CONV[len(kernel)](leaf, tg.tensor(w), None, stride, padding, dilation, groups)
    g = whole(rng, *out.shape, dtype=dtype)
    out.backward(tg.tensor(g))
    bias = whole(rng, x.shape[1], dtype=dtype)
    least = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, k, s, p, d in zip(out.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    extra = tuple(n - m for n, m in zip(size, least, strict=True))
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        pytest.fail("a size that no output_padding gives")
    found = TRANSPOSED[len(kernel)](
        tg.tensor(g), tg.tensor(w), tg.tensor(bias), stride, padding, extra, groups, dilation
    )
    expected = leaf.grad.numpy() + bias.reshape(-1, *(1,) * len(size))
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    "images, channels, filters, size",
    [
        (1, 1, 1, (5, 5)),
        (2, 3, 40, (50, 60)),  # more than a panel, a tile, a frame
        (1, 64, 70, (9, 9)),
        (1, 300, 130, (4, 4)),  # weights are larger than a frame, and cut by rows
        (17, 2, 3, (3, 4)),  # several images a unit
        (1, 2, 5, (150, 90)),  # bands
    ],
)
def test_large_and_small_ones(images, channels, filters, size):
    rng = np.random.default_rng(4)
    x, w = whole(rng, images, channels, *size), whole(rng, filters, channels, 3, 3)
    leaves = [tg.tensor(each).requires_grad_() for each in (x, w)]
    out = F.conv2d(*leaves, padding=1)
    np.testing.assert_array_equal(out.detach().numpy(), defined(x, w, None, (1, 1), (1, 1), (1, 1), 1))
    g = whole(rng, *out.shape)
    out.backward(tg.tensor(g))
    turned = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    expected = defined(g, turned, None, (1, 1), (1, 1), (1, 1), 1)
    np.testing.assert_array_equal(leaves[0].grad.numpy(), expected)
    padded = np.pad(x.astype("f8"), [(0, 0), (0, 0), (1, 1), (1, 1)])
    for i, j in itertools.product(range(3), repeat=2):
        under = padded[:, :, i : i + size[0], j : j + size[1]]
        expected = np.tensordot(g.astype("f8"), under, ((0, 2, 3),) * 2)
        np.testing.assert_array_equal(leaves[1].grad.numpy()[:, :, i, j], expected)


@pytest.mark.parametrize("fact", LAYERS, ids=lambda fact: fact["repr"])
def test_layers_are_pytorchs(fact):
    args, settings = (
        [tuple(each) if isinstance(each, list) else each for each in fact["args"]],
        {key: tuple(each) if isinstance(each, list) else each for key, each in fact["settings"].items()},
    )
    tg.manual_seed(7)
    layer = getattr(nn, fact["layer"])(*args, **settings)
    assert repr(layer) == fact["repr"]
    state = {key: [float(x).hex() for x in value.flatten()] for key, value in layer.state_dict().items()}
    assert state == fact["state"]
    out = layer(tg.rand(fact["shape"]))
    assert list(out.shape) == fact["out_shape"]
    np.testing.assert_allclose(out.detach().numpy().ravel(), fact["out"], rtol=0, atol=3e-6)


@pytest.mark.parametrize("kernel, dilation", [(1, 1), (2, 1), (3, 1), (4, 3), (5, 2)])
def test_same_keeps_the_size_and_valid_puts_nothing_on(kernel, dilation):
    x, w = tg.arange(20.0).reshape(1, 2, 10), tg.ones(3, 2, kernel)
    same = F.conv1d(x, w, padding="same", dilation=dilation)
    assert same.shape == (1, 3, 10)
    before = dilation * (kernel - 1) // 2
    around = F.pad(x, (before, dilation * (kernel - 1) - before))
    assert tg.equal(same, F.conv1d(around, w, dilation=dilation))
    plain = F.conv1d(x, w, dilation=dilation)
    assert tg.equal(F.conv1d(x, w, padding="valid", dilation=dilation), plain)


@pytest.mark.parametrize("rank", (1, 2, 3))
def test_without_a_batch_it_is_a_batch_of_one(rank):
    x, w = tg.rand(4, *(5,) * rank), tg.rand(6, 2, *(2,) * rank)
    assert tg.equal(CONV[rank](x, w, groups=2), CONV[rank](x[None], w, groups=2)[0])
    w = tg.rand(4, 3, *(2,) * rank)
    assert tg.equal(TRANSPOSED[rank](x, w, stride=2), TRANSPOSED[rank](x[None], w, stride=2)[0])


def test_strided_operands():
    x, w = tg.rand(6, 5, 2, 4).permute(2, 3, 0, 1), tg.rand(3, 3, 4, 5).permute(3, 2, 1, 0)
    leaves = [each.clone().requires_grad_() for each in (x, w)]
    turned = [each.detach().requires_grad_() for each in (x, w)]
    assert not turned[0].is_contiguous()
    for a, b in (leaves, turned):
        F.conv2d(a, b, padding=1).square().sum().backward()
    for a, b in zip(leaves, turned, strict=True):
        assert tg.equal(a.grad, b.grad)


@pytest.mark.parametrize("dtype", (tg.float16, tg.bfloat16))
def test_narrow_floats_are_summed_in_float32(dtype):
    x, w, b = (tg.rand(*shape).to(dtype) for shape in ((2, 8, 9, 9), (4, 8, 3, 3), (4,)))
    found = F.conv2d(x, w, b, padding=1)
    assert found.dtype is dtype
    exact = F.conv2d(x.float(), w.float(), b.float(), padding=1).to(dtype)
    assert tg.equal(found, exact)


def test_integers_are_exact():
    x, w = tg.full((1, 1, 3), 2**40), tg.tensor([[[1, 2**20]]])
    assert F.conv1d(x, w).tolist() == [[[2**40 + 2**60] * 2]]


def test_a_batch_or_channels_of_none():
    w = tg.rand(6, 4, 3, 3).requires_grad_()
    out = F.conv2d(tg.rand(0, 4, 8, 8), w)
    assert out.shape == (0, 6, 6, 6)
    out.sum().backward()
    assert tg.equal(w.grad, tg.zeros_like(w))
    assert tg.equal(F.conv2d(tg.rand(2, 0, 8, 8), tg.rand(6, 0, 3, 3)), tg.zeros(2, 6, 6, 6))
    assert F.conv_transpose2d(tg.rand(0, 4, 8, 8), tg.rand(4, 3, 3, 3)).shape == (0, 3, 10, 10)


@pytest.mark.parametrize("value", (math.inf, math.nan))
@pytest.mark.parametrize("groups", (1, 8))
def test_what_is_not_finite_stays_where_a_kernel_meets_it(value, groups):
    x, w = tg.rand(1, 8, 11, 21), tg.rand(8, 8 // groups, 3, 3)
    x[0, 0, 5, 7] = value
    strange = ~F.conv2d(x, w, padding=1, groups=groups).isfinite()
    assert strange[0, 0, 4:7, 6:9].all()
    assert strange.sum() == 9 * (8 if groups == 1 else 1)
    g = tg.zeros(1, 8, 11, 21)
    g[0, 0, 0, 20] = value
    x = tg.rand(1, 8, 11, 21).requires_grad_()
    F.conv2d(x, w, padding=1, groups=groups).backward(g)
    assert (~x.grad.isfinite()).sum() == 4 * (8 if groups == 1 else 1)


@pytest.mark.parametrize("groups, stride", [(1, 1), (1, 2), (4, 1), (4, 2)])
def test_weights_that_are_not_finite_reach_the_pixels_that_they_meet(groups, stride):
    """Of the gradient of the input, and of a transposed convolution: there is no padding to be multiplied."""
    x, w = tg.ones(2, 4, 4, 4), tg.ones(4, 4 // groups, 3, 3)
    w[:, :, 2, 2] = math.inf
    found = F.conv_transpose2d(x, w, stride=stride, groups=groups)
    met = F.conv_transpose2d(x, (w == math.inf).float(), stride=stride, groups=groups) > 0
    assert tg.equal(found == math.inf, met)
    w[:, :, 2, 2] = 0
    plain = F.conv_transpose2d(x, w, stride=stride, groups=groups)
    assert tg.equal(found[~met], plain[~met])


def test_convolution_by_its_long_name():
    x, w = tg.rand(1, 4, 6, 6), tg.rand(4, 2, 3, 3)
    found = tg.convolution(x, w, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 2)
    assert tg.equal(found, F.conv2d(x, w, None, 2, 1, 1, 2))
    found = tg.convolution(x, w, None, [2, 2], [1, 1], [1, 1], True, [1, 1], 2)
    assert tg.equal(found, F.conv_transpose2d(x, w, None, 2, 1, 1, 2))


def test_over_time():
    x, w, b = tg.rand(7, 2, 3), tg.rand(3, 3, 4), tg.rand(4)
    found = tg.conv_tbc(x, w, b, 1)
    expected = F.conv1d(x.permute(1, 2, 0), w.permute(2, 1, 0), b, padding=1).permute(2, 0, 1)
    assert tg.equal(found, expected)


IMAGE, WEIGHT = tg.ones(2, 4, 8, 8), tg.ones(6, 4, 3, 3)
WRONG = [
    (lambda: F.conv2d(tg.ones(2, 8, 8), WEIGHT), RuntimeError, "to have 4 channels, but got 2 channels"),
    (lambda: F.conv2d(tg.ones(8, 8), WEIGHT), RuntimeError, r"Expected 3D \(unbatched\) or 4D"),
    (lambda: F.conv2d(IMAGE, tg.ones(6, 4, 3)), RuntimeError, "weight of 4 dimensions"),
    (lambda: F.conv2d(IMAGE, WEIGHT, tg.ones(5)), RuntimeError, "1-dimensional with 6 elements"),
    (lambda: F.conv2d(IMAGE, WEIGHT.double()), RuntimeError, "should be the same"),
    (lambda: F.conv2d(IMAGE, WEIGHT, tg.ones(6).double()), RuntimeError, "should be the same"),
    (lambda: F.conv2d(IMAGE, WEIGHT, stride=0), RuntimeError, "non-positive stride"),
    (lambda: F.conv2d(IMAGE, WEIGHT, padding=-1), RuntimeError, "negative padding"),
    (lambda: F.conv2d(IMAGE, WEIGHT, dilation=0), RuntimeError, "non-positive dilation"),
    (lambda: F.conv2d(IMAGE, WEIGHT, stride=(1, 2, 3)), RuntimeError, "a tuple of 2 ints"),
    (lambda: F.conv2d(IMAGE, WEIGHT, stride=1.5), TypeError, "must be int or tuple of 2 ints"),
    (lambda: F.conv2d(IMAGE, WEIGHT, padding="same", stride=2), RuntimeError, "strided"),
    (lambda: F.conv2d(IMAGE, WEIGHT, padding="some"), RuntimeError, "Invalid padding string"),
    (lambda: F.conv2d(IMAGE, tg.ones(6, 4, 9, 9)), RuntimeError, "can't be greater than actual input"),
    (lambda: F.conv2d(IMAGE, WEIGHT, dilation=2**40), RuntimeError, "can't be greater than actual input"),
    (lambda: F.conv2d(IMAGE, WEIGHT, groups=0), RuntimeError, "non-positive groups"),
    (lambda: F.conv2d(IMAGE, tg.ones(5, 2, 3, 3), groups=2), RuntimeError, "divisible by 2"),
    (lambda: F.conv2d(IMAGE, tg.ones(1, 2, 3, 3), groups=2), RuntimeError, "at least 2"),
    (lambda: F.conv2d(IMAGE, tg.ones(6, 4, 0, 3)), RuntimeError, "a kernel needs elements"),
    (lambda: F.conv2d(IMAGE.bool(), WEIGHT.bool()), NotImplementedError, "bool"),
    (lambda: F.conv2d(IMAGE, None), TypeError, "must be Tensor"),
    (lambda: F.conv_transpose2d(IMAGE, WEIGHT), RuntimeError, "to have 6 channels, but got 4 channels"),
    (
        lambda: F.conv_transpose2d(IMAGE, tg.ones(4, 3, 3, 3), output_padding=1),
        RuntimeError,
        "output padding must be smaller",
    ),
    (lambda: F.conv_transpose2d(IMAGE, tg.ones(4, 3, 3, 3), padding=6), RuntimeError, "too small"),
    (lambda: F.conv_transpose2d(IMAGE, tg.ones(4, 3, 3, 3), padding="same"), TypeError, "not str"),
    (lambda: nn.Conv2d(4, 6, 3, groups=0), ValueError, "positive"),
    (lambda: nn.Conv2d(4, 6, 3, groups=4), ValueError, "out_channels must be divisible"),
    (lambda: nn.Conv2d(5, 6, 3, groups=3), ValueError, "in_channels must be divisible"),
    (lambda: nn.Conv2d(4, 6, 3, padding="some"), ValueError, "Invalid padding string"),
    (lambda: nn.Conv2d(4, 6, 3, padding="same", stride=2), ValueError, "strided"),
    (lambda: nn.Conv2d(4, 6, 3, padding_mode="x"), ValueError, "padding_mode"),
    (lambda: nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect"), ValueError, "zeros"),
    (lambda: nn.ConvTranspose2d(4, 6, 3)(IMAGE, output_size=[3, 3]), ValueError, "valid sizes range"),
    (lambda: nn.ConvTranspose2d(4, 6, 3)(IMAGE, output_size=[3]), ValueError, "2 or 4 elements"),
]


@pytest.mark.parametrize("call, error, says", WRONG)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("name", [f"Conv{kind}{rank}d" for kind in ("", "Transpose") for rank in (1, 2, 3)])
def test_lazy_layers_take_their_channels_from_the_first_input(name):
    x = tg.rand(2, 4, *(5,) * int(name[-2]))
    tg.manual_seed(0)
    lazy = getattr(nn, "Lazy" + name)(6, 3, 1, padding=1, groups=2)
    assert lazy.has_uninitialized_params()
    tg.manual_seed(0)
    out = lazy(x)
    assert type(lazy) is getattr(nn, name)
    tg.manual_seed(0)
    plain = getattr(nn, name)(4, 6, 3, 1, padding=1, groups=2)
    assert tg.equal(out, plain(x))
    assert repr(lazy) == repr(plain)
    loaded = getattr(nn, "Lazy" + name)(6, 3, 1, padding=1, groups=2)
    loaded.load_state_dict(plain.state_dict())
    assert tg.equal(loaded(x), out)
    assert repr(loaded) == repr(plain)
    with pytest.raises(ValueError, match="in_channels must be divisible"):
        getattr(nn, "Lazy" + name)(6, 3, groups=3)(x)
    with pytest.raises(ValueError, match="out_channels must be divisible"):
        getattr(nn, "Lazy" + name)(5, 3, groups=3)
    with pytest.raises(RuntimeError, match="unbatched"):
        getattr(nn, "Lazy" + name)(6, 3)(x[0, 0])


def test_output_size_leaves_nothing_open():
    layer = nn.ConvTranspose2d(4, 2, 3, stride=3, padding=1)
    x = tg.rand(1, 4, 5, 5)
    assert layer(x).shape == (1, 2, 13, 13)
    for size in (13, 14, 15):
        assert layer(x, output_size=(size, size)).shape == (1, 2, size, size)
        assert layer(x, output_size=(1, 2, size, size)).shape == (1, 2, size, size)


@pytest.mark.parametrize("padding, extra", [((1, 2), (2, 3)), ((0, 3), (3, 0)), ((2, 0), (1, 5))])
def test_output_padding_past_the_stride_has_room_for_places_that_are_not_there(padding, extra, backend):
    """As the same convolution of an input with zeros for these places, whose output is no longer."""
    stride, dilation = (3, 2), (4, 6)
    shapes = (2, 4, 3, 2), (4, 3, 2, 3), (6,)
    x, w, b = (tg.rand(*shape, dtype=tg.float64).requires_grad_() for shape in shapes)

    def convolved(x, extra):
        return F.conv_transpose2d(x, w, b, stride, padding, extra, 2, dilation)

    def grads(found):
        return tg.autograd.grad((found * tg.arange(found.numel()).view(found.shape)).sum(), (x, w, b))

    more = [e // s for e, s in zip(extra, stride)]
    longer = F.pad(x, (0, more[1], 0, more[0]))
    found, wanted = convolved(x, extra), convolved(longer, [e % s for e, s in zip(extra, stride)])
    assert found.shape == wanted.shape and tg.allclose(found, wanted)
    for ours, theirs in zip(grads(found), grads(wanted)):
        assert tg.allclose(ours, theirs)
    function = lambda *all: F.conv_transpose2d(*all, stride, padding, extra, 2, dilation)
    assert tg.autograd.gradcheck(function, (x, w, b))


def test_a_second_derivative_by_differences():
    """Through both operands at once, with groups, a stride and a bias; the table does the plain ones."""
    x, w, b = (
        tg.rand(*shape, dtype=tg.float64).requires_grad_() for shape in ((2, 4, 5, 4), (6, 2, 3, 2), (6,))
    )
    assert tg.autograd.gradgradcheck(lambda *all: F.conv2d(*all, (2, 1), 1, 1, 2).tanh(), (x, w, b))
    w = tg.rand(4, 3, 3, 2, dtype=tg.float64).requires_grad_()
    assert tg.autograd.gradgradcheck(
        lambda *all: F.conv_transpose2d(*all, stride=(2, 1), padding=1).tanh(), (x, w)
    )


def test_a_small_network_learns_where_a_bar_lies():
    """Upright or flat, anywhere in the image: what a layer of places can see and a linear one can't."""
    tg.manual_seed(0)
    rng = np.random.default_rng(0)
    images = np.zeros((256, 1, 8, 8), "f4")
    upright = rng.integers(0, 2, 256)
    for image, up in zip(images[:, 0], upright, strict=True):
        row, column = rng.integers(0, 5, 2)
        image[(slice(row, row + 4), column) if up else (row, slice(column, column + 4))] = 1
    x, y = tg.tensor(images), tg.tensor(upright)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(72, 2),
    )  # fmt: skip
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("pad", [-1, -2])
def test_conv_tbc_of_a_negative_pad_cuts_off_steps(pad):
    generator = np.random.default_rng(0)
    x, w, b = (
        tg.tensor(generator.normal(size=shape), requires_grad=True) for shape in ((5, 1, 3), (2, 3, 4), (4,))
    )
    found = tg.conv_tbc(x, w, b, pad)
    assert found.shape == (4 + 2 * pad, 1, 4)
    kept = x[-pad : 5 + pad]
    wanted = sum(kept[k : len(kept) - 1 + k] @ w[k] for k in range(2)) + b
    tg.testing.assert_close(found, wanted)
    slopes = [tg.autograd.grad((each * each).sum(), [x, w, b]) for each in (found, wanted)]
    tg.testing.assert_close(*slopes)
    with pytest.raises(RuntimeError):
        tg.conv_tbc(x, w, b, -3)

@pytest.mark.parametrize("most", [2**31, 2**63 - 1])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_strides_and_dilations_that_meet_nothing_may_be_of_any_size(rank, most):
    x = tg.arange(4.0**rank).reshape(1, *[4] * rank).requires_grad_()
    one = tg.ones(1, 1, *[1] * rank)
    assert CONV[rank](x, one, stride=most).tolist() == x[(slice(None), *[slice(1)] * rank)].tolist()
    found = CONV[rank](x, one, dilation=most)
    assert tg.equal(found, x)
    assert tg.equal(tg.autograd.grad(found.sum(), x)[0], tg.ones_like(x))
    if rank == 2:
        assert F.unfold(x, 1, stride=most).tolist() == [[0.0]]
        assert F.unfold(x, 1, dilation=most).tolist() == [x.flatten().tolist()]
