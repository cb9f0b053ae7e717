/* Losses, each a whole pass from the predictions to one number, and back. */
#include <math.h>

#include "entries.h"
#include "vmath.h"

#define LANES_LOSS 32

#define LOSSES(T, type)                                                                                 \
    /* data = a, b, loss; size = {n}; scalar[0] = 1 for the mean, 0 for the sum. */                     \
    static void mse_##T(const KernelArgs *args)                                                         \
    {                                                                                                   \
        const type *a = args->data[0];                                                                  \
        const type *b = args->data[1];                                                                  \
        int64_t count = args->size[0];                                                                  \
        double total = 0.0;                                                                             \
        /* Lanes within a block, doubles across blocks: rounding errors do not grow with the count. */  \
        for (int64_t first = 0; first < count; first += 4096) {                                         \
            int64_t last = first + 4096 < count ? first + 4096 : count;                                 \
            type lane[LANES_LOSS] = {0};                                                                \
            int64_t i = first;                                                                          \
            for (; i + LANES_LOSS <= last; i += LANES_LOSS) {                                           \
                for (int l = 0; l < LANES_LOSS; l++) {                                                  \
                    type d = a[i + l] - b[i + l];                                                       \
                    lane[l] += d * d;                                                                   \
                }                                                                                       \
            }                                                                                           \
            for (int l = 0; i < last; i++, l++) {                                                       \
                type d = a[i] - b[i];                                                                   \
                lane[l] += d * d;                                                                       \
            }                                                                                           \
            for (int half = LANES_LOSS / 2; half > 0; half /= 2) {                                      \
                for (int l = 0; l < half; l++) {                                                        \
                    lane[l] += lane[l + half];                                                          \
                }                                                                                       \
            }                                                                                           \
            total += lane[0];                                                                           \
        }                                                                                               \
        *(type *)args->data[2] = (type)(args->scalar[0] ? total / (double)count : total);               \
    }                                                                                                   \
    /* data = g (one element), a, b, gradient of a. */                                                  \
    static void mse_backward_##T(const KernelArgs *args)                                                \
    {                                                                                                   \
        const type *a = args->data[1];                                                                  \
        const type *b = args->data[2];                                                                  \
        type *out = args->data[3];                                                                      \
        int64_t count = args->size[0];                                                                  \
        double share = args->scalar[0] ? 2.0 / (double)count : 2.0;                                     \
        type scale = (type)(share * (double)*(const type *)args->data[0]);                              \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            out[i] = scale * (a[i] - b[i]);                                                             \
        }                                                                                               \
    }

LOSSES(f32, float)
LOSSES(f64, double)

const KernelEntry LEVEL(loss_entries)[] = {
    {"mse", DT_F32, mse_f32},
    {"mse", DT_F64, mse_f64},
    {"mse_backward", DT_F32, mse_backward_f32},
    {"mse_backward", DT_F64, mse_backward_f64},
    {NULL, 0, NULL},
};
