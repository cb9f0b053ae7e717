/* Distances of every row of one matrix to every row of another, for which euclidean.c is quicker where their order is 2. Rows of
 * the second are turned in tiles, so that the loops run along them; sums leave their type for a double every DEEP elements.
 */
#include <math.h>
#include <string.h>

#include "entries.h"
#include "vmath.h"
#include "vmath64.h"

#define ROWS 32         /* of the first matrix in a unit */
#define ACROSS 64       /* rows of the second in a tile */
#define DEEP 32         /* elements of them */

#define POW_f32 pow32
#define POW_f64 pow64
#define ABS_f32 abs32
#define ABS_f64 fabs

enum { COUNTED, PLAIN, LARGEST, POWERS };

static int64_t units_of_distances(const KernelArgs *a)
{
    return a->size[0] * divide_up(a->size[1], ROWS);
}

#define EACH(step)                                                                                                     \
    for (int k = 0; k < deep; k++) {                                                                                   \
        INDEPENDENT                                                                                                    \
        for (int l = 0; l < ACROSS; l++) {                                                                             \
            step;                                                                                                      \
        }                                                                                                              \
    }

#define DISTANCES(T, type)                                                                                             \
    /* What `deep` elements of a row and of each row of a tile add to their distances. */                              \
    static void apart_##T(const type *x, type tile[DEEP][ACROSS], int deep, int kind, type p, double *total)           \
    {                                                                                                                  \
        type part[ACROSS] = {0};                                                                                       \
        if (kind == PLAIN) {                                                                                           \
            EACH(part[l] += ABS_##T(x[k] - tile[k][l]))                                                                \
        } else if (kind == POWERS) {                                                                                   \
            EACH(part[l] += POW_##T(ABS_##T(x[k] - tile[k][l]), p))                                                    \
        } else if (kind == COUNTED) {                                                                                  \
            EACH(part[l] += (type)(x[k] != tile[k][l]))                                                                \
        } else {                                                                                                       \
            EACH(type d = ABS_##T(x[k] - tile[k][l]); part[l] = ((d > part[l]) | (d != d)) ? d : part[l])              \
            for (int l = 0; l < ACROSS; l++) {                                                                         \
                total[l] = ((double)part[l] > total[l]) | (part[l] != part[l]) ? (double)part[l] : total[l];           \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int l = 0; l < ACROSS; l++) {                                                                             \
            total[l] += (double)part[l];                                                                               \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = x1, x2, distances; size = {stack, rows of x1, rows of x2, elements}; scalar = the norm's order */        \
    static void cdist_##T(const KernelArgs *a, int64_t from, int64_t to)                                               \
    {                                                                                                                  \
        const int64_t blocks = divide_up(a->size[1], ROWS), others = a->size[2], length = a->size[3];                  \
        const double p = a->scalar[0];                                                                                 \
        const int kind = p == 0 ? COUNTED : p == 1 ? PLAIN : p == (double)INFINITY ? LARGEST : POWERS;                \
        for (int64_t u = from; u < to; u++) {                                                                          \
            const int64_t first = u % blocks * ROWS, row = u / blocks * a->size[1] + first;                            \
            const int64_t rows = a->size[1] - first < ROWS ? a->size[1] - first : ROWS;                                \
            const type *x = (const type *)a->data[0] + row * length;                                                   \
            for (int64_t j = 0; j < others; j += ACROSS) {                                                             \
                const int64_t wide = others - j < ACROSS ? others - j : ACROSS;                                        \
                const type *y = (const type *)a->data[1] + (u / blocks * others + j) * length;                         \
                type tile[DEEP][ACROSS] = {{0}};                                                                       \
                double total[ROWS][ACROSS] = {{0}};                                                                    \
                for (int64_t done = 0; done < length; done += DEEP) {                                                  \
                    const int deep = (int)(length - done < DEEP ? length - done : DEEP);                               \
                    for (int64_t l = 0; l < wide; l++) {                                                               \
                        for (int k = 0; k < deep; k++) {                                                               \
                            tile[k][l] = y[l * length + done + k];                                                     \
                        }                                                                                              \
                    }                                                                                                  \
                    for (int64_t i = 0; i < rows; i++) {                                                               \
                        apart_##T(x + i * length + done, tile, deep, kind, (type)p, total[i]);                         \
                    }                                                                                                  \
                }                                                                                                      \
                for (int64_t i = 0; i < rows; i++) {                                                                   \
                    type *out = (type *)a->data[2] + (row + i) * others + j;                                           \
                    type made[ACROSS];                                                                                 \
                    for (int l = 0; l < ACROSS; l++) {                                                                 \
                        made[l] = (type)total[i][l];                                                                   \
                    }                                                                                                  \
                    for (int l = 0; kind == POWERS && l < ACROSS; l++) {                                               \
                        made[l] = (type)pow64(total[i][l], 1 / p);                                                       \
                    }                                                                                                  \
                    memcpy(out, made, (size_t)wide * sizeof(type));                                                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

DISTANCES(f32, float)
DISTANCES(f64, double)

const Kernel LEVEL(distance_entries)[] = {
    BOTH_FLOATS(cdist, 0.1f, 0.2f, .inputs = 2, .outputs = 1, .settings = "p", .operands = "x1=abd x2=acd out=abc",
                .units = units_of_distances)
    {NULL},
};
