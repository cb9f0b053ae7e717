/* Each file of kernels ends in a list of them; dispatch.c reads the lists of the level it chose. */
#ifndef TENSORGRAD_ENTRIES_H
#define TENSORGRAD_ENTRIES_H

#include "level.h"

#define EVERY_LIST(list) \
    list(map) list(copy) list(reduce) list(reduce_other) list(row) list(channel) list(pooling) list(resampling) list(loss) \
    list(point_loss) list(line) list(distance) list(gemm) list(gemm_f64) list(conv) list(conv_f64) list(recurrent) list(recurrent_f64) list(scan) \
    list(step)

#define LIST_OF(name) extern const Kernel LEVEL(name##_entries)[];
EVERY_LIST(LIST_OF)
#undef LIST_OF

const Kernel *const *LEVEL(kernel_entries)(void);

#endif
