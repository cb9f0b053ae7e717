/* Kernels over rows of float32. */
#include "row_kernels.h"

ROWS(f32, float)

const Kernel LEVEL(row_entries)[] = {ROW_LINES(FLOAT32) {NULL}};
