# Attention, by kernels that never hold all scores.

cdef void place_heads(KernelArgs *a, int i, Tensor x, bint of_queries) noexcept:
    """An operand and its strides: of keys and values along batch, heads, rows; of queries' heads along two loops."""
    cdef Py_ssize_t *strides = strides_of(x)
    cdef int64_t head = strides[x.nd - 3] if x.nd > 2 else 0
    cdef int row = 3 if of_queries else 2
    a.data[i] = x.at
    a.stride[i][0] = strides[0] if x.nd == 4 else 0
    a.stride[i][1] = head
    if of_queries:
        a.stride[i][1] = head * a.size[2]
        a.stride[i][2] = head
    a.stride[i][row] = strides[x.nd - 2]
    a.stride[i][row + 1] = ITEMSIZE[x.code]


cdef bint place_mask(KernelArgs *a, int i, Tensor mask) noexcept:
    """A mask as the operand ``i``; False where it does not broadcast to the scores."""
    cdef int places[4]          # of the last dimension, the one before, ...
    cdef int64_t extents[4]
    cdef int64_t step
    cdef int d, n
    places[:] = [4, 3, 2, 0]
    extents[:] = [a.size[4], a.size[3], a.size[1] * a.size[2], a.size[0]]
    a.data[i] = mask.at
    for d in range(5):
        a.stride[i][d] = 0
    for d in range(mask.nd):
        n = mask.nd - 1 - d
        if shape_of(mask)[n] == 1:
            continue
        step = strides_of(mask)[n]
        if shape_of(mask)[n] != extents[d] or step % ITEMSIZE[mask.code]:
            return False
        a.stride[i][places[d]] = step
    a.stride[i][1] = a.stride[i][2] * a.size[2]
    return True


cdef inline bint lies_in_rows(Tensor x) noexcept:
    """Whether a row of the last dimension is contiguous, and elements are where kernels look for them."""
    cdef int i
    if x.nd < 2 or (strides_of(x)[x.nd - 1] != ITEMSIZE[x.code] and shape_of(x)[x.nd - 1] != 1):
        return False
    for i in range(x.nd - 1):
        if strides_of(x)[i] % ITEMSIZE[x.code]:
            return False
    return True


cdef inline Tensor in_rows(Tensor x):
    return x if lies_in_rows(x) else clone_raw(x)


cdef bint attention_args(KernelArgs *a, int first, Tensor q, Tensor k, Tensor v, Tensor mask, bint gqa, bint causal,
                         double scale) noexcept:
    """Queries, keys, values and a mask as the operands from ``first`` on; False where there is no kernel for them."""
    cdef Py_ssize_t *size = shape_of(q)
    cdef int nd = q.nd
    if not 2 <= nd <= 4 or k.nd != nd or v.nd != nd or k.code != q.code or v.code != q.code or not (
            q.count and k.count and v.count and lies_in_rows(q) and lies_in_rows(k) and lies_in_rows(v)):
        return False
    begin(a, 6)         # of both sizes that a row has, one counts
    a.size[0] = size[0] if nd == 4 else 1
    a.size[1] = shape_of(k)[nd - 3] if nd > 2 else 1
    a.size[2] = 1
    a.size[3], a.size[4], a.size[5], a.size[6] = size[nd - 2], shape_of(k)[nd - 2], size[nd - 1], shape_of(v)[nd - 1]
    if shape_of(k)[nd - 1] != a.size[5] or shape_of(v)[nd - 2] != a.size[4]:
        return False
    if nd > 2:
        a.size[2] = size[nd - 3] // a.size[1]
        if a.size[2] * a.size[1] != size[nd - 3] or (a.size[2] != 1 and not gqa) or shape_of(v)[nd - 3] != a.size[1]:
            return False
    if nd == 4 and (shape_of(k)[0] != size[0] or shape_of(v)[0] != size[0]):
        return False
    a.scalar[0] = scale
    a.integer[0] = causal
    place_heads(a, first, q, True)
    place_heads(a, first + 1, k, False)
    place_heads(a, first + 2, v, False)
    if mask is None:
        return True
    if not 1 <= mask.nd <= nd or (mask.code != BOOL and mask.code != q.code):
        return False
    return place_mask(a, first + (3 if mask.code == BOOL else 4), mask)


cdef Tensor new_rows_like(Tensor x, Py_ssize_t width):
    """A new tensor whose rows are ``width`` long and lie in the order of those of ``x``: what comes of heads that were cut from a
    projection is then joined again without a copy.
    """
    cdef Py_ssize_t shape[4]
    cdef int order[3]
    cdef Py_ssize_t step
    cdef int i, j, n = x.nd - 1
    cdef Tensor t
    for i in range(n):
        shape[i] = shape_of(x)[i]
        order[i] = i
    shape[n] = width
    t = new_tensor(x.nd, shape, x.code)
    if x.contiguous:
        return t
    for i in range(n):
        if strides_of(x)[i] <= 0:
            return t
    for i in range(1, n):
        for j in range(i, 0, -1):
            if shape[order[j]] == 1 or strides_of(x)[order[j]] <= strides_of(x)[order[j - 1]]:
                break
            order[j], order[j - 1] = order[j - 1], order[j]
    step = width * ITEMSIZE[x.code]
    for i in range(n - 1, -1, -1):
        strides_of(t)[order[i]] = step
        step *= shape[order[i]]
    t.contiguous = looks_contiguous(t)
    return t


cdef object hot_attention(Op op, void **args, Py_ssize_t count):
    """``scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)``, where no weight is
    dropped and the mask needs no gradient.
    """
    cdef KernelArgs a
    cdef Tensor q, k, v, kept, mask = None, out, stats = None
    cdef Node node
    cdef NodeExtra extra
    cdef bint causal, gqa, recorded
    cdef double factor
    cdef Py_ssize_t shape[2]
    cdef int i
    if count < 3 or not tg_kernels:
        return DECLINED
    for i in range(3):
        if not isinstance(<object><PyObject *>args[i], Tensor):
            return DECLINED
    q, k, v = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1], <Tensor><PyObject *>args[2]
    given, dropout_p, is_causal, scale, enable_gqa = [given_or_default(op, args, count, i) for i in range(3, 8)]
    if op.kernels[q.code] is NULL or not 2 <= q.nd <= 4 or type(is_causal) is not bool or type(enable_gqa) is not bool or (
            type(dropout_p) is not float and type(dropout_p) is not int) or dropout_p != 0 or (
            scale is not None and type(scale) is not float):
        return DECLINED
    if given is not None:
        if not isinstance(given, Tensor) or is_causal or (tg_grad and needs_grad(<Tensor>given)):
            return DECLINED
        mask = <Tensor>given
    recorded = tg_grad and (needs_grad(q) or needs_grad(k) or needs_grad(v))
    causal, gqa = is_causal, enable_gqa
    factor = 1 / sqrt(shape_of(q)[q.nd - 1]) if scale is None else scale
    q, k, v = in_rows(q), in_rows(k), in_rows(v)
    if not attention_args(&a, 0, q, k, v, mask, gqa, causal, factor):
        return DECLINED
    out = new_rows_like(q, a.size[6])
    place_heads(&a, 5, out, True)
    if recorded:
        shape[0], shape[1] = 2, out.count // a.size[6]
        stats = new_tensor(2, shape, q.code)
        a.data[6] = stats.at
    launch_checked(op.kernels[q.code], &a)
    if recorded:
        node = record_native(op, out, <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1], <Tensor><PyObject *>args[2], 7)
        if node is not None:
            kept = alias_of(out)
            extra = node_extra(node)
            extra.saved, extra.versions = [mask, stats, (kept, version_of(kept))], [0, version_of(stats), 0]
            node.state |= NODE_SAVED
            if mask is not None:
                refuse_inference(mask)
                extra.versions[0] = version_of(mask)
            node.settings = [None, None, None, None, 0.0, causal, factor, gqa]
    return out


cdef int attention_vjp(Node node, Tensor g) except -1:
    """By the kernel while the result is what it was: a program may write it, and then weights are made again."""
    cdef KernelArgs a
    cdef NodeExtra extra = <NodeExtra>node.more
    cdef Tensor q, k, v, mask, stats, out, dq = None, dk = None, dv = None
    cdef list settings = node.settings
    cdef bint causal = settings[5], gqa = settings[7]
    cdef double factor = settings[6]
    mask, stats = extra.saved[0], <Tensor>extra.saved[1]
    out, written = extra.saved[2]
    if version_of(out) != <uint32_t>written:
        return recompute_vjp(node, g)
    g = in_rows(g)
    q, k, v = in_rows(<Tensor>node.s0), in_rows(<Tensor>node.s1), in_rows(<Tensor>node.s2)
    if not attention_args(&a, 1, q, k, v, mask, gqa, causal, factor) or g.code != q.code or not same_shape(g, out) or not (
            lies_in_rows(g)) or shape_of(out)[out.nd - 1] != a.size[6] or out.count // a.size[6] != q.count // a.size[5] or (
            not row_like(stats, g, 2 * (out.count // a.size[6]))):
        return recompute_vjp(node, g)
    place_heads(&a, 0, g, True)
    place_heads(&a, 6, out, True)
    a.data[7] = stats.at
    if node.e0 is not None:
        dq = new_rows_like(q, a.size[5])
        place_heads(&a, 8, dq, True)
    if node.e1 is not None:
        dk = new_rows_like(k, a.size[5])
        place_heads(&a, 9, dk, False)
    if node.e2 is not None:
        dv = new_rows_like(v, a.size[6])
        place_heads(&a, 10, dv, False)
    launch_checked(node.op.backward_kernels[q.code], &a)
    if dq is not None:
        accumulate_new(node, 0, dq)
    if dk is not None:
        accumulate_new(node, 1, dk)
    if dv is not None:
        accumulate_new(node, 2, dv)
    return 0


native("scaled_dot_product_attention", hot_attention, attention_vjp, 0)
