/* Running a kernel on as many threads as it gains from: see launch.h. */
#include "launch.h"

#include <math.h>
#include <stdlib.h>

#define PIECE_COST 4000.0       /* nanoseconds that a piece should take at least */
#define FEWEST_PIECES 4         /* of what is worth cutting at all */
#define PIECES_A_THREAD 32      /* at most; two of a kernel that repeats work for each piece */
#define ALIGNED_FROM 4096       /* pieces of long rows of units are cut at multiples of ALIGNED */
#define ALIGNED 1024

typedef struct Call {
    const Kernel *kernel;
    const KernelArgs *args;
    int64_t units, grain;       /* grain: units of a piece */
} Call;

static void run_piece(void *context, int64_t piece)
{
    const Call *call = context;
    int64_t from = piece * call->grain;
    int64_t to = call->units - from < call->grain ? call->units : from + call->grain;
    call->kernel->run(call->args, from, to);
}

/* How many units a piece takes. Pieces may depend on the number of threads, as results do not depend on pieces. */
static int64_t grain_of(const Kernel *kernel, int64_t units, double cost, int threads)
{
    double most = (kernel->coarse ? 2.0 : PIECES_A_THREAD) * threads;
    double pieces = cost / PIECE_COST;
    pieces = pieces > most ? most : pieces < FEWEST_PIECES ? FEWEST_PIECES : pieces;
    int64_t grain = (int64_t)ceil((double)units / pieces);
    return grain >= ALIGNED_FROM ? (grain + ALIGNED - 1) / ALIGNED * ALIGNED : grain;
}

int kernel_run(const Kernel *kernel, KernelArgs *args, double cost)
{
    int64_t units = kernel->units ? kernel->units(args) : args->size[0];
    int joins = kernel->finish && units > 1;
    if (joins) {
        size_t bytes = kernel->workspace ? kernel->workspace(args, units) : 0;
        args->workspace = bytes ? malloc(bytes) : NULL;
        if (bytes && !args->workspace) {
            return -1;
        }
    }
    int threads = units > 1 ? pool_worth((int64_t)(cost < 1e18 ? cost : 1e18), pool_threads()) : 1;
    if (threads < 2) {
        kernel->run(args, 0, units);
    } else {
        Call call = {kernel, args, units, grain_of(kernel, units, cost, threads)};
        pool_run(run_piece, &call, (units + call.grain - 1) / call.grain, threads);
    }
    if (joins) {
        kernel->finish(args, units);
        free(args->workspace);
        args->workspace = NULL;
    }
    return pool_failed() ? -1 : 0;
}
