# What C does in the place of an op's body and of its formulas. The rows stand beside the functions that they name.

ctypedef struct Native:
    hot_fn hot                  # calls; NULL: those of its kind
    vjp_fn vjp                  # the gradient of first order; NULL: that of its kind
    int form                    # which one it is of the ops that share the two

cdef enum:
    MOST_NATIVE = 320

cdef Native NATIVE[MOST_NATIVE]
cdef dict NATIVE_ROWS = {}      # the row of an op's name


cdef int native(str name, hot_fn hot, vjp_fn vjp, int form) except -1:
    """Adds a row for the op that will be declared under this name."""
    cdef Py_ssize_t row = len(NATIVE_ROWS)
    if name in NATIVE_ROWS or row == MOST_NATIVE:
        raise ValueError(f"{name} has a row of its own already, or the table is full")
    NATIVE[row].hot = hot
    NATIVE[row].vjp = vjp
    NATIVE[row].form = form
    NATIVE_ROWS[name] = row
    return 0


def _native_names():
    """The ops that have a row."""
    return list(NATIVE_ROWS)
