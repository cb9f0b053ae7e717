"""Makes tensors of the sample calls that ops are declared with: for the tests and the benchmarks that read
the declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Op, Tensor, dtype
from tensorgrad.core.declare import Case, Draw, registry


def draw(wanted: Draw, rng: np.random.Generator, float_dtype: Any) -> np.ndarray:
    """The array that a Draw stands for."""
    shape = wanted.shape
    if wanted.kind == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if wanted.kind == "int":
        return np.asarray(rng.integers(int(wanted.low), int(wanted.high), shape))
    if wanted.distinct:
        count = int(np.prod(shape, dtype=np.int64))
        values = (rng.permutation(count) - count / 2 + 0.25) * (4 / max(count, 4))
        return np.asarray(values.reshape(shape), float_dtype)
    return np.asarray(rng.uniform(wanted.low, wanted.high, shape), float_dtype)


def laid_out(array: np.ndarray, layout: str) -> Tensor:
    """A tensor of the array's values whose memory is laid out in the given way."""
    if layout == "transposed" and array.ndim >= 2:
        return tg.tensor(np.ascontiguousarray(array.T)).permute(tuple(range(array.ndim))[::-1])
    if layout == "strided" and array.ndim >= 1:
        wide = np.zeros(array.shape[:-1] + (2 * array.shape[-1],), array.dtype)
        wide[..., ::2] = array
        return tg.tensor(wide)[..., ::2]
    return tg.tensor(array)


def materialize(
    sample: Case,
    *,
    seed: int = 0,
    dtype: dtype = tg.float64,
    layout: str = "contiguous",
    requires_grad: bool = False,
) -> tuple[list[Any], dict[str, Any], list[Tensor]]:
    """The arguments of a sample call with tensors in the place of Draws, and the tensors that need a
    gradient.
    """
    rng = np.random.default_rng(seed)
    leaves: list[Tensor] = []

    def make(value: Any) -> Any:
        if isinstance(value, Draw):
            t = laid_out(draw(value, rng, dtype.numpy_dtype), layout)
            if requires_grad and value.kind == "float":
                t = t.detach().requires_grad_()
                leaves.append(t)
            return t
        if isinstance(value, (list, tuple)) and any(isinstance(v, (Draw, list, tuple)) for v in value):
            return (
                type(value)(make(v) for v in value)
                if not hasattr(value, "_fields")
                else type(value)(*map(make, value))
            )
        return value

    args = [make(a) for a in sample.args]
    kwargs = {k: make(v) for k, v in sample.kwargs.items()}
    return args, kwargs, leaves


def cases(select: Callable[[Op], bool] = lambda op: True) -> Iterator[tuple[Op, Case]]:
    """All sample calls of all declared ops (or of those selected)."""
    for op in list(registry.values()):
        if op.facts.samples is None or not select(op):
            continue
        for sample in op.facts.samples():
            yield op, sample


def reshaped(sample: Case, shape: tuple[int, ...]) -> Case:
    """The same call with every Draw in another shape."""
    return replace(
        sample, args=tuple(replace(a, shape=shape) if isinstance(a, Draw) else a for a in sample.args)
    )


def tensors_in(result: Any) -> list[Tensor]:
    """The tensors of a result, which may be nested."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, dict):
        return [t for v in result.values() for t in tensors_in(v)]
    if isinstance(result, (list, tuple)):
        return [t for v in result for t in tensors_in(v)]
    return []
