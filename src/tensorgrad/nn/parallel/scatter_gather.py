"""A batch in parts for devices and back, for one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.core.device import device
from tensorgrad.ops.shapes.joining import cat

__all__ = ["gather", "scatter", "scatter_kwargs"]


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> list[Any]:
    """The inputs for each device: raises RuntimeError for any but the CPU, and gives the parts along `dim`.

    >>> nn.parallel.scatter(tg.ones(4), ["cpu", "cpu"])
    [tensor([1., 1.]), tensor([1., 1.])]
    """
    for each in target_gpus:
        _want_cpu(each)
    return _parts(inputs, len(target_gpus), dim)


def _want_cpu(place: Any) -> None:
    device(f"cuda:{place}" if isinstance(place, int) else place)  # numbers are of GPUs


def _parts(x: Any, count: int, dim: int) -> list[Any]:
    if isinstance(x, Tensor):
        return list(x.chunk(count, dim))
    if isinstance(x, (list, tuple)) and x:
        rows = list(zip(*(_parts(each, count, dim) for each in x), strict=False))
        if hasattr(x, "_fields"):
            return [type(x)(*row) for row in rows]
        return [type(x)(row) for row in rows]
    if isinstance(x, dict) and x:
        rows = list(zip(*(_parts(each, count, dim) for each in x.values()), strict=False))
        return [type(x)(zip(x, row, strict=True)) for row in rows]
    return [x] * count


def scatter_kwargs(
    inputs: tuple, kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple, tuple]:
    """Positional and keyword arguments for each device, as many of these as of those."""
    args = scatter(inputs, target_gpus, dim) if inputs else []
    words = scatter(kwargs, target_gpus, dim) if kwargs else []
    args += [()] * (len(words) - len(args))
    words += [{} for _ in range(len(args) - len(words))]
    return tuple(args), tuple(words)


def gather(outputs: Sequence[Any], target_device: Any, dim: int = 0) -> Any:
    """What the devices gave, joined along `dim`: raises RuntimeError for any target but the CPU.

    >>> nn.parallel.gather([tg.ones(1), tg.zeros(2)], "cpu")
    tensor([1., 0., 0.])
    """
    _want_cpu(target_device)
    first = outputs[0]
    if isinstance(first, Tensor):
        return cat([x.reshape(1) if x.ndim == 0 else x for x in outputs], dim)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((key, gather([o[key] for o in outputs], target_device, dim)) for key in first)
    values = [gather(each, target_device, dim) for each in zip(*outputs, strict=True)]
    return type(first)(*values) if hasattr(first, "_fields") else type(first)(values)
