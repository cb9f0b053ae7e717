/* Reading and writing the last few elements of a row as one whole block, which vectorised code can then work on. */
#ifndef TENSORGRAD_PART_H
#define TENSORGRAD_PART_H

#include "level.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define PART 16     /* elements of a block: one AVX-512 register of float32 */

/* Reads `count` < PART elements into a whole block, the rest of it `fill`. */
ALWAYS_INLINE void load_part_f32(float *whole, const float *from, int64_t count, float fill)
{
#if defined(__AVX512F__)
    _mm512_storeu_ps(whole, _mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << count) - 1), from));
#else
    int64_t i = 0;
    for (; i < count; i++) {
        whole[i] = from[i];
    }
    for (; i < PART; i++) {
        whole[i] = fill;
    }
#endif
}

ALWAYS_INLINE void store_part_f32(float *to, const float *whole, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), _mm512_loadu_ps(whole));
#else
    for (int64_t i = 0; i < count; i++) {
        to[i] = whole[i];
    }
#endif
}

ALWAYS_INLINE void load_part_f64(double *whole, const double *from, int64_t count, double fill)
{
    int64_t i = 0;
    for (; i < count; i++) {
        whole[i] = from[i];
    }
    for (; i < PART; i++) {
        whole[i] = fill;
    }
}

ALWAYS_INLINE void store_part_f64(double *to, const double *whole, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        to[i] = whole[i];
    }
}

#endif
