"""Modules without first values."""

from __future__ import annotations

import inspect
from typing import Any

import tensorgrad as tg
from tensorgrad.nn.modules.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters and buffers hold any values, for those that are to be loaded; nothing is
    drawn from the generator.

    >>> nn.utils.skip_init(nn.Linear, 1, 5)
    Linear(in_features=1, out_features=5, bias=True)
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"skip_init: {module_cls} is not a class of modules")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(f"skip_init: {module_cls.__name__} takes no device")
    with tg.random.fork_rng():
        module = module_cls(*args, **kwargs)
    return module.to_empty(device=kwargs.get("device", "cpu"))
