# Kernels that stand in for a composite, or for a primitive by rows.
#
# A fused op keeps its inputs. Its fast_vjp serves the first order; for higher orders, and on the NumPy path, the body is
# run again on the inputs and differentiated, so a fused op needs no formula.

cdef inline void row_args(KernelArgs *a, Tensor x) noexcept:
    """Rows of the last dimension."""
    begin(a, 2)
    a.size[1] = shape_of(x)[x.nd - 1]
    a.size[0] = x.count // a.size[1] if a.size[1] else 0


# ---------------------------------------------------------------------------- softmax, log_softmax: primitives by rows

cdef enum:
    NARROW = 24                 # columns beside each other from which their kernel is no slower than rows turned there and back
    FEW_LINES = 16              # of a few columns: elements of each for which turning costs more than lanes left empty


cdef inline Py_ssize_t behind(Tensor x, int dim) noexcept:
    """How many elements there are for one index of a dimension and all before it."""
    cdef Py_ssize_t count = 1
    cdef int i
    for i in range(dim + 1, x.nd):
        count *= shape_of(x)[i]
    return count


cdef inline bint by_columns(Tensor x, int dim) noexcept:
    cdef Py_ssize_t columns = behind(x, dim)
    return columns >= NARROW or (columns > 1 and x.count <= FEW_LINES * columns)


cdef void line_args(KernelArgs *a, Tensor x, int dim) noexcept:
    """The lines of a contiguous tensor, which has elements, along a dimension: those before it, its extent, those behind it."""
    begin(a, 3)
    a.size[1] = shape_of(x)[dim]
    a.size[2] = behind(x, dim)
    a.size[0] = x.count // (a.size[1] * a.size[2])


cdef object hot_rows(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, rows, out
    cdef KernelArgs a
    cdef Node node
    cdef int dim
    cdef bint columns
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or op.kernels[x.code] is NULL or x.nd == 0 or x.count == 0:
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    columns = by_columns(x, dim)
    rows = contiguous_of(x) if columns else rows_of(x, dim)
    out = new_like(rows, x.code)
    line_args(&a, rows, dim if columns else x.nd - 1)
    a.data[0] = rows.at
    a.data[1] = out.at
    launch(op.kernels[x.code], &a)
    if not columns:
        out = rows_of(out, dim)
    if tg_grad and needs_grad(x):
        node = record_one(op, out, x, 8)
        node.settings = [None, dim, shape_tuple(x)]
    return out


cdef Tensor rows_of(Tensor x, int dim):
    """The values of ``x``, contiguous, where ``dim`` has changed places with the last dimension."""
    cdef Tensor swapped
    cdef Py_ssize_t *shape
    cdef Py_ssize_t *strides
    cdef int last = x.nd - 1
    if dim == last:
        return contiguous_of(x)
    swapped = alias_of(x)
    shape = shape_of(swapped)
    strides = strides_of(swapped)
    shape[dim], shape[last] = shape[last], shape[dim]
    strides[dim], strides[last] = strides[last], strides[dim]
    swapped.contiguous = False
    return clone_raw(swapped)


cdef int rows_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor out, y = node.output
    cdef int dim = node.settings[1]
    cdef const Kernel *fn = node.op.backward_kernels[g.code]
    cdef bint columns
    if fn is NULL or y.code != g.code or not same_shape(y, g):
        return formula_vjp(node, g)
    columns = by_columns(y, dim)
    g = contiguous_of(g) if columns else rows_of(g, dim)
    y = y if columns else rows_of(y, dim)
    out = new_like(g, g.code)
    line_args(&a, g, dim if columns else g.nd - 1)
    a.data[0] = g.at
    a.data[1] = y.at
    a.data[2] = out.at
    launch(fn, &a)
    return accumulate_new(node, 0, out if columns else rows_of(out, dim))


native("_softmax", hot_rows, rows_vjp, 0)
native("_log_softmax", hot_rows, rows_vjp, 0)


# ---------------------------------------------------------------------------- mse_loss

cdef int asks_mean(Op op, void **args, Py_ssize_t count, long long *ignored) except -2:
    """What a loss is asked for behind its two tensors: 1 for a mean, 0 for a sum, -1 for what has no kernel (no reduction,
    weights, a bad name, which the body reports). ``ignored`` becomes the ``ignore_index`` of an op that has one.
    """
    cdef Py_ssize_t i
    cdef int mean = True
    for i in range(2, count):
        value = <object><PyObject *>args[i]
        param = op.params[i]
        if param == "reduction":
            if value != "mean" and value != "sum":
                return -1
            mean = value == "mean"
        elif param == "ignore_index" and type(value) is int:
            ignored[0] = value
        elif value is not op.defaults[i] and value != op.defaults[i]:
            return -1
    return mean


cdef object hot_mse(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, y, out
    cdef KernelArgs a
    cdef Node node
    cdef int mean
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    y = <Tensor><PyObject *>args[1]
    if (not tg_kernels or x.code != y.code or op.kernels[x.code] is NULL or not same_shape(x, y)
            or not is_dense(x) or not lies_with(y, x) or not x.count):
        return DECLINED
    mean = asks_mean(op, args, count, NULL)
    if mean < 0:
        return DECLINED
    out = new_scalar(x.code)
    begin(&a, 1)
    a.size[0] = x.count
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = out.at
    a.integer[0] = mean
    launch(op.kernels[x.code], &a)
    if tg_grad:
        node = record_native(op, out, x, y, None, 3)
        if node is not None and not mean:
            node.settings = list(op.defaults)
            node.settings[op.index["reduction"]] = "sum"
    return out


cdef int mse_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor x = <Tensor>node.s0, y = <Tensor>node.s1
    cdef Tensor out
    # another thread may have given them other memory while the loss was computed
    if not same_shape(x, y) or x.code != y.code or x.code != g.code or not is_dense(x) or not lies_with(y, x):
        return recompute_vjp(node, g)
    out = new_as(x, x.code)
    begin(&a, 1)
    a.size[0] = x.count
    a.data[0] = g.at
    a.data[1] = x.at
    a.data[2] = y.at
    a.data[3] = out.at
    a.integer[0] = node.settings is None
    launch(node.op.backward_kernels[x.code], &a)
    if node.e1 is not None:
        accumulate_new(node, 1, <Tensor>unary(OP_NEG, out))
    if node.e0 is not None:
        accumulate_new(node, 0, out)
    return 0


native("mse_loss", hot_mse, mse_vjp, 0)


# ---------------------------------------------------------------------------- cross_entropy

cdef object hot_cross_entropy(Op op, void **args, Py_ssize_t count):
    """Class indices, (N, C) logits, no weights and no smoothing."""
    cdef Tensor given, x, y, out, logs
    cdef KernelArgs a
    cdef Node node
    cdef int mean
    cdef long long usual = op.defaults[op.index["ignore_index"]], ignore = usual
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    given = <Tensor><PyObject *>args[0]
    y = <Tensor><PyObject *>args[1]
    if not tg_kernels or op.kernels[given.code] is NULL or y.code != I64 or given.nd != 2:
        return DECLINED
    x = contiguous_of(given)
    if (op.kernels[x.code] is NULL or x.nd != 2 or y.nd != 1 or not x.count
            or shape_of(x)[0] != y.count or not x.contiguous or not y.contiguous):
        return DECLINED
    mean = asks_mean(op, args, count, &ignore)
    if mean < 0:
        return DECLINED
    out = new_scalar(x.code)
    logs = new_like(x, x.code)
    row_args(&a, x)
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = out.at
    a.data[3] = logs.at
    a.integer[0] = mean
    a.integer[1] = ignore
    launch_classes(op.kernels[x.code], &a)
    if tg_grad and needs_grad(given):
        node = record_native(op, out, given, y, None, 3)
        keep_scratch(node, logs)
        if not mean or ignore != usual:
            node.settings = list(op.defaults)
            node.settings[op.index["reduction"]] = "mean" if mean else "sum"
            node.settings[op.index["ignore_index"]] = ignore
    return out


cdef int launch_classes(const Kernel *fn, KernelArgs *a) except -1:
    """Runs a kernel that reads class numbers; raises IndexError for one that there is not."""
    cdef int64_t wrong[2]
    wrong[0] = -1
    a.data[4] = wrong
    launch(fn, a)
    if wrong[0] >= 0:
        raise IndexError(f"Target {wrong[1]} is out of bounds: cross_entropy() has {a.size[1]} classes, and row {wrong[0]} "
                         f"names another")
    return 0


cdef int cross_entropy_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor logs = node.output, target = <Tensor>node.s1
    cdef Tensor out
    if g.code != logs.code or target.code != I64 or target.count != shape_of(logs)[0] or not target.contiguous:
        return recompute_vjp(node, g)
    out = new_like(logs, logs.code)
    row_args(&a, logs)
    a.data[0] = g.at
    a.data[1] = logs.at
    a.data[2] = target.at
    a.data[3] = out.at
    settings = node.op.defaults if node.settings is None else node.settings
    a.integer[0] = settings[node.op.index["reduction"]] == "mean"
    a.integer[1] = settings[node.op.index["ignore_index"]]
    launch_classes(node.op.backward_kernels[logs.code], &a)
    return accumulate_new(node, 0, out)


native("cross_entropy", hot_cross_entropy, cross_entropy_vjp, 0)


# ---------------------------------------------------------------------------- layer_norm

cdef object hot_layer_norm(Op op, void **args, Py_ssize_t count):
    """Over the last dimensions; weight and bias, where given, contiguous and of the input's dtype."""
    cdef Tensor x, data, w = None, b = None, out, stats
    cdef KernelArgs a
    cdef Node node
    cdef Py_ssize_t dims[2]
    cdef Py_ssize_t columns = 1
    cdef double eps
    cdef int k, n
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not isinstance(<object><PyObject *>args[1], (tuple, list)):
        return DECLINED
    shape = tuple(<object><PyObject *>args[1])
    if not tg_kernels or op.kernels[x.code] is NULL or not x.count:
        return DECLINED
    data = contiguous_of(x)
    n = <int>len(shape)
    if n == 0 or n > data.nd:
        return DECLINED
    for k in range(n):
        if shape[k] != shape_of(data)[data.nd - n + k]:
            return DECLINED
        columns *= shape_of(data)[data.nd - n + k]
    if count > 2 and <object><PyObject *>args[2] is not None:
        w = <Tensor?><object><PyObject *>args[2]
        if w.code != data.code or not w.contiguous or w.count != columns or w.nd != n:
            return DECLINED
    if count > 3 and <object><PyObject *>args[3] is not None:
        b = <Tensor?><object><PyObject *>args[3]
        if b.code != data.code or not b.contiguous or b.count != columns or b.nd != n:
            return DECLINED
    eps = given_or_default(op, args, count, 4)
    dims[0] = 2
    dims[1] = data.count // columns
    out = new_like(data, data.code)
    stats = new_tensor(2, dims, data.code)
    begin(&a, 2)
    a.size[0] = dims[1]
    a.size[1] = columns
    a.data[0] = data.at
    a.data[1] = NULL if w is None else w.at
    a.data[2] = NULL if b is None else b.at
    a.data[3] = out.at
    a.data[4] = stats.at
    a.data[5] = stats.at + dims[1] * ITEMSIZE[data.code]
    a.scalar[0] = eps
    launch(op.kernels[data.code], &a)
    if tg_grad:
        node = record_native(op, out, x, w, b, 7)
        if node is not None:
            keep_scratch(node, stats)
            node.settings = [None, shape, None, None, eps]
    return out


cdef inline bint row_like(Tensor x, Tensor g, Py_ssize_t count) noexcept:
    """Whether a kernel may read ``count`` elements of the dtype of ``g`` from ``x``, as it was when it was saved."""
    return x.code == g.code and x.count == count and x.contiguous


cdef int layer_norm_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor x = <Tensor>node.s0, w = node.s1, b = node.s2, stats = node.output
    cdef Tensor dx = None, dw = None, db = None
    cdef Py_ssize_t rows = shape_of(stats)[1]
    g = contiguous_of(g)
    x = contiguous_of(x)
    if (not row_like(x, g, g.count) or (w is not None and not row_like(w, g, g.count // rows))
            or (b is not None and not row_like(b, g, g.count // rows))):
        return recompute_vjp(node, g)
    begin(&a, 2)
    a.size[0] = rows
    a.size[1] = x.count // rows
    a.data[0] = g.at
    a.data[1] = x.at
    a.data[2] = NULL if w is None else w.at
    a.data[3] = stats.at
    a.data[4] = stats.at + rows * ITEMSIZE[x.code]
    if node.e0 is not None:
        dx = new_like(x, x.code)
        a.data[5] = dx.at
    if node.e1 is not None:
        dw = new_like(w, F64)
        a.data[6] = dw.at
    if node.e2 is not None:
        db = new_like(b, F64)
        a.data[7] = db.at
    launch(node.op.backward_kernels[x.code], &a)
    if dx is not None:
        accumulate_new(node, 0, dx)
    if dw is not None:
        accumulate_new(node, 1, cast_raw(dw, x.code))
    if db is not None:
        accumulate_new(node, 2, cast_raw(db, x.code))
    return 0


native("layer_norm", hot_layer_norm, layer_norm_vjp, 0)


cdef int recompute_vjp(Node node, Tensor g) except -1:
    """A fused op's gradients by running its body again on what it kept and differentiating that."""
    cdef Op op = node.op
    cdef list values = list(op.defaults)
    cdef list wanted = [], numbers = []
    cdef Py_ssize_t i, slot
    cdef int grad = tg_grad
    global tg_grad
    if node.settings is not None:
        values = list(node.settings)
    for slot, i in enumerate(op.tensor_index):
        kept = node.s0 if slot == 0 else node.s1 if slot == 1 else node.s2 if slot == 2 else None
        if slot == 3:
            kept = fourth_of(node)
        if kept is not None:
            values[i] = kept
            if edge_at(node, slot) is not None:
                numbers.append(slot)
    for i in range(len(values)):
        if values[i] is MISSING:
            values[i] = None
    tg_grad = True
    try:
        for slot in numbers:            # fresh aliases, so that only this op is walked
            kept = values[op.tensor_index[slot]]
            fresh = view_as_node(kept)
            wanted.append(fresh)
            values[op.tensor_index[slot]] = fresh
        share(g)
        out = op.body(*values)
        grads = run_backward((out,), (g,), True, grad, wanted, True, True)
    finally:
        tg_grad = grad
    for slot, value in zip(numbers, grads):
        if value is not None:
            accumulate(node, slot, <Tensor>value)
    return 0


cdef object view_as_node(object kept):
    """A tensor with the values and the graph of ``kept`` that is a node of its own."""
    return reshape_to(OP_RESHAPE, <Tensor>kept, (<Tensor>kept).nd, shape_of(<Tensor>kept), strides_of(<Tensor>kept))
