/* Optimizer steps over one contiguous parameter: size = {n}. Gradients are read, never written. */
#include <math.h>

#include "entries.h"

#define SQRT_f32 sqrtf
#define SQRT_f64 sqrt

#define STEPS(T, type)                                                                                  \
    /* data = param, grad, momentum buffer or NULL;                                                     \
       scalar = lr, momentum, dampening, weight_decay, nesterov, maximize, first (the buffer is set to the gradient). */ \
    static void sgd_##T(const KernelArgs *a)                                                            \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *buffer = a->data[2];                                                                      \
        int64_t count = a->size[0];                                                                     \
        type lr = (type)a->scalar[0];                                                                   \
        type momentum = (type)a->scalar[1];                                                             \
        type weight_decay = (type)a->scalar[3];                                                         \
        type sign = a->scalar[5] ? -1 : 1;                                                              \
        int nesterov = a->scalar[4] != 0.0;                                                             \
        type keep = a->scalar[6] ? 0 : momentum;                                                        \
        type take = a->scalar[6] ? 1 : (type)(1.0 - a->scalar[2]);                                      \
        if (!buffer) {                                                                                  \
            INDEPENDENT                                                                                 \
            for (int64_t i = 0; i < count; i++) {                                                       \
                param[i] -= lr * (sign * grad[i] + weight_decay * param[i]);                            \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            type g = sign * grad[i] + weight_decay * param[i];                                          \
            type b = keep * buffer[i] + take * g;                                                       \
            buffer[i] = b;                                                                              \
            param[i] -= lr * (nesterov ? g + momentum * b : b);                                         \
        }                                                                                               \
    }                                                                                                   \
    /* data = param, grad, m, v, largest v or NULL;                                                     \
       scalar = lr, beta1, beta2, eps, weight_decay, decoupled, step (from 1), maximize. */             \
    static void adam_##T(const KernelArgs *a)                                                           \
    {                                                                                                   \
        type *param = a->data[0];                                                                       \
        const type *grad = a->data[1];                                                                  \
        type *m = a->data[2];                                                                           \
        type *v = a->data[3];                                                                           \
        type *largest = a->data[4];                                                                     \
        int64_t count = a->size[0];                                                                     \
        double beta1 = a->scalar[1];                                                                    \
        double beta2 = a->scalar[2];                                                                    \
        int decoupled = a->scalar[5] != 0.0;                                                            \
        type keep1 = (type)beta1;                                                                       \
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
            for (int64_t i = 0; i < count; i++) {                                                       \
                type p = shrink * param[i];                                                             \
                type g = sign * grad[i] + weight_decay * p;                                             \
                m[i] = keep1 * m[i] + take1 * g;                                                        \
                type second = keep2 * v[i] + take2 * g * g;                                             \
                type top = second > largest[i] || second != second ? second : largest[i];               \
                v[i] = second;                                                                          \
                largest[i] = top;                                                                       \
                param[i] = p - step_size * m[i] / (SQRT_##T(top) * root_scale + eps);                   \
            }                                                                                           \
            return;                                                                                     \
        }                                                                                               \
        INDEPENDENT                                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                           \
            type p = shrink * param[i];                                                                 \
            type g = sign * grad[i] + weight_decay * p;                                                 \
            type first = keep1 * m[i] + take1 * g;                                                      \
            type second = keep2 * v[i] + take2 * g * g;                                                 \
            m[i] = first;                                                                               \
            v[i] = second;                                                                              \
            param[i] = p - step_size * first / (SQRT_##T(second) * root_scale + eps);                   \
        }                                                                                               \
    }

STEPS(f32, float)
STEPS(f64, double)

const KernelEntry LEVEL(step_entries)[] = {
    {"sgd", DT_F32, sgd_f32},
    {"sgd", DT_F64, sgd_f64},
    {"adam", DT_F32, adam_f32},
    {"adam", DT_F64, adam_f64},
    {NULL, 0, NULL},
};
