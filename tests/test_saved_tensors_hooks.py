"""Hooks on what the tape keeps: they are called, and what they give back is used."""

import gc
import threading
import weakref

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.autograd import graph

F = nn.functional


def leaf(*shape, seed=0):
    return tg.randn(*shape, generator=tg.Generator().manual_seed(seed), dtype=tg.float64, requires_grad=True)


class Packing(graph.saved_tensors_hooks):
    """Keeps arrays, and counts."""

    def __init__(self):
        self.packed, self.unpacked = [], 0
        super().__init__(self.pack, self.unpack)

    def pack(self, t):
        assert not t.requires_grad and not tg.is_grad_enabled()
        self.packed.append(tuple(t.shape))
        return t.numpy().copy(), t.dtype

    def unpack(self, packed):
        self.unpacked += 1
        return tg.tensor(packed[0], dtype=packed[1])


class Own(tg.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        z = x * y
        ctx.save_for_backward(x, None, y, z)
        return z

    @staticmethod
    def backward(ctx, g):
        x, nothing, y, z = ctx.saved_tensors
        return g * y + 0 * z, g * x


CALLS = {
    "mul": lambda x, y: x * y,
    "mul-of-one": lambda x, y: x * x + y,
    "exp": lambda x, y: (x + y).exp(),
    "matmul": lambda x, y: x @ y.T,
    "operator-chain": lambda x, y: (x / y).tanh() ** 3,
    "softmax": lambda x, y: F.softmax(x * y, dim=-1),
    "cat": lambda x, y: tg.cat([x, y.sin(), x.cos(), y, x]).prod(0),
    "max": lambda x, y: (x * y).max(1).values,
    "sort": lambda x, y: x.sort(-1).values * y,
    "layer-norm": lambda x, y: F.layer_norm(x, (4,), y[0], y[1]),
    "batch-norm": lambda x, y: F.batch_norm(x, None, None, y[0], y[1], training=True),
    "cross-entropy": lambda x, y: F.cross_entropy(x, y.softmax(-1)),
    "linear": lambda x, y: F.linear(x, y, y[:, 0]),
    "attention": lambda x, y: F.scaled_dot_product_attention(x[None], y[None], (x * y)[None]),
    "where": lambda x, y: tg.where(x > 0, x * y, y * y),
    "index": lambda x, y: x[tg.tensor([0, 2])] * y[:2].pow(2),
    "lerp": lambda x, y: tg.lerp(x, y, x * y),
    "addcmul": lambda x, y: tg.addcmul(x, x, y, value=2.0),
    "in-place": lambda x, y: (x * 2).mul_(y).exp_(),
    "cumprod": lambda x, y: (x * y).cumprod(1),
    "function": lambda x, y: Own.apply(x * 1.0, y) + Own.apply(x, y),
    "lstm": lambda x, y: nn.LSTM(4, 3, dtype=tg.float64)(x * y)[0],
}


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("name", CALLS)
def test_gradients_are_those_without_hooks(name, create_graph):
    def grads(hooks):
        x, y = leaf(3, 4), leaf(3, 4, seed=1)
        tg.manual_seed(0)
        if hooks is None:
            out = CALLS[name](x, y)
        else:
            with hooks:
                out = CALLS[name](x, y)
        first = tg.autograd.grad((out * out).sum(), (x, y), create_graph=create_graph)
        if not create_graph:
            return first
        return tg.autograd.grad(sum((g * g).sum() for g in first), (x, y))

    class Other(tg.Tensor):  # calls are then looked at for two reasons
        pass

    hooks = Packing()
    for found, wanted in zip(grads(hooks), grads(None), strict=True):
        tg.testing.assert_close(found, wanted)
    assert hooks.packed and hooks.unpacked >= len(hooks.packed)


def test_hooks_are_called_as_soon_as_an_op_has_run():
    hooks, x = Packing(), leaf(2)
    with hooks:
        y = x * x
        assert hooks.packed == [(2,), (2,)]
        z = y.exp()
        assert len(hooks.packed) == 3
        y + 1
        assert len(hooks.packed) == 3
        z.sum().backward()
        assert hooks.unpacked == 3
        with tg.no_grad():
            y * y
    x.exp()
    assert len(hooks.packed) == 3


def test_only_what_was_packed_is_kept():
    x = leaf(3)
    with graph.saved_tensors_hooks(lambda t: t.tolist(), lambda values: tg.tensor(values, dtype=tg.float64)):
        y = x * 2
        z = y * y
    gone = weakref.ref(y)
    del y
    gc.collect()
    assert gone() is None
    assert z.grad_fn._saved_self.tolist() == (2 * x).tolist()
    z.sum().backward(retain_graph=True)
    z.sum().backward()
    assert tg.equal(x.grad, 16 * x)
    with pytest.raises(RuntimeError, match="second time"):
        z.sum().backward()


def test_the_innermost_hooks_count_and_the_outer_ones_come_back():
    outer, inner, x = Packing(), Packing(), leaf(2)
    with outer:
        x.exp()
        with inner:
            x.exp()
        x.exp()
    assert (len(outer.packed), len(inner.packed)) == (2, 1)


def test_a_write_after_saving_is_the_hooks_affair():
    x = leaf(3)
    with graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        z = (y * y).sum()
        y.zero_()
    z.backward()
    assert tg.equal(x.grad, 2 * x.detach())
    with graph.save_on_cpu(pin_memory=True):
        z = (x * x).sum()
    x.grad = None
    z.backward()
    assert tg.equal(x.grad, 2 * x.detach())


@pytest.mark.parametrize(
    ("unpack", "error"),
    [
        (lambda t: 3, TypeError), (lambda t: t[:1], RuntimeError), (lambda t: t.float(), RuntimeError),
        (lambda t: 1 / 0, ZeroDivisionError),
    ],
)  # fmt: skip
def test_what_unpacking_gives_is_looked_at(unpack, error):
    x = leaf(3)
    with graph.saved_tensors_hooks(lambda t: t, unpack):
        y = x.exp().sum()
    with pytest.raises(error):
        y.backward()
    assert x.grad is None


def test_unpacked_memory_in_another_order_is_put_in_order():
    x = leaf(3, 4)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t.T.contiguous().T if t.ndim == 2 else t):
        y = F.layer_norm(x.exp(), (4,)).sum()
    z = F.layer_norm(x.exp(), (4,)).sum()
    tg.testing.assert_close(tg.autograd.grad(y, x), tg.autograd.grad(z, x))


def test_an_error_of_the_pack_hook_leaves_the_op_and_the_hooks_end():
    x = leaf(3)
    with pytest.raises(ZeroDivisionError), graph.saved_tensors_hooks(lambda t: 1 / 0, lambda t: t):
        x.exp()
    x.exp().sum().backward()
    assert tg.equal(x.grad, x.detach().exp())


def test_hooks_can_be_refused():
    @graph.disable_saved_tensors_hooks("not in here")
    def run():
        with Packing():
            pass

    with pytest.raises(RuntimeError, match="not in here"):
        run()
    with Packing(), pytest.raises(RuntimeError, match="not in here"):
        run()
    with Packing():
        pass


def test_hooks_are_of_one_thread():
    hooks, x, done = Packing(), leaf(2), []
    with hooks:
        thread = threading.Thread(target=lambda: done.append(x.exp()))
        thread.start()
        thread.join()
    assert done and not hooks.packed
