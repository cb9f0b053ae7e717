"""Listening to a run: hooks of modules, optimizers and backward, which step is looked at closely, and for how long.

Every step is looked at in passing: its loss, its rates, whether gradients were cleared. A close look hears every op. It
costs many times the step, so looks get rarer as soon as they have cost as much as the run itself.
"""

from __future__ import annotations

import functools
import gc
import sys
import time
import weakref
from collections import deque
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad._kernels import listen, unlisten
from tensorgrad.core import Tensor, _core
from tensorgrad.data.loading import DataLoader
from tensorgrad.doctor import arrays
from tensorgrad.doctor.listening import Ear
from tensorgrad.doctor.places import Place, collecting_lines, user_place
from tensorgrad.doctor.recording import Layer, Log, OptimizerLog, WalkSite
from tensorgrad.nn.modules import module as modules
from tensorgrad.nn.modules.batchnorm import _BatchNorm
from tensorgrad.nn.modules.dropout import _DropoutNd
from tensorgrad.nn.parameter import Parameter
from tensorgrad.nn.utils import clip_grad
from tensorgrad.optim import _schedules
from tensorgrad.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

EVENT_COST = 2.5e-6  # seconds that the engine takes to tell an event
SHARE = 0.8  # what the close looks may cost by what the rest of the run takes
FREE = 0.1  # seconds that they may take in any case
KEPT = 64  # losses whose graphs are asked after later


class Watcher:
    """One listener for a run. `start` and `stop` put its hooks in place and take them away."""

    def __init__(self, since: float | None = None) -> None:
        self.log = Log()
        self.ear = Ear(self.log)
        self.since = time.perf_counter() if since is None else since
        self.spent = 0.0
        self.listening = False
        self.close = True  # whether the step that runs is looked at closely
        self.next_close = True
        self.stepped = False  # whether an optimizer has stepped since the last boundary
        self.walks_here = 0
        self.numbers: dict[int, tuple[Any, int]] = {}
        self.optimizers: dict[int, tuple[Any, OptimizerLog]] = {}
        self.module_names: dict[int, str] = {}
        self.made: dict[int, tuple[str, Place | None]] = {}
        self.registered = 0
        self.handles: list[Any] = []
        self.module_handles: list[Any] = []
        self.glance_handle: Any = None
        self.patched: list[tuple[Any, str, Any]] = []
        self.before_step: dict[int, np.ndarray] = {}
        self.calls: list[dict[str, Any]] = []  # of models, in this span
        self.used_calls = 0
        self.used_lines: set[Place] = set()
        self.mode_layers: dict[int, tuple[Any, list]] = {}
        self.roots: deque = deque(maxlen=KEPT)
        self.walk_norms: dict[int, float] = {}
        self.clip_open: list[Place] = []
        self.birth_at_step: Any = None
        self.depth = 0
        self.inside = 0
        self.last_site: WalkSite | None = None
        self.cached: dict[int, tuple[Any, list]] = {}
        self.train_depth = 0
        self.memory = 0  # bytes in tensors, the most of the first steps
        self.extra_looks = 0

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
        self._patch(_core, "_gradients_of", self._clips(_core._gradients_of))
        self.handles = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
            modules.register_module_parameter_registration_hook(self._parameter_registered),
        ]
        self._hear(True)

    def stop(self) -> None:
        self._hear(False)
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

    def _hear(self, on: bool) -> None:
        if on == self.listening:
            return
        self.listening = on
        if on:
            if self.glance_handle is not None:
                self.glance_handle.remove()
                self.glance_handle = None
            self.module_handles = [
                modules.register_module_forward_pre_hook(self._before_module),
                modules.register_module_forward_hook(self._after_module, always_call=True),
            ]
            listen(self.ear_hears)
        else:
            unlisten(self.ear_hears)
            for handle in self.module_handles:
                handle.remove()
            self.module_handles = []
            self.ear.stack.clear()
            self.ear.call = 0

    @functools.cached_property
    def ear_hears(self) -> Any:
        ear, clock = self.ear, time.perf_counter

        def hear(event: Any) -> None:
            if self.inside:
                return
            began = clock()
            self.inside = 1
            try:
                ear(event)
            finally:
                self.inside = 0
                self.spent += clock() - began + EVENT_COST

        return hear

    # ---- which step is looked at

    def may_look(self) -> bool:
        """Whether a close look is within what looks may cost."""
        passed = time.perf_counter() - self.since
        return self.spent < FREE + SHARE * max(0.0, passed - self.spent)

    def _grown(self) -> bool:
        """Whether twice the memory of the first steps is taken: then some more looks are worth their time."""
        taken = tg.memory_allocated()
        if self.log.steps <= 8:
            self.memory = max(self.memory, taken)
        if taken > 2 * self.memory + 4_000_000 and self.extra_looks < 100:
            self.extra_looks += 1
            return True
        return False

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
        self.stepped = False
        self.walks_here = 0
        self.calls = []
        self.used_calls = 0
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
                layer.address = param.data_ptr()
                addresses[layer.address] = layer.number

    # ---- what there is

    def know(self, param: Any, name: str = "", module: Any = None) -> int:
        """The number of a parameter, which is given when it is first seen."""
        found = self.numbers.get(id(param))
        if found is not None and found[0]() is param:
            if module is not None and not self.log.layers[found[1]].kind:
                self._describe(self.log.layers[found[1]], name, module)
            return found[1]
        number = len(self.log.layers)
        ref = weakref.ref(param)
        layer = Layer(number, ref, name or f"parameter {number}", tuple(param.shape))
        layer.address = param.data_ptr()
        self.log.layers.append(layer)
        self.numbers[id(param)] = (ref, number)
        self.ear.params[layer.address] = number
        if module is not None:
            self._describe(layer, name, module)
        layer.requires_grad = bool(param.requires_grad)
        return number

    def _begin_layer(self, layer: Layer, param: Any) -> None:
        """What a parameter is before the first step that it takes part in, and where that was written."""
        layer.first = self._some(self._values(param))
        written = self.ear.writes.get(param.data_ptr())
        if written is not None:
            layer.written, layer.how = written

    def _some(self, values: np.ndarray, count: int = 64) -> np.ndarray:
        """A few entries, evenly taken."""
        return values.ravel()[:: max(1, values.size // count)][:count].astype(np.float64)

    def _describe(self, layer: Layer, name: str, module: Any) -> None:
        layer.name = name or layer.name
        layer.kind = type(module).__name__
        made = self.made.get(id(module))
        layer.made = made[1] if made is not None and made[0] == layer.kind else None

    def _values(self, tensor: Any) -> np.ndarray:
        """A tensor's elements, without being heard."""
        before, self.inside = self.inside, 1
        try:
            return self.old_detach(tensor).numpy()
        finally:
            self.inside = before

    def know_optimizer(self, optimizer: Any) -> OptimizerLog:
        found = self.optimizers.get(id(optimizer))
        if found is not None and found[0]() is optimizer:
            return found[1]
        log = OptimizerLog(weakref.ref(optimizer), type(optimizer).__name__, user_place(), self.registered)
        self.optimizers[id(optimizer)] = (log.ref, log)
        self.log.optimizers.append(log)
        self.see_parameters(optimizer, log)
        return log

    def see_parameters(self, optimizer: Any, log: OptimizerLog) -> None:
        for group in getattr(optimizer, "param_groups", ()):
            for param in group["params"]:
                number = self.know(param)
                if number not in log.numbers:
                    log.numbers.append(number)
                    log.pending.add(number)

    def name_modules(self, root: Any) -> None:
        """Names of all modules and parameters of a model."""
        for name, module in root.named_modules():
            self.module_names[id(module)] = name
            for key, param in module._parameters.items():
                if param is not None:
                    layer = self.log.layers[self.know(param)]
                    self._describe(layer, f"{name}.{key}" if name else key, module)
                    layer.in_tree = True

    def mode_layers_of(self, module: Any) -> list:
        """The modules of a model that do something else in training than in evaluation."""
        found = self.mode_layers.get(id(module))
        if found is None or found[0]() is not module:
            some = [
                each
                for each in module.modules()
                if (isinstance(each, _DropoutNd) and each.p > 0)
                or (isinstance(each, _BatchNorm) and each.track_running_stats)
            ]
            found = self.mode_layers[id(module)] = (weakref.ref(module), some)
        return found[1]

    # ---- modules

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
            layer.module = name
            if not layer.kind:
                self._describe(layer, name, module)

    def _before_module(self, module: Any, args: tuple) -> None:
        began = time.perf_counter()
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
                        number = self.know(param, f"{name}.{key}" if name else f"{type(module).__name__}.{key}", module)
                        if self.close:
                            self.ear.params[param.data_ptr()] = number
                self.cached[id(module)] = (weakref.ref(module), [id(p) for p in params.values()])
            made = self.made.get(id(module))
            stack.append((module, name, made[1] if made else None))
            if isinstance(module, _BatchNorm) and module.training and tg.is_grad_enabled():
                self._check_rows(module, args)
        finally:
            self.inside -= 1
            self.spent += time.perf_counter() - began

    def _check_rows(self, module: Any, args: tuple) -> None:
        shape = args[0].shape if args and isinstance(args[0], Tensor) else None
        place = user_place(sys._getframe(2))
        if shape is not None and place is not None:
            entry = self.log.lone_rows.setdefault(place, [0, 0, self.module_names.get(id(module), ""), tuple(shape)])
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
        self.calls.append(self._call_seen(module, user_place(sys._getframe(3))))
        for each in args:
            if isinstance(each, Tensor) and each.is_floating_point() and each.numel():
                values = self._values(each)
                if np.isnan(values).any() or (np.isinf(values).any() and not np.isneginf(values).any()):
                    self.log.data_bad = True
                    self.calls[-1]["bad"] = True

    def _call_seen(self, module: Any, place: Place | None) -> dict[str, Any]:
        some = self.mode_layers_of(module)
        return {
            "model": id(module), "type": type(module).__name__, "training": any(each.training for each in some),
            "dependent": bool(some), "grad": tg.is_grad_enabled(), "place": place, "bad": False,
            "modes": self.log.modes.get(id(module)), "kinds": sorted({type(each).__name__ for each in some}),
        }  # fmt: skip

    def _after_module(self, module: Any, args: tuple, output: Any) -> None:
        stack = self.ear.stack
        while stack and stack.pop()[0] is not module:
            pass
        if not stack:
            self.ear.call = 0
        if isinstance(output, Tensor) and output.is_floating_point() and module._parameters:
            began = time.perf_counter()
            values = self._values(output)
            name = self.module_names.get(id(module)) or type(module).__name__
            rows = self.log.table.setdefault(name, [])
            if len(rows) < 4000 and values.size and tg.is_grad_enabled():
                values = arrays.some(values)
                with np.errstate(all="ignore"):
                    rows.append((self.log.steps, float(values.mean()), float(values.std())))
            self.spent += time.perf_counter() - began

    def _glance(self, module: Any, args: tuple) -> None:
        """The first call of a model behind a step that nobody looks at closely."""
        if self.stepped:
            self.boundary()
        place = user_place(sys._getframe(1))
        seen = self._call_seen(module, place)
        self.calls.append(seen)
        if seen["grad"] or not seen["dependent"] or len(self.calls) > 3:
            self.glance_handle.remove()
            self.glance_handle = None

    def judge_calls(self, ended: bool = False) -> None:
        """Of the model's calls in a step: which were training, which evaluation, and in which mode."""
        for number, call in enumerate(self.calls):
            if not call["dependent"]:
                continue
            known = self.close and self.listening
            used = bool(self.used_calls >> number & 1)
            if not known:
                used = call["grad"] and self.walks_here > 0
            if used and self.log.steps:
                entry = self.log.eval_steps.setdefault(call["model"], [0, 0, None, None, call["kinds"]])
                entry[1] += 1
                if call["place"] is not None:
                    self.used_lines.add(call["place"])
                if not call["training"]:
                    entry[0] += 1
                    entry[2] = call["modes"]
                    entry[3] = call["place"]
            elif not used and self.log.steps and self.log.error is None and (not call["grad"] or self.walks_here == 0 or known):
                place = call["place"]
                if place is not None:
                    entry = self.log.train_evals.setdefault(place, [0, 0, call["kinds"], 0])
                    entry[0] += call["training"]
                    entry[1] += 1
                    entry[3] += known or not call["grad"] or ended

    # ---- backward

    def _backward_of(self, original: Any) -> Any:
        @functools.wraps(original)
        def backward(self_, gradient=None, retain_graph=None, create_graph=False, inputs=None):
            self._before_walk(self_, retain_graph, sys._getframe(1))
            original(self_, gradient, retain_graph, create_graph, inputs)
            if self.close:
                self._after_walk()

        return backward

    def _all_backward_of(self, original: Any) -> Any:
        @functools.wraps(original)
        def _backward(roots, gradients, retain_graph, create_graph, inputs, collect, bounded=False):
            if collect or not roots:
                return original(roots, gradients, retain_graph, create_graph, inputs, collect, bounded)
            self._before_walk(roots[0], retain_graph, sys._getframe(1))
            result = original(roots, gradients, retain_graph, create_graph, inputs, collect, bounded)
            if self.close:
                self._after_walk()
            return result

        return _backward

    def _detach_of(self, original: Any) -> Any:
        @functools.wraps(original)
        def detach(self_):
            if self.close and not self.inside:
                record = self.ear.records.get(self_.data_ptr())
                if record is not None and record.params and record.graded:
                    record.cuts = user_place(sys._getframe(1))
                    self._note_cut(record.params, record.cuts)
            return original(self_)

        return detach

    def _note_cut(self, params: int, place: Place | None) -> None:
        for layer in self.log.layers:
            if params >> layer.number & 1 and layer.cut_at is None:
                layer.cut_at = place

    def _before_walk(self, root: Any, retain: Any, frame: Any) -> None:
        if self.stepped:
            self.boundary()
        log = self.log
        log.walks += 1
        self.walks_here += 1
        place = user_place(frame)
        site = log.walk_sites.get(place)
        if site is None:
            site = log.walk_sites[place] = WalkSite(place)
        self.last_site = site
        node = root.grad_fn
        if not tg.is_grad_enabled():
            site.no_grad += 1
        if node is None:
            site.cut += 1
        elif node.name() != "AccumulateGrad":
            self.roots.append(weakref.ref(root))
        site.retained += bool(retain)
        if root.numel() == 1:
            value = root.item()
            site.saw(log.steps, value)
            if log.first_bad is None and not np.isfinite(value):
                log.first_bad = (log.walks, "loss")
        for ref, optimizer in self.optimizers.values():
            if not optimizer.cleared:
                alive = ref()
                if alive is not None and self._is_clear(alive):
                    optimizer.cleared = True
        if self.clip_open:
            for clip in self.clip_open:
                log.clip_calls[clip][1] += 1
            self.clip_open = []
        if self.close:
            self.inside += 1
            began = time.perf_counter()
            try:
                self._look_at_root(root, node, site)
            finally:
                self.inside -= 1
                self.spent += time.perf_counter() - began
        if log.walks & (log.walks - 1) == 0 and log.walks >= 32:
            self.look_for_holder()

    def _is_clear(self, optimizer: Any) -> bool:
        for group in optimizer.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    return not self._values(grad).any()
        return True

    def _look_at_root(self, root: Any, node: Any, site: WalkSite) -> None:
        ear = self.ear
        for layer in self.log.layers:
            param = layer.ref() if layer.first is None else None
            if param is not None:
                self._begin_layer(layer, param)
        record = ear.records.get(root.data_ptr())
        site.looks += 1
        forward_off = bool(self.calls) and not any(call["grad"] for call in self.calls)
        site.forward_off += forward_off
        if record is not None:
            self.used_calls |= record.calls
            self.log.used_sums |= record.sums
            if record.summed >= 4:
                site.summed += 1
                maker = record
                while maker.name in ("add", "mul", "div", "neg", "sub"):
                    before = [each for each in maker.inputs if not isinstance(each, int) and each is not None and each.summed]
                    if not before:
                        break
                    maker = before[0]
                site.summed_place = maker.place
        ear.left, ear.walk_nodes, ear.grads = None, 0, []
        if node is not None and (site.looks <= 3 or site.looks % 16 == 0):
            reached = self._leaves(node)
            if reached is not None and not reached:
                site.unreached += 1
            elif reached:
                for number in reached:
                    self.log.layers[number].reached = True
                for _, optimizer in self.optimizers.values():
                    optimizer.walked += bool(reached.intersection(optimizer.numbers))

    def _leaves(self, node: Any) -> set[int] | None:
        """The parameters at the ends of a graph; None if it is too large to look."""
        left, seen, found = [node], {id(node)}, set()
        kept = [node]  # a node's number is its own only while the node is there
        while left:
            for each, _ in left.pop().next_functions:
                variable = getattr(each, "variable", None)
                if variable is not None:
                    if isinstance(variable, Parameter) or id(variable) in self.numbers:
                        found.add(self.know(variable))
                elif each is not None and id(each) not in seen:
                    seen.add(id(each))
                    kept.append(each)
                    left.append(each)
            if len(seen) > 3000:
                return None
        return found

    def _after_walk(self) -> None:
        began = time.perf_counter()
        self.inside += 1
        site = self.last_site
        try:
            if site is not None and self.listening:
                site.nodes.append((self.log.walks, self.ear.walk_nodes))
                grads = [each for each in self.ear.grads if each > 0]
                if len(grads) > 2:
                    site.growths.append(max(grads) / grads[0] if np.isfinite(grads).all() else float("inf"))
            for layer in self.log.layers:
                param = layer.ref()
                grad = None if param is None else param.grad
                if grad is None:
                    continue
                size = arrays.norm(self._values(grad))
                self.walk_norms[layer.number] = size
                if not np.isfinite(size) and self.log.first_bad is None:
                    self.log.first_bad = (self.log.walks, "gradient")
                if size > 0:
                    layer.had_grad = True
        finally:
            self.inside -= 1
            self.spent += time.perf_counter() - began

    # ---- optimizers, schedules, loaders, clipping

    def _optimizer_made(self, init: Any) -> Any:
        @functools.wraps(init)
        def __init__(optimizer, *args, **kwargs):
            init(optimizer, *args, **kwargs)
            self.inside += 1
            try:
                self.know_optimizer(optimizer).made = user_place(sys._getframe(1))
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
        log = self.know_optimizer(optimizer)
        if not self.close:
            return
        began = time.perf_counter()
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
            self.spent += time.perf_counter() - began

    def _after_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        log = self.know_optimizer(optimizer)
        log.steps += 1
        self.log.steps += 1
        self.clip_open = []
        groups = optimizer.param_groups
        rates = [float(group.get("lr", 0.0)) for group in groups]
        log.zero_rates += not any(rates)
        log.some_zero += not all(rates)
        if len(log.rates) < 100000:
            log.rates.append(max(rates, default=0.0))
        log.checked += 1
        log.uncleared += not log.cleared
        log.cleared = False
        decay = max((float(group.get("weight_decay", 0.0) or 0.0) for group in groups), default=0.0)
        if decay:
            log.decay = decay
            momentum = float(groups[0].get("momentum", 0.0) or 0.0)
            log.folds += max(rates) * decay / (1.0 - min(momentum, 0.99))
        if log.pending:
            for number in list(log.pending):
                param = self.log.layers[number].ref()
                if param is not None and param.grad is not None:
                    if self.close and not self._values(param.grad).any():
                        continue
                    log.pending.discard(number)
        log.step_place = log.step_place or user_place(sys._getframe(1))
        if self.close:
            self.inside += 1
            began = time.perf_counter()
            try:
                self._look_at_step(log, rates)
            finally:
                self.inside -= 1
                self.spent += time.perf_counter() - began
        if not self.stepped:
            self.stepped = True
            self.birth_at_step = self.ear.birth
            self.next_close = self.may_look() or self._grown()
            self._hear(self.next_close)
        if not self.listening and self.glance_handle is None:
            self.glance_handle = modules.register_module_forward_pre_hook(self._glance)

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
        flat = values.reshape(values.shape[0], -1)[:256]
        flat = flat[:, :: max(1, flat.shape[1] // 32)]
        with np.errstate(all="ignore"):
            scale = float(np.abs(flat).max())
            alike = bool((np.abs(flat - flat[0]) <= 1e-6 * scale).all())
        if not alike and values.shape[0] >= 8 and layer.row_looks % 8 == 1:
            with np.errstate(all="ignore"):
                different = len(np.unique(np.round(flat / max(scale, 1e-30), 5), axis=0))
            alike = different <= len(flat) // 4
        layer.same_rows = layer.same_rows + 1 if alike else 0

    # ---- the end of a look

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
            for record in ear.order:
                for layer in log.layers:
                    if record.params >> layer.number & 1:
                        layer.used += 1
                if len(log.depth) < 400 and len(ear.order) > 400:
                    break
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
                    log.first_rows.add(hash(tuple(ear.first_rows)))
                log.constant_place = ear.data_place
            if ear.targets and self.last_site is not None:
                kinds = {each.kind for each in ear.targets}
                if len(kinds) == 1:
                    runs = log.target_runs.setdefault(self.last_site.place, [])
                    if len(runs) < 500:
                        runs.append((kinds.pop(), np.concatenate([each.values for each in ear.targets])))
            if ear.birth is not None and len(log.births) < 200:
                log.births.append((log.walks, ear.birth))
            if not log.depth and ear.order:
                for record in ear.order:
                    for each in record.inputs:
                        if isinstance(each, int) and each not in log.depth:
                            log.depth.append(each)
        finally:
            self.inside -= 1

    def look_for_holder(self) -> None:
        """Losses of past steps that are still there with their graphs, and who has them."""
        alive = [ref() for ref in self.roots]
        alive = [each for each in alive if each is not None and each.grad_fn is not None]
        if len(alive) < 20 or self.log.kept is not None:
            return
        holders: dict[int, tuple[Any, int]] = {}
        for i in range(len(alive) - 1):
            for holder in gc.get_referrers(alive[i]):
                if isinstance(holder, (list, dict, tuple, set, deque)) and holder is not alive:
                    found = holders.get(id(holder), (holder, 0))
                    holders[id(holder)] = (holder, found[1] + 1)
        holder, count = max(holders.values(), key=lambda pair: pair[1], default=(None, 0))
        if count < 20:
            self.log.kept = (None, "", len(alive))
            return
        name = _name_of(holder)
        place = None
        files = {site.place.file for site in self.log.walk_sites.values() if site.place is not None}
        for file in sorted(files):
            lines = collecting_lines(file, name) if name else []
            if lines:
                place = Place(file, lines[0])
                break
        self.log.kept = (place, name, len(alive))


def _name_of(holder: Any) -> str:
    """By which name something holds a container."""
    for owner in gc.get_referrers(holder):
        if isinstance(owner, dict):
            for key, value in owner.items():
                if value is holder and isinstance(key, str):
                    return key
        else:
            names = getattr(owner, "f_locals", None) or getattr(owner, "__dict__", None)
            if isinstance(names, dict):
                for key, value in names.items():
                    if value is holder and isinstance(key, str):
                        return key
    return ""
