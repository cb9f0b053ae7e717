# Events: what the engine does, told to whoever listens. While nobody does, a launch tests one word (LISTENED, TRAPPED).

cdef int LISTENING = 0
cdef tuple LISTENERS = ()
cdef list RECORDERS = []                # those of them that want to see calls
cdef dict INNERMOST = {}                # by thread: the event that has begun last and not ended


cdef int *listening_word() noexcept:
    """Where it stands whether anybody listens, or looks out for numbers that are not finite."""
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
    cdef Event around = event.parent
    event.stop = perf_counter_ns()
    if around is not None and not around.stop:
        around.inner += event.stop - event.start
    while around is not None and around.stop:           # ranges may end in another order than they began
        around = around.parent
    if INNERMOST.get(event.thread) is event:
        if around is None or not LISTENING & LISTENED:
            del INNERMOST[event.thread]
        else:
            INNERMOST[event.thread] = around
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
    for letter in where.lstrip("@./"):
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
    elif where[0] == "/":
        for d in range(ndim):
            strides[d] = a.stride[i][d]
    return new_operand(a.data[i], code, ndim, shape, strides)


cdef Event begin_kernel(const Kernel *kernel, const KernelArgs *a):
    """The event of a call, with what only the call knows: the extents of its work, and how its operands lie."""
    cdef Event event
    cdef int i
    operands = [None if a.data[i] is NULL else operand_of(a, i, declared.code, declared.where)
                for i, declared in enumerate(operands_of(kernel))]
    sizes = tuple([a.size[i] for i in range(a.ndim)])
    read = tuple(operands[:kernel.inputs])
    written = tuple(operands[kernel.inputs:] + [operands[i] for i in range(kernel.inputs) if changes(kernel, a, i)])
    event = begin_event("kernel", kernel.name.decode())        # last: its time is the kernel's, and nothing more can fail
    event.dtype, event.sizes, event.inputs, event.outputs = kernel.dtype, sizes, read, written
    return event


cdef bint changes(const Kernel *kernel, const KernelArgs *a, int i) noexcept:
    """Whether this call writes into its input i."""
    return kernel.in_place >> i & 1 and (kernel.in_place_if == 0 or a.integer[kernel.in_place_if - 1] != 0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=INNERMOST.clear)


def listen(listener, bint calls=False):
    """From now on calls `listener(event)` at the end of every event, in the thread that it happened in. With `calls`, events of
    ops tell in `event.call` what they were called on, and what they gave.
    """
    global LISTENING, LISTENERS
    LISTENERS += (listener,)
    if calls:
        RECORDERS.append(listener)
    LISTENING |= LISTENED | (RECORDED if RECORDERS else 0)


def unlisten(listener):
    """Ends what `listen` began. Nothing, when it was not listening."""
    global LISTENING, LISTENERS
    LISTENERS = tuple([each for each in LISTENERS if each is not listener])
    RECORDERS[:] = [each for each in RECORDERS if each is not listener]
    if not RECORDERS:
        LISTENING &= ~RECORDED
    if not LISTENERS:
        LISTENING &= ~LISTENED
        INNERMOST.clear()


def begin_range(str name):
    """A stretch of the caller's own, to be ended by `end_range`; None while nobody listens."""
    return begin_event("range", name) if LISTENING & LISTENED else None


def end_range(Event event):
    """Ends a stretch; of None, nothing."""
    if event is not None:
        end_event(event)
