"""PyTorch's address for the data tools, and checkpoints."""

from tensorgrad.core.names import missing as _missing

from . import checkpoint, data, hooks

__all__ = ["checkpoint", "data", "hooks"]


def __getattr__(name: str):
    raise _missing("module 'tensorgrad.utils'", name, globals())
