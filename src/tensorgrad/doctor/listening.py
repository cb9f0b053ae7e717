"""The close look: what each op of a step did, made into numbers while its memory is still there.

The events name memory. What an op reads was last written by some earlier op of the same look, so the flow of
the data can be followed by addresses: from which parameters a tensor comes, through which linear layers, and
whether anything bent it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tensorgrad.core import Tensor, is_grad_enabled
from tensorgrad.doctor import arrays, comparing
from tensorgrad.doctor.places import Place, user_place
from tensorgrad.doctor.recording import Birth, Log, Site
from tensorgrad.doctor.records import Record

RELUS = {"relu", "relu_", "relu6", "relu6_", "threshold", "threshold_"}
SQUASHES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "tanh_": (-1.0, 1.0), "sigmoid_": (0.0, 1.0)}
SOFTMAXES = {"softmax": False, "log_softmax": True}
DROPOUTS = {"dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"}
PRODUCTS = {"linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "conv1d", "conv2d", "conv3d", "einsum"}
NORMS = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"}
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
SAME_VALUES = {
    "view", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "contiguous",
    "clone", "__getitem__", "view_as", "unflatten", "movedim", "swapaxes", "narrow", "select", "_cast",
    "float", "double", "to", "t", "chunk", "split", "index_select", "masked_select", "expand",
}  # fmt: skip
AFFINE = SAME_VALUES | PRODUCTS | DROPOUTS | {
    "add", "sub", "add_", "sub_", "neg", "div", "mul", "mul_", "div_", "cat", "stack", "mean", "sum",
    "batch_norm", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "pad", "rsub",
    "roll", "flip",
}  # fmt: skip
FIRST = PRODUCTS | RECURRENT | NORMS | {"embedding", "embedding_bag"}  # what data may go into
GIVEN = {"masked_fill", "masked_fill_", "full", "full_like", "where", "__setitem__"}  # infinities are meant


class Ear:
    """Hears the events of one look, and writes what they say into the log."""

    def __init__(self, log: Log, begin: Callable[[], None]) -> None:
        self.log = log
        self.begin = begin  # is called as soon as a forward pass begins after a step
        self.waiting = False  # for one
        self.records: dict[int, Record] = {}
        self.params: dict[int, int] = {}  # address -> number
        self.stack: list[tuple[Any, str, Place | None]] = []  # modules that are running
        self.call = 0  # bit of the model call that is running, 0 outside
        self.order: list[Record] = []  # of the forward ops of this look
        self.seen_places: dict[tuple, int] = {}
        self.birth: Birth | None = None
        self.given_infinity: Birth | None = None  # where infinite data went into an op
        self.data: np.ndarray | None = None  # the rows that went in, for the length of a step
        self.data_place: Place | None = None
        self.constant: list[bool] = []  # of each data input of this look: whether all rows are equal
        self.first_rows: list[int] = []
        self.rows = 0
        self.writes: dict[int, tuple[Place | None, str]] = {}
        self.setting_up = True
        self.walk_nodes = 0
        self.targets: list[comparing.Targets] = []
        self.chains: dict[int, dict[Place, tuple]] = {}  # address -> line: terms, since when, products
        self.products = 0  # that were heard
        self.weights: dict[int, Any] = {}  # weakly, leaves that data were multiplied with, and nobody knows
        self.grads: list[float] = []  # how large the gradient is on its way back
        self.grad_addresses: set[int] = set()
        self.recording = True  # whether the model that runs was called with gradients on

    def clear(self) -> None:
        """Forgets the look; what it taught is in the log."""
        self.records.clear()
        self.order.clear()
        self.seen_places.clear()
        self.data = None
        self.constant, self.first_rows, self.rows = [], [], 0
        self.targets, self.grads = [], []
        self.birth = self.given_infinity = None
        self.grad_addresses.clear()

    def note_cut(self, params: int, place: Place | None) -> None:
        """Here the way back to some parameters ends."""
        for layer in self.log.layers:
            if params >> layer.number & 1 and layer.cut_at is None:
                layer.cut_at = place

    # ---- events

    def __call__(self, event: Any) -> None:
        parent = event.parent
        kind = event.kind
        inside = None if parent is None else parent.kind
        if kind == "op":
            if inside == "op":
                return
            if inside == "backward":
                self.look_back(event)
            elif event.outputs:
                self.hear(event)
        elif kind == "backward":
            self.walk_nodes += 1
            self.step_back(event)
        elif inside == "backward":
            self.look_back(event)
        elif kind != "step" and inside != "step":
            if event.outputs and inside != "op" and not self.call:
                place = user_place(sys._getframe(1))
                for out in event.outputs:
                    if out is not None:
                        self.writes[out.address] = (place, kind)

    def look_back(self, event: Any) -> None:
        """A kernel or body of the way back: a NaN may be born here."""
        if self.birth is not None or not event.outputs:
            return
        for out in event.outputs:
            if out is None or arrays.type_of(out) not in arrays.FLOATS:
                continue
            values = arrays.view(out)
            if values is None or arrays.is_finite(values):
                continue
            if self.inputs_finite(event):
                maker = self.forward_of(event.parent)
                place = maker.place if maker else None
                self.birth = Birth(event.parent.name, place, True, described(values), grown(event.inputs))
            else:
                self.birth = Birth("", None, True, "")  # it came from before
            return

    def inputs_finite(self, event: Any) -> bool:
        for each in event.inputs or ():
            if each is not None and arrays.type_of(each) in arrays.FLOATS:
                values = arrays.view(each)
                if values is not None and not arrays.is_finite(values):
                    return False
        return True

    def forward_of(self, event: Any) -> Record | None:
        """The record of the forward op that a step back belongs to: the last of its name and shape."""
        shape = event.shapes[0] if event.shapes else (event.inputs[0].shape if event.inputs else None)
        name = event.name.lower().replace("backward0", "")
        for record in reversed(self.order):
            short = record.name.strip("_").replace("_", "")
            if (short in name or name.startswith(short)) and (shape is None or record.shape == tuple(shape)):
                return record
        for record in reversed(self.order):
            if shape is not None and record.shape == tuple(shape):
                return record
        return None

    def step_back(self, event: Any) -> None:
        for each in event.inputs or ():
            if each is not None:
                values = arrays.view(each)
                if values is not None and values.size and values.dtype in arrays.FLOATS:
                    self.grads.append(arrays.norm(values))
                return

    def hear(self, event: Any) -> None:
        """One op of the forward pass."""
        name = event.name
        out = event.outputs[0]
        if out is None:
            return
        inputs = [each for each in event.inputs if each is not None]
        record = Record()
        record.name, record.shape = name, out.shape
        made = []
        params = calls = 0
        bent = False
        sums: frozenset = frozenset()
        for each in inputs:
            number = self.params.get(each.address)
            source = None if number is not None else self.records.get(each.address)
            made.append(source if number is None else number)
            if number is not None:
                if self.waiting and is_grad_enabled():  # no module was called before that
                    self.begin()
                params |= 1 << number
            elif source is not None:
                params |= source.params
                calls |= source.calls
                bent = bent or source.bent
                if source.sums:
                    sums = sums | source.sums
        record.inputs = tuple(made)
        record.params, record.calls = params, calls | self.call
        record.trained = self.call
        if calls:
            for each, source in zip(tensors_in(event.call[0]), made):
                if isinstance(source, Record) and each is not None and each.requires_grad:
                    record.trained |= source.trained
        record.sums = sums
        record.graded = bool(params) and is_grad_enabled()
        record.place = user_place(sys._getframe(1))
        if self.call and params and self.recording and not record.graded:
            self.note_cut(params, record.place)
        if out.address in self.grad_addresses and name.endswith("_"):
            self.log.grad_writes[record.place] = self.log.grad_writes.get(record.place, 0) + 1
        record.axis, record.squash, record.cuts = None, "", None
        sources = [each for each in made if isinstance(each, Record)]
        dependent = [each for each in sources if each.params]
        self.follow(record, name, inputs, made, dependent, bent)
        if not self.setting_up or params:
            self.order.append(record)
            self.measure(record, event, out, inputs, made)
        self.check_finite(event, record, out, inputs)
        if self.setting_up:
            self.writes[out.address] = (record.place, "op")
        for each in event.outputs:
            if each is not None and each.address not in self.params:
                self.records[each.address] = record
        if out.shape == () and not self.call:
            self.chain(record, event)
        elif self.chains:
            self.chains.pop(out.address, None)

    def follow(
        self, record: Record, name: str, inputs: list, made: list, dependent: list, bent: bool
    ) -> None:
        """What an op does to the way the data took: bends it, or leaves it affine in what a linear layer
        gave.
        """
        record.linear = -1
        first = dependent[0] if dependent else None
        record.exped = min((each.exped + 1 for each in dependent if each.exped), default=0)
        if name == "exp":
            record.exped = 1
        record.summed = 0
        if name in ("sum", "add", "mul", "neg", "sub", "div") and first is not None:
            record.summed = max(each.summed for each in dependent)
        if name == "div" or name == "mean":
            record.summed = 0
        if name == "sum" and inputs[0].shape and record.shape == ():
            record.summed = int(np.prod(inputs[0].shape))
        if name in SAME_VALUES and first is not None:
            record.axis, record.squash = None, first.squash
            if first.axis is not None and record.shape == first.shape:
                record.axis = first.axis
        if name in PRODUCTS:
            weights = [each for each in made if isinstance(each, int)]
            if weights and len(dependent) <= 1:
                number = weights[0]
                counts = self.log.products.setdefault(number, [0, 0, 0])
                counts[0] += 1
                if first is not None:
                    counts[1] += bent
                    counts[2] += 1
                    if first.linear >= 0 and first.linear != number:
                        self.log.pairs.setdefault((first.linear, number), record.place)
                record.linear, record.bent = number, bent
                return
        straight = name in AFFINE and len([each for each in dependent if each.params]) <= 1
        if name in ("add", "sub", "cat", "stack") and dependent and not bent:
            straight = True
        if name in ("mul", "div", "matmul") and len(dependent) > 1:
            straight = False
        record.bent = bent or (bool(record.params) and not straight)
        if straight and first is not None and not bent:
            record.linear = first.linear
        elif straight and first is not None and len(dependent) == 1:
            record.linear = first.linear

    # ---- what the values say

    def site(self, record: Record, kind: str) -> Site:
        """Where the log keeps what is seen of an op: by its line and module, and how often it ran there in
        this look.
        """
        label = self.stack[-1][1] if self.stack else ""
        weight = -1
        for each in record.inputs:
            if isinstance(each, Record) and each.linear >= 0:
                weight = each.linear
        key: tuple = (kind, record.place, label, weight)
        if weight < 0:
            number = self.seen_places.get(key, 0)
            self.seen_places[key] = number + 1
            key = (*key, min(number, 40))
        found = self.log.sites.get(key)
        if found is None:
            found = Site(kind, record.name, label, record.place, self.own_place(), weight)
            self.log.sites[key] = found
        return found

    def measure(self, record: Record, event: Any, out: Any, inputs: list, made: list) -> None:
        name = record.name
        if name in FIRST:
            self.products += 1
            self.look_at_data(record, inputs, made)
            if name not in RECURRENT:
                self.look_for_weights(name, event)
            else:
                steps = max(record.shape[:-1], default=1)
                self.log.repeats |= {number: steps for number in made if isinstance(number, int)}
            if name in PRODUCTS or name in RECURRENT:
                self.look_at_size(record, out)
            if name in ("matmul", "bmm", "mm") and len(made) > 1:
                self.check_contraction(record, inputs, made)
        elif name in RELUS or (name in ("clamp", "clamp_min") and record.params):
            values = arrays.view(out)
            if values is not None and record.params:
                self.site(record, "relu").saw_relu(values)
        elif name in SQUASHES:
            values = arrays.view(out)
            if values is not None and record.params:
                low, high = SQUASHES[name]
                site = self.site(record, "squash")
                site.saw_squash(values, low, high)
                record.squash = name.strip("_")
        elif name in SOFTMAXES:
            values = arrays.view(out)
            if values is not None:
                record.axis = comparing.axis_of_ones(np.exp(values) if SOFTMAXES[name] else values)
                record.squash = name
                self.check_batch_axis(record)
        elif name in DROPOUTS:
            before, after = arrays.view(inputs[0]), arrays.view(out)
            if before is not None and after is not None and is_grad_enabled():
                there = before != 0
                count = int(there.sum())
                if count and before.shape == after.shape and inputs[0].address != out.address:
                    self.site(record, "dropout").saw_share(1.0 - float((after[there] != 0).sum()) / count)
                elif count and after.size:
                    self.site(record, "dropout").saw_share(float((after == 0).mean()))
        elif name in ("sum", "mean") and record.params:
            self.check_reduction(record, inputs, made)
        if name in comparing.LOSSES or name in ("sub", "mul", "add", "rsub"):
            comparing.look(self, record, out, inputs, made)

    def look_for_weights(self, name: str, event: Any) -> None:
        """Leaves of no module that data are multiplied with: parameters, if they come again."""
        given = event.call[0]
        for each in given if name.startswith("embedding") else given[1:]:
            if isinstance(each, Tensor) and each.requires_grad and each.is_leaf:
                if each.data_ptr() not in self.params and each is not given[0]:
                    self.weights[id(each)] = weakref.ref(each)

    def look_at_size(self, record: Record, out: Any) -> None:
        values = arrays.view(out)
        if values is None or values.dtype not in arrays.FLOATS:
            return
        self.log.sizes.append(arrays.rms(values))

    def look_at_data(self, record: Record, inputs: list, made: list) -> None:
        """Of data that goes into the first layer: how large, how different, and whether every row is the
        same.
        """
        first = made[0] if made else None
        if record.name == "embedding" and len(inputs) > 1 and isinstance(made[0], int):
            first, source = made[1], inputs[1]
        else:
            source = inputs[0]
        if isinstance(first, int) or (isinstance(first, Record) and first.params) or not record.params:
            return
        values = arrays.view(source)
        if values is None or values.ndim < 1 or not values.size:
            return
        rows = values.shape[0]
        flat = values.reshape(rows, -1) if values.ndim > 1 else values[:, None]
        self.constant.append(bool((flat == flat[0]).all()) if rows > 1 else True)
        self.rows = max(self.rows, rows)
        self.first_rows.append(hash(flat[0].tobytes()))
        if self.data is None and rows > 1:
            self.data = comparing.comparable(flat[:96, :512])
        self.data_place = record.place
        if values.dtype in arrays.FLOATS and record.name in PRODUCTS | RECURRENT and rows > 1:
            last = values.reshape(-1, values.shape[-1]) if values.ndim != 4 else flat
            self.log.saw_columns(last, record.place)

    def check_batch_axis(self, record: Record) -> None:
        """A softmax along the rows of a batch."""
        if record.axis == 0 and len(record.shape) > 1 and record.params and self.rows == record.shape[0] > 1:
            if record.shape[1] != record.shape[0] and record.shape[1] > 1:
                self.log.saw_axis(record.place, self.own_place(), "the rows of the batch", record.shape)

    def own_place(self) -> Place | None:
        """Where the running module was made, if it is a layer of ours without parameters, as an activation
        is.
        """
        if not self.stack:
            return None
        module, _, made = self.stack[-1]
        return made if type(module).__module__.startswith("tensorgrad.") and not module._parameters else None

    def check_contraction(self, record: Record, inputs: list, made: list) -> None:
        """Weights of a softmax that a product sums along another axis than they add up to one."""
        for number, each in enumerate(made[:2]):
            if not isinstance(each, Record) or each.axis is None or not each.squash.endswith("softmax"):
                continue
            ndim = len(inputs[number].shape)
            if ndim < 2 or len(each.shape) != ndim:
                continue
            summed = ndim - 1 if number == 0 else ndim - 2
            if each.axis != summed and each.shape[each.axis] != 1 and each.shape == inputs[number].shape:
                text = f"axis {each.axis}, and the product sums over {summed}"
                self.log.saw_axis(each.place, None, text, each.shape)

    def check_reduction(self, record: Record, inputs: list, made: list) -> None:
        """`(weights * values).sum(dim)` along another axis than the weights add up to one."""
        product = made[0] if made else None
        if not isinstance(product, Record) or product.name != "mul":
            return
        shape = product.shape
        if len(record.shape) != len(shape) - 1:
            return
        for each in product.inputs:
            if isinstance(each, Record) and each.squash == "softmax" and each.axis is not None:
                if len(each.shape) == len(shape):
                    gone = [d for d in range(len(shape)) if (*shape[:d], *shape[d + 1 :]) == record.shape]
                    if each.axis not in gone and each.shape[each.axis] > 1:
                        text = f"axis {each.axis}, and the sum goes over {gone[0] if gone else '?'}"
                        self.log.saw_axis(each.place, None, text, each.shape)

    def check_finite(self, event: Any, record: Record, out: Any, inputs: list) -> None:
        if self.birth is not None or arrays.type_of(out) not in arrays.FLOATS:
            return
        values = arrays.view(out)
        if values is None or arrays.is_finite(values):
            return
        if not self.inputs_finite(event):
            if self.data_not_finite(record, inputs):
                given = Birth("", record.place, False, "")  # there before the look began
                self.log.bad_targets |= record.params > 0 and event.name in comparing.TARGETED
                if np.isnan(values).any():
                    self.birth = given
                elif event.name not in GIVEN:
                    self.given_infinity = self.given_infinity or given
            return
        if event.name in GIVEN:
            return
        birth = Birth(event.name, record.place, False, described(values, inputs), grown(inputs))
        if np.isnan(values).any() or record.params:
            self.birth = birth
        elif self.log.infinity is None:
            self.log.infinity = birth
        early = self.log.early_births
        if self.setting_up and not record.params:
            early.append(birth)
        else:  # what the loop does again was not made by the preparation of the data
            early[:] = [each for each in early if (each.name, each.place) != (birth.name, birth.place)]

    def data_not_finite(self, record: Record, inputs: list) -> bool:
        """Whether it is the data of an op that are not finite, and no parameter nor what an op gave."""
        for each, maker in zip(inputs, record.inputs):
            of_data = maker is None or (isinstance(maker, Record) and not maker.params)
            if of_data and arrays.type_of(each) in arrays.FLOATS:
                values = arrays.view(each)
                if values is not None and not arrays.is_finite(values):
                    return True
        return False

    def chain(self, record: Record, event: Any) -> None:
        """A number that comes back to its line with its graph: a sum, a moving average, a best one. What is
        added up without new products in between, as the norms of all weights are, does not grow.
        """
        given, _, result = event.call
        carried: dict[Place, tuple] = {}
        if isinstance(result, Tensor) and result.requires_grad and not result.is_leaf:
            for each in given:
                if isinstance(each, Tensor) and each.requires_grad:
                    for place, entry in self.chains.get(each.data_ptr(), {}).items():
                        carried[place] = max(entry, carried.get(place, (0,)))
            if (place := record.place) is not None:
                count, since, products = carried.get(place, (0, self.log.walks, -1))
                count += self.products > products
                carried[place] = count, since, self.products
                if count > 1:
                    record.sums = record.sums | {place}
                if count > self.log.chains.get(place, (1, 0))[0]:
                    self.log.chains[place] = count, self.log.walks - since
        address = event.outputs[0].address
        if carried:
            self.chains[address] = carried
        else:
            self.chains.pop(address, None)


def tensors_in(values: Any) -> Iterator[Tensor | None]:
    """The tensors among what an op was called on, as its event lists their memory; None for an array."""
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, np.ndarray):
            yield None
        elif isinstance(each, (tuple, list)):
            yield from tensors_in(each)


def grown(inputs: Any) -> bool:
    """Whether operands are so large that what overflowed is the run, and not this op."""
    for each in inputs or ():
        given = None if each is None else arrays.view(each)
        if given is not None and given.size and given.dtype in arrays.FLOATS and np.abs(given).max() > 1e10:
            return True
    return False


def described(values: np.ndarray, inputs: list | None = None) -> str:
    """What came out, and from what range."""
    nans, infinities = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    text = f"{nans} NaN and {infinities} infinite of {values.size} values"
    ranges = []
    for each in inputs or ():
        given = arrays.view(each)
        if given is not None and given.size and given.dtype in arrays.FLOATS:
            ranges.append(f"{given.min():.3g} to {given.max():.3g}")
    return text + (f" from operands of {', '.join(ranges)}" if ranges else "")
