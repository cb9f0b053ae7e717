"""Tensors that a module knows about: Parameter (trained) and Buffer (state that is only kept)."""

from __future__ import annotations

import tensorgrad as tg
from tensorgrad.core import Tensor

__all__ = ["Buffer", "Parameter", "is_lazy"]


class Parameter(Tensor):
    """A tensor that becomes one of a module's parameters when it is assigned to an attribute.

    It shares the memory of `data` and requires a gradient unless told otherwise. Results computed from
    it are plain tensors.

    >>> nn.Parameter(tg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        self.data = _checked(data, "Parameter")
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo):
        """A copy without the gradient, as PyTorch has it."""
        if id(self) not in memo:
            order = sorted(range(self.ndim), key=self.stride, reverse=True)  # of the dimensions in memory
            back = sorted(range(self.ndim), key=order.__getitem__)
            values = self.detach().permute(order).clone().permute(back)
            memo[id(self)] = type(self)(values, self.requires_grad)
        return memo[id(self)]

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that becomes one of a module's buffers when it is assigned to an attribute.

    With `persistent=False` the module's `state_dict` leaves it out.

    >>> module = nn.Module()
    >>> module.mean = nn.Buffer(tg.zeros(2), persistent=False)
    >>> list(module.buffers()), len(module.state_dict())
    ([tensor([0., 0.])], 0)
    """

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True):
        data = _checked(data, "Buffer")
        self.data = data
        self.requires_grad = data.requires_grad
        self.persistent = persistent


def _checked(data, what):
    if data is None:
        return tg.empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{what}: data must be a tensorgrad.Tensor, not {type(data).__name__}. "
            "Make one with tensorgrad.tensor(...)."
        )
    return data


def is_lazy(param) -> bool:
    """False: every parameter here has its values from the start."""
    return False
