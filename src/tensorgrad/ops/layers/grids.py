"""Images seen through a grid of places, as spatial transformers do (Jaderberg and others, 2015)."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

from tensorgrad.core import Tensor, int64
from tensorgrad.core.declare import between, case, composite, normal
from tensorgrad.ops._kinds import truth, want_tensors
from tensorgrad.ops.elementwise.choosing import where
from tensorgrad.ops.indices.scattering import gather
from tensorgrad.ops.layers._taps import F_
from tensorgrad.ops.making.creation import ones
from tensorgrad.ops.making.spacing import linspace
from tensorgrad.ops.matrices.products import matmul
from tensorgrad.ops.shapes import shaping
from tensorgrad.ops.shapes.joining import stack

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def _aligned(who: str, align_corners) -> bool:
    if align_corners is None:
        warnings.warn(
            f"{who}: align_corners is False unless it is given; before PyTorch 1.3.0 it was True",
            stacklevel=4,
        )
    return truth(who, "align_corners", align_corners)


# ---------------------------------------------------------------------------- affine_grid


def _centers(count: int, align_corners: bool, like: Tensor) -> Tensor:
    """The middles of so many elements from -1 to 1, or with ``align_corners`` from end to end."""
    if count <= 1:
        return like.new_zeros((count,))
    found = linspace(-1, 1, count, dtype=like.dtype)
    return found if align_corners else found * ((count - 1) / count)


@composite(
    at=F_,
    samples=lambda: [
        case(normal(2, 2, 3), (2, 1, 3, 2), False, name="plane"),
        case(normal(1, 3, 4), (1, 1, 2, 1, 2), True, name="volume"),
    ],
)
def affine_grid(theta, size, align_corners=None):
    """Where the elements of images of ``size`` (N, C, H, W) are after the affine maps ``theta`` (N, 2, 3), as
    a grid (N, H, W, 2) of places (x, y) from -1 to 1; so also for volumes, with (N, 3, 4) and (x, y, z).

    -1 and 1 are the edges of the image, or with ``align_corners`` the centres of its corners.

    >>> F.affine_grid(tg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    want_tensors("affine_grid", theta=theta)
    aligned = _aligned("affine_grid", align_corners)
    size = tuple(size)
    if not theta.is_floating_point():
        raise ValueError(f"affine_grid: theta has to be of floats, got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: expected (N, C, H, W) or (N, C, D, H, W), got {size}")
    n = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"affine_grid: for a size {size} theta has to be (N, {n}, {n + 1}), got {list(theta.shape)}"
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: a size has to be positive, got {size}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(f"affine_grid: theta is of {theta.shape[0]} maps, the size of {size[0]} images")
    axes = []
    for d, extent in enumerate(size[2:]):
        line = _centers(extent, aligned, theta.detach())
        axes.append(shaping.expand(shaping.reshape(line, (-1,) + (1,) * (n - 1 - d)), size[2:]))
    places = stack([*reversed(axes), ones(size[2:], dtype=theta.dtype)], -1)
    grid = matmul(shaping.reshape(places, (1, -1, n + 1)), shaping.transpose(theta, 1, 2))
    return shaping.reshape(grid, (size[0], *size[2:], n))


# ---------------------------------------------------------------------------- grid_sample


def _reflected(x: Tensor, low: float, span: float) -> Tensor:
    """``x`` between ``low`` and ``low + span``, as in mirrors standing there."""
    if span <= 0:
        return x * 0
    away = (x - low).abs()
    turns = (away.detach() / span).floor()
    rest = away - turns * span
    return where(turns.remainder(2) == 0, rest + low, span - rest + low)


def _kept_inside(x: Tensor, extent: int, padding_mode: str, aligned: bool) -> Tensor:
    """Places in elements with those outside of the image brought into it, unless zeros are there."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        x = _reflected(x, 0.0, extent - 1.0) if aligned else _reflected(x, -0.5, float(extent))
    return where(x > 0, where(x < extent - 1, x, extent - 1.0), 0.0)


def _bicubic_weights(part: Tensor) -> list[Tensor]:
    """Of the four elements around a place that is ``part`` behind the second: Keys's, of slope -0.75."""
    a = -0.75
    near = lambda x: ((a + 2) * x - (a + 3)) * x * x + 1
    far = lambda x: ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return [far(part + 1), near(part), near(1 - part), far(2 - part)]


def _taps(x: Tensor, mode: str) -> list[tuple[Tensor, Any]]:
    """The elements along one dimension that a place is made of, each with its weight."""
    if mode == "nearest":
        return [(x.detach().round(), x * 0 + 1)]    # the place has a slope, which is 0
    first = x.detach().floor()
    part = x - first
    if mode == "bilinear":
        return [(first, 1 - part), (first + 1, part)]
    return [(first + (k - 1), weight) for k, weight in enumerate(_bicubic_weights(part))]


def _grid_samples():
    grid = between(-1.3, 1.3, 1, 2, 3, 2)
    return [
        *(case(normal(1, 2, 3, 4), grid, mode, padding, False, name=f"{mode}-{padding}")
          for mode, padding in itertools.product(MODES, PADDINGS)),
        case(normal(1, 2, 3, 4), grid, align_corners=True, name="corners"),
        case(normal(1, 1, 2, 3, 2), between(-0.9, 0.9, 1, 1, 2, 2, 3), align_corners=False, name="volume"),
    ]


@composite(at=F_, samples=_grid_samples, single=True)
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Images (N, C, H, W) at the places of a grid (N, h, w, 2), as (N, C, h, w); so also volumes, at
    (N, d, h, w, 3).

    A place (x, y) or (x, y, z) from -1 to 1 counts columns first; -1 and 1 are the edges of the image, or
    with ``align_corners`` the centres of its corners. What is between elements is theirs by ``mode``:
    bilinear, nearest, bicubic (not of volumes); what is outside is zero, or by ``padding_mode`` that at the
    border, or a reflection. Between zeros a place in an image that is not finite is NaN.
    Raises RuntimeError for shapes that do not fit, ValueError for other modes.

    >>> F.grid_sample(tg.tensor([[[[1.0, 3.0]]]]), tg.tensor([[[[0.0, 0.0]]]]), align_corners=True)
    tensor([[[[2.]]]])
    """
    want_tensors("grid_sample", input=input, grid=grid)
    if mode not in MODES:
        raise ValueError(f"grid_sample: mode has to be one of {', '.join(MODES)}, got {mode!r}")
    if padding_mode not in PADDINGS:
        raise ValueError(
            f"grid_sample: padding_mode has to be one of {', '.join(PADDINGS)}, got {padding_mode!r}"
        )
    aligned = _aligned("grid_sample", align_corners)
    n = input.ndim - 2
    if n not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != n or grid.shape[0] != input.shape[0]:
        raise RuntimeError(
            "grid_sample: expected images (N, C, H, W) and a grid (N, h, w, 2), or volumes and (N, d, h, w, "
            f"3), got {list(input.shape)} and {list(grid.shape)}"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(f"grid_sample: expected images that are not empty, got {list(input.shape)}")
    if n == 3 and mode == "bicubic":
        raise RuntimeError("grid_sample: bicubic is for images, and not for volumes")
    if not (input.is_floating_point() and grid.is_floating_point()):
        raise NotImplementedError(f"grid_sample: not implemented for {input.dtype} and {grid.dtype}")
    extents = tuple(input.shape[2:])
    axes = []
    for d, extent in enumerate(extents):
        x = grid[..., n - 1 - d]
        x = (x + 1) / 2 * (extent - 1) if aligned else ((x + 1) * extent - 1) / 2
        if mode != "bicubic":
            x = _kept_inside(x, extent, padding_mode, aligned)
        axes.append(_taps(x, mode))
    flat = shaping.reshape(input, (*input.shape[:2], math.prod(extents)))
    count = math.prod(grid.shape[1:-1])
    total: Any = None
    for taps in itertools.product(*axes):
        index: Any = 0
        inside: Any = True
        share: Any = 1.0
        for (at, weight), extent in zip(taps, extents):
            if mode == "bicubic":
                at = _kept_inside(at, extent, padding_mode, aligned)
            there = (at >= 0) & (at <= extent - 1)
            inside = there & inside
            index = index * extent + where(there, at, 0.0).to(int64)
            share = weight * share
        places = shaping.reshape(index, (input.shape[0], 1, count))
        places = shaping.expand(places, (*input.shape[:2], count))
        value = shaping.reshape(gather(flat, 2, places), (*input.shape[:2], *grid.shape[1:-1]))
        inside = shaping.unsqueeze(inside, 1)
        share = where(inside, shaping.unsqueeze(share, 1), 0.0)     # else a share of NaN would be a slope
        value = where(inside, value * share, 0.0)
        total = value if total is None else total + value
    blends = n == 2 and mode != "nearest" and padding_mode == "zeros"
    if blends and not bool(grid.detach().isfinite().all()):
        nowhere = axes[0][0][1] * 0 + axes[1][0][1] * 0     # NaN where a weight is, and 0 elsewhere
        total = total + shaping.unsqueeze(nowhere, 1)
    return total


def _declare_sampler(name: str, n: int):
    def function(input, grid, interpolation_mode, padding_mode, align_corners):
        for argument, number in (("interpolation_mode", interpolation_mode), ("padding_mode", padding_mode)):
            if isinstance(number, bool) or not hasattr(number, "__index__"):
                raise TypeError(
                    f"{name}(): argument '{argument}' must be int, not {type(number).__name__}"
                )
        if not (0 <= interpolation_mode < len(MODES) and 0 <= padding_mode < len(PADDINGS)):
            raise RuntimeError(f"{name}: there is no mode {interpolation_mode} or padding {padding_mode}")
        if name.endswith(f"{n}d") and input.ndim != n + 2:
            raise RuntimeError(f"{name}: expected {n + 2}D input, got {list(input.shape)}")
        return grid_sample(input, grid, MODES[interpolation_mode], PADDINGS[padding_mode], align_corners)

    image, place = (1, 1) + (2,) * n, (1,) * (n + 1) + (n,)
    function.__name__ = name
    function.__doc__ = f"""``grid_sample``, whose modes have numbers: bilinear, nearest and bicubic 0, 1, 2;
    padding by zeros, the border and reflection 0, 1 and 2.

    >>> tg.{name}(tg.ones{image}, tg.zeros{place}, 0, 0, True).sum()
    tensor(1.)
    """
    samples = [case(normal(*image), between(-0.9, 0.9, *place), 0, 0, True, name="plain")]
    return composite(name=name, samples=lambda: samples)(function)


for _name, _n in (("grid_sampler", 2), ("grid_sampler_2d", 2), ("grid_sampler_3d", 3)):
    _declare_sampler(_name, _n)
