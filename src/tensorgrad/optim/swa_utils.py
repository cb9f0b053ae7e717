"""Averages of a model's weights over the course of training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from tensorgrad.core import Tensor, no_grad
from tensorgrad.nn import Module
from tensorgrad.nn.modules.batchnorm import _NormBase
from tensorgrad.ops.making.creation import tensor

from ._schedules import LRScheduler, _given
from .optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _checked(decay: float) -> float:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")
    return decay


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """The function that gives ``decay * averaged + (1 - decay) * current``, for `AveragedModel`.

    >>> tg.optim.swa_utils.get_ema_avg_fn(0.9)(tg.tensor(1.0), tg.tensor(2.0), 5)
    tensor(1.1000)
    """
    _checked(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """The function that gives the mean of all that was averaged, for `AveragedModel`.

    >>> tg.optim.swa_utils.get_swa_avg_fn()(tg.tensor(1.0), tg.tensor(4.0), 2)
    tensor(2.)
    """

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """The function that moves lists of averages in place to ``decay * averaged + (1 - decay) * current``.

    >>> mean = tg.tensor(1.0)
    >>> tg.optim.swa_utils.get_ema_multi_avg_fn(0.9)([mean], [tg.tensor(2.0)], 5); mean
    tensor(1.1000)
    """
    _checked(decay)

    @no_grad()
    def ema_update(ema_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any) -> None:
        for average, current in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """The function that moves lists of averages in place to the mean of all that was averaged.

    >>> mean = tg.tensor(1.0)
    >>> tg.optim.swa_utils.get_swa_multi_avg_fn()([mean], [tg.tensor(4.0)], 2); mean
    tensor(2.)
    """

    @no_grad()
    def swa_update(
        averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        share = 1 / (float(num_averaged) + 1)
        for average, current in zip(averaged_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                average.lerp_(current, share)
            else:
                average.add_((current - average) * share)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's, taken at each `update_parameters`.

    They are means of all, unless ``avg_fn(averaged, current, n_averaged)``, which gives a new average, or
    ``multi_avg_fn``, which moves lists of them in place, says otherwise. Buffers are copied, or averaged too
    with ``use_buffers``.

    >>> model = nn.Linear(1, 1)
    >>> mean = tg.optim.swa_utils.AveragedModel(model)
    >>> mean.update_parameters(model); mean.n_averaged
    tensor(1)
    """

    n_averaged: Tensor

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None, use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def _state(self, module: Module) -> list[Tensor]:
        return list(
            itertools.chain(module.parameters(), module.buffers())
            if self.use_buffers
            else module.parameters()
        )

    def update_parameters(self, model: Module) -> None:
        """Takes the model's present parameters into the averages; at first they are copied."""
        averages = [t.detach() for t in self._state(self.module)]
        currents = [t.detach() for t in self._state(model)]
        if self.n_averaged == 0:
            for average, current in zip(averages, currents, strict=True):
                average.copy_(current)
        elif self.avg_fn is not None:
            for average, current in zip(averages, currents, strict=True):
                average.copy_(self.avg_fn(average, current, self.n_averaged))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, currents, self.n_averaged)
        if not self.use_buffers:
            for kept, current in zip(self.module.buffers(), model.buffers(), strict=True):
                kept.detach().copy_(current.detach())
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running means and variances of a model's batch norms anew, from one pass over the data.

    Of batches that are lists or tuples the first part goes into the model.

    >>> norm = nn.BatchNorm1d(1)
    >>> tg.optim.swa_utils.update_bn([tg.tensor([[1.0], [3.0]])], norm); norm.running_mean
    tensor([2.])
    """
    norms = [m for m in model.modules() if isinstance(m, _NormBase)]
    momenta = [m.momentum for m in norms]
    if not norms:
        return
    training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    for batch in loader:
        if isinstance(batch, (list, tuple)):
            batch = batch[0]
        model(batch if device is None else batch.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """Goes from the present learning rate to ``swa_lr`` within ``anneal_epochs`` steps, along a cosine or a
    line, and stays there.

    >>> optimizer = tg.optim.SGD([tg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = tg.optim.swa_utils.SWALR(optimizer, swa_lr=0.1, anneal_epochs=1)
    >>> optimizer.step(); schedule.step(); schedule.get_last_lr()
    [0.1]
    """

    def __init__(
        self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10,
        anneal_strategy: str = "cos", last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(optimizer.param_groups)
        if len(rates) != len(optimizer.param_groups):
            raise ValueError(
                f"swa_lr must have the same length as optimizer.param_groups: {len(rates)}, "
                f"{len(optimizer.param_groups)}"
            )
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, t: float) -> float:
        """How much of the way is gone at a part of the time."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        """The groups' next rates."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        last, now = (
            self._share(max(0.0, min(1.0, n / max(1, self.anneal_epochs)))) for n in (step - 1, step)
        )
        rates = []
        for group in self.optimizer.param_groups:
            end = _given(group, "swa_lr")
            start = end if last == 1 else (group["lr"] - last * end) / (1 - last)  # where the way began
            rates.append(end * now + start * (1 - now))
        return rates
