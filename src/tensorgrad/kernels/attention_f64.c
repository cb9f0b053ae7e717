/* Attention of float64. */
#define ELEMENT_BYTES 8
#include "attention_backward.h"

const Kernel LEVEL(attention_f64_entries)[] = {ATTENTION_ENTRIES(DT_F64, 0.15f)};
