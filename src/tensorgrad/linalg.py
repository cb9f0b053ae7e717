"""Linear algebra, under torch.linalg's names. The functions are declared in `tensorgrad.ops`."""

from typing import TYPE_CHECKING

from tensorgrad import ops
from tensorgrad.core.names import missing as _missing

_functions = ops.public("tensorgrad.linalg")
__all__ = sorted(_functions)
globals().update(_functions)


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.linalg'", name, globals())
