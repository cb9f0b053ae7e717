# NumPy arrays to fill: their dtypes, their elements in the order of memory, and the integers that each dtype holds.

cdef named(cnp.ndarray out):
    """The name of the dtype that an array stands for."""
    return "bfloat16" if cnp.PyArray_TYPE(out) == cnp.NPY_VOID else str(out.dtype)


cdef int dtype_of(cnp.ndarray out, str name) except -1:
    cdef int number = cnp.PyArray_TYPE(out)
    if number >= 32 or code_of[number] < 0 or cnp.PyArray_ITEMSIZE(out) != SIZES[code_of[number]]:
        raise TypeError(f"{name}: no random numbers of dtype {named(out)}")
    return code_of[number]


cdef int float_of(cnp.ndarray out, str name) except -1:
    cdef int dtype = dtype_of(out, name)
    if not DIGITS[dtype]:
        raise NotImplementedError(f"{name}: wanted a float dtype, got {named(out)}")
    return dtype


cdef inline bint plain(cnp.ndarray out):
    """Whether the elements of `out` lie in memory one after the other, so that a raw fill can write them."""
    return cnp.PyArray_ISCARRAY(out)


cdef in_memory_order(cnp.ndarray out):
    """The axes of `out`, the outermost in memory first."""
    return sorted(range(out.ndim), key=lambda axis: -out.strides[axis])


cdef filled(cnp.ndarray out, fill, args):
    """`out` after `fill(flat, *args)`, where `flat` is plain and holds the elements as memory does."""
    if not out.flags.writeable:
        raise ValueError("random numbers: the array to fill is read-only")
    view = out.transpose(in_memory_order(out))
    if plain(view):
        fill(view, *args)
    else:
        flat = np.empty(view.shape, out.dtype.newbyteorder("="))
        fill(flat, *args)
        view[...] = flat
    return out


cdef rounded(int dtype, value):
    """The int `value` after a trip through a float dtype; beyond int64, what a C cast gives on x86."""
    with np.errstate(over="ignore"):
        back = float(np.int64(value).astype("f4" if dtype == BF16 else f"f{SIZES[dtype]}"))
        if dtype == BF16:
            back = float((np.uint32(narrow(dtype, back)) << np.uint32(16)).view(np.float32))
        return int(back) if -2.0**63 <= back < 2.0**63 else -2**63


cdef inner_bounds(int dtype, low, high):
    """`low` and `high` (None: no end), drawn in so that no integer between them rounds out of [low, high)."""
    up = rounded(dtype, low + 1)
    if up < low:
        low = up + (1 << (abs(low + 1).bit_length() - DIGITS[dtype]))
    if high is not None:
        down = rounded(dtype, high - 1)
        if down >= high:
            high = down - (1 << (abs(high - 1).bit_length() - DIGITS[dtype]))
    return low, high


cdef largest(int dtype):
    """The largest value of an integer dtype; of a float dtype, the end of its unbroken run of integers."""
    if DIGITS[dtype]:
        return 2**(<object>DIGITS[dtype])
    return 1 if dtype == BOOL else 2**(<object>(8 * SIZES[dtype] - (dtype != U8))) - 1


cdef int check_bounds(int dtype, cnp.ndarray out, low, last) except -1:
    if DIGITS[dtype]:
        high = int(kernel_largest(dtype))
        least = -high
    else:
        high = largest(dtype)
        least = 0 if dtype <= U8 else -high - 1
    for name, value in (("from", low), ("to - 1", last)):
        if not least <= value <= high:
            raise RuntimeError(f"random_: {name} = {value} is out of bounds for {named(out)}")
        if DIGITS[dtype] and abs(value) > largest(dtype):
            warnings.warn(f"random_: {name} = {value} is beyond 2**{DIGITS[dtype]}, where {named(out)} no"
                          " longer has every integer, so the draw is not uniform", UserWarning, stacklevel=2)
    return 0


cdef object drawn_from(Generator g, str name, draw_each draw, object out, object p):
    """`out`, of float64, where it lies in order, with a number for each element in place of what it is drawn from."""
    cdef double *to = <double *>cnp.PyArray_DATA(out)
    cdef double *each = NULL if p is None else <double *>cnp.PyArray_DATA(p)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(out)
    cdef bint outside
    g.enter(name, F64, to, n)
    outside = goes_outside(n)
    if outside:
        with nogil:
            draw(&g.engine, to, each, n)
    else:
        draw(&g.engine, to, each, n)
    g.leave(outside)
    return out


cdef picked(Generator generator, rows, count, bint replacement):
    """`count` places of each row, by its weights."""
    if replacement and count > 1:
        found = np.empty((len(rows), count), np.int64)
        for i, row in enumerate(rows):
            below = np.add.accumulate(row, dtype=np.float32 if row.dtype == np.float16 else row.dtype)
            below = (below / below[-1]).astype(np.float64)
            below[-1] = 1.0
            found[i] = np.searchsorted(below, generator.fill_uniform(np.empty(count)))
    else:
        # The race of exponential clocks: the fastest `count` win.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            speed = rows / generator.fill_exponential(np.empty(rows.shape, rows.dtype))
        if count == 1:      # what is not a number loses, as it does when sorted
            found = np.argmax(np.where(speed == speed, speed, -1), axis=1)[:, None]
        else:
            found = np.argsort(-speed, axis=1, kind="stable")[:, :count]
    return found
