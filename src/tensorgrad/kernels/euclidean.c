/* Euclidean distances of every row of one matrix to every row of another: differences are squared and added up in registers, of a
 * few rows of the first and two vectors of rows of the second at a time. */
#include "entries.h"
#include "pool.h"

#define ROWS 128        /* of the first matrix in a unit, for which the second is turned once */
#define TILE 4          /* of them side by side */
#define PANEL_BYTES 32768   /* of rows of the second, about, that are turned at once, and to which a row's distances are written */
#define DEEP 32         /* squares that are added up apart from the others, so that long sums stay exact */

#if VECTOR_TYPES
#define VECTOR(type) type __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(type)), may_alias))
#define ZEROS {{{0}}}
#else
#define VECTOR(type) type
#define ZEROS {{0}}
#endif

static int64_t units_of_distances(const KernelArgs *a)
{
    return a->size[0] * divide_up(a->size[1], ROWS);
}

#define EUCLIDEAN(T, type)                                                                                             \
    typedef VECTOR(type) vector_##T;                                                                                   \
    enum { LANES_##T = sizeof(vector_##T) / sizeof(type), WIDE_##T = 2 * LANES_##T };                                  \
                                                                                                                       \
    static void distances_##T(const type *const x[TILE], const type *panel, int64_t length, type made[TILE][WIDE_##T]) \
    {                                                                                                                  \
        vector_##T total[TILE][2] = ZEROS;                                                                             \
        for (int64_t k = 0; k < length;) {                                                                             \
            vector_##T part[TILE][2] = ZEROS;                                                                          \
            for (int64_t end = k + DEEP < length ? k + DEEP : length; k < end; k++) {                                  \
                const vector_##T *y = (const vector_##T *)(panel + k * WIDE_##T);                                      \
                UNROLL for (int i = 0; i < TILE; i++) {                                                                \
                    vector_##T left = x[i][k] - y[0], right = x[i][k] - y[1];                                          \
                    part[i][0] += left * left;                                                                         \
                    part[i][1] += right * right;                                                                       \
                }                                                                                                      \
            }                                                                                                          \
            UNROLL for (int i = 0; i < TILE; i++) {                                                                    \
                total[i][0] += part[i][0];                                                                             \
                total[i][1] += part[i][1];                                                                             \
            }                                                                                                          \
        }                                                                                                              \
        memcpy(made, total, sizeof total);                                                                             \
        for (int i = 0; i < TILE; i++) {                                                                               \
            for (int l = 0; l < WIDE_##T; l++) {                                                                       \
                made[i][l] = SQRT_##T(made[i][l]);                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* data = x1, x2, distances; size = {stack, rows of x1, rows of x2, elements} */                                   \
    static void euclidean_##T(const KernelArgs *a, int64_t from, int64_t to)                                           \
    {                                                                                                                  \
        const int64_t blocks = divide_up(a->size[1], ROWS), others = a->size[2], length = a->size[3];                  \
        const int64_t panels = 1 + PANEL_BYTES / (length * WIDE_##T * (int64_t)sizeof(type)), across = panels * WIDE_##T;\
        type *turned = pool_scratch((size_t)(across * length) * sizeof(type));                                         \
        if (turned == NULL) {                                                                                          \
            pool_fail();                                                                                               \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t u = from; u < to; u++) {                                                                          \
            const int64_t first = u % blocks * ROWS, row = u / blocks * a->size[1] + first;                            \
            const int64_t rows = a->size[1] - first < ROWS ? a->size[1] - first : ROWS;                                \
            for (int64_t start = 0; start < others; start += across) {                                                 \
                const int64_t count = others - start < across ? others - start : across;                               \
                const type *y = (const type *)a->data[1] + (u / blocks * others + start) * length;                     \
                for (int64_t j = 0; j < divide_up(count, WIDE_##T) * WIDE_##T; j++) {                                  \
                    type *column = turned + j / WIDE_##T * WIDE_##T * length + j % WIDE_##T;                           \
                    for (int64_t k = 0; k < length; k++) {                                                             \
                        column[k * WIDE_##T] = j < count ? y[j * length + k] : 0;                                      \
                    }                                                                                                  \
                }                                                                                                      \
                for (int64_t i = 0; i < rows; i += TILE) {                                                             \
                    const type *x[TILE];                                                                               \
                    for (int64_t r = 0; r < TILE; r++) {                                                               \
                        x[r] = (const type *)a->data[0] + (row + (i + r < rows ? i + r : rows - 1)) * length;          \
                    }                                                                                                  \
                    for (int64_t j = 0; j < count; j += WIDE_##T) {                                                    \
                        type made[TILE][WIDE_##T], *out = (type *)a->data[2] + (row + i) * others + start + j;         \
                        distances_##T(x, turned + j * length, length, made);                                           \
                        for (int64_t r = 0; r < TILE && i + r < rows; r++) {                                           \
                            if (count - j >= WIDE_##T) {                                                               \
                                memcpy(out + r * others, made[r], sizeof made[r]);                                     \
                            } else {                                                                                   \
                                memcpy(out + r * others, made[r], (size_t)(count - j) * sizeof(type));                 \
                            }                                                                                          \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

EUCLIDEAN(f32, float)
EUCLIDEAN(f64, double)

const Kernel LEVEL(euclidean_entries)[] = {
    BOTH_FLOATS(euclidean, 0.05f, 0.1f, .inputs = 2, .outputs = 1, .operands = "x1=abd x2=acd out=abc",
                .units = units_of_distances)
    {NULL},
};
