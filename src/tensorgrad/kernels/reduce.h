/* Reductions, as macros over the element type. The input is seen as {outer, reduced, inner}, with a stride for each; the
 * output is contiguous (outer, inner).
 *
 * A row is reduced in independent lanes, which the compiler keeps in registers, and the lanes then in a tree: fast, and
 * always in the same order, which depends on the length alone. Long rows of a sum are halved first, so that rounding
 * errors grow with the logarithm of the length. The lanes that SIDE rows leave are turned and joined side by side. Columns
 * (what is reduced is not innermost) are reduced side by side, and halved likewise.
 */
#ifndef TENSORGRAD_REDUCE_H
#define TENSORGRAD_REDUCE_H

#include <math.h>

#include "entries.h"
#include "turned.h"

#define WIDE(type) (256 / (int)sizeof(type))    /* lanes of a long row: four AVX-512 registers */
#define SIDE 16                                 /* rows side by side, and the lanes that each leaves */
#define TURNED_ROWS 64                          /* short rows turned into columns at a time */
#define SHORT 8                                 /* lanes of a row of fewer than SIDE elements */
#define HALVE_FROM 64                           /* elements for each lane */
#define STRIPE 512                              /* columns side by side */
#define NARROW 32                               /* columns, of which BESIDE rows that lie one after another are added as one */
#define BESIDE (STRIPE / NARROW)
#define GROUP 64                                /* rows summed without halving */
#define CHUNK 1024                              /* elements gathered at once where they do not lie side by side */

/* Few lanes of what compares, if unrolled before they are vectors, become branches that no CPU foresees. */
#define ROLLED_1
#if defined(__GNUC__) && !defined(__clang__)
#define ROLLED_0 _Pragma("GCC unroll 1")
#else
#define ROLLED_0
#endif

/* A row in lanes, from `i` on: lane[l] takes in[i + l] as long as there are LANES. */
#define WHOLE_LANES(name, LANES, lane, in, count, ROLLED)                                               \
    for (; i + LANES <= count; i += LANES) {                                                            \
        ROLLED                                                                                          \
        for (int l = 0; l < LANES; l++) {                                                               \
            lane[l] = name##_step(lane[l], in[i + l]);                                                  \
        }                                                                                               \
    }

#define FOLD(name, lane, FROM, TO, ROLLED)                                                              \
    for (int half = FROM / 2; half >= TO; half /= 2) {                                                  \
        ROLLED                                                                                          \
        for (int l = 0; l < half; l++) {                                                                \
            lane[l] = name##_join(lane[l], lane[l + half]);                                             \
        }                                                                                               \
    }

/* Rows side by side: of float32 alone, for it is much code. */
#if SIDE_BY_SIDE
#define ROWS_BESIDE(name, input, type)                                                                  \
    /* Of no more than SIDE rows, the first at `in`, each of at least SIDE elements, and not to be halved. */ \
    static NEVER_INLINE void name##_rows(const char *in, int64_t step_, int64_t rows, int64_t count, type *values) \
    {                                                                                                   \
        type lanes[SIDE][SIDE], beside[SIDE][SIDE], rest[SIDE] = {0};                                   \
        for (int64_t r = 0; r < rows; r++) {                                                            \
            rest[r] = name##_all_lanes((const input *)(in + r * step_), count, lanes[r]);               \
        }                                                                                               \
        for (int64_t r = rows; r < SIDE; r++) {                                                         \
            memcpy(lanes[r], lanes[0], sizeof lanes[r]);                                                \
        }                                                                                               \
        turn_block(beside, SIDE * sizeof(type), lanes, SIDE * sizeof(type), SIDE, SIDE, sizeof(type));  \
        for (int half = SIDE / 2; half > 0; half /= 2) {                                                \
            for (int l = 0; l < half; l++) {                                                            \
                for (int r = 0; r < SIDE; r++) {                                                        \
                    beside[l][r] = name##_join(beside[l][r], beside[l + half][r]);                      \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
        for (int64_t r = 0; r < rows; r++) {                                                            \
            values[r] = name##_join(beside[0][r], rest[r]);                                             \
        }                                                                                               \
    }
#define BESIDE_OR_ONE(name, in, step, rows, count, values)                                              \
    (rows) > 1 ? (name##_rows(in, step, rows, count, values), rows)                                     \
               : (values[0] = name##_row((const void *)in, count), 1)
#else
#define ROWS_BESIDE(name, input, type)
#define BESIDE_OR_ONE(name, in, step, rows, count, values) (values[0] = name##_row((const void *)in, count), (void)beside, 1)
#endif

/* `step` takes the value so far `s` and the next element `x`; `join` takes two values so far. LANES_OF names how a row comes
   down to SIDE lanes. */
#define ROW(name, input, type, start, step, join, HALVED, LANES_OF)                                     \
    static const type name##_start = start;                                                             \
    ALWAYS_INLINE type name##_step(type s, input x)                                                     \
    {                                                                                                   \
        return step;                                                                                    \
    }                                                                                                   \
    ALWAYS_INLINE type name##_join(type s, type x)                                                      \
    {                                                                                                   \
        return join;                                                                                    \
    }                                                                                                   \
    ALWAYS_INLINE type name##_rest(const input *in, int64_t i, int64_t count)                           \
    {                                                                                                   \
        type s = name##_start;                                                                          \
        for (; i < count; i++) {                                                                        \
            s = name##_step(s, in[i]);                                                                  \
        }                                                                                               \
        return s;                                                                                       \
    }                                                                                                   \
    static type name##_short_row(const input *in, int64_t count)                                        \
    {                                                                                                   \
        if (count < SHORT) {                                                                            \
            return name##_rest(in, 0, count);                                                           \
        }                                                                                               \
        int64_t i = 0;                                                                                  \
        type lane[SHORT];                                                                               \
        for (int l = 0; l < SHORT; l++) {                                                               \
            lane[l] = name##_start;                                                                     \
        }                                                                                               \
        WHOLE_LANES(name, SHORT, lane, in, count, ROLLED_##HALVED)                                      \
        FOLD(name, lane, SHORT, 1, )                                                                    \
        return name##_join(lane[0], name##_rest(in, i, count));                                         \
    }                                                                                                   \
    /* Of at least SIDE elements: a long row in WIDE lanes first. Gives what the last few come to, fewer than SIDE, which stay in \
       registers so. */                                                                                 \
    static NEVER_INLINE type name##_lanes(const input *in, int64_t count, type *lanes)                  \
    {                                                                                                   \
        int64_t i = 0;                                                                                  \
        type lane[SIDE];                                                                                \
        for (int l = 0; l < SIDE; l++) {                                                                \
            lane[l] = name##_start;                                                                     \
        }                                                                                               \
        if (count >= WIDE(type)) {                                                                      \
            type wide[WIDE(type)];                                                                      \
            for (int l = 0; l < WIDE(type); l++) {                                                      \
                wide[l] = name##_start;                                                                 \
            }                                                                                           \
            WHOLE_LANES(name, WIDE(type), wide, in, count, )                                            \
            FOLD(name, wide, WIDE(type), SIDE, )                                                        \
            for (int l = 0; l < SIDE; l++) {                                                            \
                lane[l] = wide[l];                                                                      \
            }                                                                                           \
        }                                                                                               \
        WHOLE_LANES(name, SIDE, lane, in, count, ROLLED_##HALVED)                                       \
        for (int l = 0; l < SIDE; l++) {                                                                \
            lanes[l] = lane[l];                                                                         \
        }                                                                                               \
        return name##_rest(in, i, count);                                                               \
    }                                                                                                   \
    LANES_OF(name, input, type)                                                                         \
    ROWS_BESIDE(name, input, type)                                                                      \
    static type name##_row(const input *in, int64_t count)                                              \
    {                                                                                                   \
        if (HALVED && count > HALVE_FROM * WIDE(type)) {                                                \
            int64_t half = (count / 2 + WIDE(type) - 1) / WIDE(type) * WIDE(type);                      \
            type first = name##_row(in, half);                                                          \
            return name##_join(first, name##_row(in + half, count - half));                             \
        }                                                                                               \
        if (count < SIDE) {                                                                             \
            return name##_short_row(in, count);                                                         \
        }                                                                                               \
        type lane[SIDE];                                                                                \
        const type rest = name##_all_lanes(in, count, lane);                                            \
        FOLD(name, lane, SIDE, 1, ROLLED_##HALVED)                                                      \
        return name##_join(lane[0], rest);                                                              \
    }

#define LANES_BY_STEPS(name, input, type)                                                               \
    ALWAYS_INLINE type name##_all_lanes(const input *in, int64_t count, type *lanes)                    \
    {                                                                                                   \
        return name##_lanes(in, count, lanes);                                                          \
    }

/* Of extremes: four elements at a time by comparisons that pass a NaN over; where there was one, again by steps. */
#define LANES_OF_LARGEST_f32(name, input, type) EXTREME_LANES(name, type, int32_t, >)
#define LANES_OF_LEAST_f32(name, input, type) EXTREME_LANES(name, type, int32_t, <)
#define LANES_OF_LARGEST_f64(name, input, type) EXTREME_LANES(name, type, int64_t, >)
#define LANES_OF_LEAST_f64(name, input, type) EXTREME_LANES(name, type, int64_t, <)
#define EXTREME_LANES(name, type, whole, beats)                                                         \
    ALWAYS_INLINE type name##_of(type x, type s)                                                        \
    {                                                                                                   \
        return x beats s ? x : s;                                                                       \
    }                                                                                                   \
    static NEVER_INLINE type name##_all_lanes(const type *in, int64_t count, type *lanes)               \
    {                                                                                                   \
        type lane[SIDE];                                                                                \
        whole nan[SIDE] = {0}, any = 0;                                                                 \
        if (count < 4 * SIDE) {                                                                         \
            return name##_lanes(in, count, lanes);                                                      \
        }                                                                                               \
        for (int l = 0; l < SIDE; l++) {                                                                \
            lane[l] = in[l];                                                                            \
        }                                                                                               \
        for (int64_t i = 0; i < count; i += 4 * SIDE) {                                                 \
            const type *four = in + (i + 4 * SIDE <= count ? i : count - 4 * SIDE);                     \
            for (int l = 0; l < SIDE; l++) {                                                            \
                type x = four[l], y = four[l + SIDE], z = four[l + 2 * SIDE], w = four[l + 3 * SIDE];   \
                lane[l] = name##_of(name##_of(name##_of(x, y), name##_of(z, w)), lane[l]);              \
                nan[l] |= ((x != x) | (y != y)) | ((z != z) | (w != w)) ? (whole)-1 : 0;                \
            }                                                                                           \
        }                                                                                               \
        for (int l = 0; l < SIDE; l++) {                                                                \
            any |= nan[l];                                                                              \
        }                                                                                               \
        if (any) {                                                                                      \
            return name##_lanes(in, count, lanes);                                                      \
        }                                                                                               \
        for (int l = 0; l < SIDE; l++) {                                                                \
            lanes[l] = lane[l];                                                                         \
        }                                                                                               \
        return name##_start;                                                                            \
    }

/* Columns that lie side by side: `rows` of them, `step` bytes apart, `count` <= STRIPE wide. Many rows of a sum are halved
   first, as a long row is. Four rows are taken for one write, and of sums of a few columns some rows as one. */
#define COLUMNS(name, input, type, HALVED)                                                              \
    static void name##_columns(const char *in, int64_t step, int64_t rows, int64_t count, type *out)    \
    {                                                                                                   \
        int64_t r = 0;                                                                                  \
        if (HALVED && count <= NARROW && step == count * (int64_t)sizeof(input) && rows > GROUP) {\
            int64_t whole = rows / BESIDE;                                                              \
            type beside[STRIPE];                                                                        \
            name##_columns(in, BESIDE * step, whole, BESIDE * count, beside);                           \
            name##_columns(in + whole * BESIDE * step, step, rows - whole * BESIDE, count, out);        \
            for (int64_t b = 0; b < BESIDE; b++) {                                                      \
                INDEPENDENT                                                                             \
                for (int64_t c = 0; c < count; c++) {                                                   \
                    out[c] = name##_join(out[c], beside[b * count + c]);                                \
                }                                                                                       \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
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
        for (; r + 4 <= rows; r += 4) {                                                                 \
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

/* A result is a cell: a place of (outer, inner). A unit is a stripe of cells that lie side by side; of a few cells that
   reduce much, a segment of what they reduce, whose values stand in the workspace, segment after segment. */
#define MOST_SEGMENTS 64
#define FEW_CELLS 1024

static int64_t stripes(const KernelArgs *a)
{
    return divide_up(a->size[2], STRIPE);
}

/* How many elements one after another a segment reduces: a multiple of the longest row of lanes. */
static int64_t length_of_segment(const KernelArgs *a)
{
    int64_t cells = a->size[0] * a->size[2];
    int64_t segments = cells && cells <= FEW_CELLS ? cells * a->size[1] / SEGMENT : 1;
    if (segments < 2 || a->size[0] * stripes(a) >= MOST_SEGMENTS) {
        return a->size[1];
    }
    segments = segments > MOST_SEGMENTS ? MOST_SEGMENTS : segments;
    return divide_up(divide_up(a->size[1], segments), 256) * 256;
}

static int64_t units_of_reduction(const KernelArgs *a)
{
    int64_t length = length_of_segment(a);
    return length < a->size[1] ? divide_up(a->size[1], length) : a->size[0] * stripes(a);
}

/* A value has at most 8 bytes; where stripes are the units there are none to keep. */
static size_t memory_of_segments(const KernelArgs *a, int64_t units)
{
    return length_of_segment(a) < a->size[1] ? (size_t)(units * a->size[0] * a->size[2]) * 8 : 0;
}

/* The kernel chooses rows, columns or gathering. `finish` makes the result from the value `s` of `count` elements. */
#define REDUCTION(kernel, name, input, type, result, finish)                                            \
    /* The values of `wide` cells, each of `length` elements; the first stands at `in`. */              \
    static void kernel##_stripe(const KernelArgs *a, const char *in, int64_t wide, int64_t length, type *values) \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        if (a->size[2] == 1 && step[1] == sizeof(input)) {                                              \
            values[0] = name##_row((const input *)in, length);                                          \
        } else if (step[2] == sizeof(input)) {                                                          \
            name##_columns(in, step[1], length, wide, values);                                          \
        } else {                                                                                        \
            for (int64_t k = 0; k < wide; k++) {                                                        \
                values[k] = name##_gathered(in + k * step[2], step[1], length);                         \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* What segments `from` up to `to` of all cells come to, into the workspace. */                     \
    static void kernel##_segments(const KernelArgs *a, int64_t from, int64_t to)                        \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        const int64_t length = length_of_segment(a);                                                    \
        const int64_t inner = a->size[2];                                                               \
        type *values = (type *)a->workspace + from * a->size[0] * inner;                                \
        for (int64_t u = from; u < to; u++) {                                                           \
            int64_t left = a->size[1] - u * length;                                                     \
            for (int64_t o = 0; o < a->size[0]; o++) {                                                  \
                for (int64_t c = 0; c < inner; c += STRIPE) {                                           \
                    int64_t wide = inner - c < STRIPE ? inner - c : STRIPE;                             \
                    const char *in = (const char *)a->data[0] + o * step[0] + c * step[2] + u * length * step[1]; \
                    kernel##_stripe(a, in, wide, left < length ? left : length, values);                \
                    values += wide;                                                                     \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    static void kernel(const KernelArgs *a, int64_t from, int64_t to)                                   \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        const int64_t count = a->size[1];                                                               \
        const int64_t inner = a->size[2];                                                               \
        (void)count;                                                                                    \
        if (length_of_segment(a) < count) {                                                             \
            kernel##_segments(a, from, to);                                                             \
            return;                                                                                     \
        }                                                                                               \
        if (inner == 1 && step[1] == sizeof(input) && sizeof(input) >= 4 && are_turned(a->size[0], count, MOST_TURNED)) { \
            input tile[MOST_TURNED * TURNED_ROWS];                                                       \
            for (int64_t o = from; o < to; o += TURNED_ROWS) {                                          \
                type values[TURNED_ROWS];                                                               \
                int64_t rows = to - o < TURNED_ROWS ? to - o : TURNED_ROWS, line = rows * (int64_t)sizeof(input); \
                turn_block(tile, line, (const char *)a->data[0] + o * step[0], step[0], count, rows, sizeof(input)); \
                name##_columns((const char *)tile, line, count, rows, values);                          \
                for (int64_t k = 0; k < rows; k++) {                                                    \
                    type s = values[k];                                                                 \
                    ((result *)a->data[1])[o + k] = finish;                                             \
                }                                                                                       \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        if (inner == 1 && step[1] == sizeof(input)) {                                                   \
            int64_t beside = count < SIDE || count > HALVE_FROM * WIDE(type) || to - from < 4 ? 1 : SIDE; \
            for (int64_t o = from; o < to;) {                                                           \
                const char *in = (const char *)a->data[0] + o * step[0];                                \
                type values[SIDE];                                                                      \
                int64_t rows = BESIDE_OR_ONE(name, in, step[0], to - o < beside ? to - o : beside, count, values); \
                for (int64_t k = 0; k < rows; k++, o++) {                                               \
                    type s = values[k];                                                                 \
                    ((result *)a->data[1])[o] = finish;                                                 \
                }                                                                                       \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        int64_t across = stripes(a);                                                                    \
        int64_t o = across > 1 ? from / across : from;                                                  \
        int64_t c = across > 1 ? from % across * STRIPE : 0;                                            \
        for (int64_t u = from; u < to; u++) {                                                           \
            type values[STRIPE];                                                                        \
            int64_t wide = inner - c < STRIPE ? inner - c : STRIPE;                                     \
            result *out = (result *)a->data[1] + o * inner + c;                                         \
            kernel##_stripe(a, (const char *)a->data[0] + o * step[0] + c * step[2], wide, count, values); \
            for (int64_t k = 0; k < wide; k++) {                                                        \
                type s = values[k];                                                                     \
                out[k] = finish;                                                                        \
            }                                                                                           \
            c += STRIPE;                                                                                \
            if (c >= inner) {                                                                           \
                c = 0;                                                                                  \
                o++;                                                                                    \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    /* Segments are joined in pairs, as halves are. */                                                  \
    static void kernel##_finish(const KernelArgs *a, int64_t units)                                     \
    {                                                                                                   \
        const int64_t count = a->size[1];                                                               \
        const int64_t cells = a->size[0] * a->size[2];                                                  \
        type *values = a->workspace;                                                                    \
        (void)count;                                                                                    \
        if (length_of_segment(a) >= count) {                                                            \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t apart = 1; apart < units; apart *= 2) {                                            \
            for (int64_t u = 0; u + apart < units; u += 2 * apart) {                                    \
                for (int64_t c = 0; c < cells; c++) {                                                   \
                    values[u * cells + c] = name##_join(values[u * cells + c], values[(u + apart) * cells + c]); \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
        for (int64_t c = 0; c < cells; c++) {                                                           \
            type s = values[c];                                                                         \
            ((result *)a->data[1])[c] = finish;                                                         \
        }                                                                                               \
    }

#define REDUCE(name, input, type, result, start, step, join, HALVED)                                    \
    REDUCE_BY(name, input, type, result, start, step, join, HALVED, LANES_BY_STEPS)

#define REDUCE_BY(name, input, type, result, start, step, join, HALVED, LANES_OF)                       \
    ROW(name, input, type, start, step, join, HALVED, LANES_OF)                                         \
    COLUMNS(name, input, type, HALVED)                                                                  \
    GATHERED(name, input, type, HALVED)                                                                 \
    REDUCTION(kernel_##name, name, input, type, result, (result)s)

#define EXTREME(name, type, start, step, LANES_OF)                                                      \
    REDUCE_BY(name, type, type, type, start, step, step, 0, LANES_OF)

/* NaN wins: once in `s`, no comparison takes it away. A product's error grows with the number of factors in any order, so
   products of float32 are made in double; so are squares, which could overflow. Products are halved too,
   though no error asks for it: a double on its way to 0 is below the least normal number, which stops the CPU for 150 cycles, at
   few of the joints, and would be at dozens of the factors one by one. */
#define FLOATS(T, type)                                                                                 \
    REDUCE(sum_##T, type, type, type, 0, s + x, s + x, 1)                                               \
    REDUCTION(kernel_mean_##T, sum_##T, type, type, type, s / (type)count)                                 \
    REDUCE(nansum_##T, type, type, type, 0, s + (x == x ? x : 0), s + x, 1)                             \
    ROW(squares_##T, type, double, 0, s + (double)x * (double)x, s + x, 0, LANES_BY_STEPS)                            \
    COLUMNS(squares_##T, type, double, 0)                                                               \
    GATHERED(squares_##T, type, double, 0)                                                              \
    REDUCTION(kernel_vector_norm_##T, squares_##T, type, double, type, (type)sqrt(s))                   \
    REDUCE(prod_##T, type, double, type, 1, s * x, s * x, 1)                                            \
    EXTREME(amax_##T, type, -(type)INFINITY, ((x > s) | (x != x)) ? x : s, LANES_OF_LARGEST_##T)        \
    EXTREME(amin_##T, type, (type)INFINITY, ((x < s) | (x != x)) ? x : s, LANES_OF_LEAST_##T)

/* Where the extreme value first stands, in one pass: a chunk is searched only if its extreme beats those before it. The value
   itself goes to data[2], unless that is NULL. */
#define FIND(best, type, whole, beats)                                                                  \
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
    /* Of columns that lie side by side, all at once. */                                                \
    static void positions_of_##best(const char *in, int64_t step, int64_t rows, int64_t wide, int64_t *at) \
    {                                                                                                   \
        type top[ACROSS];                                                                               \
        whole place[ACROSS] = {0};                                                                      \
        memcpy(top, in, (size_t)wide * sizeof(type));                                                   \
        for (whole r = 1; r < (whole)rows; r++) {                                                       \
            const type *x = (const type *)(in + r * step);                                              \
            INDEPENDENT                                                                                 \
            for (int64_t l = 0; l < wide; l++) {                                                        \
                int better = (x[l] beats top[l]) | ((x[l] != x[l]) & (top[l] == top[l]));               \
                top[l] = better ? x[l] : top[l];                                                        \
                place[l] = better ? r : place[l];                                                       \
            }                                                                                           \
        }                                                                                               \
        for (int64_t l = 0; l < wide; l++) {                                                            \
            at[l] = place[l];                                                                           \
        }                                                                                               \
    }                                                                                                   \
    static void kernel_arg##best(const KernelArgs *a, int64_t from, int64_t to)                         \
    {                                                                                                   \
        const int64_t *step = a->stride[0];                                                             \
        const int64_t width = cells_of_a_unit(a), across = divide_up(a->size[2], width);                \
        if (a->size[2] == 1 && step[1] == sizeof(type) && are_turned(a->size[0], a->size[1], MOST_TURNED)) { \
            type tile[MOST_TURNED * ACROSS];                                                             \
            for (int64_t o = from; o < to; o += ACROSS) {                                               \
                int64_t rows = to - o < ACROSS ? to - o : ACROSS, line = rows * (int64_t)sizeof(type);  \
                int64_t *at = (int64_t *)a->data[1] + o;                                                \
                const char *in = (const char *)a->data[0] + o * step[0];                                \
                turn_block(tile, line, in, step[0], a->size[1], rows, sizeof(type));                    \
                positions_of_##best((const char *)tile, line, a->size[1], rows, at);                    \
                for (int64_t l = 0; a->data[2] && l < rows; l++) {                                      \
                    ((type *)a->data[2])[o + l] = tile[at[l] * rows + l];                               \
                }                                                                                       \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t u = from; u < to; u++) {                                                           \
            int64_t first = u % across * width, cell = u / across * a->size[2] + first;                 \
            int64_t wide = a->size[2] - first < width ? a->size[2] - first : width;                     \
            const char *in = (const char *)a->data[0] + u / across * step[0] + first * step[2];         \
            int64_t at[ACROSS];                                                                         \
            if (width > 1 && step[2] == sizeof(type) && a->size[1] <= INT32_MAX) {                      \
                positions_of_##best(in, step[1], a->size[1], wide, at);                                 \
            } else {                                                                                    \
                for (int64_t l = 0; l < wide; l++) {                                                    \
                    at[l] = position_of_##best(in + l * step[2], step[1], a->size[1]);                  \
                }                                                                                       \
            }                                                                                           \
            for (int64_t l = 0; l < wide; l++) {                                                        \
                ((int64_t *)a->data[1])[cell + l] = at[l];                                              \
                if (a->data[2]) {                                                                       \
                    ((type *)a->data[2])[cell + l] = *(const type *)(in + l * step[2] + at[l] * step[1]); \
                }                                                                                       \
            }                                                                                           \
        }                                                                                               \
    }

#define ACROSS 64       /* columns whose extremes are looked for side by side */

static int64_t cells_of_a_unit(const KernelArgs *a)
{
    return a->size[2] < 8 ? 1 : ACROSS;
}

static int64_t units_of_positions(const KernelArgs *a)
{
    return a->size[2] ? a->size[0] * divide_up(a->size[2], cells_of_a_unit(a)) : 0;
}

#define REDUCE_LINE(name, CODE, T, nanoseconds) REDUCE_TO(name, CODE, T, nanoseconds, "input=* out=ac")
#define REDUCE_TO(name, CODE, T, nanoseconds, where)                                                    \
    {#name, CODE, kernel_##name##_##T, nanoseconds, .inputs = 1, .outputs = 1, .operands = where, .units = units_of_reduction, \
     .workspace = memory_of_segments, .finish = kernel_##name##_##T##_finish},
#define POSITION_LINE(name, extreme, CODE, T, nanoseconds)                                              \
    {#name, CODE, kernel_arg##extreme##_##T, nanoseconds, .inputs = 1, .outputs = 2, .operands = "input=* out=i64:ac value?=ac", \
     .units = units_of_positions},

#endif
