/* What every kernel over contiguous rows needs: sums along a row, its largest element, its exponentials. */
#ifndef TENSORGRAD_ROWS_H
#define TENSORGRAD_ROWS_H

#include <math.h>
#include <string.h>

#include "part.h"
#include "vmath.h"
#include "vmath64.h"

#define LONG_LANES 32       /* independent values along a long row: two AVX-512 registers of float32 */
#define SHORT_LANES 8       /* along a short row, and the rest of a long one */
#define BLOCK 2048          /* elements summed in lanes before they go into a double */

/* Log softmax of the rows `from` up to `to` of a matrix: see row_kernels.h. */
void LEVEL(log_softmax_rows_f32)(const float *x, float *y, int64_t from, int64_t to, int64_t rows, int64_t count);
void LEVEL(log_softmax_rows_f64)(const double *x, double *y, int64_t from, int64_t to, int64_t rows, int64_t count);

#define EXP_f32 exp_of_negative32
#define EXP_f64 exp_of_negative64
#define LOG_f32 log32
#define LOG_f64 log64

#define HALVE_LANES(LANES, FROM, lane, join)                                                            \
    for (int half = FROM / 2; half >= LANES; half /= 2) {                                               \
        for (int l = 0; l < half; l++) {                                                                \
            join;                                                                                       \
        }                                                                                               \
    }

/* Sets `result` to a reduction of a row from one index up to another, in lanes, so that the order depends on the length
   alone. `step` brings the index i into lane[l], `join` brings lane[l + half] into lane[l]. */
#define ALONG(type, result, start, from, until, step, join)                                             \
    do {                                                                                                \
        type result_lane[SHORT_LANES];                                                                  \
        int64_t first = from;                                                                           \
        for (int l = 0; l < SHORT_LANES; l++) {                                                         \
            result_lane[l] = start;                                                                     \
        }                                                                                               \
        if (until - first >= LONG_LANES) {                                                              \
            type lane[LONG_LANES];                                                                      \
            for (int l = 0; l < LONG_LANES; l++) {                                                      \
                lane[l] = start;                                                                        \
            }                                                                                           \
            for (; first + LONG_LANES <= until; first += LONG_LANES) {                                  \
                for (int l = 0; l < LONG_LANES; l++) {                                                  \
                    int64_t i = first + l;                                                              \
                    step;                                                                               \
                }                                                                                       \
            }                                                                                           \
            HALVE_LANES(SHORT_LANES, LONG_LANES, lane, join)                                            \
            for (int l = 0; l < SHORT_LANES; l++) {                                                     \
                result_lane[l] = lane[l];                                                               \
            }                                                                                           \
        }                                                                                               \
        {                                                                                               \
            type *lane = result_lane;                                                                   \
            for (; first + SHORT_LANES <= until; first += SHORT_LANES) {                                \
                for (int l = 0; l < SHORT_LANES; l++) {                                                 \
                    int64_t i = first + l;                                                              \
                    step;                                                                               \
                }                                                                                       \
            }                                                                                           \
            HALVE_LANES(1, SHORT_LANES, lane, join)                                                     \
        }                                                                                               \
        type both[2] = {result_lane[0], start};     /* the last few one by one, so that all stays in registers */ \
        for (int64_t i = first; i < until; i++) {                                                       \
            const int l = 1;                                                                            \
            type *lane = both;                                                                          \
            step;                                                                                       \
        }                                                                                               \
        {                                                                                               \
            const int l = 0, half = 1;                                                                  \
            type *lane = both;                                                                          \
            join;                                                                                       \
        }                                                                                               \
        result = both[0];                                                                               \
    } while (0)

/* The sum of `term`, an expression of the index i. Blocks are added up in double, whatever the type of the terms. */
#define SUM_ALONG(type, total, count, term)                                                             \
    do {                                                                                                \
        double sum = 0.0;                                                                               \
        for (int64_t from = 0; from < count; from += BLOCK) {                                           \
            int64_t until = count - from < BLOCK ? count : from + BLOCK;                                \
            type part;                                                                                  \
            ALONG(type, part, 0, from, until, lane[l] += term, lane[l] += lane[l + half]);              \
            sum += (double)part;                                                                        \
        }                                                                                               \
        total = sum;                                                                                    \
    } while (0)

#define ROW_HELPERS(T, type)                                                                            \
    /* The largest of a row. A NaN may be missed: what is made of it turns out NaN by itself. */        \
    static type largest_##T(const type *x, int64_t count)                                               \
    {                                                                                                   \
        type top;                                                                                       \
        ALONG(type, top, -(type)INFINITY, 0, count, lane[l] = x[i] > lane[l] ? x[i] : lane[l],          \
              lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l]);                           \
        return top;                                                                                     \
    }                                                                                                   \
    /* One block of exp(x - shift), apart from the loop below so that it stays one vector. */           \
    static NEVER_INLINE void exponential_block_##T(type *x, type shift)                                 \
    {                                                                                                   \
        for (int l = 0; l < PART; l++) {                                                                \
            x[l] = EXP_##T(x[l] - shift);                                                               \
        }                                                                                               \
    }                                                                                                   \
    /* The sum of exp(x - shift), which go to y unless it is NULL. The last few are padded to a block. */\
    ALWAYS_INLINE double exponentials_##T(const type *x, type *y, int64_t count, type shift)            \
    {                                                                                                   \
        type lane[PART] = {0};                                                                          \
        double total = 0.0;                                                                             \
        int64_t first = 0;                                                                              \
        int64_t whole = count / PART * PART;                                                            \
        while (first < whole) {                                                                         \
            int64_t until = whole - first > BLOCK ? first + BLOCK : whole;                              \
            for (; first < until; first += PART) {                                                      \
                INDEPENDENT                                                                             \
                for (int l = 0; l < PART; l++) {                                                        \
                    type e = EXP_##T(x[first + l] - shift);                                             \
                    if (y) {                                                                            \
                        y[first + l] = e;                                                               \
                    }                                                                                   \
                    lane[l] += e;                                                                       \
                }                                                                                       \
            }                                                                                           \
            for (int l = 0; until < whole && l < PART; l++) {                                           \
                total += (double)lane[l];                                                               \
                lane[l] = 0;                                                                            \
            }                                                                                           \
        }                                                                                               \
        if (first < count) {                                                                            \
            type part[PART];                                                                            \
            load_part_##T(part, x + first, count - first, -(type)INFINITY);                             \
            exponential_block_##T(part, shift);                                                         \
            if (y) {                                                                                    \
                store_part_##T(y + first, part, count - first);                                         \
            }                                                                                           \
            for (int l = 0; l < PART; l++) {                                                            \
                lane[l] += part[l];                                                                     \
            }                                                                                           \
        }                                                                                               \
        HALVE_LANES(1, PART, lane, lane[l] += lane[l + half])                                           \
        return total + (double)lane[0];                                                                 \
    }                                                                                                   \
    /* y = x - log(sum(exp(x))), in place too. */                                                       \
    ALWAYS_INLINE void log_softmax_row_##T(const type *x, type *y, int64_t count)                       \
    {                                                                                                   \
        type shift = largest_##T(x, count);                                                             \
        type normalizer = LOG_##T((type)exponentials_##T(x, NULL, count, shift));                       \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            y[i] = x[i] - shift - normalizer;                                                           \
        }                                                                                               \
    }

#endif
