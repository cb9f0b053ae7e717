"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(value: Any, what: str) -> tuple[tuple[Tensor, ...], bool]:
    """Several tensors, and whether they came as a tuple."""
    several = isinstance(value, (tuple, list))
    values = tuple(value) if several else (value,)
    for i, each in enumerate(values):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"The {what} must be either a Tensor or a tuple of Tensors, but the value at index {i} has "
                f"type {type(each)}."
            )
    return values, several


def _prepared(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as the start of a graph of their own (or, with ``create_graph``, a continuation of theirs).
    """
    return tuple(
        i.view_as(i) if create_graph and i.requires_grad else i.detach().requires_grad_() for i in inputs
    )


def _call(func: Callable, inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], bool]:
    return _tuple(func(*inputs), "outputs of the user-provided function")


def _vectors(v: Any, like: tuple[Tensor, ...], what: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} is a single Tensor with one element"
            )
        return tuple(tg.ones_like(t) for t in like)
    vectors, _ = _tuple(v, "v")
    if len(vectors) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}")
    for i, (vector, t) in enumerate(zip(vectors, like, strict=True)):
        if vector.shape != t.shape:
            raise RuntimeError(
                f"v has invalid size at index {i}: should be {list(t.shape)} but got {list(vector.shape)}"
            )
    return vectors


def _grads(
    outputs: Any, inputs: tuple[Tensor, ...], weights: Any, create_graph: bool, strict: bool
) -> tuple[Tensor, ...]:
    used = [(o, w) for o, w in zip(outputs, weights, strict=True) if o.requires_grad]
    if not used:
        if strict:
            raise RuntimeError(
                "The output of the user-provided function is independent of the inputs. This is not allowed "
                "in strict mode."
            )
        return tuple(tg.zeros_like(i) for i in inputs)
    found = tg.autograd.grad(
        [o for o, _ in used],
        inputs,
        [w for _, w in used],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )
    if strict and any(g is None for g in found):
        raise RuntimeError(
            "The output of the user-provided function is independent of an input. This is not allowed in "
            "strict mode."
        )
    return tuple(tg.zeros_like(i) if g is None else g for i, g in zip(inputs, found, strict=True))


def _packed(values: tuple, several: bool) -> Any:
    return values if several else values[0]


def _cut(values: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    return values if create_graph else tuple(v.detach() for v in values)


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of the vector ``v`` with the Jacobian of ``func``: one backward pass.

    >>> tg.autograd.functional.vjp(lambda x: x ** 2, tg.tensor([1.0, 3.0]), tg.ones(2))[1]
    tensor([2., 6.])
    """
    with enable_grad():
        given, several = _tuple(inputs, "inputs")
        starts = _prepared(given, create_graph)
        outputs, many = _call(func, starts)
        product = _grads(
            outputs, starts, _vectors(v, outputs, "user-provided function returns"), create_graph, strict
        )
    return _packed(_cut(outputs, create_graph), many), _packed(_cut(product, create_graph), several)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of the Jacobian of ``func`` with the vector ``v``, by differentiating a
    backward pass.

    >>> tg.autograd.functional.jvp(lambda x: x ** 2, tg.tensor([1.0, 3.0]), tg.ones(2))[1]
    tensor([2., 6.])
    """
    with enable_grad():
        given, _ = _tuple(inputs, "inputs")
        vectors = _vectors(v, given, "input to the user-provided function")
        starts = _prepared(given, create_graph)
        outputs, many = _call(func, starts)
        weights = tuple(tg.zeros_like(o, requires_grad=True) for o in outputs)
        pulled = _grads(outputs, starts, weights, True, strict)
        product = _grads(pulled, weights, vectors, create_graph, False)
    return _packed(_cut(outputs, create_graph), many), _packed(_cut(product, create_graph), many)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func``: for each output and input a tensor of their shapes joined.

    >>> tg.autograd.functional.jacobian(lambda x: x ** 2, tg.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    with enable_grad():
        given, several = _tuple(inputs, "inputs")
        starts = _prepared(given, create_graph)
        outputs, many = _call(func, starts)
        rows = []
        for out in outputs:
            columns: list[list[Tensor]] = [[] for _ in starts]
            for i in range(out.numel()):
                found = _grads((out.reshape(-1)[i],), starts, (None,), create_graph, strict)
                for column, g in zip(columns, found, strict=True):
                    column.append(g)
            rows.append(
                tuple(
                    tg.stack(column).reshape(tuple(out.shape) + tuple(i.shape))
                    if column
                    else i.new_zeros(tuple(out.shape) + tuple(i.shape))
                    for column, i in zip(columns, starts, strict=True)
                )
            )
    rows = [_packed(_cut(row, create_graph), several) for row in rows]
    return _packed(tuple(rows), many)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of ``func``, which must give one number.

    >>> tg.autograd.functional.hessian(lambda x: (x ** 3).sum(), tg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    given, several = _tuple(inputs, "inputs")

    def gradient(*starts: Tensor) -> tuple[Tensor, ...]:
        outputs, many = _call(func, starts)
        if many or outputs[0].numel() != 1:
            raise RuntimeError("The function given to hessian should return a single Tensor with one element")
        live = tuple(s if s.requires_grad else s.requires_grad_() for s in starts)
        return _grads(tuple(o.reshape(()) for o in outputs), live, (None,), True, strict)

    found = jacobian(gradient, given, create_graph=create_graph, strict=strict)
    return found if several else found[0][0]


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, and the product of the vector ``v`` with the Hessian of ``func``.

    >>> tg.autograd.functional.vhp(lambda x: (x ** 3).sum(), tg.tensor([1.0, 2.0]), tg.ones(2))[1]
    tensor([ 6., 12.])
    """
    with enable_grad():
        given, several = _tuple(inputs, "inputs")
        vectors = _vectors(v, given, "input to the user-provided function")
        starts = _prepared(given, create_graph)
        outputs, many = _call(func, starts)
        if many or outputs[0].numel() != 1:
            raise RuntimeError("The function given to vhp should return a single Tensor with one element")
        gradient = _grads(outputs, starts, (tg.ones_like(outputs[0]),), True, strict)
        product = _grads(gradient, starts, vectors, create_graph, strict)
    return _packed(_cut(outputs, create_graph), many), _packed(_cut(product, create_graph), several)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, and the product of the Hessian of ``func``, which is symmetric, with the vector ``v``.

    >>> tg.autograd.functional.hvp(lambda x: (x ** 3).sum(), tg.tensor([1.0, 2.0]), tg.ones(2))[1]
    tensor([ 6., 12.])
    """
    return vhp(func, inputs, v, create_graph, strict)
