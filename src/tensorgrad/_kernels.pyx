# cython: language_level=3
"""The kernels' home and door: C loops over plain buffers, chosen once for the CPU at hand.

Compiled modules ask `find` for a kernel by name and call it with pointers. Nothing here knows a Tensor.
"""
import os

cdef extern from "dispatch.h" nogil:
    int kernels_start(const char *cap) noexcept
    const char *kernels_level() noexcept
    kernel_fn kernels_find(const char *name, int dtype) noexcept


cdef kernel_fn find(const char *name, int dtype) noexcept:
    """The kernel of that name for inputs of that element type, or NULL."""
    return kernels_find(name, dtype)


def level():
    """The CPU level whose kernels are in use: v2, v3 or v4 (of x86-64), or baseline."""
    return kernels_level().decode()


def has(str name, int dtype):
    """Whether there is a kernel of that name for inputs of that element type (its number in kernel.h)."""
    return kernels_find(name.encode(), dtype) is not NULL


cdef _start():
    cap = os.environ.get("TENSORGRAD_CPU", "")
    if cap not in ("", "v2", "v3", "v4"):
        raise ImportError(f"TENSORGRAD_CPU is {cap!r}; it can be v2, v3 or v4, or be unset")
    if kernels_start(cap.encode()) != 0:
        raise ImportError("tensorgrad needs an x86-64 CPU with SSE4.2 (level v2), made since about 2009")


_start()
