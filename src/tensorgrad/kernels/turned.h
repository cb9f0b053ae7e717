/* Blocks of a matrix turned in registers: what x86 unpacks, it unpacks within each 128 bits. */
#ifndef TENSORGRAD_TURNED_H
#define TENSORGRAD_TURNED_H

#include <string.h>

#include "level.h"

#if defined(__SSE2__) && VECTOR_TYPES
#include <immintrin.h>

#define TURNS 1
#if defined(__AVX512F__)
#define X86(name) _mm512_##name
typedef __m512 wide_register;
typedef __m512d wide_double;
#elif defined(__AVX2__)
#define X86(name) _mm256_##name
typedef __m256 wide_register;
typedef __m256d wide_double;
#else
#define X86(name) _mm_##name
typedef __m128 wide_register;
typedef __m128d wide_double;
#endif

ALWAYS_INLINE __m128 load_128(const void *from)
{
    return _mm_loadu_ps((const float *)from);
}

/* 128 bits of each of several lines, `apart` bytes from one to the next: one per 128-bit part of the register. */
ALWAYS_INLINE wide_register load_parts(const void *from, int64_t apart)
{
    const char *line = (const char *)from;
#if defined(__AVX512F__)
    __m512 parts = _mm512_castps128_ps512(load_128(line));
    parts = _mm512_insertf32x4(parts, load_128(line + apart), 1);
    parts = _mm512_insertf32x4(parts, load_128(line + 2 * apart), 2);
    return _mm512_insertf32x4(parts, load_128(line + 3 * apart), 3);
#elif defined(__AVX2__)
    return _mm256_insertf128_ps(_mm256_castps128_ps256(load_128(line)), load_128(line + apart), 1);
#else
    (void)apart;
    return load_128(line);
#endif
}

/* Transposes the 4 x 4 block of 4-byte elements inside each 128-bit part. */
ALWAYS_INLINE void turn_parts_of_4(wide_register *rows)
{
    wide_register low01 = X86(unpacklo_ps)(rows[0], rows[1]);
    wide_register high01 = X86(unpackhi_ps)(rows[0], rows[1]);
    wide_register low23 = X86(unpacklo_ps)(rows[2], rows[3]);
    wide_register high23 = X86(unpackhi_ps)(rows[2], rows[3]);
    rows[0] = X86(shuffle_ps)(low01, low23, 0x44);
    rows[1] = X86(shuffle_ps)(low01, low23, 0xee);
    rows[2] = X86(shuffle_ps)(high01, high23, 0x44);
    rows[3] = X86(shuffle_ps)(high01, high23, 0xee);
}

/* The 2 x 2 block of 8-byte elements, likewise. */
ALWAYS_INLINE void turn_parts_of_8(wide_register *rows)
{
    wide_double first = (wide_double)rows[0];
    wide_double second = (wide_double)rows[1];
    rows[0] = (wide_register)X86(unpacklo_pd)(first, second);
    rows[1] = (wide_register)X86(unpackhi_pd)(first, second);
}

/* Whole vectors of a block turned in registers: of so many columns, its first `rows`, as many as 128 bits hold or a multiple. */
ALWAYS_INLINE void turn_whole(char *to, int64_t to_line, const char *from, int64_t from_line, int64_t rows, int64_t columns,
                              int width)
{
    const int lanes = VECTOR_BYTES / width, part = 16 / width;
    for (int64_t c = 0; c < columns; c += lanes) {
        for (int64_t r = 0; r < rows; r += part) {
            wide_register lines[4];
            UNROLL
            for (int q = 0; q < part; q++) {
                lines[q] = load_parts(from + (c + q) * from_line + r * width, part * from_line);
            }
            if (width == 4) {
                turn_parts_of_4(lines);
            } else {
                turn_parts_of_8(lines);
            }
            UNROLL
            for (int q = 0; q < part; q++) {
                memcpy(to + (r + q) * to_line + c * width, &lines[q], VECTOR_BYTES);
            }
        }
    }
}
#else
#define TURNS 0
#endif

#define TURN_REST(T)                                                                    \
    for (int64_t r = 0; r < rows; r++) {                                                \
        ONE_BY_ONE                                                                      \
        for (int64_t c = r < down ? across : 0; c < columns; c++) {                     \
            *(T *)(to + r * to_line + c * width) = *(const T *)(from + c * from_line + r * width); \
        }                                                                               \
    }

/* What is left of a block of which `down` rows of `across` columns are turned. */
SCALAR_LOOPS
MAYBE_UNUSED static void turn_rest(char *to, int64_t to_line, const char *from, int64_t from_line, int64_t rows, int64_t columns,
                                   int64_t down, int64_t across, int width)
{
    if (width == 4) {
        TURN_REST(uint32_t)
    } else {
        TURN_REST(uint64_t)
    }
}

/* Lines into columns, of elements of 4 or 8 bytes: `to` has `rows` lines of `columns`, `from` the other way round. */
MAYBE_UNUSED static void turn_block(void *out, int64_t to_line, const void *in, int64_t from_line, int64_t rows, int64_t columns,
                                    int width)
{
    char *to = out;
    const char *from = in;
    int64_t across = 0, down = 0;
#if TURNS
    across = columns - columns % (VECTOR_BYTES / width);
    down = rows - rows % (16 / width);
    if (width == 4) {
        turn_whole(to, to_line, from, from_line, down, across, 4);
    } else {
        turn_whole(to, to_line, from, from_line, down, across, 8);
    }
#endif
    if (down < rows || across < columns) {
        turn_rest(to, to_line, from, from_line, rows, columns, down, across, width);
    }
}

/* Whether rows are turned, to be worked on as columns: short ones, if they are not a few. The answer is one for all of them,
   whatever thread they fall to. */
#define MOST_TURNED 64
#define LEAST_ROWS 16

ALWAYS_INLINE int are_turned(int64_t rows, int64_t count, int64_t most)
{
    return count <= most && rows >= LEAST_ROWS;
}

#endif
