/* A pool of threads for the kernels. The caller works too, and waits only for pieces that a worker has begun. */
#ifndef TENSORGRAD_POOL_H
#define TENSORGRAD_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef void (*pool_fn)(void *context, int64_t piece);

/* Once, before anything else here. Gives 0, or -1 when the system refuses. */
int pool_open(void);

/* Runs fn(context, piece) once for each piece of 0 .. pieces - 1, on at most `threads` threads, the caller among them,
   and returns when all are done. While another thread is inside, or from within a piece, the caller runs them alone. */
void pool_run(pool_fn fn, void *context, int64_t pieces, int threads);

/* How many threads to ask for: 1, or `threads` if work that takes one thread `cost` nanoseconds gains from them now. */
int pool_worth(int64_t cost, int threads);

/* Ends and joins the workers; the next call starts new ones. Gives how many there were, or -1 when a call is under way. */
int pool_stop(void);

/* How many threads the user wants a kernel to use. */
int pool_threads(void);
void pool_set_threads(int threads);

/* Memory of the calling thread, aligned to a cache line, or NULL. It is kept, and handed out again by the next call
   from that thread, until the thread ends. */
void *pool_scratch(size_t bytes);

/* A piece that got no memory, and left its work undone, says so; whoever ran it asks, and thereby forgets it. */
void pool_fail(void);
int pool_failed(void);

#endif
