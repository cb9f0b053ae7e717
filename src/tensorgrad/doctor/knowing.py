"""What there is in a run: parameters, optimizers, models, each known by a number or a name."""

from __future__ import annotations

import math
import time
import weakref
from collections import deque
from typing import Any

import numpy as np

from tensorgrad.doctor.listening import Ear
from tensorgrad.doctor.places import Place
from tensorgrad.doctor.recording import Layer, Log, OptimizerLog, WalkSite
from tensorgrad.nn.modules.batchnorm import _BatchNorm
from tensorgrad.nn.modules.dropout import _DropoutNd

# What the run takes and what the doctor takes, in this thread's own time: a busy machine makes no difference.
clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-5 else time.perf_counter
KEPT = 64  # losses whose graphs are asked after later


class Knowing:
    """The state of a listener, and what it knows of the run."""

    def __init__(self, since: float | None = None, free: float = 0.12) -> None:
        self.free = free  # seconds that the doctor may take in any case
        self.log = Log()
        self.ear = Ear(self.log, self.boundary)
        self.since = clock() if since is None else since
        self.spent = 0.0  # seconds of close looks
        self.passing = 0.0  # and of all others
        self.resting = False  # whether nothing at all is noted of this step
        self.rests = self.wakes = 0
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
        self.old_detach: Any = None
        self.patched: list[tuple[Any, str, Any]] = []
        self.before_step: dict[int, np.ndarray] = {}
        self.calls: list[dict[str, Any]] = []  # of models, in this span
        self.used_calls = 0  # bits of those out of which a loss came that went backward,
        self.trained_calls = 0  # and of those that its gradient can reach
        self.mode_layers: dict[int, tuple[Any, list]] = {}
        self.roots: deque = deque(maxlen=KEPT)
        self.walk_norms: dict[int, float] = {}
        self.clip_open: list[Place] = []
        self.birth_at_step: Any = None
        self.inside = 0
        self.last_site: WalkSite | None = None
        self.cached: dict[int, tuple[Any, list]] = {}
        self.train_depth = 0
        self.switched_on = False  # whether training mode was switched on since the last step
        self.memory = 0  # bytes in tensors, the most of the first steps
        self.extra_looks = 0
        self.sketch: Any = None  # of the graph whose backward runs, if it is to be drawn

    def boundary(self) -> None:
        """A new step begins."""
        raise NotImplementedError

    def hear(self, on: bool) -> None:
        """Begins or ends to listen to every event."""
        raise NotImplementedError

    def wake(self) -> None:
        """Something happens that is seldom in training steps."""
        raise NotImplementedError

    def took(self, began: float, more: float = 0.0) -> None:
        """Notes what the doctor's own work has cost since `began`."""
        passed = clock() - began + more
        if self.close:
            self.spent += passed
        else:
            self.passing += passed

    def step_ended(self) -> None:
        """An optimizer has stepped."""
        raise NotImplementedError

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
        self.log.layers.append(layer)
        self.numbers[id(param)] = (ref, number)
        self.ear.params[param.data_ptr()] = number
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
        """A few entries, evenly taken, and not all of the same columns: one pixel may always be 0."""
        step, width = max(1, values.size // count), values.shape[-1] if values.ndim else 1
        while step > 1 and math.gcd(step, width) > 1:
            step += 1
        return values.ravel()[::step][:count].astype(np.float64)

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

    def know_optimizer(self, optimizer: Any, made: Place | None = None) -> OptimizerLog:
        """What is noted of an optimizer, which was made at a line if that was seen."""
        found = self.optimizers.get(id(optimizer))
        if found is not None and found[0]() is optimizer:
            return found[1]
        log = OptimizerLog(weakref.ref(optimizer), type(optimizer).__name__, made, self.registered)
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
