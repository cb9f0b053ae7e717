# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True
"""The kernels' home and door: C loops over plain buffers, chosen once for the CPU at hand.

Compiled modules ask `find` for a kernel by name and call it with pointers. From Python `apply` runs any of them on arrays,
checked, and with the GIL released; those of every day are functions. They need NumPy alone. Nothing here knows a Tensor.
"""
import os
from _thread import get_ident
from time import perf_counter_ns

import numpy as np

from libc.string cimport memset

cdef extern from "dispatch.h" nogil:
    int kernels_start(const char *cap) noexcept
    const char *kernels_level() noexcept
    const Kernel *kernels_find(const char *name, int dtype) noexcept
    int kernels_count() noexcept
    const Kernel *kernels_at(int index) noexcept

cdef extern from "launch.h" nogil:
    int kernel_run(const Kernel *kernel, KernelArgs *args, double cost) noexcept

cdef extern from "pool.h" nogil:
    int pool_open() noexcept
    int pool_threads() noexcept
    void pool_set_threads(int threads) noexcept
    int pool_stop() noexcept


cdef const Kernel *find(const char *name, int dtype) noexcept:
    """The kernel of that name for inputs of that element type, or NULL."""
    return kernels_find(name, dtype)


cdef int run(const Kernel *kernel, KernelArgs *a, double cost) noexcept nogil:
    """Runs a call, on several threads where that pays; gives -1 when there is no memory for what it needs beside its operands."""
    return kernel_run(kernel, a, cost)


def level():
    """The CPU level whose kernels are in use: v2, v3 or v4 (of x86-64), or baseline."""
    return kernels_level().decode()


def has(str name, int dtype):
    """Whether there is a kernel of that name for inputs of that element type (its number in kernel.h)."""
    return kernels_find(name.encode(), dtype) is not NULL


def declarations():
    """What each kernel declares, as a list of dicts sorted by name and by the number of its element type."""
    cdef const Kernel *k
    cdef int i
    found = []
    for i in range(kernels_count()):
        k = kernels_at(i)
        reals, integers = settings_of(k)
        found.append({
            "name": k.name.decode(), "dtype": k.dtype, "inputs": k.inputs, "outputs": k.outputs,
            "in_place": [n for n in range(k.inputs) if k.in_place >> n & 1], "cost": k.cost,
            "settings": reals, "integers": integers, "operands": operands_of(k),
        })
    return sorted(found, key=lambda each: (each["name"], each["dtype"]))


def names():
    """All kernels, as a sorted list of (name, number of the element type)."""
    return [(each["name"], each["dtype"]) for each in declarations()]


def call(str name, int dtype, addresses, size, strides, scalar=(), integer=(), int flags=0, long repeat=1):
    """Runs a kernel on raw addresses, `repeat` times: what the tensor core does, within reach of tests and benchmarks.

    Nothing is checked: a wrong address or stride is a crash.
    """
    cdef KernelArgs a
    cdef const Kernel *kernel = kernels_find(name.encode(), dtype)
    cdef int i, d, failed = 0
    cdef long _r
    if kernel is NULL:
        raise KeyError(f"there is no kernel {name!r} for element type {dtype}")
    memset(&a, 0, sizeof(KernelArgs))
    a.ndim = len(size)
    for i in range(len(addresses)):
        a.data[i] = <void *><size_t>(addresses[i] or 0)
    for i in range(len(strides)):
        for d in range(len(strides[i])):
            a.stride[i][d] = strides[i][d]
    for d in range(len(size)):
        a.size[d] = size[d]
    for i in range(len(scalar)):
        a.scalar[i] = scalar[i]
    for i in range(len(integer)):
        a.integer[i] = integer[i]
    a.flags = flags
    with nogil:
        for _r in range(repeat):
            failed |= kernel_run(kernel, &a, kernel_cost(kernel, &a))
    if failed:
        raise MemoryError(f"{name}: no memory to work in")


def threads():
    """How many threads a kernel may use."""
    return pool_threads()


def set_threads(int number):
    """Lets kernels use that many threads, at least 1, from their next call on."""
    pool_set_threads(number)


def stop_workers():
    """Ends the threads that wait for work; the next kernel that wants them starts others. Gives how many ended, -1 when busy."""
    return pool_stop()


include "kernels/declared.pxi"
include "kernels/events.pxi"
include "kernels/arrays.pxi"
include "kernels/activations.pxi"
include "kernels/rows.pxi"
include "kernels/products.pxi"
include "kernels/steps.pxi"


cdef _start():
    cap = os.environ.get("TENSORGRAD_CPU", "")
    if cap not in ("", "v2", "v3", "v4"):
        raise ImportError(f"TENSORGRAD_CPU is {cap!r}; it can be v2, v3 or v4, or be unset")
    started = kernels_start(cap.encode())
    if started == -2:
        raise ImportError("two kernels are declared under one name and dtype, or more than the table holds")
    if started != 0:
        raise ImportError(
            "tensorgrad needs an x86-64 CPU with SSE4.2 and POPCNT (level v2), made since about 2009, and this one has not both. "
            "An emulator or a virtual machine may hide them: give it a newer CPU, e.g. `qemu -cpu max`"
        )
    if pool_open() != 0:
        raise ImportError("the system has no room for tensorgrad's threads: too many libraries keep data for each thread")


_start()
