/* Reductions of the other types: a file of its own, which setup.py compiles for size, to half the code. */
#define SIDE_BY_SIDE 0
#include "reduce.h"

FLOATS(f64, double)
REDUCE(sum_i64, uint64_t, uint64_t, uint64_t, 0, s + x, s + x, 0)
REDUCE(prod_i64, uint64_t, uint64_t, uint64_t, 1, s * x, s * x, 0)
REDUCE(amax_i64, int64_t, int64_t, int64_t, INT64_MIN, x > s ? x : s, x > s ? x : s, 0)
REDUCE(amin_i64, int64_t, int64_t, int64_t, INT64_MAX, x < s ? x : s, x < s ? x : s, 0)
REDUCE(sum_bool, uint8_t, int64_t, int64_t, 0, s + (x != 0), s + x, 0)
REDUCE(all_bool, uint8_t, uint8_t, uint8_t, 1, s & (x != 0), s & x, 0)
REDUCE(any_bool, uint8_t, uint8_t, uint8_t, 0, s | (x != 0), s | x, 0)

FIND(amax_f64, double, int64_t, >)
FIND(amin_f64, double, int64_t, <)
FIND(amax_i64, int64_t, int64_t, >)
FIND(amin_i64, int64_t, int64_t, <)

const Kernel LEVEL(reduce_other_entries)[] = {
    REDUCE_LINE(sum, DT_F64, f64, 0.1f)
    REDUCE_LINE(mean, DT_F64, f64, 0.1f)
    REDUCE_LINE(nansum, DT_F64, f64, 0.1f)
    REDUCE_LINE(vector_norm, DT_F64, f64, 0.1f)
    REDUCE_LINE(prod, DT_F64, f64, 0.1f)
    REDUCE_LINE(amax, DT_F64, f64, 0.1f)
    REDUCE_LINE(amin, DT_F64, f64, 0.1f)
    POSITION_LINE(argmax, amax, DT_F64, f64, 0.2f)
    POSITION_LINE(argmin, amin, DT_F64, f64, 0.2f)
    REDUCE_LINE(sum, DT_I64, i64, 0.1f)
    REDUCE_LINE(prod, DT_I64, i64, 0.1f)
    REDUCE_LINE(amax, DT_I64, i64, 0.1f)
    REDUCE_LINE(amin, DT_I64, i64, 0.1f)
    POSITION_LINE(argmax, amax, DT_I64, i64, 0.2f)
    POSITION_LINE(argmin, amin, DT_I64, i64, 0.2f)
    REDUCE_TO(sum, DT_BOOL, bool, 0.05f, "input=* out=i64:ac")
    REDUCE_LINE(all, DT_BOOL, bool, 0.05f)
    REDUCE_LINE(any, DT_BOOL, bool, 0.05f)
    {NULL},
};
