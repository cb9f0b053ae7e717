"""Sums, means, extremes and where they are, variances and norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor

from .elementwise import dtype_of, operands
from .graph import WRITERS, Graph, writes

AXES_AS_INPUT = 18  # the opset in which axes of the other reductions became an input, as a sum's are


def axes_of(input: Tensor, dim: Any) -> list[int]:
    if dim is None or not input.ndim or (isinstance(dim, (tuple, list)) and not len(dim)):
        return list(range(input.ndim))
    return sorted(each % input.ndim for each in (dim if isinstance(dim, (tuple, list)) else [dim]))


def reduce(g: Graph, kind: str, input: Any, axes: Sequence[int], keepdim: bool) -> str:
    axes, keep = list(axes), int(keepdim)
    if not axes:
        return g.name(input)
    if kind == "ReduceSum" or g.opset >= AXES_AS_INPUT:
        return g.node(kind, input, axes, keepdims=keep)
    return g.node(kind, input, axes=axes, keepdims=keep)


def _reduction(kind: str) -> Any:
    def write(g: Graph, input: Tensor, dim: Any = None, keepdim: bool = False, **rest: Any) -> str:
        return reduce(g, kind, g.name(input, dtype_of(g)), axes_of(input, dim), keepdim)

    return write


for _name, _kind in {
    "sum": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin", "prod": "ReduceProd",
    "logsumexp": "ReduceLogSumExp",
}.items():  # fmt: skip
    WRITERS[_name] = _reduction(_kind)


def _extreme(kind: str, place: str, pair: str) -> Any:
    def write(g: Graph, input: Tensor, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        if isinstance(dim, Tensor) or other is not None:
            rest = dim if other is None else other
            return g.node(pair, *operands(g, input, rest, dtype_of(g)))
        if dim is None:
            return reduce(g, kind, input, axes_of(input, None), False)
        return [
            reduce(g, kind, input, axes_of(input, dim), keepdim),
            g.node(place, input, axis=dim % max(input.ndim, 1), keepdims=int(keepdim)),
        ]

    return write


WRITERS["max"] = _extreme("ReduceMax", "ArgMax", "Max")
WRITERS["min"] = _extreme("ReduceMin", "ArgMin", "Min")


def _position(kind: str) -> Any:
    def write(g: Graph, input: Tensor, dim: int | None = None, keepdim: bool = False) -> str | None:
        if dim is None:
            return None if keepdim else g.node(kind, g.node("Reshape", input, [-1]), axis=0, keepdims=0)
        return g.node(kind, input, axis=dim % max(input.ndim, 1), keepdims=int(keepdim))

    return write


WRITERS["argmax"], WRITERS["argmin"] = _position("ArgMax"), _position("ArgMin")


def _truth(kind: str) -> Any:
    def write(g: Graph, input: Tensor, dim: Any = None, keepdim: bool = False) -> str:
        numbers = g.cast(g.name(input, tg.bool), tg.int32)
        return g.cast(reduce(g, kind, numbers, axes_of(input, dim), keepdim), dtype_of(g))

    return write


WRITERS["any"], WRITERS["all"] = _truth("ReduceMax"), _truth("ReduceMin")


@writes("var")
def variance(g: Graph, input: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> str:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = axes_of(input, dim)
    away = g.node("Sub", input, reduce(g, "ReduceMean", input, axes, True))
    found = reduce(g, "ReduceMean", g.node("Mul", away, away), axes, keepdim)
    less = correction if correction is not None else 0 if unbiased is False else 1
    if less:
        count = math.prod(input.shape[axis] for axis in axes)
        factor = count / (count - less) if count > less else math.inf
        found = g.node("Mul", found, g.constant(factor, input.dtype))
    return found


@writes("std")
def deviation(g: Graph, **named: Any) -> str:
    return g.node("Sqrt", variance(g, **named))


@writes("var_mean", "std_mean")
def with_mean(g: Graph, input: Tensor, dim: Any, keepdim: bool, **named: Any) -> list[str]:
    assert g.call is not None
    measure = variance if g.call.name == "var_mean" else deviation
    spread = measure(g, input=input, dim=dim, keepdim=keepdim, **named)
    return [spread, reduce(g, "ReduceMean", input, axes_of(input, dim), keepdim)]


@writes("norm", "vector_norm")
def norm(g: Graph, dim: Any = None, keepdim: bool = False, dtype: Any = None, **named: Any) -> str | None:
    input = named["x"] if "x" in named else named["input"]
    order = named["ord"] if "ord" in named else named["p"]
    kinds = {1: "ReduceL1", 2: "ReduceL2", "fro": "ReduceL2", math.inf: "ReduceMax"}
    if order not in kinds:
        return None
    value, axes = g.name(input, dtype_of(g)), axes_of(input, dim)
    if order == math.inf or not axes:
        value = g.node("Abs", value)
    return reduce(g, kinds[order], value, axes, keepdim)


@writes("cumsum")
def cumsum(g: Graph, input: Tensor, dim: int, **rest: Any) -> str:
    return g.node("CumSum", g.name(input, dtype_of(g)), g.constant(dim % max(input.ndim, 1)))


@writes("topk")
def topk(g: Graph, input: Tensor, k: int, dim: int, largest: bool, sorted: bool) -> list[str]:
    axis = dim % max(input.ndim, 1)
    return g.node("TopK", input, [k], outputs=2, axis=axis, largest=int(largest), sorted=1)  # ours always are


@writes("argsort")
def argsort(g: Graph, input: Tensor, dim: int, descending: bool, stable: bool) -> str:
    return sort(g, input, dim, descending, stable)[1]


@writes("sort")
def sort(g: Graph, input: Tensor, dim: int, descending: bool, stable: bool) -> list[str]:
    axis = dim % max(input.ndim, 1)
    count = g.node("Gather", g.shape(input), [axis])
    return g.node("TopK", input, count, outputs=2, axis=axis, largest=int(descending), sorted=1)
