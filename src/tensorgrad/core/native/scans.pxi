# Running sums and products by their kernels, of lines of a contiguous tensor.

cdef object hot_scan(Op op, void **args, Py_ssize_t count):
    """``_cumsum(input, dim)`` and its kin."""
    cdef Tensor x, whole, out
    cdef KernelArgs a
    cdef int dim
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor) or type(<object><PyObject *>args[1]) is not int:
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or op.kernels[x.code] is NULL:
        return DECLINED
    whole = contiguous_of(x)
    if whole.nd == 0 or whole.count == 0:
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], whole.nd)
    out = new_like(whole, whole.code)
    line_args(&a, whole, dim)
    a.data[0] = whole.at
    a.data[1] = out.at
    launch(op.kernels[whole.code], &a)
    if tg_grad and needs_grad(x):
        record_one(op, out, x, op.backward_needs & 9).settings = [None, dim, shape_tuple(x)]
    return out


native("_cumsum", hot_scan, NULL, 0)
native("_reversed_cumsum", hot_scan, NULL, 0)
native("_cumprod", hot_scan, NULL, 0)
native("_logcumsumexp", hot_scan, NULL, 0)
