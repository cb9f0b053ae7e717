/* Products with a sparse matrix whose entries lie row by row (CSR): row r has those from starts[r] up to starts[r + 1], and
   columns[] says where each stands in its row. Rows are cut into segments by the shape alone. */
#include <string.h>

#include "naming.h"
#include "pool.h"

#define AT_ONCE 8192        /* products of a segment, about */

static int64_t rows_at_once(const KernelArgs *a)
{
    double each = (double)a->size[0] * (double)a->size[1] / (double)(a->size[2] ? a->size[2] : 1);
    return (int64_t)(AT_ONCE / (each + 1)) + 1;
}

static int64_t segments_of_rows(const KernelArgs *a)
{
    int64_t rows = rows_at_once(a);
    return a->size[2] > rows ? divide_up(a->size[2], rows) : 1;
}

static void join_words(const KernelArgs *a, int64_t units)
{
    join_into(a->data[5], a->workspace, units);
}

static const char *refuse_starts(const KernelArgs *a)
{
    return a->size[3] != a->size[2] + 1 ? "starts needs one number more than there are rows" : NULL;
}

/* The entries of a row; none, and a word, where there are no such entries. */
ALWAYS_INLINE int64_t entries_of(const KernelArgs *a, int64_t row, int64_t *first)
{
    int64_t start = index_at(a->data[2], row), stop = index_at(a->data[2], row + 1);
    *first = start;
    return start < 0 || start > stop || stop > a->size[0] ? -1 : stop - start;
}

/* data = x, table, starts (int64), columns (int64), out, wrong; size = {entries, elements of a row of the table, rows, rows + 1};
   integer = rows of the table; stride[1][0] = bytes between them. wrong[0] becomes 1 where starts or columns name nothing that
   there is, which is left out. csr_product: x are the entries, out[r] the sum of x[e] * table[columns[e]] over row r, in their
   order. csr_sampled: x has a line for each row, out[e] is the product of x[r] and table[columns[e]]. */
#define WIDE(type) ((int)(256 / sizeof(type)))
#define NARROW(type) ((int)(64 / sizeof(type)))
#define LANES 16

/* GCC takes a loop of up to 16 steps apart before it looks for vectors in it, and then finds none. */
#if defined(__GNUC__) && !defined(__clang__)
#define AS_A_LOOP _Pragma("GCC unroll 1")
#else
#define AS_A_LOOP
#endif

#define SPARSE(T, type)                                                                                                \
    ALWAYS_INLINE int64_t sum_of_lines_##T(const KernelArgs *a, int64_t first, int64_t count, int64_t at, int n, type *out) \
    {                                                                                                                  \
        const type *values = (const type *)a->data[0] + first;                                                         \
        const char *table = (const char *)a->data[1] + at * (int64_t)sizeof(type);                                     \
        type sum[WIDE(type)];                                                                                          \
        int64_t wrong = 0;                                                                                             \
        for (int i = 0; i < n; i++) {                                                                                  \
            sum[i] = 0;                                                                                                \
        }                                                                                                              \
        for (int64_t e = 0; e < count; e++) {                                                                          \
            int64_t column = index_at(a->data[3], first + e);                                                         \
            if (column < 0 || column >= a->integer[0]) {                                                               \
                wrong = 1;                                                                                             \
                continue;                                                                                              \
            }                                                                                                          \
            const type *line = (const type *)(table + column * a->stride[1][0]);                                       \
            type value = values[e];                                                                                    \
            AS_A_LOOP                                                                                                  \
            for (int i = 0; i < n; i++) {                                                                              \
                sum[i] += value * line[i];                                                                             \
            }                                                                                                          \
        }                                                                                                              \
        memcpy(out + at, sum, (size_t)n * sizeof(type));                                                               \
        return wrong;                                                                                                  \
    }                                                                                                                  \
    static int64_t product_of_rows_##T(const KernelArgs *a, int64_t from, int64_t to)                                  \
    {                                                                                                                  \
        int64_t width = a->size[1], wrong = 0;                                                                         \
        for (int64_t r = from; r < to; r++) {                                                                          \
            int64_t first, count = entries_of(a, r, &first), at = 0;                                                   \
            type *out = (type *)a->data[4] + r * width;                                                                \
            wrong |= count < 0;                                                                                        \
            for (; width - at >= WIDE(type); at += WIDE(type)) {                                                       \
                wrong |= sum_of_lines_##T(a, first, count, at, WIDE(type), out);                                       \
            }                                                                                                          \
            for (; width - at >= NARROW(type); at += NARROW(type)) {                                                   \
                wrong |= sum_of_lines_##T(a, first, count, at, NARROW(type), out);                                     \
            }                                                                                                          \
            if (at < width) {                                                                                          \
                wrong |= sum_of_lines_##T(a, first, count, at, (int)(width - at), out);                                \
            }                                                                                                          \
        }                                                                                                              \
        return wrong;                                                                                                  \
    }                                                                                                                  \
    ALWAYS_INLINE type dot_##T(const type *x, const type *y, int64_t width)                                            \
    {                                                                                                                  \
        type sum[LANES] = {0};                                                                                         \
        int64_t at = 0;                                                                                                \
        for (; width - at >= LANES; at += LANES) {                                                                     \
            AS_A_LOOP                                                                                                  \
            for (int i = 0; i < LANES; i++) {                                                                          \
                sum[i] += x[at + i] * y[at + i];                                                                       \
            }                                                                                                          \
        }                                                                                                              \
        for (int i = 0; at + i < width; i++) {                                                                         \
            sum[i] += x[at + i] * y[at + i];                                                                           \
        }                                                                                                              \
        for (int half = LANES / 2; half > 0; half /= 2) {                                                              \
            for (int i = 0; i < half; i++) {                                                                           \
                sum[i] += sum[i + half];                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        return sum[0];                                                                                                 \
    }                                                                                                                  \
    static int64_t sampled_of_rows_##T(const KernelArgs *a, int64_t from, int64_t to)                                  \
    {                                                                                                                  \
        int64_t width = a->size[1], wrong = 0;                                                                         \
        for (int64_t r = from; r < to; r++) {                                                                          \
            int64_t first, count = entries_of(a, r, &first);                                                           \
            const type *x = (const type *)a->data[0] + r * width;                                                      \
            wrong |= count < 0;                                                                                        \
            for (int64_t e = first; e < first + count; e++) {                                                          \
                int64_t column = index_at(a->data[3], e), there = column >= 0 && column < a->integer[0];              \
                const type *y = (const type *)((const char *)a->data[1] + (there ? column * a->stride[1][0] : 0));     \
                wrong |= !there;                                                                                       \
                ((type *)a->data[4])[e] = there ? dot_##T(x, y, width) : 0;                                            \
            }                                                                                                          \
        }                                                                                                              \
        return wrong;                                                                                                  \
    }                                                                                                                  \
    SEGMENTS(csr_product_##T, product_of_rows_##T)                                                                     \
    SEGMENTS(csr_sampled_##T, sampled_of_rows_##T)

#define SEGMENTS(name, of_rows)                                                                                        \
    static void name(const KernelArgs *a, int64_t from, int64_t to)                                                    \
    {                                                                                                                  \
        int64_t rows = rows_at_once(a), count = a->size[2];                                                            \
        int64_t *wrong = count > rows ? a->workspace : a->data[5];                                                     \
        for (int64_t u = from; u < to; u++) {                                                                          \
            wrong[u] = of_rows(a, u * rows, count - u * rows < rows ? count : (u + 1) * rows);                         \
        }                                                                                                              \
    }

SPARSE(f32, float)
SPARSE(f64, double)

#define BY_ROWS                                                                                                        \
    .inputs = 4, .outputs = 2, .settings = ": rows", .units = segments_of_rows, .workspace = word_each,                \
    .finish = join_words, .refuse = refuse_starts

const Kernel LEVEL(sparse_entries)[] = {
    BOTH_FLOATS(csr_product, 0.1f, 0.2f, BY_ROWS, .operands = "x=a table=Rb starts=i64:d columns=i64:a out=cb wrong=i64:1")
    BOTH_FLOATS(csr_sampled, 0.1f, 0.2f, BY_ROWS, .operands = "x=cb table=Rb starts=i64:d columns=i64:a out=a wrong=i64:1")
    {NULL},
};
