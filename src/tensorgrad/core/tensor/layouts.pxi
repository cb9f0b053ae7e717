# In which order the results of elementwise ops and copies lie in memory: that of their operands, as PyTorch has it.

cdef bint is_dense(Tensor t) noexcept:
    """Whether its elements fill their memory, each in a place of its own, in some order of the dimensions."""
    cdef Py_ssize_t expected = ITEMSIZE[t.code], whole = t.count * ITEMSIZE[t.code]
    cdef int i
    if t.contiguous:
        return True
    while expected != whole:
        for i in range(t.nd):
            if shape_of(t)[i] > 1 and strides_of(t)[i] == expected:
                expected *= shape_of(t)[i]
                break
        else:
            return False
    return True


cdef void take_strides(Tensor t, Tensor x) noexcept:
    """Gives a tensor that fills its memory the strides of a dense one of its shape."""
    cdef int i
    for i in range(t.nd):
        strides_of(t)[i] = strides_of(x)[i] // ITEMSIZE[x.code] * ITEMSIZE[t.code]
    t.contiguous = looks_contiguous(t)


cdef bint lies_as(Tensor x, Tensor t) noexcept:
    """Whether two tensors of one shape have the same strides, counted in elements."""
    cdef int i
    for i in range(t.nd):
        if strides_of(x)[i] * ITEMSIZE[t.code] != strides_of(t)[i] * ITEMSIZE[x.code]:
            return False
    return True


cdef bint lies_with(Tensor x, Tensor t) noexcept:
    """Whether the elements of ``x`` lie in the order of those of ``t``, which is dense, and as densely."""
    cdef int i
    if x.contiguous and t.contiguous:
        return x.count == t.count
    if not same_shape(x, t):
        return False
    for i in range(t.nd):
        if shape_of(t)[i] != 1 and strides_of(x)[i] * ITEMSIZE[t.code] != strides_of(t)[i] * ITEMSIZE[x.code]:
            return False
    return True


cdef inline Py_ssize_t step_along(Tensor t, Tensor out, int d) noexcept:
    """The stride of an operand along a dimension of the result; 0 where it is broadcast."""
    cdef int own = d - (out.nd - t.nd)
    return 0 if own < 0 or (shape_of(t)[own] == 1 and shape_of(out)[d] != 1) else strides_of(t)[own]


cdef int comes_after(PyObject **operands, int count, Tensor out, int a, int b) noexcept:
    """1 where dimension ``a`` lies outside of ``b``, -1 where inside, 0 where no operand tells: the first that is not broadcast
    along either does, by its strides, or, where these are equal, by the extents.
    """
    cdef Py_ssize_t first, second
    cdef int i
    for i in range(count):
        first = step_along(<Tensor>operands[i], out, a)
        second = step_along(<Tensor>operands[i], out, b)
        if first == 0 or second == 0:
            continue
        if first != second:
            return 1 if first > second else -1
        if shape_of(out)[a] > shape_of(out)[b]:
            return 1
    return 0


cdef void lie_in_order(Tensor out, PyObject **operands, int count) noexcept:
    """Gives a contiguous tensor strides in the order of its operands', which PyTorch finds by this very insertion sort: where no
    operand tells, the outcome hangs on the way.
    """
    cdef int order[MAX_DIMS]            # the innermost first
    cdef Py_ssize_t step = ITEMSIZE[out.code]
    cdef int i, at, k, found
    cdef bint turned = False
    for i in range(out.nd):
        order[i] = out.nd - 1 - i
    for i in range(1, out.nd):
        at = i
        for k in range(i - 1, -1, -1):
            found = comes_after(operands, count, out, order[k], order[at])
            if found < 0:
                break
            if found > 0:
                order[k], order[at] = order[at], order[k]
                at = k
                turned = True
    if not turned:
        return
    for i in range(out.nd):
        strides_of(out)[order[i]] = step
        step *= shape_of(out)[order[i]]
    out.contiguous = looks_contiguous(out)


cdef Tensor new_result(PyObject **operands, int count, int ndim, const Py_ssize_t *shape, int code, bint alone=True):
    """Memory for what an elementwise op makes of tensors that broadcast to ``shape``. Not ``alone``: beside them is a number."""
    cdef Tensor out = new_tensor(ndim, shape, code)
    cdef Tensor first = <Tensor>operands[0]
    cdef bint alike = alone, contiguous = True, in_order = True, dense = True
    cdef int i
    for i in range(count):
        in_order = in_order and (<Tensor>operands[i]).contiguous == IN_ORDER
        contiguous = contiguous and (<Tensor>operands[i]).contiguous
    if in_order or ndim == 0:
        return out
    for i in range(count):
        alike = alike and same_shape(<Tensor>operands[i], out)
        dense = dense and alike and lies_as(<Tensor>operands[i], first)
    if alike and contiguous:
        return out
    if dense and is_dense(first):
        take_strides(out, first)
    else:
        lie_in_order(out, operands, count)
    return out


cdef Tensor new_as(Tensor x, int code):
    """Memory for a copy of ``x``: with its strides where it is dense, else with its dimensions in the same order."""
    cdef Tensor out
    cdef PyObject *operands[1]
    if x.contiguous == IN_ORDER:
        return new_like(x, code)
    out = new_tensor(x.nd, shape_of(x), code)
    operands[0] = <PyObject *>x
    if is_dense(x):
        take_strides(out, x)
    else:
        lie_in_order(out, operands, 1)
    return out


cdef Tensor result_as(Tensor t, list operands, bint alone=True):
    """What an elementwise op of the operands made, of new memory, laid out as its result is to be. Numbers among them count as
    beside the tensors.
    """
    cdef PyObject *tensors[KERNEL_OPERANDS]
    cdef Tensor out
    cdef int count = 0
    cdef bint in_order = t.contiguous == IN_ORDER
    for each in operands[:KERNEL_OPERANDS]:
        if isinstance(each, Tensor):
            tensors[count] = <PyObject *>each
            count += 1
            in_order = in_order and (<Tensor>each).contiguous == IN_ORDER
        elif each is not None:
            alone = False
    if in_order or count == 0:
        return t
    out = new_result(tensors, count, t.nd, shape_of(t), t.code, alone)
    if lies_as(t, out):
        return t
    copy_into(out, t)
    return out


cdef Tensor clone_as(Tensor x):
    """A copy with no graph, its dimensions in the order of those of ``x``."""
    cdef Tensor t = new_as(x, x.code)
    copy_into(t, x)
    return t


cdef Tensor copied_to(Tensor x, Tensor out):
    """The values of ``x`` broadcast to the shape of ``out``, and laid out as that is, off the tape."""
    cdef Tensor t = new_as(out, x.code)
    copy_into(t, x)
    return t


cdef Tensor cast_operand(Tensor x, int code):
    """The values in another dtype, off the tape, for an op whose result's order the strides decide: what is repeated stays so."""
    cdef Tensor whole, part, t
    cdef int i
    if x.contiguous == IN_ORDER:
        return cast_raw(x, code)
    whole = alias_of(x)                 # others may give x other memory meanwhile
    part = alias_of(whole)
    part.count = 1
    for i in range(whole.nd):
        if strides_of(whole)[i] == 0 and shape_of(whole)[i] > 1:
            shape_of(part)[i] = 1
        part.count *= shape_of(part)[i]
    part.contiguous = looks_contiguous(part)
    t = new_as(part, code)
    copy_into(t, part)
    for i in range(whole.nd):
        if shape_of(part)[i] != shape_of(whole)[i]:
            shape_of(t)[i] = shape_of(whole)[i]
            strides_of(t)[i] = 0
    t.count = whole.count
    t.contiguous = looks_contiguous(t)
    return t


def _empty_as(Tensor x not None, int code):
    """A new tensor whose values are not set, in the shape of ``x`` and laid out as a copy of it."""
    return new_as(x, code)
