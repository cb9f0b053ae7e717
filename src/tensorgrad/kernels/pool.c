/* The pool is one word: the number of the call, the seats left for workers, the pieces left. A claim is one exchange on it.
   A claimed piece is of the current call for certain, because the call cannot end before that piece is reported. */
#include "pool_system.h" /* first: it says which system interface the others may show */

#include "pool.h"

#define WORKERS 63
#define CALL_SHIFT 40
#define SEAT_SHIFT 32
#define CALL(t) ((t) >> CALL_SHIFT)
#define SEATS(t) ((t) >> SEAT_SHIFT & 255)
#define PIECES(t) ((t) & 0xffffffff)

/* Nanoseconds, as measured (README.md). */
#define SPIN 200000         /* how long a worker waits awake for the next call */
#define PATIENCE 20000      /* how long a caller waits awake for the last pieces */
#define LEAST 1500          /* work below this is for one thread */
#define LEAST_ASLEEP 60000  /* and below this where the worker must be woken */
#define SERIES 120000       /* of small work in a row, and a worker is woken for the next */
#define CREDIT 10000000     /* the most that past gains excuse: longer than a time slice */
#define DEBT 1000000        /* the loss at which the pool does without workers for a while */
#define CAUTION 20          /* and for how many times the loss */

static OWN_LINE Word ticket;
static OWN_LINE Word reported;  /* pieces that workers have done */
static OWN_LINE Word from_back; /* pieces that workers have taken */
static OWN_LINE Word busy;      /* 1: somebody is inside */
static Word asleep, spinning;   /* workers */
static Word caller_sleeps, ending, alone_until;
static Word wanted = 1;
static Word failed;             /* a piece got no memory */

/* Of the current call; written while no piece is claimed. */
static OWN_LINE pool_fn job_fn;
static void *job_context;
static uint64_t job_pieces;

static Lock door = LOCK_AT_FIRST;
static Signal bell = SIGNAL_AT_FIRST, done = SIGNAL_AT_FIRST;
static int bell_rung; /* how often; under the lock */

/* Of the thread that is inside. */
static Thread workers[WORKERS];
static int64_t balance;
static int barred = -1; /* the core that workers keep off */
static Word running;    /* is read by others too */

static int enter(void)
{
    return !word_swap(&busy, 1);
}

static void leave(void)
{
    word_set(&busy, 0);
}

/* ------------------------------------------------------------------ a worker */

/* Takes a seat, and pieces from the back while there are any: in a chain of calls each core so finds its part in its own
   cache. Gives 0 when there was no seat. */
static int work(uint64_t t)
{
    do {
        if (!SEATS(t) || !PIECES(t)) {
            return 0;
        }
    } while (!word_replace(&ticket, &t, t - ((uint64_t)1 << SEAT_SHIFT) - 1));
    uint64_t count = 0;
    for (;;) {
        job_fn(job_context, (int64_t)(job_pieces - 1 - word_add(&from_back, 1)));
        count++;
        t = word_get(&ticket);
        do {
            if (!PIECES(t)) {
                word_add(&reported, count);
                if (word_get(&caller_sleeps)) {
                    lock(&door);
                    unlock(&door);
                    signal_all(&done);
                }
                return 1;
            }
        } while (!word_replace(&ticket, &t, t - 1));
    }
}

/* Whether another call than `call` came within `spin`. */
static int spin_for(uint64_t call, int64_t spin)
{
    int came = 0;
    int64_t begun = now();
    word_add(&spinning, 1);
    do {
        for (int i = 0; i < 32 && !came; i++) {
            PAUSE();
            came = CALL(word_get(&ticket)) != call;
        }
    } while (!came && now() - begun < spin);
    word_add(&spinning, (uint64_t)-1);
    return came;
}

static void sleep_on(uint64_t call)
{
    lock(&door);
    int rung = bell_rung;
    word_add(&asleep, 1);
    while (CALL(word_get(&ticket)) == call && bell_rung == rung) {
        signal_wait(&bell, &door);
    }
    word_add(&asleep, (uint64_t)-1);
    unlock(&door);
}

static void worker(void)
{
    int64_t spin = SPIN;
    for (;;) {
        uint64_t t = word_get(&ticket);
        if (work(t)) {
            continue;
        }
        if (word_get(&ending)) {
            return;
        }
        /* The ticket was read before `ending`: a call published since then ends the rest at once. */
        int64_t begun = now();
        while (!(spin && spin_for(CALL(t), spin))) {
            sleep_on(CALL(t));
            if (CALL(word_get(&ticket)) != CALL(t)) {
                break;
            }
            spin = SPIN; /* woken without work: some is near */
            begun = now();
        }
        spin = now() - begun > SPIN ? 0 : SPIN; /* waiting awake was in vain: the next gap may be as long */
    }
}

/* ------------------------------------------------------------------ a caller */

/* A woken thread may be put on the waker's own core, where it runs only once the caller sleeps: above all in a virtual
   machine, where a halted core does not count as idle. */
static void keep_apart(void)
{
    int core = current_core();
    if (core >= 0 && core != barred) {
        keep_off(core, workers, (int)running);
        barred = core;
    }
}

static void wake(int count)
{
    keep_apart();
    lock(&door);
    bell_rung++;
    unlock(&door);
    for (int i = 0; i < count; i++) {
        signal_one(&bell);
    }
}

static void publish(int seats, uint64_t pieces)
{
    uint64_t call = CALL(word_get(&ticket)) + 1;
    word_set(&ticket, call << CALL_SHIFT | (uint64_t)seats << SEAT_SHIFT | pieces);
    if (word_get(&asleep)) {
        wake(seats);
    }
}

static void start(int count)
{
    while ((int)running < count && thread_start(&workers[running], worker) == 0) {
        word_add(&running, 1);
    }
    barred = -1;
    keep_apart();
}

/* Until `count` pieces are reported. */
static void wait_for(uint64_t count, int64_t begun, int64_t patience)
{
    do {
        for (int i = 0; i < 16; i++) {
            if (word_get(&reported) == count) {
                return;
            }
            PAUSE();
        }
    } while (now() - begun < patience);
    lock(&door);
    word_set(&caller_sleeps, 1);
    while (word_get(&reported) != count) {
        signal_wait(&done, &door);
    }
    word_set(&caller_sleeps, 0);
    unlock(&door);
}

/* What workers saved is set against what waiting for them cost: where another process holds their core, a claimed piece
   may take a whole time slice. In debt, the pool is worth nothing for CAUTION times the debt, so it loses 1 in CAUTION. */
static void settle(int64_t saved, int64_t end)
{
    balance = balance + saved > CREDIT ? CREDIT : balance + saved;
    if (balance < -DEBT) {
        word_set(&alone_until, (uint64_t)(end - CAUTION * balance));
        balance = 0;
    }
}

void pool_run(pool_fn fn, void *context, int64_t pieces, int threads)
{
    threads = threads > WORKERS + 1 ? WORKERS + 1 : threads;
    threads = threads > pieces ? (int)pieces : threads;
    if (threads < 2 || pieces > UINT32_MAX || !enter()) {
        for (int64_t piece = 0; piece < pieces; piece++) {
            fn(context, piece);
        }
        return;
    }
    if ((int)running < threads - 1) {
        start(threads - 1);
    }
    int64_t started = now();
    job_fn = fn;
    job_context = context;
    job_pieces = (uint64_t)pieces;
    word_set(&reported, 0);
    word_set(&from_back, 0);
    publish(threads - 1, (uint64_t)pieces);
    int64_t own = 0;
    uint64_t t = word_get(&ticket);
    while (PIECES(t)) {
        if (word_replace(&ticket, &t, t - 1)) {
            fn(context, own++);
            t = word_get(&ticket);
        }
    }
    if (own < pieces) {
        uint64_t theirs = (uint64_t)(pieces - own);
        int64_t begun = now(), end = begun;
        int64_t each = own ? (begun - started) / own : 0;
        if (word_get(&reported) != theirs) {
            wait_for(theirs, begun, PATIENCE + each);
            end = now();
        }
        settle((pieces - own) * each - (end - begun), end);
    }
    leave();
}

int pool_worth(int64_t cost, int threads)
{
    static Word last, series;
    if (cost < LEAST || threads < 2) {
        return 1;
    }
    if (word_get(&alone_until)) {
        if (now() < (int64_t)word_get(&alone_until)) {
            return 1;
        }
        word_set(&alone_until, 0);
    }
    if (cost >= LEAST_ASLEEP || word_get(&spinning)) {
        return threads;
    }
    /* None of the small calls in a series is worth waking a worker, but all together are worth one that waits for the next. */
    int64_t time = now();
    int64_t gap = time - (int64_t)word_swap(&last, (uint64_t)time);
    int64_t sum = cost + (gap < SPIN + cost ? (int64_t)word_get(&series) : 0);
    word_set(&series, sum < SERIES ? (uint64_t)sum : 0);
    if (sum < SERIES) {
        return 1;
    }
    if (!word_get(&running)) {
        return threads;
    }
    if (enter()) {
        wake(threads - 1);
        leave();
    }
    return 1;
}

int pool_stop(void)
{
    if (!enter()) {
        return -1;
    }
    int ended = (int)running;
    if (ended) {
        word_set(&ending, 1);
        publish(0, 0);
        signal_all(&bell);
        for (int i = 0; i < ended; i++) {
            thread_join(&workers[i]);
        }
        word_set(&running, 0);
        word_set(&ending, 0);
    }
    leave();
    return ended;
}

/* A child has the forking thread alone. Whatever the others were doing here is void. */
static void in_child(void)
{
    static const Lock new_lock = LOCK_AT_FIRST;
    static const Signal new_signal = SIGNAL_AT_FIRST;
    door = new_lock;
    bell = done = new_signal;
    running = ticket = asleep = spinning = caller_sleeps = ending = alone_until = 0;
    balance = 0;
    barred = -1;
    busy = 0;
}

int pool_open(void)
{
    return own_open() == 0 && at_fork(in_child) == 0 ? 0 : -1;
}

int pool_threads(void)
{
    return (int)word_get(&wanted);
}

void pool_set_threads(int threads)
{
    word_set(&wanted, (uint64_t)threads);
}

/* ------------------------------------------------------------------ memory */

void *pool_scratch(size_t bytes)
{
    const size_t line = 64;
    size_t *kept = own_get(); /* its size, then the memory */
    if (!kept || *kept < bytes) {
        free(kept);
        kept = malloc(sizeof *kept + line - 1 + bytes);
        own_set(kept);
        if (!kept) {
            return NULL;
        }
        *kept = bytes;
    }
    return (void *)(((uintptr_t)(kept + 1) + line - 1) & ~(uintptr_t)(line - 1));
}

void pool_fail(void)
{
    word_set(&failed, 1);
}

int pool_failed(void)
{
    return word_get(&failed) && word_swap(&failed, 0);
}
