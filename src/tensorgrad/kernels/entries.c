/* The lists of kernels of one CPU level. */
#include "entries.h"

static const Kernel *const all[] = {
    LEVEL(map_entries), LEVEL(copy_entries), LEVEL(reduce_entries), LEVEL(reduce_other_entries),
    LEVEL(row_entries), LEVEL(channel_entries), LEVEL(loss_entries), LEVEL(gemm_entries),
    LEVEL(gemm_f64_entries), LEVEL(step_entries), NULL,
};

const Kernel *const *LEVEL(kernel_entries)(void)
{
    return all;
}
