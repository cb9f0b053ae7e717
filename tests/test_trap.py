"""The NaN trap: what first makes a NaN or an infinity of finite numbers is named, with its lines."""

import gc
import inspect
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import tensorgrad as tg
import tensorgrad.nn.functional as F
from tensorgrad import autograd, nn

inf, nan = float("inf"), float("nan")
FLOATS = [tg.float16, tg.bfloat16, tg.float32, tg.float64]


@pytest.fixture(params=["kernels", "numpy"], autouse=True)
def on_both_backends(request):
    with tg.backend(request.param):
        yield


def caught(function, *args):
    """The error that the trap raises; the trap is away again afterwards."""
    with pytest.raises(autograd.NonFiniteError) as found, autograd.trap_nan():
        function(*args)
    assert tg.log(tg.tensor([-1.0])).isnan().all()
    return found.value


def quiet(function, *args):
    with autograd.trap_nan():
        return function(*args)


def here():
    """The file, and the line of the caller."""
    frame = inspect.currentframe().f_back
    return frame.f_code.co_filename, frame.f_lineno


# ---- forward


def test_an_op_is_named_with_positions_ranges_and_line():
    x = tg.tensor([[1.0, 0.0, 2.0], [-1.0, 4.0, -3.0]])
    lines = []

    def program():
        lines.append(here())
        tg.log(x)

    error = caught(program)
    assert (error.op, error.phase) == ("log", "forward")
    assert error.positions == [(0, 1), (1, 0), (1, 2)]
    assert error.place[:2] == (lines[0][0], lines[0][1] + 1) and error.place[2] == "program"
    text = str(error)
    assert "3 of 6 numbers of the result" in text
    assert "-inf at [0, 1], nan at [1, 0], nan at [1, 2]" in text
    assert "input: float32[2, 3], from -3 to 4, all finite" in text
    assert f'File "{__file__}", line {lines[0][1] + 1}, in program\n    tg.log(x)' in text


def test_it_is_an_error_of_both_usual_types():
    error = caught(tg.log, tg.tensor(-1.0))
    assert isinstance(error, RuntimeError) and isinstance(error, FloatingPointError)
    assert error.positions == [()] and "result is not finite, and what went in was: nan\n" in str(error)


@pytest.mark.parametrize(
    "call, op",
    [
        (lambda x: x.index_put_((tg.zeros(2).long(),), tg.full((2,), 3e38), accumulate=True), "index_put_"),
        (lambda x: 1 / x, "div"),
        (lambda x: x / 0, "div"),
        (lambda x: x**-1, "pow"),
        (lambda x: x.log_(), "log_"),
        (lambda x: x.__itruediv__(0.0), "div_"),
        (lambda x: x.mul(1e30) @ tg.full((2,), 1e30), "matmul"),
        (lambda x: tg.rsqrt(x), "rsqrt"),
        (lambda x: tg.log(input=x), "log"),
        (lambda x: F.binary_cross_entropy(x, tg.zeros(2), weight=x * 3e38), "binary_cross_entropy"),
        (lambda x: F.normalize(x[:1], dim=0, eps=0.0), "normalize"),
        (lambda x: (x * 1e30).square().var(), "square"),
        (lambda x: x.mul(1e6).half(), "half"),
        (lambda x: tg.stack([x, x]).sub(1).log(), "log"),
        (lambda x: x.__setitem__(0, tg.tensor(1e300, dtype=tg.float64)), "__setitem__"),
        (lambda x: x.__setitem__(slice(None), np.array([1.0, 1e300])), "index_put_"),
        (lambda x: tg.zeros(2, requires_grad=True).clone().__setitem__(0, x.double()[1] * 1e300), "cast"),
    ],
)
def test_every_way_of_calling_is_looked_at(call, op):
    error = caught(call, tg.tensor([0.0, 1.0]))
    assert (error.op, error.phase) == (op, "forward")


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_float_type(dtype):
    big = tg.tensor([1.0, tg.finfo(dtype).max], dtype=dtype)
    assert caught(lambda: big * 2).positions == [(1,)]
    assert quiet(lambda: big * 0.5).isfinite().all()


def test_a_sum_that_is_too_large_is_not_taken_for_a_bad_element():
    assert quiet(lambda: tg.full((1000,), 3e38) + 0.0).isfinite().all()


def test_what_lies_with_strides_is_looked_at():
    x = tg.ones(4, 6)
    x[2, 5] = -1.0
    assert caught(lambda: x.t()[1:].log()).positions == [(4, 2)]


def test_numbers_that_were_given_are_shown():
    assert "other: 0" in str(caught(lambda: tg.ones(2) / 0))
    assert "input: 1\n" in str(caught(lambda: 1 / tg.zeros(2)))


# ---- what is no birth


@pytest.mark.parametrize(
    "program",
    [
        lambda: tg.zeros(2, 3).masked_fill(tg.tensor([True, False, False]), -inf).softmax(-1).sum(),
        lambda: tg.zeros(3).masked_fill_(tg.tensor([True, False, True]), -inf).exp(),
        lambda: tg.where(tg.tensor([True, False]), tg.zeros(2), -inf) + tg.ones(2),
        lambda: tg.full((3, 3), -inf).triu(1),
        lambda: tg.tensor([1.0, nan]) * 2,
        lambda: tg.from_numpy(np.array([inf], np.float32)) - 1,
        lambda: tg.tensor([nan, 1.0]).log_(),
        lambda: tg.tensor([nan, -1.0]).log(),
        lambda: tg.clamp(tg.tensor([inf]), max=3.0),
        lambda: F.pad(tg.ones(2), (1, 1), value=-inf).amax(),
        lambda: tg.ones(3).fill_(nan),
        lambda: tg.tensor([1.0, -1.0]).log_softmax(0),
        lambda: tg.arange(3) * 2,
        lambda: nn.Transformer.generate_square_subsequent_mask(4),
        lambda: tg.maximum(tg.zeros(2), np.array([inf, 1.0], np.float32)),
        lambda: tg.zeros(3).__setitem__(0, inf),
        lambda: tg.zeros(3).__setitem__(slice(1), [inf]),
        lambda: tg.zeros(3).__setitem__(tg.tensor([0]), np.array([inf], np.float32)),
        lambda: tg.zeros(1, 1, 1, 1, 1).__setitem__(slice(None), [[[[[inf]]]]]),
        lambda: tg.full((3,), nan).__setitem__(0, 1.0),
    ],
)
def test_what_was_asked_for_or_given_passes(program):
    quiet(program)


def test_blank_memory_is_not_computed():
    bad = [tg.full((999,), nan) for _ in range(4)]
    like = tg.ones(999)
    del bad
    gc.collect()
    for make in (lambda: tg.empty(999), lambda: tg.empty_like(like), lambda: like.new_empty(999)):
        quiet(make)
    quiet(lambda: tg.empty(999).fill_(1.0).add_(1.0))


def test_masked_attention_is_silent_forward_and_back():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    padding = tg.zeros(2, 5).masked_fill(tg.tensor([[False] * 5, [False, False, True, True, True]]), -inf)
    optimizer = tg.optim.AdamW(layer.parameters())

    def step():
        layer(tg.rand(2, 5, 8), src_mask=mask, src_key_padding_mask=padding).sum().backward()
        optimizer.step()

    quiet(step)


def test_a_nan_that_comes_of_infinities_is_one():
    error = caught(lambda: tg.full((2, 3), -inf).softmax(-1))
    assert error.op == "softmax" and "no NaN went in" in str(error)


def test_what_an_op_computes_on_its_way_does_not_matter():
    x = tg.tensor([0.0, 2.0], requires_grad=True)
    quiet(lambda: (x**0.0).sum().backward())
    quiet(lambda: tg.xlogy(x, x).sum())
    quiet(lambda: F.binary_cross_entropy(tg.tensor([0.0, 1.0]), tg.tensor([0.0, 1.0])))


# ---- backward


def test_a_step_back_names_the_forward_line_too():
    x = tg.tensor([[4.0, 0.0]], requires_grad=True)
    lines = {}

    def program():
        lines["forward"] = here()[1] + 1
        y = tg.sqrt(x)
        loss = y.sum()
        lines["backward"] = here()[1] + 1
        loss.backward()

    error = caught(program)
    assert (error.op, error.phase, error.positions) == ("SqrtBackward0", "backward", [(0, 1)])
    assert error.place[1] == lines["backward"] and error.forward_place[1] == lines["forward"]
    text = str(error)
    assert "gradient that arrived: float32[1, 2], from 1 to 1, all finite" in text
    assert "the gradient of input is not finite" in text and "y = tg.sqrt(x)" in text


def test_only_the_first_step_back_is_named():
    x = tg.tensor([0.0, 1.0], requires_grad=True)
    assert caught(lambda: (tg.sqrt(x * 2) * 3).sum().backward()).op == "SqrtBackward0"


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_for_autograd_grad(create_graph):
    x = tg.tensor([0.0, 1.0], requires_grad=True)
    error = caught(lambda: autograd.grad(x.sqrt().sum(), x, create_graph=create_graph))
    assert error.op == "SqrtBackward0"


def test_an_infinite_gradient_that_was_given_passes():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    quiet(lambda: y.backward(tg.tensor([inf, 1.0])))
    assert x.grad.tolist() == [inf, 2.0]


def test_sums_of_gradients():
    x = tg.zeros(1, requires_grad=True)
    y = x * 1.0
    assert caught(lambda: (y * 3e38 + y * 3e38).sum().backward()).op == "sum of gradients"
    z = tg.zeros(1, requires_grad=True)
    z.grad = tg.tensor([3e38])
    assert caught(lambda: (z * 3e38).sum().backward()).op == "sum of gradients"


class Halved(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / 2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.log()


def test_inside_of_a_function_of_ones_own_the_op_is_named():
    x = tg.tensor([-1.0], requires_grad=True)

    def program():
        Halved.apply(x).sum().backward()

    error = caught(program)
    assert error.op == "log" and error.place[2] == "backward"
    assert "in HalvedBackward, whose forward was called here:" in str(error)
    assert "in program\n    Halved.apply(x).sum().backward()" in str(error)


def test_inside_of_a_checkpoint():
    from tensorgrad.utils.checkpoint import checkpoint

    x = tg.tensor([0.0, 1.0], requires_grad=True)
    for reentrant in (False, True):
        y = lambda how=reentrant: checkpoint(lambda t: t.sqrt(), x, use_reentrant=how)  # noqa: E731
        error = caught(lambda y=y: y().sum().backward())
        assert error.op == "SqrtBackward0"


def test_hooks_are_the_users_own():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: (g - 2).log())
    assert caught(y.sum().backward).op == "log"
    y = x * 2
    y.grad_fn.register_hook(lambda inner, outer: ((inner[0] - 3).log(),))
    assert caught(y.sum().backward).op == "log"


# ---- optimizers


@pytest.mark.parametrize("make", [tg.optim.SGD, tg.optim.Adam, tg.optim.Adagrad])
def test_a_step_names_the_parameter(make):
    good, bad = nn.Parameter(tg.ones(2)), nn.Parameter(tg.ones(3))
    good.grad, bad.grad = tg.ones(2), tg.tensor([1.0, 3e38, 1.0])
    optimizer = make([("good", good), ("bad", bad)], lr=1e5)
    error = caught(optimizer.step)
    assert (error.op, error.phase, error.positions) == (f"{make.__name__}.step", "step", [(1,)])
    text = str(error)
    assert "parameter bad" in text and "lr: 100000" in text
    assert "gradient: float32[3], from 1 to 3e+38, all finite" in text


def test_a_step_with_a_bad_gradient_is_not_where_it_began():
    weight = nn.Parameter(tg.ones(2))
    weight.grad = tg.tensor([1.0, inf])
    quiet(tg.optim.SGD([weight], lr=0.1).step)


# ---- where it is set


def test_it_counts_and_decorates():
    log = autograd.trap_nan()(tg.log)
    with pytest.raises(autograd.NonFiniteError):
        log(tg.tensor(-1.0))
    with autograd.trap_nan():
        with autograd.trap_nan():
            pass
        with pytest.raises(autograd.NonFiniteError):
            tg.log(tg.tensor(-1.0))
    assert tg.log(tg.tensor(-1.0)).isnan()


def test_other_threads_are_looked_at():
    found = []

    def work():
        try:
            tg.log(tg.tensor(-1.0))
        except autograd.NonFiniteError as error:
            found.append(error)

    with autograd.trap_nan():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(found) == 1


def test_profiles_are_the_same_with_it():
    def names(trapped):
        with tg.profiler.profile() as prof:
            if trapped:
                with autograd.trap_nan():
                    tg.rand(3, 4, requires_grad=True).log1p().sum().backward()
            else:
                tg.rand(3, 4, requires_grad=True).log1p().sum().backward()
        return [(event.kind, event.name) for event in prof.events()]

    assert names(True) == names(False)


def run(code, setting):
    env = {**os.environ, "TENSORGRAD_TRAP_NAN": setting}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_the_environment_sets_it():
    code = "import tensorgrad as tg\nprint(tg.log(tg.tensor(-1.0)))"
    assert "tensor(nan)" in run(code, "0").stdout
    assert "NonFiniteError: log: 1 of 1" in run(code, "1").stderr
    assert "TENSORGRAD_TRAP_NAN is 'yes'" in run(code, "yes").stderr


# ---- the line of the forward call, in other errors


class Broken(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        raise ValueError("no way back")


@pytest.mark.parametrize("mode", [autograd.trap_nan, autograd.detect_anomaly])
def test_an_error_out_of_backward_names_the_forward_line(mode):
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(ValueError) as found, mode():
        line = here()[1] + 1
        y = Broken.apply(x)
        y.sum().backward()
    first, blame, place, source = str(found.value).split("\n")
    assert first == "no way back" and blame == "in BrokenBackward, whose forward was called here:"
    assert place.strip().startswith(f'File "{__file__}", line {line}, in')
    assert source.strip() == "y = Broken.apply(x)"
    with pytest.raises(ValueError, match="^no way back$"):
        Broken.apply(x).sum().backward()


def test_an_error_of_a_written_tensor_names_it_once():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as found, autograd.trap_nan():
        y = x.exp()
        y += 1
        y.sum().backward()
    assert str(found.value).count("y = x.exp()") == 1


def test_anomaly_detection_may_leave_nan_alone():
    x = tg.tensor([-1.0], requires_grad=True)
    with autograd.detect_anomaly(check_nan=False):
        x.sqrt().sum().backward()
    assert x.grad.isnan().all()
    with autograd.set_detect_anomaly(True, check_nan=False):
        x.sqrt().sum().backward()
    with pytest.raises(RuntimeError, match="returned nan values"), autograd.detect_anomaly():
        x.sqrt().sum().backward()
