/* Linear systems of one element type: Cholesky factors, triangular systems, LU factors. systems.c and systems_f64.c include this,
 * each with the size of its type in ELEMENT_BYTES. All but the Cholesky factor is halved until it is small (Toledo, Locality of
 * reference in LU decomposition with partial pivoting, 1997), so that the tile of the matrix product does most of the work.
 */
#ifndef TENSORGRAD_SYSTEMS_H
#define TENSORGRAD_SYSTEMS_H

#include "entries.h"
#include "gemm_vector.h"
#include "pool.h"

#define CHUNK (256 / ELEMENT_BYTES)     /* right sides that are solved side by side */
#define BASE 8                          /* rows that are solved, and columns that are factored, without a product */
#if !VECTOR_TYPES
typedef element vector;
#undef LANES
#define LANES 1
#define load(p) (*(p))
#define store(p, v) (*(p) = (v))
#define broadcast(p) (*(p))
#endif

#define PADDED(rows) (divide_up(rows, 16) * 16)

#if ELEMENT_BYTES == 4
#define ROOT sqrtf
typedef int32_t word;
#else
#define ROOT sqrt
typedef int64_t word;
#endif

static void fill_nan(element *x, int64_t rows, int64_t columns, int64_t row)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            x[i * row + j] = (element)NAN;
        }
    }
}

/* row -= factor * of */
ALWAYS_INLINE void subtract(element *restrict row, const element *restrict of, element factor, int64_t count)
{
    for (int64_t j = 0; j < count; j++) {
        row[j] -= factor * of[j];
    }
}

/* C[rows, columns] += A[rows, depth] B[depth, columns] */
static void add_product(int64_t rows, int64_t columns, int64_t depth, const element *a, int64_t a_row, int64_t a_column,
                        const element *b, int64_t b_row, element *c, int64_t c_row)
{
#if VECTOR_TYPES
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        for (int64_t i = 0; i < rows; i += TILE_ROWS) {
            Tile tile = {depth, a + i * a_row, a_row, a_column, b + j, b_row, c + i * c_row + j, c_row, NULL, GEMM_ACCUMULATE, 0};
            run_columns(tile, smaller(TILE_ROWS, rows - i), smaller(TILE_COLUMNS, columns - j));
        }
    }
#else
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t k = 0; k < depth; k++) {
            subtract(c + i * c_row, b + k * b_row, -a[i * a_row + k * a_column], columns);
        }
    }
#endif
}

/* ---------------------------------------------------------------------------- triangular systems */

/* A lower triangle: its strides in elements, and whether its diagonal is taken to be ones. An upper one is it as well, seen from
 * its last row and column with negative strides. */
typedef struct Triangle {
    const element *at;
    int64_t row, column;
    int unit;
} Triangle;

/* Up to BASE rows, `step` apart, which are held in registers. */
static void solve_base(Triangle t, element *x, int64_t step, int64_t n, int64_t width)
{
    element lower[BASE][BASE];
    for (int i = 0; i < BASE; i++) {
        for (int k = 0; k < BASE; k++) {
            lower[i][k] = i < n && k <= i - t.unit ? t.at[i * t.row + k * t.column] : 0;
        }
    }
    for (int64_t j = 0; j < width; j += LANES) {
        vector rows[BASE];
        UNROLL for (int i = 0; i < BASE; i++) {
            rows[i] = i < n ? load(x + i * step + j) : (vector){0};
        }
        UNROLL for (int k = 0; k < BASE; k++) {
            rows[k] = t.unit ? -rows[k] : rows[k] / -broadcast(&lower[k][k]);
            UNROLL for (int i = k + 1; i < BASE; i++) {
                rows[i] += broadcast(&lower[i][k]) * rows[k];
            }
        }
        UNROLL for (int i = 0; i < BASE; i++) {
            if (i < n) {
                store(x + i * step + j, rows[i]);
            }
        }
    }
}

/* Rows of a chunk, of which `width` columns count, become minus the solutions: a product adds what is solved to the rest. */
static void solve_chunk(Triangle t, element *x, int64_t step, int64_t n, int64_t width)
{
    if (n <= BASE) {
        solve_base(t, x, step, n, width);
        return;
    }
    int64_t half = divide_up(n / 2, BASE) * BASE;
    Triangle rest = {t.at + half * (t.row + t.column), t.row, t.column, t.unit};
    solve_chunk(t, x, step, half, width);
    add_product(n - half, width, half, t.at + half * t.row, t.row, t.column, x, step, x + half * step, step);
    solve_chunk(rest, x + half * step, step, n - half, width);
}

/* The same of either triangle of a matrix. */
static void solve_either(const element *A, int64_t row, int64_t column, int upper, int unit, element *x, int64_t n, int64_t width)
{
    int64_t last = upper ? n - 1 : 0, sign = upper ? -1 : 1;
    Triangle t = {A + last * (row + column), sign * row, sign * column, unit};
    solve_chunk(t, x + last * CHUNK, sign * CHUNK, n, width);
}

/* Rows into a chunk, in the order given or as they are, with zeros behind them up to whole vectors. Gives the width. */
static int64_t load_chunk(element *x, const element *from, int64_t step, const int32_t *order, int64_t n, int64_t count)
{
    int64_t width = divide_up(count, LANES) * LANES;
    for (int64_t i = 0; i < n; i++) {
        memcpy(x + i * CHUNK, from + (order ? order[i] : i) * step, (size_t)count * sizeof(element));
        memset(x + i * CHUNK + count, 0, (size_t)(width - count) * sizeof(element));
    }
    return width;
}

/* Differences, as no zero comes out negative: which of them would is the compiler's choice. */
static void store_negative(const element *x, element *to, int64_t step, const int32_t *order, int64_t n, int64_t count)
{
    for (int64_t i = 0; i < n; i++) {
        element *row = to + (order ? order[i] : i) * step;
        for (int64_t j = 0; j < count; j++) {
            row[j] = 0 - x[i * CHUNK + j];
        }
    }
}

/* data = matrices, right sides that become the solutions; size = {matrices, rows, right sides}; integer = whether the upper
 * triangle counts, whether its diagonal is taken to be ones. The other triangle is not read. */
static void solve_triangular(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t n = a->size[1], m = a->size[2], chunks = divide_up(m, CHUNK);
    element *x = pool_scratch((size_t)(n * CHUNK) * sizeof(element));
    if (x == NULL) {
        pool_fail();
        return;
    }
    for (int64_t u = from; u < to; u++) {
        int64_t column = u % chunks * CHUNK, count = smaller(CHUNK, m - column);
        element *side = (element *)a->data[1] + u / chunks * n * m + column;
        int64_t width = load_chunk(x, side, m, NULL, n, count);
        solve_either((const element *)a->data[0] + u / chunks * n * n, n, 1, a->integer[0] != 0, a->integer[1] != 0, x, n, width);
        store_negative(x, side, m, NULL, n, count);
    }
}

static int64_t units_of_chunks(const KernelArgs *a)
{
    return a->size[0] * divide_up(a->size[2], CHUNK);
}

/* ---------------------------------------------------------------------------- LU factors */

/* Where the largest of a column is, from a row on. NaN is larger than any number: it is no reason to call a matrix singular. */
static int64_t largest_of(const element *x, int64_t from, int64_t rows)
{
    const word sign = (word)1 << (8 * sizeof(word) - 1);
    word largest = 0, bits;
    for (int64_t i = from; i < rows; i++) {
        memcpy(&bits, x + i, sizeof bits);
        bits &= ~sign;
        largest = bits > largest ? bits : largest;
    }
    for (int64_t i = from; i < rows; i++) {
        memcpy(&bits, x + i, sizeof bits);
        if ((bits & ~sign) == largest) {
            return i;
        }
    }
    return from;
}

ALWAYS_INLINE void swap_rows(element *restrict x, element *restrict y, int64_t count)
{
    for (int64_t j = 0; j < count; j++) {
        element kept = x[j];
        x[j] = y[j];
        y[j] = kept;
    }
}

/* A few columns of a matrix, from the row of their number on: column by column in `memory`, as they are walked along. */
static void factor_panel(element *A, int64_t n, int64_t first, int64_t width, int32_t *pivots, int32_t *order, element *memory)
{
    int64_t rows = n - first, step = PADDED(rows);
    element *corner = A + first * (n + 1);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < width; j++) {
            memory[j * step + i] = corner[i * n + j];
        }
    }
    for (int64_t k = 0; k < width; k++) {
        element *column = memory + k * step;
        int64_t pivot = largest_of(column, k, rows);
        pivots[first + k] = (int32_t)(first + pivot + 1);
        if (column[pivot] == 0) {
            *order = *order ? *order : (int32_t)(first + k + 1);
            continue;
        }
        if (pivot != k) {
            for (int64_t j = 0; j < width; j++) {
                swap_rows(memory + j * step + k, memory + j * step + pivot, 1);
            }
            swap_rows(A + (first + k) * n, A + (first + pivot) * n, n);
        }
        element divisor = column[k];
        for (int64_t i = k + 1; i < rows; i++) {
            column[i] /= divisor;
        }
        for (int64_t j = k + 1; j < width; j++) {
            subtract(memory + j * step + k + 1, column + k + 1, memory[j * step + k], rows - k - 1);
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < width; j++) {
            corner[i * n + j] = memory[j * step + i];
        }
    }
}

/* Columns of a matrix, with those to the left of them done. */
static void factor_columns(element *A, int64_t n, int64_t first, int64_t width, int32_t *pivots, int32_t *order, element *memory)
{
    if (width <= BASE) {
        factor_panel(A, n, first, width, pivots, order, memory);
        return;
    }
    int64_t half = divide_up(width / 2, BASE) * BASE, middle = first + half;
    factor_columns(A, n, first, half, pivots, order, memory);
    Triangle t = {A + first * (n + 1), n, 1, 1};
    for (int64_t j = middle; j < first + width; j += CHUNK) {
        int64_t count = smaller(CHUNK, first + width - j);
        element *side = A + first * n + j;
        solve_chunk(t, memory, CHUNK, half, load_chunk(memory, side, n, NULL, half, count));
        store_negative(memory, side, n, NULL, half, count);
        add_product(n - middle, count, half, A + middle * n + first, n, 1, memory, CHUNK, side + half * n, n);
    }
    factor_columns(A, n, middle, width - half, pivots, order, memory);
}

/* data = matrices that become their factors, pivots (int32), orders (int32); size = {matrices, rows}. The factors lie in one
 * matrix, L without its diagonal of ones; pivot k, counted from 1, is the row that was swapped with row k. The order is 0, or
 * that of the first 0 on U's diagonal. */
static void eliminate(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t n = a->size[1];
    element *memory = pool_scratch((size_t)(PADDED(n) * CHUNK) * sizeof(element));
    if (memory == NULL) {
        pool_fail();
        return;
    }
    for (int64_t u = from; u < to; u++) {
        int32_t *order = (int32_t *)a->data[2] + u;
        *order = 0;
        factor_columns((element *)a->data[0] + u * n * n, n, 0, n, (int32_t *)a->data[1] + u * n, order, memory);
    }
}

/* Where each row of a matrix stood before its pivots swapped them; 0 if one of them names no row. */
static int order_of_rows(const int32_t *pivots, int64_t n, int32_t *row)
{
    for (int64_t i = 0; i < n; i++) {
        row[i] = (int32_t)i;
    }
    for (int64_t i = 0; i < n; i++) {
        int32_t pivot = pivots[i], kept = row[i];
        if (pivot < 1 || pivot > n) {
            return 0;
        }
        row[i] = row[pivot - 1];
        row[pivot - 1] = kept;
    }
    return 1;
}

/* data = factors, pivots and orders as `eliminate` gives them, right sides that become the solutions; size = {matrices, rows,
 * right sides}; integer = whether the matrix is transposed. Solutions are NaN where the order is not 0, or
 * a pivot names no row. */
static void substitute(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t n = a->size[1], m = a->size[2], chunks = divide_up(m, CHUNK);
    int transposed = a->integer[0] != 0;
    element *x = pool_scratch((size_t)(n * CHUNK) * sizeof(element) + (size_t)n * sizeof(int32_t));
    if (x == NULL) {
        pool_fail();
        return;
    }
    int32_t *row = (int32_t *)(x + n * CHUNK);
    for (int64_t u = from; u < to; u++) {
        int64_t matrix = u / chunks, column = u % chunks * CHUNK, count = smaller(CHUNK, m - column);
        const element *A = (const element *)a->data[0] + matrix * n * n;
        const int32_t *pivots = (const int32_t *)a->data[1] + matrix * n;
        element *side = (element *)a->data[3] + matrix * n * m + column;
        if (((const int32_t *)a->data[2])[matrix] || !order_of_rows(pivots, n, row)) {
            fill_nan(side, n, count, m);
            continue;
        }
        int64_t width = load_chunk(x, side, m, transposed ? NULL : row, n, count);
        for (int second = 0; second < 2; second++) {    /* each gives the negative */
            int unit = second == transposed;
            solve_either(A, transposed ? 1 : n, transposed ? n : 1, second, unit, x, n, width);
        }
        for (int64_t i = 0; i < n; i++) {
            element *to = side + (transposed ? row[i] : i) * m;
            for (int64_t j = 0; j < count; j++) {
                to[j] = x[i * CHUNK + j] + 0;
            }
        }
    }
}

/* ---------------------------------------------------------------------------- Cholesky factors */

/* The factor is made as its transpose, whose rows are what is subtracted from those below. */
static int32_t factor_positive(const element *in, element *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            out[j * n + i] = in[i * n + j];
        }
    }
    for (int64_t k = 0; k < n; k++) {
        element *row = out + k * n;
        if (!(row[k] > 0)) {
            fill_nan(out, n, n, n);
            return (int32_t)(k + 1);
        }
        element root = ROOT(row[k]);
        row[k] = root;
        for (int64_t j = k + 1; j < n; j++) {
            row[j] /= root;
        }
        for (int64_t i = k + 1; i < n; i++) {
            subtract(out + i * n + i, row + i, row[i], n - i);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i + 1; j < n; j++) {
            out[j * n + i] = out[i * n + j];
            out[i * n + j] = 0;
        }
    }
    return 0;
}

/* data = matrices, of which the lower triangle is read, factors, orders (int32); size = {matrices, rows}. The order is 0, or that
 * of the first leading minor that is not positive, and then the factor is NaN. */
static void cholesky(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t n = a->size[1];
    for (int64_t u = from; u < to; u++) {
        const element *in = (const element *)a->data[0] + u * n * n;
        ((int32_t *)a->data[2])[u] = factor_positive(in, (element *)a->data[1] + u * n * n, n);
    }
}

#define SYSTEMS(dtype, times)                                                                                          \
    {"cholesky", dtype, cholesky, .cost = 10 * times, .inputs = 1, .outputs = 2, .operands = "input=abb out=abb order=i32:a"}, \
    {"solve_triangular", dtype, solve_triangular, .cost = 1.5f * times, .inputs = 2, .in_place = 1 << 1,               \
     .settings = ": upper unit", .operands = "matrix=abb solution=abc", .units = units_of_chunks},                     \
    {"eliminate", dtype, eliminate, .cost = 100 * times, .inputs = 1, .outputs = 2, .in_place = 1,                     \
     .operands = "matrix=abb pivots=i32:ab order=i32:a"},                                                              \
    {"substitute", dtype, substitute, .cost = 3 * times, .inputs = 4, .in_place = 1 << 3, .settings = ": transposed",  \
     .operands = "factors=abb pivots=i32:ab order=i32:a solution=abc", .units = units_of_chunks},                      \
    {NULL},

#endif
