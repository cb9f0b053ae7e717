/* Kernels over contiguous rows: softmax and layer norm, forward and backward. size = {rows, columns}. */
#include <math.h>
#include <string.h>

#include "entries.h"
#include "vmath.h"

#define LANES_ROW 16        /* independent sums along a row: one AVX-512 register of float32 */

#define EXP_f32 exp32
#define EXP_f64 exp
#define LOG_f32 logf
#define LOG_f64 log
#define SQRT_f32 sqrtf
#define SQRT_f64 sqrt

/* Adds `expression` of the index `i` along a row into `total`, in lanes. */
#define SUM_ALONG(type, total, count, expression)                                                       \
    do {                                                                                                \
        type lane[LANES_ROW] = {0};                                                                     \
        int64_t at = 0;                                                                                 \
        for (; at + LANES_ROW <= count; at += LANES_ROW) {                                              \
            for (int l = 0; l < LANES_ROW; l++) {                                                       \
                int64_t i = at + l;                                                                     \
                lane[l] += expression;                                                                  \
            }                                                                                           \
        }                                                                                               \
        for (int l = 0; at < count; at++, l++) {                                                        \
            int64_t i = at;                                                                             \
            lane[l] += expression;                                                                      \
        }                                                                                               \
        for (int half = LANES_ROW / 2; half > 0; half /= 2) {                                           \
            for (int l = 0; l < half; l++) {                                                            \
                lane[l] += lane[l + half];                                                              \
            }                                                                                           \
        }                                                                                               \
        total = lane[0];                                                                                \
    } while (0)

#define ROWS(T, type)                                                                                   \
    /* The largest of a row; a NaN in it makes what follows NaN by itself, so it may be missed here. */ \
    static type largest_##T(const type *x, int64_t count)                                               \
    {                                                                                                   \
        type lane[LANES_ROW];                                                                           \
        int64_t i = 0;                                                                                  \
        for (int l = 0; l < LANES_ROW; l++) {                                                           \
            lane[l] = -(type)INFINITY;                                                                  \
        }                                                                                               \
        for (; i + LANES_ROW <= count; i += LANES_ROW) {                                                \
            for (int l = 0; l < LANES_ROW; l++) {                                                       \
                lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];                                      \
            }                                                                                           \
        }                                                                                               \
        for (int l = 0; i < count; i++, l++) {                                                          \
            lane[l] = x[i] > lane[l] ? x[i] : lane[l];                                                  \
        }                                                                                               \
        for (int half = LANES_ROW / 2; half > 0; half /= 2) {                                           \
            for (int l = 0; l < half; l++) {                                                            \
                lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l];                          \
            }                                                                                           \
        }                                                                                               \
        return lane[0];                                                                                 \
    }                                                                                                   \
    /* y = exp(x - shift); gives their sum. The last few go through a padded buffer, as whole vectors. */ \
    static type exponentials_##T(const type *x, type *y, int64_t count, type shift)                     \
    {                                                                                                   \
        type lane[LANES_ROW] = {0};                                                                     \
        type padded[LANES_ROW];                                                                         \
        int64_t i = 0;                                                                                  \
        for (; i + LANES_ROW <= count; i += LANES_ROW) {                                                \
            INDEPENDENT                                                                                 \
            for (int l = 0; l < LANES_ROW; l++) {                                                       \
                type e = EXP_##T(x[i + l] - shift);                                                     \
                y[i + l] = e;                                                                           \
                lane[l] += e;                                                                           \
            }                                                                                           \
        }                                                                                               \
        if (i < count) {                                                                                \
            for (int l = 0; l < LANES_ROW; l++) {                                                       \
                padded[l] = i + l < count ? x[i + l] - shift : -(type)INFINITY;                         \
            }                                                                                           \
            for (int l = 0; l < LANES_ROW; l++) {                                                       \
                padded[l] = EXP_##T(padded[l]);                                                         \
                lane[l] += padded[l];                                                                   \
            }                                                                                           \
            for (int l = 0; i < count; i++, l++) {                                                      \
                y[i] = padded[l];                                                                       \
            }                                                                                           \
        }                                                                                               \
        for (int half = LANES_ROW / 2; half > 0; half /= 2) {                                           \
            for (int l = 0; l < half; l++) {                                                            \
                lane[l] += lane[l + half];                                                              \
            }                                                                                           \
        }                                                                                               \
        return lane[0];                                                                                 \
    }                                                                                                   \
    /* x -> y */                                                                                        \
    static void softmax_##T(const KernelArgs *a)                                                        \
    {                                                                                                   \
        int64_t count = a->size[1];                                                                     \
        for (int64_t r = 0; r < a->size[0]; r++) {                                                      \
            const type *x = (const type *)a->data[0] + r * count;                                       \
            type *y = (type *)a->data[1] + r * count;                                                   \
            type scale = 1 / exponentials_##T(x, y, count, largest_##T(x, count));                      \
            for (int64_t i = 0; i < count; i++) {                                                       \
                y[i] *= scale;                                                                          \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* g, y -> (g - sum(g y)) y */                                                                      \
    static void softmax_backward_##T(const KernelArgs *a)                                               \
    {                                                                                                   \
        int64_t count = a->size[1];                                                                     \
        for (int64_t r = 0; r < a->size[0]; r++) {                                                      \
            const type *g = (const type *)a->data[0] + r * count;                                       \
            const type *y = (const type *)a->data[1] + r * count;                                       \
            type *out = (type *)a->data[2] + r * count;                                                 \
            type total;                                                                                 \
            SUM_ALONG(type, total, count, g[i] * y[i]);                                                 \
            INDEPENDENT                                                                                 \
            for (int64_t i = 0; i < count; i++) {                                                       \
                out[i] = (g[i] - total) * y[i];                                                         \
            }                                                                                           \
        }                                                                                               \
    }

ROWS(f32, float)
ROWS(f64, double)

const KernelEntry LEVEL(row_entries)[] = {
    {"softmax", DT_F32, softmax_f32},
    {"softmax", DT_F64, softmax_f64},
    {"softmax_backward", DT_F32, softmax_backward_f32},
    {"softmax_backward", DT_F64, softmax_backward_f64},
    {NULL, 0, NULL},
};
