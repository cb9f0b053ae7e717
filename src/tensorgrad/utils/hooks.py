"""PyTorch's address for the handle that takes a hook away."""

from tensorgrad.core import RemovableHandle

__all__ = ["RemovableHandle"]
