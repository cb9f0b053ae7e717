/* The tile of the matrix product: a few rows times two vectors of C, held in registers while k runs. ELEMENT_BYTES, which
 * gemm.c and gemm_f64.c set, says of which type.
 *
 * Every number of rows up to TILE_ROWS, one vector or two, a masked last vector or a whole one make a function of its own, so
 * that all loops over the tile unroll and the sums stay in registers. `TILES` finds them. Both layouts of A are read by the same
 * code: a function for each takes twice the room and saves a few hundredths of the time.
 */
#ifndef TENSORGRAD_GEMM_TILE_H
#define TENSORGRAD_GEMM_TILE_H

#include "gemm_vector.h"

ALWAYS_INLINE vector load_column(const element *p, int j, int vectors, int masked, lane_mask mask)
{
    return masked && j == vectors - 1 ? load_lanes(p + j * LANES, mask) : load(p + j * LANES);
}

/* Rows of B, which may lie on different pages, are asked for so many steps of k ahead: in the second cache they cost nothing. */
#define STEPS_AHEAD 16

ALWAYS_INLINE void run_tile(const Tile *t, const int rows, const int vectors, const int masked)
{
    vector sum[TILE_ROWS][TILE_VECTORS];
    const int64_t a_row = t->a_row;
    const int64_t a_column = t->a_column;
    const int64_t b_step = t->b_step;
    const int64_t c_step = t->c_step;
    const element *b = t->b;
    element *c = t->c;
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            sum[i][j] = (vector){0};
        }
    }
    if (t->depth >= 64) {
        UNROLL for (int i = 0; i < rows; i++) {
            __builtin_prefetch(c + i * c_step, 1, 3);
            if (vectors * VECTOR_BYTES > 64) {
                __builtin_prefetch(c + i * c_step + vectors * LANES - 1, 1, 3);
            }
        }
    }
    /* Row i of A is at third[i / 3] + (i % 3) * a_row: five pointers are all that the registers allow. */
    const element *third[5];
    UNROLL for (int i = 0; i < 5; i++) {
        third[i] = t->a + 3 * i * a_row;
    }
    for (int64_t k = 0; k < t->depth; k++) {
        vector columns[TILE_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) {
            columns[j] = load_column(b, j, vectors, masked, t->mask);
            if (j * VECTOR_BYTES % 64 == 0) {
                __builtin_prefetch(b + STEPS_AHEAD * b_step + j * LANES, 0, 3);
            }
        }
        UNROLL for (int i = 0; i < rows; i++) {
            vector element = broadcast(third[i / 3] + (i % 3) * a_row);
            UNROLL for (int j = 0; j < vectors; j++) {
                sum[i][j] += element * columns[j];
            }
        }
        b += b_step;
        UNROLL for (int i = 0; 3 * i < rows; i++) {
            third[i] += a_column;
        }
    }
    if (t->flags & GEMM_ACCUMULATE) {
        UNROLL for (int i = 0; i < rows; i++) {
            UNROLL for (int j = 0; j < vectors; j++) {
                sum[i][j] += load_column(c + i * c_step, j, vectors, masked, t->mask);
            }
        }
    }
    if (t->flags & GEMM_BIAS) {
        UNROLL for (int j = 0; j < vectors; j++) {
            vector bias = load_column(t->bias, j, vectors, masked, t->mask);
            UNROLL for (int i = 0; i < rows; i++) {
                sum[i][j] += bias;
            }
        }
    }
    if (t->flags & GEMM_RELU) {
        UNROLL for (int i = 0; i < rows; i++) {
            UNROLL for (int j = 0; j < vectors; j++) {
                sum[i][j] = relu_vector(sum[i][j]);
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            element *to = c + i * c_step + j * LANES;
            if (masked && j == vectors - 1) {
                store_lanes(to, sum[i][j], t->mask);
            } else {
                store(to, sum[i][j]);
            }
        }
    }
}

#define TILE(rows, vectors, masked)                                             \
    static NEVER_INLINE void tile_##rows##_##vectors##_##masked(const Tile *t)  \
    {                                                                           \
        run_tile(t, rows, vectors, masked);                                     \
    }

#if MASKED
/* A single vector is always run masked: it is as fast, and there are fewer functions. */
#define TILES_OF(m) TILE(m, 1, 1) TILE(m, 2, 1) TILE(m, 2, 0)
#define TILE_LINE(m) {tile_##m##_1_1, tile_##m##_2_1, tile_##m##_2_0}
#else
#define TILES_OF(m) TILE(m, 1, 0) TILE(m, 2, 0)
#define TILE_LINE(m) {tile_##m##_1_0, tile_##m##_2_0, tile_##m##_2_0}
#endif

TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)
#if TILE_ROWS > 6
TILES_OF(7) TILES_OF(8) TILES_OF(9) TILES_OF(10) TILES_OF(11) TILES_OF(12) TILES_OF(13) TILES_OF(14)
#endif

const tile_fn TILES[TILE_ROWS][3] = {
    TILE_LINE(1), TILE_LINE(2), TILE_LINE(3), TILE_LINE(4), TILE_LINE(5), TILE_LINE(6),
#if TILE_ROWS > 6
    TILE_LINE(7), TILE_LINE(8), TILE_LINE(9), TILE_LINE(10), TILE_LINE(11), TILE_LINE(12), TILE_LINE(13), TILE_LINE(14),
#endif
};

#endif
