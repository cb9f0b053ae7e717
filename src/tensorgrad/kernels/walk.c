/* The walk over strided operands: see walk.h. */
#include "walk.h"

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

/* Rows shorter than this are gathered several at a time, so that the span still has something to run along. */
#define SHORT_ROW 64

typedef union Buffer {
    double as_double[WALK_CHUNK + WALK_GRANULE];
    char bytes[1];
} Buffer;

/* Reads up to a granule of float32 into a whole granule, the rest zero. */
ALWAYS_INLINE void load_part(float *whole, const float *from, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_storeu_ps(whole, _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from));
#else
    int64_t i = 0;
    for (; i < count; i++) {
        whole[i] = from[i];
    }
    for (; i < WALK_GRANULE; i++) {
        whole[i] = 0.0f;
    }
#endif
}

ALWAYS_INLINE void store_part(float *to, const float *whole, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), _mm512_loadu_ps(whole));
#else
    for (int64_t i = 0; i < count; i++) {
        to[i] = whole[i];
    }
#endif
}

/* The last few elements of a padded span. Only spans over float32 alone are padded. */
static NEVER_INLINE void run_part(const Span *span, void *const *data, int64_t done, int64_t count, const double *scalar)
{
    float whole[WALK_OPERANDS][WALK_GRANULE];
    void *at[WALK_OPERANDS];
    int last = span->operands - 1;
    for (int i = 0; i < last; i++) {
        load_part(whole[i], (const float *)data[i] + done, count);
        at[i] = whole[i];
    }
    at[last] = whole[last];
    span->run(at, WALK_GRANULE, scalar);
    store_part((float *)data[last] + done, whole[last], count);
}

ALWAYS_INLINE void run(const Span *span, void *const *data, int64_t count, const double *scalar)
{
    int64_t part = count & (span->granule - 1);
    int64_t whole = count - part;
    if (whole) {
        span->run(data, whole, scalar);
    }
    if (part) {
        run_part(span, data, whole, part, scalar);
    }
}

#define COPY_STRIDED(T)                                        \
    for (int64_t i = 0; i < count; i++) {                      \
        *(T *)(to + i * to_step) = *(const T *)(from + i * from_step); \
    }

/* Copies elements of 1, 2, 4 or 8 bytes between any two strides; a step of 0 on the reading side repeats the element. */
static void copy_strided(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, int width)
{
    if (from_step == width && to_step == width) {
        memcpy(to, from, (size_t)(count * width));
    } else if (width == 4) {
        COPY_STRIDED(uint32_t)
    } else if (width == 8) {
        COPY_STRIDED(uint64_t)
    } else if (width == 2) {
        COPY_STRIDED(uint16_t)
    } else {
        COPY_STRIDED(uint8_t)
    }
}

/* One row of `count` elements at `data`, operand i in steps of step[i] bytes. */
static void run_row(const Span *span, char *const *data, const int64_t *step, int64_t count, Buffer *buffers, const double *scalar)
{
    int last = span->operands - 1;
    void *at[WALK_OPERANDS];
    for (int64_t done = 0; done < count; done += WALK_CHUNK) {
        int64_t n = count - done < WALK_CHUNK ? count - done : WALK_CHUNK;
        for (int i = 0; i <= last; i++) {
            char *here = data[i] + done * step[i];
            if (step[i] == span->width[i]) {
                at[i] = here;
                continue;
            }
            at[i] = buffers[i].bytes;
            if (i < last && (step[i] != 0 || done == 0)) {
                copy_strided(buffers[i].bytes, span->width[i], here, step[i], n, span->width[i]);
            }
        }
        run(span, at, n, scalar);
        if (at[last] == buffers[last].bytes) {
            copy_strided(data[last] + done * step[last], step[last], buffers[last].bytes, span->width[last], n, span->width[last]);
        }
    }
}

/* Rows too short to run along: as many as fit are laid end to end in the buffers. */
static void run_short_rows(const Span *span, char *const *data, const int64_t *row_step, const int64_t *step, int64_t rows,
                           int64_t count, Buffer *buffers, const double *scalar)
{
    int last = span->operands - 1;
    int64_t together = WALK_CHUNK / count;
    void *at[WALK_OPERANDS];
    for (int64_t done = 0; done < rows; done += together) {
        int64_t m = rows - done < together ? rows - done : together;
        for (int i = 0; i <= last; i++) {
            char *here = data[i] + done * row_step[i];
            int width = span->width[i];
            if (step[i] == width && row_step[i] == count * width) {
                at[i] = here;
                continue;
            }
            at[i] = buffers[i].bytes;
            if (i == last || (row_step[i] == 0 && done > 0)) {
                continue;
            }
            for (int64_t r = 0; r < m; r++) {
                copy_strided(buffers[i].bytes + r * count * width, width, here + r * row_step[i], step[i], count, width);
            }
        }
        run(span, at, m * count, scalar);
        if (at[last] == buffers[last].bytes) {
            int width = span->width[last];
            char *here = data[last] + done * row_step[last];
            for (int64_t r = 0; r < m; r++) {
                copy_strided(here + r * row_step[last], step[last], buffers[last].bytes + r * count * width, width, count, width);
            }
        }
    }
}

static NEVER_INLINE void walk_strided(const KernelArgs *a, const Span *span)
{
    Buffer buffers[WALK_OPERANDS];
    int operands = span->operands;
    int inner = a->ndim - 1;
    int middle = a->ndim - 2;
    int64_t count = a->size[inner];
    int64_t rows = middle >= 0 ? a->size[middle] : 1;
    int64_t index[KERNEL_DIMS] = {0};
    int64_t step[WALK_OPERANDS];
    int64_t row_step[WALK_OPERANDS];
    char *data[WALK_OPERANDS];
    for (int d = 0; d < a->ndim; d++) {
        if (a->size[d] == 0) {
            return;
        }
    }
    for (int i = 0; i < operands; i++) {
        data[i] = a->data[i];
        step[i] = a->stride[i][inner];
        row_step[i] = middle >= 0 ? a->stride[i][middle] : 0;
    }
    for (;;) {
        if (count < SHORT_ROW && rows > 1) {
            run_short_rows(span, data, row_step, step, rows, count, buffers, a->scalar);
        } else {
            for (int64_t r = 0; r < rows; r++) {
                run_row(span, data, step, count, buffers, a->scalar);
                for (int i = 0; i < operands; i++) {
                    data[i] += row_step[i];
                }
            }
            for (int i = 0; i < operands; i++) {
                data[i] -= rows * row_step[i];
            }
        }
        int d = middle - 1;
        for (; d >= 0; d--) {
            for (int i = 0; i < operands; i++) {
                data[i] += a->stride[i][d];
            }
            if (++index[d] < a->size[d]) {
                break;
            }
            for (int i = 0; i < operands; i++) {
                data[i] -= a->size[d] * a->stride[i][d];
            }
            index[d] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

void LEVEL(walk)(const KernelArgs *a, const Span *span)
{
    int contiguous = a->ndim == 1;
    for (int i = 0; i < span->operands; i++) {
        contiguous &= a->stride[i][0] == span->width[i];
    }
    if (LIKELY(contiguous)) {
        run(span, a->data, a->size[0], a->scalar);
    } else {
        walk_strided(a, span);
    }
}
