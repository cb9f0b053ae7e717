/* Windows along one dimension, as pools lay them and convolutions their kernel: a row of the table that both are given, which has
   three. Dimensions that are missing come first, with one place. */
#ifndef TENSORGRAD_WINDOWS_H
#define TENSORGRAD_WINDOWS_H

#include <stdint.h>

#define SPACE 3

typedef struct Window {
    int64_t extent, outputs, kernel, stride, padding, dilation;     /* a pool's kernel of 0: parts of nearly one size */
} Window;

#endif
