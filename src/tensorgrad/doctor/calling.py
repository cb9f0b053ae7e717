"""Calls of models: which are training and which evaluation, what goes in, in which mode."""

from __future__ import annotations

import functools
import sys
import weakref
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.doctor import arrays, measures
from tensorgrad.doctor.knowing import Knowing, clock
from tensorgrad.doctor.places import Place, user_place
from tensorgrad.nn.modules.batchnorm import _BatchNorm
from tensorgrad.nn.parameter import Parameter


class Calls(Knowing):
    """The hooks around modules."""

    def _module_made(self, init: Any) -> Any:
        @functools.wraps(init)
        def __init__(module, *args, **kwargs):
            self.made[id(module)] = (type(module).__name__, user_place(sys._getframe(1)))
            init(module, *args, **kwargs)

        return __init__

    def _train_of(self, train: Any) -> Any:
        @functools.wraps(train)
        def switched(module, mode=True):
            if not self.train_depth:
                self.wake()
            if not self.train_depth and mode and not module.training and self.log.steps:
                self.switched_on = True
            if not self.train_depth and (module.training is not mode or id(module) not in self.log.modes):
                place = user_place(sys._getframe(1))
                for each in module.modules():
                    self.log.modes[id(each)] = place
            self.train_depth += 1
            try:
                return train(module, mode)
            finally:
                self.train_depth -= 1

        return switched

    def _parameter_registered(self, module: Any, name: str, param: Any) -> None:
        self.registered += 1
        if isinstance(param, Parameter):
            number = self.know(param)
            layer = self.log.layers[number]
            layer.registered = self.registered
            layer.registered_at = user_place(sys._getframe(1))
            if not layer.kind:
                self._describe(layer, name, module)

    def _before_module(self, module: Any, args: tuple) -> None:
        began = clock()
        self.inside += 1
        try:
            stack = self.ear.stack
            if not stack:
                self._root_call(module, args)
            name = self.module_names.get(id(module), "")
            entry = self.cached.get(id(module))
            params = module._parameters
            if entry is None or entry[0]() is not module or entry[1] != [id(p) for p in params.values()]:
                for key, param in params.items():
                    if param is not None:
                        number = self.know(param, f"{name or type(module).__name__}.{key}", module)
                        if self.close:
                            self.ear.params[param.data_ptr()] = number
                self.cached[id(module)] = (weakref.ref(module), [id(p) for p in params.values()])
            made = self.made.get(id(module))
            stack.append((module, name, made[1] if made else None))
            if isinstance(module, _BatchNorm) and module.training and tg.is_grad_enabled():
                self._check_rows(module, args)
        finally:
            self.inside -= 1
            self.spent += clock() - began

    def _check_rows(self, module: Any, args: tuple) -> None:
        shape = args[0].shape if args and isinstance(args[0], Tensor) else None
        place = user_place(sys._getframe(2))
        if shape is not None and place is not None:
            name = self.module_names.get(id(module), "")
            entry = self.log.lone_rows.setdefault(place, [0, 0, name, tuple(shape)])
            entry[1] += 1
            if shape[0] == 1:
                entry[0] += 1
                entry[3] = tuple(shape)

    def _root_call(self, module: Any, args: tuple) -> None:
        """A model is called, from outside of any other."""
        if self.stepped or self.walks_here > 16:
            self.boundary()
        if id(module) not in self.module_names or self.module_names[id(module)] != "":
            self.name_modules(module)
        bit = len(self.calls)
        self.ear.call = 1 << bit
        self.ear.recording = tg.is_grad_enabled()
        self.calls.append(self._call_seen(module, user_place(sys._getframe(3))))
        for each in args:
            if isinstance(each, Tensor) and each.is_floating_point() and each.numel():
                values = self._values(each)
                if np.isnan(values).any() or (np.isinf(values).any() and not np.isneginf(values).any()):
                    self.log.data_bad = True

    def _call_seen(self, module: Any, place: Place | None) -> dict[str, Any]:
        some = self.mode_layers_of(module)
        return {
            "model": id(module), "training": any(each.training for each in some), "dependent": bool(some),
            "grad": tg.is_grad_enabled(), "place": place, "modes": self.log.modes.get(id(module)),
            "kinds": sorted({type(each).__name__ for each in some}), "switched": self.switched_on,
        }  # fmt: skip

    def _after_module(self, module: Any, args: tuple, output: Any) -> None:
        stack = self.ear.stack
        while stack and stack.pop()[0] is not module:
            pass
        if not stack:
            self.ear.call = 0
        if isinstance(output, Tensor) and output.is_floating_point() and module._parameters:
            began = clock()
            values = self._values(output)
            name = self.module_names.get(id(module)) or type(module).__name__
            rows = self.log.table.setdefault(name, [])
            if len(rows) < 4000 and values.size and tg.is_grad_enabled():
                values = arrays.some(values)
                with np.errstate(all="ignore"):
                    rows.append((self.log.steps, float(values.mean()), float(values.std())))
                    if values.ndim == 2 and min(values.shape) > 1 and len(rows) % 8 == 1:
                        self.log.ranks.setdefault(name, []).append(measures.effective_rank(values[:64, :64]))
            self.spent += clock() - began

    def _glance(self, module: Any, args: tuple) -> None:
        """The first call of a model behind a step that nobody looks at closely."""
        began = clock()
        if self.stepped:
            self.boundary()
        place = user_place(sys._getframe(1))
        seen = self._call_seen(module, place)
        self.calls.append(seen)
        if seen["grad"] or not seen["dependent"] or len(self.calls) > 3:
            self.glance_handle.remove()
            self.glance_handle = None
        self.took(began)

    def judge_calls(self, ended: bool = False) -> None:
        """Of the model's calls in a step: which were training, which evaluation, and in which mode."""
        for number, call in enumerate(self.calls):
            if not call["dependent"]:
                continue
            known = self.close and self.listening
            used = bool(self.trained_calls >> number & 1)
            if known and not used and self.used_calls >> number & 1:
                self.log.teachers.add(call["place"])
                continue
            if not known:
                used = call["grad"] and self.walks_here > 0
            if used and self.log.steps:
                entry = self.log.eval_steps.setdefault(call["model"], [0, 0, None, None, call["kinds"]])
                entry[1] += 1
                if not call["training"]:
                    entry[0] += 1
                    entry[2] = call["modes"]
                    entry[3] = call["place"]
            elif not used and self.log.steps and self.log.error is None:
                place = call["place"]
                if place is not None and (not call["grad"] or self.walks_here == 0 or known):
                    entry = self.log.train_evals.setdefault(place, [0, 0, call["kinds"], 0])
                    entry[0] += call["training"] and not call["switched"]
                    entry[1] += 1
                    entry[3] += known or not call["grad"] or ended
