/* Mathematics of float32, made of that in vmath.h and held to its rules: the normal distribution, and activations. */
#ifndef TENSORGRAD_ACTIVATIONS_H
#define TENSORGRAD_ACTIVATIONS_H

#include "angles.h"
#include "vmath.h"

/* ---- the normal distribution -------------------------------------------------------------------------------------- */

/* exp(a^2) erfc(a), for 0 <= a <= 10.3: times a + 2 it is a polynomial of q = (a - 2) / (a + 2). */
INLINE_MATH float erfcx_core(float a)
{
    float t = 1.0f / (a + 2.0f);
    float q = (a - 2.0f) * t;
    float p = -4.449191025e-5f;
    p = p * q - 0.0005254323282f;
    p = p * q - 0.0007271152126f;
    p = p * q + 0.003039760701f;
    p = p * q + 0.006434896677f;
    p = p * q - 0.02150195904f;
    p = p * q - 0.03643578921f;
    p = p * q + 0.2794714431f;
    p = p * q - 0.6871609308f;
    return t * (p * q + 1.021582715f);
}

/* What rounding a * a to `square` lost, but for its last bits. */
INLINE_MATH float square_rest(float a, float square)
{
#ifdef FP_FAST_FMAF
    return fmaf(a, a, -square);
#else
    float high = of_bits(bits_of(a) & (int32_t)0xfffff000);
    return (high * high - square) + (a - high) * (a + high);
#endif
}

/* exp(-share a^2), share 1/2 or 1, down to e^-104, in parts. Rounding a^2 alone would cost 50 ULP. */
INLINE_MATH Exponential square_parts(float a, float share)
{
    float square = a * a;
    return exp_parts(-share * square, -share * square_rest(a, square));
}

INLINE_MATH float exp_of_square(float a, float share)
{
    return exp_join_negative(square_parts(a, share));
}

/* erfc(a) for a >= 0. */
INLINE_MATH float erfc_of_positive(float a)
{
    float within = at_most32(a, UNKNOWN(float, 10.2f));
    return exp_of_square(within, 1.0f) * erfcx_core(within);
}

/* 5 ULP. */
INLINE_MATH float erfc32(float x)
{
    float tail = erfc_of_positive(abs32(x));
    return x < 0.0f ? 2.0f - tail : tail;
}

/* Of x and erfc(|x|). Up to 0.93 by erf(x) / x - 1, of z = x^2. 1.5 ULP. */
INLINE_MATH float erf_of(float x, float tail)
{
    float a = abs32(x);
    float z = a * a;
    float p = -0.0005976896458f;
    p = p * z + 0.004990980842f;
    p = p * z - 0.02676556747f;
    p = p * z + 0.1128180279f;
    p = p * z - 0.3761249432f;
    p = p * z + 0.12837915f;
    return with_sign(a < 0.93f ? a * p + a : 1.0f - tail, x);
}

INLINE_MATH float erf32(float x)
{
    return erf_of(x, erfc_of_positive(abs32(x)));
}

/* The same for |x| <= ERF_NEAR. */
#define ERF_NEAR 0x41080000u    /* 8.5 */

INLINE_MATH float erf_near32(float x)
{
    float a = abs32(x);
    return erf_of(x, exp_join_near(square_parts(a, 1.0f)) * erfcx_core(a));
}

/* 2 / sqrt(pi) exp(-x^2). */
INLINE_MATH float erf_slope32(float x)
{
    return 1.12837917f * exp_of_square(at_most32(abs32(x), UNKNOWN(float, 10.2f)), 1.0f);
}

/* The normal distribution at x, of a = |x|: twice what lies beyond a, and its density without 1 / sqrt(2 pi). */
typedef struct Normal {
    float beyond, bell;
} Normal;

INLINE_MATH Normal normal_of(float a, float bell)
{
    Normal normal = {bell * erfcx_core(a * 0.707106781f), bell};
    return normal;
}

INLINE_MATH Normal normal32(float x)
{
    float a = at_most32(abs32(x), UNKNOWN(float, 14.4f));
    return normal_of(a, exp_of_square(a, 0.5f));
}

/* The same for |x| <= NORMAL_NEAR. */
#define NORMAL_NEAR 0x41480000u     /* 12.5 */

INLINE_MATH Normal normal_near32(float x)
{
    float a = abs32(x);
    return normal_of(a, exp_join_near(square_parts(a, 0.5f)));
}

/* Its function: what lies below x. */
INLINE_MATH float below32(float x, Normal normal)
{
    float tail = 0.5f * normal.beyond;
    return x < 0.0f ? tail : 1.0f - tail;
}

INLINE_MATH float ndtr_slope32(float x)
{
    return 0.398942280f * exp_of_square(at_most32(abs32(x), UNKNOWN(float, 14.4f)), 0.5f);
}

/* The number whose erf is x: x times a polynomial, up to -log(1 - x^2) = w = 5 of that, then of its root. 3 ULP. */
INLINE_MATH float erfinv_core(float w)
{
    float v = w - 2.5f;
    float near = -8.790486819e-09f;
    near = near * v + 2.323394019e-08f;
    near = near * v + 4.661637915e-07f;
    near = near * v - 3.462721814e-06f;
    near = near * v - 4.963325138e-06f;
    near = near * v + 0.0002183445082f;
    near = near * v - 0.001252741884f;
    near = near * v - 0.004177386858f;
    near = near * v + 0.2466402861f;
    return near * v + 1.501409359f;
}

/* erfinv32 for |x| <= ERFINV_NEAR. */
#define ERFINV_NEAR 0x3f7f1aa0u     /* 0.9965 */

INLINE_MATH float erfinv_near32(float x)
{
    float a = abs32(x);
    return x * erfinv_core(-log_of_parts(log_parts_near((1.0f - a) * (1.0f + a))));
}

INLINE_MATH float erfinv32(float x)
{
    float a = abs32(x);
    float w = -log32((1.0f - a) * (1.0f + a));
    float v = sqrtf(w) - 3.0f;
    float far = 0.000122281471f;
    far = far * v - 0.0003156189864f;
    far = far * v - 6.554845888e-05f;
    far = far * v + 0.001492089782f;
    far = far * v - 0.003593186104f;
    far = far * v + 0.005684501521f;
    far = far * v - 0.00763811644f;
    far = far * v + 0.00944555193f;
    far = far * v + 1.001675015f;
    far = far * v + 2.832976797f;
    float y = x * (w < 5.0f ? erfinv_core(w) : far);
    y = a == 1.0f ? with_sign(INF32, x) : y;
    return a > 1.0f ? NAN32 : y;
}

/* sqrt(pi) / 2 exp(y^2). */
INLINE_MATH float erfinv_slope32(float x)
{
    float y = abs32(erfinv32(x));
    float within = at_most32(y, UNKNOWN(float, 9.5f));
    float high = of_bits(bits_of(within) & (int32_t)0xfffff000);
    return y == INF32 ? y : 0.886226925f * exp_join(exp_parts(high * high, (within - high) * (within + high)));
}

/* sin(pi x) / (pi x), the product rounded as PyTorch rounds it. */
INLINE_MATH float sinc32(float x)
{
    float t = x * 3.14159265f;
    return x == 0.0f ? 1.0f : sin32(t) / t;
}

/* ---- activations -------------------------------------------------------------------------------------------------- */

/* x times the share of the normal distribution below x. 6 ULP, on the negative side too, but for denormal results. */
INLINE_MATH float gelu_of(float x, Normal normal)
{
    return at_least32(x, UNKNOWN(float, -0.0f)) - 0.5f * abs32(x) * normal.beyond;
}

INLINE_MATH float gelu32(float x)
{
    float y = gelu_of(x, normal32(x));
    return x > 12.5f ? x : y;       /* infinity too */
}

INLINE_MATH float gelu_slope_of(float x, Normal normal)
{
    return below32(x, normal) + x * 0.398942280f * normal.bell;
}

INLINE_MATH float gelu_slope32(float x)
{
    /* So that an infinity gives its limit. */
    return gelu_slope_of(with_sign(at_most32(abs32(x), UNKNOWN(float, 14.4f)), x), normal32(x));
}

#define real float
#define NAMED(name) name##32
#define ABSOLUTE(x) abs32(x)
#define SIGNED(x, sign) with_sign(x, sign)
#define ROOT(x) sqrtf(x)
#define LEAST_EXPONENT (-104)       /* e to it is 0, or nearly */
#include "both.h"

#endif
