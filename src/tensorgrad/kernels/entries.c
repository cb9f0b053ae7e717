/* The lists of kernels of one CPU level. */
#include "entries.h"

#define ADDRESS(name) OWN_LIST(name),
#define ADDRESS_UP_TO_V3(name) LIST_UP_TO_V3(name),
static const Kernel *const all[] = {EVERY_LIST(ADDRESS, ADDRESS_UP_TO_V3) NULL};

const Kernel *const *LEVEL(kernel_entries)(void)
{
    return all;
}
