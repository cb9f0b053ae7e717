# x[index]: ints, slices, None and Ellipsis give views here; masks and integer arrays go to the ops `_index` and `_index_put`.

cdef object get_item(Tensor x, object index):
    """``x[index]``."""
    cdef Py_ssize_t position, extent
    if type(index) is int and x.nd:
        extent = shape_of(x)[0]
        position = index
        if not -extent <= position < extent:
            raise IndexError(f"index {position} is out of bounds for dimension 0 with size {extent}")
        return select(x, 0, position + extent if position < 0 else position)
    if isinstance(index, Tensor) and (<Tensor>index).nd and (<Tensor>index).code in (I64, I32) and x.nd:
        return OP_GATHER_ROWS(x, index)
    if isinstance(index, Tensor) and (<Tensor>index).code == BOOL:
        chosen = masked_item(x, <Tensor>index)
        return OP_INDEX(x, index) if chosen is None else chosen
    parts = plain_parts(index)
    if parts is None:
        picked = None if type(index) is not tuple else picked_item(x, index)
        return OP_INDEX(x, index) if picked is None else picked
    return basic_view(x, parts)


cdef object picked_item(Tensor x, tuple index):
    """``x[index]`` of one tensor of integers among plain parts; None for any other index, and where it names nothing."""
    cdef Py_ssize_t at = -1, i
    cdef Tensor each = None, view
    cdef int dim = 0, behind = 0
    for i, part in enumerate(index):
        if isinstance(part, Tensor) and (<Tensor>part).nd:
            if each is not None or not are_indices(<Tensor>part):
                return None
            each, at = <Tensor>part, i
        elif not is_plain(part):
            return None
    if each is None:
        return None
    view = basic_view(x, index[:at] + (slice(None),) + index[at + 1:])
    if Ellipsis in [part for part in index[:at] if part is Ellipsis]:
        for part in index[at + 1:]:
            behind += part is None or isinstance(part, slice)
        dim = view.nd - 1 - behind
    else:
        for part in index[:at]:
            dim += part is None or isinstance(part, slice)
    shape = shape_tuple(view)
    out = pick_along(view, dim, each, True)
    if out is not None:
        record_pick(out, view, each, dim, shape)
    return out


cdef object heard_item(Tensor x, object index, object value=MISSING):
    """``x[index]``, or ``x[index] = value``."""
    cdef bint writes = value is not MISSING
    cdef Py_ssize_t waiting = count_waiting()
    if tg_overriding and not tg_apart and (takes_over(x) or writes and takes_over(value)):
        return _hand_over(Tensor.__dict__["__setitem__" if writes else "__getitem__"],
                          (x, index, value) if writes else (x, index), {})
    cdef Event event = begin_heard("op", "__setitem__" if writes else "__getitem__")
    try:
        result = x if writes else get_item(x, index)
        if writes:
            set_item(x, index, value)
        if event is not None:
            describe(event, (x, index, value), result)
    finally:
        end_write(event)
    pack_since(waiting)
    return result


cdef bint is_plain(object part):
    """Whether an index part is an int (also a 0-d array or tensor), a slice, None or Ellipsis."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return True
    if isinstance(part, (bool, np.bool_)):
        return False
    if isinstance(part, (int, np.integer)):
        return True
    if isinstance(part, np.ndarray):
        return part.ndim == 0 and part.dtype.kind in "iu" and part.dtype != np.uint8      # which is a mask
    return isinstance(part, Tensor) and (<Tensor>part).nd == 0 and (<Tensor>part).code in (I8, I16, I32, I64)


cdef object plain_parts(object index):
    """The parts of an index that is all ints, slices, None and Ellipsis; None for any other."""
    if type(index) is tuple:
        for part in index:
            if not is_plain(part):
                return None
        return index
    if is_plain(index):
        return (index,)
    return None


cdef Tensor basic_view(Tensor x, tuple parts):
    """The view that a plain index gives."""
    cdef Py_ssize_t used = 0, dim = 0, extent, start, stop, step, position
    cdef bint dots = False
    cdef Tensor out = x
    parts = tuple([whole_part(part) for part in parts])     # what that runs may change x
    for part in parts:
        if part is Ellipsis:
            if dots:
                raise IndexError("an index can only have a single ellipsis ('...')")
            dots = True
        elif part is not None:
            used += 1
    if used > x.nd:
        raise IndexError(f"too many indices for tensor of dimension {x.nd}")
    for part in parts:
        if part is None:
            out = unsqueeze(OP_UNSQUEEZE, out, dim)
            dim += 1
        elif part is Ellipsis:
            dim += x.nd - used
        elif isinstance(part, slice):
            extent = shape_of(out)[dim]
            if part.step is not None and part.step <= 0:
                raise ValueError("step must be greater than zero")
            start, stop, step = part.indices(extent)
            if start != 0 or stop != extent or step != 1:
                out = slice_dim(OP_SLICE, out, dim, start, (stop - start - 1) // step + 1 if stop > start else 0, step)
            dim += 1
        else:
            extent = shape_of(out)[dim]
            position = part
            if not -extent <= position < extent:
                raise IndexError(f"index {position} is out of bounds for dimension {dim} with size {extent}")
            out = select(out, dim, position + extent if position < 0 else position)
    if out is x:
        out = reshape_to(OP_RESHAPE, x, x.nd, shape_of(x), strides_of(x))
    return out


cdef object whole_part(object part):
    """A part of a plain index with ints for whatever stands for some."""
    if part is None or part is Ellipsis or type(part) is int:
        return part
    if isinstance(part, slice):
        return slice(whole(part.start), whole(part.stop), whole(part.step))
    return int(part)


cdef inline object whole(object bound):
    return bound if bound is None or type(bound) is int else PyNumber_Index(bound)


cdef int set_item(Tensor x, object index, object value) except -1:
    """``x[index] = value``."""
    cdef Tensor target, source
    if isinstance(index, Tensor) and (<Tensor>index).code == BOOL and x.code in (F32, F64) and (<Tensor>index).nd and (
            type(value) in (int, float)) and same_shape(x, <Tensor>index):
        CORE_OPS["masked_fill_"](x, index, value)
        return 0
    parts = plain_parts(index)
    if parts is None or not (isinstance(value, Tensor) or is_number(value)):
        CORE_OPS["_index_put_"](x, index, value)
        return 0
    if isinstance(value, Tensor):
        source = <Tensor>value
    else:
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            raise ValueError(f"Overflow when unpacking long long: {value} does not fit in 64 bits")
        source = number_tensor(fitting(value, x.code, False), x.code)
    target = basic_view(x, parts)
    enter_inplace(target)
    if not fits_into(source, target):
        source = trimmed(source, target)
    if tg_grad and (needs_grad(source) or needs_grad(target) or needs_grad(x)):
        if source.code != x.code:
            source = OP_CAST(source, DTYPE_LIST[x.code])
        assign(target, linked(source), False)
        return 0
    x.block.version += 1
    copy_into(target, source)
    look_at_item(target, source)
    return 0


cdef Tensor trimmed(Tensor source, Tensor target):
    """A value may have more leading dimensions of size 1 than its place."""
    cdef Py_ssize_t i = 0
    while source.nd - i > target.nd and shape_of(source)[i] == 1:
        i += 1
    if i:
        source = reshape(OP_RESHAPE, source, shape_tuple(source)[i:], False)
    if not fits_into(source, target):
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(shape_tuple(source))} cannot be broadcast to indexing "
                           f"result of shape {list(shape_tuple(target))}")
    return source


def _is_plain_index(index):
    """Whether an index is all ints, slices, None and Ellipsis."""
    return plain_parts(index) is not None


def _is_plain(part):
    """Whether a part of an index gives a view: an int, a slice, None or Ellipsis."""
    return is_plain(part)


def _basic_index(Tensor x not None, tuple parts):
    """The view of an index of ints, slices, None and Ellipsis."""
    return basic_view(x, parts)


cdef Tensor pick_rows(Tensor x, Tensor index, bint from_end):
    """The rows of ``x`` that ``index`` names, off the tape; None where there is no kernel for it, or an index names no row."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor out
    cdef KernelArgs a
    cdef int64_t wrong = 0, step
    cdef int i
    begin(&a, 2)
    if not tg_kernels or index.code not in (I64, I32):
        return None
    index = contiguous_of(cast_raw(index, I64))     # before x is looked at: other threads run meanwhile
    if x.nd == 0 or index.nd + x.nd - 1 > MAX_DIMS or not (
            collapse(x, 1, x.nd, &a.size[1], &step)) or step != ITEMSIZE[x.code]:
        return None
    memcpy(shape, shape_of(index), index.nd * sizeof(Py_ssize_t))
    for i in range(1, x.nd):
        shape[index.nd + i - 1] = shape_of(x)[i]
    out = new_tensor(index.nd + x.nd - 1, shape, x.code)
    a.size[0] = index.count
    a.data[0] = x.at
    a.data[1] = index.at
    a.data[2] = out.at
    a.data[3] = &wrong
    a.integer[0] = shape_of(x)[0]
    a.integer[1] = from_end
    a.stride[0][0] = strides_of(x)[0]
    launch(OP_GATHER_ROWS.kernels[x.code], &a)
    return None if wrong else out


cdef int record_rows(Op op, Tensor out, Tensor x, Tensor index, list settings) except -1:
    cdef Node node
    if not tg_grad or not IS_FLOAT[x.code] or not needs_grad(x):
        return 0
    node = record_one(op, out, x, 0)
    keep1(node, index)
    settings.append(shape_tuple(x))
    node.settings = settings
    return 0


cdef object hot_gather_rows(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, index, out
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[1]
    out = pick_rows(x, index, True)
    if out is None:
        return DECLINED
    record_rows(op, out, x, index, [None, None])
    return out


cdef object hot_index_select(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, index, out
    cdef int dim
    if count < 3 or type(<object><PyObject *>args[1]) is not int or (count > 3 and <object><PyObject *>args[3] is not None):
        return DECLINED
    if not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[2], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    index = <Tensor><PyObject *>args[2]
    if index.nd != 1 or x.nd == 0:
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    shape = shape_tuple(x)
    out = pick_along(x, dim, index, False)
    if out is None:
        return DECLINED
    record_pick(out, x, index, dim, shape)
    return out


cdef object hot_embedding(Op op, void **args, Py_ssize_t count):
    """``embedding(index, table, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)`` that shortens no rows."""
    cdef Tensor x, index, out
    cdef Py_ssize_t padding = -1, rows
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    index = <Tensor><PyObject *>args[0]
    x = <Tensor><PyObject *>args[1]
    if x.nd != 2 or (count > 3 and <object><PyObject *>args[3] is not None) or (count > 6 and <object><PyObject *>args[6]):
        return DECLINED
    if count > 2 and <object><PyObject *>args[2] is not None:
        if type(<object><PyObject *>args[2]) is not int:
            return DECLINED
        rows = shape_of(x)[0]
        padding = <object><PyObject *>args[2]
        if not -rows <= padding < rows:
            return DECLINED
        padding += rows if padding < 0 else 0
    out = pick_rows(x, index, False)
    if out is None:
        return DECLINED
    record_rows(OP_EMBEDDING, out, x, index,
                [None, None, padding, count > 5 and bool(<object><PyObject *>args[5])])
    return out


cdef int picked_vjp(Node node, Tensor g) except -1:
    """The gradient of picked rows: each added up where it came from, those of an embedding's padding nowhere."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor full, index = <Tensor>node.s1
    cdef KernelArgs a
    cdef int64_t wrong[2]
    cdef list settings = node.settings
    cdef bint plain = node.op is OP_GATHER_ROWS
    cdef int nd = read_dims(settings[len(settings) - 1], shape, node.op.__name__)
    if OP_SCATTER_ADD_ROWS.kernels[g.code] is NULL or index.code not in (I64, I32) or g.nd != index.nd + nd - 1 or (
            not plain and settings[3]):
        return formula_vjp(node, g)
    g = contiguous_of(g)
    index = contiguous_of(cast_raw(index, I64))
    full = new_tensor(nd, shape, g.code)
    if full.count:
        fill_raw(full, 0.0)
    if g.count == 0:
        return accumulate_new(node, 0, full)
    begin(&a, 2)
    a.size[0] = index.count
    a.size[1] = g.count // index.count
    a.data[0] = g.at
    a.data[1] = index.at
    a.data[2] = full.at
    a.data[3] = wrong
    a.integer[0] = shape[0]
    a.integer[1] = -1 if plain else settings[2]
    a.integer[2] = plain
    a.stride[2][0] = a.size[1] * ITEMSIZE[g.code]
    wrong[0] = -1
    if a.size[1] * shape[0] != full.count:
        return formula_vjp(node, g)
    launch(OP_SCATTER_ADD_ROWS.kernels[g.code], &a)
    if wrong[0] >= 0:
        raise IndexError(f"index {wrong[1]} is out of bounds for dimension 0 with size {shape[0]}")
    return accumulate_new(node, 0, full)


native("_gather_rows", hot_gather_rows, picked_vjp, 0)
native("index_select", hot_index_select, NULL, 0)
native("embedding", hot_embedding, NULL, 0)
native("_embedding", NULL, picked_vjp, 0)


def _add_rows(cnp.ndarray full not None, cnp.ndarray index not None, cnp.ndarray rows not None):
    """Adds ``rows[i]`` to ``full[index[i]]`` by the kernel, in order, and tells whether there is one for these arrays.

    ``full`` and ``rows`` have two dimensions, ``index`` one, of int64.
    """
    cdef KernelArgs a
    cdef int64_t wrong[2]
    cdef int number = cnp.PyArray_TYPE(full)
    cdef int code = CODE_OF_NUMPY[number] if 0 <= number < 32 else NO_DTYPE
    if (not tg_kernels or code == NO_DTYPE or OP_SCATTER_ADD_ROWS.kernels[code] is NULL or cnp.PyArray_TYPE(rows) != number
            or cnp.PyArray_NDIM(full) != 2 or cnp.PyArray_NDIM(rows) != 2 or cnp.PyArray_NDIM(index) != 1
            or not cnp.PyArray_ISBEHAVED(full)
            or not cnp.PyArray_IS_C_CONTIGUOUS(full) or not cnp.PyArray_IS_C_CONTIGUOUS(rows)
            or not cnp.PyArray_IS_C_CONTIGUOUS(index)
            or index.dtype.num != NUMPY_TYPE[I64]):
        return False
    if cnp.PyArray_DIM(rows, 0) != cnp.PyArray_DIM(index, 0) or cnp.PyArray_DIM(rows, 1) != cnp.PyArray_DIM(full, 1):
        raise RuntimeError(f"rows of shape {(<object>rows).shape} do not go into {(<object>full).shape} at "
                           f"{cnp.PyArray_DIM(index, 0)} places")
    begin(&a, 2)
    a.size[0] = cnp.PyArray_DIM(index, 0)
    a.size[1] = cnp.PyArray_DIM(full, 1)
    a.data[0] = cnp.PyArray_DATA(rows)
    a.data[1] = cnp.PyArray_DATA(index)
    a.integer[0] = cnp.PyArray_DIM(full, 0)
    a.integer[1] = -1
    a.data[2] = cnp.PyArray_DATA(full)
    a.data[3] = wrong
    a.stride[2][0] = cnp.PyArray_STRIDE(full, 0)
    wrong[0] = -1
    launch(OP_SCATTER_ADD_ROWS.kernels[code], &a)
    if wrong[0] >= 0:
        raise IndexError(f"index {wrong[1]} is out of bounds for dimension 0 with size {a.integer[0]}")
    return True


def _by_rows(str name not None, cnp.ndarray x not None, cnp.ndarray table not None, cnp.ndarray starts not None,
             cnp.ndarray columns not None, cnp.ndarray out not None):
    """Runs ``csr_product`` or ``csr_sampled`` on a matrix in CSR, and tells whether there is one for these arrays, which are
    contiguous and of shapes that fit.
    """
    cdef KernelArgs a
    cdef int64_t wrong = 0
    cdef int number = cnp.PyArray_TYPE(table)
    cdef int code = CODE_OF_NUMPY[number] if 0 <= number < 32 else NO_DTYPE
    cdef const Kernel *kernel = NULL if code == NO_DTYPE else find(name.encode(), code)
    if not tg_kernels or kernel is NULL:
        return False
    for each in (x, table, starts, columns, out):
        if not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>each):
            return False
    begin(&a, 2)
    a.size[0] = cnp.PyArray_DIM(columns, 0)
    a.size[1] = cnp.PyArray_DIM(table, 1)
    a.size[2] = cnp.PyArray_DIM(starts, 0) - 1
    a.size[3] = a.size[2] + 1
    a.data[0] = cnp.PyArray_DATA(x)
    a.data[1] = cnp.PyArray_DATA(table)
    a.data[2] = cnp.PyArray_DATA(starts)
    a.data[3] = cnp.PyArray_DATA(columns)
    a.data[4] = cnp.PyArray_DATA(out)
    a.data[5] = &wrong
    a.integer[0] = cnp.PyArray_DIM(table, 0)
    a.stride[1][0] = cnp.PyArray_STRIDE(table, 0)
    launch(kernel, &a)
    if wrong:
        raise IndexError(f"{name}: an entry stands in a column or row that the matrix has not")
    return True
