/* The matrix product in blocks that fit the caches, the tile (gemm_tile.h) doing the work. Which operand is packed was found
 * by measuring (README.md): AVX-512 reads B in place until it is large, narrower vectors read it more often and gain from
 * packing early.
 *
 * Every way through here gives an element the same bits: a part of k, which depends on the depth alone, is summed in order
 * from 0 and then added to C. So a product may be cut anywhere along its rows and columns.
 */
#ifndef TENSORGRAD_GEMM_BLOCKS_H
#define TENSORGRAD_GEMM_BLOCKS_H

#include "gemm_pack.h"
#include "gemm_tile.h"
#include "pool.h"

#define BLOCK_DEPTH 256                         /* products, about, that are summed before they are added to C */
#define BLOCK_ROWS (16 * TILE_ROWS)
#define BLOCK_COLUMNS (4096 / ELEMENT_BYTES)
#define SHALLOW (98304 / ELEMENT_BYTES)         /* of so little of B all columns go by for each tile of rows: C is written line by line */
#define ROW_PADDING (64 / ELEMENT_BYTES)        /* between packed rows of A, which breaks strides that are a power of two */
#define SMALL_DEPTH 16                          /* up to here a transposed B of one tile is turned on the stack */
#define TURNED_ELEMENTS (24576 / ELEMENT_BYTES) /* a product computed transposed must fit here */

/* Splits `total` into as few parts as `limit` allows and gives the size of equal parts, a multiple of `unit`. */
static int64_t balanced(int64_t total, int64_t limit, int64_t unit)
{
    int64_t parts = divide_up(total, limit);
    return parts <= 1 ? total : divide_up(divide_up(total, parts), unit) * unit;
}

/* The depth of a block: of the whole product's depth alone, so that sums are cut in the same places whoever computes them. */
static int64_t block_depth(int64_t depth)
{
    return depth > BLOCK_DEPTH + BLOCK_DEPTH / 4 ? balanced(depth, BLOCK_DEPTH, 8) : depth;
}

static void multiply(const Product *p);

#if MASKED
/* A product of one tile, as in tiny networks: nothing is packed, nothing is blocked. */
static int multiply_tiny(const Product *p)
{
    element turned[SMALL_DEPTH * TILE_COLUMNS];
    Tile tile = {p->depth, p->a, p->a_row, p->a_column, p->b, p->b_row, p->c, p->c_row, p->bias, p->flags, 0};
    if (p->b_column != 1) {
        if (p->depth > SMALL_DEPTH) {
            return 0;
        }
        for (int64_t j = 0; j < p->columns; j++) {
            for (int64_t k = 0; k < p->depth; k++) {
                turned[k * TILE_COLUMNS + j] = p->b[j * p->b_column + k * p->b_row];
            }
        }
        tile.b = turned;
        tile.b_step = TILE_COLUMNS;
    }
    run_columns(tile, p->rows, p->columns);
    return 1;
}
#endif

static void copy_turned(element *to, int64_t to_row, int64_t to_column, const element *from, int64_t row, int64_t column,
                        int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            to[i * to_row + j * to_column] = from[i * row + j * column];
        }
    }
}

/* With few columns most lanes would idle: computes the transpose, whose columns are the rows. 0 if that would not pay. */
static int multiply_turned(const Product *p)
{
    int64_t as_is = divide_up(p->columns, LANES) * p->rows;
    int64_t turned = divide_up(p->rows, LANES) * p->columns;
    int fits = p->rows * p->columns <= TURNED_ELEMENTS;
    int narrow = p->columns <= 3 * LANES / 2 && p->rows >= LANES && p->depth >= 32;
    if (!fits || !narrow || turned * 5 >= as_is * 4) {
        return 0;
    }
    element c[TURNED_ELEMENTS];
    Product other = {p->columns, p->rows, p->depth, p->b, p->b_column, p->b_row, p->a, p->a_column, p->a_row,
                     c, p->rows, NULL, p->flags & GEMM_ACCUMULATE};
    if (other.flags) {
        copy_turned(c, 1, p->rows, p->c, p->c_row, 1, p->rows, p->columns);
    }
    multiply(&other);
    copy_turned(p->c, p->c_row, 1, c, 1, p->rows, p->rows, p->columns);
    finish_plain(p);
    return 1;
}

typedef struct Packing {
    int a, b;               /* whether each operand is packed */
    int64_t depth;          /* of a block */
    element *a_memory, *b_memory;
} Packing;

/* 0 when there is no memory for it. */
static int choose_packing(const Product *p, Packing *packing)
{
    int transposed = p->a_column != 1;
    int64_t a_step = (transposed ? p->a_column : p->a_row) * ELEMENT_BYTES;
    int64_t a_bytes = p->depth * p->rows * ELEMENT_BYTES;
    int64_t b_bytes = p->depth * p->columns * ELEMENT_BYTES;
    packing->depth = block_depth(p->depth);
    packing->b = p->b_column != 1;
    packing->a = p->columns > 2 * TILE_COLUMNS;
#if MASKED
    /* B only when large and read often. A where its rows, a multiple of 4 KiB apart, fall on the same cache sets, and where every
       k lies on a page of its own. */
    packing->b |= b_bytes > 128 * 1024 && p->rows >= (b_bytes > 1024 * 1024 ? 8 : 16) * TILE_ROWS;
    packing->a &= transposed ? a_bytes >= 384 * 1024 : a_step % 4096 == 0 && p->rows > TILE_ROWS && p->depth >= 128;
#else
    packing->b |= p->rows > 2 * TILE_ROWS && b_bytes > 128 * 1024;
    packing->a &= transposed ? a_bytes > 64 * 1024 : a_step % 1024 == 0 && p->rows > TILE_ROWS && p->depth >= 128;
#endif
    int64_t panels = packing->b ? divide_up(smaller(p->columns, BLOCK_COLUMNS), TILE_COLUMNS) : 1;
    size_t for_b = (size_t)(panels * TILE_COLUMNS * packing->depth);
    size_t for_a = packing->a ? (size_t)((BLOCK_ROWS + TILE_ROWS) * (packing->depth + ROW_PADDING)) : 0;
    packing->b_memory = NULL;
    packing->a_memory = NULL;
    if (packing->a || packing->b || !MASKED) {
        packing->b_memory = pool_scratch((for_b + for_a + 64) * sizeof(element));
        if (!packing->b_memory) {
            return 0;
        }
        packing->a_memory = packing->b_memory + for_b;
    }
    return 1;
}

/* A block of rows is cut into tiles of nearly equal height: 15 rows are 8 + 7, not 14 + 1. */
typedef struct Rows {
    int64_t first, count;       /* of the block */
    int64_t tiles, height, taller;  /* the first `taller` tiles are one row higher */
} Rows;

static Rows rows_from(int64_t first, int64_t all, int64_t limit)
{
    Rows rows;
    int64_t left = all - first;
    rows.first = first;
    rows.count = smaller(balanced(left, limit, TILE_ROWS), left);
    rows.tiles = divide_up(rows.count, TILE_ROWS);
    rows.height = rows.count / rows.tiles;
    rows.taller = rows.count % rows.tiles;
    return rows;
}

static void pack_block_of_a(const Product *p, const Rows *rows, int64_t k, int64_t depth, element *to)
{
    if (p->a_column == 1) {
        for (int64_t i = 0; i < rows->count; i++) {
            const element *from = p->a + (rows->first + i) * p->a_row + k;
            memcpy(to + i * (depth + ROW_PADDING), from, (size_t)depth * sizeof(element));
        }
        return;
    }
    int64_t i = 0;
    for (int64_t t = 0; t < rows->tiles; t++) {
        int64_t height = rows->height + (t < rows->taller);
        pack_tile_rows(p->a + rows->first + i + k * p->a_column, p->a_column, depth, height, to);
        to += depth * TILE_ROWS;
        i += height;
    }
}

/* All tiles of a block of rows against one panel of columns. */
static void multiply_panel(const Product *p, const Packing *packing, const Rows *rows, int64_t k, int64_t depth,
                           int64_t column, const element *b, int64_t b_step, int flags)
{
    int transposed = p->a_column != 1;
    int64_t columns = smaller(TILE_COLUMNS, p->columns - column);
    const element *a = packing->a ? packing->a_memory : p->a + rows->first * p->a_row + k * p->a_column;
    Tile tile = {depth, a, p->a_row, p->a_column, b, b_step, NULL, p->c_row, p->bias ? p->bias + column : NULL, flags, 0};
    if (packing->a && transposed) {
        tile.a_column = TILE_ROWS;
    } else if (packing->a) {
        tile.a_row = depth + ROW_PADDING;
    }
#if !MASKED
    element bias[TILE_COLUMNS] = {0};
    if (columns < TILE_COLUMNS && tile.bias) {
        memcpy(bias, tile.bias, (size_t)columns * sizeof(element));
        tile.bias = bias;
    }
#endif
    int64_t i = 0;
    for (int64_t t = 0; t < rows->tiles; t++) {
        int64_t height = rows->height + (t < rows->taller);
        tile.a = a + (packing->a && transposed ? t * TILE_ROWS * depth : i * tile.a_row);
        tile.c = p->c + (rows->first + i) * p->c_row + column;
        run_columns(tile, height, columns);
        i += height;
    }
}

#define TOGETHER 8      /* panels of B packed side by side: the rows of a large matrix lie on different pages */

static void pack_panels(const Product *p, int64_t k, int64_t depth, int64_t column, int64_t columns, element *panel)
{
    const element *b = p->b + k * p->b_row + column * p->b_column;
    if (p->b_column != 1) {
        for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
            pack_columns(b + j * p->b_column, p->b_column, depth, smaller(TILE_COLUMNS, columns - j), panel + j * depth);
        }
        return;
    }
    int64_t whole = columns / TILE_COLUMNS * TILE_COLUMNS;
    for (int64_t q = 0; q < depth; q++) {
        element *to = panel + q * TILE_COLUMNS;
        for (int64_t j = 0; j < whole; j += TILE_COLUMNS) {
            pack_row(b + j, TILE_COLUMNS, to + j * depth);
        }
        if (whole < columns) {
            pack_row(b + whole, columns - whole, to + whole * depth);
        }
        b += p->b_row;
    }
}

static void multiply_blocks(const Product *p, const Packing *packing)
{
    for (int64_t first = 0; first < p->columns; first += BLOCK_COLUMNS) {
        int64_t columns = smaller(BLOCK_COLUMNS, p->columns - first);
        for (int64_t k = 0; k < p->depth; k += packing->depth) {
            int64_t depth = smaller(packing->depth, p->depth - k);
            int flags = k > 0 ? GEMM_ACCUMULATE : p->flags & GEMM_ACCUMULATE;
            int64_t limit = depth * columns <= SHALLOW ? TILE_ROWS : BLOCK_ROWS;
            if (k + depth >= p->depth) {
                flags |= p->flags & (GEMM_BIAS | GEMM_RELU);
            }
            for (int64_t row = 0; row < p->rows;) {
                Rows rows = rows_from(row, p->rows, limit);
                if (packing->a) {
                    pack_block_of_a(p, &rows, k, depth, packing->a_memory);
                }
                for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
                    int64_t column = first + j;
                    const element *b = p->b + k * p->b_row + column * p->b_column;
                    int64_t b_step = p->b_row;
                    if (packing->b) {
                        element *panel = packing->b_memory + j * depth;
                        if (row == 0 && j % (TOGETHER * TILE_COLUMNS) == 0) {
                            pack_panels(p, k, depth, column, smaller(TOGETHER * TILE_COLUMNS, columns - j), panel);
                        }
                        b = panel;
                        b_step = TILE_COLUMNS;
                    } else if (!MASKED && columns - j < TILE_COLUMNS && columns % LANES) {
                        /* Without masks the last columns must be read as a whole vector: from a padded panel. */
                        pack_panels(p, k, depth, column, columns - j, packing->b_memory);
                        b = packing->b_memory;
                        b_step = TILE_COLUMNS;
                    }
                    multiply_panel(p, packing, &rows, k, depth, column, b, b_step, flags);
                }
                row += rows.count;
            }
        }
    }
}

static void multiply(const Product *p)
{
    Packing packing;
#if MASKED
    if (p->rows <= TILE_ROWS && p->columns <= TILE_COLUMNS && p->depth == block_depth(p->depth) &&
        multiply_tiny(p)) {
        return;
    }
#endif
    if (multiply_turned(p)) {
        return;
    }
    if (choose_packing(p, &packing)) {
        multiply_blocks(p, &packing);
    } else {
        multiply_plain(p);
    }
}

#endif
