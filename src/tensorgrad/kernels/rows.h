/* What every kernel over contiguous rows needs: sums along a row, its largest element, its exponentials. */
#ifndef TENSORGRAD_ROWS_H
#define TENSORGRAD_ROWS_H

#include <math.h>
#include <string.h>

#include "vmath.h"

#define ROW_LANES 32        /* independent sums along a row: two AVX-512 registers of float32 */
#define EXP_LANES 16        /* exponentials at once: the work on one vector hides the latency of adding it */

#define EXP_f32 exp32
#define EXP_f64 exp
#define LOG_f32 logf
#define LOG_f64 log
#define SQRT_f32 sqrtf
#define SQRT_f64 sqrt

#define JOIN_LANES(LANES, lane, join)                                                                   \
    for (int half = LANES / 2; half > 0; half /= 2) {                                                   \
        for (int l = 0; l < half; l++) {                                                                \
            join;                                                                                       \
        }                                                                                               \
    }

/* Sets `total` to the sum of `term`, an expression of the index i, along a row: in lanes, so the order is always the same. */
#define SUM_ALONG(type, total, count, term)                                                             \
    do {                                                                                                \
        type lane[ROW_LANES] = {0};                                                                     \
        int64_t first = 0;                                                                              \
        for (; first + ROW_LANES <= count; first += ROW_LANES) {                                        \
            for (int l = 0; l < ROW_LANES; l++) {                                                       \
                int64_t i = first + l;                                                                  \
                lane[l] += term;                                                                        \
            }                                                                                           \
        }                                                                                               \
        for (int64_t i = first; i < count; i++) {                                                       \
            lane[i - first] += term;                                                                    \
        }                                                                                               \
        JOIN_LANES(ROW_LANES, lane, lane[l] += lane[l + half])                                          \
        total = lane[0];                                                                                \
    } while (0)

#define ROW_HELPERS(T, type)                                                                            \
    /* The largest of a row. A NaN may be missed: what is made of it turns out NaN by itself. */        \
    static type largest_##T(const type *x, int64_t count)                                               \
    {                                                                                                   \
        type lane[ROW_LANES];                                                                           \
        int64_t first = 0;                                                                              \
        for (int l = 0; l < ROW_LANES; l++) {                                                           \
            lane[l] = -(type)INFINITY;                                                                  \
        }                                                                                               \
        for (; first + ROW_LANES <= count; first += ROW_LANES) {                                        \
            for (int l = 0; l < ROW_LANES; l++) {                                                       \
                lane[l] = x[first + l] > lane[l] ? x[first + l] : lane[l];                              \
            }                                                                                           \
        }                                                                                               \
        for (int64_t i = first; i < count; i++) {                                                       \
            lane[i - first] = x[i] > lane[i - first] ? x[i] : lane[i - first];                          \
        }                                                                                               \
        JOIN_LANES(ROW_LANES, lane, lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l])      \
        return lane[0];                                                                                 \
    }                                                                                                   \
    /* The sum of exp(x - shift), which go to y unless it is NULL. The last few are padded to a whole vector. */ \
    ALWAYS_INLINE type exponentials_##T(const type *x, type *y, int64_t count, type shift)              \
    {                                                                                                   \
        type lane[EXP_LANES] = {0};                                                                     \
        type part[EXP_LANES];                                                                           \
        int64_t first = 0;                                                                              \
        for (; first + EXP_LANES <= count; first += EXP_LANES) {                                        \
            INDEPENDENT                                                                                 \
            for (int l = 0; l < EXP_LANES; l++) {                                                       \
                type e = EXP_##T(x[first + l] - shift);                                                 \
                if (y) {                                                                                \
                    y[first + l] = e;                                                                   \
                }                                                                                       \
                lane[l] += e;                                                                           \
            }                                                                                           \
        }                                                                                               \
        if (first < count) {                                                                            \
            int rest = (int)(count - first);                                                            \
            for (int l = 0; l < EXP_LANES; l++) {                                                       \
                part[l] = l < rest ? x[first + l] - shift : -(type)INFINITY;                            \
            }                                                                                           \
            for (int l = 0; l < EXP_LANES; l++) {                                                       \
                part[l] = EXP_##T(part[l]);                                                             \
                lane[l] += part[l];                                                                     \
            }                                                                                           \
            if (y) {                                                                                    \
                memcpy(y + first, part, (size_t)rest * sizeof(type));                                   \
            }                                                                                           \
        }                                                                                               \
        JOIN_LANES(EXP_LANES, lane, lane[l] += lane[l + half])                                          \
        return lane[0];                                                                                 \
    }                                                                                                   \
    /* y = x - log(sum(exp(x))), in place too. */                                                       \
    ALWAYS_INLINE void log_softmax_row_##T(const type *x, type *y, int64_t count)                       \
    {                                                                                                   \
        type shift = largest_##T(x, count);                                                             \
        type normalizer = LOG_##T(exponentials_##T(x, NULL, count, shift));                             \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            y[i] = x[i] - shift - normalizer;                                                           \
        }                                                                                               \
    }

#endif
