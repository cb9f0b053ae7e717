"""The fuzzer finds faults that are put in for it, makes them small, and is itself quiet and repeatable."""

import contextlib
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fuzzing import calls, children, comparing, excuses, judging, programs, values
from fuzzing.libraries import subject
from fuzzing.running import Library, Seen

import tensorgrad as tg

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the fuzzer needs fork")


def with_fault(name, fault):
    """The kernels with one public function replaced."""

    @contextlib.contextmanager
    def enter():
        right = getattr(tg, name)
        setattr(tg, name, lambda *args, **kwargs: fault(right, *args, **kwargs))
        try:
            with tg.backend("kernels"):
                yield
        finally:
            setattr(tg, name, right)

    return Library("tensorgrad, kernels", tg, enter)


def first_find(name, fault, program, patience=1.0):
    judge = judging.Judge(subject("numpy"), [with_fault(name, fault)])
    found = list(children.explore(lambda number: program, [0], judge, patience, True, set()))
    assert len(found) == 1
    return found[0][1]


PROGRAM = [
    "a = T.tensor([[1.5, -2.0, 0.25], [0.5, 1.0, 2.0]], dtype=T.float64, requires_grad=True)",
    "b = T.tensor([3.0, 1.0, -1.0], dtype=T.float64)",
    "c = a.t() * 2",
    "d = a + b",
    "e = T.hypot(d, b)",
    "f = (e * c.t()).sum(0)",
    "f[0] = 1.0",
    "g = f.tanh().sum()",
    "g.backward()",
]


def test_a_wrong_number_is_found_and_shrunk():
    find = first_find("hypot", lambda right, a, b: right(a, b) + (a > 1), PROGRAM)
    assert find.kind == "value"
    assert len(find.lines) <= 3
    assert any("hypot" in line for line in find.lines)


def test_a_wrong_gradient_is_found_by_numeric_derivatives():
    def fault(right, a, b):
        return right(a, b.detach())

    program = [
        "a = T.tensor([1.5, 2.0], dtype=T.float64, requires_grad=True)",
        "b = T.tensor([3.0, 1.0], dtype=T.float64, requires_grad=True)",
        "c = T.hypot(a, b * 1) + b",
        "g = T.autograd.grad(total(c), [a, b])",
    ]
    both = with_fault("hypot", fault)
    verdict = judging.Judge(both, [both])(program)
    assert verdict is not None
    assert verdict[1].kind == "slope"


def test_a_crash_is_found_and_shrunk():
    find = first_find("hypot", lambda right, a, b: os.abort(), PROGRAM)
    assert find.kind == "crash"
    assert "SIGABRT" in find.text
    assert len(find.lines) <= 3


def test_a_hang_is_found():
    def hang(right, a, b):
        end = time.process_time() + 60
        while time.process_time() < end:
            pass

    find = first_find("hypot", hang, ["a = T.ones(2)", "b = T.hypot(a, a)"], patience=0.05)
    assert find.kind == "hang"


def test_a_tensor_that_stays_behind_is_found():
    kept = []

    def keep(right, a, b):
        kept.append(a)
        return right(a, b)

    assert first_find("hypot", keep, ["a = T.ones(2)", "b = T.hypot(a, a)"]).kind == "leak"


def test_a_find_is_a_script_that_runs_and_is_read_again(tmp_path):
    find = first_find("hypot", lambda right, a, b: right(a, b) + 1, PROGRAM)
    script = find.script("seed 0", "v3")
    assert judging.lines_of(script) == find.lines
    file = tmp_path / "find.py"
    file.write_text(script)
    run = subprocess.run([sys.executable, file], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("number", range(4))
def test_programs_depend_on_the_seed_alone(number):
    reference = subject("numpy")
    names = calls.public(tg)

    def make():
        rng = random.Random(f"3:{number}")
        return [programs.Program(rng, reference).write_all(), calls.Call(rng, tg, names).write()]

    assert make() == make()


def test_each_excuse_stands_in_the_list_of_differences():
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "differences.md").read_text())
    assert [e.line for e in excuses.EXCUSES if e.line not in text] == []


def test_tensors_are_written_as_python():
    rng = random.Random(0)
    for dtype in values.DTYPES:
        for style in ("plain", "short", "special", "extreme"):
            space = {"T": tg, "nan": float("nan"), "inf": float("inf")}
            made = eval(values.tensor(rng, (2, 0, 3)[:: rng.choice((1, 2))], dtype, style), space)
            assert str(made.dtype).endswith(dtype)


def test_a_result_much_nearer_to_the_answer_than_the_references_is_no_find():
    def seen(*numbers, dtype="float32"):
        return Seen(dtype, np.array(numbers, dtype), False, None)

    answer = seen(1.0, 2.0, dtype="float64")
    assert comparing.nearer(seen(1.0, 2.0001), seen(1.001, 2.0), answer)
    assert not comparing.nearer(seen(1.0, 2.001), seen(1.001, 2.0), answer)
    assert not comparing.nearer(seen(1.0, 2.1), seen(1.0, 2.0), answer)
    assert not comparing.nearer(seen(1.0, np.nan), seen(1.001, 2.0), answer)
    assert not comparing.nearer(answer, seen(1.001, 2.0, dtype="float64"), answer)
