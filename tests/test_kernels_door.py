"""The functions of `_kernels` over arrays: examples, checks, layouts, both float types."""

import doctest
import threading

import numpy as np
import pytest

from tensorgrad import _kernels as k

PUBLIC = [
    name for name, value in vars(k).items() if callable(value) and not name.startswith("_") and value.__doc__
]
ABOUT = {"level", "has", "names", "declarations", "call", "threads", "set_threads", "stop_workers"}
ABOUT |= {"Declared", "namedtuple", "listen", "unlisten", "begin_range", "end_range", "Event", "Operand"}
ABOUT |= {"get_ident", "perf_counter_ns"}
FUNCTIONS = sorted(set(PUBLIC) - ABOUT)
BOTH = pytest.mark.parametrize("dtype", (np.float32, np.float64), ids=("f32", "f64"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_function_is_true(name):
    names = {**vars(k), "np": np}
    case = doctest.DocTestParser().get_doctest(getattr(k, name).__doc__, names, name, None, None)
    assert case.examples, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    with np.printoptions(legacy=None):
        assert runner.run(case).failed == 0


def numbers(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@BOTH
def test_any_layout_and_shape_is_taken(dtype):
    x = numbers((6, 5, 4), dtype)
    for view in (x, x.transpose(2, 0, 1), x[::-2], x[:, :0], x[0, 0, 0]):
        y = k.tanh(view)
        assert y.shape == view.shape and y.dtype == dtype
        np.testing.assert_allclose(y, np.tanh(view.astype("f8")), rtol=1e-6)
        np.testing.assert_allclose(k.sum(view), view.sum(dtype="f8"), rtol=1e-5, atol=1e-5)
    for axis in (-3, -1, 0, 1, 2):
        np.testing.assert_allclose(k.sum(x, axis), x.sum(axis, dtype="f8"), rtol=1e-5, atol=1e-5)


@BOTH
def test_out_is_written_and_given_back(dtype):
    x = numbers((3, 4), dtype)
    out = np.empty_like(x)
    assert k.silu(x, out=out) is out
    kept = x.copy()
    assert k.silu(x, out=x) is x
    np.testing.assert_array_equal(x, out)
    apart = k.softmax(kept)
    np.testing.assert_array_equal(k.softmax(kept, out=kept), apart)


@BOTH
def test_read_only_inputs_are_taken(dtype):
    x = numbers((3, 4), dtype)
    x.flags.writeable = False
    k.relu(x), k.softmax(x), k.matmul(x, x.T), k.sum(x), k.layer_norm(x), k.cross_entropy(x, [0, 1, 2])
    with pytest.raises(ValueError, match="contiguous and writeable"):
        k.relu(np.ones_like(x), out=x)


@BOTH
def test_matmul_agrees_with_numpy(dtype):
    a, b, bias = numbers((9, 30), dtype), numbers((30, 20), dtype, 1), numbers(20, dtype, 2)
    exact = a.astype("f8") @ b
    turned = np.ascontiguousarray(b.T).T
    for x, y in (
        (a, b),
        (a, turned),
        (np.asfortranarray(a), b),
        (np.repeat(a, 2, 1)[:, ::2], np.repeat(b, 2, 1)[:, ::2]),
    ):
        np.testing.assert_allclose(k.matmul(x, y), exact, atol=1e-5)
        np.testing.assert_allclose(k.matmul(x, y, bias, relu=True), np.maximum(exact + bias, 0), atol=1e-5)
    assert k.matmul(a[:0], b).shape == (0, 20)
    np.testing.assert_array_equal(k.matmul(a[:, :0], b[:0]), np.zeros((9, 20)))


@BOTH
def test_slopes_agree_with_small_differences(dtype):
    x = np.linspace(-3.05, 3.05, 62).astype(dtype)
    g = np.ones_like(x)
    for name in (
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "elu",
        "silu",
        "gelu",
        "softplus",
        "log_sigmoid",
        "mish",
    ):
        forward, backward = getattr(k, name), getattr(k, name + "_backward")
        wide = x.astype("f8")
        slope = (forward(wide + 1e-6) - forward(wide - 1e-6)) / 2e-6
        saved = forward(x) if name in ("sigmoid", "tanh", "relu") else x
        np.testing.assert_allclose(backward(g, saved), slope, atol=2e-6, err_msg=name)
    np.testing.assert_allclose(
        k.gelu_backward(g, x, "tanh"),
        (k.gelu(wide + 1e-6, "tanh") - k.gelu(wide - 1e-6, "tanh")) / 2e-6,
        atol=2e-6,
    )


ONE = np.ones(3, np.float32)
TWO = np.ones((2, 3), np.float32)
REFUSED = [
    (lambda: k.tanh([1, 2]), "tanh: input is of int64, wanted float32 or float64"),
    (lambda: k.tanh(ONE, out=TWO), r"tanh: out is float32\[2, 3\], wanted float32\[3\]"),
    (lambda: k.tanh(ONE, out=np.ones(3)), r"tanh: out is float64\[3\], wanted float32\[3\]"),
    (lambda: k.tanh(ONE, out=np.ones(6, np.float32)[::2]), "tanh: out must be contiguous and writeable"),
    (lambda: k.tanh(ONE, out=[1.0, 2.0, 3.0]), "tanh: out is a list, wanted an array"),
    (lambda: k.tanh_backward(TWO, ONE), r"tanh_backward: saved is float32\[3\], wanted float32\[2, 3\]"),
    (lambda: k.gelu(ONE, "erf"), "gelu: approximate is 'erf', wanted 'none' or 'tanh'"),
    (lambda: k.softmax(ONE), r"softmax: input is float32\[3\], wanted a matrix"),
    (
        lambda: k.layer_norm(TWO, weight=np.ones(2, np.float32)),
        r"layer_norm: weight is float32\[2\], wanted float32\[3\]",
    ),
    (
        lambda: k.cross_entropy(TWO, [0]),
        r"cross_entropy: target is int64\[1\], wanted int64\[2\]",
    ),
    (
        lambda: k.cross_entropy(TWO, [0, 3]),
        r"cross_entropy: target\[1\] is 3, wanted a class from 0 to 2 or -100",
    ),
    (
        lambda: k.cross_entropy(TWO, [0, 1], "none"),
        "cross_entropy: reduction is 'none', wanted 'mean' or 'sum'",
    ),
    (lambda: k.sum(TWO, 2), r"sum: axis is 2, wanted one of the 2 of an array \[2, 3\]"),
    (lambda: k.matmul(TWO, TWO), r"matmul: b is float32\[2, 3\], wanted float32\[3, b\]"),
    (lambda: k.matmul(TWO, np.ones((3, 2))), r"matmul: b is float64\[3, 2\], wanted float32\[3, b\]"),
    (lambda: k.matmul(ONE, TWO), r"matmul: a is float32\[3\], wanted float32\[a, c\]"),
    (
        lambda: k.matmul(TWO[:, :2], TWO[:, :2], out=TWO[:, :2]),
        "matmul: out must be contiguous and writeable",
    ),
    (lambda: k.adam_step(ONE.copy(), ONE, ONE.copy(), None, 1), "adam_step: square is None, wanted an array"),
    (
        lambda: k.adam_step(ONE.copy(), ONE, ONE.copy(), ONE.copy(), 0),
        "adam_step: step is 0, wanted 1 or more",
    ),
    (lambda: k.sgd_step([1.0], ONE, 0.1), "sgd_step: param is a list, wanted an array"),
    (lambda: k.sgd_step(ONE.copy(), TWO, 0.1), r"sgd_step: grad is float32\[2, 3\], wanted float32\[3\]"),
    (lambda: k.sgd_step(ONE.copy(), ONE, 0.1, momentum=0.9), "sgd_step: buffer is None, wanted an array"),
]


@pytest.mark.parametrize(("action", "message"), REFUSED, ids=[m.split(",")[0] for _, m in REFUSED])
def test_what_does_not_fit_is_refused_with_what_came_and_what_was_wanted(action, message):
    with pytest.raises(ValueError, match=message):
        action()


def test_matmul_refuses_to_write_over_what_it_reads():
    square = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match="out shares memory with a, wanted one apart"):
        k.matmul(square, square, out=square)


def test_other_threads_run_while_a_kernel_does():
    """Two products at once, each thread with packing memory of its own, give what they give alone."""
    a = numbers((300, 400), np.float32)
    b = numbers((400, 500), np.float32, 1)
    alone = [k.matmul(a, b), k.matmul(b.T, a.T)]
    found = [None, None]

    def work(at):
        for _ in range(20):
            found[at] = k.matmul(a, b) if at == 0 else k.matmul(b.T, a.T)

    threads = [threading.Thread(target=work, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found[0], alone[0])
    np.testing.assert_array_equal(found[1], alone[1])


def test_apply_takes_tables_as_they_lie_and_refuses_what_has_no_largest():
    wide = np.arange(6, dtype=np.float32).reshape(2, 3)
    rows, _ = k.apply("gather_rows", table=wide.T, index=[0, 1, 2], from_end=0)
    np.testing.assert_array_equal(rows, wide.T)
    rows, _ = k.apply("gather_rows", table=wide[:, 1:], index=[1, 0], from_end=0)
    np.testing.assert_array_equal(rows, wide[::-1, 1:])
    for bad in (np.zeros((1, 0, 1), np.float32), np.ones((2, 3), np.float32)):
        with pytest.raises(ValueError, match="wanted 3 dimensions"):
            k.apply("argmax", input=bad)
    assert k.apply("argmax", input=np.zeros((0, 2, 3), np.float32))[0].shape == (0, 3)


@BOTH
def test_out_is_given_back_whatever_the_shape_inside(dtype):
    x = numbers((3, 4), dtype)
    outs = {k.softmax: np.empty_like(x), k.log_softmax: np.empty_like(x), k.sum: np.empty((), dtype)}
    for call, out in outs.items():
        assert call(x, out=out) is out
        np.testing.assert_array_equal(out, call(x))
