"""Element types: promotion as PyTorch has it, conversions, defaults, limits."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.core import all_dtypes

TABLE = json.loads((Path(__file__).parent / "fixtures" / "promotion.json").read_text())


def operand(name):
    if name in ("True", "3", "2.5"):
        return {"True": True, "3": 3, "2.5": 2.5}[name]
    kind, ndim = name.split("-")
    return tg.ones((2,) * int(ndim[0]), dtype=getattr(tg, kind))


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_promotion_is_pytorchs(backend):
    wrong = []
    with tg.backend(backend):
        for p, q, total, quotient, power in TABLE:
            a, b = operand(p), operand(q)
            for expected, function in (
                (total, lambda x, y: x + y), (quotient, lambda x, y: x / y), (power, lambda x, y: x**y),
            ):  # fmt: skip
                if expected is None:
                    continue
                found = function(a, b).dtype
                if found is not getattr(tg, expected):
                    wrong.append((p, q, expected, found))
    assert not wrong


def test_result_type_follows_the_three_categories():
    dimensioned = tg.ones(2, dtype=tg.float32)
    assert tg.result_type(dimensioned, tg.tensor(1.0, dtype=tg.float64)) is tg.float32
    assert tg.result_type(tg.ones(2, dtype=tg.int64), tg.tensor(1.0, dtype=tg.float64)) is tg.float64
    assert tg.result_type(tg.ones(2, dtype=tg.uint8), 300) is tg.uint8
    assert tg.result_type(tg.ones(2, dtype=tg.bool), 1) is tg.int64
    assert tg.promote_types(tg.uint8, tg.int8) is tg.int16
    assert not tg.can_cast(tg.float32, tg.int32)
    assert tg.can_cast(tg.int64, tg.int8)


def test_default_dtype_is_what_floats_become():
    tg.set_default_dtype(tg.float64)
    assert tg.tensor(1.5).dtype is tg.float64
    assert (tg.ones(2, dtype=tg.int64) / 2).dtype is tg.float64
    assert tg.zeros(1).dtype is tg.float64
    assert "dtype" not in repr(tg.tensor([1.5]))
    with pytest.raises(TypeError, match="floating-point"):
        tg.set_default_dtype(tg.int64)
    with pytest.raises(TypeError, match="dtype"):
        tg.set_default_dtype("float32")


NUMPYS = [d for d in all_dtypes if d is not tg.bfloat16]


@pytest.mark.parametrize("target", NUMPYS, ids=lambda d: d.name)
@pytest.mark.parametrize("source", NUMPYS, ids=lambda d: d.name)
@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_conversion_is_numpys(source, target, backend):
    values = np.array([0, 1, 2, 100]).astype(source.numpy_dtype)
    with tg.backend(backend):
        found = tg.tensor(values).to(target)
        strided = tg.tensor(np.repeat(values, 2))[::2].to(target)
    assert found.dtype is target
    np.testing.assert_array_equal(found.numpy(), values.astype(target.numpy_dtype))
    np.testing.assert_array_equal(strided.numpy(), values.astype(target.numpy_dtype))


def test_float16_keeps_rounding_infinity_and_nan():
    values = np.array([65504, 65520, 1e-8, 5.96e-8, 1 + 2**-11, 1 + 3 * 2**-11, np.nan, -np.inf], np.float32)
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16)
    np.testing.assert_array_equal(tg.tensor(values).half().numpy(), expected)
    np.testing.assert_array_equal(tg.tensor(expected).float().numpy(), expected.astype(np.float32))


@pytest.mark.parametrize("backend", ["kernels", "numpy"])
def test_float16_is_rounded_once_where_pytorch_does_and_on_the_way_where_it_does(backend):
    half = lambda *values: tg.tensor(values).half()
    with tg.backend(backend):
        a, b, weight = half(0.1, 1.7, -2.3, 0.33), half(3.1, -0.7, 0.2, 0.9), half(0.3, 0.77, 0.1, 0.5)
        assert tg.lerp(a, b, weight).tolist() == [1.0, -0.148193359375, -2.05078125, 0.615234375]
        assert tg.lerp(a, b, 0.3).tolist() == [1.0, 0.97998046875, -1.55078125, 0.5009765625]
        found = tg.nn.functional.linear(a[None], tg.stack([b, b]), half(0.05, 10.0))
        assert found.tolist() == [[-0.99365234375, 8.953125]]
        assert tg.linalg.cross(a[:3], b[:3]).tolist() == [-1.271484375, -7.15234375, -5.33984375]


def test_dtypes_are_themselves_through_copies():
    for d in all_dtypes:
        assert pickle.loads(pickle.dumps(d)) is d
        assert copy.deepcopy(d) is d
        assert repr(d) == f"tensorgrad.{d.name}"
    assert tg.float is tg.float32
    assert tg.double is tg.float64
    assert tg.long is tg.int64


def test_limits():
    assert tg.finfo(tg.float64).eps == np.finfo(np.float64).eps
    assert tg.finfo().dtype == "float32"
    assert (tg.iinfo(tg.uint8).min, tg.iinfo(tg.uint8).max) == (0, 255)
    with pytest.raises(TypeError):
        tg.finfo(tg.int64)
    with pytest.raises(TypeError):
        tg.iinfo(tg.float32)


def test_only_the_cpu_is_a_device():
    assert str(tg.ones(1).device) == "cpu"
    assert tg.ones(1).to("cpu:0").device == tg.device("cpu")
    for bad in ("cuda", "mps", "cuda:1"):
        with pytest.raises(RuntimeError, match="CPU only"):
            tg.device(bad)
        with pytest.raises(RuntimeError, match="CPU only"):
            tg.ones(1).to(bad)
        with pytest.raises(RuntimeError, match="CPU only"):
            tg.ones(1, device=bad)
    with pytest.raises(RuntimeError, match="CPU"):
        tg.ones(1).cuda()
    assert tg.cuda.is_available() is False
