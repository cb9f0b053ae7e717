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


# ---------------------------------------------------------------------------- torch.func


def cube(x):
    return (x**3).sum()


@pytest.mark.parametrize("enabled", [True, False])
def test_transforms_record_inside_whatever_the_mode_outside(enabled):
    with tg.set_grad_enabled(enabled):
        gradient, value = tg.func.grad_and_value(cube)(X)
        jacobian = tg.func.jacrev(lambda x: x**2)(X)
        hessian = tg.func.hessian(cube)(X)
    assert gradient.tolist() == [3.0, 12.0]
    assert value.item() == 9.0
    assert jacobian.tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert hessian.tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert not any(t.requires_grad for t in (gradient, value, jacobian, hessian))


def test_no_grad_inside_of_a_transformed_function_is_kept_to():
    def f(x):
        with tg.no_grad():
            c = x**2
        return (x - c).sum()

    assert tg.func.grad(f)(X).tolist() == [1.0, 1.0]


def test_a_transform_can_be_differentiated_by_a_captured_leaf():
    w = tg.tensor([2.0, 3.0], dtype=tg.float64, requires_grad=True)
    gradient, value = tg.func.grad_and_value(lambda x: (x**2 * w**2).sum())(X)
    assert tg.autograd.grad(gradient.sum(), w, retain_graph=True)[0].tolist() == [8.0, 24.0]
    assert tg.autograd.grad(value, w)[0].tolist() == [4.0, 24.0]
    jacobian = tg.func.jacrev(lambda x: x**2 * w)(X)
    assert tg.autograd.grad(jacobian.sum(), w)[0].tolist() == [2.0, 4.0]
    hessian = tg.func.hessian(lambda x: (x**3 * w**2).sum())(X)
    assert tg.autograd.grad(hessian.sum(), w)[0].tolist() == [24.0, 72.0]
    with tg.no_grad():
        assert not tg.func.grad(lambda x: (x * w).sum())(X).requires_grad


def test_transforms_nest_and_capture_each_other():
    two, three = tg.tensor(2.0), tg.tensor(3.0)
    grad = tg.func.grad
    found = grad(lambda x: grad(lambda y: x * y**2)(three))(two)
    assert found.item() == 6.0
    assert not found.requires_grad
    assert grad(grad(grad(lambda x: x**4)))(two).item() == 48.0
    assert grad(lambda x: tg.func.jacrev(lambda y: y**2 * x)(two))(two).item() == 4.0


def test_transforms_take_several_arguments_and_give_what_comes_beside():
    def f(x, y, scale=1.0):
        return (x**2 * y).sum() * scale, {"double": x * 2}

    (by_x, by_y), aux = tg.func.grad(f, argnums=(0, -1), has_aux=True)(X, Y, scale=2.0)
    assert by_x.tolist() == [12.0, 40.0]
    assert by_y.tolist() == [2.0, 8.0]
    assert aux["double"].tolist() == [2.0, 4.0]
    assert not aux["double"].requires_grad
    answer, (value, _) = tg.func.grad_and_value(f, has_aux=True)(X, Y)
    assert value.item() == 23.0
    (xx, xy), (yx, yy) = tg.func.hessian(lambda x, y: (x**2 * y).sum(), argnums=(0, 1))(X, Y)
    assert xx.tolist() == [[6.0, 0.0], [0.0, 10.0]]
    assert xy.tolist() == yx.tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert yy.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    nest = tg.func.jacrev(lambda d: (d["a"] * d["b"][0], d["a"].sum()))({"a": X, "b": [Y]})
    assert nest[0]["b"][0].tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert nest[1]["a"].tolist() == [1.0, 1.0]


def test_transforms_of_what_does_not_depend_give_zeros():
    w = tg.ones(2, requires_grad=True)
    for f in (lambda x: w.sum(), lambda x: tg.tensor(1.0)):
        assert tg.func.grad(f)(X).tolist() == [0.0, 0.0]
    assert tg.func.jacrev(lambda x: tg.ones(2))(X).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert tg.func.jacrev(lambda x: x[:0])(X).shape == (0, 2)


def test_transforms_refuse_what_they_can_not_do():
    grad = tg.func.grad
    for bad in (lambda x: x, lambda x: x[:1], lambda x: 3.0):
        with pytest.raises(RuntimeError, match="Expected f"):
            grad(bad)(X)
    for argnums in (2, -3, (), (0, 0), "0"):
        with pytest.raises(RuntimeError, match="argnum"):
            grad(lambda x, y: (x * y).sum(), argnums)(X, Y)
    with pytest.raises(RuntimeError, match="tuple"):
        grad(cube, has_aux=True)(X)
    with pytest.raises(ValueError, match="must be Tensor"):
        grad(lambda x: x)(3.0)


@pytest.mark.parametrize("enabled", [True, False])
def test_vjp_gives_a_function_of_vectors(enabled):
    w = tg.tensor([2.0, 3.0], dtype=tg.float64, requires_grad=True)
    with tg.set_grad_enabled(enabled):
        output, product = tg.func.vjp(lambda x, y: {"a": x * y, "b": (x * w).sum()}, X, Y)
        vectors = {"a": tg.tensor([1.0, 10.0], dtype=tg.float64), "b": tg.tensor(2.0, dtype=tg.float64)}
        by_x, by_y = product(vectors)
    assert output["a"].tolist() == [3.0, 10.0]
    assert by_x.tolist() == [7.0, 56.0]
    assert by_y.tolist() == [1.0, 20.0]
    assert by_x.requires_grad == enabled
    if enabled:
        assert tg.autograd.grad(by_x.sum(), w)[0].tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="shaped"):
        tg.func.vjp(lambda x: x * 2, X)[1](tg.ones(3))
