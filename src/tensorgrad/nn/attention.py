"""torch.nn.attention: the choice among implementations of `F.scaled_dot_product_attention`, of which there is
one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from tensorgrad.core.names import missing as _missing

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(Enum):
    """PyTorch's names of implementations of attention.

    >>> tg.nn.attention.SDPBackend.MATH.name
    'MATH'
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """Takes any choice of implementations; the one that there is computes inside, as it does outside.

    >>> with nn.attention.sdpa_kernel(nn.attention.SDPBackend.FLASH_ATTENTION):
    ...     F.scaled_dot_product_attention(tg.ones(1, 2), tg.ones(1, 2), tg.ones(1, 2))
    tensor([[1., 1.]])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            f"sdpa_kernel: backends has to be an SDPBackend or a list of them, not {type(backends).__name__}"
        )
    yield {}


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.nn.attention'", name, globals())
