"""Sparse tensors out of indices and values, or of a dense tensor; torch.sparse's functions."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, _core, get_default_dtype
from tensorgrad.core.device import check_device, layout, sparse_coo, sparse_csr
from tensorgrad.core.legacy import as_dtype
from tensorgrad.ops._kinds import want_tensors
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.making import creation
from tensorgrad.ops.shapes import shaping
from tensorgrad.ops.sparse import tensors
from tensorgrad.ops.sparse.places import Places
from tensorgrad.ops.sparse.tensors import SparseTensor, is_sparse_tensor, refuse


def _whole_numbers(name: str, value: Any) -> np.ndarray:
    """Indices as an array of the caller's numbers, which nobody else can change."""
    array = np.array(_core._array_of(value) if isinstance(value, Tensor) else value)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {array.dtype}")
    return np.ascontiguousarray(array, np.int64)


def _entries(values: Any, dtype: Any, requires_grad: bool) -> Tensor:
    """Values as a tensor that shares no gradient settings with the caller's, but its history."""
    dtype = None if dtype is None else as_dtype(dtype)
    if not isinstance(values, Tensor):
        values = creation.tensor(values, dtype=dtype)
    elif dtype is not None:
        values = values.to(dtype)
    if values.requires_grad and not requires_grad:
        return shaping.view(values, tuple(values.shape))
    return values.detach().requires_grad_(requires_grad)


def _want_inside(name: str, indices: np.ndarray, size: Sequence[int]) -> None:
    for d, (line, extent) in enumerate(zip(indices, size)):
        if line.size and (line.min() < 0 or line.max() >= extent):
            bad = line.min() if line.min() < 0 else line.max()
            raise RuntimeError(f"{name}: found index {bad} in dimension {d}, which has size {extent}")


def sparse_coo_tensor(
    indices: Any,
    values: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: builtins.bool = False,
    requires_grad: builtins.bool = False,
    check_invariants: Any = None,
    is_coalesced: Any = None,
) -> Any:
    """A sparse tensor that has ``values[e]`` where column e of ``indices`` (sparse_dim, nnz) says; what
    stands in one place is added up. Values of more dimensions make dense ones behind the sparse ones.

    Without ``size`` it is as large as the indices ask; ``sparse_coo_tensor(size)`` has no entries. Gradients
    go back to ``values``. Raises RuntimeError where counts differ or an index is out of range.

    >>> tg.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    name = "sparse_coo_tensor"
    check_device(device)
    if values is None and size is None:
        values, size = (), tuple(indices)
        indices, dtype = np.zeros((len(size), 0), np.int64), dtype or get_default_dtype()
    elif values is None:
        raise TypeError(f"{name}(): size is given, values are not")
    where = _whole_numbers("indices", indices)
    made = _entries(values, dtype, requires_grad)
    if where.ndim != 2:
        raise RuntimeError(f"{name}: indices must be sparse_dim x nnz, but got: {list(where.shape)}")
    if not where.shape[0]:
        raise refuse(f"{name} of no sparse dimension")
    if not made.ndim or made.shape[0] != where.shape[1]:
        count = made.shape[0] if made.ndim else 1
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {where.shape[1]}, nnz from "
            f"values: {count}"
        )
    if size is None:
        if not where.shape[1]:
            raise RuntimeError(f"{name}: of no entries the size has to be given")
        size = (*(int(n) + 1 for n in where.max(1)), *made.shape[1:])
    size = shaping.sizes_of((size,))
    last = where.shape[0]
    if len(size) != last + made.ndim - 1:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = "
            f"{last}, dense_dim = {made.ndim - 1}"
        )
    if tuple(size[last:]) != tuple(made.shape[1:]):
        raise RuntimeError(
            f"values has incorrect size, expected {list(size[last:])}, got {list(made.shape[1:])}"
        )
    _want_inside(name, where, size)
    places = Places(where, tuple(size[:last]))
    if where.shape[1] < 2:
        places.coalesced = True
    elif is_coalesced:
        joined = places.joined[0]
        if not np.array_equal(joined.indices, where):
            raise RuntimeError(
                "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
            )
        places = joined
    return SparseTensor(places, made)


def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: builtins.bool = False,
    requires_grad: builtins.bool = False,
    check_invariants: Any = None,
) -> Any:
    """A sparse matrix row by row: the entries of row r are ``values[crow_indices[r] : crow_indices[r + 1]]``,
    in the columns that ``col_indices`` says, which rise within a row.

    Without ``size`` it has as many columns as they ask. Gradients go back to ``values``. Raises RuntimeError
    where these do not fit together.

    >>> tg.sparse_csr_tensor([0, 1, 2], [2, 0], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    name = "sparse_csr_tensor"
    check_device(device)
    starts, columns = _whole_numbers("crow_indices", crow_indices), _whole_numbers("col_indices", col_indices)
    made = _entries(values, dtype, requires_grad)
    if not starts.ndim == columns.ndim == made.ndim == 1:
        raise refuse(f"{name} of anything but vectors")
    if not starts.size or starts[0] != 0 or starts[-1] != columns.size or (starts[1:] < starts[:-1]).any():
        raise RuntimeError(
            f"{name}: crow_indices must rise from 0 to the number of col_indices, which is {columns.size}"
        )
    if columns.size != made.shape[0]:
        raise RuntimeError(f"{name}: there are {columns.size} col_indices and {made.shape[0]} values")
    if size is None:
        size = (starts.size - 1, int(columns.max()) + 1 if columns.size else 0)
    size = shaping.sizes_of((size,))
    if len(size) != 2 or size[0] != starts.size - 1:
        raise RuntimeError(f"{name}: crow_indices of {starts.size} numbers are of no matrix of size {size}")
    where = np.stack([np.repeat(np.arange(size[0]), np.diff(starts)), columns])
    _want_inside(name, where, size)
    if ((where[1, 1:] <= where[1, :-1]) & (where[0, 1:] == where[0, :-1])).any():
        raise RuntimeError(f"{name}: col_indices must rise within a row, and name each column once")
    return SparseTensor(Places(where, tuple(size), True), made, sparse_csr)


# ---- methods of dense tensors


def to_sparse(self: Any, sparse_dim: Any = None, *, layout: layout | None = None, **others: Any) -> Any:
    """A sparse tensor of the elements that are not 0, or of those slices of the first ``sparse_dim``
    dimensions that have one; with a gradient to them.

    >>> tg.tensor([[0.0, 5.0], [0.0, 0.0]]).to_sparse().values()
    tensor([5.])
    """
    if others or layout not in (None, sparse_coo, sparse_csr):
        raise refuse(f"Tensor.to_sparse to {layout or next(iter(others))}")
    if layout is sparse_csr:
        return to_sparse_csr(self)
    count = self.ndim if sparse_dim is None else sparse_dim
    if not isinstance(count, int) or not 0 <= count <= self.ndim:
        raise RuntimeError(f"sparse_dim argument must be in 0 to {self.ndim}, inclusive, but is {count}")
    if not count:
        raise refuse("Tensor.to_sparse of no sparse dimension")
    array = _core._array_of(self.detach() != 0)
    where = np.stack(np.nonzero(array.any(tuple(range(count, self.ndim))))).astype(np.int64)
    places = Places(where, tuple(self.shape[:count]), True)
    lines = shaping.reshape(self, (math.prod(self.shape[:count]), *self.shape[count:]))
    return SparseTensor(places, indexing._gather_rows(lines, _core.from_numpy(places.flat)))


def to_sparse_coo(self: Any) -> Any:
    """``to_sparse`` without arguments.

    >>> tg.eye(2).to_sparse_coo().layout
    tensorgrad.sparse_coo
    """
    return to_sparse(self)


def to_sparse_csr(self: Any, dense_dim: Any = None) -> Any:
    """A sparse matrix that lies row by row.

    >>> tg.tensor([[0.0, 5.0], [0.0, 0.0]]).to_sparse_csr().crow_indices()
    tensor([0, 1, 1])
    """
    if self.ndim != 2 or dense_dim:
        raise refuse(f"Tensor.to_sparse_csr of {self.ndim} dimensions, {dense_dim or 0} of them dense")
    return to_sparse(self).to_sparse_csr()


def sparse_dim(self: Any) -> int:
    """How many dimensions are sparse: of a dense tensor none.

    >>> tg.eye(2).to_sparse().sparse_dim()
    2
    """
    return 0


def dense_dim(self: Any) -> int:
    """How many dimensions are dense: of a dense tensor all.

    >>> tg.eye(2).to_sparse().dense_dim()
    0
    """
    return self.ndim


for _method in (to_sparse, to_sparse_coo, to_sparse_csr, sparse_dim, dense_dim):
    _core._add_method(_method.__name__, _method)


# ---- torch.sparse


def mm(mat1: Any, mat2: Any) -> Tensor:
    """The product of two matrices, of which one is sparse; dense, with gradients to the entries of the sparse
    one and to the dense one.

    >>> tg.sparse.mm(tg.eye(2).to_sparse(), tg.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [2.]])
    """
    want_tensors("sparse.mm", mat1=mat1, mat2=mat2)
    return tensors.mm(mat1, mat2)


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """The sum of a sparse tensor's elements, or over dimensions: dense once no sparse dimension is left.

    >>> tg.sparse.sum(tg.eye(3).to_sparse())
    tensor(3.)
    """
    want_tensors("sparse.sum", input=input)
    if not is_sparse_tensor(input):
        raise RuntimeError("sparse.sum: expected a sparse tensor, but got a dense one; x.sum() adds up one")
    return input.sum(dim, dtype=dtype)


def addmm(mat: Tensor, mat1: Any, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0) -> Tensor:
    """``beta * mat + alpha * (mat1 @ mat2)``, where ``mat1`` is sparse.

    >>> tg.sparse.addmm(tg.ones(2, 1), tg.eye(2).to_sparse(), tg.ones(2, 1))
    tensor([[2.],
            [2.]])
    """
    want_tensors("sparse.addmm", mat=mat, mat1=mat1, mat2=mat2)
    return tensors.addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


PUBLIC = {"tensorgrad": (sparse_coo_tensor, sparse_csr_tensor), "tensorgrad.sparse": (mm, sum, addmm)}
