/* The one place that runs kernels. */
#ifndef TENSORGRAD_LAUNCH_H
#define TENSORGRAD_LAUNCH_H

#include "kernel.h"
#include "pool.h"

/* Runs a call of that cost, in pieces where threads gain from it. Gives 0, or -1 when there is no memory for its workspace. */
int kernel_run(const Kernel *kernel, KernelArgs *args, double cost);

#endif
