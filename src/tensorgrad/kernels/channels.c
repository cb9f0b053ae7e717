/* Kernels over the channels of (N, C, L), where all that is not a channel makes its statistics: batch norm, forward and backward.
   size = {C, N, L}. A unit is a channel, or, where L is 1, some that lie side by side. All is computed in
   double, and rounded once. */
#include "entries.h"
#include "rows.h"

#define LANES 256       /* channels of a unit at most */
#define GROUP 16       /* channels whose sums stay in registers */
#define ABREAST 8       /* rows at a time: where they lie 4 KiB apart, more would fall on one set of the cache */

/* How many channels side by side a unit has: long stretches of rows are read at once, but there should be units for threads. */
static int64_t channels_of_unit(const KernelArgs *a)
{
    return a->size[2] > 1 ? 1 : a->size[0] < 4 * LANES ? LANES / 4 : LANES;
}

static int64_t units_of_channels(const KernelArgs *a)
{
    return divide_up(a->size[0], channels_of_unit(a));
}

/* A part of the work for the channels of a unit, which lie side by side. */
#define SIDE_BY_SIDE(part, a, u)                                                                                       \
    do {                                                                                                               \
        int64_t first = (u) * channels_of_unit(a), left = (a)->size[0] - first;                                        \
        part(a, first, (int)(left < channels_of_unit(a) ? left : channels_of_unit(a)));                                \
    } while (0)

#define CHANNELS(T, type)                                                                                              \
    /* data = x, weight, bias, running mean, running variance (the four may be NULL), y, mean and 1 / deviation of the \
       channels in double; scalar = eps, momentum; integer[0] = 1 for the batch's statistics, which the running ones then\
       follow, 0 for the running ones. Gives what a channel is multiplied by, and then moved by. */                    \
    ALWAYS_INLINE void settle_##T(const KernelArgs *a, int64_t c, double *mean, double spread, double *factor, double *offset)\
    {                                                                                                                  \
        const type *weight = a->data[1];                                                                               \
        const type *bias = a->data[2];                                                                                 \
        type *running_mean = a->data[3];                                                                               \
        type *running_var = a->data[4];                                                                                \
        double *stats = a->data[6];                                                                                    \
        double count = (double)(a->size[1] * a->size[2]);                                                              \
        double variance = spread / count;                                                                              \
        double momentum = a->scalar[1];                                                                                \
        if (!a->integer[0]) {                                                                                          \
            *mean = (double)running_mean[c];                                                                           \
            variance = (double)running_var[c];                                                                         \
        } else {                                                                                                       \
            if (running_mean) {                                                                                        \
                running_mean[c] = (type)((double)running_mean[c] * (1 - momentum) + *mean * momentum);                 \
            }                                                                                                          \
            if (running_var) {                                                                                         \
                double unbiased = spread / (count - 1);                                                                \
                running_var[c] = (type)((double)running_var[c] * (1 - momentum) + unbiased * momentum);                \
            }                                                                                                          \
        }                                                                                                              \
        double scale = 1 / sqrt(variance + a->scalar[0]);                                                              \
        stats[c] = *mean;                                                                                              \
        stats[a->size[0] + c] = scale;                                                                                 \
        *factor = weight ? scale * (double)weight[c] : scale;                                                          \
        *offset = bias ? (double)bias[c] : 0;                                                                          \
    }                                                                                                                  \
    /* Some rows of a few channels: their mean, and the squares around it, join those of the `done` rows before (Chan, \
       Golub and LeVeque, 1979). */                                                                                    \
    ALWAYS_INLINE void join_rows_##T(const type *x, int64_t channels, int64_t rows, int64_t done, int wide, double *mean,\
                                     double *spread)                                                                   \
    {                                                                                                                  \
        const double share = (double)rows / (double)(done + rows), both = (double)done * share;                        \
        double middle[GROUP] = {0}, around[GROUP];                                                                     \
        for (int64_t n = 0; n < rows; n++) {                                                                           \
            for (int l = 0; l < wide; l++) {                                                                           \
                middle[l] += (double)x[n * channels + l];                                                              \
            }                                                                                                          \
        }                                                                                                              \
        for (int l = 0; l < wide; l++) {                                                                               \
            middle[l] /= (double)rows;                                                                                 \
            double apart = done ? middle[l] - mean[l] : 0;                                                             \
            mean[l] = done ? mean[l] + apart * share : middle[l];                                                      \
            around[l] = spread[l] + apart * apart * both;                                                              \
        }                                                                                                              \
        for (int64_t n = 0; n < rows; n++) {                                                                           \
            for (int l = 0; l < wide; l++) {                                                                           \
                double apart = (double)x[n * channels + l] - middle[l];                                                \
                around[l] += apart * apart;                                                                            \
            }                                                                                                          \
        }                                                                                                              \
        for (int l = 0; l < wide; l++) {                                                                               \
            spread[l] = around[l];                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    ALWAYS_INLINE void norm_rows_##T(const type *x, type *y, int64_t channels, int64_t rows, int wide, const double *mean,\
                                     const double *factor, const double *offset)                                       \
    {                                                                                                                  \
        for (int64_t n = 0; n < rows; n++) {                                                                           \
            INDEPENDENT                                                                                                \
            for (int l = 0; l < wide; l++) {                                                                           \
                y[n * channels + l] = (type)(((double)x[n * channels + l] - mean[l]) * factor[l] + offset[l]);         \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* A few channels at a time, whose sums stay in registers, over rows that stay in the cache. */                    \
    static void norm_side_by_side_##T(const KernelArgs *a, int64_t first, int wide)                                    \
    {                                                                                                                  \
        const int64_t channels = a->size[0], count = a->size[1];                                                       \
        const int whole = wide / GROUP * GROUP;                                                                        \
        double mean[LANES] = {0}, spread[LANES] = {0}, factor[LANES], offset[LANES];                                   \
        const type *x = (const type *)a->data[0] + first;                                                              \
        type *y = (type *)a->data[5] + first;                                                                          \
        for (int64_t done = 0; a->integer[0] && done < count; done += ABREAST) {                                       \
            int64_t rows = count - done < ABREAST ? count - done : ABREAST, at = done * channels;                      \
            for (int l = 0; l < whole; l += GROUP) {                                                                   \
                join_rows_##T(x + at + l, channels, rows, done, GROUP, mean + l, spread + l);                          \
            }                                                                                                          \
            for (int l = whole; l < wide; l++) {                                                                       \
                join_rows_##T(x + at + l, channels, rows, done, 1, mean + l, spread + l);                              \
            }                                                                                                          \
        }                                                                                                              \
        for (int l = 0; l < wide; l++) {                                                                               \
            settle_##T(a, first + l, &mean[l], spread[l], &factor[l], &offset[l]);                                     \
        }                                                                                                              \
        for (int64_t done = 0; done < count; done += ABREAST) {                                                        \
            int64_t rows = count - done < ABREAST ? count - done : ABREAST, at = done * channels;                      \
            for (int l = 0; l < whole; l += GROUP) {                                                                   \
                norm_rows_##T(x + at + l, y + at + l, channels, rows, GROUP, mean + l, factor + l, offset + l);        \
            }                                                                                                          \
            for (int l = whole; l < wide; l++) {                                                                       \
                norm_rows_##T(x + at + l, y + at + l, channels, rows, 1, mean + l, factor + l, offset + l);            \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void norm_channel_##T(const KernelArgs *a, int64_t c)                                                       \
    {                                                                                                                  \
        int64_t count = a->size[1];                                                                                    \
        int64_t length = a->size[2];                                                                                   \
        int64_t step = a->size[0] * length;                                                                            \
        const type *all = (const type *)a->data[0] + c * length;                                                       \
        double mean = 0, spread = 0, factor, offset, total;                                                            \
        for (int64_t n = 0; a->integer[0] && n < count; n++) {                                                         \
            const type *x = all + n * step;                                                                            \
            SUM_ALONG(double, total, length, (double)x[i]);                                                            \
            mean += total;                                                                                             \
        }                                                                                                              \
        mean /= (double)(count * length);                                                                              \
        for (int64_t n = 0; a->integer[0] && n < count; n++) {                                                         \
            const type *x = all + n * step;                                                                            \
            SUM_ALONG(double, total, length, ((double)x[i] - mean) * ((double)x[i] - mean));                           \
            spread += total;                                                                                           \
        }                                                                                                              \
        settle_##T(a, c, &mean, spread, &factor, &offset);                                                             \
        for (int64_t n = 0; n < count; n++) {                                                                          \
            const type *x = all + n * step;                                                                            \
            type *y = (type *)a->data[5] + c * length + n * step;                                                      \
            INDEPENDENT                                                                                                \
            for (int64_t i = 0; i < length; i++) {                                                                     \
                y[i] = (type)(((double)x[i] - mean) * factor + offset);                                                \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void batch_norm_##T(const KernelArgs *a, int64_t from, int64_t to)                                          \
    {                                                                                                                  \
        for (int64_t u = from; u < to; u++) {                                                                          \
            if (a->size[2] == 1) {                                                                                     \
                SIDE_BY_SIDE(norm_side_by_side_##T, a, u);                                                             \
            } else {                                                                                                   \
                norm_channel_##T(a, u);                                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = g, x, weight or NULL, mean and 1 / deviation, then the gradients of x, weight and bias, each or NULL;    \
       integer[0] as above. Of the sums of g and of g times the normalized x it gives two gradients, and what the third\
       takes away for each of them. */                                                                                 \
    ALWAYS_INLINE void share_##T(const KernelArgs *a, int64_t c, double *plain, double *along, double *factor)         \
    {                                                                                                                  \
        const type *weight = a->data[2];                                                                               \
        double count = (double)(a->size[1] * a->size[2]);                                                              \
        if (a->data[5]) {                                                                                              \
            ((type *)a->data[5])[c] = (type)*along;                                                                    \
        }                                                                                                              \
        if (a->data[6]) {                                                                                              \
            ((type *)a->data[6])[c] = (type)*plain;                                                                    \
        }                                                                                                              \
        double scale = ((const double *)a->data[3])[a->size[0] + c];                                                   \
        *plain = a->integer[0] ? *plain / count : 0;                                                                   \
        *along = a->integer[0] ? *along / count * scale : 0;                                                           \
        *factor = weight ? scale * (double)weight[c] : scale;                                                          \
    }                                                                                                                  \
    static void norm_back_side_by_side_##T(const KernelArgs *a, int64_t first, int wide)                               \
    {                                                                                                                  \
        int64_t channels = a->size[0];                                                                                 \
        int64_t count = a->size[1];                                                                                    \
        double plain[LANES] = {0}, along[LANES] = {0}, factor[LANES];                                                  \
        const type *g = (const type *)a->data[0] + first;                                                              \
        const type *x = (const type *)a->data[1] + first;                                                              \
        const double *mean = (const double *)a->data[3] + first;                                                       \
        type *out = a->data[4] ? (type *)a->data[4] + first : NULL;                                                    \
        for (int64_t n = 0; n < count; n++) {                                                                          \
            for (int l = 0; l < wide; l++) {                                                                           \
                plain[l] += (double)g[n * channels + l];                                                               \
                along[l] += (double)g[n * channels + l] * ((double)x[n * channels + l] - mean[l]);                     \
            }                                                                                                          \
        }                                                                                                              \
        for (int l = 0; l < wide; l++) {                                                                               \
            along[l] *= mean[channels + l];                                                                            \
            share_##T(a, first + l, &plain[l], &along[l], &factor[l]);                                                 \
        }                                                                                                              \
        for (int64_t n = 0; out && n < count; n++) {                                                                   \
            INDEPENDENT                                                                                                \
            for (int l = 0; l < wide; l++) {                                                                           \
                double apart = (double)x[n * channels + l] - mean[l];                                                  \
                out[n * channels + l] = (type)(((double)g[n * channels + l] - plain[l] - apart * along[l]) * factor[l]);\
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void norm_back_channel_##T(const KernelArgs *a, int64_t c)                                                  \
    {                                                                                                                  \
        int64_t length = a->size[2];                                                                                   \
        int64_t step = a->size[0] * length;                                                                            \
        double mean = ((const double *)a->data[3])[c];                                                                 \
        double plain = 0, along = 0, factor, total;                                                                    \
        for (int64_t n = 0; n < a->size[1]; n++) {                                                                     \
            const type *g = (const type *)a->data[0] + c * length + n * step;                                          \
            const type *x = (const type *)a->data[1] + c * length + n * step;                                          \
            SUM_ALONG(double, total, length, (double)g[i]);                                                            \
            plain += total;                                                                                            \
            SUM_ALONG(double, total, length, (double)g[i] * ((double)x[i] - mean));                                    \
            along += total;                                                                                            \
        }                                                                                                              \
        along *= ((const double *)a->data[3])[a->size[0] + c];                                                         \
        share_##T(a, c, &plain, &along, &factor);                                                                      \
        for (int64_t n = 0; a->data[4] && n < a->size[1]; n++) {                                                       \
            const type *g = (const type *)a->data[0] + c * length + n * step;                                          \
            const type *x = (const type *)a->data[1] + c * length + n * step;                                          \
            type *out = (type *)a->data[4] + c * length + n * step;                                                    \
            INDEPENDENT                                                                                                \
            for (int64_t i = 0; i < length; i++) {                                                                     \
                out[i] = (type)(((double)g[i] - plain - ((double)x[i] - mean) * along) * factor);                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void batch_norm_backward_##T(const KernelArgs *a, int64_t from, int64_t to)                                 \
    {                                                                                                                  \
        for (int64_t u = from; u < to; u++) {                                                                          \
            if (a->size[2] == 1) {                                                                                     \
                SIDE_BY_SIDE(norm_back_side_by_side_##T, a, u);                                                        \
            } else {                                                                                                   \
                norm_back_channel_##T(a, u);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }

CHANNELS(f32, float)
CHANNELS(f64, double)

const Kernel LEVEL(channel_entries)[] = {
    BOTH_FLOATS(batch_norm, 0.4f, 0.4f, .inputs = 5, .outputs = 2, .in_place = 1 << 3 | 1 << 4, .in_place_if = 1,
                .settings = "eps momentum: training",
                .operands = "input=bac weight?=a bias?=a running_mean?=a running_var?=a out=bac stats=f64:2a",
                .units = units_of_channels)
    BOTH_FLOATS(batch_norm_backward, 0.6f, 0.6f, .inputs = 4, .outputs = 3, .settings = ": training",
                .operands = "grad=bac input=bac weight?=a stats=f64:2a of_input?=bac of_weight?=a of_bias?=a",
                .units = units_of_channels)
    {NULL},
};
