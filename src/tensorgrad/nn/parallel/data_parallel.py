"""One module for each part of a batch: on a CPU there is one part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorgrad.nn.modules.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls `module`, as PyTorch's does where there are no GPUs. A `state_dict` has its names behind
    `module.`, as checkpoints of models that were trained so do.

    `device_ids`, `output_device` and `dim` are not asked.

    >>> list(nn.DataParallel(nn.Linear(2, 3)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """What `module` gives of `inputs`, a tuple of its arguments or the only one.

    >>> nn.parallel.data_parallel(nn.Flatten(), tg.ones(2, 3, 4)).shape
    tensorgrad.Size([2, 12])
    """
    inputs = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


class DistributedDataParallel(Module):
    """Raises ValueError when made, as PyTorch's does where there is no group of processes; no module is one.

    >>> isinstance(nn.Linear(1, 1), nn.parallel.DistributedDataParallel)
    False
    """

    def __init__(self, module: Module, *args: Any, **settings: Any) -> None:
        raise ValueError("Default process group has not been initialized: there is only this process")
