/* Indices that others may write at any time, and the word in which a kernel says that one names nothing. A unit is a segment, which
 * has a word of its own in the workspace if there are several. */
#ifndef TENSORGRAD_NAMING_H
#define TENSORGRAD_NAMING_H

#include "entries.h"

/* An index, read once: whoever else holds the array may write there meanwhile. */
ALWAYS_INLINE int64_t index_at(const void *index, int64_t at)
{
    return ((const volatile int64_t *)index)[at];
}

static size_t word_each(const KernelArgs *a, int64_t units)
{
    (void)a;
    return (size_t)units * sizeof(int64_t);
}

ALWAYS_INLINE void join_into(int64_t *wrong, const int64_t *parts, int64_t units)
{
    for (int64_t u = 0; u < units; u++) {
        wrong[0] |= parts[u];
    }
}

#endif
