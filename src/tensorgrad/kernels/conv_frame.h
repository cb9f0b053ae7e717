/* Convolutions read their image from a frame: a copy with the zeros around it, and for stride s with each row sorted by x mod
 * s. In it the patch of a place is one table of offsets, the same for all places, whatever stride, padding and dilation are.
 *
 * A frame holds what one band of places needs, so it stays in the cache. ELEMENT_BYTES is set by the including file.
 */
#ifndef TENSORGRAD_CONV_FRAME_H
#define TENSORGRAD_CONV_FRAME_H

#include <string.h>

#include "gemm_vector.h"
#include "pool.h"
#include "windows.h"

typedef struct Conv {
    int64_t images, groups;
    int64_t channels, filters;              /* of a group */
    int64_t taps, in_pixels, out_pixels;
    Window dim[SPACE];
} Conv;

/* size = {filters, channels of a group * taps, images, places, channels * pixels}. */
static Conv conv_of(const KernelArgs *a, const void *windows)
{
    Conv s = {.images = a->size[2], .taps = 1, .in_pixels = 1, .out_pixels = 1};
    memcpy(s.dim, windows, sizeof s.dim);
    for (int d = 0; d < SPACE; d++) {
        s.taps *= s.dim[d].kernel;
        s.in_pixels *= s.dim[d].extent;
        s.out_pixels *= s.dim[d].outputs;
    }
    s.channels = a->size[1] / s.taps;
    s.groups = a->size[4] / s.in_pixels / s.channels;
    s.filters = a->size[0] / s.groups;
    return s;
}

/* What a caller by names may have wrong. */
static inline const char *refuse_windows(const KernelArgs *a, const void *windows)
{
    const int64_t most = 1 << 30;
    int64_t taps = 1, pixels = 1, places = 1;
    for (int d = 0; d < SPACE; d++) {
        Window m = ((const Window *)windows)[d];
        int64_t least = smaller(smaller(smaller(m.extent, m.kernel), m.stride), smaller(m.dilation, m.outputs));
        int fits = least > 0 && m.padding >= 0 && m.kernel <= smaller(a->size[1] / taps, most) &&
                   m.extent <= a->size[4] / pixels && m.outputs <= a->size[3] / places &&
                   m.stride < most && m.dilation < most && m.padding < most;
        int64_t room = fits ? m.extent + 2 * m.padding - m.dilation * (m.kernel - 1) - 1 : -1;
        if (room < 0 || room / m.stride + 1 != m.outputs) {
            return "a row of the windows (extent, outputs, kernel, stride, padding, dilation) is no convolution of such operands";
        }
        taps *= m.kernel;
        pixels *= m.extent;
        places *= m.outputs;
    }
    int64_t channels = a->size[1] / taps, all = a->size[4] / pixels;
    int fits = a->size[3] == places && a->size[4] % pixels == 0 && a->size[1] % taps == 0 && channels > 0 && all > 0;
    return fits && all % channels == 0 && a->size[0] % (all / channels) == 0 ? NULL : "the windows do not fit the shapes";
}

typedef struct Axis {
    int64_t source;                         /* pixels of the image */
    int64_t before;                         /* zeros that the frame has in front of them; may be negative */
    int64_t step;                           /* from one place to the next */
    int64_t extent;                         /* of the frame */
} Axis;

typedef struct Frame {
    int64_t channels;
    Axis axis[SPACE];
    int64_t columns;                        /* of a row, that are equal mod step */
    int64_t row, slice, plane;              /* elements from one to the next: row of a slice, slice of a channel, channel */
    int in_place;                           /* the image serves as it is, as one long row */
} Frame;

static void measure_frame(Frame *f)
{
    f->columns = divide_up(f->axis[2].extent, f->axis[2].step);
    f->row = f->columns * f->axis[2].step;
    f->slice = f->row * f->axis[1].extent;
    f->plane = f->slice * f->axis[0].extent;
    if (f->plane * ELEMENT_BYTES % 1024 == 0) {     /* channels must not all fall on the same lines of the cache */
        f->plane += 64 / ELEMENT_BYTES;
    }
}

static int64_t frame_elements(const Frame *f)
{
    return f->in_place ? 0 : f->channels * f->plane + LANES;    /* whole vectors are read at the end */
}

static int64_t place(const Frame *f, int64_t z, int64_t y, int64_t x)
{
    return z * f->slice + y * f->row + x % f->axis[2].step * f->columns + x / f->axis[2].step;
}

/* Whether a tap of this kernel ever reads what lies at `residue` mod stride. */
static int is_read(const Window *m, int64_t step, int64_t residue)
{
    for (int64_t k = 0; k < m->kernel && step > 1; k++) {
        if (k * m->dilation % step == residue) {
            return 1;
        }
    }
    return step == 1;
}

static void copy_stepping(const element *from, int64_t step, int64_t count, element *to)
{
    if (step == 1) {
        memcpy(to, from, (size_t)count * sizeof(element));
        return;
    }
    int64_t i = 0;
#if VECTOR_TYPES
    for (; step == 2 && i + LANES < count; i += LANES) {    /* the last is read alone, for there the image may end */
        store(to + i, load_every_second(from + 2 * i));
    }
#endif
    for (; i < count; i++) {
        to[i] = from[i * step];
    }
}

/* Copies what there is of an image; the zeros around it are there already. Gives where the frame begins. */
static const element *frame_image(const Frame *f, const Conv *s, const element *image, element *to)
{
    const Axis *z = &f->axis[0], *y = &f->axis[1], *x = &f->axis[2];
    if (f->in_place) {
        return image;
    }
    for (int64_t c = 0; c < f->channels; c++) {
        for (int64_t i = z->before > 0 ? z->before : 0; i < smaller(z->extent, z->before + z->source); i++) {
            if (!is_read(&s->dim[0], z->step, i % z->step)) {
                continue;
            }
            for (int64_t j = y->before > 0 ? y->before : 0; j < smaller(y->extent, y->before + y->source); j++) {
                if (!is_read(&s->dim[1], y->step, j % y->step)) {
                    continue;
                }
                const element *line = image + ((c * z->source + i - z->before) * y->source + j - y->before) * x->source;
                element *row = to + c * f->plane + i * f->slice + j * f->row;
                for (int64_t r = 0; r < x->step; r++) {
                    int64_t first = x->before > r ? divide_up(x->before - r, x->step) : 0;
                    int64_t end = smaller(x->extent, x->before + x->source);
                    int64_t count = end > r ? divide_up(end - r, x->step) - first : 0;
                    if (count > 0 && is_read(&s->dim[2], x->step, r)) {
                        copy_stepping(line + r + first * x->step - x->before, x->step, count, row + r * f->columns + first);
                    }
                }
            }
        }
    }
    return to;
}

/* How the work is cut: into bands along the first dimension of several places, blocks of images, and parts of the rows where the
   weights are larger than a frame. */
typedef struct Cut {
    int axis;
    int64_t places[SPACE];                  /* in each dimension */
    int64_t length, bands;                  /* places of a band along the axis */
    int64_t images, blocks;                 /* images of a block */
    int64_t rows, parts;                    /* rows of a part of the result's channels */
} Cut;

#define FRAME_BYTES (192 * 1024)            /* that a frame should not exceed by much */
#define UNIT_WORK (1 << 20)                 /* multiplications that a unit should have, where there are so many */
#define FEW_UNITS 16

/* By the shape alone. `step` and `reach` are those of a frame of `channels` for one place, in each dimension. */
static Cut cut_of(const Conv *s, int64_t channels, int64_t rows, const int64_t *places, const int64_t *step, const int64_t *reach)
{
    Cut cut = {.axis = 0, .bands = 1, .rows = rows};
    memcpy(cut.places, places, sizeof cut.places);
    while (cut.axis < SPACE - 1 && places[cut.axis] == 1) {
        cut.axis++;
    }
    int64_t all = places[cut.axis], line = channels;
    for (int d = cut.axis + 1; d < SPACE; d++) {
        line *= (places[d] - 1) * step[d] + reach[d];
    }
    double work = (double)s->channels * (double)s->filters * (double)s->taps * (double)s->out_pixels;
    int64_t fit = (FRAME_BYTES / ELEMENT_BYTES / line - reach[cut.axis]) / step[cut.axis] + 1;
    fit = fit < smaller(all, 4) ? smaller(all, 4) : smaller(fit, all);
    cut.bands = divide_up(all, fit);
    int64_t images = s->images ? s->images : 1, others = images * s->groups;
    if (others * cut.bands < FEW_UNITS && work * (double)others > 2 * UNIT_WORK) {
        double wanted = work * (double)others / UNIT_WORK;
        int64_t more = divide_up(wanted > FEW_UNITS ? FEW_UNITS : (int64_t)wanted, others);
        if (s->channels * s->filters * s->taps > line * (all * step[cut.axis] + reach[cut.axis])) {
            cut.rows = divide_up(divide_up(rows, TILE_ROWS), divide_up(more, cut.bands)) * TILE_ROWS;
        } else if (more > cut.bands) {
            cut.bands = smaller(more, all);
        }
    }
    cut.parts = divide_up(rows, cut.rows);
    cut.length = divide_up(all, cut.bands);
    cut.bands = divide_up(all, cut.length);
    cut.images = 1;
    if (cut.bands == 1 && work < UNIT_WORK) {
        int64_t together = (int64_t)(UNIT_WORK / work) + 1;
        cut.images = smaller(together, divide_up(images, FEW_UNITS / 2));
    }
    cut.blocks = divide_up(images, cut.images);
    return cut;
}

/* Work memory in one piece, handed out part by part; all parts begin at a cache line. */
static int64_t padded(int64_t bytes)
{
    return divide_up(bytes, 64) * 64;
}

static void *part_of(char **memory, int64_t bytes)
{
    void *part = *memory;
    *memory += padded(bytes);
    return part;
}

/* One vector of a panel: from a place in the frame to a column. */
typedef struct Move {
    int64_t from, to;
} Move;

/* Which place of a grid it is. */
static void coordinates(int64_t place, const int64_t *count, int64_t *z, int64_t *y, int64_t *x)
{
    *x = place % count[2];
    *y = place / count[2] % count[1];
    *z = place / count[2] / count[1];
}

/* The vectors that bring `columns` places from `first` on together; each may spoil what follows it, so order counts. */
static int moves_of(const Frame *f, const int64_t *count, int64_t first, int64_t columns, Move *moves)
{
    int n = 0;
    int64_t z, y, x;
    coordinates(first, count, &z, &y, &x);
    for (int64_t at = 0; at < columns;) {
        int64_t run = smaller(columns - at, count[2] - x);
        int64_t from = z * f->axis[0].step * f->slice + y * f->axis[1].step * f->row + x;
        for (int64_t v = 0; v < run; v += LANES) {
            moves[n++] = (Move){from + v, at + v};
        }
        at += run;
        x = 0;
        if (++y == count[1]) {
            y = 0;
            z++;
        }
    }
    return n;
}

ALWAYS_INLINE void pack_moves(const Move *moves, const int count, const element *frame, const int64_t *offsets, int64_t depth,
                              element *panel)
{
    for (int64_t k = 0; k < depth; k++) {
        const element *from = frame + offsets[k];
        for (int m = 0; m < count; m++) {
            memcpy(panel + moves[m].to, from + moves[m].from, LANES * sizeof(element));
        }
        panel += TILE_COLUMNS;
    }
}

/* A panel [depth][TILE_COLUMNS] of patches. */
static void pack_panel(const Frame *f, const Move *moves, int count, int64_t columns, const element *frame,
                       const int64_t *offsets, int64_t depth, element *panel)
{
    if (f->in_place && columns < TILE_COLUMNS) {    /* the image may end behind them */
        for (int64_t k = 0; k < depth; k++) {
            memcpy(panel + k * TILE_COLUMNS, frame + offsets[k] + moves[0].from, (size_t)columns * sizeof(element));
        }
        return;
    }
    switch (count) {
    case 1: pack_moves(moves, 1, frame, offsets, depth, panel); break;
    case 2: pack_moves(moves, 2, frame, offsets, depth, panel); break;
    case 3: pack_moves(moves, 3, frame, offsets, depth, panel); break;
    case 4: pack_moves(moves, 4, frame, offsets, depth, panel); break;
    default: pack_moves(moves, count, frame, offsets, depth, panel); break;
    }
}

#endif
