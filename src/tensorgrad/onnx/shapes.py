"""Shapes, parts and joints. A size of the recorded pass is written as 0 or -1 where that says the same, so
that an axis may have another length when the graph runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor

from .elementwise import dtype_of
from .graph import WRITERS, Graph, writes

END = 2**63 - 1  # of a slice that goes to the end


@writes("reshape", "view", "flatten", "unflatten", "view_as", "reshape_as", "ravel")
def reshaped(g: Graph, input: Tensor, *settings: Any, **rest: Any) -> str:
    """To the shape of the result: the sizes before the first that changes are kept, that one follows from the
    rest."""
    if dtype_of(g) is not input.dtype:
        g.refuse("reads the bytes of a tensor as another dtype")
    return g.node("Reshape", input, target(tuple(input.shape), tuple(g.result.shape)))


def target(old: tuple[int, ...], new: tuple[int, ...]) -> list[int]:
    kept = 0
    while kept < min(len(old), len(new)) and old[kept] == new[kept]:
        kept += 1
    rest = list(new[kept:])
    if rest and 0 not in old:
        rest[0] = -1
    return [0] * kept + rest


@writes("squeeze")
def squeezed(g: Graph, input: Tensor, dim: Any = None) -> str:
    dims = range(input.ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else [dim]
    axes = [each % input.ndim for each in dims if input.shape[each] == 1] if input.ndim else []
    return g.node("Squeeze", input, axes) if axes else g.name(input)


@writes("unsqueeze")
def unsqueezed(g: Graph, input: Tensor, dim: int) -> str:
    return g.node("Unsqueeze", input, [dim % (input.ndim + 1)])


def turned(g: Graph, input: Tensor, order: Sequence[int]) -> str:
    order = list(order)
    return g.name(input) if order == sorted(order) else g.node("Transpose", input, perm=order)


@writes("permute")
def permuted(g: Graph, input: Tensor, dims: Sequence[int]) -> str:
    return turned(g, input, [dim % input.ndim for dim in dims])


@writes("transpose")
def transposed(g: Graph, input: Tensor, dim0: int, dim1: int) -> str:
    order = list(range(input.ndim))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return turned(g, input, order)


@writes("swapaxes", "swapdims")
def swapped(g: Graph, input: Tensor, *dims: int, **named: int) -> str:
    return transposed(g, input, *dims, *named.values())


@writes("mT", "t")
def last_two(g: Graph, input: Tensor) -> str:
    return transposed(g, input, -1, -2) if input.ndim > 1 else g.name(input)


@writes("T")
def backwards(g: Graph, input: Tensor) -> str:
    return turned(g, input, range(input.ndim)[::-1])


@writes("expand", "expand_as", "broadcast_to")
def expanded(g: Graph, input: Tensor, *settings: Any, **rest: Any) -> str:
    shape = tuple(g.result.shape)
    old = (1,) * (len(shape) - input.ndim) + tuple(input.shape)
    return g.node("Expand", input, [1 if a == b else b for a, b in zip(old, shape)])


@writes("repeat")
def repeated(g: Graph, input: Tensor, repeats: Sequence[int]) -> str:
    out = g.name(input)
    if len(repeats) > input.ndim:
        out = g.node("Unsqueeze", out, list(range(len(repeats) - input.ndim)))
    return g.node("Tile", out, list(repeats))


# ---------------------------------------------------------------------------- joints


@writes("cat")
def joined(g: Graph, tensors: Sequence[Tensor], dim: int = 0) -> str:
    axis = dim % g.result.ndim
    seen = next((each for each in tensors if g.depends(each)), tensors[0])
    parts = [_part(g, each, seen, axis) for each in tensors if each.shape != (0,)]
    return g.node("Concat", *parts, axis=axis)


def _part(g: Graph, part: Tensor, seen: Tensor, axis: int) -> str:
    """A part to join. A constant that repeats along other axes has the sizes there of one that is none."""
    found = g.spread(part)
    if found is None or found[1] == [axis]:
        return g.name(part, dtype_of(g))
    name, axes = found
    sizes = g.shape(seen)
    shape = [
        g.node("Gather", sizes, [each], axis=0)
        if each in axes and each != axis
        else g.constant([part.shape[each]])
        for each in range(part.ndim)
    ]
    spread = g.node("Expand", name, g.node("Concat", *shape, axis=0))
    return spread if part.dtype is dtype_of(g) else g.cast(spread, dtype_of(g))


@writes("stack")
def stacked(g: Graph, tensors: Sequence[Tensor], dim: int = 0) -> str:
    axis = dim % g.result.ndim
    parts = [g.node("Unsqueeze", g.name(each, dtype_of(g)), [axis]) for each in tensors]
    return g.node("Concat", *parts, axis=axis)


@writes("split", "chunk", "tensor_split")
def cut(g: Graph, *settings: Any, dim: int = 0, **named: Any) -> list[str]:
    tensor = named["tensor"] if "tensor" in named else named["input"]
    axis = dim % tensor.ndim
    sizes = [part.shape[axis] for part in g.result]
    found = g.node("Split", tensor, sizes, outputs=len(sizes), axis=axis)
    return [found] if isinstance(found, str) else found


@writes("unbind")
def unbound(g: Graph, input: Tensor, dim: int = 0) -> list[str]:
    axis = dim % input.ndim
    return [g.node("Gather", input, g.constant(i), axis=axis) for i in range(len(g.result))]


# ---------------------------------------------------------------------------- parts


def sliced(g: Graph, input: Any, axis: int, start: int | None, stop: int | None, step: int = 1) -> str:
    return g.node("Slice", input, [start or 0], [END if stop is None else stop], [axis], [step])


@writes("narrow")
def narrowed(g: Graph, input: Tensor, dim: int, start: Any, length: int) -> str:
    start = int(start)
    stop = start + length
    return sliced(g, input, dim % input.ndim, start, stop if stop else END)


@writes("select")
def selected(g: Graph, input: Tensor, dim: int, index: int) -> str:
    return g.node("Gather", input, g.constant(int(index)), axis=dim % input.ndim)


@writes("flip")
def flipped(g: Graph, input: Tensor, dims: Any) -> str:
    axes = [dim % input.ndim for dim in (dims if isinstance(dims, (tuple, list)) else [dims])]
    count = len(axes)
    return g.node("Slice", input, [-1] * count, [-END] * count, axes, [-1] * count)


@writes("__getitem__")
def item(g: Graph, input: Tensor, index: Any, value: Any = None) -> str:
    """Ints, slices, None, an ellipsis, and one tensor of integers."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    whole = [slice(None)] * (input.ndim - used)
    if any(part is Ellipsis for part in parts):
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = whole
    else:
        parts += whole
    out, axis, listed = g.name(input), 0, 0
    for part in parts:
        if part is None:
            out = g.node("Unsqueeze", out, [axis])
            axis += 1
        elif isinstance(part, slice):
            if part != slice(None):
                out = sliced(g, out, axis, part.start, part.stop, part.step or 1)
            axis += 1
        elif isinstance(part, (bool, Tensor, list, range, np.ndarray)):
            rows = tg.as_tensor(list(part) if isinstance(part, range) else part)
            if rows.dtype in (tg.bool, tg.uint8):
                g.refuse("chooses by truth values, so that the shape depends on the numbers")
            listed += 1
            if listed > 1:
                g.refuse("takes more than one tensor of indices")
            out = g.node("Gather", out, g.name(rows, tg.int64), axis=axis)
            axis += rows.ndim
        else:
            out = g.node("Gather", out, g.constant(int(part)), axis=axis)
    return out


@writes("gather", "take_along_dim")
def gathered(g: Graph, input: Tensor, dim: int, index: Tensor | None = None, **rest: Any) -> str | None:
    if index is None or tuple(index.shape[:dim]) != tuple(input.shape[:dim]):
        return None
    return g.node("GatherElements", input, g.name(index, tg.int64), axis=dim % input.ndim)


@writes("index_select")
def index_selected(g: Graph, input: Tensor, dim: int, index: Tensor, **rest: Any) -> str:
    return g.node("Gather", input, g.name(index, tg.int64), axis=dim % input.ndim)


@writes("embedding")
def embedded(g: Graph, input: Tensor, weight: Tensor, max_norm: float | None = None, **rest: Any) -> str:
    if max_norm is not None:
        g.refuse("shortens the rows that are looked up; export with max_norm=None")
    return g.node("Gather", weight, g.name(input, tg.int64), axis=0)


@writes("pad")
def padded(g: Graph, input: Tensor, pad: Sequence[int], mode: str, value: Any) -> str | None:
    kinds = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
    if mode == "circular":
        return _around(g, input, pad)
    count = len(pad) // 2
    before, after = [0] * input.ndim, [0] * input.ndim
    for i in range(count):
        before[-1 - i], after[-1 - i] = int(pad[2 * i]), int(pad[2 * i + 1])
    fill = g.constant(value or 0, input.dtype) if mode == "constant" else None
    return g.node("Pad", input, before + after, fill, mode=kinds[mode])


def _around(g: Graph, input: Tensor, pad: Sequence[int]) -> str:
    if min(pad) < 0:
        g.refuse("takes away by a circular pad; slice the tensor before")
    out = g.name(input)
    for i in range(len(pad) // 2):
        axis, (before, after) = input.ndim - 1 - i, pad[2 * i : 2 * i + 2]
        ahead = [sliced(g, out, axis, -before, None)] if before else []
        behind = [sliced(g, out, axis, 0, after)] if after else []
        if ahead or behind:
            out = g.node("Concat", *ahead, out, *behind, axis=axis)
    return out


@writes("roll")
def rolled(g: Graph, input: Tensor, shifts: Any, dims: Any = ()) -> str | None:
    if dims == ():
        return None
    out = g.name(input)
    both = [each if isinstance(each, (tuple, list)) else [each] for each in (shifts, dims)]
    for shift, dim in zip(*both):
        axis = dim % input.ndim
        if cut := shift % input.shape[axis]:
            out = g.node("Concat", sliced(g, out, axis, -cut, None), sliced(g, out, axis, 0, -cut), axis=axis)
    return out


@writes("one_hot")
def one_hot(g: Graph, tensor: Tensor, num_classes: int) -> str:
    return g.node("OneHot", tensor, g.constant(g.result.shape[-1]), [0, 1], axis=-1)


@writes("scatter")
def scattered(
    g: Graph, input: Tensor, dim: int, index: Tensor, src: Any = None, value: Any = None, reduce: Any = None
) -> str | None:
    if reduce is not None:
        return None
    source = src if value is None else value
    if isinstance(source, Tensor):
        if source.shape != index.shape:
            return None
        updates = g.name(source, dtype_of(g))
    else:
        updates = g.node("Expand", g.constant(source, dtype_of(g)), g.shape(index))
    return g.node("ScatterElements", input, g.name(index, tg.int64), updates, axis=dim % input.ndim)


def _triangle(upper: int) -> Any:
    def write(g: Graph, input: Tensor, diagonal: int = 0) -> str:
        if input.dtype is tg.bool:
            found = g.node("Trilu", g.name(input, tg.int64), g.constant(diagonal), upper=upper)
            return g.cast(found, tg.bool)
        return g.node("Trilu", input, g.constant(diagonal), upper=upper)

    return write


WRITERS["tril"], WRITERS["triu"] = _triangle(0), _triangle(1)


@writes("pixel_shuffle")
def pixel_shuffled(g: Graph, input: Tensor, upscale_factor: int) -> str | None:
    return g.node("DepthToSpace", input, blocksize=upscale_factor, mode="CRD") if input.ndim == 4 else None
