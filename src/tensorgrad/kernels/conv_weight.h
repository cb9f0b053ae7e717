/* What the weight of a convolution gets back: for each tap the sum over all places of the pixel under it times the gradient.
 * Vectors run along filters, of which the gradient is turned once an image; the pixels are read from the frame as they lie.
 */
#ifndef TENSORGRAD_CONV_WEIGHT_H
#define TENSORGRAD_CONV_WEIGHT_H

#include "conv.h"

/* Sums over the places of a frame: C[row][filter] += patch[row][place] B[place][filter], with B in panels of TILE_COLUMNS. */
typedef struct Sums {
    int64_t count[SPACE];
    int64_t slice, line;        /* in the frame, from one place to the next */
    const element *frame;
    const int64_t *offsets;     /* of the rows */
    const element *b;
    element *c;                 /* [rows][TILE_COLUMNS] */
} Sums;

#if VECTOR_TYPES
typedef void (*sums_fn)(const Sums *);

ALWAYS_INLINE void run_sums(const Sums *t, const int rows, const int vectors)
{
    vector sum[TILE_ROWS][TILE_VECTORS];
    const element *from[TILE_ROWS];
    const element *b = t->b;
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            sum[i][j] = (vector){0};
        }
    }
    for (int64_t z = 0; z < t->count[0]; z++) {
        for (int64_t y = 0; y < t->count[1]; y++) {
            UNROLL for (int i = 0; i < rows; i++) {
                from[i] = t->frame + z * t->slice + y * t->line + t->offsets[i];
            }
            for (int64_t x = 0; x < t->count[2]; x++) {
                vector columns[TILE_VECTORS];
                UNROLL for (int j = 0; j < vectors; j++) {
                    columns[j] = load(b + j * LANES);
                }
                UNROLL for (int i = 0; i < rows; i++) {
                    vector pixel = broadcast(from[i] + x);
                    UNROLL for (int j = 0; j < vectors; j++) {
                        sum[i][j] += pixel * columns[j];
                    }
                }
                b += TILE_COLUMNS;
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            element *c = t->c + i * TILE_COLUMNS + j * LANES;
            store(c, load(c) + sum[i][j]);
        }
    }
}

#define SUM(rows, vectors)                                                                              \
    static NEVER_INLINE void sums_##rows##_##vectors(const Sums *t)                                     \
    {                                                                                                   \
        run_sums(t, rows, vectors);                                                                     \
    }
#define SUMS_OF(m) SUM(m, 1) SUM(m, 2)
#define SUMS_LINE(m) {sums_##m##_1, sums_##m##_2}

SUMS_OF(1) SUMS_OF(2) SUMS_OF(3) SUMS_OF(4) SUMS_OF(5) SUMS_OF(6)
#if TILE_ROWS > 6
SUMS_OF(7) SUMS_OF(8) SUMS_OF(9) SUMS_OF(10) SUMS_OF(11) SUMS_OF(12) SUMS_OF(13) SUMS_OF(14)
#endif

/* By rows - 1, vectors - 1. */
static const sums_fn sums[TILE_ROWS][TILE_VECTORS] = {
    SUMS_LINE(1), SUMS_LINE(2), SUMS_LINE(3), SUMS_LINE(4), SUMS_LINE(5), SUMS_LINE(6),
#if TILE_ROWS > 6
    SUMS_LINE(7), SUMS_LINE(8), SUMS_LINE(9), SUMS_LINE(10), SUMS_LINE(11), SUMS_LINE(12), SUMS_LINE(13), SUMS_LINE(14),
#endif
};
#endif

static void add_sums(const Sums *t, int64_t rows, int64_t columns)
{
#if VECTOR_TYPES
    sums[rows - 1][columns > LANES](t);
#else
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            element sum = 0;
            const element *b = t->b + j;
            for (int64_t p = 0; p < t->count[0] * t->count[1] * t->count[2]; p++) {
                int64_t z = p / t->count[2] / t->count[1], y = p / t->count[2] % t->count[1], x = p % t->count[2];
                sum += t->frame[z * t->slice + y * t->line + x + t->offsets[i]] * *b;
                b += TILE_COLUMNS;
            }
            t->c[i * TILE_COLUMNS + j] += sum;
        }
    }
#endif
}

static const char *refuse_conv_weight(const KernelArgs *a)
{
    return refuse_windows(a, a->data[2]);
}

#if VECTOR_TYPES
#define FEW_FILTERS 2

/* The sums of one filter for some taps: its lanes would idle, so vectors run along the places. */
ALWAYS_INLINE void run_dots(const Sums *t, const element *gradient, const int rows, element *to)
{
    const int64_t columns = t->count[2], rest = columns % LANES;
    vector sum[TILE_ROWS];
    __typeof__((vector){0} < (vector){0}) is_there;
    for (int l = 0; l < LANES; l++) {
        is_there[l] = l < rest ? -1 : 0;
    }
    UNROLL for (int i = 0; i < rows; i++) {
        sum[i] = (vector){0};
    }
    for (int64_t z = 0; z < t->count[0]; z++) {
        for (int64_t y = 0; y < t->count[1]; y++) {
            const element *line = t->frame + z * t->slice + y * t->line;
            int64_t x = 0;
            for (; x + LANES <= columns; x += LANES) {
                vector g = load(gradient + x);
                UNROLL for (int i = 0; i < rows; i++) {
                    sum[i] += g * load(line + t->offsets[i] + x);
                }
            }
            if (rest) {         /* what lies behind the line may be NaN: its product is dropped */
                vector g = {0};
                memcpy(&g, gradient + x, (size_t)rest * sizeof(element));
                UNROLL for (int i = 0; i < rows; i++) {
                    vector product = g * load(line + t->offsets[i] + x);
                    sum[i] += (vector)((__typeof__(is_there))product & is_there);
                }
            }
            gradient += columns;
        }
    }
    UNROLL for (int i = 0; i < rows; i++) {
        double total = 0;
        for (int l = 0; l < LANES; l++) {
            total += (double)sum[i][l];
        }
        to[i] += (element)total;
    }
}

#define DOT_ROWS 3      /* taps at once: the same loads of the gradient serve them */

static void add_dots(Sums *t, const element *gradient, int64_t depth, const int64_t *offsets, element *to)
{
    int64_t k = 0;
    for (; k + DOT_ROWS <= depth; k += DOT_ROWS) {
        t->offsets = offsets + k;
        run_dots(t, gradient, DOT_ROWS, to + k);
    }
    for (; k < depth; k++) {
        t->offsets = offsets + k;
        run_dots(t, gradient, 1, to + k);
    }
}
#else
#define FEW_FILTERS 0
#define add_dots(t, gradient, depth, offsets, to) ((void)(to))
#endif

/* How the sums are cut. Small ones: the bands of all images, one after the other, are added up in a few parts, each in order.
   Large ones: each unit has some panels of filters, and goes over all images. */
#define MOST_PARTS 8
#define SMALL_SUMS 16384

static int is_small(const KernelArgs *a)
{
    return a->size[0] * a->size[1] <= SMALL_SUMS;
}

static int64_t conv_weight_units(const KernelArgs *a)
{
    Conv s = conv_of(a, a->data[2]);
    if (!is_small(a)) {
        return s.groups * divide_up(s.filters, TILE_COLUMNS);
    }
    Cut cut = cut_forward(&s);
    double work = (double)a->size[0] * (double)a->size[1] * (double)a->size[2] * (double)a->size[3] / UNIT_WORK;
    int64_t most = smaller(s.images * cut.bands, MOST_PARTS);
    int64_t parts = work < (double)most ? (int64_t)work : most;
    return parts < 1 ? 1 : parts;
}

static size_t conv_weight_workspace(const KernelArgs *a, int64_t units)
{
    return is_small(a) ? (size_t)(units * a->size[0] * a->size[1] * ELEMENT_BYTES) : 0;
}

/* The gradient of a band, filter by filter, as panels [panel][place][TILE_COLUMNS]. */
static void turn_gradient(const element *from, int64_t filters, int64_t step, int64_t places, element *to)
{
    for (int64_t o = 0; o < filters; o += TILE_COLUMNS) {
        int64_t columns = smaller(TILE_COLUMNS, filters - o);
#if VECTOR_TYPES
        pack_columns(from + o * step, step, places, columns, to);
#else
        for (int64_t p = 0; p < places; p++) {
            for (int64_t j = 0; j < columns; j++) {
                to[p * TILE_COLUMNS + j] = from[(o + j) * step + p];
            }
        }
#endif
        to += places * TILE_COLUMNS;
    }
}

/* Adds up some bands of the batch, for some panels of a group's filters, and writes the sums to their place in a weight. */
static void sum_up(const KernelArgs *a, const Conv *s, const Cut *cut, Room *room, int64_t g, int64_t first_filter,
                   int64_t filters, int64_t first_item, int64_t end, element *weight)
{
    int64_t depth = s->channels * s->taps, panels = divide_up(filters, TILE_COLUMNS), tiles = divide_up(depth, TILE_ROWS);
    int64_t known = -1;
    Sums t;
    Frame f;
    if (s->filters <= FEW_FILTERS) {        /* whose sums are made where they belong */
        memset(weight + (g * s->filters + first_filter) * depth, 0, (size_t)(filters * depth) * sizeof(element));
    } else {
        memset(room->weights, 0, (size_t)(panels * depth * TILE_COLUMNS) * sizeof(element));
    }
    for (int64_t item = first_item; item < end; item++) {
        int64_t band = item % cut->bands, n = item / cut->bands;
        int64_t first = band * cut->length * behind(cut);
        if (band != known) {
            frame_input(s, cut, band, &f, t.count);
            input_offsets(s, &f, room->offsets);
            memset(room->frame, 0, (size_t)frame_elements(&f) * sizeof(element));
            known = band;
        }
        int64_t places = t.count[0] * t.count[1] * t.count[2];
        const element *image = (const element *)a->data[1] + (n * s->groups + g) * s->channels * s->in_pixels;
        const element *gradient = (const element *)a->data[0] + (n * s->groups + g) * s->filters * s->out_pixels;
        t.frame = frame_image(&f, s, image + (f.in_place ? first : 0), room->frame);
        t.slice = f.axis[0].step * f.slice;
        t.line = f.axis[1].step * f.row;
        gradient += first_filter * s->out_pixels + first;
        if (s->filters <= FEW_FILTERS) {
            for (int64_t o = 0; o < filters; o++) {
                element *to = weight + (g * s->filters + first_filter + o) * depth;
                add_dots(&t, gradient + o * s->out_pixels, depth, room->offsets, to);
            }
            continue;
        }
        turn_gradient(gradient, filters, s->out_pixels, places, room->turned);
        for (int64_t p = 0; p < panels; p++) {
            int64_t row = 0;
            t.b = room->turned + p * places * TILE_COLUMNS;
            for (int64_t i = 0; i < tiles; i++) {
                int64_t rows = tile_height(depth, tiles, i);
                t.offsets = room->offsets + row;
                t.c = room->weights + (p * depth + row) * TILE_COLUMNS;
                add_sums(&t, rows, smaller(TILE_COLUMNS, filters - p * TILE_COLUMNS));
                row += rows;
            }
        }
    }
    for (int64_t o = 0; o < filters && s->filters > FEW_FILTERS; o++) {
        const element *sum = room->weights + o / TILE_COLUMNS * depth * TILE_COLUMNS + o % TILE_COLUMNS;
        element *to = weight + (g * s->filters + first_filter + o) * depth;
        for (int64_t k = 0; k < depth; k++) {
            to[k] = sum[k * TILE_COLUMNS];
        }
    }
}

/* data = gradient, input, windows, out. */
static void conv_weight(const KernelArgs *a, int64_t from, int64_t to)
{
    Conv s = conv_of(a, a->data[2]);
    Cut cut = cut_forward(&s);
    int64_t depth = s.channels * s.taps, items = s.images * cut.bands, units = conv_weight_units(a);
    int64_t panels = is_small(a) ? divide_up(s.filters, TILE_COLUMNS) : 1, count[SPACE];
    Frame f;
    Room room;
    frame_input(&s, &cut, 0, &f, count);
    if (!make_room(&room, &f, depth, 0, panels * depth * TILE_COLUMNS, panels * cut.length * behind(&cut) * TILE_COLUMNS)) {
        pool_fail();
        return;
    }
    for (int64_t u = from; u < to; u++) {
        if (!is_small(a)) {
            int64_t each = divide_up(s.filters, TILE_COLUMNS), first = u % each * TILE_COLUMNS;
            sum_up(a, &s, &cut, &room, u / each, first, smaller(TILE_COLUMNS, s.filters - first), 0, items, a->data[3]);
            continue;
        }
        element *part = units == 1 ? a->data[3] : (element *)a->workspace + u * a->size[0] * a->size[1];
        for (int64_t g = 0; g < s.groups; g++) {
            sum_up(a, &s, &cut, &room, g, 0, s.filters, u * items / units, (u + 1) * items / units, part);
        }
    }
}

static void conv_weight_finish(const KernelArgs *a, int64_t units)
{
    int64_t count = a->size[0] * a->size[1];
    element *out = a->data[3];
    for (int64_t i = 0; i < count && is_small(a); i++) {
        const element *part = (const element *)a->workspace + i;
        element sum = part[0];
        for (int64_t u = 1; u < units; u++) {
            sum += part[u * count];
        }
        out[i] = sum;
    }
}

#endif
