"""PyTorch's address for the data tools."""

from . import data

__all__ = ["data"]
