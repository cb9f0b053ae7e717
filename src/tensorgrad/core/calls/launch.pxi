# Calling kernels: every call is one KernelArgs and goes through launch().

cdef double CUT_FROM = 1500.0               # nanoseconds of work from which threads may gain
cdef double UNLOCK_FROM = 10000.0           # and from which the GIL is worth releasing


cdef int *LISTENING = listening_word()


cdef int launch(const Kernel *kernel, KernelArgs *a) except -1:
    """Runs a kernel: the one place where the core does."""
    cdef double cost = kernel_cost(kernel, a)
    cdef int64_t units
    if LISTENING[0]:
        return launch_heard(kernel, a, cost)
    if cost < CUT_FROM:
        units = a.size[0] if kernel.units is NULL else kernel.units(a)
        if kernel.finish is NULL or units == 1:
            kernel.run(a, 0, units)
            return 0
    return launch_large(kernel, a, cost)


cdef int launch_checked(const Kernel *kernel, KernelArgs *a) except -1:
    """The same for a kernel that needs memory of its own, however little there is to do: it is asked whether it got it."""
    cdef double cost = kernel_cost(kernel, a)
    return launch_heard(kernel, a, cost) if LISTENING[0] else launch_large(kernel, a, cost)


cdef int launch_large(const Kernel *kernel, KernelArgs *a, double cost) except -1:
    """Work that threads may share, or that has to be put together."""
    cdef int failed
    if cost < UNLOCK_FROM:
        failed = run_kernel(kernel, a, cost)
    else:
        begin_unlocked()
        with nogil:
            failed = run_kernel(kernel, a, cost)
        end_unlocked()
    if failed:
        raise MemoryError(f"{kernel.name.decode()}: no memory to work in")
    return 0


cdef int launch_heard(const Kernel *kernel, KernelArgs *a, double cost) except -1:
    cdef Event event
    global tg_written
    tg_written += 1
    if not LISTENING[0] & LISTENED:
        return launch_large(kernel, a, cost)
    event = begin_kernel(kernel, a)
    try:
        return launch_large(kernel, a, cost)
    finally:
        end_event(event)


cdef Operand operand(Tensor t):
    return new_operand(t.at, t.code, t.nd, shape_of(t), strides_of(t))


cdef tuple operands_in(object values, int depth=0):
    """The tensors and arrays among some values, and among those in lists of them, as operands of an event. A list may hold
    itself: nobody calls with tensors deeper than three lists.
    """
    cdef list found = []
    for each in values:
        if isinstance(each, Tensor):
            found.append(operand(<Tensor>each))
        elif isinstance(each, np.ndarray):
            found.append(operand_of_array(<cnp.ndarray>each))
        elif isinstance(each, (tuple, list)) and depth < 3:
            found.extend(operands_in(each, depth + 1))
    return tuple(found)


cdef Operand operand_of_array(cnp.ndarray array):
    return new_operand(cnp.PyArray_DATA(array), code_of_array(array), cnp.PyArray_NDIM(array),
                       <Py_ssize_t *>cnp.PyArray_DIMS(array), <Py_ssize_t *>cnp.PyArray_STRIDES(array))


cdef Event begin_write(str kind, str name, object inputs, object outputs):
    """The event of what writes into memory by other means than a kernel; None while nobody listens."""
    cdef Event event
    global tg_written
    tg_written += 1
    if not LISTENING[0] & LISTENED:
        return None
    read, written = operands_in(inputs), operands_in(outputs)
    event = begin_event(kind, name)
    event.inputs, event.outputs = read, written
    return event


cdef Event begin_heard(str kind, str name):
    """An event around others, to be ended by `end_write`; None while nobody listens."""
    return begin_event(kind, name) if LISTENING[0] & LISTENED else None


cdef inline int end_write(Event event) except -1:
    if event is not None:
        end_event(event)
    return 0


cdef list tensors_in(object values):
    """The tensors among some values, and among those in lists of them."""
    cdef list found = []
    for each in values:
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, (tuple, list)):
            found += [inner for inner in each if isinstance(inner, Tensor)]
    return found


cdef int describe(Event event, object given, object result, tuple words=()) except -1:
    """Tells an op's event the shapes of its tensors, and how many bytes they and its results are; the call too, where it is
    asked for.
    """
    cdef Tensor t
    if LISTENING[0] & RECORDED:
        event.call = tuple(given), words, result
    tensors = tensors_in(given)
    event.shapes = tuple([shape_tuple(<Tensor>each) for each in tensors])
    event.inputs, event.outputs = operands_in(given), operands_in((result,))
    for t in tensors + tensors_in((result,)):
        event.nbytes += t.count * ITEMSIZE[t.code]
    return 0


cdef inline void flat_args1(KernelArgs *a, Tensor x, Tensor out) noexcept:
    """One loop over two contiguous operands of one size."""
    a.ndim = 1
    a.size[0] = out.count
    a.data[0] = x.at
    a.stride[0][0] = ITEMSIZE[x.code]
    a.data[1] = out.at
    a.stride[1][0] = ITEMSIZE[out.code]


cdef inline void flat_args2(KernelArgs *a, Tensor x, Tensor y, Tensor out) noexcept:
    a.ndim = 1
    a.size[0] = out.count
    a.data[0] = x.at
    a.stride[0][0] = ITEMSIZE[x.code]
    a.data[1] = y.at
    a.stride[1][0] = ITEMSIZE[y.code]
    a.data[2] = out.at
    a.stride[2][0] = ITEMSIZE[out.code]


cdef bint map_args(KernelArgs *a, PyObject **operands, int count, Tensor out) noexcept:
    """Strided loops in the order in which ``out`` lies: operands broadcast to its shape, neighbouring dimensions merged where all
    agree.

    False when more than KERNEL_DIMS loops are left, or an operand does not broadcast: another thread may have given it, or
    ``out``, other memory since shapes were compared. The caller's other path refuses it.
    """
    cdef int order[MAX_DIMS]
    cdef int i, k, d, last = 0, shift
    cdef bint merge
    cdef Py_ssize_t extent, stride
    cdef Py_ssize_t *shape = shape_of(out)
    cdef Py_ssize_t step[KERNEL_OPERANDS]
    cdef Tensor t
    a.ndim = 0
    for i in range(count):
        if not fits_into(<Tensor>operands[i], out):
            return False
        a.data[i] = (<Tensor>operands[i]).at
    a.data[count] = out.at
    for i in range(out.nd):
        k = i
        if not out.contiguous:
            while k > 0 and size_of_step(out, order[k - 1]) < size_of_step(out, i):
                order[k] = order[k - 1]
                k -= 1
        order[k] = i
    for k in range(out.nd):
        d = order[k]
        extent = shape[d]
        if extent == 1:
            continue
        for i in range(count + 1):
            t = out if i == count else <Tensor>operands[i]
            shift = d - (out.nd - t.nd)
            step[i] = 0 if shift < 0 or (i < count and shape_of(t)[shift] == 1) else strides_of(t)[shift]
        merge = a.ndim > 0
        if merge:
            for i in range(count + 1):
                if a.stride[i][last] != step[i] * extent:
                    merge = False
                    break
        if not merge:
            if a.ndim == KERNEL_DIMS:
                return False
            last = a.ndim
            a.ndim += 1
            a.size[last] = extent
        else:
            a.size[last] *= extent
        for i in range(count + 1):
            a.stride[i][last] = step[i]
    if a.ndim == 0:
        a.ndim = 1
        a.size[0] = 1 if out.count else 0
        for i in range(count + 1):
            a.stride[i][0] = ITEMSIZE[out.code]
    return True


cdef const Kernel *COPY[DTYPES]
cdef const Kernel *FILL[DTYPES]
cdef const Kernel *ARANGE[DTYPES]
cdef const Kernel *CAST[DTYPES][DTYPES]


cdef void find_copies() noexcept:
    cdef int a
    cdef dtype target
    for a in range(DTYPES):
        COPY[a] = find(b"copy", a)
        FILL[a] = find(b"fill", a)
        ARANGE[a] = find(b"arange", a)
        for target in DTYPE_LIST:
            CAST[a][target.code] = find(f"cast_{target.short}".encode(), a)


find_copies()


cdef int copy_into(Tensor out, Tensor x) except -1:
    """Writes the values of ``x``, broadcast and converted, into ``out``; versions and graphs are the
    caller's.
    """
    cdef KernelArgs a
    cdef PyObject *operands[1]
    cdef const Kernel *fn = NULL
    if out.count == 0:
        return 0
    if out.block.frozen:
        refuse_frozen()
    if x.at == out.at and x.code == out.code and x.contiguous and out.contiguous and x.count == out.count:
        return 0
    if clash(out, x):                   # NumPy does not look out for every such case either
        x = clone_raw(x)
    if tg_kernels:
        fn = COPY[x.code] if x.code == out.code else CAST[x.code][out.code]
    operands[0] = <PyObject *>x
    begin(&a, 1)
    if not out.contiguous and overlaps_itself(out):     # of elements that share memory the last by index is kept
        return copy_in_order(out, x)
    if fn is not NULL and x.contiguous and out.contiguous and x.count == out.count:
        flat_args1(&a, x, out)
    elif fn is NULL or not map_args(&a, operands, 1, out):
        return copy_by_numpy(out, x)
    return launch(fn, &a)


cdef int copy_in_order(Tensor out, Tensor x) except -1:
    """Into elements that share memory."""
    cdef Event event = begin_write("body", "copy", (x,), (out,))
    try:
        target = array_of(out)
        target.flat = np.broadcast_to(array_of(cast_raw(x, out.code)), target.shape)
        return 0
    finally:
        end_write(event)


cdef int copy_by_numpy(Tensor out, Tensor x) except -1:
    """The same where there is no kernel; a body, for whoever listens."""
    rarely()
    cdef Event event = begin_write("body", "copy", (x,), (out,))
    try:
        with np.errstate(all="ignore"):
            source, target = array_of(x), array_of(out)
            if x.code != out.code and x.code == BF16:
                source = floats_of_brain(source.view(np.uint16))
            if x.code != out.code and out.code == BF16:
                source, target = brain_of_floats(source.astype(np.float32)), target.view(np.uint16)
            np.copyto(target, source, casting="unsafe")
        return 0
    finally:
        end_write(event)


cdef int copy_from_array(Tensor out, object source) except -1:
    """An array of the tensor's own elements."""
    cdef Event event = begin_write("body", "copy", (source,), (out,))
    try:
        np.copyto(array_of(out), source, casting="unsafe")
        return 0
    finally:
        end_write(event)


cdef int copy_memory(void *to, const void *source, Py_ssize_t count, int code) except -1:
    """Elements that lie one after the other in both places."""
    cdef KernelArgs a
    begin(&a, 1)
    a.size[0] = count
    a.data[0] = <void *>source
    a.data[1] = to
    a.stride[0][0] = a.stride[1][0] = ITEMSIZE[code]
    return launch(COPY[code], &a)


def _write_by(str name, Tensor t not None, write):
    """Calls ``write`` with an array over the tensor's memory, as an event: how Python writes what no kernel does. The version is
    the caller's.
    """
    cdef Event event = begin_write("body", name, (), (t,))
    try:
        write(array_of(t))
    finally:
        end_write(event)


cdef object floats_of_brain(bits):
    """bfloat16, as its bits, in float32; exact. As kernels/half.h does it."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


cdef object brain_of_floats(floats):
    """The bits of bfloat16 nearest to each float32, ties to even."""
    bits = np.asarray(floats, order="C").view(np.uint32)
    rounded = (bits + np.uint32(0x7fff) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(floats), (bits >> np.uint32(16)) | np.uint32(0x40), rounded).astype(np.uint16)


cdef Tensor clone_raw(Tensor x):
    """A contiguous copy with no graph."""
    cdef Tensor t = new_like(x, x.code)
    copy_into(t, x)
    return t


cdef inline Tensor contiguous_of(Tensor x):
    """``x`` itself when it is contiguous, else a copy with no graph."""
    if x.contiguous:
        return x
    return clone_raw(x)


cdef Tensor cast_raw(Tensor x, int code):
    """The values of ``x`` in another dtype, with no graph."""
    cdef Tensor t
    if x.code == code:
        return x
    t = new_like(x, code)
    copy_into(t, x)
    return t


cdef int fill_raw(Tensor t, double value) except -1:
    """Sets every element of a dense tensor."""
    cdef KernelArgs a
    begin(&a, 1)
    a.size[0] = t.count
    a.data[0] = t.at
    a.stride[0][0] = ITEMSIZE[t.code]
    a.scalar[0] = value
    return launch(FILL[t.code], &a)


def _count_up(Tensor t not None, start, step):
    """Writes ``start + i * step`` into a new vector; False where there is no kernel for it, which NumPy does then."""
    cdef KernelArgs a
    if not tg_kernels or ARANGE[t.code] is NULL or not t.contiguous or t.count == 0:
        return False
    begin(&a, 1)
    if IS_FLOAT[t.code]:
        a.scalar[0] = start
        a.scalar[1] = step
    else:
        a.integer[0] = start
        a.integer[1] = step
    a.size[0] = t.count
    a.data[0] = t.at
    a.stride[0][0] = ITEMSIZE[t.code]
    launch(ARANGE[t.code], &a)
    return True


cdef int broadcast_shape(Tensor x, Tensor y, Py_ssize_t *out, str who) except -1:
    """The shape that two operands broadcast to, written to ``out``; gives its length."""
    cdef int nd = x.nd if x.nd > y.nd else y.nd
    cdef int i
    cdef Py_ssize_t p, q
    cdef Py_ssize_t *xs = shape_of(x)
    cdef Py_ssize_t *ys = shape_of(y)
    for i in range(1, nd + 1):
        p = xs[x.nd - i] if i <= x.nd else 1
        q = ys[y.nd - i] if i <= y.nd else 1
        if p == q or q == 1:
            out[nd - i] = p
        elif p == 1:
            out[nd - i] = q
        else:
            raise RuntimeError(f"{who}: the size of tensor a ({p}) must match the size of tensor b ({q}) at non-singleton "
                               f"dimension {nd - i}; the shapes are {list(shape_tuple(x))} and {list(shape_tuple(y))}")
    return nd
