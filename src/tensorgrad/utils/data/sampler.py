"""PyTorch's address for samplers."""

from tensorgrad.data.samplers import *  # noqa: F403
