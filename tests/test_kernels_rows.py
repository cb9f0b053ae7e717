"""Kernels over rows, losses and optimizer steps, against NumPy in float64."""

import math

import numpy as np
import pytest
from kernel_calls import F32, Guarded, code, run

from tensorgrad import _kernels

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

FLOATS = (np.float32, np.float64)
SHAPES = ((1, 1), (4, 2), (64, 10), (3, 15), (5, 16), (7, 33), (2, 1000), (3, 4097), (0, 5), (5, 0))
BOTH = pytest.mark.parametrize("dtype", FLOATS, ids=("f32", "f64"))


def near(result, exact, dtype, scale=1.0):
    rtol = (3e-6 if dtype == np.float32 else 1e-13) * scale
    np.testing.assert_allclose(result, exact, rtol=rtol, atol=rtol)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True, initial=-np.inf))
    return e / e.sum(1, keepdims=True)


def rows_of(shape, dtype, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)


LINES = [(*shape, 1) for shape in SHAPES]  # and columns, beside each other
LINES += [(1, 3, 2), (2, 5, 64), (3, 4, 65), (1, 700, 130), (2, 1, 200), (0, 3, 20), (2, 3, 0)]


@BOTH
@pytest.mark.parametrize("shape", LINES)
def test_softmax_and_its_backward(shape, dtype):
    x, g = rows_of(shape, dtype), rows_of(shape, dtype, 1)
    y = softmax(x.astype("f8"))
    log_y = np.log(y)
    for name, operands, exact in (
        ("softmax", [x], y),
        ("log_softmax", [x], log_y),
        ("softmax_backward", [g, y.astype(dtype)], (g - (g * y).sum(1, keepdims=True)) * y),
        ("log_softmax_backward", [g, log_y.astype(dtype)], g - y * g.sum(1, keepdims=True)),
    ):
        out = Guarded(shape, dtype)
        run(name, code(x), [*operands, out.array], shape)
        near(out.array, exact, dtype, 10)
        shared = operands[0].copy()
        run(name, code(x), [shared, *operands[1:], shared], shape)
        np.testing.assert_array_equal(shared, out.array, err_msg=f"{name} in place")
        out.check()


@BOTH
def test_softmax_at_its_ends(dtype):
    inf, nan = np.inf, np.nan
    x = np.array(
        [[1000, 1000, -1000], [-inf, 0, 0], [-inf, -inf, -inf], [inf, 0, 0], [nan, 0, 0], [-1e30, 0, -1e30]],
        dtype,
    )
    out = np.empty_like(x)
    run("softmax", code(x), [x, out], (*x.shape, 1))
    expected = [[0.5, 0.5, 0], [0, 0.5, 0.5], [nan] * 3, [nan] * 3, [nan] * 3, [0, 1, 0]]
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    run("log_softmax", code(x), [x, out], (*x.shape, 1))
    half = math.log(0.5)
    np.testing.assert_allclose(out[1], [-inf, half, half], rtol=1e-6)
    np.testing.assert_allclose(out[0], [half, half, -2000 + half], rtol=1e-6)


@BOTH
@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_layer_norm_and_its_backward(shape, dtype):
    rows, columns = shape
    x, g = rows_of(shape, dtype) + dtype(2), rows_of(shape, dtype, 1)
    for weight, bias in (
        (None, None),
        (rows_of(columns, dtype, 2), None),
        (None, rows_of(columns, dtype, 3)),
        (rows_of(columns, dtype, 2), rows_of(columns, dtype, 3)),
    ):
        w = 1.0 if weight is None else weight.astype("f8")
        wide = x.astype("f8")
        mean = wide.mean(1, keepdims=True)
        scale = 1 / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
        normal = (wide - mean) * scale
        out, means, scales = Guarded(shape, dtype), np.empty(rows, dtype), np.empty(rows, dtype)
        run("layer_norm", code(x), [x, weight, bias, out.array, means, scales], shape, (), (1e-5,))
        exact = normal * w + (0 if bias is None else bias)
        # One element a row has no spread: there all is rounding, times 1 / sqrt(eps).
        near(out.array, exact, dtype, 10 if columns > 2 else 1000)
        near(means, mean[:, 0], dtype)
        out.check()
        of_x, of_weight, of_bias = Guarded(shape, dtype), np.empty(columns), np.empty(columns)
        run(
            "layer_norm_backward",
            code(x),
            [g, x, weight, means, scales, of_x.array, of_weight, of_bias],
            shape,
        )
        along = g * w
        exact = (
            along - along.mean(1, keepdims=True) - normal * (along * normal).mean(1, keepdims=True)
        ) * scale
        if columns > 2:
            near(of_x.array, exact, dtype, 30)
            near(of_weight, (g * normal).sum(0), dtype, 30)
        near(of_bias, g.sum(0, dtype="f8"), dtype, 10)
        of_x.check()
        run("layer_norm_backward", code(x), [g, x, weight, means, scales, None, None, None], shape)


@BOTH
@pytest.mark.parametrize("training", [1, 0])
@pytest.mark.parametrize("shape", [(2, 1, 1), (9, 5, 1), (130, 37, 1), (2, 3, 7), (5, 4, 2100)])
def test_batch_norm_and_its_backward(shape, training, dtype):
    batch, channels, length = shape
    size, steps = (channels, batch, length), dict(integer=(training,))
    x, g = rows_of(shape, dtype) + dtype(2), rows_of(shape, dtype, 1)
    for affine in (True, False):
        weight, bias = (rows_of(channels, dtype, i) if affine else None for i in (2, 3))
        running = [rows_of(channels, dtype, 4), rows_of(channels, dtype, 5) ** 2 + dtype(0.5)]
        before = [each.astype("f8") for each in running]
        wide, count = x.astype("f8"), batch * length
        mean, var = (wide.mean((0, 2)), wide.var((0, 2))) if training else before
        scale = 1 / np.sqrt(var + 1e-5)
        factor = scale * (1 if weight is None else weight)
        normal = (wide - mean[:, None]) * scale[:, None]
        out, stats = Guarded(shape, dtype), np.empty((2, channels))
        operands = [x, weight, bias, *running, out.array, stats]
        run("batch_norm", code(x), operands, size, (), (1e-5, 0.25), **steps)
        exact = (wide - mean[:, None]) * factor[:, None] + (0 if bias is None else bias[:, None])
        near(out.array, exact, dtype, 10)
        near(stats[0], mean, dtype)
        near(stats[1], scale, dtype, 10)
        out.check()
        now = (mean, var * count / (count - 1))
        for moved, old, new in zip(running, before, now, strict=True):
            near(moved, old * 0.75 + new * 0.25 if training else old, dtype)
        of_x, of_weight, of_bias = Guarded(shape, dtype), np.empty(channels, dtype), np.empty(channels, dtype)
        operands = [g, x, weight, stats, of_x.array, of_weight, of_bias]
        run("batch_norm_backward", code(x), operands, size, **steps)
        exact = g.astype("f8")
        if training:
            exact = exact - exact.mean((0, 2))[:, None] - normal * (exact * normal).mean((0, 2))[:, None]
        near(of_x.array, exact * factor[:, None], dtype, 30)
        near(of_weight, (g * normal).sum((0, 2)), dtype, 30)
        near(of_bias, g.sum((0, 2), dtype="f8"), dtype, 10)
        of_x.check()
        run("batch_norm_backward", code(x), [g, x, weight, stats, None, None, None], size, **steps)


@BOTH
@pytest.mark.parametrize("mean", [1, 0])
@pytest.mark.parametrize("shape", [(1, 1), (4, 2), (64, 10), (33, 100)])
def test_cross_entropy_and_its_backward(shape, mean, dtype):
    rows, classes = shape
    x = rows_of(shape, dtype)
    target = np.random.default_rng(1).integers(0, classes, rows)
    target[::5] = -100
    log_y = np.log(softmax(x.astype("f8")))
    used = target != -100
    loss, saved, grad, g = (
        np.empty((), dtype),
        Guarded(shape, dtype),
        Guarded(shape, dtype),
        np.array(1.5, dtype),
    )
    wrong = np.array([-1, 0])
    run("cross_entropy", code(x), [x, target, loss, saved.array, wrong], shape, integer=(mean, -100))
    near(saved.array, log_y, dtype, 10)
    picked = log_y[used, target[used]]
    count = used.sum() if mean else 1
    near(loss, -picked.sum() / count, dtype, 10)
    back = [g, saved.array, target, grad.array, wrong]
    run("cross_entropy_backward", code(x), back, shape, integer=(mean, -100))
    exact = np.exp(log_y) * used[:, None]
    exact[used, target[used]] -= 1
    near(grad.array, exact * 1.5 / (count or np.nan), dtype, 10) if used.any() else None
    saved.check()
    grad.check()
    assert wrong[0] == -1


def test_cross_entropy_of_ignored_rows_alone():
    x, target = np.ones((3, 4), np.float32), np.full(3, -100)
    loss, saved = np.empty((), np.float32), np.empty((3, 4), np.float32)
    run("cross_entropy", F32, [x, target, loss, saved, None], x.shape, integer=(1, -100))
    assert np.isnan(loss)
    run("cross_entropy", F32, [x, target, loss, saved, None], x.shape, integer=(0, -100))
    assert loss == 0


@BOTH
def test_cross_entropy_says_which_row_names_no_class(dtype):
    x = np.zeros((6, 10), dtype)
    loss, saved, g = np.empty((), dtype), np.empty((6, 10), dtype), np.ones((), dtype)
    for bad in (10, -1, 2**62, -(2**63)):
        target = np.array([0, 9, 2**53 + 1, bad, 3, bad], np.int64)
        for name, operands in (
            ("cross_entropy", [x, target, loss, saved]),
            ("cross_entropy_backward", [g, x, target, saved]),
        ):
            wrong = np.array([-1, 0])
            run(name, code(x), [*operands, wrong], (6, 10), integer=(1, 2**53 + 1))
            assert wrong.tolist() == [3, bad]


@BOTH
@pytest.mark.parametrize("mean", [1, 0])
def test_mse_and_its_backward(mean, dtype):
    for count in (1, 3, 4, 15, 16, 31, 32, 100, 4096, 4100, 10_000):
        a, b = rows_of(count, dtype), rows_of(count, dtype, 1)
        loss, g, grad = np.empty((), dtype), np.array(0.5, dtype), Guarded((count,), dtype)
        d = a.astype("f8") - b
        run("mse_loss", code(a), [a, b, loss], (count,), integer=(mean,))
        near(loss, (d * d).mean() if mean else (d * d).sum(), dtype)
        run("mse_loss_backward", code(a), [g, a, b, grad.array], (count,), integer=(mean,))
        near(grad.array, d / (count if mean else 1), dtype)
        grad.check()


# ---- optimizer steps: the rules as their papers have them, in float64 --------------------------------------


# Each takes the parameter, the gradient, what it remembers, the number of the step, and its settings.


def sgd(p, g, state, step, o):
    if o["momentum"]:
        state["buffer"] = o["momentum"] * state["buffer"] + (1 - o["dampening"]) * g
        g = g + o["momentum"] * state["buffer"] if o["nesterov"] else state["buffer"]
    return p - o["lr"] * g


def moments(g, state, o):
    state["mean"] = o["beta1"] * state["mean"] + (1 - o["beta1"]) * g
    if "square" in state:
        state["square"] = o["beta2"] * state["square"] + (1 - o["beta2"]) * g * g


def adam(p, g, state, step, o):
    moments(g, state, o)
    v = state["square"]
    if "largest" in state:
        v = state["largest"] = np.maximum(state["largest"], v)
    root = np.sqrt(v) / np.sqrt(1 - o["beta2"] ** step) + o["eps"]
    return p - o["lr"] / (1 - o["beta1"] ** step) * state["mean"] / root


def adamax(p, g, state, step, o):
    moments(g, state, o)
    state["largest"] = np.maximum(o["beta2"] * state["largest"], abs(g) + o["eps"])
    return p - o["lr"] / (1 - o["beta1"] ** step) * state["mean"] / state["largest"]


def nadam(p, g, state, step, o):
    now, ahead = (o["beta1"] * (1 - 0.5 * 0.96 ** (s * o["momentum_decay"])) for s in (step, step + 1))
    state["mu_product"] = float(np.float32(state["mu_product"]) * np.float32(now))  # remembered in float32
    moments(g, state, o)
    root = np.sqrt(state["square"] / (1 - o["beta2"] ** step)) + o["eps"]
    of_grad = (1 - now) / (1 - state["mu_product"])
    of_mean = ahead / (1 - state["mu_product"] * ahead)
    return p - o["lr"] * (of_grad * g + of_mean * state["mean"]) / root


def radam(p, g, state, step, o):
    moments(g, state, o)
    left = o["beta2"] ** step
    longest = 2 / (1 - o["beta2"]) - 1
    length = longest - 2 * step * left / (1 - left)
    mean = state["mean"] / (1 - o["beta1"] ** step)
    if length > 5:
        trust = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        mean = mean * np.sqrt(trust * (1 - left)) / (np.sqrt(state["square"]) + o["eps"])
    return p - o["lr"] * mean


def rmsprop(p, g, state, step, o):
    spread = state["square"] = o["alpha"] * state["square"] + (1 - o["alpha"]) * g * g
    if "mean" in state:
        state["mean"] = o["alpha"] * state["mean"] + (1 - o["alpha"]) * g
        spread = spread - state["mean"] ** 2
    g = g / (np.sqrt(spread) + o["eps"])
    if o["momentum"]:
        g = state["buffer"] = o["momentum"] * state["buffer"] + g
    return p - o["lr"] * g


def adagrad(p, g, state, step, o):
    state["sum"] = state["sum"] + g * g
    return p - o["lr"] / (1 + (step - 1) * o["lr_decay"]) * g / (np.sqrt(state["sum"]) + o["eps"])


def adadelta(p, g, state, step, o):
    state["square"] = o["rho"] * state["square"] + (1 - o["rho"]) * g * g
    delta = np.sqrt(state["moved"] + o["eps"]) / np.sqrt(state["square"] + o["eps"]) * g
    state["moved"] = o["rho"] * state["moved"] + (1 - o["rho"]) * delta * delta
    return p - o["lr"] * delta


BETAS = dict(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8)
DECAYED = dict(weight_decay=0.1, decoupled_weight_decay=True)
STEPS = [  # the rule, its settings, the states that are left out
    (sgd, dict(lr=0.1), "buffer"),
    (sgd, dict(lr=0.1, weight_decay=0.1), "buffer"),
    (sgd, dict(lr=0.1, maximize=True), "buffer"),
    (sgd, dict(lr=0.1, momentum=0.9), ""),
    (sgd, dict(lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.1), ""),
    (sgd, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, maximize=True), ""),
    (adam, BETAS, "largest"),
    (adam, dict(**BETAS, weight_decay=0.1), "largest"),
    (adam, dict(**BETAS, **DECAYED), "largest"),
    (adam, dict(**BETAS, maximize=True), ""),
    (adamax, dict(**BETAS, weight_decay=0.1), ""),
    (adamax, dict(**BETAS, maximize=True), ""),
    (nadam, dict(**BETAS, momentum_decay=4e-3, weight_decay=0.1), ""),
    (nadam, dict(**BETAS, momentum_decay=4e-3, **DECAYED, maximize=True), ""),
    (radam, dict(**BETAS, weight_decay=0.1), ""),
    (radam, dict(lr=0.1, beta1=0.9, beta2=0.9, eps=1e-8, **DECAYED), ""),
    (radam, dict(**BETAS, maximize=True), ""),
    (rmsprop, dict(lr=0.1, alpha=0.99, eps=1e-8), "mean buffer"),
    (rmsprop, dict(lr=0.1, alpha=0.99, eps=1e-8, momentum=0.9), "mean"),
    (rmsprop, dict(lr=0.1, alpha=0.99, eps=1e-8, weight_decay=0.1), "buffer"),
    (rmsprop, dict(lr=0.1, alpha=0.99, eps=1e-8, momentum=0.9, maximize=True), ""),
    (adagrad, dict(lr=0.1, lr_decay=0.1, eps=1e-10, weight_decay=0.1), ""),
    (adagrad, dict(lr=0.1, lr_decay=0, eps=1e-10, maximize=True), ""),
    (adadelta, dict(lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.1), ""),
    (adadelta, dict(lr=1.0, rho=0.9, eps=1e-6, maximize=True), ""),
]


def declared(name):
    return next(each for each in _kernels.declarations() if each["name"] == name)


@BOTH
@pytest.mark.parametrize(("rule", "settings", "without"), STEPS)
def test_optimizer_step_follows_its_rule(rule, settings, without, dtype):
    name = rule.__name__
    kernel = declared(name)
    o = dict.fromkeys(kernel["settings"] + kernel["integers"], 0) | settings
    for count in (0, 1, 5, 16, 100, 1003, 70_000):
        p = rows_of(count, dtype)
        exact, memory, state = p.astype("f8"), {}, {}
        for operand in kernel["operands"][2:]:
            if operand.name not in without.split():
                one = operand.where == "."
                memory[operand.name] = np.ones((), np.float32) if one else np.zeros_like(p)
                state[operand.name] = 1.0 if one else np.zeros_like(exact)
        for step in (1, 2, 3, 4) + (5, 6, 7, 8) * (name == "radam"):
            g = rows_of(count, dtype, step)
            kept = g.copy()
            _kernels.apply(name, param=p, grad=g, **memory, **(o | {"step": step} if "step" in o else o))
            np.testing.assert_array_equal(g, kept)
            wide = -g.astype("f8") if o["maximize"] else g.astype("f8")
            if o.get("decoupled_weight_decay"):
                exact = exact * (1 - o["lr"] * o["weight_decay"])
            else:
                wide = wide + o["weight_decay"] * exact
            exact = rule(exact, wide, state, step, o)
        # centered: a difference of two squares, of which little may be left
        near(p, exact, dtype, 300 if name == "rmsprop" and "mean" in memory else 3)
        for key, value in memory.items():
            near(value, state[key], dtype if value.ndim else np.float32, 3)
