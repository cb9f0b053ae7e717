/* Reductions of float32, which training needs at every step. */
#include "reduce.h"

FLOATS(f32, float)
FIND(amax_f32, float)
FIND(amin_f32, float)

const KernelEntry LEVEL(reduce_entries)[] = {
    {"sum", DT_F32, kernel_sum_f32},
    {"mean", DT_F32, kernel_mean_f32},
    {"sumsq", DT_F32, kernel_sumsq_f32},
    {"prod", DT_F32, kernel_prod_f32},
    {"amax", DT_F32, kernel_amax_f32},
    {"amin", DT_F32, kernel_amin_f32},
    {"argmax", DT_F32, kernel_argamax_f32},
    {"argmin", DT_F32, kernel_argamin_f32},
    {NULL, 0, NULL},
};
