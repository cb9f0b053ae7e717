/* What a call of the thread pool costs, on two threads: the figures of kernels/README.md.

     cc -O2 -Isrc/tensorgrad/kernels benchmarks/pool.c src/tensorgrad/kernels/pool.c -o build/pool -pthread && build/pool

   Lower quartiles, in microseconds. The work of a call is waiting for the clock, so only the pool's share is measured. */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST 20000
#define PIECES 8

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void busy(double microseconds)
{
    double end = now() + microseconds;
    while (now() < end) {
    }
}

static void idle(double microseconds)
{
    struct timespec t = {(time_t)(microseconds / 1e6), (long)(microseconds * 1e3) % 1000000000};
    nanosleep(&t, NULL);
}

static void piece_of(void *work, int64_t piece)
{
    (void)piece;
    if (*(double *)work > 0) {
        busy(*(double *)work / PIECES);
    }
}

static int ascending(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/* Calls of `work` microseconds, with a gap between them. */
static double call(double work, void (*wait)(double), double gap, int threads)
{
    static double took[MOST];
    int count = 0;
    double end = now() + 1e6;
    while (count < MOST && now() < end) {
        if (gap > 0) {
            wait(gap);
        }
        double start = now();
        pool_run(piece_of, &work, PIECES, threads);
        took[count++] = now() - start;
    }
    qsort(took, (size_t)count, sizeof *took, ascending);
    return took[count / 4];
}

int main(void)
{
    static const double works[] = {0, 5, 20, 85, 340}, gaps[] = {0, 30, 100, 500, 0.02e3, 0.2e3, 2e3};
    if (pool_open() != 0) {
        return 1;
    }
    printf("%8s%8s  gap busy:%7s%8s%8s%8s  asleep:%7s%8s%8s\n", "work", "alone", "0", "30", "100", "500", "20", "200", "2000");
    for (int i = 0; i < 5; i++) {
        printf("%8.0f%8.2f           ", works[i], call(works[i], busy, 0, 1));
        for (int k = 0; k < 7; k++) {
            printf("%s%8.2f", k == 4 ? "         " : "", call(works[i], k < 4 ? busy : idle, gaps[k], 2));
            fflush(stdout);
        }
        printf("\n");
    }
    return 0;
}
