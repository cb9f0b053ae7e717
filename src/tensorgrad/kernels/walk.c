/* The walk over strided operands: see walk.h. */
#include "walk.h"

#include <string.h>

#include "part.h"
#include "turned.h"

/* Rows shorter than this are gathered several at a time, so that the span still has something to run along: what lies there
   as it should, or is one row for all, costs nothing so. Rows of a number each are laid out only if they are SHORTEST. */
#define SHORT_ROW 512
#define SHORTEST_ROW 80
#define BLOCK_ROWS 16       /* of a block of a turned plane: a cache line of float32 */

typedef union Buffer {
    double as_double[WALK_CHUNK + WALK_GRANULE];
    char bytes[1];
} Buffer;

/* The last few elements of a padded span. Only spans over one float type alone are padded. */
static NEVER_INLINE void run_part(span_fn formula, const Span *span, void *const *data, int64_t done, int64_t count,
                                  const double *scalar)
{
    double whole[WALK_OPERANDS][WALK_GRANULE];
    void *at[WALK_OPERANDS];
    int last = span->operands - 1;
    int wide = span->width[0] == 8;
    for (int i = 0; i < last; i++) {
        at[i] = whole[i];
        if (wide) {
            load_part_f64(at[i], (const double *)data[i] + done, count, 0.0);
        } else {
            load_part_f32(at[i], (const float *)data[i] + done, count, 0.0f);
        }
    }
    at[last] = whole[last];
    formula(at, span->granule, scalar);
    if (wide) {
        store_part_f64((double *)data[last] + done, at[last], count);
    } else {
        store_part_f32((float *)data[last] + done, at[last], count);
    }
}

ALWAYS_INLINE void run(span_fn formula, const Span *span, void *const *data, int64_t count, const double *scalar)
{
    int64_t part = count & (span->granule - 1);
    int64_t whole = count - part;
    if (whole) {
        formula(data, whole, scalar);
    }
    if (part) {
        run_part(formula, span, data, whole, part, scalar);
    }
}

#define REPEAT(T)                                              \
    T value = *(const T *)from;                                \
    for (int64_t i = 0; i < count; i++) {                      \
        ((T *)to)[i] = value;                                  \
    }

static void repeat(char *to, const char *from, int64_t count, int width)
{
    if (width == 4) {
        REPEAT(uint32_t)
    } else if (width == 8) {
        REPEAT(uint64_t)
    } else if (width == 2) {
        REPEAT(uint16_t)
    } else {
        memset(to, *from, (size_t)count);
    }
}

#define COPY_STRIDED(T)                                        \
    ONE_BY_ONE                                                 \
    for (int64_t i = 0; i < count; i++) {                      \
        *(T *)(to + i * to_step) = *(const T *)(from + i * from_step); \
    }

#define REVERSE(T)                                             \
    for (int64_t i = 0; i < count; i++) {                      \
        ((T *)to)[i] = ((const T *)from)[-i];                  \
    }

static void copy_backwards(char *to, const char *from, int64_t count, int width)
{
    if (width == 4) {
        INDEPENDENT
        REVERSE(uint32_t)
    } else {
        INDEPENDENT
        REVERSE(uint64_t)
    }
}

SCALAR_LOOPS
static void copy_steps(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, int width)
{
    if (width == 4) {
        COPY_STRIDED(uint32_t)
    } else if (width == 8) {
        COPY_STRIDED(uint64_t)
    } else if (width == 2) {
        COPY_STRIDED(uint16_t)
    } else {
        COPY_STRIDED(uint8_t)
    }
}

/* Copies elements of 1, 2, 4 or 8 bytes between any two strides; a step of 0 on the reading side repeats the element. */
static void copy_strided(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, int width)
{
    if (from_step == width && to_step == width) {
        memcpy(to, from, (size_t)(count * width));
    } else if (from_step == 0 && to_step == width) {
        repeat(to, from, count, width);
    } else if (from_step == -width && to_step == width && width >= 4) {
        copy_backwards(to, from, count, width);
    } else {
        copy_steps(to, to_step, from, from_step, count, width);
    }
}

/* The last two dimensions of a walk. */
typedef struct Plane {
    char *data[WALK_OPERANDS];
    int64_t rows, columns;
    int64_t row_step[WALK_OPERANDS];    /* bytes from one row to the next */
    int64_t step[WALK_OPERANDS];        /* bytes from one column to the next */
} Plane;

/* One row. Operands that are not contiguous go through the buffers, in chunks. */
static void run_row(span_fn formula, const Span *span, char *const *data, const int64_t *step, int64_t count, Buffer *buffers,
                    const double *scalar)
{
    int last = span->operands - 1;
    int64_t chunk = count;
    void *at[WALK_OPERANDS];
    for (int i = 0; i <= last; i++) {
        if (step[i] != span->width[i]) {
            chunk = count < WALK_CHUNK ? count : WALK_CHUNK;
        }
    }
    for (int64_t done = 0; done < count; done += chunk) {
        int64_t n = count - done < chunk ? count - done : chunk;
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
        run(formula, span, at, n, scalar);
        if (at[last] == buffers[last].bytes) {
            int width = span->width[last];
            copy_strided(data[last] + done * step[last], step[last], buffers[last].bytes, width, n, width);
        }
    }
}

/* A number for each row, over all of its columns; may write up to a granule more. */
#define SPREAD(T)                                              \
    for (int64_t r = 0; r < rows; r++) {                       \
        T value = *(const T *)(from + r * from_row);           \
        for (int64_t c = 0; c < columns; c += WALK_GRANULE) {  \
            for (int l = 0; l < WALK_GRANULE; l++) {           \
                ((T *)to)[r * columns + c + l] = value;        \
            }                                                  \
        }                                                      \
    }

static void spread(char *to, const char *from, int64_t from_row, int64_t rows, int64_t columns, int width)
{
    if (width == 4) {
        SPREAD(uint32_t)
    } else if (width == 8) {
        SPREAD(uint64_t)
    } else if (width == 2) {
        SPREAD(uint16_t)
    } else {
        SPREAD(uint8_t)
    }
}

/* Lines into columns: `to` has `rows` lines of `columns` elements, `from` the other way round. The lines that the block below
   writes, far apart, are asked for already. */
static void copy_turned(char *to, int64_t to_line, const char *from, int64_t from_line, int64_t rows, int64_t columns, int width)
{
    for (int64_t r = 0; r < rows && columns * width >= 64; r++) {
        for (int64_t at = 0; at < columns * width; at += 64) {
            PREFETCH_TO_WRITE(to + (rows + r) * to_line + at);
        }
    }
    if (width >= 4) {
        turn_block(to, to_line, from, from_line, rows, columns, width);
        return;
    }
    for (int64_t c = 0; c < columns; c++) {
        copy_steps(to + c * width, to_line, from + c * from_line, width, rows, width);
    }
}

/* Copies a block of rows and columns between two layouts, along whichever side is the closer in memory. Its lines lie far
   apart, so those of the block below, which comes next, are asked for already. */
static void copy_block(char *to, int64_t to_row, int64_t to_step, const char *from, int64_t from_row, int64_t from_step,
                       int64_t rows, int64_t columns, int width)
{
    if (from_row == width && to_step == width) {
        copy_turned(to, to_row, from, from_step, rows, columns, width);
    } else if (to_row == width && from_step == width) {
        copy_turned(to, to_step, from, from_row, columns, rows, width);
    } else if (from_row == width || to_row == width) {
        for (int64_t c = 0; c < columns; c++) {
            PREFETCH(from + c * from_step + rows * from_row);
            PREFETCH_TO_WRITE(to + c * to_step + rows * to_row);
            copy_strided(to + c * to_step, to_row, from + c * from_step, from_row, rows, width);
        }
    } else {
        for (int64_t r = 0; r < rows; r++) {
            PREFETCH(from + (r + rows) * from_row);
            PREFETCH_TO_WRITE(to + (r + rows) * to_row);
            copy_strided(to + r * to_row, to_step, from + r * from_row, from_step, columns, width);
        }
    }
}

/* The plane in blocks of `high` rows and `wide` columns, each laid out in the buffers as one row. Down the columns first:
   of a turned operand the same few pages are then in use, and its lines follow one another. */
static void run_blocks(span_fn formula, const Span *span, const Plane *plane, int64_t high, int64_t wide, Buffer *buffers,
                       const double *scalar)
{
    int last = span->operands - 1;
    void *at[WALK_OPERANDS];
    for (int64_t c = 0; c < plane->columns; c += wide) {
        int64_t n = plane->columns - c < wide ? plane->columns - c : wide;
        for (int64_t r = 0; r < plane->rows; r += high) {
            int64_t m = plane->rows - r < high ? plane->rows - r : high;
            if (span->moves) {
                copy_block(plane->data[1] + r * plane->row_step[1] + c * plane->step[1], plane->row_step[1], plane->step[1],
                           plane->data[0] + r * plane->row_step[0] + c * plane->step[0], plane->row_step[0], plane->step[0],
                           m, n, span->width[0]);
                continue;
            }
            for (int i = 0; i <= last; i++) {
                int width = span->width[i];
                char *here = plane->data[i] + r * plane->row_step[i] + c * plane->step[i];
                if (plane->step[i] == width && plane->row_step[i] == n * width) {
                    at[i] = here;
                    continue;
                }
                at[i] = buffers[i].bytes;
                /* A row repeated over all rows is laid out once. */
                if (i < last && plane->step[i] == 0) {
                    spread(buffers[i].bytes, here, plane->row_step[i], m, n, width);
                } else if (i < last && !(plane->row_step[i] == 0 && r > 0)) {
                    copy_block(buffers[i].bytes, n * width, width, here, plane->row_step[i], plane->step[i], m, n, width);
                }
            }
            run(formula, span, at, m * n, scalar);
            if (at[last] == buffers[last].bytes) {
                int width = span->width[last];
                char *here = plane->data[last] + r * plane->row_step[last] + c * plane->step[last];
                copy_block(here, plane->row_step[last], plane->step[last], buffers[last].bytes, n * width, width, m, n,
                           width);
            }
        }
    }
}

/* Which of two inputs is a number for each row, beside what is contiguous, if the span has a loop for that; else -1. */
static int number_of_rows(const Span *span, const int64_t *step)
{
    int which = step[0] == 0 ? 0 : 1;
    if (span->operands != 3 || !span->repeated || step[which] != 0) {
        return -1;
    }
    return step[1 - which] == span->width[1 - which] && step[2] == span->width[2] ? which : -1;
}

static void run_plane(span_fn formula, const Span *span, Plane *plane, Buffer *buffers, const double *scalar)
{
    int turned = 0, numbers = 0;
    for (int i = 0; i < span->operands; i++) {
        turned |= plane->row_step[i] == span->width[i] && plane->step[i] != span->width[i] && plane->step[i] != 0;
        numbers |= plane->step[i] == 0;
    }
    if (plane->rows > 1 && plane->columns < (numbers ? SHORTEST_ROW : SHORT_ROW)) {
        run_blocks(formula, span, plane, WALK_CHUNK / plane->columns, plane->columns, buffers, scalar);
        return;
    }
    if (plane->rows > 1 && turned) {
        /* Some operand runs down the columns: blocks use whole cache lines of both. */
        run_blocks(formula, span, plane, BLOCK_ROWS, WALK_CHUNK / BLOCK_ROWS, buffers, scalar);
        return;
    }
    int which = number_of_rows(span, plane->step);
    char *data[WALK_OPERANDS];
    for (int64_t r = 0; r < plane->rows; r++) {
        for (int i = 0; i < span->operands; i++) {
            data[i] = plane->data[i] + r * plane->row_step[i];
        }
        if (which >= 0) {
            span->repeated[which]((void *const *)data, plane->columns, scalar);
        } else {
            run_row(formula, span, data, plane->step, plane->columns, buffers, scalar);
        }
    }
}

static NEVER_INLINE void walk_strided(const KernelArgs *a, int64_t from, int64_t to, span_fn formula, const Span *span)
{
    Buffer buffers[WALK_OPERANDS];
    Plane plane;
    int64_t index[KERNEL_DIMS] = {0};
    int inner = a->ndim - 1;
    int outer = a->ndim - 2;
    for (int d = 0; d < a->ndim; d++) {
        if (a->size[d] == 0) {
            return;
        }
    }
    plane.columns = inner == 0 ? to - from : a->size[inner];
    plane.rows = outer < 0 ? 1 : outer == 0 ? to - from : a->size[outer];
    for (int i = 0; i < span->operands; i++) {
        plane.data[i] = (char *)a->data[i] + from * a->stride[i][0];
        plane.step[i] = a->stride[i][inner];
        plane.row_step[i] = outer >= 0 ? a->stride[i][outer] : 0;
    }
    for (;;) {
        run_plane(formula, span, &plane, buffers, a->scalar);
        int d = outer - 1;
        for (; d >= 0; d--) {
            for (int i = 0; i < span->operands; i++) {
                plane.data[i] += a->stride[i][d];
            }
            int64_t extent = d == 0 ? to - from : a->size[d];
            if (++index[d] < extent) {
                break;
            }
            for (int i = 0; i < span->operands; i++) {
                plane.data[i] -= extent * a->stride[i][d];
            }
            index[d] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

void LEVEL(walk)(const KernelArgs *a, int64_t from, int64_t to, span_fn formula, const Span *span)
{
    int contiguous = a->ndim == 1;
    for (int i = 0; i < span->operands; i++) {
        contiguous &= a->stride[i][0] == span->width[i];
    }
    if (!LIKELY(contiguous)) {
        walk_strided(a, from, to, formula, span);
        return;
    }
    if (LIKELY(from == 0)) {
        run(formula, span, a->data, to, a->scalar);
        return;
    }
    void *at[WALK_OPERANDS];
    for (int i = 0; i < span->operands; i++) {
        at[i] = (char *)a->data[i] + from * span->width[i];
    }
    run(formula, span, at, to - from, a->scalar);
}
