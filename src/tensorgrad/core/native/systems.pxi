# Linear systems by their kernels, of matrices that lie as those of a stack do.

cdef enum:
    MOST_ROWS = 256             # with more LAPACK is quicker, which works in blocks
    CHOLESKY = 0
    INV = 1
    SOLVE = 2


cdef inline bint of_matrices(Tensor A):
    """Whether there are kernels for this stack of square matrices."""
    cdef int nd = A.nd
    return (tg_kernels and (A.code == F32 or A.code == F64) and nd >= 2 and A.count > 0
            and shape_of(A)[nd - 1] == shape_of(A)[nd - 2])


cdef inline bint are_a_system(Tensor A, Tensor B):
    """Whether ``A`` and ``B`` are stacks of one shape of the two sides of a system."""
    cdef int i
    if not of_matrices(A) or A.nd != B.nd or A.code != B.code or B.count == 0:
        return False
    for i in range(A.nd - 1):
        if shape_of(A)[i] != shape_of(B)[i]:
            return False
    return True


cdef void system_args(KernelArgs *a, Tensor A, Py_ssize_t columns) noexcept:
    cdef Py_ssize_t n = shape_of(A)[A.nd - 1]
    begin(a, 3)
    a.size[0] = A.count // (n * n)
    a.size[1] = n
    a.size[2] = columns


cdef object hot_system(Op op, void **args, Py_ssize_t count):
    """``_cholesky(A)``, ``_inv(A)`` and ``_solve(A, B)``: what comes out, and the order of what could not be done."""
    cdef Tensor A, B = None, matrix, out, order
    cdef KernelArgs a
    cdef bint solves = op.form == SOLVE
    if count != 1 + solves or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    A = <Tensor><PyObject *>args[0]
    if solves and isinstance(<object><PyObject *>args[1], Tensor):
        B = <Tensor><PyObject *>args[1]
    if (B is None or not are_a_system(A, B)) if solves else not of_matrices(A):
        return DECLINED
    if shape_of(A)[A.nd - 1] > MOST_ROWS:
        return DECLINED
    if solves:
        matrix = clone_raw(A)
        out = clone_raw(B)
        if not are_a_system(matrix, out):       # another thread has changed one meanwhile
            return DECLINED
        system_args(&a, matrix, shape_of(out)[out.nd - 1])
    else:
        matrix = clone_raw(A) if op.form == INV else contiguous_of(A)
        if not of_matrices(matrix):
            return DECLINED
        out = new_like(matrix, matrix.code)
        system_args(&a, matrix, 0)
        a.ndim = 2
    order = new_tensor(matrix.nd - 2, shape_of(matrix), I32)
    a.data[0] = matrix.at
    a.data[1] = out.at
    a.data[2] = order.at
    launch(op.kernels[matrix.code], &a)
    record(op, [A, B] if solves else [A], [A, B] if solves else [A], None, [out, order])
    return out, order


cdef object hot_solve_triangular(Op op, void **args, Py_ssize_t count):
    """``_solve_triangular(A, B, upper, unit)``."""
    cdef Tensor A, B, matrix, out
    cdef KernelArgs a
    if count != 4 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    A = <Tensor><PyObject *>args[0]
    B = <Tensor><PyObject *>args[1]
    upper = <object><PyObject *>args[2]
    unit = <object><PyObject *>args[3]
    if not are_a_system(A, B) or type(upper) is not bool or type(unit) is not bool:
        return DECLINED
    matrix = contiguous_of(A)
    out = clone_raw(B)
    if not are_a_system(matrix, out):
        return DECLINED
    system_args(&a, matrix, shape_of(out)[out.nd - 1])
    a.integer[0] = <bint>upper
    a.integer[1] = <bint>unit
    a.data[0] = matrix.at
    a.data[1] = out.at
    launch(op.kernels[matrix.code], &a)
    record(op, [A, B, upper, unit], [A, B], out, None)
    return out


native("_cholesky", hot_system, NULL, CHOLESKY)
native("_inv", hot_system, NULL, INV)
native("_solve", hot_system, NULL, SOLVE)
native("_solve_triangular", hot_solve_triangular, NULL, 0)
