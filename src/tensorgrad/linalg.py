"""Linear algebra, under torch.linalg's names. The functions are declared in `tensorgrad.ops`."""

from tensorgrad import ops
from tensorgrad.core.names import missing as _missing

_functions = ops.public("tensorgrad.linalg")
__all__ = sorted(_functions)
globals().update(_functions)


def __getattr__(name: str):
    raise _missing("module 'tensorgrad.linalg'", name, globals())
