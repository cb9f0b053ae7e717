"""Layers that lay a small kernel of weights on every place of a signal, an image or a volume."""

from __future__ import annotations

import math
from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn import init
from tensorgrad.nn.modules.lazy import LazyModuleMixin
from tensorgrad.nn.modules.module import Module
from tensorgrad.nn.modules.utils import _ntuple
from tensorgrad.nn.parameter import Parameter, UninitializedParameter
from tensorgrad.ops.layers.convolution import same_padding

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

MODES = ("zeros", "reflect", "replicate", "circular")


def _check(in_channels, out_channels, stride, padding, groups, padding_mode):
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name} must be divisible by groups, got {channels} and {groups}")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be 'same' or 'valid'")
        if padding == "same" and any(s != 1 for s in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in MODES:
        raise ValueError(
            f"padding_mode must be one of {', '.join(map(repr, MODES))}, but got {padding_mode=}"
        )


class _ConvNd(Module):
    """What convolutions of all dimensions, transposed or not, have in common."""

    rank: int
    transposed = False

    def __init__(
        self,
        in_channels: Any,
        out_channels: Any,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: Any,
        bias: Any,
        padding_mode: Any,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        each = _ntuple(self.rank)
        _check(in_channels, out_channels, each(stride), padding, groups, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each(kernel_size)
        self.stride = each(stride)
        self.padding = padding if isinstance(padding, str) else each(padding)
        self.dilation = each(dilation)
        self.output_padding = each(output_padding)
        self.groups = groups
        self.padding_mode = padding_mode
        self.weight = Parameter(tg.empty(self._weight_shape(), device=device, dtype=dtype))
        self.register_parameter(
            "bias", Parameter(tg.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def _weight_shape(self):
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draws first values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # which comes to the bound below
        if self.bias is not None:
            fan_in = self.weight[0].numel() if len(self.weight) else 0
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    @property
    def _edges(self):
        """The padding as `F.pad` takes it: before and after, from the last dimension backwards."""
        if self.padding == "valid":
            return (0,) * (2 * self.rank)
        if self.padding == "same":
            sides = same_padding(self.kernel_size, self.dilation)
        else:
            sides = [(p, p) for p in self.padding]
        return tuple(each for side in reversed(sides) for each in side)

    def _state_for_torch(self):
        edges = {"transposed": self.transposed, "_reversed_padding_repeated_twice": list(self._edges)}
        return super()._state_for_torch() | edges

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        plain = len(self.padding) if isinstance(self.padding, tuple) else 0
        if self.padding != (0,) * plain:
            text += f", padding={self.padding!r}" if plain else f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            text += f", dilation={self.dilation}"
        if any(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input, weight, bias):
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._edges, self.padding_mode), 0
        return self.convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    r"""Sums of products of a kernel with the signal under it, at each place: :math:`y_o = b_o + \sum_c w_{oc}
    \star x_c`.

    `padding` puts that many values at both ends, or as many as keep the size ("same"): zeros, or by
    `padding_mode` mirrored ("reflect"), the edge ("replicate"), the other end ("circular"). `groups`: each of
    as many parts of the filters sees its part of the channels. Weights and bias start evenly distributed in
    :math:`\pm 1/\sqrt{\text{fan\_in}}`.

    Shape: input `(N, C, L)` or `(C, L)`, output `(N, O, (L + 2 padding - dilation (kernel - 1) - 1) // stride
    + 1)`.

    >>> nn.Conv1d(16, 33, 3, stride=2)(tg.ones(20, 16, 50)).shape
    tensorgrad.Size([20, 33, 24])
    """

    rank = 1
    convolve = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """`Conv1d` for images: input `(N, C, H, W)` or `(C, H, W)`.

    >>> nn.Conv2d(3, 8, 3, padding=1)(tg.ones(1, 3, 28, 28)).shape
    tensorgrad.Size([1, 8, 28, 28])
    """

    rank = 2
    convolve = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """`Conv1d` for volumes: input `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> nn.Conv3d(1, 2, 2)(tg.ones(1, 1, 4, 4, 4)).shape
    tensorgrad.Size([1, 2, 3, 3, 3])
    """

    rank = 3
    convolve = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return self.convolve(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding(self, input, output_size):
        """What is missing to the size asked for; ValueError where the stride does not leave it open."""
        size = tuple(output_size)
        rank, given = self.rank, len(size)
        if given == input.ndim and input.ndim > rank:
            size = size[-rank:]
        if len(size) != rank:
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {rank} or "
                f"{input.ndim} elements (got {given})"
            )
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-rank:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if any(not a <= n <= b for a, n, b in zip(least, size, most, strict=True)):
            raise ValueError(
                f"requested an output size of {list(size)}, but valid sizes range from {least} to {most} "
                f"(for an input of {tuple(input.shape[-rank:])})"
            )
        return tuple(n - a for n, a in zip(size, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    r"""The gradient of `Conv1d` for its input, as a layer: each value puts a copy of the kernel into the
    output.

    `output_padding` makes the output longer at one end, where a stride leaves its size open; `output_size` of
    a call says the size itself.

    Shape: input `(N, C, L)` or `(C, L)`, output `(N, O, (L - 1) stride - 2 padding + dilation (kernel - 1) +
    output_padding + 1)`.

    >>> nn.ConvTranspose1d(4, 2, 3, stride=2)(tg.ones(1, 4, 5)).shape
    tensorgrad.Size([1, 2, 11])
    """

    rank = 1
    convolve = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """`ConvTranspose1d` for images.

    >>> nn.ConvTranspose2d(4, 2, 3, stride=2)(tg.ones(1, 4, 5, 5), output_size=(12, 12)).shape
    tensorgrad.Size([1, 2, 12, 12])
    """

    rank = 2
    convolve = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """`ConvTranspose1d` for volumes.

    >>> nn.ConvTranspose3d(1, 1, 2)(tg.ones(1, 1, 2, 2, 2)).shape
    tensorgrad.Size([1, 1, 3, 3, 3])
    """

    rank = 3
    convolve = staticmethod(F.conv_transpose3d)


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    """A convolution that takes `in_channels` from its first input."""

    weight: UninitializedParameter

    def _wait(self, out_channels, bias, device, dtype):
        if out_channels % self.groups:
            raise ValueError(
                f"out_channels must be divisible by groups, got {out_channels} and {self.groups}"
            )
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws first values anew, once there is a shape."""
        if not self.has_uninitialized_params() and self.in_channels:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """As many channels as the input has."""
        if input.ndim not in (self.rank + 1, self.rank + 2):
            raise RuntimeError(
                f"Expected {self.rank + 1}D (unbatched) or {self.rank + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {list(input.shape)}"
            )
        if self.has_uninitialized_params():
            self.in_channels = input.shape[-self.rank - 1]
            if self.in_channels % self.groups:
                raise ValueError(
                    f"in_channels must be divisible by groups, got {self.in_channels} and {self.groups}"
                )
            self.weight.materialize(self._weight_shape())
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        elif not self.in_channels:  # the weights were loaded
            self.in_channels = input.shape[-self.rank - 1]


class _LazyConv(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode
        )
        self._wait(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` that takes `in_channels` from its first input.

    >>> layer = nn.LazyConv1d(4, 3)
    >>> layer(tg.ones(2, 5, 9)).shape, layer
    (tensorgrad.Size([2, 4, 7]), Conv1d(5, 4, kernel_size=(3,), stride=(1,)))
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input.

    >>> layer = nn.LazyConv2d(8, 3)
    >>> layer(tg.ones(1, 3, 28, 28)).shape, layer.in_channels
    (tensorgrad.Size([1, 8, 26, 26]), 3)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` that takes `in_channels` from its first input.

    >>> layer = nn.LazyConv3d(8, 3)
    >>> layer(tg.ones(1, 3, 5, 5, 5)).shape, layer.in_channels
    (tensorgrad.Size([1, 8, 3, 3, 3]), 3)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from its first input.

    >>> layer = nn.LazyConvTranspose1d(8, 3)
    >>> layer(tg.ones(1, 4, 10)).shape, layer.in_channels
    (tensorgrad.Size([1, 8, 12]), 4)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from its first input.

    >>> layer = nn.LazyConvTranspose2d(8, 3)
    >>> layer(tg.ones(1, 4, 5, 5)).shape, layer.in_channels
    (tensorgrad.Size([1, 8, 7, 7]), 4)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from its first input.

    >>> layer = nn.LazyConvTranspose3d(8, 3)
    >>> layer(tg.ones(1, 4, 3, 3, 3)).shape, layer.in_channels
    (tensorgrad.Size([1, 8, 5, 5, 5]), 4)
    """

    cls_to_become = ConvTranspose3d
