/* Each file of kernels ends in a list of them; dispatch.c reads the lists of the level it chose. */
#ifndef TENSORGRAD_ENTRIES_H
#define TENSORGRAD_ENTRIES_H

#include "level.h"

#define EVERY_LIST(own, up_to_v3) \
    own(map) up_to_v3(map_other) own(row) up_to_v3(row_f64) own(gemm) own(gemm_f64) own(conv) own(recurrent) own(attention) \
    up_to_v3(conv_f64) up_to_v3(recurrent_f64) up_to_v3(attention_f64) up_to_v3(loss) up_to_v3(point_loss) up_to_v3(line) \
    up_to_v3(distance) own(euclidean) up_to_v3(copy) up_to_v3(index) up_to_v3(order) up_to_v3(moving) up_to_v3(reduce) \
    up_to_v3(reduce_other) up_to_v3(channel) up_to_v3(pooling) up_to_v3(resampling) up_to_v3(scan) up_to_v3(step) own(system) \
    up_to_v3(system_f64) up_to_v3(sparse)

/* A list of this level, and one that v4 has from v3, as its files are not compiled for v4 (setup.py). */
#define OWN_LIST(name) LEVEL(name##_entries)
#if defined(KERNEL_X86) && defined(__AVX512F__)
#define LIST_UP_TO_V3(name) name##_entries_v3
#else
#define LIST_UP_TO_V3(name) OWN_LIST(name)
#endif

#define DECLARED(name) extern const Kernel OWN_LIST(name)[];
#define DECLARED_UP_TO_V3(name) extern const Kernel LIST_UP_TO_V3(name)[];
EVERY_LIST(DECLARED, DECLARED_UP_TO_V3)
#undef DECLARED
#undef DECLARED_UP_TO_V3

const Kernel *const *LEVEL(kernel_entries)(void);

#endif
