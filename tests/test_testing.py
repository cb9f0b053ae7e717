"""testing.assert_close and make_tensor."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.testing import assert_close, make_tensor


def test_close_values_pass_and_others_say_where():
    assert_close(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 2.0 + 1e-6]))
    with pytest.raises(AssertionError, match=r"Mismatched elements: 1 / 2[\s\S]*index \(1,\)"):
        assert_close(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 2.1]))


def test_shape_dtype_and_nan_count():
    with pytest.raises(AssertionError, match="shape"):
        assert_close(tg.ones(2), tg.ones(3))
    with pytest.raises(AssertionError, match="dtype"):
        assert_close(tg.ones(2), tg.ones(2, dtype=tg.float64))
    assert_close(tg.ones(2), tg.ones(2, dtype=tg.float64), check_dtype=False)
    nan = tg.tensor([float("nan")])
    with pytest.raises(AssertionError):
        assert_close(nan, nan)
    assert_close(nan, nan, equal_nan=True)


def test_integers_must_be_equal():
    with pytest.raises(AssertionError):
        assert_close(tg.tensor([100000]), tg.tensor([100001]))


def test_sequences_mappings_and_numbers():
    assert_close([tg.ones(1), 2.0], [tg.ones(1), 2.0])
    assert_close({"a": np.ones(2)}, {"a": np.ones(2)})
    with pytest.raises(AssertionError, match="length"):
        assert_close([1.0], [1.0, 2.0])
    with pytest.raises(AssertionError, match="keys"):
        assert_close({"a": 1.0}, {"b": 1.0})
    with pytest.raises(ValueError, match="both"):
        assert_close(1.0, 1.0, rtol=0.1)


@pytest.mark.parametrize("dtype", [tg.float32, tg.int64, tg.uint8, tg.bool])
def test_make_tensor_stays_in_its_range(dtype):
    made = make_tensor(50, dtype=dtype, exclude_zero=dtype is not tg.bool)
    assert made.dtype is dtype
    values = made.to(tg.float64)
    assert -9 <= values.min().item() <= values.max().item() <= 9
    if dtype is not tg.bool:
        assert not (made == 0).any()


def test_make_tensor_can_be_strided():
    assert not make_tensor(4, 5, dtype=tg.float32, noncontiguous=True).is_contiguous()
