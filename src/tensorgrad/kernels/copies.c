/* Kernels that move values: copy, fill, conversions between element types. */
#include <string.h>

#include "entries.h"
#include "half.h"
#include "walk.h"

#define COPY(bits)                                                                                      \
    static void span_copy_##bits(void *const *data, int64_t count, const double *scalar)                \
    {                                                                                                   \
        (void)scalar;                                                                                   \
        memmove(data[1], data[0], (size_t)(count * (bits / 8)));                                        \
    }                                                                                                   \
    static void copy_##bits(const KernelArgs *a, int64_t from, int64_t to)                              \
    {                                                                                                   \
        static const Span span = {2, 1, {bits / 8, bits / 8}, .moves = 1};                              \
        LEVEL(walk)(a, from, to, span_copy_##bits, &span);                                              \
    }

COPY(8)
COPY(16)
COPY(32)
COPY(64)

#define AS_BOOL(x) ((uint8_t)((x) != 0))
#define AS_ITSELF(x) (x)

/* scalar[0] into every element of data[0]. */
#define FILL(T, type, AS)                                                                               \
    static void span_fill_##T(void *const *data, int64_t count, const double *scalar)                   \
    {                                                                                                   \
        type *out = data[0];                                                                            \
        type value = (type)AS(scalar[0]);                                                               \
        for (int64_t i = 0; i < count; i++) {                                                           \
            out[i] = value;                                                                             \
        }                                                                                               \
    }                                                                                                   \
    static void fill_##T(const KernelArgs *a, int64_t from, int64_t to)                                 \
    {                                                                                                   \
        static const Span span = {1, 1, {sizeof(type)}};                                                \
        LEVEL(walk)(a, from, to, span_fill_##T, &span);                                                 \
    }

FILL(bool, uint8_t, AS_BOOL)
FILL(u8, uint8_t, (int64_t))
FILL(i8, int8_t, (int64_t))
FILL(i16, int16_t, (int64_t))
FILL(i32, int32_t, (int64_t))
FILL(i64, int64_t, (int64_t))
FILL(f16, uint16_t, half_of_double)
#define AS_BRAIN(x) brain_of_float((float)(x))
FILL(bf16, uint16_t, AS_BRAIN)
FILL(f32, float, AS_ITSELF)
FILL(f64, double, AS_ITSELF)

/* Conversions. A float that an integer type cannot hold gives what x86 gives: the least int32 or int64, cut to size. */
ALWAYS_INLINE int32_t i32_of(double x)
{
    return x >= -2147483648.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}

ALWAYS_INLINE int32_t i32_of_single(float x)
{
    return x >= -2147483648.0f && x < 2147483648.0f ? (int32_t)x : INT32_MIN;
}

ALWAYS_INLINE int64_t i64_of(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

/* How each type is read ... */
#define READ_bool(x) ((x) != 0)
#define READ_u8(x) (x)
#define READ_i8(x) (x)
#define READ_i16(x) (x)
#define READ_i32(x) (x)
#define READ_i64(x) (x)
#define READ_f16(x) float_of_half(x)
#define READ_bf16(x) float_of_brain(x)
#define READ_f32(x) (x)
#define READ_f64(x) (x)

/* ... and the type in which it is stored. */
#define STORED_bool uint8_t
#define STORED_u8 uint8_t
#define STORED_i8 int8_t
#define STORED_i16 int16_t
#define STORED_i32 int32_t
#define STORED_i64 int64_t
#define STORED_f16 uint16_t
#define STORED_bf16 uint16_t
#define STORED_f32 float
#define STORED_f64 double

#define CAST(source, target, expression)                                                                \
    static void span_##source##_to_##target(void *const *data, int64_t count, const double *scalar)     \
    {                                                                                                   \
        const STORED_##source *in = data[0];                                                            \
        STORED_##target *out = data[1];                                                                 \
        (void)scalar;                                                                                   \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            out[i] = (STORED_##target)(expression);                                                     \
        }                                                                                               \
    }                                                                                                   \
    static void source##_to_##target(const KernelArgs *a, int64_t from, int64_t to)                     \
    {                                                                                                   \
        static const Span span = {2, 1, {sizeof(STORED_##source), sizeof(STORED_##target)}};            \
        LEVEL(walk)(a, from, to, span_##source##_to_##target, &span);                                   \
    }

#define CAST_FROM_INTEGER(from)                                                                         \
    CAST(from, bool, in[i] != 0)                                                                        \
    CAST(from, u8, READ_##from(in[i]))                                                                  \
    CAST(from, i8, READ_##from(in[i]))                                                                  \
    CAST(from, i16, READ_##from(in[i]))                                                                 \
    CAST(from, i32, READ_##from(in[i]))                                                                 \
    CAST(from, i64, READ_##from(in[i]))                                                                 \
    CAST(from, f16, half_of_float((float)READ_##from(in[i])))                                           \
    CAST(from, bf16, brain_of_float((float)READ_##from(in[i])))                                         \
    CAST(from, f32, READ_##from(in[i]))                                                                 \
    CAST(from, f64, READ_##from(in[i]))

#define CAST_FROM_FLOAT(from, to_i32, to_half, to_brain)                                                \
    CAST(from, bool, READ_##from(in[i]) != 0)                                                           \
    CAST(from, u8, to_i32(READ_##from(in[i])))                                                          \
    CAST(from, i8, to_i32(READ_##from(in[i])))                                                          \
    CAST(from, i16, to_i32(READ_##from(in[i])))                                                         \
    CAST(from, i32, to_i32(READ_##from(in[i])))                                                         \
    CAST(from, i64, i64_of(READ_##from(in[i])))                                                         \
    CAST(from, f16, to_half)                                                                            \
    CAST(from, bf16, to_brain)                                                                          \
    CAST(from, f32, READ_##from(in[i]))                                                                 \
    CAST(from, f64, READ_##from(in[i]))

CAST_FROM_INTEGER(bool)
CAST_FROM_INTEGER(u8)
CAST_FROM_INTEGER(i8)
CAST_FROM_INTEGER(i16)
CAST_FROM_INTEGER(i32)
CAST_FROM_INTEGER(i64)
CAST_FROM_FLOAT(f16, i32_of_single, in[i], brain_of_float(float_of_half(in[i])))
CAST_FROM_FLOAT(bf16, i32_of_single, half_of_float(float_of_brain(in[i])), in[i])
CAST_FROM_FLOAT(f32, i32_of_single, half_of_float(in[i]), brain_of_float(in[i]))
CAST_FROM_FLOAT(f64, i32_of, half_of_double(in[i]), brain_of_float((float)in[i]))

/* scalar[0] + i * scalar[1], rounded twice in double and then once, as the body does: in two loops, for one would be fused. */
#define ARANGE_FLOAT(T, type)                                                                           \
    static void arange_##T(const KernelArgs *a, int64_t from, int64_t to)                               \
    {                                                                                                   \
        double steps[256];                                                                              \
        type *out = a->data[0];                                                                         \
        for (int64_t at = from; at < to; at += 256) {                                                   \
            int count = (int)(to - at < 256 ? to - at : 256);                                           \
            double first = (double)at;                                                                  \
            for (int i = 0; i < count; i++) {                                                           \
                steps[i] = (first + i) * a->scalar[1];                                                  \
            }                                                                                           \
            for (int i = 0; i < count; i++) {                                                           \
                out[at + i] = (type)(a->scalar[0] + steps[i]);                                          \
            }                                                                                           \
        }                                                                                               \
    }

ARANGE_FLOAT(f32, float)
ARANGE_FLOAT(f64, double)

/* integer[0] + i * integer[1], around the ends of int64 if need be. */
static void arange_i64(const KernelArgs *a, int64_t from, int64_t to)
{
    uint64_t *out = a->data[0], first = (uint64_t)a->integer[0], step = (uint64_t)a->integer[1];
    for (int64_t i = from; i < to; i++) {
        out[i] = first + (uint64_t)i * step;
    }
}

#define CAST_LINE(code, T, to)                                                                          \
    {"cast_" #to, DT_##code, T##_to_##to, .cost = 0.2f, .inputs = 1, .outputs = 1, .operands = "input=* out=" #to ":*"},

#define LINES(code, T, bits, digits)                                                                    \
    {"copy", DT_##code, copy_##bits, .cost = 0.01f * bits / 8, .inputs = 1, .outputs = 1, .operands = "input=* out=*"},              \
    {"fill", DT_##code, fill_##T, .cost = 0.005f * bits / 8, .outputs = 1, .settings = "value", .operands = "out=*"},        \
    CAST_LINE(code, T, bool) CAST_LINE(code, T, u8) CAST_LINE(code, T, i8) CAST_LINE(code, T, i16)      \
    CAST_LINE(code, T, i32) CAST_LINE(code, T, i64) CAST_LINE(code, T, f16) CAST_LINE(code, T, bf16) CAST_LINE(code, T, f32)\
    CAST_LINE(code, T, f64)

const Kernel LEVEL(copy_entries)[] = {
    EVERY_DTYPE(LINES)
    BOTH_FLOATS(arange, 0.3f, 0.3f, .outputs = 1, .settings = "start step", .operands = "out=a")
    {"arange", DT_I64, arange_i64, .cost = 0.3f, .outputs = 1, .settings = ": start step", .operands = "out=a"},
    {NULL},
};
