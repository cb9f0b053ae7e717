# Variance, deviation and logsumexp by kernels along lines of a contiguous tensor.

cdef enum:
    LOGSUMEXP = 0
    VARIANCE = 1
    DEVIATION = 2


cdef Tensor lines_of(Tensor x, const uint8_t *mask, KernelArgs *a, bint *moved):
    """``x``, contiguous, as {outer, reduced, inner}: a copy with the reduced dimensions at the end where they are no single run,
    or few columns lie behind them; ``moved`` says so.
    """
    cdef Tensor swapped
    cdef Py_ssize_t *shape
    cdef Py_ssize_t *strides
    cdef int i, n = 0, first = -1, last = -1
    cdef bint whole = True
    begin(a, 3)
    x = contiguous_of(x)
    shape = shape_of(x)
    a.size[0] = a.size[1] = a.size[2] = 1
    for i in range(x.nd):
        if mask[i] and shape[i] != 1:
            first = i if first < 0 else first
            last = i
    for i in range(x.nd):
        if i < first:
            a.size[0] *= shape[i]
        elif i > last:
            a.size[2] *= shape[i]
        else:
            a.size[1] *= shape[i]
            whole = whole and (mask[i] or shape[i] == 1)
    moved[0] = first >= 0 and (not whole or 1 < a.size[2] < NARROW)
    if first < 0:                       # lines of one element
        a.size[0], a.size[2] = x.count, 1
    if not moved[0]:
        return x
    swapped = alias_of(x)
    for i in range(x.nd):
        if not mask[i]:
            shape_of(swapped)[n], strides_of(swapped)[n] = shape[i], strides_of(x)[i]
            n += 1
    a.size[1] = 1
    for i in range(x.nd):
        if mask[i]:
            shape_of(swapped)[n], strides_of(swapped)[n] = shape[i], strides_of(x)[i]
            a.size[1] *= shape[i]
            n += 1
    swapped.contiguous = False
    a.size[0], a.size[2] = x.count // a.size[1], 1
    return clone_raw(swapped)


cdef Tensor new_reduced(Tensor x, const uint8_t *mask, bint keepdim):
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef int i, n = 0
    for i in range(x.nd):
        if keepdim or not mask[i]:
            shape[n] = 1 if mask[i] else shape_of(x)[i]
            n += 1
    return new_tensor(n, shape, x.code)


cdef object lined_up(Op op, const Kernel *fn, Tensor x, object dim, double correction, bint keepdim, list settings):
    """A call that is known to be good."""
    cdef uint8_t mask[MAX_DIMS]
    cdef bint moved
    cdef KernelArgs a
    cdef Tensor lines, out
    cdef Node node
    reduced_dims(op, dim, x, mask)
    lines = lines_of(x, mask, &a, &moved)
    out = new_reduced(x, mask, keepdim)
    if out.count != a.size[0] * a.size[2] or lines.code != out.code:
        return DECLINED                 # another thread may have given it other memory
    a.data[0] = lines.at
    a.data[1] = out.at
    a.scalar[0] = correction
    a.integer[0] = op.form == DEVIATION
    launch(fn, &a)
    if tg_grad and needs_grad(x):
        node = record_one(op, out, x, op.backward_needs & 9)
        settings[1] = tuple([i for i in range(x.nd) if mask[i]])
        settings.append(shape_tuple(x))
        node.settings = settings
    return out


cdef object hot_lines(Op op, void **args, Py_ssize_t count):
    """``_var`` and ``_std(input, dim, correction, keepdim)``, ``logsumexp(input, dim, keepdim)``."""
    cdef Tensor x
    cdef const Kernel *fn
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    fn = find(b"logsumexp" if op.form == LOGSUMEXP else b"var", x.code)
    keepdim = given_or_default(op, args, count, 2 if op.form == LOGSUMEXP else 3)
    if not tg_kernels or fn is NULL or x.count == 0 or x.nd == 0 or type(keepdim) is not bool:
        return DECLINED
    dim = <object><PyObject *>args[1]
    if op.form == LOGSUMEXP:
        return lined_up(op, fn, x, dim, 0, keepdim, [None, dim, keepdim])
    correction = <object><PyObject *>args[2] if count == 4 else None
    if type(correction) is not int and type(correction) is not float:
        return DECLINED
    return lined_up(op, fn, x, dim, correction, keepdim, [None, dim, correction, keepdim])


cdef int lines_vjp(Node node, Tensor g) except -1:
    cdef Op op = node.op
    cdef Tensor x = <Tensor>node.s0, y = node.output, lines, of_x
    cdef uint8_t mask[MAX_DIMS]
    cdef bint moved
    cdef KernelArgs a
    cdef double correction = 0 if op.form == LOGSUMEXP else node.settings[2]
    if x.code != g.code or not x.count or node.settings[len(node.settings) - 1] != shape_tuple(x):
        return formula_vjp(node, g)
    reduced_dims(op, node.settings[1], x, mask)
    lines = lines_of(x, mask, &a, &moved)
    given = contiguous_of(g)
    of_x = new_like(lines, lines.code)
    if moved or a.size[1] <= correction or given.count != a.size[0] * a.size[2] or lines.count != given.count * a.size[1] or (
            y is not None and y.count != given.count):
        return formula_vjp(node, g)
    a.data[0] = given.at
    a.data[1] = lines.at
    a.data[2] = NULL if op.form == VARIANCE else y.at
    a.data[3] = of_x.at
    a.scalar[0] = correction
    launch(find(b"logsumexp_backward" if op.form == LOGSUMEXP else b"var_backward", x.code), &a)
    return accumulate_new(node, 0, of_x)


native("_var", hot_lines, lines_vjp, VARIANCE)
native("_std", hot_lines, lines_vjp, DEVIATION)
native("logsumexp", hot_lines, lines_vjp, LOGSUMEXP)
