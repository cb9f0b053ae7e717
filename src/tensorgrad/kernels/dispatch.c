/* Chooses the CPU level once, and finds kernels by name. Compiled without the flags of any level: it must run everywhere. */
#include "dispatch.h"

#include <string.h>

#include "level.h"

#define SLOTS 4096 /* of the hash table: a power of two, several times the number of kernels */

typedef const Kernel *const *(*entries_fn)(void);

#ifdef KERNEL_X86
const Kernel *const *kernel_entries_v2(void);
const Kernel *const *kernel_entries_v3(void);
const Kernel *const *kernel_entries_v4(void);
#else
const Kernel *const *kernel_entries_baseline(void);
#endif

static const Kernel *slots[SLOTS];
static int filled;
static const char *level_name = "none";

static unsigned hash(const char *name, int dtype)
{
    unsigned h = 2166136261u ^ (unsigned)dtype;
    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 16777619u;
    }
    return h;
}

/* -2 when a kernel of that name and dtype is there already, which would never run, or there is no room. */
static int insert(const Kernel *entry)
{
    unsigned at = hash(entry->name, entry->dtype) % SLOTS;
    if (kernels_find(entry->name, entry->dtype) || filled >= SLOTS / 2) {
        return -2;
    }
    while (slots[at]) {
        at = (at + 1) % SLOTS;
    }
    slots[at] = entry;
    filled++;
    return 0;
}

static int fill(entries_fn entries)
{
    const Kernel *const *lists = entries();
    memset(slots, 0, sizeof slots);
    filled = 0;
    for (; *lists; lists++) {
        for (const Kernel *entry = *lists; entry->name; entry++) {
            if (insert(entry) != 0) {
                return -2;
            }
        }
    }
    return 0;
}

#ifdef KERNEL_X86
static int cpu_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) {
        return 0;
    }
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2")) {
        return 2;
    }
    int has_512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
    return has_512 ? 4 : 3;
}

int kernels_start(const char *cap)
{
    int level = cpu_level();
    if (cap[0] == 'v' && cap[1] - '0' < level) {
        level = cap[1] - '0';
    }
    level_name = level >= 4 ? "v4" : level == 3 ? "v3" : "v2";
    return level >= 4 ? fill(kernel_entries_v4) : level == 3 ? fill(kernel_entries_v3) : level == 2 ? fill(kernel_entries_v2) : -1;
}
#else
int kernels_start(const char *cap)
{
    (void)cap;
    level_name = "baseline";
    return fill(kernel_entries_baseline);
}
#endif

const char *kernels_level(void)
{
    return level_name;
}

const Kernel *kernels_find(const char *name, int dtype)
{
    unsigned at = hash(name, dtype) % SLOTS;
    while (slots[at]) {
        if (slots[at]->dtype == dtype && strcmp(slots[at]->name, name) == 0) {
            return slots[at];
        }
        at = (at + 1) % SLOTS;
    }
    return NULL;
}

int kernels_count(void)
{
    return filled;
}

const Kernel *kernels_at(int index)
{
    for (int at = 0; at < SLOTS; at++) {
        if (slots[at] && index-- == 0) {
            return slots[at];
        }
    }
    return NULL;
}
