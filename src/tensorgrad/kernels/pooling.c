/* Pools of planes of one to three dimensions: the largest of each window with where it stands, and means of windows; forward
   and backward. size = {planes, outputs, taps, inputs}, each of a plane; windows = six integers for each of three dimensions. A
   unit is a plane. */
#include "entries.h"
#include "part.h"
#include "windows.h"

/* The positions of a window that are not padding are from `first` on, before `end`. */
typedef struct Reach {
    int64_t first, end, counted;        /* counted: with the padding that an average may count */
} Reach;

ALWAYS_INLINE Reach reach_of(const Window *axis, int64_t output)
{
    Reach reach;
    if (axis->kernel == 0) {
        reach.first = output * axis->extent / axis->outputs;
        reach.end = divide_up((output + 1) * axis->extent, axis->outputs);
        reach.counted = reach.end - reach.first;
        return reach;
    }
    int64_t start = output * axis->stride - axis->padding;
    int64_t past = start + (axis->kernel - 1) * axis->dilation + 1;
    int64_t padded = axis->extent + axis->padding;
    reach.first = start < 0 ? start + divide_up(-start, axis->dilation) * axis->dilation : start;
    reach.end = past < axis->extent ? past : axis->extent;
    reach.counted = (past < padded ? past : padded) - start;
    return reach;
}

/* The outputs of an axis whose windows have no padding, from `first` on, before `end`. */
ALWAYS_INLINE Reach inner_of(const Window *axis)
{
    Reach inner = {0, 0, 0};
    int64_t room = axis->extent + axis->padding - (axis->kernel - 1) * axis->dilation - 1;
    if (axis->kernel && room >= 0) {
        inner.first = divide_up(axis->padding, axis->stride);
        inner.end = room / axis->stride + 1;
        inner.end = inner.end < axis->outputs ? inner.end : axis->outputs;
        inner.first = inner.first < inner.end ? inner.first : inner.end;
    }
    return inner;
}

/* A row of outputs: what its windows reach in the outer two dimensions. */
typedef struct Row {
    const Window *axis;                   /* three */
    Reach deep, high, inner;
} Row;

/* What a caller by names may have wrong: windows that do not belong to such planes. */
static const char *refuse_windows(const KernelArgs *a)
{
    const Window *axis = a->data[1];
    int64_t inputs = 1, outputs = 1, most = 1 << 30;
    for (int d = 0; d < 3; d++, axis++) {
        int64_t least = axis->stride < axis->dilation ? axis->stride : axis->dilation;
        int64_t largest = axis->kernel > axis->stride ? axis->kernel : axis->stride;
        largest = largest > axis->dilation ? largest : axis->dilation;
        largest = largest > axis->extent ? largest : axis->extent;
        if (axis->extent < 1 || axis->outputs < 1 || axis->kernel < 0 || least < 1 || axis->padding < 0 || largest >= most ||
            axis->padding >= most || axis->outputs >= most) {
            return "a row of the windows (extent, outputs, kernel, stride, padding, dilation) is none";
        }
        if (axis->kernel && (axis->padding > (axis->kernel - 1) * axis->dilation ||
                             (axis->outputs - 1) * axis->stride >= axis->extent + axis->padding)) {
            return "a window lies outside of its plane";
        }
        inputs *= axis->extent;
        outputs *= axis->outputs;
        if (inputs >= most || outputs >= most) {
            return "the windows are of more than 2^30 elements";
        }
    }
    return a->size[1] == outputs && a->size[3] == inputs ? NULL : "the windows do not fit the planes";
}

#define MOST_SHARES 64                  /* shares of outputs that are spread at once */

/* Whether a plane had an index that is not in it is a word of the workspace. */
static size_t word_each(const KernelArgs *a, int64_t units)
{
    (void)a;
    return (size_t)units * sizeof(int64_t);
}

static void join_wrong(const KernelArgs *a, int64_t units)
{
    int64_t *wrong = a->data[3];
    *wrong = 0;
    for (int64_t u = 0; u < units; u++) {
        *wrong |= ((const int64_t *)a->workspace)[u];
    }
}

#define T f32
#define element float
#define place int32_t
#include "pooling_loops.h"
#undef T
#undef element
#undef place

#define T f64
#define element double
#define place int64_t
#include "pooling_loops.h"

const Kernel LEVEL(pooling_entries)[] = {
    BOTH_FLOATS(max_pool, 0.3f, 0.4f, .inputs = 2, .outputs = 2, .refuse = refuse_windows,
                .operands = "input=ad windows=i64:36 out=ab indices=i64:ab")
    BOTH_FLOATS(max_pool_backward, 0.4f, 0.4f, .inputs = 2, .outputs = 2,
                .operands = "grad=ab indices=i64:ab out=ad wrong=i64:1", .workspace = word_each, .finish = join_wrong)
    BOTH_FLOATS(avg_pool, 0.2f, 0.3f, .inputs = 2, .outputs = 1, .settings = ": include_pad divisor", .refuse = refuse_windows,
                .operands = "input=ad windows=i64:36 out=ab")
    BOTH_FLOATS(avg_pool_backward, 0.2f, 0.3f, .inputs = 2, .outputs = 1, .settings = ": include_pad divisor",
                .refuse = refuse_windows, .operands = "grad=ab windows=i64:36 out=ad")
    {NULL},
};
