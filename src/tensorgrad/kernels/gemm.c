/* The matrix product of float32. */
#define ELEMENT_BYTES 4
#include "gemm.h"
#include "gemm_packed.h"

const Kernel LEVEL(gemm_entries)[] = {
    {"matmul", DT_F32, matmul, .cost = 0.02f, .inputs = 3, .outputs = 1,
     .operands = "a=@ac b=@cb bias?=b out=@ab", .coarse = 1, .units = matmul_units},
    {NULL},
};
