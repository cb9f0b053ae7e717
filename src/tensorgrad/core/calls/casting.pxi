# Mixed precision: inside of it some ops get operands of another dtype than they were given.

cdef enum:                  # Op.precision
    AS_GIVEN = 0
    LOW = 1                 # computes in the low dtype
    FULL = 2                # computes in float32
    AS_ITS_INPUT = 3        # computes in float32, and rounds its result to the dtype of its input
    AS_OUTSIDE = 4          # the ops that it is made of compute as outside

PRECISIONS = {"low": LOW, "full": FULL, "as its input": AS_ITS_INPUT, "as outside": AS_OUTSIDE}

cdef object CASTS = threading.local()       # .found: parameters in the low dtype, by id, version and whether that was recorded


def _set_autocast(d):
    """Has this thread's ops compute in mixed precision with that low dtype, or with None not. Gives what was set before."""
    global tg_low
    before = _autocast_dtype()
    set_aside((d is not None) - (before is not None))
    tg_low = 0 if d is None else 1 + (<dtype?>d).code
    return before


def _autocast_dtype():
    """The low dtype of this thread's mixed precision, or None."""
    return DTYPE_LIST[tg_low - 1] if tg_low else None


def _forget_casts():
    """Lets the parameters go that were kept in the low dtype for the next op."""
    CASTS.found = {}


cdef object in_precision(Op op, PyObject **args, Py_ssize_t count, tuple words):
    """A call of an op with its operands in the dtype that mixed precision has for it."""
    global tg_low
    cdef int low = tg_low, own = NO_DTYPE
    cdef Py_ssize_t i
    cdef list values = [<object>args[i] for i in range(count + len(words))]
    if op.precision == LOW or op.precision == FULL:
        values = [in_mixed(value, low - 1 if op.precision == LOW else F32) for value in values]
    elif op.precision == AS_ITS_INPUT and count and isinstance(values[0], Tensor) and (
            COMPUTES[(<Tensor>values[0]).code] == F32 != (<Tensor>values[0]).code):
        own = (<Tensor>values[0]).code
        values[0] = OP_CAST(values[0], DTYPE_LIST[F32])
    tg_low = 0
    try:
        found = op(*values[:count], **dict(zip(words, values[count:])))
    finally:
        tg_low = low
    return found if own == NO_DTYPE else in_dtype(found, F32, own)


cdef object in_mixed(object value, int code):
    """A tensor of floats, but for float64, in another dtype; each in a list of them too. All else as it is."""
    cdef Tensor t
    if type(value) is list or type(value) is tuple:
        return type(value)([in_mixed(each, code) for each in value])
    if not isinstance(value, Tensor):
        return value
    t = <Tensor>value
    if not IS_FLOAT[t.code] or t.code == F64 or t.code == code:
        return value
    if code == F32 or t.node is not None or t.base is not None or not t.requires:
        return OP_CAST(t, DTYPE_LIST[code])
    key = <size_t><PyObject *>t, version_of(t), bool(tg_grad), code         # a parameter: its gradients meet in the low dtype
    kept = CASTS.found.get(key) if hasattr(CASTS, "found") else None
    if kept is None:
        kept = t, OP_CAST(t, DTYPE_LIST[code])
        if hasattr(CASTS, "found"):
            CASTS.found[key] = kept
    return kept[1]
