/* Kernels along the middle of a contiguous {outer, reduced, inner}, by rows (inner is 1) or by tiles of columns: variance and
 * deviation, the logarithm of a sum of exponentials, and their ways back.
 */
#include "columns.h"
#include "entries.h"

ROW_HELPERS(f32, float)
ROW_HELPERS(f64, double)

static int64_t rows_or_tiles(const KernelArgs *a)
{
    return a->size[2] == 1 ? a->size[0] : a->size[0] * tiles(a);
}

/* Where the first cell of a tile stands among the results. */
static int64_t cell_of(const KernelArgs *a, int64_t unit)
{
    return unit / tiles(a) * a->size[2] + unit % tiles(a) * WIDTH;
}

#define LINES(T, type)                                                                                                 \
    static double mean_of_row_##T(const type *x, int64_t count)                                                        \
    {                                                                                                                  \
        double total;                                                                                                  \
        SUM_ALONG(double, total, count, (double)x[i]);                                                                 \
        return total / (double)count;                                                                                  \
    }                                                                                                                  \
    static void means_of_tile_##T(const KernelArgs *a, const type *in, int64_t columns, double *mean)                  \
    {                                                                                                                  \
        type x[WIDTH] = {0};                                                                                           \
        memset(mean, 0, WIDTH * sizeof *mean);                                                                         \
        for (int64_t r = 0; r < a->size[1]; r++) {                                                                     \
            TAKE(x, in);                                                                                               \
            for (int l = 0; l < WIDTH; l++) {                                                                          \
                mean[l] += (double)x[l];                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        for (int l = 0; l < WIDTH; l++) {                                                                              \
            mean[l] /= (double)a->size[1];                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = x, variance, mean or NULL; scalar = what is taken off the count; integer[0] = 1 for the deviation. In double, so that\
       neither a mean far from zero nor a square past the ends of float32 matters. */                                  \
    static void var_##T(const KernelArgs *a, int64_t from, int64_t to)                                                 \
    {                                                                                                                  \
        const int64_t count = a->size[1];                                                                              \
        const double rest = (double)count - a->scalar[0], left = rest > 0 ? rest : 0;                                  \
        type *out = a->data[1], *means = a->data[2];                                                                   \
        for (int64_t u = from; u < to; u++) {                                                                          \
            double mean[WIDTH], spread[WIDTH] = {0};                                                                   \
            int64_t columns = 1, cell = u;                                                                             \
            if (a->size[2] == 1) {                                                                                     \
                const type *x = (const type *)a->data[0] + u * count;                                                  \
                mean[0] = mean_of_row_##T(x, count);                                                                   \
                SUM_ALONG(double, spread[0], count, ((double)x[i] - mean[0]) * ((double)x[i] - mean[0]));              \
            } else {                                                                                                   \
                const type *in = (const type *)a->data[0] + tile_of(a, u, &columns);                                   \
                type x[WIDTH] = {0};                                                                                   \
                means_of_tile_##T(a, in, columns, mean);                                                               \
                for (int64_t r = 0; r < count; r++) {                                                                  \
                    TAKE(x, in);                                                                                       \
                    for (int l = 0; l < WIDTH; l++) {                                                                  \
                        spread[l] += ((double)x[l] - mean[l]) * ((double)x[l] - mean[l]);                              \
                    }                                                                                                  \
                }                                                                                                      \
                cell = cell_of(a, u);                                                                                  \
            }                                                                                                          \
            for (int64_t c = 0; c < columns; c++) {                                                                    \
                double variance = spread[c] / left;                                                                    \
                out[cell + c] = (type)(a->integer[0] ? sqrt(variance) : variance);                                     \
                if (means) {                                                                                           \
                    means[cell + c] = (type)mean[c];                                                                   \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = g, x, the deviation or NULL (it was a variance), the gradient of x; scalar as above. */                  \
    static void var_backward_##T(const KernelArgs *a, int64_t from, int64_t to)                                        \
    {                                                                                                                  \
        const int64_t count = a->size[1];                                                                              \
        const type *g = a->data[0], *deviation = a->data[2];                                                           \
        for (int64_t u = from; u < to; u++) {                                                                          \
            double mean[WIDTH], factor[WIDTH] = {0};                                                                   \
            int64_t columns = 1, cell = u, at = u * count;                                                             \
            if (a->size[2] == 1) {                                                                                     \
                mean[0] = mean_of_row_##T((const type *)a->data[1] + at, count);                                       \
            } else {                                                                                                   \
                at = tile_of(a, u, &columns);                                                                          \
                cell = cell_of(a, u);                                                                                  \
                means_of_tile_##T(a, (const type *)a->data[1] + at, columns, mean);                                    \
            }                                                                                                          \
            for (int64_t c = 0; c < columns; c++) {                                                                    \
                double by = deviation ? 2 * (double)deviation[cell + c] : 1;                                           \
                factor[c] = by == 0 ? 0 : (double)g[cell + c] / by * (2 / ((double)count - a->scalar[0]));             \
            }                                                                                                          \
            const type *in = (const type *)a->data[1] + at;                                                            \
            type *out = (type *)a->data[3] + at;                                                                       \
            if (a->size[2] == 1) {                                                                                     \
                INDEPENDENT                                                                                            \
                for (int64_t i = 0; i < count; i++) {                                                                  \
                    out[i] = (type)(factor[0] * ((double)in[i] - mean[0]));                                            \
                }                                                                                                      \
                continue;                                                                                              \
            }                                                                                                          \
            for (int64_t r = 0; r < count; r++) {                                                                      \
                type x[WIDTH] = {0};                                                                                   \
                TAKE(x, in);                                                                                           \
                for (int l = 0; l < WIDTH; l++) {                                                                      \
                    x[l] = (type)(factor[l] * ((double)x[l] - mean[l]));                                               \
                }                                                                                                      \
                GIVE(out, x);                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static type log_of_row_##T(const type *x, int64_t count)                                                           \
    {                                                                                                                  \
        type top = largest_##T(x, count);                                                                              \
        if (top > -(type)INFINITY && top < (type)INFINITY) {                                                           \
            return top + LOG_##T((type)exponentials_##T(x, NULL, count, top));                                         \
        }                                                                                                              \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            top = x[i] != x[i] ? x[i] : top;                                                                           \
        }                                                                                                              \
        return top;                                                                                                    \
    }                                                                                                                  \
    /* exp(x - shift), never above 1, of WIDTH elements. */                                                            \
    static NEVER_INLINE void exps_##T(type *y, const type *x, const type *shift)                                       \
    {                                                                                                                  \
        INDEPENDENT                                                                                                    \
        for (int l = 0; l < WIDTH; l++) {                                                                              \
            type apart = x[l] - shift[l];                                                                              \
            y[l] = EXP_##T(apart > 0 ? 0 : apart);                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    /* Columns go by ABREAST rows: of rows 4 KiB apart more would fall on one set of the cache. A largest that is infinite is \
       taken off as the largest number, so that only a NaN makes one. */                                               \
    static void logs_of_tile_##T(const KernelArgs *a, const type *in, int64_t columns, type *out)                      \
    {                                                                                                                  \
        type top[WIDTH], sum[WIDTH] = {0}, block[ABREAST][WIDTH] = {{0}};                                              \
        double total[WIDTH] = {0};                                                                                     \
        const type largest = (type)kernel_largest(DT_##T);                                                             \
        for (int l = 0; l < WIDTH; l++) {                                                                              \
            top[l] = -(type)INFINITY;                                                                                  \
        }                                                                                                              \
        for (int64_t first = 0; first < a->size[1]; first += ABREAST) {                                                \
            int64_t rows = a->size[1] - first < ABREAST ? a->size[1] - first : ABREAST;                                \
            type now[WIDTH], shift[WIDTH], before[WIDTH], shrink[WIDTH];                                               \
            memcpy(now, top, sizeof now);                                                                              \
            for (int64_t k = 0; k < rows; k++) {                                                                       \
                int64_t r = first + k;                                                                                 \
                TAKE(block[k], in);                                                                                    \
                for (int l = 0; l < WIDTH; l++) {                                                                      \
                    now[l] = block[k][l] > now[l] ? block[k][l] : now[l];                                              \
                }                                                                                                      \
            }                                                                                                          \
            for (int l = 0; l < WIDTH; l++) {                                                                          \
                before[l] = top[l] < -largest ? -largest : top[l] > largest ? largest : top[l];                        \
                shift[l] = now[l] < -largest ? -largest : now[l] > largest ? largest : now[l];                         \
                sum[l] = 0;                                                                                            \
            }                                                                                                          \
            exps_##T(shrink, before, shift);                                                                           \
            memcpy(top, now, sizeof now);                                                                              \
            for (int64_t k = 0; k < rows; k++) {                                                                       \
                exps_##T(block[k], block[k], shift);                                                                   \
                for (int l = 0; l < WIDTH; l++) {                                                                      \
                    sum[l] += block[k][l];                                                                             \
                }                                                                                                      \
            }                                                                                                          \
            for (int l = 0; l < WIDTH; l++) {                                                                          \
                total[l] = total[l] * (double)shrink[l] + (double)sum[l];                                              \
            }                                                                                                          \
        }                                                                                                              \
        for (int l = 0; l < WIDTH; l++) {                                                                              \
            top[l] += LOG_##T((type)total[l]);                                                                         \
        }                                                                                                              \
        memcpy(out, top, (size_t)columns * sizeof *out);                                                               \
    }                                                                                                                  \
    static void logsumexp_##T(const KernelArgs *a, int64_t from, int64_t to)                                           \
    {                                                                                                                  \
        type *out = a->data[1];                                                                                        \
        if (a->size[2] == 1 && are_turned(a->size[0], a->size[1], MOST_OF_EXPS)) {                                    \
            run_turned(a, from, to, sizeof(type), 1, 2, logsumexp_##T);                                                \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t u = from; u < to; u++) {                                                                          \
            if (a->size[2] == 1) {                                                                                     \
                out[u] = log_of_row_##T((const type *)a->data[0] + u * a->size[1], a->size[1]);                        \
            } else {                                                                                                   \
                int64_t columns, at = tile_of(a, u, &columns);                                                         \
                logs_of_tile_##T(a, (const type *)a->data[0] + at, columns, out + cell_of(a, u));                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = g, x, the output, the gradient of x. */                                                                  \
    static void logsumexp_backward_##T(const KernelArgs *a, int64_t from, int64_t to)                                  \
    {                                                                                                                  \
        if (a->size[2] == 1 && are_turned(a->size[0], a->size[1], MOST_OF_EXPS)) {                                    \
            run_turned(a, from, to, sizeof(type), 2 | 8, 8, logsumexp_backward_##T);                                   \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t u = from; u < to; u++) {                                                                          \
            const int rows = a->size[2] == 1;                                                                          \
            int64_t columns = 1, at = u * a->size[1], cell = u;                                                        \
            type x[WIDTH] = {0}, g[WIDTH] = {0}, y[WIDTH] = {0};                                                       \
            if (!rows) {                                                                                               \
                at = tile_of(a, u, &columns);                                                                          \
                cell = cell_of(a, u);                                                                                  \
            }                                                                                                          \
            for (int l = 0; l < WIDTH; l++) {                                                                          \
                int64_t c = rows ? cell : cell + (l < columns ? l : 0);                                                \
                g[l] = ((const type *)a->data[0])[c];                                                                  \
                y[l] = ((const type *)a->data[2])[c];                                                                  \
            }                                                                                                          \
            const int64_t steps = rows ? divide_up(a->size[1], WIDTH) : a->size[1];                                    \
            for (int64_t r = 0; r < steps; r++) {                                                                      \
                int64_t place = at + r * (rows ? WIDTH : a->size[2]), left = a->size[1] - r * WIDTH;                   \
                size_t bytes = (size_t)(!rows ? columns : left < WIDTH ? left : WIDTH) * sizeof(type);                 \
                const int64_t step = (rows ? WIDTH : a->size[2]) * (int64_t)sizeof(type);                              \
                ask_to_read((const char *)((const type *)a->data[1] + place), step, bytes);                            \
                ask_to_write((const char *)((type *)a->data[3] + place), step, bytes);                                 \
                memcpy(x, (const type *)a->data[1] + place, bytes);                                                    \
                exps_##T(x, x, y);                                                                                     \
                for (int l = 0; l < WIDTH; l++) {                                                                      \
                    x[l] *= g[l];                                                                                      \
                }                                                                                                      \
                memcpy((type *)a->data[3] + place, x, bytes);                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }

#define ABREAST 8
#define DT_f32 DT_F32
#define DT_f64 DT_F64

LINES(f32, float)
LINES(f64, double)

const Kernel LEVEL(line_entries)[] = {
    BOTH_FLOATS(var, 0.3f, 0.3f, .inputs = 1, .outputs = 2, .settings = "correction: root", .operands = "input=abc out=ac mean?=ac",
                .units = rows_or_tiles)
    BOTH_FLOATS(var_backward, 0.4f, 0.4f, .inputs = 3, .outputs = 1, .settings = "correction",
                .operands = "grad=ac input=abc deviation?=ac out=abc", .units = rows_or_tiles)
    BOTH_FLOATS(logsumexp, 0.3f, 6.0f, .inputs = 1, .outputs = 1, .operands = "input=abc out=ac", .units = rows_or_tiles)
    BOTH_FLOATS(logsumexp_backward, 0.4f, 6.0f, .inputs = 3, .outputs = 1, .operands = "grad=ac input=abc output=ac out=abc",
                .units = rows_or_tiles)
    {NULL},
};
