# Reading and writing along one dimension by indices, by their kernels: index_select, gather, index_add, scatter and their kin.
# Where a kernel meets an index that names nothing the path declines, and the body says what is wrong.

cdef enum:                      # what comes together with what is there, as kernels/indices.c has it
    PUT = -1
    REDUCE_ADD = 0

cdef dict REDUCTIONS = {"sum": 0, "prod": 1, "amax": 2, "amin": 3, "mean": 4}

cdef const Kernel *INDEX_SELECT[DTYPES]
cdef const Kernel *INDEX_COPY[DTYPES]
cdef const Kernel *INDEX_REDUCE[DTYPES]
cdef const Kernel *GATHER[DTYPES]
cdef const Kernel *SCATTER[DTYPES]
cdef const Kernel *SCATTER_REDUCE[DTYPES]


cdef void find_by_index() noexcept:
    cdef int code
    for code in range(DTYPES):
        INDEX_SELECT[code] = find(b"index_select", code)
        INDEX_COPY[code] = find(b"index_copy", code)
        INDEX_REDUCE[code] = find(b"index_reduce", code)
        GATHER[code] = find(b"gather", code)
        SCATTER[code] = find(b"scatter", code)
        SCATTER_REDUCE[code] = find(b"scatter_reduce", code)


find_by_index()


cdef Tensor index_of(Tensor index):
    """The same indices as contiguous int64."""
    return contiguous_of(cast_raw(index, I64))


cdef void along_args(KernelArgs *a, Tensor whole, int dim, Py_ssize_t count) noexcept:
    """The loops over a contiguous tensor that has ``count`` indices in place of a dimension."""
    cdef int d
    begin(a, 3)
    a.size[0] = a.size[2] = 1
    for d in range(whole.nd):
        if d < dim:
            a.size[0] *= shape_of(whole)[d]
        elif d > dim:
            a.size[2] *= shape_of(whole)[d]
    a.size[1] = count
    a.size[3] = shape_of(whole)[dim]


cdef bint crossed_args(KernelArgs *a, Tensor whole, Tensor index, int dim) noexcept:
    """The loops over an index that has the dimensions of a contiguous tensor, and outside of ``dim`` is no larger. False where
    it is smaller so that the loops of neighbouring dimensions can't be one.
    """
    cdef Py_ssize_t *shape = shape_of(index)
    cdef Py_ssize_t *table = shape_of(whole)
    cdef bint begun = False
    cdef int d, group
    along_args(a, whole, dim, shape[dim])
    a.size[4] = a.size[0]
    a.size[5] = a.size[2]
    a.size[0] = a.size[2] = 1
    for d in range(whole.nd):
        if d == dim:
            begun = False
            continue
        if shape[d] > table[d] or (begun and shape[d] != table[d]):
            return False
        begun = begun or shape[d] != 1
        group = 0 if d < dim else 2
        a.size[group] *= shape[d]
    return True


cdef bint is_one_row(Tensor index, Tensor x, int dim) noexcept:
    """Whether an index of several dimensions repeats one vector over all of them but ``dim``, and covers them."""
    cdef int d
    for d in range(index.nd):
        if d != dim and (shape_of(index)[d] != shape_of(x)[d] or (strides_of(index)[d] != 0 and shape_of(index)[d] != 1)):
            return False
    return index.nd > 1 and index.count > shape_of(index)[dim]


cdef Tensor vector_of(Tensor index, int dim):
    """That vector."""
    cdef Py_ssize_t extent = shape_of(index)[dim], step = strides_of(index)[dim]
    return view_of(index, 1, &extent, &step, index.at)


cdef Tensor pick_along(Tensor x, int dim, Tensor index, bint from_end):
    """``x`` with an index of any shape in place of a dimension, off the tape; None where there is no kernel for it, or an index
    names nothing.
    """
    cdef Py_ssize_t shape[2 * MAX_DIMS]
    cdef const Kernel *kernel = INDEX_SELECT[x.code]
    cdef int64_t wrong = 0
    cdef Tensor out
    cdef KernelArgs a
    if not tg_kernels or kernel is NULL or index.code not in (I64, I32):
        return None
    if dim == 0:
        out = pick_rows(x, index, from_end)
        if out is not None:
            return out
    index = index_of(index)
    x = contiguous_of(x)
    if dim >= x.nd or index.nd + x.nd - 1 > MAX_DIMS:
        return None
    memcpy(shape, shape_of(x), dim * sizeof(Py_ssize_t))
    memcpy(shape + dim, shape_of(index), index.nd * sizeof(Py_ssize_t))
    memcpy(shape + dim + index.nd, shape_of(x) + dim + 1, (x.nd - dim - 1) * sizeof(Py_ssize_t))
    along_args(&a, x, dim, index.count)
    out = new_tensor(index.nd + x.nd - 1, shape, x.code)
    if out.count == 0:
        return out if index.count == 0 else None
    a.integer[0] = from_end
    a.data[0] = x.at
    a.data[1] = index.at
    a.data[2] = out.at
    a.data[3] = &wrong
    launch(kernel, &a)
    return None if wrong else out


cdef bint put_along(Tensor full, int dim, Tensor index, Tensor values, int mode, bint from_end) except -1:
    """Puts values into a contiguous tensor that nobody else has, at an index of any shape; tells whether there is a kernel for
    it, and all indices name something.
    """
    cdef const Kernel *kernel = INDEX_COPY[full.code] if mode == PUT else INDEX_REDUCE[full.code]
    cdef int64_t wrong = 0
    cdef KernelArgs a
    if not tg_kernels or kernel is NULL or index.code not in (I64, I32) or values.code != full.code:
        return False
    index = index_of(index)
    values = contiguous_of(values)
    if dim >= full.nd:
        return False
    along_args(&a, full, dim, index.count)
    if a.size[0] * a.size[1] * a.size[2] != values.count:
        return False
    if values.count == 0:
        return index.count == 0
    a.integer[0] = from_end
    a.integer[1] = mode
    a.integer[2] = 1
    a.data[0] = values.at
    a.data[1] = index.at
    a.data[2] = full.at
    a.data[3] = &wrong
    launch(kernel, &a)
    return not wrong


cdef Tensor gather_along(Tensor x, int dim, Tensor index):
    """``gather`` off the tape; None as in `pick_along`."""
    cdef const Kernel *kernel = GATHER[x.code]
    cdef int64_t wrong = 0
    cdef Tensor out
    cdef KernelArgs a
    if not tg_kernels or kernel is NULL or index.nd != x.nd or index.nd == 0 or index.count == 0:
        return None
    if is_one_row(index, x, dim):
        return pick_along(x, dim, vector_of(index, dim), False)
    index = index_of(index)
    x = contiguous_of(x)
    if x.nd != index.nd or not crossed_args(&a, x, index, dim):
        return None
    out = new_like(index, x.code)
    a.data[0] = x.at
    a.data[1] = index.at
    a.data[2] = out.at
    a.data[3] = &wrong
    launch(kernel, &a)
    return None if wrong else out


cdef bint scatter_along(Tensor full, int dim, Tensor index, Tensor values, int mode, bint present) except -1:
    """``scatter`` and its kin into a contiguous tensor that nobody else has; tells as `put_along` does."""
    cdef const Kernel *kernel = SCATTER[full.code] if mode == PUT else SCATTER_REDUCE[full.code]
    cdef int64_t wrong = 0
    cdef KernelArgs a
    if not tg_kernels or kernel is NULL or index.nd != full.nd or index.nd == 0 or values.code != full.code or (
            not same_shape(values, index)) or index.count == 0:
        return False
    if is_one_row(index, full, dim) and present:
        return put_along(full, dim, vector_of(index, dim), values, mode, False)
    index = index_of(index)
    values = contiguous_of(values)
    if index.nd != full.nd or values.count != index.count or not crossed_args(&a, full, index, dim):
        return False
    a.integer[1] = mode
    a.integer[2] = present
    a.data[0] = values.at
    a.data[1] = index.at
    a.data[2] = full.at
    a.data[3] = &wrong
    launch(kernel, &a)
    return not wrong


def _put_in_place(Tensor x not None, int dim, int span, Tensor index not None, Tensor values not None, bint accumulate):
    """Puts values, or adds them, at indices of some neighbouring dimensions seen as one; off the tape. Tells whether there is a
    kernel for it: for a contiguous tensor that shares no memory with the values.
    """
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor full
    cdef int d, n = 0
    if not tg_kernels or not x.contiguous or overlap(x, values) or span < 1 or dim + span > x.nd or x.block.frozen or (
            accumulate and INDEX_REDUCE[x.code] is NULL) or values.code != x.code:
        return False
    for d in range(x.nd):
        if dim < d < dim + span:
            shape[n - 1] *= shape_of(x)[d]
        else:
            shape[n] = shape_of(x)[d]
            n += 1
    full = alias_of(x)
    set_shape(full, n, shape)
    x.block.version += 1
    return put_along(full, dim, index, values, REDUCE_ADD if accumulate else PUT, True)


cdef int set_shape(Tensor t, int ndim, const Py_ssize_t *shape) except -1:
    """Gives a new tensor on contiguous memory a shape of no more dimensions."""
    cdef Py_ssize_t step = ITEMSIZE[t.code]
    cdef int d
    if t.nd > INLINE_DIMS:
        free(<void *>t.dims[0])
    set_ndim(t, ndim)
    for d in range(ndim - 1, -1, -1):
        shape_of(t)[d] = shape[d]
        strides_of(t)[d] = step
        step *= shape[d]
    return 0


cdef bint are_indices(Tensor index) noexcept:
    return index.code == I64 or index.code == I32


# ---------------------------------------------------------------------------- reading

cdef object hot_pick(Op op, void **args, Py_ssize_t count):
    """``_pick(input, dim, index)``."""
    cdef Tensor x, index, out
    cdef int dim
    if count != 3 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[2], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    dim = <object><PyObject *>args[1]
    shape = shape_tuple(x)
    out = pick_along(x, dim, index, True)
    if out is None:
        return DECLINED
    record_pick(out, x, index, dim, shape)
    return out


cdef int record_pick(Tensor out, Tensor x, Tensor index, int dim, tuple shape) except -1:
    cdef Node node
    if not tg_grad or not IS_FLOAT[x.code] or not needs_grad(x):
        return 0
    node = record_one(<Op>CORE_OPS["_pick"], out, x, 0)
    keep1(node, index)
    node.settings = [None, dim, None, shape]
    return 0


cdef int pick_vjp(Node node, Tensor g) except -1:
    cdef list settings = <list>node.settings
    cdef Tensor full = zeros_of(settings[3], g.code)
    if put_along(full, settings[1], <Tensor>node.s1, g, REDUCE_ADD, True):
        return accumulate_new(node, 0, full)
    return formula_vjp(node, g)


cdef object hot_unpick(Op op, void **args, Py_ssize_t count):
    """``_unpick(g, shape, dim, index)``."""
    cdef Tensor g, index, full
    cdef Node node
    cdef int dim
    if count != 4 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[3], Tensor):
        return DECLINED
    g = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[3]
    dim = <object><PyObject *>args[2]
    if not tg_kernels or INDEX_REDUCE[g.code] is NULL:
        return DECLINED
    full = zeros_of(<object><PyObject *>args[1], g.code)
    if not put_along(full, dim, index, g, REDUCE_ADD, True):
        return DECLINED
    if tg_grad and needs_grad(g):
        node = record_one(op, full, g, 0)
        keep1(node, index)
        node.settings = [None, tuple(<object><PyObject *>args[1]), dim, None, shape_tuple(g)]
    return full


cdef object hot_gather(Op op, void **args, Py_ssize_t count):
    """``gather(input, dim, index, sparse_grad, out)``."""
    cdef Tensor x, index, out
    cdef Node node
    cdef int dim
    if count < 3 or (count > 4 and <object><PyObject *>args[4] is not None) or type(<object><PyObject *>args[1]) is not int or (
            not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[2], Tensor)):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    if x.nd == 0 or not (are_indices(index) or index.code == U8):
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    shape = shape_tuple(x)
    out = gather_along(x, dim, index)
    if out is None:
        return DECLINED
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        node = record_one(<Op>CORE_OPS["_gather"], out, x, 0)
        keep1(node, index)
        node.settings = [None, dim, None, shape]
    return out


cdef int gather_vjp(Node node, Tensor g) except -1:
    cdef list settings = <list>node.settings
    cdef Tensor full = zeros_of(settings[3], g.code)
    if scatter_along(full, settings[1], <Tensor>node.s1, g, REDUCE_ADD, True):
        return accumulate_new(node, 0, full)
    return formula_vjp(node, g)


cdef object hot_ungather(Op op, void **args, Py_ssize_t count):
    """``_ungather(g, shape, dim, index)``."""
    cdef Tensor g, index, full
    cdef Node node
    if count != 4 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[3], Tensor):
        return DECLINED
    g = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[3]
    if not tg_kernels or SCATTER_REDUCE[g.code] is NULL:
        return DECLINED
    full = zeros_of(<object><PyObject *>args[1], g.code)
    if not scatter_along(full, <object><PyObject *>args[2], index, g, REDUCE_ADD, True):
        return DECLINED
    if tg_grad and needs_grad(g):
        node = record_one(op, full, g, 0)
        keep1(node, index)
        node.settings = [None, tuple(<object><PyObject *>args[1]), <object><PyObject *>args[2], None, shape_tuple(g)]
    return full


native("_ungather", hot_ungather, NULL, 0)
native("_pick", hot_pick, pick_vjp, 0)
native("_unpick", hot_unpick, NULL, 0)
native("gather", hot_gather, NULL, 0)
native("_gather", hot_gather, gather_vjp, 0)


# ---------------------------------------------------------------------------- writing

cdef int record_put(Tensor out, Tensor x, int dim, Tensor index, Tensor values, bint accumulate) except -1:
    cdef Node node
    if tg_grad and IS_FLOAT[x.code]:
        node = record_native(<Op>CORE_OPS["_put"], out, x, index, values, 0 if accumulate and not needs_grad(values) else 2)
        if node is not None:
            node.settings = [None, dim, None, None, accumulate, shape_tuple(out)]
    return 0


cdef object hot_put(Op op, void **args, Py_ssize_t count):
    """``_put(input, dim, index, value, accumulate)``, whose value may have to be broadcast."""
    cdef Tensor x, index, values, out
    cdef int dim
    cdef bint accumulate
    if count != 5 or not isinstance(<object><PyObject *>args[0], Tensor) or (
            not isinstance(<object><PyObject *>args[2], Tensor) or (
            not isinstance(<object><PyObject *>args[3], Tensor))):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    values = <Tensor><PyObject *>args[3]
    dim = <object><PyObject *>args[1]
    accumulate = <object><PyObject *>args[4]
    if not tg_kernels or x.nd == 0 or (accumulate and INDEX_REDUCE[x.code] is NULL):
        return DECLINED
    out = clone_raw(x)
    if not put_along(out, dim, index, spread(values, out, dim, index), REDUCE_ADD if accumulate else PUT, True):
        return DECLINED
    record_put(out, x, dim, index, values, accumulate)
    return out


cdef Tensor spread(Tensor values, Tensor x, int dim, Tensor index):
    """A single value as one for every element of ``x`` with an index in place of a dimension; others as they are."""
    cdef Py_ssize_t count = 1
    cdef Tensor out
    cdef int d
    if values.count != 1 or index.count == 0 or dim >= x.nd:
        return values
    for d in range(x.nd):
        count *= index.count if d == dim else shape_of(x)[d]
    if count <= 1:
        return values
    out = new_tensor(1, &count, values.code)
    copy_into(out, view_of(values, 0, NULL, NULL, values.at))
    return out


cdef enum:                      # the forms of what writes at a vector of indices
    COPIES = 0
    ADDS = 1
    FILLS = 2


cdef object hot_index_write(Op op, void **args, Py_ssize_t count):
    """``index_copy``, ``index_add`` with no factor and ``index_fill`` with a number."""
    cdef Tensor x, index, values, out
    cdef Py_ssize_t d
    cdef int dim
    cdef bint adds = op.form == ADDS
    if count < 4 or not isinstance(<object><PyObject *>args[0], Tensor) or (
            not isinstance(<object><PyObject *>args[2], Tensor) or (
            type(<object><PyObject *>args[1]) is not int) or (adds and count > 4 and (
                type(<object><PyObject *>args[4]) is not int or <object><PyObject *>args[4] != 1))):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    if not tg_kernels or x.nd == 0 or index.nd != 1 or not are_indices(index) or (adds and INDEX_REDUCE[x.code] is NULL):
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    value = <object><PyObject *>args[3]
    if op.form == FILLS:
        if type(value) not in (int, float) or not IS_FLOAT[x.code] or index.code != I64:
            return DECLINED
        values = number_tensor(fitting(value, x.code, True), x.code)
    elif isinstance(value, Tensor):
        values = <Tensor>value
        if values.nd != x.nd or values.code != x.code:
            return DECLINED
        for d in range(x.nd):
            if shape_of(values)[d] != (index.count if d == dim else shape_of(x)[d]):
                return DECLINED
    else:
        return DECLINED
    out = clone_raw(x)
    if not put_along(out, dim, index, spread(values, out, dim, index) if op.form == FILLS else values,
                     REDUCE_ADD if adds else PUT, False):
        return DECLINED
    record_put(out, x, dim, index, values, adds)
    return out


cdef object hot_scatter(Op op, void **args, Py_ssize_t count):
    """``_scatter`` and ``_scatter_add``, of indices that were checked; and these by their public names."""
    cdef Tensor x, index, values
    cdef int dim
    cdef Py_ssize_t i
    if count < 4 or not isinstance(<object><PyObject *>args[0], Tensor) or (
            not isinstance(<object><PyObject *>args[2], Tensor) or (
            type(<object><PyObject *>args[1]) is not int)):
        return DECLINED
    value = <object><PyObject *>args[3]
    for i in range(4, count):           # a number in the tensor's place, and a reduction
        if <object><PyObject *>args[i] is not None:
            if i > 4 or value is not None:
                return DECLINED
            value = <object><PyObject *>args[4]
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    if not tg_kernels or x.nd == 0 or index.nd != x.nd or not are_indices(index) or index.count == 0:
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    if isinstance(value, Tensor):
        values = <Tensor>value
    elif op.form == PUT and type(value) in (int, float) and IS_FLOAT[x.code]:
        values = new_like(index, x.code)
        copy_into(values, number_tensor(fitting(value, x.code, True), x.code))
    else:
        return DECLINED
    return scattered(x, dim, index, values, op.form, True)


cdef object scattered(Tensor x, int dim, Tensor index, Tensor values, int mode, bint present):
    cdef const Kernel *kernel = SCATTER[x.code] if mode == PUT else SCATTER_REDUCE[x.code]
    cdef Tensor out
    cdef Node node
    if kernel is NULL or values.code != x.code or not same_shape(values, index):
        return DECLINED
    out = clone_raw(x)
    if not scatter_along(out, dim, index, values, mode, present):
        return DECLINED
    if tg_grad and IS_FLOAT[x.code]:
        node = record_native(<Op>CORE_OPS["_scatter" if mode == PUT else "_scatter_add"], out, x, index, values,
                             2 if mode == PUT or needs_grad(values) else 0)
        if node is not None:
            node.settings = [None, dim, None, None, shape_tuple(out)]
    return out


cdef object hot_scatter_reduce(Op op, void **args, Py_ssize_t count):
    """``_scatter_reduce(input, dim, index, src, reduce, include_self)``."""
    cdef Tensor x, index, values, out
    cdef int dim
    if count != 6 or not isinstance(<object><PyObject *>args[0], Tensor) or (
            not isinstance(<object><PyObject *>args[2], Tensor) or (
            not isinstance(<object><PyObject *>args[3], Tensor))):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    values = <Tensor><PyObject *>args[3]
    dim = <object><PyObject *>args[1]
    if not tg_kernels or x.nd == 0 or SCATTER_REDUCE[x.code] is NULL:
        return DECLINED
    reduce = <object><PyObject *>args[4]
    present = <object><PyObject *>args[5]
    out = clone_raw(x)
    if not scatter_along(out, dim, index, values, REDUCTIONS[reduce], present):
        return DECLINED
    record(op, [x, dim, index, values, reduce, present], [x, index, values], out, None)
    return out


native("_put", hot_put, NULL, 0)
native("index_copy", hot_index_write, NULL, COPIES)
native("index_add", hot_index_write, NULL, ADDS)
native("index_fill", hot_index_write, NULL, FILLS)
native("scatter", hot_scatter, NULL, PUT)
native("_scatter", hot_scatter, NULL, PUT)
native("scatter_add", hot_scatter, NULL, REDUCE_ADD)
native("_scatter_add", hot_scatter, NULL, REDUCE_ADD)
native("_scatter_reduce", hot_scatter_reduce, NULL, 0)
