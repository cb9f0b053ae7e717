"""Where the entries of a sparse tensor stand: numbers that never change, so what is found out of them is
kept.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np


class Rows:
    """The entries of a matrix row by row (CSR): those of row r are from ``starts[r]`` up to
    ``starts[r + 1]``, in the columns ``columns``.
    ``order`` says which entry comes when, or is None where they lie so already.
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.order = None if (rows[1:] >= rows[:-1]).all() else np.argsort(rows, kind="stable")
        self.rows = rows if self.order is None else rows[self.order]
        self.columns = columns if self.order is None else columns[self.order]
        self.starts = np.zeros(shape[0] + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=shape[0]), out=self.starts[1:])

    @cached_property
    def turned(self) -> Rows:
        """The same of the transposed matrix; its order is that among the entries as they lie here."""
        return Rows(self.columns, self.rows, self.shape[::-1])

    def __repr__(self) -> str:
        return f"Rows({self.shape}, {self.columns.size} entries)"


class Places:
    """A column of ``indices`` says where an entry stands in a tensor whose sparse dimensions have the sizes
    ``size``. ``coalesced``: they are in the order of the tensor, and no two stand in one place.
    """

    def __init__(self, indices: np.ndarray, size: tuple[int, ...], coalesced: bool = False) -> None:
        self.indices = indices
        self.size = size
        self.coalesced = coalesced

    @property
    def count(self) -> int:
        return self.indices.shape[1]

    @cached_property
    def joined(self) -> tuple[Places, np.ndarray]:
        """The places in order, each once, and for each entry which of them is its own."""
        order = np.lexsort(self.indices[::-1])
        ordered = self.indices[:, order]
        first = np.ones(self.count, bool)
        first[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(0)
        where = np.empty(self.count, np.int64)
        where[order] = np.cumsum(first) - 1
        return Places(np.ascontiguousarray(ordered[:, first]), self.size, True), where

    @cached_property
    def rows(self) -> Rows:
        """Of a matrix: its entries row by row."""
        return Rows(self.indices[0], self.indices[1], (self.size[0], self.size[1]))

    @cached_property
    def turned(self) -> Places:
        """Of a matrix: the places in the transposed one, of the entries in the same order."""
        found = Places(np.ascontiguousarray(self.indices[::-1]), self.size[::-1])
        found.__dict__["turned"] = self
        return found

    @cached_property
    def flat(self) -> np.ndarray:
        """Each place as one number, counted through the tensor."""
        return np.ravel_multi_index(tuple(self.indices), self.size)
