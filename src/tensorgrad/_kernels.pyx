# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True
"""The kernels' home and door: C loops over plain buffers, chosen once for the CPU at hand.

Compiled modules ask `find` for a kernel by name and call it with pointers. From Python the same kernels are functions
over arrays of float32 or float64, checked, and with the GIL released; they need NumPy alone. Nothing here knows a Tensor.
"""
import os

import numpy as np

ctypedef fused floating:
    float
    double

cdef extern from "dispatch.h" nogil:
    int kernels_start(const char *cap) noexcept
    const char *kernels_level() noexcept
    kernel_fn kernels_find(const char *name, int dtype) noexcept
    int kernels_count() noexcept
    const char *kernels_name(int index, int *dtype) noexcept

cdef extern from "pool.h" nogil:
    int pool_open() noexcept
    void c_pool_run "pool_run"(pool_fn fn, void *context, int64_t pieces, int threads) noexcept
    int c_pool_worth "pool_worth"(int64_t cost, int threads) noexcept
    int c_pool_threads "pool_threads"() noexcept
    void pool_set_threads(int threads) noexcept
    int pool_stop() noexcept


cdef kernel_fn find(const char *name, int dtype) noexcept:
    """The kernel of that name for inputs of that element type, or NULL."""
    return kernels_find(name, dtype)


cdef void pool_run(pool_fn fn, void *context, int64_t pieces, int threads) noexcept nogil:
    """Runs ``fn(context, piece)`` for each piece, on up to that many threads (pool.h)."""
    c_pool_run(fn, context, pieces, threads)


cdef int pool_worth(int64_t cost, int threads) noexcept nogil:
    """That many threads, or 1 if work of ``cost`` nanoseconds gains nothing from them now."""
    return c_pool_worth(cost, threads)


cdef int pool_threads() noexcept nogil:
    """How many threads the user wants a kernel to use."""
    return c_pool_threads()


def level():
    """The CPU level whose kernels are in use: v2, v3 or v4 (of x86-64), or baseline."""
    return kernels_level().decode()


def has(str name, int dtype):
    """Whether there is a kernel of that name for inputs of that element type (its number in kernel.h)."""
    return kernels_find(name.encode(), dtype) is not NULL


def names():
    """All kernels, as a sorted list of (name, number of the element type)."""
    cdef int i, dtype = 0
    found = []
    for i in range(kernels_count()):
        name = kernels_name(i, &dtype)
        found.append((name.decode(), dtype))
    return sorted(found)


def call(str name, int dtype, addresses, size, strides, scalar=(), int flags=0, long repeat=1):
    """Runs a kernel on raw addresses, `repeat` times: what the tensor core does, within reach of tests and benchmarks.

    Nothing is checked: a wrong address or stride is a crash.
    """
    cdef KernelArgs a
    cdef kernel_fn fn = kernels_find(name.encode(), dtype)
    cdef int i, d
    cdef long _r
    if fn is NULL:
        raise KeyError(f"there is no kernel {name!r} for element type {dtype}")
    for i in range(KERNEL_OPERANDS):
        a.data[i] = <void *><size_t>(addresses[i] if i < len(addresses) and addresses[i] else 0)
        for d in range(KERNEL_DIMS):
            a.stride[i][d] = strides[i][d] if i < len(strides) and d < len(strides[i]) else 0
    for d in range(KERNEL_DIMS):
        a.size[d] = size[d] if d < len(size) else 0
    for i in range(KERNEL_SCALARS):
        a.scalar[i] = scalar[i] if i < len(scalar) else 0.0
    a.ndim = len(size)
    a.flags = flags
    with nogil:
        for _r in range(repeat):
            fn(&a)


def threads():
    """How many threads a kernel may use."""
    return c_pool_threads()


def set_threads(int number):
    """Lets kernels use that many threads, at least 1, from their next call on."""
    pool_set_threads(number)


def stop_workers():
    """Ends the threads that wait for work; the next kernel that wants them starts others. Gives how many ended, -1 when busy."""
    return pool_stop()


include "kernels/checks.pxi"
include "kernels/activations.pxi"
include "kernels/rows.pxi"
include "kernels/products.pxi"
include "kernels/steps.pxi"


cdef _start():
    cap = os.environ.get("TENSORGRAD_CPU", "")
    if cap not in ("", "v2", "v3", "v4"):
        raise ImportError(f"TENSORGRAD_CPU is {cap!r}; it can be v2, v3 or v4, or be unset")
    if kernels_start(cap.encode()) != 0:
        raise ImportError("tensorgrad needs an x86-64 CPU with SSE4.2 (level v2), made since about 2009")
    if pool_open() != 0:
        raise ImportError("the system has no room for tensorgrad's threads: too many libraries keep data for each thread")


_start()
