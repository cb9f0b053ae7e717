/* A kernel is declared (Kernel) and a call of it is a value (KernelArgs): everything it needs stands there, so that a call
   can be run, cut for several threads, timed, recorded and replayed. */
#ifndef TENSORGRAD_KERNEL_H
#define TENSORGRAD_KERNEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "glibc.h"

#define KERNEL_OPERANDS 11
#define KERNEL_DIMS 7
#define KERNEL_SCALARS 8
#define KERNEL_INTEGERS 8

typedef struct KernelArgs {
    void *data[KERNEL_OPERANDS];                    /* the operands, in the order of the declaration; NULL for one that is not given */
    int64_t size[KERNEL_DIMS];                      /* extents of the work, outermost first: their product counts its elements */
    double scalar[KERNEL_SCALARS];                  /* settings, in the order of the declaration */
    int64_t integer[KERNEL_INTEGERS];               /* settings that are integers */
    void *workspace;                                /* the launch lends it: see Kernel */
    int32_t ndim;                                   /* how many of size[] are in use, at least 1 */
    int32_t flags;
    int64_t stride[KERNEL_OPERANDS][KERNEL_DIMS];   /* bytes from one element to the next, per operand and dimension */
} KernelArgs;

/* Every call starts so. Of the strides only those of operands and dimensions in use are looked at. */
static inline void kernel_begin(KernelArgs *a, int ndim)
{
    memset(a, 0, offsetof(KernelArgs, stride));
    a->ndim = ndim;
}

/* The operands of a kernel, a word each: its name, a `?` if it may be NULL, `=`, and where it lies. `*` is over all loops by its
   strides; letters `a` to `g` are the extents of size[], and digits numbers, of which it is contiguous; `.` is one element. After
   `@` come the two of a matrix with strides, the third and later loops being those of a stack of them. After `R` is a table of
   integer[0] rows, stride[0] apart; after `/` are extents each with a stride of its own, in their order. A dtype in front, as in
   `i64:a`, is not that of the kernel. Whoever describes a call, or makes one by names, goes by these words. */

/* What a kernel is. Its work is a row of units: elements, rows, tiles. Units may be run in any pieces, in any order and at the
   same time, and give the same bytes. Where pieces have to be put together, `units` cuts by length alone, each unit leaves its
   part in the workspace, and `finish` joins them in order; when there is one unit, run() gives the result by itself. */
typedef struct Kernel {
    const char *name;
    int dtype;                                                      /* of its inputs */
    void (*run)(const KernelArgs *a, int64_t from, int64_t to);     /* the units from `from` up to `to` */
    float cost;                                                     /* nanoseconds an element, about, on one thread */
    int8_t inputs, outputs;                                         /* operands stand in this order */
    int8_t in_place;                                                /* bits: which inputs are written as well */
    int8_t in_place_if;                                             /* 0, or from 1: the integer without which they are not */
    int8_t coarse;                                                  /* a piece repeats some work: few, large ones */
    const char *settings;                                           /* names: of scalars, then after a colon of integers */
    const char *operands;                                           /* their names and where they lie, see above */
    int64_t (*units)(const KernelArgs *a);                          /* NULL: size[0] */
    size_t (*workspace)(const KernelArgs *a, int64_t units);        /* bytes; asked only if there is a `finish`; NULL: none */
    void (*finish)(const KernelArgs *a, int64_t units);             /* or NULL */
    const char *(*refuse)(const KernelArgs *a);                     /* what is wrong with operands that fit their words, or NULL;
                                                                       asked where a call comes from Python by names */
} Kernel;

/* Nanoseconds that a call takes on one thread, about. */
static inline double kernel_cost(const Kernel *kernel, const KernelArgs *args)
{
    double cost = kernel->cost;
    for (int d = 0; d < args->ndim; d++) {
        cost *= (double)args->size[d];
    }
    return cost;
}

/* The element types, in the order of promotion: code, name in the names of kernels, bits, binary digits of a float's
   significand. What Python knows of them are the rows of core/tensor/dtypes.pxi. */
#define EVERY_DTYPE(row) \
    row(BOOL, bool, 8, 0) row(U8, u8, 8, 0) row(I8, i8, 8, 0) row(I16, i16, 16, 0) row(I32, i32, 32, 0) row(I64, i64, 64, 0) \
    row(F16, f16, 16, 11) row(BF16, bf16, 16, 8) row(F32, f32, 32, 24) row(F64, f64, 64, 53)

#define DTYPE_CODE(code, T, bits, digits) DT_##code,
enum { EVERY_DTYPE(DTYPE_CODE) DT_COUNT };
#undef DTYPE_CODE

typedef struct Dtype {
    const char *name;
    int bytes;
    int digits;
} Dtype;

static inline const Dtype *kernel_dtype(int code)
{
#define DTYPE_ROW(code, T, bits, digits) {#T, bits / 8, digits},
    static const Dtype rows[] = {EVERY_DTYPE(DTYPE_ROW)};
#undef DTYPE_ROW
    return &rows[code];
}

/* The largest number of a float type. */
static inline double kernel_largest(int code)
{
    const Dtype *d = kernel_dtype(code);
    return ldexp(2 - ldexp(1, 1 - d->digits), (1 << (8 * d->bytes - d->digits - 1)) - 1);
}

/* Flags of a matrix product. */
enum { GEMM_ACCUMULATE = 1, GEMM_BIAS = 2, GEMM_RELU = 4 };

#endif
