# cython: language_level=3, boundscheck=True, wraparound=True, cdivision=True
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, auto_pickle=False
"""Random numbers: a Mersenne twister, and the distributions drawn from it as PyTorch draws them on an x86-64
CPU.

One seed gives one stream, and it is the stream of the torch 2.13 wheel bit for bit, so an experiment can move
between the two. This module knows NumPy arrays and raw memory, never a Tensor. Every `fill_*` writes the
whole of `out` and returns it. An array that is not C-contiguous is filled in the order of its memory, as
torch does.

    Generator(device="cpu")
        manual_seed(seed)   seed()   initial_seed()   get_state()   set_state(state)   clone_state()   device
        fill_uniform(out, low=0, high=1)                      float16, 32, 64, bfloat16 (as void of 2 bytes)
        fill_normal(out, mean=0, std=1, scalar_path=False)    the same
        fill_randint(out, low, high=None)                     every dtype; None: up to the dtype's largest
        fill_random(out, to=None)                             every dtype; None: all that are not negative
        permutation(n, dtype=int64)                           a new array
        fill_bernoulli(out, p=0.5)                            every dtype, one p for all
        bernoulli(p, out=None)                                an array of p, one for each element
        fill_exponential(out, rate=1)                         any float, as the next two
        fill_cauchy(out, median=0, sigma=1)   fill_log_normal(out, mean=1, std=2)
        fill_geometric(out, p)                                every dtype but bool
        poisson(rate)   binomial(count, p)   gamma(alpha)     new float64 arrays, a number for each element
        multinomial(weights, count, replacement=False)        a new int64 array
    default_generator                                         the one used where none is given

A draw takes one word of the twister for 24 random bits, and two (the high one first) for 53.
"""
cimport numpy as cnp
from cpython.pythread cimport (
    NOWAIT_LOCK,
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)
from libc.math cimport ceil, cos, exp, fma, log, log1p, sin, sqrt, tan
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from tensorgrad._kernels cimport (
    BF16,
    BOOL,
    DTYPES,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    LISTENED,
    U8,
    Event,
    begin_event,
    end_event,
    kernel_dtype,
    kernel_largest,
    listening_word,
    new_operand,
)

import os
import time
import warnings
from operator import index

import numpy as np

cnp.import_array()

cdef int *LISTENING = listening_word()
cdef tuple REALS = ("normal", "log_normal", "exponential", "geometric", "cauchy")     # in the order of the enum

include "random/engine.pxi"
include "random/draws.pxi"
include "random/arrays.pxi"
include "random/forks.pxi"


cdef class Generator:
    """A source of random numbers with its own state.

    Args:
        device: only `"cpu"`.

    Errors: `RuntimeError` for another device.

    >>> tg.Generator().manual_seed(0).initial_seed()
    0
    """

    def __cinit__(self, device="cpu"):
        self.lock = PyThread_allocate_lock()
        if self.lock is NULL:
            raise MemoryError
        if str(device) not in ("cpu", "cpu:0"):
            raise RuntimeError(f"Generator: the only device is 'cpu', got {str(device)!r}")
        engine_seed(&self.engine, 67280421310721)

    def __dealloc__(self):
        if self.lock is not NULL:
            PyThread_free_lock(self.lock)

    cdef int enter(self, str drawing=None, int dtype=0, const void *out=NULL, Py_ssize_t n=0) except -1:
        """Takes the lock: a large fill runs without the GIL, and no other may touch the engine meanwhile. A draw
        tells where to.
        """
        cdef Py_ssize_t step = SIZES[dtype]
        global OUTSIDE
        if not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
            OUTSIDE += 1
            with nogil:
                PyThread_acquire_lock(self.lock, WAIT_LOCK)
            OUTSIDE -= 1
        if LISTENING[0] & LISTENED and drawing is not None:
            self.event = begin_event("draw", drawing)
            self.event.inputs, self.event.outputs = (), (new_operand(out, dtype, 1, &n, &step),)
        return 0

    cdef int leave(self, bint outside=False) except -1:
        global OUTSIDE
        cdef Event event = self.event
        self.event = None
        OUTSIDE -= outside
        PyThread_release_lock(self.lock)
        if event is not None:
            end_event(event)
        return 0

    # -- seeds and states

    @property
    def device(self):
        """Always `"cpu"`."""
        return "cpu"

    def manual_seed(self, seed):
        """The generator itself, started anew from `seed`, an integer from -2**63 to 2**64 - 1.

        A negative seed counts back from 2**64. Only the lowest 32 bits choose the stream.

        Errors: `RuntimeError` if `seed` is not an integer, `ValueError` if it is outside 64 bits.

        >>> tg.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
        True
        """
        if isinstance(seed, (bool, np.bool_)) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed: wanted an int, got {type(seed).__name__}")
        seed = index(seed)
        if not -2**63 <= seed < 2**64:
            raise ValueError(f"manual_seed: wanted a seed from -2**63 to 2**64 - 1, got {seed}")
        cdef uint64_t value = seed % 2**64
        self.enter()
        engine_seed(&self.engine, value)
        self.leave()
        return self

    def seed(self):
        """A fresh seed from the operating system, with which the generator was started anew."""
        value = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(value)
        return value

    def initial_seed(self):
        """The seed this generator was last started from."""
        return self.engine.seed

    def get_state(self):
        """The whole state as 5056 bytes, a `uint8` array in the layout of `torch.Generator.get_state`."""
        cdef cnp.ndarray state = np.zeros(STATE_BYTES, np.uint8)
        cdef StateLayout *s = <StateLayout *>cnp.PyArray_DATA(state)
        cdef int i
        self.enter()
        s.seed, s.left, s.seeded, s.next = self.engine.seed, self.engine.left, 1, self.engine.next
        for i in range(WORDS):
            s.words[i] = self.engine.state[i]
        if self.engine.has_normal:
            s.has_normal, s.normal = 1, self.engine.normal
        if self.engine.has_normal32:
            s.has_normal32, s.normal32 = 1, self.engine.normal32
        self.leave()
        return state

    def set_state(self, state):
        """Puts the generator into a state that `get_state` gave, here or in torch.

        Errors: `TypeError` if it is not a `uint8` array, `RuntimeError` if it is not 5056 bytes of a possible
        state.
        """
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            what = getattr(state, "dtype", type(state).__name__)
            raise TypeError(f"set_state: wanted a uint8 array, got {what}")
        if state.size != STATE_BYTES:
            raise RuntimeError(f"set_state: wanted a state of {STATE_BYTES} bytes, got {state.size}")
        cdef cnp.ndarray flat = np.array(state, order="C")
        cdef StateLayout *s = <StateLayout *>cnp.PyArray_DATA(flat)
        cdef int i
        # The last condition is ours: past it the next words would be read from outside the state.
        cdef bint possible = s.seeded != 0 and 0 < s.left <= WORDS and s.next <= WORDS
        if not (possible and s.next + <uint64_t>s.left <= WORDS + 1):
            raise RuntimeError("set_state: these bytes are not the state of a Mersenne twister")
        self.enter()
        self.engine.seed, self.engine.left, self.engine.next = s.seed, s.left, <uint32_t>s.next
        for i in range(WORDS):
            self.engine.state[i] = <uint32_t>s.words[i]
        self.engine.has_normal, self.engine.normal = s.has_normal != 0, s.normal
        self.engine.has_normal32, self.engine.normal32 = s.has_normal32 != 0, s.normal32
        self.leave()

    def clone_state(self):
        """A new generator in the same state."""
        return _in_state(type(self), Generator.get_state(self))

    def __reduce__(self):
        return _in_state, (type(self), Generator.get_state(self)), getattr(self, "__dict__", None)

    # -- raw memory

    cdef uint32_t next32(self) noexcept:
        cdef uint32_t value
        self.enter()
        value = word(&self.engine)
        self.leave()
        return value

    cdef uint64_t next64(self) noexcept:
        cdef uint64_t value
        self.enter()
        value = wide_word(&self.engine)
        self.leave()
        return value

    cdef int raw_uniform(self, int dtype, void *out, Py_ssize_t n, double low, double high) except -1:
        cdef bint outside
        self.enter("uniform", dtype, out, n)
        outside = goes_outside(n)
        if outside:
            with nogil:
                uniform(&self.engine, dtype, <char *>out, n, low, high)
        else:
            uniform(&self.engine, dtype, <char *>out, n, low, high)
        self.leave(outside)
        return 0

    cdef int raw_normal(self, int dtype, void *out, Py_ssize_t n, double mean, double std,
                        bint scalar_path) except -1:
        cdef bint outside
        if scalar_path or n < 16:
            return self.raw_reals(dtype, out, n, NORMAL, mean, std)
        self.enter("normal", dtype, out, n)
        outside = goes_outside(n)
        if outside:
            with nogil:
                normal(&self.engine, dtype, <char *>out, n, mean, std)
        else:
            normal(&self.engine, dtype, <char *>out, n, mean, std)
        self.leave(outside)
        return 0

    cdef int raw_integers(self, int dtype, void *out, Py_ssize_t n, uint64_t span, int64_t low,
                          bint wide) except -1:
        cdef bint outside
        cdef Settings s
        cdef draw_integers draw = draw_wide if wide else draw_narrow
        s.span, s.low = span, low
        self.enter("integers", dtype, out, n)
        outside = goes_outside(n)
        if outside:
            with nogil:
                fill_integers(&self.engine, dtype, <char *>out, n, draw, &s)
        else:
            fill_integers(&self.engine, dtype, <char *>out, n, draw, &s)
        self.leave(outside)
        return 0

    cdef int raw_bernoulli(self, int dtype, void *out, Py_ssize_t n, double p) except -1:
        cdef bint outside
        self.enter("bernoulli", dtype, out, n)
        outside = goes_outside(n)
        if outside:
            with nogil:
                bernoulli_one(&self.engine, dtype, <char *>out, n, p)
        else:
            bernoulli_one(&self.engine, dtype, <char *>out, n, p)
        self.leave(outside)
        return 0

    cdef int raw_reals(self, int dtype, void *out, Py_ssize_t n, Reals which, double a, double b) except -1:
        cdef bint outside
        cdef Settings s
        cdef draw_reals draw = DRAWS[<int>which]
        s.a, s.b = a, b
        self.enter(REALS[<int>which], dtype, out, n)
        outside = goes_outside(n)
        if outside:
            with nogil:
                fill_reals(&self.engine, dtype, <char *>out, n, draw, &s)
        else:
            fill_reals(&self.engine, dtype, <char *>out, n, draw, &s)
        self.leave(outside)
        return 0

    # -- arrays

    def fill_uniform(self, cnp.ndarray out not None, double low=0.0, double high=1.0):
        """`out`, filled evenly from [low, high): `low + (high - low) * u`.

        Errors: `RuntimeError` if `low > high` or a bound does not fit the dtype, `NotImplementedError` for an
        integer dtype.

        >>> tg.Generator().manual_seed(0).fill_uniform(np.empty(2, np.float32))
        array([0.4962566, 0.7682218], dtype=float32)
        """
        cdef int dtype = float_of(out, "uniform_")
        if low != 0.0 or high != 1.0:
            top = kernel_largest(dtype)
            for name, value in (("from", low), ("to", high)):
                if not -top <= value <= top:
                    raise RuntimeError(f"uniform_: {name} = {value} is out of bounds for {named(out)}")
            if low > high:
                raise RuntimeError(f"uniform_: wanted from <= to, got from = {low} > to = {high}")
            if high - low > top:
                raise RuntimeError(f"uniform_: to - from = {high - low} is out of bounds for {named(out)}")
        if not plain(out):
            return filled(out, self.fill_uniform, (low, high))
        self.raw_uniform(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), low, high)
        return out

    def fill_normal(self, cnp.ndarray out not None, double mean=0.0, double std=1.0, bint scalar_path=False):
        """`out`, filled with normals of the given mean and standard deviation, by Box and Muller's transform.

        Below 16 elements, for an array that is not C-contiguous, and with `scalar_path`, the normals are made
        in pairs in float64, and half a pair may wait for the next such call; else in blocks of 16 in the
        dtype's own precision.

        Errors: `RuntimeError` if `std` is negative or NaN, `NotImplementedError` for an integer dtype.
        """
        cdef int dtype = float_of(out, "normal_")
        if not std >= 0.0:
            raise RuntimeError(f"normal_: wanted std >= 0, got {std}")
        if not plain(out):
            return filled(out, self.fill_normal, (mean, std, scalar_path or not out.flags.c_contiguous))
        self.raw_normal(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), mean, std, scalar_path)
        return out

    def fill_randint(self, cnp.ndarray out not None, low, high=None):
        """`out`, filled with integers from [low, high); without `high`, up to the largest of the dtype.

        Errors: `RuntimeError` if there is nothing between `low` and `high` or they do not fit the dtype,
        `ValueError` if they do not fit int64. A float dtype that has not every integer between them warns.

        >>> tg.Generator().manual_seed(0).fill_randint(np.empty(3, np.int64), 0, 10)
        array([4, 9, 3])
        """
        cdef int dtype = dtype_of(out, "random_")
        low = index(low)
        high = None if high is None else index(high)
        for value in (low, high):
            if value is not None and not -2**63 <= value < 2**63:
                raise ValueError(f"random_: {value} does not fit int64")
        if high is None and low == -2**63:
            if dtype != I64 and dtype != F32 and dtype != F64:
                raise NotImplementedError(f"random_: {named(out)} does not hold all of int64")
            span, first = 0, 0
        else:
            if high is not None and low >= high:
                raise RuntimeError(f"random_: wanted from < to, got from = {low} >= to = {high}")
            first, end = inner_bounds(dtype, low, high) if DIGITS[dtype] else (low, high)
            if end is None:
                end = largest(dtype) + 1
            if first >= end:
                raise RuntimeError(f"random_: no integer of {named(out)} lies from {low} on and below {end}")
            check_bounds(dtype, out, first, end - 1)
            span = end - first
        if not plain(out):
            return filled(out, self.fill_randint, (low, high))
        # From 2**28 on, one word modulo the span would favour the small values by more than 5 percent.
        wide = span == 0 or span >= 2**28
        self.raw_integers(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), span, first, wide)
        return out

    def fill_random(self, cnp.ndarray out not None, to=None):
        """`out`, filled with integers from [0, to); without `to`, all the dtype's own.

        These are the non-negative values of an integer dtype, and 0 to 2**11, 2**24 or 2**53 for float16, 32
        or 64.

        Errors: those of `fill_randint`.
        """
        cdef int dtype = dtype_of(out, "random_")
        if to is not None:
            return self.fill_randint(out, 0, to)
        if not plain(out):
            return filled(out, self.fill_random, ())
        span = largest(dtype) + 1
        self.raw_integers(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), span, 0, SIZES[dtype] == 8)
        return out

    def permutation(self, n, dtype=np.int64):
        """The integers from 0 to n - 1 in random order, a new array.

        Errors: `RuntimeError` if `n` is negative or the dtype does not hold them.
        """
        dtype = np.dtype(dtype)
        cdef cnp.ndarray out
        cdef int code = dtype_of(np.empty(0, dtype), "randperm")
        cdef int64_t size = index(n)
        cdef bint outside
        if size < 0:
            raise RuntimeError(f"randperm: wanted n >= 0, got {size}")
        if code == BOOL:
            raise NotImplementedError("randperm: wanted a number dtype, got bool")
        if size > largest(code) + 1:
            raise RuntimeError(f"randperm: {dtype} does not hold {size} different integers")
        out = np.empty(size, np.int64)
        self.enter("shuffle", I64, cnp.PyArray_DATA(out), size)
        outside = goes_outside(size)
        if outside:
            with nogil:
                shuffle(&self.engine, <int64_t *>cnp.PyArray_DATA(out), size)
        else:
            shuffle(&self.engine, <int64_t *>cnp.PyArray_DATA(out), size)
        self.leave(outside)
        return out.astype(dtype, copy=False)

    def fill_bernoulli(self, cnp.ndarray out not None, double p=0.5):
        """`out`, each element 1 with probability `p`, else 0, from 53 random bits: the draw of dropout.

        Errors: `RuntimeError` if `p` is not in [0, 1].
        """
        cdef int dtype = dtype_of(out, "bernoulli_")
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"bernoulli_: wanted p in [0, 1], got {p}")
        if not plain(out):
            return filled(out, self.fill_bernoulli, (p,))
        self.raw_bernoulli(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), p)
        return out

    def bernoulli(self, cnp.ndarray p not None, cnp.ndarray out=None):
        """1 with the probability the array `p` gives for the element, else 0; in `out` or an array like `p`.

        A float32 or float16 `p` is held against 24 random bits, a float64 one against 53. It broadcasts to
        `out`.

        Errors: `RuntimeError` if an element of `p` is not in [0, 1], `NotImplementedError` if `p` holds
        integers.
        """
        cdef bint p64 = float_of(p, "bernoulli") == F64
        if out is None:
            out = np.empty((<object>p).shape, p.dtype)
        dtype_of(out, "bernoulli")
        if not np.all((p >= 0) & (p <= 1)):
            raise RuntimeError("bernoulli: wanted every p in [0, 1]")
        each = np.broadcast_to(p, (<object>out).shape).transpose(in_memory_order(out))
        each = np.ascontiguousarray(each, np.float64 if p64 else np.float32)
        return filled(out, self._bernoulli_each, (each,))

    def _bernoulli_each(self, cnp.ndarray out, cnp.ndarray p):
        cdef int dtype = dtype_of(out, "bernoulli")
        cdef bint p64 = cnp.PyArray_ITEMSIZE(p) == 8
        cdef char *to = <char *>cnp.PyArray_DATA(out)
        cdef const char *each = <const char *>cnp.PyArray_DATA(p)
        cdef Py_ssize_t n = cnp.PyArray_SIZE(out)
        cdef bint outside
        self.enter("bernoulli", dtype, to, n)
        outside = goes_outside(n)
        if outside:
            with nogil:
                bernoulli_each(&self.engine, dtype, to, each, p64, n)
        else:
            bernoulli_each(&self.engine, dtype, to, each, p64, n)
        self.leave(outside)

    def fill_exponential(self, cnp.ndarray out not None, double rate=1.0):
        """`out`, filled from the exponential distribution: `-log(1 - u) / rate`.

        Errors: `RuntimeError` if `rate` is not positive or the dtype not a float.
        """
        cdef int dtype = float_of(out, "exponential_")
        if not rate > 0.0:
            raise RuntimeError(f"exponential_: wanted a rate (lambd) > 0, got {rate}")
        if not plain(out):
            return filled(out, self.fill_exponential, (rate,))
        self.raw_reals(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), EXPONENTIAL, rate, 0.0)
        return out

    def fill_geometric(self, cnp.ndarray out not None, double p):
        """`out`, filled with how many tries the first success takes: `ceil(log(u) / log(1 - p))`. Any dtype
        but bool.

        Errors: `RuntimeError` if `p` is not in (0, 1).
        """
        cdef int dtype = dtype_of(out, "geometric_")
        if not 0.0 < p < 1.0:
            raise RuntimeError(f"geometric_: wanted p in (0, 1), got {p}")
        if dtype == BOOL:
            raise NotImplementedError("geometric_: wanted a number dtype, got bool")
        if not plain(out):
            return filled(out, self.fill_geometric, (p,))
        self.raw_reals(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), GEOMETRIC, p, 0.0)
        return out

    def poisson(self, rate):
        """A number of the Poisson distribution of each of the rates, as float64.

        Errors: `RuntimeError` if a rate is negative or NaN.

        >>> tg.Generator().manual_seed(0).poisson(np.array([0.5, 4.0, 100.0]))
        array([ 2.,  5., 94.])
        """
        out = np.array(rate, np.float64, order="C")
        if not np.all(out >= 0.0):
            raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
        return drawn_from(self, "poisson", poisson_each, out, None)

    def binomial(self, count, p):
        """How many of `count` tries succeed, each with probability `p`: a number for each element, as float64.

        A count below 0 counts as 0, and so does `p`; from 1 on all tries succeed. NaN gives NaN.

        Errors: `ValueError` if the arrays are not of one shape.
        """
        out, each = np.array(count, np.float64, order="C"), np.array(p, np.float64, order="C")
        if out.shape != each.shape:
            raise ValueError(f"binomial: wanted count and p of one shape, got {out.shape} and {each.shape}")
        return drawn_from(self, "binomial", binomial_each, out, each)

    def gamma(self, alpha, bint single=False):
        """A number of the gamma distribution of each concentration, as float64; `single` as torch's float32."""
        out = np.array(alpha, np.float64, order="C")
        if np.any(out < 0.0):
            raise RuntimeError("gamma: wanted concentrations of at least 0")
        return drawn_from(self, "gamma", gamma_each_single if single else gamma_each, out, None)

    def fill_cauchy(self, cnp.ndarray out not None, double median=0.0, double sigma=1.0):
        """`out`, filled from the Cauchy distribution: `median + sigma * tan(pi * (u - 1/2))`.

        Errors: `RuntimeError` if `sigma` is not positive or the dtype not a float.
        """
        cdef int dtype = float_of(out, "cauchy_")
        if not sigma > 0.0:
            raise RuntimeError(f"cauchy_: wanted sigma > 0, got {sigma}")
        if not plain(out):
            return filled(out, self.fill_cauchy, (median, sigma))
        self.raw_reals(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), CAUCHY, median, sigma)
        return out

    def fill_log_normal(self, cnp.ndarray out not None, double mean=1.0, double std=2.0):
        """`out`, filled with `exp` of normals of the given mean and standard deviation.

        Errors: `RuntimeError` if `std` is not positive, `NotImplementedError` for an integer dtype.
        """
        cdef int dtype = float_of(out, "log_normal_")
        if not std > 0.0:
            raise RuntimeError(f"log_normal_: wanted std > 0, got {std}")
        if not plain(out):
            return filled(out, self.fill_log_normal, (mean, std))
        self.raw_reals(dtype, cnp.PyArray_DATA(out), cnp.PyArray_SIZE(out), LOG_NORMAL, mean, std)
        return out

    def multinomial(self, weights, count, replacement=False):
        """`count` indices for each row of `weights`, i with probability `weights[i] / sum(weights)`; int64.

        Without replacement no index comes twice in a row. Those of weight 0 come only when nothing else is
        left. Where two tie, which is common only for them and for float16, the lower index comes first; torch
        leaves their order open.

        Errors: `RuntimeError` if `weights` is not a vector or a matrix of floats, has an element that is
        negative or not finite or a row that sums to 0, or if there are not `count` indices.
        """
        weights = np.asarray(weights)
        if weights.ndim not in (1, 2):
            raise RuntimeError(f"multinomial: wanted weights with 1 or 2 dimensions, got {weights.ndim}")
        if weights.dtype.kind != "f":
            raise RuntimeError(f"multinomial: wanted weights of a float dtype, got {weights.dtype}")
        if count <= 0:
            raise RuntimeError(f"multinomial: wanted num_samples > 0, got {count}")
        size = weights.shape[-1]
        if not replacement and count > size:
            raise RuntimeError(f"multinomial: cannot take {count} of {size} without replacement")
        if size > 2**24:
            raise RuntimeError(f"multinomial: wanted at most 2**24 weights in a row, got {size}")
        if not np.all((weights >= 0) & (weights < np.inf)):
            raise RuntimeError("multinomial: a weight is negative, infinite or NaN")
        rows = weights.reshape(-1, size) if size else np.zeros((weights.size, 1), weights.dtype)
        if not np.all(rows.any(axis=1)):
            raise RuntimeError("multinomial: all weights of a row are 0")
        return picked(self, rows, count, replacement).reshape(weights.shape[:-1] + (count,))


def _in_state(cls, state):
    """A generator of that class in a state as its `get_state` gives: what pickles and copies are made by."""
    made = cls.__new__(cls)
    Generator.set_state(made, state)
    return made


default_generator = Generator()
default_generator.seed()
