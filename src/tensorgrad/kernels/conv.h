/* Convolution of one element type, and its way back to the input, as products over a frame (conv_job.h). conv.c and conv_f64.c
 * include this.
 *
 *   forward          out[filter, place] = weight[filter, k] patch[k, place]
 *   to the input     the same with the gradient as the image and the taps turned round. With stride s there are s classes of
 *                    pixels in each dimension, equal mod s, and each meets only some taps: one such product for each.
 */
#ifndef TENSORGRAD_CONV_H
#define TENSORGRAD_CONV_H

#include "conv_job.h"
#include "entries.h"

/* ---- forward */

static Cut cut_forward(const Conv *s)
{
    int64_t places[SPACE], step[SPACE], reach[SPACE];
    for (int d = 0; d < SPACE; d++) {
        places[d] = s->dim[d].outputs;
        step[d] = s->dim[d].stride;
        reach[d] = (s->dim[d].kernel - 1) * s->dim[d].dilation + 1;
    }
    return cut_of(s, s->channels, s->filters, places, step, reach);
}

static int is_pointwise(const Conv *s)
{
    int plain = s->taps == 1;
    for (int d = 0; d < SPACE; d++) {
        plain = plain && s->dim[d].stride == 1 && s->dim[d].padding == 0;
    }
    return plain;
}

/* The frame of a band of the input, and the places that it serves. */
static void frame_input(const Conv *s, const Cut *cut, int64_t band, Frame *f, int64_t *count)
{
    *f = (Frame){.channels = s->channels, .in_place = is_pointwise(s), .plane = s->in_pixels};
    for (int d = 0; d < SPACE; d++) {
        const Window *m = &s->dim[d];
        int64_t first = d == cut->axis ? band * cut->length : 0;
        count[d] = d == cut->axis ? smaller(cut->length, m->outputs - first) : m->outputs;
        f->axis[d] = (Axis){m->extent, m->padding - first * m->stride, m->stride,
                            (count[d] - 1) * m->stride + (m->kernel - 1) * m->dilation + 1};
    }
    if (f->in_place) {
        count[2] *= count[0] * count[1];
        count[0] = count[1] = 1;
    } else {
        measure_frame(f);
    }
}

/* The offsets of a patch, channel by channel and tap by tap. */
static void input_offsets(const Conv *s, const Frame *f, int64_t *to)
{
    for (int64_t c = 0; c < s->channels; c++) {
        for (int64_t z = 0; z < s->dim[0].kernel; z++) {
            for (int64_t y = 0; y < s->dim[1].kernel; y++) {
                for (int64_t x = 0; x < s->dim[2].kernel; x++) {
                    *to++ = c * f->plane + place(f, z * s->dim[0].dilation, y * s->dim[1].dilation, x * s->dim[2].dilation);
                }
            }
        }
    }
}

/* Places for one of the dimension that is cut. */
static int64_t behind(const Cut *cut)
{
    int64_t places = 1;
    for (int d = cut->axis + 1; d < SPACE; d++) {
        places *= cut->places[d];
    }
    return places;
}

static const char *refuse_conv(const KernelArgs *a)
{
    return refuse_windows(a, a->data[3]);
}

/* Of a batch; none without images. */
static int64_t units_of(const Conv *s, const Cut *cut)
{
    return s->images ? s->groups * cut->parts * cut->bands * cut->blocks : 0;
}

static int64_t conv_units(const KernelArgs *a)
{
    Conv s = conv_of(a, a->data[3]);
    Cut cut = cut_forward(&s);
    return units_of(&s, &cut);
}

/* data = input, weight, bias or NULL, windows, out. Images of a block are the fastest of the units, for they share a frame. */
static void conv(const KernelArgs *a, int64_t from, int64_t to)
{
    Conv s = conv_of(a, a->data[3]);
    Cut cut = cut_forward(&s);
    Frame f;
    Job job = {.rows = s.filters, .depth = s.channels * s.taps};
    Room room;
    int64_t known = -1;
    frame_input(&s, &cut, 0, &f, job.count);        /* of all bands the first is the largest */
    if (!make_room(&room, &f, job.depth, 0, 0, 0)) {
        pool_fail();
        return;
    }
    job.offsets = room.offsets;
    for (int64_t u = from; u < to; u++) {
        int64_t block = u % cut.blocks, band = u / cut.blocks % cut.bands;
        int64_t g = u / cut.blocks / cut.bands / cut.parts, row = u / cut.blocks / cut.bands % cut.parts * cut.rows;
        if (band != known) {
            frame_input(&s, &cut, band, &f, job.count);
            input_offsets(&s, &f, room.offsets);
            memset(room.frame, 0, (size_t)frame_elements(&f) * sizeof(element));
            known = band;
        }
        job.rows = smaller(cut.rows, s.filters - row);
        job.a = (const element *)a->data[1] + (g * s.filters + row) * job.depth;
        job.bias = a->data[2] ? (const element *)a->data[2] + g * s.filters + row : NULL;
        int64_t first = band * cut.length * behind(&cut);
        for (int64_t n = block * cut.images; n < smaller(s.images, (block + 1) * cut.images); n++) {
            const element *image = (const element *)a->data[0] + (n * s.groups + g) * s.channels * s.in_pixels;
            element *out = (element *)a->data[4] + ((n * s.groups + g) * s.filters + row) * s.out_pixels + first;
            image += f.in_place ? first : 0;
            const element *frame = frame_image(&f, &s, image, room.frame);
            run_job(&job, &f, frame, room.panel, out, s.out_pixels);
        }
    }
}

/* ---- to the input */

/* Whether tap k meets the pixels that are equal to r mod stride; `at` says where in the gradient, from pixel r / stride on. */
static int meets(const Window *m, int64_t r, int64_t k, int64_t *at)
{
    int64_t t = r + m->padding - k * m->dilation;
    *at = t / m->stride;
    return t % m->stride == 0;
}

/* The least and the largest of them, over all taps and classes. */
static void reach_of(const Window *m, int64_t *least, int64_t *most)
{
    *least = INT64_MAX;
    *most = INT64_MIN;
    for (int64_t k = 0; k < m->kernel; k++) {
        int64_t t = m->padding - k * m->dilation;
        int64_t r = ((-t) % m->stride + m->stride) % m->stride;
        if (r < m->extent) {
            int64_t at = (t + r) / m->stride;
            *least = at < *least ? at : *least;
            *most = at > *most ? at : *most;
        }
    }
    if (*most < *least) {
        *least = *most = 0;
    }
}

static Cut cut_input(const Conv *s)
{
    int64_t places[SPACE], step[SPACE], reach[SPACE], least, most;
    for (int d = 0; d < SPACE; d++) {
        reach_of(&s->dim[d], &least, &most);
        places[d] = divide_up(s->dim[d].extent, s->dim[d].stride);
        step[d] = 1;
        reach[d] = most - least + 1;
    }
    return cut_of(s, s->filters, s->channels, places, step, reach);
}

/* The frame of what a band of pixels needs of the gradient; `least` is where its first tap reads. */
static void frame_gradient(const Conv *s, const Cut *cut, int64_t band, Frame *f, int64_t *least)
{
    *f = (Frame){.channels = s->filters, .in_place = is_pointwise(s), .plane = s->out_pixels};
    for (int d = 0; d < SPACE; d++) {
        int64_t most, first = d == cut->axis ? band * cut->length : 0;
        int64_t count = d == cut->axis ? smaller(cut->length, cut->places[d] - first) : cut->places[d];
        reach_of(&s->dim[d], &least[d], &most);
        f->axis[d] = (Axis){s->dim[d].outputs, -(first + least[d]), 1, count + most - least[d]};
    }
    if (!f->in_place) {
        measure_frame(f);
    }
}

/* The pixels of one class: in each dimension those that are equal to r mod stride, in a band those from `first` on. */
typedef struct Class {
    Job job;
    int64_t r[SPACE], first[SPACE];
    const int64_t *taps;                    /* those that it meets, by their place in a filter */
} Class;

/* Sets the job of a class but for its rows and weights; takes the taps and the offsets that it needs. */
static void begin_class(const Conv *s, const Cut *cut, int64_t band, const Frame *f, const int64_t *least, Class *c,
                        int64_t **taps, int64_t **offsets)
{
    int64_t at[SPACE], inside = 0, *to = *offsets;
    c->taps = *taps;
    c->job.offsets = to;
    c->job.packed = 1;
    for (int d = 0; d < SPACE; d++) {
        const Window *m = &s->dim[d];
        int64_t count = m->extent > c->r[d] ? divide_up(m->extent - c->r[d], m->stride) : 0;
        c->first[d] = d == cut->axis ? band * cut->length : 0;
        c->job.count[d] = d == cut->axis ? smaller(cut->length, count - c->first[d]) : count;
        c->job.count[d] = c->job.count[d] < 0 ? 0 : c->job.count[d];
    }
    for (int64_t z = 0; z < s->dim[0].kernel; z++) {
        for (int64_t y = 0; y < s->dim[1].kernel; y++) {
            for (int64_t x = 0; x < s->dim[2].kernel; x++) {
                if (meets(&s->dim[0], c->r[0], z, &at[0]) && meets(&s->dim[1], c->r[1], y, &at[1]) &&
                    meets(&s->dim[2], c->r[2], x, &at[2])) {
                    *(*taps)++ = (z * s->dim[1].kernel + y) * s->dim[2].kernel + x;
                    to[inside++] = place(f, at[0] - least[0], at[1] - least[1], at[2] - least[2]);
                }
            }
        }
    }
    for (int64_t o = s->filters - 1; o >= 0; o--) {
        for (int64_t i = 0; i < inside; i++) {
            to[o * inside + i] = o * f->plane + to[i];
        }
    }
    c->job.depth = s->filters * inside;
    *offsets += c->job.depth;
    if (f->in_place) {
        c->job.count[2] *= c->job.count[0] * c->job.count[1];
        c->job.count[0] = c->job.count[1] = 1;
    }
}

#define STREAMS 8       /* filters read side by side, which the hardware can follow */

/* The weights of a group turned round: row c, and for each filter the taps of a class; packed tile by tile. */
static void pack_weights(const Conv *s, const element *weight, const Class *c, element *to)
{
    const Job *job = &c->job;
    int64_t inside = job->depth / s->filters, tiles = divide_up(job->rows, TILE_ROWS);
    for (int64_t first = 0; first < s->filters; first += STREAMS) {
        int64_t row = 0;
        for (int64_t t = 0; t < tiles; t++) {
            int64_t rows = tile_height(job->rows, tiles, t);
            element *at = to + row * job->depth + first * inside * rows;
            for (int64_t o = first; o < smaller(first + STREAMS, s->filters); o++) {
                for (int64_t i = 0; i < inside; i++) {
                    const element *from = weight + (o * s->channels + row) * s->taps + c->taps[i];
                    for (int64_t r = 0; r < rows; r++) {
                        *at++ = from[r * s->taps];
                    }
                }
            }
            row += rows;
        }
    }
}

/* Pixels of a class, from a panel's result to where they lie in the image. */
static void spread(const Conv *s, const Class *c, int64_t first, int64_t columns, const element *from, element *image)
{
    int64_t at[GROUP_COLUMNS], z, y, x;
    coordinates(first, c->job.count, &z, &y, &x);
    for (int64_t i = 0; i < columns; i++) {
        int64_t line = ((z + c->first[0]) * s->dim[0].stride + c->r[0]) * s->dim[1].extent;
        line += (y + c->first[1]) * s->dim[1].stride + c->r[1];
        at[i] = line * s->dim[2].extent + (x + c->first[2]) * s->dim[2].stride + c->r[2];
        if (++x == c->job.count[2]) {
            x = 0;
            if (++y == c->job.count[1]) {
                y = 0;
                z++;
            }
        }
    }
    for (int64_t r = 0; r < c->job.rows; r++) {
        for (int64_t i = 0; i < columns; i++) {
            image[r * s->in_pixels + at[i]] = from[r * GROUP_COLUMNS + i];
        }
    }
}

/* Where pixel i reads the gradient by tap k, or -1 where it does not. */
static int64_t read_by(const Window *m, int64_t i, int64_t k)
{
    int64_t t = i + m->padding - k * m->dilation;
    return t >= 0 && t % m->stride == 0 && t / m->stride < m->outputs ? t / m->stride : -1;
}

/* A pixel's sum over the places that meet it and no others: around them a product of 0 with infinity would be NaN. */
static element sum_of_pixel(const Conv *s, const element *gradient, const element *weight, int64_t z, int64_t y, int64_t x)
{
    const Window *m = s->dim;
    element sum = 0;
    for (int64_t k = 0; k < s->taps; k++) {
        int64_t a = read_by(&m[0], z, k / m[2].kernel / m[1].kernel), b = read_by(&m[1], y, k / m[2].kernel % m[1].kernel);
        int64_t c = read_by(&m[2], x, k % m[2].kernel);
        int64_t at = (a * m[1].outputs + b) * m[2].outputs + c;
        for (int64_t o = 0; o < s->filters && a >= 0 && b >= 0 && c >= 0; o++) {
            sum += weight[o * s->channels * s->taps + k] * gradient[o * s->out_pixels + at];
        }
    }
    return sum;
}

/* A band of an image pixel by pixel, slowly: for weights that are not all finite. */
static void sum_pixels(const Conv *s, const Cut *cut, int64_t band, const element *gradient, const element *weight,
                       const Job *job, element *image)
{
    int64_t from[SPACE] = {0}, to[SPACE];
    for (int d = 0; d < SPACE; d++) {
        to[d] = s->dim[d].extent;
    }
    from[cut->axis] = band * cut->length * s->dim[cut->axis].stride;
    to[cut->axis] = smaller(to[cut->axis], from[cut->axis] + cut->length * s->dim[cut->axis].stride);
    for (int64_t r = 0; r < job->rows; r++) {
        for (int64_t z = from[0]; z < to[0]; z++) {
            for (int64_t y = from[1]; y < to[1]; y++) {
                for (int64_t x = from[2]; x < to[2]; x++) {
                    element sum = sum_of_pixel(s, gradient, weight + r * s->taps, z, y, x) + (job->bias ? job->bias[r] : 0);
                    image[r * s->in_pixels + (z * s->dim[1].extent + y) * s->dim[2].extent + x] = sum;
                }
            }
        }
    }
}

static int all_finite(const element *x, int64_t count)
{
    element wrong[LANES] = {0}, all = 0;
    for (int64_t i = 0; i + LANES <= count; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            wrong[l] += x[i + l] * 0;
        }
    }
    for (int64_t i = count / LANES * LANES; i < count; i++) {
        all += x[i] * 0;
    }
    for (int l = 0; l < LANES; l++) {
        all += wrong[l];
    }
    return all == 0;
}

static const char *refuse_conv_input(const KernelArgs *a)
{
    const char *error = refuse_windows(a, a->data[3]);
    Conv s;
    if (error || !a->data[2]) {
        return error;
    }
    s = conv_of(a, a->data[3]);
    return a->size[5] == s.channels * s.groups ? NULL : "there must be as many numbers in the bias as channels";
}

/* The same for a class that stands whole in `from`, line by line. */
static void spread_lines(const Conv *s, const Class *c, const element *from, element *image)
{
    const int64_t *count = c->job.count;
    for (int64_t r = 0; r < c->job.rows; r++) {
        for (int64_t z = 0; z < count[0]; z++) {
            for (int64_t y = 0; y < count[1]; y++) {
                element *to = image + r * s->in_pixels + (c->first[2] * s->dim[2].stride + c->r[2]) +
                              (((z + c->first[0]) * s->dim[0].stride + c->r[0]) * s->dim[1].extent +
                               (y + c->first[1]) * s->dim[1].stride + c->r[1]) * s->dim[2].extent;
                for (int64_t x = 0; x < count[2]; x++) {
                    to[x * s->dim[2].stride] = from[x];
                }
                from += count[2];
            }
        }
    }
}

/* All pixels of a class. */
static void run_class(const Conv *s, const Class *c, const Frame *f, const element *frame, const Room *room, element *image)
{
    if (c->job.rows <= FEW_ROWS && !f->in_place) {
        run_rows(&c->job, f, frame, room->turned, places_of(&c->job));
        spread_lines(s, c, room->turned, image);
        return;
    }
    for (int64_t p = 0; p < places_of(&c->job); p += GROUP_COLUMNS) {
        int64_t columns = smaller(GROUP_COLUMNS, places_of(&c->job) - p);
        run_panels(&c->job, f, frame, p, columns, room->panel, room->turned, GROUP_COLUMNS);
        spread(s, c, p, columns, room->turned, image);
    }
}

static int64_t conv_input_units(const KernelArgs *a)
{
    Conv s = conv_of(a, a->data[3]);
    Cut cut = cut_input(&s);
    return units_of(&s, &cut);
}

/* data = gradient, weight, bias of the channels or NULL, windows, out. */
static void conv_input(const KernelArgs *a, int64_t from, int64_t to)
{
    Conv s = conv_of(a, a->data[3]);
    Cut cut = cut_input(&s);
    int64_t strides[SPACE] = {s.dim[0].stride, s.dim[1].stride, s.dim[2].stride};
    int64_t count = strides[0] * strides[1] * strides[2], least[SPACE], all = s.filters * s.taps;
    int64_t known_band = -1, known_rows = -1, wide = GROUP_COLUMNS;
    int finite = 1;
    Frame f;
    Room room;
    frame_gradient(&s, &cut, 0, &f, least);
    if (s.channels <= FEW_ROWS && count > 1) {      /* a class stands there whole */
        wide = cut.length * behind(&cut);
    }
    if (!make_room(&room, &f, all + s.taps, count * (int64_t)sizeof(Class), all * cut.rows, cut.rows * wide)) {
        pool_fail();
        return;
    }
    Class *classes = (Class *)room.classes;
    for (int64_t u = from; u < to; u++) {
        int64_t block = u % cut.blocks, band = u / cut.blocks % cut.bands, rows = u / cut.blocks / cut.bands;
        int64_t g = rows / cut.parts, row = rows % cut.parts * cut.rows;
        if (band != known_band) {
            int64_t *taps = room.offsets, *offsets = room.offsets + s.taps;
            frame_gradient(&s, &cut, band, &f, least);
            memset(room.frame, 0, (size_t)frame_elements(&f) * sizeof(element));
            for (int64_t i = 0; i < count; i++) {
                classes[i] = (Class){.r = {i / strides[2] / strides[1], i / strides[2] % strides[1], i % strides[2]}};
                begin_class(&s, &cut, band, &f, least, &classes[i], &taps, &offsets);
            }
            known_band = band;
        }
        element *weights = room.weights;
        for (int64_t i = 0; i < count; i++) {
            Job *job = &classes[i].job;
            job->rows = smaller(cut.rows, s.channels - row);
            job->a = weights;
            job->bias = a->data[2] ? (const element *)a->data[2] + g * s.channels + row : NULL;
            if (rows != known_rows) {
                pack_weights(&s, (const element *)a->data[1] + (g * s.filters * s.channels + row) * s.taps, &classes[i], weights);
            }
            weights += job->depth * job->rows;
        }
        if (rows != known_rows) {
            finite = all_finite(room.weights, weights - room.weights);
            known_rows = rows;
        }
        for (int64_t n = block * cut.images; n < smaller(s.images, (block + 1) * cut.images); n++) {
            const element *image = (const element *)a->data[0] + (n * s.groups + g) * s.filters * s.out_pixels;
            element *out = (element *)a->data[4] + ((n * s.groups + g) * s.channels + row) * s.in_pixels;
            int64_t first = classes[0].first[cut.axis] * behind(&cut);
            if (!finite) {
                const element *weight = (const element *)a->data[1] + (g * s.filters * s.channels + row) * s.taps;
                sum_pixels(&s, &cut, band, image, weight, &classes[0].job, out);
                continue;
            }
            const element *frame = frame_image(&f, &s, f.in_place ? image + first : image, room.frame);
            for (int64_t i = 0; i < count; i++) {
                if (count == 1) {
                    run_job(&classes[i].job, &f, frame, room.panel, out + first, s.in_pixels);
                } else {
                    run_class(&s, &classes[i], &f, frame, &room, out);
                }
            }
        }
    }
}

#endif
