# Op: the declaration of an operation, which is also what the user calls.

cdef enum:
    UNARY = 0
    BINARY = 1
    REDUCTION = 2
    PRIMITIVE = 3
    VIEW = 4
    COMPOSITE = 5
    INPLACE = 6

cdef enum:                  # dtype rules of a kind
    SAME = 0                # the promoted dtype
    FLOAT = 1               # integers become the default float
    TO_BOOL = 2             # computed in the promoted dtype, answers bool
    WIDE = 3                # reductions: integers are added up in int64
    FREE = 4                # the body decides
    NO_BOOL = 5             # SAME, but bool is refused

KINDS = {"unary": UNARY, "binary": BINARY, "reduction": REDUCTION, "primitive": PRIMITIVE, "view": VIEW,
         "composite": COMPOSITE, "inplace": INPLACE}
RULES = {"same": SAME, "float": FLOAT, "bool": TO_BOOL, "wide": WIDE, "free": FREE, "no bool": NO_BOOL}

cdef object MISSING = object()
MISSING_ARGUMENT = MISSING

cdef enum:                  # what a formula's argument may be, beside the number of a parameter
    ARG_G = -1
    ARG_OUTPUT = -2
    ARG_SHAPE = -3
    ARG_GRADS = -4          # the gradients of all outputs, as a list
    ARG_OUTPUT_N = -10      # -10 - n: output n of several
    ARG_G_N = -30           # -30 - n: the gradient of output n

cdef extern from *:
    """
    static PyObject *tg_op_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *names);
    static PyObject *tg_op_get(PyObject *op, PyObject *instance, PyObject *owner)
    {
        if (instance == NULL || instance == Py_None) { Py_INCREF(op); return op; }
        return PyMethod_New(op, instance);
    }
    static void tg_op_type(PyTypeObject *type, Py_ssize_t offset)
    {
        type->tp_vectorcall_offset = offset;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
        type->tp_call = PyVectorcall_Call;
        type->tp_descr_get = tg_op_get;
        PyType_Modified(type);
    }
    static int tg_type_set(PyTypeObject *type, PyObject *name, PyObject *value)
    {
        int done = PyDict_SetItem(type->tp_dict, name, value);
        PyType_Modified(type);
        return done;
    }
    """
    void tg_op_type(PyTypeObject *cls, Py_ssize_t offset)
    int tg_type_set(PyTypeObject *cls, object attribute, object value) except -1
    object PyObject_Vectorcall(object function, PyObject **arguments, size_t count, PyObject *keywords)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf)

ctypedef object (*vectorcall_fn)(object op, PyObject **args, size_t nargsf, PyObject *names)


cdef object op_vectorcall(object self, PyObject **args, size_t nargsf, PyObject *names):
    """Where every call of an op arrives."""
    cdef Op op = <Op>self
    cdef Py_ssize_t count = PyVectorcall_NARGS(nargsf)
    cdef list values
    cdef object out = None
    if names is NULL:
        if op.hot is not NULL:
            found = op.hot(op, <void **>args, count)
            if found is not DECLINED:
                return found
        if op.kind == COMPOSITE:
            return PyObject_Vectorcall(op.body, args, nargsf, names)
    if op.kind == UNARY and op.rules is not None and (names is not NULL or count > len(op.params)):
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
        if found is DECLINED:
            found = op.body(*values) if op.kind == COMPOSITE else run(op, values)
    else:
        found = run(op, values)
    if out is not None:
        return write_outs(op, out, found)
    return found


cdef object hot_bound(Op op, list values):
    """The hot path for arguments that came by keyword."""
    cdef void *flat[16]
    cdef Py_ssize_t i
    if len(values) > 16:
        return DECLINED
    for i in range(len(values)):
        flat[i] = <void *><PyObject *>values[i]
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
    return (<Op>CORE_OPS[op.__name__ + "_"] if switch else op)(*values, **keywords)


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
            name = ALIASES.get(name, name)
        keywords[name] = <object>args[count + i]
    found = op.body(*[<object>args[i] for i in range(count)], **keywords)
    return found if out is None else write_outs(op, out, found)


cdef bint any_needs_grad(object values) except -1:
    for each in values:
        if isinstance(each, Tensor) and needs_grad(<Tensor>each):
            return True
    return False


cdef object call_inplace(Op op, PyObject **args, Py_ssize_t count, tuple names):
    """``x.name_(...)``: the op itself, then its values and history into ``x``."""
    cdef Op target = <Op>op.rules
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
    if not isinstance(first, Tensor):
        raise TypeError(f"{op.__name__}(): argument 'input' (position 1) must be Tensor, not {type(first).__name__}")
    x = <Tensor>first
    enter_inplace(x)
    rest = [<object>args[i] for i in range(1, count)]
    if tg_grad and (needs_grad(x) or any_needs_grad(rest) or any_needs_grad(keywords.values())):
        first = OP_CLONE(x)         # what a formula keeps of it must not change under the write
        rest = [first if each is x else each for each in rest]
        keywords = {name: first if each is x else each for name, each in keywords.items()}
    value = <Tensor?>target(first, *rest, **keywords)
    return assign(x, linked(value) if target.kind == COMPOSITE else value)


ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


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
                slot = op.index.get(ALIASES.get(name))
                if slot is None:
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
                                + ", ".join(f'"{name}"' for name in missing))
            values[i] = default
    return out


cdef class Op:
    """An operation: its NumPy body, its gradient formulas, and the call that picks a kernel or the body.

    Made by the decorators of ``tensorgrad.core.declare``. Its attributes are what tests, documentation, stubs and
    benchmarks read: ``body``, ``params``, ``defaults``, ``tensor_params``, ``formulas``, ``samples``, ``kind_name``.
    """

    def __init__(self, body, *, str name, str kind, str rule, tuple params, tuple defaults, int positional, int variadic,
                 tuple tensor_params, tuple formulas, tuple formula_args, list_arg, str grad_name, rules=None):
        cdef int i
        cdef bytes raw = name.lstrip("_").encode()      # an op kept private has the kernel of the plain name
        cdef bytes backward = raw + b"_backward"
        self.vectorcall = <void *>op_vectorcall
        self.body = body
        self.__name__ = name
        self.kind = KINDS[kind]
        self.rule = RULES[rule]
        self.rules = rules
        self.params = params
        self.defaults = defaults
        self.positional = positional
        self.variadic = variadic
        self.tensor_params = tensor_params
        self.formulas = formulas
        self.index = {p: k for k, p in enumerate(params)}
        self.tensor_index = tuple([self.index[p] for p in tensor_params])
        self.list_arg = -1 if list_arg is None else self.index[list_arg]
        self.grad_name = grad_name
        self.__doc__ = body.__doc__ if body is not None else None
        codes = []
        keeps = []
        for names in formula_args:
            row = []
            mask = 0
            for each in names or ():
                if each == "g":
                    row.append(ARG_G)
                elif each == "output":
                    row.append(ARG_OUTPUT)
                    mask |= 8
                elif each == "input_shape":
                    row.append(ARG_SHAPE)
                elif each == "grads":
                    row.append(ARG_GRADS)
                elif each.startswith("g_") and each[2:].isdigit():
                    row.append(ARG_G_N - int(each[2:]))
                elif each.startswith("output_") and each[7:].isdigit():
                    row.append(ARG_OUTPUT_N - int(each[7:]))
                    mask |= 8
                else:
                    row.append(self.index[each])
                    if each in tensor_params:
                        mask |= 1 << tensor_params.index(each) if tensor_params.index(each) < 3 else 0
                        if tensor_params.index(each) >= 3:
                            mask |= 16 << tensor_params.index(each)
            codes.append(tuple(row))
            keeps.append(mask)
        self.formula_args = tuple(codes)
        self.plain = (list_arg is None and len(tensor_params) == len(params) <= 2
                      and not any([ARG_SHAPE in row for row in codes]))
        self.keeps = tuple(keeps)
        if self.kind in (UNARY, BINARY, REDUCTION):
            for i in range(DTYPES):
                self.kernels[i] = find(raw, i)
                self.backward_kernels[i] = find(backward, i)
        self.backward_needs = keeps[0] if keeps else 0
        self.hot = hot_path_of(self)
        self.fast_vjp = fast_vjp_of(self)
        register_core_op(self)

    def __call__(self, *args, **keywords):      # the slot is replaced by the vectorcall
        raise NotImplementedError

    @property
    def kind_name(self):
        """Which decorator declared it."""
        return [name for name, number in KINDS.items() if number == self.kind][0]

    @property
    def rule_name(self):
        """Which rule gives its result's dtype."""
        return [name for name, number in RULES.items() if number == self.rule][0]

    @property
    def differentiable(self):
        """Whether some argument has a gradient."""
        return self.kind == COMPOSITE or any(f is not None for f in self.formulas)

    @property
    def variadic_index(self):
        """Which parameter takes the rest of the positional arguments, or -1."""
        return self.variadic

    @property
    def kernel_dtypes(self):
        """The dtypes that have a kernel of this name."""
        return tuple([DTYPE_LIST[i] for i in range(DTYPES) if self.kernels[i] is not NULL])

    @property
    def has_hot_path(self):
        """Whether calls are launched from C."""
        return self.hot is not NULL

    @property
    def has_fast_vjp(self):
        """Whether the first-order gradient is launched from C."""
        return self.fast_vjp is not NULL

    @property
    def __wrapped__(self):
        return self.body

    @property
    def __signature__(self):
        import inspect
        return inspect.signature(self.body)

    def __repr__(self):
        return f"<op {self.__name__}>"

    def __reduce__(self):
        return self.__qualname__


def _set_op_type():
    """Makes calls of ops, and ops found as methods, as cheap as those of functions."""
    cdef Op op = Op.__new__(Op)
    tg_op_type(<PyTypeObject *>Op, <char *>&op.vectorcall - <char *><PyObject *>op)


_set_op_type()


def _add_method(str name not None, value):
    """Makes ``value`` the Tensor method of that name."""
    tg_type_set(<PyTypeObject *>Tensor, name, value)


cdef extern from *:
    """
    static void tg_rename(PyTypeObject *type, const char *name) { type->tp_name = name; PyType_Modified(type); }
    """
    void tg_rename(PyTypeObject *cls, const char *address)


def _set_type_names():
    """Lets the compiled classes show the addresses that users import them from."""
    tg_rename(<PyTypeObject *>Tensor, b"tensorgrad.Tensor")
    tg_rename(<PyTypeObject *>dtype, b"tensorgrad.dtype")
    for cls in (Tensor, dtype):
        tg_type_set(<PyTypeObject *><PyObject *>cls, "__module__", "tensorgrad")


_set_type_names()


# ---------------------------------------------------------------------------- the general path: bodies

cdef Tensor want_tensor(Op op, object value, Py_ssize_t position):
    if isinstance(value, Tensor):
        return <Tensor>value
    raise TypeError(f"{op.__name__}(): argument '{op.params[position]}' (position {position + 1}) must be Tensor, not "
                    f"{type(value).__name__}")


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
        return op.body(*values)
    inputs = []
    bodies = list(values)
    for i in op.tensor_index:
        value = values[i]
        if i == op.list_arg:
            if not isinstance(value, (list, tuple)):
                raise TypeError(f"{op.__name__}(): argument '{op.params[i]}' (position {i + 1}) must be tuple of Tensors, not "
                                f"{type(value).__name__}")
            for k, each in enumerate(value):
                if not isinstance(each, Tensor):
                    raise TypeError(f"expected Tensor as element {k} in argument {i}, but got {type(each).__name__}")
            inputs.extend(value)
            values[i] = list(value)
            bodies[i] = [array_of(each) for each in value]
        elif value is None and op.defaults[i] is None:
            inputs.append(None)
        else:
            inputs.append(want_tensor(op, value, i))
            bodies[i] = array_of(<Tensor>value)
    result = call_body(op, bodies)
    return finish(op, values, inputs, result)


cdef object call_body(Op op, list arguments):
    try:
        with np.errstate(all="ignore"):
            return op.body(*arguments)
    except MemoryError as error:
        shape, kind = getattr(error, "shape", None), getattr(error, "dtype", None)
        if isinstance(error, AllocationError) or shape is None or kind is None:
            raise
        nbytes = int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize
        raise AllocationError(f"can't allocate memory: {op.__name__} needs {nbytes} bytes for an array of size {list(shape)}") from None


cdef object finish(Op op, list values, list inputs, object result):
    """Wraps what a body gave and records it."""
    cdef Tensor out, x
    cdef list outs
    if op.kind == VIEW:
        x = <Tensor>inputs[0]
        if type(result) is list:
            outs = [view_from_array(x, <cnp.ndarray?>each) for each in result]
            if outs:
                record(op, values, inputs, None, outs)
            return tuple(outs)
        if within(x, <cnp.ndarray?>result):
            out = view_from_array(x, result)
        else:
            out = result_tensor(result, inputs)
        return record(op, values, inputs, out, None)
    if type(result) is tuple or isinstance(result, (tuple, list)):
        outs = [result_tensor(each, inputs) for each in result]
        record(op, values, inputs, None, outs)
        if hasattr(result, "_fields"):
            return type(result)(*outs)
        return tuple(outs)
    out = result_tensor(result, inputs)
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
            if (<Tensor>each).code >= F16:
                first = <Tensor>each
                break
        if first is None:
            return None
    else:
        first = out
        if out.code < F16:
            return out
    node = new_node(op, first, formula_vjp)
    settings = None
    if not op.plain:
        settings = list(values)
        for i in op.tensor_index:
            settings[i] = None
        node.settings = settings
    if op.list_arg >= 0:
        record_list(op, node, values, inputs)
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
                    save(t)
                    node.state |= NODE_SAVED
                    extra.saved.append(t)
                    extra.versions.append(version_of(t))
                else:
                    extra.saved.append(None)
                    extra.versions.append(0)
                extra.codes.append(t.code)
            if op.formulas[i] is not None and not same_shape(t, first) and op.kind == BINARY:
                node.broadcast |= 1
                extra = node_extra(node)
                if extra.shapes is None:
                    extra.shapes = [None] * n
                extra.shapes[i] = shape_tuple(t)
    if settings is not None and isinstance(inputs[0], Tensor):
        settings.append(shape_tuple(<Tensor>inputs[0]))
    if outs is not None:
        record_outputs(node, outs, keep)
    elif keep & 8:
        keep_output(node, out)
    return out


cdef int record_list(Op op, Node node, list values, list inputs) except -1:
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
            save(<Tensor>each)
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
    extra.output_aliases = []
    node.outputs = len(outs)
    for i in range(len(outs)):
        t = <Tensor>outs[i]
        extra.outputs_meta.append((shape_tuple(t), t.code))
        if t.code >= F16:
            t.node = node
            t.nr = i
            t.requires = True
        if keep & 8:
            alias = alias_of(t)
            extra.output_aliases.append((alias, version_of(<Tensor>alias)))
    if keep & 8:
        node.state |= NODE_SAVED
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
        if type(node.settings) is tuple:        # a hot path that keeps the shape alone
            return node.settings
        return node.settings[len(op.params)]
    if code == ARG_GRADS:
        return [output_gradient(node, g, i) for i in range(node.outputs)]
    if code <= ARG_G_N:
        return output_gradient(node, g, ARG_G_N - code)
    if code <= ARG_OUTPUT_N:
        extra = <NodeExtra>node.more
        out = alias_of(extra.output_aliases[ARG_OUTPUT_N - code][0])
        if tg_grad and out.code >= F16:
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
    if type(node.settings) is not list:
        return op.defaults[code]
    return node.settings[code]


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
        if (<NodeExtra>node.more).outputs_meta[i][1] >= F16:
            return output_gradient(node, g, i)
    return g[0]


cdef int formula_vjp(Node node, Tensor g) except -1:
    """The gradients by the declared formulas, which are written in ops: right at every order."""
    return formulas_of(node, g)


cdef int formulas_of(Node node, object g) except -1:
    cdef Op op = node.op
    cdef Py_ssize_t i, k, n = len(op.formulas)
    cdef NodeExtra extra = None
    if node.state & NODE_GENERAL:
        extra = <NodeExtra>node.more
    if op.list_arg >= 0:
        grads = op.formulas[0](*[node_value(node, code, g) for code in op.formula_args[0]])
        for i in range(len(grads)):
            if grads[i] is not None and edge_at(node, i) is not None:
                accumulate(node, i, <Tensor>grads[i])
        return 0
    done = None
    for i in range(n):
        formula = op.formulas[i]
        if formula is None or (i >= 3 and (extra is None or extra.edges is None or i - 3 >= len(extra.edges))):
            continue
        if edge_at(node, i) is None:
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
        accumulate(node, i, <Tensor>value)
    return 0


cdef dict CORE_OPS = {}


cdef void register_core_op(Op op):
    """Ops that the core itself calls are kept where C finds them."""
    global OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW, OP_NEG, OP_MATMUL, OP_CLONE, OP_CAST, OP_CONTIGUOUS, OP_RESHAPE, OP_PERMUTE
    global OP_TRANSPOSE, OP_SELECT, OP_SLICE, OP_EXPAND, OP_VIEW_SCATTER, OP_VIEW_GATHER, OP_SUM, OP_MEAN
    global OP_INDEX, OP_INDEX_PUT, OP_VIEW
    cdef str name = op.__name__
    CORE_OPS[name] = op
    if name == "add": OP_ADD = op
    elif name == "sub": OP_SUB = op
    elif name == "mul": OP_MUL = op
    elif name == "div": OP_DIV = op
    elif name == "pow": OP_POW = op
    elif name == "neg": OP_NEG = op
    elif name == "matmul": OP_MATMUL = op
    elif name == "clone": OP_CLONE = op
    elif name == "_cast": OP_CAST = op
    elif name == "contiguous": OP_CONTIGUOUS = op
    elif name == "reshape": OP_RESHAPE = op
    elif name == "view": OP_VIEW = op
    elif name == "permute": OP_PERMUTE = op
    elif name == "transpose": OP_TRANSPOSE = op
    elif name == "select": OP_SELECT = op
    elif name == "_slice": OP_SLICE = op
    elif name == "expand": OP_EXPAND = op
    elif name == "_view_scatter": OP_VIEW_SCATTER = op
    elif name == "_view_gather": OP_VIEW_GATHER = op
    elif name == "sum": OP_SUM = op
    elif name == "mean": OP_MEAN = op
    elif name == "_index": OP_INDEX = op
    elif name == "_index_put": OP_INDEX_PUT = op


cdef Op OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW, OP_NEG, OP_MATMUL, OP_CLONE, OP_CAST, OP_CONTIGUOUS, OP_RESHAPE, OP_PERMUTE
cdef Op OP_VIEW, OP_TRANSPOSE, OP_SELECT, OP_SLICE, OP_EXPAND, OP_VIEW_SCATTER, OP_VIEW_GATHER, OP_SUM, OP_MEAN
cdef Op OP_INDEX, OP_INDEX_PUT
