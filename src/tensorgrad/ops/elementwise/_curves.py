"""Special functions of NumPy arrays, in float64: the values behind special.py. No SciPy."""

from __future__ import annotations

import math

import numpy as np

from tensorgrad.ops import _tables

PI = math.pi


def series(coefficients, u):
    """The Chebyshev series at u in [-1, 1], by Clenshaw's recurrence."""
    twice = 2 * u
    one = np.full_like(u, coefficients[-1])
    two = np.zeros_like(u)
    for c in coefficients[-2:0:-1]:
        one, two = twice * one - two + c, one
    return u * one - two + coefficients[0]


def sinc_derivative(x, n):
    """The n-th derivative of sin(pi x) / (pi x): near 0 by its power series, further out by recurrence over
    the orders, which is stable where pi x is greater than the order.
    """
    t = PI * x
    near = np.abs(t) < n + 1
    inner, outer = np.where(near, t, 0), np.where(near, 1, t)
    first = n + n % 2  # the lowest power of t that n derivatives leave
    term = np.full_like(t, (-1) ** (first // 2)) * inner ** (first - n)
    total = term / (first + 1)
    for power in range(first + 2, 3 * n + 42, 2):
        term = -term * inner * inner / ((power - n) * (power - n - 1))
        total = total + term / (power + 1)
    turns = [np.sin(outer), np.cos(outer), -np.sin(outer), -np.cos(outer)]
    far = turns[0] / outer
    for k in range(1, n + 1):
        far = (turns[k % 4] - k * far) / outer
    return PI**n * np.where(near, total, far)


# ---------------------------------------------------------------------------- the error function and its kin


def exp_of_square(x):
    """exp(-x^2) with the rounding of x^2 made good: x is split so that the greater part squares exactly."""
    head = np.round(x * 16) / 16
    return np.exp(-head * head) * np.exp((head - x) * (head + x))


def erfcx_positive(x):
    """exp(x^2) erfc(x) for x >= 0."""
    far = x > 1e8
    x_ = np.where(far, 1.0, x)
    return np.where(
        far, 1 / math.sqrt(PI) / x, series(_tables.ERFCX, (x_ - 3.75) / (x_ + 3.75)) / (1 + 2 * x_)
    )


def _erf_near(x):
    return x * series(_tables.ERF, 2 * np.square(x) - 1)


def erf(x):
    size = np.abs(x)
    near = size < 1
    tail = np.minimum(size, 27.0)
    return np.where(
        near,
        _erf_near(np.where(near, x, 0.0)),
        np.copysign(1 - erfcx_positive(tail) * exp_of_square(tail), x),
    )


def erfc(x):
    size = np.abs(x)
    near = size < 0.5
    tail = np.minimum(size, 28.0)
    upper = erfcx_positive(tail) * exp_of_square(tail)
    return np.where(near, 1 - _erf_near(np.where(near, x, 0.0)), np.where(x < 0, 2 - upper, upper))


def erfcx(x):
    size = np.abs(x)
    upper = erfcx_positive(size)
    return np.where(x < 0, 2 * np.exp(np.square(np.where(x < 0, x, 0.0))) - upper, upper)


def log_ndtr(x):
    """The logarithm of the normal distribution function."""
    size = np.abs(x) * math.sqrt(0.5)
    lower = np.log(erfcx_positive(size) / 2) - np.square(size)
    return np.where(x < -1, lower, np.log1p(-erfc(np.maximum(x, -1.0) * math.sqrt(0.5)) / 2))


def ndtr(x):
    return erfc(-x * math.sqrt(0.5)) / 2


def ndtri(p):
    """The x that the normal distribution function takes to p: Halley steps on its logarithm."""
    low = np.minimum(p, 1 - p)
    inside = (low > 0) & (low <= 0.5)
    target = np.log(np.where(inside, low, 0.25))
    t = np.sqrt(-2 * target)
    x = -(
        t
        - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    )
    for _ in range(3):
        slope = math.sqrt(2 / PI) / erfcx(-x * math.sqrt(0.5))  # of log_ndtr
        step = (log_ndtr(x) - target) / slope
        x = x - step / (1 + 0.5 * step * (x + slope))
    x = np.where(p > 0.5, -x, np.where(p == 0.5, 0.0, x))
    return np.where(inside, x, np.where(p == 0, -np.inf, np.where(p == 1, np.inf, np.nan)))


def erfinv(y):
    """The x that erf takes to y; +-inf at +-1, NaN beyond."""
    size = np.abs(y)
    inside = size < 1
    middle = size < 0.7
    tail = -ndtri(np.where(middle | ~inside, 0.25, (1 - size) / 2)) * math.sqrt(0.5)
    centre = np.where(middle, y, 0.0)
    x = _erfinv_start(centre)
    for _ in range(3):
        x = x - _erfinv_step(x, centre)
    return np.where(
        middle, x, np.where(inside, np.copysign(tail, y), np.where(size == 1, np.copysign(np.inf, y), np.nan))
    )


def _erfinv_start(y):
    """Winitzki's closed form, right to 2e-3."""
    a = 0.147
    log = np.log1p(-y * y)
    part = 2 / (PI * a) + log / 2
    return np.copysign(np.sqrt(np.sqrt(part * part - log / a) - part), y)


def _erfinv_step(x, y):
    """Halley's step for erf(x) = y."""
    step = (erf(x) - y) * (math.sqrt(PI) / 2) * np.exp(x * x)
    return step / (1 + x * step)


# ---------------------------------------------------------------------------- gamma

STIRLING = tuple(
    b / (2 * k * (2 * k - 1))
    for k, b in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6), 1)
)
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def _lgamma_positive(x):
    far = x >= 8
    big = np.where(far, x, 8.0)
    stirling = (big - 0.5) * np.log(big) - big + 0.5 * math.log(2 * PI) + _stirling(big)
    t = np.where(far, 1.5, x)
    factor = np.ones_like(t)
    for _ in range(6):
        high = t >= 2
        t = np.where(high, t - 1, t)
        factor = np.where(high, factor * t, factor)
    low = t < 1  # there lgamma(t + 1) - log(t), without rounding t + 1
    less = np.where(low, t, t - 1)
    inner = less * (less - 1) * series(_tables.LGAMMA, 2 * less - 1)
    return np.where(far, stirling, inner + np.where(low, -np.log(t), np.log(factor)))


def lgamma(x):
    """The logarithm of the gamma function's size; inf at 0, -1, -2 …"""
    negative = x < 0.5
    up = np.where(negative, 1 - x, x)
    finite = np.isfinite(up)
    value = np.where(
        finite, _lgamma_positive(np.where(finite, up, 1.0)), np.where(np.isnan(x), np.nan, np.inf)
    )
    whole = negative & (x == np.floor(x))
    turn = np.abs(np.sin(PI * (x - np.round(x))))
    reflected = math.log(PI) - np.log(turn) - value
    reflected = np.where(np.abs(x) < 1e-9, -np.log(np.abs(x)) - np.euler_gamma * x, reflected)
    return np.where(whole | (x == -np.inf), np.inf, np.where(negative, reflected, value))


def digamma(x):
    """The slope of lgamma; -inf at 0, NaN at -1, -2 …"""
    negative = x < 0.5
    y = np.where(negative, 1 - x, x)
    value = np.zeros_like(y)
    for _ in range(10):
        low = y < 10
        value = np.where(low, value - 1 / y, value)
        y = np.where(low, y + 1, y)
    z = 1 / np.square(y)
    tail = np.zeros_like(y)
    for k in range(7, 0, -1):
        tail = (tail + BERNOULLI[k - 1] / (2 * k)) * z
    value = value + np.log(y) - 0.5 / y - tail
    value = np.where(negative, value - PI / np.tan(PI * (x - np.round(x))), value)
    value = np.where(negative & (x == np.floor(x)), np.nan, value)
    return np.where(x == 0, np.copysign(np.inf, -x), value)


def zeta(s, q):
    """Hurwitz' zeta function, the sum of (q + k)^-s over k = 0, 1 …

    Below 0, inf at whole q, and NaN unless s is whole; the terms there are two sums of terms above 0.
    """
    s, q = np.broadcast_arrays(s, q)
    usable = (s > 1) & np.isfinite(q) & ((q > 0) | ((q != np.floor(q)) & (s == np.floor(s))))
    below = usable & (q < 0) & np.isfinite(s)
    a, n = np.where(usable & np.isfinite(s), s, 2.0), np.where(usable, q, 1.0)
    rest = n - np.floor(n)
    total = _zeta_above(a, np.where(below, rest, n))
    if below.any():
        under = _zeta_above(a, np.where(below, np.ceil(n) - n, 1.0))
        under = under - _zeta_above(a, np.where(below, 1 - n, 1.0))
        total = np.where(below, total + np.where(a % 2 == 0, under, -under), total)
    total = np.where(s == np.inf, np.where(q == 1, 1.0, np.where(np.abs(q) < 1, np.inf, 0.0)), total)
    pole = np.where((q <= 0) & (q == np.floor(q)), np.inf, np.where(q == np.inf, 0.0, np.nan))
    return np.where(s == 1, np.inf, np.where(s < 1, np.nan, np.where(usable, total, pole)))


def _zeta_above(a, n):
    """For n > 0: the terms up to 10 + a, then Euler and Maclaurin."""
    total = np.zeros_like(n)
    while (low := n < 10 + np.minimum(a, 40)).any():
        total = np.where(low, total + n**-a, total)
        n = np.where(low, n + 1, n)
    total = total + n ** (1 - a) / (a - 1) + 0.5 * n**-a
    rise = a * n ** (-a - 1)
    for k, bernoulli in enumerate(BERNOULLI, 1):
        total = total + rise * bernoulli / math.factorial(2 * k)
        rise = rise * (a + 2 * k - 1) * (a + 2 * k) / np.square(n)
    return total


def trigamma(x):
    """The slope of digamma."""
    negative = x < 0.5
    value = zeta(np.full_like(x, 2.0), np.where(negative, 1 - x, x))
    return np.where(negative, np.square(PI / np.sin(PI * (x - np.round(x)))) - value, value)


def polygamma(n, x):
    """The n-th slope of digamma."""
    if n == 0:
        return digamma(x)
    if n == 1:
        return trigamma(x)
    return (1.0 if n % 2 else -1.0) * float(np.exp(math.lgamma(n + 1))) * zeta(np.full_like(x, n + 1.0), x)


def _stirling(a):
    """What Stirling's formula leaves of lgamma, for a >= 8."""
    z = 1 / np.square(a)
    total = np.zeros_like(a)
    for c in STIRLING[::-1]:
        total = total * z + c
    return total / a


def _apart(m):
    """m - log(1 + m) for m > -1, exact also near 0: there by the series of the inverse tanh."""
    near = np.abs(m) <= 0.3
    z = np.where(near, m, 0.0)
    z = z / (2 + z)
    square = np.square(z)
    tail = np.zeros_like(z)
    for k in range(25, 1, -2):
        tail = tail * square + 1 / k
    return np.where(near, z * (m - 2 * square * tail), m - np.log1p(m))


def _gamma_front(a, x):
    """x^a e^-x / gamma(a + 1); of large a by how far x and a are apart, for a log x - x - lgamma(a + 1) would
    cancel."""
    large = a >= 10
    big = np.where(large, a, 10.0)
    apart = _apart((np.where(large, x, 10.0) - big) / big)
    far = np.exp(-big * apart - _stirling(big)) / np.sqrt(2 * PI * big)
    small = np.where(large, 1.0, a)
    return np.where(large, far, np.exp(small * np.log(x) - x - lgamma(small + 1)))


def _gamma_series(a, x):
    """The lower function by its power series, for x up to about a."""
    term = np.ones_like(a)
    total = term
    up = a
    for _ in range(2000):
        up = up + 1
        term = term * x / up
        total = total + term
        if np.all(term <= 1e-17 * total):
            break
    return _gamma_front(a, x) * total


def _gamma_fraction(a, x):
    """The upper function by its continued fraction (Lentz), for x past a and 1."""
    b = x + 1 - a
    c = np.full_like(b, 1e300)
    d = 1 / b
    h = d
    for i in range(1, 2000):
        an = -i * (i - a)
        b = b + 2
        d = 1 / np.where(an * d + b == 0, 1e-300, an * d + b)
        c = b + an / c
        c = np.where(c == 0, 1e-300, c)
        h = h * d * c
        if np.all(np.abs(d * c - 1) <= 1e-16):
            break
    return _gamma_front(a, x) * a * h


def _gamma_rest(a, x):
    """The upper function for a and x near 0 or 1, where 1 less the lower one would cancel."""
    term = np.ones_like(a)
    total = np.zeros_like(a)
    for n in range(1, 40):
        term = term * -x / n
        total = total + term / (a + n)
    power = a * np.log(x) - np.where(a <= 1, a * (a - 1) * series(_tables.LGAMMA, 2 * a - 1), lgamma(a + 1))
    return -np.expm1(power) - a * np.exp(power) * total


def _gamma_near(a, x):
    """Both functions for large a and x near it: Temme's expansion, as Gil, Segura and Temme (2012) sum it."""
    apart = _apart((x - a) / a)
    eta = np.copysign(np.sqrt(2 * apart), x - a)
    steps = [np.full_like(a, c) for c in _tables.TEMME[-2:]]
    for m in range(len(_tables.TEMME) - 3, 0, -1):
        steps.insert(0, _tables.TEMME[m] + (m + 1) * steps[1] / a)
    total = np.zeros_like(a)
    for step in steps[::-1]:
        total = total * eta + step
    rest = np.exp(-a * apart) / np.sqrt(2 * PI * a) * total / (1 + steps[1] / a)
    half = eta * np.sqrt(a / 2)
    return erfc(-half) / 2 - rest, erfc(half) / 2 + rest


def gammainc_pair(a, x):
    """Both regularised incomplete gamma functions."""
    a, x = np.broadcast_arrays(a, x)
    good = (a > 0) & (x > 0) & np.isfinite(x) & np.isfinite(a)
    near = good & (a >= 20) & (np.abs(x - a) <= 0.3 * a)
    low = good & ~near & ((x <= 1.1) | (x < a))
    high = good & ~near & ~low
    small = low & np.where(x <= 0.5, a * np.log(np.where(low, x, 0.5)) >= -0.4, x * 1.1 >= a) & (x <= 1.1)
    lower = np.where((x == 0) & ~(a <= 0), 0.0, np.where((a == 0) & (x > 0), 1.0, np.nan))
    lower = np.where(np.isinf(a) & (a > 0) & (x > 0) & np.isfinite(x), 0.0, lower)
    lower = np.where(~(a < 0) & ~np.isinf(a) & (x == np.inf), 1.0, lower)
    upper = np.asarray(1 - lower)
    if near.any():
        lower[near], upper[near] = _gamma_near(a[near], x[near])
    if low.any():
        lower[low] = _gamma_series(a[low], x[low])
        upper[low] = 1 - lower[low]
    if small.any():
        upper[small] = _gamma_rest(a[small], x[small])
    if high.any():
        upper[high] = _gamma_fraction(a[high], x[high])
        lower[high] = 1 - upper[high]
    return lower, upper


# ---------------------------------------------------------------------------- Bessel, modified


def _split(size, edge):
    near = size <= edge
    return near, np.where(near, size, edge), np.where(near, edge, size)


def i0e(x):
    near, a, b = _split(np.abs(x), 8.0)
    return np.where(near, series(_tables.I0_NEAR, a / 4 - 1), series(_tables.I0_FAR, 16 / b - 1) / np.sqrt(b))


def i1e(x):
    near, a, b = _split(np.abs(x), 8.0)
    value = np.where(
        near, a * series(_tables.I1_NEAR, a / 4 - 1), series(_tables.I1_FAR, 16 / b - 1) / np.sqrt(b)
    )
    return np.where(x < 0, -value, value)


def i0(x):
    return np.exp(np.abs(x)) * i0e(x)


def i1(x):
    return np.exp(np.abs(x)) * i1e(x)


def _k_edges(x, value):
    return np.where(x > 0, value, np.where(x == 0, np.inf, np.nan))


def k0e(x):
    near, a, b = _split(np.where(x > 0, x, 1.0), 2.0)
    inner = (series(_tables.K0_NEAR, a * a / 2 - 1) - np.log(a / 2) * i0(a)) * np.exp(a)
    return _k_edges(x, np.where(near, inner, series(_tables.K0_FAR, 4 / b - 1) / np.sqrt(b)))


def k1e(x):
    near, a, b = _split(np.where(x > 0, x, 1.0), 2.0)
    inner = (a * series(_tables.K1_NEAR, a * a / 2 - 1) + np.log(a / 2) * i1(a) + 1 / a) * np.exp(a)
    return _k_edges(x, np.where(near, inner, series(_tables.K1_FAR, 4 / b - 1) / np.sqrt(b)))


def k0(x):
    return np.exp(-x) * k0e(x)


def k1(x):
    return np.exp(-x) * k1e(x)


# ---------------------------------------------------------------------------- Bessel


def _waves(order, b):
    """The two amplitudes of J and Y far out, and the phase."""
    z = np.square(8 / b)
    p = series(_tables.J1_P if order else _tables.J0_P, 2 * z - 1)
    q = series(_tables.J1_Q if order else _tables.J0_Q, 2 * z - 1) * 8 / b
    return p, q, b - (order * 0.5 + 0.25) * PI, math.sqrt(2 / PI) / np.sqrt(b)


def j0(x):
    near, a, b = _split(np.abs(x), 8.0)
    p, q, phase, size = _waves(0, b)
    return np.where(
        near, series(_tables.J0_NEAR, a * a / 32 - 1), size * (p * np.cos(phase) - q * np.sin(phase))
    )


def j1(x):
    near, a, b = _split(np.abs(x), 8.0)
    p, q, phase, size = _waves(1, b)
    value = np.where(
        near, a * series(_tables.J1_NEAR, a * a / 32 - 1), size * (p * np.cos(phase) - q * np.sin(phase))
    )
    return np.where(np.signbit(x), -value, value)


def _y_edges(x, value):
    return np.where(x > 0, value, np.where(x == 0, -np.inf, np.nan))


def y0(x):
    near, a, b = _split(np.where(x > 0, x, 1.0), 8.0)
    p, q, phase, size = _waves(0, b)
    inner = series(_tables.Y0_NEAR, a * a / 32 - 1) + 2 / PI * np.log(a) * j0(a)
    return _y_edges(x, np.where(near, inner, size * (p * np.sin(phase) + q * np.cos(phase))))


def y1(x):
    near, a, b = _split(np.where(x > 0, x, 1.0), 8.0)
    p, q, phase, size = _waves(1, b)
    inner = a * series(_tables.Y1_NEAR, a * a / 32 - 1) + 2 / PI * (np.log(a) * j1(a) - 1 / a)
    return _y_edges(x, np.where(near, inner, size * (p * np.sin(phase) + q * np.cos(phase))))


def spherical_j0(x):
    small = np.abs(x) < 0.5
    z = np.square(np.where(small, x, 0.0))
    inner = 1 - z / 6 * (
        1 - z / 20 * (1 - z / 42 * (1 - z / 72 * (1 - z / 110 * (1 - z / 156 * (1 - z / 210)))))
    )
    return np.where(small, inner, np.where(np.isinf(x), 0.0, np.sin(x) / x))


def airy_ai(x):
    near = (x >= -5) & (x <= 2.5)
    inner = series(_tables.AIRY_NEAR, (np.where(near, x, 0.0) + 1.25) / 3.75)
    right = np.where(x > 2.5, x, 2.5)
    z = 2 / 3 * right**1.5
    decay = (
        series(_tables.AIRY_FAR, 2 * (2 / 3 * 2.5**1.5) / z - 1)
        * np.exp(-z)
        / (2 * math.sqrt(PI) * right**0.25)
    )
    left = np.where(x < -5, -x, 5.0)
    z = 2 / 3 * left**1.5
    u = 2 * np.square(2 / 3 * 5**1.5 / z) - 1
    waves = (
        np.sin(z + PI / 4) * series(_tables.AIRY_P, u) - np.cos(z + PI / 4) * series(_tables.AIRY_Q, u) / z
    ) / (math.sqrt(PI) * left**0.25)
    return np.where(
        np.isnan(x), x, np.where(near, inner, np.where(x > 0, np.where(np.isinf(x), 0.0, decay), waves))
    )
