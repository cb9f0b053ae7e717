/* The random numbers' loops that want vector lanes, and whose rounding is part of the promise. Only _random.pyx includes this. */
#ifndef TENSORGRAD_RANDOM_LOOPS_H
#define TENSORGRAD_RANDOM_LOOPS_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "glibc.h"

/* Every fused multiply-add below is written out, and the compiler must not add its own: it would change
   the bits. Where the CPU has no such instruction, fmaf is a library call, as exact but slow. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=off", "no-trapping-math")
#endif
#define TG_FROM(type) const type *__restrict
#define TG_TO(type) type *__restrict
#if defined(__GNUC__)
#define TG_PART static inline __attribute__((always_inline))
#else
#define TG_PART static inline
#endif

/* TG_LOOP(name, (parameters), (arguments)) makes `name` of `name_body`: compiled twice, for any CPU and
   for one with AVX2 and FMA, and chosen when called. */
#if defined(__GNUC__) && defined(__x86_64__)
static int tg_has_fma = 0;
static void tg_look_at_cpu(void) {
    tg_has_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#define TG_LOOP(name, parameters, arguments) \
    __attribute__((target("avx2,fma"))) static void name##_fma parameters { name##_body arguments; } \
    static void name parameters { if (tg_has_fma) name##_fma arguments; else name##_body arguments; }
#else
static void tg_look_at_cpu(void) {}
#define TG_LOOP(name, parameters, arguments) static void name parameters { name##_body arguments; }
#endif

/* The next 624 words: Matsumoto and Nishimura's recurrence. Each loop reads ahead of where it writes, or
   227 places behind, so it runs in vector lanes. */
#define TG_TWIST(u, v) \
    (((((u) & 0x80000000u) | ((v) & 0x7fffffffu)) >> 1) ^ ((0u - ((v) & 1u)) & 0x9908b0dfu))
TG_PART void tg_refill_body(uint32_t *s) {
    int i;
    for (i = 0; i < 227; i++) s[i] = s[i + 397] ^ TG_TWIST(s[i], s[i + 1]);
    for (i = 227; i < 623; i++) s[i] = s[i - 227] ^ TG_TWIST(s[i], s[i + 1]);
    s[623] = s[396] ^ TG_TWIST(s[623], s[0]);
}
TG_LOOP(tg_refill, (uint32_t *s), (s))

TG_PART uint32_t tg_temper_one(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}
TG_PART void tg_temper_body(TG_FROM(uint32_t) s, TG_TO(uint32_t) out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = tg_temper_one(s[i]);
}
TG_LOOP(tg_temper, (TG_FROM(uint32_t) s, TG_TO(uint32_t) out, int64_t n), (s, out, n))

TG_PART void tg_uniform24_body(TG_FROM(uint32_t) w, TG_TO(float) out, int64_t n, float low, float high) {
    const float span = high - low;
    if (low == 0.0f && high == 1.0f) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)(int32_t)(w[i] & 0xffffffu) * (1.0f / 16777216.0f);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float x = fmaf((float)(int32_t)(w[i] & 0xffffffu) * (1.0f / 16777216.0f), span, low);
        out[i] = x == high ? low : x;
    }
}
TG_LOOP(tg_uniform24, (TG_FROM(uint32_t) w, TG_TO(float) out, int64_t n, float low, float high),
        (w, out, n, low, high))

TG_PART void tg_uniform53_body(TG_FROM(uint32_t) w, TG_TO(double) out, int64_t n,
                               double low, double high) {
    const double span = high - low;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = ((uint64_t)(w[2 * i] & 0x1fffffu) << 32) | w[2 * i + 1];
        out[i] = (double)(int64_t)bits * (1.0 / 9007199254740992.0);
    }
    if (low == 0.0 && high == 1.0) return;
    for (int64_t i = 0; i < n; i++) {
        double x = fma(out[i], span, low);
        out[i] = x == high ? low : x;
    }
}
TG_LOOP(tg_uniform53, (TG_FROM(uint32_t) w, TG_TO(double) out, int64_t n, double low, double high),
        (w, out, n, low, high))

/* A 53-bit draw is below p exactly if its integer is below ceil(p * 2**53). */
TG_PART void tg_below53_body(TG_FROM(uint32_t) w, TG_TO(uint8_t) out, int64_t n, int64_t limit) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (int64_t)(((uint64_t)(w[2 * i] & 0x1fffffu) << 32) | w[2 * i + 1]) < limit;
}
TG_LOOP(tg_below53, (TG_FROM(uint32_t) w, TG_TO(uint8_t) out, int64_t n, int64_t limit),
        (w, out, n, limit))

/* low + w % span. Up to 2**28 by a float64 quotient, which is at most one off, and so in vector lanes. */
TG_PART void tg_modulo_body(TG_FROM(uint32_t) w, TG_TO(int64_t) out, int64_t n,
                            uint32_t span, int64_t low) {
    if (span < 2 || span > (1u << 28)) {
        for (int64_t i = 0; i < n; i++) out[i] = low + (int64_t)(w[i] % span);
        return;
    }
    const double inverse = 1.0 / span;
    for (int64_t i = 0; i < n; i++) {
        int32_t quotient = (int32_t)((double)w[i] * inverse);
        int32_t rest = (int32_t)(w[i] - (uint32_t)quotient * span);
        rest += (int32_t)span & -(rest < 0);
        rest -= (int32_t)span & -(rest >= (int32_t)span);
        out[i] = low + rest;
    }
}
TG_LOOP(tg_modulo, (TG_FROM(uint32_t) w, TG_TO(int64_t) out, int64_t n, uint32_t span, int64_t low),
        (w, out, n, span, low))

/* Box and Muller's transform of 8 pairs of uniforms, with the float32 logarithm, sine and cosine of the
   Cephes library (S. Moshier), rounded in the order of torch's AVX2 path. */
TG_PART float tg_bits_float(uint32_t b) { float f; memcpy(&f, &b, 4); return f; }
TG_PART uint32_t tg_float_bits(float f) { uint32_t b; memcpy(&b, &f, 4); return b; }

TG_PART float tg_log(float x) {                  /* x in (0, 1], normal numbers */
    uint32_t b = tg_float_bits(x);
    float e = (float)((int32_t)(b >> 23) - 126);
    float m = tg_bits_float((b & 0x007fffffu) | 0x3f000000u);
    uint32_t small = m < 0.707106781186547524f ? 0xffffffffu : 0u;
    float half = tg_bits_float(tg_float_bits(m) & small);
    e -= tg_bits_float(0x3f800000u & small);
    m = (m - 1.0f) + half;
    float z = m * m;
    float y = fmaf(7.0376836292e-2f, m, -1.1514610310e-1f);
    y = fmaf(y, m, 1.1676998740e-1f);
    y = fmaf(y, m, -1.2420140846e-1f);
    y = fmaf(y, m, 1.4249322787e-1f);
    y = fmaf(y, m, -1.6668057665e-1f);
    y = fmaf(y, m, 2.0000714765e-1f);
    y = fmaf(y, m, -2.4999993993e-1f);
    y = fmaf(y, m, 3.3333331174e-1f);
    y = y * m;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = fmaf(z, -0.5f, y);
    return fmaf(e, 0.693359375f, m + y);
}

TG_PART void tg_sincos(float x, float *s, float *c) {   /* x in [0, 2 pi] */
    int32_t octant = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    float k = (float)octant;
    x = fmaf(k, -0.78515625f, x);
    x = fmaf(k, -2.4187564849853515625e-4f, x);
    x = fmaf(k, -3.77489497744594108e-8f, x);
    float z = x * x;
    float even = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    even = fmaf(even, z, 4.166664568298827e-2f);
    even = even * z;
    even = fmaf(even, z, z * -0.5f) + 1.0f;
    float odd = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    odd = fmaf(odd, z, -1.6666654611e-1f);
    odd = odd * z;
    odd = fmaf(odd, x, x);
    uint32_t swap = 0u - (uint32_t)((octant >> 1) & 1);
    uint32_t o = tg_float_bits(odd), v = tg_float_bits(even);
    uint32_t sine = (o & ~swap) | (v & swap), cosine = (v & ~swap) | (o & swap);
    *s = tg_bits_float(sine ^ ((uint32_t)(octant & 4) << 29));
    *c = tg_bits_float(cosine ^ ((uint32_t)(~(octant - 2) & 4) << 29));
}

TG_PART void tg_sqrt8(float *x) {       /* sqrtf may set errno, and so keeps a loop out of vector lanes */
#if defined(__x86_64__)
    _mm_storeu_ps(x, _mm_sqrt_ps(_mm_loadu_ps(x)));
    _mm_storeu_ps(x + 4, _mm_sqrt_ps(_mm_loadu_ps(x + 4)));
#else
    for (int j = 0; j < 8; j++) x[j] = sqrtf(x[j]);
#endif
}
TG_PART void tg_box_muller_body(float *data, int64_t blocks, float mean, float std) {
    float radius[8], s[8], c[8];
    for (int64_t b = 0; b < blocks; b++, data += 16) {
        for (int j = 0; j < 8; j++) {
            radius[j] = -2.0f * tg_log(1.0f - data[j]);
            tg_sincos(6.28318530717958648f * data[j + 8], s + j, c + j);
        }
        tg_sqrt8(radius);
        for (int j = 0; j < 8; j++) {
            data[j] = fmaf(radius[j] * c[j], std, mean);
            data[j + 8] = fmaf(radius[j] * s[j], std, mean);
        }
    }
}
TG_LOOP(tg_box_muller, (float *data, int64_t blocks, float mean, float std), (data, blocks, mean, std))

/* Poisson and binomial numbers, each from as many uniforms as it takes; `unit` draws one from the engine. Small means by
   multiplied uniforms and by geometric gaps, large ones by Hoermann's transformed rejection (PTRS and BTRS, 1993), with the
   constants and the order of steps of torch, whose last test in BTRS takes a logarithm that the paper leaves out. */
typedef double (*tg_draw)(void *engine);

static double tg_poisson(tg_draw unit, void *engine, double rate) {
    if (rate < 10.0) {
        const double end = exp(-rate);
        double product = 1.0, k = 0.0;
        if (rate == 0.0) return 0.0;
        while ((product *= unit(engine)) > end) k += 1.0;
        return k;
    }
    if (rate == INFINITY) return rate;
    const double root = sqrt(rate), logarithm = log(rate);
    const double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    const double inverse = 1.1239 + 1.1328 / (b - 3.4), box = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        const double u = unit(engine) - 0.5, v = unit(engine), edge = 0.5 - fabs(u);
        const double k = floor((2 * a / edge + b) * u + rate + 0.43);
        if (edge >= 0.07 && v <= box) return k;
        if (k < 0.0 || (edge < 0.013 && v > edge)) continue;
        if (log(v) + log(inverse) - log(a / (edge * edge) + b) <= -rate + k * logarithm - lgamma(k + 1)) return k;
    }
}

/* What Stirling's formula for log(k!) lacks. */
static double tg_stirling_rest(double k) {
    static const double first[10] = {
        0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.0207906721037650, 0.0166446911898211,
        0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
    };
    if (k < 10.0) return first[k > 0.0 ? (int)k : 0];
    const double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

static double tg_binomial_half(tg_draw unit, void *engine, double count, double p) {      /* p up to 1/2 */
    if (count * p < 10.0) {
        const double fails = log1p(-p);
        double used = 0.0, k = 0.0;
        while ((used += ceil(log(unit(engine)) / fails)) <= count) k += 1.0;
        return k;
    }
    const double deviation = sqrt(count * p * (1 - p));
    const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p, c = count * p + 0.5;
    const double box = 0.92 - 4.2 / b, r = p / (1 - p), alpha = (2.83 + 5.1 / b) * deviation, m = floor((count + 1) * p);
    for (;;) {
        const double u = unit(engine) - 0.5, v = unit(engine), edge = 0.5 - fabs(u);
        const double k = floor((2 * a / edge + b) * u + c);
        if (k < 0.0 || k > count) continue;
        if (edge >= 0.07 && v <= box) return k;
        const double bound = (m + 0.5) * log((m + 1) / (r * (count - m + 1)))
            + (count + 1) * log((count - m + 1) / (count - k + 1)) + (k + 0.5) * log(r * (count - k + 1) / (k + 1))
            + tg_stirling_rest(m) + tg_stirling_rest(count - m) - tg_stirling_rest(k) - tg_stirling_rest(count - k);
        if (log(v * alpha / (a / (edge * edge) + b)) <= bound) return k;
    }
}

static double tg_binomial(tg_draw unit, void *engine, double count, double p) {
    if (count <= 0.0 || p <= 0.0) return 0.0;
    if (p >= 1.0 || count == INFINITY) return p == p ? count : p;
    if (count != count || p != p) return NAN;
    return p <= 0.5 ? tg_binomial_half(unit, engine, count, p) : count - tg_binomial_half(unit, engine, count, 1.0 - p);
}

/* A gamma number of scale 1, by Marsaglia and Tsang (2000): the cube of a shifted normal, squeezed. Below 1 it is one of
   concentration + 1 times a power of a uniform. The constants have the digits of floats, as in torch's, and with `single` so
   has all that comes from the concentration alone. */
static double tg_gamma(tg_draw unit, tg_draw normal, void *engine, double concentration, int single) {
    const double third = 1.0f / 3.0f, squeeze = 0.0331f;
    double scale = 1.0, d = concentration;
    if (d == 0.0 || d != d) return d;
    if (d < 1.0) {
        scale = pow(1.0 - unit(engine), single ? (double)(1.0f / (float)d) : 1.0 / d);
        d = single ? (double)((float)d + 1.0f) : d + 1.0;
    }
    d = single ? (double)((float)d - (float)third) : d - third;
    const double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x, root;
        do {
            x = normal(engine);
            root = 1.0 + c * x;
        } while (root <= 0.0);
        const double cube = root * root * root, u = 1.0 - unit(engine), square = x * x;
        if (u < 1.0 - squeeze * square * square || log(u) < 0.5 * square + d * (1.0 - cube + log(cube)))
            return scale * d * cube;
    }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

#endif
