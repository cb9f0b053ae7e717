/* Running sums and products along the middle of {outer, length, inner}. They are added up in double, as the body does, so each is
 * rounded once; every line is on its own. */
#include <math.h>

#include "entries.h"
#include "vmath64.h"

#define ABREAST 4       /* rows at a time: one alone waits for each sum, and more fall on one set of the cache */
#define COLUMNS 64      /* lines side by side of a unit */

static int64_t scan_units(const KernelArgs *a)
{
    int64_t inner = a->size[2];
    return inner == 1 ? divide_up(a->size[0], ABREAST) : a->size[0] * divide_up(inner, COLUMNS);
}

/* `lines` lines that begin `apart` elements from each other, of elements `step` apart; a step of -1 line goes backwards. */
#define SCAN_LINES(name, T, type, first, operator)                                                                     \
    ALWAYS_INLINE void name##_lines_##T(const type *x, type *out, int64_t length, int64_t step, int64_t apart, int lines) \
    {                                                                                                                  \
        double so_far[COLUMNS];                                                                                        \
        for (int l = 0; l < lines; l++) {                                                                              \
            so_far[l] = first;                                                                                         \
        }                                                                                                              \
        for (int64_t i = 0; i < length; i++) {                                                                         \
            INDEPENDENT                                                                                                \
            for (int l = 0; l < lines; l++) {                                                                          \
                so_far[l] = so_far[l] operator (double)x[l * apart];                                                   \
                out[l * apart] = (type)so_far[l];                                                                      \
            }                                                                                                          \
            x += step;                                                                                                 \
            out += step;                                                                                               \
        }                                                                                                              \
    }

#define SCAN(kernel, name, T, type, turned)                                                                            \
    static void kernel##_##T(const KernelArgs *a, int64_t from, int64_t to)                                            \
    {                                                                                                                  \
        int64_t length = a->size[1], inner = a->size[2], blocks = inner == 1 ? 1 : divide_up(inner, COLUMNS);          \
        int64_t start = turned ? (length - 1) * inner : 0, step = turned ? -inner : inner;                             \
        for (int64_t u = from; u < to; u++) {                                                                          \
            if (inner == 1) {                                                                                          \
                int64_t left = a->size[0] - u * ABREAST, at = u * ABREAST * length + start;                            \
                const type *x = (const type *)a->data[0] + at;                                                         \
                type *out = (type *)a->data[1] + at;                                                                   \
                if (left >= ABREAST) {                                                                                 \
                    name##_lines_##T(x, out, length, step, length, ABREAST);                                           \
                } else {                                                                                               \
                    name##_lines_##T(x, out, length, step, length, (int)left);                                         \
                }                                                                                                      \
            } else {                                                                                                   \
                int64_t column = u % blocks * COLUMNS, at = u / blocks * length * inner + column + start;              \
                const type *x = (const type *)a->data[0] + at;                                                         \
                type *out = (type *)a->data[1] + at;                                                                   \
                if (inner - column >= COLUMNS) {                                                                       \
                    name##_lines_##T(x, out, length, step, 1, COLUMNS);                                                \
                } else {                                                                                               \
                    name##_lines_##T(x, out, length, step, 1, (int)(inner - column));                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* Logarithms of running sums of exponentials: the largest so far, and the sum relative to it. */
#define LOG_LINES(T, type)                                                                                             \
    ALWAYS_INLINE void logcumsumexp_lines_##T(const type *x, type *out, int64_t length, int64_t step, int64_t apart, int lines) \
    {                                                                                                                  \
        double largest[COLUMNS], sum[COLUMNS];                                                                         \
        for (int l = 0; l < lines; l++) {                                                                              \
            largest[l] = -INFINITY;                                                                                    \
            sum[l] = 0;                                                                                                \
        }                                                                                                              \
        for (int64_t i = 0; i < length; i++) {                                                                         \
            INDEPENDENT                                                                                                \
            for (int l = 0; l < lines; l++) {                                                                          \
                double each = (double)x[l * apart], top = largest[l];                                                  \
                double share = exp64(each == top ? 0.0 : -fabs(each - top));                                           \
                int above = !(each <= top);                                                                            \
                sum[l] = above ? sum[l] * share + 1 : sum[l] + share;                                                  \
                largest[l] = above ? each : top;                                                                       \
                out[l * apart] = (type)(largest[l] + log64(sum[l]));                                                   \
            }                                                                                                          \
            x += step;                                                                                                 \
            out += step;                                                                                               \
        }                                                                                                              \
    }

LOG_LINES(f32, float)
LOG_LINES(f64, double)
SCAN(logcumsumexp, logcumsumexp, f32, float, 0)
SCAN(logcumsumexp, logcumsumexp, f64, double, 0)

#define SCANS(T, type)                                                                                                 \
    SCAN_LINES(cumsum, T, type, 0, +)                                                                                  \
    SCAN_LINES(cumprod, T, type, 1, *)                                                                                 \
    SCAN(cumsum, cumsum, T, type, 0)                                                                                   \
    SCAN(reversed_cumsum, cumsum, T, type, 1)                                                                          \
    SCAN(cumprod, cumprod, T, type, 0)

SCANS(f32, float)
SCANS(f64, double)

#define LINES .inputs = 1, .outputs = 1, .operands = "input=abc out=abc", .units = scan_units

const Kernel LEVEL(scan_entries)[] = {
    BOTH_FLOATS(cumsum, 0.5f, 0.5f, LINES)
    BOTH_FLOATS(reversed_cumsum, 0.5f, 0.5f, LINES)
    BOTH_FLOATS(cumprod, 0.5f, 0.5f, LINES)
    BOTH_FLOATS(logcumsumexp, 5, 5, LINES)
    {NULL},
};
