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

#define real double
#define NAMED(name) name##64
#define ABSOLUTE(x) fabs(x)
#define SIGNED(x, sign) copysign(x, sign)
#define ROOT(x) sqrt(x)
#define LEAST_EXPONENT (-745)       /* e to it is 0, or nearly */
#include "both.h"

#endif
