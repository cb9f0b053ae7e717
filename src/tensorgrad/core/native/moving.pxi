# Copies of elements in other places: flips, rolls, repeats, constant pads, triangles; most by `copy` and `fill` with strides.

cdef object hot_flip(Op op, void **args, Py_ssize_t count):
    """``flip(input, *dims)``."""
    cdef Py_ssize_t dims[MAX_DIMS]
    cdef uint8_t mask[MAX_DIMS]
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out
    cdef int i, d, n
    if x is None or not tg_kernels or x.nd == 0 or x.count == 0:
        return DECLINED
    wanted = rest_of(args, count)
    for each in wanted:
        if type(each) is not int:
            return DECLINED
    n = read_dims(wanted, dims, op.__name__)
    memset(mask, 0, MAX_DIMS)
    for i in range(n):
        d = wrap_dim(wanted[i], x.nd)
        if mask[d]:
            return DECLINED
        mask[d] = 1
    out = new_like(x, x.code)
    copy_into(out, flipped(x, mask))
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(op, [x, wanted], [x], out, None)
    return out


cdef Tensor flipped(Tensor x, const uint8_t *mask):
    """A view that runs backwards along some dimensions, as no tensor of a user's does."""
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef char *at = x.at
    cdef int d
    for d in range(x.nd):
        strides[d] = strides_of(x)[d]
        if mask[d]:
            at += strides[d] * (shape_of(x)[d] - 1)
            strides[d] = -strides[d]
    return view_of(x, x.nd, shape_of(x), strides, at)


cdef object hot_roll(Op op, void **args, Py_ssize_t count):
    """``roll(input, shifts, dims)`` along one dimension, or of all elements as one line."""
    cdef Py_ssize_t extent, shift, step
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out, line, to
    cdef int dim = 0
    cdef bint flat
    if x is None or not tg_kernels or count < 2 or count > 3 or x.nd == 0 or x.count == 0:
        return DECLINED
    moved = only(<object><PyObject *>args[1])
    wanted = given_or_default(op, args, count, 2)
    flat = wanted is None or (type(wanted) is tuple and len(<tuple>wanted) == 0)
    wanted = 0 if flat else only(wanted)
    if type(moved) is not int or type(wanted) is not int or not -(1 << 62) < moved < 1 << 62 or (flat and not op.form):
        return DECLINED
    if flat and tg_grad and needs_grad(x):
        return DECLINED                 # recorded as that of a vector
    x = contiguous_of(x) if flat else x
    out = new_like(x, x.code)
    line, to = x, out
    if flat:
        extent, step = x.count, ITEMSIZE[x.code]
        line = view_of(x, 1, &extent, &step, x.at)
        to = view_of(out, 1, &extent, &step, out.at)
    else:
        dim = wrap_dim(wanted, x.nd)
        extent = shape_of(x)[dim]
    shift = moved % extent
    shift += extent if shift < 0 else 0
    copy_into(slice_raw(to, dim, shift, extent - shift, 1), slice_raw(line, dim, 0, extent - shift, 1))
    if shift:
        copy_into(slice_raw(to, dim, 0, shift, 1), slice_raw(line, dim, extent - shift, shift, 1))
    given = <Tensor><PyObject *>args[0]
    if not flat and tg_grad and IS_FLOAT[x.code] and needs_grad(<Tensor>given):
        record(<Op>CORE_OPS["_roll"], [given, (moved,), (dim,)], [given], out, None)
    return out


cdef inline object only(object value):
    """The one of a sequence of one."""
    return value[0] if (type(value) is tuple or type(value) is list) and len(value) == 1 else value


cdef object hot_repeat(Op op, void **args, Py_ssize_t count):
    """``repeat(input, *repeats)``."""
    cdef Py_ssize_t times_of[MAX_DIMS]
    cdef Py_ssize_t whole[MAX_DIMS]
    cdef Py_ssize_t shape[2 * MAX_DIMS]
    cdef Py_ssize_t from_steps[2 * MAX_DIMS]
    cdef Py_ssize_t to_steps[2 * MAX_DIMS]
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out
    cdef int d, own, n
    if x is None or not tg_kernels or x.count == 0:
        return DECLINED
    repeats = rest_of(args, count)
    for each in repeats:
        if type(each) is not int or each < 1:
            return DECLINED
    n = read_dims(repeats, times_of, op.__name__)
    memset(whole, 0, MAX_DIMS * sizeof(Py_ssize_t))
    if n < x.nd or 2 * n > MAX_DIMS:
        return DECLINED
    for d in range(n):
        own = d - (n - x.nd)
        whole[d] = times(times_of[d], 1 if own < 0 else shape_of(x)[own])
    out = new_tensor(n, whole, x.code)
    for d in range(n):
        own = d - (n - x.nd)
        shape[2 * d] = times_of[d]
        shape[2 * d + 1] = 1 if own < 0 else shape_of(x)[own]
        from_steps[2 * d] = 0
        from_steps[2 * d + 1] = 0 if own < 0 else strides_of(x)[own]
        to_steps[2 * d] = shape[2 * d + 1] * strides_of(out)[d]
        to_steps[2 * d + 1] = strides_of(out)[d]
    copy_into(view_of(out, 2 * n, shape, to_steps, out.at), view_of(x, 2 * n, shape, from_steps, x.at))
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(op, [x, repeats], [x], out, None)
    return out


cdef int fill_view(Tensor t, double value) except -1:
    """Sets every element of a view of few loops."""
    cdef KernelArgs a
    begin(&a, 1)
    if t.count == 0:
        return 0
    if not map_args(&a, NULL, 0, t):
        raise RuntimeError("a view of too many loops")
    a.scalar[0] = value
    return launch(FILL[t.code], &a)


cdef enum:                      # the forms of a constant pad
    PADS = 0                    # _pad_constant and constant_pad_nd
    PADS_BY_MODE = 1            # pad


cdef object hot_pad(Op op, void **args, Py_ssize_t count):
    """``pad(input, pad, mode, value)`` and ``constant_pad_nd(input, pad, value)`` of at most six dimensions."""
    cdef Py_ssize_t sides[2 * MAX_DIMS]
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out, to
    cdef Py_ssize_t low, high
    cdef int d, i, n
    cdef bint any_side = False
    if x is None or not tg_kernels or count < 2 or x.nd > KERNEL_DIMS or x.count == 0:
        return DECLINED
    given = <object><PyObject *>args[1]
    if type(given) is not tuple and type(given) is not list:
        return DECLINED
    given = tuple(given)
    value = given_or_default(op, args, count, 2 + (op.form == PADS_BY_MODE))
    if op.form == PADS_BY_MODE:
        if given_or_default(op, args, count, 2) != "constant":
            return DECLINED
        value = 0 if value is None else value
    if (type(value) is not int and type(value) is not float) or len(given) % 2 or len(given) > 2 * x.nd:
        return DECLINED
    if not IS_FLOAT[x.code] and not (type(value) is int and 0 <= value < 2):
        return DECLINED
    if type(value) is int and not -EXACT < value < EXACT:
        return DECLINED
    value = fitting(value, x.code, True)
    n = <int>len(given)
    for i in range(n):
        if type(given[i]) is not int or not -(1 << 40) < given[i] < 1 << 40:
            return DECLINED
        sides[i] = given[i]
        any_side = any_side or sides[i] != 0
    if not any_side and op.__name__ != "_pad_constant":
        return DECLINED
    for d in range(x.nd):
        i = 2 * (x.nd - 1 - d)
        shape[d] = shape_of(x)[d] + (sides[i] + sides[i + 1] if i < n else 0)
        if shape[d] <= 0 or (i < n and (-sides[i] >= shape_of(x)[d] or -sides[i + 1] >= shape_of(x)[d])):
            return DECLINED
    out = new_tensor(x.nd, shape, x.code)
    to, inner = out, x
    for d in range(x.nd):
        i = 2 * (x.nd - 1 - d)
        low = sides[i] if i < n else 0
        high = sides[i + 1] if i < n else 0
        if low > 0:
            fill_view(slice_raw(to, d, 0, low, 1), value)
        if high > 0:
            fill_view(slice_raw(to, d, shape[d] - high, high, 1), value)
        to = slice_raw(to, d, max(low, 0), shape[d] - max(low, 0) - max(high, 0), 1)
        inner = slice_raw(<Tensor>inner, d, max(-low, 0), shape_of(<Tensor>inner)[d] - max(-low, 0) - max(-high, 0), 1)
    copy_into(to, <Tensor>inner)
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(<Op>CORE_OPS["_pad_constant"], [x, given, value], [x], out, None)
    return out


cdef object hot_triangle(Op op, void **args, Py_ssize_t count):
    """``tril`` and ``triu``."""
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor whole, out
    cdef const Kernel *kernel
    cdef KernelArgs a
    diagonal = given_or_default(op, args, count, 1)
    if x is None or not tg_kernels or x.nd < 2 or x.count == 0 or count > 2 or type(diagonal) is not int or (
            not -EXACT < diagonal < EXACT):
        return DECLINED
    whole = contiguous_of(x)
    if whole.nd < 2 or whole.count == 0:
        return DECLINED
    out = new_like(whole, whole.code)
    kernel = find(b"triangle", whole.code)
    line_args(&a, whole, whole.nd - 2)
    a.integer[0] = diagonal
    a.integer[1] = op.form
    a.data[0] = whole.at
    a.data[1] = out.at
    launch(kernel, &a)
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(op, [x, diagonal], [x], out, None)
    return out


cdef bint read_patches(void **args, int first, int64_t settings[4][2]) except -1:
    """Kernel, dilation, padding and stride, a pair each; False where they are no pairs of numbers."""
    cdef int i, k
    for i in range(4):
        pair = <object><PyObject *>args[first + i]
        if type(pair) is not tuple or len(<tuple>pair) != 2:
            return False
        for k in range(2):
            each = (<tuple>pair)[k]
            if type(each) is not int or not 0 <= each < 1 << 30:
                return False
            settings[i][k] = each
    return settings[0][0] > 0 and settings[0][1] > 0 and settings[3][0] > 0 and settings[3][1] > 0


cdef Tensor taps_of(Tensor full, int64_t settings[4][2], Py_ssize_t *shape):
    """A view of padded images: what each tap of a kernel meets, {batch, channels, kernel, places}."""
    cdef Py_ssize_t steps[6]
    cdef int k
    for k in range(2):
        shape[k] = shape_of(full)[k]
        steps[k] = strides_of(full)[k]
        shape[2 + k] = settings[0][k]
        steps[2 + k] = strides_of(full)[2 + k] * settings[1][k]
        shape[4 + k] = (shape_of(full)[2 + k] - settings[1][k] * (settings[0][k] - 1) - 1) // settings[3][k] + 1
        steps[4 + k] = strides_of(full)[2 + k] * settings[3][k]
        if shape[4 + k] < 1 or settings[1][k] * (settings[0][k] - 1) >= shape_of(full)[2 + k]:
            return None
    return view_of(full, 6, shape, steps, full.at)


cdef Tensor inside_of(Tensor full, int64_t settings[4][2], Py_ssize_t height, Py_ssize_t width):
    """Padded images without their padding."""
    return slice_raw(slice_raw(full, 2, settings[2][0], height, 1), 3, settings[2][1], width, 1)


cdef Tensor around(Tensor x, Py_ssize_t height, Py_ssize_t width, int64_t settings[4][2], bint zero):
    """Room for images and their padding, of the batch and dtype of ``x``; zeros, where there is padding or ``zero``."""
    cdef Py_ssize_t shape[4]
    cdef Tensor full
    shape[0], shape[1] = shape_of(x)[0], shape_of(x)[1]
    shape[2], shape[3] = height + 2 * settings[2][0], width + 2 * settings[2][1]
    full = new_tensor(4, shape, x.code)
    if zero or settings[2][0] or settings[2][1]:
        fill_raw(full, 0.0)
    return full


cdef object hot_im2col(Op op, void **args, Py_ssize_t count):
    """``_im2col(input, kernel, dilation, padding, stride)``."""
    cdef int64_t settings[4][2]
    cdef Py_ssize_t shape[6]
    cdef Py_ssize_t whole[3]
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor full, taps, out
    if x is None or not tg_kernels or count != 5 or x.nd != 4 or x.count == 0 or not read_patches(args, 1, settings):
        return DECLINED
    full = around(x, shape_of(x)[2], shape_of(x)[3], settings, False)
    copy_into(inside_of(full, settings, shape_of(x)[2], shape_of(x)[3]), x)
    taps = taps_of(full, settings, shape)
    if taps is None:
        return DECLINED
    whole[0], whole[1], whole[2] = shape[0], shape[1] * shape[2] * shape[3], shape[4] * shape[5]
    out = new_tensor(3, whole, x.code)
    copy_into(contiguous_view(out, 6, shape), taps)
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(op, [x, *[<object><PyObject *>args[i] for i in range(1, 5)]], [x], out, None)
    return out


cdef Tensor contiguous_view(Tensor x, int nd, Py_ssize_t *shape):
    """Contiguous memory as another shape."""
    cdef Py_ssize_t steps[MAX_DIMS]
    cdef Py_ssize_t step = ITEMSIZE[x.code]
    cdef int d
    for d in range(nd - 1, -1, -1):
        steps[d] = step
        step *= shape[d]
    return view_of(x, nd, shape, steps, x.at)


cdef object hot_col2im(Op op, void **args, Py_ssize_t count):
    """``_col2im(input, size, kernel, dilation, padding, stride)``: tap by tap, each added where it lies."""
    cdef int64_t settings[4][2]
    cdef Py_ssize_t shape[6]
    cdef Py_ssize_t lead[2]
    cdef KernelArgs a
    cdef PyObject *operands[2]
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor columns, full, taps, under, part, given, batch
    cdef Py_ssize_t height, width, i, j
    if x is None or not tg_kernels or count != 6 or x.nd != 3 or x.count == 0 or OP_ADD.kernels[x.code] is NULL or not (
            read_patches(args, 2, settings)):
        return DECLINED
    size = <object><PyObject *>args[1]
    if (type(size) is not tuple and type(size) is not Size) or len(size) != 2 or type(size[0]) is not int or (
            type(size[1]) is not int) or not (0 < size[0] < 1 << 30 and 0 < size[1] < 1 << 30):
        return DECLINED
    height, width = size[0], size[1]
    columns = contiguous_of(x)
    lead[0], lead[1] = shape_of(columns)[0], shape_of(columns)[1] // (settings[0][0] * settings[0][1])
    batch = view_of(columns, 2, lead, strides_of(columns), columns.at)
    full = around(batch, height, width, settings, True)
    taps = taps_of(full, settings, shape)
    if taps is None or shape[1] * shape[2] * shape[3] != shape_of(columns)[1] or shape[4] * shape[5] != shape_of(columns)[2]:
        return DECLINED
    given = contiguous_view(columns, 6, shape)
    for i in range(shape[2]):
        for j in range(shape[3]):
            under = slice_raw(slice_raw(taps, 2, i, 1, 1), 3, j, 1, 1)
            part = slice_raw(slice_raw(given, 2, i, 1, 1), 3, j, 1, 1)
            operands[0] = <PyObject *>under
            operands[1] = <PyObject *>part
            begin(&a, 1)
            if not map_args(&a, operands, 2, under):
                return DECLINED
            launch(OP_ADD.kernels[x.code], &a)
    if settings[2][0] or settings[2][1]:
        full = clone_raw(inside_of(full, settings, height, width))
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(op, [x, *[<object><PyObject *>args[i] for i in range(1, 6)]], [x], full, None)
    return full


native("flip", hot_flip, NULL, 0)
native("_roll", hot_roll, NULL, 0)
native("roll", hot_roll, NULL, 1)
native("repeat", hot_repeat, NULL, 0)
native("_pad_constant", hot_pad, NULL, PADS)
native("constant_pad_nd", hot_pad, NULL, PADS)
native("pad", hot_pad, NULL, PADS_BY_MODE)
native("tril", hot_triangle, NULL, 0)
native("triu", hot_triangle, NULL, 1)
native("_im2col", hot_im2col, NULL, 0)
native("_col2im", hot_col2im, NULL, 0)
