# Shapes, strides and new memory of tensors; Size.

cdef inline Py_ssize_t *shape_of(Tensor t) noexcept:
    if t.nd <= INLINE_DIMS:
        return &t.dims[0]
    return <Py_ssize_t *>t.dims[0]


cdef inline Py_ssize_t *strides_of(Tensor t) noexcept:
    if t.nd <= INLINE_DIMS:
        return &t.dims[INLINE_DIMS]
    return <Py_ssize_t *>t.dims[0] + t.nd


cdef inline int set_ndim(Tensor t, int ndim) except -1:
    """Makes room for a new tensor's shape and strides."""
    if ndim > INLINE_DIMS:
        if ndim > MAX_DIMS:
            raise RuntimeError(f"a tensor has at most {MAX_DIMS} dimensions, not {ndim}")
        t.dims[0] = <Py_ssize_t>malloc(2 * ndim * sizeof(Py_ssize_t))
        if t.dims[0] == 0:
            raise MemoryError()
    t.nd = ndim
    return 0


cdef int fail_allocation(int ndim, const Py_ssize_t *shape, int code, object nbytes) except -1:
    rarely()
    sizes = [shape[i] for i in range(ndim)]
    raise AllocationError(f"can't allocate memory: a {DTYPE_LIST[code].name} tensor of size {sizes} needs {nbytes} bytes")


cdef Tensor new_tensor(int ndim, const Py_ssize_t *shape, int code):
    """A contiguous tensor of memory that is not set yet; refuses sizes that overflow or can't be had."""
    cdef Tensor t = Tensor.__new__(Tensor)
    cdef Py_ssize_t *own
    cdef Py_ssize_t *strides
    cdef Py_ssize_t size = 1, itemsize = ITEMSIZE[code]
    cdef int i
    untrack(t)
    set_ndim(t, ndim)
    own = shape_of(t)
    strides = strides_of(t)
    for i in range(ndim - 1, -1, -1):
        own[i] = shape[i]
        strides[i] = size * itemsize
        if shape[i] > 1:
            if size > 0 and shape[i] > (<Py_ssize_t>1 << 60) // itemsize // size:
                exact = itemsize
                for i in range(ndim):
                    exact = exact * shape[i]
                if exact == 0:
                    size = 0
                    break
                raise AllocationError(f"Storage size calculation overflowed with sizes="
                                      f"{[shape[i] for i in range(ndim)]}: {exact} bytes")
            size *= shape[i]
        elif shape[i] == 0:
            size = 0
    if size == 0:                      # an extent of 0: strides as if it were 1
        size = itemsize
        for i in range(ndim - 1, -1, -1):
            own[i] = shape[i]
            strides[i] = size
            size = size * shape[i] if 1 < shape[i] < (<Py_ssize_t>1 << 40) and size < (<Py_ssize_t>1 << 20) else size
        size = 0
    t.count = size
    t.code = code
    t.contiguous = IN_ORDER if size else BY_CHANCE
    t.block = block_new(size * itemsize)
    if t.block is NULL:
        fail_allocation(ndim, shape, code, size * itemsize)
    t.at = block_data(t.block)
    if tg_inference:
        t.flags = FLAG_INFERENCE
    return t


cdef inline Tensor new_like(Tensor x, int code):
    """A contiguous tensor of the shape of ``x``."""
    cdef Tensor t
    cdef int i
    if x.contiguous == IN_ORDER and x.nd <= INLINE_DIMS and x.code == code:
        t = Tensor.__new__(Tensor)
        untrack(t)
        t.nd = x.nd
        for i in range(6):
            t.dims[i] = x.dims[i]
        t.count = x.count
        t.code = code
        t.contiguous = IN_ORDER
        t.block = block_new(x.count * ITEMSIZE[code])
        if t.block is NULL:
            fail_allocation(x.nd, shape_of(x), code, x.count * ITEMSIZE[code])
        t.at = block_data(t.block)
        if tg_inference:
            t.flags = FLAG_INFERENCE
        return t
    return new_tensor(x.nd, shape_of(x), code)


cdef inline Tensor new_scalar(int code):
    return new_tensor(0, NULL, code)


cdef inline Tensor let_go(Tensor t):
    """A view made a tensor of its own: nobody else can reach what it shows."""
    t.base = None
    t.flags &= ~FLAG_UNFOLLOWED_VIEW
    return t


cdef Tensor alias_of(Tensor x):
    """Another tensor on the same memory, with no graph."""
    cdef Tensor t = Tensor.__new__(Tensor)
    cdef int i
    untrack(t)
    if x.nd <= INLINE_DIMS:
        t.nd = x.nd
        for i in range(6):
            t.dims[i] = x.dims[i]
    else:
        set_ndim(t, x.nd)
        memcpy(shape_of(t), shape_of(x), 2 * x.nd * sizeof(Py_ssize_t))
    t.count = x.count
    t.code = x.code
    t.contiguous = x.contiguous
    t.flags = x.flags & FLAG_INFERENCE
    t.block = x.block
    block_keep(t.block)
    t.at = x.at
    return t


cdef Tensor counted_apart(Tensor x):
    """An alias whose writes are not counted as those of ``x``, nor the other way round: a block of its own shows the memory."""
    cdef Tensor t = alias_of(x)
    cdef BlockHolder lender = lent_by(x.block)
    cdef Block *block
    if lender is None:
        lender = holder_of(x.block)
    block = block_borrow(<PyObject *>lender, block_start(x.block), block_nbytes(x.block), x.block.frozen)
    if block is NULL:
        raise MemoryError()
    block_drop(t.block)
    t.block = block
    return t


cdef int looks_contiguous(Tensor t) noexcept:
    """What `Tensor.contiguous` is to be: whether elements lie in the order of their indices, and all strides say so."""
    cdef Py_ssize_t expected = ITEMSIZE[t.code]
    cdef Py_ssize_t *shape = shape_of(t)
    cdef Py_ssize_t *strides = strides_of(t)
    cdef int i, found = IN_ORDER
    if t.count == 0:
        return BY_CHANCE
    for i in range(t.nd - 1, -1, -1):
        if strides[i] != expected:
            if shape[i] != 1:
                return 0
            found = BY_CHANCE
        expected *= shape[i]
    return found


cdef inline bint same_shape(Tensor a, Tensor b) noexcept:
    cdef int i
    cdef Py_ssize_t *p
    cdef Py_ssize_t *q
    if a.nd != b.nd or a.count != b.count:
        return False
    p = shape_of(a)
    q = shape_of(b)
    for i in range(a.nd):
        if p[i] != q[i]:
            return False
    return True


cdef bint fits_into(Tensor y, Tensor x) noexcept:
    """Whether ``y`` broadcasts to the shape of ``x``."""
    cdef int i
    cdef Py_ssize_t extent
    if y.nd > x.nd:
        return False
    for i in range(y.nd):
        extent = shape_of(y)[i]
        if extent != 1 and extent != shape_of(x)[x.nd - y.nd + i]:
            return False
    return True


# Which bytes elements lie in, and who shares them. Addresses decide: two blocks may borrow one NumPy buffer.

cdef inline void span_at(char *at, int ndim, const Py_ssize_t *shape, const Py_ssize_t *strides, int itemsize,
                         char **low, char **high) noexcept:
    """From where to where in memory elements lie; NumPy's arrays may have negative strides."""
    cdef Py_ssize_t step
    cdef int i
    low[0] = at
    high[0] = at + itemsize
    for i in range(ndim):
        if shape[i] == 0:
            low[0] = high[0] = at
            return
        step = (shape[i] - 1) * strides[i]
        if step < 0:
            low[0] += step
        else:
            high[0] += step


cdef inline void span_of(Tensor t, char **low, char **high) noexcept:
    if t.contiguous:
        low[0] = t.at
        high[0] = t.at + t.count * ITEMSIZE[t.code]
    else:
        span_at(t.at, t.nd, shape_of(t), strides_of(t), ITEMSIZE[t.code], low, high)


cdef void span_of_array(cnp.ndarray array, char **low, char **high):
    span_at(<char *>cnp.PyArray_DATA(array), cnp.PyArray_NDIM(array), <Py_ssize_t *>cnp.PyArray_DIMS(array),
            <Py_ssize_t *>cnp.PyArray_STRIDES(array), <int>cnp.PyArray_ITEMSIZE(array), low, high)


cdef bint overlap(Tensor x, Tensor y) noexcept:
    """Whether elements of the two may share memory."""
    cdef char *from_x
    cdef char *to_x
    cdef char *from_y
    cdef char *to_y
    span_of(x, &from_x, &to_x)
    span_of(y, &from_y, &to_y)
    return from_x < to_y and from_y < to_x


cdef inline Py_ssize_t size_of_step(Tensor t, int d) noexcept:
    return strides_of(t)[d] if strides_of(t)[d] >= 0 else -strides_of(t)[d]


cdef bint overlaps_itself(Tensor t) noexcept:
    """Whether some of its elements may share memory with others."""
    cdef Py_ssize_t reach, step, other
    cdef int i, j
    for i in range(t.nd):
        if shape_of(t)[i] <= 1:
            continue
        step = size_of_step(t, i)
        reach = 0                       # of the dimensions with shorter steps
        for j in range(t.nd):
            other = size_of_step(t, j)
            if shape_of(t)[j] > 1 and (other < step or (other == step and j < i)):
                reach += other * (shape_of(t)[j] - 1)
        if step <= reach:
            return True
    return False


cdef bint clash(Tensor out, Tensor x) noexcept:
    """Whether a loop that writes ``out`` may change elements of ``x`` before it reads them: they share memory, and not each
    element the one of its own index.
    """
    cdef int i
    if not overlap(out, x):
        return False
    if out.at != x.at or out.code != x.code or not same_shape(out, x):
        return True
    for i in range(x.nd):
        if strides_of(x)[i] != strides_of(out)[i] and shape_of(x)[i] != 1:
            return True
    return False


cdef tuple shape_tuple(Tensor t):
    cdef tuple sizes = PyTuple_New(t.nd)
    cdef object size
    cdef int i
    for i in range(t.nd):
        size = shape_of(t)[i]
        Py_INCREF(size)
        PyTuple_SET_ITEM(sizes, i, size)
    return sizes


cdef object size_object(Tensor t):
    return tuple.__new__(Size, shape_tuple(t))


class Size(tuple):
    """The shape of a tensor: a tuple of ints that prints as one.

    >>> tg.ones(2, 3).shape
    tensorgrad.Size([2, 3])
    """

    __slots__ = ()

    def numel(self):
        """How many elements a tensor of this shape has."""
        cdef object count = 1
        for extent in self:
            count *= extent
        return count

    def __repr__(self):
        return f"{tg_library}.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index):
        got = tuple.__getitem__(self, index)
        return Size(got) if isinstance(index, slice) else got

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other))) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count):
        return Size(tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __reduce__(self):
        return Size, (tuple(self),)
