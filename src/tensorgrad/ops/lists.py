"""Ops on lists of tensors, one after the other: PyTorch's `torch._foreach_add(tensors, 1)` and its kin, which
copies of its optimizers call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.core.declare import registry

__all__ = ["foreach"]

UNARY = """abs acos asin atan ceil clone cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2
max neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc zero_""".split()
OTHERS = "add addcdiv addcmul clamp_max clamp_min copy_ div lerp maximum minimum mm mul norm pow sub".split()
OF_NUMBERS = {"minimum": "clamp_max", "maximum": "clamp_min"}
OF_TENSORS = {number: tensor for tensor, number in OF_NUMBERS.items()}
LAST = ("other", "scalar", "scalars", "exponent", "weight", "weights")  # words for the last argument
LISTS = (list, tuple)


def foreach(name: str) -> Callable[..., Any] | None:
    """The function of that name without `_foreach_`, or None where there is none."""
    plain = name.removesuffix("_")
    if not {name, plain} & {*UNARY, *OTHERS} or (name != plain and plain in ("clone", "max", "mm", "norm")):
        return None

    def each(*args: Any, **settings: Any) -> Any:
        return _applied(name, args, settings)

    each.__name__ = each.__qualname__ = f"_foreach_{name}"
    return each


def _applied(name: str, args: tuple, settings: dict[str, Any]) -> Any:
    args = (*args, *(settings.pop(word) for word in LAST if word in settings))
    plain = name.removesuffix("_")
    if plain in ("addcdiv", "addcmul") and len(args) == 4:
        *args, factors = args
        spread = isinstance(factors, Tensor) and factors.ndim
        settings = {**settings, "value": factors.tolist() if spread else factors}
    lists = [a for a in (*args, *settings.values()) if isinstance(a, LISTS)]
    if not lists or not lists[0]:
        raise RuntimeError(f"_foreach_{name}: the tensor list must have at least one tensor")
    count = len(lists[0])
    if any(len(other) != count for other in lists):
        raise RuntimeError(
            f"_foreach_{name}: the lists must have the same number of elements, not {[*map(len, lists)]}"
        )
    found = [
        _one(name, [_at(a, i) for a in args], {word: _at(a, i) for word, a in settings.items()})
        for i in range(count)
    ]
    return args[0] if name != plain else tuple(found)


def _at(value: Any, i: int) -> Any:
    return value[i] if isinstance(value, LISTS) else value


def _one(name: str, args: list, settings: dict[str, Any]) -> Tensor:
    if name == "norm":
        args = [args[0], settings.pop("ord", 2)] if len(args) == 1 else args
        return registry["vector_norm"](*args, **settings)
    plain, end = name.removesuffix("_"), "_" if name.endswith("_") else ""
    if plain in OF_NUMBERS or plain in OF_TENSORS:
        plain = (OF_TENSORS if isinstance(args[1], Tensor) else OF_NUMBERS).get(plain, plain)
    if plain == "copy" or hasattr(args[0], plain + end):
        return getattr(args[0], plain + end)(*args[1:], **settings)
    if not end:
        return registry[plain](*args, **settings)
    return args[0].copy_(registry[plain](*args, **settings))
