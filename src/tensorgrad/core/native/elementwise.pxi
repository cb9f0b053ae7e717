# Element by element: one operand, or two with broadcasting and promotion.

cdef const Kernel *ADD_SCALAR[DTYPES]
cdef const Kernel *MUL_SCALAR[DTYPES]
cdef const Kernel *POW_SCALAR[DTYPES]
cdef const Kernel *POW_SCALAR_BACKWARD[DTYPES]
cdef const Kernel *ADD_SCALED[DTYPES]


cdef void find_scalar_kernels() noexcept:
    cdef int i
    for i in range(DTYPES):
        ADD_SCALAR[i] = find(b"add_scalar", i)
        MUL_SCALAR[i] = find(b"mul_scalar", i)
        POW_SCALAR[i] = find(b"pow_scalar", i)
        POW_SCALAR_BACKWARD[i] = find(b"pow_scalar_backward", i)
        ADD_SCALED[i] = find(b"add_scaled", i)


find_scalar_kernels()


# ---------------------------------------------------------------------------- one operand

cdef Tensor map_one(const Kernel *fn, Tensor x, int out_code, KernelArgs *a, bint alone):
    """Runs a one-operand kernel whose scalars are set. Not ``alone``: one of them is an operand in PyTorch."""
    cdef Tensor out
    if x.contiguous != IN_ORDER:
        return map_strided(fn, x, out_code, a, alone)
    out = new_like(x, out_code)
    flat_args1(a, x, out)
    launch(fn, a)
    return out


cdef Tensor map_strided(const Kernel *fn, Tensor x, int out_code, KernelArgs *a, bint alone):
    cdef PyObject *operands[1]
    operands[0] = <PyObject *>x
    cdef Tensor out = new_result(operands, 1, x.nd, shape_of(x), out_code, alone)
    if not map_args(a, operands, 1, out):
        x = copied_to(x, out)
        flat_args1(a, x, out)
    launch(fn, a)
    return out


cdef Tensor map_two(const Kernel *fn, Tensor x, Tensor y, int out_code, KernelArgs *a, str who):
    """Runs a two-operand kernel whose scalars are set, with broadcasting."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef int nd
    cdef Tensor out
    cdef PyObject *operands[2]
    operands[0] = <PyObject *>x
    operands[1] = <PyObject *>y
    if same_shape(x, y):
        if x.contiguous and y.contiguous:
            out = new_like(x if x.code == out_code or y.code != out_code else y, out_code)
            flat_args2(a, x, y, out)
            launch(fn, a)
            return out
        out = new_result(operands, 2, x.nd, shape_of(x), out_code)
    else:
        nd = broadcast_shape(x, y, shape, who)
        out = new_result(operands, 2, nd, shape, out_code)
    if not map_args(a, operands, 2, out):
        x = copied_to(x, out)
        y = copied_to(y, out)
        flat_args2(a, x, y, out)
    launch(fn, a)
    return out


cdef Tensor expand_raw(Tensor x, Tensor like):
    """``x`` broadcast to the shape of ``like``, off the tape."""
    cdef int grad = tg_grad
    global tg_grad
    tg_grad = False
    try:
        return expand(OP_EXPAND, x, shape_tuple(like))
    finally:
        tg_grad = grad


cdef object hot_unary(Op op, void **args, Py_ssize_t count):
    cdef Py_ssize_t i, total = len(op.params)
    cdef KernelArgs a
    cdef Tensor x
    cdef list settings = None
    if count == total + 1 and op.switched and <object><PyObject *>args[total] is False:
        count = total                   # inplace=False
    if count == 0 or count > total or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    x = <Tensor><PyObject *>args[0]
    if not tg_kernels or op.kernels[x.code] is NULL:
        return DECLINED
    begin(&a, 1)
    if total > 1:
        settings = [None] * total
        for i in range(1, total):
            value = <object><PyObject *>args[i] if i < count else op.defaults[i]
            if not is_number(value):
                return DECLINED
            settings[i] = value
            a.scalar[i - 1] = value
            if x.code != F64 and not -FLOAT32_MAX <= a.scalar[i - 1] <= FLOAT32_MAX:
                fitting(value, x.code, True)
    return unary_kernel(op, x, &a, settings)


cdef object unary(Op op, Tensor x):
    """An op of one operand and no settings."""
    cdef KernelArgs a
    if tg_kernels and op.kernels[x.code] is not NULL:
        begin(&a, 1)
        return unary_kernel(op, x, &a, None)
    return run(op, [x])


cdef Tensor unary_kernel(Op op, Tensor x, KernelArgs *a, list settings):
    cdef Tensor out = map_one(op.kernels[x.code], x, BOOL if op.rule == TO_BOOL else x.code, a, True)
    cdef Node node
    if tg_grad and op.formulas[0] is not None and needs_grad(x):
        node = record_one(op, out, x, op.backward_needs & 9)
        node.settings = settings
    return out


cdef Tensor plain_input(Op op, void **args, Py_ssize_t count, Py_ssize_t most):
    """The input of a call by position, where the op has a kernel for it; else None."""
    if not 1 <= count <= most or not isinstance(<object><PyObject *>args[0], Tensor) or not tg_kernels:
        return None
    x = <Tensor><PyObject *>args[0]
    return x if op.kernels[(<Tensor>x).code] is not NULL else None


cdef object hot_logit(Op op, void **args, Py_ssize_t count):
    """Without eps, or with one below 0, the kernel's is minus infinity: it clips nothing."""
    cdef KernelArgs a
    cdef Tensor x
    cdef double eps = -INFINITY
    value = <object><PyObject *>args[1] if count == 2 else None
    if value is not None:
        if type(value) is not float:
            return DECLINED
        eps = value if value >= 0 else eps
    x = plain_input(op, args, count, 2)
    if x is None:
        return DECLINED
    begin(&a, 1)
    a.scalar[0] = eps
    return unary_kernel(op, x, &a, [None, eps])


cdef object hot_nan_to_num(Op op, void **args, Py_ssize_t count):
    """Numbers that are not given are 0 and the largest."""
    cdef KernelArgs a
    cdef Tensor x = plain_input(op, args, count, 4)
    cdef Py_ssize_t i
    if x is None:
        return DECLINED
    begin(&a, 1)
    a.scalar[1] = kernel_largest(x.code)
    a.scalar[2] = -a.scalar[1]
    for i in range(1, count):
        value = <object><PyObject *>args[i]
        if type(value) is float or type(value) is int:
            a.scalar[i - 1] = value
        elif value is not None:
            return DECLINED
    return unary_kernel(op, x, &a, None)


native("logit", hot_logit, NULL, 0)
native("nan_to_num", hot_nan_to_num, NULL, 0)


cdef int unary_vjp(Node node, Tensor g) except -1:
    """By the backward kernel, which takes the gradient and the saved input or output."""
    cdef KernelArgs a
    cdef Tensor saved = node.output if node.output is not None else <Tensor>node.s0
    cdef const Kernel *fn = node.op.backward_kernels[g.code]
    cdef Py_ssize_t i
    if fn is NULL or saved.code != g.code or (node.op.backward_needs & 9) == 9:
        return formula_vjp(node, g)
    begin(&a, 1)
    if node.settings is not None:
        for i in range(1, len(node.settings)):
            a.scalar[i - 1] = node.settings[i]
    return accumulate_new(node, 0, map_two(fn, g, saved, g.code, &a, node.op.__name__))


cdef int neg_vjp(Node node, Tensor g) except -1:
    return accumulate_new(node, 0, <Tensor>unary(OP_NEG, g))


cdef object run_unary(Op op, list values):
    """By the body."""
    cdef Tensor x = want_tensor(op, values[0], 0)
    cdef int code = x.code
    if op.rule == FLOAT and not IS_FLOAT[code]:
        code = default_code
        x = cast_operand(x, code)
        if op.hot is not NULL:
            values[0] = x
            found = hot_bound(op, values)
            if found is not DECLINED:
                return found
    elif op.rule == NO_BOOL and code == BOOL:
        raise RuntimeError(f"{op.__name__}() is not supported for bool tensors; use logical_not() or convert with .to(dtype)")
    if IS_FLOAT[code] and op.rule != FREE:
        for value in values[1:]:
            if is_number(value):
                fitting(value, COMPUTES[code], True)
    bodies = list(values)
    bodies[0] = body_array(op, x)
    if op.rule == TO_BOOL:
        code = BOOL
    values[0] = x
    return finish(op, values, [x], computed(op, bodies, x, None, code), code)


# ---------------------------------------------------------------------------- two operands

cdef inline object tensor_or_number(object value):
    """A Tensor or a number, or None when it is neither."""
    if isinstance(value, Tensor) or type(value) is float or type(value) is int or type(value) is bool:
        return value
    if is_number(value):                    # of a class of its own: what its conversion runs, it runs here
        return value if isinstance(value, np.generic) else int(value) if isinstance(value, int) else float(value)
    if isinstance(value, np.ndarray):       # the tape may keep it, and would not notice a later change
        return copy_array(value) if tg_grad else borrow_array(value)
    return None


cdef object binary_operator(Op op, object a, object b):
    left = tensor_or_number(a)
    right = tensor_or_number(b)
    if left is None or right is None:
        return operator_taken_over(op, a, b)
    return heard_binary(op, left, right) if LISTENING[0] else binary(op, left, right)


cdef object heard_binary(Op op, object a, object b):
    cdef Py_ssize_t waiting = count_waiting()
    answer = overridden_operator(op, a, b)
    if answer is not DECLINED:
        return answer
    if LISTENING[0] == ASIDE:           # nobody wants to hear of it
        result = binary(op, a, b)
        pack_since(waiting)
        return result
    cdef Event event = begin_heard("op", op.__name__)
    cdef Trap trap = begin_trap(op, [a, b], (), False)
    try:
        result = binary(op, a, b)
        if event is not None:
            describe(event, (a, b), result)
    finally:
        end_trap(trap)
        end_write(event)
    pack_since(waiting)
    if trap is not None:
        look_at_result(trap, result)
    return result


cdef object add_scaled(Op op, object a, object b, object alpha):
    """``a + alpha * b``, and ``a - alpha * b``, of two float tensors of one dtype, in one go."""
    cdef Tensor out
    cdef KernelArgs args
    if not tg_kernels or not isinstance(a, Tensor) or not isinstance(b, Tensor) or type(alpha) not in (float, int):
        return DECLINED
    if (<Tensor>a).code != (<Tensor>b).code or ADD_SCALED[(<Tensor>a).code] is NULL:
        return DECLINED
    begin(&args, 1)
    args.scalar[0] = alpha if op is OP_ADD else -alpha
    if type(alpha) is int or not -FLOAT32_MAX <= args.scalar[0] <= FLOAT32_MAX:
        fitting(alpha, (<Tensor>b).code, True)
    out = map_two(ADD_SCALED[(<Tensor>a).code], <Tensor>a, <Tensor>b, (<Tensor>a).code, &args, op.__name__)
    if tg_grad and (needs_grad(<Tensor>a) or needs_grad(<Tensor>b)):
        record_binary(op, out, a, b)
        out.node.settings = [None, None, alpha]
        out.node.vjp = formula_vjp
    return out


cdef object hot_binary(Op op, void **args, Py_ssize_t count):
    if count != 2:
        if count == 3 and len(op.params) == 3 and (<object><PyObject *>args[2]) == op.defaults[2]:
            pass                    # alpha=1, rounding_mode=None
        elif count == 3 and (op is OP_ADD or op is OP_SUB):
            return add_scaled(op, <object><PyObject *>args[0], <object><PyObject *>args[1], <object><PyObject *>args[2])
        else:
            return DECLINED
    a = <object><PyObject *>args[0]
    b = <object><PyObject *>args[1]
    if not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        return DECLINED
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        if not takes_numbers(op, a, b):
            return DECLINED
        a = tensor_or_number(a)
        b = tensor_or_number(b)
        if a is None or b is None:
            return DECLINED
    return binary(op, a, b)


cdef bint takes_numbers(Op op, object a, object b) except -1:
    """Whether the op may be called by name with numbers where these operands are some."""
    if op.number_rule == NUMBER_ANYWHERE:
        return True
    return isinstance(a, (Tensor, np.ndarray)) and (op.number_rule == NUMBER_SECOND or isinstance(b, (Tensor, np.ndarray)))


cdef inline int pair_code(object a, object b) except -1:
    """The promoted dtype of two operands."""
    cdef Tensor x, y
    if isinstance(a, Tensor):
        x = <Tensor>a
        if isinstance(b, Tensor):
            y = <Tensor>b
            if x.code == y.code:
                return x.code
            if (x.nd > 0) == (y.nd > 0):
                return PROMOTED[x.code][y.code]
            return combine(x.code, y.code) if x.nd else combine(y.code, x.code)
        if IS_FLOAT[x.code]:
            return x.code
        return combine_with_number(x.code, b)
    y = <Tensor>b
    if IS_FLOAT[y.code]:
        return y.code
    return combine_with_number(y.code, a)


cdef int combine_with_number(int code, object number) except -1:
    """The dtype of a tensor's and a number's; truths become int64, which the number has to fit."""
    cdef int own = number_code(number)
    if code == BOOL and own == I64:
        fitting(number, I64, True)
    return combine(code, own)


cdef inline const Kernel *kernel_with_number(Op op, int code, bint second) noexcept:
    """The kernel that takes the second operand, or of a sum or product either, as a number; NULL if there is none."""
    if op is OP_MUL:
        return MUL_SCALAR[code]
    if op is OP_ADD or (op is OP_SUB and second):
        return ADD_SCALAR[code]
    return POW_SCALAR[code] if op is OP_POW and second else NULL


cdef object binary(Op op, object a, object b):
    """An op of two operands, of which at least one is a Tensor and the other may be a number."""
    cdef int code = pair_code(a, b)
    cdef Tensor x, y, out
    cdef KernelArgs args
    cdef const Kernel *fn
    if op.rule == FLOAT and not IS_FLOAT[code]:
        code = default_code
    if not tg_kernels or (op.rule == NO_BOOL and (is_bool(a) or is_bool(b))):
        return run_binary(op, with_defaults(op, a, b))
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        fn = kernel_with_number(op, code, isinstance(a, Tensor))
        if fn is not NULL:
            begin(&args, 1)
            if isinstance(a, Tensor):
                x = as_operand(a, code)
                args.scalar[0] = real_number(b)
            else:
                x = as_operand(b, code)
                args.scalar[0] = real_number(a)
            if op is OP_SUB:
                args.scalar[0] = -args.scalar[0]
            out = map_one(fn, x, code, &args, op is OP_POW)
            if tg_grad:
                record_binary(op, out, a, b)
            return out
    if op.kernels[code] is NULL:
        return run_binary(op, with_defaults(op, a, b))
    x = as_operand(a, code)
    y = as_operand(b, code)
    if x.code != code:                  # by another thread, while y was converted
        x = cast_raw(x, code)
    begin(&args, 1)
    out = map_two(op.kernels[code], x, y, BOOL if op.rule == TO_BOOL else code, &args, op.__name__)
    if tg_grad and op.rule != TO_BOOL and op.formulas and (
            (isinstance(a, Tensor) and needs_grad(<Tensor>a)) or (isinstance(b, Tensor) and needs_grad(<Tensor>b))):
        record_binary(op, out, a, b)
    return out


cdef inline bint is_bool(object value):
    return value is True or value is False or (isinstance(value, Tensor) and (<Tensor>value).code == BOOL)


cdef list with_defaults(Op op, object a, object b):
    cdef list values = list(op.defaults)
    values[0] = a
    values[1] = b
    return values


cdef inline Tensor as_operand(object value, int code):
    if isinstance(value, Tensor):
        if (<Tensor>value).code == code:
            return <Tensor>value
        return cast_operand(<Tensor>value, code)
    return number_tensor(value, code)


cdef int record_binary(Op op, Tensor out, object a, object b) except -1:
    cdef Node node
    cdef int keep = 0
    cdef NodeExtra extra
    cdef bint first = isinstance(a, Tensor) and op.formulas[0] is not None and needs_grad(<Tensor>a)
    cdef bint second = isinstance(b, Tensor) and op.formulas[1] is not None and needs_grad(<Tensor>b)
    if not first and not second:
        return 0
    node = new_node(op, out, op.fast_vjp)
    if first:
        set_edge0(node, <Tensor>a)
        keep |= <int>op.keeps[0]
        if not same_shape(<Tensor>a, out):
            node.broadcast |= 1
    if second:
        set_edge1(node, <Tensor>b)
        keep |= <int>op.keeps[1]
        if not same_shape(<Tensor>b, out):
            node.broadcast |= 2
    if keep & 1:
        if isinstance(a, Tensor):
            keep0(node, <Tensor>a)
        else:
            node.s0 = a
    if keep & 2:
        if isinstance(b, Tensor):
            keep1(node, <Tensor>b)
        else:
            node.s1 = b
    if keep & 8:
        keep_output(node, out)
    if node.broadcast:
        extra = node_extra(node)
        extra.shapes = [shape_tuple(<Tensor>a) if node.broadcast & 1 else None,
                        shape_tuple(<Tensor>b) if node.broadcast & 2 else None]
    return 0


cdef inline Tensor fitted(Node node, int i, Tensor g):
    """The gradient summed to the shape of input i."""
    if node.broadcast & (1 << i):
        return sum_to(g, (<NodeExtra>node.more).shapes[i])
    return g


cdef inline int accumulate_fitted(Node node, int i, Tensor g) except -1:
    """Hands on a gradient that arrived, summed where input i was broadcast."""
    if node.broadcast & (1 << i):
        return accumulate_new(node, i, fitted(node, i, g))
    return accumulate(node, i, g)


cdef int add_vjp(Node node, Tensor g) except -1:
    if node.e0 is not None and node.e1 is not None:
        share(g)
    if node.e0 is not None:
        accumulate_fitted(node, 0, g)
    if node.e1 is not None:
        accumulate_fitted(node, 1, g)
    return 0


cdef int sub_vjp(Node node, Tensor g) except -1:
    if node.e1 is not None:
        accumulate_new(node, 1, <Tensor>unary(OP_NEG, fitted(node, 1, g)))
    if node.e0 is not None:
        accumulate_fitted(node, 0, g)
    return 0


cdef int mul_vjp(Node node, Tensor g) except -1:
    if node.e0 is not None:
        accumulate_new(node, 0, fitted(node, 0, <Tensor>binary(OP_MUL, g, node.s1)))
    if node.e1 is not None:
        accumulate_new(node, 1, fitted(node, 1, <Tensor>binary(OP_MUL, g, node.s0)))
    return 0


cdef int div_vjp(Node node, Tensor g) except -1:
    if node.e0 is not None:
        accumulate_new(node, 0, fitted(node, 0, <Tensor>binary(OP_DIV, g, node.s1)))
    if node.e1 is not None:
        slope = binary(OP_DIV, binary(OP_DIV, node.s0, node.s1), node.s1)     # by the square, which may overflow
        accumulate_new(node, 1, fitted(node, 1, <Tensor>unary(OP_NEG, <Tensor>binary(OP_MUL, g, slope))))
    return 0


cdef int pow_vjp(Node node, Tensor g) except -1:
    cdef KernelArgs a
    cdef const Kernel *fn = POW_SCALAR_BACKWARD[g.code]
    if isinstance(node.s1, Tensor) or node.e1 is not None or fn is NULL or (<Tensor>node.s0).code != g.code:
        return formula_vjp(node, g)
    begin(&a, 1)
    a.scalar[0] = node.s1
    return accumulate_new(node, 0, map_two(fn, g, <Tensor>node.s0, g.code, &a, "pow"))


native("add", NULL, add_vjp, 0)
native("sub", NULL, sub_vjp, 0)
native("mul", NULL, mul_vjp, 0)
native("div", NULL, div_vjp, 0)
native("pow", NULL, pow_vjp, 0)
native("neg", NULL, neg_vjp, 0)


cdef object run_binary(Op op, list values):
    """By the body."""
    cdef object a = tensor_or_number(values[0]), b = tensor_or_number(values[1])
    cdef int code, inside, i
    if a is None:
        want_tensor(op, values[0], 0)
    if b is None:
        want_tensor(op, values[1], 1)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        want_tensor(op, values[0], 0)
    if op.check is not None:
        found = op.check(a, b, *values[2:])
        if found is not None:
            return found
    code = pair_code(a, b)
    if op.rule == FLOAT and not IS_FLOAT[code]:
        code = default_code
    elif op.rule == NO_BOOL and code == BOOL:
        raise RuntimeError(f"{op.__name__}() is not supported for bool tensors: use the ^ or logical_xor() operator, or convert "
                           f"with .to(dtype)")
    if COMPUTES[code] != code:
        for value in values[2:]:
            if is_number(value):
                fitting(value, code, True)
    bodies = list(values)
    inside = code
    if COMPUTES[code] != code and (op is OP_MUL or op is OP_DIV) and not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        inside = COMPUTES[code]     # the number is not rounded first
    for i, operand in enumerate((a, b)):
        bodies[i] = body_array(op, as_operand(operand, inside))
    if isinstance(a, Tensor) and isinstance(b, Tensor) and not same_shape(a, b):
        check_broadcast(op, a, b)
    if op.rule == TO_BOOL:
        code = BOOL
    values[0] = a
    values[1] = b
    return finish(op, values, [a, b], computed(op, bodies, a, b, code), code)


cdef Tensor room_for(Op op, object a, object b, int code):
    """Memory for what an op makes of its operands, of which one may be a number, or the second None."""
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef PyObject *operands[2]
    cdef Tensor x
    cdef int nd
    operands[0] = <PyObject *>(a if isinstance(a, Tensor) else b)
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        x = <Tensor>operands[0]
        return new_result(operands, 1, x.nd, shape_of(x), code, b is None or op is OP_POW)
    operands[1] = <PyObject *>b
    nd = broadcast_shape(<Tensor>a, <Tensor>b, shape, op.__name__)
    return new_result(operands, 2, nd, shape, code)


cdef int check_broadcast(Op op, Tensor x, Tensor y) except -1:
    cdef Py_ssize_t shape[MAX_DIMS]
    broadcast_shape(x, y, shape, op.__name__)
    return 0


cdef object compare(object a, object b, int which):
    return binary_operator(<Op>OP_COMPARE[which], a, b)
