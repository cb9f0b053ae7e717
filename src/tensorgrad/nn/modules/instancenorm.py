"""Layers that bring each channel of each sample to mean 0 and variance 1."""

from __future__ import annotations

import warnings
from typing import Any

from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.batchnorm import _LazyNorm, _NormBase, _refuse

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    dimensions: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Tensor) -> None:
        _refuse(input, self.dimensions + 1, self.dimensions + 2)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        dim = input.ndim - self.dimensions - 1
        if input.shape[dim] != self.num_features:
            message = (
                f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: "
                f"{input.shape[dim]}."
            )
            if self.affine:
                raise ValueError(message)
            warnings.warn(f"{message} It is not used because affine=False.", stacklevel=2)
        output = F.instance_norm(
            input if dim else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output if dim else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    r"""Each channel of each sample: its distance from its mean in deviations.

    Shape: input `(N, C, L)` or `(C, L)`, output the same.

    >>> nn.InstanceNorm1d(1)(tg.tensor([[[1.0, 3.0]]]))
    tensor([[[-1.0000,  1.0000]]])
    """

    dimensions = 1


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images: input `(N, C, H, W)` or `(C, H, W)`, output the same.

    >>> y = nn.InstanceNorm2d(2)(tg.arange(16.0).reshape(2, 2, 2, 2))
    >>> y.shape, y.mean().round()
    (tensorgrad.Size([2, 2, 2, 2]), tensor(0.))
    """

    dimensions = 2


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes: input `(N, C, D, H, W)` or `(C, D, H, W)`, output the same.

    >>> nn.InstanceNorm3d(2)(tg.ones(3, 2, 4, 4, 4)).shape
    tensorgrad.Size([3, 2, 4, 4, 4])
    """

    dimensions = 3


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """A `InstanceNorm1d` that takes `num_features` from its first input.

    >>> norm = nn.LazyInstanceNorm1d()
    >>> norm(tg.ones(2, 3, 4)).shape, type(norm).__name__
    (tensorgrad.Size([2, 3, 4]), 'InstanceNorm1d')
    """

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """A `InstanceNorm2d` that takes `num_features` from its first input.

    >>> layer = nn.LazyInstanceNorm2d()
    >>> layer(tg.ones(1, 3, 4, 4)).shape, layer.num_features
    (tensorgrad.Size([1, 3, 4, 4]), 3)
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """A `InstanceNorm3d` that takes `num_features` from its first input.

    >>> layer = nn.LazyInstanceNorm3d()
    >>> layer(tg.ones(1, 3, 2, 2, 2)).shape, layer.num_features
    (tensorgrad.Size([1, 3, 2, 2, 2]), 3)
    """

    cls_to_become = InstanceNorm3d
