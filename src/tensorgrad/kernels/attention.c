/* Attention of float32. */
#define ELEMENT_BYTES 4
#include "attention_backward.h"

const Kernel LEVEL(attention_entries)[] = {ATTENTION_ENTRIES(DT_F32, 0.08f)};
