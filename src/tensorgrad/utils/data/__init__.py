"""PyTorch's address for `tensorgrad.data`."""

from tensorgrad.data import *  # noqa: F403 - the names are in its __all__
from tensorgrad.data import __all__

from . import dataloader, dataset, distributed, sampler

__all__ = [*__all__, "dataloader", "dataset", "distributed", "sampler"]
