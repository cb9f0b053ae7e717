# Linear systems by their kernels, of matrices that lie as those of a stack do.

cdef enum:
    MOST_ROWS = 256             # with more LAPACK is quicker, which works on several threads
    CHOLESKY = 0
    INV = 1
    LU = 2


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


cdef tuple eliminated(Tensor matrix):
    """The matrices' factors, which are written over them, their pivots and orders."""
    cdef Tensor pivots = new_tensor(matrix.nd - 1, shape_of(matrix), I32)
    cdef Tensor order = new_tensor(matrix.nd - 2, shape_of(matrix), I32)
    cdef KernelArgs a
    system_args(&a, matrix, 0)
    a.ndim = 2
    a.data[0] = matrix.at
    a.data[1] = pivots.at
    a.data[2] = order.at
    launch_checked(find(b"eliminate", matrix.code), &a)
    return matrix, pivots, order


cdef bint are_factors(tuple factors, Tensor out) except -1:
    """Whether they are what ``eliminated`` gives, for as many systems as there are right sides: a call from Python may hand over
    anything.
    """
    cdef Tensor matrix, pivots, order
    if len(factors) != 3:
        return False
    matrix, pivots, order = factors
    return (are_a_system(matrix, out) and matrix.contiguous and pivots.code == order.code == I32 and pivots.contiguous
            and order.contiguous and pivots.count * shape_of(matrix)[matrix.nd - 1] == matrix.count
            and order.count * shape_of(matrix)[matrix.nd - 1] == pivots.count)


cdef int substitute(tuple factors, Tensor out, bint transposed) except -1:
    """Writes the solutions over right sides."""
    cdef Tensor matrix = <Tensor>factors[0]
    cdef KernelArgs a
    cdef int i
    system_args(&a, matrix, shape_of(out)[out.nd - 1])
    for i in range(3):
        a.data[i] = (<Tensor>factors[i]).at
    a.data[3] = out.at
    a.integer[0] = transposed
    launch_checked(find(b"substitute", matrix.code), &a)
    return 0


cdef int set_identity(Tensor t) except -1:
    cdef Py_ssize_t n = shape_of(t)[t.nd - 1], i
    fill_raw(t, 0)
    for i in range(t.count // n):
        if t.code == F32:
            (<float *>t.at)[i * n + i % n] = 1
        else:
            (<double *>t.at)[i * n + i % n] = 1
    return 0


cdef object hot_system(Op op, void **args, Py_ssize_t count):
    """``_cholesky(A)`` and ``_inv(A)``: what comes out, and the order of what could not be done; ``_lu(A)``."""
    cdef Tensor A, matrix, out, order
    cdef KernelArgs a
    if count != 1 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    A = <Tensor><PyObject *>args[0]
    if not of_matrices(A) or shape_of(A)[A.nd - 1] > MOST_ROWS:
        return DECLINED
    matrix = contiguous_of(A) if op.form == CHOLESKY else clone_raw(A)
    if not of_matrices(matrix):                 # another thread has changed it meanwhile
        return DECLINED
    if op.form == LU:
        outs = list(eliminated(matrix))
    else:
        out = new_like(matrix, matrix.code)
        if op.form == INV:
            factors = eliminated(matrix)
            set_identity(out)
            substitute(factors, out, False)
            order = <Tensor>factors[2]
        else:
            order = new_tensor(matrix.nd - 2, shape_of(matrix), I32)
            system_args(&a, matrix, 0)
            a.ndim = 2
            a.data[0] = matrix.at
            a.data[1] = out.at
            a.data[2] = order.at
            launch(op.kernels[matrix.code], &a)
        outs = [out, order]
    record(op, [A], [A], None, outs)
    return tuple(outs)


cdef object hot_solve(Op op, void **args, Py_ssize_t count):
    """``_solve(A, B, factors)``. The tape keeps the factors, with which A's transpose is solved on the way back."""
    cdef Tensor A, B, matrix, out
    cdef tuple factors
    cdef bint transposed = False
    if count < 2 or not isinstance(<object><PyObject *>args[0], Tensor) or not isinstance(<object><PyObject *>args[1], Tensor):
        return DECLINED
    A, B = <Tensor><PyObject *>args[0], <Tensor><PyObject *>args[1]
    if not are_a_system(A, B) or shape_of(A)[A.nd - 1] > MOST_ROWS:
        return DECLINED
    given = <object><PyObject *>args[2] if count > 2 else None
    out = clone_raw(B)
    if given is None:
        matrix = clone_raw(A)
        if not are_a_system(matrix, out):       # another thread has changed one meanwhile
            return DECLINED
        factors = eliminated(matrix)
    else:
        *parts, turned = <tuple?>given
        factors, transposed = tuple(parts), turned
        if not are_factors(factors, out):
            return DECLINED
    substitute(factors, out, transposed)
    order = factors[2]
    record(op, [A, B, (*factors, not transposed)], [A, B], None, [out, order])
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
    launch_checked(op.kernels[matrix.code], &a)
    record(op, [A, B, upper, unit], [A, B], out, None)
    return out


native("_cholesky", hot_system, NULL, CHOLESKY)
native("_inv", hot_system, NULL, INV)
native("_lu", hot_system, NULL, LU)
native("_solve", hot_solve, NULL, 0)
native("_solve_triangular", hot_solve_triangular, NULL, 0)
