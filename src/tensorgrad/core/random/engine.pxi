# The Mersenne twister, and the dtypes that it fills.

cdef extern from "half.h" nogil:
    uint16_t half_of_float(float value) noexcept
    uint16_t brain_of_float(float value) noexcept

ctypedef double (*tg_draw)(void *engine) noexcept nogil

cdef extern from "random/loops.h" nogil:
    void tg_look_at_cpu() noexcept
    void tg_refill(uint32_t *s) noexcept
    uint32_t tg_temper_one(uint32_t y) noexcept
    void tg_temper(const uint32_t *s, uint32_t *out, int64_t n) noexcept
    void tg_uniform24(const uint32_t *w, float *out, int64_t n, float low, float high) noexcept
    void tg_uniform53(const uint32_t *w, double *out, int64_t n, double low, double high) noexcept
    void tg_below53(const uint32_t *w, uint8_t *out, int64_t n, int64_t limit) noexcept
    void tg_modulo(const uint32_t *w, int64_t *out, int64_t n, uint32_t span, int64_t low) noexcept
    void tg_box_muller(float *data, int64_t blocks, float mean, float std) noexcept
    double tg_poisson(tg_draw unit, void *engine, double rate) noexcept
    double tg_binomial(tg_draw unit, void *engine, double count, double p) noexcept
    double tg_gamma(tg_draw unit, tg_draw normal, void *engine, double concentration, int single) noexcept


tg_look_at_cpu()

cdef enum:
    WORDS = 624             # of state
    CHUNK = 512             # elements drawn at a time; a multiple of 16, the block of the normal path
    LARGE = 2048            # from here on a fill lets other threads run


cdef void engine_seed(Engine *e, uint64_t seed) noexcept nogil:
    cdef uint32_t i
    e.seed = seed
    e.state[0] = <uint32_t>seed
    for i in range(1, <uint32_t>WORDS):
        e.state[i] = 1812433253u * (e.state[i - 1] ^ (e.state[i - 1] >> 30)) + i
    e.left, e.next = 1, 0
    e.has_normal = e.has_normal32 = False


cdef inline uint32_t word(Engine *e) noexcept nogil:
    cdef uint32_t y
    e.left -= 1
    if e.left == 0:
        tg_refill(e.state)
        e.left, e.next = WORDS, 0
    y = e.state[e.next]
    e.next += 1
    return tg_temper_one(y)


cdef inline uint64_t wide_word(Engine *e) noexcept nogil:
    cdef uint64_t high = word(e)
    return high << 32 | word(e)


cdef void words(Engine *e, uint32_t *out, Py_ssize_t n) noexcept nogil:
    """`n` calls of `word`, in runs that do not cross a refill."""
    cdef Py_ssize_t run
    while n > 0:
        if e.left == 1:
            tg_refill(e.state)
            e.left, e.next = WORDS + 1, 0
        run = min(n, <Py_ssize_t>e.left - 1)
        tg_temper(e.state + e.next, out, run)
        e.next += <uint32_t>run
        e.left -= <int>run
        out += run
        n -= run


cdef inline double unit(Engine *e) noexcept nogil:
    return <double>(<int64_t>(wide_word(e) & ((<uint64_t>1 << 53) - 1))) * (1.0 / 9007199254740992.0)


cdef double unit_of(void *engine) noexcept nogil:
    return unit(<Engine *>engine)


cdef inline double normal_one(Engine *e) noexcept nogil:
    """A standard normal, from a pair of which the second is kept for the next call."""
    cdef double u, v, radius, angle
    if e.has_normal:
        e.has_normal = False
        return e.normal
    u = unit(e)
    v = unit(e)
    radius = sqrt(-2.0 * log1p(-v))
    angle = 6.283185307179586 * u
    e.normal = radius * sin(angle)
    e.has_normal = True
    return radius * cos(angle)


cdef double normal_of(void *engine) noexcept nogil:
    return normal_one(<Engine *>engine)


# ---- dtypes ------------------------------------------------------------------------------------------------

# Dtypes are tensorgrad's codes; float16 and bfloat16 travel as their 16 bits, the latter in void arrays.
cdef int[32] code_of                    # by NumPy's type number; -1: not one of ours
cdef int[DTYPES] SIZES
cdef int[DTYPES] DIGITS                 # bits of a float's significand, 0 of others


cdef int look_at_dtypes() except -1:
    cdef int code
    numbers = {}
    for code in range(DTYPES):
        if code not in (BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64):     # those that `store` and `narrow` tell apart
            raise NotImplementedError(f"no draws of {kernel_dtype(code).name.decode()}")
        SIZES[code], DIGITS[code] = kernel_dtype(code).bytes, kernel_dtype(code).digits
        numbers[kernel_dtype(code).name.decode()] = code
    for number in range(32):
        code_of[number] = -1
    for letter in "?bBhHiIlLqQefd":
        kind = np.dtype(letter)
        code_of[kind.num] = numbers.get(kind.name if letter == "?" else f"{kind.kind}{8 * kind.itemsize}", -1)
    code_of[<int>cnp.NPY_VOID] = BF16
    return 0


look_at_dtypes()

ctypedef fused source:
    int64_t
    double

ctypedef fused element:
    uint8_t
    int8_t
    int16_t
    int32_t
    int64_t
    float
    double


cdef inline uint16_t narrow(int dtype, float x) noexcept nogil:
    """The float16 or bfloat16 nearest to a number."""
    return half_of_float(x) if dtype == F16 else brain_of_float(x)


cdef void convert(const source *x, element *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <element>x[i]


cdef void store(int dtype, void *out, const source *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if dtype == F32:
        convert(x, <float *>out, n)
    elif dtype == F64:
        convert(x, <double *>out, n)
    elif dtype == I64:
        convert(x, <int64_t *>out, n)
    elif dtype == BOOL:
        for i in range(n):
            (<uint8_t *>out)[i] = x[i] != 0
    elif dtype == U8:
        convert(x, <uint8_t *>out, n)
    elif dtype == I8:
        convert(x, <int8_t *>out, n)
    elif dtype == I16:
        convert(x, <int16_t *>out, n)
    elif dtype == I32:
        convert(x, <int32_t *>out, n)
    elif dtype == F16 or dtype == BF16:
        for i in range(n):
            (<uint16_t *>out)[i] = narrow(dtype, <float>x[i])
