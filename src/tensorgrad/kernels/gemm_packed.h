/* Products with one matrix B over and over, as along a sequence: B is packed once, and what packs it holds the memory.
 *
 * gemm.c and gemm_f64.c define these for their type, other files declare them. An element's sum goes along k in order from 0,
 * whatever the number of rows, so rows may be cut anywhere.
 */
#ifndef TENSORGRAD_GEMM_PACKED_H
#define TENSORGRAD_GEMM_PACKED_H

#include "level.h"

#if ELEMENT_BYTES == 4
#define GEMM_FACE(name) LEVEL(name##_f32)
#else
#define GEMM_FACE(name) LEVEL(name##_f64)
#endif

/* B as it is read: `step` is from one k to the next, `panel` from one group of columns to the next. */
typedef struct Packed {
    const element *at;
    int64_t columns, depth, step, panel;
} Packed;

/* How many elements the memory for a packed B has. */
int64_t GEMM_FACE(packed_size)(int64_t columns, int64_t depth);

/* Packs a few columns of B, which lie along k `step` apart, as those from `first` on. All must be packed, in order. */
void GEMM_FACE(pack_lines)(Packed *b, element *memory, int64_t first, const element *from, int64_t step, int64_t count);

/* Packs a B whose rows are contiguous, `step` apart; where the tile can read it in place, and it is read only once, it does. */
void GEMM_FACE(pack_matrix)(Packed *b, element *memory, const element *from, int64_t step, int once);

/* The columns of a panel. */
int64_t GEMM_FACE(packed_columns)(void);

/* C = A B, or C += A B. */
void GEMM_FACE(multiply_packed)(const Packed *b, int64_t rows, const element *a, int64_t a_step, element *c, int64_t c_step,
                                int accumulate);

/* The same of a B that is read where it lies, by columns along k (b_row is 1) or by rows (b_column is 1). */
void GEMM_FACE(multiply_unpacked)(int64_t rows, int64_t columns, int64_t depth, const element *a, int64_t a_step,
                                  const element *b, int64_t b_row, int64_t b_column, element *c, int64_t c_step, int accumulate);

#ifdef TENSORGRAD_GEMM_H

int64_t GEMM_FACE(packed_size)(int64_t columns, int64_t depth)
{
    return divide_up(columns, TILE_COLUMNS) * TILE_COLUMNS * depth;
}

int64_t GEMM_FACE(packed_columns)(void)
{
    return TILE_COLUMNS;
}

static void begin_packed(Packed *b, element *memory)
{
    b->at = memory;
    b->step = TILE_COLUMNS;
    b->panel = TILE_COLUMNS * b->depth;
}

/* Columns of the last panel that do not exist are zero. */
static void clear_rest(const Packed *b, element *memory, int64_t packed)
{
    int64_t rest = packed % TILE_COLUMNS;
    if (packed == b->columns && rest) {
        element *panel = memory + packed / TILE_COLUMNS * b->panel;
        for (int64_t k = 0; k < b->depth; k++) {
            memset(panel + k * TILE_COLUMNS + rest, 0, (size_t)(TILE_COLUMNS - rest) * sizeof(element));
        }
    }
}

void GEMM_FACE(pack_lines)(Packed *b, element *memory, int64_t first, const element *from, int64_t step, int64_t count)
{
    begin_packed(b, memory);
    int64_t end = first + count;
    for (int64_t j = first; j < end;) {
        int64_t lane = j % TILE_COLUMNS;
        element *to = memory + j / TILE_COLUMNS * b->panel + lane;
        const element *line = from + (j - first) * step;
        int64_t wide = 1, k = 0;
#if VECTOR_TYPES
        int64_t room = smaller(end - j, TILE_COLUMNS - lane);
        if (room >= LANES) {
            wide = LANES;
            k = pack_full_columns(line, step, b->depth, to);
        } else if (room >= PART) {
            wide = PART;
            k = pack_part_columns(line, step, b->depth, to);
        }
#endif
        for (; k < b->depth; k++) {
            for (int64_t q = 0; q < wide; q++) {
                to[k * TILE_COLUMNS + q] = line[q * step + k];
            }
        }
        j += wide;
    }
    clear_rest(b, memory, end);
}

void GEMM_FACE(pack_matrix)(Packed *b, element *memory, const element *from, int64_t step, int once)
{
#if VECTOR_TYPES && MASKED
    if (once) {
        b->at = from;
        b->step = step;
        b->panel = TILE_COLUMNS;
        return;
    }
#endif
    (void)once;
    begin_packed(b, memory);
    for (int64_t k = 0; k < b->depth; k++) {
        for (int64_t j = 0; j < b->columns; j += TILE_COLUMNS) {
            int64_t wide = smaller(TILE_COLUMNS, b->columns - j);
            memcpy(memory + j / TILE_COLUMNS * b->panel + k * TILE_COLUMNS, from + k * step + j, (size_t)wide * sizeof(element));
        }
    }
    clear_rest(b, memory, b->columns);
}

#if VECTOR_TYPES
#define FEW_PANELS 4

/* One to three rows, a few panels side by side: a tile of so few rows would wait for its own sums. All columns exist. */
ALWAYS_INLINE void run_few(const Packed *p, const element *b, const element *a, int64_t a_step, element *c, int64_t c_step,
                           int accumulate, const int rows, const int panels)
{
    vector sum[3][2 * FEW_PANELS];
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < 2 * panels; j++) {
            sum[i][j] = (vector){0};
        }
    }
    for (int64_t k = 0; k < p->depth; k++) {
        UNROLL for (int j = 0; j < 2 * panels; j++) {
            vector column = load(b + (j / 2) * p->panel + (j % 2) * LANES);
            UNROLL for (int i = 0; i < rows; i++) {
                sum[i][j] += broadcast(a + i * a_step + k) * column;
            }
        }
        b += p->step;
    }
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < 2 * panels; j++) {
            element *to = c + i * c_step + j * LANES;
            store(to, accumulate ? sum[i][j] + load(to) : sum[i][j]);
        }
    }
}

typedef void (*few_fn)(const Packed *p, const element *b, const element *a, int64_t a_step, element *c, int64_t c_step,
                       int accumulate);

#define RUN_FEW(rows, panels)                                                                                          \
    static NEVER_INLINE void few_##rows##_##panels(const Packed *p, const element *b, const element *a, int64_t a_step,\
                                                   element *c, int64_t c_step, int accumulate)                         \
    {                                                                                                                  \
        run_few(p, b, a, a_step, c, c_step, accumulate, rows, panels);                                                 \
    }

RUN_FEW(1, 4) RUN_FEW(1, 2)
#if MASKED
#define FEW_ROWS 3
RUN_FEW(2, 4) RUN_FEW(2, 2) RUN_FEW(3, 4) RUN_FEW(3, 2)
static const few_fn few[FEW_ROWS][2] = {{few_1_4, few_1_2}, {few_2_4, few_2_2}, {few_3_4, few_3_2}};
#else
#define FEW_ROWS 1      /* more do not fit the registers */
static const few_fn few[FEW_ROWS][2] = {{few_1_4, few_1_2}};
#endif

/* A panel, by tiles of nearly equal height. */
static void multiply_panel_packed(const Packed *b, int64_t rows, const element *a, int64_t a_step, element *c, int64_t c_step,
                                  int accumulate, int64_t column)
{
    int64_t columns = smaller(TILE_COLUMNS, b->columns - column);
    Tile tile = {b->depth, a, a_step, 1, b->at + column / TILE_COLUMNS * b->panel, b->step, c + column, c_step, NULL,
                 accumulate ? GEMM_ACCUMULATE : 0, 0};
    int64_t count = divide_up(rows, TILE_ROWS);
    for (int64_t t = 0; t < count; t++) {
        int64_t height = rows / count + (t < rows % count);
        run_columns(tile, height, columns);
        tile.a += height * a_step;
        tile.c += height * c_step;
    }
}

void GEMM_FACE(multiply_packed)(const Packed *b, int64_t rows, const element *a, int64_t a_step, element *c, int64_t c_step,
                                int accumulate)
{
    int64_t column = 0;
    if (rows <= FEW_ROWS) {
        for (int panels = FEW_PANELS; panels > 1; panels /= 2) {
            for (; column + panels * TILE_COLUMNS <= b->columns; column += panels * TILE_COLUMNS) {
                const element *at = b->at + column / TILE_COLUMNS * b->panel;
                few[rows - 1][panels == 2](b, at, a, a_step, c + column, c_step, accumulate);
            }
        }
    }
    for (; column < b->columns; column += TILE_COLUMNS) {
        multiply_panel_packed(b, rows, a, a_step, c, c_step, accumulate, column);
    }
}
#else
void GEMM_FACE(multiply_packed)(const Packed *b, int64_t rows, const element *a, int64_t a_step, element *c, int64_t c_step,
                                int accumulate)
{
    for (int64_t column = 0; column < b->columns; column += TILE_COLUMNS) {
        Product p = {rows, smaller(TILE_COLUMNS, b->columns - column), b->depth, a, a_step, 1,
                     b->at + column / TILE_COLUMNS * b->panel, b->step, 1, c + column, c_step, NULL,
                     accumulate ? GEMM_ACCUMULATE : 0};
        multiply_plain(&p);
    }
}
#endif

void GEMM_FACE(multiply_unpacked)(int64_t rows, int64_t columns, int64_t depth, const element *a, int64_t a_step,
                                  const element *b, int64_t b_row, int64_t b_column, element *c, int64_t c_step, int accumulate)
{
    Product p = {rows, columns, depth, a, a_step, 1, b, b_row, b_column, c, c_step, NULL, accumulate ? GEMM_ACCUMULATE : 0};
#if VECTOR_TYPES
    if (b_row == 1) {
        multiply_dots(&p);
        return;
    }
#endif
    multiply_plain(&p);
}

#endif
#endif
