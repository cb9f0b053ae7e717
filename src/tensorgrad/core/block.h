/* The header of a block of tensor memory; storage.h has the functions. */
#ifndef TENSORGRAD_BLOCK_H
#define TENSORGRAD_BLOCK_H

#include <stdint.h>

typedef struct Block {
    uint32_t refs;
    uint32_t version; /* counts in-place writes */
    int32_t bin;
    int16_t frozen; /* memory that must not be written: a read-only array */
    int16_t slack;  /* of a small block: bytes of its cell beyond those asked for */
} Block;

#endif
