"""Linear algebra, under torch.linalg's names. The functions are declared in `tensorgrad.ops`."""

from tensorgrad import ops

_functions = ops.public("tensorgrad.linalg")
__all__ = sorted(_functions)
globals().update(_functions)
