/* What the pool needs of the system, under one set of names: words that threads share, sleeping, threads, time. */
#ifndef TENSORGRAD_POOL_SYSTEM_H
#define TENSORGRAD_POOL_SYSTEM_H

#ifdef __linux__
#define _GNU_SOURCE /* affinity */
#endif

#include <stdint.h>
#include <stdlib.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <process.h>
#else
#include <pthread.h>
#include <signal.h>
#include <time.h>
#endif

#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "glibc.h"

/* ------------------------------------------------------------------ words, read and written in one order by all threads */

#ifdef _MSC_VER
typedef volatile uint64_t Word;
#define OWN_LINE __declspec(align(128)) /* two cache lines: the hardware fetches them in pairs */

static uint64_t word_get(Word *word)
{
    return (uint64_t)ReadAcquire64((volatile LONG64 *)word);
}
static void word_set(Word *word, uint64_t value)
{
    InterlockedExchange64((volatile LONG64 *)word, (LONG64)value);
}
static uint64_t word_swap(Word *word, uint64_t value)
{
    return (uint64_t)InterlockedExchange64((volatile LONG64 *)word, (LONG64)value);
}
static uint64_t word_add(Word *word, uint64_t value) /* gives what it was */
{
    return (uint64_t)InterlockedExchangeAdd64((volatile LONG64 *)word, (LONG64)value);
}
static int word_replace(Word *word, uint64_t *expected, uint64_t value) /* if it is as expected; else tells what it is */
{
    uint64_t was = *expected;
    *expected = (uint64_t)InterlockedCompareExchange64((volatile LONG64 *)word, (LONG64)value, (LONG64)was);
    return *expected == was;
}
#else
typedef volatile uint64_t Word __attribute__((aligned(8))); /* on 32 bits too */
#define OWN_LINE __attribute__((aligned(128)))

static uint64_t word_get(Word *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
static void word_set(Word *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static uint64_t word_swap(Word *word, uint64_t value)
{
    return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}
static uint64_t word_add(Word *word, uint64_t value) /* gives what it was */
{
    return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
}
static int word_replace(Word *word, uint64_t *expected, uint64_t value) /* if it is as expected; else tells what it is */
{
    return __atomic_compare_exchange_n(word, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
#endif

#if defined(_MSC_VER)
#define PAUSE() YieldProcessor()
#elif defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("isb") /* `yield` does nothing on most cores */
#else
#define PAUSE() ((void)0)
#endif

/* ------------------------------------------------------------------ Windows */
#ifdef _WIN32

typedef SRWLOCK Lock;
typedef CONDITION_VARIABLE Signal;
#define LOCK_AT_FIRST SRWLOCK_INIT
#define SIGNAL_AT_FIRST CONDITION_VARIABLE_INIT
#define lock AcquireSRWLockExclusive
#define unlock ReleaseSRWLockExclusive
#define signal_wait(signal, held) SleepConditionVariableSRW(signal, held, INFINITE, 0)
#define signal_one WakeConditionVariable
#define signal_all WakeAllConditionVariable

typedef struct Thread {
    HANDLE handle;
    void (*body)(void);
} Thread;

static unsigned __stdcall thread_enter(void *thread)
{
    ((Thread *)thread)->body();
    return 0;
}

static int thread_start(Thread *thread, void (*body)(void))
{
    thread->body = body;
    thread->handle = (HANDLE)_beginthreadex(NULL, 0, thread_enter, thread, 0, NULL);
    return thread->handle ? 0 : -1;
}

static void thread_join(Thread *thread)
{
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
}

/* One pointer for each thread; when the thread ends, it is freed. */
static DWORD own_key;
static void NTAPI own_free(void *memory)
{
    free(memory);
}
static int own_open(void)
{
    own_key = FlsAlloc(own_free);
    return own_key == FLS_OUT_OF_INDEXES ? -1 : 0;
}
#define own_get() FlsGetValue(own_key)
#define own_set(memory) FlsSetValue(own_key, memory)

static int64_t now(void) /* nanoseconds */
{
    LARGE_INTEGER ticks, each_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&each_second);
    return (int64_t)((double)ticks.QuadPart * 1e9 / (double)each_second.QuadPart);
}

static int at_fork(void (*in_child)(void))
{
    (void)in_child;
    return 0;
}

/* ------------------------------------------------------------------ POSIX */
#else

typedef pthread_mutex_t Lock;
typedef pthread_cond_t Signal;
#define LOCK_AT_FIRST PTHREAD_MUTEX_INITIALIZER
#define SIGNAL_AT_FIRST PTHREAD_COND_INITIALIZER
#define lock pthread_mutex_lock
#define unlock pthread_mutex_unlock
#define signal_wait pthread_cond_wait
#define signal_one pthread_cond_signal
#define signal_all pthread_cond_broadcast

typedef struct Thread {
    pthread_t handle;
    void (*body)(void);
    long id;
} Thread;

static void *thread_enter(void *thread)
{
#ifdef __linux__
    ((Thread *)thread)->id = syscall(SYS_gettid);
#endif
    ((Thread *)thread)->body();
    return NULL;
}

/* Signals are for the threads that the user knows: the new one gets none. */
static int thread_start(Thread *thread, void (*body)(void))
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread->body = body;
    int refused = pthread_create(&thread->handle, NULL, thread_enter, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return refused ? -1 : 0;
}

static void thread_join(Thread *thread)
{
    pthread_join(thread->handle, NULL);
#ifdef __linux__
    /* For some microseconds more it counts as a thread of the process, and Python would warn of it at a fork. */
    for (int i = 0; i < 10000 && syscall(SYS_tgkill, getpid(), thread->id, 0) == 0; i++) {
        sched_yield();
    }
#endif
}

/* One pointer for each thread; when the thread ends, it is freed. */
static pthread_key_t own_key;
static int own_open(void)
{
    return pthread_key_create(&own_key, free) ? -1 : 0;
}
#define own_get() pthread_getspecific(own_key)
#define own_set(memory) pthread_setspecific(own_key, memory)

static int64_t now(void) /* nanoseconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int at_fork(void (*in_child)(void))
{
    return pthread_atfork(NULL, NULL, in_child) ? -1 : 0;
}
#endif

/* ------------------------------------------------------------------ cores */
#ifdef __linux__
#define current_core sched_getcpu

/* Lets the threads run wherever the caller may, but not on that core. */
static void keep_off(int core, Thread *threads, int count)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 1) {
        CPU_CLR(core, &cores);
        for (int i = 0; i < count; i++) {
            pthread_setaffinity_np(threads[i].handle, sizeof cores, &cores);
        }
    }
}
#else
static int current_core(void)
{
    return -1; /* unknown */
}

static void keep_off(int core, Thread *threads, int count)
{
    (void)core, (void)threads, (void)count;
}
#endif

#endif
