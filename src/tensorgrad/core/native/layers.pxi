# Hot paths of layers that have a state of their own: dropout draws, batch norm remembers.

cdef Generator default_generator


def _draw_from(Generator generator not None):
    """Names the generator that is used where none is given."""
    global default_generator
    default_generator = generator


# ---------------------------------------------------------------------------- dropout

cdef Tensor dropped(Tensor x, Tensor kept, double scale, Tensor out):
    """``x`` times ``scale`` where it is kept, times 0 elsewhere, in ``out``; None where there is no kernel for it."""
    cdef KernelArgs a
    cdef PyObject *operands[2]
    if not tg_kernels or OP_DROPOUT.kernels[x.code] is NULL or kept.code != BOOL or not fits_into(kept, x):
        return None
    operands[0] = <PyObject *>x
    operands[1] = <PyObject *>kept
    begin(&a, 1)
    a.scalar[0] = scale
    if x.contiguous and kept.contiguous and out.contiguous and kept.count == x.count:
        flat_args2(&a, x, kept, out)
    elif not map_args(&a, operands, 2, out):
        return None
    launch(OP_DROPOUT.kernels[x.code], &a)
    return out


cdef int record_dropout(Tensor out, Tensor x, Tensor kept, double scale) except -1:
    cdef Node node
    if not tg_grad or not needs_grad(x):
        return 0
    node = record_one(OP_DROPOUT, out, x, 0)
    keep1(node, kept)
    node.settings = [None, None, scale, shape_tuple(x)]
    return 0


cdef object hot_masked(Op op, void **args, Py_ssize_t count):
    """``_dropout(input, kept, scale)``."""
    cdef Tensor x, out
    cdef double scale
    if count != 3 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    scale = <object><PyObject *>args[2]
    out = dropped(x, <Tensor><PyObject *>args[1], scale, room_for(op, x, None, x.code))
    if out is None:
        return DECLINED
    record_dropout(out, x, <Tensor><PyObject *>args[1], scale)
    return out


cdef int dropout_vjp(Node node, Tensor g) except -1:
    cdef Tensor out = dropped(g, <Tensor>node.s1, node.settings[2], room_for(node.op, g, None, g.code))
    if out is None:
        return formula_vjp(node, g)
    return accumulate_new(node, 0, out)


cdef object hot_dropout(Op op, void **args, Py_ssize_t count):
    """``dropout(input, p, training, inplace)`` of a dense input, drawn in the order of its memory, and of whole channels of a
    contiguous batch.
    """
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor x, kept, out
    cdef double scale, p
    cdef bint training, inplace
    cdef int i, ndim = op.form          # that inputs of dropout1d and so on must have
    if count == 0 or count > 4 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    chance, trains, writes = [given_or_default(op, args, count, i) for i in range(1, 4)]
    if type(chance) not in (float, int) or type(trains) is not bool or type(writes) is not bool:
        return DECLINED
    p, training, inplace = chance, trains, writes
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or OP_DROPOUT.kernels[x.code] is NULL or not 0 <= p < 1:
        return DECLINED
    if ndim and x.nd != ndim:
        return DECLINED
    if p == 0 or not training or x.count == 0:
        return x
    if not x.contiguous and (ndim or not is_dense(x)):
        return DECLINED
    if inplace:
        enter_inplace(x)
    for i in range(x.nd):
        shape[i] = shape_of(x)[i] if i < 2 or ndim == 0 else 1
    kept = new_tensor(x.nd, shape, BOOL)
    if ndim == 0:
        take_strides(kept, x)
    default_generator.raw_bernoulli(BOOL, kept.at, kept.count, 1 - p)
    scale = 1 / (1 - p)
    if x.code == F32:
        scale = <float>1 / <float>(1 - p)
    if inplace and not (tg_grad and needs_grad(x)):
        x.block.version += 1
        dropped(x, kept, scale, x)
        return x
    out = dropped(x, kept, scale, room_for(op, x, None, x.code))
    record_dropout(out, x, kept, scale)
    return assign(x, out) if inplace else out


native("_dropout", hot_masked, dropout_vjp, 0)
native("dropout", hot_dropout, NULL, 0)
native("dropout1d", hot_dropout, NULL, 3)
native("dropout2d", hot_dropout, NULL, 4)
native("dropout3d", hot_dropout, NULL, 5)


# ---------------------------------------------------------------------------- batch_norm

cdef inline bint per_channel(object value, Tensor x) except -1:
    """Whether a kernel may read a number for each channel of ``x`` from it."""
    cdef Tensor t
    if not isinstance(value, Tensor):
        return False
    t = <Tensor>value
    return t.code == x.code and t.nd == 1 and t.count == shape_of(x)[1] and t.contiguous


cdef inline bint follows(Tensor running, Tensor x, Tensor w, Tensor b) except -1:
    """Whether a kernel may write a running statistic, if there is one."""
    return running is None or not (needs_grad(running) or overlap(running, x) or (w is not None and overlap(running, w))
                                   or (b is not None and overlap(running, b)))


cdef object hot_batch_norm(Op op, void **args, Py_ssize_t count):
    """Everything but the input, where given, contiguous and of its dtype."""
    cdef Tensor given, x, mean = None, var = None, w = None, b = None, out, stats
    cdef KernelArgs a
    cdef Node node
    cdef Py_ssize_t shape[2]
    training = given_or_default(op, args, count, 5)
    momentum = given_or_default(op, args, count, 6)
    eps = given_or_default(op, args, count, 7)
    if count < 3 or not isinstance(<object><PyObject *>args[0], Tensor) or type(training) is not bool or (
            type(momentum) not in (float, int) or type(eps) not in (float, int)):
        return DECLINED
    given = <Tensor><PyObject *>args[0]
    if not tg_kernels or op.kernels[given.code] is NULL:
        return DECLINED
    x = contiguous_of(given)
    if op.kernels[x.code] is NULL or x.nd < 2 or x.count == 0 or not x.contiguous or eps < 0 or (
            training and (eps == 0 or x.count == shape_of(x)[1])):
        return DECLINED
    if <object><PyObject *>args[1] is not None:
        if not per_channel(<object><PyObject *>args[1], x):
            return DECLINED
        mean = <Tensor><PyObject *>args[1]
    if <object><PyObject *>args[2] is not None:
        if not per_channel(<object><PyObject *>args[2], x):
            return DECLINED
        var = <Tensor><PyObject *>args[2]
    if count > 3 and <object><PyObject *>args[3] is not None:
        if not per_channel(<object><PyObject *>args[3], x):
            return DECLINED
        w = <Tensor><PyObject *>args[3]
    if count > 4 and <object><PyObject *>args[4] is not None:
        if not per_channel(<object><PyObject *>args[4], x):
            return DECLINED
        b = <Tensor><PyObject *>args[4]
    if not training and (mean is None or var is None):
        return DECLINED
    if not follows(mean, x, w, b) or not follows(var, x, w, b) or (mean is not None and var is not None and overlap(mean, var)):
        return DECLINED
    if training and mean is not None:
        enter_inplace(mean)
    if training and var is not None:
        enter_inplace(var)
    out = new_like(x, x.code)
    shape[0] = 2
    shape[1] = shape_of(x)[1]
    stats = new_tensor(2, shape, F64)
    channel_args(&a, x, training)
    a.data[0] = x.at
    a.data[1] = NULL if w is None else w.at
    a.data[2] = NULL if b is None else b.at
    a.data[3] = NULL if mean is None else mean.at
    a.data[4] = NULL if var is None else var.at
    a.data[5] = out.at
    a.data[6] = stats.at
    a.scalar[0] = eps
    a.scalar[1] = momentum
    node = record_native(op, out, given, w, b, 7) if tg_grad else None     # before anything is written: it may be refused
    if training and mean is not None:
        mean.block.version += 1
    if training and var is not None:
        var.block.version += 1
    launch(op.kernels[x.code], &a)
    if node is not None:
        keep_scratch(node, stats)
        if training:                # the batch is not to be remembered again
            node.settings = [None, None, None, None, None, True, 0.0, eps]
        else:                       # whoever trains meanwhile writes to them
            node.settings = [None, clone_raw(mean), clone_raw(var), None, None, False, 0.0, eps]
    return out


cdef inline void channel_args(KernelArgs *a, Tensor x, bint training) noexcept:
    begin(a, 3)
    a.size[0] = shape_of(x)[1]
    a.size[1] = shape_of(x)[0]
    a.size[2] = x.count // (a.size[0] * a.size[1])
    a.integer[0] = training


cdef int batch_norm_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor x = <Tensor>node.s0, w = node.s1, b = node.s2
    cdef Tensor dx = None, dw = None, db = None
    g, x = contiguous_of(g), contiguous_of(x)
    # another thread may have given them other memory since
    if not same_shape(x, g) or x.code != g.code or not x.contiguous or x.nd < 2 or (
            shape_of(x)[1] != shape_of(node.output)[1]) or (w is not None and not per_channel(w, x)) or (
            b is not None and not per_channel(b, x)):
        return recompute_vjp(node, g)
    channel_args(&a, x, node.settings[5])
    a.data[0] = g.at
    a.data[1] = x.at
    a.data[2] = NULL if w is None else w.at
    a.data[3] = node.output.at
    if node.e0 is not None:
        dx = new_like(x, x.code)
        a.data[4] = dx.at
    if node.e1 is not None:
        dw = new_like(w, w.code)
        a.data[5] = dw.at
    if node.e2 is not None:
        db = new_like(b, b.code)
        a.data[6] = db.at
    launch(node.op.backward_kernels[x.code], &a)
    if dx is not None:
        accumulate_new(node, 0, dx)
    if dw is not None:
        accumulate_new(node, 1, dw)
    if db is not None:
        accumulate_new(node, 2, db)
    return 0


native("batch_norm", hot_batch_norm, batch_norm_vjp, 0)
