"""Worker processes of loaders: PyTorch's order and numbers, shared memory, errors, and how passes end."""

import faulthandler
import gc
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from small_datasets import Count, Squares
from worker_processes import gone

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.data import messages
from tensorgrad.utils import data
from tensorgrad.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="these datasets live in the forked process"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]
FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "workers.json").read_text())
LIMIT = 60


@pytest.fixture(autouse=True)
def limited():
    """Each test ends, and leaves no process, no name of shared memory and no descriptor."""

    def too_long(*_):
        raise TimeoutError(f"a test of workers takes more than {LIMIT} seconds")

    def left():
        return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()

    before, handler = left(), signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    yield
    gc.collect()
    alive = multiprocessing.active_children()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    assert not alive
    assert not {name for name in left() - before if "tensorgrad" in name or "psm_" in name}


def forked(*args, **kwargs):
    """A loader of two workers that are forked: what they read may be defined anywhere."""
    return DataLoader(*args, **{"num_workers": 2, "multiprocessing_context": "fork", **kwargs})


def lists(loader):
    return [batch.tolist() for batch in loader]


# ---------------------------------------------------------------------------- PyTorch's numbers


class Draws(Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        info = get_worker_info()
        numbers = tg.randint(1 << 30, ()).item(), random.getrandbits(30), int(np.random.randint(1 << 30))
        return [index, info.id, info.seed, *numbers]


class Drawn(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        return iter([[info.id, i, tg.randint(1 << 30, ()).item()] for i in range(2 + 3 * info.id)])


class Eager:
    def __len__(self):
        return 7

    def __iter__(self):
        return iter(tg.randperm(7).tolist())


def plain(value):
    return value


NAMES = {**vars(data), "Draws": Draws, "Drawn": Drawn, "Eager": Eager, "Generator": tg.Generator}


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: case["name"])
def test_seeds_and_order_are_torchs_and_so_is_what_is_drawn_afterwards(case):
    tg.manual_seed(11)
    loader = eval(f"DataLoader({case['loader']}, collate_fn=plain)", {**NAMES, "plain": plain})
    assert next(iter(loader)) == case["first"]
    assert [list(loader) for _ in range(2)] == case["epochs"]
    assert tg.randint(1 << 30, ()).item() == case["after"]


@pytest.mark.parametrize("case", FIXTURE["distributed"], ids=lambda case: str(case["kwargs"]))
def test_samples_of_one_of_several_processes_are_torchs(case):
    sampler = data.DistributedSampler(range(7), **case["kwargs"])
    for epoch, numbers in zip((0, 4), case["epochs"]):
        sampler.set_epoch(epoch)
        assert list(sampler) == numbers
    assert len(sampler) == case["length"]


class Who(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        info = get_worker_info()
        return info.id, info.num_workers, info.dataset is self, tg.get_num_threads(), os.getpid()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_know_who_they_are_and_use_one_thread(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    rows = list(DataLoader(Who(), None, num_workers=2, multiprocessing_context=method))
    assert [row[:4] for row in rows] == [[i % 2, 2, True, 1] for i in range(6)]
    pids = {row[4] for row in rows}
    assert len(pids) == 2 and os.getpid() not in pids
    assert get_worker_info() is None


def test_a_worker_is_set_up_before_its_first_sample():
    def mark(worker):
        random.marked = worker + 10

    class Marked(Squares):
        def __getitem__(self, index):
            return random.marked

    assert lists(forked(Marked(4), 2, worker_init_fn=mark)) == [[10, 10], [11, 11]]


# ---------------------------------------------------------------------------- batches


LARGE, BITS = 200_000, tg.arange(12, dtype=tg.float32)
BATCHES = {
    "numbers": 3,
    "short": tg.arange(5),
    "nothing": None,
    "large": tg.arange(LARGE),
    "large bfloat16": tg.arange(LARGE).to(tg.bfloat16),
    "bools": tg.ones(LARGE, dtype=tg.bool),
    "no elements": tg.ones(0, 3),
    "no dimension": tg.tensor(2.5),
    "turned": tg.arange(LARGE).reshape(2, -1).t(),
    "spread": tg.ones(1).expand(LARGE),
    "read backwards in steps": tg.arange(LARGE)[3::7],
    "many": {f"x{i}": tg.full((40, 50), i) for i in range(200)},
    "arrays": [np.arange(LARGE), np.arange(6).reshape(2, 3).T, np.array(["a", "bc"])],
    "leaf": nn.Parameter(tg.ones(LARGE)),
    "a long text": "x" * LARGE,
    "nested": [(tg.ones(LARGE), {"a": tg.zeros(3)}), "text"],
}


def parts(value):
    """What can be compared, in a list."""
    if isinstance(value, dict):
        return [part for key in value for part in [key, *parts(value[key])]]
    if isinstance(value, (list, tuple)):
        return [type(value), *(part for inner in value for part in parts(inner))]
    return [value]


@pytest.mark.parametrize("name", BATCHES)
def test_what_a_worker_gives_arrives_as_it_was(name):
    value = BATCHES[name]
    (got,) = forked([value], None, num_workers=1, collate_fn=plain)
    for mine, sent in zip(parts(got), parts(value), strict=True):
        assert type(mine) is type(sent)
        if isinstance(sent, tg.Tensor):
            assert mine.dtype == sent.dtype and mine.shape == sent.shape and mine.stride() == sent.stride()
            assert mine.requires_grad == sent.requires_grad and mine.is_leaf
            assert mine.equal(sent)
        elif isinstance(sent, np.ndarray):
            assert mine.dtype == sent.dtype and mine.flags.writeable and (mine == sent).all()
        else:
            assert mine == sent


@pytest.mark.parametrize("without", ["descriptors in messages", "files in memory"])
def test_batches_arrive_where_the_system_has_less(without, monkeypatch):
    if without == "files in memory":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    else:
        monkeypatch.setattr(messages, "FILES", False)
    batches = lists(forked([tg.arange(LARGE), tg.arange(LARGE) * 2], None))
    assert batches == [list(range(LARGE)), list(range(0, 2 * LARGE, 2))]


@pytest.mark.parametrize("size", [3, LARGE])
def test_batches_can_be_written_and_kept_and_are_apart_from_each_other(size):
    class Ones(Squares):
        def __getitem__(self, index):
            return tg.full((size,), float(index))

    kept = []
    for batch in forked(Ones(8), 2):
        batch += 1
        kept.append(batch)
    assert [batch[:, -1].tolist() for batch in kept] == [[1, 2], [3, 4], [5, 6], [7, 8]]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors as Linux shows them")
def test_large_batches_that_are_kept_hold_no_descriptor():
    loader = forked([tg.ones(LARGE)] * 50, None)
    before = len(os.listdir("/proc/self/fd"))
    kept = list(loader)
    assert len(os.listdir("/proc/self/fd")) <= before + 2 and len(kept) == 50


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="reads mappings as Linux shows them")
def test_large_batches_come_by_shared_memory_which_goes_with_them():
    def shared():
        return Path("/proc/self/maps").read_text().count("tensorgrad batch")

    gc.collect()
    before = shared()
    batches = list(forked([tg.ones(LARGE)] * 5, None))
    assert shared() == before + 5
    del batches[1:]
    assert shared() == before + 1


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_keep_the_order(workers):
    class Uneven(Squares):
        def __getitem__(self, index):
            time.sleep(0.003 if index % 5 == 0 else 0)
            return super().__getitem__(index)

    loader = forked(Uneven(40), 4, num_workers=workers)
    for _ in range(2):
        assert lists(loader) == [[i * i for i in range(k, k + 4)] for k in range(0, 40, 4)]


def test_without_order_batches_come_as_they_are_ready():
    class Slow(Squares):
        def __getitem__(self, index):
            time.sleep(1 if index == 0 else 0)
            return index

    seen = [batch.item() for batch in forked(Slow(8), 1, in_order=False)]
    assert sorted(seen) == list(range(8)) and seen.index(0) > 3


def test_workers_work_side_by_side():
    class Slow(Squares):
        def __getitem__(self, index):
            time.sleep(0.2)
            return index

    start = time.perf_counter()
    list(forked(Slow(12), 1, num_workers=6))
    assert time.perf_counter() - start < 1.8  # one by one it takes 2.4 at least


def test_every_worker_reads_a_pass_of_an_iterable_dataset():
    class Shared(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            return iter(range(info.id, 10, info.num_workers))

    assert lists(forked(Shared(), 2)) == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9]]
    assert lists(forked(Shared(), 2, num_workers=3)) == [[0, 3], [1, 4], [2, 5], [6, 9], [7], [8]]
    assert sorted(forked(Count(4), None)) == [0, 0, 1, 1, 2, 2, 3, 3]
    again = forked(Shared(), 2, persistent_workers=True)
    assert lists(again) == lists(again) == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9]]


def test_workers_fetch_no_further_ahead_than_allowed():
    fetched = multiprocessing.get_context("fork").Value("i", 0)

    class Noting(Squares):
        def __getitem__(self, index):
            with fetched.get_lock():
                fetched.value += 1
            return index

    batches = iter(forked(Noting(100), 1, prefetch_factor=3))
    next(batches)
    end = time.monotonic() + LIMIT / 2
    while fetched.value < 7 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)
    assert fetched.value == 7


def test_much_is_asked_and_answered_before_anything_is_read():
    # More on either side than a socket holds: neither process may wait until the other reads.
    numbers = [list(range(20_000)) for _ in range(60)]
    loader = forked(range(20_000), batch_sampler=numbers, num_workers=1, prefetch_factor=60, collate_fn=len)
    assert list(loader) == [20_000] * 60
    texts = forked(["x" * 30_000] * 100, None, num_workers=1, prefetch_factor=100)
    batches = iter(texts)
    time.sleep(0.2)
    assert sum(map(len, batches)) == 3_000_000


# ---------------------------------------------------------------------------- passes and their ends


def pids_of(iterator):
    return [process.pid for process in iterator.crew.processes]


def test_workers_end_with_the_pass():
    batches = iter(forked(Squares(8), 2))
    pids = pids_of(batches)
    assert len(list(batches)) == 4
    assert gone(pids, 0.1) and list(batches) == []


@pytest.mark.parametrize("how", ["dropped", "broken off", "an error in the loop"])
def test_workers_end_with_a_pass_left_early(how):
    batches = iter(forked(Squares(1000), 2))
    pids = pids_of(batches)
    if how == "dropped":
        next(batches)
        del batches
    else:
        try:
            for _ in batches:
                if how == "broken off":
                    break
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        del batches
    assert gone(pids)


def test_persistent_workers_stay_from_pass_to_pass_and_go_with_the_loader():
    loader = forked(Who(), None, persistent_workers=True)
    first = list(loader)
    batches = iter(loader)
    next(batches)  # a pass that is left does not mix with the next
    pids = pids_of(batches)
    assert {row[4] for row in first} == set(pids)
    assert list(loader) == first
    del batches, loader
    assert gone(pids)


def test_a_loader_begins_anew_after_its_persistent_workers_died():
    loader = forked(Squares(6), 2, persistent_workers=True)
    os.kill(pids_of(iter(loader))[0], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        for _ in range(3):
            list(loader)
    assert lists(loader) == [[0, 1], [4, 9], [16, 25]]


def test_a_pass_in_a_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(lists(forked(Squares(6), 2))))
    thread.start()
    thread.join()
    assert seen == [[0, 1], [4, 9], [16, 25]]


# ---------------------------------------------------------------------------- errors


class Broken(Squares):
    """Row 5 raises, or does, what `how` makes."""

    def __init__(self, how, count=10):
        super().__init__(count)
        self.how = how

    def __getitem__(self, index):
        if index == 5:
            raise self.how()
        return index


class TwoWords(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


ERRORS = {
    "KeyError": (lambda: KeyError("row 5"), KeyError),
    "ValueError": (lambda: ValueError("row 5"), ValueError),
    "made of two": (lambda: TwoWords("row", "5 row 5"), RuntimeError),
    "of a class in a function": (lambda: type("Local", (ValueError,), {})("row 5"), RuntimeError),
    "StopIteration": (lambda: StopIteration("row 5"), RuntimeError),
    "BrokenPipeError": (lambda: BrokenPipeError("row 5"), BrokenPipeError),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_comes_out_in_its_turn_with_its_type_and_place_and_the_pass_goes_on(name):
    how, kind = ERRORS[name]
    batches = iter(forked(Broken(how), 2))
    assert next(batches).tolist() == [0, 1] and next(batches).tolist() == [2, 3]
    with pytest.raises(kind) as raised:
        next(batches)
    text = str(raised.value)
    caught = f"Caught {type(how()).__name__} in DataLoader worker process 0.\nOriginal Traceback"
    assert text.startswith(caught)
    assert "raise self.how()" in text and "row 5" in text and type(raised.value) is kind
    assert lists(batches) == [[6, 7], [8, 9]]


def test_an_error_at_the_start_of_a_worker_comes_out():
    def fail(worker):
        raise ZeroDivisionError("at the start")

    batches, texts = iter(forked(Squares(8), 2, worker_init_fn=fail)), []
    for worker in (0, 1, 0):
        with pytest.raises(ZeroDivisionError, match=f"in DataLoader worker process {worker}") as raised:
            next(batches)
        texts.append(str(raised.value))
    assert texts[0] == texts[2]

    class Never(Count):
        def __iter__(self):
            raise ZeroDivisionError("no samples")

    with pytest.raises(ZeroDivisionError, match="no samples"):
        list(forked(Never(4), 2))


def test_what_can_t_be_sent_is_an_error_of_its_batch():
    with pytest.raises(Exception, match="(?s)Caught .* in DataLoader worker process 0.*(pickle|get local)"):
        list(forked([lambda: None], None, collate_fn=plain))
    leaf = tg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="detach"):
        list(forked([leaf], None, collate_fn=lambda x: x * 2))


def segfault():
    faulthandler.disable()  # of the test runner's, which would tell of it at length
    os.kill(os.getpid(), signal.SIGSEGV)


DEATHS = {
    "exit": (lambda: os._exit(3), "exit code 3"),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal 9"),
    "segfault": (segfault, "signal 11"),
    "a signal without a name": (lambda: os.kill(os.getpid(), signal.SIGRTMIN + 3), "killed by signal"),
    "sys.exit": (lambda: sys.exit(4), "exit code 4"),
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_worker_that_dies_is_an_error_and_the_others_end(name):
    how, text = DEATHS[name]
    batches = iter(forked(Broken(how), 2))
    pids = pids_of(batches)
    assert next(batches).tolist() == [0, 1] and next(batches).tolist() == [2, 3]
    with pytest.raises(RuntimeError, match=rf"\(pid\(s\) {pids[0]}\) exited unexpectedly.*{text}"):
        next(batches)
    assert gone(pids) and list(batches) == []


def test_a_worker_that_hangs_is_reported():
    class Hanging(Squares):
        def __getitem__(self, index):
            time.sleep(index * 100)
            return index

    batches = iter(forked(Hanging(4), 1, timeout=1.5))
    pids = pids_of(batches)
    start = time.monotonic()
    assert next(batches).item() == 0
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 1.5 seconds"):
        next(batches)
    assert time.monotonic() - start < 20 and gone(pids)


def test_what_spawn_can_t_pickle_is_an_error_before_the_pass():
    class Local(Squares):
        pass

    loader = DataLoader(Local(4), 2, num_workers=2, multiprocessing_context="spawn")
    with pytest.warns(UserWarning, match="must be pickled"), pytest.raises(AttributeError, match="Local"):
        iter(loader)


def test_workers_of_workers_are_refused():
    class Nested(Squares):
        def __getitem__(self, index):
            return len(list(forked(Squares(4), 2)))

    with pytest.raises(AssertionError, match="daemonic processes are not allowed to have children"):
        list(forked(Nested(2), 1))


def test_contexts_are_checked():
    with pytest.raises(ValueError, match="valid start method in .* multiprocessing_context='thread'"):
        DataLoader(Squares(4), num_workers=1, multiprocessing_context="thread")
    with pytest.raises(TypeError, match="valid context object or a string"):
        DataLoader(Squares(4), num_workers=1, multiprocessing_context=3)
    given = multiprocessing.get_context("fork")
    loader = DataLoader(Squares(4), 2, num_workers=1, multiprocessing_context=given)
    assert loader.multiprocessing_context is given and lists(loader) == [[0, 1], [4, 9]]
    loader.multiprocessing_context = "spawn"
    assert loader.multiprocessing_context is multiprocessing.get_context("spawn")


def test_too_many_open_files_is_an_error():
    resource = pytest.importorskip("resource")
    batches = iter(forked([tg.ones(LARGE)] * 4, None))
    next(batches)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) - 1, limits[1]))
    held = []
    try:
        with pytest.raises((RuntimeError, OSError), match="[Tt]oo many open files"):
            while len(held) < 1000:
                held.append(os.dup(0))
            next(batches)
        with pytest.raises(RuntimeError, match="too many open files"):
            list(batches)  # one may have come before it was asked for
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in held:
            os.close(fd)
