/* float32 matrix product: C = A B, or C += A B, with a bias along the rows and a relu on the way out.
 *
 * A and B are any two matrices of which one stride is one element, so transposed operands cost no copy. The loops go over
 * blocks that fit the caches, and the tile (gemm_tile.h) does the work. Which operand is packed was found by measuring
 * (README.md): AVX-512 reads B in place until it is large, narrower vectors read it more often and gain from packing early.
 */
#include "entries.h"
#include "pool.h"

typedef struct Product {
    int64_t rows, columns, depth;       /* M, N, K */
    const float *a;
    int64_t a_row, a_column;            /* strides in elements */
    const float *b;
    int64_t b_row, b_column;
    float *c;
    int64_t c_row;
    const float *bias;
    int flags;
} Product;

/* Bias and relu for a result that stands in `c` without them. */
static void finish_plain(const Product *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        float *c = p->c + i * p->c_row;
        if (p->flags & GEMM_BIAS) {
            for (int64_t j = 0; j < p->columns; j++) {
                c[j] += p->bias[j];
            }
        }
        if (p->flags & GEMM_RELU) {
            for (int64_t j = 0; j < p->columns; j++) {
                c[j] = c[j] < 0.0f ? 0.0f : c[j];
            }
        }
    }
}

/* In plain loops: where the compiler has no vector types, when there is no memory to pack, and for depth 0. */
static void multiply_plain(const Product *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        float *c = p->c + i * p->c_row;
        if (!(p->flags & GEMM_ACCUMULATE)) {
            for (int64_t j = 0; j < p->columns; j++) {
                c[j] = 0.0f;
            }
        }
        for (int64_t k = 0; k < p->depth; k++) {
            float element = p->a[i * p->a_row + k * p->a_column];
            const float *b = p->b + k * p->b_row;
            if (p->b_column == 1) {
                for (int64_t j = 0; j < p->columns; j++) {
                    c[j] += element * b[j];
                }
            } else {
                for (int64_t j = 0; j < p->columns; j++) {
                    c[j] += element * b[j * p->b_column];
                }
            }
        }
    }
    finish_plain(p);
}

#if VECTOR_TYPES
#include "gemm_pack.h"

#if MASKED
#define BLOCK_DEPTH 1024
#else
#define BLOCK_DEPTH 256
#endif
#define BLOCK_ROWS (16 * TILE_ROWS)
#define BLOCK_COLUMNS 1024
#define ROW_PADDING 16          /* floats between packed rows of A, which breaks strides that are a power of two */
#define SMALL_DEPTH 16          /* up to here a transposed B of one tile is turned on the stack */
#define TURNED_FLOATS 6144      /* a product computed transposed must fit here */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Splits `total` into as few parts as `limit` allows and gives the size of equal parts, a multiple of `unit`. */
static int64_t balanced(int64_t total, int64_t limit, int64_t unit)
{
    int64_t parts = divide_up(total, limit);
    return parts <= 1 ? total : divide_up(divide_up(total, parts), unit) * unit;
}

static void multiply(const Product *p);

#if MASKED
/* A product of one tile, as in tiny networks: nothing is packed, nothing is blocked. */
static int multiply_tiny(const Product *p)
{
    float turned[SMALL_DEPTH * TILE_COLUMNS];
    int transposed = p->a_column != 1;
    int vectors = p->columns > LANES ? 2 : 1;
    int masked = p->columns != vectors * LANES;
    Tile tile = {p->depth, p->a, transposed ? p->a_column : p->a_row, p->b, p->b_row, p->c, p->c_row, p->bias, p->flags,
                 mask_of(p->columns - (vectors - 1) * LANES)};
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
    tiles[p->rows - 1][transposed][vectors - 1][masked](&tile);
    return 1;
}
#endif

/* With few columns most lanes would idle: computes the transpose, whose columns are the rows. 0 if that would not pay. */
static int multiply_turned(const Product *p)
{
    int64_t as_is = divide_up(p->columns, LANES) * p->rows;
    int64_t turned = divide_up(p->rows, LANES) * p->columns;
    int fits = p->rows * p->columns <= TURNED_FLOATS;
    int narrow = p->columns <= 3 * LANES / 2 && p->rows >= LANES && p->depth >= 32;
    if (!fits || !narrow || turned * 5 >= as_is * 4) {
        return 0;
    }
    float c[TURNED_FLOATS];
    Product other = {p->columns, p->rows, p->depth, p->b, p->b_column, p->b_row, p->a, p->a_column, p->a_row,
                     c, p->rows, NULL, 0};
    multiply(&other);
    for (int64_t i = 0; i < p->rows; i++) {
        float *to = p->c + i * p->c_row;
        for (int64_t j = 0; j < p->columns; j++) {
            float value = c[j * p->rows + i];
            to[j] = p->flags & GEMM_ACCUMULATE ? to[j] + value : value;
        }
    }
    finish_plain(p);
    return 1;
}

typedef struct Packing {
    int a, b;               /* whether each operand is packed */
    int64_t depth;          /* of a block */
    float *a_memory, *b_memory;
} Packing;

/* 0 when there is no memory for it. */
static int choose_packing(const Product *p, Packing *packing)
{
    int transposed = p->a_column != 1;
    int64_t a_step = transposed ? p->a_column : p->a_row;
    int64_t b_floats = p->depth * p->columns;
    int64_t a_floats = p->depth * p->rows;
    packing->depth = p->depth > BLOCK_DEPTH + BLOCK_DEPTH / 4 ? balanced(p->depth, BLOCK_DEPTH, 8) : p->depth;
    packing->b = p->b_column != 1;
    packing->a = p->columns > 2 * TILE_COLUMNS;
#if MASKED
    /* B only when large and read often, A only where its rows, a multiple of 4 KiB apart, fall on the same cache sets. */
    int often = p->rows >= 28 * TILE_ROWS || (p->rows >= 12 * TILE_ROWS && p->b_row % 1024 == 0);
    packing->b |= b_floats > 512 * 1024 && often;
    packing->a &= a_step % 1024 == 0 && (transposed ? a_floats >= 512 * 1024 : p->rows > TILE_ROWS && p->depth >= 128);
#else
    packing->b |= p->rows > 2 * TILE_ROWS && b_floats > 32 * 1024;
    packing->a &= transposed ? a_floats > 16 * 1024 : a_step % 256 == 0 && p->rows > TILE_ROWS && p->depth >= 128;
#endif
    int64_t panels = packing->b ? divide_up(smaller(p->columns, BLOCK_COLUMNS), TILE_COLUMNS) : 1;
    size_t for_b = (size_t)(panels * TILE_COLUMNS * packing->depth);
    size_t for_a = packing->a ? (size_t)((BLOCK_ROWS + TILE_ROWS) * (packing->depth + ROW_PADDING)) : 0;
    packing->b_memory = NULL;
    packing->a_memory = NULL;
    if (packing->a || packing->b || !MASKED) {
        packing->b_memory = pool_scratch((for_b + for_a + 64) * sizeof(float));
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

static Rows rows_from(int64_t first, int64_t all)
{
    Rows rows;
    int64_t left = all - first;
    rows.first = first;
    rows.count = smaller(balanced(left, BLOCK_ROWS, TILE_ROWS), left);
    rows.tiles = divide_up(rows.count, TILE_ROWS);
    rows.height = rows.count / rows.tiles;
    rows.taller = rows.count % rows.tiles;
    return rows;
}

static void pack_block_of_a(const Product *p, const Rows *rows, int64_t k, int64_t depth, float *to)
{
    if (p->a_column == 1) {
        for (int64_t i = 0; i < rows->count; i++) {
            const float *from = p->a + (rows->first + i) * p->a_row + k;
            memcpy(to + i * (depth + ROW_PADDING), from, (size_t)depth * sizeof(float));
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
                           int64_t column, const float *b, int64_t b_step, int flags)
{
    int transposed = p->a_column != 1;
    int64_t columns = smaller(TILE_COLUMNS, p->columns - column);
    int vectors = columns > LANES ? 2 : 1;
    int partial = columns != vectors * LANES;
    const float *a = transposed ? p->a + rows->first + k * p->a_column : p->a + rows->first * p->a_row + k;
    Tile tile = {depth, a, transposed ? p->a_column : p->a_row, b, b_step, NULL, p->c_row,
                 p->bias ? p->bias + column : NULL, flags, mask_of(columns - (vectors - 1) * LANES)};
    if (packing->a) {
        a = packing->a_memory;
        tile.a_step = transposed ? TILE_ROWS : depth + ROW_PADDING;
    }
#if !MASKED
    float bias[TILE_COLUMNS] = {0};
    float edge[TILE_ROWS * TILE_COLUMNS];
    if (partial && tile.bias) {
        memcpy(bias, tile.bias, (size_t)columns * sizeof(float));
        tile.bias = bias;
    }
#endif
    int64_t i = 0;
    for (int64_t t = 0; t < rows->tiles; t++) {
        int64_t height = rows->height + (t < rows->taller);
        float *c = p->c + (rows->first + i) * p->c_row + column;
        if (transposed) {
            tile.a = packing->a ? a + t * TILE_ROWS * depth : a + i;
        } else {
            tile.a = a + i * tile.a_step;
        }
        tile.c = c;
#if MASKED
        tiles[height - 1][transposed][vectors - 1][partial](&tile);
#else
        if (partial) {
            /* Whole vectors are written beside C, and what exists of them is copied. */
            if (flags & GEMM_ACCUMULATE) {
                for (int64_t r = 0; r < height; r++) {
                    memcpy(edge + r * TILE_COLUMNS, c + r * p->c_row, (size_t)columns * sizeof(float));
                    memset(edge + r * TILE_COLUMNS + columns, 0, (size_t)(TILE_COLUMNS - columns) * sizeof(float));
                }
            }
            tile.c = edge;
            tile.c_step = TILE_COLUMNS;
            tiles[height - 1][transposed][vectors - 1][0](&tile);
            tile.c_step = p->c_row;
            for (int64_t r = 0; r < height; r++) {
                memcpy(c + r * p->c_row, edge + r * TILE_COLUMNS, (size_t)columns * sizeof(float));
            }
        } else {
            tiles[height - 1][transposed][vectors - 1][0](&tile);
        }
#endif
        i += height;
    }
}

static void multiply_blocks(const Product *p, const Packing *packing)
{
    for (int64_t first = 0; first < p->columns; first += BLOCK_COLUMNS) {
        int64_t columns = smaller(BLOCK_COLUMNS, p->columns - first);
        for (int64_t k = 0; k < p->depth; k += packing->depth) {
            int64_t depth = smaller(packing->depth, p->depth - k);
            int flags = k > 0 ? GEMM_ACCUMULATE : p->flags & GEMM_ACCUMULATE;
            if (k + depth >= p->depth) {
                flags |= p->flags & (GEMM_BIAS | GEMM_RELU);
            }
            for (int64_t row = 0; row < p->rows;) {
                Rows rows = rows_from(row, p->rows);
                if (packing->a) {
                    pack_block_of_a(p, &rows, k, depth, packing->a_memory);
                }
                for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
                    int64_t column = first + j;
                    int64_t wide = smaller(TILE_COLUMNS, columns - j);
                    const float *b = p->b + k * p->b_row + column * p->b_column;
                    int64_t b_step = p->b_row;
                    /* Without masks the last columns must be read as a whole vector: from a padded panel. */
                    int edge = !MASKED && wide % LANES != 0;
                    if (packing->b || edge) {
                        float *panel = packing->b_memory + (packing->b ? j * depth : 0);
                        if (p->b_column != 1) {
                            if (row == 0) {
                                pack_columns(b, p->b_column, depth, wide, panel);
                            }
                        } else if (row == 0 || !packing->b) {
                            pack_rows(b, p->b_row, depth, wide, panel);
                        }
                        b = panel;
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
    if (p->depth == 0) {
        multiply_plain(p);
        return;
    }
#if MASKED
    if (p->rows <= TILE_ROWS && p->columns <= TILE_COLUMNS && multiply_tiny(p)) {
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
#else
#define multiply multiply_plain
#endif

#if VECTOR_TYPES
#define UNIT_ROWS TILE_ROWS
#define UNIT_COLUMNS TILE_COLUMNS
#else
#define UNIT_ROWS 8
#define UNIT_COLUMNS 32
#endif

/* How a product is cut: by rows of tiles, or by columns of tiles where rows are few. What is computed transposed stays whole. */
typedef struct Cut {
    int64_t units;      /* of one product */
    int64_t rows, columns;  /* of a unit; 0 where it has all of them */
} Cut;

static Cut cut_of(const KernelArgs *a)
{
    int64_t rows = a->size[0];
    int64_t columns = a->size[1];
    Cut cut = {1, 0, 0};
    if (rows * columns <= 6144 || columns < 32) {
        return cut;
    }
    if (rows >= 4 * UNIT_ROWS || rows >= columns) {
        cut.rows = UNIT_ROWS;
        cut.units = (rows + UNIT_ROWS - 1) / UNIT_ROWS;
    } else {
        cut.columns = UNIT_COLUMNS;
        cut.units = (columns + UNIT_COLUMNS - 1) / UNIT_COLUMNS;
    }
    return cut;
}

static int64_t units_of_product(const KernelArgs *a)
{
    return a->size[3] * cut_of(a).units;
}

/* data = A, B, bias or NULL, C; size = {M, N, K, batch}; of A and B stride = {row, column, batch}, of C {row, -, batch}. */
static void matmul_f32(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t width = sizeof(float);
    Cut cut = cut_of(a);
    if (a->size[0] == 0 || a->size[1] == 0) {
        return;
    }
    while (from < to) {
        int64_t item = from / cut.units;
        int64_t first = from % cut.units;
        int64_t last = to - item * cut.units < cut.units ? to - item * cut.units : cut.units;
        int64_t row = first * cut.rows;
        int64_t column = first * cut.columns;
        Product p = {cut.rows && last < cut.units ? last * cut.rows - row : a->size[0] - row,
                     cut.columns && last < cut.units ? last * cut.columns - column : a->size[1] - column, a->size[2],
                     (const float *)((const char *)a->data[0] + item * a->stride[0][2] + row * a->stride[0][0]),
                     a->stride[0][0] / width, a->stride[0][1] / width,
                     (const float *)((const char *)a->data[1] + item * a->stride[1][2] + column * a->stride[1][1]),
                     a->stride[1][0] / width, a->stride[1][1] / width,
                     (float *)((char *)a->data[3] + item * a->stride[3][2] + row * a->stride[3][0]) + column,
                     a->stride[3][0] / width, a->flags & GEMM_BIAS ? (const float *)a->data[2] + column : NULL, a->flags};
        /* The stride along an extent of one says nothing; as unit it chooses the layout that needs no packing. */
        if (p.depth == 1) {
            p.a_column = 1;
        }
        if (p.columns == 1) {
            p.b_column = 1;
        }
        multiply(&p);
        from = item * cut.units + last;
    }
}

const Kernel LEVEL(gemm_entries)[] = {
    {"matmul", DT_F32, matmul_f32, .cost = 0.02f, .inputs = 3, .outputs = 1, .coarse = 1, .units = units_of_product},
    {NULL},
};
