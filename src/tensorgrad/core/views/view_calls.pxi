# Calls of views, copies and casts by name.

cdef inline Tensor tensor_at(void **args, Py_ssize_t count):
    if count > 0 and isinstance(<object><PyObject *>args[0], Tensor):
        return <Tensor><PyObject *>args[0]
    return None


cdef inline object given_or_default(Op op, void **args, Py_ssize_t count, Py_ssize_t i):
    return <object><PyObject *>args[i] if i < count else op.defaults[i]


cdef object rest_of(void **args, Py_ssize_t count):
    """The sizes of ``op(x, 2, 3)`` or ``op(x, (2, 3))``."""
    cdef Py_ssize_t i
    if count == 2 and isinstance(<object><PyObject *>args[1], (tuple, list)):
        return tuple(<object><PyObject *>args[1])       # a list may be changed meanwhile
    return tuple([<object><PyObject *>args[i] for i in range(1, count)])


cdef object hot_reshape(Op op, void **args, Py_ssize_t count):
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor x = tensor_at(args, count)
    if x is None or count < 2:
        return DECLINED
    if op is OP_VIEW:
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
    return transpose(op, x, 0, 1 if x.nd == 2 else 0)


cdef object hot_permute(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef list order = []
    if x is None or count < 2:
        return DECLINED
    dims = rest_of(args, count)
    if len(dims) != x.nd:
        raise RuntimeError("permute: number of dimensions in the tensor input does not match the length of the desired ordering "
                           f"of dimensions i.e. input.dim() = {x.nd} is not equal to len(dims) = {len(dims)}")
    for d in dims:
        order.append(wrap_dim(d, x.nd))
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed")
    return permute(op, x, order)


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
    return x if x.contiguous else recorded_copy(x, clone_raw(x))


cdef Tensor recorded_copy(Tensor x, Tensor out):
    """``out``, a copy of ``x``, on the tape."""
    if tg_grad and needs_grad(x):
        record_one(OP_CLONE, out, x, 0)
    return out


cdef object hot_clone(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count > 2:
        return DECLINED
    if count == 2 and <object><PyObject *>args[1] is not None:
        word = <object><PyObject *>args[1]
        if type(word) is not tg_memory_format:
            raise TypeError(f"clone(): argument 'memory_format' must be memory_format, not {type(word).__name__}")
        if word.name == "contiguous_format":
            return recorded_copy(x, clone_raw(x))
    return recorded_copy(x, clone_as(x))


cdef int same_vjp(Node node, Tensor g) except -1:
    """Of a copy in any dtype."""
    return accumulate(node, 0, g)


cdef object hot_cast(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef Tensor out
    cdef int code
    if x is None or count != 2:
        return DECLINED
    code = code_of(<object><PyObject *>args[1])
    if code == x.code:
        return x
    out = new_as(x, code)
    copy_into(out, x)
    if tg_grad and IS_FLOAT[code] and needs_grad(x):
        record_one(op, out, x, 0)
    return out


cdef object hot_unbind(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    cdef int dim
    if x is None or count > 2:
        return DECLINED
    if x.nd == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(<object><PyObject *>args[1], x.nd) if count == 2 else 0
    return parts_of(op, x, dim, None, [None, dim])


cdef object hot_split(Op op, void **args, Py_ssize_t count):
    cdef Tensor x = tensor_at(args, count)
    if x is None or count != 3:
        return DECLINED
    sizes = <object><PyObject *>args[1]
    dim = <object><PyObject *>args[2]
    return parts_of(op, x, dim, sizes, [None, sizes, dim])


native("reshape", hot_reshape, reshape_vjp, 0)
native("view", hot_reshape, reshape_vjp, 0)
native("flatten", hot_flatten, NULL, 0)
native("transpose", hot_transpose, transpose_vjp, 0)
native("t", hot_t, NULL, 0)
native("permute", hot_permute, permute_vjp, 0)
native("expand", hot_expand, expand_vjp, 0)
native("unsqueeze", hot_unsqueeze, reshape_vjp, 0)
native("squeeze", hot_squeeze, reshape_vjp, 0)
native("select", hot_select, select_vjp, 0)
native("_slice", hot_slice, slice_vjp, 0)
native("unbind", hot_unbind, NULL, 0)
native("_split", hot_split, NULL, 0)
native("contiguous", hot_contiguous, NULL, 0)
native("clone", hot_clone, same_vjp, 0)
native("_cast", hot_cast, same_vjp, 0)
