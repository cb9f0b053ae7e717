/* Reductions of the other types: a file of its own, which setup.py compiles for size, to half the code. */
#include "reduce.h"

FLOATS(f64, double)
REDUCE(sum_i64, uint64_t, uint64_t, uint64_t, 0, s + x, s + x, 0)
REDUCE(prod_i64, uint64_t, uint64_t, uint64_t, 1, s * x, s * x, 0)
REDUCE(amax_i64, int64_t, int64_t, int64_t, INT64_MIN, x > s ? x : s, x > s ? x : s, 0)
REDUCE(amin_i64, int64_t, int64_t, int64_t, INT64_MAX, x < s ? x : s, x < s ? x : s, 0)
REDUCE(sum_bool, uint8_t, int64_t, int64_t, 0, s + (x != 0), s + x, 0)
REDUCE(all_bool, uint8_t, uint8_t, uint8_t, 1, s & (x != 0), s & x, 0)
REDUCE(any_bool, uint8_t, uint8_t, uint8_t, 0, s | (x != 0), s | x, 0)

FIND(amax_f64, double)
FIND(amin_f64, double)
FIND(amax_i64, int64_t)
FIND(amin_i64, int64_t)

const KernelEntry LEVEL(reduce_other_entries)[] = {
    {"sum", DT_F64, kernel_sum_f64},
    {"mean", DT_F64, kernel_mean_f64},
    {"sumsq", DT_F64, kernel_sumsq_f64},
    {"prod", DT_F64, kernel_prod_f64},
    {"amax", DT_F64, kernel_amax_f64},
    {"amin", DT_F64, kernel_amin_f64},
    {"argmax", DT_F64, kernel_argamax_f64},
    {"argmin", DT_F64, kernel_argamin_f64},
    {"sum", DT_I64, kernel_sum_i64},
    {"prod", DT_I64, kernel_prod_i64},
    {"amax", DT_I64, kernel_amax_i64},
    {"amin", DT_I64, kernel_amin_i64},
    {"argmax", DT_I64, kernel_argamax_i64},
    {"argmin", DT_I64, kernel_argamin_i64},
    {"sum", DT_BOOL, kernel_sum_bool},
    {"all", DT_BOOL, kernel_all_bool},
    {"any", DT_BOOL, kernel_any_bool},
    {NULL, 0, NULL},
};
