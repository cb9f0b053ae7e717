"""The functions behind the layers, under torch.nn.functional's names. They are declared in
`tensorgrad.ops`.
"""

from tensorgrad import ops
from tensorgrad.core.names import missing as _missing

_functions = ops.public("tensorgrad.nn.functional")
__all__ = sorted(_functions)
globals().update(_functions)


def __getattr__(name: str):
    raise _missing("module 'tensorgrad.nn.functional'", name, globals())
