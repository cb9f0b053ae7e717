/* The lists of kernels of one CPU level. */
#include "entries.h"

#define ADDRESS(name) LEVEL(name##_entries),
static const Kernel *const all[] = {EVERY_LIST(ADDRESS) NULL};

const Kernel *const *LEVEL(kernel_entries)(void)
{
    return all;
}
