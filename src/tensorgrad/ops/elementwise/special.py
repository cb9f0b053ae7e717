"""Special functions: the error function and the normal distribution, gamma and Bessel functions."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.core import Tensor, _core, result_type
from tensorgrad.core.declare import alias, between, binary, case, composite, in_place, unary
from tensorgrad.core.limits import finfo
from tensorgrad.ops._kinds import as_tensor, floats_only, stored, want_tensors
from tensorgrad.ops.elementwise import _curves
from tensorgrad.ops.elementwise.arithmetic import _keep, _zero, add, div, mul, neg, sign, square, sub
from tensorgrad.ops.elementwise.choosing import _where
from tensorgrad.ops.elementwise.comparison import logical_and, logical_not
from tensorgrad.ops.elementwise.powers import exp, log, xlogy
from tensorgrad.ops.elementwise.trigonometry import sinc  # noqa: F401 - offered here too
from tensorgrad.ops.reducing import reductions
from tensorgrad.ops.shapes import shaping

SPECIAL = "tensorgrad.special"
SHARED = ("tensorgrad", SPECIAL)
ROOT_PI, ROOT_HALF, ROOT_2_PI = math.sqrt(math.pi), math.sqrt(0.5), math.sqrt(2 * math.pi)


# ---------------------------------------------------------------------------- the error function


@unary(
    vjp=dict(input=lambda g, input: mul(g, mul(exp(neg(square(input))), 2 / ROOT_PI))),
    at=SHARED,
    double=True,
)
def erf(input):
    r"""The error function :math:`\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt`.

    >>> tg.erf(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    return _curves.erf(input)


@unary(
    vjp=dict(input=lambda g, input: mul(g, mul(exp(neg(square(input))), -2 / ROOT_PI))),
    at=SHARED,
    double=True,
)
def erfc(input):
    """``1 - erf(input)``, exact also where that is tiny.

    >>> tg.erfc(tg.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """
    return _curves.erfc(input)


@unary(
    vjp=dict(input=lambda g, input: mul(g, sub(mul(mul(input, erfcx(input)), 2), 2 / ROOT_PI))),
    at=SPECIAL,
    method=False,
    inplace=False,
    double=True,
)
def erfcx(input):
    """``exp(input ** 2) * erfc(input)``, which does not underflow.

    >>> tg.special.erfcx(tg.tensor([0.0, 100.0]))
    tensor([1.0000, 0.0056])
    """
    return _curves.erfcx(input)


@unary(
    vjp=dict(input=lambda g, input: mul(g, mul(exp(square(erfinv(input))), ROOT_PI / 2))),
    at=SHARED,
    domain=(-0.9, 0.9),
    double=True,
)
def erfinv(input):
    """The number whose `erf` is the element; NaN outside [-1, 1].

    >>> tg.erfinv(tg.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """
    return _curves.erfinv(input)


# ---------------------------------------------------------------------------- chances and log odds


def _bell(input):
    """The density of the normal distribution."""
    return mul(exp(mul(square(input), -0.5)), 1 / ROOT_2_PI)


@unary(
    vjp=dict(input=lambda g, input: mul(g, _bell(input))),
    at=SPECIAL,
    method=False,
    inplace=False,
    double=True,
)
def ndtr(input):
    """The chance that a normal number is below each element.

    >>> tg.special.ndtr(tg.tensor([0.0, 1.0]))
    tensor([0.5000, 0.8413])
    """
    return _curves.ndtr(input)


@unary(
    vjp=dict(input=lambda g, output: mul(g, mul(exp(mul(square(output), 0.5)), ROOT_2_PI))),
    at=SPECIAL,
    method=False,
    inplace=False,
    domain=(0.1, 0.9),
    double=True,
)
def ndtri(input):
    """The number that a normal number is below with the chance given.

    >>> tg.special.ndtri(tg.tensor([0.5, 0.9]))
    tensor([0.0000, 1.2816])
    """
    return _curves.ndtri(input)


def _hazard(input):
    """The slope of `log_ndtr`: density over chance, below 0 from erfcx so that neither vanishes first."""
    above = input > 0
    high, low = _keep(input, above), _keep(input, logical_not(above))
    return _where(
        above, div(_bell(high), ndtr(high)), div(math.sqrt(2 / math.pi), erfcx(mul(low, -ROOT_HALF)))
    )


@unary(
    vjp=dict(input=lambda g, input: mul(g, _hazard(input))),
    at=SPECIAL,
    method=False,
    inplace=False,
    double=True,
)
def log_ndtr(input):
    """The logarithm of `ndtr`, exact also far below 0.

    >>> tg.special.log_ndtr(tg.tensor([0.0, -100.0]))
    tensor([-6.9315e-01, -5.0055e+03])
    """
    return _curves.log_ndtr(input)


@unary(
    vjp=dict(input=lambda g, input: mul(g, sub(neg(log(input)), 1))),
    at=SPECIAL,
    method=False,
    inplace=False,
    domain=(0.3, 2.0),
)
def entr(input):
    """The entropy ``-input * log(input)``: 0 at 0, -inf below.

    >>> tg.special.entr(tg.tensor([0.0, 0.5]))
    tensor([0.0000, 0.3466])
    """
    inside = -input * np.log(np.where(input > 0, input, input.dtype.type(1)))
    return np.where(
        input > 0, inside, np.where(input == 0, 0, np.where(np.isnan(input), input, -np.inf))
    ).astype(input.dtype)


def _log_odds_slope(g, input, eps):
    if eps is None or eps < 0:
        inside = logical_and(input >= 0, input <= 1)
        return _where(inside, div(g, mul(input, sub(1, input))), mul(_zero(g), math.nan))
    return _keep(div(g, mul(input, sub(1, input))), ~((input < eps) | (input > 1 - eps)))


@unary(
    vjp=dict(input=_log_odds_slope),
    at=SHARED,
    samples=lambda: [
        case(between(0.2, 0.8, 3, 4), name="plain"),
        case(between(0.2, 0.8, 3), 0.1, name="eps"),
    ],
)
def logit(input, eps=None):
    """The log odds ``log(input / (1 - input))``, the inverse of `sigmoid`.

    With ``eps`` the input is first kept in [eps, 1 - eps]; what is below an ``eps`` past 1/2 becomes that.

    >>> tg.logit(tg.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    if eps is not None:
        stored(eps, input)          # raises where it does not fit
        low, high = input.dtype.type(eps), input.dtype.type(1 - eps)
        input = np.where(input < low, low, np.where(input > high, high, input))
    return np.log(input / (1 - input))


@binary(
    vjp=dict(
        input=lambda g, input, other: _keep(xlog1py(g, other), ~((input == 0) & (other <= -1))),
        other=lambda g, input, other: mul(g, div(input, other + 1)),
    ),
    rule="float",
    at=SPECIAL,
    method=False,
    inplace=False,
    domain=(0.2, 2.0),
)
def xlog1py(input, other):
    """``input * log1p(other)``, which is 0 where ``input`` is 0, unless ``other`` is NaN.

    >>> tg.special.xlog1py(tg.tensor([0.0, 2.0]), tg.tensor([-1.0, 0.0]))
    tensor([0., 0.])
    """
    return np.where((input == 0) & ~np.isnan(other), input.dtype.type(0), input * np.log1p(other))


# ---------------------------------------------------------------------------- gamma


@unary(vjp=dict(input=lambda g, input: mul(g, digamma(input))), domain=(0.3, 4.0), double=True)
def lgamma(input):
    r"""The natural logarithm of the gamma function's size, :math:`\ln |\Gamma(x)|`.

    >>> tg.lgamma(tg.tensor([1.0, 5.0]))
    tensor([0.0000, 3.1781])
    """
    return _curves.lgamma(input)


alias("gammaln", lgamma, at=SPECIAL, method=False)


@unary(
    vjp=dict(input=lambda g, input: mul(g, _polygamma(input, 1))),
    at=SHARED,
    domain=(0.3, 4.0),
    double=True,
)
def digamma(input):
    """The slope of `lgamma`.

    >>> tg.digamma(tg.tensor([1.0, 2.0]))
    tensor([-0.5772,  0.4228])
    """
    return _curves.digamma(input)


alias("psi", digamma, at=SPECIAL, method=False)


@unary(
    vjp=dict(input=lambda g, input, n: mul(g, _polygamma(input, n + 1))),
    at=(),
    method=False,
    inplace=False,
    grad_name="PolygammaBackward0",
    samples=lambda: [
        case(between(0.3, 4.0, 3, 4), 1, name="trigamma"),
        case(between(0.3, 4.0, 3), 2, name="second"),
    ],
    double=True,
)
def _polygamma(input, n):
    """`polygamma`, its arguments the other way round."""
    return _curves.polygamma(n, input)


@composite(others=("input",), at=SHARED, samples=lambda: [case(1, between(0.3, 4.0, 3, 4), name="trigamma")])
def polygamma(n, input):
    """The n-th slope of `digamma`; raises RuntimeError for negative n.

    >>> tg.polygamma(1, tg.tensor([1.0]))
    tensor([1.6449])
    """
    if isinstance(n, Tensor):  # the method, x.polygamma(n)
        n, input = input, n
    if not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, like {n}.")
    want_tensors("polygamma", input=input)
    return digamma(input) if n == 0 else _polygamma(input, n)


_core._add_method("polygamma", polygamma)
_core._add_method("polygamma_", in_place(_polygamma, method=False))


MAX_ORDER = 2**20           # of a sum with as many terms


@composite(
    single=True,
    at="tensorgrad",
    method=True,
    inplace=True,
    samples=lambda: [case(between(3.0, 5.0, 3), 3, name="plain")],
)
def mvlgamma(input, p):
    """The logarithm of the gamma function of ``p`` dimensions; elements must be above ``(p - 1) / 2``.

    >>> tg.mvlgamma(tg.tensor([2.0]), 2)
    tensor([0.4516])
    """
    if not hasattr(p, "__index__"):
        raise TypeError(f"mvlgamma(): argument 'p' (position 2) must be int, not {type(p).__name__}")
    p = p.__index__()
    if not 1 <= p <= MAX_ORDER:
        raise RuntimeError(f"mvlgamma: p has to be from 1 to {MAX_ORDER}, not {p}")
    if not input.dtype.is_floating_point:
        input = as_tensor(input, result_type(input, 1.0))
    halves = _core._tensor_of(np.arange(p) / 2, input.dtype)
    total = reductions.sum(lgamma(sub(shaping.unsqueeze(input, -1), halves)), -1)
    return add(total, p * (p - 1) / 4 * math.log(math.pi))


alias("multigammaln", mvlgamma, at=SPECIAL, method=False)


def _no_derivative(name):
    """The formula of an argument that has none yet: to ask for it is an error, as in PyTorch, not nothing."""

    def formula(g):
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return formula


def _igamma_other(g, input, other):
    """The density that both incomplete gammas have as their slope."""
    return mul(g, exp(sub(sub(xlogy(sub(input, 1), other), other), lgamma(input))))


@binary(
    numbers="none",
    vjp=dict(input=_no_derivative("igamma: input"), other=_igamma_other),
    method=True,
    samples=lambda: [case(between(0.5, 4.0, 3, 4), between(0.5, 4.0, 4), name="plain")],
    smooth=False,
    double=True,
)
def igamma(input, other):
    """The regularised lower incomplete gamma function of order ``input`` at ``other``.

    >>> tg.igamma(tg.tensor([1.0]), tg.tensor([1.0]))
    tensor([0.6321])
    """
    floats_only("igamma", input)
    return _curves.gammainc_pair(input, other)[0]


@binary(
    numbers="none",
    vjp=dict(
        input=_no_derivative("igammac: input"),
        other=lambda g, input, other: neg(_igamma_other(g, input, other)),
    ),
    method=True,
    samples=lambda: [case(between(0.5, 4.0, 3, 4), between(0.5, 4.0, 4), name="plain")],
    smooth=False,
    double=True,
)
def igammac(input, other):
    """The regularised upper incomplete gamma function of order ``input`` at ``other``.

    >>> tg.igammac(tg.tensor([1.0]), tg.tensor([1.0]))
    tensor([0.3679])
    """
    floats_only("igammac", input)
    return _curves.gammainc_pair(input, other)[1]


alias("gammainc", igamma, at=SPECIAL, method=False)
alias("gammaincc", igammac, at=SPECIAL, method=False)


@binary(
    rule="float",
    vjp=dict(
        input=_no_derivative("zeta: input"),
        other=lambda g, input, other: mul(mul(g, neg(input)), zeta(input + 1, other)),
    ),
    at=SPECIAL,
    method=False,
    inplace=False,
    samples=lambda: [case(between(1.5, 4.0, 3, 4), between(0.5, 4.0, 4), name="plain")],
    smooth=False,
    double=True,
)
def zeta(input, other):
    """Hurwitz' zeta function: the sum of ``(other + k) ** -input`` over k = 0, 1 ….

    >>> tg.special.zeta(tg.tensor([2.0]), tg.tensor([1.0]))
    tensor([1.6449])
    """
    return _curves.zeta(input, other)


# ---------------------------------------------------------------------------- modified Bessel functions


@unary(vjp=dict(input=lambda g, input: mul(g, i1(input))), at=SHARED, double=True)
def i0(input):
    """The modified Bessel function of the first kind of order 0.

    >>> tg.i0(tg.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    return _curves.i0(input)


@unary(
    vjp=dict(input=lambda g, input: mul(g, sub(i1e(input), mul(sign(input), i0e(input))))),
    at=SPECIAL,
    method=False,
    inplace=False,
    double=True,
)
def i0e(input):
    """``exp(-|input|) * i0(input)``, which does not overflow.

    >>> tg.special.i0e(tg.tensor([0.0, 1.0]))
    tensor([1.0000, 0.4658])
    """
    return _curves.i0e(input)


def _over(output, input):
    """``output / input`` for i1, which is half at 0 and where the output is too small to be exact."""
    zero = abs(input) < finfo(input.dtype).tiny
    return _where(zero, add(_zero(input), 0.5), div(output, _where(zero, add(_zero(input), 1.0), input)))


@unary(
    vjp=dict(input=lambda g, input: mul(g, sub(i0(input), _over(i1(input), input)))),
    at=SPECIAL,
    method=False,
    inplace=False,
    double=True,
)
def i1(input):
    """The modified Bessel function of the first kind of order 1.

    >>> tg.special.i1(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """
    return _curves.i1(input)


@unary(
    vjp=dict(
        input=lambda g, input: mul(
            g, sub(i0e(input), add(mul(sign(input), i1e(input)), _over(i1e(input), input)))
        )
    ),
    at=SPECIAL,
    method=False,
    inplace=False,
    double=True,
)
def i1e(input):
    """``exp(-|input|) * i1(input)``, which does not overflow.

    >>> tg.special.i1e(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2079])
    """
    return _curves.i1e(input)
