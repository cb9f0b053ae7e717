/* Losses element by element, of the float type `real`: point_losses.c includes this for each of the two. A formula is of the
 * input x, the target y and, for those of three, z; s0 and s1 are settings, and g is the gradient that arrives.
 *
 * LOSS2(name, value, by_x, by_y)             what it comes to, and the gradients of x and y
 * LOSS3(name, value, by_x, by_y, by_z)       the same with z
 *
 * Where PyTorch chose something at a tie, an end or a NaN, so does this.
 */

/* A formula of `count` elements, a whole number of blocks, into `out`. */
typedef void (*NAMED(Curve))(const real *gs, const real *xs, const real *ys, const real *zs, real *out, int64_t count,
                             const double *scalar);

typedef struct NAMED(Formula) {
    NAMED(Curve) value, by[3];
    int within;                     /* whether x and y must lie from 0 to 1 */
} NAMED(Formula);

#define CURVE(function, expression)                                                                                    \
    static void NAMED(function)(const real *gs, const real *xs, const real *ys, const real *zs, real *out, int64_t count, \
                                const double *scalar)                                                                  \
    {                                                                                                                  \
        const real s0 = (real)scalar[0], s1 = (real)scalar[1];                                                         \
        (void)s0;                                                                                                      \
        (void)s1;                                                                                                      \
        INDEPENDENT                                                                                                    \
        for (int64_t i = 0; i < (count & -(int64_t)PART); i++) {                                                       \
            const real g = gs[i], x = xs[i], y = ys[i], z = zs[i];                                                     \
            (void)g;                                                                                                   \
            (void)x;                                                                                                   \
            (void)y;                                                                                                   \
            (void)z;                                                                                                   \
            out[i] = expression;                                                                                       \
        }                                                                                                              \
    }

/* The last few go through a padded block. */
static NEVER_INLINE void NAMED(apply)(NAMED(Curve) curve, const real *gs, const real *xs, const real *ys, const real *zs,
                                      real *out, int64_t count, const double *scalar)
{
    int64_t part = count % PART, whole = count - part;
    if (whole) {
        curve(gs, xs, ys, zs, out, whole, scalar);
    }
    if (part) {
        const real *from[4] = {gs, xs, ys, zs};
        real block[5][PART];
        for (int k = 0; k < 4; k++) {
            NAMED(load_part)(block[k], from[k] + whole, part, 0);
        }
        curve(block[0], block[1], block[2], block[3], block[4], PART, scalar);
        NAMED(store_part)(out + whole, block[4], part);
    }
}

static int NAMED(strays)(const real *x, int64_t count)
{
    int wrong = 0;
    for (int64_t i = 0; i < count; i++) {
        wrong |= !((x[i] >= 0) & (x[i] <= 1));
    }
    return wrong;
}

/* The losses of some elements to `losses`, unless that is NULL; gives their sum. */
static Part NAMED(losses_of)(const KernelArgs *a, const NAMED(Formula) *formula, int64_t first, int64_t count)
{
    const real *x = (const real *)a->data[0] + first;
    const real *y = (const real *)a->data[1] + first;
    const real *z = a->data[2] ? (const real *)a->data[2] + first : x;
    const real *weight = a->data[3] ? (const real *)a->data[3] + first : NULL;
    real *losses = a->data[4] ? (real *)a->data[4] + first : NULL;
    Part part = {0.0, 0};
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = count - done < CHUNK ? count - done : CHUNK;
        real made[CHUNK];
        double total;
        real *to = losses && !weight && !a->data[5] ? losses + done : made;
        if (formula->within) {
            part.wrong |= NAMED(strays)(x + done, n) | NAMED(strays)(y + done, n);
        }
        NAMED(apply)(formula->value, x + done, x + done, y + done, z + done, to, n, a->scalar);
        for (int64_t i = 0; weight && i < n; i++) {
            made[i] *= weight[done + i];
        }
        if (a->data[5]) {
            SUM_ALONG(real, total, n, made[i]);
            part.total += total;
        }
        if (losses && to == made) {
            memcpy(losses + done, made, (size_t)n * sizeof(real));
        }
    }
    return part;
}

static void NAMED(give)(const KernelArgs *a, Part all)
{
    if (a->data[5]) {
        *(real *)a->data[5] = (real)(all.total / (double)a->integer[0]);
    }
    if (a->data[6]) {
        *(int64_t *)a->data[6] = all.wrong;
    }
}

/* data = input, target, other, weight (the two may be NULL), losses or NULL, loss or NULL, whether an element lies outside of
   where it must, or NULL; integer[0] is what the sum is divided by. */
static void NAMED(forward)(const KernelArgs *a, const NAMED(Formula) *formula, int64_t from, int64_t to)
{
    int64_t count = a->size[0];
    if (count <= SEGMENT) {
        NAMED(give)(a, NAMED(losses_of)(a, formula, 0, count));
        return;
    }
    for (int64_t u = from; u < to; u++) {
        int64_t left = count - u * SEGMENT;
        ((Part *)a->workspace)[u] = NAMED(losses_of)(a, formula, u * SEGMENT, left < SEGMENT ? left : SEGMENT);
    }
}

static void NAMED(finish)(const KernelArgs *a, int64_t units)
{
    Part all = {0.0, 0};
    for (int64_t u = 0; u < units; u++) {
        all.total += ((const Part *)a->workspace)[u].total;
        all.wrong |= ((const Part *)a->workspace)[u].wrong;
    }
    NAMED(give)(a, all);
}

/* data = input, target, other or NULL, the gradient of the losses or NULL, else that of the loss, then the gradients of the three,
   each or NULL; the rest as above. Several of them are computed apart first, as one may lie where an operand does. */
static void NAMED(backward)(const KernelArgs *a, const NAMED(Formula) *formula, int64_t from, int64_t to)
{
    const int64_t first = from * SEGMENT;
    const int64_t count = (to * SEGMENT < a->size[0] ? to * SEGMENT : a->size[0]) - first;
    const real *x = (const real *)a->data[0] + first;
    const real *y = (const real *)a->data[1] + first;
    const real *z = a->data[2] ? (const real *)a->data[2] + first : x;
    const real *gs = a->data[3] ? (const real *)a->data[3] + first : NULL;
    real share[CHUNK], made[3][CHUNK];
    real *out[3];
    int wanted = 0;
    for (int k = 0; k < 3; k++) {
        out[k] = a->data[5 + k] && formula->by[k] ? (real *)a->data[5 + k] + first : NULL;
        wanted += out[k] != NULL;
    }
    real each = gs ? 0 : (real)((double)*(const real *)a->data[4] / (double)a->integer[0]);
    for (int64_t i = 0; !gs && i < CHUNK; i++) {
        share[i] = each;
    }
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = count - done < CHUNK ? count - done : CHUNK;
        for (int k = 0; k < 3; k++) {
            if (out[k]) {
                NAMED(apply)(formula->by[k], gs ? gs + done : share, x + done, y + done, z + done,
                             wanted == 1 ? out[k] + done : made[k], n, a->scalar);
            }
        }
        for (int k = 0; wanted > 1 && k < 3; k++) {
            if (out[k]) {
                memcpy(out[k] + done, made[k], (size_t)n * sizeof(real));
            }
        }
    }
}

#define RUNS(name, slope_of_z, must_lie_within)                                                                        \
    static const NAMED(Formula) NAMED(formula_of_##name) = {                                                           \
        NAMED(name##_value), {NAMED(name##_by_x), NAMED(name##_by_y), slope_of_z}, must_lie_within};                   \
    static void NAMED(name)(const KernelArgs *a, int64_t from, int64_t to)                                             \
    {                                                                                                                  \
        NAMED(forward)(a, &NAMED(formula_of_##name), from, to);                                                        \
    }                                                                                                                  \
    static void NAMED(name##_backward)(const KernelArgs *a, int64_t from, int64_t to)                                  \
    {                                                                                                                  \
        NAMED(backward)(a, &NAMED(formula_of_##name), from, to);                                                       \
    }
#define LOSS2_WITHIN(name, must_lie_within, value, by_x, by_y)                                                         \
    CURVE(name##_value, value)                                                                                         \
    CURVE(name##_by_x, by_x)                                                                                           \
    CURVE(name##_by_y, by_y)                                                                                           \
    RUNS(name, NULL, must_lie_within)
#define LOSS2(name, value, by_x, by_y) LOSS2_WITHIN(name, 0, value, by_x, by_y)
#define LOSS3(name, value, by_x, by_y, by_z)                                                                           \
    CURVE(name##_value, value)                                                                                         \
    CURVE(name##_by_x, by_x)                                                                                           \
    CURVE(name##_by_y, by_y)                                                                                           \
    CURVE(name##_by_z, by_z)                                                                                           \
    RUNS(name, NAMED(name##_by_z), 0)

#define SIGN(d) ((real)((d) > 0) - (real)((d) < 0))
#define NOT_BELOW(x, least) ((x) < (real)(least) ? (real)(least) : (x))
#define PAST(d, end) (ABS(d) >= (end))

LOSS2(l1_loss, ABS(x - y), g * SIGN(x - y), g * -SIGN(x - y))
LOSS2(smooth_l1_loss, PAST(x - y, s0) ? ABS(x - y) - (real)0.5 * s0 : (real)0.5 * (x - y) * (x - y) / s0,
      PAST(x - y, s0) ? g * SIGN(x - y) : g * (x - y) / s0, PAST(x - y, s0) ? g * -SIGN(x - y) : g * (y - x) / s0)
LOSS2(huber_loss, PAST(x - y, s0) ? s0 * (ABS(x - y) - (real)0.5 * s0) : (real)0.5 * (x - y) * (x - y),
      PAST(x - y, s0) ? g * (s0 * SIGN(x - y)) : g * (x - y), PAST(x - y, s0) ? g * (s0 * -SIGN(x - y)) : g * (y - x))

/* Probabilities of yes, with logarithms of at least -100; then scores, whose sigmoid that is. */
LOSS2_WITHIN(binary_cross_entropy, 1, (y - 1) * NOT_BELOW(LOG1P(-x), -100) - y * NOT_BELOW(LOG(x), -100),
             g * (x - y) / NOT_BELOW((1 - x) * x, 1e-12), g * (LOG(1 - x) - LOG(x)))
LOSS2(binary_cross_entropy_with_logits, (1 - y) * x - LOG_SIGMOID(x), g * (SIGMOID(x) - y), g * -x)
LOSS3(binary_cross_entropy_with_logits_pos_weight, (1 - y) * x - ((z - 1) * y + 1) * LOG_SIGMOID(x),
      g * ((z * y + 1 - y) * SIGMOID(x) - z * y), g * (-x - (z - 1) * LOG_SIGMOID(x)), g * (-y * LOG_SIGMOID(x)))
LOSS2(soft_margin_loss, LOG1P(EXP(-y * x)), g * -y * SHARE_OF(EXP(-y * x)), g * -x * SHARE_OF(EXP(-y * x)))

/* The logarithm's slope at 0 is that of `xlogy` in both of its places, which is no number. */
LOSS2(kl_div, (y == 0 ? 0 : y * LOG(y)) - y * x, g * -y, g * (LOG(y) + y / y - x))
LOSS2(kl_div_log_target, EXP(y) * (y - x), g * -EXP(y), g * (EXP(y) * (y - x + 1)))
LOSS2(poisson_nll_loss, EXP(x) - y * x, g * (EXP(x) - y), g * -x)
LOSS2(poisson_nll_loss_rate, x - y * LOG(x + s0), g * (1 - y / (x + s0)), g * -LOG(x + s0))
LOSS3(gaussian_nll_loss, (real)0.5 * (LOG(NOT_BELOW(z, s0)) + (x - y) * (x - y) / NOT_BELOW(z, s0)) + s1,
      g * ((x - y) / NOT_BELOW(z, s0)), g * ((y - x) / NOT_BELOW(z, s0)),
      g * ((real)0.5 * (1 - (x - y) * (x - y) / NOT_BELOW(z, s0)) / NOT_BELOW(z, s0)))

/* A loss that ends at 0 passes the gradient there, and not at a NaN. */
LOSS2(hinge_embedding_loss, (y != 1 ? NOT_BELOW(s0 - x, 0) : 0) + (y != -1 ? x : 0),
      (((y != 1) & (s0 - x >= 0)) ? -g : 0) + (y != -1 ? g : 0), 0)
#define OPEN(x, y, z) (-(z) * ((x) - (y)) + s0 >= 0 ? g : 0)
LOSS3(margin_ranking_loss, NOT_BELOW(-z * (x - y) + s0, 0), OPEN(x, y, z) * -z, OPEN(x, y, z) * z, OPEN(x, y, z) * (y - x))

#undef CURVE
#undef RUNS
#undef LOSS2
#undef LOSS2_WITHIN
#undef LOSS3
#undef SIGN
#undef NOT_BELOW
#undef PAST
#undef OPEN
