/* Mathematics of float32, made of that in vmath.h and held to its rules: the normal distribution, and activations. */
#ifndef TENSORGRAD_ACTIVATIONS_H
#define TENSORGRAD_ACTIVATIONS_H

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

/* exp(-share a^2), share 1/2 or 1, down to e^-104. Rounding a^2 would cost 50 ULP: 12 of its bits are squared exactly. */
INLINE_MATH float exp_of_square(float a, float share)
{
    float high = of_bits(bits_of(a) & (int32_t)0xfffff000);
    return exp_join_negative(exp_parts(-share * high * high, -share * (a - high) * (a + high)));
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

/* Up to 0.93 by erf(x) / x - 1, of z = x^2. 1.5 ULP. */
INLINE_MATH float erf32(float x)
{
    float a = abs32(x);
    float z = a * a;
    float p = -0.0005976896458f;
    p = p * z + 0.004990980842f;
    p = p * z - 0.02676556747f;
    p = p * z + 0.1128180279f;
    p = p * z - 0.3761249432f;
    p = p * z + 0.12837915f;
    return with_sign(a < 0.93f ? a * p + a : 1.0f - erfc_of_positive(a), x);
}

/* 2 / sqrt(pi) exp(-x^2). */
INLINE_MATH float erf_slope32(float x)
{
    return 1.12837917f * exp_of_square(at_most32(abs32(x), UNKNOWN(float, 10.2f)), 1.0f);
}

/* The normal distribution at x: its function, and its density without 1 / sqrt(2 pi). */
typedef struct Normal {
    float below, bell;
} Normal;

INLINE_MATH Normal normal32(float x)
{
    Normal normal;
    float a = at_most32(abs32(x), UNKNOWN(float, 14.4f));
    normal.bell = exp_of_square(a, 0.5f);
    float tail = 0.5f * normal.bell * erfcx_core(a * 0.707106781f);
    normal.below = x < 0.0f ? tail : 1.0f - tail;
    return normal;
}

INLINE_MATH float ndtr_slope32(float x)
{
    return 0.398942280f * exp_of_square(at_most32(abs32(x), UNKNOWN(float, 14.4f)), 0.5f);
}

/* The number whose erf is x: x times a polynomial, up to -log(1 - x^2) = w = 5 of that, then of its root. 3 ULP. */
INLINE_MATH float erfinv32(float x)
{
    float a = abs32(x);
    float w = -log32((1.0f - a) * (1.0f + a));
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
    near = near * v + 1.501409359f;
    v = sqrtf(w) - 3.0f;
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
    float y = x * (w < 5.0f ? near : far);
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
INLINE_MATH float gelu32(float x)
{
    return x * normal32(x).below;
}

INLINE_MATH float gelu_slope32(float x)
{
    Normal normal = normal32(x);
    float within = with_sign(at_most32(abs32(x), UNKNOWN(float, 14.4f)), x);      /* so that an infinity gives its limit */
    return normal.below + within * 0.398942280f * normal.bell;
}

#define real float
#define NAMED(name) name##32
#define ABSOLUTE(x) abs32(x)
#define SIGNED(x, sign) with_sign(x, sign)
#define ROOT(x) sqrtf(x)
#define LEAST_EXPONENT (-104)       /* e to it is 0, or nearly */
#include "both.h"

#endif
