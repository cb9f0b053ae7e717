"""All combinations of the elements of several vectors, and matrices along one diagonal."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tensorgrad.core import result_type
from tensorgrad.core.declare import case, composite, normal, primitive
from tensorgrad.ops._tools import is_sequence
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping, slicing
from tensorgrad.ops.shapes.joining import atleast_2d, stack, tensor_list


@composite(
    samples=lambda: [
        case(normal(2), normal(3), indexing="ij", name="ij"),
        case(normal(2), normal(3), indexing="xy", name="xy"),
    ]
)
def meshgrid(*tensors, indexing=None):
    """Every vector spread over the grid that all of them span; ``indexing="xy"`` swaps the first two
    dimensions.

    >>> tg.meshgrid(tg.tensor([1, 2]), tg.tensor([3, 4]), indexing="ij")
    (tensor([[1, 1],
            [2, 2]]), tensor([[3, 4],
            [3, 4]]))
    """
    if len(tensors) == 1 and is_sequence(tensors[0]):
        tensors = tensors[0]
    tensor_list(tensors, "meshgrid")
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for each in tensors:
        if each.ndim > 1:
            raise RuntimeError(
                f"meshgrid: Expected 0D or 1D tensor in the tensor list but got: {each.ndim}-D, "
                f"{list(each.shape)}"
            )
        if each.dtype is not tensors[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) >= 2
    tensors = [tensors[1], tensors[0], *tensors[2:]] if swap else tensors
    shape = [each.numel() for each in tensors]
    grids = [
        shaping.expand(
            shaping.reshape(
                each,
                [-1 if d == i else 1 for d in range(len(shape))]
                if each.numel()
                else [0 if d == i else 1 for d in range(len(shape))],
            ),
            shape,
        )
        for i, each in enumerate(tensors)
    ]
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def _vectors(tensors):
    for each in tensors:
        if each.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(each.shape)}")


@composite(samples=lambda: [case(normal(2), normal(3), name="two"), case(normal(2), name="one")])
def cartesian_prod(*tensors):
    """All ways to take one element of every vector, as rows; of one vector the vector itself.

    >>> tg.cartesian_prod(tg.tensor([1, 2]), tg.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    if len(tensors) == 1 and is_sequence(tensors[0]):
        tensors = tensors[0]
    _vectors(tensor_list(tensors, "cartesian_prod"))
    if len(tensors) == 1:
        return tensors[0]
    return stack([grid.flatten() for grid in meshgrid(*tensors, indexing="ij")], 1)


MAX_CHOICES = 2**27         # indices, which are listed first


@composite(samples=lambda: [case(normal(4), name="pairs"), case(normal(3), 2, True, name="repeated")])
def combinations(input, r=2, with_replacement=False):
    """All ways to take ``r`` elements of a vector in its order, as rows.

    >>> tg.combinations(tg.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    _vectors([input])
    r = slicing._whole_number(r, "r")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    count = input.numel()
    from_ = count + r - 1 if with_replacement and count else count
    if r > from_:
        return shaping.reshape(indexing.pick(input, 0, np.zeros(0, np.int64)), (0, r))
    ways = math.lgamma(from_ + 1) - math.lgamma(r + 1) - math.lgamma(from_ - r + 1)
    if ways + math.log(r) > math.log(MAX_CHOICES):
        raise RuntimeError(f"combinations: {r} of {count} elements can be taken in too many ways")
    rows = np.array(list(pick(range(count), r)), np.int64).reshape(-1, r)
    return shaping.reshape(indexing.pick(input, 0, rows.reshape(-1)), rows.shape)


@primitive(
    vjp=dict(tensors=lambda g, shapes: _diagonal_blocks(g, shapes)),
    list_arg="tensors",
    at=(),
    grad_name="BlockDiagBackward0",
    samples=lambda: [case([normal(2, 3), normal(1, 1)], ((2, 3), (1, 1)), np.float64, name="plain")],
)
def _block_diag(tensors, shapes, dtype):
    """``block_diag`` of matrices."""
    full = np.zeros((sum(rows for rows, _ in shapes), sum(columns for _, columns in shapes)), dtype)
    row = column = 0
    for each in tensors:
        full[row : row + each.shape[0], column : column + each.shape[1]] = each
        row, column = row + each.shape[0], column + each.shape[1]
    return full


def _diagonal_blocks(g, shapes):
    corners = np.cumsum([(0, 0), *shapes], 0)
    return [g[r : r + n, c : c + m] for (r, c), (n, m) in zip(corners[:-1].tolist(), shapes, strict=True)]


@composite(samples=lambda: [case(normal(2, 3), normal(2), normal(), name="plain")])
def block_diag(*tensors):
    """A matrix with the given matrices along its diagonal and zeros elsewhere; vectors are rows.

    >>> tg.block_diag(tg.tensor([[1, 2]]), tg.tensor([[3]]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    tensor_list(tensors, "block_diag")
    for i, each in enumerate(tensors):
        if each.ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {each.ndim} "
                f"dimensions"
            )
    if not tensors:
        return creation.empty(1, 0)
    dtype = result_type(*tensors) if len(tensors) > 1 else tensors[0].dtype
    tensors = [atleast_2d(each) for each in tensors]
    return _block_diag(tensors, tuple([tuple(each.shape) for each in tensors]), dtype.array_dtype)
