# A call of an op by its name: the path in C, else arguments bound by name and the body.

cdef object op_vectorcall(object self, PyObject **args, size_t nargsf, PyObject *names):
    """Where every call of an op by its name arrives."""
    if not LISTENING[0]:
        return call_op(<Op>self, args, nargsf, names)
    return heard_op(<Op>self, args, nargsf, names)


cdef object heard_op(Op op, PyObject **args, size_t nargsf, PyObject *names):
    cdef tuple words = () if names is NULL else <tuple><object>names
    cdef Py_ssize_t i
    cdef Py_ssize_t count = PyVectorcall_NARGS(nargsf), total = count + len(words), waiting = count_waiting()
    if is_overridden(args, total):
        return taken_over(op, args, count, names)
    if tg_low and op.precision:
        return in_precision(op, args, count, words)
    if LISTENING[0] == ASIDE:           # nobody wants to hear of it
        result = call_op(op, args, nargsf, names)
        pack_since(waiting)
        return result
    cdef list given = [<object>args[i] for i in range(total)]
    cdef Event event = begin_heard("op", op.__name__)
    cdef Trap trap = begin_trap(op, given, words, op.kind == INPLACE or op is CORE_OPS.get("_index_put_"))
    try:
        result = call_op(op, args, nargsf, names)
        if event is not None:
            describe(event, given, result, words)
    finally:
        end_trap(trap)
        end_write(event)
    pack_since(waiting)
    if trap is not None:
        look_at_result(trap, result)
    return result


cdef object call_op(Op op, PyObject **args, size_t nargsf, PyObject *names):
    cdef Py_ssize_t i, count = PyVectorcall_NARGS(nargsf)
    cdef list values
    cdef object out = None
    cdef PyObject *result
    if op.old_order and count > op.positional:
        found = call_in_old_order(op, args, count, names)
        if found is not DECLINED:
            return found
    if names is NULL:
        if op.hot is not NULL and (count <= op.positional or op.variadic >= 0) and are_plain(args, count):
            found = op.hot(op, <void **>args, count)
            if found is not DECLINED:
                return found
    for i in range(count + (0 if names is NULL else len(<tuple><object>names))):
        if isinstance(<object>args[i], Tensor) or is_python_value(<object>args[i]):
            continue
        if type(<object>args[i]) is tg_guest:
            return answered(op, args, count, names)
        if any_takes_over(<object>args[i]):
            return taken_over(op, args, count, names)
    if names is NULL:
        if op.kind == COMPOSITE:
            if check_operands(op, args, count):
                return call_composite(op, args, count, ())
            result = PyObject_Vectorcall(op.body, args, nargsf, names)
            if result is NULL:
                return failed(op)
            found = <object>result
            Py_XDECREF(result)
            return of_its_own(found)
    if op.switched and (names is not NULL or count > len(op.params)):
        found = call_switched(op, args, count, None if names is NULL else <tuple><object>names)
        if found is not DECLINED:
            return found
    if op.kind == COMPOSITE and (op.hot is NULL or not tg_kernels):
        return call_composite(op, args, count, <tuple><object>names)
    if op.kind == INPLACE:
        return call_inplace(op, args, count, None if names is NULL else <tuple><object>names)
    values = [MISSING] * len(op.params)
    out = bind(op, values, args, count, None if names is NULL else <tuple><object>names)
    if op.hot is not NULL:
        found = hot_bound(op, values)
        if found is DECLINED and op.kind == COMPOSITE:
            return call_composite(op, args, count, <tuple><object>names)
        if found is DECLINED:
            found = run(op, values)
    else:
        found = run(op, values)
    if out is not None:
        return write_outs(op, out, found)
    return found


cdef object failed(Op op):
    """Raises what a body has raised; a block try around each call would take a tenth of a small one's time."""
    try:
        return tg_as_raised()
    except (MemoryError, ValueError) as error:
        refuse_memory(op, error)
        raise


cdef object hot_bound(Op op, list values):
    """The hot path for arguments that came by keyword."""
    cdef void *flat[16]
    cdef Py_ssize_t i
    if len(values) > 16:
        return DECLINED
    for i in range(len(values)):
        flat[i] = <void *><PyObject *>values[i]
    if not are_plain(<PyObject **>flat, len(values)):
        return DECLINED
    return op.hot(op, flat, len(values))


cdef object DECLINED = object()


cdef object call_switched(Op op, PyObject **args, Py_ssize_t count, tuple names):
    """A call of an op that takes ``inplace`` after its own arguments: that word is taken off, and says which
    form runs.
    """
    cdef dict keywords = {}
    cdef list values = [<object>args[i] for i in range(count)]
    cdef Py_ssize_t i
    if names is not None:
        for i in range(len(names)):
            keywords[names[i]] = <object>args[count + i]
    if count == len(op.params) + 1:
        switch = values.pop()
    elif "inplace" in keywords:
        switch = keywords.pop("inplace")
    else:
        return DECLINED
    if type(switch) is not bool and not is_number(switch):
        raise TypeError(f"{op.__name__}(): argument 'inplace' must be bool, not {type(switch).__name__}")
    return (<Op>CORE_OPS[op.__name__ + "_"] if switch else op)(*values, **keywords)


# The factors that PyTorch's first releases took by position, before the operands: x.add_(-lr, grad).
cdef dict OLD_FACTORS = {
    **dict.fromkeys(("add", "sub"), ("alpha",)), **dict.fromkeys(("addcmul", "addcdiv"), ("value",)),
    **dict.fromkeys(("addmm", "addbmm", "baddbmm", "addmv", "addr"), ("beta", "alpha")),
}


cdef object call_in_old_order(Op op, PyObject **args, Py_ssize_t count, PyObject *names):
    """A call with factors among its operands: x.addmm(beta, alpha, a, b), or addmm(beta, x, alpha, a, b)."""
    cdef tuple words = <tuple>OLD_FACTORS[op.__name__.removesuffix("_")]
    cdef tuple given = () if names is NULL else <tuple><object>names
    cdef list operands = [], factors = []
    cdef Py_ssize_t i
    for i in range(count):
        value = <object>args[i]
        if isinstance(value, Tensor):
            operands.append(value)
        elif is_number(value) and i < count - (op.positional - 1):
            factors.append(value)
        else:
            return DECLINED
    first = not isinstance(<object>args[0], Tensor)
    if len(operands) != op.positional or len(factors) > len(words) or (
            first and (len(words) < 2 or not isinstance(<object>args[1], Tensor))):
        return DECLINED
    keywords = {given[i]: <object>args[count + i] for i in range(len(given))}
    if any([word in keywords for word in words]):
        return DECLINED
    import warnings
    warnings.warn(f"this order of the arguments of {op.__name__}() is deprecated: give {' and '.join(words)} by name, after the "
                  "tensors", UserWarning, stacklevel=1)
    return op(*operands, **dict(zip(words, factors)), **keywords)


cdef object write_outs(Op op, object out, object found):
    if isinstance(found, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(found):
            raise TypeError(f"{op.__name__}(): argument 'out' must be a tuple of {len(found)} Tensors")
        return type(found)(*[write_out(o, f, op.__name__) for o, f in zip(out, found)])
    if isinstance(out, (tuple, list)) and len(out) == 1:
        out = out[0]
    return write_out(out, found, op.__name__)


cdef object call_composite(Op op, PyObject **args, Py_ssize_t count, tuple names):
    cdef dict keywords = {}
    cdef Py_ssize_t i
    out = None
    for i in range(len(names)):
        name = names[i]
        if name == "out" and "out" not in op.index:
            out = <object>args[count + i]
            continue
        if name not in op.index:
            name = meant_by(op, name)
        keywords[name] = <object>args[count + i]
        slot = op.index.get(name)
        if slot in op.tensor_index:
            want_operand(op, keywords[name], slot)
        elif slot in op.settings and want_setting(op, keywords[name], slot):
            keywords[name] = converted(keywords[name])
    values = [<object>args[i] for i in range(count)]
    if check_operands(op, args, count):
        for i in op.settings:
            if i < count and i < op.positional and want_setting(op, values[i], i):
                values[i] = converted(values[i])
    try:
        found = of_its_own(op.body(*values, **keywords))
    except (MemoryError, ValueError) as error:
        refuse_memory(op, error)
        raise
    return found if out is None else write_outs(op, out, found)


cdef object of_its_own(object found):
    """A view of a tensor that nobody else can reach is no view: a body that ends in a reshape gives a tensor of its own."""
    cdef Tensor t
    if isinstance(found, tuple):
        for each in <tuple>found:
            of_its_own(each)
    elif type(found) is Tensor and (<Tensor>found).base is not None:
        t = <Tensor>found
        if tg_refcount(<PyObject *>t.base) == 1 and t.seen == t.base.history and not t.flags & FLAG_FUNCTION_VIEW:
            let_go(t)
    return found


cdef bint any_needs_grad(object values) except -1:
    for each in values:
        if isinstance(each, Tensor) and needs_grad(<Tensor>each):
            return True
    return False


cdef object call_inplace(Op op, PyObject **args, Py_ssize_t count, tuple names):
    """``x.name_(...)``: the op itself, then its values and history into ``x``."""
    cdef Op target = op.target
    cdef Tensor x, value
    cdef dict keywords = {}
    cdef Py_ssize_t i
    if names is not None:
        for i in range(len(names)):
            keywords[names[i]] = <object>args[count + i]
    if count == 0 and "input" in keywords:
        first = keywords.pop("input")
    elif count:
        first = <object>args[0]
    else:
        raise TypeError(f"{op.__name__}() missing 1 required positional arguments: 'input'")
    if "out" in keywords and "out" not in target.index:
        raise TypeError(f"{op.__name__}() got an unexpected keyword argument 'out'")
    if not isinstance(first, Tensor):
        raise TypeError(f"{op.__name__}(): argument 'input' (position 1) must be Tensor, not {type(first).__name__}"
                        f"{made_tensor(first)}")
    x = <Tensor>first
    if keywords.get("dtype") not in (None, DTYPE_LIST[x.code]):
        raise RuntimeError(f"{op.__name__}(): Bad in-place call: input tensor dtype {DTYPE_LIST[x.code].name} and output tensor "
                           f"dtype {keywords['dtype']} should match")
    enter_inplace(x)
    rest = [<object>args[i] for i in range(1, count)]
    if tg_grad and (needs_grad(x) or any_needs_grad(rest) or any_needs_grad(keywords.values())) and (
            target.kind not in (UNARY, BINARY) or kept_by(target, x, [*rest, *keywords.values()]) & 1):
        first = OP_CLONE(x)         # what a formula keeps of it must not change under the write
        rest = [first if each is x else each for each in rest]
        keywords = {name: first if each is x else each for name, each in keywords.items()}
    value = <Tensor?>target(first, *rest, **keywords)
    return assign(x, linked(value) if target.kind == COMPOSITE else value)


ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other", "size": "shape",
           "split_size": "split_size_or_sections"}


cdef object meant_by(Op op, object word):
    """The parameter that a keyword means: its own name, one of NumPy's or PyTorch's for it, or the ``dtype`` of ``view``."""
    return "shape" if op is OP_VIEW and word == "dtype" else ALIASES.get(word, word)


cdef object bind(Op op, list values, PyObject **args, Py_ssize_t count, tuple names):
    """Puts the call's arguments into ``values`` in the order of the op's parameters; gives ``out``."""
    cdef Py_ssize_t i, at, total = len(op.params)
    cdef object out = None
    if count > op.positional:
        if op.variadic < 0:
            raise TypeError(f"{op.__name__}() takes {op.positional} positional arguments but {count} were given")
    if op.variadic >= 0 and count > op.variadic:
        at = op.variadic
        for i in range(at):
            values[i] = <object>args[i]
        if count == at + 1 and isinstance(<object>args[at], (tuple, list)):
            values[at] = tuple(<object>args[at])
        else:
            values[at] = tuple([<object>args[i] for i in range(at, count)])
    else:
        for i in range(count):
            values[i] = <object>args[i]
    if names is not None:
        for i in range(len(names)):
            name = names[i]
            slot = op.index.get(name)
            if slot is None:
                if name == "out":
                    out = <object>args[count + i]
                    continue
                slot = op.index.get(meant_by(op, name))
                if slot is None:
                    if op is OP_EXPAND and name == "implicit" and type(<object>args[count + i]) is bool:
                        continue        # PyTorch's own mark of a broadcast, which changes nothing
                    raise TypeError(f"{op.__name__}() got an unexpected keyword argument '{name}'")
            if values[slot] is not MISSING:
                raise TypeError(f"{op.__name__}() got multiple values for argument '{name}'")
            values[slot] = <object>args[count + i]
    for i in range(total):
        if values[i] is MISSING:
            default = op.defaults[i]
            if default is MISSING:
                missing = [op.params[k] for k in range(total) if values[k] is MISSING and op.defaults[k] is MISSING]
                raise TypeError(f"{op.__name__}() missing {len(missing)} required positional arguments: "
                                + ", ".join([f'"{name}"' for name in missing]))
            values[i] = default
    for i in op.settings:
        if want_setting(op, values[i], i):
            values[i] = converted(values[i])
    return out
