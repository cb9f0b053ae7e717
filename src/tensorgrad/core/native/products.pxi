# Matrix products by the GEMM kernel.

cdef inline bint unit_strided(Tensor x) noexcept:
    """Whether one of the last two dimensions has a stride of one element, as a matrix of the kernel must."""
    cdef Py_ssize_t *shape = shape_of(x)
    cdef Py_ssize_t *strides = strides_of(x)
    cdef int itemsize = ITEMSIZE[x.code], n = x.nd
    return strides[n - 1] == itemsize or strides[n - 2] == itemsize or shape[n - 1] == 1 or shape[n - 2] == 1


cdef inline void matrix_strides(Tensor x, int64_t *rows, int64_t *columns) noexcept:
    """Strides of the last two dimensions; an extent of 1 gets the stride that keeps one of them at one
    element.
    """
    cdef Py_ssize_t *shape = shape_of(x)
    cdef Py_ssize_t *strides = strides_of(x)
    cdef int n = x.nd, itemsize = ITEMSIZE[x.code]
    rows[0] = strides[n - 2]
    columns[0] = strides[n - 1]
    if shape[n - 1] == 1 and rows[0] != itemsize:
        columns[0] = itemsize
    elif shape[n - 2] == 1 and columns[0] != itemsize:
        rows[0] = itemsize
    if shape[n - 2] == 1 and columns[0] == itemsize:
        rows[0] = itemsize * (shape[n - 1] if shape[n - 1] > 0 else 1)
    if shape[n - 1] == 1 and rows[0] == itemsize and shape[n - 2] != 1:
        columns[0] = itemsize * (shape[n - 2] if shape[n - 2] > 0 else 1)


cdef Tensor gemm(Tensor x, Tensor y, Tensor bias, bint transpose_y):
    """``x @ y`` (``x @ y.T``) of two matrices of one dtype, plus a row; off the tape."""
    cdef KernelArgs a
    cdef Py_ssize_t shape[2]
    cdef Tensor out
    cdef int64_t kept
    cdef int inner = 1 if transpose_y else 0
    if not unit_strided(x):
        x = clone_raw(x)
    if not unit_strided(y):
        y = clone_raw(y)
    if (x.nd != 2 or y.nd != 2 or shape_of(x)[1] != shape_of(y)[inner] or x.code != y.code or (bias is not None and (
            bias.count != shape_of(y)[1 - inner] or bias.code != x.code or not bias.contiguous))):
        raise RuntimeError("a matrix that a product needs was given another shape or dtype, by a hook or another thread")
    shape[0] = shape_of(x)[0]
    shape[1] = shape_of(y)[1 - inner]
    out = new_tensor(2, shape, x.code)
    begin(&a, 4)
    a.size[0] = shape[0]
    a.size[1] = shape[1]
    a.size[2] = shape_of(x)[1]
    a.size[3] = 1
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[3] = out.at
    matrix_strides(x, &a.stride[0][0], &a.stride[0][1])
    matrix_strides(y, &a.stride[1][0], &a.stride[1][1])
    if transpose_y:
        kept = a.stride[1][0]
        a.stride[1][0] = a.stride[1][1]
        a.stride[1][1] = kept
    a.stride[3][0] = shape[1] * ITEMSIZE[x.code]
    a.stride[3][1] = ITEMSIZE[x.code]
    a.stride[0][2] = a.stride[1][2] = a.stride[3][2] = 0
    if bias is not None:
        a.data[2] = bias.at
        a.flags = GEMM_BIAS
    launch(OP_MATMUL.kernels[x.code], &a)
    return out


cdef bint give_batch_strides(KernelArgs *a, Tensor x, Tensor y, Tensor out) noexcept:
    """The leading dimensions, neighbours merged where all three allow; False when more are left than the kernel has."""
    cdef int i, last = 2, operand
    cdef int64_t extent
    cdef int64_t step[4]
    cdef bint merge
    step[2] = 0
    for i in range(out.nd - 2):
        extent = shape_of(out)[i]
        if extent == 1:
            continue
        step[0], step[1], step[3] = strides_of(x)[i], strides_of(y)[i], strides_of(out)[i]
        merge = last > 2
        for operand in (0, 1, 3):
            merge = merge and a.stride[operand][last - 1] == step[operand] * extent
        if merge:
            a.size[last] *= extent
        elif last == KERNEL_DIMS - 1:
            return False
        else:
            last += 1
            a.size[last] = extent
        for operand in (0, 1, 3):
            a.stride[operand][last - 1] = step[operand]
    a.ndim = last + 1
    return True


cdef Tensor batched_gemm(Tensor x, Tensor y):
    """``x @ y`` of two stacks of matrices whose leading dimensions are equal."""
    cdef KernelArgs a
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor out
    cdef bint fits
    cdef int n = x.nd, i
    if x.count == 0 or y.count == 0:            # strides say nothing there
        memcpy(shape, shape_of(x), (n - 1) * sizeof(Py_ssize_t))
        shape[n - 1] = shape_of(y)[y.nd - 1]
        out = new_tensor(n, shape, x.code)
        fill_raw(out, 0.0)
        return out
    if not unit_strided(x):
        x = clone_raw(x)
    if not unit_strided(y):
        y = clone_raw(y)
    fits = n == x.nd == y.nd and shape_of(x)[n - 1] == shape_of(y)[n - 2] and x.code == y.code
    for i in range(n - 2):
        fits = fits and shape_of(x)[i] == shape_of(y)[i]
    if not fits:
        raise RuntimeError("a stack of matrices that a product needs was given another shape or dtype, by a hook or "
                           "another thread")
    memcpy(shape, shape_of(x), (n - 1) * sizeof(Py_ssize_t))
    shape[n - 1] = shape_of(y)[n - 1]
    out = new_tensor(n, shape, x.code)
    begin(&a, 4)
    if not give_batch_strides(&a, x, y, out):
        return batched_gemm(clone_raw(x), clone_raw(y))
    a.size[0] = shape[n - 2]
    a.size[1] = shape[n - 1]
    a.size[2] = shape_of(x)[n - 1]
    a.data[0] = x.at
    a.data[1] = y.at
    a.data[3] = out.at
    matrix_strides(x, &a.stride[0][0], &a.stride[0][1])
    matrix_strides(y, &a.stride[1][0], &a.stride[1][1])
    a.stride[3][0] = shape[n - 1] * ITEMSIZE[x.code]
    a.stride[3][1] = ITEMSIZE[x.code]
    if out.count:
        launch(OP_MATMUL.kernels[x.code], &a)
    return out


cdef object hot_matmul(Op op, void **args, Py_ssize_t count):
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    return matmul(op, <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1])


cdef object matmul(Op op, Tensor x, Tensor y):
    """``x @ y``; two float matrices, or stacks with equal leading sizes, go straight to the kernel."""
    cdef Tensor out
    if not tg_kernels or x.code != y.code or OP_MATMUL.kernels[x.code] is NULL or x.nd == 0 or y.nd == 0:
        return run(op, [x, y])
    if y.nd > 2 and 2 <= x.nd != y.nd:
        return matmul_of_stacks(op, x, y)
    if x.nd != y.nd or x.nd == 1:
        return matmul_by_matrices(op, x, y)
    if shape_of(x)[x.nd - 1] != shape_of(y)[y.nd - 2]:
        return run(op, [x, y])
    if x.nd == 2:
        out = gemm(x, y, None, False)
    else:
        if memcmp(shape_of(x), shape_of(y), (x.nd - 2) * sizeof(Py_ssize_t)):
            return matmul_of_stacks(op, x, y)
        out = batched_gemm(x, y)
    if tg_grad and (needs_grad(x) or needs_grad(y)):
        record_native(OP_PRODUCT, out, x, y, None, (1 if needs_grad(y) else 0) | (2 if needs_grad(x) else 0))
    return out


cdef object matmul_of_stacks(Op op, Tensor x, Tensor y):
    """Leading dimensions that differ: each factor is looked at as if it were repeated, which copies nothing."""
    cdef tuple p = shape_tuple(x), q = shape_tuple(y)
    cdef list leading = []
    cdef Py_ssize_t i, one, other
    for i in range(max(len(p), len(q)), 2, -1):
        one = p[len(p) - i] if i <= len(p) else 1
        other = q[len(q) - i] if i <= len(q) else 1
        if one != other and one != 1 and other != 1:
            return run(op, [x, y])
        leading.append(other if one == 1 else one)
    if p[len(p) - 1] != q[len(q) - 2]:
        return run(op, [x, y])
    return matmul(op, expand(OP_EXPAND, x, (*leading, *p[len(p) - 2:])), expand(OP_EXPAND, y, (*leading, *q[len(q) - 2:])))


cdef object matmul_by_matrices(Op op, Tensor x, Tensor y):
    """Vectors as matrices of one row or column, and a stack times one matrix as a taller matrix."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef Tensor rows = x, columns = y, out
    cdef int n = 0
    if shape_of(x)[x.nd - 1] != shape_of(y)[y.nd - 2 if y.nd > 1 else 0] or y.nd > 2 or not x.count:
        return run(op, [x, y])
    if x.nd != 2:
        shape[1] = shape_of(x)[x.nd - 1]
        shape[0] = x.count // shape[1]
        rows = reshape_as(OP_RESHAPE, x, 2, shape, False)
    if y.nd == 1:
        columns = unsqueeze(OP_UNSQUEEZE, y, 1)
    out = matmul(op, rows, columns)
    memcpy(shape, shape_of(x), (x.nd - 1) * sizeof(Py_ssize_t))
    n = x.nd - 1
    if y.nd == 2:
        shape[n] = shape_of(y)[1]
        n += 1
    return let_go(reshape_as(OP_RESHAPE, out, n, shape, False))


cdef inline Tensor transposed(Tensor x):
    """The last two dimensions swapped."""
    return transpose(OP_TRANSPOSE, x, x.nd - 2, x.nd - 1)


cdef int matmul_vjp(Node node, Tensor g) except -1:
    if g.nd == 2:
        if node.e0 is not None:
            accumulate_new(node, 0, gemm(g, <Tensor>node.s1, None, True))
        if node.e1 is not None:
            accumulate_new(node, 1, gemm(transposed(<Tensor>node.s0), g, None, False))
        return 0
    if node.e0 is not None:
        accumulate_new(node, 0, batched_gemm(g, transposed(<Tensor>node.s1)))
    if node.e1 is not None:
        accumulate_new(node, 1, batched_gemm(transposed(<Tensor>node.s0), g))
    return 0


native("matmul", hot_matmul, NULL, 0)
native("_product", hot_matmul, matmul_vjp, 0)


cdef object hot_linear(Op op, void **args, Py_ssize_t count):
    if count != 3 and count != 2:
        return DECLINED
    x = <object><PyObject *>args[0]
    w = <object><PyObject *>args[1]
    b = <object><PyObject *>args[2] if count == 3 else None
    if not isinstance(x, Tensor) or not isinstance(w, Tensor) or not (b is None or isinstance(b, Tensor)):
        return DECLINED
    return linear(op, <Tensor>x, <Tensor>w, <Tensor>b)


cdef object linear(Op op, Tensor x, Tensor weight, Tensor bias):
    """``x @ weight.T + bias``."""
    cdef Tensor rows = x, out
    cdef Node node
    cdef Py_ssize_t shape[MAX_DIMS]
    if (not tg_kernels or x.code != weight.code or OP_MATMUL.kernels[x.code] is NULL or weight.nd != 2 or x.nd < 2
            or shape_of(x)[x.nd - 1] != shape_of(weight)[1]):
        return run(op, [x, weight, bias])
    if bias is not None and (bias.code != x.code or bias.nd != 1 or not bias.contiguous
                             or shape_of(bias)[0] != shape_of(weight)[0]):
        return run(op, [x, weight, bias])
    if x.nd > 2:
        rows = as_rows(x)
    out = gemm(rows, weight, bias, True)
    if x.nd > 2:
        memcpy(shape, shape_of(x), (x.nd - 1) * sizeof(Py_ssize_t))
        shape[x.nd - 1] = shape_of(weight)[0]
        out = reshaped_alias(out, x.nd, shape)
    if tg_grad:
        node = record_native(op, out, x, weight, bias, (1 if needs_grad(weight) else 0) | (2 if needs_grad(x) else 0))
        if node is not None:
            note_third_shape(node, bias)
    return out


cdef Tensor as_rows(Tensor x):
    """``x`` as a matrix of its last dimension; off the tape."""
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t strides[2]
    cdef int64_t rows, step
    cdef Tensor flat
    cdef int i
    if x.nd == 2:
        return x
    flat = x if x.count and collapse(x, 0, x.nd - 1, &rows, &step) else contiguous_of(x)
    shape[1] = shape_of(flat)[flat.nd - 1]
    if flat.count == 0:
        shape[0] = 1
        for i in range(flat.nd - 1):
            shape[0] *= shape_of(flat)[i]
        return reshaped_alias(flat, 2, shape)
    collapse(flat, 0, flat.nd - 1, &rows, &step)
    shape[0] = rows
    strides[0] = step if rows > 1 else shape[1] * ITEMSIZE[flat.code]
    strides[1] = strides_of(flat)[flat.nd - 1]
    return let_go(view_of(flat, 2, shape, strides, flat.at))


cdef Tensor reshaped_alias(Tensor x, int nd, const Py_ssize_t *shape):
    """A contiguous tensor's memory in another shape, off the tape and not a view."""
    cdef Py_ssize_t strides[MAX_DIMS]
    cdef Tensor t
    reshaped_strides(x, nd, shape, strides)
    t = view_of(x, nd, shape, strides, x.at)
    if t.count != x.count:
        raise RuntimeError("an operand of a product was given another shape, perhaps by another thread")
    return let_go(t)


cdef int linear_vjp(Node node, Tensor g) except -1:
    cdef Tensor x, rows = as_rows(g)
    if node.e0 is not None:
        x = gemm(rows, <Tensor>node.s1, None, False)
        if g.nd > 2:
            x = reshape_like(x, g, shape_of(<Tensor>node.s1)[1])
        accumulate_new(node, 0, x)
    if node.e1 is not None:
        accumulate_new(node, 1, gemm(transposed(rows), as_rows(<Tensor>node.s0), None, False))
    if node.e2 is not None:
        accumulate_new(node, 2, reduction(OP_SUM, rows, 0, False) if rows.count else <Tensor>OP_SUM(rows, 0))
    return 0


cdef Tensor reshape_like(Tensor x, Tensor g, Py_ssize_t last):
    cdef Py_ssize_t shape[MAX_DIMS]
    memcpy(shape, shape_of(g), (g.nd - 1) * sizeof(Py_ssize_t))
    shape[g.nd - 1] = last
    return reshaped_alias(x, g.nd, shape)


native("linear", hot_linear, linear_vjp, 0)


cdef object hot_dot(Op op, void **args, Py_ssize_t count):
    """The sum of the products of two vectors' elements."""
    cdef Tensor x = tensor_at(args, count), y, out
    cdef KernelArgs a
    cdef uint8_t mask[MAX_DIMS]
    if count != 2 or x is None or not isinstance(<object><PyObject *>args[1], Tensor) or not tg_kernels:
        return DECLINED
    y = <Tensor><PyObject *>args[1]
    if x.nd != 1 or y.nd != 1 or x.code != y.code or x.count != y.count or x.count == 0 or x.code not in (F32, F64):
        return DECLINED
    begin(&a, 1)
    mask[0] = 1
    out = reduce_kernel(OP_SUM.kernels, map_two(OP_MUL.kernels[x.code], x, y, x.code, &a, op.__name__), mask, False, x.code)
    if tg_grad:
        record_native(op, out, x, y, None, (2 if needs_grad(x) else 0) | (1 if needs_grad(y) else 0))
    return out


native("dot", hot_dot, NULL, 0)
