/* Optimizer steps over one contiguous parameter: size = {n}. Gradients are read, never written. */
#include <math.h>

#include "entries.h"

#define SQRT_f32 sqrtf
#define SQRT_f64 sqrt

#define STEPS(T, type)                                                                                  \
    /* data = param, grad, momentum buffer or NULL;                                                     \
       scalar = lr, momentum, dampening, weight_decay, nesterov, maximize, first (the buffer is set to the gradient). */ \
    static void sgd_##T(const KernelArgs *a, int64_t from, int64_t to)                                  \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *buffer = a->data[2];                                                                      \
                type lr = (type)a->scalar[0];                                                                   \
        type momentum = (type)a->scalar[1];                                                             \
        type weight_decay = (type)a->scalar[3];                                                         \
        type sign = a->scalar[5] ? -1 : 1;                                                              \
        int nesterov = a->scalar[4] != 0.0;                                                             \
        int first = a->scalar[6] != 0.0;                                                                \
        type take = (type)(1.0 - a->scalar[2]);                                                         \
        if (!buffer) {                                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = from; i < to; i++) {                                                        \
                param[i] -= lr * (sign * grad[i] + weight_decay * param[i]);                            \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                            \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            /* Before the first step the buffer may hold anything, NaN too: it is read, and not used. */\
            type kept = momentum * buffer[i] + take * g;                                                \
            type b = first ? g : kept;                                                                  \
            buffer[i] = b;                                                                              \
            param[i] -= lr * (nesterov ? g + momentum * b : b);                                         \
        }                                                                                               \
    }                                                                                                   \
    /* data = param, grad, m, v, largest v or NULL;                                                     \
       scalar = lr, beta1, beta2, eps, weight_decay, decoupled, step (from 1), maximize. */             \
    static void adam_##T(const KernelArgs *a, int64_t from, int64_t to)                                 \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[2];                                                                           \
        type *v = a->data[3];                                                                           \
        type *largest = a->data[4];                                                                     \
                double beta1 = a->scalar[1];                                                                    \
        double beta2 = a->scalar[2];                                                                    \
        int decoupled = a->scalar[5] != 0.0;                                                            \
        type take1 = (type)(1.0 - beta1);                                                               \
        type keep2 = (type)beta2;                                                                       \
        type take2 = (type)(1.0 - beta2);                                                               \
        type eps = (type)a->scalar[3];                                                                  \
        type shrink = decoupled ? (type)(1.0 - a->scalar[0] * a->scalar[4]) : 1;                        \
        type weight_decay = decoupled ? 0 : (type)a->scalar[4];                                         \
        type sign = a->scalar[7] ? -1 : 1;                                                              \
        type step_size = (type)(a->scalar[0] / (1.0 - pow(beta1, a->scalar[6])));                       \
        type root_scale = (type)(1.0 / sqrt(1.0 - pow(beta2, a->scalar[6])));                           \
        if (largest) {                                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = from; i < to; i++) {                                                        \
                type p = shrink * param[i];                                                             \
                type g = sign * grad[i] + weight_decay * p;                                             \
                type first = m[i] + take1 * (g - m[i]);                                                 \
                m[i] = first;                                                                           \
                type second = keep2 * v[i] + take2 * g * g;                                             \
                type top = second > largest[i] || second != second ? second : largest[i];               \
                v[i] = second;                                                                          \
                largest[i] = top;                                                                       \
                param[i] = p - step_size * first / (SQRT_##T(top) * root_scale + eps);                   \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = from; i < to; i++) {                                                            \
            type p = shrink * param[i];                                                                 \
            type g = sign * grad[i] + weight_decay * p;                                                 \
            type first = m[i] + take1 * (g - m[i]);                                                      \
            type second = keep2 * v[i] + take2 * g * g;                                                 \
            m[i] = first;                                                                               \
            v[i] = second;                                                                              \
            param[i] = p - step_size * first / (SQRT_##T(second) * root_scale + eps);                   \
        }                                                                                               \
    }                                                                                                   \
    /* data = param, grad, mean square, mean gradient or NULL, momentum buffer or NULL;                 \
       scalar = lr, alpha, eps, weight_decay, momentum, maximize. */                                    \
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
        type sign = a->scalar[5] ? -1 : 1;                                                              \
        for (int64_t i = from; i < to; i++) {                                                            \
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
    }

STEPS(f32, float)
STEPS(f64, double)

#define BOTH_FLOATS(name, single, wide, ...)                                                            \
    {#name, DT_F32, name##_f32, single, __VA_ARGS__}, {#name, DT_F64, name##_f64, wide, __VA_ARGS__},

const Kernel LEVEL(step_entries)[] = {
    BOTH_FLOATS(sgd, 0.2f, 0.4f, .inputs = 3, .in_place = 1 | 4, .operands = "a a a",
                .settings = "lr momentum dampening weight_decay nesterov maximize first")
    BOTH_FLOATS(adam, 0.3f, 0.8f, .inputs = 5, .in_place = 1 | 4 | 8 | 16, .operands = "a a a a a",
                .settings = "lr beta1 beta2 eps weight_decay decoupled step maximize")
    BOTH_FLOATS(rmsprop, 0.3f, 0.8f, .inputs = 5, .in_place = 1 | 4 | 8 | 16, .operands = "a a a a a",
                .settings = "lr alpha eps weight_decay momentum maximize")
    {NULL},
};
