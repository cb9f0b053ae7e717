/* Kernels that are told where to read or write by indices: elements and rows picked, put, and added up. */
#include <string.h>

#include "naming.h"
#include "pool.h"

/* The row that an index names, or -1. */
ALWAYS_INLINE int64_t row_of(const void *index, int64_t at, int64_t rows, int64_t from_end)
{
    int64_t row = index_at(index, at);
    row = row < 0 && from_end && row >= -rows ? row + rows : row;
    return row < rows ? row : -1;
}

/* data = table, index (int64), out, wrong; size = {rows to gather, elements of a row}; integer = rows of the table, whether
   negative indices count from its end; stride[0][0] = bytes between rows of the table. wrong[0] becomes 1 where an index names
   no row, whose place in `out` is left as it was. A unit is a segment, which says so in the workspace if there are several. */
#define GATHERED 4096           /* elements of a segment, at least */

static int64_t rows_gathered_at_once(const KernelArgs *a)
{
    return a->size[1] ? GATHERED / a->size[1] + 1 : a->size[0] + 1;
}

static int64_t segments_to_gather(const KernelArgs *a)
{
    int64_t rows = rows_gathered_at_once(a);
    return a->size[0] > rows ? divide_up(a->size[0], rows) : 1;
}

static void join_wrong(const KernelArgs *a, int64_t units)
{
    join_into(a->data[3], a->workspace, units);
}

#define GATHER(bits, type)                                                                              \
    static int64_t gather_segment_##bits(const KernelArgs *a, int64_t from, int64_t to)                 \
    {                                                                                                   \
        const char *table = a->data[0];                                                                 \
        int64_t width = a->size[1];                                                                     \
        int64_t wrong = 0;                                                                              \
        type *out = (type *)a->data[2] + from * width;                                                  \
        for (int64_t r = from; r < to; r++) {                                                           \
            int64_t row = row_of(a->data[1], r, a->integer[0], a->integer[1]);                          \
            if (row < 0) {                                                                              \
                wrong = 1;                                                                              \
            } else if (width == 1) {                                                                    \
                *out = *(const type *)(table + row * a->stride[0][0]);                                  \
            } else {                                                                                    \
                memcpy(out, table + row * a->stride[0][0], (size_t)width * sizeof(type));               \
            }                                                                                           \
            out += width;                                                                               \
        }                                                                                               \
        return wrong;                                                                                   \
    }                                                                                                   \
    static void gather_rows_##bits(const KernelArgs *a, int64_t from, int64_t to)                       \
    {                                                                                                   \
        int64_t rows = rows_gathered_at_once(a);                                                              \
        int64_t count = a->size[0];                                                                     \
        int64_t *wrong = count > rows ? a->workspace : a->data[3];                                      \
        for (int64_t u = from; u < to; u++) {                                                           \
            wrong[u] = gather_segment_##bits(a, u * rows, count - u * rows < rows ? count : (u + 1) * rows);\
        }                                                                                               \
    }

GATHER(8, uint8_t)
GATHER(16, uint16_t)
GATHER(32, uint32_t)
GATHER(64, uint64_t)

/* data = rows to add, index (int64), table, wrong; size = {rows, elements of a row}; integer = rows of the table, one of them that
   nothing is added to (or -1), whether negative indices count from the end; stride[2][0] = bytes between rows of the table. Rows
   are added in their order, so the result is always the same. At an index that names no row the kernel stops and says which
   one it was, and what stood there. */
#define SCATTER(T, type)                                                                                \
    static void scatter_add_rows_##T(const KernelArgs *a, int64_t from, int64_t to)                     \
    {                                                                                                   \
        const type *in = a->data[0];                                                                    \
        int64_t width = a->size[1];                                                                     \
        (void)from;                                                                                     \
        (void)to;                                                                                       \
        for (int64_t r = 0; r < a->size[0]; r++) {                                                      \
            int64_t row = row_of(a->data[1], r, a->integer[0], a->integer[2]);                          \
            if (row < 0) {                                                                              \
                int64_t *wrong = a->data[3];                                                            \
                wrong[0] = r;                                                                           \
                wrong[1] = ((const int64_t *)a->data[1])[r];                                            \
                return;                                                                                 \
            }                                                                                           \
            type *out = (type *)((char *)a->data[2] + row * a->stride[2][0]);                           \
            int64_t added = row == a->integer[1] ? 0 : width;                                           \
            INDEPENDENT                                                                                 \
            for (int64_t i = 0; i < added; i++) {                                                       \
                out[i] += in[i];                                                                        \
            }                                                                                           \
            in += width;                                                                                \
        }                                                                                               \
    }

SCATTER(f32, float)
SCATTER(f64, double)

#define AHEAD 16        /* elements for which a line of the next outer ones is asked for */

/* Along the middle of {outer, extent, inner}. The sizes are a: outer, b: indices, c: inner, d: extent; where every element has its
   own index, the table may be larger than the index outside of the middle: e: its outer, f: its inner. An index that names
   nothing is told by 1 in wrong[0]; nothing is written for it, or something that is in the table. */
static const char *refuse_crossed(const KernelArgs *a)
{
    return a->size[4] < a->size[0] || a->size[5] < a->size[2] ? "the table has fewer lines than the index" : NULL;
}

static int64_t rows_picked_at_once(const KernelArgs *a)
{
    return a->size[2] ? GATHERED / a->size[2] + 1 : a->size[0] * a->size[1] + 1;
}

static int64_t segments_to_pick(const KernelArgs *a)
{
    int64_t count = a->size[0] * a->size[1], rows = rows_picked_at_once(a);
    return count > rows ? divide_up(count, rows) : 1;
}

/* data = table, index (int64), out, wrong; integer = whether negative indices count from the end. `shared`: one index for all
   lines. The loops are one function for all types, which only differ in their bytes. */
#define PICK(type)                                                                                                     \
    for (; r < stop; r += width == 1 ? stop - r : 1) {                                                                 \
        int64_t n = width == 1 ? stop - r : width, step = width != 1;                                                  \
        for (int64_t first = 0, last; first < n; first = last) {                                                       \
            last = n - first < AHEAD ? n : first + AHEAD;                                                              \
            PREFETCH((const type *)table + (soon ? extent * line + first : 0));                                        \
            for (; plain && first < last; first++, at++) {                                                             \
                int64_t row = index[at], wrong_one = (uint64_t)row >= (uint64_t)extent;                                \
                wrong |= wrong_one;                                                                                    \
                ((type *)out)[first] = ((const type *)table)[wrong_one ? 0 : row];                                     \
            }                                                                                                          \
            for (int64_t i = first; i < last; i++, at++) {                                                             \
                int64_t row = index[at];                                                                               \
                row += row >> 63 & back;                                                                               \
                int64_t wrong_one = (uint64_t)row >= (uint64_t)extent;                                                 \
                wrong |= wrong_one;                                                                                    \
                ((type *)out)[i] = ((const type *)table)[(wrong_one ? 0 : row) * line + i * step];                     \
            }                                                                                                          \
        }                                                                                                              \
        out += n * (int64_t)sizeof(type);                                                                              \
    }

static NEVER_INLINE int64_t pick(const KernelArgs *a, int64_t r, int64_t to, int shared, int bytes)
{
    int64_t count = a->size[1], width = a->size[2], extent = a->size[3], line = shared ? width : a->size[5];
    int64_t wrong = 0, from_end = a->integer[0], row_bytes = width * bytes;
    int64_t back = from_end ? extent : 0;
    int64_t soon = width == 1 && extent * line <= 2 * count;        /* most of the next lines is going to be read */
    const int plain = width == 1 && line == 1 && !from_end;
    const volatile int64_t *index = a->data[1];                     /* read once: others may write there at any time */
    char *out = (char *)a->data[2] + r * row_bytes;
    if (extent == 0) {
        return r < to;
    }
    while (r < to) {
        int64_t outer = r / count, at = shared ? r % count : r * width;
        int64_t stop = (outer + 1) * count < to ? (outer + 1) * count : to;
        const char *table = (const char *)a->data[0] + outer * extent * line * bytes;
        if (shared && width != 1) {
            for (; r < stop; r++) {
                int64_t row = row_of(a->data[1], at++, extent, from_end);
                if (row < 0) {
                    wrong = 1;
                } else {
                    memcpy(out, table + row * row_bytes, (size_t)row_bytes);
                }
                out += row_bytes;
            }
        } else if (bytes == 4) {
            PICK(uint32_t)
        } else if (bytes == 8) {
            PICK(uint64_t)
        } else if (bytes == 2) {
            PICK(uint16_t)
        } else {
            PICK(uint8_t)
        }
    }
    return wrong;
}

static void pick_units(const KernelArgs *a, int64_t from, int64_t to, int shared, int bytes)
{
    int64_t rows = rows_picked_at_once(a), count = a->size[0] * a->size[1];
    int64_t *wrong = count > rows ? a->workspace : a->data[3];
    for (int64_t u = from; u < to; u++) {
        wrong[u] = pick(a, u * rows, count - u * rows < rows ? count : (u + 1) * rows, shared, bytes);
    }
}

/* A unit of what writes by indices has the lines of some outer ones, or some of the columns of one: no two units write the same
   element, and each takes the indices in their order. */
#define COLUMNS 256

typedef struct Part {
    int64_t outer, last, column, end;       /* the outer ones, and the columns */
} Part;

static int64_t outer_at_once(const KernelArgs *a)
{
    int64_t each = a->size[1] * a->size[2];
    return each ? GATHERED / each + 1 : a->size[0] + 1;
}

static int64_t parts_to_put(const KernelArgs *a)
{
    int64_t parts = a->size[2] > COLUMNS ? a->size[0] * divide_up(a->size[2], COLUMNS) : divide_up(a->size[0], outer_at_once(a));
    return parts > 1 ? parts : 1;
}

static Part part_to_put(const KernelArgs *a, int64_t u)
{
    int64_t width = a->size[2];
    Part part = {0, a->size[0], 0, width};
    if (width > COLUMNS) {
        int64_t blocks = divide_up(width, COLUMNS);
        part.outer = u / blocks;
        part.last = part.outer + 1;
        part.column = u % blocks * COLUMNS;
        part.end = width - part.column < COLUMNS ? width : part.column + COLUMNS;
        part.last = part.last < a->size[0] ? part.last : a->size[0];
    } else {
        int64_t outer = outer_at_once(a);
        part.outer = u * outer;
        part.last = a->size[0] - part.outer < outer ? a->size[0] : part.outer + outer;
    }
    return part;
}

/* data = what is put, index (int64), table, wrong. The last one of several for a place stays. */
#define PUT(type)                                                                                                      \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        int64_t row = row_of(index, i, extent, from_end);                                                              \
        if (row < 0) {                                                                                                 \
            wrong = 1;                                                                                                 \
        } else {                                                                                                       \
            ((type *)table)[row * line + i * step] = ((const type *)in)[i];                                            \
        }                                                                                                              \
    }

static NEVER_INLINE int64_t put(const KernelArgs *a, Part part, int shared, int bytes)
{
    int64_t count = a->size[1], width = a->size[2], extent = a->size[3], line = shared ? width : a->size[5];
    int64_t wrong = 0, from_end = a->integer[0], columns = part.end - part.column;
    int64_t n = width == 1 ? count : columns, step = width != 1;      /* at once */
    for (int64_t outer = part.outer; outer < part.last; outer++) {
        char *table = (char *)a->data[2] + (outer * extent * line + part.column) * bytes;
        for (int64_t r = 0; r < count; r += width == 1 ? n : 1) {
            int64_t at = (outer * count + r) * width + part.column;
            const char *in = (const char *)a->data[0] + at * bytes;
            const int64_t *index = (const int64_t *)a->data[1] + (shared ? r : at);
            if (shared && width != 1) {
                int64_t row = row_of(index, 0, extent, from_end);
                if (row < 0) {
                    wrong = 1;
                } else {
                    memcpy(table + row * line * bytes, in, (size_t)(columns * bytes));
                }
            } else if (bytes == 4) {
                PUT(uint32_t)
            } else if (bytes == 8) {
                PUT(uint64_t)
            } else if (bytes == 2) {
                PUT(uint16_t)
            } else {
                PUT(uint8_t)
            }
        }
    }
    return wrong;
}

static void put_units(const KernelArgs *a, int64_t from, int64_t to, int shared, int bytes)
{
    int64_t *wrong = parts_to_put(a) > 1 ? a->workspace : a->data[3];
    for (int64_t u = from; u < to; u++) {
        wrong[u] = put(a, part_to_put(a, u), shared, bytes);
    }
}

#define OF_BYTES(bits)                                                                                                 \
    static void index_select_##bits(const KernelArgs *a, int64_t from, int64_t to)                                     \
    {                                                                                                                  \
        pick_units(a, from, to, 1, bits / 8);                                                                          \
    }                                                                                                                  \
    static void gather_##bits(const KernelArgs *a, int64_t from, int64_t to)                                           \
    {                                                                                                                  \
        pick_units(a, from, to, 0, bits / 8);                                                                          \
    }                                                                                                                  \
    static void index_copy_##bits(const KernelArgs *a, int64_t from, int64_t to)                                       \
    {                                                                                                                  \
        put_units(a, from, to, 1, bits / 8);                                                                           \
    }                                                                                                                  \
    static void scatter_##bits(const KernelArgs *a, int64_t from, int64_t to)                                          \
    {                                                                                                                  \
        put_units(a, from, to, 0, bits / 8);                                                                           \
    }

OF_BYTES(8)
OF_BYTES(16)
OF_BYTES(32)
OF_BYTES(64)

/* What comes together with what is there: the modes of index_reduce and scatter_reduce. */
enum { ADD, MULTIPLY, LARGEST, SMALLEST, MEAN };

/* Floats are divided; of integers the quotient is rounded down, and sums and products wrap around. */
#define SHARE_float(sum, number) ((sum) / (number))
#define SHARE_integer(sum, number) ((sum) / (number) - ((sum) % (number) < 0))
#define SUM_float(x, y) ((x) + (y))
#define SUM_integer(x, y) ((int64_t)((uint64_t)(x) + (uint64_t)(y)))
#define PRODUCT_float(x, y) ((x) * (y))
#define PRODUCT_integer(x, y) ((int64_t)((uint64_t)(x) * (uint64_t)(y)))

/* NaN is larger than everything, and smaller. */
#define TOGETHER(T, type, kind, LOWEST, HIGHEST)                                                                       \
    ALWAYS_INLINE type together_##T(type x, type y, int64_t mode)                                                      \
    {                                                                                                                  \
        switch (mode) {                                                                                                \
        case MULTIPLY: return PRODUCT_##kind(x, y);                                                                    \
        case LARGEST: return x != x ? x : x > y ? x : y;                                                               \
        case SMALLEST: return x != x ? x : x < y ? x : y;                                                                 \
        default: return SUM_##kind(x, y);                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    static const type first_##T[] = {0, 1, LOWEST, HIGHEST, 0};

/* A row of values together with one of the table, the mode known to the compiler. */
#define WHOLE_ROW(T, mode)                                                                                             \
    INDEPENDENT                                                                                                        \
    for (int64_t i = 0; i < columns; i++) {                                                                            \
        to[i] = together_##T(to[i], in[i], mode);                                                                      \
    }

/* data = what is added, index (int64), table, wrong; integer = whether negative indices count from the end, the mode, whether what
   was in the table takes part. Sums are made in the order of the indices. */
#define REDUCE(T, type, kind)                                                                                          \
    static NEVER_INLINE int64_t add_##T(const KernelArgs *a, Part part, int shared)                                    \
    {                                                                                                                  \
        int64_t count = a->size[1], width = a->size[2], extent = a->size[3], line = shared ? width : a->size[5];       \
        int64_t wrong = 0, from_end = a->integer[0], mode = a->integer[1], include = a->integer[2];                    \
        int64_t columns = part.end - part.column;                                                                      \
        int64_t n = width == 1 ? count : columns;       /* at once: where lines are single, all indices */             \
        int64_t soon = width == 1 && extent * line <= 2 * count;                                                       \
        int64_t *number = NULL;                                                                                        \
        if (columns == 0) {                                                                                            \
            return 0;                                                                                                  \
        }                                                                                                              \
        if (mode == MEAN) {                                                                                            \
            number = pool_scratch((size_t)(extent * columns + 1) * sizeof(int64_t));                                   \
            if (!number) {                                                                                             \
                pool_fail();                                                                                           \
                return 0;                                                                                              \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t outer = part.outer; outer < part.last; outer++) {                                                 \
            type *table = (type *)a->data[2] + outer * extent * line + part.column;                                    \
            const type *in = (const type *)a->data[0] + outer * count * width + part.column;                           \
            int64_t at = shared ? 0 : outer * count * width + part.column, step = shared ? 1 : width;                  \
            if (!include) {                                                                                            \
                for (int64_t r = 0; r < count; r++) {                                                                  \
                    for (int64_t i = 0; i < columns; i++) {                                                            \
                        int64_t row = row_of(a->data[1], at + r * step + (shared ? 0 : i), extent, from_end);          \
                        if (row >= 0) {                                                                                \
                            table[row * line + i] = first_##T[mode];                                                   \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            for (int64_t i = 0; number && i < extent * columns; i++) {                                                 \
                number[i] = include != 0;                                                                              \
            }                                                                                                          \
            for (int64_t r = 0; r < count; r += n / columns, in += n * width / columns) {                              \
                const int64_t *index = (const int64_t *)a->data[1] + at + r * step;                                    \
                if (shared && width != 1) {                                                                            \
                    int64_t row = row_of(index, 0, extent, from_end);                                                  \
                    if (row < 0) {                                                                                     \
                        wrong = 1;                                                                                     \
                        continue;                                                                                      \
                    }                                                                                                  \
                    type *to = table + row * line;                                                                     \
                    switch (mode) {                                                                                    \
                    case MULTIPLY: WHOLE_ROW(T, MULTIPLY) break;                                                       \
                    case LARGEST: WHOLE_ROW(T, LARGEST) break;                                                         \
                    case SMALLEST: WHOLE_ROW(T, SMALLEST) break;                                                       \
                    default: WHOLE_ROW(T, ADD)                                                                         \
                    }                                                                                                  \
                    for (int64_t i = 0; number && i < columns; i++) {                                                  \
                        number[row * columns + i]++;                                                                   \
                    }                                                                                                  \
                    continue;                                                                                          \
                }                                                                                                      \
                for (int64_t first = 0, last; width == 1 && mode == ADD && first < n; first = last) {                  \
                    last = n - first < AHEAD ? n : first + AHEAD;                                                      \
                    PREFETCH_TO_WRITE(table + (soon ? extent * line + first : 0));                                     \
                    for (int64_t i = first; i < last; i++) {                                                           \
                        int64_t row = index_at(index, i);                                                              \
                        row += row >> 63 & (from_end ? extent : 0);                                                    \
                        if (LIKELY((uint64_t)row < (uint64_t)extent)) {                                                \
                            table[row * line] = SUM_##kind(table[row * line], in[i]);                                  \
                        } else {                                                                                       \
                            wrong = 1;                                                                                 \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
                for (int64_t i = width == 1 && mode == ADD ? n : 0; i < n; i++) {                                      \
                    int64_t row = row_of(index, i, extent, from_end), column = width == 1 ? 0 : i;                     \
                    if (row < 0) {                                                                                     \
                        wrong = 1;                                                                                     \
                        continue;                                                                                      \
                    }                                                                                                  \
                    type *to = table + row * line + column;                                                            \
                    *to = mode == ADD ? SUM_##kind(*to, in[i]) : together_##T(*to, in[i], mode);                       \
                    if (number) {                                                                                      \
                        number[row * columns + column]++;                                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            for (int64_t row = 0; number && row < extent; row++) {                                                     \
                for (int64_t i = 0; i < columns; i++) {                                                                \
                    type *to = table + row * line + i;                                                                 \
                    int64_t n = number[row * columns + i];                                                             \
                    *to = n > 1 ? SHARE_##kind(*to, (type)n) : *to;                                                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        return wrong;                                                                                                  \
    }                                                                                                                  \
    WRITTEN(index_reduce, T, 1)                                                                                        \
    WRITTEN(scatter_reduce, T, 0)

#define WRITTEN(name, T, shared)                                                                                       \
    static void name##_##T(const KernelArgs *a, int64_t from, int64_t to)                                              \
    {                                                                                                                  \
        int64_t *wrong = parts_to_put(a) > 1 ? a->workspace : a->data[3];                                              \
        for (int64_t u = from; u < to; u++) {                                                                          \
            wrong[u] = add_##T(a, part_to_put(a, u), shared);                                                          \
        }                                                                                                              \
    }

TOGETHER(i64, int64_t, integer, INT64_MIN, INT64_MAX)
TOGETHER(f32, float, float, -INFINITY, INFINITY)
TOGETHER(f64, double, float, -INFINITY, INFINITY)
REDUCE(i64, int64_t, integer)
REDUCE(f32, float, float)
REDUCE(f64, double, float)

static const char *refuse_mode(const KernelArgs *a)
{
    return a->integer[1] < ADD || a->integer[1] > MEAN ? "there is no such mode" : NULL;
}

static const char *refuse_crossed_or_mode(const KernelArgs *a)
{
    const char *wrong = refuse_mode(a);
    return wrong ? wrong : refuse_crossed(a);
}

/* data = classes (int64), out (int64, zeros and a one for each), wrong; size = {rows, classes}. */
static void join_wrong_classes(const KernelArgs *a, int64_t units)
{
    join_into(a->data[2], a->workspace, units);
}

static void one_hot(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t rows = rows_gathered_at_once(a), count = a->size[0], classes = a->size[1];
    int64_t *wrong = count > rows ? a->workspace : a->data[2];
    for (int64_t u = from; u < to; u++) {
        int64_t first = u * rows, last = count - first < rows ? count : first + rows;
        int64_t *out = (int64_t *)a->data[1] + first * classes;
        wrong[u] = 0;
        memset(out, 0, (size_t)((last - first) * classes) * sizeof(int64_t));
        for (int64_t r = first; r < last; r++, out += classes) {
            int64_t at = row_of(a->data[0], r, classes, 0);
            if (at < 0) {
                wrong[u] = 1;
            } else {
                out[at] = 1;
            }
        }
    }
}

/* data = mask, out, number; the places where the mask is true, and how many they are. */
static void positions(const KernelArgs *a, int64_t from, int64_t to)
{
    const volatile uint8_t *mask = a->data[0];
    int64_t *out = a->data[1], found = 0;
    (void)from;
    (void)to;
    for (int64_t i = 0; i < a->size[0]; i++) {
        out[found] = i;
        found += mask[i] != 0;
    }
    *(int64_t *)a->data[2] = found;
}

#define PUTS .inputs = 2, .outputs = 2, .units = parts_to_put, .workspace = word_each, .finish = join_wrong

#define LINES(code, T, bits, digits)                                                                                   \
    {"gather_rows", DT_##code, gather_rows_##bits, .cost = 0.02f * bits / 8, .inputs = 2, .outputs = 2,                \
     .settings = ": rows from_end", .operands = "table=Rb index=i64:a out=ab wrong=i64:1", .units = segments_to_gather,\
     .workspace = word_each, .finish = join_wrong},                                                                    \
    {"index_select", DT_##code, index_select_##bits, .cost = 0.02f * bits / 8, .inputs = 2, .outputs = 2,              \
     .settings = ": from_end", .operands = "table=adc index=i64:b out=abc wrong=i64:1", .units = segments_to_pick,     \
     .workspace = word_each, .finish = join_wrong},                                                                    \
    {"gather", DT_##code, gather_##bits, .cost = 0.7f, .inputs = 2, .outputs = 2,                                      \
     .settings = ": from_end", .operands = "table=edf index=i64:abc out=abc wrong=i64:1", .units = segments_to_pick,   \
     .workspace = word_each, .finish = join_wrong, .refuse = refuse_crossed},                                          \
    {"index_copy", DT_##code, index_copy_##bits, .cost = 0.02f * bits / 8, .settings = ": from_end",                   \
     .operands = "source=abc index=i64:b table=adc wrong=i64:1", PUTS},                                                \
    {"scatter", DT_##code, scatter_##bits, .cost = 0.7f, .settings = ": from_end",                                     \
     .operands = "source=abc index=i64:abc table=edf wrong=i64:1", PUTS, .refuse = refuse_crossed},

/* Rows are added in their order, which one thread keeps. */
#define SCATTER_LINE(code, T)                                                                                          \
    {"scatter_add_rows", code, scatter_add_rows_##T, .cost = 0.3f, .inputs = 2, .outputs = 2,                          \
     .settings = ": rows skipped from_end",                                                                            \
     .operands = "rows_to_add=ab index=i64:a table=Rb wrong=i64:2", .units = one_unit},

#define REDUCE_LINE(code, T)                                                                                           \
    {"index_reduce", code, index_reduce_##T, .cost = 0.3f, .settings = ": from_end mode include",                      \
     .operands = "source=abc index=i64:b table=adc wrong=i64:1", PUTS, .refuse = refuse_mode},                         \
    {"scatter_reduce", code, scatter_reduce_##T, .cost = 1, .settings = ": from_end mode include",                     \
     .operands = "source=abc index=i64:abc table=edf wrong=i64:1", PUTS, .refuse = refuse_crossed_or_mode},

const Kernel LEVEL(index_entries)[] = {
    EVERY_DTYPE(LINES)
    SCATTER_LINE(DT_F32, f32)
    SCATTER_LINE(DT_F64, f64)
    REDUCE_LINE(DT_I64, i64)
    REDUCE_LINE(DT_F32, f32)
    REDUCE_LINE(DT_F64, f64)
    {"positions", DT_BOOL, positions, .cost = 1, .inputs = 1, .outputs = 2, .operands = "mask=a out=i64:a number=i64:1",
     .units = one_unit},
    {"one_hot", DT_I64, one_hot, .cost = 0.1f, .inputs = 1, .outputs = 2, .operands = "classes=a out=ab wrong=i64:1",
     .units = segments_to_gather, .workspace = word_each, .finish = join_wrong_classes},
    {NULL},
};
