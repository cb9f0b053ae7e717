/* Recurrent layers of float32. */
#define ELEMENT_BYTES 4
#include "recurrent.h"

const Kernel LEVEL(recurrent_entries)[] = {RECURRENT_ENTRIES(DT_F32, 0.7f)};
