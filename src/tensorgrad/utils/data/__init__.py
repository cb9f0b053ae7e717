"""PyTorch's address for `tensorgrad.data`."""

from tensorgrad.data import *  # noqa: F403
from tensorgrad.data import __all__

from . import dataloader, dataset, sampler

__all__ = [*__all__, "dataloader", "dataset", "sampler"]
