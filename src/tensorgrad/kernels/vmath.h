/* Mathematics of float32, branch-free, so that the compiler can put each function into vector registers.
 *
 * The error of each function is stated in ULP (units in the last place of the exact result, rounded), found by running
 * over all or many float32 values against float64 (tests/test_kernels.py measures and bounds it again). Infinity, NaN and denormals give what C's
 * functions give. Polynomials are minimax fits of our own; what is fitted, and where, stands beside each.
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

/* Comparisons written so that NaN falls through to `x`. */
INLINE_MATH float at_most(float x, float limit)
{
    return x > limit ? limit : x;
}

INLINE_MATH float at_least(float x, float limit)
{
    return x < limit ? limit : x;
}

/* exp(r) - 1 - r over r^2, for |r| <= ln(2)/2. */
INLINE_MATH float exp_core(float r)
{
    float p = 0.001395060171f;
    p = p * r + 0.008368953505f;
    p = p * r + 0.04166620415f;
    p = p * r + 0.1666651831f;
    return p * r + 0.5000000096f;
}

/* 1 ULP. */
INLINE_MATH float exp32(float x)
{
    float within = at_least(at_most(x, 89.0f), -104.0f);
    float shifted = within * 1.44269504f + ROUNDER;
    float n = shifted - ROUNDER;
    float r = within - n * LN2_HIGH - n * LN2_LOW;
    float p = exp_core(r) * r * r + r + 1.0f;
    /* In two steps, so that neither factor overflows and a denormal result is rounded once. */
    int32_t whole = bits_of(shifted) - bits_of(ROUNDER);
    int32_t half = whole >> 1;
    return p * power_of_two(half) * power_of_two(whole - half);
}

/* exp(x) for x <= 0, where nothing can overflow; results below 2^-126 become 0. 1 ULP otherwise. NaN stays. */
INLINE_MATH float exp_of_negative(float x)
{
    float within = at_least(x, -87.3f);
    float shifted = within * 1.44269504f + ROUNDER;
    float n = shifted - ROUNDER;
    float r = within - n * LN2_HIGH - n * LN2_LOW;
    float p = exp_core(r) * r * r + r + 1.0f;
    float scaled = p * of_bits((int32_t)((uint32_t)bits_of(shifted) << 23) + bits_of(1.0f));
    return x < -87.3f ? 0.0f : scaled;
}

/* exp(x) - 1 for 0 <= x <= 60; keeps small x to the last bit. 1 ULP. */
INLINE_MATH float expm1_of_positive(float x)
{
    float shifted = x * 1.44269504f + ROUNDER;
    float n = shifted - ROUNDER;
    float r = x - n * LN2_HIGH - n * LN2_LOW;
    float p = exp_core(r) * r * r + r;
    float scale = of_bits((int32_t)((uint32_t)bits_of(shifted) << 23) + bits_of(1.0f));
    return scale * p + (scale - 1.0f);
}

/* (e^2x - 1) / (e^2x + 1). 2 ULP. */
INLINE_MATH float tanh32(float x)
{
    float e = expm1_of_positive(at_most(2.0f * abs32(x), 40.0f));
    return with_sign(e / (e + 2.0f), x);
}

/* 1 / (1 + e^-x), by e^-|x|, so that both ends keep their last bits. 2 ULP. */
INLINE_MATH float sigmoid32(float x)
{
    float e = exp32(-abs32(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* log(x). 1 ULP. */
INLINE_MATH float log32(float x)
{
    int tiny = x < 0x1p-126f;
    float scaled = tiny ? x * 0x1p23f : x;
    /* The exponent that brings the mantissa into [sqrt(1/2), sqrt(2)). */
    int32_t exponent = (bits_of(scaled) - 0x3f3504f3) >> 23;
    float t = of_bits(bits_of(scaled) - (int32_t)((uint32_t)exponent << 23)) - 1.0f;
    float n = (float)exponent - (tiny ? 23.0f : 0.0f);
    float p = -0.07859609247f;
    p = p * t + 0.1288164645f;
    p = p * t - 0.1312875541f;
    p = p * t + 0.1418119222f;
    p = p * t - 0.1662455399f;
    p = p * t + 0.2000228625f;
    p = p * t - 0.2500081041f;
    p = p * t + 0.3333331673f;
    float square = t * t;
    float result = p * t * square + n * LN2_LOW - 0.5f * square + t + n * LN2_HIGH;
    result = x == 0.0f ? -INF32 : result;
    result = x < 0.0f ? NAN32 : result;
    return x < INF32 ? result : x;      /* infinity and NaN as they came */
}

#endif
