/* Losses: a whole pass from predictions to one number, and back. */
#include "entries.h"
#include "rows.h"

ROW_HELPERS(f32, float)
ROW_HELPERS(f64, double)

/* What a segment leaves: its sum, that of its rows' weights, how many rows are in it, and the first row that names no class. */
typedef struct Part {
    double total, weights;
    int64_t used;
    int64_t wrong_row, wrong_class;
} Part;

static size_t parts(const KernelArgs *args, int64_t units)
{
    (void)args;
    return (size_t)units * sizeof(Part);
}

static Part joined(const KernelArgs *args, int64_t units)
{
    const Part *part = args->workspace;
    Part all = {0.0, 0.0, 0, -1, 0};
    for (int64_t u = 0; u < units; u++) {
        all.total += part[u].total;
        all.weights += part[u].weights;
        all.used += part[u].used;
        if (all.wrong_row < 0) {
            all.wrong_row = part[u].wrong_row;
            all.wrong_class = part[u].wrong_class;
        }
    }
    return all;
}

static int64_t rows_of_loss(const KernelArgs *args)
{
    int64_t wide = args->size[1] * (args->ndim > 2 ? args->size[2] : 1);
    int64_t rows = wide ? SEGMENT / wide : args->size[0];
    return rows < 1 ? 1 : rows;
}

static int64_t segments_of_loss(const KernelArgs *args)
{
    int64_t rows = rows_of_loss(args);
    return args->size[0] <= rows ? 1 : divide_up(args->size[0], rows);
}

/* Gives 0 if a row names no class, having said which one to the caller. */
static int report(const KernelArgs *args, const Part *all)
{
    if (all->wrong_row < 0) {
        return 1;
    }
    int64_t *wrong = args->data[args->ndim > 2 ? 5 : 4];
    wrong[0] = all->wrong_row;
    wrong[1] = all->wrong_class;
    return 0;
}

static void report_wrong(const KernelArgs *args, int64_t units)
{
    Part all = joined(args, units);
    report(args, &all);
}

/* The class that a row names, in [0, size[1]), or one of these. It is read once: whoever else holds the array may write there
   at any time. */
enum { IGNORED = -1, WRONG = -2 };

static int64_t class_of_row(const KernelArgs *args, const void *target, int64_t row, Part *part)
{
    int64_t class = ((const volatile int64_t *)target)[row];
    if (class == args->integer[1]) {
        return IGNORED;
    }
    if (class < 0 || class >= args->size[1]) {
        part->wrong_row = row;
        part->wrong_class = class;
        return WRONG;
    }
    return class;
}

#define LOSSES(T, type)                                                                                 \
    static double squares_##T(const type *a, const type *b, int64_t count)                              \
    {                                                                                                   \
        double total = 0.0;                                                                             \
        if (count < SHORT_LANES) {                                                                      \
            for (int64_t i = 0; i < count; i++) {                                                       \
                total += (double)((a[i] - b[i]) * (a[i] - b[i]));                                       \
            }                                                                                           \
        } else {                                                                                        \
            SUM_ALONG(type, total, count, (a[i] - b[i]) * (a[i] - b[i]));                               \
        }                                                                                               \
        return total;                                                                                   \
    }                                                                                                   \
    static void give_mse_##T(const KernelArgs *args, double total)                                      \
    {                                                                                                   \
        *(type *)args->data[2] = (type)(args->integer[0] ? total / (double)args->size[0] : total);       \
    }                                                                                                   \
    /* data = a, b, loss; size = {n}; integer[0] = 1 for the mean, 0 for the sum */                     \
    static void mse_loss_##T(const KernelArgs *args, int64_t from, int64_t to)                          \
    {                                                                                                   \
        const type *a = args->data[0];                                                                  \
        const type *b = args->data[1];                                                                  \
        if (args->size[0] <= SEGMENT) {                                                                 \
            give_mse_##T(args, squares_##T(a, b, args->size[0]));                                       \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t u = from; u < to; u++) {                                                           \
            int64_t first = u * SEGMENT;                                                                \
            int64_t count = args->size[0] - first < SEGMENT ? args->size[0] - first : SEGMENT;          \
            ((double *)args->workspace)[u] = squares_##T(a + first, b + first, count);                  \
        }                                                                                               \
    }                                                                                                   \
    static void finish_mse_loss_##T(const KernelArgs *args, int64_t units)                              \
    {                                                                                                   \
        double total = 0.0;                                                                             \
        for (int64_t u = 0; u < units; u++) {                                                           \
            total += ((const double *)args->workspace)[u];                                              \
        }                                                                                               \
        give_mse_##T(args, total);                                                                      \
    }                                                                                                   \
    /* data = g (one element), a, b, gradient of a */                                                   \
    static void mse_loss_backward_##T(const KernelArgs *args, int64_t from, int64_t to)                 \
    {                                                                                                   \
        const type *a = args->data[1];                                                                  \
        const type *b = args->data[2];                                                                  \
        type *out = args->data[3];                                                                      \
        double share = args->integer[0] ? 2.0 / (double)args->size[0] : 2.0;                             \
        type scale = (type)(share * (double)*(const type *)args->data[0]);                              \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            out[i] = scale * (a[i] - b[i]);                                                             \
        }                                                                                               \
    }                                                                                                   \
    static Part cross_entropy_rows_##T(const KernelArgs *args, int64_t from, int64_t to)                \
    {                                                                                                   \
        int64_t classes = args->size[1];                                                                \
        Part part = {0.0, 0.0, 0, -1, 0};                                                               \
        LEVEL(log_softmax_rows_##T)(args->data[0], args->data[3], from, to, args->size[0], classes);    \
        for (int64_t r = from; r < to; r++) {                                                           \
            type *log_probability = (type *)args->data[3] + r * classes;                                \
            int64_t class = class_of_row(args, args->data[1], r, &part);                                \
            if (class == WRONG) {                                                                       \
                break;                                                                                  \
            }                                                                                           \
            if (class != IGNORED) {                                                                     \
                part.total -= log_probability[class];                                                   \
                part.used++;                                                                            \
            }                                                                                           \
        }                                                                                               \
        return part;                                                                                    \
    }                                                                                                   \
    static void give_cross_entropy_##T(const KernelArgs *args, const Part *all)                         \
    {                                                                                                   \
        if (report(args, all)) {                                                                        \
            *(type *)args->data[2] = (type)(args->integer[0] ? all->total / (double)all->used : all->total); \
        }                                                                                               \
    }                                                                                                   \
    /* data = logits, target (int64), loss, log probabilities, wrong; size = {rows, classes}; integer = 1 for the mean or \
       0 for the sum, the target that is ignored */                                                     \
    static void cross_entropy_##T(const KernelArgs *args, int64_t from, int64_t to)                     \
    {                                                                                                   \
        int64_t rows = rows_of_loss(args);                                                           \
        if (args->size[0] <= rows) {                                                                    \
            Part all = cross_entropy_rows_##T(args, 0, args->size[0]);                                  \
            give_cross_entropy_##T(args, &all);                                                         \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t u = from; u < to; u++) {                                                           \
            int64_t end = (u + 1) * rows < args->size[0] ? (u + 1) * rows : args->size[0];              \
            ((Part *)args->workspace)[u] = cross_entropy_rows_##T(args, u * rows, end);                 \
        }                                                                                               \
    }                                                                                                   \
    static void finish_cross_entropy_##T(const KernelArgs *args, int64_t units)                         \
    {                                                                                                   \
        Part all = joined(args, units);                                                                 \
        give_cross_entropy_##T(args, &all);                                                             \
    }                                                                                                   \
    static Part cross_entropy_slopes_##T(const KernelArgs *args, int64_t from, int64_t to, type scale)  \
    {                                                                                                   \
        int64_t classes = args->size[1];                                                                \
        Part part = {0.0, 0.0, 0, -1, 0};                                                               \
        for (int64_t r = from; r < to; r++) {                                                           \
            const type *log_probability = (const type *)args->data[1] + r * classes;                    \
            type *out = (type *)args->data[3] + r * classes;                                            \
            int64_t class = class_of_row(args, args->data[2], r, &part);                                \
            if (class == WRONG) {                                                                       \
                break;                                                                                  \
            }                                                                                           \
            if (class == IGNORED) {                                                                     \
                memset(out, 0, (size_t)classes * sizeof(type));                                         \
                continue;                                                                               \
            }                                                                                           \
            exponentials_##T(log_probability, out, classes, 0);                                         \
            out[class] -= 1;                                                                            \
            for (int64_t i = 0; i < classes; i++) {                                                     \
                out[i] *= scale;                                                                        \
            }                                                                                           \
        }                                                                                               \
        return part;                                                                                    \
    }                                                                                                   \
    /* data = g (one element), log probabilities, target, gradient of the logits, wrong; the rest as above */ \
    static void cross_entropy_backward_##T(const KernelArgs *args, int64_t from, int64_t to)            \
    {                                                                                                   \
        int64_t rows = rows_of_loss(args);                                                           \
        double scale = (double)*(const type *)args->data[0];                                            \
        if (args->integer[0]) {                                                                          \
            int64_t used = 0;                                                                           \
            for (int64_t r = 0; r < args->size[0]; r++) {                                               \
                used += ((const int64_t *)args->data[2])[r] != args->integer[1];                        \
            }                                                                                           \
            scale /= (double)used;                                                                      \
        }                                                                                               \
        if (args->size[0] <= rows) {                                                                    \
            Part all = cross_entropy_slopes_##T(args, 0, args->size[0], (type)scale);                   \
            report(args, &all);                                                                         \
            return;                                                                                     \
        }                                                                                               \
        for (int64_t u = from; u < to; u++) {                                                           \
            int64_t end = (u + 1) * rows < args->size[0] ? (u + 1) * rows : args->size[0];              \
            ((Part *)args->workspace)[u] = cross_entropy_slopes_##T(args, u * rows, end, (type)scale);  \
        }                                                                                               \
    }

LOSSES(f32, float)
LOSSES(f64, double)

/* The score of each row's class, times minus the weight of the class: of {images, classes, places}, a row for each place. */
#define SCORES(T, type)                                                                                                \
    static Part nll_rows_##T(const KernelArgs *args, int64_t from, int64_t to)                                         \
    {                                                                                                                  \
        const int64_t classes = args->size[1], places = args->size[2];                                                 \
        const type *weight = args->data[2];                                                                            \
        type *losses = args->data[3];                                                                                  \
        Part part = {0.0, 0.0, 0, -1, 0};                                                                              \
        for (int64_t r = from * places; r < to * places; r++) {                                                        \
            int64_t class = class_of_row(args, args->data[1], r, &part);                                               \
            type loss = 0;                                                                                             \
            if (class == WRONG) {                                                                                      \
                break;                                                                                                 \
            }                                                                                                          \
            if (class != IGNORED) {                                                                                    \
                int64_t at = places == 1 ? r * classes + class : (r / places * classes + class) * places + r % places; \
                type factor = weight ? weight[class] : 1;                                                              \
                loss = ((const type *)args->data[0])[at] * -factor;                                                    \
                part.weights += (double)factor;                                                                        \
            }                                                                                                          \
            part.total += (double)loss;                                                                                \
            if (losses) {                                                                                              \
                losses[r] = loss;                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        return part;                                                                                                   \
    }                                                                                                                  \
    static void give_nll_##T(const KernelArgs *args, const Part *all)                                                  \
    {                                                                                                                  \
        if (report(args, all) && args->data[4]) {                                                                      \
            *(type *)args->data[4] = (type)(args->integer[0] ? all->total / all->weights : all->total);                \
        }                                                                                                              \
    }                                                                                                                  \
    /* data = scores, target (int64), weight or NULL, losses or NULL, loss or NULL, wrong; size = {images, classes, places};\
       integer = 1 for the mean or 0 for the sum, the target that is ignored */                                        \
    static void nll_##T(const KernelArgs *args, int64_t from, int64_t to)                                              \
    {                                                                                                                  \
        int64_t rows = rows_of_loss(args);                                                                             \
        if (args->size[0] <= rows) {                                                                                   \
            Part all = nll_rows_##T(args, 0, args->size[0]);                                                           \
            give_nll_##T(args, &all);                                                                                  \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t u = from; u < to; u++) {                                                                          \
            int64_t end = (u + 1) * rows < args->size[0] ? (u + 1) * rows : args->size[0];                             \
            ((Part *)args->workspace)[u] = nll_rows_##T(args, u * rows, end);                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void finish_nll_##T(const KernelArgs *args, int64_t units)                                                  \
    {                                                                                                                  \
        Part all = joined(args, units);                                                                                \
        give_nll_##T(args, &all);                                                                                      \
    }                                                                                                                  \
    static Part nll_slopes_##T(const KernelArgs *args, int64_t from, int64_t to, type each)                            \
    {                                                                                                                  \
        const int64_t classes = args->size[1], places = args->size[2];                                                 \
        const type *weight = args->data[1];                                                                            \
        const type *g = args->data[2];                                                                                 \
        type *out = args->data[4];                                                                                     \
        Part part = {0.0, 0.0, 0, -1, 0};                                                                              \
        memset(out + from * classes * places, 0, (size_t)((to - from) * classes * places) * sizeof(type));             \
        for (int64_t r = from * places; r < to * places; r++) {                                                        \
            int64_t class = class_of_row(args, args->data[0], r, &part);                                               \
            if (class == WRONG) {                                                                                      \
                break;                                                                                                 \
            }                                                                                                          \
            if (class != IGNORED) {                                                                                    \
                int64_t at = places == 1 ? r * classes + class : (r / places * classes + class) * places + r % places; \
                out[at] = (g ? g[r] : each) * -(weight ? weight[class] : (type)1);                                     \
            }                                                                                                          \
        }                                                                                                              \
        return part;                                                                                                   \
    }                                                                                                                  \
    /* data = target, weight or NULL, the gradient of the losses or NULL, else that of the loss, the gradient of the scores, wrong;\
       the rest as above */                                                                                            \
    static void nll_backward_##T(const KernelArgs *args, int64_t from, int64_t to)                                     \
    {                                                                                                                  \
        int64_t rows = rows_of_loss(args);                                                                             \
        const int64_t *target = args->data[0];                                                                         \
        const type *weight = args->data[1];                                                                            \
        double each = args->data[2] ? 0 : (double)*(const type *)args->data[3];                                        \
        if (args->integer[0] && !args->data[2]) {                                                                      \
            double weights = 0;                                                                                        \
            for (int64_t r = 0; r < args->size[0] * args->size[2]; r++) {                                              \
                int64_t class = ((const volatile int64_t *)target)[r];                                                 \
                if (class != args->integer[1] && class >= 0 && class < args->size[1]) {                                \
                    weights += weight ? (double)weight[class] : 1;                                                     \
                }                                                                                                      \
            }                                                                                                          \
            each /= weights;                                                                                           \
        }                                                                                                              \
        if (args->size[0] <= rows) {                                                                                   \
            Part all = nll_slopes_##T(args, 0, args->size[0], (type)each);                                             \
            report(args, &all);                                                                                        \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t u = from; u < to; u++) {                                                                          \
            int64_t end = (u + 1) * rows < args->size[0] ? (u + 1) * rows : args->size[0];                             \
            ((Part *)args->workspace)[u] = nll_slopes_##T(args, u * rows, end, (type)each);                            \
        }                                                                                                              \
    }

SCORES(f32, float)
SCORES(f64, double)

static size_t sums(const KernelArgs *args, int64_t units)
{
    (void)args;
    return (size_t)units * sizeof(double);
}

#define JOINED(name, T, CODE, cost, of, makes, set, where, cut, memory)                                        \
    {#name, CODE, name##_##T, cost, .inputs = of, .outputs = makes, .settings = set, .operands = where, .units = cut, \
     .workspace = memory, .finish = finish_##name##_##T},

#define CROSS_ENTROPY_OPERANDS "logits=ab target=i64:a loss=. log_probabilities=ab wrong=i64:2"

#define NLL_OPERANDS "input=abc target=i64:ac weight?=b losses?=ac loss?=. wrong=i64:2"

const Kernel LEVEL(loss_entries)[] = {
    JOINED(mse_loss, f32, DT_F32, 0.1f, 2, 1, ": mean", "input=a target=a loss=.", units_of_segments, sums)
    JOINED(mse_loss, f64, DT_F64, 0.2f, 2, 1, ": mean", "input=a target=a loss=.", units_of_segments, sums)
    BOTH_FLOATS(mse_loss_backward, 0.1f, 0.2f, .inputs = 3, .outputs = 1, .settings = ": mean",
                .operands = "grad=. input=a target=a out=a")
    JOINED(cross_entropy, f32, DT_F32, 0.4f, 2, 3, ": mean ignore_index", CROSS_ENTROPY_OPERANDS, segments_of_loss, parts)
    JOINED(cross_entropy, f64, DT_F64, 8.0f, 2, 3, ": mean ignore_index", CROSS_ENTROPY_OPERANDS, segments_of_loss, parts)
    BOTH_FLOATS(cross_entropy_backward, 0.3f, 8.0f, .inputs = 3, .outputs = 2, .settings = ": mean ignore_index",
                .operands = "grad=. log_probabilities=ab target=i64:a out=ab wrong=i64:2",
                .units = segments_of_loss, .workspace = parts, .finish = report_wrong, .coarse = 1)
    JOINED(nll, f32, DT_F32, 0.02f, 3, 3, ": mean ignore_index", NLL_OPERANDS, segments_of_loss, parts)
    JOINED(nll, f64, DT_F64, 0.02f, 3, 3, ": mean ignore_index", NLL_OPERANDS, segments_of_loss, parts)
    BOTH_FLOATS(nll_backward, 0.05f, 0.1f, .inputs = 4, .outputs = 2, .settings = ": mean ignore_index",
                .operands = "target=i64:ac weight?=b grads?=ac grad?=. out=abc wrong=i64:2",
                .units = segments_of_loss, .workspace = parts, .finish = report_wrong, .coarse = 1)
    {NULL},
};
