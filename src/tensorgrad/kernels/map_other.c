/* Map kernels of float64, of integers and of what is made in double for both float types. */
#define ELEMENT_BYTES 8
#include "map.h"

/* Integers wrap around, which C promises for unsigned ones only. They have no settings. */
#define WRAPPING(name, operator)                                                                        \
    static void span_##name##_i64(void *const *data, int64_t count, const double *scalar)               \
    {                                                                                                   \
        const uint64_t *in = data[0];                                                                   \
        const uint64_t *other = data[1];                                                                \
        uint64_t *out = data[2];                                                                        \
        (void)scalar;                                                                                   \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) out[i] = in[i] operator other[i];                           \
    }                                                                                                   \
    KERNEL_OF_2(name, i64, uint64_t, uint64_t, 1, NULL)

WRAPPING(add, +)
WRAPPING(sub, -)
WRAPPING(mul, *)

COMPARE(i64, int64_t)

/* The n-th slope of digamma. The first, which is the slope of digamma in training, is vector code. */
LOOP_OF_1(span_trigamma, real, GRANULE_real, x, trigamma64(x))

static void span_polygamma_real(void *const *data, int64_t count, const double *scalar)
{
    const double *in = data[0];
    double *out = data[1];
    if (scalar[0] == 1.0) {
        span_trigamma(data, count, scalar);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        out[i] = polygamma64(scalar[0], in[i]);
    }
}

static void kernel_polygamma_real(const KernelArgs *a, int64_t from, int64_t to)
{
    static const Span span = {2, GRANULE_real, {8, 8}};
    LEVEL(walk)(a, from, to, span_polygamma_real, &span);
}

SPAN_THROUGH_DOUBLE(polygamma, 2, scalar)

/* data = condition (bytes), a, b, out. Whatever the type, bits are moved. */
#define WHERE(T, type)                                                                                  \
    static void span_where_##T(void *const *data, int64_t count, const double *scalar)                  \
    {                                                                                                   \
        const uint8_t *condition = data[0];                                                             \
        const type *a = data[1];                                                                        \
        const type *b = data[2];                                                                        \
        type *out = data[3];                                                                            \
        (void)scalar;                                                                                   \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            type yes = a[i];                                                                            \
            type no = b[i];                                                                             \
            out[i] = condition[i] ? yes : no;                                                           \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_where_##T(const KernelArgs *a, int64_t from, int64_t to)                         \
    {                                                                                                   \
        static const Span span = {4, 1, {1, sizeof(type), sizeof(type), sizeof(type)}};                 \
        LEVEL(walk)(a, from, to, span_where_##T, &span);                                                \
    }

WHERE(8, uint8_t)
WHERE(16, uint16_t)
WHERE(32, uint32_t)
WHERE(64, uint64_t)

#define LIGHT_i64 0.2f
#define LONG_real 8.0f
#define SERIES_real 200.0f
#define SLOW_f32 2.0f
#define LONG_f32 8.0f
#define SERIES_f32 200.0f

#define WIDE_LINES(name, of, cost, settings, where)                                                     \
    LINE(name, DT_F32, f32, of, cost, settings, where) REAL_LINE(name, of, cost, settings, where)
#define WIDE1(name, cost, wide) WIDE_LINES(name, 1, cost, NULL, OF_ONE)
#define WIDE2(name, cost, wide) WIDE_LINES(name, 2, cost, NULL, OF_TWO)
#define WIDE_SLOPE(name, cost, wide) WIDE_LINES(name, 2, cost, NULL, OF_SLOPE)
#define WIDE_OR_FAR1(name, cost, is_far, wide, far) WIDE_LINES(name, 1, cost, NULL, OF_ONE)
#define WIDE_OR_FAR_SLOPE(name, cost, is_far, wide, far) WIDE_LINES(name, 2, cost, NULL, OF_SLOPE)
#define INTEGERS(name) LINE(name, DT_I64, i64, 2, LIGHT, NULL, OF_TWO)
#define CHOICE(CODE, bits, nanoseconds)                                                                 \
    {"where", CODE, kernel_where_##bits, .cost = nanoseconds, .inputs = 3, .outputs = 1,                \
     .operands = "condition=bool:* input=* other=* out=*"},

const Kernel LEVEL(map_other_entries)[] = {
#include "point.h"
    REAL_LINES
    WIDE_LINES(polygamma, 1, LONG, "n", OF_ONE)
    TRUTHS(DT_I64, i64)
    INTEGERS(add)
    INTEGERS(sub)
    INTEGERS(mul)
    CHOICE(DT_F32, 32, 0.1f)
    CHOICE(DT_F64, 64, 0.2f)
    CHOICE(DT_I64, 64, 0.2f)
    CHOICE(DT_BOOL, 8, 0.05f)
    CHOICE(DT_U8, 8, 0.05f)
    CHOICE(DT_I8, 8, 0.05f)
    CHOICE(DT_I16, 16, 0.1f)
    CHOICE(DT_F16, 16, 0.1f)
    CHOICE(DT_BF16, 16, 0.1f)
    CHOICE(DT_I32, 32, 0.1f)
    {NULL},
};
