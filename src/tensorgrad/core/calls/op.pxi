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

cdef enum:                  # where a call by name may have a number for a tensor
    NUMBER_ANYWHERE = 0     # in one of two places
    NUMBER_SECOND = 1
    NUMBER_NOWHERE = 2

KINDS = {"unary": UNARY, "binary": BINARY, "reduction": REDUCTION, "primitive": PRIMITIVE, "view": VIEW,
         "composite": COMPOSITE, "inplace": INPLACE}
RULES = {"same": SAME, "float": FLOAT, "bool": TO_BOOL, "wide": WIDE, "free": FREE, "no bool": NO_BOOL}
NUMBERS = {"both": NUMBER_ANYWHERE, "other": NUMBER_SECOND, "none": NUMBER_NOWHERE}

cdef object MISSING = object()
MISSING_ARGUMENT = MISSING

cdef enum:
    KEEP_OUTPUT_0 = 1 << 16     # in a mask of what a formula asks for: the first of several outputs, then the others

cdef enum:                  # what a formula's argument may be, beside the number of a parameter
    ARG_G = -1
    ARG_OUTPUT = -2
    ARG_SHAPE = -3
    ARG_GRADS = -4          # the gradients of all outputs, as a list
    ARG_SECOND_SHAPE = -5
    ARG_THIRD_SHAPE = -6
    ARG_OUTPUT_N = -10      # -10 - n: output n of several
    ARG_G_N = -30           # -30 - n: the gradient of output n

cdef extern from *:
    """
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
    """Where every call of an op by its name arrives."""
    if not LISTENING[0]:
        return call_op(<Op>self, args, nargsf, names)
    return heard_op(<Op>self, args, nargsf, names)


cdef object heard_op(Op op, PyObject **args, size_t nargsf, PyObject *names):
    cdef tuple words = () if names is NULL else <tuple><object>names
    cdef Py_ssize_t i
    cdef list given = [<object>args[i] for i in range(<Py_ssize_t>PyVectorcall_NARGS(nargsf) + len(words))]
    cdef Event event = begin_heard("op", op.__name__)
    cdef Trap trap = begin_trap(op, given, words, op.kind == INPLACE)
    try:
        result = call_op(op, args, nargsf, names)
        if event is not None:
            describe(event, given, result)
    finally:
        end_trap(trap)
        end_write(event)
    if trap is not None:
        look_at_result(trap, result)
    return result


cdef object call_op(Op op, PyObject **args, size_t nargsf, PyObject *names):
    cdef Py_ssize_t i, count = PyVectorcall_NARGS(nargsf)
    cdef list values
    cdef object out = None
    if count > op.positional and op.variadic < 0:
        found = call_in_old_order(op, args, count, names)
        if found is not DECLINED:
            return found
    if names is NULL:
        if op.hot is not NULL and (count <= op.positional or op.variadic >= 0) and are_plain(args, count):
            found = op.hot(op, <void **>args, count)
            if found is not DECLINED:
                return found
    if GUESTS:
        for i in range(count + (0 if names is NULL else len(<tuple><object>names))):
            if type(<object>args[i]) in GUESTS:
                return answered(op, args, count, names)
    if names is NULL:
        if op.kind == COMPOSITE:
            if check_operands(op, args, count):
                return call_composite(op, args, count, ())
            try:
                return of_its_own(PyObject_Vectorcall(op.body, args, nargsf, names))
            except (MemoryError, ValueError) as error:
                refuse_memory(op, error)
                raise
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
    cdef tuple words = <tuple>OLD_FACTORS.get(op.__name__.removesuffix("_"))
    cdef tuple given = () if names is NULL else <tuple><object>names
    cdef list operands = [], factors = []
    cdef Py_ssize_t i
    if words is None:
        return DECLINED
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
                                + ", ".join(f'"{name}"' for name in missing))
            values[i] = default
    for i in op.settings:
        if want_setting(op, values[i], i):
            values[i] = converted(values[i])
    return out


cdef int set_native(Op op) except -1:
    """What runs in C of an op: what its row says, else what ops of its kind with a kernel have."""
    cdef int i
    cdef bint backward = False, kernel = False
    cdef bytes name = op.__name__.lstrip("_").encode()      # an op kept private has the kernels of the plain name
    cdef bytes slope = name + b"_backward"
    cdef const Native *row = NULL
    if op.__name__ in NATIVE_ROWS:
        row = &NATIVE[<int>NATIVE_ROWS[op.__name__]]
        op.form = row.form
    for i in range(DTYPES):
        op.kernels[i] = find(name, i)
        op.backward_kernels[i] = find(slope, i)
        kernel = kernel or op.kernels[i] is not NULL
        backward = backward or op.backward_kernels[i] is not NULL
    if backward and op.kind in (BINARY, REDUCTION) and (row is NULL or row.vjp is NULL):
        raise ValueError(f"{op.__name__}: nothing would run its kernel {slope.decode()}: that of a {op.kind_name} op needs a "
                         f"function that calls it, in a row of native()")
    if row is not NULL and row.hot is not NULL:
        op.hot = row.hot
    elif op.kind == BINARY:
        op.hot = hot_binary
    elif op.kind == INPLACE and op.target.kind == BINARY:
        op.hot = hot_inplace
    elif op.kind == UNARY and kernel:
        op.hot = hot_unary
    elif op.kind == REDUCTION and kernel:
        op.hot = hot_reduction
    if row is not NULL and row.vjp is not NULL:
        op.fast_vjp = row.vjp
    elif op.kind == UNARY and backward:
        op.fast_vjp = unary_vjp
    else:
        op.fast_vjp = formula_vjp
    return 0


cdef class Op:
    """An operation: its NumPy body, its gradient formulas, and the call that picks a kernel or the body.

    Made by the decorators of ``tensorgrad.core.declare``. Its attributes are what tests, documentation, stubs and
    benchmarks read: ``body``, ``params``, ``defaults``, ``tensor_params``, ``formulas``, ``kind_name``, and ``facts``, which C
    does not need: samples, places, family.
    """

    def __init__(self, body, *, str name, str kind, str rule, tuple params, tuple defaults, int positional, int variadic,
                 tuple tensor_params, tuple formulas, tuple formula_args, list_arg, str grad_name, settings=None, check=None,
                 Op target=None, str numbers="both", bint switched=False, bint double=False, bint writes=False, naming=None,
                 bint elementwise=False):
        self.vectorcall = <void *>op_vectorcall
        self.body = body
        self.__name__ = name
        self.kind = KINDS[kind]
        self.rule = RULES[rule]
        self.check = check
        self.target = target
        self.number_rule = NUMBERS[numbers]
        self.switched = switched
        self.double = double
        self.writes = writes
        self.elementwise = elementwise or self.kind == UNARY or self.kind == BINARY
        self.params = params
        self.defaults = defaults
        self.positional = positional
        self.variadic = variadic
        self.tensor_params = tensor_params
        self.formulas = formulas
        self.index = {p: k for k, p in enumerate(params)}
        self.tensor_index = tuple([self.index[p] for p in tensor_params])
        self.list_arg = -1 if list_arg is None else self.index[list_arg]
        self.settings = {self.index[p]: kind for p, kind in (settings or {}).items()}
        self.grad_name = grad_name
        self.naming = naming
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
                elif each.endswith("_shape") and each.removesuffix("_shape") in tensor_params[1:2]:
                    row.append(ARG_SECOND_SHAPE)
                elif each.endswith("_shape") and each.removesuffix("_shape") in tensor_params[2:3]:
                    row.append(ARG_THIRD_SHAPE)
                elif each == "grads":
                    row.append(ARG_GRADS)
                elif each.startswith("g_") and each[2:].isdigit():
                    row.append(ARG_G_N - int(each[2:]))
                elif each.startswith("output_") and each[7:].isdigit():
                    row.append(ARG_OUTPUT_N - int(each[7:]))
                    mask |= KEEP_OUTPUT_0 << int(each[7:])
                else:
                    row.append(self.index[each])
                    if each in tensor_params:
                        mask |= 1 << tensor_params.index(each) if tensor_params.index(each) < 3 else 0
                        if tensor_params.index(each) >= 3:
                            mask |= 16 << tensor_params.index(each)
            codes.append(tuple(row))
            keeps.append(mask)
        self.formula_args = tuple(codes)
        self.keeps_second_shape = any([ARG_SECOND_SHAPE in row for row in codes])
        self.keeps_third_shape = any([ARG_THIRD_SHAPE in row for row in codes])
        self.plain = (list_arg is None and len(tensor_params) == len(params) <= 2
                      and not any([ARG_SHAPE in row or ARG_SECOND_SHAPE in row for row in codes]))
        self.keeps = tuple(keeps)
        self.backward_needs = keeps[0] if keeps else 0
        set_native(self)
        CORE_OPS[name] = self

    def __call__(self, *args, **keywords):      # the slot is replaced by the vectorcall
        raise NotImplementedError

    def __get__(self, instance, owner):         # its slot is replaced as well; Python takes what has one for a function, so that
        import types                            # help() shows the signature
        return self if instance is None else types.MethodType(self, instance)

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
        """Whether a C function is asked first when the op is called; it may decline, and the body runs."""
        return self.hot is not NULL

    @property
    def numbers(self):
        """Where a call by name may have a number for a tensor."""
        return [name for name, number in NUMBERS.items() if number == self.number_rule][0]

    @property
    def takes_inplace(self):
        """Whether a call may say ``inplace=True`` behind the op's own arguments."""
        return self.switched

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


cdef dict CORE_OPS = {}
# Ops that the core itself calls, kept where C finds them.
cdef Op OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW, OP_NEG, OP_MATMUL, OP_PRODUCT, OP_CLONE, OP_CAST, OP_CONTIGUOUS, OP_RESHAPE
cdef Op OP_VIEW, OP_PERMUTE, OP_TRANSPOSE, OP_SELECT, OP_SLICE, OP_EXPAND, OP_UNSQUEEZE, OP_VIEW_SCATTER, OP_VIEW_GATHER
cdef Op OP_CAT, OP_STACK, OP_WHERE, OP_SUM, OP_MINIMUM, OP_AMAX, OP_AMIN, OP_ARGMAX, OP_ARGMIN, OP_MAX_ALONG
cdef Op OP_MIN_ALONG, OP_VECTOR_NORM, OP_INDEX, OP_GATHER_ROWS, OP_SCATTER_ADD_ROWS, OP_EMBEDDING, OP_DROPOUT
cdef Op OP_CONVOLUTION, OP_CONVOLUTION_INPUT, OP_CONVOLUTION_WEIGHT, OP_MEAN, OP_MAX_POOL, OP_AVG_POOL
cdef tuple OP_COMPARE           # in the order of Py_LT and so on


def _find_ops():
    """Looks the ops up that the core calls, once all are declared."""
    global OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW, OP_NEG, OP_MATMUL, OP_PRODUCT, OP_CLONE, OP_CAST, OP_CONTIGUOUS
    global OP_RESHAPE, OP_VIEW, OP_PERMUTE, OP_TRANSPOSE, OP_SELECT, OP_SLICE, OP_EXPAND, OP_UNSQUEEZE, OP_VIEW_SCATTER
    global OP_VIEW_GATHER, OP_CAT, OP_STACK, OP_WHERE, OP_SUM, OP_MINIMUM, OP_AMAX, OP_AMIN, OP_ARGMAX, OP_ARGMIN
    global OP_MAX_ALONG, OP_MIN_ALONG, OP_VECTOR_NORM, OP_INDEX, OP_GATHER_ROWS, OP_SCATTER_ADD_ROWS
    global OP_EMBEDDING, OP_DROPOUT, OP_CONVOLUTION, OP_CONVOLUTION_INPUT, OP_CONVOLUTION_WEIGHT
    global OP_MEAN, OP_MAX_POOL, OP_AVG_POOL
    global OP_COMPARE
    OP_ADD = CORE_OPS["add"]
    OP_SUB = CORE_OPS["sub"]
    OP_MUL = CORE_OPS["mul"]
    OP_DIV = CORE_OPS["div"]
    OP_POW = CORE_OPS["pow"]
    OP_NEG = CORE_OPS["neg"]
    OP_MATMUL = CORE_OPS["matmul"]
    OP_PRODUCT = CORE_OPS["_product"]
    OP_CLONE = CORE_OPS["clone"]
    OP_CAST = CORE_OPS["_cast"]
    OP_CONTIGUOUS = CORE_OPS["contiguous"]
    OP_RESHAPE = CORE_OPS["reshape"]
    OP_VIEW = CORE_OPS["view"]
    OP_PERMUTE = CORE_OPS["permute"]
    OP_TRANSPOSE = CORE_OPS["transpose"]
    OP_SELECT = CORE_OPS["select"]
    OP_SLICE = CORE_OPS["_slice"]
    OP_EXPAND = CORE_OPS["expand"]
    OP_UNSQUEEZE = CORE_OPS["unsqueeze"]
    OP_VIEW_SCATTER = CORE_OPS["_view_scatter"]
    OP_VIEW_GATHER = CORE_OPS["_view_gather"]
    OP_CAT = CORE_OPS["_cat"]
    OP_STACK = CORE_OPS["_stack"]
    OP_WHERE = CORE_OPS["_where"]
    OP_SUM = CORE_OPS["sum"]
    OP_MINIMUM = CORE_OPS["minimum"]
    OP_AMAX = CORE_OPS["amax"]
    OP_AMIN = CORE_OPS["amin"]
    OP_ARGMAX = CORE_OPS["argmax"]
    OP_ARGMIN = CORE_OPS["argmin"]
    OP_MAX_ALONG = CORE_OPS["_max_along"]
    OP_MIN_ALONG = CORE_OPS["_min_along"]
    OP_VECTOR_NORM = CORE_OPS["_vector_norm"]
    OP_INDEX = CORE_OPS["_index"]
    OP_GATHER_ROWS = CORE_OPS["_gather_rows"]
    OP_SCATTER_ADD_ROWS = CORE_OPS["_scatter_add_rows"]
    OP_EMBEDDING = CORE_OPS["_embedding"]
    OP_DROPOUT = CORE_OPS["_dropout"]
    OP_CONVOLUTION = CORE_OPS["_convolution"]
    OP_CONVOLUTION_INPUT = CORE_OPS["_convolution_input"]
    OP_CONVOLUTION_WEIGHT = CORE_OPS["_convolution_weight"]
    OP_MEAN = CORE_OPS["mean"]
    OP_MAX_POOL = CORE_OPS["_max_pool"]
    OP_AVG_POOL = CORE_OPS["_avg_pool"]
    OP_COMPARE = tuple([CORE_OPS[name] for name in ("lt", "le", "eq", "ne", "gt", "ge")])
