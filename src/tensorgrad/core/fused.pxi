# Kernels that stand in for a composite, and which op has which hot path.
#
# A fused op keeps its inputs. Its fast_vjp serves the first order; for higher orders, and on the NumPy path, the body is
# run again on the inputs and differentiated, so a fused op needs no formula.

cdef const Kernel *SOFTMAX[DTYPES]
cdef const Kernel *SOFTMAX_BACKWARD[DTYPES]
cdef const Kernel *LOG_SOFTMAX[DTYPES]
cdef const Kernel *LOG_SOFTMAX_BACKWARD[DTYPES]
cdef const Kernel *LAYER_NORM[DTYPES]
cdef const Kernel *LAYER_NORM_BACKWARD[DTYPES]
cdef const Kernel *CROSS_ENTROPY[DTYPES]
cdef const Kernel *CROSS_ENTROPY_BACKWARD[DTYPES]
cdef const Kernel *MSE[DTYPES]
cdef const Kernel *MSE_BACKWARD[DTYPES]


cdef void find_fused() noexcept:
    cdef int i
    for i in range(DTYPES):
        SOFTMAX[i] = find(b"softmax", i)
        SOFTMAX_BACKWARD[i] = find(b"softmax_backward", i)
        LOG_SOFTMAX[i] = find(b"log_softmax", i)
        LOG_SOFTMAX_BACKWARD[i] = find(b"log_softmax_backward", i)
        LAYER_NORM[i] = find(b"layer_norm", i)
        LAYER_NORM_BACKWARD[i] = find(b"layer_norm_backward", i)
        CROSS_ENTROPY[i] = find(b"cross_entropy", i)
        CROSS_ENTROPY_BACKWARD[i] = find(b"cross_entropy_backward", i)
        MSE[i] = find(b"mse", i)
        MSE_BACKWARD[i] = find(b"mse_backward", i)


find_fused()


cdef inline void row_args(KernelArgs *a, Tensor x) noexcept:
    """Rows of the last dimension."""
    begin(a, 2)
    a.size[1] = shape_of(x)[x.nd - 1]
    a.size[0] = x.count // a.size[1] if a.size[1] else 0


# ---------------------------------------------------------------------------- softmax, log_softmax: primitives by rows

cdef object hot_rows(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, rows, out
    cdef KernelArgs a
    cdef Node node
    cdef int dim
    cdef bint logs = op.__name__ == "_log_softmax"
    cdef const Kernel *fn
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    fn = LOG_SOFTMAX[x.code] if logs else SOFTMAX[x.code]
    if not tg_kernels or fn is NULL or x.nd == 0 or x.count == 0:
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    rows = rows_of(x, dim)
    out = new_like(rows, x.code)
    row_args(&a, rows)
    a.data[0] = rows.at
    a.data[1] = out.at
    launch(fn, &a)
    out = rows_of(out, dim)
    if tg_grad and needs_grad(x):
        node = new_node(op, out, rows_vjp)
        set_edge0(node, x)
        keep_output(node, out)
        node.settings = [None, dim, shape_tuple(x)]
    return out


cdef Tensor rows_of(Tensor x, int dim):
    """The values of ``x``, contiguous, where ``dim`` has changed places with the last dimension."""
    cdef Tensor turned
    cdef Py_ssize_t *shape
    cdef Py_ssize_t *strides
    cdef int last = x.nd - 1
    if dim == last:
        return contiguous_of(x)
    turned = alias_of(x)
    shape = shape_of(turned)
    strides = strides_of(turned)
    shape[dim], shape[last] = shape[last], shape[dim]
    strides[dim], strides[last] = strides[last], strides[dim]
    turned.contiguous = False
    return clone_raw(turned)


cdef int rows_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor out, y
    cdef int dim = (<list>node.settings)[1]
    cdef const Kernel *fn = SOFTMAX_BACKWARD[g.code]
    if node.op.__name__ == "_log_softmax":
        fn = LOG_SOFTMAX_BACKWARD[g.code]
    if fn is NULL or node.output.code != g.code or dim != g.nd - 1 or not same_shape(node.output, g):
        return formula_vjp(node, g)
    g = contiguous_of(g)
    y = contiguous_of(node.output)
    out = new_like(g, g.code)
    row_args(&a, g)
    a.data[0] = g.at
    a.data[1] = y.at
    a.data[2] = out.at
    launch(fn, &a)
    return accumulate(node, 0, out)


# ---------------------------------------------------------------------------- mse_loss

cdef double reduction_scale(Op op, void **args, Py_ssize_t count) except -2:
    """1 for a mean, 0 for a sum, -1 for what has no kernel (no reduction, or a bad name, which the body reports)."""
    cdef Py_ssize_t i
    reduction = "mean"
    for i in range(2, count):
        value = <object><PyObject *>args[i]
        param = op.params[i]
        if param == "reduction":
            reduction = value
        elif value is not op.defaults[i] and value != op.defaults[i]:
            return -1
    if reduction == "mean":
        return 1
    return 0 if reduction == "sum" else -1


cdef object hot_mse(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, y, out
    cdef KernelArgs a
    cdef Node node
    cdef double scale
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    y = <Tensor><PyObject *>args[1]
    if (not tg_kernels or x.code != y.code or MSE[x.code] is NULL or not same_shape(x, y)
            or not x.contiguous or not y.contiguous or not x.count):
        return DECLINED
    scale = reduction_scale(op, args, count) if count > 2 else 1
    if scale < 0:
        return DECLINED
    out = new_scalar(x.code)
    begin(&a, 1)
    a.size[0] = x.count
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = out.at
    a.scalar[0] = scale
    launch(MSE[x.code], &a)
    if tg_grad and (needs_grad(x) or needs_grad(y)):
        node = new_node(op, out, mse_vjp)
        set_edge0(node, x)
        set_edge1(node, y)
        keep0(node, x)
        keep1(node, y)
        if scale == 0:
            node.settings = ("sum",)
    return out


cdef int mse_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef Tensor x = <Tensor>node.s0, y = <Tensor>node.s1
    cdef Tensor out
    # another thread may have given them other memory while the loss was computed
    if not same_shape(x, y) or x.code != y.code or x.code != g.code or not x.contiguous or not y.contiguous:
        return recompute_vjp(node, g)
    out = new_like(x, x.code)
    begin(&a, 1)
    a.size[0] = x.count
    a.data[0] = g.at
    a.data[1] = x.at
    a.data[2] = y.at
    a.data[3] = out.at
    a.scalar[0] = 0 if node.settings is not None else 1
    launch(MSE_BACKWARD[x.code], &a)
    if node.e0 is not None:
        accumulate(node, 0, out)
    if node.e1 is not None:
        accumulate(node, 1, <Tensor>unary(OP_NEG, out))
    return 0


# ---------------------------------------------------------------------------- cross_entropy

cdef object hot_cross_entropy(Op op, void **args, Py_ssize_t count):
    """Class indices, (N, C) logits, no weights and no smoothing."""
    cdef Tensor x, y, out, logs
    cdef KernelArgs a
    cdef Node node
    cdef Py_ssize_t i
    cdef double scale = 1
    cdef long long ignore = -100
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    y = <Tensor><PyObject *>args[1]
    if (not tg_kernels or CROSS_ENTROPY[x.code] is NULL or y.code != I64
            or x.nd != 2 or y.nd != 1 or not x.count
            or shape_of(x)[0] != y.count or not x.contiguous or not y.contiguous):
        return DECLINED
    for i in range(2, count):
        value = <object><PyObject *>args[i]
        param = op.params[i]
        if param == "reduction":
            if value == "mean":
                scale = 1
            elif value == "sum":
                scale = 0
            else:
                return DECLINED
        elif param == "ignore_index" and type(value) is int:
            ignore = value
        elif value is not op.defaults[i] and value != op.defaults[i]:
            return DECLINED
    out = new_scalar(x.code)
    logs = new_like(x, x.code)
    row_args(&a, x)
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = out.at
    a.data[3] = logs.at
    a.scalar[0] = scale
    a.integer[0] = ignore
    launch_classes(CROSS_ENTROPY[x.code], &a)
    if tg_grad and needs_grad(x):
        node = new_node(op, out, cross_entropy_vjp)
        set_edge0(node, x)
        keep0(node, x)
        keep1(node, y)
        node.output = logs
        node.v_output = version_of(logs)
        if scale != 1 or ignore != -100:
            node.settings = ("mean" if scale else "sum", ignore)
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
    if target.code != I64 or target.count != shape_of(logs)[0] or not target.contiguous:
        return recompute_vjp(node, g)
    out = new_like(logs, logs.code)
    row_args(&a, logs)
    a.data[0] = g.at
    a.data[1] = logs.at
    a.data[2] = target.at
    a.data[3] = out.at
    a.scalar[0] = 1 if node.settings is None or node.settings[0] == "mean" else 0
    a.integer[0] = -100 if node.settings is None else node.settings[1]
    launch_classes(CROSS_ENTROPY_BACKWARD[logs.code], &a)
    return accumulate(node, 0, out)


# ---------------------------------------------------------------------------- layer_norm

cdef object hot_layer_norm(Op op, void **args, Py_ssize_t count):
    """Over the last dimensions of a contiguous input; weight and bias, where given, contiguous and of its
    dtype.
    """
    cdef Tensor x, w = None, b = None, out, stats
    cdef KernelArgs a
    cdef Node node
    cdef Py_ssize_t dims[2], columns = 1
    cdef double eps = 1e-5
    cdef int k, n
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    shape = <object><PyObject *>args[1]
    if not tg_kernels or LAYER_NORM[x.code] is NULL or not isinstance(shape, (tuple, list)) or not x.contiguous or not x.count:
        return DECLINED
    n = <int>len(shape)
    if n == 0 or n > x.nd:
        return DECLINED
    for k in range(n):
        if shape[k] != shape_of(x)[x.nd - n + k]:
            return DECLINED
        columns *= shape_of(x)[x.nd - n + k]
    if count > 2 and <object><PyObject *>args[2] is not None:
        w = <Tensor?><object><PyObject *>args[2]
        if w.code != x.code or not w.contiguous or w.count != columns or w.nd != n:
            return DECLINED
    if count > 3 and <object><PyObject *>args[3] is not None:
        b = <Tensor?><object><PyObject *>args[3]
        if b.code != x.code or not b.contiguous or b.count != columns or b.nd != n:
            return DECLINED
    if count > 4:
        eps = <object><PyObject *>args[4]
    dims[0] = 2
    dims[1] = x.count // columns
    out = new_like(x, x.code)
    stats = new_tensor(2, dims, x.code)
    begin(&a, 2)
    a.size[0] = dims[1]
    a.size[1] = columns
    a.data[0] = x.at
    a.data[1] = NULL if w is None else w.at
    a.data[2] = NULL if b is None else b.at
    a.data[3] = out.at
    a.data[4] = stats.at
    a.data[5] = stats.at + dims[1] * ITEMSIZE[x.code]
    a.scalar[0] = eps
    launch(LAYER_NORM[x.code], &a)
    if tg_grad and (needs_grad(x) or (w is not None and needs_grad(w)) or (b is not None and needs_grad(b))):
        node = new_node(op, out, layer_norm_vjp)
        set_edge0(node, x)
        keep0(node, x)
        if w is not None:
            set_edge1(node, w)
            keep1(node, w)
        if b is not None:
            set_edge2(node, b)
            keep2(node, b)
        node.output = stats
        node.v_output = version_of(stats)
        node.settings = [None, tuple(shape), None, None, eps]
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
    launch(LAYER_NORM_BACKWARD[x.code], &a)
    if dx is not None:
        accumulate(node, 0, dx)
    if dw is not None:
        accumulate(node, 1, cast_raw(dw, x.code))
    if db is not None:
        accumulate(node, 2, cast_raw(db, x.code))
    return 0


cdef int recompute_vjp(Node node, Tensor g) except -1:
    """A fused op's gradients by running its body again on what it kept and differentiating that."""
    cdef Op op = node.op
    cdef list values = list(op.defaults)
    cdef list wanted = [], numbers = []
    cdef Py_ssize_t i, slot
    cdef int grad = tg_grad
    global tg_grad
    if node.settings is not None:
        if type(node.settings) is tuple:
            for name, value in zip(("reduction", "ignore_index"), node.settings):
                values[op.index[name]] = value
        else:
            values = list(node.settings) + values[len(<list>node.settings):]
    for slot, i in enumerate(op.tensor_index):
        kept = node.s0 if slot == 0 else node.s1 if slot == 1 else node.s2
        if slot < 3 and kept is not None:
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
            fresh = OP_VIEW_AS(kept)
            wanted.append(fresh)
            values[op.tensor_index[slot]] = fresh
        out = op.body(*values)
        grads = run_backward((out,), (g,), True, grad, wanted, True, True)
    finally:
        tg_grad = grad
    for slot, value in zip(numbers, grads):
        if value is not None:
            accumulate(node, slot, <Tensor>value)
    return 0


cdef object OP_VIEW_AS(object kept):
    """A tensor with the values and the graph of ``kept`` that is a node of its own."""
    return reshape_to(OP_RESHAPE, <Tensor>kept, (<Tensor>kept).nd, shape_of(<Tensor>kept), strides_of(<Tensor>kept))


# ---------------------------------------------------------------------------- views

cdef inline Tensor tensor_at(void **args, Py_ssize_t count):
    if count > 0 and isinstance(<object><PyObject *>args[0], Tensor):
        return <Tensor><PyObject *>args[0]
    return None


cdef object rest_of(void **args, Py_ssize_t count):
    """The sizes of ``op(x, 2, 3)`` or ``op(x, (2, 3))``."""
    cdef Py_ssize_t i
    if count == 2 and isinstance(<object><PyObject *>args[1], (tuple, list)):
        return <object><PyObject *>args[1]
    return tuple([<object><PyObject *>args[i] for i in range(1, count)])


cdef object hot_reshape(Op op, void **args, Py_ssize_t count):
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor x = tensor_at(args, count)
    if x is None or count < 2:
        return DECLINED
    if op.__name__ == "view":
        wanted = rest_of(args, count)
        if len(wanted) == 1 and isinstance(wanted[0], dtype):
            return view_as_dtype(op, x, (<dtype>wanted[0]).code)
    return reshape_as(op, x, read_sizes(args, count, shape, op.__name__), shape, op is OP_VIEW)


cdef object hot_flatten(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef int first, last, i
    cdef Py_ssize_t size = 1
    if x is None or x.nd == 0 or count > 3:
        return DECLINED
    first = wrap_dim(<object><PyObject *>args[1], x.nd) if count > 1 else 0
    last = wrap_dim(<object><PyObject *>args[2], x.nd) if count > 2 else x.nd - 1
    if first > last:
        return DECLINED
    if first == last:
        return x
    for i in range(first, last + 1):
        size *= shape_of(x)[i]
    shape = shape_tuple(x)
    return reshape(OP_RESHAPE, x, shape[:first] + (size,) + shape[last + 1:], False)


cdef object hot_transpose(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count != 3:
        return DECLINED
    return transpose(op, x, wrap_dim(<object><PyObject *>args[1], x.nd), wrap_dim(<object><PyObject *>args[2], x.nd))


cdef object hot_t(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count != 1:
        return DECLINED
    if x.nd > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.nd}D")
    return transpose(OP_TRANSPOSE, x, 0, 1 if x.nd == 2 else 0)


cdef object hot_permute(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef list order = []
    if x is None or count < 2:
        return DECLINED
    dims = rest_of(args, count)
    if len(dims) != x.nd:
        raise RuntimeError("permute(sparse_coo): number of dimensions in the tensor input does not match "
                           "the length of the desired "
                           f"ordering of dimensions i.e. input.dim() = {x.nd} is not equal to len(dims) = {len(dims)}"
                           .replace("(sparse_coo)", ""))
    for d in dims:
        order.append(wrap_dim(d, x.nd))
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed")
    return permute(op, x, order, [None, tuple(order), shape_tuple(x)])


cdef object hot_expand(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count < 2:
        return DECLINED
    return expand(op, x, rest_of(args, count))


cdef object hot_unsqueeze(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count != 2:
        return DECLINED
    return unsqueeze(op, x, <object><PyObject *>args[1])


cdef object hot_squeeze(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count > 2:
        return DECLINED
    dims = <object><PyObject *>args[1] if count == 2 else None
    if dims is None:
        return squeeze_dims(op, x, None)
    if isinstance(dims, (tuple, list)):
        wrapped = [wrap_dim(d, x.nd) for d in dims]
        if len(set(wrapped)) != len(wrapped):
            raise RuntimeError("squeeze(): a dim appears multiple times in the list of dims")
        return squeeze_dims(op, x, wrapped)
    return squeeze_dims(op, x, (wrap_dim(dims, x.nd),))


cdef object hot_select(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef Py_ssize_t dim, index, extent
    if x is None or count != 3 or isinstance(<object><PyObject *>args[2], Tensor):
        return DECLINED
    if x.nd == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    index = <object><PyObject *>args[2]
    extent = shape_of(x)[dim]
    if not -extent <= index < extent:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape_tuple(x))} at dimension {dim}")
    return select(x, dim, index + extent if index < 0 else index)


cdef object hot_slice(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count != 5:
        return DECLINED
    return slice_dim(op, x, <object><PyObject *>args[1], <object><PyObject *>args[2],
                     <object><PyObject *>args[3], <object><PyObject *>args[4])


cdef object hot_contiguous(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count > 2:
        return DECLINED
    if x.contiguous:
        return x
    return OP_CLONE(x)


cdef object hot_clone(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out
    if x is None or count != 1:
        return DECLINED
    out = clone_raw(x)
    if tg_grad and needs_grad(x):
        set_edge0(new_node(op, out, add_vjp), x)
    return out


cdef object hot_cast(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out
    cdef int code
    if x is None or count != 2:
        return DECLINED
    code = code_of(<object><PyObject *>args[1])
    if code == x.code:
        return x
    out = new_like(x, code)
    copy_into(out, x)
    if tg_grad and IS_FLOAT[code] and needs_grad(x):
        set_edge0(new_node(op, out, add_vjp), x)
    return out


cdef object hot_inplace(Op op, void **args, Py_ssize_t count):
    """``x.add_(y)`` and its kin."""
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    found = inplace_binary(<Op>op.rules, <Tensor><PyObject *>args[0], <object><PyObject *>args[1])
    return DECLINED if found is NotImplemented else found


cdef hot_fn hot_path_of(Op op) noexcept:
    """The C path of an op's calls, or NULL."""
    cdef str name = op.__name__
    cdef int i
    if op.kind == INPLACE:
        if (<Op>op.rules).kind == BINARY:
            return hot_inplace
        return NULL
    if op.kind == UNARY or op.kind == REDUCTION:
        for i in range(DTYPES):
            if op.kernels[i] is not NULL:
                if op.kind == UNARY:
                    return hot_unary
                return hot_reduction
        return NULL
    if op.kind == BINARY:
        return hot_binary
    if name == "_where": return hot_where
    if name == "_keep": return hot_keep
    if name == "matmul": return hot_matmul
    if name == "linear": return hot_linear
    if name == "reshape" or name == "view": return hot_reshape
    if name == "flatten": return hot_flatten
    if name == "transpose": return hot_transpose
    if name == "t": return hot_t
    if name == "permute": return hot_permute
    if name == "expand": return hot_expand
    if name == "unsqueeze": return hot_unsqueeze
    if name == "squeeze": return hot_squeeze
    if name == "select": return hot_select
    if name == "cat" or name == "concat" or name == "stack": return hot_join
    if name == "unbind": return hot_unbind
    if name == "_split": return hot_split
    if name == "_slice": return hot_slice
    if name == "contiguous": return hot_contiguous
    if name == "clone": return hot_clone
    if name == "_cast": return hot_cast
    if name == "_softmax" or name == "_log_softmax": return hot_rows
    if name == "mse_loss": return hot_mse
    if name == "cross_entropy": return hot_cross_entropy
    if name == "layer_norm": return hot_layer_norm
    if name == "batch_norm": return hot_batch_norm
    if name == "_dropout": return hot_masked
    if name in ("dropout", "dropout1d", "dropout2d", "dropout3d"): return hot_dropout
    if name == "_pick_rows": return hot_pick_rows
    if name == "index_select": return hot_index_select
    if name == "embedding": return hot_embedding
    if name == "vector_norm" or name == "_vector_norm": return hot_vector_norm
    if name == "argmax" or name == "argmin": return hot_position
    if name == "max" or name == "min": return hot_extreme
    return NULL


cdef vjp_fn fast_vjp_of(Op op) noexcept:
    """The C gradient of an op, or the one that follows the formulas."""
    cdef str name = op.__name__
    cdef int i
    if name == "add": return add_vjp
    if name == "sub": return sub_vjp
    if name == "mul": return mul_vjp
    if name == "div": return div_vjp
    if name == "pow": return pow_vjp
    if name == "neg": return neg_vjp
    if name == "sum": return sum_vjp
    if name == "mean": return mean_vjp
    if op.kind == UNARY:
        for i in range(DTYPES):
            if op.backward_kernels[i] is not NULL:
                return unary_vjp
    return formula_vjp
