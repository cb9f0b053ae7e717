# Kernels on NumPy's arrays, by the names that they declare: what does not fit is refused, sizes are found, results are made.

cdef dict NUMPY_DTYPES = numpy_dtypes()
cdef dict CODES = {dtype: code for code, dtype in NUMPY_DTYPES.items()}


cdef dict numpy_dtypes():
    """NumPy's dtype for the number of each element type; it has none for bfloat16."""
    names = [kernel_dtype(code).name.decode() for code in range(DTYPES)]
    return {code: np.dtype(bool if name == "bool" else f"{name[0]}{kernel_dtype(code).bytes}")
            for code, name in enumerate(names) if name != "bf16"}


def apply(str name, **given):
    """Runs a kernel on arrays, by the names of its operands and settings (`declarations()` has them); gives its outputs.

    Outputs may be given too, and are made where they are not. ValueError for an array that does not fit.

    >>> apply("argmax", input=np.float32([[[2], [3]]]))
    (array([[1]]), array([[3.]], dtype=float32))
    >>> apply("adagrad", param=np.zeros(2), grad=np.ones(2), sum=np.zeros(2), lr=0.1, lr_decay=0, weight_decay=0, eps=0, step=1,
    ...       maximize=0)
    """
    return perform(name, name, given)


cdef object perform(str who, str name, dict given, int flags=0):
    """Runs the kernel `name` for the function `who`, which its errors are about."""
    cdef KernelArgs a
    cdef const Kernel *kernel = kernel_for(who, name, given)
    cdef int i
    cdef list declared = in_any_shape(operands_of(kernel)), arrays = []
    cdef dict sizes = {}
    cdef const char *error
    cdef bint reduces = "*" in [operand.where for operand in declared] and "ac" in [operand.where for operand in declared]
    for i, operand in enumerate(declared):
        value = given.pop(operand.name, None)
        if i < kernel.inputs and value is None and operand.optional:
            arrays.append(None)
        elif i < kernel.inputs:
            arrays.append(input_array(who, operand, value, kernel.in_place >> i & 1, sizes))
            if reduces:
                if arrays[i].ndim != 3 or (arrays[i].shape[1] == 0 and name[:3] == "arg"):
                    raise ValueError(f"{who}: {operand.name} is {arrays[i].dtype}{list(arrays[i].shape)}, wanted 3 dimensions, "
                                     "of which the second is reduced, and elements to find one among")
                sizes.update(zip("abc", arrays[i].shape))
        else:
            arrays.append(output_array(who, operand, value, sizes))
    refuse_shared(who, kernel, declared, arrays)
    begin(&a, 1)
    a.flags = flags
    give_sizes(&a, declared, sizes)
    for i in range(len(arrays)):
        give_array(&a, i, arrays[i], declared[i].where)
    give_settings(who, kernel, &a, given, sizes)
    if kernel.refuse is not NULL:
        error = kernel.refuse(&a)
        if error is not NULL:
            raise ValueError(f"{who}: {error.decode()}")
    launch(kernel, &a)
    outputs = arrays[kernel.inputs:]
    return None if not outputs else outputs[0] if len(outputs) == 1 else tuple(outputs)


cdef list in_any_shape(list declared):
    """The operands of a kernel of one loop over contiguous memory need not be vectors: all may be of one other shape."""
    if any([len(operand.where.strip("@./")) > 1 for operand in declared]):
        return declared
    return [operand._replace(where="*") if operand.where == "a" else operand for operand in declared]


cdef const Kernel *kernel_for(str who, str name, dict given) except NULL:
    """The kernel of that name for the dtype of its first array."""
    cdef const Kernel *kernel = NULL
    cdef bytes key = name.encode()
    kinds = [code for code in range(DTYPES) if kernels_find(key, code) is not NULL]
    if not kinds:
        raise KeyError(f"there is no kernel {name!r}")
    kernel = kernels_find(key, kinds[0])
    for leading in operands_of(kernel):
        if leading.code == kernel.dtype and leading.where != ".":
            break
    value = given.get(leading.name)
    if value is None:
        raise ValueError(f"{who}: {leading.name} is None, wanted an array")
    kind = np.asarray(value).dtype
    kernel = kernels_find(key, CODES.get(kind, DTYPES))
    if kernel is NULL:
        wanted = " or ".join(NUMPY_DTYPES[code].name for code in kinds if code in NUMPY_DTYPES)
        raise ValueError(f"{who}: {leading.name} is of {kind}, wanted {wanted}")
    return kernel


cdef object dtype_of(str who, object operand):
    if operand.code not in NUMPY_DTYPES:
        raise ValueError(f"{who}: {operand.name} would be of a dtype that NumPy has not")
    return NUMPY_DTYPES[operand.code]


cdef object input_array(str who, object operand, object value, bint in_place, dict sizes):
    """A value as an array that the kernel can read, and what its shape says of the sizes."""
    if value is None:
        raise ValueError(f"{who}: {operand.name} is None, wanted an array")
    kind = dtype_of(who, operand)
    if in_place:
        array = writable_array(who, operand.name, value)
    elif operand.where == "." or operand.code in (BOOL, I64):      # numbers, masks and positions may come as lists
        array = np.asarray(value)
        if array.size and not np.can_cast(array.dtype, kind, "same_kind"):
            raise ValueError(f"{who}: {operand.name} is of {array.dtype}, wanted {kind}")
        array = np.asarray(array, kind, order="C")
    else:
        array = np.asarray(value)
        if not lies_well(array, operand.where[0]):
            array = np.asarray(array, order="C")
    bind(who, operand, array, kind, sizes)
    return array


cdef object output_array(str who, object operand, object value, dict sizes):
    """The array to write to: a new one, or the caller's, which must fit as it is, for a copy would not reach him."""
    kind = dtype_of(who, operand)
    if value is None:
        shape = wanted_shape(operand, sizes)
        if any([isinstance(size, str) for size in shape]):
            raise ValueError(f"{who}: {operand.name} is None, wanted an array")
        return np.zeros(shape, kind)
    array = writable_array(who, operand.name, value)
    bind(who, operand, array, kind, sizes)
    return array


cdef object writable_array(str who, str name, object value):
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{who}: {name} is a {type(value).__name__}, wanted an array")
    if not value.flags.c_contiguous or not value.flags.writeable:
        raise ValueError(f"{who}: {name} must be contiguous and writeable")
    return value


cdef bint lies_well(object array, str where):
    """Whether it need not be copied: of a matrix with strides one is an element, of a table, and of what has a stride for each
    extent, the last.
    """
    along_rows = array.ndim > 1 and array.strides[array.ndim - 1] == array.itemsize
    if where == "@":
        return array.ndim == 2 and (along_rows or array.strides[0] == array.itemsize)
    return along_rows and (where == "/" or (where == "R" and array.ndim == 2))


cdef tuple wanted_shape(object operand, dict sizes):
    """The shape that an operand should have; letters stand for what is not known yet, and None for any shape at all."""
    if operand.where == "*":
        return sizes.get("*")
    return tuple([int(letter) if letter.isdigit() else sizes.get(letter, letter) for letter in operand.where.strip("@./")])


cdef int bind(str who, object operand, object array, object kind, dict sizes) except -1:
    """Refuses an array of another shape or dtype than the sizes call for, and takes over what they did not know."""
    shape = array.shape
    wanted = wanted_shape(operand, sizes)
    fits = array.dtype == kind
    if fits and wanted is not None:
        fits = len(wanted) == len(shape) and all([isinstance(size, str) or size == n for size, n in zip(wanted, shape)])
    if not fits:
        wanted = ("...",) if wanted is None else wanted
        raise ValueError(f"{who}: {operand.name} is {array.dtype}{list(shape)}, wanted {kind}[{', '.join(map(str, wanted))}]")
    if operand.where == "*":
        sizes["*"] = shape
    else:
        for size, letter in zip(shape, operand.where.strip("@./")):
            sizes[letter] = size
    return 0


cdef int refuse_shared(str who, const Kernel *kernel, list declared, list arrays) except -1:
    """What is written may be the very memory of an input of its shape, but may not overlap it otherwise."""
    cdef int i, j
    for i, written in enumerate(arrays):
        if written is None or (i < kernel.inputs and not kernel.in_place >> i & 1):
            continue
        for j, other in enumerate(arrays):
            if i == j or other is None or not np.may_share_memory(written, other):
                continue
            same = i >= kernel.inputs > j and written.ctypes.data == other.ctypes.data and declared[i][2:] == declared[j][2:]
            if not same or declared[i].where[0] in "@/":
                raise ValueError(f"{who}: {declared[i].name} shares memory with {declared[j].name}, wanted one apart")
    return 0


cdef int give_sizes(KernelArgs *a, list declared, dict sizes) except -1:
    letters = sorted([letter for letter in sizes if "a" <= letter <= "z"])
    if not letters:
        if "*" in sizes:                                # elementwise: contiguous, so one loop over all
            a.size[0] = 1
            for size in sizes["*"]:
                a.size[0] *= size
        return 0
    a.ndim = ord(letters[len(letters) - 1]) - ord("a") + 1
    for letter in letters:
        a.size[ord(letter) - ord("a")] = sizes[letter]
    if any([operand.where[0] == "@" for operand in declared]):
        a.size[a.ndim] = 1                              # a stack of one product
        a.ndim += 1
    return 0


cdef int give_array(KernelArgs *a, int i, object array, str where) except -1:
    cdef const unsigned char[::1] bytes_of
    cdef int d
    if array is None:
        return 0
    if array.size and array.flags.c_contiguous:
        bytes_of = array.reshape(-1).view(np.uint8)
        a.data[i] = <void *>&bytes_of[0]
    else:
        a.data[i] = <void *><size_t>array.ctypes.data
    if where == "*":
        a.stride[i][a.ndim - 1] = array.itemsize
        for d in range(a.ndim - 2, -1, -1):
            a.stride[i][d] = a.stride[i][d + 1] * a.size[d + 1]
    elif where[0] in "@R/":
        for d in range(array.ndim):
            a.stride[i][d] = array.strides[d]
    return 0


cdef int give_settings(str who, const Kernel *kernel, KernelArgs *a, dict given, dict sizes) except -1:
    reals, integers = settings_of(kernel)
    if "R" in sizes:
        given["rows"] = sizes["R"]
    for name in reals + integers:
        if name not in given:
            raise TypeError(f"{who}: the setting {name!r} is missing; it takes {', '.join(reals + integers)}")
    for i, name in enumerate(reals):
        a.scalar[i] = given.pop(name)
    for i, name in enumerate(integers):
        a.integer[i] = given.pop(name)
    if given:
        raise TypeError(f"{who}: there is no operand or setting {next(iter(given))!r}; it has "
                        f"{', '.join([operand.name for operand in operands_of(kernel)] + reals + integers)}")
    return 0


cdef int launch(const Kernel *kernel, KernelArgs *a) except -1:
    """Calls the kernel without the GIL."""
    cdef Event event = None
    cdef int short_of_memory
    if LISTENING & LISTENED:
        event = begin_kernel(kernel, a)
    with nogil:
        short_of_memory = kernel_run(kernel, a, kernel_cost(kernel, a))
    if event is not None:
        end_event(event)
    if short_of_memory:
        raise MemoryError(f"{kernel.name.decode()}: no memory to work in")
    return 0
