# What kernels declare (kernel.h), read.

from collections import namedtuple

Declared = namedtuple("Declared", "name optional code where")
Declared.__doc__ = "An operand: its name, whether it may be left out, the number of its element type, and where it lies."

cdef dict OPERANDS = {}                 # of each kernel, by its address


cdef list operands_of(const Kernel *kernel):
    """The operands of a kernel, inputs first."""
    found = OPERANDS.get(<size_t>kernel)
    if found is None:
        found = OPERANDS[<size_t>kernel] = []
        for word in kernel.operands.decode().split():
            name, _, lies = word.partition("=")
            kind, colon, where = lies.rpartition(":")
            found.append(Declared(name.rstrip("?"), "?" in name, dtype_named(kind) if colon else kernel.dtype, where))
    return found


cdef tuple settings_of(const Kernel *kernel):
    """The names of its settings: the numbers, and those that are integers."""
    reals, _, integers = (b"" if kernel.settings is NULL else kernel.settings).decode().partition(":")
    return reals.split(), integers.split()


cdef int dtype_named(str name) except -1:
    cdef int code
    for code in range(DTYPES):
        if kernel_dtype(code).name.decode() == name:
            return code
    raise KeyError(f"a kernel declares an operand of {name!r}, which is no dtype")
