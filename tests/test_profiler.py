"""The engine's events, and the profile made of them."""

import gzip
import json
import threading

import pytest

import tensorgrad as tg
from tensorgrad import _kernels
from tensorgrad.nn import functional as F
from tensorgrad.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)


class Heard:
    """All events of a block."""

    def __enter__(self):
        self.events = []
        self.listener = self.events.append
        _kernels.listen(self.listener)
        return self

    def __exit__(self, *error):
        _kernels.unlisten(self.listener)

    def names(self, *kinds):
        return [event.name for event in self.events if event.kind in kinds]


needs_kernels = pytest.mark.skipif(tg.get_backend() == "numpy", reason="counts launches of kernels")


def mlp():
    return tg.nn.Sequential(tg.nn.Linear(6, 5), tg.nn.ReLU(), tg.nn.Linear(5, 3))


@needs_kernels
def test_a_training_step_of_a_network_is_kernels_alone():
    tg.manual_seed(0)
    model, x, y = mlp(), tg.rand(8, 6), tg.arange(8) % 3
    optimizer = tg.optim.Adam(model.parameters())
    for _ in range(2):  # the second step has all states
        with Heard() as heard:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    assert heard.names("body", "draw") == []
    launched = heard.names("kernel")
    assert launched.count("matmul") == 5  # twice forward; back twice for weights, once for an input
    assert launched.count("adam") == launched.count("add_scalar") == 4
    for name in ("relu", "relu_backward", "cross_entropy", "cross_entropy_backward"):
        assert launched.count(name) == 1


def test_a_draw_is_an_event_of_its_own():
    with Heard() as heard:
        tg.rand(3), tg.randn(30), tg.randint(0, 9, (4,)), tg.randperm(5), tg.empty(3).exponential_()
        F.dropout(tg.ones(4), 0.5)
    assert heard.names("draw") == ["uniform", "normal", "integers", "shuffle", "exponential", "bernoulli"]


def test_a_body_is_an_event_on_either_path():
    x = tg.ones(3)
    with Heard() as heard:
        x.heaviside(x)
    assert heard.names("body") == ["heaviside"]
    before = tg.get_backend()
    tg.set_backend("numpy")
    try:
        with Heard() as heard:
            x.exp()
    finally:
        tg.set_backend(before)
    assert "exp" in heard.names("body")


def test_an_event_knows_the_one_it_is_inside_of_and_its_own_time():
    with Heard() as heard:
        F.softmax(tg.ones(2, 3), 1)
    outer = [event for event in heard.events if event.name == "softmax" and event.kind == "op"][-1]
    inner = [event for event in heard.events if event.parent is outer]
    assert inner
    assert outer.inner == sum(event.duration for event in inner) <= outer.duration
    assert outer.own == outer.duration - outer.inner >= 0
    assert outer.shapes == ((2, 3),) and outer.nbytes == 48


def test_tensors_given_by_name_are_described_as_well():
    with Heard() as heard:
        tg.add(input=tg.ones(2), other=tg.ones(3, 1))
    (added,) = [event for event in heard.events if event.name == "add" and event.kind == "op"]
    assert added.shapes == ((2,), (3, 1))


def test_an_event_that_ends_after_the_listening_leaves_nothing():
    with Heard():
        outer = _kernels.begin_range("outer")
        inner = _kernels.begin_range("inner")
    _kernels.end_range(inner)
    _kernels.end_range(outer)
    with Heard() as heard:
        tg.ones(2).exp()
    assert all(event.parent not in (outer, inner) for event in heard.events)


def test_an_op_that_fails_ends_its_event():
    with Heard() as heard:
        with pytest.raises(RuntimeError):
            tg.ones(2) + tg.ones(3)
        with pytest.raises(RuntimeError):
            tg.matmul(tg.ones(2), tg.ones(3))
        tg.ones(2).exp()
    last = [event for event in heard.events if event.name == "exp"][-1]
    while last.parent is not None:
        last = last.parent
    assert last.name == "exp"


def test_nobody_hears_after_the_end():
    with Heard() as heard:
        pass
    tg.ones(3).exp()
    _kernels.unlisten(heard.listener)
    assert heard.events == []


def test_every_thread_has_its_own_events():
    with Heard() as heard:
        thread = threading.Thread(target=lambda: tg.ones(3).exp())
        with record_function("outer"):
            thread.start()
            thread.join()
    there = [event for event in heard.events if event.name == "exp"]
    assert there and all(event.thread == thread.ident for event in there)
    assert all(event.name != "outer" for event in [each.parent for each in there] if event is not None)


def profiled(**settings):
    tg.manual_seed(0)
    model, x, y = mlp(), tg.rand(8, 6), tg.arange(8) % 3
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    with profile(activities=[ProfilerActivity.CPU], **settings) as prof:
        with record_function("forward"):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return prof


def test_a_profile_names_ops_steps_back_ranges_and_the_optimizer():
    averages = {each.key: each for each in profiled().key_averages()}
    for key in ("linear", "relu", "ReluBackward0", "forward", "Optimizer.step#SGD.step"):
        assert averages[key].count >= 1, key
    forward = averages["forward"]
    assert forward.cpu_time_total > forward.self_cpu_time_total > 0
    assert forward.cpu_time == forward.cpu_time_total


def test_the_table_is_sorted_and_cut():
    averages = profiled().key_averages()
    text = averages.table(sort_by="self_cpu_time_total", row_limit=3, header="a step")
    lines = text.splitlines()
    assert lines[0] == "a step" and "# of Calls" in lines[2]
    assert len(lines) == 2 + 1 + 1 + 3 + 1 + 1
    own = sorted((each.self_cpu_time_total for each in averages), reverse=True)
    shares = [float(line.split("%")[0].split()[-1]) for line in lines[4:7]]
    assert shares == pytest.approx([100 * each / sum(own) for each in own[:3]], abs=0.01)
    assert averages.self_cpu_time_total == pytest.approx(sum(own))
    with pytest.raises(ValueError, match="sort_by is 'name', wanted one of self_cpu_time_total"):
        averages.table(sort_by="name")


def test_averages_by_shape_are_apart():
    with profile(record_shapes=True) as prof:
        tg.ones(3).exp()
        tg.ones(4).exp()
    ops = [each for each in prof.key_averages(group_by_input_shape=True) if each.key == "exp"]
    assert [[3]] in [each.input_shapes for each in ops] and [[4]] in [each.input_shapes for each in ops]


@pytest.mark.parametrize("name", ("trace.json", "trace.json.gz"))
def test_a_trace_is_json_for_the_viewer(tmp_path, name):
    prof = profiled(record_shapes=True)
    prof.add_metadata("run", "first")
    prof.export_chrome_trace(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    trace = json.loads(gzip.decompress(data) if name.endswith("gz") else data)
    assert trace["run"] == "first"
    linear = [each for each in trace["traceEvents"] if each["name"] == "linear"][0]
    assert linear["ph"] == "X" and linear["dur"] > 0 and linear["args"]["Input Dims"][0] == [8, 6]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_schedule_waits_warms_up_and_keeps():
    plan = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    none, warm, keep, save = ProfilerAction
    assert [plan(step) for step in range(10)] == [none, none, warm, keep, save, none, warm, keep, save, none]
    plan = schedule(wait=2, warmup=0, active=1, skip_first_wait=1)
    assert [plan(step) for step in range(4)] == [save, none, none, save]
    for wrong in ({"wait": -1, "warmup": 0, "active": 1}, {"wait": 0, "warmup": 0, "active": 0}):
        with pytest.raises(AssertionError, match="schedule: "):
            schedule(**wrong)


def test_each_cycle_of_a_schedule_gives_its_trace(tmp_path):
    kept = []

    def ready(prof):
        names = {event.name for event in prof.events()}
        kept.append({name for name in names if name.startswith(("ProfilerStep", "exp", "log"))})
        handler(prof)

    handler = tensorboard_trace_handler(str(tmp_path / "traces"), "worker")
    with profile(schedule=schedule(wait=1, warmup=1, active=1), on_trace_ready=ready) as prof:
        for step in range(6):
            (tg.Tensor.exp if step % 3 == 2 else tg.Tensor.log)(tg.ones(2))
            prof.step()
    assert kept == [{"ProfilerStep#2", "exp"}, {"ProfilerStep#5", "exp"}]
    written = sorted(path.name for path in (tmp_path / "traces").iterdir())
    assert len(written) == 2
    assert all(name.startswith("worker.") and name.endswith(".pt.trace.json") for name in written)


def test_a_function_can_be_a_range():
    @record_function("counted")
    def count(n):
        return n if n == 0 else count(n - 1)

    with profile() as prof:
        count(2)
    assert [(each.key, each.count) for each in prof.key_averages()] == [("counted", 3)]


def test_nonsense_is_refused():
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        profile().events()
    with pytest.raises(TypeError, match="an activity is 'cpu'"):
        profile(activities=["cpu"])
    with pytest.raises(TypeError, match="argument 'schedule' must be a function, not int"):
        profile(schedule=3)
    with pytest.raises(TypeError, match="argument 'name' must be str, not int"):
        record_function(3)
