/* Special functions of float64, branch-free as vmath64.h is; float32 goes through them in double (WIDE of point.h). */
#ifndef TENSORGRAD_SPECIAL_H
#define TENSORGRAD_SPECIAL_H

#include "angles64.h"

#define ROOT_HALF 0.70710678118654752440
#define ROOT_PI 1.77245385090551602730
#define ROOT_2_PI 2.50662827463100050242

/* ---- the normal distribution -------------------------------------------------------------------------------------- */

/* The number x that a normal number is below with the chance 1/2 + q, where the smaller of both sides is `tail`: algorithm AS 241
   (Wichura, "The Percentage Points of the Normal Distribution", 1988), all three of its quotients in one. */
INLINE_MATH64 double quantile64(double q, double tail)
{
    int central = fabs(q) <= 0.425;
    double root = sqrt(-log64(tail));
    int near = root <= 5.0;
    double r = central ? 0.180625 - q * q : near ? root - 1.6 : root - 5.0;
#define CHOOSE(a, b, c) (central ? (a) : near ? (b) : (c))
    double above = CHOOSE(2.5090809287301226727e3, 7.74545014278341407640e-4, 2.01033439929228813265e-7);
    above = above * r + CHOOSE(3.3430575583588128105e4, 2.27238449892691845833e-2, 2.71155556874348757815e-5);
    above = above * r + CHOOSE(6.7265770927008700853e4, 2.41780725177450611770e-1, 1.24266094738807843860e-3);
    above = above * r + CHOOSE(4.5921953931549871457e4, 1.27045825245236838258, 2.65321895265761230930e-2);
    above = above * r + CHOOSE(1.3731693765509461125e4, 3.64784832476320460504, 2.96560571828504891230e-1);
    above = above * r + CHOOSE(1.9715909503065514427e3, 5.76949722146069140550, 1.78482653991729133580);
    above = above * r + CHOOSE(1.3314166789178437745e2, 4.63033784615654529590, 5.46378491116411436990);
    above = above * r + CHOOSE(3.3871328727963666080, 1.42343711074968357734, 6.65790464350110377720);
    double below = CHOOSE(5.2264952788528545610e3, 1.05075007164441684324e-9, 2.04426310338993978564e-15);
    below = below * r + CHOOSE(2.8729085735721942674e4, 5.47593808499534494600e-4, 1.42151175831644588870e-7);
    below = below * r + CHOOSE(3.9307895800092710610e4, 1.51986665636164571966e-2, 1.84631831751005468180e-5);
    below = below * r + CHOOSE(2.1213794301586595867e4, 1.48103976427480074590e-1, 7.86869131145613259100e-4);
    below = below * r + CHOOSE(5.3941960214247511077e3, 6.89767334985100004550e-1, 1.48753612908506148525e-2);
    below = below * r + CHOOSE(6.8718700749205790830e2, 1.67638483018380384940, 1.36929880922735805310e-1);
    below = below * r + CHOOSE(4.2313330701600911252e1, 2.05319162663775882187, 5.99832206555887937690e-1);
    below = below * r + 1.0;
#undef CHOOSE
    return (central ? q * above : copysign(above, q)) / below;
}

INLINE_MATH64 double ndtri64(double p)
{
    double x = quantile64(p - 0.5, p < 0.5 ? p : 1.0 - p);
    x = p == 0.0 ? -INF64 : p == 1.0 ? INF64 : x;
    return ((p < 0.0) | (p > 1.0)) ? NAN64 : x;
}

INLINE_MATH64 double erfinv64(double x)
{
    double a = fabs(x);
    double y = a < 0x1p-1000 ? 0.5 * ROOT_PI * x : quantile64(0.5 * x, 0.5 * (1.0 - a)) * ROOT_HALF;
    y = a == 1.0 ? copysign(INF64, x) : y;
    return a > 1.0 ? NAN64 : y;
}

/* e^(a^2), right to the last bits where a is. */
INLINE_MATH64 double exp_of_positive_square64(double a)
{
    double within = at_most64(fabs(a), 27.0);
    double high = upper_half(within);
    return exp_join64(exp_parts64(high * high, (within - high) * (within + high)));
}

INLINE_MATH64 double erfinv_slope64(double x)
{
    return 0.5 * ROOT_PI * exp_of_positive_square64(erfinv64(x));
}

/* e^(x^2) erfc(x). Past 28 by its series in 1 / x^2. */
INLINE_MATH64 double erfcx64(double x)
{
    double a = fabs(x);
    double z = 0.5 / (at_most64(a, 1e150) * at_most64(a, 1e150));
    double far = (1.0 - z * (1.0 - z * (3.0 - z * (15.0 - z * (105.0 - z * 945.0))))) * (1.0 / ROOT_PI) / a;
    double upper = a > 28.0 ? far : erfcx_core64(at_most64(a, 28.0));
    return x < 0.0 ? 2.0 * exp_of_positive_square64(a) - upper : upper;
}

INLINE_MATH64 double log_ndtr64(double x)
{
    double a = fabs(x) * ROOT_HALF;
    double scaled = 0.5 * erfcx64(a);
    int low = x < -1.0;
    double tail = scaled * exp_of_square64(at_most64(fabs(x), 38.6), 0.5);
    double share = low ? scaled - 1.0 : x < 0.0 ? tail - 1.0 : -tail;
    double y = log1p_64(low ? at_least64(share, -1.0 + 0x1p-53) : share);    /* far below, where x^2 is all that counts */
    return low ? y - 0.5 * x * x : y;
}

/* Density over chance; below 0 from erfcx, so that neither vanishes first. */
INLINE_MATH64 double log_ndtr_slope64(double x)
{
    double a = fabs(x) * ROOT_HALF;
    double scaled = 0.5 * erfcx64(a);
    double bell = exp_of_square64(at_most64(fabs(x), 38.6), 0.5);
    return (x > 0.0 ? bell / (1.0 - bell * scaled) : 1.0 / scaled) * (1.0 / ROOT_2_PI);
}

/* ---- the gamma function ------------------------------------------------------------------------------------------- */

/* Sine and cosine of pi r for 0 <= r <= 1/2. */
typedef struct Turn {
    double sin, cos;
} Turn;

INLINE_MATH64 Turn turn64(double r)
{
    int steep = r > 0.25;
    double v = PI_HIGH64 * (steep ? 0.5 - r : r);
    double z = v * v;
    double sine = v + v * z * sin_core64(z);
    double cosine = 1.0 - 0.5 * z + z * z * cos_core64(z);
    Turn turn = {steep ? cosine : sine, steep ? sine : cosine};
    return turn;
}

/* lgamma(1 + less) for 0 <= less <= 1. */
INLINE_MATH64 double lgamma_near(double less)
{
    double u = 2.0 * less - 1.0;
    double u2 = u * u;
    double even = 1.1586115295157278e-11;
    even = even * u2 + 5.0258222095609345e-11;
    even = even * u2 + 6.566403819263111e-10;
    even = even * u2 + 6.430260727636965e-09;
    even = even * u2 + 6.6238780772653e-08;
    even = even * u2 + 6.948428064186312e-07;
    even = even * u2 + 7.511391855641884e-06;
    even = even * u2 + 8.51009037349943e-05;
    even = even * u2 + 0.00104981866445474;
    even = even * u2 + 0.015727850268641094;
    even = even * u2 + 0.4831289505409809;
    double odd = -3.803618166622364e-12;
    odd = odd * u2 - 1.539574800642079e-11;
    odd = odd * u2 - 2.087462069397109e-10;
    odd = odd * u2 - 2.016947955623982e-09;
    odd = odd * u2 - 2.0621027431854287e-08;
    odd = odd * u2 - 2.138632338411552e-07;
    odd = odd * u2 - 2.2742474102383936e-06;
    odd = odd * u2 - 2.5094328668947195e-05;
    odd = odd * u2 - 0.0002945507015196472;
    odd = odd * u2 - 0.003913560937626182;
    odd = odd * u2 - 0.07297994795715304;
    double p = even + u * odd;
    return less * (less - 1.0) * p;
}

/* lgamma for a > 0: up to 8 by its values from 1 to 2, then by Stirling. */
INLINE_MATH64 double lgamma_of_positive(double a)
{
    int far = a >= 8.0;
    double t = far ? 1.5 : a;
    double factor = 1.0;
    int high;
#define STEP_DOWN                                                                                       \
    high = t >= 2.0;                                                                                    \
    t = high ? t - 1.0 : t;                                                                             \
    factor = high ? factor * t : factor;
    STEP_DOWN STEP_DOWN STEP_DOWN STEP_DOWN STEP_DOWN STEP_DOWN
#undef STEP_DOWN
    int low = t < 1.0;
    double inner = lgamma_near(low ? t : t - 1.0);
    double log = log64(far ? a : low ? t : factor);
    double over = 1.0 / a;
    double z = over * over;
    double tail = 6.41025641025641025641e-3;
    tail = tail * z - 1.91752691752691752692e-3;
    tail = tail * z + 8.41750841750841750842e-4;
    tail = tail * z - 5.95238095238095238095e-4;
    tail = tail * z + 7.93650793650793650794e-4;
    tail = tail * z - 2.77777777777777777778e-3;
    tail = tail * z + 8.33333333333333333333e-2;
    double stirling = (a - 0.5) * log - a + (0.91893853320467274178 + tail * over);
    double y = far ? stirling : inner + (low ? -log : log);
    return a == INF64 ? INF64 : y;
}

/* The logarithm of the gamma function's size: below 0 by reflection. */
INLINE_MATH64 double lgamma64(double x)
{
    int reflected = x <= 0.0;
    double y = lgamma_of_positive(reflected ? 1.0 - x : x);
    double size = fabs(x);
    double sine = turn64(fabs(x - rint(x))).sin;
    int tiny = size < 1e-9;
    double mirrored = (tiny ? 0.0 : 1.14472988584940017414) - log64(tiny ? size : sine) - y;
    y = reflected ? mirrored : y;
    return (reflected & (x == floor(x))) ? INF64 : y;
}

/* The slope of lgamma for y > 0: steps up to 10 or more, whose sum of 1 / y is kept as a fraction, then its series. */
INLINE_MATH64 double digamma_of_positive(double y)
{
    double p = 0.0;
    double q = 1.0;
    int low;
#define STEP_UP                                                                                         \
    low = y < 10.0;                                                                                     \
    p = low ? p * y + q : p;                                                                            \
    q = low ? q * y : q;                                                                                \
    y = low ? y + 1.0 : y;
    STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP
#undef STEP_UP
    double over = 1.0 / y;
    double z = over * over;
    double tail = 8.33333333333333333333e-2;
    tail = tail * z - 2.10927960927960927961e-2;
    tail = tail * z + 7.57575757575757575758e-3;
    tail = tail * z - 4.16666666666666666667e-3;
    tail = tail * z + 3.96825396825396825397e-3;
    tail = tail * z - 8.33333333333333333333e-3;
    tail = tail * z + 8.33333333333333333333e-2;
    return log64(y) - (0.5 * over + z * tail) - p / q;
}

INLINE_MATH64 double digamma64(double x)
{
    int reflected = x < 0.0;
    double value = digamma_of_positive(reflected ? 1.0 - x : x);
    double r = x - rint(x);
    Turn turn = turn64(fabs(r));
    double mirrored = value - copysign(PI_HIGH64 * turn.cos, r) / turn.sin;
    value = reflected ? mirrored : value;
    value = (reflected & (x == floor(x))) ? NAN64 : value;
    return x == 0.0 ? copysign(INF64, -x) : value;
}

/* And the slope of that. */
INLINE_MATH64 double trigamma_of_positive(double y)
{
    double p = 0.0;
    double q = 1.0;
    int low;
#define STEP_UP                                                                                         \
    low = y < 10.0;                                                                                     \
    p = low ? p * (y * y) + q : p;                                                                      \
    q = low ? q * (y * y) : q;                                                                          \
    y = low ? y + 1.0 : y;
    STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP STEP_UP
#undef STEP_UP
    double over = 1.0 / y;
    double z = over * over;
    double tail = 1.16666666666666666667;
    tail = tail * z - 2.53113553113553113553e-1;
    tail = tail * z + 7.57575757575757575758e-2;
    tail = tail * z - 3.33333333333333333333e-2;
    tail = tail * z + 2.38095238095238095238e-2;
    tail = tail * z - 3.33333333333333333333e-2;
    tail = tail * z + 1.66666666666666666667e-1;
    return p / q + (over + z * (0.5 + over * tail));
}

INLINE_MATH64 double trigamma64(double x)
{
    int reflected = x < 0.0;
    double value = trigamma_of_positive(reflected ? 1.0 - x : x);
    double mirrored = PI_HIGH64 / turn64(fabs(x - rint(x))).sin;
    return reflected ? mirrored * mirrored - value : x == 0.0 ? INF64 : value;
}

/* ---- modified Bessel functions ------------------------------------------------------------------------------------ */

/* A Chebyshev series by Clenshaw's recurrence. */
#define TERM(c)                                                                                         \
    {                                                                                                   \
        double sum = twice * one + ((c) - two);                                                           \
        two = one;                                                                                      \
        one = sum;                                                                                      \
    }

/* e^-a I0(a) and e^-a I1(a) for a >= 0: up to 8 in a / 4 - 1, then in 16 / a - 1. */
INLINE_MATH64 double i0e_of_positive(double a)
{
    int near = a <= 8.0;
    double u = near ? a / 4.0 - 1.0 : 16.0 / a - 1.0;
    double twice = 2.0 * u, one = 0.0, two = 0.0;
#define PAIR(x, y) TERM(near ? x : y)
    PAIR(-4.4153416464793395e-18, 0.0) PAIR(3.3307945188222384e-17, 0.0)
    PAIR(-2.431279846547955e-16, 0.0) PAIR(1.715391285555133e-15, 1.193650890845982e-18)
    PAIR(-1.1685332877993451e-14, 9.921475412173699e-19) PAIR(7.676185498604936e-14, -7.233180487874754e-18)
    PAIR(-4.856446783111929e-13, -4.830504485944182e-18) PAIR(2.95505266312964e-12, 4.46562142029676e-17)
    PAIR(-1.726826291441556e-11, 3.461222867697461e-17) PAIR(9.675809035373237e-11, -2.8276239805165836e-16)
    PAIR(-5.189795601635263e-10, -3.425485619677219e-16) PAIR(2.6598237246823866e-09, 1.7725601330565263e-15)
    PAIR(-1.300025009986248e-08, 3.8116806693526224e-15) PAIR(6.046995022541919e-08, -9.554846698828307e-15)
    PAIR(-2.670793853940612e-07, -4.150569347287222e-14) PAIR(1.1173875391201037e-06, 1.54008621752141e-14)
    PAIR(-4.4167383584587505e-06, 3.8527783827421426e-13) PAIR(1.6448448070728896e-05, 7.180124451383666e-13)
    PAIR(-5.754195010082104e-05, -1.7941785315068062e-12) PAIR(0.00018850288509584165, -1.3215811840447713e-11)
    PAIR(-0.0005763755745385824, -3.1499165279632416e-11) PAIR(0.0016394756169413357, 1.1889147107846439e-11)
    PAIR(-0.004324309995050576, 4.94060238822497e-10) PAIR(0.010546460394594998, 3.3962320257083865e-09)
    PAIR(-0.02373741480589947, 2.266668990498178e-08) PAIR(0.04930528423967071, 2.0489185894690638e-07)
    PAIR(-0.09490109704804764, 2.8913705208347567e-06) PAIR(0.17162090152220877, 6.889758346916825e-05)
    PAIR(-0.3046826723431984, 0.0033691164782556943)
    double value = u * one - two + (near ? 0.33839763720473803 : 0.4022452055070544);
    return near ? value : value / sqrt(a);
}

INLINE_MATH64 double i1e_of_positive(double a)
{
    int near = a <= 8.0;
    double u = near ? a / 4.0 - 1.0 : 16.0 / a - 1.0;
    double twice = 2.0 * u, one = 0.0, two = 0.0;
    PAIR(-3.541581772542136e-19, 0.0) PAIR(2.7779141127610464e-18, 0.0)
    PAIR(-2.111421214358166e-17, 0.0) PAIR(1.5536319577362005e-16, -1.242193275194891e-18)
    PAIR(-1.1055969477353862e-15, -9.314178867326884e-19) PAIR(7.600684294735408e-15, 7.517296310842105e-18)
    PAIR(-5.042185504727912e-14, 4.414348323071708e-18) PAIR(3.223793365945575e-13, -4.6503053684893586e-17)
    PAIR(-1.9839743977649436e-12, -3.209525921993424e-17) PAIR(1.1736186298890901e-11, 2.96262899764595e-16)
    PAIR(-6.663489723502027e-11, 3.3082023109209285e-16) PAIR(3.625590281552117e-10, -1.8803547755107825e-15)
    PAIR(-1.8872497517228294e-09, -3.8144030724370075e-15) PAIR(9.381537386495773e-09, 1.0420276984128802e-14)
    PAIR(-4.445059128796328e-08, 4.272440016711951e-14) PAIR(2.0032947535521353e-07, -2.1015418427726643e-14)
    PAIR(-8.568720264695455e-07, -4.0835511110921974e-13) PAIR(3.4702513081376785e-06, -7.198551776245908e-13)
    PAIR(-1.3273163656039436e-05, 2.0356285441470896e-12) PAIR(4.781565107550054e-05, 1.4125807436613782e-11)
    PAIR(-0.00016176081582589674, 3.2526035830154884e-11) PAIR(0.0005122859561685758, -1.8974958123505413e-11)
    PAIR(-0.0015135724506312532, -5.589743462196584e-10) PAIR(0.004156422944312888, -3.835380385964237e-09)
    PAIR(-0.010564084894626197, -2.6314688468895196e-08) PAIR(0.024726449030626516, -2.512236237870209e-07)
    PAIR(-0.05294598120809499, -3.882564808877691e-06) PAIR(0.1026436586898471, -0.00011058893876262371)
    PAIR(-0.17641651835783406, -0.009761097491361469)
#undef PAIR
#undef TERM
    double value = u * one - two + (near ? 0.12629359322181682 : 0.38928811750914005);
    return near ? a * value : value / sqrt(a);
}

INLINE_MATH64 double i0e64(double x)
{
    return i0e_of_positive(fabs(x));
}

INLINE_MATH64 double i1e64(double x)
{
    return copysign(i1e_of_positive(fabs(x)), x);
}

INLINE_MATH64 double i0_64(double x)
{
    double a = fabs(x);
    return exp64(a) * i0e_of_positive(a);
}

INLINE_MATH64 double i1_64(double x)
{
    double a = fabs(x);
    return copysign(exp64(a) * i1e_of_positive(a), x);
}

/* The slope of i1e over that of e^-|x|: i0e - i1e / |x| - i1e, of which the middle is a half at 0. */
INLINE_MATH64 double i1_over(double a, double i1)
{
    return a < 0x1p-1000 ? 0.5 : i1 / a;
}

INLINE_MATH64 double i1_slope64(double x)
{
    double a = fabs(x);
    return exp64(a) * (i0e_of_positive(a) - i1_over(a, i1e_of_positive(a)));
}

INLINE_MATH64 double i0e_slope64(double x)
{
    double a = fabs(x);
    double slope = i1e_of_positive(a) - i0e_of_positive(a);
    return x < 0.0 ? -slope : x > 0.0 ? slope : x;
}

INLINE_MATH64 double i1e_slope64(double x)
{
    double a = fabs(x);
    double i1 = i1e_of_positive(a);
    return i0e_of_positive(a) - (i1 + i1_over(a, i1));
}

/* ---- sin(t) / t --------------------------------------------------------------------------------------------------- */

/* Its slope for |t| < 1 over t, of z = t^2. */
INLINE_MATH64 double sinc_slope_near(double z)
{
    double z2 = z * z;
    double even = -1.4797143443923793e-16;
    even = even * z2 - 1.0706029224547743e-11;
    even = even * z2 - 2.505210838544172e-07;
    even = even * z2 - 0.0011904761904761906;
    even = even * z2 - 0.3333333333333333;
    double odd = 3.9145882126782523e-19;
    odd = odd * z2 + 4.498331606952833e-14;
    odd = odd * z2 + 1.9270852604185937e-09;
    odd = odd * z2 + 2.2045855379188714e-05;
    odd = odd * z2 + 0.03333333333333333;
    double p = even + z * odd;
    return p;
}

/* The slope of sin(t) / t, t = pi x, to x, given sine and cosine of t. */
INLINE_MATH64 double sinc_slope64(double t, double sine, double cosine)
{
    double far = (cosine - sine / t) / t;
    return PI_HIGH64 * (fabs(t) < 1.0 ? t * sinc_slope_near(t * t) : far);
}

/* By C's functions, which take an angle of any size. */
static inline double sinc_slope_far(double x)
{
    double t = x * PI_HIGH64;
    return sinc_slope64(t, sin(t), cos(t));
}

#endif
