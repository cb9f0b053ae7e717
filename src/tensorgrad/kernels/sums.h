/* Special functions of two numbers, one element at a time: their sums are as long as the numbers ask. All in double. */
#ifndef TENSORGRAD_SUMS_H
#define TENSORGRAD_SUMS_H

#include "special.h"

static const double BERNOULLI[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6, -3617.0 / 510};

/* q^-s, by multiplications where s is a small whole number. */
static double inverse_power(double q, double s)
{
    if (s != floor(s) || s > 64.0) {
        return pow(q, -s);
    }
    double power = 1.0;
    for (int n = (int)s; n; n >>= 1) {
        power = n & 1 ? power * q : power;
        q *= q;
    }
    return 1.0 / power;
}

/* The sum of (q + k)^-s for s > 1 and q > 0: terms up to 10 + s, then Euler and Maclaurin. */
static double zeta_above(double s, double q)
{
    double edge = 10.0 + (s < 40.0 ? s : 40.0);
    double total = 0.0;
    for (; q < edge; q += 1.0) {
        double term = inverse_power(q, s);
        total += term;
        if (term * (1.0 + q / (s - 1.0)) < 1e-18 * total) {
            return total;
        }
    }
    double power = inverse_power(q, s);
    double rise = s * power / q;
    double factorial = 1.0;
    total += q * power / (s - 1.0) + 0.5 * power;
    for (int k = 1; k <= 8; k++) {
        factorial *= (2 * k - 1) * (2 * k);
        total += rise * BERNOULLI[k - 1] / factorial;
        rise *= (s + 2 * k - 1) * (s + 2 * k) / (q * q);
    }
    return total;
}

/* Hurwitz' zeta function. Below 0, infinity at whole q, and NaN unless s is whole; its terms there are two sums above 0. */
static NEVER_INLINE double zeta64(double s, double q)
{
    if (s == 1.0) {
        return INF64;
    }
    if (s < 1.0) {
        return NAN64;
    }
    if (!(s > 1.0 && q - q == 0.0 && (q > 0.0 || (q != floor(q) && s == floor(s))))) {
        return q <= 0.0 && q == floor(q) ? INF64 : q == INF64 ? 0.0 : NAN64;
    }
    if (s == INF64) {
        return q == 1.0 ? 1.0 : fabs(q) < 1.0 ? INF64 : 0.0;
    }
    if (q > 0.0) {
        return zeta_above(s, q);
    }
    double under = zeta_above(s, ceil(q) - q) - zeta_above(s, 1.0 - q);
    return zeta_above(s, q - floor(q)) + (fmod(s, 2.0) == 0.0 ? under : -under);
}

/* The n-th slope of digamma, n >= 1. */
static NEVER_INLINE double polygamma64(double n, double x)
{
    double factorial = exp(lgamma_of_positive(n + 1.0));
    return (fmod(n, 2.0) == 0.0 ? -factorial : factorial) * zeta64(n + 1.0, x);
}

/* ---- incomplete gamma functions ----------------------------------------------------------------------------------- */

/* What Stirling's formula leaves of lgamma, for a >= 8. */
static double stirling_rest(double a)
{
    double z = 1.0 / (a * a);
    double total = 0.0;
    for (int k = 7; k > 0; k--) {
        total = total * z + BERNOULLI[k - 1] / (2 * k * (2 * k - 1));
    }
    return total / a;
}

/* m - log(1 + m) for m > -1, exact also near 0: there by the series of the inverse tanh. */
static double from_log(double m)
{
    if (!(fabs(m) <= 0.3)) {
        return m - log1p(m);
    }
    double z = m / (2.0 + m);
    double square = z * z;
    double tail = 0.0;
    for (int k = 25; k > 1; k -= 2) {
        tail = tail * square + 1.0 / k;
    }
    return z * (m - 2.0 * square * tail);
}

/* x^a e^-x / gamma(a + 1); of large a by how far x and a are apart, for a log x - x - lgamma(a + 1) would cancel. */
static double gamma_front(double a, double x)
{
    if (a >= 10.0) {
        return exp(-a * from_log((x - a) / a) - stirling_rest(a)) / sqrt(2.0 * PI_HIGH64 * a);
    }
    return exp(a * log(x) - x - lgamma_of_positive(a + 1.0));
}

/* The lower function by its power series, for x up to about a. */
static double gamma_series(double a, double x, double exact)
{
    double term = 1.0;
    double total = 1.0;
    double up = a;
    for (int i = 0; i < 2000 && term > 0.1 * exact * total; i++) {
        up += 1.0;
        term *= x / up;
        total += term;
    }
    return gamma_front(a, x) * total;
}

/* The upper function by its continued fraction, for x past a and 1: numerators and denominators by recurrence, compared every few
   steps and made smaller in time. */
static double gamma_fraction(double a, double x, double exact)
{
    double b = x + 1.0 - a;
    double above = 0.0, above_next = 1.0;
    double below = 1.0, below_next = b;
    double value = 1.0 / b;
    for (int i = 1; i < 2000; i++) {
        double factor = -i * (i - a);
        b += 2.0;
        double p = b * above_next + factor * above;
        double q = b * below_next + factor * below;
        above = above_next;
        below = below_next;
        above_next = p;
        below_next = q;
        if ((i & 3) == 0) {
            double last = value;
            value = p / q;
            if (fabs(value - last) <= exact * fabs(value)) {
                break;
            }
            if (fabs(q) > 0x1p500) {
                above *= 0x1p-500;
                below *= 0x1p-500;
                above_next *= 0x1p-500;
                below_next *= 0x1p-500;
            }
        }
    }
    return gamma_front(a, x) * a * value;
}

/* The upper function for a and x near 0 or 1, where 1 less the lower one would cancel. */
static double gamma_rest(double a, double x)
{
    double term = 1.0;
    double total = 0.0;
    for (int n = 1; n < 40; n++) {
        term *= -x / n;
        total += term / (a + n);
    }
    double power = a * log(x) - (a <= 1.0 ? lgamma_near(a) : lgamma_of_positive(a + 1.0));
    return -expm1(power) - a * exp(power) * total;
}

/* For large a and x near it: Temme's expansion, as Gil, Segura and Temme (2012) sum it. */
static double gamma_near(double a, double x, int upper)
{
    static const double TEMME[] = {
        1.0, -0.3333333333333333, 0.08333333333333333, -0.014814814814814815, 0.0011574074074074073,
        0.0003527336860670194, -0.0001787551440329218, 3.919263178522438e-05, -2.185448510679992e-06, -1.85406221071516e-06,
        8.296711340953087e-07, -1.7665952736826078e-07, 6.707853543401498e-09, 1.0261809784240309e-08, -4.382036018453353e-09,
        9.14769958223679e-10, -2.5514193994946248e-11, -5.830772132550426e-11, 2.4361948020667415e-11, -5.0276692801141755e-12,
        1.1004392031956135e-13, 3.371763262400985e-13, -1.392388722418162e-13, 2.8534893807047445e-14, -5.139111834242572e-16,
        -1.9752288294349442e-15, 8.099521156704561e-16,
    };
    enum { TERMS = (int)(sizeof TEMME / sizeof TEMME[0]) };
    double apart = from_log((x - a) / a);
    double eta = copysign(sqrt(2.0 * apart), x - a);
    double step[TERMS];         /* from 1 on */
    step[TERMS - 1] = TEMME[TERMS - 1];
    step[TERMS - 2] = TEMME[TERMS - 2];
    for (int m = TERMS - 3; m > 0; m--) {
        step[m] = TEMME[m] + (m + 1) * step[m + 2] / a;
    }
    double total = 0.0;
    for (int m = TERMS - 1; m > 0; m--) {
        total = total * eta + step[m];
    }
    double rest = exp(-a * apart) / sqrt(2.0 * PI_HIGH64 * a) * total / (1.0 + step[2] / a);
    double half = eta * sqrt(0.5 * a);
    return upper ? 0.5 * erfc(half) + rest : 0.5 * erfc(-half) - rest;
}

/* The regularised incomplete gamma function of order a, the lower or the upper one; `rough` is how near it has to be, 0 for all
   that a double holds. */
static NEVER_INLINE double incomplete_gamma(double a, double x, int upper, double rough)
{
    double exact = rough > 0.0 ? rough : 1e-16;
    double lower = NAN64;
    if (!(a > 0.0 && x > 0.0 && a < INF64 && x < INF64)) {
        lower = x == 0.0 && !(a <= 0.0) ? 0.0 : a == 0.0 && x > 0.0 ? 1.0 : lower;
        lower = a == INF64 && x > 0.0 && x < INF64 ? 0.0 : lower;
        lower = x == INF64 && !(a < 0.0) && a != INF64 ? 1.0 : lower;
        return upper ? 1.0 - lower : lower;
    }
    if (a >= 20.0 && fabs(x - a) <= 0.3 * a) {
        return gamma_near(a, x, upper);
    }
    if (x <= 1.1 || x < a) {
        if (upper && x <= 1.1 && (x <= 0.5 ? a * log(x) >= -0.4 : x * 1.1 >= a)) {
            return gamma_rest(a, x);
        }
        lower = gamma_series(a, x, exact);
        return upper ? 1.0 - lower : lower;
    }
    double above = gamma_fraction(a, x, exact);
    return upper ? above : 1.0 - above;
}

#endif
