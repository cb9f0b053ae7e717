"""Layers that forget a part of their input while training."""

from __future__ import annotations

from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training each element is 0 with probability `p`, and the others are divided by `1 - p`; else
    the input.

    >>> nn.Dropout(0.5).eval()(tg.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Dropout of whole channels of an input `(N, C, L)` or `(C, L)`.

    >>> y = nn.Dropout1d(0.5)(tg.ones(1, 6, 3))
    >>> bool((y == y[..., :1]).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Dropout of whole channels of an input `(N, C, H, W)` or `(N, C, L)`.

    >>> y = nn.Dropout2d(0.5)(tg.ones(1, 6, 3, 3))
    >>> bool((y == y[..., :1, :1]).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Dropout of whole channels of an input `(N, C, D, H, W)` or `(C, D, H, W)`.

    >>> y = nn.Dropout3d(0.5)(tg.ones(1, 6, 3, 3, 3))
    >>> bool((y == y[..., :1, :1, :1]).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout to the value that SELU tends to, keeping mean and variance (Klambauer and others, 2017).

    >>> nn.AlphaDropout(0.5)(tg.zeros(2, 100)).unique().numel()
    2
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.

    >>> y = nn.FeatureAlphaDropout(0.5)(tg.ones(1, 6, 3, 3))
    >>> bool((y == y[..., :1, :1]).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
