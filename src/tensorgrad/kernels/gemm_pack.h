/* Packing for the matrix product: panels of B and blocks of A, copied to where the tile reads them in a row. */
#ifndef TENSORGRAD_GEMM_PACK_H
#define TENSORGRAD_GEMM_PACK_H

#include <string.h>

#include "gemm_tile.h"

/* A panel is [depth][TILE_COLUMNS]; columns that do not exist are zero. `b` has unit column stride. */
static void pack_rows(const float *b, int64_t step, int64_t depth, int64_t columns, float *panel)
{
    for (int64_t k = 0; k < depth; k++) {
        if (columns == TILE_COLUMNS) {
            store(panel, load(b));
            store(panel + LANES, load(b + LANES));
        } else {
            memcpy(panel, b, (size_t)columns * sizeof(float));
            memset(panel + columns, 0, (size_t)(TILE_COLUMNS - columns) * sizeof(float));
        }
        b += step;
        panel += TILE_COLUMNS;
    }
}

#if defined(__SSE2__)
/* Four floats of each of LANES / 4 columns, four columns apart: one per 128-bit part of the register. */
ALWAYS_INLINE vector load_quads(const float *w, int64_t step)
{
#if defined(__AVX512F__)
    __m512 quads = _mm512_castps128_ps512(_mm_loadu_ps(w));
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(w + 4 * step), 1);
    quads = _mm512_insertf32x4(quads, _mm_loadu_ps(w + 8 * step), 2);
    return (vector)_mm512_insertf32x4(quads, _mm_loadu_ps(w + 12 * step), 3);
#elif defined(__AVX2__)
    return (vector)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(w)), _mm_loadu_ps(w + 4 * step), 1);
#else
    (void)step;
    return load(w);
#endif
}

#if defined(__AVX512F__)
#define QUAD(name) _mm512_##name
typedef __m512 quad_register;
#elif defined(__AVX2__)
#define QUAD(name) _mm256_##name
typedef __m256 quad_register;
#else
#define QUAD(name) _mm_##name
typedef __m128 quad_register;
#endif

/* Transposes the 4 x 4 block inside each 128-bit part. */
ALWAYS_INLINE void transpose_quads(vector *rows)
{
    quad_register low01 = QUAD(unpacklo_ps)((quad_register)rows[0], (quad_register)rows[1]);
    quad_register high01 = QUAD(unpackhi_ps)((quad_register)rows[0], (quad_register)rows[1]);
    quad_register low23 = QUAD(unpacklo_ps)((quad_register)rows[2], (quad_register)rows[3]);
    quad_register high23 = QUAD(unpackhi_ps)((quad_register)rows[2], (quad_register)rows[3]);
    rows[0] = (vector)QUAD(shuffle_ps)(low01, low23, 0x44);
    rows[1] = (vector)QUAD(shuffle_ps)(low01, low23, 0xee);
    rows[2] = (vector)QUAD(shuffle_ps)(high01, high23, 0x44);
    rows[3] = (vector)QUAD(shuffle_ps)(high01, high23, 0xee);
}

/* LANES columns at once. Gives how many of `depth` are done. */
static int64_t pack_full_columns(const float *w, int64_t step, int64_t depth, float *panel)
{
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
        vector rows[4];
        UNROLL for (int q = 0; q < 4; q++) {
            rows[q] = load_quads(w + q * step + k, step);
        }
        transpose_quads(rows);
        UNROLL for (int q = 0; q < 4; q++) {
            store(panel + (k + q) * TILE_COLUMNS, rows[q]);
        }
    }
    return k;
}

static int64_t pack_four_columns(const float *w, int64_t step, int64_t depth, float *panel)
{
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
        __m128 row0 = _mm_loadu_ps(w + k);
        __m128 row1 = _mm_loadu_ps(w + step + k);
        __m128 row2 = _mm_loadu_ps(w + 2 * step + k);
        __m128 row3 = _mm_loadu_ps(w + 3 * step + k);
        _MM_TRANSPOSE4_PS(row0, row1, row2, row3);
        _mm_storeu_ps(panel + k * TILE_COLUMNS, row0);
        _mm_storeu_ps(panel + (k + 1) * TILE_COLUMNS, row1);
        _mm_storeu_ps(panel + (k + 2) * TILE_COLUMNS, row2);
        _mm_storeu_ps(panel + (k + 3) * TILE_COLUMNS, row3);
    }
    return k;
}
#else
static int64_t pack_full_columns(const float *w, int64_t step, int64_t depth, float *panel)
{
    (void)w, (void)step, (void)depth, (void)panel;
    return 0;
}
#define pack_four_columns pack_full_columns
#endif

/* As pack_rows, for B given transposed: element (k, j) is w[j * step + k]. */
static void pack_columns(const float *w, int64_t step, int64_t depth, int64_t columns, float *panel)
{
    int64_t j = 0;
    while (j < columns) {
        int64_t wide = columns - j >= LANES ? LANES : columns - j >= 4 ? 4 : 1;
        const float *from = w + j * step;
        float *to = panel + j;
        int64_t k = 0;
        if (wide == LANES) {
            k = pack_full_columns(from, step, depth, to);
        } else if (wide == 4) {
            k = pack_four_columns(from, step, depth, to);
        }
        for (; k < depth; k++) {
            for (int64_t q = 0; q < wide; q++) {
                to[k * TILE_COLUMNS + q] = from[q * step + k];
            }
        }
        j += wide;
    }
    if (!MASKED) {
        /* Whole vectors are read where there are no masks. */
        for (int64_t k = 0; k < depth; k++) {
            for (int64_t q = columns; q % LANES; q++) {
                panel[k * TILE_COLUMNS + q] = 0.0f;
            }
        }
    }
}

/* Rows of a transposed A (unit row stride), laid out [depth][TILE_ROWS]. */
static void pack_tile_rows(const float *a, int64_t step, int64_t depth, int64_t rows, float *to)
{
#if MASKED
    lane_mask mask = mask_of(rows);
    for (int64_t k = 0; k < depth; k++) {
        store_lanes(to, load_lanes(a, mask), mask);
        a += step;
        to += TILE_ROWS;
    }
#else
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t i = 0; i < rows; i++) {
            to[i] = a[i];
        }
        a += step;
        to += TILE_ROWS;
    }
#endif
}

#endif
