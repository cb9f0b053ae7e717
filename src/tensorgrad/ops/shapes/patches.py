"""Images as other images: channels as pixels, patches as columns, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.core import Tensor
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops.shapes import shaping

BOTH = ("tensorgrad", "tensorgrad.nn.functional")


# ---- channels and pixels


@composite(at=BOTH, samples=lambda: [case(normal(1, 8, 2, 3), 2, name="plain")])
def pixel_shuffle(input, upscale_factor):
    r"""Groups of :math:`r^2` channels as finer pixels: :math:`(*, C r^2, H, W)` to :math:`(*, C, H r, W r)`.

    >>> F.pixel_shuffle(tg.ones(1, 4, 2, 2), 2).shape
    tensorgrad.Size([1, 1, 4, 4])
    """
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} "
            f"dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(lead)
    split = shaping.reshape(input, (*lead, channels // (r * r), r, r, height, width))
    moved = shaping.permute(split, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return shaping.reshape(moved, (*lead, channels // (r * r), height * r, width * r))


@composite(at=BOTH, samples=lambda: [case(normal(1, 2, 4, 6), 2, name="plain")])
def pixel_unshuffle(input, downscale_factor):
    r"""Blocks of :math:`r \times r` pixels as channels: :math:`(*, C, H r, W r)` to :math:`(*, C r^2, H, W)`.

    >>> F.pixel_unshuffle(tg.ones(1, 1, 4, 4), 2).shape
    tensorgrad.Size([1, 4, 2, 2])
    """
    r = downscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} "
            f"dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *lead, channels, height, width = input.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but {size} is not "
                f"divisible by {r}"
            )
    n = len(lead)
    split = shaping.reshape(input, (*lead, channels, height // r, r, width // r, r))
    moved = shaping.permute(split, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return shaping.reshape(moved, (*lead, channels * r * r, height // r, width // r))


@composite(at=BOTH, samples=lambda: [case(normal(1, 6, 2), 2, name="plain")])
def channel_shuffle(input, groups):
    """The channels dealt out like cards: ``groups`` runs of them, taken in turn.

    >>> F.channel_shuffle(tg.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}"
        )
    batch, channels, *rest = input.shape
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    split = shaping.reshape(input, (batch, groups, channels // groups, *rest))
    return shaping.reshape(shaping.transpose(split, 1, 2), input.shape)


# ---- patches


def _pair(value) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    return pair * 2 if len(pair) == 1 else pair


def in_bounds(size: Any, kernel: Any, dilation: Any, stride: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Dilation and stride as numbers that C holds: a single tap has no distance from another, and a stride
    past the size is one of that size.
    """
    return (
        tuple(1 if k == 1 else d for k, d in zip(kernel, dilation, strict=True)),
        tuple(min(s, max(n, 1)) for n, s in zip(size, stride, strict=True)),
    )


def patch_counts(size, kernel, dilation, padding, stride):
    """How many places a kernel has along each dimension."""
    return [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    ]


def patches(input, kernel, dilation, padding, stride):
    """A view of an array (batch, channels, *size) that is padded with zeros: what each tap of a kernel meets,
    (batch, channels, *kernel, *places).
    """
    padded = np.pad(input, ((0, 0), (0, 0), *((p, p) for p in padding)))
    batch, channels, *steps = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (*input.shape[:2], *kernel, *patch_counts(input.shape[2:], kernel, dilation, padding, stride)),
        (
            batch,
            channels,
            *(step * d for step, d in zip(steps, dilation, strict=True)),
            *(step * s for step, s in zip(steps, stride, strict=True)),
        ),
    )


def add_patches(columns, size, kernel, dilation, padding, stride):
    """The adjoint of `patches`: (batch, channels, *kernel, *places) added up where each tap lies in arrays of
    ``size``.
    """
    places = columns.shape[2 + len(size) :]
    around = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    full = np.zeros((*columns.shape[:2], *around), columns.dtype)
    for tap in np.ndindex(*kernel):
        under: tuple[Any, ...] = tuple(
            slice(t * d, t * d + s * (n - 1) + 1, s)
            for t, d, s, n in zip(tap, dilation, stride, places, strict=True)
        )
        full[(..., *under)] += columns[(slice(None), slice(None), *tap)]
    inside: tuple[Any, ...] = tuple(slice(p, p + n) for p, n in zip(padding, size, strict=True))
    return full[(..., *inside)]


@primitive(
    vjp=dict(
        input=lambda g, kernel, dilation, padding, stride, input_shape: _col2im(
            g, input_shape[2:], kernel, dilation, padding, stride
        )
    ),
    at=(),
    grad_name="Im2ColBackward0",
    samples=lambda: [case(normal(1, 2, 3, 3), (2, 2), (1, 1), (1, 0), (1, 2), name="plain")],
)
def _im2col(input, kernel, dilation, padding, stride):
    """Patches of images (batch, channels, height, width) as columns (batch, channels * patch, patches)."""
    found = patches(input, kernel, dilation, padding, stride)
    depth, places = input.shape[1] * math.prod(kernel), math.prod(found.shape[4:])
    return found.reshape(input.shape[0], depth, places)


@primitive(
    vjp=dict(
        input=lambda g, kernel, dilation, padding, stride: _im2col(g, kernel, dilation, padding, stride)
    ),
    at=(),
    grad_name="Col2ImBackward0",
    samples=lambda: [case(normal(1, 8, 4), (3, 3), (2, 2), (1, 1), (0, 0), (1, 1), name="plain")],
)
def _col2im(input, size, kernel, dilation, padding, stride):
    """The adjoint of ``_im2col``: columns added up where their patches lie in an image of ``size``."""
    channels = input.shape[1] // math.prod(kernel)
    counts = patch_counts(size, kernel, dilation, padding, stride)
    columns = input.reshape(input.shape[0], channels, *kernel, *counts)
    return add_patches(columns, size, kernel, dilation, padding, stride)


def _check_patches(who: str, **settings):
    for name, pair in settings.items():
        if len(pair) != 2:
            raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(pair)}")
        if any(n < (0 if name == "padding" else 1) for n in pair):
            raise RuntimeError(
                f"{who}(): {name} should be {'non-negative' if name == 'padding' else 'greater than zero'}, "
                f"but got {list(pair)}"
            )


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """All patches of images as columns: (batch, channels, height, width) to (batch, channels * patch,
    patches).

    >>> F.unfold(tg.arange(4.0).reshape(1, 1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    kernel, dilation, padding, stride = _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride)
    _check_patches("unfold", kernel_size=kernel, dilation=dilation, padding=padding, stride=stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            f"Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {list(input.shape)}"
        )
    counts = patch_counts(input.shape[-2:], kernel, dilation, padding, stride)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size {tuple(input.shape[-2:])}, kernel_size={kernel}, "
            f"dilation={dilation}, padding={padding}, calculated shape of the array of sliding blocks as "
            f"{tuple(counts)}, but its components must be at least one."
        )
    size = [n + 2 * p for n, p in zip(input.shape[-2:], padding, strict=True)]
    dilation, stride = in_bounds(size, kernel, dilation, stride)
    if input.ndim == 3:
        return shaping.squeeze(_im2col(shaping.unsqueeze(input, 0), kernel, dilation, padding, stride), 0)
    return _im2col(input, kernel, dilation, padding, stride)


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns of patches added up to images: (batch, channels * patch, patches) to (batch, channels,
    *output_size).

    >>> F.fold(tg.ones(1, 4, 4), (3, 3), 2).sum()
    tensor(16.)
    """
    kernel, dilation, padding, stride = _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride)
    size = _pair(output_size)
    _check_patches(
        "fold", output_size=size, kernel_size=kernel, dilation=dilation, padding=padding, stride=stride
    )
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    columns, places = input.shape[-2:]
    if columns % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={columns} and kernel_size={kernel}."
        )
    counts = patch_counts(size, kernel, dilation, padding, stride)
    if math.prod(counts) != places or min(counts) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, expected size of input's dimension 2 to match the calculated number of "
            f"sliding blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but got "
            f"input.size(2)={places}."
        )
    if input.ndim == 2:
        return shaping.squeeze(
            _col2im(shaping.unsqueeze(input, 0), size, kernel, dilation, padding, stride), 0
        )
    return _col2im(input, size, kernel, dilation, padding, stride)


PUBLIC = {"tensorgrad.nn.functional": (unfold, fold)}
