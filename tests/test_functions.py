"""Functions of the user's own, and module hooks, that write in place or give back views.

Expected values are worked out on paper, or are those of PyTorch 2.13.
"""

import pytest

import tensorgrad as tg
import tensorgrad.nn as nn


class Double(tg.autograd.Function):
    """Doubles its argument in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return g * 2


class Times(tg.autograd.Function):
    """Multiplies its first argument in place by the second."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x.clone(), w)
        ctx.mark_dirty(x)
        return x.mul_(w)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w, g * x


class Column(tg.autograd.Function):
    """Its argument as a column, a view."""

    @staticmethod
    def forward(ctx, x):
        return x.view(-1, 1)

    @staticmethod
    def backward(ctx, g):
        return g.reshape(-1)


class Same(tg.autograd.Function):
    """Its argument as it is; the gradient trebled."""

    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 3


class Halves(tg.autograd.Function):
    """Two views."""

    @staticmethod
    def forward(ctx, x):
        return x[:2], x[2:]

    @staticmethod
    def backward(ctx, g, h):
        return tg.cat([g, h])


def recorded():
    x = tg.arange(1.0, 5.0).requires_grad_()
    return x, x * 1


# ---- written arguments


def test_function_that_writes_a_view_gives_its_base_the_gradient():
    x, y = recorded()
    z = Double.apply(y[:1])
    assert z._base is y
    (y**2).sum().backward()
    assert x.grad.tolist() == [8.0, 4.0, 6.0, 8.0]


def test_function_that_writes_a_view_reaches_other_views_of_the_base():
    x, y = recorded()
    left, right = y[:2], y[1:]
    Double.apply(right)
    (left**2).sum().backward()
    assert x.grad.tolist() == [2.0, 16.0, 0.0, 0.0]


def test_function_that_writes_rows_and_columns():
    x, y = recorded()
    v = y.view(2, 2).t()
    Double.apply(v[0])
    Double.apply(v[:, 1])
    (y**2 * tg.arange(1.0, 5.0)).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0, 288.0, 128.0]


def test_function_that_writes_a_part_and_the_whole():
    x, y = recorded()
    w = tg.tensor([2.0, 3.0, 4.0, 5.0], requires_grad=True)
    Times.apply(y[1:3], w[:2])
    Times.apply(y, w)
    (y * y).sum().backward()
    assert x.grad.tolist() == [8.0, 144.0, 864.0, 200.0]
    assert w.grad.tolist() == [148.0, 960.0, 648.0, 160.0]


def test_function_that_writes_a_view_makes_a_base_without_gradient_need_one():
    base = tg.ones(4)
    w = tg.tensor([2.0, 3.0], requires_grad=True)
    other = base[2:]
    Times.apply(base[1:3], w)
    assert base.requires_grad and other.requires_grad
    (base * base).sum().backward()
    assert w.grad.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("take", [lambda x: x, lambda x: x[:1]], ids=["leaf", "view of a leaf"])
def test_function_that_writes_a_leaf_is_refused(take):
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        Double.apply(take(tg.ones(2, requires_grad=True)))


def test_function_that_writes_a_view_returns_nothing_else():
    class Both(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2), x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 6

    x, y = recorded()
    a, b = Both.apply(y)
    (a * b).sum().backward()
    assert x.grad.tolist() == [24.0, 48.0, 72.0, 96.0]
    with pytest.raises(RuntimeError, match="cannot return more than one"):
        Both.apply((x * 1)[:2])


@pytest.mark.parametrize("recording", [True, False])
def test_argument_marked_dirty_and_not_returned_is_an_error(recording):
    class Lost(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2) + 1

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with tg.set_grad_enabled(recording), pytest.raises(RuntimeError, match="marked as dirty"):
        Lost.apply(recorded()[1])


def test_argument_marked_dirty_counts_as_written():
    class Marked(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    x, y = recorded()
    z = y.exp() * y
    Marked.apply(y)
    assert y._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_function_that_writes_under_no_grad_leaves_the_graph_alone():
    x, y = recorded()
    with tg.no_grad():
        z = Double.apply(y)
    assert not z.requires_grad and z is not y and z.data_ptr() == y.data_ptr()
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 4


def test_argument_that_is_dirty_and_not_differentiable_comes_back_off_the_graph():
    class Constant(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            ctx.mark_non_differentiable(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g

    x, y = recorded()
    z = Constant.apply(y)
    assert not z.requires_grad and y.requires_grad and z.tolist() == y.tolist()


# ---- views that are given back

GIVES = {"view": Column.apply, "same": Same.apply, "two": lambda y: Halves.apply(y)[0]}

WRITES = {
    "number": lambda z: z.mul_(2),
    "element": lambda z: z.__setitem__(0, 9.0),
    "zero": lambda z: z.zero_(),
    "copy": lambda z: z.copy_(tg.ones_like(z)),
    "mask": lambda z: z.masked_fill_(z.detach() > 1, 0.0),
    "view of it": lambda z: z[:1].mul_(2),
    "shape": lambda z: z.unsqueeze_(0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("give", GIVES.values(), ids=GIVES.keys())
def test_view_that_a_function_returned_is_not_written(give, write):
    x, y = recorded()
    z = give(y)
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        write(z)
    z.sum().backward()
    assert x.grad is not None and y.tolist() == [1.0, 2.0, 3.0, 4.0]


BASE_WRITES = {
    "base": lambda x, y: y.mul_(2),
    "part": lambda x, y: y[0].mul_(2),
    "not recorded": lambda x, y: y.detach().mul_(2),
}


@pytest.mark.parametrize("write", BASE_WRITES.values(), ids=BASE_WRITES.keys())
@pytest.mark.parametrize("give", GIVES.values(), ids=GIVES.keys())
def test_view_that_a_function_returned_is_not_used_after_its_base_was_written(give, write):
    x, y = recorded()
    z = give(y)
    inner = z[:1]
    write(x, y)
    for each in (z, inner):
        with pytest.raises(RuntimeError, match="another view of its base has been modified inplace"):
            each.sum()
    assert z.requires_grad and z.detach().sum().item() and "Invalid" in repr(z)


def test_gradient_taken_from_a_view_before_its_base_was_written_is_kept():
    x, y = recorded()
    total = (Column.apply(y) * 2).sum()
    y.mul_(5)
    total.backward()
    assert x.grad.tolist() == [2.0] * 4


def test_output_that_is_no_view_may_be_written():
    class Twice(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x, y = recorded()
    z = Twice.apply(y)
    z.mul_(2)
    z[0] = 3.0
    z.sum().backward()
    assert x.grad.tolist() == [0.0, 4.0, 4.0, 4.0]


# ---- module hooks


@pytest.mark.parametrize(
    "register", ["register_full_backward_hook", "register_full_backward_pre_hook"]
)
def test_output_of_a_module_with_a_backward_hook_is_not_written(register):
    layer = nn.Linear(4, 2)
    getattr(layer, register)(lambda *arguments: None)
    z = layer(recorded()[1])
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        z.relu_()


def test_module_that_writes_its_input_is_refused_under_a_backward_hook():
    relu = nn.ReLU(inplace=True)
    relu.register_full_backward_hook(lambda *arguments: None)
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        relu(recorded()[1])


def test_input_written_after_a_hooked_module_gave_it_back_is_noticed():
    same = nn.Identity()
    same.register_full_backward_hook(lambda *arguments: None)
    x, y = recorded()
    z = same(y)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="has been modified inplace"):
        z.sum()


def test_hooked_module_may_be_written_where_nothing_is_recorded():
    layer = nn.Linear(4, 2)
    layer.register_full_backward_hook(lambda *arguments: None)
    with tg.no_grad():
        z = layer(tg.ones(4))
    assert z.mul_(0).tolist() == [0.0, 0.0]


def test_an_instance_of_a_function_may_be_made_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"call Tenfold\.apply"):
        assert isinstance(type("Tenfold", (tg.autograd.Function,), {})(), tg.autograd.Function)


def test_a_functions_view_may_be_compared_but_not_used_after_its_base_was_written():
    class Flat(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.reshape(-1)

        @staticmethod
        def backward(ctx, g):
            return g.reshape(())

    base = tg.tensor(1.0)
    view = Flat.apply(base)
    base += tg.tensor(1.0, requires_grad=True)
    assert view.requires_grad
    assert (view == 2).tolist() == [True]
    assert view.isnan().tolist() == [False]
    with pytest.raises(RuntimeError, match="has been modified inplace"):
        view * 2
