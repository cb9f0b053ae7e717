/* Map kernels of float32. */
#define ELEMENT_BYTES 4
#include "map.h"

#define WIDE1(name, cost, wide)
#define WIDE2(name, cost, wide)
#define WIDE_SLOPE(name, cost, wide)
#define WIDE_OR_FAR1(name, cost, is_far, wide, far)
#define WIDE_OR_FAR_SLOPE(name, cost, is_far, wide, far)

const Kernel LEVEL(map_entries)[] = {
#include "point.h"
    REAL_LINES
    {NULL},
};
