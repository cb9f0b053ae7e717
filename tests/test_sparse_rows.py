"""Tables of which a step uses few rows, and reductions of segments: for word vectors and sets."""

import math

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

F = nn.functional


def by_hand(table, steps, lr, betas, eps):
    """Adam on the rows of each step (row -> gradient), the others stay; steps are counted by the table."""
    table = table.copy()
    mean, square = np.zeros_like(table), np.zeros_like(table)
    for t, grads in enumerate(steps, 1):
        for row, g in grads.items():
            mean[row] = betas[0] * mean[row] + (1 - betas[0]) * g
            square[row] = betas[1] * square[row] + (1 - betas[1]) * g * g
            size = lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)
            table[row] -= size * mean[row] / (np.sqrt(square[row]) + eps)
    return table


@pytest.mark.parametrize(
    "settings", [{}, {"lr": 0.1, "betas": (0.5, 0.8), "eps": 1e-3}], ids=["default", "own"]
)
@pytest.mark.parametrize("maximize", [False, True])
def test_sparse_adam_steps_the_rows_that_were_used(settings, maximize):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((5, 3))
    layer = nn.Embedding(5, 3, sparse=True, dtype=tg.float64)
    layer.weight.data.copy_(tg.tensor(start))
    optimizer = tg.optim.SparseAdam(layer.parameters(), maximize=maximize, **settings)
    steps = []
    for rows in ([0, 2], [2, 2, 4], [0], [4, 0]):
        factor = rng.standard_normal(3)
        optimizer.zero_grad()
        (layer(tg.tensor(rows)) * tg.tensor(factor)).sum().backward()
        optimizer.step()
        steps.append({row: (-1 if maximize else 1) * rows.count(row) * factor for row in set(rows)})
    defaults = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, **settings}
    np.testing.assert_allclose(layer.weight.detach().numpy(), by_hand(start, steps, **defaults), rtol=1e-12)
    assert layer.weight[[1, 3]].tolist() == start[[1, 3]].tolist()
    assert sorted(optimizer.state_dict()["state"][0]) == ["exp_avg", "exp_avg_sq", "step"]


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"eps": 0.0}, {"betas": (1.0, 0.5)}])
def test_sparse_adam_refuses_settings(wrong):
    with pytest.raises(ValueError, match="Invalid"):
        tg.optim.SparseAdam([tg.ones(2, requires_grad=True)], **wrong)


def test_sparse_layers_have_the_gradient_of_dense_ones():
    index = tg.tensor([[0, 3], [3, 3]])
    for make in (nn.Embedding, nn.EmbeddingBag):
        sparse = make(4, 2, sparse=True)
        dense = make(4, 2, _weight=sparse.weight.detach().clone())
        sparse(index).pow(2).sum().backward()
        dense(index).pow(2).sum().backward()
        assert sparse.sparse and tg.equal(sparse.weight.grad, dense.weight.grad)
    with pytest.raises(ValueError, match="max mode does not support sparse"):
        F.embedding_bag(index, tg.ones(4, 2), mode="max", sparse=True)


# What the reductions of [1, -2], [], [3, 3, 0.5], [4] are, and the gradients of their sums.
SEGMENTS = {
    ("sum", None): ([-1, 0, 6.5, 4], [1, 1, 1, 1, 1, 1]),
    ("mean", None): ([-0.5, math.nan, 6.5 / 3, 4], [0.5, 0.5, 1 / 3, 1 / 3, 1 / 3, 1]),
    ("max", None): ([1, -math.inf, 3, 4], [1, 0, 0.5, 0.5, 0, 1]),
    ("min", None): ([-2, math.inf, 0.5, 4], [0, 1, 0, 0, 1, 1]),
    ("prod", None): ([-2, 1, 4.5, 4], [-2, 1, 1.5, 1.5, 9, 1]),
    ("sum", 0.5): ([-0.5, 0.5, 7, 4.5], [1, 1, 1, 1, 1, 1]),
    ("mean", 0.5): ([-0.25, 0.5, 7 / 3, 4.5], [0.5, 0.5, 1 / 3, 1 / 3, 1 / 3, 1]),
    ("max", 3.5): ([3.5, 3.5, 3.5, 4], [0, 0, 0, 0, 0, 1]),
    ("prod", 2.0): ([-4, 2, 9, 8], [-4, 2, 3, 3, 18, 2]),
}


@pytest.mark.parametrize(("reduce", "initial"), SEGMENTS)
def test_segments_are_reduced(reduce, initial):
    x = tg.tensor([1.0, -2.0, 3.0, 3.0, 0.5, 4.0], dtype=tg.float64, requires_grad=True)
    values, slopes = SEGMENTS[reduce, initial]
    for given in ({"lengths": tg.tensor([2, 0, 3, 1])}, {"offsets": tg.tensor([0, 2, 2, 5, 6])}):
        found = tg.segment_reduce(x, reduce, initial=initial, **given)
        np.testing.assert_allclose(found.detach().numpy(), values)
        x.grad = None
        found[found.isfinite()].sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), slopes)


def test_segments_along_another_dimension_and_with_columns():
    x = tg.arange(12.0).view(2, 3, 2)
    found = tg.segment_reduce(x, "sum", lengths=tg.tensor([[1, 2], [3, 0]]), axis=1)
    assert found.tolist() == [[[0, 1], [6, 8]], [[24, 27], [0, 0]]]


@pytest.mark.parametrize(
    "given",
    [
        {}, {"lengths": tg.tensor([1, 1])}, {"lengths": tg.tensor([4, -1])},
        {"lengths": tg.tensor([1.0, 2.0])}, {"lengths": tg.tensor([[3]])},
        {"lengths": tg.tensor([3]), "axis": 1}, {"indices": tg.tensor([0, 0, 1])},
        {"lengths": tg.tensor([3]), "reduce": "median"},
    ],
    ids=str,
)  # fmt: skip
def test_segments_that_do_not_fit_are_refused(given):
    with pytest.raises(RuntimeError, match="segment_reduce"):
        tg.segment_reduce(tg.ones(3), **{"reduce": "sum", **given})
