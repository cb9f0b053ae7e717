"""Forked children: what threads of the parent held, drew or ran does not hang them, and is not lost."""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
import time

import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.utils.data import DataLoader, TensorDataset

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def in_child(work, seconds=20):
    """What `work()` gives in a forked child, or its exception; fails when the child does not end."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                answer = work()
            except Exception as error:
                answer = error
            os.write(write, pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(write)
    end = time.monotonic() + seconds
    with os.fdopen(read, "rb") as file:
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                pytest.fail("the child hangs")
            time.sleep(0.002)
        return pickle.loads(file.read())


class Busy:
    """Two threads that do the same thing over and over."""

    def __init__(self, work):
        self.work, self.stop = work, False
        self.threads = [threading.Thread(target=self.loop, daemon=True) for _ in range(2)]

    def loop(self):
        while not self.stop:
            self.work()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.02)

    def __exit__(self, *_):
        self.stop = True
        for thread in self.threads:
            thread.join()


def everything():
    """Draws, computes, trains and loads; True when all of that came to an end."""
    tg.rand(3)
    tg.randn(100_000)
    tg.manual_seed(3)
    tg.randperm(5000)
    layer = nn.Linear(4, 4)
    optimizer = tg.optim.Adam(layer.parameters())
    for _ in range(2):
        layer(tg.ones(2, 4)).sum().backward()
    optimizer.step()
    drawing = threading.Thread(target=tg.randn, args=(100_000,))
    drawing.start()
    drawing.join()
    return len(list(DataLoader(list(range(6)), 2, shuffle=True, num_workers=2))) == 3


GENERATOR = tg.Generator()
LEAF = tg.ones(1000, requires_grad=True)
MATRIX = tg.ones(200, 200)
WORK = {
    "randn": lambda: tg.randn(200_000),
    "randperm": lambda: tg.randperm(100_000),
    "bernoulli": lambda: tg.bernoulli(tg.full((100_000,), 0.5)),
    "a generator of its own": lambda: tg.rand(100_000, generator=GENERATOR),
    "small draws": lambda: tg.rand(3),
    "a kernel": lambda: MATRIX @ MATRIX,
    "backward": lambda: (LEAF * 2).sum().backward(),
}


@pytest.mark.parametrize("work", WORK)
def test_a_child_forked_while_threads_are_busy_can_do_everything(work):
    with Busy(WORK[work]):
        for _ in range(2):
            assert in_child(everything) is True
            assert in_child(lambda: tg.rand(3, generator=GENERATOR).shape[0]) == 3


def test_a_fork_waits_for_a_draw_so_that_the_child_goes_on_as_the_parent():
    drawn = tg.manual_seed(5) and tg.randn(3_000_000)[-3:].tolist(), tg.rand(4).tolist()
    tg.manual_seed(5)
    last = []
    thread = threading.Thread(target=lambda: last.extend(tg.randn(3_000_000)[-3:].tolist()))
    thread.start()
    time.sleep(0.005)
    child = in_child(lambda: tg.rand(4).tolist())
    thread.join()
    assert last == drawn[0]
    assert child in (drawn[1], tg.manual_seed(5) and tg.rand(4).tolist())  # after the draw, or before it


def test_memory_given_up_in_a_child_forked_while_a_kernel_ran_comes_back():
    def given_up():
        x = tg.ones(1)
        before = 0
        for turn in range(30):
            x.set_(tg.ones(1_000_000))
            if turn == 2:
                before = highest()
        return highest() - before

    def highest():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB on Linux, bytes on macOS

    unit = 1 if os.uname().sysname == "Linux" else 1024
    with Busy(lambda: MATRIX @ MATRIX):
        assert all(in_child(given_up) < 40_000 * unit for _ in range(3))


def test_a_loader_s_iterator_says_in_a_child_that_its_workers_are_elsewhere():
    loader = DataLoader(TensorDataset(tg.arange(12)), 2, num_workers=2)
    iterator = iter(loader)
    next(iterator)
    for use in (lambda: next(iterator), lambda: list(iterator)):
        error = in_child(use)
        assert isinstance(error, RuntimeError) and "before the process was forked" in str(error)
    assert in_child(lambda: len(list(loader))) == 6
    assert len(list(iterator)) == 5


def test_a_loader_s_iterator_can_be_dropped_in_a_child():
    iterators = [iter(DataLoader(list(range(8)), 2, num_workers=2))]

    def drop():
        iterators.clear()
        gc.collect()
        return True

    assert in_child(drop) is True
    assert len(list(iterators[0])) == 4


def test_an_iterator_without_workers_goes_on_in_a_child():
    iterator = iter(DataLoader(list(range(6)), 2))
    next(iterator)
    assert in_child(lambda: next(iterator).tolist()) == [2, 3]
    assert next(iterator).tolist() == [2, 3]


def twice(x):
    return x.detach() * 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tensors_go_to_other_processes_and_come_back(method):
    values = [tg.arange(6.0).reshape(2, 3).t(), nn.Parameter(tg.ones(2)), tg.tensor(True)]
    with multiprocessing.get_context(method).Pool(1) as pool:
        back = pool.map(twice, values)
    assert [b.tolist() for b in back] == [[[0.0, 6.0], [2.0, 8.0], [4.0, 10.0]], [2.0, 2.0], 2]
