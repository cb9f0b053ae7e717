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


cdef Event begin_kernel(const Kernel *kernel, const KernelArgs *a):
    """The event of a call, with what only the call knows: the extents of its work, and where its operands stand."""
    cdef Event event = begin_event("kernel", kernel.name.decode())
    cdef int i
    event.dtype = kernel.dtype
    event.sizes = tuple([a.size[i] for i in range(a.ndim)])
    event.addresses = tuple([<size_t>a.data[i] for i in range(kernel.inputs + kernel.outputs)])
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
