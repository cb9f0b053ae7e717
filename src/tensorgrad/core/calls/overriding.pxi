# Who answers a call instead of the op: types with PyTorch's ``__torch_function__``, among them subclasses of Tensor.

cdef int tg_aside = 0           # how many ask for the bit ASIDE of the word that launches test


cdef int set_aside(int more) except -1:
    """Has calls of ops looked at aside from events, in all threads, while somebody asks."""
    global tg_aside
    tg_aside += more
    if tg_aside:
        LISTENING[0] |= ASIDE
    else:
        LISTENING[0] &= ~ASIDE
    return 0


cdef bint takes_over(object value) except -1:
    """Whether its type answers calls of ops itself."""
    if is_python_value(value) or type(value) is Tensor or isinstance(value, dtype):    # what is not there takes long to look for
        return False
    if isinstance(value, Tensor) and (tg_apart or not tg_overriding):
        return False
    found = getattr(type(value), "__torch_function__", None)
    return found is not None and found is not LEFT_ALONE


cdef bint any_takes_over(object value) except -1:
    """Whether it does, or one in a list of tensors."""
    if type(value) is list or type(value) is tuple:
        for each in value:
            if takes_over(each):
                return True
        return False
    return takes_over(value)


cdef inline bint is_overridden(PyObject **args, Py_ssize_t count) except -1:
    """Whether a subclass of Tensor among the arguments answers the call."""
    cdef Py_ssize_t i
    if not tg_overriding or tg_apart:
        return False
    for i in range(count):
        if type(<object>args[i]) is not Tensor and any_takes_over(<object>args[i]):
            return True
    return False


cdef object taken_over(Op op, PyObject **args, Py_ssize_t count, PyObject *names):
    cdef tuple words = () if names is NULL else <tuple><object>names
    cdef Py_ssize_t i
    return _hand_over(op, tuple([<object>args[i] for i in range(count)]),
                      {words[i]: <object>args[count + i] for i in range(len(words))})


def _takes_over(value):
    """Whether calls with this argument are its type's own affair."""
    return any_takes_over(value)


def _hand_over(function, tuple args, dict keywords):
    """What the arguments that take over make of a call: one of each type is asked after the other, a subclass before its base."""
    cdef list kinds = [], asked = []
    for value in [*args, *keywords.values()]:
        for each in (value if type(value) is list or type(value) is tuple else (value,)):
            kind = type(each)
            if takes_over(each) and kind not in kinds:
                bases = [i for i in range(len(kinds)) if issubclass(kind, kinds[i])]
                place = bases[0] if bases else len(kinds)
                kinds.insert(place, kind)
                asked.insert(place, each)
    for each in asked:
        result = each.__torch_function__(function, tuple(kinds), args, keywords)
        if result is not NotImplemented:
            return result
    raise TypeError(f"no implementation found for '{tg_library}.{getattr(function, '__name__', function)}' on types that "
                    f"implement __torch_function__: {kinds}")


cdef object operator_taken_over(Op op, object a, object b):
    """An operator between a tensor and a value that it does not know."""
    if isinstance(a, complex) or isinstance(b, complex):
        raise TypeError(f"{op.__name__}(): complex numbers are not in tensorgrad yet")
    return _hand_over(op, (a, b), {}) if takes_over(a) or takes_over(b) else NotImplemented


# Operators whose ops, by name, want a tensor first.
cdef dict REFLECTED = {
    "sub": "__rsub__", "div": "__rtruediv__", "pow": "__rpow__", "floor_divide": "__rfloordiv__", "remainder": "__rmod__",
    "bitwise_left_shift": "__rlshift__", "bitwise_right_shift": "__rrshift__",
}


cdef object overridden_operator(Op op, object a, object b):
    """What a subclass of Tensor makes of an operator; DECLINED where there is none among its operands."""
    if not tg_overriding or tg_apart or not (takes_over(a) or takes_over(b)):
        return DECLINED
    if isinstance(a, Tensor):
        return _hand_over(op, (a, b), {})
    if op.__name__ in REFLECTED:
        return _hand_over(Tensor.__dict__[REFLECTED[op.__name__]], (b, a), {})
    return _hand_over(op, (b, a), {})


# ---- subclasses of Tensor

def _disabled_torch_function_impl(function, types, args=(), kwargs=None):
    """As a class's ``__torch_function__`` it says that the class answers nothing: results are plain tensors."""
    with Apart():
        return function(*args, **({} if kwargs is None else kwargs))


cdef object LEFT_ALONE = _disabled_torch_function_impl


cdef class Apart:
    """A `with` block in which no subclass of Tensor is asked."""

    def __enter__(self):
        global tg_apart
        tg_apart += 1

    def __exit__(self, *error):
        global tg_apart
        tg_apart -= 1


cdef extern from *:
    """
    static PyObject *tg_got(PyObject *attribute, PyObject *instance, PyObject *owner)
    {
        return Py_TYPE(attribute)->tp_descr_get(attribute, instance, owner);
    }
    """
    object tg_got(object attribute, object instance, object owner)
    object PyMethod_New(object function, object instance)


@cython.auto_pickle(False)
cdef class Method:
    """A method of Tensor that is no op: as such it asks subclasses first."""
    cdef readonly object __wrapped__

    def __init__(self, method):
        self.__wrapped__ = method

    @property
    def __name__(self):
        return self.__wrapped__.__name__

    @property
    def __doc__(self):
        return self.__wrapped__.__doc__

    def __get__(self, instance, owner):
        return self if instance is None else PyMethod_New(self, instance)

    def __call__(self, *args, **kwargs):
        if not tg_apart:
            for each in (*args, *kwargs.values()):
                if any_takes_over(each):
                    return _hand_over(self, args, kwargs)
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self):
        return f"<method '{self.__name__}' of '{tg_library}.Tensor' objects>"


@cython.auto_pickle(False)
cdef class Attribute:
    """An attribute of Tensor, such as ``shape``: its subclasses answer ``Tensor.shape.__get__``."""
    cdef readonly object __name__, __wrapped__

    def __init__(self, name, attribute):
        self.__name__, self.__wrapped__ = name, attribute

    @property
    def __doc__(self):
        return self.__wrapped__.__doc__

    def __get__(self, instance, owner):
        if instance is None:
            return self
        if not tg_apart and takes_over(instance):
            return _hand_over(self.__get__, (instance,), {})
        return tg_got(self.__wrapped__, instance, owner)

    def __set__(self, instance, value):
        if not tg_apart and takes_over(instance):
            _hand_over(self.__set__, (instance, value), {})
        else:
            self.__wrapped__.__set__(instance, value)

    def __delete__(self, instance):
        self.__wrapped__.__delete__(instance)


cdef set NEVER_ASKED = {"as_subclass", "register_hook", "__torch_function__"}       # beside what Python itself calls


def _ask_subclasses():
    """From now on the subclasses of Tensor that have a ``__torch_function__`` of their own, or Tensor's, are asked."""
    global tg_overriding
    if tg_overriding:
        return
    tg_overriding = 1
    set_aside(1)
    for name, value in list(Tensor.__dict__.items()):
        if name.startswith("__") or name in NEVER_ASKED or isinstance(value, (Op, staticmethod, classmethod)):
            continue
        if hasattr(type(value), "__set__"):
            tg_type_set(<PyTypeObject *>Tensor, name, Attribute(name, value))
        elif callable(value):
            tg_type_set(<PyTypeObject *>Tensor, name, Method(value))


cdef Tensor instance_of(object cls, Tensor source):
    """An instance of a subclass on the memory of ``source``, without history."""
    cdef Tensor made
    if not isinstance(cls, type):
        raise TypeError(f"cls must be a type (got {type(cls).__name__})")
    if not issubclass(cls, Tensor):
        raise TypeError(f"Creating a Tensor subclass from {cls.__name__}, a class that does not inherit from Tensor, is not "
                        "possible. Make sure your class inherits from Tensor.")
    made = (<object>Tensor).__new__(cls)
    share_memory(made, source)
    made.flags = source.flags & FLAG_INFERENCE
    return made


def _as_subclass(Tensor source not None, cls):
    cdef Tensor view = view_of(source, source.nd, shape_of(source), strides_of(source), source.at)
    cdef Tensor made = instance_of(cls, source)
    if tg_grad and needs_grad(source):
        record_view(OP_ALIAS, view, source, None, formula_vjp)
    return take_place(made, view)


def _make_subclass(cls, Tensor data not None, bint require_grad=False):
    cdef Tensor made = instance_of(cls, data)
    set_requires_grad(made, require_grad)
    return made
