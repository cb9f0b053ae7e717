/* Losses: a whole pass from predictions to one number, and back. */
#include "entries.h"
#include "rows.h"

ROW_HELPERS(f32, float)
ROW_HELPERS(f64, double)

#define BLOCK 4096      /* elements whose squares are summed in lanes before they go into a double */

#define LOSSES(T, type)                                                                                 \
    /* data = a, b, loss; size = {n}; scalar[0] = 1 for the mean, 0 for the sum */                      \
    static void mse_##T(const KernelArgs *args)                                                         \
    {                                                                                                   \
        int64_t left = args->size[0];                                                                   \
        const type *a = args->data[0];                                                                  \
        const type *b = args->data[1];                                                                  \
        double total = 0.0;                                                                             \
        while (left > 0) {                                                                              \
            int64_t count = left < BLOCK ? left : BLOCK;                                                \
            type part = 0;                                                                              \
            if (count < SHORT_LANES) {                                                                \
                for (int64_t i = 0; i < count; i++) {                                                   \
                    part += (a[i] - b[i]) * (a[i] - b[i]);                                              \
                }                                                                                       \
            } else {                                                                                    \
                SUM_ALONG(type, part, count, (a[i] - b[i]) * (a[i] - b[i]));                            \
            }                                                                                           \
            total += part;                                                                              \
            a += count;                                                                                 \
            b += count;                                                                                 \
            left -= count;                                                                              \
        }                                                                                               \
        *(type *)args->data[2] = (type)(args->scalar[0] ? total / (double)args->size[0] : total);       \
    }                                                                                                   \
    /* data = g (one element), a, b, gradient of a */                                                   \
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
    }                                                                                                   \
    /* data = logits, target (int64), loss, log probabilities; size = {rows, classes};                  \
       scalar = 1 for the mean or 0 for the sum, the target that is ignored. Targets were checked before. */ \
    static void cross_entropy_##T(const KernelArgs *args)                                               \
    {                                                                                                   \
        const int64_t *target = args->data[1];                                                          \
        int64_t classes = args->size[1];                                                                \
        int64_t ignored = (int64_t)args->scalar[1];                                                     \
        int64_t used = 0;                                                                               \
        double total = 0.0;                                                                             \
        for (int64_t r = 0; r < args->size[0]; r++) {                                                   \
            type *log_probability = (type *)args->data[3] + r * classes;                                \
            log_softmax_row_##T((const type *)args->data[0] + r * classes, log_probability, classes);   \
            if (target[r] != ignored) {                                                                 \
                total -= log_probability[target[r]];                                                    \
                used++;                                                                                 \
            }                                                                                           \
        }                                                                                               \
        *(type *)args->data[2] = (type)(args->scalar[0] ? total / (double)used : total);                \
    }                                                                                                   \
    /* data = g (one element), log probabilities, target, gradient of the logits */                     \
    static void cross_entropy_backward_##T(const KernelArgs *args)                                      \
    {                                                                                                   \
        const int64_t *target = args->data[2];                                                          \
        int64_t classes = args->size[1];                                                                \
        int64_t ignored = (int64_t)args->scalar[1];                                                     \
        double scale = (double)*(const type *)args->data[0];                                            \
        if (args->scalar[0]) {                                                                          \
            int64_t used = 0;                                                                           \
            for (int64_t r = 0; r < args->size[0]; r++) {                                               \
                used += target[r] != ignored;                                                           \
            }                                                                                           \
            scale /= (double)used;                                                                      \
        }                                                                                               \
        for (int64_t r = 0; r < args->size[0]; r++) {                                                   \
            const type *log_probability = (const type *)args->data[1] + r * classes;                    \
            type *out = (type *)args->data[3] + r * classes;                                            \
            if (target[r] == ignored) {                                                                 \
                memset(out, 0, (size_t)classes * sizeof(type));                                         \
                continue;                                                                               \
            }                                                                                           \
            exponentials_##T(log_probability, out, classes, 0);                                         \
            out[target[r]] -= 1;                                                                        \
            for (int64_t i = 0; i < classes; i++) {                                                     \
                out[i] *= (type)scale;                                                                  \
            }                                                                                           \
        }                                                                                               \
    }

LOSSES(f32, float)
LOSSES(f64, double)

/* data = classes (int64), the position of the first that is not in [0, scalar[0]) nor is scalar[1], or -1; size = {n} */
static void check_range(const KernelArgs *a)
{
    const int64_t *value = a->data[0];
    int64_t count = a->size[0];
    uint64_t limit = (uint64_t)a->scalar[0];
    int64_t ignored = (int64_t)a->scalar[1];
    int64_t bad = 0;
    *(int64_t *)a->data[1] = -1;
    for (int64_t i = 0; i < count; i++) {
        bad |= ((uint64_t)value[i] >= limit) & (value[i] != ignored);
    }
    for (int64_t i = 0; bad && i < count; i++) {
        if ((uint64_t)value[i] >= limit && value[i] != ignored) {
            *(int64_t *)a->data[1] = i;
            return;
        }
    }
}

#define BOTH_FLOATS(name) {#name, DT_F32, name##_f32}, {#name, DT_F64, name##_f64},

const KernelEntry LEVEL(loss_entries)[] = {
    BOTH_FLOATS(mse)
    BOTH_FLOATS(mse_backward)
    BOTH_FLOATS(cross_entropy)
    BOTH_FLOATS(cross_entropy_backward)
    {"check_range", DT_I64, check_range},
    {NULL, 0, NULL},
};
