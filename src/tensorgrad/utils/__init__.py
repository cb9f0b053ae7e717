"""PyTorch's address for the data tools, and checkpoints."""

from typing import TYPE_CHECKING

from tensorgrad.core.names import missing as _missing

from . import checkpoint, data, hooks

__all__ = ["checkpoint", "data", "hooks"]


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.utils'", name, globals())
