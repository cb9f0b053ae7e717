# Distances of rows to rows by their kernel.

cdef enum:
    LONGEST_ROW = 1024          # up to which the distances themselves are no slower than the body's product


cdef Tensor distances_of(Tensor x, Tensor y, double p):
    """Of two stacks of matrices of one shape but for their rows; None where there is no kernel."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef const Kernel *fn = find(b"euclidean", x.code) if p == 2 else find(b"cdist", x.code)
    cdef KernelArgs a
    cdef Tensor out
    cdef int i, nd = x.nd
    if not tg_kernels or fn is NULL or x.code != y.code or nd < 2 or y.nd != nd or not x.count or not y.count:
        return None
    x, y = contiguous_of(x), contiguous_of(y)
    if x.nd != nd or y.nd != nd or x.code != y.code or shape_of(x)[nd - 1] != shape_of(y)[nd - 1]:
        return None
    begin(&a, 4)
    a.size[0] = 1
    for i in range(nd - 2):
        if shape_of(x)[i] != shape_of(y)[i]:
            return None
        shape[i] = shape_of(x)[i]
        a.size[0] *= shape[i]
    a.size[1] = shape[nd - 2] = shape_of(x)[nd - 2]
    a.size[2] = shape[nd - 1] = shape_of(y)[nd - 2]
    a.size[3] = shape_of(x)[nd - 1]
    out = new_tensor(nd, shape, x.code)
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[2] = out.at
    a.scalar[0] = p
    launch_checked(fn, &a)
    return out


cdef object hot_cdist_by_product(Op op, void **args, Py_ssize_t count):
    cdef Tensor x, y, out
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x, y = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    if x.nd < 2 or shape_of(x)[x.nd - 1] > LONGEST_ROW:
        return DECLINED
    out = distances_of(x, y, 2)
    return DECLINED if out is None else record(op, [x, y], [x, y], out, None)


cdef object hot_cdist(Op op, void **args, Py_ssize_t count):
    """Of any other order than 2; the way back runs the body, which keeps all differences."""
    cdef Tensor x, y, out
    cdef Node node
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    x, y = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    p = given_or_default(op, args, count, 2)
    if type(p) not in (int, float) or not p >= 0 or p == 2 or (count > 3 and <object><PyObject *>args[3] != op.defaults[3]):
        return DECLINED
    out = distances_of(x, y, p)
    if out is None:
        return DECLINED
    if tg_grad:
        node = record_native(op, out, x, y, None, 3)
        if node is not None:
            node.settings = [None, None, p, op.defaults[3]]
    return out


native("cdist", hot_cdist, recompute_vjp, 0)
native("_cdist_by_product", hot_cdist_by_product, NULL, 0)
