/* Mathematics of float32, branch-free, so that the compiler can put each function into vector registers.
 *
 * The error of each function is stated in ULP (units in the last place of the exact result); the tests run
 * each over many float32 values against float64 and hold it to that. Infinity, NaN and denormals give what C's functions
 * give. Polynomials are minimax fits of our own (Remez); what is fitted, and where, stands beside each.
 *
 * The tricks, used throughout:
 * - adding and taking away 1.5 * 2^23 rounds to an integer, and leaves that integer in the low bits;
 * - an integer shifted into the exponent field is a power of two;
 * - a select written `condition ? a : b` with both sides computed becomes a masked move.
 */
#ifndef TENSORGRAD_VMATH_H
#define TENSORGRAD_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "level.h"

#define INLINE_MATH ALWAYS_INLINE

#define INF32 ((float)INFINITY)
#define NAN32 ((float)NAN)
#define ROUNDER 0x1.8p23f            /* 1.5 * 2^23 */
#define LN2_HIGH 0.693359375f        /* 9 bits: its product with a small integer is exact */
#define LN2_LOW -2.12194440e-4f

INLINE_MATH int32_t bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE_MATH float of_bits(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* a * b + c, rounded once where the CPU can: said aloud where the compiler might as well have joined the sum with another product,
   here one and there the other. */
INLINE_MATH float multiply_add(float a, float b, float c)
{
#ifdef FP_FAST_FMAF
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* 2^n for -126 <= n <= 127. */
INLINE_MATH float power_of_two(int32_t n)
{
    return of_bits((int32_t)((uint32_t)(n + 127) << 23));
}

INLINE_MATH float abs32(float x)
{
    return of_bits(bits_of(x) & 0x7fffffff);
}

/* The magnitude of `x` with the sign of `sign`. */
INLINE_MATH float with_sign(float x, float sign)
{
    return of_bits((bits_of(x) & 0x7fffffff) | (bits_of(sign) & (int32_t)0x80000000));
}

#define FAR_QUOTIENT 0x1p28

/* x - y trunc(x / y), exact in double where the quotient, which may be rounded up to a whole number, is below FAR_QUOTIENT. */
INLINE_MATH float rest32(float x, float y)
{
    double a = (double)abs32(x), b = (double)abs32(y);
    double rest = a - trunc(a / b) * b;
    return with_sign((float)(rest < 0.0 ? rest + b : rest), x);
}

INLINE_MATH int is_far_quotient(float x, float y)
{
    double a = (double)abs32(x), b = (double)abs32(y);
    return !((a < FAR_QUOTIENT * b) & (b <= 3.4028234663852886e38));
}

INLINE_MATH float remainder32(float x, float y, float rest)
{
    (void)x;
    return ((rest != 0.0f) & ((rest < 0.0f) != (y < 0.0f))) ? rest + y : rest;
}

INLINE_MATH float floored32(float x, float y, float rest)
{
    float whole = (x - rest) / y - (float)((rest != 0.0f) & ((rest < 0.0f) != (y < 0.0f)));
    float down = floorf(whole);
    down += (float)(whole - down > 0.5f);
    return y == 0.0f ? x / y : whole == 0.0f ? with_sign(0.0f, x / y) : down;
}

/* Comparisons written so that NaN falls through to `x`. */
INLINE_MATH float at_most32(float x, float limit)
{
    return x > limit ? limit : x;
}

INLINE_MATH float at_least32(float x, float limit)
{
    return x < limit ? limit : x;
}

/* Between two limits, of which one that is NaN makes all NaN; where they cross, the high one. */
INLINE_MATH float between32(float x, float low, float high)
{
    float y = ((x < low) | (low != low)) ? low : x;
    return ((y > high) | (high != high)) ? high : y;
}

/* ---- exponentials ------------------------------------------------------------------------------------------------- */

/* exp(r) - 1 - r over r^2, for |r| <= 0.39. */
INLINE_MATH float exp_core(float r)
{
    float p = 0.001396692552f;
    p = p * r + 0.008378372881f;
    p = p * r + 0.04166592733f;
    p = p * r + 0.1666642955f;
    return p * r + 0.5000000193f;
}

/* Added to a number it leaves each as it is, -0 too, so that the compiler leaves the sum out. */
#define NOTHING (-0.0f)

/* What every exponential is made of: exp(x + small) = 2^power (1 + fraction), for |x| < 2^20 and |small| < 0.04. */
typedef struct Exponential {
    float fraction;
    int32_t power;
} Exponential;

INLINE_MATH Exponential exp_parts(float x, float small)
{
    Exponential e;
    float shifted = x * 1.44269504f + ROUNDER;
    float n = shifted - ROUNDER;
    float r = x - n * LN2_HIGH - n * LN2_LOW + small;
    e.fraction = exp_core(r) * r * r + r;
    e.power = bits_of(shifted) - bits_of(ROUNDER);
    return e;
}

/* In two factors, so that neither overflows and a denormal result is rounded once. */
INLINE_MATH float exp_join(Exponential e)
{
    int32_t half = e.power >> 1;
    return (1.0f + e.fraction) * power_of_two(half) * power_of_two(e.power - half);
}

/* e^x. 1.1 ULP. What is 0 is not computed, here and below: a result past the least number stops Intel's CPUs for 150 cycles. */
INLINE_MATH float exp32(float x)
{
    int under = x < UNKNOWN(float, -104.0f);
    float y = exp_join(exp_parts(at_most32(under ? 0.0f : x, UNKNOWN(float, 89.0f)), NOTHING));
    return under ? 0.0f : y;
}

/* exp_join where the result is normal. Of ROUNDER no bit stays in the exponent: added, it undoes what exp_parts took away. */
INLINE_MATH float exp_join_near(Exponential e)
{
    uint32_t shifted = (uint32_t)e.power + (uint32_t)bits_of(ROUNDER);
    return of_bits((int32_t)((uint32_t)bits_of(1.0f + e.fraction) + (shifted << 23)));
}

/* exp32 for |x| <= EXP_NEAR, the same bits. */
#define EXP_NEAR 0x42ae0000u    /* 87 */

INLINE_MATH float exp_near32(float x)
{
    return exp_join_near(exp_parts(x, NOTHING));
}

/* The same for a power from -150 to 0, at the price of one factor: the second is a constant. */
INLINE_MATH float exp_join_negative(Exponential e)
{
    return (1.0f + e.fraction) * power_of_two(e.power + 24) * 0x1p-24f;
}

/* e^x for x <= 0. 1.1 ULP. */
INLINE_MATH float exp_of_negative32(float x)
{
    int under = x < UNKNOWN(float, -104.0f);
    float y = exp_join_negative(exp_parts(under ? 0.0f : x, NOTHING));
    return under ? 0.0f : y;
}

/* 2^x. 1.2 ULP. */
INLINE_MATH float exp2_32(float x)
{
    Exponential e;
    int under = x < UNKNOWN(float, -151.0f);
    float within = at_most32(under ? 0.0f : x, UNKNOWN(float, 129.0f));
    float shifted = within + ROUNDER;
    float r = (within - (shifted - ROUNDER)) * 0.693147181f;
    e.fraction = exp_core(r) * r * r + r;
    e.power = bits_of(shifted) - bits_of(ROUNDER);
    float y = exp_join(e);
    return under ? 0.0f : y;
}

/* e^x - 1, the last bits kept near 0. 2.2 ULP. */
INLINE_MATH float expm1_32(float x)
{
    Exponential e = exp_parts(at_least32(at_most32(x, UNKNOWN(float, 89.0f)), UNKNOWN(float, -30.0f)), NOTHING);
    float half = power_of_two(e.power - 1);     /* half of it first: 2^128 would overflow before the result does */
    return x == 0.0f ? x : 2.0f * (half * e.fraction + (half - 0.5f));
}

/* tanh(x) = d / (d + 2) where d = e^2|x| - 1. 2.8 ULP. */
INLINE_MATH float tanh32(float x)
{
    Exponential e = exp_parts(at_most32(2.0f * abs32(x), UNKNOWN(float, 40.0f)), NOTHING);
    float scale = power_of_two(e.power);
    float d = scale * e.fraction + (scale - 1.0f);
    return with_sign(d / (d + 2.0f), x);
}

/* Half of e^|x| - 1, up to the largest finite sinh. */
INLINE_MATH float half_expm1(float magnitude)
{
    Exponential e = exp_parts(at_most32(magnitude, UNKNOWN(float, 89.5f)), NOTHING);
    float quarter = power_of_two(e.power - 2);
    return 2.0f * (quarter * e.fraction + (quarter - 0.25f));
}

/* 2.5 ULP. */
INLINE_MATH float sinh32(float x)
{
    float q = half_expm1(abs32(x));
    float finite = at_most32(q, UNKNOWN(float, 1e30f));
    return with_sign(q + finite / (2.0f * finite + 1.0f), x);
}

/* 2 ULP. */
INLINE_MATH float cosh32(float x)
{
    float half = half_expm1(abs32(x)) + 0.5f;
    return half + 0.25f / half;
}

/* 1 / (1 + e^-x), by e^-|x|, so that both ends keep their last bits. 2.5 ULP. */
INLINE_MATH float sigmoid32(float x)
{
    float e = exp_of_negative32(-abs32(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* ---- logarithms --------------------------------------------------------------------------------------------------- */

/* log(1 + t) - t, for sqrt(1/2) <= 1 + t <= sqrt(2). */
INLINE_MATH float log_core(float t)
{
    float p = -0.07859609247f;
    p = p * t + 0.1288164645f;
    p = p * t - 0.1312875541f;
    p = p * t + 0.1418119222f;
    p = p * t - 0.1662455399f;
    p = p * t + 0.2000228625f;
    p = p * t - 0.2500081041f;
    p = p * t + 0.3333331673f;
    return (p * t - 0.5f) * (t * t);
}

/* x = 2^power (1 + t) with 1 + t as log_core wants it. */
typedef struct Logarithm {
    float t;
    float power;
} Logarithm;

/* a - b, around the ends of int32: negative numbers and NaN come here too, and log_ends puts their answers. */
INLINE_MATH int32_t bits_apart(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

INLINE_MATH int32_t log_exponent(float x)
{
    return bits_apart(bits_of(x), 0x3f3504f3) >> 23;
}

INLINE_MATH Logarithm log_parts(float x)
{
    Logarithm l;
    int denormal = x < 0x1p-126f;
    float scaled = denormal ? x * 0x1p23f : x;
    int32_t exponent = log_exponent(scaled);
    l.t = of_bits(bits_apart(bits_of(scaled), (int32_t)((uint32_t)exponent << 23))) - 1.0f;
    l.power = (float)exponent - (denormal ? 23.0f : 0.0f);
    return l;
}

/* The ends of every logarithm, from the value `y` found in between. */
INLINE_MATH float log_ends(float x, float y)
{
    y = x == 0.0f ? -INF32 : y;
    y = x < 0.0f ? NAN32 : y;
    return x < INF32 ? y : x;       /* infinity and NaN as they came */
}

/* log_parts of a positive number that is neither denormal nor infinite: LOG_NEAR in terms of map.h's `from_least_normal`. */
#define LOG_NEAR 0x7effffffu

INLINE_MATH Logarithm log_parts_near(float x)
{
    Logarithm l;
    int32_t exponent = log_exponent(x);
    l.t = of_bits(bits_apart(bits_of(x), (int32_t)((uint32_t)exponent << 23))) - 1.0f;
    l.power = (float)exponent;
    return l;
}

/* 1 ULP. */
INLINE_MATH float log_of_parts(Logarithm l)
{
    return multiply_add(l.power, LN2_LOW, log_core(l.t)) + l.t + l.power * LN2_HIGH;
}

INLINE_MATH float log32(float x)
{
    return log_ends(x, log_of_parts(log_parts(x)));
}

/* 1.5 ULP. log2(e) = 1 + 0.4427: the whole part costs no rounding. */
INLINE_MATH float log2_of_parts(Logarithm l)
{
    float tail = log_core(l.t);
    return multiply_add(l.t, 0.442695041f, tail * 0.442695041f) + tail + l.t + l.power;
}

INLINE_MATH float log2_32(float x)
{
    return log_ends(x, log2_of_parts(log_parts(x)));
}

/* 2 ULP. Constants in two parts, the first of few bits. */
INLINE_MATH float log10_of_parts(Logarithm l)
{
    float tail = log_core(l.t);
    float y = multiply_add(l.power, 2.48745664e-4f, (tail + l.t) * 7.00731903e-4f);
    return y + tail * 0.43359375f + l.t * 0.43359375f + l.power * 0.30078125f;
}

INLINE_MATH float log10_32(float x)
{
    return log_ends(x, log10_of_parts(log_parts(x)));
}

/* log(1 + x), the last bits kept near 0. 1.5 ULP. */
INLINE_MATH float log1p_32(float x)
{
    int large = x > 0x1p24f;        /* where adding 1 changes nothing */
    float u = large ? x : 1.0f + x;
    int32_t exponent = log_exponent(u);
    /* 1 + t = (1 + x) / 2^exponent, made without ever rounding 1 + x. */
    float scale = power_of_two(large ? 0 : -exponent);
    float t_small = x * scale + (scale - 1.0f);
    float t_large = of_bits(bits_apart(bits_of(u), (int32_t)((uint32_t)exponent << 23))) - 1.0f;
    float t = large ? t_large : t_small;
    float y = log_core(t) + (float)exponent * LN2_LOW + t + (float)exponent * LN2_HIGH;
    y = x == 0.0f ? x : y;
    y = x == -1.0f ? -INF32 : y;
    y = x < -1.0f ? NAN32 : y;
    return x < INF32 ? y : x;
}

/* log(1 + e) for 0 <= e <= 1. 1.5 ULP. */
INLINE_MATH float log1p_of_unit32(float e)
{
    int large = e > 0.414213562f;
    float t = large ? 0.5f * (e - 1.0f) : e;
    float power = large ? 1.0f : 0.0f;
    return log_core(t) + power * LN2_LOW + t + power * LN2_HIGH;
}

/* |x|^y by 2^(y log2 |x|), the exponent in double, for it must be right to 2^-33; then the sign and the ends. 1.5 ULP. */
INLINE_MATH float pow32(float x, float y)
{
    float a = abs32(x);
    int denormal = a < 0x1p-126f;
    float scaled = denormal ? a * 0x1p23f : a;
    int32_t exponent = log_exponent(scaled);
    double t = (double)of_bits(bits_apart(bits_of(scaled), (int32_t)((uint32_t)exponent << 23))) - 1.0;
    /* log2(1 + t) by 2 atanh(s) / log(2). */
    double s = t / (t + 2.0);
    double z = s * s;
    double p = 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    double log2 = s * (1.0 + z * p) * 2.88539008177792681472 + ((double)exponent - (denormal ? 23.0 : 0.0));
    log2 = a == 0.0f ? -(double)INFINITY : log2;
    log2 = a == INF32 ? (double)INFINITY : log2;
    double power = a == 1.0f ? 0.0 : (double)y * log2;
    power = power < 150.0 ? power : 150.0;
    power = power > -170.0 ? power : -170.0;
    double n = power + 0x1.8p52 - 0x1.8p52;
    float r = (float)((power - n) * 0.69314718055994530942);
    Exponential e = {exp_core(r) * r * r + r, (int32_t)n};
    float result = exp_join(e);
    float half = 0.5f * y;
    int whole = truncf(y) == y;
    int odd = whole & (truncf(half) != half);
    result = ((bits_of(x) < 0) & odd) ? -result : result;
    result = ((x < 0.0f) & !whole & (a != INF32)) ? NAN32 : result;
    result = ((x != x) | (y != y)) ? NAN32 : result;
    return ((y == 0.0f) | (x == 1.0f)) ? 1.0f : result;
}

/* ---- angles by their sines and tangents ------------------------------------------------------------------------------ */

#define PI_HIGH 3.14159274f
#define PI_LOW -8.74227766e-8f

/* asin(s) / s - 1 over s^2, for 0 <= s <= 1/2, of z = s^2. */
INLINE_MATH float asin_core(float z)
{
    float p = 0.0422185559f;
    p = p * z + 0.0241476079f;
    p = p * z + 0.04547709737f;
    p = p * z + 0.07495241783f;
    return p * z + 0.1666675393f;
}

/* Past 1/2 by asin(a) = pi / 2 - 2 asin(sqrt((1 - a) / 2)). 2.5 ULP. */
INLINE_MATH float asin32(float x)
{
    float a = abs32(x);
    int large = a > 0.5f;
    float z = large ? 0.5f * (1.0f - a) : a * a;
    float s = large ? sqrtf(z) : a;
    float y = s + s * z * asin_core(z);
    return with_sign(large ? 0.5f * PI_HIGH - (2.0f * y - 0.5f * PI_LOW) : y, x);
}

/* 1.5 ULP. */
INLINE_MATH float acos32(float x)
{
    float a = abs32(x);
    int large = a > 0.5f;
    float z = large ? 0.5f * (1.0f - a) : a * a;
    float s = large ? sqrtf(z) : a;
    float y = s + s * z * asin_core(z);
    float far = x < 0.0f ? PI_HIGH - (2.0f * y - PI_LOW) : 2.0f * y;
    return large ? far : 0.5f * PI_HIGH - (with_sign(y, x) - 0.5f * PI_LOW);
}

/* atan(u) / u - 1 over u^2, for |u| <= tan(pi / 8), of z = u^2. */
INLINE_MATH float atan_core(float z)
{
    float p = -0.06081156515f;
    p = p * z + 0.1059514002f;
    p = p * z - 0.1424373882f;
    p = p * z + 0.19998484f;
    return p * z - 0.3333331542f;
}

/* By atan(a) = pi / 4 + atan((a - 1) / (a + 1)) = pi / 2 - atan(1 / a). 2.2 ULP. */
INLINE_MATH float atan32(float x)
{
    float a = abs32(x);
    int far = a > 2.41421356f;
    int middle = a > 0.414213562f;
    float u = (far ? -1.0f : middle ? a - 1.0f : a) / (far ? a : middle ? a + 1.0f : 1.0f);
    float z = u * u;
    float base = far ? 0.5f : middle ? 0.25f : 0.0f;
    return with_sign(base * PI_HIGH + (base * PI_LOW + (u * z * atan_core(z) + u)), x);
}

/* The angle of the point (x, y). 3 ULP. */
INLINE_MATH float atan2_32(float y, float x)
{
    float a = abs32(y);
    float b = abs32(x);
    int steep = a > b;
    float large = steep ? a : b;
    float small = steep ? b : a;
    int equal = small == large;             /* 0/0 and infinity/infinity are 45 degrees, or none */
    float scale = large > 0x1p126f ? 0.25f : 1.0f;
    large = equal ? 1.0f : large * scale;
    small = equal ? (a == 0.0f ? 0.0f : 1.0f) : small * scale;
    int middle = small > 0.414213562f * large;
    float u = (middle ? small - large : small) / (middle ? small + large : large);
    float z = u * u;
    float angle = u * z * atan_core(z) + u;
    angle = middle ? 0.25f * PI_HIGH + (0.25f * PI_LOW + angle) : angle;
    angle = steep ? 0.5f * PI_HIGH - (angle - 0.5f * PI_LOW) : angle;
    angle = bits_of(x) < 0 ? PI_HIGH - (angle - PI_LOW) : angle;
    angle = ((x != x) | (y != y)) ? NAN32 : angle;
    return with_sign(angle, y);
}

/* In double, where no square of a float overflows. */
INLINE_MATH float hypot32(float x, float y)
{
    double wide_x = x;
    double wide_y = y;
    float length = (float)sqrt(wide_x * wide_x + wide_y * wide_y);
    int endless = abs32(x) == INF32;
    endless |= abs32(y) == INF32;
    return endless ? INF32 : length;
}

#endif
