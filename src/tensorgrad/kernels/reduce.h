/* Reductions, as macros over the element type. The input is seen as {outer, reduced, inner}, with a stride for each; the
 * output is contiguous (outer, inner).
 *
 * A row is reduced in independent lanes, which the compiler keeps in registers, and the lanes then in a tree: fast, and
 * always in the same order, which depends on the length alone. Long rows of a sum are halved first, so that rounding
 * errors grow with the logarithm of the length. Columns (what is reduced is not innermost) are reduced side by side, and
 * halved likewise.
 */
#ifndef TENSORGRAD_REDUCE_H
#define TENSORGRAD_REDUCE_H

#include <math.h>

#include "entries.h"

#define WIDE(type) (256 / (int)sizeof(type))    /* lanes of a long row: four AVX-512 registers */
#define SHORT 8                                 /* lanes of a short one */
#define HALVE_FROM 64                           /* elements for each lane */
#define STRIPE 512                              /* columns side by side */
#define GROUP 64                                /* rows summed without halving */
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

/* Columns that lie side by side: `rows` of them, `step` bytes apart, `count` <= STRIPE wide. Many rows of a sum are halved
   first, as a long row is. Sums, which training needs at every step, take four rows for one write. */
#define COLUMNS(name, input, type, HALVED)                                                              \
    static void name##_columns(const char *in, int64_t step, int64_t rows, int64_t count, type *out)    \
    {                                                                                                   \
        int64_t r = 0;                                                                                  \
        if (HALVED && rows > GROUP) {                                                                   \
            int64_t half = (rows / 2 + GROUP - 1) / GROUP * GROUP;                                      \
            type second[STRIPE];                                                                        \
            name##_columns(in, step, half, count, out);                                                 \
            name##_columns(in + half * step, step, rows - half, count, second);                         \
            INDEPENDENT                                                                                 \
            for (int64_t c = 0; c < count; c++) {                                                       \
                out[c] = name##_join(out[c], second[c]);                                                \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t c = 0; c < count; c++) {                                                           \
            out[c] = name##_start;                                                                      \
        }                                                                                               \
        for (; HALVED && r + 4 <= rows; r += 4) {                                                       \
            const input *in0 = (const input *)(in + r * step);                                          \
            const input *in1 = (const input *)(in + (r + 1) * step);                                    \
            const input *in2 = (const input *)(in + (r + 2) * step);                                    \
            const input *in3 = (const input *)(in + (r + 3) * step);                                    \
            INDEPENDENT                                                                                 \
            for (int64_t c = 0; c < count; c++) {                                                       \
                type s = name##_step(out[c], in0[c]);                                                   \
                s = name##_step(s, in1[c]);                                                             \
                s = name##_step(s, in2[c]);                                                             \
                out[c] = name##_step(s, in3[c]);                                                        \
            }                                                                                           \
        }                                                                                               \
        for (; r < rows; r++) {                                                                         \
            const input *in0 = (const input *)(in + r * step);                                          \
            INDEPENDENT                                                                                 \
            for (int64_t c = 0; c < count; c++) {                                                       \
                out[c] = name##_step(out[c], in0[c]);                                                   \
            }                                                                                           \
        }                                                                                               \
    }

#define GATHERED(name, input, type, HALVED)                                                             \
    static type name##_gathered(const char *in, int64_t step, int64_t count)                            \
    {                                                                                                   \
        input chunk[CHUNK];                                                                             \
        type s = name##_start;                                                                          \
        if (HALVED && count > CHUNK) {                                                                  \
            int64_t half = (count / 2 + CHUNK - 1) / CHUNK * CHUNK;                                     \
            type first = name##_gathered(in, step, half);                                               \
            return name##_join(first, name##_gathered(in + half * step, step, count - half));           \
        }                                                                                               \
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
#define KERNEL(kernel, name, input, type, result, finish)                                               \
    static void kernel(const KernelArgs *a)                                                             \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        const int64_t count = a->size[1];                                                               \
        const int64_t inner = a->size[2];                                                               \
        result *out = a->data[1];                                                                       \
        (void)count;                                                                                    \
        for (int64_t o = 0; o < a->size[0]; o++) {                                                      \
            const char *in = (const char *)a->data[0] + o * step[0];                                    \
            if (inner == 1 && step[1] == sizeof(input)) {                                               \
                type s = name##_row((const input *)in, count);                                          \
                *out++ = finish;                                                                        \
                continue;                                                                               \
            }                                                                                           \
            for (int64_t c = 0; c < inner; c += STRIPE) {                                               \
                type stripe[STRIPE];                                                                    \
                int64_t wide = inner - c < STRIPE ? inner - c : STRIPE;                                 \
                if (step[2] == sizeof(input)) {                                                         \
                    name##_columns(in + c * step[2], step[1], count, wide, stripe);                     \
                }                                                                                       \
                for (int64_t k = 0; k < wide; k++) {                                                    \
                    type s = step[2] == sizeof(input) ? stripe[k] : name##_gathered(in + (c + k) * step[2], step[1], count); \
                    *out++ = finish;                                                                    \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
    }

#define REDUCE(name, input, type, result, start, step, join, HALVED)                                    \
    ROW(name, input, type, start, step, join, HALVED)                                                   \
    COLUMNS(name, input, type, HALVED)                                                                  \
    GATHERED(name, input, type, HALVED)                                                                 \
    KERNEL(kernel_##name, name, input, type, result, (result)s)

/* NaN wins: once in `s`, no comparison takes it away. A product's error grows with the number of factors in any order, so
   products of float32 are made in double. */
#define FLOATS(T, type)                                                                                 \
    REDUCE(sum_##T, type, type, type, 0, s + x, s + x, 1)                                               \
    KERNEL(kernel_mean_##T, sum_##T, type, type, type, s / (type)count)                                 \
    REDUCE(sumsq_##T, type, type, type, 0, s + x * x, s + x, 1)                                         \
    REDUCE(prod_##T, type, double, type, 1, s * x, s * x, 0)                                            \
    REDUCE(amax_##T, type, type, type, -(type)INFINITY, ((x > s) | (x != x)) ? x : s, ((x > s) | (x != x)) ? x : s, 0) \
    REDUCE(amin_##T, type, type, type, (type)INFINITY, ((x < s) | (x != x)) ? x : s, ((x < s) | (x != x)) ? x : s, 0)

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
