# The general path of an op: its body on arrays, and what goes on the tape.

cdef Tensor want_tensor(Op op, object value, Py_ssize_t position):
    if isinstance(value, Tensor):
        return <Tensor>value
    raise TypeError(f"{op.__name__}(): argument '{op.params[position]}' (position {position + 1}) must be Tensor, not "
                    f"{type(value).__name__}{made_tensor(value)}")


cdef str made_tensor(object value):
    """How to get a tensor of what is none."""
    if isinstance(value, np.ndarray):
        return ": from_numpy(array) makes one"
    if isinstance(value, tuple) and tensors_in(value):
        return ": take one of the tensors in it, as in output, state = layer(input)"
    if isinstance(value, (list, tuple)):
        return ": tensor(values) makes one of numbers, stack(tensors) one of tensors"
    if callable(value) and hasattr(value, "parameters"):
        return ": call the module first, as in module(input), and give what comes out"
    return ""


cdef object run(Op op, list values):
    """Runs an op's body on its bound arguments and records it."""
    cdef Py_ssize_t i
    cdef list inputs
    cdef object result
    if op.kind == UNARY:
        return run_unary(op, values)
    if op.kind == BINARY:
        if not takes_numbers(op, values[0], values[1]):
            want_tensor(op, values[0], 0)
            want_tensor(op, values[1], 1)
        return run_binary(op, values)
    if op.kind == REDUCTION:
        return run_reduction(op, values)
    if op.kind == COMPOSITE:
        for i in op.tensor_index:
            want_operand(op, values[i], i)
        return op.body(*values)
    inputs = []
    bodies = list(values)
    for i in op.tensor_index:
        value = values[i]
        if i == op.list_arg:
            if not isinstance(value, (list, tuple)):
                raise TypeError(f"{op.__name__}(): argument '{op.params[i]}' (position {i + 1}) must be tuple of Tensors, not "
                                f"{type(value).__name__}")
            value = list(value)             # a thread may change it
            for k, each in enumerate(value):
                if not isinstance(each, Tensor):
                    raise TypeError(f"expected Tensor as element {k} in argument {i}, but got {type(each).__name__}")
            inputs.extend(value)
            values[i] = value
            bodies[i] = [body_array(op, <Tensor>each) for each in value]
        elif value is None and op.defaults[i] is None:
            inputs.append(None)
        else:
            inputs.append(want_tensor(op, value, i))
            bodies[i] = body_array(op, <Tensor>value)
    result = call_body(op, bodies)
    return finish(op, values, inputs, result)


cdef object body_array(Op op, Tensor x):
    """An operand for a body. Narrow floats come in float32, so that their results are rounded once, and their array says which
    they are (`dtype_in_body`). NumPy checks integers and truths that say where to read or write before it uses them, so they
    are copied: whoever else holds their memory may write there in between.
    """
    cdef int code = COMPUTES[x.code]
    if op.kind == VIEW:
        return array_of(x)
    if IS_FLOAT[code]:
        if op.double:
            return array_of(cast_raw(x, F64))
        if code != x.code:
            return array_of(cast_raw(x, code)).view(SAYING[x.code])
    elif op.kind == PRIMITIVE:
        x = clone_raw(x)
    return array_of(x)


cdef list SAYING = [np.dtype((<dtype>DTYPE_LIST[d.computes]).own, metadata={"tensorgrad": d}) for d in DTYPE_LIST]


def dtype_in_body(array):
    """The dtype of the tensor that a body's array stands for: of a narrow float it is float32, and says so."""
    said = array.dtype.metadata
    return dtype_of_numpy(array.dtype) if said is None or "tensorgrad" not in said else said["tensorgrad"]


def rounded_in_body(array, like):
    """The numbers of an array as the dtype that the body's array ``like`` stands for holds them, for a body that rounds on its
    way.
    """
    cdef dtype own = dtype_in_body(like)
    if own.computes == own.code:
        return array
    return array_of(cast_raw(cast_raw(borrow_array(np.asarray(array)), own.code), own.computes))


cdef inline bint writes_as(Op op, int code) noexcept:
    """Whether the body can write a result of that dtype where the engine says."""
    return op.writes and op.rule != FREE and not op.double and COMPUTES[code] == code


cdef object computed(Op op, list bodies, object a, object b, int code):
    """What an elementwise body makes of its operands, of which ``b`` may be None: a tensor where it can write into one, else an
    array; in the dtype that its rule says.
    """
    if writes_as(op, code):
        return call_body(op, bodies, room_for(op, a, b, code))
    result = call_body(op, bodies)
    return result if op.rule == FREE else body_result(op, result, code)


cdef object body_result(Op op, object result, int code):
    """What an elementwise body or a reduction gave, as an array of the dtype that its rule says."""
    cdef dtype wanted = <dtype>DTYPE_LIST[code]
    result = np.asarray(result)
    if result.dtype.num == NUMPY_TYPE[code]:
        return result
    with np.errstate(all="ignore"):
        if op.double and COMPUTES[code] != code:
            result = result.astype((<dtype>DTYPE_LIST[COMPUTES[code]]).own, copy=False)
        return result.astype(wanted.array_dtype, copy=False)


cdef int narrow_code(list inputs) noexcept:
    """The narrow float that all floats among the inputs are, which the float32 that a body gives then becomes."""
    cdef int code = NO_DTYPE
    for each in inputs:
        if isinstance(each, Tensor) and IS_FLOAT[(<Tensor>each).code]:
            if code != NO_DTYPE and code != (<Tensor>each).code:
                return NO_DTYPE
            code = (<Tensor>each).code
    return NO_DTYPE if code == NO_DTYPE or COMPUTES[code] == code else code


cdef class InSingle:
    """The body of a composite that computes on narrow floats as on float32, and rounds its result once."""
    cdef readonly object __wrapped__

    def __init__(self, body):
        self.__wrapped__ = body

    def __call__(self, *args, **kwargs):
        cdef int narrow = narrow_code([*args, *kwargs.values()])
        cdef int code
        if narrow == NO_DTYPE:
            return self.__wrapped__(*args, **kwargs)
        code = COMPUTES[narrow]
        settings = {name: in_dtype(value, narrow, code) for name, value in kwargs.items()}
        result = self.__wrapped__(*[in_dtype(value, narrow, code) for value in args], **settings)
        return in_dtype(result, code, narrow)


cdef object in_dtype(object value, int old, int new):
    """A tensor of one dtype in another; anything else as it is."""
    if isinstance(value, Tensor) and (<Tensor>value).code == old:
        return OP_CAST(value, DTYPE_LIST[new])
    return value


cdef object call_body(Op op, list arguments, Tensor out=None):
    """Runs a NumPy body, as an event; gives its result, which is ``out`` if it was to be written there."""
    cdef Event event
    global tg_written
    tg_written += 1
    if not LISTENING[0] & LISTENED:
        return run_body(op, arguments, out)
    event = begin_write("body", op.__name__, arguments, ())
    try:
        result = run_body(op, arguments, out)
        event.outputs = operands_in((result,))
        return result
    finally:
        end_event(event)


cdef int refuse_memory(Op op, object error) except -1:
    """AllocationError in place of what NumPy says of an array that is too large, or for which there is no memory."""
    rarely()
    shape, kind = getattr(error, "shape", None), getattr(error, "dtype", None)
    if isinstance(error, MemoryError) and shape is not None and kind is not None:
        nbytes = int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize
        raise AllocationError(f"can't allocate memory: {op.__name__} needs {nbytes} bytes for an array of size "
                              f"{list(shape)}") from None
    if isinstance(error, ValueError) and str(error).startswith(("array is too big", "Maximum allowed")):
        raise AllocationError(f"{op.__name__}(): Storage size calculation overflowed: {error}") from None
    return 0


cdef object run_body(Op op, list arguments, Tensor out):
    try:
        with np.errstate(all="ignore"):
            if out is None:
                return op.body(*arguments)
            op.body(*arguments, out=array_of(out))
            return out
    except (MemoryError, ValueError) as error:
        refuse_memory(op, error)
        raise
    except OverflowError as error:
        raise RuntimeError(f"{op.__name__}(): Overflow when unpacking long: {error}") from None


cdef object finish(Op op, list values, list inputs, object result, int code=NO_DTYPE):
    """Wraps what a body gave and records it. ``code``: which dtype that is, where the op's rule says."""
    cdef Tensor out, x
    cdef list outs
    if op.kind == VIEW:
        x = <Tensor>inputs[0]
        if type(result) is list:
            for each in result:
                if not within(x, <cnp.ndarray?>each):
                    refuse_outside(op, x, each)
            outs = [view_from_array(x, each) for each in result]
            if outs:
                record(op, values, inputs, None, outs)
            return tuple(outs)
        if within(x, <cnp.ndarray?>result):
            out = view_from_array(x, result)
        else:
            refuse_outside(op, x, result)
            out = array_tensor(result, inputs, x.code)
        return record(op, values, inputs, out, None)
    if op.rule == FREE:
        code = narrow_code(inputs)
    if type(result) is tuple or isinstance(result, (tuple, list)):
        outs = [result_tensor(each, inputs, code) for each in result]
        outs = [result_as(<Tensor>each, inputs) if op.elementwise else contiguous_of(<Tensor>each) for each in outs]
        record(op, values, inputs, None, outs)
        if hasattr(result, "_fields"):
            return type(result)(*outs)
        return tuple(outs)
    out = <Tensor>result if isinstance(result, Tensor) else result_tensor(result, inputs, code)
    if op.elementwise and not isinstance(result, Tensor):
        out = result_as(out, inputs[:1] if op is OP_POW and not isinstance(inputs[1], Tensor) else inputs)
    elif not isinstance(result, Tensor):
        out = contiguous_of(out)        # as kernels give it
    return record(op, values, inputs, out, None)


cdef object record(Op op, list values, list inputs, Tensor out, list outs):
    """Puts a general op on the tape if one of its inputs needs a gradient that a formula gives."""
    cdef Node node
    cdef NodeExtra extra
    cdef Tensor t, first
    cdef Py_ssize_t i, n, per
    cdef int keep = 0
    cdef bint wanted = False
    if not tg_grad or not op.formulas:
        return out
    n = len(inputs)
    for i in range(n):
        operand = inputs[i]
        per = 0 if op.list_arg >= 0 else i
        if isinstance(operand, Tensor) and op.formulas[per] is not None and needs_grad(<Tensor>operand):
            wanted = True
            keep |= <int>op.keeps[per]
    if not wanted:
        return out
    if out is None:
        first = None
        for each in outs:
            if IS_FLOAT[(<Tensor>each).code]:
                first = <Tensor>each
                break
        if first is None:
            return None
    else:
        first = out
        if not IS_FLOAT[out.code]:
            return out
    node = new_node(op, first, formula_vjp)
    settings = None
    if not op.plain:
        settings = list(values)
        for i in op.tensor_index:
            settings[i] = None
        node.settings = settings
    if op.list_arg >= 0:
        record_list(op, node, inputs)
    else:
        for i in range(n):
            operand = inputs[i]
            if not isinstance(operand, Tensor):
                if is_number(operand):          # a Python number in a tensor's place
                    if i == 0:
                        node.s0 = operand
                    elif i == 1:
                        node.s1 = operand
                    else:
                        settings[op.tensor_index[i]] = operand
                continue
            t = <Tensor>operand
            if i < 3:
                if op.formulas[i] is not None:
                    if i == 0:
                        set_edge0(node, t)
                    elif i == 1:
                        set_edge1(node, t)
                    else:
                        set_edge2(node, t)
                if keep & (1 << i):
                    if i == 0:
                        keep0(node, t)
                    elif i == 1:
                        keep1(node, t)
                    else:
                        keep2(node, t)
                elif i == 2 and op.keeps_third_shape:
                    note_third_shape(node, t)
            else:
                extra = node_extra(node)
                if extra.edges is None:
                    extra.edges = []
                    extra.saved = []
                    extra.versions = []
                    extra.codes = []
                while len(extra.edges) < i - 3:
                    extra.edges.append((None, 0))
                    extra.saved.append(None)
                    extra.versions.append(0)
                    extra.codes.append(F32)
                extra.edges.append((edge_of(t) if op.formulas[i] is not None else None, t.nr))
                if keep & (16 << i):
                    refuse_inference(t)
                    node.state |= NODE_SAVED
                    extra.saved.append(t)
                    extra.versions.append(version_of(t))
                else:
                    extra.saved.append(None)
                    extra.versions.append(0)
                extra.codes.append(t.code)
            if op.formulas[i] is not None and not same_shape(t, first) and op.kind == BINARY:
                node.broadcast |= 1 << i
                extra = node_extra(node)
                if extra.shapes is None:
                    extra.shapes = [None] * n
                extra.shapes[i] = shape_tuple(t)
    if settings is not None and isinstance(inputs[0], Tensor):
        settings.append(shape_tuple(<Tensor>inputs[0]))
        if op.keeps_second_shape:
            settings.append(shape_tuple(<Tensor>inputs[1]))
    if outs is not None:
        record_outputs(node, outs, keep)
    elif keep & 8:
        keep_output(node, out)
    return out


cdef inline int note_third_shape(Node node, Tensor t) except -1:
    """For formulas that ask for it of a tensor that is not kept: that of a leaf is seen in the edge to it."""
    if is_node(node.e2):
        node.s2 = shape_tuple(t)
    return 0


cdef int record_list(Op op, Node node, list inputs) except -1:
    """Edges of an op whose one tensor argument is a list."""
    cdef NodeExtra extra = node_extra(node)
    cdef Py_ssize_t i
    cdef Tensor t
    extra.edges = []
    extra.saved = []
    extra.versions = []
    extra.codes = []
    for i in range(len(inputs)):
        t = <Tensor>inputs[i]
        if i == 0:
            set_edge0(node, t)
        elif i == 1:
            set_edge1(node, t)
        elif i == 2:
            set_edge2(node, t)
        else:
            extra.edges.append((edge_of(t), t.nr))
            extra.codes.append(t.code)
    if op.keeps[0] & 1:
        for each in inputs:
            refuse_inference(<Tensor>each)
            extra.saved.append(each)
            extra.versions.append(version_of(<Tensor>each))
        node.state |= NODE_SAVED
    return 0


cdef int record_outputs(Node node, list outs, int keep) except -1:
    """Several outputs of one node."""
    cdef NodeExtra extra = node_extra(node)
    cdef Tensor t
    cdef Py_ssize_t i
    extra.outputs_meta = []
    extra.output_aliases = [] if keep >= KEEP_OUTPUT_0 else None
    node.outputs = len(outs)
    for i in range(len(outs)):
        t = <Tensor>outs[i]
        extra.outputs_meta.append((shape_tuple(t), t.code))
        if IS_FLOAT[t.code]:
            t.node = node
            t.nr = i
            t.requires = True
        if i < 15 and keep & KEEP_OUTPUT_0 << i:      # the bits that a mask has; views may have more outputs
            alias = alias_of(t)
            extra.output_aliases.append((alias, version_of(<Tensor>alias)))
            node.state |= NODE_SAVED
        elif extra.output_aliases is not None:
            extra.output_aliases.append(None)
    return 0


cdef object node_value(Node node, int code, object g):
    """One argument of a formula."""
    cdef NodeExtra extra
    cdef Tensor out
    cdef Py_ssize_t slot, i
    cdef Op op = node.op
    if code == ARG_G:
        return g if node.outputs == 1 else first_gradient(node, g)
    if code == ARG_OUTPUT:
        out = alias_of(node.output)
        if tg_grad:
            out.node = node
            out.requires = True
        return out
    if code == ARG_SHAPE:
        return node.settings[len(op.params)]
    if code == ARG_SECOND_SHAPE:
        return node.settings[len(op.params) + 1]
    if code == ARG_THIRD_SHAPE:
        third = node.e2 if node.s2 is None else node.s2
        return shape_tuple(<Tensor>third) if isinstance(third, Tensor) else third
    if code == ARG_GRADS:
        return [output_gradient(node, g, i) for i in range(node.outputs)]
    if code <= ARG_G_N:
        return output_gradient(node, g, ARG_G_N - code)
    if code <= ARG_OUTPUT_N:
        extra = <NodeExtra>node.more
        out = alias_of(extra.output_aliases[ARG_OUTPUT_N - code][0])
        if tg_grad and IS_FLOAT[out.code]:
            out.node = node
            out.nr = ARG_OUTPUT_N - code
            out.requires = True
        return out
    if op.list_arg == code:
        return (<NodeExtra>node.more).saved
    if code in op.tensor_index:
        slot = op.tensor_index.index(code)
        if slot == 0:
            value = node.s0
        elif slot == 1:
            value = node.s1
        elif slot == 2:
            value = node.s2
        else:
            extra = <NodeExtra>node.more
            value = extra.saved[slot - 3] if extra.saved is not None and len(extra.saved) > slot - 3 else None
        if value is not None:
            return value
    return op.defaults[code] if node.settings is None else node.settings[code]


cdef object output_gradient(Node node, object g, int i):
    """The gradient of output i of several; zeros where none arrived."""
    cdef NodeExtra extra = <NodeExtra>node.more
    cdef Tensor zeros
    if node.outputs == 1:
        return g
    if g[i] is not None:
        return g[i]
    zeros = _empty(extra.outputs_meta[i][0], extra.outputs_meta[i][1])
    fill_raw(zeros, 0.0)
    return zeros


cdef object first_gradient(Node node, object g):
    cdef Py_ssize_t i
    for i in range(len(g)):
        if IS_FLOAT[(<NodeExtra>node.more).outputs_meta[i][1]]:
            return output_gradient(node, g, i)
    return g[0]


cdef inline bint arrived(object value, object g):
    """Whether a formula gave what it got: the gradient of an output as it is."""
    if type(g) is not list:
        return value is g
    for each in <list>g:
        if value is each:
            return True
    return False


cdef int formula_vjp(Node node, Tensor g) except -1:
    """The gradients by the declared formulas, which are written in ops: right at every order."""
    return formulas_of(node, g)


cdef int formulas_of(Node node, object g) except -1:
    cdef Op op = node.op
    cdef Py_ssize_t i, n = len(op.formulas)
    cdef NodeExtra extra = None
    if node.state & NODE_GENERAL:
        extra = <NodeExtra>node.more
    if isinstance(g, Tensor):
        share(<Tensor>g)
    if op.list_arg >= 0:
        grads = op.formulas[0](*[node_value(node, code, g) for code in op.formula_args[0]])
        for i in range(len(grads)):
            if grads[i] is not None and edge_at(node, i) is not None:
                accumulate(node, i, <Tensor>grads[i])
        return 0
    done = last = None
    for i in range(n):
        formula = op.formulas[i]
        if formula is None or (i >= 3 and (extra is None or extra.edges is None or i - 3 >= len(extra.edges))):
            continue
        edge = edge_at(node, i)
        if edge is None or not is_wanted(edge):
            continue
        if done is not None and formula is done[0]:
            value = done[1][i]
        else:
            value = formula(*[node_value(node, code, g) for code in op.formula_args[i]])
            if type(value) is tuple:            # one formula for several arguments
                done = (formula, value)
                value = value[i]
        if value is None:
            continue
        if not isinstance(value, Tensor):
            raise RuntimeError(f"the gradient formula of {op.__name__}() for '{op.tensor_params[i]}' gave {type(value).__name__}")
        if node.broadcast and extra.shapes is not None and extra.shapes[i] is not None:
            value = sum_to(<Tensor>value, extra.shapes[i])
        if value is not last and not arrived(value, g):     # computed from g, and so made here
            accumulate_new(node, i, <Tensor>value)
        else:
            share(<Tensor>value)
            accumulate(node, i, <Tensor>value)
        last = value
    return 0
