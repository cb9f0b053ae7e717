/* The matrix product of one element type: C = A B, or C += A B, with a bias along the rows and a relu on the way out.
 * gemm.c and gemm_f64.c include this, each with the size of its type in ELEMENT_BYTES.
 *
 * A and B are any two matrices of which one stride is one element, so transposed operands cost no copy. gemm_blocks.h
 * computes most of them, gemm_thin.h those where reading the operands is the work.
 */
#ifndef TENSORGRAD_GEMM_H
#define TENSORGRAD_GEMM_H

#include <string.h>

#include "entries.h"
#include "gemm_vector.h"

typedef struct Product {
    int64_t rows, columns, depth;       /* M, N, K */
    const element *a;
    int64_t a_row, a_column;            /* strides in elements */
    const element *b;
    int64_t b_row, b_column;
    element *c;
    int64_t c_row;
    const element *bias;
    int flags;
} Product;

/* Bias and relu for a result that stands in `c` without them. */
static void finish_plain(const Product *p)
{
    if (!(p->flags & (GEMM_BIAS | GEMM_RELU))) {
        return;
    }
    for (int64_t i = 0; i < p->rows; i++) {
        element *c = p->c + i * p->c_row;
        if (p->flags & GEMM_BIAS) {
            for (int64_t j = 0; j < p->columns; j++) {
                c[j] += p->bias[j];
            }
        }
        if (p->flags & GEMM_RELU) {
            for (int64_t j = 0; j < p->columns; j++) {
                c[j] = c[j] < 0 ? 0 : c[j];
            }
        }
    }
}

/* In plain loops: where the compiler has no vector types, when there is no memory to pack, and for depth 0. */
static void multiply_plain(const Product *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        element *c = p->c + i * p->c_row;
        if (!(p->flags & GEMM_ACCUMULATE)) {
            for (int64_t j = 0; j < p->columns; j++) {
                c[j] = 0;
            }
        }
        for (int64_t k = 0; k < p->depth; k++) {
            element factor = p->a[i * p->a_row + k * p->a_column];
            const element *b = p->b + k * p->b_row;
            if (p->b_column == 1) {
                for (int64_t j = 0; j < p->columns; j++) {
                    c[j] += factor * b[j];
                }
            } else {
                for (int64_t j = 0; j < p->columns; j++) {
                    c[j] += factor * b[j * p->b_column];
                }
            }
        }
    }
    finish_plain(p);
}

#if VECTOR_TYPES
#include "gemm_blocks.h"
#else
#define multiply multiply_plain
#endif
#include "gemm_thin.h"

/* Element by element: what is so little that packing and choosing would take longer, and that the row by row of multiply_plain
   takes a fifth longer for as well (README). Sums go along k as in gemm_blocks.h. */
static void multiply_one_by_one(const Product *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        const element *row = p->a + i * p->a_row;
        element *c = p->c + i * p->c_row;
        for (int64_t j = 0; j < p->columns; j++) {
            const element *a = row;
            const element *b = p->b + j * p->b_column;
            element sum = p->flags & GEMM_ACCUMULATE ? c[j] : 0;
            for (int64_t k = 0; k < p->depth; k++) {
                sum += *a * *b;
                a += p->a_column;
                b += p->b_row;
            }
            sum += p->flags & GEMM_BIAS ? p->bias[j] : 0;
            c[j] = p->flags & GEMM_RELU && sum < 0 ? 0 : sum;
        }
    }
}

typedef void (*multiply_fn)(const Product *);

/* Chosen by the whole product, before it is cut into units: these differ in the order of their sums. */
static multiply_fn choose(const Product *p)
{
    if (p->depth == 0) {
        return multiply_plain;
    }
    if (p->depth == 1) {
        return multiply_outer;
    }
#if VECTOR_TYPES
    int64_t thin = smaller(p->rows, p->columns);
    int along = p->a_column == 1 && p->b_row == 1;
    if (along && (thin == 1 || (thin <= DOT_SIDE && p->depth * ELEMENT_BYTES >= DOT_BYTES * thin))) {
        return multiply_dots;
    }
#endif
    if ((p->rows == 1 && p->b_column == 1) || (p->columns == 1 && p->a_row == 1 && p->c_row == 1)) {
        return multiply_rows;
    }
    return multiply;
}

/* How the product of two matrices is cut into units, each big enough to pay for packing its operands again: along the longer
   side of C, for then it is the smaller operand that every unit packs. */
typedef struct Cut {
    int along_columns;
    int64_t size;           /* rows or columns of a unit */
    int64_t units;
} Cut;

#define FEW 128             /* multiplications */
#define UNIT_WORK 32768
#define UNITS 64            /* of a product are enough, in all its batch */

static Cut cut_of(const Product *p, int64_t batch)
{
    Cut cut = {p->columns > p->rows, 0, 1};
    int64_t extent = cut.along_columns ? p->columns : p->rows;
    double units = (double)p->rows * (double)p->columns * (double)p->depth / UNIT_WORK;
    cut.size = extent;
    if (units >= 2 && batch < UNITS) {
        int64_t tile = cut.along_columns ? TILE_COLUMNS : TILE_ROWS;
        int64_t most = divide_up(UNITS, batch);
        cut.size = divide_up(divide_up(extent, units < (double)most ? (int64_t)units : most), tile) * tile;
        cut.units = divide_up(extent, cut.size);
    }
    return cut;
}

/* The part of one item of the batch that begins with unit `first` and has `count` of them. */
static void multiply_units(Product p, const Cut *cut, int64_t first, int64_t count, multiply_fn way)
{
    int64_t from = first * cut->size;
    int64_t extent = smaller(count * cut->size, (cut->along_columns ? p.columns : p.rows) - from);
    if (cut->along_columns) {
        p.columns = extent;
        p.b += from * p.b_column;
        p.c += from;
        p.bias = p.bias ? p.bias + from : NULL;
    } else {
        p.rows = extent;
        p.a += from * p.a_row;
        p.c += from * p.c_row;
    }
    way(&p);
}

/* The first item of the batch. data = A, B, bias or NULL, C; size = {M, N, K, batch ...}; of A and B
   stride = {row, column, batch ...}, of C {row, -, batch ...}. */
static Product product_of(const KernelArgs *a)
{
    Product p = {a->size[0], a->size[1], a->size[2],
                 a->data[0], a->stride[0][0] / ELEMENT_BYTES, a->stride[0][1] / ELEMENT_BYTES,
                 a->data[1], a->stride[1][0] / ELEMENT_BYTES, a->stride[1][1] / ELEMENT_BYTES,
                 a->data[3], a->stride[3][0] / ELEMENT_BYTES,
                 a->flags & GEMM_BIAS ? a->data[2] : NULL, a->flags};
    /* The stride along an extent of one says nothing; as unit it chooses the layout that needs no packing. */
    if (p.depth == 1) {
        p.a_column = 1;
    }
    if (p.columns == 1) {
        p.b_column = 1;
        p.c_row = p.rows == 1 ? 1 : p.c_row;
    }
    return p;
}

static int64_t batch_of(const KernelArgs *a)
{
    int64_t batch = 1;
    for (int d = 3; d < a->ndim; d++) {
        batch *= a->size[d];
    }
    return batch;
}

/* From the first item of the batch to another, in bytes. */
static int64_t item_offset(const KernelArgs *a, int operand, int64_t item)
{
    int64_t offset = 0;
    for (int d = a->ndim - 1; d >= 3; d--) {
        offset += item % a->size[d] * a->stride[operand][d - 1];
        item /= a->size[d];
    }
    return offset;
}

/* The multiplications of a product that is no batch, of which all but large ones are one unit; -1 of a batch. */
static int64_t work_of(const KernelArgs *a)
{
    return a->ndim == 4 && a->size[3] == 1 ? a->size[0] * a->size[1] * a->size[2] : -1;
}

static int64_t matmul_units(const KernelArgs *a)
{
    int64_t work = work_of(a);
    if (work > 0 && work < 2 * UNIT_WORK) {
        return 1;
    }
    Product p = product_of(a);
    int64_t batch = batch_of(a);
    return p.rows && p.columns ? batch * cut_of(&p, batch).units : 0;
}

static void matmul(const KernelArgs *a, int64_t from, int64_t to)
{
    Product whole = product_of(a);
    int64_t work = work_of(a);
    if (work > 0 && work < 2 * UNIT_WORK) {     /* choosing takes as long as a tiny product */
        (work <= FEW ? multiply_one_by_one : choose(&whole))(&whole);
        return;
    }
    if (whole.rows == 0 || whole.columns == 0) {
        return;
    }
    Cut cut = cut_of(&whole, batch_of(a));
    multiply_fn way = choose(&whole);
    while (from < to) {
        int64_t item = from / cut.units;
        int64_t first = from % cut.units;
        int64_t count = smaller(cut.units - first, to - from);
        Product p = whole;
        p.a = (const element *)((const char *)p.a + item_offset(a, 0, item));
        p.b = (const element *)((const char *)p.b + item_offset(a, 1, item));
        p.c = (element *)((char *)p.c + item_offset(a, 3, item));
        multiply_units(p, &cut, first, count, way);
        from += count;
    }
}

#endif
