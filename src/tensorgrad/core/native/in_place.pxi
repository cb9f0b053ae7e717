# Two operands, of which the first becomes the result.

cdef object inplace_binary(Op op, Tensor x, object other):
    """``x`` becomes ``op(x, other)``: straight into its memory where the dtypes agree and no formula keeps what it replaces."""
    cdef KernelArgs args
    cdef const Kernel *fn = NULL
    cdef Tensor y = None, written = None
    cdef int kept
    cdef bint recorded
    other = tensor_or_number(other)
    if other is None:
        return NotImplemented
    enter_inplace(x)
    recorded = tg_grad and (needs_grad(x) or (isinstance(other, Tensor) and needs_grad(<Tensor>other)))
    kept = kept_by(op, x, [other]) if recorded else 0
    if kept & 1:
        before = OP_CLONE(x)
        return assign(x, <Tensor>binary(op, before, before if other is x else other))
    if tg_kernels and pair_code(x, other) == x.code and op.rule in (SAME, NO_BOOL, FLOAT) and not kept & 8 and not (
            op.rule == NO_BOOL and is_bool(other)) and (x.contiguous or not overlaps_itself(x)):
        begin(&args, 1)
        if not isinstance(other, Tensor):
            fn = kernel_with_number(op, x.code, True)
        if fn is not NULL:
            args.scalar[0] = -real_number(other) if op is OP_SUB else real_number(other)
        else:
            y = as_operand(other, x.code)
            if y.code == x.code and fits_into(y, x) and not clash(x, y) and not (recorded and overlap(x, y)):
                fn = op.kernels[x.code]
        if fn is not NULL and in_place_args(&args, x, y):
            if recorded:                # first of all: it may be refused
                refuse_unfollowed(x, "is being")
                written = alias_of(x)
                record_binary(op, written, x, other)
            x.block.version += 1
            launch(fn, &args)
            if recorded:
                take_history(x, written)
            return x
    return assign(x, <Tensor>binary(op, x, other))


cdef bint in_place_args(KernelArgs *args, Tensor x, Tensor y) noexcept:
    """The operands of a kernel whose first is its result; ``y`` is None where a number stands for it. False if it takes more
    loops than a call has.
    """
    cdef PyObject *operands[2]
    operands[0] = <PyObject *>x
    operands[1] = <PyObject *>y
    if not x.contiguous or (y is not None and (not y.contiguous or y.count != x.count)):
        return map_args(args, operands, 1 if y is None else 2, x)
    if y is None:
        flat_args1(args, x, x)
    else:
        flat_args2(args, x, y, x)
    return True


cdef object inplace_operator(Op op, Tensor x, object other):
    """``x op= other``."""
    cdef Event event
    cdef Trap trap
    cdef Py_ssize_t waiting
    if not LISTENING[0]:
        return inplace_binary(op, x, other)
    waiting = count_waiting()
    if tg_overriding and not tg_apart and (takes_over(x) or takes_over(other)):
        return _hand_over(CORE_OPS[op.__name__ + "_"], (x, other), {})
    event = begin_heard("op", op.__name__ + "_")
    trap = begin_trap(op, [x, other], (), True)
    try:
        result = inplace_binary(op, x, other)
        if event is not None:
            describe(event, (x, other), result)
    finally:
        end_trap(trap)
        end_write(event)
    pack_since(waiting)
    if trap is not None:
        look_at_result(trap, result)
    return result


cdef int kept_by(Op op, Tensor x, list others) except -1:
    """What formulas will keep of an elementwise op of ``x`` and, where it has two operands, the first of ``others``: bit 0 for
    ``x``, which may stand among these too, bit 3 for the result.
    """
    cdef int kept = 0
    cdef Py_ssize_t i
    for i, operand in enumerate([x, *others][:len(op.formulas)]):
        if op.formulas[i] is not None and isinstance(operand, Tensor) and needs_grad(<Tensor>operand):
            kept |= <int>op.keeps[i]
    return kept | 1 if kept & 2 and others and others[0] is x else kept
