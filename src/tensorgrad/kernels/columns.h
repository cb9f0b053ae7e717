/* Softmax and log softmax over a dimension that is not the last: size = {outer, reduced, inner}, contiguous. A unit is WIDTH
   neighbouring columns of one `outer`; what is summed down a column goes into a double every FLUSHED rows. */
#ifndef TENSORGRAD_COLUMNS_H
#define TENSORGRAD_COLUMNS_H

#include "rows.h"
#include "turned.h"

#define WIDTH 64
/* Rows of exponentials are turned up to this length: past it, turning costs more than adding up lanes. */
#if defined(__AVX512F__)
#define MOST_OF_EXPS MOST_TURNED
#else
#define MOST_OF_EXPS 40
#endif
#define FLUSHED 256

static int64_t tiles(const KernelArgs *a)
{
    return divide_up(a->size[2], WIDTH);
}

/* Runs a kernel for columns on short rows: WIDTH of them at a time are turned into the columns of a tile, and what comes of them
   is turned back. Bit i of `matrices` says that operand i has rows, else it has a number for each; of `outputs`, that it is
   written: rows in place of the first ones that are read. One row alone would not be a column to the kernel, so it stands there
   twice. */
static void run_turned(const KernelArgs *a, int64_t from, int64_t to, int width, unsigned matrices, unsigned outputs,
                       void (*kernel)(const KernelArgs *a, int64_t from, int64_t to))
{
    /* Not a multiple of 4 KiB apart, which caches take for the same. */
    enum { OPERANDS = 4, ROOM = MOST_TURNED * WIDTH + 24 };
    double room[OPERANDS][ROOM];
    const int first = !(matrices & 1);
    const int64_t line = a->size[1] * width;
    KernelArgs tile = *a;
    tile.size[0] = 1;
    for (int64_t r = from; r < to; r += WIDTH) {
        const int64_t n = to - r < WIDTH ? to - r : WIDTH, columns = n > 1 ? n : 2;
        tile.size[2] = columns;
        for (int i = 0; i < OPERANDS; i++) {
            tile.data[i] = !a->data[i] ? NULL : room[(matrices & outputs) >> i & 1 ? first : i];
            if (!a->data[i] || outputs >> i & 1) {
                continue;
            }
            if (matrices >> i & 1) {
                const char *rows = (const char *)a->data[i] + r * line;
                turn_block(room[i], columns * width, rows, n > 1 ? line : 0, a->size[1], columns, width);
            } else {
                memset(room[i], 0, (size_t)(columns * width));
                memcpy(room[i], (const char *)a->data[i] + r * width, (size_t)(n * width));
            }
        }
        kernel(&tile, 0, 1);
        for (int i = 0; i < OPERANDS; i++) {
            if (!a->data[i] || !(outputs >> i & 1)) {
                continue;
            }
            if (matrices >> i & 1) {
                turn_block((char *)a->data[i] + r * line, line, tile.data[i], columns * width, n, a->size[1], width);
            } else {
                memcpy((char *)a->data[i] + r * width, room[i], (size_t)(n * width));
            }
        }
    }
}

/* Where a unit begins, and how many of its columns there are. */
static int64_t tile_of(const KernelArgs *a, int64_t unit, int64_t *columns)
{
    int64_t first = unit % tiles(a) * WIDTH;
    int64_t left = a->size[2] - first;
    *columns = left < WIDTH ? left : WIDTH;
    return unit / tiles(a) * a->size[1] * a->size[2] + first;
}

/* Rows of a tile may lie on different pages, which no hardware follows: those to come are asked for. */
#define ROWS_AHEAD 4

ALWAYS_INLINE void ask_to_read(const char *row, int64_t step, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64) {
        PREFETCH(row + ROWS_AHEAD * step + at);
    }
}

ALWAYS_INLINE void ask_to_write(const char *row, int64_t step, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64) {
        PREFETCH_TO_WRITE(row + ROWS_AHEAD * step + at);
    }
}

/* Row r of a tile, to and from WIDTH elements of which those past the last column stay 0. */
#define TAKE(v, in)                                                                                     \
    do {                                                                                                \
        const size_t bytes = (size_t)columns * sizeof *(in);                                            \
        ask_to_read((const char *)((in) + r * a->size[2]), a->size[2] * (int64_t)sizeof *(in), bytes);  \
        COPY_TILE_ROW(v, (in) + r * a->size[2]);                                                        \
    } while (0)
#define GIVE(out, v)                                                                                    \
    do {                                                                                                \
        const size_t bytes = (size_t)columns * sizeof *(out);                                           \
        ask_to_write((const char *)((out) + r * a->size[2]), a->size[2] * (int64_t)sizeof *(out), bytes); \
        COPY_TILE_ROW((out) + r * a->size[2], v);                                                       \
    } while (0)
/* A loop, for moves as wide as those that follow: a memcpy of known size goes by 128 bits, of which no wider read is served. */
#define COPY_TILE_ROW(to, from)                                                                         \
    if (columns == WIDTH) {                                                                             \
        INDEPENDENT                                                                                     \
        for (int l = 0; l < WIDTH; l++) {                                                               \
            (to)[l] = (from)[l];                                                                        \
        }                                                                                               \
    } else {                                                                                            \
        memcpy(to, from, bytes);                                                                        \
    }
#define FLUSH                                                                                           \
    for (int l = 0; (r + 1) % FLUSHED == 0 && l < WIDTH; l++) {                                           \
        total[l] += (double)part[l];                                                                    \
        part[l] = 0;                                                                                    \
    }

#define COLUMNS(T, type)                                                                                \
    static void softmax_columns_##T(const KernelArgs *a, int64_t from, int64_t to, int is_log)          \
    {                                                                                                   \
        for (int64_t unit = from; unit < to; unit++) {                                                  \
            int64_t columns, at = tile_of(a, unit, &columns);                                           \
            const type *in = (const type *)a->data[0] + at;                                             \
            type *out = (type *)a->data[1] + at;                                                        \
            type x[WIDTH] = {0}, y[WIDTH] = {0}, top[WIDTH], part[WIDTH] = {0};                         \
            double total[WIDTH] = {0};                                                                  \
            for (int l = 0; l < WIDTH; l++) {                                                           \
                top[l] = -(type)INFINITY;                                                               \
            }                                                                                           \
            for (int64_t r = 0; r < a->size[1]; r++) {                                                  \
                TAKE(x, in);                                                                            \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    top[l] = x[l] > top[l] ? x[l] : top[l];                                             \
                }                                                                                       \
            }                                                                                           \
            for (int64_t r = 0; r < a->size[1]; r++) {                                                  \
                TAKE(x, in);                                                                            \
                INDEPENDENT                                                                             \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    type e = EXP_##T(x[l] - top[l]);                                                    \
                    y[l] = e;                                                                           \
                    part[l] += e;                                                                       \
                }                                                                                       \
                if (!is_log) {                                                                          \
                    GIVE(out, y);                                                                       \
                }                                                                                       \
                FLUSH                                                                                   \
            }                                                                                           \
            for (int l = 0; l < WIDTH; l++) {                                                           \
                part[l] = (type)(total[l] + (double)part[l]);                                           \
            }                                                                                           \
            if (is_log) {                                                                               \
                INDEPENDENT                                                                             \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    part[l] = LOG_##T(part[l]);                                                         \
                }                                                                                       \
            } else {                                                                                    \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    part[l] = 1 / part[l];                                                              \
                }                                                                                       \
            }                                                                                           \
            for (int64_t r = 0; r < a->size[1]; r++) {                                                  \
                TAKE(x, is_log ? in : out);                                                             \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    y[l] = is_log ? x[l] - top[l] - part[l] : x[l] * part[l];                           \
                }                                                                                       \
                GIVE(out, y);                                                                           \
            }                                                                                           \
        }                                                                                               \
    }                                                                                                   \
    static void softmax_columns_back_##T(const KernelArgs *a, int64_t from, int64_t to, int is_log)     \
    {                                                                                                   \
        for (int64_t unit = from; unit < to; unit++) {                                                  \
            int64_t columns, at = tile_of(a, unit, &columns);                                           \
            const type *grad = (const type *)a->data[0] + at;                                           \
            const type *output = (const type *)a->data[1] + at;                                         \
            type *out = (type *)a->data[2] + at;                                                        \
            type x[WIDTH] = {0}, y[WIDTH] = {0}, part[WIDTH] = {0};                                     \
            double total[WIDTH] = {0};                                                                  \
            for (int64_t r = 0; r < a->size[1]; r++) {                                                  \
                TAKE(x, grad);                                                                          \
                TAKE(y, output);                                                                        \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    part[l] += is_log ? x[l] : x[l] * y[l];                                             \
                }                                                                                       \
                FLUSH                                                                                   \
            }                                                                                           \
            for (int l = 0; l < WIDTH; l++) {                                                           \
                part[l] = (type)(total[l] + (double)part[l]);                                           \
            }                                                                                           \
            for (int64_t r = 0; r < a->size[1]; r++) {                                                  \
                TAKE(x, grad);                                                                          \
                TAKE(y, output);                                                                        \
                INDEPENDENT                                                                             \
                for (int l = 0; l < WIDTH; l++) {                                                       \
                    x[l] = is_log ? x[l] - EXP_##T(y[l]) * part[l] : (x[l] - part[l]) * y[l];           \
                }                                                                                       \
                GIVE(out, x);                                                                           \
            }                                                                                           \
        }                                                                                               \
    }

#endif
