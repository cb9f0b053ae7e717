# Element by element, of three operands of one shape and dtype.

cdef enum:                      # forms of ops of three
    BY_TENSORS = 0
    BY_NUMBER = 1               # the third is a number
    BY_FACTOR = 2               # behind the three comes a number
    BY_BOUNDS = 3               # the second or the third may be None


cdef object hot_three(Op op, void **args, Py_ssize_t count):
    """``_lerp(input, end, weight)`` and its kin."""
    cdef KernelArgs a
    cdef PyObject *operands[3]
    cdef Tensor x, out
    cdef Tensor number = None           # held while its memory is read
    cdef Op named = <Op>CORE_OPS["_lerp"] if op.form == BY_NUMBER else op
    cdef const Kernel **kernels = named.kernels
    cdef int i
    if count != (4 if op.form == BY_FACTOR else 3) or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or kernels[x.code] is NULL:
        return DECLINED
    begin(&a, 1)
    values = [<object><PyObject *>args[i] for i in range(count)]
    if op.form == BY_FACTOR or op.form == BY_NUMBER:
        factor = values[count - 1]
        if (type(factor) is not int and type(factor) is not float) or (
                x.code != F64 and not -FLOAT32_MAX <= <double>factor <= FLOAT32_MAX):
            return DECLINED
        if type(factor) is int:
            whole_number(factor)
        a.scalar[0] = factor
    for i in range(3):
        each = values[i]
        if i == 2 and op.form == BY_NUMBER:
            each = number = number_tensor(each, x.code)
        elif each is None and op.form == BY_BOUNDS:
            each = number = number_tensor(float("inf") if i == 2 else float("-inf"), x.code)
        elif not isinstance(each, Tensor) or (<Tensor>each).code != x.code or not same_shape(<Tensor>each, x):
            return DECLINED
        operands[i] = <PyObject *>each
    out = new_result(operands, 2 if op.form == BY_NUMBER else 3, x.nd, shape_of(x), x.code)
    if not map_args(&a, operands, 3, out):
        return DECLINED
    launch(kernels[x.code], &a)
    return record(op, values, values[:len(op.tensor_params)], out, None)


cdef object hot_add_product(Op op, void **args, Py_ssize_t count):
    """``addcmul`` and ``addcdiv`` of tensors that need no more checks."""
    cdef void *flat[4]
    cdef Op inner = <Op>CORE_OPS["_" + op.__name__]
    cdef Py_ssize_t i
    if count < 3:
        return DECLINED
    for i in range(3):
        flat[i] = args[i]
    flat[3] = args[3] if count > 3 else <void *><PyObject *>op.defaults[3]
    return hot_three(inner, flat, 4)


cdef object hot_lerp(Op op, void **args, Py_ssize_t count):
    """``lerp`` of the same, towards a tensor or a number."""
    if count != 3:
        return DECLINED
    return hot_three(<Op>CORE_OPS["_lerp" if isinstance(<object><PyObject *>args[2], Tensor) else "_lerp_number"], args, 3)


native("lerp", hot_lerp, NULL, 0)
native("_lerp", hot_three, NULL, BY_TENSORS)
native("_lerp_number", hot_three, NULL, BY_NUMBER)
native("_addcmul", hot_three, NULL, BY_FACTOR)
native("_addcdiv", hot_three, NULL, BY_FACTOR)
native("_clamp_tensors", hot_three, NULL, BY_BOUNDS)
native("addcmul", hot_add_product, NULL, 0)
native("addcdiv", hot_add_product, NULL, 0)


# ---------------------------------------------------------------------------- a choice between two operands

cdef object choose(Op op, Tensor mask, Tensor x, Tensor y, list inputs):
    """``x`` where the mask, else ``y``: of the shape of ``x``, to which the others broadcast."""
    cdef KernelArgs args
    cdef PyObject *operands[3]
    cdef Tensor out
    cdef int i
    if not tg_kernels or mask.code != BOOL or x.code != y.code or OP_WHERE.kernels[x.code] is NULL or not (
            fits_into(mask, x) and fits_into(y, x)):
        return DECLINED
    for i in range(len(inputs)):
        operands[i] = <PyObject *>inputs[i]
    out = new_result(operands, <int>len(inputs), x.nd, shape_of(x), x.code)
    operands[0] = <PyObject *>mask
    operands[1] = <PyObject *>x
    operands[2] = <PyObject *>y
    begin(&args, 1)
    if not map_args(&args, operands, 3, out):
        return DECLINED
    launch(OP_WHERE.kernels[x.code], &args)
    return record(op, list(inputs), inputs, out, None)


cdef object hot_where(Op op, void **args, Py_ssize_t count):
    mask = <object><PyObject *>args[0] if count == 3 else None
    if not isinstance(mask, Tensor) or not isinstance(<object><PyObject *>args[1], Tensor) or not isinstance(
            <object><PyObject *>args[2], Tensor):
        return DECLINED
    x = <object><PyObject *>args[1]
    y = <object><PyObject *>args[2]
    if not same_shape(<Tensor>x, <Tensor>y):
        return DECLINED
    return choose(op, <Tensor>mask, <Tensor>x, <Tensor>y, [mask, x, y])


native("_where", hot_where, NULL, 0)


cdef object hot_keep(Op op, void **args, Py_ssize_t count):
    """The input where the mask, else 0."""
    x = <object><PyObject *>args[0] if count == 2 else None
    if not isinstance(x, Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    mask = <object><PyObject *>args[1]
    return choose(op, <Tensor>mask, <Tensor>x, number_tensor(0, (<Tensor>x).code), [x, mask])


native("_keep", hot_keep, NULL, 0)


# ---------------------------------------------------------------------------- glu: one half times the sigmoid of the other

cdef bint launch_halves(const Kernel *kernel, Tensor x, Tensor y, Tensor z, Tensor out) except -1:
    """Runs a kernel of two operands, or of three; False where its loops are too many."""
    cdef KernelArgs a
    cdef PyObject *operands[3]
    operands[0] = <PyObject *>x
    operands[1] = <PyObject *>y
    operands[2] = <PyObject *>z
    begin(&a, 1)
    if not map_args(&a, operands, 2 if z is None else 3, out):
        return False
    launch(kernel, &a)
    return True


cdef object hot_glu(Op op, void **args, Py_ssize_t count):
    """``glu(input, dim)``."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef PyObject *operands[2]
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor value, gate, out
    cdef Py_ssize_t half
    cdef int dim
    given = given_or_default(op, args, count, 1)
    if x is None or count > 2 or not tg_kernels or op.kernels[x.code] is NULL or x.nd == 0 or x.count == 0 or (
            type(given) is not int):
        return DECLINED
    dim = wrap_dim(given, x.nd)
    half = shape_of(x)[dim] // 2
    if shape_of(x)[dim] != 2 * half:
        return DECLINED
    memcpy(shape, shape_of(x), x.nd * sizeof(Py_ssize_t))
    shape[dim] = half
    value, gate = slice_raw(x, dim, 0, half, 1), slice_raw(x, dim, half, half, 1)
    operands[0] = <PyObject *>value
    operands[1] = <PyObject *>gate
    out = new_result(operands, 2, x.nd, shape, x.code)
    if not launch_halves(op.kernels[x.code], value, gate, None, out):
        return DECLINED
    if tg_grad and needs_grad(x):
        record_one(op, out, x, 1).settings = [None, dim]
    return out


cdef int glu_vjp(Node node, Tensor g) except -1:
    """Each half of the gradient where it belongs."""
    cdef Tensor x = <Tensor>node.s0, out, value, gate
    cdef int dim = node.settings[1]
    cdef Py_ssize_t half
    if x.code != g.code or x.nd != g.nd or shape_of(x)[dim] != 2 * shape_of(g)[dim]:
        return recompute_vjp(node, g)
    half = shape_of(g)[dim]
    out = new_as(x, x.code)
    value, gate = slice_raw(x, dim, 0, half, 1), slice_raw(x, dim, half, half, 1)
    if not launch_halves(node.op.kernels[x.code], g, gate, None, slice_raw(out, dim, 0, half, 1)) or not launch_halves(
            node.op.backward_kernels[x.code], value, gate, g, slice_raw(out, dim, half, half, 1)):
        return recompute_vjp(node, g)
    return accumulate_new(node, 0, out)


native("glu", hot_glu, glu_vjp, 0)
