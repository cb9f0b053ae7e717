# cython: language_level=3
"""The C face of the core: its classes, and the few functions that the steps of optimizers, compiled apart, call."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t

from tensorgrad._kernels cimport DTYPES, Kernel, KernelArgs

cdef extern from "block.h" nogil:
    ctypedef struct Block:
        uint32_t refs
        uint32_t version
        int32_t bin
        int16_t frozen

cdef enum:
    INLINE_DIMS = 3
    MAX_DIMS = 64

cdef enum:                          # of Tensor.contiguous: elements lie in the order of their indices, and
    IN_ORDER = 1                    # its strides are those of a new tensor of its shape, or
    BY_CHANCE = 2                   # it has dimensions of size 1 with other strides, or no elements

cdef class dtype:
    cdef readonly int code
    cdef readonly int itemsize
    cdef readonly int digits        # of a float's significand, else 0
    cdef readonly double largest    # of a float, else 0
    cdef readonly int computes      # the code of the dtype in which bodies compute it
    cdef readonly str name
    cdef readonly str title         # FloatTensor without the Tensor
    cdef readonly str short         # in the names of kernels, and in capitals in safetensors
    cdef readonly bytes letter      # in buffers
    cdef object own                 # NumPy's type, or None where it has none
    cdef readonly bint is_floating_point
    cdef readonly bint is_signed

cdef class Node
cdef class Op

cdef class Tensor:
    cdef Block *block
    cdef char *at
    cdef Py_ssize_t count
    cdef Py_ssize_t dims[6]         # shape, then strides in bytes; past INLINE_DIMS dimensions the address of such an array
    cdef uint8_t nd
    cdef uint8_t code
    cdef uint8_t contiguous         # IN_ORDER, BY_CHANCE or 0
    cdef uint8_t requires              # as it was when last looked at: needs_grad() looks
    cdef uint8_t flags
    cdef uint32_t nr
    cdef uint32_t history           # of a base: how often a recorded in-place write changed its graph; of a
    #                                 view that is not followed (FLAG_UNFOLLOWED_VIEW): its version when it was made
    cdef uint32_t seen              # of a view: the base's history that its node belongs to
    cdef uint32_t moved             # what its version has beyond its block's: it may have been given other memory
    cdef Tensor grad_
    cdef Node node
    cdef Tensor base
    cdef object extra
    cdef void *attributes           # the instance's __dict__, made when the first attribute is set
    cdef object __weakref__

ctypedef int (*vjp_fn)(Node node, Tensor g) except -1
ctypedef object (*hot_fn)(Op op, void **args, Py_ssize_t count)

cdef class Node:
    cdef vjp_fn vjp
    cdef Op op
    cdef object e0
    cdef object e1
    cdef object e2
    cdef object s0
    cdef object s1
    cdef object s2
    cdef Tensor output              # an alias of the output without its node, so that there is no cycle; or what a kernel
    #                                 left for the way back: log-probabilities, statistics
    cdef object buffer              # the gradient gathered so far in the running backward
    cdef list settings              # by parameter, None for the tensors, then the shapes of the first and the second;
    #                                 or None: the defaults
    cdef object more                # rare: inputs past the third, hooks, shapes (class NodeExtra)
    cdef uint32_t v0
    cdef uint32_t v1
    cdef uint32_t v2
    cdef uint32_t v_output
    cdef uint32_t epoch
    cdef int32_t waiting
    cdef uint32_t nr0
    cdef uint32_t nr1
    cdef uint32_t nr2
    cdef uint32_t outputs
    cdef uint8_t codes[3]
    cdef uint8_t state
    cdef uint8_t broadcast          # bit i: input i has another shape than the output
    cdef uint8_t needed

cdef class Op:
    cdef void *vectorcall
    cdef hot_fn hot
    cdef vjp_fn fast_vjp
    cdef const Kernel *kernels[DTYPES]
    cdef const Kernel *backward_kernels[DTYPES]
    cdef int kind
    cdef int rule
    cdef readonly str __name__
    cdef readonly object body
    cdef readonly bint double       # its body computes floats in float64
    cdef readonly bint elementwise  # its result lies in the order of its operands
    cdef bint old_order             # PyTorch's first releases took its factors before the operands
    cdef readonly bint writes       # its body writes into memory that it is given (`out`)
    cdef readonly object check      # what must hold of operands (binary), or of the extents to reduce
    cdef readonly Op target         # of an in-place form: the op whose result it writes
    cdef readonly tuple params
    cdef readonly tuple defaults
    cdef readonly tuple tensor_params
    cdef readonly tuple formulas
    cdef readonly str grad_name     # what PyTorch calls its nodes
    cdef readonly object naming     # gives that of a node, where it hangs on the arguments; else None
    cdef dict index
    cdef tuple tensor_index
    cdef dict settings              # which kind of setting a parameter takes, by its number
    cdef tuple formula_args
    cdef tuple keeps                # for each tensor argument: which values its formula asks for, as a bit mask
    cdef int form                   # which one it is of the ops that share its C functions
    cdef int number_rule            # which operands may be numbers in a call by name
    cdef bint switched              # an elementwise op that takes inplace=
    cdef int positional
    cdef int variadic
    cdef int list_arg
    cdef int backward_needs
    cdef bint plain                 # all parameters are tensors, at most two, and no formula asks for a shape
    cdef bint keeps_second_shape    # some formula asks for the shape of the second tensor
    cdef bint keeps_third_shape     # or of the third, see note_third_shape
    cdef public int precision       # what mixed precision does with it: see casting.pxi
    cdef dict __dict__

cdef Tensor copied_to(Tensor x, Tensor out)
cdef bint is_dense(Tensor t) noexcept
cdef bint lies_with(Tensor x, Tensor t) noexcept
cdef bint overlap(Tensor x, Tensor y) noexcept
cdef bint clash(Tensor out, Tensor x) noexcept
cdef int launch(const Kernel *kernel, KernelArgs *a) except -1
cdef bint kernels_on() noexcept
cdef bint is_finite(Tensor t) except -1
cdef bint begin_watch() noexcept
cdef void end_watch(bint watching) noexcept
