/* Each file of kernels ends in a list of them; dispatch.c reads the lists of the level it chose. */
#ifndef TENSORGRAD_ENTRIES_H
#define TENSORGRAD_ENTRIES_H

#include "level.h"

extern const Kernel LEVEL(map_entries)[];
extern const Kernel LEVEL(copy_entries)[];
extern const Kernel LEVEL(reduce_entries)[];
extern const Kernel LEVEL(reduce_other_entries)[];
extern const Kernel LEVEL(row_entries)[];
extern const Kernel LEVEL(channel_entries)[];
extern const Kernel LEVEL(loss_entries)[];
extern const Kernel LEVEL(gemm_entries)[];
extern const Kernel LEVEL(gemm_f64_entries)[];
extern const Kernel LEVEL(step_entries)[];

const Kernel *const *LEVEL(kernel_entries)(void);

#endif
