/* The tile of the matrix product: a few rows times two vectors of C, held in registers while k runs. ELEMENT_BYTES, which
 * gemm.c and gemm_f64.c set, says of which type.
 *
 * Every number of rows up to TILE_ROWS, one vector or two, a full or a masked last vector, and both layouts of A make
 * a function of its own, so that all loops over the tile unroll and the sums stay in registers. `tiles` finds them.
 */
#ifndef TENSORGRAD_GEMM_TILE_H
#define TENSORGRAD_GEMM_TILE_H

#include "level.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define LANES (VECTOR_BYTES / ELEMENT_BYTES)
#define TILE_VECTORS 2
#define TILE_COLUMNS (TILE_VECTORS * LANES)

#if ELEMENT_BYTES == 4
#define TYPED(name) name##_ps
#else
#define TYPED(name) name##_pd
#endif

#if defined(__AVX512F__)
#define MASKED 1        /* the last vector of a row can be read and written in part */
#define TILE_ROWS 14    /* 28 of 32 registers accumulate */
typedef __mmask16 lane_mask;
#else
#define MASKED 0
#define TILE_ROWS 6     /* 12 of 16 registers accumulate */
typedef unsigned lane_mask;
#endif

typedef element vector __attribute__((vector_size(VECTOR_BYTES)));
typedef element loose_vector __attribute__((vector_size(VECTOR_BYTES), aligned(ELEMENT_BYTES), may_alias));

#define UNROLL _Pragma("GCC unroll 16")

ALWAYS_INLINE vector load(const element *p)
{
    return *(const loose_vector *)p;
}

ALWAYS_INLINE void store(element *p, vector v)
{
    *(loose_vector *)p = v;
}

/* The difference, not a sum: -0 must stay what it is. */
ALWAYS_INLINE vector broadcast(const element *p)
{
    return *p - (vector){0};
}

/* NaN passes through. */
ALWAYS_INLINE vector relu_vector(vector v)
{
    return (vector)((__typeof__(v < (vector){0}))v & ~(v < (vector){0}));
}

ALWAYS_INLINE lane_mask mask_of(int64_t lanes)
{
    return (lane_mask)((1u << lanes) - 1);
}

ALWAYS_INLINE vector load_lanes(const element *p, lane_mask mask)
{
#if MASKED
    return (vector)TYPED(_mm512_maskz_loadu)(mask, p);
#else
    (void)mask;
    return load(p);
#endif
}

ALWAYS_INLINE void store_lanes(element *p, vector v, lane_mask mask)
{
#if MASKED
    TYPED(_mm512_mask_storeu)(p, mask, v);
#else
    (void)mask;
    store(p, v);
#endif
}

/* One call of a tile: C[rows, columns] (+)= A[rows, depth] B[depth, columns]. */
typedef struct Tile {
    int64_t depth;
    const element *a;
    int64_t a_step;         /* from one row to the next, or from one k to the next when A is transposed */
    const element *b;
    int64_t b_step;         /* from one k to the next */
    element *c;
    int64_t c_step;
    const element *bias;
    int flags;
    lane_mask mask;         /* lanes of the last vector that exist */
} Tile;

typedef void (*tile_fn)(const Tile *);

ALWAYS_INLINE vector load_column(const element *p, int j, int vectors, int masked, lane_mask mask)
{
    return masked && j == vectors - 1 ? load_lanes(p + j * LANES, mask) : load(p + j * LANES);
}

ALWAYS_INLINE void run_tile(const Tile *t, const int rows, const int vectors, const int a_transposed, const int masked)
{
    vector sum[TILE_ROWS][TILE_VECTORS];
    const int64_t a_step = t->a_step;
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
    /* Row i of A is at third[i / 3] + (i % 3) * a_step: five pointers are all that the registers allow. */
    const element *third[5];
    UNROLL for (int i = 0; i < 5; i++) {
        third[i] = t->a + 3 * i * a_step;
    }
    for (int64_t k = 0; k < t->depth; k++) {
        vector columns[TILE_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) {
            columns[j] = load_column(b, j, vectors, masked, t->mask);
        }
        UNROLL for (int i = 0; i < rows; i++) {
            const element *at = a_transposed ? third[0] + i : third[i / 3] + (i % 3) * a_step;
            vector element = broadcast(at);
            UNROLL for (int j = 0; j < vectors; j++) {
                sum[i][j] += element * columns[j];
            }
        }
        b += b_step;
        if (a_transposed) {
            third[0] += a_step;
        } else {
            UNROLL for (int i = 0; 3 * i < rows; i++) {
                third[i]++;
            }
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

#define TILE(rows, vectors, a_transposed, masked)                                                       \
    static NEVER_INLINE void tile_##rows##_##vectors##_##a_transposed##_##masked(const Tile *t)         \
    {                                                                                                   \
        run_tile(t, rows, vectors, a_transposed, masked);                                               \
    }

#if MASKED
/* A single vector is always run masked: it is as fast, and there are fewer functions. */
#define TILES(m) TILE(m, 1, 0, 1) TILE(m, 2, 0, 0) TILE(m, 2, 0, 1) TILE(m, 1, 1, 1) TILE(m, 2, 1, 0) TILE(m, 2, 1, 1)
#define TILE_LINE(m)                                                                                    \
    {{{tile_##m##_1_0_1, tile_##m##_1_0_1}, {tile_##m##_2_0_0, tile_##m##_2_0_1}},                      \
     {{tile_##m##_1_1_1, tile_##m##_1_1_1}, {tile_##m##_2_1_0, tile_##m##_2_1_1}}}
#else
#define TILES(m) TILE(m, 1, 0, 0) TILE(m, 2, 0, 0) TILE(m, 1, 1, 0) TILE(m, 2, 1, 0)
#define TILE_LINE(m)                                                                                    \
    {{{tile_##m##_1_0_0, tile_##m##_1_0_0}, {tile_##m##_2_0_0, tile_##m##_2_0_0}},                      \
     {{tile_##m##_1_1_0, tile_##m##_1_1_0}, {tile_##m##_2_1_0, tile_##m##_2_1_0}}}
#endif

TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
#if TILE_ROWS > 6
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif

/* By rows - 1, whether A is transposed, vectors - 1, whether the last vector is masked. */
static const tile_fn tiles[TILE_ROWS][2][2][2] = {
    TILE_LINE(1), TILE_LINE(2), TILE_LINE(3), TILE_LINE(4), TILE_LINE(5), TILE_LINE(6),
#if TILE_ROWS > 6
    TILE_LINE(7), TILE_LINE(8), TILE_LINE(9), TILE_LINE(10), TILE_LINE(11), TILE_LINE(12), TILE_LINE(13), TILE_LINE(14),
#endif
};

#endif
