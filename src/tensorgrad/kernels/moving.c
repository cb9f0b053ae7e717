/* Triangles of matrices. What only copies (flips, rolls, repeats, pads) is done by `copy` and `fill` with other strides. */
#include <string.h>

#include "entries.h"

/* data = matrices {a, b, c}, out; integer = the diagonal, whether what lies on it and above is kept, instead of what lies on it
   and below. The rest becomes 0. A unit is a row. */
static int64_t rows_of_matrices(const KernelArgs *a)
{
    return a->size[0] * a->size[1];
}

static void keep_triangle(const KernelArgs *a, int64_t from, int64_t to, int64_t bytes)
{
    int64_t rows = a->size[1], columns = a->size[2], diagonal = a->integer[0], upper = a->integer[1];
    for (int64_t r = from; r < to; r++) {
        const char *in = (const char *)a->data[0] + r * columns * bytes;
        char *out = (char *)a->data[1] + r * columns * bytes;
        int64_t cut = r % rows + diagonal + !upper;         /* the first column above, or on the diagonal */
        cut = (cut < 0 ? 0 : cut > columns ? columns : cut) * bytes;
        if (upper) {
            memset(out, 0, (size_t)cut);
            memmove(out + cut, in + cut, (size_t)(columns * bytes - cut));
        } else {
            memmove(out, in, (size_t)cut);
            memset(out + cut, 0, (size_t)(columns * bytes - cut));
        }
    }
}

#define TRIANGLE(bits)                                                                                                 \
    static void triangle_##bits(const KernelArgs *a, int64_t from, int64_t to)                                         \
    {                                                                                                                  \
        keep_triangle(a, from, to, bits / 8);                                                                          \
    }

TRIANGLE(8)
TRIANGLE(16)
TRIANGLE(32)
TRIANGLE(64)

static const char *refuse_far_diagonal(const KernelArgs *a)
{
    int64_t far = (int64_t)1 << 60;
    return a->integer[0] > far || a->integer[0] < -far ? "the diagonal is too far away" : NULL;
}

#define LINES(code, T, bits, digits)                                                                                   \
    {"triangle", DT_##code, triangle_##bits, .cost = 0.01f * bits / 8, .inputs = 1, .outputs = 1,                      \
     .settings = ": diagonal upper", .operands = "input=abc out=abc", .units = rows_of_matrices,                       \
     .refuse = refuse_far_diagonal},

const Kernel LEVEL(moving_entries)[] = {
    EVERY_DTYPE(LINES)
    {NULL},
};
