"""Three tensors at once: a point between two, a sum with a product or a quotient."""

from __future__ import annotations

import numpy as np

from tensorgrad.core import Tensor, _core, bool_, result_type
from tensorgrad.core.declare import between, case, composite, normal, primitive
from tensorgrad.ops._kinds import floats_only, together, want_tensors
from tensorgrad.ops.elementwise.arithmetic import add, div, mul, neg, sub
from tensorgrad.ops.shapes import shaping


@primitive(
    vjp=dict(
        input=lambda g, weight: mul(g, sub(1.0, weight)),
        end=lambda g, weight: mul(g, weight),
        weight=lambda g, input, end: mul(g, sub(end, input)),
    ),
    at=(),
    samples=lambda: [case(normal(2, 3), normal(2, 3), between(0.0, 1.0, 2, 3), name="plain")],
    elementwise=True,
)
def _lerp(input, end, weight):
    """A point between, of three tensors of one shape."""
    floats_only("lerp", input)
    way = end - input
    return np.where(np.abs(weight) < 0.5, input + weight * way, end - way * (1 - weight))


@primitive(
    vjp=dict(input=lambda g, weight: mul(g, 1 - weight), end=lambda g, weight: mul(g, weight)),
    at=(),
    grad_name="LerpBackward0",
    samples=lambda: [case(normal(2, 3), normal(2, 3), 0.25, name="plain")],
    elementwise=True,
)
def _lerp_number(input, end, weight):
    """A point between, of two tensors of one shape."""
    return _lerp.body(input, end, input.dtype.type(weight))


@composite(
    others=("weight",),
    single=True,
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(2, 3), normal(2, 3), 0.25, name="number"),
        case(normal(2, 3), normal(3), between(0.0, 1.0, 2, 3), name="tensor"),
    ],
)
def lerp(input, end, weight):
    """The point between two tensors: ``input + weight * (end - input)``; ``weight`` is a number or a tensor.

    >>> tg.lerp(tg.tensor([1.0, 2.0]), tg.tensor([3.0, 6.0]), 0.5)
    tensor([2., 4.])
    """
    want_tensors("lerp", input=input, end=end)
    for name, each in (("end", end), ("weight", weight)):
        if isinstance(each, Tensor) and each.dtype is not input.dtype and (name == "end" or each.ndim):
            raise RuntimeError(
                f"lerp: expected dtype {input.dtype.name} for `{name}` but got dtype {each.dtype.name}"
            )
    if isinstance(weight, Tensor):
        return _lerp(*together("lerp", input, end, shaping._cast(weight, input.dtype)))
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"lerp: not implemented for {input.dtype}")
    _core._fitting(weight, input.dtype)
    return _lerp_number(*together("lerp", input, end), weight)


@primitive(
    vjp=dict(
        input=lambda g: g,
        tensor1=lambda g, tensor2, value: mul(mul(g, value), tensor2),
        tensor2=lambda g, tensor1, value: mul(mul(g, value), tensor1),
    ),
    at=(),
    grad_name="AddcmulBackward0",
    samples=lambda: [case(normal(2, 3), normal(2, 3), normal(2, 3), 2.5, name="plain")],
    elementwise=True,
)
def _addcmul(input, tensor1, tensor2, value):
    """`addcmul` of three float tensors of one shape and dtype."""
    return input + (input.dtype.type(value) * tensor1) * tensor2


@primitive(
    vjp=dict(
        input=lambda g: g,
        tensor1=lambda g, tensor2, value: div(mul(g, value), tensor2),
        tensor2=lambda g, tensor1, tensor2, value: neg(
            mul(mul(g, value), div(div(tensor1, tensor2), tensor2))
        ),
    ),
    at=(),
    grad_name="AddcdivBackward0",
    samples=lambda: [case(normal(2, 3), normal(2, 3), between(0.5, 2.0, 2, 3), 2.5, name="plain")],
    elementwise=True,
)
def _addcdiv(input, tensor1, tensor2, value):
    """`addcdiv` of three float tensors of one shape and dtype."""
    return input + (input.dtype.type(value) * tensor1) / tensor2


@composite(
    single=True,
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(2, 3), normal(2, 3), normal(2, 3), name="plain"),
        case(normal(2, 3), normal(2, 1), normal(3), value=2.5, name="value"),
    ],
)
def addcmul(input, tensor1, tensor2, *, value=1):
    """``input + value * tensor1 * tensor2``, element by element.

    >>> tg.addcmul(tg.ones(2), tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0]), value=0.5)
    tensor([2.5000, 5.0000])
    """
    want_tensors("addcmul", input=input, tensor1=tensor1, tensor2=tensor2)
    if all(each.dtype is bool_ for each in (input, tensor1, tensor2)):
        raise NotImplementedError("addcmul: not implemented for bool")
    input, tensor1, tensor2 = _in_one_dtype(input, tensor1, tensor2)
    if input.is_floating_point():
        return _addcmul(*together("addcmul", input, tensor1, tensor2), _whole(value, input))
    factor = tensor1 if value == 1 else mul(tensor1, _whole(value, tensor1))
    return add(input, mul(factor, tensor2))


def _in_one_dtype(*tensors):
    """The tensors in the dtype that all of them promote to."""
    if len({t.dtype for t in tensors}) == 1:
        return tensors
    sum_ = tensors[0]
    for each in tensors[1:]:
        shape = (0,) if sum_.ndim or each.ndim else ()
        sum_ = sum_.new_empty(shape, dtype=result_type(sum_, each))
    return [shaping._cast(t, sum_.dtype) for t in tensors]


def _whole(value, tensor):
    """A factor that fits the dtype of a tensor; that of integers is rounded towards zero."""
    fitted = _core._fitting(value, tensor.dtype)
    return fitted if tensor.dtype.is_floating_point else int(fitted)


@composite(
    single=True,
    method=True,
    inplace=True,
    samples=lambda: [
        case(normal(2, 3), normal(2, 3), between(0.5, 2.0, 2, 3), name="plain"),
        case(normal(2, 3), normal(2, 1), between(0.5, 2.0, 3), value=2.5, name="value"),
    ],
)
def addcdiv(input, tensor1, tensor2, *, value=1):
    """``input + value * tensor1 / tensor2``, element by element; raises RuntimeError when all are integers.

    >>> tg.addcdiv(tg.ones(2), tg.tensor([1.0, 2.0]), tg.tensor([4.0, 4.0]), value=2)
    tensor([1.5000, 2.0000])
    """
    want_tensors("addcdiv", input=input, tensor1=tensor1, tensor2=tensor2)
    if not (tensor1.dtype.is_floating_point or tensor2.dtype.is_floating_point):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported. Use input + value * (tensor1 / tensor2) "
            "for the true quotient, or tensorgrad.div with rounding_mode='trunc' for whole numbers."
        )
    input, tensor1, tensor2 = together("addcdiv", *_in_one_dtype(input, tensor1, tensor2))
    return _addcdiv(input, tensor1, tensor2, _whole(value, input))
