"""Layers and what belongs to them, under torch.nn's names."""

from typing import TYPE_CHECKING

from tensorgrad.core.names import missing as _missing
from tensorgrad.nn import attention, functional, init, modules, parallel, parameter, utils
from tensorgrad.nn.modules import *  # noqa: F403 - the names are in its __all__
from tensorgrad.nn.modules.utils import factory_kwargs
from tensorgrad.nn.parallel import DataParallel
from tensorgrad.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "factory_kwargs",
    "functional",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
    *modules.__all__,
]


if not TYPE_CHECKING:  # to type checkers a name that is not there is an error

    def __getattr__(name: str):
        raise _missing("module 'tensorgrad.nn'", name, globals())
