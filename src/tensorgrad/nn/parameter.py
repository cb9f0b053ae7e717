"""Tensors that a module knows about: Parameter (trained) and Buffer (state that is only kept), and those that
wait for their shape.
"""

from __future__ import annotations

from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor, _core

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class Parameter(Tensor):
    """A tensor that becomes one of a module's parameters when it is assigned to an attribute.

    It shares the memory of `data` and requires a gradient unless told otherwise. Results computed from
    it are plain tensors.

    >>> nn.Parameter(tg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __torch_function__ = _core._disabled_torch_function_impl

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        return Tensor._make_subclass(cls, _checked(data, "Parameter"), requires_grad)

    def __deepcopy__(self, memo):
        """A copy without the gradient, as PyTorch has it."""
        if id(self) not in memo:
            order = sorted(range(self.ndim), key=self.stride, reverse=True)  # of the dimensions in memory
            back = sorted(range(self.ndim), key=order.__getitem__)
            values = self.detach().permute(order).clone().permute(back)
            memo[id(self)] = type(self)(values, self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        shown = super().__repr__()
        return "Parameter containing:\n" + (shown if type(self) is Parameter else f"Parameter({shown})")


class Buffer(Tensor):
    """A tensor that becomes one of a module's buffers when it is assigned to an attribute.

    With `persistent=False` the module's `state_dict` leaves it out.

    >>> module = nn.Module()
    >>> module.mean = nn.Buffer(tg.zeros(2), persistent=False)
    >>> list(module.buffers()), len(module.state_dict())
    ([tensor([0., 0.])], 0)
    """

    __torch_function__ = _core._disabled_torch_function_impl
    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        data = _checked(data, "Buffer")
        made = Tensor._make_subclass(cls, data, data.requires_grad)
        made.persistent = persistent
        return made


def _checked(data, what):
    if data is None:
        return tg.empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{what}: data must be a tensorgrad.Tensor, not {type(data).__name__}. "
            "Make one with tensorgrad.tensor(...)."
        )
    if data.layout is not tg.strided:
        raise NotImplementedError(f"{what}: there is none of a sparse tensor in tensorgrad yet")
    return data


# ---- without a shape yet


class UninitializedTensorMixin(Tensor):
    """A parameter or buffer that gets its shape when its module sees the first input.

    It has a dtype, can be converted and told whether it requires a gradient; all else is refused.
    """

    __torch_function__ = _core._disabled_torch_function_impl
    cls_to_become: type[Tensor]

    def __new__(cls, *args: Any, **settings: Any) -> Any:
        return Tensor.__new__(cls)

    def _begin(self, requires_grad, device, dtype):
        self.data = tg.empty(0, device=device, dtype=dtype)
        self.requires_grad = requires_grad

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Becomes an ordinary parameter or buffer of that shape, with any values."""
        self.data = tg.empty(
            shape,
            device=self.device if device is None else device,
            dtype=self.dtype if dtype is None else dtype,
        )
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def shape(self) -> Any:  # type: ignore[override]
        raise RuntimeError(
            "an uninitialized parameter or buffer has no shape: call its module once. One that has values "
            "can't be loaded from one that has none"
        )

    def detach(self) -> Any:
        """Itself: there are no values to share."""
        return self

    def __deepcopy__(self, memo):
        return memo.setdefault(id(self), self._like(self.dtype))

    def __reduce_ex__(self, protocol):
        return type(self), (self.requires_grad, None, self.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _like(self, dtype):
        return type(self)(self.requires_grad, dtype=dtype)


def _refused(name):
    def refuse(self, *args, **kwargs):
        raise ValueError(
            f"{name} of an uninitialized parameter or buffer: call its module once, then it has a shape"
        )

    return refuse


def _converted(name):
    def convert(self, *args, **kwargs):
        return self._like(getattr(Tensor, name)(self, *args, **kwargs).dtype)

    return convert


_CONVERSIONS = {"bfloat16", "char", "cpu", "double", "float", "half", "int", "long", "short", "to", "type"}
_COMPARED = {"__eq__", "__ge__", "__gt__", "__le__", "__lt__", "__ne__"}
_ALLOWED = {"copy_", "get_device", "is_floating_point", "requires_grad_", *dir(object)} - _COMPARED
for _name in dir(Tensor):
    if _name in _CONVERSIONS:
        setattr(UninitializedTensorMixin, _name, _converted(_name))
    elif callable(getattr(Tensor, _name)) and _name not in {*_ALLOWED, *vars(UninitializedTensorMixin)}:
        setattr(UninitializedTensorMixin, _name, _refused(_name))


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter that gets its shape later, by `materialize`.

    >>> parameter = nn.UninitializedParameter()
    >>> parameter
    <UninitializedParameter>
    >>> parameter.materialize((2, 3))
    >>> type(parameter).__name__, parameter.shape
    ('Parameter', tensorgrad.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._begin(requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer that gets its shape later, by `materialize`.

    >>> nn.UninitializedBuffer(dtype=tg.float64).dtype
    tensorgrad.float64
    """

    cls_to_become = Buffer

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> None:
        self._begin(requires_grad, device, dtype)
        self.persistent = persistent

    def _like(self, dtype):
        return type(self)(self.requires_grad, dtype=dtype, persistent=self.persistent)


def is_lazy(param: Tensor) -> bool:
    """Whether a parameter or buffer waits for its shape.

    >>> nn.parameter.is_lazy(nn.LazyLinear(2).weight)
    True
    """
    return isinstance(param, UninitializedTensorMixin)
