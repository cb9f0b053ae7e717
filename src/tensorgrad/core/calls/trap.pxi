# The trap for numbers that are not finite. Ops, steps back and steps of optimizers are looked at as wholes, from outside: what
# comes out is added up, and only where the sum is not finite is anything else looked at (trap.py judges).

cdef object _judge = None               # trap.judge and trap.blame, see `_install`
cdef object _blame = None
PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def _set_trap(bint on):
    """Asks for the trap, or no longer: it is set, in all threads, while somebody asks."""
    global tg_traps
    tg_traps += 1 if on else -1
    _set_lines(on)
    if tg_traps:
        LISTENING[0] |= TRAPPED
    else:
        LISTENING[0] &= ~TRAPPED


def _set_lines(bint on):
    """Asks for the line of the forward call to be remembered by every node, or no longer."""
    global tg_lines
    tg_lines += 1 if on else -1


cdef tuple user_place():
    """File, line and function of the caller: the innermost frame that is not of this package."""
    rarely()
    import sys
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


cdef bint is_finite(Tensor t) except -1:
    """Whether no element is NaN or infinite."""
    cdef const Kernel *total
    cdef KernelArgs a
    cdef float sum32 = 0
    cdef double sum64 = 0
    if not IS_FLOAT[t.code] or t.count == 0:
        return True
    total = OP_SUM.kernels[t.code]
    if tg_kernels and total is not NULL and is_dense(t):
        begin(&a, 3)
        a.size[0] = a.size[2] = 1
        a.size[1] = t.count
        a.data[0] = t.at
        a.data[1] = <void *>&sum32 if t.code == F32 else <void *>&sum64
        for d in range(3):
            a.stride[0][d] = a.stride[1][d] = ITEMSIZE[t.code]
        if run_kernel(total, &a, kernel_cost(total, &a)) == 0 and sum32 - sum32 + (sum64 - sum64) == 0:
            return True                 # a sum may be too large by itself
    return bool(np.isfinite(values_of(t)).all())


cdef bint begin_watch() noexcept:
    """Whether the trap looks at what is done up to `end_watch`: as a whole, so not inside another such."""
    global tg_watched
    if not tg_traps or tg_watched:
        return False
    tg_watched = 1
    return True


cdef void end_watch(bint watching) noexcept:
    global tg_watched
    if watching:
        tg_watched = 0


cdef class Trap:
    """A call of an op that is looked at."""
    cdef Op op
    cdef list given
    cdef tuple words            # names of the last of them
    cdef bint in_place          # the first of them is the result
    cdef bint excused           # and was not finite before
    cdef unsigned int written


cdef Trap begin_trap(Op op, list given, tuple words, bint in_place):
    cdef Trap trap
    cdef bint excused = in_place and tg_traps and not tg_watched and given and isinstance(given[0], Tensor) and (
        not is_finite(<Tensor>given[0]))
    if not begin_watch():
        return None
    trap = Trap.__new__(Trap)
    trap.op, trap.given, trap.words, trap.in_place, trap.excused, trap.written = op, given, words, in_place, excused, tg_written
    return trap


cdef inline void end_trap(Trap trap) noexcept:
    end_watch(trap is not None)


cdef int look_at_result(Trap trap, object result) except -1:
    """Raises where a call gave numbers that are not finite for such that were."""
    cdef list operands, results
    cdef Py_ssize_t i, plain = len(trap.given) - len(trap.words)
    cdef Op op = trap.op
    if trap.excused or op.kind == VIEW or trap.written == tg_written:       # nothing was computed: memory of others, or blank
        return 0
    results = tensors_in((result,))
    for t in results:
        if is_finite(<Tensor>t):
            continue
        operands = []
        for i, value in enumerate(trap.given):
            name = trap.words[i - plain] if i >= plain else op.params[min(i, <Py_ssize_t>len(op.params) - 1)]
            if name != "out":
                operands.append((name, None if trap.in_place and i == 0 else value))
        name = op.__name__.lstrip("_")
        if trap.in_place and not name.endswith("_"):
            name += "_"
        error = _judge("forward", name, operands, "the result", t, user_place(), None)
        if error is not None:
            raise error
    return 0


cdef int look_at_item(Tensor written, Tensor value) except -1:
    """The same for what was written at an index: only a conversion can have made it so."""
    if tg_traps and not tg_watched and written.code != value.code and not is_finite(written):
        error = _judge("forward", "__setitem__", (("value", value),), "the result", written, user_place(), None)
        if error is not None:
            raise error
    return 0


cdef int look_at_gradient(Node node, Py_ssize_t i, Tensor g) except -1:
    """The same for the gradient of input ``i`` that a node hands on."""
    cdef NodeExtra extra = <NodeExtra>node.more if node.state & NODE_GENERAL else None
    cdef list operands
    if is_finite(g):
        return 0
    operands = [("gradient that arrived", <object>tg_arrived)]
    if node.op is not None:
        operands += zip(node.op.tensor_params, (node.s0, node.s1, node.s2))
        operands.append(("output", node.output))
        operands += zip(node.op.params, node.settings or ())
    elif extra is not None:
        operands.append(("saved", getattr(extra.context, "saved_tensors", None)))
    if extra is not None:
        operands.append(("saved", extra.saved))
        operands.append(("output", [kept[0] for kept in extra.output_aliases or () if kept is not None]))
    label = "a gradient" if node.op is None or i >= len(node.op.tensor_params) else (
        f"the gradient of {node.op.tensor_params[i]}")
    error = _judge("backward", node.name(), operands, label, g, user_place(), None if extra is None else extra.place)
    if error is not None:
        raise error
    return 0


cdef int look_at_sum(Tensor sum) except -1:
    """The same for a sum of gradients that were finite."""
    if not is_finite(sum):
        raise _judge("backward", "sum of gradients", (), "the sum", sum, user_place(), None)
    return 0


cdef int run_blamed(Walk walk, Node node) except -1:
    """Runs a node that knows the line of its forward call: an error names it."""
    cdef NodeExtra extra = <NodeExtra>node.more
    try:
        return run_plainly(walk, node)
    except Exception as error:
        _blame(error, node.name(), extra.place)
        raise


def _judge_step(str name, list operands, str label, Tensor result):
    """Raises for what the step of an optimizer wrote, unless it is to be excused."""
    error = _judge("step", name, operands, label, result, user_place(), None)
    if error is not None:
        raise error
