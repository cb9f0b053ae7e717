/* Storage: reference-counted blocks of memory from a small size-binned cache.
 *
 * A block is a 16-byte header in front of its data. Data of at most 48 bytes lives in cells of 32 or 64 bytes cut from
 * slabs; larger data is 64-byte aligned. Freed blocks wait in their bin, up to CACHE_LIMIT bytes in all, so a training
 * loop allocates from the system only in its first step. A foreign block borrows the memory of a Python object.
 *
 * All of it runs under the GIL. These are statics: only core._core may include this file. */
#ifndef TENSORGRAD_STORAGE_H
#define TENSORGRAD_STORAGE_H

#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "block.h"
#if defined(_WIN32) || defined(__GLIBC__)
#include <malloc.h>
#endif

#define BLOCK_FOREIGN (-1)
#define SMALL_BINS 2
#define SIZE_BINS 256
#define SLAB_BYTES 65536
#define CACHE_LIMIT ((size_t)512 << 20)
#define LARGEST_BLOCK ((size_t)1 << 62)

typedef struct ForeignBlock {
    Block head;
    PyObject *owner;
    char *start;
    size_t nbytes;
} ForeignBlock;

typedef struct LargeBlock {
    Block head;
    size_t nbytes; /* as asked for: the room may be larger */
} LargeBlock;

typedef struct FreeBlock {
    Block head;
    struct FreeBlock *next;
} FreeBlock;

static FreeBlock *free_blocks[SIZE_BINS];
static size_t cached_bytes = 0;
static size_t released_bytes = 0;
static char *slab_at = NULL;
static size_t slab_left = 0;

/* Large sizes have four bins to a power of two, so at most a fifth of a block is unused. */
static int size_bin(size_t nbytes, size_t *room)
{
    if (nbytes <= 16) { *room = 16; return 0; }
    if (nbytes <= 48) { *room = 48; return 1; }
    size_t power = 64;
    int log2 = 6;
    while (power < nbytes) { power <<= 1; log2++; }
    if (power == 64) { *room = 64; return SMALL_BINS; }
    size_t half = power >> 1, quarter = half >> 2;
    if (quarter < 16) { *room = power; return SMALL_BINS + (log2 - 6) * 4; }
    size_t step = (nbytes - half + quarter - 1) / quarter;
    *room = half + step * quarter;
    return SMALL_BINS + (log2 - 7) * 4 + (int)step;
}

static void *aligned_memory(size_t nbytes)
{
#if defined(_WIN32)
    return _aligned_malloc(nbytes, 64);
#else
    void *memory = NULL;
    return posix_memalign(&memory, 64, nbytes) == 0 ? memory : NULL;
#endif
}

static void aligned_release(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

static inline char *block_data(Block *block)
{
    return (char *)block + (block->bin < SMALL_BINS ? 16 : 64);
}

static size_t block_room(int bin)
{
    if (bin == 0) return 16;
    if (bin == 1) return 48;
    int rank = bin - SMALL_BINS;
    size_t half = (size_t)64 << (rank / 4);
    return rank % 4 == 0 ? half : half + (half >> 2) * (size_t)(rank % 4);
}

/* Freed memory stays in the process's heap unless the C library is told. */
static void hand_back(void)
{
    released_bytes = 0;
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

static void storage_trim(void)
{
    for (int bin = SMALL_BINS; bin < SIZE_BINS; bin++) {
        while (free_blocks[bin]) {
            FreeBlock *block = free_blocks[bin];
            free_blocks[bin] = block->next;
            cached_bytes -= block_room(bin);
            aligned_release(block);
        }
    }
    hand_back();
}

static Block *new_cell(int bin)
{
    size_t cell = bin == 0 ? 32 : 64;
    if (slab_left < cell) {
        slab_at = (char *)aligned_memory(SLAB_BYTES);
        if (!slab_at) { slab_left = 0; return NULL; }
        slab_left = SLAB_BYTES;
    }
    Block *block = (Block *)slab_at;
    slab_at += cell;
    slab_left -= cell;
    return block;
}

/* NULL when the system has no such memory. */
static Block *block_new(size_t nbytes)
{
    if (nbytes > LARGEST_BLOCK) return NULL;
    size_t room;
    int bin = size_bin(nbytes, &room);
    Block *block = (Block *)free_blocks[bin];
    if (block) {
        free_blocks[bin] = ((FreeBlock *)block)->next;
        if (bin >= SMALL_BINS) cached_bytes -= room;
    } else if (bin < SMALL_BINS) {
        block = new_cell(bin);
    } else {
        block = (Block *)aligned_memory(64 + room);
        if (!block && cached_bytes) {
            storage_trim();
            block = (Block *)aligned_memory(64 + room);
        }
    }
    if (!block) return NULL;
    block->refs = 1;
    block->version = 0;
    block->bin = bin;
    block->frozen = 0;
    block->slack = 0;
    if (bin < SMALL_BINS) block->slack = (int16_t)(room - nbytes);
    else ((LargeBlock *)block)->nbytes = nbytes;
    return block;
}

static Block *block_borrow(PyObject *owner, char *start, size_t nbytes, int frozen)
{
    ForeignBlock *block = (ForeignBlock *)malloc(sizeof(ForeignBlock));
    if (!block) return NULL;
    block->head.refs = 1;
    block->head.version = 0;
    block->head.bin = BLOCK_FOREIGN;
    block->head.frozen = (int16_t)frozen;
    block->head.slack = 0;
    block->owner = owner;
    block->start = start;
    block->nbytes = nbytes;
    Py_INCREF(owner);
    return &block->head;
}

static void block_free(Block *block)
{
    int bin = block->bin;
    if (bin == BLOCK_FOREIGN) {
        PyObject *owner = ((ForeignBlock *)block)->owner;
        free(block);
        Py_DECREF(owner);
        return;
    }
    if (bin >= SMALL_BINS) {
        size_t room = block_room(bin);
        if (cached_bytes + room > CACHE_LIMIT) {
            aligned_release(block);
            released_bytes += room;
            if (released_bytes > CACHE_LIMIT) hand_back();
            return;
        }
        cached_bytes += room;
    }
    ((FreeBlock *)block)->next = free_blocks[bin];
    free_blocks[bin] = (FreeBlock *)block;
}

static inline void block_keep(Block *block) { block->refs++; }

static inline void block_drop(Block *block)
{
    if (--block->refs == 0) block_free(block);
}

/* The object whose memory it borrows, or NULL. */
static inline PyObject *block_owner(Block *block)
{
    return block->bin == BLOCK_FOREIGN ? ((ForeignBlock *)block)->owner : NULL;
}

/* Where its memory begins, whoever it belongs to. */
static inline char *block_start(Block *block)
{
    return block->bin == BLOCK_FOREIGN ? ((ForeignBlock *)block)->start : block_data(block);
}

/* The bytes that were asked for; those of the room beyond them hold nothing. */
static size_t block_nbytes(Block *block)
{
    if (block->bin == BLOCK_FOREIGN) return ((ForeignBlock *)block)->nbytes;
    if (block->bin < SMALL_BINS) return block_room(block->bin) - (size_t)block->slack;
    return ((LargeBlock *)block)->nbytes;
}

static size_t storage_cached(void) { return cached_bytes; }

#endif
