# cat and stack: contiguous pieces copied row by row, one node for all of them.

cdef Py_ssize_t UNLOCKED_COPY = 500    # elements from which a copy, perhaps NumPy's, may release the GIL


cdef enum:
    STACKED = 1                 # the form of stack beside that of cat


cdef object hot_join(Op op, void **args, Py_ssize_t count):
    """``cat`` and ``stack``; declines what is to be refused, and what only the declaration knows about."""
    cdef Py_ssize_t shape[MAX_DIMS + 1]
    cdef bint stacked = op.form == STACKED, needs = False
    cdef Tensor first, x, out
    cdef Py_ssize_t i, total = 0, n
    cdef int d, dim, code, nd
    if not tg_kernels or count < 1 or count > 2:
        return DECLINED
    given = <object><PyObject *>args[0]
    if type(given) is not list and type(given) is not tuple:
        return DECLINED
    given = tuple(given)                # a thread may change the list while the GIL is released
    n = len(given)
    if n == 0 or not isinstance(given[0], Tensor):
        return DECLINED
    first = <Tensor>given[0]
    nd = first.nd + stacked
    if nd == 0 or (first.nd == 1 and first.count == 0 and not stacked):
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], nd) if count == 2 else 0
    code = first.code
    for i in range(n):
        if not isinstance(given[i], Tensor):
            return DECLINED
        x = <Tensor>given[i]
        if x.nd != first.nd or x.code != code:
            return DECLINED
        for d in range(x.nd):
            if shape_of(x)[d] != shape_of(first)[d] and (stacked or d != dim):
                return DECLINED
        if x.nd == 1 and x.count == 0 and not stacked:
            return DECLINED
        total = plus(total, 1 if stacked else shape_of(x)[dim])
        if tg_grad and not needs:
            needs = needs_grad(x)
    for d in range(nd):
        if d == dim:
            shape[d] = total
        else:
            shape[d] = shape_of(first)[d - (stacked and d > dim)]
    out = new_tensor(nd, shape, code)
    pieces = given
    if out.count >= UNLOCKED_COPY:      # another thread may give a tensor other memory while the GIL is released
        pieces = tuple([alias_of(<Tensor>each) for each in given])
    total = 0
    for i in range(n):
        x = <Tensor>pieces[i]
        copy_piece(out, x, dim, total, stacked)
        total += 1 if stacked else shape_of(x)[dim]
    if needs and IS_FLOAT[code]:
        record_join(out, given, pieces, dim, stacked)
    return out


cdef int copy_piece(Tensor out, Tensor x, int dim, Py_ssize_t start, bint stacked) except -1:
    """Writes ``x`` into its place along ``dim`` of ``out``."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef Py_ssize_t step
    cdef KernelArgs a
    cdef char *to = out.at + start * strides_of(out)[dim]
    cdef int d, n = 0
    if x.count == 0:
        return 0
    if x.contiguous and tg_kernels:
        step = strides_of(out)[dim] * (1 if stacked else shape_of(x)[dim])
        begin(&a, 2)
        a.data[0] = x.at
        a.data[1] = to
        a.size[1] = step // ITEMSIZE[x.code]
        a.size[0] = x.count // a.size[1]
        a.stride[0][0] = step
        a.stride[1][0] = strides_of(out)[dim] * shape_of(out)[dim]
        a.stride[0][1] = a.stride[1][1] = ITEMSIZE[x.code]
        if a.size[0] == 1:
            a.ndim = 1
            a.size[0] = a.size[1]
            a.stride[0][0] = a.stride[1][0] = ITEMSIZE[x.code]
        return launch(COPY[x.code], &a)
    for d in range(out.nd):
        if d == dim and stacked:
            continue
        shape[n] = shape_of(x)[n]
        strides[n] = strides_of(out)[d]
        n += 1
    return copy_into(view_of(out, n, shape, strides, to), x)


cdef int record_join(Tensor out, object given, object pieces, int dim, bint stacked) except -1:
    cdef Op primitive = OP_STACK if stacked else OP_CAT
    cdef Node node = new_node(primitive, out, primitive.fast_vjp)
    cdef Tensor each
    if stacked:
        node.settings = [None, dim, None]
    else:
        node.settings = [None, tuple([shape_of(each)[dim] for each in pieces]), dim, None]
    node.settings.append(shape_tuple(<Tensor>pieces[0]))
    return record_list(primitive, node, list(given))


cdef int cat_vjp(Node node, Tensor g) except -1:
    """Every piece gets its part of the gradient."""
    cdef Py_ssize_t i, start = 0
    for i, size in enumerate(node.settings[1]):
        if edge_at(node, i) is not None:
            accumulate(node, i, slice_dim(OP_SLICE, g, node.settings[2], start, size, 1))
        start += size
    return 0


cdef int stack_vjp(Node node, Tensor g) except -1:
    cdef Py_ssize_t i
    cdef int dim = node.settings[1]
    for i in range(shape_of(g)[dim]):
        if edge_at(node, i) is not None:
            accumulate(node, i, select(g, dim, i))
    return 0


native("cat", hot_join, NULL, 0)
native("stack", hot_join, NULL, STACKED)
native("_cat", NULL, cat_vjp, 0)
native("_stack", NULL, stack_vjp, 0)
