"""Sparse matrices: against what torch gave (fixtures/sparse.npz), dense products and numeric gradients."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn

FROM_TORCH = np.load(Path(__file__).parent / "fixtures" / "sparse.npz")
SIZE = (7, 5)


def of_torch(name, requires_grad=False):
    found = tg.tensor(FROM_TORCH[name])
    return found.requires_grad_() if requires_grad else found


def close(found, name):
    np.testing.assert_allclose(found.detach().numpy(), FROM_TORCH[name], rtol=1e-12, atol=1e-13)


def matrix(requires_grad=False):
    values = of_torch("values", requires_grad)
    return tg.sparse_coo_tensor(of_torch("indices"), values, SIZE), values


def graph_of(nodes=40, edges=130, dtype=tg.float64):
    """A matrix of random places, of which some are empty rows and columns."""
    indices = tg.randint(0, nodes - 3, (2, edges))
    return tg.sparse_coo_tensor(indices, tg.randn(edges, dtype=dtype), (nodes, nodes + 2))


# ---- values


def test_a_product_and_its_gradients_are_torchs(backend):
    x, values = matrix(requires_grad=True)
    dense = of_torch("dense", requires_grad=True)
    product = tg.sparse.mm(x, dense)
    (product.tanh() * of_torch("weights")).sum().backward()
    close(product, "product")
    close(values.grad, "grad_values")
    close(dense.grad, "grad_dense")
    assert not x.is_leaf and x.requires_grad and x.coalesce().requires_grad


def test_coalescing_rows_sums_and_other_products_are_torchs(backend):
    x = matrix()[0].coalesce()
    close(x.indices(), "coalesced_indices")
    close(x.values(), "coalesced_values")
    rows = x.to_sparse_csr()
    close(rows.crow_indices(), "crow_indices")
    close(rows.col_indices(), "col_indices")
    for each in (x, rows):
        close(each @ of_torch("vector"), "vector_product")
        close(tg.mv(each, of_torch("vector")), "vector_product")
        close(each @ of_torch("dense"), "product")
    close(x.t() @ of_torch("weights"), "turned_product")
    close(tg.mm(of_torch("weights").T, x), "left_product")
    close(of_torch("weights").T @ x, "left_product")
    close(tg.sparse.sum(x, 0).to_dense(), "sum_0")
    close(tg.sparse.sum(x, (-1,)).to_dense(), "sum_1")
    for total in (x.sum(), tg.sparse.sum(x, (0, 1))):
        assert tg.allclose(total, x.to_dense().sum())


def test_a_leaf_has_a_sparse_gradient(backend):
    places, values = of_torch("coalesced_indices"), of_torch("coalesced_values")
    leaf = tg.sparse_coo_tensor(places, values, SIZE, requires_grad=True)
    assert leaf.is_leaf and leaf.grad is None and not values.requires_grad
    tg.sparse.mm(leaf, of_torch("dense")).pow(2).sum().backward()
    assert leaf.grad.is_sparse and leaf.grad.shape == leaf.shape
    close(leaf.grad.coalesce().values(), "leaf_grad")
    leaf.grad = None
    assert leaf.grad is None and not leaf.detach().requires_grad


def test_the_dense_tensor_passes_the_gradient_on(backend):
    x, values = matrix(requires_grad=True)
    (x.to_dense()[:, :3].tanh() * of_torch("weights")).sum().backward()
    close(values.grad, "dense_grad_values")


PRODUCTS = {
    "mm": lambda x, d: tg.sparse.mm(x, d),
    "spmm": lambda x, d: tg.spmm(x, d),
    "matmul": lambda x, d: tg.matmul(x, d),
    "operator": lambda x, d: x @ d,
    "method": lambda x, d: x.mm(d),
    "vector": lambda x, d: x @ d[:, 0],
    "coalesced": lambda x, d: x.coalesce() @ d,
    "rows": lambda x, d: x.to_sparse_csr() @ d,
    "turned": lambda x, d: x.t() @ d[:3],
    "left": lambda x, d: d[:3].T @ x,
    "vector left": lambda x, d: d[:3, 0] @ x,
    "scaled": lambda x, d: (2 * x / 3) @ d + (-x * tg.tensor(0.5, dtype=tg.float64)) @ d,
    "addmm": lambda x, d: tg.sparse.addmm(d[:3], x, d, beta=0.5, alpha=2.0),
    "sum": lambda x, d: tg.sparse.sum(x.t(), 0).to_dense() * d[:3, 0],
}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_first_and_second_gradients_are_numeric_ones(product, backend):
    indices = tg.tensor([[0, 2, 2, 0, 2], [1, 3, 0, 1, 1]])
    values = tg.randn(5, dtype=tg.float64, requires_grad=True)
    dense = tg.randn(4, 2, dtype=tg.float64, requires_grad=True)

    def run(values, dense):
        return product(tg.sparse_coo_tensor(indices, values, (3, 4)), dense).sin()

    assert tg.autograd.gradcheck(run, (values, dense))
    assert tg.autograd.gradgradcheck(run, (values, dense))


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_a_product_is_the_dense_one(product, backend):
    x, d = tg.randn(3, 4, dtype=tg.float64), tg.randn(4, 2, dtype=tg.float64)
    x[x.abs() < 0.7] = 0
    found = product(x.to_sparse(), d)

    expected = {
        "vector": lambda: x @ d[:, 0], "turned": lambda: x.t() @ d[:3], "left": lambda: d[:3].T @ x,
        "vector left": lambda: d[:3, 0] @ x, "scaled": lambda: x @ d * (2 / 3 - 0.5),
        "addmm": lambda: 0.5 * d[:3] + 2 * (x @ d), "sum": lambda: x.sum(1) * d[:3, 0],
    }  # fmt: skip
    name = next(name for name, each in PRODUCTS.items() if each is product)
    np.testing.assert_allclose(found, expected.get(name, lambda: x @ d)(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [tg.float32, tg.float64, tg.float16, tg.bfloat16, tg.int64, tg.int32])
def test_every_dtype_of_numbers_has_products(dtype, backend):
    x, d = (graph_of() * 4).to(dtype), (tg.randn(42, 19) * 4).to(dtype)
    found, expected = x @ d, x.to_dense() @ d
    assert found.dtype is dtype
    close_enough = {tg.float16: 1e-2, tg.bfloat16: 1e-1}.get(dtype, 1e-5)
    assert tg.allclose(found.double(), expected.double(), rtol=close_enough, atol=10 * close_enough)


@pytest.mark.parametrize("width", [0, 1, 7, 16, 33, 100])
def test_wide_and_narrow_products_of_large_and_empty_matrices(width, backend):
    x, d = graph_of(300, 2000), tg.randn(302, width, dtype=tg.float64)
    np.testing.assert_allclose(x @ d, x.to_dense() @ d, rtol=1e-11, atol=1e-11)
    empty = tg.sparse_coo_tensor((3, 302)).double()
    assert (empty @ d).equal(tg.zeros(3, width, dtype=tg.float64)) and empty.is_coalesced()
    assert (d.T @ empty.t()).shape == (width, 3)


# ---- what it is


def test_it_is_a_tensor_that_is_sparse():
    x = matrix()[0]
    assert isinstance(x, tg.Tensor) and tg.is_tensor(x) and x.is_sparse and x.layout is tg.sparse_coo
    assert x.shape == x.size() == tg.Size(SIZE) and x.size(1) == 5 and x.dim() == x.ndim == 2 and len(x) == 7
    assert x._nnz() == 16 and x.numel() == 35 and x.dtype is tg.float64 and x.device == tg.device("cpu")
    assert (x.sparse_dim(), x.dense_dim()) == (2, 0) and x.is_floating_point() and not x.is_cuda
    assert x._indices().tolist() == FROM_TORCH["indices"].tolist()
    assert x._values().tolist() == FROM_TORCH["values"].tolist()
    assert x.type() == "tensorgrad.sparse.DoubleTensor" and isinstance(x, tg.sparse.DoubleTensor)
    assert not isinstance(x, tg.sparse.FloatTensor) and not isinstance(x, tg.DoubleTensor)
    assert isinstance(x.float(), tg.sparse.FloatTensor) and x.to(tg.float64) is x and x.cpu() is x
    assert x.to(x.float()).dtype is tg.float32 and x.half().dtype is tg.float16
    rows = x.to_sparse_csr()
    assert rows.layout is tg.sparse_csr and rows.is_sparse_csr and not rows.is_sparse
    assert rows.to_sparse().to_dense().equal(x.coalesce().to_dense()) and rows.to("cpu") is rows
    dense = tg.ones(2, 3)
    assert not dense.is_sparse and (dense.sparse_dim(), dense.dense_dim()) == (0, 2)


def test_indices_are_the_callers_no_more():
    """They are sorted once, and nothing that is written later may disagree with that."""
    where = tg.tensor([[0, 1], [1, 0]])
    x = tg.sparse_coo_tensor(where, [1.0, 2.0], (2, 2), is_coalesced=True)
    before = x @ tg.eye(2)
    where.zero_()
    x.indices().zero_()
    x._indices().zero_()
    assert (x @ tg.eye(2)).equal(before) and x.to_dense().equal(before)


def test_dense_dimensions_behind_sparse_ones(backend):
    x = tg.sparse_coo_tensor([[2, 0, 2]], tg.arange(6.0).reshape(3, 2).requires_grad_(), (4, 2))
    assert (x.sparse_dim(), x.dense_dim()) == (1, 1)
    assert x.to_dense().tolist() == [[2, 3], [0, 0], [4, 6], [0, 0]]
    assert x.coalesce().values().tolist() == [[2, 3], [4, 6]]
    assert x.sum(0).tolist() == [6, 9] and x.sum(1).to_dense().tolist() == [5, 0, 10, 0]
    back = x.to_dense().detach().to_sparse(1)
    assert back.indices().tolist() == [[0, 2]] and back.values().tolist() == [[2, 3], [4, 6]]
    with pytest.raises(NotImplementedError, match="no matrix of numbers"):
        x @ tg.ones(2, 1)


def test_to_sparse_keeps_what_is_not_zero_and_its_gradient(backend):
    x = tg.tensor([[0.0, 2.0, float("nan")], [0.0, 0.0, -1.0]], requires_grad=True)
    found = x.to_sparse()
    assert found.is_coalesced() and found.indices().tolist() == [[0, 0, 1], [1, 2, 2]]
    (found.values() * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [[0, 1, 2], [0, 0, 3]]
    assert x.detach().to_sparse(layout=tg.sparse_csr).crow_indices().tolist() == [0, 2, 3]
    whole = tg.tensor([[0, 3], [0, 0]]).to_sparse()
    assert whole.dtype is tg.int64 and whole.to_dense().tolist() == [[0, 3], [0, 0]]
    truth = tg.sparse_coo_tensor([[0, 0]], [True, True], (2,))
    assert truth.coalesce().values().tolist() == [True] and truth.to_dense().tolist() == [True, False]


def test_it_is_printed_as_torchs():
    i, v = tg.tensor([[0, 2, 0], [1, 0, 1]]), tg.tensor([1.0, 2.5, 3.0])
    shown = [
        tg.sparse_coo_tensor(i, v, (3, 4)),
        tg.sparse_coo_tensor(i, v, (3, 4)).coalesce(),
        tg.sparse_coo_tensor(i, v, (3, 4), dtype=tg.float64, requires_grad=True),
        tg.sparse_coo_tensor(i, [1, 2, 3], (3, 4)),
        tg.sparse_coo_tensor([[0, 2]], tg.ones(2, 3), (4, 3)),
        tg.sparse_coo_tensor((2, 3)),
        tg.eye(40).to_sparse(),
        tg.sparse_coo_tensor(i, v, (3, 4)).to_sparse_csr(),
        tg.sparse_csr_tensor([0, 1, 2], [1, 0], v[:2].double(), (2, 4)),
    ]
    for ours, theirs in zip(shown, FROM_TORCH["texts"].tolist(), strict=True):
        # "tensorgrad." is longer, so that a line may end before it
        assert "".join(repr(ours).split()).replace("tensorgrad.", "torch.") == "".join(theirs.split())
    assert repr(shown[0]).splitlines() == [
        *FROM_TORCH["texts"][0].splitlines()[:-1], "       size=(3, 4), nnz=3, layout=tensorgrad.sparse_coo)"
    ]  # fmt: skip


def test_copies_are_of_all_of_it():
    x = matrix()[0]
    for same in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone(), copy.copy(x)):
        assert same is not x and same.to_dense().equal(x.to_dense()) and same.layout is x.layout
    x.clone()._values().zero_()
    assert x.to_dense().abs().sum() > 0


# ---- programs


def test_a_graph_network_trains(backend):
    """As PyGCN does: a normalised adjacency of coordinates, two layers of spmm, a loss over some nodes."""
    rng = np.random.default_rng(0)
    row, col, data = rng.integers(0, 20, 60), rng.integers(0, 20, 60), rng.random(60).astype(np.float32)
    indices = tg.from_numpy(np.vstack((row, col)).astype(np.int64))
    adj = tg.sparse.FloatTensor(indices, tg.from_numpy(data), tg.Size((20, 20)))
    features, labels = tg.rand(20, 8), tg.arange(20) % 3

    class Layer(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.weight = nn.Parameter(tg.randn(inputs, outputs) * 0.5)

        def forward(self, x, adj):
            return tg.spmm(adj, tg.mm(x, self.weight))

    layers = Layer(8, 16), Layer(16, 3)
    optimizer = tg.optim.Adam([p for layer in layers for p in layer.parameters()], lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        out = nn.functional.log_softmax(layers[1](layers[0](features, adj).relu(), adj), 1)
        loss = nn.functional.nll_loss(out[:15], labels[:15])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert tg.allclose(layers[0](features, adj), layers[0](features, adj.to_dense()), atol=1e-5)


def test_a_module_has_a_sparse_buffer():
    class Spread(nn.Module):
        def __init__(self, adj):
            super().__init__()
            self.register_buffer("adj", adj)

        def forward(self, x):
            return tg.sparse.mm(self.adj, x)

    module = Spread(tg.eye(3).to_sparse()).to("cpu")
    assert module.double().adj.dtype is tg.float64 and module(tg.ones(3, 1).double()).sum() == 3
    module.adj = (module.adj * 2).coalesce()
    other = Spread(tg.zeros(3, 3).double().to_sparse())
    other.load_state_dict(copy.deepcopy(module.state_dict()))
    assert other(tg.ones(3, 1).double()).tolist() == [[2], [2], [2]]


def test_the_old_names():
    i, v = tg.tensor([[0, 1], [1, 0]]), tg.tensor([1.0, 2.0])
    assert tg.sparse.FloatTensor(i, v, tg.Size([2, 3])).shape == (2, 3)
    assert tg.sparse.FloatTensor(i, v).shape == (2, 2) and tg.sparse.FloatTensor(2, 3)._nnz() == 0
    assert tg.sparse.LongTensor(i, v.long(), tg.Size([2, 3])).dtype is tg.int64
    assert tg.sparse.FloatTensor(tg.Size([4, 5])).shape == (4, 5)


# ---- what is refused


def test_whatever_else_there_is_says_by_name_that_it_is_not_there():
    """No op gives a number, and none writes anything, for a tensor that it does not read as sparse."""
    x, dense = matrix()[0].coalesce(), tg.zeros(*SIZE, dtype=tg.float64)
    refused = [
        (lambda: x.relu(), "relu"), (lambda: tg.relu(x), "relu"), (lambda: tg.add(dense, x), "add"),
        (lambda: x + x, "__add__"), (lambda: dense + x, "__radd__"), (lambda: x[0], "__getitem__"),
        (lambda: dense.add_(x), "add_"), (lambda: x * x, "mul"), (lambda: x * dense, "mul"),
        (lambda: dense * x, "mul"), (lambda: tg.mul(dense, x), "mul"), (lambda: x @ x.t(), "matmul"),
        (lambda: x == x, "__eq__"), (lambda: x.reshape(-1), "reshape"), (lambda: x.mul_(2), "mul_"),
        (lambda: nn.functional.linear(dense, x), "linear"), (lambda: tg.sum(x, 0, True), "keepdim"),
        (lambda: tg.zeros_like(x), "zeros_like"), (lambda: x.to_sparse_csr().t(), "sparse_csr"),
        (lambda: tg.matmul(x, tg.ones(2, 5, 1).double()), "3-D"), (lambda: list(x), "__iter__"),
        (lambda: x.t().sum(0, keepdim=True), "keepdim"), (lambda: tg.softmax(x, 1), "softmax"),
        (lambda: tg.sparse_coo_tensor([[0]], [1.0], (2,)).to_sparse_csr(), "1 sparse"),
        (lambda: nn.Parameter(x), "Parameter"),
    ]  # fmt: skip
    for call, name in refused:
        with pytest.raises(NotImplementedError, match=name):
            call()
    for call in (lambda: tg.cat([x, x]), lambda: x.numpy(), lambda: np.asarray(x), lambda: x * "2"):
        with pytest.raises(TypeError):
            call()
    assert not dense.any()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        x.nothing  # noqa: B018


I2 = [[0, 1], [1, 0]]
WRONG = {
    "count": (lambda: tg.sparse_coo_tensor(I2, [1.0], (2, 2)), RuntimeError, "same nnz"),
    "range": (lambda: tg.sparse_coo_tensor(I2, [1.0, 2.0], (2, 1)), RuntimeError, "found index 1 in"),
    "negative": (lambda: tg.sparse_coo_tensor([[-1]], [1.0], (2,)), RuntimeError, "found index -1"),
    "size": (lambda: tg.sparse_coo_tensor(I2, [1.0, 2.0], (2,)), RuntimeError, "sparse_dim = 2"),
    "floats": (lambda: tg.sparse_coo_tensor([[0.5]], [1.0], (2,)), TypeError, "integers"),
    "vector": (lambda: tg.sparse_coo_tensor([0], [1.0], (2,)), RuntimeError, "sparse_dim x nnz"),
    "device": (lambda: tg.sparse_coo_tensor(I2, [1.0, 2.0], device="cuda"), RuntimeError, "cuda"),
    "claim": (
        lambda: tg.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (2,), is_coalesced=True), RuntimeError, "uncoal"
    ),
    "starts": (lambda: tg.sparse_csr_tensor([0, 2, 1], [0], [1.0], (2, 2)), RuntimeError, "crow_indices"),
    "ends": (lambda: tg.sparse_csr_tensor([0, 1, 3], [0, 1], [1.0, 2.0], (2, 2)), RuntimeError, "crow_"),
    "columns": (lambda: tg.sparse_csr_tensor([0, 1, 2], [0, 9], [1.0, 2.0], (2, 2)), RuntimeError, "index 9"),
    "order": (lambda: tg.sparse_csr_tensor([0, 2], [1, 0], [1.0, 2.0], (1, 2)), RuntimeError, "rise within"),
    "indices": (lambda: matrix()[0].indices(), RuntimeError, "uncoalesced"),
    "inner": (lambda: matrix()[0] @ tg.ones(4, 2).double(), RuntimeError, "cannot be multiplied"),
    "dtype": (lambda: matrix()[0] @ tg.ones(5, 2), RuntimeError, "same dtype"),
    "numbers": (lambda: tg.sparse.mm(matrix()[0], 2), TypeError, "Tensor"),
    "layout": (lambda: matrix()[0].crow_indices(), RuntimeError, "row compressed"),
    "dense": (lambda: tg.sparse.sum(tg.ones(2)), RuntimeError, "expected a sparse tensor"),
}  # fmt: skip


@pytest.mark.parametrize("call, kind, text", WRONG.values(), ids=WRONG)
def test_bad_input_is_refused(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_saving_one_is_refused(tmp_path):
    x = matrix()[0]
    for name in ("x.pt", "x.safetensors"):
        with pytest.raises((NotImplementedError, TypeError), match=r"(?i)sparse"):
            tg.save(x, str(tmp_path / name))
        with pytest.raises((NotImplementedError, TypeError), match=r"(?i)sparse"):
            tg.save({"adj": x}, str(tmp_path / name))
