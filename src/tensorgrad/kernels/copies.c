/* Kernels that move values: copy, fill. */
#include <string.h>

#include "entries.h"

/* Calls `row` for each innermost row of up to two strided operands. */
typedef void (*row_fn)(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, double value);

static void each_row(const KernelArgs *a, int to, int from, row_fn row)
{
    int64_t index[KERNEL_DIMS] = {0};
    int inner = a->ndim - 1;
    char *out = a->data[to];
    const char *in = a->data[from];
    for (int d = 0; d <= inner; d++) {
        if (a->size[d] == 0) {
            return;
        }
    }
    for (;;) {
        row(out, a->stride[to][inner], in, a->stride[from][inner], a->size[inner], a->scalar[0]);
        int d = inner - 1;
        for (; d >= 0; d--) {
            out += a->stride[to][d];
            in += a->stride[from][d];
            if (++index[d] < a->size[d]) {
                break;
            }
            out -= a->size[d] * a->stride[to][d];
            in -= a->size[d] * a->stride[from][d];
            index[d] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

#define COPY(bits)                                                                                      \
    static void copy_row_##bits(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, double value) \
    {                                                                                                   \
        (void)value;                                                                                    \
        if (to_step == bits / 8 && from_step == bits / 8) {                                             \
            memmove(to, from, (size_t)(count * (bits / 8)));                                            \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t i = 0; i < count; i++) {                                                           \
            *(uint##bits##_t *)(to + i * to_step) = *(const uint##bits##_t *)(from + i * from_step);    \
        }                                                                                               \
    }                                                                                                   \
    static void copy_##bits(const KernelArgs *a)                                                        \
    {                                                                                                   \
        each_row(a, 1, 0, copy_row_##bits);                                                             \
    }

COPY(8)
COPY(16)
COPY(32)
COPY(64)

#define FILL(T, type)                                                                                   \
    static void fill_row_##T(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, double value) \
    {                                                                                                   \
        type element = (type)value;                                                                     \
        (void)from;                                                                                     \
        (void)from_step;                                                                                \
        if (to_step == sizeof(type)) {                                                                  \
            type *out = (type *)to;                                                                     \
            for (int64_t i = 0; i < count; i++) {                                                       \
                out[i] = element;                                                                       \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t i = 0; i < count; i++) {                                                           \
            *(type *)(to + i * to_step) = element;                                                      \
        }                                                                                               \
    }                                                                                                   \
    static void fill_##T(const KernelArgs *a)                                                           \
    {                                                                                                   \
        each_row(a, 0, 0, fill_row_##T);                                                                \
    }

FILL(f32, float)
FILL(f64, double)

const KernelEntry LEVEL(copy_entries)[] = {
    {"copy", DT_BOOL, copy_8},
    {"copy", DT_U8, copy_8},
    {"copy", DT_I8, copy_8},
    {"copy", DT_I16, copy_16},
    {"copy", DT_I32, copy_32},
    {"copy", DT_I64, copy_64},
    {"copy", DT_F16, copy_16},
    {"copy", DT_F32, copy_32},
    {"copy", DT_F64, copy_64},
    {"fill", DT_F32, fill_f32},
    {"fill", DT_F64, fill_f64},
    {NULL, 0, NULL},
};
