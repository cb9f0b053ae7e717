"""Layers that make their input larger at its edges."""

from __future__ import annotations

from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Padding of the last `dimensions` dimensions: one number for all edges, or (left, right, top,
    bottom, front, back).
    """

    dimensions: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = tuple(padding) if not isinstance(padding, int) else (padding,) * (2 * self.dimensions)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """The input with `value` put on at both ends of the last dimension.

    >>> nn.ConstantPad1d(1, 7.0)(tg.zeros(1, 2))
    tensor([[7., 0., 0., 7.]])
    """

    dimensions = 1


class ConstantPad2d(_ConstantPadNd):
    """The input with `value` put around the last two dimensions.

    >>> nn.ConstantPad2d((1, 1, 0, 0), 7.0)(tg.zeros(1, 1, 1, 2))
    tensor([[[[7., 0., 0., 7.]]]])
    """

    dimensions = 2


class ConstantPad3d(_ConstantPadNd):
    """The input with `value` put around the last three dimensions.

    >>> nn.ConstantPad3d(1, 7.0)(tg.ones(1, 1, 2, 2, 2)).shape
    tensorgrad.Size([1, 1, 4, 4, 4])
    """

    dimensions = 3


class _ZeroPadNd(_ConstantPadNd):
    """A constant pad whose constant is 0 and goes without saying."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """The input with zeros put on at both ends of the last dimension.

    >>> nn.ZeroPad1d((1, 0))(tg.ones(1, 2))
    tensor([[0., 1., 1.]])
    """


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """The input with zeros put around the last two dimensions.

    >>> nn.ZeroPad2d((1, 1, 0, 0))(tg.ones(1, 1, 1, 2))
    tensor([[[[0., 1., 1., 0.]]]])
    """


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """The input with zeros put around the last three dimensions.

    >>> nn.ZeroPad3d(1)(tg.ones(1, 1, 2, 2, 2)).sum()
    tensor(8.)
    """


class _ReflectionPadNd(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """The input continued past its ends as in a mirror standing on the last element.

    >>> nn.ReflectionPad1d(2)(tg.arange(4.0).reshape(1, 4))
    tensor([[2., 1., 0., 1., 2., 3., 2., 1.]])
    """

    dimensions = 1


class ReflectionPad2d(_ReflectionPadNd):
    """The input continued past its four edges as in mirrors standing on the last elements.

    >>> nn.ReflectionPad2d((1, 1, 0, 0))(tg.arange(3.0).reshape(1, 1, 1, 3))
    tensor([[[[1., 0., 1., 2., 1.]]]])
    """

    dimensions = 2


class ReflectionPad3d(_ReflectionPadNd):
    """The input continued past its six faces as in mirrors standing on the last elements.

    >>> nn.ReflectionPad3d(1)(tg.ones(1, 1, 2, 2, 2)).shape
    tensorgrad.Size([1, 1, 4, 4, 4])
    """

    dimensions = 3


class _ReplicationPadNd(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """The input with its first and last element repeated.

    >>> nn.ReplicationPad1d(2)(tg.arange(3.0).reshape(1, 3))
    tensor([[0., 0., 0., 1., 2., 2., 2.]])
    """

    dimensions = 1


class ReplicationPad2d(_ReplicationPadNd):
    """The input with the elements at its four edges repeated.

    >>> nn.ReplicationPad2d((1, 1, 0, 0))(tg.arange(3.0).reshape(1, 1, 1, 3))
    tensor([[[[0., 0., 1., 2., 2.]]]])
    """

    dimensions = 2


class ReplicationPad3d(_ReplicationPadNd):
    """The input with the elements at its six faces repeated.

    >>> nn.ReplicationPad3d(1)(tg.ones(1, 1, 2, 2, 2)).shape
    tensorgrad.Size([1, 1, 4, 4, 4])
    """

    dimensions = 3


class _CircularPadNd(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.dimensions + 1, self.dimensions + 2):
            raise ValueError(
                f"expected {self.dimensions + 1}D or {self.dimensions + 2}D input (got {input.ndim}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """The input continued past its ends by what stands at the other end.

    >>> nn.CircularPad1d(1)(tg.arange(3.0).reshape(1, 3))
    tensor([[2., 0., 1., 2., 0.]])
    """

    dimensions = 1


class CircularPad2d(_CircularPadNd):
    """The input continued past its four edges by what stands at the opposite edge.

    >>> nn.CircularPad2d((1, 1, 0, 0))(tg.arange(3.0).reshape(1, 1, 1, 3))
    tensor([[[[2., 0., 1., 2., 0.]]]])
    """

    dimensions = 2


class CircularPad3d(_CircularPadNd):
    """The input continued past its six faces by what stands at the opposite face.

    >>> nn.CircularPad3d(1)(tg.ones(1, 1, 2, 2, 2)).shape
    tensorgrad.Size([1, 1, 4, 4, 4])
    """

    dimensions = 3
