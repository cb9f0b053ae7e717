"""Gradients through writes in place. Expected values come from finite differences of the same program."""

import numpy as np
import pytest

import tensorgrad as tg


def numerical(program, *arrays, step=1e-6):
    """Central differences of a program that gives a number."""
    grads = []
    for array in arrays:
        grad = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [each.copy() for each in arrays]
                moved[[each is array for each in arrays].index(True)][i] += sign * step
                with tg.no_grad():
                    sides.append(program(*[tg.tensor(each) for each in moved]).item())
            grad[i] = (sides[0] - sides[1]) / (2 * step)
        grads.append(grad)
    return grads


def weights(*shape):
    return tg.arange(1.0, 1 + int(np.prod(shape)), dtype=tg.float64).reshape(shape)


def slice_multiplied(x, z):
    y = x * 1
    y[1:].mul_(2)
    return (y * weights(3, 4)).sum()


def element_set(x, z):
    y = x * 1
    y[0, 1] = z[0]
    return (y * y).sum()


def row_set_by_a_broadcast(x, z):
    y = x * 1
    y[1:] = z[:1]
    return (y * y * weights(3, 4)).sum()


def view_of_a_view(x, z):
    y = x * 1
    inner = y[1:][:, 2]
    inner.add_(z[:2])
    inner.mul_(3)
    return (y * y).sum()


def base_written_after_the_view_was_taken(x, z):
    y = x * 1
    v = y[1]
    y.mul_(z[0].exp())
    return (v * v).sum()


def two_views_that_overlap(x, z):
    y = x * 1
    first, second = y[:2], y[1:]
    first.mul_(z[0] + 0)
    second.add_(first.clone())
    return (y * y * weights(3, 4)).sum() + first.sum()


def transposed_view(x, z):
    y = (x * 1).t()
    y[2].mul_(3)
    y.t()[0] = z[1]
    return (y * y * weights(4, 3)).sum()


def view_of_a_transposed_result(x, z):
    y = x.t() + 0
    y = y.t()
    y[1:, 1:].sub_(z[:3])
    return (y * y * weights(3, 4)).sum()


def reshaped_and_permuted_views(x, z):
    y = x * 1
    y.view(2, 6)[:, 1:4].unsqueeze(0).transpose(1, 2).mul_(2)
    y.flatten()[3:5] = z[:2]
    return (y * y).sum()


def diagonal_written(x, z):
    y = x * 1
    y.diagonal().copy_(z[:3])
    y.diagonal(1).mul_(2)
    return (y * y * weights(3, 4)).sum()


def strided_view_written(x, z):
    y = x * 1
    y.as_strided((2, 2), (5, 2), 1).mul_(z[0] * 1)
    return (y * y * weights(3, 4)).sum()


def part_of_itself_copied(x, z):
    y = x * 1
    y[1:].copy_(y[:-1])
    return (y * weights(3, 4)).sum()


def own_transpose_added(x, z):
    y = x[:, :3] * 1
    y.add_(y.t())
    return (y * y * weights(3, 3)).sum()


def list_filled_in_a_loop(x, z):
    y = tg.zeros(4, dtype=tg.float64)
    for i in range(4):
        y[i] = x[0, i] ** 2 + (y[i - 1].clone() if i else 0)
    return (y * y).sum()


def operators(x, z):
    y = x * 1
    y += z
    y *= 2
    y -= x
    y[0] /= 4
    return (y * y).sum()


def mask_set(x, z):
    y = x * 2
    y[y > 0.5] = z[0] * 3
    return (y * y * weights(3, 4)).sum()


def integer_index_set(x, z):
    y = x * 2
    y[[0, 2]] = z
    y[1:, [0, 3]] *= 2
    return (y * y * weights(3, 4)).sum()


def indices_accumulated(x, z):
    y = x * 2
    y.index_put_((tg.tensor([0, 0, 2]), tg.tensor([1, 1, 3])), z[:3], accumulate=True)
    y.index_add_(1, tg.tensor([3, 3]), x[:, :2])
    return (y * y * weights(3, 4)).sum()


def scattered_into_a_view(x, z):
    y = x * 2
    y[:, 1:].scatter_(1, tg.tensor([[0], [2], [1]]), z[:3].unsqueeze(1))
    return (y * y * weights(3, 4)).sum()


def shape_changed_in_place(x, z):
    y = x * 1
    y.t_().unsqueeze_(0)
    y[0, 1] = z[:3]
    y.squeeze_(0).transpose_(0, 1)
    return (y * y * weights(3, 4)).sum()


def filled_and_zeroed(x, z):
    y = x * 2
    y[0].fill_(3.0)
    y[:, 1].zero_()
    return (y * y).sum()


def into_another_dtype(x, z):
    y = tg.zeros(3, 4)
    y.copy_(x)
    y[0] = z.float()
    return (y.double() * x).sum()


PROGRAMS = [
    slice_multiplied,
    element_set,
    row_set_by_a_broadcast,
    view_of_a_view,
    base_written_after_the_view_was_taken,
    two_views_that_overlap,
    transposed_view,
    view_of_a_transposed_result,
    reshaped_and_permuted_views,
    diagonal_written,
    strided_view_written,
    part_of_itself_copied,
    own_transpose_added,
    list_filled_in_a_loop,
    operators,
    mask_set,
    integer_index_set,
    indices_accumulated,
    scattered_into_a_view,
    shape_changed_in_place,
    filled_and_zeroed,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradient_through(program, backend):
    rng = np.random.default_rng(3)
    arrays = rng.normal(size=(3, 4)), rng.normal(size=4)
    leaves = [tg.tensor(each, requires_grad=True) for each in arrays]
    program(*leaves).backward()
    for leaf, expected in zip(leaves, numerical(program, *arrays), strict=True):
        found = np.zeros_like(expected) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_second_order_through(program):
    rng = np.random.default_rng(4)
    arrays = rng.normal(size=(3, 4)), rng.normal(size=4)
    direction = tg.tensor(rng.normal(size=(3, 4)))

    def slope(x, z):
        with tg.enable_grad():
            x = x.detach().requires_grad_() if not x.requires_grad else x
            (g,) = tg.autograd.grad(program(x, z), x, create_graph=True)
        return (g * direction).sum()

    x = tg.tensor(arrays[0], requires_grad=True)
    second = slope(x, tg.tensor(arrays[1]))
    (found,) = tg.autograd.grad(second, x) if second.requires_grad else (tg.zeros(3, 4),)
    (expected,) = numerical(lambda x: slope(x, tg.tensor(arrays[1])), arrays[0])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_values_and_gradient_into_another_dtype():
    x = tg.tensor([[1.0, 2.0]], dtype=tg.float64, requires_grad=True)
    y = tg.zeros(2)
    y.copy_(x[0])
    (y * y).sum().backward()
    assert y.dtype is tg.float32
    assert x.grad.dtype is tg.float64
    assert x.grad.tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_of_writes_to_views(seed):
    def program(x, z):
        rng = np.random.default_rng(seed)
        y = x * 1 if seed % 3 else (x * 1).t()
        kept = [y]
        for _ in range(8):
            view = kept[rng.integers(len(kept))]
            for _ in range(rng.integers(0, 3)):
                move = rng.integers(5)
                if move == 0 and view.ndim > 1:
                    view = view.transpose(0, 1)
                elif move == 1 and view.ndim and view.shape[0] > 1:
                    view = view[1:]
                elif move == 2 and view.ndim > 1:
                    view = view[..., int(rng.integers(view.shape[-1]))]
                elif move == 3:
                    view = view.unsqueeze(0)
                elif view.ndim and view.shape[-1] > 2:
                    view = view[..., ::2]
            kept.append(view)
            other = kept[rng.integers(len(kept))]
            action = rng.integers(6)
            if action == 0:
                view.mul_(1.5)
            elif action == 1:
                view.add_(z.sum() * 0.3)
            elif action == 2:
                view.copy_(other.clone().sin().sum() + view.clone())
            elif action == 3 and view.ndim:
                view[0] = other.mean()
            elif action == 4:
                view.sub_(other.clone().cos().sum())
            else:
                view[view > 0.3] = z[0]
        return sum(((k * k).sum() for k in kept), 0.0)

    rng = np.random.default_rng(100 + seed)
    arrays = rng.normal(size=(3, 4)) * 0.1 + np.arange(12).reshape(3, 4) % 5 - 2.07, rng.normal(size=4)
    leaves = [tg.tensor(each, requires_grad=True) for each in arrays]
    program(*leaves).backward()
    for leaf, expected in zip(leaves, numerical(program, *arrays), strict=True):
        found = np.zeros_like(expected) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(
            found, expected, rtol=1e-4, atol=1e-3 * max(1.0, np.abs(expected).max() * 1e-2)
        )


@pytest.mark.parametrize("write", ["__imul__", "__itruediv__", "__iadd__", "__isub__"])
def test_an_operand_that_shares_the_memory_written_to(write, backend):
    w = tg.tensor([3.0], requires_grad=True)
    x = w * 1
    x = getattr(x, write)(x.detach())
    if write in ("__iadd__", "__isub__"):  # of a sum the gradient asks for neither
        x.sum().backward()
        assert w.grad.item() == 1
    else:
        with pytest.raises(RuntimeError, match="modified by an in"):
            x.sum().backward()


def test_a_refused_write_has_not_written(backend):
    with tg.inference_mode():
        other = tg.ones(3) * 2
    w = tg.ones(3, requires_grad=True)
    x = w * 1
    with pytest.raises(RuntimeError):
        x *= other
    assert x.tolist() == [1, 1, 1]
    x.sum().backward()
    assert w.grad.tolist() == [1, 1, 1]


def test_a_write_that_a_listener_breaks_off_counts_as_a_write():
    def listener(event):
        if event.name == "add":
            raise KeyError

    w = tg.ones(3, requires_grad=True)
    x = w * 1
    z = x * x
    tg._kernels.listen(listener)
    try:
        with pytest.raises(KeyError), tg.backend("kernels"):  # a body has another place for its result
            x += tg.ones(3)
    finally:
        tg._kernels.unlisten(listener)
    with pytest.raises(RuntimeError, match="modified by an in"):
        z.sum().backward()


@pytest.mark.parametrize("exponent", [1, 2, 3, 0.5, -2, 2.5])
def test_a_power_in_place_is_the_power(exponent, backend):
    x = tg.rand(1000) * 10
    y, z = x.clone(), x.clone().requires_grad_()
    y **= exponent
    recorded = z * 1
    recorded **= exponent
    assert (y == x**exponent).all() and (recorded == y).all()
