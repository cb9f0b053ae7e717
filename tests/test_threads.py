"""Threads: how many there are, that results do not depend on it, that forks, signals and exit hang nothing.

What the pool itself promises stands in pool_stress.c, which is compiled here with the pool's own source.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import nn
from tensorgrad.core import threads

HERE = Path(__file__).resolve().parent
KERNELS = HERE.parent / "src" / "tensorgrad" / "kernels"

posix = pytest.mark.skipif(os.name != "posix", reason="forks and signals are POSIX's")


def python(code, **environment):
    """Runs code in a fresh Python and gives the finished process; fails when it does not end."""
    clean = {k: v for k, v in os.environ.items() if k not in ("TENSORGRAD_NUM_THREADS", "OMP_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, timeout=60
    )


# ---------------------------------------------------------------------------- the number


@pytest.mark.parametrize("number", [1, 2, 64, np.int32(3), np.int64(4)], ids=repr)
def test_the_number_that_was_set_is_told(number):
    tg.set_num_threads(number)
    assert tg.get_num_threads() == number


@pytest.mark.parametrize(
    "number, error",
    [(0, RuntimeError), (-2, RuntimeError), (1.0, RuntimeError), ("2", RuntimeError), (None, RuntimeError),
     (True, RuntimeError), (2**31, ValueError)],
)  # fmt: skip
def test_what_is_no_number_of_threads_is_refused_and_changes_nothing(number, error):
    before = tg.get_num_threads()
    with pytest.raises(error, match="set_num_threads expects"):
        tg.set_num_threads(number)
    assert tg.get_num_threads() == before


@pytest.mark.parametrize(
    "ours, openmp, wanted",
    [("3", None, 3), ("3", "5", 3), (None, "5", 5), ("", "5", 5), (None, " 4 ,2", 4)],
)
def test_the_environment_sets_the_number_at_import(ours, openmp, wanted):
    given = {"TENSORGRAD_NUM_THREADS": ours, "OMP_NUM_THREADS": openmp}
    given = {name: value for name, value in given.items() if value is not None}
    assert python("import tensorgrad as tg; print(tg.get_num_threads())", **given).stdout == f"{wanted}\n"


@pytest.mark.parametrize("openmp", ["", "x", "0", "-1", "1.5", "99999999999"])
def test_nonsense_in_openmp_s_variable_is_ignored(monkeypatch, openmp):
    monkeypatch.delenv("TENSORGRAD_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert threads._from_environment() is None


@pytest.mark.parametrize("ours", ["x", "0", "-1", "1.5", "2 3", "99999999999"])
def test_nonsense_in_our_variable_is_an_error_at_import(monkeypatch, ours):
    monkeypatch.setenv("TENSORGRAD_NUM_THREADS", ours)
    with pytest.raises(ImportError, match="TENSORGRAD_NUM_THREADS is .*at least 1"):
        threads._from_environment()


# ---------------------------------------------------------------------------- the cores


def system(root, groups, limits):
    """A folder with /proc/self/cgroup and /sys/fs/cgroup in it."""
    for path, text in {"proc/self/cgroup": groups, **limits}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return str(root)


BOX = "sys/fs/cgroup/cpu/box"
V1 = {f"{BOX}/cpu.cfs_quota_us": "300000\n", f"{BOX}/cpu.cfs_period_us": "100000\n"}
SYSTEMS = {
    "no groups": ("", {}, 8),
    "no limit": ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "version 2": ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "250000 100000\n"}, 2),
    "below one core": ("0::/a\n", {"sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 1),
    "a group above": ("0::/a/b\n", {"sys/fs/cgroup/a/cpu.max": "100000 100000\n",
                                    "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n"}, 1),
    "in a container": ("0::/not/seen/here\n", {"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
    "more than there is": ("0::/\n", {"sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
    "version 1": ("4:memory:/box\n3:cpu,cpuacct:/box\n", V1, 3),
    "version 1, no limit": ("3:cpu:/box\n", {**V1, f"{BOX}/cpu.cfs_quota_us": "-1\n"}, 8),
    "version 1, other controllers": ("4:memory:/box\n5:cpuset:/box\n", V1, 8),
    "a name with spaces and colons": ("0::/a b:c\n", {"sys/fs/cgroup/a b:c/cpu.max": "500000 100000\n"}, 5),
    "a file with nothing in it": ("0::/\n", {"sys/fs/cgroup/cpu.max": ""}, 8),
}  # fmt: skip


@pytest.mark.parametrize("case", SYSTEMS)
def test_cores_are_those_that_the_control_groups_allow(monkeypatch, tmp_path, case):
    groups, limits, wanted = SYSTEMS[case]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    assert threads.cores(system(tmp_path, groups, limits)) == wanted


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_cores_are_those_of_the_process_s_affinity():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import tensorgrad as tg"
    assert python(code + "; print(tg.get_num_threads())").stdout == "1\n"


# ---------------------------------------------------------------------------- the pool


def promises():
    return re.findall(r"^    PROMISE\((\w+)\)", (HERE / "pool_stress.c").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def stress(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if os.name != "posix" or not compiler or not (KERNELS / "pool.c").exists():
        pytest.skip("needs a C compiler, the source tree and POSIX")
    program = tmp_path_factory.mktemp("pool") / "pool_stress"
    source = HERE / "pool_stress.c"
    subprocess.run([compiler, "-O2", "-Wall", f"-I{KERNELS}", source, "-o", program, "-pthread"], check=True)
    return program


@pytest.mark.parametrize("promise", promises())
def test_the_pool_keeps_its_promise(stress, promise):
    done = subprocess.run([stress, promise], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


# ---------------------------------------------------------------------------- tensors


def results():
    """Work large enough for threads, and of no round size."""
    x = tg.randn(1009, 1013, generator=tg.Generator().manual_seed(1))
    return {
        "map": tg.tanh(x) * x + 1,
        "strided": x.mT * 2,
        "broadcast": x + x[:1],
        "whole sum": x.sum(),
        "sum of rows": x.sum(1),
        "mean of columns": x.mean(0),
        "extremes": x.amax(1),
        "softmax": tg.softmax(x, 1),
        "product": x[:, :1009] @ x,
        "product transposed": x[:300] @ x[:257].mT,
        "product of tall and flat": x.mT @ x,
        "copy": x.mT.contiguous(),
        "conversion": x.to(tg.float64),
        "scan": x.cumsum(0),
    }


def trained(net, x, target):
    """The parameters and buffers of a network after a few steps, as bytes."""
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), target).backward()
        optimizer.step()
    return [value.numpy().tobytes() for value in net.state_dict().values()]


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.into, self.out = nn.LayerNorm(64), nn.Linear(64, 192), nn.Linear(64, 10)

    def forward(self, x):
        q, k, v = self.into(self.norm(x)).chunk(3, -1)
        return self.out((x + tg.softmax(q @ k.mT / 8, -1) @ v).mean(1))


def mlp():
    return nn.Sequential(nn.Linear(300, 500), nn.GELU(), nn.Linear(500, 10)), tg.randn(257, 300)


def normalized():
    layers = nn.Linear(300, 500), nn.BatchNorm1d(500), nn.ReLU(), nn.Linear(500, 10)
    return nn.Sequential(*layers), tg.randn(257, 300)


def transformer():
    return Attending(), tg.randn(37, 65, 64)


def test_results_are_the_same_bytes_at_any_number_of_threads():
    tg.set_num_threads(1)
    alone = {name: value.numpy().tobytes() for name, value in results().items()}
    for number in (2, 3, 8):
        tg.set_num_threads(number)
        for name, value in results().items():
            assert value.numpy().tobytes() == alone[name], (name, number)


@pytest.mark.parametrize("make", [mlp, normalized, transformer])
def test_training_gives_the_same_bytes_at_any_number_of_threads(make):
    ends = []
    for number in (1, 2, 3, 8):
        tg.set_num_threads(number)
        tg.manual_seed(4)
        net, x = make()
        ends.append(trained(net, x, tg.randint(0, 10, (len(x),))))
    assert all(end == ends[0] for end in ends)


def test_several_python_threads_may_compute_at_once():
    tg.set_num_threads(3)
    wrong = []

    def work(number):
        for _ in range(15):
            x = tg.full((300_000,), number)
            if not (tg.sqrt(x) * tg.sqrt(x) - number).abs().max() < 1e-5 * number:
                wrong.append(number)

    others = [threading.Thread(target=work, args=(i + 1.0,)) for i in range(4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    assert not wrong


FORK = """
import os, threading, warnings
import tensorgrad as tg
tg.set_num_threads(3)
x = tg.ones(1_000_000)
stop = False
def work():
    while not stop:
        tg.tanh(x)
others = [threading.Thread(target=work) for _ in range({others})]
for thread in others:
    thread.start()
for _ in range(20):
    tg.tanh(x).sum()
    child = os.fork()
    if child == 0:
        assert tg.tanh(x).sum() > 761000
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
stop = True
"""


@posix
def test_a_fork_is_not_warned_of_and_its_child_computes():
    done = python("import warnings; warnings.simplefilter('error')" + FORK.format(others=0))
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_a_child_forked_while_other_threads_compute_computes():
    done = python("import warnings; warnings.simplefilter('ignore')" + FORK.format(others=2))
    assert (done.returncode, done.stderr) == (0, "")


EXIT = """
import threading, time
import tensorgrad as tg
tg.set_num_threads(3)
x = tg.ones(3_000_000)
def work():
    while True:
        tg.tanh(x)
threading.Thread(target=work, daemon=True).start()
time.sleep({wait})
"""


@pytest.mark.parametrize("wait", [0.0, 0.01, 0.023, 0.05])
def test_python_may_exit_while_a_daemon_thread_computes(wait):
    done = python(EXIT.format(wait=wait))
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_an_interrupt_arrives_when_the_kernel_ends():
    tg.set_num_threads(2)
    x = tg.ones(2_000_000)
    tg.tanh(x)
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    end = time.monotonic() + 20
    try:
        with pytest.raises(KeyboardInterrupt):
            while time.monotonic() < end:
                tg.tanh(x)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, kept)
    assert tg.tanh(x).sum() > 1.5e6
