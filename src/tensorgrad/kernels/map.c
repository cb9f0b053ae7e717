/* Map kernels: one contiguous loop for each formula of point.h and element type; walk.c brings every layout to it. */
#include <math.h>

#include "entries.h"
#include "vmath.h"
#include "walk.h"

ALWAYS_INLINE double sigmoid64(double x)
{
    double e = exp(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* A span and its kernel. float32 spans take whole granules, so the compiler adds no remainder loop to them. */
#define SPAN1(name, T, type, GRANULE, expression)                                                       \
    static void span_##name##_##T(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        type *out = data[1];                                                                            \
        type s0 = (type)scalar[0];                                                                      \
        type s1 = (type)scalar[1];                                                                      \
        (void)s0;                                                                                       \
        (void)s1;                                                                                       \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)GRANULE); i++) {                                     \
            type x = in[i];                                                                             \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_##name##_##T(const KernelArgs *a)                                                \
    {                                                                                                   \
        static const Span span = {span_##name##_##T, 2, GRANULE, {sizeof(type), sizeof(type)}};         \
        LEVEL(walk)(a, &span);                                                                          \
    }

#define SPAN2(name, T, type, GRANULE, expression)                                                       \
    static void span_##name##_##T(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        const type *in = data[0];                                                                       \
        const type *other = data[1];                                                                    \
        type *out = data[2];                                                                            \
        type s0 = (type)scalar[0];                                                                      \
        type s1 = (type)scalar[1];                                                                      \
        (void)s0;                                                                                       \
        (void)s1;                                                                                       \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < (count & -(int64_t)GRANULE); i++) {                                     \
            type x = in[i];                                                                             \
            type y = other[i];                                                                          \
            out[i] = expression;                                                                        \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_##name##_##T(const KernelArgs *a)                                                \
    {                                                                                                   \
        static const Span span = {span_##name##_##T, 3, GRANULE, {sizeof(type), sizeof(type), sizeof(type)}}; \
        LEVEL(walk)(a, &span);                                                                          \
    }

#define POINT1(name, single, wide) SPAN1(name, f32, float, WALK_GRANULE, single) SPAN1(name, f64, double, 1, wide)
#define POINT2(name, single, wide) SPAN2(name, f32, float, WALK_GRANULE, single) SPAN2(name, f64, double, 1, wide)
#include "point.h"
#undef POINT1
#undef POINT2

#define POINT1(name, single, wide) {#name, DT_F32, kernel_##name##_f32}, {#name, DT_F64, kernel_##name##_f64},
#define POINT2 POINT1
const KernelEntry LEVEL(map_entries)[] = {
#include "point.h"
    {NULL, 0, NULL},
};
