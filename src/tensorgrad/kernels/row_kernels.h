/* Kernels over contiguous rows: softmax, log softmax and layer norm, forward and backward. size = {rows, columns}, of the
   softmax kernels {rows, columns, 1}, or {outer, reduced, inner} for what columns.h does. rows.c and rows_f64.c include this. */
#ifndef TENSORGRAD_ROW_KERNELS_H
#define TENSORGRAD_ROW_KERNELS_H

#include "entries.h"
#include "columns.h"
#include "rows.h"

static int64_t rows_or_tiles(const KernelArgs *a)
{
    return a->size[2] == 1 ? a->size[0] : a->size[0] * tiles(a);
}

#define MOST_SEGMENTS 32

static int64_t rows_of_column_sums(const KernelArgs *a, int64_t segments)
{
    return divide_up(divide_up(a->size[0], segments), 4) * 4;      /* rows are added up four at a time */
}

static int64_t segments_of_column_sums(const KernelArgs *a)
{
    int64_t segments = a->size[0] * a->size[1] / SEGMENT;
    segments = segments < 1 || a->size[0] < 8 ? 1 : segments > MOST_SEGMENTS ? MOST_SEGMENTS : segments;
    int64_t rows = rows_of_column_sums(a, segments);
    return rows ? divide_up(a->size[0], rows) : 1;
}

static size_t sums_of_segments(const KernelArgs *a, int64_t units)
{
    return (size_t)(units * 2 * a->size[1]) * sizeof(double);
}

static void add_segments(const KernelArgs *a, int64_t units)
{
    int64_t count = a->size[1];
    for (int operand = 6; operand < 8; operand++) {
        double *out = a->data[operand];
        const double *sums = (const double *)a->workspace + (operand - 6) * count;
        for (int64_t i = 0; out && i < count; i++) {
            out[i] = sums[i];
        }
        for (int64_t u = 1; out && u < units; u++) {
            sums += 2 * count;
            for (int64_t i = 0; i < count; i++) {
                out[i] += sums[i];
            }
        }
    }
}

#define ROWS(T, type)                                                                                   \
    ROW_HELPERS(T, type)                                                                                \
    COLUMNS(T, type)                                                                                    \
    /* data = x, y */                                                                                   \
    static void softmax_##T(const KernelArgs *a, int64_t from, int64_t to)                              \
    {                                                                                                   \
        if (a->size[2] != 1) {                                                                          \
            softmax_columns_##T(a, from, to, 0);                                                        \
            return;                                                                                     \
        }                                                                                               \
        int64_t count = a->size[1];                                                                     \
        if (are_turned(a->size[0], count, MOST_OF_EXPS)) {                                               \
            run_turned(a, from, to, sizeof(type), 1 | 2, 2, softmax_##T);                               \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t r = from; r < to; r++) {                                                                \
            const type *x = (const type *)a->data[0] + r * count;                                       \
            type *y = (type *)a->data[1] + r * count;                                                   \
            type scale = 1 / (type)exponentials_##T(x, y, count, largest_##T(x, count));                \
            for (int64_t i = 0; i < count; i++) {                                                       \
                y[i] *= scale;                                                                          \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* data = x, y */                                                                                   \
    static void log_softmax_##T(const KernelArgs *a, int64_t from, int64_t to)                          \
    {                                                                                                   \
        if (a->size[2] != 1) {                                                                          \
            softmax_columns_##T(a, from, to, 1);                                                        \
            return;                                                                                     \
        }                                                                                               \
        int64_t count = a->size[1];                                                                     \
        if (are_turned(a->size[0], count, MOST_OF_EXPS)) {                                               \
            run_turned(a, from, to, sizeof(type), 1 | 2, 2, log_softmax_##T);                           \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t r = from; r < to; r++) {                                                                \
            log_softmax_row_##T((const type *)a->data[0] + r * count, (type *)a->data[1] + r * count, count); \
        }                                                                                               \
    }                                                                                                   \
    void LEVEL(log_softmax_rows_##T)(const type *x, type *y, int64_t from, int64_t to, int64_t rows, int64_t count) \
    {                                                                                                   \
        const KernelArgs a = {.size = {rows, count, 1}, .data = {(void *)x, y}};                        \
        log_softmax_##T(&a, from, to);                                                                  \
    }                                                                                                   \
    /* data = g, y, (g - sum(g y)) y */                                                                 \
    static void softmax_backward_##T(const KernelArgs *a, int64_t from, int64_t to)                     \
    {                                                                                                   \
        if (a->size[2] != 1) {                                                                          \
            softmax_columns_back_##T(a, from, to, 0);                                                   \
            return;                                                                                     \
        }                                                                                               \
        int64_t count = a->size[1];                                                                     \
        if (are_turned(a->size[0], count, MOST_OF_EXPS)) {                                               \
            run_turned(a, from, to, sizeof(type), 1 | 2 | 4, 4, softmax_backward_##T);                  \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t r = from; r < to; r++) {                                                                \
            const type *g = (const type *)a->data[0] + r * count;                                       \
            const type *y = (const type *)a->data[1] + r * count;                                       \
            type *out = (type *)a->data[2] + r * count;                                                 \
            double total;                                                                               \
            SUM_ALONG(type, total, count, g[i] * y[i]);                                                 \
            type shared = (type)total;                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = 0; i < count; i++) {                                                       \
                out[i] = (g[i] - shared) * y[i];                                                        \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* data = g, y, g - exp(y) sum(g) */                                                                \
    static void log_softmax_backward_##T(const KernelArgs *a, int64_t from, int64_t to)                 \
    {                                                                                                   \
        if (a->size[2] != 1) {                                                                          \
            softmax_columns_back_##T(a, from, to, 1);                                                   \
            return;                                                                                     \
        }                                                                                               \
        int64_t count = a->size[1];                                                                     \
        if (are_turned(a->size[0], count, MOST_OF_EXPS)) {                                               \
            run_turned(a, from, to, sizeof(type), 1 | 2 | 4, 4, log_softmax_backward_##T);              \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t r = from; r < to; r++) {                                                                \
            const type *g = (const type *)a->data[0] + r * count;                                       \
            const type *y = (const type *)a->data[1] + r * count;                                       \
            type *out = (type *)a->data[2] + r * count;                                                 \
            double total;                                                                               \
            SUM_ALONG(type, total, count, g[i]);                                                        \
            type shared = (type)total;                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = 0; i < count; i++) {                                                       \
                out[i] = g[i] - EXP_##T(y[i]) * shared;                                                 \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* data = x, weight or NULL, bias or NULL, y, mean of each row, 1 / deviation of each row; scalar[0] = eps */ \
    static void layer_norm_##T(const KernelArgs *a, int64_t from, int64_t to)                           \
    {                                                                                                   \
        int64_t count = a->size[1];                                                                     \
        const type *weight = a->data[1];                                                                \
        const type *bias = a->data[2];                                                                  \
        for (int64_t r = from; r < to; r++) {                                                                \
            const type *x = (const type *)a->data[0] + r * count;                                       \
            type *y = (type *)a->data[3] + r * count;                                                   \
            double total, spread;                                                                       \
            SUM_ALONG(type, total, count, x[i]);                                                        \
            type mean = (type)total / (type)count;                                                      \
            SUM_ALONG(type, spread, count, (x[i] - mean) * (x[i] - mean));                              \
            type scale = 1 / SQRT_##T((type)spread / (type)count + (type)a->scalar[0]);                 \
            ((type *)a->data[4])[r] = mean;                                                             \
            ((type *)a->data[5])[r] = scale;                                                            \
            if (weight && bias) {                                                                       \
                INDEPENDENT                                                                             \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    y[i] = (x[i] - mean) * scale * weight[i] + bias[i];                                 \
                }                                                                                       \
            } else {                                                                                    \
                INDEPENDENT                                                                             \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    y[i] = (x[i] - mean) * scale;                                                       \
                }                                                                                       \
                for (int64_t i = 0; weight && i < count; i++) {                                         \
                    y[i] *= weight[i];                                                                  \
                }                                                                                       \
                for (int64_t i = 0; bias && i < count; i++) {                                           \
                    y[i] += bias[i];                                                                    \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* data = g, x, weight or NULL, mean, 1 / deviation, then the gradients of x, weight and bias, each or NULL. Those of\
       weight and bias are double for either type: they add up as many rows as there are, four at a time. A unit is a\
       segment of rows, whose sums stand in the workspace, those of weight and then those of bias. */   \
    static void layer_norm_segment_##T(const KernelArgs *a, int64_t first, int64_t rows, double *of_weight, double *of_bias) \
    {                                                                                                   \
        int64_t count = a->size[1];                                                                     \
        const type *weight = a->data[2];                                                                \
        if (of_weight) {                                                                                \
            memset(of_weight, 0, (size_t)count * sizeof(double));                                       \
        }                                                                                               \
        if (of_bias) {                                                                                  \
            memset(of_bias, 0, (size_t)count * sizeof(double));                                         \
        }                                                                                               \
        for (int64_t r = 0; r < rows; r++) {                                                            \
            const type *g = (const type *)a->data[0] + (first + r) * count;                                       \
            const type *x = (const type *)a->data[1] + (first + r) * count;                                       \
            const type *means = (const type *)a->data[3] + first + r;                                           \
            const type *scales = (const type *)a->data[4] + first + r;                                          \
            type mean = means[0];                                                                       \
            type scale = scales[0];                                                                     \
            int four = r % 4 == 0 && r + 4 <= rows;                                                     \
            int one = r >= rows / 4 * 4;                                                                \
            if (of_weight && four) {                                                                    \
                INDEPENDENT                                                                             \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    type s = g[i] * ((x[i] - mean) * scale);                                            \
                    s += g[i + count] * ((x[i + count] - means[1]) * scales[1]);                        \
                    s += g[i + 2 * count] * ((x[i + 2 * count] - means[2]) * scales[2]);                \
                    s += g[i + 3 * count] * ((x[i + 3 * count] - means[3]) * scales[3]);                \
                    of_weight[i] += (double)s;                                                          \
                }                                                                                       \
            }                                                                                           \
            if (of_bias && four) {                                                                      \
                INDEPENDENT                                                                             \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    of_bias[i] += (double)(g[i] + g[i + count] + g[i + 2 * count] + g[i + 3 * count]);  \
                }                                                                                       \
            }                                                                                           \
            for (int64_t i = 0; of_weight && one && i < count; i++) {                                   \
                of_weight[i] += (double)(g[i] * ((x[i] - mean) * scale));                               \
            }                                                                                           \
            for (int64_t i = 0; of_bias && one && i < count; i++) {                                     \
                of_bias[i] += (double)g[i];                                                             \
            }                                                                                           \
            if (!a->data[5]) {                                                                          \
                continue;                                                                               \
            }                                                                                           \
            type *out = (type *)a->data[5] + (first + r) * count;                                                 \
            double plain, along;    /* sums of w g and of w g times the normalized x */\
            if (weight) {                                                                               \
                SUM_ALONG(type, plain, count, g[i] * weight[i]);                                        \
                SUM_ALONG(type, along, count, g[i] * weight[i] * ((x[i] - mean) * scale));              \
            } else {                                                                                    \
                SUM_ALONG(type, plain, count, g[i]);                                                    \
                SUM_ALONG(type, along, count, g[i] * ((x[i] - mean) * scale));                          \
            }                                                                                           \
            type plain_mean = (type)plain / (type)count;                                                \
            type along_mean = (type)along / (type)count;                                                \
            if (weight) {                                                                               \
                INDEPENDENT                                                                             \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    out[i] = (g[i] * weight[i] - plain_mean - (x[i] - mean) * scale * along_mean) * scale; \
                }                                                                                       \
            } else {                                                                                    \
                INDEPENDENT                                                                             \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    out[i] = (g[i] - plain_mean - (x[i] - mean) * scale * along_mean) * scale;          \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
    } \
    static void layer_norm_backward_##T(const KernelArgs *a, int64_t from, int64_t to)                  \
    {                                                                                                   \
        int64_t count = a->size[1];                                                                     \
        int64_t units = segments_of_column_sums(a);                                                            \
        int64_t rows = rows_of_column_sums(a, units);                                                       \
        for (int64_t u = from; u < to; u++) {                                                           \
            double *sums = units > 1 ? (double *)a->workspace + 2 * count * u : NULL;                   \
            double *of_weight = !a->data[6] || !sums ? a->data[6] : sums;                               \
            double *of_bias = !a->data[7] || !sums ? a->data[7] : sums + count;                         \
            int64_t left = a->size[0] - u * rows;                                                       \
            layer_norm_segment_##T(a, u * rows, left < rows ? left : rows, of_weight, of_bias);         \
        }                                                                                               \
    }

#define ROW_LINES(LINE)                                                                                  \
    LINE(softmax, 0.4f, 8.0f, .inputs = 1, .outputs = 1, .operands = "input=abc out=abc",                \
                .units = rows_or_tiles)                                                                  \
    LINE(log_softmax, 0.4f, 8.0f, .inputs = 1, .outputs = 1, .operands = "input=abc out=abc",            \
                .units = rows_or_tiles)                                                                  \
    LINE(softmax_backward, 0.2f, 0.4f, .inputs = 2, .outputs = 1, .operands = "grad=abc output=abc out=abc",\
                .units = rows_or_tiles)                                                                  \
    LINE(log_softmax_backward, 0.3f, 8.0f, .inputs = 2, .outputs = 1, .operands = "grad=abc output=abc out=abc",\
                .units = rows_or_tiles)                                                                  \
    LINE(layer_norm, 0.2f, 0.4f, .inputs = 3, .outputs = 3, .settings = "eps",                           \
                .operands = "input=ab weight?=b bias?=b out=ab mean=a scale=a")                          \
    LINE(layer_norm_backward, 0.4f, 0.8f, .inputs = 5, .outputs = 3,                                     \
                .operands = "grad=ab input=ab weight?=b mean=a scale=a of_input?=ab of_weight?=f64:b of_bias?=f64:b", \
                .units = segments_of_column_sums, .workspace = sums_of_segments, .finish = add_segments)

#endif
