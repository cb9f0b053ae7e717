/* Trigonometry of float64, and its inverses, branch-free as the rest in vmath64.h is. */
#ifndef TENSORGRAD_ANGLES64_H
#define TENSORGRAD_ANGLES64_H

#include "vmath64.h"

/* Up to here the reduction below holds; map.h leaves larger arguments to C's functions. */
#define TRIGONOMETRY_LIMIT64 0x1p17

/* sin(r) / r - 1 over r^2, and cos(r) - 1 + r^2 / 2 over r^4, for |r| <= pi / 4, of z = r^2. */
INLINE_MATH64 double sin_core64(double z)
{
    double p = 1.5896679903169484e-10;
    p = p * z - 2.5050756254229215e-08;
    p = p * z + 2.75573136810045e-06;
    p = p * z - 0.00019841269829779464;
    p = p * z + 0.008333333333322382;
    p = p * z - 0.16666666666666632;
    return p;
}

INLINE_MATH64 double cos_core64(double z)
{
    double p = -1.1359558928620059e-11;
    p = p * z + 2.087572162742579e-09;
    p = p * z - 2.75573143408023e-07;
    p = p * z + 2.480158728944452e-05;
    p = p * z - 0.0013888888888874068;
    p = p * z + 0.0416666666666666;
    return p;
}

/* x = quadrant pi / 2 + r + low. pi / 2 in three parts, the first two of 36 bits, so that their products are exact. */
typedef struct Angle64 {
    double sin, cos;        /* of r + low */
    int64_t quadrant;
} Angle64;

INLINE_MATH64 Angle64 reduce_angle64(double x)
{
    Angle64 angle;
    double shifted = x * 0.63661977236758134308 + ROUNDER64;
    double n = shifted - ROUNDER64;
    double first = x - n * 1.5707963267923333;
    double second = n * 2.5633441515839558e-12;
    double r = first - second;
    double back = r - first;
    double low = ((first - (r - back)) - (second + back)) - n * 1.0562999066987428e-23;
    double sum = r + low;
    low -= sum - r;
    r = sum;
    double z = r * r;
    double half = 0.5 * z;
    double one = 1.0 - half;
    double sine = r + (r * z * sin_core64(z) + low);
    angle.sin = z == 0.0 ? x : sine;        /* the sums would take the sign from -0 */
    angle.cos = one + (((1.0 - one) - half) + (z * z * cos_core64(z) - r * low));
    angle.quadrant = integer_in(shifted);
    return angle;
}

INLINE_MATH64 double flip_sign64(double x, int64_t bit)
{
    return of_bits64(bits_of64(x) ^ (int64_t)((uint64_t)bit << 63));
}

INLINE_MATH64 double sin64(double x)
{
    Angle64 angle = reduce_angle64(x);
    return flip_sign64(angle.quadrant & 1 ? angle.cos : angle.sin, (int64_t)((uint64_t)angle.quadrant >> 1) & 1);
}

INLINE_MATH64 double cos64(double x)
{
    Angle64 angle = reduce_angle64(x);
    return flip_sign64(angle.quadrant & 1 ? angle.sin : angle.cos, (int64_t)((uint64_t)(angle.quadrant + 1) >> 1) & 1);
}

INLINE_MATH64 double tan64(double x)
{
    Angle64 angle = reduce_angle64(x);
    int64_t odd = angle.quadrant & 1;
    return (odd ? -angle.cos : angle.sin) / (odd ? angle.sin : angle.cos);
}

#define PI_HIGH64 3.14159265358979311600e+00
#define PI_LOW64 1.22464679914735317723e-16

/* What asin and acos share: asin(s) where s is |x|, or past 1/2 sqrt((1 - |x|) / 2) with what its rounding lost. */
INLINE_MATH64 double asin_part64(double a)
{
    int large = a > 0.5;
    double z = large ? 0.5 * (1.0 - a) : a * a;
    double s = large ? sqrt(z) : a;
    double s_high = upper_half(s);
    double lost = ((z - s_high * s_high) - (s - s_high) * (s + s_high)) / (s + s);
    double z2 = z * z;
    double even = 0.03270125138027259;
    even = even * z2 + 0.021789650213047924;
    even = even * z2 + 0.010789217034945372;
    even = even * z2 + 0.013981016383405405;
    even = even * z2 + 0.022372215896484377;
    even = even * z2 + 0.04464285717527938;
    even = even * z2 + 0.16666666666666763;
    double odd = -0.02111528466398983;
    odd = odd * z2 + 0.0036725870797347402;
    odd = odd * z2 + 0.011397311162269266;
    odd = odd * z2 + 0.01735159567430803;
    odd = odd * z2 + 0.030381942675605796;
    odd = odd * z2 + 0.07499999999970106;
    double p = even + z * odd;
    return s + (s * z * p + (large & (z > 0.0) ? lost : 0.0));
}

/* Past 1/2 by asin(a) = pi / 2 - 2 asin(sqrt((1 - a) / 2)). */
INLINE_MATH64 double asin64(double x)
{
    double a = fabs(x);
    double y = asin_part64(a);
    return copysign(a > 0.5 ? 0.5 * PI_HIGH64 - (2.0 * y - 0.5 * PI_LOW64) : y, x);
}

INLINE_MATH64 double acos64(double x)
{
    double a = fabs(x);
    double y = asin_part64(a);
    double far = x < 0.0 ? PI_HIGH64 - (2.0 * y - PI_LOW64) : 2.0 * y;
    return a > 0.5 ? far : 0.5 * PI_HIGH64 - (copysign(y, x) - 0.5 * PI_LOW64);
}

/* atan(u) / u - 1 over u^2, for |u| <= tan(pi / 8), of z = u^2. */
INLINE_MATH64 double atan_core64(double z)
{
    double z2 = z * z;
    double even = -0.017907531087171902;
    even = even * z2 - 0.050393379192597954;
    even = even * z2 - 0.06663105687353803;
    even = even * z2 - 0.09090897768317499;
    even = even * z2 - 0.14285714280204934;
    even = even * z2 - 0.333333333333332;
    double odd = 0.03806513006117897;
    odd = odd * z2 + 0.05847899017727687;
    odd = odd * z2 + 0.07692060382975777;
    odd = odd * z2 + 0.11111110783859024;
    odd = odd * z2 + 0.19999999999953672;
    double p = even + z * odd;
    return p;
}

/* By atan(a) = pi / 4 + atan((a - 1) / (a + 1)) = pi / 2 - atan(1 / a). */
INLINE_MATH64 double atan64(double x)
{
    double a = fabs(x);
    int far = a > 2.41421356237309504880;
    int middle = a > 0.41421356237309504880;
    double u = (far ? -1.0 : middle ? a - 1.0 : a) / (far ? a : middle ? a + 1.0 : 1.0);
    double z = u * u;
    double base = far ? 0.5 : middle ? 0.25 : 0.0;
    return copysign(base * PI_HIGH64 + (base * PI_LOW64 + (u * z * atan_core64(z) + u)), x);
}

/* The angle of the point (x, y). */
INLINE_MATH64 double atan2_64(double y, double x)
{
    double a = fabs(y);
    double b = fabs(x);
    int steep = a > b;
    double large = steep ? a : b;
    double small = steep ? b : a;
    int equal = small == large;             /* 0/0 and infinity/infinity are 45 degrees, or none */
    double scale = large > 0x1p1022 ? 0.25 : 1.0;
    large = equal ? 1.0 : large * scale;
    small = equal ? (a == 0.0 ? 0.0 : 1.0) : small * scale;
    int middle = small > 0.41421356237309504880 * large;
    double u = (middle ? small - large : small) / (middle ? small + large : large);
    double z = u * u;
    double angle = u * z * atan_core64(z) + u;
    angle = middle ? 0.25 * PI_HIGH64 + (0.25 * PI_LOW64 + angle) : angle;
    angle = steep ? 0.5 * PI_HIGH64 - (angle - 0.5 * PI_LOW64) : angle;
    angle = bits_of64(x) < 0 ? PI_HIGH64 - (angle - PI_LOW64) : angle;
    angle = ((x != x) | (y != y)) ? NAN64 : angle;
    return copysign(angle, y);
}

/* Both divided by a power of two near the larger, so that no square overflows or vanishes. */
INLINE_MATH64 double hypot64(double x, double y)
{
    double a = fabs(x);
    double b = fabs(y);
    double large = a > b ? a : b;
    int huge = large > 0x1p500;
    int tiny = large < 0x1p-500;
    double down = huge ? 0x1p-600 : tiny ? 0x1p600 : 1.0;
    double up = huge ? 0x1p600 : tiny ? 0x1p-600 : 1.0;
    a *= down;
    b *= down;
    double length = sqrt(a * a + b * b) * up;
    int endless = (fabs(x) == INF64) | (fabs(y) == INF64);
    return endless ? INF64 : length;
}

#endif
