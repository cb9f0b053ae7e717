# Views: other shapes and strides on the same memory.

cdef Tensor view_of(Tensor x, int ndim, const Py_ssize_t *shape, const Py_ssize_t *strides, char *at):
    """A view of ``x``; gradients are the caller's."""
    cdef Tensor t = Tensor.__new__(Tensor)
    cdef int i
    cdef Py_ssize_t *own_shape
    cdef Py_ssize_t *own_strides
    untrack(t)
    set_ndim(t, ndim)
    own_shape = shape_of(t)
    own_strides = strides_of(t)
    t.count = 1
    for i in range(ndim):
        own_shape[i] = shape[i]
        own_strides[i] = strides[i]
        t.count *= shape[i]
    t.code = x.code
    t.contiguous = looks_contiguous(t)
    t.block = x.block
    block_keep(t.block)
    t.at = at
    t.flags = x.flags & FLAG_INFERENCE
    t.base = x if x.base is None else x.base
    if x.base is not None:
        t.flags |= x.flags & FLAG_UNFOLLOWED_VIEW
    if not tg_grad:
        t.flags |= FLAG_NO_GRAD_VIEW
    if t.flags & FLAG_UNFOLLOWED_VIEW:
        t.history = version_of(x)
    t.seen = t.base.history
    return t


cdef inline int record_view(Op op, Tensor out, Tensor x, object settings, vjp_fn vjp) except -1:
    """Puts a view on the tape."""
    cdef Node node
    if tg_grad and needs_grad(x):
        node = new_node(op, out, vjp)
        set_edge0(node, x)
        node.settings = settings
    return 0


cdef bint reshaped_strides(Tensor x, int ndim, const Py_ssize_t *shape, Py_ssize_t *strides) noexcept:
    """The strides of ``x`` seen in another shape of the same size; False when that takes a copy."""
    cdef Py_ssize_t step = ITEMSIZE[x.code]
    cdef Py_ssize_t *old_shape = shape_of(x)
    cdef Py_ssize_t *old_strides = strides_of(x)
    cdef int i, old, new
    cdef Py_ssize_t chunk, covered, base_stride
    if x.contiguous:
        for i in range(ndim - 1, -1, -1):
            strides[i] = step
            if shape[i] > 0:
                step *= shape[i]
        return True
    new = ndim - 1
    old = x.nd - 1
    base_stride = ITEMSIZE[x.code]
    while old >= 0:
        while old >= 0 and old_shape[old] == 1:
            old -= 1
        if old < 0:
            break
        base_stride = old_strides[old]
        chunk = old_shape[old]
        old -= 1
        while old >= 0 and (old_shape[old] == 1 or old_strides[old] == base_stride * chunk):
            chunk *= old_shape[old]
            old -= 1
        covered = 1
        while new >= 0 and (covered < chunk or shape[new] == 1):
            strides[new] = base_stride * covered
            covered *= shape[new]
            new -= 1
        if covered != chunk:
            return False
    while new >= 0:
        strides[new] = base_stride
        new -= 1
    return True


cdef inline Py_ssize_t times(Py_ssize_t a, Py_ssize_t b) except -1:
    """The product of two extents; refuses what does not fit in 64 bits."""
    if (a | b) >> 31 and b > 0 and a > PY_SSIZE_T_MAX // b:
        raise RuntimeError("numel: integer multiplication overflow")
    return a * b


cdef inline Py_ssize_t plus(Py_ssize_t a, Py_ssize_t b) except -1:
    """The sum of two extents; refuses what does not fit in 64 bits."""
    if a > PY_SSIZE_T_MAX - b:
        raise RuntimeError("size: integer addition overflow")
    return a + b


cdef int infer_shape(Tensor x, Py_ssize_t *shape, int ndim) except -1:
    """Fills in a -1 and checks that the sizes agree."""
    cdef Py_ssize_t known = 1
    cdef int i, unknown = -1
    for i in range(ndim):
        if shape[i] == -1:
            if unknown >= 0:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif shape[i] < 0:
            raise RuntimeError(f"invalid shape dimension {shape[i]} at index {i} of shape {[shape[k] for k in range(ndim)]}")
        else:
            known = times(known, shape[i])
    if unknown >= 0:
        if known == 0:
            raise RuntimeError(f"cannot reshape tensor of {x.count} elements into shape {[shape[i] for i in range(ndim)]} "
                               "because the unspecified dimension size -1 can be any value and is ambiguous")
        if x.count % known:
            known = -1
        else:
            shape[unknown] = x.count // known
            known = x.count
    if known != x.count:
        raise RuntimeError(f"shape '{[shape[i] for i in range(ndim)]}' is invalid for input of size {x.count}")
    return 0


cdef Tensor view_as_dtype(Op op, Tensor x, int code):
    """The bytes of ``x`` read as another dtype; off the graph unless the dtype stays."""
    cdef Py_ssize_t old = ITEMSIZE[x.code], new = ITEMSIZE[code], ratio
    cdef int i, last = x.nd - 1
    cdef Tensor out
    cdef str names = f"{title(x.code)} as {title(code)} (different element sizes)"
    if code == x.code:
        return reshape_to(op, x, x.nd, shape_of(x), strides_of(x))
    out = alias_of(x)
    out.code = code
    if old != new:
        if last < 0:
            raise RuntimeError(f"self.dim() cannot be 0 to view {names}")
        if strides_of(x)[last] != old:
            raise RuntimeError(f"self.stride(-1) must be 1 to view {names}, but got {strides_of(x)[last] // old}")
        if old > new:
            ratio = old // new
            out.count = times(out.count, ratio)
            shape_of(out)[last] = times(shape_of(out)[last], ratio)
        else:
            ratio = new // old
            if shape_of(x)[last] % ratio:
                raise RuntimeError(f"self.size(-1) must be divisible by {ratio} to view {names}, but got {shape_of(x)[last]}")
            if <size_t>x.at % new:
                raise RuntimeError(
                    f"self.storage_offset() must be divisible by {ratio} to view {names}, but got {x.storage_offset()}")
            for i in range(last):
                if strides_of(x)[i] % new:
                    raise RuntimeError(f"self.stride({i}) must be divisible by {ratio} to view {names}, but got "
                                       f"{strides_of(x)[i] // old}")
            shape_of(out)[last] //= ratio
            out.count //= ratio
        strides_of(out)[last] = new
        out.contiguous = looks_contiguous(out)
    return out


cdef inline Py_ssize_t one_dim(object value, Py_ssize_t position, str who) except? -7:
    """An int of a shape; behind the first a truth value counts as one."""
    if type(value) is int:
        return value
    if isinstance(value, (float, str)) or value is None or (isinstance(value, bool) and not position):
        raise TypeError(f"{who}(): argument 'shape' must be tuple of ints, but found element of type "
                        f"{type(value).__name__} at pos {position}")
    return value


cdef int read_dims(object sizes, Py_ssize_t *dims, str who) except -1:
    """Writes a sequence of ints to ``dims``; gives its length."""
    cdef Py_ssize_t i, count
    sizes = tuple(sizes)                # a list may be changed by what reading its elements runs
    count = len(sizes)
    if count > MAX_DIMS:
        raise RuntimeError(f"{who}(): a tensor has at most {MAX_DIMS} dimensions, not {count}")
    for i in range(count):
        dims[i] = one_dim(sizes[i], i, who)
    return <int>count


cdef int read_sizes(void **args, Py_ssize_t count, Py_ssize_t *dims, str who) except -1:
    """The same of a call's arguments: ``op(x, 2, 3)`` or ``op(x, (2, 3))``."""
    cdef Py_ssize_t i
    if count == 2 and isinstance(<object><PyObject *>args[1], (tuple, list)):
        return read_dims(<object><PyObject *>args[1], dims, who)
    if count > MAX_DIMS + 1:
        raise RuntimeError(f"{who}(): a tensor has at most {MAX_DIMS} dimensions, not {count - 1}")
    for i in range(1, count):
        dims[i - 1] = one_dim(<object><PyObject *>args[i], i - 1, who)
    return <int>(count - 1)


cdef Tensor reshape(Op op, Tensor x, object sizes, bint must_view):
    """The elements of ``x`` in another shape; a view where the strides allow it."""
    cdef Py_ssize_t shape[MAX_DIMS]
    return reshape_as(op, x, read_dims(sizes, shape, op.__name__), shape, must_view)


cdef Tensor reshape_as(Op op, Tensor x, int ndim, Py_ssize_t *shape, bint must_view):
    cdef Py_ssize_t strides[MAX_DIMS]
    infer_shape(x, shape, ndim)
    if reshaped_strides(x, ndim, shape, strides):
        return reshape_to(op, x, ndim, shape, strides)
    if must_view:
        raise RuntimeError("view size is not compatible with input tensor's size and stride (at least one dimension spans "
                           "across two contiguous subspaces). Use .reshape(...) instead.")
    x = OP_CONTIGUOUS(x)
    reshaped_strides(x, ndim, shape, strides)
    return reshape_to(op, x, ndim, shape, strides)


cdef Tensor reshape_to(Op op, Tensor x, int ndim, Py_ssize_t *shape, Py_ssize_t *strides):
    cdef Tensor out = view_of(x, ndim, shape, strides, x.at)
    if tg_grad and needs_grad(x):
        record_view(op, out, x, [None, shape_tuple(out), shape_tuple(x)], reshape_vjp)
    return out


cdef int reshape_vjp(Node node, Tensor g) except -1:
    return accumulate(node, 0, reshape(OP_RESHAPE, g, node.settings[2], False))


cdef Tensor permute(Op op, Tensor x, list order):
    """Dimensions in another order, which is checked."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef int i, d
    if len(order) != x.nd:
        raise RuntimeError(f"permute: {len(order)} dims for a tensor that has {x.nd} now")
    for i in range(x.nd):
        d = order[i]
        shape[i] = shape_of(x)[d]
        strides[i] = strides_of(x)[d]
    cdef Tensor out = view_of(x, x.nd, shape, strides, x.at)
    if tg_grad and needs_grad(x):
        record_view(op, out, x, [None, tuple(order), shape_tuple(x)], permute_vjp)
    return out


cdef int permute_vjp(Node node, Tensor g) except -1:
    cdef list inverse = [0] * g.nd
    cdef Py_ssize_t i
    for i, d in enumerate(node.settings[1]):
        inverse[d] = i
    return accumulate(node, 0, permute(OP_PERMUTE, g, inverse))


cdef Tensor transpose(Op op, Tensor x, int p, int q):
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef Py_ssize_t kept
    cdef Tensor out
    memcpy(shape, shape_of(x), x.nd * sizeof(Py_ssize_t))
    memcpy(strides, strides_of(x), x.nd * sizeof(Py_ssize_t))
    if x.nd:
        kept = shape[p]
        shape[p] = shape[q]
        shape[q] = kept
        kept = strides[p]
        strides[p] = strides[q]
        strides[q] = kept
    out = view_of(x, x.nd, shape, strides, x.at)
    if tg_grad and needs_grad(x):
        if op is OP_TRANSPOSE:
            record_view(op, out, x, [None, p, q], transpose_vjp)
        else:
            record_view(op, out, x, [None], t_vjp)
    return out


cdef int transpose_vjp(Node node, Tensor g) except -1:
    return accumulate(node, 0, transpose(OP_TRANSPOSE, g, node.settings[1], node.settings[2]))


cdef int t_vjp(Node node, Tensor g) except -1:
    return accumulate(node, 0, transpose(node.op, g, 0, 1 if g.nd == 2 else 0))


cdef Tensor select_raw(Tensor x, int dim, Py_ssize_t index):
    """One index of one dimension, which goes; off the tape."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef int i, n = 0
    for i in range(x.nd):
        if i != dim:
            shape[n] = shape_of(x)[i]
            strides[n] = strides_of(x)[i]
            n += 1
    return view_of(x, n, shape, strides, x.at + index * strides_of(x)[dim])


cdef Tensor select(Tensor x, int dim, Py_ssize_t index):
    cdef Tensor out = select_raw(x, dim, index)
    if tg_grad and needs_grad(x):
        record_view(OP_SELECT, out, x, [None, dim, index, shape_tuple(x)], select_vjp)
    return out


cdef Tensor slice_raw(Tensor x, int dim, Py_ssize_t start, Py_ssize_t length, Py_ssize_t step):
    """``length`` indices of one dimension from ``start``, every ``step``-th; off the tape."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    memcpy(shape, shape_of(x), x.nd * sizeof(Py_ssize_t))
    memcpy(strides, strides_of(x), x.nd * sizeof(Py_ssize_t))
    shape[dim] = length
    strides[dim] = <Py_ssize_t>(<size_t>strides[dim] * <size_t>step)     # of a single element it may pass all bounds
    return view_of(x, x.nd, shape, strides, x.at + start * strides_of(x)[dim])


cdef Tensor slice_dim(Op op, Tensor x, int dim, Py_ssize_t start, Py_ssize_t length, Py_ssize_t step):
    cdef Tensor out = slice_raw(x, dim, start, length, step)
    if tg_grad and needs_grad(x):
        record_view(op, out, x, [None, dim, start, length, step, shape_tuple(x)], slice_vjp)
    return out


cdef int select_vjp(Node node, Tensor g) except -1:
    cdef list settings = <list>node.settings
    cdef Tensor full = zeros_of(settings[3], g.code)
    put_part(select_raw(full, settings[1], settings[2]), g)
    return accumulate_new(node, 0, full)


cdef int slice_vjp(Node node, Tensor g) except -1:
    cdef list settings = <list>node.settings
    cdef Tensor full = zeros_of(settings[5], g.code)
    put_part(slice_raw(full, settings[1], settings[2], settings[3], settings[4]), g)
    return accumulate_new(node, 0, full)


cdef Tensor zeros_of(tuple shape, int code):
    cdef Py_ssize_t dims[MAX_DIMS]
    cdef int ndim = read_dims(shape, dims, "zeros")
    cdef Tensor full = new_tensor(ndim, dims, code)
    fill_raw(full, 0.0)
    return full


cdef int put_part(Tensor part, Tensor g) except -1:
    """Writes a gradient into its place among zeros."""
    if not same_shape(part, g):
        raise RuntimeError(f"a gradient of shape {list(shape_tuple(g))} arrived at a view of shape {list(shape_tuple(part))}: "
                           f"was its .data replaced?")
    return copy_into(part, g)


cdef Tensor expand(Op op, Tensor x, object sizes):
    """``x`` with dimensions of size 1 repeated without copying."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef int i, old, ndim = read_dims(sizes, shape, op.__name__)
    cdef Py_ssize_t elements = 1
    cdef Tensor out
    if ndim < x.nd:
        raise RuntimeError(f"expand({DTYPE_LIST[x.code].name}{list(shape_tuple(x))}, size={list(sizes)}): the number of sizes "
                           f"provided ({ndim}) must be greater or equal to the number of dimensions in the tensor ({x.nd})")
    for i in range(ndim):
        old = i - (ndim - x.nd)
        if old < 0:
            if shape[i] < 0:
                raise RuntimeError(f"The expanded size of the tensor ({shape[i]}) isn't allowed in a leading, non-existing "
                                   f"dimension {i}")
            strides[i] = 0
        elif shape[i] == -1 or shape[i] == shape_of(x)[old]:
            shape[i] = shape_of(x)[old]
            strides[i] = strides_of(x)[old]
        elif shape_of(x)[old] == 1 and shape[i] >= 0:
            strides[i] = 0
        else:
            raise RuntimeError(f"The expanded size of the tensor ({shape[i]}) must match the existing size ({shape_of(x)[old]}) "
                               f"at non-singleton dimension {i}.  Target sizes: {list(sizes)}.  Tensor sizes: "
                               f"{list(shape_tuple(x))}")
    for i in range(ndim):
        elements = times(elements, shape[i])
    out = view_of(x, ndim, shape, strides, x.at)
    if tg_grad and needs_grad(x):
        record_view(op, out, x, [None, shape_tuple(out), shape_tuple(x)], expand_vjp)
    return out


cdef int expand_vjp(Node node, Tensor g) except -1:
    cdef Tensor summed = sum_to(g, node.settings[2])
    return accumulate(node, 0, g) if summed is g else accumulate_new(node, 0, summed)


cdef Tensor squeeze_dims(Op op, Tensor x, object dims):
    """Without the dimensions of size 1 among ``dims`` (all of them if None)."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef int i, n = 0
    for i in range(x.nd):
        if shape_of(x)[i] == 1 and (dims is None or i in dims):
            continue
        shape[n] = shape_of(x)[i]
        strides[n] = strides_of(x)[i]
        n += 1
    return reshape_to(op, x, n, shape, strides)


cdef Tensor unsqueeze(Op op, Tensor x, object at):
    """With a new dimension of size 1."""
    cdef Py_ssize_t shape[MAX_DIMS + 1]
    cdef Py_ssize_t strides[MAX_DIMS + 1]
    cdef int i, n = 0, dim = wrap_dim(at, x.nd + 1)
    for i in range(x.nd + 1):
        if i == dim:
            shape[i] = 1
            strides[i] = ITEMSIZE[x.code] if i == x.nd else shape_of(x)[i] * strides_of(x)[i]
        else:
            shape[i] = shape_of(x)[n]
            strides[i] = strides_of(x)[n]
            n += 1
    return reshape_to(op, x, x.nd + 1, shape, strides)


cdef enum:
    MOST_PARTS = 1 << 24        # some gigabytes of tensors

MAX_PARTS = MOST_PARTS


cdef tuple parts_of(Op op, Tensor x, int dim, object sizes, list settings):
    """Views of ``sizes`` indices of one dimension, one after the other, or of every index where ``sizes`` is None: the outputs
    of one node, whose gradient is one join."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef Py_ssize_t i, start = 0, count = shape_of(x)[dim] if sizes is None else len(sizes), step = strides_of(x)[dim]
    cdef int d, n = 0
    cdef list outs = []
    cdef Node node
    if count > MOST_PARTS:
        raise RuntimeError(f"{op.__name__}: {count} parts are too many, there can be {MOST_PARTS} at most")
    for d in range(x.nd):
        if d != dim or sizes is not None:
            shape[n] = shape_of(x)[d]
            strides[n] = strides_of(x)[d]
            n += 1
    for i in range(count):
        if sizes is not None:
            shape[dim] = sizes[i]
        outs.append(view_of(x, n, shape, strides, x.at + start * step))
        start += 1 if sizes is None else shape[dim]
    if count and tg_grad and needs_grad(x):
        node = new_node(op, <Tensor>outs[0], formula_vjp)
        set_edge0(node, x)
        settings.append(shape_tuple(x))
        node.settings = settings
        if count > 1:
            record_outputs(node, outs, 0)
    return tuple(outs)


cdef Tensor view_from_array(Tensor x, cnp.ndarray array):
    """The view of ``x`` that a body's array shows."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef Py_ssize_t elements = 1
    cdef int i
    for i in range(array.ndim):
        shape[i] = cnp.PyArray_DIM(array, i)
        strides[i] = cnp.PyArray_STRIDE(array, i)
        elements = times(elements, shape[i])
    return view_of(x, array.ndim, shape, strides, <char *>cnp.PyArray_DATA(array) if array.size else x.at)


cdef int refuse_outside(Op op, Tensor x, cnp.ndarray array) except -1:
    """What a view's body gives that does not lie in the memory of ``x`` must be a copy, with memory of its own."""
    cdef object owner = array
    while isinstance(cnp.get_array_base(owner), cnp.ndarray):
        owner = cnp.get_array_base(owner)
    if array.size and not cnp.PyArray_CHKFLAGS(owner, cnp.NPY_ARRAY_OWNDATA):
        raise RuntimeError(f"{op.__name__}(): a view of shape {list((<object>array).shape)} would leave the memory that a tensor "
                           f"of shape {list(shape_tuple(x))} shows")
    return 0


cdef bint within(Tensor x, cnp.ndarray array):
    """Whether the array shows memory of ``x``, and no other."""
    cdef char *low
    cdef char *high
    cdef char *start = block_start(x.block)
    if array.size == 0:
        return cnp.PyArray_BASE(array) is not NULL
    if x.count == 0:
        return False
    span_of_array(array, &low, &high)
    return start <= low and high <= start + block_nbytes(x.block)
