/* Formulas that are the same for both float types, made of the functions in vmath.h or vmath64.h; README.md states their errors.
 * activations.h includes this for float32, math64.h for float64: `real` is the type, NAMED the name that its functions have. */

/* asinh(a) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))). */
ALWAYS_INLINE real NAMED(asinh)(real x)
{
    real a = ABSOLUTE(x);
    int large = a > (real)0x1p30;
    real square = a * a;
    real y = NAMED(log1p_)(large ? a : a + square / (1 + ROOT(square + 1)));
    return SIGNED(y + (large ? (real)0.69314718055994530942 : 0), x);
}

/* acosh(1 + t) = log1p(t + sqrt(t (t + 2))). */
ALWAYS_INLINE real NAMED(acosh)(real x)
{
    int large = x > (real)0x1p30;
    real t = x - 1;
    real y = NAMED(log1p_)(large ? x : t + ROOT(t * (t + 2))) + (large ? (real)0.69314718055994530942 : 0);
    return x < 1 ? (real)NAN : y;
}

/* atanh(x) = log1p(2 x / (1 - x)) / 2. */
ALWAYS_INLINE real NAMED(atanh)(real x)
{
    real a = ABSOLUTE(x);
    return SIGNED((real)0.5 * NAMED(log1p_)(2 * a / (1 - a)), x);
}

ALWAYS_INLINE real NAMED(logaddexp)(real x, real y)
{
    real high = x > y ? x : y;
    real apart = x == y ? 0 : ABSOLUTE(x - y);      /* two infinities of one sign are together */
    real sum = high + NAMED(log1p_of_unit)(NAMED(exp_of_negative)(-apart));
    return ((x != x) | (y != y)) ? (real)NAN : sum;
}

ALWAYS_INLINE real NAMED(logaddexp2_)(real x, real y)
{
    real high = x > y ? x : y;
    real apart = x == y ? 0 : ABSOLUTE(x - y);
    real sum = high + (real)1.44269504088896340736 * NAMED(log1p_of_unit)(NAMED(exp2_)(-apart));
    return ((x != x) | (y != y)) ? (real)NAN : sum;
}

ALWAYS_INLINE real NAMED(entr)(real x)
{
    real y = -x * NAMED(log)(x);
    return x > 0 ? y : x == 0 ? 0 : x < 0 ? -(real)INFINITY : x;
}

ALWAYS_INLINE real NAMED(logit)(real x)
{
    return NAMED(log)(x / (1 - x));
}

/* 0 where x is, unless y is NaN. */
ALWAYS_INLINE real NAMED(xlogy)(real x, real y)
{
    real product = x * NAMED(log)(y);
    return ((x == 0) & (y == y)) ? 0 : product;
}

ALWAYS_INLINE real NAMED(xlog1py)(real x, real y)
{
    real product = x * NAMED(log1p_)(y);
    return ((x == 0) & (y == y)) ? 0 : product;
}

/* x + 3, no less than 0 and no more than 6. */
ALWAYS_INLINE real NAMED(ramp)(real x)
{
    return x < -3 ? 0 : x > 3 ? 6 : x + 3;
}

ALWAYS_INLINE real NAMED(sigmoid_slope)(real x)
{
    real e = NAMED(exp_of_negative)(-ABSOLUTE(x));
    return e / ((1 + e) * (1 + e));
}

ALWAYS_INLINE real NAMED(silu_slope)(real x)
{
    real s = NAMED(sigmoid)(x);
    return s * (1 + x * (1 - s));
}

/* Twice the argument of the tanh: x (1 + tanh(u)) / 2 = x sigmoid(2 u). */
ALWAYS_INLINE real NAMED(gelu_tanh_inner)(real x)
{
    return (real)1.59576912160573071176 * (x + (real)0.044715 * x * x * x);
}

ALWAYS_INLINE real NAMED(gelu_tanh_slope)(real x)
{
    real within = NAMED(at_least)(NAMED(at_most)(x, 100), -100);
    real s = NAMED(sigmoid)(NAMED(gelu_tanh_inner)(within));
    return s + within * s * (1 - s) * (real)1.59576912160573071176 * (1 + (real)0.134145 * within * within);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). */
ALWAYS_INLINE real NAMED(softplus)(real x)
{
    real y = (x < 0 ? 0 : x) + NAMED(log1p_of_unit)(NAMED(exp_of_negative)(-ABSOLUTE(x)));
    return x > 20 ? x : y;
}

ALWAYS_INLINE real NAMED(log_sigmoid)(real x)
{
    return (x < 0 ? x : 0) - NAMED(log1p_of_unit)(NAMED(exp_of_negative)(-ABSOLUTE(x)));
}

/* x tanh(log(1 + e)) = x n / (n + 2), with e = exp(x) and n = e (e + 2). */
ALWAYS_INLINE real NAMED(mish)(real x)
{
    real e = NAMED(exp)(NAMED(at_most)(x, 20));
    real n = e * (e + 2);
    return x * (n / (n + 2));
}

ALWAYS_INLINE real NAMED(mish_slope)(real x)
{
    real within = NAMED(at_least)(NAMED(at_most)(x, 20), LEAST_EXPONENT);
    real e = NAMED(exp)(within);
    real n = e * (e + 2);
    return n / (n + 2) + 4 * within * e * (1 + e) / ((n + 2) * (n + 2));
}

#undef real
#undef NAMED
#undef ABSOLUTE
#undef SIGNED
#undef ROOT
#undef LEAST_EXPONENT
