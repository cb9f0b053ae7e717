/* What differs between CPU levels, and the names that let one source be compiled once for each of them. */
#ifndef TENSORGRAD_LEVEL_H
#define TENSORGRAD_LEVEL_H

#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

#ifndef KERNEL_LEVEL
#define KERNEL_LEVEL baseline
#endif
#define LEVEL_PASTE(name, level) name##_##level
#define LEVEL_JOIN(name, level) LEVEL_PASTE(name, level)
/* The name of something that exists once per level and is seen from other files. */
#define LEVEL(name) LEVEL_JOIN(name, KERNEL_LEVEL)

/* The width of a vector register, in bytes. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* An output may be the very same memory as an input, element for element, so `restrict` would be a lie. What holds is
   that no element depends on one written earlier in the loop, and this says so. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#elif defined(_MSC_VER)
#define INDEPENDENT __pragma(loop(ivdep))
#else
#define INDEPENDENT
#endif

/* For loops with strides: the vector scatters that compilers choose for AVX-512 are several times slower than moves. */
#if defined(__clang__)
#define SCALAR_LOOPS
#define ONE_BY_ONE _Pragma("clang loop vectorize(disable)")
#elif defined(__GNUC__)
#define SCALAR_LOOPS __attribute__((noinline, optimize("no-tree-vectorize")))
#define ONE_BY_ONE
#else
#define SCALAR_LOOPS
#define ONE_BY_ONE
#endif

/* Whether the compiler has vectors as types. PLAIN_C builds as where it has not, which is how that is tried. */
#if defined(__GNUC__) && !defined(PLAIN_C)
#define VECTOR_TYPES 1
#else
#define VECTOR_TYPES 0
#endif

#if defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
#define MAYBE_UNUSED __attribute__((unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define PREFETCH(p) __builtin_prefetch(p, 0, 3)
#define PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1, 3)
#else
#define UNROLL
#define ALWAYS_INLINE static __forceinline
#define NEVER_INLINE __declspec(noinline)
#define MAYBE_UNUSED
#define LIKELY(x) (x)
#define PREFETCH(p) ((void)(p))
#define PREFETCH_TO_WRITE(p) ((void)(p))
#endif

ALWAYS_INLINE int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Elements that are added up apart from the others of a long sum, so that threads can share it. */
#define SEGMENT 32768

/* The units of a kernel of one loop that is cut into these, as the length alone says. */
ALWAYS_INLINE int64_t units_of_segments(const KernelArgs *a)
{
    return a->size[0] <= SEGMENT ? 1 : divide_up(a->size[0], SEGMENT);
}

/* The units of a kernel that can't be cut. */
ALWAYS_INLINE int64_t one_unit(const KernelArgs *a)
{
    (void)a;
    return 1;
}

/* The rows of a kernel for both float types, which differ in their cost. */
#define FLOAT32(name, single, wide, ...) {#name, DT_F32, name##_f32, single, __VA_ARGS__},
#define FLOAT64(name, single, wide, ...) {#name, DT_F64, name##_f64, wide, __VA_ARGS__},
#define BOTH_FLOATS(name, single, wide, ...) FLOAT32(name, single, wide, __VA_ARGS__) FLOAT64(name, single, wide, __VA_ARGS__)

/* A constant that the compiler does not know. Of a limit that it knows GCC makes a comparison and a choice, and carries them into
   all that follows; of one that it does not, a single instruction. */
#if defined(__GNUC__) && !defined(__clang__)
#define UNKNOWN(type, value) __extension__({ static type unknown __attribute__((used)) = value; unknown; })
#else
#define UNKNOWN(type, value) (value)
#endif

#define SQRT_f32 sqrtf
#define SQRT_f64 sqrt

#endif
