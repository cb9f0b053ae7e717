/* The tile of the matrix product: a few rows times two vectors of C, held in registers while k runs.
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

#define LANES (VECTOR_BYTES / 4)
#define TILE_VECTORS 2
#define TILE_COLUMNS (TILE_VECTORS * LANES)

#if defined(__AVX512F__)
#define MASKED 1        /* the last vector of a row can be read and written in part */
#define TILE_ROWS 14    /* 28 of 32 registers accumulate */
typedef __mmask16 lane_mask;
#else
#define MASKED 0
#define TILE_ROWS 6     /* 12 of 16 registers accumulate */
typedef unsigned lane_mask;
#endif

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
typedef float loose_vector __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));

#define UNROLL _Pragma("GCC unroll 16")

ALWAYS_INLINE vector load(const float *p)
{
    return *(const loose_vector *)p;
}

ALWAYS_INLINE void store(float *p, vector v)
{
    *(loose_vector *)p = v;
}

ALWAYS_INLINE lane_mask mask_of(int64_t lanes)
{
    return (lane_mask)((1u << lanes) - 1);
}

#if defined(__AVX512F__)
ALWAYS_INLINE vector broadcast(const float *p)
{
    return (vector)_mm512_set1_ps(*p);
}

/* The order of the operands matters: NaN passes through. */
ALWAYS_INLINE vector relu_vector(vector v)
{
    return (vector)_mm512_max_ps(_mm512_setzero_ps(), (__m512)v);
}

ALWAYS_INLINE vector load_lanes(const float *p, lane_mask mask)
{
    return (vector)_mm512_maskz_loadu_ps(mask, p);
}

ALWAYS_INLINE void store_lanes(float *p, vector v, lane_mask mask)
{
    _mm512_mask_storeu_ps(p, mask, (__m512)v);
}
#else
ALWAYS_INLINE vector load_lanes(const float *p, lane_mask mask)
{
    (void)mask;
    return load(p);
}

ALWAYS_INLINE void store_lanes(float *p, vector v, lane_mask mask)
{
    (void)mask;
    store(p, v);
}

#if defined(__AVX2__)
ALWAYS_INLINE vector broadcast(const float *p)
{
    return (vector)_mm256_broadcast_ss(p);
}

ALWAYS_INLINE vector relu_vector(vector v)
{
    return (vector)_mm256_max_ps(_mm256_setzero_ps(), (__m256)v);
}
#else
ALWAYS_INLINE vector broadcast(const float *p)
{
    return (vector){*p, *p, *p, *p};
}

ALWAYS_INLINE vector relu_vector(vector v)
{
    for (int i = 0; i < LANES; i++) {
        v[i] = v[i] < 0.0f ? 0.0f : v[i];
    }
    return v;
}
#endif
#endif

/* One call of a tile: C[rows, columns] (+)= A[rows, depth] B[depth, columns]. */
typedef struct Tile {
    int64_t depth;
    const float *a;
    int64_t a_step;         /* from one row to the next, or from one k to the next when A is transposed */
    const float *b;
    int64_t b_step;         /* from one k to the next */
    float *c;
    int64_t c_step;
    const float *bias;
    int flags;
    lane_mask mask;         /* lanes of the last vector that exist */
} Tile;

typedef void (*tile_fn)(const Tile *);

ALWAYS_INLINE vector load_column(const float *p, int j, int vectors, int masked, lane_mask mask)
{
    return masked && j == vectors - 1 ? load_lanes(p + j * LANES, mask) : load(p + j * LANES);
}

ALWAYS_INLINE void run_tile(const Tile *t, const int rows, const int vectors, const int a_transposed, const int masked)
{
    vector sum[TILE_ROWS][TILE_VECTORS];
    const int64_t a_step = t->a_step;
    const int64_t b_step = t->b_step;
    const int64_t c_step = t->c_step;
    const float *b = t->b;
    float *c = t->c;
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            sum[i][j] = (vector){0};
        }
    }
    if (t->depth >= 64) {
        UNROLL for (int i = 0; i < rows; i++) {
            __builtin_prefetch(c + i * c_step, 1, 3);
            if (vectors * LANES > 16) {
                __builtin_prefetch(c + i * c_step + vectors * LANES - 1, 1, 3);
            }
        }
    }
    /* Row i of A is at third[i / 3] + (i % 3) * a_step: five pointers are all that the registers allow. */
    const float *third[5];
    UNROLL for (int i = 0; i < 5; i++) {
        third[i] = t->a + 3 * i * a_step;
    }
    for (int64_t k = 0; k < t->depth; k++) {
        vector columns[TILE_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) {
            columns[j] = load_column(b, j, vectors, masked, t->mask);
        }
        UNROLL for (int i = 0; i < rows; i++) {
            const float *at = a_transposed ? third[0] + i : third[i / 3] + (i % 3) * a_step;
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
            float *to = c + i * c_step + j * LANES;
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
