"""What other compiled modules may reach of a Generator: single draws, and fills of raw memory by dtype code.

Each takes the generator's lock itself, and a raw fill lets go of the GIL when it is large. Dtypes are tensorgrad's
codes. Nothing is checked here. `raw_integers` draws one of the `span` integers from `low` on (a span of 0 stands for
2**64), each from two words if `wide`, which a span above 2**32 needs, else from one.
"""
from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport int64_t, uint32_t, uint64_t

from tensorgrad._kernels cimport Event

cdef struct Engine:
    uint64_t seed
    int left                # words until the next refill, plus one
    uint32_t next           # index of the next word
    uint32_t state[624]
    bint has_normal         # the second of a pair of normals waits for the next scalar draw
    double normal
    bint has_normal32       # never set here; kept so that a state goes out as it came in
    float normal32

cdef enum Reals:
    NORMAL, LOG_NORMAL, EXPONENTIAL, GEOMETRIC, CAUCHY

cdef class Generator:
    cdef Engine engine
    cdef PyThread_type_lock lock
    cdef Event event            # of the draw that is under way
    cdef object __weakref__

    cdef int enter(self, str drawing=*, int dtype=*, const void *out=*, Py_ssize_t n=*) except -1
    cdef int leave(self, bint outside=*) except -1
    cdef uint32_t next32(self) noexcept
    cdef uint64_t next64(self) noexcept
    cdef int raw_uniform(self, int dtype, void *out, Py_ssize_t n, double low, double high) except -1
    cdef int raw_normal(self, int dtype, void *out, Py_ssize_t n, double mean, double std,
                        bint scalar_path) except -1
    cdef int raw_integers(self, int dtype, void *out, Py_ssize_t n, uint64_t span, int64_t low,
                          bint wide) except -1
    cdef int raw_bernoulli(self, int dtype, void *out, Py_ssize_t n, double p) except -1
    cdef int raw_reals(self, int dtype, void *out, Py_ssize_t n, Reals which, double a, double b) except -1
