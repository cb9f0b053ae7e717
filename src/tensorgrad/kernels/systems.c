/* Linear systems of float32. */
#define ELEMENT_BYTES 4
#include "systems.h"

const Kernel LEVEL(system_entries)[] = {SYSTEMS(DT_F32, 1)};
