# Writing into existing tensors: versions, and what a recorded write does to the graph.

cdef int enter_inplace(Tensor x) except -1:
    """What has to hold before a tensor is written in place, element by element."""
    cdef int i
    enter_write(x)
    if not x.contiguous:
        for i in range(x.nd):
            if strides_of(x)[i] == 0 and shape_of(x)[i] > 1:
                raise RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single "
                                   "memory location. Please clone() the tensor before performing the operation.")
    return 0


cdef int enter_write(Tensor x) except -1:
    """What has to hold before every element is set to one value: elements that share memory do no harm then.
    """
    if x.block.frozen:
        refuse_frozen()
    enter_history(x)
    if x.flags & FLAG_INFERENCE and not tg_inference and tg_grad:
        raise RuntimeError("Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get "
                           "a normal tensor before doing inplace update.")
    return 0


cdef inline int enter_history(Tensor x) except -1:
    """What has to hold before ``x`` gets another history."""
    if tg_grad and x.base is not None:
        return enter_view(x)
    if tg_grad and needs_grad(x) and x.node is None:
        refuse_leaf("a")
    return 0


cdef int refuse_leaf(str what) except -1:
    raise RuntimeError(f"{what} leaf Variable that requires grad is being used in an in-place operation. "
                       "To update it off the tape, write it inside `with tensorgrad.no_grad():`")


cdef int enter_view(Tensor x) except -1:
    """The same of a view, whose history is that of its base."""
    if not (x.requires or needs_grad(x) or needs_grad(x.base)):
        return 0
    refuse_unfollowed(x, "is being")
    if x.base.requires and x.base.node is None:
        refuse_leaf("a view of a")
    if x.requires and x.node is None:
        refuse_leaf("a")
    return 0


cdef int refuse_unfollowed(Tensor x, str what) except -1:
    """Raises for a view whose node is not the one that a view of its base would have: what is written there could not be
    followed from one to the other."""
    cdef str whose = f"Output {x.nr} of {x.node.name()} is a view and {what} modified inplace." if x.node is not None else (
        f"A view was created in no_grad mode and {what} modified inplace with grad mode enabled.")
    if x.base is None or not x.flags & FLAG_UNFOLLOWED_VIEW:
        return 0
    if x.flags & FLAG_FUNCTION_VIEW:
        raise RuntimeError(f"{whose} It was created inside a custom Function (or because an input was returned as it is), whose "
                           f"own backward would be left out. Clone the output of the Function before writing.")
    raise RuntimeError(f"{whose} This view was not recorded, so the gradient could not follow; make the view while grad mode is "
                       f"enabled, or write into it inside no_grad().")


cdef int refuse_frozen() except -1:
    raise RuntimeError("the memory of this tensor is read-only (it came from a read-only array); clone() it before writing")


cdef Tensor assign(Tensor x, Tensor value, bint partly=True):
    """Writes ``value`` into ``x`` and lets ``x`` take over its history.

    ``partly``: an element of ``value`` that is what ``x`` has already was not written, and gives way to another that shares its
    memory and was.
    """
    cdef Py_ssize_t shape[MAX_DIMS]
    cdef int i, ndim
    cdef bint recorded
    enter_inplace(x)
    if not castable(value.code, x.code):
        raise RuntimeError(f"result type {title(value.code)} can't be cast to the desired output type {title(x.code)}")
    if not same_shape(x, value):
        ndim = broadcast_shape(x, value, shape, "output")
        if ndim != x.nd or not all([shape[i] == shape_of(x)[i] for i in range(ndim)]):
            raise RuntimeError(f"output with shape {list(shape_tuple(x))} doesn't match the broadcast shape "
                               f"{[shape[i] for i in range(ndim)]}")
        value = expand(OP_EXPAND, value, shape_tuple(x))
    recorded = tg_grad and (needs_grad(value) or needs_grad(x) or (x.base is not None and needs_grad(x.base)))
    if recorded and x.code != value.code:
        value = OP_CAST(value, DTYPE_LIST[x.code])
    if recorded:
        refuse_unfollowed(x, "is being")
    if partly and not x.contiguous and overlaps_itself(x):
        value = (<Op>CORE_OPS["_written_last"])(x, value)
    x.block.version += 1
    copy_into(x, value)
    if recorded:
        take_history(x, value)
    return x


cdef Tensor linked(Tensor value):
    """``value`` with a node of its own, so that the gradient of what takes it over is told apart from that of
    ``value``.
    """
    cdef Tensor link = alias_of(value)
    if tg_grad and needs_grad(value):
        record_one(OP_CLONE, link, value, 0)
    return link


cdef int take_history(Tensor x, Tensor value) except -1:
    """After a recorded write: ``x``, or the base that it is a view of, gets the history of ``value``."""
    cdef Tensor base = x.base
    cdef Tensor scattered
    if base is not None and not shows_part_of(x, base):
        base = x.base = None
    if base is None:
        hand_over(x, value if needs_grad(value) else (<Op>CORE_OPS["_filled"])(x, value))
        return 0
    scattered = alias_of(base)          # its values are never asked for: only the graph counts
    place = geometry(x)
    record(OP_VIEW_SCATTER, [base, value, place], [base, value], scattered, None)
    hand_over(base, scattered)
    refresh_view(x)
    return 0


cdef int hand_over(Tensor x, Tensor value) except -1:
    x.history += 1
    return move_to(x, value)


cdef int move_to(Tensor x, Tensor value) except -1:
    """``x`` gets the node of ``value``. Hooks stay with the node that they were registered on; a retained
    gradient moves along.
    """
    cdef TensorExtra fresh
    x.node = value.node
    x.nr = value.nr
    x.requires = value.requires
    if x.extra is not None and x.node is not None:
        fresh = TensorExtra()
        fresh.tensor = (<TensorExtra>x.extra).tensor
        (<TensorExtra>x.extra).tensor = None
        x.extra = fresh
        if x.flags & FLAG_RETAINS_GRAD:
            hook_node(x)
    return 0


cdef bint shows_part_of(Tensor view, Tensor base) noexcept:
    """Whether a view still shows elements of its base: either may have been given other memory, or another
    size.
    """
    cdef char *low
    cdef char *high
    cdef char *start
    cdef char *end
    if view.block is not base.block or view.count == 0 or base.count == 0:
        return view.block is base.block and view.count == 0
    span_of(view, &low, &high)
    span_of(base, &start, &end)
    return start <= low and high <= end


cdef tuple geometry(Tensor view):
    """Where a view's elements are among its base's: (shape, strides, offset) in elements of a contiguous base, or the flat
    indices themselves when the base is not contiguous."""
    cdef Tensor base = view.base
    cdef Py_ssize_t itemsize = ITEMSIZE[view.code]
    cdef Py_ssize_t offset = (view.at - base.at) // itemsize
    strides = tuple([strides_of(view)[i] // itemsize for i in range(view.nd)])
    if base.contiguous:
        return shape_tuple(view), strides, offset, None
    reach = 1 + sum([(shape_of(base)[i] - 1) * (strides_of(base)[i] // itemsize) for i in range(base.nd)])
    where = np.zeros(reach, np.int64)
    byte_strides = [strides_of(base)[i] // itemsize * 8 for i in range(base.nd)]
    np.lib.stride_tricks.as_strided(where, shape_tuple(base), byte_strides)[...] = (
        np.arange(base.count).reshape(shape_tuple(base)))
    flat = np.lib.stride_tricks.as_strided(where[offset:], shape_tuple(view), [s * 8 for s in strides])
    return shape_tuple(view), None, 0, np.array(flat, order="C")


cdef int refresh_view(Tensor t) except -1:
    """Gives a view the node that belongs to its base's present history; one that is not followed may not be used while
    recording after a write."""
    cdef Tensor base = t.base
    cdef Tensor gathered
    cdef int grad = tg_grad
    global tg_grad
    if t.flags & FLAG_UNFOLLOWED_VIEW:
        if tg_grad and version_of(t) != t.history and (t.node is not None or needs_grad(base)):
            refuse_unfollowed(t, "its base or another view of its base has been")
        return 0
    t.seen = base.history
    if not shows_part_of(t, base):
        return 0
    if base.flags & FLAG_RETAINS_GRAD or base.node is not None or base.requires:
        tg_grad = True
        try:
            gathered = alias_of(t)
            record(OP_VIEW_GATHER, [base, geometry(t)], [base], gathered, None)
        finally:
            tg_grad = grad
        move_to(t, gathered)
    else:
        t.node = None
        t.requires = False
    return 0


cdef str title(int code):
    return (<dtype>DTYPE_LIST[code]).title


cdef int resize_out(Tensor out, Tensor value, str who) except -1:
    """Makes ``out=`` the shape of the result, as PyTorch does for an empty one; refuses what would not fit.
    """
    if same_shape(out, value):
        return 0
    if out.count and out.count != value.count:
        raise RuntimeError(f"{who}(): out= has the shape {list(shape_tuple(out))}, the result {list(shape_tuple(value))}. Give "
                           "an out of that shape, or an empty one, which is resized.")
    share_memory(out, new_as(value, out.code))
    return 0


cdef Tensor write_out(object target, object value, str who):
    """Puts a result into ``out=``."""
    cdef Tensor out, result = <Tensor?>value
    if not isinstance(target, Tensor):
        raise TypeError(f"{who}(): argument 'out' must be Tensor, not {type(target).__name__}")
    out = <Tensor>target
    if tg_grad and (needs_grad(out) or needs_grad(result)):
        raise RuntimeError(f"{who}(): functions with out=... arguments don't support automatic differentiation, but one of the "
                           f"arguments requires grad.")
    if not castable(result.code, out.code):
        raise RuntimeError(f"result type {title(result.code)} can't be cast to the desired output type {title(out.code)}")
    enter_inplace(out)
    resize_out(out, result, who)
    out.block.version += 1
    copy_into(out, result)
    return out


cdef int64_t EXACT = <int64_t>1 << 53       # up to which float64, the kernel's number, holds every integer


def _fill(Tensor t not None, value):
    """Sets every element of a tensor that nobody else has seen."""
    value = fitting(value, t.code, t.count != 1)
    if is_dense(t) and (type(value) is not int or -EXACT <= value <= EXACT):
        fill_raw(t, real_number(value))
    else:
        copy_into(t, number_tensor(value, t.code))


def _fill_in_place(Tensor t not None, value):
    """Sets every element to a number (or, for None, takes the elements as they were just written); no
    gradient flows from before.
    """
    enter_write(t)
    t.block.version += 1
    if value is not None:
        _fill(t, value)
    if tg_grad and (needs_grad(t) or (t.base is not None and needs_grad(t.base))):
        take_history(t, (<Op>CORE_OPS["_filled"])(t, t.detach()))
    return t


def _write_out(out, Tensor value not None):
    """Puts a result into an ``out=`` tensor."""
    return write_out(out, value, "out")


def _bump_version(Tensor t not None):
    """Tells the tape that the tensor's memory was written."""
    t.block.version += 1


def _write(Tensor x not None, Tensor value not None, bint partly=False):
    """``x.copy_(value)`` with history: what in-place forms written in Python end with."""
    return assign(x, linked(value), partly)


def _enter_inplace(Tensor x not None):
    """Raises what an in-place write of ``x`` would raise."""
    enter_inplace(x)


def _array_of(Tensor t not None):
    """An array of the tensor's numbers, whether or not it needs a gradient: its memory, or where NumPy has no such type a copy
    in float32 that can't be written.
    """
    return values_of(t)


def _memory_of(Tensor t not None):
    """An array over the tensor's memory, for in-place writes of the library; void where NumPy has no such type."""
    return array_of(t)


def _write_array(Tensor t not None, array):
    """Writes the numbers of an array into a tensor that nobody else has seen, converted as a cast does."""
    copy_into(t, borrow_array(np.asarray(array)))


def _from_bits(ndarray):
    """A tensor of bfloat16 on the memory of an array of their bits."""
    cdef Tensor t = borrow_array(ndarray.view("V2"), BF16)
    track(t)
    return t


def _tensor_of(array, dtype d=None):
    """A new tensor with the numbers of an array, of that dtype or the array's."""
    cdef Tensor t
    if d is None or (d.own is not None and array.dtype == d.own):       # NumPy takes None for float64
        t = copy_array(array)
    else:
        t = cast_raw(copy_array(array.astype(d.array_dtype, copy=False)), d.code)
    track(t)
    return t


def _become(Tensor x not None, Tensor view not None):
    """``x`` takes the shape and strides of ``view``, a view of itself: what ``x.t_()`` and its kin do."""
    enter_history(x)
    share_memory(x, view)
    if view.node is not None:
        hand_over(x, view)
    x.block.version += 1
    return x


def _room_of(Tensor x not None):
    """The elements of its memory that lie before its first element, and those from there to the end."""
    cdef Py_ssize_t before = x.at - block_start(x.block)
    return before // ITEMSIZE[x.code], (<Py_ssize_t>block_nbytes(x.block) - before) // ITEMSIZE[x.code]


def _resize(Tensor x not None, shape):
    """Another shape, in place; what was not there before is not set. Views of the old memory keep it when the
    new one is larger.
    """
    cdef Py_ssize_t dims[MAX_DIMS]
    cdef int i, ndim = read_shape(shape, dims, "resize_")
    cdef Py_ssize_t step = ITEMSIZE[x.code], count = 1
    cdef BlockHolder lender = lent_by(x.block)
    cdef Tensor made
    if needs_grad(x):
        raise RuntimeError("cannot resize variables that require grad")
    if x.block.frozen:
        raise RuntimeError("the memory of this tensor is read-only (it came from a read-only array); clone() it before resizing")
    if ndim == x.nd and shape_tuple(x) == tuple(shape):
        return x
    for i in range(ndim):
        count = times(count, dims[i])
    if count <= _room_of(x)[1]:
        made = alias_of(x)
        if made.nd > INLINE_DIMS:
            free(<void *>made.dims[0])
        made.nd = 0
        set_ndim(made, ndim)
        for i in range(ndim - 1, -1, -1):
            shape_of(made)[i] = dims[i]
            strides_of(made)[i] = step
            step *= dims[i] if dims[i] > 1 else 1
        made.count = count
        made.contiguous = looks_contiguous(made)
    elif (x.block if lender is None else lender.block).bin < 0:
        raise RuntimeError(f"Trying to resize storage that is not resizable: {count} elements do not fit into the NumPy array "
                           f"that the tensor shows")
    else:
        made = new_tensor(ndim, dims, x.code)
        copy_memory(made.at, clone_raw(x).at, x.count, x.code)
    share_memory(x, made)
    x.block.version += 1
    return x


def _set_memory(Tensor x not None, Tensor source not None):
    """``x`` shows the memory of ``source``, which is of its dtype."""
    if tg_grad and needs_grad(x) and x.node is None:
        refuse_leaf("a")
    if x.code != source.code:
        raise RuntimeError(f"Could not set tensor of type {title(source.code)} to a tensor of type {title(x.code)}")
    share_memory(x, source)
    x.moved += 1
    x.base = None
    return x


cdef object hot_inplace(Op op, void **args, Py_ssize_t count):
    """``x.add_(y)`` and its kin."""
    if count != 2 or not isinstance(<object><PyObject *>args[0], Tensor):
        return DECLINED
    found = inplace_binary(op.target, <Tensor><PyObject *>args[0], <object><PyObject *>args[1])
    return DECLINED if found is NotImplemented else found
