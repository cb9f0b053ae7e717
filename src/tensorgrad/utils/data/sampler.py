"""PyTorch's address for samplers."""

from tensorgrad.data.samplers import *  # noqa: F403 - the names are in its __all__
