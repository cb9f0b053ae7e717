/* Linear systems of float64. */
#define ELEMENT_BYTES 8
#include "systems.h"

const Kernel LEVEL(system_f64_entries)[] = {SYSTEMS(DT_F64, 2)};
