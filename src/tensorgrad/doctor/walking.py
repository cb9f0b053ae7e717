"""Backward passes: where they begin, what they reach, how large gradients are, and which losses outlive
them.
"""

from __future__ import annotations

import functools
import gc
import math
import sys
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

import tensorgrad as tg
from tensorgrad.doctor import arrays
from tensorgrad.doctor.knowing import Knowing, clock
from tensorgrad.doctor.places import Place, collecting_lines, user_frame, user_place
from tensorgrad.doctor.recording import WalkSite
from tensorgrad.doctor.records import Record
from tensorgrad.inside.drawing import Sketch
from tensorgrad.inside.tape import tensors_around
from tensorgrad.nn.parameter import Parameter


class Walks(Knowing):
    """The hooks around backward."""

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
                    self.ear.note_cut(record.params, record.cuts)
            return original(self_)

        return detach

    def _before_walk(self, root: Any, retain: Any, frame: Any) -> None:
        self.log.walks += 1
        self.walks_here += 1
        if self.resting:
            return
        began = clock()
        self.inside += 1
        try:
            self._see_walk(root, retain, frame)
        finally:
            self.inside -= 1
            self.took(began)

    def _see_walk(self, root: Any, retain: Any, frame: Any) -> None:
        if self.stepped:
            self.boundary()
            self.walks_here = 1
        log = self.log
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
            if log.first_bad is None and not math.isfinite(value):
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
            self._look_at_root(root, node, site, frame)
        if log.walks & (log.walks - 1) == 0 and log.walks >= 32:
            self.look_for_holder()

    def _is_clear(self, optimizer: Any) -> bool:
        for group in optimizer.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    return not self._values(grad).any()
        return True

    def _look_at_root(self, root: Any, node: Any, site: WalkSite, frame: Any) -> None:
        ear = self.ear
        self.sketch = None
        for layer in self.log.layers:
            param = layer.ref() if layer.first is None else None
            if param is not None:
                self._begin_layer(layer, param)
        if ear.weights:
            names = {id(tensor): name for name, tensor in tensors_around(user_frame(frame))}
            for ref in ear.weights.values():
                if (leaf := ref()) is not None:
                    self.know(leaf, names.get(id(leaf), ""))
            ear.weights.clear()
        record = ear.records.get(root.data_ptr())
        site.looks += 1
        forward_off = bool(self.calls) and not any(call["grad"] for call in self.calls)
        site.forward_off += forward_off
        if record is not None:
            self.used_calls |= record.calls
            self.trained_calls |= record.trained
            site.measured += root.numel() == 1 and math.isfinite(root.item())
            self.log.used_sums |= record.sums
            if record.summed >= 4:
                site.summed += 1
                maker = record
                while maker.name in ("add", "mul", "div", "neg", "sub"):
                    before = [each for each in maker.inputs if isinstance(each, Record) and each.summed]
                    if not before:
                        break
                    maker = before[0]
                site.summed_place = maker.place
        ear.walk_nodes, ear.grads = 0, []
        if node is not None and (site.looks <= 3 or site.looks % 16 == 0):
            reached = self._leaves(node)
            if reached is not None and not reached:
                site.unreached += 1
            elif reached:
                for number in reached:
                    self.log.layers[number].reached = True
                if self.log.graph is None:
                    around = [*tensors_around(user_frame(frame)), *self._named()]
                    self.sketch = Sketch(root, around)

    def _named(self) -> Iterator[tuple[str, Any]]:
        """The parameters that are still there, with their names."""
        for layer in self.log.layers:
            param = layer.ref()
            if param is not None:
                yield layer.name, param

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
        began = clock()
        self.inside += 1
        site = self.last_site
        try:
            if self.sketch is not None:
                self.log.graph, self.sketch = self.sketch.drawing(), None
            if site is not None and self.listening:
                site.nodes.append((self.log.walks, self.ear.walk_nodes))
                grads = [each for each in self.ear.grads if each > 0]
                if len(grads) > 2 and np.isfinite(grads).all():
                    site.growths.append(max(grads) / grads[0])
            for layer in self.log.layers:
                param = layer.ref()
                grad = None if param is None else param.grad
                if grad is None:
                    continue
                self.ear.grad_addresses.add(grad.data_ptr())
                size = arrays.norm(self._values(grad))
                self.walk_norms[layer.number] = size
                if not np.isfinite(size) and self.log.first_bad is None:
                    self.log.first_bad = (self.log.walks, "gradient")
                if size > 0:
                    layer.had_grad = True
        finally:
            self.inside -= 1
            self.spent += clock() - began

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
