/* Sums of few elements along a dimension, which a table names. size = {outer, outputs, taps, inner, extent}. The table has for
   each tap a row of positions, -1 where an output has no more, and one of weights, or NULL where all are 1. A unit is a line of
   the inner dimensions, or where these are one element all outputs of the dimension. */
#include "entries.h"

static int64_t lines_made(const KernelArgs *a)
{
    return a->size[3] == 1 ? a->size[0] : a->size[0] * a->size[1];
}

/* What a caller by names may have wrong: a table that reads past its dimension. */
static const char *refuse_table(const KernelArgs *a)
{
    const int64_t *at = a->data[1];
    for (int64_t i = 0; i < a->size[1] * a->size[2]; i++) {
        if (at[i] < -1 || at[i] >= a->size[4]) {
            return "a position of the table is not in the dimension";
        }
    }
    return NULL;
}

#define RESAMPLE(T, type)                                                                                              \
    /* Outputs that lie side by side, as their inputs do. */                                                           \
    static void resample_row_##T(const KernelArgs *a, const type *x, type *out)                                        \
    {                                                                                                                  \
        int64_t count = a->size[1];                                                                                    \
        const int64_t *at = a->data[1];                                                                                \
        const type *weight = a->data[2];                                                                               \
        for (int64_t k = 0; k < a->size[2]; k++, at += count) {                                                        \
            if (k == 0 && !weight) {                                                                                   \
                INDEPENDENT                                                                                            \
                for (int64_t j = 0; j < count; j++) {                                                                  \
                    type value = x[at[j] < 0 ? 0 : at[j]];                                                             \
                    out[j] = at[j] < 0 ? 0 : value;                                                                    \
                }                                                                                                      \
            } else if (!weight) {                                                                                      \
                INDEPENDENT                                                                                            \
                for (int64_t j = 0; j < count; j++) {                                                                  \
                    type value = x[at[j] < 0 ? 0 : at[j]];                                                             \
                    out[j] += at[j] < 0 ? 0 : value;                                                                   \
                }                                                                                                      \
            } else if (k == 0) {                                                                                       \
                INDEPENDENT                                                                                            \
                for (int64_t j = 0; j < count; j++) {                                                                  \
                    type value = x[at[j] < 0 ? 0 : at[j]] * weight[j];                                                 \
                    out[j] = at[j] < 0 ? 0 : value;                                                                    \
                }                                                                                                      \
            } else {                                                                                                   \
                const type *w = weight + k * count;                                                                    \
                INDEPENDENT                                                                                            \
                for (int64_t j = 0; j < count; j++) {                                                                  \
                    type value = x[at[j] < 0 ? 0 : at[j]] * w[j];                                                      \
                    out[j] += at[j] < 0 ? 0 : value;                                                                   \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* The lines of inner elements that make output j, which is one. */                                                \
    static void resample_line_##T(const KernelArgs *a, const type *plane, int64_t j, type *out)                        \
    {                                                                                                                  \
        int64_t outputs = a->size[1], count = a->size[3], k = 0;                                                       \
        const int64_t *at = (const int64_t *)a->data[1] + j;                                                           \
        const type *weight = a->data[2] ? (const type *)a->data[2] + j : NULL;                                         \
        if (*at < 0) {                                                                                                 \
            memset(out, 0, (size_t)count * sizeof(type));                                                              \
            return;                                                                                                    \
        }                                                                                                              \
        for (; k < a->size[2] && at[k * outputs] >= 0; k++) {                                                          \
            const type *x = plane + at[k * outputs] * count;                                                           \
            int pair = weight && k + 1 < a->size[2] && at[(k + 1) * outputs] >= 0;                                     \
            if (!weight && k == 0) {                                                                                   \
                memcpy(out, x, (size_t)count * sizeof(type));                                                          \
            } else if (!weight) {                                                                                      \
                INDEPENDENT                                                                                            \
                for (int64_t i = 0; i < count; i++) {                                                                  \
                    out[i] += x[i];                                                                                    \
                }                                                                                                      \
            } else if (pair) {                                                                                         \
                type first = weight[k * outputs], second = weight[(k + 1) * outputs];                                  \
                const type *y = plane + at[(k + 1) * outputs] * count;                                                 \
                if (k == 0) {                                                                                          \
                    INDEPENDENT                                                                                        \
                    for (int64_t i = 0; i < count; i++) {                                                              \
                        out[i] = x[i] * first + y[i] * second;                                                         \
                    }                                                                                                  \
                } else {                                                                                               \
                    INDEPENDENT                                                                                        \
                    for (int64_t i = 0; i < count; i++) {                                                              \
                        out[i] += x[i] * first + y[i] * second;                                                        \
                    }                                                                                                  \
                }                                                                                                      \
                k++;                                                                                                   \
            } else {                                                                                                   \
                type only = weight[k * outputs];                                                                       \
                INDEPENDENT                                                                                            \
                for (int64_t i = 0; i < count; i++) {                                                                  \
                    out[i] = (k == 0 ? 0 : out[i]) + x[i] * only;                                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = x, positions (int64), weights or NULL, sums */                                                           \
    static void resample_##T(const KernelArgs *a, int64_t from, int64_t to)                                            \
    {                                                                                                                  \
        int64_t outputs = a->size[1], inner = a->size[3], extent = a->size[4];                                         \
        for (int64_t u = from; u < to; u++) {                                                                          \
            if (inner == 1) {                                                                                          \
                resample_row_##T(a, (const type *)a->data[0] + u * extent, (type *)a->data[3] + u * outputs);          \
            } else {                                                                                                   \
                const type *plane = (const type *)a->data[0] + u / outputs * extent * inner;                           \
                resample_line_##T(a, plane, u % outputs, (type *)a->data[3] + u * inner);                              \
            }                                                                                                          \
        }                                                                                                              \
    }

RESAMPLE(f32, float)
RESAMPLE(f64, double)

const Kernel LEVEL(resampling_entries)[] = {
    BOTH_FLOATS(resample, 0.15f, 0.25f, .inputs = 3, .outputs = 1, .operands = "input=aed at=i64:cb weight?=cb out=abd",
                .units = lines_made, .refuse = refuse_table)
    {NULL},
};
