"""Source text of tensors and of arguments, good, odd and hostile."""

from __future__ import annotations

import random
from typing import Any

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
DTYPES = (*FLOATS, *INTEGERS, "bool")

SPECIAL = ("nan", "inf", "-inf", "0.0", "-0.0", "1.0", "-1.0", "0.5")
EXTREME = {
    "float16": ("65504.0", "-65504.0", "6e-08", "6.104e-05"),
    "float32": ("3.4e38", "-3.4e38", "1e-45", "1.2e-38", "16777217.0", "1e20", "-1e-20"),
    "float64": ("1.7e308", "-1.7e308", "5e-324", "2.3e-308", "9007199254740993.0", "1e200", "-1e-200"),
}
ENDS = {"int64": (-(2**63), 2**63 - 1), "int32": (-(2**31), 2**31 - 1), "int16": (-(2**15), 2**15 - 1),
        "int8": (-128, 127), "uint8": (0, 255), "bool": (0, 1)}  # fmt: skip

HUGE = ("2**31", "-2**31", "2**31 - 1", "2**63 - 1", "-2**63", "2**63", "2**70", "-2**70")
NUMBERS = ("0", "1", "-1", "2", "3", "-2", "-3", "7", "0.5", "-1.5", "0.0", "True", "False")
ODD = [each.strip() for each in """
    nan; inf; -inf; 1e308; -1e-320; 1e400; None; 'two'; ''; []; (); (0,); (1, 0); [0, 0]; (-1, -2);
    [None]; {}; T.float64; T.int32; T.bool; object(); b'x'; slice(None); ...; 1j; np.float32(2);
    np.int64(1); np.array(1); np.ones(2); T.tensor(1); T.tensor(0.5); T.tensor([1, 0]); [T.ones(2)];
    range(2); [1.5]; lambda x: x; T.ones(2, 0)""".split(";")]  # fmt: skip


def nested(flat: list[str], shape: tuple[int, ...]) -> str:
    """The nested list of a shape."""
    if not shape:
        return flat[0]
    step = len(flat) // shape[0] if shape[0] else 0
    return "[" + ", ".join(nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])) + "]"


def count(shape: tuple[int, ...]) -> int:
    n = 1
    for size in shape:
        n *= size
    return n


def number(rng: random.Random, dtype: str, style: str, low: float = -2.0, high: float = 2.0) -> str:
    """One element. Styles: "plain" (anywhere between the ends), "short" (quarters, so that there are ties
    and no rounding), "special" and "extreme" (sprinkled with those).
    """
    if dtype == "bool":
        return rng.choice(("True", "False"))
    if dtype in INTEGERS:
        if style == "extreme" and rng.random() < 0.3:
            return str(rng.choice(ENDS[dtype]))
        bottom, top = (0 if dtype == "uint8" else -4), 5
        return str(rng.randrange(bottom, top))
    if style == "special" and rng.random() < 0.3:
        return rng.choice(SPECIAL)
    if style == "extreme" and rng.random() < 0.3:
        return rng.choice(EXTREME[dtype])
    if style == "plain":
        return repr(rng.uniform(low, high))
    return repr(round(rng.uniform(low, high) * 4) / 4)


def tensor(
    rng: random.Random, shape: tuple[int, ...], dtype: str, style: str = "plain", low: float = -2.0,
    high: float = 2.0, requires_grad: bool = False,
) -> str:  # fmt: skip
    """An expression that makes a tensor."""
    if 0 in shape:
        text = f"T.zeros({shape}, dtype=T.{dtype}"
    else:
        items = [number(rng, dtype, style, low, high) for _ in range(count(shape))]
        text = f"T.tensor({nested(items, shape)}, dtype=T.{dtype}"
    return text + (", requires_grad=True)" if requires_grad and dtype in FLOATS else ")")


def shape(rng: random.Random, most: int = 3) -> tuple[int, ...]:
    """A small shape; now and then 0-d, empty, or with sizes of one."""
    ndim = rng.choice((0, 1, 1, 2, 2, 2, 3))
    return tuple(rng.choice((1, 2, 2, 3, 3, 4)) if rng.random() > 0.04 else 0 for _ in range(min(ndim, most)))


def laid_out(rng: random.Random, name: str, shape: tuple[int, ...]) -> str | None:
    """A line that gives a tensor the same shape in another layout of memory, or nothing."""
    kind = rng.choice(("", "", "transposed", "strided", "offset", "expanded"))
    if kind == "transposed" and len(shape) >= 2:
        return f"{name} = {name}.transpose(0, -1).contiguous().transpose(0, -1)"
    if kind == "strided" and shape:
        return f"{name} = T.stack([{name}, {name}], -1)[..., 0]"
    if kind == "offset" and shape:
        return f"{name} = T.cat([{name}, {name}])[{shape[0]}:]"
    if kind == "expanded" and shape and shape[0]:
        return f"{name} = {name}[:1].expand({shape})"
    return None


def hostile(rng: random.Random) -> str:
    """An argument that nobody should give."""
    return rng.choice(rng.choice((HUGE, NUMBERS, ODD)))


def literal(value: Any) -> str:
    """A setting of a sample call as source text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(literal, value))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop}, {value.step})"
    if value is None or value is Ellipsis or isinstance(value, (bool, int, float, str, complex)):
        return "..." if value is Ellipsis else repr(value)
    text = str(value)
    return "T." + text.rsplit(".", 1)[-1] if text.startswith(("tensorgrad.", "torch.")) else text
