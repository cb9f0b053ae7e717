/* Losses element by element: each, or their sum over a number, and the way back. The formulas stand in point_losses.h. */
#include "activations.h"
#include "entries.h"
#include "math64.h"
#include "rows.h"

#define CHUNK 512       /* elements computed at once: they stay in the first cache */

/* What a segment leaves: the sum of its losses, and whether an element lay outside of where it must. */
typedef struct Part {
    double total;
    int64_t wrong;
} Part;

static size_t parts(const KernelArgs *a, int64_t units)
{
    (void)a;
    return (size_t)units * sizeof(Part);
}

#define SHARE_OF(e) ((e) / ((e) + 1))

#define real float
#define NAMED(name) name##_f32
#define ABS(x) abs32(x)
#define EXP(x) exp32(x)
#define LOG(x) log32(x)
#define LOG1P(x) log1p_32(x)
#define SIGMOID(x) sigmoid32(x)
#define LOG_SIGMOID(x) log_sigmoid32(x)
#include "point_losses.h"
#undef real
#undef NAMED
#undef ABS
#undef EXP
#undef LOG
#undef LOG1P
#undef SIGMOID
#undef LOG_SIGMOID

#define real double
#define NAMED(name) name##_f64
#define ABS(x) fabs(x)
#define EXP(x) exp64(x)
#define LOG(x) log64(x)
#define LOG1P(x) log1p_64(x)
#define SIGMOID(x) sigmoid64(x)
#define LOG_SIGMOID(x) log_sigmoid64(x)
#include "point_losses.h"

#define FORWARD "input=a target=a other?=a weight?=a losses?=a loss?=. wrong?=i64:."
#define BACKWARD "input=a target=a other?=a grads?=a grad?=. of_input?=a of_target?=a of_other?=a"
#define LINES(name, CODE, T, cost_, set)                                                                               \
    {#name, CODE, name##_##T, cost_, .inputs = 4, .outputs = 3, .settings = set ": divisor", .operands = FORWARD,      \
     .units = units_of_segments, .workspace = parts, .finish = finish_##T},                                            \
    {#name "_backward", CODE, name##_backward_##T, cost_, .inputs = 5, .outputs = 3, .settings = set ": divisor",      \
     .operands = BACKWARD, .units = units_of_segments},
#define LOSS(name, single, wide, set) LINES(name, DT_F32, f32, single, set) LINES(name, DT_F64, f64, wide, set)

const Kernel LEVEL(point_loss_entries)[] = {
    LOSS(l1_loss, 0.15f, 0.3f, "")
    LOSS(smooth_l1_loss, 0.2f, 0.4f, "beta")
    LOSS(huber_loss, 0.2f, 0.4f, "delta")
    LOSS(binary_cross_entropy, 0.8f, 3.0f, "")
    LOSS(binary_cross_entropy_with_logits, 0.5f, 2.0f, "")
    LOSS(binary_cross_entropy_with_logits_pos_weight, 0.6f, 2.5f, "")
    LOSS(soft_margin_loss, 0.6f, 2.5f, "")
    LOSS(kl_div, 0.4f, 1.5f, "")
    LOSS(kl_div_log_target, 0.4f, 1.5f, "")
    LOSS(poisson_nll_loss, 0.4f, 1.5f, "")
    LOSS(poisson_nll_loss_rate, 0.4f, 1.5f, "eps")
    LOSS(gaussian_nll_loss, 0.5f, 1.5f, "eps constant")
    LOSS(hinge_embedding_loss, 0.2f, 0.4f, "margin")
    LOSS(margin_ranking_loss, 0.2f, 0.4f, "margin")
    {NULL},
};
