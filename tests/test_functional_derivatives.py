"""autograd.functional, gradient edges and hooks on several tensors."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.autograd import functional, graph


def f(x, y):
    return (x**2 * y).sum(), x * y


X = tg.tensor([1.0, 2.0], dtype=tg.float64)
Y = tg.tensor([3.0, 5.0], dtype=tg.float64)


def test_jacobian_of_several_outputs_and_inputs():
    (to_x, to_y), (each_x, each_y) = functional.jacobian(f, (X, Y))
    assert to_x.tolist() == [6.0, 20.0]
    assert to_y.tolist() == [1.0, 4.0]
    assert each_x.tolist() == [[3.0, 0.0], [0.0, 5.0]]
    assert each_y.tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_jacobian_with_a_graph_can_be_differentiated():
    x = X.clone().requires_grad_()
    jacobian = functional.jacobian(lambda t: t**3, x, create_graph=True)
    jacobian.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_hessian_of_several_inputs():
    (xx, xy), (yx, yy) = functional.hessian(lambda x, y: (x**2 * y).sum(), (X, Y))
    assert xx.tolist() == [[6.0, 0.0], [0.0, 10.0]]
    assert xy.tolist() == yx.tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert yy.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_products_with_vectors_agree_with_the_matrices():
    rng = np.random.default_rng(0)
    x = tg.tensor(rng.normal(size=3))
    matrix = tg.tensor(rng.normal(size=(4, 3)))

    def g(t):
        return tg.tanh(matrix @ t)

    v, u = tg.tensor(rng.normal(size=4)), tg.tensor(rng.normal(size=3))
    jacobian = functional.jacobian(g, x)
    np.testing.assert_allclose(functional.vjp(g, x, v)[1].numpy(), (v @ jacobian).numpy(), rtol=1e-12)
    np.testing.assert_allclose(functional.jvp(g, x, u)[1].numpy(), (jacobian @ u).numpy(), rtol=1e-12)

    def h(t):
        return g(t).sum()

    hessian = functional.hessian(h, x)
    np.testing.assert_allclose(functional.hvp(h, x, u)[1].numpy(), (hessian @ u).numpy(), rtol=1e-10)
    np.testing.assert_allclose(functional.vhp(h, x, u)[1].numpy(), (u @ hessian).numpy(), rtol=1e-10)


def test_results_are_cut_from_the_graph_unless_asked():
    x = X.clone().requires_grad_()
    assert not functional.jacobian(lambda t: t * 2, x).requires_grad
    out, product = functional.vjp(lambda t: (t * t).sum(), x)
    assert not out.requires_grad
    assert not product.requires_grad


def test_bad_calls_are_refused():
    with pytest.raises(TypeError, match="inputs.*Tensor"):
        functional.jacobian(lambda x: x, 3.0)
    with pytest.raises(RuntimeError, match="one element"):
        functional.vjp(lambda x: x * 2, X)
    with pytest.raises(RuntimeError, match="invalid size"):
        functional.vjp(lambda x: x * 2, X, tg.ones(3, dtype=tg.float64))
    with pytest.raises(RuntimeError, match="one element"):
        functional.hessian(lambda x: x * 2, X)
    with pytest.raises(RuntimeError, match="independent"):
        functional.jacobian(lambda x: tg.ones(2), X, strict=True)


def test_gradient_edge_and_hook_on_several_tensors():
    x = X.clone().requires_grad_()
    a, b = x * 2, x * 3
    assert graph.get_gradient_edge(a).node is a.grad_fn
    seen = []
    handle = graph.register_multi_grad_hook([a, b], lambda grads: seen.append([g.tolist() for g in grads]))
    (a + b * 2).sum().backward(retain_graph=True)
    assert seen == [[[1.0, 1.0], [2.0, 2.0]]]
    handle.remove()
    (a + b).sum().backward()
    assert len(seen) == 1


def test_increment_version_is_noticed():
    x = X.clone().requires_grad_()
    y = x * 1
    z = y * y
    graph.increment_version(y)
    with pytest.raises(RuntimeError, match="inplace"):
        z.sum().backward()
