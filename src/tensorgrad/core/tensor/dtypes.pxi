# Element types and PyTorch's promotion.

cdef enum:
    NO_DTYPE = 255


cdef str tg_library = "tensorgrad"      # what dtypes, sizes and layouts say that they are of


def _library():
    """The library's name, as dtypes, sizes and layouts show it."""
    return tg_library


def _call_library(str name not None):
    """Has them show another name, for programs that know another."""
    global tg_library
    tg_library = name


cdef class dtype:
    """The type of a tensor's elements, such as ``tensorgrad.float32``."""

    def __init__(self, int code, str name, str title, str letter, numpy_dtype, int computes):
        rarely()
        cdef const Dtype *facts = kernel_dtype(code)
        self.code = code
        self.name = name
        self.title = title
        self.short = facts.name.decode()
        self.letter = letter.encode()
        self.own = None if numpy_dtype is None else np.dtype(numpy_dtype)
        self.computes = computes
        self.itemsize = facts.bytes
        self.digits = facts.digits
        self.largest = kernel_largest(code) if facts.digits else 0
        self.is_floating_point = facts.digits > 0
        self.is_signed = self.is_floating_point or self.short[0] == "i"

    @property
    def numpy_dtype(self):
        """NumPy's type. Raises TypeError for bfloat16, which it does not have."""
        if self.own is None:
            raise TypeError(f"Got unsupported ScalarType {self.title}: NumPy has no such type; convert with .float() first")
        return self.own

    @property
    def array_dtype(self):
        """The type of arrays of its numbers: NumPy's, or where it has none that in which they are computed."""
        return (<dtype>DTYPE_LIST[self.computes]).own if self.own is None else self.own

    @property
    def is_complex(self):
        return False

    def __repr__(self):
        return f"{tg_library}.{self.name}"

    def __reduce__(self):
        return _dtype_of_name, (self.name,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def _dtype_of_name(str name):
    """The dtype of that name; raises KeyError for an unknown one."""
    return DTYPE_NAMES[name]


# All that is known of each, beside its size (EVERY_DTYPE of kernel.h, whose order is this one): code, name, word in PyTorch's
# names of tensor types, letter in buffers, NumPy's type (if there is one), and the dtype in which bodies compute it.
cdef list DTYPE_LIST = [
    dtype(BOOL, "bool", "Bool", "?", np.bool_, BOOL),
    dtype(U8, "uint8", "Byte", "B", np.uint8, U8),
    dtype(I8, "int8", "Char", "b", np.int8, I8),
    dtype(I16, "int16", "Short", "h", np.int16, I16),
    dtype(I32, "int32", "Int", "i", np.int32, I32),
    dtype(I64, "int64", "Long", "q", np.int64, I64),
    dtype(F16, "float16", "Half", "e", np.float16, F32),
    dtype(BF16, "bfloat16", "BFloat16", "", None, F32),
    dtype(F32, "float32", "Float", "f", np.float32, F32),
    dtype(F64, "float64", "Double", "d", np.float64, F64),
]
all_dtypes = tuple(DTYPE_LIST)
cdef dict DTYPE_NAMES = {d.name: d for d in DTYPE_LIST}
cdef dict NUMPY_TO_DTYPE = {(<dtype>d).own: d for d in DTYPE_LIST if (<dtype>d).own is not None}

cdef int ITEMSIZE[DTYPES]
cdef int NUMPY_TYPE[DTYPES]
cdef uint8_t IS_FLOAT[DTYPES]
cdef uint8_t COMPUTES[DTYPES]           # a narrow float's values are computed in float32
cdef uint8_t PROMOTED[DTYPES][DTYPES]
cdef uint8_t CODE_OF_NUMPY[32]
cdef list LEAST = [None] * DTYPES       # of the integers
cdef list GREATEST = [None] * DTYPES
cdef double LARGEST[DTYPES]             # of the floats
cdef int default_code = F32


cdef int promotion(int a, int b) noexcept:
    """The least dtype that holds the values of both, which are numbered in the order of promotion."""
    cdef int low = min(a, b), high = max(a, b)
    if low == F16 and high == BF16:
        return F32
    if low == U8 and not IS_FLOAT[high]:
        return max(high, I16) if high != low else U8
    return high


cdef void fill_dtype_tables():
    rarely()
    cdef int a, b
    cdef dtype d
    memset(CODE_OF_NUMPY, NO_DTYPE, 32)
    for d in DTYPE_LIST:
        ITEMSIZE[d.code] = d.itemsize
        IS_FLOAT[d.code] = d.is_floating_point
        COMPUTES[d.code] = d.computes
        NUMPY_TYPE[d.code] = cnp.NPY_VOID if d.own is None else d.own.num
        if d.own is not None:
            CODE_OF_NUMPY[NUMPY_TYPE[d.code]] = d.code
        if d.is_floating_point:
            LARGEST[d.code] = d.largest
        else:
            LEAST[d.code] = 0 if d.code == BOOL else int(np.iinfo(d.numpy_dtype).min)
            GREATEST[d.code] = 1 if d.code == BOOL else int(np.iinfo(d.numpy_dtype).max)
    for number in (np.dtype("long"), np.dtype("longlong"), np.dtype("intc")):
        CODE_OF_NUMPY[number.num] = I64 if number.itemsize == 8 else I32
    for a in range(DTYPES):
        for b in range(DTYPES):
            PROMOTED[a][b] = promotion(a, b)


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


cdef int combine(int higher, int lower) noexcept:
    """The category rule: what ranks lower counts only when it is of a higher kind (bool < integer < float).
    """
    if higher == NO_DTYPE:
        return lower
    if lower == NO_DTYPE or IS_FLOAT[higher]:
        return higher
    if higher == BOOL or IS_FLOAT[lower]:
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
    if IS_FLOAT[source] and not IS_FLOAT[target]:
        return False
    return source == BOOL or target != BOOL


def dtype_of_numpy(numpy_dtype):
    """The dtype of a NumPy dtype, or None where there is none."""
    return NUMPY_TO_DTYPE.get(np.dtype(numpy_dtype))
