"""In which order results lie in memory: that of their operands, as PyTorch has it.

Expected strides come from PyTorch (fixtures/make_result_strides.py) and from paper, values from the same ops of
contiguous operands.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from stride_cases import FAMILIES, calls, numbers, turned

import tensorgrad as tg
import tensorgrad.nn.functional as F

TABLE = json.loads((Path(__file__).parent / "fixtures" / "result_strides.json").read_text())
EXPECTED = {
    f"{op}/{layouts}": tuple(map(int, strides.split()))
    for layouts, rows in TABLE.items()
    for strides, ops in rows.items()
    for op in ops
}
CALLS = list(calls())


def test_every_call_has_its_strides_in_the_fixture():
    assert {name for name, *_ in CALLS} == set(EXPECTED)
    assert len(EXPECTED) > 2000


@pytest.mark.parametrize("family", [*FAMILIES, ""])
def test_results_have_pytorchs_strides(family, backend):
    wrong = {}
    for name, function, makers in CALLS:
        if name.rsplit("/", 1)[1].split(": ")[0] == family or (not family and ": " not in name):
            found = function(tg, *(make(tg) for make in makers))
            if found.stride() != EXPECTED[name]:
                wrong[name] = found.stride(), EXPECTED[name]
    assert not wrong


@pytest.mark.parametrize("family", [*FAMILIES, ""])
def test_values_do_not_hang_on_the_layout(family, backend):
    for name, function, makers in CALLS:
        if name.rsplit("/", 1)[1].split(": ")[0] == family or (not family and ": " not in name):
            found = function(tg, *(make(tg) for make in makers))
            plain = function(tg, *(make(tg).contiguous() for make in makers))
            assert np.array_equal(found.double().numpy(), plain.double().numpy()), name
            assert found.shape == plain.shape, name
