"""NumPy on tensors that need no gradient gives what it gives of PyTorch's: type, dtype and values."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy_calls import CALLS, described, tensors

import tensorgrad as tg

FOUND = json.loads((Path(__file__).parent / "fixtures" / "numpy_calls.json").read_text())
# In docs/differences.md: comparisons are bool, where PyTorch makes uint8 of them; an array that is written
# in place stays one; `argwhere` gives a row for each place.
UNLIKE = ["equal", "greater", "isfinite", "isnan", "logical_and", "array divided in place", "argwhere"]

OTHERWISE_BEFORE_2 = ["count_nonzero", "percentile"]  # int, and float64 of float32

def assert_same(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for each, other in zip(ours, theirs, strict=True):
            assert_same(each, other)
        return
    if not isinstance(theirs, dict):
        assert ours == theirs
        return
    assert {**ours, "values": None} == {**theirs, "values": None}
    np.testing.assert_allclose(ours["values"], theirs["values"], rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in CALLS if FOUND[name] and name not in UNLIKE])
def test_a_numpy_function_gives_what_it_gives_of_pytorch(name):
    if name in OTHERWISE_BEFORE_2 and np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("NumPy 1 gives another type of any array")
    assert_same(described(CALLS[name](**tensors(tg))), FOUND[name])


class OfArrays:
    """NumPy in the place of a library of tensors."""

    @staticmethod
    def tensor(values):
        array = np.array(values)
        return array.astype(np.float32) if array.dtype == np.float64 else array


@pytest.mark.parametrize("name", [name for name in CALLS if FOUND[name] is None or name in UNLIKE])
def test_what_pytorch_refuses_or_garbles_is_numpy_own(name):
    np.testing.assert_allclose(CALLS[name](**tensors(tg)), CALLS[name](**tensors(OfArrays)), rtol=1e-6)


def test_an_array_that_is_written_in_place_stays_one():
    total = np.zeros(3)
    kept = total
    total += tg.ones(3)
    total *= tg.tensor(2.0)
    assert type(total) is np.ndarray and total is kept and total.tolist() == [2.0] * 3
