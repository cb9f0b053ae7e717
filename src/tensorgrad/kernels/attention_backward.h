/* The way back of attention: the scores are made again, block by block. A unit has some blocks of the keys of a head, and goes
 * over all queries: it adds up what its keys and values get back, and what its keys give to each query.
 */
#ifndef TENSORGRAD_ATTENTION_BACKWARD_H
#define TENSORGRAD_ATTENTION_BACKWARD_H

#include "attention.h"

#define CHUNK 288           /* keys, about, whose sums stay in the second cache while all queries pass */
#define MOST_UNITS 8        /* from so many heads on their keys are not cut */

enum { GRAD, QUERY, KEY, VALUE, MASK, BIAS, OUT, STATS, OF_QUERY, OF_KEY, OF_VALUE };

static int64_t keys_of_chunk(int64_t keys)
{
    int64_t chunks = larger(1, (keys + CHUNK / 2) / CHUNK);
    return divide_up(divide_up(keys, chunks), TILE_ROWS) * TILE_ROWS;
}

static int64_t parts_of(const KernelArgs *a)
{
    return smaller(divide_up(MOST_UNITS, a->size[0] * a->size[1]), divide_up(a->size[4], keys_of_chunk(a->size[4])));
}

static int64_t back_units(const KernelArgs *a)
{
    return a->size[0] * a->size[1] * parts_of(a);
}

/* What the queries get of all parts but the first, each [head][query][depth]. */
static int64_t elements_of_part(const KernelArgs *a)
{
    return a->size[0] * a->size[1] * a->size[2] * a->size[3] * a->size[5];
}

static size_t back_workspace(const KernelArgs *a, int64_t units)
{
    (void)units;
    return a->data[OF_QUERY] ? (size_t)((parts_of(a) - 1) * elements_of_part(a)) * sizeof(element) : 0;
}

static void back_finish(const KernelArgs *a, int64_t units)
{
    (void)units;
    Shape s = shape_of(a);
    int64_t parts = a->data[OF_QUERY] ? parts_of(a) : 1, each = elements_of_part(a);
    for (int64_t head = 0; parts > 1 && head < s.batch * s.heads * s.shared; head++) {
        Rows to = rows_of_query_head(a, OF_QUERY, head);
        for (int64_t r = 0; r < s.queries; r++) {
            const element *from = (const element *)a->workspace + (head * s.queries + r) * s.depth;
            for (int64_t part = 1; part < parts; part++, from += each) {
                INDEPENDENT
                for (int64_t c = 0; c < s.depth; c++) {
                    to.at[r * to.step + c] += from[c];
                }
            }
        }
    }
}

/* What the rows of a block of queries have: largest score, 1 over the sum of weights (0 of one that sees nothing), and the sum of
   gradient times output. */
typedef struct Known {
    element top[QUERIES], share[QUERIES], delta[QUERIES];
} Known;

static void known_of(const KernelArgs *a, const Shape *s, int64_t head, int64_t first, int64_t rows, Rows grad, Known *known)
{
    Rows out = rows_from(rows_of_query_head(a, OUT, head), first);
    const element *stats = (const element *)a->data[STATS] + head * s->queries + first;
    memset(known, 0, sizeof *known);
    for (int64_t r = 0; r < rows; r++) {
        const element *g = grad.at + r * grad.step, *y = out.at + r * out.step;
        double lane[4] = {0};
        int64_t c = 0;
        for (; c + 4 <= s->width; c += 4) {
            for (int l = 0; l < 4; l++) {
                lane[l] += (double)g[c + l] * (double)y[c + l];
            }
        }
        for (; c < s->width; c++) {
            lane[0] += (double)g[c] * (double)y[c];
        }
        known->top[r] = stats[r];
        known->share[r] = stats[s->batch * s->heads * s->shared * s->queries + r];
        known->delta[r] = (element)((lane[0] + lane[1]) + (lane[2] + lane[3]));
    }
}

#define HIDDEN (-MOST)      /* other than a score of -infinity, which keys of infinity have that are seen */

/* Turns a panel of scores into weights, and of what weights get back into what scores do: nothing where they are hidden. */
static NEVER_INLINE void unweigh(element *scores, element *slopes, int64_t keys, const element *top, const element *share,
                                 const element *delta, element scale, int hides)
{
    element first[LANE], by[LANE], apart[LANE];
    element hidden = hides ? HIDDEN : (element)NAN;
    for (int l = 0; l < LANE; l++) {
        first[l] = top[l];
        by[l] = share[l];
        apart[l] = delta[l];
    }
    for (int64_t k = 0; k < keys; k++) {
        element *row = scores + k * QUERIES, *slope = slopes + k * QUERIES;
        INDEPENDENT
        for (int l = 0; l < LANE; l++) {
            int is_hidden = row[l] == hidden, is_blind = by[l] == 0;
            element score = is_hidden ? LOWEST : row[l];
            element weight = exp_of_score(score - first[l]) * by[l];
            element found = weight * (slope[l] - apart[l]) * scale;
            row[l] = is_blind ? 0 : weight;
            slope[l] = is_hidden | is_blind ? 0 : found;
        }
    }
}

enum { TURNED, TURNED_GRAD, SCORES, SLOPES, SIGHT, QUERY_ROWS, GRAD_ROWS, KEY_ROWS, SUMS, KEY_SUMS, VALUE_SUMS, PARTS };

/* One block of queries, with some of the keys. */
typedef struct Back {
    const KernelArgs *a;
    const Shape *s;
    element **room;
    Rows keys, values, whole_keys;              /* those of the chunk, and its keys in whole vectors */
    Rows queries, grads;                        /* in whole vectors */
    Sight sight;
    Known known;
    int64_t i, rows;
    int skips;
} Back;

/* Weights and slopes of the block with the keys from j on, which are `k` keys from the chunk's first; whether all were made. */
static int make_slopes(const Back *b, int64_t j, int64_t k, int64_t count, int64_t *seen)
{
    const Shape *s = b->s;
    int whole = 1, hides = s->causal || b->sight.mask;
    for (int64_t r = 0; r < b->rows; r += LANE) {
        int64_t lanes = smaller(LANE, b->rows - r), wide = lanes > LANES ? LANE : LANES;
        element *scores = b->room[SCORES] + r, *slopes = b->room[SLOPES] + r;
        Panel p = {b->i + r, j, lanes, seen_keys(b->i + r + lanes - 1, j, count, b->skips), scores};
        seen[r / LANE] = p.keys;
        whole &= p.keys == count;
        if (p.keys) {
            multiply(p.keys, wide, s->depth, b->keys.at + k * b->keys.step, b->keys.step, 1, b->room[TURNED] + r * s->depth, LANE,
                     scores, QUERIES, 0);
            multiply(p.keys, wide, s->width, b->values.at + k * b->values.step, b->values.step, 1,
                     b->room[TURNED_GRAD] + r * s->width, LANE, slopes, QUERIES, 0);
            cover(&b->sight, s->causal, &p, HIDDEN, b->room[SIGHT]);
            unweigh(scores, slopes, p.keys, b->known.top + r, b->known.share + r, b->known.delta + r, s->scale, hides);
        }
        for (int64_t each = p.keys; each < count; each++) {
            memset(scores + each * QUERIES, 0, LANE * sizeof(element));
            memset(slopes + each * QUERIES, 0, LANE * sizeof(element));
        }
    }
    return whole;
}

/* Adds up what one block of keys gets from one of queries, and gives. */
static void add_block(const Back *b, int64_t j, int64_t k, int64_t count)
{
    const Shape *s = b->s;
    int64_t wide = whole_vectors(s->depth), wide_value = whole_vectors(s->width), seen[QUERIES / LANE];
    element **room = b->room;
    int whole = make_slopes(b, j, k, count, seen);
    int64_t each = whole ? count : 2 * TILE_ROWS;
    for (int64_t n = 0; n < count; n += each) {
        int64_t first = whole ? 0 : larger(0, j + n - b->i), some = smaller(each, count - n), depth = b->rows - first;
        if (b->a->data[OF_VALUE]) {
            multiply(some, wide_value, depth, room[SCORES] + n * QUERIES + first, QUERIES, 1, b->grads.at + first * b->grads.step,
                     b->grads.step, room[VALUE_SUMS] + (k + n) * wide_value, wide_value, GEMM_ACCUMULATE);
        }
        if (b->a->data[OF_KEY]) {
            multiply(some, wide, depth, room[SLOPES] + n * QUERIES + first, QUERIES, 1, b->queries.at + first * b->queries.step,
                     b->queries.step, room[KEY_SUMS] + (k + n) * wide, wide, GEMM_ACCUMULATE);
        }
    }
    each = whole ? b->rows : LANE;
    for (int64_t r = 0; b->a->data[OF_QUERY] && r < b->rows; r += each) {
        if (seen[r / LANE]) {
            multiply(smaller(each, b->rows - r), wide, seen[r / LANE], room[SLOPES] + r, 1, QUERIES,
                     b->whole_keys.at + k * b->whole_keys.step, b->whole_keys.step, room[SUMS] + r * wide, wide, GEMM_ACCUMULATE);
        }
    }
}

/* Rows of sums, written or added to where they belong. */
static void put_sums(const element *sums, int64_t rows, int64_t width, Rows to, int add)
{
    int64_t wide = whole_vectors(width);
    for (int64_t r = 0; r < rows; r++) {
        const element *from = sums + r * wide;
        element *row = to.at + r * to.step;
        if (add) {
            INDEPENDENT
            for (int64_t c = 0; c < width; c++) {
                row[c] += from[c];
            }
        } else {
            INDEPENDENT
            for (int64_t c = 0; c < width; c++) {
                row[c] = from[c];
            }
        }
    }
}

/* All queries of a head with one chunk of its keys. */
static void add_chunk(Back *b, int64_t group, int64_t first_key, int64_t keys, int64_t part, int add)
{
    const Shape *s = b->s;
    const KernelArgs *a = b->a;
    element **room = b->room;
    int64_t wide = whole_vectors(s->depth), block = keys_of_block(keys);
    for (int64_t head = group * s->shared; head < (group + 1) * s->shared; head++) {
        Rows of_query = {NULL, s->depth};
        b->sight = sight_of(a, MASK, head);
        if (part && a->data[OF_QUERY]) {
            of_query.at = (element *)a->workspace + (part - 1) * elements_of_part(a) + head * s->queries * s->depth;
        } else if (a->data[OF_QUERY]) {
            of_query = rows_of_query_head(a, OF_QUERY, head);
        }
        for (b->i = 0; b->i < s->queries; b->i += QUERIES) {
            b->rows = smaller(QUERIES, s->queries - b->i);
            memset(room[SUMS], 0, (size_t)(b->rows * wide) * sizeof(element));
            int64_t seen = seen_keys(b->i + b->rows - 1, first_key, keys, b->skips);
            if (seen) {
                Rows queries = rows_from(rows_of_query_head(a, QUERY, head), b->i);
                Rows grads = rows_from(rows_of_query_head(a, GRAD, head), b->i);
                turn_rows(queries, b->rows, s->depth, s->scale, room[TURNED]);
                turn_rows(grads, b->rows, s->width, 1, room[TURNED_GRAD]);
                known_of(a, s, head, b->i, b->rows, grads, &b->known);
                b->queries = in_whole_vectors(queries, b->rows, s->depth, room[QUERY_ROWS]);
                b->grads = in_whole_vectors(grads, b->rows, s->width, room[GRAD_ROWS]);
            }
            for (int64_t k = 0; k < seen; k += block) {
                add_block(b, first_key + k, k, smaller(block, seen - k));
            }
            if (of_query.at && (seen || !add)) {
                put_sums(room[SUMS], b->rows, s->depth, rows_from(of_query, b->i), add);
            }
        }
    }
}

/* data = gradient, query, key, value, mask or NULL, bias or NULL, what attention() gave; the gradients of query, key and value,
   or NULL. */
static void attention_backward(const KernelArgs *a, int64_t from, int64_t to)
{
    Shape s = shape_of(a);
    int64_t wide = whole_vectors(s.depth), wide_value = whole_vectors(s.width), parts = parts_of(a);
    int64_t most = keys_of_chunk(s.keys), chunks = divide_up(s.keys, most);
    int64_t copied = wide == s.depth ? 0 : 1, copied_value = wide_value == s.width ? 0 : 1;
    int64_t sizes[PARTS] = {
        QUERIES * s.depth, QUERIES * s.width, KEYS * QUERIES, KEYS * QUERIES, 2 * KEYS * LANE, copied * QUERIES * wide,
        copied_value * QUERIES * wide_value, copied * most * wide, QUERIES * wide, most * wide, most * wide_value,
    };
    element *room[PARTS];
    if (!make_room(room, sizes, PARTS)) {
        return;
    }
    if (s.queries % LANE) {         /* lanes that no tile writes are worked on too */
        memset(room[SCORES], 0, KEYS * QUERIES * sizeof(element));
        memset(room[SLOPES], 0, KEYS * QUERIES * sizeof(element));
    }
    for (int64_t u = from; u < to; u++) {
        int64_t group = u / parts, part = u % parts, start = part * chunks / parts;
        Back b = {.a = a, .s = &s, .room = room, .skips = s.causal};
        Rows keys = rows_of_head(a, KEY, group), values = rows_of_head(a, VALUE, group);
        b.skips = b.skips && all_finite(keys, s.keys, s.depth);
        for (int64_t head = group * s.shared; b.skips && head < (group + 1) * s.shared; head++) {
            b.skips = all_finite(rows_of_query_head(a, QUERY, head), s.queries, s.depth) &&
                      all_finite(rows_of_query_head(a, GRAD, head), s.queries, s.width);
        }
        for (int64_t c = start; c < (part + 1) * chunks / parts; c++) {
            int64_t first = c * most, count = smaller(most, s.keys - first);
            b.keys = rows_from(keys, first);
            b.values = rows_from(values, first);
            b.whole_keys = in_whole_vectors(b.keys, count, s.depth, room[KEY_ROWS]);
            memset(room[KEY_SUMS], 0, (size_t)(count * wide) * sizeof(element));
            memset(room[VALUE_SUMS], 0, (size_t)(count * wide_value) * sizeof(element));
            add_chunk(&b, group, first, count, part, c != start);
            if (a->data[OF_KEY]) {
                put_sums(room[KEY_SUMS], count, s.depth, rows_from(rows_of_head(a, OF_KEY, group), first), 0);
            }
            if (a->data[OF_VALUE]) {
                put_sums(room[VALUE_SUMS], count, s.width, rows_from(rows_of_head(a, OF_VALUE, group), first), 0);
            }
        }
    }
}

static const char *refuse_attention_backward(const KernelArgs *a)
{
    static const int operands[] = {GRAD, QUERY, KEY, VALUE, BIAS, OUT};
    return refuse_strides(a, operands, 6);
}

#define ATTENTION_ENTRIES(dtype, unit)                                                                                 \
    {"scaled_dot_product_attention", dtype, attention, unit, .inputs = 5, .outputs = 2, .settings = "scale: causal",   \
     .operands = "query=/abcdf key=/abef value=/abeg mask?=bool:/abcde bias?=/abcde out=/abcdg stats?=2abcd",          \
     .units = attention_units, .refuse = refuse_attention},                                                            \
    {"scaled_dot_product_attention_backward", dtype, attention_backward, 2.5f * unit, .inputs = 8, .outputs = 3,       \
     .settings = "scale: causal",                                                                                      \
     .operands = "grad=/abcdg query=/abcdf key=/abef value=/abeg mask?=bool:/abcde bias?=/abcde out=/abcdg "           \
                 "stats=2abcd of_query?=/abcdf of_key?=/abef of_value?=/abeg",                                         \
     .units = back_units, .workspace = back_workspace, .finish = back_finish, .refuse = refuse_attention_backward},    \
    {NULL},

#endif
