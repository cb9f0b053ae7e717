/* What float64 formulas need beside C's own functions. Scalar: float64 gives up speed for libm's precision. */
#ifndef TENSORGRAD_MATH64_H
#define TENSORGRAD_MATH64_H

#include <math.h>

#include "level.h"

#define INLINE_MATH64 ALWAYS_INLINE

INLINE_MATH64 double sigmoid64(double x)
{
    double e = exp(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* Klambauer and others, "Self-Normalizing Neural Networks", 2017. */
#define SELU_ALPHA 1.6732632423543772848
#define SELU_SCALE 1.0507009873554804934

INLINE_MATH64 double between64(double x, double low, double high)
{
    double y = ((x < low) | (low != low)) ? low : x;
    return ((y > high) | (high != high)) ? high : y;
}

INLINE_MATH64 double ramp64(double x)
{
    return x < -3.0 ? 0.0 : x > 3.0 ? 6.0 : x + 3.0;
}

INLINE_MATH64 double silu_slope64(double x)
{
    double s = sigmoid64(x);
    return s * (1.0 + x * (1.0 - s));
}

INLINE_MATH64 double below64(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

INLINE_MATH64 double gelu_slope64(double x)
{
    double within = x < -40.0 ? -40.0 : x > 40.0 ? 40.0 : x;
    return below64(x) + within * 0.39894228040143267794 * exp(-0.5 * within * within);
}

INLINE_MATH64 double gelu_tanh_inner64(double x)
{
    return 1.59576912160573071176 * (x + 0.044715 * x * x * x);
}

INLINE_MATH64 double gelu_tanh_slope64(double x)
{
    double within = x < -100.0 ? -100.0 : x > 100.0 ? 100.0 : x;
    double s = sigmoid64(gelu_tanh_inner64(within));
    return s + within * s * (1.0 - s) * 1.59576912160573071176 * (1.0 + 0.134145 * within * within);
}

INLINE_MATH64 double softplus64(double x)
{
    return x > 20.0 ? x : log1p(exp(x));
}

INLINE_MATH64 double log_sigmoid64(double x)
{
    return (x < 0.0 ? x : 0.0) - log1p(exp(-fabs(x)));
}

INLINE_MATH64 double mish64(double x)
{
    double e = exp(x > 20.0 ? 20.0 : x);
    double n = e * (e + 2.0);
    return x * (n / (n + 2.0));
}

INLINE_MATH64 double mish_slope64(double x)
{
    double within = x > 20.0 ? 20.0 : x < -745.0 ? -745.0 : x;
    double e = exp(within);
    double n = e * (e + 2.0);
    return n / (n + 2.0) + 4.0 * within * e * (1.0 + e) / ((n + 2.0) * (n + 2.0));
}

INLINE_MATH64 double logaddexp64(double x, double y)
{
    double high = x > y ? x : y;
    double apart = x == y ? 0.0 : fabs(x - y);
    return x != x || y != y ? (double)NAN : high + log1p(exp(-apart));
}

/* Of the rest of a division rounded towards 0: that of one rounded down, and its quotient, both as Python has them. */
INLINE_MATH64 double remainder64(double x, double y, double rest)
{
    (void)x;
    return ((rest != 0.0) & ((rest < 0.0) != (y < 0.0))) ? rest + y : rest;
}

INLINE_MATH64 double floored64(double x, double y, double rest)
{
    double whole = (x - rest) / y - (double)((rest != 0.0) & ((rest < 0.0) != (y < 0.0)));
    double down = floor(whole);
    down += (double)(whole - down > 0.5);
    return y == 0.0 ? x / y : whole == 0.0 ? copysign(0.0, x / y) : down;
}

#endif
