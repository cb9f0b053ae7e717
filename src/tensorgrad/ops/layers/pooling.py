"""Max pools of one to three dimensions: the largest of each window, which parts of a dimension or random
lengths of it may be; and what undoes them.

What is kept for the way back is where the largest stand, and neither input nor output.
"""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor, _core, int64
from tensorgrad.core.declare import alias, between, case, distinct, integers, normal, primitive
from tensorgrad.ops._kinds import not_bool, want_tensors
from tensorgrad.ops._tools import is_sequence
from tensorgrad.ops.indices.scattering import _scatter
from tensorgrad.ops.layers._taps import (
    F_,
    TOP,
    WINDOWED,
    even_windows,
    family,
    flat_taps,
    of_dims,
    ones,
    taps_from,
    taps_of,
    want_planes,
    windows_of,
)
from tensorgrad.ops.making.creation import tensor
from tensorgrad.ops.making.randomness import rand
from tensorgrad.ops.making.spacing import arange
from tensorgrad.ops.shapes import shaping


def _planes(array: np.ndarray, n: int) -> np.ndarray:
    """An array whose last ``n`` dimensions are one."""
    return array.reshape(*array.shape[:-n], math.prod(array.shape[-n:]))


@primitive(
    nograd=("input",),
    at=(),
    samples=lambda: [case(distinct(2, 5), (np.array([[0, 1, -1], [2, 3, 4]]),), name="plain")],
)
def _max_positions(input, taps):
    """Where the largest of each window is, in its plane of as many dimensions as there are lists of taps. Of
    equal ones it is the first, and of NaNs the last.
    """
    not_bool("max pooling", input)
    n = len(taps)
    values = _planes(input, n)
    flat = flat_taps(taps, input.shape[-n:])
    flat = flat.reshape(*(1,) * (values.ndim + 1 - flat.ndim), *flat.shape)
    found = np.full((*values.shape[:-1], flat.shape[-2]), -1)
    best = np.zeros(found.shape, input.dtype)
    for k in range(flat.shape[-1]):
        at = np.broadcast_to(flat[..., k], (*(1,) * (values.ndim - 1), flat.shape[-2])) if (
            flat.shape[:-2] == (1,) * (values.ndim - 1)) else flat[..., k]
        value = np.take_along_axis(values, np.maximum(at, 0), -1)
        better = (at >= 0) & ((found < 0) | (value > best) | (value != value))
        found, best = np.where(better, at, found), np.where(better, value, best)
    if found.size and found.min() < 0:
        raise RuntimeError("max pooling: a window has padding alone in it")
    return found.reshape(*input.shape[:-n], *(each.shape[-2] for each in taps))


@primitive(
    vjp=dict(input=lambda g, indices, n, input_shape: _max_spread(g, indices, n, tuple(input_shape[-n:]))),
    nograd=("indices",),
    at=(),
    grad_name=lambda node: f"MaxPool{node._settings['n']}DWithIndicesBackward0",
    samples=lambda: [case(normal(2, 3, 3), integers(0, 9, 2, 1, 2), 2, name="plain")],
)
def _max_pool(input, indices, n):
    """The elements at ``indices`` of planes, which have ``n`` dimensions."""
    values = _planes(input, n)
    return np.take_along_axis(values, _planes(indices, n), -1).reshape(indices.shape)


@primitive(
    vjp=dict(input=lambda g, indices, n: _max_pool(g, indices, n)),
    nograd=("indices",),
    at=(),
    samples=lambda: [case(normal(2, 1, 2), integers(0, 9, 2, 1, 2), 2, (3, 3), name="plain")],
)
def _max_spread(input, indices, n, extents):
    """The adjoint of ``_max_pool``: values added up at their indices, in planes of zeros."""
    lead, size = input.shape[:-n], math.prod(extents)
    full = np.zeros((math.prod(lead), size), input.dtype)
    at = indices.reshape(len(full), math.prod(indices.shape[-n:]))
    if at.size and (at.min() < 0 or at.max() >= size):
        wrong = at.min() if at.min() < 0 else at.max()
        raise IndexError(f"max pooling: there is no index {wrong} in a plane of {size}")
    np.add.at(full, (np.arange(len(full))[:, None], at), input.reshape(at.shape))
    return full.reshape(*lead, *extents)


def _pooled(input: Tensor, n: int, taps: list[np.ndarray], return_indices: bool):
    indices = _max_positions(input, tuple(taps))
    values = _max_pool(input, indices, n)
    return (values, indices) if return_indices else values


def _declare_max(n: int):
    def samples():
        shape = (2, 2) + (5,) * n if n < 3 else (1, 1, 4, 4, 4)
        return [
            case(distinct(*shape), 2, name="plain"),
            case(distinct(*shape[1:]), 3, 2, 1, name="padding"),
            case(distinct(*shape), 2, 1, 0, 2, True, name="dilation"),
            case(distinct(*shape), (2,) * n, 3, 1, 1, True, True, name="indices"),
        ]

    def with_indices(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
    ):
        """``max_pool{n}d`` and its indices."""
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    def pool(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
    ):
        """The largest of each window of an input (N, C, {shape}) or (C, {shape}).

        Windows are ``stride`` apart (``kernel_size``, unless given), their elements ``dilation``; ``padding``
        on both sides never is the largest. ``ceil_mode`` keeps a last window that is not full. With
        ``return_indices`` also where they stand, in planes seen as one dimension: of equal ones the first.
        Raises RuntimeError for windows that do not fit.
        """
        windows = windows_of(
            f"max_pool{n}d", input, n, kernel_size, stride, padding, dilation, ceil_mode
        )
        return _pooled(input, n, [taps_of(window) for window in windows], return_indices)

    line = f">>> F.max_pool{n}d({ones(n, 1)}, 2).shape\ntensorgrad.Size({[1] + [2] * n})"
    places = (TOP, F_)
    made = family(n, f"max_pool{n}d", places, line, WINDOWED, samples)(pool)
    line = f">>> F.max_pool{n}d_with_indices({ones(n, 1)}, 4)[1].flatten()\ntensor([0])"
    family(n, f"max_pool{n}d_with_indices", places if n == 1 else F_, line, WINDOWED, samples)(with_indices)
    return made


def _declare_adaptive_max(n: int):
    def samples():
        return [
            case(distinct(2, 1, 5, *(4,) * (n - 1)), 2, name="plain"),
            case(distinct(1, *(4,) * n), (3,) * n, True, name="indices"),
        ]

    def with_indices(input, output_size, return_indices=False):
        """``adaptive_max_pool{n}d`` and its indices."""
        return pool(input, output_size, True)

    def pool(input, output_size, return_indices=False):
        """The largest of each of ``output_size`` parts of the dimensions of an input (N, C, {shape}) or
        (C, {shape}).

        Part j of an extent is from ``floor(j * extent / parts)`` to ``ceil((j + 1) * extent / parts)``; None
        keeps a dimension. With ``return_indices`` also where they stand, as in ``max_pool{n}d``.
        """
        windows = even_windows(
            f"adaptive_max_pool{n}d", input, n, output_size, max(input.ndim - 1, 1)
        )
        return _pooled(input, n, [taps_of(window) for window in windows], return_indices)

    line = f">>> F.adaptive_max_pool{n}d({ones(n, 1)}, 3).shape\ntensorgrad.Size({[1] + [3] * n})"
    made = family(n, f"adaptive_max_pool{n}d", F_, line, (), samples)(pool)
    line = f">>> F.adaptive_max_pool{n}d_with_indices({ones(n, 1)}, 1)[1].flatten()\ntensor([0])"
    both = family(n, f"adaptive_max_pool{n}d_with_indices", F_, line, (), samples)(with_indices)
    if n == 1:
        alias(f"adaptive_max_pool{n}d", both, at=TOP)       # at this address it always gives both
    return made


# ---------------------------------------------------------------------------- fractional


def _random_starts(extent: int, outputs: int, kernel: int, sample: Tensor) -> np.ndarray:
    """Where windows begin whose distances are random, for each of many samples from 0 to 1. It is computed in
    the dtype of these.
    """
    last = np.full((*sample.shape, 1), extent - kernel)
    if outputs == 1:
        return last
    step = tensor(extent - kernel, dtype=sample.dtype) / tensor(outputs - 1, dtype=sample.dtype)
    moved = (arange(outputs - 1, dtype=sample.dtype) + shaping.unsqueeze(sample, -1)) * step
    starts = moved.long() - shaping.unsqueeze((sample * step).long(), -1)
    return np.concatenate([_core._array_of(starts), last], -1)


def _declare_fractional(n: int):
    who = f"fractional_max_pool{n}d"

    def samples():
        return [
            case(distinct(1, 2, *(5,) * n), 2, 3, _random_samples=between(0.0, 1.0, 1, 2, n), name="size"),
            case(distinct(2, *(5,) * n), 2, None, 0.7, True, between(0.0, 1.0, 1, 2, n), name="ratio"),
        ]

    def with_indices(
        input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
    ):
        """``fractional_max_pool{n}d`` and its indices."""
        return pool(input, kernel_size, output_size, output_ratio, True, _random_samples)

    def pool(
        input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
    ):
        """The largest of each window of an input (N, C, {shape}) or (C, {shape}), where windows begin at
        random distances, so that there are ``output_size`` of them, or ``output_ratio`` times the extent.

        See Graham, Fractional Max-Pooling, 2014. ``_random_samples`` (N, C, {n}) from 0 to 1 are drawn unless
        they are given. Raises ValueError where neither size nor ratio is.
        """
        want_tensors(who, input=input)
        if output_size is None:
            if output_ratio is None:
                raise ValueError(f"{who} requires specifying either an output_size or an output_ratio")
            ratios = tuple(output_ratio) if is_sequence(output_ratio) else (output_ratio,) * n
            if len(ratios) != n:
                raise ValueError(f"{who} requires output_ratio to be a number or a tuple of {n}")
            output_size = [int(extent * ratio) for extent, ratio in zip(input.shape[-n:], ratios)]
        want_planes(who, input, n)
        kernels = of_dims(who, "kernel_size", kernel_size, n)
        sizes = of_dims(who, "output_size", output_size, n)
        planes = (1, *input.shape[:1]) if input.ndim == n + 1 else tuple(input.shape[:2])
        if _random_samples is None:
            _random_samples = rand(*planes, n, dtype=input.dtype)
        want_tensors(who, _random_samples=_random_samples)
        given = tuple(_random_samples.shape)        # of further images, too
        if given[1:] != (*planes[1:], n) or given[0] < planes[0] or _random_samples.dtype is not input.dtype:
            raise RuntimeError(
                f"{who}: _random_samples have to be of {input.dtype} and the shape {[*planes, n]}, got "
                f"{_random_samples.dtype} {list(given)}"
            )
        for extent, size, kernel in zip(input.shape[-n:], sizes, kernels):
            if size < 1 or kernel < 1 or size + kernel - 1 > extent:
                raise RuntimeError(
                    f"{who}: kernel_size {kernel} is too large relative to the input's {extent} for {size} "
                    "outputs"
                )
        drawn = shaping.reshape(_random_samples.detach()[: planes[0]], (*input.shape[:-n], n))
        taps = []
        for d, (extent, size, kernel) in enumerate(zip(input.shape[-n:], sizes, kernels)):
            starts = _random_starts(extent, size, kernel, drawn[..., d if n == 3 else n - 1 - d])
            taps.append(taps_from(starts, starts + kernel))
        return _pooled(input, n, taps, return_indices)

    example = f">>> F.fractional_max_pool{n}d({ones(n, 1)}, 2, 3).shape\ntensorgrad.Size({[1] + [3] * n})"
    made = family(n, who, F_, example, (), samples)(pool)
    example = f">>> F.fractional_max_pool{n}d_with_indices({ones(n, 1)}, 4, 1)[1].flatten()\ntensor([0])"
    family(n, f"{who}_with_indices", F_, example, (), samples)(with_indices)
    return made


# ---------------------------------------------------------------------------- and back


def _unpooled_size(input, kernels, strides, paddings, output_size) -> tuple[int, ...]:
    n = len(kernels)
    usual = [
        (extent - 1) * s + k - 2 * p
        for extent, k, s, p in zip(input.shape[-n:], kernels, strides, paddings)
    ]
    if output_size is None:
        return tuple(usual)
    size = tuple(output_size)
    if len(size) == n + 2:
        size = size[2:]
    if len(size) != n:
        raise ValueError(f"output_size should have {n} or {n + 2} elements, but it has {len(size)}")
    for d, (got, middle, s) in enumerate(zip(size, usual, strides)):
        if not middle - s < got < middle + s:
            raise ValueError(
                f"invalid output_size {size}: dim {d} must be between {middle - s} and {middle + s}"
            )
    return size


def _declare_unpool(n: int):
    who = f"max_unpool{n}d"

    def samples():
        places = np.arange(2**n).reshape((1, 1) + (2,) * n)
        return [case(normal(1, 1, *(2,) * n), _core.from_numpy(places), 2, name="plain")]

    def pool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        """A partial inverse of ``max_pool{n}d``: each element of an input (N, C, {shape}) or (C, {shape}) put
        at its index in planes of zeros.

        Their size is what the windows cover, or ``output_size`` where several are possible. Raises ValueError
        for another size than those, RuntimeError for indices that are not in a plane.
        """
        want_tensors(who, input=input, indices=indices)
        kernels = of_dims(who, "kernel_size", kernel_size, n)
        strides = kernels if stride is None else of_dims(who, "stride", stride, n)
        if min(strides) < 1:
            raise RuntimeError(f"{who}: strides should be greater than zero, got {strides}")
        paddings = of_dims(who, "padding", padding, n)
        extents = _unpooled_size(input, kernels, strides, paddings, output_size)
        if indices.dtype is not int64:
            raise RuntimeError(f"{who}: elements in indices should be type int64 but got: {indices.dtype}")
        if indices.shape != input.shape:
            raise RuntimeError(
                f"{who}: Expected shape of indices to be same as that of the input tensor "
                f"({list(input.shape)}) but got: {list(indices.shape)}"
            )
        want_planes(who, input, n)
        count = math.prod(extents)
        at = _core._array_of(indices)
        if min(extents) < 0 or (at.size and not 0 <= at.min() <= at.max() < count):
            raise RuntimeError(f"{who}: found an invalid max index for an output of {list(extents)}")
        lead = tuple(input.shape[:-n])
        zeros = input.detach().new_zeros((*lead, count))
        planes = (*lead, math.prod(input.shape[-n:]))
        done = _scatter(
            zeros, len(lead), shaping.reshape(indices, planes), shaping.reshape(input, planes)
        )
        return shaping.reshape(done, (*lead, *extents))

    values = "tg.ones(1, " + "1, " * (n - 1) + "1)"
    ask = f">>> F.max_unpool{n}d({values}, {values}.long(), 2).sum()\ntensor(1.)"
    return family(n, who, F_, ask, WINDOWED, samples)(pool)


MAX_POOLS = {_n: _declare_max(_n) for _n in (1, 2, 3)}
for _n in MAX_POOLS:
    _declare_adaptive_max(_n)
    _declare_unpool(_n)
for _n in (2, 3):
    _declare_fractional(_n)
