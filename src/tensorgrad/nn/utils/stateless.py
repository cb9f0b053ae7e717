"""The old address of `tensorgrad.func.functional_call`."""

from __future__ import annotations

import warnings
from typing import Any

from tensorgrad import func
from tensorgrad.nn.modules.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`tensorgrad.func.functional_call` by its old name.

    >>> layer = nn.Linear(2, 1)
    >>> values = {"weight": tg.ones(1, 2), "bias": tg.zeros(1)}
    >>> nn.utils.stateless.functional_call(layer, values, tg.ones(1, 2))
    tensor([[2.]])
    """
    warnings.warn(
        "nn.utils.stateless.functional_call is now called func.functional_call", FutureWarning, stacklevel=2
    )
    return func.functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
