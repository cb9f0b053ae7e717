"""Promises of the tape: what backward does and refuses, hooks, versions, threads, modes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from leaves import leaf

import tensorgrad as tg
from tensorgrad import autograd

# ---------------------------------------------------------------------------- backward


def test_gradients_add_up_over_passes():
    x = leaf(3.0)
    for _ in range(2):
        (x * x).sum().backward()
    assert x.grad.tolist() == [12.0]


def test_gradient_of_a_value_used_in_several_places_is_the_sum():
    x = leaf(2.0)
    y = x * 3
    z = y * y + y + x
    z.sum().backward()
    assert x.grad.tolist() == [2 * 9 * 2 + 3 + 1]


def test_backward_of_several_elements_needs_a_gradient():
    with pytest.raises(RuntimeError, match="scalar outputs.*shape.*2"):
        (leaf(1.0, 2.0) * 2).backward()


def test_gradient_of_another_shape_is_refused():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match=r"\[3\].*\[2\]"):
        y.backward(tg.ones(3))


def test_backward_without_a_graph_is_refused():
    with pytest.raises(RuntimeError, match="does not require grad"):
        tg.ones(1).backward()


def test_second_backward_through_a_freed_graph_is_refused():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time.*MulBackward0.*retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [4.0]


def test_retained_graph_can_be_walked_again():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]


def test_inputs_limits_where_gradients_go():
    x, w = leaf(2.0), leaf(5.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [2.0]


def test_inputs_may_be_inside_the_graph():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    assert [g.tolist() for g in autograd.grad(z, [y, x], tg.ones(1))] == [[12.0], [36.0]]
    assert x.grad is None


def test_unused_input_is_reported_or_allowed():
    x, w = leaf(2.0), leaf(5.0)
    with pytest.raises(RuntimeError, match="not have been used"):
        autograd.grad((x * 2).sum(), [x, w])
    got, none = autograd.grad((x * 2).sum(), [x, w], allow_unused=True)
    assert got.tolist() == [2.0]
    assert none is None
    assert autograd.grad((x * 2).sum(), [x, w], materialize_grads=True)[1].tolist() == [0.0]


def test_create_graph_gives_gradients_of_every_order():
    x = leaf(2.0, dtype=tg.float64)
    y = (x * x * x * x).sum()
    for expected in (32.0, 48.0, 48.0, 24.0):
        (y,) = autograd.grad(y, x, create_graph=True)
        assert y.item() == expected
        y = y.sum()


def test_integer_and_detached_results_are_not_recorded():
    x = leaf(1.5)
    assert not x.detach().requires_grad
    assert not (x > 1).requires_grad
    assert not x.long().requires_grad
    with tg.no_grad():
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_gradient_has_the_dtype_of_its_leaf():
    x = leaf(1.0)
    w = leaf(3.0, dtype=tg.float64)
    (x * w).sum().backward()
    assert x.grad.dtype is tg.float32
    assert w.grad.dtype is tg.float64


def test_leaf_gradients_share_no_memory():
    x, y = leaf(1.0), leaf(2.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1.0]


def test_given_gradient_is_not_written_by_later_passes():
    x = leaf(1.0, 2.0)
    given = tg.ones(2)
    (x + 0).backward(given)
    (x * 2).sum().backward()
    assert given.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [3.0, 3.0]


# ---------------------------------------------------------------------------- hooks


def test_tensor_hook_may_replace_the_gradient():
    x = leaf(1.0)
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [20.0]
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [22.0]


def test_leaf_hook_sees_the_sum_of_all_paths_once():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0]]


def test_hook_after_accumulation_sees_the_gradient():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 2).sum().backward()
    assert seen == [[2.0]]


def test_retain_grad_keeps_the_gradient_of_an_inner_tensor():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0]


def test_node_hooks_see_and_replace():
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.grad_fn.register_prehook(lambda outs: seen.append(("pre", outs[0].tolist())))
    y.grad_fn.register_hook(lambda ins, outs: (ins[0] * 7,))
    y.sum().backward()
    assert seen == [("pre", [1.0])]
    assert x.grad.tolist() == [14.0]


def test_error_in_a_hook_leaves_graph_and_grads_usable():
    x = leaf(1.0, 2.0)
    y = x * 2
    handle = y.register_hook(lambda g: 1 / 0)
    z = (y * y).sum()
    with pytest.raises(ZeroDivisionError):
        z.backward(retain_graph=True)
    assert x.grad is None
    handle.remove()
    z.backward()
    assert x.grad.tolist() == [8.0, 16.0]


def test_hook_may_run_a_backward_of_its_own():
    x, w = leaf(1.0), leaf(3.0)

    def hook(g):
        with tg.enable_grad():
            (w * w).sum().backward()
        return g

    y = x * 2
    y.register_hook(hook)
    y.sum().backward()
    assert w.grad.tolist() == [6.0]
    assert x.grad.tolist() == [2.0]


# ---------------------------------------------------------------------------- versions


def test_changed_saved_tensor_is_named():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(
        RuntimeError, match=r"inplace operation.*\[2\].*mul\(\).*version 1; expected version 0"
    ):
        z.sum().backward()


def test_anomaly_detection_shows_the_forward_line():
    x = leaf(1.0)
    with autograd.set_detect_anomaly(True):
        y = x * 1
        z = y * y  # the line to be shown
        y.add_(1)
        with pytest.raises(RuntimeError, match="the line to be shown"):
            z.sum().backward()


def test_anomaly_detection_stops_at_the_first_nan():
    x = leaf(0.0)
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="DivBackward0.*nan"):
        (x / x).sum().backward()


def test_leaf_that_needs_a_gradient_can_not_be_written():
    x = leaf(1.0)
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x[0:].mul_(2), lambda: x.__setitem__(0, 3.0)):
        with pytest.raises(RuntimeError, match="leaf Variable"):
            write()
    assert x.tolist() == [1.0]
    with tg.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0]


# ---------------------------------------------------------------------------- threads


def test_threads_run_graphs_of_their_own():
    shared = tg.tensor(np.ones(50, "f"))
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(200):
            value = float(rng.uniform(0.5, 1.5))
            x = tg.tensor(np.full(50, value, "f"), requires_grad=True)
            y = x
            for _ in range(20):
                y = y * shared + y
            y.sum().backward()
            if not np.allclose(x.grad.numpy(), 2.0**20):
                wrong.append(x.grad[0].item())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_threads_may_add_to_the_same_leaf():
    w = tg.ones(3, requires_grad=True)

    def work():
        for _ in range(500):
            (w * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert w.grad.tolist() == [4000.0] * 3


def test_recording_is_switched_per_thread():
    seen = []
    with tg.no_grad():
        t = threading.Thread(target=lambda: seen.append(tg.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


# ---------------------------------------------------------------------------- modes


def test_modes_decorate_functions_and_generators():
    x = leaf(1.0)

    @tg.no_grad()
    def plain():
        return x * 2

    @tg.no_grad
    def bare():
        return x * 2

    @tg.no_grad()
    def several():
        yield x * 2
        yield x * 3

    assert not plain().requires_grad
    assert not bare().requires_grad
    for y in several():
        assert tg.is_grad_enabled()
        assert not y.requires_grad


def test_inference_tensors_stay_out_of_graphs():
    with tg.inference_mode():
        frozen = tg.ones(2)
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved"):
        x * frozen
    assert (x * frozen.clone()).requires_grad


def test_graph_can_be_read():
    x = leaf(1.0)
    y = tg.sigmoid(x * 2)
    assert y.grad_fn.name() == "SigmoidBackward0"
    (inner, number), *_ = y.grad_fn.next_functions
    assert inner.name() == "MulBackward0"
    assert number == 0
    end = inner.next_functions[0][0]
    assert end.name() == "AccumulateGrad"
    assert end.variable is x
    assert not y.is_leaf
    assert x.is_leaf
