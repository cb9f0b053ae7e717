"""Too few, too many and wrong arguments: a clean error from every op, and never a crash."""

import subprocess
import sys
from pathlib import Path

import pytest

import tensorgrad as tg


def test_every_op_says_what_is_wrong_with_a_call(backend):
    script = Path(__file__).with_name("wrong_calls.py")
    run = subprocess.run([sys.executable, str(script), backend], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, f"{run.returncode} at {run.stderr.split()[-1]}"
    assert run.stdout == ""


@pytest.mark.parametrize("name", ["log10_", "add_", "clamp_", "atan2_", "renorm_"])
def test_in_place_nothing_else_is_written(name):
    x = tg.ones(2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'out'"):
        getattr(x, name)(out=tg.ones(2))
    assert x.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["atan2_", "xlogy_", "nextafter_", "div_", "mul_", "pow_"])
def test_a_second_operand_that_is_missing(name, backend):
    x = tg.ones(2, requires_grad=True) * 1
    with pytest.raises(TypeError, match="missing 1 required"):
        getattr(x, name)()
