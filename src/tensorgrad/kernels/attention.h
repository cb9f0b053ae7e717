/* Attention: means of values, weighted by the softmax of how well their keys fit a query, and the way back
 * (attention_backward.h); attention.c and attention_f64.c include that, each with the size of its type in ELEMENT_BYTES.
 *
 * The scores are never there as a whole: of a block of queries those with a block of keys are made, and what they weigh is
 * added up beside the largest score and the sum of the weights so far; where a larger score comes, both are scaled down
 * (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao and others, "FlashAttention", 2022).
 * Scores stand by [key][query]: so largest scores and sums run along vectors, and queries alone have to be turned, while
 * keys and values are read where they lie.
 */
#ifndef TENSORGRAD_ATTENTION_H
#define TENSORGRAD_ATTENTION_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "entries.h"
#include "gemm_vector.h"
#include "pool.h"
#include "vmath.h"
#if VECTOR_TYPES
#include "gemm_pack.h"
#endif

/* e^x for x <= 0, where it is 0 from about the least normal number on. Of float32 by a few steps less than exp_of_negative
   (vmath.h); of float64, where C's function would take as long as all products, by Taylor's sum up to r^13 / 13!. 1.5 ULP. */
#if ELEMENT_BYTES == 4
#define MOST FLT_MAX
INLINE_MATH float exp_of_score(float x)
{
    float shifted = x * 1.44269504f + ROUNDER, n = shifted - ROUNDER;
    float r = x - n * LN2_HIGH - n * LN2_LOW;
    uint32_t power = (uint32_t)bits_of(shifted) - (uint32_t)bits_of(ROUNDER) + 127;
    float e = ((exp_core(r) * r + 1.0f) * r + 1.0f) * of_bits((int32_t)(power << 23));
    return x < -86.0f ? 0.0f : e;
}
#else
#define MOST DBL_MAX
INLINE_MATH double exp_of_score(double x)
{
    double shifted = x * 1.44269504088896340736 + 0x1.8p52, n = shifted - 0x1.8p52;
    double r = x - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10;
    double e = r * (1.0 / 6227020800) + 1.0 / 479001600, power;
    e = ((((e * r + 1.0 / 39916800) * r + 1.0 / 3628800) * r + 1.0 / 362880) * r + 1.0 / 40320) * r + 1.0 / 5040;
    e = ((((e * r + 1.0 / 720) * r + 1.0 / 120) * r + 1.0 / 24) * r + 1.0 / 6) * r + 0.5;
    e = (e * r + 1.0) * r + 1.0;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);       /* of 1.5 2^52 the lowest are 0 */
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return x < -707.0 ? 0.0 : e * power;
}
#endif

#define LOWEST (-(element)INFINITY)
#define LANE TILE_COLUMNS                   /* queries of a panel */
#define QUERIES (LANE > 16 ? 64 : 48)       /* of a block: whole panels, and whole tiles where they have 6 rows */
#define KEYS ((95 / TILE_ROWS + 1) * TILE_ROWS) /* of a block, at most: whole tiles */

/* Extents, as the kernels are told them; and the setting. */
typedef struct Shape {
    int64_t batch, heads, shared, queries, keys, depth, width;     /* heads of keys, and queries' heads that share each; sizes of
                                                                      a key and of a value */
    element scale;
    int causal;
} Shape;

static Shape shape_of(const KernelArgs *a)
{
    const int64_t *size = a->size;
    return (Shape){size[0], size[1], size[2], size[3], size[4], size[5], size[6], (element)a->scalar[0], (int)a->integer[0]};
}

/* A matrix whose rows are contiguous. */
typedef struct Rows {
    element *at;
    int64_t step;
} Rows;

/* Of an operand for each head of keys. */
static Rows rows_of_head(const KernelArgs *a, int operand, int64_t head)
{
    const int64_t *stride = a->stride[operand];
    char *at = (char *)a->data[operand] + head / a->size[1] * stride[0] + head % a->size[1] * stride[1];
    return (Rows){(element *)at, stride[2] / ELEMENT_BYTES};
}

/* Of an operand for each head of queries. */
static char *of_query_head(const KernelArgs *a, int operand, int64_t head)
{
    const int64_t *stride = a->stride[operand];
    int64_t group = head / a->size[2];
    return (char *)a->data[operand] + group / a->size[1] * stride[0] + group % a->size[1] * stride[1] +
           head % a->size[2] * stride[2];
}

static Rows rows_of_query_head(const KernelArgs *a, int operand, int64_t head)
{
    return (Rows){(element *)of_query_head(a, operand, head), a->stride[operand][3] / ELEMENT_BYTES};
}

static Rows rows_from(Rows m, int64_t row)
{
    m.at += row * m.step;
    return m;
}

/* Which keys the queries of a head see, beside those that `causal` lets them. */
typedef struct Sight {
    const char *mask;               /* truth values, or NULL */
    const char *bias;               /* numbers that are added to scores, or NULL */
    int64_t query_step, key_step;   /* in bytes */
} Sight;

static Sight sight_of(const KernelArgs *a, int mask, int64_t head)
{
    int bias = mask + 1;
    Sight s = {0};
    if (a->data[mask]) {
        s = (Sight){of_query_head(a, mask, head), NULL, a->stride[mask][3], a->stride[mask][4]};
    } else if (a->data[bias]) {
        s = (Sight){NULL, of_query_head(a, bias, head), a->stride[bias][3], a->stride[bias][4]};
    }
    return s;
}

static int sees_nothing(const Sight *s, int64_t query, int64_t keys)
{
    const char *at = s->mask ? s->mask : s->bias;
    if (!at) {
        return 0;
    }
    at += query * s->query_step;
    for (int64_t j = 0; j < keys; j++, at += s->key_step) {
        if (s->mask ? *at != 0 : *(const element *)at != LOWEST) {
            return 0;
        }
    }
    return 1;
}

ALWAYS_INLINE int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

ALWAYS_INLINE int64_t whole_vectors(int64_t count)
{
    return divide_up(count, LANES) * LANES;
}

/* How many keys a block has, so that none of some keys is much smaller than others. */
static int64_t keys_of_block(int64_t keys)
{
    return divide_up(divide_up(keys, divide_up(keys, KEYS)), TILE_ROWS) * TILE_ROWS;
}

/* C[rows][columns] (+)= A B, where B has whole vectors of columns. */
static NEVER_INLINE void multiply(int64_t rows, int64_t columns, int64_t depth, const element *a, int64_t a_row, int64_t a_column,
                                  const element *b, int64_t b_step, element *c, int64_t c_step, int flags)
{
    int64_t tiles = divide_up(rows, TILE_ROWS);
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        int64_t wide = smaller(TILE_COLUMNS, columns - j), row = 0;
        for (int64_t t = 0; t < tiles; t++) {
            int64_t height = rows / tiles + (t < rows % tiles);
            const element *from = a + row * a_row;
            element *to = c + row * c_step + j;
#if VECTOR_TYPES
            Tile tile = {depth, from, a_row, a_column, b + j, b_step, to, c_step, NULL, flags, 0};
            run_columns(tile, height, wide);
#else
            for (int64_t r = 0; r < height; r++) {
                for (int64_t q = 0; q < wide; q++) {
                    element sum = 0;
                    for (int64_t k = 0; k < depth; k++) {
                        sum += from[r * a_row + k * a_column] * b[k * b_step + j + q];
                    }
                    to[r * c_step + q] = sum + (flags & GEMM_ACCUMULATE ? to[r * c_step + q] : 0);
                }
            }
#endif
            row += height;
        }
    }
}

/* Up to LANE rows, as [depth][LANE]; those that do not exist are 0. */
static NEVER_INLINE void turn_panel(const element *from, int64_t step, int64_t depth, int64_t rows, element *to)
{
#if VECTOR_TYPES
    pack_columns(from, step, depth, rows, to);
#else
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t l = 0; l < rows; l++) {
            to[k * LANE + l] = from[l * step + k];
        }
    }
#endif
    for (int64_t k = 0; k < depth && rows < LANE; k++) {
        memset(to + k * LANE + rows, 0, (size_t)(LANE - rows) * sizeof(element));
    }
}

/* A block of rows, panel by panel, times a number. */
static void turn_rows(Rows from, int64_t rows, int64_t depth, element scale, element *to)
{
    for (int64_t r = 0; r < rows; r += LANE) {
        turn_panel(from.at + r * from.step, from.step, depth, smaller(LANE, rows - r), to + r * depth);
    }
    for (int64_t i = 0; i < divide_up(rows, LANE) * LANE * depth && scale != 1; i++) {
        to[i] *= scale;
    }
}

/* Rows of which a tile can read whole vectors: themselves, or a copy in `room` that ends in zeros. */
static Rows in_whole_vectors(Rows from, int64_t rows, int64_t width, element *room)
{
    int64_t wide = whole_vectors(width);
    if (wide == width) {
        return from;
    }
    for (int64_t r = 0; r < rows; r++) {
        memcpy(room + r * wide, from.at + r * from.step, (size_t)width * sizeof(element));
        memset(room + r * wide + width, 0, (size_t)(wide - width) * sizeof(element));
    }
    return (Rows){room, wide};
}

static NEVER_INLINE int all_finite(Rows m, int64_t rows, int64_t width)
{
    element wrong = 0;
    for (int64_t r = 0; r < rows; r++) {
        const element *row = m.at + r * m.step;
        element lane[LANES] = {0};
        int64_t i = 0;
        for (; i + LANES <= width; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                lane[l] += row[i + l] * 0;
            }
        }
        for (int l = 0; i + l < width; l++) {
            lane[l] += row[i + l] * 0;
        }
        for (int l = 0; l < LANES; l++) {
            wrong += lane[l];
        }
    }
    return wrong == 0;
}

/* A panel of scores of the queries from i on with the keys from j on: `scores` is [key][QUERIES]. */
typedef struct Panel {
    int64_t i, j, lanes, keys;
    element *scores;
} Panel;

/* What a mask says of a panel, as [key][LANE]: a number to be added, or -1 for a key that is not seen. */
static void turn_sight(const Sight *s, const Panel *p, element *lines, element *to)
{
    int64_t step = s->query_step / ELEMENT_BYTES;
    const char *from = (s->mask ? s->mask : s->bias) + p->i * s->query_step + p->j * s->key_step;
    if (s->bias && s->key_step == ELEMENT_BYTES) {
        turn_panel((const element *)from, step, p->keys, p->lanes, to);
        return;
    }
    for (int64_t l = 0; l < p->lanes; l++, from += s->query_step) {
        element *line = lines + l * KEYS;
        if (s->mask && s->key_step == 1) {
            for (int64_t k = 0; k < p->keys; k++) {
                line[k] = from[k] ? (element)0 : (element)-1;
            }
        } else {
            for (int64_t k = 0; k < p->keys; k++) {
                const char *at = from + k * s->key_step;
                line[k] = s->bias ? *(const element *)at : *at ? (element)0 : (element)-1;
            }
        }
    }
    turn_panel(lines, KEYS, p->keys, p->lanes, to);
}

/* Adds to a panel's scores what is to be added, and writes `hidden` where a key is hidden. `room` is [2][KEYS][LANE]. */
static NEVER_INLINE void cover(const Sight *s, int causal, const Panel *p, element hidden, element *room)
{
    element *scores = p->scores;
    if (s->mask || s->bias) {
        const element *said = room + KEYS * LANE;
        turn_sight(s, p, room, room + KEYS * LANE);
        for (int64_t k = 0; k < p->keys; k++, said += LANE) {
            element *row = scores + k * QUERIES;
            if (s->mask) {
                for (int l = 0; l < LANE; l++) {
                    row[l] = said[l] < 0 ? hidden : row[l];
                }
            } else {
                for (int l = 0; l < LANE; l++) {
                    row[l] += said[l];
                }
            }
        }
    }
    for (int64_t k = larger(0, p->i - p->j + 1); causal && k < p->keys; k++) {
        int before = (int)smaller(LANE, p->j + k - p->i);
        element *row = scores + k * QUERIES;
        for (int l = 0; l < LANE; l++) {
            row[l] = l < before ? hidden : row[l];
        }
    }
}

/* How many of some keys from j on the queries up to `last` see; all, where none is skipped. */
ALWAYS_INLINE int64_t seen_keys(int64_t last, int64_t j, int64_t keys, int skips)
{
    return skips ? larger(0, smaller(keys, last + 1 - j)) : keys;
}

/* Turns a panel of scores into weights, whose largest is 1 of all keys so far; `factor` is by what weights before shrink. */
static NEVER_INLINE void weigh(element *scores, int64_t keys, element *top, element *total, element *factor)
{
    element most[LANE], shift[LANE], sum[LANE] = {0};
    for (int l = 0; l < LANE; l++) {
        most[l] = top[l];
    }
    for (int64_t k = 0; k < keys; k++) {        /* a NaN may be missed: its weight is NaN, and so is their sum */
        const element *row = scores + k * QUERIES;
        for (int l = 0; l < LANE; l++) {
            most[l] = row[l] > most[l] ? row[l] : most[l];
        }
    }
    for (int l = 0; l < LANE; l++) {
        shift[l] = most[l] == LOWEST ? 0 : most[l];
        factor[l] = top[l] - shift[l];
        top[l] = most[l];
    }
    for (int l = 0; l < LANE; l++) {
        factor[l] = exp_of_score(factor[l]);
    }
    for (int64_t k = 0; k < keys; k++) {
        element *row = scores + k * QUERIES;
        INDEPENDENT
        for (int l = 0; l < LANE; l++) {
            element e = exp_of_score(row[l] - shift[l]);
            row[l] = e;
            sum[l] += e;
        }
    }
    for (int l = 0; l < LANE; l++) {
        total[l] = total[l] * factor[l] + sum[l];
    }
}

/* Work memory of a thread, cut into `count` parts; 0 where there is none. */
static int make_room(element **parts, const int64_t *sizes, int count)
{
    const int64_t line = 64 / ELEMENT_BYTES;
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        total += divide_up(sizes[i], line) * line;
    }
    element *memory = pool_scratch((size_t)total * sizeof(element));
    for (int i = 0; memory && i < count; i++) {
        parts[i] = memory;
        memory += divide_up(sizes[i], line) * line;
    }
    if (!memory) {
        pool_fail();
    }
    return memory != NULL;
}

static int64_t attention_units(const KernelArgs *a)
{
    return a->size[0] * a->size[1] * a->size[2] * divide_up(a->size[3], QUERIES);
}

/* Scales what stands there and writes it out; a query that sees nothing keeps sums of nothing. */
static void put_rows(const KernelArgs *a, const Shape *s, const Sight *sight, int64_t head, int64_t first, int64_t rows,
                     const element *top, const element *total, const element *sums)
{
    int64_t wide = whole_vectors(s->width), all = s->batch * s->heads * s->shared * s->queries;
    Rows out = rows_from(rows_of_query_head(a, 5, head), first), values = rows_of_head(a, 2, head / s->shared);
    for (int64_t r = 0; r < rows; r++) {
        element *to = out.at + r * out.step;
        const element *from = sums + r * wide;
        int blind = top[r] == LOWEST && sees_nothing(sight, first + r, s->keys);
        element share = blind ? 1 : 1 / total[r];
        for (int64_t c = 0; c < s->width; c++) {
            to[c] = from[c] * share;
        }
        if (blind && total[r] != 0) {       /* scores of NaN: hidden all the same, so that every value counts 0 times */
            for (int64_t c = 0; c < s->width; c++) {
                to[c] = 0;
                for (int64_t j = 0; j < s->keys; j++) {
                    to[c] += values.at[j * values.step + c] * 0;
                }
            }
        }
        if (a->data[6]) {
            element *stats = (element *)a->data[6] + head * s->queries + first + r;
            stats[0] = blind ? 0 : top[r];
            stats[all] = blind ? 0 : share;
        }
    }
}

/* data = query, key, value, mask or NULL, bias or NULL, out, and of each row its largest score and 1 over the sum of its weights,
   or NULL. */
static void attention(const KernelArgs *a, int64_t from, int64_t to)
{
    enum { TURNED, SCORES, SIGHT, SUMS, VALUES, PARTS };
    Shape s = shape_of(a);
    int64_t wide = whole_vectors(s.width), blocks = divide_up(s.queries, QUERIES), block = keys_of_block(s.keys), known = -1;
    int64_t sizes[PARTS] = {QUERIES * s.depth, KEYS * QUERIES, 2 * KEYS * LANE, QUERIES * wide,
                            wide == s.width ? 0 : KEYS * wide};
    element *room[PARTS], top[QUERIES], total[QUERIES], factor[QUERIES];
    int skips = 0;
    if (!make_room(room, sizes, PARTS)) {
        return;
    }
    if (s.queries % LANE) {         /* lanes that no tile writes are weighed too */
        memset(room[SCORES], 0, KEYS * QUERIES * sizeof(element));
    }
    for (int64_t u = from; u < to; u++) {
        int64_t head = u / blocks, group = head / s.shared, i = u % blocks * QUERIES, rows = smaller(QUERIES, s.queries - i);
        Rows keys = rows_of_head(a, 1, group), values = rows_of_head(a, 2, group);
        Sight sight = sight_of(a, 3, head);
        if (s.causal && group != known) {       /* what comes later counts 0 times, which is no 0 of what is not finite */
            skips = all_finite(values, s.keys, s.width);
            known = group;
        }
        turn_rows(rows_from(rows_of_query_head(a, 0, head), i), rows, s.depth, s.scale, room[TURNED]);
        for (int r = 0; r < QUERIES; r++) {
            top[r] = LOWEST;
            total[r] = 0;
        }
        int64_t end = seen_keys(i + rows - 1, 0, s.keys, skips);
        for (int64_t j = 0; j < end; j += block) {
            int64_t count = smaller(block, end - j), seen[QUERIES / LANE];
            int whole = 1, flags = j ? GEMM_ACCUMULATE : 0;
            for (int64_t r = 0; r < rows; r += LANE) {
                int64_t lanes = smaller(LANE, rows - r);
                Panel p = {i + r, j, lanes, seen_keys(i + r + lanes - 1, j, count, skips), room[SCORES] + r};
                seen[r / LANE] = p.keys;
                whole &= p.keys == count;
                if (p.keys) {
                    multiply(p.keys, lanes > LANES ? LANE : LANES, s.depth, keys.at + j * keys.step, keys.step, 1,
                             room[TURNED] + r * s.depth, LANE, p.scores, QUERIES, 0);
                    cover(&sight, s.causal, &p, LOWEST, room[SIGHT]);
                    weigh(p.scores, p.keys, top + r, total + r, factor + r);
                }
            }
            for (int64_t r = 0; j && r < rows; r++) {
                element *sums = room[SUMS] + r * wide, by = factor[r];
                if (by != 1 && seen[r / LANE]) {
                    for (int64_t c = 0; c < wide; c++) {
                        sums[c] *= by;
                    }
                }
            }
            Rows v = in_whole_vectors(rows_from(values, j), count, s.width, room[VALUES]);
            int64_t each = whole ? rows : LANE;
            for (int64_t r = 0; r < rows; r += each) {
                if (seen[r / LANE]) {
                    multiply(smaller(each, rows - r), wide, seen[r / LANE], room[SCORES] + r, 1, QUERIES, v.at, v.step,
                             room[SUMS] + r * wide, wide, flags);
                }
            }
        }
        put_rows(a, &s, &sight, head, i, rows, top, total, room[SUMS]);
    }
}

/* Whether rows, of operands with strides, lie as they are read; and whether there is anything to do. */
static const char *refuse_strides(const KernelArgs *a, const int *operands, int count)
{
    for (int i = 0; i < 7; i++) {
        if (a->size[i] < 1) {
            return "queries, keys, values and their batch must not be empty";
        }
    }
    for (int i = 0; i < count; i++) {
        for (int d = 0; a->data[operands[i]] && d < 4; d++) {
            if (a->stride[operands[i]][d] % ELEMENT_BYTES) {
                return "strides must be whole elements";
            }
        }
    }
    return NULL;
}

static const char *refuse_attention(const KernelArgs *a)
{
    static const int operands[] = {0, 1, 2, 4};
    return refuse_strides(a, operands, 4);
}

#endif
