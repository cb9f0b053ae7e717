/* Vectors of one element type, and the tile of the matrix product as other files see it. ELEMENT_BYTES, which the including file
 * sets, says of which type. */
#ifndef TENSORGRAD_GEMM_VECTOR_H
#define TENSORGRAD_GEMM_VECTOR_H

#include <string.h>

#include "level.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if ELEMENT_BYTES == 4
typedef float element;
#define TILES LEVEL(tiles_f32)
#else
typedef double element;
#define TILES LEVEL(tiles_f64)
#endif

ALWAYS_INLINE int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#if VECTOR_TYPES
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

/* Every second element of two vectors that lie side by side. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLED 1
#endif
#endif
#if VECTOR_BYTES == 2 * ELEMENT_BYTES
#define EVERY_SECOND 0, 2
#elif VECTOR_BYTES == 4 * ELEMENT_BYTES
#define EVERY_SECOND 0, 2, 4, 6
#elif VECTOR_BYTES == 8 * ELEMENT_BYTES
#define EVERY_SECOND 0, 2, 4, 6, 8, 10, 12, 14
#else
#define EVERY_SECOND 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#endif

ALWAYS_INLINE vector load_every_second(const element *p)
{
#if SHUFFLED
    return __builtin_shufflevector(load(p), load(p + LANES), EVERY_SECOND);
#else
    vector v;
    for (int l = 0; l < LANES; l++) {
        v[l] = p[2 * l];
    }
    return v;
#endif
}

/* One call of a tile: C[rows, columns] (+)= A[rows, depth] B[depth, columns]. */
typedef struct Tile {
    int64_t depth;
    const element *a;
    int64_t a_row, a_column;        /* from one row to the next, from one k to the next */
    const element *b;
    int64_t b_step;         /* from one k to the next */
    element *c;
    int64_t c_step;
    const element *bias;
    int flags;
    lane_mask mask;         /* lanes of the last vector that exist */
} Tile;

typedef void (*tile_fn)(const Tile *);

/* By rows - 1; one vector, two of which the last may be masked, two whole ones (gemm_tile.h). */
extern const tile_fn TILES[TILE_ROWS][3];

/* A tile of so many rows and columns, whose mask this sets. Where there are no masks and the last vector exists in part, whole
   ones are written beside C, and what exists of them is copied. */
ALWAYS_INLINE void run_columns(Tile tile, int64_t rows, int64_t columns)
{
    int vectors = columns > LANES ? 2 : 1;
    tile_fn run = TILES[rows - 1][columns == 2 * LANES ? 2 : vectors - 1];
    tile.mask = mask_of(columns - (vectors - 1) * LANES);
    if (MASKED || columns == vectors * LANES) {
        run(&tile);
        return;
    }
    element *c = tile.c, edge[TILE_ROWS * TILE_COLUMNS];
    int64_t c_step = tile.c_step;
    for (int64_t r = 0; r < rows && (tile.flags & GEMM_ACCUMULATE); r++) {
        memcpy(edge + r * TILE_COLUMNS, c + r * c_step, (size_t)columns * sizeof(element));
        memset(edge + r * TILE_COLUMNS + columns, 0, (size_t)(TILE_COLUMNS - columns) * sizeof(element));
    }
    tile.c = edge;
    tile.c_step = TILE_COLUMNS;
    run(&tile);
    for (int64_t r = 0; r < rows; r++) {
        memcpy(c + r * c_step, edge + r * TILE_COLUMNS, (size_t)columns * sizeof(element));
    }
}
#else
#define LANES 8
#define TILE_ROWS 8
#define TILE_COLUMNS 8
#endif

#endif
