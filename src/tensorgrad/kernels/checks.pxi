# What the functions of the door share: turning arguments into memoryviews, and refusing what does not fit.


cdef object float_array(str who, str name, object value):
    """`value` as a contiguous array of float32 or float64."""
    array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
    if array.dtype != np.float32 and array.dtype != np.float64:
        raise ValueError(f"{who}: {name} is of {array.dtype}, wanted float32 or float64")
    return array


cdef object like(str who, str name, object value, object wanted):
    """`value` as a contiguous array of the shape and dtype of `wanted`."""
    array = float_array(who, name, value)
    if array.shape != wanted.shape or array.dtype != wanted.dtype:
        raise ValueError(f"{who}: {name} is {array.dtype}{list(array.shape)}, wanted {wanted.dtype}{list(wanted.shape)}")
    return array


cdef object output(str who, str name, object value, tuple shape, object dtype):
    """The array to write to: a new one, or the caller's, which must fit as it is, for a copy would not reach him."""
    if value is None:
        return np.empty(shape, dtype)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{who}: {name} is a {type(value).__name__}, wanted an array")
    if value.shape != shape or value.dtype != dtype:
        raise ValueError(f"{who}: {name} is {value.dtype}{list(value.shape)}, wanted {dtype}{list(shape)}")
    if not value.flags.c_contiguous or not value.flags.writeable:
        raise ValueError(f"{who}: {name} must be contiguous and writeable")
    return value


cdef object rows_array(str who, str name, object value):
    """`value` as a contiguous matrix of floats."""
    array = float_array(who, name, value)
    if array.ndim != 2:
        raise ValueError(f"{who}: {name} has {array.ndim} dimensions {list(array.shape)}, wanted 2, (rows, columns)")
    return array


cdef object column(str who, str name, object value, Py_ssize_t count, object dtype):
    """`value` as a contiguous vector of `count` floats."""
    array = float_array(who, name, value)
    if array.shape != (count,) or array.dtype != dtype:
        raise ValueError(f"{who}: {name} is {array.dtype}{list(array.shape)}, wanted {dtype}[{count}]")
    return array


cdef inline int code_of(object array) except -1:
    return F32 if array.dtype == np.float32 else F64


cdef void *start(const floating[::1] flat) noexcept nogil:
    """The address of the first element; of an empty array there is none."""
    return <void *>&flat[0] if flat.shape[0] else NULL


cdef void *address(object array) except? NULL:
    """The address of a contiguous float array, taken through a typed memoryview of it; NULL for None."""
    if array is None:
        return NULL
    flat = array.reshape(-1)
    if array.dtype == np.float32:
        return start[float](flat)
    return start[double](flat)


cdef int launch(bytes name, int dtype, KernelArgs *a) except -1:
    """Calls the kernel without the GIL."""
    cdef const Kernel *kernel = kernels_find(name, dtype)
    cdef Event event = None
    cdef int short_of_memory
    if kernel is NULL:
        raise KeyError(f"there is no kernel {name.decode()!r} for element type {dtype}")
    if LISTENING:
        event = begin_kernel(kernel, a)
    with nogil:
        short_of_memory = kernel_run(kernel, a, kernel_cost(kernel, a))
    if event is not None:
        end_event(event)
    if short_of_memory:
        raise MemoryError(f"{name.decode()}: no memory for what it sums apart")
    return 0
