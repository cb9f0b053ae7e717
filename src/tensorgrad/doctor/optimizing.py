"""Steps of optimizers, and what is around them: schedules, loaders, clipping."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from tensorgrad.doctor import arrays
from tensorgrad.doctor.knowing import Knowing, clock
from tensorgrad.doctor.places import user_place
from tensorgrad.doctor.recording import Layer, OptimizerLog
from tensorgrad.optim.optimizer import Optimizer

GATES = {"LSTM": 4, "LSTMCell": 4, "GRU": 3, "GRUCell": 3}  # whose rows a weight holds one after the other
REST = 16  # steps of which nothing is noted before that is thought over
HOOKS = 10e-6  # seconds that hooks around a step and the first call of a model take besides what they do


class Steps(Knowing):
    """The hooks around optimizers."""

    def _optimizer_made(self, init: Any) -> Any:
        @functools.wraps(init)
        def __init__(optimizer, *args, **kwargs):
            init(optimizer, *args, **kwargs)
            self.inside += 1
            try:
                self.know_optimizer(optimizer, user_place(sys._getframe(1)))
            finally:
                self.inside -= 1

        return __init__

    def _scheduler_made(self, init: Any) -> Any:
        @functools.wraps(init)
        def __init__(scheduler, optimizer, *args, **kwargs):
            if isinstance(optimizer, Optimizer):
                self.know_optimizer(optimizer).scheduler = user_place(sys._getframe(1))
            init(scheduler, optimizer, *args, **kwargs)

        return __init__

    def _loader_made(self, init: Any) -> Any:
        @functools.wraps(init)
        def __init__(loader, *args, **kwargs):
            init(loader, *args, **kwargs)
            ordered = type(getattr(loader, "sampler", None)).__name__ == "SequentialSampler"
            self.log.loaders.append((user_place(sys._getframe(1)), ordered))

        return __init__

    def _clips(self, original: Any) -> Any:
        @functools.wraps(original)
        def listed(tensors):
            frame = sys._getframe(1)
            name = frame.f_code.co_name
            if name in ("clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_"):
                place = user_place(frame)
                if place is not None:
                    self.log.clip_calls.setdefault(place, [0, 0])[0] += 1
                    self.clip_open.append(place)
            return original(tensors)

        return listed

    def _before_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        if not self.close:
            return
        log = self.know_optimizer(optimizer)
        began = clock()
        self.inside += 1
        try:
            for number in log.numbers:
                layer = self.log.layers[number]
                param = layer.ref() if layer.first is None else None
                if param is not None:
                    self._begin_layer(layer, param)
            if self.log.steps % 8 == 0:
                self.see_parameters(optimizer, log)
            self.before_step.clear()
            left = had = 0.0
            for number in log.numbers:
                layer = self.log.layers[number]
                param = layer.ref()
                if param is None or param.grad is None:
                    continue
                values = self._values(param).copy()
                self.before_step[number] = values
                grad = self._values(param.grad)
                size = arrays.norm(grad)
                layer.norms.append(arrays.norm(values))
                layer.stepped.append(size)
                layer.grads.append(self.walk_norms.get(number, size))
                if len(layer.sketches) < 200:
                    layer.sketches.append(self._some(grad, 32))
                left += size**2
                had += self.walk_norms.get(number, size) ** 2
            if had > 0 and self.walk_norms:
                log.clips.append((left / had) ** 0.5)
        finally:
            self.inside -= 1
            self.spent += clock() - began

    def _after_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        log = self.know_optimizer(optimizer)
        log.steps += 1
        self.log.steps += 1
        if self.resting:
            self.rests += 1
            if not self.rests % REST:
                self.passing += REST * HOOKS
                self.step_ended()
                if not self.resting:
                    log.cleared = False
            return
        began = clock()
        self.inside += 1
        try:
            self._see_step(optimizer, log)
            self.step_ended()
        finally:
            self.inside -= 1
            self.took(began, HOOKS)

    def _see_step(self, optimizer: Any, log: OptimizerLog) -> None:
        self.clip_open = []
        self.switched_on = False
        groups = optimizer.param_groups
        rates = [float(group.get("lr", 0.0)) for group in groups]
        log.zero_rates += not any(rates)
        if len(log.rates) < 100000:
            log.rates.append(max(rates, default=0.0))
        log.checked += 1
        log.uncleared += not log.cleared
        log.cleared = False
        decay = max((float(group.get("weight_decay", 0.0) or 0.0) for group in groups), default=0.0)
        if decay:
            log.decay = decay
            momentum = float(groups[0].get("momentum", 0.0) or 0.0)
            log.folds += (log.steps - log.noted) * max(rates) * decay / (1.0 - min(momentum, 0.99))
        log.noted = log.steps
        if log.pending:
            for number in list(log.pending):
                param = self.log.layers[number].ref()
                if param is not None and param.grad is not None:
                    if self.close and not self._values(param.grad).any():
                        continue
                    log.pending.discard(number)
        log.step_place = log.step_place or user_place(sys._getframe(2))
        if self.close:
            self._look_at_step(log, rates)

    def _look_at_step(self, log: OptimizerLog, rates: list[float]) -> None:
        """How far the step went, and what the decay did."""
        pull = force = 0.0
        for number, before in self.before_step.items():
            layer = self.log.layers[number]
            param = layer.ref()
            if param is None:
                continue
            after = self._values(param)
            if after.shape != before.shape:
                continue
            with np.errstate(all="ignore"):
                moved = arrays.norm(after - before)
            size = layer.norms[-1] if layer.norms else 0.0
            layer.ratios.append(moved / size if size > 0 else 0.0)
            layer.changed = layer.changed or moved > 0
            if layer.is_weight:
                if log.decay and max(rates):
                    pull += (log.decay * size) ** 2
                    adaptive = log.kind not in ("SGD", "LBFGS", "ASGD", "Rprop")
                    force += (moved / max(rates)) ** 2 if adaptive else layer.stepped[-1] ** 2
                self._look_at_rows(layer, after)
            if not np.isfinite(moved) and self.log.first_bad is None:
                self.log.first_bad = (self.log.walks, f"values of {layer.name}")
        if force > 0:
            log.decays.append((pull / force) ** 0.5)
        self.before_step.clear()

    def _look_at_rows(self, layer: Layer, values: np.ndarray) -> None:
        """Whether the units of a layer have the same weights."""
        if values.shape[0] < 2 or layer.row_looks > 400:
            return
        layer.row_looks += 1
        flat = values.reshape(GATES.get(layer.kind, 1), -1, int(np.prod(values.shape[1:])))[:, :256]
        flat = flat[..., :: max(1, flat.shape[-1] // 32)]
        with np.errstate(all="ignore"):
            scale = float(np.abs(flat).max())
            alike = bool((np.abs(flat - flat[:, :1]) <= 1e-6 * scale).all())
        layer.same_rows = layer.same_rows + 1 if alike else 0
