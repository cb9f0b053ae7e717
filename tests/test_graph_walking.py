"""Walking the graph from Python as PyTorch's tools do: names of nodes, what they keep, where they lead."""

import json
import sys
from pathlib import Path

import pytest

import tensorgrad as tg

FIXTURES = Path(__file__).parent / "fixtures"
sys.path.insert(0, str(FIXTURES))

from make_graph_names import seen  # noqa: E402

CALLS = json.loads((FIXTURES / "graph_names.json").read_text())["calls"]

# What PyTorch has as one op and we as several, or the other way round: the node that ours ends in.
DIFFERENT = {
    "v @ u": "ViewBackward0",
    "x @ v4": "ViewBackward0",
    "v4 @ w": "ViewBackward0",
    "b @ b2": "BmmBackward0",
    "1 - x": "SubBackward0",
    "1 / x": "DivBackward0",
    "x.masked_fill(m, 0.0)": "WhereBackward0",
    "x.max()": "AmaxBackward0",
    "x.min()": "AminBackward0",
    "x[None].squeeze(0)": "SqueezeBackward0",
    "x.index_select(0, i)": "IndexBackward0",
    "x.masked_select(m)": "IndexBackward0",
    "x.take(i)": "IndexBackward0",
    "x.index_add(0, i, x[i])": "IndexPutBackward0",
    "torch.mv(x, v4)": "ViewBackward0",
    "torch.addmm(z, x, w)": "AddBackward0",
    'torch.einsum("ij,jk->ik", x, w)': "MmBackward0",
    "F.prelu(x, s)": "MulBackward0",
    "F.l1_loss(x, y)": "L1LossBackward0",
    "F.kl_div(x, y)": "DivBackward0",
    "F.adaptive_avg_pool2d(n, 1)": "AvgPool2DBackward0",
    "F.interpolate(n, scale_factor=2)": "UpsampleBackward0",
    "F.group_norm(n, 1)": "CloneBackward0",
    "F.pixel_shuffle(n4, 2)": "ViewBackward0",
    "F.scaled_dot_product_attention(b, b, b)": "ScaledDotProductAttentionBackward0",
}


@pytest.fixture
def walked():
    x = tg.tensor([0.5, 1.5], requires_grad=True)
    w = tg.tensor([2.0, 3.0], requires_grad=True)
    return x, w, (x * w).exp().sum()


@pytest.mark.skipif(tg.get_backend() == "numpy", reason="there fused ops leave the nodes of their parts")
@pytest.mark.parametrize("call", CALLS)
def test_nodes_are_called_as_pytorch_calls_them(call):
    found = seen(tg, call)
    assert found["name"] == DIFFERENT.get(call, CALLS[call]["name"])


def test_most_names_are_the_same():
    assert len(CALLS) - len(DIFFERENT) >= 140 and set(DIFFERENT) <= set(CALLS)
    assert not [call for call, name in DIFFERENT.items() if CALLS[call]["name"] == name]


KEPT_ALIKE = """
x * y; x / y; x @ w; x.exp(); x.log(); x.sqrt(); x.sin(); x.tanh(); x.sigmoid(); x.relu(); x.prod(); x.norm()
x.max(0).values; x.sort(0).values; F.gelu(x); F.silu(x); F.elu(x); F.log_softmax(x, 1); x ** 2; x ** y
""".replace("\n", ";").strip(" ;").split(";")


@pytest.mark.skipif(tg.get_backend() == "numpy", reason="there fused ops leave the nodes of their parts")
@pytest.mark.parametrize("call", [call.strip() for call in KEPT_ALIKE])
def test_what_is_kept_has_pytorchs_names(call):
    found = seen(tg, call)
    assert found["kept"] == CALLS[call]["kept"] and found["from"] == CALLS[call]["from"]


@pytest.mark.skipif(tg.get_backend() == "numpy", reason="there fused ops leave the nodes of their parts")
@pytest.mark.parametrize(
    "call", ["3 * x", "F.linear(x, w.t(), z2)", "F.linear(x, w.t())", "F.dropout(x, 0.5)"]
)
def test_what_fused_ops_keep_has_pytorchs_names_and_shapes(call):
    assert seen(tg, call)["kept"] == CALLS[call]["kept"]


def test_a_node_is_one_object_of_a_class_of_its_name(walked):
    x, w, result = walked
    node = result.grad_fn
    assert type(node).__name__ == node.name() == "SumBackward0" and isinstance(node, tg.core.Node)
    assert node is result.grad_fn and node.next_functions[0][0] is node.next_functions[0][0]
    assert type(node) is type((x * 2).sum().grad_fn)


def test_the_leaves_are_reached_and_backward_still_works(walked):
    x, w, result = walked
    product = result.grad_fn.next_functions[0][0].next_functions[0][0]
    assert [type(fn).__name__ for fn, _ in product.next_functions] == ["AccumulateGrad"] * 2
    assert all(fn.variable is leaf for (fn, _), leaf in zip(product.next_functions, (x, w), strict=True))
    result.backward()
    assert x.grad.tolist() == pytest.approx([2 * 2.718281828, 3 * 90.0171313], rel=1e-6)


def test_what_is_kept_is_there_until_backward_lets_it_go(walked):
    x, w, result = walked
    product = result.grad_fn.next_functions[0][0].next_functions[0][0]
    assert product._saved_self is x and product._saved_other is w
    assert all(kept is leaf for kept, leaf in zip(product.saved_tensors, (x, w), strict=True))
    assert {"_saved_self", "_saved_other"} <= set(dir(product))
    with pytest.raises(AttributeError, match="'MulBackward0' object has no attribute '_saved_result'"):
        product._saved_result  # noqa: B018
    result.backward()
    with pytest.raises(RuntimeError, match="second time"):
        product._saved_self  # noqa: B018
    assert product.name() == "MulBackward0"


def test_settings_are_kept_by_name_too():
    x = tg.ones(2, 3, requires_grad=True)
    node = x.sum(1, keepdim=True).grad_fn
    assert (node._saved_dim, node._saved_keepdim, node.name()) == ((1,), True, "SumBackward1")


def test_the_node_of_a_function_is_its_context():
    class Twice(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.factor = 2
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor

    x = tg.ones(2, requires_grad=True)
    node = Twice.apply(x).grad_fn
    assert type(node).__name__ == node.name() == "TwiceBackward"
    assert node.saved_tensors[0].tolist() == [1, 1] and node.factor == 2
    with pytest.raises(AttributeError):
        node.nothing  # noqa: B018


def test_anomaly_detection_leaves_the_users_line_in_the_metadata():
    x = tg.ones(2, requires_grad=True)
    assert x.sin().grad_fn.metadata == {}
    with tg.autograd.detect_anomaly():
        y = x.sin()
    assert "y = x.sin()" in y.grad_fn.metadata["traceback_"][-1]


def test_hooks_get_gradients_for_what_next_functions_lists():
    x = tg.ones(3, 2, requires_grad=True)
    y = x.gather(0, tg.tensor([[0, 1]])) ** 2
    counts = []
    for node in (y.grad_fn, y.grad_fn.next_functions[0][0]):
        edges = len(node.next_functions)
        node.register_hook(lambda inputs, outputs, edges=edges: counts.append((len(inputs), edges)))
    y.sum().backward()
    assert counts == [(1, 1), (1, 1)]


def test_a_hook_on_a_linear_layers_node_leaves_its_gradients_as_they_are():
    x, w, b = tg.ones(3, 2), tg.ones(4, 2, requires_grad=True), tg.zeros(4, requires_grad=True)
    told = []
    for hook in (lambda inputs, outputs: told.append(inputs), lambda inputs, outputs: None):
        y = tg.nn.functional.linear(x, w, b)
        y.grad_fn.register_hook(hook)
        y.sum().backward()
    assert b.grad.tolist() == [6.0] * 4 and w.grad.tolist() == [[6.0, 6.0]] * 4
    assert [None if g is None else list(g.shape) for g in told[0]] == [None, [4, 2], [4]]


def test_a_graph_that_was_looked_at_is_let_go_without_recursion():
    x = tg.ones(1, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y * 1.0
    node, count = y.grad_fn, 0
    while node.next_functions and not isinstance(node, tg.core.AccumulateGrad):
        node, count = node.next_functions[0][0], count + 1
    assert count == 200_000
    del y, node


def test_nodes_that_were_looked_at_do_not_leak():
    x = tg.ones(1, requires_grad=True)
    cls = type((x * 2).grad_fn)
    before = sys.getrefcount(cls)
    for _ in range(100):
        assert type((x * 2).grad_fn) is cls
    assert abs(sys.getrefcount(cls) - before) < 5


def test_a_dot_product_is_one_op():
    a, b = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor([3.0, 4.0], requires_grad=True)
    y = tg.dot(a, b)
    assert y.item() == 11 and y.grad_fn.name() == "DotBackward0"
    y.backward()
    assert a.grad.tolist() == [3, 4] and b.grad.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        tg.dot(a, tg.ones(3))
