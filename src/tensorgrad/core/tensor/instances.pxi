# Behind Tensor's methods: its lazy __dict__, other memory for an instance, subclasses.

cdef dict attributes_of(Tensor t):
    """What users and subclasses put on a tensor, in its dict or in slots."""
    cdef dict found = {} if t.attributes is NULL else dict(vars(t))
    if type(t) is not Tensor:
        import copyreg
        for name in copyreg._slotnames(type(t)):
            if hasattr(t, name):
                found[name] = getattr(t, name)
    return found


cdef object named_operator(str name, object a, object b):
    """An operator whose op is looked up by name, for those that no hot loop uses."""
    return binary_operator(<Op>CORE_OPS[name], a, b)


cdef extern from *:
    """
    /* Tensors have a __dict__ that is made when it is first needed: Cython's own would cost every tensor 64 bytes and 20 ns. */
    static Py_ssize_t tg_attributes;
    static traverseproc tg_own_traverse;
    static inquiry tg_own_clear;
    static int tg_traverse(PyObject *self, visitproc visit, void *arg)
    {
        Py_VISIT(*(PyObject **)((char *)self + tg_attributes));
        return tg_own_traverse(self, visit, arg);
    }
    static int tg_clear(PyObject *self)
    {
        Py_CLEAR(*(PyObject **)((char *)self + tg_attributes));
        return tg_own_clear(self);
    }
    static PyObject *tg_dict(PyObject *self, void *context)
    {
        if (!PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
        return PyObject_GenericGetDict(self, context);
    }
    static PyGetSetDef tg_dict_entry = {"__dict__", tg_dict, PyObject_GenericSetDict, NULL, NULL};
    /* What Python makes by __new__ has memory from the start, whether or not an __init__ gives it some. */
    static newfunc tg_own_new;
    static int (*tg_fill_blank)(PyObject *, PyObject *, PyObject *);
    static PyObject *tg_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
    {
        PyObject *made = tg_own_new(type, args, keywords);
        if (made != NULL && tg_fill_blank(made, args, keywords) < 0) Py_CLEAR(made);
        return made;
    }
    static int tg_tensor_type(PyTypeObject *type, Py_ssize_t offset,
                              int (*fill_blank)(PyObject *, PyObject *, PyObject *))
    {
        PyObject *entry = PyDescr_NewGetSet(type, &tg_dict_entry);
        if (entry == NULL || PyDict_SetItemString(type->tp_dict, "__dict__", entry) < 0) return -1;
        Py_DECREF(entry);
        tg_attributes = offset;
        tg_own_traverse = type->tp_traverse;
        tg_own_clear = type->tp_clear;
        type->tp_traverse = tg_traverse;
        type->tp_clear = tg_clear;
        tg_own_new = type->tp_new;
        tg_fill_blank = fill_blank;
        type->tp_new = tg_new;
        type->tp_dictoffset = offset;
        PyType_Modified(type);
        return 0;
    }
    """
    int tg_tensor_type(PyTypeObject *cls, Py_ssize_t offset,
                       int (*fill_blank)(PyObject *, PyObject *, PyObject *) except -1) except -1


cdef int fill_blank(PyObject *made, PyObject *args, PyObject *keywords) except -1:
    """Makes a tensor that has nothing yet an empty one; of a subclass, what its ``__new__`` gave Tensor's. Where that can't be
    read, its own ``__init__`` may.
    """
    cdef Tensor t = <Tensor>made
    t.block = block_new(0)
    if t.block is NULL:
        raise MemoryError()
    t.at = block_data(t.block)
    t.code = default_code
    t.nd = 1
    t.dims[INLINE_DIMS] = ITEMSIZE[t.code]
    t.contiguous = BY_CHANCE
    t.flags = FLAG_BLANK
    if type(t) is Tensor or args is NULL or len(<tuple><object>args) == 0:
        return 0
    try:
        made_of = _legacy_constructor(<object>args, **({} if keywords is NULL else <dict><object>keywords))
    except (TypeError, ValueError):
        if type(t).__init__ is Tensor.__init__:
            raise
        return 0
    take_place(t, <Tensor>made_of)
    return 0


def _set_tensor_type():
    """Gives Tensor its lazy __dict__, and memory to what Python makes."""
    cdef Tensor t = Tensor.__new__(Tensor)
    tg_tensor_type(<PyTypeObject *>Tensor, <char *>&t.attributes - <char *><PyObject *>t, fill_blank)


_set_tensor_type()


cdef extern from "Python.h":
    int generic_setattr "PyObject_GenericSetAttr"(object target, object attribute, object value) except -1


cdef int share_memory(Tensor t, Tensor source) except -1:
    """Makes ``t`` show the memory of ``source``; its version stays what it was."""
    cdef Block *old = t.block
    cdef void *room = NULL
    cdef int i
    if t is source:
        return 0
    if t.flags & FLAG_BLANK:
        t.flags &= ~FLAG_BLANK
    else:
        t.moved = version_of(t) - source.block.version
        if t.base is not None and t.base.block is not source.block:
            t.base = None
    if source.nd > INLINE_DIMS:
        room = malloc(2 * source.nd * sizeof(Py_ssize_t))
        if room is NULL:
            raise MemoryError()
    if t.nd > INLINE_DIMS:
        free(<void *>t.dims[0])
    if room is not NULL:
        t.dims[0] = <Py_ssize_t>room
    t.nd = source.nd
    for i in range(source.nd):
        shape_of(t)[i] = shape_of(source)[i]
        strides_of(t)[i] = strides_of(source)[i]
    block_keep(source.block)
    t.block = source.block
    t.at = source.at
    t.count = source.count
    t.code = source.code
    t.contiguous = source.contiguous
    return retire(old)                  # last: whoever owned that memory may run Python


cdef Tensor take_place(Tensor t, Tensor made):
    """Makes ``t``, which has nothing yet, what ``made`` is: its memory and its history."""
    share_memory(t, made)
    t.flags = made.flags
    t.history, t.seen, t.base = made.history, made.seen, made.base
    t.node, t.nr, t.requires = made.node, made.nr, made.requires
    track(t)
    return t


cdef int set_requires_grad(Tensor t, bint value) except -1:
    if value == needs_grad(t):
        return 0
    if t.node is not None:
        raise RuntimeError("you can only change requires_grad flags of leaf variables. If you want to use a computed "
                           "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().")
    if value and not IS_FLOAT[t.code]:
        raise RuntimeError(f"only Tensors of floating point dtype can require gradients, not {DTYPE_LIST[t.code]}")
    if value and t.flags & FLAG_INFERENCE and not tg_inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
    t.requires = value
    if value:
        track(t)
    return 0


cdef int hook_node(Tensor t) except -1:
    """Tells the node of a non-leaf tensor that the tensor has hooks."""
    cdef NodeExtra extra = node_extra(t.node)
    if extra.tensor_hooks is None:
        extra.tensor_hooks = {}
    extra.tensor_hooks[t.nr] = extra_of(t)
    track(t.node)
    return 0


cdef object _legacy_constructor = None
cdef object _represent = None
cdef object CPU = None
cdef object strided = None


def _install(*, legacy_constructor, represent, cpu, strided_layout, judge, blame):
    """Gives the core the few functions written in Python that it calls."""
    rarely()
    global _legacy_constructor, _represent, CPU, strided, _judge, _blame
    _legacy_constructor = legacy_constructor
    _represent = represent
    CPU = cpu
    strided = strided_layout
    _judge, _blame = judge, blame


cpdef Py_ssize_t wrap_dim(object dim, int ndim) except -1:
    """A dimension's number counted from 0; IndexError when there is none of that number."""
    cdef Py_ssize_t wrapped
    cdef Py_ssize_t count = ndim if ndim else 1
    if type(dim) is not int and (isinstance(dim, (bool, float, str)) or not hasattr(dim, "__index__")):
        raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
    try:
        wrapped = dim
    except OverflowError:
        wrapped = count
    if not -count <= wrapped < count:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})")
    return wrapped + count if wrapped < 0 else wrapped
