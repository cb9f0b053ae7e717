/* Storage: reference-counted blocks of memory, and a cache of those that were freed.
 *
 * A block is a 16-byte header in front of its data. Data of at most 48 bytes lives in cells of 32 or 64 bytes cut from
 * slabs; larger data is 64-byte aligned, and from PAGES_FROM bytes on has pages of its own. A foreign block borrows the
 * memory of a Python object.
 *
 * Freed blocks wait in the bin of their size, so that a training loop asks the system only in its first step. All that wait
 * are at most as many bytes as are in use, or CACHE_FLOOR where that is more: the rest goes back to the system, first the
 * sizes that nobody has asked for the longest. Of cells, slabs that nobody uses go back: they are looked for whenever
 * CACHE_FLOOR bytes of cells were freed.
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
#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif
#endif

#define BLOCK_FOREIGN (-1)
#define SMALL_BINS 2
#define SIZE_BINS 256
#define SLAB_BYTES 65536
#define CACHE_FLOOR ((size_t)64 << 20)
#define PAGES_FROM ((size_t)128 << 10)
#define HUGE_PAGE ((size_t)2 << 20)
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
    struct LargeBlock *before, *after; /* of all that were taken from the system */
} LargeBlock;

typedef struct FreeBlock {
    Block head;
    struct FreeBlock *next;
} FreeBlock;

typedef struct Slab {
    char *start;
    size_t waiting; /* bytes of cells that nobody uses, and of what was never a cell */
} Slab;

static FreeBlock *free_blocks[SIZE_BINS];
static uint64_t asked_for[SIZE_BINS]; /* when somebody asked for such a block the last time */
static uint64_t requests = 0;
static LargeBlock *last_taken = NULL;
static size_t taken_bytes = 0;    /* of large blocks: in use or waiting */
static size_t cached_bytes = 0;   /* of these, those that wait */
static size_t released_bytes = 0; /* to the C library since it was told to let go */
static Slab *slabs = NULL;
static size_t slab_count = 0, slab_room = 0;
static char *slab_at = NULL; /* the next cell of the slab that was taken last */
static size_t slab_left = 0;
static size_t many_slabs = CACHE_FLOOR / SLAB_BYTES;
static size_t freed_cells = 0; /* in bytes, since slabs were looked through and while there are many */
static FreeBlock *held_cells = NULL;
static int holding = 0;

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

/* ------------------------------------------------------------------ the system's memory */

#if defined(MADV_HUGEPAGE)
/* Memory that begins where a huge page may: one page to look up, and to fetch at the first touch, instead of 512. */
static void *huge_pages(size_t nbytes)
{
    char *memory = (char *)mmap(NULL, nbytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (nbytes + page - 1) / page * page;
    size_t before = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
    if (before) munmap(memory, before);
    memory += before;
    if (room < nbytes + HUGE_PAGE - before) munmap(memory + room, nbytes + HUGE_PAGE - before - room);
    (void)madvise(memory, room, MADV_HUGEPAGE);
    return memory;
}
#endif

static void *system_memory(size_t nbytes)
{
#if defined(_WIN32)
    return _aligned_malloc(nbytes, 64);
#else
    void *memory = NULL;
#if defined(MADV_HUGEPAGE)
    if (nbytes >= HUGE_PAGE) return huge_pages(nbytes);
#endif
    if (nbytes >= PAGES_FROM) {
        memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
    }
    return posix_memalign(&memory, 64, nbytes) == 0 ? memory : NULL;
#endif
}

static void system_release(void *memory, size_t nbytes)
{
    if (nbytes < PAGES_FROM) released_bytes += nbytes;
#if defined(_WIN32)
    _aligned_free(memory);
#else
    if (nbytes >= PAGES_FROM) munmap(memory, nbytes);
    else free(memory);
#endif
}

/* Freed memory without pages of its own stays in the process's heap unless the C library is told. */
static void hand_back(void)
{
    released_bytes = 0;
#if defined(__GLIBC__)
    malloc_trim(0);
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

static inline size_t in_use(void) { return taken_bytes - cached_bytes; }

static inline int too_much_waits(void)
{
    return cached_bytes > CACHE_FLOOR && cached_bytes > in_use();
}

static void release_from(int bin)
{
    FreeBlock *block = free_blocks[bin];
    size_t room = block_room(bin);
    LargeBlock *large = (LargeBlock *)block;
    free_blocks[bin] = block->next;
    if (large->before) large->before->after = large->after;
    if (large->after) large->after->before = large->before;
    else last_taken = large->before;
    cached_bytes -= room;
    taken_bytes -= room;
    system_release(block, 64 + room);
}

/* Releases a waiting block of the size that nobody has asked for the longest. */
static void release_oldest(void)
{
    int oldest = -1;
    for (int bin = SMALL_BINS; bin < SIZE_BINS; bin++) {
        if (free_blocks[bin] && (oldest < 0 || asked_for[bin] < asked_for[oldest])) oldest = bin;
    }
    release_from(oldest);
    if (released_bytes > CACHE_FLOOR) hand_back();
}

/* Brings what waits back to its bound after a block of that bin was freed. */
static void shed(int bin)
{
    size_t room = block_room(bin);
    if (room > CACHE_FLOOR && room > in_use()) release_from(bin);
    while (too_much_waits()) release_oldest();
}

/* ------------------------------------------------------------------ cells */

static inline size_t cell_bytes(int bin) { return bin == 0 ? 32 : 64; }

static void free_cell(FreeBlock *cell, int bin)
{
    cell->next = free_blocks[bin];
    free_blocks[bin] = cell;
}

static int new_slab(void)
{
    if (slab_count == slab_room) {
        size_t more = slab_room ? 2 * slab_room : 16;
        Slab *grown = (Slab *)realloc(slabs, more * sizeof(Slab));
        if (!grown) return -1;
        slabs = grown;
        slab_room = more;
    }
    char *start = (char *)system_memory(SLAB_BYTES);
    if (!start) return -1;
    if (slab_left) { /* what is left is one small cell */
        ((Block *)slab_at)->refs = 0;
        ((Block *)slab_at)->bin = 0;
        free_cell((FreeBlock *)slab_at, 0);
    }
    slabs[slab_count++].start = slab_at = start;
    slab_left = SLAB_BYTES;
    return 0;
}

static Block *new_cell(int bin)
{
    size_t cell = cell_bytes(bin);
    if (slab_left < cell && new_slab() < 0) return NULL;
    Block *block = (Block *)slab_at;
    slab_at += cell;
    slab_left -= cell;
    return block;
}

/* The slab that a cell lies in, of slabs that are sorted. */
static Slab *slab_of(const void *cell)
{
    size_t low = 0, high = slab_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (slabs[middle].start <= (const char *)cell) low = middle;
        else high = middle;
    }
    return &slabs[low];
}

static int by_address(const void *a, const void *b)
{
    const char *x = ((const Slab *)a)->start, *y = ((const Slab *)b)->start;
    return x < y ? -1 : x > y;
}

/* Gives slabs in which no cell is in use back to the system. */
static void release_slabs(void)
{
    size_t kept = 0;
    qsort(slabs, slab_count, sizeof(Slab), by_address);
    for (size_t i = 0; i < slab_count; i++) slabs[i].waiting = 0;
    for (int bin = 0; bin < SMALL_BINS; bin++) {
        for (FreeBlock *cell = free_blocks[bin]; cell; cell = cell->next) slab_of(cell)->waiting += cell_bytes(bin);
    }
    if (slab_left) {
        Slab *last = slab_of(slab_at);
        last->waiting += slab_left;
        if (last->waiting == SLAB_BYTES) slab_left = 0;
    }
    for (int bin = 0; bin < SMALL_BINS; bin++) {
        FreeBlock **link = &free_blocks[bin];
        while (*link) {
            if (slab_of(*link)->waiting == SLAB_BYTES) {
                *link = (*link)->next;
            } else {
                link = &(*link)->next;
            }
        }
    }
    for (size_t i = 0; i < slab_count; i++) {
        if (slabs[i].waiting == SLAB_BYTES) system_release(slabs[i].start, SLAB_BYTES);
        else slabs[kept++] = slabs[i];
    }
    slab_count = kept;
    freed_cells = 0;
}

static void free_watched_cell(FreeBlock *cell, int bin)
{
    if (holding) {
        cell->next = held_cells;
        held_cells = cell;
        return;
    }
    free_cell(cell, bin);
    freed_cells += cell_bytes(bin);
    if (freed_cells > CACHE_FLOOR) release_slabs();
}

/* For whoever compares memory: as long as freed cells are held, none is in use again, and none becomes another's. */
static void storage_hold(int hold)
{
    holding = hold;
    many_slabs = hold ? 0 : CACHE_FLOOR / SLAB_BYTES;
    while (!hold && held_cells) {
        FreeBlock *cell = held_cells;
        held_cells = cell->next;
        free_cell(cell, cell->head.bin);
    }
}

/* ------------------------------------------------------------------ blocks */

/* Everything that waits goes back to the system. */
static void storage_trim(void)
{
    for (int bin = SMALL_BINS; bin < SIZE_BINS; bin++) {
        while (free_blocks[bin]) release_from(bin);
    }
    release_slabs();
    hand_back();
}

/* Memory for a block when none of its bin waits. */
static Block *system_block(int bin, size_t room)
{
    if (bin < SMALL_BINS) return new_cell(bin);
    Block *block = (Block *)system_memory(64 + room);
    if (!block) {
        storage_trim();
        block = (Block *)system_memory(64 + room);
    }
    if (block) {
        LargeBlock *large = (LargeBlock *)block;
        large->before = last_taken;
        large->after = NULL;
        if (last_taken) last_taken->after = large;
        last_taken = large;
        taken_bytes += room;
        cached_bytes += room; /* as if it had waited */
    }
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
    } else {
        block = system_block(bin, room);
        if (!block) return NULL;
    }
    block->refs = 1;
    block->version = 0;
    block->bin = bin;
    block->frozen = 0;
    block->slack = 0;
    if (bin < SMALL_BINS) {
        block->slack = (int16_t)(room - nbytes);
    } else {
        asked_for[bin] = ++requests;
        cached_bytes -= room;
        ((LargeBlock *)block)->nbytes = nbytes;
    }
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
    } else if (bin < SMALL_BINS) {
        if (slab_count > many_slabs) free_watched_cell((FreeBlock *)block, bin);
        else free_cell((FreeBlock *)block, bin);
    } else {
        ((FreeBlock *)block)->next = free_blocks[bin];
        free_blocks[bin] = (FreeBlock *)block;
        cached_bytes += block_room(bin);
        if (too_much_waits()) shed(bin);
    }
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

/* Calls `visit` for every block of our own that is in use. */
static void storage_visit(void (*visit)(void *context, Block *block), void *context)
{
    for (LargeBlock *block = last_taken; block; block = block->before) {
        if (block->head.refs) visit(context, &block->head);
    }
    for (size_t i = 0; i < slab_count; i++) {
        char *end = slabs[i].start + SLAB_BYTES;
        if (slab_left && end == slab_at + slab_left) end = slab_at;
        for (char *cell = slabs[i].start; cell < end; cell += cell_bytes(((Block *)cell)->bin)) {
            if (((Block *)cell)->refs) visit(context, (Block *)cell);
        }
    }
}

/* Bytes of the system's memory, and those of them that wait. */
static size_t storage_taken(void) { return taken_bytes + slab_count * SLAB_BYTES; }
static size_t storage_waiting(void)
{
    size_t cells = slab_left;
    for (int bin = 0; bin < SMALL_BINS; bin++) {
        for (FreeBlock *cell = free_blocks[bin]; cell; cell = cell->next) cells += cell_bytes(bin);
    }
    return cached_bytes + cells;
}

#endif
