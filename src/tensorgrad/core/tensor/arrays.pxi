# Tensors of NumPy arrays, arrays of tensors, and single elements.

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
    array = cnp.PyArray_New(cnp.ndarray, t.nd, shape, NUMPY_TYPE[t.code], strides, t.at, ITEMSIZE[t.code], flags, <object>NULL)
    cnp.PyArray_UpdateFlags(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_F_CONTIGUOUS)
    cnp.set_array_base(array, owner)
    return array


cdef inline object array_of(Tensor t):
    """The tensor's memory, which stays even if another thread gives the tensor other memory while a body releases the GIL.
    What NumPy has no type for is void, with which it can do nothing but move it.
    """
    return array_over(t, holder_of(t.block))


cdef object values_of(Tensor t):
    """An array of the tensor's numbers, to be read: its memory where NumPy has the type."""
    if (<dtype>DTYPE_LIST[t.code]).own is not None:
        return array_of(t)
    array = array_of(cast_raw(t, COMPUTES[t.code]))
    array.flags.writeable = False       # what is written there would be lost
    return array


cdef int code_of_array(cnp.ndarray array) noexcept:
    cdef int number = cnp.PyArray_TYPE(array)
    return CODE_OF_NUMPY[number] if 0 <= number < 32 else NO_DTYPE


cdef Tensor borrow_array(cnp.ndarray array, int code=NO_DTYPE):
    """A tensor on the array's memory; ``code`` says what void elements are."""
    cdef Tensor t
    cdef int i, ndim = cnp.PyArray_NDIM(array)
    cdef Py_ssize_t *shape
    cdef Py_ssize_t *strides
    cdef char *low
    cdef char *high
    if code == NO_DTYPE:
        code = code_of_array(array)
    if code == NO_DTYPE:
        names = ", ".join([d.name for d in DTYPE_LIST if (<dtype>d).own is not None])
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
        span_of_array(array, &low, &high)
        t.block = block_borrow(<PyObject *>array, low, high - low, not cnp.PyArray_ISWRITEABLE(array))
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


cdef Tensor copy_array(object source, int code=NO_DTYPE):
    """A new contiguous tensor with the array's values; ``code`` says what void elements are."""
    cdef cnp.ndarray array = np.asarray(source)
    cdef Tensor t
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef int i
    if code == NO_DTYPE:
        code = code_of_array(array)
    if code == NO_DTYPE or array.ndim > MAX_DIMS:
        return borrow_array(array)
    for i in range(cnp.PyArray_NDIM(array)):
        shape[i] = cnp.PyArray_DIM(array, i)
    t = new_tensor(cnp.PyArray_NDIM(array), shape, code)
    if cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISBEHAVED_RO(array):
        copy_memory(t.at, cnp.PyArray_DATA(array), t.count, code)
    else:
        copy_from_array(t, array)
    return t


cdef Tensor result_tensor(object value, list inputs, int narrow):
    """What a body gave, as a tensor that shares memory with no input; what it computed for a narrow float becomes one."""
    cdef Tensor t = array_tensor(value, inputs, NO_DTYPE)
    return cast_raw(t, narrow) if narrow != NO_DTYPE and t.code == COMPUTES[narrow] else t


cdef Tensor array_tensor(object value, list inputs, int code):
    cdef cnp.ndarray array
    cdef Tensor x
    cdef char *low
    cdef char *high
    cdef char *start
    if type(value) is not cnp.ndarray:
        return copy_array(value)
    array = <cnp.ndarray>value
    if cnp.PyArray_NBYTES(array) <= 48:
        return copy_array(array, code)
    if not cnp.PyArray_ISWRITEABLE(array):
        return copy_array(array, code)
    span_of_array(array, &low, &high)
    for operand in inputs:
        if isinstance(operand, Tensor):
            x = <Tensor>operand
            start = block_start(x.block)
            if low < start + block_nbytes(x.block) and start < high:
                return copy_array(array, code)
    return borrow_array(array, code)


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
        if isinstance(extent, float) or (isinstance(extent, bool) and not i):
            raise TypeError(f"{who}(): argument 'size' must be tuple of ints, but found element of type "
                            f"{type(extent).__name__} at pos {i}: sizes are whole numbers, int({extent}) is one")
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

cdef extern from "half.h" nogil:
    float float_of_half(uint16_t half) noexcept
    float float_of_brain(uint16_t brain) noexcept


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
    if code == F16:
        return <double>float_of_half((<uint16_t *>at)[0])
    if code == BF16:
        return <double>float_of_brain((<uint16_t *>at)[0])
    raise NotImplementedError(f"an element of {DTYPE_LIST[code]} as a number")


cdef object only_element(Tensor t):
    """The element of a tensor that has one, for Python's own conversions."""
    if t.count != 1:
        raise ValueError(f"only one element tensors can be converted to Python scalars, not one of shape {list(shape_tuple(t))}")
    return element(t.code, t.at)


cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1

cdef double FLOAT32_MAX = LARGEST[F32]


cdef int64_t whole_number(object value) except? -1:
    """An integer's low 64 bits; raises OverflowError for one that is neither an int64 nor a uint64."""
    cdef int overflow
    cdef int64_t found
    if not isinstance(value, int):
        value = int(value)
    found = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0:
        return found
    if overflow < 0 or value >= 1 << 64:
        raise OverflowError(f"int too big to convert: {value} does not fit in 64 bits")
    return <int64_t><uint64_t>value


cdef double real_number(object value) except? -1:
    """A number in float64; raises OverflowError for an integer that does not fit in 64 bits."""
    if type(value) is float:
        return <double>value
    if isinstance(value, int) or isinstance(value, np.integer):
        whole_number(value)
    return <double>value


cdef Tensor number_tensor(object value, int code):
    """A 0-d tensor of a number. What does not fit in an integer dtype wraps round, as PyTorch's arithmetic has it.
    """
    cdef Tensor t = new_scalar(code)
    if LISTENING[0]:
        heard_number(t, value)
    elif code == F32 and type(value) is float:
        (<float *>t.at)[0] = <float><double>value
    else:
        store_number(t, value)
    return t


cdef int heard_number(Tensor t, object value) except -1:
    cdef Event event = begin_write("number", "number", (), (t,))
    try:
        return store_number(t, value)
    finally:
        end_write(event)


cdef inline int store_number(Tensor t, object value) except -1:
    cdef int code = t.code
    if code == F32:
        (<float *>t.at)[0] = <float>real_number(value)
    elif code == F64:
        (<double *>t.at)[0] = real_number(value)
    elif code == I64:
        (<int64_t *>t.at)[0] = whole_number(value)
    elif code == BOOL:
        (<uint8_t *>t.at)[0] = bool(value)
    elif code == I32:
        (<int32_t *>t.at)[0] = <int32_t>whole_number(value)
    elif code == I16:
        (<int16_t *>t.at)[0] = <int16_t>whole_number(value)
    elif IS_FLOAT[code]:
        fill_raw(t, real_number(value))
    else:
        (<uint8_t *>t.at)[0] = <uint8_t>whole_number(value)
    return 0


cdef object fitting(object value, int code, bint half):
    """A number (or a 0-d tensor's) that is to be stored in a dtype; raises RuntimeError where it does not fit.

    ``half``: whether narrow floats have bounds too; PyTorch lets single numbers become infinite there.
    """
    cdef double real
    if type(value) is float and code in (F32, F64):
        real = <double>value
        if code == F64 or -FLOAT32_MAX <= real <= FLOAT32_MAX:
            return value
    if isinstance(value, Tensor) and (<Tensor>value).nd == 0:
        value = element((<Tensor>value).code, (<Tensor>value).at)
    elif isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"expected a number to store as {DTYPE_LIST[code].name}, not {type(value).__name__}")
    if isinstance(value, int):
        whole_number(value)
        if not IS_FLOAT[code]:
            fits = code == BOOL or (-255 if code == U8 else LEAST[code]) <= value <= GREATEST[code]
        else:
            fits = COMPUTES[code] == code or not half or -LARGEST[code] <= value <= LARGEST[code]
    elif not IS_FLOAT[code]:
        fits = code == BOOL or LEAST[code] <= value <= GREATEST[code]
    else:
        fits = code == F64 or (COMPUTES[code] != code and not half) or not LARGEST[code] < abs(value) < float("inf")
    if not fits:
        raise RuntimeError(f"value cannot be converted to type {DTYPE_LIST[code].name} without overflow: {value}")
    return value


def _fitting(value, dtype d not None):
    """The number, if the dtype holds it; raises RuntimeError if not."""
    return fitting(value, d.code, True)


def _number_tensor(value, dtype d not None, bint half=True):
    """A 0-d tensor of a number (or of a 0-d tensor's) that fits; see `fitting`."""
    return number_tensor(fitting(value, d.code, half), d.code)
