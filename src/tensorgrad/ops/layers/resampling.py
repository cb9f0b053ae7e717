"""Images of another size: each output is a weighted sum of few inputs along one dimension after the other.

A table says which: arrays (most, outputs) of positions, -1 where there are no more, and of weights, or None
where all are 1. Its adjoint is a table too, so that one primitive gives derivatives of any order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, float64, uint8
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops._kinds import floats_only, truth, want_room, want_tensors
from tensorgrad.ops._tools import is_sequence
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.layers._taps import F_, gathered
from tensorgrad.ops.layers.averaging import ADAPTIVE_AVERAGES

Table = tuple[np.ndarray, "np.ndarray | None"]


# ---------------------------------------------------------------------------- tables


def adjoint(at: np.ndarray, weight: np.ndarray | None, extent: int) -> Table:
    """The table by which each of ``extent`` inputs is made of the outputs that it went into, in order."""
    outputs = np.broadcast_to(np.arange(at.shape[1]), at.shape)
    inside = at >= 0
    order = np.lexsort((outputs[inside], at[inside]))
    source, target = at[inside][order], outputs[inside][order]
    counts = np.bincount(source, minlength=extent)
    place = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    back = np.full((max(int(counts.max(initial=0)), 1), extent), -1)
    back[place, source] = target
    if weight is None:
        return back, None
    shares = np.zeros(back.shape, weight.dtype)
    shares[place, source] = weight[inside][order]
    return back, shares


EXAMPLE = np.array([[0, 1, 1], [1, 2, -1]]), np.array([[0.5, 0.25, 1.0], [0.5, 0.75, 0.0]])


@primitive(
    vjp=dict(
        input=lambda g, dim, at, weight, back_at, back_weight: _resample(
            g, dim, back_at, back_weight, at, weight
        )
    ),
    at=(),
    grad_name="UpsampleBackward0",
    samples=lambda: [
        case(normal(2, 3, 2), 1, *EXAMPLE, *adjoint(*EXAMPLE, 3), name="plain"),
        case(normal(2, 3), 1, *EXAMPLE, *adjoint(*EXAMPLE, 3), name="last"),
        case(normal(3, 2), 0, EXAMPLE[0], None, *adjoint(EXAMPLE[0], None, 3), name="no weights"),
    ],
)
def _resample(input, dim, at, weight, back_at, back_weight):
    """Along ``dim`` sums of elements by a table. The other table is its adjoint."""
    floats_only("resampling", input)
    return gathered(input, dim, at.T, None if weight is None else weight.T)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys's cubic convolution, of slope ``a`` at 1."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


# What a wide filter is, and how far it reaches on either side.
FILTERS: dict[str, tuple[Callable, int]] = {
    "linear": (_triangle, 1),
    "cubic": (lambda x: _cubic(x, -0.5), 2),
    "lanczos": (_lanczos, 3),
}


def _step(extent: int, outputs: int, align_corners: bool, scale: float | None, kind: type) -> Any:
    """How far apart outputs are, in inputs."""
    if align_corners:
        return kind(extent - 1) / kind(outputs - 1) if outputs > 1 else kind(0)
    return kind(1.0 / scale) if scale is not None and scale > 0 else kind(extent) / kind(outputs)


def _nearest(extent: int, outputs: int, step: Any, exact: bool) -> Table:
    kind = type(step)
    places = np.arange(outputs).astype(kind)
    found = np.floor((places + kind(0.5)) * step if exact else places * step)
    return np.minimum(found, extent - 1).astype(np.int64)[None], None


def _between(extent: int, outputs: int, step: Any, align_corners: bool, cubic: bool) -> Table:
    """The two or four elements around each output."""
    kind = type(step)
    places = np.arange(outputs).astype(kind)
    if extent == outputs and not cubic:
        return np.arange(extent)[None], None
    source = places * step if align_corners else (places + kind(0.5)) * step - kind(0.5)
    if not cubic:
        source = np.maximum(source, kind(0))
    first = np.minimum(np.floor(source), extent - 1)
    part = np.clip(source - first, kind(0), kind(1))
    first = first.astype(np.int64)
    if not cubic:
        return np.stack([first, np.minimum(first + 1, extent - 1)]), np.stack([1 - part, part])
    at = np.clip(first + np.arange(-1, 3)[:, None], 0, extent - 1)
    return at, np.stack([_cubic(part + kind(shift), -0.75) for shift in (1, 0, -1, -2)]).astype(kind)


def _wide(extent: int, outputs: int, step: Any, name: str) -> Table:
    """All elements that a filter reaches which is as wide as outputs are apart."""
    kind = type(step)
    function, reach = FILTERS[name]
    width = kind(max(step, 1))
    center = step * (np.arange(outputs).astype(kind) + kind(0.5))
    first = np.maximum((center - reach * width + kind(0.5)).astype(np.int64), 0)
    end = np.minimum((center + reach * width + kind(0.5)).astype(np.int64), extent)
    at = first + np.arange(max(int((end - first).max()), 1))[:, None]
    weight = np.where(at < end, function((at - center + kind(0.5)) / width), 0).astype(kind)
    total = weight.sum(0)
    weight = weight / np.where(total == 0, 1, total)
    return np.where(at < end, at, -1), weight.astype(kind)


def _tables(
    mode: str, extent: int, outputs: int, scale: float | None, align_corners: bool, antialias: bool,
    kind: type,
) -> tuple:  # fmt: skip
    """The table of one dimension, and its adjoint."""
    step = _step(extent, outputs, align_corners, scale, kind)
    if mode.startswith("nearest"):
        at, weight = _nearest(extent, outputs, step, mode == "nearest-exact")
    elif antialias:
        at, weight = _wide(extent, outputs, step, mode)
    else:
        at, weight = _between(extent, outputs, step, align_corners, mode == "cubic")
    return (at, weight, *adjoint(at, weight, extent))


@lru_cache(maxsize=256)
def _plan(mode: str, extents: tuple, sizes: tuple, scales: tuple, *settings: Any) -> list[tuple]:
    """In which order dimensions are resampled, and by which tables: those first that lose most; of those that
    gain alike the last.
    """
    order = sorted(reversed(range(len(sizes))), key=lambda d: sizes[d] / extents[d])
    return [(d, _tables(mode, extents[d], sizes[d], scales[d], *settings)) for d in order]


# ---------------------------------------------------------------------------- interpolate


# The modes: along each dimension, and of how many dimensions; None where any will do.
MODES: dict[str, tuple[str, int | None]] = {
    "nearest": ("nearest", None),
    "nearest-exact": ("nearest-exact", None),
    "area": ("area", None),
    "linear": ("linear", 1),
    "bilinear": ("linear", 2),
    "trilinear": ("linear", 3),
    "bicubic": ("cubic", 2),
    "lanczos": ("lanczos", 2),
}


def _per_dim(name: str, value: Any, n: int, shape: tuple[int, ...]) -> list:
    given = list(value) if is_sequence(value) else [value] * n
    if is_sequence(value) and len(given) != n:
        raise ValueError(
            f"interpolate: {name} {value} has not as many numbers as the input {list(shape)} has dimensions "
            f"behind batch and channels, which are {n}"
        )
    return given


def _sizes(input: Tensor, n: int, size, scale_factor, recompute: bool) -> tuple[list[int], list]:
    """The extents of the result, and the scales that steps are made of, or None where extents say them."""
    shape = tuple(input.shape)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: either size or scale_factor has to be given, got {size} and {scale_factor}"
        )
    if size is not None:
        if recompute:
            raise ValueError("interpolate: with a size there is no scale factor to recompute")
        sizes = _per_dim("size", size, n, shape)
        for each in sizes:
            if isinstance(each, float) or not hasattr(each, "__index__"):
                raise TypeError(f"interpolate: expected size to be an int or a tuple of ints, got {size}")
        return [int(each) for each in sizes], [None] * n
    scales = [float(each) for each in _per_dim("scale_factor", scale_factor, n, shape)]
    sizes = [int(extent * scale) for extent, scale in zip(shape[2:], scales)]
    return sizes, [None] * n if recompute else scales


def _interpolate_samples():
    image = (1, 2, 4, 3)
    return [
        case(normal(*image), (6, 5), name="nearest"),
        case(normal(*image), None, 1.7, "nearest-exact", name="nearest-exact"),
        case(normal(*image), (2, 7), None, "bilinear", name="bilinear"),
        case(normal(*image), (6, 5), None, "bilinear", True, name="corners"),
        case(normal(*image), None, (1.5, 2.0), "bicubic", name="bicubic"),
        case(normal(*image), (2, 2), None, "bilinear", antialias=True, name="antialias"),
        case(normal(*image), (2, 2), None, "bicubic", antialias=True, name="cubic-antialias"),
        case(normal(*image), (2, 2), None, "lanczos", antialias=True, name="lanczos"),
        case(normal(*image), (2, 3), None, "area", name="area"),
        case(normal(1, 2, 5), 8, None, "linear", name="linear"),
        case(normal(1, 1, 2, 3, 2), None, 2.0, "trilinear", name="trilinear"),
    ]


@composite(at=F_, samples=_interpolate_samples, single=True, optional=("recompute_scale_factor",))
def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
    antialias=False,
):  # fmt: skip
    """An input (N, C, L), (N, C, H, W) or (N, C, D, H, W) in another ``size``, or ``scale_factor`` times as
    large.

    ``mode``: nearest (the element before), nearest-exact, linear, bilinear, trilinear, bicubic (Keys's
    convolution, 1981), area (the mean of what an output covers). The edges of input and output meet, or with
    ``align_corners`` the centres of their corners. ``recompute_scale_factor`` makes of a factor what the
    sizes say it is. ``antialias``: filters as wide as outputs are apart, for bilinear, bicubic and lanczos.
    Raises ValueError and NotImplementedError for what does not go together.

    >>> F.interpolate(tg.tensor([[[1.0, 3.0]]]), 4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    want_tensors("interpolate", input=input)
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(
            f"interpolate: align_corners is for modes that bring elements together, which {mode} does not"
        )
    n = input.ndim - 2
    sizes, scales = _sizes(input, n, size, scale_factor, bool(recompute_scale_factor))
    if antialias and (mode not in ("bilinear", "bicubic", "lanczos") or n != 2):
        raise ValueError(
            f"interpolate: antialias goes with bilinear, bicubic and lanczos of a 4-D input, got {mode} of "
            f"{input.ndim}-D"
        )
    kind, dims = MODES.get(mode, ("", 0))
    if n not in (1, 2, 3) or dims not in (None, n):
        raise NotImplementedError(
            f"interpolate: got {input.ndim}D input and mode {mode!r}, which do not go together; the modes "
            f"for 3D, 4D and 5D inputs are {', '.join(MODES)}"
        )
    if kind == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: lanczos needs antialias, and has no align_corners")
    if kind == "area":
        return ADAPTIVE_AVERAGES[n](input, sizes)
    if 0 in input.shape[1:] or min(sizes) < 1:
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape)} and output {sizes}"
        )
    want_room("interpolate", (*input.shape[:2], *sizes))
    computed = np.float64 if input.dtype is float64 else np.float32
    settings = (truth("interpolate", "align_corners", align_corners), bool(antialias), computed)
    plan = _plan(kind, tuple(input.shape[2:]), tuple(sizes), tuple(scales), *settings)
    return _resampled(input, plan) if input.is_floating_point() else _whole(input, kind, plan)


def _resampled(input: Tensor, plan: list[tuple]) -> Tensor:
    for d, tables in plan:
        input = _resample(input, d + 2, *tables)
    return input


def _whole(input: Tensor, kind: str, plan: list[tuple]) -> Tensor:
    """Of integers, which are taken as they are; bytes are also averaged, and rounded once."""
    if kind.startswith("nearest"):
        for d, tables in plan:
            input = indexing.pick(input, d + 2, tables[0][0])
        return input
    if input.dtype is not uint8:
        raise NotImplementedError(f"interpolate: not implemented for {input.dtype}; convert it to a float")
    return _resampled(input.float(), plan).round().clamp(0, 255).to(uint8)


# ---------------------------------------------------------------------------- its older names


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"nn.functional.{name} is deprecated, use nn.functional.{instead} instead.", stacklevel=3)


@composite(at=F_, samples=lambda: [case(normal(1, 1, 2, 3), None, 2, name="plain")], single=True)
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """``interpolate``, under its older name.

    >>> F.upsample(tg.tensor([[[1.0, 3.0]]]), 4)
    tensor([[[1., 1., 3., 3.]]])
    """
    _deprecated("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


@composite(at=F_, samples=lambda: [case(normal(1, 1, 2, 3), (4, 4), name="plain")], single=True)
def upsample_nearest(input, size=None, scale_factor=None):
    """``interpolate`` to the nearest element.

    >>> F.upsample_nearest(tg.tensor([[[1.0, 3.0]]]), 4)
    tensor([[[1., 1., 3., 3.]]])
    """
    _deprecated("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor)


@composite(at=F_, samples=lambda: [case(normal(1, 1, 2, 3), (4, 4), name="plain")], single=True)
def upsample_bilinear(input, size=None, scale_factor=None):
    """Bilinear ``interpolate`` between corners.

    >>> F.upsample_bilinear(tg.tensor([[[[1.0, 3.0]]]]), (1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    _deprecated("upsample_bilinear", "interpolate")
    return interpolate(input, size, scale_factor, "bilinear", True)
