# cython: language_level=3
"""How the other compiled modules reach the kernels: a kernel and a call of it as values, one look-up by name
and element type, and one place that runs them.
"""
from libc.stdint cimport int8_t, int32_t, int64_t

cdef extern from "kernel.h" nogil:
    enum:
        KERNEL_OPERANDS
        KERNEL_DIMS
        KERNEL_SCALARS
        KERNEL_INTEGERS
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
        double scalar[8]
        int64_t integer[4]
        int32_t ndim
        int32_t flags
        int64_t stride[8][6]
    ctypedef struct Kernel:
        const char *name
        int dtype
        void (*run)(const KernelArgs *a, int64_t start, int64_t stop) noexcept nogil
        float cost
        int8_t inputs
        int8_t outputs
        int8_t in_place
        int8_t coarse
        const char *settings
        int64_t (*units)(const KernelArgs *a) noexcept nogil
        void (*finish)(const KernelArgs *a, int64_t units) noexcept nogil
    void begin "kernel_begin"(KernelArgs *a, int ndim) noexcept

cdef const Kernel *find(const char *name, int dtype) noexcept
cdef int run(const Kernel *kernel, KernelArgs *a, double cost) noexcept nogil
