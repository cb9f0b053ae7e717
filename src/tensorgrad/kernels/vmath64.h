/* Mathematics of float64, branch-free, as vmath.h is for float32: the same tricks, with the integer in the low bits of
 * 1.5 * 2^52. Polynomials are minimax fits of our own here too.
 *
 * There is no conversion between int64 and double, and no arithmetic shift of int64, before AVX-512: integers are made and
 * undone by adding that constant, and shifted as unsigned ones. README.md states the error of each function.
 */
#ifndef TENSORGRAD_VMATH64_H
#define TENSORGRAD_VMATH64_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "level.h"

#define INLINE_MATH64 ALWAYS_INLINE

#define INF64 ((double)INFINITY)
#define NAN64 ((double)NAN)
#define ROUNDER64 0x1.8p52                          /* 1.5 * 2^52 */
#define LN2_HIGH64 6.93147180369123816490e-01       /* 33 bits: its product with a small integer is exact */
#define LN2_LOW64 1.90821492927058770002e-10

INLINE_MATH64 int64_t bits_of64(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE_MATH64 double of_bits64(int64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n for -1022 <= n <= 1023. */
INLINE_MATH64 double power_of_two64(int64_t n)
{
    return of_bits64((int64_t)((uint64_t)(n + 1023) << 52));
}

/* The integer that a number near ROUNDER64 stands for, and back. */
INLINE_MATH64 int64_t integer_in(double shifted)
{
    return bits_of64(shifted) - bits_of64(ROUNDER64);
}

INLINE_MATH64 double float_of(int64_t n)
{
    return of_bits64(bits_of64(ROUNDER64) + n) - ROUNDER64;
}

INLINE_MATH64 double at_most64(double x, double limit)
{
    return x > limit ? limit : x;
}

INLINE_MATH64 double at_least64(double x, double limit)
{
    return x < limit ? limit : x;
}

/* The upper 26 bits of a number's 53: the product of two such is exact. */
INLINE_MATH64 double upper_half(double x)
{
    return of_bits64(bits_of64(x) & (int64_t)0xfffffffff8000000);
}

/* ---- exponentials ------------------------------------------------------------------------------------------------- */

/* exp(r) - 1 - r over r^2, for |r| <= 0.39. */
INLINE_MATH64 double exp_core64(double r)
{
    double r2 = r * r;
    double even = 2.0940307639029154e-09;
    even = even * r2 + 2.755718153238344e-07;
    even = even * r2 + 2.4801587448179672e-05;
    even = even * r2 + 0.001388888888881044;
    even = even * r2 + 0.04166666666666686;
    even = even * r2 + 0.5;
    double odd = 2.5128258038167908e-08;
    odd = odd * r2 + 2.755718295400492e-06;
    odd = odd * r2 + 0.00019841269954524267;
    odd = odd * r2 + 0.008333333333290683;
    odd = odd * r2 + 0.1666666666666672;
    double p = even + r * odd;
    return p;
}

/* exp(x + small) = 2^power (1 + r + more), for |x| < 2^20 and |small| < 0.04. */
typedef struct Exponential64 {
    double r, more;
    int64_t power;
} Exponential64;

INLINE_MATH64 Exponential64 exp_parts64(double x, double small)
{
    Exponential64 e;
    double shifted = x * 1.44269504088896340736 + ROUNDER64;
    double n = shifted - ROUNDER64;
    double high = x - n * LN2_HIGH64;
    double low = small - n * LN2_LOW64;
    e.r = high + low;
    e.more = exp_core64(e.r) * e.r * e.r + (low - (e.r - high));
    e.power = integer_in(shifted);
    return e;
}

/* In two factors, so that neither overflows and a denormal result is rounded once. */
INLINE_MATH64 double exp_join64(Exponential64 e)
{
    int64_t half = (int64_t)((uint64_t)(e.power + 4096) >> 1) - 2048;
    int64_t rest = (int64_t)((uint64_t)e.power - (uint64_t)half);       /* of NaN they may be anything */
    return (1.0 + (e.r + e.more)) * power_of_two64(half) * power_of_two64(rest);
}

/* e^x. 1 ULP. */
INLINE_MATH64 double exp64(double x)
{
    int under = x < UNKNOWN(double, -746.0);
    double y = exp_join64(exp_parts64(at_most64(under ? 0.0 : x, UNKNOWN(double, 710.0)), 0.0));
    return under ? 0.0 : y;
}

/* The same for a power from -1080 to 0. */
INLINE_MATH64 double exp_join_negative64(Exponential64 e)
{
    return (1.0 + (e.r + e.more)) * power_of_two64(e.power + 60) * 0x1p-60;
}

/* e^x for x <= 0. 1 ULP. */
INLINE_MATH64 double exp_of_negative64(double x)
{
    int under = x < UNKNOWN(double, -746.0);
    double y = exp_join_negative64(exp_parts64(under ? 0.0 : x, 0.0));
    return under ? 0.0 : y;
}

/* 2^x. 1 ULP. */
INLINE_MATH64 double exp2_64(double x)
{
    Exponential64 e;
    int under = x < UNKNOWN(double, -1076.0);
    double within = at_most64(under ? 0.0 : x, UNKNOWN(double, 1025.0));
    double shifted = within + ROUNDER64;
    e.r = (within - (shifted - ROUNDER64)) * 0.69314718055994530942;
    e.more = exp_core64(e.r) * e.r * e.r;
    e.power = integer_in(shifted);
    double y = exp_join64(e);
    return under ? 0.0 : y;
}

/* e^x - 1, the last bits kept near 0. */
INLINE_MATH64 double expm1_64(double x)
{
    Exponential64 e = exp_parts64(at_least64(at_most64(x, UNKNOWN(double, 710.0)), UNKNOWN(double, -60.0)), 0.0);
    double half = power_of_two64(e.power - 1);      /* half of it first: 2^1024 would overflow before the result does */
    return fabs(x) < 0x1p-1000 ? x : 2.0 * (half * e.more + (half * e.r + (half - 0.5)));
}

/* Up to 0.625 by tanh(x) / x - 1 over x^2, of z = x^2; then 1 - 2 / (e^2|x| + 1). */
INLINE_MATH64 double tanh64(double x)
{
    double a = fabs(x);
    double z = a * a;
    double z2 = z * z;
    double even = -3.019020075838452e-05;
    even = even * z2 - 0.00023701499079199924;
    even = even * z2 - 0.0014557263788557155;
    even = even * z2 - 0.00886323432240196;
    even = even * z2 - 0.053968253966090736;
    even = even * z2 - 0.33333333333333315;
    double odd = 6.043217602131141e-06;
    odd = odd * z2 + 9.156271398483237e-05;
    odd = odd * z2 + 0.0005894532841007478;
    odd = odd * z2 + 0.0035921140809783963;
    odd = odd * z2 + 0.02186948846945317;
    odd = odd * z2 + 0.1333333333332981;
    double p = even + z * odd;
    double far = 1.0 - 2.0 / (exp_join64(exp_parts64(at_most64(2.0 * a, UNKNOWN(double, 40.0)), 0.0)) + 1.0);
    return copysign(a < 0.625 ? a + a * z * p : far, x);
}

/* e^a / 2 for a >= 0, up to the largest finite sinh. */
INLINE_MATH64 double half_exp64(double a)
{
    Exponential64 e = exp_parts64(at_most64(a, UNKNOWN(double, 711.0)), 0.0);
    return 2.0 * ((1.0 + (e.r + e.more)) * power_of_two64(e.power - 2));
}

/* Up to 1 by sinh(x) / x - 1 over x^2, of z = x^2. */
INLINE_MATH64 double sinh64(double x)
{
    double a = fabs(x);
    double z = a * a;
    double p = 7.759301156375839e-13;
    p = p * z + 1.6057240782675952e-10;
    p = p * z + 2.5052123391734055e-08;
    p = p * z + 2.7557319155388044e-06;
    p = p * z + 0.00019841269841437491;
    p = p * z + 0.008333333333333139;
    p = p * z + 0.16666666666666669;
    double half = half_exp64(a);
    return copysign(a < 1.0 ? a + a * z * p : half - 0.25 / half, x);
}

INLINE_MATH64 double cosh64(double x)
{
    double half = half_exp64(fabs(x));
    return half + 0.25 / half;
}

/* 1 / (1 + e^-x), by e^-|x|, so that both ends keep their last bits. */
INLINE_MATH64 double sigmoid64(double x)
{
    double e = exp_of_negative64(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* ---- logarithms --------------------------------------------------------------------------------------------------- */

/* log(1 + t) - t, for sqrt(1/2) <= 1 + t <= sqrt(2), by s = t / (2 + t): log(1 + t) = 2 s + s R, R / s^2 of z = s^2. */
INLINE_MATH64 double log_core64(double t)
{
    double s = t / (2.0 + t);
    double z = s * s;
    double square = 0.5 * t * t;
    double p = 0.14799020117940084;
    p = p * z + 0.15313764169311245;
    p = p * z + 0.18183574681095768;
    p = p * z + 0.22222198390781578;
    p = p * z + 0.2857142874399535;
    p = p * z + 0.39999999999408226;
    p = p * z + 0.6666666666666735;
    return s * (square + z * p) - square;
}

/* x = 2^power (1 + t) with 1 + t as log_core64 wants it. */
typedef struct Logarithm64 {
    double t;
    double power;
} Logarithm64;

/* Around the ends of int64: negative numbers and NaN come here too, and log_ends64 puts their answers. */
INLINE_MATH64 int64_t log_exponent64(double x)
{
    uint64_t above = (uint64_t)bits_of64(x) - 0x3fe6a09e667f3bcd + ((uint64_t)2048 << 52);
    return (int64_t)(above >> 52) - 2048;
}

INLINE_MATH64 double without_exponent(double x, int64_t exponent)
{
    return of_bits64((int64_t)((uint64_t)bits_of64(x) - ((uint64_t)exponent << 52)));
}

INLINE_MATH64 Logarithm64 log_parts64(double x)
{
    Logarithm64 l;
    int denormal = x < 0x1p-1022;
    double scaled = denormal ? x * 0x1p54 : x;
    int64_t exponent = log_exponent64(scaled);
    l.t = without_exponent(scaled, exponent) - 1.0;
    l.power = float_of(exponent) - (denormal ? 54.0 : 0.0);
    return l;
}

/* The ends of every logarithm, from the value `y` found in between. */
INLINE_MATH64 double log_ends64(double x, double y)
{
    y = x == 0.0 ? -INF64 : y;
    y = x < 0.0 ? NAN64 : y;
    return x < INF64 ? y : x;       /* infinity and NaN as they came */
}

/* 1 ULP. */
INLINE_MATH64 double log64(double x)
{
    Logarithm64 l = log_parts64(x);
    return log_ends64(x, log_core64(l.t) + l.power * LN2_LOW64 + l.t + l.power * LN2_HIGH64);
}

/* log2(e) = 1 + 0.4427: the whole part costs no rounding. */
INLINE_MATH64 double log2_64(double x)
{
    Logarithm64 l = log_parts64(x);
    double tail = log_core64(l.t);
    return log_ends64(x, tail * 0.44269504088896340736 + l.t * 0.44269504088896340736 + tail + l.t + l.power);
}

/* Constants in two parts, the first of few bits. */
INLINE_MATH64 double log10_64(double x)
{
    Logarithm64 l = log_parts64(x);
    double tail = log_core64(l.t);
    double y = (tail + l.t) * -2.1871930676609888e-07 + l.power * -8.532344317057107e-14;
    return log_ends64(x, y + tail * 0.4342947006225586 + l.t * 0.4342947006225586 + l.power * 0.3010299956640665);
}

/* log(1 + x), the last bits kept near 0. */
INLINE_MATH64 double log1p_64(double x)
{
    int large = x > 0x1p53;         /* where adding 1 changes nothing */
    double u = large ? x : 1.0 + x;
    int64_t exponent = log_exponent64(u);
    /* 1 + t = (1 + x) / 2^exponent, made without ever rounding 1 + x. */
    double scale = power_of_two64(large ? 0 : -exponent);
    double t_small = x * scale + (scale - 1.0);
    double t_large = without_exponent(u, exponent) - 1.0;
    double t = large ? t_large : t_small;
    double power = float_of(exponent);
    double y = log_core64(t) + power * LN2_LOW64 + t + power * LN2_HIGH64;
    y = x == 0.0 ? x : y;
    y = x == -1.0 ? -INF64 : y;
    y = x < -1.0 ? NAN64 : y;
    return x < INF64 ? y : x;
}

/* log(1 + e) for 0 <= e <= 1. */
INLINE_MATH64 double log1p_of_unit64(double e)
{
    int large = e > 0.41421356237309504880;
    double t = large ? 0.5 * (e - 1.0) : e;
    double power = large ? 1.0 : 0.0;
    return log_core64(t) + power * LN2_LOW64 + t + power * LN2_HIGH64;
}

/* |x|^y by 2^(y log2 |x|), the logarithm and its product in two parts, as C's libraries do; then the sign and the ends. */
INLINE_MATH64 double pow64(double x, double y)
{
    double a = fabs(x);
    int denormal = a < 0x1p-1022;
    double scaled = denormal ? a * 0x1p54 : a;
    int64_t exponent = log_exponent64(scaled);
    double m = without_exponent(scaled, exponent);
    double n = float_of(exponent) - (denormal ? 54.0 : 0.0);
    /* 3/2 log m = s (3 + s^2 + ...) with s = (m - 1) / (m + 1), s = head + tail and what is in brackets = wide + narrow. */
    double t = m - 1.0;
    double below = m + 1.0;
    double below_high = upper_half(below);
    double below_low = m - (below_high - 1.0);
    double over = 1.0 / below;
    double s = t * over;
    double head = upper_half(s);
    double tail = ((t - head * below_high) - head * below_low) * over;
    double z = s * s;
    double p = 0.17988144811986145;
    p = p * z + 0.1751167864954931;
    p = p * z + 0.2000450279617162;
    p = p * z + 0.23076834625795115;
    p = p * z + 0.2727272831522237;
    p = p * z + 0.33333333326227493;
    p = p * z + 0.42857142857167974;
    p = p * z + 0.5999999999999996;
    double rest = tail * (head + s) + z * z * p;
    double square = head * head;
    double wide = upper_half(3.0 + square + rest);
    double narrow = rest - ((wide - 3.0) - square);
    double u = head * wide;
    double v = tail * wide + narrow * s;
    double high = upper_half(u + v);
    double low = v - (high - u);
    /* times 2 / (3 log 2), and n more. */
    u = 0.9617967009544373 * high;
    v = -7.028461650952758e-09 * high + low * 0.9617966939259756;
    double log2_high = upper_half(u + v + n);
    double log2_low = v - ((log2_high - n) - u);
    double within = at_least64(at_most64(y, 0x1p66), -0x1p66);
    double y_high = upper_half(within);
    double product = y_high * log2_high;
    double product_low = (within - y_high) * log2_high + within * log2_low;
    double power = product + product_low;
    int inside = fabs(power) < 1100.0;
    power = inside ? power : power > 0.0 ? 1100.0 : -1100.0;
    double shifted = power + ROUNDER64;
    double whole_power = shifted - ROUNDER64;
    double r = (inside ? product - whole_power + product_low : 0.0) * 0.69314718055994530942;
    Exponential64 e = {r, exp_core64(r) * r * r, integer_in(shifted)};
    double result = exp_join64(e);
    result = a == 0.0 ? (y < 0.0 ? INF64 : 0.0) : result;
    result = a == INF64 ? (y < 0.0 ? 0.0 : INF64) : result;
    result = a == 1.0 ? 1.0 : result;
    double half = 0.5 * y;
    int whole = trunc(y) == y;
    int odd = whole & (trunc(half) != half);
    result = ((bits_of64(x) < 0) & odd) ? -result : result;
    result = ((x < 0.0) & !whole & (a != INF64)) ? NAN64 : result;
    result = ((x != x) | (y != y)) ? NAN64 : result;
    return ((y == 0.0) | (x == 1.0)) ? 1.0 : result;
}

/* ---- the normal distribution -------------------------------------------------------------------------------------- */

/* exp(a^2) erfc(a) for a >= 0: times a + 3.0 it is a polynomial of q = (a - 3.0) / (a + 3.0). */
INLINE_MATH64 double erfcx_core64(double a)
{
    double t = 1.0 / (a + 3.0);
    double q = (a - 3.0) * t;
    double q2 = q * q;
    double even = -1.3845902323115118e-09;
    even = even * q2 + 1.8549679155086164e-09;
    even = even * q2 + 4.072807159321334e-08;
    even = even * q2 - 4.0270104733273224e-07;
    even = even * q2 + 2.7622506103461963e-06;
    even = even * q2 - 1.7469383327507308e-05;
    even = even * q2 + 0.00010756120438744394;
    even = even * q2 - 0.0005483096502846519;
    even = even * q2 - 0.001212416630724056;
    even = even * q2 + 0.11952776128744154;
    even = even * q2 + 0.5902283571040994;
    even = even * q2 + 1.0740069070883398;
    double odd = -5.952344324476861e-09;
    odd = odd * q2 + 4.729825741941737e-08;
    odd = odd * q2 - 2.308968052368006e-07;
    odd = odd * q2 + 9.975489989250746e-07;
    odd = odd * q2 - 4.748754584713442e-06;
    odd = odd * q2 + 3.0398045578203337e-05;
    odd = odd * q2 - 0.0002767778249228034;
    odd = odd * q2 + 0.0030340619984967274;
    odd = odd * q2 - 0.026827234624271428;
    odd = odd * q2 - 0.31046726190057516;
    odd = odd * q2 - 0.8833944531698835;
    double p = even + q * odd;
    return p * t;
}

/* exp(-share a^2), share 1/2 or 1. 26 bits of a are squared exactly. */
INLINE_MATH64 double exp_of_square64(double a, double share)
{
    double high = upper_half(a);
    return exp_join_negative64(exp_parts64(-share * high * high, -share * (a - high) * (a + high)));
}

/* erfc(a) for a >= 0. */
INLINE_MATH64 double erfc_of_positive64(double a)
{
    double within = at_most64(a, UNKNOWN(double, 27.3));
    return exp_of_square64(within, 1.0) * erfcx_core64(within);
}

/* erf(x) / x - 1 of z = x^2, up to x = 0.93. */
INLINE_MATH64 double erf_core64(double z)
{
    double z2 = z * z;
    double even = 1.3953333145398615e-08;
    even = even * z2 + 1.6453314364356263e-06;
    even = even * z2 + 0.00012055315632610069;
    even = even * z2 + 0.005223977619080635;
    even = even * z2 + 0.11283791670952438;
    even = even * z2 + 0.12837916709551256;
    double odd = -8.272042837073221e-10;
    odd = odd * z2 - 1.625780875341268e-07;
    odd = odd * z2 - 1.4925173139968278e-05;
    odd = odd * z2 - 0.0008548326606792199;
    odd = odd * z2 - 0.026866170644556688;
    odd = odd * z2 - 0.37612638903183704;
    double p = even + z * odd;
    return p;
}

INLINE_MATH64 double erf64(double x)
{
    double a = fabs(x);
    return copysign(a < 0.93 ? a * erf_core64(a * a) + a : 1.0 - erfc_of_positive64(a), x);
}

INLINE_MATH64 double erfc64(double x)
{
    double a = fabs(x);
    double near = 0.5 - (x * erf_core64(x * x) + (x - 0.5));
    double tail = erfc_of_positive64(a);
    return a < 0.5 ? near : x < 0.0 ? 2.0 - tail : tail;
}

/* 2 / sqrt(pi) exp(-x^2). */
INLINE_MATH64 double erf_slope64(double x)
{
    return 1.12837916709551257390 * exp_of_square64(at_most64(fabs(x), UNKNOWN(double, 27.3)), 1.0);
}

/* The normal distribution at x: its function, and its density without 1 / sqrt(2 pi). */
typedef struct Normal64 {
    double below, bell;
} Normal64;

INLINE_MATH64 Normal64 normal64(double x)
{
    Normal64 normal;
    double a = at_most64(fabs(x), UNKNOWN(double, 38.6));
    normal.bell = exp_of_square64(a, 0.5);
    double tail = 0.5 * normal.bell * erfcx_core64(a * 0.70710678118654752440);
    normal.below = x < 0.0 ? tail : 1.0 - tail;
    return normal;
}

#endif
