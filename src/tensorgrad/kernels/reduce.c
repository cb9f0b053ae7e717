/* Reductions of float32, which training needs at every step. */
#define SIDE_BY_SIDE 1
#include "reduce.h"

FLOATS(f32, float)
FIND(amax_f32, float, int32_t, >)
FIND(amin_f32, float, int32_t, <)

const Kernel LEVEL(reduce_entries)[] = {
    REDUCE_LINE(sum, DT_F32, f32, 0.05f)
    REDUCE_LINE(mean, DT_F32, f32, 0.05f)
    REDUCE_LINE(nansum, DT_F32, f32, 0.05f)
    REDUCE_LINE(vector_norm, DT_F32, f32, 0.05f)
    REDUCE_LINE(prod, DT_F32, f32, 0.05f)
    REDUCE_LINE(amax, DT_F32, f32, 0.05f)
    REDUCE_LINE(amin, DT_F32, f32, 0.05f)
    POSITION_LINE(argmax, amax, DT_F32, f32, 0.1f)
    POSITION_LINE(argmin, amin, DT_F32, f32, 0.1f)
    {NULL},
};
