"""Listening to a run: which step is looked at closely, and for how long.

Of a step that is noted in passing the doctor knows its loss, its rates, whether gradients were cleared. A
close look hears every op, and costs many times a small step. Both get rarer as soon as they cost too much for
the time that the run takes.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad._kernels import listen, unlisten
from tensorgrad.core import Tensor, _core, modes
from tensorgrad.data.loading import DataLoader
from tensorgrad.doctor.calling import Calls
from tensorgrad.doctor.knowing import clock
from tensorgrad.doctor.listening import PRODUCTS
from tensorgrad.doctor.optimizing import Steps
from tensorgrad.doctor.walking import Walks
from tensorgrad.nn.modules import module as modules
from tensorgrad.nn.utils import clip_grad
from tensorgrad.optim import _schedules
from tensorgrad.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

EVENT_COST = 4e-6  # seconds that the engine takes to tell an event
LOOKS = 0.3  # what close looks may cost by what the run itself takes
NOTES = 0.15  # and what is noted of all other steps


class Watcher(Calls, Walks, Steps):
    """One listener for a run. `start` and `stop` put its hooks in place and take them away."""

    # ---- in place and away

    def start(self) -> None:
        self.old_detach = Tensor.__dict__["detach"]
        self._patch_tensor("backward", self._backward_of(Tensor.__dict__["backward"]))
        self._patch_tensor("detach", self._detach_of(self.old_detach))
        self._patch(_core, "_backward", self._all_backward_of(_core._backward))
        self._patch(modules.Module, "__init__", self._module_made(modules.Module.__init__))
        self._patch(modules.Module, "train", self._train_of(modules.Module.train))
        self._patch(Optimizer, "__init__", self._optimizer_made(Optimizer.__init__))
        self._patch(_schedules.LRScheduler, "__init__", self._scheduler_made(_schedules.LRScheduler.__init__))
        self._patch(DataLoader, "__init__", self._loader_made(DataLoader.__init__))
        self._patch(clip_grad, "_listed", self._clips(clip_grad._listed))
        self._patch(modes.no_grad, "__enter__", self._waking(modes.no_grad.__enter__))
        self._patch(modes.inference_mode, "__enter__", self._waking(modes.inference_mode.__enter__))
        self._patch(_core, "_gradients_of", self._clips(_core._gradients_of))
        self.handles = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
            modules.register_module_parameter_registration_hook(self._parameter_registered),
        ]
        self.hear(True)

    def stop(self) -> None:
        self.hear(False)
        if self.glance_handle is not None:
            self.glance_handle.remove()
        for handle in self.handles:
            handle.remove()
        for owner, name, old in reversed(self.patched):
            if owner is Tensor:
                _core._add_method(name, old)
            else:
                setattr(owner, name, old)
        self.patched.clear()
        self.look_for_holder()
        if self.close:
            self.finish_span(ended=True)
        else:
            self.judge_calls(ended=True)
        self.ear.clear()

    def _patch(self, owner: Any, name: str, new: Any) -> None:
        self.patched.append((owner, name, getattr(owner, name)))
        setattr(owner, name, new)

    def _patch_tensor(self, name: str, new: Any) -> None:
        self.patched.append((Tensor, name, Tensor.__dict__[name]))
        _core._add_method(name, new)

    def hear(self, on: bool) -> None:
        if on == self.listening:
            return
        self.listening = on
        _core._set_lines(on)  # so that an error out of backward names the forward line
        if on:
            if self.glance_handle is not None:
                self.glance_handle.remove()
                self.glance_handle = None
            self.module_handles = [
                modules.register_module_forward_pre_hook(self._before_module),
                modules.register_module_forward_hook(self._after_module, always_call=True),
            ]
            listen(self.ear_hears, calls=True)
        else:
            unlisten(self.ear_hears)
            for handle in self.module_handles:
                handle.remove()
            self.module_handles = []
            self.ear.stack.clear()
            self.ear.call = 0

    @functools.cached_property
    def ear_hears(self) -> Any:
        ear = self.ear

        def hear(event: Any) -> None:
            if self.inside:
                return
            began = clock()
            self.inside = 1
            try:
                ear(event)
            except Exception as error:  # the run is not to suffer for it
                self.log.note_trouble("a look", error)
            finally:
                self.inside = 0
                self.spent += clock() - began + EVENT_COST

        return hear

    # ---- which step is looked at

    def may_look(self) -> bool:
        """Whether a close look is within what looks may cost."""
        run = clock() - self.since - self.spent - self.passing
        return self.spent < self.free + LOOKS * max(0.0, run)

    def may_note(self) -> bool:
        """Whether noting a step in passing is within what notes may cost."""
        run = clock() - self.since - self.spent - self.passing
        return self.passing < self.free + NOTES * max(0.0, run)

    def wake(self) -> None:
        """Something happens that is seldom in training steps: the next call of a model is noted though
        nothing is.
        """
        if self.resting and self.glance_handle is None and self.wakes < 8 + self.rests // 20:
            self.wakes += 1
            self.glance_handle = modules.register_module_forward_pre_hook(self._glance)

    def _waking(self, enter: Any) -> Any:
        @functools.wraps(enter)
        def entered(*args, **kwargs):
            self.wake()
            return enter(*args, **kwargs)

        return entered

    def _grown(self) -> bool:
        """Whether twice the memory of the first steps is taken: then some more looks are worth their time."""
        taken = tg.memory_allocated()
        if self.log.steps <= 8:
            self.memory = max(self.memory, taken)
        if taken > 2 * self.memory + 4_000_000 and self.extra_looks < 100:
            self.extra_looks += 1
            return True
        return False

    def step_ended(self) -> None:
        """An optimizer has stepped: whether the next step is looked at is decided now, as its data are made
        next.
        """
        if not self.stepped or self.resting:
            self.stepped = True
            self.birth_at_step = self.ear.birth
            self.next_close = self.may_look() or self._grown()
            self.hear(self.next_close)
            self.ear.waiting = self.next_close
            self.resting = not self.next_close and not self.may_note()
            if self.resting and self.close:
                self.boundary()
        if not self.listening and not self.resting and self.glance_handle is None:
            self.glance_handle = modules.register_module_forward_pre_hook(self._glance)

    def boundary(self) -> None:
        """A new step begins: what the last one showed goes into the log."""
        if self.close:
            self.finish_span()
        else:
            self.judge_calls()
        if not self.close:
            self.ear.chains.clear()  # memory may have gone to others meanwhile
        carried = self.ear.birth if self.ear.birth is not self.birth_at_step else None
        self.ear.clear()
        self.ear.birth = carried
        if self.log.steps or self.log.walks:
            self.ear.setting_up = False
        self.close = self.next_close
        self.stepped = self.ear.waiting = False
        self.walks_here = 0
        self.calls = []
        self.used_calls = self.trained_calls = 0
        self.walk_norms = {}
        self.clip_open = []
        if self.close:
            self.refresh()

    def refresh(self) -> None:
        """Where the parameters lie."""
        addresses = self.ear.params
        addresses.clear()
        for layer in self.log.layers:
            param = layer.ref()
            if param is not None:
                addresses[param.data_ptr()] = layer.number

    # ---- the end of a look

    def _note_use(self) -> None:
        """Which parameters the ops of this look read, and whether some of them learn and others do not."""
        layers = self.log.layers
        read = 0
        for record in self.ear.order:
            read |= record.params
        still = sum(1 << each.number for each in layers if read >> each.number & 1 and not each.requires_grad)
        for layer in layers:
            layer.used += read >> layer.number & 1
        if not still or still == read:
            return
        for record in self.ear.order:
            if record.name in PRODUCTS and record.params & still and record.params & ~still:
                for layer in layers:
                    layer.mixed = layer.mixed or bool((record.params & still) >> layer.number & 1)

    def finish_span(self, ended: bool = False) -> None:
        """Writes into the log what a look gave as a whole."""
        log, ear = self.log, self.ear
        self.inside += 1
        try:
            for layer in log.layers:
                param = layer.ref()
                if param is not None:
                    layer.requires_grad = bool(param.requires_grad)
                    if layer.first is not None and (ended or log.looks % 8 == 0):
                        now = self._some(self._values(param))
                        size = float(np.linalg.norm(layer.first))
                        if now.shape == layer.first.shape:
                            with np.errstate(all="ignore"):
                                layer.moved = float(np.linalg.norm(now - layer.first)) / max(size, 1e-12)
                    if not layer.requires_grad:
                        for optimizer in log.optimizers:
                            if layer.number in optimizer.numbers:
                                optimizer.frozen.add(layer.number)
                    else:
                        for optimizer in log.optimizers:
                            optimizer.frozen.discard(layer.number)
            self.judge_calls(ended)
            if not (self.walks_here or self.stepped):
                return
            log.looks += 1
            self._note_use()
            if log.sizes:
                if len(log.size_rows) < 400:
                    log.size_rows.append(log.sizes)
                log.sizes = []
            if ear.constant and self.walks_here:
                log.constant_looks[1] += 1
                if ear.rows > 1:
                    log.constant_looks[0] += all(ear.constant)
                else:
                    log.lone_looks += 1
                    log.lone_targets.update(each.values.tobytes() for each in ear.targets)
                    log.first_rows.add(hash(tuple(ear.first_rows)))
                log.constant_place = ear.data_place
            if ear.targets and self.last_site is not None:
                kinds = {each.kind for each in ear.targets}
                if len(kinds) == 1:
                    runs = log.target_runs.setdefault(self.last_site.place, [])
                    if len(runs) < 500:
                        runs.append((kinds.pop(), np.concatenate([each.values for each in ear.targets])))
            if log.first_bad is not None and (ear.birth is None or not ear.birth.name):
                ear.birth = ear.given_infinity or ear.birth  # else infinities are meant, as in masks
            if ear.birth is not None and len(log.births) < 200:
                log.births.append((log.walks, ear.birth))
            if not log.depth and ear.order:
                for record in ear.order:
                    for each in record.inputs:
                        if isinstance(each, int) and each not in log.depth:
                            log.depth.append(each)
        finally:
            self.inside -= 1
