"""Products, convolutions, norms, attention, pools, resampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad.core import Tensor

from .elementwise import dtype_of
from .graph import WRITERS, Graph, writes
from .reductions import reduce

# ---------------------------------------------------------------------------- products


@writes("linear")
def linear(g: Graph, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> str:
    if input.ndim == 2 and weight.ndim == 2:
        return g.node("Gemm", input, weight, bias, transB=1)
    turned = g.node("Transpose", weight, perm=[1, 0]) if weight.ndim == 2 else g.name(weight)
    found = g.node("MatMul", input, turned)
    return found if bias is None else g.node("Add", found, bias)


@writes("matmul", "mm", "bmm", "mv", "dot", "_product")
def matmul(g: Graph, *settings: Any, **named: Any) -> str:
    a, b = named.values()
    return g.node("MatMul", a, b)


@writes("addmm", "baddbmm", "addbmm", "addmv")
def addmm(g: Graph, input: Tensor, beta: float = 1, alpha: float = 1, **named: Tensor) -> str | None:
    a, b = named.values()
    if a.ndim > 2 and g.result.ndim < a.ndim:
        return None
    found = g.node("MatMul", a, b)
    if alpha != 1:
        found = g.node("Mul", found, g.constant(alpha, dtype_of(g)))
    if not beta:
        return found  # whatever the input is, not a number too
    rest = g.name(input)
    if beta != 1:
        rest = g.node("Mul", rest, g.constant(beta, dtype_of(g)))
    return g.node("Add", found, rest)


@writes("einsum")
def einsum(g: Graph, args: tuple) -> str | None:
    if not isinstance(args[0], str):
        return None
    operands = args[1] if len(args) == 2 and isinstance(args[1], (tuple, list)) else args[1:]
    return g.node("Einsum", *operands, equation=args[0].replace(" ", ""))


# ---------------------------------------------------------------------------- convolutions


def each(value: Any, count: int) -> list[int]:
    """A setting for every dimension of space."""
    if isinstance(value, (tuple, list)):
        return [int(part) for part in value] if len(value) == count else [int(value[0])] * count
    return [int(value)] * count


def with_batch(g: Graph, input: Tensor, ndim: int) -> tuple[str, bool]:
    """The images, with a batch of one if they had none."""
    alone = input.ndim == ndim - 1
    return (g.node("Unsqueeze", input, [0]), True) if alone else (g.name(input), False)


def without_batch(g: Graph, name: str, alone: bool) -> str:
    return g.node("Squeeze", name, [0]) if alone else name


@writes("conv1d", "conv2d", "conv3d")
def convolution(
    g: Graph, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> str:  # fmt: skip
    count = weight.ndim - 2
    dilations, kernel = each(dilation, count), list(weight.shape[2:])
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilations, kernel)]
        pads = [part // 2 for part in total] + [part - part // 2 for part in total]
    else:
        pads = each(0 if padding == "valid" else padding, count) * 2
    images, alone = with_batch(g, input, weight.ndim)
    found = g.node(
        "Conv", images, weight, bias, kernel_shape=kernel, strides=each(stride, count), pads=pads,
        dilations=dilations, group=groups,
    )  # fmt: skip
    return without_batch(g, found, alone)


@writes("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(
    g: Graph, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> str:  # fmt: skip
    count = weight.ndim - 2
    images, alone = with_batch(g, input, weight.ndim)
    found = g.node(
        "ConvTranspose", images, weight, bias, kernel_shape=list(weight.shape[2:]), group=groups,
        strides=each(stride, count), pads=each(padding, count) * 2, dilations=each(dilation, count),
        output_padding=each(output_padding, count),
    )  # fmt: skip
    return without_batch(g, found, alone)


# ---------------------------------------------------------------------------- norms


def filled(g: Graph, count: int, value: float, input: Tensor) -> str:
    return g.constant([value] * count, input.dtype)


@writes("batch_norm")
def batch_norm(
    g: Graph, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, training: bool, momentum: float, eps: float,
) -> str:  # fmt: skip
    if training or running_mean is None or running_var is None:
        g.refuse("takes mean and variance of its batch; export in eval mode, with running statistics")
    count = input.shape[1]
    scale = filled(g, count, 1, input) if weight is None else weight
    shift = filled(g, count, 0, input) if bias is None else bias
    return g.node("BatchNormalization", input, scale, shift, running_mean, running_var, epsilon=float(eps))


@writes("instance_norm")
def instance_norm(
    g: Graph, input: Tensor, running_mean: Any, running_var: Any, weight: Tensor | None, bias: Tensor | None,
    use_input_stats: bool, momentum: float, eps: float,
) -> str | None:  # fmt: skip
    if not use_input_stats:
        return batch_norm(g, input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = input.shape[1]
    scale = filled(g, count, 1, input) if weight is None else weight
    shift = filled(g, count, 0, input) if bias is None else bias
    return g.node("InstanceNormalization", input, scale, shift, epsilon=float(eps))


@writes("group_norm")
def group_norm(
    g: Graph, input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> str:
    rows = g.node("Reshape", input, [0, num_groups, -1])
    ones, zeros = filled(g, num_groups, 1, input), filled(g, num_groups, 0, input)
    found = g.node("InstanceNormalization", rows, ones, zeros, epsilon=float(eps))
    found = g.node("Reshape", found, g.shape(input))
    for kind, factor in (("Mul", weight), ("Add", bias)):
        if factor is not None:
            found = g.node(kind, found, g.node("Reshape", factor, [-1] + [1] * (input.ndim - 2)))
    return found


@writes("layer_norm")
def layer_norm(
    g: Graph, input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> str:
    shape = list(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else [normalized_shape]
    scale = g.node("Expand", g.constant(1, input.dtype), shape) if weight is None else weight
    return g.node("LayerNormalization", input, scale, bias, axis=-len(shape), epsilon=float(eps))


@writes("rms_norm")
def rms_norm(
    g: Graph, input: Tensor, normalized_shape: Any, weight: Tensor | None, eps: float | None
) -> str:
    count = len(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else 1
    mean = reduce(g, "ReduceMean", g.node("Mul", input, input), range(input.ndim - count, input.ndim), True)
    least = tg.finfo(input.dtype).eps if eps is None else eps
    size = g.node("Sqrt", g.node("Add", mean, g.constant(least, input.dtype)))
    found = g.node("Div", input, size)
    return found if weight is None else g.node("Mul", found, weight)


# ---------------------------------------------------------------------------- attention


@writes("scaled_dot_product_attention")
def attention(
    g: Graph, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, dropout_p: float,
    is_causal: bool, scale: float | None, enable_gqa: bool,
) -> str | None:  # fmt: skip
    if dropout_p:
        g.refuse("draws random numbers; export in eval mode")
    if enable_gqa:
        return None
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    order = [*range(key.ndim - 2), key.ndim - 1, key.ndim - 2]
    scaled = g.node("Mul", query, g.constant(factor, query.dtype))
    scores = g.node("MatMul", scaled, g.node("Transpose", key, perm=order))
    hidden = g.constant(-math.inf, query.dtype)
    if is_causal:
        sizes = g.node("Slice", g.shape(scores), [-2], [2**63 - 1], [0])
        seen = g.node("Trilu", g.node("Expand", g.constant(1), sizes), g.constant(0), upper=0)
        scores = g.node("Where", g.cast(seen, tg.bool), scores, hidden)
    if attn_mask is not None and attn_mask.dtype is tg.bool:
        scores = g.node("Where", attn_mask, scores, hidden)
    elif attn_mask is not None:
        scores = g.node("Add", scores, g.name(attn_mask, query.dtype))
    shares = g.node("Softmax", scores, axis=-1)
    if attn_mask is not None:  # a query that may see nothing gets zeros
        most = reduce(g, "ReduceMax", scores, [g.result.ndim - 1], True)
        shares = g.node("Where", g.node("Equal", most, hidden), g.constant(0, query.dtype), shares)
    return g.node("MatMul", shares, value)


# ---------------------------------------------------------------------------- pools


def windows(
    g: Graph, input: Tensor, count: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> dict[str, Any]:  # fmt: skip
    """The attributes of windows. A last one that would begin in the padding is none here, and in onnxruntime,
    but is one to ONNX's shapes: ceil_mode is written where it makes another size, and means the same."""
    kernel, pads, dilations = each(kernel_size, count), each(padding, count), each(dilation, count)
    strides = each(stride if stride not in (None, ()) else kernel_size, count)
    floors = [(size + 2 * pad - step * (width - 1) - 1) // far + 1 for size, pad, step, width, far in
              zip(input.shape[-count:], pads, dilations, kernel, strides)]  # fmt: skip
    grown = ceil_mode and floors != list(g.result.shape[-count:])
    return {"kernel_shape": kernel, "strides": strides, "pads": pads * 2, "ceil_mode": int(grown)}


def _max_pool(count: int) -> Any:
    def write(
        g: Graph, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
        return_indices: bool,
    ) -> str:  # fmt: skip
        if return_indices:
            g.refuse("gives indices, which ONNX counts in another way")
        images, alone = with_batch(g, input, count + 2)
        where = windows(g, input, count, kernel_size, stride, padding, dilation, ceil_mode)
        found = g.node("MaxPool", images, dilations=each(dilation, count), **where)
        return without_batch(g, found, alone)

    return write


def _avg_pool(count: int) -> Any:
    def write(
        g: Graph, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
        count_include_pad: bool, divisor_override: int | None = None,
    ) -> str:  # fmt: skip
        if divisor_override is not None:
            g.refuse("divides by a number of its own, which ONNX has not")
        images, alone = with_batch(g, input, count + 2)
        where = windows(g, input, count, kernel_size, stride, padding, 1, ceil_mode)
        found = g.node("AveragePool", images, count_include_pad=int(count_include_pad), **where)
        return without_batch(g, found, alone)

    return write


def _adaptive(count: int, whole: str, part: str) -> Any:
    def write(g: Graph, input: Tensor, output_size: Any, return_indices: bool = False) -> str:
        if return_indices:
            g.refuse("gives indices, which ONNX counts in another way")
        sizes = list(g.result.shape[-count:])
        old = list(input.shape[-count:])
        images, alone = with_batch(g, input, count + 2)
        if all(size == 1 for size in sizes):
            found = g.node(whole, images)
        elif any(a % b for a, b in zip(old, sizes)):
            g.refuse(f"makes {old} into {sizes}, which ONNX can't unless each divides")
        else:
            kernel = [a // b for a, b in zip(old, sizes)]
            found = g.node(part, images, kernel_shape=kernel, strides=kernel)
        return without_batch(g, found, alone)

    return write


for _count in (1, 2, 3):
    WRITERS[f"max_pool{_count}d"] = _max_pool(_count)
    WRITERS[f"avg_pool{_count}d"] = _avg_pool(_count)
    WRITERS[f"adaptive_avg_pool{_count}d"] = _adaptive(_count, "GlobalAveragePool", "AveragePool")
    WRITERS[f"adaptive_max_pool{_count}d"] = _adaptive(_count, "GlobalMaxPool", "MaxPool")


# ---------------------------------------------------------------------------- resampling

MODES = {
    "nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic",
}  # fmt: skip


def _scale(factor: float, old: int, new: int) -> np.float32:
    """The factor in float32, or a number beside it: times the old size it is not below the new one."""
    scale = np.float32(factor)
    while int(float(scale) * old) != new:
        scale = np.nextafter(scale, np.float32(0 if int(float(scale) * old) > new else np.inf))
    return scale


def _nearest(old: int, new: int, factor: float | None, dtype: tg.dtype) -> np.ndarray:
    """Along one axis, the place that each output is taken from: Resize rounds some of them to another."""
    places = tg.arange(old, dtype=tg.float64 if dtype is tg.float64 else tg.float32)[None, None]
    found = F.interpolate(places, new if factor is None else None, factor)
    return found[0, 0].numpy().astype(np.int64)


@writes("interpolate", "upsample")
def interpolated(
    g: Graph, input: Tensor, size: Any, scale_factor: Any, mode: str, align_corners: bool | None,
    recompute_scale_factor: Any = None, antialias: bool = False,
) -> str | None:  # fmt: skip
    if mode not in MODES or antialias:
        g.refuse(f"has mode {mode!r}{' with antialias' if antialias else ''}, which is not written")
    old, new = tuple(input.shape[2:]), tuple(g.result.shape[2:])
    scales = sizes = None
    if scale_factor is not None and not recompute_scale_factor:
        several = isinstance(scale_factor, (tuple, list))
        factors = [float(factor) for factor in (scale_factor if several else [scale_factor] * len(old))]
        scales = g.constant([1, 1, *map(_scale, factors, old, new)], tg.float32)
    else:
        factors = [b / a for a, b in zip(old, new)]
        sizes = g.node("Concat", g.node("Slice", g.shape(input), [0], [2], [0]), list(new), axis=0)
    if mode == "nearest":
        sources = [_nearest(a, b, None if scales is None else factor, input.dtype)
                   for a, b, factor in zip(old, new, factors)]  # fmt: skip
        if not all(factor.is_integer() and (source == np.arange(b) // factor).all()
                   for source, b, factor in zip(sources, new, factors)):  # fmt: skip
            found = g.name(input)
            for axis, source in enumerate(sources, 2):
                found = g.node("Gather", found, g.constant(source), axis=axis)
            return found
    place = "asymmetric" if mode == "nearest" else "align_corners" if align_corners else "half_pixel"
    return g.node(
        "Resize", input, None, scales, sizes, mode=MODES[mode], coordinate_transformation_mode=place,
        nearest_mode="floor" if mode == "nearest" else None,
        cubic_coeff_a=-0.75 if mode == "bicubic" else None,
    )  # fmt: skip
