# Reductions over some dimensions, and undoing a broadcast, which is one.

cdef int reduced_dims(Op op, object dim, Tensor x, uint8_t *mask) except -1:
    """Marks the dimensions that ``dim`` names. None means all; so does an empty one, but to `all` and `any`."""
    cdef Py_ssize_t d
    cdef str who = op.__name__
    memset(mask, 0, MAX_DIMS)
    if dim is None and op.defaults[1] is MISSING:
        raise TypeError(f"{who}(): argument 'dim' must be tuple of ints, not NoneType")
    if dim is None or (isinstance(dim, (tuple, list)) and len(dim) == 0 and op.rule != TO_BOOL):
        memset(mask, 1, x.nd)
        return 0
    if isinstance(dim, (tuple, list)):
        for each in [plain_dim(each) for each in dim]:
            d = wrap_dim(each, x.nd)
            if mask[d]:
                raise RuntimeError(f"{who}(): dim {d} appears multiple times in the list of dims")
            mask[d] = 1
        return 0
    if isinstance(dim, (str, float, bool)) or not hasattr(dim, "__index__"):
        raise TypeError(f"{who}(): argument 'dim' must be int or tuple of ints, not {type(dim).__name__}")
    dim = plain_dim(dim)
    mask[wrap_dim(dim, x.nd)] = 1
    return 0


cdef inline object plain_dim(object dim):
    """A dimension's number, before a tensor is asked how many it has: what gives it may change that."""
    return dim if type(dim) in (int, float, bool) else PyNumber_Index(dim)


cdef Tensor reduce_kernel(const Kernel **kernels, Tensor x, const uint8_t *mask, bint keepdim, int out_code, list extremes=None,
                          Tensor into=None):
    """By the kernel, which reduces one run of dimensions; several runs take several calls, innermost first.

    Kernels that find positions give the elements that stand there as well, if there is a list for them. A reduction of all
    dimensions may write into a tensor that is given.
    """
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t kept[MAX_DIMS]
    cdef Py_ssize_t *own = shape_of(x)
    cdef KernelArgs a
    cdef Tensor out, values
    cdef int i, n = 0, last = -1, first
    cdef bint several = False, fits
    for i in range(x.nd):
        if not mask[i]:
            shape[n] = own[i]
            n += 1
        elif keepdim:
            shape[n] = 1
            n += 1
    for i in range(x.nd):
        if mask[i] and own[i] != 1:
            last = i
    if last < 0 and x.nd and mask[0]:
        last = 0
    first = last
    while first > 0 and (mask[first - 1] or own[first - 1] == 1):
        first -= 1
    for i in range(first if first > 0 else 0):
        if mask[i] and own[i] != 1:
            several = True
    begin(&a, 3)
    fits = not several and collapse(x, 0, first if first > 0 else 0, &a.size[0], &a.stride[0][0])
    fits = fits and collapse(x, first if first > 0 else 0, last + 1, &a.size[1], &a.stride[0][1])
    fits = fits and collapse(x, last + 1, x.nd, &a.size[2], &a.stride[0][2])
    if not fits:
        x = contiguous_of(x)
        own = shape_of(x)
        collapse(x, 0, first if first > 0 else 0, &a.size[0], &a.stride[0][0])
        collapse(x, first if first > 0 else 0, last + 1, &a.size[1], &a.stride[0][1])
        collapse(x, last + 1, x.nd, &a.size[2], &a.stride[0][2])
    if several:
        for i in range(x.nd):
            kept[i] = 1 if first <= i <= last else own[i]
        out = new_tensor(x.nd, kept, out_code)
    else:
        out = new_tensor(n, shape, out_code) if into is None else into
    if a.size[1] > 1 and (a.size[0] == 1 and a.stride[0][1] == ITEMSIZE[x.code] or a.size[2] == 1 and (
            a.stride[0][0] == ITEMSIZE[x.code] != a.stride[0][1])):
        a.size[0], a.size[2] = a.size[2], a.size[0]     # rows of a transposed matrix are columns, and its columns rows
        a.stride[0][0], a.stride[0][2] = a.stride[0][2], a.stride[0][0]
    a.data[0] = x.at
    a.data[1] = out.at
    a.stride[1][0] = a.size[2] * ITEMSIZE[out_code]
    a.stride[1][1] = 0
    a.stride[1][2] = ITEMSIZE[out_code]
    if extremes is not None:
        values = new_like(out, x.code)
        a.data[2] = values.at
        extremes.append(values)
    launch(kernels[x.code], &a)
    if several:                         # the next run reduces results, which may have another dtype; a NaN among them counts
        if kernels == (<Op>CORE_OPS["nansum"]).kernels:
            kernels = OP_SUM.kernels
        return reduce_kernel(kernels, out, mask, keepdim, out_code)
    return out


cdef bint collapse(Tensor x, int start, int stop, int64_t *size, int64_t *stride) noexcept:
    """Some neighbouring dimensions as one loop; False when their strides don't allow it."""
    cdef int i
    cdef Py_ssize_t *shape = shape_of(x)
    cdef Py_ssize_t *strides = strides_of(x)
    size[0] = 1
    stride[0] = ITEMSIZE[x.code]
    cdef bint begun = False
    for i in range(stop - 1, start - 1, -1):
        if shape[i] == 1:
            continue
        if not begun:
            begun = True
            stride[0] = strides[i]
        elif strides[i] != stride[0] * size[0]:
            return False
        size[0] *= shape[i]
    return True


cdef bint all_of(const uint8_t *mask, int count) noexcept:
    cdef int i
    for i in range(count):
        if not mask[i]:
            return False
    return True


cdef Tensor in_order_of_memory(Tensor x):
    """An alias whose dimensions stand by their strides, for what does not depend on the order of elements."""
    cdef Tensor t = alias_of(x)
    cdef Py_ssize_t *shape = shape_of(t)
    cdef Py_ssize_t *strides = strides_of(t)
    cdef int i, k
    for i in range(1, t.nd):
        for k in range(i, 0, -1):
            if strides[k - 1] == 0 or 0 < strides[k] <= strides[k - 1]:     # what is repeated, is so as a whole
                break
            shape[k - 1], shape[k] = shape[k], shape[k - 1]
            strides[k - 1], strides[k] = strides[k], strides[k - 1]
    t.contiguous = looks_contiguous(t)
    return t


cdef int reduction_code(Op op, int code) noexcept:
    if op.rule == TO_BOOL:
        return U8 if code == U8 else BOOL       # torch keeps bytes, which once were its truth values
    if op.rule == WIDE and not IS_FLOAT[code]:
        return I64
    return code


cdef object hot_reduction(Op op, void **args, Py_ssize_t count):
    cdef Tensor x
    cdef Py_ssize_t total = len(op.params)
    cdef object dim = None, keepdim = False
    if count == 0 or count > total or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or op.kernels[x.code] is NULL or x.count == 0:
        return DECLINED
    if count > 3 and (<object><PyObject *>args[3]) is not None:
        return DECLINED
    if count > 1:
        dim = <object><PyObject *>args[1]
    if count > 2:
        keepdim = <object><PyObject *>args[2]
        if type(keepdim) is not bool:
            return DECLINED
    return reduction(op, x, dim, keepdim)


cdef Tensor reduction(Op op, Tensor x, object dim, bint keepdim):
    """A reduction whose kernel exists, on at least one element."""
    cdef uint8_t mask[MAX_DIMS]
    cdef Tensor out
    cdef Node node
    cdef int i
    reduced_dims(op, dim, x, mask)
    out = reduce_kernel(op.kernels, x if x.contiguous or not all_of(mask, x.nd) else in_order_of_memory(x), mask, keepdim,
                        reduction_code(op, x.code))
    if tg_grad and op.formulas[0] is not None and needs_grad(x):
        node = record_one(op, out, x, op.backward_needs & 9)
        node.settings = list(op.defaults)
        node.settings[0] = None
        node.settings[1] = tuple([i for i in range(x.nd) if mask[i]])
        node.settings[2] = bool(keepdim)
        node.settings.append(shape_tuple(x))
    return out


cdef object run_reduction(Op op, list values):
    """By the body, which gets ``dim`` as a tuple of every dimension to reduce."""
    cdef Tensor x = want_tensor(op, values[0], 0)
    cdef uint8_t mask[MAX_DIMS]
    cdef int i, code
    if not isinstance(values[2], (bool, np.bool_)):
        raise TypeError(f"{op.__name__}(): argument 'keepdim' (position 3) must be bool, not {type(values[2]).__name__}")
    slot = op.index.get("dtype")
    if slot is not None and values[slot] is not None:
        wanted = values[slot]
        x = OP_CAST(x, wanted)
        values[slot] = None
        if op.rule == WIDE and not IS_FLOAT[x.code] and x.code != I64:      # int64 would be the answer's dtype
            values[0] = x
            return OP_CAST(run_reduction(op, values), wanted)
        if op.hot is not NULL:
            values[0] = x
            found = hot_bound(op, values)
            if found is not DECLINED:
                return found
    if op.rule == FLOAT and not IS_FLOAT[x.code]:
        raise RuntimeError(f"{op.__name__}(): could not infer output dtype. Input dtype must be either a floating point or "
                           f"complex dtype. Got: {title(x.code)}")
    reduced_dims(op, values[1], x, mask)
    values[0] = x
    values[1] = tuple([i for i in range(x.nd) if mask[i]])
    values[2] = bool(values[2])
    if op.check is not None:
        op.check(x, values[1])              # what must hold of the extents
    code = reduction_code(op, x.code)
    bodies = list(values)
    bodies[0] = body_array(op, x)
    result = call_body(op, bodies)
    if op.rule != FREE:
        result = body_result(op, result, code)
    return finish(op, values, [x], result, code)


cdef Tensor sum_to(Tensor g, tuple shape):
    """``g`` summed over the dimensions that a broadcast from ``shape`` added."""
    cdef int lead = g.nd - <int>len(shape), i
    if g.nd == len(shape) and shape_tuple(g) == shape:
        return g
    dims = tuple([i for i in range(g.nd) if i < lead or (shape[i - lead] == 1 and shape_of(g)[i] != 1)])
    cdef Tensor summed = OP_SUM(g, dims, True) if dims else g
    summed = reshape(OP_RESHAPE, summed, shape, False)
    return summed if tg_grad else let_go(summed)


def _sum_to(Tensor g not None, shape):
    """``g`` summed back to ``shape``, which it was broadcast from."""
    return sum_to(g, tuple(shape))


cdef Tensor expanded_gradient(Tensor g, list settings):
    """The gradient of a reduction over the elements that were reduced."""
    shape = settings[len(settings) - 1]     # behind the parameters, of which some reductions have more
    if g.nd == 0 or settings[2]:
        return expand(OP_EXPAND, g, shape)
    dims = settings[1]
    return expand(OP_EXPAND, reshape(OP_RESHAPE, g, [1 if i in dims else shape[i] for i in range(len(shape))], False), shape)


cdef int sum_vjp(Node node, Tensor g) except -1:
    return accumulate(node, 0, expanded_gradient(g, <list>node.settings))


native("sum", NULL, sum_vjp, 0)


cdef int mean_vjp(Node node, Tensor g) except -1:
    cdef list settings = <list>node.settings
    cdef double n = 1
    shape = settings[len(settings) - 1]
    for d in settings[1]:
        n *= shape[d]
    return accumulate(node, 0, expanded_gradient(<Tensor>binary(OP_MUL, g, 1.0 / n), settings))


native("mean", NULL, mean_vjp, 0)


# ---------------------------------------------------------------------------- norms, positions of extremes

cdef enum:
    OF_LARGEST = 1              # the form of max beside that of min


cdef object hot_vector_norm(Op op, void **args, Py_ssize_t count):
    """The norm of order 2, of everything or over some dimensions."""
    cdef Tensor x
    cdef uint8_t mask[MAX_DIMS]
    cdef int i
    order = given_or_default(op, args, count, 1)
    dim = given_or_default(op, args, count, 2)
    keepdim = given_or_default(op, args, count, 3)
    if count == 0 or not isinstance(<object><PyObject *>args[0], Tensor) or type(order) not in (int, float) or order != 2 or (
            type(keepdim) is not bool or (count > 4 and <object><PyObject *>args[4] is not None)):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or OP_VECTOR_NORM.kernels[x.code] is NULL or x.nd == 0 or x.count == 0 or (
            isinstance(dim, (tuple, list)) and len(dim) == 0):
        return DECLINED
    reduced_dims(op, dim, x, mask)
    out = reduce_kernel(OP_VECTOR_NORM.kernels, x, mask, keepdim, x.code)
    if tg_grad and needs_grad(x):
        record(OP_VECTOR_NORM, [x, 2, tuple([i for i in range(x.nd) if mask[i]]), keepdim], [x], out, None)
    return out


def _total_norm(list tensors not None):
    """The norm of order 2 of all elements of all tensors; None where the kernel does not serve, or it is to be recorded."""
    cdef Tensor x, norms = None
    cdef uint8_t mask[MAX_DIMS]
    cdef Py_ssize_t i, count = len(tensors)
    if not tg_kernels or count == 0:
        return None
    memset(mask, 1, MAX_DIMS)
    for i in range(count):
        if type(tensors[i]) is not Tensor:
            return None
        x = <Tensor>tensors[i]
        if OP_VECTOR_NORM.kernels[x.code] is NULL or x.count == 0 or (tg_grad and needs_grad(x)) or (
                norms is not None and norms.code != x.code):
            return None
        if norms is None:
            norms = new_tensor(1, &count, x.code)
        reduce_kernel(OP_VECTOR_NORM.kernels, x, mask, False, x.code, None, select_raw(norms, 0, i))
    return reduce_kernel(OP_VECTOR_NORM.kernels, norms, mask, False, norms.code)


cdef int mark_dim(object dim, Tensor x, uint8_t *mask) except -1:
    """Marks one dimension, or all for None."""
    memset(mask, dim is None, MAX_DIMS)
    if dim is not None:
        mask[wrap_dim(dim, x.nd)] = 1
    return 0


cdef object hot_position(Op op, void **args, Py_ssize_t count):
    """``argmax`` and ``argmin``."""
    cdef Tensor x
    cdef uint8_t mask[MAX_DIMS]
    cdef const Kernel **kernels = op.kernels
    dim = given_or_default(op, args, count, 1)
    keepdim = given_or_default(op, args, count, 2)
    if count == 0 or count > 3 or not isinstance(<object><PyObject *>args[0], Tensor) or type(keepdim) is not bool or (
            dim is not None and type(dim) is not int):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or kernels[x.code] is NULL or x.count == 0:
        return DECLINED
    mark_dim(dim, x, mask)
    return reduce_kernel(kernels, x, mask, keepdim, I64)


cdef object hot_extreme(Op op, void **args, Py_ssize_t count):
    """``max`` and ``min`` of everything, or along one dimension."""
    cdef Tensor x
    cdef uint8_t mask[MAX_DIMS]
    cdef bint largest = op.form == OF_LARGEST
    cdef Op position = OP_ARGMAX if largest else OP_ARGMIN
    cdef const Kernel **kernels = position.kernels
    cdef list values = []
    cdef Op along
    dim = given_or_default(op, args, count, 1)
    keepdim = given_or_default(op, args, count, 2)
    if count == 0 or not isinstance(<object><PyObject *>args[0], Tensor) or type(keepdim) is not bool or (
            count > 3 and <object><PyObject *>args[3] is not None) or (dim is not None and type(dim) is not int):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or kernels[x.code] is NULL or x.count == 0:
        return DECLINED
    if dim is None:
        return reduction(OP_AMAX if largest else OP_AMIN, x, None, False)
    mark_dim(dim, x, mask)
    values.append(reduce_kernel(kernels, x, mask, keepdim, I64, values))
    along = OP_MAX_ALONG if largest else OP_MIN_ALONG
    if tg_grad and needs_grad(x):
        record(along, [x, wrap_dim(dim, x.nd), keepdim], [x], None, values)
    return tuple.__new__(along.answer, values)


native("vector_norm", hot_vector_norm, NULL, 0)
native("_vector_norm", hot_vector_norm, NULL, 0)
native("argmax", hot_position, NULL, 0)
native("argmin", hot_position, NULL, 0)
native("max", hot_extreme, NULL, OF_LARGEST)
native("min", hot_extreme, NULL, 0)
