/* The formulas, one line each: the kernel's name, its cost, then the expression for float32 and for float64. No include guard:
 * map.h and its two files read this several times. Of formulas with settings (.._SET), which are s0 and s1 in them, their names come third.
 *
 * POINT1(name, cost, single, wide)           of x
 * NEAR1(name, cost, measure, most, short, single, wide)    of x; float32 shorter up to a distance, told by its bits (map.h)
 * FAR1(name, cost, single, wide, ...)        of x; then the same two for arguments past TRIGONOMETRY_LIMIT, of float64 its own
 * ANGLE1(name, cost, short, single, wide, ...) the same, float32 shorter up to NEAR_ANGLE
 * POINT2(name, cost, single, wide)           of x and y
 * ARITHMETIC2(name, cost, single, wide)      of x and y, one of which may be a single number: loops of their own for that
 * QUOTIENT2(name, cost, single, wide, ...)   of x and y; then the same two where the quotient is large or there is none
 * SLOPE(name, cost, single, wide)            backward: of the gradient g and the value v that the tape saved (input or output)
 * NEAR_SLOPE, FAR_SLOPE, ANGLE_SLOPE         the same, as above
 * WIDE1, WIDE2, WIDE_SLOPE(name, cost, wide) in double for both types: float32 comes and goes through a buffer, and has in s0
 *     how near a result has to be
 * WIDE_OR_FAR1, .._SLOPE(name, cost, is_far, wide, far) the same, with `far` for those which are so
 *
 * The cost is LIGHT where memory is as slow as the formula, HEAVY for a polynomial, SLOW or LONG for more: map.h has the figures.
 * Where PyTorch chose something at a tie, an end or a NaN, so does this.
 */

#define POINT1(name, cost, single, wide) POINT1_SET(name, cost, NULL, single, wide)
#define POINT2(name, cost, single, wide) POINT2_SET(name, cost, NULL, single, wide)
#define SLOPE(name, cost, single, wide) SLOPE_SET(name, cost, NULL, single, wide)

POINT1(zero, LIGHT, ((void)x, 0.0f), ((void)x, 0.0))
POINT1(neg, LIGHT, -x, -x)
POINT1(abs, LIGHT, abs32(x), fabs(x))
POINT1(sign, LIGHT, (float)(x > 0.0f) - (float)(x < 0.0f), (double)(x > 0.0) - (double)(x < 0.0))
POINT1(square, LIGHT, x * x, x * x)
POINT1(sqrt, LIGHT, sqrtf(x), sqrt(x))
POINT1(rsqrt, LIGHT, 1.0f / sqrtf(x), 1.0 / sqrt(x))
POINT1(reciprocal, LIGHT, 1.0f / x, 1.0 / x)
NEAR1(exp, HEAVY, magnitude, EXP_NEAR, exp_near32(x), exp32(x), exp64(x))
POINT1(exp2, HEAVY, exp2_32(x), exp2_64(x))
POINT1(expm1, HEAVY, expm1_32(x), expm1_64(x))
NEAR1(log, HEAVY, from_least_normal, LOG_NEAR, log_of_parts(log_parts_near(x)), log32(x), log64(x))
POINT1(log1p, HEAVY, log1p_32(x), log1p_64(x))
NEAR1(log2, HEAVY, from_least_normal, LOG_NEAR, log2_of_parts(log_parts_near(x)), log2_32(x), log2_64(x))
NEAR1(log10, HEAVY, from_least_normal, LOG_NEAR, log10_of_parts(log_parts_near(x)), log10_32(x), log10_64(x))
ANGLE1(sin, HEAVY, sin_near32(x), sin32(x), sin64(x), sinf(x), sin(x))
ANGLE1(cos, HEAVY, cos_near32(x), cos32(x), cos64(x), cosf(x), cos(x))
ANGLE1(tan, HEAVY, tan_near32(x), tan32(x), tan64(x), tanf(x), tan(x))
POINT1(asin, HEAVY, asin32(x), asin64(x))
POINT1(acos, HEAVY, acos32(x), acos64(x))
POINT1(atan, HEAVY, atan32(x), atan64(x))
POINT1(sinh, HEAVY, sinh32(x), sinh64(x))
POINT1(cosh, HEAVY, cosh32(x), cosh64(x))
POINT1(tanh, HEAVY, tanh32(x), tanh64(x))
POINT1(asinh, HEAVY, asinh32(x), asinh64(x))
POINT1(acosh, HEAVY, acosh32(x), acosh64(x))
POINT1(atanh, HEAVY, atanh32(x), atanh64(x))
NEAR1(erf, HEAVY, magnitude, ERF_NEAR, erf_near32(x), erf32(x), erf64(x))
POINT1(erfc, HEAVY, erfc32(x), erfc64(x))
POINT1(floor, LIGHT, floorf(x), floor(x))
POINT1(ceil, LIGHT, ceilf(x), ceil(x))
POINT1(trunc, LIGHT, truncf(x), trunc(x))
POINT1(round, LIGHT, rintf(x), rint(x))
POINT1(frac, LIGHT, x - truncf(x), x - trunc(x))

NEAR1(erfinv, HEAVY, magnitude, ERFINV_NEAR, erfinv_near32(x), erfinv32(x), erfinv64(x))
NEAR1(ndtr, HEAVY, magnitude, NORMAL_NEAR, below32(x, normal_near32(x)), below32(x, normal32(x)), normal64(x).below)
POINT1(entr, HEAVY, entr32(x), entr64(x))
FAR1(sinc, HEAVY, sinc32(x), sinc64(x), sinf(x * 3.14159265f) / (x * 3.14159265f), sin(x * PI_HIGH64) / (x * PI_HIGH64))
POINT1_SET(logit, HEAVY, "eps", logit32(x < s0 ? s0 : x > 1.0f - s0 ? 1.0f - s0 : x),
           logit64(x < s0 ? s0 : x > 1.0 - s0 ? 1.0 - s0 : x))
WIDE1(erfcx, SLOW, erfcx64(x))
WIDE1(log_ndtr, SLOW, log_ndtr64(x))
WIDE1(ndtri, SLOW, ndtri64(x))
WIDE_OR_FAR1(lgamma, LONG, x <= 0.0, lgamma_of_positive(x), lgamma64(x))
WIDE_OR_FAR1(digamma, LONG, x <= 0.0, digamma_of_positive(x), digamma64(x))
WIDE1(i0, SLOW, i0_64(x))
WIDE1(i1, SLOW, i1_64(x))
WIDE1(i0e, SLOW, i0e64(x))
WIDE1(i1e, SLOW, i1e64(x))

POINT1(sigmoid, HEAVY, sigmoid32(x), sigmoid64(x))
POINT1(relu, LIGHT, x < 0.0f ? 0.0f : x, x < 0.0 ? 0.0 : x)
POINT1(relu6, LIGHT, x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x, x < 0.0 ? 0.0 : x > 6.0 ? 6.0 : x)
POINT1(silu, HEAVY, x * sigmoid32(x), x * sigmoid64(x))
NEAR1(gelu, HEAVY, magnitude, NORMAL_NEAR, gelu_of(x, normal_near32(x)), gelu32(x), gelu64(x))
POINT1(gelu_tanh, HEAVY, x * sigmoid32(gelu_tanh_inner32(x)), x * sigmoid64(gelu_tanh_inner64(x)))
POINT1(softplus_1, HEAVY, softplus32(x), softplus64(x))
POINT1(log_sigmoid, HEAVY, log_sigmoid32(x), log_sigmoid64(x))
POINT1(mish, HEAVY, mish32(x), mish64(x))
POINT1(hardsigmoid, LIGHT, ramp32(x) / 6.0f, ramp64(x) / 6.0)
POINT1(hardswish, LIGHT, x * ramp32(x) / 6.0f, x * ramp64(x) / 6.0)
POINT1(softsign, LIGHT, x / (1.0f + abs32(x)), x / (1.0 + fabs(x)))
POINT1(tanhshrink, HEAVY, x - tanh32(x), x - tanh64(x))
POINT1(selu, HEAVY, (float)SELU_SCALE * (x < 0.0f ? (float)SELU_ALPHA * expm1_32(x) : x),
       SELU_SCALE * (x < 0.0 ? SELU_ALPHA * expm1_64(x) : x))

POINT1_SET(add_scalar, LIGHT, "other", x + s0, x + s0)
POINT1_SET(mul_scalar, LIGHT, "other", x * s0, x * s0)
POINT1_SET(leaky_relu, LIGHT, "negative_slope", x > 0.0f ? x : x * s0, x > 0.0 ? x : x * s0)
POINT1_SET(elu, HEAVY, "alpha", x < 0.0f ? s0 * expm1_32(x) : x, x < 0.0 ? s0 * expm1_64(x) : x)
POINT1_SET(celu, HEAVY, "alpha", x < 0.0f ? s0 * expm1_32(x / s0) : x, x < 0.0 ? s0 * expm1_64(x / s0) : x)
POINT1_SET(clamp, LIGHT, "min max", between32(x, s0, s1), between64(x, s0, s1))
POINT1_SET(hardtanh, LIGHT, "min_val max_val", between32(x, s0, s1), between64(x, s0, s1))
POINT1_SET(hardshrink, LIGHT, "lambd", ((x >= -s0) & (x <= s0)) ? 0.0f : x, ((x >= -s0) & (x <= s0)) ? 0.0 : x)
POINT1_SET(softshrink, LIGHT, "lambd", x > s0 ? x - s0 : x < -s0 ? x + s0 : x * 0.0f,
           x > s0 ? x - s0 : x < -s0 ? x + s0 : x * 0.0)
POINT1_SET(threshold, LIGHT, "threshold value", x <= s0 ? s1 : x, x <= s0 ? s1 : x)

ARITHMETIC2(add, LIGHT, x + y, x + y)
ARITHMETIC2(sub, LIGHT, x - y, x - y)
ARITHMETIC2(mul, LIGHT, x * y, x * y)
ARITHMETIC2(div, LIGHT, x / y, x / y)
POINT2_SET(add_scaled, LIGHT, "alpha", x + s0 * y, x + s0 * y)
ARITHMETIC2(maximum, LIGHT, ((x > y) | (x != x)) ? x : y, ((x > y) | (x != x)) ? x : y)
ARITHMETIC2(minimum, LIGHT, ((x < y) | (x != x)) ? x : y, ((x < y) | (x != x)) ? x : y)
POINT2(fmax, LIGHT, ((x >= y) | (y != y)) ? x : y, ((x >= y) | (y != y)) ? x : y)
POINT2(fmin, LIGHT, ((x <= y) | (y != y)) ? x : y, ((x <= y) | (y != y)) ? x : y)
POINT2(copysign, LIGHT, with_sign(x, y), copysign(x, y))
POINT2(logaddexp, HEAVY, logaddexp32(x, y), logaddexp64(x, y))
POINT2(atan2, HEAVY, atan2_32(x, y), atan2_64(x, y))
POINT2(hypot, HEAVY, hypot32(x, y), hypot64(x, y))
POINT2(logaddexp2, HEAVY, logaddexp2_32(x, y), logaddexp2_64(x, y))
POINT2(xlogy, HEAVY, xlogy32(x, y), xlogy64(x, y))
POINT2(xlog1py, HEAVY, xlog1py32(x, y), xlog1py64(x, y))
POINT2(glu, HEAVY, x * sigmoid32(y), x * sigmoid64(y))
WIDE2(zeta, SERIES, zeta64(x, y))
WIDE2(igamma, SERIES, incomplete_gamma(x, y, 0, s0))
WIDE2(igammac, SERIES, incomplete_gamma(x, y, 1, s0))
POINT2(div_trunc, LIGHT, truncf(x / y), trunc(x / y))
POINT2(pow, SLOW, pow32(x, y), pow64(x, y))
QUOTIENT2(fmod, HEAVY, rest32(x, y), rest64(x, y), fmodf(x, y), fmod(x, y))
QUOTIENT2(remainder, HEAVY, remainder32(x, y, rest32(x, y)), remainder64(x, y, rest64(x, y)),
          remainder32(x, y, fmodf(x, y)), remainder64(x, y, fmod(x, y)))
QUOTIENT2(floor_divide, HEAVY, floored32(x, y, rest32(x, y)), floored64(x, y, rest64(x, y)),
          floored32(x, y, fmodf(x, y)), floored64(x, y, fmod(x, y)))

SLOPE(exp_backward, LIGHT, g * v, g * v)
SLOPE(sigmoid_backward, LIGHT, g * (1.0f - v) * v, g * (1.0 - v) * v)
SLOPE(tanh_backward, LIGHT, g * (1.0f - v * v), g * (1.0 - v * v))
SLOPE(sqrt_backward, LIGHT, g / (2.0f * v), g / (2.0 * v))
SLOPE(rsqrt_backward, LIGHT, -0.5f * g * v * v * v, -0.5 * g * v * v * v)
SLOPE(reciprocal_backward, LIGHT, -g * v * v, -g * v * v)
SLOPE(relu_backward, LIGHT, v <= 0.0f ? 0.0f : g, v <= 0.0 ? 0.0 : g)

SLOPE(log_backward, LIGHT, g / v, g / v)
SLOPE(abs_backward, LIGHT, g * ((float)(v > 0.0f) - (float)(v < 0.0f)), g * ((double)(v > 0.0) - (double)(v < 0.0)))
SLOPE(square_backward, LIGHT, 2.0f * g * v, 2.0 * g * v)
ANGLE_SLOPE(sin_backward, HEAVY, g * cos_near32(v), g * cos32(v), g * cos64(v), g * cosf(v), g * cos(v))
ANGLE_SLOPE(cos_backward, HEAVY, -g * sin_near32(v), -g * sin32(v), -g * sin64(v), -g * sinf(v), -g * sin(v))
SLOPE(erf_backward, HEAVY, g * erf_slope32(v), g * erf_slope64(v))
SLOPE(erfc_backward, HEAVY, -g * erf_slope32(v), -g * erf_slope64(v))
SLOPE(erfinv_backward, HEAVY, g * erfinv_slope32(v), g * erfinv_slope64(v))
SLOPE(ndtr_backward, HEAVY, g * ndtr_slope32(v), g * ndtr_slope64(v))
SLOPE(entr_backward, HEAVY, g * (-log32(v) - 1.0f), g * (-log64(v) - 1.0))
FAR_SLOPE(sinc_backward, SLOW, (float)((double)g * sinc_slope_of((double)v)), g * sinc_slope_of(v),
            (float)((double)g * sinc_slope_far((double)v)), g * sinc_slope_far(v))
SLOPE_SET(logit_backward, LIGHT, "eps",
          ((v < s0) | (v > 1.0f - s0)) ? 0.0f : ((v < 0.0f) | (v > 1.0f)) ? NAN32 : g / (v * (1.0f - v)),
          ((v < s0) | (v > 1.0 - s0)) ? 0.0 : ((v < 0.0) | (v > 1.0)) ? NAN64 : g / (v * (1.0 - v)))
WIDE_SLOPE(erfcx_backward, SLOW, g * (2.0 * v * erfcx64(v) - 2.0 / ROOT_PI))
WIDE_SLOPE(log_ndtr_backward, SLOW, g * log_ndtr_slope64(v))
WIDE_SLOPE(ndtri_backward, SLOW, g * (ROOT_2_PI * exp_of_positive_square64(ROOT_HALF * v)))
WIDE_OR_FAR_SLOPE(lgamma_backward, LONG, v <= 0.0, g * digamma_of_positive(v), g * digamma64(v))
WIDE_OR_FAR_SLOPE(digamma_backward, LONG, v <= 0.0, g * trigamma_of_positive(v), g * trigamma64(v))
WIDE_SLOPE(i0_backward, SLOW, g * i1_64(v))
WIDE_SLOPE(i1_backward, SLOW, g * i1_slope64(v))
WIDE_SLOPE(i0e_backward, SLOW, g * i0e_slope64(v))
WIDE_SLOPE(i1e_backward, SLOW, g * i1e_slope64(v))
SLOPE(silu_backward, HEAVY, g * silu_slope32(v), g * silu_slope64(v))
NEAR_SLOPE(gelu_backward, HEAVY, magnitude, NORMAL_NEAR, g * gelu_slope_of(v, normal_near32(v)), g * gelu_slope32(v), g * gelu_slope64(v))
SLOPE(gelu_tanh_backward, HEAVY, g * gelu_tanh_slope32(v), g * gelu_tanh_slope64(v))
SLOPE(log_sigmoid_backward, HEAVY, g * sigmoid32(-v), g * sigmoid64(-v))
SLOPE(softplus_1_backward, HEAVY, v > 20.0f ? g : g * sigmoid32(v), v > 20.0 ? g : g * sigmoid64(v))
SLOPE(mish_backward, HEAVY, g * mish_slope32(v), g * mish_slope64(v))
SLOPE(relu6_backward, LIGHT, ((v <= 0.0f) | (v >= 6.0f)) ? 0.0f : g, ((v <= 0.0) | (v >= 6.0)) ? 0.0 : g)
SLOPE(hardsigmoid_backward, LIGHT, ((v > -3.0f) & (v < 3.0f)) ? g * (1.0f / 6.0f) : 0.0f,
      ((v > -3.0) & (v < 3.0)) ? g * (1.0 / 6.0) : 0.0)
SLOPE(hardswish_backward, LIGHT, v <= -3.0f ? 0.0f : v < 3.0f ? g * (v / 3.0f + 0.5f) : g,
      v <= -3.0 ? 0.0 : v < 3.0 ? g * (v / 3.0 + 0.5) : g)
SLOPE(selu_backward, HEAVY, g * (float)SELU_SCALE * (v <= 0.0f ? (float)SELU_ALPHA * exp32(v) : 1.0f),
      g * SELU_SCALE * (v <= 0.0 ? SELU_ALPHA * exp64(v) : 1.0))

SLOPE_SET(hardshrink_backward, LIGHT, "lambd", ((v >= -s0) & (v <= s0)) ? 0.0f : g, ((v >= -s0) & (v <= s0)) ? 0.0 : g)
SLOPE_SET(softshrink_backward, LIGHT, "lambd", ((v >= -s0) & (v <= s0)) ? 0.0f : g, ((v >= -s0) & (v <= s0)) ? 0.0 : g)
SLOPE_SET(leaky_relu_backward, LIGHT, "negative_slope", v > 0.0f ? g : g * s0, v > 0.0 ? g : g * s0)
SLOPE_SET(elu_backward, HEAVY, "alpha", v <= 0.0f ? g * s0 * exp32(v) : g, v <= 0.0 ? g * s0 * exp64(v) : g)
SLOPE_SET(celu_backward, HEAVY, "alpha", v <= 0.0f ? g * exp32(v / s0) : g, v <= 0.0 ? g * exp64(v / s0) : g)
SLOPE_SET(clamp_backward, LIGHT, "min max", ((v >= s0) & (v <= s1)) ? g : 0.0f, ((v >= s0) & (v <= s1)) ? g : 0.0)
SLOPE_SET(hardtanh_backward, LIGHT, "min_val max_val", ((v <= s0) | (v >= s1)) ? 0.0f : g, ((v <= s0) | (v >= s1)) ? 0.0 : g)

#undef POINT1
#undef POINT2
#undef SLOPE
#undef POINT1_SET
#undef POINT2_SET
#undef SLOPE_SET
#undef ARITHMETIC2
#undef QUOTIENT2
#undef NEAR1
#undef NEAR_SLOPE
#undef FAR1
#undef FAR_SLOPE
#undef ANGLE1
#undef ANGLE_SLOPE
#undef WIDE1
#undef WIDE2
#undef WIDE_SLOPE
#undef WIDE_OR_FAR1
#undef WIDE_OR_FAR_SLOPE
