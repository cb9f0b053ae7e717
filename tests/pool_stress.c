/* What the pool promises, tried hard. Each promise is a function below: `pool_stress NAME` tries one, and says nothing if
   it holds. tests/test_threads.py runs them all, and so does `tools/sanitize threads`, under the thread sanitizer. */
#include "pool.c" /* the file itself, so that what it keeps can be looked at */

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __APPLE__
#define MEGABYTE 1000000 /* of ru_maxrss */
#else
#define MEGABYTE 1000
#endif
#define MOST 4096
#define CHECK(x)                                                  \
    do {                                                          \
        if (!(x)) {                                               \
            printf("%s, line %d: not %s\n", __func__, __LINE__, #x); \
            fflush(stdout);                                       \
            _exit(1);                                             \
        }                                                         \
    } while (0)

typedef struct Count {
    Word seen[MOST], inner;
    int work, nested;
} Count;

static void count_inner(void *context, int64_t piece)
{
    (void)piece;
    word_add(context, 1);
}

static void count_piece(void *context, int64_t piece)
{
    Count *c = context;
    volatile double sink = 0;
    word_add(&c->seen[piece], 1);
    for (int i = 0; i < c->work; i++) {
        sink = sink + i;
    }
    if (c->nested) {
        pool_run(count_inner, (void *)&c->inner, 5, 4);
    }
}

static void once_each(int pieces, int threads, int work, int nested)
{
    Count *c = calloc(1, sizeof *c);
    c->work = work;
    c->nested = nested;
    pool_run(count_piece, c, pieces, threads);
    for (int i = 0; i < MOST; i++) {
        CHECK(c->seen[i] == (uint64_t)(i < pieces));
    }
    CHECK(c->inner == (uint64_t)(nested * 5 * pieces));
    free(c);
}

/* Two threads that call over and over, until end_busy. */
static Word over;
static pthread_t busy_threads[2];

static void *call_over_and_over(void *unused)
{
    for (int i = 0; !word_get(&over); i++) {
        once_each(1 + i % 40, 3, 2000, 0);
    }
    return unused;
}

static void begin_busy(void)
{
    word_set(&over, 0);
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&busy_threads[i], NULL, call_over_and_over, NULL) == 0);
    }
}

static void end_busy(void)
{
    word_set(&over, 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(busy_threads[i], NULL);
    }
}

static void finishes_well(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ------------------------------------------------------------------ the promises */

static void every_piece_runs_once(void)
{
    unsigned seed = 1;
    for (int i = 0; i < 2000; i++) {
        int threads = (int[]){1, 2, 3, 8}[rand_r(&seed) % 4];
        once_each(rand_r(&seed) % 70, threads, rand_r(&seed) % 300, rand_r(&seed) % 8 == 0);
        if (i % 200 == 0) {
            usleep(400); /* workers fall asleep */
        }
    }
    once_each(0, 8, 0, 0);
    once_each(MOST, 8, 100, 0);
    once_each(MOST, 100, 100, 0);
}

static void *call_often(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        once_each(1 + i % 40, 2 + i % 3, 200, i % 16 == 0);
    }
    return unused;
}

static void several_threads_may_call(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, call_often, NULL) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void workers_end_and_come_back(void)
{
    for (int i = 0; i < 500; i++) {
        int threads = 1 + i % 5;
        once_each(10, threads, 50, 0);
        CHECK(pool_stop() == threads - 1);
        CHECK(pool_stop() == 0);
    }
}

static pthread_t main_thread;

static void sleep_a_little(void *by_workers, int64_t piece)
{
    (void)piece;
    usleep(1000);
    word_add(by_workers, !pthread_equal(pthread_self(), main_thread));
}

static void a_sleeping_worker_takes_part(void)
{
    Word by_workers = 0;
    main_thread = pthread_self();
    once_each(4, 2, 10, 0);
    for (int i = 0; i < 10; i++) {
        while (word_get(&asleep) == 0) {
            usleep(100);
        }
        pool_run(sleep_a_little, (void *)&by_workers, 8, 2);
    }
    CHECK(by_workers > 10);
}

static void stop_lets_a_call_go_on(void)
{
    begin_busy();
    for (int i = 0; i < 300; i++) {
        pool_stop();
        usleep(50);
    }
    end_busy();
    CHECK(pool_stop() >= 0);
}

static void a_series_of_small_work_wakes_a_worker(void)
{
    CHECK(pool_worth(LEAST - 1, 2) == 1);
    CHECK(pool_worth(LEAST_ASLEEP, 1) == 1);
    CHECK(pool_worth(LEAST_ASLEEP, 2) == 2);
    int small = 0;
    while (pool_worth(LEAST_ASLEEP / 4, 2) == 1 && small < 1000) {
        small++;
    }
    CHECK(small > 0 && small < 1000 && running == 0); /* threads are started for the first call that is worth them */
    once_each(4, 2, 10, 0);
    usleep(50000);
    CHECK(word_get(&asleep) == 1);
    for (int i = 0; pool_worth(LEAST_ASLEEP / 4, 2) == 1; i++) {
        CHECK(i < 10000);
        usleep(10);
    }
    CHECK(word_get(&asleep) == 0);
}

static void a_loss_is_followed_by_a_time_alone(void)
{
    once_each(4, 2, 10, 0);
    settle(-2 * CREDIT - 2 * DEBT, now());
    CHECK(pool_worth(LEAST_ASLEEP, 2) == 1);
    word_set(&alone_until, (uint64_t)now());
    CHECK(pool_worth(LEAST_ASLEEP, 2) == 2);
}

static void use_scratch(void *context, int64_t piece)
{
    size_t bytes = (size_t)(piece % 3 + 1) * 1000000;
    char *memory = pool_scratch(bytes);
    CHECK(memory && (uintptr_t)memory % 64 == 0 && pool_scratch(bytes / 2) == memory);
    memset(memory, (int)piece, bytes);
    usleep(20);
    CHECK(memory[0] == (char)piece && memory[bytes - 1] == (char)piece);
    (void)context;
}

static void a_worker_s_memory_goes_with_it(void)
{
    struct rusage before, usage;
    getrusage(RUSAGE_SELF, &before); /* begins with what the process that started this one had */
    for (int i = 0; i < 200; i++) {
        pool_run(use_scratch, NULL, 12, 4);
        pool_stop();
    }
    getrusage(RUSAGE_SELF, &usage);
#ifndef __SANITIZE_THREAD__
    CHECK(usage.ru_maxrss - before.ru_maxrss < 100 * MEGABYTE);
#endif
}

/* The child has to compute on threads of its own, whatever the parent's threads are doing. */
static void fork_often(int stop_before)
{
    begin_busy();
    for (int i = 0; i < 100; i++) {
        if (stop_before) {
            pool_stop();
        }
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            CHECK(running == 0);
            for (int k = 0; k < 20; k++) {
                once_each(20, 3, 500, 0);
            }
            _exit(running == 2 ? 0 : 2);
        }
        finishes_well(child);
    }
    end_busy();
}

static void a_forked_child_computes(void)
{
    fork_often(0);
}

static void a_child_forked_after_stop_computes(void)
{
    fork_often(1);
}

static Word signals, elsewhere;

static void on_signal(int unused)
{
    (void)unused;
    word_add(&signals, 1);
    word_add(&elsewhere, !pthread_equal(pthread_self(), main_thread));
}

/* While the only thread of the user's holds a signal back, no worker takes it. */
static void signals_reach_the_user_s_threads_only(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t one;
    main_thread = pthread_self();
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    once_each(20, 8, 100, 0);
    for (int i = 0; i < 50; i++) {
        pthread_sigmask(SIG_BLOCK, &one, NULL);
        kill(getpid(), SIGUSR1);
        once_each(40, 8, 2000, 0);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    }
    CHECK(word_get(&signals) == 50 && word_get(&elsewhere) == 0);
}

static void a_process_may_exit_while_threads_are_inside(void)
{
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            begin_busy();
            usleep((useconds_t)(i * 37 % 900));
            exit(0);
        }
        finishes_well(child);
    }
}

#define PROMISE(name) {#name, name}
static const struct {
    const char *name;
    void (*try)(void);
} promises[] = {
    PROMISE(every_piece_runs_once),
    PROMISE(several_threads_may_call),
    PROMISE(workers_end_and_come_back),
    PROMISE(a_sleeping_worker_takes_part),
    PROMISE(stop_lets_a_call_go_on),
    PROMISE(a_series_of_small_work_wakes_a_worker),
    PROMISE(a_loss_is_followed_by_a_time_alone),
    PROMISE(a_worker_s_memory_goes_with_it),
    PROMISE(a_forked_child_computes),
    PROMISE(a_child_forked_after_stop_computes),
    PROMISE(signals_reach_the_user_s_threads_only),
    PROMISE(a_process_may_exit_while_threads_are_inside),
};

int main(int argc, char **argv)
{
    alarm(100);
    CHECK(argc == 2 && pool_open() == 0);
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
        if (strcmp(argv[1], promises[i].name) == 0) {
            promises[i].try();
            return 0;
        }
    }
    printf("there is no promise %s\n", argv[1]);
    return 2;
}
