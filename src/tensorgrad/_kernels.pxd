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
        BOOL "DT_BOOL"
        U8 "DT_U8"
        I8 "DT_I8"
        I16 "DT_I16"
        I32 "DT_I32"
        I64 "DT_I64"
        F16 "DT_F16"
        BF16 "DT_BF16"
        F32 "DT_F32"
        F64 "DT_F64"
        DTYPES "DT_COUNT"
        GEMM_ACCUMULATE
        GEMM_BIAS
        GEMM_RELU
    ctypedef struct Dtype:
        const char *name
        int bytes
        int digits
    const Dtype *kernel_dtype(int code) noexcept
    double kernel_largest(int code) noexcept
    ctypedef struct KernelArgs:
        void *data[KERNEL_OPERANDS]
        int64_t size[KERNEL_DIMS]
        double scalar[KERNEL_SCALARS]
        int64_t integer[KERNEL_INTEGERS]
        int32_t ndim
        int32_t flags
        int64_t stride[KERNEL_OPERANDS][KERNEL_DIMS]
    ctypedef struct Kernel:
        const char *name
        int dtype
        void (*run)(const KernelArgs *a, int64_t start, int64_t stop) noexcept nogil
        float cost
        int8_t inputs
        int8_t outputs
        int8_t in_place
        int8_t in_place_if
        int8_t coarse
        const char *settings
        const char *operands
        int64_t (*units)(const KernelArgs *a) noexcept nogil
        void (*finish)(const KernelArgs *a, int64_t units) noexcept nogil
        const char *(*refuse)(const KernelArgs *a) noexcept nogil
    void begin "kernel_begin"(KernelArgs *a, int ndim) noexcept
    double kernel_cost(const Kernel *kernel, const KernelArgs *args) noexcept

cdef enum:              # bits of the word that a launch tests
    LISTENED = 1        # somebody listens to events
    TRAPPED = 2         # the core looks out for numbers that are not finite
    RECORDED = 4        # events of ops keep what they were called on and gave
    ASIDE = 8           # calls of ops are looked at aside from events: subclasses answer them, or hooks pack what they save

cdef class Operand:
    cdef readonly size_t address
    cdef readonly int dtype             # its number in kernel.h
    cdef readonly tuple shape
    cdef readonly tuple strides         # in bytes

cdef class Event:
    cdef readonly str kind              # kernel, body, draw, number; op, backward, step, range
    cdef readonly str name
    cdef readonly Event parent
    cdef readonly unsigned long thread
    cdef readonly long long start       # nanoseconds of time.perf_counter_ns()
    cdef readonly long long stop
    cdef readonly long long inner       # nanoseconds of the events inside it
    cdef readonly int dtype             # of a kernel: the number of its element type, the extents of its work
    cdef readonly tuple sizes
    cdef public tuple inputs            # of all that computes: operands, None for one that is not given
    cdef public tuple outputs           # what is written, in place too
    cdef readonly tuple shapes          # of an op: those of its tensors
    cdef readonly long long nbytes      # and the bytes of these and of its result
    cdef public tuple call              # where it was asked for: the arguments, the words of the last of them, the result

cdef list operands_of(const Kernel *kernel)
cdef tuple settings_of(const Kernel *kernel)
cdef int *listening_word() noexcept
cdef Event begin_event(str kind, str name)
cdef Event begin_kernel(const Kernel *kernel, const KernelArgs *a)
cdef Operand new_operand(const void *address, int dtype, int ndim, const Py_ssize_t *shape, const Py_ssize_t *strides)
cdef int end_event(Event event) except -1
cdef const Kernel *find(const char *name, int dtype) noexcept
cdef int run(const Kernel *kernel, KernelArgs *a, double cost) noexcept nogil
