/* Map kernels of one float type: one contiguous loop for each formula of point.h, to which walk.c brings every layout. map.c and
 * map_other.c include this, each with the size of its type in ELEMENT_BYTES; the second has all else that is done by element.
 */
#ifndef TENSORGRAD_MAP_H
#define TENSORGRAD_MAP_H

#include <math.h>
#include <string.h>

#include "activations.h"
#include "entries.h"
#include "math64.h"
#include "vmath.h"
#include "walk.h"

#if ELEMENT_BYTES == 4
typedef float real;
#define DT_REAL DT_F32
#define CHOSEN(single, wide) single
#define GRANULE_real WALK_GRANULE
#define GRANULE_OF_3 WALK_GRANULE
#define IS_FAR_ANGLE(x) (abs32(x) > TRIGONOMETRY_LIMIT)
#else
typedef double real;
#define DT_REAL DT_F64
#define CHOSEN(single, wide) wide
#define GRANULE_real WALK_GRANULE_F64
#define GRANULE_OF_3 1
#define IS_FAR_ANGLE(x) (fabs(x) > TRIGONOMETRY_LIMIT64)
#endif

/* The loop of a formula, and its kernel. A count that is a multiple of the granule leaves the compiler no remainder. */
#define LOOP_OF_1(function, type, GRANULE, x, expression)                                               \
    static void function(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        type *out = data[1];                                                                            \
        const type s0 = (type)scalar[0];                                                                \
        const type s1 = (type)scalar[1];                                                                \
        (void)s0;                                                                                       \
        (void)s1;                                                                                       \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)(GRANULE)); i++) {                                   \
            const type x = in[i];                                                                       \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }

#define SPAN_OF_1(name, T, type, GRANULE, x, expression)                                                \
    LOOP_OF_1(span_##name##_##T, type, GRANULE, x, expression)                                          \
    static void kernel_##name##_##T(const KernelArgs *a, int64_t from, int64_t to)                      \
    {                                                                                                   \
        static const Span span = {2, GRANULE, {sizeof(type), sizeof(type)}};                            \
        LEVEL(walk)(a, from, to, span_##name##_##T, &span);                                             \
    }

#define LOOP_OF_2(function, type, result, GRANULE, x, y, x_at, y_at, expression)                        \
    static void function(void *const *data, int64_t count, const double *scalar)                        \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        const type *other = data[1];                                                                    \
        result *out = data[2];                                                                          \
        const type s0 = (type)scalar[0];                                                                \
        const type s1 = (type)scalar[1];                                                                \
        (void)s0;                                                                                       \
        (void)s1;                                                                                       \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)(GRANULE)); i++) {                                   \
            const type x = in[x_at];                                                                    \
            const type y = other[y_at];                                                                 \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }

#define KERNEL_OF_2(name, T, type, result, GRANULE, repeated)                                           \
    static void kernel_##name##_##T(const KernelArgs *a, int64_t from, int64_t to)                      \
    {                                                                                                   \
        static const Span span = {3, GRANULE, {sizeof(type), sizeof(type), sizeof(result)}, repeated};  \
        LEVEL(walk)(a, from, to, span_##name##_##T, &span);                                             \
    }

#define SPAN_OF_2(name, T, type, result, GRANULE, x, y, expression)                                     \
    LOOP_OF_2(span_##name##_##T, type, result, GRANULE, x, y, i, i, expression)                         \
    KERNEL_OF_2(name, T, type, result, GRANULE, NULL)

/* With two more loops, in which one operand is a single number. */
#define SPAN_OF_2_OR_NUMBER(name, T, type, GRANULE, x, y, expression)                                   \
    LOOP_OF_2(span_##name##_##T, type, type, GRANULE, x, y, i, i, expression)                           \
    LOOP_OF_2(number_##name##_##T, type, type, 1, x, y, 0, i, expression)                               \
    LOOP_OF_2(name##_number_##T, type, type, 1, x, y, i, 0, expression)                                 \
    static const span_fn repeated_##name##_##T[] = {number_##name##_##T, name##_number_##T};            \
    KERNEL_OF_2(name, T, type, type, GRANULE, repeated_##name##_##T)

/* Sines reduce their argument by so many bits of pi, which holds up to a limit; so does a quotient whose rest is asked for.
   Larger ones are done by C's own functions; that there are some in a granule is found out in the vector loop, at the cost
   of one maximum. So negative numbers are for the gamma functions, which reflect them. */
#define LOOP_OR_FAR(function, T, type, operands, x, y, is_far, expression, far)                         \
    static void function(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        type *out = data[operands - 1];                                                                 \
        (void)scalar;                                                                                   \
        for (int64_t first = 0; first < count; first += GRANULE_##T) {                                  \
            type result[GRANULE_##T];                                                                   \
            int too_far = 0;                                                                            \
            for (int i = 0; i < GRANULE_##T; i++) {                                                     \
                const type x = ((const type *)data[0])[first + i];                                      \
                const type y = ((const type *)data[operands - 2])[first + i];                           \
                (void)x;                                                                                \
                result[i] = expression;                                                                 \
                too_far |= is_far;                                                                      \
            }                                                                                           \
            if (too_far) {                                                                              \
                for (int i = 0; i < GRANULE_##T; i++) {                                                 \
                    const type x = ((const type *)data[0])[first + i];                                  \
                    const type y = ((const type *)data[operands - 2])[first + i];                       \
                    (void)x;                                                                            \
                    result[i] = is_far ? far : result[i];                                               \
                }                                                                                       \
            }                                                                                           \
            memcpy(out + first, result, sizeof result);                                                 \
        }                                                                                               \
    }

#define SPAN_OR_FAR(name, T, type, operands, x, y, is_far, expression, far)                             \
    LOOP_OR_FAR(span_##name##_##T, T, type, operands, x, y, is_far, expression, far)                    \
    static void kernel_##name##_##T(const KernelArgs *a, int64_t from, int64_t to)                      \
    {                                                                                                   \
        static const Span span = {operands, GRANULE_##T, {sizeof(type), sizeof(type), sizeof(type)}};   \
        LEVEL(walk)(a, from, to, span_##name##_##T, &span);                                             \
    }

#if ELEMENT_BYTES == 4
/* Most numbers lie where a formula is shorter: neither too large, nor denormal, nor without end. A chunk that turns out to hold
   others is done again in the long form, which gives all others the same bits. How far a number lies is told by its bits. */
#define magnitude(x) ((uint32_t)bits_of(x) & 0x7fffffffu)
#define from_least_normal(x) ((uint32_t)bits_of(x) - 0x00800000u)

typedef struct NearForm {
    uint32_t (*near)(void *const *data, int64_t count);     /* gives how far the farthest lies */
    uint32_t limit;
    span_fn any;
    int operands;
} NearForm;

static NEVER_INLINE void near_or_any(const NearForm *form, void *const *data, int64_t count, const double *scalar)
{
    enum { CHUNK = 512 };
    float kept[2][CHUNK];
    const int last = form->operands - 1;
    for (int64_t first = 0; first < count; first += CHUNK) {
        const int64_t n = count - first < CHUNK ? count - first : CHUNK;
        void *at[3];
        at[last] = (float *)data[last] + first;
        for (int k = 0; k < last; k++) {
            at[k] = (float *)data[k] + first;
            if (data[k] == data[last]) {        /* which the short form writes over */
                at[k] = memcpy(kept[k], at[k], (size_t)n * sizeof(float));
            }
        }
        if (form->near(at, n) > form->limit) {
            form->any(at, n, scalar);
        }
    }
}

/* Of `x` and `y`, the second of which is measured; of one operand both are it. */
#define SPAN_OF_FORMS(name, of, x, y, measure, most, expression)                                        \
    static uint32_t near_##name(void *const *data, int64_t count)                                       \
    {                                                                                                   \
        uint32_t farthest = 0;                                                                          \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)GRANULE_real); i++) {                                \
            const float x = ((const float *)data[0])[i];                                                \
            const float y = ((const float *)data[of - 2])[i];                                           \
            farthest = measure(y) > farthest ? measure(y) : farthest;                                   \
            (void)x;                                                                                    \
            ((float *)data[of - 1])[i] = expression;                                                    \
        }                                                                                               \
        return farthest;                                                                                \
    }                                                                                                   \
    static void span_##name##_real(void *const *data, int64_t count, const double *scalar)              \
    {                                                                                                   \
        static const NearForm form = {near_##name, most, any_##name, of};                               \
        near_or_any(&form, data, count, scalar);                                                        \
    }                                                                                                   \
    static void kernel_##name##_real(const KernelArgs *a, int64_t from, int64_t to)                     \
    {                                                                                                   \
        static const Span span = {of, GRANULE_real, {4, 4, 4}};                                         \
        LEVEL(walk)(a, from, to, span_##name##_real, &span);                                            \
    }

#define NEAR1(name, cost, measure, most, short, single, wide)                                           \
    LOOP_OF_1(any_##name, real, GRANULE_real, x, single)                                                \
    SPAN_OF_FORMS(name, 2, unused, x, measure, most, short)
#define NEAR_SLOPE(name, cost, measure, most, short, single, wide)                                      \
    LOOP_OF_2(any_##name, real, real, GRANULE_real, g, v, i, i, single)                                 \
    SPAN_OF_FORMS(name, 3, g, v, measure, most, short)
#define ANGLE1(name, cost, short, single, wide, far, far_wide)                                          \
    LOOP_OR_FAR(any_##name, real, real, 2, unused, x, IS_FAR_ANGLE(x), single, far)                     \
    SPAN_OF_FORMS(name, 2, unused, x, magnitude, NEAR_ANGLE, short)
#define ANGLE_SLOPE(name, cost, short, single, wide, far, far_wide)                                     \
    LOOP_OR_FAR(any_##name, real, real, 3, g, v, IS_FAR_ANGLE(v), single, far)                          \
    SPAN_OF_FORMS(name, 3, g, v, magnitude, NEAR_ANGLE, short)
#else       /* of float64 the long form alone */
#define NEAR1(name, cost, measure, most, short, single, wide) SPAN_OF_1(name, real, real, GRANULE_real, x, wide)
#define NEAR_SLOPE(name, cost, measure, most, short, single, wide) SPAN_OF_2(name, real, real, real, GRANULE_real, g, v, wide)
#define ANGLE1(name, cost, short, single, wide, far, far_wide) FAR1(name, cost, single, wide, far, far_wide)
#define ANGLE_SLOPE(name, cost, short, single, wide, far, far_wide) FAR_SLOPE(name, cost, single, wide, far, far_wide)
#endif

#if ELEMENT_BYTES == 8
#include "sums.h"

/* A float32 span that is the float64 one, a buffer at a time. */
static NEVER_INLINE void through_double(span_fn wide, int operands, void *const *data, int64_t count, const double *scalar)
{
    enum { CHUNK = 256 };
    double buffer[3][CHUNK];
    void *const at[] = {buffer[0], buffer[1], buffer[2]};
    float *out = data[operands - 1];
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t n = count - first < CHUNK ? count - first : CHUNK;
        for (int k = 0; k < operands - 1; k++) {
            const float *in = (const float *)data[k] + first;
            INDEPENDENT
            for (int64_t i = 0; i < (n & -(int64_t)GRANULE_real); i++) {
                buffer[k][i] = (double)in[i];
            }
        }
        wide(at, n, scalar);
        INDEPENDENT
        for (int64_t i = 0; i < (n & -(int64_t)GRANULE_real); i++) {
            out[first + i] = (float)buffer[operands - 1][i];
        }
    }
}

static const double NEAR_ENOUGH[KERNEL_SCALARS] = {1e-10};

#define SPAN_THROUGH_DOUBLE(name, operands, settings)                                                   \
    static void span_##name##_f32(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        (void)scalar;                                                                                   \
        through_double(span_##name##_real, operands, data, count, settings);                             \
    }                                                                                                   \
    static void kernel_##name##_f32(const KernelArgs *a, int64_t from, int64_t to)                      \
    {                                                                                                   \
        static const Span span = {operands, WALK_GRANULE, {4, 4, 4}};                                   \
        LEVEL(walk)(a, from, to, span_##name##_f32, &span);                                             \
    }

#define WIDE1(name, cost, wide)                                                                         \
    SPAN_OF_1(name, real, real, GRANULE_real, x, wide)                                                  \
    SPAN_THROUGH_DOUBLE(name, 2, scalar)
#define WIDE2(name, cost, wide)                                                                         \
    SPAN_OF_2(name, real, real, real, GRANULE_real, x, y, wide)                                       \
    SPAN_THROUGH_DOUBLE(name, 3, NEAR_ENOUGH)
#define WIDE_SLOPE(name, cost, wide)                                                                    \
    SPAN_OF_2(name, real, real, real, GRANULE_real, g, v, wide)                                       \
    SPAN_THROUGH_DOUBLE(name, 3, scalar)
#define WIDE_OR_FAR1(name, cost, is_far, wide, far)                                                     \
    SPAN_OR_FAR(name, real, real, 2, unused, x, is_far, wide, far)                                     \
    SPAN_THROUGH_DOUBLE(name, 2, scalar)
#define WIDE_OR_FAR_SLOPE(name, cost, is_far, wide, far)                                                \
    SPAN_OR_FAR(name, real, real, 3, g, v, is_far, wide, far)                                          \
    SPAN_THROUGH_DOUBLE(name, 3, scalar)
#else       /* what is made in double stands with the kernels of float64 */
#define WIDE1(name, cost, wide)
#define WIDE2(name, cost, wide)
#define WIDE_SLOPE(name, cost, wide)
#define WIDE_OR_FAR1(name, cost, is_far, wide, far)
#define WIDE_OR_FAR_SLOPE(name, cost, is_far, wide, far)
#endif
#define POINT1_SET(name, cost, settings, single, wide) SPAN_OF_1(name, real, real, GRANULE_real, x, CHOSEN(single, wide))
#define ARITHMETIC2(name, cost, single, wide) SPAN_OF_2_OR_NUMBER(name, real, real, GRANULE_real, x, y, CHOSEN(single, wide))
#define POINT2_SET(name, cost, settings, single, wide) SPAN_OF_2(name, real, real, real, GRANULE_real, x, y, CHOSEN(single, wide))
#define QUOTIENT2(name, cost, single, wide, far, far_wide)                                              \
    SPAN_OR_FAR(name, real, real, 3, x, y, CHOSEN(is_far_quotient, is_far_quotient64)(x, y), CHOSEN(single, wide), CHOSEN(far, far_wide))
#define SLOPE_SET(name, cost, settings, single, wide) SPAN_OF_2(name, real, real, real, GRANULE_real, g, v, CHOSEN(single, wide))
#define FAR1(name, cost, single, wide, far, far_wide)                                                   \
    SPAN_OR_FAR(name, real, real, 2, unused, x, IS_FAR_ANGLE(x), CHOSEN(single, wide), CHOSEN(far, far_wide))
#define FAR_SLOPE(name, cost, single, wide, far, far_wide)                                              \
    SPAN_OR_FAR(name, real, real, 3, g, v, IS_FAR_ANGLE(v), CHOSEN(single, wide), CHOSEN(far, far_wide))
#include "point.h"

/* Powers that have a shorter way take it, as in PyTorch: so x ** 2 is x * x to the last bit. */
#define EACH(T, type, expression)                                                                       \
    {                                                                                                   \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)GRANULE_##T); i++) {                                 \
            const type x = in[i];                                                                       \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }

/* x^exponent, or g factor x^exponent where there is a g. By the loop of two operands: with one number for all, compilers take the
   questions about it out of the loop, and leave it without vectors. */
#define RAISED(T, type)                                                                                 \
    static NEVER_INLINE void raised_##T(const type *g, type factor, const type *x, type exponent,       \
                                        type *out, int64_t count)                                       \
    {                                                                                                   \
        enum { CHUNK = 256 };                                                                           \
        type same[CHUNK], power[CHUNK];                                                                 \
        for (int64_t i = 0; i < CHUNK; i++) {                                                           \
            same[i] = exponent;                                                                         \
        }                                                                                               \
        for (int64_t first = 0; first < count; first += CHUNK) {                                        \
            int64_t n = count - first < CHUNK ? count - first : CHUNK;                                  \
            void *const at[] = {(void *)(uintptr_t)(x + first), same, g ? power : out + first};         \
            span_pow_##T(at, n, NO_SETTINGS);                                                           \
            if (!g) {                                                                                   \
                continue;                                                                               \
            }                                                                                           \
            INDEPENDENT                                                                                 \
            for (int64_t i = 0; i < (n & -(int64_t)GRANULE_##T); i++) {                                 \
                out[first + i] = g[first + i] * (factor * power[i]);                                    \
            }                                                                                           \
        }                                                                                               \
    }

static const double NO_SETTINGS[KERNEL_SCALARS] = {0};

RAISED(real, real)

#define POWERS(T, type, SQRT)                                                                           \
    static void span_pow_scalar_##T(void *const *data, int64_t count, const double *scalar)             \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        type *out = data[1];                                                                            \
        const type exponent = (type)scalar[0];                                                          \
        if (exponent == 2) {                                                                            \
            EACH(T, type, x * x)                                                                        \
        } else if (exponent == 3) {                                                                     \
            EACH(T, type, x * x * x)                                                                    \
        } else if (exponent == 1) {                                                                     \
            EACH(T, type, x)                                                                            \
        } else if (exponent == (type)0.5) {                                                             \
            EACH(T, type, SQRT(x))                                                                      \
        } else if (exponent == (type)-0.5) {                                                            \
            EACH(T, type, 1 / SQRT(x))                                                                  \
        } else if (exponent == -1) {                                                                    \
            EACH(T, type, 1 / x)                                                                        \
        } else if (exponent == -2) {                                                                    \
            EACH(T, type, 1 / (x * x))                                                                  \
        } else {                                                                                        \
            raised_##T(NULL, 1, in, exponent, out, count);                                              \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_pow_scalar_##T(const KernelArgs *a, int64_t from, int64_t to)                    \
    {                                                                                                   \
        static const Span span = {2, GRANULE_##T, {sizeof(type), sizeof(type)}};                        \
        LEVEL(walk)(a, from, to, span_pow_scalar_##T, &span);                                           \
    }                                                                                                   \
    /* g e x^(e - 1); 0 for a power of 0, whatever x is. */                                             \
    static void span_pow_scalar_backward_##T(void *const *data, int64_t count, const double *scalar)    \
    {                                                                                                   \
        const type *g = data[0];                                                                        \
        const type *in = data[1];                                                                       \
        type *out = data[2];                                                                            \
        const type exponent = (type)scalar[0];                                                          \
        const type lower = (type)(scalar[0] - 1.0);                                                     \
        if (exponent == 0) {                                                                            \
            memset(out, 0, (size_t)count * sizeof(type));                                               \
        } else if (exponent == 2) {                                                                     \
            EACH(T, type, g[i] * (2 * x))                                                               \
        } else if (exponent == 3) {                                                                     \
            EACH(T, type, g[i] * (3 * (x * x)))                                                         \
        } else {                                                                                        \
            raised_##T(g, exponent, in, lower, out, count);                                             \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_pow_scalar_backward_##T(const KernelArgs *a, int64_t from, int64_t to)           \
    {                                                                                                   \
        static const Span span = {3, GRANULE_##T, {sizeof(type), sizeof(type), sizeof(type)}};          \
        LEVEL(walk)(a, from, to, span_pow_scalar_backward_##T, &span);                                  \
    }

POWERS(real, real, CHOSEN(sqrtf, sqrt))

#define COMPARE(T, type)                                                                                \
    SPAN_OF_2(eq, T, type, uint8_t, 1, x, y, x == y)                                                    \
    SPAN_OF_2(ne, T, type, uint8_t, 1, x, y, x != y)                                                    \
    SPAN_OF_2(lt, T, type, uint8_t, 1, x, y, x < y)                                                     \
    SPAN_OF_2(le, T, type, uint8_t, 1, x, y, x <= y)                                                    \
    SPAN_OF_2(gt, T, type, uint8_t, 1, x, y, x > y)                                                     \
    SPAN_OF_2(ge, T, type, uint8_t, 1, x, y, x >= y)

COMPARE(real, real)

/* NaN and the infinities by three settings. */
#define NAN_TO_NUM(T, type)                                                                             \
    static void span_nan_to_num_##T(void *const *data, int64_t count, const double *scalar)             \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        type *out = data[1];                                                                            \
        const type nan = (type)scalar[0], above = (type)scalar[1], below = (type)scalar[2];             \
        EACH(T, type, x != x ? nan : x == (type)INFINITY ? above : x == -(type)INFINITY ? below : x)    \
    }                                                                                                   \
    static void kernel_nan_to_num_##T(const KernelArgs *a, int64_t from, int64_t to)                    \
    {                                                                                                   \
        static const Span span = {2, GRANULE_##T, {sizeof(type), sizeof(type)}};                        \
        LEVEL(walk)(a, from, to, span_nan_to_num_##T, &span);                                           \
    }                                                                                                   \
    SPAN_OF_2(nan_to_num_backward, T, type, type, GRANULE_##T, g, v, v - v == 0 ? g : 0)

NAN_TO_NUM(real, real)

/* What kind of number it is. */
#define KIND_OF_1(name, T, type, expression)                                                            \
    static void span_##name##_##T(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        uint8_t *out = data[1];                                                                         \
        (void)scalar;                                                                                   \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            const type x = in[i];                                                                       \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_##name##_##T(const KernelArgs *a, int64_t from, int64_t to)                      \
    {                                                                                                   \
        static const Span span = {2, 1, {sizeof(type), 1}};                                             \
        LEVEL(walk)(a, from, to, span_##name##_##T, &span);                                             \
    }
#define KINDS(T, type)                                                                                  \
    KIND_OF_1(isnan, T, type, x != x)                                                                   \
    KIND_OF_1(isinf, T, type, (x == (type)INFINITY) | (x == -(type)INFINITY))                           \
    KIND_OF_1(isfinite, T, type, x - x == 0)

KINDS(real, real)

/* Three operands of one dtype: x, y and z. */
#define LOOP_OF_3(name, T, type, GRANULE, expression)                                                   \
    static void span_##name##_##T(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        const type *first = data[0], *second = data[1], *third = data[2];                               \
        type *out = data[3];                                                                            \
        const type s0 = (type)scalar[0];                                                                \
        (void)s0;                                                                                       \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)(GRANULE)); i++) {                                   \
            const type x = first[i], y = second[i], z = third[i];                                       \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_##name##_##T(const KernelArgs *a, int64_t from, int64_t to)                      \
    {                                                                                                   \
        static const Span span = {4, GRANULE, {sizeof(type), sizeof(type), sizeof(type), sizeof(type)}};\
        LEVEL(walk)(a, from, to, span_##name##_##T, &span);                                             \
    }
#define POINT3(name, expression)                                                                        \
    LOOP_OF_3(name, real, real, GRANULE_OF_3, expression)

/* A lerp starts from the end that is nearer; of a clamp the upper bound wins, and a NaN bound makes NaN. */
#define LERP(x, y, w) (((w) < 0.5f) & ((w) > -0.5f) ? (x) + (w) * ((y) - (x)) : (y) - ((y) - (x)) * (1 - (w)))
#define AT_LEAST(x, low) (((x) < (low)) | ((low) != (low)) ? (low) : (x))
POINT3(addcmul, x + s0 * y * z)
POINT3(addcdiv, x + s0 * y / z)
POINT3(lerp, LERP(x, y, z))
POINT3(clamp_tensors, ((AT_LEAST(x, y) > z) | (z != z)) ? z : AT_LEAST(x, y))

/* The slope of x sigmoid(y) in y, times the gradient z. */
LOOP_OF_3(glu_backward, real, real, GRANULE_real, z * x * CHOSEN(sigmoid_slope32, sigmoid_slope64)(y))

/* data = x, kept (bytes), out: x times scalar[0] where it is kept, times 0 elsewhere. */
#define DROPOUT(T, type)                                                                                \
    static void span_dropout_##T(void *const *data, int64_t count, const double *scalar)                \
    {                                                                                                   \
        const type *x = data[0];                                                                        \
        const uint8_t *kept = data[1];                                                                  \
        type *out = data[2];                                                                            \
        type scale = (type)scalar[0];                                                                   \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            out[i] = x[i] * (kept[i] ? scale : 0);                                                      \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_dropout_##T(const KernelArgs *a, int64_t from, int64_t to)                       \
    {                                                                                                   \
        static const Span span = {3, 1, {sizeof(type), 1, sizeof(type)}};                               \
        LEVEL(walk)(a, from, to, span_dropout_##T, &span);                                              \
    }

DROPOUT(real, real)

/* Nanoseconds an element, about. */
#if ELEMENT_BYTES == 4
#define LIGHT_real 0.1f
#define HEAVY_real 0.25f
#define SLOW_real 2.0f
#else
#define LIGHT_real 0.2f
#define HEAVY_real 1.0f
#define SLOW_real 4.0f
#endif

#define LINE(name, CODE, T, of, COST, SETTINGS, where)                                                  \
    {#name, CODE, kernel_##name##_##T, .cost = COST##_##T, .inputs = of, .outputs = 1, .settings = SETTINGS, .operands = where},
#define REAL_LINE(name, of, cost, settings, where) LINE(name, DT_REAL, real, of, cost, settings, where)
#define OF_ONE "input=* out=*"
#define OF_TWO "input=* other=* out=*"
#define OF_THREE "input=* tensor1=* tensor2=* out=*"
#define OF_SLOPE "grad=* saved=* out=*"
#define TRUTH(name, CODE, T) LINE(name, CODE, T, 2, LIGHT, NULL, "input=* other=* out=bool:*")
#define TRUTHS(CODE, T) TRUTH(eq, CODE, T) TRUTH(ne, CODE, T) TRUTH(lt, CODE, T) TRUTH(le, CODE, T) TRUTH(gt, CODE, T) TRUTH(ge, CODE, T)
#define KIND(name) REAL_LINE(name, 1, LIGHT, NULL, "input=* out=bool:*")

/* The kernels of a float type that are no formulas of point.h. */
#define REAL_LINES                                                                                      \
    REAL_LINE(pow_scalar, 1, SLOW, "exponent", OF_ONE)                                                  \
    REAL_LINE(pow_scalar_backward, 2, SLOW, "exponent", OF_SLOPE)                                       \
    REAL_LINE(nan_to_num, 1, LIGHT, "nan posinf neginf", OF_ONE)                                        \
    REAL_LINE(nan_to_num_backward, 2, LIGHT, NULL, OF_SLOPE)                                            \
    {"div_floor", DT_REAL, kernel_floor_divide_real, .cost = HEAVY_real, .inputs = 2, .outputs = 1, .operands = OF_TWO}, \
    KIND(isnan) KIND(isinf) KIND(isfinite)                                                              \
    TRUTHS(DT_REAL, real)                                                                               \
    REAL_LINE(dropout, 2, LIGHT, "scale", "input=* kept=bool:* out=*")                                  \
    REAL_LINE(addcmul, 3, LIGHT, "value", OF_THREE)                                                     \
    REAL_LINE(glu_backward, 3, HEAVY, NULL, "input=* gate=* grad=* out=*")                              \
    REAL_LINE(addcdiv, 3, LIGHT, "value", OF_THREE)                                                     \
    REAL_LINE(lerp, 3, LIGHT, NULL, "input=* end=* weight=* out=*")                                     \
    REAL_LINE(clamp_tensors, 3, LIGHT, NULL, "input=* min=* max=* out=*")

/* Then of formulas their lines are made. */
#define POINT1_SET(name, cost, settings, single, wide) REAL_LINE(name, 1, cost, settings, OF_ONE)
#define POINT2_SET(name, cost, settings, single, wide) REAL_LINE(name, 2, cost, settings, OF_TWO)
#define SLOPE_SET(name, cost, settings, single, wide) REAL_LINE(name, 2, cost, settings, OF_SLOPE)
#define ARITHMETIC2(name, cost, single, wide) REAL_LINE(name, 2, cost, NULL, OF_TWO)
#define QUOTIENT2(name, cost, single, wide, far, far_wide) REAL_LINE(name, 2, cost, NULL, OF_TWO)
#define NEAR1(name, cost, measure, most, short, single, wide) REAL_LINE(name, 1, cost, NULL, OF_ONE)
#define NEAR_SLOPE(name, cost, measure, most, short, single, wide) REAL_LINE(name, 2, cost, NULL, OF_SLOPE)
#define FAR1(name, cost, single, wide, far, far_wide) REAL_LINE(name, 1, cost, NULL, OF_ONE)
#define FAR_SLOPE(name, cost, single, wide, far, far_wide) REAL_LINE(name, 2, cost, NULL, OF_SLOPE)
#define ANGLE1(name, cost, short, single, wide, far, far_wide) REAL_LINE(name, 1, cost, NULL, OF_ONE)
#define ANGLE_SLOPE(name, cost, short, single, wide, far, far_wide) REAL_LINE(name, 2, cost, NULL, OF_SLOPE)

#endif
