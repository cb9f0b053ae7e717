"""Products with a sparse matrix that lies row by row; their gradients are such products again."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core
from tensorgrad.core.declare import case, normal, primitive
from tensorgrad.ops.indices import indexing
from tensorgrad.ops.sparse.places import Rows


def in_order(values: Tensor, order: np.ndarray | None) -> Tensor:
    """The entries in another order."""
    return values if order is None else indexing._gather_rows(values, _core.from_numpy(order))


def _example() -> Rows:
    """Of a matrix with an empty row, an empty column, and two entries in one place."""
    return Rows(np.array([0, 0, 2, 2, 2]), np.array([3, 0, 1, 1, 3]), (3, 4))


@primitive(
    vjp=dict(
        values=lambda g, dense, rows: _csr_sampled(g, dense, rows),
        dense=lambda g, values, rows: _csr_product(in_order(values, rows.turned.order), g, rows.turned),
    ),
    at=(),
    grad_name="SparseAddmmBackward0",
    samples=lambda: [case(normal(5), normal(4, 3), _example(), name="plain")],
)
def _csr_product(values, dense, rows):
    """A sparse matrix times a dense one: the sum of ``values[e] * dense[columns[e]]`` of each row."""
    values, dense = np.ascontiguousarray(values), np.ascontiguousarray(dense)
    out = np.zeros((rows.shape[0], dense.shape[1]), dense.dtype)
    if _core._by_rows("csr_product", values, dense, rows.starts, rows.columns, out):
        return out
    full = rows.starts[1:] > rows.starts[:-1]
    if full.any():
        products = values[:, None] * dense[rows.columns]
        out[full] = np.add.reduceat(products, rows.starts[:-1][full], axis=0)
    return out


@primitive(
    vjp=dict(
        left=lambda g, right, rows: _csr_product(g, right, rows),
        right=lambda g, left, rows: _csr_product(in_order(g, rows.turned.order), left, rows.turned),
    ),
    at=(),
    samples=lambda: [case(normal(3, 2), normal(4, 2), _example(), name="plain")],
)
def _csr_sampled(left, right, rows):
    """The elements of ``left @ right.mT`` where a sparse matrix has entries."""
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    out = np.zeros(rows.columns.size, left.dtype)
    if _core._by_rows("csr_sampled", left, right, rows.starts, rows.columns, out):
        return out
    return np.einsum("ek,ek->e", left[rows.rows], right[rows.columns])
