"""PyTorch's address for the data tools, and checkpoints."""

from typing import TYPE_CHECKING

from tensorgrad.core.names import missing as _missing

from . import checkpoint, data, hooks

__all__ = ["checkpoint", "data", "hooks"]


if TYPE_CHECKING:
    from . import benchmark as benchmark
else:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        if name == "benchmark":
            import importlib

            return importlib.import_module("tensorgrad.utils.benchmark")
        raise _missing("module 'tensorgrad.utils'", name, globals())
