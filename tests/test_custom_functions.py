"""The user's own functions and hooks on the tape, also those that give nonsense."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from leaves import leaf

import tensorgrad as tg
from tensorgrad import autograd

# ---------------------------------------------------------------------------- the user's own functions


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


def test_function_is_differentiable_twice():
    x = leaf(0.5, 2.0, dtype=tg.float64)
    assert autograd.gradcheck(Cube.apply, x)
    assert autograd.gradgradcheck(Cube.apply, x)
    assert Cube.apply(x).grad_fn.name() == "CubeBackward"


def test_function_notices_a_changed_saved_tensor():
    x = leaf(2.0)
    y = x * 1
    z = Cube.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        z.sum().backward()


def test_function_saved_tensors_are_freed():
    x = leaf(2.0)
    z = Cube.apply(x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.backward()


def test_function_with_several_outputs_and_settings():
    class Split(autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.scale = scale
            whole = x.long()
            ctx.mark_non_differentiable(whole)
            return x * scale, whole, x + 1

        @staticmethod
        def backward(ctx, first, whole, second):
            assert ctx.needs_input_grad == (True, False)
            return first * ctx.scale + second, None

    x = leaf(1.5)
    a, b, c = Split.apply(x, 3.0)
    assert not b.requires_grad
    (a + c).sum().backward()
    assert x.grad.tolist() == [4.0]


def test_function_with_the_wrong_number_of_gradients_is_refused():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match=r"expected 2, got 1"):
        Wrong.apply(leaf(1.0), leaf(2.0)).sum().backward()


def test_once_differentiable_refuses_the_second_order():
    class Once(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @autograd.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = leaf(3.0)
    y = Once.apply(x)
    (g,) = autograd.grad((y * y).sum(), x, create_graph=True)
    assert g.tolist() == [108.0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_gradcheck_names_what_is_wrong():
    class Bad(autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x * tg.tensor([1.0, 1.0, 1.25], dtype=tg.float64)

    x, y = leaf(1.0, 2.0, 4.0, dtype=tg.float64), leaf(3.0, 4.0, 5.0, dtype=tg.float64)
    with pytest.raises(
        autograd.GradcheckError, match=r"input 1.*output\[2\] by input\[2\] is 5.*4\.0*.*BadBackward"
    ):
        autograd.gradcheck(Bad.apply, (x, y))
    assert not autograd.gradcheck(Bad.apply, (x, y), raise_exception=False)


def test_gradcheck_refuses_float32():
    with pytest.raises(autograd.GradcheckError, match="double precision.*float32"):
        autograd.gradcheck(tg.sigmoid, leaf(1.0))


# --------------------------------------------------------------------- hooks and Functions that give nonsense


class Passing(autograd.Function):
    """Its backward gives what the test wants."""

    gives = None

    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return Passing.gives


@pytest.mark.parametrize("shape", [(10000,), (1000, 1000), (0,), (4, 4)])
def test_function_whose_gradient_has_another_shape_is_refused(shape):
    x = tg.randn(4, 5, requires_grad=True)
    Passing.gives = tg.ones(shape)
    with pytest.raises(RuntimeError, match="invalid gradient at index 0"):
        Passing.apply(tg.softmax(x, -1)).sum().backward()


def test_gradient_of_a_function_is_summed_to_the_shape_of_its_input():
    x = tg.randn(2, 1, requires_grad=True)
    Passing.gives = tg.ones(3, 2, 4)
    Passing.apply(x).sum().backward()
    assert x.grad.tolist() == [[12.0], [12.0]]


def test_array_that_a_function_gives_as_gradient_is_not_written():
    cache = np.ones(100, np.float32)

    class Cached(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return tg.from_numpy(cache)

    x = tg.randn(100, requires_grad=True)
    y = x * 2.0
    (Cached.apply(y) + y * 3 + y * 4).sum().backward()
    (y * 3 + Cached.apply(y)).sum().backward()
    assert (cache == 1).all()
    assert x.grad[0] == 24


def test_leaf_with_a_hook_gets_its_gradient_when_another_node_has_none_for_it():
    x = tg.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 3)
    Passing.gives = None
    (Passing.apply(x) + x * 2).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_gradient_that_a_hook_keeps_does_not_change_later():
    x = tg.ones(2, requires_grad=True)
    kept = []
    x.register_hook(kept.append)
    (x * 2 + x * 3).sum().backward()
    (x * 2).sum().backward()
    assert kept[0].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("dtype", [tg.int64, tg.float16, tg.float64])
def test_hook_that_changes_the_dtype_is_refused(dtype):
    x = tg.randn(4, 5, requires_grad=True)
    y = x @ tg.randn(5, 6)
    y.register_hook(lambda g: g.to(dtype))
    with pytest.raises(RuntimeError, match="changed the type of value"):
        y.sum().backward()


@pytest.mark.parametrize("given", [(), (1, 2), ("a",), tg.ones(5), tg.ones(4, dtype=tg.int64)])
def test_node_hooks_that_give_nonsense_are_refused(given):
    x = tg.randn(4, requires_grad=True)
    z = tg.randn(4, requires_grad=True)
    for register in ("register_prehook", "register_hook"):
        y = x * z
        getattr(y.grad_fn, register)(lambda *grads: given)
        with pytest.raises((RuntimeError, TypeError)):
            y.sum().backward()


def test_hook_may_register_a_hook_on_another_output_of_its_node():
    x = tg.ones(3, requires_grad=True)
    a, b, c = (x * 2).unbind()
    a.register_hook(lambda g: b.register_hook(lambda g: g) and None)
    (a + b + c).backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_refused_backward_inside_a_hook_takes_nothing_from_the_one_around_it():
    x = leaf(1.0, 2.0)
    a = x * 3
    b = a * a
    inner = (a * 5).sum() + (b * 1).sum()
    seen = []

    def hook(g):
        with pytest.raises(RuntimeError, match="already running"):
            inner.backward()
        seen.append(True)

    c = b * 2
    c.register_hook(hook)
    for order in (b * 7 + c, c + b * 7):
        x.grad = None
        order.sum().backward(retain_graph=True)
        assert x.grad.tolist() == [162.0, 324.0]
    assert seen == [True, True]


def test_backward_passes_in_several_threads_do_not_mix():
    lost = []

    def work(collect):
        for _ in range(10):
            x, w = tg.ones(200, 300, requires_grad=True), tg.ones(300, 200, requires_grad=True)
            y = (x @ w).sum()
            if collect:
                found = autograd.grad(y, [w])[0]
            else:
                y.backward()
                found = x.grad
            if found is None or found[0, 0] != 200:
                lost.append(collect)

    threads = [threading.Thread(target=work, args=(k % 2,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not lost
