# Tensor: shape, strides and a block of memory; a node when it was recorded.

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
            if size > 0 and shape[i] > (<Py_ssize_t>1 << 60) // size:
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
    t.contiguous = True
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
    if x.contiguous and x.nd <= INLINE_DIMS and x.code == code:
        t = Tensor.__new__(Tensor)
        untrack(t)
        t.nd = x.nd
        for i in range(6):
            t.dims[i] = x.dims[i]
        t.count = x.count
        t.code = code
        t.contiguous = True
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


cdef bint looks_contiguous(Tensor t) noexcept:
    cdef Py_ssize_t expected = ITEMSIZE[t.code]
    cdef Py_ssize_t *shape = shape_of(t)
    cdef Py_ssize_t *strides = strides_of(t)
    cdef int i
    if t.count == 0:
        return True
    for i in range(t.nd - 1, -1, -1):
        if shape[i] != 1:
            if strides[i] != expected:
                return False
            expected *= shape[i]
    return True


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


cdef tuple shape_tuple(Tensor t):
    cdef Py_ssize_t *shape = shape_of(t)
    return tuple([shape[i] for i in range(t.nd)])


cdef object size_object(Tensor t):
    return tuple.__new__(Size, shape_tuple(t))


cdef str tensor_type_name(int code):
    return ("BoolTensor", "ByteTensor", "CharTensor", "ShortTensor", "IntTensor", "LongTensor", "HalfTensor", "FloatTensor",
            "DoubleTensor")[code]


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
        return f"tensorgrad.Size([{', '.join(map(str, self))}])"

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


# ---------------------------------------------------------------------------- NumPy, both ways

cdef object array_over(Tensor t, object owner):
    """An array that shows the tensor's memory; ``owner`` keeps it alive."""
    cdef cnp.npy_intp shape[MAX_DIMS]
    cdef cnp.npy_intp strides[MAX_DIMS]
    cdef Py_ssize_t *own_shape = shape_of(t)
    cdef Py_ssize_t *own_strides = strides_of(t)
    cdef int i, flags
    cdef cnp.ndarray array
    for i in range(t.nd):
        shape[i] = own_shape[i]
        strides[i] = own_strides[i]
    flags = cnp.NPY_ARRAY_ALIGNED if t.block.frozen else cnp.NPY_ARRAY_ALIGNED | cnp.NPY_ARRAY_WRITEABLE
    array = cnp.PyArray_New(cnp.ndarray, t.nd, shape, NUMPY_TYPE[t.code], strides, t.at, 0, flags, <object>NULL)
    cnp.PyArray_UpdateFlags(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_F_CONTIGUOUS)
    cnp.set_array_base(array, owner)
    return array


cdef inline object array_of(Tensor t):
    """For a body, which may release the GIL: the memory stays even if another thread gives the tensor other
    memory.
    """
    return array_over(t, holder_of(t.block))


cdef Tensor borrow_array(cnp.ndarray array):
    """A tensor on the array's memory."""
    cdef Tensor t
    cdef int i, code, ndim = cnp.PyArray_NDIM(array), number = cnp.PyArray_TYPE(array)
    cdef Py_ssize_t *shape
    cdef Py_ssize_t *strides
    code = CODE_OF_NUMPY[number] if 0 <= number < 32 else NO_DTYPE
    if code == NO_DTYPE:
        names = ", ".join(d.name for d in DTYPE_LIST)
        raise TypeError(f"can't convert np.ndarray of type {(<object>array).dtype}. The only supported types are: {names}.")
    if not cnp.PyArray_ISBEHAVED_RO(array):
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape((<object>array).shape)
    t = Tensor.__new__(Tensor)
    untrack(t)
    set_ndim(t, ndim)
    t.code = code
    shape = shape_of(t)
    strides = strides_of(t)
    t.count = 1
    for i in range(ndim):
        shape[i] = cnp.PyArray_DIM(array, i)
        strides[i] = cnp.PyArray_STRIDE(array, i)
        t.count *= shape[i]
    t.contiguous = looks_contiguous(t)
    t.at = <char *>cnp.PyArray_DATA(array)
    t.block = block_behind(array)
    if t.block is NULL:
        t.block = block_borrow(<PyObject *>array, cnp.PyArray_NBYTES(array), not cnp.PyArray_ISWRITEABLE(array))
    if t.block is NULL:
        raise MemoryError()
    if tg_inference:
        t.flags = FLAG_INFERENCE
    return t


cdef Block *block_behind(cnp.ndarray array) noexcept:
    """The block that the array shows, if it came from a tensor; NULL when it may do less with it than the
    block allows.
    """
    cdef PyObject *owner = <PyObject *>array
    cdef Block *block
    while owner is not NULL and cnp.PyArray_Check(<object>owner):
        owner = cnp.PyArray_BASE(<cnp.ndarray>owner)
    if owner is NULL or type(<object>owner) is not BlockHolder:
        return NULL
    block = (<BlockHolder><object>owner).block
    if block.frozen == cnp.PyArray_ISWRITEABLE(array):
        return NULL
    block_keep(block)
    return block


cdef Tensor copy_array(object source):
    """A new contiguous tensor with the array's values."""
    cdef cnp.ndarray array = np.asarray(source)
    cdef Tensor t
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef int i, code, number = cnp.PyArray_TYPE(array)
    code = CODE_OF_NUMPY[number] if 0 <= number < 32 else NO_DTYPE
    if code == NO_DTYPE or array.ndim > MAX_DIMS:
        return borrow_array(array)
    for i in range(cnp.PyArray_NDIM(array)):
        shape[i] = cnp.PyArray_DIM(array, i)
    t = new_tensor(cnp.PyArray_NDIM(array), shape, code)
    if cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISBEHAVED_RO(array):
        memcpy(t.at, cnp.PyArray_DATA(array), t.count * ITEMSIZE[code])
    else:
        np.copyto(array_of(t), array, casting="unsafe")
    return t


cdef Tensor result_tensor(object value, list inputs):
    """What a body gave, as a tensor that shares memory with no input."""
    cdef cnp.ndarray array
    cdef Tensor x
    cdef char *at
    cdef char *start
    if type(value) is not cnp.ndarray:
        return copy_array(value)
    array = <cnp.ndarray>value
    if cnp.PyArray_NBYTES(array) <= 48:
        return copy_array(array)
    at = <char *>cnp.PyArray_DATA(array)
    for operand in inputs:
        if isinstance(operand, Tensor):
            x = <Tensor>operand
            start = block_data(x.block) if x.block.bin >= 0 else x.at
            if start <= at < start + block_nbytes(x.block) or not cnp.PyArray_ISWRITEABLE(array):
                return copy_array(array)
    return borrow_array(array)


def from_numpy(ndarray):
    """A tensor that shares the array's memory, both ways.

    >>> a = np.zeros(2); t = tg.from_numpy(a); a[0] = 1; t
    tensor([1., 0.], dtype=tensorgrad.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if ndarray.size and min(ndarray.strides, default=0) < 0:
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "supported. (You can work around this by making a copy of your array with array.copy().)")
    if not ndarray.dtype.isnative:
        raise ValueError("given numpy array has byte order different from the native byte order. Conversion between byte "
                         "orders is not supported: use array.astype(array.dtype.newbyteorder('=')).")
    for extent in ndarray.strides:
        if extent % ndarray.itemsize:
            raise ValueError("given numpy array strides not a multiple of the element byte size. Copy array to reset "
                             "element strides.")
    cdef Tensor t = borrow_array(ndarray)
    track(t)
    return t


def _copy_of_array(array):
    """A new tensor with the values of a NumPy array."""
    return copy_array(array)


def _empty(shape, int code):
    """A new tensor whose values are not set."""
    cdef Py_ssize_t dims[MAX_DIMS]
    cdef int ndim = read_shape(shape, dims, "empty")
    return new_tensor(ndim, dims, code)


cdef int read_shape(object shape, Py_ssize_t *dims, str who) except -1:
    """Checks a shape argument and writes it to ``dims``; gives the number of dimensions."""
    cdef Py_ssize_t ndim, i
    shape = tuple(shape)                # a list may be changed by what reading its elements runs
    if len(shape) > MAX_DIMS:
        raise RuntimeError(f"{who}(): a tensor has at most {MAX_DIMS} dimensions, not {len(shape)}")
    ndim = len(shape)
    for i in range(ndim):
        extent = shape[i]
        if isinstance(extent, float) or isinstance(extent, bool):
            raise TypeError(f"{who}(): argument 'size' must be tuple of ints, but found element of type "
                            f"{type(extent).__name__} at pos {i}")
        try:
            dims[i] = extent
        except OverflowError:
            raise RuntimeError(f"{who}(): the size {extent} does not fit in 64 bits") from None
        except TypeError:
            raise TypeError(f"{who}(): argument 'size' must be tuple of ints, but found element of type "
                            f"{type(extent).__name__} at pos {i}") from None
        if dims[i] < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {extent}: {list(shape)}")
    return <int>ndim


# ---------------------------------------------------------------------------- one element

cdef object element(int code, char *at):
    if code == F32:
        return <double>(<float *>at)[0]
    if code == F64:
        return (<double *>at)[0]
    if code == I64:
        return (<int64_t *>at)[0]
    if code == I32:
        return (<int32_t *>at)[0]
    if code == BOOL:
        return (<uint8_t *>at)[0] != 0
    if code == U8:
        return (<uint8_t *>at)[0]
    if code == I8:
        return (<int8_t *>at)[0]
    if code == I16:
        return (<int16_t *>at)[0]
    return float(np.frombuffer((<char *>at)[:2], np.float16)[0])


cdef Tensor number_tensor(object value, int code):
    """A 0-d tensor of a number."""
    cdef Tensor t = new_scalar(code)
    if code == F32:
        (<float *>t.at)[0] = <float><double>value
    elif code == F64:
        (<double *>t.at)[0] = value
    elif code == I64 and type(value) is int and -(1 << 63) <= value < (1 << 63):
        (<int64_t *>t.at)[0] = value
    elif code == BOOL:
        (<uint8_t *>t.at)[0] = bool(value)
    else:
        if code < F16 and not isinstance(value, (float, np.floating)):
            low, high = (0, 255) if code == U8 else (-(1 << (8 * ITEMSIZE[code] - 1)), (1 << (8 * ITEMSIZE[code] - 1)) - 1)
            if not low <= value <= high:
                raise RuntimeError(f"value cannot be converted to type {DTYPE_LIST[code].name} without overflow: {value}")
        with np.errstate(all="ignore"):
            array_of(t)[()] = np.asarray(value).astype(DTYPE_LIST[code].numpy_dtype)
    return t


cdef bint needs_grad(Tensor t) except -1:
    """Whether a gradient may flow into ``t``; looks at a view's base first, which may have a new history."""
    if t.base is not None and t.seen != t.base.history:
        refresh_view(t)
    return t.requires


cdef TensorExtra extra_of(Tensor t):
    if t.extra is None:
        track(t)
        t.extra = TensorExtra()
    return <TensorExtra>t.extra


cdef char *BUFFER_FORMATS[9]
BUFFER_FORMATS[:] = [b"?", b"B", b"b", b"h", b"i", b"q", b"e", b"f", b"d"]


@cython.freelist(512)
cdef class Tensor:
    """A multi-dimensional array of one dtype that can remember how it was computed.

    Made by ``tg.tensor(data)``, ``tg.zeros(...)`` and their kin; shares memory with NumPy both ways
    (``tg.from_numpy``, ``t.numpy()``).

    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x ** 2).sum().backward(); x.grad
    tensor([2., 4.])
    """

    def __cinit__(self):
        pass

    def __init__(self, *args, dtype=None, device=None):
        if not self.flags & FLAG_BLANK:
            return
        cdef Tensor made = _legacy_constructor(args, dtype)
        share_memory(self, made)
        track(self)

    def __dealloc__(self):
        cdef Tensor grad = self.grad_, following
        self.grad_ = None
        while grad is not None and tg_refcount(<PyObject *>grad) == 1:      # a chain of gradients must not end in recursion
            following = grad.grad_
            grad.grad_ = None
            grad = following
            following = None
        if self.block is not NULL:
            block_drop(self.block)
        if self.nd > INLINE_DIMS:
            free(<void *>self.dims[0])
        Py_XDECREF(<PyObject *>self.attributes)
        self.attributes = NULL

    def __setattr__(self, name, value):
        track(self)
        generic_setattr(self, name, value)

    # ---- what it is

    @property
    def shape(self):
        """The sizes of its dimensions."""
        return size_object(self)

    @property
    def dtype(self):
        """The type of its elements."""
        return DTYPE_LIST[self.code]

    @property
    def device(self):
        """Always ``device("cpu")``."""
        return CPU

    @property
    def layout(self):
        """Always ``strided``."""
        return strided

    @property
    def ndim(self):
        """The number of dimensions."""
        return self.nd

    @property
    def itemsize(self):
        """Bytes of one element."""
        return ITEMSIZE[self.code]

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self.count * ITEMSIZE[self.code]

    @property
    def is_leaf(self):
        """True when no recorded op made it."""
        needs_grad(self)
        return self.node is None

    @property
    def output_nr(self):
        """Which output of its ``grad_fn`` it is."""
        return self.nr

    @property
    def grad_fn(self):
        """The node of the op that made it, or None."""
        needs_grad(self)
        return self.node

    @property
    def requires_grad(self):
        """Whether operations on it are recorded."""
        return bool(needs_grad(self))

    @requires_grad.setter
    def requires_grad(self, bint value):
        set_requires_grad(self, value)

    @property
    def retains_grad(self):
        """Whether a non-leaf tensor keeps its gradient."""
        return bool(self.flags & FLAG_RETAINS_GRAD) and self.node is not None

    @property
    def grad(self):
        """The gradient that backward passes have added up, or None."""
        return self.grad_

    @grad.setter
    def grad(self, value):
        if value is None:
            self.grad_ = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if not same_shape(self, value):
            raise RuntimeError(f"assigned grad has data of a different size: {list(value.shape)}, wanted {list(self.shape)}")
        if (<Tensor>value).code != self.code:
            raise RuntimeError(f"assigned grad has data of a different type: {value.dtype}, wanted {self.dtype}")
        self.grad_ = value

    @grad.deleter
    def grad(self):
        self.grad_ = None

    @property
    def data(self):
        """A tensor on the same memory that is not recorded; assigning replaces the memory.

        It shares the version counter: writing through it what a graph still needs is an error, not a wrong gradient.
        """
        return alias_of(self)

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        share_memory(self, <Tensor>value)

    @property
    def _version(self):
        """How often its memory was written in place."""
        return version_of(self)

    @property
    def _base(self):
        """Of a view: the tensor whose memory it shows."""
        return self.base

    def _is_view(self):
        """Whether it shows another tensor's memory."""
        return self.base is not None

    def is_inference(self):
        """Whether it was made in inference mode."""
        return bool(self.flags & FLAG_INFERENCE)

    def dim(self):
        """The number of dimensions."""
        return self.nd

    ndimension = dim

    def size(self, dim=None):
        """The shape, or the size of one dimension.

        >>> tg.ones(2, 3).size(-1)
        3
        """
        if dim is None:
            return size_object(self)
        return shape_of(self)[wrap_dim(dim, self.nd)]

    def numel(self):
        """How many elements it has."""
        return self.count

    nelement = numel

    def element_size(self):
        """Bytes of one element."""
        return ITEMSIZE[self.code]

    def stride(self, dim=None):
        """Elements from one index to the next, of every dimension or of one."""
        cdef Py_ssize_t *strides = strides_of(self)
        cdef int itemsize = ITEMSIZE[self.code]
        if dim is None:
            return tuple([strides[i] // itemsize for i in range(self.nd)])
        return strides[wrap_dim(dim, self.nd)] // itemsize

    def storage_offset(self):
        """Elements from the start of the memory it shows to its first element."""
        cdef char *start
        if self.block.bin >= 0:
            start = block_data(self.block)
        else:
            start = self.at if self.base is None else self.base.at
        return (self.at - start) // ITEMSIZE[self.code]

    def data_ptr(self):
        """The address of its first element."""
        return <size_t>self.at

    def is_contiguous(self, memory_format=None):
        """Whether its elements lie in memory in the order of its indices."""
        return bool(self.contiguous)

    def is_floating_point(self):
        """Whether its elements are floats."""
        return self.code >= F16

    def is_signed(self):
        """Whether its dtype has a sign."""
        return self.code > U8

    def is_complex(self):
        """False: there are no complex dtypes."""
        return False

    def get_device(self):
        """-1, the number that stands for the CPU."""
        return -1

    is_cuda = False
    is_sparse = False
    is_quantized = False
    is_meta = False
    is_mps = False
    names = property(lambda self: (None,) * self.nd)
    name = None

    # ---- values out

    def item(self):
        """Its one element as a Python number.

        Raises RuntimeError when it has several.

        >>> tg.tensor([2.5]).item()
        2.5
        """
        if self.count != 1:
            raise RuntimeError(f"a Tensor with {self.count} elements cannot be converted to Scalar")
        return element(self.code, self.at)

    def tolist(self):
        """Its elements as a number or nested lists.

        >>> tg.tensor([[1, 2]]).tolist()
        [[1, 2]]
        """
        return array_of(self).tolist()

    def numpy(self, *, force=False):
        """An array that shares its memory.

        Raises RuntimeError for a tensor that needs a gradient, unless ``force``.

        >>> tg.ones(2).numpy()
        array([1., 1.], dtype=float32)
        """
        if needs_grad(self) and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return array_over(self, holder_of(self.block))

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"Unable to avoid copy: {array.dtype} has to become {dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        """``memoryview(t)``: the memory itself, for any program that speaks Python's buffer protocol."""
        cdef int i
        cdef Py_ssize_t *dims
        if needs_grad(self):
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if self.block.frozen and flags & PyBUF_WRITABLE:
            raise BufferError("the memory of this tensor is read-only")
        if not self.contiguous and flags & PyBUF_STRIDES != PyBUF_STRIDES:
            raise BufferError("this tensor is not contiguous, and the reader asked for contiguous memory")
        if not self.contiguous and ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS
                                    or (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS):
            raise BufferError("this tensor is not contiguous, and the reader asked for contiguous memory")
        if self.nd > 1 and (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS:
            raise BufferError("the reader asked for memory in the order of Fortran")
        dims = <Py_ssize_t *>malloc((1 + 2 * self.nd) * sizeof(Py_ssize_t))
        if dims is NULL:
            raise MemoryError()
        dims[0] = <Py_ssize_t>self.block        # kept here: the tensor may be given other memory while this is shown
        block_keep(self.block)
        for i in range(self.nd):
            dims[1 + i] = shape_of(self)[i]
            dims[1 + self.nd + i] = strides_of(self)[i]
        buffer.buf = self.at
        buffer.obj = self
        buffer.len = self.count * ITEMSIZE[self.code]
        buffer.readonly = self.block.frozen
        buffer.itemsize = ITEMSIZE[self.code]
        buffer.format = BUFFER_FORMATS[self.code] if flags & PyBUF_FORMAT else NULL
        buffer.ndim = self.nd
        buffer.shape = dims + 1 if flags & PyBUF_ND else NULL
        buffer.strides = dims + 1 + self.nd if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        buffer.suboffsets = NULL
        buffer.internal = dims

    def __releasebuffer__(self, Py_buffer *buffer):
        cdef Py_ssize_t *dims = <Py_ssize_t *>buffer.internal
        block_drop(<Block *>dims[0])
        free(dims)

    def __dlpack__(self, **keywords):
        if needs_grad(self):
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self.numpy().__dlpack__(**keywords)

    def __dlpack_device__(self):
        return (1, 0)

    def __len__(self):
        if self.nd == 0:
            raise TypeError("len() of a 0-d tensor")
        return shape_of(self)[0]

    def __bool__(self):
        if self.count != 1:
            if self.count == 0:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(element(self.code, self.at))

    def __int__(self):
        return int(self.item())

    def __float__(self):
        return float(self.item())

    def __complex__(self):
        return complex(self.item())

    def __index__(self):
        if self.code >= F16 or self.count != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __iter__(self):
        if self.nd == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(parts_of(<Op>CORE_OPS["unbind"], self, 0, None, [None, 0]))

    def __contains__(self, item):
        if not isinstance(item, Tensor) and not is_number(item):
            raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(item)}.")
        return bool((self == item).any().item())

    def __hash__(self):
        return <Py_ssize_t>(<size_t><PyObject *>self >> 4)

    def __repr__(self):
        return _represent(self)

    def __format__(self, spec):
        if self.nd == 0:
            return format(self.item(), spec) if spec else format(self.item())
        return object.__format__(self, spec)

    def __dir__(self):
        return sorted(set(object.__dir__(self)))

    def __copy__(self):
        cdef Tensor t
        if type(self) is Tensor:
            t = alias_of(self)
        else:
            t = type(self).__new__(type(self))
            share_memory(t, self)
        t.requires = self.requires
        t.node = self.node
        t.nr = self.nr
        for name, value in attributes_of(self).items():
            setattr(t, name, value)
        return t

    def __deepcopy__(self, memo):
        if self.node is not None:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
                               "the moment. If you were attempting to deepcopy a module, this may be because of a "
                               "tensor that an op made being one of its attributes; detach() it first.")
        if id(self) in memo:
            return memo[id(self)]
        import copy
        cdef Tensor t = type(self).__new__(type(self))
        share_memory(t, clone_raw(self))
        t.requires = self.requires
        memo[id(self)] = t
        if self.grad_ is not None:
            t.grad_ = copy.deepcopy(self.grad_, memo)
        for name, value in attributes_of(self).items():
            setattr(t, name, copy.deepcopy(value, memo))
        return t

    def __reduce_ex__(self, protocol):
        if self.node is not None:
            raise RuntimeError("a tensor that an op made can't be pickled with its graph; detach() it first")
        return _rebuild, (type(self), np.asarray(array_of(self), order="C"), bool(self.requires), attributes_of(self))

    # ---- autograd

    def detach(self):
        """The same memory without the graph; later in-place writes show in both.

        >>> tg.ones(2, requires_grad=True).detach().requires_grad
        False
        """
        return alias_of(self)

    def detach_(self):
        """Takes it off its graph, in place: it becomes a leaf that needs no gradient."""
        if self.base is not None and needs_grad(self):
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node = None
        self.nr = 0
        self.requires = False
        return self

    def requires_grad_(self, requires_grad=True):
        """Sets ``requires_grad`` in place and returns the tensor.

        >>> tg.ones(2).requires_grad_().requires_grad
        True
        """
        set_requires_grad(self, requires_grad)
        return self

    def retain_grad(self):
        """Makes a non-leaf tensor keep its gradient in ``.grad``."""
        if not needs_grad(self):
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is not None and not self.flags & FLAG_RETAINS_GRAD:
            self.flags |= FLAG_RETAINS_GRAD
            extra_of(self).tensor = weakref.ref(self)
            hook_node(self)

    def register_hook(self, hook):
        """Calls ``hook(grad)`` whenever the gradient of this tensor is known; what it returns, if not None, replaces it.

        >>> x = tg.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 2)
        >>> x.sum().backward(); x.grad
        tensor([2., 2.])
        """
        if not needs_grad(self):
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        extra = extra_of(self)
        if self.node is not None:
            hook_node(self)
        return RemovableHandle((<TensorExtra>extra).hooks, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Calls ``hook(tensor)`` after ``.grad`` of this leaf was updated."""
        if not needs_grad(self):
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.node is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return RemovableHandle(extra_of(self).accumulated, hook)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Adds the gradient of this tensor with respect to the graph's leaves to their ``.grad``.

        ``gradient`` is the gradient with respect to this tensor; it may be left out for one element.

        >>> x = tg.tensor([3.0], requires_grad=True)
        >>> (x * x).backward(); x.grad
        tensor([6.])
        """
        run_backward((self,), (gradient,), retain_graph, create_graph, inputs, False, False)

    # ---- operators

    def __add__(self, other):
        return binary_operator(OP_ADD, self, other)

    def __radd__(self, other):
        return binary_operator(OP_ADD, self, other)

    def __sub__(self, other):
        return binary_operator(OP_SUB, self, other)

    def __rsub__(self, other):
        return binary_operator(OP_SUB, other, self)

    def __mul__(self, other):
        return binary_operator(OP_MUL, self, other)

    def __rmul__(self, other):
        return binary_operator(OP_MUL, self, other)

    def __truediv__(self, other):
        return binary_operator(OP_DIV, self, other)

    def __rtruediv__(self, other):
        return binary_operator(OP_DIV, other, self)

    def __pow__(self, other, modulus):
        return binary_operator(OP_POW, self, other)

    def __rpow__(self, other, modulus):
        return binary_operator(OP_POW, other, self)

    def __matmul__(self, other):
        if not isinstance(other, Tensor):
            return NotImplemented
        return matmul(OP_MATMUL, self, <Tensor>other)

    def __rmatmul__(self, other):
        if not isinstance(other, Tensor):
            return NotImplemented
        return matmul(OP_MATMUL, <Tensor>other, self)

    def __floordiv__(self, other):
        return named_operator("floor_divide", self, other)

    def __rfloordiv__(self, other):
        return named_operator("floor_divide", other, self)

    def __mod__(self, other):
        return named_operator("remainder", self, other)

    def __rmod__(self, other):
        return named_operator("remainder", other, self)

    def __and__(self, other):
        return named_operator("bitwise_and", self, other)

    def __rand__(self, other):
        return named_operator("bitwise_and", other, self)

    def __or__(self, other):
        return named_operator("bitwise_or", self, other)

    def __ror__(self, other):
        return named_operator("bitwise_or", other, self)

    def __xor__(self, other):
        return named_operator("bitwise_xor", self, other)

    def __rxor__(self, other):
        return named_operator("bitwise_xor", other, self)

    def __lshift__(self, other):
        return named_operator("bitwise_left_shift", self, other)

    def __rlshift__(self, other):
        return named_operator("bitwise_left_shift", other, self)

    def __rshift__(self, other):
        return named_operator("bitwise_right_shift", self, other)

    def __rrshift__(self, other):
        return named_operator("bitwise_right_shift", other, self)

    def __iadd__(self, other):
        return inplace_binary(OP_ADD, self, other)

    def __isub__(self, other):
        return inplace_binary(OP_SUB, self, other)

    def __imul__(self, other):
        return inplace_binary(OP_MUL, self, other)

    def __itruediv__(self, other):
        return inplace_binary(OP_DIV, self, other)

    def __ifloordiv__(self, other):
        return inplace_binary(CORE_OPS["floor_divide"], self, other)

    def __imod__(self, other):
        return inplace_binary(CORE_OPS["remainder"], self, other)

    def __ipow__(self, other, modulus):
        return inplace_binary(OP_POW, self, other)

    def __iand__(self, other):
        return inplace_binary(CORE_OPS["bitwise_and"], self, other)

    def __ior__(self, other):
        return inplace_binary(CORE_OPS["bitwise_or"], self, other)

    def __ixor__(self, other):
        return inplace_binary(CORE_OPS["bitwise_xor"], self, other)

    def __ilshift__(self, other):
        return inplace_binary(CORE_OPS["bitwise_left_shift"], self, other)

    def __irshift__(self, other):
        return inplace_binary(CORE_OPS["bitwise_right_shift"], self, other)

    def __neg__(self):
        return unary(OP_NEG, self)

    def __pos__(self):
        return CORE_OPS["positive"](self)

    def __abs__(self):
        return unary(CORE_OPS["abs"], self)

    def __invert__(self):
        return CORE_OPS["bitwise_not"](self)

    def __richcmp__(self, other, int op):
        return compare(self, other, op)

    def __getitem__(self, index):
        return get_item(self, index)

    def __setitem__(self, index, value):
        set_item(self, index, value)

    def __delitem__(self, index):
        raise TypeError("Tensor does not support deleting items")


cdef dict attributes_of(Tensor t):
    """What users and subclasses put on a tensor, in its dict or in slots."""
    cdef dict found = {} if t.attributes is NULL else dict(vars(t))
    if type(t) is not Tensor:
        import copyreg
        for name in copyreg._slotnames(type(t)):
            if hasattr(t, name):
                found[name] = getattr(t, name)
    return found


cdef object named_operator(str name, object a, object b):
    """An operator whose op is looked up by name, for those that no hot loop uses."""
    return binary_operator(<Op>CORE_OPS[name], a, b)


cdef extern from *:
    """
    /* Tensors have a __dict__ that is made when it is first needed: Cython's own would cost every tensor 64 bytes and 20 ns. */
    static Py_ssize_t tg_attributes;
    static traverseproc tg_own_traverse;
    static inquiry tg_own_clear;
    static int tg_traverse(PyObject *self, visitproc visit, void *arg)
    {
        Py_VISIT(*(PyObject **)((char *)self + tg_attributes));
        return tg_own_traverse(self, visit, arg);
    }
    static int tg_clear(PyObject *self)
    {
        Py_CLEAR(*(PyObject **)((char *)self + tg_attributes));
        return tg_own_clear(self);
    }
    static PyObject *tg_dict(PyObject *self, void *context)
    {
        if (!PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
        return PyObject_GenericGetDict(self, context);
    }
    static PyGetSetDef tg_dict_entry = {"__dict__", tg_dict, PyObject_GenericSetDict, NULL, NULL};
    /* What Python makes by __new__ has memory from the start, whether or not an __init__ gives it some. */
    static newfunc tg_own_new;
    static int (*tg_fill_blank)(PyObject *);
    static PyObject *tg_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
    {
        PyObject *made = tg_own_new(type, args, keywords);
        if (made != NULL && tg_fill_blank(made) < 0) Py_CLEAR(made);
        return made;
    }
    static int tg_tensor_type(PyTypeObject *type, Py_ssize_t offset, int (*fill_blank)(PyObject *))
    {
        PyObject *entry = PyDescr_NewGetSet(type, &tg_dict_entry);
        if (entry == NULL || PyDict_SetItemString(type->tp_dict, "__dict__", entry) < 0) return -1;
        Py_DECREF(entry);
        tg_attributes = offset;
        tg_own_traverse = type->tp_traverse;
        tg_own_clear = type->tp_clear;
        type->tp_traverse = tg_traverse;
        type->tp_clear = tg_clear;
        tg_own_new = type->tp_new;
        tg_fill_blank = fill_blank;
        type->tp_new = tg_new;
        type->tp_dictoffset = offset;
        PyType_Modified(type);
        return 0;
    }
    """
    int tg_tensor_type(PyTypeObject *cls, Py_ssize_t offset, int (*fill_blank)(PyObject *) except -1) except -1


cdef int fill_blank(PyObject *made) except -1:
    """Makes a tensor that has nothing yet an empty one."""
    cdef Tensor t = <Tensor>made
    t.block = block_new(0)
    if t.block is NULL:
        raise MemoryError()
    t.at = block_data(t.block)
    t.code = default_code
    t.nd = 1
    t.dims[INLINE_DIMS] = ITEMSIZE[t.code]
    t.contiguous = True
    t.flags = FLAG_BLANK
    return 0


def _set_tensor_type():
    """Gives Tensor its lazy __dict__, and memory to what Python makes."""
    cdef Tensor t = Tensor.__new__(Tensor)
    tg_tensor_type(<PyTypeObject *>Tensor, <char *>&t.attributes - <char *><PyObject *>t, fill_blank)


_set_tensor_type()


cdef extern from "Python.h":
    int generic_setattr "PyObject_GenericSetAttr"(object target, object attribute, object value) except -1


cdef int share_memory(Tensor t, Tensor source) except -1:
    """Makes ``t`` show the memory of ``source``."""
    cdef int i
    if t is source:
        return 0
    if t.flags & FLAG_BLANK:
        t.flags &= ~FLAG_BLANK
    else:
        t.moved = version_of(t) + 1 - source.block.version
        if t.base is not None and t.base.block is not source.block:
            t.base = None
    block_keep(source.block)
    retire(t.block)
    if t.nd > INLINE_DIMS:
        free(<void *>t.dims[0])
    t.nd = 0
    set_ndim(t, source.nd)
    for i in range(source.nd):
        shape_of(t)[i] = shape_of(source)[i]
        strides_of(t)[i] = strides_of(source)[i]
    t.block = source.block
    t.at = source.at
    t.count = source.count
    t.code = source.code
    t.contiguous = source.contiguous
    return 0


cdef int set_requires_grad(Tensor t, bint value) except -1:
    if value == needs_grad(t):
        return 0
    if t.node is not None:
        raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a computed "
                           "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().")
    if value and t.code < F16:
        raise RuntimeError(f"only Tensors of floating point dtype can require gradients, not {DTYPE_LIST[t.code]}")
    if value and t.flags & FLAG_INFERENCE and not tg_inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
    t.requires = value
    if value:
        track(t)
    return 0


cdef int hook_node(Tensor t) except -1:
    """Tells the node of a non-leaf tensor that the tensor has hooks."""
    cdef NodeExtra extra = node_extra(t.node)
    if extra.tensor_hooks is None:
        extra.tensor_hooks = {}
    extra.tensor_hooks[t.nr] = extra_of(t)
    track(t.node)
    return 0


def _rebuild(cls, array, requires_grad, attributes):
    """A tensor from its pickled parts."""
    cdef Tensor t = cls.__new__(cls)
    share_memory(t, copy_array(array))
    t.requires = requires_grad
    for name, value in attributes.items():
        setattr(t, name, value)
    return t


def _make_subclass(cls, Tensor data not None, bint requires_grad=False):
    """A tensor of class ``cls`` on the memory of ``data``: a leaf, for nn.Parameter."""
    cdef Tensor t = cls.__new__(cls)
    share_memory(t, data)
    if requires_grad:
        set_requires_grad(t, True)
    return t


def _as_subclass_of(Tensor t not None, cls):
    """Another tensor of class ``cls`` with the same memory, graph and requires_grad."""
    cdef Tensor made = cls.__new__(cls)
    share_memory(made, t)
    made.node = t.node
    made.nr = t.nr
    made.requires = t.requires
    return made


cdef object _legacy_constructor = None
cdef object _represent = None
cdef object CPU = None
cdef object strided = None


def _install(*, legacy_constructor, represent, cpu, strided_layout):
    """Gives the core the few functions written in Python that it calls."""
    global _legacy_constructor, _represent, CPU, strided
    _legacy_constructor = legacy_constructor
    _represent = represent
    CPU = cpu
    strided = strided_layout


cdef Py_ssize_t wrap_dim(object dim, int ndim) except -1:
    """A dimension's number counted from 0; IndexError when there is none of that number."""
    cdef Py_ssize_t wrapped
    cdef Py_ssize_t count = ndim if ndim else 1
    if isinstance(dim, (float, bool)):
        raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
    wrapped = dim
    if not -count <= wrapped < count:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})")
    return wrapped + count if wrapped < 0 else wrapped
