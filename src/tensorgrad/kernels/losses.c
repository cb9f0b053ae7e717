/* Losses: a whole pass from predictions to one number, and back. */
#include "entries.h"
#include "rows.h"

ROW_HELPERS(f32, float)
ROW_HELPERS(f64, double)

/* The class that a row names, in [0, size[1]), or one of these. It is read once: whoever else holds the array may write there
   at any time. One that there is not is reported in data[4], as its row and itself. */
enum { IGNORED = -1, WRONG = -2 };

static int64_t class_of_row(const KernelArgs *args, const void *target, int64_t row)
{
    int64_t class = ((const volatile int64_t *)target)[row];
    if (class == args->size[2]) {
        return IGNORED;
    }
    if (class < 0 || class >= args->size[1]) {
        int64_t *wrong = args->data[4];
        wrong[0] = row;
        wrong[1] = class;
        return WRONG;
    }
    return class;
}

#define LOSSES(T, type)                                                                                 \
    /* data = a, b, loss; size = {n}; scalar[0] = 1 for the mean, 0 for the sum */                      \
    static void mse_##T(const KernelArgs *args)                                                         \
    {                                                                                                   \
        int64_t count = args->size[0];                                                                  \
        const type *a = args->data[0];                                                                  \
        const type *b = args->data[1];                                                                  \
        double total = 0.0;                                                                             \
        if (count < SHORT_LANES) {                                                                      \
            for (int64_t i = 0; i < count; i++) {                                                       \
                total += (double)((a[i] - b[i]) * (a[i] - b[i]));                                       \
            }                                                                                           \
        } else {                                                                                        \
            SUM_ALONG(type, total, count, (a[i] - b[i]) * (a[i] - b[i]));                               \
        }                                                                                               \
        *(type *)args->data[2] = (type)(args->scalar[0] ? total / (double)count : total);               \
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
    /* data = logits, target (int64), loss, log probabilities, wrong; size = {rows, classes, the target that is ignored}; \
       scalar[0] = 1 for the mean, 0 for the sum */                                                     \
    static void cross_entropy_##T(const KernelArgs *args)                                               \
    {                                                                                                   \
        int64_t classes = args->size[1];                                                                \
        int64_t used = 0;                                                                               \
        double total = 0.0;                                                                             \
        for (int64_t r = 0; r < args->size[0]; r++) {                                                   \
            type *log_probability = (type *)args->data[3] + r * classes;                                \
            int64_t class = class_of_row(args, args->data[1], r);                                       \
            if (class == WRONG) {                                                                       \
                return;                                                                                 \
            }                                                                                           \
            log_softmax_row_##T((const type *)args->data[0] + r * classes, log_probability, classes);   \
            if (class != IGNORED) {                                                                     \
                total -= log_probability[class];                                                        \
                used++;                                                                                 \
            }                                                                                           \
        }                                                                                               \
        *(type *)args->data[2] = (type)(args->scalar[0] ? total / (double)used : total);                \
    }                                                                                                   \
    /* data = g (one element), log probabilities, target, gradient of the logits, wrong; sizes and scalar as above */ \
    static void cross_entropy_backward_##T(const KernelArgs *args)                                      \
    {                                                                                                   \
        int64_t classes = args->size[1];                                                                \
        double scale = (double)*(const type *)args->data[0];                                            \
        if (args->scalar[0]) {                                                                          \
            int64_t used = 0;                                                                           \
            for (int64_t r = 0; r < args->size[0]; r++) {                                               \
                used += ((const int64_t *)args->data[2])[r] != args->size[2];                           \
            }                                                                                           \
            scale /= (double)used;                                                                      \
        }                                                                                               \
        for (int64_t r = 0; r < args->size[0]; r++) {                                                   \
            const type *log_probability = (const type *)args->data[1] + r * classes;                    \
            type *out = (type *)args->data[3] + r * classes;                                            \
            int64_t class = class_of_row(args, args->data[2], r);                                       \
            if (class == WRONG) {                                                                       \
                return;                                                                                 \
            }                                                                                           \
            if (class == IGNORED) {                                                                     \
                memset(out, 0, (size_t)classes * sizeof(type));                                         \
                continue;                                                                               \
            }                                                                                           \
            exponentials_##T(log_probability, out, classes, 0);                                         \
            out[class] -= 1;                                                                            \
            for (int64_t i = 0; i < classes; i++) {                                                     \
                out[i] *= (type)scale;                                                                  \
            }                                                                                           \
        }                                                                                               \
    }

LOSSES(f32, float)
LOSSES(f64, double)

#define BOTH_FLOATS(name) {#name, DT_F32, name##_f32}, {#name, DT_F64, name##_f64},

const KernelEntry LEVEL(loss_entries)[] = {
    BOTH_FLOATS(mse)
    BOTH_FLOATS(mse_backward)
    BOTH_FLOATS(cross_entropy)
    BOTH_FLOATS(cross_entropy_backward)
    {NULL, 0, NULL},
};
