"""Layers that bring each channel to mean 0 and variance 1 over a batch, and remember both for later."""

from __future__ import annotations

from typing import Any

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.nn import functional as F
from tensorgrad.nn import init
from tensorgrad.nn.modules.lazy import LazyModuleMixin
from tensorgrad.nn.modules.normalization import _Scaled
from tensorgrad.nn.parameter import UninitializedBuffer, UninitializedParameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(_Scaled):
    """A norm of channels that may keep running means and variances."""

    _version = 2  # since it counts batches

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", tg.zeros(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", tg.ones(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer("num_batches_tracked", tg.tensor(0, dtype=tg.int64) if tracked else None)
        self._add_parameters((num_features,), affine, affine and bias, device, dtype)

    def reset_running_stats(self) -> None:
        """Running mean 0, variance 1, no batches seen."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Factor 1, offset 0, and nothing remembered."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *lists):
        if (local_metadata.get("version") or 0) < 2 and self.track_running_stats:
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)


def _refuse(input, first, second):
    if input.ndim not in (first, second):
        wanted = f"{first}D" if first == second else f"{first}D or {second}D"
        raise ValueError(f"expected {wanted} input (got {input.ndim}D input)")


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # a plain average over all batches
                momentum = 1.0 / self.num_batches_tracked.item()
        remembering = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if remembering else None,
            self.running_var if remembering else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum,
            self.eps,
        )


class _LazyNorm(LazyModuleMixin, _NormBase):
    """A norm that takes `num_features` from its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tg.tensor(0, dtype=tg.int64)

    def reset_parameters(self) -> None:
        """Factor 1, offset 0, and nothing remembered, once there is a shape."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """As many channels as the input has."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                if tensor is not None:
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class BatchNorm1d(_BatchNorm):
    r"""Each channel's distance from its mean in deviations: :math:`\frac{x - E[x]}{\sqrt{Var[x] +
    \epsilon}} \gamma + \beta`.

    In training mean and variance are the batch's, and the running ones move towards them by `momentum` (None:
    they become the average over all batches); in evaluation they are the running ones.

    Shape: input `(N, C)` or `(N, C, L)`, output the same.

    >>> nn.BatchNorm1d(2)(tg.tensor([[1.0, 2.0], [3.0, 6.0]])).detach()
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        _refuse(input, 2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images: input `(N, C, H, W)`, output the same.

    >>> y = nn.BatchNorm2d(2)(tg.arange(16.0).reshape(2, 2, 2, 2))
    >>> y.shape, y.mean((0, 2, 3)).round()
    (tensorgrad.Size([2, 2, 2, 2]), tensor([0., 0.], grad_fn=<RoundBackward0>))
    """

    def _check_input_dim(self, input: Tensor) -> None:
        _refuse(input, 4, 4)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes: input `(N, C, D, H, W)`, output the same.

    >>> nn.BatchNorm3d(2)(tg.ones(3, 2, 4, 4, 4)).shape
    tensorgrad.Size([3, 2, 4, 4, 4])
    """

    def _check_input_dim(self, input: Tensor) -> None:
        _refuse(input, 5, 5)


class SyncBatchNorm(_BatchNorm):
    """The batch norm that several processes have in common. There is one process here, so it is `BatchNorm1d`
    for inputs `(N, C, *)` of any number of dimensions; `process_group` is kept and not asked.

    >>> nn.SyncBatchNorm(2)(tg.ones(3, 2, 4, 4)).shape
    tensorgrad.Size([3, 2, 4, 4])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """The module with a `SyncBatchNorm` in place of each batch norm in it, which takes its parameters and
        what it remembers; a batch norm itself gives a new one.

        >>> net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> type(nn.SyncBatchNorm.convert_sync_batchnorm(net)[1]).__name__
        'SyncBatchNorm'
        """
        found = module
        if isinstance(module, _BatchNorm):
            settings = (module.num_features, module.eps, module.momentum, module.affine)
            found = SyncBatchNorm(*settings, module.track_running_stats, process_group)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "training"):
                setattr(found, name, getattr(module, name))
        for name, child in list(module.named_children()):
            found.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return found


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input.

    >>> norm = nn.LazyBatchNorm1d()
    >>> norm(tg.ones(2, 3, 4)).shape, type(norm).__name__
    (tensorgrad.Size([2, 3, 4]), 'BatchNorm1d')
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input.

    >>> layer = nn.LazyBatchNorm2d()
    >>> layer(tg.ones(1, 3, 4, 4)).shape, layer.num_features
    (tensorgrad.Size([1, 3, 4, 4]), 3)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input.

    >>> layer = nn.LazyBatchNorm3d()
    >>> layer(tg.ones(1, 3, 2, 2, 2)).shape, layer.num_features
    (tensorgrad.Size([1, 3, 2, 2, 2]), 3)
    """

    cls_to_become = BatchNorm3d
