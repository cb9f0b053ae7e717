/* The table of kernels for the CPU at hand. */
#ifndef TENSORGRAD_DISPATCH_H
#define TENSORGRAD_DISPATCH_H

#include "kernel.h"

/* Fills the table with the best level that the CPU has and `cap` ("", "v2", "v3", "v4") allows.
   Gives 0; -1 when none of them runs here; -2 when two kernels have one name and dtype, or there are too many. */
int kernels_start(const char *cap);

/* The name of the level in use. */
const char *kernels_level(void);

/* The kernel of that name for that element type, or NULL. */
const Kernel *kernels_find(const char *name, int dtype);

/* How many kernels there are, and the name and element type of each. */
int kernels_count(void);
const Kernel *kernels_at(int index);

#endif
