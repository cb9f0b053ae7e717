"""Numbers of Python and NumPy: what fits in a dtype, what arithmetic does with what does not, sizes by name.

Right answers are those of PyTorch 2.13, written down as they came.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F

nan, inf = math.nan, math.inf
MASK = tg.tensor([True, False])
FIRST = tg.tensor([0])


def set_item(x, value):
    x[0] = value
    return x


def set_by_mask(x, value):
    x[MASK] = value
    return x


def set_by_positions(x, value):
    x[[0]] = value
    return x


def set_sequence(x, value):
    x[:] = [value, value]
    return x


STORED = {  # name: a function of (a tensor of two zeros, the number)
    "tensor": lambda x, v: tg.tensor([[1, 2], [3, v]], dtype=x.dtype),
    "tensor of a number": lambda x, v: tg.tensor(v, dtype=x.dtype),
    "as_tensor": lambda x, v: tg.as_tensor([v], dtype=x.dtype),
    "asarray": lambda x, v: tg.asarray([v], dtype=x.dtype),
    "scalar_tensor": lambda x, v: tg.scalar_tensor(v, dtype=x.dtype),
    "new_tensor": lambda x, v: x.new_tensor([v]),
    "full": lambda x, v: tg.full((2,), v, dtype=x.dtype),
    "full_like": lambda x, v: tg.full_like(x, v),
    "new_full": lambda x, v: x.new_full((2,), v),
    "fill_": lambda x, v: x.fill_(v),
    "fill": lambda x, v: tg.fill(x, v),
    "fill_diagonal_": lambda x, v: x.new_zeros(2, 2).fill_diagonal_(v),
    "constant_": lambda x, v: tg.nn.init.constant_(x, v),
    "masked_fill": lambda x, v: x.masked_fill(MASK, v),
    "masked_fill_": lambda x, v: x.masked_fill_(MASK, v),
    "index_fill": lambda x, v: x.index_fill(0, FIRST, v),
    "index_fill_": lambda x, v: x.index_fill_(0, FIRST, v),
    "scatter": lambda x, v: x.scatter(0, FIRST, v),
    "scatter_": lambda x, v: x.scatter_(0, FIRST, v),
    "item": set_item,
    "mask": set_by_mask,
    "positions": set_by_positions,
    "sequence": set_sequence,
    "constant_pad_nd": lambda x, v: tg.constant_pad_nd(x, (1, 0), v),
    "pad": lambda x, v: F.pad(x, (1, 0), value=v),
}
NOT_HELD = [
    (tg.uint8, 300), (tg.uint8, 2**40), (tg.uint8, 255.5), (tg.uint8, -0.5), (tg.uint8, -256),
    (tg.int8, 128), (tg.int8, -129), (tg.int8, -128.5), (tg.int16, 70000), (tg.int32, 2**40),
    (tg.int32, np.int64(2**40)), (tg.int64, 2**63), (tg.int64, -(2**63) - 1), (tg.int64, 2**70),
    (tg.int64, 1e19),
    (tg.int64, nan), (tg.int32, inf), (tg.uint8, -inf), (tg.int16, np.float32(1e9)),
]  # fmt: skip


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize(("dtype", "value"), NOT_HELD, ids=[f"{d.name} {v!r}" for d, v in NOT_HELD])
def test_a_number_that_an_integer_dtype_does_not_hold_is_not_stored(how, dtype, value):
    with pytest.raises((RuntimeError, ValueError, OverflowError)):
        STORED[how](tg.zeros(2, dtype=dtype), value)


HELD = [
    (tg.uint8, 255, 255), (tg.uint8, np.uint8(200), 200), (tg.int8, -128, -128), (tg.int8, -3.7, -3),
    (tg.int16, 300.5, 300), (tg.int64, 2**62 + 1, 2**62 + 1), (tg.int64, np.int64(2**40), 2**40),
    (tg.int32, True, 1), (tg.bool, nan, True), (tg.float64, 1e300, 1e300), (tg.float32, inf, inf),
]  # fmt: skip


@pytest.mark.parametrize("how", STORED)
@pytest.mark.parametrize(("dtype", "value", "right"), HELD, ids=[f"{d.name} {v!r}" for d, v, _ in HELD])
def test_a_number_that_fits_is_stored_as_it_is(how, dtype, value, right):
    found = STORED[how](tg.zeros(2, dtype=dtype), value)
    assert found.dtype is dtype
    assert right in found.reshape(-1).tolist()


def test_negative_integers_wrap_round_in_uint8_as_in_pytorch():
    assert tg.tensor([-1, -255], dtype=tg.uint8).tolist() == [255, 1]
    assert tg.full((2,), -200, dtype=tg.uint8).tolist() == [56, 56]
    with pytest.raises(RuntimeError, match="overflow"):
        F.pad(tg.zeros(2, dtype=tg.uint8), (1, 0), value=-1)  # a float there


def test_floats_out_of_range_are_infinite_in_data_and_refused_as_single_numbers():
    assert tg.tensor([1e39]).tolist() == [inf]
    assert tg.tensor([1e6], dtype=tg.float16).tolist() == [inf]
    x = tg.zeros(2)
    for refused in (
        lambda: x.fill_(1e39), lambda: tg.full((2,), 1e39), lambda: x.masked_fill(MASK, -1e39),
        lambda: set_item(x, 1e39), lambda: x.clamp(max=1e39), lambda: tg.where(MASK, x, 1e39),
        lambda: x.half().fill_(1e6), lambda: x.half().masked_fill(MASK, -1e9),
        lambda: x.half().clamp(min=70000),
        lambda: F.pad(x.half(), (1, 0), value=1e6), lambda: tg.full_like(x.half(), 70000),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="overflow"):
            refused()
    assert set_item(x.half(), 1e6).tolist() == [inf, 0.0]
    assert tg.where(MASK, x.half(), 1e6).tolist() == [0.0, inf]


def test_clamp_refuses_a_bound_that_the_result_does_not_hold():
    x = tg.tensor([1, 200], dtype=tg.uint8)
    for refused in (
        lambda: x.clamp(min=300), lambda: x.clamp(0, 256), lambda: x.clamp_max(2**40),
        lambda: tg.clip(x, 300),
        lambda: x.clamp_(max=300), lambda: tg.tensor([1], dtype=tg.int8).clamp_min(-200),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="overflow"):
            refused()
    assert x.clamp(max=3.7).tolist() == pytest.approx([1.0, 3.7])
    assert x.clamp(max=300.0).tolist() == [1.0, 200.0]


def test_where_refuses_a_number_that_the_result_does_not_hold():
    x = tg.tensor([1, 2], dtype=tg.uint8)
    calls = (lambda: tg.where(MASK, x, 300), lambda: tg.where(MASK, 300, x), lambda: x.where(MASK, 999))
    for refused in calls:
        with pytest.raises(RuntimeError, match="overflow"):
            refused()
    assert tg.where(MASK, x, -1).tolist() == [1, 255]


def test_a_0_d_tensor_that_does_not_fit_is_refused_as_its_number_is():
    x = tg.zeros(2, dtype=tg.uint8)
    for refused in (
        lambda: x.masked_fill(MASK, tg.tensor(300)), lambda: x.index_fill(0, FIRST, tg.tensor(300)),
        lambda: tg.full_like(x, tg.tensor(300)), lambda: x.long().masked_fill(MASK, tg.tensor(nan)),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="overflow"):
            refused()


def test_what_is_no_number_is_not_stored():
    x = tg.zeros(2)
    for refused in (
        lambda: x.fill_(None), lambda: tg.full((2,), None), lambda: tg.full((2,), "a"),
        lambda: set_item(x, "a"),
        lambda: x.fill_(1j), lambda: x.new_full((2,), [1]),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            refused()


def test_filling_with_minus_zero_keeps_the_sign():
    assert [str(v) for v in tg.ones(2).fill_(-0.0).tolist()] == ["-0.0", "-0.0"]


# ---------------------------------------------------------------------------- arithmetic


def eight_bits(dtype):
    return tg.tensor([0, 1, 44, 100], dtype=dtype)


ARITHMETIC = [
    ("add", lambda: eight_bits(tg.uint8) + 300, [44, 45, 88, 144]),
    ("radd", lambda: 300 + eight_bits(tg.uint8), [44, 45, 88, 144]),
    ("sub", lambda: eight_bits(tg.uint8) - 300, [212, 213, 0, 56]),
    ("rsub", lambda: -200 - eight_bits(tg.int8), [56, 55, 12, -44]),
    ("mul", lambda: eight_bits(tg.uint8) * 258, [0, 2, 88, 200]),
    ("int32", lambda: tg.tensor([1], dtype=tg.int32) + 2**40, [1]),
    ("int64 wraps", lambda: tg.tensor([1]) + 2**63, [-(2**63) + 1]),
    ("remainder", lambda: tg.tensor([7], dtype=tg.uint8) % 259, [1]),
    ("floor_divide", lambda: tg.tensor([7], dtype=tg.uint8) // 259, [2]),
    ("and", lambda: tg.tensor([255], dtype=tg.uint8) & 257, [1]),
    ("or", lambda: tg.tensor([0], dtype=tg.uint8) | 257, [1]),
    ("shift", lambda: tg.tensor([1], dtype=tg.uint8) << 257, [2]),
    ("eq wraps", lambda: eight_bits(tg.uint8) == 300, [False, False, True, False]),
    ("ne wraps", lambda: eight_bits(tg.uint8) != 300, [True, True, False, True]),
    ("lt wraps", lambda: eight_bits(tg.uint8) < 300, [True, True, False, False]),
    ("ge int8", lambda: eight_bits(tg.int8) >= -200, [False, False, False, True]),
    ("isin", lambda: tg.isin(eight_bits(tg.uint8), 300), [False, False, True, False]),
    ("in place", lambda: eight_bits(tg.uint8).add_(300), [44, 45, 88, 144]),
    ("bool", lambda: tg.tensor([True]) + 5, [6]),
    ("float16", lambda: tg.tensor([1.0], dtype=tg.float16) + 1e6, [inf]),
    ("float16 factor", lambda: tg.tensor([0.0, 0.5], dtype=tg.float16) * 70000, [0.0, 35008.0]),
    ("int64 of NumPy", lambda: tg.zeros(1, dtype=tg.int64) + np.int64(2**40), [2**40]),
    ("int64 of NumPy first", lambda: np.int64(2**40) * tg.ones(1, dtype=tg.int64), [2**40]),
    ("NumPy floor_divide", lambda: np.int64(7) // tg.tensor([2]), [3]),
    ("NumPy uint8", lambda: tg.tensor([100], dtype=tg.int8) + np.uint8(200), [44]),
]  # fmt: skip


@pytest.mark.parametrize(("run", "right"), [c[1:] for c in ARITHMETIC], ids=[c[0] for c in ARITHMETIC])
def test_arithmetic_with_numbers_out_of_range_wraps_as_pytorchs(run, right):
    assert run().tolist() == right


@pytest.mark.parametrize(
    "run",
    [
        lambda: tg.ones(1) + 2**70, lambda: tg.tensor([1]) * 2**64, lambda: tg.tensor([1]) == -(2**63) - 1,
        lambda: tg.ones(1).fill_(2**70), lambda: tg.tensor([True]) + 2**70, lambda: tg.ones(1) ** 2**70,
    ],
)  # fmt: skip
def test_an_integer_beyond_64_bits_is_an_overflow_error(run):
    with pytest.raises(OverflowError):
        run()


def test_powers_refuse_exponents_that_do_not_fit():
    for run in (
        lambda: tg.tensor([2], dtype=tg.uint8) ** 300, lambda: tg.tensor([2]) ** np.int32(-7),
        lambda: tg.tensor([2.0], dtype=tg.float16) ** 70000,
        lambda: tg.add(tg.tensor([1]), tg.tensor([1]), alpha=2**64 - 1),
    ):  # fmt: skip
        with pytest.raises(RuntimeError):
            run()


def test_true_is_not_subtracted():
    for run in (lambda: tg.ones(2) - True, lambda: True - tg.tensor([1]), lambda: tg.ones(2).sub_(True)):
        with pytest.raises(RuntimeError, match="bool"):
            run()


# ---------------------------------------------------------------------------- dtypes of data

DATA = [
    ([np.ones(2), np.ones(2)], tg.float64), ([np.float64(1)], tg.float64), ([np.float32(1)], tg.float32),
    ([np.float16(1)], tg.float16), ([np.int32(1)], tg.int32), ([np.int8(1)], tg.int8),
    ([np.uint8(1)], tg.uint8),
    ([np.bool_(True)], tg.bool), ([np.int32(1), 1], tg.int64), ([np.int32(1), 1.5], tg.float32),
    ([np.float32(1), 1.5], tg.float32), ([np.float16(1), 1], tg.float16),
    ([np.float32(1), np.float64(1)], tg.float64),
    ([[np.int32(1)], [2]], tg.int64), ([(np.int32(1),), (np.int32(2),)], tg.int32),
    ([np.ones(2, np.int32), [1.0, 2.0]], tg.float32), ([tg.tensor(1.0, dtype=tg.float64)], tg.float64),
    ([tg.tensor(1.0, dtype=tg.float64), 1], tg.float64), ([tg.tensor(1, dtype=tg.int32), 1], tg.int64),
    ([tg.tensor(1, dtype=tg.uint8), tg.tensor(1, dtype=tg.int8)], tg.int16), ([tg.tensor(True), 1], tg.int64),
    ([tg.tensor(1.0, dtype=tg.float16), 1], tg.float16), ([tg.ones(1), tg.ones(1)], tg.float32),
    ([], tg.float32),
    ([[]], tg.float32), ([np.zeros(0, np.int32)], tg.int32), ([np.zeros(0)], tg.float64),
    ([True, 1.5], tg.float32),
    ([2**70, 1.5], tg.float32), (range(3), tg.int64), (np.float64(1), tg.float64), (np.int32(1), tg.int32),
]  # fmt: skip


@pytest.mark.parametrize("make", [tg.tensor, tg.as_tensor, tg.asarray])
@pytest.mark.parametrize(("data", "dtype"), DATA, ids=[repr(data)[:40] for data, _ in DATA])
def test_the_dtype_of_nested_data_is_that_of_its_elements(make, data, dtype):
    assert make(data).dtype is dtype


def test_tensors_in_a_list_are_numbers():
    assert tg.tensor([tg.ones(1), tg.ones(1, 1)]).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="one element"):
        tg.tensor([tg.ones(2), tg.ones(2)])


def test_integers_beside_floats_keep_every_digit():
    assert tg.tensor([2**60 + 1, 1.5], dtype=tg.int64).tolist() == [2**60 + 1, 1]


def test_data_without_a_dtype_is_refused():
    for data, error in (
        (None, RuntimeError), ([None], RuntimeError), ({1: 2}, RuntimeError), (["a"], ValueError),
        ("a", TypeError),
        (1j, TypeError), ([np.uint16(1)], TypeError), ([2**63], ValueError), ([[1, 2], [3]], ValueError),
    ):  # fmt: skip
        with pytest.raises(error):
            tg.tensor(data)


def test_arrays_are_converted_and_numbers_have_to_fit():
    assert tg.tensor(np.array([300]), dtype=tg.uint8).tolist() == [44]
    assert tg.tensor([300]).to(tg.uint8).tolist() == [44]
    with pytest.raises(RuntimeError, match="overflow"):
        tg.tensor(np.int64(300), dtype=tg.uint8)


def test_old_constructors_check_numbers():
    for run in (
        lambda: tg.LongTensor([nan]), lambda: tg.ByteTensor([300]), lambda: tg.IntTensor([2**40]),
        lambda: tg.CharTensor([128]),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="overflow"):
            run()
    assert tg.Tensor(np.int64(3)).shape == (3,)
    with pytest.raises(TypeError):
        tg.Tensor(3.5)


# ---------------------------------------------------------------------------- sizes by name


@pytest.mark.parametrize(
    ("run", "shape"),
    [
        (lambda: tg.empty(size=(2, 3)), (2, 3)), (lambda: tg.zeros(size=[2]), (2,)),
        (lambda: tg.ones(size=()), ()),
        (lambda: tg.full(size=(2,), fill_value=3), (2,)), (lambda: tg.rand(size=(2,)), (2,)),
        (lambda: tg.randn(size=(2, 3)), (2, 3)), (lambda: tg.randint(high=5, size=(2,)), (2,)),
        (lambda: tg.randint(low=2, high=5, size=(2,)), (2,)), (lambda: tg.randint(5, size=(2,)), (2,)),
        (lambda: tg.randint_like(tg.zeros(2), high=5), (2,)), (lambda: tg.normal(0.0, 1.0, size=(2,)), (2,)),
        (lambda: tg.ones(1).new_zeros(size=(2,)), (2,)), (lambda: tg.ones(1).new_ones(size=(2,)), (2,)),
        (lambda: tg.ones(1).new_empty(size=(2,)), (2,)),
        (lambda: tg.ones(1).new_full(size=(2,), fill_value=1), (2,)),
        (lambda: tg.ones(4).view(size=(2, 2)), (2, 2)), (lambda: tg.ones(4).reshape(shape=(2, 2)), (2, 2)),
        (lambda: tg.ones(4).expand(size=(2, 4)), (2, 4)),
        (lambda: tg.ones(2, 3).resize_(size=(3, 2)), (3, 2)),
        (lambda: tg.zeros(np.int64(2), np.int32(3)), (2, 3)), (lambda: tg.zeros((np.uint8(2),)), (2,)),
    ],
)  # fmt: skip
def test_sizes_may_come_by_name(run, shape):
    assert run().shape == shape


def test_a_size_that_is_missing_or_comes_twice_is_a_type_error():
    for run in (
        lambda: tg.zeros(), lambda: tg.ones(1).new_zeros(), lambda: tg.rand(), lambda: tg.zeros(2, size=(2,)),
        lambda: tg.zeros(size=3), lambda: tg.full(2, 3), lambda: tg.randint(0.0, 5.0, (2,)),
        lambda: tg.randint(high=5),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            run()


# ---------------------------------------------------------------------------- numbers in a row


@pytest.mark.parametrize(
    ("run", "right"),
    [
        (lambda: tg.arange(0, 5, 2.5, dtype=tg.int64), [0, 2, 4]),
        (lambda: tg.arange(5.5, dtype=tg.int64), [0, 1, 2, 3, 4]),
        (lambda: tg.arange(0.5, 5.5, 1.5, dtype=tg.int64), [0, 1, 2, 3, 4]),
        (lambda: tg.arange(5, 1, -1.5, dtype=tg.int64), [5, 4, 3, 2]),
        (lambda: tg.arange(0, 4.9, dtype=tg.int64), [0, 1, 2, 3]),
        (lambda: tg.arange(0, -5, -0.5, dtype=tg.int32), [0] * 10),
        (lambda: tg.arange(0, 2**53 + 1, 2**52), [0, 2**52, 2**53]),
        (lambda: tg.arange(2**62, 2**62 + 2), [2**62, 2**62 + 1]),
        (lambda: tg.arange(250, 258, dtype=tg.uint8), [250, 251, 252, 253, 254, 255, 0, 1]),
        (lambda: tg.arange(end=3), [0, 1, 2]), (lambda: tg.arange(1, 9, 4), [1, 5]),
        (lambda: tg.arange(1, 10, 4), [1, 5, 9]),
        (lambda: tg.arange(np.int32(1), np.int64(3)), [1, 2]), (lambda: tg.arange(0, 0, -1), []),
        (lambda: tg.range(0, 5.5, 2, dtype=tg.int64), [0, 2, 4]),
        (lambda: tg.range(3, 0, -1), [3.0, 2.0, 1.0, 0.0]),
        (lambda: tg.linspace(0.9, 3.9, 3, dtype=tg.int64), [0, 1, 3]),
        (lambda: tg.linspace(0.5, 10.5, 5, dtype=tg.int64), [0, 2, 5, 7, 10]),
        (lambda: tg.linspace(-1, 5, 3, dtype=tg.uint8), [255, 130, 5]),
    ],
)  # fmt: skip
def test_integers_in_a_row_are_counted_as_pytorchs(run, right):
    assert run().tolist() == right


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (lambda: tg.arange(0, 5, 0.5, dtype=tg.int64), ValueError),
        (lambda: tg.arange(0, 3, 0), RuntimeError),
        (lambda: tg.arange(0, 1, nan), RuntimeError), (lambda: tg.arange(0, 1, -inf), RuntimeError),
        (lambda: tg.arange(0, nan), RuntimeError), (lambda: tg.arange(inf), RuntimeError),
        (lambda: tg.arange(0, 2**70), OverflowError),
        (lambda: tg.arange(0, 1e20, 1e19, dtype=tg.int64), RuntimeError),
        (lambda: tg.arange(3, dtype=tg.bool), NotImplementedError), (lambda: tg.arange("a"), TypeError),
        (lambda: tg.arange(0, 3, 0.5, out=tg.empty(0, dtype=tg.int64)), ValueError),
        (lambda: tg.range(0, 3, 0.5, dtype=tg.int32), ValueError), (lambda: tg.range(0, 3, -1), RuntimeError),
        (lambda: tg.linspace(0, 300, 3, dtype=tg.uint8), RuntimeError),
        (lambda: tg.linspace(0, nan, 3, dtype=tg.int64), RuntimeError),
        (lambda: tg.linspace(0, 1e39, 3), RuntimeError), (lambda: tg.linspace(0, 1, 2.0), TypeError),
        (lambda: tg.linspace(0, 1, -1), RuntimeError),
        (lambda: tg.logspace(0, 1, 3, dtype=tg.bool), NotImplementedError),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_refused(run, error):
    with pytest.raises(error):
        run()


def test_one_truth_value_as_index_takes_a_number_of_another_dtype():
    # torch: x = torch.ones(2); x[True] = torch.tensor(2, dtype=torch.float64)
    x = tg.ones(2)
    x[True] = tg.tensor(2, dtype=tg.float64)
    assert x.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("dtype, value", [(tg.float64, 1e200), (tg.float32, 1e20)], ids=str)
def test_a_histogram_of_one_huge_number_has_it_in_the_middle(dtype, value):
    # torch.histc(torch.tensor([1e200, 1e200], dtype=torch.float64), 3)
    assert tg.histc(tg.tensor([value, value], dtype=dtype), 3).tolist() == [0.0, 2.0, 0.0]


BEYOND = [1e39, -1e39, 1e308]


@pytest.mark.parametrize("value", BEYOND)
@pytest.mark.parametrize(
    "call",
    [
        lambda x, v: F.threshold(x, v, 0.0),
        lambda x, v: F.threshold(x, 0.0, v),
        lambda x, v: F.hardshrink(x, v),
        lambda x, v: F.elu(x, v),
        lambda x, v: F.celu(x, v),
        lambda x, v: F.leaky_relu(x, v),
        lambda x, v: F.softplus(x, v),
        lambda x, v: tg.add(x, x, alpha=v),
        lambda x, v: tg.sub(x, x, alpha=v),
        lambda x, v: tg.rsub(x, x, alpha=v),
        lambda x, v: tg.addcmul(x, x, x, value=v),
        lambda x, v: tg.addcdiv(x, x, x, value=v),
        lambda x, v: tg.lerp(x, x, v),
    ],
)
def test_a_setting_that_a_dtype_does_not_hold_is_refused(call, value):
    x = tg.ones(2)
    with pytest.raises(RuntimeError, match="without overflow"):
        call(x, value)
    call(x.double(), value)


@pytest.mark.parametrize("value", [1e39, 1e308])
def test_a_setting_that_only_compares_may_be_any_number(value):
    x = tg.tensor([1.0, tg.nan, 3.0])
    assert F.huber_loss(x[:1], x[2:], delta=value).item() == 2.0
    assert F.smooth_l1_loss(x[:1], x[2:], beta=value).item() == 0.0
    assert x.nan_to_num(value).tolist() == [1.0, tg.inf, 3.0]


@pytest.mark.parametrize("of", [tg.add, tg.mul, tg.bitwise_and, tg.bitwise_or, tg.eq, tg.lt, tg.remainder])
def test_truths_do_not_meet_numbers_past_int64(of):
    with pytest.raises(RuntimeError, match="without overflow"):
        of(tg.tensor([True]), 2**63)
    of(tg.tensor([True]), 2**63 - 1)
