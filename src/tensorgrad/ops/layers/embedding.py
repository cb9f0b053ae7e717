"""Rows of a table looked up by number, and sums, means or maxima of bags of them."""

from __future__ import annotations

import warnings

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import case, composite, integers, normal, primitive
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.indices.indexing import INDEX_TYPES, _scatter_add_rows, positions
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping

F_ = "tensorgrad.nn.functional"


def _discounted(g: Tensor, index: Tensor, padding_idx: int, by_frequency: bool) -> Tensor:
    """The gradients of the looked-up rows that count: not those of padding, and those of frequent rows
    less."""
    if padding_idx < 0 and not by_frequency:
        return g
    numbers = _core._array_of(index)
    factor = (numbers != padding_idx).astype(g.dtype.array_dtype)
    if by_frequency and numbers.size:
        factor /= np.bincount(numbers.reshape(-1))[numbers]
    return g * shaping.unsqueeze(_core._tensor_of(factor, g.dtype), -1)


@primitive(
    vjp=dict(
        weight=lambda g, index, padding_idx, by_frequency, input_shape: _scatter_add_rows(
            _discounted(g, index, padding_idx, by_frequency), index, input_shape[0]
        )
    ),
    nograd=("index",),
    at=(),
    grad_name="EmbeddingBackward0",
    samples=lambda: [case(normal(4, 3), integers(0, 4, 2, 3), name="plain")],
)
def _embedding(weight, index, padding_idx=-1, by_frequency=False):
    """The rows of ``weight`` of the numbers ``index``."""
    # As unsigned numbers the negative ones are larger than any row.
    if index.size and index.astype(np.int64, copy=False).view(np.uint64).max() >= weight.shape[0]:
        bad = index[(index < 0) | (index >= weight.shape[0])][0]
        raise IndexError(f"index out of range in self: there is no row {bad} among {weight.shape[0]}")
    return np.take(weight, index, 0, mode="clip")


def _check_index(name: str, index: Tensor) -> None:
    if index.dtype not in INDEX_TYPES:
        raise RuntimeError(
            f"{name}: expected tensor for argument 'indices' to have one of the scalar types Long, Int; "
            f"but got {index.dtype.name}: use .long()"
        )


def _padding(name: str, padding_idx: int | None, weight: Tensor) -> int:
    """The number of the padding row, -1 for none."""
    if padding_idx is None:
        return -1
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        error = RuntimeError if name == "embedding_bag" else AssertionError
        raise error(
            f"{name}: padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, "
            f"but got {padding_idx}"
        )
    return padding_idx % weight.shape[0]


def _shorten(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Shortens, in place and off the tape, the rows that are looked up and longer than ``max_norm``."""
    if not weight.is_floating_point():
        raise RuntimeError(f"norm(): the rows to shorten have to be floats, but are {weight.dtype}")
    max_norm, norm_type = float(max_norm), float(norm_type)
    table = _core._array_of(weight)
    used = np.unique(positions(_core._array_of(index), table.shape[0], 0, negative=False))
    lengths = np.linalg.norm(table[used], ord=norm_type, axis=1)
    long = lengths > max_norm
    if long.any():
        shorter = table[used[long]] * (max_norm / (lengths[long] + 1e-7)).astype(table.dtype)[:, None]
        weight.detach()[_core.from_numpy(used[long])] = _core._tensor_of(shorter, weight.dtype)


@composite(
    at=F_,
    samples=lambda: [
        case(integers(0, 4, 2, 3), normal(4, 3), name="plain"),
        case(integers(0, 4, 5), normal(4, 3), padding_idx=1, scale_grad_by_freq=True, name="options"),
    ],
    smooth=False,
)
def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """The rows of ``weight`` of the numbers ``input``.

    ``padding_idx`` names a row that gets no gradient; rows longer than ``max_norm`` (in the ``norm_type``
    norm) are shortened to it, in ``weight`` itself; ``scale_grad_by_freq`` divides a row's gradient by how
    often it was asked for. With ``sparse`` too the gradient is dense. Raises IndexError for a number that is
    no row.

    Shapes: input (*) of integers, weight (V, D); output (*, D).

    >>> F.embedding(tg.tensor([1, 0]), tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    want_tensors("embedding", input=input, weight=weight)
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, but it has {weight.ndim} dimensions")
    _check_index("embedding", input)
    padding = _padding("embedding", padding_idx, weight)
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    return _embedding(weight, input, padding, scale_grad_by_freq)


@primitive(
    nograd=("rows", "bags"),
    at=(),
    samples=lambda: [case(normal(4, 2), integers(0, 1, 4), 3, name="plain")],
)
def _largest_rows(rows, bags, count):
    """For every bag and column the number of the first largest row or the first NaN; of an empty bag 0."""
    found = np.zeros((count, rows.shape[1]), np.int64)
    if len(bags):
        starts = np.flatnonzero(np.concatenate(([True], bags[1:] != bags[:-1])))
        full = bags[starts]
        largest = np.zeros(found.shape, rows.dtype)
        largest[full] = np.maximum.reduceat(rows, starts, axis=0)
        here = (rows == largest[bags]) | (rows != rows)
        numbers = np.where(here, np.arange(len(bags))[:, None], len(bags))
        found[full] = np.minimum.reduceat(numbers, starts, axis=0)
    return found


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[np.ndarray, int]:
    """Which bag every looked-up row belongs to, and the number of bags."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "embedding_bag: if input is 2D, then offsets has to be None, as input is treated as a "
                "mini-batch of fixed length sequences. However, found offsets of type "
                f"{type(offsets).__name__}"
            )
        count, length = input.shape
        return np.repeat(np.arange(count), length), count
    if input.ndim != 1:
        raise ValueError(
            f"embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if offsets is None:
        raise ValueError("embedding_bag: offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError(f"embedding_bag: offsets has to be a 1D Tensor, but got {offsets.ndim}D")
    _check_index("embedding_bag", offsets)
    starts, length = _core._array_of(offsets).astype(np.int64), input.shape[0]
    if include_last_offset and not starts.size:
        raise RuntimeError("embedding_bag: include_last_offset: number of offsets should be at least 1")
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
            f"from position 0. However, got {starts[0]}"
        )
    if starts.size and starts[-1] > length:
        raise RuntimeError(
            f"embedding_bag: offsets[-1] can not be greater than input's length {length} but got {starts[-1]}"
        )
    if include_last_offset:
        starts = starts[:-1]
    ends = np.append(starts[1:], length) if starts.size else starts
    return np.repeat(np.arange(starts.size), np.maximum(ends - starts, 0)), starts.size


@composite(
    at=F_,
    samples=lambda: [
        case(integers(0, 4, 2, 3), normal(4, 3), name="mean"),
        case(integers(0, 4, 2, 3), normal(4, 3), mode="sum", per_sample_weights=normal(2, 3), name="weights"),
        case(integers(0, 4, 2, 3), normal(4, 3), mode="max", name="max"),
    ],
)
def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
    sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """The sum, mean or maximum of the rows of ``weight`` that each bag of numbers names; 0 for an empty bag.

    A 2-D ``input`` holds a bag in every row. A 1-D one is cut into bags where ``offsets`` says; with
    ``include_last_offset`` the last offset is the end of the last bag. ``per_sample_weights`` weights the
    rows of a sum. The row ``padding_idx`` counts for nothing. See ``embedding`` for the rest.

    >>> F.embedding_bag(tg.tensor([[0, 1], [1, 1]]), tg.tensor([[1.0], [3.0]]))
    tensor([[2.],
            [3.]])
    """
    want_tensors("embedding_bag", input=input, weight=weight)
    if input.is_floating_point() and not weight.is_floating_point():
        warnings.warn(
            "embedding_bag: the table came before the numbers; the order of the arguments is (input, weight)",
            stacklevel=2,
        )
        input, weight = weight, input
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(per_sample_weights.shape)}) is not None, then it "
            f"must have the same shape as the input ({list(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(
            f"embedding_bag: weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}"
        )
    if not weight.is_floating_point():
        raise RuntimeError(f"embedding_bag: weight has to hold floats, but got {weight.dtype}")
    _check_index("embedding_bag", input)
    bags, count = _bags(input, offsets, include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max, but got {mode!r}")
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: max mode does not support sparse weights")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError(
            "embedding_bag: max mode does not support scaling the gradient by the frequency of indices"
        )
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights is not None: it is only supported for mode='sum' (got "
            f"mode={mode!r})"
        )
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    if mode != "max" and input.ndim == 2 and input.numel() and padding_idx is None:  # bags of one size
        rows = _embedding(weight, input, -1, scale_grad_by_freq)
        if per_sample_weights is not None:
            rows = rows * shaping.unsqueeze(per_sample_weights, -1)
        return reductions.sum(rows, 1) if mode == "sum" else reductions.mean(rows, 1)
    flat = shaping.reshape(input, (input.numel(),))
    weights = None if per_sample_weights is None else shaping.reshape(per_sample_weights, (input.numel(), 1))
    if padding_idx is not None:
        kept = np.flatnonzero(_core._array_of(flat) != _padding("embedding_bag", padding_idx, weight))
        bags, chosen = bags[kept], _core.from_numpy(kept)
        flat = flat.index_select(0, chosen)
        weights = None if weights is None else weights.index_select(0, chosen)
    rows = _embedding(weight, flat, -1, scale_grad_by_freq)
    where = _core.from_numpy(bags)
    if mode == "max":
        if not flat.numel():
            return _scatter_add_rows(rows, where, count)
        empty = _core.from_numpy(np.bincount(bags, minlength=count)[:, None] == 0)
        return rows.gather(0, _largest_rows(rows, where, count)).masked_fill(empty, 0)
    total = _scatter_add_rows(rows if weights is None else rows * weights, where, count)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(bags, minlength=count), 1)
    return total / _core._tensor_of(sizes[:, None], weight.dtype)
