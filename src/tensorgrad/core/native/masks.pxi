# Elements chosen by truth values, and truth values of classes, by their kernels.

cdef Tensor places_of(Tensor mask):
    """The places of the flattened mask where it is true; None where there is no kernel for it."""
    cdef const Kernel *kernel = find(b"positions", mask.code)
    cdef Tensor every, out
    cdef int64_t number = 0
    cdef Py_ssize_t extent
    cdef KernelArgs a
    mask = contiguous_of(mask)
    if not tg_kernels or kernel is NULL:
        return None
    extent = mask.count
    every = new_tensor(1, &extent, I64)
    begin(&a, 1)
    a.size[0] = extent
    a.data[0] = mask.at
    a.data[1] = every.at
    a.data[2] = &number
    launch(kernel, &a)
    if number == extent:
        return every
    extent = number
    out = new_tensor(1, &extent, I64)
    if number:
        copy_memory(out.at, every.at, number, I64)
    return out


cdef Tensor masked_item(Tensor x, Tensor mask):
    """``x[mask]`` of a mask that covers the first dimensions; None for any other, and where there is no kernel for it."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor places, out, rows
    cdef int d, n = 1
    if mask.nd == 0 or mask.nd > x.nd or mask.code != BOOL or not tg_kernels:
        return None
    places = places_of(mask)
    if places is None:
        return None
    shape[0] = 1
    for d in range(x.nd):
        if d >= mask.nd:
            shape[n] = shape_of(x)[d]
            n += 1
        elif shape_of(x)[d] != shape_of(mask)[d]:
            return None
        else:
            shape[0] *= shape_of(x)[d]
    rows = x if mask.nd == 1 else reshape_as(OP_RESHAPE, x, n, shape, False)
    whole = shape_tuple(rows)
    out = pick_along(rows, 0, places, False)
    if out is not None:
        record_pick(out, rows, places, 0, whole)
    return out


cdef object hot_masked_select(Op op, void **args, Py_ssize_t count):
    """``masked_select(input, mask, out)`` of two tensors of one shape."""
    cdef Tensor x, mask
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or (
            not isinstance(<object><PyObject *>args[1], Tensor) or (
            count > 2 and <object><PyObject *>args[2] is not None)):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    mask = <Tensor><PyObject *>args[1]
    if not same_shape(x, mask):
        return DECLINED
    out = masked_item(x, mask)
    return DECLINED if out is None else out


native("masked_select", hot_masked_select, NULL, 0)


cdef object hot_one_hot(Op op, void **args, Py_ssize_t count):
    """``_one_hot(input, num_classes)``."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef int64_t wrong = 0
    cdef Tensor x, out
    cdef KernelArgs a
    cdef int i
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = contiguous_of(<Tensor><PyObject *>args[0])
    if not tg_kernels or op.kernels[x.code] is NULL or x.nd == MAX_DIMS or x.count == 0:
        return DECLINED
    memcpy(shape, shape_of(x), x.nd * sizeof(Py_ssize_t))
    shape[x.nd] = <object><PyObject *>args[1]
    out = new_tensor(x.nd + 1, shape, I64)
    begin(&a, 2)
    a.size[0] = x.count
    a.size[1] = shape[x.nd]
    a.data[0] = x.at
    a.data[1] = out.at
    a.data[2] = &wrong
    launch(op.kernels[x.code], &a)
    return DECLINED if wrong else out


native("_one_hot", hot_one_hot, NULL, 0)
