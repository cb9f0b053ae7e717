"""Layers and what belongs to them, under torch.nn's names."""

from tensorgrad.nn import functional, init, modules, parameter, utils
from tensorgrad.nn.modules import *  # noqa: F403
from tensorgrad.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "modules", "parameter", "utils", *modules.__all__]
