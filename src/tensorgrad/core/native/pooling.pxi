# Pools of float32 and float64. What is not plain here (lists of another length, windows that do not fit) is refused by the body.

cdef enum:
    WITH_INDICES = 4            # added to the number of dimensions: the form of an op that always gives indices too
    MOST_INPUTS = 1 << 30       # of a plane whose positions a kernel counts in 32 bits
    MOST_STRIDE = 1 << 25

ctypedef struct Window:         # as kernels/windows.h has it
    int64_t extent
    int64_t outputs
    int64_t kernel              # 0: parts of nearly one size
    int64_t stride
    int64_t padding
    int64_t dilation

ctypedef struct Windows:
    Window axis[3]                # the dimensions of a plane, which come last
    int64_t planes
    int64_t outputs             # of a plane
    int64_t inputs
    int64_t taps


cdef bint read_numbers(object value, int n, int64_t *numbers) except -1:
    """One number for each of ``n`` dimensions, or for all of them; False for anything else."""
    cdef int i
    if type(value) is int:
        if not -1 << 40 < value < 1 << 40:
            return False
        for i in range(n):
            numbers[i] = value
        return True
    if (type(value) is not tuple and type(value) is not list) or (len(value) != n and len(value) != 1):
        return False
    for i in range(n):
        each = value[i] if len(value) == n else value[0]
        if type(each) is not int or not -1 << 40 < each < 1 << 40:
            return False
        numbers[i] = each
    return True


cdef bint begin_windows(Windows *w, Tensor x, int n) noexcept:
    """The planes of a contiguous tensor of ``n`` dimensions behind channels, and perhaps a batch."""
    cdef int i
    if x.nd != n + 1 and x.nd != n + 2:
        return False
    w.inputs = 1
    for i in range(3):
        w.axis[i].extent = shape_of(x)[x.nd - 3 + i] if i >= 3 - n else 1
        w.axis[i].outputs = w.axis[i].kernel = w.axis[i].stride = w.axis[i].dilation = 1
        w.axis[i].padding = 0
        w.inputs *= w.axis[i].extent
    w.planes = x.count // w.inputs if w.inputs else 0
    return x.count > 0 and w.inputs < MOST_INPUTS


cdef void end_windows(Windows *w) noexcept:
    cdef int i
    w.outputs = w.taps = 1
    for i in range(3):
        w.outputs *= w.axis[i].outputs
        w.taps *= w.axis[i].kernel if w.axis[i].kernel else w.axis[i].extent // w.axis[i].outputs + 1


cdef bint read_windows(Windows *w, Op op, void **args, Py_ssize_t count, Tensor x, int n, bint dilates) except -1:
    """The windows that a call asks for, which are right; False where its body has to look at it."""
    cdef int64_t kernel[3]
    cdef int64_t stride[3]
    cdef int64_t padding[3]
    cdef int64_t dilation[3]
    cdef int64_t room, gap
    cdef int i
    cdef Window *axis
    cdef bint ceil
    step = given_or_default(op, args, count, 2)
    rounds = given_or_default(op, args, count, 4 + dilates)
    if count < 2 or type(rounds) is not bool or not read_numbers(<object><PyObject *>args[1], n, kernel) or not read_numbers(
            <object><PyObject *>args[1] if step is None else step, n, stride) or not read_numbers(
            given_or_default(op, args, count, 3), n, padding) or not read_numbers(
            given_or_default(op, args, count, 4) if dilates else 1, n, dilation) or not begin_windows(w, x, n):
        return False
    ceil = rounds
    for i in range(n):
        axis = &w.axis[3 - n + i]
        if kernel[i] < 1 or not 0 < stride[i] < MOST_STRIDE or dilation[i] < 1:
            return False
        gap = dilation[i] * (kernel[i] - 1) + 1
        if padding[i] < 0 or padding[i] > gap // 2:
            return False
        room = axis.extent + 2 * padding[i] - gap
        if room < 0 and not (ceil and room + stride[i] > 0):
            return False
        axis.outputs = (room + (stride[i] - 1 if ceil else 0)) // stride[i] + 1
        if ceil and (axis.outputs - 1) * stride[i] >= axis.extent + padding[i]:
            axis.outputs -= 1
        if axis.outputs < 1 or (dilation[i] > axis.extent and padding[i]):      # a window may have nothing in it
            return False
        axis.kernel, axis.stride, axis.padding, axis.dilation = kernel[i], stride[i], padding[i], dilation[i]
    end_windows(w)
    return True


cdef bint read_even(Windows *w, object sizes, Tensor x, int n) except -1:
    """The windows that part each dimension evenly, as ``output_size`` says."""
    cdef int64_t parts
    cdef int i
    cdef Window *axis
    if type(sizes) is int:
        sizes = (sizes,) * n
    if (type(sizes) is not tuple and type(sizes) is not list) or len(sizes) != n or not begin_windows(w, x, n):
        return False
    for i in range(n):
        axis = &w.axis[3 - n + i]
        parts = axis.extent
        if sizes[i] is not None and not read_numbers(sizes[i], 1, &parts):
            return False
        if parts < 1:
            return False
        axis.outputs = parts
        if axis.extent % parts:
            axis.kernel = 0
        else:
            axis.kernel = axis.stride = axis.extent // parts
    end_windows(w)
    return True


cdef void window_args(KernelArgs *a, Windows *w) noexcept:
    begin(a, 3)
    a.size[0] = w.planes
    a.size[1] = w.outputs
    a.size[2] = w.taps
    a.size[3] = w.inputs


cdef Tensor new_planes(Tensor x, Windows *w, int n, int code):
    """Room for the outputs of the planes of ``x``."""
    cdef Py_ssize_t shape[5]
    cdef int i
    for i in range(x.nd - n):
        shape[i] = shape_of(x)[i]
    for i in range(n):
        shape[x.nd - n + i] = w.axis[3 - n + i].outputs
    return new_tensor(x.nd, shape, code)


# ---------------------------------------------------------------------------- the largest

cdef object largest(Tensor x, Tensor data, Windows *w, int n, bint with_indices):
    cdef Tensor out = new_planes(data, w, n, data.code), indices = new_planes(data, w, n, I64)
    cdef KernelArgs a
    cdef Node node
    window_args(&a, w)
    a.data[0] = data.at
    a.data[1] = &w.axis
    a.data[2] = out.at
    a.data[3] = indices.at
    launch(OP_MAX_POOL.kernels[data.code], &a)
    if tg_grad and needs_grad(x):
        node = record_one(OP_MAX_POOL, out, x, 0)
        keep1(node, indices)
        node.settings = [None, None, n, shape_tuple(data)]
    return (out, indices) if with_indices else out


cdef object hot_max_pool(Op op, void **args, Py_ssize_t count):
    """``max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)`` and its like."""
    cdef Windows w
    cdef Tensor x, data
    cdef int n = op.form & 3
    if count < 2 or count > 7 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    both = given_or_default(op, args, count, 6)
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or OP_MAX_POOL.kernels[x.code] is NULL or type(both) is not bool:
        return DECLINED
    data = contiguous_of(x)
    if not read_windows(&w, op, args, count, data, n, True):
        return DECLINED
    return largest(x, data, &w, n, op.form & WITH_INDICES or both)


cdef object hot_even_max(Op op, void **args, Py_ssize_t count):
    """``adaptive_max_pool2d(input, output_size, return_indices)`` and its like."""
    cdef Windows w
    cdef Tensor x, data
    cdef int n = op.form & 3
    if count < 2 or count > 3 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    both = given_or_default(op, args, count, 2)
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or OP_MAX_POOL.kernels[x.code] is NULL or type(both) is not bool:
        return DECLINED
    data = contiguous_of(x)
    if not read_even(&w, <object><PyObject *>args[1], data, n):
        return DECLINED
    return largest(x, data, &w, n, op.form & WITH_INDICES or both)


cdef int max_pool_vjp(Node node, Tensor g) except -1:
    """Each value to the place that it came from."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor out, indices = <Tensor>node.s1
    cdef KernelArgs a
    cdef int64_t wrong = 0, inputs = 1, outputs = 1
    cdef int i, n = node.settings[2], nd = read_dims(node.settings[3], shape, node.op.__name__)
    cdef const Kernel *fn = node.op.backward_kernels[g.code]
    if fn is NULL or indices.code != I64 or not indices.contiguous or g.count == 0 or not same_shape(indices, g) or nd != g.nd:
        return formula_vjp(node, g)
    g = contiguous_of(g)
    for i in range(nd - n, nd):
        inputs *= shape[i]
        outputs *= shape_of(g)[i]
    out = new_tensor(nd, shape, g.code)
    begin(&a, 2)
    a.size[0] = g.count // outputs
    a.size[1] = outputs
    a.size[3] = inputs
    if a.size[0] * inputs != out.count or indices.count != g.count:
        return formula_vjp(node, g)
    a.data[0] = g.at
    a.data[1] = indices.at
    a.data[2] = out.at
    a.data[3] = &wrong
    launch(fn, &a)
    if wrong:
        raise IndexError(f"{node.op.__name__}: an index is not in its plane of {inputs} elements any more")
    return accumulate_new(node, 0, out)


# ---------------------------------------------------------------------------- means

cdef bint is_whole_plane(Windows *w) noexcept:
    """Whether there is one window, and it is the plane."""
    cdef int i
    for i in range(3):
        if w.axis[i].kernel != w.axis[i].extent or w.axis[i].padding:
            return False
    return True


cdef object averaged(Tensor x, Tensor data, Windows *w, int n, bint include_pad, long long divisor):
    cdef Tensor out = new_planes(data, w, n, data.code)
    cdef KernelArgs a
    cdef Node node
    if divisor == 0 and is_whole_plane(w):
        begin(&a, 3)
        a.data[0] = data.at
        a.size[0], a.size[1], a.size[2] = w.planes, w.inputs, 1
        a.stride[0][0] = w.inputs * ITEMSIZE[data.code]
        a.stride[0][1] = a.stride[0][2] = a.stride[1][0] = a.stride[1][2] = ITEMSIZE[data.code]
        a.stride[1][1] = 0
        a.data[1] = out.at
        launch(OP_MEAN.kernels[data.code], &a)
    else:
        window_args(&a, w)
        a.data[0] = data.at
        a.data[1] = &w.axis
        a.data[2] = out.at
        a.integer[0] = include_pad
        a.integer[1] = divisor
        launch(OP_AVG_POOL.kernels[data.code], &a)
    if tg_grad and needs_grad(x):
        node = record_one(OP_AVG_POOL, out, x, 0)
        packed = PyBytes_FromStringAndSize(<char *>&w.axis[3 - n], n * sizeof(Window))
        node.settings = [None, packed, include_pad, divisor, shape_tuple(data)]
    return out


cdef object hot_avg_pool(Op op, void **args, Py_ssize_t count):
    """``avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)`` and its like."""
    cdef Windows w
    cdef Tensor x, data
    cdef int64_t divisor = 0
    if count < 2 or count > len(op.params) or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    counts = given_or_default(op, args, count, 5)
    override = given_or_default(op, args, count, 6) if len(op.params) > 6 else None
    if not tg_kernels or OP_AVG_POOL.kernels[x.code] is NULL or type(counts) is not bool:
        return DECLINED
    if override is not None and (type(override) is not int or not read_numbers(override, 1, &divisor) or divisor == 0):
        return DECLINED
    data = contiguous_of(x)
    if not read_windows(&w, op, args, count, data, op.form, False):
        return DECLINED
    return averaged(x, data, &w, op.form, counts, divisor)


cdef object hot_even_avg(Op op, void **args, Py_ssize_t count):
    """``adaptive_avg_pool2d(input, output_size)`` and its like."""
    cdef Windows w
    cdef Tensor x, data
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or OP_AVG_POOL.kernels[x.code] is NULL:
        return DECLINED
    data = contiguous_of(x)
    if not read_even(&w, <object><PyObject *>args[1], data, op.form):
        return DECLINED
    return averaged(x, data, &w, op.form, False, 0)


cdef int avg_pool_vjp(Node node, Tensor g) except -1:
    """Each value's share to all of its window."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Windows w
    cdef Tensor out
    cdef KernelArgs a
    cdef bytes packed = node.settings[1]
    cdef int i, n = <int>(len(packed) // <Py_ssize_t>sizeof(Window)), nd = read_dims(node.settings[4], shape, node.op.__name__)
    cdef const Kernel *fn = node.op.backward_kernels[g.code]
    if fn is NULL or g.count == 0 or nd != g.nd:
        return formula_vjp(node, g)
    g = contiguous_of(g)
    out = new_tensor(nd, shape, g.code)
    if (nd != n + 1 and nd != n + 2) or not begin_windows(&w, out, n):
        return formula_vjp(node, g)
    memcpy(&w.axis[3 - n], <const char *>packed, n * sizeof(Window))
    end_windows(&w)
    for i in range(n):
        if w.axis[3 - n + i].extent != shape[nd - n + i] or w.axis[3 - n + i].outputs != shape_of(g)[nd - n + i]:
            return formula_vjp(node, g)
    if w.planes * w.outputs != g.count:
        return formula_vjp(node, g)
    window_args(&a, &w)
    a.data[0] = g.at
    a.data[1] = &w.axis
    a.data[2] = out.at
    a.integer[0] = node.settings[2]
    a.integer[1] = node.settings[3]
    launch(fn, &a)
    return accumulate_new(node, 0, out)


native("_max_pool", NULL, max_pool_vjp, 0)
native("_avg_pool", NULL, avg_pool_vjp, 0)


cdef int declare_pools() except -1:
    cdef int n
    for n in range(1, 4):
        native(f"max_pool{n}d", hot_max_pool, NULL, n)
        native(f"max_pool{n}d_with_indices", hot_max_pool, NULL, n + WITH_INDICES)
        native(f"adaptive_max_pool{n}d", hot_even_max, NULL, n)
        native(f"adaptive_max_pool{n}d_with_indices", hot_even_max, NULL, n + WITH_INDICES)
        native(f"avg_pool{n}d", hot_avg_pool, NULL, n)
        native(f"adaptive_avg_pool{n}d", hot_even_avg, NULL, n)
    return 0


declare_pools()
