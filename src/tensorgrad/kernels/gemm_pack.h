/* Packing for the matrix product: panels of B and blocks of A, copied to where the tile reads them in a row. */
#ifndef TENSORGRAD_GEMM_PACK_H
#define TENSORGRAD_GEMM_PACK_H

#include <string.h>

#include "gemm_vector.h"
#include "turned.h"

/* A panel of B is [depth][TILE_COLUMNS]; this is one row of it. Columns that do not exist are zero. */
ALWAYS_INLINE void pack_row(const element *b, int64_t columns, element *panel)
{
    if (columns == TILE_COLUMNS) {
        store(panel, load(b));
        store(panel + LANES, load(b + LANES));
    } else {
        memcpy(panel, b, (size_t)columns * sizeof(element));
        memset(panel + columns, 0, (size_t)(TILE_COLUMNS - columns) * sizeof(element));
    }
}

#if TURNS
#define PART (16 / ELEMENT_BYTES)       /* elements in 128 bits */
#if ELEMENT_BYTES == 4
#define turn_parts turn_parts_of_4
#else
#define turn_parts turn_parts_of_8
#endif

/* LANES columns at once. Gives how many of `depth` are done. */
static inline int64_t pack_full_columns(const element *w, int64_t step, int64_t depth, element *panel)
{
    int64_t k = 0;
    for (; k + PART <= depth; k += PART) {
        wide_register rows[PART];
        UNROLL for (int q = 0; q < PART; q++) {
            rows[q] = load_parts(w + q * step + k, PART * step * ELEMENT_BYTES);
        }
        turn_parts(rows);
        UNROLL for (int q = 0; q < PART; q++) {
            store(panel + (k + q) * TILE_COLUMNS, (vector)rows[q]);
        }
    }
    return k;
}

/* PART columns at once, likewise. */
static inline int64_t pack_part_columns(const element *w, int64_t step, int64_t depth, element *panel)
{
    int64_t k = 0;
    for (; k + PART <= depth; k += PART) {
#if ELEMENT_BYTES == 4
        __m128 row0 = _mm_loadu_ps(w + k);
        __m128 row1 = _mm_loadu_ps(w + step + k);
        __m128 row2 = _mm_loadu_ps(w + 2 * step + k);
        __m128 row3 = _mm_loadu_ps(w + 3 * step + k);
        _MM_TRANSPOSE4_PS(row0, row1, row2, row3);
        _mm_storeu_ps(panel + k * TILE_COLUMNS, row0);
        _mm_storeu_ps(panel + (k + 1) * TILE_COLUMNS, row1);
        _mm_storeu_ps(panel + (k + 2) * TILE_COLUMNS, row2);
        _mm_storeu_ps(panel + (k + 3) * TILE_COLUMNS, row3);
#else
        __m128d row0 = _mm_loadu_pd(w + k);
        __m128d row1 = _mm_loadu_pd(w + step + k);
        _mm_storeu_pd(panel + k * TILE_COLUMNS, _mm_unpacklo_pd(row0, row1));
        _mm_storeu_pd(panel + (k + 1) * TILE_COLUMNS, _mm_unpackhi_pd(row0, row1));
#endif
    }
    return k;
}
#else
#define PART LANES
static inline int64_t pack_full_columns(const element *w, int64_t step, int64_t depth, element *panel)
{
    (void)w, (void)step, (void)depth, (void)panel;
    return 0;
}
#define pack_part_columns pack_full_columns
#endif

/* As pack_rows, for B given transposed: element (k, j) is w[j * step + k]. */
static inline void pack_columns(const element *w, int64_t step, int64_t depth, int64_t columns, element *panel)
{
    int64_t j = 0;
    while (j < columns) {
        int64_t wide = columns - j >= LANES ? LANES : columns - j >= PART ? PART : 1;
        const element *from = w + j * step;
        element *to = panel + j;
        int64_t k = 0;
        if (wide == LANES) {
            k = pack_full_columns(from, step, depth, to);
        } else if (wide == PART) {
            k = pack_part_columns(from, step, depth, to);
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
                panel[k * TILE_COLUMNS + q] = 0;
            }
        }
    }
}

/* Rows of a transposed A (unit row stride), laid out [depth][TILE_ROWS]. */
static inline void pack_tile_rows(const element *a, int64_t step, int64_t depth, int64_t rows, element *to)
{
#if MASKED
    for (int64_t i = 0; i < rows; i += LANES) {
        lane_mask mask = mask_of(smaller(rows - i, LANES));
        for (int64_t k = 0; k < depth; k++) {
            store_lanes(to + k * TILE_ROWS + i, load_lanes(a + k * step + i, mask), mask);
        }
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
