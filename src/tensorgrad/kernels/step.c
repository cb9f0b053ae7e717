/* Optimizer steps over one contiguous parameter: size = {n}. Operands and settings stand in the order of the declarations at the
   end; gradients are read, never written. What depends on the settings alone is computed in double, once a piece. */
#include <math.h>

#include "entries.h"

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
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[2];                                                                           \
        type *v = a->data[3];                                                                           \
        type *largest = a->data[4];                                                                     \
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
        type sign = a->integer[1] ? -1 : 1;                                                             \
        type step_size = (type)(lr / (1.0 - pow(beta1, step)));                                         \
        type root_scale = (type)(1.0 / sqrt(1.0 - pow(beta2, step)));                                   \
        if (largest) {                                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = from; i < to; i++) {                                                       \
                type p = shrink * param[i];                                                             \
                type g = sign * grad[i] + weight_decay * p;                                             \
                type first = m[i] + take1 * (g - m[i]);                                                 \
                m[i] = first;                                                                           \
                type second = keep2 * v[i] + take2 * g * g;                                             \
                type top = second > largest[i] || second != second ? second : largest[i];               \
                v[i] = second;                                                                          \
                largest[i] = top;                                                                       \
                param[i] = p - step_size * first / (SQRT_##T(top) * root_scale + eps);                  \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            type p = shrink * param[i];                                                                 \
            type g = sign * grad[i] + weight_decay * p;                                                 \
            type first = m[i] + take1 * (g - m[i]);                                                     \
            type second = keep2 * v[i] + take2 * g * g;                                                 \
            m[i] = first;                                                                               \
            v[i] = second;                                                                              \
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
    /* The product of all momenta so far is one number: the last unit to be joined writes it. */        \
    static float nadam_product_##T(const KernelArgs *a)                                                 \
    {                                                                                                   \
        double now = a->scalar[1] * (1.0 - 0.5 * pow(0.96, a->scalar[6] * a->scalar[5]));               \
        return *(const float *)a->data[2] * (float)now;                                                 \
    }                                                                                                   \
    static void nadam_##T(const KernelArgs *a, int64_t from, int64_t to)                                \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[3];                                                                           \
        type *v = a->data[4];                                                                           \
        double lr = a->scalar[0];                                                                       \
        double beta1 = a->scalar[1];                                                                    \
        double beta2 = a->scalar[2];                                                                    \
        double step = a->scalar[6];                                                                     \
        double now = beta1 * (1.0 - 0.5 * pow(0.96, step * a->scalar[5]));                              \
        double ahead = beta1 * (1.0 - 0.5 * pow(0.96, (step + 1.0) * a->scalar[5]));                    \
        float product = nadam_product_##T(a);                                                           \
        int decoupled = a->integer[0] != 0;                                                             \
        type take1 = (type)(1.0 - beta1);                                                               \
        type keep2 = (type)beta2;                                                                       \
        type take2 = (type)(1.0 - beta2);                                                               \
        type eps = (type)a->scalar[3];                                                                  \
        type shrink = decoupled ? (type)(1.0 - lr * a->scalar[4]) : 1;                                  \
        type weight_decay = decoupled ? 0 : (type)a->scalar[4];                                         \
        type sign = a->integer[1] ? -1 : 1;                                                             \
        type of_grad = (type)(lr * (1.0 - now) / (1.0 - product));                                      \
        type of_mean = (type)(lr * ahead / (1.0 - product * ahead));                                    \
        type root_scale = (type)(1.0 / sqrt(1.0 - pow(beta2, step)));                                   \
        int64_t end = to * SEGMENT < a->size[0] ? to * SEGMENT : a->size[0];                            \
        INDEPENDENT                                                                                     \
        for (int64_t i = from * SEGMENT; i < end; i++) {                                                \
            type p = shrink * param[i];                                                                 \
            type g = sign * grad[i] + weight_decay * p;                                                 \
            type first = m[i] + take1 * (g - m[i]);                                                     \
            type second = keep2 * v[i] + take2 * g * g;                                                 \
            m[i] = first;                                                                               \
            v[i] = second;                                                                              \
            param[i] = p - (of_grad * g + of_mean * first) / (SQRT_##T(second) * root_scale + eps);     \
        }                                                                                               \
        if (a->size[0] <= SEGMENT) {                                                                    \
            *(float *)a->data[2] = product;                                                             \
        }                                                                                               \
    }                                                                                                   \
    static void finish_nadam_##T(const KernelArgs *a, int64_t units)                                    \
    {                                                                                                   \
        (void)units;                                                                                    \
        *(float *)a->data[2] = nadam_product_##T(a);                                                    \
    }                                                                                                   \
    static void radam_##T(const KernelArgs *a, int64_t from, int64_t to)                                \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[2];                                                                           \
        type *v = a->data[3];                                                                           \
        double lr = a->scalar[0];                                                                       \
        double beta2 = a->scalar[2];                                                                    \
        double step = a->scalar[5];                                                                     \
        double left = pow(beta2, step);                                                                 \
        /* how many gradients the mean square rests on in the end, and by now */                        \
        double longest = 2.0 / (1.0 - beta2) - 1.0;                                                     \
        double length = longest - 2.0 * step * left / (1.0 - left);                                     \
        double trust = length > 5.0 ? sqrt((length - 4.0) * (length - 2.0) * longest                    \
                                           / ((longest - 4.0) * (longest - 2.0) * length)) : 1.0;       \
        int decoupled = a->integer[0] != 0;                                                             \
        int by_root = length > 5.0;                                                                     \
        type take1 = (type)(1.0 - a->scalar[1]);                                                        \
        type keep2 = (type)beta2;                                                                       \
        type take2 = (type)(1.0 - beta2);                                                               \
        type eps = (type)a->scalar[3];                                                                  \
        type shrink = decoupled ? (type)(1.0 - lr * a->scalar[4]) : 1;                                  \
        type weight_decay = decoupled ? 0 : (type)a->scalar[4];                                         \
        type sign = a->integer[1] ? -1 : 1;                                                             \
        type step_size = (type)(lr / (1.0 - pow(a->scalar[1], step)) * trust * (by_root ? sqrt(1.0 - left) : 1.0)); \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                           \
            type p = shrink * param[i];                                                                 \
            type g = sign * grad[i] + weight_decay * p;                                                 \
            type first = m[i] + take1 * (g - m[i]);                                                     \
            type second = keep2 * v[i] + take2 * g * g;                                                 \
            m[i] = first;                                                                               \
            v[i] = second;                                                                              \
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

static int64_t segments(const KernelArgs *a)
{
    return a->size[0] <= SEGMENT ? 1 : divide_up(a->size[0], SEGMENT);
}

static size_t nothing_apart(const KernelArgs *a, int64_t units)
{
    (void)a;
    (void)units;
    return 0;
}

#define NADAM(T, CODE, nanoseconds)                                                                     \
    {"nadam", CODE, nadam_##T, nanoseconds, .inputs = 5, .in_place = 1 | 4 | 8 | 16,                    \
     .operands = "param=a grad=a mu_product=f32:. mean=a square=a",                                     \
     .settings = "lr beta1 beta2 eps weight_decay momentum_decay step : decoupled_weight_decay maximize", \
     .units = segments, .workspace = nothing_apart, .finish = finish_nadam_##T},

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
