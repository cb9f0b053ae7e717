"""Convolutions of one to three dimensions, transposed ones, and the three sums of products they are made of.

One bilinear map stands behind all of them. ``_convolution`` gives its result, ``_convolution_input`` and
``_convolution_weight`` what its two arguments get back; each has the other two for its own derivatives, so
every order is there. A transposed convolution is ``_convolution_input``.
"""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.layers._taps import F_, TOP, WINDOWED, family, of_dims, ones
from tensorgrad.ops.matrices import products
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import padding as edges
from tensorgrad.ops.shapes import patches, shaping

BOTH = (TOP, F_)


# ---- the three sums of products


def _columns(input, kernel, stride, padding, dilation, groups):
    """The patches as (batch, groups, channels of a group * kernel, places), and how many places each
    dimension has.
    """
    found = patches.patches(input, kernel, dilation, padding, stride)
    places = found.shape[2 + len(kernel) :]
    depth = input.shape[1] // groups * math.prod(kernel)
    return found.reshape(input.shape[0], groups, depth, math.prod(places)), places


def _sum_but_channels(g):
    return reductions.sum(g, (0, *range(2, g.ndim)))


@primitive(
    vjp=dict(
        input=lambda g, weight, stride, padding, dilation, groups, input_shape: _convolution_input(
            g, weight, input_shape[2:], stride, padding, dilation, groups
        ),
        weight=lambda g, input, stride, padding, dilation, groups, weight_shape: _convolution_weight(
            input, g, weight_shape[2:], stride, padding, dilation, groups
        ),
        bias=lambda g: _sum_but_channels(g),
    ),
    at=(),
    grad_name="ConvolutionBackward0",
    samples=lambda: [
        case(normal(2, 3, 7), normal(4, 3, 3), (2,), (1,), (1,), 1, normal(4), name="1d"),
        case(normal(2, 4, 5, 6), normal(6, 2, 3, 2), (2, 1), (1, 0), (1, 2), 2, normal(6), name="2d groups"),
        case(normal(2, 3, 6, 6), normal(3, 1, 3, 3), (1, 1), (1, 1), (1, 1), 3, name="depthwise"),
        case(normal(1, 2, 4, 3, 5), normal(2, 2, 2, 2, 3), (1, 2, 1), (0, 1, 1), (2, 1, 1), 1, name="3d"),
    ],
)
def _convolution(input, weight, stride, padding, dilation, groups, bias=None):
    """Sums of products of (batch, channels, *size) with (filters, channels / groups, *kernel), and a bias for
    each filter.
    """
    columns, out = _columns(input, weight.shape[2:], stride, padding, dilation, groups)
    found = np.matmul(weight.reshape(groups, weight.shape[0] // groups, -1), columns)
    found = found.reshape(input.shape[0], weight.shape[0], *out)
    return found if bias is None else found + bias.reshape(-1, *(1,) * len(out))


@primitive(
    vjp=dict(
        grad=lambda g, weight, stride, padding, dilation, groups: _convolution(
            g, weight, stride, padding, dilation, groups
        ),
        weight=lambda g, grad, stride, padding, dilation, groups, weight_shape: _convolution_weight(
            g, grad, weight_shape[2:], stride, padding, dilation, groups
        ),
        bias=lambda g: _sum_but_channels(g),
    ),
    at=(),
    grad_name="ConvolutionBackward0",
    samples=lambda: [
        case(normal(2, 4, 4), normal(4, 3, 3), (7,), (2,), (1,), (1,), 1, normal(3), name="1d"),
        case(normal(2, 6, 3, 4), normal(6, 2, 3, 2), (5, 6), (2, 1), (1, 0), (1, 2), 2, name="2d groups"),
        case(normal(2, 3, 6, 6), normal(3, 1, 3, 3), (6, 6), (1, 1), (1, 1), (1, 1), 3, name="depthwise"),
    ],
)
def _convolution_input(grad, weight, size, stride, padding, dilation, groups, bias=None):
    """What every pixel of an input of this size gets back: the sums over all places and taps that meet it."""
    kernel, out = weight.shape[2:], grad.shape[2:]
    batch, channels = grad.shape[0], weight.shape[1] * groups
    columns = np.matmul(
        weight.reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2),
        grad.reshape(batch, groups, weight.shape[0] // groups, math.prod(out)),
    ).reshape(batch, channels, *kernel, *out)
    found = patches.add_patches(columns, size, kernel, dilation, padding, stride)
    return np.ascontiguousarray(found) if bias is None else found + bias.reshape(-1, *(1,) * len(size))


@primitive(
    vjp=dict(
        input=lambda g, grad, stride, padding, dilation, groups, input_shape: _convolution_input(
            grad, g, input_shape[2:], stride, padding, dilation, groups
        ),
        grad=lambda g, input, stride, padding, dilation, groups: _convolution(
            input, g, stride, padding, dilation, groups
        ),
    ),
    at=(),
    grad_name="ConvolutionBackward0",
    samples=lambda: [
        case(normal(2, 3, 7), normal(2, 4, 4), (3,), (2,), (1,), (1,), 1, name="1d"),
        case(normal(2, 4, 5, 6), normal(2, 6, 3, 4), (3, 2), (2, 1), (1, 0), (1, 2), 2, name="2d groups"),
        case(normal(2, 3, 6, 6), normal(2, 3, 6, 6), (3, 3), (1, 1), (1, 1), (1, 1), 3, name="depthwise"),
    ],
)
def _convolution_weight(input, grad, kernel, stride, padding, dilation, groups):
    """What every tap gets back: the sums over all pixels that it meets, in all of the batch."""
    columns, _ = _columns(input, kernel, stride, padding, dilation, groups)
    filters = grad.shape[1] // groups
    batch, _, depth, places = columns.shape
    rows = grad.reshape(batch, groups, filters, places).transpose(1, 2, 0, 3)
    found = np.matmul(
        rows.reshape(groups, filters, batch * places),
        columns.transpose(1, 0, 3, 2).reshape(groups, batch * places, depth),
    )
    return found.reshape(grad.shape[1], input.shape[1] // groups, *kernel)


# ---- what a call may say


def _settings(name, rank, groups, **given):
    """The settings, each as a tuple; RuntimeError for what no convolution can have."""
    found = {key: of_dims(name, key, value, rank) for key, value in given.items()}
    for key, values in found.items():
        signed = "padding" in key
        if min(values) < (0 if signed else 1):
            raise RuntimeError(f"{'negative' if signed else 'non-positive'} {key} is not supported")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    return found.values()


def _check_operands(input, weight, bias, rank, groups, transposed):
    """Of a batch; RuntimeError where the shapes and dtypes do not belong together."""
    shape = list(weight.shape)
    start = f"Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size {shape}, expected"
    if weight.ndim != rank + 2:
        raise RuntimeError(f"expected a weight of {rank + 2} dimensions, but got weight of size {shape}")
    if shape[0] < groups or shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be "
            + (f"at least {groups}" if shape[0] < groups else f"divisible by {groups}")
            + f" at dimension 0, but got weight of size {shape} instead"
        )
    channels = shape[0] if transposed else shape[1] * groups
    if input.shape[1] != channels:
        raise RuntimeError(
            f"{start} input{list(input.shape)} to have {channels} channels, but got {input.shape[1]} "
            "channels instead"
        )
    filters = shape[1] * groups if transposed else shape[0]
    if bias is not None and tuple(bias.shape) != (filters,):
        raise RuntimeError(
            f"{start} bias to be 1-dimensional with {filters} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype.name}) and {what} type ({other.dtype.name}) should be the same"
            )
    if input.dtype.name == "bool":
        raise NotImplementedError("convolution: not implemented for bool; convert with .to(dtype)")
    if 0 in shape[2:]:
        raise RuntimeError(f"a kernel needs elements, but got weight of size {shape}")


def _batched(name, input, rank):
    """The input with a batch dimension, and whether it had one."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of "
            f"size: {list(input.shape)}" + (": unsqueeze(0) adds the channel" if input.ndim == rank else "")
        )
    return (input, True) if input.ndim == rank + 2 else (shaping.unsqueeze(input, 0), False)


def same_padding(kernel, dilation):
    """What keeps the size, (before, after) in each dimension: where it is odd, there is one more behind."""
    whole = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [(n // 2, n - n // 2) for n in whole]


def _by_words(input, kernel, stride, padding, dilation):
    """The input and the padding for 'same' and 'valid'; what 'same' has more behind is put on first."""
    if padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: {padding!r}")
    if padding == "valid":
        return input, (0,) * len(kernel)
    if max(stride) > 1:
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    sides = same_padding(kernel, dilation)
    if any(before != after for before, after in sides):
        more = [each for before, after in reversed(sides) for each in (0, after - before)]
        input = edges.constant_pad_nd(input, more)
    return input, tuple(before for before, _ in sides)


def _convolve(name, rank, input, weight, bias, stride, padding, dilation, groups):
    want_tensors(name, input=input, weight=weight)
    input, batched = _batched(name, input, rank)
    words = isinstance(padding, str)
    stride, padded, dilation = _settings(
        name, rank, groups, stride=stride, padding=0 if words else padding, dilation=dilation
    )
    _check_operands(input, weight, bias, rank, groups, False)
    kernel = tuple(weight.shape[2:])
    if words:
        input, padded = _by_words(input, kernel, stride, padding, dilation)
    size = [n + 2 * p for n, p in zip(input.shape[2:], padded, strict=True)]
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(r > n for r, n in zip(reach, size, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, size))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )
    dilation, stride = patches.in_bounds(size, kernel, dilation, stride)
    found = _convolution(input, weight, stride, padded, dilation, groups, bias)
    return found if batched else shaping.squeeze(found, 0)


def _convolve_transposed(
    name, rank, input, weight, bias, stride, padding, output_padding, groups, dilation
):
    want_tensors(name, input=input, weight=weight)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    input, batched = _batched(name, input, rank)
    stride, padding, extra, dilation = _settings(
        name, rank, groups, stride=stride, padding=padding, output_padding=output_padding, dilation=dilation
    )
    _check_operands(input, weight, bias, rank, groups, True)
    if any(e >= s and e >= d for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding: "
            f"{list(extra)} stride: {list(stride)} dilation: {list(dilation)}"
        )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, e, d in zip(
            input.shape[2:], weight.shape[2:], stride, padding, extra, dilation, strict=True
        )
    )
    if min(size) < 0 or 0 in input.shape[2:]:
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, input.shape[2:]))}). Calculated output "
            f"size per channel: ({' x '.join(map(str, size))}). Output size is too small"
        )
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        found = _far_padded(input, weight, bias, stride, padding, extra, groups, dilation)
    else:
        found = _convolution_input(input, weight, size, stride, padding, dilation, groups, bias)
    return found if batched else shaping.squeeze(found, 0)


def _far_padded(input, weight, bias, stride, padding, extra, groups, dilation):
    """A transposed convolution whose output has room for another place: there is none, so the output is made
    without padding, and its edges are brought to where they belong.
    """
    whole = tuple(
        (n - 1) * s + d * (k - 1) + 1
        for n, k, s, d in zip(input.shape[2:], weight.shape[2:], stride, dilation, strict=True)
    )
    found = _convolution_input(input, weight, whole, stride, (0,) * len(whole), dilation, groups)
    found = edges.constant_pad_nd(found, [each for e in reversed(extra) for each in (0, e)])
    found = edges.constant_pad_nd(found, [-p for p in reversed(padding) for _ in range(2)])
    return found if bias is None else found + shaping.reshape(bias, (-1, *[1] * len(whole)))


# ---- by number of dimensions

PLAIN = r"""Sums of products of a small kernel with the input under it, at each place, and an offset:
:math:`y_o = b_o + \sum_c w_{{oc}} \star x_c`, in {n}-d.

Shapes: input :math:`(N, C, {shape})` or without batch, weight :math:`(O, C / groups, *kernel)`, output
:math:`(N, O, \lfloor (L + 2\,padding - dilation\,(kernel - 1) - 1) / stride \rfloor + 1)` in each dimension.
``padding``: zeros put on at both ends, or "same" (the size stays, stride 1 only), or "valid" (none). With
``groups`` each of as many parts of the filters sees its part of the channels.
"""
TRANSPOSED = r"""The gradient of `conv{n}d` for its input, as a map of its own: each pixel puts a copy of the
kernel, times itself, into the output, where copies add up.

Shapes: input :math:`(N, C, {shape})` or without batch, weight :math:`(C, O / groups, *kernel)`, output
:math:`(L - 1)\,stride - 2\,padding + dilation\,(kernel - 1) + output\_padding + 1` in each dimension.
"""


def _samples(rank, transposed):
    extents = (4, 3, 3)[:rank]
    kernel = (3, 2, 2)[:rank]
    grouped = (4, 1, *kernel) if transposed else (2, 2, *kernel)
    return lambda: [
        case(normal(2, 2, *extents), normal(2, 2, *kernel), normal(2), name="plain"),
        case(normal(4, *extents), normal(*grouped), stride=2, padding=1, groups=2, name="groups, no batch"),
    ]


def _declared(rank):
    """conv{rank}d and conv_transpose{rank}d."""
    name, turned = f"conv{rank}d", f"conv_transpose{rank}d"

    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return _convolve(name, rank, input, weight, bias, stride, padding, dilation, groups)

    def conv_transpose(
        input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
    ):
        return _convolve_transposed(
            turned, rank, input, weight, bias, stride, padding, output_padding, groups, dilation
        )

    conv.__doc__, conv_transpose.__doc__ = PLAIN, TRANSPOSED
    one = ones(rank, 1, 1)
    plain = f">>> F.{name}({one}, {one}, padding=3).sum()\ntensor({16**rank}.)"
    back = f">>> F.{turned}({one}, {one}).sum()\ntensor({16**rank}.)"
    others = (*WINDOWED, "stride", "output_padding")
    return (
        family(rank, name, BOTH, plain, others, _samples(rank, False))(conv),
        family(rank, turned, BOTH, back, others, _samples(rank, True))(conv_transpose),
    )


conv1d, conv_transpose1d = _declared(1)
conv2d, conv_transpose2d = _declared(2)
conv3d, conv_transpose3d = _declared(3)


@composite(
    at="tensorgrad",
    samples=lambda: [case(normal(2, 3, 5, 4), normal(2, 3, 2, 2), None, 1, 0, 1, False, 0, 1, name="plain")],
    optional=("bias",),
    others=("stride", "padding", "dilation"),
)
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """`conv1d` to `conv3d`, or with ``transposed`` `conv_transpose1d` to 3d, by the dimensions of the weight.

    >>> x = tg.ones(1, 1, 2, 2)
    >>> tg.convolution(x, x, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
    tensor([[[[4.]]]])
    """
    rank = weight.ndim - 2
    if transposed:
        return _convolve_transposed(
            "convolution", rank, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _convolve("convolution", rank, input, weight, bias, stride, padding, dilation, groups)


@composite(
    at=BOTH,
    samples=lambda: [case(normal(5, 2, 3), normal(3, 3, 4), normal(4), 1, name="plain")],
)
def conv_tbc(input, weight, bias, pad=0):
    """A convolution over time of (time, batch, channels) with a weight (kernel, channels, filters); ``pad``
    zeros are put on at both ends, or -``pad`` steps cut off.

    >>> tg.conv_tbc(tg.ones(3, 1, 2), tg.ones(2, 2, 1), tg.zeros(1)).flatten()
    tensor([4., 4.])
    """
    want_tensors("conv_tbc", input=input, weight=weight, bias=bias)
    if input.ndim != 3 or weight.ndim != 3 or bias.ndim != 1:
        raise RuntimeError(
            "conv_tbc: wanted an input and a weight of 3 dimensions and a bias of 1, got "
            f"{list(input.shape)}, {list(weight.shape)} and {list(bias.shape)}"
        )
    time, kernel = input.shape[0] + 2 * pad, weight.shape[0]
    if pad < 0 and time >= kernel:
        input, pad = input[-pad : time - pad], 0
    if time == kernel - 1 and kernel:  # an empty result, which no convolution is asked for
        return products.matmul(input[:0], weight[0]) + bias
    found = conv1d(shaping.permute(input, (1, 2, 0)), shaping.permute(weight, (2, 1, 0)), bias, 1, pad)
    return shaping.permute(found, (2, 0, 1))
