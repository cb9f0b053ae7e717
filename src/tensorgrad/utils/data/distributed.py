"""PyTorch's address for the sampler of several processes."""

from tensorgrad.data.samplers import DistributedSampler

__all__ = ["DistributedSampler"]
