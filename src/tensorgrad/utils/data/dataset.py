"""PyTorch's address for datasets."""

from tensorgrad.data.sources import *  # noqa: F403 - the names are in its __all__
