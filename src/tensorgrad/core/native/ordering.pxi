# Sorting, the largest few, ranks, running extremes and search, by their kernels, of lines of a contiguous tensor.

cdef int64_t LONGEST_LINE = <int64_t>1 << 31        # from which on an index may not fit beside a key


cdef enum:
    ALL_DIMS = -1                       # one line of all elements
    EVERY = -1                          # as many elements as there are


cdef list in_order(const Kernel *kernel, Tensor x, int dim, Py_ssize_t wanted, int64_t setting, bint keepdim=True,
                   bint is_rank=False):
    """The elements that a kernel finds in every line along ``dim``, and their indices; None where it can't be asked."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor values, indices
    cdef KernelArgs a
    cdef int d, n = 0
    x = contiguous_of(x)
    if kernel is NULL or not tg_kernels or dim >= x.nd or x.count == 0:
        return None
    if dim == ALL_DIMS:
        begin(&a, 3)
        a.size[0] = a.size[2] = 1
        a.size[1] = x.count
    else:
        line_args(&a, x, dim)
    wanted = a.size[1] if wanted == EVERY else wanted
    if a.size[1] >= LONGEST_LINE or wanted > a.size[1] or (is_rank and setting >= a.size[1]):
        return None
    for d in range(x.nd if dim >= 0 else 0):
        if d != dim or keepdim:
            shape[n] = wanted if d == dim else shape_of(x)[d]
            n += 1
    values = new_tensor(n, shape, x.code)
    indices = new_tensor(n, shape, I64)
    a.size[3] = wanted
    a.integer[0] = setting
    a.data[0] = x.at
    a.data[1] = values.at
    a.data[2] = indices.at
    launch_checked(kernel, &a)
    return [values, indices]


cdef object answer_in_order(str name, Tensor x, list settings, list found):
    """The pair of values and indices, recorded."""
    cdef Op op = <Op>CORE_OPS[name]
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        record(op, [x, *settings], [x], None, found)
    return tuple.__new__(op.answer, found)


cdef inline bint is_int_or(object value, object other) noexcept:
    return type(value) is int or value is other


cdef object hot_sort(Op op, void **args, Py_ssize_t count):
    """``sort(input, dim, descending, stable)``; of form 1 ``argsort``, which gives the indices alone."""
    cdef Tensor x = tensor_at(args, count)
    cdef int dim
    wanted = given_or_default(op, args, count, 1)
    descending = given_or_default(op, args, count, 2)
    stable = given_or_default(op, args, count, 3)
    if x is None or x.nd == 0 or count > 4 or type(wanted) is not int or type(descending) is not bool or (
            stable is not op.defaults[3] and type(stable) is not bool):
        return DECLINED
    dim = wrap_dim(wanted, x.nd)
    found = in_order(find(b"sort", x.code), x, dim, EVERY, descending)
    if found is None:
        return DECLINED
    return found[1] if op.form else answer_in_order("_sort", x, [dim, descending], found)


cdef object hot_topk(Op op, void **args, Py_ssize_t count):
    """``topk(input, k, dim, largest, sorted)``."""
    cdef Tensor x = tensor_at(args, count)
    cdef int dim
    if x is None or x.nd == 0 or x.code == BOOL or count < 2 or count > 5 or type(<object><PyObject *>args[1]) is not int:
        return DECLINED
    wanted = given_or_default(op, args, count, 2)
    largest = given_or_default(op, args, count, 3)
    in_turn = given_or_default(op, args, count, 4)
    k = <object><PyObject *>args[1]
    if type(wanted) is not int or type(largest) is not bool or type(in_turn) is not bool:
        return DECLINED
    dim = wrap_dim(wanted, x.nd)
    if not 0 < k <= shape_of(x)[dim]:
        return DECLINED
    found = in_order(find(b"sort", x.code), x, dim, k, largest)
    return DECLINED if found is None else answer_in_order("_topk", x, [k, dim, largest, in_turn], found)


cdef enum:                      # what a rank's place says, as kernels/sorting.c has it; the forms of the two medians
    WITH_NAN = -1
    WITHOUT_NAN = -2


cdef object hot_median(Op op, void **args, Py_ssize_t count):
    """``median`` and ``nanmedian``."""
    cdef Tensor x = tensor_at(args, count)
    cdef Op whole
    cdef int dim
    wanted = given_or_default(op, args, count, 1)
    keepdim = given_or_default(op, args, count, 2)
    if x is None or x.nd == 0 or x.code == BOOL or count > 3 or type(keepdim) is not bool or not is_int_or(wanted, None):
        return DECLINED
    if wanted is not None:
        dim = wrap_dim(wanted, x.nd)
        found = in_order(find(b"kthvalue", x.code), x, dim, 1, op.form, keepdim)
        return DECLINED if found is None else answer_in_order("_median_along" if op.form == WITH_NAN else "_nanmedian_along", x,
                                                              [dim, keepdim], found)
    found = in_order(find(b"kthvalue", x.code), x, ALL_DIMS, 1, op.form, False)
    if found is None:
        return DECLINED
    if tg_grad and IS_FLOAT[x.code] and needs_grad(x):
        whole = <Op>CORE_OPS["_median_of_all"]
        record(whole, [x, op.form == WITHOUT_NAN], [x], <Tensor>found[0], None)
    return found[0]


cdef object hot_kthvalue(Op op, void **args, Py_ssize_t count):
    """``kthvalue(input, k, dim, keepdim)``."""
    cdef Tensor x = tensor_at(args, count)
    cdef int dim
    if x is None or x.nd == 0 or x.code == BOOL or count < 2 or count > 4 or type(<object><PyObject *>args[1]) is not int:
        return DECLINED
    k = <object><PyObject *>args[1]
    wanted = given_or_default(op, args, count, 2)
    keepdim = given_or_default(op, args, count, 3)
    if type(wanted) is not int or type(keepdim) is not bool:
        return DECLINED
    dim = wrap_dim(wanted, x.nd)
    if not 1 <= k <= shape_of(x)[dim]:
        return DECLINED
    found = in_order(op.kernels[x.code], x, dim, 1, k - 1, keepdim, True)
    return DECLINED if found is None else answer_in_order("_kth_along", x, [dim, keepdim, k], found)


cdef object hot_mode(Op op, void **args, Py_ssize_t count):
    """``mode(input, dim, keepdim)``."""
    cdef Tensor x = tensor_at(args, count)
    cdef int dim
    wanted = given_or_default(op, args, count, 1)
    keepdim = given_or_default(op, args, count, 2)
    if x is None or x.nd == 0 or count > 3 or type(wanted) is not int or type(keepdim) is not bool:
        return DECLINED
    dim = wrap_dim(wanted, x.nd)
    found = in_order(op.kernels[x.code], x, dim, 1, 0, keepdim)
    return DECLINED if found is None else answer_in_order("_mode_along", x, [dim, keepdim], found)


cdef object hot_running(Op op, void **args, Py_ssize_t count):
    """``cummax`` and ``cummin``."""
    cdef Tensor x = tensor_at(args, count)
    cdef int dim
    if x is None or x.nd == 0 or count != 2 or type(<object><PyObject *>args[1]) is not int:
        return DECLINED
    dim = wrap_dim(<object><PyObject *>args[1], x.nd)
    found = in_order(op.kernels[x.code], x, dim, EVERY, 0)
    return DECLINED if found is None else answer_in_order("_" + op.__name__, x, [dim], found)


cdef object hot_search(Op op, void **args, Py_ssize_t count):
    """``_searchsorted(sorted_sequence, input, sorter, out_int32, right)`` of two tensors of one dtype."""
    cdef Tensor rows, values, out
    cdef KernelArgs a
    if count != 5 or not isinstance(<object><PyObject *>args[0], Tensor) or (
            not isinstance(<object><PyObject *>args[1], Tensor) or (
            <object><PyObject *>args[2] is not None)):
        return DECLINED
    rows = contiguous_of(<Tensor><PyObject *>args[0])
    values = contiguous_of(<Tensor><PyObject *>args[1])
    if not tg_kernels or op.kernels[rows.code] is NULL or values.code != rows.code or rows.nd == 0 or values.count == 0 or (
            rows.count == 0):
        return DECLINED
    out = new_like(values, I64)
    begin(&a, 2)
    a.size[2] = shape_of(rows)[rows.nd - 1]
    a.size[0] = rows.count // a.size[2]
    if values.count % a.size[0]:
        return DECLINED
    a.size[1] = values.count // a.size[0]
    a.integer[0] = <bint><object><PyObject *>args[4]
    a.data[0] = rows.at
    a.data[1] = values.at
    a.data[2] = out.at
    launch(op.kernels[rows.code], &a)
    return cast_raw(out, I32) if <object><PyObject *>args[3] else out


native("sort", hot_sort, NULL, 0)
native("argsort", hot_sort, NULL, 1)
native("topk", hot_topk, NULL, 0)
native("median", hot_median, NULL, WITH_NAN)
native("nanmedian", hot_median, NULL, WITHOUT_NAN)
native("kthvalue", hot_kthvalue, NULL, 0)
native("mode", hot_mode, NULL, 0)
native("cummax", hot_running, NULL, 0)
native("cummin", hot_running, NULL, 0)
native("_searchsorted", hot_search, NULL, 0)
