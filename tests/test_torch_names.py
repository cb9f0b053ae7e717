"""Names of PyTorch that a CPU answers: storages, futures, hubs, questions for other devices and processes."""

import threading
import warnings

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn as nn


def repr_of_type(value):
    return type(value).__name__


def test_a_storage_is_the_whole_memory_that_views_share():
    x = tg.arange(6).reshape(2, 3)
    row = x[1]
    kept = row.storage()
    assert kept.tolist() == list(range(6)) and kept.dtype is tg.int64 and kept.size() == len(kept) == 6
    assert kept.data_ptr() == x.data_ptr() == row.untyped_storage().data_ptr()
    assert row.untyped_storage().nbytes() == kept.nbytes() == kept.untyped().size() == 48
    kept[1] = 50
    copy = kept.clone()
    kept.fill_(7)
    assert x.tolist() == [[7] * 3] * 2 and list(copy) == [0, 50, 2, 3, 4, 5] and copy[1:3].tolist() == [50, 2]
    kept.copy_(copy)
    assert x.tolist() == [[0, 50, 2], [3, 4, 5]]
    assert tg.empty(0).untyped_storage().nbytes() == 0


@pytest.mark.parametrize("kind", ["storage", "untyped_storage"])
def test_a_tensor_is_set_to_a_storage(kind):
    x = tg.arange(6.0)
    y = tg.empty(0).set_(getattr(x[2:], kind)(), 1, (2, 2), (2, 1))
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    y[0, 0] = 9
    assert x[1] == 9


def test_a_storage_counts_writes():
    """As by any other view that is not on the tape."""
    x = tg.ones(2, requires_grad=True)
    y = x * x
    x.storage()[0] = 5.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_futures_are_called_when_all_are_there():
    first, second = tg.futures.Future(), tg.futures.Future()
    both = tg.futures.collect_all([first, second])
    failed = first.then(lambda done: 1 / 0)
    threading.Timer(0.01, lambda: (second.set_result(2), first.set_result(1))).start()
    assert tg.futures.wait_all([first, second]) == [1, 2] and both.wait() == [first, second] and both.done()
    with pytest.raises(ZeroDivisionError):
        failed.wait()
    with pytest.raises(RuntimeError, match="set only once"):
        first.set_result(3)
    with pytest.raises(RuntimeError, match="not completed yet"):
        tg.futures.Future().value()
    with pytest.raises(AssertionError, match="not an Exception"):
        tg.futures.Future().set_exception("wrong")


def test_a_hub_reads_what_is_there_and_downloads_nothing(tmp_path, monkeypatch):
    url = "https://example.org/models/small-1.pth?x=1"
    monkeypatch.setattr(tg.hub, "_chosen", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert tg.hub.get_dir() == str(tmp_path / "hub")
    with pytest.raises(RuntimeError, match=r"downloads nothing: put .* at .*checkpoints.small-1.pth"):
        tg.hub.load_state_dict_from_url(url)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    tg.save({"w": tg.ones(2)}, tmp_path / "hub" / "checkpoints" / "small-1.pth")
    assert tg.hub.load_state_dict_from_url(url)["w"].tolist() == [1, 1]
    tg.save({"w": tg.zeros(1)}, tmp_path / "own.pth")
    assert tg.hub.load_state_dict_from_url(url, tmp_path, file_name="own.pth")["w"].tolist() == [0]
    with pytest.raises(RuntimeError, match="hub.load: tensorgrad downloads nothing"):
        tg.hub.load("someone/models", "net")
    tg.hub.set_dir(tmp_path / "other")
    assert tg.hub.get_dir() == str(tmp_path / "other")


def test_types_of_another_device_can_be_named_only():
    kind = tg.cuda.FloatTensor
    assert not isinstance(tg.ones(1), kind) and repr(kind) == "<class 'tensorgrad.cuda.FloatTensor'>"
    for call in (lambda: kind(3), lambda: tg.cuda.LongTensor([1]), lambda: tg.ones(1).type(kind)):
        with pytest.raises(TypeError):
            call()
    chosen = tg.cuda.FloatTensor if tg.cuda.is_available() else tg.FloatTensor
    assert chosen([1.0]).dtype is tg.float32


REFUSED = {
    "event": (lambda: tg.cuda.Event(enable_timing=True), RuntimeError),
    "device": (lambda: tg.cuda.device(0).__enter__(), RuntimeError),
    "name": (lambda: tg.cuda.get_device_name(0), RuntimeError),
    "range": (lambda: tg.cuda.nvtx.range_push("x"), RuntimeError),
    "accelerator": (lambda: tg.accelerator.set_device_index(0), RuntimeError),
    "index": (lambda: tg.accelerator.device_index(0).__enter__(), RuntimeError),
    "all_reduce": (lambda: tg.distributed.all_reduce(tg.ones(1), op=tg.distributed.ReduceOp.SUM), ValueError),
    "barrier": (lambda: tg.distributed.barrier(), ValueError),
    "parallel": (lambda: nn.parallel.DistributedDataParallel(nn.Linear(1, 1)), ValueError),
    "override": (lambda: tg.overrides.handle_torch_function(tg.add, ()), TypeError),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_needs_more_than_a_cpu_is_refused(call):
    ask, error = REFUSED[call]
    with pytest.raises(error):
        ask()


def test_questions_for_other_devices_have_answers():
    cuda = tg.cuda
    assert cuda.memory_reserved() == cuda.max_memory_cached() == cuda.memory_cached() == 0
    assert cuda.get_arch_list() == [] == cuda.get_rng_state_all() and not cuda.is_tf32_supported()
    assert isinstance(cuda.memory_summary(), str) and not cuda.memory_stats()
    cuda.seed_all(), cuda.set_rng_state_all([]), cuda.reset_max_memory_allocated()
    with cuda.device_of(tg.ones(1)), cuda.stream(None), cuda.device(-1), tg.accelerator.device_index(None):
        pass
    sdp = tg.backends.cuda
    with sdp.sdp_kernel(enable_flash=False, enable_math=True):
        sdp.enable_flash_sdp(False)
    assert not sdp.flash_sdp_enabled() and sdp.math_sdp_enabled()
    sdp.enable_flash_sdp(True)
    before = tg.backends.cudnn.deterministic
    with tg.backends.cudnn.flags(enabled=True, deterministic=not before):
        assert tg.backends.cudnn.deterministic is not before
    assert tg.backends.cudnn.deterministic is before
    assert nn.Linear(1, 1).compile(mode="max-autotune") is None


def test_a_profile_of_other_activities_is_one_of_the_cpu():
    kinds = tg.profiler.ProfilerActivity
    with tg.profiler.profile(activities=[kinds.CPU, kinds.CUDA]) as found:
        tg.ones(3).exp()
    assert any(event.key == "exp" for event in found.key_averages())


def test_assert_allclose_is_more_forgiving():
    close = tg.testing.assert_allclose
    close(tg.tensor([1.0, float("nan")]), np.array([1.00005, float("nan")]))
    close([1, 2], tg.tensor([1.0, 2.0]))
    with pytest.raises(AssertionError):
        close(tg.tensor([1.0]), tg.tensor([1.01]))
    with pytest.raises(AssertionError):
        close(tg.tensor([1.0]), tg.tensor([1.0001]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("data", [[1, "a"], [[1, 2], "ab"], [[1], 2], [1, [2]], [[1], [[2]]]], ids=str)
def test_what_stands_beside_another_kind_is_a_type_error(data):
    for make in (tg.tensor, tg.FloatTensor):
        with pytest.raises(TypeError):
            make(data)


@pytest.mark.parametrize("data", [["a", 1], ["ab", [1]], [[1, 2], [3]], [[1], []]], ids=str)
def test_other_uneven_data_is_a_value_error(data):
    with pytest.raises(ValueError):
        tg.tensor(data)


@pytest.mark.parametrize("data", [None, {}, 1.5, np.float32(2), {1}, object()], ids=repr_of_type)
def test_an_old_constructor_wants_a_sequence(data):
    with pytest.raises(TypeError, match=r"new\(\): data must be a sequence"):
        tg.FloatTensor(data)


def test_sizes_are_taken_by_keyword():
    x = tg.ones(2, 6)
    assert x.sum_to_size(size=(1, 6)).tolist() == [[2.0] * 6]
    assert x.view(size=(3, 4)).shape == x.new_empty(size=(3, 4)).shape == tg.rand(size=(3, 4)).shape == (3, 4)
    assert tg.randint(high=5, size=(2,)).shape == tg.normal(mean=0.0, std=1.0, size=(2,)).shape == (2,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert x.resize(3, 4).shape == (3, 4)


def deprecated():
    return pytest.warns(UserWarning, match="order of the arguments of .* is deprecated")


x, y, m = tg.tensor([[1.0, -2.0], [0.5, 4.0]]), tg.tensor([[2.0, 1.0], [1.0, 0.5]]), tg.ones(2, 2)
OLD_ORDERS = {
    "add": (lambda: tg.add(x, 2, y), x + 2 * y),
    "add_": (lambda: x.clone().add_(-0.5, y), x - 0.5 * y),
    "sub": (lambda: x.sub(2, y), x - 2 * y),
    "addcmul": (lambda: tg.addcmul(x, 0.5, y, y), x + 0.5 * y * y),
    "addcmul_": (lambda: x.clone().addcmul_(np.float64(0.5), y, y), x + 0.5 * y * y),
    "addcdiv_": (lambda: x.clone().addcdiv_(-1, x, y), x - x / y),
    "addmm": (lambda: tg.addmm(0.5, x, 2, y, m), 0.5 * x + 2 * (y @ m)),
    "addmm of one factor": (lambda: tg.addmm(0.5, x, y, m), 0.5 * x + y @ m),
    "method addmm": (lambda: x.addmm(0.5, 2, y, m), 0.5 * x + 2 * (y @ m)),
    "addmm_": (lambda: x.clone().addmm_(0, 1, y, m), y @ m),
    "baddbmm": (lambda: tg.baddbmm(2, x[None], 3, y[None], m[None])[0], 2 * x + 3 * (y @ m)),
    "addbmm": (lambda: tg.addbmm(2, x, 3, y[None], m[None]), 2 * x + 3 * (y @ m)),
    "addmv": (lambda: tg.addmv(2, x[0], 3, y, m[0]), 2 * x[0] + 3 * (y @ m[0])),
    "addr": (lambda: x.addr(2, 3, y[0], m[0]), 2 * x + 3 * tg.outer(y[0], m[0])),
    "out": (lambda: tg.add(x, 2, y, out=tg.empty(2, 2)), x + 2 * y),
}


@pytest.mark.parametrize("name", OLD_ORDERS)
def test_factors_may_stand_before_the_operands_with_a_warning(name):
    call, expected = OLD_ORDERS[name]
    with deprecated():
        found = call()
    tg.testing.assert_close(found, expected)


def test_an_old_order_has_its_gradient():
    w = tg.ones(2, 2, requires_grad=True)
    with deprecated():
        tg.add(x, 3, w).sum().backward()
    assert w.grad.tolist() == [[3.0, 3.0], [3.0, 3.0]]


@pytest.mark.parametrize("call", [
    lambda: tg.add(x, y, 2), lambda: tg.add(2, x, y), lambda: x.add(2, 3), lambda: tg.addmm(1, 2, x, y, m),
    lambda: tg.addcmul(x, y, y, 0.5), lambda: tg.addmm(1, x, 1, 1, y, m), lambda: tg.mul(x, 2, y),
    lambda: tg.add(x, 2, y, alpha=3), lambda: x.add_(2, [1.0]),
])  # fmt: skip
def test_no_other_order_is_taken(call):
    with pytest.raises(TypeError):
        call()
