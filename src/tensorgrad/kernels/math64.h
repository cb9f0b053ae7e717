/* Formulas of float64, made of the functions in vmath64.h: activations, and what a division leaves. */
#ifndef TENSORGRAD_MATH64_H
#define TENSORGRAD_MATH64_H

#include "angles64.h"
#include "special.h"

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

INLINE_MATH64 double gelu64(double x)
{
    return x * normal64(x).below;
}

INLINE_MATH64 double gelu_slope64(double x)
{
    Normal64 normal = normal64(x);
    double within = at_least64(at_most64(x, 38.6), -38.6);      /* so that an infinity gives its limit */
    return normal.below + within * 0.39894228040143267794 * normal.bell;
}

INLINE_MATH64 double gelu_tanh_inner64(double x)
{
    return 1.59576912160573071176 * (x + 0.044715 * x * x * x);
}

INLINE_MATH64 double gelu_tanh_slope64(double x)
{
    double within = at_least64(at_most64(x, 100.0), -100.0);
    double s = sigmoid64(gelu_tanh_inner64(within));
    return s + within * s * (1.0 - s) * 1.59576912160573071176 * (1.0 + 0.134145 * within * within);
}

INLINE_MATH64 double softplus64(double x)
{
    double y = (x < 0.0 ? 0.0 : x) + log1p_of_unit64(exp_of_negative64(-fabs(x)));
    return x > 20.0 ? x : y;
}

INLINE_MATH64 double log_sigmoid64(double x)
{
    return (x < 0.0 ? x : 0.0) - log1p_of_unit64(exp_of_negative64(-fabs(x)));
}

INLINE_MATH64 double mish64(double x)
{
    double e = exp64(at_most64(x, 20.0));
    double n = e * (e + 2.0);
    return x * (n / (n + 2.0));
}

INLINE_MATH64 double mish_slope64(double x)
{
    double within = at_least64(at_most64(x, 20.0), -745.0);
    double e = exp64(within);
    double n = e * (e + 2.0);
    return n / (n + 2.0) + 4.0 * within * e * (1.0 + e) / ((n + 2.0) * (n + 2.0));
}

INLINE_MATH64 double ndtr_slope64(double x)
{
    return 0.39894228040143267794 * exp_of_square64(at_most64(fabs(x), 38.6), 0.5);
}

INLINE_MATH64 double sinc64(double x)
{
    double t = x * PI_HIGH64;
    return x == 0.0 ? 1.0 : sin64(t) / t;
}

INLINE_MATH64 double sinc_slope_of(double x)
{
    double t = x * PI_HIGH64;
    Angle64 angle = reduce_angle64(t);
    double sine = angle.quadrant & 1 ? angle.cos : angle.sin;
    double cosine = angle.quadrant & 1 ? -angle.sin : angle.cos;
    int64_t turned = (int64_t)((uint64_t)angle.quadrant >> 1) & 1;
    return sinc_slope64(t, flip_sign64(sine, turned), flip_sign64(cosine, turned));
}

INLINE_MATH64 double entr64(double x)
{
    double y = -x * log64(x);
    return x > 0.0 ? y : x == 0.0 ? 0.0 : x < 0.0 ? -INF64 : x;
}

INLINE_MATH64 double logit64(double x)
{
    return log64(x / (1.0 - x));
}

/* 0 where x is, unless y is NaN. */
INLINE_MATH64 double xlogy64(double x, double y)
{
    double product = x * log64(y);
    return ((x == 0.0) & (y == y)) ? 0.0 : product;
}

INLINE_MATH64 double xlog1py64(double x, double y)
{
    double product = x * log1p_64(y);
    return ((x == 0.0) & (y == y)) ? 0.0 : product;
}

INLINE_MATH64 double logaddexp2_64(double x, double y)
{
    double high = x > y ? x : y;
    double apart = x == y ? 0.0 : fabs(x - y);
    double sum = high + 1.44269504088896340736 * log1p_of_unit64(exp2_64(-apart));
    return ((x != x) | (y != y)) ? NAN64 : sum;
}

/* x - y trunc(x / y), by one fused multiplication and addition where that is exact: for a quotient below 2^53, which the division
   may have rounded up to a whole number. Without the instruction by C's function, whose answer is the same. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
INLINE_MATH64 double rest64(double x, double y)
{
    double a = fabs(x), b = fabs(y);
    double rest = fma(-trunc(a / b), b, a);
    rest = rest < 0.0 ? rest + b : rest;
    return copysign(rest, x);
}

INLINE_MATH64 int is_far_quotient64(double x, double y)
{
    double a = fabs(x), b = fabs(y);
    return !((a < 0x1p53 * b) & (b < INF64));
}
#else
INLINE_MATH64 double rest64(double x, double y)
{
    return fmod(x, y);
}

INLINE_MATH64 int is_far_quotient64(double x, double y)
{
    (void)x;
    (void)y;
    return 0;
}
#endif

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
