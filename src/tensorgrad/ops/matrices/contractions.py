"""Sums of products over named dimensions: einsum, tensordot, and chains of matrices.

All of them become batched matrix products. What has to be permuted, reshaped and summed is worked out once
for the shapes at hand and remembered; the steps themselves are ops, so gradients of any order come by
themselves.
"""

from __future__ import annotations

import math
import operator
import string
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from tensorgrad.core import Tensor, int64
from tensorgrad.core.declare import alias, case, composite, normal
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.matrices.products import _fitting, _one_dtype, matmul
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping

LETTERS = string.ascii_uppercase + string.ascii_lowercase
ELLIPSIS = "\u2026"


class Side(NamedTuple):
    """How one factor becomes a matrix (or a stack of them)."""

    summed: tuple[int, ...]
    order: tuple[int, ...] | None
    shape: tuple[int, ...]
    turned: bool

    def apply(self, x: Tensor, widen: bool) -> Tensor:
        if self.summed:
            widen = widen and any(x.shape[d] != 1 for d in self.summed)
            x = reductions.sum(x, self.summed, dtype=None if widen else x.dtype)
        if self.order is not None:
            x = shaping.permute(x, self.order)
        if x.shape != self.shape:
            x = shaping.reshape(x, self.shape)
        return x.mT if self.turned else x


class Pair(NamedTuple):
    """How two factors become one: a matrix product, or without common sums a product by element."""

    left: Side
    right: Side
    product: bool
    shape: tuple[int, ...]

    def apply(self, x: Tensor, y: Tensor, widen: bool, alike: bool) -> Tensor:
        x, y = self.left.apply(x, widen), self.right.apply(y, widen)
        if self.product and alike and x.dtype is not y.dtype:
            x, y = (shaping._cast(each, int64) for each in (x, y))
        made = matmul(x, y) if self.product else x * y
        return made if made.shape == self.shape else shaping.reshape(made, self.shape)


def _ordered(labels: str, wanted: str) -> tuple[int, ...] | None:
    """The permutation that brings ``labels`` into the order of ``wanted``, None for no change."""
    return None if labels == wanted else tuple(labels.index(label) for label in wanted)


def _pair(x: str, y: str, kept: set[str], sizes: dict[str, int]) -> tuple[Pair, str]:
    """The plan of one contraction of labelled factors to what is ``kept``, and the labels of its result."""
    drop_x = tuple(i for i, label in enumerate(x) if label not in y and label not in kept)
    drop_y = tuple(i for i, label in enumerate(y) if label not in x and label not in kept)
    x = "".join(label for i, label in enumerate(x) if i not in drop_x)
    y = "".join(label for i, label in enumerate(y) if i not in drop_y)
    batch = "".join(label for label in x if label in y and label in kept)
    inner = "".join(label for label in x if label in y and label not in kept)
    rows = "".join(label for label in x if label not in y)
    columns = "".join(label for label in y if label not in x)

    def extents(labels: str) -> tuple[int, ...]:
        return tuple(sizes[label] for label in labels)

    result = batch + rows + columns
    if all(sizes[label] == 1 for label in inner):
        left = Side(
            drop_x, _ordered(x, batch + rows + inner), extents(batch + rows) + (1,) * len(columns), False
        )
        right = Side(
            drop_y,
            _ordered(y, batch + inner + columns),
            extents(batch) + (1,) * len(rows) + extents(columns),
            False,
        )
        return Pair(left, right, False, extents(result)), result
    stack = (math.prod(extents(batch)),) if batch else ()
    m, k, n = (math.prod(extents(labels)) for labels in (rows, inner, columns))
    # A factor that lies the other way round already is only looked at transposed.
    turned_x, turned_y = (
        x == batch + inner + rows and bool(rows),
        y == batch + columns + inner and bool(columns),
    )
    left = Side(
        drop_x,
        None if turned_x else _ordered(x, batch + rows + inner),
        stack + ((k, m) if turned_x else (m, k)),
        turned_x,
    )
    right = Side(
        drop_y,
        None if turned_y else _ordered(y, batch + inner + columns),
        stack + ((n, k) if turned_y else (k, n)),
        turned_y,
    )
    return Pair(left, right, True, extents(result)), result


class Plan(NamedTuple):
    """All steps of an einsum for operands of given shapes."""

    diagonals: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    squeezed: tuple[tuple[int, tuple[int, ...]], ...]
    pairs: tuple[tuple[int, int, Pair], ...]
    summed: tuple[int, ...]
    order: tuple[int, ...] | None

    def apply(self, operands: list[Tensor], widen: bool) -> Tensor:
        """The result; with ``widen`` integers that are added up alone are int64, as those of ``sum``."""
        alike = all(each.dtype is operands[0].dtype for each in operands)
        for i, places in self.diagonals:
            for first, second in places:
                operands[i] = operands[i].diagonal(0, first, second)
        for i, dims in self.squeezed:
            operands[i] = shaping.squeeze(operands[i], dims)
        for i, j, pair in self.pairs:
            y = operands.pop(j)
            operands[i] = pair.apply(operands[i], y, widen, alike)
        made = operands[0]
        if self.summed:
            made = reductions.sum(made, self.summed)
        return made if self.order is None else shaping.permute(made, self.order)


def _bad(problem: str) -> RuntimeError:
    return RuntimeError(f"einsum(): {problem}")


def _read_operand(text: str, whose: str, start: int) -> str:
    """The labels of one operand or of the output, an ellipsis as one character."""
    labels, i = "", 0
    while i < len(text):
        letter = text[i]
        if letter == ".":
            if ELLIPSIS in labels:
                raise _bad(f"found '.' for {whose} for which an ellipsis was already found")
            if text[i : i + 3] != "...":
                raise _bad(f"found '.' for {whose} that is not part of any ellipsis (...)")
            labels += ELLIPSIS
            i += 2
        elif letter in LETTERS:
            labels += letter
        elif letter != " ":
            raise _bad(
                f"invalid subscript given at index {start + i} in the equation string, subscripts must be "
                "in [a-zA-Z]"
            )
        i += 1
    return labels


@lru_cache(maxsize=1024)
def _read(equation: str) -> tuple[tuple[str, ...], str | None]:
    """An equation's labels for every operand, and those of the output if it names them."""
    left, arrow, right = equation.partition("->")
    operands, start = [], 0
    for i, text in enumerate(left.split(",")):
        operands.append(_read_operand(text, f"operand {i}", start))
        start += len(text) + 1
    return tuple(operands), _read_operand(right, "output", len(left) + 2) if arrow else None


def _read_list(labels: Sequence[Any]) -> str:
    """The labels of a sublist of numbers in [0, 52) and ellipses."""
    text = ""
    for label in labels:
        if label is Ellipsis:
            text += ELLIPSIS
        elif 0 <= operator.index(label) < len(LETTERS):
            text += LETTERS[operator.index(label)]
        else:
            raise ValueError(
                f"einsum(): {label!r} in a subscript list is not within the valid range [0, {len(LETTERS)})"
            )
    return text


@lru_cache(maxsize=1024)
def _plan(operands: tuple[str, ...], output: str | None, shapes: tuple[tuple[int, ...], ...]) -> Plan:
    """The steps for these labels and shapes; raises RuntimeError where they do not fit."""
    if len(shapes) != len(operands):
        count = "more" if len(shapes) > len(operands) else "fewer"
        raise _bad(f"{count} operands were provided than specified in the equation")
    widest = 0
    for i, (labels, shape) in enumerate(zip(operands, shapes, strict=True)):
        named = len(labels.replace(ELLIPSIS, ""))
        if named > len(shape) or (named < len(shape) and ELLIPSIS not in labels):
            hint = "" if ELLIPSIS in labels else " and no ellipsis was given"
            raise _bad(
                f"the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({len(shape)}) for operand {i}{hint}"
            )
        if ELLIPSIS in labels:
            widest = max(widest, len(shape) - named)
    dots = "".join(chr(0x2100 + k) for k in range(widest))
    full = []
    for labels, shape in zip(operands, shapes, strict=True):
        covered = len(shape) - len(labels) + 1
        full.append(labels.replace(ELLIPSIS, dots[widest - covered :] if covered > 0 else ""))

    if output is None:
        counts = {label: sum(labels.count(label) for labels in full) for labels in full for label in labels}
        has_dots = any(ELLIPSIS in labels for labels in operands)
        result = (dots if has_dots else "") + "".join(
            sorted(c for c, n in counts.items() if n == 1 and c in LETTERS)
        )
    else:
        for label in output:
            if output.count(label) > 1:
                raise _bad(f"output subscript {label} appears more than once in the output")
            if label != ELLIPSIS and not any(label in labels for labels in full):
                raise _bad(f"output subscript {label} does not appear in the equation for any input operand")
        result = output.replace(ELLIPSIS, dots)

    sizes: dict[str, int] = {}
    diagonals, squeezed = [], []
    single = []
    for i, (labels, shape) in enumerate(zip(full, shapes, strict=True)):
        extents = list(shape)
        steps = []
        for label in dict.fromkeys(labels):
            while labels.count(label) > 1:
                first = labels.index(label)
                second = labels.index(label, first + 1)
                if extents[first] != extents[second]:
                    raise _bad(
                        f"subscript {label} is repeated for operand {i} but the sizes don't match, "
                        f"{extents[second]} != {extents[first]}"
                    )
                steps.append((first, second))
                extent = extents[first]
                for at in (second, first):
                    del extents[at]
                    labels = labels[:at] + labels[at + 1 :]
                labels += label
                extents.append(extent)
        if steps:
            diagonals.append((i, tuple(steps)))
        for label, extent in zip(labels, extents, strict=True):
            known = sizes.get(label, 1)
            if known != 1 and extent not in (1, known):
                name = "the ellipsis" if label in dots else f"subscript {label}"
                raise _bad(
                    f"{name} has size {extent} for operand {i} which does not broadcast with previously "
                    f"seen size {known}"
                )
            sizes[label] = known if extent == 1 else extent
        single.append((labels, extents))
    labelled = []
    for i, (labels, extents) in enumerate(single):
        ones = tuple(d for d, label in enumerate(labels) if extents[d] == 1 and sizes[label] != 1)
        if ones:
            squeezed.append((i, ones))
        labelled.append("".join(label for d, label in enumerate(labels) if d not in ones))

    pairs = []
    while len(labelled) > 1:
        i, j = _cheapest(labelled, result, sizes)
        kept = set(result).union(*(labels for k, labels in enumerate(labelled) if k not in (i, j)))
        pair, labels = _pair(labelled[i], labelled[j], kept, sizes)
        pairs.append((i, j, pair))
        labelled[i] = labels
        del labelled[j]
    labels = labelled[0]
    summed = tuple(d for d, label in enumerate(labels) if label not in result)
    labels = "".join(label for label in labels if label in result)
    return Plan(tuple(diagonals), tuple(squeezed), tuple(pairs), summed, _ordered(labels, result))


def _cheapest(labelled: list[str], result: str, sizes: dict[str, int]) -> tuple[int, int]:
    """The pair whose contraction shrinks the factors most: the greedy path."""
    best, chosen = None, (0, 1)
    if len(labelled) == 2:
        return chosen

    def size(labels: Any) -> int:
        return math.prod(sizes[label] for label in labels)

    for i in range(len(labelled)):
        for j in range(i + 1, len(labelled)):
            rest = set(result).union(*(labels for k, labels in enumerate(labelled) if k not in (i, j)))
            both = set(labelled[i]) | set(labelled[j])
            cost = (size(both & rest) - size(labelled[i]) - size(labelled[j]), size(both))
            if best is None or cost < best:
                best, chosen = cost, (i, j)
    return chosen


@composite(
    samples=lambda: [
        case("ij,jk->ik", normal(2, 3), normal(3, 4), name="product"),
        case("bij,bkj->bik", normal(2, 3, 4), normal(2, 2, 4), name="batched"),
        case("ii->i", normal(3, 3), name="diagonal"),
        case("...i,...i->...", normal(2, 3, 4), normal(3, 4), name="ellipsis"),
        case("i,j,jk->ik", normal(2), normal(3), normal(3, 2), name="three"),
        case(normal(2, 3), [0, 1], normal(3, 4), [1, 2], [0, 2], name="sublists"),
    ],
)
def einsum(*args):
    r"""The sum of products that an equation in letters names, as in :math:`C_{ik} = \sum_j A_{ij} B_{jk}`.

    ``einsum("ij,jk->ik", a, b)``: a letter names a dimension, letters missing on the right are summed over,
    ``...`` stands for further dimensions, which broadcast. Without ``->`` the letters seen once are kept, in
    alphabetical order. Lists of numbers may stand for letters: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.
    Raises RuntimeError when equation and shapes do not fit.

    >>> tg.einsum("ij,j->i", tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand "
            "and its subscripts list"
        )
    first = args[0]
    if isinstance(first, Tensor):
        operands = list(args[: len(args) // 2 * 2 : 2])
        subscripts = tuple(_read_list(each) for each in args[1::2])
        output = _read_list(args[-1]) if len(args) % 2 else None
    elif isinstance(first, str):
        operands = list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
        subscripts, output = _read(first)
    else:
        raise TypeError(f"einsum(): argument 'equation' (position 1) must be str, not {type(first).__name__}")
    for i, operand in enumerate(operands):
        if not isinstance(operand, Tensor):
            raise TypeError(f"einsum(): operand {i} must be Tensor, not {type(operand).__name__}")
    return _plan(subscripts, output, tuple(tuple(each.shape) for each in operands)).apply(operands, True)


def _contracted(dims: Any, a: Tensor, b: Tensor) -> tuple[list[int], list[int]]:
    """The dimensions that tensordot sums over, by the three ways to say them."""
    if isinstance(dims, Tensor):
        dims = dims.tolist() if dims.numel() != 1 else int(dims)
    if isinstance(dims, (list, tuple)) and len(dims) == 2:
        first, second = ([each] if isinstance(each, int) else list(each) for each in dims)
        if len(first) != len(second):
            raise RuntimeError("tensordot: both dimension lists should have same length")
        return first, second
    if not isinstance(dims, int):
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing "
            f"two lists, but got dims={dims}"
        )
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(a.ndim, b.ndim):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return list(range(a.ndim - dims, a.ndim)), list(range(dims))


@composite(
    others=("dims",),
    samples=lambda: [
        case(normal(2, 3, 4), normal(3, 4, 2), name="plain"),
        case(normal(2, 3, 4), normal(4, 2, 5), dims=([0, 2], [1, 0]), name="lists"),
        case(normal(2), normal(3), dims=0, name="outer"),
    ],
)
def tensordot(a, b, dims=2):
    """The sum of products over pairs of dimensions: the last ``dims`` of ``a`` with the first of ``b``,
    or those of two lists.

    >>> tg.tensordot(tg.ones(2, 3, 4), tg.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    tensorgrad.Size([2, 5])
    """
    want_tensors("tensordot", a=a, b=b)
    first, second = _contracted(dims, a, b)
    _one_dtype("tensordot", a, b)
    labels_a, labels_b = list(LETTERS[: a.ndim]), list(LETTERS[a.ndim : a.ndim + b.ndim])
    free_a, free_b = labels_a.copy(), labels_b.copy()
    seen_a: set[int] = set()
    seen_b: set[int] = set()
    for i, j in zip(first, second, strict=True):
        i, j = wrap_dim(i, a.ndim), wrap_dim(j, b.ndim)
        if i in seen_a or j in seen_b:
            raise RuntimeError(
                f"tensordot: dim {i if i in seen_a else j} appears multiple times in the list of dims"
            )
        if a.shape[i] != b.shape[j] and a.shape[i] != 1 and b.shape[j] != 1:
            raise RuntimeError(
                f"tensordot: contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
        seen_a.add(i)
        seen_b.add(j)
        labels_b[j] = labels_a[i]
        free_a[i] = free_b[j] = ""
    operands = ("".join(labels_a), "".join(labels_b))
    return _plan(operands, "".join(free_a + free_b), (tuple(a.shape), tuple(b.shape))).apply([a, b], False)


@composite(
    at="tensorgrad.nn.functional",
    samples=lambda: [
        case(normal(2, 3), normal(2, 4), normal(5, 3, 4), normal(5), name="bias"),
        case(normal(3), normal(4), normal(5, 3, 4), name="vectors"),
    ],
)
def bilinear(input1, input2, weight, bias=None):
    r"""A form of two vectors for every output: :math:`y_o = x_1^T W_o x_2 + b_o`.

    Shapes: inputs (*, in1) and (*, in2), weight (out, in1, in2), bias (out); output (*, out).

    >>> F.bilinear(tg.tensor([1.0, 2.0]), tg.tensor([3.0]), tg.ones(1, 2, 1))
    tensor([9.])
    """
    want_tensors("bilinear", input1=input1, input2=input2, weight=weight)
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    if weight.ndim != 3:
        raise RuntimeError(f"bilinear(): the weight must have 3 dimensions, got {weight.ndim}")
    for dim, (m, n) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if m != n:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {dim}: got {m} and {n}"
            )
    for name, found, wanted in (("input1", input1, weight.shape[1]), ("input2", input2, weight.shape[2])):
        if found.shape[-1] != wanted:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {found.shape[-1]} but expected "
                f"{wanted}"
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected "
            f"{weight.shape[0]}"
        )
    made = einsum("...i,oij,...j->...o", input1, weight, input2)
    return made if bias is None else made + _fitting(bias, made)


def _best_order(sizes: list[int]) -> list[list[int]]:
    """Where to split each run of a chain of matrices so that the fewest multiplications are made
    (dynamic programming)."""
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            ]
            cost[i][j], split[i][j] = min(options)
    return split


def _chained(matrices: Sequence[Tensor]) -> Tensor:
    split = _best_order([matrices[0].shape[0], *(each.shape[1] for each in matrices)])
    return _product_of(matrices, split, 0, len(matrices) - 1)


def _product_of(matrices: Sequence[Tensor], split: Sequence[Sequence[int]], i: int, j: int) -> Tensor:
    """Not a closure: one that calls itself is a cycle, which would hold the matrices."""
    if i == j:
        return matrices[i]
    k = split[i][j]
    return matmul(_product_of(matrices, split, i, k), _product_of(matrices, split, k + 1, j))


@composite(
    at=(),
    samples=lambda: [
        case([normal(2, 3), normal(3, 4), normal(4, 2)], name="three"),
        case([normal(3), normal(3, 4), normal(4)], name="vectors"),
    ],
)
def linalg_multi_dot(tensors):
    """The product of a chain of matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    >>> tg.linalg.multi_dot([tg.ones(2, 3), tg.ones(3, 1), tg.ones(1, 4)]).shape
    tensorgrad.Size([2, 4])
    """
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"multi_dot(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(chain)}")
    want_tensors("multi_dot", **{f"tensors[{i}]": each for i, each in enumerate(chain)})
    last = len(chain) - 1
    for i, each in enumerate(chain):
        if i in (0, last):
            if each.ndim not in (1, 2):
                raise RuntimeError(
                    f"multi_dot(): the {'last' if i else 'first'} tensor must be 1D or 2D but got "
                    f"{each.ndim}D"
                )
        elif each.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {each.ndim}D")
        if each.dtype is not chain[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must be of the same dtype but tensor 0 is {chain[0].dtype.name} "
                f"and tensor {i} {each.dtype.name}"
            )
    row, column = chain[0].ndim == 1, chain[last].ndim == 1
    for i in range(last):
        if chain[i].shape[-1] != chain[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(chain[i].shape)} and "
                f"{list(chain[i + 1].shape)} cannot be multiplied"
            )
    if row:
        chain[0] = shaping.unsqueeze(chain[0], 0)
    if column:
        chain[last] = shaping.unsqueeze(chain[last], 1)
    made = _chained(chain)
    if row or column:
        made = shaping.reshape(made, (() if row else (made.shape[0],)) + (() if column else (made.shape[1],)))
    return made


alias("multi_dot", linalg_multi_dot, at="tensorgrad.linalg", method=False)


@composite(samples=lambda: [case(normal(2, 3), normal(3, 4), normal(4, 2), name="plain")])
def chain_matmul(*matrices):
    """The product of a chain of matrices: the old name of ``linalg.multi_dot``, for matrices as arguments.

    >>> tg.chain_matmul(tg.ones(2, 3), tg.ones(3, 4)).shape
    tensorgrad.Size([2, 4])
    """
    warnings.warn(
        "chain_matmul is deprecated: use linalg.multi_dot, which takes a list of two or more tensors",
        stacklevel=2,
    )
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    want_tensors("chain_matmul", **{f"matrices[{i}]": each for i, each in enumerate(matrices)})
    for each in matrices:
        if each.ndim != 2:
            raise RuntimeError(f"chain_matmul(): Tensor dimension is {each.ndim}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else linalg_multi_dot(matrices)
