"""Many short rows, which kernels turn into columns or work on side by side: against float64, and at any
number of threads. Walks whose rows are short.
"""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.nn import functional as F

ROWS = (15, 16, 17, 64, 65, 129, 700)
COLUMNS = (1, 2, 3, 7, 8, 16, 31, 40, 41, 63, 64, 65, 130)
FLOATS = pytest.mark.parametrize("dtype", ["f4", "f8"])


@pytest.fixture(autouse=True)
def threads():
    before = tg.get_num_threads()
    yield
    tg.set_num_threads(before)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


CALLS = {
    "softmax": (lambda t: t.softmax(-1), softmax),
    "log_softmax": (lambda t: t.log_softmax(-1), lambda x: np.log(softmax(x))),
    "logsumexp": (
        lambda t: t.logsumexp(-1),
        lambda x: np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)) + x.max(1),
    ),
    "layer_norm": (
        lambda t: F.layer_norm(t, t.shape[1:]),
        lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
    ),
    "cross_entropy": (
        lambda t: F.cross_entropy(t, tg.arange(len(t)) % t.shape[1]),
        lambda x: -np.log(softmax(x))[np.arange(len(x)), np.arange(len(x)) % x.shape[1]].mean(),
    ),
    "sum": (lambda t: t.sum(-1), lambda x: x.sum(1)),
    "mean": (lambda t: t.mean(-1), lambda x: x.mean(1)),
    "nansum": (lambda t: t.nansum(-1), lambda x: x.sum(1)),
    "prod": (lambda t: t.mul(0.5).prod(-1), lambda x: (x * 0.5).prod(1)),
    "norm": (lambda t: t.norm(dim=-1), lambda x: np.sqrt((x * x).sum(1))),
    "amax": (lambda t: t.amax(-1), lambda x: x.max(1)),
    "amin": (lambda t: t.amin(-1), lambda x: x.min(1)),
    "argmax": (lambda t: t.argmax(-1), lambda x: x.argmax(1)),
    "max": (lambda t: t.max(-1).values, lambda x: x.max(1)),
    "argmin": (lambda t: t.argmin(-1), lambda x: x.argmin(1)),
}


def sample(rows, columns, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype) * 2


@FLOATS
@pytest.mark.parametrize("name", CALLS)
def test_results_are_right_and_the_same_at_any_number_of_threads(name, dtype):
    call, exact = CALLS[name]
    for rows in ROWS:
        for columns in COLUMNS:
            x = sample(rows, columns, dtype)
            found = []
            for number in (1, 2, 3):
                tg.set_num_threads(number)
                found.append(call(tg.tensor(x)).numpy())
            assert all(each.tobytes() == found[0].tobytes() for each in found), (rows, columns)
            tolerance = 1e-11 if dtype == "f8" else 2e-5
            np.testing.assert_allclose(
                found[0], exact(x.astype("f8")), rtol=tolerance, atol=tolerance, err_msg=str((rows, columns))
            )


@FLOATS
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "cross_entropy"])
def test_slopes_of_many_rows_are_those_of_each(name, dtype):
    call = CALLS[name][0]
    for rows, columns in ((16, 3), (65, 40), (129, 64), (70, 41)):
        x = tg.tensor(sample(rows, columns, dtype), requires_grad=True)
        g = tg.tensor(sample(rows, columns, dtype, 1))
        out = call(x)
        weights = g if out.ndim == 2 else g[:, 0] if out.ndim else 1.0
        (out * weights).sum().backward()
        for r in (0, 1, rows // 2, rows - 1):
            row = x.detach()[r : r + 1].clone().requires_grad_()
            if name == "cross_entropy":
                alone = F.cross_entropy(row, tg.tensor([r % columns])) / rows
            else:
                alone = call(row) * (g[r : r + 1] if out.ndim == 2 else g[r : r + 1, 0])
            alone.sum().backward()
            tg.testing.assert_close(x.grad[r : r + 1], row.grad)


@FLOATS
@pytest.mark.parametrize("name", ["amax", "amin", "max", "sum", "softmax", "logsumexp"])
def test_a_nan_or_infinity_stays_in_its_row(name, dtype):
    call = CALLS[name][0]
    for rows, columns in ((40, 3), (40, 64), (40, 200), (2, 300)):
        x = sample(rows, columns, dtype)
        x[1, columns // 2] = np.nan
        x[0, 0] = np.inf
        found, plain = call(tg.tensor(x)), call(tg.tensor(np.where(np.isfinite(x), x, 0)))
        assert found[1].isnan().all()
        tg.testing.assert_close(found[2:], plain[2:])
        if name in ("amax", "max", "sum", "logsumexp"):
            assert found[0].item() == np.inf


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "u1"])
@pytest.mark.parametrize("columns", [1, 2, 5, 40, 79, 80, 130, 511, 512, 600])
def test_walks_with_a_row_a_column_or_steps(columns, dtype):
    rng = np.random.default_rng(1)
    x = rng.integers(1, 9, (37, 2 * columns)).astype(dtype)
    half, row, column = x[:, ::2], x[3, :columns], x[:, :1]
    packed = np.ascontiguousarray(half)
    for a, b in ((packed, row), (packed, column), (half, row), (row, packed), (column, packed), (half, half),
                 (x[:, :columns], column), (packed, packed[::-1])):  # fmt: skip
        left = tg.from_numpy(x)[:, ::2] if a is half else tg.tensor(a.copy())
        right = tg.tensor(b.copy())
        np.testing.assert_array_equal((left + right).numpy(), a + b)
        np.testing.assert_array_equal(tg.maximum(left, right).numpy(), np.maximum(a, b))
        np.testing.assert_array_equal((left * right).numpy(), a * b)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1"])
def test_turned_copies_of_any_size(dtype):
    rng = np.random.default_rng(2)
    for rows, columns in ((1, 5), (3, 3), (4, 16), (16, 64), (17, 65), (33, 100), (130, 70), (5, 600)):
        x = rng.integers(0, 99, (2, rows, columns)).astype(dtype)
        turned = tg.from_numpy(x).mT
        np.testing.assert_array_equal(turned.contiguous().numpy(), x.swapaxes(1, 2))
        into = tg.zeros_like(tg.from_numpy(x)).mT
        into.copy_(tg.from_numpy(np.ascontiguousarray(x.swapaxes(1, 2))))
        np.testing.assert_array_equal(into.mT.numpy(), x)
        backwards = tg.zeros(2, columns, rows, dtype=turned.dtype)
        backwards.copy_(tg.from_numpy(x).flip(1).mT)
        np.testing.assert_array_equal(backwards.numpy(), x[:, ::-1].swapaxes(1, 2))


@FLOATS
def test_products_of_any_shape_are_the_same_at_any_number_of_threads(dtype):
    for m, k, n in ((3, 700, 900), (12, 300, 1000), (600, 3, 700), (500, 24, 513), (100, 90, 1100)):
        a, b = sample(m, k, dtype), sample(k, n, dtype, 1)
        found = []
        for number in (1, 2, 3):
            tg.set_num_threads(number)
            found.append((tg.tensor(a) @ tg.tensor(b)).numpy())
        assert all(each.tobytes() == found[0].tobytes() for each in found)
        tolerance = 1e-11 if dtype == "f8" else 1e-4
        np.testing.assert_allclose(found[0], a.astype("f8") @ b, rtol=tolerance, atol=tolerance)
