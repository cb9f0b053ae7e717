/* float16 and bfloat16 in plain integer arithmetic, branch-free, so that the compiler can vectorise it on any machine. */
#ifndef TENSORGRAD_HALF_H
#define TENSORGRAD_HALF_H

#include <stdint.h>

#include "vmath.h"

/* Exact. A half's exponent and fraction, moved to a float's place, are 2^112 too small; the product mends denormals too. */
ALWAYS_INLINE float float_of_half(uint16_t half)
{
    int32_t magnitude = (int32_t)(half & 0x7fff) << 13;
    float value = of_bits(magnitude) * 0x1p112f;
    int32_t bits = (half & 0x7c00) == 0x7c00 ? (magnitude | 0x7f800000) : bits_of(value);
    return of_bits(bits | (int32_t)((uint32_t)(half & 0x8000) << 16));
}

/* Rounds to the nearest, ties to even. */
ALWAYS_INLINE uint16_t half_of_float(float value)
{
    uint32_t bits = (uint32_t)bits_of(value);
    uint32_t sign = (bits >> 16) & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    /* A result below 2^-14 has a fixed unit: adding 1/2 lets the processor round to it. */
    uint32_t small = (uint32_t)bits_of(of_bits((int32_t)magnitude) + 0.5f) - 0x3f000000;
    uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    uint32_t half = magnitude < 0x38800000 ? small : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? (0x7e00 | ((magnitude >> 13) & 0x3ff)) : half;
    return (uint16_t)(half | sign);
}

/* By way of a float rounded to odd, from which the second rounding gives what one alone would have given. */
ALWAYS_INLINE uint16_t half_of_double(double value)
{
    float nearest = (float)value;
    uint32_t bits = (uint32_t)bits_of(nearest);
    double back = nearest;
    int exact = (back == value) | (value != value);
    int away = (back > value) == (value > 0.0);     /* rounded away from 0 */
    uint32_t toward = away ? bits - 1 : bits;
    return half_of_float(of_bits((int32_t)(exact ? bits : (toward | 1))));
}

/* Exact: a bfloat16 is the upper half of a float. */
ALWAYS_INLINE float float_of_brain(uint16_t brain)
{
    return of_bits((int32_t)((uint32_t)brain << 16));
}

/* Rounds to the nearest, ties to even. */
ALWAYS_INLINE uint16_t brain_of_float(float value)
{
    uint32_t bits = (uint32_t)bits_of(value);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded);
}

#endif
