# Convolutions: the three sums of products of ops/layers/convolution.py, by their kernels.

cdef enum:
    MOST_DIMENSIONS = 3
    FARTHEST = 1 << 30          # sizes and settings past it are left to Python's own integers


cdef bint is_listed(object values, int rank) except -1:
    """Whether a setting is a tuple with an int for each dimension."""
    if type(values) is not tuple or len(<tuple>values) != rank:
        return False
    for each in <tuple>values:
        if type(each) is not int:
            return False
    return True


cdef bint lay_out(Window *dims, int rank, const Py_ssize_t *size, const Py_ssize_t *kernel, object stride, object padding,
                  object dilation) except -1:
    """The geometry, in front dimensions of one pixel where there are less than three; False where it is none."""
    cdef Window *d
    cdef int i, setting
    if not 1 <= rank <= MOST_DIMENSIONS or not is_listed(stride, rank) or not is_listed(padding, rank) or (
            not is_listed(dilation, rank)):
        return False
    for i in range(MOST_DIMENSIONS):
        d = &dims[i]
        d.extent = d.kernel = d.stride = d.dilation = d.outputs = 1
        d.padding = 0
        if i < MOST_DIMENSIONS - rank:
            continue
        setting = i - (MOST_DIMENSIONS - rank)
        if not (0 <= padding[setting] < FARTHEST and 0 < stride[setting] < FARTHEST and 0 < dilation[setting] < FARTHEST):
            return False
        d.extent, d.kernel = size[setting], kernel[setting]
        d.stride, d.padding, d.dilation = stride[setting], padding[setting], dilation[setting]
        if not (0 < d.extent < FARTHEST and 0 < d.kernel < FARTHEST) or d.dilation * (d.kernel - 1) >= d.extent + 2 * d.padding:
            return False
        d.outputs = (d.extent + 2 * d.padding - d.dilation * (d.kernel - 1) - 1) // d.stride + 1
    return True


cdef inline void convolution_args(KernelArgs *a, const Window *dims, int64_t images, int64_t channels, int64_t filters,
                                  int64_t groups) noexcept:
    begin(a, 4)
    a.size[0] = filters
    a.size[1] = channels // groups * dims[0].kernel * dims[1].kernel * dims[2].kernel
    a.size[2] = images
    a.size[3] = dims[0].outputs * dims[1].outputs * dims[2].outputs
    a.size[4] = channels * dims[0].extent * dims[1].extent * dims[2].extent
    a.size[5] = channels


cdef inline bint fits_groups(int64_t channels, int64_t filters, Tensor weight, object groups) except -1:
    """Whether a weight is one of that many channels and filters."""
    cdef int64_t count
    if type(groups) is not int or not 0 < groups <= channels or not weight.contiguous or weight.count == 0:
        return False
    count = groups
    return shape_of(weight)[0] == filters and filters % count == 0 and shape_of(weight)[1] * count == channels


cdef inline bint is_bias(Tensor bias, int code, int64_t count) noexcept:
    return bias is None or (bias.code == code and bias.nd == 1 and bias.count == count and bias.contiguous)


cdef Tensor convolved(Tensor x, Tensor w, Tensor b, object stride, object padding, object dilation, object groups):
    """The result off the tape, of contiguous operands; None where there is no kernel for it."""
    cdef Window dims[MOST_DIMENSIONS]
    cdef Py_ssize_t shape[2 + MOST_DIMENSIONS]
    cdef KernelArgs a
    cdef Tensor out
    cdef int i, rank = x.nd - 2
    if not tg_kernels or OP_CONVOLUTION.kernels[x.code] is NULL or w.code != x.code or w.nd != x.nd or rank < 1 or (
            not x.contiguous or not fits_groups(shape_of(x)[1], shape_of(w)[0], w, groups)) or not is_bias(
            b, x.code, shape_of(w)[0]) or not lay_out(dims, rank, shape_of(x) + 2, shape_of(w) + 2, stride, padding, dilation):
        return None
    convolution_args(&a, dims, shape_of(x)[0], shape_of(x)[1], shape_of(w)[0], groups)
    shape[0], shape[1] = shape_of(x)[0], shape_of(w)[0]
    for i in range(rank):
        shape[2 + i] = dims[MOST_DIMENSIONS - rank + i].outputs
    out = new_tensor(x.nd, shape, x.code)
    a.data[0] = x.at
    a.data[1] = w.at
    a.data[2] = NULL if b is None else b.at
    a.data[3] = dims
    a.data[4] = out.at
    launch_checked(OP_CONVOLUTION.kernels[x.code], &a)
    return out


cdef Tensor convolved_back(Tensor g, Tensor w, Tensor b, object size, object stride, object padding, object dilation,
                           object groups):
    """What the input gets back, or what a transposed convolution gives."""
    cdef Window dims[MOST_DIMENSIONS]
    cdef Py_ssize_t shape[2 + MOST_DIMENSIONS]
    cdef KernelArgs a
    cdef Tensor out
    cdef int i, rank = g.nd - 2
    if not tg_kernels or OP_CONVOLUTION_INPUT.kernels[g.code] is NULL or w.code != g.code or w.nd != g.nd or not (
            1 <= rank <= MOST_DIMENSIONS) or not g.contiguous or type(groups) is not int or not 0 < groups < FARTHEST:
        return None
    if not isinstance(size, tuple) or len(size) != rank:
        return None
    for i in range(rank):
        if type(size[i]) is not int or not 0 < size[i] < FARTHEST:
            return None
        shape[2 + i] = size[i]
    shape[0], shape[1] = shape_of(g)[0], shape_of(w)[1] * <int64_t>groups
    if not fits_groups(shape[1], shape_of(g)[1], w, groups) or not is_bias(b, g.code, shape[1]) or not (
            lay_out(dims, rank, shape + 2, shape_of(w) + 2, stride, padding, dilation)):
        return None
    for i in range(rank):
        if dims[MOST_DIMENSIONS - rank + i].outputs != shape_of(g)[2 + i]:
            return None
    convolution_args(&a, dims, shape[0], shape[1], shape_of(w)[0], groups)
    out = new_tensor(g.nd, shape, g.code)
    a.data[0] = g.at
    a.data[1] = w.at
    a.data[2] = NULL if b is None else b.at
    a.data[3] = dims
    a.data[4] = out.at
    launch_checked(OP_CONVOLUTION_INPUT.kernels[g.code], &a)
    return out


cdef Tensor convolved_weight(Tensor g, Tensor x, object kernel, object stride, object padding, object dilation, object groups):
    """What the weight gets back."""
    cdef Window dims[MOST_DIMENSIONS]
    cdef Py_ssize_t shape[2 + MOST_DIMENSIONS]
    cdef KernelArgs a
    cdef Tensor out
    cdef int i, rank = x.nd - 2
    if not tg_kernels or OP_CONVOLUTION_WEIGHT.kernels[x.code] is NULL or g.code != x.code or g.nd != x.nd or not (
            1 <= rank <= MOST_DIMENSIONS) or not x.contiguous or not g.contiguous or x.count == 0 or g.count == 0:
        return None
    if type(groups) is not int or not 0 < groups <= shape_of(x)[1] or not isinstance(kernel, tuple) or len(kernel) != rank:
        return None
    for i in range(rank):
        if type(kernel[i]) is not int or not 0 < kernel[i] < FARTHEST:
            return None
        shape[2 + i] = kernel[i]
    shape[0], shape[1] = shape_of(g)[1], shape_of(x)[1] // <int64_t>groups
    if shape[1] * <int64_t>groups != shape_of(x)[1] or shape[0] % <int64_t>groups or shape_of(x)[0] != shape_of(g)[0] or not (
            lay_out(dims, rank, shape_of(x) + 2, shape + 2, stride, padding, dilation)):
        return None
    for i in range(rank):
        if dims[MOST_DIMENSIONS - rank + i].outputs != shape_of(g)[2 + i]:
            return None
    convolution_args(&a, dims, shape_of(x)[0], shape_of(x)[1], shape[0], groups)
    out = new_tensor(x.nd, shape, x.code)
    a.data[0] = g.at
    a.data[1] = x.at
    a.data[2] = dims
    a.data[3] = out.at
    launch_checked(OP_CONVOLUTION_WEIGHT.kernels[x.code], &a)
    return out


cdef object record_convolution(Tensor out, Tensor x, Tensor w, Tensor b, object stride, object padding, object dilation,
                               object groups):
    cdef Node node
    if tg_grad:
        node = record_native(OP_CONVOLUTION, out, x, w, b, (1 if needs_grad(w) else 0) | (2 if needs_grad(x) else 0))
        if node is not None:
            node.settings = [None, None, stride, padding, dilation, groups, None, shape_tuple(x), shape_tuple(w)]
    return out


cdef object hot_convolution(Op op, void **args, Py_ssize_t count):
    """``_convolution(input, weight, stride, padding, dilation, groups, bias)``."""
    cdef Tensor x, w, b = None, out
    if count < 6 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    if count > 6 and <object><PyObject *>args[6] is not None:
        if not isinstance(<object><PyObject *>args[6], Tensor):
            return DECLINED
        b = <Tensor><PyObject *>args[6]
    x, w = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    stride, padding, dilation, groups = [<object><PyObject *>args[i] for i in range(2, 6)]
    out = convolved(contiguous_of(x), contiguous_of(w), b, stride, padding, dilation, groups)
    return DECLINED if out is None else record_convolution(out, x, w, b, stride, padding, dilation, groups)


cdef tuple listed(object value, int rank):
    """A setting for each dimension; None where it is neither a number nor as many."""
    if type(value) is int:
        return (value,) * rank
    if type(value) is list:
        value = tuple(value)
    return value if is_listed(value, rank) else None


cdef object hot_conv(Op op, void **args, Py_ssize_t count):
    """``conv2d(input, weight, bias, stride, padding, dilation, groups)`` of a batch; ``form`` is the number of dimensions."""
    cdef Tensor x, w, b = None, out
    cdef int i
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    bias, stride, padding, dilation, groups = [given_or_default(op, args, count, i) for i in range(2, 7)]
    if bias is not None:
        if not isinstance(bias, Tensor):
            return DECLINED
        b = <Tensor>bias
    x, w = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    stride, padding, dilation = listed(stride, op.form), listed(padding, op.form), listed(dilation, op.form)
    if x.nd != op.form + 2 or stride is None or padding is None or dilation is None:
        return DECLINED
    out = convolved(contiguous_of(x), contiguous_of(w), b, stride, padding, dilation, groups)
    return DECLINED if out is None else record_convolution(out, x, w, b, stride, padding, dilation, groups)


cdef int convolution_vjp(Node node, Tensor g) except -1:
    cdef Tensor x, w, dx = None, dw = None
    cdef list settings = node.settings
    stride, padding, dilation, groups = settings[2:6]
    g = contiguous_of(g)
    if node.e0 is not None:
        w = contiguous_of(<Tensor>node.s1)
        dx = convolved_back(g, w, None, settings[7][2:], stride, padding, dilation, groups)
        if dx is None:
            return formula_vjp(node, g)
    if node.e1 is not None:
        x = contiguous_of(<Tensor>node.s0)
        dw = convolved_weight(g, x, settings[8][2:], stride, padding, dilation, groups)
        if dw is None:
            return formula_vjp(node, g)
    if dx is not None:
        accumulate_new(node, 0, dx)
    if dw is not None:
        accumulate_new(node, 1, dw)
    if node.e2 is not None:
        accumulate_new(node, 2, <Tensor>OP_SUM(g, (0, *range(2, g.nd))))
    return 0


cdef object hot_convolution_input(Op op, void **args, Py_ssize_t count):
    """``_convolution_input(grad, weight, size, stride, padding, dilation, groups, bias)``, where nothing is recorded."""
    cdef Tensor g, w, b = None, out
    cdef int i
    if count < 7 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    if count > 7 and <object><PyObject *>args[7] is not None:
        if not isinstance(<object><PyObject *>args[7], Tensor):
            return DECLINED
        b = <Tensor><PyObject *>args[7]
    g, w = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    size, stride, padding, dilation, groups = [<object><PyObject *>args[i] for i in range(2, 7)]
    size = tuple(size)
    out = convolved_back(contiguous_of(g), contiguous_of(w), b, size, stride, padding, dilation, groups)
    if out is None:
        return DECLINED
    if tg_grad:
        node = record_native(op, out, g, w, b, (1 if needs_grad(w) else 0) | (2 if needs_grad(g) else 0))
        if node is not None:
            (<Node>node).settings = [None, None, size, stride, padding, dilation, groups, None, shape_tuple(g), shape_tuple(w)]
    return out


cdef object hot_convolution_weight(Op op, void **args, Py_ssize_t count):
    """``_convolution_weight(input, grad, kernel, stride, padding, dilation, groups)``."""
    cdef Tensor g, x, out
    cdef int i
    if count != 7 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x, g = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    kernel, stride, padding, dilation, groups = [<object><PyObject *>args[i] for i in range(2, 7)]
    kernel = tuple(kernel)
    out = convolved_weight(contiguous_of(g), contiguous_of(x), kernel, stride, padding, dilation, groups)
    if out is None:
        return DECLINED
    if tg_grad:
        node = record_native(op, out, x, g, None, (1 if needs_grad(g) else 0) | (2 if needs_grad(x) else 0))
        if node is not None:
            (<Node>node).settings = [None, None, kernel, stride, padding, dilation, groups, shape_tuple(x), shape_tuple(g)]
    return out


native("_convolution", hot_convolution, convolution_vjp, 0)
native("_convolution_input", hot_convolution_input, formula_vjp, 0)
native("_convolution_weight", hot_convolution_weight, formula_vjp, 0)
native("conv1d", hot_conv, NULL, 1)
native("conv2d", hot_conv, NULL, 2)
native("conv3d", hot_conv, NULL, 3)
