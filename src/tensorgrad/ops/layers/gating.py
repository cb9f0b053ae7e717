"""Activations with more than one tensor: learned and random slopes, gates; and `softmin`."""

from __future__ import annotations

from tensorgrad.core.declare import between, case, composite, distinct, fused, in_place, normal
from tensorgrad.ops import _tools
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.elementwise import activations, arithmetic, choosing
from tensorgrad.ops.elementwise.activations import BOTH, LAYER
from tensorgrad.ops.layers import normalizing
from tensorgrad.ops.shapes import shaping, slicing


def _sloped(input, slope):
    """The input where it is positive, else the slope times it; a NaN slope stays where it counts."""
    return arithmetic.mul(input, choosing.where(input > 0, 1.0, slope))


@composite(
    at=BOTH,
    method=True,
    samples=lambda: [
        case(distinct(2, 3), between(0.1, 0.5, 1), name="one"),
        case(distinct(2, 3, 2), between(0.1, 0.5, 3), name="channels"),
    ],
)
def prelu(input, weight):
    """A leaky ReLU whose slope is a tensor: one number, or one for each channel (dimension 1).

    >>> F.prelu(tg.tensor([-1.0, 2.0]), tg.tensor(0.5))
    tensor([-0.5000,  2.0000])
    """
    want_tensors("prelu", input=input, weight=weight)
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype.name} and {weight.dtype.name}"
        )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
        weight = shaping.reshape(weight, [1, weight.numel()] + [1] * (input.ndim - 2))
    elif weight.ndim:
        weight = shaping.reshape(weight, [])
    return _sloped(input, weight)


@composite(
    at=BOTH,
    samples=lambda: [case(distinct(3, 4), name="mean slope")],
)
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """A leaky ReLU whose slope is drawn for each element from [lower, upper) in training, else their mean.

    >>> F.rrelu(tg.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    want_tensors("rrelu", input=input)
    if lower > upper:
        raise RuntimeError(
            f"rrelu: Lower bound should be less than or equal to the upper bound, but {lower} > {upper}"
        )
    leaky = activations.leaky_relu
    if not training:
        return leaky(input, (lower + upper) / 2, inplace)
    slopes = input.detach().clone().uniform_(lower, upper)
    found = _sloped(input, slopes)
    return input.copy_(found) if inplace else found


rrelu_ = in_place(rrelu, method=False)


@fused(
    tensors=("input",),
    at=LAYER,
    samples=lambda: [case(normal(4), name="1-d"), case(normal(2, 4, 3), 1, name="dim1")],
)
def glu(input, dim=-1):
    r"""One half of the input times the sigmoid of the other: :math:`a \sigma(b)`, halves of ``dim``.

    >>> F.glu(tg.tensor([4.0, 0.0]))
    tensor([2.])
    """
    want_tensors("glu", input=input)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"glu: not implemented for {input.dtype.name}")
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = _tools.wrap_dim(dim, input.ndim)
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {size}")
    half = [slicing._slice(input, dim, start, size // 2, 1) for start in (0, size // 2)]
    return arithmetic.mul(half[0], activations.sigmoid(half[1]))


@composite(at=LAYER, samples=lambda: [case(normal(3, 4), 1, name="plain")])
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """The softmax of the negative: shares that favour the smallest.

    >>> F.softmin(tg.zeros(4), dim=0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return normalizing.softmax(arithmetic.neg(input), dim, dtype=dtype)
