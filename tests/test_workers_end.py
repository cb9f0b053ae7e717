"""Programs whose loaders have worker processes: however they end, the workers do."""

import os
import signal
import subprocess
import sys
import time

import pytest
from worker_processes import gone

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the signals are those of POSIX")
LIMIT = 60
PROGRAM = """
import os, sys, time
from tensorgrad.utils.data import DataLoader, Dataset
import tensorgrad as tg

class Slow(Dataset):
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        time.sleep(SLEEP)
        return tg.ones(50_000)

if __name__ == "__main__":
    batches = iter(DataLoader(Slow(), 2, num_workers=2, multiprocessing_context="METHOD"))
    print(*(process.pid for process in batches.crew.processes), flush=True)
    next(batches)
    END
"""


def program(tmp_path, end, sleep=0.01, method="fork", **kwargs):
    path = tmp_path / "program.py"
    text = PROGRAM.replace("END", end).replace("SLEEP", str(sleep)).replace("METHOD", method)
    path.write_text(text)
    started = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs
    )
    return started, [int(pid) for pid in started.stdout.readline().split()]


ENDS = {
    "return": ("pass", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "error": ("raise ZeroDivisionError", 1),
    "os._exit": ("os._exit(4)", 4),
    "kill": ("os.kill(os.getpid(), 9)", -9),
    "terminate": ("os.kill(os.getpid(), 15)", -15),
}


@pytest.mark.parametrize("name", ENDS)
def test_workers_end_with_the_program(name, tmp_path):
    end, code = ENDS[name]
    started, pids = program(tmp_path, end)
    _, errors = started.communicate(timeout=LIMIT)
    assert started.returncode == code and gone(pids)
    assert errors.count("Traceback") == (name == "error")


def test_workers_that_were_spawned_end_with_a_killed_program(tmp_path):
    started, pids = program(tmp_path, "os.kill(os.getpid(), 9)", method="spawn")
    started.communicate(timeout=LIMIT)
    assert started.returncode == -9 and gone(pids)


@pytest.mark.parametrize("where", ["waiting for a batch", "in the loop"])
def test_an_interrupt_ends_the_program_and_its_workers_at_once(where, tmp_path):
    then = {"waiting for a batch": "next(batches)", "in the loop": "time.sleep(100)"}[where]
    end = f"print('ready', flush=True); {then}"
    started, pids = program(tmp_path, end, sleep="0.01 if index < 2 else 100", start_new_session=True)
    assert started.stdout.readline() == "ready\n"
    time.sleep(0.2)
    start = time.monotonic()
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=LIMIT)
    assert time.monotonic() - start < 5 and gone(pids)
    assert "KeyboardInterrupt" in errors and errors.count("Traceback") == 1
