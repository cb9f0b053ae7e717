/* Optimizer steps over one contiguous parameter: size = {n}. Operands and settings stand in the order of the declarations at the
   end; gradients are read, never written. What depends on the settings alone is computed in double, once a piece. */
#include <math.h>

#include "entries.h"

/* What Adam and its kin read first: their rows below begin with the same settings. `at` is the operand of the mean. */
#define TWO_MOMENTS(type, at)                                                                           \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[at];                                                                          \
        type *v = a->data[at + 1];                                                                      \
        double lr = a->scalar[0];                                                                       \
        double beta1 = a->scalar[1];                                                                    \
        double beta2 = a->scalar[2];                                                                    \
        double step = a->scalar[5];                                                                     \
        int decoupled = a->integer[0] != 0;                                                             \
        type take1 = (type)(1.0 - beta1);                                                               \
        type keep2 = (type)beta2;                                                                       \
        type take2 = (type)(1.0 - beta2);                                                               \
        type eps = (type)a->scalar[3];                                                                  \
        type shrink = decoupled ? (type)(1.0 - lr * a->scalar[4]) : 1;                                  \
        type weight_decay = decoupled ? 0 : (type)a->scalar[4];                                         \
        type sign = a->integer[1] ? -1 : 1;

/* And do first with each element: its gradient g, and what it becomes of both moments. */
#define MOVE_MOMENTS(type)                                                                              \
                type p = shrink * param[i];                                                             \
                type g = sign * grad[i] + weight_decay * p;                                             \
                type first = m[i] + take1 * (g - m[i]);                                                 \
                type second = keep2 * v[i] + take2 * g * g;                                             \
                m[i] = first;                                                                           \
                v[i] = second;

/* The momentum of NAdam at a step. */
static double momentum_at(const KernelArgs *a, double step)
{
    return a->scalar[1] * (1.0 - 0.5 * pow(0.96, step * a->scalar[6]));
}

/* The product of all its momenta, this step's with them: one number, which is written once all units have read it. */
static float momenta_till_now(const KernelArgs *a)
{
    return *(const float *)a->data[2] * (float)momentum_at(a, a->scalar[5]);
}

static void finish_nadam(const KernelArgs *a, int64_t units)
{
    (void)units;
    *(float *)a->data[2] = momenta_till_now(a);
}

#define STEPS(T, type)                                                                                  \
    static void sgd_##T(const KernelArgs *a, int64_t from, int64_t to)                                  \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *buffer = a->data[2];                                                                      \
        type lr = (type)a->scalar[0];                                                                   \
        type momentum = (type)a->scalar[1];                                                             \
        type take = (type)(1.0 - a->scalar[2]);                                                         \
        type weight_decay = (type)a->scalar[3];                                                         \
        int nesterov = a->integer[0] != 0;                                                              \
        type sign = a->integer[1] ? -1 : 1;                                                             \
        if (!buffer) {                                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = from; i < to; i++) {                                                       \
                param[i] -= lr * (sign * grad[i] + weight_decay * param[i]);                            \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            type b = momentum * buffer[i] + take * g;                                                   \
            buffer[i] = b;                                                                              \
            param[i] -= lr * (nesterov ? g + momentum * b : b);                                         \
        }                                                                                               \
    }                                                                                                   \
    static void adam_##T(const KernelArgs *a, int64_t from, int64_t to)                                 \
    {                                                                                                   \
        TWO_MOMENTS(type, 2)                                                                            \
        type *largest = a->data[4];                                                                     \
        type step_size = (type)(lr / (1.0 - pow(beta1, step)));                                         \
        type root_scale = (type)(1.0 / sqrt(1.0 - pow(beta2, step)));                                   \
        if (largest) {                                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = from; i < to; i++) {                                                       \
                MOVE_MOMENTS(type)                                                                      \
                type top = second > largest[i] || second != second ? second : largest[i];               \
                largest[i] = top;                                                                       \
                param[i] = p - step_size * first / (SQRT_##T(top) * root_scale + eps);                  \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            MOVE_MOMENTS(type)                                                                          \
            param[i] = p - step_size * first / (SQRT_##T(second) * root_scale + eps);                   \
        }                                                                                               \
    }                                                                                                   \
    static void adamax_##T(const KernelArgs *a, int64_t from, int64_t to)                               \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[2];                                                                           \
        type *largest = a->data[3];                                                                     \
        type take1 = (type)(1.0 - a->scalar[1]);                                                        \
        type keep2 = (type)a->scalar[2];                                                                \
        type eps = (type)a->scalar[3];                                                                  \
        type weight_decay = (type)a->scalar[4];                                                         \
        type step_size = (type)(a->scalar[0] / (1.0 - pow(a->scalar[1], a->scalar[5])));                \
        type sign = a->integer[0] ? -1 : 1;                                                             \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            type first = m[i] + take1 * (g - m[i]);                                                     \
            type size = (g < 0 ? -g : g) + eps;                                                         \
            type old = keep2 * largest[i];                                                              \
            type top = old > size || old != old ? old : size;                                           \
            m[i] = first;                                                                               \
            largest[i] = top;                                                                           \
            param[i] -= step_size * first / top;                                                        \
        }                                                                                               \
    }                                                                                                   \
    static void nadam_##T(const KernelArgs *a, int64_t from, int64_t to)                                \
    {                                                                                                   \
        TWO_MOMENTS(type, 3)                                                                            \
        double now = momentum_at(a, step);                                                              \
        double ahead = momentum_at(a, step + 1.0);                                                      \
        float product = momenta_till_now(a);                                                            \
        type of_grad = (type)(lr * (1.0 - now) / (1.0 - product));                                      \
        type of_mean = (type)(lr * ahead / (1.0 - product * ahead));                                    \
        type root_scale = (type)(1.0 / sqrt(1.0 - pow(beta2, step)));                                   \
        int64_t end = to * SEGMENT < a->size[0] ? to * SEGMENT : a->size[0];                            \
        INDEPENDENT                                                                                     \
        for (int64_t i = from * SEGMENT; i < end; i++) {                                                \
            MOVE_MOMENTS(type)                                                                          \
            param[i] = p - (of_grad * g + of_mean * first) / (SQRT_##T(second) * root_scale + eps);     \
        }                                                                                               \
        if (units_of_segments(a) == 1) {                                                                \
            finish_nadam(a, 1);                                                                         \
        }                                                                                               \
    }                                                                                                   \
    static void radam_##T(const KernelArgs *a, int64_t from, int64_t to)                                \
    {                                                                                                   \
        TWO_MOMENTS(type, 2)                                                                            \
        double left = pow(beta2, step);                                                                 \
        /* how many gradients the mean square rests on in the end, and by now */                        \
        double longest = 2.0 / (1.0 - beta2) - 1.0;                                                     \
        double length = longest - 2.0 * step * left / (1.0 - left);                                     \
        double trust = length > 5.0 ? sqrt((length - 4.0) * (length - 2.0) * longest                    \
                                           / ((longest - 4.0) * (longest - 2.0) * length)) : 1.0;       \
        int by_root = length > 5.0;                                                                     \
        type step_size = (type)(lr / (1.0 - pow(beta1, step)) * trust * (by_root ? sqrt(1.0 - left) : 1.0)); \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            MOVE_MOMENTS(type)                                                                          \
            param[i] = p - step_size * first / (by_root ? SQRT_##T(second) + eps : 1);                  \
        }                                                                                               \
    }                                                                                                   \
    static void rmsprop_##T(const KernelArgs *a, int64_t from, int64_t to)                              \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *square = a->data[2];                                                                      \
        type *mean = a->data[3];                                                                        \
        type *buffer = a->data[4];                                                                      \
        type lr = (type)a->scalar[0];                                                                   \
        type keep = (type)a->scalar[1];                                                                 \
        type take = (type)(1.0 - a->scalar[1]);                                                         \
        type eps = (type)a->scalar[2];                                                                  \
        type weight_decay = (type)a->scalar[3];                                                         \
        type momentum = (type)a->scalar[4];                                                             \
        type sign = a->integer[0] ? -1 : 1;                                                             \
        for (int64_t i = from; i < to; i++) {                                                           \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            type second = keep * square[i] + take * g * g;                                              \
            type spread = second;                                                                       \
            square[i] = second;                                                                         \
            if (mean) {                                                                                 \
                mean[i] += take * (g - mean[i]);                                                        \
                spread -= mean[i] * mean[i];                                                            \
            }                                                                                           \
            type step = g / (SQRT_##T(spread) + eps);                                                   \
            if (buffer) {                                                                               \
                step = momentum * buffer[i] + step;                                                     \
                buffer[i] = step;                                                                       \
            }                                                                                           \
            param[i] -= lr * step;                                                                      \
        }                                                                                               \
    }                                                                                                   \
    static void adagrad_##T(const KernelArgs *a, int64_t from, int64_t to)                              \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *sum = a->data[2];                                                                         \
        type lr = (type)(a->scalar[0] / (1.0 + (a->scalar[4] - 1.0) * a->scalar[1]));                   \
        type weight_decay = (type)a->scalar[2];                                                         \
        type eps = (type)a->scalar[3];                                                                  \
        type sign = a->integer[0] ? -1 : 1;                                                             \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            type total = sum[i] + g * g;                                                                \
            sum[i] = total;                                                                             \
            param[i] -= lr * g / (SQRT_##T(total) + eps);                                               \
        }                                                                                               \
    }                                                                                                   \
    static void adadelta_##T(const KernelArgs *a, int64_t from, int64_t to)                             \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *square = a->data[2];                                                                      \
        type *moved = a->data[3];                                                                       \
        type lr = (type)a->scalar[0];                                                                   \
        type keep = (type)a->scalar[1];                                                                 \
        type take = (type)(1.0 - a->scalar[1]);                                                         \
        type eps = (type)a->scalar[2];                                                                  \
        type weight_decay = (type)a->scalar[3];                                                         \
        type sign = a->integer[0] ? -1 : 1;                                                             \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            type second = keep * square[i] + take * g * g;                                              \
            type delta = SQRT_##T(moved[i] + eps) / SQRT_##T(second + eps) * g;                         \
            square[i] = second;                                                                         \
            moved[i] = keep * moved[i] + take * delta * delta;                                          \
            param[i] -= lr * delta;                                                                     \
        }                                                                                               \
    }

STEPS(f32, float)
STEPS(f64, double)

#define NADAM(T, CODE, nanoseconds)                                                                     \
    {"nadam", CODE, nadam_##T, nanoseconds, .inputs = 5, .in_place = 1 | 4 | 8 | 16,                    \
     .operands = "param=a grad=a mu_product=f32:. mean=a square=a",                                     \
     .settings = "lr beta1 beta2 eps weight_decay step momentum_decay : decoupled_weight_decay maximize", \
     .units = units_of_segments, .finish = finish_nadam},

const Kernel LEVEL(step_entries)[] = {
    BOTH_FLOATS(sgd, 0.2f, 0.4f, .inputs = 3, .in_place = 1 | 4, .operands = "param=a grad=a buffer?=a",
                .settings = "lr momentum dampening weight_decay : nesterov maximize")
    BOTH_FLOATS(adam, 0.3f, 0.8f, .inputs = 5, .in_place = 1 | 4 | 8 | 16,
                .operands = "param=a grad=a mean=a square=a largest?=a",
                .settings = "lr beta1 beta2 eps weight_decay step : decoupled_weight_decay maximize")
    BOTH_FLOATS(adamax, 0.3f, 0.8f, .inputs = 4, .in_place = 1 | 4 | 8, .operands = "param=a grad=a mean=a largest=a",
                .settings = "lr beta1 beta2 eps weight_decay step : maximize")
    NADAM(f32, DT_F32, 0.3f)
    NADAM(f64, DT_F64, 0.8f)
    BOTH_FLOATS(radam, 0.3f, 0.8f, .inputs = 4, .in_place = 1 | 4 | 8, .operands = "param=a grad=a mean=a square=a",
                .settings = "lr beta1 beta2 eps weight_decay step : decoupled_weight_decay maximize")
    BOTH_FLOATS(rmsprop, 0.3f, 0.8f, .inputs = 5, .in_place = 1 | 4 | 8 | 16,
                .operands = "param=a grad=a square=a mean?=a buffer?=a",
                .settings = "lr alpha eps weight_decay momentum : maximize")
    BOTH_FLOATS(adagrad, 0.3f, 0.8f, .inputs = 3, .in_place = 1 | 4, .operands = "param=a grad=a sum=a",
                .settings = "lr lr_decay weight_decay eps step : maximize")
    BOTH_FLOATS(adadelta, 0.5f, 1.2f, .inputs = 4, .in_place = 1 | 4 | 8, .operands = "param=a grad=a square=a moved=a",
                .settings = "lr rho eps weight_decay : maximize")
    {NULL},
};
