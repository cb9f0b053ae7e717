"""Optimizers, and schedules for their learning rates."""

from typing import TYPE_CHECKING

from tensorgrad.core.names import missing as _missing

from . import lr_scheduler
from .adaptive import Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, SparseAdam
from .descent import ASGD, SGD, Muon, Rprop
from .optimizer import Optimizer
from .quasi_newton import LBFGS

__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SparseAdam",
    "lr_scheduler",
]


if TYPE_CHECKING:
    from . import swa_utils as swa_utils
else:

    def __getattr__(name: str):
        if name == "swa_utils":  # needs nn, which the optimizers do without
            import importlib

            return importlib.import_module("tensorgrad.optim.swa_utils")
        raise _missing("module 'tensorgrad.optim'", name, globals())
