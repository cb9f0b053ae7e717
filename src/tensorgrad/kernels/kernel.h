/* One call of a kernel is a value: everything it needs stands in KernelArgs, so a call can be run, recorded and replayed. */
#ifndef TENSORGRAD_KERNEL_H
#define TENSORGRAD_KERNEL_H

#include <stdint.h>

#define KERNEL_OPERANDS 8
#define KERNEL_DIMS 6
#define KERNEL_SCALARS 8

typedef struct KernelArgs {
    void *data[KERNEL_OPERANDS];                    /* the inputs, then the outputs */
    int64_t size[KERNEL_DIMS];                      /* extents of the loop, outermost first */
    int64_t stride[KERNEL_OPERANDS][KERNEL_DIMS];   /* bytes from one element to the next, per operand and loop dimension */
    double scalar[KERNEL_SCALARS];
    int32_t ndim;                                   /* how many of size[] are in use, at least 1 */
    int32_t flags;
} KernelArgs;

typedef void (*kernel_fn)(const KernelArgs *);

/* Element types, in the order of the promotion table. */
enum { DT_BOOL, DT_U8, DT_I8, DT_I16, DT_I32, DT_I64, DT_F16, DT_F32, DT_F64, DT_COUNT };

/* Flags of a matrix product. */
enum { GEMM_ACCUMULATE = 1, GEMM_BIAS = 2, GEMM_RELU = 4 };

#endif
