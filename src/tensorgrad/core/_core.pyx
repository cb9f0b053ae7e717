# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, auto_pickle=False
"""The compiled core: storage, Tensor, the tape, the declaration that is also the call (Op), and the backward walk.

One module, because the block cache and the thread's modes are statics. The parts stand beside it by subject; README.md
in this folder tells how they fit together.
"""
cimport cython
cimport numpy as cnp
from cpython.buffer cimport (
    PyBUF_ANY_CONTIGUOUS,
    PyBUF_C_CONTIGUOUS,
    PyBUF_F_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_ND,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject, PyTypeObject
from cpython.pyport cimport PY_SSIZE_T_MAX
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.math cimport sqrt
from libc.math cimport INFINITY
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

import os
import threading
import weakref

import numpy as np

from tensorgrad._kernels cimport (
    ASIDE,
    BF16,
    BOOL,
    DTYPES,
    F16,
    F32,
    F64,
    GEMM_BIAS,
    I8,
    I16,
    I32,
    I64,
    KERNEL_DIMS,
    KERNEL_OPERANDS,
    LISTENED,
    RECORDED,
    TRAPPED,
    U8,
    Dtype,
    Event,
    Kernel,
    KernelArgs,
    Operand,
    begin,
    begin_event,
    begin_kernel,
    end_event,
    find,
    kernel_cost,
    kernel_dtype,
    kernel_largest,
    listening_word,
    new_operand,
    run as run_kernel,
)
from tensorgrad.core._random cimport Generator

cdef extern from "rarely.h" nogil:
    void rarely() noexcept

cnp.import_array()

include "tensor/dtypes.pxi"
include "calls/modes.pxi"
include "tensor/storage.pxi"
include "tape/tape.pxi"
include "tape/saving.pxi"
include "native/native.pxi"
include "tensor/geometry.pxi"
include "tensor/layouts.pxi"
include "tensor/arrays.pxi"
include "tensor/dlpack.pxi"
include "tensor/buffers.pxi"
include "tensor/mapping.pxi"
include "tensor/tensor.pxi"
include "tensor/instances.pxi"
include "tensor/copies.pxi"
include "calls/launch.pxi"
include "views/views.pxi"
include "views/inplace.pxi"
include "calls/op.pxi"
include "calls/calling.pxi"
include "calls/arguments.pxi"
include "calls/overriding.pxi"
include "calls/casting.pxi"
include "calls/general.pxi"
include "calls/trap.pxi"
include "views/view_calls.pxi"
include "native/elementwise.pxi"
include "native/three.pxi"
include "native/in_place.pxi"
include "native/reducing.pxi"
include "native/products.pxi"
include "native/joining.pxi"
include "native/fused.pxi"
include "native/losses.pxi"
include "native/lines.pxi"
include "native/distances.pxi"
include "native/indexing.pxi"
include "native/scattering.pxi"
include "native/masks.pxi"
include "native/layers.pxi"
include "native/pooling.pxi"
include "native/convolution.pxi"
include "native/scans.pxi"
include "native/ordering.pxi"
include "native/moving.pxi"
include "native/resampling.pxi"
include "native/recurrent.pxi"
include "native/systems.pxi"
include "native/attention.pxi"
include "tape/gradients.pxi"
include "tape/backward.pxi"
