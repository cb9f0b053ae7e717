# Events: what the engine does, told to whoever listens. While nobody does, a launch tests one word.

cdef int LISTENING = 0
cdef tuple LISTENERS = ()
cdef dict INNERMOST = {}                # by thread: the event that has begun last and not ended


cdef int *listening_word() noexcept:
    """Where it stands whether anybody listens."""
    return &LISTENING


cdef class Event:
    """A kernel, a NumPy body or a draw; or a stretch of time in which some of them ran: an op, a step back, a range."""

    @property
    def duration(self):
        """Nanoseconds from its begin to its end."""
        return self.stop - self.start

    @property
    def own(self):
        """Of these, those in which no event inside it ran."""
        return self.stop - self.start - self.inner


cdef Event begin_event(str kind, str name):
    """An event that begins now, inside the one that began last in this thread."""
    cdef Event event = Event.__new__(Event)
    event.kind = kind
    event.name = name
    event.thread = get_ident()
    event.parent = INNERMOST.get(event.thread)
    INNERMOST[event.thread] = event
    event.start = perf_counter_ns()
    return event


cdef int end_event(Event event) except -1:
    event.stop = perf_counter_ns()
    if event.parent is None or not LISTENING:
        INNERMOST.pop(event.thread, None)
    else:
        event.parent.inner += event.stop - event.start
        INNERMOST[event.thread] = event.parent
    for listener in LISTENERS:
        listener(event)
    return 0


cdef class Operand:
    """Memory that an event reads or writes: its address, and how its elements lie there."""

    @property
    def itemsize(self):
        """Bytes of an element; 0 of an array of NumPy's whose dtype no tensor has."""
        return kernel_dtype(self.dtype).bytes if 0 <= self.dtype < DTYPES else 0

    def __repr__(self):
        name = kernel_dtype(self.dtype).name.decode() if 0 <= self.dtype < DTYPES else "array"
        return f"{name}{list(self.shape)} at {self.address:#x}"


cdef Operand new_operand(const void *address, int dtype, int ndim, const Py_ssize_t *shape, const Py_ssize_t *strides):
    cdef Operand operand = Operand.__new__(Operand)
    cdef int i
    operand.address = <size_t>address
    operand.dtype = dtype
    operand.shape = tuple([shape[i] for i in range(ndim)])
    operand.strides = tuple([strides[i] for i in range(ndim)])
    return operand


cdef Operand operand_of(const KernelArgs *a, int i, int code, str where):
    """What a kernel declares of an operand, filled in by a call."""
    cdef Py_ssize_t[KERNEL_DIMS] shape
    cdef Py_ssize_t[KERNEL_DIMS] strides
    cdef int ndim = 0, first = 0, d
    cdef int64_t step
    if where == "*":
        for d in range(a.ndim):
            shape[d], strides[d] = a.size[d], a.stride[i][d]
        return new_operand(a.data[i], code, a.ndim, shape, strides)
    if where[0] == "@":
        for d in range(3, a.ndim):
            if a.size[d] != 1:
                shape[ndim], strides[ndim] = a.size[d], a.stride[i][d - 1]
                ndim += 1
    first = ndim
    for letter in where.lstrip("@."):
        shape[ndim] = int(letter) if letter.isdigit() else a.integer[0] if letter == "R" else a.size[ord(letter) - ord("a")]
        ndim += 1
    step = kernel_dtype(code).bytes
    for d in range(ndim - 1, first - 1, -1):
        strides[d] = step
        step *= shape[d]
    if where[0] == "R":
        strides[0] = a.stride[i][0]
    elif where[0] == "@":
        strides[first], strides[first + 1] = a.stride[i][0], a.stride[i][1]
    return new_operand(a.data[i], code, ndim, shape, strides)


cdef Event begin_kernel(const Kernel *kernel, const KernelArgs *a):
    """The event of a call, with what only the call knows: the extents of its work, and how its operands lie."""
    cdef Event event = begin_event("kernel", kernel.name.decode())
    cdef int i
    operands = [None if a.data[i] is NULL else operand_of(a, i, declared.code, declared.where)
                for i, declared in enumerate(operands_of(kernel))]
    event.dtype = kernel.dtype
    event.sizes = tuple([a.size[i] for i in range(a.ndim)])
    event.inputs = tuple(operands[:kernel.inputs])
    event.outputs = tuple(operands[kernel.inputs:] + [operands[i] for i in range(kernel.inputs) if kernel.in_place >> i & 1])
    return event


def listen(listener):
    """From now on calls `listener(event)` at the end of every event, in the thread that it happened in."""
    global LISTENING, LISTENERS
    LISTENERS += (listener,)
    LISTENING = 1


def unlisten(listener):
    """Ends what `listen` began. Nothing, when it was not listening."""
    global LISTENING, LISTENERS
    LISTENERS = tuple([each for each in LISTENERS if each is not listener])
    if not LISTENERS:
        LISTENING = 0
        INNERMOST.clear()


def begin_range(str name):
    """A stretch of the caller's own, to be ended by `end_range`; None while nobody listens."""
    return begin_event("range", name) if LISTENING else None


def end_range(Event event):
    """Ends a stretch; of None, nothing."""
    if event is not None:
        end_event(event)
