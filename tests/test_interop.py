"""NumPy on tensors: its functions stay on the tape, its arrays share memory, the buffer protocol and DLPack
work.
"""

import copy
import ctypes
import pickle
import subprocess
import sys

import numpy as np
import pytest

import tensorgrad as tg


def leaf(*values):
    return tg.tensor(list(values), requires_grad=True)


@pytest.mark.parametrize(
    ("call", "slope"),
    [
        (lambda x: np.sin(x), np.cos),
        (lambda x: np.exp(x), np.exp),
        (lambda x: np.add(np.ones(3, np.float32), x), lambda x: np.ones(3)),
        (lambda x: np.full(3, 2.0, np.float32) * x, lambda x: np.full(3, 2.0)),
        (lambda x: np.ones(3, np.float32) / x, lambda x: -1 / x**2),
        (lambda x: np.float32(3) * x, lambda x: np.full(3, 3.0)),
        (lambda x: np.power(x, 2), lambda x: 2 * x),
        (lambda x: np.maximum(x, 1.5), lambda x: x > 1.5),
        (lambda x: np.add.reduce(x), lambda x: np.ones(3)),
        (lambda x: np.sum(x), lambda x: np.ones(3)),
        (lambda x: np.mean(x, axis=0), lambda x: np.full(3, 1 / 3)),
        (lambda x: np.clip(x, 1.5, 2.5), lambda x: (x > 1.5) & (x < 2.5)),
        (lambda x: np.concatenate([x, x]), lambda x: np.full(3, 2.0)),
        (lambda x: np.stack([x, 3 * x], axis=1), lambda x: np.full(3, 4.0)),
        (lambda x: np.where(x > 1.5, x, 0), lambda x: x > 1.5),
        (lambda x: np.reshape(x, (3, 1)), lambda x: np.ones(3)),
        (lambda x: np.transpose(np.reshape(x, (1, 3))), lambda x: np.ones(3)),
        (lambda x: np.dot(x, np.arange(3.0, dtype=np.float32)), lambda x: np.arange(3.0)),
        (lambda x: np.take(x, [2, 2]), lambda x: np.array([0, 0, 2.0])),
        (lambda x: np.einsum("i,i->", x, np.arange(3.0, dtype=np.float32)), lambda x: np.arange(3.0)),
    ],
)
def test_gradient_flows_through_numpy_functions(call, slope):
    x = leaf(1.0, 2.0, 3.0)
    y = call(x)
    assert isinstance(y, tg.Tensor)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slope(np.array([1.0, 2.0, 3.0])), rtol=1e-6)


def test_array_and_tensor_give_a_tensor_of_the_promoted_dtype():
    a = np.arange(3.0)
    for y in (a + tg.ones(3), tg.ones(3) + a, a - tg.ones(3), a @ tg.ones(3)):
        assert isinstance(y, tg.Tensor)
        assert y.dtype is tg.float64


def test_comparisons_with_arrays_give_bool_tensors():
    y = np.array([1.0, 3.0]) < tg.tensor([2.0, 2.0])
    assert y.dtype is tg.bool
    assert y.tolist() == [True, False]


def test_numpy_function_without_an_op_runs_on_values_but_not_on_what_needs_a_gradient():
    assert np.cbrt(tg.tensor([8.0])).item() == pytest.approx(2.0)
    with pytest.raises(TypeError, match=r"np\.cbrt\(\) has no op .*detach"):
        np.cbrt(leaf(8.0))


def test_out_of_a_ufunc_is_written():
    a, t = np.zeros(2), tg.zeros(2)
    assert np.exp(tg.zeros(2), out=a) is a
    assert a.tolist() == [1.0, 1.0]
    assert np.exp(tg.zeros(2), out=t) is t
    assert t.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        np.exp(leaf(0.0, 1.0), out=a)


def test_ufunc_at_is_refused():
    t = tg.zeros(2)
    with pytest.raises(TypeError, match="index_put_"):
        np.add.at(t, [0], 1)
    assert t.tolist() == [0.0, 0.0]


def test_asarray_shares_memory_and_is_refused_where_a_gradient_is_needed():
    t = tg.zeros(2)
    np.asarray(t)[0] = 5
    assert t.tolist() == [5.0, 0.0]
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(leaf(1.0))


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
def test_buffer_protocol_shows_the_memory(dtype):
    t = tg.ones(2, 3, dtype=getattr(tg, dtype)).t()
    seen = memoryview(t)
    assert seen.shape == (3, 2)
    assert seen.nbytes == 6 * t.itemsize
    assert np.frombuffer(t.contiguous(), dtype=dtype).tolist() == [1] * 6
    np.asarray(seen)[0, 0] = 0
    assert t[0, 0].item() == 0


def test_memory_outlives_the_tensor_behind_a_memoryview():
    t = tg.arange(1000.0)
    seen = memoryview(t)
    t.resize_(2000)
    del t
    tg.zeros(1000), tg.zeros(2000)
    assert seen[999] == 999.0


def test_buffer_of_what_needs_a_gradient_or_is_read_only():
    with pytest.raises(BufferError, match="detach"):
        memoryview(leaf(1.0))
    a = np.zeros(2)
    a.flags.writeable = False
    assert memoryview(tg.from_numpy(a)).readonly


def test_dlpack_both_ways():
    a = np.arange(3.0)
    t = tg.from_dlpack(a)
    a[0] = 7
    assert t.tolist() == [7.0, 1.0, 2.0]
    back = np.from_dlpack(t)
    t[1] = 8
    assert back[1] == a[1] == 8
    assert tg.from_dlpack(tg.to_dlpack(tg.ones(2))).tolist() == [1.0, 1.0]


def test_writing_to_an_array_in_place_with_a_tensor():
    a = np.zeros(2, np.float32)
    a += tg.ones(2)
    assert isinstance(a, np.ndarray)
    assert a.tolist() == [1.0, 1.0]


def test_array_of_a_tensor_comes_back_as_the_same_memory():
    x = tg.ones(3, requires_grad=True)
    z = tg.ones(3)
    y = x * z
    tg.from_numpy(z.numpy()[1:]).zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    read_only = z.numpy()
    read_only.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        tg.from_numpy(read_only).zero_()


def test_going_back_and_forth_leaves_no_chain():
    program = """
import tensorgrad as tg
t = tg.ones(100)
for _ in range(200_000):
    t = tg.from_numpy(t.numpy())
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_buffer_of_what_is_not_contiguous_is_not_given_as_if_it_were():
    get = ctypes.pythonapi.PyObject_GetBuffer
    get.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
    room = (ctypes.c_char * 256)()
    strides, c_order, f_order, any_order = 0x18, 0x38, 0x58, 0x98
    turned = tg.arange(6.0).reshape(2, 3).t()
    for flags in (c_order, any_order):
        with pytest.raises(BufferError, match="contiguous"):
            get(turned, ctypes.addressof(room), flags)
    with pytest.raises(BufferError, match="Fortran"):
        get(tg.ones(2, 3), ctypes.addressof(room), f_order)
    assert get(turned, ctypes.addressof(room), strides) == 0


def test_tensor_that_only_new_made_is_empty():
    class Own(tg.Tensor):
        def __init__(self, note):
            self.note = note

    for made in (tg.Tensor.__new__(tg.Tensor), Own("x")):
        assert made.shape == (0,)
        assert (made + 1).tolist() == []
        assert made.numpy().size == 0


def test_number_survives_pickling_as_a_number():
    assert pickle.loads(pickle.dumps(tg.tensor(5.0))).shape == ()


class Noted(tg.Tensor):
    __slots__ = ("note",)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_of_a_subclass_keep_class_slots_and_attributes(again):
    t = Noted([1.0, 2.0])
    t.note = "slot"
    t.other = "attribute"
    found = again(t)
    assert type(found) is Noted
    assert found.tolist() == [1.0, 2.0]
    assert (found.note, found.other) == ("slot", "attribute")


@pytest.mark.parametrize(
    "run",
    [
        lambda t: np.concatenate([t, t]), lambda t: np.concatenate([t, np.ones(2)]), lambda t: np.stack([t]),
        lambda t: np.where(t > 0, t, t), lambda t: np.sort(t), lambda t: np.unique(t), np.copy, np.ravel,
        lambda t: np.vstack([t]), lambda t: np.hstack([t, np.ones(2)]), lambda t: np.expand_dims(t, 0),
        lambda t: np.tile(t, 2), lambda t: np.roll(t, 1), np.zeros_like, lambda t: np.full_like(t, 3),
        np.diff,
        lambda t: np.outer(t, t), lambda t: np.isclose(t, t), lambda t: np.broadcast_to(t, (2, 2)), np.flip,
        lambda t: np.histogram(t)[0],
    ],
)  # fmt: skip
def test_numpy_functions_give_arrays_for_what_needs_no_gradient(run):
    array = np.array([2.0, 1.0], np.float32)
    found = run(tg.tensor(array))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, run(array), strict=True)


@pytest.mark.parametrize("run", [
    lambda t: np.concatenate([t, np.ones(2, np.float32)]), lambda t: np.stack([t]),
    lambda t: np.where(t > 0, t, t), np.sort,
    np.copy, np.ravel, np.flip, np.cumsum,
])  # fmt: skip
def test_numpy_functions_give_tensors_for_what_needs_a_gradient(run):
    t = tg.tensor([2.0, 1.0], requires_grad=True)
    found = run(t)
    assert isinstance(found, tg.Tensor)
    found.sum().backward()
    assert t.grad.shape == (2,)


@pytest.mark.parametrize("run", [
    np.sum, np.mean, np.cumsum, lambda t: np.cumprod(t, 0), np.argmax, np.squeeze, lambda t: np.clip(t, 0, 1),
    np.round,
    lambda t: np.reshape(t, (2, 1)), np.sin, lambda t: np.add(np.ones(2), t), lambda t: np.float64(2) * t,
    lambda t: np.int64(3) // t, lambda t: np.float32(3) ** t,
])  # fmt: skip
def test_numpys_ufuncs_and_what_calls_a_method_give_tensors(run):
    t = tg.tensor([2.0, 1.0])
    found = run(t)
    assert isinstance(found, tg.Tensor)
    np.testing.assert_allclose(found.numpy(), run(t.numpy()), rtol=1e-6)
