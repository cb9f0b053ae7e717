# Sums by a table along one dimension, of float32 and float64.

cdef object hot_resample(Op op, void **args, Py_ssize_t count):
    """``_resample(input, dim, at, weight, back_at, back_weight)``; what its table has wrong the body refuses."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor x, data, out
    cdef Node node
    cdef KernelArgs a
    cdef cnp.ndarray at, weight = None
    cdef int dim
    if count != 6 or not isinstance(<object><PyObject *>args[0], Tensor) or type(<object><PyObject *>args[1]) is not int:
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or op.kernels[x.code] is NULL or x.nd == 0 or x.count == 0:
        return DECLINED
    at = <object><PyObject *>args[2]
    if <object><PyObject *>args[3] is not None:
        weight = <object><PyObject *>args[3]
    data = contiguous_of(x)
    dim = wrap_dim(<object><PyObject *>args[1], data.nd)
    if cnp.PyArray_TYPE(at) != NUMPY_TYPE[I64] or not cnp.PyArray_IS_C_CONTIGUOUS(at) or (weight is not None and (
            cnp.PyArray_TYPE(weight) != NUMPY_TYPE[data.code] or not cnp.PyArray_IS_C_CONTIGUOUS(weight))):
        return DECLINED
    memcpy(shape, shape_of(data), data.nd * sizeof(Py_ssize_t))
    begin(&a, 4)
    a.size[3] = behind(data, dim)
    a.size[4] = shape[dim]
    a.size[0] = data.count // (a.size[3] * a.size[4])
    a.size[1] = shape[dim] = cnp.PyArray_DIM(at, 1)
    a.size[2] = cnp.PyArray_DIM(at, 0)
    a.data[1] = cnp.PyArray_DATA(at)
    if op.kernels[data.code].refuse(&a) is not NULL or (weight is not None and cnp.PyArray_SIZE(weight) != cnp.PyArray_SIZE(at)):
        return DECLINED
    out = new_tensor(data.nd, shape, data.code)
    a.data[0] = data.at
    a.data[2] = NULL if weight is None else cnp.PyArray_DATA(weight)
    a.data[3] = out.at
    launch(op.kernels[data.code], &a)
    if tg_grad and needs_grad(x):
        node = record_one(op, out, x, 0)
        node.settings = [None, <object><PyObject *>args[1], at, weight, <object><PyObject *>args[4], <object><PyObject *>args[5],
                         shape_tuple(data)]
    return out


native("_resample", hot_resample, NULL, 0)
