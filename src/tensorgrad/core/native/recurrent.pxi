# Recurrent layers: what the input gives to the gates by one product, then all steps by one kernel.

cdef enum:
    LSTM = 0
    GRU = 1
    RNN = 2

cdef int GATES_OF[3]
GATES_OF[:] = [4, 3, 1]
cdef int KEPT_OF[3]                 # numbers of a hidden unit beside its gates that the way back needs
KEPT_OF[:] = [3, 2, 1]


cdef bint steps_fit(Tensor sizes, Py_ssize_t rows, Py_ssize_t most) noexcept:
    """Whether the table of steps never grows, begins with ``most`` rows and has ``rows`` in all."""
    cdef int64_t *table = <int64_t *>sizes.at
    cdef int64_t before = most, total = 0
    cdef Py_ssize_t i
    if sizes.code != I64 or sizes.nd != 1 or not sizes.contiguous or not sizes.count or table[0] != most:
        return False
    for i in range(sizes.count):
        if not 0 < table[i] <= before:
            return False
        before = table[i]
        total += before
    return total == rows


cdef bint has_shape(Tensor x, int code, Py_ssize_t rows, Py_ssize_t columns) noexcept:
    """Whether it is a contiguous matrix of this shape, or vector where ``columns`` is 0."""
    if x.code != code or not x.contiguous or x.nd != (2 if columns else 1) or shape_of(x)[0] != rows:
        return False
    return columns == 0 or shape_of(x)[1] == columns


cdef Tensor new_matrix(Py_ssize_t rows, Py_ssize_t columns, int code):
    cdef Py_ssize_t shape[2]
    shape[0], shape[1] = rows, columns
    return new_tensor(2, shape, code)


cdef inline void give_rows(KernelArgs *a, int i, Tensor x) noexcept:
    """An operand that is a table of rows."""
    a.data[i] = x.at
    a.stride[i][0] = strides_of(x)[0]


cdef int recurrent_args(KernelArgs *a, int kind, Tensor rows, Tensor weight, Tensor state, Tensor sizes, bint reverse,
                        bint rectified) except -1:
    """What the way there and the way back have in common. ``rows`` has as many rows as all steps together."""
    cdef Py_ssize_t units = shape_of(state)[1] if state.nd == 2 else 0
    if not units or not has_shape(weight, rows.code, GATES_OF[kind] * units, units) or state.code != rows.code or (
            not steps_fit(sizes, shape_of(rows)[0], shape_of(state)[0])):
        raise RuntimeError("a tensor that a recurrent layer needs was given another shape or dtype, by a hook or another thread")
    begin(a, 3)
    a.size[0] = shape_of(state)[0]
    a.size[1] = units
    a.size[2] = sizes.count
    give_rows(a, 0, rows)
    a.data[1] = weight.at
    a.data[2] = state.at
    a.data[3] = sizes.at
    a.integer[0] = shape_of(rows)[0]
    a.integer[1] = reverse
    a.integer[2] = rectified
    return 0


cdef object hot_recurrent(Op op, void **args, Py_ssize_t count):
    """``_lstm(input, weight_ih, weight_hh, hidden, cell, sizes, bias, reverse)``, ``_gru(input, weight_ih, weight_hh, hidden,
    sizes, bias, bias_hh, reverse)`` and ``_rnn(input, weight_ih, weight_hh, hidden, sizes, bias, reverse, rectified)``.
    """
    cdef KernelArgs a
    cdef Tensor x, weight_ih, weight, hidden, cell = None, sizes, bias = None, bias_hh = None, gates, out, state, kept = None
    cdef int kind = op.form, n, i
    cdef bint recorded = False, reverse, rectified
    cdef Py_ssize_t units, rows
    if count != 8 or not tg_kernels:
        return DECLINED
    values = [<object><PyObject *>args[i] for i in range(8)]
    n = 7 if kind != RNN else 6         # tensors
    for i in range(n):
        if not isinstance(values[i], Tensor) and (i < 5 or values[i] is not None):
            return DECLINED
    x, weight_ih, weight, hidden = <Tensor>values[0], <Tensor>values[1], <Tensor>values[2], <Tensor>values[3]
    if kind == LSTM:
        cell, sizes, bias = <Tensor>values[4], <Tensor>values[5], values[6]
    else:
        sizes, bias = <Tensor>values[4], values[5]
    if kind == GRU:
        bias_hh = values[6]
    reverse = values[n]
    rectified = kind == RNN and values[7]
    units = shape_of(hidden)[1] if hidden.nd == 2 else 0
    if op.kernels[x.code] is NULL or x.nd != 2 or not x.count or not units or hidden.code != x.code or (
            weight_ih.code != x.code or weight_ih.nd != 2 or shape_of(weight_ih)[1] != shape_of(x)[1] or (
            shape_of(weight_ih)[0] != GATES_OF[kind] * units)):
        return DECLINED
    rows = shape_of(x)[0]
    weight = contiguous_of(weight)
    sizes = contiguous_of(sizes)
    if not has_shape(weight, x.code, GATES_OF[kind] * units, units) or not steps_fit(sizes, rows, shape_of(hidden)[0]):
        return DECLINED
    for each in (bias, bias_hh):
        if each is not None and not has_shape(<Tensor>each, x.code, GATES_OF[kind] * units, 0):
            return DECLINED
    if cell is not None and (not same_shape(cell, hidden) or cell.code != x.code):
        return DECLINED
    if tg_grad:
        for i in range(n):
            if values[i] is not None and needs_grad(<Tensor>values[i]):
                recorded = True
    state = clone_raw(hidden)
    if cell is not None:
        cell = clone_raw(cell)
    gates = gemm(x, weight_ih, bias, True)
    out = new_matrix(rows, units, gates.code)
    if recorded:
        kept = new_matrix(rows, KEPT_OF[kind] * units, gates.code)
    recurrent_args(&a, kind, gates, weight, state, sizes, reverse, rectified)
    if a.size[1] != units or not has_shape(gates, gates.code, rows, GATES_OF[kind] * units) or (
            cell is not None and (cell.code != gates.code or not same_shape(cell, state))) or (
            bias_hh is not None and not has_shape(bias_hh, gates.code, GATES_OF[kind] * units, 0)):
        raise RuntimeError("a tensor that a recurrent layer needs was given another shape or dtype, by a hook or another thread")
    i = 4 if kind == RNN else 5
    if kind == LSTM:
        a.data[4] = cell.at
    elif bias_hh is not None:
        a.data[4] = bias_hh.at
    give_rows(&a, i, out)
    if recorded:
        give_rows(&a, i + 1, kept)
    launch(op.kernels[gates.code], &a)
    if not recorded:
        gates = None
    elif kind != RNN:
        gates, kept = in_lines(gates, GATES_OF[kind]), in_lines(kept, KEPT_OF[kind])
    outs = [out, state, cell, gates, kept] if kind == LSTM else [out, state, gates, kept]
    if recorded:
        record(op, values, values[:7] if kind != RNN else values[:6], None, outs)
    return tuple(outs)


cdef Tensor in_lines(Tensor x, Py_ssize_t middle):
    """A contiguous matrix, of which each row is so many lines."""
    cdef Py_ssize_t shape[3]
    shape[0], shape[1], shape[2] = shape_of(x)[0], middle, shape_of(x)[1] // middle
    return reshaped_alias(x, 3, shape)


cdef object hot_recurrent_backward(Op op, void **args, Py_ssize_t count):
    """``_lstm_backward(grad, of_hidden, of_cell, weight, gates, kept, sizes, reverse)``, ``_gru_backward(grad, of_hidden, weight,
    gates, kept, sizes, reverse)`` and ``_rnn_backward(grad, of_hidden, weight, gates, sizes, reverse, rectified)``.
    """
    cdef KernelArgs a
    cdef Tensor grad, state, cell = None, weight, gates, kept = None, sizes, of_gates, of_recurrent = None
    cdef int kind = op.form, first = 3 if kind == LSTM else 2, n = 5 if kind == RNN else first + 4, i = 5
    cdef Py_ssize_t rows, units
    cdef bint reverse, rectified
    if count != (n + 2 if kind == RNN else n + 1) or not tg_kernels:
        return DECLINED
    values = [<object><PyObject *>args[i] for i in range(count)]
    for each in values[:n]:
        if not isinstance(each, Tensor):
            return DECLINED
    reverse = values[n]
    rectified = kind == RNN and values[n + 1]
    grad, weight, gates = <Tensor>values[0], <Tensor>values[first], <Tensor>values[first + 1]
    if op.kernels[grad.code] is NULL or grad.nd != 2 or not grad.count:
        return DECLINED
    grad, weight, sizes = contiguous_of(grad), contiguous_of(weight), contiguous_of(<Tensor>values[n - 1])
    state = clone_raw(<Tensor>values[1])
    if kind == LSTM:
        cell = clone_raw(<Tensor>values[2])
    if kind != RNN:
        kept = <Tensor>values[first + 2]
    rows, units = shape_of(grad)[0], shape_of(grad)[1]
    of_gates = new_matrix(rows, GATES_OF[kind] * units, grad.code)
    if kind == GRU:
        of_recurrent = new_like(of_gates, grad.code)
    recurrent_args(&a, kind, grad, weight, state, sizes, reverse, rectified)
    if shape_of(state)[1] != units or not row_like(gates, grad, rows * GATES_OF[kind] * units) or (
            kept is not None and not row_like(kept, grad, rows * KEPT_OF[kind] * units)) or (
            cell is not None and (cell.code != grad.code or not same_shape(cell, state))):
        raise RuntimeError("a tensor that a recurrent layer needs was given another shape or dtype, by a hook or another thread")
    give_rows(&a, 4, gates)
    if kept is not None:
        give_rows(&a, 5, kept)
        i = 6
    if cell is not None:
        a.data[6] = cell.at
        i = 7
    give_rows(&a, i, of_gates)
    if of_recurrent is not None:
        give_rows(&a, 7, of_recurrent)
    launch(op.kernels[grad.code], &a)
    if kind == LSTM:
        return of_gates, state, cell
    return (of_gates, of_recurrent, state) if kind == GRU else (of_gates, state)


native("_lstm", hot_recurrent, NULL, LSTM)
native("_gru", hot_recurrent, NULL, GRU)
native("_rnn", hot_recurrent, NULL, RNN)
native("_lstm_backward", hot_recurrent_backward, NULL, LSTM)
native("_gru_backward", hot_recurrent_backward, NULL, GRU)
native("_rnn_backward", hot_recurrent_backward, NULL, RNN)
