/* Reductions. The input is seen as {outer, reduced, inner} with a stride for each; the output is contiguous (outer, inner).
 *
 * A row is reduced in LANES_WIDE independent lanes, which become registers, and the lanes then in a tree: fast, and always in
 * the same order, which depends on the length alone. Long rows of a sum are halved first, so rounding errors grow with the
 * logarithm of the length. Columns (reduced is not the innermost) are reduced side by side, a stripe of them at a time.
 */
#include <math.h>
#include <string.h>

#include "entries.h"

#define LANES_WIDE 64
#define LANES_SHORT 8
#define HALVE_FROM 4096     /* 64 elements for each lane */
#define STRIPE 512          /* columns side by side */
#define GROUP 64            /* rows summed before they go into the total */
#define CHUNK 1024          /* elements gathered at once from a row that is not contiguous */

/* `combine` takes the value so far `s` and the next `x`; `join` takes two values so far. */
#define ROW(name, T, type, start, combine, join, HALVED)                                                \
    ALWAYS_INLINE type name##_##T##_step(type s, type x)                                                \
    {                                                                                                   \
        return combine;                                                                                 \
    }                                                                                                   \
    ALWAYS_INLINE type name##_##T##_join(type s, type x)                                                \
    {                                                                                                   \
        return join;                                                                                    \
    }                                                                                                   \
    static type name##_##T##_short(const type *in, int64_t count)                                       \
    {                                                                                                   \
        type lane[LANES_SHORT];                                                                         \
        if (count < LANES_SHORT) {                                                                      \
            type s = start;                                                                             \
            for (int64_t i = 0; i < count; i++) {                                                       \
                s = name##_##T##_step(s, in[i]);                                                        \
            }                                                                                           \
            return s;                                                                                   \
        }                                                                                               \
        for (int l = 0; l < LANES_SHORT; l++) {                                                         \
            lane[l] = name##_##T##_step(start, in[l]);                                                  \
        }                                                                                               \
        int64_t i = LANES_SHORT;                                                                        \
        for (; i + LANES_SHORT <= count; i += LANES_SHORT) {                                            \
            for (int l = 0; l < LANES_SHORT; l++) {                                                     \
                lane[l] = name##_##T##_step(lane[l], in[i + l]);                                        \
            }                                                                                           \
        }                                                                                               \
        for (int l = 0; i < count; i++, l++) {                                                          \
            lane[l] = name##_##T##_step(lane[l], in[i]);                                                \
        }                                                                                               \
        for (int half = LANES_SHORT / 2; half > 0; half /= 2) {                                         \
            for (int l = 0; l < half; l++) {                                                            \
                lane[l] = name##_##T##_join(lane[l], lane[l + half]);                                   \
            }                                                                                           \
        }                                                                                               \
        return lane[0];                                                                                 \
    }                                                                                                   \
    static type name##_##T##_row(const type *in, int64_t count)                                         \
    {                                                                                                   \
        type lane[LANES_WIDE];                                                                          \
        if (count < LANES_WIDE) {                                                                       \
            return name##_##T##_short(in, count);                                                       \
        }                                                                                               \
        if (HALVED && count > HALVE_FROM) {                                                             \
            int64_t half = (count / 2 + LANES_WIDE - 1) / LANES_WIDE * LANES_WIDE;                      \
            type first = name##_##T##_row(in, half);                                                    \
            return name##_##T##_join(first, name##_##T##_row(in + half, count - half));                 \
        }                                                                                               \
        for (int l = 0; l < LANES_WIDE; l++) {                                                          \
            lane[l] = name##_##T##_step(start, in[l]);                                                  \
        }                                                                                               \
        int64_t i = LANES_WIDE;                                                                         \
        for (; i + LANES_WIDE <= count; i += LANES_WIDE) {                                              \
            for (int l = 0; l < LANES_WIDE; l++) {                                                      \
                lane[l] = name##_##T##_step(lane[l], in[i + l]);                                        \
            }                                                                                           \
        }                                                                                               \
        for (int l = 0; i < count; i++, l++) {                                                          \
            lane[l] = name##_##T##_step(lane[l], in[i]);                                                \
        }                                                                                               \
        for (int half = LANES_WIDE / 2; half > 0; half /= 2) {                                          \
            for (int l = 0; l < half; l++) {                                                            \
                lane[l] = name##_##T##_join(lane[l], lane[l + half]);                                   \
            }                                                                                           \
        }                                                                                               \
        return lane[0];                                                                                 \
    }

/* Columns that lie side by side: `rows` of them, `row_step` bytes apart, `count` <= STRIPE wide. */
#define COLUMNS(name, T, type, start)                                                                   \
    static void name##_##T##_columns(const char *in, int64_t row_step, int64_t rows, int64_t count, type *out) \
    {                                                                                                   \
        type group[STRIPE];                                                                             \
        for (int64_t c = 0; c < count; c++) {                                                           \
            out[c] = start;                                                                             \
        }                                                                                               \
        for (int64_t first = 0; first < rows; first += GROUP) {                                         \
            int64_t last = first + GROUP < rows ? first + GROUP : rows;                                 \
            int64_t r = first;                                                                          \
            for (int64_t c = 0; c < count; c++) {                                                       \
                group[c] = start;                                                                       \
            }                                                                                           \
            for (; r + 4 <= last; r += 4) {                                                             \
                const type *in0 = (const type *)(in + r * row_step);                                    \
                const type *in1 = (const type *)(in + (r + 1) * row_step);                              \
                const type *in2 = (const type *)(in + (r + 2) * row_step);                              \
                const type *in3 = (const type *)(in + (r + 3) * row_step);                              \
                for (int64_t c = 0; c < count; c++) {                                                   \
                    type s = name##_##T##_step(group[c], in0[c]);                                       \
                    s = name##_##T##_step(s, in1[c]);                                                   \
                    s = name##_##T##_step(s, in2[c]);                                                   \
                    group[c] = name##_##T##_step(s, in3[c]);                                            \
                }                                                                                       \
            }                                                                                           \
            for (; r < last; r++) {                                                                     \
                const type *in0 = (const type *)(in + r * row_step);                                    \
                for (int64_t c = 0; c < count; c++) {                                                   \
                    group[c] = name##_##T##_step(group[c], in0[c]);                                     \
                }                                                                                       \
            }                                                                                           \
            for (int64_t c = 0; c < count; c++) {                                                       \
                out[c] = name##_##T##_join(out[c], group[c]);                                           \
            }                                                                                           \
        }                                                                                               \
    }

/* The kernel: chooses rows, columns or gathering. `finish` makes the result from the value `s` of `count` elements. */
#define REDUCE(name, T, type, start, combine, join, HALVED, finish)                                     \
    ROW(name, T, type, start, combine, join, HALVED)                                                    \
    COLUMNS(name, T, type, start)                                                                       \
    static type name##_##T##_gathered(const char *in, int64_t step, int64_t count)                      \
    {                                                                                                   \
        type chunk[CHUNK];                                                                              \
        type s = start;                                                                                 \
        for (int64_t done = 0; done < count; done += CHUNK) {                                           \
            int64_t n = count - done < CHUNK ? count - done : CHUNK;                                    \
            for (int64_t i = 0; i < n; i++) {                                                           \
                chunk[i] = *(const type *)(in + (done + i) * step);                                     \
            }                                                                                           \
            s = name##_##T##_join(s, name##_##T##_row(chunk, n));                                       \
        }                                                                                               \
        return s;                                                                                       \
    }                                                                                                   \
    static void name##_##T(const KernelArgs *a)                                                         \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        const int64_t count = a->size[1];                                                               \
        const int64_t inner = a->size[2];                                                               \
        type *out = a->data[1];                                                                         \
        for (int64_t o = 0; o < a->size[0]; o++) {                                                      \
            const char *in = (const char *)a->data[0] + o * step[0];                                    \
            if (inner == 1 && step[1] == sizeof(type)) {                                                \
                out[0] = name##_##T##_row((const type *)in, count);                                     \
            } else if (step[2] == sizeof(type) && inner > 1) {                                          \
                for (int64_t c = 0; c < inner; c += STRIPE) {                                           \
                    int64_t wide = inner - c < STRIPE ? inner - c : STRIPE;                             \
                    name##_##T##_columns(in + c * step[2], step[1], count, wide, out + c);              \
                }                                                                                       \
            } else {                                                                                    \
                for (int64_t c = 0; c < inner; c++) {                                                   \
                    out[c] = name##_##T##_gathered(in + c * step[2], step[1], count);                   \
                }                                                                                       \
            }                                                                                           \
            for (int64_t c = 0; c < inner; c++) {                                                       \
                type s = out[c];                                                                        \
                out[c] = finish;                                                                        \
            }                                                                                           \
            out += inner;                                                                               \
        }                                                                                               \
    }

#define FLOATS(T, type, INFINITE)                                                                       \
    REDUCE(sum, T, type, 0, s + x, s + x, 1, s)                                                         \
    REDUCE(mean, T, type, 0, s + x, s + x, 1, s / (type)count)

FLOATS(f32, float, (float)INFINITY)
FLOATS(f64, double, INFINITY)

const KernelEntry LEVEL(reduce_entries)[] = {
    {"sum", DT_F32, sum_f32},
    {"sum", DT_F64, sum_f64},
    {"mean", DT_F32, mean_f32},
    {"mean", DT_F64, mean_f64},
    {NULL, 0, NULL},
};
