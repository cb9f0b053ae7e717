"""Bessel and Airy functions, and families of orthogonal polynomials: values only, as in PyTorch."""

from __future__ import annotations

import numpy as np

from tensorgrad.core.declare import between, binary, case, integers, unary
from tensorgrad.ops.elementwise import _curves
from tensorgrad.ops.elementwise.special import SPECIAL


def _curve(name: str, curve, text: str, domain: tuple[float, float], example: str):
    """Declares a function of one number that is given by its NumPy curve."""

    def body(input):
        return curve(input)

    body.__name__ = name
    body.__doc__ = f"{text}\n\n    >>> tg.special.{name}(tg.tensor([1.0]))\n    tensor([{example}])\n    "
    return unary(at=SPECIAL, method=False, inplace=False, smooth=False, domain=domain, double=True)(body)


FIRST, SECOND = (
    "The Bessel function of the first kind of order",
    "The Bessel function of the second kind of order",
)
MODIFIED = "The modified Bessel function of the"

bessel_j0 = _curve("bessel_j0", _curves.j0, f"{FIRST} 0.", (-20.0, 20.0), "0.7652")
bessel_j1 = _curve("bessel_j1", _curves.j1, f"{FIRST} 1.", (-20.0, 20.0), "0.4401")
bessel_y0 = _curve("bessel_y0", _curves.y0, f"{SECOND} 0.", (0.1, 20.0), "0.0883")
bessel_y1 = _curve("bessel_y1", _curves.y1, f"{SECOND} 1.", (0.1, 20.0), "-0.7812")
modified_bessel_i0 = _curve(
    "modified_bessel_i0", _curves.i0, f"{MODIFIED} first kind of order 0.", (-9.0, 9.0), "1.2661"
)
modified_bessel_i1 = _curve(
    "modified_bessel_i1", _curves.i1, f"{MODIFIED} first kind of order 1.", (-9.0, 9.0), "0.5652"
)
modified_bessel_k0 = _curve(
    "modified_bessel_k0", _curves.k0, f"{MODIFIED} second kind of order 0.", (0.1, 9.0), "0.4210"
)
modified_bessel_k1 = _curve(
    "modified_bessel_k1", _curves.k1, f"{MODIFIED} second kind of order 1.", (0.1, 9.0), "0.6019"
)
scaled_modified_bessel_k0 = _curve(
    "scaled_modified_bessel_k0",
    _curves.k0e,
    f"{MODIFIED} second kind of order 0, times exp(input).",
    (0.1, 9.0),
    "1.1445",
)
scaled_modified_bessel_k1 = _curve(
    "scaled_modified_bessel_k1",
    _curves.k1e,
    f"{MODIFIED} second kind of order 1, times exp(input).",
    (0.1, 9.0),
    "1.6362",
)
spherical_bessel_j0 = _curve(
    "spherical_bessel_j0",
    _curves.spherical_j0,
    "The spherical Bessel function of order 0, sin(x) / x.",
    (-9.0, 9.0),
    "0.8415",
)
airy_ai = _curve("airy_ai", _curves.airy_ai, "The Airy function Ai.", (-9.0, 9.0), "0.1353")


# ---------------------------------------------------------------------------- polynomials


MAX_DEGREE = 2**15          # a second of work


def _climb(x, n, first, step, closed=None):
    """The polynomials of degree n at x, by a recurrence over the degree; 0 for negative degrees and for those
    that no int64 holds.

    ``closed`` gives (where, values): elements that a closed form serves better than the recurrence. The
    others leave the climb, as NaN, at their degree or past the numbers.
    """
    n = np.where(np.abs(n) < 2.0**63, np.trunc(n), -1)
    where, values = (np.zeros(x.shape, np.bool_), 0.0) if closed is None else closed
    left = np.where(where, 0, n)
    out = np.where(n == 0, 1.0, np.where(left > 0, np.nan, 0.0))
    below, here, degree = np.ones_like(x), np.where(left > 0, first, np.nan), 1
    while not np.isnan(here).all():
        if degree > MAX_DEGREE:
            raise RuntimeError(f"the degree {int(left.max())} is too great here, {MAX_DEGREE} is the most")
        out = np.where(left == degree, here, out)
        below, here = here, np.where(left > degree, step(degree, here, below), np.nan)
        degree += 1
    return np.where(where & (n >= 0), values, np.where(np.isnan(x) & (n > 0), np.nan, out))


def _edges_or_angle(x, n, right, left, inner, above):
    """The closed forms of a Chebyshev family: at 1 and -1, and by the angle for great degrees between."""
    n = np.trunc(n)
    even = n % 2 == 0
    steep = (n > above) & (np.abs(x) < 1)
    angle = np.arccos(np.where(steep, x, 0.5))
    values = np.where(x == 1, right, np.where(even, left, -left))
    return steep | (np.abs(x) == 1), np.where(steep, inner(n, angle), values)


def chebyshev_t(x, n):
    one = np.ones_like(x)
    closed = _edges_or_angle(x, n, one, one, lambda n, a: np.cos(n * a), 6)
    return _climb(x, n, x, lambda k, here, below: 2 * x * here - below, closed)


def chebyshev_u(x, n):
    edge = np.trunc(n) + 1
    closed = _edges_or_angle(x, n, edge, edge, lambda n, a: np.sin((n + 1) * a) / np.sin(a), 8)
    return _climb(x, n, 2 * x, lambda k, here, below: 2 * x * here - below, closed)


def chebyshev_v(x, n):
    edge = 2 * np.trunc(n) + 1
    closed = _edges_or_angle(
        x, n, np.ones_like(x), edge, lambda n, a: np.cos((n + 0.5) * a) / np.cos(a / 2), 8
    )
    return _climb(x, n, 2 * x - 1, lambda k, here, below: 2 * x * here - below, closed)


def chebyshev_w(x, n):
    edge = 2 * np.trunc(n) + 1
    closed = _edges_or_angle(
        x, n, edge, np.ones_like(x), lambda n, a: np.sin((n + 0.5) * a) / np.sin(a / 2), 8
    )
    return _climb(x, n, 2 * x + 1, lambda k, here, below: 2 * x * here - below, closed)


def hermite_h(x, n):
    return _climb(x, n, 2 * x, lambda k, here, below: 2 * x * here - 2 * k * below)


def hermite_he(x, n):
    return _climb(x, n, x, lambda k, here, below: x * here - k * below)


def laguerre_l(x, n):
    closed = x == 0, 1.0
    return _climb(x, n, 1 - x, lambda k, here, below: ((2 * k + 1 - x) * here - k * below) / (k + 1), closed)


def legendre_p(x, n):
    edges = np.where(np.trunc(n) % 2 == 0, 1.0, x)
    closed = np.abs(x) == 1, edges
    return _climb(x, n, x, lambda k, here, below: ((2 * k + 1) * x * here - k * below) / (k + 1), closed)


def _family(name: str, curve, text: str, example: str):
    """Declares a family of polynomials: ``(input, n)`` with tensors or numbers."""

    def body(input, n):
        return curve(input, n)

    body.__name__ = name
    body.__doc__ = (
        f"{text} of degree ``n``, a tensor or a number; 0 for negative n.\n\n"
        f"    >>> tg.special.{name}(tg.tensor([0.5]), 2)\n    tensor([{example}])\n    "
    )
    samples = lambda: [
        case(between(-0.9, 0.9, 3, 4), integers(0, 6, 4), name="plain"),
        case(between(-0.9, 0.9, 3), 3, name="number"),
    ]
    return binary(
        rule="float", at=SPECIAL, method=False, inplace=False, smooth=False, samples=samples, double=True
    )(body)


def _moved(curve):
    """The same family on [0, 1] for [-1, 1]."""
    return lambda x, n: curve(2 * x - 1, n)


_KINDS = {
    "t": ("first", chebyshev_t),
    "u": ("second", chebyshev_u),
    "v": ("third", chebyshev_v),
    "w": ("fourth", chebyshev_w),
}
_AT_HALF = {"t": "-0.5000", "u": "0.", "v": "-1.", "w": "1."}
_MOVED_AT_HALF = {"t": "-1.", "u": "-1.", "v": "-1.", "w": "-1."}
for _letter, (_which, _polynomial) in _KINDS.items():
    _family(
        f"chebyshev_polynomial_{_letter}",
        _polynomial,
        f"The Chebyshev polynomial of the {_which} kind",
        _AT_HALF[_letter],
    )
    _family(
        f"shifted_chebyshev_polynomial_{_letter}",
        _moved(_polynomial),
        f"The Chebyshev polynomial of the {_which} kind, moved to [0, 1],",
        _MOVED_AT_HALF[_letter],
    )
hermite_polynomial_h = _family("hermite_polynomial_h", hermite_h, "The physicist's Hermite polynomial", "-1.")
hermite_polynomial_he = _family(
    "hermite_polynomial_he", hermite_he, "The probabilist's Hermite polynomial", "-0.7500"
)
laguerre_polynomial_l = _family("laguerre_polynomial_l", laguerre_l, "The Laguerre polynomial", "0.1250")
legendre_polynomial_p = _family("legendre_polynomial_p", legendre_p, "The Legendre polynomial", "-0.1250")
