/* Packing for the matrix product: panels of B and blocks of A, copied to where the tile reads them in a row. */
#ifndef TENSORGRAD_GEMM_PACK_H
#define TENSORGRAD_GEMM_PACK_H

#include <string.h>

#include "gemm_vector.h"

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

#if defined(__SSE2__)
#define PART (16 / ELEMENT_BYTES)       /* elements in 128 bits, the width within which x86 unpacks */

ALWAYS_INLINE __m128 load_part(const element *w)
{
    return _mm_loadu_ps((const float *)w);
}

/* PART elements of each of LANES / PART columns, PART columns apart: one per 128-bit part of the register. */
ALWAYS_INLINE vector load_parts(const element *w, int64_t step)
{
#if defined(__AVX512F__)
    __m512 parts = _mm512_castps128_ps512(load_part(w));
    parts = _mm512_insertf32x4(parts, load_part(w + PART * step), 1);
    parts = _mm512_insertf32x4(parts, load_part(w + 2 * PART * step), 2);
    return (vector)_mm512_insertf32x4(parts, load_part(w + 3 * PART * step), 3);
#elif defined(__AVX2__)
    return (vector)_mm256_insertf128_ps(_mm256_castps128_ps256(load_part(w)), load_part(w + PART * step), 1);
#else
    (void)step;
    return load(w);
#endif
}

#if defined(__AVX512F__)
#define WIDE(name) _mm512_##name
typedef __m512 wide_register;
typedef __m512d wide_double;
#elif defined(__AVX2__)
#define WIDE(name) _mm256_##name
typedef __m256 wide_register;
typedef __m256d wide_double;
#else
#define WIDE(name) _mm_##name
typedef __m128 wide_register;
typedef __m128d wide_double;
#endif

/* Transposes the PART x PART block inside each 128-bit part. */
ALWAYS_INLINE void transpose_parts(vector *rows)
{
#if ELEMENT_BYTES == 4
    wide_register low01 = WIDE(unpacklo_ps)((wide_register)rows[0], (wide_register)rows[1]);
    wide_register high01 = WIDE(unpackhi_ps)((wide_register)rows[0], (wide_register)rows[1]);
    wide_register low23 = WIDE(unpacklo_ps)((wide_register)rows[2], (wide_register)rows[3]);
    wide_register high23 = WIDE(unpackhi_ps)((wide_register)rows[2], (wide_register)rows[3]);
    rows[0] = (vector)WIDE(shuffle_ps)(low01, low23, 0x44);
    rows[1] = (vector)WIDE(shuffle_ps)(low01, low23, 0xee);
    rows[2] = (vector)WIDE(shuffle_ps)(high01, high23, 0x44);
    rows[3] = (vector)WIDE(shuffle_ps)(high01, high23, 0xee);
#else
    wide_double first = (wide_double)rows[0];
    wide_double second = (wide_double)rows[1];
    rows[0] = (vector)WIDE(unpacklo_pd)(first, second);
    rows[1] = (vector)WIDE(unpackhi_pd)(first, second);
#endif
}

/* LANES columns at once. Gives how many of `depth` are done. */
static inline int64_t pack_full_columns(const element *w, int64_t step, int64_t depth, element *panel)
{
    int64_t k = 0;
    for (; k + PART <= depth; k += PART) {
        vector rows[PART];
        UNROLL for (int q = 0; q < PART; q++) {
            rows[q] = load_parts(w + q * step + k, step);
        }
        transpose_parts(rows);
        UNROLL for (int q = 0; q < PART; q++) {
            store(panel + (k + q) * TILE_COLUMNS, rows[q]);
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
