# Distributions, a chunk at a time, and the state as PyTorch writes it.

cdef struct Settings:
    double a
    double b
    uint64_t span
    int64_t low

ctypedef void (*draw_reals)(Engine *, double *, Py_ssize_t, const Settings *) noexcept nogil
ctypedef void (*draw_integers)(Engine *, int64_t *, Py_ssize_t, const Settings *) noexcept nogil


cdef void fill_reals(Engine *e, int dtype, char *out, Py_ssize_t n, draw_reals draw,
                     const Settings *s) noexcept nogil:
    cdef double[CHUNK] x
    cdef Py_ssize_t m
    while n > 0:
        m = min(n, <Py_ssize_t>CHUNK)
        draw(e, x, m, s)
        store(dtype, out, <const double *>x, m)
        out += m * SIZES[dtype]
        n -= m


cdef void fill_integers(Engine *e, int dtype, char *out, Py_ssize_t n, draw_integers draw,
                        const Settings *s) noexcept nogil:
    cdef int64_t[CHUNK] x
    cdef Py_ssize_t m
    while n > 0:
        m = min(n, <Py_ssize_t>CHUNK)
        draw(e, x, m, s)
        store(dtype, out, <const int64_t *>x, m)
        out += m * SIZES[dtype]
        n -= m


cdef void units(Engine *e, double *x, Py_ssize_t n) noexcept nogil:
    cdef uint32_t[2 * CHUNK] w
    words(e, w, 2 * n)
    tg_uniform53(w, x, n, 0.0, 1.0)


cdef void draw_normal(Engine *e, double *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = fma(normal_one(e), s.b, s.a)


cdef void draw_log_normal(Engine *e, double *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = exp(fma(normal_one(e), s.b, s.a))


cdef void draw_exponential(Engine *e, double *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    cdef double scale = -1.0 / s.a
    cdef Py_ssize_t i
    units(e, x, n)
    for i in range(n):
        x[i] = scale * log1p(-x[i])


cdef void draw_geometric(Engine *e, double *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    cdef double fails = log1p(-s.a)
    cdef Py_ssize_t i
    units(e, x, n)
    for i in range(n):
        x[i] = ceil(log(x[i]) / fails)


cdef void draw_cauchy(Engine *e, double *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    cdef Py_ssize_t i
    units(e, x, n)
    for i in range(n):
        x[i] = fma(s.b, tan(3.141592653589793 * (x[i] - 0.5)), s.a)


cdef draw_reals[5] DRAWS = [draw_normal, draw_log_normal, draw_exponential, draw_geometric, draw_cauchy]


cdef void draw_narrow(Engine *e, int64_t *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    """One word, modulo a span that fits one word."""
    cdef uint32_t[CHUNK] w
    words(e, w, n)
    tg_modulo(w, x, n, <uint32_t>s.span, s.low)


cdef void draw_wide(Engine *e, int64_t *x, Py_ssize_t n, const Settings *s) noexcept nogil:
    """Two words, modulo the span; a span of 0 stands for 2**64."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = <int64_t>((wide_word(e) % s.span if s.span else wide_word(e)) + <uint64_t>s.low)


cdef void uniform(Engine *e, int dtype, char *out, Py_ssize_t n, double low, double high) noexcept nogil:
    cdef uint32_t[2 * CHUNK] w
    cdef float[CHUNK] x
    cdef uint16_t half, half_low = narrow(dtype, <float>low), half_high = narrow(dtype, <float>high)
    cdef Py_ssize_t i, m
    while n > 0:
        m = min(n, <Py_ssize_t>CHUNK)
        if dtype == F64:
            words(e, w, 2 * m)
            tg_uniform53(w, <double *>out, m, low, high)
        elif dtype == F32:
            words(e, w, m)
            tg_uniform24(w, <float *>out, m, <float>low, <float>high)
        else:
            words(e, w, m)
            tg_uniform24(w, x, m, <float>low, <float>high)
            for i in range(m):
                half = narrow(dtype, x[i])
                (<uint16_t *>out)[i] = half_low if half == half_high else half
        out += m * SIZES[dtype]
        n -= m


cdef void box_muller_doubles(double *x, Py_ssize_t blocks, double mean, double std) noexcept nogil:
    cdef double radius, angle
    cdef Py_ssize_t j
    while blocks > 0:
        for j in range(8):
            radius = sqrt(-2.0 * log(1.0 - x[j]))
            angle = 6.283185307179586 * x[j + 8]
            x[j] = fma(radius * cos(angle), std, mean)
            x[j + 8] = fma(radius * sin(angle), std, mean)
        x += 16
        blocks -= 1


cdef void normal_blocks(Engine *e, int dtype, char *out, Py_ssize_t n, double mean,
                        double std) noexcept nogil:
    """Normals in whole blocks of 16; `n` is a multiple of 16."""
    cdef float[CHUNK] x
    cdef Py_ssize_t i, m
    while n > 0:
        m = min(n, <Py_ssize_t>CHUNK)
        if dtype == F64:
            uniform(e, F64, out, m, 0.0, 1.0)
            box_muller_doubles(<double *>out, m // 16, mean, std)
        elif dtype == F32:
            uniform(e, F32, out, m, 0.0, 1.0)
            tg_box_muller(<float *>out, m // 16, <float>mean, <float>std)
        else:
            uniform(e, F32, <char *>x, m, 0.0, 1.0)
            tg_box_muller(x, m // 16, <float>mean, <float>std)
            for i in range(m):
                (<uint16_t *>out)[i] = narrow(dtype, x[i])
        out += m * SIZES[dtype]
        n -= m


cdef void normal(Engine *e, int dtype, char *out, Py_ssize_t n, double mean, double std) noexcept nogil:
    """Blocks of 16; where the last is not whole, the last 16 elements are made anew, over what was there."""
    cdef uint32_t[32] skipped
    cdef Py_ssize_t rest = n % 16
    normal_blocks(e, dtype, out, n - rest, mean, std)
    if rest:
        if dtype != F16 and dtype != BF16:      # torch has by then drawn a uniform for every element, also for these
            words(e, skipped, rest * (2 if dtype == F64 else 1))
        normal_blocks(e, dtype, out + (n - 16) * SIZES[dtype], 16, mean, std)


cdef void bernoulli_one(Engine *e, int dtype, char *out, Py_ssize_t n, double p) noexcept nogil:
    cdef uint32_t[2 * CHUNK] w
    cdef uint8_t[CHUNK] hit
    cdef int64_t[CHUNK] x
    cdef int64_t limit = <int64_t>ceil(p * 9007199254740992.0)
    cdef Py_ssize_t i, m
    while n > 0:
        m = min(n, <Py_ssize_t>CHUNK)
        words(e, w, 2 * m)
        if SIZES[dtype] == 1:
            tg_below53(w, <uint8_t *>out, m, limit)
        else:
            tg_below53(w, hit, m, limit)
            if dtype == F32:
                for i in range(m):
                    (<float *>out)[i] = <float>hit[i]
            else:
                for i in range(m):
                    x[i] = hit[i]
                store(dtype, out, <const int64_t *>x, m)
        out += m * SIZES[dtype]
        n -= m


cdef void bernoulli_each(Engine *e, int dtype, char *out, const char *p, bint p64,
                         Py_ssize_t n) noexcept nogil:
    cdef uint32_t[CHUNK] w
    cdef float[CHUNK] u
    cdef double[CHUNK] v
    cdef int64_t[CHUNK] x
    cdef Py_ssize_t i, m
    while n > 0:
        m = min(n, <Py_ssize_t>CHUNK)
        if p64:
            units(e, v, m)
            for i in range(m):
                x[i] = v[i] < (<const double *>p)[i]
        else:
            words(e, w, m)
            tg_uniform24(w, u, m, 0.0, 1.0)
            for i in range(m):
                x[i] = u[i] < (<const float *>p)[i]
        store(dtype, out, <const int64_t *>x, m)
        out += m * SIZES[dtype]
        p += m * (8 if p64 else 4)
        n -= m


ctypedef void (*draw_each)(Engine *, double *, const double *, Py_ssize_t) noexcept nogil


cdef void poisson_each(Engine *e, double *x, const double *p, Py_ssize_t n) noexcept nogil:
    """A number of each of the rates that lie in `x`."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = tg_poisson(unit_of, e, x[i])


cdef void binomial_each(Engine *e, double *x, const double *p, Py_ssize_t n) noexcept nogil:
    """A number of each of the counts that lie in `x`."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = tg_binomial(unit_of, e, x[i], p[i])


cdef void gamma_each(Engine *e, double *x, const double *p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = tg_gamma(unit_of, normal_of, e, x[i], False)


cdef void gamma_each_single(Engine *e, double *x, const double *p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = tg_gamma(unit_of, normal_of, e, x[i], True)


cdef void shuffle(Engine *e, int64_t *x, int64_t n) noexcept nogil:
    """Fisher and Yates's shuffle of 0 to n-1; built inside out where one word would be too coarse."""
    cdef int64_t i, j
    if n < 214748364:
        for i in range(n):
            x[i] = i
        for i in range(n - 1):
            j = i + word(e) % <uint32_t>(n - i)
            x[i], x[j] = x[j], x[i]
    else:
        for i in range(n):
            j = <int64_t>(wide_word(e) % <uint64_t>(i + 1))
            x[i] = x[j]
            x[j] = i


# ---- the state, as torch writes it -------------------------------------------------------------------------

cdef struct StateLayout:
    uint64_t seed
    int32_t left
    int32_t seeded
    uint64_t next
    uint64_t[624] words
    double unused_x
    double normal
    double unused_rho
    int32_t has_normal
    int32_t padding
    float normal32
    uint8_t has_normal32
    uint8_t[3] more_padding

STATE_BYTES = sizeof(StateLayout)
