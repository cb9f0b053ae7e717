/* The walk over strided operands, shared by all map kernels.
 *
 * A formula is compiled into one loop over contiguous memory, its span. The walk brings every other layout to that form:
 * what does not lie contiguously is gathered into buffers a chunk at a time, and the results are scattered from one. So a
 * vectorised formula is compiled once per element type, whatever the strides, and costs no scalar remainder loop either:
 * the last elements go through a padded buffer.
 */
#ifndef TENSORGRAD_WALK_H
#define TENSORGRAD_WALK_H

#include "part.h"

#define WALK_OPERANDS 4
#define WALK_CHUNK 1024       /* elements gathered at once: what few operands need gathering stays in the first cache */
#define WALK_GRANULE PART     /* what a padded span's count is a multiple of */
#define WALK_GRANULE_F64 8

/* Applies a formula to `count` contiguous elements of each operand: the inputs, then the output, which may be an input. */
typedef void (*span_fn)(void *const *data, int64_t count, const double *scalar);

/* What the loop of a formula asks of its operands. */
typedef struct Span {
    int8_t operands;                /* the output included, which is the last */
    int8_t granule;                 /* 1, or the granule of which the loop takes whole ones only */
    int8_t width[WALK_OPERANDS];    /* bytes of an element of each operand */
    const span_fn *repeated;        /* or NULL: of two inputs, the loops for where the first, or the second, is one element */
    int8_t moves;                   /* 1 if the output is the one input, as it is */
} Span;

/* Elements, or rows of the outermost dimension where there are several: those from `from` up to `to`. */
void LEVEL(walk)(const KernelArgs *a, int64_t from, int64_t to, span_fn formula, const Span *span);

#endif
