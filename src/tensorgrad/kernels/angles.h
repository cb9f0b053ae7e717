/* Sines of float32, held to the rules of vmath.h. */
#ifndef TENSORGRAD_ANGLES_H
#define TENSORGRAD_ANGLES_H

#include "vmath.h"

/* Up to here the reduction below holds; map.h leaves larger arguments to C's functions. */
#define TRIGONOMETRY_LIMIT 0x1p20f

/* sin(r) / r - 1 over r^2, and cos(r) - 1 + r^2 / 2 over r^4, for |r| <= pi / 4, of z = r^2. */
INLINE_MATH float sin_core(float z)
{
    return (2.717939916e-6f * z - 0.0001983929613f) * z * z + (0.008333329267f * z - 0.1666666664f);
}

INLINE_MATH float cos_core(float z)
{
    return (2.443484635e-5f * z - 0.001388733709f) * z + 0.04166664627f;
}

/* x = quadrant pi / 2 + r, the quadrant in its last two bits. Past NEAR_ANGLE in double: pi / 2 in two parts, the first of 33 bits,
   so that its product is exact. */
typedef struct Angle {
    float sin, cos;         /* of r */
    int32_t quadrant;
} Angle;

INLINE_MATH Angle angle_of(float x, float r, float low, int32_t quadrant)
{
    Angle angle;
    float z = r * r;
    angle.sin = z == 0.0f ? x : r + (r * z * sin_core(z) + low);       /* the sums would take the sign from -0 */
    angle.cos = 1.0f - 0.5f * z + z * z * cos_core(z);
    angle.quadrant = quadrant;
    return angle;
}

/* Up to NEAR_ANGLE, where three parts of pi / 2 in float are enough, `low` being the third and what the second rounds off. */
#define NEAR_ANGLE 0x45800000u      /* 4096, by its bits */

INLINE_MATH Angle reduce_near(float x)
{
    float shifted = x * 0.636619772f + ROUNDER;
    float n = shifted - ROUNDER;
#ifdef FP_FAST_FMAF
    float most = fmaf(-n, 1.57079637f, x);      /* exact */
    float r = fmaf(-n, -4.37113883e-8f, most);
    float lost = fmaf(-n, -4.37113883e-8f, most - r);       /* right if the difference is exact, as of no small r */
    float low = fmaf(-n, -1.71512451e-15f, abs32(r) < 0x1p-12f ? 0.0f : lost);
#else
    double wide = x - n * 1.57079632673412561417e+00 - n * 6.07710050650619224932e-11;
    float r = (float)wide;
    float low = (float)(wide - r);
#endif
    return angle_of(x, r, low, bits_of(shifted));
}

INLINE_MATH Angle reduce_angle(float x)
{
    double wide = x;
    double n = wide * 0.63661977236758134308 + 0x1.8p52 - 0x1.8p52;
    float r = (float)(wide - n * 1.57079632673412561417e+00 - n * 6.07710050650619224932e-11);
    /* Sines of more, and of NaN, are made elsewhere. */
    Angle far = angle_of(x, r, 0.0f, n < 0x1p31f && n > -0x1p31f ? (int32_t)n : 0);
    Angle near = reduce_near(x);
    int is_near = ((uint32_t)bits_of(x) & 0x7fffffffu) <= NEAR_ANGLE;
    Angle angle = {is_near ? near.sin : far.sin, is_near ? near.cos : far.cos, is_near ? near.quadrant : far.quadrant};
    return angle;
}

/* -x where the second bit of `quadrant` is set. */
INLINE_MATH float flip_sign(float x, int32_t quadrant)
{
    return of_bits(bits_of(x) ^ (int32_t)(((uint32_t)quadrant << 30) & 0x80000000u));
}

/* 1.6 ULP. */
INLINE_MATH float sin_of(Angle angle)
{
    return flip_sign(angle.quadrant & 1 ? angle.cos : angle.sin, angle.quadrant);
}

/* 1.6 ULP. */
INLINE_MATH float cos_of(Angle angle)
{
    return flip_sign(angle.quadrant & 1 ? angle.sin : angle.cos, angle.quadrant + 1);
}

/* 3.5 ULP. */
INLINE_MATH float tan_of(Angle angle)
{
    int odd = angle.quadrant & 1;
    return (odd ? -angle.cos : angle.sin) / (odd ? angle.sin : angle.cos);
}

#define sin32(x) sin_of(reduce_angle(x))
#define cos32(x) cos_of(reduce_angle(x))
#define tan32(x) tan_of(reduce_angle(x))
#define sin_near32(x) sin_of(reduce_near(x))
#define cos_near32(x) cos_of(reduce_near(x))
#define tan_near32(x) tan_of(reduce_near(x))

#endif
