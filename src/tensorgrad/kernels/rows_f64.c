/* Kernels over rows of float64. */
#include "row_kernels.h"

ROWS(f64, double)

const Kernel LEVEL(row_f64_entries)[] = {ROW_LINES(FLOAT64) {NULL}};
