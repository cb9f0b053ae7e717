"""Events of training steps: what runs, told by name, and that nothing writes memory of tensors past them."""

from collections import Counter

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import _kernels, nn
from tensorgrad.core import _core
from tensorgrad.testing.samples import cases, materialize, tensors_in

COMPUTE = ("kernel", "body", "draw", "number")  # the kinds of events that write
on_kernels = pytest.mark.skipif(tg.get_backend() == "numpy", reason="counts launches of kernels")


class Listening:
    """Calls `hear` with every event."""

    def __enter__(self):
        self.listener = self.hear
        _kernels.listen(self.listener)
        return self

    def __exit__(self, *_):
        _kernels.unlisten(self.listener)


class Counted(Listening):
    def __init__(self):
        self.events = []

    def hear(self, event):
        self.events.append(event)

    def names(self):
        """How often each, of those that compute; not a kernel is written with its kind."""
        computed = [event for event in self.events if event.kind in COMPUTE]
        return dict(Counter(e.name if e.kind == "kernel" else f"{e.kind} {e.name}" for e in computed))


def reach(operand):
    """From which address to which one an operand lies."""
    steps = [(n - 1) * step for n, step in zip(operand.shape, operand.strides)]
    low = operand.address + sum(step for step in steps if step < 0)
    return low, operand.address + sum(step for step in steps if step > 0) + operand.itemsize


class Watched(Listening):
    """Finds bytes of tensors that changed and were no event's output."""

    def __enter__(self):
        _core._hold_freed(True)
        self.stray, self.before = [], _core._bytes_in_use()
        return super().__enter__()

    def __exit__(self, *_):
        super().__exit__()
        self.compare("after the last event", ())
        _core._hold_freed(False)

    def hear(self, event):
        if event.kind in COMPUTE:
            spans = [reach(each) for each in event.outputs if each is not None]
            self.compare(f"{event.kind} {event.name}", spans)

    def compare(self, when, spans):
        now = _core._bytes_in_use()
        for address, data in now.items():
            old = self.before.get(address, data)
            if old == data or len(old) != len(data):
                continue
            changed = np.frombuffer(old, np.uint8) != np.frombuffer(data, np.uint8)
            for low, high in spans:
                changed[max(0, low - address) : max(0, high - address)] = False
            if changed.any():
                self.stray.append((when, len(data), int(changed.sum())))
        self.before = now


def mlp():
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    x, y = tg.rand(5, 6), tg.arange(5) % 3

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def norm_and_dropout():
    model = nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.3), nn.Linear(9, 3))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = tg.rand(5, 6), tg.rand(5, 3)

    def step():
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()

    return step


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.letter, self.place = nn.Embedding(7, 8), nn.Embedding(4, 8)
        self.norm, self.mixed, self.joined = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.wide, self.narrow, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 7)

    def forward(self, text):
        x = self.letter(text) + self.place(tg.arange(4))
        q, k, v = (part.view(2, 4, 2, 4).transpose(1, 2) for part in self.mixed(self.norm(x)).split(8, 2))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.joined(seen.transpose(1, 2).reshape(2, 4, 8))
        return self.head(x + self.narrow(F.gelu(self.wide(x)))).flatten(0, 1)


def transformer():
    model = Transformer()
    optimizer = tg.optim.AdamW(model.parameters(), lr=0.01)
    text, following = tg.arange(8).view(2, 4) % 7, tg.arange(8) % 5

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(text), following).backward()
        optimizer.step()

    return step


def clipping():
    parameters = [nn.Parameter(tg.zeros(n, 2)) for n in (1, 3, 20)]

    def step():
        for each in parameters:
            each.grad = each.detach() + 1
        nn.utils.clip_grad_norm_(parameters, 0.5)

    return step


PROGRAMS = {
    "mlp": mlp,
    "norm and dropout": norm_and_dropout,
    "transformer": transformer,
    "clipping": clipping,
}
EVENTS = {
    "mlp": {
        "adam": 4, "add_scalar": 4, "cross_entropy": 1, "cross_entropy_backward": 1, "fill": 1, "matmul": 5,
        "relu": 1, "relu_backward": 1, "sum": 2,
    },
    "norm and dropout": {
        "add": 1, "batch_norm": 1, "batch_norm_backward": 1, "draw bernoulli": 1, "dropout": 2, "fill": 1,
        "matmul": 5, "mse_loss": 1, "mse_loss_backward": 1, "number number": 1, "relu": 1, "relu_backward": 1,
        "sgd": 6, "sum": 2,
    },
    "transformer": {
        "adam": 14, "add": 5, "add_scalar": 14, "arange": 1, "cast_f32": 2, "copy": 3, "cross_entropy": 1,
        "cross_entropy_backward": 1, "fill": 3, "gather_rows": 2, "gelu": 1, "gelu_backward": 1,
        "layer_norm": 1, "layer_norm_backward": 1, "matmul": 15, "scaled_dot_product_attention": 1,
        "scaled_dot_product_attention_backward": 1, "scatter_add_rows": 2, "sum": 6,
    },
    "clipping": {"add_scalar": 4, "div": 1, "minimum": 1, "mul": 3, "number number": 2, "vector_norm": 4},
}  # fmt: skip


@on_kernels
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_training_step_is_these_events(name):
    step = PROGRAMS[name]()
    step()
    with Counted() as counted:
        step()
    assert counted.names() == EVENTS[name]


@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS)
def test_a_training_step_writes_only_what_its_events_say(make):
    step = make()
    with Watched() as watched:
        step()  # the first one makes what the optimizer remembers
        step()
    assert watched.stray == []


@pytest.mark.parametrize("size", [1, 2, 3, 12, 13, 100_000])
@pytest.mark.parametrize("value", [5.0, 0.0])
def test_a_write_past_the_events_is_found(size, value):
    x = tg.ones(size)
    with Watched() as watched:
        x.exp()
        _core._array_of(x)[size // 2] = value
        x.exp()
    assert [(nbytes, changed <= 4) for _, nbytes, changed in watched.stray] == [(4 * size, True)]


def test_a_write_beside_the_outputs_of_an_event_is_found():
    x, y = tg.ones(100), tg.ones(100)
    with Watched() as watched:
        _core._write_by("both", x, lambda array: (array.fill(2.0), _core._array_of(y).fill(2.0)))
    assert [(when, nbytes) for when, nbytes, _ in watched.stray] == [("body both", 400)]


# ---- what an event says of its operands


def said(work):
    """Of each event that computes: its name, and dtype, shape and strides of its inputs and outputs."""
    with Counted() as counted:
        work()
    return [
        (event.name, *([each and (each.dtype, each.shape, each.strides) for each in operands]
                       for operands in (event.inputs, event.outputs)))
        for event in counted.events if event.kind in COMPUTE
    ]  # fmt: skip


BOOL, I64, F32, F64 = (each.code for each in (tg.bool, tg.int64, tg.float32, tg.float64))


@on_kernels
def test_an_event_tells_dtypes_shapes_and_strides_of_inputs_and_outputs():
    x, y = tg.rand(3, 4), tg.rand(4, 3)
    wide, row = (F32, (3, 4), (16, 4)), (F32, (3, 4), (0, 4))
    assert said(lambda: x + y.t()) == [("add", [wide, (F32, (3, 4), (4, 12))], [wide])]
    assert said(lambda: x > tg.rand(4))[1:] == [("gt", [wide, row], [(BOOL, (3, 4), (4, 1))])]
    assert said(lambda: x @ y) == [
        ("matmul", [(F32, (3, 4), (16, 4)), (F32, (4, 3), (12, 4)), None], [(F32, (3, 3), (12, 4))])
    ]
    assert said(lambda: x.sum(0)) == [("sum", [(F32, (1, 3, 4), (4, 16, 4))], [(F32, (1, 4), (16, 4))])]
    assert said(lambda: x.double()) == [("cast_f64", [(F32, (12,), (4,))], [(F64, (12,), (8,))])]
    assert said(lambda: tg.full((2,), 3.0)) == [("fill", [], [(F32, (2,), (4,))])]
    index = tg.tensor([2, 0])
    assert said(lambda: x[index]) == [
        ("gather_rows", [wide, (I64, (2,), (8,))], [(F32, (2, 4), (16, 4)), (I64, (1,), (8,))])
    ]
    p = nn.Parameter(tg.ones(3))
    p.grad, optimizer = tg.ones(3), tg.optim.SGD([p], momentum=0.5)
    optimizer.step()
    three = (F32, (3,), (4,))
    assert said(optimizer.step) == [("sgd", [three] * 3, [three] * 2)]


def test_draws_numbers_copies_and_bodies_tell_where_they_write():
    assert said(lambda: tg.rand(2, 3)) == [("uniform", [], [(F32, (6,), (4,))])]
    assert ("number", [], [(F32, (), ())]) in said(lambda: tg.ones(2) / 3)
    array = np.ones((2, 3))
    copied = said(lambda: tg.tensor(array))
    assert copied == [("copy", [(F64, (6,), (8,))], [(F64, (6,), (8,))])]
    x = tg.rand(20, 30)
    name, inputs, outputs = said(x.tril)[0]
    assert name in ("triangle", "tril") and inputs == outputs
    ((dtype, shape, strides),) = inputs
    assert (dtype, shape[-2:], strides[-2:]) == (F32, (20, 30), (120, 4))


def test_a_body_writes_where_the_engine_says():
    """Into a tensor's memory, which the accounts know, and not into an array of NumPy's own."""
    with tg.backend("numpy"):
        x, y = tg.rand(30, 40), tg.rand(40)
        calls = {"tanh": x.tanh, "mul": lambda: x * y, "lt": lambda: x < 0.5, "hypot": lambda: y.hypot(x)}
        for name, call in calls.items():
            with Counted() as counted:
                result = call()
            event = next(each for each in counted.events if (each.kind, each.name) == ("body", name))
            assert [each.address for each in event.outputs] == [result.data_ptr()]
        before = tg.memory_allocated()
        kept = x.exp()
        assert tg.memory_allocated() >= before + kept.nbytes


def names_of(call, kind="op"):
    with Counted() as counted:
        call()
    return [event.name for event in counted.events if event.kind == kind]


def test_operators_are_events_of_ops():
    x = tg.rand(3, 3)
    for call, name in (
        (lambda: x @ x, "matmul"),
        (lambda: -x, "neg"),
        (lambda: abs(x), "abs"),
        (lambda: x.__iadd__(1), "add_"),
        (lambda: x.__isub__(1), "sub_"),
        (lambda: x[0], "__getitem__"),
        (lambda: x.__setitem__(0, 1.0), "__setitem__"),
    ):
        assert names_of(call)[-1] == name


@on_kernels
def test_batch_norm_in_evaluation_writes_no_statistics():
    x, mean, variance = tg.rand(4, 3), tg.zeros(3), tg.ones(3)
    for training, written in ((True, 4), (False, 2)):
        with Counted() as counted:
            F.batch_norm(x, mean, variance, training=training)
        (event,) = (each for each in counted.events if each.name == "batch_norm" and each.kind == "kernel")
        assert len(event.outputs) == written


def test_ranges_may_end_in_another_order():
    with Counted() as counted:
        first, second = _kernels.begin_range("first"), _kernels.begin_range("second")
        _kernels.end_range(first)
        tg.ones(2) + 1
        _kernels.end_range(second)
        tg.ones(2) + 1
    ops = [event for event in counted.events if event.kind == "op" and event.name == "add"]
    assert [op.parent and op.parent.name for op in ops] == ["second", None]
    assert first.own >= 0 and second.own >= 0


# ---- every kernel


def call(op, sample, dtype):
    """A sample call forwards and backwards, by kernels where there are some."""
    for wanted in (False, True):
        args, kwargs, _ = materialize(sample, dtype=dtype, requires_grad=wanted and dtype.is_floating_point)
        try:
            outputs = [t for t in tensors_in(op(*args, **kwargs)) if t.requires_grad]
            tg.autograd.backward(outputs, [tg.ones_like(t) for t in outputs])
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            pass  # the dtype is not for this op, or its tensors are not to be written


def call_the_rest():
    """What takes other dtypes or is no op: copies, conversions, fills, rows by index, steps of optimizers."""
    for dtype in tg.core.all_dtypes:
        x = tg.zeros(3, 4).to(dtype)
        tg.zeros(2, dtype=dtype).fill_(1)
        x.t().contiguous(), x[tg.tensor([2, 0])], tg.where(tg.ones(3, 4) > 0, x, x)
        index = tg.tensor([[0, 1], [2, 1], [0, 3]])
        x[:, index[0]], x.gather(1, index), x.scatter(1, index, x[:, :2])
        x.index_copy(1, index[0], x[:, :2]), x.tril(), x.sort(), x.mode()
        if dtype is not tg.bool:
            x.kthvalue(2)
        for other in tg.core.all_dtypes:
            x.to(other)
    for dtype in (tg.float32, tg.float64):
        tg.bucketize(tg.rand(3, dtype=dtype), tg.rand(3, dtype=dtype))
        for kind in (kind for kind in vars(tg.optim).values() if getattr(kind, "kernel", None)):
            p = nn.Parameter(tg.ones(3, dtype=dtype))
            p.grad = tg.ones(3, dtype=dtype)
            kind([p], lr=0.1).step()
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.LayerNorm(4)).to(dtype)
        model(tg.rand(6, 4, dtype=dtype)).sum().backward()


def call_every_op(*dtypes):
    for op, sample in cases():
        for dtype in dtypes:
            call(op, sample, dtype)


@on_kernels
@pytest.mark.filterwarnings("ignore")
def test_every_kernel_is_some_ops_and_writes_what_it_says():
    with Counted() as counted:
        call_every_op(tg.float64, tg.bool)
        with Watched() as watched:
            call_every_op(tg.float32)
            call_the_rest()
        call_every_op(tg.int64)
    assert watched.stray == []
    launched = {(event.name, event.dtype) for event in counted.events if event.kind == "kernel"}
    square = {(f"cast_{dtype.short}", dtype.code) for dtype in tg.core.all_dtypes}  # from each to itself
    assert set(_kernels.names()) - launched == square


def test_calls_are_told_to_who_asks_for_them():
    x, y = tg.ones(2, 3), tg.ones(3)
    heard = []

    def hear(event):
        if event.kind == "op":
            heard.append((event.name, event.call))

    _kernels.listen(hear)
    x + y
    _kernels.unlisten(hear)
    assert heard == [("add", None)]
    heard.clear()
    _kernels.listen(hear, calls=True)
    try:
        total = x.sum(dim=1, keepdim=True)
        x += y
        first, second = x
        item = x[0]
    finally:
        _kernels.unlisten(hear)
    (_, by_word), (_, in_place), (_, unbound), (_, indexed) = heard
    assert [name for name, _ in heard] == ["sum", "add_", "unbind", "__getitem__"]
    assert by_word[0][0] is x and by_word[0][1:] == (1, True) and by_word[1] == ("dim", "keepdim")
    assert by_word[2] is total and in_place[2] is x and in_place[0][1] is y
    assert unbound[2][0] is first and unbound[2][1] is second and indexed[2] is item
    heard.clear()
    _kernels.listen(hear)
    x * y
    _kernels.unlisten(hear)
    assert heard == [("mul", None)]
