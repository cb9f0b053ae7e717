"""The kernels csr_product and csr_sampled: against dense products in NumPy, in guarded memory."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import Guarded, events, same_by_any_threads

import tensorgrad as tg
from tensorgrad import _kernels

NAMES = ("csr_product", "csr_sampled")
SIZES = [(1, 1, 1), (5, 3, 11), (0, 2, 0), (4, 3, 0), (900, 40, 3000)]


def drawn(rows, columns, entries, width, dtype, seed=0):
    """A matrix row by row, of which the first row and some others are empty, a table, a line for each row."""
    rng = np.random.default_rng(seed)
    row = np.sort(rng.integers(min(1, rows - 1), rows, entries)) if rows else np.empty(0, int)
    starts = np.searchsorted(row, np.arange(rows + 1))
    where = rng.integers(0, columns, row.size)
    values, table, lines = (
        rng.normal(size=shape).astype(dtype) for shape in (row.size, (columns, width), (rows, width))
    )
    return row, starts, where, values, table, lines


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("width", [0, 1, 7, 8, 16, 31, 64, 100, 203])
@pytest.mark.parametrize("rows, columns, entries", SIZES)
def test_sums_of_lines_and_products_at_entries(rows, columns, entries, width, dtype):
    row, starts, where, values, table, lines = drawn(rows, columns, entries, width, dtype)
    wide = np.zeros((columns, width + 3), dtype)
    wide[:, :width] = table             # a table whose rows lie apart
    limit = {"f4": 1e-4, "f8": 1e-12}[dtype]
    for given in (table, wide[:, :width]):
        out = Guarded((rows, width), dtype)
        made, wrong = _kernels.apply(
            "csr_product", x=values, table=given, starts=starts, columns=where, out=out.array
        )
        dense = np.zeros((rows, columns))
        np.add.at(dense, (row, where), values)
        np.testing.assert_allclose(made, dense @ table, rtol=0, atol=limit)
        assert wrong == 0
        out.check()
        out = Guarded((row.size,), dtype)
        made, wrong = _kernels.apply(
            "csr_sampled", x=lines, table=given, starts=starts, columns=where, out=out.array
        )
        np.testing.assert_allclose(made, (lines.astype("f8") @ table.T)[row, where], rtol=0, atol=limit)
        assert wrong == 0
        out.check()


@pytest.mark.parametrize("rows, entries", [(5, 12), (900, 3000)])
@pytest.mark.parametrize("name", NAMES)
def test_entries_that_stand_nowhere_are_told_and_left_out(name, rows, entries):
    _, starts, where, values, table, lines = drawn(rows, 4, entries, 20, "f4")
    given = {"x": values if name == "csr_product" else lines, "table": table}
    shape = (rows, 20) if name == "csr_product" else (entries,)
    for bad in (4, -1, 2**62):
        wrong = where.copy()
        wrong[-1] = bad
        out = Guarded(shape, "f4")
        assert _kernels.apply(name, **given, starts=starts, columns=wrong, out=out.array)[1] == 1
        out.check()
    for row, bad in ((0, -1), (rows, entries + 1), (2, 2**62), (rows, -(2**62))):
        wrong = starts.copy()
        wrong[row] = bad
        out = Guarded(shape, "f4")
        assert _kernels.apply(name, **given, starts=wrong, columns=where, out=out.array)[1] == 1
        out.check()
    with pytest.raises(ValueError, match="starts needs one number more"):
        _kernels.apply(name, **given, starts=starts[:-1], columns=where, out=np.zeros(shape, "f4"))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", NAMES)
def test_threads_change_no_bit(name, dtype):
    _, starts, where, values, table, lines = drawn(3000, 500, 20000, 33, dtype)
    x = values if name == "csr_product" else lines
    shape = (3000, 33) if name == "csr_product" else (20000,)

    def work():
        out = np.zeros(shape, dtype)
        return [_kernels.apply(name, x=x, table=table, starts=starts, columns=where, out=out)[0]]

    same_by_any_threads(work)


def test_products_with_sparse_matrices_run_them():
    with tg.backend("kernels"):
        x = tg.sparse_coo_tensor([[0, 1], [1, 0]], tg.ones(2, requires_grad=True), (2, 2))
        dense = tg.ones(2, 3, requires_grad=True)
        assert events(lambda: x @ dense).count("csr_product") == 1
        back = events(lambda: (x @ dense).sum().backward())
        assert back.count("csr_product") == 2 and back.count("csr_sampled") == 1
    with tg.backend("numpy"):
        assert "csr_product" not in events(lambda: x @ dense)
