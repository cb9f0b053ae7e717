# Losses element by element by their kernels: of two or three tensors of one shape, each loss, their sum or their mean.
#
# All of them are one call. What an op's parameters mean to it is read off their names.

cdef enum:                      # what a parameter is
    LOSS_REDUCTION = 1
    LOSS_WEIGHT = 2
    LOSS_OTHER = 3              # the third tensor of the formula
    LOSS_NUMBER = 4
    LOSS_KERNEL = 5             # has a kernel of its own where it is not the default
    LOSS_FULL = 6               # whether the constant is added too
    LOSS_USUAL = 7              # has a kernel only as the default
    LOSS_TURN = 8               # a number above 0

cdef enum:                      # forms of ops
    FIXED_TARGET = 1            # the target has no gradient
    SAME_DTYPE = 2              # the target has to be of the input's dtype
    WEIGHTED_MEAN = 4           # with weights the mean is divided by their sum, which no kernel does
    BY_ROWS = 8                 # "batchmean" divides by the rows; of a mean by elements the body warns
    WITHIN = 16                 # elements may lie outside of where they must, which the body reports
    SAME_RANK = 32              # the third operand has as many dimensions as the input

cdef dict LOSS_PARAMETERS = {
    "reduction": LOSS_REDUCTION, "weight": LOSS_WEIGHT, "pos_weight": LOSS_OTHER, "var": LOSS_OTHER, "target": LOSS_OTHER,
    "beta": LOSS_TURN, "delta": LOSS_TURN, "eps": LOSS_NUMBER, "margin": LOSS_NUMBER, "log_target": LOSS_KERNEL,
    "log_input": LOSS_KERNEL, "full": LOSS_FULL, "size_average": LOSS_USUAL, "reduce": LOSS_USUAL}
cdef bytes WITH_POS_WEIGHT = b"binary_cross_entropy_with_logits_pos_weight"
cdef dict LOSS_KERNELS = {"log_target": b"kl_div_log_target", "log_input": b"poisson_nll_loss_rate"}
cdef double HALF_LOG_TWO_PI = 0.91893853320467274178

ctypedef struct LossCall:
    PyObject *weight            # NULL: none
    PyObject *other
    PyObject *kernel            # the name of the kernel, where it is not the op's
    double scalar[2]
    int64_t divisor
    bint apart                  # each loss by itself


cdef bint read_loss(Op op, void **args, Py_ssize_t count, Tensor x, LossCall *call) except -1:
    """What a call asks for behind its first two tensors; False for what has no kernel, such as a bad word, which the body
    reports.
    """
    cdef Py_ssize_t i
    cdef int kind
    cdef bint mean = True
    memset(call, 0, sizeof(LossCall))
    call.divisor = x.count
    for i in range(2, len(op.params)):
        value = <object>args[i] if i < count else op.defaults[i]
        kind = LOSS_PARAMETERS[op.params[i]]
        if kind == LOSS_REDUCTION:
            mean = value == "mean"
            if value == "none":
                call.apart = True
            elif value == "sum":
                call.divisor = 1
            elif value == "batchmean" and op.form & BY_ROWS and x.nd:
                call.divisor = shape_of(x)[0]
            elif value != "mean" or op.form & BY_ROWS:
                return False
        elif kind == LOSS_NUMBER or kind == LOSS_TURN:
            if type(value) is not float and type(value) is not int:
                return False
            call.scalar[0] = value
            if (x.code != F64 and not -FLOAT32_MAX <= call.scalar[0] <= FLOAT32_MAX) or (
                    kind == LOSS_TURN and not call.scalar[0] > 0):
                return False
        elif kind == LOSS_WEIGHT or kind == LOSS_OTHER:
            if value is not None and not isinstance(value, Tensor):
                return False
            if value is not None and kind == LOSS_WEIGHT:
                call.weight = <PyObject *>value
            elif value is not None:
                call.other = <PyObject *>value
                if op.params[i] == "pos_weight":
                    call.kernel = <PyObject *>WITH_POS_WEIGHT
        elif kind == LOSS_FULL and "var" in op.index:
            if type(value) is not bool:
                return False
            call.scalar[1] = HALF_LOG_TWO_PI if value else 0
        elif value is not op.defaults[i]:
            if kind != LOSS_KERNEL or type(value) is not bool:
                return False
            call.kernel = <PyObject *>LOSS_KERNELS[op.params[i]]
    return call.weight is NULL or not mean or not op.form & WEIGHTED_MEAN


cdef Tensor whole_of(Tensor t, Tensor like):
    """``t`` in the dtype and the shape of ``like``, to which it broadcasts, contiguous; off the tape."""
    if t.code != like.code:
        t = cast_raw(t, like.code)
    return contiguous_of(t if same_shape(t, like) else expand_raw(t, like))


cdef inline bint lies_like(Tensor t, Tensor x) noexcept:
    return t is None or (t.code == x.code and t.contiguous and t.count == x.count)


cdef object hot_loss(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, y, z = None, w = None, own_x, own_y, own_z = None, own_w = None, out
    cdef LossCall call
    cdef KernelArgs a
    cdef const Kernel *fn
    cdef Node node
    cdef bint by_pos_weight
    cdef int64_t wrong = 0
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x = own_x = <Tensor><PyObject *>args[0]
    y = own_y = <Tensor><PyObject *>args[1]
    if not tg_kernels or op.kernels[x.code] is NULL or not x.count or not same_shape(x, y) or y.code == BOOL or (
            y.code != x.code and (IS_FLOAT[y.code] or op.form & SAME_DTYPE)) or (op.form & FIXED_TARGET and needs_grad(y)):
        return DECLINED
    if not read_loss(op, args, count, x, &call):
        return DECLINED
    if call.weight is not NULL:
        w = own_w = <Tensor>call.weight
        if w.code != x.code or not fits_into(w, x) or needs_grad(w):
            return DECLINED
    if call.other is not NULL:
        z = own_z = <Tensor>call.other
        if z.code == BOOL or (z.code != x.code and IS_FLOAT[z.code]) or not fits_into(z, x) or (
                op.form & SAME_RANK and z.nd != x.nd):
            return DECLINED
        if needs_grad(z) and not (same_shape(z, x) and (needs_grad(x) or needs_grad(y))):
            return DECLINED
    elif op.params[2] == "target" or op.params[2] == "var":
        return DECLINED
    fn = op.kernels[x.code] if call.kernel is NULL else find(<bytes>call.kernel, x.code)
    y = whole_of(y, x)
    if z is not None:
        z = whole_of(z, x)
    if w is not None:
        w = whole_of(w, x)
    x = contiguous_of(x)
    out = new_like(x, x.code) if call.apart else new_scalar(x.code)
    if not (lies_like(x, out if call.apart else x) and lies_like(y, x) and lies_like(z, x) and lies_like(w, x)):
        return DECLINED                 # another thread may have given one of them other memory
    begin(&a, 1)
    a.size[0] = x.count
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = NULL if z is None else z.at
    a.data[3] = NULL if w is None else w.at
    a.data[4 if call.apart else 5] = out.at
    a.data[6] = &wrong if op.form & WITHIN else NULL
    a.scalar[0] = call.scalar[0]
    a.scalar[1] = call.scalar[1]
    a.integer[0] = call.divisor
    launch(fn, &a)
    if wrong:
        return DECLINED
    if call.apart:
        out = result_as(out, [own_x, own_y])
    if tg_grad:
        by_pos_weight = call.kernel is <PyObject *>WITH_POS_WEIGHT
        node = record_native(op, out, own_x, own_y, own_w if by_pos_weight or own_z is None else own_z, 7)
        if node is not None:
            node.settings = [None if i in op.tensor_index else <object>args[i] if i < count else op.defaults[i]
                             for i in range(len(op.params))]
            if by_pos_weight:
                keep_fourth(node, own_z)
    return out


cdef int loss_vjp(Node node, Tensor arrived_g) except -1:
    cdef Op op = node.op
    cdef Tensor g = arrived_g
    cdef Tensor x = <Tensor>node.s0, y = <Tensor>node.s1, z = None, w = None
    cdef Tensor of_x = None, of_y = None, of_z = None
    cdef LossCall call
    cdef KernelArgs a
    cdef void *flat[16]
    cdef Py_ssize_t i, third = 2
    for i in range(len(op.params)):
        flat[i] = <void *><PyObject *>node.settings[i]
    if x.code != g.code or not same_shape(x, y) or not read_loss(op, flat, len(op.params), x, &call):
        return recompute_vjp(node, arrived_g)
    kernel = op.__name__.lstrip("_").encode() if call.kernel is NULL else <bytes>call.kernel
    if op.tensor_params[2:3] == ("weight",):
        w = node.s2
    elif node.s2 is not None:
        z = whole_of(<Tensor>node.s2, x)
    if fourth_of(node) is not None:
        z = whole_of(<Tensor>fourth_of(node), x)
        kernel = WITH_POS_WEIGHT
        third = 3
    y = whole_of(y, x)
    if w is not None:
        if not call.apart:
            g = <Tensor>binary(OP_DIV, g, <double>call.divisor)
        g = <Tensor>binary(OP_MUL, g, w)
        call.apart = True
    if call.apart:
        g = whole_of(g, x)
    x = contiguous_of(x)
    if node.e0 is not None:
        of_x = new_like(x, x.code)
    if node.e1 is not None:
        of_y = new_like(x, x.code)
    if edge_at(node, third) is not None:
        of_z = new_like(x, x.code)
    if not (lies_like(x, of_x if of_x is not None else of_y if of_y is not None else of_z) and lies_like(y, x) and lies_like(z, x)
            and (lies_like(g, x) if call.apart else g.count == 1)):
        return recompute_vjp(node, arrived_g)
    begin(&a, 1)
    a.size[0] = x.count
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = NULL if z is None else z.at
    a.data[3 if call.apart else 4] = g.at
    a.data[5] = NULL if of_x is None else of_x.at
    a.data[6] = NULL if of_y is None else of_y.at
    a.data[7] = NULL if of_z is None else of_z.at
    a.scalar[0] = call.scalar[0]
    a.scalar[1] = call.scalar[1]
    a.integer[0] = call.divisor
    launch(find(kernel + b"_backward", x.code), &a)
    if of_z is not None:
        accumulate_new(node, third, of_z)
    if of_y is not None:
        accumulate_new(node, 1, of_y)
    if of_x is not None:
        accumulate_new(node, 0, of_x)
    return 0


native("l1_loss", hot_loss, loss_vjp, WEIGHTED_MEAN)
native("smooth_l1_loss", hot_loss, loss_vjp, 0)
native("huber_loss", hot_loss, loss_vjp, 0)
native("binary_cross_entropy", hot_loss, loss_vjp, SAME_DTYPE | WITHIN)
native("binary_cross_entropy_with_logits", hot_loss, loss_vjp, 0)
native("soft_margin_loss", hot_loss, loss_vjp, 0)
native("kl_div", hot_loss, loss_vjp, SAME_DTYPE | BY_ROWS)
native("poisson_nll_loss", hot_loss, loss_vjp, 0)
native("_gaussian_nll_loss", hot_loss, loss_vjp, 0)
native("hinge_embedding_loss", hot_loss, loss_vjp, FIXED_TARGET)
native("margin_ranking_loss", hot_loss, loss_vjp, SAME_RANK)


# ---------------------------------------------------------------------------- the score of a class

cdef bint class_args(KernelArgs *a, Tensor target, object weight, object ignored, object word, shape, int code) except -1:
    """What the two calls below share: lines of classes in the middle, and where they read; False for what has no kernel."""
    cdef Py_ssize_t i
    if len(shape) < 2 or type(ignored) is not int or type(word) is not str or target.code != I64 or not target.contiguous:
        return False
    begin(a, 3)
    a.size[0], a.size[1], a.size[2] = shape[0], shape[1], 1
    for i in range(2, len(shape)):
        a.size[2] *= shape[i]
    if a.size[1] == 0 or a.size[0] * a.size[2] == 0 or target.count != a.size[0] * a.size[2]:
        return False
    if weight is not None:
        if not isinstance(weight, Tensor) or not (<Tensor>weight).contiguous or (<Tensor>weight).code != code or (
                (<Tensor>weight).count != a.size[1]):
            return False
        a.data[2] = (<Tensor>weight).at
    a.data[1] = target.at
    a.integer[0] = word == "mean"
    a.integer[1] = ignored
    return -2**63 <= ignored < 2**63


cdef object hot_nll(Op op, void **args, Py_ssize_t count):
    """``_nll(input, target, weight, ignore_index, reduction)``."""
    cdef Tensor given, x, target, out
    cdef KernelArgs a
    cdef int64_t wrong[2]
    if count != 5 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    given, target = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    weight, ignored, word = <object><PyObject *>args[2], <object><PyObject *>args[3], <object><PyObject *>args[4]
    if not tg_kernels or op.kernels[given.code] is NULL:
        return DECLINED
    x = contiguous_of(given)
    out = new_like(target, x.code) if word == "none" else new_scalar(x.code)
    if not class_args(&a, target, weight, ignored, word, shape_tuple(x), x.code) or (
            not x.contiguous) or (
            x.count != a.size[0] * a.size[1] * a.size[2] or (word == "none" and out.count != target.count)):
        return DECLINED
    a.data[0] = x.at
    a.data[3 if word == "none" else 4] = out.at
    wrong[0] = -1
    a.data[5] = wrong
    launch(op.kernels[x.code], &a)
    if wrong[0] >= 0:
        return DECLINED
    return record(op, [given, target, weight, ignored, word], [given, target, weight], out, None)


cdef object hot_nll_backward(Op op, void **args, Py_ssize_t count):
    """``_nll_backward(g, target, weight, ignore_index, reduction, shape)``."""
    cdef Tensor g, target, out
    cdef KernelArgs a
    cdef int64_t wrong[2]
    if count != 6 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    g, target = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    weight, ignored, word = <object><PyObject *>args[2], <object><PyObject *>args[3], <object><PyObject *>args[4]
    shape = <object><PyObject *>args[5]
    if not tg_kernels or op.kernels[g.code] is NULL:
        return DECLINED
    out = _empty(shape, g.code)
    if not class_args(&a, target, weight, ignored, word, shape_tuple(out), g.code) or not g.contiguous or (
            g.count != (target.count if word == "none" else 1)):
        return DECLINED
    a.data[0] = a.data[1]
    a.data[1] = a.data[2]
    a.data[2] = g.at if word == "none" else NULL
    a.data[3] = NULL if word == "none" else g.at
    a.data[4] = out.at
    wrong[0] = -1
    a.data[5] = wrong
    launch(op.kernels[g.code], &a)
    if wrong[0] >= 0:
        return DECLINED
    return record(op, [g, target, weight, ignored, word, shape], [g, target, weight], out, None)


cdef object hot_nll_loss(Op op, void **args, Py_ssize_t count):
    """``nll_loss`` of a batch that needs no more checks."""
    cdef void *flat[5]
    cdef Tensor x, target
    cdef int i
    cdef Op inner = <Op>CORE_OPS["_nll"]
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x, target = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    weight, size_average, ignored, reduce, word = [given_or_default(op, args, count, i) for i in range(2, 7)]
    if size_average is not None or reduce is not None or word not in ("mean", "sum", "none") or x.nd < 2 or (
            target.nd != x.nd - 1 or shape_of(target)[0] != shape_of(x)[0]) or not (
            weight is None or (isinstance(weight, Tensor) and (<Tensor>weight).nd == 1)):
        return DECLINED
    for i in range(1, target.nd):
        if shape_of(target)[i] != shape_of(x)[i + 1]:
            return DECLINED
    flat[0], flat[1], flat[2] = args[0], args[1], <void *><PyObject *>weight
    flat[3], flat[4] = <void *><PyObject *>ignored, <void *><PyObject *>word
    return hot_nll(inner, flat, 5)


native("nll_loss", hot_nll_loss, NULL, 0)
native("_nll", hot_nll, NULL, 0)
native("_nll_backward", hot_nll_backward, NULL, 0)
