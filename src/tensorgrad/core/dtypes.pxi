# Element types and PyTorch's promotion.

cdef enum:
    BOOL = 0
    U8 = 1
    I8 = 2
    I16 = 3
    I32 = 4
    I64 = 5
    F16 = 6
    F32 = 7
    F64 = 8
    DTYPES = 9
    NO_DTYPE = 255


cdef class dtype:
    """The type of a tensor's elements, such as ``tensorgrad.float32``."""

    def __init__(self, int code, str name, numpy_dtype):
        self.code = code
        self.name = name
        self.numpy_dtype = np.dtype(numpy_dtype)
        self.itemsize = self.numpy_dtype.itemsize
        self.is_floating_point = code >= F16
        self.is_signed = code > U8

    @property
    def is_complex(self):
        return False

    def __repr__(self):
        return f"tensorgrad.{self.name}"

    def __reduce__(self):
        return _dtype_of_name, (self.name,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def _dtype_of_name(str name):
    """The dtype of that name; raises KeyError for an unknown one."""
    return DTYPE_NAMES[name]


cdef list DTYPE_LIST = [
    dtype(BOOL, "bool", np.bool_), dtype(U8, "uint8", np.uint8), dtype(I8, "int8", np.int8),
    dtype(I16, "int16", np.int16), dtype(I32, "int32", np.int32), dtype(I64, "int64", np.int64),
    dtype(F16, "float16", np.float16), dtype(F32, "float32", np.float32), dtype(F64, "float64", np.float64),
]
all_dtypes = tuple(DTYPE_LIST)
cdef dict DTYPE_NAMES = {d.name: d for d in DTYPE_LIST}
cdef dict NUMPY_TO_DTYPE = {d.numpy_dtype: d for d in DTYPE_LIST}

cdef list LEAST = [0] + [int(np.iinfo(d.numpy_dtype).min) for d in DTYPE_LIST[1:6]]      # of the integers
cdef list GREATEST = [1] + [int(np.iinfo(d.numpy_dtype).max) for d in DTYPE_LIST[1:6]]

cdef int ITEMSIZE[9]
cdef int NUMPY_TYPE[9]
cdef uint8_t CODE_OF_NUMPY[32]
cdef uint8_t PROMOTED[9][9]
cdef int default_code = F32


cdef void fill_dtype_tables():
    cdef int a, b
    memset(CODE_OF_NUMPY, NO_DTYPE, 32)
    for a in range(DTYPES):
        ITEMSIZE[a] = (<dtype>DTYPE_LIST[a]).itemsize
        NUMPY_TYPE[a] = DTYPE_LIST[a].numpy_dtype.num
        CODE_OF_NUMPY[NUMPY_TYPE[a]] = a
    for number in (np.dtype("long"), np.dtype("longlong"), np.dtype("intc")):
        CODE_OF_NUMPY[number.num] = I64 if number.itemsize == 8 else I32
    for a in range(DTYPES):
        for b in range(DTYPES):
            if (a == U8 and I8 <= b <= I64) or (b == U8 and I8 <= a <= I64):
                PROMOTED[a][b] = max(max(a, b), I16)      # uint8 with int8 needs int16
            else:
                PROMOTED[a][b] = max(a, b)


fill_dtype_tables()


def get_default_dtype():
    """The dtype that Python floats become.

    >>> tg.get_default_dtype()
    tensorgrad.float32
    """
    return DTYPE_LIST[default_code]


def set_default_dtype(d, /):
    """Makes ``d``, a floating point dtype, what Python floats become.

    >>> tg.set_default_dtype(tg.float32)
    """
    global default_code
    if type(d) is not dtype:
        raise TypeError(f"invalid dtype object: set_default_dtype() wants a tensorgrad.dtype, not {d!r}")
    if not (<dtype>d).is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, not {d!r}")
    default_code = (<dtype>d).code


cdef inline int promoted(int a, int b) noexcept:
    return PROMOTED[a][b]


cdef int combine(int higher, int lower) noexcept:
    """The category rule: what ranks lower counts only when it is of a higher kind (bool < integer < float).
    """
    if higher == NO_DTYPE:
        return lower
    if lower == NO_DTYPE or higher >= F16:
        return higher
    if higher == BOOL or lower >= F16:
        return PROMOTED[higher][lower]
    return higher


cdef int number_code(object value) except -1:
    """The dtype that a Python or NumPy number brings into promotion."""
    if type(value) is float:
        return default_code
    if type(value) is bool:
        return BOOL
    if type(value) is int:
        return I64
    if isinstance(value, (bool, np.bool_)):
        return BOOL
    if isinstance(value, (int, np.integer)):
        return I64
    if isinstance(value, (float, np.floating)):
        return default_code
    raise TypeError(f"expected a Tensor or a number, not {type(value).__name__}")


cdef bint is_number(object value):
    return type(value) in (float, int, bool) or isinstance(value, (int, float, np.number, np.bool_))


cdef int code_of(object d) except -1:
    """The code of a dtype argument: a dtype, or Python's bool, int and float."""
    if type(d) is dtype:
        return (<dtype>d).code
    if d is float:
        return F64
    if d is int:
        return I64
    if d is bool:
        return BOOL
    raise TypeError(f"expected a tensorgrad.dtype such as tensorgrad.float32, not {d!r}")


cdef int result_code(list operands) except -1:
    """PyTorch's result_type of tensors and numbers: dimensioned tensors, then 0-d tensors, then numbers."""
    cdef int dimensioned = NO_DTYPE, zero = NO_DTYPE, wrapped = NO_DTYPE, code
    for operand in operands:
        if isinstance(operand, Tensor):
            code = (<Tensor>operand).code
            if (<Tensor>operand).nd:
                dimensioned = code if dimensioned == NO_DTYPE else PROMOTED[dimensioned][code]
            else:
                zero = code if zero == NO_DTYPE else PROMOTED[zero][code]
        else:
            code = number_code(operand)
            wrapped = code if wrapped == NO_DTYPE else PROMOTED[wrapped][code]
    return combine(dimensioned, combine(zero, wrapped))


def result_type(*operands):
    """The dtype of an arithmetic result of these tensors and numbers.

    >>> tg.result_type(tg.tensor([1, 2]), 1.0)
    tensorgrad.float32
    """
    if len(operands) < 2:
        raise TypeError(f"result_type(): expected at least two Tensors or numbers, got {len(operands)}")
    return DTYPE_LIST[result_code(list(operands))]


def promote_types(type1, type2):
    """The smallest dtype that holds both.

    >>> tg.promote_types(tg.int32, tg.float32)
    tensorgrad.float32
    """
    return DTYPE_LIST[PROMOTED[code_of(type1)][code_of(type2)]]


def can_cast(from_, to):
    """Whether PyTorch's rules allow a result of dtype ``from_`` to be written into ``to``.

    >>> tg.can_cast(tg.float32, tg.int64)
    False
    """
    return castable(code_of(from_), code_of(to))


cdef bint castable(int source, int target) noexcept:
    if source >= F16 and target < F16:
        return False
    return source == BOOL or target != BOOL


def dtype_of_numpy(numpy_dtype):
    """The dtype of a NumPy dtype, or None where there is none."""
    return NUMPY_TO_DTYPE.get(np.dtype(numpy_dtype))
