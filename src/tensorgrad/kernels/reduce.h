/* Reductions, as macros over the element type. The input is seen as {outer, reduced, inner}, with a stride for each; the
 * output is contiguous (outer, inner).
 *
 * A row is reduced in independent lanes, which the compiler keeps in registers, and the lanes then in a tree: fast, and
 * always in the same order, which depends on the length alone. Long rows of a sum are halved first, so that rounding
 * errors grow with the logarithm of the length. Columns (what is reduced is not innermost) are reduced side by side.
 */
#ifndef TENSORGRAD_REDUCE_H
#define TENSORGRAD_REDUCE_H

#include <math.h>

#include "entries.h"

#define WIDE(type) (256 / (int)sizeof(type))    /* lanes of a long row: four AVX-512 registers */
#define SHORT 8                                 /* lanes of a short one */
#define HALVE_FROM 64                           /* elements for each lane */
#define STRIPE 512                              /* columns side by side */
#define GROUP 64                                /* rows summed before they go into the total */
#define CHUNK 1024                              /* elements gathered at once where they do not lie side by side */

/* Reduces whole multiples of `LANES`, then what is left, then the lanes. Needs at least LANES elements. */
#define IN_LANES(name, type, LANES, in, count)                                                          \
    type lane[LANES];                                                                                   \
    for (int l = 0; l < LANES; l++) {                                                                   \
        lane[l] = name##_step(name##_start, in[l]);                                                     \
    }                                                                                                   \
    int64_t i = LANES;                                                                                  \
    for (; i + LANES <= count; i += LANES) {                                                            \
        for (int l = 0; l < LANES; l++) {                                                               \
            lane[l] = name##_step(lane[l], in[i + l]);                                                  \
        }                                                                                               \
    }                                                                                                   \
    for (int l = 0; i < count; i++, l++) {                                                              \
        lane[l] = name##_step(lane[l], in[i]);                                                          \
    }                                                                                                   \
    for (int half = LANES / 2; half > 0; half /= 2) {                                                   \
        for (int l = 0; l < half; l++) {                                                                \
            lane[l] = name##_join(lane[l], lane[l + half]);                                             \
        }                                                                                               \
    }                                                                                                   \
    return lane[0];

/* `step` takes the value so far `s` and the next element `x`; `join` takes two values so far. */
#define ROW(name, input, type, start, step, join, HALVED)                                               \
    static const type name##_start = start;                                                             \
    ALWAYS_INLINE type name##_step(type s, input x)                                                     \
    {                                                                                                   \
        return step;                                                                                    \
    }                                                                                                   \
    ALWAYS_INLINE type name##_join(type s, type x)                                                      \
    {                                                                                                   \
        return join;                                                                                    \
    }                                                                                                   \
    static type name##_short_row(const input *in, int64_t count)                                        \
    {                                                                                                   \
        if (count < SHORT) {                                                                            \
            type s = name##_start;                                                                      \
            for (int64_t i = 0; i < count; i++) {                                                       \
                s = name##_step(s, in[i]);                                                              \
            }                                                                                           \
            return s;                                                                                   \
        }                                                                                               \
        IN_LANES(name, type, SHORT, in, count)                                                          \
    }                                                                                                   \
    static NEVER_INLINE type name##_long_row(const input *in, int64_t count)                            \
    {                                                                                                   \
        if (HALVED && count > HALVE_FROM * WIDE(type)) {                                                \
            int64_t half = (count / 2 + WIDE(type) - 1) / WIDE(type) * WIDE(type);                      \
            type first = name##_long_row(in, half);                                                     \
            return name##_join(first, name##_long_row(in + half, count - half));                        \
        }                                                                                               \
        IN_LANES(name, type, WIDE(type), in, count)                                                     \
    }                                                                                                   \
    ALWAYS_INLINE type name##_row(const input *in, int64_t count)                                       \
    {                                                                                                   \
        return count < WIDE(type) ? name##_short_row(in, count) : name##_long_row(in, count);           \
    }

/* Columns that lie side by side: `rows` of them, `step` bytes apart, `count` <= STRIPE wide. Sums, which training needs
   at every step, take four rows for one write. */
#define COLUMNS(name, input, type, FOUR)                                                                \
    static void name##_columns(const char *in, int64_t step, int64_t rows, int64_t count, type *out)    \
    {                                                                                                   \
        type group[STRIPE];                                                                             \
        for (int64_t c = 0; c < count; c++) {                                                           \
            out[c] = name##_start;                                                                      \
        }                                                                                               \
        for (int64_t first = 0; first < rows; first += GROUP) {                                         \
            int64_t last = first + GROUP < rows ? first + GROUP : rows;                                 \
            int64_t r = first;                                                                          \
            for (int64_t c = 0; c < count; c++) {                                                       \
                group[c] = name##_start;                                                                \
            }                                                                                           \
            for (; FOUR && r + 4 <= last; r += 4) {                                                     \
                const input *in0 = (const input *)(in + r * step);                                      \
                const input *in1 = (const input *)(in + (r + 1) * step);                                \
                const input *in2 = (const input *)(in + (r + 2) * step);                                \
                const input *in3 = (const input *)(in + (r + 3) * step);                                \
                for (int64_t c = 0; c < count; c++) {                                                   \
                    type s = name##_step(group[c], in0[c]);                                             \
                    s = name##_step(s, in1[c]);                                                         \
                    s = name##_step(s, in2[c]);                                                         \
                    group[c] = name##_step(s, in3[c]);                                                  \
                }                                                                                       \
            }                                                                                           \
            for (; r < last; r++) {                                                                     \
                const input *in0 = (const input *)(in + r * step);                                      \
                for (int64_t c = 0; c < count; c++) {                                                   \
                    group[c] = name##_step(group[c], in0[c]);                                           \
                }                                                                                       \
            }                                                                                           \
            for (int64_t c = 0; c < count; c++) {                                                       \
                out[c] = name##_join(out[c], group[c]);                                                 \
            }                                                                                           \
        }                                                                                               \
    }

#define GATHERED(name, input, type)                                                                     \
    static type name##_gathered(const char *in, int64_t step, int64_t count)                            \
    {                                                                                                   \
        input chunk[CHUNK];                                                                             \
        type s = name##_start;                                                                          \
        for (int64_t done = 0; done < count; done += CHUNK) {                                           \
            int64_t n = count - done < CHUNK ? count - done : CHUNK;                                    \
            for (int64_t i = 0; i < n; i++) {                                                           \
                chunk[i] = *(const input *)(in + (done + i) * step);                                    \
            }                                                                                           \
            s = name##_join(s, name##_row(chunk, n));                                                   \
        }                                                                                               \
        return s;                                                                                       \
    }

/* The kernel chooses rows, columns or gathering. `finish` makes the result from the value `s` of `count` elements. */
#define KERNEL(kernel, name, input, type, finish)                                                       \
    static void kernel(const KernelArgs *a)                                                             \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        const int64_t count = a->size[1];                                                               \
        const int64_t inner = a->size[2];                                                               \
        type *out = a->data[1];                                                                         \
        (void)count;                                                                                    \
        for (int64_t o = 0; o < a->size[0]; o++) {                                                      \
            const char *in = (const char *)a->data[0] + o * step[0];                                    \
            if (inner == 1 && step[1] == sizeof(input)) {                                               \
                type s = name##_row((const input *)in, count);                                          \
                *out++ = finish;                                                                        \
                continue;                                                                               \
            }                                                                                           \
            if (step[2] == sizeof(input)) {                                                             \
                for (int64_t c = 0; c < inner; c += STRIPE) {                                           \
                    int64_t wide = inner - c < STRIPE ? inner - c : STRIPE;                             \
                    name##_columns(in + c * step[2], step[1], count, wide, out + c);                    \
                }                                                                                       \
            } else {                                                                                    \
                for (int64_t c = 0; c < inner; c++) {                                                   \
                    out[c] = name##_gathered(in + c * step[2], step[1], count);                         \
                }                                                                                       \
            }                                                                                           \
            for (int64_t c = 0; c < inner; c++) {                                                       \
                type s = out[c];                                                                        \
                out[c] = finish;                                                                        \
            }                                                                                           \
            out += inner;                                                                               \
        }                                                                                               \
    }

#define REDUCE(name, input, type, start, step, join, HALVED)                                            \
    ROW(name, input, type, start, step, join, HALVED)                                                   \
    COLUMNS(name, input, type, HALVED)                                                                  \
    GATHERED(name, input, type)                                                                         \
    KERNEL(kernel_##name, name, input, type, s)

/* NaN wins: once in `s`, no comparison takes it away. */
#define FLOATS(T, type)                                                                                 \
    REDUCE(sum_##T, type, type, 0, s + x, s + x, 1)                                                     \
    KERNEL(kernel_mean_##T, sum_##T, type, type, s / (type)count)                                       \
    REDUCE(sumsq_##T, type, type, 0, s + x * x, s + x, 1)                                               \
    REDUCE(prod_##T, type, type, 1, s * x, s * x, 0)                                                    \
    REDUCE(amax_##T, type, type, -(type)INFINITY, ((x > s) | (x != x)) ? x : s, ((x > s) | (x != x)) ? x : s, 0) \
    REDUCE(amin_##T, type, type, (type)INFINITY, ((x < s) | (x != x)) ? x : s, ((x < s) | (x != x)) ? x : s, 0)

/* Where the extreme value first stands, in one pass: a chunk is searched only if its extreme beats those before it. */
#define FIND(best, type)                                                                                \
    static int64_t find_##best(const type *in, int64_t count, type value)                               \
    {                                                                                                   \
        int64_t i = 0;                                                                                  \
        for (; i + 64 <= count; i += 64) {                                                              \
            int hit = 0;                                                                                \
            for (int l = 0; l < 64; l++) {                                                              \
                hit |= (in[i + l] == value) | (in[i + l] != in[i + l]);                                 \
            }                                                                                           \
            if (hit) {                                                                                  \
                break;                                                                                  \
            }                                                                                           \
        }                                                                                               \
        while (i < count && !((in[i] == value) | (in[i] != in[i]))) {                                   \
            i++;                                                                                        \
        }                                                                                               \
        return i;                                                                                       \
    }                                                                                                   \
    static int64_t position_of_##best(const char *in, int64_t step, int64_t count)                      \
    {                                                                                                   \
        type chunk[CHUNK];                                                                              \
        int64_t at = 0;                                                                                 \
        type top = best##_start;                                                                        \
        const int64_t most = step == sizeof(type) ? 16 * CHUNK : CHUNK;                                 \
        for (int64_t done = 0; done < count; done += most) {                                            \
            int64_t n = count - done < most ? count - done : most;                                      \
            const type *here = (const type *)in + done;                                                 \
            if (step != sizeof(type)) {                                                                 \
                for (int64_t i = 0; i < n; i++) {                                                       \
                    chunk[i] = *(const type *)(in + (done + i) * step);                                 \
                }                                                                                       \
                here = chunk;                                                                           \
            }                                                                                           \
            type value = best##_row(here, n);                                                           \
            if (done == 0 || (top == top && best##_join(top, value) != top)) {                          \
                top = value;                                                                            \
                at = done + find_##best(here, n, value);                                                \
            }                                                                                           \
        }                                                                                               \
        return at;                                                                                      \
    }                                                                                                   \
    static void kernel_arg##best(const KernelArgs *a)                                                   \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        int64_t *out = a->data[1];                                                                      \
        for (int64_t o = 0; o < a->size[0]; o++) {                                                      \
            for (int64_t c = 0; c < a->size[2]; c++) {                                                  \
                *out++ = position_of_##best((const char *)a->data[0] + o * step[0] + c * step[2], step[1], a->size[1]); \
            }                                                                                           \
        }                                                                                               \
    }

#endif
