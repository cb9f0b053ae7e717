"""Layers that cut images into patches, and add patches up to images."""

from __future__ import annotations

from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]


class _Patches(Module):
    """Which patches are meant. Each setting is one number, or one for height and one for width."""

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def extra_repr(self) -> str:
        names = ("kernel_size", "dilation", "padding", "stride")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class Unfold(_Patches):
    """All patches of images, as columns.

    Shape: input `(N, C, H, W)` or `(C, H, W)`, output `(N, C * patch, patches)` or `(C * patch, patches)`,
    where `patch` is the number of pixels of one.

    >>> nn.Unfold((2, 3))(tg.ones(2, 5, 3, 4)).shape
    tensorgrad.Size([2, 30, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Patches):
    """Columns of patches, added up where they lie in images of `output_size`.

    Shape: input `(N, C * patch, patches)` or `(C * patch, patches)`, output `(N, C, *output_size)` or
    `(C, *output_size)`.

    >>> nn.Fold(3, 2)(tg.ones(1, 4, 4)).squeeze()
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
