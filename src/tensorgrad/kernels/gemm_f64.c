/* The matrix product of float64. */
#define ELEMENT_BYTES 8
#include "gemm.h"
#include "gemm_packed.h"

const Kernel LEVEL(gemm_f64_entries)[] = {
    {"matmul", DT_F64, matmul, .cost = 0.04f, .inputs = 3, .outputs = 1,
     .operands = "a=@ac b=@cb bias?=b out=@ab", .coarse = 1, .units = matmul_units},
    {NULL},
};
