# Two operands, of which the first becomes the result.

cdef object inplace_binary(Op op, Tensor x, object other):
    """``x`` becomes ``op(x, other)``; straight into its memory where nothing is recorded and the dtypes
    agree.
    """
    cdef KernelArgs args
    cdef PyObject *operands[2]
    cdef Tensor y, written
    cdef int kept
    cdef bint recorded
    other = tensor_or_number(other)
    if other is None:
        return NotImplemented
    enter_inplace(x)
    recorded = tg_grad and (needs_grad(x) or (isinstance(other, Tensor) and needs_grad(<Tensor>other)))
    kept = kept_by(op, x, other) if recorded else 0
    if tg_kernels and op.kernels[x.code] is not NULL and pair_code(x, other) == x.code and op.rule in (
            SAME, NO_BOOL, FLOAT) and not (op.rule == NO_BOOL and is_bool(other)) and not (kept & 1 or (recorded and other is x)):
        if recorded:
            refuse_unfollowed(x, "is being")
        y = as_operand(other, x.code)
        if y.code == x.code and fits_into(y, x) and not clash(x, y) and (x.contiguous or not overlaps_itself(x)):
            operands[0] = <PyObject *>x
            operands[1] = <PyObject *>y
            begin(&args, 1)
            if x.contiguous and y.contiguous and x.count == y.count:
                flat_args2(&args, x, y, x)
            elif not map_args(&args, operands, 2, x):
                return assign(x, <Tensor>binary(op, x, other))
            launch(op.kernels[x.code], &args)
            x.block.version += 1
            if recorded:
                written = alias_of(x)
                record_binary(op, written, x, other)
                take_history(x, written)
            return x
    if kept & 1:                        # what a formula keeps of it must not change under the write
        x_before = OP_CLONE(x)
        if other is x:
            other = x_before
        return assign(x, <Tensor>binary(op, x_before, other))
    return assign(x, <Tensor>binary(op, x, other))


cdef object inplace_operator(Op op, Tensor x, object other):
    """``x op= other``."""
    cdef Event event
    if not LISTENING[0]:
        return inplace_binary(op, x, other)
    event = begin_event("op", op.__name__ + "_")
    try:
        result = inplace_binary(op, x, other)
        describe(event, (x, other), result)
        return result
    finally:
        end_event(event)


cdef int kept_by(Op op, Tensor x, object other) except -1:
    """What the formulas that will be asked keep: bit 0 for the first operand, 1 for the second, 3 for the result."""
    cdef int kept = 0
    if not op.formulas:
        return 0
    if op.formulas[0] is not None and needs_grad(x):
        kept |= <int>op.keeps[0]
    if op.formulas[1] is not None and isinstance(other, Tensor) and needs_grad(<Tensor>other):
        kept |= <int>op.keeps[1]
    return kept | 1 if other is x and kept & 2 else kept
