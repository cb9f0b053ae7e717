# What may be passed to an op.

cdef inline bint are_plain(PyObject **args, Py_ssize_t count) except -1:
    """Whether no argument runs Python of its own when C asks it for a number, a length or an element: what runs there could give
    tensors other memory after it was looked at. Only then a hot path may have them.
    """
    cdef Py_ssize_t i
    for i in range(count):
        if not isinstance(<object>args[i], Tensor) and not is_plain_argument(<object>args[i]):
            return False
    return True


cdef bint is_plain_argument(object value) except -1:
    kind = type(value)
    if is_python_value(value):
        return True
    if kind is tuple or kind is list or kind is Size:
        for each in value:
            if not is_python_value(each) and not is_plain_object(each):
                return False
        return True
    return is_plain_object(value)


cdef inline bint is_python_value(object value) noexcept:
    kind = type(value)
    return value is None or kind is int or kind is float or kind is bool or kind is str


cdef bint is_plain_object(object value) except -1:
    kind = type(value)
    return (isinstance(value, (Tensor, dtype)) or kind is np.ndarray or (
            isinstance(value, np.generic) and kind.__module__ == "numpy") or kind is tg_memory_format)


cdef int check_operands(Op op, PyObject **args, Py_ssize_t count) except -1:
    """A composite's body gets what was passed: what is no tensor where one is declared is refused before. Gives whether a
    setting has to be converted.
    """
    cdef Py_ssize_t i
    cdef int convert = 0
    for i in op.tensor_index:
        if i < count and i < op.positional and not isinstance(<object>args[i], Tensor):
            want_operand(op, <object>args[i], i)
    for i in op.settings:
        if i < count and i < op.positional:
            convert |= want_setting(op, <object>args[i], i)
    return convert


cdef int want_setting(Op op, object value, Py_ssize_t position) except -1:
    """A number, a truth value, a dtype or a memory format is refused where it is none. Gives whether it is to be `converted`.
    """
    cdef str kind = op.settings[position]
    if value is op.defaults[position]:
        return 0
    if kind == "dtype":
        if value is None or isinstance(value, dtype):
            return 0
        if value is float or value is int or value is bool:
            return 1
        raise TypeError(f"{op.__name__}(): argument '{op.params[position]}' must be tensorgrad.dtype, not {type(value).__name__}")
    if type(value) is int:
        return kind == "float"
    if kind == "memory_format":
        if value is None or type(value) is tg_memory_format:
            return 0
    elif isinstance(value, np.integer):
        return kind == "float"
    elif isinstance(value, np.ndarray) and value.size != 1:
        pass
    elif type(value) in (bool, float) or isinstance(value, Tensor) or hasattr(value, "__index__") or hasattr(
            value, "__float__"):
        return 0
    elif value is None and op.params[position] in op.optional:
        return 0
    raise TypeError(f"{op.__name__}(): argument '{op.params[position]}' (position {position + 1}) must be {kind}, not "
                    f"{type(value).__name__}")


cdef object converted(object value):
    """An int in a float's place as a float, whatever its size; Python's type in a dtype's as the dtype that it stands for."""
    if value is bool:
        return DTYPE_LIST[BOOL]
    return DTYPE_LIST[F64] if value is float else DTYPE_LIST[I64] if value is int else float(value)


cdef int want_operand(Op op, object value, Py_ssize_t position) except -1:
    if value is not None or (op.defaults[position] is not None and op.params[position] not in op.optional):
        want_tensor(op, value, position)
    return 0


cdef object tg_memory_format = None     # the class, which is Python's


def _know_memory_format(kind not None):
    """Says which class's instances are memory formats."""
    global tg_memory_format
    tg_memory_format = kind


cdef object tg_guest = None             # a type whose instances are no tensors, and answer ops themselves
cdef object tg_answer = None


def _admit(kind not None, answer not None):
    """Has ``answer(op, arguments, keywords)`` run, and not the op, where an instance of this type is among a call's arguments:
    none ever reaches a body or a kernel.
    """
    rarely()
    global tg_guest, tg_answer
    tg_guest = kind
    tg_answer = answer


cdef object answered(Op op, PyObject **args, Py_ssize_t count, PyObject *names):
    cdef tuple words = () if names is NULL else <tuple><object>names
    cdef Py_ssize_t i
    return tg_answer(op, tuple([<object>args[i] for i in range(count)]),
                     {words[i]: <object>args[count + i] for i in range(len(words))})
