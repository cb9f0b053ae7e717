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
    static PyObject *tg_as_raised(void) { return NULL; }
    """
    object tg_as_raised()           # raises again what a call that gave NULL has raised
    void tg_op_type(PyTypeObject *cls, Py_ssize_t offset)
    int tg_type_set(PyTypeObject *cls, object attribute, object value) except -1
    PyObject *PyObject_Vectorcall(object function, PyObject **arguments, size_t count, PyObject *keywords)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf)

ctypedef object (*vectorcall_fn)(object op, PyObject **args, size_t nargsf, PyObject *names)


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
        rarely()
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
        self.old_order = name.removesuffix("_") in OLD_FACTORS
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
        rarely()
        return [name for name, number in KINDS.items() if number == self.kind][0]

    @property
    def rule_name(self):
        """Which rule gives its result's dtype."""
        rarely()
        return [name for name, number in RULES.items() if number == self.rule][0]

    @property
    def differentiable(self):
        """Whether some argument has a gradient."""
        return self.kind == COMPOSITE or any([f is not None for f in self.formulas])

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
        rarely()
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
    rarely()
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
cdef Op OP_VIEW, OP_PERMUTE, OP_TRANSPOSE, OP_SELECT, OP_SLICE, OP_EXPAND, OP_UNSQUEEZE, OP_VIEW_SCATTER, OP_VIEW_GATHER, OP_ALIAS
cdef Op OP_CAT, OP_STACK, OP_WHERE, OP_SUM, OP_MINIMUM, OP_AMAX, OP_AMIN, OP_ARGMAX, OP_ARGMIN, OP_MAX_ALONG
cdef Op OP_MIN_ALONG, OP_VECTOR_NORM, OP_INDEX, OP_GATHER_ROWS, OP_SCATTER_ADD_ROWS, OP_EMBEDDING, OP_DROPOUT
cdef Op OP_CONVOLUTION, OP_CONVOLUTION_INPUT, OP_CONVOLUTION_WEIGHT, OP_MEAN, OP_MAX_POOL, OP_AVG_POOL
cdef tuple OP_COMPARE           # in the order of Py_LT and so on


def _find_ops():
    """Looks the ops up that the core calls, once all are declared."""
    rarely()
    global OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_POW, OP_NEG, OP_MATMUL, OP_PRODUCT, OP_CLONE, OP_CAST, OP_CONTIGUOUS
    global OP_RESHAPE, OP_VIEW, OP_PERMUTE, OP_TRANSPOSE, OP_SELECT, OP_SLICE, OP_EXPAND, OP_UNSQUEEZE, OP_VIEW_SCATTER
    global OP_VIEW_GATHER, OP_CAT, OP_STACK, OP_WHERE, OP_SUM, OP_MINIMUM, OP_AMAX, OP_AMIN, OP_ARGMAX, OP_ARGMIN
    global OP_MAX_ALONG, OP_MIN_ALONG, OP_VECTOR_NORM, OP_INDEX, OP_GATHER_ROWS, OP_SCATTER_ADD_ROWS
    global OP_EMBEDDING, OP_DROPOUT, OP_CONVOLUTION, OP_CONVOLUTION_INPUT, OP_CONVOLUTION_WEIGHT
    global OP_MEAN, OP_MAX_POOL, OP_AVG_POOL, OP_ALIAS
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
    OP_ALIAS = CORE_OPS["_alias"]
    OP_COMPARE = tuple([CORE_OPS[name] for name in ("lt", "le", "eq", "ne", "gt", "ge")])
