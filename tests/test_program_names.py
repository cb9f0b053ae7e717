"""Names that PyTorch programs and packages call beside the layers and ops: lists of tensors, functions of
functions, processes, private halves of optimizers.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Optional

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import func, nn
from tensorgrad import multiprocessing as mp
from tensorgrad.core import names
from tensorgrad.optim import optimizer as private

X = tg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=tg.float64)


def test_vmap_maps_any_dimension_and_nest():
    assert func.vmap(tg.dot)(X, X).tolist() == [14, 77]
    assert func.vmap(tg.dot, in_dims=1)(X, X).tolist() == [17, 29, 45]
    assert func.vmap(lambda x, y: x * y, in_dims=(0, None), out_dims=1)(X, X[0]).shape == (3, 2)
    found = func.vmap(lambda d: {"a": d["x"].sum(), "b": (d["y"], d["x"])}, in_dims=({"x": 0, "y": None},))(
        {"x": X, "y": X}
    )
    assert found["a"].tolist() == [6, 15] and found["b"][0].shape == (2, 2, 3)
    assert found["b"][1].equal(X)
    assert func.vmap(lambda x, y: x + y)(X, y=X).equal(X + X)
    assert func.vmap(lambda x: X[0] * 2, out_dims=None)(X).equal(X[0] * 2)
    assert func.vmap(lambda x: {"a": x}, out_dims={"a": 1})(X)["a"].equal(X.T)
    assert func.vmap(lambda x: x, out_dims=(1,))(X).equal(X.T)
    assert tg.vmap(func.vmap(lambda x: x**2))(X).equal(X**2)


def test_vmap_of_gradients_gives_one_for_each_sample():
    net = nn.Linear(3, 1).double()
    params = dict(net.named_parameters())
    each = func.vmap(
        func.grad(lambda p, x: func.functional_call(net, p, (x,)).pow(2).sum()), in_dims=(None, 0)
    )(params, X)
    for i in range(2):
        net.zero_grad()
        net(X[i]).pow(2).sum().backward()
        np.testing.assert_allclose(each["weight"][i].detach().numpy(), net.weight.grad.numpy())
    weight = X.clone().requires_grad_()
    func.vmap(lambda x: x.prod())(weight).sum().backward()
    assert weight.grad.tolist() == [[6, 3, 2], [30, 24, 20]]


def test_vmap_draws_again_or_the_same():
    same = func.vmap(lambda x: x + tg.rand(2), randomness="same")(tg.zeros(3, 1))
    different = func.vmap(lambda x: x + tg.rand(2), randomness="different")(tg.zeros(3, 1))
    assert same[0].equal(same[1]) and not different[0].equal(different[1])


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: func.vmap(tg.sin, randomness="some")(X), RuntimeError, "randomness"),
        (lambda: func.vmap(tg.add)(X, tg.ones(3)), ValueError, "of one size"),
        (lambda: func.vmap(tg.add, in_dims=(0,))(X, X), ValueError, "1 entries"),
        (lambda: func.vmap(tg.add, in_dims=(None, None))(X, X), ValueError, "no argument"),
        (lambda: func.vmap(tg.sin, in_dims=2)(X), ValueError, "none of a tensor of 2"),
        (lambda: func.vmap(lambda x, n: x)(X, 3), ValueError, "no tensor"),
        (lambda: func.vmap(lambda x: 3.0)(X), ValueError, "must give tensors"),
        (lambda: func.vmap(tg.sin)(tg.ones(0)), RuntimeError, "size 0"),
        (lambda: func.vmap(lambda x: x + tg.rand(2))(X[0]), RuntimeError, "draws random numbers"),
        (lambda: func.vmap(lambda x: (x, x), out_dims=(0,))(X), ValueError, "out_dims .* tuple of 2"),
        (lambda: func.vmap(lambda x: x, out_dims=(0, 0))(X), ValueError, "not a dimension or None"),
        (lambda: func.vmap(lambda x: x, out_dims=None)(X), ValueError, "not the same in all calls"),
        (lambda: func.vmap(lambda x: [x] * int(x[0]))(X), ValueError, "built the same"),
        (lambda: func.vmap(lambda x: x[0], in_dims=((0,),))((X, X)), ValueError, "in_dims .* tuple of 2"),
        (lambda: func.vmap(lambda x: x, in_dims=({"b": 0},))({"a": X}), ValueError, "for a dict of 1"),
    ],
)
def test_vmap_refuses(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_products_with_a_jacobian():
    def f(x, y):
        return (x**2 * y).sum(0), {"s": x.sin()}

    x, y = X[0], X[1]
    given, product = func.jvp(f, (x, y), (y, x))
    assert given[0].item() == 4 + 20 + 54
    assert product[0].item() == pytest.approx((2 * x * y * y + x**3).sum().item())
    assert product[1]["s"].tolist() == pytest.approx((x.cos() * y).tolist())
    assert not product[0].requires_grad
    twice = func.jvp(lambda t: func.jvp(lambda u: u**3, (t,), (tg.ones_like(t),))[1], (x,), (y,))[1]
    assert twice.tolist() == pytest.approx((6 * x * y).tolist())
    slope = func.grad(lambda t: func.jvp(lambda u: u**2 * t, (x[1],), (y[1],))[1])(x[1])
    assert slope.item() == 2 * 2 * 5 and not slope.requires_grad
    assert func.jvp(lambda t: (t, "aux"), (x,), (y,), has_aux=True)[2] == "aux"
    assert func.jacfwd(lambda t: t**2)(x).tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]
    with pytest.raises(RuntimeError, match="same shapes"):
        func.jvp(tg.sin, (x,), (X,))
    with pytest.raises(RuntimeError, match="tuples"):
        func.jvp(tg.sin, x, x)
    assert func.jvp(lambda t: (t, y), (x,), (x,))[1][1].tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="strict=True"):
        func.jvp(lambda t: (t, y), (x,), (x,), strict=True)


def test_batch_norms_without_statistics_for_each_sample():
    inner = nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False))
    net = nn.Sequential(nn.BatchNorm1d(3), inner, nn.Linear(3, 1))
    assert func.replace_all_batch_norm_modules_(net) is net
    assert net[0].running_mean is None and not net[0].track_running_stats and not list(net.buffers())
    found = net[0].eval()(tg.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    assert found[:, 0].tolist() == pytest.approx([-1, 1], abs=1e-4)


def test_a_scaler_of_ones_own():
    grads, found = [tg.tensor([2.0, 4.0]), tg.tensor([8.0])], tg.zeros(1)
    tg._amp_foreach_non_finite_check_and_unscale_(grads, found, tg.tensor(0.5))
    assert [g.tolist() for g in grads] == [[1, 2], [4]] and found.item() == 0
    grads[1].fill_(float("inf"))
    tg._amp_foreach_non_finite_check_and_unscale_(grads, found, tg.tensor(1.0))
    assert found.item() == 1


def test_numbers_of_a_compiler_can_be_asked_for():
    assert not isinstance(tg.ones(2).shape[0], tg.SymInt) and issubclass(tg.SymFloat, tg.SymInt)
    with pytest.raises(NotImplementedError, match="compiling"):
        tg.SymBool(None)
    assert tg.accelerator.max_memory_allocated() == 0


def test_models_of_one_kind_as_one():
    models = [nn.BatchNorm1d(3) for _ in range(2)]
    params, buffers = func.stack_module_state(models)
    assert params["weight"].shape == (2, 3) and params["weight"].is_leaf and params["weight"].requires_grad
    assert buffers["running_mean"].shape == (2, 3) and buffers["num_batches_tracked"].tolist() == [0, 0]
    for wrong in ([], [nn.Linear(1, 1), nn.ReLU()], [nn.ReLU(), nn.ReLU().eval()]):
        with pytest.raises(RuntimeError, match="stack_module_state"):
            func.stack_module_state(wrong)


def test_ops_on_lists_of_tensors():
    a, b = [tg.tensor([1.0, 4.0]), tg.tensor([9.0])], [tg.tensor([2.0, 2.0]), tg.tensor([3.0])]
    assert [t.tolist() for t in tg._foreach_add(a, b, alpha=2)] == [[5, 8], [15]]
    assert [t.tolist() for t in tg._foreach_mul(a, [2.0, 3.0])] == [[2, 8], [27]]
    assert [t.tolist() for t in tg._foreach_sqrt(a)] == [[1, 2], [3]]
    assert [t.item() for t in tg._foreach_norm(b)] == pytest.approx([8**0.5, 3])
    assert [t.item() for t in tg._foreach_norm(b, 1)] == [4, 3]
    assert [t.tolist() for t in tg._foreach_maximum(a, 3)] == [[3, 4], [9]]
    assert [t.tolist() for t in tg._foreach_clamp_max(a, b)] == [[1, 2], [3]]
    assert [t.tolist() for t in tg._foreach_clamp_max(a, scalar=2)] == [[1, 2], [2]]
    assert [t.tolist() for t in tg._foreach_add(a, other=b, alpha=2)] == [[5, 8], [15]]
    assert [t.tolist() for t in tg._foreach_addcdiv(a, b, b, [1.0, 2.0])] == [[2, 5], [11]]
    assert [t.tolist() for t in tg._foreach_addcmul(a, b, b, tg.tensor([1.0, 0.0]))] == [[5, 8], [9]]
    assert [t.tolist() for t in tg._foreach_lerp(a, b, 0.5)] == [[1.5, 3], [6]]
    first = a[0]
    tg._foreach_add_(a, 1)
    tg._foreach_copy_(b, a)
    assert a[0] is first and first.tolist() == [2, 5] and b[1].tolist() == [10]
    tg._foreach_zero_(a)
    assert first.tolist() == [0, 0]
    assert not hasattr(tg, "_foreach_nothing") and not hasattr(tg, "_foreach_clone_")
    with pytest.raises(RuntimeError, match="same number"):
        tg._foreach_add(a, b[:1])
    with pytest.raises(RuntimeError, match="same number"):
        tg._foreach_addcmul_(a, b, b, tg.ones(3))
    assert first.tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="at least one"):
        tg._foreach_add([], 1)


class Doubled:
    """No tensor, and answers ops itself."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, len(args), types == (cls,), kwargs


class Shy(Doubled):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


class Own(Shy):
    """By a method of each, as older programs have it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self, types


def test_a_type_that_takes_functions_over():
    x, mine = tg.ones(2), Doubled()
    own = Own()
    assert tg.add(Shy(), own) == (own, (Own, Shy))  # a subclass is asked before its base
    assert tg.add(mine, x) == ("add", 2, True, {})
    assert tg.cat([x, mine], dim=0) == ("cat", 1, True, {"dim": 0})
    assert nn.functional.linear(x, mine) == ("linear", 2, True, {})
    assert (x * mine)[0] == "mul" and (x @ mine)[0] == "matmul" and x.add(mine)[0] == "add"
    assert tg.overrides.has_torch_function_variadic(x, mine)
    assert not tg.overrides.has_torch_function_unary(x)
    assert tg.overrides.handle_torch_function(tg.mean, (mine,), mine)[0] == "mean"
    with pytest.raises(TypeError, match="no implementation found for 'tensorgrad.sin'"):
        tg.sin(Shy())
    with pytest.raises(TypeError):
        x * object()


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def of_index(index, folder, fails):
    if index == fails:
        raise KeyError("mine")
    with open(os.path.join(folder, str(index)), "w") as f:
        f.write(str(tg.ones(index).sum().item()))


def leaves(index):
    os._exit(3)


def tells_much(index):
    raise ValueError("much" * 100_000)


def ends_by_signal(index, number, folder):
    if index:
        signal.signal(signal.SIGTERM, lambda *_: (Path(folder, "asked").touch(), os._exit(0)))
        Path(folder, "ready").touch()
        for _ in range(3000):  # in short sleeps: a signal just before one is answered after it
            time.sleep(0.01)
    while not Path(folder, "ready").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), number)


@forks
def test_a_process_may_tell_more_than_a_pipe_holds():
    with pytest.raises(mp.ProcessRaisedException, match="muchmuch"):
        mp.start_processes(tells_much, nprocs=2, start_method="fork")


REAL_TIME = getattr(signal, "SIGRTMIN", -1) + 1  # a signal without a name of its own, where there are such


@forks
@pytest.mark.parametrize(
    "number, name",
    [(signal.SIGTERM, "SIGTERM"), *[(REAL_TIME, f"<Unknown signal {REAL_TIME}>")] * (REAL_TIME > 0)],
)
def test_a_signal_ends_a_process_and_the_others_are_asked_to_end(number, name, tmp_path):
    with pytest.raises(mp.ProcessExitedException, match=name) as ended:
        mp.start_processes(ends_by_signal, args=(number, tmp_path), nprocs=2, start_method="fork")
    assert (ended.value.signal_name, ended.value.error_index) == (name, 0)
    assert (tmp_path / "asked").exists()


def test_spawn_warns_of_another_way_to_start():
    with pytest.warns(FutureWarning, match="not 'fork'"):
        mp.spawn(leaves, nprocs=0, start_method="fork")


@forks
def test_spawned_processes(tmp_path):
    mp.spawn(of_index, args=(str(tmp_path), None), nprocs=2)
    assert [(tmp_path / str(i)).read_text() for i in range(2)] == ["0.0", "1.0"]
    with pytest.raises(mp.ProcessRaisedException, match="KeyError: 'mine'") as caught:
        mp.start_processes(of_index, args=(str(tmp_path), 1), nprocs=2, start_method="fork")
    assert caught.value.error_index == 1
    assert pickle.loads(pickle.dumps(caught.value)).pid == caught.value.pid
    context = mp.start_processes(leaves, nprocs=1, join=False, start_method="fork")
    with pytest.raises(mp.ProcessExitedException, match="exit code 3") as ended:
        while not context.join(timeout=10):
            pass
    assert ended.value.exit_code == 3 and context.pids() == [ended.value.pid]


def test_times_of_statements():
    known = {"x": tg.ones(2)}
    timer = tg.utils.benchmark.Timer("x + y", "y = 1", globals=known, label="sum", sub_label="two")
    run = timer.timeit(5)
    assert run.number_per_run == 5 and len(run.times) == 1 and "sum: two" in repr(run)
    assert sum(timer.blocked_autorange(min_run_time=0.01).raw_times) >= 0.01
    assert timer.adaptive_autorange(min_run_time=0.001, max_run_time=0.1).mean > 0
    with pytest.raises(NotImplementedError, match="Python"):
        tg.utils.benchmark.Timer("1", language="cpp")
    with pytest.raises(ValueError, match="global_setup"):
        tg.utils.benchmark.Timer("1", global_setup="int i;")


def test_one_slow_call_makes_no_runs_of_few_calls():
    clock = SimpleNamespace(now=0.0, steps=iter([1.0]))

    def work():
        clock.now += next(clock.steps, 2.0**-19)

    timer = tg.utils.benchmark.Timer("work()", timer=lambda: clock.now, globals={"work": work})
    heard = []
    run = timer.blocked_autorange(lambda *told: heard.append(told), min_run_time=0.01)
    assert run.number_per_run == 10 and len(run.times) == 525 and heard[0] == (10, 10 * 2.0**-19)
    clock.steps = iter([1.0])
    run = timer.adaptive_autorange(threshold=0.0, max_run_time=0.1, callback=lambda *told: heard.append(told))
    assert run.number_per_run == 100 and len(run.times) == 525 and len(heard) == 525 + 525


def test_a_batch_in_parts_and_back():
    parts = nn.parallel.scatter({"x": X, "n": 3}, ["cpu", "cpu"])
    assert [p["x"].tolist() for p in parts] == [[[1, 2, 3]], [[4, 5, 6]]] and parts[1]["n"] == 3
    assert nn.parallel.gather([p["x"] for p in parts], "cpu").equal(X)
    args, words = nn.parallel.scatter_gather.scatter_kwargs((X,), {"k": 1}, ["cpu"])
    assert args[0][0].equal(X) and words == ({"k": 1},)
    with pytest.raises(RuntimeError, match="CPU only"):
        nn.parallel.scatter(X, [0])
    with pytest.raises(RuntimeError, match="CPU only"):
        nn.parallel.gather(parts, 0)


def test_entropy_of_an_exponential_family():
    class Mine(tg.distributions.ExponentialFamily):
        def __init__(self, rate):
            self.rate = rate
            super().__init__(rate.shape, validate_args=False)

        _natural_params = property(lambda self: (-self.rate,))
        _mean_carrier_measure = 0

        def _log_normalizer(self, x):
            return -(-x).log()

        def expand(self, batch_shape, _instance=None):
            new = self._get_checked_instance(Mine, _instance)
            new.rate = self.rate.expand(batch_shape)
            super(Mine, new).__init__(batch_shape, validate_args=False)
            return new

    class Under(Mine):
        def __init__(self):
            super().__init__(tg.ones(1))

    rate = tg.tensor([0.5, 2.0])
    assert Mine(rate).entropy().tolist() == pytest.approx((1 - rate.log()).tolist())
    assert Mine(rate[:1]).expand((3,)).batch_shape == (3,)
    with pytest.raises(NotImplementedError, match="expand of its own"):
        Under().expand((2,))


def test_what_copies_of_optimizers_import():
    class Mine(tg.optim.Optimizer):
        @private._use_grad_for_differentiable
        def step(self, closure=None):
            return tg.is_grad_enabled()

    w = tg.ones(1, requires_grad=True)
    assert Mine([w], dict(differentiable=False)).step() is False
    assert Mine([w], dict(differentiable=True)).step() is True
    assert private._get_value(tg.tensor(3.0)) == 3 and private._dispatch_sqrt(4) == 2
    assert private._default_to_fused_or_foreach([w], False) == (False, False)
    from tensorgrad.utils._foreach_utils import _group_tensors_by_device_and_dtype

    (lists, places), (others, _) = _group_tensors_by_device_and_dtype([[w, X, w], [X, X, X]]).values()
    assert places == [0, 2] and lists[0][1] is w and others == [[X], [X]]


def test_names_of_compiled_programs():
    layer = nn.Linear(1, 1)
    assert not isinstance(tg.jit.script(layer), tg.jit.ScriptModule)
    assert tg.jit.isinstance([1], list[int]) and not tg.jit.isinstance(1, (str, list))
    assert not tg.jit.isinstance([1], list[str]) and tg.jit.isinstance([[1]], (list[int], list[list[int]]))
    assert tg.jit.isinstance({"a": [1.0]}, dict[str, list[float]])
    assert not tg.jit.isinstance({1: 2}, dict[str, int])
    assert tg.jit.isinstance((1, "a"), tuple[int, str]) and not tg.jit.isinstance((1,), tuple[int, str])
    assert tg.jit.isinstance((1, 2), tuple[int, ...]) and tg.jit.isinstance((), tuple[int, ...])
    assert tg.jit.isinstance(None, int | None) and not tg.jit.isinstance("a", Optional[int])  # noqa: UP045
    for name in ("load", "save", "fork"):
        with pytest.raises(NotImplementedError, match=f"jit.{name}"):
            getattr(tg.jit, name)("x")
    assert tg.compiler.set_stance("force_eager")(abs) is abs
    with pytest.raises(AssertionError, match="so"):
        tg._assert(False, "so")


def test_sizes_as_layers_of_ones_own_take_them():
    from tensorgrad.nn.modules import utils

    assert utils._reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    assert utils._list_with_default([None, 3], [5, 6, 7]) == [6, 3]
    assert issubclass(nn.ConvTranspose2d, nn.modules.conv._ConvTransposeNd)


def test_reductions_by_number():
    from tensorgrad.nn import _reduction

    assert [_reduction.get_enum(name) for name in ("none", "mean", "sum")] == [0, 1, 2]
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert _reduction.legacy_get_string(False, None) == "sum"
    with pytest.raises(ValueError, match="not a valid"):
        _reduction.get_enum("some")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _reduction.legacy_get_enum(None, False, emit_warning=False) == 0
        assert _reduction.get_enum("elementwise_mean") == 1


def test_real_is_the_tensor_itself():
    assert X.real is not None and X.real.equal(X) and X.real.dtype is tg.float64
    assert X.conj().equal(X)


@pytest.mark.parametrize("module", ["accelerator", "cuda", "distributed", "hub", "jit"])
def test_what_refuses_goes_by_its_own_name(module):
    where = getattr(tg, module)
    code = names.refusing("", RuntimeError, "").__code__
    made = {name: f for name in where.__all__ if getattr(f := getattr(where, name), "__code__", None) is code}
    assert made and [*made] == [f.__name__ for f in made.values()]
