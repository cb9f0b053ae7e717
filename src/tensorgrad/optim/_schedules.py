"""Schedules: how the learning rate changes from epoch to epoch.

Most of them compute the next rate from the present one, so several can act on one optimizer, each on what
the others left, and groups that were added to the optimizer later follow too. Those that compute it from the
groups' first rates refuse such groups.
"""

from __future__ import annotations

import math
import types
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tensorgrad.core import Tensor

from .optimizer import Optimizer

EPOCH_IS_OLD = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from "
    "None, the closed form is used instead of the new chainable form, where available."
)
WRONG_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the opposite "
    "order: `optimizer.step()` before `lr_scheduler.step()`. Failure to do this will result in skipping the "
    "first value of the learning rate schedule."
)
OVERRIDDEN = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, "
    "make sure to call `optimizer.step()` before `lr_scheduler.step()`."
)


class LRScheduler:
    """Sets the learning rate of an optimizer's groups anew at each `step()`.

    It is the base class of all schedules. A subclass gives `get_lr()`, the list of the groups' next rates.
    `last_epoch` counts the steps; `base_lrs` are the rates that the groups had at first. Making a scheduler
    already sets the first rate.

    >>> class Halving(tg.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [rate / 2 ** self.last_epoch for rate in self.base_lrs]
    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, _values(optimizer, "lr")):
                group.setdefault("initial_lr", lr)
        for i, group in enumerate(optimizer.param_groups):
            if "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0. Load the optimizer's state_dict first, or leave last_epoch out for a "
                    "fresh run."
                )
        self.base_lrs = _values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if not hasattr(
            optimizer, "_step_when_scheduled"
        ):  # the order of steps counts from the first scheduler on
            optimizer._step_when_scheduled = vars(optimizer).get("step")
            optimizer._opt_called = False
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict should be what state_dict() gave, not {type(state_dict).__name__}")
        vars(self).update(state_dict)

    def get_last_lr(self) -> list[float | Tensor]:
        """The groups' rates as the last step set them."""
        return self._last_lr

    def get_lr(self) -> list[float | Tensor]:
        """The groups' next rates; only `step()` should ask, `get_last_lr()` is for everybody."""
        self._warn_outside_step()
        return [self._next(lr) for lr in _values(self.optimizer, "lr")]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=3,
            )

    def _next(self, lr):
        """The rate after `lr`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what get_lr() is")

    def step(self, epoch: int | None = None) -> None:
        """Sets the next rates. Call it after the optimizer's `step()`."""
        if self._step_count == 1:
            if vars(self.optimizer).get("step") is not getattr(self.optimizer, "_step_when_scheduled", None):
                warnings.warn(OVERRIDDEN, stacklevel=2)
            elif not self.optimizer._opt_called:
                warnings.warn(WRONG_ORDER, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_IS_OLD, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            rates = (closed_form or self.get_lr)()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates: Sequence[float | Tensor]) -> None:
        for group, lr in zip(self.optimizer.param_groups, self._one_each("rates", rates)):
            _set_setting(group, "lr", lr)
        self._last_lr = _values(self.optimizer, "lr")

    def _one_each(self, what: str, values: Sequence[Any]) -> Sequence[Any]:
        """The values, one for each group; ValueError when groups were added or taken away meanwhile."""
        groups = len(self.optimizer.param_groups)
        if len(values) != groups:
            raise ValueError(
                f"{type(self).__name__} has {len(values)} {what}, and the optimizer {groups} groups: one was "
                "added or taken away after the scheduler was made. Make a new scheduler."
            )
        return values


class _ClosedForm(LRScheduler):
    """A schedule that can also jump to an epoch, by `_at`."""

    def _at(self, base):
        raise NotImplementedError

    def _get_closed_form_lr(self) -> list[float | Tensor]:
        return [self._at(base) for base in self._one_each("base_lrs", self.base_lrs)]


class _ByFunction(LRScheduler):
    """A schedule given as functions, one for each group or one for all."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _per_group(
            "lr_lambda", optimizer, lr_lambda, "Expected {groups} lr_lambdas, but got {given}"
        )
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda should be a function, but got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and plain functions; of callable objects their attributes."""
        return {**super().state_dict(), "lr_lambdas": [_attributes(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave; functions stay as they are."""
        rest, lr_lambdas = _split(state_dict, "lr_lambdas")
        super().load_state_dict(rest)
        for function, attributes in zip(self.lr_lambdas, lr_lambdas):
            if attributes is not None:
                vars(function).update(attributes)

    def _times(self, rates: Sequence[float | Tensor]) -> list[float | Tensor]:
        functions = self._one_each("lr_lambdas", self.lr_lambdas)
        return [lr * function(self.last_epoch) for lr, function in zip(rates, functions)]


class LambdaLR(_ByFunction):
    """The first rate times a function of the epoch.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5 ** epoch)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[float | Tensor]:
        self._warn_outside_step()
        return self._times(self._one_each("base_lrs", self.base_lrs))


class MultiplicativeLR(_ByFunction):
    """The rate times a function of the epoch, each time.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[float | Tensor]:
        self._warn_outside_step()
        rates = _values(self.optimizer, "lr")
        return rates if self._is_initial else self._times(rates)


class StepLR(_ClosedForm):
    """The rate times `gamma` every `step_size` epochs.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr):
        return lr if self.last_epoch == 0 or self.last_epoch % self.step_size else lr * self.gamma

    def _at(self, base):
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_ClosedForm):
    """The rate times `gamma` at each of the milestones.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 9], gamma=0.5)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr):
        return (
            lr * self.gamma ** self.milestones[self.last_epoch] if self.last_epoch in self.milestones else lr
        )

    def _at(self, base):
        return base * self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(_ClosedForm):
    """The rate times `factor` for the first `total_iters` epochs.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> tg.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5).get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr):
        if self.last_epoch == 0:
            return lr * self.factor
        return lr * (1.0 / self.factor) if self.last_epoch == self.total_iters else lr

    def _at(self, base):
        return base * (1.0 if self.last_epoch >= self.total_iters else self.factor)


class LinearLR(_ClosedForm):
    """The first rate times a factor that goes straight from `start_factor` to `end_factor` in `total_iters`
    epochs: a warm-up.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> tg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5).get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1."
            )
        if not 0 <= end_factor <= 1:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr):
        rise = self.end_factor - self.start_factor
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        return lr * (1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def _at(self, base):
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(_ClosedForm):
    """The rate times `gamma` every epoch.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr):
        return lr if self._is_initial else lr * self.gamma

    def _at(self, base):
        return base * self.gamma**self.last_epoch


class PolynomialLR(_ClosedForm):
    """The first rate times `(1 - epoch / total_iters) ** power`, down to 0.

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=2)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _next(self, lr):
        if self._is_initial or self.last_epoch > self.total_iters:
            return lr
        left = (1.0 - self.last_epoch / self.total_iters) / (1.0 - (self.last_epoch - 1) / self.total_iters)
        return lr * left**self.power

    def _at(self, base):
        return base * (1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power


class CosineAnnealingLR(_ClosedForm):
    r"""Half a cosine from the first rate down to `eta_min` in `T_max` epochs, and up again after that.

    .. math:: \eta_t = \eta_{min} + \tfrac12 (\eta_0 - \eta_{min}) (1 + \cos(\pi t / T_{max}))

    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        self._warn_outside_step()
        t, rates = self.last_epoch, _values(self.optimizer, "lr")
        if self._is_initial:
            return rates
        if self._step_count == 1 and t > 0:
            return self._get_closed_form_lr()
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom, where the ratio below is 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            bases = self._one_each("base_lrs", self.base_lrs)
            return [lr + (base - self.eta_min) * rise for lr, base in zip(rates, bases)]
        ratio = (1 + math.cos(math.pi * t / self.T_max)) / (1 + math.cos(math.pi * (t - 1) / self.T_max))
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in rates]

    def _at(self, base):
        return (
            self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        )


def _values(optimizer: Optimizer, key: str) -> list[Any]:
    """The groups' values of a setting; tensors as copies."""
    return [
        group[key].clone() if isinstance(group[key], Tensor) else group[key]
        for group in optimizer.param_groups
    ]


def _set_setting(group: dict[str, Any], key: str, value: Any) -> None:
    """Sets a setting; one that is a tensor stays the same tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[key] = value


def _per_group(name: str, optimizer: Optimizer, given: Any, message: str | None = None) -> list[Any]:
    """One value for each group, from one for all or a list."""
    groups = len(optimizer.param_groups)
    if not isinstance(given, (list, tuple)):
        given = [given] * groups
    if len(given) != groups:
        message = message or (
            name
            + " must have the same length as optimizer.param_groups. "
            + name
            + " has {given} values, param_groups has {groups}."
        )
        raise ValueError(message.format(groups=groups, given=len(given)))
    return [value.clone() if isinstance(value, Tensor) else value for value in given]


def _given(group: dict[str, Any], key: str) -> Any:
    """A setting that a scheduler gave to the groups that were there when it was made."""
    if key not in group:
        raise KeyError(
            f"'{key}' is not specified in a group that was added after the scheduler was made: give it to "
            "add_param_group()"
        )
    return group[key]


def _split(state_dict: dict[str, Any], key: str) -> tuple[dict[str, Any], Any]:
    """A state_dict without one of its entries, and that entry."""
    if not isinstance(state_dict, Mapping) or key not in state_dict:
        kind = KeyError if isinstance(state_dict, Mapping) else TypeError
        raise kind(f"this is no state_dict of such a scheduler: it has no '{key}'")
    return {name: value for name, value in state_dict.items() if name != key}, state_dict[key]


def _attributes(function: Any) -> dict[str, Any] | None:
    """What a file can hold of a callable: an object's attributes, and of a plain function nothing."""
    return None if function is None or isinstance(function, types.FunctionType) else vars(function).copy()


def _uses_betas(optimizer: Optimizer) -> bool:
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def _set_momentum(group: dict[str, Any], use_beta1: bool, momentum: float) -> None:
    if use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _begin_momentum(optimizer: Optimizer, use_beta1: bool, low: list[float], high: list[float]) -> None:
    for group, base, top in zip(optimizer.param_groups, low, high):
        _set_momentum(group, use_beta1, top)
        group["max_momentum"] = top
        group["base_momentum"] = base
