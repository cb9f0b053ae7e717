/* Each file of kernels ends in a list of them; dispatch.c reads the lists of the level it chose. */
#ifndef TENSORGRAD_ENTRIES_H
#define TENSORGRAD_ENTRIES_H

#include "level.h"

extern const KernelEntry LEVEL(map_entries)[];
extern const KernelEntry LEVEL(copy_entries)[];
extern const KernelEntry LEVEL(reduce_entries)[];
extern const KernelEntry LEVEL(reduce_other_entries)[];
extern const KernelEntry LEVEL(row_entries)[];
extern const KernelEntry LEVEL(loss_entries)[];
extern const KernelEntry LEVEL(gemm_entries)[];
extern const KernelEntry LEVEL(step_entries)[];

const KernelEntry *const *LEVEL(kernel_entries)(void);

#endif
