# cython: language_level=3
"""How the other compiled modules reach the kernels: the call as a value, one look-up by name and element type, the pool."""
from libc.stdint cimport int32_t, int64_t

cdef extern from "kernel.h" nogil:
    enum:
        KERNEL_OPERANDS
        KERNEL_DIMS
        KERNEL_SCALARS
        DT_BOOL
        DT_U8
        DT_I8
        DT_I16
        DT_I32
        DT_I64
        DT_F16
        DT_F32
        DT_F64
        DT_COUNT
        GEMM_ACCUMULATE
        GEMM_BIAS
        GEMM_RELU
    ctypedef struct KernelArgs:
        void *data[8]
        int64_t size[6]
        int64_t stride[8][6]
        double scalar[8]
        int32_t ndim
        int32_t flags
    ctypedef void (*kernel_fn)(const KernelArgs *) noexcept nogil

cdef extern from "pool.h" nogil:
    ctypedef void (*pool_fn)(void *context, int64_t piece) noexcept

cdef kernel_fn find(const char *name, int dtype) noexcept
cdef void pool_run(pool_fn fn, void *context, int64_t pieces, int threads) noexcept nogil
cdef int pool_worth(int64_t cost, int threads) noexcept nogil
cdef int pool_threads() noexcept nogil
