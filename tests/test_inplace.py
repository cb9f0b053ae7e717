"""Writing in place: what it refuses, overlapping memory, versions, views whose base is another by now."""

import numpy as np
import pytest

import tensorgrad as tg

# ---- what is refused


def recorded(*shape):
    x = tg.ones(*shape, requires_grad=True)
    return x, x * 1


def test_leaf_that_requires_grad_is_not_written():
    x = tg.ones(3, requires_grad=True)
    for write in (
        lambda: x.add_(1),
        lambda: x.__setitem__(0, 1.0),
        lambda: x[1:].mul_(2),
        lambda: x.__setitem__(x > 0, 1.0),
        lambda: x.t_(),
        lambda: x.zero_(),
        lambda: x.index_add_(0, tg.tensor([0]), tg.ones(1)),
    ):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            write()
    assert x.tolist() == [1.0, 1.0, 1.0]
    with tg.no_grad():
        x.add_(1)
        x[0] = 5
    assert x.tolist() == [5.0, 2.0, 2.0]


def test_backward_after_in_place_write_is_refused_and_names_op_and_shape():
    x, y = recorded(2, 3)
    z = y * y
    y.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"modified by an inplace operation: .*\[2, 3\].*MulBackward0.*version 1; expected version 0",
    ):
        z.sum().backward()


def test_backward_after_output_was_written_is_refused():
    x = tg.ones(3, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="ExpBackward0"):
        y.sum().backward()


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y[0].add_(1),
        lambda y: y.detach().add_(1),
        lambda y: y.view(-1).zero_(),
        lambda y: y.t().mul_(2),
        lambda y: y.__setitem__([0], 1.0),
        lambda y: y.t_(),
        lambda y: y.copy_(tg.ones(2, 2)),
    ],
)
def test_every_way_to_the_memory_counts_as_a_write(write):
    x, y = recorded(2, 2)
    z = (y * y).sum()
    write(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_a_write_that_no_formula_needs_is_allowed():
    x, y = recorded(3)
    z = y + y
    y.mul_(2)
    (z + y).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]


def test_view_made_without_recording_is_not_written_while_recording():
    x, y = recorded(3)
    with tg.no_grad():
        v = y[1:]
        v.add_(1)
    with pytest.raises(RuntimeError, match="view was created in no_grad mode"):
        v.mul_(2)
    free = tg.zeros(3)
    with tg.no_grad():
        v = free[1:]
    v.add_(1)
    assert free.tolist() == [0.0, 1.0, 1.0]


def test_expanded_tensors_are_not_written():
    y = tg.zeros(1, 3).expand(2, 3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        y.add_(1)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        y[[0, 1]] = 1.0
    y[0, 0] = 1.0
    assert y.tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def test_results_that_do_not_fit_are_refused_before_anything_is_written():
    y = tg.zeros(3)
    with pytest.raises(
        RuntimeError, match=r"output with shape \[3\] doesn't match the broadcast shape \[2, 3\]"
    ):
        y.add_(tg.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        tg.zeros(3, dtype=tg.int64).add_(0.5)
    with pytest.raises(RuntimeError, match="shape mismatch|must match|cannot be broadcast"):
        y[:2] = tg.ones(3)
    assert y.tolist() == [0.0, 0.0, 0.0]


def test_read_only_memory_is_not_written():
    a = np.zeros(3)
    a.flags.writeable = False
    t = tg.from_numpy(a)
    for write in (
        lambda: t.add_(1),
        lambda: t.__setitem__(0, 1.0),
        lambda: t[1:].mul_(2),
        lambda: t.__setitem__([0], 1.0),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            write()


# ---- overlapping memory


def test_overlapping_copies_read_before_they_write(backend):
    y = tg.arange(5.0)
    y[1:].copy_(y[:-1])
    assert y.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    y = tg.arange(5.0)
    y[:-1].copy_(y[1:])
    assert y.tolist() == [1.0, 2.0, 3.0, 4.0, 4.0]
    y = tg.arange(5.0)
    y[1:] = y[:-1]
    assert y.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    y = tg.arange(5.0)
    y[1:].add_(y[:-1])
    assert y.tolist() == [0.0, 1.0, 3.0, 5.0, 7.0]
    y = tg.arange(4.0).reshape(2, 2)
    y.add_(y.t())
    assert y.tolist() == [[0.0, 3.0], [3.0, 6.0]]
    y = tg.arange(4.0).reshape(2, 2)
    y[[0, 1]] = y[[1, 0]]
    assert y.tolist() == [[2.0, 3.0], [0.0, 1.0]]
    y = tg.arange(4.0)
    y[tg.tensor([0, 1])] = y[2:]
    assert y.tolist() == [2.0, 3.0, 2.0, 3.0]


# ---- what else follows a write


def test_retained_gradient_is_that_of_the_last_value():
    x, y = recorded(3)
    y.retain_grad()
    y.mul_(3)
    (y * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert y.grad.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.tolist() == [3.0, 6.0, 9.0]


def test_hook_stays_with_the_value_that_it_was_registered_on():
    x, y = recorded(2)
    y.register_hook(lambda g: g * 10)
    y.mul_(2)
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    assert seen == [[1.0, 1.0]]
    assert x.grad.tolist() == [20.0, 20.0]


def test_gradient_of_a_copied_value_is_told_apart_from_its_source():
    x = tg.ones(2, requires_grad=True)
    source, y = x * 2, x * 1
    y.copy_(source)
    (g,) = tg.autograd.grad((y * 3 + source).sum(), y)
    assert g.tolist() == [3.0, 3.0]
    z = tg.zeros(2)
    z[:] = source
    (g,) = tg.autograd.grad((z * 3 + source).sum(), z)
    assert g.tolist() == [3.0, 3.0]


def test_writing_what_needs_a_gradient_makes_the_base_and_its_views_need_one():
    x = tg.ones(2, requires_grad=True)
    y = tg.zeros(4)
    before, after = y[:2], y[2:]
    y[1:3] = x
    assert y.requires_grad
    assert before.requires_grad
    assert after.requires_grad
    (before.sum() + 5 * after.sum()).backward()
    assert x.grad.tolist() == [1.0, 5.0]


def test_in_place_forms_return_the_tensor_itself():
    y = tg.ones(2, 2)
    for same in (
        y.add_(1),
        y.t_(),
        y.copy_(tg.ones(2, 2)),
        y.zero_(),
        y.unsqueeze_(0),
        y.squeeze_(0),
        y.resize_(4),
        y.tril_() if y.ndim > 1 else y,
    ):
        assert same is y


def test_resize_keeps_elements_and_refuses_what_needs_a_gradient():
    y = tg.arange(6)
    assert y.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert y.resize_(100).tolist()[:4] == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        tg.ones(2, requires_grad=True).resize_(3)


# ------------------------------------------------------------ views whose base, or memory, is another by now


def test_view_with_memory_of_its_own_is_written_apart_from_its_base():
    base = tg.ones(4, 4, requires_grad=True) * 1
    view = base[0]
    view.data = tg.ones(5)
    w = tg.ones(5, requires_grad=True)
    view.mul_(w)
    (g,) = tg.autograd.grad(view.sum(), w)
    assert g.tolist() == [1.0] * 5


def test_view_keeps_its_graph_when_its_base_gets_other_memory():
    x = tg.ones(4, 4, requires_grad=True)
    base = x * 1
    view = base[0]
    base.data = tg.ones(4, 4)
    base.mul_(2)
    view.sum().backward()
    assert x.grad.sum() == 4


def test_view_of_what_its_base_no_longer_has_is_not_part_of_it():
    base = tg.ones(400, 4)
    view = base[399]
    base.resize_(2)
    base.copy_(tg.ones(2, requires_grad=True))
    assert base.requires_grad
    assert not view.requires_grad


def test_views_of_what_a_function_writes_get_its_gradient():
    class Triple(tg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = tg.ones(4, requires_grad=True)
    y = x * 1
    view = y[:2]
    Triple.apply(y)
    view.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("to", "source"),
    [
        (slice(1, None), slice(None, -1)),
        (slice(None, -3), slice(3, None)),
        (slice(None, None, 2), slice(None, 50_000)),
        (slice(None, 50_000), slice(1, None, 2)),
    ],
)
@pytest.mark.parametrize("same_block", [True, False])
def test_copy_between_overlapping_parts(to, source, same_block):
    array = np.arange(100_000, dtype=np.float32)
    x = tg.from_numpy(array)
    y = x if same_block else tg.from_numpy(array)
    expected = array.copy()
    expected[to] = array[source].copy()
    x[to].copy_(y[source])
    np.testing.assert_array_equal(x.numpy(), expected)


def test_gradient_of_a_view_that_was_given_another_size_is_refused_at_its_base():
    x = tg.ones(4, 4, requires_grad=True)
    view = (x * 1)[0]
    view.data = tg.ones(5)
    with pytest.raises(RuntimeError):
        (view * 2).sum().backward()
    assert x.grad is None


def test_a_leaf_that_was_written_after_a_graph_used_it_gets_no_gradient_of_that_graph():
    x = tg.tensor(1.0, requires_grad=True)
    y = x * 2
    x.detach_()
    y.backward()
    assert x.grad is None
    x.mul_(tg.tensor(2.0, requires_grad=True))
    with pytest.raises(RuntimeError, match="moved into the graph interior"):
        (y + 0).backward()


def test_a_gradient_may_be_written_whatever_its_formula_left():
    x = tg.tensor([[1.0, 2.0]], requires_grad=True)
    for y in (x.max(0)[0], x.t(), x.reshape(2), x[0], x.squeeze()):
        (g,) = tg.autograd.grad(y, x, tg.ones_like(y))
        g.mul_(x)
        assert g.requires_grad
        g.sum().backward()
        assert x.grad.tolist() == [[1.0, 1.0]]
        x.grad = None


def test_what_copy_replaced_gets_a_gradient_of_zero():
    x, z = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor([3.0], requires_grad=True)
    y = x * 2
    y.copy_(z).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    assert z.grad.tolist() == [2.0]


@pytest.mark.parametrize(
    "empty",
    [
        lambda x: x.diagonal(1),
        lambda x: x.as_strided((0, 1), (1, 1)),
        lambda x: x[1:],
        lambda x: x.narrow(1, 1, 0),
    ],
)
def test_an_empty_view_of_a_leaf_is_a_view_of_a_leaf(empty):
    x = tg.tensor([[1.0]], requires_grad=True)
    view = empty(x)
    assert view._base is x
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        view.mul_(2)


def test_a_view_is_not_detached_in_place_with_or_without_a_gradient():
    x = tg.ones(2)
    for view in (x.view(2), x[:1], (x * 1).requires_grad_().t()):
        with pytest.raises(RuntimeError, match="Can't detach views in-place"):
            view.detach_()


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3, 4)),
        ((3,), (3,)),
        ((2, 2, 3), (2, 3, 4)),
        ((2, 2, 3), (3, 4)),
        ((2, 3), (2, 3, 4)),
        ((1, 2, 3), (2, 3, 4)),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_a_product_keeps_only_the_factor_that_a_gradient_needs(dtype, left, right, which):
    factors = [tg.ones(left, dtype=dtype), tg.ones(right, dtype=dtype)]
    factors[which].requires_grad_()
    result = tg.matmul(*factors).sum()
    with tg.no_grad():
        factors[which].mul_(2)
    result.backward()
    assert tg.allclose(factors[which].grad.sum(), result * 1.0)


def test_a_view_follows_its_base_that_took_another_shape_in_place():
    x = tg.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    row = y[0]
    y.t_()
    (g,) = tg.autograd.grad(row.sum(), y)
    assert g.tolist() == [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]


def test_an_element_of_a_turned_tensor_may_be_written():
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 1
    y.t_()
    y[1, 0] *= 3
    y.sum().backward()
    assert x.grad.tolist() == [[1.0, 3.0], [1.0, 1.0]]


def test_a_result_that_ends_in_a_reshape_is_a_leaf_of_its_own():
    made = tg.kron(tg.ones(2), tg.ones(2))
    assert made._base is None
    made.requires_grad_()
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        made[:1] -= 1


def test_a_mask_written_into_a_view_of_a_hidden_base_carries_its_gradient():
    x = tg.tensor(1.0, requires_grad=True)
    (view,) = tg.autograd.grad(x[None], x, tg.ones(1), create_graph=True)
    view[view == view] = x[None]
    assert view.requires_grad
    (view * 3).backward()
    assert x.grad.item() == 3.0
