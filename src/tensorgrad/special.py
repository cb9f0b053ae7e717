"""The special functions, under torch.special's names. Declared in `ops.elementwise.special` and around.

>>> tg.special.expit(tg.tensor([0.0]))
tensor([0.5000])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorgrad import ops
from tensorgrad.core.names import missing as _missing

_found = {name: op for name, op in ops.public("tensorgrad.special").items() if not name.endswith("_")}
globals().update(_found)
__all__ = sorted(_found)


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.special'", name, globals())
