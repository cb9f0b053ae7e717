/* Recurrent layers of float64. */
#define ELEMENT_BYTES 8
#include "recurrent.h"

const Kernel LEVEL(recurrent_f64_entries)[] = {RECURRENT_ENTRIES(DT_F64, 6.0f)};
