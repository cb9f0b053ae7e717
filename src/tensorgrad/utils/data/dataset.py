"""PyTorch's address for datasets."""

from tensorgrad.data.sources import *  # noqa: F403
