"""Reading and writing along one dimension by an index of the same number of dimensions: gather, scatter and
their kin.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, int32, int64, uint8
from tensorgrad.core.declare import case, composite, integers, normal, primitive
from tensorgrad.ops._tools import wrap_dim
from tensorgrad.ops.elementwise.comparison import reaches
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping


def _check_index(who: str, input: Tensor, dim, index, src=None) -> int:
    """The dimension counted from 0, after every check that all these ops share."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{who}(): argument 'index' must be Tensor, not {type(index).__name__}")
    dim = wrap_dim(dim, input.ndim)
    if src is not None and src.dtype is not input.dtype:
        raise RuntimeError(
            f"{who}(): Expected self.dtype to be equal to src.dtype, but got {input.dtype} and {src.dtype}"
        )
    if index.numel() == 0:
        return dim
    if index.dtype not in ((int64, int32, uint8) if who == "gather" else (int64, int32)):
        raise RuntimeError(f"{who}(): Expected dtype int32 or int64 for index, but got {index.dtype}")
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as "
            f"{'self' if src is not None else 'input'} tensor: {who}() got {index.ndim} and {input.ndim}"
        )
    own, wanted = tuple(input.shape) or (1,), tuple(index.shape) or (1,)
    if any(n > own[d] for d, n in enumerate(wanted) if d != dim):
        raise RuntimeError(
            f"{who}(): Size does not match: expected index {list(wanted)} to be no larger than self "
            f"{list(own)} apart from dimension {dim}"
        )
    if src is not None:
        if max(src.ndim, 1) != len(wanted):
            raise RuntimeError(
                f"Index tensor must have the same number of dimensions as src tensor: {who}() got "
                f"{index.ndim} and {src.ndim}"
            )
        there = tuple(src.shape) or (1,)
        if any(n > there[d] for d, n in enumerate(wanted)):
            raise RuntimeError(
                f"{who}(): Expected index {list(wanted)} to be no larger than src {list(there)} in every "
                f"dimension"
            )
    extent = own[dim]
    array = _core._array_of(index)
    low, high = array.min(), array.max()
    if low < 0 or high >= extent:
        raise RuntimeError(
            f"index {high if high >= extent else low} is out of bounds for dimension {dim} with size {extent}"
        )
    return dim


def _crop(shape, dim: int, index_shape) -> tuple:
    """The part of a tensor of ``shape`` that an index of ``index_shape`` reaches."""
    return tuple([slice(None) if d == dim else slice(n) for d, n in enumerate(index_shape)])


def _flat_index(shape, dim: int, index: np.ndarray) -> np.ndarray:
    """The positions in the flattened tensor that ``index`` means; it is checked here, where it is read."""
    where = indexing.positions(index, shape[dim], dim, negative=False) * math.prod(shape[dim + 1 :])
    for d, n in enumerate(index.shape):
        if d != dim:
            where += (np.arange(n) * math.prod(shape[d + 1 :])).reshape((-1,) + (1,) * (index.ndim - d - 1))
    return where.reshape(-1)


def _row_index(shape, dim: int, index: np.ndarray):
    """The index of whole rows, as a vector, that an index expanded over them means; None for any other."""
    if dim == 0 and index.ndim > 1 and index.shape[1:] == shape[1:] and not any(index.strides[1:]):
        return np.ascontiguousarray(index[(slice(None),) + (0,) * (index.ndim - 1)], np.int64)
    return None


def _at_least_vector(*arrays):
    return [each.reshape(1) if each.ndim == 0 else each for each in arrays]


@primitive(
    vjp=dict(input=lambda g, dim, index, input_shape: _ungather(g, input_shape, dim, index)),
    nograd=("index",),
    at=(),
    grad_name="GatherBackward0",
    samples=lambda: [case(normal(3, 4), 1, integers(0, 4, 3, 2), name="plain")],
)
def _gather(input, dim, index):
    """``gather`` after its checks."""
    values, where = _at_least_vector(input, index)
    if index.size == 0:
        return np.empty(index.shape, input.dtype)
    rows = _row_index(values.shape, dim, where)
    if rows is not None:
        return np.take(values, rows, 0, mode="clip")
    if values.flags.c_contiguous:
        found = np.take(values.reshape(-1), _flat_index(values.shape, dim, where), mode="clip")
    else:
        found = np.take_along_axis(values[_crop(values.shape, dim, where.shape)], where, dim)
    return found.reshape(index.shape)


@composite(
    method=True,
    samples=lambda: [
        case(normal(3, 4), 1, integers(0, 4, 3, 2), name="plain"),
        case(normal(3, 4), 0, integers(0, 3, 2, 4), name="first"),
        case(normal(), 0, integers(0, 1), name="0-d"),
    ],
)
def gather(input, dim, index, *, sparse_grad=False, out=None):
    """The elements at the positions ``index`` of one dimension: ``out[i, j] = input[i, index[i, j]]`` for
    ``dim=1``.

    >>> tg.gather(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    return indexing.into_out(
        _gather(input, _check_index("gather", input, dim, index), index), out, input, index
    )


@composite(
    method=True,
    samples=lambda: [
        case(normal(3, 4), integers(0, 4, 3, 1), 1, name="plain"),
        case(normal(3, 2), integers(0, 6, 4), name="flat"),
    ],
)
def take_along_dim(input, indices, dim=None):
    """``gather`` with broadcasting of the other dimensions; without ``dim`` from the flattened tensor.

    >>> x = tg.tensor([[3, 1], [2, 4]])
    >>> tg.take_along_dim(x, tg.tensor([[1], [0]]), dim=1)
    tensor([[1],
            [2]])
    """
    if dim is None:
        return gather(
            shaping.reshape(input, (input.numel(),)), 0, shaping.reshape(indices, (indices.numel(),))
        )
    if indices.dtype is not int64:
        raise RuntimeError(f"take_along_dim(): dtype of indices should be Long but got {indices.dtype}")
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = wrap_dim(dim, input.ndim)
    others = [[1 if d == dim else n for d, n in enumerate(each.shape)] for each in (input, indices)]
    shape = list(shaping.broadcast_shapes(*others))
    wide = [
        shaping.expand(each, [each.shape[d] if d == dim else n for d, n in enumerate(shape)])
        for each in (input, indices)
    ]
    array = _core._array_of(wide[1])
    if array.size and array.min() < 0:
        wide[1] = _core._copy_of_array(indexing.positions(array, wide[0].shape[dim], dim))
    return gather(wide[0], dim, wide[1])


@primitive(
    vjp=dict(input=lambda g: g, src=lambda g, dim, index: _gather(g, dim, index)),
    nograd=("index",),
    at=(),
    grad_name="ScatterAddBackward0",
    samples=lambda: [case(normal(3, 4), 1, integers(0, 4, 3, 2), normal(3, 2), name="plain")],
)
def _scatter_add(input, dim, index, src):
    """``scatter_add`` after its checks; ``src`` has the shape of ``index``."""
    out = np.array(input, order="C")
    if index.size == 0:
        return out
    full, where, values = _at_least_vector(out, index, src)
    rows = _row_index(full.shape, dim, where)
    if rows is not None and _core._add_rows(
        full.reshape(full.shape[0], -1), rows, np.ascontiguousarray(values).reshape(rows.size, -1)
    ):
        return out
    flat = _flat_index(full.shape, dim, where)
    if _core._add_rows(full.reshape(-1, 1), flat, np.ascontiguousarray(values).reshape(-1, 1)):
        return out
    if out.dtype.kind == "f" and flat.size * 4 > out.size:
        out += (
            np.bincount(flat, weights=values.reshape(-1), minlength=out.size)
            .reshape(out.shape)
            .astype(out.dtype)
        )
    else:
        np.add.at(full.reshape(-1), flat, values.reshape(-1))
    return out


@primitive(
    vjp=dict(g=lambda g, dim, index: _gather(g, dim, index)),
    nograd=("index",),
    at=(),
    samples=lambda: [case(normal(3, 2), (3, 4), 1, integers(0, 4, 3, 2), name="plain")],
)
def _ungather(g, shape, dim, index):
    """Zeros of ``shape`` to which ``g`` is added where `gather` found its elements."""
    return _scatter_add.body(np.zeros(shape, g.dtype), dim, index, g)


@primitive(
    vjp=dict(
        input=lambda g, dim, index: _scatter(g, dim, index, shaping.expand(g.new_zeros(()), index.shape)),
        src=lambda g, dim, index: _gather(g, dim, index),
    ),
    nograd=("index",),
    at=(),
    grad_name="ScatterBackward0",
    samples=lambda: [case(normal(2, 4), 1, creation.tensor([[0, 3], [2, 1]]), normal(2, 2), name="plain")],
)
def _scatter(input, dim, index, src):
    """``scatter`` after its checks; ``src`` has the shape of ``index``."""
    out = np.array(input, order="C")
    if index.size == 0:
        return out
    full, where, values = _at_least_vector(out, index, src)
    np.put_along_axis(full[_crop(full.shape, dim, where.shape)], where, values, dim)
    return out


def _cropped(src: Tensor, index: Tensor) -> Tensor:
    """The corner of ``src`` that ``index`` has a place for."""
    if src.shape == index.shape:
        return src
    if src.ndim != index.ndim:              # one of them has no dimension
        return shaping.reshape(shaping.reshape(src, (-1,))[: index.numel()], index.shape)
    return src[tuple([slice(n) for n in index.shape])]


_REDUCE = {"add": "sum", "multiply": "prod"}


@composite(
    others=("src",),
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(2, 4), 1, creation.tensor([[0, 3], [2, 1]]), normal(2, 2), name="tensor"),
        case(normal(2, 4), 1, creation.tensor([[0, 3], [2, 1]]), value=2.0, name="number"),
        case(normal(2, 4), 1, integers(0, 4, 2, 2), normal(2, 2), reduce="add", name="add"),
    ],
)
def scatter(input, dim, index, src=None, value=None, *, reduce=None):
    """``input`` with ``src`` (a tensor or a number) at the positions ``index`` of one dimension:
    ``out[i, index[i, j]] = src[i, j]`` for ``dim=1``.

    ``reduce`` ("add", "multiply") combines with what is there.

    >>> tg.scatter(tg.zeros(2, 3), 1, tg.tensor([[0], [2]]), 1.0)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    if src is None and value is None:
        raise TypeError('scatter() missing 1 required positional arguments: "src"')
    if src is not None and value is not None:
        raise TypeError("scatter() takes either src or value, not both")
    src = value if src is None else src
    if reduce is not None and reduce not in _REDUCE:
        raise RuntimeError(f"reduce argument must be either add or multiply, not {reduce}")
    if isinstance(src, Tensor):
        dim = _check_index("scatter", input, dim, index, src)
        src = _cropped(src, index) if index.numel() else shaping.expand(src.new_zeros(()), index.shape)
    else:
        dim = _check_index("scatter", input, dim, index)
        src = shaping.expand(_core._number_tensor(src, input.dtype), index.shape)
    if reduce == "add":
        return _scatter_add(input, dim, index, src)
    if reduce == "multiply":
        return scatter_reduce(input, dim, index, src, "prod")
    return _scatter(input, dim, index, src)


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), 1, integers(0, 4, 3, 2), normal(3, 2), name="plain"),
        case(normal(), 0, integers(0, 1), normal(), name="0-d"),
    ],
)
def scatter_add(input, dim, index, src):
    """``input`` with ``src`` added at the positions ``index`` of one dimension; repeated ones add up.

    >>> tg.scatter_add(tg.zeros(1, 3), 1, tg.tensor([[0, 0, 2]]), tg.ones(1, 3))
    tensor([[2., 0., 1.]])
    """
    if not isinstance(src, Tensor):
        raise TypeError(
            f"scatter_add(): argument 'src' (position 4) must be Tensor, not {type(src).__name__}"
        )
    dim = _check_index("scatter_add", input, dim, index, src)
    return _scatter_add(input, dim, index, _cropped(src, index)) if index.numel() else input.clone()


_UFUNC = {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _reduce_vjp(g, output, input, dim, index, src, reduce, include_self):
    """Both gradients of scatter_reduce, as PyTorch defines them: extremes share among equals, zeros in
    products are looked after.
    """
    number = g.dtype

    def spread(values):
        return _gather(values, dim, index)

    def counted(flags):
        return _scatter_add(g.new_zeros(g.shape), dim, index, flags)

    if reduce == "sum":
        to_input, to_src = g, spread(g)
    elif reduce == "mean":
        ones = g.new_ones(src.shape)
        count = _scatter_add(g.new_ones(g.shape) if include_self else g.new_zeros(g.shape), dim, index, ones)
        share = g / (count + (count == 0).to(number))
        to_input, to_src = share, spread(share)
    elif reduce == "prod":
        zero = (input == 0).to(number)
        safe = input * (1 - zero) + zero
        to_input = g * _scatter_reduce(safe, dim, index, src, "prod", include_self) / safe
        zero = (src == 0).to(number)
        alone = zero * (spread(counted(zero)) == 1).to(number)
        rest = _scatter_reduce(input, dim, index, src * (1 - alone) + alone, "prod", include_self)
        to_src = alone * spread(g * rest) + (1 - alone) * spread(g * output) / (src * (1 - zero) + zero)
    else:
        mine = reaches(input, output).to(number)
        theirs = reaches(src, spread(output)).to(number)
        equals = counted(theirs) + (mine if include_self else 0)
        share = g / (equals + (equals == 0).to(number))
        to_input, to_src = share * mine, spread(share) * theirs
    if not include_self:
        to_input = _scatter(to_input, dim, index, shaping.expand(g.new_zeros(()), index.shape))
    return to_input, None, to_src


@primitive(
    vjp={("input", "src"): _reduce_vjp},
    nograd=("index",),
    at=(),
    grad_name="ScatterReduceBackward0",
    samples=lambda: [case(normal(3, 4), 1, integers(0, 4, 3, 2), normal(3, 2), "prod", True, name="plain")],
)
def _scatter_reduce(input, dim, index, src, reduce, include_self):
    """``scatter_reduce`` after its checks; ``src`` has the shape of ``index``."""
    out = np.array(input, order="C")
    if index.size == 0:
        return out
    full, where, values = _at_least_vector(out, index, src)
    flat, line = _flat_index(full.shape, dim, where), full.reshape(-1)
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    reached = flat[starts]
    ufunc = _UFUNC[reduce]
    found = ufunc.reduceat(values.reshape(-1)[order], starts)
    if include_self:
        found = ufunc(line[reached], found)
    if reduce == "mean":
        count = np.diff(np.append(starts, flat.size)) + include_self
        found = found / count if out.dtype.kind == "f" else found // count
    line[reached] = found
    return out


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(
            normal(3, 4),
            1,
            integers(0, 4, 3, 2),
            normal(3, 2),
            reduce,
            include_self=include,
            name=f"{reduce}-{include}",
        )
        for reduce in ("sum", "mean", "prod", "amax", "amin")
        for include in (True, False)
    ],
)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """``input`` with the sum, mean, prod, amax or amin of all ``src`` that ``index`` sends to a position,
    there; what was there takes part if ``include_self``.

    >>> src = tg.tensor([1.0, 3.0, 5.0])
    >>> tg.scatter_reduce(tg.zeros(2), 0, tg.tensor([0, 0, 1]), src, "mean", include_self=False)
    tensor([2., 5.])
    """
    if reduce not in _UFUNC:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim = _check_index("scatter_reduce", input, dim, index, src)
    if not index.numel():
        return input.clone()
    return _scatter_reduce(input, dim, index, _cropped(src, index), reduce, bool(include_self))


@composite(
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(3, 4), 0, integers(0, 3, 2), normal(2, 4), "prod", name="prod"),
        case(normal(3, 4), 1, integers(0, 4, 2), normal(3, 2), "amax", include_self=False, name="amax"),
    ],
)
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """``input`` with the prod, mean, amax or amin of all slices of ``source`` that ``index``, a vector,
    sends to a position, there.

    >>> tg.index_reduce(tg.ones(2), 0, tg.tensor([0, 0]), tg.tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    dim = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_reduce(): Index is supposed to be a vector")
    if input.ndim or source.ndim:
        wanted = [index.numel() if d == dim else n for d, n in enumerate(input.shape)]
        if list(source.shape) != wanted:
            raise RuntimeError(
                f"index_reduce(): source has the shape {list(source.shape)}, wanted {wanted}: that of input, "
                f"and along dim {dim} as many as there are indices"
            )
        index = shaping.expand(
            shaping.reshape(index, [index.numel() if d == dim else 1 for d in range(source.ndim)]),
            source.shape,
        )
    else:
        index = shaping.reshape(index, ())
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


@primitive(nograd=("input",), at=(), samples=lambda: [case(integers(0, 3, 4), 3, name="plain")])
def _one_hot(input, num_classes):
    """``one_hot`` of checked classes."""
    found = np.zeros((*input.shape, num_classes), np.int64)
    np.put_along_axis(found, input[..., None], 1, -1)
    return found


@composite(
    name="one_hot",
    at="tensorgrad.nn.functional",
    samples=lambda: [case(integers(0, 3, 4), 3, name="plain"), case(integers(0, 3, 2, 2), name="inferred")],
)
def one_hot(tensor, num_classes=-1):
    """int64 zeros with a one at the class that every element names, along a new last dimension.

    >>> F.one_hot(tg.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor: use .long()")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return _one_hot(tensor, num_classes)
    array = _core._array_of(tensor)
    low, high = int(array.min()), int(array.max())
    if low < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = high + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif high >= num_classes:
        raise RuntimeError(
            f"Class values must be smaller than num_classes: {high} is not below {num_classes}."
        )
    return _one_hot(tensor, num_classes)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The indices of every dimension that flat indices of ``shape`` mean.

    >>> tg.unravel_index(tg.tensor([5, 3]), (2, 3))
    (tensor([1, 1]), tensor([2, 0]))
    """
    if indices.is_floating_point():
        raise ValueError(
            f"unravel_index(): expected 'indices' to be an integer dtype, but got {indices.dtype}"
        )
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"unravel_index(): 'shape' cannot have negative values, but got {shape}")
    left, found = np.array(_core._array_of(indices)), []
    for n in reversed(shape):
        found.append(_core._copy_of_array(left % n))
        left = left // n
    return tuple(reversed(found))


PUBLIC = {"tensorgrad": (unravel_index,)}
