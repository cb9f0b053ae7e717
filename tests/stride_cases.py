"""Calls whose results' strides are compared with PyTorch's: by tests/test_result_strides.py and by the script
that wrote their fixture. `T` is either library.
"""

from __future__ import annotations

from itertools import permutations, product


def numbers(T, *shape):
    """Different numbers in (0, 1)."""
    count = 1
    for extent in shape:
        count *= extent
    return ((T.arange(count, dtype=T.float32) * 7 % 97 + 1) / 100).reshape(shape)


def turned(T, shape, order):
    """A tensor of that shape, whose dimensions lie in memory in that order."""
    made = numbers(T, *(shape[d] for d in order))
    return made.permute([order.index(d) for d in range(len(shape))])


# Layouts of one shape each, by name.
PLANES = {
    "contiguous": lambda T: numbers(T, 3, 4),
    "t": lambda T: numbers(T, 4, 3).t(),
    "stepped": lambda T: numbers(T, 3, 8)[:, ::2],
    "stepped t": lambda T: numbers(T, 8, 6).t()[::2, ::2],
    "rows": lambda T: numbers(T, 1, 4).expand(3, 4),
    "columns": lambda T: numbers(T, 3, 1).expand(3, 4),
    "same": lambda T: numbers(T, 1, 1).expand(3, 4),
    "windows": lambda T: numbers(T, 6).as_strided((3, 4), (1, 1)),
}
BOXES = {
    "".join(map(str, order)): lambda T, order=order: turned(T, (2, 3, 4), order)
    for order in permutations(range(3))
}
BOXES["expanded"] = lambda T: numbers(T, 4, 2).t().unsqueeze(1).expand(2, 3, 4)
BOXES["part"] = lambda T: turned(T, (2, 6, 4), (2, 1, 0))[:, 1:4]
IMAGES = {
    "contiguous": lambda T: numbers(T, 2, 3, 4, 5),
    "channels last": lambda T: turned(T, (2, 3, 4, 5), (0, 2, 3, 1)),
    "3102": lambda T: turned(T, (2, 3, 4, 5), (3, 1, 0, 2)),
    "1032": lambda T: turned(T, (2, 3, 4, 5), (1, 0, 3, 2)),
    "pooled": lambda T: turned(T, (2, 3, 8, 10), (0, 2, 3, 1))[:, :, ::2, ::2],
    "channel": lambda T: turned(T, (2, 1, 4, 5), (0, 2, 3, 1)).expand(2, 3, 4, 5),
}
THIN = {
    "contiguous": lambda T: numbers(T, 3, 1, 4),
    "120": lambda T: turned(T, (3, 1, 4), (1, 2, 0)),
    "column": lambda T: numbers(T, 4, 3, 2)[:, :, :1].permute(1, 2, 0),
}
SMALL = {
    "0-d": lambda T: numbers(T, 1)[0],
    "0-d offset": lambda T: numbers(T, 3)[2],
    "1-d": lambda T: numbers(T, 5),
    "1-d stepped": lambda T: numbers(T, 10)[::2],
    "1-d repeated": lambda T: numbers(T, 1).expand(5),
    "5-d": lambda T: turned(T, (2, 1, 3, 2, 2), (4, 0, 2, 3, 1)),
    "6-d": lambda T: turned(T, (2, 2, 1, 2, 3, 2), (5, 3, 1, 0, 4, 2)),
}
# Whose strides lead to no element.
FREE = {
    "201": lambda T: turned(T, (3, 1, 4), (2, 0, 1)),
    "column": lambda T: numbers(T, 1, 5).t(),
    "row": lambda T: numbers(T, 5, 1).t(),
    "one": lambda T: numbers(T, 4, 3)[:1, :1].t(),
    "expanded": lambda T: numbers(T, 4, 1, 1).permute(2, 1, 0).expand(3, 1, 4),
    "empty": lambda T: numbers(T, 0, 3).t(),
    "empty box": lambda T: numbers(T, 2, 0, 3).permute(2, 1, 0),
    "empty column": lambda T: numbers(T, 0, 1),
}
FAMILIES = {"planes": PLANES, "boxes": BOXES, "images": IMAGES, "thin": THIN, "small": SMALL, "free": FREE}

ONE = {
    "relu": lambda T, x: T.relu(x),
    "exp": lambda T, x: T.exp(x),
    "neg": lambda T, x: -x,
    "gelu": lambda T, x: T.nn.functional.gelu(x),
    "erf": lambda T, x: T.erf(x),
    "isnan": lambda T, x: T.isnan(x),
    "floor": lambda T, x: T.floor(x),
    "round": lambda T, x: T.round(x, decimals=1),
    "sqrt of integers": lambda T, x: T.sqrt((x * 100).to(T.int64)),
    "logical_not": lambda T, x: T.logical_not(x),
    "nan_to_num": lambda T, x: T.nan_to_num(x),
    "clamp": lambda T, x: x.clamp(0.2, 0.5),
    "leaky_relu": lambda T, x: T.nn.functional.leaky_relu(x, 0.1),
    "x + 1": lambda T, x: x + 1,
    "1 - x": lambda T, x: 1 - x,
    "x * 2.5": lambda T, x: x * 2.5,
    "x / 2": lambda T, x: x / 2,
    "1 / x": lambda T, x: 1 / x,
    "x ** 2": lambda T, x: x**2,
    "x > 0.3": lambda T, x: x > 0.3,
    "x // 0.25": lambda T, x: x // 0.25,
    "x + x": lambda T, x: x + x,
    "x * 0-d": lambda T, x: x * T.tensor(2.0),
    "integers + 0.5": lambda T, x: (x * 100).to(T.int32) + 0.5,
    "clone": lambda T, x: x.clone(),
    "contiguous clone": lambda T, x: x.clone(memory_format=T.contiguous_format),
    "preserving clone": lambda T, x: x.clone(memory_format=T.preserve_format),
    "detached clone": lambda T, x: x.detach().clone(),
    "contiguous": lambda T, x: x.contiguous(),
    "double": lambda T, x: x.double(),
    "half": lambda T, x: x.half(),
    "bfloat16 relu": lambda T, x: T.relu(x.to(T.bfloat16)),
    "to copy": lambda T, x: x.to(T.float32, copy=True),
    "to contiguous": lambda T, x: x.to(T.int64, memory_format=T.contiguous_format),
    "zeros_like": lambda T, x: T.zeros_like(x),
    "ones_like": lambda T, x: T.ones_like(x, dtype=T.int64),
    "full_like": lambda T, x: T.full_like(x, 7),
    "contiguous full_like": lambda T, x: T.full_like(x, 7, memory_format=T.contiguous_format),
    "empty_like": lambda T, x: T.zeros_like(T.empty_like(x)),
    "rand_like": lambda T, x: T.zeros_like(T.rand_like(x)),
    "randn_like": lambda T, x: T.zeros_like(T.randn_like(x)),
    "randint_like": lambda T, x: T.zeros_like(T.randint_like(x, 5)),
    "masked_fill": lambda T, x: x.masked_fill(x > 0.4, 0.0),
    "where with a number": lambda T, x: T.where(x > 0.4, x, 0.0),
    "dropout": lambda T, x: T.zeros_like(T.nn.functional.dropout(x, 0.5, True)),
}
# docs/differences.md says that such strides of these are others.
OTHERWISE_FREE = {
    "1 / x", "dropout", "masked_fill", "nan_to_num", "rand_like", "randint_like", "randn_like",
    "to contiguous", "where with a number",
}  # fmt: skip
TWO = {
    "x + y": lambda T, x, y: x + y,
    "x - y": lambda T, x, y: x - y,
    "x * y": lambda T, x, y: x * y,
    "x / y": lambda T, x, y: x / y,
    "x ** y": lambda T, x, y: x**y,
    "x < y": lambda T, x, y: x < y,
    "maximum": lambda T, x, y: T.maximum(x, y),
    "add with alpha": lambda T, x, y: T.add(x, y, alpha=2),
    "double + float": lambda T, x, y: x.double() + y,
    "float * integers": lambda T, x, y: x * (y * 100).to(T.int64),
    "integers / float": lambda T, x, y: (x * 100).to(T.int64) / y,
    "logical_and": lambda T, x, y: T.logical_and(x > 0.3, y > 0.3),
    "atan2": lambda T, x, y: T.atan2(x, y),
    "lerp": lambda T, x, y: T.lerp(x, y, 0.3),
    "isclose": lambda T, x, y: T.isclose(x, y),
}
THREE = {
    "where": lambda T, x, y, z: T.where(x > 0.4, y, z),
    "addcmul": lambda T, x, y, z: T.addcmul(x, y, z, value=2.0),
    "addcdiv": lambda T, x, y, z: T.addcdiv(x, y, z),
    "lerp of three": lambda T, x, y, z: T.lerp(x, y, z),
    "clamp between tensors": lambda T, x, y, z: T.clamp(x, y, z),
    "x * y + z": lambda T, x, y, z: x * y + z,
}
BROADCAST = {
    "row": lambda T: numbers(T, 4),
    "column": lambda T: numbers(T, 3, 1),
    "turned batch": lambda T: turned(T, (2, 3, 4), (2, 0, 1)),
    "0-d": lambda T: numbers(T, 1)[0],
}


def calls():
    """Names of calls, the function and the layouts of its operands."""
    for family, layouts in FAMILIES.items():
        for (name, function), (layout, make) in product(ONE.items(), layouts.items()):
            if family != "free" or name not in OTHERWISE_FREE:
                yield f"{name}/{family}: {layout}", function, [make]
        if family in ("small", "free"):
            continue
        pairs = [pair for pair in product(layouts, layouts) if pair[0] != pair[1]]
        for i, (name, function) in enumerate(TWO.items()):
            # Every op sees a part of all pairs, and addition all of them.
            for pair in pairs if i == 0 else pairs[i % 3 :: 3]:
                yield f"{name}/{family}: {', '.join(pair)}", function, [layouts[each] for each in pair]
        threes = [*product(layouts, layouts, layouts)]
        for i, (name, function) in enumerate(THREE.items()):
            for each in threes[i :: len(threes) // 12]:
                yield f"{name}/{family}: {', '.join(each)}", function, [layouts[k] for k in each]
    for (name, function), (layout, make), (other, second) in product(
        list(TWO.items())[:9], PLANES.items(), BROADCAST.items()
    ):
        yield f"{name}/{layout}, {other}", function, [make, second]
        yield f"{name}/{other}, {layout}", function, [second, make]
