"""Activations: squashing and bending, element by element."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core.declare import alias, between, case, composite, distinct, in_place, normal, unary
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import floats_only, stored
from tensorgrad.ops.elementwise.arithmetic import _keep, _stepwise, add, div, mul, neg, sub
from tensorgrad.ops.elementwise.choosing import _where, kept_between
from tensorgrad.ops.elementwise.comparison import logical_and, logical_not
from tensorgrad.ops.elementwise.powers import exp
from tensorgrad.ops.elementwise.special import erf

BOTH = ("tensorgrad", "tensorgrad.nn.functional")
LAYER = "tensorgrad.nn.functional"

_bent = lambda *settings: (
    lambda: [case(distinct(3, 4), *settings, name="plain"), case(between(0.3, 0.4), *settings, name="0-d")]
)


def _logistic(x):
    """The sigmoid of an array, which never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


# ---------------------------------------------------------------------------- squashing


@unary(vjp=dict(input=lambda g, output: g * output * (1 - output)), at=BOTH, domain=(-4.0, 4.0))
def sigmoid(input):
    r"""The logistic function :math:`1 / (1 + e^{-x})`, between 0 and 1.

    >>> tg.sigmoid(tg.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    return _logistic(input)


alias("expit", sigmoid, at="tensorgrad.special", method=False)


@unary(vjp=dict(input=lambda g, output: g * (1 - output * output)), at=BOTH)
def tanh(input, *, out=None):
    """The hyperbolic tangent, between -1 and 1.

    >>> tg.tanh(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return np.tanh(input, out=out)


@unary(
    vjp=dict(input=lambda g, input: mul(g, sigmoid(neg(input)))),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="LogSigmoidBackward0",
    domain=(-4.0, 4.0),
)
def _log_sigmoid(input):
    """The logarithm of the sigmoid."""
    floats_only("logsigmoid", input)
    return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


@composite(at=LAYER, samples=lambda: [case(normal(3, 4), name="plain")])
def logsigmoid(input):
    r"""The logarithm of the sigmoid, :math:`-\ln(1 + e^{-x})`, exact also far from 0.

    >>> F.logsigmoid(tg.tensor([0.0, -100.0]))
    tensor([  -0.6931, -100.0000])
    """
    return _log_sigmoid(input)


@unary(
    vjp=dict(input=lambda g, input: mul(_keep(g, logical_and(input > -3.0, input < 3.0)), 1 / 6)),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
    samples=_bent(),
)
def hardsigmoid(input):
    r"""A sigmoid of three straight pieces: :math:`\min(\max(x / 6 + 1/2, 0), 1)`.

    >>> F.hardsigmoid(tg.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    floats_only("hardsigmoid", input)
    return np.clip(input + 3, 0, 6) / 6


@unary(
    vjp=dict(input=lambda g, input: div(g, (abs(input) + 1) * (abs(input) + 1))),
    at=LAYER,
    method=False,
    inplace=False,
    samples=_bent(),
)
def softsign(input):
    r""":math:`x / (1 + |x|)`, between -1 and 1.

    >>> F.softsign(tg.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5000,  0.0000,  0.7500])
    """
    return input / (1 + np.abs(input))


@unary(
    vjp=dict(
        input=lambda g, input, min_val, max_val: _stepwise(
            _keep(g, logical_not((input <= min_val).logical_or(input >= max_val))), input
        )
    ),
    rule="free",
    at=(),
    method=False,
    grad_name="HardtanhBackward0",
    samples=_bent(-0.55, 0.65),
)
def _hardtanh(input, min_val, max_val):
    """`hardtanh`, its bounds checked."""
    if input.dtype.kind == "b":
        raise RuntimeError("hardtanh: bool inputs not supported")
    if input.dtype.kind == "u" and min(min_val, max_val) <= -1:
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    if input.dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    return kept_between(input, stored(min_val, input), stored(max_val, input))


@composite(at=LAYER, samples=_bent(-0.55, 0.65))
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """The input kept between ``min_val`` and ``max_val``; no gradient passes at the bounds.

    >>> F.hardtanh(tg.tensor([-2.0, 0.5, 2.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, but {min_val} > {max_val}")
    return hardtanh_(input, min_val, max_val) if inplace else _hardtanh(input, min_val, max_val)


hardtanh_ = in_place(hardtanh, method=False)


@unary(
    vjp=dict(
        input=lambda g, input: _stepwise(_keep(g, logical_not((input <= 0).logical_or(input >= 6))), input)
    ),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
    samples=_bent(),
)
def relu6(input):
    """The positive part, at most 6.

    >>> F.relu6(tg.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    if input.dtype.kind == "b":
        raise RuntimeError("relu6: bool inputs not supported")
    return np.where(input < 0, input.dtype.type(0), np.where(input > 6, input.dtype.type(6), input))


# ---------------------------------------------------------------------------- the rectifier and what leaks


@unary(
    vjp=dict(input=lambda g, output: _stepwise(_keep(g, logical_not(output <= 0)), output)),
    rule="same",
    at=BOTH,
    switch=True,
    samples=_bent(),
)
def relu(input):
    """The positive part ``max(x, 0)``; its gradient at 0 is 0.

    >>> tg.relu(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if input.dtype.kind == "b":
        raise RuntimeError("relu: Boolean inputs not supported")
    return np.where(input < 0, input.dtype.type(0), input)


def _sloped(g, input, slope):
    """The gradient, times the slope where the input is not positive."""
    return _stepwise(_where(input > 0, g, mul(g, slope)), input)


@unary(
    vjp=dict(input=lambda g, input, negative_slope: _sloped(g, input, negative_slope)),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
    samples=_bent(0.1),
)
def leaky_relu(input, negative_slope=0.01):
    """The input where it is positive, else ``negative_slope`` times it.

    >>> F.leaky_relu(tg.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5000,  2.0000])
    """
    floats_only("leaky_relu", input)
    return np.where(input > 0, input, input * input.dtype.type(negative_slope))


@unary(
    vjp=dict(input=lambda g, input, threshold: _stepwise(_keep(g, logical_not(input <= threshold)), input)),
    rule="free",
    at=BOTH,
    method=False,
    switch=True,
    samples=_bent(0.15, 20.0),
)
def threshold(input, threshold, value):
    """The input where it is above ``threshold``, else ``value``.

    >>> F.threshold(tg.tensor([0.0, 1.0]), 0.5, 20.0)
    tensor([20.,  1.])
    """
    for name, number in (("threshold", threshold), ("value", value)):
        if not isinstance(number, (int, float, np.number)):
            raise TypeError(f"threshold(): argument '{name}' must be Number, not {type(number).__name__}")
    compared = input.view(input.dtype.type)  # a narrow float with what float32 holds
    return np.where(compared <= stored(threshold, compared), stored(value, input), input)


def _elu_body(name, input, alpha, scale=1.0, steepness=1.0):
    floats_only(name, input)
    number = input.dtype.type
    below = np.expm1(np.minimum(input, 0) * number(steepness)) * number(alpha)
    return np.where(input < 0, below, input) * number(scale)


def _elu_slope(g, input, alpha, scale=1.0, steepness=1.0):
    """The gradient of ELU's family. What lies above 0 is kept out of the exponential: it would overflow. At 0
    the second derivative is 0, as in PyTorch."""
    below = mul(exp(mul(_keep(input, input < 0), steepness)), alpha * scale * steepness)
    return _where(input <= 0, mul(g, below), g if scale == 1.0 else mul(g, scale))


@unary(
    vjp=dict(input=lambda g, input, alpha: _elu_slope(g, input, alpha)),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
    samples=_bent(0.7),
)
def elu(input, alpha=1.0):
    r"""The input where it is positive, else :math:`\alpha (e^x - 1)`.

    >>> F.elu(tg.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _elu_body("elu", input, alpha)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@unary(
    vjp=dict(input=lambda g, input: _elu_slope(g, input, SELU_ALPHA, SELU_SCALE)),
    grad_name="EluBackward0",
    rule="same",
    at=BOTH,
    method=False,
    switch=True,
    samples=_bent(),
)
def selu(input):
    r"""A scaled ELU that keeps mean 0 and variance 1 (Klambauer and others, 2017).

    :math:`\lambda (\max(0, x) + \min(0, \alpha (e^x - 1)))`, :math:`\lambda` = 1.0507…,
    :math:`\alpha` = 1.6733….

    >>> F.selu(tg.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return _elu_body("selu", input, SELU_ALPHA, SELU_SCALE)


@unary(
    vjp=dict(input=lambda g, input, alpha: _elu_slope(g, input, alpha, 1.0, 1.0 / alpha)),
    rule="same",
    at=(),
    method=False,
    grad_name="CeluBackward0",
    samples=_bent(0.7),
)
def _celu(input, alpha):
    """`celu`, its setting checked."""
    return _elu_body("celu", input, alpha, 1.0, 1.0 / alpha)


@composite(at=BOTH, samples=_bent(0.7))
def celu(input, alpha=1.0, inplace=False):
    r"""The input where it is positive, else :math:`\alpha (e^{x / \alpha} - 1)`, which has no bend at 0.

    >>> F.celu(tg.tensor([-1.0, 2.0]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return celu_(input, alpha) if inplace else _celu(input, alpha)


celu_ = in_place(celu, method=False)


# ---------------------------------------------------------------------------- the input times a gate

_ROOT_HALF, _ROOT_2_PI = math.sqrt(0.5), math.sqrt(2 / math.pi)


def _silu_slope(input):
    gate = sigmoid(input)
    return mul(gate, add(mul(input, sub(1, gate)), 1))


@unary(
    vjp=dict(input=lambda g, input: mul(g, _silu_slope(input))),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
)
def silu(input):
    r"""The input times its sigmoid: :math:`x \sigma(x)`, also known as swish.

    >>> F.silu(tg.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    floats_only("silu", input)
    return input * _logistic(input)


def _mish_slope(input):
    bent = tanh(softplus(input))
    return add(bent, mul(mul(input, sigmoid(input)), sub(1, mul(bent, bent))))


@unary(
    vjp=dict(input=lambda g, input: mul(g, _mish_slope(input))),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
)
def mish(input):
    r""":math:`x \tanh(\ln(1 + e^x))` (Misra, 2019).

    >>> F.mish(tg.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    floats_only("mish", input)
    return input * np.tanh(np.logaddexp(input, input.dtype.type(0)))


def _hardswish_slope(input):
    middle = logical_and(input > -3, input < 3)
    return _where(middle, add(div(input, 3), 0.5), logical_not(input <= -3).to(input.dtype))


@unary(
    vjp=dict(input=lambda g, input: _keep(mul(g, _hardswish_slope(input)), logical_not(input <= -3))),
    rule="same",
    at=LAYER,
    method=False,
    switch=True,
    samples=_bent(),
)
def hardswish(input):
    """The input times its `hardsigmoid`.

    >>> F.hardswish(tg.tensor([-4.0, 1.0, 4.0]))
    tensor([-0.0000, 0.6667, 4.0000])
    """
    floats_only("hardswish", input)
    return input * np.clip(input + 3, 0, 6) / 6


def _gelu_slope(input):
    below = mul(add(erf(mul(input, _ROOT_HALF)), 1), 0.5)
    return add(below, mul(input, mul(exp(mul(mul(input, input), -0.5)), 0.5 * _ROOT_2_PI)))


@unary(
    vjp=dict(input=lambda g, input: mul(g, _gelu_slope(input))),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="GeluBackward0",
)
def _gelu(input):
    """`gelu` by the error function."""
    floats_only("gelu", input)
    scaled = (input * input.dtype.type(_ROOT_HALF)).astype(np.float64)
    return input * 0.5 * (1 + erf.body(scaled).astype(input.dtype))


def _gelu_tanh_slope(input):
    squared = mul(input, input)
    bent = tanh(mul(mul(input, add(mul(squared, 0.044715), 1)), _ROOT_2_PI))
    steep = mul(add(mul(squared, 3 * 0.044715), 1), _ROOT_2_PI)
    return mul(add(add(bent, 1), mul(mul(input, sub(1, mul(bent, bent))), steep)), 0.5)


@unary(
    vjp=dict(input=lambda g, input: mul(g, _gelu_tanh_slope(input))),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="GeluBackward0",
)
def _gelu_tanh(input):
    """`gelu` by the hyperbolic tangent."""
    floats_only("gelu", input)
    inner = input.dtype.type(_ROOT_2_PI) * (input + input.dtype.type(0.044715) * (input * input * input))
    return input * 0.5 * (1 + np.tanh(inner))


@composite(
    at=LAYER,
    samples=lambda: [case(normal(3, 4), name="plain"), case(normal(3, 4), approximate="tanh", name="tanh")],
)
def gelu(input, *, approximate="none"):
    r"""The input times the chance of a normal number below it: :math:`x \Phi(x)`; "tanh" approximates it.

    >>> F.gelu(tg.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    raise RuntimeError(f"gelu: approximate argument must be either none or tanh, not {approximate!r}.")


# ---------------------------------------------------------------------------- ramps and shrinks


@unary(
    vjp=dict(input=lambda g, input, beta, threshold: mul(g, _softplus_slope(input, beta, threshold))),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="SoftplusBackward0",
    samples=_bent(1.5, 2.0),
)
def _softplus(input, beta, threshold):
    """`softplus` of any steepness."""
    floats_only("softplus", input)
    steep = input * input.dtype.type(beta)
    return np.where(
        steep > threshold, input, np.logaddexp(steep, input.dtype.type(0)) / input.dtype.type(beta)
    )


def _softplus_slope(input, beta, threshold):
    steep = mul(input, beta)
    straight = steep > threshold
    return add(_keep(sigmoid(steep), logical_not(straight)), straight.to(input.dtype))


@unary(
    vjp=dict(input=lambda g, input: mul(g, _softplus_slope(input, 1.0, 20.0))),
    rule="same",
    at=(),
    method=False,
    inplace=False,
    grad_name="SoftplusBackward0",
    samples=_bent(),
)
def _softplus_1(input):
    """`softplus` with its usual settings."""
    return _softplus.body(input, 1.0, 20.0)


@composite(
    at=LAYER, samples=lambda: [case(normal(3, 4), name="plain"), case(normal(3), 2.0, 1.0, name="settings")]
)
def softplus(input, beta=1.0, threshold=20.0):
    r"""A smooth ramp, :math:`\ln(1 + e^{\beta x}) / \beta`, and the input where :math:`\beta x > threshold`.

    >>> F.softplus(tg.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """
    return _softplus_1(input) if beta == 1 and threshold == 20 else _softplus(input, beta, threshold)


def _shrunk(g, input, lambd):
    """The gradient of what is farther than ``lambd`` from 0."""
    return _stepwise(_keep(g, logical_not(logical_and(input >= -lambd, input <= lambd))), input)


@unary(
    vjp=dict(input=_shrunk),
    rule="free",
    at=BOTH,
    method=True,
    inplace=False,
    samples=_bent(0.15),
)
def hardshrink(input, lambd=0.5):
    """The input, with 0 for what is no farther than ``lambd`` from 0.

    >>> F.hardshrink(tg.tensor([-2.0, 0.25, 2.0]))
    tensor([-2.,  0.,  2.])
    """
    floats_only("hardshrink", input)
    lambd = stored(lambd, input)
    return np.where((input >= -lambd) & (input <= lambd), input.dtype.type(0), input)


@unary(
    vjp=dict(input=_shrunk),
    rule="free",
    at=(),
    method=False,
    inplace=False,
    grad_name="SoftshrinkBackward0",
    samples=_bent(0.15),
)
def _softshrink(input, lambd):
    """`softshrink`, its setting checked."""
    floats_only("softshrink", input)
    lambd = stored(lambd, input)
    return np.where(input > lambd, input - lambd, np.where(input < -lambd, input + lambd, input * 0))


@composite(at=LAYER, samples=_bent(0.15))
def softshrink(input, lambd=0.5):
    """The input moved towards 0 by ``lambd``, but not past it.

    >>> F.softshrink(tg.tensor([-2.0, 0.25, 2.0]))
    tensor([-1.5000,  0.0000,  1.5000])
    """
    if input.is_floating_point():
        largest = finfo(input.dtype).max
        if not 0 <= lambd <= largest:
            raise RuntimeError(f"lambda must be in range [0, {largest}] but found {lambd}")
    return _softshrink(input, lambd)


@unary(
    vjp=dict(input=lambda g, input: mul(g, mul(tanh(input), tanh(input)))),
    at=LAYER,
    method=False,
    inplace=False,
)
def tanhshrink(input):
    r""":math:`x - \tanh(x)`.

    >>> F.tanhshrink(tg.tensor([0.0, 2.0]))
    tensor([0.0000, 1.0360])
    """
    return input - np.tanh(input)
