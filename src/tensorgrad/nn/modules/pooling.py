"""Layers that make of each window of their input one element: the largest, the mean, a norm."""

from __future__ import annotations

from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.modules.utils import _ntuple

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Pool(Module):
    """A pool with its settings remembered: ``function`` is the one of so many ``dimensions``."""

    dimensions: int
    function: staticmethod


class _MaxPoolNd(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window of `kernel_size` along the last dimension, every `stride` elements.

    Shape: input `(N, C, L)` or `(C, L)`, output with as many positions in the last dimension as there are
    windows: :math:`(L + 2 p - d (k - 1) - 1) / s + 1`, rounded down, or up with `ceil_mode`.

    >>> nn.MaxPool1d(2)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    dimensions = 1
    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """`MaxPool1d` for images `(N, C, H, W)` or `(C, H, W)`.

    >>> nn.MaxPool2d(2)(tg.arange(8.0).reshape(1, 2, 4))
    tensor([[[5., 7.]]])
    """

    dimensions = 2
    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """`MaxPool1d` for volumes `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> nn.MaxPool3d(2)(tg.ones(1, 2, 4, 4, 4)).shape
    tensorgrad.Size([1, 2, 2, 2, 2])
    """

    dimensions = 3
    function = staticmethod(F.max_pool3d)


class _MaxUnpoolNd(_Pool):
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        each = _ntuple(self.dimensions)
        self.kernel_size = each(kernel_size)
        self.stride = each(kernel_size if stride is None else stride)
        self.padding = each(padding)

    def forward(self, input: Tensor, indices: Any, output_size: Any = None) -> Tensor:
        return self.function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """What `MaxPool1d` gave with its indices put back where it stood, and zeros elsewhere.

    >>> values, indices = nn.MaxPool1d(2, return_indices=True)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    >>> nn.MaxUnpool1d(2)(values, indices)
    tensor([[0., 3., 2., 0.]])
    """

    dimensions = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """What `MaxPool2d` gave with its indices put back where it stood, and zeros elsewhere.

    >>> values, places = nn.MaxPool2d(2, return_indices=True)(tg.arange(4.0).reshape(1, 2, 2))
    >>> nn.MaxUnpool2d(2)(values, places)
    tensor([[[0., 0.],
             [0., 3.]]])
    """

    dimensions = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """What `MaxPool3d` gave with its indices put back where it stood, and zeros elsewhere.

    >>> values, places = nn.MaxPool3d(2, return_indices=True)(tg.ones(1, 2, 2, 2))
    >>> nn.MaxUnpool3d(2)(values, places).sum()
    tensor(1.)
    """

    dimensions = 3
    function = staticmethod(F.max_unpool3d)


class _AvgPoolNd(_Pool):
    def __init__(
        self, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of `kernel_size` along the last dimension, every `stride` elements.

    Shape: input `(N, C, L)` or `(C, L)`; the output has as many positions as that of `MaxPool1d`.

    >>> nn.AvgPool1d(2)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    dimensions = 1
    function = staticmethod(F.avg_pool1d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        each = _ntuple(1)
        stride = kernel_size if stride is None else stride
        super().__init__(each(kernel_size), each(stride), each(padding), ceil_mode, count_include_pad)


class _DividedAvgPoolNd(_AvgPoolNd):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class AvgPool2d(_DividedAvgPoolNd):
    """`AvgPool1d` for images `(N, C, H, W)` or `(C, H, W)`.

    >>> nn.AvgPool2d(2)(tg.arange(8.0).reshape(1, 2, 4))
    tensor([[[2.5000, 4.5000]]])
    """

    dimensions = 2
    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_DividedAvgPoolNd):
    """`AvgPool1d` for volumes `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> nn.AvgPool3d(2)(tg.ones(1, 2, 4, 4, 4)).shape
    tensorgrad.Size([1, 2, 2, 2, 2])
    """

    dimensions = 3
    function = staticmethod(F.avg_pool3d)


class _FractionalMaxPoolNd(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        each = _ntuple(self.dimensions)
        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size)
        self.output_ratio = None if output_ratio is None else each(output_ratio)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{type(self).__name__} takes either an output_size or an output_ratio, got "
                             f"{output_size} and {output_ratio}")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1, got {output_ratio}")

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest element of windows at random distances, so that the output has `output_size`, or
    `output_ratio` times the input's.

    >>> nn.FractionalMaxPool2d(2, output_size=3)(tg.ones(1, 7, 8)).shape
    tensorgrad.Size([1, 3, 3])
    """

    dimensions = 2
    function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """`FractionalMaxPool2d` for volumes `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> nn.FractionalMaxPool3d(2, output_size=3)(tg.ones(1, 2, 6, 6, 6)).shape
    tensorgrad.Size([1, 2, 3, 3, 3])
    """

    dimensions = 3
    function = staticmethod(F.fractional_max_pool3d)

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:  # fmt: skip
        if min(_ntuple(3)(kernel_size)) <= 0:
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        super().__init__(kernel_size, output_size, output_ratio, return_indices, _random_samples)


class _LPPoolNd(_Pool):
    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    r"""The `norm_type`-norm of each window: :math:`\sqrt[p]{\sum x^p}`.

    >>> nn.LPPool1d(2, 2)(tg.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """

    dimensions = 1
    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """`LPPool1d` for images `(N, C, H, W)` or `(C, H, W)`.

    >>> nn.LPPool2d(2, 2)(tg.ones(1, 2, 2))
    tensor([[[2.]]])
    """

    dimensions = 2
    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """`LPPool1d` for volumes `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> nn.LPPool3d(1, 2)(tg.ones(1, 2, 2, 2))
    tensor([[[[8.]]]])
    """

    dimensions = 3
    function = staticmethod(F.lp_pool3d)


class _AdaptivePoolNd(_Pool):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest element of each of `output_size` parts of the last dimension.

    >>> nn.AdaptiveMaxPool1d(2)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    dimensions = 1
    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """`AdaptiveMaxPool1d` for inputs `(N, C, H, W)` or `(C, H, W)`; None keeps a dimension.

    >>> nn.AdaptiveMaxPool2d((1, 2))(tg.arange(8.0).reshape(1, 2, 4))
    tensor([[[5., 7.]]])
    """

    dimensions = 2
    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """`AdaptiveMaxPool1d` for inputs `(N, C, D, H, W)` or `(C, D, H, W)`; None keeps a dimension.

    >>> nn.AdaptiveMaxPool3d(1)(tg.ones(1, 2, 4, 4, 4)).shape
    tensorgrad.Size([1, 2, 1, 1, 1])
    """

    dimensions = 3
    function = staticmethod(F.adaptive_max_pool3d)


class AdaptiveAvgPool1d(_AdaptivePoolNd):
    """The mean of each of `output_size` parts of the last dimension.

    >>> nn.AdaptiveAvgPool1d(2)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    dimensions = 1
    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePoolNd):
    """`AdaptiveAvgPool1d` for inputs `(N, C, H, W)` or `(C, H, W)`; None keeps a dimension.

    >>> nn.AdaptiveAvgPool2d((1, 2))(tg.arange(8.0).reshape(1, 2, 4))
    tensor([[[2.5000, 4.5000]]])
    """

    dimensions = 2
    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePoolNd):
    """`AdaptiveAvgPool1d` for inputs `(N, C, D, H, W)` or `(C, D, H, W)`; None keeps a dimension.

    >>> nn.AdaptiveAvgPool3d(1)(tg.ones(1, 2, 4, 4, 4)).shape
    tensorgrad.Size([1, 2, 1, 1, 1])
    """

    dimensions = 3
    function = staticmethod(F.adaptive_avg_pool3d)
